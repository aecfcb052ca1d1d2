"""How much one connection may send, and how long its handshake may take."""

import asyncio
import gc
import logging
import weakref
from collections.abc import Iterator
from contextlib import asynccontextmanager
from contextlib import suppress
from typing import Any

import falcon
import falcon.asgi
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect as connect_to

from falcon_pachinko import ConnectionLimits
from falcon_pachinko import install
from falcon_pachinko import LimitError
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.inbox import MAX_UNREAD
from falcon_pachinko.security import Breach
from falcon_pachinko.security import Meter
from pytest_pachinko import Closed
from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from pytest_pachinko import WebSocketSimulator
from pytest_pachinko.clock import VirtualClock
from tests.unit.conftest import Pipe

TOO_BIG = Breach(1009, "message too big")
TOO_FAST = Breach(1008, "too many messages")


class Say(msgspec.Struct, tag="say"):
    text: str = ""
    seconds: float = 0


class Chat(WebSocketResource):
    """Takes as long for a message as that says."""

    schema = Say
    heard: list[str]
    ends: list[int]

    async def on_say(self, ws: Any, message: Say) -> None:
        self.heard.append(message.text)
        await asyncio.sleep(message.seconds)

    async def on_disconnect(self, ws: Any, close_code: int) -> None:
        self.ends.append(close_code)


def limited(limits: ConnectionLimits | None = None, **members: Any) -> type[Chat]:
    """Make a class of resources with limits, and records of its own."""
    return type("Limited", (Chat,), {"limits": limits, "heard": [], "ends": []} | members)


def serve(resource: Any, **options: Any) -> MemoryTransport:
    router = WebSocketRouter(**options)
    router.add_route("/", resource)
    app = falcon.asgi.App()
    install(app, router)
    return MemoryTransport(app)


# What can be a limit.


@pytest.mark.parametrize(
    "name", ["max_message", "messages_per_second", "bytes_per_second", "burst", "accept_timeout"]
)
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 10**400, "10", True])
def test_a_limit_that_is_no_positive_number_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(LimitError, match=f"{name}={value!r}: .* more than 0"):
        ConnectionLimits(**{name: value})


def test_a_message_has_whole_bytes() -> None:
    with pytest.raises(LimitError, match=r"max_message=1\.5: a whole number"):
        ConnectionLimits(max_message=1.5)  # type: ignore[arg-type]


def test_a_burst_is_always_limited() -> None:
    with pytest.raises(LimitError, match="burst=None"):
        ConnectionLimits(burst=None)  # type: ignore[arg-type]


def test_a_rate_that_allows_no_message_is_an_error() -> None:
    with pytest.raises(LimitError, match=r"not even one message\.\nHint: burst=10 or more"):
        ConnectionLimits(messages_per_second=0.1)


@pytest.mark.parametrize("name", ["messages_per_second", "bytes_per_second"])
def test_a_rate_that_no_burst_makes_up_for_is_an_error(name: str) -> None:
    with pytest.raises(LimitError, match=f"{name}=.*\nHint: a higher rate"):
        ConnectionLimits(**{name: 5e-324})


@pytest.mark.parametrize(("size", "hint"), [(100, 100), (None, 1)])
def test_a_rate_that_allows_no_long_message_is_an_error(size: Any, hint: int) -> None:
    with pytest.raises(LimitError, match=f"never allows .*\nHint: burst={hint} or more"):
        ConnectionLimits(bytes_per_second=1, max_message=size, burst=0.5)


def test_what_is_no_limits_is_an_error_when_the_class_is_made() -> None:
    with pytest.raises(
        LimitError, match=r"Limited.limits is \{'max_message': 3\}.\nHint: limits ="
    ):
        limited({"max_message": 3})  # type: ignore[arg-type]


def test_limits_are_inherited_and_can_be_taken_back() -> None:
    limits = ConnectionLimits(max_message=3)
    base = limited(limits)

    assert type("Sub", (base,), {}).limits is limits
    assert type("Sub", (base,), {"limits": None}).limits is None


