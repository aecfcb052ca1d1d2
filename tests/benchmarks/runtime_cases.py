"""What router, reader and dispatch cost, against a loop that is written by hand."""

from __future__ import annotations

import asyncio
from typing import Any
from typing import TYPE_CHECKING

import falcon.asgi
import msgspec

from falcon_pachinko import handles_message
from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from tests.benchmarks.bare_client import BareClient
from tests.benchmarks.measure import Group
from tests.benchmarks.measure import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["groups"]

BURST = 200

_WARM_UP = 2 * BURST


class Ping(msgspec.Struct, tag="ping"):
    n: int


class Say(msgspec.Struct, tag="say"):
    text: str


class Pong(msgspec.Struct, tag="pong"):
    n: int


class Said(msgspec.Struct, tag="said"):
    text: str


_FRAMES = ['{"type":"ping","n":1}', '{"type":"say","text":"hello"}'] * (BURST // 2)
_ANSWERS = ['{"type":"pong","n":1}', '{"type":"said","text":"hello"}'] * (BURST // 2)

_decode = msgspec.json.Decoder(Ping | Say).decode
_encode = msgspec.json.Encoder().encode


class HandWritten:
    """What somebody writes who knows msgspec and Falcon and does without us."""

    async def on_websocket(self, req: falcon.asgi.Request, ws: falcon.asgi.WebSocket) -> None:
        await ws.accept()
        try:
            while True:
                message = _decode(await ws.receive_text())
                if isinstance(message, Ping):
                    await ws.send_text(_encode(Pong(message.n)).decode())
                else:
                    await ws.send_text(_encode(Said(message.text)).decode())
        except falcon.WebSocketDisconnected:
            pass


class Conventional(WebSocketResource):
    schema = Ping | Say

    async def on_ping(self, ws: Any, message: Ping) -> None:
        await self.send(Pong(message.n))

    async def on_say(self, ws: Any, message: Say) -> None:
        await self.send(Said(message.text))


class Decorated(WebSocketResource):
    schema = Ping | Say

    @handles_message("ping")
    async def answer(self, ws: Any, message: Ping) -> None:
        await self.send(Pong(message.n))

    @handles_message("say")
    async def repeat(self, ws: Any, message: Say) -> None:
        await self.send(Said(message.text))


def groups(*, quick: bool) -> dict[str, Group]:
    """Return the groups that compare the runtime with a loop."""
    by_hand = "by hand"
    unbuffered = falcon.asgi.App()
    unbuffered.ws_options.max_receive_queue = 0
    apps = {by_hand: falcon.asgi.App(), f"{by_hand}, Falcon not reading ahead": unbuffered}
    for app in apps.values():
        app.add_route("/", HandWritten())
    for resource in (Conventional, Decorated):
        app = apps[resource.__name__.lower()] = falcon.asgi.App()
        router = WebSocketRouter()
        router.add_route("/", resource)
        install(app, router)

    def group(name: str, title: str, target: str, size: int, messages: int) -> Group:
        return Group(
            name,
            title,
            {label: _case(app, size, messages) for label, app in apps.items()},
            by_hand,
            higher_is_better=False,
            targets={"conventional": target, "decorated": target},
        )

    messages = BURST if quick else 10 * BURST
    lockstep = "messages through the runtime, each after the answer to the one before"
    burst = f"the same in bursts of {BURST}"
    return {
        "lockstep": group("lockstep", lockstep, "<= 1.20", 1, messages),
        "burst": group("burst", burst, "<= 1.10", BURST, messages),
    }


def _case(app: Any, size: int, messages: int) -> Callable[[], float]:
    return lambda: asyncio.run(_run(app, size, messages))


async def _run(app: Any, size: int, messages: int) -> float:
    bursts = [_FRAMES[start : start + size] for start in range(0, BURST, size)]
    async with BareClient.connected(app, "/") as client:
        for _ in range(_WARM_UP // BURST):
            answers = [answer for burst in bursts for answer in await client.exchange(burst)]
            assert answers == _ANSWERS
        exchange = client.exchange
        with Stopwatch() as watch:
            for _ in range(messages // BURST):
                for burst in bursts:
                    await exchange(burst)
    return watch.seconds / messages
