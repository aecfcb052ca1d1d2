"""The parts of the clock, where a whole test would not reach."""

import asyncio
from collections.abc import Coroutine

import pytest

from pytest_pachinko import Latency
from pytest_pachinko import LeftBehind
from pytest_pachinko import MemoryTransport
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko.clock import loop_factory
from pytest_pachinko.clock.core import Clock
from pytest_pachinko.clock.report import describe_timer
from pytest_pachinko.clock.waiting import innermost_future
from pytest_pachinko.futures import wake
from pytest_pachinko.leaving import within_bounds
from pytest_pachinko.quiet import settle
from pytest_pachinko.stacks import doing
from tests.clock.apps import application
from tests.clock.apps import connected
from tests.clock.apps import echo
from tests.clock.apps import silent


@pytest.mark.asyncio
async def test_a_loop_in_which_nobody_waits_is_left_alone():
    clock = Clock(asyncio.get_running_loop())

    assert clock.idle(None) is None  # time runs by itself
    assert clock.idle(5.0) == 5.0
    clock.open()
    assert clock.idle(None) is None
    clock.restless()
    clock.restless()


@pytest.mark.asyncio
async def test_a_future_that_is_done_is_woken_no_more():
    future = asyncio.get_running_loop().create_future()
    wake(future)
    wake(future)

    assert future.done()


@pytest.mark.asyncio
async def test_a_callback_that_was_cancelled_is_not_called():
    called = []
    async with connected(echo) as session:
        asyncio.get_running_loop().call_soon(called.append, 1).cancel()
        await session.send("x")
        await session.receive()

    assert not called


@pytest.mark.asyncio
async def test_debug_mode_may_be_switched_while_a_session_is_open():
    loop = asyncio.get_running_loop()
    async with connected(echo) as session:
        loop.set_debug(True)
        assert loop.get_debug()
        loop.set_debug(False)
        assert not loop.get_debug()
        await session.send("x")
        assert await session.receive() == "x"


@pytest.mark.asyncio
@pytest.mark.parametrize("modes", [[True], [True, False]])
async def test_the_tasks_of_a_connection_are_known_in_debug_mode_and_after_it(modes):
    async def start(wire):
        await wire.receive()
        tasks.append(asyncio.create_task(asyncio.Event().wait(), name="forgotten"))
        await wire.until_disconnect()

    tasks = []
    loop = asyncio.get_running_loop()
    with pytest.raises(LeftBehind, match="forgotten"):
        async with connected(start) as session:
            for mode in modes:
                loop.set_debug(mode)
            await session.send("now")

    assert tasks[0].cancelled()
    assert "create_task" not in vars(loop)


def test_what_a_loop_makes_in_its_own_way_it_makes_so_on_virtual_time_too():
    class Loop(asyncio.SelectorEventLoop):
        def create_future(self):
            made.append("future")
            return super().create_future()

        def create_task(self, *args, **kwargs):
            made.append("task")
            return super().create_task(*args, **kwargs)

    async def test():
        async with connected(echo) as session:
            made.clear()
            await asyncio.create_task(session.send("x"))
            await session.receive()

    made = []
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(test())

    assert {"future", "task"} <= set(made)


@pytest.mark.asyncio
async def test_what_comes_at_the_last_moment_has_come():
    news = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(news.set_result, None)

    assert await within_bounds(news, None, 0)


def test_a_loop_that_is_closed_takes_no_callbacks():
    loop = loop_factory()
    loop.close()

    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(print)


def test_futures_that_wait_for_each_other_have_none_to_fail():
    class Gathering:
        def __init__(self):
            self._children = [self]

        def done(self):
            return False

    assert innermost_future(Gathering()) is None


class Compiled(Coroutine):
    """A coroutine without frames, as compiled code makes them."""

    def __await__(self):
        yield

    def send(self, value):
        return None

    def throw(self, kind, error=None, traceback=None):
        raise kind

    def close(self):
        pass


@pytest.mark.asyncio
async def test_a_task_of_compiled_code_is_said_to_be_one():
    task = asyncio.Task(Compiled())

    assert innermost_future(task) is None
    assert doing(task) == "runs no Python code"
    task.cancel()


@pytest.mark.asyncio
async def test_a_task_without_a_line_of_the_users_is_shown_where_it_is():
    task = asyncio.ensure_future(asyncio.sleep(1))
    await asyncio.sleep(0)

    assert "in sleep: " in doing(task)
    task.cancel()


@pytest.mark.asyncio
async def test_a_timer_that_completes_a_future_of_nobody_is_named_by_its_callback():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    future.add_done_callback(lambda _: None)
    timer = loop.call_later(1, future.set_result, future)

    assert describe_timer(timer) == "calls Future.set_result"
    timer.cancel()


@pytest.mark.asyncio
async def test_a_transport_that_was_never_used_has_nothing_to_stop():
    transport = MemoryTransport(application(silent))
    await transport.__aexit__(None, None, None)

    assert repr(transport) == "<MemoryTransport: 0 sessions so far>"


@pytest.mark.asyncio
async def test_a_disconnect_that_arrives_after_the_close_is_not_seen():
    received = []

    async def handle(wire):
        await asyncio.sleep(1)
        await wire._send({"type": "websocket.close", "code": 4000})
        received.append(await wire._receive())

    async with connected(handle, faults=[Latency(to_app=2)]) as session:
        await session.close(4001)

    assert received == [{"type": "websocket.disconnect", "code": 4000, "reason": ""}]


@pytest.mark.asyncio
async def test_a_session_is_not_opened_in_another_loop():
    transport = MemoryTransport(application(silent))
    async with transport:
        with pytest.raises(PachinkoUsageError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, transport("/").__aenter__())


@pytest.mark.asyncio
async def test_a_loop_without_a_session_settles_too():
    async with MemoryTransport(application(silent)):
        await settle()
