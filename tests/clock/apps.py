"""Applications under virtual time: raw ASGI, so that nothing stands between them and the wire."""

import asyncio
from contextlib import asynccontextmanager

from pytest_pachinko import MemoryTransport


def application(handle):
    """Make an ASGI application of `async def handle(wire)`, accepted and without a lifespan."""

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await receive()
        await send({"type": "websocket.accept"})
        await handle(Wire(receive, send))

    return app


class Wire:
    """The application's end, in short."""

    def __init__(self, receive, send):
        self._receive = receive
        self._send = send

    async def receive(self):
        event = await self._receive()
        return event.get("text")

    async def send(self, text):
        await self._send({"type": "websocket.send", "text": text})

    async def until_disconnect(self):
        while (await self._receive())["type"] != "websocket.disconnect":
            pass


async def echo(wire):
    """Answer every frame with itself."""
    while (text := await wire.receive()) is not None:
        await wire.send(text)


async def silent(wire):
    """Read everything, say nothing."""
    await wire.until_disconnect()


async def heartbeat(wire):
    """Send a beat every 30 seconds until the peer leaves."""

    async def beat():
        while True:
            await asyncio.sleep(30)
            await wire.send("beat")

    task = asyncio.create_task(beat(), name="heartbeat")
    await wire.until_disconnect()
    task.cancel()


@asynccontextmanager
async def connected(handle, **options):
    """Open a session to an application that handles its connection so."""
    async with MemoryTransport(application(handle)) as connect:
        async with connect("/", **options) as session:
            yield session
