"""What a test costs: round trips, idle connections, open and close.

The loops are the same for every toolkit and call its own methods, with nothing between.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from contextlib import ExitStack
from typing import Any
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Group
from tests.benchmarks.measure import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from tests.benchmarks.toolkits import Toolkit

__all__ = ["groups"]

OURS = "pachinko"
CONDUCTOR = "conductor"

# Its client polls, one thread for all connections: with a hundred of them open, opening the next
# may take longer than the patience of a whole round.
STARVES = "Litestar"


def groups(toolkits: Sequence[Toolkit], *, quick: bool) -> dict[str, Group]:
    """Return the groups that compare toolkits."""
    trips, few_trips, cycles, idle = (20, 10, 5, 10) if quick else (500, 200, 100, 100)

    def echo(toolkit: Toolkit, count: int, beside: int) -> Callable[[], float]:
        if toolkit.threaded:
            return lambda: _echo(toolkit, count, beside)
        return lambda: asyncio.run(_echo_async(toolkit, count, beside))

    def open_close(toolkit: Toolkit) -> Callable[[], float]:
        if toolkit.threaded:
            return lambda: _open(toolkit, cycles)
        return lambda: asyncio.run(_open_async(toolkit, cycles))

    ours = next(toolkit for toolkit in toolkits if toolkit.name == OURS)
    alone = f"{OURS} without them"
    return {
        "echo": Group(
            "echo",
            "JSON round trips on one connection",
            {toolkit.name: echo(toolkit, trips, 0) for toolkit in toolkits},
            CONDUCTOR,
            higher_is_better=True,
            targets={OURS: ">= 1.5"},
            ours=OURS,
        ),
        "idle": Group(
            "idle",
            f"the same with {idle} idle connections beside it",
            {
                toolkit.name: echo(toolkit, few_trips, idle)
                for toolkit in toolkits
                if toolkit.name != STARVES
            }
            | {alone: echo(ours, few_trips, 0)},
            CONDUCTOR,
            higher_is_better=True,
            targets={OURS: ">= 20"},
            ours=OURS,
            ours_targets={alone: ">= 0.9"},
        ),
        "open": Group(
            "open",
            "open and close",
            {toolkit.name: open_close(toolkit) for toolkit in toolkits},
            CONDUCTOR,
            higher_is_better=True,
            targets={OURS: ">= 2.5"},
            ours=OURS,
        ),
    }


# Each measurement has an event loop of its own, so that nothing which a toolkit does to its
# loop (ours puts it on virtual time) is there when another one is measured.


async def _echo_async(toolkit: Toolkit, count: int, idle: int) -> float:
    async with toolkit.client() as connect, AsyncExitStack() as stack:
        for _ in range(idle):
            await stack.enter_async_context(connect())
        session = await stack.enter_async_context(connect())
        await _trips_async(session, 50)
        with Stopwatch() as watch:
            await _trips_async(session, count)
    return watch.seconds / count


async def _trips_async(session: Any, count: int) -> None:
    send, receive = session.send_json, session.receive_json
    for number in range(count):
        await send({"type": "ping", "n": number})
        answer = await receive()
    assert answer == {"type": "ping", "n": count - 1}


async def _open_async(toolkit: Toolkit, count: int) -> float:
    async with toolkit.client() as connect:
        await _cycles_async(connect, 10)
        with Stopwatch() as watch:
            await _cycles_async(connect, count)
    return watch.seconds / count


async def _cycles_async(connect: Callable[[], Any], count: int) -> None:
    for _ in range(count):
        async with connect():
            pass


# The same for toolkits that run the application in a thread.


def _echo(toolkit: Toolkit, count: int, idle: int) -> float:
    with toolkit.client() as connect, ExitStack() as stack:
        for _ in range(idle):
            stack.enter_context(connect())
        session = stack.enter_context(connect())
        _trips(session, 50)
        with Stopwatch() as watch:
            _trips(session, count)
    return watch.seconds / count


def _trips(session: Any, count: int) -> None:
    send, receive = session.send_json, session.receive_json
    for number in range(count):
        send({"type": "ping", "n": number})
        answer = receive()
    assert answer == {"type": "ping", "n": count - 1}


def _open(toolkit: Toolkit, count: int) -> float:
    with toolkit.client() as connect:
        _cycles(connect, 10)
        with Stopwatch() as watch:
            _cycles(connect, count)
    return watch.seconds / count


def _cycles(connect: Callable[[], Any], count: int) -> None:
    for _ in range(count):
        with connect():
            pass
