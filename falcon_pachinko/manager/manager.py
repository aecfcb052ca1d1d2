"""The manager: connections of this process, and a way to those of others."""

from __future__ import annotations

import asyncio
import itertools
import logging
import operator
import os
import secrets
from collections import Counter
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any
from typing import get_args
from typing import Literal
from typing import TYPE_CHECKING

import msgspec

from falcon_pachinko.errors import BackendError
from falcon_pachinko.errors import EncodeError
from falcon_pachinko.errors import PayloadTooLargeError
from falcon_pachinko.errors import TargetError
from falcon_pachinko.errors import UnknownConnectionError
from falcon_pachinko.manager import frames
from falcon_pachinko.manager.admission import Admission
from falcon_pachinko.manager.backend import Backend
from falcon_pachinko.manager.connection import check_close
from falcon_pachinko.manager.connection import ManagedConnection
from falcon_pachinko.manager.hearing import Hearing
from falcon_pachinko.manager.memory import MemoryBackend
from falcon_pachinko.manager.outbox import Limits
from falcon_pachinko.manager.outbox import offer
from falcon_pachinko.manager.registry import Registry
from falcon_pachinko.manager.targets import All
from falcon_pachinko.manager.targets import Connection
from falcon_pachinko.manager.targets import Or
from falcon_pachinko.manager.targets import select
from falcon_pachinko.manager.targets import Target
from falcon_pachinko.manager.telling import Hook
from falcon_pachinko.security import check_limit

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator

    from falcon_pachinko.inbox import Inbox
    from falcon_pachinko.manager.hearing import Gap
    from falcon_pachinko.manager.outbox import Loss
    from falcon_pachinko.manager.outbox import Outbox
    from falcon_pachinko.manager.outbox import Overflow
    from falcon_pachinko.protocols import WebSocketLike

__all__ = ["TOPIC", "GapPolicy", "Receipt", "Stats", "WebSocketConnectionManager"]

GapPolicy = Literal["ignore", "notify", "close"]

TOPIC = "orders"
"""The one topic of managers: what one of them says, all hear in its order."""

_PATIENCE = 3  # how many beats a manager may miss before it is taken for dead
_RESTART = 1012  # "service restart": the peer is to come again, and to ask for what it has missed

