"""Background tasks: started, supervised and stopped."""

import asyncio
import functools
import random
from collections.abc import Callable
from typing import Any

import falcon.asgi
import pytest

from falcon_pachinko import WorkerController
from falcon_pachinko import WorkerError
from pytest_pachinko import LifespanFailed
from pytest_pachinko import MemoryTransport
from pytest_pachinko.clock import VirtualClock

pytestmark = pytest.mark.asyncio


class BoomError(Exception):
    """What a worker raises here."""


async def sleeper() -> None:
    await asyncio.Event().wait()


def crashing(times: int = 10**9, after: float = 0) -> Any:
    """Make a worker that crashes so many times, each after some seconds, and then sleeps."""

    async def worker() -> None:
        worker.began.append(asyncio.get_running_loop().time())  # type: ignore[attr-defined]
        await asyncio.sleep(after)
        if len(worker.began) <= times:  # type: ignore[attr-defined]
            raise BoomError(len(worker.began))  # type: ignore[attr-defined]
        await sleeper()

    worker.began = []  # type: ignore[attr-defined]
    return worker


def state(workers: WorkerController) -> str:
    [status] = workers.status
    return status.state


@pytest.fixture
def lucky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each pause be as long as it may be."""
    monkeypatch.setattr(random, "random", lambda: 1.0)


@pytest.fixture
def stops() -> list[str]:
    return []


@pytest.fixture
def make(stops: list[str]) -> Callable[..., WorkerController]:
    return functools.partial(WorkerController, stop_server=lambda: stops.append("stop"))


class FatalError(BaseException):
    """What is no Exception, as the failures of pytest are."""


# Starting.


async def test_a_worker_waits_for_the_start(websocket_clock: VirtualClock) -> None:
    workers = WorkerController()
    workers.add(sleeper)

    assert state(workers) == "waiting"
    await workers.start()
    await websocket_clock.quiescent()
    assert state(workers) == "running"
    await workers.stop()
    assert state(workers) == "stopped"


async def test_workers_start_and_stop_with_the_lifespan() -> None:
    workers = WorkerController()
    events: list[str] = []

    @workers.worker
    async def work() -> None:
        events.append("begin")
        try:
            await sleeper()
        finally:
            events.append("end")

    app = falcon.asgi.App()
    app.add_middleware(workers)

    async with MemoryTransport(app):
        await asyncio.sleep(0)
        assert events == ["begin"]
    assert events == ["begin", "end"]


async def test_workers_end_with_a_lifespan_whose_start_up_fails(
    websocket_clock: VirtualClock,
) -> None:
    class Broken:
        async def process_startup(self, scope: Any, event: Any) -> None:
            raise BoomError

    workers = WorkerController()
    workers.add(sleeper)
    app = falcon.asgi.App(middleware=[workers, Broken()])

    for _ in range(2):
        with pytest.raises(LifespanFailed, match="BoomError"):
            async with MemoryTransport(app):
                pass
        await websocket_clock.quiescent()
        assert state(workers) == "stopped"


async def test_a_lifespan_that_ends_late_leaves_the_next_one_alone() -> None:
    workers = WorkerController()
    workers.add(sleeper)

    async def lifespan() -> None:
        await workers.process_startup({}, {})
        await workers.process_shutdown({}, {})
        await workers.start()

    await asyncio.create_task(lifespan())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert state(workers) == "running"
    await workers.stop()


async def test_one_controller_does_not_serve_two_applications_at_once() -> None:
    workers = WorkerController()
    one, two = falcon.asgi.App(middleware=[workers]), falcon.asgi.App(middleware=[workers])

    async with MemoryTransport(one):
        with pytest.raises(LifespanFailed, match="one application at a time"):
            async with MemoryTransport(two):
                pass


async def test_a_server_may_have_no_extensions() -> None:
    workers = WorkerController()

    await workers.process_startup({"extensions": None}, {})
    await workers.process_shutdown({}, {})


async def test_a_stop_without_a_start_does_nothing() -> None:
    await WorkerController().stop()


# Adding.


async def test_a_worker_that_is_added_later_starts_at_once(websocket_clock: VirtualClock) -> None:
    workers = WorkerController()
    await workers.start()

    workers.add(sleeper)
    await websocket_clock.quiescent()

    assert state(workers) == "running"
    await workers.stop()


async def test_a_worker_that_a_worker_adds_runs(websocket_clock: VirtualClock) -> None:
    workers = WorkerController()

    @workers.worker
    async def parent() -> None:
        workers.add(sleeper)

    await workers.start()
    await websocket_clock.quiescent()

    assert [each.state for each in workers.status] == ["finished", "running"]
    await workers.stop()


async def test_a_worker_that_is_added_while_others_stop_waits_for_the_next_start(
    websocket_clock: VirtualClock,
) -> None:
    workers = WorkerController()

    @workers.worker
    async def heir() -> None:
        try:
            await sleeper()
        finally:
            workers.add(sleeper)

    await workers.start()
    await websocket_clock.quiescent()
    await workers.stop()

    assert [each.state for each in workers.status] == ["stopped", "waiting"]


async def test_a_worker_belongs_to_the_lifespan_whoever_adds_it() -> None:
    from tests.manager.conftest import serve

    workers = WorkerController()
    connect = serve(None, late_adder(workers))  # type: ignore[arg-type]
    connect.app.add_middleware(workers)

    async with connect:
        async with connect("/"):
            pass  # a task of the connection would be left behind
        assert state(workers) == "running"


def late_adder(workers: WorkerController) -> Any:
    from tests.manager.conftest import Member

    class Adder(Member):
        async def on_connect(self, req: Any, ws: Any) -> bool:
            workers.add(sleeper)
            return True

        async def on_disconnect(self, ws: Any, close_code: int) -> None:
            pass

    return Adder


async def test_adding_in_another_thread_is_an_error() -> None:
    workers = WorkerController()
    await workers.start()

    with pytest.raises(WorkerError, match=r"Hint: loop.call_soon_threadsafe\(workers.add"):
        await asyncio.to_thread(workers.add, sleeper)

    assert workers.status == ()
    await workers.stop()


# Crashing.


async def test_a_worker_that_crashes_is_started_again(websocket_clock: VirtualClock) -> None:
    workers = WorkerController(min_pause=1)
    workers.add(crashing(times=2), name="w")

    await workers.start()
    await websocket_clock.advance(10)

    [status] = workers.status
    assert (status.state, status.restarts, str(status.error)) == ("running", 2, "2")
    await workers.stop()


async def test_a_worker_that_returns_has_finished(websocket_clock: VirtualClock) -> None:
    workers = WorkerController(min_pause=1)
    workers.add(functools.partial(asyncio.sleep, 1), name="w")

    await workers.start()
    await websocket_clock.advance(100)

    [status] = workers.status
    assert (status.state, status.restarts, status.error) == ("finished", 0, None)
    await workers.stop()
    assert state(workers) == "finished"


async def test_a_crash_is_logged_at_once_with_its_traceback(
    websocket_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    workers = WorkerController()
    workers.add(crashing(), name="boom")

    await workers.start()
    await websocket_clock.quiescent()

    [record] = caplog.records
    assert (record.name, record.levelname) == ("falcon_pachinko", "ERROR")
    assert "'boom' crashed: it is restarted in 0." in record.getMessage()
    assert record.exc_info
    assert isinstance(record.exc_info[1], BoomError)
    assert state(workers) == "pausing"
    await workers.stop()
    assert state(workers) == "stopped"


@pytest.mark.usefixtures("lucky")
async def test_the_pause_doubles_up_to_its_bound(websocket_clock: VirtualClock) -> None:
    workers = WorkerController(min_pause=1, max_pause=5)
    worker = crashing()
    workers.add(worker, name="w")

    await workers.start()
    await websocket_clock.advance(18)

    assert [now - worker.began[0] for now in worker.began] == [0, 1, 3, 7, 12, 17]
    await workers.stop()


@pytest.mark.usefixtures("lucky")
async def test_a_worker_that_ran_for_long_begins_with_a_short_pause_again(
    websocket_clock: VirtualClock,
) -> None:
    workers = WorkerController(min_pause=1, max_pause=5)
    short, long = crashing(after=4.5), crashing(after=5)
    workers.add(short, name="short")
    workers.add(long, name="long")

    await workers.start()
    await websocket_clock.advance(29)

    assert [now - short.began[0] for now in short.began] == [0, 5.5, 12, 20.5]
    assert [now - long.began[0] for now in long.began] == [0, 6, 12, 18, 24]
    await workers.stop()


async def test_a_crash_stops_the_server_if_the_policy_says_so(
    websocket_clock: VirtualClock,
    make: Callable[..., WorkerController],
    stops: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    workers = make(on_crash="stop")
    workers.add(crashing(), name="w")

    await workers.start()
    await websocket_clock.advance(100)

    assert stops == ["stop"]
    assert state(workers) == "crashed"
    assert "'w' crashed: the server is stopped" in caplog.text
    await workers.stop()


async def test_a_worker_may_have_a_policy_of_its_own(
    websocket_clock: VirtualClock, make: Callable[..., WorkerController], stops: list[str]
) -> None:
    workers = make()
    workers.add(crashing(), on_crash="stop")

    await workers.start()
    await websocket_clock.quiescent()

    assert stops == ["stop"]
    await workers.stop()


async def test_the_server_is_stopped_once(
    websocket_clock: VirtualClock, make: Callable[..., WorkerController], stops: list[str]
) -> None:
    workers = make(on_crash="stop")
    workers.add(crashing(), name="one")
    workers.add(crashing(), name="two")

    await workers.start()
    await websocket_clock.quiescent()

    assert stops == ["stop"]
    assert [each.state for each in workers.status] == ["crashed", "crashed"]
    await workers.stop()


async def test_a_stop_that_fails_is_logged(
    websocket_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    def stop_server() -> None:
        raise OSError("no such process")

    workers = WorkerController(on_crash="stop", stop_server=stop_server)
    workers.add(crashing())

    await workers.start()
    await websocket_clock.quiescent()

    assert "stop_server failed" in caplog.text
    assert "no such process" in caplog.text
    await workers.stop()


async def test_waiting_for_something_that_is_cancelled_is_a_crash(
    websocket_clock: VirtualClock,
) -> None:
    workers = WorkerController()

    @workers.worker
    async def work() -> None:
        other = asyncio.create_task(sleeper())
        asyncio.get_running_loop().call_soon(other.cancel)
        await other

    await workers.start()
    await websocket_clock.quiescent()

    [status] = workers.status
    assert status.state == "pausing"
    assert isinstance(status.error, WorkerError)
    assert isinstance(status.error.__cause__, asyncio.CancelledError)
    await workers.stop()


@pytest.mark.usefixtures("lucky")
async def test_a_worker_that_somebody_else_cancels_has_crashed(
    websocket_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    workers = WorkerController(min_pause=1)
    began = []

    @workers.worker
    async def work() -> None:
        began.append(asyncio.get_running_loop().time())
        if len(began) < 3:
            asyncio.current_task().cancel()  # type: ignore[union-attr]
        await sleeper()

    await workers.start()
    await websocket_clock.advance(10)

    [status] = workers.status
    assert [now - began[0] for now in began] == [0, 1, 3]
    assert (status.state, status.restarts) == ("running", 2)
    assert isinstance(status.error, WorkerError)
    assert isinstance(status.error.__cause__, asyncio.CancelledError)
    assert "'work' was cancelled, and not by its controller" in caplog.text
    await workers.stop()
    assert state(workers) == "stopped"


async def test_a_worker_that_somebody_else_cancels_stops_the_server_if_the_policy_says_so(
    websocket_clock: VirtualClock, make: Callable[..., WorkerController], stops: list[str]
) -> None:
    workers = make(on_crash="stop")

    @workers.worker
    async def work() -> None:
        asyncio.current_task().cancel()  # type: ignore[union-attr]
        await sleeper()

    await workers.start()
    await websocket_clock.quiescent()

    assert stops == ["stop"]
    assert state(workers) == "crashed"
    await workers.stop()


async def test_what_is_no_exception_is_a_crash_that_is_seen(
    make: Callable[..., WorkerController], stops: list[str], websocket_clock: VirtualClock
) -> None:
    workers = make(on_crash="stop")

    @workers.worker
    async def work() -> None:
        raise FatalError

    await workers.start()
    await websocket_clock.quiescent()

    assert state(workers) == "crashed"
    assert isinstance(workers.status[0].error, FatalError)
    assert stops == ["stop"]
    await workers.stop()


async def test_a_group_of_exceptions_is_a_crash(websocket_clock: VirtualClock) -> None:
    workers = WorkerController()

    @workers.worker
    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(crashing()())

    await workers.start()
    await websocket_clock.quiescent()

    [status] = workers.status
    assert isinstance(status.error, ExceptionGroup)
    await workers.stop()


async def test_restarts_are_counted_anew_in_each_lifespan(websocket_clock: VirtualClock) -> None:
    workers = WorkerController(min_pause=1)
    workers.add(crashing(times=1), name="w")

    for restarts in (1, 0):
        await workers.start()
        await websocket_clock.advance(10)
        assert workers.status[0].restarts == restarts
        await workers.stop()

    assert workers.status[0].error is None


# Stopping.


async def test_a_stop_waits_for_what_workers_clean_up(websocket_clock: VirtualClock) -> None:
    workers = WorkerController(stop_timeout=5)
    done = []

    @workers.worker
    async def work() -> None:
        try:
            await sleeper()
        finally:
            await asyncio.sleep(4)
            done.append(True)

    await workers.start()
    await websocket_clock.quiescent()
    await workers.stop()

    assert done
    assert websocket_clock.now == 4


async def test_a_worker_that_refuses_to_stop_is_named_and_not_waited_for(
    websocket_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    workers = WorkerController(stop_timeout=5)
    end = asyncio.Event()

    @workers.worker
    async def mule() -> None:
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                pass

    workers.add(sleeper)
    await workers.start()
    await websocket_clock.quiescent()
    await workers.stop()

    assert websocket_clock.now == 5
    assert [each.state for each in workers.status] == ["stuck", "stopped"]
    assert [record.getMessage() for record in caplog.records] == [
        "The worker 'mule' does not stop: it was cancelled 5 s ago, and runs on"
    ]
    end.set()
    await websocket_clock.quiescent()
    assert workers.status[0].state == "stopped"


async def test_a_worker_that_crashes_after_it_was_stopped_is_not_restarted(
    websocket_clock: VirtualClock,
    make: Callable[..., WorkerController],
    stops: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    workers = make(on_crash="stop")

    @workers.worker
    async def work() -> None:
        try:
            await sleeper()
        finally:
            raise BoomError

    await workers.start()
    await websocket_clock.quiescent()
    await workers.stop()

    [status] = workers.status
    assert (status.state, type(status.error)) == ("crashed", BoomError)
    assert "'work' crashed while it was stopped" in caplog.text
    assert stops == []


async def test_a_stop_in_a_pause_ends_the_pause(websocket_clock: VirtualClock) -> None:
    workers = WorkerController(min_pause=10)
    workers.add(crashing())
    await workers.start()
    await websocket_clock.quiescent()

    await workers.stop()

    assert websocket_clock.now == 0
    assert state(workers) == "stopped"


async def test_a_worker_that_never_began_is_stopped() -> None:
    workers = WorkerController()
    workers.add(sleeper)

    await workers.start()
    await workers.stop()

    assert state(workers) == "stopped"


async def test_a_stop_that_is_cancelled_has_cancelled_the_workers(
    websocket_clock: VirtualClock,
) -> None:
    workers = WorkerController(stop_timeout=100)

    @workers.worker
    async def work() -> None:
        try:
            await sleeper()
        finally:
            await asyncio.sleep(10)

    await workers.start()
    await websocket_clock.quiescent()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await workers.stop()
    await websocket_clock.advance(10)

    assert state(workers) == "stopped"
