"""The peer's end of a connection: what a session reads, whatever carries the frames."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from pytest_pachinko.futures import ring
from pytest_pachinko.trace.event import Crash

if TYPE_CHECKING:
    import asyncio

    from pytest_pachinko.trace.event import Close
    from pytest_pachinko.trace.event import Direction
    from pytest_pachinko.trace.event import Handshake
    from pytest_pachinko.trace.event import Kind
    from pytest_pachinko.trace.record import Trace

__all__ = ["FRAME_COST", "MAX_REASON", "MAX_UNREAD_BYTES", "PeerEnd", "may_close_with"]

MAX_UNREAD_BYTES = 4 * 1024 * 1024
"""What may be unread in one direction before its sender waits: as much as loopback TCP."""

FRAME_COST = 64
"""Added to each frame's length, so that empty frames are bounded too."""

MAX_REASON = 123
"""How many bytes the reason of a close has at most (RFC 6455, section 5.5)."""


def may_close_with(code: int) -> bool:
    """Return whether a code may be sent (RFC 6455, section 7.4, and the registry it founded)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


class PeerEnd:
    """What has arrived from the application, and how the connection began and ended.

    A subclass carries the frames, and has ``push``, ``hang_up`` and ``room`` for a session.

    Args:
        trace: Where to note what crosses the wire.
        loop: The event loop of the test.

    Attributes:
        trace: What crossed the wire, as the peer sees it.
        frames: What the application sent and the peer has not read, oldest first.
        handshake: How the handshake was answered, once it was.
        closed: How the connection ended, once it did and was accepted before.
    """

    handshake: Handshake | None = None
    closed: Close | None = None

    _unread_bytes = 0

    def __init__(self, trace: Trace, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._started = loop.time()
        self._news: list[asyncio.Future[None]] = []  # the peer, for anything new
        self.trace = trace
        self.frames: deque[str | bytes] = deque()

    @abstractmethod
    def push(self, payload: str | bytes) -> None:
        """Send a frame to the application."""

    @abstractmethod
    def hang_up(self, code: int, reason: str = "") -> None:
        """End the connection from the peer's side; does nothing if it has ended."""

    @abstractmethod
    def room(self) -> asyncio.Future[None] | None:
        """Return a future that is done when the application reads; None while there is room."""

    def pop(self) -> str | bytes:
        """Return the oldest unread frame."""
        payload = self.frames.popleft()
        self._unread_bytes -= len(payload) + FRAME_COST
        return payload

    def watch(self) -> asyncio.Future[None]:
        """Return a future that is done when something new can be seen from this end."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._news.append(future)
        return future

    def ring(self) -> None:
        """Tell the peer that there is something new."""
        if self._news:
            ring(self._news)

    def note_crash(self, error: BaseException) -> None:
        """Take note of what the application has raised."""
        crash = Crash(type(error).__name__, str(error))
        self.trace.record("from_app", "raised", crash, self._now())

    def _answer(self, handshake: Handshake) -> None:
        self.handshake = handshake
        kind: Kind = "accepted" if handshake.status == 101 else "denied"
        self.trace.record("from_app", kind, handshake, self._loop.time() - self._started)
        if self._news:
            ring(self._news)

    def _close(self, close: Close, direction: Direction) -> None:
        if self.closed is None:
            self.closed = close
            self.trace.record(direction, "closed", close, self._loop.time() - self._started)
            if self._news:
                ring(self._news)

    def _wait(self, waiting: list[asyncio.Future[None]]) -> asyncio.Future[None]:
        # A future for each: one that is shared would be cancelled for all by the first
        # who is.
        future: asyncio.Future[None] = self._loop.create_future()
        waiting.append(future)
        return future

    def _now(self) -> float:
        return self._loop.time() - self._started