_logger = logging.getLogger("falcon_pachinko")
_encode = msgspec.json.Encoder().encode
_outbox = operator.attrgetter("outbox")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of an order when the backend has taken it.

    Attributes:
        node: The manager that gave it.
        sequence: Its place among the orders of that manager since it was started; None if it
            was ``local``.
        taken: How many connections of this process had taken it by then. What other
            processes do is not known.
    """

    node: str
    sequence: int | None
    taken: int


@dataclass(frozen=True, slots=True)
class Stats:
    """What a manager has seen so far.

    Attributes:
        connections: How many there are.
        rooms: How many rooms have a member.
        users: How many users have a connection.
        taken: How many messages connections have taken, one for each of them. A
            resource's own ``send`` waits instead: it counts neither here nor among the lost.
        lost: How many messages a connection did not get; see ``Loss``.
        lost_bytes: How long they were.
        evicted: How many connections were closed because messages were lost.
        refused: How many calls raised an error because of what they were given.
        failed: How many orders the backend did not take.
        garbage: How many payloads of the backend were no frames.
        gaps: How often orders of a manager were missing; see ``Gap``.
        missing: How many orders that were, as far as it is known.
        duplicates: How many orders came again, and were ignored.
        interruptions: How often nothing could be heard of other managers for a while.
        denied: How many handshakes were refused because of ``max_connections``.
        denied_users: How many times ``bind_user`` was refused because of
            ``max_connections_per_user``.
    """

    connections: int = 0
    rooms: int = 0
    users: int = 0
    taken: int = 0
    lost: int = 0
    lost_bytes: int = 0
    evicted: int = 0
    refused: int = 0
    failed: int = 0
    garbage: int = 0
    gaps: int = 0
    missing: int = 0
    duplicates: int = 0
    interruptions: int = 0
    denied: int = 0
    denied_users: int = 0


_COUNTED = tuple(Stats.__dataclass_fields__)[3:]


class WebSocketConnectionManager:
    """Sends messages to connections, by room, user, label or id.

    A router is given one: ``WebSocketRouter(manager=manager)``. It starts with the lifespan of
    the app in which that router is installed, or with the first connection or message, and
    stops with the lifespan; if it has several apps, with that of the last one.

    Args:
        backend: Carries messages to other managers. The default, a ``MemoryBackend`` of its
            own, has no others.
        node: The name of this manager, any text, which no other on the backend has; random by
            default, and another one where a server forks after this was made.
        max_messages: How many messages may wait for one slow peer.
        max_bytes: How many bytes of them.
        overflow: What happens to one too many: ``"close"`` closes the connection with 1013,
            ``"drop_oldest"`` and ``"drop_newest"`` drop a message.
        stall_timeout: How many seconds one message may take to be written, before the
            connection is closed with 1013.
        max_payload: How many bytes the JSON of one message may have.
        on_loss: Called with each ``Loss``; it may be async.
        heartbeat: How many seconds there are between two beats, by which others notice that
            something of this manager did not arrive. A manager without a backend has none.
        gap_policy: What happens if orders of another manager did not arrive: ``"ignore"``
            counts them, ``"notify"`` logs them too and calls ``on_gap``, ``"close"`` does that
            and closes every connection of this process with 1012, so that the peers come again.
        on_gap: Called with each ``Gap``; it may be async.
        max_connections: How many connections this process may have; one more is refused with 503.
        max_connections_per_user: How many of them may be of one user; ``bind_user`` of one more
            is an error, which refuses it with 429.

    Raises:
        LimitError: A limit is no number, or not more than 0.
        ValueError: There is no such policy, the name is no text, or something else is no backend
            or no function.

    Attributes:
        node: The name of this manager.
        backend: Its backend.
        limits: The limits of its connections.
        max_payload: How many bytes one message may have.
        on_loss: Called with each ``Loss``, or None.
        heartbeat: How many seconds there are between two beats.
        gap_policy: What happens if orders of another manager did not arrive.
        on_gap: Called with each ``Gap``, or None.

    Example::

        manager = WebSocketConnectionManager()
        router = WebSocketRouter(manager=manager)
        ...
        await manager.send(Room("tea") & ~User("ann"), Said(text="hi"))
    """

    def __init__(
        self,
        backend: Backend | None = None,
        *,
        node: str | None = None,
        max_messages: int = 1024,
        max_bytes: int = 1 << 20,
        overflow: Overflow = "close",
        stall_timeout: float = 10.0,
        max_payload: int = 1 << 20,
        max_connections: int | None = None,
        max_connections_per_user: int | None = None,
        on_loss: Callable[[Loss], object] | None = None,
        heartbeat: float = 0.5,
        gap_policy: GapPolicy = "notify",
        on_gap: Callable[[Gap], object] | None = None,
    ) -> None:
        check_limit("max_payload", max_payload, whole=True)
        check_limit("heartbeat", heartbeat)
        if gap_policy not in get_args(GapPolicy):
            raise ValueError(
                f"gap_policy={gap_policy!r} is not one of {', '.join(get_args(GapPolicy))}."
            )
        if not isinstance(backend, Backend | None):
            # A URL that is given in its place may have a password.
            raise ValueError(  # noqa: TRY004 - as with every other argument
                f"backend is a {type(backend).__name__}, and no Backend.\n"
                'Hint: RedisBackend("redis://localhost:6379")'
            )
        for name, hook in (("on_loss", on_loss), ("on_gap", on_gap)):
            if hook is not None and not callable(hook):
                raise ValueError(
                    f"{name}={hook!r} cannot be called.\n"
                    "Hint: a function of one argument, which may be async."
                )
        self.node = _random_name() if node is None else _checked_name(node)
        self._process = os.getpid() if node is None else None  # in which the name was made up
        self.backend = MemoryBackend() if backend is None else backend
        self.limits = Limits(max_messages, max_bytes, overflow, stall_timeout)
        self.max_payload = max_payload
        self.on_loss = on_loss
        self.heartbeat = heartbeat
        self.gap_policy = gap_policy
        self.on_gap = on_gap
        self._tell_loss = Hook("on_loss")
        self._tell_gap = Hook("on_gap")
        self._admission = Admission(max_connections, max_connections_per_user)
        self._alone = backend is None
        self._loop: asyncio.AbstractEventLoop | None = None  # in which it hears others
        self._starting = asyncio.Lock()
        self._started_in: asyncio.AbstractEventLoop | None = None  # to which that lock belongs
        self._lifespans: list[asyncio.Task[Any]] = []  # of the apps that have started it
        self._shut_in: asyncio.AbstractEventLoop | None = None  # in which the last one has ended
        self._beating: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()  # somebody wants to know how far it is
        self._registry = Registry()
        # A name that is given is the same after a restart; an id is to be nobody else's then.
        self._suffix = "" if node is None else f"-{secrets.token_hex(4)}"
        self._ids = itertools.count(1)
        self._life = ""
        self._namesake = ""  # the life of another manager of the same name
        self._number = 0
        self._taken: dict[int, int] = {}  # by number, while it is being published
        self._hearing = Hearing(0.0)
        self._garbage: Counter[str] = Counter()  # by reason, of which there are few
        self._counts = dict.fromkeys(_COUNTED, 0)

    def __repr__(self) -> str:
        return f"<WebSocketConnectionManager {self.node}, {self.count} connections>"

    @property
    def started(self) -> bool:
        """Whether it hears other managers, in the running event loop."""
        return self._loop is not None and self._loop is _running_loop()

    async def start(self) -> None:
        """Begin to hear other managers; does nothing if that was done.

        Raises:
            BackendError: The backend knows a manager of that name, or it runs in another thread.
        """
        if self._loop is not None and not self.started:
            self._check_thread()
            # That loop has ended, and nobody has stopped the manager before.
            await self.stop()
        self._shut_in = None
        if self._started_in is not asyncio.get_running_loop():
            self._starting, self._started_in = asyncio.Lock(), asyncio.get_running_loop()
        async with self._starting:
            if self.started:
                return
            if self._process not in (None, os.getpid()):
                # A server that forks has copied the name, which all of its processes would have.
                self.node, self._process = _random_name(), os.getpid()
            await self.backend.start(self.node, self._hear, self._interrupted)
            try:
                await self.backend.subscribe(self.node, TOPIC)
            except BaseException:
                await self.backend.stop(self.node)
                raise
            loop = asyncio.get_running_loop()
            self._life = secrets.token_hex(4)
            self._number = 0
            self._hearing = Hearing(loop.time())
            self._loop = loop
            if not self._alone:
                self._asked = asyncio.Event()
                # It belongs to no connection, though the first one may have started it. It
                # comes first: whoever has started it may be cancelled while it asks.
                self._beating = loop.create_task(
                    self._beat(), name="falcon_pachinko heartbeat", context=Context()
                )
                # From what they answer on, it is known what they have said.
                with suppress(BackendError):
                    await self._publish(frames.Beat(0.0, ask=True), 0)

    async def stop(self) -> None:
        """Leave the backend; the connections stay as they are."""
        if self._loop is None:
            return
        here, self._loop = self.started, None
        beating, self._beating = self._beating, None
        try:
            if here and beating is not None:
                beating.cancel()
                await asyncio.wait({beating})
                with suppress(BackendError):
                    await self._publish(frames.Leave(self._age()), self._number)
        finally:
            await self.backend.stop(self.node)

    async def process_startup(self, scope: Any, event: Any) -> None:  # noqa: ARG002
        """Start, as a middleware of Falcon."""
        await self.start()
        lifespan: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self._lifespans = [*self._living(), lifespan]

    async def process_shutdown(self, scope: Any, event: Any) -> None:  # noqa: ARG002
        """Stop with the last app, as a middleware of Falcon; only a start starts it anew then."""
        lifespan: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self._lifespans = self._living()
        if lifespan in self._lifespans:
            # Once: an app has a manager twice that is the manager of two of its routers.
            self._lifespans.remove(lifespan)
        if not self._lifespans:
            self._shut_in = asyncio.get_running_loop()
            await self.stop()

    def _living(self) -> list[asyncio.Task[Any]]:
        # A lifespan may end without a shutdown, and so may an event loop.
        here = asyncio.get_running_loop()
        return [each for each in self._lifespans if not each.done() and each.get_loop() is here]

    @property
    def count(self) -> int:
        """How many connections this process has."""
        return len(self._registry.everybody)

    @property
    def stats(self) -> Stats:
        """What was seen so far."""
        registry = self._registry
        counts = self._counts | self._admission.counts
        return Stats(self.count, len(registry.rooms), len(registry.users), **counts)

    def connections(self, target: Target | ManagedConnection = All()) -> tuple[Any, ...]:  # noqa: B008
        """Return the connections of this process that a target means, as they are just now.

        Raises:
            TargetError: It is no target.
        """
        return tuple(select(self._aim(target, ()), self._registry))

    def connection(self, connection_id: str) -> ManagedConnection:
        """Return the connection of this process that has an id.

        Raises:
            UnknownConnectionError: There is none.
        """
        return self._registry.find(connection_id)  # type: ignore[return-value]

    async def send(
        self,
        target: Target | ManagedConnection,
        message: Any,
        *,
        exclude: Iterable[Target | ManagedConnection] = (),
        local: bool = False,
    ) -> Receipt:
        """Send a message to all connections that a target means, in all processes.

        It is encoded once. Nobody waits for a peer: what a slow one cannot take is queued for
        it, within limits.

        Args:
            target: To whom.
            message: A Struct, or anything else that msgspec encodes to JSON.
            exclude: To whom not.
            local: Whether to send to connections of this process only.

        Returns:
            What is known of it.

        Raises:
            TargetError: What says to whom, or to whom not, is no target.
            UnknownConnectionError: It is a connection of this process, which is not there.
            EncodeError: The message cannot be encoded.
            PayloadTooLargeError: It is longer than ``max_payload``, or than the backend carries.
            BackendError: The backend did not take it, and nobody gets it; or there was no answer
                in time, and nobody knows; or the manager runs in another thread, or has
                stopped with its app.
        """
        whom = self._aim(target, exclude)
        self._check_known(target, whom, local=local)
        payload = self._encode(message)
        return await self._order(frames.Send(frames.to_wire(whom), payload), local=local)

    async def disconnect(
        self,
        target: Target | ManagedConnection,
        code: int = 1008,
        reason: str = "",
        *,
        local: bool = False,
    ) -> Receipt:
        """Close all connections that a target means, in all processes.

        Each is closed behind what was sent to it before.

        Args:
            target: Which.
            code: The close code.
            reason: At most 123 bytes.
            local: Whether to close connections of this process only.

        Raises:
            TargetError: What says which is no target.
            UnknownConnectionError: It is a connection of this process, which is not there.
            CloseCodeError: The code or the reason cannot be sent.
            BackendError: The backend did not take it, and nothing is closed; or the manager runs
                in another thread, or has stopped with its app.
        """
        whom = self._aim(target, ())
        self._check_known(target, whom, local=local)
        try:
            farewell = check_close(code, reason)
        except ValueError:
            self._counts["refused"] += 1
            raise
        return await self._order(frames.Close(frames.to_wire(whom), *farewell), local=local)

    async def _wake(self) -> None:
        """Start, if nobody has done it, but not behind the end of the app.

        Raises:
            BackendError: It cannot be started, or the app has ended.
        """
        if self.started:
            return
        # Who stopped it then would not come again. An event loop that has ended does not matter.
        if self._shut_in is not None and self._shut_in.is_running():
            raise BackendError(
                f"{self!r} has stopped with its app.\n"
                "Hint: send before that, as what is added to the app behind the manager can; or "
                "await manager.start(), and manager.stop() at the end."
            )
        await self.start()

    def _connect(self, ws: WebSocketLike, inbox: Inbox) -> ManagedConnection:
        """Return a new connection, which is found once it is registered.

        Raises:
            falcon.HTTPServiceUnavailable: There is no room for it.
        """
        return ManagedConnection(
            self._registry,
            f"{self.node}{self._suffix}-{next(self._ids)}",
            ws,
            inbox,
            self.limits,
            self._lose,
            self._give,
            self._admission.enter(),
        )

    def _aim(
        self, target: Target | ManagedConnection, exclude: Iterable[Target | ManagedConnection]
    ) -> Target:
        try:
            whom = _as_target(target)
            without = [_as_target(other) for other in _each(exclude)]
        except TargetError:
            self._counts["refused"] += 1
            raise
        if not without:
            return whom
        return whom & ~(without[0] if len(without) == 1 else Or(tuple(without)))

    def _check_known(
        self, target: Target | ManagedConnection, whom: Target, *, local: bool
    ) -> None:
        if not isinstance(whom, Connection) or whom.id in self._registry.everybody:
            return
        if local or self._alone or whom.id.rpartition("-")[0] == self.node + self._suffix:
            self._counts["refused"] += 1
            if isinstance(target, ManagedConnection):
                target._require_here()  # noqa: SLF001
            raise UnknownConnectionError(
                f"There is no connection {whom.id!r} in this process, which has {self.count}.\n"
                "Hint: it may have ended, or not be accepted yet."
            )

    def _encode(self, message: Any) -> bytes:
        try:
            payload = _encode(message)
        except Exception as error:
            self._counts["refused"] += 1
            raise EncodeError(
                f"A {type(message).__name__} cannot be encoded to JSON: {error}"
            ) from error
        if len(payload) > self.max_payload:
            self._counts["refused"] += 1
            raise PayloadTooLargeError(
                f"A {type(message).__name__} of {len(payload)} bytes: the limit is "
                f"max_payload={self.max_payload}."
            )
        return payload

    def _check_thread(self) -> None:
        if self._loop is not None and not self.started and self._loop.is_running():
            raise BackendError(
                f"{self!r} runs in another event loop, of another thread.\n"
                "Hint: asyncio.run_coroutine_threadsafe(manager.send(...), loop), with its loop."
            )

    async def _order(self, order: frames.Send | frames.Close, *, local: bool) -> Receipt:
        if local:
            self._check_thread()
            return Receipt(self.node, None, self._plan(order)())
        await self._wake()
        number = self._number + 1
        frame = self._frame(order, number)
        # What is no frame has no number: others would miss it.
        self._number = number
        self._taken[number] = 0
        try:
            await self.backend.publish(self.node, TOPIC, frame)
        except PayloadTooLargeError:
            self._counts["failed"] += 1
            if self._number == number:
                self._number -= 1
            raise
        except BackendError:
            self._counts["failed"] += 1
            raise
        finally:
            taken = self._taken.pop(number)
        return Receipt(self.node, number, taken)

    def _frame(self, order: frames.Order, number: int) -> bytes:
        return frames.encode(frames.Frame(frames.VERSION, self.node, self._life, number, order))

    async def _publish(self, order: frames.Order, number: int) -> None:
        await self.backend.publish(self.node, TOPIC, self._frame(order, number))

    def _age(self) -> float:
        return asyncio.get_running_loop().time() - self._hearing.since

    async def _beat(self) -> None:
        """Let others know what they should have heard, and find out who has died."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.heartbeat):
                    await self._asked.wait()
            self._asked.clear()
            try:
                await self._publish(frames.Beat(self._age()), self._number)
            except BackendError:
                pass  # so it is later: nothing was lost
            except Exception:
                _logger.exception("%r raised no BackendError", self.backend)
            self._miss(self._hearing.overdue(loop.time(), _PATIENCE * self.heartbeat))

    def _interrupted(self) -> None:
        self._counts["interruptions"] += 1
        self._hearing.interrupt(asyncio.get_running_loop().time())

    def _hear(self, topic: str, payload: bytes) -> None:
        """Take what the backend brings; whatever it is, go on."""
        try:
            frame = frames.decode(payload)
            order = frame.order
            carry_out = self._plan(order) if isinstance(order, frames.Send | frames.Close) else None
        except (ValueError, TypeError, RecursionError) as error:
            self._discard(topic, payload, error)
            return
        gaps = self._note(frame)
        if gaps is None:
            self._counts["duplicates"] += 1
            return
        self._miss(gaps)
        if frame.node == self.node and frame.life not in (self._life, self._namesake):
            self._namesake = frame.life
            _logger.error(
                "There is another manager of the name %r: messages go to the wrong connections.\n"
                "Hint: give each process another node=, or none, which is random.",
                self.node,
            )
        if carry_out is not None:
            taken = carry_out()
            if frame.life == self._life and frame.number in self._taken:
                self._taken[frame.number] = taken

    def _discard(self, topic: str, payload: bytes, error: Exception) -> None:
        """Count what is no frame; log the first of a kind, the tenth, the hundredth and so on."""
        self._counts["garbage"] += 1
        # What any other error says may have something of the payload in it.
        reason = str(error) if isinstance(error, frames.FrameError) else type(error).__name__
        self._garbage[reason] += 1
        count = self._garbage[reason]
        if str(count).rstrip("0") == "1":
            _logger.warning(
                "A payload of %d bytes on the topic %r is no frame of a manager: %s (%d so far)",
                len(payload),
                topic,
                reason,
                count,
            )

    def _note(self, frame: frames.Frame) -> list[Gap] | None:
        """Return what is missing before a frame; None if it was heard before."""
        whose = frame.node, frame.life, frame.number
        now = asyncio.get_running_loop().time()
        match frame.order:
            case frames.Beat(age, ask):
                if ask and frame.life != self._life:
                    self._asked.set()
                return self._hearing.beat(*whose, age, now)
            case frames.Leave(age):
                return self._hearing.leave(*whose, age, now)
            case _:
                return self._hearing.order(*whose, now)

    def _miss(self, gaps: list[Gap]) -> None:
        """Do what the policy says about orders that did not arrive."""
        for gap in gaps:
            self._counts["gaps"] += 1
            self._counts["missing"] += gap.missing
            if self.gap_policy == "ignore":
                continue
            _logger.warning(
                "%s orders of the manager %s are missing",
                "Perhaps some" if gap.last is None else gap.missing,
                gap.node,
            )
            self._tell_gap(self.on_gap, gap)
            if self.gap_policy == "close":
                self._close(All(), _RESTART, "messages are missing")

    def _plan(self, order: frames.Send | frames.Close) -> Callable[[], int]:
        """Return what carries out an order, and says for how many connections.

        Raises:
            ValueError: It cannot be carried out.
        """
        whom = frames.from_wire(order.target)
        if isinstance(order, frames.Send):
            return partial(self._offer, whom, order.text.decode(), len(order.text))
        check_close(order.code, order.reason)
        return partial(self._close, whom, order.code, order.reason)

    def _give(self, outbox: Outbox, message: Any) -> bool:
        """Encode a message for one connection; return whether it was taken."""
        payload = self._encode(message)
        taken = outbox.offer(payload.decode(), len(payload))
        self._counts["taken"] += taken
        return taken

    def _offer(self, whom: Target, text: str, size: int) -> int:
        members = select(whom, self._registry)
        if not members:
            return 0
        taken = offer(map(_outbox, members), text, size)
        self._counts["taken"] += taken
        return taken

    def _close(self, whom: Target, code: int, reason: str) -> int:
        closed: int = sum(
            [member.outbox.close(code, reason) for member in select(whom, self._registry)]
        )
        return closed

    def _lose(self, loss: Loss) -> None:
        counts = self._counts
        counts["lost"] += loss.messages
        counts["lost_bytes"] += loss.bytes
        counts["evicted"] += loss.evicted
        self._tell_loss(self.on_loss, loss)


def _random_name() -> str:
    return secrets.token_hex(8)


def _checked_name(node: Any) -> str:
    """Return the name of a manager, as a str that frames can carry.

    Raises:
        ValueError: None can carry it.
    """
    try:
        name = str.encode(node).decode()  # no subclass of str any more
    except (TypeError, UnicodeEncodeError):
        name = ""
    if not name:
        raise ValueError(
            f"node={node!r} is no name of a manager.\n"
            'Hint: a text that no other manager has, such as node="web-1"; without node= it is '
            "random."
        )
    return name


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _each(exclude: Any) -> Iterator[Any]:
    try:
        return iter(exclude)
    except TypeError:
        raise TargetError(
            f"exclude={exclude!r} is no list of targets.\nHint: exclude=[self.connection]"
        ) from None


def _as_target(value: Any) -> Target:
    if isinstance(value, Target):
        frames.to_wire(value)  # an error, if it is a target of somebody's own
        return value
    if isinstance(value, ManagedConnection):
        return Connection(value.id)
    raise TargetError(
        f"{value!r} is no target.\n"
        'Hint: Room("tea"), User("ann"), Label(region="eu"), Connection(id) or All(), '
        "which compose with &, | and ~."
    )
