"""What may have to wait, begun at once and outside of any task that the caller has.

It runs as with ``asyncio``'s eager tasks of Python 3.12: inside the caller's call, as far as it
goes, but in a task of its own, which ``asyncio.current_task()`` returns. What it arms for later,
such as ``asyncio.timeout``, is aimed at that task, and never at a caller that is somewhere else by
then.

Unlike an eager task, this one is made ahead of need. It serves everything that is begun until
something has to wait, and goes with that; or until nothing is begun in a turn of the event loop.
"""

from __future__ import annotations

import asyncio
import operator
from asyncio import _enter_task  # these two are documented, under "Extending asyncio"
from asyncio import _leave_task
from contextvars import Context
from functools import partial
from typing import Any
from typing import ClassVar
from typing import Self
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable
    from collections.abc import Coroutine
    from collections.abc import Generator

    Run = Callable[..., Any]

__all__ = ["Rest", "Run", "Sending", "Writer", "as_failure", "begin"]

_DONE = object()


class Sending:
    """A block in which sends are begun, in a task that is nobody's.

    Inside of it, ``asyncio.current_task()`` is the one that finishes what has to wait.
    """

    __slots__ = ("_loop", "_sender", "_writer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sender = asyncio.current_task(self._loop)
        self._writer = Writer.take(self._loop)

    def __enter__(self) -> Self:
        if self._sender is not None:
            _leave_task(self._loop, self._sender)
        _enter_task(self._loop, self._writer.task)
        return self

    def __exit__(self, *_: object) -> None:
        _leave_task(self._loop, self._writer.task)
        if self._sender is not None:
            _enter_task(self._loop, self._sender)
        self._writer.put_back()

    def hand_over(self) -> Writer:
        """Return the one that has begun the last send, and go on with another."""
        writer, self._writer = self._writer, Writer.take(self._loop)
        _leave_task(self._loop, writer.task)
        _enter_task(self._loop, self._writer.task)
        return writer


class Writer:
    """A task that is made before there is work for it.

    Without work it lives as long as something is begun in each turn of the event loop.
    """

    _spare: ClassVar[Writer | None] = None  # threads may take it from each other

    __slots__ = ("_run", "_work", "is_used", "loop", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._work: Coroutine[Any, Any, None] | None = None
        self._run: Run = operator.call
        self.is_used = True  # since its last turn
        # Not by the loop: a task factory might start it here and now. Its own context is of no
        # use, as the work has one, and the sender's is not to be kept.
        self.task: asyncio.Task[None] = asyncio.Task(
            self._live(), loop=loop, name="falcon_pachinko writer", context=Context()
        )

    @classmethod
    def take(cls, loop: asyncio.AbstractEventLoop) -> Writer:
        """Return one that nobody else has."""
        spare, cls._spare = cls._spare, None
        if spare is None or spare.loop is not loop or spare.task.done():
            return cls(loop)
        spare.is_used = True
        return spare

    def put_back(self) -> None:
        """Let others have it; not if what ran in it has cancelled it."""
        if not self.task.cancelling():
            Writer._spare = self

    def give(self, work: Coroutine[Any, Any, None], run: Run) -> asyncio.Task[None]:
        """Give it work, each step of which something runs; return the task."""
        self._work, self._run = work, run
        # A task that is cancelled before its first turn never comes to it.
        self.task.add_done_callback(lambda _: work.close())
        return self.task

    async def _live(self) -> None:
        while self.is_used and self._work is None:
            self.is_used = False
            await asyncio.sleep(0)
        if Writer._spare is self:
            Writer._spare = None
        if self._work is not None:
            rest = begin(self._work, self._run)
            if rest is not None:
                await rest


class Rest:
    """What is left to do of something that was begun, as an awaitable.

    Args:
        iterator: What does it.
        first: What that waits for.
        run: Runs each step.
    """

    __slots__ = ("_first", "_iterator", "_run")

    def __init__(self, iterator: Generator[Any, Any, Any], first: Any, run: Run) -> None:
        self._iterator = iterator
        self._first = first
        self._run = run

    def close(self, _: object) -> None:
        """Give it up; does nothing if it was done."""
        self._run(self._iterator.close)

    def __await__(self) -> Generator[Any, Any, None]:
        iterator = self._iterator
        step = self._first
        while True:
            try:
                yield step
            except GeneratorExit:
                self._run(iterator.close)
                raise
            except BaseException as error:  # noqa: BLE001 - handed on, as by `yield from`
                go_on: Callable[[], Any] = partial(iterator.throw, error)
            else:
                go_on = partial(next, iterator)
            try:
                step = self._run(go_on)
            except StopIteration:
                return


def begin(work: Awaitable[None], run: Run = operator.call) -> Rest | None:
    """Do something as far as it goes without waiting.

    Args:
        work: It.
        run: Runs each step.

    Returns:
        The rest, if there is one.
    """
    iterator: Any = run(work.__await__)
    first = run(next, iterator, _DONE)
    return None if first is _DONE else Rest(iterator, first, run)


def as_failure(error: BaseException) -> Exception:
    """Return what a transport has raised as an error of its own.

    Raises:
        BaseException: It is one that ends the process.
    """
    if isinstance(error, asyncio.CancelledError):
        # Nobody has cancelled the sender.
        failure = RuntimeError("The transport was cancelled while it sent.")
        failure.__cause__ = error
        return failure
    if isinstance(error, Exception):
        return error
    raise error