# Measuring.


def admitted(meter: Meter, *times: float, frame: str | bytes = "x") -> list[bool]:
    return [meter.admit(frame, now) is None for now in times]


@pytest.mark.parametrize(
    ("frame", "fits"),
    [
        ("abcd", True),
        ("abcde", False),
        ("\u00e9\u00e9", True),
        ("\u00e9\u00e9\u00e9", False),
        ("\U0001f600", True),
        ("\ud800x", True),
        (b"abcd", True),
        (b"abcde", False),
        ("", True),
    ],
)
def test_a_message_is_measured_in_bytes(frame: str | bytes, fits: bool) -> None:  # noqa: FBT001
    meter = ConnectionLimits(max_message=4).meter(0)

    assert meter.admit(frame, 0) == (None if fits else TOO_BIG)


def test_a_burst_may_come_at_once_and_no_more() -> None:
    meter = ConnectionLimits(messages_per_second=2, burst=2).meter(0)

    assert admitted(meter, 0, 0, 0, 0, 0) == [True, True, True, True, False]


def test_who_keeps_to_the_rate_is_never_refused() -> None:
    meter = ConnectionLimits(messages_per_second=10, burst=0.1).meter(1e6)

    assert all(admitted(meter, *(1e6 + n / 10 for n in range(10_000))))


def test_who_is_a_little_too_fast_is_refused_in_the_end() -> None:
    meter = ConnectionLimits(messages_per_second=10, burst=1).meter(0)

    assert admitted(meter, *(n / 11 for n in range(200))).index(False) == 100


def test_silence_fills_a_burst_and_not_more() -> None:
    meter = ConnectionLimits(messages_per_second=1, burst=2).meter(0)

    assert admitted(meter, 0, 0, 1000, 1000, 1000) == [True, True, True, True, False]


def test_bytes_have_a_rate_of_their_own() -> None:
    meter = ConnectionLimits(bytes_per_second=10, burst=1).meter(0)

    assert admitted(meter, 0, 0, frame="\u00e9\u00e9") == [True, True]
    assert meter.admit(b"xyz", 0) == TOO_FAST
    assert ConnectionLimits(bytes_per_second=10, burst=1).meter(0).admit(b"x" * 11, 0) == TOO_FAST


def test_both_rates_hold() -> None:
    limits = ConnectionLimits(messages_per_second=2, bytes_per_second=100, burst=1)

    assert admitted(limits.meter(0), 0, 0, 0) == [True, True, False]
    assert admitted(limits.meter(0), 0, 0, frame="x" * 60) == [True, False]


def test_a_clock_that_is_set_back_changes_nothing() -> None:
    meter = ConnectionLimits(messages_per_second=1, burst=2).meter(100)

    assert admitted(meter, 100, 50, 100) == [True, True, False]
    meter = ConnectionLimits(messages_per_second=1, burst=2).meter(100)
    meter.resume(50)
    assert admitted(meter, 100, 100, 100) == [True, True, False]


def test_what_piles_up_while_nobody_listens_is_excused() -> None:
    meter = ConnectionLimits(messages_per_second=1, burst=2).meter(0)
    admitted(meter, 0, 0)

    meter.resume(5)

    assert admitted(meter, 5, 5, 5, 5, 5, 5) == [True] * 5 + [False]


@given(
    rate=st.floats(0.5, 1000),
    burst=st.floats(2, 100),
    gaps=st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=200),
)
def test_nobody_gets_more_than_a_burst_and_the_rate(
    rate: float, burst: float, gaps: list[tuple[float, bool]]
) -> None:
    meter = ConnectionLimits(messages_per_second=rate, burst=burst).meter(0)
    now, count = 0.0, 0

    for gap, busy in gaps:
        now += gap
        if busy:
            meter.resume(now)
        if meter.admit("", now) is not None:
            break
        count += 1

    assert count <= (burst + now) * rate * (1 + 1e-9) + 1e-3


