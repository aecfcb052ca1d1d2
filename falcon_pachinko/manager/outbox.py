"""What is on its way to one peer: a bounded queue, and a writer while there is something in it.

A connection at rest has neither queue nor task. The first message is written through: the
transport's ``send`` is run as far as it goes without waiting, which in a server with room in
its buffers is to the end. Only what has to wait gets a task, which finishes that send and then
writes what was queued meanwhile. So whoever sends to many never waits for one of them, and the
order of a connection is the order in which it was given.
"""

# ruff: noqa: SLF001 - a message to many goes through all of their outboxes at once

from __future__ import annotations

import asyncio
import logging
import operator
from collections import deque
from contextlib import suppress
from contextvars import Context
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any
from typing import get_args
from typing import Literal
from typing import NamedTuple
from typing import TYPE_CHECKING

from falcon import WebSocketDisconnected

from falcon_pachinko.errors import BackendError
from falcon_pachinko.inbox import close_in_time
from falcon_pachinko.manager.sending import as_failure
from falcon_pachinko.manager.sending import begin
from falcon_pachinko.manager.sending import Sending
from falcon_pachinko.manager.sending import Writer
from falcon_pachinko.security import check_limit

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Coroutine
    from collections.abc import Iterable

    from falcon_pachinko.inbox import Inbox
    from falcon_pachinko.manager.sending import Rest
    from falcon_pachinko.manager.sending import Run
    from falcon_pachinko.protocols import WebSocketLike

__all__ = ["Limits", "Loss", "LossReason", "Outbox", "Overflow", "offer"]

Overflow = Literal["close", "drop_oldest", "drop_newest"]
LossReason = Literal["overflow", "stalled", "failed", "left"]

_logger = logging.getLogger("falcon_pachinko")

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
        check_limit("max_messages", self.max_messages, whole=True)
        check_limit("max_bytes", self.max_bytes, whole=True)
        check_limit("stall_timeout", self.stall_timeout)
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
        "_current",
        "_end",
        "_id",
        "_inbox",
        "_limits",
        "_loop",
        "_lose",
        "_queue",
        "_run",
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
        # What is sent belongs to this connection, whoever sends it. That of most servers is empty.
        context = copy_context()
        self._run: Run | None = context.run if context else None
        self._loop = asyncio.get_running_loop()
        self._busy = False  # something is being written
        self._current: _Item | None = None  # what the writer is writing
        self._queue: deque[_Item] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._end: tuple[int, str] | None = None  # takes no more: code and reason of the end
        self._shutting = False  # the writer is about to close the connection
        self._told = False
        self.messages = 0
        self.bytes = 0

    def check_thread(self) -> None:
        """Raise an error in another thread than the one that serves the connection.

        Raises:
            BackendError: It is another one.
        """
        # An event loop that has ended serves nothing any more.
        if self._loop is not asyncio.get_running_loop() and self._loop.is_running():
            raise BackendError(
                f"The connection {self._id!r} is served in another event loop, of another thread.\n"
                "Hint: asyncio.run_coroutine_threadsafe(connection.send(...), loop), with its loop."
            )

    def offer(self, text: str, size: int) -> bool:
        """Write a message, or queue it, or do what the policy says; never wait.

        Args:
            text: The message.
            size: How many bytes it has.

        Returns:
            Whether it was taken.
        """
        return bool(offer((self,), text, size))

    async def send(self, text: str) -> None:
        """Write a message, after those that were given before, and wait until it is written.

        Who gives up waiting has not sent it, unless it is being written already.

        Raises:
            falcon.WebSocketDisconnected: The connection has ended.
            BackendError: It is served in another thread.
        """
        self.check_thread()
        if self._end is not None:
            raise WebSocketDisconnected(self._end[0])
        if self._busy:
            done = asyncio.get_running_loop().create_future()
            waiting = _Item(text, 0, done)
            self._waiting().append(waiting)
            try:
                await done
            except asyncio.CancelledError:
                # It has no bound but that somebody waits for it. It may be on its way by now.
                if self._queue is not None:
                    with suppress(ValueError):
                        self._queue.remove(waiting)
                raise
            return
        self._busy = True
        rest = item = None
        with Sending() as sending:
            try:
                work = self._ws.send_text(text)
                # The writer, too, runs in the context of the connection if it has one.
                rest = self._run(begin, work) if self._run else begin(work, Context().run)
                if rest is not None:
                    done = asyncio.get_running_loop().create_future()
                    item = _Item(text, 0, done)
            except asyncio.CancelledError as error:
                raise as_failure(error) from error
            finally:
                self._resume(sending, rest, item)
        if rest is not None:
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

    def _refuse(self, sending: Sending, item: _Item, error: Exception) -> None:
        """Take note that a message could not even be begun."""
        self._current = item
        self._fail(error)
        if self._end is not _GONE:
            self._spawn(self._shut(), sending.hand_over())

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
        while self._queue:
            item = self._queue.popleft()
            if item.done is None:
                self.messages -= 1
                self.bytes -= item.size
            elif item.done.cancelled():
                continue  # its sender has given up, and had no turn since
            return item
        self._queue = None
        return None

    def _resume(self, sending: Sending, rest: Rest | None, item: _Item | None) -> None:
        """Leave to the writer what is left, if there is something."""
        # While a transport sends, it may come to another message for the same connection.
        if rest is not None or self._queue or self._end is not None:
            self._current = item
            self._spawn(self._write(rest), sending.hand_over())
            if rest is not None and self._writer is not None:
                # A writer that is cancelled before its first turn never comes to it.
                self._writer.add_done_callback(rest.close)
        else:
            self._busy = False

    def _spawn(self, work: Coroutine[Any, Any, None], writer: Writer | None = None) -> None:
        self._busy = True
        self._shutting = self._end is not None and self._current is None and not self._queue
        if writer is None:
            writer = Writer.take(asyncio.get_running_loop())
        self._writer = writer.give(work, self._run or operator.call)
        self._writer.add_done_callback(self._check)

    def _check(self, writer: asyncio.Task[None]) -> None:
        if writer is self._writer and self._end is None:
            self._fail(as_failure(asyncio.CancelledError()))
            self._spawn(self._shut())

    async def _write(self, rest: Rest | None) -> None:
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
                rest = begin(self._ws.send_text(item.text))
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


