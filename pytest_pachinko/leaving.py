"""How a connection is left: the application finishes, and what stays behind is described."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.clock.report import describe_timer
from pytest_pachinko.errors import LeftBehind
from pytest_pachinko.errors import Stalled
from pytest_pachinko.quiet import settle
from pytest_pachinko.stacks import doing
from pytest_pachinko.tasks import cancelled
from pytest_pachinko.tasks import side
from pytest_pachinko.trace.explain import last_events

if TYPE_CHECKING:
    from pytest_pachinko.clock.core import Clock
    from pytest_pachinko.session import Session

__all__ = ["clear_up", "conclude", "let_finish", "within_bounds"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

_HINT = (
    "Hint: end it in on_disconnect, or when the handler returns. What is to outlive the "
    "connection is started in the lifespan, or with context=contextvars.Context()."
)

_GIVEN_UP: Any = object()

HORIZON = 60.0
"""Seconds of virtual time that an application has to clean up after a connection."""


async def let_finish(session: Session, task: asyncio.Task[Any], patience: float) -> None:
    """Wait until an application returns; time may pass meanwhile, but only so much.

    Args:
        session: The session, which has ended.
        task: The application. When it returns, there is news for the session.
        patience: Seconds to wait where time is real.
    """
    while not task.done():
        if not await within_bounds(session._wire.watch(), session._clock, patience):
            return


async def within_bounds(
    news: asyncio.Future[Any], clock: Clock | None, patience: float, horizon: float = HORIZON
) -> bool:
    """Wait for something that may never come; time may pass meanwhile, but only so much.

    Args:
        news: What to wait for. It is done in the end, one way or the other.
        clock: The clock of the loop, if it is on virtual time.
        patience: Seconds to wait where time is real.
        horizon: Seconds to wait where time is virtual.

    Returns:
        Whether it came.
    """
    if clock is None or clock.now is None:
        timer = asyncio.get_running_loop().call_later(patience, _give_up, news)
        try:
            return await news is not _GIVEN_UP
        finally:
            timer.cancel()
    clock.waits[news] = (Stalled,)
    clock.horizons[news] = clock.now + horizon
    try:
        await news
    except Stalled:
        return False
    finally:
        del clock.waits[news], clock.horizons[news]
    return True


def _give_up(news: asyncio.Future[Any]) -> None:
    if not news.done():
        news.set_result(_GIVEN_UP)


async def clear_up(session: Session, *, returned: bool, who: str) -> str | None:
    """Cancel what a connection has left behind, and describe it.

    Args:
        session: The session.
        returned: Whether the application has returned.
        who: What to call the application.
    """
    if returned:
        # What it cancelled or woke just now gets its turns to end.
        await settle()
    living = session._belongings.living()
    timers = _timers(session)
    places = [f"  task   {task.get_name()}: {doing(task)}" for task in living]
    places += [f"  timer  {describe_timer(timer)}" for timer in timers]
    if not places:
        return None
    for each in (*living, *timers):
        each.cancel()
    with suppress(Stalled):  # what never rests is named already
        await settle()
    if any(not task.done() for task in living):
        places.append("  (and not every task lets itself be cancelled)")
        for _ in cancelled(living):
            await asyncio.sleep(0)
    what = "has left behind:" if returned else "does not return after its connection ended:"
    return "\n".join(
        [
            f"{session.trace.connection}: {who} {what}",
            *places,
            last_events(session.trace),
            _HINT,
        ]
    )


def conclude(error: BaseException | None, failures: list[BaseException], left: str | None) -> None:
    """Raise what the test has to know at the end of a block, or add it to what it knows.

    Args:
        error: The exception with which the block is left.
        failures: What the application has raised and the test has not seen.
        left: What the connection has left behind.

    Raises:
        BaseException: The first failure.
        LeftBehind: Something was left behind.
    """
    known = error
    others = list(failures)
    if known is None and others:
        known = others.pop(0)
    elif others and isinstance(known, Exception) and known.__cause__ is None:
        known.__cause__ = others.pop(0)
    if known is None:
        if left is not None:
            raise LeftBehind(left)
        return
    for other in others:
        known.add_note(f"The application has raised, besides: {other!r}")
    if left is not None:
        known.add_note(left)
    if error is None:
        raise known


def _timers(session: Session) -> list[Any]:
    """Return the timers that were set on behalf of a connection."""
    clock = session._clock
    if clock is None:
        return []
    return [timer for timer in clock.timers() if timer._context.get(side) is session._belongings]
