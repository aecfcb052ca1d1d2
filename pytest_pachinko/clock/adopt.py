"""Putting a running loop on virtual time, in place, and giving it back."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from functools import partial
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.clock.core import Clock
from pytest_pachinko.clock.core import Selector
from pytest_pachinko.tasks import make_noted

if TYPE_CHECKING:
    from pytest_pachinko.clock.core import Policy
    from pytest_pachinko.session import Session

__all__ = ["Adoption", "Attendance", "adopted_clock", "adoption_of", "clock_of"]

_MARK = "_pachinko_adoption"


class Adoption:
    """A loop that can be put on virtual time, and is as often as it is entered.

    Attributes:
        clock: The clock of the loop.
        loop: The loop.
        users: How many have entered and not left.
    """

    __slots__ = ("_before", "_instead", "_quick", "clock", "loop", "users")

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self._before: dict[str, Any] = {}
        self.users = 0
        self.clock = clock = Clock(loop)
        wake = loop._write_to_self
        set_debug = loop.set_debug

        def create_task(coroutine: Any, **kwargs: Any) -> Any:
            return make_noted(self._before_or_own("create_task"), loop, coroutine, kwargs)

        def run_in_executor(*args: Any) -> Any:
            future = self._before_or_own("run_in_executor")(*args)
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
            "_selector": Selector(loop, clock),
            "_write_to_self": write_to_self,
            "call_at": clock.call_at,
            "create_task": create_task,
            "run_in_executor": run_in_executor,
            "set_debug": debug,
        }
        self._quick = _quick(loop)

    def enter(self) -> None:
        """Take the place of the loop's own selector, clock, timers and tasks."""
        self.users += 1
        if self.users > 1:
            return
        loop = self.loop
        clock = self.clock
        clock.poked = True  # something may have arrived before
        self._instead["_selector"].take_over(loop._selector)
        loop.time = clock.time
        # What somebody else has put in the place of the loop's methods comes back at the end.
        names = (*self._instead, *self._quick)
        self._before = {name: vars(loop)[name] for name in names if name in vars(loop)}
        vars(loop).update(self._instead)
        self._hurry()

    def exit(self) -> None:
        """Give the loop its own again.

        Its time goes on from where it is and never back, for the timers that are set.
        """
        self.users -= 1
        if self.users:
            return
        loop = self.loop
        if loop.is_closed():
            return
        real = loop._selector.real
        for name, ours in (*self._instead.items(), *self._quick.items()):
            if vars(loop).get(name) is ours:
                del vars(loop)[name]
                if name in self._before:
                    vars(loop)[name] = self._before[name]
        loop._selector = real

    def _before_or_own(self, name: str) -> Any:
        """Return what the loop would have called if it had not been entered."""
        method = getattr(type(self.loop), name).__get__(self.loop)
        return self._before.get(name, method)

    def _hurry(self) -> None:
        loop = self.loop
        for name, quick in self._quick.items():
            if not loop._debug and name not in self._before:
                vars(loop)[name] = quick
            elif vars(loop).get(name) is quick:
                del vars(loop)[name]
                if name in self._instead:
                    vars(loop)[name] = self._instead[name]


def _quick(loop: Any) -> dict[str, Any]:
    """Return what does the same as the loop's own while that is not in debug mode, but quicker.

    PERF: a turn of the loop consists of little else.
    """
    ready = loop._ready
    own: Any = type(loop)
    new_handle = asyncio.Handle.__new__

    def call_soon(callback: Any, *args: Any, context: Any = None) -> Any:
        handle: Any = new_handle(asyncio.Handle)  # and what its __init__ does
        handle._callback = callback
        handle._args = args
        handle._loop = loop
        handle._context = copy_context() if context is None else context
        handle._cancelled = False
        handle._repr = handle._source_traceback = None
        if loop._closed:
            loop._check_closed()
        ready.append(handle)
        return handle

    def create_task(coroutine: Any, **kwargs: Any) -> Any:
        make = None if loop._task_factory is None else own.create_task.__get__(loop)
        return make_noted(make, loop, coroutine, kwargs)

    quick: dict[str, Any] = {"call_soon": call_soon, "get_debug": bool}
    if own.create_future is asyncio.BaseEventLoop.create_future:
        quick["create_future"] = partial(asyncio.Future, loop=loop)
    if own.create_task is asyncio.BaseEventLoop.create_task:
        quick["create_task"] = create_task
    return quick


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


class Attendance:
    """One reason for time to stand still in a loop, until it is released.

    Args:
        adoption: The loop.
        policy: When time may move meanwhile; as it is if not given.
        session: What is open meanwhile, if it is a session.

    Attributes:
        clock: The clock of the loop.
        session: The session.
        tester: The task of the test that attends.
    """

    __slots__ = ("_adoption", "_policy", "clock", "session", "tester")

    def __init__(
        self, adoption: Adoption, policy: Policy | None = None, session: Session | None = None
    ) -> None:
        self._adoption: Adoption | None = adoption
        self._policy = policy
        self.session = session
        self.tester = asyncio.current_task(adoption.loop)
        self.clock = clock = adoption.clock
        adoption.enter()
        if policy is not None:
            clock.prefer(self, policy)
        clock.open()
        clock.attending.append(self)

    def release(self) -> None:
        """Let time run again, as far as this is concerned; once is enough."""
        adoption, self._adoption = self._adoption, None
        if adoption is None:
            return
        clock = self.clock
        clock.attending.remove(self)
        if self._policy is not None:
            clock.prefer(self, None)
        clock.close()
        adoption.exit()


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
        and hasattr(loop, "_signal_handlers")  # it has none on Windows
        and type(loop)._run_once is asyncio.BaseEventLoop._run_once  # type: ignore[attr-defined]
    )
