"""The stacks on which the conformance suite runs: the simulator, and servers.

All of them are in the event loop of the test. A stack is opened for an application and yields
what opens sessions to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any
from typing import TYPE_CHECKING

import pytest

from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from pytest_pachinko import WebSocketTestClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Callable

UVICORN = ("websockets-sansio", "websockets", "wsproto")


@contextlib.asynccontextmanager
async def _open(
    stack: str, app: Any, *, max_size: int = 16 * 2**20, compression: str | None = "deflate"
) -> AsyncIterator[Any]:
    if stack == "memory":
        async with MemoryTransport(app, lifespan=False) as connect:
            yield connect
    elif stack in UVICORN:
        async with LiveServer(app, ws=stack, ws_max_size=max_size, lifespan=False) as server:
            yield server.client(compression=compression)
    else:
        async with _hypercorn(app, max_size) as url:
            yield WebSocketTestClient(url, allow_insecure=True, compression=compression)


@contextlib.asynccontextmanager
async def _hypercorn(app: Any, max_size: int) -> AsyncIterator[str]:
    """Serve an application with hypercorn; yield its address."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    listener = socket.create_server(("127.0.0.1", 0))
    host, port = listener.getsockname()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.websocket_max_message_size = max_size
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield f"ws://{host}:{port}"  # who comes before it serves waits in the backlog
    finally:
        stop.set()
        await serving


@pytest.fixture
def open_stack() -> Callable[..., contextlib.AbstractAsyncContextManager[Any]]:
    """Open a stack: ``async with open_stack(name, app, **limits) as connect``."""
    return _open
