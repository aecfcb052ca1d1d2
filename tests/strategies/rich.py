"""A schema in which every operator and every kind of bound occurs."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from dataclasses import dataclass
from typing import Annotated
from typing import Any
from typing import Literal
from typing import NamedTuple
from typing import TypedDict

import msgspec
from msgspec import Meta

# ruff: noqa: TC003 - msgspec reads the annotations when the classes are used
__all__ = ["Rich", "Rows"]


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Only(enum.Enum):
    ONE = "one"


class Lenient(enum.Enum):
    """Takes anything for its only member."""

    ANY = "any"

    @classmethod
    def _missing_(cls, value: object) -> Lenient:
        return cls.ANY


class Item(msgspec.Struct, rename="camel"):
    unit_price: Annotated[int, Meta(ge=0, le=1000, multiple_of=5)]
    labels: Annotated[set[str], Meta(max_length=3)] = set()


class Image(msgspec.Struct, tag="image"):
    url: Annotated[str, Meta(pattern="^https://", max_length=50)]


class Text(msgspec.Struct, tag="text", forbid_unknown_fields=True):
    body: str


class Point(NamedTuple):
    x: int
    y: int = 0


class Size(TypedDict):
    width: int


@dataclass
class Mark:
    at: int


class Join(msgspec.Struct, tag="join"):
    room: Annotated[str, Meta(pattern="^[a-z]+$", min_length=2, max_length=12)]
    items: Annotated[list[Item], Meta(min_length=1, max_length=4)] | None = None
    at: Annotated[dt.datetime, Meta(tz=True)] | None = None
    colors: Annotated[set[Color], Meta(min_length=1, max_length=3)] | None = None


class Say(msgspec.Struct, tag="say", forbid_unknown_fields=True, rename="camel"):
    text_body: Annotated[str, Meta(min_length=1, max_length=280)]
    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    color: Color = Color.RED
    mode: Literal["a", "b"] = "a"
    number: Literal[1, 3] = 1
    only: Only = Only.ONE
    lenient: Lenient = Lenient.ANY


class Move(msgspec.Struct, tag="move"):
    where: tuple[int, float]
    body: Image | Text
    raw: Annotated[bytes, Meta(min_length=1, max_length=8)] = b"x"
    scores: (
        Annotated[
            dict[Annotated[str, Meta(max_length=5)], Annotated[int, Meta(ge=0)]],
            Meta(min_length=1, max_length=3),
        ]
        | None
    ) = None
    counts: dict[Annotated[int, Meta(ge=0, le=9)], int] = {}
    weights: dict[float, int] = {}
    point: Point = Point(0)
    size: Size | None = None
    mark: Mark | None = None
    step: Annotated[float, Meta(ge=0, le=1, multiple_of=0.25)] = 0.0
    anything: Any = None


class Node(msgspec.Struct, tag="node"):
    value: Annotated[int, Meta(gt=-10, lt=10)]
    children: list[Node] = []
    ident: uuid.UUID | None = None
    day: dt.date | None = None
    amount: decimal.Decimal | None = None


class Bye(msgspec.Struct, tag="bye"):
    reason: str | int | None = None
    level: Level = Level.LOW
    clock: Annotated[dt.time, Meta(tz=False)] | None = None
    lasted: dt.timedelta | None = None
    ok: bool = False


Rich = Join | Say | Move | Node | Bye


class Put(msgspec.Struct, tag=1, array_like=True, forbid_unknown_fields=True):
    cell: tuple[Annotated[int, Meta(ge=0)], int]
    color: Color = Color.RED


class Take(msgspec.Struct, tag=2, array_like=True):
    count: Annotated[int, Meta(le=3)]
    note: str


Rows = Put | Take
"""The same, as arrays with tags that are numbers."""
