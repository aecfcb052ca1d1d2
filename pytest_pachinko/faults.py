"""Trouble on the wire, as objects that compose.

A fault stands between the two ends of a connection and sees each ASGI event on its way::

    slow = Latency(0.2)
    counts = Statistics()
    async with websocket_connect("/chat", faults=[slow, counts]) as session: ...

The first fault of a list is nearest to where events arrive. One object may serve several
connections: ``Statistics`` then counts them all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any
from typing import Literal

from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.futures import ring
from pytest_pachinko.futures import wake
from pytest_pachinko.tasks import side
from pytest_pachinko.tasks import TEST

__all__ = [
    "Deliver",
    "Failure",
    "Fault",
    "Latency",
    "LostConnection",
    "Pace",
    "SlowPeer",
    "StalledPeer",
    "Statistics",
]

Deliver = Callable[[Any], None]

Pace = Callable[[Any], "asyncio.Future[None] | None"]

Direction = Literal["to_app", "from_app"]


class Fault:
    """Base class: lets everything pass.

    A subclass overrides one direction or both. Each method is called once for a connection,
    with the function that passes an event on, and returns the function that is called in
    its place. ``pace`` is for what lets the application wait.

    Example::

        class DropEverySecond(Fault):
            def from_app(self, deliver):
                turn = itertools.cycle([True, False])
                return lambda event: deliver(event) if next(turn) else None
    """

    def to_app(self, deliver: Deliver) -> Deliver:
        """Return what handles the events that the peer sends.

        Args:
            deliver: Passes an event on. An exception in the place of an event is raised by
                the application's ``receive``.
        """
        return deliver

    def from_app(self, deliver: Deliver) -> Deliver:
        """Return what handles the events that the application sends after its accept.

        What it raises, the application's ``send`` raises.

        Args:
            deliver: Passes an event on.
        """
        return deliver

    def pace(self) -> Pace | None:
        """Return what lets the application's ``send`` wait; None if nothing does.

        It is called with each event before that leaves the application, with the next one when
        the one before has left, and returns a future to wait for, or None. The future is
        cancelled if the application or the peer gives up.
        """
        return None


class Latency(Fault):
    """Every event takes its time, and their order is kept.

    What waits for a frame lets that time pass; ``expect_silence()`` does not.

    Args:
        seconds: How long, in both directions.
        to_app: How long from the peer to the application, if it differs.
        from_app: How long from the application to the peer, if it differs.

    Raises:
        PachinkoUsageError: A time is negative or no number.
    """

    def __init__(
        self, seconds: float = 0.0, *, to_app: float | None = None, from_app: float | None = None
    ) -> None:
        self._to_app = seconds_of(seconds if to_app is None else to_app)
        self._from_app = seconds_of(seconds if from_app is None else from_app)

    def to_app(self, deliver: Deliver) -> Deliver:
        """Delay what the peer sends."""
        return _delayed(deliver, self._to_app)

    def from_app(self, deliver: Deliver) -> Deliver:
        """Delay what the application sends."""
        return _delayed(deliver, self._from_app)


def _delayed(deliver: Deliver, seconds: float) -> Deliver:
    if not seconds:
        return deliver
    loop = asyncio.get_running_loop()
    waiting: deque[Any] = deque()
    context = context_of_the_test()

    def arrive() -> None:
        # Timers with equal deadlines may fire in any order; the frames do not.
        deliver(waiting.popleft())

    def depart(event: Any) -> None:
        waiting.append(event)
        context.run(loop.call_later, seconds, arrive)

    return depart


def context_of_the_test() -> Context:
    """Return a context in which timers are set that the test waits for.

    The test makes the way long, whoever sends: it is the test that waits for the arrival.
    """
    context = Context()
    context.run(side.set, TEST)
    return context


class SlowPeer(Fault):
    """The peer takes its time to read each frame, and the application's send waits for that.

    What waits for a frame lets that time pass; ``expect_silence()`` does not. A close takes
    no time, but waits for the frames before it.

    Args:
        seconds: How long each frame takes.
        bytes_per_second: How fast the peer reads what is in it.
        after: How many frames are taken at once before.

    Raises:
        PachinkoUsageError: A time, a speed or a number cannot be one, or neither time nor speed
            is given.
    """

    def __init__(
        self, seconds: float = 0.0, *, bytes_per_second: float | None = None, after: int = 0
    ) -> None:
        self._seconds = seconds_of(seconds)
        if bytes_per_second is not None and not 0 < bytes_per_second < float("inf"):
            raise PachinkoUsageError(f"bytes_per_second={bytes_per_second!r}: more than 0.")
        if not seconds and bytes_per_second is None:
            raise PachinkoUsageError(
                "SlowPeer() is not slow.\nHint: SlowPeer(2.0) or SlowPeer(bytes_per_second=1000)"
            )
        self._speed = bytes_per_second
        self._after = _number(after)

    def pace(self) -> Pace | None:
        """Let the application wait for as long as the peer reads."""
        loop = asyncio.get_running_loop()
        context = context_of_the_test()
        quick = _first(self._after)

        def read(event: Any) -> asyncio.Future[None] | None:
            if not _is_frame(event) or quick(event):
                return None
            seconds = self._seconds + (_size(event) / self._speed if self._speed else 0.0)
            done: asyncio.Future[None] = loop.create_future()
            timer = context.run(loop.call_later, seconds, wake, done)
            done.add_done_callback(lambda _: timer.cancel())
            return done

        return read


class StalledPeer(Fault):
    """The peer reads nothing: the application's send does not end before ``release``.

    Neither does a close. Nothing arrives meanwhile.

    Args:
        after: How many frames the peer takes before it stalls.

    Raises:
        PachinkoUsageError: It is no number of frames.
    """

    def __init__(self, *, after: int = 0) -> None:
        self._after = _number(after)
        self._stuck: list[asyncio.Future[None]] = []
        self._released = False

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        state = "released" if self._released else f"{self.stuck} stuck"
        return f"<StalledPeer: {state}>"

    @property
    def stuck(self) -> int:
        """How many connections have a send that does not end, just now."""
        return sum(not each.done() for each in self._stuck)

    def release(self) -> None:
        """Let the peer read, from now on."""
        self._released = True
        ring(self._stuck)

    def stall(self) -> None:
        """Let the peer read nothing, after a release."""
        self._released = False

    def pace(self) -> Pace | None:
        """Let the application wait until the peer is released."""
        loop = asyncio.get_running_loop()
        taken = _first(self._after)

        def wait(event: Any) -> asyncio.Future[None] | None:
            if self._released or (_is_frame(event) and taken(event)):
                return None
            done: asyncio.Future[None] = loop.create_future()
            self._stuck = [each for each in self._stuck if not each.done()]
            self._stuck.append(done)
            return done

        return wait


def _first(count: int) -> Callable[[Any], bool]:
    """Return a function that is true for so many calls."""
    left = iter(range(count))
    return lambda _: next(left, None) is not None


class Failure(Fault):
    """After some frames, the application's transport raises.

    Args:
        error: What it raises.
        after: How many frames pass before.
        direction: ``"from_app"``: the application's send raises. ``"to_app"``: its receive.
    """

    def __init__(
        self, error: BaseException, *, after: int = 0, direction: Direction = "from_app"
    ) -> None:
        if not isinstance(error, BaseException):
            raise PachinkoUsageError(f"Failure({error!r}): it is an exception that is raised.")
        self._error = error
        self._after = after
        self._direction = _direction(direction)

    def to_app(self, deliver: Deliver) -> Deliver:
        """Fail the application's receive, if that is the direction."""
        if self._direction != "to_app":
            return deliver
        return _after(self._after, deliver, lambda _: deliver(self._error))

    def from_app(self, deliver: Deliver) -> Deliver:
        """Fail the application's send, if that is the direction."""
        if self._direction != "from_app":
            return deliver

        def fail(_: Any) -> None:
            raise self._error

        return _after(self._after, deliver, fail)


