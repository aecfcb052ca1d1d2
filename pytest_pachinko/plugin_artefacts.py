"""The part of the plugin that writes traces to files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING

import pytest

from pytest_pachinko import artefacts
from pytest_pachinko.items import NODE_ID
from pytest_pachinko.items import option
from pytest_pachinko.items import path_option
from pytest_pachinko.items import SOURCES
from pytest_pachinko.items import traces_of
from pytest_pachinko.trace.export import Comparison
from pytest_pachinko.trace.record import merged
from pytest_pachinko.trace.record import Trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Generator

__all__ = ["configure"]


class _Artefacts:
    """Writes what failed to files, and to the summary of a run on GitHub.

    It sees the final report of each phase, where the test runs. Under pytest-xdist the summary is
    written by another process, which gets its parts with the reports.
    """

    def __init__(
        self, config: pytest.Config, directory: Path | None, *, every: bool, summary: str | None
    ) -> None:
        self.here = config.invocation_params.dir
        self.directory = directory
        self.every = every
        self.summary = summary
        self.failed: dict[str, str] = {}  # what the summary says of each failed test
        self.item: pytest.Item | None = None
        self.comparison: Comparison | None = None
        self.outcome: artefacts.Outcome | None = None
        self.written = ("", -1)  # the place, and how many events there were

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Remember the name of a test as it is in any run."""
        item.stash[NODE_ID] = item.nodeid

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Remember which test runs."""
        self.item, self.comparison, self.outcome, self.written = item, None, None, ("", -1)
        try:
            return (yield)
        finally:
            self.item = None

    @pytest.hookimpl(wrapper=True)
    def pytest_assertrepr_compare(
        self, left: Any, right: Any
    ) -> Generator[None, list[list[str]], list[list[str]]]:
        """Keep what is said about a trace."""
        explanations = yield
        traces = [side for side in (left, right) if isinstance(side, Trace)]
        if traces and explanations:
            self.comparison = Comparison(traces[0].connection, explanations[0])
        return explanations

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the files, and say in the report where they are."""
        if self.item is not None and SOURCES in self.item.stash:
            self._look_at(self.item, report)
        part = getattr(report, "pachinko_summary", None)
        if part is not None:
            self.failed.setdefault(report.nodeid, part)

    def _look_at(self, item: pytest.Item, report: pytest.TestReport) -> None:
        trace = merged(traces_of(item))
        nodeid = item.stash.get(NODE_ID, item.nodeid)
        if report.failed and self.outcome is None:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = str(report.longrepr if crash is None else crash.message)
            compared = self.comparison
            if compared is not None and compared.lines[0] not in message:
                compared = None  # it failed by something else
            self.outcome = artefacts.Outcome(
                nodeid, failed=True, message=message, comparison=compared
            )
            if self.summary is not None:
                part, _ = _tried(artefacts.markdown, trace, self.outcome)
                report.__dict__["pachinko_summary"] = part
        last = report.when == "teardown"
        if self.directory is None or not (report.failed or (last and (self.outcome or self.every))):
            return
        if self.written[1] != len(trace):
            outcome = self.outcome or artefacts.Outcome(nodeid, failed=False)
            self.written = (self._write(self.directory, trace, outcome), len(trace))
        if report.failed:
            report.sections.append(("WebSocket trace files", self.written[0]))
        if last:
            report.user_properties += [
                ("pachinko_trace", self.written[0]),
                ("pachinko_connections", len(traces_of(item))),
                ("pachinko_events", len(trace)),
            ]

    def _write(self, directory: Path, trace: Trace, outcome: artefacts.Outcome) -> str:
        """Return where the page is, or why it is not."""
        path, problem = _tried(artefacts.write, directory, trace, outcome)
        if path is None:
            return f"not written: {problem}"
        shown: Path = path.relative_to(self.here) if path.is_relative_to(self.here) else path
        return shown.as_posix()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the summary, where all reports are."""
        is_worker = hasattr(terminalreporter.config, "workerinput")
        if self.summary is None or is_worker or not self.failed:
            return
        text = artefacts.summary(list(self.failed.items()))
        _, problem = _tried(artefacts.append, Path(self.summary), text)
        if problem:
            terminalreporter.write_line(f"pachinko: no summary was written: {problem}")


def _tried(act: Callable[..., Any], *args: Any) -> tuple[Any, str]:
    """Return what a call returns, or what it raised: a missing file must not end the run."""
    try:
        return act(*args), ""
    except Exception as error:  # noqa: BLE001 - a payload may be anything
        return None, f"{type(error).__name__}: {error}"


def configure(config: pytest.Config) -> None:
    """Register what writes files, if somebody asks for some."""
    directory = path_option(config, "pachinko_trace_dir")
    every = config.getoption("--pachinko-trace-all")
    if every and directory is None:
        raise pytest.UsageError("--pachinko-trace-all needs --pachinko-trace-dir=DIR")
    if directory is not None and directory.exists() and not directory.is_dir():
        name = option(config, "pachinko_trace_dir")
        raise pytest.UsageError(f"{name!r} is not a valid pachinko_trace_dir: it is a file")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    writer = _Artefacts(
        config,
        directory,
        every=bool(every or config.getini("pachinko_trace_all")),
        summary=summary or None,
    )
    config.pluginmanager.register(writer, "pachinko-artefacts")
