"""The frames of one connection in order of arrival, and the record of how it ended.

Falcon reads ahead too, but sees a disconnect only while few frames are unread; its
``close()`` ends that reading before anything else, so that a receiver learns of code 1000
whatever the code, and of a disconnect even if the close then fails; and its public methods
lose a frame of the kind that was not asked for. So each connection has one reader of ours in
the place of Falcon's, from accept to the end, and the record of who closed with which code
is taken from the events themselves.

The reader is a task, a deque and one future. Reader and consumer never wait at the same
time (one waits while the deque is full, the other while it is empty), so one future serves
both.
"""

# ruff: noqa: SLF001 - the one module that reaches below Falcon's public API

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any
from typing import TYPE_CHECKING

import msgspec
from falcon import WebSocketDisconnected
from falcon.asgi import WebSocket

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable

    from falcon_pachinko.protocols import WebSocketLike
    from falcon_pachinko.security import Breach
    from falcon_pachinko.security import ConnectionLimits
    from falcon_pachinko.security import Meter

    Event = Any  # an ASGI event; Falcon's own type for it is private
    Receive = Callable[[], Awaitable[Event]]
    Send = Callable[[Event], Awaitable[None]]
    Watch = Callable[[Event, Send], Awaitable[None]]

__all__ = ["ABNORMAL", "MAX_UNREAD", "Inbox", "close_in_time", "tap_receive", "tap_send"]

_CLOSE_TIMEOUT = 0.25  # seconds; who does not read does not read a close frame either

MAX_UNREAD = 32
"""How many frames are read ahead of the handlers; a disconnect behind them is seen."""

ABNORMAL = 1006
"""The code of a connection that ended without a close frame (RFC 6455, section 7.1.5)."""

_NO_STATUS = 1005  # a close frame without a code; also ASGI's default


def tap_send(ws: WebSocketLike, watch: Watch) -> None:
    """Give ``watch`` each accept and close event on its way to the server.

    It also gets the function that sends the event. This and ``tap_receive`` are all that
    reaches below Falcon's public API; of any other ``WebSocketLike`` nothing is seen.
    """
    if isinstance(ws, WebSocket):
        send = ws._asgi_send

        def watched(event: Event) -> Awaitable[None]:
            return send(event) if event["type"] == "websocket.send" else watch(event, send)

        ws._asgi_send = watched


def tap_receive(ws: WebSocketLike, instead: Receive) -> Receive:
    """Return a function that receives the next frame's event, text or binary.

    It raises ``WebSocketDisconnected`` at the end, of which Falcon is told. Falcon does not
    read ahead any more, and its own ``receive_*`` methods call ``instead``.

    A connection that was accepted before it came here is read through what Falcon has
    read ahead. Any other ``WebSocketLike`` is read through ``receive_media``: ``str`` and
    ``bytes`` are frames as they stand, another object is encoded again.
    """
    if not isinstance(ws, WebSocket):
        return lambda: _receive_media(ws)
    if not ws.unaccepted:
        return ws._receive
    reader = ws._buffered_receiver
    reader._max_queue = 0
    receive = reader._asgi_receive
    ws._asgi_receive = instead

    async def tapped() -> Event:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            code = event.get("code") or _NO_STATUS
            reader.client_disconnected_code = code
            reader.client_disconnected = True
            raise WebSocketDisconnected(code)
        return event

    return tapped


async def close_in_time(ws: WebSocketLike, code: int, reason: str) -> None:
    """Close a connection, in whatever state it is; give up if its peer does not read."""
    with suppress(Exception):
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await ws.close(code, reason)


def _frame_of(event: Event) -> str | bytes:
    text: str | None = event.get("text")
    data: bytes = event.get("bytes") or b""
    return data if text is None else text


async def _receive_media(ws: WebSocketLike) -> Event:
    media = await ws.receive_media()
    if isinstance(media, bytes):
        return {"bytes": media}
    return {"text": media if isinstance(media, str) else msgspec.json.encode(media).decode()}


