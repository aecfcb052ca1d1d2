"""The part of the plugin that holds all sessions of tests to an AsyncAPI document."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from typing import TYPE_CHECKING

import pytest

from pytest_pachinko.asyncapi.loading import load_document
from pytest_pachinko.contract import Judge
from pytest_pachinko.contract import parts_of
from pytest_pachinko.contract import report as report_of
from pytest_pachinko.contract_report import summary
from pytest_pachinko.contract_report import Tally
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.items import marked
from pytest_pachinko.items import MARKER
from pytest_pachinko.items import option
from pytest_pachinko.items import path_option
from pytest_pachinko.items import traces_of
from pytest_pachinko.items import WRONG

if TYPE_CHECKING:
    from collections.abc import Generator
    from collections.abc import Iterator

    from pytest_pachinko.contract import Judgement
    from pytest_pachinko.contract import Violation

__all__ = ["configure"]

_MODE = pytest.StashKey[Any]()  # how strictly a test is held to the document
_TOLD = pytest.StashKey["set[Any]"]()  # what a test has been told of already


def configure(config: pytest.Config) -> None:
    """Hold sessions to the document that the option names."""
    path = path_option(config, "pachinko_contract")
    nothing_runs = config.getoption("collectonly") or config.getoption("setuponly")
    if path is None or nothing_runs:
        return
    try:
        document = load_document(path)
    except PachinkoUsageError as error:
        raise pytest.UsageError(f"pachinko_contract: {error}") from None
    document = replace(document, name=option(config, "pachinko_contract"))
    config.pluginmanager.register(_Contract(config, Judge(document)), "pachinko-contract")


class _Contract:
    """Judges what each test has said, and adds up what was seen.

    What a test has seen travels with its last report. Under pytest-xdist that is where it is all
    added up.
    """

    def __init__(self, config: pytest.Config, judge: Judge) -> None:
        self._is_worker = hasattr(config, "workerinput")
        self._judge = judge
        self._all = Tally()

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Forget what was said when the test ran on another transport."""
        item.stash[_TOLD] = set()
        item.stash[_MODE] = _mode(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Let a test fail by what the document does not allow."""
        return (yield from self._held(item, "call"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Look at what was said after the test itself, too."""
        return (yield from self._held(item, "teardown"))

    def _held(self, item: pytest.Item, when: str) -> Generator[None, object, object]:
        try:
            result = yield
        except BaseException:
            # Its own failure goes first.
            problem = self._problem(item)
            if problem is not None:
                item.add_report_section(when, "AsyncAPI contract", problem)
            raise
        problem = self._problem(item)
        if problem is not None:
            pytest.fail(problem, pytrace=False)
        return result

    def _problem(self, item: pytest.Item) -> str | None:
        """Return what is not allowed and was not said before."""
        # A test that is skipped does not come to its setup.
        told = item.stash.setdefault(_TOLD, set())
        strict = item.stash.get(_MODE, None) == "strict"
        fresh: list[Violation] = []
        for number, judgement in self._judgements(item):
            for violation in judgement.violations:
                key = number, violation.index, violation.what
                if key not in told and (strict or violation.direction == "from_app"):
                    told.add(key)
                    fresh.append(violation)
        if not fresh:
            return None
        item.config.stash[WRONG] = (fresh[0].connection, fresh[0].index)
        return "\n".join(report_of(self._judge.document, fresh))

    def _judgements(self, item: pytest.Item) -> Iterator[tuple[int, Judgement]]:
        if not item.stash.get(_MODE, False):  # it may be wrong, and then the test did not run
            return
        for number, trace in enumerate(traces_of(item)):
            for part in parts_of(trace):
                # A simulator that is connected to no application belongs to no channel.
                if part.request is not None:
                    yield number, self._judge.judge(part)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add what a test has seen to its last report."""
        report = yield
        if report.when == "teardown":
            tally = Tally()
            for _, judgement in self._judgements(item):
                tally.add(judgement, item.nodeid)
            if tally.channels or tally.strange:
                report.__dict__["_pachinko_contract"] = tally.to_builtins()
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up what tests have seen; those of other processes too."""
        data = getattr(report, "_pachinko_contract", None)
        if data is not None:
            self._all.merge(Tally.from_builtins(data))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was never seen, and what is not documented."""
        if not self._is_worker:
            terminalreporter.write_sep("=", "AsyncAPI contract")
            for line in summary(self._judge.document, self._all):
                terminalreporter.write_line(line)


def _mode(item: pytest.Item) -> Any:
    """Return how strictly a test is held to the document, as its marker says."""
    mode = marked(item, "contract", default=True)
    if mode not in (True, False, "strict"):
        pytest.fail(
            f"@pytest.mark.pachinko(contract={mode!r}): True, False or 'strict'.\n"
            f"Hint: {MARKER['contract']}",
            pytrace=False,
        )
    return mode
