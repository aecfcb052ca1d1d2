"""A worker that stops a real server."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

PATIENCE = 60.0  # for a machine that has other things to do

COMMANDS = {
    "uvicorn": ("--port", "0"),
    # With processes of its own, its signal handlers are in the parent: a SIGTERM just ends the child.
    "hypercorn": ("--bind", "127.0.0.1:0", "--workers", "0"),
    "granian": ("--interface", "asgi", "--port", "0"),
}


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("server", COMMANDS)
async def test_a_crash_stops_a_server_gracefully(server: str) -> None:
    pytest.importorskip(server, reason=f"{server} is not installed")
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        server,
        *COMMANDS[server],
        "crashing:app",
        cwd=Path(__file__).parent,
        start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            output, _ = await running.communicate()
    finally:
        # Its workers are in its process group, which is ours alone to end.
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        await running.wait()

    text = output.decode()
    assert "ConnectionError: the feed is down" in text, text
    assert "the shutdown has run crashed" in text, text
