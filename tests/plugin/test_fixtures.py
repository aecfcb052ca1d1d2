"""The fixtures, whoever runs the test and in whatever event loop."""

from __future__ import annotations

import pytest

BODY = """
    async with websocket_connect("/") as session:
        await session.send({"type": "say", "text": "hi"})
        assert await session.receive_json() == {"type": "say", "text": "hi"}
"""

TESTS = f"""
import pytest

MARK
async def test_session(websocket_connect):{BODY}

MARK
async def test_another_session(websocket_connect):{BODY}

MARK
async def test_harness(websocket_harness):
    async with websocket_harness.connect("/") as connection:
        connection.push_json({{"type": "say", "text": "hi"}})
        await connection.settle()
        assert connection.pop_sent_json() == {{"type": "say", "text": "hi"}}

MARK
async def test_simulator(websocket_simulator):
    assert websocket_simulator.accepted
    websocket_simulator.push_text("hi")
    assert await websocket_simulator.receive_text() == "hi"
"""

INI = """
[pytest]
pachinko_app = parrot:app
filterwarnings = error
"""


def write_tests(project: pytest.Pytester, mark: str) -> None:
    project.makepyfile(test_it=TESTS.replace("MARK", mark))


def test_they_work_in_strict_mode(project: pytest.Pytester) -> None:
    write_tests(project, "@pytest.mark.asyncio")

    project.runpytest().assert_outcomes(passed=4)


def test_they_work_in_auto_mode(project: pytest.Pytester) -> None:
    write_tests(project, "")

    project.runpytest("-o", "asyncio_mode=auto").assert_outcomes(passed=4)


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
def test_they_run_in_the_loop_of_the_marker(project: pytest.Pytester, scope: str) -> None:
    write_tests(project, f"@pytest.mark.asyncio(loop_scope={scope!r})")
    if scope == "class":
        indented = TESTS.replace("MARK", "@pytest.mark.asyncio(loop_scope='class')").replace(
            "\n", "\n    "
        )
        methods = indented.replace("(websocket_", "(self, websocket_")
        project.makepyfile(test_it=f"import pytest\nclass TestIt:{methods}")

    project.runpytest().assert_outcomes(passed=4)


@pytest.mark.parametrize("scope", ["function", "module", "session"])
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_they_run_in_the_loop_of_the_ini_option(
    project: pytest.Pytester, scope: str, mode: str
) -> None:
    project.makeini(
        f"{INI}asyncio_default_test_loop_scope = {scope}\n"
        f"asyncio_default_fixture_loop_scope = session\nasyncio_mode = {mode}"
    )
    write_tests(project, "@pytest.mark.asyncio" if mode == "strict" else "")

    project.runpytest().assert_outcomes(passed=4)


def test_they_work_under_anyio(project: pytest.Pytester) -> None:
    write_tests(project, "@pytest.mark.anyio")
    project.makeconftest(
        'import pytest\n@pytest.fixture\ndef anyio_backend():\n    return "asyncio"\n'
    )

    project.runpytest().assert_outcomes(passed=4)


@pytest.mark.slow
def test_they_work_under_anyio_without_pytest_asyncio(project: pytest.Pytester) -> None:
    write_tests(project, "@pytest.mark.anyio")
    project.makeini(INI)
    project.makeconftest(
        'import pytest\n@pytest.fixture\ndef anyio_backend():\n    return "asyncio", {"debug": True}\n'
    )

    project.runpytest_subprocess("-p", "no:asyncio").assert_outcomes(passed=4)


def test_another_backend_of_anyio_is_told_what_to_write(project: pytest.Pytester) -> None:
    write_tests(project, "@pytest.mark.anyio")
    project.makeconftest(
        'import pytest\n@pytest.fixture\ndef anyio_backend():\n    return "asyncio"\n'
        '@pytest.fixture\ndef anyio_backend_name():\n    return "trio"\n'
    )

    result = project.runpytest()

    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(["*Sessions need asyncio*", "Hint: in conftest.py*"])


def test_a_test_without_a_loop_runs_its_own(project: pytest.Pytester) -> None:
    project.makeini(INI)
    project.makepyfile(
        test_it=f"""
        import asyncio

        async def talk(websocket_connect):
            {BODY.replace(chr(10), chr(10) + " " * 8)}

        def test_session(websocket_connect):
            asyncio.run(talk(websocket_connect))
            asyncio.run(talk(websocket_connect))
        """
    )

    project.runpytest("-p", "no:asyncio").assert_outcomes(passed=1)


def test_a_simulator_needs_a_loop(project: pytest.Pytester) -> None:
    project.makepyfile(test_it="def test_it(websocket_simulator): pass")

    result = project.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["websocket_simulator * in an event loop*", "Hint: an async test*"])


