"""Traces and their differences as lines of text. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from typing import TYPE_CHECKING

import msgspec

from pytest_pachinko.trace.event import decoder
from pytest_pachinko.trace.event import TraceEvent
from pytest_pachinko.trace.event import UNDECODABLE
from pytest_pachinko.trace.match import Accepted
from pytest_pachinko.trace.match import align
from pytest_pachinko.trace.match import check
from pytest_pachinko.trace.match import Closed
from pytest_pachinko.trace.match import Denied
from pytest_pachinko.trace.match import FromApp
from pytest_pachinko.trace.match import Pattern
from pytest_pachinko.trace.match import Raised
from pytest_pachinko.trace.match import ToApp
from pytest_pachinko.trace.record import comparable
from pytest_pachinko.trace.record import Trace
from pytest_pachinko.trace.redact import redacted
from pytest_pachinko.trace.values import differences
from pytest_pachinko.trace.values import Partial
from pytest_pachinko.trace.values import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pachinko.headers import Headers

    Pair = tuple[Any | None, TraceEvent | None]

__all__ = [
    "ARROWS",
    "compare",
    "conversation",
    "describe",
    "difference",
    "last_events",
    "near_misses",
    "shorten",
    "trace_lines",
    "unequal",
]

WIDTH = 160
"""How much of a payload a line shows."""

CONTEXT = 3
"""How many lines that agree are shown around a difference."""

MOST = 200
"""How many lines a comparison has."""

ARROWS = {"to_app": "→", "from_app": "←"}

FIELDS = 8
"""How many fields of a message are shown that differ."""


def shorten(value: Any, width: int = WIDTH) -> str:
    """Return a value in one line of bounded length."""
    text = value if isinstance(value, str) else repr(value)
    rest = f"… ({len(text)} characters)" if len(text) > width else ""
    # A frame must not break the line, nor speak to the terminal.
    return "".join(map(_visible, text[:width])) + rest


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def describe(event: TraceEvent) -> str:
    """Return an event in one line, without its index."""
    arrow = ARROWS[event.direction]
    payload = _shown(event)
    match event.kind:
        case "accepted":
            chosen = f" subprotocol {payload.subprotocol}" if payload.subprotocol else ""
            return f"{arrow} accepted{chosen}"
        case "denied":
            code = f" (close code {payload.close_code})" if payload.close_code else ""
            return f"{arrow} denied {payload.status}{code}"
        case "raised":
            return f"! raised {payload.error}: {shorten(payload.message)}"
        case "closed":
            by = "peer" if event.direction == "to_app" else "app"
            reason = f" {payload.reason!r}" if payload.reason else ""
            return f"{arrow} closed by {by} {payload.code}{reason}"
        case _:
            return f"{arrow} {event.kind} {shorten(payload)}"


def _shown(event: TraceEvent) -> Any:
    """Return the payload of an event, without the secrets of a handshake."""
    return event.payload if event.kind in ("text", "bytes") else redacted(event).payload


def trace_lines(events: Sequence[TraceEvent], limit: int | None = None) -> list[str]:
    """Return events as lines, the last ones if there are more than the limit."""
    cut = 0 if limit is None else max(0, len(events) - limit)
    lines = [f"  … {cut} earlier events"] if cut else []
    return lines + [f"  [{event.index}] {describe(event)}" for event in events[cut:]]


def last_events(trace: Trace, limit: int = 8) -> str:
    """Return the end of a trace as a paragraph of an error message."""
    if not len(trace):
        return "Nothing has crossed the wire yet."
    return "\n".join(["Last events:", *trace_lines(trace, limit)])


def conversation(trace: Trace, limit: int | None = None, wrong: Any = None) -> list[str]:
    """Return the events of several connections as lines, with a lane for each.

    Args:
        trace: The merged trace.
        limit: How many lines at most, the last ones.
        wrong: The connection and the index of an event to point at.
    """
    names = dict.fromkeys(event.connection for event in trace)
    width = max(map(len, names), default=0)
    places: Counter[str] = Counter()
    lines = []
    for event in trace:
        name = event.connection
        mark = "> " if wrong == (name, places[name]) else "  "
        lane = f"{name:{width}} " if len(names) > 1 else ""
        lines.append(f"{mark}{lane}[{places[name]}] {describe(event)}")
        places[name] += 1
    cut = 0 if limit is None else max(0, len(lines) - limit)
    return [*([f"  … {cut} earlier events"] if cut else []), *lines[cut:]]


def difference(trace: Trace, patterns: Sequence[Any]) -> list[str]:
    """Say how a trace differs from the patterns, or the trace, that it was compared with.

    The first lines give the verdict: where, what was expected, what came. Below is the whole
    comparison, without the long runs that agree.
    """
    return compare(trace, patterns)[0]


def compare(trace: Trace, patterns: Sequence[Any]) -> tuple[list[str], int | None]:
    """Say how a trace differs, and where: the index of the first event that is wrong."""
    if isinstance(patterns, Trace):
        patterns = [_Same(event) for event in patterns]
        events = list(trace)
    else:
        check(patterns)
        events = comparable(trace, patterns)
    pairs = align(events, patterns)
    wrong = [at for at, (pattern, event) in enumerate(pairs) if pattern is None or event is None]
    if not wrong:
        return [f"{trace!r} matches"], None
    event = next((event for _, event in pairs[wrong[0] :] if event is not None), None)
    lines = [*_verdict(trace, pairs, wrong[0]), "", *_comparison(pairs, wrong)]
    return lines, None if event is None else event.index


def unequal(left: Any, right: Any) -> list[str]:
    """Say in which fields two messages differ."""
    lines = [
        f"{path}: {shorten(repr(a), 60)} != {shorten(repr(b), 60)}"
        for path, a, b in differences(plain(left), plain(right))
    ]
    return [f"{type(left).__name__} == {type(right).__name__}", *lines[:MOST]]


@dataclass(frozen=True, slots=True, repr=False)
class _Same(Pattern):
    """An event of another trace."""

    event: TraceEvent

    def matches(self, event: TraceEvent) -> bool:
        mine = self.event
        return (event.direction, event.kind, event.payload) == (
            mine.direction,
            mine.kind,
            mine.payload,
        )

    def __repr__(self) -> str:
        return _as_pattern(self.event)


def _verdict(trace: Trace, pairs: list[Pair], at: int) -> list[str]:
    """Return the first pattern and the first event that have no partner."""
    run = list(takewhile(lambda pair: pair[0] is None or pair[1] is None, pairs[at:]))
    pattern = next((p for p, _ in run if p is not None), None)
    event = next((e for _, e in run if e is not None), None)
    there = event or next((e for _, e in pairs[at:] if e is not None), None)
    if there is None:
        place, got = "its end", "nothing more"
    else:
        place, got = f"event [{there.index}]", _as_pattern(there)
    expected = "nothing more" if event is pairs[-1][1] else "nothing here"
    if pattern is not None:
        expected = shorten(pattern)
    if expected == got and isinstance(pattern, _Same) and event is not None:
        # What makes the difference is no part of the usual pattern.
        expected, got = _in_full(pattern.event), _in_full(event)
    lines = [
        f"{trace.connection}: the trace differs at {place}",
        f"  expected  {expected}",
        f"  got       {got}",
    ]
    if pattern is not None and event is not None:
        lines += [f"  {line}" for line in _fields(pattern, event)]
    elif pattern is not None:
        lines += near_misses(pattern, [e for _, e in pairs if e is not None])
    return lines


def near_misses(pattern: Any, events: list[TraceEvent]) -> list[str]:
    """Name an event elsewhere that is what a pattern describes, or a message of its type."""
    for event in events:
        if pattern.matches(event):
            return [
                f"  near miss: event [{event.index}] is such a one, but it stands in another place"
            ]
    payload = getattr(pattern, "payload", None)
    if isinstance(payload, msgspec.Struct):
        alike = type(pattern)(type(payload))
        for event in events:
            if alike.matches(event):
                fields = [f"  {line}" for line in _fields(pattern, event)]
                return [f"  near miss: event [{event.index}]", *fields]
    return []


def _comparison(pairs: list[Pair], wrong: list[int]) -> list[str]:
    """Return all pairs as lines, with what agrees cut down to some lines around the rest."""
    shown = {near for at in wrong for near in range(at - CONTEXT, at + CONTEXT + 1)}
    moves = _moves([pairs[at] for at in wrong])
    names = {event.connection for _, event in pairs if event is not None}
    width = max(map(len, names)) + 1 if len(names) > 1 else 0
    lines: list[str] = []
    left_out = 0
    for at in range(len(pairs)):
        if at not in shown:
            left_out += 1
            continue
        if left_out:
            lines.append(f"  … {left_out} more that agree")
            left_out = 0
        if len(lines) > MOST:
            rest = sum(other >= at for other in wrong)
            return [*lines, f"  … and {rest} more that differ"]
        lines += _pair_lines(pairs, at, wrong[0], moves, width)
    if left_out:
        lines.append(f"  … {left_out} more that agree")
    return lines


def _moves(wrong: list[Pair]) -> dict[int, str]:
    """Return what to say of patterns and events that only stand in the wrong place, by id."""
    notes: dict[int, str] = {}
    events = [event for _, event in wrong[:MOST] if event is not None]
    for pattern in (pattern for pattern, _ in wrong[:MOST] if pattern is not None):
        for event in events:
            if id(event) not in notes and pattern.matches(event):
                notes[id(pattern)] = f"   (came as event [{event.index}])"
                notes[id(event)] = "   (expected elsewhere)"
                break
    return notes


def _pair_lines(
    pairs: list[Pair], at: int, first: int, moves: dict[int, str], width: int
) -> list[str]:
    """Return a pair as lines; what the verdict says of the first one is not repeated."""
    pattern, event = pairs[at]
    if event is None:
        return [f"- expected  {shorten(pattern)}{moves.get(id(pattern), '')}"]
    lane = f"{event.connection:{width}}" if width else ""
    line = f"{lane}[{event.index}] {describe(event)}"
    if pattern is not None:
        return [f"  {line}"]
    lines = [f"+ {line}{moves.get(id(event), '')}"]
    before = pairs[at - 1][0] if at and pairs[at - 1][1] is None else None
    if before is not None and id(event) not in moves and at != first + 1:
        # What stands in the place of what was expected: a change, if it is of that kind.
        lines += [f"      {each}" for each in _fields(before, event)]
    return lines


def _fields(pattern: Any, event: TraceEvent) -> list[str]:
    """Say which fields differ if both are messages of one type."""
    if event.kind not in ("text", "bytes"):
        return []
    expected = (
        pattern.event.decoded if isinstance(pattern, _Same) else getattr(pattern, "payload", None)
    )
    if isinstance(expected, msgspec.Struct):
        try:
            message = decoder(type(expected)).decode(event.payload)
        except UNDECODABLE as error:
            return [f"it is no {type(expected).__name__}: {error}"]
        try:
            bool(expected == message)
        except Exception as error:  # noqa: BLE001 - an __eq__ of the user's may raise anything
            return [f"comparing them raises {type(error).__name__}: {error}"]
        got: Any = plain(message)
        expected = plain(expected)
    else:
        got = event.decoded
        alike = isinstance(expected, dict | list) and type(expected) is type(got)
        if not (alike or (isinstance(expected, Partial) and isinstance(got, dict))):
            return []
    lines = [
        f"{path}: expected {shorten(repr(a), 60)}, got {shorten(repr(b), 60)}"
        for path, a, b in differences(expected, got)
    ]
    return lines[:FIELDS]


def _as_pattern(event: TraceEvent) -> str:
    payload = event.payload
    by: Any = "peer" if event.direction == "to_app" else "app"
    match event.kind:
        case "accepted":
            return repr(Accepted(payload.subprotocol))
        case "denied":
            return repr(Denied(payload.status))
        case "closed":
            return repr(Closed(payload.code, reason=payload.reason, by=by))
        case "raised":
            return shorten(Raised(payload.error, message=payload.message))
        case _:
            frame = ToApp if event.direction == "to_app" else FromApp
            return shorten(frame(event.decoded))


def _in_full(event: TraceEvent) -> str:
    """Return an event with all that is compared between two traces."""
    payload = _shown(event)
    match event.kind:
        case "accepted":
            return shorten(Accepted(payload.subprotocol, headers=_pairs(payload.headers)))
        case "denied":
            headers = _pairs(payload.headers)
            return shorten(Denied(payload.status, headers=headers, body=payload.body))
        case _:
            return shorten(FromApp(payload) if event.direction == "from_app" else ToApp(payload))


def _pairs(headers: Headers) -> Any:
    """Return headers as a dict of lists, if that is needed to show them all."""
    return {
        name: headers[name] if len(headers.get_all(name)) == 1 else headers.get_all(name)
        for name in headers
    }
