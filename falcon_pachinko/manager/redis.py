"""A backend on Redis or Valkey.

A node has two ways to the server. What it publishes goes through one connection, in the order
of the calls, several at a time; an error there is raised to those who publish. What it hears
comes through another one, whose task lives as long as the node: it asks for a sign of life
when nothing comes, and when the connection is gone it makes another, again and again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from abc import ABC
from abc import abstractmethod
from collections import deque
from contextlib import suppress
from contextvars import Context
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from falcon_pachinko.errors import BackendError
from falcon_pachinko.errors import PayloadTooLargeError
from falcon_pachinko.manager.backend import Backend
from falcon_pachinko.manager.backend import Health
from falcon_pachinko.security import check_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon_pachinko.manager.backend import Deliver
    from falcon_pachinko.manager.backend import Interrupted

__all__ = ["RedisBackend"]

_TIMEOUT = 1.0  # seconds without an answer, after which a connection is given up
_PULSE = 0.5  # seconds without a message, after which the server is asked for a sign of life
_BACKOFF = (0.05, 1.0)  # seconds before another attempt to connect: the first time, and at most
_MAX_WAITING = 1000  # payloads that wait for the connection
_BATCH = (256, 1 << 20)  # payloads and bytes that are sent at a time
_PAGE = 256  # entries of a stream that are read at a time
_URLS = "Hint: redis://localhost:6379/0, rediss://user:password@host or unix:///path"
_HOST = re.compile(r"(\[[0-9a-fA-F:.]*\]?|[^:\[\]]*)(:[0-9]*)?")  # and a port
_EXPIRY = 300  # seconds that a stream stays when nobody publishes on it any more

_logger = logging.getLogger("falcon_pachinko")


class RedisBackend(Backend):
    """Moves bytes between processes through Redis 6.2 or later, or Valkey.

    It needs the extra ``redis``. An application starts and serves without the server: until
    that can be reached, whoever publishes gets an error.

    Args:
        url: Where the server is: ``redis://``, ``rediss://`` (TLS) or ``unix://``, as redis-py
            reads it.
        prefix: What the name of each channel and key begins with. Applications that share a
            server each have one of their own.
        recover: Whether to use streams: what could not be heard for a while is heard later.
            Otherwise pub/sub is used, where it is lost.
        retention: How many frames a stream keeps, about; heartbeats are among them.
        max_payload: How many bytes one payload may have.

    Raises:
        ImportError: The extra is missing.
        ValueError: The URL or the prefix cannot be used.
        LimitError: A limit is no whole number, or not more than 0.

    Example::

        manager = WebSocketConnectionManager(RedisBackend("redis://localhost:6379"))
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "pachinko",
        recover: bool = False,
        retention: int = 10_000,
        max_payload: int = 4 << 20,
    ) -> None:
        if not (prefix and isinstance(prefix, str)):
            raise ValueError(f'prefix={prefix!r} is no text, or empty.\nHint: prefix="chat"')
        check_limit("retention", retention, whole=True)
        check_limit("max_payload", max_payload, whole=True)
        self._connect = _connector(url)
        self._name = _without_password(url)
        self._prefix = prefix
        self._retention = retention
        self._max_payload = max_payload
        self._recover = recover
        self._links: dict[str, _Link] = {}

    def __repr__(self) -> str:
        return f"<RedisBackend {self._name}>"

    async def start(self, node: str, deliver: Deliver, interrupted: Interrupted) -> None:
        """Attach a node; return when the server was reached, or could not be.

        Raises:
            BackendError: There is a node of that name.
        """
        if node in self._links:
            raise BackendError(f"There is a node {node!r} on this backend already.")
        wire = (
            _Streams(self._connect, self._prefix, self._retention)
            if self._recover
            else _Channels(self._connect, self._prefix)
        )
        link = self._links[node] = _Link(self._name, wire, deliver, interrupted)
        try:
            await link.start()
        except BaseException:
            await self.stop(node)
            raise

    async def stop(self, node: str) -> None:
        """Detach a node; what it had subscribed to is forgotten."""
        link = self._links.pop(node, None)
        if link is not None:
            await link.stop()

    async def publish(self, node: str, topic: str, payload: bytes) -> None:
        """Send a payload to all subscribers of a topic.

        Raises:
            BackendError: It was not taken, and nobody gets it; or there was no answer in time,
                and nobody knows if they do.
            PayloadTooLargeError: It is longer than ``max_payload``.
        """
        link = self._attached(node)
        if len(payload) > self._max_payload:
            raise PayloadTooLargeError(
                f"A payload of {len(payload)} bytes: the limit of {self!r} is "
                f"max_payload={self._max_payload}."
            )
        await link.publish(topic, payload)

    async def subscribe(self, node: str, *topics: str) -> None:
        """Let what is published on topics, from the return of this on, reach a node.

        While the server cannot be reached, it is from the moment on when it can be.
        """
        await self._attached(node).listen(add=topics)

    async def unsubscribe(self, node: str, *topics: str) -> None:
        """Undo ``subscribe``; what is on its way may still arrive."""
        await self._attached(node).listen(remove=topics)

    async def health(self, node: str) -> Health:
        """Say whether a node can publish and hear."""
        try:
            return self._attached(node).health
        except BackendError as error:
            return Health(ok=False, detail=str(error))

    def _attached(self, node: str) -> _Link:
        try:
            return self._links[node]
        except KeyError:
            raise BackendError(f"There is no node {node!r} on this backend.") from None


