"""Processes that talk through a server to which things happen: `python -m tests.manager.ordeal`.

Each process numbers what it publishes, and keeps what it hears and what it is told to be missing.
Whatever was accepted must have been heard by all or be reported as missing, once and in order. Other
libraries do the same work.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import sys
import time
from abc import ABC
from abc import abstractmethod
from collections.abc import AsyncIterator
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from typing import ClassVar
from typing import Self

from falcon_pachinko import All
from falcon_pachinko import Gap
from falcon_pachinko import RedisBackend
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko.inbox import Inbox
from tests.redis_server import find_binary
from tests.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
NODES = 3
PATIENCE = 15.0
"""Seconds after its last message in which a node waits for the last words of the others."""

Heard = Callable[[str], None]


# The libraries, each as one node.


class Library(ABC):
    """A node that publishes text to all others, and says what it hears and misses."""

    def __init__(self, url: str, name: str, heard: Heard) -> None:
        self.url = url
        self.name = name
        self.heard = heard
        self.gaps: list[Any] = []

    @abstractmethod
    async def start(self) -> None:
        """Begin to hear."""

    @abstractmethod
    async def publish(self, text: str) -> None:
        """Publish; raise whatever the library raises."""

    def base(self) -> int:
        """Return how many were published so far, as the library counts."""
        return 0


class Peer:
    """A connection of the node, whose peer is at once with everything."""

    unaccepted = False
    closed = False
    subprotocols = ()

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    async def send_text(self, text: str) -> None:
        self._heard(json.loads(text))


class Pachinko(Library):
    recover: ClassVar[bool] = False

    async def start(self) -> None:
        backend = RedisBackend(self.url, recover=self.recover)
        self.manager = WebSocketConnectionManager(backend, node=self.name, on_gap=self._miss)
        await self.manager.start()
        ws: Any = Peer(self.heard)
        self.manager._connect(ws, Inbox(ws)).register()

    def _miss(self, gap: Gap) -> None:
        self.gaps.append([gap.node, gap.first, gap.last])

    async def publish(self, text: str) -> None:
        await self.manager.send(All(), text)

    def base(self) -> int:
        return self.manager._number


class PachinkoStreams(Pachinko):
    recover = True


class Channels(Library):
    layer: Any

    async def start(self) -> None:
        from channels_redis.core import RedisChannelLayer

        await self._listen(RedisChannelLayer(hosts=[self.url], capacity=1_000_000))

    async def _listen(self, layer: Any) -> None:
        self.layer = layer
        channel = await layer.new_channel()
        await layer.group_add("all", channel)
        self.listener = asyncio.create_task(self._hear(channel))

    async def _hear(self, channel: str) -> None:
        while True:
            message = await self.layer.receive(channel)
            self.heard(message["text"])

    async def publish(self, text: str) -> None:
        await self.layer.group_send("all", {"type": "say", "text": text})


class ChannelsPubSub(Channels):
    async def start(self) -> None:
        from channels_redis.pubsub import RedisPubSubChannelLayer

        await self._listen(RedisPubSubChannelLayer(hosts=[self.url], capacity=1_000_000))


class SocketIO(Library):
    async def start(self) -> None:
        import socketio

        heard = self.heard

        class Manager(socketio.AsyncRedisManager):  # type: ignore[misc, name-defined]
            async def _handle_emit(self, message: Any) -> None:
                heard(message["data"][0])

        self.manager = Manager(self.url)
        server = socketio.AsyncServer(client_manager=self.manager)
        self.manager.set_server(server)
        self.manager.initialize()

    async def publish(self, text: str) -> None:
        await self.manager.emit("say", text)


LIBRARIES: dict[str, type[Library]] = {
    "pachinko": Pachinko,
    "pachinko-streams": PachinkoStreams,
    "channels_redis.core": Channels,
    "channels_redis.pubsub": ChannelsPubSub,
    "python-socketio": SocketIO,
}


# One process.


async def node(library: str, url: str, name: str, names: list[str]) -> None:
    """Do the work of one process, as the parent says on stdin; report on stdout."""
    heard: list[tuple[float, str, int]] = []
    primed: set[str] = set()
    ended: set[str] = set()

    def hear(text: str) -> None:
        sender, number = json.loads(text)
        if number > 0:
            heard.append((time.monotonic(), sender, number))
        else:
            (ended if number else primed).add(sender)

    here = LIBRARIES[library](url, name, hear)
    await here.start()
    # A process that has not been heard yet cannot be missed, and some are up before others.
    go = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    is_ready = False
    while not go.done():
        await here.publish(json.dumps([name, 0]))
        await asyncio.sleep(0.05)
        if not is_ready and primed >= set(names):
            is_ready = True
            _say({"ready": name})
    rate, seconds = json.loads(go.result())
    base = here.base()
    accepted, failed = await _publish(here, rate, seconds)
    # What comes in order is known to be there or missing when the last word has come.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not ended >= set(names):
                with contextlib.suppress(Exception):
                    await here.publish(json.dumps([name, -1]))
                await asyncio.sleep(0.2)
    await asyncio.sleep(0.2)  # others may wait for the word that was said last
    _say(
        {
            "node": name,
            "base": base,
            "accepted": accepted,
            "failed": failed,
            "heard": heard,
            "gaps": here.gaps,
        }
    )


async def _publish(here: Library, rate: float, seconds: float) -> tuple[list[int], int]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    accepted = []
    number = 0
    while (due := began + number / rate) < began + seconds:
        await asyncio.sleep(max(0.0, due - loop.time()))
        number += 1
        with contextlib.suppress(Exception):
            await here.publish(json.dumps([here.name, number]))
            accepted.append(number)
    return accepted, number - len(accepted)


def _say(data: Any) -> None:
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


# What happens to the server.


class Proxy:
    """A way to the server that can be blocked: connections stay open, and nothing passes."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open = asyncio.Event()
        self._open.set()
        self._links: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *details: object) -> None:
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def block(self, seconds: float) -> None:
        self._open.clear()
        await asyncio.sleep(seconds)
        self._open.set()

    def _accept(self, reader: Any, writer: Any) -> None:
        self._links.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: Any, writer: Any) -> None:
        try:
            await self._open.wait()
            there, here = await asyncio.open_connection("127.0.0.1", self._to)
            await asyncio.gather(self._carry(reader, here), self._carry(there, writer))
        except OSError:
            pass
        finally:
            writer.close()

    async def _carry(self, reader: Any, writer: Any) -> None:
        try:
            while data := await reader.read(1 << 16):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
            await self._open.wait()
        finally:
            writer.close()


