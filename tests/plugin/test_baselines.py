"""What tests say on the wire is recorded, and compared in a later run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import pytest

@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["hi", "ho"])
async def test_say(websocket_connect, text):
    async with websocket_connect("/") as session:
        await session.send({"type": "say", "text": text})
        await session.receive()

@pytest.mark.asyncio
async def test_leave(websocket_connect):
    async with websocket_connect("/") as session:
        await session.close(4000)

def test_unrelated():
    pass
"""

CLOSED = TESTS.replace("4000", "4001")


@pytest.fixture
def recorded(project: pytest.Pytester) -> pytest.Pytester:
    """A project with a baseline of three tests in ``wire``."""
    project.makepyfile(test_it=TESTS)
    result = project.runpytest("--pachinko-record=wire")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["3 tests are new or different in *wire"])
    assert result.ret == 0
    return project


def file_of(project: pytest.Pytester) -> Path:
    return project.path / "wire" / "test_it.py.wire"


def test_a_baseline_is_a_file_that_can_be_read(recorded: pytest.Pytester) -> None:
    assert file_of(recorded).read_text(encoding="utf-8") == (
        "# pachinko baseline 1: test_it.py\n"
        "\n"
        "test_leave\n"
        '  "/"\n'
        "    ← accepted\n"
        '    → closed {"code": 4000}\n'
        "\n"
        "test_say[hi]\n"
        '  "/"\n'
        "    ← accepted\n"
        '    → json {"type": "say", "text": "hi"}\n'
        '    ← json {"type": "say", "text": "hi"}\n'
        '    → closed {"code": 1000}\n'
        "\n"
        "test_say[ho]\n"
        '  "/"\n'
        "    ← accepted\n"
        '    → json {"type": "say", "text": "ho"}\n'
        '    ← json {"type": "say", "text": "ho"}\n'
        '    → closed {"code": 1000}\n'
    )


@pytest.mark.parametrize("transport", ["memory", "live", "parity"])
def test_the_same_is_no_change_on_any_transport(recorded: pytest.Pytester, transport: str) -> None:
    result = recorded.runpytest("--pachinko-baseline=wire", f"--pachinko-transport={transport}")

    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("*WebSocket protocol*")
    assert result.ret == 0


def test_a_record_of_a_server_holds_in_memory(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TESTS)
    project.runpytest("--pachinko-record=wire", "--pachinko-transport=live")

    assert project.runpytest("--pachinko-baseline=wire").ret == 0


def test_a_change_fails_the_run_and_is_shown(recorded: pytest.Pytester) -> None:
    recorded.makepyfile(test_it=CLOSED)
    before = file_of(recorded).read_text(encoding="utf-8")

    result = recorded.runpytest("--pachinko-baseline=wire")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "*= WebSocket protocol =*",
            "test_it.py::test_leave",
            "  /: changed close: $.code was 4000, is 4001",
            "1 test differs from the baseline on the wire. If that is meant: pytest *-accept",
        ]
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert file_of(recorded).read_text(encoding="utf-8") == before


@pytest.mark.parametrize("arguments", [("--pachinko-accept",), ("--pachinko-record=wire",)])
def test_a_change_is_accepted_with_one_word(
    recorded: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    recorded.makepyfile(test_it=CLOSED)
    baseline = () if "record" in arguments[0] else ("--pachinko-baseline=wire",)

    result = recorded.runpytest(*arguments, *baseline)

    result.stdout.fnmatch_lines(["1 test is new or different in *wire"])
    assert result.ret == 0
    assert recorded.runpytest("--pachinko-baseline=wire").ret == 0
    assert "4001" in file_of(recorded).read_text(encoding="utf-8")


def test_accepting_shows_the_change(recorded: pytest.Pytester) -> None:
    recorded.makepyfile(test_it=CLOSED)

    result = recorded.runpytest("--pachinko-accept", "--pachinko-baseline=wire")

    result.stdout.fnmatch_lines(["test_it.py::test_leave", "  /: changed close: *"])
    result.stdout.no_fnmatch_line("*If that is meant*")


def test_accepting_makes_the_first_baseline(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TESTS)

    result = project.runpytest("--pachinko-accept", "--pachinko-baseline=wire")

    assert result.ret == 0
    assert file_of(project).exists()


def test_accepting_needs_a_baseline(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-accept")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--pachinko-accept: there is no baseline*", "Hint: *"])


def test_a_baseline_has_to_be_there(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-baseline=nowhere")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*There is no baseline in *nowhere*", "Hint: *"])


def test_a_baseline_has_to_be_one(recorded: pytest.Pytester) -> None:
    file_of(recorded).write_text("hello")

    result = recorded.runpytest("--pachinko-baseline=wire")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_it.py.wire is no baseline*", "Hint: *"])


