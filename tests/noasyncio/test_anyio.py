"""What works where pytest-asyncio is not installed: `tox -e noasyncio` runs only this directory."""

import pytest

SUITE = """
import falcon.asgi
import msgspec
import pytest
from falcon_pachinko import WebSocketResource, WebSocketRouter, install

class Ping(msgspec.Struct, tag="ping"):
    number: int

class Echo(WebSocketResource):
    schema = Ping

    async def on_connect(self, req, ws):
        return True

    async def on_ping(self, ws, message):
        await self.send(message)

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
def websocket_app():
    app = falcon.asgi.App()
    router = WebSocketRouter()
    router.add_route("/echo", Echo)
    install(app, router)
    return app

@pytest.mark.anyio
async def test_echo(websocket_connect):
    async with websocket_connect("/echo") as session:
        await session.send(Ping(number=1))
        assert await session.receive(Ping) == Ping(number=1)
"""


def test_a_session_opens_under_the_plugin_of_anyio(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)

    result = pytester.runpytest_subprocess("-p", "no:asyncio")

    result.assert_outcomes(passed=1)
