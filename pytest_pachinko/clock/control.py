"""What a test does with time."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import Any
from typing import cast
from typing import get_args
from typing import TYPE_CHECKING

from pytest_pachinko.clock.adopt import adoption_of
from pytest_pachinko.clock.adopt import Attendance
from pytest_pachinko.clock.adopt import clock_of
from pytest_pachinko.clock.core import Policy
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.futures import wake
from pytest_pachinko.tasks import current_owner
from pytest_pachinko.tasks import side
from pytest_pachinko.tasks import TEST

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from pytest_pachinko.clock.adopt import Adoption
    from pytest_pachinko.clock.core import Clock

__all__ = [
    "VirtualClock",
    "advance",
    "check_policy",
    "hold",
    "loop_factory",
    "now",
    "quiescent",
    "virtual_time",
]

__tracebackhide__ = True  # a failure is shown in the test, not in here


def check_policy(policy: Any) -> Policy:
    """Return a policy as it is.

    Raises:
        PachinkoUsageError: There is no such policy.
    """
    if policy not in get_args(Policy):
        names = ", ".join(map(repr, get_args(Policy)))
        raise PachinkoUsageError(f"{policy!r} is no policy of the clock; they are {names}.")
    known: Policy = policy
    return known


def loop_factory(policy: Policy = "demand") -> asyncio.AbstractEventLoop:
    """Make an event loop on virtual time: ``asyncio.Runner(loop_factory=loop_factory)``.

    Args:
        policy: When time may move; see ``virtual_time``. ``functools.partial`` gives a
            factory with another one.

    Raises:
        PachinkoUsageError: There is no such policy.
    """
    check_policy(policy)
    loop = asyncio.SelectorEventLoop()
    adoption = cast("Adoption", adoption_of(loop))
    adoption.enter()
    adoption.clock.owned = True
    adoption.clock.prefer(loop, policy)
    adoption.clock.open()
    return loop


@contextmanager
def virtual_time(policy: Policy = "demand") -> Iterator[VirtualClock]:
    """Put the running event loop on virtual time while the block runs.

    Args:
        policy: When time may move. ``"demand"``: only while the test itself waits for a
            timer. ``"autojump"``: whenever nothing else can happen. ``"wall"``: by itself,
            as on any loop.

    Yields:
        The clock.

    Raises:
        PachinkoUsageError: There is no such policy, or the loop cannot be put on virtual
            time because it is not one of the standard library's selector loops.
    """
    check_policy(policy)
    loop = asyncio.get_running_loop()
    adoption = adoption_of(loop)
    if adoption is None:
        raise PachinkoUsageError(
            f"{type(loop).__module__}.{type(loop).__qualname__} cannot be put on virtual time.\n"
            "Hint: run the test on asyncio's own selector loop, without uvloop."
        )
    attendance = Attendance(adoption, policy)
    # Not reset by its token: a fixture may be torn down in another context.
    side_before = side.get()
    side.set(TEST)
    try:
        yield VirtualClock(loop)
    finally:
        side.set(side_before)
        attendance.release()


class VirtualClock:
    """The time of an event loop, for a test to look at and to move.

    The fixture ``websocket_clock`` is one.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._start = loop.time()

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        return f"<VirtualClock +{self.now:.3f} s>"

    @property
    def now(self) -> float:
        """Seconds since the clock was made, in the time of the loop.

        Raises:
            PachinkoUsageError: The loop is closed.
        """
        if self._loop.is_closed():
            raise PachinkoUsageError("The event loop of this clock is closed.")
        return self._loop.time() - self._start

    async def advance(self, seconds: float) -> None:
        """Let time pass: each timer on the way fires at its own time, and what it wakes runs.

        Args:
            seconds: How long; 0 runs what can run without time passing.

        Raises:
            PachinkoUsageError: The seconds are negative or no number, the application calls
                this, or the loop is not the running one or closed.
        """
        if self._loop.is_closed():
            raise PachinkoUsageError("The event loop of this clock is closed.")
        if self._loop is not asyncio.get_running_loop():
            raise PachinkoUsageError(
                "This clock belongs to another event loop than the one that runs.\n"
                "Hint: let the fixture and the test have the same loop_scope."
            )
        await advance(seconds)

    async def quiescent(self) -> None:
        """Wait until nothing can run without time passing."""
        await quiescent()

    @contextmanager
    def follow(self, shift: Callable[[float], Any]) -> Iterator[None]:
        """Tell another clock of each jump of time while the block runs.

        Args:
            shift: Called with the seconds of the jump, before what they wake runs: the
                ``shift`` of time-machine's traveller, or the ``tick`` of freezegun.

        Raises:
            PachinkoUsageError: The loop is not on virtual time.
        """
        followers = _clock(self._loop).followers
        followers.append(shift)
        try:
            yield
        finally:
            followers.remove(shift)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the outside, such as a thread, while the block runs; see ``hold``."""
        with hold():
            yield


def now() -> float:
    """Return the time of the running event loop, in seconds."""
    return asyncio.get_running_loop().time()


async def quiescent() -> None:
    """Wait until nothing can run in the running event loop without time passing.

    Raises:
        PachinkoUsageError: The loop is not on virtual time.
    """
    await _clock().quiescent()


async def advance(seconds: float) -> None:
    """Let time pass in the running event loop, and what it wakes run.

    Args:
        seconds: How long; 0 runs what can run without time passing.

    Raises:
        PachinkoUsageError: The seconds are negative or no number, the application calls
            this, or the loop is not on virtual time.
    """
    if not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        raise PachinkoUsageError(f"advance({seconds!r}): seconds, 0 or more.")
    if current_owner() is not None:
        raise PachinkoUsageError(
            "advance() was called by the application under test: time is the test's to move.\n"
            "Hint: await asyncio.sleep(...) in the application."
        )
    clock = _clock()
    loop = asyncio.get_running_loop()
    await clock.quiescent()
    if seconds:
        arrived = loop.create_future()
        timer = clock.demand(seconds, wake, arrived)
        try:
            await arrived
        finally:
            timer.cancel()
        await clock.quiescent()


@contextmanager
def hold() -> Iterator[None]:
    """Tell the running event loop that something outside of it is at work.

    While the block runs, nothing is taken to be impossible and no time passes: the loop waits
    for the outside in real time, for at most ten seconds at a stretch. For threads of
    one's own, whose ``call_soon_threadsafe`` cannot be foreseen. On a loop that is not on
    virtual time it does nothing.
    """
    clock = clock_of(asyncio.get_running_loop())
    if clock is None:
        yield
        return
    clock.holds += 1
    try:
        yield
    finally:
        clock.holds -= 1


def _clock(loop: asyncio.AbstractEventLoop | None = None) -> Clock:
    clock = clock_of(loop or asyncio.get_running_loop())
    if clock is None:
        raise PachinkoUsageError(
            "The event loop is not on virtual time.\n"
            "Hint: it is while a session is open in memory, with the fixture websocket_clock, "
            "or in: with virtual_time():"
        )
    return clock
