"""The risks of WebSockets, one by one, and what the runtime does about each."""

import ast
import asyncio
import json
import logging
import pickle
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import falcon
import falcon.asgi
import msgspec
import pytest

import falcon_pachinko
from falcon_pachinko import All
from falcon_pachinko import ConnectionLimits
from falcon_pachinko import HandlerError
from falcon_pachinko import install
from falcon_pachinko import InvalidMessage
from falcon_pachinko import MemoryBackend
from falcon_pachinko import OriginPolicy
from falcon_pachinko import Room
from falcon_pachinko import User
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.inbox import MAX_UNREAD
from falcon_pachinko.manager.frames import decode
from falcon_pachinko.manager.manager import TOPIC
from pytest_pachinko import Closed
from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from pytest_pachinko import SessionClosed
from pytest_pachinko.clock import VirtualClock

pytestmark = pytest.mark.asyncio

SECRET = "hunter2-secret"  # noqa: S105 - it is none
TICKETS = {"t-ann": "ann", "t-bob": "bob"}


class Join(msgspec.Struct, tag="join"):
    room: str


class Say(msgspec.Struct, tag="say"):
    text: str = ""
    user: str = ""
    extra: Any = None


class Chat(WebSocketResource):
    """Knows its user by the ticket of the handshake; ``log`` is what has happened."""

    schema = Join | Say
    log: list[Any]

    async def on_connect(self, req: Any, ws: Any) -> bool:
        user = TICKETS.get(req.get_header("authorization", default=""))
        if user is None:
            raise falcon.HTTPUnauthorized
        self.connection.bind_user(user)
        return True

    async def on_join(self, ws: Any, message: Join) -> None:
        if message.room == "staff" and self.connection.user != "ann":
            await ws.close(4403, "not allowed")
            return
        self.connection.join(message.room)
        await self.send(message)

    async def on_say(self, ws: Any, message: Say) -> None:
        if message.text == "crash":
            raise ValueError(f"could not connect to {SECRET}@db.internal")
        self.log.append((self.connection.user, message.text))
        await self.send(Say(message.text))

    async def on_invalid(self, ws: Any, message: Any, error: InvalidMessage) -> None:
        self.log.append(error.reason)


@pytest.fixture
def log() -> list[Any]:
    return []


@pytest.fixture
def manager() -> WebSocketConnectionManager:
    return WebSocketConnectionManager()


def serve(resource: Any, manager: WebSocketConnectionManager, *hooks: Any) -> MemoryTransport:
    router = WebSocketRouter(manager=manager)
    for hook in hooks:
        router.around_connection(hook)
    router.add_route("/", resource)
    app = falcon.asgi.App()
    install(app, router)
    return MemoryTransport(app)


@pytest.fixture
def resource(log: list[Any]) -> type[Chat]:
    return type("Sub", (Chat,), {"log": log})


@pytest.fixture
def connect(resource: type[Chat], manager: WebSocketConnectionManager) -> MemoryTransport:
    return serve(resource, manager)


ANN = {"authorization": "t-ann"}
BOB = {"authorization": "t-bob"}


# Cross-site hijacking.


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://chat.example.evil.example", "*", ""]
)
async def test_a_page_of_another_site_does_not_connect_with_the_cookies_of_a_user(
    resource: type[Chat], manager: WebSocketConnectionManager, log: list[Any], origin: str
) -> None:
    asked: list[Any] = []

    @asynccontextmanager
    async def authentication(context: Any) -> Any:
        asked.append(context)
        yield

    connect = serve(resource, manager, OriginPolicy("https://chat.example"), authentication)

    await connect.denied("/", headers={**ANN, "origin": origin})

    assert asked == []  # refused before anything else, and before accept
    async with connect("/", headers={**ANN, "origin": "https://chat.example"}):
        pass


# Authentication.


async def test_who_is_not_known_is_refused_in_the_handshake(connect: MemoryTransport) -> None:
    await connect.denied("/", status=401)


