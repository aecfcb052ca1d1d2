"""Patterns over the events of a trace. Pure.

A pattern is a value: it compares by what it says, and its repr is the code that makes it.
The payload of a pattern is compared with a frame by what it is:

=================  ===================================================================
payload            matches a frame that
=================  ===================================================================
a Struct           decodes to that type and is equal to it
a type, a union    decodes to it; ``str`` and ``bytes`` match any frame of that kind
``str``, bytes     is that text, or those bytes
dict, list         holds JSON equal to it
anything else      is, decoded, ``==`` to it: dirty-equals, ``mock.ANY``
=================  ===================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from types import UnionType
from typing import Any
from typing import get_origin
from typing import Literal
from typing import TYPE_CHECKING

import msgspec

from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.trace.event import decode
from pytest_pachinko.trace.event import decoder
from pytest_pachinko.trace.event import UNDECODABLE
from pytest_pachinko.trace.values import equal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pachinko.trace.event import TraceEvent

__all__ = [
    "Accepted",
    "AnyOrder",
    "Closed",
    "Denied",
    "FromApp",
    "Pattern",
    "Raised",
    "ToApp",
    "align",
    "as_pattern",
    "check",
    "matches",
]


class _Any:
    """A value that was not given: it matches all."""

    def __repr__(self) -> str:
        return "..."


_ANY: Any = _Any()


@dataclass(frozen=True, slots=True, repr=False)
class Pattern:
    """Base class of the patterns: compared and printed by what they say."""

    def matches(self, event: TraceEvent) -> bool:
        """Return whether an event is what the pattern describes."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the code that makes the pattern."""
        parts = ", ".join(
            f"{field.name}={_code(value)}" if field.kw_only else _code(value)
            for field in fields(self)
            if (value := getattr(self, field.name)) is not _ANY
        )
        return f"{type(self).__name__}({parts})"


