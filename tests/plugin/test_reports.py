"""What a failure shows."""

from __future__ import annotations

import pytest

DIFFERENT = """
import pytest
from pytest_pachinko import Accepted, Closed, FromApp, ToApp

@pytest.mark.asyncio
async def test_it(websocket_connect):
    async with websocket_connect("/") as session:
        await session.send({"type": "say", "text": "hi"})
        await session.receive()

    assert session.trace == [
        Accepted(),
        ToApp({"type": "say", "text": "hi"}),
        FromApp({"type": "say", "text": "ho"}),
        Closed(1000),
    ]
"""

VERDICT = [
    "E       *assert /: the trace differs at event [[]2]",
    "E           expected  FromApp({'type': 'say', 'text': 'ho'})",
    "E           got       FromApp({'type': 'say', 'text': 'hi'})",
    "E           $.text: expected 'ho', got 'hi'",
]

COMPARISON = [
    "E           [[]0] ← accepted",
    'E           [[]1] → text {"type":"say","text":"hi"}',
    "E         - expected  FromApp({'type': 'say', 'text': 'ho'})",
    'E         + [[]2] ← text {"type":"say","text":"hi"}',
    "E           [[]3] → closed by peer 1000",
]

TRACE = [
    "*- WebSocket trace of / -*",
    "  [[]0] ← accepted",
    '  [[]1] → text {"type":"say","text":"hi"}',
    '> [[]2] ← text {"type":"say","text":"hi"}',
    "  [[]3] → closed by peer 1000",
]


def test_the_verdict_is_in_the_lines_that_pytest_shows(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=DIFFERENT)

    result = project.runpytest()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(VERDICT, consecutive=True)
    result.stdout.fnmatch_lines(TRACE, consecutive=True)


def test_the_whole_comparison_is_shown_in_ci(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "1")
    project.makepyfile(test_it=DIFFERENT)

    result = project.runpytest()

    result.stdout.fnmatch_lines([*VERDICT, "E         ", *COMPARISON], consecutive=True)


def test_the_patterns_may_stand_on_the_left(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it=DIFFERENT.replace("assert session.trace == [", "assert [").replace(
            "    ]\n", "    ] == session.trace\n"
        )
    )

    project.runpytest().stdout.fnmatch_lines(VERDICT, consecutive=True)


def test_traces_are_compared_event_by_event(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            async with websocket_connect("/") as first, websocket_connect("/") as second:
                await second.close(4000)
            assert first.trace == second.trace
        """
    )

    project.runpytest().stdout.fnmatch_lines(
        [
            "*assert /: the trace differs at event [[]1]",
            "*expected  Closed(4000, *",
            "*got       Closed(1000, *",
        ]
    )


@pytest.mark.parametrize(
    "assertion",
    [
        "assert session.trace != [Accepted(), ...]",
        "assert session.trace == 'trace'",
        "assert [1] == [2]",
        "assert not session.trace == [...]",
    ],
)
def test_other_comparisons_are_left_to_pytest(project: pytest.Pytester, assertion: str) -> None:
    project.makepyfile(
        test_it=f"""
        import pytest
        from pytest_pachinko import Accepted

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            async with websocket_connect("/") as session:
                pass
            {assertion}
        """
    )

    result = project.runpytest()

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*differs at*")


@pytest.mark.slow
def test_a_comparison_in_a_session_without_traces_is_left_to_pytest(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(test_it="def test_it():\n    assert [1] == [2]\n")

    result = project.runpytest_subprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*At index 0 diff: 1 != 2*"])


def test_a_failed_teardown_shows_the_trace_too(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.fixture
        def unhappy():
            yield
            raise KeyError("teardown")

        @pytest.mark.asyncio
        async def test_it(unhappy, websocket_connect):
            async with websocket_connect("/") as session:
                await session.send({"type": "say", "text": "hi"})
                await session.receive()
        """
    )

    result = project.runpytest()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([line.replace(">", " ") for line in TRACE], consecutive=True)


def test_what_passes_shows_nothing(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            async with websocket_connect("/"):
                pass
        """
    )

    result = project.runpytest("-rA")

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*WebSocket trace*")


def test_the_traces_of_a_harness_and_a_simulator_are_shown(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_harness, websocket_simulator):
            async with websocket_harness.connect("/", name="ann"):
                await websocket_simulator.send_text("hello")
                assert False
        """
    )

    result = project.runpytest()

    result.stdout.fnmatch_lines(
        ["*- WebSocket trace of ann, / -*", "  ann [[]0] ← accepted", "  /   [[]1] ← text hello"]
    )


