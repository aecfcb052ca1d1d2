"""What somebody who installed the wheel writes first; `.ci/run` runs it where there is no checkout."""

import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter


class Ping(msgspec.Struct, tag="ping"):
    """The only message there is."""

    number: int


class Echo(WebSocketResource):
    """Sends back what it hears."""

    schema = Ping

    async def on_connect(self, _req: object, _ws: object) -> bool:
        """Let everybody in."""
        return True

    async def on_ping(self, _ws: object, message: Ping) -> None:
        """Echo."""
        await self.send(message)


@pytest.fixture
def websocket_app() -> falcon.asgi.App:
    """Serve the resource at /echo."""
    app = falcon.asgi.App()
    router = WebSocketRouter()
    router.add_route("/echo", Echo)
    install(app, router)
    return app


@pytest.mark.asyncio
async def test_a_message_comes_back(websocket_connect) -> None:  # noqa: ANN001 - as in the README
    """The fixtures are there without an import or a setting."""
    async with websocket_connect("/echo") as session:
        await session.send(Ping(number=1))
        assert await session.receive(Ping) == Ping(number=1)  # noqa: S101 - a test
