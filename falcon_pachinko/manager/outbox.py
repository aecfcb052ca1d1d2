"""What is on its way to one peer: a bounded queue, and a writer while there is something in it.

A connection at rest has neither queue nor task. The first message is written through: the
transport's ``send`` is run as far as it goes without waiting, which in a server with room in
its buffers is to the end. Only what has to wait gets a task, which finishes that send and then
writes what was queued meanwhile. So whoever sends to many never waits for one of them, and the
order of a connection is the order in which it was given.

The part that is run at once runs as with ``asyncio``'s eager tasks of Python 3.12: inside the
sender's call, but in a task of its own, which ``asyncio.current_task()`` returns. What a
transport arms in that part for later, such as ``asyncio.timeout``, is aimed at that task, and
never at a sender that is somewhere else by then. The task is made ahead of need, and serves
every send of one turn of the loop until one has to wait.
"""

from __future__ import annotations

import asyncio
import logging
import operator
from asyncio import _enter_task  # these two are documented, under "Extending asyncio"
from asyncio import _leave_task
from collections import deque
from contextvars import Context
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any
from typing import ClassVar
from typing import get_args
from typing import Literal
from typing import NamedTuple
from typing import TYPE_CHECKING

from falcon import WebSocketDisconnected

from falcon_pachinko.inbox import close_in_time

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable
    from collections.abc import Coroutine
    from collections.abc import Generator

    from falcon_pachinko.inbox import Inbox
    from falcon_pachinko.protocols import WebSocketLike

    _Run = Callable[..., Any]

__all__ = ["Limits", "Loss", "LossReason", "Outbox", "Overflow"]

Overflow = Literal["close", "drop_oldest", "drop_newest"]
LossReason = Literal["overflow", "stalled", "failed", "left"]

_logger = logging.getLogger("falcon_pachinko")

_DONE = object()

