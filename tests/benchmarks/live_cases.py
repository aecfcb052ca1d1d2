"""What a real server costs: starting and stopping it, and round trips through it."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from contextlib import asynccontextmanager
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from typing import TYPE_CHECKING

import trustme
import uvicorn
import websockets

from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from tests.benchmarks.measure import Group
from tests.benchmarks.measure import measure
from tests.benchmarks.measure import Stopwatch
from tests.benchmarks.toolkits.falcon_app import make_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Callable
    from collections.abc import Iterator

__all__ = ["costs", "groups"]

BARE = "websockets"
OURS = "pachinko"

START_LIMIT = 10e-3  # seconds

_FRAME = '{"type":"ping","n":1}'
_ANSWER = '{"type": "ping", "n": 1}'
_MAX_SIZE = 16 * 1024 * 1024
_POLL = 0.0005  # seconds between two looks at whether a server has started


def groups(*, quick: bool) -> dict[str, Group]:
    """Return the group that compares round trips."""
    trips = 20 if quick else 1000

    def echo(connected: Callable[[], Any]) -> Callable[[], float]:
        # Each has a loop of its own: only ours is on virtual time.
        return lambda: asyncio.run(_echo(connected(), trips))

    return {
        "live": Group(
            "live",
            "text round trips through uvicorn, client and server in one loop",
            {BARE: echo(_bare), OURS: echo(_ours), "pachinko in memory": echo(_memory)},
            BARE,
            higher_is_better=False,
            targets={OURS: "<= 1.15"},
        )
    }


def costs(*, quick: bool, watchdog: Callable[[], None]) -> list[tuple[str, float, float | None]]:
    """Measure how long a server takes to start and stop.

    Args:
        quick: Whether once is enough.
        watchdog: Called before each round.

    Returns:
        For each: what it is, the median of its seconds, and the limit in seconds if it has one.
    """
    with _certificate() as files:
        cases = _starts("", {}) | _starts(", TLS", files)
        for case in cases.values():
            case()  # what is imported and made once per process
        group = Group("start", "start and stop", cases, "", higher_is_better=False)
        result = measure(group, rounds=1 if quick else 10, watchdog=watchdog)
    return [
        (name, statistics.median(seconds), START_LIMIT if name.startswith(OURS) else None)
        for name, seconds in result.seconds.items()
    ]


# Round trips, without compression, which costs both the same.


async def _echo(connected: Any, trips: int) -> float:
    async with connected as (send, receive):
        await _trips(send, receive, 50)
        with Stopwatch() as watch:
            await _trips(send, receive, trips)
    return watch.seconds / trips


async def _trips(send: Any, receive: Any, count: int) -> None:
    for _ in range(count):
        await send(_FRAME)
        answer = await receive()
    assert answer == _ANSWER


@asynccontextmanager
async def _ours() -> AsyncIterator[Any]:
    async with (
        LiveServer(make_app(), ws_per_message_deflate=False) as server,
        server.client(compression=None, max_size=_MAX_SIZE).connect("/echo") as session,
    ):
        yield session.send, session.receive


@asynccontextmanager
async def _bare() -> AsyncIterator[Any]:
    async with (
        _serving_in_task(_make_server(make_app(), {"ws_per_message_deflate": False})) as port,
        websockets.connect(
            f"ws://127.0.0.1:{port}/echo",
            compression=None,
            max_size=_MAX_SIZE,
            ping_interval=None,
            proxy=None,
        ) as connection,
    ):
        yield connection.send, connection.recv


@asynccontextmanager
async def _memory() -> AsyncIterator[Any]:
    async with MemoryTransport(make_app()) as connect, connect("/echo") as session:
        yield session.send, session.receive


# Starting and stopping.


def _starts(suffix: str, tls: dict[str, Any]) -> dict[str, Callable[[], float]]:
    app = make_app()

    async def ours() -> float:
        with Stopwatch() as watch:
            async with LiveServer(app, tls=bool(tls)):
                pass
        return watch.seconds

    async def in_task() -> float:
        with Stopwatch() as watch:
            async with _serving_in_task(_make_server(app, tls)):
                pass
        return watch.seconds

    def in_thread() -> float:
        with Stopwatch() as watch, _serving_in_thread(_make_server(app, tls)):
            pass
        return watch.seconds

    return {
        f"{OURS}: LiveServer{suffix}": lambda: asyncio.run(ours()),
        f"uvicorn: serve() in a task{suffix}": lambda: asyncio.run(in_task()),
        f"uvicorn: run() in a thread{suffix}": in_thread,
    }


def _make_server(app: Any, options: dict[str, Any]) -> uvicorn.Server:
    # What LiveServer gives it.
    config = uvicorn.Config(app, interface="asgi3", log_config=None, port=0, **options)
    return uvicorn.Server(config)


def _port(server: uvicorn.Server) -> int:
    number: int = server.servers[0].sockets[0].getsockname()[1]
    return number


@asynccontextmanager
async def _serving_in_task(server: uvicorn.Server) -> AsyncIterator[int]:
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(_POLL)
    try:
        yield _port(server)
    finally:
        server.should_exit = True
        await task


@contextmanager
def _serving_in_thread(server: uvicorn.Server) -> Iterator[int]:
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(_POLL)
    try:
        yield _port(server)
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _certificate() -> Iterator[dict[str, Any]]:
    """Write a certificate to files, which is what uvicorn's own options take."""
    issued = trustme.CA().issue_cert("localhost", "127.0.0.1")
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "server.pem")
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        yield {"ssl_certfile": path, "ssl_keyfile": path}
