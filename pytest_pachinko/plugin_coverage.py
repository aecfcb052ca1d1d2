"""The part of the plugin that says how much of a protocol the tests have spoken."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_pachinko.coverage import collecting
from pytest_pachinko.coverage import Coverage
from pytest_pachinko.coverage_report import document
from pytest_pachinko.coverage_report import shortfall
from pytest_pachinko.coverage_report import table
from pytest_pachinko.items import flag
from pytest_pachinko.items import option
from pytest_pachinko.items import path_option
from pytest_pachinko.items import SOURCES
from pytest_pachinko.items import traces_of
from pytest_pachinko.observing import observing

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["configure"]


def configure(config: pytest.Config) -> None:
    """Measure the coverage of protocols, as the options say."""
    given = option(config, "pachinko_cov_fail_under")
    try:
        least = float(given or 0)
    except ValueError:
        least = -1.0
    if not 0 <= least <= 100:
        raise pytest.UsageError(
            f"{given!r} is not a valid pachinko_cov_fail_under: a percentage, such as 80"
        )
    shown = flag(config, "pachinko_cov") or flag(config, "pachinko_fuzz")
    path = path_option(config, "pachinko_cov_json")
    nothing_runs = config.getoption("collectonly") or config.getoption("setuponly")
    if (shown or path or least) and not nothing_runs:
        measuring = _Measuring(config, path, least, shown=shown)
        config.pluginmanager.register(measuring, "pachinko-coverage")
        config.add_cleanup(measuring.stop)


class _Measuring:
    """Counts what each test has said, and adds it all up.

    What a test has said travels with its last report. Under pytest-xdist that is where the sum is
    made.
    """

    def __init__(
        self, config: pytest.Config, path: Path | None, least: float, *, shown: bool
    ) -> None:
        self._is_worker = hasattr(config, "workerinput")
        self._path = path
        self._least = least
        self._shown = shown
        self._all = Coverage()
        self._lines: list[str] = []
        self._pending = Coverage()  # of the test that runs
        self._stack = ExitStack()
        self._stack.enter_context(observing())
        self._stack.enter_context(collecting(self._pending))

    def stop(self) -> None:
        """Look at connections no longer."""
        self._stack.close()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add what a test has said to its last report."""
        report = yield
        if report.when == "teardown":
            pending = self._pending
            for source in item.stash.get(SOURCES, []):
                pending.declare(getattr(source, "app", None))
            for trace in traces_of(item):
                pending.add(trace)
            if pending:
                report.__dict__["_pachinko_coverage"] = pending.to_builtins()
                pending.rows.clear()
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up what tests have said; those of other processes too."""
        data = getattr(report, "_pachinko_coverage", None)
        if data is not None:
            self._all.merge(Coverage.from_builtins(data))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file, and fail the run if the coverage is too low."""
        if self._is_worker:
            return
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                text = msgspec.json.format(msgspec.json.encode(document(self._all)))
                self._path.write_bytes(text + b"\n")
            except OSError as error:
                self._lines.append(f"{self._path} was not written: {error}")
        short = shortfall(self._all, self._least) if self._least else None
        if short is not None:
            self._lines.append(short)
            self._shown = True
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the table."""
        lines = [*(table(self._all) if self._shown else []), *self._lines]
        if lines and not self._is_worker:
            terminalreporter.write_sep("=", "WebSocket protocol coverage")
            for line in lines:
                terminalreporter.write_line(line)