async def test_a_message_cannot_change_who_somebody_is(
    connect: MemoryTransport, manager: WebSocketConnectionManager, log: list[Any]
) -> None:
    async with connect("/", headers=BOB) as session:
        await session.send(Say("hi", user="ann"))
        await session.receive(Say)

        assert manager.connections(User("ann")) == ()
    assert log == [("bob", "hi")]


async def test_a_connection_ends_with_the_ticket_that_let_it_in(
    resource: type[Chat], manager: WebSocketConnectionManager, websocket_clock: VirtualClock
) -> None:
    @asynccontextmanager
    async def expiring(context: Any) -> Any:
        loop = asyncio.get_running_loop()
        connection = context.resource.connection
        close = lambda: asyncio.ensure_future(connection.close(4401, "expired"))  # noqa: E731
        timer = loop.call_later(3600, close)
        try:
            yield
        finally:
            timer.cancel()

    connect = serve(resource, manager, expiring)

    async with connect("/", headers=ANN) as session:
        await websocket_clock.advance(3599)
        await session.expect_silence()
        await websocket_clock.advance(1)
        await session.expect(Closed(4401, reason="expired"))


async def test_every_connection_of_a_user_can_be_ended(
    connect: MemoryTransport, manager: WebSocketConnectionManager
) -> None:
    async with connect("/", headers=ANN) as one, connect("/", headers=ANN) as two:
        await manager.disconnect(User("ann"), 4401, "logged out")

        await one.expect(Closed(4401))
        await two.expect(Closed(4401))


async def test_who_may_connect_may_not_join_every_room(
    connect: MemoryTransport, manager: WebSocketConnectionManager
) -> None:
    async with connect("/", headers=ANN) as ann, connect("/", headers=BOB) as bob:
        await ann.send(Join("staff"))
        await ann.receive(Join)
        await bob.send(Join("staff"))
        await bob.expect(Closed(4403))

        assert [each.user for each in manager.connections(Room("staff"))] == ["ann"]


async def test_a_handshake_does_not_stay_open_for_ever(
    resource: type[Chat], manager: WebSocketConnectionManager, websocket_clock: VirtualClock
) -> None:
    class Slow(resource):  # type: ignore[valid-type, misc]
        limits = ConnectionLimits(accept_timeout=10)

        async def on_connect(self, req: Any, ws: Any) -> bool:
            await asyncio.Event().wait()
            return True

    refusal = asyncio.create_task(serve(Slow, manager).denied("/", status=503))
    await websocket_clock.advance(10)
    await refusal


async def test_a_credential_among_the_subprotocols_is_neither_echoed_nor_logged(
    manager: WebSocketConnectionManager, caplog: pytest.LogCaptureFixture
) -> None:
    class Spoken(WebSocketResource):
        schema = Say
        subprotocols = ("chat.v1",)

        async def on_say(self, ws: Any, message: Say) -> None: ...

    class Strict(Spoken):
        required_subprotocol = True

    caplog.set_level(logging.DEBUG)
    router = WebSocketRouter(manager=manager)
    router.add_route("/", Spoken)
    router.add_route("/strict", Strict)
    app = falcon.asgi.App()
    install(app, router)
    connect = MemoryTransport(app)

    async with connect("/", subprotocols=[SECRET, "chat.v1"]) as session:
        assert session.subprotocol == "chat.v1"
        assert SECRET not in str(session.response_headers)
    async with connect("/", subprotocols=[SECRET]) as session:
        assert session.subprotocol is None
    answer = await connect.denied("/strict", subprotocols=[SECRET])

    assert SECRET not in str(answer)
    assert SECRET not in caplog.text


# Size, and bombs.


async def test_a_message_is_measured_before_it_is_decoded(
    resource: type[Chat], manager: WebSocketConnectionManager, log: list[Any]
) -> None:
    class Small(resource):  # type: ignore[valid-type, misc]
        limits = ConnectionLimits(max_message=1024)

    async with serve(Small, manager)("/", headers=ANN) as session:
        await session.send("[" * 1_000_000)
        await session.expect(Closed(1009))

    assert log == []


