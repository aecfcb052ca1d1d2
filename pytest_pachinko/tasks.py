"""Which side a task belongs to.

The application runs in a context that names its connection, and so do all the tasks that it
starts. While a connection is open, a task factory notes them, so that one which fails or
stays behind is known. The test runs in a context that says so.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.tasks import _enter_task
from asyncio.tasks import _leave_task
from asyncio.tasks import _unregister_task
from contextlib import contextmanager
from contextvars import Context
from contextvars import ContextVar
from contextvars import copy_context
from functools import partial
from typing import Any
from typing import cast
from typing import TYPE_CHECKING

from pytest_pachinko.endings import is_ordinary_end
from pytest_pachinko.stacks import without_servers_frames

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from collections.abc import Iterable
    from collections.abc import Iterator

    from pytest_pachinko.peer import PeerEnd

__all__ = [
    "MACHINERY",
    "TEST",
    "Belongings",
    "NotedTask",
    "abandon",
    "begin",
    "cancelled",
    "current_owner",
    "machinery",
    "make_noted",
    "noting_tasks",
    "side",
]

TEST: Any = "test"

MACHINERY: Any = "machinery"

side: ContextVar[Any] = ContextVar("pachinko_side", default=None)
"""``TEST``, the ``Belongings`` of a connection, or ``MACHINERY`` for a server and its clients. A context without a label is on neither side,
such as that of somebody else's fixture."""

_AT_ONCE: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}

_TURNS = 100  # in which a task has to let itself be cancelled

_MANY = 64  # tasks that are noted before those that are done and well are forgotten


def current_owner() -> Belongings | None:
    """Return the connection on whose behalf this code runs, if any."""
    owner = side.get()
    return owner if isinstance(owner, Belongings) else None


def machinery(
    coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop
) -> asyncio.Task[Any]:
    """Start a task that is neither the test nor the application, nor knows their context."""
    context = Context()
    context.run(side.set, MACHINERY)
    return asyncio.Task(coroutine, loop=loop, context=context)