# On a connection.


@pytest.mark.asyncio
async def test_a_message_that_is_too_big_closes_with_1009_and_is_not_decoded() -> None:
    resource = limited(ConnectionLimits(max_message=40))
    fits = '{"type":"say","text":"abcdefghijklmnopq"}'
    assert len(fits) == 41

    async with serve(resource)("/") as session:
        await session.send(fits[:-2] + "}")  # invalid, and not too big: the connection lives on
        await session.send(fits.replace("q", ""))
        await session.send(fits)
        await session.expect(Closed(1009, reason="message too big", by="app"))

    assert resource.heard == ["abcdefghijklmnop"]
    assert resource.ends == [1009]


@pytest.mark.asyncio
@pytest.mark.parametrize("frame", ["{" * 41, b"\xff" * 41])
async def test_garbage_that_is_too_big_is_not_looked_at(frame: Any) -> None:
    async def on_invalid(self: Any, ws: Any, message: Any, error: Any) -> None:
        pytest.fail("it was decoded")

    resource = limited(ConnectionLimits(max_message=40), on_invalid=on_invalid)

    async with serve(resource)("/") as session:
        await session.send(frame)
        await session.expect(Closed(1009))


@pytest.mark.asyncio
async def test_a_flood_closes_with_1008(
    websocket_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    resource = limited(ConnectionLimits(messages_per_second=2, burst=2))

    async with serve(resource)("/") as session:
        for _ in range(4):
            await session.send(Say())
        await websocket_clock.advance(1)
        for _ in range(2):
            await session.send(Say())
        await session.expect_silence()
        await session.send(Say(text="secret"))
        await session.expect(Closed(1008, reason="too many messages", by="app"))

    assert resource.ends == [1008]
    [record] = caplog.records
    assert record.getMessage() == "Limited: a connection is closed with 1008: too many messages"


@pytest.mark.asyncio
async def test_a_flood_is_closed_while_a_handler_is_busy_and_what_came_before_is_served(
    websocket_clock: VirtualClock,
) -> None:
    resource = limited(ConnectionLimits(messages_per_second=1, burst=3))

    async with serve(resource)("/") as session:
        await session.send(Say("busy", seconds=10))
        for text in ("one", "two", "three"):
            await session.send(Say(text))
        await session.expect(Closed(1008))
        assert websocket_clock.now == 0
        await websocket_clock.advance(10)

    assert resource.heard == ["busy", "one", "two"]
    assert resource.ends == [1008]


@pytest.mark.asyncio
async def test_who_waits_for_a_busy_handler_is_not_taken_for_a_flood(
    websocket_clock: VirtualClock,
) -> None:
    resource = limited(ConnectionLimits(messages_per_second=1, burst=2))
    many = MAX_UNREAD + 20

    async with serve(resource)("/") as session:
        await session.send(Say("busy", seconds=100))
        for _ in range(many):
            await websocket_clock.advance(1)
            await session.send(Say())
        await websocket_clock.advance(100)
        await session.expect_silence()

    assert len(resource.heard) == many + 1


@pytest.mark.asyncio
async def test_a_slow_handshake_gives_no_credit(websocket_clock: VirtualClock) -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        await asyncio.sleep(100)
        return True

    resource = limited(ConnectionLimits(messages_per_second=1, burst=2), on_connect=on_connect)
    opening = asyncio.create_task(_flood(serve(resource)))

    await websocket_clock.advance(101)

    assert await opening == 1008
    assert len(resource.heard) <= 2


async def _flood(connect: MemoryTransport) -> int | None:
    async with connect("/") as session:
        with suppress(Exception):
            for _ in range(10):
                await session.send(Say())
        await session.expect(Closed(1008))
        return session.close_code


@pytest.mark.asyncio
async def test_a_handler_that_sends_after_the_close_ends(websocket_clock: VirtualClock) -> None:
    async def on_say(self: Any, ws: Any, message: Say) -> None:
        await asyncio.sleep(1)
        await self.send(message)

    resource = limited(ConnectionLimits(max_message=20), on_say=on_say)

    async with serve(resource)("/") as session:
        await session.send('{"type":"say"}')
        await session.send("x" * 21)
        await session.expect(Closed(1009))
        await websocket_clock.advance(1)

    assert resource.ends == [1009]


@pytest.mark.asyncio
async def test_what_a_handler_reads_by_itself_is_measured_too() -> None:
    async def on_say(self: Any, ws: Any, message: Say) -> None:
        await ws.receive_text()

    resource = limited(ConnectionLimits(max_message=20), on_say=on_say)

    async with serve(resource)("/") as session:
        await session.send('{"type":"say"}')
        await session.send("x" * 21)
        await session.expect(Closed(1009))

    assert resource.ends == [1009]


@pytest.mark.asyncio
async def test_what_comes_after_the_applications_own_close_breaks_no_limit(
    caplog: pytest.LogCaptureFixture, pipe: Any
) -> None:
    async def on_say(self: Any, ws: Any, message: Say) -> None:
        connection.push_text("x" * 21)
        await ws.close(4001)
        await asyncio.sleep(0)

    resource = limited(ConnectionLimits(max_message=20), on_say=on_say)
    connection = pipe(serve(resource).app)
    connection.push_text('{"type":"say"}')
    await connection.task

    assert connection.sent[-1]["code"] == 4001
    assert resource.ends == [4001]
    assert caplog.records == []


@pytest.mark.asyncio
async def test_a_peer_that_is_gone_before_the_close_is_no_error(pipe: Any) -> None:
    resource = limited(ConnectionLimits(max_message=20))
    connection = pipe(serve(resource).app)
    while not connection.sent:
        await asyncio.sleep(0)

    connection.fail = OSError("gone")
    connection.push_text("x" * 21)
    connection.push_disconnect(1001)
    await connection.task

    assert resource.ends == [1009]


class FullPipe(Pipe):
    """A connection to a peer that does not read any more, once it is full."""

    full: asyncio.Event | None = None

    async def send(self, event: Any) -> None:
        if self.full is not None:
            await self.full.wait()
        await super().send(event)


@pytest.mark.asyncio
async def test_a_close_that_finds_no_way_out_is_given_up(websocket_clock: VirtualClock) -> None:
    resource = limited(ConnectionLimits(max_message=20))
    connection = FullPipe(serve(resource).app)
    await websocket_clock.quiescent()

    connection.full = asyncio.Event()
    connection.push_text("x" * 21)
    await websocket_clock.quiescent()
    assert resource.ends == []
    await websocket_clock.advance(0.25)
    assert resource.ends == [1009]

    connection.full.set()
    await connection.task


@pytest.mark.asyncio
async def test_a_close_that_is_slow_is_sent_before_the_application_returns(
    websocket_clock: VirtualClock,
) -> None:
    resource = limited(ConnectionLimits(max_message=20))
    connection = FullPipe(serve(resource).app)
    await websocket_clock.quiescent()

    connection.full = asyncio.Event()
    connection.push_text("x" * 21)
    await websocket_clock.advance(0.1)
    connection.full.set()
    await connection.task

    assert [event.get("code") for event in connection.sent] == [None, 1009]
    assert resource.ends == [1009]


@pytest.mark.asyncio
async def test_a_connection_that_is_taken_down_while_it_is_closed_says_goodbye(
    websocket_clock: VirtualClock,
) -> None:
    resource = limited(ConnectionLimits(max_message=20))
    connection = FullPipe(serve(resource).app)
    await websocket_clock.quiescent()

    connection.full = asyncio.Event()
    connection.push_text("x" * 21)
    await websocket_clock.quiescent()
    connection.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connection.task

    assert resource.ends == [1009]


@pytest.mark.asyncio
async def test_a_crash_in_on_disconnect_after_a_breach_reaches_the_test() -> None:
    async def on_disconnect(self: Any, ws: Any, close_code: int) -> None:
        raise ZeroDivisionError

    resource = limited(ConnectionLimits(max_message=20), on_disconnect=on_disconnect)

    with pytest.raises(ZeroDivisionError):
        async with serve(resource)("/") as session:
            await session.send("x" * 21)
            await session.expect(Closed(1009))


@pytest.mark.asyncio
async def test_a_handler_that_fails_after_a_breach_is_an_error_as_ever(
    websocket_clock: VirtualClock,
) -> None:
    async def on_say(self: Any, ws: Any, message: Say) -> None:
        await asyncio.sleep(1)
        raise ZeroDivisionError

    resource = limited(ConnectionLimits(max_message=20), on_say=on_say)

    with pytest.raises(ZeroDivisionError):
        async with serve(resource)("/") as session:
            await session.send('{"type":"say"}')
            await session.send("x" * 21)
            await session.expect(Closed(1009))
            await websocket_clock.advance(1)

    assert resource.ends == [1009]


@pytest.mark.asyncio
async def test_limits_hold_for_a_simulator(websocket_clock: VirtualClock) -> None:
    resource = limited(ConnectionLimits(max_message=20))

    async with WebSocketSimulator().serve(resource) as simulator:
        simulator.push_text("x" * 21)
        await websocket_clock.quiescent()
        assert simulator.close_code == 1009

    assert resource.ends == [1009]


@pytest.mark.asyncio
async def test_limits_hold_for_a_connection_that_something_stands_in_for(
    websocket_clock: VirtualClock,
) -> None:
    simulators: list[WebSocketSimulator] = []

    def simulate(req: Any, ws: Any) -> WebSocketSimulator:
        simulators.append(WebSocketSimulator())
        return simulators[0]

    resource = limited(ConnectionLimits(max_message=20, accept_timeout=5))

    async with serve(resource, simulator_factory=simulate)("/") as session:
        simulators[0].push_text("x" * 21)
        await session.expect(Closed(1009))


@pytest.mark.asyncio
async def test_limits_are_no_hindrance_where_the_original_ends_first() -> None:
    resource = limited(ConnectionLimits(max_message=20, accept_timeout=5))

    async with serve(resource, simulator_factory=lambda req, ws: WebSocketSimulator())("/") as one:
        await one.close(4001)

    assert resource.ends == [4001]


class Foreign:
    """A connection that is none of Falcon's: nothing below its methods is seen."""

    subprotocols = ()

    def __init__(self) -> None:
        self.frames: asyncio.Queue[str] = asyncio.Queue()
        self.unaccepted = True
        self.closed: Any = False

    async def accept(self, subprotocol: Any = None, headers: Any = None) -> None:
        self.unaccepted = False

    async def close(self, code: Any = None, reason: Any = None) -> None:
        self.closed = self.closed or (code, reason)

    async def receive_media(self) -> Any:
        return await self.frames.get()


@pytest.mark.asyncio
async def test_limits_hold_for_a_connection_that_is_none_of_falcons() -> None:
    foreign = Foreign()
    foreign.frames.put_nowait("x" * 21)
    resource = limited(ConnectionLimits(max_message=20, accept_timeout=5))

    async with serve(resource, simulator_factory=lambda req, ws: foreign)("/") as session:
        await session.expect(Closed(1009))

    assert foreign.closed == TOO_BIG
    assert resource.ends == [1009]


@pytest.mark.asyncio
async def test_limits_hold_beside_a_manager() -> None:
    manager = WebSocketConnectionManager()
    resource = limited(ConnectionLimits(max_message=20))

    async with serve(resource, manager=manager)("/") as session:
        assert manager.count == 1
        await session.send("x" * 21)
        await session.expect(Closed(1009))

    assert manager.count == 0


@pytest.mark.asyncio
async def test_nothing_of_a_connection_is_left_when_it_has_ended() -> None:
    resources: list[Any] = []

    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        resources.append(weakref.ref(self))
        return True

    limits = ConnectionLimits(max_message=20, accept_timeout=9)
    async with serve(limited(limits, on_connect=on_connect)) as connect:
        async with connect("/") as session:
            await session.send("x" * 21)
        del session
        gc.collect()

        assert resources[0]() is None


@pytest.mark.asyncio
@pytest.mark.parametrize("protocol", ["websockets-sansio", "wsproto"])
async def test_limits_hold_on_a_server(protocol: str) -> None:
    resource = limited(ConnectionLimits(max_message=100, messages_per_second=1, burst=5))

    async with LiveServer(serve(resource).app, ws=protocol) as server:
        async with server.client().connect("/") as session:
            await session.send(Say("x" * 100))
            await session.expect(Closed(1009, reason="message too big"))
        async with server.client().connect("/") as session:
            for _ in range(6):
                await session.send(Say())
            await session.expect(Closed(1008, reason="too many messages"))

    assert resource.ends == [1009, 1008]


@pytest.mark.asyncio
@pytest.mark.parametrize("protocol", ["websockets-sansio", "wsproto"])
async def test_who_floods_a_server_and_does_not_read_is_closed(
    protocol: str, warned: asyncio.Event
) -> None:
    async def on_say(self: Any, ws: Any, message: Say) -> None:
        await self.send(message)

    # Its own frames fill the way back, so that a handler and the close are stuck in there.
    resource = limited(ConnectionLimits(bytes_per_second=1e6, burst=20), on_say=on_say)
    big = msgspec.json.encode(Say("x" * 1_000_000)).decode()

    async with LiveServer(serve(resource).app, ws=protocol) as server:
        async with connect_to(server.url, compression=None, max_queue=1) as peer:
            flood = asyncio.create_task(_send_for_ever(peer, big))
            async with asyncio.timeout(10):
                await warned.wait()
            flood.cancel()
            peer.transport.abort()

    assert resource.ends == [1008]


@pytest.fixture
def warned() -> Iterator[asyncio.Event]:
    """Return what is set when the runtime logs something."""
    event = asyncio.Event()
    handler = logging.Handler()
    handler.emit = lambda _: event.set()  # type: ignore[method-assign]
    logging.getLogger("falcon_pachinko").addHandler(handler)
    yield event
    logging.getLogger("falcon_pachinko").removeHandler(handler)


async def _send_for_ever(peer: Any, frame: str) -> None:
    with suppress(Exception):
        while True:
            await peer.send(frame)


# The handshake.


def slow(seconds: float, *, accept: bool = False, cancelled: list[str] | None = None) -> Any:
    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        if accept:
            await self.accept()
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if cancelled is not None:
                cancelled.append("on_connect")
            raise
        return True

    return on_connect


@pytest.mark.asyncio
async def test_a_handshake_that_takes_too_long_is_refused_with_503(
    websocket_clock: VirtualClock,
) -> None:
    cancelled: list[str] = []
    resource = limited(ConnectionLimits(accept_timeout=5), on_connect=slow(60, cancelled=cancelled))
    refusal = asyncio.create_task(serve(resource).denied("/", status=503))

    await websocket_clock.advance(5)
    answer = await refusal

    assert websocket_clock.now == 5
    assert 5 <= int(answer.headers["retry-after"]) <= 15
    assert cancelled == ["on_connect"]
    assert resource.ends == []


@pytest.mark.asyncio
async def test_a_handshake_in_time_is_accepted(websocket_clock: VirtualClock) -> None:
    resource = limited(ConnectionLimits(accept_timeout=5), on_connect=slow(4))
    opening = asyncio.create_task(_talk(serve(resource), websocket_clock))

    await websocket_clock.advance(100)
    await opening

    assert resource.heard == ["late"]


async def _talk(connect: MemoryTransport, clock: VirtualClock) -> None:
    async with connect("/") as session:
        await clock.advance(50)
        await session.send(Say("late"))


@pytest.mark.asyncio
async def test_who_has_accepted_may_take_any_time(websocket_clock: VirtualClock) -> None:
    resource = limited(ConnectionLimits(accept_timeout=5), on_connect=slow(60, accept=True))

    async with serve(resource)("/") as session:
        await websocket_clock.advance(60)
        await session.send(Say("hi"))

    assert resource.heard == ["hi"]


@pytest.mark.asyncio
async def test_who_has_accepted_with_falcons_own_method_may_too(
    websocket_clock: VirtualClock,
) -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        await ws.accept()
        await asyncio.sleep(60)

    resource = limited(ConnectionLimits(accept_timeout=5), on_connect=on_connect)

    async with serve(resource)("/") as session:
        await websocket_clock.advance(60)
        await session.send(Say("hi"))

    assert resource.heard == ["hi"]


@pytest.mark.asyncio
async def test_a_hook_that_takes_too_long_is_cancelled_too(websocket_clock: VirtualClock) -> None:
    events = []

    @asynccontextmanager
    async def outer(context: Any) -> Any:
        try:
            yield
        finally:
            events.append("outer")

    @asynccontextmanager
    async def inner(context: Any) -> Any:
        await asyncio.sleep(60)
        yield

    resource = limited(ConnectionLimits(accept_timeout=5))
    resource.around_connection(outer)
    resource.around_connection(inner)
    refusal = asyncio.create_task(serve(resource).denied("/", status=503))

    await websocket_clock.advance(5)
    await refusal

    assert events == ["outer"]


@pytest.mark.asyncio
@pytest.mark.parametrize("verb", ["return", "self.accept", "ws.accept"])
async def test_who_ignores_that_it_is_cancelled_is_too_late_all_the_same(
    websocket_clock: VirtualClock, verb: str
) -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        if verb == "self.accept":
            await self.accept()
        if verb == "ws.accept":
            await ws.accept()
        return True

    resource = limited(ConnectionLimits(accept_timeout=5), on_connect=on_connect)
    refusal = asyncio.create_task(serve(resource).denied("/", status=503))

    await websocket_clock.advance(5)
    await refusal


@pytest.mark.asyncio
async def test_a_timeout_of_the_applications_own_stays_its_own() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        raise TimeoutError("the database")

    resource = limited(ConnectionLimits(accept_timeout=5), on_connect=on_connect)

    with pytest.raises(TimeoutError, match="the database"):
        async with serve(resource)("/"):
            pass


@pytest.mark.asyncio
async def test_a_server_that_takes_the_connection_down_is_no_timeout(pipe: Any) -> None:
    resource = limited(ConnectionLimits(accept_timeout=5), on_connect=slow(60))
    connection = pipe(serve(resource).app)
    for _ in range(10):
        await asyncio.sleep(0)

    connection.task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await connection.task
    assert connection.sent == []


@pytest.mark.asyncio
async def test_where_a_server_cannot_deny_a_late_handshake_is_closed_with_3503(
    websocket_clock: VirtualClock, pipe: Any
) -> None:
    resource = limited(ConnectionLimits(accept_timeout=5), on_connect=slow(60))
    connection = pipe(serve(resource).app)

    await websocket_clock.advance(5)
    await connection.task

    assert [event["code"] for event in connection.sent] == [3503]


@pytest.mark.asyncio
async def test_a_late_handshake_on_a_server_is_a_503() -> None:
    resource = limited(ConnectionLimits(accept_timeout=0.01), on_connect=slow(60))

    async with LiveServer(serve(resource).app, clock="autojump") as server:
        await server.client().denied("/", status=503)
