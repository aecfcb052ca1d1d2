"""Which bounds a schema has, and which of them a frame hits."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Annotated
from typing import Any
from typing import Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta

from pytest_pachinko.bounds import Bound
from pytest_pachinko.bounds import boundaries
from pytest_pachinko.bounds import hits
from tests.strategies.rich import Color
from tests.strategies.rich import Lenient
from tests.strategies.rich import Mark
from tests.strategies.rich import Node
from tests.strategies.rich import Only
from tests.strategies.rich import Point
from tests.strategies.rich import Rich
from tests.strategies.rich import Rows
from tests.strategies.rich import Size

BOTH = ("on", "beyond")


class One(msgspec.Struct, tag="one"):
    """Another tag."""


class Numbered(enum.IntEnum):
    LOW = 1
    HIGH = 2


def schema_of(annotation: Any) -> Any:
    """Make a schema with one message, whose one field is of a type."""
    return msgspec.defstruct("Message", [("x", annotation)], tag="m")


def frame_of(value: Any) -> bytes:
    return msgspec.json.encode({"type": "m", "x": value})


def found(annotation: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (path, constraint, sides)
        for _, path, constraint, sides in boundaries(schema_of(annotation))
        if constraint != "required"
    ]


def sides_of(annotation: Any, value: Any) -> dict[str, str]:
    return {
        hit.constraint: hit.side
        for hit in hits(schema_of(annotation), frame_of(value))
        if hit.constraint != "required"
    }


@pytest.mark.parametrize(
    ("annotation", "path", "constraint"),
    [
        (Annotated[int, Meta(ge=3)], "m.x", "ge 3"),
        (Annotated[int, Meta(lt=3)], "m.x", "lt 3"),
        (Annotated[float, Meta(gt=0.5)], "m.x", "gt 0.5"),
        (Annotated[float, Meta(le=2)], "m.x", "le 2"),
        (Annotated[int, Meta(multiple_of=5)], "m.x", "multiple_of 5"),
        (Annotated[str, Meta(min_length=2)], "m.x", "min_length 2"),
        (Annotated[str, Meta(max_length=2)], "m.x", "max_length 2"),
        (Annotated[bytes, Meta(max_length=2)], "m.x", "max_length 2"),
        (Annotated[list[int], Meta(max_length=2)], "m.x", "max_length 2"),
        (Annotated[set[int], Meta(min_length=2)], "m.x", "min_length 2"),
        (Annotated[dict[str, int], Meta(max_length=2)], "m.x", "max_length 2"),
        (list[Annotated[int, Meta(ge=3)]], "m.x[]", "ge 3"),
        (dict[Annotated[str, Meta(max_length=2)], int], "m.x{key}", "max_length 2"),
        (dict[str, Annotated[int, Meta(ge=3)]], "m.x{}", "ge 3"),
        (tuple[int, Annotated[int, Meta(ge=3)]], "m.x[1]", "ge 3"),
        (tuple[int, str], "m.x", "length 2"),
        (Annotated[datetime, Meta(tz=True)], "m.x", "tz True"),
        (Annotated[datetime, Meta(tz=False)], "m.x", "tz False"),
        (Color, "m.x", "first 'red'"),
        (Color, "m.x", "last 'blue'"),
        (Literal[2, 4], "m.x", "last 4"),
        (Only, "m.x", "only 'one'"),
        (Annotated[Annotated[int, Meta(ge=3)], Meta(description="x")], "m.x", "ge 3"),
    ],
)
def test_a_constraint_is_a_bound_with_two_sides(annotation, path, constraint):
    assert (path, constraint, BOTH) in found(annotation)


@pytest.mark.parametrize(
    "annotation",
    [int, str, bool, None, UUID, Any, datetime, list[int], Annotated[str, Meta(min_length=0)]],
)
def test_a_type_without_constraints_has_no_bounds(annotation):
    assert found(annotation) == []


def test_null_is_a_bound_with_one_side():
    assert found(int | None) == [("m.x", "null", ("on",))]


def test_an_enum_that_takes_unknown_values_has_nothing_beyond():
    assert found(Lenient) == [("m.x", "only 'any'", ("on",))]


def test_an_optional_field_is_absent_or_present():
    bounds = boundaries(msgspec.defstruct("Message", [("x", int, 1)], tag="m"))

    assert bounds == (
        Bound("m", "m.x", "absent", ("on",)),
        Bound("m", "m.x", "present", ("on",)),
    )


def test_a_path_has_the_names_that_are_on_the_wire():
    assert "say.textBody" in {bound.path for bound in boundaries(Rich)}


def test_the_fields_of_arrays_are_called_by_their_names():
    assert {bound.path for bound in boundaries(Rows) if bound.tag == 2} == {"2.count", "2.note"}


def test_a_type_that_contains_itself_is_listed_once():
    values = [bound.path for bound in boundaries(Node) if bound.constraint == "lt 10"]

    assert values == ["node.value"]


def test_no_bound_is_listed_twice():
    assert len(boundaries(Rich)) == len(set(boundaries(Rich)))


@pytest.mark.parametrize(
    ("annotation", "value", "constraint", "side"),
    [
        (Annotated[int, Meta(ge=3)], 3, "ge 3", "on"),
        (Annotated[int, Meta(ge=3)], 2, "ge 3", "beyond"),
        (Annotated[int, Meta(gt=3)], 4, "gt 3", "on"),
        (Annotated[int, Meta(gt=3)], 3, "gt 3", "beyond"),
        (Annotated[int, Meta(le=3)], 3, "le 3", "on"),
        (Annotated[int, Meta(lt=3)], 3, "lt 3", "beyond"),
        (Annotated[int, Meta(ge=3, multiple_of=5)], 5, "ge 3", "on"),
        (Annotated[int, Meta(le=13, multiple_of=5)], 10, "le 13", "on"),
        (Annotated[int, Meta(multiple_of=5)], 10, "multiple_of 5", "on"),
        (Annotated[int, Meta(multiple_of=5)], 11, "multiple_of 5", "beyond"),
        (Annotated[float, Meta(multiple_of=0.5)], 1.5, "multiple_of 0.5", "on"),
        (Annotated[float, Meta(le=1)], 1, "le 1", "on"),
        (Annotated[float, Meta(lt=1)], 0.9999999999999999, "lt 1", "on"),
        (Annotated[float, Meta(gt=0)], 0.0, "gt 0", "beyond"),
        (Annotated[str, Meta(min_length=2)], "ab", "min_length 2", "on"),
        (Annotated[str, Meta(min_length=2)], "é", "min_length 2", "beyond"),
        (Annotated[str, Meta(max_length=2)], "é" * 2, "max_length 2", "on"),
        (Annotated[bytes, Meta(max_length=2)], "YWI=", "max_length 2", "on"),
        (Annotated[bytes, Meta(max_length=2)], "YWJj", "max_length 2", "beyond"),
        (Annotated[set[int], Meta(max_length=2)], [1, 1, 2], "max_length 2", "on"),
        (Annotated[list[int], Meta(max_length=2)], [1, 1, 2], "max_length 2", "beyond"),
        (Annotated[dict[str, int], Meta(max_length=1)], {"a": 1}, "max_length 1", "on"),
        (tuple[int, int], [1, 2], "length 2", "on"),
        (tuple[int, int], [1], "length 2", "beyond"),
        (dict[Annotated[int, Meta(le=3)], int], {"3": 0}, "le 3", "on"),
        (dict[Annotated[float, Meta(le=3)], int], {"3.5": 0}, "le 3", "beyond"),
        (Annotated[datetime, Meta(tz=True)], "2020-01-01T00:00:00Z", "tz True", "on"),
        (Annotated[datetime, Meta(tz=True)], "2020-01-01T00:00:00", "tz True", "beyond"),
        (Annotated[datetime, Meta(tz=False)], "2020-01-01T00:00:00+01:00", "tz False", "beyond"),
        (Color, "red", "first 'red'", "on"),
        (Color, "pink", "first 'red'", "beyond"),
        (Numbered, 2, "last 2", "on"),
        (Numbered, 3, "last 2", "beyond"),
        (int | None, None, "null", "on"),
        (Annotated[str, Meta(max_length=1)] | Annotated[int, Meta(le=1)], 1, "le 1", "on"),
        (
            Annotated[str, Meta(max_length=1)] | Annotated[int, Meta(le=1)],
            "a",
            "max_length 1",
            "on",
        ),
        (Annotated[int, Meta(le=1)] | Annotated[float, Meta(le=2)], 2.0, "le 2", "on"),
    ],
)
def test_a_value_on_or_beyond_a_bound_hits_it(annotation, value, constraint, side):
    assert sides_of(annotation, value)[constraint] == side


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Annotated[int, Meta(ge=3, le=9)], 5),
        (Annotated[int, Meta(ge=3, le=9)], True),
        (Annotated[int, Meta(ge=3)], "3"),
        (Annotated[int, Meta(ge=3)], None),
        (Annotated[str, Meta(min_length=2)], "abc"),
        (Annotated[datetime, Meta(tz=True)], "tomorrow"),
        (Color, "green"),
        (Color, 1),
        (dict[Annotated[int, Meta(le=3)], int], {"x": 0}),
        (dict[Annotated[float, Meta(le=3)], int], {"x": 0}),
        (Lenient, "all"),
    ],
)
def test_a_value_that_is_on_no_side_hits_nothing(annotation, value):
    assert sides_of(annotation, value) == {}


def test_an_integer_that_is_no_float_is_no_multiple():
    frame = b'{"type":"m","x":' + b"9" * 400 + b"}"

    assert {
        hit.side for hit in hits(schema_of(Annotated[float, Meta(multiple_of=0.5)]), frame)
    } == {
        "on",  # required
        "beyond",
    }


def test_a_missing_field_is_beyond():
    assert {(hit.path, hit.side) for hit in hits(schema_of(int), '{"type":"m"}')} == {
        ("m.x", "beyond")
    }


def test_a_missing_element_of_an_array_is_beyond():
    assert ("2.note", "beyond") in {(hit.path, hit.side) for hit in hits(Rows, "[2,3]")}


def test_an_absent_optional_element_of_an_array_is_on_its_bound():
    assert ("1.color", "absent") in {(hit.path, hit.constraint) for hit in hits(Rows, "[1,[0,0]]")}


def test_only_the_member_that_the_tag_names_is_looked_at():
    frame = '{"type":"move","where":[0,0],"body":{"type":"image","url":"https://"}}'

    assert "move.body.body" not in {hit.path for hit in hits(Rich, frame)}


def test_a_value_deep_inside_hits_where_its_type_stands_first():
    frame = '{"type":"node","value":0,"children":[{"type":"node","value":9}]}'

    assert ("node.value", "lt 10", "on") in {tuple(hit[1:]) for hit in hits(Node, frame)}


@pytest.mark.parametrize(
    ("kind", "path"), [(Point, "m.x.x"), (Mark, "m.x.at"), (Size, "m.x.width")]
)
def test_other_records_have_the_bounds_of_their_fields(kind, path):
    assert path in {bound.path for bound in boundaries(schema_of(kind))}


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "nope",
        b"\xff",
        b'{"type":"m","x":"\xff"}',
        "[" * 100_000,
        "1",
        "[]",
        '{"type":"other"}',
        '{"type":1}',
        '{"type":[]}',
        '{"type":true}',
    ],
)
def test_a_frame_that_is_no_message_hits_nothing(frame):
    assert hits(schema_of(int), frame) == frozenset()


def test_true_is_not_the_tag_1():
    assert hits(Rows, "[true,[0,0]]") == frozenset()


def test_a_bound_is_hit_in_text_and_in_bytes_alike():
    frame = frame_of(3)

    assert hits(schema_of(int), frame) == hits(schema_of(int), frame.decode())


def test_metadata_that_cannot_be_hashed_is_no_obstacle():
    schema = Annotated[schema_of(int), ["metadata"]]

    assert boundaries(schema) == boundaries(schema)
    assert hits(schema, frame_of(1))


def test_the_bounds_come_in_the_order_of_declaration():
    message = schema_of(int)

    assert [bound.tag for bound in boundaries(One | message | Node)][:2] == ["m", "node"]
    assert boundaries(Node | message)[0].tag == "node"
    assert boundaries(message | Node)[0].tag == "m"


def test_an_element_of_an_array_before_one_that_is_required_is_never_absent():
    class Ordered(msgspec.Struct, tag="o", array_like=True, kw_only=True):
        first: int = 0
        second: int

    assert {bound.path for bound in boundaries(Ordered)} == {"o.second"}


def test_the_key_of_an_object_is_never_null():
    assert found(dict[int | None, int]) == []


def test_a_message_that_stands_alone_may_come_without_its_tag():
    assert {(hit.path, hit.side) for hit in hits(schema_of(int), '{"x":1}')} == {("m.x", "on")}


def test_a_message_of_a_union_has_a_tag():
    assert hits(Rich, '{"text_body":"x"}') == frozenset()
