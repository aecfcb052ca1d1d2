"""Sessions in memory: the application runs beside the test, in its event loop."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any
from typing import Self
from typing import TYPE_CHECKING

from pytest_pachinko.clock.adopt import adoption_of
from pytest_pachinko.clock.adopt import Attendance
from pytest_pachinko.clock.control import check_policy
from pytest_pachinko.errors import ApplicationFailure
from pytest_pachinko.errors import HandshakeDenied
from pytest_pachinko.errors import LeftBehind
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.leaving import clear_up
from pytest_pachinko.leaving import conclude
from pytest_pachinko.leaving import let_finish
from pytest_pachinko.lifespan import Lifespan
from pytest_pachinko.scope import build_scope
from pytest_pachinko.scope import CLIENT
from pytest_pachinko.session import Session
from pytest_pachinko.surface import listening
from pytest_pachinko.tasks import Belongings
from pytest_pachinko.tasks import noting_tasks
from pytest_pachinko.tasks import side
from pytest_pachinko.tasks import TEST
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.explain import shorten
from pytest_pachinko.trace.record import Trace
from pytest_pachinko.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping
    from collections.abc import Sequence
    from types import TracebackType

    from pytest_pachinko.clock.adopt import Adoption
    from pytest_pachinko.clock.core import Policy
    from pytest_pachinko.faults import Fault
    from pytest_pachinko.headers import HeaderSource

__all__ = ["Connecting", "MemoryTransport"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

TIMEOUT = 1.0
"""Seconds that a test waits for the application before it fails."""


class MemoryTransport:
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
        self.app = app
        self._policy = check_policy(clock)
        self.timeout = timeout
        self.traces: list[Trace] = []
        self._lifespan = Lifespan(app) if lifespan else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cleanup = ExitStack()
        self._names: dict[str, int] = {}
        self._adoption: Adoption | None = None
        self._connections: set[Connecting] = set()
        self._ready = False
        self._turn: asyncio.Lock
        self._entered = False

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        return f"<{type(self).__name__}: {len(self.traces)} sessions so far>"

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
        """Stop the application's lifespan."""
        await self._stop()

    def __call__(
        self,
        path: str,
        *,
        headers: HeaderSource | None = None,
        subprotocols: Sequence[str] | None = None,
        cookies: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        client: tuple[str, int] = CLIENT,
        name: str | None = None,
        faults: Sequence[Fault] = (),
        raise_app_exceptions: bool = True,
    ) -> Connecting:
        """Open a session: ``async with connect(path) as session``.

        Args:
            path: The path, with its query if it has one.
            headers: Headers of the request.
            subprotocols: What the client offers, in its order.
            cookies: Cookies of the request.
            params: Parameters to add to the query.
            client: Address and port of the peer, as the application sees them.
            name: What to call the session in messages; its path if not given.
            faults: Trouble on the wire; see ``pytest_pachinko.Fault``.
            raise_app_exceptions: Whether what the application raises is raised in the test.

        Returns:
            An async context manager. Entering it waits for the handshake and yields a
            ``Session``; leaving it closes the connection and lets the application finish.

        Raises:
            PachinkoUsageError: The path or a header cannot be sent.
        """
        scope = build_scope(
            path,
            headers=headers,
            subprotocols=subprotocols,
            cookies=cookies,
            params=params,
            client=client,
        )
        return Connecting(self, path, scope, name, faults, raise_app_exceptions)

    async def denied(self, path: str, status: int = 403, **options: Any) -> Handshake:
        """Connect where the application is expected to refuse.

        Args:
            path: The path.
            status: The HTTP status of the refusal.
            **options: As for opening a session.

        Returns:
            The answer: ``status, headers, body, close_code``.

        Raises:
            ApplicationFailure: The connection was accepted, or refused with another status.
        """
        try:
            async with self(path, **options) as session:
                name = session.trace.connection
        except HandshakeDenied as denial:
            if denial.status == status:
                return Handshake(
                    denial.status, None, denial.headers, denial.body, denial.close_code
                )
            raise
        raise ApplicationFailure(f"{name} was accepted, but a denial with {status} was expected.")

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
            if self._ready:
                return
            adoption = self._adoption = adoption_of(loop)
            if adoption is None:
                self._cleanup.enter_context(noting_tasks(loop))
            else:
                adoption.enter()
                self._cleanup.callback(adoption.exit)
                adoption.clock.patience = self.timeout
                adoption.clock.policies[self] = self._policy
                self._cleanup.callback(adoption.clock.policies.pop, self)
            self._cleanup.enter_context(listening(self.app))
            try:
                if self._lifespan is not None:
                    await self._lifespan.start()
                self._ready = True
            finally:
                if not self._ready:
                    self._forget()

    async def _stop(self) -> None:
        if self._loop is None:
            return
        async with self._turn:
            if not self._ready or (self._connections and not self._entered):
                return
            self._ready = False
            open_still = [each.give_up() for each in list(self._connections)]
            try:
                if self._lifespan is not None:
                    await self._lifespan.stop()
            finally:
                self._forget()
        if open_still:
            raise LeftBehind(
                f"The application was stopped while {', '.join(open_still)} was open.\n"
                "Hint: leave the block of each session before the test ends; a task that holds "
                "one is to be awaited or cancelled."
            )

    def _forget(self) -> None:
        self._loop = None
        self._cleanup.close()
        if self._lifespan is not None:
            self._lifespan = Lifespan(self.app)

    def _new_trace(self, name: str) -> Trace:
        count = self._names[name] = self._names.get(name, 0) + 1
        trace = Trace(name if count == 1 else f"{name} #{count}")
        self.traces.append(trace)
        return trace


