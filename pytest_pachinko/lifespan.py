"""The ASGI lifespan of an application, driven in memory."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import partial
from typing import Any
from typing import TYPE_CHECKING

from falcon_pachinko.workers import STOP_EXTENSION
from pytest_pachinko.clock.adopt import adopted_clock
from pytest_pachinko.errors import LifespanFailed
from pytest_pachinko.leaving import within_bounds
from pytest_pachinko.stacks import doing
from pytest_pachinko.tasks import Belongings
from pytest_pachinko.tasks import cancelled

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

__all__ = ["Lifespan"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

PATIENCE = 30.0
"""Seconds for a start-up or a shutdown, which may have real work to do."""


GRACE = 1.0
"""Seconds in which an application returns that has nothing left to do."""


class Lifespan:
    """Starts and stops an application (ASGI lifespan specification, version 2.0).

    An application that raises at the lifespan scope does not support it, and is served
    without, as servers do.

    Args:
        app: The application.
        on_stop: Called with the exception if the application wants its server to stop. It returns
            whether somebody is told.

    Attributes:
        state: What the application left for its connections; each gets a copy.
        belongings: The tasks that it has started.
    """

    def __init__(
        self, app: Callable[..., Any], on_stop: Callable[[BaseException], bool] | None = None
    ) -> None:
        self._app = app
        self._on_stop = on_stop
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answer: asyncio.Future[dict[str, Any] | None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._supported = False
        self._exit: SystemExit | None = None
        self.belongings = Belongings()
        self.belongings.forgiving = False  # there is no connection that could end
        self.state: dict[str, Any] = {}

    async def start(self) -> None:
        """Run the start-up.

        Raises:
            LifespanFailed: The application said that it failed, or did not answer.
        """
        loop = asyncio.get_running_loop()
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "extensions": {STOP_EXTENSION: self._stopped_by},
            "state": self.state,
        }
        # Asked first: the application may answer while it is being started.
        answer = self._ask("startup")
        self._task = self.belongings.start(self._serve(scope), "lifespan of the application", loop)
        self._task.add_done_callback(self._returned)
        self._supported = await self._answered(answer, "startup")

    async def stop(self) -> None:
        """Run the shutdown, if the application takes part.

        Raises:
            LifespanFailed: The application said that it failed, raised, or did not answer.
        """
        task = self._task
        if task is None:
            return
        if not task.done():
            await self._answered(self._ask("shutdown"), "shutdown")
            await _end(task)
        self._check_exit()
        error = _error_of(task)
        if self._supported and error is not None:
            raise LifespanFailed(
                f"The application's lifespan ended with {type(error).__name__}: {error}"
            ) from error
        living = self.belongings.living()
        await _cancel(living)
        for each in living:
            if not each.done():
                raise LifespanFailed(
                    "A task that the application's lifespan has started does not let itself be "
                    f"cancelled, which a server would wait for without end:\n  {doing(each)}"
                )

    async def _serve(self, scope: dict[str, Any]) -> None:
        try:
            await self._app(scope, self._events.get, self._send)
        except SystemExit as error:
            self._exit = error  # from a task, it would end whatever runs the event loop

    def _check_exit(self) -> None:
        if self._exit is not None:
            raise LifespanFailed(
                f"The application's lifespan calls sys.exit({self._exit.code!r})."
            ) from self._exit

    def _stopped_by(self, error: BaseException) -> None:
        """Let the test know of what would stop a server, and stop nothing."""
        failures = self.belongings.failures
        self.belongings.fail(error)
        if self._on_stop is not None and self._on_stop(error) and error in failures:
            failures.remove(error)

    def _ask(self, phase: str) -> asyncio.Future[dict[str, Any] | None]:
        self._answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": f"lifespan.{phase}"})
        return self._answer

    async def _answered(self, answer: asyncio.Future[dict[str, Any] | None], phase: str) -> bool:
        """Wait for an answer; return False if the application has ended without one."""
        task: Any = self._task
        try:
            with _waiting(answer, task, phase):
                event = await answer
        except LifespanFailed:
            await _end(task)
            raise
        except BaseException:
            task.cancel()
            raise
        finally:
            self._answer = None
        self._check_exit()
        if event is None:
            return False
        if event["type"] == f"lifespan.{phase}.failed":
            await _end(task)
            message = event.get("message", "").strip() or "no message"
            raise LifespanFailed(f"The application's {phase} failed: {message}") from _error_of(
                task
            )
        return True

    async def _send(self, event: dict[str, Any]) -> None:
        self._resolve(event)

    def _returned(self, task: asyncio.Task[Any]) -> None:
        # Retrieved, so that asyncio does not log it: what it means is decided by who asked.
        _error_of(task)
        self._resolve(None)

    def _resolve(self, event: dict[str, Any] | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(event)


@contextmanager
def _waiting(answer: asyncio.Future[Any], task: asyncio.Task[Any], phase: str) -> Iterator[None]:
    """Fail an answer that does not come: at once if nothing can bring it about."""

    def no_answer(why: str) -> LifespanFailed:
        return LifespanFailed(
            f"The application did not answer lifespan.{phase}, {why or 'and nothing can run'}.\n"
            f"It waits at:\n  {doing(task)}"
        )

    def give_up() -> None:
        answer.set_exception(no_answer(f"and {PATIENCE:g} s have passed"))

    loop = asyncio.get_running_loop()
    clock = adopted_clock(loop)
    if clock is None:
        timer = loop.call_later(PATIENCE, give_up)
        try:
            yield
        finally:
            timer.cancel()
        return
    clock.patiences[answer] = PATIENCE
    clock.open()
    clock.waits[answer] = (no_answer,)
    clock.horizons[answer] = loop.time() + PATIENCE
    try:
        yield
    finally:
        del clock.waits[answer], clock.horizons[answer]
        clock.close()
        del clock.patiences[answer]


def _error_of(task: asyncio.Task[Any]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


async def _end(task: asyncio.Task[Any]) -> None:
    """Let an application that has nothing left to do return, and cancel it if it does not."""
    if not await _has_ended(task):
        await _cancel([task])


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and abandon those that do not let themselves be cancelled."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        await _has_ended(task)  # there may be something to clean up
    for _ in cancelled(tasks):
        await asyncio.sleep(0)


async def _has_ended(task: asyncio.Task[Any]) -> bool:
    """Return whether a task has ended before its grace is over."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    task.add_done_callback(partial(_note_end, ended))
    # On virtual time, one that never rests would keep a plain timeout from coming.
    return await within_bounds(ended, adopted_clock(loop), GRACE, GRACE)


def _note_end(ended: asyncio.Future[None], _: asyncio.Task[Any]) -> None:
    if not ended.done():
        ended.set_result(None)
