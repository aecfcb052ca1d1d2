"""The part of the plugin that records baselines and compares with them."""

from __future__ import annotations

import os
from typing import Any
from typing import TYPE_CHECKING

import pytest

from pytest_pachinko.baseline import Baseline
from pytest_pachinko.baseline import covers
from pytest_pachinko.baseline import render
from pytest_pachinko.baseline import summary
from pytest_pachinko.baseline import wire
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.items import marked
from pytest_pachinko.items import NODE_ID
from pytest_pachinko.items import path_option
from pytest_pachinko.items import traces_of
from pytest_pachinko.trace.naming import parse_rules

if TYPE_CHECKING:
    from collections.abc import Generator
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["configure"]


def configure(config: pytest.Config) -> None:
    """Keep baselines, or compare with them, as the options say."""
    record, baseline = (
        path_option(config, name) for name in ("pachinko_record", "pachinko_baseline")
    )
    if config.getoption("--pachinko-accept") and baseline is None:
        raise pytest.UsageError(
            "--pachinko-accept: there is no baseline.\nHint: give it a --pachinko-baseline=DIR"
        )
    nothing_runs = config.getoption("collectonly") or config.getoption("setuponly")
    if (record or baseline) and not nothing_runs:
        config.pluginmanager.register(_Baselines(config, record, baseline), "pachinko-baselines")


class _Baselines:
    """Keeps what tests say on the wire, and says what is different from what was kept."""

    def __init__(self, config: pytest.Config, record: Path | None, baseline: Path | None) -> None:
        try:
            self._rules = parse_rules(config.getini("pachinko_volatile"))
        except PachinkoUsageError as error:
            raise pytest.UsageError(str(error)) from error
        self._config = config
        self._record = record
        self._baseline = baseline
        self._accept: bool = config.getoption("--pachinko-accept")
        self._is_worker = hasattr(config, "workerinput")
        self._partial = True  # until tests run
        self._left_out: list[str] = []  # what could not be collected
        self._failed: set[str] = set()
        self._seen: dict[str, str | None] = {}  # what each test said, if it passed
        self._lines: list[str] = []
        self._stores: dict[Path, Baseline] = {}

    def pytest_sessionstart(self) -> None:
        """Read the baselines, to say at once if that is not possible."""
        if self._is_worker:
            return
        if self._baseline and not self._baseline.is_dir() and not self._accept:
            raise pytest.UsageError(
                f"There is no baseline in {self._baseline}.\n"
                "Hint: --pachinko-accept, or --pachinko-record=DIR, makes one"
            )
        try:
            self._stores = {path: Baseline(path) for path in (self._record, self._baseline) if path}
        except PachinkoUsageError as error:
            raise pytest.UsageError(str(error)) from error

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Remember the name of a test as it is in any run."""
        item.stash[NODE_ID] = item.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember what has no tests because it was skipped, or could not be imported."""
        if not report.passed:
            self._left_out.append(report.nodeid or ".")

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Remember that not all tests run."""
        self._partial = self._partial or bool(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Know of nothing that would keep a test from running."""
        options = ("ignore", "ignore_glob", "lf")
        self._partial = any(self._config.getoption(name, None) for name in options)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add what a test has said to its last report, which also crosses processes."""
        report = yield
        if report.when == "teardown":
            name = item.stash.get(NODE_ID, item.nodeid)
            report.__dict__["_pachinko_wire"] = [name, self._said(item)]
        return report

    def _said(self, item: pytest.Item) -> str | None:
        # Hypothesis tests say something else each time.
        is_random = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if is_random or not marked(item, "baseline", default=True):
            return None
        traces = traces_of(item)
        if not traces:
            return ""
        return render(wire(traces, self._rules))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what the tests have said that passed; those of other processes too."""
        if report.when == "setup":
            self._failed.discard(report.nodeid)
        if not report.passed or hasattr(report, "wasxfail"):
            self._failed.add(report.nodeid)
        name, said = getattr(report, "_pachinko_wire", (report.nodeid, None))
        if report.when == "teardown":
            self._seen[name] = None if report.nodeid in self._failed else said

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take from a process of pytest-xdist what only it knows."""
        # A process that has crashed has not said anything.
        output = getattr(node, "workeroutput", {})
        partial, left_out = output.get("pachinko_baselines", (True, []))
        self._partial = self._partial or partial
        self._left_out += left_out

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare, and fail the run if something is different that nobody has accepted."""
        if self._is_worker:
            output = self._config.workeroutput  # type: ignore[attr-defined]
            output["pachinko_baselines"] = [self._partial, self._left_out]
            return
        if session.shouldstop or session.shouldfail or session.exitstatus not in (0, 1):
            self._partial = True
        different = False
        if self._baseline:
            store = self._stores[self._baseline]
            changed = store.compare(self._seen, self._gone)
            self._lines += summary(changed, accepted=self._accept)
            different = bool(changed) and not self._accept
        for path in (self._record, self._baseline if self._accept else None):
            if path:
                count = self._stores[path].save(self._seen, self._gone)
                tests = "1 test is" if count == 1 else f"{count} tests are"
                self._lines.append(f"{tests} new or different in {path}")
        if different and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _gone(self, name: str) -> bool:
        """Return whether a test that did not run should have."""
        return (
            not self._partial
            and not any(covers(place, name) for place in self._left_out)
            and any(covers(place, name) for place in self._places())
        )

    def _places(self) -> Iterator[str]:
        """Return what was named on the command line, as node ids begin."""
        for argument in self._config.args:
            path, colons, rest = argument.partition("::")
            absolute = os.path.join(self._config.invocation_params.dir, path)  # noqa: PTH118
            relative = os.path.relpath(absolute, self._config.rootpath)
            yield relative.replace(os.sep, "/") + colons + rest

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show what is different."""
        if self._lines:
            terminalreporter.section("WebSocket protocol")
            for line in self._lines:
                terminalreporter.write_line(line)
