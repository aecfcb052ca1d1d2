"""Litestar's ``TestClient``."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import Any
from typing import TYPE_CHECKING

from litestar import Litestar
from litestar import WebSocket
from litestar import websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

__all__ = ["client"]


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_json(await socket.receive_json())
    except WebSocketDisconnect:
        pass


# Litestar reads the annotations when the app is made.
_echo.__annotations__ = {"socket": WebSocket, "return": None}


@contextmanager
def client() -> Iterator[Callable[[], Any]]:
    """See ``tests.benchmarks.toolkits``."""
    # Its logging would start a thread for each app and never end it.
    app = Litestar(route_handlers=[websocket("/echo")(_echo)], logging_config=None)
    with TestClient(app) as test_client:
        yield partial(test_client.websocket_connect, "/echo")
