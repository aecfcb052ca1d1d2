"""An application of which clusters are made; it prints, and does what it is told."""

import asyncio
import os
import sys
import time
from typing import Any

import falcon.asgi
import msgspec

from falcon_pachinko import install
from falcon_pachinko import Room
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter


class Say(msgspec.Struct, tag="say"):
    text: str


class Do(msgspec.Struct, tag="do"):
    """Tell a variable of the environment, end the process, or keep it busy."""

    what: str


class ChatRoom(WebSocketResource):
    schema = Say | Do
    emits = Say

    async def on_connect(self, req: Any, ws: Any, room: str) -> bool:
        self.connection.join(room)
        return True

    async def on_say(self, ws: Any, message: Say) -> None:
        await self.manager.send(Room(self.params["room"]), message)

    async def on_do(self, ws: Any, message: Do) -> None:
        if message.what == "exit":
            sys.stderr.write("I have had enough.\n")
            sys.stderr.flush()
            os._exit(7)
        await self.send(Say(os.environ.get(message.what, "unset")))


class Life:
    """What the lifespan does: it may fail, and it says how it ends."""

    async def process_startup(self, scope: Any, event: Any) -> None:
        if os.environ.get("TEA") == "spilt":
            raise OSError("no tea")

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        await asyncio.sleep(0)
        if os.environ.get("TEA") == "too hot":
            time.sleep(60)  # noqa: ASYNC251 - that is what is wrong with it
        print("washed up")  # noqa: T201


def create_app() -> Any:
    router = WebSocketRouter(manager=WebSocketConnectionManager(node=os.environ.get("NODE")))
    router.add_route("/{room}", ChatRoom)
    app = falcon.asgi.App(middleware=[Life()])
    install(app, router)
    return app


class Factories:
    @staticmethod
    def make() -> Any:
        return create_app()
