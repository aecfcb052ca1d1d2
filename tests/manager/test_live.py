"""The same on a real server: uvicorn, with each of its protocols."""

from collections.abc import Callable

import pytest
from websockets.asyncio.client import connect as connect_to

from falcon_pachinko import All
from falcon_pachinko import Loss
from falcon_pachinko import Room
from falcon_pachinko import User
from falcon_pachinko import WebSocketConnectionManager
from pytest_pachinko import Closed
from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("protocol", ["websockets-sansio", "wsproto"])
async def test_groups_hear_and_are_closed(
    protocol: str, manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with LiveServer(connect.app, ws=protocol) as server:
        client = server.client()
        async with client.connect("/?room=tea&user=ann") as ann, client.connect("/") as bob:
            await manager.send(Room("tea"), 1)
            await manager.send(All(), 2)
            await ann.send_json({"type": "do", "verb": "send", "arguments": [3]})
            await ann.expect("1", "2", "3", '["done",true]')
            await bob.expect("2")
            await manager.disconnect(User("ann"), 4001, "bye")
            await ann.expect(Closed(4001, reason="bye"))
            await bob.expect_silence()

    assert manager.count == 0
    assert not manager.started


async def test_who_does_not_read_is_evicted_and_delays_nobody(
    serving: Callable[..., MemoryTransport],
) -> None:
    losses: list[Loss] = []
    manager = WebSocketConnectionManager(max_messages=4, on_loss=losses.append)
    big = "x" * 1_000_000
    async with LiveServer(serving(manager).app) as server:
        # It has no room for more than one message: what it does not read fills the sockets.
        async with (
            connect_to(f"{server.url}/?user=slow", compression=None, max_queue=1) as slow,
            server.client().connect("/?user=ann") as ann,
        ):
            while not losses:
                await manager.send(All(), big)
                await ann.receive()
            slow.transport.abort()  # it would wait for the rest of a conversation that is over

    assert [(loss.reason, loss.evicted) for loss in losses] == [("overflow", True)]
    assert manager.count == 0
