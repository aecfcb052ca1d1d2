"""Falcon's own WebSocket over a wire, to be injected where a connection is expected.

A simulator is a ``falcon.asgi.WebSocket``: states, errors and media handling are Falcon's. In
the same object it has the other end of the wire, for a white-box test to push frames into
and to look at what was sent.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from contextlib import ExitStack
from typing import Any
from typing import cast
from typing import overload
from typing import TYPE_CHECKING
from typing import TypeVar

import msgspec
from falcon.asgi import Request
from falcon.asgi import WebSocket
from falcon.asgi import WebSocketOptions

from falcon_pachinko.conversation import serve
from falcon_pachinko.resource import WebSocketResource
from falcon_pachinko.subprotocols import choose
from pytest_pachinko.clock.adopt import adoption_of
from pytest_pachinko.clock.adopt import Attendance
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.errors import SessionClosed
from pytest_pachinko.errors import UnexpectedMessage
from pytest_pachinko.leaving import clear_up
from pytest_pachinko.leaving import conclude
from pytest_pachinko.leaving import let_finish
from pytest_pachinko.quiet import settle
from pytest_pachinko.scope import build_scope
from pytest_pachinko.session import Session
from pytest_pachinko.surface import listening
from pytest_pachinko.tasks import Belongings
from pytest_pachinko.tasks import noting_tasks
from pytest_pachinko.tasks import side
from pytest_pachinko.tasks import TEST
from pytest_pachinko.trace.explain import last_events
from pytest_pachinko.trace.record import Trace
from pytest_pachinko.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Generator
    from collections.abc import Sequence
    from types import TracebackType

    from pytest_pachinko.faults import Fault
    from pytest_pachinko.headers import HeaderSource

__all__ = ["Serving", "WebSocketSimulator"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode

_SERVER_ERROR = 1011


class _Done:
    """What a verb returns that has done its work already, and may be awaited all the same."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        yield from ()


_DONE = _Done()


