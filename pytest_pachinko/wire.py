"""One in-memory ASGI WebSocket: a pipe with an application end and a peer end.

The application end is the ``receive`` and ``send`` of the ASGI WebSocket specification,
version 2.4, with the rules that a server enforces:

=============  =============================================  ==========================
state          the application may send                       then
=============  =============================================  ==========================
connecting     websocket.accept                               open
connecting     websocket.close: HTTP 403                      closed
connecting     websocket.http.response.start                  denying
denying        websocket.http.response.body, the last one     closed
open           websocket.send                                 open
open           websocket.close                                closed
lost           anything: ``ClientDisconnected``, an OSError   lost
closed         nothing: RuntimeError                          closed
=============  =============================================  ==========================

The peer may send and close while the wire is open, which makes it lost for the application.
Both directions are bounded in bytes; whoever sends past the bound waits for the other side
to read. Nothing here polls: each side parks on one future.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any
from typing import ClassVar
from typing import Literal
from typing import TYPE_CHECKING

from pytest_pachinko.futures import pass_on
from pytest_pachinko.futures import ring
from pytest_pachinko.headers import Headers
from pytest_pachinko.headers import NO_HEADERS
from pytest_pachinko.peer import FRAME_COST
from pytest_pachinko.peer import MAX_REASON
from pytest_pachinko.peer import MAX_UNREAD_BYTES
from pytest_pachinko.peer import may_close_with
from pytest_pachinko.peer import PeerEnd
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Handshake

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from pytest_pachinko.faults import Deliver
    from pytest_pachinko.faults import Fault
    from pytest_pachinko.faults import Pace
    from pytest_pachinko.trace.event import Kind
    from pytest_pachinko.trace.record import Trace

    Event = Any  # an ASGI event; a fault may put an exception in the place of one

__all__ = ["ClientDisconnected", "State", "Wire"]

# The usual ones.
_ACCEPTED = Handshake()
_GOODBYE = Close(1000)

_BYTES = (bytes, bytearray, memoryview)  # what servers send

# What the application may do next; the states of the table above.
State = Literal["connecting", "denying", "open", "lost", "closed"]


class ClientDisconnected(OSError):  # noqa: N818 - what uvicorn calls it
    """The application sent to a peer that has left (ASGI specification 2.4)."""


class Wire(PeerEnd):
    """A pipe between an application and a peer.

    Attributes:
        scope: The ASGI scope of the connection.
        state: What the application may do next.
    """

    state: State = "connecting"

    _denial: Event
    _queued_bytes = 0
    _reader: asyncio.Future[None] | None = None  # the application, in receive()
    # What faults make of the two ways, if there are any. A wire must not refer to its own
    # methods otherwise: it would be garbage that only the collector finds.
    _to_app: Deliver | None = None
    _from_app: Deliver | None = None
    _paces: Sequence[Pace] = ()  # what faults let the application wait for
    _turn: asyncio.Lock  # who waits for them

    def __init__(
        self,
        scope: dict[str, Any],
        trace: Trace,
        loop: asyncio.AbstractEventLoop,
        faults: Sequence[Fault] = (),
    ) -> None:
        super().__init__(trace, loop)
        self._queue: deque[Any] = deque()
        self._room_for_app: list[asyncio.Future[None]] = []  # the application, in send()
        self._room_for_peer: list[asyncio.Future[None]] = []
        for fault in faults:
            self._to_app = fault.to_app(self._to_app or self._arrive_at_app)
            self._from_app = fault.from_app(self._from_app or self._arrive_at_peer)
        if faults:
            paces = [fault.pace() for fault in faults]
            self._paces = [pace for pace in paces if pace is not None]
            self._turn = asyncio.Lock()
        self.scope = scope

    # The application's end.

    async def receive(self) -> Event:
        """Return the next event for the application.

        Raises:
            RuntimeError: Two tasks receive at once, or the disconnect was received before:
                a server would wait for ever.
        """
        queue = self._queue
        if not queue:
            if self._reader is not None and not self._reader.done():
                raise RuntimeError("Two tasks of the application call receive() at the same time.")
            if self.state in ("lost", "closed"):
                raise RuntimeError(
                    "The application called receive() again after websocket.disconnect: "
                    "there is nothing left to wait for."
                )
            self._reader = self._loop.create_future()
            await self._reader
        event = queue.popleft()
        if isinstance(event, BaseException):
            raise event
        if event["type"] == "websocket.receive":
            self._queued_bytes -= _cost(event)
            if self._room_for_peer:
                ring(self._room_for_peer)
        return event

    async def send(self, event: Event) -> None:
        """Take an event of the application.

        Raises:
            ClientDisconnected: The peer has left.
            RuntimeError: The event is not allowed in this state.
        """
        kind = event["type"]
        if self._paces and self.state == "open":
            await self._keep_pace(event)
        if kind == "websocket.send" and self.state == "open":
            (self._from_app or self._arrive_at_peer)(event)
            while self._unread_bytes > MAX_UNREAD_BYTES and self.state == "open":
                await self._wait(self._room_for_app)
            return
        if self.state == "lost":
            raise ClientDisconnected("The peer has left the connection.")
        rule = self._RULES.get((self.state, kind))
        if rule is None:
            raise RuntimeError(
                f"The application sent {kind!r} while the connection is {self.state}: "
                "a server refuses that."
            )
        rule(self, event)

    async def _keep_pace(self, event: Event) -> None:
        """Wait until the faults let an event go, unless the peer leaves; one after the other."""
        async with self._turn:
            for pace in self._paces:
                free = pace(event)
                if free is None:
                    continue
                try:
                    while not free.done() and self.state == "open":
                        news = self._wait(self._room_for_app)
                        free.add_done_callback(partial(pass_on, news))
                        await news
                finally:
                    free.cancel()

    def _accept(self, event: Event) -> None:
        chosen = event.get("subprotocol")
        offered = self.scope["subprotocols"]
        if chosen is not None and chosen not in offered:
            raise RuntimeError(
                f"The application accepted the subprotocol {chosen!r}, but the client offered "
                f"{', '.join(map(repr, offered)) or 'none'}: a client ends such a connection."
            )
        self.state = "open"
        headers = event.get("headers")
        if chosen is None and not headers:
            self._answer(_ACCEPTED)
        else:
            self._answer(Handshake(101, chosen, Headers(headers) if headers else NO_HEADERS))

    def _refuse(self, event: Event) -> None:
        self._answer(Handshake(403, close_code=event.get("code", 1000)))
        self._end_for_app(1006, "")

    def _start_denial(self, event: Event) -> None:
        self._denial = event | {"body": b""}
        self.state = "denying"

    def _deny(self, event: Event) -> None:
        start = self._denial
        start["body"] += event.get("body", b"")
        if not event.get("more_body", False):
            headers = Headers(start.get("headers") or ())
            self._answer(Handshake(start["status"], None, headers, start["body"]))
            self._end_for_app(1006, "")

    def _close_by_app(self, event: Event) -> None:
        code, reason = event.get("code", 1000), event.get("reason") or ""
        if not may_close_with(code):
            raise RuntimeError(
                f"The application closed with {code!r}: 1000 to 1003, 1007 to 1014 and 3000 to "
                "4999 may be sent (RFC 6455, section 7.4)."
            )
        if len(reason.encode()) > MAX_REASON:
            raise RuntimeError(
                f"The application closed with a reason of {len(reason.encode())} bytes: at most "
                f"{MAX_REASON} can be sent (RFC 6455, section 5.5)."
            )
        (self._from_app or self._arrive_at_peer)(event)
        self._end_for_app(code, reason)

    _RULES: ClassVar[dict[tuple[str, str], Callable[[Wire, Event], None]]] = {
        ("connecting", "websocket.accept"): _accept,
        ("connecting", "websocket.close"): _refuse,
        ("connecting", "websocket.http.response.start"): _start_denial,
        ("denying", "websocket.http.response.body"): _deny,
        ("open", "websocket.close"): _close_by_app,
    }

    def _end_for_app(self, code: int, reason: str) -> None:
        # As uvicorn does, the application that closes gets its own code back.
        self.state = "closed"
        self._put({"type": "websocket.disconnect", "code": code, "reason": reason})

    def _arrive_at_peer(self, event: Event) -> None:
        """Let the peer see an event of the application."""
        if self.closed is not None:
            return
        text = event.get("text")
        payload: Any = event.get("bytes") if text is None else text
        if event["type"] == "websocket.close":
            self._close(Close(event.get("code", 1000), event.get("reason") or ""), "from_app")
        elif isinstance(payload, str if text is not None else _BYTES):
            kind: Kind = "bytes" if text is None else "text"
            if text is None and payload.__class__ is not bytes:
                payload = bytes(event["bytes"])
            if text is not None and not text.isascii():
                text.encode()  # a lone surrogate cannot be sent (RFC 3629, section 3)
            self.trace.record("from_app", kind, payload, self._now())
            self._unread_bytes += len(payload) + FRAME_COST
            self.frames.append(payload)
            if self._news:
                ring(self._news)
        else:
            raise TypeError(
                "websocket.send carries a str as 'text' or bytes as 'bytes', not "
                f"text={text!r}, bytes={event.get('bytes')!r}."
            )

    def returned(self) -> None:
        """Take note that the application has returned; a server then ends what is left."""
        if self.handshake is None and self.closed is None:
            self._answer(Handshake(500, body=b"Internal Server Error"))
            self.state = "closed"
        elif self.state == "open":
            self.state = "closed"
            # Behind what is on its way.
            (self._from_app or self._arrive_at_peer)({"type": "websocket.close", "code": 1006})
        if self._news:
            ring(self._news)

    # The peer's end.

    def connect(self) -> None:
        """Begin the handshake."""
        self._put({"type": "websocket.connect"})

    def push(self, payload: str | bytes) -> None:
        """Send a frame to the application."""
        kind: Kind = "text" if isinstance(payload, str) else "bytes"
        self.trace.record("to_app", kind, payload, self._now())
        (self._to_app or self._arrive_at_app)({"type": "websocket.receive", kind: payload})

    def hang_up(self, code: int, reason: str = "") -> None:
        """End the connection from the peer's side; does nothing if it has ended."""
        if self.closed is not None or (self.handshake and self.handshake.status != 101):
            return
        self._close(_GOODBYE if code == 1000 and not reason else Close(code, reason), "to_app")
        event = {"type": "websocket.disconnect", "code": code, "reason": reason}
        if self._to_app is None:
            self._lose(event)
        else:
            self._to_app(event)

    def pop(self) -> str | bytes:
        """Return the oldest unread frame."""
        payload = self.frames.popleft()
        self._unread_bytes -= len(payload) + FRAME_COST
        if self._room_for_app:
            ring(self._room_for_app)
        return payload

    def room(self) -> asyncio.Future[None] | None:
        """Return a future that is done when the application reads; None while there is room."""
        if self._queued_bytes <= MAX_UNREAD_BYTES or self.state != "open":
            return None
        return self._wait(self._room_for_peer)

    def _arrive_at_app(self, event: Any) -> None:
        """Let the application see an event of the peer."""
        kind = event["type"] if isinstance(event, dict) else "error"
        if kind == "websocket.disconnect":
            self._lose(event)
            return
        if kind == "websocket.receive":
            self._queued_bytes += _cost(event)
        self._put(event)

    def _lose(self, event: Event) -> None:
        """Let the application see that the peer has left."""
        if self.state in ("lost", "closed"):
            return
        self.state = "lost"
        if self.closed is None:  # a fault has ended the connection
            self._close(Close(event["code"], event.get("reason") or ""), "to_app")
        if self._room_for_app:
            ring(self._room_for_app)
        if self._room_for_peer:
            ring(self._room_for_peer)
        self._put(event)

    def _put(self, event: Any) -> None:
        self._queue.append(event)
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)


def _cost(event: Event) -> int:
    return len(event.get("text") or event.get("bytes") or "") + FRAME_COST
