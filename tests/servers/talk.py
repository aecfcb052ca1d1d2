"""The application that the servers of this folder serve. It is imported by their processes too."""

import json
from typing import Any

import falcon
import falcon.asgi

from falcon_pachinko import offered_extensions


class Talk:
    """Says what the client offers. Then every message is answered by itself, a long one by its length."""

    async def on_websocket(self, req: Any, ws: Any) -> None:
        await ws.accept()
        await ws.send_text(json.dumps(offered_extensions(req)))
        try:
            while True:
                text = await ws.receive_text()
                await ws.send_text(text if len(text) <= 200_000 else str(len(text)))
        except falcon.WebSocketDisconnected:
            pass


app = falcon.asgi.App()
app.add_route("/", Talk())
