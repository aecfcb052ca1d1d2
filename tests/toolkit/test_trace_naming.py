"""Volatile values of a trace, called by name."""

from __future__ import annotations

import base64
import json
import random
import time
import uuid
from datetime import datetime
from datetime import UTC
from email.utils import format_datetime
from typing import Any
from typing import TYPE_CHECKING

import pytest

from pytest_pachinko import Closed
from pytest_pachinko import FromApp
from pytest_pachinko import Headers
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import ToApp
from pytest_pachinko import Trace
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Crash
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.naming import DEEPEST
from pytest_pachinko.trace.naming import holds
from pytest_pachinko.trace.naming import named
from pytest_pachinko.trace.naming import Namer
from pytest_pachinko.trace.naming import parse_rules
from pytest_pachinko.trace.record import merged

if TYPE_CHECKING:
    from collections.abc import Callable

ONE, TWO = (str(uuid.UUID(int=number, version=4)) for number in (1, 2))


def frames_of(*frames: Any, name: str = "/") -> Trace:
    trace = Trace(name)
    for frame in frames:
        trace.record("from_app", "text" if isinstance(frame, str) else "bytes", frame, 0.0)
    return trace


def data(value: Any, *rules: str) -> Any:
    return Namer(parse_rules(rules)).data(value)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (ONE, "<uuid#1>"),
        (ONE.upper(), "<uuid#1>"),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "<uuid#1>"),
        (f"urn:uuid:{ONE}", "urn:uuid:<uuid#1>"),
        (f"/rooms/{ONE}/guests", "/rooms/<uuid#1>/guests"),
        ("2026-05-01T10:00:00Z", "<time#1>"),
        ("2026-05-01T10:00:00.123456+02:00", "<time#1>"),
        ("2026-05-01 10:00", "<time#1>"),
        ("at 2026-05-01T10:00:00+0200.", "at <time#1>."),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "<time#1>"),
        ("a=b; expires=Wed, 21-Oct-2015 07:28:00 GMT; path=/", "a=b; expires=<time#1>; path=/"),
        ("1700000000", "<time#1>"),
        ("1700000000.123", "<time#1>"),
        ("1700000000123", "<time#1>"),
        ("d41d8cd98f00b204e9800998ecf8427e", "<hex#1>"),
        ("0123456789abcdef", "<hex#1>"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "<token#1>"),
        ("Jh5_V-3kDq9LmZ2xWcR7tA", "<token#1>"),
        ("http://localhost:54321/x", "http://localhost:<port#1>/x"),
        ("127.0.0.1:54321", "127.0.0.1:<port#1>"),
        ("ws://[::1]:54321", "ws://[::1]:<port#1>"),
        (1_700_000_000, "<time#1>"),
        (1_700_000_000.5, "<time#1>"),
        (1_700_000_000_123, "<time#1>"),
        (1_700_000_000_123_456_789, "<time#1>"),
    ],
)
def test_what_differs_in_each_run_has_a_name(value: Any, name: str) -> None:
    assert data(value) == name


@pytest.mark.parametrize(
    "value",
    [
        "hi",
        "",
        "2026-05-01",
        "10:00",
        "SomeVeryLongErrorCodeThatIsWords",
        "a-long-name-made-of-many-words-in-kebab-case",
        "Mixed-Case-Header-Name-Of-Words",
        "XMLHttpRequestUploadProgress",
        "parseHTMLDocumentFromMsg2",
        "WebSocketCtxTypeUserJoined",
        "supercalifragilisticexpialidocious",
        "chat.example.com:8080",
        "deadbeef",
        "12345",
        999_999_999,
        12345,
        -1_700_000_000,
        0.5,
        True,
        None,
    ],
)
def test_what_is_the_same_in_each_run_stays(value: Any) -> None:
    assert data(value) == value
    assert type(data(value)) is type(value)


