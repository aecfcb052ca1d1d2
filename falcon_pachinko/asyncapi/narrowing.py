"""What changed between two JSON Schemas: does the new one accept less, or more? Pure."""

from __future__ import annotations

import itertools
import sys
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

from falcon_pachinko.asyncapi.keywords import bound_changes
from falcon_pachinko.asyncapi.keywords import bounded
from falcon_pachinko.asyncapi.keywords import canonical
from falcon_pachinko.asyncapi.keywords import Change
from falcon_pachinko.asyncapi.keywords import enumerated
from falcon_pachinko.asyncapi.keywords import extent_of
from falcon_pachinko.asyncapi.keywords import flipped
from falcon_pachinko.asyncapi.keywords import is_said
from falcon_pachinko.asyncapi.keywords import is_text
from falcon_pachinko.asyncapi.keywords import keyword_change
from falcon_pachinko.asyncapi.keywords import kinds_of
from falcon_pachinko.asyncapi.keywords import listed
from falcon_pachinko.asyncapi.keywords import LOWER
from falcon_pachinko.asyncapi.keywords import narrowed
from falcon_pachinko.asyncapi.keywords import RAW
from falcon_pachinko.asyncapi.keywords import type_changes
from falcon_pachinko.asyncapi.keywords import type_set
from falcon_pachinko.asyncapi.keywords import UPPER
from falcon_pachinko.asyncapi.keywords import value_changes

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Sequence

    from falcon_pachinko.asyncapi.keywords import Effect

    Schema = dict[str, Any]
    Follow = Callable[[Any], Any]
    _Facts = tuple[frozenset[str], dict[tuple[str, str], str], list[Any] | None]

__all__ = ["changes_of", "is_same", "tag_of"]

