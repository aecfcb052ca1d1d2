"""The bounds of a schema, and which of them a frame hits. Pure.

A bound has two sides. A frame is *on* it with the last value that is allowed, and *beyond* it
with any value that is not. Where a schema leaves nothing beyond, such as for an optional
field, a bound has one side only.
"""

from __future__ import annotations

import enum
import math
import operator
import re
from functools import partial
from typing import Any
from typing import Literal
from typing import NamedTuple
from typing import TYPE_CHECKING

import msgspec
from msgspec import inspect

from pytest_pachinko.places import literals
from pytest_pachinko.places import once
from pytest_pachinko.places import Place
from pytest_pachinko.places import places_of
from pytest_pachinko.places import Record
from pytest_pachinko.places import Shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator

    from pytest_pachinko.places import Step
    from pytest_pachinko.places import Tag

    Test = Callable[[Any], bool]

__all__ = [
    "Bound",
    "Hit",
    "Side",
    "Survey",
    "boundaries",
    "first_allowed",
    "hits",
    "is_multiple",
    "last_allowed",
    "limits",
]

Side = Literal["on", "beyond"]
ON: Side = "on"
BEYOND: Side = "beyond"


class Bound(NamedTuple):
    """A limit that a schema sets.

    Attributes:
        tag: The tag of the message.
        path: Where, such as ``"join.items[].price"``.
        constraint: What is allowed, such as ``"max_length 280"``.
        sides: The sides that a value can be on.
    """

    tag: Tag
    path: str
    constraint: str
    sides: tuple[Side, ...]


class Hit(NamedTuple):
    """A bound and the side of it that a frame is on.

    Attributes:
        tag: The tag of the message.
        path: Where.
        constraint: What is allowed.
        side: ``"on"``, the last value that is allowed, or ``"beyond"``.
    """

    tag: Tag
    path: str
    constraint: str
    side: Side


def boundaries(union: Any) -> tuple[Bound, ...]:
    """Return the bounds of a schema, in the order of declaration.

    Args:
        union: A tagged Struct, or a union of them.
    """
    return tuple(survey(union).sites)


def hits(union: Any, frame: str | bytes) -> frozenset[Hit]:
    """Return the bounds that a frame hits, whether or not it is valid.

    Args:
        union: A tagged Struct, or a union of them.
        frame: The frame as it was sent. One that is no JSON, or carries no known tag, hits
            nothing.
    """
    try:
        return frozenset(survey(union).hits(_decode(frame)))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return frozenset()


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Rule(NamedTuple):
    """A constraint, and how a value is told to be on its sides; None for no such side."""

    path: str
    constraint: str
    on: Test | None
    beyond: Test | None = None


class _Check(NamedTuple):
    """A rule with its results made."""

    on: Test | None
    is_on: Hit
    beyond: Test | None
    is_beyond: Hit


class Survey:
    """The bounds of a schema, and the checks for them.

    Attributes:
        root: The place of a message.
        sites: The bounds, and the place or the shape whose values tell on which side they are.
    """

    __slots__ = ("_checks", "root", "sites")

    def __init__(self, root: Place) -> None:
        self.root = root
        self.sites: dict[Bound, Place | Shape] = {}
        self._checks: dict[Place | Shape, list[_Check]] = {}
        self._read(root)

    def _read(self, place: Place) -> None:
        self._note(place, _rules_of_place(place))
        for shape in dict.fromkeys(place.shapes.values()):
            for one in shape.alternatives():
                if one not in self._checks:
                    self._note(one, _rules_of_shape(one))
                    for part in one.below():
                        self._read(part)

    def _note(self, where: Place | Shape, rules: Iterable[_Rule]) -> None:
        checks = self._checks[where] = []
        for path, constraint, on, beyond in rules:
            sides = tuple(s for s, test in ((ON, on), (BEYOND, beyond)) if test is not None)
            self.sites.setdefault(Bound(where.tag, path, constraint, sides), where)
            hit = partial(Hit, where.tag, path, constraint)
            checks.append(_Check(on, hit(ON), beyond, hit(BEYOND)))

    def hits(self, value: Any) -> list[Hit]:
        """Return what a decoded message hits."""
        found: list[Hit] = []
        self._look(self.root, value, found)
        return found

    def _look(self, place: Place, value: Any, found: list[Hit]) -> None:
        shape = place.shape_of(value)
        for check in self._checks[place]:
            _apply(check, value, found)
        if shape is not None:
            for check in self._checks[shape]:
                _apply(check, value, found)
            for _, part, inner in shape.parts(value):
                self._look(part, inner, found)


