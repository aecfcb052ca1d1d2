"""What the tests of the runtime share: a bare ASGI connection, and a server."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextlib import asynccontextmanager
from typing import Any

import falcon.asgi
import pytest
import uvicorn


class Pipe:
    """One ASGI connection to an app, without any of a server's or a simulator's rules.

    Receiving does not suspend while events are waiting, as in a server that has read a
    burst; the test decides what ``send`` raises.
    """

    def __init__(self, app: Any, path: str = "/", **scope: Any) -> None:
        self.sent: list[Any] = []
        self.fail: Exception | None = None
        self._events: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "server": ("test", 80),
            "client": ("peer", 1),
            "root_path": "",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"test")],
            "subprotocols": [],
            **scope,
        }
        self.push({"type": "websocket.connect"})
        self.task = asyncio.get_running_loop().create_task(app(scope, self.receive, self.send))

    def push(self, *events: Any) -> None:
        """Let the app receive events; an exception is raised there."""
        self._events += events
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def push_text(self, *frames: str) -> None:
        """Let the app receive text frames."""
        self.push(*({"type": "websocket.receive", "text": frame} for frame in frames))

    def push_disconnect(self, code: int | None) -> None:
        """Let the peer leave."""
        self.push({"type": "websocket.disconnect"} | ({} if code is None else {"code": code}))

    async def receive(self) -> Any:
        """Return the app's next event."""
        while not self._events:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        event = self._events.popleft()
        if isinstance(event, Exception):
            raise event
        return event

    async def send(self, event: Any) -> None:
        """Take an event of the app."""
        if self.fail is not None:
            raise self.fail
        self.sent.append(event)


@pytest.fixture
def pipe() -> type[Pipe]:
    """Return the class of bare ASGI connections."""
    return Pipe


@asynccontextmanager
async def _uvicorn(app: falcon.asgi.App[Any, Any]) -> AsyncIterator[str]:
    config = uvicorn.Config(app, port=0, ws="websockets-sansio", log_config=None, lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    host, port = server.servers[0].sockets[0].getsockname()
    try:
        yield f"ws://{host}:{port}"
    finally:
        await server.shutdown()


@pytest.fixture
def live() -> Callable[[falcon.asgi.App[Any, Any]], AbstractAsyncContextManager[str]]:
    """Return a context manager that serves an app with uvicorn and yields its URL."""
    return _uvicorn
