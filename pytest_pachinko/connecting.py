"""How a session is opened and left, whatever carries it."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any
from typing import NoReturn
from typing import TYPE_CHECKING

from pytest_pachinko.broadcast import Receivers
from pytest_pachinko.errors import ApplicationFailure
from pytest_pachinko.errors import HandshakeDenied
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.leaving import clear_up
from pytest_pachinko.leaving import conclude
from pytest_pachinko.leaving import let_finish
from pytest_pachinko.quiet import settle
from pytest_pachinko.session import Session
from pytest_pachinko.tasks import Belongings
from pytest_pachinko.tasks import side
from pytest_pachinko.tasks import TEST
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.explain import shorten
from pytest_pachinko.trace.record import merged
from pytest_pachinko.trace.record import Trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Coroutine
    from collections.abc import Mapping
    from collections.abc import Sequence
    from types import TracebackType

    from pytest_pachinko.clock.adopt import Attendance
    from pytest_pachinko.faults import Fault
    from pytest_pachinko.headers import HeaderSource
    from pytest_pachinko.peer import PeerEnd

__all__ = ["TIMEOUT", "Connecting", "Transport"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

_NO_ANSWER = Handshake(500)

TIMEOUT = 1.0
"""Seconds that a test waits for the application before it fails."""


class Transport(Receivers):
    """What opens sessions: the type of ``websocket_connect``, in memory and on a server.

    Args:
        timeout: Seconds that a test waits before it fails, where time is real.

    Attributes:
        timeout: These seconds.
        traces: The traces of all sessions so far.
        calm: Whether everything that is under way arrives before a session is left.
        node: What the names of sessions begin with, if not with their own.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.calm = False
        self.node = ""
        self.traces: list[Trace] = []
        self._names: dict[str, int] = {}
        self._open: dict[Connecting, None] = {}
        self._started_in: asyncio.AbstractEventLoop | None = None
        self._entered = True  # whether it lasts when no session is open

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        return f"<{type(self).__name__}: {len(self.traces)} sessions so far>"

    @abstractmethod
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
    ) -> Connecting:
        """Open a session: ``async with connect(path) as session``.

        Args:
            path: The path, with its query if it has one.
            headers: Headers of the request.
            subprotocols: What the client offers, in its order.
            cookies: Cookies of the request.
            params: Parameters to add to the query.
            client: Address and port of the peer, as the application sees them; in memory only.
            name: What to call the session in messages; its path if not given.
            faults: Trouble on the wire, in memory only; see ``pytest_pachinko.Fault``.
            raise_app_exceptions: Whether what the application raises is raised in the test.

        Returns:
            An async context manager. Entering it waits for the handshake and yields a
            ``Session``; leaving it closes the connection and lets the application finish.

        Raises:
            PachinkoUsageError: The path or a header cannot be sent, or the transport cannot do
                what only memory can.
        """

    @property
    def trace(self) -> Trace:
        """The events of all sessions so far, in one order."""
        return merged(self.traces)

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

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do what comes before there is a connection."""

    async def _stop(self) -> None:
        """Do what comes after a connection, unless it is to last."""

    def _crashes(self) -> list[BaseException]:
        """Return what was raised on behalf of no connection, each once."""
        return []

    def _tell(self, error: BaseException) -> bool:
        """Raise something in every open session; return whether there is one."""
        for each in list(self._open):
            each.belongings.fail(error, forgive=False)
            each.wire.ring()
        return bool(self._open)

    def _give_up(self) -> list[str]:
        """End all connections from outside of their blocks; return their names."""
        return [each.give_up() for each in list(self._open)]

    def _sessions(self) -> list[Session]:
        sessions = [each.session for each in self._open]
        return [session for session in sessions if session.accepted]

    def _new_trace(self, name: str, types: Any = None) -> Trace:
        """Return a trace with a name of its own."""
        name = f"{self.node} {name}" if self.node else name
        count = self._names[name] = self._names.get(name, 0) + 1
        trace = Trace(name if count == 1 else f"{name} #{count}", types)
        self.traces.append(trace)
        return trace


class Connecting:
    """A session that is about to be opened.

    A subclass makes the wire and the session, and begins the handshake.
    """

    session: Session
    wire: PeerEnd

    _task: asyncio.Task[Any] | None = None  # the application, once it runs
    _attendance: Attendance | None = None
    _end: Callable[[], Coroutine[Any, Any, None]] | None = None  # waits until all is gone

    def __init__(
        self,
        opener: Any,
        path: str,
        name: str | None,
        raise_app_exceptions: bool,  # noqa: FBT001
    ) -> None:
        self._opener = opener
        self.path = path
        self._name = name
        self.belongings = Belongings(not raise_app_exceptions)

    def __enter__(self) -> NoReturn:
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

    def __aenter__(self) -> Coroutine[Any, Any, Session]:
        """Connect.

        Raises:
            HandshakeDenied: The application refused, or returned without an answer.
            Stalled: The application did not answer.
            Exception: What the application raised.
        """
        return self.open(accepted=True)

    async def open(self, *, accepted: bool = False) -> Session:
        """Connect, and wait until the handshake is answered.

        Args:
            accepted: Whether anything else than acceptance is raised.
        """
        loop = asyncio.get_running_loop()
        opener = self._opener
        if opener._started_in is not loop:
            await opener._start(loop)
        if side.get() is None:
            side.set(TEST)
        session = self._make(loop)
        wire = self.wire
        belongings = self.belongings
        belongings.witness = wire
        opener._open[self] = None
        try:
            self._begin()
            while wire.handshake is None and not belongings.failures:
                await session._wait(wire.watch(), "connect", "the handshake is not answered", None)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        answer = wire.handshake or _NO_ANSWER
        failures = belongings.failures
        if accepted and (failures or answer.status != 101):
            problem = failures.pop(0) if failures else self._denied(answer)
            await self.__aexit__(type(problem), problem, problem.__traceback__)
            raise problem
        return session

    @abstractmethod
    def _make(self, loop: asyncio.AbstractEventLoop) -> Session:
        """Make the wire and the session, and let time stand still if that is possible."""

    @abstractmethod
    def _begin(self) -> None:
        """Begin the handshake."""

    def give_up(self) -> str:
        """End the connection from outside of its block; return its name."""
        self.wire.hang_up(1001)
        for task in self.belongings.living():
            task.cancel()
        self._release()
        return self.wire.trace.connection

    def _release(self) -> None:
        self._opener._open.pop(self, None)
        if self._attendance is not None:
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
        belongings = self.belongings
        attendance = self._attendance
        left: str | None = None
        tidy = False
        try:
            if self._opener.calm:
                await settle()
            self.wire.hang_up(1000)
            task = self._task
            if task is not None and not task.done():
                await let_finish(self.session, task, self._opener.timeout)
            if belongings.living() or (attendance and attendance.clock.has_timers()):
                returned = task is None or task.done()
                left = await clear_up(self.session, returned=returned, who="the application")
            else:
                tidy = self._end is None
            if self._end is not None:
                await self._end()
        finally:
            if not tidy:
                # Whoever is interrupted here leaves nothing behind either.
                for each in belongings.living():
                    each.cancel()
            self._release()
            if not self._opener._entered:
                await self._opener._stop()
        failures = belongings.hand_over(error)
        crashes = self._opener._crashes()
        if crashes and not belongings.muted:
            failures += [each for each in crashes if each is not error]
        if error is not None or failures or left is not None:
            self._conclude(error, failures, left)

    def _conclude(
        self, error: BaseException | None, failures: list[BaseException], left: str | None
    ) -> None:
        attendance = self._attendance
        if isinstance(error, asyncio.CancelledError) and attendance is not None:
            tester: Any = attendance.tester
            verdict = attendance.clock.cancelled.pop(tester, None)
            if verdict is not None:
                # The test never gave way: the cancellation is how it was stopped.
                tester.uncancel()
                raise verdict from None
        conclude(error, failures, left)

    def _denied(self, answer: Handshake) -> HandshakeDenied:
        body = f": {shorten(answer.body.decode('utf-8', 'replace'))}" if answer.body else ""
        return HandshakeDenied(
            f"{self.wire.trace.connection}: the handshake was denied with HTTP "
            f"{answer.status}{body}\n  {self._why_denied(answer)}\n"
            "Hint: to expect that: await websocket_connect.denied(path, "
            f"status={answer.status})",
            answer.status,
            answer.headers,
            answer.body,
            answer.close_code,
        )

    def _why_denied(self, answer: Handshake) -> str:
        """Say how the application refused, as far as that is known."""
        code = answer.close_code
        if code == 3404:
            return "the application closed with 3404: it has no route for this path"
        if code == 3405:
            return "the application closed with 3405: the resource has no on_websocket"
        if code == 1000:
            return "the application closed with 1000, as Falcon does when on_websocket returns"
        if code is not None:
            return f"the application closed with {code} before it accepted"
        if answer.status == 500 and self._task is not None and self._task.done():
            return "the application returned without accepting or refusing"
        return "the application sent this response"


# Where somebody takes one for a session, it says how that is opened. PERF: with a __getattr__
# every attribute would be slower.
for _name in vars(Session):
    if not (_name.startswith("_") or hasattr(Connecting, _name)):
        setattr(Connecting, _name, property(Connecting.__enter__))
