"""What a failed comparison of a trace says."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from pytest_pachinko import Accepted
from pytest_pachinko import Closed
from pytest_pachinko import Denied
from pytest_pachinko import FromApp
from pytest_pachinko import merged
from pytest_pachinko import Partial
from pytest_pachinko import Raised
from pytest_pachinko import ToApp
from pytest_pachinko import Trace
from pytest_pachinko.headers import NO_HEADERS
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Crash
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.explain import conversation
from pytest_pachinko.trace.explain import difference
from pytest_pachinko.trace.explain import last_events
from pytest_pachinko.trace.explain import shorten
from pytest_pachinko.trace.explain import trace_lines


class Said(msgspec.Struct, tag="said"):
    user: str
    text: str


def trace_of(*events: Any) -> Trace:
    trace = Trace("/chat")
    for event in events:
        if isinstance(event, Close):
            trace.record("to_app", "closed", event, 0.0)
        elif isinstance(event, Handshake):
            kind: Any = "accepted" if event.status == 101 else "denied"
            trace.record("from_app", kind, event, 0.0)
        else:
            trace.record("from_app", "text", event, 0.0)
    return trace


def test_the_first_lines_say_where_what_was_expected_and_what_came() -> None:
    assert difference(trace_of("1", "2"), [FromApp(1), FromApp(3)]) == [
        "/chat: the trace differs at event [1]",
        "  expected  FromApp(3)",
        "  got       FromApp(2)",
        "",
        "  [0] ← text 1",
        "- expected  FromApp(3)",
        "+ [1] ← text 2",
    ]


def test_two_messages_of_one_type_differ_in_fields() -> None:
    trace = trace_of('{"type":"said","user":"ann","text":"hi"}')

    assert difference(trace, [FromApp(Said(user="bob", text="hi"))])[3] == (
        "  $.user: expected 'bob', got 'ann'"
    )


def test_a_message_of_another_type_is_said_to_be_one() -> None:
    lines = difference(trace_of('{"type":"left"}'), [FromApp(Said(user="bob", text="hi"))])

    assert lines[3] == "  it is no Said: Invalid value 'left' - at `$.type`"


def test_an_end_that_came_too_early_is_named_as_such() -> None:
    lines = difference(trace_of("1"), [FromApp(1), FromApp(2)])

    assert lines[:3] == [
        "/chat: the trace differs at its end",
        "  expected  FromApp(2)",
        "  got       nothing more",
    ]


def test_an_event_at_the_end_was_not_expected() -> None:
    lines = difference(trace_of("1", "2"), [FromApp(1)])

    assert lines[1:3] == ["  expected  nothing more", "  got       FromApp(2)"]


def test_an_event_in_between_was_not_expected_there() -> None:
    lines = difference(trace_of("1", "2", "3"), [FromApp(1), FromApp(3)])

    assert lines[1:3] == ["  expected  nothing here", "  got       FromApp(2)"]


def test_a_missing_event_shows_what_came_in_its_place() -> None:
    lines = difference(trace_of("1", "3"), [FromApp(1), FromApp(2), FromApp(3)])

    assert lines[:3] == [
        "/chat: the trace differs at event [1]",
        "  expected  FromApp(2)",
        "  got       FromApp(3)",
    ]


def test_a_pattern_that_another_one_left_nothing_for_is_a_near_miss() -> None:
    lines = difference(trace_of("1"), [FromApp(1), FromApp(1)])

    assert lines[3].startswith("  near miss: event [0]")


@pytest.mark.parametrize(
    ("event", "got"),
    [
        (Handshake(101, "chat"), Accepted("chat")),
        (Handshake(403), Denied(403)),
        (Close(4001, "bye"), Closed(4001, reason="bye", by="peer")),
        ('{"a":1}', FromApp({"a": 1})),
    ],
)
def test_what_came_is_printed_as_a_pattern_to_copy(event: Any, got: Any) -> None:
    assert difference(trace_of(event), [ToApp()])[2] == f"  got       {got!r}"


def test_what_the_test_sent_is_printed_as_such() -> None:
    trace = Trace("/chat")
    trace.record("to_app", "text", "1", 0.0)

    assert difference(trace, [Closed()])[2] == "  got       ToApp(1)"


def test_a_run_that_agrees_is_cut_down_to_some_lines() -> None:
    trace = trace_of(*map(str, range(1000)))
    patterns = [FromApp(number) for number in range(1000) if number != 500]

    assert difference(trace, patterns) == [
        "/chat: the trace differs at event [500]",
        "  expected  nothing here",
        "  got       FromApp(500)",
        "",
        "  … 497 more that agree",
        "  [497] ← text 497",
        "  [498] ← text 498",
        "  [499] ← text 499",
        "+ [500] ← text 500",
        "  [501] ← text 501",
        "  [502] ← text 502",
        "  [503] ← text 503",
        "  … 496 more that agree",
    ]


def test_long_traces_that_have_nothing_in_common_are_compared_in_time() -> None:
    trace = trace_of(*map(str, range(3000)))
    started = time.process_time()

    difference(trace, [FromApp(-number) for number in range(1, 3000)])

    assert time.process_time() - started < 5


def test_a_trace_is_compared_with_a_trace_event_by_event() -> None:
    lines = difference(trace_of("1", "2"), trace_of("1", "3"))

    assert lines[1:3] == ["  expected  FromApp(3)", "  got       FromApp(2)"]


def test_traces_that_agree_are_said_to() -> None:
    assert difference(trace_of("1"), [FromApp()]) == ["<Trace of /chat: 1 events> matches"]


def test_every_kind_of_event_has_a_line() -> None:
    trace = trace_of(
        Handshake(),
        Handshake(101, "chat"),
        Handshake(403, close_code=3403),
        Handshake(500, None, NO_HEADERS, b""),
        "hi",
        Close(1000),
        Close(4001, "bye"),
    )
    trace.record("to_app", "bytes", b"\x00", 0.0)
    trace.record("from_app", "closed", Close(1006), 0.0)

    assert trace_lines(trace) == [
        "  [0] ← accepted",
        "  [1] ← accepted subprotocol chat",
        "  [2] ← denied 403 (close code 3403)",
        "  [3] ← denied 500",
        "  [4] ← text hi",
        "  [5] → closed by peer 1000",
        "  [6] → closed by peer 4001 'bye'",
        r"  [7] → bytes b'\x00'",
        "  [8] ← closed by app 1006",
    ]


def test_only_the_last_events_are_shown() -> None:
    assert last_events(trace_of("1", "2", "3"), 2).splitlines() == [
        "Last events:",
        "  … 1 earlier events",
        "  [1] ← text 2",
        "  [2] ← text 3",
    ]


def test_a_trace_without_events_says_so() -> None:
    assert last_events(Trace("/")) == "Nothing has crossed the wire yet."


def test_a_long_payload_is_cut_and_its_length_given() -> None:
    assert shorten("x" * 200, 10) == "xxxxxxxxxx… (200 characters)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", r"a\nb"), ("\x1b[31m", r"\x1b[31m"), ("\ud800", r"\ud800"), ("→ ü", "→ ü")],
)
def test_a_payload_neither_breaks_the_line_nor_speaks_to_the_terminal(
    text: str, shown: str
) -> None:
    assert shorten(text) == shown


def test_a_message_of_the_expected_type_elsewhere_is_a_near_miss() -> None:
    trace = trace_of("1", '{"type":"said","user":"ann","text":"hi"}', Close(1000))
    patterns = [..., FromApp(Said(user="bob", text="hi")), Closed(1000)]

    assert "  near miss: event [1]" in difference(trace, patterns)
    assert "  $.user: expected 'bob', got 'ann'" in difference(trace, patterns)


def test_a_message_of_a_type_that_never_came_has_no_near_miss() -> None:
    trace = trace_of("1", Close(1000))
    patterns = [..., FromApp(Said(user="bob", text="hi")), Closed(1000)]

    assert not [line for line in difference(trace, patterns) if "near miss" in line]


def test_what_only_stands_in_the_wrong_place_is_said_to_have_moved() -> None:
    lines = difference(trace_of("1", "2", "3", "4"), [FromApp(n) for n in (2, 3, 1, 4)])

    assert lines[-5:] == [
        "+ [0] ← text 1   (expected elsewhere)",
        "  [1] ← text 2",
        "  [2] ← text 3",
        "- expected  FromApp(1)   (came as event [0])",
        "  [3] ← text 4",
    ]


def test_each_message_that_changed_says_in_which_fields() -> None:
    trace = trace_of('{"a":1}', "x", '{"b":{"c":[1,2]}}')

    lines = difference(trace, [FromApp({"a": 2}), FromApp("x"), FromApp({"b": {"c": [1, 3]}})])

    assert lines[3] == "  $.a: expected 2, got 1"
    assert lines[-1] == "      $.b.c[1]: expected 3, got 2"


def test_the_fields_of_a_partial_message_are_compared() -> None:
    lines = difference(trace_of('{"a":1,"b":2}'), [FromApp(Partial(a=2))])

    assert lines[3] == "  $.a: expected 2, got 1"
    assert difference(trace_of("1"), [FromApp(Partial(a=2))])[3] == ""


def test_events_of_several_connections_are_told_apart() -> None:
    ann, robert = Trace("ann"), Trace("robert")
    ann.record("from_app", "text", "1", 0.0)
    robert.record("from_app", "text", "2", 0.0)

    assert difference(merged([ann, robert]), [FromApp(1), FromApp(3)])[4:] == [
        "  ann    [0] ← text 1",
        "- expected  FromApp(3)",
        "+ robert [1] ← text 2",
    ]


def test_messages_that_cannot_be_compared_say_why() -> None:
    class Touchy(msgspec.Struct, tag="touchy"):
        __hash__ = None

        def __eq__(self, other: object) -> bool:
            raise ValueError("do not compare me")

    assert difference(trace_of('{"type":"touchy"}'), [FromApp(Touchy())])[3] == (
        "  comparing them raises ValueError: do not compare me"
    )


def test_of_many_differences_some_are_shown() -> None:
    lines = difference(trace_of(*["1"] * 300), [FromApp(2)] * 300)

    assert len(lines) < 220
    assert lines[-1].endswith("more that differ")


def test_of_many_fields_some_are_shown() -> None:
    lines = difference(trace_of("[1,1,1,1,1,1,1,1,1,1]"), [FromApp([2] * 10)])

    assert sum("expected 2, got 1" in line for line in lines) == 8


def test_an_exception_is_printed_with_its_text() -> None:
    trace = Trace("/chat")
    trace.record("from_app", "raised", Crash("ValueError", "milk\nspilled"), 0.0)

    assert trace_lines(trace) == ["  [0] ! raised ValueError: milk\\nspilled"]
    assert difference(trace, [Raised("KeyError")])[2] == (
        "  got       Raised('ValueError', message='milk\\nspilled')"
    )


def test_credentials_in_a_subprotocol_are_not_printed() -> None:
    assert trace_lines(trace_of(Handshake(101, "bearer.abc"))) == [
        "  [0] ← accepted subprotocol bearer.<redacted>"
    ]


def test_one_event_more_among_a_thousand_is_named_in_few_lines() -> None:
    said = [f'{{"type":"said","user":"ann","text":"{number}"}}' for number in range(1000)]
    trace = trace_of(*said[:500], '{"type":"said","user":"eve","text":"psst"}', *said[500:])

    lines = difference(trace, [FromApp(Said("ann", str(number))) for number in range(1000)])

    assert len(lines) <= 40
    assert lines[:3] == [
        "/chat: the trace differs at event [500]",
        "  expected  nothing here",
        "  got       FromApp({'type': 'said', 'user': 'eve', 'text': 'psst'})",
    ]


def test_a_conversation_without_anybody_is_empty() -> None:
    assert conversation(Trace("/")) == []


def test_of_a_long_conversation_the_end_is_shown() -> None:
    assert conversation(trace_of("1", "2", "3"), 1) == ["  … 2 earlier events", "  [2] ← text 3"]
