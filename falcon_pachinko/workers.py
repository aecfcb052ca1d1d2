"""Background tasks that start, are supervised and stop with the application.

A controller is a middleware, whose two methods Falcon calls with the ASGI lifespan. Whatever
belongs to an event loop is made at the start and forgotten at the stop, so that one controller
serves one lifespan after another.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
import signal
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any
from typing import get_args
from typing import Literal
from typing import overload
from typing import TYPE_CHECKING
from typing import TypeVar

from falcon_pachinko.errors import WorkerError
from falcon_pachinko.security import is_limit

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable

    Work = Callable[[], Awaitable[Any]]

__all__ = ["STOP_EXTENSION", "WorkerController", "WorkerStatus", "terminate"]

OnCrash = Literal["restart", "stop"]
State = Literal["waiting", "running", "pausing", "finished", "crashed", "stopped", "stuck"]

STOP_EXTENSION = "falcon_pachinko.stop"
"""The key in ``scope["extensions"]`` of the lifespan under which a server that wants to be stopped
in a way of its own puts a function of the exception. A test has such a server."""

_logger = logging.getLogger("falcon_pachinko")

_W = TypeVar("_W", bound="Work")


def terminate() -> None:
    """Stop the server: SIGTERM to this process, which servers take as a graceful end."""
    signal.raise_signal(signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """How a worker is.

    Attributes:
        name: Its name.
        state: ``"waiting"`` (not started yet), ``"running"``, ``"pausing"`` (it crashed and will
            be restarted), ``"finished"`` (it returned), ``"crashed"`` (and is not restarted),
            ``"stopped"`` (it was cancelled) or ``"stuck"`` (it does not let itself be cancelled).
        restarts: How often it was restarted since the lifespan began.
        error: What it raised last, or None.
    """

    name: str
    state: State
    restarts: int = 0
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _Worker:
    name: str
    function: Work
    on_crash: OnCrash


class _Run:
    """A worker in one lifespan."""

    __slots__ = ("began", "crashes", "error", "restarts", "state", "task", "worker")

    def __init__(self, worker: _Worker, now: float) -> None:
        self.worker = worker
        self.state: State = "running"
        self.began = now
        self.crashes = 0  # in a row
        self.restarts = 0
        self.error: BaseException | None = None
        self.task: asyncio.Task[None]


class WorkerController:
    """Runs background tasks from the start-up of the application to its shutdown.

    Args:
        on_crash: What happens when a worker raises an exception, or is cancelled by somebody
            else: ``"restart"`` starts it again, after a pause that doubles with each crash;
            ``"stop"`` stops the server.
        stop_timeout: How many seconds the shutdown waits for workers that it has cancelled.
        min_pause: Seconds before the first restart, at most; half of it at least.
        max_pause: Seconds before a later one, at most. A worker that has run for as long is well:
            its next crash counts as the first.
        stop_server: Called for ``"stop"``.

    Raises:
        WorkerError: There is no such policy, or a number is not more than 0.

    Example::

        workers = WorkerController()
        app.add_middleware(workers)

        @workers.worker
        async def sweep() -> None: ...
    """

    def __init__(
        self,
        *,
        on_crash: OnCrash = "restart",
        stop_timeout: float = 10.0,
        min_pause: float = 0.5,
        max_pause: float = 30.0,
        stop_server: Callable[[], object] = terminate,
    ) -> None:
        self.on_crash = _check_policy(on_crash)
        for name, value in (("stop_timeout", stop_timeout), ("min_pause", min_pause)):
            if not is_limit(value):
                raise WorkerError(f"{name}={value!r}: a number of seconds, more than 0.")
        if not (is_limit(max_pause) and min_pause <= max_pause):
            raise WorkerError(
                f"max_pause={max_pause!r}: a number of seconds, not less than "
                f"min_pause={min_pause!r}."
            )
        self.stop_timeout = stop_timeout
        self.min_pause = min_pause
        self.max_pause = max_pause
        self.stop_server = stop_server
        self._workers: dict[str, _Worker] = {}
        self._runs: dict[str, _Run] = {}  # of the lifespan that runs, or the last one
        self._shift: _Shift | None = None

    def __repr__(self) -> str:
        states = ", ".join(f"{each.name}: {each.state}" for each in self.status)
        return f"<WorkerController {states or 'without workers'}>"

    @property
    def status(self) -> tuple[WorkerStatus, ...]:
        """How each worker is, in the order in which they were added."""
        return tuple(
            WorkerStatus(name, "waiting")
            if (run := self._runs.get(name)) is None
            else WorkerStatus(name, run.state, run.restarts, run.error)
            for name in self._workers
        )

    @overload
    def worker(self, function: _W) -> _W: ...

    @overload
    def worker(
        self, *, name: str | None = None, on_crash: OnCrash | None = None
    ) -> Callable[[_W], _W]: ...

    def worker(self, function: Any = None, **options: Any) -> Any:
        """Add a function as a worker: a decorator, with or without arguments.

        Args:
            function: As for ``add``.
            **options: As for ``add``.

        Returns:
            The function.

        Raises:
            WorkerError: As for ``add``.
        """
        if function is None:
            return partial(self.worker, **options)
        self.add(function, **options)
        return function

    def add(
        self, function: Work, *, name: str | None = None, on_crash: OnCrash | None = None
    ) -> None:
        """Add a worker. It starts with the lifespan, or at once where that has begun.

        Args:
            function: An async function that is called without arguments; ``functools.partial``
                gives it some.
            name: What it is called; the name of the function if not given.
            on_crash: What happens when it raises; as the controller says if not given.

        Raises:
            WorkerError: It is no such function, the name is taken, there is no such policy, or
                the lifespan runs in another event loop or thread.
        """
        _check_function(function)
        worker = _Worker(
            name or _name_of(function),
            function,
            self.on_crash if on_crash is None else _check_policy(on_crash),
        )
        if worker.name in self._workers:
            raise WorkerError(
                f"There is a worker {worker.name!r} already.\n"
                'Hint: workers.add(function, name="...") gives it another name.'
            )
        if self._shift is not None:
            self._shift.check_loop()
        self._workers[worker.name] = worker
        if self._shift is not None:
            self._shift.begin(worker)

    async def start(self) -> None:
        """Start all workers in the running event loop, where there is no lifespan to do it.

        Raises:
            WorkerError: They run already.
        """
        self._begin(None)

    def _begin(self, stop_server: Callable[[BaseException], object] | None) -> _Shift:
        if self._shift is not None and not self._shift.loop.is_closed():
            raise WorkerError(
                "The workers run already.\n"
                "Hint: a controller serves one application at a time; give each its own, and "
                "add it once."
            )
        self._runs = {}
        self._shift = shift = _Shift(self, stop_server)
        for worker in self._workers.values():
            shift.begin(worker)
        return shift

    async def stop(self) -> None:
        """Cancel all workers, and wait until they have ended, for ``stop_timeout`` at most."""
        shift, self._shift = self._shift, None
        if shift is not None:
            await shift.end()

    async def process_startup(self, scope: Any, event: Any) -> None:  # noqa: ARG002
        """Start, as a middleware of Falcon."""
        shift = self._begin((scope.get("extensions") or {}).get(STOP_EXTENSION))
        # A lifespan may end without a shutdown, such as when the rest of its start-up fails.
        lifespan: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        lifespan.add_done_callback(partial(self._abandon, shift))

    async def process_shutdown(self, scope: Any, event: Any) -> None:  # noqa: ARG002
        """Stop, as a middleware of Falcon."""
        await self.stop()

    def _abandon(self, shift: _Shift, _: object) -> None:
        if self._shift is shift:
            self._shift = None
            shift.cancel()


class _Shift:
    """All workers in one lifespan."""

    def __init__(
        self, controller: WorkerController, stop_server: Callable[[BaseException], object] | None
    ) -> None:
        self._controller = controller
        self._stop_server = stop_server
        self._runs = controller._runs  # noqa: SLF001
        # A worker belongs to the lifespan, whoever adds it.
        self._context = copy_context()
        self._ending = False  # workers are not restarted any more
        self._stopping = False  # the server has been told to stop
        self.loop = asyncio.get_running_loop()

    def check_loop(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not self.loop:
            raise WorkerError(
                "The workers run in another event loop or thread than this one.\n"
                "Hint: loop.call_soon_threadsafe(workers.add, function), with their loop."
            )

    def begin(self, worker: _Worker) -> None:
        run = self._runs[worker.name] = _Run(worker, self.loop.time())
        self._spawn(run)

    def _spawn(self, run: _Run, error: BaseException | None = None) -> None:
        run.task = self.loop.create_task(
            self._supervise(run, error),
            name=f"falcon_pachinko worker {run.worker.name}",
            context=self._context.copy(),
        )
        run.task.add_done_callback(partial(self._ended, run))

    def _ended(self, run: _Run, task: asyncio.Task[None]) -> None:
        """Take note of an end that is none of the function's own."""
        if run.state in ("running", "pausing", "stuck"):
            run.state = "stopped"
        try:
            task.exception()  # or Python says that nobody has asked for it
        except asyncio.CancelledError as cancelled:
            if self._ending or _is_over(self.loop):
                return
            error = WorkerError(
                f"The worker {run.worker.name!r} was cancelled, and not by its controller.\n"
                "Hint: a worker that has nothing more to do returns."
            )
            error.__cause__ = cancelled
            self._spawn(run, error)

    def cancel(self) -> dict[asyncio.Task[None], _Run]:
        """Cancel the workers that have not ended, and return them."""
        self._ending = True
        living = {run.task: run for run in self._runs.values() if not run.task.done()}
        for task in living:
            task.cancel()
        return living

    async def end(self) -> None:
        living = self.cancel()
        if not living:
            return
        timeout = self._controller.stop_timeout
        _, refusing = await asyncio.wait(living, timeout=timeout)
        for task in refusing:
            run = living[task]
            run.state = "stuck"
            _logger.error(
                "The worker %r does not stop: it was cancelled %g s ago, and runs on",
                run.worker.name,
                timeout,
            )

    async def _supervise(self, run: _Run, error: BaseException | None) -> None:
        """Run a worker, and again if it crashes; begin with that if there is an error already."""
        controller = self._controller
        while True:
            if error is None:
                run.state = "running"
                run.began = self.loop.time()
                error = await self._attempt(run)
            if error is None:
                run.state = "stopped" if self._ending else "finished"
                return
            run.error = error
            if self.loop.time() - run.began >= controller.max_pause:
                run.crashes = 0
            run.crashes += 1
            pause = _pause(run.crashes, controller.min_pause, controller.max_pause, random.random())  # noqa: S311
            if not self._goes_on(run, error, pause):
                return
            error = None
            await asyncio.sleep(pause)
            run.restarts += 1

    async def _attempt(self, run: _Run) -> BaseException | None:
        """Run the function of a worker once; return what it raised."""
        task: asyncio.Task[None] = run.task
        try:
            await run.worker.function()
        except asyncio.CancelledError as cancelled:
            if self._ending or task.cancelling():
                # Who ends the event loop waits for this task, so it ends, and another goes on.
                raise
            # Not this task was cancelled, but something for which it has waited.
            error = WorkerError(
                f"The worker {run.worker.name!r} has waited for something that was cancelled.\n"
                "Hint: except asyncio.CancelledError where it waits for that."
            )
            error.__cause__ = cancelled
            return error
        except GeneratorExit:
            raise
        except (KeyboardInterrupt, SystemExit) as error:
            _logger.critical("The worker %r ends the process", run.worker.name, exc_info=error)
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is a crash
            return error
        return None

    def _goes_on(self, run: _Run, error: BaseException, pause: float) -> bool:
        """Log a crash, and do what the policy says; return whether the worker is restarted."""
        name = run.worker.name
        if self._ending:
            run.state = "crashed"
            _logger.error("The worker %r crashed while it was stopped", name, exc_info=error)
        elif run.worker.on_crash == "stop":
            run.state = "crashed"
            _logger.error("The worker %r crashed: the server is stopped", name, exc_info=error)
            self._stop(error)
        else:
            run.state = "pausing"
            _logger.error(
                "The worker %r crashed: it is restarted in %.3g s", name, pause, exc_info=error
            )
        return run.state == "pausing"

    def _stop(self, error: BaseException) -> None:
        if self._stopping:
            return
        self._stopping = True
        try:
            if self._stop_server is None:
                self._controller.stop_server()
            else:
                self._stop_server(error)
        except Exception:
            _logger.exception("stop_server failed: the server runs on")


