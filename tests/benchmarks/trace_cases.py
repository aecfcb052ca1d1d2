"""What traces cost: recording them, and telling how two differ."""

from __future__ import annotations

import random
import statistics
import time
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko import FromApp
from pytest_pachinko import Trace
from pytest_pachinko.trace.explain import difference

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["costs"]

EVENTS = 10_000
CHANGES = 20

_FRAME = '{"type":"said","user":"ann","text":"good morning"}'


def costs(*, quick: bool) -> list[tuple[str, float, float | None]]:
    """Measure what has a limit of its own.

    Args:
        quick: Whether once is enough.

    Returns:
        For each: what it is, the median of its seconds, and the limit in seconds.
    """
    rounds = 1 if quick else 15
    one, other = _two_traces()
    patterns = [FromApp(event.decoded) for event in one]
    return [
        ("a frame, recorded", _median(_record, rounds) / EVENTS, 2e-6),
        (
            f"two traces of {EVENTS} events with {CHANGES} changes, compared",
            _median(lambda: difference(one, other), rounds),
            0.5,
        ),
        (
            f"a trace of {EVENTS} events and as many patterns, {CHANGES} of them wrong, compared",
            _median(lambda: difference(other, patterns), rounds),
            0.5,
        ),
    ]


def _median(run: Callable[[], Any], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _record() -> None:
    record = Trace("/").record
    for _ in range(EVENTS):
        record("from_app", "text", _FRAME, 0.0)


def _two_traces() -> tuple[Trace, Trace]:
    changed = set(random.Random(0).sample(range(EVENTS), CHANGES))  # noqa: S311 - no secret
    one, other = Trace("/one"), Trace("/other")
    for number in range(EVENTS):
        frame = f'{{"type":"said","user":"ann","number":{number}}}'
        one.record("from_app", "text", frame, 0.0)
        if number not in changed:
            other.record("from_app", "text", frame, 0.0)
        elif number % 2:
            other.record("from_app", "text", '{"type":"said","user":"eve"}', 0.0)
    return one, other