class _Waiting(NamedTuple):
    topic: str
    payload: bytes
    done: asyncio.Future[None]


class _Link:
    """A node and its two ways to the server."""

    def __init__(self, name: str, wire: _Wire, deliver: Deliver, interrupted: Interrupted) -> None:
        self._name = name
        self._wire = wire
        self._deliver = deliver
        self._interrupted = interrupted
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()
        self._batch: list[_Waiting] = []  # what the writer is at
        self._writer: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()  # the first attempt to connect has succeeded or failed
        self._deaf: str | None = "it was not reached yet"  # why nothing is heard
        self._mute: str | None = None  # why nothing can be published

    @property
    def health(self) -> Health:
        """Whether the node can publish and hear."""
        trouble = self._mute or self._deaf
        return Health(trouble is None, "" if trouble is None else f"{self._name}: {trouble}")

    async def start(self) -> None:
        self._listener = self._spawn(self._listen_for_ever(), "listener")
        await self._tried.wait()

    async def stop(self) -> None:
        if self._loop is not asyncio.get_running_loop():
            return  # that one has ended, and its tasks and connections with it
        tasks = [task for task in (self._listener, self._writer) if task is not None]
        try:
            # More than once: `asyncio.wait_for` of Python 3.11, which the client uses, may lose one.
            while pending := [task for task in tasks if not task.done()]:
                for task in pending:
                    task.cancel()
                await asyncio.wait(pending, timeout=_PULSE)
        finally:
            self._refuse([*self._batch, *self._queue], "the node was stopped", None)
            self._queue.clear()
            await self._wire.close()

    async def listen(self, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        try:
            await self._wire.listen(add, remove)
        except Exception as error:  # noqa: BLE001 - a client may raise anything
            # The listener finds out too, and subscribes when it can.
            self._deaf = _named(error)

    async def publish(self, topic: str, payload: bytes) -> None:
        if len(self._queue) >= _MAX_WAITING:
            raise BackendError(f"{len(self._queue)} payloads wait for {self._name} already.")
        done = self._loop.create_future()
        self._queue.append(_Waiting(topic, payload, done))
        if self._writer is None:
            self._writer = self._spawn(self._write(), "publisher")
        await done

    def _spawn(self, work: Any, what: str) -> asyncio.Task[None]:
        # It belongs to the node, whoever publishes first.
        return self._loop.create_task(work, name=f"falcon_pachinko {what}", context=Context())

    async def _write(self) -> None:
        """Write what waits, in its order."""
        while self._queue:
            self._batch = batch = self._take()
            try:
                answers = await self._wire.publish([(item.topic, item.payload) for item in batch])
            except Exception as error:  # noqa: BLE001 - a client may raise anything
                # Those behind it would only wait for the same.
                batch += self._queue
                self._queue.clear()
                self._mute = _named(error)
                self._refuse(batch, self._mute, error)
                await self._wire.hang_up()
                continue
            self._mute = None
            for item, fault in zip(batch, answers, strict=True):
                if fault is not None:
                    self._refuse([item], _named(fault), fault)
                elif not item.done.done():
                    item.done.set_result(None)
        self._writer = None

    def _take(self) -> list[_Waiting]:
        most, size = _BATCH
        batch: list[_Waiting] = []
        while self._queue and len(batch) < most and size > 0:
            batch.append(self._queue.popleft())
            size -= len(batch[-1].payload)
        return batch

    def _refuse(self, batch: list[_Waiting], why: str, cause: Exception | None) -> None:
        for item in batch:
            if not item.done.done():
                error = BackendError(
                    f"{self._name} did not take a payload of {len(item.payload)} bytes: {why}.\n"
                    "Hint: after a timeout it may arrive all the same."
                )
                error.__cause__ = cause
                item.done.set_exception(error)

    async def _listen_for_ever(self) -> None:
        pause, longest = _BACKOFF
        while True:
            try:
                await self._wire.hear(self._deliver, self._up)
            except Exception as error:  # noqa: BLE001 - whatever it is, it comes back
                if self._deaf is None or not self._tried.is_set():
                    pause = _BACKOFF[0]
                    _logger.warning(
                        "%s cannot be heard, and is tried again until it can: %s",
                        self._name,
                        _named(error),
                    )
                self._deaf = _named(error)
                self._tried.set()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause = min(longest, 2 * pause)

    def _up(self) -> None:
        """Take note that the server is heard from here on."""
        self._deaf = None
        if self._tried.is_set():
            # Also if it was never heard before: the node serves since the first attempt.
            _logger.warning("%s is heard again", self._name)
            self._interrupted()
        self._tried.set()


class _Wire(ABC):
    """How payloads travel through the server."""

    def __init__(self, connect: Callable[[], Any], prefix: str) -> None:
        self._connect = connect
        self._prefix = prefix
        self._publisher: Any = connect()

    def _key(self, topic: str) -> str:
        return f"{self._prefix}:{topic}"

    @abstractmethod
    async def publish(self, batch: list[tuple[str, bytes]]) -> list[Exception | None]:
        """Publish payloads in their order; return what went wrong with each."""

    @abstractmethod
    async def listen(self, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
        """Listen to other topics."""

    @abstractmethod
    async def hear(self, deliver: Deliver, up: Callable[[], None]) -> None:
        """Hear the topics until something goes wrong, which is raised."""

    async def hang_up(self) -> None:
        """Give up the connection through which is published; the next payload makes another."""
        await _disconnect(self._publisher)

    async def close(self) -> None:
        """Give up all connections."""
        await self.hang_up()


class _Channels(_Wire):
    """Pub/sub: who listens hears it."""

    def __init__(self, connect: Callable[[], Any], prefix: str) -> None:
        super().__init__(connect, prefix)
        self._topics: set[str] = set()
        self._pubsub: Any = None
        self._awaited: dict[str, asyncio.Future[None]] = {}

    async def publish(self, batch: list[tuple[str, bytes]]) -> list[Exception | None]:
        pipeline = self._publisher.pipeline(transaction=False)
        for topic, payload in batch:
            pipeline.publish(self._key(topic), payload)
        return [_error(answer) for answer in await pipeline.execute(raise_on_error=False)]

    async def listen(self, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
        self._topics.difference_update(remove)
        self._topics.update(add)
        if self._pubsub is None:
            return
        for topics, tell in ((remove, self._pubsub.unsubscribe), (add, self._pubsub.subscribe)):
            if topics:
                loop = asyncio.get_running_loop()
                waiting = {self._key(topic): loop.create_future() for topic in topics}
                self._awaited |= waiting
                await tell(*waiting)
                await asyncio.wait(waiting.values(), timeout=_TIMEOUT)

    async def hear(self, deliver: Deliver, up: Callable[[], None]) -> None:
        client = self._connect()
        pubsub = client.pubsub()
        try:
            await self._hear(pubsub, deliver, up)
        finally:
            self._pubsub = None
            with suppress(Exception):  # it is given up
                await pubsub.aclose()
            await _disconnect(client)

    async def _hear(self, pubsub: Any, deliver: Deliver, up: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        await pubsub.connect()
        self._pubsub = pubsub
        unheard = set(map(self._key, self._topics))
        if unheard:
            await pubsub.subscribe(*unheard)
        else:
            await pubsub.ping()
        heard_at = loop.time()
        is_up = False
        while True:
            message = await pubsub.get_message(timeout=_PULSE)
            now = loop.time()
            if message is None:
                if now - heard_at > _PULSE + _TIMEOUT:
                    raise TimeoutError(f"no sign of life for {now - heard_at:.1f} s")
                await pubsub.ping()
                continue
            heard_at = now
            channel = (message["channel"] or b"").decode("utf-8", "replace")
            if message["type"] == "message":
                deliver(channel[len(self._key("")) :], message["data"])
                continue
            unheard.discard(channel)
            _settle(self._awaited.pop(channel, None))
            if not unheard and not is_up:
                is_up = True
                up()


class _Cursor:
    """How far one stream is read."""

    __slots__ = ("last", "topic")

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.last: str | None = None  # the id of an entry; None while it is not known


class _Streams(_Wire):
    """Streams: what was said while nobody could listen is read later."""

    def __init__(self, connect: Callable[[], Any], prefix: str, retention: int) -> None:
        super().__init__(connect, prefix)
        self._retention = retention
        self._reader: Any = connect()
        self._cursors: dict[str, _Cursor] = {}
        self._has_cursors = asyncio.Event()
        self._misplaced: Exception | None = None  # why a stream is not read

    async def publish(self, batch: list[tuple[str, bytes]]) -> list[Exception | None]:
        pipeline = self._publisher.pipeline(transaction=False)
        for topic, payload in batch:
            pipeline.xadd(
                self._key(topic), {b"f": payload}, maxlen=self._retention, approximate=True
            )
        for topic in {topic for topic, _ in batch}:
            pipeline.expire(self._key(topic), _EXPIRY)
        answers = await pipeline.execute(raise_on_error=False)
        return [_error(answer) for answer in answers[: len(batch)]]

    async def listen(self, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
        for topic in remove:
            self._cursors.pop(self._key(topic), None)
        self._cursors.update((self._key(topic), _Cursor(topic)) for topic in add)
        try:
            for topic in add:
                await self._place(self._key(topic))
        except Exception as error:
            # The listener has a connection of its own, which may have noticed nothing.
            self._misplaced = error
            raise
        finally:
            self._has_cursors.set()

    async def hear(self, deliver: Deliver, up: Callable[[], None]) -> None:
        try:
            self._misplaced = None
            for key in list(self._cursors):
                await self._place(key)
            await self._reader.ping()
            up()
            while True:
                await self._read_page(deliver)
        finally:
            await _disconnect(self._reader)

    async def _place(self, key: str) -> None:
        """Make sure that a stream is read from a place where it was, and not further on."""
        cursor = self._cursors[key]
        newest = await self._reader.xrevrange(key, count=1)
        end = newest[0][0].decode() if newest else "0-0"
        if cursor.last is None:
            cursor.last = end
        elif _order(end) < _order(cursor.last):
            cursor.last = "0-0"  # the server has lost everything, and its clock is behind

    async def _read_page(self, deliver: Deliver) -> None:
        if self._misplaced is not None:
            raise self._misplaced
        cursors = {key: cursor for key, cursor in self._cursors.items() if cursor.last is not None}
        if not cursors:
            self._has_cursors.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._has_cursors.wait(), _PULSE)
            await self._reader.ping()
            return
        pages = await self._reader.xread(
            {key: cursor.last for key, cursor in cursors.items()},
            count=_PAGE,
            block=int(_PULSE * 1000),
        )
        for name, page in pages.items() if isinstance(pages, dict) else pages:
            cursor = cursors[name.decode()]
            for number, fields in _entries(page):
                cursor.last = number.decode()
                deliver(cursor.topic, fields.get(b"f", b""))

    async def close(self) -> None:
        await super().close()
        await _disconnect(self._reader)


def _connector(url: str) -> Callable[[], Any]:
    """Return what makes clients of a server, each with one connection.

    Raises:
        ImportError: The extra is missing.
        ValueError: The URL cannot be used.
    """
    try:
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise ImportError(
            'RedisBackend needs redis-py.\nHint: pip install "falcon-pachinko[redis]"'
        ) from error

    def connect() -> Any:
        return redis.asyncio.Redis.from_url(
            url,
            decode_responses=False,
            # What is sent again arrives twice.
            retry=Retry(NoBackoff(), 0),
            retry_on_timeout=False,
            socket_connect_timeout=_TIMEOUT,
            socket_timeout=_TIMEOUT + _PULSE,
            health_check_interval=0,
        )

    if not isinstance(url, str):
        raise ValueError(  # noqa: TRY004 - as with every other URL
            f"url is a {type(url).__name__}, and no URL of a Redis server: perhaps a variable of "
            f"the environment is not set.\n{_URLS}"
        )
    if _is_cut(url):
        raise ValueError(
            f"{_without_password(url)!r} is no URL of a Redis server: there is an @ behind its "
            "host.\nHint: in a user or a password write / as %2F, ? as %3F and # as %23."
        )
    try:
        _ = urlsplit(url).port
    except ValueError:
        # What it says may quote a password.
        raise ValueError(
            f"{_without_password(url)!r} is no URL of a Redis server: its host or its port cannot "
            f"be read.\n{_URLS}"
        ) from None
    try:
        connect()
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{_without_password(url)!r} is no URL of a Redis server: {error}.\n{_URLS}"
        ) from error
    return connect


async def _disconnect(client: Any) -> None:
    """Give up the connections of a client, which may not come to an end with TLS."""
    with suppress(Exception):
        await client.connection_pool.disconnect()


def _without_password(url: str) -> str:
    """Return a URL, or what was given as one, as it may be logged."""
    scheme, rest = _split(url)
    if _is_cut(url):
        return f"{scheme}..."
    rest = re.split("[?#]", rest)[0]
    if not rest.startswith("/"):
        rest = rest.rpartition("@")[2]
    host, slash, path = rest.partition("/")
    if _HOST.fullmatch(host) is None:
        # It may be a password whose host is missing.
        return f"{scheme}{host.partition(':')[0]}:..."
    return f"{scheme}{host}{slash}{path}"


def _is_cut(url: str) -> bool:
    """Return whether a password has a character at which a URL goes on with something else."""
    scheme, rest = _split(url)
    before, at, _ = rest.rpartition("@")
    is_option = "=" in before.partition("?")[2]
    return (
        bool(at) and scheme != "unix://" and not is_option and any(end in before for end in "/?#")
    )


def _split(url: str) -> tuple[str, str]:
    """Return the scheme of a URL, with its end and perhaps empty, and the rest."""
    scheme, mark, rest = url.partition("://")
    return (scheme + mark, rest) if mark else ("", url)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".")


def _error(answer: Any) -> Exception | None:
    return answer if isinstance(answer, Exception) else None


def _settle(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _order(entry: str) -> tuple[int, ...]:
    """Return what the ids of a stream are ordered by."""
    return tuple(map(int, entry.split("-")))


def _entries(page: Any) -> Any:
    """Return the entries of a stream, however the protocol in use wraps them."""
    return page[0] if page and isinstance(page[0], list) else page