_MAPS = frozenset(
    {"definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)
_CHOICES = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_ORDERED = frozenset({"items", "prefixItems"})
_DATA = frozenset({"const", "default", "enum"})
_BESIDE = frozenset({"items", "patternProperties", "properties"})
_TOGETHER = (
    frozenset({"additionalProperties"}),
    frozenset({"additionalItems"}),
    frozenset({"if", "then", "else"}),
)
"""Keywords that have a meaning only together with what is beside them."""
_SUBSCHEMAS = frozenset({"additionalItems", "additionalProperties", "propertyNames"})
_ELSEWHERE = frozenset(
    {
        "anyOf",
        "const",
        "contains",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "items",
        "maximum",
        "minimum",
        "not",
        "oneOf",
        "patternProperties",
        "properties",
        "required",
        "type",
    }
    | _SUBSCHEMAS
)
"""What is not compared as a keyword by itself."""


def changes_of(old: Any, new: Any, follow_old: Follow, follow_new: Follow) -> list[Change]:
    """Compare two schemas.

    Args:
        old: A schema.
        new: What became of it.
        follow_old: From a reference in the old one to what it means.
        follow_new: The same in the new one.
    """
    return list(dict.fromkeys(_Comparison(follow_old, follow_new).schemas(old, new, "")))


def is_same(old: Any, new: Any, follow_old: Follow, follow_new: Follow) -> bool:
    """Return whether two schemas are the same but for texts, order and what is a reference.

    Args:
        old: A schema.
        new: What became of it.
        follow_old: From a reference in the old one to what it means.
        follow_new: The same in the new one.
    """
    return _Comparison(follow_old, follow_new).same(old, new, set())


def tag_of(schema: Any, follow: Follow) -> str | None:
    """Return the part of a value that has to be there, and can have one value only, if any."""
    tags = _tags(_Comparison(follow, follow).whole(schema, 0))
    return next((f"{name}={value}" for (_, name), value in tags.items()), None)


class _Kind(NamedTuple):
    """What parts of a value are described one by one, and what says something of all others."""

    part: str
    parts: str
    others: str


_FIELDS = _Kind("field", "properties", "additionalProperties")
_ELEMENTS = _Kind("element", "items", "additionalItems")


class _Comparison:
    def __init__(self, follow_old: Follow, follow_new: Follow) -> None:
        self._follow = (follow_old, follow_new)
        # What is being compared further up is taken to be equal: a recursive schema ends. It is
        # known by its id, so whatever is made of schemas is made once, and kept.
        self._open: set[tuple[int, int, bool]] = set()
        self._is_not = False  # below a "not", where the same change has the other effect
        self._made: dict[tuple[Any, ...], tuple[Any, Any]] = {}
        self._leaves: dict[int, tuple[Any, ...]] = {}

    def schemas(self, old: Any, new: Any, place: str) -> Iterator[Change]:
        old, new = self._follow[0](old), self._follow[1](new)
        pair = (id(old), id(new), self._is_not)
        if pair in self._open:
            return
        self._open.add(pair)
        yield from self._flat(self.whole(old, 0), self.whole(new, 1), place)

    def same(self, old: Any, new: Any, seen: set[tuple[int, int]]) -> bool:
        """Return whether two schemas say the same, but for their texts and the order."""
        old, new = self._follow[0](old), self._follow[1](new)
        if (id(old), id(new)) in seen:
            return True
        seen.add((id(old), id(new)))
        if not (isinstance(old, dict | bool) and isinstance(new, dict | bool)):
            return canonical(old) == canonical(new)
        before, after = self._normal(old, 0), self._normal(new, 1)
        return before.keys() == after.keys() and all(
            self._same_at(key, before[key], after[key], seen) for key in before
        )

    def _same_at(self, key: str, old: Any, new: Any, seen: set[tuple[int, int]]) -> bool:
        if key in _MAPS and isinstance(old, dict) and isinstance(new, dict):
            return old.keys() == new.keys() and all(
                self.same(old[name], new[name], seen) for name in old
            )
        if key in _CHOICES or (key == "items" and isinstance(old, list) and isinstance(new, list)):
            return len(old) == len(new) and self._same_in(
                old, new, seen, is_ordered=key in _ORDERED
            )
        if isinstance(old, dict | bool) and isinstance(new, dict | bool) and key not in _DATA:
            return self.same(old, new, seen)
        if key in {"enum", "required", "type"}:
            return sorted(map(canonical, old)) == sorted(map(canonical, new))
        return canonical(old) == canonical(new)

    def _same_in(
        self,
        old: Sequence[Any],
        new: Sequence[Any],
        seen: set[tuple[int, int]],
        *,
        is_ordered: bool,
    ) -> bool:
        left = list(new)
        for one in old:
            for number, other in enumerate(left[:1] if is_ordered else left):
                # What a wrong try took to be the same says nothing.
                tried = set(seen)
                if self.same(one, other, tried):
                    seen |= tried
                    del left[number]
                    break
            else:
                return False
        return True

    def _normal(self, schema: Any, side: int) -> Schema:
        whole = self.whole(schema, side)
        if "oneOf" in whole and self._is_apart(whole, side):
            whole = {"anyOf" if key == "oneOf" else key: whole[key] for key in whole}
        if "anyOf" in whole or len(kinds_of(whole)) > 1:
            is_any = "oneOf" not in whole
            choices = self._split(whole, side, with_rest=True, is_any=is_any)
            if len(choices) > 1:
                return {"anyOf": choices}
            if not _choices(only := self.whole(choices[0], side)):
                whole = only
        whole = bounded(whole)
        found = {
            key: value
            for key, value in whole.items()
            if not is_text(key) and value is not False and key not in {"const", "type"}
            if value not in ({}, []) or key in _DATA or key in {"contains", "not"}
            if value != 0 or key not in LOWER
            if key not in _SUBSCHEMAS | {"items"} or self._is_anything(value, side) is False
        }
        found |= {key: False for key in (*_SUBSCHEMAS, "contains") if whole.get(key) is False}
        values, kinds = enumerated(whole), whole.get("type")
        if values is not None:
            found["enum"] = values  # of those types
        elif kinds is not None:
            found["type"] = [kinds] if isinstance(kinds, str) else kinds
        return found

    def _is_anything(self, schema: Any, side: int) -> bool:
        return not isinstance(schema, list) and extent_of(self.whole(schema, side)) == "anything"

    def whole(self, schema: Any, side: int) -> Schema:
        """Return a schema of one of the documents as one, as far as it can be said in one."""
        schema = self._follow[side](schema)
        found: Schema = self._make(
            ("whole", side, id(schema)), schema, lambda: self._merged(schema, side)
        )
        return found

    def _make(self, key: tuple[Any, ...], source: Any, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = (make(), source)
        return self._made[key][0]

    def _merged(self, schema: Any, side: int, above: tuple[int, ...] = ()) -> Schema:
        """Return a schema without references and, as far as it can be said in one, without allOf."""
        schema = self._follow[side](schema)
        if id(schema) in above:
            return {}  # it is a part of itself, which says nothing
        if not isinstance(schema, dict):
            return {"not": {}} if schema is False else {}
        own = {key: value for key, value in schema.items() if key != "allOf"}
        above = (*above, id(schema))
        parts = [own, *(self._merged(part, side, above) for part in schema.get("allOf", ()))]
        left = [rest for keys in _TOGETHER for rest in _separated(parts, keys)]
        found: Schema = {}
        for part in parts:
            left += part.pop("allOf", ())
            left += [
                {key: value}
                for key, value in part.items()
                if not self._is_joined(found, key, value, side)
            ]
        if "oneOf" in found and "anyOf" in found:
            left.append({"anyOf": found.pop("anyOf")})
        return {**found, "allOf": left} if left else found

    def _is_joined(self, found: Schema, key: str, value: Any, side: int) -> bool:
        """Add what another part says of a keyword, if one schema can say both."""
        if key not in found:
            found[key] = value
            return True
        if is_text(key) or canonical(found[key]) == canonical(value):
            return True
        if key == "required":
            found[key] = [*dict.fromkeys([*found[key], *value])]
        elif key == "properties":
            both = found[key].keys() & value.keys()
            joined = {name: self._both_of(found[key][name], value[name], side) for name in both}
            found[key] = {**found[key], **value, **joined}
        elif key == "items" and not isinstance(found[key], list) and not isinstance(value, list):
            found[key] = self._both_of(found[key], value, side)
        elif key in LOWER | {"exclusiveMinimum", "minimum"} and not isinstance(value, bool):
            found[key] = max(found[key], value)
        elif key in UPPER | {"exclusiveMaximum", "maximum"} and not isinstance(value, bool):
            found[key] = min(found[key], value)
        else:
            return False
        return True

    def _both_of(self, one: Any, other: Any, side: int) -> Any:
        """Return the schema of what two schemas accept; the same one for the same two."""
        nodes: dict[int, Any] = {}
        for each in (one, other):
            node = self._follow[side](each)
            nodes |= {id(leaf): leaf for leaf in self._leaves.get(id(node), (node,))}
        leaves = tuple(nodes.values())
        if len(leaves) == 1:
            return leaves[0]
        found = self._make(("both", *nodes), leaves, lambda: {"allOf": list(leaves)})
        self._leaves[id(found)] = leaves
        return found

    def _flat(self, old: Schema, new: Schema, place: str) -> Iterator[Change]:
        extents = [extent_of(schema) for schema in (old, new)]
        nothing = [extent == "nothing" for extent in extents]
        if any(nothing):
            if not all(nothing):
                text = "nothing is possible now" if nothing[1] else "something is possible now"
                yield Change("narrower" if nothing[1] else "wider", place, text)
            return
        if _choices(old) or _choices(new):
            if extents[1] == "anything":
                yield Change("wider", place, "anything is possible now")
                return
            both = bool(_choices(old) and _choices(new))
            changes = list(self._alternatives(old, new, place, with_rest=not both))
            yield from changes
            if _likeness(changes) != _ALIKE and not all(map(self._is_apart, (old, new), (0, 1))):
                # More of one alternative may be less of oneOf.
                text = "several alternatives of oneOf may fit at once, as far as that can be seen"
                yield Change("other", place, text)
            if not both:
                return
        yield from type_changes(old, new, place)
        yield from value_changes(old, new, place)
        yield from bound_changes(old, new, place)
        yield from self._keywords(old, new, place)
        yield from self._properties(old, new, place)
        yield from self._patterns(old, new, place)
        yield from self._items(old, new, place)
        for key, more in (("additionalItems", "[]"), ("additionalProperties", ".*")):
            yield from self._subschema(old, new, key, place + more)
        yield from self._subschema(old, new, "propertyNames", f"{place}.<key>")
        yield from self._contains(old, new, f"{place}[]")
        for change in self._not(old, new, place):
            text = f"of what must not be: {change.text}"
            yield Change(flipped(change.effect), change.place, text)

    def _alternatives(
        self, old: Schema, new: Schema, place: str, *, with_rest: bool
    ) -> Iterator[Change]:
        if {"anyOf", "oneOf"} <= old.keys() ^ new.keys() and not (
            self._is_apart(old, 0) and self._is_apart(new, 1)
        ):
            text = "several of the alternatives may fit now"
            if "oneOf" in new:
                text = "no more than one of the alternatives may fit now"
            yield Change("narrower" if "oneOf" in new else "wider", place, text)
        is_any = "oneOf" not in old and "oneOf" not in new
        before = self._labelled(old, 0, with_rest=with_rest, is_any=is_any)
        after = self._labelled(new, 1, with_rest=with_rest, is_any=is_any)
        gone = {label: before[label] for label in before if label not in after}
        come = {label: after[label] for label in after if label not in before}
        for label, schema in before.items():
            if label in after:
                yield from self.schemas(schema, after[label], place)
        yield from self._renamed(gone, come, place)
        if not is_any:
            before, after = {}, {}  # to fit another one as well is no help there
        for label, schema in gone.items():
            tries = [self._tried(schema, other, place)[0] for other in after.values()]
            if not any(_likeness(each) in (_ALIKE, _WIDER) for each in tries):
                yield Change("narrower", place, f"{label} is no longer possible")
        for label, schema in come.items():
            tries = [self._tried(other, schema, place)[0] for other in before.values()]
            if not any(_likeness(each) in (_ALIKE, _NARROWER) for each in tries):
                yield Change("wider", place, f"{label} is possible now")

    def _is_apart(self, schema: Schema, side: int) -> bool:
        """Return whether no value fits several alternatives of a oneOf, as far as that is seen."""
        if "oneOf" not in schema:
            return True
        wholes = [self.whole(choice, side) for choice in _choices(schema)]
        found = [
            (
                type_set(whole),
                {place: canonical(value) for place, value in _tags(whole).items()},
                enumerated(whole),
            )
            for whole in wholes
        ]
        if any(
            # One tag for all of them, as there usually is: no need to look at each pair.
            len({tags[place] for _, tags, _ in found}) == len(found)
            for place in set.intersection(*(set(tags) for _, tags, _ in found))
            if all(types == {place[0]} for types, _, _ in found)
        ):
            return True
        return all(_excludes(one, other) for one, other in itertools.combinations(found, 2))

    def _renamed(self, gone: dict[str, Any], come: dict[str, Any], place: str) -> Iterator[Change]:
        """Pair what is left over by what it is like, and take it out of both."""
        for label in [label for label in gone if "=" not in label]:
            found = [(name, *self._tried(gone[label], come[name], place)) for name in come]
            fitting = [
                each
                for each in found
                if _likeness(each[1]) < _UNLIKE or _kind(label) == _kind(each[0])
            ]
            if fitting:
                name, changes, opened = min(fitting, key=lambda each: _likeness(each[1]))
                yield from changes
                self._open |= opened
                del gone[label], come[name]

    def _tried(
        self, old: Any, new: Any, place: str
    ) -> tuple[list[Change], set[tuple[int, int, bool]]]:
        trial = _Comparison(*self._follow)
        trial._is_not = self._is_not
        trial._open, trial._made, trial._leaves = set(self._open), self._made, self._leaves
        # What was compared elsewhere, with whatever outcome, is compared again.
        pair = (id(self._follow[0](old)), id(self._follow[1](new)), self._is_not)
        trial._open.discard(pair)
        return list(trial.schemas(old, new, place)), trial._open

    def _labelled(
        self, schema: Schema, side: int, *, with_rest: bool, is_any: bool
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for choice in self._split(schema, side, with_rest=with_rest, is_any=is_any):
            label = _label(self.whole(choice, side))
            number = sum(other.partition(" #")[0] == label for other in found)
            found[f"{label} #{number + 1}" if number else label] = choice
        return found

    def _split(self, schema: Schema, side: int, *, with_rest: bool, is_any: bool) -> list[Any]:
        """Return the alternatives of a schema, one for each type.

        Args:
            schema: The schema.
            side: Of which document it is.
            with_rest: Whether each of them has what the schema says beside them.
            is_any: Whether a value may fit several of them.
        """
        rest = self._make(
            ("rest", id(schema)),
            schema,
            lambda: {key: schema[key] for key in schema if key not in {"anyOf", "oneOf"}},
        )
        given: Sequence[Any] = _choices(schema)
        if given and with_rest and extent_of(rest) != "anything":
            given = [self._both_of(choice, rest, side) for choice in given]
        found: list[Any] = []
        for choice in given or [schema]:
            whole = self.whole(choice, side)
            kinds = kinds_of(whole)
            if len(kinds) > 1 and not _choices(whole):
                found += [self._of_kind(whole, kind) for kind in kinds]
            else:
                found.append(choice)
        if is_any and any(self._is_number(choice, side) for choice in found):
            # Whatever is said of integers, they are numbers.
            found = [each for each in found if kinds_of(self.whole(each, side)) != ["integer"]]
        return found

    def _is_number(self, schema: Any, side: int) -> bool:
        """Return whether a schema accepts any number, and nothing else."""
        whole = self.whole(schema, side)
        return {key: whole[key] for key in whole if not is_text(key)} == {"type": "number"}

    def _of_kind(self, schema: Schema, kind: str) -> Any:
        return self._make(("kind", id(schema), kind), schema, lambda: narrowed(schema, kind))

    def _keywords(self, old: Schema, new: Schema, place: str) -> Iterator[Change]:
        for key in dict.fromkeys([*old, *new]):
            before, after = old.get(key), new.get(key)
            if key in _ELSEWHERE and not (
                key.startswith("exclusive") and bool in (type(before), type(after))
            ):
                continue
            if is_said(key, before, after) or (
                key in RAW
                and before is not None
                and after is not None
                and self._same_at(key, before, after, set())
            ):
                continue
            yield keyword_change(key, old, new, place)

    def _properties(self, old: Schema, new: Schema, place: str) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            inner = f"{place}.{name}"
            if name in after:
                yield from self.schemas(schema, after[name], inner)
            elif "patternProperties" in new:
                yield Change("other", inner, "the field is gone, or described by a pattern")
            else:
                yield from self._gone(schema, new, _FIELDS, inner)
        for name, schema in after.items():
            inner = f"{place}.{name}"
            if name in before:
                continue
            if "patternProperties" in old:
                yield Change("other", inner, "a new field, or one that a pattern described")
            else:
                yield from self._come(old, schema, _FIELDS, inner)
        had, has = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(has - had):
            yield Change("narrower", f"{place}.{name}", "is required now")
        for name in sorted(had - has):
            yield Change("wider", f"{place}.{name}", "is no longer required")

    def _custom(self, effect: Effect) -> Effect:
        """Return what is usually made of what is open to anything; of what must not be, nothing."""
        return "other" if self._is_not else effect

    def _gone(self, schema: Any, new: Schema, kind: _Kind, place: str) -> Iterator[Change]:
        """Compare a part of a value with what is said now of parts that are not described."""
        others = new.get(kind.others, True)
        extent = extent_of(self.whole(others, 1))
        is_gone = Change(self._custom("narrower"), place, f"the {kind.part} is gone")
        if extent == "nothing":
            yield Change("narrower", place, f"the {kind.part} is gone, and is not allowed")
        elif extent == "some":
            yield from list(self._both(schema, others, place)) or [is_gone]
        elif kind.parts in new:
            # It may be there, but nobody sends what is not described.
            yield is_gone
        elif self._is_anything(schema, 0):
            yield Change(self._custom("either"), place, f"the {kind.part} is gone")
        else:
            yield Change("wider", place, "was described, and may be anything now")

    def _come(self, old: Schema, schema: Any, kind: _Kind, place: str) -> Iterator[Change]:
        """Compare what was said of parts that are not described with one that is."""
        others = old.get(kind.others, True)
        extent = extent_of(self.whole(others, 0))
        if extent == "nothing":
            yield Change("wider", place, f"a new {kind.part}")
        elif extent == "anything" and kind.parts not in old and not self._is_anything(schema, 1):
            yield Change("narrower", place, "was anything, and is described now")
        else:
            # Where anything is possible, nobody has sent what is not described.
            yield Change(self._custom("either"), place, f"a new {kind.part}")
            if extent == "some":
                yield from self._both(others, schema, place)

    def _patterns(self, old: Schema, new: Schema, place: str) -> Iterator[Change]:
        before, after = old.get("patternProperties", {}), new.get("patternProperties", {})
        for pattern in dict.fromkeys([*before, *after]):
            inner = f"{place}.<{pattern}>"
            if pattern in before and pattern in after:
                yield from self.schemas(before[pattern], after[pattern], inner)
                continue
            is_new = pattern in after
            others = (old if is_new else new).get("additionalProperties", True)
            extent = extent_of(self.whole(others, 0 if is_new else 1))
            effect: Effect = {"nothing": "wider", "anything": "narrower"}.get(extent, "other")  # type: ignore[assignment]
            text = "a new pattern of fields" if is_new else "the pattern of fields is gone"
            yield Change(effect if is_new else flipped(effect), inner, text)

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
            yield from self._gone(before[number], new, _ELEMENTS, f"{place}[{number}]")
        for number in range(len(before), len(after)):
            yield from self._come(old, after[number], _ELEMENTS, f"{place}[{number}]")

    def _subschema(self, old: Schema, new: Schema, key: str, place: str) -> Iterator[Change]:
        if key in old or key in new:
            yield from self._both(old.get(key, {}), new.get(key, {}), place)

    def _contains(self, old: Schema, new: Schema, place: str) -> Iterator[Change]:
        if "contains" in old and "contains" in new:
            yield from self._both(old["contains"], new["contains"], place)
        elif "contains" in new:
            yield Change("narrower", place, "there has to be a certain element now")
        elif "contains" in old:
            yield Change("wider", place, "there need not be a certain element any longer")

    def _not(self, old: Schema, new: Schema, place: str) -> Iterator[Change]:
        if "not" in old or "not" in new:
            self._is_not = not self._is_not
            yield from list(self._both(old.get("not", False), new.get("not", False), place))
            self._is_not = not self._is_not

    def _both(self, before: Any, after: Any, place: str) -> Iterator[Change]:
        """Compare two schemas of which one may accept anything or nothing."""
        kinds = [extent_of(self._merged(before, 0)), extent_of(self._merged(after, 1))]
        if kinds[0] == kinds[1] == "some":
            yield from self.schemas(before, after, place)
        elif kinds[0] != kinds[1]:
            is_wider = ("nothing", "some", "anything").index(kinds[0]) < (
                ("nothing", "some", "anything").index(kinds[1])
            )
            now = "what is described" if kinds[1] == "some" else kinds[1]
            yield Change("wider" if is_wider else "narrower", place, f"{now} is possible here now")


def _choices(schema: Schema) -> Sequence[Any]:
    found = schema.get("oneOf") or schema.get("anyOf") or ()
    return found if isinstance(found, list) else ()


def _label(schema: Schema) -> str:
    """Say what an alternative is, so that the same one is found in another schema."""
    for (_, name), value in _tags(schema, is_certain=False).items():
        return f"{name}={value}"
    kinds = schema.get("type", "value" if schema else "anything")
    kind = kinds if isinstance(kinds, str) else " or ".join(kinds)
    return f"{kind} {schema['title']}" if isinstance(schema.get("title"), str) else kind


def _tags(schema: Schema, *, is_certain: bool = True) -> dict[tuple[str, str], Any]:
    """Return the only value of each part that can have one only, by its type and the part's name.

    Args:
        schema: The schema of the value.
        is_certain: Whether a part counts only if it has to be there.
    """
    found = {}
    required = schema.get("required", ())
    for name, part in schema.get("properties", {}).items():
        if name in required or not is_certain:
            found["object", name] = part
    items = schema.get("items")
    least = schema.get("minItems", 0) if is_certain else sys.maxsize
    for number, part in enumerate(items[:least] if isinstance(items, list) else ()):
        found["array", f"[{number}]"] = part
    return {
        place: values[0]
        for place, part in found.items()
        if isinstance(part, dict) and (values := listed(part)) is not None and len(values) == 1
    }


def _excludes(one: _Facts, other: _Facts) -> bool:
    """Return whether no value fits both of two schemas: not its type, its tag or itself."""
    (types, tags, values), (other_types, other_tags, other_values) = one, other
    shared = tags.keys() & other_tags.keys()
    told = {place[0] for place in shared if tags[place] != other_tags[place]}
    if types & other_types <= told:
        return True
    if values is None or other_values is None:
        return False
    return set(map(canonical, values)).isdisjoint(map(canonical, other_values))


def _kind(label: str) -> str:
    return label.partition(" ")[0]


_ALIKE, _WIDER, _NARROWER, _UNLIKE = range(4)


def _likeness(changes: Sequence[Change]) -> int:
    """Return how much one schema is like another one, by what is different."""
    effects = {change.effect for change in changes} - {"text"}
    if not effects:
        return _ALIKE
    if effects == {"wider"}:
        return _WIDER
    return _NARROWER if effects == {"narrower"} else _UNLIKE


def _separated(parts: list[Schema], keys: frozenset[str]) -> Iterator[Schema]:
    """Take keywords that mean something only with what is beside them out of several parts."""
    concerned = _BESIDE | keys if "if" not in keys else keys
    if sum(not concerned.isdisjoint(part) for part in parts) < 2:
        return
    for part in parts:
        if not keys.isdisjoint(part):
            yield {key: part[key] for key in part if key in concerned}
            for key in keys & part.keys():
                del part[key]
