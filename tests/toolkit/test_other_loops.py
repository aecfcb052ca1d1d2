"""A loop that cannot be put on virtual time, such as uvloop's: time is real, and waits are bounded."""

from __future__ import annotations

import asyncio
from typing import Any
from typing import TYPE_CHECKING

import msgspec
import pytest

from falcon_pachinko import WebSocketResource
from pytest_pachinko import LeftBehind
from pytest_pachinko import lifespan
from pytest_pachinko import LifespanFailed
from pytest_pachinko import MemoryTransport
from pytest_pachinko import SimulatorRouterHarness
from pytest_pachinko import Stalled
from pytest_pachinko import UnexpectedMessage
from pytest_pachinko import WebSocketSimulator

if TYPE_CHECKING:
    from collections.abc import Coroutine


class OtherLoop(asyncio.SelectorEventLoop):
    """A loop of another make."""

    def _run_once(self) -> None:
        super()._run_once()


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=OtherLoop) as runner:
        runner.run(coroutine)


async def forever(*_: Any) -> None:
    await asyncio.Event().wait()


def test_a_session_works(talk_to: Any, echo: Any) -> None:
    async def test() -> None:
        async with talk_to(echo) as session:
            await session.send("hi")
            assert await session.receive() == "hi"
            await session.expect_silence()

    run(test())


def test_a_receive_fails_after_the_timeout(talk_to: Any, idle: Any) -> None:
    async def test() -> None:
        async with talk_to(idle, timeout=0.01) as session:
            with pytest.raises(Stalled, match=r"(?s)0.01 s of real time have passed.*within=0.02"):
                await session.receive()

    run(test())


def test_a_receive_waits_as_long_as_it_says(talk_to: Any) -> None:
    async def late(receive: Any, send: Any) -> None:
        await asyncio.sleep(0.02)
        await send({"type": "websocket.send", "text": "late"})
        await receive()

    async def test() -> None:
        async with talk_to(late, timeout=0.001) as session:
            assert await session.receive(within=5) == "late"

    run(test())


def test_silence_takes_its_time(talk_to: Any) -> None:
    async def late(receive: Any, send: Any) -> None:
        await asyncio.sleep(0.01)
        await send({"type": "websocket.send", "text": "late"})
        await receive()

    async def test() -> None:
        async with talk_to(late) as session:
            with pytest.raises(UnexpectedMessage):
                await session.expect_silence(within=5)

    run(test())


def test_an_application_that_does_not_return_is_reported(talk_to: Any) -> None:
    async def test() -> None:
        with pytest.raises(LeftBehind, match="does not return"):
            async with talk_to(forever, timeout=0.01):
                pass

    run(test())


def test_tasks_that_stay_behind_are_reported(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        task = asyncio.create_task(forever(), name="ticker")
        await receive()
        assert not task.done()

    async def test() -> None:
        with pytest.raises(LeftBehind, match="ticker"):
            async with talk_to(handler):
                pass

    run(test())


def test_a_lifespan_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifespan, "PATIENCE", 0.01)

    async def test() -> None:
        with pytest.raises(LifespanFailed, match=r"0\.01 s have passed"):
            async with MemoryTransport(forever):
                pass

    run(test())


class Ping(msgspec.Struct, tag="ping"):
    pass


class Pong(WebSocketResource):
    schema = Ping

    async def on_connect(self, req: Any, ws: Any) -> bool:
        return True

    async def on_ping(self, ws: Any, message: Ping) -> None:
        await ws.send_text("pong")


def test_a_simulator_works() -> None:
    async def test() -> None:
        async with WebSocketSimulator().serve(Pong) as simulator:
            simulator.push_message(Ping())
            assert await simulator.next_sent() == "pong"

    run(test())


def test_a_resource_that_does_not_end_is_reported() -> None:
    class Stuck(Pong):
        async def on_disconnect(self, ws: Any, close_code: int) -> None:
            await forever()

    async def test() -> None:
        with pytest.raises(LeftBehind, match="Stuck does not return"):
            async with WebSocketSimulator(timeout=0.01).serve(Stuck):
                pass

    run(test())


def test_tasks_of_a_resource_that_stay_behind_are_reported() -> None:
    class Ticking(Pong):
        async def on_ping(self, ws: Any, message: Ping) -> None:
            self.state["task"] = asyncio.create_task(forever(), name="ticker")

    async def test() -> None:
        with pytest.raises(LeftBehind, match="ticker"):
            async with WebSocketSimulator().serve(Ticking) as simulator:
                simulator.push_message(Ping())

    run(test())


def test_a_harness_works() -> None:
    harness = SimulatorRouterHarness()
    assert harness.router is not None
    harness.router.add_route("/", Pong)

    async def test() -> None:
        async with harness.connect("/", initial_inbound=[Ping()]) as connection:
            assert connection.sent_messages == ["pong"]

    run(test())
