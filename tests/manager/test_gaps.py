"""What did not arrive from another manager is noticed: heartbeats, gaps and what a policy does."""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio

from falcon_pachinko import All
from falcon_pachinko import BackendError
from falcon_pachinko import Gap
from falcon_pachinko import MemoryBackend
from falcon_pachinko import WebSocketConnectionManager
from pytest_pachinko import Closed
from pytest_pachinko import MemoryTransport
from pytest_pachinko.clock import virtual_time
from tests.loops import run as run_in_thread


class Bus:
    """A backend, a manager that says something, and others that hear it, in virtual time."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.backend = MemoryBackend()
        self.managers: list[WebSocketConnectionManager] = []

    async def add(self, node: str, **options: Any) -> WebSocketConnectionManager:
        manager = WebSocketConnectionManager(self.backend, node=node, **options)
        self.managers.append(manager)
        await manager.start()
        return manager


@pytest_asyncio.fixture
async def bus() -> AsyncIterator[Bus]:
    with virtual_time() as clock:
        bus = Bus(clock)
        yield bus
        for manager in bus.managers:
            await manager.stop()


@pytest.mark.asyncio
async def test_a_loss_at_the_end_is_noticed_with_the_next_beat(bus: Bus) -> None:
    gaps: list[Gap] = []
    one = await bus.add("one")
    await bus.add("two", on_gap=gaps.append)
    await bus.clock.advance(0.1)
    bus.backend.drop()
    await one.send(All(), "lost")
    await bus.clock.advance(0.3)
    before = list(gaps)
    await bus.clock.advance(0.2)

    assert before == []
    assert gaps == [Gap("one", 1, 1)]


@pytest.mark.asyncio
async def test_what_an_older_manager_loses_before_its_first_beat_is_noticed(bus: Bus) -> None:
    one = await bus.add("one")
    await one.send(All(), "before the other is there")
    two = await bus.add("two")
    await asyncio.sleep(0)  # it asks, and is answered
    bus.backend.drop()
    await one.send(All(), "lost")
    await bus.clock.advance(0.5)

    assert two.stats.missing == 1


@pytest.mark.asyncio
async def test_who_only_listens_misses_nothing_in_an_hour(bus: Bus) -> None:
    await bus.add("one")
    two = await bus.add("two")
    await bus.clock.advance(3600)

    assert (two.stats.gaps, two.stats.garbage, two.stats.duplicates) == (0, 0, 0)


@pytest.mark.asyncio
async def test_what_was_said_while_a_node_was_cut_off_is_a_gap_when_it_is_back(bus: Bus) -> None:
    one = await bus.add("one")
    two = await bus.add("two")
    await bus.clock.advance(1)
    bus.backend.disconnect("two")
    await one.send(All(), "lost")
    await bus.clock.advance(60)
    bus.backend.heal()
    await bus.clock.advance(0.5)

    assert two.stats.gaps == two.stats.missing == 1
    assert two.stats.interruptions == 1


@pytest.mark.asyncio
async def test_who_dies_while_nobody_hears_it_may_have_said_more(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    gaps: list[Gap] = []
    one = await bus.add("one")
    await bus.add("two", on_gap=gaps.append)
    await one.send(All(), "heard")
    await bus.clock.advance(1)
    bus.backend.disconnect("two")
    await one.send(All(), "lost")
    await bus.backend.stop("one")  # as if the process had been killed
    bus.backend.heal()
    await bus.clock.advance(2)

    assert gaps == [Gap("one", 2, None)]
    assert "Perhaps some orders of the manager one are missing" in caplog.text


@pytest.mark.asyncio
async def test_who_says_goodbye_has_said_all(bus: Bus) -> None:
    gaps: list[Gap] = []
    one = await bus.add("one")
    await bus.add("two", on_gap=gaps.append)
    await one.send(All(), "heard")
    await one.stop()
    bus.backend.disconnect("two")
    bus.backend.heal()
    await bus.clock.advance(10)

    assert gaps == []


@pytest.mark.asyncio
async def test_a_manager_that_is_started_again_is_heard_from_its_first_order(bus: Bus) -> None:
    one = await bus.add("one")
    two = await bus.add("two")
    for _ in range(3):
        await one.send(All(), "first life")
    await one.stop()
    await one.start()
    receipt = await one.send(All(), "second life")

    assert receipt.sequence == 1
    assert two.stats.duplicates == two.stats.gaps == 0


@pytest.mark.asyncio
async def test_partitions_are_gaps_on_both_sides(bus: Bus) -> None:
    one, two = await bus.add("one"), await bus.add("two")
    await bus.clock.advance(1)
    bus.backend.partition(["one"], ["two"])
    await one.send(All(), "lost")
    await two.send(All(), "lost")
    bus.backend.heal()
    await bus.clock.advance(1)

    assert [manager.stats.missing for manager in (one, two)] == [1, 1]


@pytest.mark.asyncio
async def test_the_policy_ignore_counts_only(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    gaps: list[Gap] = []
    one = await bus.add("one", gap_policy="ignore")
    two = await bus.add("two", gap_policy="ignore", on_gap=gaps.append)
    await lose_one(bus, one)

    assert two.stats.missing == 1
    assert gaps == []
    assert caplog.text == ""


@pytest.mark.asyncio
async def test_the_policy_close_lets_the_peers_come_again(
    bus: Bus, serving: Callable[..., MemoryTransport]
) -> None:
    one = await bus.add("one")
    two = await bus.add("two", gap_policy="close")
    async with serving(two) as connect, connect("/") as bob:
        await lose_one(bus, one)

        await bob.expect(Closed(1012, by="app"))


@pytest.mark.asyncio
async def test_a_hook_may_be_async_and_send(
    bus: Bus, serving: Callable[..., MemoryTransport]
) -> None:
    async def tell(gap: Gap) -> None:
        await two.send(All(), f"{gap.missing} missing", local=True)

    one = await bus.add("one")
    two = await bus.add("two", on_gap=tell)
    async with serving(two) as connect, connect("/") as bob:
        await lose_one(bus, one)

        await bob.expect('"1 missing"')


def fail(gap: Gap) -> None:
    raise ZeroDivisionError


async def fail_later(gap: Gap) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("hook", [fail, fail_later])
@pytest.mark.asyncio
async def test_a_hook_that_fails_is_logged_and_does_no_harm(
    bus: Bus, caplog: pytest.LogCaptureFixture, hook: Any
) -> None:
    one = await bus.add("one")
    two = await bus.add("two", on_gap=hook)
    await lose_one(bus, one)
    await lose_one(bus, one)
    await asyncio.sleep(0)

    assert two.stats.gaps == 2
    assert caplog.text.count("on_gap failed") == 2


@pytest.mark.asyncio
async def test_an_order_that_the_backend_refuses_burns_its_number(bus: Bus) -> None:
    one, two = await bus.add("one"), await bus.add("two")
    await bus.clock.advance(1)
    bus.backend.disconnect("one")
    for _ in range(2):
        with pytest.raises(Exception, match="disconnected"):
            await one.send(All(), "refused")
    bus.backend.heal()
    receipt = await one.send(All(), "taken")

    assert receipt.sequence == 3
    assert one.stats.failed == 2
    assert two.stats.missing == 2


async def lose_one(bus: Bus, one: WebSocketConnectionManager) -> None:
    await bus.clock.advance(0.1)
    bus.backend.drop()
    await one.send(All(), "lost")
    await bus.clock.advance(0.5)


@pytest.mark.asyncio
async def test_a_manager_without_a_backend_has_no_heartbeat() -> None:
    manager = WebSocketConnectionManager()
    before = asyncio.all_tasks()
    await manager.start()

    assert asyncio.all_tasks() == before


def test_an_unknown_policy_is_an_error() -> None:
    with pytest.raises(ValueError, match="gap_policy='panic' is not one of ignore, notify, close"):
        WebSocketConnectionManager(gap_policy="panic")  # type: ignore[arg-type]


def test_outside_of_an_event_loop_no_manager_is_started() -> None:
    manager = WebSocketConnectionManager()
    run_in_thread(manager.start())

    assert not manager.started


class Slow(MemoryBackend):
    """One that takes its time to publish."""

    seconds = 1.0

    async def publish(self, node: str, topic: str, payload: bytes) -> None:
        await asyncio.sleep(self.seconds)
        await super().publish(node, topic, payload)


@pytest.mark.asyncio
async def test_a_manager_whose_first_message_was_given_up_is_heard_all_the_same() -> None:
    with virtual_time():
        backend = Slow()
        gaps: list[Gap] = []
        one = WebSocketConnectionManager(backend, node="one")
        two = WebSocketConnectionManager(backend, node="two", on_gap=gaps.append)
        await two.start()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.send(All(), "given up"), 0.1)
        backend.seconds = 0
        backend.drop()
        await one.send(All(), "lost")
        await asyncio.sleep(5)

        assert gaps == [Gap("one", 1, 1)]
        await one.stop()
        await two.stop()


@pytest.mark.asyncio
async def test_a_manager_whose_stop_was_given_up_has_left_and_starts_again() -> None:
    with virtual_time():
        manager = WebSocketConnectionManager(Slow(), node="one")
        await manager.start()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(manager.stop(), 0.1)
        await manager.start()

        assert manager.started
        await manager.stop()


def test_what_is_under_way_when_a_loop_ends_delays_nothing_of_the_next() -> None:
    bus = MemoryBackend()
    heard: list[bytes] = []

    async def publish(*payloads: bytes, seconds: float) -> None:
        await bus.start("here", lambda _, payload: heard.append(payload), print)
        await bus.subscribe("here", "x")
        bus.delay(seconds)
        for payload in payloads:
            await bus.publish("here", "x", payload)
        await bus.stop("here")

    run_in_thread(publish(b"1", b"2", seconds=9))
    run_in_thread(publish(b"3", seconds=0))

    assert heard == [b"3"]


def test_a_start_that_failed_is_forgotten_with_its_loop() -> None:
    class Broken(MemoryBackend):
        async def start(self, *_: Any) -> None:
            await asyncio.sleep(0)
            raise BackendError

    manager = WebSocketConnectionManager(Broken())

    async def start() -> list[BaseException | None]:
        return await asyncio.gather(manager.start(), manager.start(), return_exceptions=True)

    for _ in range(2):
        assert [type(error) for error in run_in_thread(start())] == [BackendError, BackendError]


@pytest.mark.asyncio
async def test_a_backend_that_raises_anything_else_is_logged_and_heard_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Odd(MemoryBackend):
        error: Exception | None = None

        async def publish(self, node: str, topic: str, payload: bytes) -> None:
            if self.error is not None:
                raise self.error
            await super().publish(node, topic, payload)

    with virtual_time():
        backend = Odd()
        gaps: list[Gap] = []
        one = WebSocketConnectionManager(backend, node="one")
        two = WebSocketConnectionManager(backend, node="two", on_gap=gaps.append)
        await one.start()
        await two.start()
        await asyncio.sleep(0.1)
        backend.error = OSError("no way")
        await asyncio.sleep(1)
        backend.error = None
        backend.drop()
        await one.send(All(), "lost")
        await asyncio.sleep(1)

        assert gaps == [Gap("one", 1, 1)]
        assert "raised no BackendError" in caplog.text
        await one.stop()
        await two.stop()


@pytest.mark.asyncio
async def test_two_processes_of_one_name_are_told(caplog: pytest.LogCaptureFixture) -> None:
    class Link(MemoryBackend):
        other: MemoryBackend

        async def publish(self, node: str, topic: str, payload: bytes) -> None:
            await super().publish(node, topic, payload)
            for each in list(self.other._nodes.values()):
                each.deliver(topic, payload)

    with virtual_time():
        here, there = Link(), Link()
        here.other, there.other = there, here
        one = WebSocketConnectionManager(here, node="web")
        two = WebSocketConnectionManager(there, node="web")
        await one.start()
        await one.stop()
        await one.start()
        before = caplog.text
        await two.start()
        await asyncio.sleep(5)

        assert before == ""
        assert caplog.text.count("another manager of the name 'web'") == 2
        await one.stop()
        await two.stop()
