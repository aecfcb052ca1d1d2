"""Servers that serve the application of ``talk``, and a wire to them that counts."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextlib import asynccontextmanager
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from pytest_pachinko import LiveServer
from tests.servers.talk import app

# How long a process may take to start or to end on a machine that has other things to do.
PATIENCE = 30.0

Address = tuple[str, int] | Path
Serving = Callable[..., AbstractAsyncContextManager[Address]]


@asynccontextmanager
async def uvicorn(**options: Any) -> AsyncIterator[Address]:
    async with LiveServer(app, **options) as server:
        yield ("127.0.0.1", server.port)


@asynccontextmanager
async def hypercorn(**options: Any) -> AsyncIterator[Address]:
    pytest.importorskip("hypercorn", reason="hypercorn is not installed")
    serve: Any = import_module("hypercorn.asyncio").serve
    config: Any = import_module("hypercorn.config").Config()
    for name, value in {"errorlog": None, **options}.items():
        assert hasattr(config, name), name
        setattr(config, name, value)
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    config.bind = [f"fd://{listener.detach()}"]
    stop = asyncio.Event()
    task = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        # It is ready: the socket listens already, so a client that comes early has to wait.
        yield address
    finally:
        stop.set()
        await asyncio.wait_for(task, PATIENCE)


@asynccontextmanager
async def granian(**options: Any) -> AsyncIterator[Address]:
    pytest.importorskip("granian", reason="granian is not installed")
    with TemporaryDirectory() as directory:
        # By a path: it does not tell which port it has found free.
        path = Path(directory) / "socket"
        arguments = ("--interface", "asginl", "--uds", str(path), *flags(options), "talk:app")
        async with process("granian", *arguments, ready="Started worker"):
            await until_it_listens(path)
            yield path


@asynccontextmanager
async def daphne(**options: Any) -> AsyncIterator[Address]:
    pytest.importorskip("daphne", reason="daphne is not installed")
    arguments = ("-b", "127.0.0.1", "-p", "0", *flags(options), "talk:app")
    async with process("daphne", *arguments, ready=r"Listening on TCP address .*:(\d+)") as match:
        yield ("127.0.0.1", int(match[1]))


def flags(options: dict[str, Any]) -> list[str]:
    return [part for name, value in options.items() for part in (name, str(value))]


@asynccontextmanager
async def process(module: str, *arguments: str, ready: str) -> AsyncIterator[re.Match[str]]:
    """Run a server until the block ends; it is ready when it prints a line with ``ready``."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=Path(__file__).parent,
        start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output: Any = running.stdout
    printed = ""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (match := re.search(ready, printed)):
                line = await output.readline()
                assert line, f"{module} did not start:\n{printed}"
                printed += line.decode()
        yield match
        running.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await output.read()  # until the last one of its processes has ended
    finally:
        # Its workers are in its process group, which is ours alone to end.
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        await running.communicate()


async def until_it_listens(path: Path) -> None:
    """Return when a connection to a socket in the file system can be made."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_unix_connection(path)
            except OSError:
                # Nobody tells: the worker says that it has started, and listens a little later.
                await asyncio.sleep(0.005)
            else:
                writer.close()
                await writer.wait_closed()
                return


class Wire:
    """A port that hands on to a server what comes, and back, and counts it.

    Attributes:
        to_server: How many bytes went there.
        to_client: How many bytes came back.
    """

    def __init__(self, target: Address) -> None:
        self._target = target
        self._carrying: set[asyncio.Task[None]] = set()
        self.to_server = 0
        self.to_client = 0

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self.url

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._carrying)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: Any = asyncio.current_task()
        self._carrying.add(task)
        writers = [writer]
        with suppress(OSError):  # no server: the client sees the end of the connection
            if isinstance(self._target, Path):
                far_reader, far_writer = await asyncio.open_unix_connection(self._target)
            else:
                far_reader, far_writer = await asyncio.open_connection(*self._target)
            writers.append(far_writer)
            await asyncio.gather(
                self._pump(reader, far_writer, "to_server"),
                self._pump(far_reader, writer, "to_client"),
            )
        for each in writers:
            each.close()
            with suppress(OSError):
                await each.wait_closed()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                setattr(self, direction, getattr(self, direction) + len(data))
                writer.write(data)
                await writer.drain()
        with suppress(OSError):
            writer.write_eof()
