"""Where values stand in the messages of a schema, and what may stand there. Pure.

A schema is a tree of places: a message, a field, an item, a key. What may stand in a place is
a shape for each kind of JSON value, so that a decoded message can be walked together with its
schema. A type that contains itself is in the tree once: its places are named as where it
stands first, however deep a message goes.
"""

from __future__ import annotations

from typing import Any
from typing import Generic
from typing import get_args
from typing import TYPE_CHECKING
from typing import TypeVar

import msgspec
from msgspec import inspect

from falcon_pachinko.schema import bare

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    Tag = str | int
    Info = inspect.Type

__all__ = [
    "Key",
    "Location",
    "Mappings",
    "Place",
    "Record",
    "Series",
    "Shape",
    "Step",
    "Variants",
    "as_key",
    "every_type",
    "literals",
    "once",
    "places_of",
    "replaced",
]


T = TypeVar("T")


class Key(str):
    """The step to a key of an object, where a plain ``str`` is the step to its value."""

    __slots__ = ()


Step = str | int
Location = tuple[Step, ...]


class Place:
    """Where a value stands.

    Attributes:
        tag: The tag of the message.
        path: Its name, such as ``"join.items[].price"``; empty for the message.
        info: The type, as declared.
        shapes: What may stand here, by the class of the decoded JSON value.
        within: The shape of which this is a part; None for the message.
        step: How to get here from there; for any item or value of a mapping, None.
    """

    __slots__ = ("info", "path", "shapes", "step", "tag", "within")

    def __init__(
        self, tag: Tag, path: str, info: Info, within: Shape | None = None, step: Step | None = None
    ) -> None:
        self.tag = tag
        self.path = path
        self.info = info
        self.shapes: dict[type, Shape] = {}
        self.within = within
        self.step = step

    @property
    def is_key(self) -> bool:
        """Whether it is the key of an object, which is a string on the wire."""
        return isinstance(self.within, Mappings) and self is self.within.key

    def shape_of(self, value: Any) -> Shape | None:
        """Return the shape that a decoded value is meant to have."""
        shape = self.shapes.get(type(value))
        return None if shape is None else shape.select(value)


class Shape:
    """What may stand in a place: here, a scalar, or something of which nothing is known.

    Attributes:
        info: The type, without its metadata.
        place: Where it stands first.
        path: The name of the place, or the tag of a message.
        tag: The tag of the message.
    """

    __slots__ = ("info", "path", "place", "tag")

    def __init__(self, info: Info, place: Place) -> None:
        self.info: Any = info
        self.place = place
        self.path = place.path
        self.tag = place.tag

    def select(self, value: Any) -> Shape | None:  # noqa: ARG002 - a union of Structs looks at it
        """Return the shape of this value."""
        return self

    def alternatives(self) -> Iterator[Shape]:
        """Iterate over what ``select`` may return."""
        yield self

    def below(self) -> Iterator[Place]:
        """Iterate over the places of which it consists."""
        return iter(())

    def parts(self, value: Any) -> Iterator[tuple[Step, Place, Any]]:  # noqa: ARG002 - see select
        """Iterate over the parts of a value that has this shape."""
        return iter(())


class Series(Shape):
    """Any number of items of one type."""

    __slots__ = ("item",)

    item: Place

    def below(self) -> Iterator[Place]:
        """Iterate over the places of which it consists."""
        yield self.item

    def parts(self, value: Any) -> Iterator[tuple[Step, Place, Any]]:
        """Iterate over the items."""
        for index, item in enumerate(value):
            yield index, self.item, item


class Mappings(Shape):
    """Any number of keys and values."""

    __slots__ = ("key", "value")

    key: Place
    value: Place

    def below(self) -> Iterator[Place]:
        """Iterate over the places of which it consists."""
        yield self.key
        yield self.value

    def parts(self, value: Any) -> Iterator[tuple[Step, Place, Any]]:
        """Iterate over the keys and the values."""
        for key, item in value.items():
            yield Key(key), self.key, self._read(key)
            yield key, self.value, item

    def _read(self, key: str) -> Any:
        # A key is a string on the wire, whatever its type.
        for kind in (int, float):
            if kind in self.key.shapes and str not in self.key.shapes:
                try:
                    return kind(key)
                except ValueError:
                    pass
        return key


