"""A client for WebSocket servers: the same sessions, over a network."""

from __future__ import annotations

import asyncio
import socket
import ssl as tls
from contextlib import suppress
from functools import partial
from typing import Any
from typing import cast
from typing import TYPE_CHECKING
from urllib.parse import unquote
from urllib.parse import urlsplit

from pytest_pachinko.clock.adopt import Attendance
from pytest_pachinko.connecting import Connecting
from pytest_pachinko.connecting import Transport
from pytest_pachinko.errors import ConnectionFailed
from pytest_pachinko.errors import missing
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.errors import Stalled
from pytest_pachinko.futures import pass_on
from pytest_pachinko.headers import encode_headers
from pytest_pachinko.quiet import settle
from pytest_pachinko.resources import message_types
from pytest_pachinko.scope import request_headers
from pytest_pachinko.scope import request_target
from pytest_pachinko.session import Session
from pytest_pachinko.tasks import machinery
from pytest_pachinko.trace.event import Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from pytest_pachinko.clock.core import Clock
    from pytest_pachinko.faults import Fault
    from pytest_pachinko.headers import HeaderSource
    from pytest_pachinko.live import LiveServer
    from pytest_pachinko.network import NetworkPeer
    from pytest_pachinko.tasks import Belongings
    from pytest_pachinko.trace.event import Handshake