@pytest.mark.parametrize("protocol", ["websockets-sansio", "wsproto"])
async def test_a_bomb_is_stopped_by_the_limit_of_the_server(
    connect: MemoryTransport, log: list[Any], protocol: str
) -> None:
    async with LiveServer(connect.app, ws=protocol, ws_max_size=65536) as server:
        async with server.client(compression="deflate").connect("/", headers=ANN) as session:
            assert session.compression
            await session.send(Say("x" * 10_000_000))
            await session.expect(Closed(1009))

    assert log == []


# JSON.


async def test_nested_brackets_are_no_crash(connect: MemoryTransport, log: list[Any]) -> None:
    async with connect("/", headers=ANN) as session:
        for depth in (1_000, 100_000):
            for opening, closing in (("[", "]"), ('{"a":', "}")):
                nested = f"{opening * depth}1{closing * depth}"
                await session.send(nested)
                await session.send(f'{{"type":"say","unknown":{nested}}}')
                await session.send(f'{{"type":"say","extra":{nested}}}')
        await session.send(Say("still here"))
        while await session.receive(Say) != Say("still here"):
            pass

    assert log[-1] == ("ann", "still here")
    assert "too_deep" in log
    assert "schema_error" not in log
    assert len(log) == 13


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "null",
        "[]",
        "NaN",
        '{"type":"say","text":1}',
        '{"type":"say","text":"\\ud800"}',
        '{"type":"say"} {"type":"say"}',
        b"\xff",
        b"\x00",
        '{"type":"say","extra":1e999}',
        "9" * 100_000,
    ],
)
async def test_what_is_no_message_is_not_handled_and_ends_nothing(
    connect: MemoryTransport, log: list[Any], frame: Any
) -> None:
    async with connect("/", headers=ANN) as session:
        await session.send(frame)
        await session.send(Say("still here"))
        await session.receive(Say)

    assert len(log) == 2
    assert isinstance(log[0], str)


async def test_a_message_with_two_tags_is_of_neither(
    connect: MemoryTransport, log: list[Any], manager: WebSocketConnectionManager
) -> None:
    async with connect("/", headers=BOB) as session:
        for pair in ('"type":"say","type":"join"', '"type":"join","type":"say"'):
            await session.send(f'{{{pair},"room":"tea"}}')
        await session.expect_silence()

        assert manager.connections(Room("tea")) == ()
    assert log == ["validation", "validation"]


# Tag confusion.


@pytest.mark.parametrize(
    "tag",
    [
        "connect",
        "disconnect",
        "invalid",
        "unhandled",
        "on_say",
        "Say",
        "SAY",
        "sAy",
        " say",
        "say\x00",
        "s-a-y",
        "__init__",
        "__class__",
        "accept",
        "send",
        "_conversation",
        "",
        0,
        True,
        None,
        ["say"],
        {"say": 1},
    ],
)
async def test_what_a_client_names_is_never_looked_up(
    connect: MemoryTransport, log: list[Any], tag: Any
) -> None:
    async with connect("/", headers=ANN) as session:
        await session.send(json.dumps({"type": tag, "text": "x", "room": "x"}))
        await session.expect_silence()

    assert log in (["unknown_tag"], ["validation"])


@pytest.mark.parametrize("tag", ["connect", "disconnect", "invalid", "unhandled"])
async def test_a_tag_does_not_make_a_method_of_the_lifecycle_a_handler(tag: str) -> None:
    message = msgspec.defstruct("M", [], tag=tag)
    resource = type("R", (WebSocketResource,), {"schema": message})

    with pytest.raises(HandlerError, match="no handler for"):
        WebSocketRouter().add_route("/", resource)


