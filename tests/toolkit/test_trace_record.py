"""A trace is a sequence that grows, and compares with patterns."""

from __future__ import annotations

import pytest

from pytest_pachinko import Closed
from pytest_pachinko import FromApp
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import ToApp
from pytest_pachinko import Trace
from pytest_pachinko import TraceEvent
from pytest_pachinko.trace.event import Close


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
