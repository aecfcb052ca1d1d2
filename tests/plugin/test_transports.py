"""The same tests in memory, on a live server, on both, and compared."""

from __future__ import annotations

import pytest

ECHO = """
import pytest
from pytest_pachinko import Accepted, Closed, FromApp, ToApp

SAY = '{"type":"say","text":"hi"}'

@pytest.mark.asyncio
async def test_echo(websocket_connect):
    print("on", type(websocket_connect).__name__)
    async with websocket_connect("/") as session:
        await session.send(SAY)
        await session.receive()
    assert session.trace == [Accepted(), ToApp(SAY), FromApp(SAY), Closed(1000, by="peer")]
"""

# An application that can tell a server from the simulator, and tells it.
TELLTALE = """
import json
import pytest

@pytest.fixture
def websocket_app():
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await receive()
        await send({"type": "websocket.accept"})
        word = "simulator" if scope["server"][0] == "testserver" else "server"
        await send({"type": "websocket.send", "text": json.dumps({"who": word})})
        await receive()
    return app
"""

HEAR = """
import pytest

@pytest.mark.asyncio
async def test_hear(websocket_connect):
    async with websocket_connect("/") as session:
        await session.receive()
"""


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ((), ["MemoryTransport"]),
        (("--pachinko-transport=memory",), ["MemoryTransport"]),
        (("--pachinko-transport=live",), ["WebSocketTestClient"]),
        (("-o", "pachinko_transport=live"), ["WebSocketTestClient"]),
        (
            ("-o", "pachinko_transport=live", "--pachinko-transport=memory"),
            ["MemoryTransport"],
        ),
        (("--pachinko-transport=memory,live",), ["MemoryTransport", "WebSocketTestClient"]),
        (("--pachinko-transport=parity",), ["MemoryTransport", "WebSocketTestClient"]),
    ],
)
def test_a_test_runs_on_the_transport_that_is_configured(
    project: pytest.Pytester, arguments: tuple[str, ...], names: list[str]
) -> None:
    project.makepyfile(test_it=ECHO)

    result = project.runpytest("-s", *arguments)

    result.assert_outcomes(passed=2 if "memory,live" in "".join(arguments) else 1)
    result.stdout.fnmatch_lines([f"*on {name}*" for name in names])


def test_a_test_on_both_transports_says_in_its_name_on_which(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=ECHO)

    result = project.runpytest("-v", "--pachinko-transport=memory,live")

    result.stdout.fnmatch_lines(["*test_echo?memory? PASSED*", "*test_echo?live? PASSED*"])


def test_another_transport_than_the_usual_one_is_named_in_the_header(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(test_it=ECHO)

    project.runpytest("--pachinko-transport=live").stdout.fnmatch_lines(
        ["pachinko: transport live"]
    )
    project.runpytest().stdout.no_fnmatch_line("pachinko: transport*")


def test_an_unknown_transport_is_refused(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-transport=telepathy")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*'telepathy' is not a valid pachinko_transport: 'memory', 'live', 'memory,live', *"]
    )


@pytest.mark.parametrize("configured", ["live", "memory,live", "parity"])
def test_a_marker_keeps_a_test_in_memory(project: pytest.Pytester, configured: str) -> None:
    marked = ECHO.replace(
        "@pytest.mark.asyncio", '@pytest.mark.asyncio\n@pytest.mark.pachinko(transport="memory")'
    )
    project.makepyfile(test_it=marked)

    result = project.runpytest("-s", f"--pachinko-transport={configured}")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*on MemoryTransport*"])
    result.stdout.no_fnmatch_line("*WebSocketTestClient*")


def test_a_marker_with_an_unknown_transport_is_refused(project: pytest.Pytester) -> None:
    marked = ECHO.replace(
        "@pytest.mark.asyncio", '@pytest.mark.asyncio\n@pytest.mark.pachinko(transport="mail")'
    )
    project.makepyfile(test_it=marked)

    result = project.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*'mail' is not a valid pachinko_transport*"])


def test_a_test_that_uses_no_session_runs_once(project: pytest.Pytester) -> None:
    project.makepyfile(test_it="def test_it(): pass")

    project.runpytest("--pachinko-transport=memory,live").assert_outcomes(passed=1)
    project.runpytest("--pachinko-transport=parity").assert_outcomes(passed=1)


# Parity.


def test_what_differs_on_the_server_fails_with_a_diff(project: pytest.Pytester) -> None:
    project.makeconftest(TELLTALE)
    project.makepyfile(test_it=HEAR)

    result = project.runpytest("--pachinko-transport=parity")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "The same test saw something else on the server (got) than in memory (expected).",
            "*/: the trace differs at event ?1?",
            "*expected  FromApp({'who': 'simulator'})",
            "*got       FromApp({'who': 'server'})",
        ]
    )


def test_a_test_that_fails_in_memory_is_not_run_on_the_server(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=ECHO.replace("await session.receive()", "raise ValueError('no')"))

    result = project.runpytest("-s", "--pachinko-transport=parity")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*on MemoryTransport*", "*ValueError: no*"])
    result.stdout.no_fnmatch_line("*WebSocketTestClient*")


def test_a_test_that_fails_on_the_server_alone_fails(project: pytest.Pytester) -> None:
    project.makeconftest(TELLTALE)
    project.makepyfile(test_it=HEAR + "        assert 'simulator' in str(session.trace[1])\n")

    result = project.runpytest("--pachinko-transport=parity")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 'simulator' in*"])


def test_a_skipped_test_stays_skipped(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it=ECHO.replace("async with", "pytest.skip('not today')\n    async with")
    )

    project.runpytest("--pachinko-transport=parity").assert_outcomes(skipped=1)


