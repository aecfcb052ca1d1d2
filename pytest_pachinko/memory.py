"""Sessions in memory: the application runs beside the test, in its event loop."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any
from typing import Self
from typing import TYPE_CHECKING

from pytest_pachinko.clock.adopt import adoption_of
from pytest_pachinko.clock.control import check_policy
from pytest_pachinko.clock.core import wake
from pytest_pachinko.clock.report import describe_timer
from pytest_pachinko.errors import ApplicationFailure
from pytest_pachinko.errors import HandshakeDenied
from pytest_pachinko.errors import LeftBehind
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.errors import Stalled
from pytest_pachinko.lifespan import Lifespan
from pytest_pachinko.quiet import settle
from pytest_pachinko.scope import build_scope
from pytest_pachinko.scope import CLIENT
from pytest_pachinko.session import Session
from pytest_pachinko.stacks import doing
from pytest_pachinko.surface import is_ordinary_end
from pytest_pachinko.surface import listening
from pytest_pachinko.tasks import Belongings
from pytest_pachinko.tasks import noting_tasks
from pytest_pachinko.tasks import side
from pytest_pachinko.tasks import TEST
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.explain import last_events
from pytest_pachinko.trace.explain import shorten
from pytest_pachinko.trace.record import Trace
from pytest_pachinko.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping
    from collections.abc import Sequence
    from types import TracebackType

    from pytest_pachinko.clock.core import Clock
    from pytest_pachinko.clock.core import Policy
    from pytest_pachinko.faults import Fault
    from pytest_pachinko.headers import HeaderSource

__all__ = ["Connecting", "MemoryTransport"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

TIMEOUT = 1.0
"""Seconds that a test waits for the application before it fails."""


HORIZON = 60.0
"""Seconds of virtual time that the application has to clean up after a connection."""


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
        self._clock: Clock | None = None
        self._open = 0
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
        if self._loop is None:
            self._loop = loop
            adoption = adoption_of(loop)
            if adoption is None:
                self._cleanup.enter_context(noting_tasks(loop))
            else:
                adoption.enter()
                self._cleanup.callback(adoption.exit)
                self._clock = adoption.clock
                self._clock.patience = self.timeout
                self._cleanup.callback(setattr, self._clock, "policy", self._clock.policy)
                self._clock.policy = self._policy
            self._cleanup.enter_context(listening(self.app))
            if self._lifespan is not None:
                try:
                    await self._lifespan.start()
                except BaseException:
                    self._forget()
                    raise
        elif self._loop is not loop:
            raise PachinkoUsageError(
                "The application was started in another event loop than the one that "
                "connects to it.\n"
                "Hint: let the fixture and the test have the same loop_scope."
            )

    async def _stop(self) -> None:
        if self._loop is not None:
            try:
                if self._lifespan is not None:
                    await self._lifespan.stop()
            finally:
                self._forget()

    def _forget(self) -> None:
        self._loop = None
        self._clock = None
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
        "_faults",
        "_name",
        "_raise",
        "_task",
        "_tester",
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
        self._task: asyncio.Task[Any]
        self._tester: Any = None
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
        if transport._loop is not loop:
            await transport._start(loop)
        if transport._lifespan is not None:
            self.scope["state"] = dict(transport._lifespan.state)
        transport._open += 1
        if side.get() is None:
            side.set(TEST)
        trace = transport._new_trace(self._name or self.path)
        wire = self.wire = Wire(self.scope, trace, loop, self._faults)
        belongings = self.belongings = Belongings(muted=not self._raise)
        clock = transport._clock
        if clock is not None:
            clock.open()
            self._tester = asyncio.current_task()
            clock.testers.append(self._tester)
        session = self.session = Session(wire, self.path, belongings, clock, transport.timeout)
        if clock is not None:
            clock.sessions.append(session)
        if self.on_wire is not None:
            self.on_wire()
        wire.connect()
        for frame in self.before:
            wire.push(frame)
        self._task = belongings.start(
            _run_application(transport.app, wire, belongings), trace.connection, loop
        )
        try:
            while wire.handshake is None and not belongings.failures:
                await session._wait(wire.watch(), "connect", "the handshake is not answered", None)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return session

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
        if error is None:
            if failures:
                raise failures[0]
            if left is not None:
                raise LeftBehind(left)
            return
        clock = self._transport._clock
        if clock is not None and self._tester in clock.cancelled:
            # The test never gave way: the cancellation is how it was stopped.
            self._tester.uncancel()
            raise clock.cancelled.pop(self._tester) from None
        if failures and error.__cause__ is None and isinstance(error, Exception):
            error.__cause__ = failures[0]
        if left is not None:
            error.add_note(left)

    async def _leave(self) -> str | None:
        """End the connection and let the application finish; describe what it leaves behind."""
        transport = self._transport
        clock = transport._clock
        left: str | None = None
        try:
            self.wire.hang_up(1000)
            if not self._task.done():
                await self._await_application()
            if self.belongings.living() or (clock is not None and clock.has_timers()):
                left = await self._clear_up()
        finally:
            if clock is not None:
                clock.testers.remove(self._tester)
                clock.sessions.remove(self.session)
                clock.close()
            transport._open -= 1
        if not transport._entered and not transport._open:
            await transport._stop()
        return left

    async def _await_application(self) -> None:
        """Wait until the application returns; time may pass meanwhile, but only so much."""
        clock = self._transport._clock
        loop = asyncio.get_running_loop()
        news = self.wire.watch()
        if clock is None or clock.now is None:
            timer = loop.call_later(self._transport.timeout, wake, news)
            await news
            timer.cancel()
            return
        clock.waits[news] = (Stalled,)
        clock.horizons[news] = loop.time() + HORIZON
        try:
            await news
        except Stalled:
            return
        finally:
            del clock.waits[news], clock.horizons[news]

    async def _clear_up(self) -> str | None:
        """Cancel what the connection has left behind, and describe it."""
        task = self._task
        if task.done():
            # What the application cancelled or woke just now gets its turns to end.
            await settle()
        living = self.belongings.living()
        places = [f"  task   {each.get_name()}: {doing(each)}" for each in living]
        places += [f"  timer  {describe_timer(timer)}" for timer in self._timers()]
        if not places:
            return None
        what = "has left behind:" if task.done() else "does not return after its connection ended:"
        for each in living:
            each.cancel()
        for timer in self._timers():
            timer.cancel()
        await settle()
        if any(not each.done() for each in living):
            places.append("  (and not every task lets itself be cancelled)")
        return "\n".join(
            [
                f"{self.wire.trace.connection}: the application {what}",
                *places,
                last_events(self.wire.trace),
                "Hint: end it in on_disconnect, or when the handler returns.",
            ]
        )

    def _timers(self) -> list[Any]:
        """Return the timers that were set on behalf of the connection."""
        clock = self._transport._clock
        if clock is None:
            return []
        return [timer for timer in clock.timers() if timer._context.get(side) is self.belongings]

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
        elif answer.status == 500 and self._task.done():
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
    except Exception as error:  # noqa: BLE001 - it reaches the test, not a server's log
        if not is_ordinary_end(error):
            belongings.fail(error)
    finally:
        wire.returned()
