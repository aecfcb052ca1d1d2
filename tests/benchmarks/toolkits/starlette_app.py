"""The Starlette application behind Starlette's client and httpx-ws alike."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from starlette.websockets import WebSocketDisconnect

__all__ = ["make_app"]


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_json(await websocket.receive_json())
    except WebSocketDisconnect:
        pass


def make_app() -> Starlette:
    """Return a Starlette app that echoes JSON at ``/echo``."""
    return Starlette(routes=[WebSocketRoute("/echo", _echo)])
