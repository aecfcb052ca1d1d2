"""The private names of asyncio on which virtual time rests.

When one of these fails on a new Python, `pytest_pachinko/clock/` has to be read again with the
sources of that version's `asyncio/base_events.py` and `asyncio/events.py` beside it. Until
then `_can_be_adopted` in `clock/adopt.py` may return False for it: tests then run in real time.
"""

import asyncio
import inspect

import pytest

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    "name",
    [
        "_asyncgens_shutdown_called",
        "_check_callback",
        "_check_closed",
        "_check_thread",
        "_debug",
        "_executor_shutdown_called",
        "_ssock",
        "_ready",
        "_run_once",
        "_scheduled",
        "_selector",
        "_signal_handlers",
        "_stopping",
        "_write_to_self",
    ],
)
async def test_the_loop_has(name):
    assert hasattr(asyncio.get_running_loop(), name)


async def test_a_turn_asks_the_selector_and_the_time_of_the_loop_object():
    source = inspect.getsource(asyncio.BaseEventLoop._run_once)

    assert "self._selector.select(timeout)" in source
    assert "self.time()" in source
    assert "handle._cancelled" in source
    assert "handle._run()" in source


async def test_a_handle_has_nothing_but_what_virtual_time_gives_it():
    handle = asyncio.get_running_loop().call_soon(print)
    handle.cancel()

    assert set(asyncio.Handle.__slots__) == {
        "__weakref__",
        "_args",
        "_callback",
        "_cancelled",
        "_context",
        "_loop",
        "_repr",
        "_source_traceback",
    }
    assert all(hasattr(handle, name) for name in asyncio.Handle.__slots__)


async def test_the_first_step_of_a_task_knows_its_task():
    loop = asyncio.get_running_loop()
    task = asyncio.Task(asyncio.sleep(0), loop=loop)

    assert loop._ready[-1]._callback.__self__ is task
    await task


async def test_later_timers_are_set_through_the_loop_object():
    assert "self.call_at(" in inspect.getsource(asyncio.BaseEventLoop.call_later)


async def test_a_thread_wakes_the_loop_through_the_loop_object():
    assert "self._write_to_self()" in inspect.getsource(asyncio.BaseEventLoop.call_soon_threadsafe)


async def test_a_task_knows_what_it_waits_for_and_who_waits_for_it():
    task = asyncio.ensure_future(asyncio.Event().wait())
    await asyncio.sleep(0)

    assert isinstance(task._fut_waiter, asyncio.Future)
    assert task._log_traceback is False
    (callback, _context), *_ = task._fut_waiter._callbacks
    assert callback.__self__ is task
    task.cancel()


async def test_the_root_is_known_by_its_callback():
    from pytest_pachinko.clock.waiting import roots

    assert roots(asyncio.get_running_loop()) == [asyncio.current_task()]


async def test_a_job_in_a_thread_is_known_by_its_callback():
    from pytest_pachinko.clock.waiting import waits_for_outside

    task = asyncio.ensure_future(asyncio.to_thread(int))
    await asyncio.sleep(0)

    assert waits_for_outside(task)
    await task


async def test_a_timer_has_what_its_report_needs():
    timer = asyncio.get_running_loop().call_later(1, print, "x")

    assert timer._callback is print
    assert timer._args == ("x",)
    assert timer._scheduled
    assert timer._context is not None
    timer.cancel()


async def test_a_bare_yield_to_the_loop_is_known_by_its_name():
    from pytest_pachinko.clock.waiting import is_spinning

    async def spin():
        while True:
            await asyncio.sleep(0)

    task = asyncio.ensure_future(spin())
    await asyncio.sleep(0)

    assert is_spinning(task)
    task.cancel()
