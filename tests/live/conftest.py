"""What the tests of the live server and its client share."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from websockets.asyncio.server import serve

Handler = Callable[[Any, Any], Awaitable[None]]


@pytest.fixture
def app_of() -> Callable[[Handler], Any]:
    """Make a raw ASGI app of ``handler(receive, send)``, which finds its connection accepted."""

    def app_of(handler: Handler) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "websocket"
            await receive()
            await send({"type": "websocket.accept"})
            await handler(receive, send)

        return app

    return app_of


@pytest.fixture
def echo(app_of: Any) -> Any:
    """Return an app that sends every frame back until the peer leaves."""

    async def echo(receive: Any, send: Any) -> None:
        while (event := await receive())["type"] == "websocket.receive":
            await send(event | {"type": "websocket.send"})

    return app_of(echo)


@pytest.fixture
def somewhere() -> Any:
    """Run a server that is none of ours, and yield its URL: ``handler`` is of websockets."""

    @asynccontextmanager
    async def somewhere(handler: Any, **options: Any) -> AsyncIterator[str]:
        async with serve(handler, "127.0.0.1", 0, **options) as server:
            port = server.sockets[0].getsockname()[1]
            yield f"{'wss' if 'ssl' in options else 'ws'}://127.0.0.1:{port}"

    return somewhere


@pytest.fixture
def raw_server() -> Any:
    """Run a TCP server that calls ``handle(reader, writer)``, and yield its port."""

    @asynccontextmanager
    async def raw_server(handle: Any) -> AsyncIterator[int]:
        tasks: list[asyncio.Task[None]] = []

        async def serve_once(reader: Any, writer: Any) -> None:
            tasks.append(asyncio.current_task())  # type: ignore[arg-type]
            try:
                await handle(reader, writer)
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(serve_once, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return raw_server


@pytest.fixture
def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.fixture
def echo_everything() -> Any:
    """Return a handler of websockets that sends every frame back."""

    async def echo_everything(connection: Any) -> None:
        try:
            async for frame in connection:
                await connection.send(frame)
        except websockets.ConnectionClosed:
            pass

    return echo_everything


@pytest.fixture
def strange_tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server that the system does not trust, and of a client that does."""
    import trustme

    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