def _apply(check: _Check, value: Any, found: list[Hit]) -> None:
    if check.on is not None and check.on(value):
        found.append(check.is_on)
    elif check.beyond is not None and check.beyond(value):
        found.append(check.is_beyond)


@once
def survey(union: Any) -> Survey:
    """Return the bounds of a schema, read once."""
    return Survey(places_of(union))


# What the constraints of msgspec mean.


def _rules_of_place(place: Place) -> Iterator[_Rule]:
    null = place.shapes.get(type(None))
    if null is not None and len(place.shapes) > 1 and type(null.info) in _NULL and not place.is_key:
        yield _Rule(place.path, "null", _is_null)


_NULL = (inspect.NoneType, inspect.LiteralType)


def _rules_of_shape(shape: Shape) -> Iterator[_Rule]:
    info = shape.info
    if isinstance(shape, Record):
        yield from _presence(shape)
    elif isinstance(info, inspect.IntType | inspect.FloatType):
        yield from _range(shape.path, info)
    elif isinstance(info, inspect.DateTimeType | inspect.TimeType):
        if info.tz is not None:
            aware = partial(_has_offset, wanted=info.tz)
            yield _Rule(
                shape.path, f"tz {info.tz}", aware, partial(_has_offset, wanted=not info.tz)
            )
    elif literals(info) is not None:
        yield from _ends(shape.path, info)
    else:
        yield from _lengths(shape)


def _presence(record: Record) -> Iterator[_Rule]:
    if isinstance(record.info, inspect.TupleType):
        length = len(record.fields)
        yield _Rule(
            record.path,
            f"length {length}",
            partial(_is_long, length),
            partial(_is_not_long, length),
        )
        return
    # In an array nothing is absent before what is there.
    last = max((step for step in record.required if isinstance(step, int)), default=-1)
    for step, field in record.fields.items():
        there, missing = partial(_has, step), partial(_has_not, step)
        if step in record.required:
            yield _Rule(field.path, "required", there, missing)
        elif isinstance(step, str) or step > last:
            yield _Rule(field.path, "absent", missing)
            yield _Rule(field.path, "present", there)


def _range(path: str, info: inspect.IntType | inspect.FloatType) -> Iterator[_Rule]:
    low, high = limits(info)
    least, most = first_allowed(info), last_allowed(info)
    for name, limit, end, is_beyond in (
        ("ge", info.ge, least, partial(operator.gt, low)),
        ("gt", info.gt, least, partial(operator.gt, low)),
        ("le", info.le, most, partial(operator.lt, high)),
        ("lt", info.lt, most, partial(operator.lt, high)),
    ):
        if limit is not None:
            yield _Rule(path, f"{name} {limit}", partial(operator.eq, end), is_beyond)
    if info.multiple_of is not None:
        yield _Rule(
            path,
            f"multiple_of {info.multiple_of}",
            partial(is_multiple, info.multiple_of),
            partial(_is_no_multiple, info.multiple_of),
        )


def limits(info: inspect.IntType | inspect.FloatType) -> tuple[float, float]:
    """Return the least and the greatest number that are within the range of a type."""
    step = _next_int if isinstance(info, inspect.IntType) else math.nextafter
    low, high = -math.inf, math.inf
    if info.ge is not None:
        low = info.ge
    elif info.gt is not None:
        low = step(info.gt, math.inf)
    if info.le is not None:
        high = info.le
    elif info.lt is not None:
        high = step(info.lt, -math.inf)
    return low, high