class Record(Shape):
    """Named fields, in an object or, by their order, in an array.

    Attributes:
        fields: The fields by their step: the name on the wire, or the index.
        required: The steps of those that must be there.
        own_tag: The tag of the Struct; None if it has none.
        tag_step: Where it carries the tag.
        is_array: Whether it is an array on the wire.
    """

    __slots__ = ("fields", "is_array", "own_tag", "required", "tag_step")

    is_array: bool
    fields: dict[Step, Place]
    required: frozenset[Step]
    own_tag: Tag | None
    tag_step: Step | None

    def below(self) -> Iterator[Place]:
        """Iterate over the places of which it consists."""
        yield from self.fields.values()

    def parts(self, value: Any) -> Iterator[tuple[Step, Place, Any]]:
        """Iterate over the fields that are there."""
        fields = self.fields
        for step, item in enumerate(value) if type(value) is list else value.items():
            place = fields.get(step)
            if place is not None:
                yield step, place, item


class Variants(Shape):
    """Structs that are told apart by their tags.

    Attributes:
        records: The Structs by tag.
        tag_step: Where they carry the tag.
    """

    __slots__ = ("records", "tag_step")

    records: dict[Tag, Record]
    tag_step: Step

    def select(self, value: Any) -> Shape | None:
        """Return the Struct whose tag a value carries."""
        try:
            tag = value[self.tag_step]
        except LookupError:
            # A Struct that stands alone may come without its tag.
            alone = type(value) is dict and len(self.records) == 1
            return next(iter(self.records.values())) if alone else None
        # True is not the tag 1.
        return self.records.get(tag) if type(tag) in (str, int) else None

    def alternatives(self) -> Iterator[Shape]:
        """Iterate over its Structs."""
        yield from self.records.values()


def literals(info: Any) -> tuple[Any, ...] | None:
    """Return the values on the wire of an enum or a literal, in order; None for other types."""
    if isinstance(info, inspect.EnumType):
        return tuple(member.value for member in info.cls)
    if isinstance(info, inspect.LiteralType):
        return info.values
    return None


