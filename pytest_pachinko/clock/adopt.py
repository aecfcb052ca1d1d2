"""Putting a running loop on virtual time, in place, and giving it back."""

from __future__ import annotations

import asyncio
from typing import Any

from pytest_pachinko.clock.core import Clock
from pytest_pachinko.clock.core import Selector
from pytest_pachinko.tasks import NotedTask
from pytest_pachinko.tasks import owner_of

__all__ = ["Adoption", "adopted_clock", "adoption_of", "clock_of"]

_MARK = "_pachinko_adoption"


class Adoption:
    """A loop that can be put on virtual time, and is as often as it is entered.

    Attributes:
        clock: The clock of the loop.
        users: How many have entered and not left.
    """

    __slots__ = ("_instead", "_loop", "_quick", "clock", "users")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self.users = 0
        self.clock = clock = Clock(loop)
        ready = loop._ready
        wake = loop._write_to_self
        set_debug = loop.set_debug

        def call_soon(callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
            handle = asyncio.Handle(callback, args, loop, context)
            if loop._closed:
                loop._check_closed()
            ready.append(handle)
            return handle

        submit = loop.run_in_executor

        def run_in_executor(*args: Any) -> Any:
            future = submit(*args)
            clock.jobs += 1
            future.add_done_callback(job_done)
            return future

        def job_done(_: Any) -> None:
            clock.jobs -= 1

        def write_to_self() -> None:
            clock.poked = True
            wake()

        def debug(enabled: bool) -> None:  # noqa: FBT001
            set_debug(enabled)
            self._hurry()

        # What stands in the place of the loop's own while it is entered.
        self._instead: dict[str, Any] = {
            "_selector": Selector(loop._selector, loop, clock),
            "_write_to_self": write_to_self,
            "call_at": clock.call_at,
            "create_task": _task_maker(loop),
            "run_in_executor": run_in_executor,
            "set_debug": debug,
        }
        # PERF: a turn of the loop consists of little else. What is left out are the checks of
        # its debug mode, in which these are not used.
        self._quick: dict[str, Any] = {"call_soon": call_soon, "get_debug": bool}

    def enter(self) -> None:
        """Take the place of the loop's own selector, clock, timers and tasks."""
        self.users += 1
        if self.users > 1:
            return
        loop = self._loop
        clock = self.clock
        clock.sockets = len(loop._selector.get_map()) - loop._internal_fds
        clock.poked = True  # something may have arrived before
        self._instead["_selector"].real = loop._selector
        loop.time = clock.time
        vars(loop).update(self._instead)
        self._hurry()

    def exit(self) -> None:
        """Give the loop its own again.

        Its time goes on from where it is and never back, for the timers that are set.
        """
        self.users -= 1
        if self.users:
            return
        loop = self._loop
        real = loop._selector.real
        for name in (*self._instead, *self._quick):
            vars(loop).pop(name, None)
        loop._selector = real

    def _hurry(self) -> None:
        loop = self._loop
        for name, quick in self._quick.items():
            if loop._debug:
                vars(loop).pop(name, None)
            else:
                vars(loop)[name] = quick


def adoption_of(loop: Any) -> Adoption | None:
    """Return the means to put a loop on virtual time.

    Returns:
        None for a loop of another make, such as uvloop's: time stays real there.
    """
    adoption: Adoption | None = getattr(loop, _MARK, None)
    if adoption is None and _can_be_adopted(loop):
        adoption = Adoption(loop)
        setattr(loop, _MARK, adoption)
    return adoption


def _task_maker(loop: Any) -> Any:
    """Return what makes tasks in the place of the loop's own method, and notes whose they are."""
    make_task = loop.create_task

    def create_task(coroutine: Any, **kwargs: Any) -> Any:
        owner = owner_of(kwargs.get("context"))
        if loop._task_factory is not None or loop._debug:
            task = make_task(coroutine, **kwargs)
        elif owner is None:
            return asyncio.Task(coroutine, loop=loop, **kwargs)
        else:
            task = NotedTask(coroutine, loop=loop, **kwargs)
        if owner is not None:
            owner.note(task)
        return task

    return create_task


def adopted_clock(loop: Any) -> Clock | None:
    """Return the clock of a loop that has been entered, though time may run by itself in it."""
    adoption: Adoption | None = getattr(loop, _MARK, None)
    return adoption.clock if adoption is not None and adoption.users else None


def clock_of(loop: Any) -> Clock | None:
    """Return the clock of a loop in which something wants time to stand still."""
    clock = adopted_clock(loop)
    return clock if clock is not None and clock.users else None


def _can_be_adopted(loop: Any) -> bool:
    return (
        isinstance(loop, asyncio.SelectorEventLoop)
        and type(loop)._run_once is asyncio.BaseEventLoop._run_once  # type: ignore[attr-defined]
    )