@pytest.mark.parametrize(
    "make",
    [
        lambda _: str(uuid.uuid4()),
        lambda _: datetime.now(UTC).isoformat(),
        lambda _: format_datetime(datetime.now(UTC), usegmt=True),
        lambda _: time.time(),
        lambda _: time.time_ns(),
        lambda _: int(time.time()),
        lambda chance: chance.randbytes(16).hex(),
        # As secrets.token_urlsafe, but the same in each run: few of all texts look like words.
        lambda chance: base64.urlsafe_b64encode(chance.randbytes(16)).decode().rstrip("="),
        lambda chance: base64.urlsafe_b64encode(chance.randbytes(32)).decode().rstrip("="),
    ],
)
def test_what_python_makes_has_a_name(make: Callable[[random.Random], Any]) -> None:
    chance = random.Random(0)  # noqa: S311 - no cryptography
    values = [make(chance) for _ in range(100)]

    assert [value for value in values if not str(data(value)).startswith("<")] == []


def test_the_same_value_has_the_same_name() -> None:
    assert data([ONE, TWO, {"again": ONE}]) == ["<uuid#1>", "<uuid#2>", {"again": "<uuid#1>"}]


def test_a_key_has_a_name_too() -> None:
    assert data({"guests": {ONE: "ann"}}) == {"guests": {"<uuid#1>": "ann"}}


def test_several_values_of_one_text_have_names() -> None:
    assert data(f"{ONE} and {TWO} at 1700000000") == "<uuid#1> and <uuid#2> at <time#1>"


def test_a_trace_keeps_all_but_what_is_volatile() -> None:
    trace = Trace("ann")
    trace.record("to_app", "text", "hi", 1.0)
    trace.record("from_app", "text", json.dumps({"id": ONE, "n": [1, None]}), 2.0)
    trace.record("to_app", "closed", Close(1000, f"bye {ONE}"), 3.0)

    other = named(trace)

    assert other == [
        ToApp("hi"),
        FromApp({"id": "<uuid#1>", "n": [1, None]}),
        Closed(1000, reason="bye <uuid#1>"),
    ]
    assert [event.time for event in other] == [1.0, 2.0, 3.0]
    assert other.connection == "ann"
    assert trace[1].decoded["id"] == ONE


def test_a_frame_without_volatile_values_stays_as_it_was_sent() -> None:
    sent = '{ "b": 1.0,  "a": "\\u0041" }'

    assert named(frames_of(sent))[0].payload == sent


def test_bytes_that_hold_json_stay_bytes() -> None:
    assert named(frames_of(f'["{ONE}"]'.encode()))[0].payload == b'["<uuid#1>"]'


def test_bytes_that_hold_no_json_stay() -> None:
    assert named(frames_of(b"\xff" + ONE.encode()))[0].payload == b"\xff" + ONE.encode()


def test_text_that_holds_no_json_has_names() -> None:
    assert named(frames_of(f"welcome {ONE}"))[0].payload == "welcome <uuid#1>"


def test_a_handshake_has_names() -> None:
    headers = Headers([(b"x-id", ONE.encode()), (b"x-id", TWO.encode()), (b"x-n", b"th\xe9")])
    trace = Trace("/")
    trace.record("from_app", "denied", Handshake(403, f"v1.{ONE}", headers, ONE.encode()), 0.0)
    trace.record("from_app", "accepted", Handshake(), 0.0)

    answer = named(trace)[0].payload

    assert answer.headers.get_all("x-id") == ["<uuid#1>", "<uuid#2>"]
    assert answer.headers["x-n"] == "th\xe9"
    assert answer.subprotocol == "v1.<uuid#1>"
    assert answer.body == ONE.encode()  # it is no JSON
    assert named(trace)[1].payload == Handshake()


def test_what_the_application_raised_has_names() -> None:
    trace = Trace("/")
    trace.record("from_app", "raised", Crash("KeyError", f"no room {ONE}"), 0.0)

    assert named(trace)[0].payload == Crash("KeyError", "no room <uuid#1>")


