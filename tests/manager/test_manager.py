"""Sending to groups of connections, through a real app in memory."""

import asyncio
import gc
import math
import re
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import All
from falcon_pachinko import BackendError
from falcon_pachinko import CloseCodeError
from falcon_pachinko import Connection
from falcon_pachinko import EncodeError
from falcon_pachinko import install
from falcon_pachinko import Label
from falcon_pachinko import LimitError
from falcon_pachinko import Loss
from falcon_pachinko import ManagerError
from falcon_pachinko import PachinkoError
from falcon_pachinko import PayloadTooLargeError
from falcon_pachinko import Receipt
from falcon_pachinko import Room
from falcon_pachinko import Target
from falcon_pachinko import TargetError
from falcon_pachinko import UnknownConnectionError
from falcon_pachinko import User
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketRouter
from falcon_pachinko import WorkerController
from pytest_pachinko import Closed
from pytest_pachinko import LifespanFailed
from pytest_pachinko import MemoryTransport
from tests.loops import run as run_in_thread
from tests.manager.conftest import Do
from tests.manager.conftest import Member

pytestmark = pytest.mark.asyncio


class News(msgspec.Struct, tag="news"):
    text: str = ""


async def test_a_room_hears_what_is_sent_to_it(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/?room=tea") as ann, connect("/?room=ale") as bob:
        await manager.send(Room("tea"), News("hot"))

        assert await ann.receive(News) == News("hot")
        await bob.expect_silence()


async def test_a_user_hears_it_on_every_device(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/?user=ann") as phone, connect("/?user=ann") as desk, connect("/") as bob:
        await manager.send(User("ann"), News())

        await phone.receive(News)
        await desk.receive(News)
        await bob.expect_silence()


async def test_targets_compose(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with (
        connect("/?room=tea&user=ann") as ann,
        connect("/?room=tea&region=eu") as bob,
        connect("/?region=us") as joe,
    ):
        await manager.send((Room("tea") & ~User("ann")) | Label(region="us"), News())

        await ann.expect_silence()
        await bob.receive(News)
        await joe.receive(News)


async def test_who_is_excluded_hears_nothing(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/?user=ann") as ann, connect("/?user=bob") as bob, connect("/") as joe:
        member = manager.connections(User("ann"))[0]

        await manager.send(All(), News("1"), exclude=[member])
        await manager.send(All(), News("2"), exclude=[member, User("bob")])

        await ann.expect_silence()
        await bob.expect(News("1"))
        await joe.expect(News("1"), News("2"))


async def test_a_receipt_says_how_many_have_taken_it(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/?room=tea"), connect("/?room=tea"):
        receipt = await manager.send(Room("tea"), News())
        local = await manager.send(Room("tea"), News(), local=True)

    assert (receipt.node, receipt.sequence, receipt.taken) == ("here", 1, 2)
    assert (local.sequence, local.taken) == (None, 2)


async def test_what_connections_have_taken_is_counted_whoever_sends_it(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/"), connect("/"):
        await manager.send(All(), 1)
        await manager.send(All(), 2, local=True)
        member = manager.connections()[0]
        await member.send(3)
        await member.close()
        await member.send(4)

        assert manager.stats.taken == 5


async def test_everybody_of_a_target_is_disconnected(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/?room=tea") as ann, connect("/") as bob:
        await manager.send(Room("tea"), News("bye"))
        receipt = await manager.disconnect(Room("tea"), 4001, "closing time")

        await ann.receive(News)
        await ann.expect(Closed(4001, reason="closing time"))
        await bob.expect_silence()

    assert receipt.taken == 1


async def test_a_connection_sends_to_itself_and_closes_itself(connect: MemoryTransport) -> None:
    async with connect("/") as ann:
        await ann.send_json({"type": "do", "verb": "send", "arguments": ["hi"]})
        await ann.expect('"hi"', '["done",true]')
        await ann.send_json({"type": "do", "verb": "close", "arguments": [4002, "enough"]})
        await ann.expect(Closed(4002, reason="enough"))


async def test_a_connection_joins_and_leaves(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/") as ann:
        await ann.send_json({"type": "do", "verb": "join", "arguments": ["tea", "ale"]})
        await ann.receive()
        joined = manager.stats.rooms
        await ann.send_json({"type": "do", "verb": "leave", "arguments": ["tea"]})
        await ann.receive()

        assert (joined, manager.stats.rooms) == (2, 1)


async def test_a_connection_is_known_from_its_accept_to_its_goodbye(
    manager: WebSocketConnectionManager, connect: MemoryTransport, serving: Any
) -> None:
    async with connect("/?room=tea") as ann:
        assert manager.count == 1
        member = manager.connections()[0]
        await ann.close(4000)

    assert manager.count == 0
    assert manager.stats.rooms == 0
    assert member.rooms == {"tea"}


async def test_a_connection_is_gone_before_on_disconnect(
    manager: WebSocketConnectionManager, serving: Callable[..., MemoryTransport]
) -> None:
    resource: Any = type("Fresh", (Member,), {"ended": []})
    async with serving(manager, resource)("/") as ann:
        member = manager.connections()[0]
        await ann.close(4000)

    assert resource.ended == [(member.id, 0, 4000)]


@pytest.mark.parametrize("verb", ["join", "leave", "bind_user", "send", "close"])
async def test_an_ended_connection_is_an_error(
    verb: str, manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/"):
        member = manager.connections()[0]

    with pytest.raises(UnknownConnectionError, match="has ended"):
        result = getattr(member, verb)(*([] if verb == "close" else ["x"]))
        await result


@pytest.mark.parametrize("verb", ["send", "close"])
async def test_a_connection_in_another_thread_is_an_error(
    verb: str, manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/") as ann:
        result = getattr(manager.connections()[0], verb)(*([] if verb == "close" else ["x"]))
        with pytest.raises(
            BackendError, match=r"another thread.\nHint: asyncio.run_coroutine_thread"
        ):
            await asyncio.to_thread(asyncio.run, result)

        await ann.expect_silence()


@pytest.mark.parametrize("verb", ["send", "close", "manager.send", "manager.disconnect"])
async def test_a_connection_that_is_not_accepted_cannot_be_sent_to(
    verb: str, manager: WebSocketConnectionManager, serving: Callable[..., MemoryTransport]
) -> None:
    class Hasty(Member):
        async def on_connect(self, req: Any, ws: Any) -> bool:
            member = self.connection
            match verb:
                case "send":
                    await member.send("hi")
                case "close":
                    await member.close()
                case "manager.send":
                    await manager.send(member, "hi")
                case _:
                    await manager.disconnect(member)
            return True

    with pytest.raises(UnknownConnectionError, match="not accepted yet"):
        await serving(manager, Hasty).denied("/")

    assert manager.count == 0


async def test_a_connection_that_has_ended_is_no_target(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect:
        async with connect("/"):
            member = manager.connections()[0]

        with pytest.raises(UnknownConnectionError, match="has ended"):
            await manager.send(member, "hi")


async def test_a_connection_of_another_manager_is_no_target(
    manager: WebSocketConnectionManager, serving: Callable[..., MemoryTransport]
) -> None:
    other = WebSocketConnectionManager()
    async with serving(other)("/"):
        with pytest.raises(UnknownConnectionError, match="in this process, which has 0"):
            await manager.send(other.connections()[0], "hi")


@pytest.mark.parametrize("target", ["tea", None, Target()])
async def test_what_is_no_target_is_an_error(
    target: Any, manager: WebSocketConnectionManager
) -> None:
    with pytest.raises(TargetError, match="is no target"):
        await manager.send(target, News())

    assert manager.stats.refused == 1


@pytest.mark.parametrize("exclude", [Room("tea"), None, 5])
async def test_what_is_excluded_is_a_list_of_targets(
    exclude: Any, manager: WebSocketConnectionManager
) -> None:
    with pytest.raises(TargetError, match=r"is no list of targets.\nHint: exclude=\["):
        await manager.send(All(), News(), exclude=exclude)

    assert manager.stats.refused == 1


async def test_a_message_that_does_not_encode_is_an_error(
    manager: WebSocketConnectionManager,
) -> None:
    with pytest.raises(EncodeError, match="A object cannot be encoded"):
        await manager.send(All(), object())

    assert manager.stats.refused == 1


async def test_a_message_over_the_limit_is_an_error() -> None:
    manager = WebSocketConnectionManager(max_payload=10)

    with pytest.raises(
        PayloadTooLargeError, match="A str of 12 bytes: the limit is max_payload=10"
    ):
        await manager.send(All(), "0123456789")


@pytest.mark.parametrize("local", [True, False])
async def test_an_unknown_connection_is_an_error(
    *, local: bool, manager: WebSocketConnectionManager
) -> None:
    with pytest.raises(UnknownConnectionError, match="no connection 'ghost'"):
        await manager.send(Connection("ghost"), News(), local=local)
    with pytest.raises(UnknownConnectionError):
        manager.connection("ghost")


async def test_a_connection_is_found_by_its_id(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/") as ann:
        member = manager.connections()[0]
        await manager.send(Connection(member.id), News("1"))
        await manager.send(member, News("2"))

        await ann.expect(News("1"), News("2"))
        assert manager.connection(member.id) is member
        assert member.id in repr(member)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1006, ""), ("x", ""), (1000, "x" * 124), (1000, "\ud800"), (1000, None), (1000, b"x")],
)
async def test_a_close_that_cannot_be_sent_is_an_error(
    code: Any, reason: Any, manager: WebSocketConnectionManager
) -> None:
    with pytest.raises(CloseCodeError):
        await manager.disconnect(All(), code, reason)

    assert manager.stats.refused == 1


class Text(str):
    """A text as an application may have it."""

    __slots__ = ()


class Code(int):
    """A close code as an application may have it."""

    __slots__ = ()


async def test_a_code_may_be_any_kind_of_number_and_a_reason_any_kind_of_text(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/") as ann:
        await manager.disconnect(All(), Code(4003), Text("away"))

        await ann.expect(Closed(4003, reason="away"))


async def test_every_error_is_one_of_ours() -> None:
    for error in (CloseCodeError, EncodeError, TargetError, UnknownConnectionError):
        assert issubclass(error, PachinkoError)


async def test_a_loss_hook_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(loss: Loss) -> None:
        raise LookupError("planted")

    manager = WebSocketConnectionManager(on_loss=fail)
    manager._lose(Loss("x", "left", 1, 1))

    assert "on_loss failed" in caplog.text
    assert manager.stats.lost == 1


async def test_the_manager_starts_and_stops_with_the_lifespan(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect:
        assert manager.started
        assert (await manager.backend.health("here")).ok

    assert not manager.started
    assert repr(manager) == "<WebSocketConnectionManager here, 0 connections>"


async def test_without_a_lifespan_the_first_connection_starts_it(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with MemoryTransport(connect.app, lifespan=False)("/"):
        assert manager.started


async def test_without_a_connection_the_first_message_starts_it(
    manager: WebSocketConnectionManager,
) -> None:
    await manager.send(All(), News())
    started = manager.started
    await manager.start()
    await manager.stop()
    await manager.stop()

    assert started
    assert not manager.started


@pytest.mark.parametrize("verb", ["send", "disconnect"])
async def test_after_the_shutdown_an_order_starts_nothing(
    verb: str, manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect:
        pass

    with pytest.raises(BackendError, match=r"has stopped with its app.\nHint: send before"):
        await getattr(manager, verb)(All(), *([] if verb == "disconnect" else ["late"]))
    assert not manager.started
    assert not (await manager.backend.health("here")).ok


async def test_after_the_shutdown_a_connection_starts_nothing(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect:
        pass

    with pytest.raises(BackendError, match="has stopped with its app"):
        await MemoryTransport(connect.app, lifespan=False).denied("/")
    assert not manager.started


async def test_after_the_shutdown_it_can_be_started(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect:
        pass
    await manager.start()
    await manager.stop()
    await manager.send(All(), "hi")

    assert manager.started
    await manager.stop()


async def test_the_shutdown_of_an_event_loop_that_has_ended_does_not_matter(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async def live() -> None:
        async with MemoryTransport(connect.app):
            pass

    run_in_thread(live())
    await manager.send(All(), "hi")

    assert manager.started
    await manager.stop()


async def test_a_manager_of_two_apps_stops_with_the_last_one(
    manager: WebSocketConnectionManager, serving: Callable[..., MemoryTransport]
) -> None:
    async with serving(manager), serving(manager)("/") as ann:
        async with serving(manager):
            pass
        await manager.send(All(), "hi")

        await ann.expect('"hi"')
        assert manager.started
    assert not manager.started


async def test_a_manager_of_two_routers_of_an_app_stops_where_the_first_has_started_it(
    manager: WebSocketConnectionManager,
) -> None:
    between: list[bool] = []

    class Between:
        async def process_shutdown(self, scope: Any, event: Any) -> None:
            between.append(manager.started)

    app = falcon.asgi.App()
    for prefix in ("/a", "/b"):
        router = WebSocketRouter(manager=manager)
        router.add_route("/", Member)
        install(app, router, prefix=prefix)
        app.add_middleware(Between())
    async with MemoryTransport(app):
        pass

    assert between == [True, True]
    assert not manager.started


async def test_an_app_that_ended_without_a_shutdown_does_not_keep_a_manager(
    manager: WebSocketConnectionManager, serving: Callable[..., MemoryTransport]
) -> None:
    class Broken:
        async def process_startup(self, scope: Any, event: Any) -> None:
            raise LookupError("planted")

    broken = serving(manager)
    broken.app.add_middleware(Broken())
    with pytest.raises(LifespanFailed):
        await broken.__aenter__()
    async with serving(manager):
        assert manager.started

    assert not manager.started


async def test_a_shutdown_stops_a_manager_that_no_app_has_started(
    manager: WebSocketConnectionManager,
) -> None:
    await manager.start()
    await manager.process_shutdown({}, {})

    assert not manager.started


async def test_an_app_of_an_event_loop_that_has_ended_does_not_keep_a_manager(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    lifespans = []

    async def live() -> None:
        await manager.process_startup({}, {})
        await asyncio.Event().wait()

    def run_for_a_while() -> None:
        loop = asyncio.new_event_loop()
        lifespans.append(loop.create_task(live()))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    await asyncio.to_thread(run_for_a_while)
    async with connect:
        assert manager.started

    assert not lifespans[0].done()
    assert not manager.started


@pytest.mark.parametrize("behind", [True, False])
async def test_the_last_words_of_a_worker_are_sent_if_it_is_behind_the_manager(
    *, behind: bool, manager: WebSocketConnectionManager
) -> None:
    workers = WorkerController()
    words: list[Any] = []

    @workers.worker
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            words.append(manager.started)
            with suppress(BackendError):
                words.append(await manager.send(All(), "bye"))

    router = WebSocketRouter(manager=manager)
    router.add_route("/", Member)
    app = falcon.asgi.App(middleware=[] if behind else [workers])
    install(app, router)
    if behind:
        app.add_middleware(workers)
    async with MemoryTransport(app):
        await asyncio.sleep(0)

    assert words == ([True, Receipt("here", 1, 0)] if behind else [False])
    assert not manager.started


async def test_one_manager_serves_several_routes_of_an_app(
    manager: WebSocketConnectionManager,
) -> None:
    inner = WebSocketRouter()
    inner.add_route("/a", Member)
    inner.add_route("/b", Member)
    outer = WebSocketRouter(manager=manager)
    outer.include("/inner", inner)
    app = falcon.asgi.App()
    install(app, outer)
    connect = MemoryTransport(app)

    async with connect("/inner/a") as ann, connect("/inner/b") as bob:
        await manager.send(All(), News())

        await ann.receive(News)
        await bob.receive(News)


async def test_a_resource_without_a_manager_says_what_is_missing() -> None:
    with pytest.raises(ManagerError, match=r"Member\.manager: its router has no manager"):
        _ = Member().manager
    assert not hasattr(Member(), "connection")
    assert Member.connection is not None


class Leaving(Member):
    async def on_do(self, ws: Any, message: Do) -> None:
        raise falcon.WebSocketDisconnected


async def test_a_handler_that_means_to_end_the_connection_ends_it(
    manager: WebSocketConnectionManager, serving: Callable[..., MemoryTransport]
) -> None:
    async with serving(manager, Leaving)("/") as ann:
        await ann.send(Do("any"))
        await ann.expect(Closed(1000))


async def test_own_sends_fail_when_the_connection_has_ended(
    manager: WebSocketConnectionManager, serving: Callable[..., MemoryTransport]
) -> None:
    failed = []

    class Late(Member):
        async def on_disconnect(self, ws: Any, close_code: int) -> None:
            try:
                await self.send("late")
            except falcon.WebSocketDisconnected as error:
                failed.append(error.code)

    async with serving(manager, Late)("/") as ann:
        await ann.close(4000)

    assert failed == [4000]


async def test_ended_connections_are_forgotten(
    manager: WebSocketConnectionManager, connect: MemoryTransport
) -> None:
    async with connect("/?room=tea&user=ann"):
        await manager.send(All(), News())
        member = weakref.ref(manager.connections()[0])
    gc.collect()

    assert member() is None


async def test_who_is_refused_was_never_there(
    manager: WebSocketConnectionManager, serving: Callable[..., MemoryTransport]
) -> None:
    class Refusing(Member):
        async def on_connect(self, req: Any, ws: Any) -> bool:
            self.connection.join("tea")
            return False

    await serving(manager, Refusing).denied("/")

    assert (manager.count, manager.stats.rooms) == (0, 0)


async def test_an_id_is_nobody_elses_when_a_manager_of_that_name_is_made_again(
    serving: Callable[..., MemoryTransport],
) -> None:
    ids = set()
    for _ in range(2):
        manager = WebSocketConnectionManager(node="web")
        async with serving(manager) as connect, connect("/"):
            ids |= {member.id for member in manager.connections()}

    assert len(ids) == 2
    assert all(name.startswith("web-") for name in ids)


@pytest.mark.parametrize("node", [4711, b"web", "", "\ud800"])
async def test_a_name_that_no_message_can_carry_is_an_error(node: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"^node={re.escape(repr(node))} .*\nHint: .*node=\"web-1"
    ):
        WebSocketConnectionManager(node=node)


async def test_a_name_may_be_any_kind_of_text(serving: Callable[..., MemoryTransport]) -> None:
    manager = WebSocketConnectionManager(node=Text("web"))
    async with serving(manager) as connect, connect("/") as ann:
        await manager.send(All(), News())

        await ann.expect(News())


@pytest.mark.parametrize("name", ["max_payload", "heartbeat"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "5", None, True])
async def test_a_limit_that_is_no_positive_number_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(LimitError, match=f"{name}={value!r}: .* more than 0"):
        WebSocketConnectionManager(**{name: value})


async def test_a_url_is_no_backend_and_its_password_is_not_told() -> None:
    with pytest.raises(ValueError, match=r"is a str, .*\nHint: RedisBackend\(") as caught:
        WebSocketConnectionManager("redis://:secret@localhost")  # type: ignore[arg-type]

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["on_loss", "on_gap"])
async def test_what_cannot_be_called_is_no_hook(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}='log' cannot be called"):
        WebSocketConnectionManager(**{name: "log"})  # type: ignore[arg-type]
