"""What is configured, and what a wrong configuration says."""

from __future__ import annotations

import pytest

CONNECT = """
import pytest

@pytest.mark.asyncio
async def test_it(websocket_connect):
    async with websocket_connect("/"):
        pass
"""


@pytest.fixture(autouse=True)
def a_test(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=CONNECT)


@pytest.mark.parametrize("name", ["parrot:app", "parrot:create_app"])
def test_the_application_may_be_named_on_the_command_line(
    project: pytest.Pytester, name: str
) -> None:
    result = project.runpytest("-o", "pachinko_app=no_such:app", f"--pachinko-app={name}")

    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_the_folder_of_the_project_is_looked_into(project: pytest.Pytester) -> None:
    project.mkdir("tests").joinpath("test_deep.py").write_text(CONNECT)

    result = project.runpytest_subprocess("--import-mode=importlib", "tests")

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("", ["No application to connect to.", "Hint: *", "    pachinko_app = *", "*conftest.py"]),
        ("parrot", ["'parrot' is not of the form module:attribute.", "Hint: *"]),
        ("no_such:app", ["*there is no module 'no_such' in *", "Hint: *"]),
        ("parrot:nothing", ["*parrot has no attribute 'nothing'.", "It has: *create_app*"]),
        ("parrot:wsgi", ["*speaks WSGI and has no WebSockets.", "Hint: app = falcon.asgi.App()"]),
    ],
)
def test_an_application_that_is_not_there_says_what_to_write_and_where(
    project: pytest.Pytester, name: str, lines: list[str]
) -> None:
    result = project.runpytest("-o", f"pachinko_app={name}")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(lines)
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_fixture_that_returns_no_application_says_so(project: pytest.Pytester) -> None:
    project.makeconftest(
        "import falcon, pytest\n@pytest.fixture\ndef websocket_app():\n    return falcon.App()\n"
    )

    result = project.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["websocket_app is a falcon.App, which speaks WSGI*"])


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan", ""])
def test_a_timeout_is_a_number_of_seconds(project: pytest.Pytester, text: str) -> None:
    result = project.runpytest(f"--pachinko-timeout={text}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*'{text}' is not a valid pachinko_timeout*such as 2.5*"])


def test_a_timeout_is_how_long_a_test_waits_for_the_outside(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            assert websocket_connect.timeout == 2.5
        """
    )

    project.runpytest("--pachinko-timeout=2.5").assert_outcomes(passed=1)


def test_the_options_are_explained(project: pytest.Pytester) -> None:
    result = project.runpytest("--help")

    result.stdout.fnmatch_lines(["WebSocket tests (pytest_pachinko):", "*--pachinko-app=*"])
