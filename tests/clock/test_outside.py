"""What comes from outside of the event loop still works, and time stands still for it."""

import asyncio
import signal
import socket
import sys
import threading
import time

import anyio
import freezegun
import pytest
import time_machine

from pytest_pachinko import Stalled
from pytest_pachinko.clock import hold
from pytest_pachinko.clock import now
from pytest_pachinko.clock import virtual_time
from tests.clock.apps import connected
from tests.clock.apps import silent

pytestmark = pytest.mark.asyncio


async def test_a_job_in_a_thread_is_waited_for_without_time_passing():
    release = threading.Event()

    async with connected(silent):
        before = now()
        job = asyncio.ensure_future(asyncio.to_thread(release.wait))
        asyncio.get_running_loop().call_soon(release.set)
        async with asyncio.timeout(0.001):
            assert await job

        assert now() == before


async def test_a_worker_thread_of_anyio_is_waited_for():
    async with connected(silent):
        assert await anyio.to_thread.run_sync(sum, [1, 2]) == 3


async def test_a_timeout_of_anyio_is_a_timer_like_any_other():
    async with connected(silent) as session:
        with anyio.move_on_after(5) as scope:
            await session.receive()

    assert scope.cancelled_caught


async def test_a_thread_of_the_tests_own_is_waited_for_under_hold():
    async with connected(silent):
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(woken.set,))
        with hold():
            thread.start()
            await woken.wait()
        thread.join()


async def test_a_thread_that_nobody_holds_for_is_named_in_the_stall():
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="silent partner")
    thread.start()
    try:
        async with connected(silent):
            with pytest.raises(Stalled, match="thread   silent partner is alive"):
                await asyncio.Event().wait()
    finally:
        release.set()
        thread.join()


async def test_a_clock_holds_too():
    async with connected(silent):
        with virtual_time() as clock, clock.hold():
            asyncio.get_running_loop().call_soon(asyncio.Event().set)


async def test_hold_does_nothing_on_a_loop_in_real_time():
    with hold():
        pass


async def test_a_socket_makes_time_real_and_its_end_makes_it_virtual_again():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async with connected(silent) as session:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"hi\n")
            assert await reader.readline() == b"hi\n"
            writer.close()
            await writer.wait_closed()
        await server.wait_closed()
        await asyncio.sleep(3600)
        with pytest.raises(Stalled, match="nothing can run"):
            await session.receive()


async def test_a_wait_beside_a_socket_fails_in_real_time_and_says_so():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        async with connected(silent) as session:
            loop = asyncio.get_running_loop()
            loop.add_reader(listening, print)
            with pytest.raises(Stalled, match="time is real while a socket or pipe is open"):
                await session.receive()
            loop.remove_reader(listening)


async def test_a_process_runs_in_real_time():
    async with connected(silent):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print('hi')", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()

    assert out.strip() == b"hi"


async def test_a_signal_handler_of_the_loop_is_called():
    async with connected(silent):
        loop = asyncio.get_running_loop()
        caught = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, caught.set)
        signal.raise_signal(signal.SIGUSR1)
        await caught.wait()
        loop.remove_signal_handler(signal.SIGUSR1)


async def test_work_outside_that_does_not_end_fails_the_test(monkeypatch):
    monkeypatch.setattr("pytest_pachinko.clock.core.OUTSIDE_PATIENCE", 0.01)
    release = threading.Event()
    async with connected(silent):
        with pytest.raises(Stalled, match="work outside of the event loop does not end") as caught:
            await asyncio.to_thread(release.wait)
    release.set()

    assert "job      " in str(caught.value)


async def test_debug_mode_of_the_loop_changes_nothing():
    asyncio.get_running_loop().set_debug(True)
    async with connected(silent):
        before = now()
        await asyncio.sleep(5)
        assert now() - before == pytest.approx(5)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_eager_tasks_run_as_on_any_loop():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    async with connected(silent):
        order = []

        async def note():
            order.append("in")

        task = asyncio.create_task(note())
        order.append("out")
        await task
        await asyncio.sleep(5)
    loop.set_task_factory(None)

    assert order == ["in", "out"]


async def test_time_machine_follows_each_jump():
    seen = []
    with virtual_time() as clock, time_machine.travel("2030-01-01T00:00+00:00", tick=False) as wall:
        start = time.time()
        with clock.follow(wall.shift):
            loop = asyncio.get_running_loop()
            loop.call_later(10, lambda: seen.append(time.time() - start))
            await asyncio.sleep(60)
        await asyncio.sleep(60)

        assert seen == [pytest.approx(10)]
        assert time.time() - start == pytest.approx(60)


async def test_freezegun_follows_and_does_not_stop_the_loop():
    with virtual_time() as clock, freezegun.freeze_time("2030-01-01") as frozen:
        start = time.time()
        with clock.follow(frozen.tick):
            await clock.advance(60)

        assert time.time() - start == pytest.approx(60)


async def test_freezegun_does_not_stop_what_waits_in_real_time():
    with virtual_time("wall"), freezegun.freeze_time("2030-01-01"):
        await asyncio.sleep(0.01)
