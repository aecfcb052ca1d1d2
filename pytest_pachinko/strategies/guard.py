"""Strategies whose values are made and then refused now and then."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any
from typing import TYPE_CHECKING

from hypothesis import currently_in_test_context
from hypothesis import find
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import reject
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from pytest_pachinko.errors import PachinkoUsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

__all__ = ["find_apart", "guarded", "refuse", "try_out"]

_TRIES = 20  # in one example
_TRIAL = 20  # examples
_ENOUGH = 5

# Hypothesis gives up, with a health check that says nothing of types, when fifty examples were in
# vain before ten were not.
_SHARE = 0.3


def refuse(path: str, reason: str, hint: str) -> PachinkoUsageError:
    """Make the error for a type whose values cannot be made."""
    return PachinkoUsageError(f"{path}: {reason}\nHint: {hint}")


def find_apart(
    strategy: SearchStrategy[Any], condition: Callable[[Any], bool], how: settings
) -> Any:
    """Find a value that meets a condition, also from within a test.

    There Hypothesis refuses to run another one, which is about tests that multiply; this is
    done once for a type. It looks at its own thread only.

    Args:
        strategy: Makes values, always the same ones.
        condition: What the value has to meet.
        how: Settings; there is no database and no health check.

    Raises:
        hypothesis.errors.HypothesisException: There is none.
    """
    how = settings(how, database=None, deadline=None, suppress_health_check=list(HealthCheck))

    def run() -> Any:
        return find(strategy, condition, settings=how, random=Random(0))  # noqa: S311 - no secret

    if not currently_in_test_context():
        return run()
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(run).result()


def try_out(strategy: SearchStrategy[Any], enough: Callable[[Any], bool]) -> None:
    """Draw some values, the simplest first, until there are enough."""
    with suppress(HypothesisException):  # there are no more
        find_apart(strategy, enough, settings(max_examples=_TRIAL, phases=[Phase.generate]))


def guarded(
    strategy: SearchStrategy[Any], check: Callable[[Any], Any], complaint: PachinkoUsageError
) -> SearchStrategy[Any]:
    """Make what ``check`` returns for values of a strategy, unless it refuses nearly all of them.

    Args:
        strategy: Makes what is checked.
        check: Returns the value to use, or raises an exception to refuse.
        complaint: The error for the user when there is hardly a value.

    Raises:
        PachinkoUsageError: The complaint.
    """
    examples = kept = 0

    # A refused value is left in the example; without it the example is a simpler one.
    @st.composite
    def checked(draw: Any) -> Any:
        nonlocal examples, kept
        examples += 1
        for _ in range(_TRIES):
            value = draw(strategy)
            with suppress(Exception):
                value = check(value)
                kept += 1
                return value
        return reject()

    made = checked()
    try_out(made, lambda _: kept >= _ENOUGH)
    if kept < max(1, examples * _SHARE):
        raise complaint
    return made