class Belongings:
    """The tasks of one connection, and what went wrong in it.

    Args:
        muted: Whether exceptions are to be forgotten.

    Attributes:
        muted: Whether exceptions are forgotten.
        forgiving: Whether the ordinary end of a connection is no failure.
        failures: The exceptions that are to reach the test, oldest first.
        witness: Where each exception is noted, whether it is to reach the test or not.
    """

    witness: PeerEnd | None = None
    forgiving = True

    _limit = _MANY
    _noted: BaseException | None = None

    def __init__(self, muted: bool = False) -> None:  # noqa: FBT001, FBT002
        self.muted = muted
        self._tasks: list[asyncio.Task[Any]] = []
        self.failures: list[BaseException] = []

    def start(
        self, coroutine: Coroutine[Any, Any, Any], name: str, loop: asyncio.AbstractEventLoop
    ) -> asyncio.Task[Any]:
        """Start a task that belongs to the connection, as do all that it will start.

        On a loop of the standard library it runs up to its first wait at once.
        """
        context = copy_context()
        context.run(side.set, self)
        # Not through the loop, whose factory would note it again, more slowly.
        task = asyncio.Task(coroutine, loop=loop, name=name, context=context, **_AT_ONCE)
        if not _AT_ONCE:
            begin(task, loop)
        self._tasks.append(task)
        return task

    def note(self, task: asyncio.Task[Any]) -> None:
        """Take note of a task that was started on behalf of the connection."""
        tasks = self._tasks
        tasks.append(task)
        if len(tasks) > self._limit:
            self._tasks = [task for task in self._tasks if not task.done() or _unseen(task)]
            self._limit = max(_MANY, 2 * len(self._tasks))

    def fail(self, error: BaseException, *, forgive: bool | None = None) -> None:
        """Take note of an exception that is to reach the test, unless it is an ordinary end.

        Args:
            error: The exception.
            forgive: In the place of ``forgiving``.
        """
        known = error is self._noted or any(error is each for each in self.failures)
        forgiving = self.forgiving if forgive is None else forgive
        if known or (forgiving and is_ordinary_end(error)):
            return
        self._noted = error
        if self.witness is not None:
            self.witness.note_crash(error)
        if not self.muted:
            shorter = without_servers_frames(error.__traceback__)
            if shorter is not None:
                error.__traceback__ = shorter
            self.failures.append(error)

    def living(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that have not finished."""
        return [task for task in self._tasks if not task.done()]

    def hand_over(self, seen: BaseException | None) -> list[BaseException]:
        """Return what the test has not seen yet, and forget everything.

        What nobody has retrieved from a task that failed is among it.

        Args:
            seen: The exception that the test knows of.
        """
        for task in self._tasks:
            if _unseen(task):
                error: Any = task.exception()
                self.fail(error)
        # A task knows its context, the context this object: a circle, unless it is broken.
        self._tasks = []
        self._noted = None
        if not self.failures:
            return []
        failures = [error for error in self.failures if error is not seen]
        self.failures = []
        return failures


def begin(task: asyncio.Task[Any], loop: Any) -> None:
    """Run a task that was made right now up to its first wait, as Python 3.12 can by itself."""
    current = asyncio.current_task(loop)
    ready = getattr(loop, "_ready", None)
    if current is None or not ready:
        return  # a loop of another make begins it in its next turn
    first_step = ready.pop()
    if getattr(first_step._callback, "__self__", None) is not task:
        ready.append(first_step)  # a thread was quicker
        return
    _leave_task(loop, current)
    try:
        first_step._run()
    finally:
        _enter_task(loop, current)


def cancelled(tasks: Iterable[asyncio.Task[Any]]) -> Iterator[list[asyncio.Task[Any]]]:
    """Cancel tasks again and again, and abandon those that do not let themselves be cancelled.

    Args:
        tasks: The tasks.

    Yields:
        Those that have not ended; then their event loop is to have a turn.
    """
    left = list(tasks)
    for _ in range(_TURNS):
        left = [task for task in left if not task.done()]
        if not left:
            return
        for task in left:
            task.cancel()
        yield left
    for task in left:
        abandon(task)


def abandon(task: Any) -> None:
    """See to it that a task never runs again, and that its event loop can do without it.

    Nor is it ever collected: its coroutine would be closed, and may not let that happen either.
    """
    if task.done():
        return
    loop, waiter = task.get_loop(), task._fut_waiter
    for callback, _ in tuple(getattr(waiter, "_callbacks", None) or ()):
        if getattr(callback, "__self__", None) is task:
            waiter.remove_done_callback(callback)
    for handle in getattr(loop, "_ready", ()):
        if getattr(handle._callback, "__self__", None) is task:
            handle.cancel()
    task._log_destroy_pending = False
    _unregister_task(task)
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))


def _unseen(task: asyncio.Task[Any]) -> bool:
    # What asyncio itself looks at before it logs "exception was never retrieved".
    return task._log_traceback


@contextmanager
def noting_tasks(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Note the tasks of all connections of a loop while the block runs.

    A task factory that the loop has already goes on to make the tasks.
    """
    before = loop.get_task_factory()
    if isinstance(before, _Factory):
        before.users += 1
        factory = before
    else:
        factory = _Factory(before)
        loop.set_task_factory(factory)
    try:
        yield
    finally:
        factory.users -= 1
        # Somebody may have put a factory of their own on top, which is theirs to remove.
        if not factory.users and loop.get_task_factory() is factory:
            loop.set_task_factory(factory.before)


class _Factory:
    def __init__(self, before: Any) -> None:
        self.before = before
        self.users = 1

    def __call__(self, loop: Any, coroutine: Any, **kwargs: Any) -> Any:
        make = None if self.before is None else partial(self.before, loop)
        return make_noted(make, loop, coroutine, kwargs)


def make_noted(make: Any, loop: Any, coroutine: Any, kwargs: dict[str, Any]) -> Any:
    """Make a task, of which its connection takes note if it has one.

    Args:
        make: What makes it, if somebody has a say in that.
        loop: The event loop.
        coroutine: What the task runs.
        kwargs: The keywords of ``create_task``.
    """
    context = kwargs.get("context")
    owner = side.get() if context is None else context.get(side)
    if owner.__class__ is not Belongings:
        if make is None:
            return asyncio.Task(coroutine, loop=loop, **kwargs)
        return make(coroutine, **kwargs)
    if make is None:
        task: Any = NotedTask(coroutine, loop=loop, **kwargs)
        task.owner = owner
    else:
        task = make(coroutine, **kwargs)
    owner.note(task)
    return task


class NotedTask(asyncio.Task[Any]):
    """A task of a connection, whose exception is not lost by cancelling it afterwards.

    Attributes:
        owner: The connection.
    """

    __slots__ = ("owner",)

    owner: Belongings

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the task; if it has failed before, and nobody knows, that is noted."""
        if _unseen(self):
            self.owner.fail(cast("BaseException", self.exception()))
        return super().cancel(msg)
