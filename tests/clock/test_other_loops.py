"""On a loop that is not made of asyncio's own parts, everything works in real time."""

import asyncio

import pytest

from pytest_pachinko import LeftBehind
from pytest_pachinko import MemoryTransport
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Stalled
from pytest_pachinko import WebSocketSimulator
from pytest_pachinko.clock import virtual_time
from tests.clock.apps import application
from tests.clock.apps import echo
from tests.clock.apps import silent


class OtherLoop(asyncio.SelectorEventLoop):
    """Runs its turns in a way of its own, as uvloop does."""

    def _run_once(self):
        super()._run_once()


def run(main):
    with asyncio.Runner(loop_factory=OtherLoop) as runner:
        return runner.run(main())


def test_a_session_echoes():
    async def main():
        async with MemoryTransport(application(echo)) as connect, connect("/") as session:
            await session.send("x")
            assert await session.receive() == "x"
            await session.expect_silence()
            await session.expect_silence(within=0.001)

    run(main)


def test_a_receive_fails_after_the_timeout_and_says_how_to_wait_longer():
    async def main():
        async with (
            MemoryTransport(application(silent), timeout=0.01) as connect,
            connect("/") as session,
        ):
            await session.receive()

    with pytest.raises(
        Stalled, match=r"0\.01 s of real time have passed(?s:.)*To wait longer: within=0\.02"
    ):
        run(main)


def test_an_application_that_does_not_return_is_left_behind_after_the_timeout():
    async def handle(wire):
        await wire.until_disconnect()
        await asyncio.Event().wait()

    async def main():
        async with MemoryTransport(application(handle), timeout=0.01) as connect, connect("/"):
            pass

    with pytest.raises(LeftBehind):
        run(main)


def test_a_simulator_works():
    async def main():
        async with WebSocketSimulator().connected() as simulator:
            await simulator.send_media({"a": 1})
            assert simulator.pop_sent() == {"a": 1}

    run(main)


def test_virtual_time_is_refused_with_the_name_of_the_loop():
    async def main():
        with virtual_time():
            pass

    with pytest.raises(PachinkoUsageError, match=r"OtherLoop cannot be put on virtual time"):
        run(main)