class Connecting:
    """A session that is about to be opened."""

    __slots__ = (
        "_attendance",
        "_faults",
        "_name",
        "_raise",
        "_task",
        "_transport",
        "before",
        "belongings",
        "on_wire",
        "path",
        "scope",
        "session",
        "wire",
    )

    def __init__(
        self,
        transport: MemoryTransport,
        path: str,
        scope: dict[str, Any],
        name: str | None,
        faults: Sequence[Fault],
        raise_app_exceptions: bool,  # noqa: FBT001
    ) -> None:
        self._transport = transport
        self.path = path
        self.scope = scope
        self._name = name
        self._faults = faults
        self._raise = raise_app_exceptions
        self._task: asyncio.Task[Any] | None = None
        self._attendance: Attendance | None = None
        # For a harness: frames that wait for the application, and a call before it starts.
        self.before: Sequence[str | bytes] = ()
        self.on_wire: Callable[[], None] | None = None
        self.belongings: Belongings
        self.session: Session
        self.wire: Wire

    def __enter__(self) -> None:
        """Say how a session is opened.

        Raises:
            PachinkoUsageError: Always.
        """
        raise PachinkoUsageError(
            f'A session is opened with: async with websocket_connect("{self.path}") as session:'
        )

    def __exit__(self, *_: object) -> None:
        """Exist, so that ``__enter__`` is called."""

    def __await__(self) -> Any:
        """Say how a session is opened, as ``__enter__`` does."""
        self.__enter__()

    def __getattr__(self, name: str) -> Any:
        """Say how a session is opened, where somebody takes this for one."""
        if hasattr(Session, name):
            self.__enter__()
        raise AttributeError(name)

    async def __aenter__(self) -> Session:
        """Connect.

        Raises:
            HandshakeDenied: The application refused, or returned without an answer.
            Stalled: The application did not answer.
            Exception: What the application raised.
        """
        session = await self.open()
        answer = self.wire.handshake or Handshake(500)
        if answer.status != 101 or self.belongings.failures:
            failures = self.belongings.failures
            error = failures.pop(0) if failures else self._denied(answer)
            await self.__aexit__(type(error), error, error.__traceback__)
            raise error
        return session

    async def open(self) -> Session:
        """Connect, and wait until the handshake is answered in whatever way."""
        transport = self._transport
        loop = asyncio.get_running_loop()
        if not transport._ready or transport._loop is not loop:
            await transport._start(loop)
        if transport._lifespan is not None:
            self.scope["state"] = dict(transport._lifespan.state)
        if side.get() is None:
            side.set(TEST)
        trace = transport._new_trace(self._name or self.path)
        wire = self.wire = Wire(self.scope, trace, loop, self._faults)
        belongings = self.belongings = Belongings(muted=not self._raise)
        clock = None
        if transport._adoption is not None:
            self._attendance = Attendance(transport._adoption)
            clock = self._attendance.clock
        session = self.session = Session(wire, self.path, belongings, clock, transport.timeout)
        transport._connections.add(self)
        try:
            if clock is not None:
                clock.sessions.append(session)
            if self.on_wire is not None:
                self.on_wire()
            wire.connect()
            for frame in self.before:
                wire.push(frame)
            application = _run_application(transport.app, wire, belongings)
            self._task = belongings.start(application, trace.connection, loop)
            while wire.handshake is None and not belongings.failures:
                await session._wait(wire.watch(), "connect", "the handshake is not answered", None)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return session

    def give_up(self) -> str:
        """End the connection from outside of its block; return its name."""
        self.wire.hang_up(1001)
        for task in self.belongings.living():
            task.cancel()
        self._release()
        return self.wire.trace.connection

    def _release(self) -> None:
        transport = self._transport
        if self in transport._connections:
            transport._connections.remove(self)
            if self._attendance is not None:
                self._attendance.clock.sessions.remove(self.session)
                self._attendance.release()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection and let the application finish.

        Raises:
            Exception: What the application raised and the test has not seen.
            LeftBehind: The application does not return, or leaves tasks behind.
        """
        left = await self._leave()
        failures = self.belongings.hand_over(error)
        if isinstance(error, asyncio.CancelledError) and self._attendance is not None:
            tester: Any = self._attendance.tester
            verdict = self._attendance.clock.cancelled.pop(tester, None)
            if verdict is not None:
                # The test never gave way: the cancellation is how it was stopped.
                tester.uncancel()
                raise verdict from None
        conclude(error, failures, left)

    async def _leave(self) -> str | None:
        """End the connection and let the application finish; describe what it leaves behind."""
        transport = self._transport
        attendance = self._attendance
        left: str | None = None
        try:
            self.wire.hang_up(1000)
            if self._task is not None:
                await let_finish(self.session, self._task, transport.timeout)
            if self.belongings.living() or (attendance and attendance.clock.has_timers()):
                returned = self._task is None or self._task.done()
                left = await clear_up(self.session, returned=returned, who="the application")
        finally:
            # Whoever is interrupted here leaves nothing behind either.
            for task in self.belongings.living():
                task.cancel()
            self._release()
            if not transport._entered:
                await transport._stop()
        return left

    def _denied(self, answer: Handshake) -> HandshakeDenied:
        name = self.wire.trace.connection
        code = answer.close_code
        if code == 3404:
            how = "the application closed with 3404: it has no route for this path"
        elif code == 3405:
            how = "the application closed with 3405: the resource has no on_websocket"
        elif code == 1000:
            how = "the application closed with 1000, as Falcon does when on_websocket returns"
        elif code is not None:
            how = f"the application closed with {code} before it accepted"
        elif answer.status == 500 and self._task is not None and self._task.done():
            how = "the application returned without accepting or refusing"
        else:
            how = "the application sent this response"
        body = f": {shorten(answer.body.decode('utf-8', 'replace'))}" if answer.body else ""
        return HandshakeDenied(
            f"{name}: the handshake was denied with HTTP {answer.status}{body}\n  {how}\n"
            "Hint: to expect that: await websocket_connect.denied(path, "
            f"status={answer.status})",
            answer.status,
            answer.headers,
            answer.body,
            code,
        )


async def _run_application(app: Any, wire: Wire, belongings: Belongings) -> None:
    try:
        await app(wire.scope, wire.receive, wire.send)
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - it reaches the test, not a server's log
        belongings.fail(error)
    finally:
        wire.returned()
