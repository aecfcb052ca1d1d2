"""Playing a stream against an application, and what came of it.

Each play has an event loop on virtual time and a context of its own, so that nothing leaks from one
to the next. The peers read whatever they are sent, at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextvars import copy_context
from dataclasses import dataclass
from dataclasses import field
from functools import lru_cache
from functools import partial
from typing import Any
from typing import TYPE_CHECKING

from falcon_pachinko.errors import RouteError
from falcon_pachinko.templates import fields_of
from falcon_pachinko.templates import fill
from pytest_pachinko.application import check_application
from pytest_pachinko.application import is_factory
from pytest_pachinko.application import make_application
from pytest_pachinko.clock.control import advance
from pytest_pachinko.clock.control import loop_factory
from pytest_pachinko.coverage import collect
from pytest_pachinko.endings import is_ordinary_end
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.errors import Stalled
from pytest_pachinko.faults import Fault
from pytest_pachinko.fuzz.watchdog import watchdog
from pytest_pachinko.memory import MemoryTransport
from pytest_pachinko.observing import observing
from pytest_pachinko.quiet import settle
from pytest_pachinko.resources import Declaration
from pytest_pachinko.stacks import doing
from pytest_pachinko.stream import Drop
from pytest_pachinko.stream import frame_of
from pytest_pachinko.stream import InvalidFrame
from pytest_pachinko.stream import Leave
from pytest_pachinko.stream import Open
from pytest_pachinko.stream import Send
from pytest_pachinko.stream import Stream
from pytest_pachinko.stream import Wait
from pytest_pachinko.tasks import abandon
from pytest_pachinko.tasks import cancelled
from pytest_pachinko.trace.record import merged
from pytest_pachinko.trace.record import next_order
from pytest_pachinko.trace.record import Trace

if TYPE_CHECKING:
    from pytest_pachinko.headers import HeaderSource
    from pytest_pachinko.memory import MemoryConnecting
    from pytest_pachinko.peer import PeerEnd
    from pytest_pachinko.stream import Peer
    from pytest_pachinko.stream import Step

__all__ = ["Handshake", "Line", "Played", "close_loop", "run"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

_NO_ROUTE, _NO_WEBSOCKET = 3404, 3405  # how Falcon closes what leads nowhere

_ROUNDS = 100  # of cancelling tasks that were started while others were cancelled

FLOOD = 10_000
"""How many frames the application may send between two steps; more is a flood that may not end."""


@dataclass(frozen=True)
class Handshake:
    """How the connections of a play are opened, where the stream does not say.

    Attributes:
        path: The path, or a template that the stream's peers fill.
        headers: Headers of the request.
        subprotocols: What the peer offers.
        cookies: Cookies of the request.
        params: Parameters to add to the query.
        schema: What a client may send, where no resource of ours says it.
        emits: What the application may send, where no resource of ours says it.
    """

    path: str
    headers: HeaderSource | None = None
    subprotocols: Sequence[str] | None = None
    cookies: Mapping[str, str] | None = None
    params: Mapping[str, Any] | None = None
    schema: Any = None
    emits: Any = None

    def of(self, peer: Peer) -> dict[str, Any]:
        """Return what opens the connection of a peer."""
        path, headers = self.path, self.headers
        if "{" in path and fields_of(path):
            try:
                path = fill(path, peer.params)
            except RouteError as error:
                raise PachinkoUsageError(
                    f"{error}\nHint: the peers of a stream fill it: "
                    'Stream([...], peers=[Peer({"room": "tea"})])'
                ) from None
        if peer.headers:
            own = headers.items() if isinstance(headers, Mapping) else headers or ()
            headers = [*own, *peer.headers.items()]
        return {
            "path": path,
            "headers": headers,
            "subprotocols": peer.subprotocols or self.subprotocols,
            "cookies": self.cookies,
            "params": self.params,
        }


@dataclass(eq=False)
class Line:
    """One connection of a play, from its opening to its end.

    Attributes:
        number: The number of the connection in the stream.
        wire: Its end at the peer.
        sent: The messages that were sent on it, as the stream has them.
        refused: Whether the handshake was denied.
        failures: What the application has raised.
        left: What the connection has left behind, in words.
    """

    number: int
    wire: PeerEnd
    sent: list[Any] = field(default_factory=list)
    refused: bool = False
    failures: list[BaseException] = field(default_factory=list)
    left: str | None = None

    @property
    def trace(self) -> Trace:
        """What crossed the wire."""
        return self.wire.trace


@dataclass(eq=False)
class Played:
    """What came of a play.

    Attributes:
        stream: The stream.
        handshake: How its connections were opened.
        trace: What crossed the wire on all connections.
        lines: The connections, in the order in which they were opened.
        stalled: Why the play could not go on, in words.
        windows: From when to when the application dealt with an invalid frame, in the order of
            events of all connections: pairs of an order.
        unfinished: Whether an invalid frame was still dealt with when the next step was taken.
        errors: What was raised on behalf of no connection, such as in a task of the lifespan.
        lifespan: Whether the application's lifespan was run.
        app: The application.
        again: Plays another stream against the application, or against another one if there is
            a factory.
    """

    stream: Stream
    handshake: Handshake
    again: Callable[[Stream], Played]
    trace: Trace = field(default_factory=partial(Trace, "play"))
    lines: list[Line] = field(default_factory=list)
    stalled: str | None = None
    windows: list[tuple[int, int]] = field(default_factory=list)
    unfinished: bool = False
    errors: list[BaseException] = field(default_factory=list)
    lifespan: bool = True
    app: Any = None


def run(
    app: Any,
    handshake: Handshake,
    stream: Stream,
    *,
    lifespan: bool,
    timeout: float,
) -> Played:
    """Play a stream.

    Args:
        app: The ASGI application, or a function without arguments that makes one.
        handshake: How connections are opened.
        stream: The stream.
        lifespan: Whether to run the application's lifespan.
        timeout: Seconds of real time that one wait may take.

    Raises:
        PachinkoUsageError: It is called where an event loop runs, or the path cannot be filled.
        LifespanFailed: The application did not start, or stop.
        TypeError: A message cannot be sent.
    """
    if asyncio._get_running_loop() is not None:
        raise PachinkoUsageError(
            "play() has an event loop of its own, and cannot be called where one runs.\n"
            "Hint: call it in a test that is no async function, such as a plain @given test."
        )
    for step in stream:
        if isinstance(step, Send):
            frame_of(step.message)  # said now, not while others wait
    again = partial(run, app, handshake, lifespan=lifespan, timeout=timeout)
    played = Played(stream, handshake, again, lifespan=lifespan)
    made = _made(app)
    with observing():
        played.app = made
        copy_context().run(_run_in_loop, _Play(played, made, lifespan, timeout), timeout)
    collect(line.trace for line in played.lines)
    answers = {
        line.wire.handshake.close_code if line.wire.handshake else None for line in played.lines
    }
    if answers and answers <= {_NO_ROUTE, _NO_WEBSOCKET}:
        raise PachinkoUsageError(
            f"The application has no WebSocket route for {handshake.path!r}: every handshake was "
            "denied, so nothing was played."
        )
    played.trace = merged([line.trace for line in played.lines], "play")
    return played


def _made(app: Any) -> Any:
    """Return the application: what is given, or what that makes."""
    try:
        factory = _is_factory(app)
    except TypeError:  # it has no hash, such as a wrapper that is a dataclass
        factory = _is_factory.__wrapped__(app)
    if not factory:
        return app
    return check_application(make_application(app, "play(app)"), "What play(app) has made")


@lru_cache(maxsize=16)
def _is_factory(app: Any) -> bool:
    factory = is_factory(app)
    if not factory:
        check_application(app, "play(app)")
    return factory


def _run_in_loop(play: _Play, timeout: float) -> None:
    played = play.played
    loop: Any = loop_factory()
    loop.set_exception_handler(partial(_note_error, played))
    selector = loop._selector

    def turns() -> float:
        # Who waits for the outside does not stand in its way.
        return time.monotonic() if selector.is_waiting else selector.selects

    with watchdog(10 * timeout, turns) as barks:
        try:
            loop.run_until_complete(play.run())
        finally:
            left = close_loop(loop)
            if played.stalled is None:
                played.stalled = next(iter(barks), left)


def _note_error(played: Played, _: Any, context: dict[str, Any]) -> None:
    """Take note of what nobody else is told of, in the place of logging it."""
    error = context.get("exception")
    if error is not None and not is_ordinary_end(error):
        played.errors.append(error)


def close_loop(loop: Any) -> str | None:
    """Close a loop, and end what is left in it; say what cannot be ended."""
    problem = None
    for _ in range(_ROUNDS):
        tasks = asyncio.all_tasks(loop)
        if not tasks:
            break
        for _ in cancelled(tasks):
            loop.run_until_complete(asyncio.sleep(0))
        for task in tasks:
            if not task.done():
                problem = f"A task does not let itself be cancelled: {doing(task)}"
    else:
        for task in asyncio.all_tasks(loop):
            problem = f"Tasks that are cancelled start others without end: {doing(task)}"
            abandon(task)
    if loop._asyncgens:
        loop.run_until_complete(loop.shutdown_asyncgens())
    if loop._default_executor is not None:
        # Not waited for: a thread that does not end has been waited for before.
        loop._default_executor.shutdown(wait=False, cancel_futures=True)
    loop.close()
    return problem


class _Reader(Fault):
    """The peer's reading end: takes each frame at once, and vanishes when it is told to."""

    def __init__(self) -> None:
        self.wire: Any = None
        self.left: int | None = None  # frames until it vanishes
        self.taken = 0  # since the last step
        self.flooded = False

    def from_app(self, deliver: Any) -> Any:
        """Read each frame as it arrives."""

        def arrive(event: Any) -> None:
            deliver(event)
            wire = self.wire
            while wire.frames:
                wire.pop()
                self.taken += 1
                if self.left is not None:
                    self.left -= 1
            if self.left == 0 or self.taken > FLOOD:
                self.flooded = self.taken > FLOOD
                wire.hang_up(1006)

        return arrive


