"""A small protocol, and applications that speak it."""

from __future__ import annotations

from typing import Annotated
from typing import Any

import falcon.asgi
from msgspec import Meta
from msgspec import Struct

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter


class Join(Struct, tag="join"):
    nick: Annotated[str, Meta(max_length=10)]


class Say(Struct, tag="say"):
    text: str


class Said(Struct, tag="said"):
    text: str


def app_with(resource: type[WebSocketResource], path: str = "/chat") -> Any:
    """Make an application with one resource."""
    router = WebSocketRouter()
    router.add_route(path, resource)
    app = falcon.asgi.App()
    install(app, router)
    return app


def make(on_say: Any = None, path: str = "/chat", **members: Any) -> Any:
    """Make an application whose resource does this with what is said."""

    async def on_join(self: Any, ws: Any, message: Join) -> None:
        await self.send(Said(f"hello {message.nick}"))

    async def echo(self: Any, ws: Any, message: Say) -> None:
        await self.send(Said(message.text))

    async def on_connect(self: Any, req: Any, ws: Any, **params: Any) -> bool:
        return True

    namespace = {
        "schema": Join | Say,
        "emits": Said,
        "on_connect": on_connect,
        "on_join": on_join,
        "on_say": on_say or echo,
    }
    resource: Any = type("Chatty", (WebSocketResource,), namespace | members)
    return app_with(resource, path)
