"""Processes that serve an application, each for itself."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.errors import ApplicationFailure
from pytest_pachinko.errors import LifespanFailed
from pytest_pachinko.errors import PachinkoUsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping
    from signal import Signals

__all__ = ["ServerProcess"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

PATIENCE = 30.0
"""Seconds that a process may take to start or to end."""

_GONE = 30.0  # seconds after which a process that was killed is gone on any machine
_LINES = 60  # of what a process has printed, in a message

# First of all it gets the modules that are found here, of which this one is one.
_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])['path']; "
    "from pytest_pachinko.served import main; main()"
)


class ServerProcess:
    """A process with an application under uvicorn, on a free port of this machine.

    The port stays the same when it is started again.

    Args:
        app: ``module:attribute``: an ASGI application, or a function that makes one.
        name: What to call it.
        root: The folder in which modules are looked for too.
        environ: Variables of its environment, over those of this process; None for one that it
            does not have.
        options: Arguments of ``uvicorn.Config``.
    """

    def __init__(
        self,
        app: str,
        *,
        name: str,
        root: Path,
        environ: Mapping[str, str | None],
        options: Mapping[str, Any],
    ) -> None:
        self._app = app
        self._name = name
        self._root = root
        self._environ = {**os.environ, **environ}
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: TemporaryDirectory[str] | None = None
        self._port = 0
        self._printed = ""

    @property
    def port(self) -> int:
        """Its port.

        Raises:
            PachinkoUsageError: It was never started.
        """
        if not self._port:
            raise PachinkoUsageError(
                f"{self._name} has not been started.\n"
                "Hint: async with websocket_cluster(2, live=True) as nodes:"
            )
        return self._port

    @property
    def pid(self) -> int | None:
        """The id of the process, or None if there is none."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        if self._directory is not None:
            self._printed = self._log.read_text("utf-8", "replace")
        return self._printed

    @property
    def _log(self) -> Path:
        if self._directory is None:
            self._directory = TemporaryDirectory(prefix="pachinko-")
        return Path(self._directory.name) / "log"

    async def start(self) -> None:
        """Start it, and return when it serves.

        Raises:
            LifespanFailed: It has ended instead.
            PachinkoUsageError: It runs.
        """
        if self._process is not None:
            raise PachinkoUsageError(f"{self._name} runs.\nHint: {self._name}.kill() first")
        self._process = process = self._spawn()
        try:
            # Unless it ends, it answers; so nothing is polled.
            answer = await self._in_thread(process.stdout.readline)  # type: ignore[union-attr]
            if not answer:
                await self._in_thread(process.wait)  # until it has said why
        except TimeoutError:
            answer = b""
        except BaseException:
            self.kill()
            raise
        if not answer:
            self.kill()
            raise LifespanFailed(f"{self._name} did not start.{self._shown()}")
        self._port = int(answer)

    def kill(self) -> None:
        """End it at once, as when its machine loses its power; does nothing if it has ended."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            self._forget(process)

    def signal(self, number: Signals) -> None:
        """Send it a signal.

        Raises:
            PachinkoUsageError: It does not run.
        """
        if self._process is None or self._process.poll() is not None:
            raise PachinkoUsageError(f"{self._name} does not run.")
        self._process.send_signal(number)

    async def stop(self) -> None:
        """Let it shut down and end.

        Raises:
            ApplicationFailure: It had ended by itself, or does not end.
        """
        process = self._process
        if process is None:
            return
        try:
            by_itself = process.poll() is not None
            process.stdin.close()  # type: ignore[union-attr]
            try:
                code = await self._in_thread(process.wait)
            except TimeoutError:
                raise ApplicationFailure(
                    f"{self._name} does not end, and {PATIENCE:g} s have passed.{self._shown()}"
                ) from None
            if by_itself or code:
                raise ApplicationFailure(
                    f"{self._name} has ended by itself, with the exit code {code}.{self._shown()}"
                )
        finally:
            self.kill()

    def close(self) -> None:
        """End it for good; what it has printed is still known."""
        self.kill()
        self._printed = self.printed
        directory, self._directory = self._directory, None
        if directory is not None:
            directory.cleanup()

    def _spawn(self) -> subprocess.Popen[bytes]:
        task = {
            "app": self._app,
            "root": str(self._root),
            "path": sys.path,
            "port": self._port,
            "options": dict(self._options),
        }
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the command is ours
                [sys.executable, "-c", _BEGIN, json.dumps(task)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={key: value for key, value in self._environ.items() if value is not None},
                # A Ctrl-C at the terminal is for the tests, which end it in their own order.
                start_new_session=True,
            )

    async def _in_thread(self, function: Callable[[], Any]) -> Any:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().run_in_executor(None, function)

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        process.wait(_GONE)
        for pipe in (process.stdin, process.stdout):
            # A thread that still reads has seen the end.
            pipe.close()  # type: ignore[union-attr]

    def _shown(self) -> str:
        lines = self.printed.splitlines()
        cut = [f"  … {len(lines) - _LINES} earlier lines"] if len(lines) > _LINES else []
        shown = [*cut, *(f"  {line}" for line in lines[-_LINES:])]
        return "\n".join(["", "It has printed:", *shown]) if lines else " It has printed nothing."
