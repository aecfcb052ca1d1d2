"""What a keyword of JSON Schema says of values, and what a change of it does to them. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil
from math import floor
from typing import Any
from typing import Literal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence

    Schema = dict[str, Any]

__all__ = [
    "LOWER",
    "RAW",
    "UPPER",
    "Change",
    "Effect",
    "bound_changes",
    "bounded",
    "canonical",
    "enumerated",
    "extent_of",
    "flipped",
    "is_said",
    "is_text",
    "keyword_change",
    "kinds_of",
    "listed",
    "narrowed",
    "type_changes",
    "type_set",
    "value_changes",
]

Effect = Literal["narrower", "wider", "either", "other", "text"]
"""What a change does to the set of accepted values. ``either``: nothing that anybody notices who
keeps to the old schema; ``other``: it cannot be said; ``text``: nothing at all."""

_TEXTS = frozenset(
    {
        "$comment",
        "$id",
        "$schema",
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
LOWER = frozenset({"minItems", "minLength", "minProperties"})
UPPER = frozenset({"maxItems", "maxLength", "maxProperties"})
_WHOLE = frozenset({"contentEncoding", "contentMediaType", "format", "pattern", "uniqueItems"})
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
RAW = frozenset(
    {
        "allOf",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "prefixItems",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
"""What is compared as it is."""
_OF_TYPES = (
    (("contentEncoding", "contentMediaType", "maxLength", "minLength", "pattern"), {"string"}),
    (("format",), {"integer", "number", "string"}),
    (
        ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"),
        {"integer", "number"},
    ),
    (
        ("additionalItems", "contains", "items", "maxItems", "minItems", "uniqueItems"),
        {"array"},
    ),
    (
        (
            *("additionalProperties", "dependencies", "maxProperties", "minProperties"),
            *("patternProperties", "properties", "propertyNames", "required"),
        ),
        {"object"},
    ),
)
_KINDS = {key: kinds for keys, kinds in _OF_TYPES for key in keys}
"""Of values of which types a keyword says something, if not of all."""
_BOUNDS = (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1))
_LONGEST = 60  # characters of a value that a reader takes in


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


def extent_of(schema: Schema) -> str:
    """Return how much a schema accepts: ``nothing``, ``some`` or ``anything``."""
    if schema.get("not") == {}:
        return "nothing"
    return "some" if any(not is_text(key) and key != "default" for key in schema) else "anything"


def is_text(key: str) -> bool:
    """Return whether a keyword is for readers, and says nothing of values."""
    return key in _TEXTS or key.startswith("x-")


def narrowed(schema: Schema, kind: str) -> Schema:
    """Return what a schema of several types says of one of them."""
    found = {key: value for key, value in schema.items() if kind in _KINDS.get(key, _TYPES)}
    values = enumerated(schema)
    if values is not None:
        found.pop("const", None)
        kinds = {kind, "integer"} if kind == "number" else {kind}
        found["enum"] = [value for value in values if _type_of(value) in kinds]
    return {**found, "type": kind}


def type_changes(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    """Compare the types of values."""
    if enumerated(old) is not None and enumerated(new) is not None:
        return  # the values say it
    before, after = type_set(old), type_set(new)
    if before - after:
        yield Change("narrower", place, f"no longer {_list(before - after)}")
    if after - before:
        yield Change("wider", place, f"may be {_list(after - before)} now")


def type_set(schema: Schema) -> frozenset[str]:
    """Return the types of the values of a schema; each number may be an integer."""
    if schema.get("type") is None and listed(schema) is None:
        return _TYPES
    found = set(kinds_of(schema))
    return frozenset(found | ({"integer"} if "number" in found else set()))


def kinds_of(schema: Schema) -> list[str]:
    """Return the types that a schema names, or those of the values that it lists."""
    kinds = schema.get("type")
    if kinds is None:
        found = dict.fromkeys(_type_of(value) for value in listed(schema) or ())
        return [kind for kind in found if kind != "integer" or "number" not in found]
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _type_of(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return "null" if value is None else names.get(type(value), "object")


def enumerated(schema: Schema) -> list[Any] | None:
    """Return the only values of a schema, if they can be counted."""
    return [None] if schema.get("type") in ("null", ["null"]) else listed(schema)


def listed(schema: Schema) -> list[Any] | None:
    """Return the values that a schema lists: those of its types, if it has any."""
    values = schema.get("enum")
    if "const" in schema:
        is_one = not isinstance(values, list) or canonical(schema["const"]) in map(
            canonical, values
        )
        values = [schema["const"]] if is_one else []
    if not isinstance(values, list):
        return None
    kinds = schema.get("type")
    if kinds is None:
        return values
    allowed = {kinds} if isinstance(kinds, str) else set(kinds)
    return [value for value in values if not allowed.isdisjoint(_types_of(value))]


def _types_of(value: Any) -> set[str]:
    kind = _type_of(value)
    is_whole = kind == "number" and value.is_integer()
    return {kind} | ({"number"} if kind == "integer" else {"integer"} if is_whole else set())


def value_changes(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    """Compare the values that are listed one by one."""
    if listed(old) is None and listed(new) is None:
        return
    before, after = enumerated(old), enumerated(new)
    if before is None or after is None:
        text = "any value is possible now" if after is None else f"only {_shown(after)} now"
        yield Change("wider" if after is None else "narrower", place, text)
        return
    gone = [value for value in before if canonical(value) not in map(canonical, after)]
    come = [value for value in after if canonical(value) not in map(canonical, before)]
    if gone:
        yield Change("narrower", place, f"{_shown(gone)} is no longer possible")
    if come:
        yield Change("wider", place, f"{_shown(come)} is possible now")


def bound_changes(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    """Compare the least and the greatest number."""
    for key, exclusive, sign in _BOUNDS:
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
    if type_set(schema) == {"integer"}:
        # More than 0 is the same as 1 at least.
        found = [(floor(bound) + 1 if over else ceil(bound), False) for bound, over in found]
    return max(found, default=None)


def bounded(schema: Schema) -> Schema:
    """Return a schema of integers with bounds that are possible themselves; others as they are."""
    if type_set(schema) != {"integer"}:
        return schema
    found = dict(schema)
    for key, exclusive, sign in _BOUNDS:
        bound = _bound(schema, key, exclusive, sign)
        if bound is not None:
            found[key] = sign * bound[0]
            if _is_number(found, exclusive):
                del found[exclusive]
    return found


def _is_number(schema: Schema, name: str) -> bool:
    return isinstance(schema.get(name), int | float) and not isinstance(schema[name], bool)


def _stated(schema: Schema, *keys: str) -> str:
    found = [f"{key} {_short(schema, key)}" for key in keys if key in schema]
    return " and ".join(found) or f"no {keys[0]}"


def _short(schema: Schema, key: str) -> str:
    text = str(schema[key])
    if len(text) <= _LONGEST:
        return text
    title = schema.get("title")
    return f"of {title!r}" if isinstance(title, str) else f"{text[:_LONGEST]}..."


def is_said(key: str, before: Any, after: Any) -> bool:
    """Return whether a keyword says the same in both schemas."""
    if key == "uniqueItems":
        return bool(before) is bool(after)
    if key in LOWER:
        return bool((before or 0) == (after or 0))
    return canonical(before) == canonical(after) and (before is None) is (after is None)


def keyword_change(key: str, old: Schema, new: Schema, place: str) -> Change:
    """Return what the change of a keyword means that is compared by itself."""
    before, after = old.get(key), new.get(key)
    text = f"{_stated(new, key)}, was {_stated(old, key)}"
    if key == "default":
        # What is left out means something else now: no schema is another, but a peer may be.
        return Change("either", place, text)
    if is_text(key):
        return Change("text", place, f"{key} changed")
    if key in RAW:
        text = f"{key} is different"
    return Change(_keyword_effect(key, before, after), place, text)


def _keyword_effect(key: str, before: Any, after: Any) -> Effect:
    if key in LOWER:
        return "narrower" if (after or 0) > (before or 0) else "wider"
    if key not in UPPER | _WHOLE | RAW | {"multipleOf"}:
        return "other"
    if before is None or before is False:
        return "narrower"
    if after is None or after is False:
        return "wider"
    if key in UPPER:
        return "narrower" if after < before else "wider"
    return _multiple(before, after) if key == "multipleOf" else "other"


def _multiple(before: float, after: float) -> Effect:
    if after % before == 0:
        return "narrower"
    return "wider" if before % after == 0 else "other"


def canonical(value: Any) -> str:
    """Return the text of a value that all equal values have."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    """Return a value with 1 for 1.0, which are the same in JSON Schema."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shown(values: Sequence[Any]) -> str:
    return ", ".join(map(canonical, values))


def _list(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