class Inbox:
    """What has arrived on one connection, and how it ended.

    Attributes:
        frames: The unread frames, the oldest first; ``pop`` takes one.
        accepted: Whether the handshake was accepted.
        close_code: The code with which the application closed, from the moment it did.
        lost_code: The code with which the peer ended the connection, once that is read.
        deny: Called with the function that sends to the server, in place of the close event
            that refuses the handshake.
        forbidding: Whether the reader is closing the connection because of its limits.
        opening: Called when the connection is about to be accepted.
        opened: Called once, when the connection has been accepted.
        last_word: The code and the reason of the end, whatever it is that closes; None if whoever
            closes says them.
    """

    __slots__ = (
        "_failure",
        "_receive",
        "_task",
        "_waiter",
        "accepted",
        "close_code",
        "deny",
        "forbidding",
        "frames",
        "last_word",
        "lost_code",
        "opened",
        "opening",
    )

    def __init__(self, ws: WebSocketLike) -> None:
        self.frames: deque[str | bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None  # who waits, if somebody does
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None  # what the transport raised
        # An injected connection may have been accepted before it came here.
        self.accepted = not (ws.unaccepted or ws.closed)
        self.close_code: int | None = None
        self.lost_code: int | None = None
        self.deny: Callable[[Send], Awaitable[None]] | None = None
        self.forbidding = False
        self.opening: Callable[[], None] | None = None
        self.opened: Callable[[], None] | None = None
        self.last_word: tuple[int, str] | None = None
        self._receive = tap_receive(ws, self.receive)
        tap_send(ws, self.watch)

    async def watch(self, event: Event, send: Send) -> None:
        """Send an accept or close event, and keep a record of it."""
        if event["type"] == "websocket.accept":
            if self.opening is not None:
                self.opening()
            await send(event)
            self.start()
            return
        if self.last_word is not None:
            code, reason = self.last_word
            event = {**event, "code": code, **({"reason": reason} if "reason" in event else {})}
        if self.lost_code is None:
            self.close_code = event["code"]
        try:
            if self.deny is None or self.accepted:
                await send(event)
            else:
                await self.deny(send)
        except OSError:
            # The peer was faster (ASGI 2.4): the reader is about to see how it left.
            self.close_code = None
        self._wake()

    @property
    def ended(self) -> bool:
        """Whether either side is known to have ended the connection."""
        return self.close_code is not None or self.lost_code is not None

    @property
    def code(self) -> int:
        """The code with which the connection ended, whoever ended it first."""
        if self.close_code is not None:
            return self.close_code
        return ABNORMAL if self.lost_code is None else self.lost_code

    def start(self) -> None:
        """Start to read, once. The connection has been accepted."""
        self.accepted = True
        if self._task is None:
            self._task = asyncio.create_task(self._read(), name="falcon_pachinko reader")
            if self.opened is not None:
                # Called once, and then not referred to: it refers to this in turn.
                opened, self.opened = self.opened, None
                opened()

    def guard(self, limits: ConnectionLimits, forbid: Callable[[Breach], Awaitable[None]]) -> None:
        """Measure each frame when it arrives; the first one too many ends the connection.

        What came before it is served, as it is when the peer ends the connection.

        Args:
            limits: The limits.
            forbid: Closes the connection, within bounded time.
        """
        receive = self._receive
        now = asyncio.get_running_loop().time
        meter: Meter | None = None  # from the first time that somebody listens

        async def guarded() -> Event:
            nonlocal meter
            if meter is None:
                meter = limits.meter(now())
            meter.resume(now())
            event = await receive()
            breach = None if self.ended else meter.admit(_frame_of(event), now())
            if breach is None:
                return event
            self.lost_code = breach.code
            # At once: a handler that sees the end must not find it closed before that is sent.
            self.forbidding = True
            await forbid(breach)
            self.forbidding = False
            raise WebSocketDisconnected(breach.code)

        self._receive = guarded

    async def forbidden(self) -> None:
        """Wait while the connection is being closed because of its limits."""
        await asyncio.wait({self._task})  # type: ignore[type-var]

    def stop(self) -> None:
        """Stop to read."""
        if self._task is not None:
            self._task.cancel()

    def abandon(self, _: object = None) -> None:
        """Take note that nobody will end the connection any more."""
        self.lose(ABNORMAL)

    def lose(self, code: int) -> None:
        """Take note that the connection has ended, and not by a close of the application."""
        if self.lost_code is None:
            self.lost_code = code
        self._wake()

    async def more(self) -> bool:
        """Wait for a frame; False when none will come.

        Raises:
            Exception: What the transport raised, if not a disconnect, after the frames
                before it.
        """
        while not self.frames:
            if self.ended:
                return False
            if self._failure is not None:
                raise self._failure
            await self._wait()
        return True

    def pop(self) -> str | bytes:
        """Return the oldest unread frame."""
        frame = self.frames.popleft()
        if self._waiter is not None:
            self._wake()
        return frame

    async def receive(self) -> Event:
        """Return the next event: what Falcon's ``receive_*`` methods call.

        A handler that calls one of them gets the next frame, in the order of arrival.
        """
        if not await self.more():
            return {"type": "websocket.disconnect", "code": self.code}
        frame = self.pop()
        kind = "text" if isinstance(frame, str) else "bytes"
        return {"type": "websocket.receive", kind: frame}

    async def drain(self) -> None:
        """Discard frames until the connection has ended."""
        try:
            while await self.more():
                self.pop()
        except Exception:  # noqa: BLE001 - a transport in no state to tell a code
            self.lose(ABNORMAL)

    async def _read(self) -> None:
        frames = self.frames
        receive = self._receive
        try:
            while True:
                event = await receive()
                text = event.get("text")
                frames.append(event.get("bytes") or b"" if text is None else text)
                if self._waiter is not None:
                    self._wake()
                while len(frames) > MAX_UNREAD:
                    await self._wait()
        except WebSocketDisconnected as error:
            self.lose(error.code)
        except Exception as error:  # noqa: BLE001 - more() raises it
            self._failure = error
            self._wake()

    async def _wait(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            raise RuntimeError(
                "Two tasks wait for the next frame of one connection.\n"
                "Hint: the receive loop reads it and calls the handlers; a task of yours can "
                "be given messages by them, through an asyncio.Queue for example."
            )
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            # Before the one who waits runs again, the other may already be waiting.
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