async def test_only_names_of_the_table_are_looked_up_as_attributes() -> None:
    """``getattr`` with a name that is no constant is how a client would get to choose."""
    package = Path(falcon_pachinko.__file__).parent
    found = {
        ast.unparse(node.args[1])
        for path in package.rglob("*.py")
        if path.name in ("conversation.py", "inbox.py", "resource.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr"
        if not isinstance(node.args[1], ast.Constant)
    }

    assert found == {"name"}  # conversation.py: what the table has for the type of the message


# Floods.


async def test_a_flood_is_stopped(
    resource: type[Chat], manager: WebSocketConnectionManager, log: list[Any]
) -> None:
    class Limited(resource):  # type: ignore[valid-type, misc]
        limits = ConnectionLimits(messages_per_second=2, burst=5)

    async with serve(Limited, manager)("/", headers=ANN) as session:
        for _ in range(100):
            if not session.closed:
                await session.send(Say("spam"))
        with pytest.raises(SessionClosed) as ended:
            while True:
                await session.receive(Say)

    assert ended.value.code == 1008
    assert len(log) == 10


async def test_several_connections_of_one_user_are_no_way_around_a_rate(
    resource: type[Chat],
) -> None:
    manager = WebSocketConnectionManager(max_connections_per_user=1)
    connect = serve(resource, manager)

    async with connect("/", headers=ANN):
        await connect.denied("/", status=429, headers=ANN)


async def test_connections_of_a_process_are_bounded(resource: type[Chat]) -> None:
    connect = serve(resource, WebSocketConnectionManager(max_connections=1))

    async with connect("/", headers=ANN):
        await connect.denied("/", status=503, headers=BOB)


async def test_what_a_busy_handler_has_not_read_is_bounded(
    resource: type[Chat], manager: WebSocketConnectionManager, pipe: Any
) -> None:
    class Busy(resource):  # type: ignore[valid-type, misc]
        async def on_connect(self, req: Any, ws: Any) -> bool:
            return True

        async def on_say(self, ws: Any, message: Say) -> None:
            await asyncio.Event().wait()

    connection = pipe(serve(Busy, manager).app)
    connection.push_text(*(['{"type":"say"}'] * 1000))
    for _ in range(2000):
        await asyncio.sleep(0)

    taken = 1000 - len(connection._events)
    connection.task.cancel()
    await asyncio.wait([connection.task])

    assert taken <= MAX_UNREAD + 2  # one is with the handler, and one in the reader's hand


async def test_what_a_slow_peer_has_not_read_is_bounded(resource: type[Chat]) -> None:
    manager = WebSocketConnectionManager(max_bytes=2_000_000, max_payload=2_000_000)
    connect = serve(resource, manager)
    async with connect("/", headers=ANN):
        for _ in range(20):
            await manager.send(All(), "x" * 1_000_000)

        assert manager.stats.evicted == 1


# The bus.


class Wiretap(MemoryBackend):
    """Keeps what is published."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, bytes]] = []

    async def publish(self, node: str, topic: str, payload: bytes) -> None:
        self.heard.append((topic, payload))
        await super().publish(node, topic, payload)


class Planted:
    """Would run code, if somebody unpickled it."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a payload of the bus was unpickled",))


async def test_what_managers_say_is_typed_and_has_a_version(resource: type[Chat]) -> None:
    backend = Wiretap()
    manager = WebSocketConnectionManager(backend)
    await manager.send(Room("tea"), "hi")

    for _, payload in backend.heard:
        assert decode(payload).version == 1
        assert msgspec.msgpack.decode(payload)[0] == 1
        with pytest.raises(pickle.UnpicklingError):
            pickle.loads(payload)  # noqa: S301 - that is the point
    await manager.stop()


async def test_a_pickle_on_the_bus_is_garbage() -> None:
    backend = MemoryBackend()
    manager = WebSocketConnectionManager(backend)
    await manager.start()
    await backend.start("stranger", lambda topic, payload: None, lambda: None)

    await backend.publish("stranger", TOPIC, pickle.dumps(Planted()))

    assert manager.stats.garbage == 1
    await manager.stop()