def test_the_two_runs_of_a_test_have_fixtures_of_their_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        seen = []

        @pytest.fixture(scope="module")
        def module():
            print("module up")
            yield
            print("module down")

        @pytest.fixture
        def fresh():
            seen.append(len(seen))
            yield len(seen)

        @pytest.mark.asyncio
        async def test_it(websocket_connect, module, fresh):
            print("run", fresh)
            async with websocket_connect("/"):
                pass

        def test_last(module):
            assert seen == [0, 1]
        """
    )

    result = project.runpytest("-s", "--pachinko-transport=parity")

    result.assert_outcomes(passed=2)
    assert sum("module up" in line for line in result.outlines) == 1
    result.stdout.fnmatch_lines(["*module up", "run 1", "run 2", "*module down*"])


def test_frames_that_nobody_reads_are_compared_too(project: pytest.Pytester) -> None:
    project.makeconftest(
        TELLTALE.replace('"server"}', '"simulator"}').replace('else "server"', 'else "simulator"')
    )
    project.makepyfile(test_it=HEAR.replace("await session.receive()", "pass"))

    project.runpytest("--pachinko-transport=parity").assert_outcomes(passed=1)


# The live server.


def test_the_fixtures_serve_the_application(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_live_server, websocket_client, websocket_connect):
            assert repr(websocket_live_server.port) in repr(websocket_client)
            async with websocket_client.connect("/") as session:
                await session.send({"type": "say", "text": "hi"})
                await session.expect({"type": "say", "text": "hi"})
        """
    )

    project.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_a_server_runs_in_the_loop_of_any_scope(
    project: pytest.Pytester, scope: str, mode: str
) -> None:
    project.makepyfile(
        test_it=f"""
        import asyncio
        import pytest

        @pytest.mark.asyncio(loop_scope="{scope}")
        async def test_it(websocket_live_server, websocket_client):
            assert websocket_live_server._loop is asyncio.get_running_loop()
            async with websocket_client.connect("/"):
                pass
        """
    )

    result = project.runpytest("-o", f"asyncio_mode={mode}", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=1)


def test_a_server_runs_under_anyio(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_it(websocket_client):
            async with websocket_client.connect("/"):
                pass
        """
    )

    project.runpytest("-p", "anyio").assert_outcomes(passed=1)


def test_a_marker_has_arguments_for_the_server(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest
        from pytest_pachinko import Closed

        @pytest.mark.asyncio
        @pytest.mark.pachinko(transport="live", server={"tls": True, "ws_max_size": 10})
        async def test_it(websocket_connect, websocket_live_server):
            assert websocket_live_server.url.startswith("wss:")
            async with websocket_connect("/") as session:
                await session.send("x" * 11)
                await session.expect(Closed(1009))
        """
    )

    project.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("server", "line"),
    [
        ('"wsproto"', "*server='wsproto'*it takes a dict*"),
        ('{"wss": 1}', "*LiveServer(wss=...): that option is none of uvicorn's.*"),
    ],
)
def test_arguments_that_the_server_does_not_have_are_refused(
    project: pytest.Pytester, server: str, line: str
) -> None:
    project.makepyfile(
        test_it=f"""
        import pytest

        @pytest.mark.asyncio
        @pytest.mark.pachinko(server={server})
        async def test_it(websocket_client):
            pass
        """
    )

    result = project.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([line])


def test_a_server_needs_an_event_loop(project: pytest.Pytester) -> None:
    project.makepyfile(test_it="def test_it(websocket_live_server): pass")

    result = project.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["websocket_live_server lives in an event loop*", "Hint: *async with LiveServer(app)*"]
    )


def test_a_failure_shows_the_trace_of_each_client_once(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_client, websocket_live_server):
            async with websocket_client.connect("/", name="ann"):
                async with websocket_live_server.client().connect("/", name="bob"):
                    assert False
        """
    )

    result = project.runpytest()

    result.stdout.fnmatch_lines(["*WebSocket trace of ann, bob -*", "  ann [[]0] ← accepted"])
    assert sum("accepted" in line for line in result.outlines) == 2


@pytest.mark.slow
def test_servers_of_many_processes_do_not_meet(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    for number in range(50):
        project.makepyfile(**{f"test_{number}": ECHO})

    result = project.runpytest_subprocess("-n", "4", "--pachinko-transport=live", "-W", "error")

    result.assert_outcomes(passed=50)


@pytest.mark.parametrize("transport", ["memory,live", "parity"])
def test_who_asks_for_sessions_while_a_test_runs_is_told_to_ask_before(
    project: pytest.Pytester, transport: str
) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.fixture
        def connect(request):
            return request.getfixturevalue("websocket_connect")

        @pytest.mark.asyncio
        async def test_it(connect):
            pass
        """
    )

    result = project.runpytest(f"--pachinko-transport={transport}")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*asks for websocket_connect while it runs*", "Hint: *argument*"])


def test_the_two_runs_of_a_test_share_no_instance_and_no_properties(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        class TestIt:
            @pytest.mark.asyncio
            async def test_it(self, websocket_connect, record_property):
                assert not hasattr(self, "used")
                self.used = True
                record_property("once", 1)
                async with websocket_connect("/"):
                    pass
        """
    )

    result = project.runpytest(
        "--pachinko-transport=parity", "--junitxml=junit.xml", "-o", "junit_family=xunit1"
    )

    result.assert_outcomes(passed=1)
    assert (project.path / "junit.xml").read_text().count('name="once"') == 1
