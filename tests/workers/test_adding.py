"""What can be a worker, and one controller in several event loops."""

import asyncio
import functools
from typing import Any

import falcon.asgi
import pytest

from falcon_pachinko import WorkerController
from falcon_pachinko import WorkerError
from falcon_pachinko.workers import _pause
from pytest_pachinko import MemoryTransport
from tests.loops import run as run_in_thread


async def sleeper() -> None:
    await asyncio.Event().wait()


def state(workers: WorkerController) -> str:
    [status] = workers.status
    return status.state


def test_workers_run_again_in_another_event_loop() -> None:
    workers = WorkerController()
    loops = []

    @workers.worker
    async def work() -> None:
        loops.append(asyncio.get_running_loop())
        await sleeper()

    async def live() -> None:
        async with MemoryTransport(falcon.asgi.App(middleware=[workers])):
            await asyncio.sleep(0)

    run_in_thread(live())
    run_in_thread(live())

    assert len(set(loops)) == 2
    assert state(workers) == "stopped"


def end_abruptly(loop: asyncio.AbstractEventLoop) -> None:
    """Do what ``asyncio.run`` does with the tasks that are left, and with the loop."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


def test_workers_run_again_after_a_loop_that_was_closed_without_a_shutdown() -> None:
    workers = WorkerController()
    workers.add(sleeper)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(workers.start())
    end_abruptly(loop)

    async def again() -> None:
        await workers.start()
        assert state(workers) == "running"
        await workers.stop()

    run_in_thread(again())


def test_a_worker_that_is_thrown_away_has_not_crashed(caplog: pytest.LogCaptureFixture) -> None:
    workers = WorkerController()
    workers.add(sleeper)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(workers.start())
    loop.run_until_complete(asyncio.sleep(0))
    [task] = asyncio.all_tasks(loop)

    # As Python does with what waits for a loop that is not there any more.
    task.get_coro().close()  # type: ignore[union-attr]

    assert state(workers) == "running"
    end_abruptly(loop)
    assert caplog.messages == []


def test_the_decorator_returns_the_function() -> None:
    workers = WorkerController()

    assert workers.worker(sleeper) is sleeper
    assert workers.worker(name="other", on_crash="stop")(sleeper) is sleeper
    assert [each.name for each in workers.status] == ["sleeper", "other"]


def test_a_worker_may_be_a_partial_or_a_method_or_an_object() -> None:
    class Sweeper:
        async def sweep(self, depth: int = 0) -> None: ...

        async def __call__(self) -> None: ...

    @functools.wraps(sleeper)
    def wrapped() -> Any:
        return sleeper()

    workers = WorkerController()
    workers.add(functools.partial(functools.partial(Sweeper().sweep), depth=3))
    workers.add(Sweeper())
    workers.add(wrapped)

    assert [each.name for each in workers.status] == ["sweep", "Sweeper", "sleeper"]


def test_a_name_that_is_taken_is_an_error() -> None:
    workers = WorkerController()
    workers.add(sleeper)

    with pytest.raises(WorkerError, match=r"'sleeper' already.\nHint: .*another name"):
        workers.add(sleeper)


class Sync:
    def __call__(self) -> None: ...


class AsyncCall:
    async def __call__(self) -> None: ...


async def generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    "function", [print, lambda: None, generator, Sync(), AsyncCall, functools.partial(print), None]
)
def test_what_is_no_coroutine_function_is_an_error(function: Any) -> None:
    with pytest.raises(WorkerError, match=r"no coroutine function.*\nHint: async def"):
        WorkerController().add(function)


def test_a_coroutine_is_an_error_that_says_to_leave_out_the_parentheses() -> None:
    with pytest.raises(WorkerError, match=r"Hint: workers.add\(sleeper\), without"):
        WorkerController().add(sleeper())  # type: ignore[arg-type]


def test_a_function_that_needs_arguments_is_an_error() -> None:
    async def greet(name: str) -> None: ...

    with pytest.raises(WorkerError, match=r"'name'.\nHint: workers.add\(functools.partial\(greet"):
        WorkerController().add(greet)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", ["ignore", None])
def test_an_unknown_policy_is_an_error(policy: Any) -> None:
    with pytest.raises(WorkerError, match="Hint: 'restart' or 'stop'"):
        WorkerController(on_crash=policy)


def test_an_unknown_policy_of_one_worker_is_an_error() -> None:
    with pytest.raises(WorkerError, match="'restrat' is no policy"):
        WorkerController().add(sleeper, on_crash="restrat")  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), "10", None, True])
@pytest.mark.parametrize("name", ["stop_timeout", "min_pause", "max_pause"])
def test_seconds_that_are_none_are_an_error(name: str, seconds: Any) -> None:
    with pytest.raises(WorkerError, match=f"{name}={seconds!r}"):
        WorkerController(**{name: seconds})


def test_a_controller_says_how_its_workers_are() -> None:
    workers = WorkerController()
    assert repr(workers) == "<WorkerController without workers>"

    workers.add(sleeper)
    assert repr(workers) == "<WorkerController sleeper: waiting>"


@pytest.mark.parametrize(
    ("crashes", "luck", "pause"),
    [(1, 0, 0.25), (1, 1, 0.5), (2, 1, 1), (7, 1, 30), (7, 0, 15), (10**9, 0.5, 22.5)],
)
def test_a_pause_is_half_chance(crashes: int, luck: float, pause: float) -> None:
    assert _pause(crashes, 0.5, 30.0, luck) == pause


def test_an_exit_in_a_worker_ends_the_process_and_is_no_crash(
    caplog: pytest.LogCaptureFixture,
) -> None:
    workers = WorkerController()

    @workers.worker
    async def work() -> None:
        raise SystemExit(3)

    async def main() -> None:
        await workers.start()
        await sleeper()

    with pytest.raises(SystemExit):
        run_in_thread(main())

    assert state(workers) == "stopped"
    assert caplog.messages == ["The worker 'work' ends the process"]
    # Or Python says later that nobody has asked for the exception.
    assert not workers._runs["work"].task._log_traceback  # type: ignore[attr-defined]


@pytest.mark.parametrize("on_crash", ["restart", "stop"])
def test_a_loop_that_ends_without_a_shutdown_ends_its_workers(
    on_crash: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stops: list[str] = []
    workers = WorkerController(on_crash=on_crash, stop_server=lambda: stops.append("stop"))
    workers.add(sleeper)

    async def main() -> None:
        await workers.start()
        await asyncio.sleep(0)

    run_in_thread(main())

    assert state(workers) == "stopped"
    assert stops == caplog.messages == []
