"""What it costs to send one message to many, and what a stalled peer costs the others."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any
from typing import TYPE_CHECKING

import falcon.asgi
import msgspec
from falcon.asgi import WebSocket
from falcon.testing import create_scope_ws

from falcon_pachinko import All
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko.inbox import Inbox
from tests.benchmarks.measure import Group
from tests.benchmarks.measure import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable

__all__ = ["groups"]

_MESSAGE = {"type": "said", "text": "x" * 470}
_encode = msgspec.json.Encoder().encode


class Peer:
    """The least of a server: takes events, and notes when; or stalls."""

    def __init__(self) -> None:
        self.stalled: asyncio.Event | None = None
        self.arrived = 0.0

    async def receive(self) -> dict[str, Any]:
        """Return the only event: a handshake."""
        return {"type": "websocket.connect"}

    async def send(self, event: dict[str, Any]) -> None:
        """Take an event."""
        if self.stalled is not None:
            await self.stalled.wait()
        self.arrived = time.perf_counter()


async def _accepted(peer: Peer) -> WebSocket:
    app = falcon.asgi.App()
    options = app.ws_options
    ws = WebSocket(
        "3.0",
        create_scope_ws("/"),
        peer.receive,
        peer.send,
        options.media_handlers,
        0,
        options.default_close_reasons,
    )
    await ws.accept()
    return ws


async def _managed(count: int) -> tuple[WebSocketConnectionManager, list[Peer], list[WebSocket]]:
    manager = WebSocketConnectionManager()
    peers = [Peer() for _ in range(count)]
    sockets = [await _accepted(peer) for peer in peers]
    for ws in sockets:
        manager._connect(ws, Inbox(ws)).register()
    return manager, peers, sockets


async def _loop(count: int) -> float:
    sockets = [await _accepted(Peer()) for _ in range(count)]
    for ws in sockets:
        Inbox(ws)  # the same tap on its way out
    with Stopwatch() as watch:
        text = _encode(_MESSAGE).decode()
        for ws in sockets:
            await ws.send_text(text)
    return watch.seconds


async def _broadcast(count: int) -> float:
    manager, _, _ = await _managed(count)
    await manager.start()
    with Stopwatch() as watch:
        await manager.send(All(), _MESSAGE)
    return watch.seconds


async def _latency(count: int, *, stalled: bool) -> float:
    """Return the median time from the sending of a message to its arrival."""
    manager, peers, _ = await _managed(count)
    await manager.start()
    others = peers
    if stalled:
        peers[0].stalled = asyncio.Event()
        others = peers[1:]
    times = []
    for _ in range(20):
        started = time.perf_counter()
        await manager.send(All(), _MESSAGE)
        await asyncio.sleep(0)
        times += [peer.arrived - started for peer in others]
    for member in manager.connections():
        await member._end(1000)
    return statistics.median(times)


async def _blocked(count: int, sends: int, *, stalled: bool) -> float:
    """Return the longest time that a sender has waited for one of many sends."""
    manager, peers, _ = await _managed(count)
    await manager.start()
    if stalled:
        peers[0].stalled = asyncio.Event()
    longest = 0.0
    for _ in range(sends):
        with Stopwatch() as watch:
            await manager.send(All(), _MESSAGE)
        longest = max(longest, watch.seconds)
        await asyncio.sleep(0)
    for member in manager.connections():
        await member._end(1000)
    return longest


def groups(*, quick: bool) -> dict[str, Group]:
    """Return the groups about sending to many."""
    many, some, sends = (100, 100, 10) if quick else (10_000, 1_000, 200)
    by_hand = "a loop of sends"
    none = "nobody stalls"

    def case(work: Callable[[], Awaitable[float]]) -> Callable[[], float]:
        return lambda: asyncio.run(work())  # type: ignore[arg-type]

    return {
        "broadcast": Group(
            "broadcast",
            f"one message to {many} connections, encoded once: the sender's time",
            {by_hand: case(lambda: _loop(many)), "manager": case(lambda: _broadcast(many))},
            by_hand,
            higher_is_better=False,
            targets={"manager": "<= 1.30"},
        ),
        "stalled": Group(
            "stalled",
            f"until a message has reached {some} connections: the median of the others",
            {
                none: case(lambda: _latency(some, stalled=False)),
                "one stalls": case(lambda: _latency(some, stalled=True)),
            },
            none,
            higher_is_better=False,
            targets={"one stalls": "<= 1.20"},
        ),
        "blocked": Group(
            "blocked",
            f"the longest of {sends} sends to {some} connections: the sender's time",
            {
                none: case(lambda: _blocked(some, sends, stalled=False)),
                "one stalls": case(lambda: _blocked(some, sends, stalled=True)),
            },
            none,
            higher_is_better=False,
        ),
    }
