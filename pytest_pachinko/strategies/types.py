"""From what msgspec says of a type to the strategy of its values.

A type has two strategies: of instances, and of wire data (what JSON decodes to: dicts, lists and
scalars). One walk makes either. They share the scalars, which are drawn as instances and then
encoded, the lengths, the examples and the way out of recursion; they differ in what a container
is, and in that a field of wire data may be absent, in another place, or unknown.

A type that contains itself is walked a few levels deep. On the last one only what leads out is
taken: an absent field, an empty list, the member of a union that is nearest to an end. So every
value is small enough for Hypothesis, and a type without an end is found before a value is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import inspect

from falcon_pachinko.schema import bare
from pytest_pachinko.strategies.guard import refuse
from pytest_pachinko.strategies.objects import as_instance
from pytest_pachinko.strategies.objects import as_wire
from pytest_pachinko.strategies.objects import Slot
from pytest_pachinko.strategies.objects import slots_of
from pytest_pachinko.strategies.recursion import OBJECTS
from pytest_pachinko.strategies.recursion import parts
from pytest_pachinko.strategies.recursion import Recursion
from pytest_pachinko.strategies.recursion import SERIES
from pytest_pachinko.strategies.registry import custom
from pytest_pachinko.strategies.registry import decoder
from pytest_pachinko.strategies.registry import encode
from pytest_pachinko.strategies.registry import plain
from pytest_pachinko.strategies.registry import register_type
from pytest_pachinko.strategies.registry import resolve
from pytest_pachinko.strategies.registry import to_wire
from pytest_pachinko.strategies.scalars import check_lengths
from pytest_pachinko.strategies.scalars import HASHABLE_JSON
from pytest_pachinko.strategies.scalars import JSON
from pytest_pachinko.strategies.scalars import scalar
from pytest_pachinko.strategies.scalars import SCALARS
from pytest_pachinko.strategies.scalars import stretch
from pytest_pachinko.strategies.schemas import annotation_of
from pytest_pachinko.strategies.schemas import class_of
from pytest_pachinko.strategies.schemas import decoder_for
from pytest_pachinko.strategies.schemas import origin_of
from pytest_pachinko.strategies.schemas import variants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence

__all__ = [
    "Place",
    "Pool",
    "Walk",
    "annotation_of",
    "decoder_for",
    "encode",
    "example_frames",
    "register_type",
    "strategy_of",
    "to_wire",
    "variants",
]

# (what msgspec says of the value, the Python name of the field that holds it, its strategy) -> the
# strategy to use. Asked for each str, int, UUID, Decimal and datetime, wherever it stands, before
# it becomes wire data. The name is that of the nearest field, also for the items of its list and
# the keys of its dict. Infos are equal by value but not hashable: use repr(info).
Pool = Callable[[inspect.Type, str, SearchStrategy[Any]], SearchStrategy[Any]]

_POOLED = (
    inspect.StrType,
    inspect.IntType,
    inspect.UUIDType,
    inspect.DecimalType,
    inspect.DateTimeType,
)
# Equal to their wire data.
_NATIVE = (
    inspect.StrType,
    inspect.IntType,
    inspect.BoolType,
    inspect.NoneType,
    inspect.LiteralType,
)
# Beside one of these a JSON integer is no float.
_INTEGRAL = (inspect.IntType, inspect.LiteralType, inspect.EnumType, inspect.DecimalType)

# What JSON has as a key of an object and msgspec reads as one.
_KEYS = (
    *_POOLED,
    inspect.FloatType,
    inspect.BytesType,
    inspect.DateType,
    inspect.TimeType,
    inspect.TimeDeltaType,
    inspect.EnumType,
    inspect.LiteralType,
    inspect.CustomType,
)

_LEVELS = 4  # how often a type is in itself at most
_BRANCHES = 2  # how many there are in a list or dict
_FEW = (None, 6, 3)  # how many items are drawn of a list, of one in a list, and of one in that
_LONG = 64  # beyond that, to draw each item costs more than an example may
_SMALL = 64  # so few values can be listed


class Place(NamedTuple):
    """Where a value stands.

    Attributes:
        path: What it is called in errors.
        field: The name of the nearest field.
        level: How many more times a type may be in itself.
        depth: In how many lists or dicts it is.
        hashed: Whether it is, or is part of, an item of a set or a key.
        exact: Whether a float that is integral has to be sent as a float.
    """

    path: str
    field: str = ""
    level: int = _LEVELS
    depth: int = 0
    hashed: bool = False
    exact: bool = False


def strategy_of(
    info: inspect.Type, *, wire: bool, path: str, pool: Pool | None = None
) -> SearchStrategy[Any]:
    """Return a strategy for the values of a type.

    Args:
        info: What msgspec says of it.
        wire: Whether as wire data; else as instances.
        path: What it is called in errors, such as ``"Say.text"``.
        pool: May replace the strategy of each id-like scalar.

    Raises:
        PachinkoUsageError: Values of the type cannot be made.
    """
    return Walk(info, wire=wire, pool=pool).make(info, Place(path))


class Walk:
    """Makes the strategies for a type and all that is in it.

    Args:
        root: What msgspec says of the type.
        wire: Whether for wire data; else for instances.
        pool: May replace the strategy of each id-like scalar.
    """

    def __init__(self, root: inspect.Type, *, wire: bool, pool: Pool | None) -> None:
        self._root = root
        self._wire = wire
        self._pool = pool
        self._recursion = Recursion(root)
        self._made: dict[tuple[int, int, int, bool], SearchStrategy[Any]] = {}

    @cached_property
    def _instances(self) -> Walk:
        """The walk for what has to be unique as an instance, which wire data may not show."""
        return Walk(self._root, wire=False, pool=self._pool) if self._wire else self

    def make(self, info: Any, place: Place) -> SearchStrategy[Any]:
        """Return the strategy for the values of a type in a place."""
        if isinstance(info, inspect.Metadata):
            return self._with_examples(info, place)
        found = custom(class_of(info))
        if found is None and isinstance(info, inspect.CustomType):
            if info.cls is object:
                return self._scalar(inspect.AnyType(), place)
            found = resolve(info.cls, place.path)
        if found is not None:
            return found.strategy.map(to_wire) if self._wire else found.strategy
        return _MAKERS.get(type(info), Walk._scalar)(self, info, place)

    def _tuple(self, info: inspect.TupleType, place: Place) -> SearchStrategy[Any]:
        items = [
            self.make(item, place._replace(path=f"{place.path}[{index}]"))
            for index, item in enumerate(info.item_types)
        ]
        return st.tuples(*items).map(list) if self._wire else st.tuples(*items)

    def _scalar(self, info: Any, place: Place) -> SearchStrategy[Any]:
        if isinstance(info, inspect.AnyType):
            return HASHABLE_JSON if place.hashed else JSON
        if isinstance(info, inspect.RawType) and self._wire:
            return JSON
        if type(info) not in SCALARS:
            raise refuse(
                place.path,
                f"JSON has no {type(info).__name__.removesuffix('Type')}.",
                "a message is JSON: use bytes, or a type that msgspec encodes as JSON.",
            )
        strategy = scalar(info, place.path)
        if self._pool is not None and isinstance(info, _POOLED):
            strategy = self._pool(info, place.field, strategy)
        if not self._wire or isinstance(info, _NATIVE):
            return strategy
        if isinstance(info, inspect.FloatType):
            return strategy if place.exact else strategy.map(_number)
        return strategy.map(plain)

    def _with_examples(self, info: inspect.Metadata, place: Place) -> SearchStrategy[Any]:
        strategy = self.make(info.type, place)
        frames = list(example_frames(info, place.path))
        if not frames:
            return strategy
        decode = msgspec.json.decode if self._wire else decoder(annotation_of(info)).decode
        return strategy | st.sampled_from(frames).map(decode)

    def _union(self, info: inspect.UnionType, place: Place) -> SearchStrategy[Any]:
        kinds = [bare(option) for option in info.types]
        if any(isinstance(kind, inspect.AnyType) for kind in kinds):
            return self.make(inspect.AnyType(), place)
        place = place._replace(exact=any(isinstance(kind, _INTEGRAL) for kind in kinds))
        # What is simpler comes first, and so do the ways out.
        options = sorted(_decodable(info), key=self._distance)
        if not place.level:
            out = [option for option in options if not self._recursion.deep(option)]
            options = out or options[:1]
        return st.one_of([self.make(option, place) for option in options])

    def _distance(self, info: Any) -> float:
        return -1 if isinstance(bare(info), inspect.NoneType) else self._recursion.height(info)

    def _lengths(self, info: Any, inner: Sequence[Any], place: Place) -> tuple[int, int | None]:
        low, high = check_lengths(info, place.path)
        few = _FEW[min(place.depth, len(_FEW) - 1)]
        if any(map(self._recursion.deep, inner)):
            few = _BRANCHES if place.level else 0
        if few is not None:
            few = max(few, low)
            high = few if high is None else min(few, high)
        return low, high

    def _series(self, info: Any, place: Place) -> SearchStrategy[Any]:
        low, high = self._lengths(info, (info.item_type,), place)
        kind: Any = {
            inspect.SetType: set,
            inspect.FrozenSetType: frozenset,
            inspect.VarTupleType: tuple,
        }.get(type(info), list)
        inner = place._replace(path=f"{place.path}[...]", depth=place.depth + 1)
        if high == 0:
            return st.builds(list if self._wire else kind)
        if kind in {set, frozenset}:
            items = self._unique(info.item_type, low, inner)
            lists = st.lists(items, min_size=low, max_size=high, unique=True)
            return lists.map(plain if self._wire else kind)
        items = self.make(info.item_type, inner)
        if low > _LONG:
            longest = low + _LONG if high is None else min(high, low + _LONG)
            some = st.lists(items, min_size=1, max_size=8)
            lists = st.builds(stretch, some, st.integers(low, longest))
        else:
            lists = st.lists(items, min_size=low, max_size=high)
        return lists if self._wire or kind is list else lists.map(kind)

    def _dict(self, info: inspect.DictType, place: Place) -> SearchStrategy[Any]:
        low, high = self._lengths(info, (info.key_type, info.value_type), place)
        if high == 0:
            return st.builds(dict)
        key = _key(info.key_type, place.path)
        keys = self._unique(key, low, place._replace(path=f"a key of {place.path}"))
        if self._wire and not isinstance(bare(key), inspect.StrType):
            keys = keys.map(_key_text)
        elif isinstance(bare(key), inspect.EnumType):
            _check_enum_keys(bare(key), place.path)
        inner = place._replace(path=f"{place.path}[...]", depth=place.depth + 1)
        values = self.make(info.value_type, inner)
        return st.dictionaries(keys, values, min_size=low, max_size=high)

    def _unique(self, item: Any, low: int, place: Place) -> SearchStrategy[Any]:
        """Return a strategy for instances of which many are to be different."""
        if not _hashable(item, set()):
            raise refuse(
                place.path,
                "it has to be hashable, because it is an item of a set or a key of a dict.",
                "make it a frozen Struct, a tuple or a scalar.",
            )
        values = _domain(item)
        if values is None:
            return self._instances.make(item, place._replace(hashed=True))
        if len(values) < low:
            raise refuse(
                place.path,
                f"min_length={low}, but there are only {len(values)} different ones.",
                "lower its min_length.",
            )
        return st.sampled_from(values)

    def _object(self, info: Any, place: Place) -> SearchStrategy[Any]:
        name = origin_of(info.cls).__name__
        if self._recursion.height(info) == float("inf"):
            raise refuse(
                place.path,
                f"each {name} needs another one in it, without an end.",
                "let one of its fields be None, absent, or an empty list.",
            )
        level = max(0, place.level - self._recursion.recursive(info))
        inner = place._replace(level=level if self._recursion.deep(info) else 0, exact=False)
        key = (id(info), inner.level, min(place.depth, len(_FEW) - 1), place.hashed)
        if key not in self._made:
            slots = [self._fill(slot, inner) for slot in slots_of(info)]
            self._made[key] = (as_wire if self._wire else as_instance)(info, slots, place.path)
        return self._made[key]

    def _fill(self, slot: Slot, place: Place) -> Slot:
        """Return a field with the strategy of its values, or without where it must be absent."""
        if not place.level and slot.droppable and self._recursion.deep(slot.info):
            return slot
        path = f"{place.path}.{slot.field}"
        return slot._replace(
            values=self.make(slot.info, place._replace(path=path, field=slot.field))
        )


def example_frames(info: Any, path: str) -> Iterator[bytes]:
    """Return as JSON what ``examples`` the metadata of a type gives.

    Args:
        info: What msgspec says of the type.
        path: What it is called in errors.

    Raises:
        PachinkoUsageError: One is no value of the type.
    """
    decode = decoder(annotation_of(info)).decode
    while isinstance(info, inspect.Metadata):
        for example in (info.extra_json_schema or {}).get("examples", ()):
            try:
                value = decode(encode(example))
            except Exception as error:
                raise refuse(
                    path,
                    f"the example {example!r} is not a value of its type: {error}",
                    "correct the examples=[...] of its Meta: they are sent.",
                ) from error
            # A Struct puts its tag in, which may have been left out.
            is_struct = isinstance(value, msgspec.Struct)
            yield encode(value if is_struct else example)
        info = info.type


def _number(value: float) -> float:
    """Return a number as most encoders write it, who know no difference."""
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _decodable(info: inspect.UnionType) -> list[Any]:
    """Return the members of a union, without literals that another one makes invalid."""
    found: list[Any] = []
    decode = decoder(annotation_of(info)).decode
    for option in info.types:
        literal = bare(option)
        if not isinstance(literal, inspect.LiteralType):
            found.append(option)
            continue
        valid = []
        for value in literal.values:
            try:
                decode(encode(value))
            except msgspec.ValidationError:
                continue
            valid.append(value)
        if valid:
            found.append(inspect.LiteralType(tuple(valid)))
    return found


def _key(info: Any, path: str) -> Any:
    """Return the type of what is generated as keys."""
    kind = bare(info)
    if isinstance(kind, inspect.AnyType):
        return inspect.StrType()
    options = kind.types if isinstance(kind, inspect.UnionType) else (info,)
    usable = [option for option in options if isinstance(bare(option), _KEYS)]
    # Each key of a JSON object is a str, so where that is a member no other is seen.
    texts = [option for option in usable if isinstance(bare(option), inspect.StrType)]
    usable = texts or usable
    if not usable:
        raise refuse(
            path,
            f"JSON has no {type(kind).__name__.removesuffix('Type').lower()} as a key.",
            "use keys of str, int, float, bytes, UUID, Decimal, an Enum or a date.",
        )
    return usable[0] if len(usable) == 1 else inspect.UnionType(tuple(usable))


def _key_text(value: Any) -> str:
    (key,) = plain({value: None})
    return str(key)


def _check_enum_keys(info: inspect.EnumType, path: str) -> None:
    try:
        encode(dict.fromkeys(info.cls))
    except (NotImplementedError, TypeError) as error:
        raise refuse(
            path,
            f"msgspec {msgspec.__version__} does not encode {info.cls.__name__} as a key.",
            "make it a StrEnum or IntEnum, use wire_messages(), or a later msgspec.",
        ) from error


def _domain(info: Any) -> list[Any] | None:
    """Return the values of a type of which there are few."""
    found: Any = None
    match bare(info):
        case inspect.BoolType():
            found = (False, True)
        case inspect.EnumType(cls=cls):
            found = cls
        case inspect.LiteralType(values=values):
            found = values
        case inspect.IntType(ge=int(low), le=int(high), multiple_of=None) if high - low < _SMALL:
            found = range(low, high + 1)
    return found and list(found)


def _hashable(info: Any, seen: set[int]) -> bool:
    info = bare(info)
    if id(info) in seen:
        return True
    seen.add(id(info))
    match info:
        case (
            inspect.ListType()
            | inspect.SetType()
            | inspect.DictType()
            | inspect.ByteArrayType()
            | inspect.TypedDictType()
            | inspect.RawType()
        ):
            return False
        case inspect.StructType(cls=cls):
            config = origin_of(cls).__struct_config__
            if config.eq and not config.frozen:
                return False
        case _ if hasattr(info, "cls") and origin_of(info.cls).__hash__ is None:
            return False
    return all(_hashable(part, seen) for part in parts(info))


_MAKERS: dict[type[inspect.Type], Callable[[Walk, Any, Place], SearchStrategy[Any]]] = {
    inspect.DictType: Walk._dict,
    inspect.TupleType: Walk._tuple,
    inspect.UnionType: Walk._union,
    **dict.fromkeys(SERIES, Walk._series),
    **dict.fromkeys(OBJECTS, Walk._object),
}