def test_the_fixture_form_of_the_requirements(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import falcon.asgi
        import pytest
        import pytest_asyncio
        from falcon_pachinko import WebSocketRouter
        from parrot import Parrot
        from pytest_pachinko import WebSocketSimulator

        @pytest.fixture
        def app():
            return falcon.asgi.App()

        @pytest.fixture
        def websocket_app(app):
            return app

        @pytest_asyncio.fixture
        async def websocket_simulator(app):
            sim = WebSocketSimulator()
            router = WebSocketRouter(simulator_factory=lambda *_: sim)
            router.add_route("/", Parrot)
            app.add_route("/ws", router)
            async with sim.connected() as connection:
                yield connection

        @pytest.mark.asyncio
        async def test_it(websocket_connect, websocket_simulator):
            async with websocket_connect("/ws") as session:
                assert session.accepted
                await websocket_simulator.push_message({"type": "say", "text": "hi"})
                assert await websocket_simulator.next_sent() == '{"type":"say","text":"hi"}'
                assert websocket_simulator.sent_messages
                websocket_simulator.push_disconnect()
        """
    )

    project.runpytest().assert_outcomes(passed=1)


def test_the_lifespan_lasts_as_long_as_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest
        import falcon.asgi

        events = []

        class Middleware:
            async def process_startup(self, scope, event):
                events.append("startup")

            async def process_shutdown(self, scope, event):
                events.append("shutdown")

        @pytest.fixture
        def websocket_app():
            return falcon.asgi.App(middleware=[Middleware()])

        @pytest.mark.asyncio
        async def test_first(websocket_connect):
            await websocket_connect.denied("/")
            await websocket_connect.denied("/")
            assert events == ["startup"]

        def test_second():
            assert events == ["startup", "shutdown"]
        """
    )

    project.runpytest().assert_outcomes(passed=2)


@pytest.mark.slow
def test_the_plugin_can_be_turned_off(project: pytest.Pytester) -> None:
    project.makeini("[pytest]")
    project.makepyfile(test_it="def test_it(websocket_connect): pass")

    result = project.runpytest_subprocess("-p", "no:pachinko")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'websocket_connect' not found"])


@pytest.mark.slow
def test_the_classes_work_without_the_plugin(project: pytest.Pytester) -> None:
    project.makeini("[pytest]")
    project.makepyfile(
        test_it=f"""
        import asyncio
        import parrot
        from pytest_pachinko import MemoryTransport

        async def talk(websocket_connect):
            {BODY.replace(chr(10), chr(10) + " " * 8)}

        def test_it():
            asyncio.run(talk(MemoryTransport(parrot.app)))
        """
    )

    result = project.runpytest_subprocess("-p", "no:pachinko", "-p", "no:asyncio")

    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_pytest_asyncio_is_found_under_any_name(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tests(project, "@pytest.mark.asyncio")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    result = project.runpytest_subprocess(
        "-p", "pytest_asyncio.plugin", "-p", "pytest_pachinko.plugin"
    )

    result.assert_outcomes(passed=4)


@pytest.mark.slow
def test_they_work_in_several_processes(project: pytest.Pytester) -> None:
    write_tests(project, "@pytest.mark.asyncio")

    project.runpytest_subprocess("-n", "2").assert_outcomes(passed=4)


def test_the_fixtures_are_listed_with_what_they_do(project: pytest.Pytester) -> None:
    result = project.runpytest("--fixtures")

    for name in ("app", "connect", "harness", "simulator"):
        result.stdout.fnmatch_lines([f"websocket_{name} -- *plugin.py*"])
    result.stdout.no_fnmatch_line("*_pachinko_*")


def test_a_verb_that_is_not_awaited_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.asyncio
        async def test_nothing(websocket_connect):
            async with websocket_connect("/") as session:
                session.expect("never looked at")
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*coroutine object Session.expect*"])


@pytest.mark.slow
def test_a_handler_that_catches_everything_keeps_nobody_from_going_on(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        deaf="""
        import asyncio

        async def app(scope, receive, send):
            assert scope["type"] == "websocket"
            await receive()
            await send({"type": "websocket.accept"})
            while True:
                try:
                    await asyncio.sleep(1)
                except:
                    pass
        """,
        test_it="""
        import gc
        import pytest

        @pytest.mark.asyncio
        async def test_session(websocket_connect):
            async with websocket_connect("/"):
                pass

        @pytest.mark.asyncio
        async def test_another():
            gc.collect()
        """,
    )

    result = project.runpytest_subprocess("-o", "pachinko_app=deaf:app", timeout=60)

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*does not return after its connection ended:", "*deaf.py:*"])
