"""The files about a test, and the summary of a run on GitHub."""

from __future__ import annotations

import json
import re
from typing import Any
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from pytest_pachinko import artefacts
from pytest_pachinko import Trace
from pytest_pachinko.artefacts import file_name
from pytest_pachinko.artefacts import markdown
from pytest_pachinko.artefacts import Outcome
from pytest_pachinko.artefacts import summary
from pytest_pachinko.artefacts import without_secrets
from pytest_pachinko.artefacts import write
from pytest_pachinko.headers import Headers
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.export import Comparison
from pytest_pachinko.trace.export import load

if TYPE_CHECKING:
    from pathlib import Path

TEST = """
import pytest
from pytest_pachinko import Accepted

@pytest.mark.asyncio
async def test_it(websocket_connect):
    async with websocket_connect("/", name="ann") as ann, websocket_connect("/") as bob:
        await ann.send({"type": "say", "text": "hi"})
        await ann.receive()
        await bob.send({"type": "say", "text": "ho"})
        await bob.receive()
    assert ann.trace == [Accepted(), ...] and bob.trace == [Accepted()]
"""

PASSES = TEST.partition("    assert")[0]


@pytest.fixture(autouse=True)
def _not_on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def github(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = project.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


def files_in(directory: Path) -> list[str]:
    """Return the names of files, without the digests."""
    return sorted(re.sub(r"-\w{10}\.", ".", path.name) for path in directory.iterdir())


def only(directory: Path, extension: str) -> str:
    (path,) = directory.glob(f"*.{extension}")
    return path.read_text(encoding="utf-8")


def data_of(page: str) -> Any:
    return json.loads(page.partition('id="data">')[2].partition("</script>")[0])


def test_a_failed_test_leaves_its_trace_in_three_formats(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TEST)

    project.runpytest("--pachinko-trace-dir=out/traces").assert_outcomes(failed=1)

    traces = project.path / "out/traces"
    assert files_in(traces) == [f"test_it-test_it.{kind}" for kind in ("html", "jsonl", "mmd")]
    assert [event.connection for event in load(only(traces, "jsonl"))] == [
        *["ann", "/"],
        *["ann"] * 2,
        *["/"] * 3,
        "ann",
    ]
    assert only(traces, "mmd").startswith("sequenceDiagram\n    participant c0 as ann\n")


def test_the_page_has_the_comparison_that_failed(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TEST)

    project.runpytest("--pachinko-trace-dir=traces")

    data = data_of(only(project.path / "traces", "html"))
    assert data["title"] == "test_it.py::test_it"
    assert data["comparison"]["verdict"][0] == "/: the trace differs at event [1]"
    assert ["+", 4, '[1] → text {"type":"say","text":"ho"}'] in data["comparison"]["lines"]


def test_a_comparison_that_is_not_what_failed_is_not_on_the_page(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it=PASSES
        + """
    with pytest.raises(AssertionError):
        assert bob.trace == [Accepted()]
    assert 1 == 2
"""
    )

    project.runpytest("--pachinko-trace-dir=traces")

    data = data_of(only(project.path / "traces", "html"))
    assert data["comparison"] is None
    assert data["failure"] == "assert 1 == 2"


def test_the_report_names_the_file(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TEST)

    result = project.runpytest("--pachinko-trace-dir=traces")

    result.stdout.fnmatch_lines(
        ["*- WebSocket trace files -*", "traces/test_it-test_it-*.html"], consecutive=True
    )
    (path,) = (project.path / "traces").glob("*.html")
    assert f"traces/{path.name}" in result.outlines


def test_a_place_outside_of_the_project_is_named_in_full(
    project: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    project.makepyfile(test_it=TEST)

    result = project.runpytest(f"--pachinko-trace-dir={elsewhere}")

    result.stdout.fnmatch_lines([f"{elsewhere.as_posix()}/test_it-*.html"])


def test_what_passes_leaves_nothing(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=PASSES)

    project.runpytest("--pachinko-trace-dir=traces").assert_outcomes(passed=1)

    assert not (project.path / "traces").exists()


def test_the_traces_of_all_tests_are_written_if_that_is_asked_for(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(test_it=PASSES + "\n\ndef test_nothing():\n    pass\n")

    project.runpytest("--pachinko-trace-dir=traces", "--pachinko-trace-all").assert_outcomes(
        passed=2
    )

    data = data_of(only(project.path / "traces", "html"))
    assert data["failed"] is False


def test_the_options_have_twins_in_the_configuration(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=PASSES)
    sub = project.mkdir("sub")

    result = project.runpytest(
        f"--rootdir={project.path}",
        "-o",
        "pachinko_trace_dir=traces",
        "-o",
        "pachinko_trace_all=true",
    )

    result.assert_outcomes(passed=1)
    assert len(files_in(project.path / "traces")) == 3
    assert files_in(sub) == []


def test_all_tests_without_a_directory_is_a_usage_error(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-trace-all")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --pachinko-trace-all needs --pachinko-trace-dir=DIR"])


def test_a_directory_that_is_a_file_is_a_usage_error(project: pytest.Pytester) -> None:
    result = project.runpytest("--pachinko-trace-dir=parrot.py")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'parrot.py' is not a valid pachinko_trace_dir: it is a file"])


def test_a_file_that_cannot_be_written_fails_nothing_more(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TEST)

    result = project.runpytest("--pachinko-trace-dir=parrot.py/traces")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["not written: *parrot.py*"])


def test_an_exception_of_the_toolkit_itself_fails_nothing_more(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(*args: Any) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr(artefacts, "without_secrets", give_up)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    project.makepyfile(test_it=TEST)

    result = project.runpytest("--pachinko-trace-dir=traces")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["not written: RecursionError: too deep"])


def test_a_failed_setup_and_a_failed_teardown_leave_a_trace(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.fixture
        def unlucky(websocket_connect):
            raise KeyError("setup")

        @pytest.fixture
        def unhappy():
            yield
            raise KeyError("teardown")

        def test_setup(unlucky):
            pass

        @pytest.mark.asyncio
        async def test_teardown(unhappy, websocket_connect):
            async with websocket_connect("/"):
                pass
        """
    )

    result = project.runpytest("--pachinko-trace-dir=traces")

    result.assert_outcomes(passed=1, errors=2)
    assert files_in(project.path / "traces")[::3] == [
        "test_it-test_setup.html",
        "test_it-test_teardown.html",
    ]
    for path in (project.path / "traces").glob("*.html"):
        assert data_of(path.read_text(encoding="utf-8"))["failure"].startswith("KeyError: ")


def test_what_happens_in_the_teardown_is_in_the_files_too(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def session(websocket_connect):
            async with websocket_connect("/") as session:
                yield session

        @pytest.mark.asyncio
        async def test_it(session):
            assert False
        """
    )

    project.runpytest("--pachinko-trace-dir=traces")

    trace = load(only(project.path / "traces", "jsonl"))
    assert [event.kind for event in trace] == ["accepted", "closed"]


def test_a_difference_between_transports_leaves_a_trace(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.asyncio
        async def test_it(websocket_connect, _pachinko_transport):
            async with websocket_connect("/") as session:
                await session.close(4000 if _pachinko_transport == "live" else 4001)
        """
    )

    result = project.runpytest("--pachinko-transport=parity", "--pachinko-trace-dir=traces")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["traces/test_it-test_it-*.html"])
    failure = data_of(only(project.path / "traces", "html"))["failure"]
    assert failure.startswith("The same test saw something else on the server")


def test_a_failed_test_without_websockets_leaves_nothing(
    project: pytest.Pytester, github: Path
) -> None:
    project.makepyfile(test_it="def test_it():\n    assert [1] == [2]\n")

    project.runpytest("--pachinko-trace-dir=traces").assert_outcomes(failed=1)

    assert not (project.path / "traces").exists()
    assert not github.exists()


def properties(project: pytest.Pytester, *arguments: str) -> dict[str, str]:
    project.runpytest("--junitxml=report.xml", "--pachinko-trace-dir=traces", *arguments)
    found = ET.parse(project.path / "report.xml").iter("property")  # noqa: S314 - ours
    return {each.get("name", ""): each.get("value", "") for each in found}


def test_the_report_for_ci_has_the_place_and_the_counts(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TEST)

    found = properties(project)

    assert (project.path / found.pop("pachinko_trace")).is_file()
    assert found == {"pachinko_connections": "2", "pachinko_events": "8"}


def test_the_summary_shows_what_failed(project: pytest.Pytester, github: Path) -> None:
    project.makepyfile(test_it=TEST)

    project.runpytest().assert_outcomes(failed=1)

    lines = github.read_text(encoding="utf-8").splitlines()
    assert lines[:8] == [
        "### 1 failed WebSocket test",
        "",
        "<details open><summary><code>test_it.py&#58;&#58;test_it</code></summary>",
        "",
        "```text",
        "/: the trace differs at event [1]",
        "  expected  nothing here",
        """  got       ToApp({'type': 'say', 'text': 'ho'})""",
    ]
    assert lines[8:12] == ["```", "", "```mermaid", "sequenceDiagram"]


def test_the_summary_is_added_to_what_is_there(project: pytest.Pytester, github: Path) -> None:
    github.write_text("before\n")
    project.makepyfile(test_it=TEST)

    project.runpytest()

    assert github.read_text(encoding="utf-8").startswith("before\n### 1 failed")


def test_there_is_no_summary_of_what_passes(project: pytest.Pytester, github: Path) -> None:
    project.makepyfile(test_it=PASSES)

    project.runpytest().assert_outcomes(passed=1)

    assert not github.exists()


def test_a_summary_that_cannot_be_written_fails_nothing_more(
    project: pytest.Pytester, github: Path
) -> None:
    github.mkdir()
    project.makepyfile(test_it=TEST)

    result = project.runpytest()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["pachinko: no summary was written: *"])


@pytest.mark.slow
def test_several_processes_write_what_one_does(project: pytest.Pytester, github: Path) -> None:
    project.makepyfile(test_one=TEST, test_two=TEST.replace("def test", "def test_other_"))

    result = project.runpytest_subprocess(
        "-n", "2", "--dist=loadgroup", "--pachinko-trace-dir=traces", "--junitxml=report.xml"
    )

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["traces/test_one-test_it-*.html"])
    assert files_in(project.path / "traces")[::3] == [
        "test_one-test_it.html",
        "test_two-test_other__it.html",
    ]
    assert re.findall("###.*", github.read_text()) == ["### 2 failed WebSocket tests"]
    assert (project.path / "report.xml").read_text().count('name="pachinko_events"') == 2


@pytest.mark.slow
def test_a_group_of_tests_does_not_change_the_names(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TEST.replace("@pytest", '@pytest.mark.xdist_group("g")\n@pytest', 1))

    project.runpytest_subprocess(
        "-n", "1", "--dist=loadgroup", "--pachinko-trace-dir=traces"
    ).assert_outcomes(failed=1)

    (path,) = (project.path / "traces").glob("*.html")
    assert path.stem == file_name("test_it.py::test_it")


@pytest.mark.parametrize(
    ("nodeid", "readable"),
    [
        ("tests/chat/test_it.py::test_it", "test_it-test_it"),
        ("test_it.py::TestIt::test_it[a/b-ä]", "test_it-TestIt-test_it-a-b"),
        ("test_it.py::test_it[../../etc/passwd]", "test_it-test_it-etc-passwd"),
        ("docs/page.md", "page-md"),
        ("test_it.py::test_it[\x00\ud800]", "test_it-test_it"),
        ("test_it.py::" + "x" * 500, "test_it-" + "x" * 72),
        ("", ""),
    ],
)
def test_the_name_of_a_file_is_readable_and_harmless(nodeid: str, readable: str) -> None:
    name = file_name(nodeid)

    assert re.fullmatch(rf"{readable}-[0-9a-f]{{10}}", name)


def test_names_of_files_differ_where_a_file_system_sees_no_difference() -> None:
    names = [file_name(f"test_it.py::test_it[{value}]") for value in ("a", "A", "/", ":")]

    assert len({name.lower() for name in names}) == 4


def test_names_of_files_are_the_same_in_each_run() -> None:
    assert file_name("test_it.py::test_it") == "test_it-test_it-889b500644"


def secret_trace() -> Trace:
    trace = Trace("/")
    headers = Headers([(b"set-cookie", b"sid=abcdef"), (b"x-room", b"tea")])
    trace.record("from_app", "accepted", Handshake(101, "bearer.eyJhbGci", headers), 0.0)
    trace.record("from_app", "denied", Handshake(403, body=b'{"token":"body-token"}'), 0.0)
    trace.record("to_app", "text", '{"password":"hunter2","user":"ann","token":"abc"}', 0.0)
    trace.record("to_app", "text", '{"secret":{"deep":["deeper"]}}', 0.0)
    trace.record("to_app", "text", '{"text":"hi"}', 0.0)
    trace.record("to_app", "closed", Close(1000), 0.0)
    return trace


def test_no_file_has_a_secret(tmp_path: Path) -> None:
    text = "ann said hunter2 with sid=abcdef, bearer.eyJhbGci, body-token, deeper and abcabc"
    outcome = Outcome("test_it", failed=True, message=text, comparison=Comparison("/", [text]))

    path = write(tmp_path, secret_trace(), outcome)

    for each in tmp_path.iterdir():
        assert not re.search(
            "hunter2|abcdef|eyJhbGci|body-token|deeper", each.read_text(encoding="utf-8")
        ), each.name
    data = data_of(path.read_text(encoding="utf-8"))
    assert data["failure"] == (
        "ann said <redacted> with <redacted>, <redacted>, <redacted>, <redacted> and abcabc"
    )
    assert data["comparison"]["verdict"] == [data["failure"]]


def test_the_trace_itself_keeps_its_secrets() -> None:
    trace = secret_trace()

    clean, _ = without_secrets(trace, Outcome("test_it", failed=True))

    assert trace == secret_trace()
    assert clean != trace
    assert clean[4:] == trace[4:]


def test_a_summary_has_no_secret() -> None:
    assert "hunter2" not in markdown(
        secret_trace(), Outcome("test_it", failed=True, message="hunter2")
    )


def test_nothing_in_a_name_or_a_verdict_is_markdown() -> None:
    outcome = Outcome("test_it[</code>`*[a](b)]", failed=True, message="````\n</details>\x1b")

    text = markdown(Trace("/"), outcome)

    assert "<code>test_it&#91;&#60;&#47;code&#62;".replace("&#47;", "/") in text
    assert "\n`````text\n````\n</details>\\x1b\n`````\n" in text


def test_a_long_verdict_is_cut() -> None:
    message = "\n".join(str(number) for number in range(100))

    text = markdown(Trace("/"), Outcome("test_it", failed=True, message=message))

    assert "\n11\n… 88 more lines\n```\n" in text


def test_of_many_failed_tests_the_summary_names_some() -> None:
    text = summary([(f"test_{number}", f"<{number}>\n") for number in range(200)])

    assert text.startswith("### 200 failed WebSocket tests\n\n<0>\n")
    assert "<19>" in text
    assert "<20>" not in text
    assert "- <code>test_20</code>\n" in text
    assert "test_120" not in text
    assert text.endswith("and 80 more\n\n")


def test_a_summary_of_the_worst_run_is_shorter_than_github_allows() -> None:
    trace = Trace("\ud800" * 1000)
    for _ in range(1000):
        trace.record("to_app", "text", "\u2028" * 2**16, 0.0)
    nodeid = "\x00" * 1000
    message = "\n".join(["\x00" * 1000] * 1000)
    part = markdown(trace, Outcome(nodeid, failed=True, message=message))

    assert len(summary([(nodeid, part)] * 1000).encode(errors="backslashreplace")) < 2**20
