"""Types of every kind that a message may have, as data: what tests of the strategies run over."""

import dataclasses
import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Annotated
from typing import Any
from typing import Final
from typing import Generic
from typing import Literal
from typing import NamedTuple
from typing import NewType
from typing import NotRequired
from typing import Optional
from typing import TypedDict
from typing import TypeVar

import attrs
import msgspec
from msgspec import Meta
from msgspec import Raw
from msgspec import Struct
from msgspec import UNSET
from msgspec import UnsetType

T = TypeVar("T")
UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


class Kind(enum.StrEnum):
    CAT = "cat"
    DOG = "dog"


class Point(Struct):
    x: int
    y: int = 0


class Frozen(Struct, frozen=True):
    x: int
    tags: tuple[str, ...] = ()


class Cat(Struct, tag="cat"):
    lives: Annotated[int, Meta(ge=1, le=9)]


class Dog(Struct, tag="dog"):
    name: str


class Box(Struct, Generic[T]):
    content: T


class Pair(NamedTuple):
    left: int
    right: str = "right"


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Partial(TypedDict, total=False):
    a: int
    b: str


@dataclasses.dataclass
class Plain:
    x: int
    y: list[int] = dataclasses.field(default_factory=list)
    seen: int = dataclasses.field(default=0, init=False)


@dataclasses.dataclass(frozen=True)
class Even:
    x: int

    def __post_init__(self) -> None:
        if self.x % 2:
            raise ValueError("odd")


@attrs.define
class Attrs:
    x: int
    _private: str = "p"
    small: int = attrs.field(default=1, validator=attrs.validators.le(100))


class Node(Struct, tag="node"):
    value: int
    next: "Node | None" = None


class Tree(Struct, tag="tree"):
    children: "list[Tree]"
    named: "dict[str, Tree]" = {}


class Number(Struct, tag="number"):
    value: int


class Add(Struct, tag="add"):
    left: "Add | Negate | Number"
    right: "Add | Negate | Number"


class Negate(Struct, tag="negate"):
    of: "Add | Negate | Number"


class Chain(Struct, tag="chain", array_like=True):
    value: int
    rest: "Chain | None" = None


class Defaults(Struct, tag="defaults", omit_defaults=True):
    a: int = 1
    b: list[int] = []
    c: dict[str, int] = msgspec.field(default_factory=lambda: {"x": 1})
    d: str | None = None
    e: uuid.UUID = msgspec.field(default_factory=uuid.uuid4)
    f: Annotated[str, Meta(min_length=1)] = ""
    g: Point = msgspec.field(default_factory=lambda: Point(1, 2))


class Renamed(Struct, tag="renamed", rename="camel"):
    user_name: str
    last_seen: int = 0


class NamedFields(Struct, tag="named"):
    user: str = msgspec.field(name="u")
    when: int = msgspec.field(name="@t", default=0)


class Strict(Struct, tag="strict", forbid_unknown_fields=True):
    point: Point
    count: int = 0


class KeywordOnly(Struct, tag="keyword", kw_only=True):
    b: int = 1
    a: int


class Numbered(Struct, tag=7, tag_field="op"):
    x: int


class Listed(Struct, tag="listed", array_like=True):
    a: int
    b: str = "b"
    c: int | None = None


class StrictList(Struct, tag=3, array_like=True, forbid_unknown_fields=True):
    a: int
    b: str = "b"


class Ordered(Struct, tag="ordered", array_like=True, kw_only=True):
    a: int = 1
    b: int


class Unset(Struct, tag="unset"):
    a: int | UnsetType = UNSET
    b: str | UnsetType | None = UNSET


class Checked(Struct, tag="checked"):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low > high")


class Empty(Struct, tag="empty"):
    pass


class Called(Struct, tag="called"):
    type_: str = msgspec.field(name="kind")
    self_: int = 0
    cls: int = 1


class Envelope(Struct, Generic[T], tag="envelope"):
    payload: T


class Wide(Struct, tag="wide"):
    a: list[Point]
    b: dict[str, list[Point]]
    c: list[list[list[int]]]
    d: list[Frozen]
    e: list[dict[str, Defaults]]


def of(annotation, name="Message"):
    """Make a message with one field of a type."""
    return msgspec.defstruct(name, [("value", annotation)], tag="message")


