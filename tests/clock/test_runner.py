"""Virtual time on a loop of its own, and whoever runs the loop."""

import asyncio
import time
from datetime import timedelta
from functools import partial

import pytest

from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Stalled
from pytest_pachinko.clock import loop_factory
from pytest_pachinko.clock import now
from pytest_pachinko.clock import virtual_time
from tests.clock.apps import connected
from tests.clock.apps import heartbeat

DAYS = timedelta(days=3).total_seconds()


def test_a_loop_of_its_own_runs_on_virtual_time():
    async def main():
        before = now()
        await asyncio.sleep(DAYS)
        return now() - before

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(main()) == pytest.approx(DAYS)


def test_a_loop_of_its_own_reports_what_can_never_happen():
    with asyncio.Runner(loop_factory=loop_factory) as runner, pytest.raises(Stalled):
        runner.run(asyncio.Event().wait())


def test_a_loop_of_its_own_can_jump_by_itself():
    async def main():
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(5, event.set)
        await event.wait()

    with asyncio.Runner(loop_factory=partial(loop_factory, "autojump")) as runner:
        runner.run(main())


def test_cleaning_up_may_take_time_when_a_runner_is_closed():
    ended = []

    async def linger():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(5)
            ended.append("task")

    async def generate():
        try:
            yield
        finally:
            await asyncio.sleep(5)
            ended.append("generator")

    async def main():
        asyncio.get_running_loop().tasks = [asyncio.create_task(linger())]
        asyncio.get_running_loop().generator = generate()
        await anext(asyncio.get_running_loop().generator)
        await asyncio.sleep(0)
        await asyncio.to_thread(time.sleep, 0)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())

    assert ended == ["task", "generator"]


def test_a_clock_says_so_when_its_loop_is_closed():
    async def main():
        with virtual_time() as clock:
            return clock

    clock = asyncio.run(main())

    with pytest.raises(PachinkoUsageError, match="is closed"):
        _ = clock.now
    with pytest.raises(PachinkoUsageError, match="is closed"):
        asyncio.run(clock.advance(1))


def test_a_clock_is_not_moved_from_another_loop():
    async def main():
        with virtual_time() as clock:
            return clock

    with asyncio.Runner() as runner:
        clock = runner.run(main())
        with (
            pytest.raises(PachinkoUsageError, match="another event loop"),
            asyncio.Runner() as other,
        ):
            other.run(clock.advance(1))


def test_sessions_run_under_asyncio_run_and_unittest():
    async def main():
        async with connected(heartbeat) as session:
            return await session.receive(within=30)

    assert asyncio.run(main()) == "beat"
    assert asyncio.run(main(), debug=True) == "beat"
