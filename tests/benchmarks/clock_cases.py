"""What virtual time costs: against the stock loop, and in itself."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from typing import Any

import falcon.asgi

from pytest_pachinko import MemoryTransport
from pytest_pachinko import Stalled
from tests.benchmarks.measure import Group
from tests.benchmarks.measure import Stopwatch
from tests.benchmarks.toolkits.falcon_app import make_app

__all__ = ["costs", "groups"]

STOCK = "stock loop"


class _StockLoop(asyncio.SelectorEventLoop):
    """The loop of the standard library, in a make that virtual time leaves alone."""

    def _run_once(self) -> None:
        super()._run_once()  # type: ignore[misc]


def groups(*, quick: bool) -> dict[str, Group]:
    """Return the group that compares the loops."""
    trips = 20 if quick else 1000

    def echo(loop_factory: Any) -> float:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(_echo(trips))

    return {
        "clock": Group(
            "clock",
            "queue echoes between two tasks, on virtual time",
            {"virtual time": lambda: echo(None), STOCK: lambda: echo(_StockLoop)},
            STOCK,
            higher_is_better=False,
            targets={"virtual time": "<= 1.05"},
        )
    }


async def _echo(trips: int) -> float:
    """Measure the loop alone: a session is open, and two tasks talk to each other."""

    async def answer() -> None:
        while True:
            await back.put(await forth.get())

    forth: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()
    async with MemoryTransport(make_app()) as connect, connect("/echo"):
        task = asyncio.create_task(answer())
        with Stopwatch() as watch:
            for number in range(trips):
                await forth.put(number)
                await back.get()
        task.cancel()
    return watch.seconds / trips


def costs(*, quick: bool) -> list[tuple[str, float, float]]:
    """Measure what has a limit of its own.

    Returns:
        For each: what it is, the median of its seconds, and the limit in seconds.
    """
    return asyncio.run(_costs(1 if quick else 50))


async def _costs(repeats: int) -> list[tuple[str, float, float]]:
    app = make_app()
    app.add_route("/beat", _Beat())
    rows = []
    async with MemoryTransport(app) as connect:
        for count, limit in ((1, 0.2e-3), (100, 5e-3)):
            async with AsyncExitStack() as stack:
                sessions = [await stack.enter_async_context(connect("/echo")) for _ in range(count)]
                samples = [await _stall(sessions[0]) for _ in range(repeats)]
            name = f"CPU of a receive that nothing can satisfy, {count} connections"
            rows.append((name, statistics.median(samples), limit))
        async with connect("/echo") as session:
            samples = [await _silence(session) for _ in range(repeats)]
        rows.append(("expect_silence() on an idle loop", statistics.median(samples), 20e-6))
        async with connect("/beat") as session:
            with Stopwatch() as watch:
                for _ in range(1000):
                    await session.receive(within=30)
        rows.append(("1,000 heartbeats of 30 s", watch.seconds, 0.2))
    return rows


class _Beat:
    async def on_websocket(self, req: Any, ws: Any) -> None:
        await ws.accept()
        while True:
            await asyncio.sleep(30)
            try:
                await ws.send_text("beat")
            except falcon.WebSocketDisconnected:
                return


async def _stall(session: Any) -> float:
    started = time.process_time()
    try:
        await session.receive()
    except Stalled:
        return time.process_time() - started
    raise AssertionError("a frame came from nowhere")


async def _silence(session: Any) -> float:
    started = time.perf_counter()
    await session.expect_silence()
    return time.perf_counter() - started
