"""A router, an app and simulators, wired together for white-box tests."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any
from typing import overload
from typing import Self
from typing import TYPE_CHECKING
from typing import TypeVar

import falcon.asgi
import msgspec
from falcon.asgi import Request

from falcon_pachinko.router import install
from falcon_pachinko.router import WebSocketRouter
from pytest_pachinko.broadcast import Receivers
from pytest_pachinko.connecting import TIMEOUT
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.memory import MemoryTransport
from pytest_pachinko.quiet import settle
from pytest_pachinko.simulator import WebSocketSimulator
from pytest_pachinko.tasks import current_owner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Iterable
    from types import TracebackType

    from falcon.asgi import WebSocket

    from pytest_pachinko.clock.core import Policy
    from pytest_pachinko.memory import MemoryConnecting
    from pytest_pachinko.session import Session
    from pytest_pachinko.simulator import _Done
    from pytest_pachinko.tasks import Belongings
    from pytest_pachinko.trace.record import Trace
    from pytest_pachinko.wire import Wire

__all__ = ["SimulatorConnection", "SimulatorRouterHarness"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

T = TypeVar("T")


class _HarnessSimulator(WebSocketSimulator):
    """The simulator that stands in for a connection of a real app, over the same wire."""

    def __init__(self, connecting: MemoryConnecting) -> None:
        super().__init__(path=connecting.path)
        self._scope = connecting.scope
        self._link = connecting.session

    def bind_original(self, original: WebSocket) -> None:
        """Live on in Falcon's own WebSocket: what happens to one happens to the other."""
        self._made = original


class _OriginalWebSocket:
    """The connection as Falcon made it: a view."""

    def __init__(self, simulator: _HarnessSimulator, wire: Wire) -> None:
        self._simulator = simulator
        self._wire = wire

    @property
    def accepted(self) -> bool:
        """Whether the handshake was accepted."""
        return self._simulator.accepted

    @property
    def closed(self) -> bool:
        """Whether the connection has ended or was refused."""
        return self._wire.state in ("closed", "lost")

    @property
    def close_code(self) -> int | None:
        """The code with which it ended or was refused, or None."""
        return self._simulator.close_code

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol with which it was accepted, or None."""
        return self._simulator.subprotocol

    @property
    def sent(self) -> list[str | bytes]:
        """The frames that have left the application, as they are on the wire."""
        return [
            event.payload
            for event in self._wire.trace
            if event.direction == "from_app" and event.kind in ("text", "bytes")
        ]

    async def accept(self, subprotocol: str | None = None) -> None:
        """Accept the connection."""
        await self._simulator.accept(subprotocol)

    async def close(self, code: int | None = None) -> None:
        """Refuse or close the connection."""
        await self._simulator.close(code)

    async def send_media(self, data: object) -> None:
        """Send an object."""
        await self._simulator.send_media(data)

    async def receive_media(self) -> object:
        """Receive an object."""
        return await self._simulator.receive_media()


class _TestRequest:
    """The request of a connection: a view of Falcon's."""

    def __init__(self, req: Request) -> None:
        self._req = req

    @property
    def path(self) -> str:
        """The path."""
        return self._req.path

    @property
    def path_template(self) -> str | None:
        """The template that the path matched; None if no router of ours served it."""
        return self._req.uri_template

    @property
    def context(self) -> Any:
        """Falcon's context object."""
        return self._req.context

    def __getattr__(self, name: str) -> Any:
        """Leave everything else to Falcon's request."""
        return getattr(self._req, name)


class SimulatorConnection:
    """A connection in a harness, seen from inside.

    Attributes:
        path: The path that was connected to.
        router: The router of the harness; None if there is none.
        simulator: What stands in for the connection.
        request: The request, as the application sees it.
        websocket: The connection as Falcon made it.
        session: The peer's end, with everything that a ``Session`` can do.
    """

    def __init__(self, harness: SimulatorRouterHarness, connecting: MemoryConnecting) -> None:
        self.path = connecting.path
        self.router = harness.router
        self.session: Session = connecting.session
        self.simulator = _HarnessSimulator(connecting)
        self.websocket = _OriginalWebSocket(self.simulator, connecting.wire)
        self.request = _TestRequest(Request(connecting.scope, connecting.wire.receive))
        self._json_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
        self._injected = False

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        return f"<SimulatorConnection {self.path}: {self.session._status()}>"

    @property
    def accepted(self) -> bool:
        """Whether the application accepted the connection."""
        return self.websocket.accepted

    @property
    def closed(self) -> bool:
        """Whether the connection has ended or was refused."""
        return self.websocket.closed

    @property
    def close_code(self) -> int | None:
        """The code with which it ended or was refused, or None."""
        return self.websocket.close_code

    @property
    def trace(self) -> Trace:
        """What crossed the wire so far."""
        return self.session.trace

    @property
    def sent_messages(self) -> list[Any]:
        """What the application has sent, as it gave it; frames, if it is not our router's."""
        return self._sent()

    def pop_sent(self) -> Any:
        """Return the oldest message that was not returned before."""
        self._sent()
        return self.simulator.pop_sent()

    @overload
    def pop_sent_json(self, payload_type: type[T]) -> T: ...

    @overload
    def pop_sent_json(self, payload_type: None = None) -> Any: ...

    def pop_sent_json(self, payload_type: Any = None) -> Any:
        """Return the oldest message that was not returned before, decoded.

        Args:
            payload_type: What to decode it to; plain data if not given.
        """
        self._sent()
        return self.simulator.pop_sent_json(payload_type)

    def push_message(self, message: Any) -> _Done:
        """Send a message to the application."""
        return self.simulator.push_message(message)

    def push_json(self, payload: Any) -> _Done:
        """Send any value to the application, as JSON in a text frame."""
        return self.simulator.push_json(payload)

    def push_text(self, message: str) -> _Done:
        """Send a text frame to the application."""
        return self.simulator.push_text(message)

    def push_bytes(self, payload: bytes) -> _Done:
        """Send a binary frame to the application."""
        return self.simulator.push_bytes(payload)

    def push_disconnect(self, code: int = 1000, reason: str = "") -> _Done:
        """End the connection from the peer's side."""
        return self.simulator.push_disconnect(code, reason)

    async def settle(self) -> None:
        """Let the application do all that it can do without time passing."""
        await settle()

    def _sent(self) -> list[Any]:
        if not self._injected:
            self.simulator.sent_messages[:] = self.websocket.sent
        return self.simulator.sent_messages


