"""The application under a real server, in the event loop of the test.

uvicorn serves, on a free port of this machine. Its own ``serve()`` is not used: that takes the
signal handlers, and sleeps. The application's lifespan is driven here, as in memory, so that
what it raises is what the test sees.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from functools import lru_cache
from typing import Any
from typing import Self
from typing import TYPE_CHECKING

from pytest_pachinko.client import WebSocketTestClient
from pytest_pachinko.clock.adopt import Attendance
from pytest_pachinko.clock.control import check_policy
from pytest_pachinko.clock.links import Listener
from pytest_pachinko.connecting import TIMEOUT
from pytest_pachinko.errors import missing
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.futures import wake
from pytest_pachinko.leaving import conclude
from pytest_pachinko.leaving import within_bounds
from pytest_pachinko.quiet import settle
from pytest_pachinko.running import Running
from pytest_pachinko.serving import uvicorn_config
from pytest_pachinko.stacks import doing
from pytest_pachinko.tasks import Belongings
from pytest_pachinko.tasks import MACHINERY
from pytest_pachinko.tasks import machinery
from pytest_pachinko.tasks import side

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from pytest_pachinko.client import ClientConnecting
    from pytest_pachinko.clock.adopt import Adoption
    from pytest_pachinko.clock.core import Policy
    from pytest_pachinko.trace.record import Trace

__all__ = ["LiveServer"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

_HOST = "127.0.0.1"


class LiveServer:
    """Serves an ASGI application with uvicorn while the block runs.

    It listens on a free port of 127.0.0.1. Whatever the application raises is raised in the
    test, at the session whose connection it was, or where the block ends.

    Args:
        app: The ASGI application.
        tls: Whether to serve ``wss://``, with a certificate that ``ssl_context`` trusts.
        lifespan: Whether to run the application's lifespan.
        timeout: Seconds of real time that a wait may take.
        clock: When time may move while a session of its clients is open; see ``virtual_time``.
        raise_for_others: Whether what the application raises for clients that are no
            sessions, such as a browser, is raised where the block ends.
        **options: Any other argument of ``uvicorn.Config``, such as ``ws="wsproto"``,
            ``ws_per_message_deflate=False`` or ``ws_max_size=65536``.

    Raises:
        PachinkoUsageError: uvicorn has no such option or is not installed, or there is no such
            policy of the clock.

    Attributes:
        app: The application.
        ssl_context: For clients: trusts the certificate of the server. None without TLS.

    Example::

        async with LiveServer(app) as server:
            async with server.client().connect("/chat") as session: ...
    """

    def __init__(
        self,
        app: Callable[..., Any],
        *,
        tls: bool = False,
        lifespan: bool = True,
        timeout: float = TIMEOUT,
        clock: Policy = "demand",
        raise_for_others: bool = True,
        **options: Any,
    ) -> None:
        self.app = app
        self._policy = check_policy(clock)
        self._with_lifespan = lifespan
        self._timeout = timeout
        self._config = uvicorn_config(
            self._call_app, options, "LiveServer", lifespan="off", log_config=None
        )
        self._tls = _authority() if tls else None
        self.ssl_context = None if self._tls is None else self._tls[1]
        self._strangers = Belongings(muted=not raise_for_others)
        self._expected: dict[Any, ClientConnecting] = {}
        self._clients: list[WebSocketTestClient] = []
        self._running: Running | None = None
        self._server: Any = None
        self._listener: socket.socket
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        return f"<LiveServer {'not running' if self._server is None else self.url}>"

    @property
    def port(self) -> int:
        """The port on which it listens.

        Raises:
            PachinkoUsageError: The server is not running.
        """
        if self._server is None:
            raise PachinkoUsageError(
                "This server is not running.\nHint: async with LiveServer(app) as server:"
            )
        number: int = self._listener.getsockname()[1]
        return number

    @property
    def url(self) -> str:
        """The address for WebSockets, such as ``"ws://127.0.0.1:40001"``; see ``port``."""
        return f"{'ws' if self._tls is None else 'wss'}://{_HOST}:{self.port}"

    @property
    def http_url(self) -> str:
        """The address for HTTP, such as ``"http://127.0.0.1:40001"``; see ``port``."""
        return self.url.replace("ws", "http", 1)

    @property
    def traces(self) -> list[Trace]:
        """The traces of all sessions of its clients."""
        return [trace for client in self._clients for trace in client.traces]

    @property
    def _adoption(self) -> Adoption | None:
        """The loop of the server, if it can be put on virtual time."""
        return None if self._running is None else self._running.adoption

    def client(self, **options: Any) -> WebSocketTestClient:
        """Return a client of this server.

        Args:
            **options: As for ``WebSocketTestClient``, which trusts the server already.

        Raises:
            PachinkoUsageError: The server is not running.
        """
        client = WebSocketTestClient(
            self.url,
            allow_insecure=True,
            **{"timeout": self._timeout, "ssl": self.ssl_context} | options,
        )
        client._server = self
        client.calm = True  # else it depends on the kernel what a trace ends with
        self._clients.append(client)
        return client

    # Starting and stopping.

    async def __aenter__(self) -> Self:
        """Start the application and the server.

        Raises:
            LifespanFailed: The application did not start.
            PachinkoUsageError: The server runs already.
        """
        if self._server is not None:
            raise PachinkoUsageError(f"{self!r} runs already.\nHint: make another LiveServer.")
        loop = self._loop = asyncio.get_running_loop()
        running = Running(
            self.app,
            lifespan=self._with_lifespan,
            policy=self._policy,
            patience=self._timeout,
            on_stop=self._tell,
        )
        await running.start()
        self._running = running
        starting = machinery(self._serve(), loop)
        try:
            await asyncio.shield(starting)
        except BaseException:
            # Half of a server cannot be stopped, and the other half takes a few turns only.
            await asyncio.wait([starting])
            try:
                if self._server is not None:
                    await self._stop()
            finally:
                self._server = self._running = None
                await running.stop()
            raise
        return self

    async def _serve(self) -> None:
        import uvicorn

        config = self._config
        if not config.loaded:
            config.load()
            # Outside of uvicorn's own middleware, which may change who the client is said to be.
            self._inner = config.loaded_app
            config.loaded_app = self._serve_connection
        if self._tls is not None:
            config.ssl = self._tls[0]
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        if self._adoption is None:
            self._listener = socket.create_server((_HOST, 0))
        else:
            self._listener = Listener(self._adoption.clock.links)
        try:
            await server.startup(sockets=[self._listener])
        except BaseException:
            self._listener.close()
            raise
        await server.on_tick(0)  # the header "date"
        self._server = server

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the server and the application; each connection that is open is closed with 1012.

        Raises:
            LeftBehind: A session is still open, or the application left tasks behind.
            Exception: What the application raised for a client that was no session.
        """
        running: Any = self._running
        left = None
        try:
            left = await self._stop()
        finally:
            self._server = self._running = None
            try:
                await running.stop()
            except Exception as failed:
                conclude(failed, self._strangers.hand_over(error) + running.failures(), left)
                raise
        failures = self._strangers.hand_over(error) + running.failures()
        conclude(error, failures, left)

    def _tell(self, error: BaseException) -> bool:
        told = [client._tell(error) for client in self._clients]
        return any(told)

    async def _stop(self) -> str | None:
        """Stop the server; describe what was still there."""
        server, loop = self._server, asyncio.get_running_loop()
        self._expected.clear()
        for each in server.servers:
            each.close()
        self._listener.close()
        attendance = None if self._adoption is None else Attendance(self._adoption)
        try:
            open_still = [name for client in self._clients for name in client._give_up()]
            for connection in list(server.server_state.connections):
                connection.shutdown()
            await settle()
            clock = None if attendance is None else attendance.clock
            await _finish(set(server.server_state.tasks), clock, loop, self._timeout)
            places = [
                f"  task   {task.get_name()}: {doing(task)}"
                for task in dict.fromkeys([*server.server_state.tasks, *self._strangers.living()])
            ]
            self._cut_off(server)
            await settle()
        finally:
            self._cut_off(server)  # whoever interrupts this leaves nothing behind either
            if attendance is not None:
                attendance.release()
        if open_still:
            return (
                f"The server was stopped while {', '.join(open_still)} was open.\n"
                "Hint: leave the block of each session before the test ends; a task that holds "
                "one is to be awaited or cancelled."
            )
        if places:
            lines = "\n".join(places)
            return (
                f"The application did not end when the server stopped:\n{lines}\n"
                "Hint: await or cancel its tasks in on_disconnect, or in the lifespan's shutdown."
            )
        return None

    def _cut_off(self, server: Any) -> None:
        for task in (*server.server_state.tasks, *self._strangers.living()):
            task.cancel()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        for sock in list(getattr(self._listener, "accepted", ())):
            # One whose TLS was never established is no connection of uvicorn's.
            if sock.fileno() >= 0:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    # For its clients.

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse a client in another event loop.

        Raises:
            PachinkoUsageError: It is another one, or the server is not running.
        """
        if self._server is None:
            raise PachinkoUsageError("The server has been stopped, and this is a client of it.")
        if self._loop is not loop:
            raise PachinkoUsageError(
                "The server was started in another event loop than the one that connects to "
                "it.\nHint: let the fixture and the test have the same loop_scope."
            )

    def _dial(self, connecting: ClientConnecting) -> socket.socket:
        """Return a socket that is connected to this server, for a session.

        Raises:
            OSError: There is no room for another connection.
        """
        address = (_HOST, self.port)
        if self._adoption is None:
            sock = socket.create_connection(address, self._timeout)
            sock.settimeout(0)
        else:
            sock = self._adoption.clock.links.dial(address, self._timeout)
        self._expected[sock.getsockname()] = connecting
        return sock

    def _forget(self, connecting: ClientConnecting) -> None:
        """Expect a session no longer, whose handshake never reached the application."""
        for address in [key for key, each in self._expected.items() if each is connecting]:
            del self._expected[address]

    async def _serve_connection(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the application for a connection, on behalf of the session that is its client."""
        running: Any = self._running
        task: Any = asyncio.current_task()
        connecting = None
        if scope["type"] == "websocket":
            connecting = self._expected.pop(tuple(scope["client"]), None)
        owner = self._strangers if connecting is None else connecting.belongings
        owner.note(task)
        token = side.set(owner)
        if connecting is not None:
            connecting.started(task)
        scope["state"] = running.state.copy()

        async def send_as_server(event: Any) -> None:
            # What the server does meanwhile, such as to set a timer, is its own.
            sender = side.set(MACHINERY)
            try:
                await send(event)
            finally:
                side.reset(sender)

        try:
            await self._inner(scope, receive, send_as_server)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            owner.fail(error)
            raise
        finally:
            side.reset(token)

    async def _call_app(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


async def _finish(
    tasks: set[asyncio.Task[Any]], clock: Any, loop: asyncio.AbstractEventLoop, patience: float
) -> None:
    """Give tasks the time that they need to end, within bounds, which are those of one."""
    if not tasks:
        return
    done: asyncio.Future[None] = loop.create_future()

    def ended(task: asyncio.Task[Any]) -> None:
        tasks.discard(task)
        if not tasks:
            wake(done)

    for task in list(tasks):
        task.add_done_callback(ended)
    await within_bounds(done, clock, patience)


@lru_cache
def _authority() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server and of its clients, which trust nobody else."""
    try:
        import trustme
    except ImportError as error:
        raise missing("LiveServer(tls=True)", error) from error
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", _HOST).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