__all__ = ["ClientConnecting", "WebSocketSession", "WebSocketTestClient"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

TIMEOUT = 5.0
"""Seconds of real time that a test waits for a server on a network."""

SILENCE = 0.1
"""Seconds of real time for which ``expect_silence()`` listens on a network."""

MAX_SIZE = 16 * 1024 * 1024
"""How many bytes a message of a server may have: as many as uvicorn takes of a client."""

_WRONG_TIME = (9, 10)  # OpenSSL's X509_V_ERR_*: not yet valid, expired
_WRONG_NAME = (62, 63, 64)  # the host, the e-mail, the address


class WebSocketSession(Session):
    """A session over a network: everything that a ``Session`` is, and pings.

    Against a ``LiveServer``, whose sockets are all in the event loop of the test, it knows as
    well as in memory when nothing more can come. Against any other server each wait has a limit
    in real time, and its message says so.
    """

    _wire: NetworkPeer

    def __init__(
        self,
        wire: NetworkPeer,
        path: str,
        belongings: Belongings,
        clock: Clock | None,
        limit: float,
    ) -> None:
        super().__init__(wire, path, belongings, clock, limit)
        if clock is None:
            self._listens = SILENCE

    @property
    def compression(self) -> str | None:
        """The negotiated extension with its parameters (RFC 7692, section 5), or None.

        Such as ``"permessage-deflate; server_max_window_bits=12"``.
        """
        return self.response_headers.get("sec-websocket-extensions")

    async def ping(self, data: bytes = b"", *, within: float | None = None) -> float:
        """Send a ping and wait for its pong (RFC 6455, section 5.5.2).

        Args:
            data: At most 125 bytes; something unique if empty.
            within: Seconds to wait; see ``receive``.

        Returns:
            Seconds that the answer took, in the time of the event loop.

        Raises:
            SessionClosed: The connection has ended, or ends before there is a pong.
            Stalled: No pong came.
        """
        if len(data) > 125:
            raise PachinkoUsageError(f"ping(): at most 125 bytes of data, not {len(data)}.")
        self._surface()
        if self.closed:
            raise self._ended("ping()")
        from websockets.exceptions import ConcurrencyError

        # A task: it waits while the server reads nothing, and for that there is a limit here.
        sending = machinery(self._wire.connection.ping(data or None), asyncio.get_running_loop())
        try:
            pong = await self._outcome(sending, within)
        except ConcurrencyError:
            raise PachinkoUsageError(
                f"ping({data!r}): a ping with the same data is not answered yet."
            ) from None
        finally:
            sending.cancel()
        return cast("float", await self._outcome(pong, within))

    async def _outcome(self, future: asyncio.Future[Any], within: float | None) -> Any:
        from websockets.exceptions import ConnectionClosed

        while not future.done() and not self.closed:
            news = self._wire.watch()
            future.add_done_callback(partial(pass_on, news))
            await self._wait(news, "ping()", "no pong came", within)
        if not future.done() or isinstance(future.exception(), ConnectionClosed):
            raise self._ended("ping()")
        return future.result()

    async def _settle(self) -> None:
        await settle()
        if self._clock is None and self.closed:
            with suppress(Stalled):
                await self._wait_for_loss()

    async def _wait_for_loss(self) -> None:
        """Wait until the connection is gone.

        Raises:
            Stalled: It does not go.
        """
        loss = self._wire.watch_loss()
        if loss is not None:
            await self._wait(loss, "close()", "the server does not end the connection", None)


class WebSocketTestClient(Transport):
    """Opens sessions to a server.

    Args:
        app_url: The address of the server, such as ``"wss://example.com"``; a path in it comes
            before the path of each connection.
        headers: Headers of each handshake. What a connection is opened with goes before.
        subprotocols: What each connection offers, unless it says otherwise.
        allow_insecure: Whether ``ws://``, without TLS, is permitted.
        ssl: How to verify the server (RFC 6455, section 4.1); as the system does if not given.
        compression: ``"deflate"`` to offer permessage-deflate (RFC 7692), or None.
        max_size: How many bytes a message may have before the client closes with 1009; None
            for any number.
        timeout: Seconds of real time that a test waits for the server.

    Raises:
        PachinkoUsageError: The address is none of a WebSocket server, or insecure, or the
            package websockets is not installed.

    Example::

        client = WebSocketTestClient("wss://staging.example.com")
        async with client.connect("/chat/rooms/tea") as session:
            await session.send(Join(nick="ann"))
    """

    def __init__(
        self,
        app_url: str,
        *,
        headers: HeaderSource | None = None,
        subprotocols: Sequence[str] | None = None,
        allow_insecure: bool = False,
        ssl: tls.SSLContext | None = None,
        compression: str | None = "deflate",
        max_size: int | None = MAX_SIZE,
        timeout: float = TIMEOUT,
    ) -> None:
        try:
            from pytest_pachinko import network
        except ImportError as error:
            raise missing("WebSocketTestClient", error) from error
        super().__init__(timeout)
        self._network = network
        self._url = _check_url(app_url, insecure=allow_insecure)
        if ssl is not None and not self._url.startswith("wss:"):
            raise PachinkoUsageError(f"{app_url!r} has no TLS, so ssl=... has no meaning.")
        if compression not in ("deflate", None):
            raise PachinkoUsageError(f'compression={compression!r}: "deflate" or None.')
        self._headers = encode_headers(headers)
        self._subprotocols = subprotocols
        self._options: dict[str, Any] = {"compression": compression, "max_size": max_size}
        if ssl is not None:
            self._options["ssl"] = ssl
        self._server: LiveServer | None = None

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        return f"<{type(self).__name__} of {self._url}: {len(self.traces)} sessions so far>"

    def connect(
        self,
        path: str,
        *,
        headers: HeaderSource | None = None,
        subprotocols: Sequence[str] | None = None,
        cookies: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        name: str | None = None,
        raise_app_exceptions: bool = True,
    ) -> ClientConnecting:
        """Open a session: ``async with client.connect(path) as session``.

        Args:
            path: The path, with its query if it has one.
            headers: Headers of the request; they replace the client's of the same name.
            subprotocols: What the client offers, in its order; the client's if not given.
            cookies: Cookies of the request.
            params: Parameters to add to the query.
            name: What to call the session in messages; its path if not given.
            raise_app_exceptions: Whether what the application raises is raised in the test,
                if it runs in a ``LiveServer``.

        Returns:
            An async context manager. Entering it waits for the handshake and yields a
            ``WebSocketSession``; leaving it closes the connection.

        Raises:
            PachinkoUsageError: The path or a header cannot be sent.
        """
        target, query = request_target(path, params)
        offer = self._subprotocols if subprotocols is None else subprotocols
        pairs, offered = request_headers(headers, cookies, offer)
        names = {key for key, _ in pairs}
        pairs = [pair for pair in self._headers if pair[0] not in names] + pairs
        uri = f"{self._url}{target}{'?' if query else ''}{query}"
        return ClientConnecting(self, path, name, raise_app_exceptions, uri, pairs, offered)

    def __call__(
        self,
        path: str,
        *,
        headers: HeaderSource | None = None,
        subprotocols: Sequence[str] | None = None,
        cookies: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        client: tuple[str, int] | None = None,
        name: str | None = None,
        faults: Sequence[Fault] = (),
        raise_app_exceptions: bool = True,
    ) -> ClientConnecting:
        """Open a session, like ``connect``; see ``Transport``."""
        for option, given in (("faults", faults), ("client", client)):
            if given:
                raise PachinkoUsageError(
                    f"{option}=... is for sessions in memory, and this one has a real server.\n"
                    'Hint: @pytest.mark.pachinko(transport="memory") keeps the test in memory.'
                )
        return self.connect(
            path,
            headers=headers,
            subprotocols=subprotocols,
            cookies=cookies,
            params=params,
            name=name,
            raise_app_exceptions=raise_app_exceptions,
        )

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._server is not None:
            self._server._check(loop)


class ClientConnecting(Connecting):
    """A session over a network that is about to be opened."""

    session: WebSocketSession
    wire: NetworkPeer

    def __init__(
        self,
        client: WebSocketTestClient,
        path: str,
        name: str | None,
        raise_app_exceptions: bool,  # noqa: FBT001
        uri: str,
        headers: list[tuple[bytes, bytes]],
        offered: list[str],
    ) -> None:
        super().__init__(client, path, name, raise_app_exceptions)
        self._uri = uri
        self._headers = headers
        self._offered = offered

    async def __aenter__(self) -> WebSocketSession:
        """Connect.

        Raises:
            HandshakeDenied: The server refused.
            ConnectionFailed: No connection came about.
            Stalled: The server did not answer.
            Exception: What the application raised, if it runs in a ``LiveServer``.
        """
        return cast("WebSocketSession", await super().__aenter__())

    def started(self, application: asyncio.Task[Any]) -> None:
        """Take note of the task in which a ``LiveServer`` runs the application."""
        self._task = application
        application.add_done_callback(lambda _: self.wire.ring())

    def _make(self, loop: asyncio.AbstractEventLoop) -> Session:
        client = self._opener
        server = client._server
        app = None if server is None else server.app
        path = unquote(self.path.partition("?")[0])
        types = partial(message_types, app, path, self._offered)
        trace = client._new_trace(self._name or self.path, types)
        query = self._uri.partition("?")[2].encode()
        trace.request = Request(path, query, self._headers, self._offered)
        self.wire = client._network.NetworkPeer(trace, loop, client.timeout)
        adoption = None if server is None else server._adoption
        clock = None if adoption is None else adoption.clock
        self.session = WebSocketSession(
            self.wire, self.path, self.belongings, clock, client.timeout
        )
        if adoption is not None:
            self._attendance = Attendance(adoption, None, self.session)
        return self.session

    def _begin(self) -> None:
        client = self._opener
        headers = [
            (name.decode(), value.decode("latin-1"))
            for name, value in self._headers
            if name != b"sec-websocket-protocol"
        ]
        attempt = self.wire.dial(
            self._uri,
            headers,
            None if client._server is None else partial(client._server._dial, self),
            subprotocols=self._offered or None,
            **client._options,
        )
        attempt.add_done_callback(self._attempted)

    def _attempted(self, attempt: asyncio.Task[Exception | None]) -> None:
        error = None if attempt.cancelled() else attempt.result()
        if error is not None:
            self.belongings.failures.append(self._explained(error))
        self.wire.ring()

    def _explained(self, error: Exception) -> ConnectionFailed:
        name = self.wire.trace.connection
        why = f": {error}" if str(error) else ""
        secure = self._uri.startswith("wss:")
        if isinstance(error, ConnectionRefusedError):
            hint = "Hint: nobody listens there; is the server started, and this its port?"
        elif isinstance(error, socket.gaierror):
            hint = "Hint: is the name of the host right, and can it be looked up from here?"
        elif isinstance(error, tls.SSLCertVerificationError):
            why = f": {error.verify_message.rstrip('.')}"
            if error.verify_code in _WRONG_NAME:
                hint = "Hint: connect to a name that the certificate is for."
            elif error.verify_code in _WRONG_TIME:
                hint = "Hint: the server needs a certificate that is valid today."
            else:
                hint = (
                    "Hint: trust the authority that has signed it: "
                    "WebSocketTestClient(..., ssl=ssl.create_default_context(cafile=...))"
                )
        elif secure and isinstance(error, tls.SSLError | ConnectionError):
            hint = "Hint: wss:// is for a server with TLS, ws:// for one without."
        elif isinstance(error, self._opener._network.NegotiationError):
            offered = ", ".join(self._offered) or "none"
            hint = f"Hint: a server chooses one of the subprotocols that are offered: {offered}."
        else:
            hint = "Hint: is it a WebSocket server that listens there, and without TLS?"
        failed = ConnectionFailed(
            f"{name}: no connection to {self._uri} came about: {type(error).__name__}{why}.\n{hint}"
        )
        failed.__cause__ = error
        return failed

    def _why_denied(self, answer: Handshake) -> str:
        offer = f"; offered were {', '.join(self._offered)}" if self._offered else ""
        return f"{super()._why_denied(answer)}, to {self._uri}{offer}"

    async def _end(self) -> None:
        try:
            await self.session._wait_for_loss()
        except Stalled:
            self.wire.abort()
        pending = self.wire.pending()
        if pending:
            await asyncio.wait(pending)

    def _release(self) -> None:
        self.wire.abort()
        if self._opener._server is not None:
            self._opener._server._forget(self)
        super()._release()


def _check_url(url: str, *, insecure: bool) -> str:
    """Return the address of a server without a slash at its end.

    Raises:
        PachinkoUsageError: It is none, or TLS is missing and was not declared dispensable.
    """
    try:
        parts = urlsplit(url)
        complete = bool(parts.hostname) and parts.port != 0
    except (AttributeError, TypeError, ValueError):
        raise PachinkoUsageError(f"{url!r} is no URL.\nHint: wss://host:port") from None
    if parts.scheme in ("http", "https"):
        right = parts._replace(scheme=parts.scheme.replace("http", "ws")).geturl()
        raise PachinkoUsageError(
            f"{url!r} is the address of an HTTP server.\nHint: for WebSockets it is {right!r}."
        )
    if parts.scheme not in ("ws", "wss") or not complete:
        raise PachinkoUsageError(
            f"{url!r} is no address of a WebSocket server (RFC 6455, section 3).\n"
            'Hint: "wss://host" or "wss://host:port", perhaps with a path'
        )
    if parts.query or parts.fragment:
        raise PachinkoUsageError(
            f"{url!r} has a query or a fragment, which belong to a path.\n"
            'Hint: client.connect("/path?query")'
        )
    if parts.scheme == "ws" and not insecure:
        raise PachinkoUsageError(
            f"{url!r} has no TLS.\nHint: allow_insecure=True permits that; or use wss://"
        )
    return url.rstrip("/")
