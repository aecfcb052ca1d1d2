"""The peer's end of a connection over a network.

What is below a frame is the business of the library websockets. Its connection hands on each
event when it arrives, so that a trace has everything in order, read or not.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from typing import TYPE_CHECKING

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect
from websockets.asyncio.server import broadcast
from websockets.exceptions import InvalidHandshake
from websockets.exceptions import InvalidStatus
from websockets.exceptions import NegotiationError
from websockets.frames import Opcode

from pytest_pachinko.futures import ring
from pytest_pachinko.headers import Headers
from pytest_pachinko.peer import FRAME_COST
from pytest_pachinko.peer import MAX_UNREAD_BYTES
from pytest_pachinko.peer import PeerEnd
from pytest_pachinko.tasks import machinery
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Handshake

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from websockets.datastructures import Headers as RawHeaders
    from websockets.frames import Frame

    from pytest_pachinko.trace.record import Trace

__all__ = ["NegotiationError", "NetworkPeer"]

_DATA = (Opcode.CONT, Opcode.TEXT, Opcode.BINARY)

_SHOWN_ONCE = frozenset({"host"})  # a header of the test's replaces it


class NetworkPeer(PeerEnd):
    """A client of a server.

    Args:
        trace: Where to note what crosses the wire.
        loop: The event loop of the test.
        patience: Seconds that the server has to answer a close.

    Attributes:
        gone: Whether there is no connection, or no longer.
    """

    def __init__(self, trace: Trace, loop: asyncio.AbstractEventLoop, patience: float) -> None:
        super().__init__(trace, loop)
        self._patience = patience
        self._connecting: asyncio.Task[Exception | None]
        self._closing: asyncio.Task[None] | None = None
        self._fragments: list[bytes] = []
        self._text = False  # whether the fragments are
        self._room: list[asyncio.Future[None]] = []
        self._loss: list[asyncio.Future[None]] = []
        self.connection: Any = None
        self.gone = False

    def dial(
        self,
        uri: str,
        headers: list[tuple[str, str]],
        open_socket: Callable[[], socket.socket] | None,
        **options: Any,
    ) -> asyncio.Task[Exception | None]:
        """Begin the handshake.

        Args:
            uri: Where to connect to.
            headers: Headers of the request.
            open_socket: Connects, if the URI alone does not say where to.
            **options: As for ``websockets.connect``.

        Returns:
            A task whose result is the error for which no connection came about, or None.
        """
        self._connecting = machinery(
            self._establish(uri, headers, open_socket, options), self._loop
        )
        return self._connecting

    async def _establish(
        self,
        uri: str,
        headers: list[tuple[str, str]],
        open_socket: Callable[[], socket.socket] | None,
        options: dict[str, Any],
    ) -> Exception | None:
        """Perform the handshake; return why no connection came about, if none did."""
        make: Any = partial(_Connection, self)
        try:
            if open_socket is not None:
                options["sock"] = open_socket()
            await _Attempt(
                uri,
                create_connection=make,
                additional_headers=headers,
                proxy=None,
                open_timeout=None,
                close_timeout=self._patience,
                ping_interval=None,
                **options,
            )
        except InvalidStatus as error:
            response = error.response
            shown = Headers(_raw(response.headers))
            body = bytes(response.body or b"")
            self._answer(Handshake(response.status_code, None, shown, body))
        except (OSError, InvalidHandshake, ValueError) as error:
            return error
        finally:
            if self.handshake is None or self.handshake.status != 101:
                self.lost()
        return None

    # The test's side.

    def push(self, payload: str | bytes) -> None:
        """Send a frame to the application."""
        data = payload.encode() if isinstance(payload, str) else payload  # else nothing is noted
        self.trace.record(
            "to_app", "text" if data is not payload else "bytes", payload, self._now()
        )
        broadcast([self.connection], payload)

    def room(self) -> asyncio.Future[None] | None:
        """Return a future that is done when the server reads; None while there is room."""
        if not self.connection.paused or self.gone:
            return None
        return self._wait(self._room)

    def pop(self) -> str | bytes:
        """Return the oldest unread frame."""
        payload = super().pop()
        if self._unread_bytes <= MAX_UNREAD_BYTES and not self.gone:
            self.connection.transport.resume_reading()
        return payload

    def hang_up(self, code: int, reason: str = "") -> None:
        """End the connection from the peer's side; does nothing if it has ended."""
        if self.handshake is None:
            self.abort()
        elif self.handshake.status == 101 and self.closed is None:
            self._close(Close(code, reason), "to_app")
            if code == 1006:
                self.abort()
            else:
                self.connection.transport.resume_reading()  # for the answer; frames are dropped
                self._closing = machinery(self.connection.close(code, reason), self._loop)

    def abort(self) -> None:
        """End the connection at once, whatever its state."""
        self._connecting.cancel()
        # Before TLS is established there is no transport, and the attempt ends with its task.
        transport = getattr(self.connection, "transport", None)
        if transport is not None and not self.gone:
            transport.abort()

    def pending(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that still connect or close."""
        tasks = (self._connecting, self._closing)
        return [task for task in tasks if task is not None and not task.done()]

    def watch_loss(self) -> asyncio.Future[None] | None:
        """Return a future that is done when there is no connection any more; None if so."""
        return None if self.gone else self._wait(self._loss)

    # The network's side.

    def accepted(self) -> None:
        """Take note that the server has accepted."""
        response = self.connection.response
        headers = Headers(_raw(response.headers))
        self._answer(Handshake(101, self.connection.subprotocol, headers))

    def arrived(self, frame: Frame) -> None:
        """Take a data frame, which may be a part of a message (RFC 6455, section 5.4)."""
        if self.closed is not None:
            return
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        data = b"".join(self._fragments)
        self._fragments.clear()
        payload: str | bytes = data
        if self._text:
            try:
                payload = data.decode()
            except UnicodeDecodeError:
                self.connection.protocol.fail(1007, "invalid UTF-8")
                self.connection.send_data()
                self.check()  # what comes after it is no message any more
                return
        self.trace.record("from_app", "text" if self._text else "bytes", payload, self._now())
        self._unread_bytes += len(payload) + FRAME_COST
        self.frames.append(payload)
        if self._unread_bytes > MAX_UNREAD_BYTES:
            self.connection.transport.pause_reading()
        self.ring()

    def close_arrived(self) -> None:
        """Take the server's close, or the answer to our own."""
        close = self.connection.protocol.close_rcvd
        self._close(Close(close.code, close.reason), "from_app")
        ring(self._room)  # it reads no more

    def check(self) -> None:
        """Take note if the server has broken the protocol, or a limit, and was told so."""
        sent = self.connection.protocol.close_sent
        if sent is not None and self.closed is None and self.handshake is not None:
            self._close(Close(sent.code, sent.reason), "to_app")
            ring(self._room)

    def lost(self) -> None:
        """Take note that there is no connection any more."""
        self.gone = True
        ring(self._room)
        ring(self._loss)
        if self.handshake is not None and self.handshake.status == 101 and self.closed is None:
            self._close(Close(1006), "from_app")


class _Attempt(connect):
    """A handshake whose answer is what it is: a test sees a redirect, a browser does not follow."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Connection(ClientConnection):
    """A connection that hands on what arrives at once, without a queue in between."""

    def __init__(self, peer: NetworkPeer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.peer = peer
        peer.connection = self

    async def handshake(self, additional_headers: Any = None, *args: Any) -> None:
        own = {name.lower() for name, _ in additional_headers} & _SHOWN_ONCE
        begin = self.protocol.connect

        def connect() -> Any:
            request: Any = begin()
            for name in own:
                del request.headers[name]
            # What HTTP says of headers (RFC 9110, section 5.5), and websockets from 17 on.
            line = f"GET {request.path} HTTP/1.1\r\n"
            request.serialize = lambda: _latin1(f"{line}{request.headers}")
            return request

        self.protocol.connect = connect  # type: ignore[method-assign]
        await super().handshake(additional_headers, *args)

    def process_event(self, event: Any) -> None:
        if self.response is None:
            super().process_event(event)
            if self.protocol.handshake_exc is None:
                self.peer.accepted()
        elif event.opcode in _DATA:
            self.peer.arrived(event)
        elif event.opcode is Opcode.CLOSE:
            self.peer.close_arrived()
        else:
            super().process_event(event)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.peer.check()

    def resume_writing(self) -> None:
        super().resume_writing()
        ring(self.peer._room)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.peer.lost()


def _raw(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), _latin1(value)) for name, value in headers.raw_items()]


def _latin1(text: str) -> bytes:
    """Return the bytes of a header, whichever way websockets has read them."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:  # before 17, as UTF-8
        return text.encode("utf-8", "surrogateescape")
