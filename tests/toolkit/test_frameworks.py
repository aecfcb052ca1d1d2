"""Any ASGI application will do: Starlette and Litestar beside Falcon."""

from __future__ import annotations

from typing import Any
from typing import TYPE_CHECKING

import litestar
import pytest
from litestar.exceptions import WebSocketException
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from pytest_pachinko import Accepted
from pytest_pachinko import Closed
from pytest_pachinko import FromApp
from pytest_pachinko import MemoryTransport
from pytest_pachinko import ToApp

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

pytestmark = pytest.mark.asyncio


async def starlette_echo(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol=(websocket.scope["subprotocols"] or [None])[0])
    async for message in websocket.iter_json():
        if message == "spill":
            raise ValueError("milk")
        await websocket.send_json(message)


async def starlette_refusal(websocket: WebSocket) -> None:
    await websocket.close(4401)


STARLETTE = Starlette(
    routes=[WebSocketRoute("/", starlette_echo), WebSocketRoute("/no", starlette_refusal)]
)


async def litestar_echo(socket: litestar.WebSocket[Any, Any, Any]) -> None:
    await socket.accept(subprotocols=(socket.scope["subprotocols"] or [None])[0])
    while True:
        message = await socket.receive_json()
        if message == "spill":
            raise ValueError("milk")
        await socket.send_json(message)


async def litestar_refusal(socket: litestar.WebSocket[Any, Any, Any]) -> None:
    raise WebSocketException(detail="no", code=4401)


def litestar_app() -> Any:
    return litestar.Litestar(
        [litestar.websocket("/")(litestar_echo), litestar.websocket("/no")(litestar_refusal)],
        openapi_config=None,
        logging_config=None,
    )


@pytest.fixture(params=[lambda: STARLETTE, litestar_app], ids=["starlette", "litestar"])
def connect(request: pytest.FixtureRequest) -> MemoryTransport:
    return MemoryTransport(request.param())


async def test_an_echo_answers(connect: MemoryTransport) -> None:
    async with connect("/", subprotocols=["chat"]) as session:
        await session.send({"a": 1})
        assert await session.receive_json() == {"a": 1}
        await session.expect_silence()

    assert session.trace == [
        Accepted("chat"),
        ToApp({"a": 1}),
        FromApp({"a": 1}),
        Closed(1000, by="peer"),
    ]


async def test_a_refusal_is_a_denial(connect: MemoryTransport) -> None:
    denial = await connect.denied("/no")

    assert denial.close_code == 4401


async def test_an_exception_reaches_the_test() -> None:
    with pytest.raises(ValueError, match="milk"):
        async with MemoryTransport(STARLETTE)("/") as session:
            await session.send_json("spill")
            await session.receive()


async def test_an_exception_that_a_framework_handles_shows_as_its_close_code() -> None:
    async with MemoryTransport(litestar_app())("/") as session:
        await session.send_json("spill")
        await session.expect(Closed(4500, by="app"))


async def test_a_peer_that_vanishes_is_no_failure(connect: MemoryTransport) -> None:
    async with connect("/") as session:
        await session.drop()
