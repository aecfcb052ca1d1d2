"""Rounds of measurements, and the ratios within each round.

The machine is shared and its speed drifts, so two times are compared only if they were
measured in the same round, and no case has a fixed place in it.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from dataclasses import dataclass
from dataclasses import field
from typing import Self
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping

    Case = Callable[[], float]

__all__ = ["Group", "Ratio", "Result", "Stopwatch", "measure"]


class Stopwatch:
    """Times its block, which begins without garbage of what ran before.

    Attributes:
        seconds: How long the block took, once it is left.
    """

    def __enter__(self) -> Self:
        gc.collect()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started


@dataclass(frozen=True)
class Group:
    """Cases that do the same work.

    Attributes:
        name: What ``--only`` calls it.
        title: What is measured.
        cases: By name, what runs a case once and returns the seconds for one piece of work.
        baseline: The case that the others are compared with.
        higher_is_better: Whether a ratio is of speeds; else it is of times.
        targets: By case, what its ratio to the baseline is to be: ``">= 1.5"``.
        ours: The case that is ours, if there is one that all others are rivals of.
        ours_targets: By case, what the ratio of ours to it is to be.
    """

    name: str
    title: str
    cases: Mapping[str, Case]
    baseline: str
    higher_is_better: bool
    targets: Mapping[str, str] = field(default_factory=dict)
    ours: str | None = None
    ours_targets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ratio:
    """The ratios of two cases over all rounds.

    Attributes:
        median: Their median.
        low: Their lower quartile.
        high: Their upper quartile.
    """

    median: float
    low: float
    high: float

    def meets(self, target: str) -> bool:
        """Whether the median is as the target says."""
        relation, _, limit = target.partition(" ")
        return self.median >= float(limit) if relation == ">=" else self.median <= float(limit)


@dataclass(frozen=True)
class Result:
    """What was measured of a group.

    Attributes:
        group: The group.
        seconds: By case, the time for one piece of work in each round.
    """

    group: Group
    seconds: Mapping[str, list[float]]

    def ratio(self, case: str, other: str) -> Ratio:
        """Compare two cases, round by round."""
        pairs = zip(self.seconds[case], self.seconds[other], strict=True)
        if self.group.higher_is_better:
            ratios = [theirs / ours for ours, theirs in pairs]
        else:
            ratios = [ours / theirs for ours, theirs in pairs]
        if len(ratios) == 1:
            return Ratio(ratios[0], ratios[0], ratios[0])
        low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return Ratio(median, low, high)


def measure(group: Group, *, rounds: int, watchdog: Callable[[], None]) -> Result:
    """Run all cases of a group once in each round, in an order of its own.

    Args:
        group: The group.
        rounds: How many rounds.
        watchdog: Called before each round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in group.cases}
    for _ in range(rounds):
        watchdog()
        for name in random.sample(list(group.cases), k=len(group.cases)):
            seconds[name].append(group.cases[name]())
    return Result(group, seconds)
