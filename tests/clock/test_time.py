"""Time stands still unless the test asks for it, and then it moves from deadline to deadline."""

import asyncio
import time
from datetime import timedelta
from functools import partial

import pytest

from pytest_pachinko import MemoryTransport
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Stalled
from pytest_pachinko import UnexpectedMessage
from pytest_pachinko.clock import advance
from pytest_pachinko.clock import now
from pytest_pachinko.clock import quiescent
from pytest_pachinko.clock import virtual_time
from tests.clock.apps import application
from tests.clock.apps import connected
from tests.clock.apps import echo
from tests.clock.apps import heartbeat
from tests.clock.apps import silent

pytestmark = pytest.mark.asyncio

DAYS = timedelta(days=3).total_seconds()


async def test_a_sleep_of_the_test_takes_no_real_time():
    async with connected(silent):
        before, real = now(), time.monotonic()
        await asyncio.sleep(DAYS)

        assert now() - before == pytest.approx(DAYS)
        assert time.monotonic() - real < 5


async def test_timers_of_the_application_fire_on_the_way_at_their_own_time():
    async with connected(heartbeat) as session:
        start = now()
        await asyncio.sleep(95)

        assert [await session.receive() for _ in range(3)] == ["beat"] * 3
        assert [round(event.time) for event in session.trace[1:]] == [30, 60, 90]
        assert now() - start == pytest.approx(95)


async def test_time_stands_still_while_the_test_asks_for_none():
    async with connected(heartbeat) as session:
        await session.expect_silence()

        assert session.trace[-1].kind == "accepted"


async def test_silence_within_some_seconds_is_exact():
    async with connected(heartbeat) as session:
        await session.expect_silence(within=29.9)
        with pytest.raises(UnexpectedMessage, match="expected  silence"):
            await session.expect_silence(within=0.2)


async def test_silence_is_told_from_an_echo_every_time():
    async with connected(echo) as session:
        for _ in range(1000):
            await session.send("x")
            with pytest.raises(UnexpectedMessage):
                await session.expect_silence()
            await session.receive()
            await session.expect_silence()


async def test_a_timeout_of_the_test_around_a_receive_comes_first():
    async with connected(silent) as session:
        before = now()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await session.receive()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.receive(), 5)

        assert now() - before == pytest.approx(10)


async def test_a_nested_timeout_ends_at_its_own_deadline():
    async with connected(silent):
        before = now()
        async with asyncio.timeout(60):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await asyncio.sleep(30)

        assert now() - before == pytest.approx(5)


async def test_a_receive_within_some_seconds_fails_after_them():
    async with connected(silent) as session:
        before = now()
        with pytest.raises(Stalled, match="30 s have passed"):
            await session.receive(within=30)

        assert now() - before == pytest.approx(30)


async def test_equal_deadlines_fire_in_the_order_they_were_set():
    fired = []
    async with connected(silent):
        loop = asyncio.get_running_loop()
        when = loop.time() + 1
        for number in range(50):
            loop.call_at(when, fired.append, number)
        await asyncio.sleep(1)

    assert fired == list(range(50))


async def test_a_timer_that_was_set_before_comes_before_equal_ones():
    fired = []
    loop = asyncio.get_running_loop()
    when = loop.time() + 1
    loop.call_at(when, fired.append, "before")
    async with connected(silent):
        loop.call_at(when, fired.append, "after")
        await asyncio.sleep(2)

    assert fired == ["before", "after"]


async def test_a_timer_that_is_due_at_once_has_its_turn_while_the_application_is_busy():
    order = []

    async def handle(wire):
        while (await wire.receive()) is not None:
            asyncio.get_running_loop().call_later(0, order.append, "timer")
            for _ in range(3):
                await asyncio.sleep(0)
            order.append("application")
            await wire.send("done")

    async with connected(handle) as session:
        await session.send("go")
        await session.receive()

    assert order == ["timer", "application"]


async def test_sums_of_whole_seconds_are_exact():
    async with connected(silent):
        before = now()
        for _ in range(20):
            await asyncio.sleep(30)

        assert now() - before == 600


async def test_advance_moves_time_and_lets_what_it_wakes_run():
    async with connected(heartbeat) as session:
        await advance(30)

        assert await session.receive() == "beat"


async def test_advance_by_nothing_lets_run_what_can():
    async with connected(echo) as session:
        await session.send("x")
        await advance(0)

        assert session.trace[-1].direction == "from_app"


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "1", None])
async def test_advance_takes_seconds(seconds):
    with pytest.raises(PachinkoUsageError, match="seconds, 0 or more"):
        await advance(seconds)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