def test_of_many_connections_some_are_named_in_the_title(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            for number in range(1, 26):
                async with websocket_connect("/"):
                    pass
            assert False
        """
    )

    result = project.runpytest()

    result.stdout.fnmatch_lines(
        ["*- WebSocket trace of /, / #2, / #3, / #4 and 21 more -*", "  / #25 [[]0] ← accepted"]
    )


def test_the_conversation_of_several_connections_is_shown_in_one_order(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        test_it="""
        import pytest
        from pytest_pachinko import Accepted, Closed, FromApp, ToApp

        SAY = {"type": "say", "text": "hi"}

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            async with websocket_connect("/", name="ann") as ann:
                async with websocket_connect("/", name="robert") as bob:
                    await bob.send(SAY)
                    await bob.receive()
                    await ann.send(SAY)
                    await ann.receive()
            assert ann.trace == [Accepted(), ToApp(SAY), FromApp("ho"), Closed(1000)]
        """
    )

    project.runpytest().stdout.fnmatch_lines(
        [
            "*- WebSocket trace of ann, robert -*",
            "  ann    [[]0] ← accepted",
            "  robert [[]0] ← accepted",
            "  robert [[]1] → text *",
            "  robert [[]2] ← text *",
            "  ann    [[]1] → text *",
            "> ann    [[]2] ← text *",
            "  robert [[]3] → closed by peer 1000",
            "  ann    [[]3] → closed by peer 1000",
        ],
        consecutive=True,
    )


def test_the_event_at_which_another_test_failed_is_not_pointed_at(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        test_it=DIFFERENT
        + """

@pytest.mark.asyncio
async def test_other(websocket_connect):
    async with websocket_connect("/") as session:
        await session.send("x")
        await session.expect_silence()
        raise KeyError("no")
"""
    )

    result = project.runpytest()

    assert sum(line.startswith("> [") for line in result.outlines) == 1


def test_messages_are_compared_field_by_field(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest
        from parrot import Say

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            async with websocket_connect("/") as session:
                await session.send(Say(text="hi"))
                assert await session.receive(Say) == Say(text="ho")
        """
    )

    project.runpytest().stdout.fnmatch_lines(
        ["E * assert Say == Say", "E * $.text: 'hi' != 'ho'"], consecutive=True
    )


def test_an_exception_of_the_application_is_in_the_trace(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest
        from pytest_pachinko import Accepted, Closed, Raised, ToApp

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            async with websocket_connect("/", raise_app_exceptions=False) as session:
                await session.send({"type": "say", "text": "spill"})
                await session.expect(Closed(1011))
            assert session.trace == [..., Raised(ValueError, message="milk"), ...]
            assert session.trace == [Accepted(), ToApp(), Closed(1011)]
            assert False
        """
    )

    project.runpytest().stdout.fnmatch_lines(["  [[]*] ! raised ValueError: milk"])


def test_a_long_trace_is_cut(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            async with websocket_connect("/") as session:
                for _ in range(200):
                    await session.send({"type": "say", "text": "hi"})
                    await session.receive()
            assert False
        """
    )

    project.runpytest().stdout.fnmatch_lines(["  … 202 earlier events", "  [[]202] *"])


def test_an_exception_of_the_application_is_shown_as_itself(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            async with websocket_connect("/") as session:
                await session.send({"type": "say", "text": "spill"})
                await session.receive()
        """
    )

    result = project.runpytest()

    result.stdout.fnmatch_lines(
        ['>           raise ValueError("milk")', "E           ValueError: milk", "*parrot.py*"]
    )
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_it - ValueError: milk"])


def test_the_frames_of_the_toolkit_are_hidden(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            async with websocket_connect("/") as session:
                await session.receive()
        """
    )

    result = project.runpytest()

    result.stdout.fnmatch_lines(["E*Stalled: /: receive(): no frame came*"])
    result.stdout.no_fnmatch_line("*pytest_pachinko/session.py*")


@pytest.mark.slow
def test_a_report_survives_its_way_from_another_process(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=DIFFERENT)

    result = project.runpytest_subprocess("-n", "2")

    result.stdout.fnmatch_lines(VERDICT, consecutive=True)
    result.stdout.fnmatch_lines(TRACE, consecutive=True)
