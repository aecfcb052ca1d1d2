"""How much of the protocols of an application the tests have spoken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from falcon_pachinko import conversation

TALK = """
import pytest

@pytest.mark.asyncio
async def test_talk(websocket_connect):
    async with websocket_connect("/") as session:
        await session.send({"type": "say", "text": "hi"})
        await session.receive()

@pytest.mark.asyncio
async def test_nonsense(websocket_connect):
    async with websocket_connect("/") as session:
        await session.send("no json")

def test_nothing():
    pass
"""

SHY = """
import pytest

@pytest.mark.asyncio
async def test_shy(websocket_connect):
    async with websocket_connect("/"):
        pass
"""


@pytest.fixture(autouse=True)
def tests(project: pytest.Pytester) -> None:
    project.makepyfile(test_talk=TALK)


def counts(project: pytest.Pytester, name: str = "cov.json") -> Any:
    (route,) = json.loads((project.path / name).read_text())["routes"]
    return route["counts"]


def test_the_summary_has_a_table(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-cov")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "*= WebSocket protocol coverage =*",
            "route  subprotocol  accepted  handlers  sent  bounds  covered",
            "/                        1/1       1/1     -     1/2    75.0%",
            "",
            "/",
            "  never hit        say.text required (beyond)",
            "  pairs seen       0 of 1",
            "  refused          (unknown tag) x1",
            "  closed by peer   1000 x2",
            "  peer left after  (unknown tag) x1, say x1",
        ],
        consecutive=True,
    )


def test_without_the_option_nothing_is_said_or_observed(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_notes="""
        import pytest

        @pytest.mark.asyncio
        async def test_notes(websocket_connect):
            async with websocket_connect("/") as session:
                await session.send("no json")
            assert session.trace.notes is None
        """
    )

    result = project.runpytest()

    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("*coverage*")


def test_after_the_run_nothing_is_observed(project: pytest.Pytester) -> None:
    usual = conversation.Conversation

    project.runpytest("--pachinko-cov")

    assert conversation.Conversation is usual


def test_a_file_has_it_as_json(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-cov-json=out/cov.json")

    assert counts(project, "out/cov.json") == {
        "accepted": {"say": 1},
        "closed_by_peer": {"1000": 2},
        "connections": {"(none)": 2},
        "entered": {"on_say": 1},
        "left_after": {"(unknown tag)": 1, "say": 1},
        "on": {"say.text required": 1},
        "received": {"(unknown tag)": 1, "say": 1},
        "refused": {"(unknown tag)": 1},
        "sent": {"text": 1},
    }
    result.stdout.no_fnmatch_line("*protocol coverage*")


def test_a_file_that_cannot_be_written_is_named(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-cov-json=test_talk.py/cov.json")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_talk.py/cov.json was not written: *"])


def test_less_than_required_fails_the_run_and_says_what_is_missing(
    project: pytest.Pytester,
) -> None:
    result = project.runpytest("--pachinko-cov-fail-under=80")

    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["route *", "Protocol coverage of 80% is required, and *"])
    result.stdout.fnmatch_lines(["* 75.0%: 1 of 4 are missing, such as / never hit: say.text *"])


def test_as_much_as_required_passes_in_silence(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-cov-fail-under=75")

    assert result.ret == 0
    result.stdout.no_fnmatch_line("*coverage*")


def test_a_run_that_has_failed_fails_as_before(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-cov-fail-under=80", "-k", "none_of_them")

    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["*80% is required, and no resource was connected to."])


@pytest.mark.parametrize("text", ["much", "-1", "101", "nan"])
def test_what_is_required_is_a_percentage(project: pytest.Pytester, text: str) -> None:
    result = project.runpytest(f"--pachinko-cov-fail-under={text}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*'{text}' is not a valid pachinko_cov_fail_under: *80"])


def test_all_of_it_can_be_configured(project: pytest.Pytester) -> None:
    project.makeini(
        """
        [pytest]
        pachinko_app = parrot:app
        asyncio_default_fixture_loop_scope = function
        pachinko_cov = true
        pachinko_cov_json = cov.json
        pachinko_cov_fail_under = 80
        """
    )

    result = project.runpytest()

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["route *", "Protocol coverage of 80% is required*"])
    assert counts(project)["accepted"] == {"say": 1}


def test_the_command_line_wins_over_the_configuration(project: pytest.Pytester) -> None:
    ini = ["-o", "pachinko_cov_json=cov.json", "-o", "pachinko_cov_fail_under=80"]

    result = project.runpytest(*ini, "--pachinko-cov-json=", "--pachinko-cov-fail-under=0")

    assert result.ret == 0
    assert not (project.path / "cov.json").exists()


@pytest.mark.parametrize("option", ["--collect-only", "--setup-only"])
def test_where_no_test_runs_nothing_is_measured(project: pytest.Pytester, option: str) -> None:
    result = project.runpytest(option, "--pachinko-cov", "--pachinko-cov-fail-under=80")

    assert result.ret == 0
    result.stdout.no_fnmatch_line("*coverage*")


def test_a_route_that_no_test_connects_to_is_missing(project: pytest.Pytester) -> None:
    project.makepyfile(test_talk=SHY)
    project.makeconftest(
        """
        import pytest
        from falcon_pachinko import WebSocketRouter, install
        from parrot import Parrot, create_app

        @pytest.fixture
        def websocket_app():
            app = create_app()
            router = WebSocketRouter()
            router.add_route("/tea", Parrot)
            install(app, router, prefix="/rooms")
            return app
        """
    )

    result = project.runpytest("--pachinko-cov")

    result.stdout.fnmatch_lines(
        [
            "/rooms/tea                    0/1       0/1     -     0/2     0.0%",
            "all                                                           0.0%",
            "/rooms/tea",
            "  never connected to",
        ]
    )


def test_traces_from_elsewhere_are_added_to_the_test_that_collects_them(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        test_talk="""
        import asyncio
        from parrot import app
        from pytest_pachinko import MemoryTransport
        from pytest_pachinko.coverage import collect

        async def talk():
            async with MemoryTransport(app) as connect:
                async with connect("/") as session:
                    await session.send({"type": "say", "text": "hi"})
                    await session.receive()
            collect(connect.traces, app)

        def test_elsewhere():
            asyncio.run(talk())
        """
    )

    project.runpytest("--pachinko-cov-json=cov.json").assert_outcomes(passed=1)

    assert counts(project)["entered"] == {"on_say": 1}


@pytest.mark.slow
def test_a_test_that_is_compared_on_both_transports_counts_once(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-transport=parity", "--pachinko-cov-json=cov.json")

    result.assert_outcomes(passed=3)
    assert counts(project)["entered"] == {"on_say": 1}


@pytest.mark.slow
def test_the_sum_is_the_same_in_several_processes(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    project.runpytest("--pachinko-cov-json=one.json")

    result = project.runpytest_subprocess(
        "-n2", "--pachinko-cov-json=two.json", "--pachinko-cov-fail-under=80"
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len([line for line in result.outlines if line.startswith("route ")]) == 1
    assert (project.path / "one.json").read_text() == (project.path / "two.json").read_text()