def _next_int(value: float, towards: float) -> float:
    return value + 1 if towards > 0 else value - 1


def first_allowed(info: inspect.IntType | inspect.FloatType) -> float:
    """Return the least number of a type: -inf if there is none."""
    return _to_multiple(limits(info)[0], info.multiple_of, up=True)


def last_allowed(info: inspect.IntType | inspect.FloatType) -> float:
    """Return the greatest number of a type: inf if there is none."""
    return _to_multiple(limits(info)[1], info.multiple_of, up=False)


def _to_multiple(limit: float, of: float | None, *, up: bool) -> float:
    if of is None or limit in (-math.inf, math.inf):
        return limit
    return -(-limit // of) * of if up else limit // of * of


def is_multiple(of: float, value: float) -> bool:
    """Tell whether a number is a multiple of another."""
    try:
        return value % of == 0
    except OverflowError:  # an integer that is no float
        return False


def _is_no_multiple(of: float, value: float) -> bool:
    return not is_multiple(of, value)


def _ends(path: str, info: Any) -> Iterator[_Rule]:
    values = [v for v in literals(info) or () if isinstance(v, str | int)]
    missing = getattr(getattr(info, "cls", None), "_missing_", None)
    # An enum may turn what is no member into one.
    closed = missing is None or missing.__func__ is enum.Enum._missing_.__func__  # type: ignore[attr-defined]
    beyond = partial(_is_none_of, values) if closed else None
    for name, value in zip(("first", "last"), (values[:1] + values[-1:]), strict=False):
        if name == "first" or len(values) > 1:
            word = name if len(values) > 1 else "only"
            yield _Rule(path, f"{word} {value!r}", partial(_is_same, value), beyond)


def _lengths(shape: Shape) -> Iterator[_Rule]:
    measure = length_of(shape)
    least = getattr(shape.info, "min_length", None)
    most = getattr(shape.info, "max_length", None)
    if least:
        yield _Rule(
            shape.path,
            f"min_length {least}",
            lambda value: measure(value) == least,
            lambda value: measure(value) < least,
        )
    if most is not None:
        yield _Rule(
            shape.path,
            f"max_length {most}",
            lambda value: measure(value) == most,
            lambda value: measure(value) > most,
        )


def length_of(shape: Shape) -> Callable[[Any], int]:
    """Return how msgspec measures what has a shape."""
    if isinstance(shape.info, inspect.SetType | inspect.FrozenSetType):
        return _different
    if isinstance(shape.info, _BYTES):
        return _decoded
    return len


_BYTES = (inspect.BytesType, inspect.ByteArrayType, inspect.MemoryViewType)


def _different(items: list[Any]) -> int:
    return len(set(map(_encode, items)))


def _decoded(text: str) -> int:
    return len(text.rstrip("=")) * 3 // 4  # base64


def _is_null(value: Any) -> bool:
    return value is None


def _is_same(wanted: Any, value: Any) -> bool:
    return type(value) is type(wanted) and bool(value == wanted)


def _is_none_of(values: list[Any], value: Any) -> bool:
    return value is not None and not any(_is_same(one, value) for one in values)


def _is_long(length: int, value: list[Any]) -> bool:
    return len(value) == length


def _is_not_long(length: int, value: list[Any]) -> bool:
    return len(value) != length


def _has(step: Step, value: Any) -> bool:
    return len(value) > step if isinstance(step, int) else step in value


def _has_not(step: Step, value: Any) -> bool:
    return not _has(step, value)


_TIME = re.compile(r"\d\d:\d\d(:\d\d)?(\.\d+)?(?P<offset>[zZ]|[+-]\d\d:?\d\d)?$")


def _has_offset(value: str, *, wanted: bool) -> bool:
    time = _TIME.search(value)
    return time is not None and (time["offset"] is not None) is wanted
