"""The server that the tests of Redis run: a test may do to it what it likes."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.redis_server import find_binary
from tests.redis_server import NONE_FOUND
from tests.redis_server import RedisServer
from tests.redis_server import VARIABLE


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return a program that is no server: it complains and ends."""
    path = tmp_path / "no-server"
    path.write_text("#!/bin/sh\necho 'I would rather not.'\nexit 1\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_it_answers_as_soon_as_a_test_has_it(valkey_server: RedisServer) -> None:
    assert valkey_server.command("PING") == "PONG"


def test_it_is_where_its_url_says(valkey_server: RedisServer) -> None:
    import redis

    with redis.Redis.from_url(valkey_server.url) as client:
        client.set("tea", "green")

        assert client.get("tea") == b"green"


def test_it_refuses_connections_when_it_is_killed(valkey_server: RedisServer) -> None:
    valkey_server.kill()

    with pytest.raises(ConnectionRefusedError):
        valkey_server.command("PING")


def test_it_is_at_the_same_port_after_a_restart(valkey_server: RedisServer) -> None:
    port = valkey_server.port

    valkey_server.restart()

    assert valkey_server.port == port
    assert valkey_server.command("PING") == "PONG"


def test_it_has_forgotten_everything_after_a_restart(valkey_server: RedisServer) -> None:
    valkey_server.command("SET", "tea", "green")

    valkey_server.restart()

    assert valkey_server.command("DBSIZE") == "0"


def test_it_keeps_connections_and_does_not_answer_while_it_is_paused(
    valkey_server: RedisServer,
) -> None:
    with valkey_server.paused():
        with socket.create_connection(("127.0.0.1", valkey_server.port), 5) as sock:
            sock.settimeout(0.05)
            sock.sendall(b"PING\r\n")
            with pytest.raises(TimeoutError):
                sock.recv(100)

            valkey_server.resume()
            sock.settimeout(30)

            assert sock.recv(100) == b"+PONG\r\n"


def test_an_answer_that_is_an_error_is_an_error(valkey_server: RedisServer) -> None:
    with pytest.raises(RuntimeError, match="STIR: -ERR unknown command"):
        valkey_server.command("STIR")


@pytest.mark.parametrize("harm", ["kill", "pause"])
def test_it_runs_and_is_empty_for_the_next_test(valkey_process: RedisServer, harm: str) -> None:
    valkey_process.recover()
    valkey_process.command("SET", "tea", "green")
    getattr(valkey_process, harm)()

    valkey_process.recover()

    assert valkey_process.command("DBSIZE") == "0"


def test_it_runs_for_the_next_test_if_something_else_has_ended_it(
    valkey_process: RedisServer,
) -> None:
    valkey_process.recover()
    assert valkey_process.pid is not None
    os.kill(valkey_process.pid, 9)

    valkey_process.recover()

    assert valkey_process.command("PING") == "PONG"


def test_nothing_runs_and_nothing_is_left_on_disk_when_it_is_stopped(
    valkey_process: RedisServer,
) -> None:
    server = RedisServer(valkey_process._binary)
    server.start()

    server.stop()

    assert server.pid is None
    assert not Path(server._directory.name).exists()


OWNER = """
import sys
from pathlib import Path
from tests.redis_server import RedisServer

server = RedisServer(Path(sys.argv[1]))
server.start()
print(server.port, flush=True)
sys.stdin.read()
"""


def test_it_ends_when_the_test_run_is_killed(valkey_process: RedisServer) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(valkey_process._binary)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        port = int(owner.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), 30) as sock:
            owner.kill()

            # Which of the two it is depends on what the server had still to read.
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""


def test_one_that_does_not_start_shows_what_it_printed(script: Path) -> None:
    server = RedisServer(script)

    with pytest.raises(RuntimeError, match=r"does not answer:\nI would rather not\."):
        server.start()

    server.stop()


def test_the_environment_chooses_another_one(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(script))

    assert find_binary() == script


def test_the_environment_may_name_one_on_path(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    monkeypatch.setenv(VARIABLE, script.name)

    assert find_binary() == script


def test_one_that_the_environment_names_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "no-such-server")

    with pytest.raises(FileNotFoundError, match=f"{VARIABLE}=no-such-server is neither"):
        find_binary()


@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("true", "errors")])
def test_without_a_server_a_test_is_skipped_but_fails_where_ci_is_set(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("tests.redis_server.find_binary", lambda: None)
    pytester.makeconftest("from tests.redis_server import valkey_process, valkey_server")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile("def test_tea(valkey_server): pass")

    result = pytester.runpytest("-rs", "-p", "no:cacheprovider")

    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines([f"*{NONE_FOUND[:40]}*"])