def _is_over(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether all tasks were cancelled, as when an event loop is ended."""
    return all(task.cancelling() for task in asyncio.all_tasks(loop))


def _pause(crashes: int, least: float, most: float, luck: float) -> float:
    """Return how many seconds to wait after so many crashes in a row.

    Half of it is chance, so that what crashed together does not come back together.

    Args:
        crashes: How many, at least 1.
        least: The bound after the first.
        most: The bound of bounds.
        luck: From 0 to 1.
    """
    doublings = min(crashes - 1, 64)  # more would not be a float in the end
    return min(most, least * 2.0**doublings) * (1 + luck) / 2


def _check_policy(policy: Any) -> OnCrash:
    if policy not in get_args(OnCrash):
        raise WorkerError(
            f"on_crash={policy!r} is no policy.\nHint: {' or '.join(map(repr, get_args(OnCrash)))}."
        )
    known: OnCrash = policy
    return known


def _bare(function: Any) -> Any:
    """Return what a partial calls in the end."""
    while isinstance(function, partial):
        function = function.func
    return function


def _name_of(function: Any) -> str:
    bare = _bare(function)
    return str(getattr(bare, "__name__", type(bare).__name__))


def _is_coroutine_function(function: Any) -> bool:
    # An object may be called like a function, and a decorator may wrap an async function in a
    # plain one that returns its coroutine.
    forms = (function, inspect.unwrap(function), type(function).__call__)
    return any(map(inspect.iscoroutinefunction, forms))


def _check_function(function: Any) -> None:
    if inspect.iscoroutine(function):
        function.close()  # else Python warns that nobody has awaited it
        raise WorkerError(
            f"A worker is a function, not the coroutine {function.__qualname__}() that it "
            f"returns.\nHint: workers.add({function.__name__}), without the parentheses."
        )
    bare = _bare(function)
    if not (callable(bare) and _is_coroutine_function(bare)):
        raise WorkerError(
            f"{function!r} is no coroutine function, so it cannot be a worker.\n"
            "Hint: async def work() -> None: ... (without yield). What blocks is for "
            "await asyncio.to_thread(...) in it."
        )
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        name = _name_of(function)
        raise WorkerError(
            f"The worker {name!r} is called without arguments: {error}.\n"
            f"Hint: workers.add(functools.partial({name}, ...))"
        ) from error
