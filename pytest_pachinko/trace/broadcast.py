"""Whom a message has reached, of several connections. Pure."""

from __future__ import annotations

from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

from pytest_pachinko.trace.explain import describe
from pytest_pachinko.trace.explain import near_misses
from pytest_pachinko.trace.explain import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pachinko.trace.event import TraceEvent
    from pytest_pachinko.trace.match import Pattern

__all__ = ["Lane", "Verdict", "judge", "report"]

_LANES = 20  # connections that a report describes
_EVENTS = 5  # unread events of each
_NAMES = 8  # connections that it only names


class Lane(NamedTuple):
    """A connection, as far as its peer has not looked at it.

    Attributes:
        name: Its name.
        unread: Its frames that nobody has received yet, and its end.
        wanted: Whether the message is to be among them.
        end: How it has ended, in words; empty if it has not.
    """

    name: str
    unread: Sequence[TraceEvent]
    wanted: bool
    end: str = ""


class Verdict(NamedTuple):
    """What became of a message on a connection.

    Attributes:
        lane: The connection.
        found: What of it is the message.
        right: Whether it should be so.
        says: That, in words.
    """

    lane: Lane
    found: Sequence[TraceEvent]
    right: bool
    says: str


def judge(lane: Lane, patterns: Sequence[Pattern]) -> Verdict:
    """Say whether a connection has got what it should: each pattern once, in their order.

    Args:
        lane: The connection.
        patterns: What the message is; any frame if there are none.
    """
    found = [event for event in lane.unread if _is_part(event, patterns)]
    it = "them" if len(patterns) > 1 else "it"
    if not lane.wanted:
        says = f"got {it}, and should not have" if found else f"did not get {it}, as expected"
        return Verdict(lane, found, not found, says)
    if not found:
        return Verdict(lane, found, False, f"did not get {it}")  # noqa: FBT003
    if len(found) != len(patterns):
        count = f"{len(found)} of {len(patterns)}" if it == "them" else f"it {len(found)} times"
        return Verdict(lane, found, False, f"got {count}")  # noqa: FBT003
    right = all(p.matches(event) for p, event in zip(patterns, found, strict=True))
    return Verdict(lane, found, right, f"got {it}" if right else f"got {it} in another order")


def _is_part(event: TraceEvent, patterns: Sequence[Pattern]) -> bool:
    if not patterns:
        return event.kind != "closed"
    return any(pattern.matches(event) for pattern in patterns)


def report(verdicts: Sequence[Verdict], given: Sequence[Any], patterns: Sequence[Any]) -> list[str]:
    """Say whom a message has reached, whom not, and what they have got besides.

    Args:
        verdicts: Of all connections.
        given: What the message is, as it was written.
        patterns: The same, as patterns.
    """
    wrong = [verdict for verdict in verdicts if not verdict.right]
    right = [verdict for verdict in verdicts if verdict.right]
    width = max(len(verdict.lane.name) for verdict in wrong[:_LANES])
    lines = [_title([verdict.lane for verdict in verdicts], given)]
    for verdict in wrong[:_LANES]:
        lines += _described(verdict, patterns, width)
    if len(wrong) > _LANES:
        lines.append(f"  … and {len(wrong) - _LANES} more that are wrong")
    for says in dict.fromkeys(verdict.says for verdict in right):
        lines.append(f"  {says}: {_names([v.lane for v in right if v.says == says])}")
    return lines


def _title(lanes: Sequence[Lane], given: Sequence[Any]) -> str:
    what = ", ".join(shorten(each, 60) for each in given)
    wanted = [lane for lane in lanes if lane.wanted]
    if wanted:
        return f"{what}: it did not reach exactly {_names(wanted)}."
    return f"{what}: it reached somebody." if given else "Something was sent, and is unread."


def _described(verdict: Verdict, patterns: Sequence[Any], width: int) -> list[str]:
    lane = verdict.lane
    missing = lane.wanted and not verdict.found
    shown = verdict.found or lane.unread
    end = f"; {lane.end}" if lane.end else ""
    unread = "" if verdict.found else "; nothing is unread"
    if missing and lane.unread:
        unread = "; unread:"
    lines = [f"  {lane.name:{width}}  {verdict.says}{end}{unread}"]
    lines += [f"  {'':{width}}  [{event.index}] {describe(event)}" for event in shown[:_EVENTS]]
    if len(shown) > _EVENTS:
        lines.append(f"  {'':{width}}  … and {len(shown) - _EVENTS} more")
    if missing:
        for pattern in patterns:
            lines += [f"  {'':{width}}{line}" for line in near_misses(pattern, list(lane.unread))]
    return lines


def _names(lanes: Sequence[Lane]) -> str:
    names = [lane.name for lane in lanes]
    if len(names) > _NAMES:
        return f"{', '.join(names[:_NAMES])} and {len(names) - _NAMES} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
