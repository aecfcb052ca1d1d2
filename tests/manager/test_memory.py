"""Several managers on one backend in memory, and what can go wrong between them."""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio

from falcon_pachinko import All
from falcon_pachinko import Backend
from falcon_pachinko import BackendError
from falcon_pachinko import CloseCodeError
from falcon_pachinko import Connection
from falcon_pachinko import Gap
from falcon_pachinko import MemoryBackend
from falcon_pachinko import PayloadTooLargeError
from falcon_pachinko import Room
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko.manager.memory import MemoryBackend as Memory
from pytest_pachinko import MemoryTransport
from pytest_pachinko.clock import virtual_time

pytestmark = pytest.mark.asyncio


class Pair:
    def __init__(self, serving: Any) -> None:
        self.bus = MemoryBackend()
        self.here = WebSocketConnectionManager(self.bus, node="here")
        self.there = WebSocketConnectionManager(self.bus, node="there")
        self.connect_here = serving(self.here)
        self.connect_there = serving(self.there)


@pytest_asyncio.fixture
async def pair(serving: Callable[..., MemoryTransport]) -> AsyncIterator[Pair]:
    pair = Pair(serving)
    async with pair.connect_here, pair.connect_there:
        yield pair


async def test_a_message_reaches_the_connections_of_all_managers(pair: Pair) -> None:
    async with pair.connect_here("/?room=tea") as ann, pair.connect_there("/?room=tea") as bob:
        receipt = await pair.here.send(Room("tea"), "hi")
        await pair.there.send(Room("tea"), "ho")

        await ann.expect('"hi"', '"ho"')
        await bob.expect('"hi"', '"ho"')
    assert receipt.taken == 1


async def test_a_local_message_stays_here(pair: Pair) -> None:
    async with pair.connect_here("/") as ann, pair.connect_there("/") as bob:
        await pair.here.send(All(), "hi", local=True)

        await ann.expect('"hi"')
        await bob.expect_silence()


async def test_a_connection_of_another_process_is_reached_and_closed(pair: Pair) -> None:
    async with pair.connect_there("/") as bob:
        name = pair.there.connections()[0].id
        await pair.here.send(Connection(name), "hi")
        await bob.expect('"hi"')
        await pair.here.disconnect(Connection(name), 4000)

    assert pair.there.count == 0


async def test_who_is_disconnected_cannot_publish(pair: Pair) -> None:
    async with pair.connect_here("/") as ann, pair.connect_there("/") as bob:
        pair.bus.disconnect("here")
        with pytest.raises(BackendError, match="'here' is disconnected"):
            await pair.here.send(All(), "lost")
        await pair.there.send(All(), "half")
        health = await pair.bus.health("here")
        pair.bus.heal()
        await pair.here.send(All(), "all")

        await ann.expect('"all"')
        await bob.expect('"half"', '"all"')
    assert not health.ok
    assert "disconnected" in health.detail