async def nothing(server: RedisServer, proxy: Proxy) -> None:
    """Let it be."""


async def kill(server: RedisServer, proxy: Proxy) -> None:
    """End the server as a power cut does, and start it again, empty."""
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(1)
    await asyncio.to_thread(server.start)


async def client_kill(server: RedisServer, proxy: Proxy) -> None:
    """Cut all connections, three times."""
    for _ in range(3):
        await asyncio.to_thread(server.command, "CLIENT", "KILL", "SKIPME", "yes")
        await asyncio.sleep(0.3)


async def client_pause(server: RedisServer, proxy: Proxy) -> None:
    """Let the server do nothing for a while."""
    await asyncio.to_thread(server.command, "CLIENT", "PAUSE", "2500", "ALL")
    await asyncio.sleep(2.5)


async def blackhole(server: RedisServer, proxy: Proxy) -> None:
    """Let nothing pass between one process and the server."""
    await proxy.block(4)


FAULTS = {
    "none": nothing,
    "kill -9 and restart": kill,
    "CLIENT KILL": client_kill,
    "CLIENT PAUSE": client_pause,
    "blackhole": blackhole,
}


# The whole.


@dataclass
class Result:
    """What became of all messages.

    Attributes:
        accepted: How many messages were accepted, times the nodes that were to hear them.
        failed: How many were an error where they were published.
        reported: How many were not heard, and reported as missing.
        silent: How many were not heard, and nobody knows.
        twice: How many were heard again.
        disordered: How many were heard after a later one.
        recovery: How many seconds after the fault all nodes heard all others again.
    """

    accepted: int = 0
    failed: int = 0
    reported: int = 0
    silent: int = 0
    twice: int = 0
    disordered: int = 0
    recovery: float | None = 0.0