async def test_within_takes_seconds(seconds):
    async with connected(silent) as session:
        with pytest.raises(PachinkoUsageError, match="within="):
            await session.receive(within=seconds)


async def test_the_application_cannot_move_time():
    async def handle(wire):
        await advance(1)

    with pytest.raises(PachinkoUsageError, match="called by the application under test"):
        async with connected(handle):
            pass


async def test_without_virtual_time_there_is_nothing_to_move():
    for call in (partial(advance, 1), quiescent):
        with pytest.raises(PachinkoUsageError, match="not on virtual time"):
            await call()


async def test_autojump_passes_time_whenever_nothing_else_can_happen():
    async with MemoryTransport(application(heartbeat), clock="autojump") as connect:
        async with connect("/") as session:
            assert [await session.receive() for _ in range(3)] == ["beat"] * 3


async def test_autojump_reports_an_application_that_beats_for_ever_to_nobody():
    async def handle(wire):
        while True:
            await asyncio.sleep(30)

    async with MemoryTransport(application(handle), clock="autojump") as connect:
        with pytest.raises(Stalled, match="time has moved"):
            async with connect("/") as session:
                await session.receive()


async def test_wall_time_runs_by_itself():
    async def handle(wire):
        await asyncio.sleep(0.01)
        await wire.send("late")
        await wire.until_disconnect()

    async with MemoryTransport(application(handle), clock="wall") as connect:
        async with connect("/") as session:
            assert await session.receive() == "late"


async def test_wall_time_lets_the_test_sleep_longer_than_the_timeout():
    async with MemoryTransport(application(silent), clock="wall", timeout=0.01) as connect:
        async with connect("/"):
            await asyncio.sleep(0.03)


async def test_wall_time_lets_a_wait_take_as_long_as_the_test_says():
    async def handle(wire):
        await asyncio.sleep(0.03)
        await wire.send("late")
        await wire.until_disconnect()

    async with MemoryTransport(application(handle), clock="wall", timeout=0.01) as connect:
        async with connect("/") as session:
            assert await session.receive(within=5) == "late"


async def test_wall_time_keeps_to_a_timeout_of_the_tests_own():
    async with MemoryTransport(application(silent), clock="wall", timeout=0.01) as connect:
        async with connect("/"):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.03):
                    await asyncio.Event().wait()


async def test_a_wait_ends_though_the_outside_never_rests(monkeypatch):
    monkeypatch.setattr("pytest_pachinko.clock.core.OUTSIDE_PATIENCE", 0.05)

    async def answer(reader, writer):
        while byte := await reader.read(1):
            writer.write(byte)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    talking = asyncio.create_task(answer(reader, writer))
    writer.write(b"x")
    try:
        async with MemoryTransport(application(silent), timeout=0.02) as connect:
            async with connect("/") as session:
                with pytest.raises(Stalled, match=r"0\.05 s have passed"):
                    await session.receive()
    finally:
        writer.close()
        server.close()
        await talking


async def test_wall_time_ends_a_wait_after_the_timeout():
    async with MemoryTransport(application(silent), clock="wall", timeout=0.01) as connect:
        async with connect("/") as session:
            with pytest.raises(Stalled, match=r"0\.01 s have passed"):
                await session.receive()


async def test_a_policy_that_does_not_exist_is_refused():
    with pytest.raises(PachinkoUsageError, match="'demand', 'autojump', 'wall'"):
        MemoryTransport(application(silent), clock="slow")


async def test_time_never_goes_back_when_the_last_session_ends():
    loop = asyncio.get_running_loop()
    async with connected(silent):
        await asyncio.sleep(DAYS)
        inside = loop.time()
    outside = loop.time()

    assert outside >= inside
    async with connected(silent):
        assert loop.time() >= outside


async def test_a_timer_that_outlives_the_sessions_fires_on_time_in_real_time():
    loop = asyncio.get_running_loop()
    fired = loop.create_future()
    async with connected(silent):
        await asyncio.sleep(DAYS)
        loop.call_later(0.01, fired.set_result, "fired")

    assert await asyncio.wait_for(fired, 5) == "fired"


async def test_virtual_time_needs_no_session():
    with virtual_time() as clock:
        await asyncio.sleep(DAYS)
        assert clock.now == pytest.approx(DAYS)
        await clock.advance(1)
        await clock.quiescent()
        assert clock.now == pytest.approx(DAYS + 1)
        assert repr(clock) == f"<VirtualClock +{DAYS + 1:.3f} s>"


async def test_virtual_time_of_one_block_leaves_the_policy_of_another_alone():
    with virtual_time("autojump"):
        with virtual_time("demand"):
            pass
        asyncio.get_running_loop().call_later(5, (event := asyncio.Event()).set)
        await event.wait()
