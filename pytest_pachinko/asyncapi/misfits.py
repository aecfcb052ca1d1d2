"""Why a value does not fit a JSON Schema, in the words of this project. Pure.

A schema of alternatives says nothing helpful when none of them fits: of them the one is explained
that was most likely meant, down to the value that is wrong.
"""

from __future__ import annotations

import json
import re
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

from pytest_pachinko.asyncapi.problem import close_to
from pytest_pachinko.asyncapi.problem import listed

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator
    from collections.abc import Sequence

    from jsonschema import ValidationError

    from pytest_pachinko.asyncapi.problem import Place

__all__ = ["Misfit", "misfits", "shown"]

_WIDTH = 60


class Misfit(NamedTuple):
    """Something in a value that a schema does not allow.

    Attributes:
        place: Where it is in the value.
        message: What is wrong.
        schema_place: Where the schema says so, below the schema that was asked, as if each
            ``$ref`` on the way were what it leads to.
        is_tag: Whether it tells that another kind of value was meant: the value is of another
            type, or a field directly in it is not the only constant that it may be.
        allowed: The constants that a value may be, if there are few.
    """

    place: Place
    message: str
    schema_place: Place
    is_tag: bool = False
    allowed: tuple[Any, ...] = ()


def misfits(errors: Iterable[ValidationError]) -> list[Misfit]:
    """Return what is wrong with a value, each thing once."""
    found = [misfit for error in errors for misfit in _explained(error)]
    said = {(each.place, each.message): each for each in found}
    # That no alternative fits says less than anything else that is wrong at a place.
    vague = [
        key for key, each in said.items() if each.schema_place[-1:] in (("anyOf",), ("oneOf",))
    ]
    better = {place for place, _ in said.keys() - set(vague)}
    return [each for key, each in said.items() if key not in vague or each.place not in better]


