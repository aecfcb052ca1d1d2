"""Values as source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from dataclasses import field
from datetime import date
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from datetime import UTC
from decimal import Decimal
from enum import Enum
from importlib import import_module
from typing import Any
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from msgspec import field as struct_field
from msgspec import Struct
from msgspec import UNSET
from msgspec import UnsetType

from pytest_pachinko.fuzz.literal import literal
from pytest_pachinko.fuzz.literal import literal_of_message


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Box:
    size: int
    tags: list[str] = field(default_factory=list)
    area: int = field(init=False, default=0)


class Order(Struct, tag="order"):
    item: Any
    count: int = 1
    note: str | UnsetType = UNSET
    marks: list[int] = struct_field(default_factory=list)

    class Inner(Struct):
        x: int


VALUES = [
    None,
    True,
    -7,
    1.5,
    "it's",
    'say "hi"',
    "both ' and \"",
    "a\\b\n",
    "x" * 281,
    b"x" * 281,
    b"\xff'",
    "",
    [1, "a"],
    (1,),
    (1, 2),
    (),
    {1, 2},
    set(),
    frozenset({1}),
    frozenset(),
    {"a": [1], 2: None},
    date(2024, 2, 29),
    datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC),
    timezone(timedelta(hours=1)),
    timedelta(days=1),
    Decimal("1.50"),
    UUID(int=7),
    Colour.RED,
    Point(1, 2),
    Box(3, ["a"]),
    Order("tea"),
    Order("tea", count=2, note="hot", marks=[1]),
    Order(Order.Inner(1)),
    Order(1.0, count=True),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:40])
def test_the_source_of_a_value_makes_it_again(value):
    imports = set()
    source = literal(value, imports)

    names = {}
    for module, name in imports:
        names[name or module] = (
            getattr(import_module(module), name) if name else import_module(module)
        )
    made = eval(source, names)  # noqa: S307 - it is what a reader will do
    assert made == value
    assert type(made) is type(value)


def test_numbers_without_a_literal_are_called_by_name():
    assert literal(math.inf, set()) == 'float("inf")'
    assert literal(-math.inf, set()) == 'float("-inf")'
    assert literal(math.nan, set()) == 'float("nan")'


def test_text_is_in_double_quotes_where_that_reads_as_well():
    assert [literal(text, set()) for text in ("a", "it's", 'a"b', b"a")] == [
        '"a"',
        '"it\'s"',
        "'a\"b'",
        'b"a"',
    ]


def test_a_long_text_of_one_character_is_a_product():
    assert literal("x" * 281, set()) == '"x" * 281'


def test_a_message_that_no_source_makes_is_shown_as_it_is_on_the_wire():
    class Local(Struct, tag="local"):
        x: int

    imports = set()

    assert literal_of_message(Local(1), imports) == """'{"type":"local","x":1}'"""
    assert not imports


def test_a_value_that_no_source_makes_is_shown_as_it_is_on_the_wire():
    assert (
        literal_of_message(Order(bytearray(b"a")), set())
        == """'{"type":"order","item":"YQ==","count":1,"marks":[]}'"""
    )


def test_a_time_zone_by_name_is_none_that_source_makes():
    moment = datetime(2024, 2, 29, tzinfo=ZoneInfo("UTC"))

    assert literal_of_message(Order(moment), set()).startswith("'{")
