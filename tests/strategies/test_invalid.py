"""Frames that a schema does not allow, and what a resource makes of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Annotated
from typing import Any

import falcon.asgi
import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import find
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import settings
from msgspec import inspect
from msgspec import Meta

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import MemoryTransport
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.places import places_of
from pytest_pachinko.strategies.invalid import invalid_frames
from pytest_pachinko.strategies.invalid import sweep_invalid
from pytest_pachinko.strategies.mutations import FRAME_OPERATORS
from pytest_pachinko.strategies.mutations import FRAMES
from pytest_pachinko.strategies.mutations import mutations
from pytest_pachinko.strategies.mutations import reach
from pytest_pachinko.strategies.types import decoder_for
from pytest_pachinko.strategies.types import register_type
from pytest_pachinko.strategies.values import different
from pytest_pachinko.strategies.values import resized
from pytest_pachinko.strategies.values import SKIP
from pytest_pachinko.strategies.values import stretched
from tests.strategies.rich import Bye
from tests.strategies.rich import Color
from tests.strategies.rich import Rich
from tests.strategies.rich import Rows
from tests.strategies.rich import Say
from tests.strategies.shapes import SHAPES

# Every operator that is not a matter of the frame as a whole.
OPERATORS = {
    *("drop_tag", "tag_null", "tag_bool", "tag_float", "tag_array", "tag_object", "tag_huge_int"),
    *("tag_unknown", "tag_empty", "tag_case", "tag_space", "tag_nul", "tag_prefix", "tag_int"),
    *("tag_bad_utf8", "tag_negative", "tag_string", "duplicate_tag", "duplicate_tag_before"),
    *("swap_tag:say", "swap_tag:move", "swap_tag:node", "swap_tag:join", "swap_tag:2"),
    *("swap_tag:text", "swap_tag:image", "swap_tag:1", "huge_tag"),
    *("drop_required", "unknown_field", "python_name", "case_of_name", "duplicate_key"),
    *("duplicate_key_before", "array_short", "array_long"),
    *("as_null", "as_bool", "as_int", "as_float", "as_string", "as_array", "as_object"),
    *("nan", "infinity", "minus_infinity", "overflow", "huge_int", "leading_zero", "plus_sign"),
    *("trailing_point", "hexadecimal", "numeric_string", "float_as_int", "capital_letter", "none"),
    *("below_ge", "at_gt", "above_le", "at_lt", "not_multiple"),
    *("too_short", "too_long", "too_few", "too_many"),
    *("pattern_append", "pattern_append_nul", "pattern_case", "pattern_leading_space"),
    *("pattern_empty", "pattern_other", "pattern_shorter"),
    *("other_case", "trailing_space", "unknown_value", "empty_string", "below_first", "above_last"),
    *("malformed", "leading_space", "tz_dropped", "tz_added", "month_13", "month_0"),
    *("february_30", "other_separator", "hour_24", "minute_60", "offset_24", "date_only"),
    *("with_time", "duration_word", "duration_empty", "duration_months", "uuid_character"),
    *("uuid_short", "uuid_long", "uuid_braces", "decimal_comma"),
    *("base64_padding", "base64_urlsafe", "base64_character"),
    *("lone_surrogate", "half_a_pair", "bad_escape", "control_character", "bad_utf8"),
    *("surrogate_bytes", "overlong_utf8"),
}


class Pinned(msgspec.Struct, tag="pinned"):
    """Has nothing that could be wrong but its tag."""


class Picky(msgspec.Struct, tag="picky"):
    """Takes no second field beside the first."""

    name: str
    other: Annotated[int, Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        if self.other is not None:
            raise ValueError("one is enough")


def schema_of(annotation: Any) -> Any:
    return msgspec.defstruct("Message", [("x", annotation)], tag="m")


def place_of(annotation: Any) -> Any:
    """Return the place of the field of a message."""
    record = next(iter(places_of(schema_of(annotation)).shapes.values())).records["m"]
    return record.fields["x"]


def shape_of(annotation: Any) -> Any:
    return next(iter(place_of(annotation).shapes.values()))


def make(info: Any) -> Any:
    """Make what tests of pure functions need."""
    kinds = {inspect.IntType: 1, inspect.StrType: "a", inspect.ListType: []}
    return kinds[type(info)]


def refused(schema: Any, raw: str | bytes) -> bool:
    try:
        decoder_for(schema).decode(raw)
    except Exception:  # noqa: BLE001 - that is the question
        return True
    return False


def drawn(strategy: Any, count: int) -> list[Any]:
    examples: list[Any] = []

    @settings(max_examples=count, database=None, deadline=None, derandomize=True)
    @given(strategy)
    def draw(example: Any) -> None:
        examples.append(example)

    draw()
    return examples


def first(schema: Any, condition: Any) -> Any:
    return find(
        invalid_frames(schema),
        condition,
        settings=settings(
            max_examples=5000,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
        random=Random(0),  # noqa: S311 - nothing secret
    )


@pytest.mark.parametrize("schema", [Rich, Rows])
def test_no_swept_frame_is_accepted(schema):
    accepted = [frame for frame in sweep_invalid(schema) if not refused(schema, frame.raw)]

    assert not accepted


@pytest.mark.slow
@pytest.mark.parametrize("schema", [Rich, Rows, Pinned])
def test_no_drawn_frame_is_accepted(schema):
    accepted = [f for f in drawn(invalid_frames(schema), 200) if not refused(schema, f.raw)]

    assert not accepted


@pytest.mark.slow
def test_no_frame_is_accepted_whatever_the_types():
    accepted = [
        (name, frame)
        for name, schema in SHAPES.items()
        for frame in (*sweep_invalid(schema), *drawn(invalid_frames(schema), 3))
        if not refused(schema, frame.raw)
    ]

    assert not accepted


def test_every_operator_of_the_catalogue_occurs():
    swept = {frame.operator for frame in (*sweep_invalid(Rich), *sweep_invalid(Rows))}

    assert swept == OPERATORS | FRAMES.keys() | FRAME_OPERATORS.keys()


def test_an_operator_occurs_once_at_each_path():
    labels = Counter((frame.path, frame.operator) for frame in sweep_invalid(Rich))

    assert not [label for label, count in labels.items() if count > 1]


def test_the_sweep_is_the_same_each_time():
    assert sweep_invalid(Rich) == sweep_invalid(Rich)


def test_a_nested_field_is_reached_though_the_simplest_message_lacks_it():
    paths = {frame.path for frame in sweep_invalid(Rich)}

    assert {"join.items[].unitPrice", "move.scores{key}", "move.body.url", "bye.clock"} <= paths


def test_the_error_is_what_the_decoder_says():
    frame = next(f for f in sweep_invalid(Say) if f.operator == "too_long")

    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(frame.raw, type=Say)
    assert frame.error == str(caught.value)


def test_one_frame_of_the_sweep_is_large():
    large = [frame for frame in sweep_invalid(Rich) if len(frame.raw) > 60_000]

    assert [frame.operator for frame in large] == ["huge_tag"]


def test_an_error_that_quotes_the_frame_is_cut():
    assert max(len(frame.error) for frame in sweep_invalid(Rich)) <= 500


@pytest.mark.slow
def test_no_drawn_frame_is_large():
    assert max(len(frame.raw) for frame in drawn(invalid_frames(Rich), 300)) < 60_000


def test_a_text_frame_can_cross_a_real_connection():
    for frame in sweep_invalid(Rich):
        if isinstance(frame.raw, str):
            frame.raw.encode()


def test_a_binary_frame_is_one_that_is_no_text():
    binary = [frame.raw for frame in sweep_invalid(Rich) if isinstance(frame.raw, bytes)]

    assert binary[0] == b""
    for raw in binary[1:]:
        with pytest.raises(UnicodeDecodeError):
            raw.decode()


@pytest.mark.slow
def test_the_simplest_frame_is_empty():
    assert first(Rich, lambda _: True).raw == ""


@pytest.mark.slow
def test_a_failure_shrinks_to_the_simplest_message():
    frame = first(Bye, lambda frame: frame.operator == "duration_word")

    assert frame.raw == '{"type":"bye","lasted":"1 day"}'


@pytest.mark.slow
def test_a_failure_shrinks_within_a_list():
    frame = first(schema_of(list[Annotated[int, Meta(ge=3)]]), lambda f: f.operator == "below_ge")

    assert frame.raw == '{"type":"m","x":[2]}'


def test_a_schema_without_fields_has_invalid_frames():
    assert {"tag_case", "in_array"} <= {frame.operator for frame in sweep_invalid(Pinned)}


def test_what_was_added_on_the_way_is_not_what_is_wrong():
    assert "below_ge" not in {frame.operator for frame in sweep_invalid(Picky)}


def test_an_operator_that_does_nothing_leaves_the_message_to_the_next():
    assert all(frame.operator != "below_ge" for frame in drawn(invalid_frames(Picky), 200))


@pytest.mark.parametrize("of", [1, 2])
def test_every_number_is_a_multiple_of_one(of):
    swept = {f.operator for f in sweep_invalid(schema_of(Annotated[int, Meta(multiple_of=of)]))}

    assert ("not_multiple" in swept) is (of == 2)


def test_the_registered_decoder_is_the_oracle():
    @dataclass
    class Celsius:
        degrees: int

    register_type(
        Celsius,
        st.integers(0, 9).map(Celsius),
        encode=lambda value: value.degrees,
        decode=lambda value: Celsius(int(value)),
    )
    schema = msgspec.defstruct("Weather", [("now", Celsius), ("city", str)], tag="weather")

    assert {"weather", "weather.city"} <= {frame.path for frame in sweep_invalid(schema)}


def test_a_registration_is_noticed_by_a_schema_that_was_used_before():
    class Angle(msgspec.Struct):
        degrees: int

    schema = msgspec.defstruct("Turn", [("by", Angle)], tag="turn")
    sweep_invalid(schema)
    register_type(Angle, st.just(Angle(7)))

    assert '"degrees":7' in next(f.raw for f in sweep_invalid(schema) if f.operator == "in_array")


def test_a_schema_without_tags_is_refused():
    class Plain(msgspec.Struct):
        x: int

    with pytest.raises(PachinkoUsageError):
        invalid_frames(Plain)


@pytest.mark.asyncio
async def test_a_resource_serves_the_next_message_after_each_invalid_frame():
    class Done(msgspec.Struct, tag="done"):
        count: int

    refusals: list[str] = []

    class Room(WebSocketResource):
        schema = Rich
        emits = Done
        count = 0

        async def _handle(self, ws: Any, message: Any) -> None:
            self.count += 1
            await self.send(Done(self.count))

        on_join = on_say = on_move = on_node = on_bye = _handle

        async def on_invalid(self, ws: Any, raw: Any, error: Any) -> None:
            refusals.append(error.reason)

    router = WebSocketRouter()
    router.add_route("/", Room)
    app = falcon.asgi.App()
    install(app, router)
    frames = sweep_invalid(Rich)

    async with MemoryTransport(app)("/") as session:
        for number, frame in enumerate(frames, 1):
            await session.send(frame.raw)
            await session.send(Bye())
            assert await session.receive(Done) == Done(number), frame

    assert len(refusals) == len(frames)
    assert set(refusals) == {"validation", "unknown_tag", "not_json", "bad_utf8", "too_deep"}


# The parts.


def test_every_mutation_belongs_to_a_message():
    assert {one.tag for one in mutations(places_of(Rich))} == {"join", "say", "move", "node", "bye"}


def test_reaching_a_place_adds_what_is_missing():
    place = place_of(list[list[int]])
    inner = place.shapes[list].item.shapes[list].item

    found = reach({"type": "m", "x": []}, inner, None, make)

    assert found is None or found[0] == {"type": "m", "x": [[1]]}


def test_a_shape_that_cannot_be_made_is_not_reached():
    place = place_of(str | int)

    assert reach({"type": "m", "x": 1}, place, place.shapes[str], lambda _: 1) is None


@pytest.mark.parametrize(
    ("text", "size", "pattern", "wanted"),
    [
        ("ab", 4, None, "abaa"),
        ("ab", 1, None, "a"),
        ("b", 4, "^b+$", "bbbb"),
        ("bbb", 1, "^b+$", "b"),
        ("#b!", 5, "^#b+!$", "#bbb!"),
        ("#bbb!", 3, "^#b+!$", "#b!"),
        ("#b", 2, "^#.$", "#b"),
        ("#b", 4, "^#.$", "#baa"),
    ],
)
def test_a_string_keeps_to_its_pattern_if_that_is_easy(text, size, pattern, wanted):
    assert stretched(text, size, pattern) == wanted


@pytest.mark.parametrize(
    ("annotation", "value", "size", "wanted"),
    [
        (list[int], [], 2, [1, 1]),
        (list[int], [5], 2, [5, 5]),
        (list[int], [5, 6], 1, [5]),
        (set[int], [5, 5], 2, [5, 0]),
        (set[bool], [], 3, SKIP),
        (set[bool], [True], 1, [True]),
        (dict[str, int], {}, 2, {"0": 1, "1": 1}),
        (dict[str, int], {"1": 7}, 2, {"1": 7, "0": 7}),
        (dict[int, int], {"0": 7}, 2, {"0": 7, "1": 7}),
        (dict[str, int], {"1": 7}, 0, {}),
        (dict[bool, int], {}, 3, SKIP),
        (bytes, "", 2, "AAA="),
        (list[int], [], -1, SKIP),
        (list[int], [], 100_000, SKIP),
        (str, "", 100_000, SKIP),
    ],
)
def test_a_value_takes_a_length(annotation, value, size, wanted):
    assert resized(shape_of(annotation), value, size, make) == wanted


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, Meta(ge=3)],
        Annotated[int, Meta(le=3)],
        Annotated[float, Meta(gt=0, lt=1)],
        Annotated[float, Meta(ge=0)],
        Annotated[str, Meta(min_length=3)],
        Annotated[str, Meta(pattern="^[a-z]+$")],
        Annotated[bytes, Meta(min_length=3)],
    ],
)
def test_different_values_are_valid_and_differ(annotation):
    some = list(islice(different(place_of(annotation).info, make), 50))

    assert len(set(some)) == 50
    msgspec.convert(some, list[annotation], strict=False)


@pytest.mark.parametrize(
    ("annotation", "count"),
    [
        (Color, 3),
        (bool | None, 3),
        (Annotated[int, Meta(ge=3, le=5)], 3),
        (Annotated[float, Meta(ge=3, le=3)], 1),
        (Annotated[str, Meta(max_length=1)], 16),
        (Annotated[str, Meta(pattern="^a$")], 1),
        (Annotated[bytes, Meta(max_length=1)], 256),
        (tuple[bool, int], 2),
        (tuple[()], 1),
        (list[int], 1),
        (int, 8192),
        (str, 8192),
        (bytes, 8192),
    ],
)
def test_there_are_as_many_different_values_as_there_can_be(annotation, count):
    assert len(list(different(place_of(annotation).info, make))) == count
