"""A trace is a sequence that grows, and compares with patterns."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from pytest_pachinko import Accepted
from pytest_pachinko import Closed
from pytest_pachinko import FromApp
from pytest_pachinko import merged
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Raised
from pytest_pachinko import ToApp
from pytest_pachinko import Trace
from pytest_pachinko import TraceEvent
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Crash
from pytest_pachinko.trace.event import Handshake


@pytest.fixture
def trace() -> Trace:
    trace = Trace("/chat")
    trace.record("to_app", "text", "1", 0.5)
    trace.record("from_app", "bytes", b"2", 1.0)
    trace.record("to_app", "closed", Close(1000), 2.0)
    return trace


def test_an_event_says_everything_about_itself(trace: Trace) -> None:
    assert trace[1] == TraceEvent(1, "from_app", "bytes", b"2", "/chat", 1.0)


def test_an_index_counts_from_the_end_too(trace: Trace) -> None:
    assert trace[-1] == trace[2]


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_outside_of_the_trace_is_an_error(trace: Trace, index: int) -> None:
    with pytest.raises(IndexError):
        trace[index]


def test_iteration_yields_every_event(trace: Trace) -> None:
    assert [event.index for event in trace] == [0, 1, 2]


def test_a_slice_compares_like_a_trace(trace: Trace) -> None:
    assert trace[1:] == [FromApp(b"2"), Closed(1000)]


def test_the_events_of_a_slice_keep_their_places(trace: Trace) -> None:
    assert [event.index for event in trace[::-1][1:]] == [1, 0]


def test_a_list_of_patterns_of_the_wrong_length_is_not_equal(trace: Trace) -> None:
    assert trace != [ToApp("1")]


def test_a_tuple_of_patterns_will_do(trace: Trace) -> None:
    assert trace == (ToApp("1"), ...)


def test_traces_are_equal_whenever_and_wherever_they_were_recorded(trace: Trace) -> None:
    other = Trace("/elsewhere")
    for event in trace:
        other.record(event.direction, event.kind, event.payload, event.time + 1)

    assert trace == other


def test_traces_of_different_events_are_not_equal(trace: Trace) -> None:
    assert trace != Trace("/chat")


def test_a_trace_is_not_equal_to_what_is_no_sequence(trace: Trace) -> None:
    assert trace != "trace"


def test_comparing_with_what_is_no_pattern_is_a_usage_error(trace: Trace) -> None:
    with pytest.raises(PachinkoUsageError, match="is no pattern"):
        assert trace == ["1"]


def test_a_trace_has_no_hash_because_it_grows(trace: Trace) -> None:
    with pytest.raises(TypeError):
        hash(trace)


def test_a_trace_is_printed_in_one_line(trace: Trace) -> None:
    assert repr(trace) == "<Trace of /chat: 3 events>"


def test_an_event_decodes_its_frame(trace: Trace) -> None:
    assert [event.decoded for event in trace] == [1, 2, Close(1000)]


@pytest.mark.parametrize("payload", ["not json", b"\xff", "\ud800"])
def test_a_frame_that_is_no_json_stays_as_it_is(payload: str | bytes) -> None:
    assert TraceEvent(0, "to_app", "text", payload, "/", 0.0).decoded == payload


# Looking for something in it.


@pytest.fixture
def talk() -> Trace:
    trace = Trace("/chat")
    trace.record("from_app", "accepted", Handshake(), 0.0)
    trace.record("to_app", "text", '{"type":"say","text":"hi"}', 0.0)
    trace.record("from_app", "text", '{"type":"said","text":"hi"}', 0.0)
    trace.record("from_app", "raised", Crash("ValueError", "milk"), 0.0)
    trace.record("from_app", "closed", Close(1011), 0.0)
    return trace


def test_a_trace_contains_patterns_in_their_order(talk: Trace) -> None:
    assert talk.contains(ToApp(), FromApp(), Closed(1011))
    assert not talk.contains(FromApp(), ToApp())


def test_what_is_no_pattern_is_a_frame_of_either_side(talk: Trace) -> None:
    assert talk.contains({"type": "say", "text": "hi"}, {"type": "said", "text": "hi"})


@pytest.mark.parametrize(
    ("patterns", "text"),
    [
        ([Closed(1000)], "</chat: no Closed(1000) among 5 events>"),
        ([FromApp(), ToApp()], "</chat: no ToApp() after event [2], but before it: [1]>"),
        ([ToApp(), Closed(1000)], "</chat: no Closed(1000) after event [1]>"),
        ([{"a": 1}], "</chat: no {'a': 1} among 5 events>"),
        ([Closed()], "</chat contains that>"),
    ],
)
def test_what_is_missing_is_said_by_the_answer(talk: Trace, patterns: list[Any], text: str) -> None:
    assert repr(talk.contains(*patterns)) == text


def test_a_pattern_or_an_event_is_in_a_trace(talk: Trace) -> None:
    assert Closed(1011) in talk
    assert Closed(1000) not in talk
    assert {"type": "say", "text": "hi"} in talk
    assert talk[2] in talk
    assert TraceEvent(9, "to_app", "text", "x", "/chat", 0.0) not in talk


def test_events_are_counted_by_a_pattern(talk: Trace) -> None:
    assert talk.count(FromApp()) == 1
    assert talk.count(Closed(1000)) == 0


def test_an_exception_is_passed_over_unless_it_is_asked_for(talk: Trace) -> None:
    assert talk == [Accepted(), ToApp(), FromApp(), Closed(1011)]
    assert talk == [Accepted(), ToApp(), FromApp(), Raised(ValueError, message="milk"), Closed()]
    assert talk != [Accepted(), ToApp(), FromApp(), Raised("KeyError"), Closed()]
    assert talk == [..., Raised(), ...]


# Several connections.


def test_traces_are_merged_in_the_order_in_which_things_happened() -> None:
    ann, bob = Trace("ann"), Trace("bob")
    for number, trace in enumerate([ann, bob, bob, ann]):
        trace.record("from_app", "text", str(number), 0.0)

    whole = merged([ann, bob])

    assert [event.payload for event in whole] == ["0", "1", "2", "3"]
    assert [event.connection for event in whole] == ["ann", "bob", "bob", "ann"]
    assert [event.index for event in whole] == [0, 1, 2, 3]


def test_a_connection_is_taken_out_of_a_merged_trace() -> None:
    ann, bob = Trace("ann"), Trace("bob")
    for trace in (ann, bob, ann):
        trace.record("from_app", "text", trace.connection, 0.0)
    whole = merged([ann, bob])

    assert whole.of("ann") == ann
    assert whole.of("ann").connection == "ann"
    assert whole[1:].of("ann") == [FromApp("ann")]
    assert merged([whole.of("bob"), whole.of("ann")]).of("bob") == bob


def test_merged_traces_may_be_merged_again() -> None:
    ann, bob, eve = Trace("ann"), Trace("bob"), Trace("eve")
    for trace in (eve, ann, bob, eve):
        trace.record("from_app", "text", trace.connection, 0.0)

    whole = merged([merged([ann, bob]), eve], "everybody")

    assert [event.connection for event in whole] == ["eve", "ann", "bob", "eve"]
    assert repr(whole) == "<Trace of everybody: 4 events>"


# Values and types.


def test_values_may_be_called_by_name() -> None:
    trace = Trace("/chat")
    trace.record("from_app", "text", '{"id":"f3c1","by":"ann"}', 0.0)

    assert trace.named(order="f3c1") == [FromApp({"id": "<order>", "by": "ann"})]
    assert trace == [FromApp({"id": "f3c1", "by": "ann"})]


def test_a_uuid_is_called_by_name_too() -> None:
    key = UUID("12345678123456781234567812345678")
    trace = Trace("/chat")
    trace.record("from_app", "text", f'{{"id":"{key}"}}', 0.0)

    assert trace.named(key=key) == [FromApp({"id": "<key>"})]


@pytest.mark.parametrize("value", [7, None, "", [1]])
def test_what_is_no_text_has_no_name(value: Any) -> None:
    with pytest.raises(PachinkoUsageError, match=r"named\(key=.*only text"):
        Trace("/chat").named(key=value)


class Say(msgspec.Struct, tag="say"):
    text: str


class Said(msgspec.Struct, tag="said"):
    text: str


@pytest.mark.parametrize("types", [(Say, Said), lambda: (Say, Said)])
def test_a_frame_holds_a_message_of_the_types_that_the_trace_knows(types: Any) -> None:
    trace = Trace("/chat", types)
    trace.record("to_app", "text", '{"type":"say","text":"hi"}', 0.0)
    trace.record("from_app", "bytes", b'{"type":"said","text":"hi"}', 0.0)
    trace.record("from_app", "text", "no message", 0.0)
    trace.record("from_app", "closed", Close(1000), 0.0)

    assert [event.message for event in trace] == [Say("hi"), Said("hi"), None, None]


def test_a_frame_with_which_a_post_init_breaks_holds_no_message() -> None:
    class Odd(msgspec.Struct, tag="odd"):
        def __post_init__(self) -> None:
            raise KeyError

    trace = Trace("/chat", (Odd, None))
    trace.record("to_app", "text", '{"type":"odd"}', 0.0)

    assert trace[0].message is None


@pytest.mark.parametrize("types", [None, (None, None), lambda: None])
def test_a_frame_of_types_that_nobody_knows_holds_no_message(types: Any) -> None:
    trace = Trace("/chat", types)
    trace.record("to_app", "text", '{"type":"say","text":"hi"}', 0.0)

    assert trace[0].message is None