class WebSocketSimulator(WebSocket):
    """A WebSocket connection without a server, with both ends in the test's hands.

    The application's end is Falcon's: ``accept``, ``close``, ``send_media``,
    ``receive_media`` and the rest. The test's end pushes frames and looks at what was sent.

    Args:
        inbound: A queue whose items are pushed as they come: Structs, dicts, lists, ``str``
            or ``bytes``.
        outbound: A queue that gets each payload as the application sends it.
        path: The path of the request, with its query if it has one.
        headers: The headers of the request.
        subprotocols: What the client offers, in its order.
        faults: Trouble on the wire; see ``Fault``.
        timeout: Seconds after which a wait fails while the outside could still act.

    Attributes:
        sent_messages: What the application has sent, each as it gave it: the object that
            went through ``send_media``, ``str`` or ``bytes``.

    Example::

        simulator = WebSocketSimulator()
        async with simulator.serve(ChatRoom, room="tea"):
            simulator.push_message(Say(text="hi"))
            assert await simulator.next_sent() == '{"type":"said","text":"hi"}'
    """

    def __init__(
        self,
        *,
        inbound: asyncio.Queue[Any] | None = None,
        outbound: asyncio.Queue[Any] | None = None,
        path: str = "/",
        headers: HeaderSource | None = None,
        subprotocols: Sequence[str] | None = None,
        faults: Sequence[Fault] = (),
        timeout: float = 1.0,
    ) -> None:
        self._scope = build_scope(path, headers=headers, subprotocols=subprotocols)
        self._inbound = inbound
        self._outbound = outbound
        self._faults = faults
        self._timeout = timeout
        self._feeder: asyncio.Task[None] | None = None
        self._consumed = 0
        self._made: WebSocket | None = None
        self._link: Session | None = None
        self.sent_messages: list[Any] = []

    @property
    def _wire(self) -> Wire:
        return cast("Wire", self._session._wire)

    @property
    def _falcon(self) -> WebSocket:
        """Falcon's part, made on the first use: it needs a running loop, a fixture has none."""
        if self._made is None:
            options = WebSocketOptions()
            self._made = WebSocket(
                "2.4",
                self._scope,
                self._wire.receive,
                self._wire.send,
                options.media_handlers,
                options.max_receive_queue,
                options.default_close_reasons,
            )
        return self._made

    @property
    def _session(self) -> Session:
        """The test's end."""
        if self._link is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                raise PachinkoUsageError(
                    "A simulator can be made anywhere, but is used in an event loop.\n"
                    "Hint: use it in an async test or fixture."
                ) from None
            trace = Trace(self._scope["path"])
            adoption = adoption_of(loop)
            self._link = Session(
                Wire(self._scope, trace, loop, self._faults),
                self._scope["path"],
                Belongings(),
                None if adoption is None else adoption.clock,
                self._timeout,
            )
        return self._link

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        state = "not used yet" if self._link is None else self._link._status()
        return f"<{type(self).__name__} {self._scope['path']}: {state}>"

    # The application's end: Falcon's methods, noting what passes through them.

    async def send_media(self, media: object, *args: Any, **kwargs: Any) -> None:
        """Send an object; see ``falcon.asgi.WebSocket.send_media``."""
        await super().send_media(media, *args, **kwargs)
        self._sent(media)

    async def send_text(self, payload: str) -> None:
        """Send a text frame; see ``falcon.asgi.WebSocket.send_text``."""
        await super().send_text(payload)
        self._sent(payload)

    async def send_data(self, payload: bytes | bytearray | memoryview) -> None:
        """Send a binary frame; see ``falcon.asgi.WebSocket.send_data``."""
        await super().send_data(payload)
        self._sent(bytes(payload))

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON in a text frame, from the application's end."""
        await super().send_text(_encode(value).decode())
        self._sent(value)

    def _sent(self, payload: Any) -> None:
        self.sent_messages.append(payload)
        if self._outbound is not None:
            self._outbound.put_nowait(payload)
        self._session._wire.ring()

    # The test's end.

    def push_message(self, message: Any) -> _Done:
        """Send a message to the application: Struct, dict or list as JSON, ``str``, ``bytes``.

        Like all verbs that push, it is done when it returns, and may be awaited.
        """
        if isinstance(message, str | bytes):
            return self._push(message)
        return self._push(_encode(message).decode())

    def push_json(self, value: Any) -> _Done:
        """Send any value to the application, as JSON in a text frame."""
        return self._push(_encode(value).decode())

    def push_text(self, text: str) -> _Done:
        """Send a text frame to the application."""
        return self._push(text)

    def push_bytes(self, data: bytes) -> _Done:
        """Send a binary frame to the application."""
        return self._push(bytes(data))

    def push_disconnect(self, code: int = 1000, reason: str = "") -> _Done:
        """End the connection from the peer's side.

        Args:
            code: The code that the application sees; 1005 and 1006 may be simulated too.
            reason: The reason that goes with it.
        """
        self._session._wire.hang_up(code, reason)
        return _DONE

    def _push(self, payload: str | bytes) -> _Done:
        self._check_open("push")
        self._session._wire.push(payload)
        return _DONE

    def _check_open(self, what: str) -> None:
        session = self._session
        if session.closed:
            raise session._ended(what)
        if self.close_code is not None:
            raise SessionClosed(
                f"{self.trace.connection}: {what}: the application refused the connection with "
                f"{self.close_code}.\n{last_events(self.trace)}",
                self.close_code,
                "",
            )

    def pop_sent(self) -> Any:
        """Return the oldest message that was sent and not returned before.

        Raises:
            UnexpectedMessage: There is none.
        """
        if self._consumed == len(self.sent_messages):
            raise UnexpectedMessage(
                f"Nothing more was sent; {len(self.sent_messages)} messages so far.\n"
                "Hint: await simulator.next_sent() waits for one."
            )
        self._consumed += 1
        return self.sent_messages[self._consumed - 1]

    @overload
    def pop_sent_json(self, payload_type: type[T]) -> T: ...

    @overload
    def pop_sent_json(self, payload_type: None = None) -> Any: ...

    def pop_sent_json(self, payload_type: Any = None) -> Any:
        """Return the oldest message like ``pop_sent``, decoded.

        Args:
            payload_type: What to decode it to; plain data if not given.

        Raises:
            UnexpectedMessage: There is none, or it is no such message.
        """
        sent = self.pop_sent()
        frame = sent if isinstance(sent, str | bytes) else _encode(sent)
        name = getattr(payload_type, "__name__", "JSON")
        return self._session._decode(frame, payload_type or Any, name)

    async def next_sent(self, *, within: float | None = None) -> Any:
        """Wait for the next message that is sent, and return it like ``pop_sent``.

        Args:
            within: Seconds to wait; see ``Session.receive``.

        Raises:
            SessionClosed: The connection has ended or was refused before.
            Stalled: Nothing was sent.
        """
        session = self._session
        while self._consumed == len(self.sent_messages):
            session._surface()
            self._check_open("next_sent()")
            news = session._wire.watch()
            await session._wait(news, "next_sent()", "nothing was sent", within)
        return self.pop_sent()

    @property
    def accepted(self) -> bool:
        """Whether the application has accepted the connection."""
        return self._session.accepted

    @property
    def close_code(self) -> int | None:
        """The code with which the connection ended, or None."""
        answer = self._session._wire.handshake
        if self._session.close_code is None and answer is not None:
            return answer.close_code
        return self._session.close_code

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol with which the application accepted, or None."""
        return self._session.subprotocol

    @property
    def trace(self) -> Trace:
        """What crossed the wire so far."""
        return self._session.trace

    # Life.

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[WebSocketSimulator]:
        """Accept the connection if need be, and close it at the end if it is still open."""
        seen: BaseException | None = None
        session = self._session
        with _Attendance(self):
            if self.unaccepted:
                await self.accept()
            try:
                yield self
            except BaseException as error:
                seen = error
                raise
            finally:
                session._wire.hang_up(1000)
                await settle()
                conclude(seen, session._belongings.hand_over(seen), None)

    def serve(self, resource: Any, **params: Any) -> Serving:
        """Drive the receive loop of a resource with this connection.

        As a context manager it runs beside the test until the block is left, which ends the
        connection. Awaited, it serves what has been pushed and then a disconnect.

        Args:
            resource: A ``WebSocketResource``, or a class of them.
            **params: The path parameters for ``on_connect``.
        """
        return Serving(self, resource, params)

    async def _feed(self, queue: asyncio.Queue[Any]) -> None:
        try:
            while True:
                self.push_message(await queue.get())
        except Exception as error:  # noqa: BLE001 - nobody but the end of the block can raise it
            self._session._belongings.fail(error)


def _forwarded(name: str) -> property:
    def get(self: WebSocketSimulator) -> Any:
        return getattr(self._falcon, name)

    def put(self: WebSocketSimulator, value: Any) -> None:
        setattr(self._falcon, name, value)

    return property(get, put)


# The state is Falcon's own object; its methods, inherited, find it there.
for _name in WebSocket.__slots__:
    setattr(WebSocketSimulator, _name, _forwarded(_name))


class _Attendance:
    """Virtual time, and the queues, while a simulator is in use."""

    def __init__(self, simulator: WebSocketSimulator) -> None:
        self._simulator = simulator
        self._cleanup = ExitStack()

    def __enter__(self) -> None:
        simulator = self._simulator
        loop = asyncio.get_running_loop()
        session = simulator._session
        if session._wire._loop is not loop:
            raise PachinkoUsageError(
                f"{simulator!r} belongs to another event loop, in which it was used before.\n"
                "Hint: make a simulator for each test."
            )
        if side.get() is None:
            side.set(TEST)
        adoption = adoption_of(loop)
        if adoption is None:
            self._cleanup.enter_context(noting_tasks(loop))
        else:
            self._cleanup.callback(Attendance(adoption, None, session).release)
        if simulator._inbound is not None:
            feeding = simulator._feed(simulator._inbound)
            feeder = loop.create_task(feeding, name="inbound queue of a simulator")
            self._cleanup.callback(feeder.cancel)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cleanup.close()


class Serving:
    """A resource that a simulator is about to drive; see ``WebSocketSimulator.serve``."""

    def __init__(
        self, simulator: WebSocketSimulator, resource: Any, params: dict[str, Any]
    ) -> None:
        made = resource() if isinstance(resource, type) else resource
        if not isinstance(made, WebSocketResource):
            raise PachinkoUsageError(
                f"serve({resource!r}) takes a WebSocketResource or a class of them."
            )
        if made._dispatch is None:
            raise PachinkoUsageError(f"{type(made).__name__} has no schema to be served with.")
        self._simulator = simulator
        self._resource = made
        self._params = params
        self._attendance = _Attendance(simulator)
        self._listening = listening(None)
        self._task: asyncio.Task[Any]

    async def __aenter__(self) -> WebSocketSimulator:
        """Start to serve, and let on_connect do its work."""
        self._attendance.__enter__()
        self._listening.__enter__()
        simulator = self._simulator
        belongings = simulator._session._belongings
        name = type(self._resource).__name__
        self._task = belongings.start(self._run(), name, asyncio.get_running_loop())
        await settle()
        return simulator

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the connection and let the resource finish.

        Raises:
            Exception: What a handler raised.
            LeftBehind: The resource does not end, or leaves tasks behind.
        """
        session = self._simulator._session
        session._wire.hang_up(1000)
        try:
            left = await self._finish()
        finally:
            self._listening.__exit__(None, None, None)
            self._attendance.__exit__(None, None, None)
        failures = session._belongings.hand_over(error)
        conclude(error, failures, left)

    def __await__(self) -> Generator[Any, Any, None]:
        """Serve what has been pushed, then a disconnect."""
        return self._exhaust().__await__()

    async def _exhaust(self) -> None:
        async with self:
            self._simulator.push_disconnect(1000)

    async def _finish(self) -> str | None:
        """Let the resource end, cancel what it leaves behind, and describe that."""
        session = self._simulator._session
        await let_finish(session, self._task, self._simulator._timeout)
        name = type(self._resource).__name__
        return await clear_up(session, returned=self._task.done(), who=name)

    async def _run(self) -> None:
        simulator = self._simulator
        req = Request(simulator._scope, simulator._wire.receive)
        token, _ = choose(simulator.subprotocols, [type(self._resource)])
        try:
            await serve(self._resource, req, simulator, self._params, subprotocol=token)
            await simulator.close()
        except Exception as error:  # noqa: BLE001 - it reaches the test
            # What Falcon's error handlers do at the end.
            status = getattr(error, "status_code", None)
            code = _SERVER_ERROR if status is None else 3000 + status
            await simulator.close(code)
            simulator._session._belongings.fail(error)
        finally:
            simulator._wire.returned()
