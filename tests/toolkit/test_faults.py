"""Trouble on the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import falcon
import falcon.asgi
import pytest

from pytest_pachinko import Failure
from pytest_pachinko import Fault
from pytest_pachinko import Latency
from pytest_pachinko import LostConnection
from pytest_pachinko import MemoryTransport
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import SessionClosed
from pytest_pachinko import Statistics

pytestmark = pytest.mark.asyncio


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_the_base_class_lets_everything_pass(talk_to: Any, echo: Any) -> None:
    async with talk_to(echo, faults=[Fault()]) as session:
        await session.send("hi")

        assert await session.receive() == "hi"


async def test_a_fault_may_end_the_connection(talk_to: Any, echo: Any) -> None:
    class Cut(Fault):
        def to_app(self, deliver: Any) -> Any:
            return lambda _: deliver({"type": "websocket.disconnect", "code": 1006})

    async with talk_to(echo, faults=[Cut()]) as session:
        await session.send("hi")

        with pytest.raises(SessionClosed):
            await session.receive()
        assert session.close_code == 1006


async def test_latency_delays_each_direction(talk_to: Any, echo: Any) -> None:
    async with talk_to(echo, faults=[Latency(2.0)]) as session:
        started = now()
        await session.send("hi")
        await session.receive()

        assert now() - started == pytest.approx(4.0)


async def test_a_frame_on_its_way_does_not_break_the_silence(talk_to: Any, echo: Any) -> None:
    async with talk_to(echo, faults=[Latency(1.0)]) as session:
        await session.send("hi")
        await session.expect_silence()

        await session.expect("hi")


async def test_a_frame_on_its_way_at_the_end_is_not_left_behind(talk_to: Any, echo: Any) -> None:
    async with talk_to(echo, faults=[Latency(1.0)]) as session:
        await session.send("hi")


@pytest.mark.parametrize("direction", ["to_app", "from_app"])
async def test_latency_may_be_of_one_direction(talk_to: Any, echo: Any, direction: str) -> None:
    async with talk_to(echo, faults=[Latency(**{direction: 2.0})]) as session:
        started = now()
        await session.send("hi")
        await session.receive()

        assert now() - started == pytest.approx(2.0)


async def test_latency_keeps_the_order(talk_to: Any, echo: Any) -> None:
    async with talk_to(echo, faults=[Latency(1.0)]) as session:
        for number in range(20):
            await session.send_json(number)

        assert [await session.receive_json() for _ in range(20)] == list(range(20))


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), "1", None])
async def test_latency_is_a_time(seconds: Any) -> None:
    with pytest.raises(PachinkoUsageError, match="no time in seconds"):
        Latency(seconds)


async def test_two_closes_may_cross_each_other(talk_to: Any) -> None:
    async def close(receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 4000})
        assert (await receive())["code"] == 4000

    async with talk_to(close, faults=[Latency(1.0)]) as session:
        await session.close(4001)
        await asyncio.sleep(5)

    assert session.close_code == 4001


async def test_a_failed_send_is_the_applications_to_handle(talk_to: Any) -> None:
    seen = []

    async def tell(receive: Any, send: Any) -> None:
        for number in "123":
            try:
                await send({"type": "websocket.send", "text": number})
            except ConnectionResetError as error:
                seen.append(error)
        await receive()

    async with talk_to(tell, faults=[Failure(ConnectionResetError("gone"), after=2)]) as session:
        await session.expect("1", "2")
        await session.expect_silence()

    assert [str(error) for error in seen] == ["gone"]


async def test_a_failed_receive_surfaces_as_what_the_application_raised(
    talk_to: Any, echo: Any
) -> None:
    failure = Failure(OSError("cable"), after=1, direction="to_app")

    with pytest.raises(OSError, match="cable"):
        async with talk_to(echo, faults=[failure]) as session:
            await session.send("1")
            await session.expect("1")
            await session.send("2")
            await session.receive()


async def test_a_failure_lets_the_close_pass(talk_to: Any, idle: Any) -> None:
    async with talk_to(idle, faults=[Failure(OSError(), direction="to_app")]):
        pass


async def test_a_failure_has_a_direction() -> None:
    with pytest.raises(PachinkoUsageError, match="no direction"):
        Failure(OSError(), direction="sideways")  # type: ignore[arg-type]


async def test_a_failure_is_an_exception() -> None:
    with pytest.raises(PachinkoUsageError, match="an exception"):
        Failure(OSError)  # type: ignore[arg-type]


async def test_a_lost_connection_takes_a_frame_with_it(falcon_app: Any) -> None:
    heard = []

    async def listen(req: Any, ws: Any) -> None:
        await ws.accept()
        try:
            while True:
                heard.append(await ws.receive_text())
        except falcon.WebSocketDisconnected as error:
            heard.append(error.code)

    async with MemoryTransport(falcon_app(listen))("/", faults=[LostConnection(after=1)]) as it:
        await it.send("1")
        await it.send("2")
        with pytest.raises(SessionClosed):
            await it.receive()

    assert heard == ["1", 1006]


async def test_statistics_count_what_passes(talk_to: Any, echo: Any) -> None:
    counts = Statistics()

    async with talk_to(echo, faults=[counts]) as session:
        await session.send("ü")
        await session.send(b"1234")
        await session.expect("ü", b"1234")

    assert counts.frames == {"to_app": 2, "from_app": 2}
    assert counts.bytes == {"to_app": 6, "from_app": 6}
    assert counts.closes == {1000: 1}


async def test_statistics_of_several_connections_add_up(talk_to: Any, echo: Any) -> None:
    counts = Statistics()

    for _ in range(3):
        async with talk_to(echo, faults=[counts]) as session:
            await session.send("1")
            await session.drop()

    assert counts.frames["to_app"] == 3
    assert counts.closes == {1006: 3}


async def test_statistics_count_no_exception(talk_to: Any, echo: Any) -> None:
    counts = Statistics()

    # What a fault makes of a frame passes those that were given before it.
    faults = [counts, Failure(OSError("cable"), direction="to_app")]
    with pytest.raises(OSError, match="cable"):
        async with talk_to(echo, faults=faults) as session:
            await session.send("1")

    assert not counts.frames


async def test_a_fault_of_ones_own_sees_each_event(talk_to: Any, echo: Any) -> None:
    class Shout(Fault):
        def from_app(self, deliver: Any) -> Any:
            return lambda event: deliver(event | {"text": event["text"].upper()})

    async with talk_to(echo, faults=[Shout()]) as session:
        await session.send("hi")
        await session.expect("HI")