FIELDS = {
    "bool": bool,
    "int": int,
    "int ge le": Annotated[int, Meta(ge=1, le=5)],
    "int gt lt": Annotated[int, Meta(gt=-3, lt=3)],
    "int gt": Annotated[int, Meta(gt=2**40)],
    "int multiple_of": Annotated[int, Meta(multiple_of=7, ge=-20)],
    "float": float,
    "float ge le": Annotated[float, Meta(ge=0, le=1)],
    "float gt lt": Annotated[float, Meta(gt=0, lt=1)],
    "float multiple_of": Annotated[float, Meta(multiple_of=0.25, gt=-10, lt=10)],
    "float multiple_of inexact": Annotated[float, Meta(multiple_of=0.1, ge=0)],
    "str": str,
    "str lengths": Annotated[str, Meta(min_length=1, max_length=280)],
    "str long": Annotated[str, Meta(min_length=5000)],
    "str pattern": Annotated[str, Meta(pattern="^[a-z]+$")],
    "str pattern unanchored": Annotated[str, Meta(pattern="[0-9]{3}")],
    "str pattern length": Annotated[str, Meta(pattern="^[0-9a-f]+$", min_length=64, max_length=64)],
    "str pattern padded": Annotated[str, Meta(pattern=r"\d", min_length=20, max_length=30)],
    "str pattern either": Annotated[str, Meta(pattern="^a+$|^b+$", min_length=9)],
    "bytes": bytes,
    "bytes lengths": Annotated[bytes, Meta(min_length=2, max_length=4)],
    "bytearray": bytearray,
    "memoryview": memoryview,
    "None": None,
    "datetime": dt.datetime,
    "datetime aware": Annotated[dt.datetime, Meta(tz=True)],
    "datetime naive": Annotated[dt.datetime, Meta(tz=False)],
    "date": dt.date,
    "time": dt.time,
    "time aware": Annotated[dt.time, Meta(tz=True)],
    "time naive": Annotated[dt.time, Meta(tz=False)],
    "timedelta": dt.timedelta,
    "UUID": uuid.UUID,
    "Decimal": decimal.Decimal,
    "Enum": Colour,
    "IntEnum": Level,
    "IntFlag": Rights,
    "StrEnum": Kind,
    "Literal str": Literal["a", "b"],
    "Literal int": Literal[1, 2, 3],
    "Literal or str": Literal["a", "bcdef"] | Annotated[str, Meta(min_length=5)],
    "Optional": Optional[int],  # noqa: UP045
    "Optional constrained": Annotated[str, Meta(min_length=3)] | None,
    "Union of scalars": int | str | bool | None,
    "Union int float": Annotated[int, Meta(ge=10)] | float,
    "Union float Decimal": float | decimal.Decimal,
    "Union of containers": list[int] | dict[str, int] | str,
    "Union with Any": int | Any,
    "list": list[int],
    "list bare": list,
    "list lengths": Annotated[list[int], Meta(min_length=2, max_length=3)],
    "list long": Annotated[list[Point], Meta(min_length=200)],
    "list of constrained": list[Annotated[int, Meta(ge=0, le=100)]],
    "Sequence": Sequence[int],
    "set": set[int],
    "set lengths": Annotated[set[Literal["a", "b", "c"]], Meta(min_length=3)],
    "set of bool": Annotated[set[bool], Meta(min_length=2)],
    "set of bounded int": Annotated[set[Annotated[int, Meta(ge=0, le=4)]], Meta(min_length=5)],
    "set bare": set,
    "set of datetime": set[dt.datetime],
    "frozenset": frozenset[str],
    "frozenset of Struct": frozenset[Frozen],
    "frozenset of tuple": frozenset[tuple[int, str]],
    "tuple": tuple[int, str, float],
    "tuple empty": tuple[()],
    "tuple variadic": tuple[int, ...],
    "tuple variadic lengths": Annotated[tuple[int, ...], Meta(min_length=1, max_length=2)],
    "tuple bare": tuple,
    "dict": dict[str, int],
    "dict bare": dict,
    "dict lengths": Annotated[dict[str, int], Meta(min_length=1, max_length=2)],
    "dict int": dict[int, str],
    "dict float": dict[float, str],
    "dict UUID": dict[uuid.UUID, int],
    "dict date": dict[dt.date, int],
    "dict datetime": dict[dt.datetime, int],
    "dict bytes": dict[bytes, int],
    "dict Decimal": dict[decimal.Decimal, int],
    "dict StrEnum": dict[Kind, int],
    "dict IntEnum": dict[Level, int],
    "dict Literal": Annotated[dict[Literal[1, 2], int], Meta(min_length=2)],
    "dict int or str": dict[int | str, int],
    "dict int or float": dict[int | float | None, int],
    "Mapping": Mapping[str, Point],
    "Any": Any,
    "object": object,
    "Raw": Raw,
    "NewType": UserId,
    "Final": Final[int],
    "TypedDict": Movie,
    "TypedDict partial": Partial,
    "NamedTuple": Pair,
    "dataclass": Plain,
    "dataclass checked": Even,
    "attrs": Attrs,
    "Struct": Point,
    "Struct generic": Box[int],
    "Struct generic nested": Box[list[Box[Annotated[str, Meta(max_length=2)]]]],
    "Struct generic bare": Box,
    "Struct union": Cat | Dog | None,
    "Struct single tagged": Cat,
    "list of Struct union": list[Cat | Dog],
    "examples": Annotated[int, Meta(examples=[42, 43])],
    "examples of dates": Annotated[dt.date, Meta(examples=["2020-02-29", dt.date(2024, 2, 29)])],
    "title": Annotated[Annotated[str, Meta(title="T")], Meta(description="D", min_length=1)],
}

SHAPES = {
    **{name: of(FIELDS[name], f"Message{number}") for number, name in enumerate(FIELDS)},
    "alias of a generic": Envelope[Cat | Dog],
    "array-like": Listed,
    "array-like, strict": StrictList,
    "array-like, keywords": Ordered,
    "array-like, recursive": Chain,
    "check of several fields": Checked,
    "defaults": Defaults,
    "empty": Empty,
    "Annotated": Annotated[Cat, Meta(examples=[{"lives": 9}])] | Dog,
    "int tag": Numbered,
    "keyword only": KeywordOnly,
    "names of Python": Called,
    "names of one's own": NamedFields,
    "recursive, linear": Node,
    "recursive, branching": Tree,
    "recursive, mutual": Add | Negate | Number,
    "renamed": Renamed,
    "strict": Strict,
    "union": Cat | Dog | Renamed | Strict,
    "UNSET": Unset,
    "wide": Wide,
}
