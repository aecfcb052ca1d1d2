"""Why nothing can happen any more, in words."""

from __future__ import annotations

import asyncio
import math
import threading
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.clock.waiting import task_woken_by
from pytest_pachinko.clock.waiting import waits_for_outside
from pytest_pachinko.errors import Stalled
from pytest_pachinko.stacks import doing
from pytest_pachinko.tasks import MACHINERY
from pytest_pachinko.tasks import side

if TYPE_CHECKING:
    from pytest_pachinko.clock.core import Clock

__all__ = ["POLLING", "describe_timer", "hint", "is_internal", "situation", "stalled_test"]

POLLING = "the event loop never rests: something polls without end"

_MANY = 12  # sessions that a report names
_FEW = 5  # timers


def situation(clock: Clock) -> list[str]:
    """Say what everybody waits for: the test, each connection, timers, threads."""
    lines = [
        f"  test     {doing(task)}"
        for task in dict.fromkeys(clock.testers)
        if task is not None and not task.done()
    ]
    timers = _timers(clock)
    asleep = [task_woken_by(timer) for timer in timers]
    sessions = clock.sessions
    for session in sessions[:_MANY]:
        tasks = [task for task in session._belongings.living() if not is_internal(task)]
        name = session.trace.connection
        # Who only sleeps is shown with the timer that wakes it.
        lines += [f"  app      {name}: {doing(task)}" for task in tasks if task not in asleep]
        if not tasks:
            lines.append(f"  app      {name}: has returned")
    if len(sessions) > _MANY:
        lines.append(f"  app      … and {len(sessions) - _MANY} more connections")
    lines += [f"  timer    {_in(clock, timer)} {describe_timer(timer)}" for timer in timers[:_FEW]]
    if len(timers) > _FEW:
        lines.append(f"  timer    … and {len(timers) - _FEW} more timers")
    lines += [
        f"  thread   {thread.name} is alive: if it is to wake the test: with pytest_pachinko.clock.hold()"
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and not thread.daemon
    ]
    jobs = [task for task in asyncio.all_tasks() if waits_for_outside(task)]
    lines += [f"  job      {doing(task)}" for task in jobs[:_MANY]]
    return lines


def stalled_test(clock: Clock, why: str) -> Stalled:
    """Make the error for a wait of the test that is none of the toolkit's."""
    first = "The test waits for something that nothing can bring about any more"
    lines = [first + (f": {why}." if why else "."), *situation(clock), hint(clock, "", why)]
    return Stalled("\n".join(lines))


def hint(clock: Clock, method: str, why: str) -> str:
    """Say what to try.

    Args:
        clock: The clock.
        method: The method of a session that waits in vain, if it is one.
        why: Why it is in vain.
    """
    if why == POLLING:
        return "Hint: await an asyncio.Event, or a sleep that takes time, in place of polling."
    advice = "Hint: is a message missing before this, or a handler's reply?"
    if clock.now is None:
        return f"{advice} Or it takes longer: within=..."
    timers = _timers(clock)
    if not timers:
        return advice
    # Rounded up: who follows the hint reaches the timer.
    seconds = max(0.0, math.ceil((timers[0].when() - clock.time()) * 1000) / 1000)
    if method:
        return f"{advice} Or is time to pass: {method}(..., within={seconds:g})"
    return f"{advice} Or is time to pass: asyncio.sleep({seconds:g}), or advance() of the clock"


def _timers(clock: Clock) -> list[Any]:
    """Return the pending timers but for those of a server, such as for its next ping."""
    return [timer for timer in clock.timers() if timer._context.get(side) is not MACHINERY]


def is_internal(task: asyncio.Task[Any]) -> bool:
    """Return whether a task parks on the wire by design: Falcon's pump and our reader."""
    name = getattr(task.get_coro(), "__qualname__", "")
    return name in ("_BufferedReceiver._pump", "Inbox._read")


def describe_timer(timer: Any) -> str:
    """Say what a timer does."""
    task = task_woken_by(timer)
    if task is not None:
        return f"wakes {task.get_name()} at {doing(task)}"
    return f"calls {getattr(timer._callback, '__qualname__', repr(timer._callback))}"


def _in(clock: Clock, timer: Any) -> str:
    return f"+{max(0.0, timer.when() - clock.time()):.3f} s"