class _Peer:
    """A connection while it is played."""

    def __init__(self, line: Line, connecting: MemoryConnecting, reader: _Reader) -> None:
        self.line = line
        self.connecting = connecting
        self.reader = reader
        self.wire = connecting.wire

    @property
    def is_open(self) -> bool:
        return self.wire.closed is None and not self.line.refused


class _Play:
    def __init__(self, played: Played, app: Any, lifespan: bool, timeout: float) -> None:  # noqa: FBT001
        self.played = played
        self._transport = MemoryTransport(app, timeout=timeout, lifespan=lifespan)
        self._peers: dict[int, _Peer] = {}
        self._all: list[_Peer] = []

    async def run(self) -> None:
        played = self.played
        transport = self._transport
        await transport.__aenter__()
        try:
            for step in played.stream:
                await self._take(step)
                if self._is_over():
                    break
            await settle()
        except Stalled as error:
            played.stalled = str(error)
        finally:
            played.errors += transport._crashes()
            for peer in self._all:
                await peer.connecting.__aexit__(None, None, None)
            await transport._stop()
            played.errors += transport._crashes()

    async def _take(self, step: Step) -> None:
        match step:
            case Wait():
                await advance(step.seconds)
            case Send() | Open():
                if isinstance(step, Send) and isinstance(step.message, InvalidFrame):
                    await settle()  # what is under way is no answer to it
                peer = await self._peer(step.on)
                if peer is not None and isinstance(step, Send):
                    await self._send(peer, step)
            case Drop() if step.after:
                peer = await self._peer(step.on)
                if peer is not None:
                    await settle()  # what is under way is not counted
                    peer.reader.left = step.after
            case _:  # Leave, or Drop at once
                peer = self._peers.get(step.on)
                if peer is not None:
                    peer.wire.hang_up(step.code if isinstance(step, Leave) else 1006)
                    await settle()

    async def _send(self, peer: _Peer, step: Send) -> None:
        message = step.message
        invalid = isinstance(message, InvalidFrame)
        start = next_order()
        peer.reader.taken = 0
        peer.line.sent.append(message)
        peer.wire.push(frame_of(message))
        if step.turns is None or invalid:
            await settle()
        else:
            for _ in range(step.turns):
                await asyncio.sleep(0)
        if invalid:
            self.played.windows.append((start, next_order()))
            notes = peer.line.trace.notes
            if notes is not None and notes.refusing:
                self.played.unfinished = True

    async def _peer(self, number: int) -> _Peer | None:
        """Return an open connection, which is opened if it is not; None if it is refused."""
        known = self._peers.get(number)
        if known is not None:
            if known.is_open:
                return known
            if known.line.refused:
                return None
        played = self.played
        options = played.handshake.of(played.stream.peer(number))
        reader = _Reader()
        connecting = self._transport(
            **options, name=f"c{number}", faults=[reader], raise_app_exceptions=True
        )

        def begin() -> None:
            reader.wire = connecting.wire
            line = Line(number, connecting.wire)
            if line.trace.types == (None, None):
                types = (played.handshake.schema, played.handshake.emits)
                line.trace.types = Declaration(played.handshake.path, types=types)
            played.lines.append(line)
            connecting._conclude = partial(_note, line)  # type: ignore[method-assign]
            self._peers[number] = _Peer(line, connecting, reader)
            self._all.append(self._peers[number])

        connecting.on_wire = begin
        session = await connecting.open()
        peer = self._peers[number]
        peer.line.refused = not session.accepted
        await settle()
        return None if peer.line.refused else peer

    def _is_over(self) -> bool:
        """Return whether there is something to report already."""
        for peer in self._all:
            if peer.connecting.belongings.failures:
                return True
            if peer.reader.flooded:
                self.played.stalled = (
                    f"{peer.line.trace.connection}: the application has sent more than {FLOOD} "
                    "frames at a stretch."
                )
                return True
        return False


def _note(
    line: Line, _: BaseException | None, failures: list[BaseException], left: str | None
) -> None:
    """Take note of how a connection was left, in the place of raising it.

    One whose handshake is never answered is left twice.
    """
    line.failures += failures
    line.left = line.left or left
