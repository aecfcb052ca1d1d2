"""A handler sends to connections other than its own, some of which have ended."""

from typing import Any

import falcon
import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import install
from falcon_pachinko import PeerLeftError
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import MemoryTransport

pytestmark = pytest.mark.asyncio


class Tell(msgspec.Struct, tag="tell"):
    guarded: bool = False


class Forgetful(WebSocketResource):
    """Remembers everybody who was ever here."""

    schema = Tell
    members: list[Any]

    async def on_connect(self, req: Any, ws: Any) -> bool | None:
        if req.get_param("greet"):
            await self.accept()
            await self.tell()
            return None
        self.members.append(self)
        return True

    async def tell(self) -> None:
        for member in self.members:
            await member.send("news")

    async def on_tell(self, ws: Any, message: Tell) -> None:
        if not message.guarded:
            await self.tell()
        for member in self.members:
            try:
                await member.send("news")
            except falcon.WebSocketDisconnected:
                await self.send("somebody has left")

    async def on_disconnect(self, ws: Any, close_code: int) -> None:
        if close_code == 4000:
            await self.tell()


@pytest.fixture
def connect() -> MemoryTransport:
    resource: Any = type("Fresh", (Forgetful,), {"members": []})
    router = WebSocketRouter()
    router.add_route("/", resource)
    app = falcon.asgi.App()
    install(app, router)
    return MemoryTransport(app)


async def test_a_peer_that_has_left_unexpectedly_is_an_error_of_the_handler_that_sends(
    connect: MemoryTransport,
) -> None:
    async with connect("/") as gone:
        await gone.drop()
    with pytest.raises(PeerLeftError, match="sent to another connection, whose peer had left"):
        async with connect("/") as session:
            await session.send(Tell())
            await session.receive()

    assert session.close_code == 1011


async def test_a_handler_may_expect_that_a_peer_has_left(connect: MemoryTransport) -> None:
    async with connect("/") as gone:
        await gone.drop()
    async with connect("/") as session:
        await session.send(Tell(guarded=True))

        await session.expect('"somebody has left"', '"news"')


async def test_a_greeting_to_somebody_who_has_left_is_an_error(connect: MemoryTransport) -> None:
    async with connect("/") as gone:
        await gone.drop()

    with pytest.raises(PeerLeftError):
        async with connect("/?greet=1") as session:
            await session.receive()


async def test_a_goodbye_to_somebody_who_has_left_is_an_error(connect: MemoryTransport) -> None:
    async with connect("/") as gone:
        await gone.drop()

    with pytest.raises(PeerLeftError):
        async with connect("/") as session:
            await session.close(4000)


async def test_that_the_own_peer_has_left_is_none(connect: MemoryTransport) -> None:
    async with connect("/") as session:
        await session.send(Tell())
        await session.drop()
