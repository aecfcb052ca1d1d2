"""What changed between two JSON Schemas: does the new one accept less, or more? Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from typing import Literal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Sequence

    Schema = dict[str, Any]
    Follow = Callable[[Any], Any]

__all__ = ["Change", "Effect", "changes_of", "flipped"]

Effect = Literal["narrower", "wider", "either", "other", "text"]
"""What a change does to the set of accepted values. ``either``: nothing that anybody notices who
keeps to the old schema; ``other``: it cannot be said; ``text``: nothing at all."""

_TEXTS = frozenset(
    {
        "$comment",
        "$id",
        "$schema",
        "default",
        "definitions",
        "deprecated",
        "description",
        "discriminator",
        "examples",
        "externalDocs",
        "readOnly",
        "title",
        "writeOnly",
    }
)
_LOWER = frozenset({"minItems", "minLength", "minProperties"})
_UPPER = frozenset({"maxItems", "maxLength", "maxProperties"})
_WHOLE = frozenset({"contentEncoding", "contentMediaType", "format", "pattern", "uniqueItems"})
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_SUBSCHEMAS = frozenset({"additionalItems", "additionalProperties", "contains", "propertyNames"})
_HANDLED = frozenset(
    {
        "anyOf",
        "const",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "items",
        "maximum",
        "minimum",
        "multipleOf",
        "not",
        "oneOf",
        "properties",
        "required",
        "type",
    }
    | _LOWER
    | _UPPER
    | _WHOLE
    | _SUBSCHEMAS
)


@dataclass(frozen=True)
class Change:
    """One difference of two schemas.

    Attributes:
        effect: What it does to the set of accepted values.
        place: Where in a value: ``".user.name"``, ``"[]"``.
        text: What is different.
    """

    effect: Effect
    place: str
    text: str


def flipped(effect: Effect) -> Effect:
    """Return the effect from the other side: what accepts less is what sends less."""
    return {"narrower": "wider", "wider": "narrower"}.get(effect, effect)  # type: ignore[return-value]


def changes_of(old: Any, new: Any, follow_old: Follow, follow_new: Follow) -> list[Change]:
    """Compare two schemas.

    Args:
        old: A schema.
        new: What became of it.
        follow_old: From a reference in the old one to what it means.
        follow_new: The same in the new one.
    """
    return list(dict.fromkeys(_Comparison(follow_old, follow_new).schemas(old, new, "")))


class _Comparison:
    def __init__(self, follow_old: Follow, follow_new: Follow) -> None:
        self._follow = (follow_old, follow_new)
        # What is being compared further up is taken to be equal: a recursive schema ends.
        self._open: set[tuple[int, int]] = set()
        self._alive: list[Any] = []

    def schemas(self, old: Any, new: Any, place: str) -> Iterator[Change]:
        old, new = self._follow[0](old), self._follow[1](new)
        pair = (id(old), id(new))
        if pair in self._open:
            return
        self._open.add(pair)
        self._alive += [old, new]
        yield from self._flat(self._merged(old, 0), self._merged(new, 1), place)

    def _merged(self, schema: Any, side: int, above: tuple[int, ...] = ()) -> Schema:
        """Return a schema without references and, as far as it can be said in one, without allOf."""
        schema = self._follow[side](schema)
        if id(schema) in above:
            return {}  # it is a part of itself, which says nothing
        if not isinstance(schema, dict):
            return {"not": {}} if schema is False else {}
        found: Schema = {}
        own = {key: value for key, value in schema.items() if key != "allOf"}
        above = (*above, id(schema))
        parts = [self._merged(part, side, above) for part in schema.get("allOf", ())]
        for part in (own, *parts):
            for key, value in part.items():
                if key == "required":
                    found[key] = [*dict.fromkeys([*found.get(key, ()), *value])]
                elif key == "allOf":
                    found[key] = [*found.get(key, ()), *value]
                elif key not in found:
                    found[key] = value
                elif found[key] != value and not _is_text(key):
                    found["allOf"] = [*found.get("allOf", ()), {key: value}]
        return found

    def _flat(self, old: Schema, new: Schema, place: str) -> Iterator[Change]:
        nothing = [_extent(schema) == "nothing" for schema in (old, new)]
        if any(nothing):
            if not all(nothing):
                text = "nothing is possible now" if nothing[1] else "something is possible now"
                yield Change("narrower" if nothing[1] else "wider", place, text)
            return
        if _choices(old) or _choices(new):
            yield from self._alternatives(old, new, place)
            if not (_choices(old) and _choices(new)):
                return
        yield from _types(old, new, place)
        yield from _values(old, new, place)
        yield from _bounds(old, new, place)
        yield from _keywords(old, new, place)
        yield from self._properties(old, new, place)
        yield from self._items(old, new, place)
        for key, more in (("additionalItems", "[]"), ("additionalProperties", ".*")):
            yield from self._subschema(old, new, key, place + more)
        yield from self._subschema(old, new, "propertyNames", f"{place}.<key>")
        yield from self._subschema(old, new, "contains", f"{place}[]")
        for change in self._not(old, new, place):
            text = f"of what must not be: {change.text}"
            yield Change(flipped(change.effect), change.place, text)

    def _alternatives(self, old: Schema, new: Schema, place: str) -> Iterator[Change]:
        before, after = self._labelled(old, 0), self._labelled(new, 1)
        for label, schema in before.items():
            if label not in after:
                yield Change("narrower", place, f"{label} is no longer possible")
            else:
                yield from self.schemas(schema, after[label], place)
        for label in after:
            if label not in before:
                yield Change("wider", place, f"{label} is possible now")

    def _labelled(self, schema: Schema, side: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for choice in _choices(schema) or [schema]:
            label = _label(self._merged(choice, side))
            number = sum(other.partition(" #")[0] == label for other in found)
            found[f"{label} #{number + 1}" if number else label] = choice
        return found

    def _properties(self, old: Schema, new: Schema, place: str) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            inner = f"{place}.{name}"
            if name in after:
                yield from self.schemas(schema, after[name], inner)
            else:
                yield Change("narrower", inner, "the field is gone")
        for name in after:
            if name not in before:
                closed = old.get("additionalProperties", True) is False
                yield Change("wider" if closed else "either", f"{place}.{name}", "a new field")
        had, has = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(has - had):
            yield Change("narrower", f"{place}.{name}", "is required now")
        for name in sorted(had - has):
            yield Change("wider", f"{place}.{name}", "is no longer required")

    def _items(self, old: Schema, new: Schema, place: str) -> Iterator[Change]:
        before, after = old.get("items", {}), new.get("items", {})
        if not isinstance(before, list) or not isinstance(after, list):
            if isinstance(before, list) is isinstance(after, list):
                yield from self._both(before, after, f"{place}[]")
            else:
                yield Change("other", place, "elements are described in another way")
            return
        for number, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from self.schemas(one, other, f"{place}[{number}]")
        for number in range(len(after), len(before)):
            yield Change("narrower", f"{place}[{number}]", "the element is gone")
        for number in range(len(before), len(after)):
            yield Change("either", f"{place}[{number}]", "a new element")

    def _subschema(self, old: Schema, new: Schema, key: str, place: str) -> Iterator[Change]:
        if key in old or key in new:
            yield from self._both(old.get(key, {}), new.get(key, {}), place)

    def _not(self, old: Schema, new: Schema, place: str) -> Iterator[Change]:
        if "not" in old or "not" in new:
            yield from self._both(old.get("not", False), new.get("not", False), place)

    def _both(self, before: Any, after: Any, place: str) -> Iterator[Change]:
        """Compare two schemas of which one may accept anything or nothing."""
        kinds = [_extent(self._merged(before, 0)), _extent(self._merged(after, 1))]
        if kinds[0] == kinds[1] == "some":
            yield from self.schemas(before, after, place)
        elif kinds[0] != kinds[1]:
            is_wider = ("nothing", "some", "anything").index(kinds[0]) < (
                ("nothing", "some", "anything").index(kinds[1])
            )
            now = "what is described" if kinds[1] == "some" else kinds[1]
            yield Change("wider" if is_wider else "narrower", place, f"{now} is possible here now")


def _extent(schema: Schema) -> str:
    if schema.get("not") == {}:
        return "nothing"
    return "some" if any(not _is_text(key) for key in schema) else "anything"


def _is_text(key: str) -> bool:
    return key in _TEXTS or key.startswith("x-")


def _choices(schema: Schema) -> Sequence[Any]:
    found = schema.get("oneOf") or schema.get("anyOf") or ()
    return found if isinstance(found, list) else ()


def _label(schema: Schema) -> str:
    """Say what an alternative is, so that the same one is found in another schema."""
    for name, value in schema.get("properties", {}).items():
        values = _enumerated(value) if isinstance(value, dict) else None
        if values is not None and len(values) == 1:
            return f"{name}={values[0]}"
    kinds = schema.get("type", "value" if schema else "anything")
    kind = kinds if isinstance(kinds, str) else " or ".join(kinds)
    return f"{kind} {schema['title']}" if isinstance(schema.get("title"), str) else kind


def _types(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    if _enumerated(old) is not None and _enumerated(new) is not None:
        return  # the values say it
    before, after = _type_set(old), _type_set(new)
    if before - after:
        yield Change("narrower", place, f"no longer {_list(before - after)}")
    if after - before:
        yield Change("wider", place, f"may be {_list(after - before)} now")


def _type_set(schema: Schema) -> frozenset[str]:
    kinds = schema.get("type")
    if kinds is None:
        values = _enumerated(schema)
        if values is None:
            return _TYPES
        kinds = [_type_of(value) for value in values]
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    return frozenset(found | ({"integer"} if "number" in found else set()))


def _type_of(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return "null" if value is None else names.get(type(value), "object")


def _enumerated(schema: Schema) -> list[str] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return values if isinstance(values, list) else None


def _values(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    before, after = _enumerated(old), _enumerated(new)
    if before is None and after is None:
        return
    if before is None or after is None:
        text = "any value is possible now" if after is None else f"only {_shown(after)} now"
        yield Change("wider" if after is None else "narrower", place, text)
        return
    gone = [value for value in before if _canonical(value) not in map(_canonical, after)]
    come = [value for value in after if _canonical(value) not in map(_canonical, before)]
    if gone:
        yield Change("narrower", place, f"{_shown(gone)} is no longer possible")
    if come:
        yield Change("wider", place, f"{_shown(come)} is possible now")


def _bounds(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    for key, exclusive, sign in (
        ("minimum", "exclusiveMinimum", 1),
        ("maximum", "exclusiveMaximum", -1),
    ):
        before = _bound(old, key, exclusive, sign)
        after = _bound(new, key, exclusive, sign)
        if before != after:
            is_narrower = before is None or (after is not None and after > before)
            effect: Effect = "narrower" if is_narrower else "wider"
            was, now = (_stated(schema, key, exclusive) for schema in (old, new))
            yield Change(effect, place, f"{now}, was {was}")


def _bound(schema: Schema, key: str, exclusive: str, sign: int) -> tuple[float, bool] | None:
    """Return a bound so that the one which accepts less is the greater one."""
    found = [
        (sign * schema[name], name == exclusive)
        for name in (key, exclusive)
        if _is_number(schema, name)
    ]
    return max(found, default=None)


def _is_number(schema: Schema, name: str) -> bool:
    return isinstance(schema.get(name), int | float)


def _stated(schema: Schema, *keys: str) -> str:
    found = [f"{key} {schema[key]}" for key in keys if key in schema]
    return " and ".join(found) or f"no {keys[0]}"


def _keywords(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if before == after or key in _HANDLED - _LOWER - _UPPER - _WHOLE - {"multipleOf"}:
            continue
        text = f"{_stated(new, key)}, was {_stated(old, key)}"
        if _is_text(key):
            yield Change("text", place, f"{key} changed")
        elif key in _LOWER:
            yield Change("narrower" if (after or 0) > (before or 0) else "wider", place, text)
        elif before is None or before is False:
            yield Change("narrower", place, text)
        elif after is None or after is False:
            yield Change("wider", place, text)
        elif key in _UPPER:
            yield Change("narrower" if after < before else "wider", place, text)
        elif key == "multipleOf":
            yield Change(_multiple(before, after), place, text)
        else:
            yield Change("other", place, text)


def _multiple(before: float, after: float) -> Effect:
    if after % before == 0:
        return "narrower"
    return "wider" if before % after == 0 else "other"


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _shown(values: Sequence[Any]) -> str:
    return ", ".join(map(_canonical, values))


def _list(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
