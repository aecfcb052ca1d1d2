"""The backends: one contract for all of them, and what can go wrong on the way to a real Valkey."""

import asyncio
import gc
import os
import re
import signal
import sys
import traceback
from collections.abc import AsyncIterator
from collections.abc import Callable
from contextlib import asynccontextmanager
from contextlib import AsyncExitStack
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import ConnectionPool
from redis.asyncio import Redis

from falcon_pachinko import All
from falcon_pachinko import Backend
from falcon_pachinko import BackendError
from falcon_pachinko import Gap
from falcon_pachinko import Health
from falcon_pachinko import LimitError
from falcon_pachinko import MemoryBackend
from falcon_pachinko import PayloadTooLargeError
from falcon_pachinko import RedisBackend
from falcon_pachinko import Room
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko.manager import redis as implementation
from pytest_pachinko import MemoryTransport
from tests.loops import run as run_in_thread
from tests.redis_server import RedisServer

pytestmark = pytest.mark.asyncio

PATIENCE = 20.0
KINDS = ["pub/sub", "streams", "streams, RESP3"]
MakeBackend = Callable[..., Backend]


class Ear:
    """What one node hears, and how often it could not."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.interruptions = 0
        self._news = asyncio.Event()

    def deliver(self, topic: str, payload: bytes) -> None:
        self.heard.append((topic, payload))
        self._news.set()

    def interrupted(self) -> None:
        self.interruptions += 1
        self._news.set()

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    async def payloads(self, count: int) -> list[bytes]:
        await self.until(lambda: len(self.heard) >= count)
        return [payload for _, payload in self.heard]


@asynccontextmanager
async def attached(backend: Backend, node: str, *topics: str) -> AsyncIterator[Ear]:
    ear = Ear()
    await backend.start(node, ear.deliver, ear.interrupted)
    try:
        await backend.subscribe(node, *topics)
        yield ear
    finally:
        await backend.stop(node)


def redis_backend(server: RedisServer, kind: str, **options: Any) -> RedisBackend:
    url = server.url + ("?protocol=3" if "RESP3" in kind else "")
    return RedisBackend(url, recover=kind != "pub/sub", **options)


@pytest.fixture(params=["memory", *KINDS])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "memory":
        return MemoryBackend()
    return redis_backend(request.getfixturevalue("valkey_server"), request.param)


@pytest.fixture(params=KINDS)
def bus(request: pytest.FixtureRequest, valkey_server: RedisServer) -> RedisBackend:
    return redis_backend(valkey_server, request.param)


@pytest_asyncio.fixture
async def admin(valkey_server: RedisServer) -> AsyncIterator[Any]:
    async with Redis.from_url(valkey_server.url) as client:
        yield client


async def test_all_subscribers_hear_it_in_the_order_of_the_calls(backend: Backend) -> None:
    async with attached(backend, "a", "x") as a, attached(backend, "b", "x", "y") as b:
        numbers = [b"%d" % number for number in range(300)]
        await asyncio.gather(*[backend.publish("a", "x", number) for number in numbers])

        assert await a.payloads(300) == numbers
        assert await b.payloads(300) == numbers


async def test_a_node_hears_what_it_is_subscribed_to(backend: Backend) -> None:
    async with attached(backend, "a", "x") as a, attached(backend, "b", "y") as b:
        await backend.subscribe("b", "z")
        for topic in "xyz":
            await backend.publish("a", topic, b"!")

        await a.payloads(1)
        await b.payloads(2)
        assert a.heard == [("x", b"!")]
        assert b.heard == [("y", b"!"), ("z", b"!")]


async def test_a_node_that_has_unsubscribed_soon_hears_no_more(backend: Backend) -> None:
    async with attached(backend, "a", "y", "z") as a:
        await backend.unsubscribe("a", "y")
        await backend.publish("a", "z", b"what was on its way has arrived")
        await a.until(lambda: a.heard)
        await backend.publish("a", "y", b"!")
        await backend.publish("a", "z", b"!")
        await a.payloads(2)

        assert {topic for topic, _ in a.heard} == {"z"}


async def test_what_was_said_before_is_not_heard(backend: Backend) -> None:
    async with attached(backend, "a", "x") as a:
        await backend.publish("a", "x", b"before")
        await a.payloads(1)
        async with attached(backend, "b", "x") as b:
            await backend.publish("a", "x", b"after")

            assert await b.payloads(1) == [b"after"]


async def test_a_second_node_of_one_name_is_an_error(backend: Backend) -> None:
    async with attached(backend, "a"):
        with pytest.raises(BackendError, match="There is a node 'a' on this backend already"):
            await backend.start("a", print, print)


async def test_who_is_not_attached_cannot_publish(backend: Backend) -> None:
    async with attached(backend, "a"):
        pass

    with pytest.raises(BackendError, match="There is no node 'a'"):
        await backend.publish("a", "x", b"!")
    assert not (await backend.health("a")).ok


async def test_who_is_attached_is_well(backend: Backend) -> None:
    async with attached(backend, "a"):
        assert await backend.health("a") == Health(ok=True)


async def test_any_bytes_on_any_topic_arrive(backend: Backend) -> None:
    async with attached(backend, "a", "ü * \n") as a:
        await backend.publish("a", "ü * \n", bytes(range(256)))

        await a.payloads(1)
        assert a.heard == [("ü * \n", bytes(range(256)))]


async def test_a_node_without_topics_hears_nothing(bus: RedisBackend) -> None:
    async with attached(bus, "a"), attached(bus, "b", "x") as b:
        await bus.publish("a", "x", b"!")

        await b.payloads(1)


async def test_applications_with_prefixes_of_their_own_do_not_hear_each_other(
    valkey_server: RedisServer,
) -> None:
    one, two = (RedisBackend(valkey_server.url, prefix=prefix) for prefix in ("one", "two"))
    async with attached(one, "a", "x") as a, attached(two, "a", "x") as b:
        await one.publish("a", "x", b"1")
        await two.publish("a", "x", b"2")

        assert await a.payloads(1) == [b"1"]
        assert await b.payloads(1) == [b"2"]


async def test_a_payload_over_the_limit_is_refused(valkey_server: RedisServer) -> None:
    bus = RedisBackend(valkey_server.url, max_payload=3)
    async with attached(bus, "a", "x") as a:
        with pytest.raises(PayloadTooLargeError, match=r"4 bytes.*max_payload=3"):
            await bus.publish("a", "x", b"1234")
        await bus.publish("a", "x", b"123")

        assert await a.payloads(1) == [b"123"]


async def test_a_listener_whose_connection_is_killed_comes_back(
    bus: RedisBackend, admin: Any
) -> None:
    async with attached(bus, "a", "x") as a:
        await bus.publish("a", "x", b"before")
        await kill_all_clients(admin)
        await a.until(lambda: a.interruptions)
        with pytest.raises(BackendError, match="ConnectionError"):
            await bus.publish("a", "x", b"to the dead connection")
        await bus.publish("a", "x", b"again")

        assert await a.payloads(2) == [b"before", b"again"]
        assert (await bus.health("a")).ok


async def test_a_server_that_is_killed_is_found_again(
    bus: RedisBackend, valkey_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with attached(bus, "a", "x") as a:
        await bus.publish("a", "x", b"before")
        await a.payloads(1)
        valkey_server.kill()
        with pytest.raises(BackendError, match="did not take a payload of 4 bytes"):
            await bus.publish("a", "x", b"lost")
        assert not (await bus.health("a")).ok
        valkey_server.start()
        await a.until(lambda: a.interruptions)
        await bus.publish("a", "x", b"after")

        assert await a.payloads(2) == [b"before", b"after"]
    assert caplog.text.count("cannot be heard, and is tried again until it can") == 1
    assert caplog.text.count("is heard again") == 1


async def test_a_server_that_does_not_answer_is_an_error_in_time(
    bus: RedisBackend, valkey_server: RedisServer
) -> None:
    async with attached(bus, "a", "x") as a:
        with valkey_server.paused():
            async with asyncio.timeout(3):
                with pytest.raises(BackendError, match=r"(?s)Timeout.*may arrive all the same"):
                    await bus.publish("a", "x", b"?")
            assert not (await bus.health("a")).ok
        await until_well(bus, "a")
        await bus.publish("a", "x", b"!")

        await a.until(lambda: ("x", b"!") in a.heard)


async def test_a_node_that_hears_nothing_for_too_long_connects_anew(
    bus: RedisBackend, valkey_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(implementation, "_PULSE", 0.05)
    monkeypatch.setattr(implementation, "_TIMEOUT", 0.1)
    async with attached(bus, "a", "x") as a:
        os.kill(valkey_server.pid or 0, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(0.5, valkey_server.resume)

        await a.until(lambda: a.interruptions)


async def test_what_a_server_refuses_is_an_error_of_who_has_published_it(
    bus: RedisBackend, admin: Any
) -> None:
    async with attached(bus, "a", "x") as a:
        await admin.acl_setuser("default", enabled=True, commands=["-publish", "-xadd"])
        try:
            with pytest.raises(BackendError, match="NoPermissionError"):
                await bus.publish("a", "x", b"refused")
        finally:
            await admin.acl_setuser("default", enabled=True, commands=["+publish", "+xadd"])
        await bus.publish("a", "x", b"taken")

        assert await a.payloads(1) == [b"taken"]


async def test_more_than_a_thousand_do_not_wait(
    bus: RedisBackend, valkey_server: RedisServer
) -> None:
    async with attached(bus, "a", "x"):
        with valkey_server.paused():
            sends = [bus.publish("a", "x", b"%d" % number) for number in range(1500)]
            results = await asyncio.gather(*sends, return_exceptions=True)

    assert {type(result) for result in results} == {BackendError}
    assert any("payloads wait for redis://" in str(result) for result in results)


async def test_who_gives_up_waiting_does_no_harm(
    bus: RedisBackend, valkey_server: RedisServer
) -> None:
    async with attached(bus, "a", "x") as a:
        with valkey_server.paused():
            impatient = asyncio.create_task(bus.publish("a", "x", b"1"))
            patient = asyncio.create_task(bus.publish("a", "x", b"2"))
            await asyncio.wait({impatient}, timeout=0.05)
            impatient.cancel()
            await asyncio.wait({impatient})
        await patient

        await a.until(lambda: ("x", b"2") in a.heard)


async def test_who_publishes_when_a_node_is_stopped_gets_an_error(
    bus: RedisBackend, valkey_server: RedisServer
) -> None:
    async with attached(bus, "a", "x"):
        with valkey_server.paused():
            send = asyncio.create_task(bus.publish("a", "x", b"1"))
            other = asyncio.create_task(bus.publish("a", "x", b"2"))
            await asyncio.wait({send}, timeout=0.05)
            await bus.stop("a")
            results = await asyncio.gather(send, other, return_exceptions=True)

    assert [type(result) for result in results] == [BackendError, BackendError]


async def test_who_publishes_when_a_node_is_stopped_and_that_is_given_up_gets_an_error(
    bus: RedisBackend, valkey_server: RedisServer
) -> None:
    async with attached(bus, "a", "x"):
        with valkey_server.paused():
            sends = [asyncio.create_task(bus.publish("a", "x", b"!")) for _ in range(2)]
            await asyncio.wait(sends, timeout=0.05)
            stop = asyncio.create_task(bus.stop("a"))
            await asyncio.sleep(0)
            stop.cancel()
            done, _ = await asyncio.wait(sends, timeout=PATIENCE)

    assert {type(task.exception()) for task in done} == {BackendError}
    assert len(done) == 2


async def test_with_streams_nothing_is_lost_while_a_node_cannot_hear(
    valkey_server: RedisServer, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = redis_backend(valkey_server, "streams")
    async with attached(bus, "a", "x") as a:
        await bus.publish("a", "x", b"0")
        await a.payloads(1)
        # The listener comes back later than the next ones are published.
        monkeypatch.setattr(implementation, "_BACKOFF", (0.3, 0.3))
        await kill_all_clients(admin)
        for number in range(1, 6):
            await admin.xadd("pachinko:x", {b"f": b"%d" % number})

        assert await a.payloads(6) == [b"%d" % number for number in range(6)]
        assert a.interruptions == 1


async def test_a_stream_that_begins_again_further_back_is_read_from_its_beginning(
    valkey_server: RedisServer, admin: Any
) -> None:
    bus = redis_backend(valkey_server, "streams")
    async with attached(bus, "a", "x") as a:
        await bus.publish("a", "x", b"before")
        await a.payloads(1)
        await admin.delete("pachinko:x")
        await admin.xadd("pachinko:x", {b"f": b"after"}, id="1-1")
        await kill_all_clients(admin)

        assert await a.payloads(2) == [b"before", b"after"]


async def test_nothing_of_a_node_stays_in_the_server_for_long(
    bus: RedisBackend, admin: Any
) -> None:
    async with attached(bus, "a", "x") as a:
        await bus.publish("a", "x", b"!")
        await a.payloads(1)

    for key in await admin.keys("*"):
        assert 0 < await admin.ttl(key) <= 300


async def until_well(bus: Backend, node: str) -> None:
    """Publish where nobody listens, until a node can publish and hear."""
    async with asyncio.timeout(PATIENCE):
        while not (await bus.health(node)).ok:
            with suppress(BackendError):
                await bus.publish(node, "nobody", b"")


async def kill_all_clients(admin: Any) -> None:
    await admin.execute_command("CLIENT", "KILL", "SKIPME", "yes")


# The same through managers.


@asynccontextmanager
async def cluster(
    serving: Callable[..., MemoryTransport], backends: list[Backend], **options: Any
) -> AsyncIterator[list[Any]]:
    """Give managers that have found each other, each with a way to connect to its app."""
    async with AsyncExitStack() as stack:
        nodes = []
        for number, backend in enumerate(backends):
            manager = WebSocketConnectionManager(backend, node=f"n{number}", **options)
            connect = serving(manager)
            await stack.enter_async_context(connect)
            nodes.append((manager, connect))
        yield nodes


async def test_a_room_is_one_room_in_all_processes(
    valkey_server: RedisServer, serving: Callable[..., MemoryTransport]
) -> None:
    backends: list[Backend] = [RedisBackend(valkey_server.url) for _ in range(2)]
    async with cluster(serving, backends) as [(here, connect_here), (there, connect_there)]:
        async with connect_here("/?room=tea") as ann, connect_there("/?room=tea") as bob:
            await here.send(Room("tea"), "hi")
            await ann.expect('"hi"')
            await bob.expect('"hi"')
            await there.disconnect(Room("tea"), 4000)


async def test_an_app_serves_without_its_server_and_finds_it_later(
    valkey_server: RedisServer, serving: Callable[..., MemoryTransport]
) -> None:
    valkey_server.kill()
    async with cluster(serving, [RedisBackend(valkey_server.url)]) as [(manager, connect)]:
        async with connect("/") as ann:
            with pytest.raises(BackendError, match="did not take"):
                await manager.send(All(), "lost")
            await manager.send(All(), "local", local=True)
            await ann.expect('"local"')
            valkey_server.start()
            await until_well(manager.backend, manager.node)
            await manager.send(All(), "found")
            await ann.expect('"found"')
        assert manager.stats.failed == 1


async def test_what_is_lost_while_a_node_is_cut_off_is_a_gap(
    valkey_server: RedisServer, admin: Any, serving: Callable[..., MemoryTransport]
) -> None:
    gaps: asyncio.Queue[Gap] = asyncio.Queue()
    here, there = RedisBackend(valkey_server.url), RedisBackend(valkey_server.url)
    async with cluster(serving, [here, there], on_gap=gaps.put_nowait) as [(one, _), (_, connect)]:
        async with connect("/") as bob:
            await one.send(All(), "heard")
            await bob.expect('"heard"')
            # Nobody is there to hear what is said now.
            await admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await one.send(All(), "lost")

            async with asyncio.timeout(3):
                assert await gaps.get() == Gap("n0", 2, 2)


@pytest.mark.parametrize("recover", [False, True])
async def test_what_is_said_before_a_node_finds_its_server_may_be_missing(
    valkey_server: RedisServer, serving: Callable[..., MemoryTransport], *, recover: bool
) -> None:
    gaps: asyncio.Queue[Gap] = asyncio.Queue()
    far = WebSocketConnectionManager(RedisBackend(valkey_server.url, recover=recover), node="far")
    await far.send(All(), "before")
    far._hearing.since -= 3600  # it is older than the other one, however long its words travel
    near = RedisBackend("redis://127.0.0.1:1", recover=recover)
    there = RedisBackend(valkey_server.url)._connect
    async with cluster(serving, [near], on_gap=gaps.put_nowait):
        await far.send(All(), "not heard")
        wire: Any = near._links["n0"]._wire
        wire._connect, wire._publisher, wire._reader = there, there(), there()

        async with asyncio.timeout(PATIENCE):
            assert await gaps.get() == Gap("far", 1, None)
    await far.stop()


async def test_garbage_on_the_bus_is_counted(
    valkey_server: RedisServer, admin: Any, serving: Callable[..., MemoryTransport]
) -> None:
    async with cluster(serving, [RedisBackend(valkey_server.url)]) as [(manager, connect)]:
        async with connect("/") as ann:
            await admin.publish("pachinko:orders", b"\x80\x04 a pickle")
            await manager.send(All(), "next")

            await ann.expect('"next"')
        assert manager.stats.garbage == 1


async def test_a_message_that_is_too_long_for_the_backend_is_counted(
    valkey_server: RedisServer,
) -> None:
    manager = WebSocketConnectionManager(RedisBackend(valkey_server.url, max_payload=100))
    with pytest.raises(PayloadTooLargeError):
        await manager.send(All(), "x" * 100)
    await manager.send(All(), "x")

    assert manager.stats.failed == 1
    await manager.stop()


async def test_a_wrong_password_is_told_without_it(valkey_server: RedisServer, admin: Any) -> None:
    bus = RedisBackend(valkey_server.url.replace("//", "//:wrong-secret@"))
    await admin.config_set("requirepass", "right")
    try:
        async with attached(bus, "a"):
            with pytest.raises(BackendError, match="AuthenticationError") as caught:
                await bus.publish("a", "x", b"!")
    finally:
        await admin.config_set("requirepass", "")
    assert "wrong-secret" not in f"{caught.value} {bus!r} {(await bus.health('a')).detail}"


@pytest.mark.parametrize(
    "url", ["", "localhost:6379", "http://localhost", "redis://localhost:port", "redis://[::1"]
)
async def test_a_wrong_url_is_an_error_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"is no URL of a Redis server.*\nHint: redis://"):
        RedisBackend(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "''"),
        ("localhost:6379", "'localhost:6379'"),
        ("http://localhost:6379/0", "'http://localhost:6379/0'"),
        ("redis://localhost:port", "'redis://localhost:...'"),
        ("redis://[::1", "'redis://[::1'"),
    ],
)
async def test_a_wrong_url_is_told_as_it_was_given(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        RedisBackend(url)


@pytest.mark.parametrize("url", [None, b"redis://:secret@localhost"])
async def test_what_is_no_text_is_no_url(url: Any) -> None:
    with pytest.raises(ValueError, match=f"url is a {type(url).__name__}, .*\nHint: redis://"):
        RedisBackend(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@localhost",
        "me:secret@localhost",
        "me:secret",
        "redis://me:secret",
        "redis://:secret",
        "redis://localhost:port/0?password=secret",
        "redis://me:secret\u2100@localhost",
        "redis://[secret]@localhost",
        "unix://me:secret@/path?db=x",
        "unix://me:sec/ret@/path?db=x",
    ],
)
async def test_a_wrong_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="no URL") as caught:
        RedisBackend(url)

    assert not re.search("sec/?ret", "".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://me:secret@localhost:6379/0", "redis://localhost:6379/0"),
        ("rediss://[::1]:6379", "rediss://[::1]:6379"),
        ("unix:///run/a@b.sock?db=1", "unix:///run/a@b.sock"),
    ],
)
async def test_a_backend_is_named_by_its_url_without_a_password(url: str, name: str) -> None:
    assert repr(RedisBackend(url)) == f"<RedisBackend {name}>"


@pytest.mark.parametrize("name", ["retention", "max_payload"])
@pytest.mark.parametrize("value", [0, 1.5, "5", None, True])
async def test_a_limit_that_is_no_positive_number_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(LimitError, match=f"{name}={value!r}: a whole number, more than 0"):
        RedisBackend("redis://localhost", **{name: value})


@pytest.mark.parametrize("prefix", ["", None, b"chat"])
async def test_a_prefix_is_text(prefix: Any) -> None:
    with pytest.raises(ValueError, match=f'prefix={prefix!r} .*\nHint: prefix="chat"'):
        RedisBackend("redis://localhost", prefix=prefix)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:secret/7@localhost",
        "redis://:1/secret@localhost",
        "redis://me:1#secret@localhost",
        "redis://me:1?secret@localhost",
    ],
)
async def test_a_password_that_has_to_be_quoted_is_not_told(url: str) -> None:
    with pytest.raises(ValueError, match=r"in a user or a password write / as %2F") as caught:
        RedisBackend(url)

    assert "secret" not in str(caught.value)


async def test_an_option_of_a_url_may_have_any_character() -> None:
    assert repr(RedisBackend("redis://localhost/0?client_name=me@home")).endswith("localhost/0>")


async def test_a_connection_that_cannot_be_ended_does_no_harm(
    bus: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    disconnect = ConnectionPool.disconnect

    async def fail(pool: Any) -> None:
        await disconnect(pool)
        raise TimeoutError  # as with TLS, where the server has to say goodbye too

    async with attached(bus, "a", "x"):
        await bus.publish("a", "x", b"!")
        monkeypatch.setattr(ConnectionPool, "disconnect", fail)
        await bus.stop("a")


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)

    with pytest.raises(ImportError, match=r"falcon-pachinko\[redis\]"):
        RedisBackend("redis://localhost")


async def test_who_subscribes_while_the_server_is_away_hears_it_later(
    bus: RedisBackend, valkey_server: RedisServer
) -> None:
    async with attached(bus, "a", "x") as a:
        await bus.publish("a", "x", b"before")
        await a.payloads(1)
        with valkey_server.paused():
            await bus.subscribe("a", "y")
        await until_well(bus, "a")
        await bus.publish("a", "y", b"after")

        assert (await a.payloads(2))[-1] == b"after"


async def test_who_cannot_subscribe_in_time_to_a_stream_hears_it_later(
    valkey_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = RedisBackend(valkey_server.url, recover=True)
    async with attached(bus, "a") as a:
        with monkeypatch.context() as broken:
            # The way to the place in the stream is another than that of the listener.
            broken.setattr(Redis, "xrevrange", _times_out)
            await bus.subscribe("a", "x")
        await a.until(lambda: a.interruptions)
        await bus.publish("a", "x", b"!")

        assert await a.payloads(1) == [b"!"]
        assert (await bus.health("a")).ok


async def _times_out(*_: Any, **__: Any) -> None:
    raise TimeoutError


async def test_a_start_that_is_cancelled_leaves_nothing(valkey_server: RedisServer) -> None:
    bus = RedisBackend(valkey_server.url)
    with valkey_server.paused():
        starting = asyncio.create_task(bus.start("a", print, print))
        await asyncio.wait({starting}, timeout=0.05)
        starting.cancel()
        await asyncio.wait({starting})

    async with attached(bus, "a", "x") as a:
        await bus.publish("a", "x", b"!")
        await a.payloads(1)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of those whose loop has ended
async def test_a_manager_that_nobody_stopped_starts_in_the_next_loop(
    valkey_server: RedisServer,
) -> None:
    manager = WebSocketConnectionManager(RedisBackend(valkey_server.url))
    run_in_thread(manager.start())
    await manager.send(All(), "!")
    gc.collect()

    assert manager.started
    await manager.stop()
