"""Peers that read slowly, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from falcon_pachinko import All
from falcon_pachinko import Room
from falcon_pachinko import User
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketResource
from pytest_pachinko import Closed
from pytest_pachinko import Fault
from pytest_pachinko import Latency
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import SlowPeer
from pytest_pachinko import Stalled
from pytest_pachinko import StalledPeer
from pytest_pachinko import Statistics
from pytest_pachinko import WebSocketSimulator
from pytest_pachinko.clock import advance
from pytest_pachinko.clock import quiescent
from tests.manager.conftest import Member
from tests.manager.conftest import serve

pytestmark = pytest.mark.asyncio


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
def tells() -> Any:
    """Send frames one after the other, and note when each send has ended."""

    def tells(*frames: str, sent: list[float]) -> Any:
        async def tell(receive: Any, send: Any) -> None:
            started = now()
            for frame in frames:
                await send({"type": "websocket.send", "text": frame})
                sent.append(now() - started)
            while (await receive())["type"] == "websocket.receive":
                pass

        return tell

    return tells


async def test_each_send_takes_as_long_as_a_slow_peer_reads(talk_to: Any, tells: Any) -> None:
    sent: list[float] = []
    async with talk_to(tells("a", "b", sent=sent), faults=[SlowPeer(2.0)]) as session:
        await session.expect("a", "b")

    assert sent == [2.0, 4.0]


async def test_a_slow_peer_reads_so_many_bytes_in_a_second(talk_to: Any, tells: Any) -> None:
    sent: list[float] = []
    faults = [SlowPeer(1.0, bytes_per_second=4)]
    async with talk_to(tells("äö", "x" * 8, sent=sent), faults=faults) as session:
        await session.expect("äö", "x" * 8)

    assert sent == [2.0, 5.0]


async def test_a_slow_peer_may_begin_quickly(talk_to: Any, tells: Any) -> None:
    sent: list[float] = []
    async with talk_to(tells("a", "b", sent=sent), faults=[SlowPeer(2.0, after=1)]) as session:
        await session.expect("a", "b")

    assert sent == [0.0, 2.0]


async def test_what_a_slow_peer_reads_does_not_break_the_silence(talk_to: Any, tells: Any) -> None:
    async with talk_to(tells("a", sent=[]), faults=[SlowPeer(2.0)]) as session:
        await session.expect_silence()
        await session.expect("a")


async def test_a_slow_peer_takes_frames_in_the_order_in_which_they_are_sent(talk_to: Any) -> None:
    async def tell(receive: Any, send: Any) -> None:
        frames = [{"type": "websocket.send", "text": str(number)} for number in range(5)]
        await asyncio.gather(*map(send, frames))
        await receive()

    async with talk_to(tell, faults=[SlowPeer(bytes_per_second=1)]) as session:
        assert [await session.receive_json() for _ in range(5)] == [0, 1, 2, 3, 4]


async def test_a_close_comes_behind_what_a_slow_peer_reads(talk_to: Any) -> None:
    async def tell(receive: Any, send: Any) -> None:
        frame = asyncio.create_task(send({"type": "websocket.send", "text": "a"}))
        await asyncio.sleep(0)
        await send({"type": "websocket.close", "code": 4000})
        await frame

    async with talk_to(tell, faults=[SlowPeer(2.0)]) as session:
        started = now()
        await session.expect("a", Closed(4000))

        assert now() - started == 2.0


async def test_a_send_to_a_slow_peer_that_leaves_is_one_to_a_peer_that_has_left(
    talk_to: Any,
) -> None:
    seen = []

    async def tell(receive: Any, send: Any) -> None:
        try:
            await send({"type": "websocket.send", "text": "a"})
        except OSError as error:
            seen.append(type(error).__name__)

    async with talk_to(tell, faults=[SlowPeer(2.0)]) as session:
        await session.drop()

    assert seen == ["ClientDisconnected"]


async def test_a_slow_peer_composes_with_latency(talk_to: Any, tells: Any) -> None:
    counts = Statistics()
    faults = [Latency(from_app=3.0), SlowPeer(2.0), counts]
    async with talk_to(tells("a", "b", sent=[]), faults=faults) as session:
        started = now()
        await session.expect("a", "b")

        assert now() - started == 7.0
    assert counts.frames["from_app"] == 2


async def test_several_slow_peers_add_up(talk_to: Any, tells: Any) -> None:
    sent: list[float] = []
    faults = [SlowPeer(1.0), Fault(), SlowPeer(2.0)]
    async with talk_to(tells("a", sent=sent), faults=faults) as session:
        await session.expect("a")

    assert sent == [3.0]


async def test_a_send_to_a_stalled_peer_does_not_end(talk_to: Any, tells: Any) -> None:
    sent: list[float] = []
    stalled = StalledPeer()
    async with talk_to(tells("a", sent=sent), faults=[stalled]) as session:
        await advance(3600)
        await session.expect_silence()

        assert (sent, stalled.stuck, repr(stalled)) == ([], 1, "<StalledPeer: 1 stuck>")
        with pytest.raises(Stalled):
            await session.receive()
    assert stalled.stuck == 0


async def test_a_stalled_peer_reads_once_it_is_released(talk_to: Any, tells: Any) -> None:
    stalled = StalledPeer()
    async with talk_to(tells("a", "b", sent=[]), faults=[stalled]) as session:
        stalled.release()

        await session.expect("a", "b")
    assert repr(stalled) == "<StalledPeer: released>"


async def test_a_peer_may_stall_again(talk_to: Any, echo: Any) -> None:
    stalled = StalledPeer()
    async with talk_to(echo, faults=[stalled]) as session:
        stalled.release()
        await session.send("a")
        await session.expect("a")
        stalled.stall()
        await session.send("b")

        await session.expect_silence()
        assert stalled.stuck == 1


async def test_a_peer_may_take_some_frames_before_it_stalls(talk_to: Any, tells: Any) -> None:
    async with talk_to(tells("a", "b", sent=[]), faults=[StalledPeer(after=1)]) as session:
        await session.expect("a")
        await session.expect_silence()


async def test_a_close_does_not_reach_a_stalled_peer(talk_to: Any) -> None:
    async def close(receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 4000})

    stalled = StalledPeer()
    async with talk_to(close, faults=[stalled]) as session:
        await session.expect_silence()
        stalled.release()

        await session.expect(Closed(4000))


async def test_one_stalled_peer_may_be_several_connections(falcon_app: Any) -> None:
    from pytest_pachinko import MemoryTransport

    async def tell(req: Any, ws: Any) -> None:
        await ws.accept()
        await ws.send_text("a")
        await ws.receive_text()

    stalled = StalledPeer()
    async with MemoryTransport(falcon_app(tell)) as connect:
        async with connect("/", faults=[stalled]) as one, connect("/", faults=[stalled]) as two:
            await quiescent()
            assert stalled.stuck == 2
            stalled.release()
            await one.expect("a")
            await two.expect("a")


async def test_a_simulator_may_be_a_stalled_peer() -> None:
    stalled = StalledPeer()
    async with WebSocketSimulator(faults=[stalled]).connected() as simulator:
        sending = asyncio.create_task(simulator.send_text("a"))
        await quiescent()
        assert not sending.done()

        stalled.release()
        await sending


async def test_a_stalled_peer_delays_nobody_else_in_a_room() -> None:
    manager = WebSocketConnectionManager()
    connect = serve(manager)
    async with (
        connect("/?room=tea", faults=[StalledPeer()]),
        connect("/?room=tea") as ann,
    ):
        started = now()
        for number in range(10):
            await manager.send(Room("tea"), number)
            assert await ann.receive_json() == number

        assert now() == started


async def test_a_stalled_peer_is_closed_when_its_queue_is_full() -> None:
    losses: list[Any] = []
    codes: list[int] = []

    class Noting(Member):
        async def on_disconnect(self, ws: Any, close_code: int) -> None:
            codes.append(close_code)

    manager = WebSocketConnectionManager(max_messages=2, on_loss=losses.append)
    async with serve(manager, Noting)("/?user=slow", faults=[StalledPeer()]):
        for number in range(4):
            await manager.send(User("slow"), number)
        await advance(1)

        assert codes == [1013]
        assert [(loss.reason, loss.messages, loss.evicted) for loss in losses] == [
            ("overflow", 4, True)
        ]


async def test_a_stalled_peer_that_reads_again_sees_why_it_was_closed() -> None:
    manager = WebSocketConnectionManager(stall_timeout=5.0)
    stalled = StalledPeer()
    async with serve(manager)("/", faults=[stalled]) as slow:
        await manager.send(All(), "hi")
        await advance(6)
        stalled.release()

        await slow.expect(Closed(1013, reason="too slow", by="app"))


async def test_a_slow_peer_sees_the_1013_behind_what_it_reads() -> None:
    manager = WebSocketConnectionManager(max_messages=1)
    async with serve(manager)("/", faults=[SlowPeer(0.125)]) as slow:
        for number in range(3):
            await manager.send(All(), number)

        await slow.expect(Closed(1013, reason="too slow"))


async def test_a_stalled_peer_is_closed_after_the_stall_timeout() -> None:
    losses: list[Any] = []
    manager = WebSocketConnectionManager(stall_timeout=5.0, on_loss=losses.append)
    async with serve(manager)("/", faults=[StalledPeer()]):
        await manager.send(All(), "hi")
        await advance(4.9)
        assert manager.count == 1
        await advance(1)

        assert manager.count == 0
    assert [loss.reason for loss in losses] == ["stalled"]


async def test_what_a_handler_sends_waits_for_a_slow_peer() -> None:
    class Greeter(WebSocketResource):
        schema = Member.schema

        async def on_connect(self, req: Any, ws: Any) -> None:
            await self.accept()
            started = now()
            await self.send("hi")
            await self.send(now() - started)

        async def on_do(self, ws: Any, message: Any) -> None: ...

    async with serve(WebSocketConnectionManager(), Greeter)("/", faults=[SlowPeer(2.0)]) as peer:
        await peer.expect('"hi"', "2.0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "is not slow"),
        ({"seconds": -1}, "no time in seconds"),
        ({"bytes_per_second": 0}, "bytes_per_second=0: more than 0"),
        ({"seconds": 1, "after": -1}, "after=-1: a number of frames"),
    ],
)
async def test_a_slow_peer_needs_a_time_or_a_speed(arguments: Any, message: str) -> None:
    with pytest.raises(PachinkoUsageError, match=message):
        SlowPeer(**arguments)


async def test_a_stalled_peer_takes_a_number_of_frames() -> None:
    with pytest.raises(PachinkoUsageError, match="after='1'"):
        StalledPeer(after="1")  # type: ignore[arg-type]
