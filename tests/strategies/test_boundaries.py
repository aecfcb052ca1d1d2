"""Messages on the bounds of a schema, and just beyond them."""

from __future__ import annotations

import re
from datetime import date
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Annotated
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import find
from hypothesis import given
from hypothesis import Phase
from hypothesis import settings
from msgspec import Meta

from pytest_pachinko.bounds import boundaries
from pytest_pachinko.bounds import Hit
from pytest_pachinko.bounds import hits
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.strategies.boundaries import Boundary
from pytest_pachinko.strategies.boundaries import boundary_messages
from pytest_pachinko.strategies.boundaries import sweep_boundaries
from tests.strategies.rich import Color
from tests.strategies.rich import Level
from tests.strategies.rich import Rich
from tests.strategies.rich import Rows


class Pinned(msgspec.Struct, tag="pinned"):
    """Has no bounds."""


class Choosy(msgspec.Struct, tag="choosy"):
    """Refuses what its annotations allow."""

    x: Annotated[int, Meta(le=7)]

    def __post_init__(self) -> None:
        if self.x == 7:
            raise ValueError("seven is not for us")


def schema_of(annotation: Any) -> Any:
    return msgspec.defstruct("Message", [("x", annotation)], tag="m")


def values_of(annotation: Any, constraint: str) -> dict[str, Any]:
    """Return the value of the field on both sides of a bound, by side."""
    return {
        one.side: msgspec.json.decode(one.raw)["x"]
        for one in sweep_boundaries(schema_of(annotation))
        if one.constraint == constraint
    }


def drawn(schema: Any, count: int) -> list[Boundary]:
    examples: list[Boundary] = []

    @settings(max_examples=count, database=None, deadline=None, derandomize=True)
    @given(boundary_messages(schema))
    def draw(example: Boundary) -> None:
        examples.append(example)

    draw()
    return examples


def is_valid(schema: Any, raw: str | bytes) -> bool:
    try:
        msgspec.json.decode(raw, type=schema)
    except msgspec.ValidationError:
        return False
    return True


def hit_of(one: Boundary) -> Hit:
    return Hit(one.tag, one.path, one.constraint, one.side)


@pytest.mark.parametrize("schema", [Rich, Rows])
def test_every_side_of_every_bound_is_swept(schema):
    swept = {(one.tag, one.path, one.constraint, one.side) for one in sweep_boundaries(schema)}
    declared = {(*bound[:3], side) for bound in boundaries(schema) for side in bound.sides}

    assert declared - swept <= {("join", "join.colors", "max_length 3", "beyond")}


def test_a_set_cannot_have_more_than_all_members():
    assert values_of(Annotated[set[Color], Meta(max_length=3)], "max_length 3").keys() == {"on"}


@pytest.mark.parametrize("schema", [Rich, Rows])
def test_a_swept_message_is_on_the_side_that_it_names(schema):
    wrong = [one for one in sweep_boundaries(schema) if hit_of(one) not in hits(schema, one.raw)]

    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("schema", [Rich, Rows])
def test_a_drawn_message_is_on_the_side_that_it_names(schema):
    wrong = [one for one in drawn(schema, 200) if hit_of(one) not in hits(schema, one.raw)]

    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("schema", [Rich, Rows])
def test_a_message_is_valid_on_a_bound_and_invalid_beyond(schema):
    wrong = [
        one
        for one in (*sweep_boundaries(schema), *drawn(schema, 200))
        if is_valid(schema, one.raw) is not (one.side == "on")
    ]

    assert not wrong


def test_the_error_is_what_the_decoder_says():
    errors = {
        one.side: one.error for one in sweep_boundaries(schema_of(Annotated[int, Meta(le=3)]))
    }

    assert errors["beyond"] == "Expected `int` <= 3 - at `$.x`"
    assert errors["on"] is None