async def test_no_module_of_the_runtime_can_run_what_it_is_sent() -> None:
    package = Path(falcon_pachinko.__file__).parent
    names = {
        node.id if isinstance(node, ast.Name) else alias
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for alias in _names(node)
    }

    assert not names & {"pickle", "marshal", "shelve", "eval", "exec", "__import__"}


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.Name):
        yield node.id


async def test_managers_have_names_that_nobody_guesses() -> None:
    names = {WebSocketConnectionManager().node for _ in range(100)}

    assert len(names) == 100
    assert {len(name) for name in names} == {16}


@pytest.mark.parametrize(
    "room", ["*", "orders", "a:b", "\r\nPUBLISH", "\x00", "\ud800", "x" * 9999]
)
async def test_the_name_of_a_room_is_no_topic(resource: type[Chat], room: str) -> None:
    backend = Wiretap()
    manager = WebSocketConnectionManager(backend)
    connect = serve(resource, manager)

    async with connect("/", headers=ANN) as ann, connect("/", headers=BOB) as bob:
        for member in manager.connections(User("ann")):
            member.join(room)
        await manager.send(Room(room), "psst")

        await ann.expect('"psst"')
        await bob.expect_silence()
    assert {topic for topic, _ in backend.heard} == {TOPIC}


# Leaks, and storms.


async def test_an_error_says_nothing_of_itself_to_the_client(connect: MemoryTransport) -> None:
    async with connect("/", headers=ANN, raise_app_exceptions=False) as session:
        await session.send(Say("crash"))
        await session.expect(Closed(1011))

        assert SECRET not in str(session.close_reason)
        assert len(str(session.close_reason).encode()) <= 123


async def test_an_error_in_the_handshake_says_nothing_of_itself(
    resource: type[Chat], manager: WebSocketConnectionManager
) -> None:
    class Crashing(resource):  # type: ignore[valid-type, misc]
        async def on_connect(self, req: Any, ws: Any) -> bool:
            raise ValueError(SECRET)

    answer = await serve(Crashing, manager).denied("/", raise_app_exceptions=False)

    assert SECRET not in str(answer)


async def test_what_a_client_sends_is_not_logged(
    manager: WebSocketConnectionManager, caplog: pytest.LogCaptureFixture
) -> None:
    class Quiet(WebSocketResource):
        schema = Say
        limits = ConnectionLimits(max_message=100)

        async def on_say(self, ws: Any, message: Say) -> None: ...

    caplog.set_level(logging.DEBUG)
    async with serve(Quiet, manager)("/") as session:
        await session.send(SECRET)
        await session.send(json.dumps({"type": SECRET}))
        await session.expect_silence()
        await session.send(SECRET * 100)
        await session.expect(Closed(1009))

    assert "were not handled" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (ConnectionLimits(max_message=3), 1009),
        (ConnectionLimits(bytes_per_second=3), 1008),
        (ConnectionLimits(bytes_per_second=100, burst=0.1), 1008),
    ],
)
async def test_a_limit_tells_no_numbers(
    resource: type[Chat], manager: WebSocketConnectionManager, limits: Any, code: int
) -> None:
    connect = serve(type("Sub", (resource,), {"limits": limits}), manager)

    async with connect("/", headers=ANN) as session:
        await session.send(Say("x" * 100))
        await session.expect(Closed(code))

        assert session.close_reason in ("message too big", "too many messages")


async def test_who_is_sent_away_does_not_come_back_with_all_others(
    resource: type[Chat],
) -> None:
    connect = serve(resource, WebSocketConnectionManager(max_connections=1))
    async with connect("/", headers=ANN):
        answers = [await connect.denied("/", status=503) for _ in range(50)]

    assert len({answer.headers["retry-after"] for answer in answers}) > 3