def _explained(error: Any) -> Iterator[Misfit]:
    place = tuple(error.absolute_schema_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", ()))
        for name in _extras(error):
            hint = close_to(name, known) or f"; there are {listed(known)}"
            message = f"there is no field {name!r} here{hint}"
            yield Misfit((*error.absolute_path, name), message, place)
        return
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        yield Misfit(*_said(error), place, _is_tag(error), _constants(error))
        return
    # What is the tag of a value inside is no tag of the whole.
    inside = bool(error.relative_path)
    branches = _branches(error)
    best = min(branches, key=_rank)
    chosen = [_none_of(error, branches)] if _is_other(best) else best
    for misfit in chosen:
        yield misfit._replace(is_tag=misfit.is_tag and not inside)


def _branches(error: Any) -> list[list[Misfit]]:
    """Return what is wrong by each alternative; a reference is none for what is no reference."""
    grouped: dict[Any, list[Any]] = {}
    for each in error.context or ():
        grouped.setdefault(each.relative_schema_path[0], []).append(each)
    real = [group for group in grouped.values() if not any(map(_lacks_ref, group))]
    return [misfits(group) for group in real or grouped.values()]


def _lacks_ref(error: Any) -> bool:
    return bool(error.validator == "required" and "$ref" in error.validator_value)


def _is_other(branch: list[Misfit]) -> bool:
    return any(misfit.is_tag for misfit in branch)


def _rank(branch: list[Misfit]) -> tuple[bool, int]:
    return _is_other(branch), len(branch)


def _none_of(error: Any, branches: list[list[Misfit]]) -> Misfit:
    """Say that a value is meant to be none of the alternatives."""
    tags = [next(misfit for misfit in branch if misfit.is_tag) for branch in branches]
    first = tags[0]
    if len({tag.message for tag in tags}) == 1:
        return first
    place = tuple(error.absolute_schema_path)
    if len({tag.place for tag in tags}) == 1 and all(tag.allowed for tag in tags):
        allowed = tuple(each for tag in tags for each in tag.allowed)
        value = error.instance[first.place[-1]] if first.place else error.instance
        return Misfit(first.place, _not_among(value, allowed), place, is_tag=True, allowed=allowed)
    reasons = "; ".join(dict.fromkeys(tag.message for tag in tags))
    message = f"{shown(error.instance)} fits none of {len(tags)} alternatives: {_short(reasons)}"
    return Misfit(tuple(error.absolute_path), message, place, is_tag=True)


def _is_tag(error: Any) -> bool:
    depth = len(error.relative_path)
    return not depth if error.validator == "type" else depth <= 1 and len(_constants(error)) == 1


def _constants(error: Any) -> tuple[Any, ...]:
    match error.validator:
        case "const":
            return (error.validator_value,)
        case "enum":
            return tuple(error.validator_value)
        case _:
            return ()


def _not_among(value: Any, allowed: Sequence[Any]) -> str:
    if len(allowed) == 1:
        return f"{shown(value)} is not {shown(allowed[0])}"
    return f"{shown(value)} is none of {listed(allowed)}{close_to(value, allowed)}"


def shown(value: Any) -> str:
    """Return a value as JSON in one short line."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def _said(error: Any) -> tuple[Place, str]:
    """Return what is wrong, and where."""
    say = _SAYS.get(str(error.validator), lambda error: _short(error.message))
    return tuple(error.absolute_path), say(error)


def _extras(error: Any) -> Iterator[str]:
    """Return the fields that nobody allows."""
    schema = error.schema
    patterns = list(schema.get("patternProperties", ()))
    for name in error.instance:
        known = name in schema.get("properties", ())
        if not known and not any(re.search(pattern, name) for pattern in patterns):
            yield name


def _missing(error: Any) -> str:
    absent = [name for name in error.validator_value if name not in error.instance]
    # There is an error for each of them.
    name = next(name for name in absent if error.message.startswith(repr(name)))
    return f"the field {name!r} is missing: add it"


def _wrong_type(error: Any) -> str:
    value = error.instance
    return f"{shown(value)} is {_type_name(value)}, and has to be {_types(error.validator_value)}"


def _ambiguous(error: Any) -> str:
    return f"{shown(error.instance)} fits several alternatives of oneOf, and has to fit one"


def _bound(text: str, size: Callable[[Any], Any] = len) -> Callable[[Any], str]:
    """Return what says that a value is beyond a bound."""
    return lambda error: text.format(
        value=shown(error.instance), size=size(error.instance), wanted=error.validator_value
    )


def _itself(value: Any) -> Any:
    return value


_SAYS: dict[str, Callable[[Any], str]] = {
    "required": _missing,
    "type": _wrong_type,
    "oneOf": _ambiguous,
    "enum": lambda error: _not_among(error.instance, _constants(error)),
    "const": lambda error: _not_among(error.instance, _constants(error)),
    "pattern": _bound("{value} does not match the pattern {wanted}"),
    "format": _bound("{value} is not of the format {wanted}"),
    "minimum": _bound("{value} is less than the minimum of {wanted}", _itself),
    "maximum": _bound("{value} is more than the maximum of {wanted}", _itself),
    "exclusiveMinimum": _bound("{value} has to be more than {wanted}", _itself),
    "exclusiveMaximum": _bound("{value} has to be less than {wanted}", _itself),
    "multipleOf": _bound("{value} is no multiple of {wanted}", _itself),
    "minLength": _bound("{value} has {size} characters, and at least {wanted} are needed"),
    "maxLength": _bound("{value} has {size} characters, and at most {wanted} are allowed"),
    "minItems": _bound("it has {size} items, and at least {wanted} are needed"),
    "maxItems": _bound("it has {size} items, and at most {wanted} are allowed"),
    "uniqueItems": lambda _: "an item is there twice",
    "minProperties": _bound("it has {size} fields, and at least {wanted} are needed"),
    "maxProperties": _bound("it has {size} fields, and at most {wanted} are allowed"),
    "None": lambda error: f"{shown(error.instance)} is there, and nothing is allowed there",
}


def _short(message: str) -> str:
    return message if len(message) <= 3 * _WIDTH else f"{message[: 3 * _WIDTH]}…"


_NAMES = {
    "array": "a list",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}


def _types(wanted: Any) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join(_NAMES.get(name, str(name)) for name in names)


def _type_name(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return _NAMES[kinds.get(type(value), "null" if value is None else "object")]
