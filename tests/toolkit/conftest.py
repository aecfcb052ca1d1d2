"""What the tests of the toolkit share: small applications, and sessions to them."""

from __future__ import annotations

from collections.abc import Awaitable
from collections.abc import Callable
from typing import Any

import falcon.asgi
import pytest

from pytest_pachinko import MemoryTransport

Handler = Callable[[Any, Any], Awaitable[None]]


def _app_of(handler: Handler) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        await handler(receive, send)

    return app


@pytest.fixture
def app_of() -> Callable[[Handler], Any]:
    """Make a raw ASGI app of ``handler(receive, send)``, which finds its connection accepted."""
    return _app_of


@pytest.fixture
def talk_to() -> Callable[..., Any]:
    """Open a session to ``handler(receive, send)``, which finds its connection accepted."""

    def talk_to(handler: Handler, path: str = "/", *, timeout: float = 1.0, **options: Any) -> Any:
        return MemoryTransport(_app_of(handler), timeout=timeout)(path, **options)

    return talk_to


@pytest.fixture
def falcon_app() -> Callable[..., Any]:
    """Make a Falcon app whose resource at ``/`` is ``on_websocket(req, ws)``."""

    def falcon_app(on_websocket: Callable[[Any, Any], Awaitable[None]]) -> Any:
        class Resource:
            async def on_websocket(self, req: Any, ws: Any) -> None:
                await on_websocket(req, ws)

        app = falcon.asgi.App()
        app.add_route("/", Resource())
        return app

    return falcon_app


@pytest.fixture
def echo() -> Handler:
    """Send every frame back until the peer leaves."""

    async def echo(receive: Any, send: Any) -> None:
        while (event := await receive())["type"] == "websocket.receive":
            await send(event | {"type": "websocket.send"})

    return echo


@pytest.fixture
def idle() -> Handler:
    """Read until the peer leaves, and say nothing."""

    async def idle(receive: Any, send: Any) -> None:
        while (await receive())["type"] == "websocket.receive":
            pass

    return idle


@pytest.fixture
def says() -> Callable[..., Handler]:
    """Send events, and then read until the peer leaves or the application has closed."""

    def says(*frames: Any) -> Handler:
        async def say(receive: Any, send: Any) -> None:
            for frame in frames:
                if isinstance(frame, dict):
                    await send(frame)
                else:
                    kind = "text" if isinstance(frame, str) else "bytes"
                    await send({"type": "websocket.send", kind: frame})
            while (await receive())["type"] == "websocket.receive":
                pass

        return say

    return says
