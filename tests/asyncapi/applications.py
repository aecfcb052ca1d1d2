"""Applications that are described in tests: python -m tests.asyncapi.applications DIRECTORY

The command writes their documents into a directory, one file each.
"""

import sys
from pathlib import Path
from typing import Annotated
from typing import ClassVar
from typing import TypedDict

import falcon.asgi
from msgspec import Meta
from msgspec import Struct

from falcon_pachinko import ConnectionLimits
from falcon_pachinko import handles_message
from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.asyncapi import document
from falcon_pachinko.asyncapi.files import as_text
from tests.asyncapi.judging import Takes
from tests.strategies.shapes import SHAPES


class Tick(Struct, tag="tick"):
    """The price of something has changed.

    It is sent to everybody who has subscribed.
    """

    symbol: str
    price: Annotated[float, Meta(gt=0)]


class Subscribe(Struct, tag="subscribe"):
    """Ask for prices."""

    symbol: Annotated[str, Meta(pattern="^[A-Z]{3,5}$", description="Letters.")]


class Subscribed(Struct, tag="subscribed"):
    symbol: str


class Ping(Struct, tag="ping"):
    pass


class Pong(Struct, tag="pong"):
    pass


class Headers(TypedDict, total=False):
    authorization: str


class Query(Struct):
    since: Annotated[int, Meta(ge=0)] = 0


class Feed(WebSocketResource):
    """The prices of a market.

    Attributes:
        nothing: That is of interest to a client.
    """

    schema = Subscribe | Ping
    emits = Subscribed | Tick | Pong
    subprotocols = ("feed.v2", "feed.v1")
    limits = ConnectionLimits(max_message=4096)
    asyncapi: ClassVar = {
        "query": Query,
        "headers": Headers,
        "security": ["key"],
        "close_codes": {4001: "The market is closed.", 4000: "Too slow."},
    }

    @handles_message("subscribe", reply=Subscribed)
    async def follow(self, ws, message):
        """Send the prices of something from now on.

        Also those that are the same as before.

        Args:
            ws: The connection.
            message: The message.
        """

    @handles_message("ping", reply=Pong)
    async def on_ping(self, ws, message):
        pass


class Echo(WebSocketResource):
    schema = Ping
    emits = Ping

    async def on_ping(self, ws, message):
        pass


class Admin(Feed):
    subprotocols = ("feed.admin",)
    required_subprotocol = True


def features() -> falcon.asgi.App:
    """Make an app with everything that a document can say."""
    inner = WebSocketRouter(name="inner")
    inner.add_route("/", Echo, name="root")
    inner.add_route("/{day:dt('%Y-%m-%d')}/{level:int(1, min=1, max=3)}", Echo)
    outer = WebSocketRouter()
    outer.add_route("/markets/{market:uuid}", Feed, Admin, name="market")
    outer.include("/inner", inner)
    root = WebSocketRouter()
    root.add_route("/", Echo)
    app = falcon.asgi.App()
    install(app, outer, prefix="/v1")
    install(app, WebSocketRouter())
    app.add_route("/echo", root)
    return app


def shapes() -> WebSocketRouter:
    """Make a router with a route for each kind of type."""
    router = WebSocketRouter()
    for number, (name, schema) in enumerate(SHAPES.items()):
        router.add_route(f"/{number}", type("Shape", (Takes,), {"schema": schema}), name=name)
    return router


def documents():
    """Return the documents of all of them, by name."""
    schemes = {"key": {"type": "httpApiKey", "in": "query", "name": "key"}}
    return {
        "features": document(
            features(),
            title="features",
            version="1",
            description="All of them.",
            info={"license": {"name": "ISC"}},
            servers={"live": "wss://feed.example/v1/", "test": {"host": "x", "protocol": "ws"}},
            security_schemes=schemes,
        ),
        "shapes": document(shapes(), title="shapes", version="1"),
    }


if __name__ == "__main__":
    for name, content in documents().items():
        (Path(sys.argv[1]) / f"{name}.json").write_text(as_text(content), encoding="utf-8")
