"""The JSON Schemas inside of a document, and which values they allow."""

from __future__ import annotations

import re
from datetime import date
from datetime import time
from ipaddress import IPv4Address
from ipaddress import IPv6Address
from typing import Any
from typing import TYPE_CHECKING
from uuid import UUID

from pytest_pachinko.asyncapi.grammar import draft_of
from pytest_pachinko.asyncapi.grammar import DRAFTS
from pytest_pachinko.asyncapi.grammar import is_reference
from pytest_pachinko.asyncapi.grammar import is_schema
from pytest_pachinko.asyncapi.grammar import walk
from pytest_pachinko.asyncapi.misfits import Misfit
from pytest_pachinko.asyncapi.misfits import misfits
from pytest_pachinko.asyncapi.problem import pointer
from pytest_pachinko.asyncapi.references import follow
from pytest_pachinko.asyncapi.references import survey

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Mapping

    from jsonschema import FormatChecker
    from jsonschema.protocols import Validator

    from pytest_pachinko.asyncapi.problem import Place

__all__ = ["Schemas", "in_python", "why_no_regex"]

_URI = "urn:document"

_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d(\.\d+)?([Zz]|[-+]\d\d:\d\d))")
_TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?([Zz]|[-+]\d\d:\d\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_UUID = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Schemas:
    """The schemas of a document whose references all lead somewhere.

    Args:
        data: The document.
    """

    def __init__(self, data: Any) -> None:
        self._data = data
        self._validators: dict[Place, Validator | None] = {}
        self._registry: Any = None

    def find(self, place: Place) -> tuple[Place, str | None]:
        """Return where a payload's schema is, and its version of JSON Schema.

        The version is None if it is no JSON Schema, and says nothing here.

        Args:
            place: Where a schema, a Multi Format Schema or a reference to one is.
        """
        found = follow(self._data, place, _at(self._data, place))
        place, value = found
        if not isinstance(value, dict) or "schema" not in value:
            return place, "draft-07"
        draft = draft_of(value)
        return (place if draft is None else (*place, "schema")), draft

    def is_known(self, place: Place) -> bool:
        """Return whether it can be said which values a schema allows."""
        return self._validator(place) is not None

    def misfits(self, place: Place, value: Any) -> list[Misfit]:
        """Return what a schema does not allow in a value; nothing if that cannot be said.

        Args:
            place: Where a schema, a Multi Format Schema or a reference to one is.
            value: JSON data.
        """
        validator = self._validator(place)
        if validator is None:
            return []
        try:
            return misfits(validator.iter_errors(value))
        except RecursionError:
            return [Misfit((), "it is nested too deeply to be checked", ())]
        except OverflowError:  # by a division, of multipleOf
            return [Misfit((), "a number in it is too large to be checked", ())]

    def source(self, place: Place, misfit: Misfit) -> str:
        """Return where in the document a misfit is said to be one, as a JSON pointer."""
        place, _ = self.find(place)
        for part in misfit.schema_place:
            value = _at(self._data, place)
            if is_reference(value) and part not in value:
                place, _ = follow(self._data, place, value)
            place = (*place, part)
        return pointer(place)

    def kinds(self, place: Place) -> set[str]:
        """Return of which types values may be, as far as a schema says it directly."""
        place, _ = self.find(place)
        value = _at(self._data, place)
        said = value.get("type", []) if isinstance(value, dict) else []
        return {said} if isinstance(said, str) else set(said)

    def parts(self, place: Place, *keywords: str) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Iterate over a schema and what it is made of, each once.

        Args:
            place: Where a schema or a reference to one is.
            keywords: What holds its parts, such as ``allOf``.
        """
        seen: set[Place] = set()
        waiting = [place]
        while waiting:
            place, version = self.find(waiting.pop(0))
            value = _at(self._data, place)
            if place in seen or version is None or not isinstance(value, dict):
                continue
            seen.add(place)
            yield place, value
            for keyword in keywords:
                waiting += [(*place, keyword, n) for n, _ in enumerate(value.get(keyword, ()))]

    def fields(self, place: Place) -> dict[str, list[Place]]:
        """Return the properties that a schema or a part of it names, and where these are described.

        Args:
            place: Where a schema or a reference to one is.
        """
        found: dict[str, list[Place]] = {}
        for at, value in self.parts(place, "allOf", "anyOf", "oneOf"):
            for name in value.get("properties", ()):
                found.setdefault(name, []).append((*at, "properties", name))
            for name in value.get("required", ()):
                found.setdefault(name, [])
        return found

    def _validator(self, place: Place) -> Validator | None:
        if place not in self._validators:
            self._validators[place] = self._made(place)
        return self._validators[place]

    def _made(self, place: Place) -> Validator | None:
        place, version = self.find(place)
        if version is None:
            return None
        import jsonschema
        from referencing import Registry
        from referencing.jsonschema import DRAFT7

        if self._registry is None:
            document = DRAFT7.create_resource(_usable(self._data, (), _schemas(self._data)))
            self._registry = Registry().with_resource(_URI, document)
        make: Any = getattr(jsonschema, DRAFTS[version])
        schema = {"$ref": _URI + _reference(place)}
        validator: Validator = make(schema, registry=self._registry, format_checker=_formats())
        return validator


def _at(data: Any, place: Place) -> Any:
    for part in place:
        data = data[part]
    return data


def _reference(place: Place) -> str:
    return pointer(place).replace("%", "%25")


def _schemas(data: Any) -> dict[Place, dict[str, Any]]:
    """Return the schemas of a document by their place, as something by which values are checked."""
    found = survey(data)
    schemas = {n.place: _checkable(n.value) for n in found.nodes.values() if is_schema(n)}
    for node in found.references:
        if is_schema(node):
            # From 2019-09 on there may be more beside a reference.
            beside = {key: value for key, value in node.value.items() if key != "$ref"}
            inside = walk(beside, "schema", node.place)
            schemas |= {n.place: _checkable(n.value) for n in inside if is_schema(n)}
            # The way that a reference goes may lead through others, beyond jsonschema.
            target, _ = follow(data, node.place, node.value)
            schemas[node.place]["$ref"] = _reference(target)
    return schemas


def _usable(data: Any, place: Place, schemas: Mapping[Place, dict[str, Any]]) -> Any:
    """Return a document by whose schemas values can be checked; what is no schema is as it was."""
    if isinstance(data, list):
        return [_usable(value, (*place, n), schemas) for n, value in enumerate(data)]
    if not isinstance(data, dict):
        return data
    kept = schemas.get(place, data)
    return {key: _usable(value, (*place, key), schemas) for key, value in kept.items()}


def _checkable(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords of a schema by which values can be checked.

    Without ``$id``, by which references would mean something else than in the document, without
    patterns that Python does not understand, and without ``additionalItems`` where there are no
    others, which is beyond jsonschema.
    """
    kept = {key: value for key, value in schema.items() if key != "$id"}
    if isinstance(kept.get("items"), bool):
        kept.pop("additionalItems", None)
    if "pattern" in kept and why_no_regex(kept["pattern"]) is not None:
        del kept["pattern"]
    if "patternProperties" in kept:
        patterns = kept["patternProperties"].items()
        kept["patternProperties"] = {p: v for p, v in patterns if why_no_regex(p) is None}
    return kept


def why_no_regex(pattern: str) -> str | None:
    """Return why a text is no regular expression of Python, or None if it is one."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"
    return None


def in_python(pattern: str) -> str:
    """Return a pattern without what only ECMAScript has; it may match something else."""
    pattern = re.sub(r"\\[pP]\{[^{}]*\}|\\u\{[0-9a-fA-F]+\}|\\c[A-Za-z]", "x", pattern)
    pattern = re.sub(r"\(\?<(?=\w)", "(?P<", pattern)
    return re.sub(r"\\k<(\w+)>", r"(?P=\1)", pattern)


def _formats() -> FormatChecker:
    """Return what checks the formats that have one meaning and need no other package."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, check in _CHECKS.items():
        checker.checks(name, raises=ValueError)(_of_text(check))
    return checker


def _of_text(check: Callable[[str], Any]) -> Callable[[object], bool]:
    def checked(value: object) -> bool:
        if isinstance(value, str):
            check(value)
        return True

    return checked


def _matching(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found


def _date_time(text: str) -> None:
    found = _matching(_DATE_TIME, text)
    date.fromisoformat(found[1])
    _time(found[2])


def _time(text: str) -> None:
    _matching(_TIME, text)
    # A leap second is a time too (RFC 3339, section 5.6).
    time.fromisoformat(text[:8].replace(":60", ":59"))


def _date(text: str) -> None:
    date.fromisoformat(_matching(_DATE, text)[0])


_CHECKS: dict[str, Callable[[str], Any]] = {
    "date-time": _date_time,
    "date": _date,
    "time": _time,
    "uuid": lambda text: UUID(_matching(_UUID, text)[0]),
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
}
