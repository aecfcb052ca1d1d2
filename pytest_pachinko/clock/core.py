"""Virtual time, and knowing that nothing more can happen by itself.

Everything that enters an asyncio loop from outside passes one place: ``select(timeout)``,
which the loop calls once per turn. The timeout says all there is to know:

==========  =========================================================================
timeout     meaning
==========  =========================================================================
0           busy: callbacks are ready, or a timer is due
> 0         idle, and the earliest timer is that far away
None        idle, and there is no timer
==========  =========================================================================

So one selector in front of the real one sees the moment in which a loop has nothing left to
do. What happens then, in this order:

1. Work outside of the loop is waited for (threads, ``hold``, and what is on its way between
   two sockets of the loop), with time standing still.
2. Whoever waits for quiescence is woken, one in a turn: it may cause more work.
3. While a socket or pipe is open the outside may act: the loop waits in real time.
4. A timer may be reached: time jumps to it. When, is the policy's to say.
5. Nothing can happen any more: the oldest wait of the test fails, at its own ``await``;
   without one, whatever else the test waits for.

One waiter or failure in a turn: the test that is woken may do what satisfies the next.

Time is ``loop.time()``, which asyncio's timers live by. The wall clock is not touched.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import threading
import time
from collections import deque
from functools import partial
from itertools import count
from typing import Any
from typing import Literal
from typing import TYPE_CHECKING

from pytest_pachinko.clock.links import Links
from pytest_pachinko.clock.report import POLLING
from pytest_pachinko.clock.report import stalled_test
from pytest_pachinko.clock.waiting import innermost_future
from pytest_pachinko.clock.waiting import is_spinning
from pytest_pachinko.clock.waiting import roots
from pytest_pachinko.clock.waiting import task_woken_by
from pytest_pachinko.clock.waiting import waits_for_outside
from pytest_pachinko.futures import wake
from pytest_pachinko.tasks import side
from pytest_pachinko.tasks import TEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_pachinko.clock.adopt import Attendance
    from pytest_pachinko.session import Session

__all__ = ["Clock", "Policy", "Selector"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

Policy = Literal["demand", "autojump", "wall"]

MANY = 64
"""Timers of the test after which those that are over are forgotten, and events of the outside
after which it is asked what for."""

BUSY_TURNS = 20_000
"""Busy turns in a row after which the loop is looked at: it may never come to rest."""

JUMPS = 100_000
"""Jumps of time without progress of the test after which they are taken to be endless."""

OUTSIDE_PATIENCE = 10.0
"""Seconds of real time that work outside of the loop may take while nothing else happens."""

RESTLESS_PATIENCE = 60.0
"""Seconds of real time that a test waits while others never rest."""

WALL_PATIENCE = 1.0
"""Seconds of real time after which a wait fails while the outside could still act."""


class Clock:
    """The time of one event loop, and who waits for what in it.

    Args:
        loop: A selector event loop of the standard library.

    Attributes:
        policy: When time may move, as the last of those who want something: ``"demand"``, only
            while the test itself waits for a timer; ``"autojump"``, whenever there is a timer;
            ``"wall"``, by itself.
        now: The time of the loop while it stands still; None while it runs by itself.
        waits: What the test waits for, the oldest first: each future with a function that
            makes the error with which it fails when it can never be done, and its arguments.
        horizons: For waits that let time pass, the time up to which they do.
        attending: Who wants time to stand still: the tasks of the test, and what they opened.
        users: How many want time to stand still; without one it runs by itself.
        owned: Whether the loop was made for virtual time: what is not labelled is the test.
        followers: Called with the seconds of each jump of time.
        holds: How many reasons there are to wait for the outside in real time.
        jobs: How many jobs of the loop's executors are not done.
        patience: Seconds after which a wait fails while the outside could still act.
        poked: Whether somebody woke the loop from outside.
        sockets: How many descriptors the loop watches through which the outside can act.
        watched: How many descriptors the loop watches.
        links: The sockets of which both ends are in the loop.
        turns: How many turns the loop has been busy without a rest.
        cancelled: The tasks that were cancelled because they never rest, and why.
    """

    __slots__ = (
        "_demands",
        "_idle_for",
        "_idle_from",
        "_idle_since",
        "_jumps",
        "_jumps_for",
        "_loop",
        "_many",
        "_noise",
        "_offset",
        "_policies",
        "_quiet",
        "_seen",
        "_sequence",
        "_stirs",
        "attending",
        "cancelled",
        "followers",
        "holds",
        "horizons",
        "jobs",
        "links",
        "now",
        "owned",
        "patiences",
        "poked",
        "policy",
        "sockets",
        "turns",
        "users",
        "waits",
        "watched",
    )

    # Not looked up when it is called: a library that stops the wall clock must not stop this.
    _monotonic = staticmethod(time.monotonic)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: Any = loop
        self._offset = loop.time() - self._monotonic()
        self._demands: list[Any] = []
        self._many = MANY
        self._quiet: deque[Callable[[], None]] = deque()
        self._sequence = count()
        self._jumps = 0
        self._jumps_for: Any = None
        self._stirs = 0
        self._noise = 0
        self._seen: Any = None
        self._idle_from = 0.0
        self._idle_since = 0.0
        self._idle_for: asyncio.Future[Any] | None = None
        self._policies: dict[object, Policy] = {}
        self.policy: Policy = "demand"
        self.now: float | None = None
        self.waits: dict[asyncio.Future[Any], tuple[Any, ...]] = {}
        self.horizons: dict[asyncio.Future[Any], float] = {}
        self.attending: list[Attendance] = []
        self.users = 0
        self.owned = False
        self.holds = 0
        self.jobs = 0
        self.patiences: dict[object, float] = {}
        self.poked = True
        self.sockets = 0
        self.watched = 0
        self.links = Links()
        self.turns = 0
        self.cancelled: dict[asyncio.Task[Any], BaseException] = {}
        self.followers: list[Callable[[float], Any]] = []

    @property
    def patience(self) -> float:
        """Seconds after which a wait fails while the outside could still act."""
        return max(self.patiences.values(), default=WALL_PATIENCE)

    @property
    def sessions(self) -> list[Session]:
        """The sessions that are open."""
        return [each.session for each in self.attending if each.session is not None]

    @property
    def testers(self) -> list[asyncio.Task[Any] | None]:
        """The tasks of the test that opened something."""
        return [each.tester for each in self.attending]

    # Time.

    def time(self) -> float:
        """Return the time of the loop, in seconds."""
        now = self.now
        return self._monotonic() + self._offset if now is None else now

    def open(self) -> None:
        """Let time stand still, until it is closed as often."""
        self.users += 1
        if self.users == 1:
            self.settle_mode()

    def close(self) -> None:
        """Undo one opening; after the last one, time runs by itself from where it is."""
        self.users -= 1
        if not self.users:
            self._let_run()

    def _let_run(self) -> None:
        if self.now is not None:
            self._offset = self.now - self._monotonic()
            self.now = None

    def settle_mode(self) -> None:
        """Let time stand still or run, as users, descriptors and the policy demand."""
        if not self.users or self.sockets > 0 or self.policy == "wall":
            self._let_run()
        elif self.now is None:
            # On a multiple of 2**-10, so that sums of whole seconds are exact from here on: an
            # application that compares them is not to fail by chance.
            self.now = math.ceil((self._monotonic() + self._offset) * 1024) / 1024

    def prefer(self, who: object, policy: Policy | None) -> None:
        """Take note of when somebody wants time to move; None if they have no wish any more."""
        self._policies.pop(who, None)
        if policy is not None:
            self._policies[who] = policy
        self.policy = next(reversed(self._policies.values()), "demand")

    def watch(self, change: int, *, outside: bool) -> None:
        """Take note that a descriptor is watched, or no longer.

        Args:
            change: 1 or -1.
            outside: Whether the outside can act through it.
        """
        self.watched += change
        if outside:
            self.sockets += change
            self.settle_mode()

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Schedule a timer, in the place of the loop's own method."""
        loop = self._loop
        loop._check_closed()
        if loop.get_debug():
            loop._check_thread()
            loop._check_callback(callback, "call_at")
        timer = Timer(when, callback, args, loop, context)
        timer.sequence = next(self._sequence)
        if timer._source_traceback:
            del timer._source_traceback[-1]
        heapq.heappush(loop._scheduled, timer)
        timer._scheduled = True
        who = side.get()
        if who is TEST or (who is None and self.owned):
            heapq.heappush(self._demands, timer)
            if len(self._demands) > self._many:
                # Most of them are timeouts that were not needed.
                self._demands = [t for t in self._demands if t._scheduled and not t.cancelled()]
                heapq.heapify(self._demands)
                self._many = max(MANY, 2 * len(self._demands))
        return timer

    # What the toolkit asks for.

    def demand(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Schedule a timer that the test waits for, whoever calls."""
        token = side.set(TEST)
        try:
            return self.call_at(self.time() + seconds, callback, *args)
        finally:
            side.reset(token)

    async def quiescent(self) -> None:
        """Wait until nothing can run without time passing."""
        future = self._loop.create_future()
        self._quiet.append(partial(wake, future))
        await future

    def when_quiet(self, callback: Callable[[], None]) -> None:
        """Call something as soon as nothing can run without time passing."""
        self._quiet.append(callback)

    def has_timers(self) -> bool:
        """Return whether the loop has any timers, pending or cancelled."""
        return bool(self._loop._scheduled)

    def timers(self) -> list[Any]:
        """Return the pending timers, the next one first."""
        return sorted(t for t in self._loop._scheduled if not t.cancelled())

    # The table.

    def restless(self) -> None:
        """Look at a loop that was busy for long: it may never come to rest."""
        self.turns = 0
        victim = self._victim()
        progress = self._progress()
        last_victim, last_progress, since = self._seen or (None, -1, 0.0)
        now = self._monotonic()
        if victim is not last_victim or self._seen is None:
            since = now
        self._seen = (victim, progress, since)
        if victim is not last_victim or (
            progress != last_progress and now - since < RESTLESS_PATIENCE
        ):
            return
        self._seen = None
        why = POLLING
        if victim is not None:
            self._fail(victim, why)
            return
        for task in (*self.testers, *roots(self._loop)):
            if task is not None and is_spinning(task):
                # It waits for nothing in which it could fail.
                self.cancelled[task] = stalled_test(self, why)
                task.cancel(why)
                return

    def idle(self, timeout: float | None) -> float | None:
        """Decide what happens in a loop that has nothing to do.

        Args:
            timeout: Seconds to the earliest timer, or None without one.

        Returns:
            How long to wait for the outside in real time, or 0 if something was done.
        """
        loop = self._loop
        self.turns = 0
        self._seen = None
        outside = self._at_work_outside()
        if outside is not None:
            return self._patient(*outside)
        if self._quiet:
            self._quiet.popleft()()
            return 0
        if self.now is None:
            left = self._patient(self.patience, "time is real while a socket or pipe is open")
            return min((wait for wait in (left, timeout) if wait is not None), default=None)
        victim = None if loop._asyncgens_shutdown_called else self._victim()
        why = ""
        if timeout is not None and self._may_jump(victim, timeout):
            if not self._is_endless(victim):
                # To the deadline itself, unless asyncio has cut a very long way short.
                before, self.now = (
                    self.now,
                    min(self.now + timeout + 1e-6, loop._scheduled[0].when()),
                )
                for follow in self.followers:
                    follow(self.now - before)
                return 0
            why = f"time has moved {JUMPS} times and the test has not"
        if victim is None:
            return timeout
        self._fail(victim, why)
        return 0

    def _at_work_outside(self) -> tuple[float, str] | None:
        """Return how long to wait for what will happen outside of the loop, and what it is."""
        loop = self._loop
        if (
            self.holds
            or self.jobs
            or loop._executor_shutdown_called
            or (
                threading.active_count() > 1
                and any(map(waits_for_outside, asyncio.all_tasks(loop)))
            )
        ):
            return OUTSIDE_PATIENCE, "work outside of the event loop does not end"
        if self.watched > self.sockets and self.links.on_the_way(loop._selector.get_map()):
            return self.patience, "bytes are on their way between two sockets"
        return None

    def progressed(self, *, outside: bool) -> None:
        """Take note that a socket did something, perhaps one that the outside can reach."""
        self._noise += outside
        self._idle_since = self._monotonic()
        self.turns = 0
        self._stirs += 1
        if self._stirs >= MANY:
            # It may never leave the loop idle, and the test waits all the same.
            self._stirs = 0
            noise, self._noise = self._noise, 0
            if self._quiet and self.sockets and noise >= MANY:
                self._quiet.popleft()()
            else:
                self._patient(self.patience, "what comes from outside is something else")

    def _may_jump(self, victim: asyncio.Future[Any] | None, timeout: float) -> bool:
        if victim is None or self.policy == "autojump":
            # Without a test that waits, such as while the loop is shut down, time is free.
            return True
        demands = self._demands
        while demands and (demands[0].cancelled() or not demands[0]._scheduled):
            heapq.heappop(demands)
        return bool(demands) or self.time() + timeout <= max(self.horizons.values(), default=0.0)

    def _is_endless(self, victim: asyncio.Future[Any] | None) -> bool:
        state = (victim, self._progress())
        if state != self._jumps_for:
            self._jumps_for = state
            self._jumps = 0
        self._jumps += 1
        if self._jumps < JUMPS:
            return False
        self._jumps = 0
        # Who waits for a moment in time will see it come, however many jumps away.
        return not any(victim in (timer._args or ()) for timer in self._demands)

    def _progress(self) -> int:
        return sum(len(session.trace) for session in self.sessions)

    def _patient(self, limit: float, why: str) -> float | None:
        """Return how much longer to wait in real time; fail the oldest wait at the limit."""
        victim = self._victim()
        if victim is None:
            return None
        if self._has_deadline(victim):
            if self.now is None:
                return None
            # Time stands still, so that its own limit would never come: it is real then.
            limit = max(limit, self._demands_in())
        now = self._monotonic()
        if victim is not self._idle_for:
            self._idle_for = victim
            self._idle_from = self._idle_since = now
        # What the outside does may help, but not for ever.
        most = max(limit, OUTSIDE_PATIENCE)
        end, last_end = self._idle_since + limit, self._idle_from + most
        if now < min(end, last_end):
            return min(end, last_end) - now
        self._idle_for = None
        passed = limit if end < last_end else most
        self._fail(victim, f"{why}, and {passed:g} s have passed")
        return 0

    def _has_deadline(self, victim: asyncio.Future[Any]) -> bool:
        """Return whether the test itself has said how long it waits."""
        testers = self.testers
        return any(
            victim in (timer._args or ()) or task_woken_by(timer) in testers
            for timer in self._demands
            if timer._scheduled and not timer.cancelled()
        )

    def _demands_in(self) -> float:
        pending = (t.when() for t in self._demands if t._scheduled and not t.cancelled())
        return min(pending, default=0.0) - self.time()

    def _fail(self, victim: asyncio.Future[Any], why: str) -> None:
        make, *args = self.waits.get(victim, (stalled_test, self))
        victim.set_exception(make(*args, why))

    def _victim(self) -> asyncio.Future[Any] | None:
        """Return what fails if nothing can happen: a wait of the toolkit, else the test's own."""
        for future in self.waits:
            if not future.done():
                return future
        for task in (*self.testers, *roots(self._loop)):
            innermost = innermost_future(task)
            if innermost is not None:
                return innermost
        return None


class Timer(asyncio.TimerHandle):
    """A timer that knows when it was set, because asyncio's heap does not keep that order."""

    __slots__ = ("sequence",)

    sequence: int
    _scheduled: bool
    _source_traceback: Any

    def __lt__(self, other: Any) -> bool:
        """Compare by deadline, then by age; plain timers were there before."""
        mine: float = self.when()
        theirs: float = other.when()
        return mine < theirs or (mine == theirs and self.sequence < getattr(other, "sequence", -1))

    def __gt__(self, other: Any) -> bool:
        """Compare by deadline, then by age: Python asks a subclass for the mirror first."""
        mine: float = self.when()
        theirs: float = other.when()
        return mine > theirs or (mine == theirs and self.sequence > getattr(other, "sequence", -1))


class Selector:
    """Stands in front of a loop's selector and asks the clock what to do when it is idle."""

    __slots__ = ("_clock", "_inside", "_loop", "is_waiting", "real", "selects")

    def __init__(self, loop: Any, clock: Clock) -> None:
        self.selects = 0  # how often the loop had its turn
        self.is_waiting = False  # whether it waits for the outside right now
        self.real: Any = None
        self._inside: set[Any] = set()  # the descriptors that no outside can reach
        self._loop = loop
        self._clock = clock

    def take_over(self, real: Any) -> None:
        """Take note of what the real selector watches already, for oneself nothing."""
        self.real = real
        clock = self._clock
        descriptors = set(real.get_map()) - {self._loop._ssock.fileno()}
        self._inside = {each for each in descriptors if clock.links.has(each)}
        clock.watched = len(descriptors)
        clock.sockets = len(descriptors - self._inside)

    def select(self, timeout: float | None = None) -> Any:
        """Return what happened outside; in the place of the real selector's."""
        self.selects += 1
        clock = self._clock
        loop = self._loop
        if clock.poked or clock.watched or not clock.users or loop._signal_handlers:
            # Cleared first: what arrives while we look must not be lost.
            clock.poked = False
            events = self.real.select(0 if clock.users else timeout)
            if events or not clock.users:
                clock.progressed(outside=any(key.fd not in self._inside for key, _ in events))
                return events
        elif timeout == 0 and not loop._debug:
            self._run_ready(loop, clock)
        if timeout == 0:
            clock.turns += 1
            if clock.turns >= BUSY_TURNS:
                clock.restless()
            return ()
        wait = clock.idle(timeout)
        if wait == 0:
            return ()
        self.is_waiting = True
        try:
            events = self.real.select(wait)
        finally:
            self.is_waiting = False
        if events:
            clock.progressed(outside=any(key.fd not in self._inside for key, _ in events))
        return events

    def _run_ready(self, loop: Any, clock: Clock) -> None:
        """Run turns of the loop here while there is nothing else for it to look at.

        PERF: between two turns a loop looks for what came from outside and for timers that
        are due. With nothing open outside and time at a standstill neither can have changed,
        and to find that out costs as much as what most turns do.
        """
        ready = loop._ready
        for turn in range(BUSY_TURNS - clock.turns):
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
            timers = loop._scheduled
            if (
                not ready
                or loop._stopping
                or clock.poked
                or clock.watched
                or not clock.users
                or (timers and timers[0]._when <= clock.time())
            ):
                clock.turns += turn
                return
        clock.turns = BUSY_TURNS

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        """Watch a descriptor."""
        key = self.real.register(fileobj, events, data)
        inside = self._clock.links.has(fileobj)
        if inside:
            self._inside.add(fileobj)
        self._clock.watch(1, outside=not inside)
        return key

    def unregister(self, fileobj: Any) -> Any:
        """Watch a descriptor no more."""
        key = self.real.unregister(fileobj)
        inside = fileobj in self._inside
        self._inside.discard(fileobj)
        self._clock.watch(-1, outside=not inside)
        return key

    def __getattr__(self, name: str) -> Any:
        """Leave everything else to the real selector."""
        return getattr(self.real, name)