class LostConnection(Fault):
    """After some frames of the peer, its next one is lost and so is the connection.

    Args:
        after: How many frames reach the application before.
        code: The code that the application sees.
    """

    def __init__(self, *, after: int = 0, code: int = 1006) -> None:
        self._after = after
        self._code = code

    def to_app(self, deliver: Deliver) -> Deliver:
        """Lose the connection in place of a frame."""
        disconnect = {"type": "websocket.disconnect", "code": self._code, "reason": ""}
        return _after(self._after, deliver, lambda _: deliver(disconnect))


class Statistics(Fault):
    """Counts what passes, and changes nothing.

    Attributes:
        frames: How many frames, by direction: ``statistics.frames["to_app"]``.
        bytes: How many bytes of payload, by direction; of text, its UTF-8.
        closes: How many closes, by close code.
    """

    def __init__(self) -> None:
        self.frames: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()

    def to_app(self, deliver: Deliver) -> Deliver:
        """Count what the peer sends."""
        return self._counted("to_app", deliver)

    def from_app(self, deliver: Deliver) -> Deliver:
        """Count what the application sends."""
        return self._counted("from_app", deliver)

    def _counted(self, direction: str, deliver: Deliver) -> Deliver:
        def count(event: Any) -> None:
            if _is_frame(event):
                self.frames[direction] += 1
                self.bytes[direction] += _size(event)
            elif isinstance(event, dict):
                self.closes[event.get("code", 1000)] += 1
            deliver(event)

        return count


def _after(count: int, before: Deliver, then: Deliver) -> Deliver:
    left = count

    def pass_or_fail(event: Any) -> None:
        nonlocal left
        if not _is_frame(event) or left > 0:
            left -= _is_frame(event)
            before(event)
        else:
            then(event)

    return pass_or_fail


def _is_frame(event: Any) -> bool:
    return isinstance(event, dict) and event["type"] in ("websocket.receive", "websocket.send")


def _size(event: Any) -> int:
    """Return how many bytes a frame has."""
    text = event.get("text")
    return len(event["bytes"] if text is None else text.encode("utf-8", "replace"))


def _number(value: int) -> int:
    if not isinstance(value, int) or value < 0:
        raise PachinkoUsageError(f"after={value!r}: a number of frames, 0 or more.")
    return value


def seconds_of(value: float) -> float:
    if not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise PachinkoUsageError(f"{value!r} is no time in seconds: it must be 0 or more.")
    return value


def _direction(value: str) -> str:
    if value not in ("to_app", "from_app"):
        raise PachinkoUsageError(f'{value!r} is no direction: "to_app" or "from_app".')
    return value