async def run(
    libraries: list[str], fault: str, *, seconds: float, rate: float = 200.0, server: RedisServer
) -> list[Result]:
    """Let the processes of some libraries talk, do something to their server, and judge each."""
    names = [f"n{number}" for number in range(NODES)]
    async with contextlib.AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(server.port))
        urls = [proxy.url] + [server.url] * (NODES - 1)
        groups = [
            [
                await stack.enter_async_context(_process(library, url, name, names))
                for url, name in zip(urls, names, strict=True)
            ]
            for library in libraries
        ]
        nodes = list(itertools.chain(*groups))
        for each in nodes:
            await each.hear()
        for each in nodes:
            each.tell([rate, seconds])
        await asyncio.sleep(seconds / 6)
        await FAULTS[fault](server, proxy)
        over = time.monotonic()
        return [judge([await each.hear() for each in group], over) for group in groups]


class Process:
    """A node in a process of its own."""

    def __init__(self, process: Any, log: Any) -> None:
        self._process = process
        self._log = log

    def tell(self, data: Any) -> None:
        self._process.stdin.write(f"{json.dumps(data)}\n".encode())

    async def hear(self) -> Any:
        line = await self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise RuntimeError(f"a node has died:\n{self._log.read().decode()}")
        return json.loads(line)


@asynccontextmanager
async def _process(library: str, url: str, name: str, names: list[str]) -> AsyncIterator[Process]:
    with TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.manager.ordeal", "--node"),
            *(library, url, name, json.dumps(names)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=1 << 26,
            cwd=ROOT,
        )
        try:
            yield Process(process, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def judge(reports: list[Any], over: float) -> Result:
    """Compare what was published with what was heard and reported."""
    result = Result()
    returns: list[float | None] = []
    for report in reports:
        result.failed += report["failed"]
        for sent in reports:
            if sent is report:
                continue
            sender = sent["node"]
            accepted = sent["accepted"]
            heard = [(at, number) for at, who, number in report["heard"] if who == sender]
            numbers = [number for _, number in heard]
            reported = _reported(report["gaps"], sender, sent["base"], accepted)
            missing = set(accepted) - set(numbers)
            result.accepted += len(accepted)
            result.reported += len(missing & reported)
            result.silent += len(missing - reported)
            result.twice += len(numbers) - len(set(numbers))
            result.disordered += sum(a > b for a, b in itertools.pairwise(numbers))
            returns.append(min((at - over for at, _ in heard if at >= over), default=None))
    result.recovery = None if None in returns else max(at for at in returns if at is not None)
    return result


def _reported(gaps: list[Any], sender: str, base: int, accepted: list[int]) -> set[int]:
    return {
        number
        for node, first, last in gaps
        if node == sender
        for number in accepted
        if first <= number + base <= (last or number + base)
    }


def main() -> None:
    """Run all faults, with one library or all, and print a table."""
    parser = argparse.ArgumentParser("python -m tests.manager.ordeal", description=__doc__)
    parser.add_argument("--node", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--library", action="append", choices=LIBRARIES)
    parser.add_argument("--fault", action="append", choices=FAULTS)
    given = parser.parse_args()
    if given.node:
        library, url, name, names = given.node
        asyncio.run(node(library, url, name, json.loads(names)))
        return
    binary = find_binary()
    assert binary is not None, "there is no server"
    server = RedisServer(binary)
    row = "{:<22} {:<20} {:>9} {:>7} {:>9} {:>7} {:>6} {:>10} {:>9}\n".format
    columns = ["accepted", "errors", "reported", "SILENT", "twice", "disordered", "recovery"]
    sys.stdout.write(row("", "", *columns))
    try:
        for library in given.library or LIBRARIES:
            for fault in given.fault or FAULTS:
                server.restart()
                work = run([library], fault, seconds=given.seconds, rate=given.rate, server=server)
                [found] = asyncio.run(work)
                back = "never" if found.recovery is None else f"{found.recovery:.2f} s"
                numbers = [getattr(found, n) for n in Result.__dataclass_fields__][:-1]
                sys.stdout.write(row(library, fault, *numbers, back))
                sys.stdout.flush()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
