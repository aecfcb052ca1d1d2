"""What is compared between a test in memory and the same test on a server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pytest_pachinko import Accepted
from pytest_pachinko import Closed
from pytest_pachinko import Denied
from pytest_pachinko import FromApp
from pytest_pachinko import Headers
from pytest_pachinko import parity
from pytest_pachinko import ToApp
from pytest_pachinko import Trace
from pytest_pachinko.parity import disparity
from pytest_pachinko.parity import normalised
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Handshake

FIDELITY = Path(__file__).parents[2] / "docs" / "explanation" / "fidelity.md"


def trace_of(*events: Any, name: str = "/", time: float = 0.0) -> Trace:
    """Make a trace: ``"> x"`` is sent by the peer, ``"< x"`` by the application."""
    trace = Trace(name)
    for event in events:
        if isinstance(event, Handshake):
            trace.record("from_app", "accepted" if event.status == 101 else "denied", event, time)
        elif isinstance(event, Close):
            trace.record("from_app", "closed", event, time)
        else:
            trace.record("to_app" if event[0] == ">" else "from_app", "text", event[2:], time)
    return trace


def denial(status: int, body: bytes = b"", **headers: str) -> Trace:
    pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return trace_of(Handshake(status, None, Headers(pairs), body))


def headers_of(*pairs: tuple[str, str]) -> Trace:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    return trace_of(Handshake(101, None, Headers(raw)))


def test_the_same_is_no_difference() -> None:
    assert disparity([trace_of(Handshake(), "> hi")], [trace_of(Handshake(), "> hi")]) == []


def test_no_sessions_are_no_difference() -> None:
    assert disparity([], []) == []


def test_a_frame_that_differs_is_a_difference() -> None:
    lines = disparity([trace_of(Handshake(), "< tea")], [trace_of(Handshake(), "< coffee")])

    assert "server (got) than in memory (expected)" in lines[0]
    assert any("tea" in line for line in lines)
    assert any("coffee" in line for line in lines)


def test_a_frame_that_is_missing_is_a_difference() -> None:
    assert disparity([trace_of(Handshake(), "< tea")], [trace_of(Handshake())])


def test_every_session_that_differs_is_shown() -> None:
    memory = [trace_of("< 1", name="/a"), trace_of("< 2", name="/b"), trace_of(name="/c")]
    live = [trace_of("< 3", name="/a"), trace_of("< 4", name="/b"), trace_of(name="/c")]

    text = "\n".join(disparity(memory, live))

    assert "/a" in text
    assert "/b" in text
    assert "/c" not in text


def test_sessions_are_compared_by_their_names_in_whatever_order_they_were_opened() -> None:
    memory = [trace_of("< 1", name="/a"), trace_of("< 2", name="/b")]

    assert disparity(memory, memory[::-1]) == []


def test_other_sessions_are_a_difference() -> None:
    assert disparity([trace_of(name="/a"), trace_of(name="/b")], []) == [
        "The test opened other sessions in memory than on the server.",
        "  memory  /a, /b",
        "  live    none",
    ]


def test_both_directions_are_put_one_after_the_other_between_handshake_and_end() -> None:
    trace = normalised(trace_of(Handshake(), "< 1", "> 2", "< 3", Close(4001), "> 4"))

    assert trace == [
        Accepted(),
        ToApp("2"),
        ToApp("4"),
        FromApp("1"),
        FromApp("3"),
        Closed(4001, by="app"),
    ]


def test_the_order_between_directions_is_no_difference() -> None:
    assert disparity([trace_of("< 1", "> 2")], [trace_of("> 2", "< 1")]) == []


def test_the_order_within_a_direction_is_a_difference() -> None:
    assert disparity([trace_of("< 1", "< 2")], [trace_of("< 2", "< 1")])


def test_who_sent_a_frame_is_a_difference() -> None:
    assert disparity([trace_of("< 1")], [trace_of("> 1")])


def test_time_is_no_difference() -> None:
    assert disparity([trace_of("< 1")], [trace_of("< 1", time=1.0)]) == []


@pytest.mark.parametrize("close", [Close(4002, "bye"), Close(4001, "go")])
def test_the_code_and_the_reason_of_a_close_are_compared(close: Close) -> None:
    assert disparity([trace_of(Close(4001, "bye"))], [trace_of(close)])


def test_the_subprotocol_is_compared() -> None:
    assert disparity([trace_of(Handshake(101, "v1"))], [trace_of(Handshake(101, "v2"))])


@pytest.mark.parametrize(
    "name",
    [
        "connection",
        "content-length",
        "date",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "server",
        "transfer-encoding",
        "upgrade",
    ],
)
def test_a_header_that_a_server_adds_is_no_difference(name: str) -> None:
    memory = headers_of(("x-room", "tea"))

    assert disparity([memory], [headers_of((name, "x"), ("x-room", "tea"))]) == []


@pytest.mark.parametrize(
    "live",
    [
        headers_of(),
        headers_of(("x-room", "bar")),
        headers_of(("x-room", "tea"), ("x-door", "open")),
        headers_of(("x-room", "tea"), ("x-room", "tea")),
    ],
)
def test_a_header_of_the_application_is_compared(live: Trace) -> None:
    assert disparity([headers_of(("x-room", "tea"))], [live])


def test_the_order_of_headers_is_no_difference() -> None:
    pairs = [("x-room", "tea"), ("x-door", "th\xe9")]

    assert disparity([headers_of(*pairs)], [headers_of(*pairs[::-1])]) == []


def test_the_order_of_the_values_of_a_header_is_a_difference() -> None:
    pairs = [("set-cookie", "a=1"), ("set-cookie", "a=2")]

    assert disparity([headers_of(*pairs)], [headers_of(*pairs[::-1])])


def test_the_close_code_of_a_denial_is_no_difference() -> None:
    assert disparity([trace_of(Handshake(403, close_code=3404))], [denial(403)]) == []


@pytest.mark.parametrize("status", [403, 500])
def test_a_servers_own_words_for_a_denial_are_no_difference(status: int) -> None:
    live = denial(status, b"Internal Server Error", content_type="text/plain")

    assert disparity([denial(status)], [live]) == []


@pytest.mark.parametrize(
    "live",
    [
        denial(403, b"keep out", content_type="text/plain"),
        denial(403, b"{}", content_type="application/json"),
        denial(403, x_why="no token"),
        denial(404),
    ],
)
def test_what_an_application_says_in_a_denial_is_compared(live: Trace) -> None:
    assert disparity([denial(403)], [live])


def test_the_type_of_a_body_of_the_application_is_compared() -> None:
    memory = denial(401, b"{}", content_type="application/json")

    assert disparity([memory], [denial(401, b"{}", content_type="text/plain")])


def test_a_header_that_differs_is_shown() -> None:
    one, other = (
        trace_of(Handshake(101, None, Headers([(b"x-room", room), (b"a", b"1"), (b"a", b"2")])))
        for room in (b"tea", b"coffee")
    )

    assert disparity([one], [other])[3:5] == [
        "  expected  Accepted(None, headers={'a': ['1', '2'], 'x-room': 'tea'})",
        "  got       Accepted(None, headers={'a': ['1', '2'], 'x-room': 'coffee'})",
    ]


def test_a_body_that_differs_is_shown() -> None:
    lines = disparity([denial(401, b"one")], [denial(401, b"two")])

    assert lines[3:5] == [
        "  expected  Denied(401, headers={}, body=b'one')",
        "  got       Denied(401, headers={}, body=b'two')",
    ]


@pytest.mark.parametrize("arrow", ["<", ">"])
def test_frames_that_hold_the_same_json_are_shown_as_they_are(arrow: str) -> None:
    lines = "\n".join(
        disparity([trace_of(f'{arrow} {{"a":1}}')], [trace_of(f'{arrow} {{"a": 1}}')])
    )

    assert """App('{"a":1}')""" in lines
    assert """App('{"a": 1}')""" in lines


def test_what_is_normalised_is_left_as_it_was() -> None:
    trace = trace_of(Handshake(403, None, Headers([(b"server", b"x")])), "< 1", "> 2")

    normalised(trace)

    assert trace == [Denied(403, headers={"server": "x"}), FromApp("1"), ToApp("2")]


def test_the_page_lists_what_is_not_compared() -> None:
    page = FIDELITY.read_text(encoding="utf-8").partition("## What parity does not compare")[2]
    rows = re.findall(r"^\| (.*?) \|", page, re.MULTILINE)

    assert rows == re.findall(r"^(\w.*?)  ", parity.__doc__ or "", re.MULTILINE)
