"""Servers and clients in other loops than the one of a test with pytest-asyncio."""

import asyncio

import pytest

from pytest_pachinko import LiveServer
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Stalled


def test_a_server_of_another_loop_is_not_connected_to(echo):
    async def start():
        server = LiveServer(echo, lifespan=False)
        await server.__aenter__()
        return server, server.client()

    async def use(client):
        with pytest.raises(PachinkoUsageError, match="another event loop"):
            async with client.connect("/"):
                pass

    with (
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as one,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as two,
    ):
        server, client = one.run(start())
        two.run(use(client))
        one.run(server.__aexit__(None, None, None))


class OtherLoop(asyncio.SelectorEventLoop):
    """A loop of another make, which cannot be put on virtual time."""

    def _run_once(self):
        super()._run_once()


def test_on_another_loop_everything_works_in_real_time(echo):
    async def main():
        async with LiveServer(echo, lifespan=False, timeout=0.5) as server:
            async with server.client().connect("/") as session:
                await session.send("hi")
                await session.expect("hi")
                await session.expect_silence(within=0.01)
                with pytest.raises(Stalled, match=r"0\.5 s of real time have passed"):
                    await session.receive()

    with asyncio.Runner(loop_factory=OtherLoop) as runner:
        runner.run(main())
