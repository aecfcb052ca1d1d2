"""How types contain each other: which contain themselves, and how far it is to an end. Pure."""

from __future__ import annotations

import math
from typing import Any
from typing import TYPE_CHECKING

from msgspec import inspect

from falcon_pachinko.schema import bare
from pytest_pachinko.strategies.registry import custom
from pytest_pachinko.strategies.schemas import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence

__all__ = ["OBJECTS", "SERIES", "Recursion", "is_list", "needed_fields", "parts"]

OBJECTS = (
    inspect.StructType,
    inspect.DataclassType,
    inspect.NamedTupleType,
    inspect.TypedDictType,
)
SERIES = (
    inspect.ListType,
    inspect.SetType,
    inspect.FrozenSetType,
    inspect.VarTupleType,
)


def parts(info: Any) -> Iterator[inspect.Type]:
    """Iterate over the types that a type directly consists of."""
    info = bare(info)
    match info:
        case inspect.UnionType(types=types):
            yield from types
        case inspect.TupleType(item_types=types):
            yield from types
        case inspect.DictType(key_type=key, value_type=value):
            yield from (key, value)
        case _ if isinstance(info, SERIES):
            yield info.item_type
        case _ if isinstance(info, OBJECTS) and custom(origin_of(info.cls)) is None:
            yield from (field.type for field in info.fields)


def is_list(info: Any) -> bool:
    """Return whether what has fields is a list on the wire."""
    return isinstance(info, inspect.NamedTupleType) or getattr(info, "array_like", False)


def needed_fields(info: Any) -> Sequence[inspect.Field]:
    """Return the fields that are never absent: of a list, also those before one that is needed."""
    if not is_list(info):
        return [field for field in info.fields if field.required]
    last = max((at for at, field in enumerate(info.fields) if field.required), default=-1)
    return list(info.fields[: last + 1])


class Recursion:
    """How a type contains itself.

    Types are told apart by identity: msgspec describes a class once, however often it occurs.

    Args:
        root: The type.
    """

    def __init__(self, root: inspect.Type) -> None:
        self._objects: dict[int, Any] = {}
        waiting = [root]
        while waiting:
            info = bare(waiting.pop())
            if isinstance(info, OBJECTS):
                if id(info) in self._objects:
                    continue
                self._objects[id(info)] = info
            waiting.extend(parts(info))
        self._below = self._reachable()
        self._heights: dict[int, float] = dict.fromkeys(self._objects, math.inf)
        while self._settle():
            pass

    def recursive(self, info: inspect.Type) -> bool:
        """Return whether a Struct, or the like, contains itself."""
        return id(info) in self._below.get(id(info), ())

    def deep(self, info: inspect.Type) -> bool:
        """Return whether something that contains itself is in a type."""
        return any(other in self._below[other] for other in self._within(info))

    def height(self, info: inspect.Type) -> float:
        """Return how many Structs are in each other, at least, in a value of a type."""
        info = bare(info)
        if isinstance(info, OBJECTS):
            return self._heights[id(info)]
        heights = [self.height(part) for part in parts(info)]
        match info:
            case inspect.UnionType():
                return min(heights)
            case inspect.TupleType():
                return max(heights, default=0)
            case _:
                return max(heights, default=0) if getattr(info, "min_length", None) else 0

    def _settle(self) -> bool:
        changed = False
        for key, info in self._objects.items():
            needed = []
            if custom(origin_of(info.cls)) is None:
                needed = [self.height(field.type) for field in needed_fields(info)]
            height = 1 + max(needed, default=0)
            changed |= height < self._heights[key]
            self._heights[key] = height
        return changed

    def _within(self, info: inspect.Type) -> set[int]:
        """Return the Structs in a type, itself among them."""
        info = bare(info)
        if isinstance(info, OBJECTS):
            return {id(info)} | self._below[id(info)]
        return set().union(*map(self._within, parts(info)))

    def _reachable(self) -> dict[int, set[int]]:
        direct = {key: _direct(info) for key, info in self._objects.items()}
        below = {}
        for key, first in direct.items():
            found: set[int] = set()
            waiting = set(first)
            while waiting:
                other = waiting.pop()
                found.add(other)
                waiting |= direct[other] - found
            below[key] = found
        return below


def _direct(info: inspect.Type) -> set[int]:
    found = set()
    waiting = list(parts(info))
    while waiting:
        part = bare(waiting.pop())
        if isinstance(part, OBJECTS):
            found.add(id(part))
        else:
            waiting.extend(parts(part))
    return found