# How a connection ends that takes no more messages.
_GONE = (1006, "")  # by itself: there is nothing left to close
_SLOW = (1013, "too slow")
_BROKEN = (1011, "")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait for one peer, and for how long.

    Attributes:
        max_messages: How many messages may wait, behind the one that is being written.
        max_bytes: How many bytes of them; a single message may be longer.
        overflow: What happens to one too many: the connection is closed with 1013, or the
            oldest message or the new one is dropped.
        stall_timeout: How many seconds one message may take, before the connection is closed
            with 1013.
    """

    max_messages: int = 1024
    max_bytes: int = 1 << 20
    overflow: Overflow = "close"
    stall_timeout: float = 10.0

    def __post_init__(self) -> None:
        if self.max_messages < 1 or self.max_bytes < 1 or not self.stall_timeout > 0:
            raise ValueError(f"{self}: every limit is more than 0.")
        if self.overflow not in get_args(Overflow):
            raise ValueError(
                f"overflow={self.overflow!r} is not one of {', '.join(get_args(Overflow))}."
            )


@dataclass(frozen=True, slots=True)
class Loss:
    """Messages that one connection did not get.

    Attributes:
        connection: Its id.
        reason: ``"overflow"`` (too much waits), ``"stalled"`` (one message took too long),
            ``"failed"`` (the transport raised an error) or ``"left"`` (the peer had gone).
        messages: How many.
        bytes: How long they were.
        evicted: Whether the connection is closed for it.
        error: What the transport raised, if it is that.
    """

    connection: str
    reason: LossReason
    messages: int
    bytes: int
    evicted: bool = False
    error: Exception | None = None


class _Item(NamedTuple):
    text: str
    size: int  # what counts for the bounds: nothing, if somebody waits for it
    done: asyncio.Future[None] | None = None  # the sender that waits


class Outbox:
    """The way out of one connection.

    Args:
        connection_id: What a ``Loss`` calls it.
        ws: The connection.
        inbox: The record of how it ended.
        limits: Its bounds.
        lose: Called with each loss.

    Attributes:
        messages: How many messages wait that nobody waits for in turn.
        bytes: How long they are.
    """

    __slots__ = (
        "_busy",
        "_context",
        "_current",
        "_end",
        "_id",
        "_inbox",
        "_limits",
        "_lose",
        "_queue",
        "_shutting",
        "_told",
        "_writer",
        "_ws",
        "bytes",
        "messages",
    )

    def __init__(
        self,
        connection_id: str,
        ws: WebSocketLike,
        inbox: Inbox,
        limits: Limits,
        lose: Callable[[Loss], None],
    ) -> None:
        self._id = connection_id
        self._ws = ws
        self._inbox = inbox
        self._limits = limits
        self._lose = lose
        # What the writer does belongs to this connection, whoever sent the message.
        self._context = copy_context()
        self._busy = False  # something is being written
        self._current: _Item | None = None  # what the writer is writing
        self._queue: deque[_Item] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._end: tuple[int, str] | None = None  # takes no more: code and reason of the end
        self._shutting = False  # the writer is about to close the connection
        self._told = False
        self.messages = 0
        self.bytes = 0

    def offer(self, text: str, size: int) -> bool:
        """Write a message, or queue it, or do what the policy says; never wait.

        Args:
            text: The message.
            size: How many bytes it has.

        Returns:
            Whether it was taken.
        """
        if self._end is not None:
            return False
        if self._busy:
            return self._enqueue(_Item(text, size))
        try:
            rest, writer = self._begin(text)
        except Exception as error:  # noqa: BLE001 - a transport may raise anything
            self._current = _Item(text, size)
            self._fail(error)
            if self._end is not _GONE:
                self._spawn(self._shut())
            return False
        if rest is None and self._queue is None and self._end is None:
            self._busy = False
        else:
            self._resume(rest, writer, None if rest is None else _Item(text, size))
        return True

    async def send(self, text: str) -> None:
        """Write a message, after those that were given before, and wait until it is written.

        Raises:
            falcon.WebSocketDisconnected: The connection has ended.
        """
        if self._end is not None:
            raise WebSocketDisconnected(self._end[0])
        if self._busy:
            done = asyncio.get_running_loop().create_future()
            self._waiting().append(_Item(text, 0, done))
            await done
            return
        try:
            rest, writer = self._begin(text)
        except BaseException:
            self._resume(None, None, None)
            raise
        if rest is None:
            self._resume(None, None, None)
            return
        done = asyncio.get_running_loop().create_future()
        self._resume(rest, writer, _Item(text, 0, done))
        await done

    def close(self, code: int, reason: str) -> bool:
        """Close the connection, after the messages that were given before; never wait.

        Returns:
            Whether it was open.
        """
        if self._end is not None:
            return False
        self._end = (code, reason)
        if not self._busy:
            self._spawn(self._shut())
        return True

    async def closing(self) -> None:
        """Wait until the connection is closed, if that is what is going on."""
        if self._end is not None and self._writer is not None:
            await asyncio.wait({self._writer})

    async def stop(self, code: int) -> None:
        """Give up what is not written: the connection has ended.

        Args:
            code: Its close code, for those who wait.
        """
        writer = self._writer
        if writer is not None and self._shutting:
            await asyncio.wait({writer})
        elif writer is not None:
            writer.cancel()
        if self._end is None:
            self._end = (code, "")
        self._give_up("left")

    def _enqueue(self, item: _Item) -> bool:
        limits = self._limits
        # A single message may be longer than the bound.
        while self.messages and (
            self.messages >= limits.max_messages or self.bytes + item.size > limits.max_bytes
        ):
            if limits.overflow == "drop_oldest":
                self._drop_oldest()
                continue
            if limits.overflow == "drop_newest":
                self._report(Loss(self._id, "overflow", 1, item.size))
                return False
            self._append(item)
            self._evict()
            return False
        self._append(item)
        return True

    def _append(self, item: _Item) -> None:
        self._waiting().append(item)
        self.messages += 1
        self.bytes += item.size

    def _waiting(self) -> deque[_Item]:
        if self._queue is None:
            self._queue = deque()
        return self._queue

    def _drop_oldest(self) -> None:
        queue = self._waiting()
        # What somebody waits for is not dropped.
        place = next(place for place, item in enumerate(queue) if item.done is None)
        size = queue[place].size
        del queue[place]
        self.messages -= 1
        self.bytes -= size
        self._report(Loss(self._id, "overflow", 1, size))

    def _next(self) -> _Item | None:
        if not self._queue:
            self._queue = None
            return None
        item = self._queue.popleft()
        if item.done is None:
            self.messages -= 1
            self.bytes -= item.size
        return item

    def _begin(self, text: str) -> tuple[_Rest | None, _Writer | None]:
        """Send as far as it goes without waiting; return the rest, if any, and who began it."""
        self._busy = True
        writer = _Writer.take(asyncio.get_running_loop())
        return writer.begin(self._ws.send_text(text), self._context), writer

    def _resume(self, rest: _Rest | None, writer: _Writer | None, item: _Item | None) -> None:
        """Leave to the writer what is left, if there is something."""
        # While a transport sends, it may come to another message for the same connection.
        if rest is not None or self._queue or self._end is not None:
            self._current = item
            self._spawn(self._write(rest), writer)
            if rest is not None and self._writer is not None:
                # A writer that is cancelled before its first turn never comes to it.
                self._writer.add_done_callback(rest.close)
        else:
            self._busy = False

    def _spawn(self, work: Coroutine[Any, Any, None], writer: _Writer | None = None) -> None:
        self._busy = True
        self._shutting = self._end is not None and self._current is None and not self._queue
        if writer is None:
            writer = _Writer.take(asyncio.get_running_loop())
        self._writer = writer.give(work, self._context)
        self._writer.add_done_callback(self._check)

    def _check(self, writer: asyncio.Task[None]) -> None:
        if writer is self._writer and self._end is None:
            self._fail(RuntimeError("The transport has cancelled the task that was sending."))
            self._spawn(self._shut())

    async def _write(self, rest: _Rest | None) -> None:
        try:
            while True:
                if rest is not None:
                    async with asyncio.timeout(self._limits.stall_timeout):
                        await rest
                if self._current is not None:
                    _settle(self._current, None)
                self._current = item = self._next()
                if item is None:
                    break
                rest = _run_at_once(self._ws.send_text(item.text))
        except Exception as error:  # noqa: BLE001 - a transport may raise anything
            self._fail(error)
        if self._end is not None and self._end is not _GONE:
            await self._shut()
        self._writer = None
        self._busy = False

    def _fail(self, error: Exception) -> None:
        """Take note that a message could not be sent, so that no other can."""
        if isinstance(error, TimeoutError):
            self._end = _SLOW
            self._give_up("stalled", evicted=True)
        elif isinstance(error, WebSocketDisconnected) or self._inbox.ended:
            # Some servers raise a RuntimeError for a connection that is gone.
            self._end = _GONE
            self._give_up("left")
        else:
            self._end = _BROKEN
            self._give_up("failed", evicted=True, error=error)

    def _evict(self) -> None:
        """Close the connection, and give up what waits for it."""
        self._end = _SLOW
        self._give_up("overflow", evicted=True)
        # Without a writer, a transport is at it in this very moment: `_resume` comes next.
        if self._writer is not None:
            self._writer.cancel()
            self._spawn(self._shut())

    def _give_up(
        self, reason: LossReason, *, evicted: bool = False, error: Exception | None = None
    ) -> None:
        items = [*(() if self._current is None else (self._current,)), *(self._queue or ())]
        self._current = self._queue = None
        self.messages = self.bytes = 0
        code = _GONE[0] if self._end is None else self._end[0]
        for item in items:
            _settle(item, error or WebSocketDisconnected(code))
        lost = [item.size for item in items if item.done is None]
        if lost or evicted:
            self._report(Loss(self._id, reason, len(lost), sum(lost), evicted, error))

    def _report(self, loss: Loss) -> None:
        if not self._told and loss.reason != "left":
            self._told = True
            _logger.warning(
                "The connection %s loses messages: %s%s",
                loss.connection,
                loss.reason,
                ", and is closed" if loss.evicted else "",
                exc_info=loss.error,
            )
        self._lose(loss)

    async def _shut(self) -> None:
        self._shutting = True
        code, reason = self._end or _GONE
        # A close that finds no way out in time is made up for when the responder returns, by
        # Falcon, which would call it normal.
        self._inbox.last_word = (code, reason)
        await close_in_time(self._ws, code, reason)
        # Where the close frame finds no way out, nobody else tells the reader.
        self._inbox.lose(code)
        self._shutting = False
        self._writer = None


def _settle(item: _Item, error: Exception | None) -> None:
    """Let go on who waits for a message."""
    if item.done is None or item.done.done():
        return
    if error is None:
        item.done.set_result(None)
    else:
        item.done.set_exception(error)


class _Writer:
    """A task that is made before there is work for it.

    It lives for one turn of the event loop, unless it is given work by then.
    """

    spare: ClassVar[_Writer | None] = None
    """The last one that nothing was given to; threads may take it from each other."""

    __slots__ = ("_context", "_work", "loop", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._work: Coroutine[Any, Any, None] | None = None
        self._context = Context()
        # Not by the loop: a task factory might start it here and now. Its own context is of no
        # use, as the work has one, and the sender's is not to be kept.
        self.task: asyncio.Task[None] = asyncio.Task(
            self._run(), loop=loop, name="falcon_pachinko writer", context=self._context
        )

    @classmethod
    def take(cls, loop: asyncio.AbstractEventLoop) -> _Writer:
        """Return one that nobody else has."""
        spare, cls.spare = cls.spare, None
        if spare is None or spare.loop is not loop or spare.task.done():
            return cls(loop)
        return spare

    def begin(self, work: Awaitable[None], context: Context) -> _Rest | None:
        """Run something in this task, inside whatever runs now, as far as it goes at once.

        Returns:
            The rest, which this task is to be given; None: there is none, and others may have
            the task.
        """
        loop, rest = self.loop, None
        sender = asyncio.current_task(loop)
        if sender is not None:
            _leave_task(loop, sender)
        _enter_task(loop, self.task)
        try:
            rest = context.run(_run_at_once, work)
        finally:
            _leave_task(loop, self.task)
            if sender is not None:
                _enter_task(loop, sender)
            if rest is None and not self.task.cancelling():
                _Writer.spare = self
        return rest

    def give(self, work: Coroutine[Any, Any, None], context: Context) -> asyncio.Task[None]:
        """Give it work, to be done in a context; return the task."""
        self._work, self._context = work, context
        # A task that is cancelled before its first turn never comes to it.
        self.task.add_done_callback(lambda _: work.close())
        return self.task

    async def _run(self) -> None:
        if _Writer.spare is self:
            _Writer.spare = None
        if self._work is not None:
            rest = _run_at_once(self._work, self._context.run)
            if rest is not None:
                await rest


class _Rest:
    """What is left to do of something that was begun, as an awaitable.

    Args:
        iterator: What does it.
        first: What that waits for.
        run: Runs each step.
    """

    __slots__ = ("_first", "_iterator", "_run")

    def __init__(self, iterator: Generator[Any, Any, Any], first: Any, run: _Run) -> None:
        self._iterator = iterator
        self._first = first
        self._run = run

    def close(self, _: object) -> None:
        """Give it up; does nothing if it was done."""
        self._iterator.close()

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


def _run_at_once(work: Awaitable[None], run: _Run = operator.call) -> _Rest | None:
    """Run something as far as it goes without waiting."""
    iterator: Any = work.__await__()
    first = run(next, iterator, _DONE)
    return None if first is _DONE else _Rest(iterator, first, run)
