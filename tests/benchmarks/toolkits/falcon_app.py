"""The Falcon application behind our transport and Falcon's conductor alike."""

from __future__ import annotations

import falcon.asgi

__all__ = ["make_app"]


class _Echo:
    async def on_websocket(self, req: falcon.asgi.Request, ws: falcon.asgi.WebSocket) -> None:
        await ws.accept()
        try:
            while True:
                await ws.send_media(await ws.receive_media())
        except falcon.WebSocketDisconnected:
            pass


def make_app() -> falcon.asgi.App:
    """Return a Falcon app that echoes JSON at ``/echo``."""
    app = falcon.asgi.App()
    app.add_route("/echo", _Echo())
    return app
