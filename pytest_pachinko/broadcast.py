"""Expecting that a message reaches some connections and no others."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.clock.report import hint
from pytest_pachinko.clock.report import situation
from pytest_pachinko.errors import BroadcastFailed
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.errors import Stalled
from pytest_pachinko.quiet import settle
from pytest_pachinko.session import Session
from pytest_pachinko.trace.broadcast import judge
from pytest_pachinko.trace.broadcast import Lane
from pytest_pachinko.trace.broadcast import report
from pytest_pachinko.trace.match import AnyOrder
from pytest_pachinko.trace.match import Closed
from pytest_pachinko.trace.match import FromApp
from pytest_pachinko.trace.match import Pattern

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence

    from pytest_pachinko.trace.broadcast import Verdict
    from pytest_pachinko.trace.event import TraceEvent

__all__ = ["Receivers", "expect_broadcast", "expect_no_broadcast"]

__tracebackhide__ = True  # a failure is shown in the test, not in here


class Receivers:
    """Base class of what has several sessions: what all of them get, or none."""

    @abstractmethod
    def _sessions(self) -> list[Session]:
        """Return the sessions that are open and accepted, the oldest first."""

    async def expect_broadcast(
        self, *matchers: Any, to: Iterable[Any], within: float | None = None
    ) -> None:
        """Make sure that a message has reached these sessions, each once, and no other.

        It is looked for among the frames of each open session that are unread. There it is
        received; what else is unread stays so.

        Args:
            *matchers: The message; anything that is no pattern stands for ``FromApp(...)`` of it.
                Several are to come in this order. ``Closed(...)`` matches the end of a connection.
            to: Who is to have got it: sessions of this, or their names.
            within: Seconds in which it is to arrive. Without it, no time passes: who would get
                it later has not got it. Where time is real it is waited for as ``receive`` does.

        Raises:
            BroadcastFailed: Somebody has not got it, or more than once, or should not have.
            PachinkoUsageError: No session is open, or one of ``to`` is not.

        Example::

            await websocket_connect.expect_broadcast(Said(text="hi"), to=[ann, bob])
        """
        await expect_broadcast(self._sessions(), matchers, to, within)

    async def expect_no_broadcast(self, *matchers: Any, within: float | None = None) -> None:
        """Make sure that no open session has an unread frame, or none that is this message.

        Args:
            *matchers: The message; anything that is no pattern stands for ``FromApp(...)`` of it.
                Without one, any frame.
            within: Seconds to wait. Without it, until nothing can run without time passing, as
                for ``Session.expect_silence``.

        Raises:
            BroadcastFailed: Somebody has got it.
            PachinkoUsageError: No session is open.
        """
        await expect_no_broadcast(self._sessions(), matchers, within)


async def expect_broadcast(
    sessions: Sequence[Session], matchers: Sequence[Any], to: Iterable[Any], within: float | None
) -> None:
    """Make sure that a message has reached some sessions, and no others; see ``Receivers``."""
    if not matchers:
        raise PachinkoUsageError(
            "expect_broadcast() needs a message.\n"
            'Hint: expect_broadcast(Said(text="hi"), to=[ann, bob])'
        )
    patterns = _patterns(matchers, "expect_broadcast")
    _check_open(sessions, "expect_broadcast")
    wanted = _chosen(sessions, to)
    await settle()
    loop = asyncio.get_running_loop()
    deadline = None if within is None else loop.time() + within
    for session in wanted:
        await _wait_for(session, patterns, deadline)
    await _come_to_rest(sessions)
    verdicts = _judged(sessions, wanted, matchers, patterns, within)
    for session, verdict in zip(sessions, verdicts, strict=True):
        _receive(session, verdict.found)


async def expect_no_broadcast(
    sessions: Sequence[Session], matchers: Sequence[Any], within: float | None
) -> None:
    """Make sure that a message has reached no session; see ``Receivers``."""
    patterns = _patterns(matchers, "expect_no_broadcast")
    _check_open(sessions, "expect_no_broadcast")
    await settle()
    if within is not None:
        await asyncio.sleep(within)
    await _come_to_rest(sessions)
    _judged(sessions, [], matchers, patterns, within)


def _patterns(matchers: Sequence[Any], verb: str) -> list[Pattern]:
    patterns = [each if isinstance(each, Pattern) else FromApp(each) for each in matchers]
    for given, pattern in zip(matchers, patterns, strict=True):
        if given is ... or isinstance(given, AnyOrder) or not isinstance(pattern, FromApp | Closed):
            raise PachinkoUsageError(
                f"{verb}({given!r}): it takes what the application sends.\n"
                "Hint: a message, FromApp(...) or Closed(...)"
            )
    return patterns


def _check_open(sessions: Sequence[Session], verb: str) -> None:
    if not sessions:
        raise PachinkoUsageError(
            f"{verb}(): no session is open here, so nobody could get anything.\n"
            "Hint: call it inside of the blocks of the sessions, on what has opened them."
        )


def _chosen(sessions: Sequence[Session], to: Iterable[Any]) -> list[Session]:
    if isinstance(to, str | Session):
        raise PachinkoUsageError(f"expect_broadcast(to={to!r}): it takes a list.\nHint: to=[...]")
    chosen = []
    for each in to:
        session = getattr(each, "session", each)  # of a harness
        found = [s for s in sessions if s is session or s.trace.connection == each]
        if not found:
            names = ", ".join(s.trace.connection for s in sessions)
            raise PachinkoUsageError(
                f"expect_broadcast(to=...): {each!r} is none of the open sessions: {names}.\n"
                "Hint: call it on what has opened them, inside of their blocks."
            )
        chosen += found
    return chosen


async def _wait_for(session: Session, patterns: list[Pattern], deadline: float | None) -> None:
    """Wait for a message, as long as somebody could still send it."""
    loop = asyncio.get_running_loop()
    while session._wire.closed is None:
        if len(judge(_lane(session, wanted=True), patterns).found) >= len(patterns):
            return
        clock = session._clock
        left = None if deadline is None else deadline - loop.time()
        if left is None and clock is not None and clock.now is not None:
            return  # nothing comes without time passing
        if left is not None and left <= 0:
            return
        try:
            await session._wait(session._wire.watch(), "expect_broadcast()", "", left)
        except Stalled:
            return
        session._surface()


async def _come_to_rest(sessions: Sequence[Session]) -> None:
    """Let everything arrive that is under way, also for those who are to get nothing."""
    await settle()
    listen = max((session._listens or 0.0 for session in sessions), default=0.0)
    if listen:
        await asyncio.sleep(listen)
    for session in sessions:
        session._surface()


def _judged(
    sessions: Sequence[Session],
    wanted: list[Session],
    matchers: Sequence[Any],
    patterns: list[Pattern],
    within: float | None,
) -> list[Verdict]:
    lanes = [_lane(session, wanted=session in wanted) for session in sessions]
    verdicts = [judge(lane, patterns) for lane in lanes]
    wrong = [verdict for verdict in verdicts if not verdict.right]
    if not wrong:
        return verdicts
    lines = report(verdicts, matchers, patterns)
    missing = [each.lane.name for each in wrong if each.lane.wanted]
    if any(each.lane.wanted and len(each.found) < len(patterns) for each in wrong):
        lines += _why_missing(sessions, within)
    raise BroadcastFailed(
        "\n".join(lines), missing, [each.lane.name for each in wrong if not each.lane.wanted]
    )


def _why_missing(sessions: Sequence[Session], within: float | None) -> list[str]:
    clock = sessions[0]._clock
    if clock is None:
        return ["Hint: does it take longer? To wait: expect_broadcast(..., within=5)"]
    passed = [] if within is None else [f"{within:g} s have passed."]
    return [*passed, *situation(clock), hint(clock, "expect_broadcast", "")]


def _lane(session: Session, *, wanted: bool) -> Lane:
    wire = session._wire
    end = "" if wire.closed is None else session._status()
    return Lane(session.trace.connection, _unread(session), wanted, end)


def _unread(session: Session) -> list[TraceEvent]:
    """Return the frames that the test has not received, and the end."""
    frames = [
        event
        for event in session.trace
        if event.direction == "from_app"
        and event.kind in ("text", "bytes")
        and event.index not in session._taken
    ]
    count = len(session._wire.frames)
    ends = [event for event in session.trace if event.kind == "closed"]
    return [*frames[len(frames) - count :], *ends]


def _receive(session: Session, events: Sequence[TraceEvent]) -> None:
    """Take frames from among those that are unread."""
    unread = [event.index for event in _unread(session)]
    wire = session._wire
    # From the end, so that the places before stay what they are.
    for event in reversed(events):
        if event.kind != "closed":
            place = unread.index(event.index)
            wire.frames.rotate(-place)
            wire.pop()
            wire.frames.rotate(place)
            session._taken |= {event.index}