@pytest.mark.parametrize(
    ("annotation", "constraint", "on", "beyond"),
    [
        (Annotated[int, Meta(ge=3)], "ge 3", 3, 2),
        (Annotated[int, Meta(gt=3)], "gt 3", 4, 3),
        (Annotated[int, Meta(le=3)], "le 3", 3, 4),
        (Annotated[int, Meta(lt=3)], "lt 3", 2, 3),
        (Annotated[int, Meta(le=12, multiple_of=5)], "le 12", 10, 13),
        (Annotated[float, Meta(le=1)], "le 1", 1.0, 1.0000000000000002),
        (Annotated[float, Meta(gt=1)], "gt 1", 1.0000000000000002, 1.0),
        (Annotated[str, Meta(max_length=3)], "max_length 3", "aaa", "aaaa"),
        (Annotated[bytes, Meta(min_length=1)], "min_length 1", "AA==", ""),
        (Annotated[list[int], Meta(max_length=1)], "max_length 1", [0], [0, 0]),
        (Annotated[set[int], Meta(max_length=1)], "max_length 1", [0], [0, 1]),
        (Annotated[dict[str, int], Meta(max_length=1)], "max_length 1", {"0": 0}, {"0": 0, "1": 0}),
        (tuple[int, int], "length 2", [0, 0], [0, 0, None]),
        (Color, "first 'red'", "red", "redgreenblue_"),
        (Level, "first 1", 1, 0),
        (Level, "last 2", 2, 3),
    ],
)
def test_a_value_is_exactly_on_its_bound_and_just_beyond(annotation, constraint, on, beyond):
    assert values_of(annotation, constraint) == {"on": on, "beyond": beyond}


def test_a_length_keeps_to_the_pattern():
    room = Annotated[str, Meta(pattern="^#[a-z]+$", max_length=9)]

    assert re.fullmatch("#[a-z]{8}", values_of(room, "max_length 9")["on"])


def test_a_length_that_a_pattern_does_not_allow_is_left_out():
    color = Annotated[str, Meta(pattern="^#[0-9a-f]{6}$", max_length=9)]

    assert values_of(color, "max_length 9").keys() == {"beyond"}


@pytest.mark.parametrize("tz", [True, False])
def test_a_time_has_an_offset_on_one_side_only(tz):
    values = values_of(Annotated[datetime, Meta(tz=tz)], f"tz {tz}")

    assert (values["on"].endswith("Z"), values["beyond"].endswith("Z")) == (tz, not tz)


@pytest.mark.parametrize(
    "item", [UUID, date, datetime, Decimal, bool | int, tuple[int, str], float]
)
def test_a_set_of_any_size_has_different_items(item):
    many = values_of(Annotated[set[item], Meta(max_length=5)], "max_length 5")["on"]

    assert len({msgspec.json.encode(one) for one in many}) == 5


def test_a_bound_too_far_away_is_left_out():
    assert values_of(Annotated[str, Meta(max_length=10**9)], f"max_length {10**9}") == {}


def test_a_side_that_the_struct_itself_refuses_is_left_out():
    sides = {one.side for one in sweep_boundaries(Choosy) if one.constraint == "le 7"}

    assert sides == {"beyond"}


def test_a_side_that_cannot_be_is_left_to_the_next_one():
    assert all((one.constraint, one.side) != ("le 7", "on") for one in drawn(Choosy, 100))


def test_a_field_that_the_struct_itself_refuses_is_left_out():
    class Alone(msgspec.Struct, tag="alone"):
        x: Annotated[int, Meta(ge=0)] | None = None

        def __post_init__(self) -> None:
            if self.x is not None:
                raise ValueError("not for us")

    assert "ge 0" not in {one.constraint for one in sweep_boundaries(Alone)}


def test_a_message_stays_with_its_tag():
    assert all(f'"{one.tag}"'.encode() in one.raw.encode() for one in drawn(Choosy | Pinned, 100))


def test_the_sweep_is_the_same_each_time():
    assert sweep_boundaries(Rich) == sweep_boundaries(Rich)


def test_a_schema_without_bounds_gives_valid_messages():
    assert all(is_valid(Pinned, one.raw) and one.side == "on" for one in drawn(Pinned, 10))
    assert sweep_boundaries(Pinned) == []


def test_an_item_of_a_set_is_on_its_bound_though_all_others_are_there():
    level = set[Annotated[int, Meta(ge=0, le=2)]]
    sides = {
        (one.constraint, one.side)
        for one in sweep_boundaries(schema_of(Annotated[level, Meta(min_length=3)]))
    }

    assert {("ge 0", "on"), ("le 2", "on"), ("ge 0", "beyond"), ("le 2", "beyond")} <= sides


@pytest.mark.slow
def test_a_failure_shrinks_to_the_simplest_message():
    schema = schema_of(list[Annotated[int, Meta(ge=3)]])
    one = find(
        boundary_messages(schema),
        lambda one: one.constraint == "ge 3",
        settings=settings(database=None, phases=[Phase.generate, Phase.shrink]),
        random=Random(0),  # noqa: S311 - nothing secret
    )

    assert one.raw == '{"type":"m","x":[3]}'


def test_a_schema_without_tags_is_refused():
    class Plain(msgspec.Struct):
        x: int

    with pytest.raises(PachinkoUsageError):
        boundary_messages(Plain)
