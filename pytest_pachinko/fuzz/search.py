"""Looking for a stream with which something goes wrong, and the smallest such one."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from typing import Any
from typing import TYPE_CHECKING

import hypothesis

from pytest_pachinko.errors import PachinkoUsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    from pytest_pachinko.stream import Stream

__all__ = ["Found", "Search", "search", "stable_seed"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

SMALLER = 30.0
"""Seconds in which what was found is made smaller: where each stream takes long, they are few."""

FIRST_ROUND = 10
"""How many streams show how long one takes, where time is the budget."""

ROUND = 250
"""How many streams are tried at most before the time is looked at."""


@dataclass
class Found:
    """What was found.

    Attributes:
        stream: The smallest stream with which it goes wrong.
        error: What went wrong.
        always: Whether it goes wrong each time.
    """

    stream: Stream
    error: BaseException
    always: bool = True


@dataclass
class Search:
    """How to search, and what has been tried so far.

    Attributes:
        name: What is searched, for its place in Hypothesis's database.
        seed: Where the search begins: the same seed tries the same streams.
        examples: How many streams to try, where time is no budget.
        seconds: For how long to search in real time, or None.
        progress: Called after each stream.
        tried: How many streams were tried.
        found_at: When something was found first.
    """

    name: str
    seed: int
    examples: int
    seconds: float | None = None
    progress: Callable[[], None] | None = None
    tried: int = 0
    found_at: float = 0.0

    def is_over(self, end: float | None, *, found: bool) -> bool:
        """Return whether there is no time left, to search or to make smaller what was found.

        Args:
            end: When the search ends, if time is its budget.
            found: Whether something was found.
        """
        if found:
            return time.monotonic() >= self.found_at + SMALLER
        return end is not None and self.tried > 0 and time.monotonic() >= end

    def attempt(self, attempt: Callable[[Stream], Any], stream: Stream) -> Found | None:
        """Try a stream, and count it.

        Args:
            attempt: Tries one, and raises if something goes wrong.
            stream: The stream.

        Returns:
            What was found; None if nothing was.

        Raises:
            PachinkoUsageError: Whoever opens connections has done wrong, not the application.
        """
        self.tried += 1
        try:
            attempt(stream)
        except PachinkoUsageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an application or a check raises
            self.found_at = self.found_at or time.monotonic()
            return Found(stream, error)
        finally:
            if self.progress is not None:
                self.progress()
        return None


def stable_seed(text: str) -> int:
    """Return a seed that is the same in each run and on each machine."""
    return zlib.crc32(text.encode())


def search(
    plan: Search, streams: SearchStrategy[Stream], attempt: Callable[[Stream], Any]
) -> Found | None:
    """Search until something goes wrong or the budget is used up.

    Args:
        plan: How to search; it counts.
        streams: Where streams come from.
        attempt: Tries one, and raises if something goes wrong.

    Returns:
        What was found; None if nothing was.
    """
    if plan.seconds is None:
        return _round(plan, plan.seed, streams, attempt, plan.examples, None)
    before = plan.tried
    start = time.monotonic()
    end = start + plan.seconds
    examples = FIRST_ROUND
    seed = plan.seed
    while True:
        found = _round(plan, seed, streams, attempt, examples, end)
        now = time.monotonic()
        if found is not None or now >= end:
            return found
        seed += 1
        # As many as there is time for: Hypothesis draws them all, however long that takes.
        rate = (plan.tried - before) / max(now - start, 1e-6)
        examples = max(1, min(ROUND, int(rate * (end - now))))


def _round(
    plan: Search,
    seed: int,
    streams: SearchStrategy[Stream],
    attempt: Callable[[Stream], Any],
    examples: int,
    end: float | None,
) -> Found | None:
    last: Found | None = None

    def body(stream: Stream) -> None:
        nonlocal last
        if plan.is_over(end, found=last is not None):
            return  # Hypothesis goes on to the end of its round
        found = plan.attempt(attempt, stream)
        if found is not None:
            last = found
            raise found.error

    # By its name Hypothesis knows what it has found before.
    body.__name__ = f"fuzz_{zlib.crc32(plan.name.encode())}"
    test: Any = hypothesis.given(streams)(body)
    test = hypothesis.seed(seed)(test)
    test = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        phases=[
            hypothesis.Phase.reuse,
            hypothesis.Phase.generate,
            hypothesis.Phase.target,
            hypothesis.Phase.shrink,
        ],
        # What they warn of is ours to mend, not the user's.
        suppress_health_check=list(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
    )(test)
    try:
        test()
    except Exception as error:
        if last is None:
            raise  # nothing was tried: the streams cannot be drawn
        # Hypothesis plays the smallest one last; if that goes well, it says so in other words.
        last.always = error is last.error or plan.is_over(None, found=True)
        return last
    return None