def offer(outboxes: Iterable[Outbox], text: str, size: int) -> int:
    """Offer a message to some connections, as ``Outbox.offer`` does; never wait.

    Args:
        outboxes: Those of the connections.
        text: The message.
        size: How many bytes it has.

    Returns:
        How many have taken it.
    """
    taken = 0
    remaining = iter(outboxes)
    with Sending() as sending:
        while True:
            sweep = _Sweep()
            rest = begin(sweep.over(remaining, sending, text, size), Context().run)
            taken += sweep.taken
            if rest is None:
                return taken
            # The send that has to wait takes the sweep with it.
            sweep.waits = True
            sweep.outbox._resume(sending, rest, _Item(text, size))
            taken += 1


class _Sweep:
    """The way of one message over outboxes, to the first one that has to wait.

    Attributes:
        outbox: The one that it has come to.
        taken: How many before that have taken the message.
        waits: Whether that one has to wait; it is the last, then.
    """

    __slots__ = ("outbox", "taken", "waits")

    def __init__(self) -> None:
        self.taken = 0
        self.waits = False

    async def over(
        self, outboxes: Iterable[Outbox], sending: Sending, text: str, size: int
    ) -> None:
        """Offer the message to each."""
        for each in outboxes:
            if each._busy or each._end is not None:
                self.taken += each._end is None and each._enqueue(_Item(text, size))
                continue
            each._busy = True
            self.outbox = each
            rest = None
            try:
                if each._run is None:
                    await each._ws.send_text(text)
                else:
                    rest = each._run(begin, each._ws.send_text(text))
            except BaseException as error:
                if self.waits:
                    raise
                each._refuse(sending, _Item(text, size), as_failure(error))
                continue
            if self.waits:
                return
            self.taken += 1
            if rest is not None:
                each._resume(sending, rest, _Item(text, size))
            elif each._queue is None and each._end is None:
                each._busy = False
            else:
                each._resume(sending, None, None)


def _settle(item: _Item, error: Exception | None) -> None:
    """Let go on who waits for a message."""
    if item.done is None or item.done.done():
        return
    if error is None:
        item.done.set_result(None)
    else:
        item.done.set_exception(error)
