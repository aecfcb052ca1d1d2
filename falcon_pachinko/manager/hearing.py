"""What a manager has heard of others, and what it must have missed.

Each manager numbers its orders, 1, 2, 3 and so on, and says now and then how far it is (a
*beat*). So every order that did not arrive leaves a hole, and a hole at the end is seen with
the next beat. Nothing here waits or looks at a clock.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Gap", "Hearing"]

_MANY = 4096  # sources that are remembered, most of which have died


@dataclass(frozen=True, slots=True)
class Gap:
    """Orders of one manager that did not arrive here.

    Attributes:
        node: The manager that gave them.
        first: The number of the first one.
        last: The number of the last one. None if nobody knows how many there are, or whether
            there are any, because the manager could not be heard for a while: then ``first`` is
            that of the first one that may be missing.
    """

    node: str
    first: int
    last: int | None

    @property
    def missing(self) -> int:
        """How many there are, as far as that is known."""
        return 0 if self.last is None else self.last - self.first + 1


@dataclass(slots=True)
class _Source:
    """One life of a manager."""

    first: int  # the first order that was heard
    last: int  # up to here all were heard, or are reported as missing
    heard_at: float
    settled: bool  # whether it is known if those before the first were to be heard
    deaf: bool = False  # whether nothing could be heard for a while, before the first was
    doubted_at: float | None = None  # when it became possible that there are more than the last


class Hearing:
    """What one manager has heard.

    Args:
        since: When it began to hear, in seconds of a clock that all methods share.

    Attributes:
        since: The same.
    """

    def __init__(self, since: float) -> None:
        self.since = since
        self._was_deaf = False
        self._sources: dict[tuple[str, str], _Source] = {}

    def order(self, node: str, life: str, number: int, now: float) -> list[Gap] | None:
        """Take note of an order.

        Args:
            node: The manager that gave it.
            life: Which of its lives it is in: each numbers anew.
            number: Its number.
            now: The time.

        Returns:
            What is missing before it; None if it has been heard before.
        """
        source = self._sources.get((node, life))
        if source is None:
            self._add(node, life, _Source(number, number, now, settled=False, deaf=self._was_deaf))
            return []
        source.heard_at = now
        if number <= source.last:
            return None
        return self._reach(node, source, number, number - 1)

    def beat(self, node: str, life: str, number: int, age: float, now: float) -> list[Gap]:
        """Take note of how far a manager is.

        Args:
            node: The manager.
            life: Which of its lives it is in.
            number: The last number that it has given; 0 if none.
            age: How many seconds that life has lasted.
            now: The time.

        Returns:
            What is missing.
        """
        source = self._sources.get((node, life))
        younger = age < now - self.since
        if source is None:
            self._add(node, life, _Source(number + 1, number, now, settled=True))
            return _before(node, number + 1, younger=younger, deaf=self._was_deaf)
        gaps = []
        if not source.settled:
            source.settled = True
            gaps = _before(node, source.first, younger=younger, deaf=source.deaf)
        source.heard_at = now
        return gaps + self._reach(node, source, number, number)

    def leave(self, node: str, life: str, number: int, age: float, now: float) -> list[Gap]:
        """Take note of a manager's last words, which are a beat."""
        gaps = self.beat(node, life, number, age, now)
        del self._sources[node, life]
        return gaps

    def interrupt(self, now: float) -> None:
        """Take note that nothing could be heard for a while, up to now."""
        self._was_deaf = True
        for source in self._sources.values():
            source.doubted_at = now

    def overdue(self, now: float, patience: float) -> list[Gap]:
        """Return what can never be known of those who were not heard again after an interruption.

        Args:
            now: The time.
            patience: After how many seconds they are taken for dead.
        """
        gaps = []
        for (node, _), source in self._sources.items():
            if source.doubted_at is not None and now - source.doubted_at > patience:
                source.doubted_at = None
                gaps.append(Gap(node, source.last + 1, None))
        return gaps

    def _reach(self, node: str, source: _Source, number: int, complete: int) -> list[Gap]:
        """Go on to a number, before which all up to ``complete`` should have been heard."""
        source.doubted_at = None
        first = source.last + 1
        source.last = max(source.last, number)
        return [Gap(node, first, complete)] if complete >= first else []

    def _add(self, node: str, life: str, source: _Source) -> None:
        if len(self._sources) >= _MANY:
            longest = min(self._sources, key=lambda key: self._sources[key].heard_at)
            del self._sources[longest]
        self._sources[node, life] = source


def _before(node: str, first: int, *, younger: bool, deaf: bool) -> list[Gap]:
    """Return what is missing before the first order that was heard of a manager.

    Of one that is older than the hearing nobody here was to hear the beginning, but there may
    have been more.
    """
    if first == 1:
        return []
    if younger:
        return [Gap(node, 1, first - 1)]
    return [Gap(node, 1, None)] if deaf else []
