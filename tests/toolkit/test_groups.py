"""Finding the manager of an application, and another backend in the place of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import falcon
import falcon.asgi
import pytest

from falcon_pachinko import All
from falcon_pachinko import Connection
from falcon_pachinko import install
from falcon_pachinko import MemoryBackend
from falcon_pachinko import UnknownConnectionError
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import FaultyBackend
from pytest_pachinko import manager_of
from pytest_pachinko import MemoryTransport
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Stalled
from pytest_pachinko.groups import replace_backend
from pytest_pachinko.groups import start_apart
from tests.manager.conftest import Member

pytestmark = pytest.mark.asyncio


class InRoom(Member):
    async def on_connect(self, req: Any, ws: Any, room: str = "") -> bool:
        return True

    async def on_disconnect(self, ws: Any, close_code: int) -> None: ...


def router_of(manager: Any = None, path: str = "/") -> WebSocketRouter:
    router = WebSocketRouter(manager=manager)
    router.add_route(path, InRoom)
    return router


def app_of(**managers: Any) -> Any:
    """Return an app with a route and a manager for each name."""
    app = falcon.asgi.App()
    for name, manager in managers.items():
        install(app, router_of(manager, "/{room}"), prefix=f"/{name}")
    return app


async def test_the_manager_of_an_application_is_found() -> None:
    manager = WebSocketConnectionManager()

    assert manager_of(app_of(chat=manager)) is manager


async def test_a_manager_is_found_inside_of_middleware() -> None:
    class Middleware:
        def __init__(self, app: Any) -> None:
            self.app = app

    manager = WebSocketConnectionManager()

    assert manager_of(Middleware(app_of(chat=manager))) is manager


async def test_an_included_router_has_the_manager_of_the_nearest_one() -> None:
    outer, inner = WebSocketConnectionManager(), WebSocketConnectionManager()
    router = router_of(outer)
    router.include("/plain", router_of())
    router.include("/own", router_of(inner))
    app = falcon.asgi.App()
    install(app, router)

    assert [manager_of(app, path) for path in ("/", "/plain", "/own")] == [outer, outer, inner]


async def test_a_router_that_is_a_resource_has_a_manager_too() -> None:
    manager = WebSocketConnectionManager()
    app = falcon.asgi.App()
    app.add_route("/ws", router_of(manager))

    assert manager_of(app) is manager


@pytest.mark.parametrize("app", [app_of(chat=None), falcon.asgi.App(), lambda: None])
async def test_an_application_without_a_manager_says_so(app: Any) -> None:
    with pytest.raises(PachinkoUsageError, match=r"has no WebSocketConnectionManager\.\nHint"):
        manager_of(app)


async def test_of_several_managers_one_is_chosen_by_a_route() -> None:
    chat, news = WebSocketConnectionManager(node="c"), WebSocketConnectionManager(node="n")
    app = app_of(chat=chat, news=news)

    assert manager_of(app, "/chat/{room}") is chat
    assert manager_of(app, "/news/today") is news


async def test_of_several_managers_one_has_to_be_chosen() -> None:
    chat, news = WebSocketConnectionManager(node="c"), WebSocketConnectionManager(node="n")

    with pytest.raises(PachinkoUsageError) as failed:
        manager_of(app_of(chat=chat, news=news))

    lines = str(failed.value).splitlines()
    assert lines[0].endswith("has 2 managers:")
    assert lines[1:3] == [
        "  /chat/{room}: <WebSocketConnectionManager c, 0 connections>",
        "  /news/{room}: <WebSocketConnectionManager n, 0 connections>",
    ]
    assert '@pytest.mark.pachinko(manager="/chat/{room}")' in lines[3]


@pytest.mark.parametrize("route", ["/nothing", "/http", 7])
async def test_a_route_without_a_manager_chooses_none(route: Any) -> None:
    app = app_of(chat=WebSocketConnectionManager())
    app.add_route("/http", object())

    with pytest.raises(PachinkoUsageError, match=r"is no route with a manager.\nHint: these are: "):
        manager_of(app, route)


async def test_another_backend_is_put_behind_a_manager_and_taken_away() -> None:
    manager = WebSocketConnectionManager()
    before = manager.backend
    app = app_of(chat=manager)
    backend = FaultyBackend()

    undo = replace_backend(app, backend)
    async with MemoryTransport(app) as connect, connect("/chat/tea") as ann:
        await manager.send(All(), 1)
        await ann.expect("1")
    undo()

    assert backend.counts["published"] == 3  # and a beat at the beginning, and one at the end
    assert manager.backend is before


async def test_a_manager_on_another_backend_knows_that_there_may_be_others() -> None:
    manager = WebSocketConnectionManager()
    undo = replace_backend(app_of(chat=manager), FaultyBackend())

    await manager.send(Connection("elsewhere"), 1)
    await manager.stop()
    undo()

    with pytest.raises(UnknownConnectionError):
        await manager.send(Connection("elsewhere"), 1)


async def test_putting_the_same_backend_there_again_does_nothing() -> None:
    manager, backend = WebSocketConnectionManager(), FaultyBackend()
    app = app_of(chat=manager)
    replace_backend(app, backend)

    replace_backend(app, backend)()

    assert manager.backend is backend


async def test_managers_of_one_backend_share_the_new_one() -> None:
    bus, backend = MemoryBackend(), FaultyBackend()
    chat, news = WebSocketConnectionManager(bus), WebSocketConnectionManager(bus)

    undo = replace_backend(app_of(chat=chat, news=news), backend)
    assert chat.backend is news.backend is backend
    undo()

    assert chat.backend is news.backend is bus


async def test_managers_of_other_backends_get_others() -> None:
    chat, news = WebSocketConnectionManager(), WebSocketConnectionManager()
    before, backend = news.backend, FaultyBackend()

    replace_backend(app_of(chat=chat, news=news), backend, "/chat/{room}")

    assert chat.backend is backend
    assert news.backend not in (before, backend)


async def test_of_several_backends_one_has_to_be_chosen() -> None:
    app = app_of(chat=WebSocketConnectionManager(), news=WebSocketConnectionManager())

    with pytest.raises(PachinkoUsageError, match="has 2 managers on different backends"):
        replace_backend(app, FaultyBackend())


async def test_an_application_without_a_manager_has_no_backend() -> None:
    with pytest.raises(PachinkoUsageError, match="has no WebSocketConnectionManager"):
        replace_backend(app_of(chat=None), FaultyBackend())


async def test_the_backend_of_a_manager_that_has_started_stays() -> None:
    bus = MemoryBackend()
    first, second = WebSocketConnectionManager(bus), WebSocketConnectionManager(bus)
    await second.start()

    with pytest.raises(PachinkoUsageError, match="it has started"):
        replace_backend(app_of(a=first, b=second), FaultyBackend())

    assert first.backend is second.backend is bus


class Ticking(MemoryBackend):
    """A backend that has a heartbeat."""

    async def start(self, node: str, deliver: Any, interrupted: Any) -> None:
        await super().start(node, deliver, interrupted)
        self.task = asyncio.create_task(self.tick())

    async def stop(self, node: str) -> None:
        self.task.cancel()
        await super().stop(node)

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(0.5)


async def test_the_heartbeat_of_a_manager_that_a_test_starts_moves_no_time() -> None:
    manager = WebSocketConnectionManager(Ticking())
    undo = start_apart(manager)
    async with MemoryTransport(app_of(chat=None), lifespan=False) as connect:
        async with connect("/chat/tea") as ann:
            await manager.send(All(), 1)
            started = asyncio.get_running_loop().time()
            with pytest.raises(Stalled):
                await ann.receive()

            assert asyncio.get_running_loop().time() == started
        await manager.stop()
    undo()

    assert "start" not in vars(manager)
