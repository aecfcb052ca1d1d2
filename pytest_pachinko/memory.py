"""Sessions in memory: the application runs beside the test, in its event loop."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from typing import Self
from typing import TYPE_CHECKING

from pytest_pachinko.clock.adopt import Attendance
from pytest_pachinko.clock.control import check_policy
from pytest_pachinko.connecting import Connecting
from pytest_pachinko.connecting import TIMEOUT
from pytest_pachinko.connecting import Transport
from pytest_pachinko.errors import LeftBehind
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.leaving import conclude
from pytest_pachinko.resources import message_types
from pytest_pachinko.running import Running
from pytest_pachinko.scope import build_scope
from pytest_pachinko.scope import CLIENT
from pytest_pachinko.scope import plain_scope
from pytest_pachinko.session import Session
from pytest_pachinko.trace.event import Request
from pytest_pachinko.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping
    from collections.abc import Sequence
    from types import TracebackType

    from pytest_pachinko.clock.core import Policy
    from pytest_pachinko.faults import Fault
    from pytest_pachinko.headers import HeaderSource
    from pytest_pachinko.tasks import Belongings

__all__ = ["MemoryConnecting", "MemoryTransport"]

__tracebackhide__ = True  # a failure is shown in the test, not in here


class MemoryTransport(Transport):
    """Opens sessions to an ASGI application without a server.

    The fixture ``websocket_connect`` is one; by itself it is an async context manager that
    starts the application's lifespan and stops it::

        async with MemoryTransport(app) as connect:
            async with connect("/chat") as session: ...

    Args:
        app: The ASGI application.
        timeout: Seconds that a test waits for the application before it fails.
        lifespan: Whether to run the application's lifespan.
        clock: When time may move while a session is open; see ``virtual_time``.

    Raises:
        PachinkoUsageError: There is no such policy of the clock.

    Attributes:
        app: The application.
        traces: The traces of all sessions so far.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        *,
        timeout: float = TIMEOUT,
        lifespan: bool = True,
        clock: Policy = "demand",
    ) -> None:
        super().__init__(timeout)
        self.app = app
        self._policy = check_policy(clock)
        self._with_lifespan = lifespan
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: Running | None = None
        self._turn: asyncio.Lock
        self._entered = False
        self._late: list[BaseException] = []  # raised by the lifespan, and not in the test yet

    async def __aenter__(self) -> Self:
        """Start the application's lifespan."""
        self._entered = True
        await self._start(asyncio.get_running_loop())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the application's lifespan.

        Raises:
            LeftBehind: A session is still open.
            LifespanFailed: The shutdown failed.
            Exception: What the lifespan has raised and the test has not seen.
        """
        try:
            await self._stop()
        except Exception as failed:
            conclude(failed, self._crashes(), None)
            raise
        conclude(error, [each for each in self._crashes() if each is not error], None)

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
    ) -> MemoryConnecting:
        """Open a session; see ``Transport``."""
        if (
            headers is None
            and subprotocols is None
            and cookies is None
            and params is None
            and client is None
        ):
            scope = plain_scope(path)
        else:
            scope = build_scope(
                path,
                headers=headers,
                subprotocols=subprotocols,
                cookies=cookies,
                params=params,
                client=CLIENT if client is None else client,
            )
        connecting = MemoryConnecting(self, path, name, raise_app_exceptions)
        connecting.scope = scope
        connecting.faults = faults
        return connecting

    def keep_running(self) -> None:
        """Let the lifespan last, once it has started, until ``__aexit__`` is called.

        Without this and without ``__aenter__`` it lasts while a session is open.
        """
        self._entered = True

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None and self._loop is not loop:
            raise PachinkoUsageError(
                "The application was started in another event loop than the one that "
                "connects to it.\n"
                "Hint: let the fixture and the test have the same loop_scope."
            )
        if self._loop is None:
            self._loop = loop
            self._turn = asyncio.Lock()
        # Who comes while the application starts waits for that, and while it stops starts it anew.
        async with self._turn:
            if self._running is not None:
                return
            running = Running(
                self.app,
                lifespan=self._with_lifespan,
                policy=self._policy,
                patience=self.timeout,
                on_stop=self._tell,
            )
            try:
                await running.start()
            except BaseException:
                self._loop = None
                raise
            self._running = running
            self._started_in = loop

    def _crashes(self) -> list[BaseException]:
        if self._running is not None:
            self._late += self._running.crashes()
        if not self._late:
            return self._late
        late, self._late = self._late, []
        return late

    async def _stop(self) -> None:
        if self._loop is None:
            return
        async with self._turn:
            if self._running is None or (self._open and not self._entered):
                return
            running, self._running = self._running, None
            self._started_in = None
            open_still = self._give_up()
            try:
                await running.stop()
            finally:
                self._loop = None
                self._late += running.failures()
        if open_still:
            raise LeftBehind(
                f"The application was stopped while {', '.join(open_still)} was open.\n"
                "Hint: leave the block of each session before the test ends; a task that holds "
                "one is to be awaited or cancelled."
            )


class MemoryConnecting(Connecting):
    """A session in memory that is about to be opened.

    Attributes:
        scope: The ASGI scope of the connection.
        faults: Trouble on the wire.
        before: Frames that wait for the application.
        on_wire: Called when there is a connection, before the application starts.
    """

    scope: dict[str, Any]
    faults: Sequence[Fault] = ()
    before: Sequence[str | bytes] = ()
    on_wire: Callable[[], None] | None = None
    wire: Wire

    def _make(self, loop: asyncio.AbstractEventLoop) -> Session:
        transport = self._opener
        running = transport._running
        scope = self.scope
        scope["state"] = running.state.copy()
        types = partial(message_types, transport.app, scope["path"], scope["subprotocols"])
        trace = transport._new_trace(self._name or self.path, types)
        # As it is now: an application may change its scope.
        trace.request = Request(
            scope["path"], scope["query_string"], tuple(scope["headers"]), scope["subprotocols"]
        )
        self.wire = wire = Wire(scope, trace, loop, self.faults)
        adoption = running.adoption
        clock = None if adoption is None else adoption.clock
        self.session = session = Session(wire, self.path, self.belongings, clock, transport.timeout)
        if adoption is not None:
            self._attendance = Attendance(adoption, None, session)
        return session

    def _begin(self) -> None:
        wire = self.wire
        if self.on_wire is not None:
            self.on_wire()
        belongings = self.belongings
        wire.connect()
        for frame in self.before:
            wire.push(frame)
        application = _run_application(self._opener.app, wire, belongings)
        self._task = belongings.start(application, wire.trace.connection, wire._loop)


async def _run_application(app: Any, wire: Wire, belongings: Belongings) -> None:
    try:
        await app(wire.scope, wire.receive, wire.send)
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - it reaches the test, not a server's log
        belongings.fail(error)
    finally:
        wire.returned()
