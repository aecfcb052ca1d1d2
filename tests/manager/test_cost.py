"""What a connection costs: memory while it is idle, and work when it joins, leaves and ends."""

import asyncio
import gc
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import falcon
import falcon.asgi
import falcon.testing
import msgspec
import pytest

from falcon_pachinko import install
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.manager.registry import Membership
from falcon_pachinko.manager.registry import Registry
from tests.loops import run as run_in_thread

COUNT = 500


class Say(msgspec.Struct, tag="say"):
    text: str


class Managed(WebSocketResource):
    schema = Say

    async def on_connect(self, req: Any, ws: Any) -> bool:
        self.connection.join("tea")
        return True

    async def on_say(self, ws: Any, message: Say) -> None:
        await self.send(message)


class Plain:
    async def on_websocket(self, req: Any, ws: Any) -> None:
        await ws.accept()
        try:
            while True:
                await ws.send_text(await ws.receive_text())
        except falcon.WebSocketDisconnected:
            pass


def plain() -> Any:
    app = falcon.asgi.App()
    app.add_route("/", Plain())
    return app


def managed() -> Any:
    router = WebSocketRouter(manager=WebSocketConnectionManager())
    router.add_route("/", Managed)
    app = falcon.asgi.App()
    install(app, router)
    return app


class Idle:
    """A connection whose peer says nothing, until it leaves."""

    def __init__(self, app: Any) -> None:
        self.left = asyncio.Event()
        self._events = iter([{"type": "websocket.connect"}])
        self.task = asyncio.create_task(
            app(falcon.testing.create_scope_ws(), self.receive, self.send)
        )

    async def receive(self) -> Any:
        for event in self._events:
            return event
        await self.left.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(self, event: Any) -> None:
        pass


async def bytes_per_connection(app: Any) -> float:
    warm = [Idle(app) for _ in range(10)]
    await turns()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        idle = [Idle(app) for _ in range(COUNT)]
        await turns()
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    for each in warm + idle:
        each.left.set()
    await asyncio.gather(*[each.task for each in warm + idle])
    return used / COUNT


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_an_idle_connection_costs_at_most_4_kib_more_than_one_of_falcon() -> None:
    ours = run_in_thread(bytes_per_connection(managed()))
    falcons = run_in_thread(bytes_per_connection(plain()))

    assert ours - falcons <= 4096


def calls_of(work: Callable[[], object]) -> int:
    """Return how many functions are called, in Python and in C."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("verb", ["join", "leave", "end"])
def test_what_a_connection_does_costs_the_same_with_ten_thousand_rooms(verb: str) -> None:
    def cost(rooms: int) -> int:
        registry = Registry()
        for number in range(rooms):
            other = Membership(registry, f"other {number}")
            other.join(f"room {number}")
            other.register()
        member = Membership(registry, "member")
        member.join("room 1", "room 2")
        member.register()
        work = {
            "join": lambda: member.join("room 3"),
            "leave": lambda: member.leave("room 2"),
            "end": member.unregister,
        }
        return calls_of(work[verb])

    assert cost(10) == cost(10_000)
