"""What a process of a cluster runs: an application under uvicorn; see ``processes``.

It is told what to serve by its one argument, JSON. When it is ready it says on its standard output
on which port, and when its standard input ends it ends.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from pytest_pachinko.application import load_application
from pytest_pachinko.serving import uvicorn_config

__all__ = ["main"]

_HOST = "127.0.0.1"


def main() -> None:
    """Serve until the standard input ends."""
    task = json.loads(sys.argv[1])
    # What the application prints must not be taken for the answer.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    app = load_application(task["app"], Path(task["root"]))
    config = uvicorn_config(app, task["options"], "node", lifespan="auto", use_colors=False)
    server = _server(config, answer)
    listener = socket.create_server((_HOST, task["port"]))
    threading.Thread(target=_wait_for_the_end, args=(server,), daemon=True).start()
    server.run([listener])


def _server(config: Any, answer: Any) -> Any:
    import uvicorn

    server = uvicorn.Server(config)
    startup = server.startup

    async def startup_and_tell(sockets: Any = None) -> None:
        await startup(sockets)  # it exits if the application does not start
        answer.write(f"{sockets[0].getsockname()[1]}\n")
        answer.close()

    vars(server)["startup"] = startup_and_tell
    return server


def _wait_for_the_end(server: Any) -> None:
    # Whoever has started this closes it, and so does the system if they have died.
    sys.stdin.read()
    server.should_exit = True