async def test_what_is_lost_on_the_way_is_noticed_with_the_next(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async with pair.connect_there("/") as bob:
        await pair.here.send(All(), 1)
        pair.bus.drop(2)
        for number in (2, 3, 4):
            await pair.here.send(All(), number)

        await bob.expect("1", "4")
    assert pair.there.stats.missing == 2
    assert "2 orders of the manager here are missing" in caplog.text


async def test_what_comes_twice_is_heard_once(pair: Pair) -> None:
    heard: list[bytes] = []
    await pair.bus.start("spy", lambda topic, payload: heard.append(payload), print)
    await pair.bus.subscribe("spy", "orders")
    async with pair.connect_there("/") as bob:
        await pair.here.send(All(), 1)
        await pair.bus.publish("spy", "orders", heard[0])

        await bob.expect("1")
        await bob.expect_silence()
    assert pair.there.stats.duplicates == 1


async def test_a_delay_keeps_the_order(pair: Pair) -> None:
    with virtual_time() as clock:
        async with pair.connect_there("/") as bob:
            pair.bus.delay(2)
            await pair.here.send(All(), 1)
            await clock.advance(1)
            pair.bus.delay(0)
            await pair.here.send(All(), 2)
            await pair.here.send(All(), 3)

            await clock.advance(1)
            await bob.expect("1", "2", "3")


async def test_what_is_under_way_does_not_arrive_with_what_comes_after_it(pair: Pair) -> None:
    with virtual_time() as clock:
        async with pair.connect_there("/") as bob:
            pair.bus.delay(2)
            await pair.here.send(All(), 1)
            await clock.advance(1)
            pair.bus.heal()
            await pair.here.send(All(), 2)

            await bob.expect_silence()
            await clock.advance(1)
            await bob.expect("1", "2")


async def test_one_node_may_be_reconnected(pair: Pair) -> None:
    pair.bus.disconnect("here")
    pair.bus.disconnect("there")
    pair.bus.reconnect("here")

    assert (await pair.bus.health("here")).ok
    assert not (await pair.bus.health("there")).ok


async def test_islands_do_not_hear_each_other(pair: Pair) -> None:
    async with pair.connect_here("/") as ann, pair.connect_there("/") as bob:
        pair.bus.partition(["here"])
        await pair.here.send(All(), 1)
        await pair.there.send(All(), 2)
        pair.bus.heal()
        await pair.here.send(All(), 3)

        await ann.expect("1", "3")
        await bob.expect("2", "3")


async def test_garbage_on_the_bus_does_no_harm(pair: Pair) -> None:
    async with pair.connect_there("/") as bob:
        await pair.bus.publish("here", "orders", b"\x80\x04pickle")
        await pair.here.send(All(), 1)

        await bob.expect("1")
    assert pair.there.stats.garbage == 1


async def test_two_nodes_of_one_name_are_an_error(pair: Pair) -> None:
    with pytest.raises(BackendError, match="a node 'here' on this backend already"):
        await WebSocketConnectionManager(pair.bus, node="here").start()


async def test_a_node_that_is_not_there_is_an_error() -> None:
    bus = MemoryBackend()
    with pytest.raises(BackendError, match="no node 'x'"):
        await bus.publish("x", "t", b"")
    with pytest.raises(BackendError, match="no node 'x'"):
        bus.disconnect("x")


async def test_what_is_not_subscribed_to_is_not_heard() -> None:
    bus = MemoryBackend()
    heard: list[Any] = []
    await bus.start("x", lambda topic, payload: heard.append((topic, payload)), print)
    await bus.subscribe("x", "a", "b")
    await bus.unsubscribe("x", "b")
    for topic in "abc":
        await bus.publish("x", topic, b"1")

    assert heard == [("a", b"1")]


async def test_what_is_under_way_to_who_has_left_is_lost() -> None:
    with virtual_time() as clock:
        bus = MemoryBackend()
        heard: list[Any] = []
        for node in ("x", "y"):
            await bus.start(node, lambda topic, payload: heard.append(payload), print)
            await bus.subscribe(node, "t")
        bus.delay(1)
        await bus.publish("x", "t", b"1")
        await bus.stop("y")
        await clock.advance(2)

        assert heard == [b"1"]


class Unsubscribable(Memory):
    async def subscribe(self, node: str, *topics: str) -> None:
        raise BackendError("planted")


async def test_a_backend_that_fails_at_the_start_can_be_started_again() -> None:
    bus: Backend = Unsubscribable()
    manager = WebSocketConnectionManager(bus, node="x")
    for _ in range(2):
        with pytest.raises(BackendError, match="planted"):
            await manager.send(All(), 1)

    assert not manager.started


async def test_the_name_of_a_node_may_begin_with_that_of_another(
    serving: Callable[..., MemoryTransport],
) -> None:
    bus = MemoryBackend()
    web = WebSocketConnectionManager(bus, node="web")
    other = WebSocketConnectionManager(bus, node="web-2")
    async with serving(web), serving(other) as connect:
        async with connect("/") as ann:
            await web.send(Connection(other.connections()[0].id), 1)

            await ann.expect("1")


class Small(MemoryBackend):
    """One that carries less than managers do."""

    async def publish(self, node: str, topic: str, payload: bytes) -> None:
        if len(payload) > 1000:
            if payload.endswith(b'2"'):
                await asyncio.sleep(1)
            raise PayloadTooLargeError
        await super().publish(node, topic, payload)


async def test_what_cannot_be_published_is_not_missed() -> None:
    with virtual_time():
        bus, gaps = Small(), list[Gap]()
        here = WebSocketConnectionManager(bus, node="here")
        there = WebSocketConnectionManager(bus, node="there", on_gap=gaps.append)
        await here.start()
        await there.start()
        with pytest.raises(CloseCodeError):
            await here.disconnect(All(), 4000, "\ud800")
        with pytest.raises(PayloadTooLargeError):
            await here.send(All(), "x" * 1000)
        receipt = await here.send(All(), "heard")
        await asyncio.sleep(5)

        assert (receipt.sequence, gaps) == (1, [])
        assert (here.stats.refused, here.stats.failed) == (1, 1)
        await here.stop()
        await there.stop()


async def test_what_is_refused_when_others_have_been_sent_keeps_its_number() -> None:
    with virtual_time():
        here = WebSocketConnectionManager(Small(), node="here")
        await here.start()
        late = asyncio.create_task(here.send(All(), "x" * 1000 + "2"))
        await asyncio.sleep(0.1)
        await here.send(All(), "heard")
        with pytest.raises(PayloadTooLargeError):
            await late

        assert (await here.send(All(), "next")).sequence == 3
        await here.stop()


async def test_processes_that_were_forked_have_names_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus = MemoryBackend()
    manager = WebSocketConnectionManager(bus)
    named = WebSocketConnectionManager(bus, node="named")
    before = manager.node
    monkeypatch.setattr("os.getpid", lambda: -1)
    await manager.start()
    await named.start()

    assert manager.node != before
    assert named.node == "named"
    await manager.stop()
    await named.stop()


@pytest.mark.parametrize("local", [False, True])
async def test_a_manager_serves_one_thread(*, local: bool) -> None:
    manager = WebSocketConnectionManager(MemoryBackend())
    await manager.start()

    for order in (manager.send(All(), 1, local=local), manager.disconnect(All(), local=local)):
        with pytest.raises(
            BackendError, match=r"another thread.\nHint: asyncio.run_coroutine_thread"
        ):
            await asyncio.to_thread(asyncio.run, order)
    assert manager.started
    await manager.stop()