def test_the_configuration_names_the_baseline_from_the_root_directory(
    recorded: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.makeini((recorded.path / "tox.ini").read_text() + "\npachinko_baseline = wire\n")
    recorded.makepyfile(test_it=CLOSED)
    monkeypatch.chdir(recorded.mkdir("elsewhere"))

    result = recorded.runpytest("..")

    result.stdout.fnmatch_lines(["  /: changed close: *"])
    assert recorded.runpytest("..", "--pachinko-baseline=").ret == 0
    assert recorded.runpytest("..", "--pachinko-accept").ret == 0


def test_the_configuration_may_ask_for_a_record(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TESTS)

    project.runpytest("-o", "pachinko_record=wire")

    assert file_of(project).exists()


def test_a_record_may_go_elsewhere_than_to_the_baseline(recorded: pytest.Pytester) -> None:
    recorded.makepyfile(test_it=CLOSED)

    result = recorded.runpytest("--pachinko-baseline=wire", "--pachinko-record=other")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (recorded.path / "other" / "test_it.py.wire").exists()
    assert recorded.runpytest("--pachinko-baseline=other").ret == 0


# Which tests count.


def test_a_test_that_does_not_pass_is_not_recorded(project: pytest.Pytester) -> None:
    body = "\n".join(
        f"""
@pytest.mark.asyncio
{marker}
async def test_{number}(websocket_connect, {fixture}):
    async with websocket_connect("/"):
        {line}
"""
        for number, (marker, fixture, line) in enumerate(
            [
                ("", "request", "assert False"),
                ("", "request", "pytest.skip('no')"),
                ("@pytest.mark.xfail", "request", "assert False"),
                ("@pytest.mark.xfail(strict=False)", "request", "pass"),
                ("", "bad_end", "pass"),
            ]
        )
    )
    project.makepyfile(
        test_it="import pytest\n\n@pytest.fixture\ndef bad_end():\n    yield\n    assert 0\n" + body
    )

    result = project.runpytest("--pachinko-record=wire")

    result.assert_outcomes(failed=1, skipped=1, xfailed=1, xpassed=1, passed=1, errors=1)
    assert not list((project.path / "wire").iterdir())


def test_a_test_that_fails_is_not_compared(recorded: pytest.Pytester) -> None:
    recorded.makepyfile(test_it=CLOSED.replace("close(4001)", "close(4001); assert False"))

    result = recorded.runpytest("--pachinko-baseline=wire")

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.no_fnmatch_line("*WebSocket protocol*")


def test_a_marker_keeps_a_test_out(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=f"{TESTS}\npytestmark = pytest.mark.pachinko(baseline=False)\n")

    result = project.runpytest("--pachinko-record=wire")

    result.assert_outcomes(passed=4)
    assert not list((project.path / "wire").iterdir())


def test_what_hypothesis_runs_is_kept_out(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import asyncio
        from hypothesis import HealthCheck, given, settings, strategies

        @settings(max_examples=2, suppress_health_check=list(HealthCheck), database=None)
        @given(text=strategies.text())
        def test_it(websocket_connect, text):
            async def talk():
                async with websocket_connect("/") as session:
                    await session.send({"type": "say", "text": text})
            asyncio.run(talk())
        """
    )

    result = project.runpytest("--pachinko-record=wire")

    result.assert_outcomes(passed=1)
    assert not list((project.path / "wire").iterdir())


def test_a_new_test_is_a_change(recorded: pytest.Pytester) -> None:
    recorded.makepyfile(test_it=f"{TESTS}\ntest_bye = test_leave\n")

    result = recorded.runpytest("--pachinko-baseline=wire")

    result.stdout.fnmatch_lines(["test_it.py::test_bye", "  new test"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


WITHOUT = TESTS.replace("test_leave", "no_test_leave")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (".",),
        ("test_it.py",),
        pytest.param(("-n", "2"), marks=pytest.mark.slow),
        pytest.param(("test_it.py", "-n", "2"), marks=pytest.mark.slow),
    ],
)
def test_a_test_that_is_gone_is_a_change(
    recorded: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    if "-n" in arguments:
        pytest.importorskip("xdist")
    recorded.makepyfile(test_it=WITHOUT)

    result = recorded.runpytest("--pachinko-baseline=wire", *arguments)

    result.stdout.fnmatch_lines(["test_it.py::test_leave", "  vanished test"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    "arguments",
    [
        ("-k", "say"),
        pytest.param(("-k", "say", "-n", "1"), marks=pytest.mark.slow),
        ("test_it.py::test_say",),
        ("test_it.py::test_say[hi]",),
        ("test_other.py",),
        ("--ignore=test_it.py",),
        ("--deselect=test_it.py::test_unrelated",),
        ("--lf",),
        ("--collect-only",),
        ("--setup-only",),
        ("--fixtures",),
    ],
)
def test_a_run_of_a_part_misses_nothing(
    recorded: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    if "-n" in arguments:
        pytest.importorskip("xdist")
    recorded.makepyfile(test_it=WITHOUT, test_other="def test_it(): pass")

    result = recorded.runpytest("--pachinko-baseline=wire", *arguments)

    result.stdout.no_fnmatch_line("*vanished*")
    assert result.ret == 0

    before = file_of(recorded).read_text(encoding="utf-8")
    recorded.runpytest("--pachinko-record=wire", *arguments)
    assert file_of(recorded).read_text(encoding="utf-8") == before


@pytest.mark.parametrize("workers", [(), pytest.param(("-n", "1"), marks=pytest.mark.slow)])
def test_a_module_that_is_skipped_misses_nothing(
    recorded: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    recorded.makepyfile(
        test_it="import pytest\npytest.skip('not here', allow_module_level=True)",
        test_other="def test_it(): pass",
    )

    result = recorded.runpytest("--pachinko-baseline=wire", *workers)

    result.stdout.no_fnmatch_line("*vanished*")
    assert result.ret == 0


def test_a_run_that_stops_misses_nothing(recorded: pytest.Pytester) -> None:
    recorded.makepyfile(test_it="def test_it(): assert False\n" + WITHOUT)

    result = recorded.runpytest("--pachinko-baseline=wire", "-x")

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*vanished*")


def test_a_module_that_cannot_be_imported_misses_nothing(recorded: pytest.Pytester) -> None:
    recorded.makepyfile(test_it="import nothing_of_that_name")

    result = recorded.runpytest("--pachinko-baseline=wire")

    result.stdout.no_fnmatch_line("*vanished*")


def test_recording_forgets_a_test_that_is_gone(recorded: pytest.Pytester) -> None:
    recorded.makepyfile(test_it=WITHOUT)

    recorded.runpytest("--pachinko-record=wire")

    assert "test_leave" not in file_of(recorded).read_text(encoding="utf-8")


# Other ways to run.


@pytest.mark.slow
def test_processes_record_together_what_one_does(recorded: pytest.Pytester) -> None:
    pytest.importorskip("xdist")

    recorded.runpytest("--pachinko-record=other", "-n", "2")

    assert (recorded.path / "other" / "test_it.py.wire").read_bytes() == file_of(
        recorded
    ).read_bytes()


@pytest.mark.slow
def test_processes_show_a_change(recorded: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    recorded.makepyfile(test_it=CLOSED)

    result = recorded.runpytest("--pachinko-baseline=wire", "-n", "2")

    result.stdout.fnmatch_lines(["test_it.py::test_leave", "  /: changed close: *"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.slow
def test_groups_of_processes_do_not_change_the_names_of_tests(recorded: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    recorded.makepyfile(test_it=f"{TESTS}\npytestmark = pytest.mark.xdist_group('one')\n")

    result = recorded.runpytest("--pachinko-baseline=wire", "-n", "2", "--dist=loadgroup")

    assert result.ret == 0


@pytest.mark.slow
def test_a_process_that_dies_takes_no_test_away(recorded: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    recorded.makepyfile(test_it=f"import os\n{WITHOUT}\ndef test_die():\n    os._exit(1)\n")

    result = recorded.runpytest("--pachinko-baseline=wire", "-n", "1", "--max-worker-restart=0")

    result.stdout.no_fnmatch_line("*vanished*")


def test_what_differs_between_memory_and_a_server_does_not_count(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_connect):
            async with websocket_connect("/") as session:
                await session.send({"type": "say", "text": type(websocket_connect).__name__})
                await session.receive()
        """
    )

    result = project.runpytest("--pachinko-record=wire", "--pachinko-transport=parity")

    result.assert_outcomes(failed=1)
    assert not list((project.path / "wire").iterdir())


# What is volatile.

ORDERS = """
import os
import uuid
import pytest

@pytest.mark.asyncio
async def test_it(websocket_connect):
    async with websocket_connect("/") as session:
        for text in (uuid.uuid4(), uuid.uuid4(), f"ORD-{os.urandom(2).hex()}"):
            await session.send({"type": "say", "text": str(text)})
            await session.receive()
"""


def test_rules_say_what_differs_in_each_run(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=ORDERS)
    rules = ("-o", "pachinko_volatile=order: ORD-[0-9a-f]+")

    project.runpytest("--pachinko-record=wire", *rules)

    assert project.runpytest("--pachinko-baseline=wire", *rules).ret == 0
    assert '"<order#1>"' in file_of(project).read_text(encoding="utf-8")
    assert '"<uuid#2>"' in file_of(project).read_text(encoding="utf-8")


def test_a_rule_that_is_none_is_refused(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-record=wire", "-o", "pachinko_volatile=order")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'order' does not say what is volatile*", "Hint: *"])