class once(Generic[T]):  # noqa: N801 - a decorator
    """Lets a function of a schema do its work once for each schema."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._function = function
        self._known: dict[Any, tuple[Any, T]] = {}

    def __call__(self, schema: Any) -> T:
        """Return what the function returns, or has returned."""
        try:
            # `A | B` equals `B | A`, in another order.
            key: Any = (schema, get_args(schema))
            found = self._known.get(key)
        except TypeError:  # metadata may have a dict in it
            key = id(schema)
            found = self._known.get(key)
        if found is None:
            found = self._known[key] = schema, self._function(schema)
        return found[1]

    def forget(self) -> None:
        """Do the work again from now on."""
        self._known.clear()


def places_of(union: Any) -> Place:
    """Return the place of a message.

    Args:
        union: A tagged Struct, or a union of them; or what msgspec says of it.
    """
    info = union if isinstance(union, inspect.Type) else inspect.type_info(union)
    root = Place("", "", info)
    _fill(root, {})
    return root


_JSON = (type(None), bool, int, float, str, list, dict)
_ARRAYS = (inspect.CollectionType, inspect.TupleType, inspect.NamedTupleType)
_OBJECTS = (inspect.DataclassType, inspect.StructType, inspect.TypedDictType)
_DICTS = {getattr(inspect, name, None) for name in ("DictType", "FrozenDictType")}
# Strings are what the rest is on the wire.
_SCALARS: dict[type, tuple[type, ...]] = {
    inspect.NoneType: (type(None),),
    inspect.BoolType: (bool,),
    inspect.IntType: (int,),
    inspect.FloatType: (float, int),
    inspect.DecimalType: (str, int, float),
    inspect.AnyType: _JSON,
    inspect.RawType: _JSON,
    inspect.CustomType: _JSON,
    inspect.ExtType: _JSON,
}

_Open = dict[Any, Record]  # what a place is in, by class


def _fill(place: Place, inside: _Open) -> None:
    info: Any = bare(place.info)
    for option in info.types if isinstance(info, inspect.UnionType) else (info,):
        kinds, shape = _shape(bare(option), place, inside)
        for kind in kinds:
            # In `int | float` an integer is an int.
            if kind not in place.shapes or type(shape.info) is not inspect.FloatType:
                place.shapes[kind] = shape


def _shape(info: Any, place: Place, inside: _Open) -> tuple[tuple[type, ...], Shape]:
    known = inside.get(getattr(info, "cls", None))
    if isinstance(info, inspect.StructType) and info.tag is not None:
        kind: type = list if info.array_like else dict
        variants = place.shapes.get(kind)
        if not isinstance(variants, Variants):
            variants = Variants(info, place)
            variants.records = {}
            variants.tag_step = 0 if info.array_like else str(info.tag_field)
        variants.records[info.tag] = known or _record(info, place, inside)
        return (kind,), variants
    if isinstance(info, _OBJECTS):
        kind = list if getattr(info, "array_like", False) else dict
        return (kind,), known or _record(info, place, inside)
    if isinstance(info, _ARRAYS):
        return (list,), known or _array(info, place, inside)
    if type(info) in _DICTS:
        mapping = Mappings(info, place)
        mapping.key = _part(mapping, info.key_type, "{key}", None, inside)
        mapping.value = _part(mapping, info.value_type, "{}", None, inside)
        return (dict,), mapping
    values = literals(info)
    if values is not None:
        return tuple(dict.fromkeys(map(type, values))), Shape(info, place)
    return _SCALARS.get(type(info), (str,)), Shape(info, place)


def _part(shape: Shape, info: Info, name: str, step: Step | None, inside: _Open) -> Place:
    place = Place(shape.tag, f"{shape.path}{name}", info, shape, step)
    _fill(place, inside)
    return place


def _array(info: Any, place: Place, inside: _Open) -> Shape:
    if isinstance(info, inspect.CollectionType):
        series = Series(info, place)
        series.item = _part(series, info.item_type, "[]", None, inside)
        return series
    if isinstance(info, inspect.NamedTupleType):
        return _record(info, place, inside)
    record = Record(info, place)
    record.own_tag = record.tag_step = None
    record.is_array = True
    record.fields = {
        index: _part(record, item, f"[{index}]", index, inside)
        for index, item in enumerate(info.item_types)
    }
    record.required = frozenset(record.fields)
    return record


def _record(info: Any, place: Place, inside: _Open) -> Record:
    record = Record(info, place)
    array_like = isinstance(info, inspect.NamedTupleType) or getattr(info, "array_like", False)
    record.is_array = array_like
    record.own_tag = getattr(info, "tag", None)
    record.tag_step = None
    if record.own_tag is not None:
        record.tag_step = 0 if array_like else info.tag_field
        if place.within is None:
            record.tag = record.own_tag
            record.path = str(record.own_tag)
    inside = inside | {info.cls: record}
    first = 0 if record.tag_step is None else 1
    record.fields = {}
    required = set()
    for index, field in enumerate(info.fields, first):
        step = index if array_like else field.encode_name
        record.fields[step] = _part(record, field.type, f".{field.encode_name}", step, inside)
        if field.required:
            required.add(step)
    record.required = frozenset(required)
    return record


def every_type(root: Place) -> Iterator[Info]:
    """Iterate over the types of all places below another, and of what may stand there."""
    known: set[Shape] = set()
    places = [root]
    for place in places:
        for shape in place.shapes.values():
            for one in shape.alternatives():
                if one not in known:
                    known.add(one)
                    yield one.info
                    for part in one.below():
                        yield part.info
                        places.append(part)


def replaced(value: Any, location: Location, new: Any) -> Any:
    """Return a decoded message with another value at a location. The message is not changed."""
    if not location:
        return new
    step, rest = location[0], location[1:]
    if isinstance(step, Key):
        return {as_key(new) if key == step else key: item for key, item in value.items()}
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[step] = replaced(value[step], rest, new)
    return copy


def as_key(value: Any) -> str:
    """Return a scalar as it is as a key of an object."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