def test_connections_that_are_merged_stay_told_apart() -> None:
    ann, bob = frames_of(ONE, name="ann"), frames_of(TWO, ONE, name="bob")

    trace = named(merged([ann, bob]))

    assert [(event.connection, event.payload) for event in trace] == [
        ("ann", "<uuid#1>"),
        ("bob", "<uuid#2>"),
        ("bob", "<uuid#1>"),
    ]


def test_names_that_are_kept_together_have_no_numbers() -> None:
    namer = Namer(together=("time",))

    assert namer.data([1_700_000_000, 1_700_000_001, ONE]) == ["<time>", "<time>", "<uuid#1>"]


# Rules.


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        (r"order: ORD-\d+", "take ORD-17", "take <order#1>"),
        (r"order: (?<=order )\d+", "order 17 of 20", "order <order#1> of 20"),
        (r"order: order (\d+)", "order 17 of 20", "order <order#1> of 20"),
        (r"order: order( \d+)?", "order", "order"),
        (r"n: \d\d", 17, "<n#1>"),
        (r"n: \d\d", 170, 170),
        (r"mine: [0-9a-f-]{36}", ONE, "<mine#1>"),
        ("id: $.id", {"id": 7, "n": 7}, {"id": "<id#1>", "n": 7}),
        ("id: $.id", {"id": None}, {"id": None}),
        ("id: $.id", {"id": {"a": [1]}}, {"id": "<id#1>"}),
        ("id: $[1]", [7, 7], [7, "<id#1>"]),
        ("id: $[*].id", [{"id": 7}, {"id": 8}], [{"id": "<id#1>"}, {"id": "<id#2>"}]),
        ("id: $[...].id", [{"id": 7}], [{"id": "<id#1>"}]),
        ("id: $.*.id", {"a": {"id": 7}, "id": 7}, {"a": {"id": "<id#1>"}, "id": 7}),
        ("n*: $[*]", [7, 8], ["<n>", "<n>"]),
        ("id: $..id", {"a": [{"id": 7}], "id": 7}, {"a": [{"id": "<id#1>"}], "id": "<id#1>"}),
    ],
)
def test_a_rule_says_what_else_is_volatile(rule: str, value: Any, expected: Any) -> None:
    assert data(value, rule) == expected


def test_no_rule_looks_into_a_name() -> None:
    assert data(f"{ONE} 1", r"digit: \d$", r"word: uuid") == "<uuid#1> <digit#1>"


@pytest.mark.parametrize("line", ["order", "order:", ": x", "two words: x", "order: (", "order: ["])
def test_a_line_that_is_no_rule_is_refused(line: str) -> None:
    with pytest.raises(PachinkoUsageError, match="does not say what is volatile") as caught:
        parse_rules([line])

    assert repr(line) in str(caught.value)
    assert "Hint: order: ORD-" in str(caught.value)


@pytest.mark.parametrize("unit", ["eyJ-", "eyJ.", "a", "aA", "Of", "-", "1", "1700000000.", "0a-"])
def test_a_long_text_takes_no_longer_than_its_length(unit: str) -> None:
    # What is tried twice here, would be tried for minutes.
    text = unit * (200_000 // len(unit))

    assert Namer().text(f"{text}!").endswith("!")


# What is JSON.


def test_json_that_is_too_deep_is_text() -> None:
    deep, deeper = ("[" * depth + "]" * depth for depth in (DEEPEST, DEEPEST + 1))

    assert holds(deep)[0]
    assert holds(deeper) == (False, deeper)
    assert named(frames_of(deeper))[0].payload == deeper


def test_objects_count_as_levels() -> None:
    assert holds('{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1))[0] is False


def test_a_json_string_is_json_and_a_text_is_not() -> None:
    assert holds('"hi"') == (True, "hi")
    assert holds("hi") == (False, "hi")
