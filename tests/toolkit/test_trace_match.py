"""Patterns over the events of a trace, and how they are paired with events."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_pachinko import Accepted
from pytest_pachinko import AnyOrder
from pytest_pachinko import Closed
from pytest_pachinko import Denied
from pytest_pachinko import FromApp
from pytest_pachinko import Headers
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Raised
from pytest_pachinko import ToApp
from pytest_pachinko import TraceEvent
from pytest_pachinko.trace import match
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Crash
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.match import align
from pytest_pachinko.trace.match import matches
from pytest_pachinko.trace.match import Pattern


class Matcher(type):
    """As in dirty-equals: the class itself compares like an instance."""

    def __eq__(cls, other: object) -> bool:
        return cls() == other

    __hash__ = type.__hash__


class IsInt(metaclass=Matcher):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, int)

    __hash__ = None  # type: ignore[assignment]


class Contains:
    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return self.text in str(other)

    __hash__ = None  # type: ignore[assignment]


class Say(msgspec.Struct, tag="say"):
    text: str


class Leave(msgspec.Struct, tag="leave"):
    pass


def event(kind: Any, payload: Any, direction: Any = "from_app", index: int = 0) -> TraceEvent:
    return TraceEvent(index, direction, kind, payload, "/", 0.0)


def frame(payload: str | bytes) -> TraceEvent:
    return event("text" if isinstance(payload, str) else "bytes", payload)


SAY = '{"type":"say","text":"hi"}'


@pytest.mark.parametrize(
    ("expected", "payload"),
    [
        (Say(text="hi"), SAY),
        (Say(text="hi"), SAY.encode()),
        (Say(text=Contains("h")), SAY),  # type: ignore[arg-type]
        (Say, SAY),
        (Say | Leave, SAY),
        (dict[str, str], SAY),
        (int, "1"),
        (str, "anything"),
        (bytes, b"\xff"),
        ("not json", "not json"),
        (b"\x00", b"\x00"),
        ({"text": "hi", "type": "say"}, SAY),
        ([1, 2], "[1,2]"),
        (Contains("hi"), SAY),
        (IsInt, "7"),
        (IsInt(), "7"),
        (None, "null"),
    ],
)
def test_a_frame_matches_what_it_holds(expected: Any, payload: Any) -> None:
    assert FromApp(expected).matches(frame(payload))


@pytest.mark.parametrize(
    ("expected", "payload"),
    [
        (Say(text="hi"), '{"type":"say","text":"ho"}'),
        (Say(text="hi"), '{"type":"leave"}'),
        (Say(text="hi"), "not json"),
        (Say(text="hi"), b"\xff"),
        (Say(text="hi"), "[" * 100_000),
        (Say, '{"type":"leave"}'),
        (Say | Leave, '{"type":"other"}'),
        (int, '"1"'),
        (str, b"bytes"),
        (bytes, "text"),
        ("hi", b"hi"),
        ("hi", '"hi"'),
        (b"hi", "hi"),
        ({"text": "hi"}, SAY),
        ({"text": "hi"}, "\ud800"),
        (IsInt, '"seven"'),
        (object(), "1"),
    ],
)
def test_a_frame_does_not_match_anything_else(expected: Any, payload: Any) -> None:
    assert not FromApp(expected).matches(frame(payload))


def test_a_pattern_without_a_payload_matches_every_frame_of_its_direction() -> None:
    there, back = event("text", "x", "to_app"), event("text", "x", "from_app")

    assert ToApp().matches(there)
    assert FromApp().matches(back)
    assert not ToApp().matches(back)
    assert not FromApp().matches(there)


def test_a_pattern_of_a_frame_matches_no_handshake() -> None:
    assert not FromApp().matches(event("accepted", Handshake()))


HEADERS = Headers([(b"X-Key", b"1")])


@pytest.mark.parametrize(
    "pattern",
    [
        Accepted(),
        Accepted("chat"),
        Accepted(headers={"x-key": "1"}),
        Accepted("chat", headers={"X-Key": "1"}),
    ],
)
def test_accepted_matches_a_handshake_by_what_it_says(pattern: Pattern) -> None:
    assert pattern.matches(event("accepted", Handshake(101, "chat", HEADERS)))


@pytest.mark.parametrize(
    "pattern",
    [Accepted(None), Accepted("other"), Accepted(headers={"x-key": "2"}), Denied(), Closed()],
)
def test_accepted_does_not_match_another_handshake(pattern: Pattern) -> None:
    assert not pattern.matches(event("accepted", Handshake(101, "chat", HEADERS)))


@pytest.mark.parametrize(
    "pattern",
    [Denied(), Denied(403), Denied(body={"title": "no"}), Denied(403, headers={"x-key": "1"})],
)
def test_denied_matches_a_refusal_by_what_it_says(pattern: Pattern) -> None:
    answer = Handshake(403, None, HEADERS, b'{"title": "no"}')

    assert pattern.matches(event("denied", answer))


@pytest.mark.parametrize(
    "pattern", [Denied(401), Denied(body=b""), Denied(headers={"x-key": "2"}), Accepted()]
)
def test_denied_does_not_match_another_refusal(pattern: Pattern) -> None:
    assert not pattern.matches(event("denied", Handshake(403, None, HEADERS, b"no")))


@pytest.mark.parametrize(
    "pattern", [Closed(), Closed(4001), Closed(reason="bye"), Closed(4001, reason="bye", by="app")]
)
def test_closed_matches_an_end_by_what_it_says(pattern: Pattern) -> None:
    assert pattern.matches(event("closed", Close(4001, "bye")))


@pytest.mark.parametrize("pattern", [Closed(1000), Closed(reason=""), Closed(by="peer"), FromApp()])
def test_closed_does_not_match_another_end(pattern: Pattern) -> None:
    assert not pattern.matches(event("closed", Close(4001, "bye")))


def test_nobody_but_the_app_and_the_peer_can_close() -> None:
    with pytest.raises(PachinkoUsageError, match='"app" or "peer"'):
        Closed(by="server")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        (ToApp(), "ToApp()"),
        (FromApp(Say(text="hi")), "FromApp(Say(text='hi'))"),
        (Accepted(None), "Accepted(None)"),
        (Denied(403, body=b""), "Denied(403, body=b'')"),
        (Closed(1000, by="peer"), "Closed(1000, by='peer')"),
    ],
)
def test_a_pattern_is_printed_as_the_code_that_makes_it(pattern: Pattern, code: str) -> None:
    assert repr(pattern) == code


def test_a_pattern_is_a_value() -> None:
    assert {ToApp("a"), ToApp("a"), ToApp("b")} == {ToApp("a"), ToApp("b")}


def test_the_base_class_matches_nothing_of_its_own() -> None:
    with pytest.raises(NotImplementedError):
        Pattern().matches(frame("x"))


def test_a_class_of_patterns_is_refused_with_one_of_them() -> None:
    with pytest.raises(PachinkoUsageError, match=r"perhaps Accepted\(\)\?"):
        matches([], [Accepted])


def test_a_type_is_printed_by_its_name() -> None:
    assert repr(FromApp(IsInt)) == "FromApp(IsInt)"


def test_what_is_no_pattern_is_refused_with_the_pattern_that_was_meant() -> None:
    with pytest.raises(PachinkoUsageError, match=r"perhaps FromApp\('hi'\)"):
        matches([], ["hi"])


# A sequence of patterns.

LETTERS = st.sampled_from("ab")
EVENTS = st.lists(LETTERS, max_size=6).map(lambda letters: [frame(letter) for letter in letters])
PATTERNS = st.lists(st.one_of(st.just(...), st.just(FromApp()), LETTERS.map(FromApp)), max_size=6)


def least_left_over(events: list[TraceEvent], patterns: list[Any]) -> int:
    """Try everything."""

    @cache
    def best(i: int, j: int) -> int:
        if i == len(patterns) and j == len(events):
            return 0
        costs = []
        if i < len(patterns):
            free = patterns[i] is ...
            costs.append(best(i + 1, j) + (not free))
            if j < len(events) and free:
                costs.append(best(i, j + 1))
            if j < len(events) and not free and patterns[i].matches(events[j]):
                costs.append(best(i + 1, j + 1))
        if j < len(events):
            costs.append(best(i, j + 1) + 1)
        return min(costs)

    return best(0, 0)


@given(EVENTS, PATTERNS)
def test_patterns_match_when_nothing_needs_to_be_left_over(
    events: list[TraceEvent], patterns: list[Any]
) -> None:
    assert matches(events, patterns) == (least_left_over(events, patterns) == 0)


@given(EVENTS, PATTERNS)
def test_an_alignment_leaves_over_as_little_as_possible(
    events: list[TraceEvent], patterns: list[Any]
) -> None:
    pairs = align(events, patterns)

    left_over = sum(pattern is None or event is None for pattern, event in pairs)
    assert left_over == least_left_over(events, patterns)


@given(EVENTS, PATTERNS)
def test_an_alignment_keeps_every_event_and_pattern_in_order(
    events: list[TraceEvent], patterns: list[Any]
) -> None:
    pairs = align(events, patterns)

    assert [e for _, e in pairs if e is not None] == events
    assert [p for p, _ in pairs if p is not None and p is not ...] == [
        p for p in patterns if p is not ...
    ]


@given(EVENTS, PATTERNS)
def test_what_an_alignment_pairs_matches(events: list[TraceEvent], patterns: list[Any]) -> None:
    for pattern, paired in align(events, patterns):
        assert pattern is None or pattern is ... or paired is None or pattern.matches(paired)


def test_a_difference_longer_than_the_window_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(match, "WINDOW", 2)
    events = [frame(letter) for letter in "abcda"]
    patterns = [FromApp(letter) if letter != "." else ... for letter in "axcy.za"]

    pairs = align(events, patterns)

    assert pairs[0] == (patterns[0], events[0])
    assert pairs[-1] == (patterns[-1], events[-1])
    assert [e for _, e in pairs if e is not None] == events
    assert [p for p, _ in pairs if p is not None] == [p for p in patterns if p is not ...]


def test_what_a_pattern_leaves_open_reads_like_that_in_its_signature() -> None:
    assert "payload: 'Any' = ..." in str(inspect.signature(ToApp))


# Any order.


def frames(*texts: str) -> list[TraceEvent]:
    return [
        TraceEvent(number, "from_app", "text", text, "/", 0.0) for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("texts", "patterns", "fits"),
    [
        ("ab", [AnyOrder(FromApp("b"), FromApp("a"))], True),
        ("aa", [AnyOrder(FromApp("b"), FromApp("a"))], False),
        ("abc", [AnyOrder(FromApp("b"), FromApp("a"))], False),
        ("a", [AnyOrder(FromApp("b"), FromApp("a"))], False),
        ("xbay", [FromApp("x"), AnyOrder(FromApp("a"), FromApp("b")), FromApp("y")], True),
        ("xbay", [..., AnyOrder(FromApp("a"), FromApp("b")), ...], True),
        ("ab", [AnyOrder(FromApp(), FromApp("a"))], True),
        ("ba", [AnyOrder(FromApp("a"), FromApp())], True),
        ("a", [AnyOrder(), FromApp("a"), AnyOrder()], True),
        ("", [AnyOrder()], True),
    ],
)
def test_events_may_come_in_any_order(texts: str, patterns: list[Any], *, fits: bool) -> None:
    assert matches(frames(*texts), patterns) is fits


@pytest.mark.parametrize("inner", [..., AnyOrder(), "a"])
def test_in_any_order_there_are_patterns_only(inner: Any) -> None:
    with pytest.raises(PachinkoUsageError):
        AnyOrder(inner)


def test_any_order_is_printed_as_the_code_that_makes_it() -> None:
    assert repr(AnyOrder(FromApp("a"), Closed())) == "AnyOrder(FromApp('a'), Closed())"


def test_in_any_order_what_fits_is_paired_and_the_rest_is_left_over() -> None:
    a, b, c = FromApp("a"), FromApp("b"), FromApp("c")
    events = frames("b", "a", "x")

    assert align(events, [AnyOrder(a, c, b)]) == [
        (b, events[0]),
        (a, events[1]),
        (c, None),
        (None, events[2]),
    ]


# The shortest difference.


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_as_few_as_possible_are_left_over(expected: str, came: str) -> None:
    @cache
    def longest(i: int, j: int) -> int:
        if i == len(expected) or j == len(came):
            return 0
        if expected[i] == came[j]:
            return 1 + longest(i + 1, j + 1)
        return max(longest(i + 1, j), longest(i, j + 1))

    events = frames(*came)
    patterns = [FromApp(each) for each in expected]

    pairs = align(events, patterns)

    assert [pattern for pattern, _ in pairs if pattern is not None] == patterns
    assert [event for _, event in pairs if event is not None] == events
    together = [(p, e) for p, e in pairs if p is not None and e is not None]
    assert all(pattern.matches(event) for pattern, event in together)
    assert len(together) == longest(0, 0)


def test_of_what_differs_throughout_nothing_is_paired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(match, "CHANGES", 3)
    events = frames("a", "b", "c")

    pairs = align(events, [FromApp("x"), FromApp("b"), FromApp("y")])

    assert [event for pattern, event in pairs if pattern is None] == events


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        (Raised(), True),
        (Raised(ValueError), True),
        (Raised("ValueError", message="milk"), True),
        (Raised(KeyError), False),
        (Raised(ValueError, message="tea"), False),
        (FromApp(), False),
    ],
)
def test_an_exception_is_told_by_its_class_and_its_text(pattern: Pattern, *, fits: bool) -> None:
    crash = TraceEvent(0, "from_app", "raised", Crash("ValueError", "milk"), "/", 0.0)

    assert pattern.matches(crash) is fits


def test_a_message_that_cannot_be_compared_matches_nothing() -> None:
    class Touchy(msgspec.Struct, tag="touchy"):
        __hash__ = None

        def __eq__(self, other: object) -> bool:
            raise ValueError("do not compare me")

    assert not FromApp(Touchy()).matches(frames('{"type":"touchy"}')[0])
