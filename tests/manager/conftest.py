"""A chat that does what it is told, and connections to it."""

from collections.abc import Callable
from typing import Any
from typing import ClassVar

import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import install
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import MemoryTransport


class Do(msgspec.Struct, tag="do"):
    """Call a method of ``self.connection``, and answer when it is done."""

    verb: str
    arguments: list[Any] = []
    labels: dict[str, Any] = {}


class Member(WebSocketResource):
    """In the room of its query, as its user, from the handshake on."""

    schema = Do
    ended: ClassVar[list[Any]] = []

    async def on_connect(self, req: Any, ws: Any) -> bool:
        self.connection.join(*req.get_param_as_list("room", default=[]))
        self.connection.bind_user(req.get_param("user"))
        self.connection.tag(region=req.get_param("region"))
        return True

    async def on_do(self, ws: Any, message: Do) -> None:
        result = getattr(self.connection, message.verb)(*message.arguments, **message.labels)
        if hasattr(result, "__await__"):
            result = await result
        await self.send(["done", result])

    async def on_disconnect(self, ws: Any, close_code: int) -> None:
        self.ended.append((self.connection.id, self.manager.count, close_code))


def serve(manager: WebSocketConnectionManager, resource: Any = Member) -> MemoryTransport:
    router = WebSocketRouter(manager=manager)
    router.add_route("/", resource)
    app = falcon.asgi.App()
    install(app, router)
    return MemoryTransport(app)


@pytest.fixture
def manager() -> WebSocketConnectionManager:
    return WebSocketConnectionManager(node="here")


@pytest.fixture
def connect(manager: WebSocketConnectionManager) -> MemoryTransport:
    return serve(manager)


@pytest.fixture
def serving() -> Callable[..., MemoryTransport]:
    return serve