class SimulatorRouterHarness(Receivers):
    """An app and a router whose connections are simulators.

    Without an app a new one is made; without an app and a router, a new router too. A
    router is mounted at the prefix. Given an app and no router, nothing is mounted, and
    connections are seen from the wire.

    Args:
        app: The app.
        router: The router, not installed in the app yet.
        prefix: Where to install it.
        timeout: Seconds after which a wait fails while the outside could still act.
        clock: When time may move while a connection is open.

    Attributes:
        app: The app.
        router: The router, or None.

    Example::

        async with SimulatorRouterHarness(router=router) as harness:
            async with harness.connect("/rooms/tea") as connection:
                connection.push_json({"type": "say", "text": "hi"})
                await connection.settle()
                assert connection.sent_messages == [...]
    """

    def __init__(
        self,
        app: Any = None,
        router: WebSocketRouter | None = None,
        *,
        prefix: str = "/",
        timeout: float = TIMEOUT,
        clock: Policy = "demand",
    ) -> None:
        if router is None and app is None:
            router = WebSocketRouter()
        self.app: Any = falcon.asgi.App() if app is None else app
        self.router = router
        self._transport = MemoryTransport(self.app, timeout=timeout, clock=clock)
        self._connections: dict[Belongings, SimulatorConnection] = {}
        if router is not None:
            self.mount(prefix)
            self._factory = router.simulator_factory
            router.simulator_factory = self._simulate

    async def __aenter__(self) -> Self:
        """Start the application's lifespan."""
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the application's lifespan, and leave the router as it was."""
        if self.router is not None:
            self.router.simulator_factory = self._factory
        await self._transport.__aexit__(kind, error, traceback)

    @property
    def trace(self) -> Trace:
        """The events of all connections so far, in one order."""
        return self._transport.trace

    def _sessions(self) -> list[Session]:
        return self._transport._sessions()

    def mount(self, prefix: str) -> None:
        """Install the router in the app below a prefix.

        Raises:
            PachinkoUsageError: The harness has no router.
            RouteError: A path has a resource already.
        """
        if self.router is None:
            raise PachinkoUsageError(
                "This harness has no router to mount.\nHint: SimulatorRouterHarness(app, router)"
            )
        install(self.app, self.router, prefix)

    @asynccontextmanager
    async def connect(
        self, path: str, *, initial_inbound: Iterable[Any] = (), **options: Any
    ) -> AsyncIterator[SimulatorConnection]:
        """Connect, whether the application accepts or refuses.

        The block is entered when the application has done all that it can do without time
        passing.

        Args:
            path: The path, with its query if it has one.
            initial_inbound: Messages that wait for the application from the start.
            **options: As for ``websocket_connect``.

        Yields:
            The connection.

        Raises:
            Exception: What the application raised.
        """
        connecting = self._transport(path, **options)
        connecting.before = [
            item if isinstance(item, str | bytes) else msgspec.json.encode(item).decode()
            for item in initial_inbound
        ]
        connecting.on_wire = lambda: self._expect(connecting)
        try:
            await connecting.open()
            try:
                await settle()
                connecting.session._surface()
                yield self._connections[connecting.belongings]
            except BaseException as error:
                await connecting.__aexit__(type(error), error, error.__traceback__)
                raise
            await connecting.__aexit__(None, None, None)
        finally:
            self._connections = {
                owner: each
                for owner, each in self._connections.items()
                if each.session is not connecting.session
            }

    def _expect(self, connecting: MemoryConnecting) -> None:
        self._connections[connecting.belongings] = SimulatorConnection(self, connecting)

    async def _simulate(self, req: Request, ws: WebSocket) -> Any:
        connection = self._connections.get(current_owner())  # type: ignore[arg-type]
        if self._factory is not None or connection is None:
            made: Any = ws if self._factory is None else self._factory(req, ws)
            return await made if hasattr(made, "__await__") else made
        connection.request = _TestRequest(req)
        connection.simulator.bind_original(ws)
        connection._injected = True
        return connection.simulator