def _code(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else repr(value)


@dataclass(frozen=True, slots=True, repr=False)
class ToApp(Pattern):
    """A frame that the test sent.

    Args:
        payload: What it holds; any frame if not given.
    """

    payload: Any = _ANY

    def matches(self, event: TraceEvent) -> bool:
        """Return whether an event is such a frame."""
        return event.direction == "to_app" and _frame_matches(self.payload, event)


@dataclass(frozen=True, slots=True, repr=False)
class FromApp(Pattern):
    """A frame that the application sent.

    Args:
        payload: What it holds; any frame if not given.
    """

    payload: Any = _ANY

    def matches(self, event: TraceEvent) -> bool:
        """Return whether an event is such a frame."""
        return event.direction == "from_app" and _frame_matches(self.payload, event)


@dataclass(frozen=True, slots=True, repr=False)
class Accepted(Pattern):
    """The handshake was accepted.

    Args:
        subprotocol: What was negotiated; None for none.
        headers: Headers of the response, by name; others may be there too.
    """

    subprotocol: str | None = _ANY
    headers: dict[str, Any] = field(default=_ANY, kw_only=True)

    def matches(self, event: TraceEvent) -> bool:
        """Return whether an event is the handshake, accepted so."""
        return (
            event.kind == "accepted"
            and self.subprotocol in (_ANY, event.payload.subprotocol)
            and _headers_match(self.headers, event)
        )


@dataclass(frozen=True, slots=True, repr=False)
class Denied(Pattern):
    """The handshake was refused.

    Args:
        status: The HTTP status that the client saw.
        headers: Headers of the response, by name; others may be there too.
        body: The body of the response, compared like the payload of a frame.
    """

    status: int = _ANY
    headers: dict[str, Any] = field(default=_ANY, kw_only=True)
    body: Any = field(default=_ANY, kw_only=True)

    def matches(self, event: TraceEvent) -> bool:
        """Return whether an event is the handshake, refused so."""
        return (
            event.kind == "denied"
            and self.status in (_ANY, event.payload.status)
            and _headers_match(self.headers, event)
            and (self.body is _ANY or payload_matches(self.body, event.payload.body))
        )


@dataclass(frozen=True, slots=True, repr=False)
class Closed(Pattern):
    """The connection ended.

    Args:
        code: The close code.
        reason: The reason.
        by: ``"app"`` or ``"peer"``, the side that closed.
    """

    code: int = _ANY
    reason: str = field(default=_ANY, kw_only=True)
    by: Literal["app", "peer"] = field(default=_ANY, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse a side that does not exist."""
        if self.by not in (_ANY, "app", "peer"):
            raise PachinkoUsageError(f'Closed(by={self.by!r}): it is "app" or "peer" that closes.')

    def matches(self, event: TraceEvent) -> bool:
        """Return whether an event is the end, and such an end."""
        by = "app" if event.direction == "from_app" else "peer"
        return (
            event.kind == "closed"
            and self.code in (_ANY, event.payload.code)
            and self.reason in (_ANY, event.payload.reason)
            and self.by in (_ANY, by)
        )


@dataclass(frozen=True, slots=True, repr=False)
class Raised(Pattern):
    """The application raised an exception.

    Args:
        error: Its class, or a name of one; any exception if not given.
        message: Its text.
    """

    error: Any = _ANY
    message: str = field(default=_ANY, kw_only=True)

    def matches(self, event: TraceEvent) -> bool:
        """Return whether an event is such an exception."""
        name = self.error.__name__ if isinstance(self.error, type) else self.error
        return (
            event.kind == "raised"
            and (name is _ANY or name == event.payload.error)
            and (self.message is _ANY or bool(self.message == event.payload.message))
        )


@dataclass(frozen=True, slots=True, repr=False)
class _Frame(Pattern):
    """A frame, whoever sent it."""

    payload: Any

    def matches(self, event: TraceEvent) -> bool:
        return _frame_matches(self.payload, event)

    def __repr__(self) -> str:
        return repr(self.payload)


class AnyOrder:
    """As many events as there are patterns, in any order, as an element of a list.

    Args:
        *patterns: The patterns; ``...`` is none of them.

    Raises:
        PachinkoUsageError: One is no pattern.

    Example::

        assert trace == [Accepted(), AnyOrder(FromApp(Joined("ann")), FromApp(Said("hi"))), ...]
    """

    __slots__ = ("patterns",)

    def __init__(self, *patterns: Any) -> None:
        if any(pattern is ... or isinstance(pattern, AnyOrder) for pattern in patterns):
            raise PachinkoUsageError("AnyOrder(...) takes patterns, and no `...` or AnyOrder.")
        check(patterns)
        self.patterns = patterns

    def __repr__(self) -> str:
        """Return the code that makes it."""
        return f"AnyOrder({', '.join(map(repr, self.patterns))})"

    def matches(self, events: Sequence[TraceEvent]) -> bool:
        """Return whether the events are these, each pattern taking one."""
        return len(events) == len(self.patterns) and None not in self._assign(events)

    def _assign(self, events: Sequence[TraceEvent]) -> list[int | None]:
        """Return which pattern takes each event, as many as possible (Kuhn's algorithm)."""
        taken: dict[int, int] = {}  # pattern -> event

        def place(number: int, seen: set[int]) -> bool:
            for at, pattern in enumerate(self.patterns):
                if at not in seen and pattern.matches(events[number]):
                    seen.add(at)
                    if at not in taken or place(taken[at], seen):
                        taken[at] = number
                        return True
            return False

        for number in range(len(events)):
            place(number, set())
        by_event = {event: pattern for pattern, event in taken.items()}
        return [by_event.get(number) for number in range(len(events))]


def as_pattern(given: Any) -> Pattern:
    """Return a pattern as it is, and anything else as a frame that holds it."""
    return given if isinstance(given, Pattern) else _Frame(given)


def _frame_matches(expected: Any, event: TraceEvent) -> bool:
    if event.kind not in ("text", "bytes"):
        return False
    return expected is _ANY or payload_matches(expected, event.payload)


def _headers_match(expected: Any, event: TraceEvent) -> bool:
    if expected is _ANY:
        return True
    return all(event.payload.headers.get(name) == value for name, value in expected.items())


def payload_matches(expected: Any, raw: str | bytes) -> bool:
    """Return whether a frame holds what a pattern says."""
    if isinstance(expected, msgspec.Struct):
        try:
            return equal(expected, decoder(type(expected)).decode(raw))
        except UNDECODABLE:
            return False
    if isinstance(expected, str | bytes):
        return type(expected) is type(raw) and expected == raw
    if expected is str or expected is bytes:
        return isinstance(raw, expected)
    # Before it is taken for a type: a class of dirty-equals compares equal without an instance.
    return equal(expected, decode(raw)) or (is_type(expected) and _decodes_to(expected, raw))


def is_type(expected: Any) -> bool:
    """Return whether the payload of a pattern is a type, a union or a generic type."""
    return isinstance(expected, type | UnionType) or get_origin(expected) is not None


def _decodes_to(expected: Any, raw: str | bytes) -> bool:
    try:
        msgspec.json.decode(raw, type=expected)
    except (*UNDECODABLE, TypeError):  # TypeError: msgspec does not know such a type
        return False
    return True


def matches(events: Sequence[TraceEvent], patterns: Sequence[Any]) -> bool:
    """Return whether patterns describe all events, in order."""
    # The patterns that may come next at each event, as in a nondeterministic automaton.
    check(patterns)
    total = len(events)
    live: dict[int, set[int]] = {0: _skip([0], patterns)}
    for number in range(total):
        following: list[int] = []
        for at in live.pop(number, ()):
            if at == len(patterns):
                continue
            pattern = patterns[at]
            if pattern is ...:
                following.append(at)
            elif isinstance(pattern, AnyOrder):
                end = number + len(pattern.patterns)
                if pattern.matches(events[number:end]):
                    live.setdefault(end, set()).update(_skip([at + 1], patterns))
            elif pattern.matches(events[number]):
                following.append(at + 1)
        if following:
            live.setdefault(number + 1, set()).update(_skip(following, patterns))
        if not live:
            return False
    return len(patterns) in live.get(total, ())


def _skip(live: list[int], patterns: Sequence[Any]) -> set[int]:
    """Return the places together with those behind ``...``, which matches nothing too."""
    reached = set()
    for place in live:
        at = place
        reached.add(at)
        while at < len(patterns) and (patterns[at] is ... or _is_empty(patterns[at])):
            at += 1
            reached.add(at)
    return reached


def _is_empty(pattern: Any) -> bool:
    return isinstance(pattern, AnyOrder) and not pattern.patterns


def check(patterns: Sequence[Any]) -> None:
    """Refuse what cannot be a pattern.

    Raises:
        PachinkoUsageError: An element is neither a pattern nor ``...``.
    """
    for pattern in patterns:
        if pattern is not ... and not isinstance(pattern, Pattern | AnyOrder):
            raise PachinkoUsageError(
                f"{pattern!r} is no pattern of a trace.\n"
                "Hint: ToApp(...), FromApp(...), Accepted(), Denied(...), Closed(...), Raised(...), "
                "AnyOrder(...) or `...`; "
                f"perhaps {_meant(pattern)}?"
            )


def _meant(given: Any) -> str:
    if isinstance(given, type) and issubclass(given, Pattern):
        return f"{given.__name__}()"
    return repr(FromApp(given))


WINDOW = 300
"""How many patterns and events are aligned if there are any ``...``: it takes time by their
product."""

CHANGES = 500
"""How many differences are searched for: it takes memory by their square."""


def align(
    events: Sequence[TraceEvent], patterns: Sequence[Any]
) -> list[tuple[Any | None, TraceEvent | None]]:
    """Pair patterns with events, in order, so that few are left over.

    What agrees at both ends is paired without a search. In between, as few as possible are
    left over (the algorithm of Myers, 1986): time grows with the length and with
    the number of differences. With any ``...`` in between, no more than ``WINDOW`` patterns and
    events are searched.

    Args:
        events: The events.
        patterns: The patterns; each ``AnyOrder`` is taken in the order that fits best.

    Returns:
        Pairs in order. A pattern beside None was not met; an event beside None was not
        expected; an event beside ``...`` was allowed.
    """
    patterns = _in_order(events, patterns)
    first = 0
    while _agree(events, patterns, first, first):
        first += 1
    end, stop = len(patterns), len(events)
    while end > first and stop > first and _agree(events, patterns, stop - 1, end - 1):
        end, stop = end - 1, stop - 1
    inner, left = patterns[first:end], events[first:stop]
    middle = _search(left, inner) if ... in map(_mark, inner) else _shortest(left, inner)
    return [
        *zip(patterns[:first], events[:first], strict=True),
        *middle,
        *zip(patterns[end:], events[stop:], strict=True),
    ]


def _mark(pattern: Any) -> Any:
    # Not compared by ==: a pattern may hold anything.
    return ... if pattern is ... else None


def _in_order(events: Sequence[TraceEvent], patterns: Sequence[Any]) -> list[Any]:
    """Return patterns with each ``AnyOrder`` replaced by its own, in the order of the events."""
    ordered: list[Any] = []
    for pattern in patterns:
        if not isinstance(pattern, AnyOrder):
            ordered.append(pattern)
            continue
        places = {
            taken: number
            for number, taken in enumerate(pattern._assign(events))
            if taken is not None
        }
        order = sorted(range(len(pattern.patterns)), key=lambda n: places.get(n, len(events)))
        ordered += [pattern.patterns[n] for n in order]
    return ordered


def _agree(events: Sequence[TraceEvent], patterns: Sequence[Any], at: int, number: int) -> bool:
    if at >= len(events) or number >= len(patterns) or patterns[number] is ...:
        return False
    return bool(patterns[number].matches(events[at]))


def _shortest(
    events: Sequence[TraceEvent], patterns: Sequence[Any]
) -> list[tuple[Any | None, TraceEvent | None]]:
    """Align without any ``...``: the fewest left over, patterns before events in each run."""
    rows, columns = len(patterns), len(events)
    # How far each diagonal gets with so many left over; on diagonal k, row - column is k.
    reach = {1: 0}
    history: list[dict[int, int]] = []
    for changes in range(min(rows + columns, CHANGES) + 1):
        history.append(dict(reach))
        for k in range(-changes, changes + 1, 2):
            down = k == -changes or (k != changes and reach[k - 1] < reach[k + 1])
            i = reach[k + 1] if down else reach[k - 1] + 1
            j = i - k
            while i < rows and j < columns and patterns[i].matches(events[j]):
                i, j = i + 1, j + 1
            reach[k] = i
            if i >= rows and j >= columns:
                return _trail(history, patterns, events)
    # Too many to be worth a search: nothing agrees.
    return [*((pattern, None) for pattern in patterns), *((None, event) for event in events)]


def _trail(
    history: list[dict[int, int]], patterns: Sequence[Any], events: Sequence[TraceEvent]
) -> list[tuple[Any | None, TraceEvent | None]]:
    """Return the pairs of the way that was found, walking it backwards."""
    i, j = len(patterns), len(events)
    pairs: list[tuple[Any | None, TraceEvent | None]] = []
    for changes in range(len(history) - 1, -1, -1):
        reach = history[changes]
        k = i - j
        down = k == -changes or (k != changes and reach[k - 1] < reach[k + 1])
        before = k + 1 if down else k - 1
        start = reach[before] if changes else 0
        stop = start - before if changes else 0
        here = (start if down else start + 1) if changes else 0
        while i > here:
            i, j = i - 1, j - 1
            pairs.append((patterns[i], events[j]))
        if changes:
            pairs.append((None, events[stop]) if down else (patterns[start], None))
            i, j = start, stop
    return pairs[::-1]


def _search(
    events: Sequence[TraceEvent], patterns: Sequence[Any]
) -> list[tuple[Any | None, TraceEvent | None]]:
    """Align with ``...``, which takes any number of events; what is beyond the window is left."""
    beyond = [(pattern, None) for pattern in patterns[WINDOW:] if pattern is not ...]
    rest = [(None, event) for event in events[WINDOW:]]
    return [*_window(events[:WINDOW], patterns[:WINDOW]), *beyond, *rest]


def _window(
    events: Sequence[TraceEvent], patterns: Sequence[Any]
) -> list[tuple[Any | None, TraceEvent | None]]:
    rows, columns = len(patterns), len(events)
    hit = [[p is not ... and bool(p.matches(event)) for event in events] for p in patterns]
    cost = _costs(patterns, columns, hit)
    pairs: list[tuple[Any | None, TraceEvent | None]] = []
    i = j = 0
    while i < rows or j < columns:
        if i == rows:
            step = "event"
        elif patterns[i] is ...:
            step = "skip" if cost[i][j] == cost[i + 1][j] else "allow"
        elif j < columns and hit[i][j] and cost[i][j] == cost[i + 1][j + 1]:
            step = "match"
        else:
            step = "pattern" if cost[i][j] == cost[i + 1][j] + 1 else "event"
        if step != "skip":
            pairs.append(
                (
                    None if step == "event" else patterns[i],
                    None if step == "pattern" else events[j],
                )
            )
        i += step in ("skip", "match", "pattern")
        j += step in ("allow", "match", "event")
    return pairs


def _costs(patterns: Sequence[Any], columns: int, hit: list[list[bool]]) -> list[list[int]]:
    """Return how many patterns from i and events from j are left over at best, as [i][j]."""
    rows = len(patterns)
    cost = [[columns - j for j in range(columns + 1)] for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        free = patterns[i] is ...
        for j in range(columns, -1, -1):
            best = cost[i + 1][j] + (not free)
            if j < columns:
                best = min(best, cost[i][j + 1] + (not free))
                if hit[i][j]:
                    best = min(best, cost[i + 1][j + 1])
            cost[i][j] = best
    return cost
