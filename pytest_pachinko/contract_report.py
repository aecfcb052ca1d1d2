"""What the tests of a run have seen of an AsyncAPI document, added up and in words. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Self
from typing import TYPE_CHECKING

from pytest_pachinko.trace.explain import ARROWS
from pytest_pachinko.trace.explain import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_pachinko.asyncapi.model import Channel
    from pytest_pachinko.asyncapi.model import Document
    from pytest_pachinko.contract import Judgement

__all__ = ["Tally", "summary"]

_MOST_STRANGE = 200
"""How many different things that are not documented are kept: a fuzzer finds many."""

_MOST_LINES = 40
"""How many lines each part of a summary has."""

Key = tuple[str, str, str]


@dataclass(slots=True)
class Tally:
    """What was seen.

    Attributes:
        channels: How many connections belonged to each channel.
        seen: How often each message was seen, by channel, direction and its own key.
        unchecked: How often of these the payload was not looked at.
        strange: What is not documented, by direction, where and what: how often, and in which
            test; the first one by name.
    """

    channels: Counter[str] = field(default_factory=Counter)
    seen: Counter[Key] = field(default_factory=Counter)
    unchecked: Counter[Key] = field(default_factory=Counter)
    strange: dict[Key, tuple[int, str]] = field(default_factory=dict)

    def add(self, judgement: Judgement, test: str) -> None:
        """Add what became of a connection in a test."""
        self.channels.update(judgement.channels)
        self.seen.update(judgement.seen)
        self.unchecked.update(judgement.unchecked)
        for violation in judgement.violations:
            self._found((violation.direction, violation.where, violation.what), 1, test)

    def merge(self, other: Self) -> None:
        """Add another tally."""
        self.channels.update(other.channels)
        self.seen.update(other.seen)
        self.unchecked.update(other.unchecked)
        for place, (times, test) in other.strange.items():
            self._found(place, times, test)

    def _found(self, key: Key, times: int, test: str) -> None:
        if key not in self.strange and len(self.strange) >= _MOST_STRANGE:
            key = (key[0], "elsewhere", "and more")
        before, first = self.strange.get(key, (0, test))
        # The same tests say the same, in whichever order processes have run them.
        self.strange[key] = before + times, min(first, test)

    def to_builtins(self) -> Any:
        """Return all of it as plain data, which crosses processes."""
        parts = (self.channels, self.seen, self.unchecked, self.strange)
        return [[[key, value] for key, value in part.items()] for part in parts]

    @classmethod
    def from_builtins(cls, data: Any) -> Self:
        """Return what ``to_builtins`` has made plain."""
        channels, seen, unchecked, strange = data
        return cls(
            Counter(dict(channels)),
            Counter({tuple(key): times for key, times in seen}),
            Counter({tuple(key): times for key, times in unchecked}),
            {tuple(key): (times, test) for key, (times, test) in strange},
        )


def summary(document: Document, tally: Tally) -> list[str]:
    """Return lines for a terminal: what was never seen, and what is not documented."""
    wanted = [(channel, *each) for channel in document.channels.values() for each in _of(channel)]
    unseen = [each for each in wanted if not _is_seen(tally, *each)]
    visited = [key for key in document.channels if key in tally.channels]
    channels = f"{len(visited)} of {len(document.channels)} channels"
    messages = f"{len(wanted) - len(unseen)} of {len(wanted)} messages"
    lines = [f"{document.name}: {channels} and {messages} were seen"]
    never = [
        f"channel {channel.name}"
        for channel in document.channels.values()
        if channel.key not in tally.channels
    ] + [
        f"{channel.name}: {arrow} {message}"
        for channel, arrow, message in unseen
        if channel.key in tally.channels
    ]
    lines += _part("documented, and never seen", never)
    for direction, who in (("from_app", "the application"), ("to_app", "tests")):
        strange = [
            f"{where}: {ARROWS[direction]} {shorten(what)} x{times}, as in {test}"
            for (side, where, what), (times, test) in sorted(tally.strange.items())
            if side == direction
        ]
        lines += _part(f"seen from {who}, and not documented", strange)
    unchecked = [
        f"{key}: {ARROWS[direction]} {message} x{times}"
        for (key, direction, message), times in sorted(tally.unchecked.items())
    ]
    return lines + _part("seen, and the payload is nothing that can be checked", unchecked)


def _part(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    more = [f"  … and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    return ["", title, *(f"  {line}" for line in lines[:_MOST_LINES]), *more]


def _of(channel: Channel) -> Iterator[tuple[str, str]]:
    """Return the messages of a channel, each with an arrow for its direction."""
    if not channel.directed:
        yield from (("↔", key) for key in channel.to_app)
        return
    yield from ((ARROWS["to_app"], key) for key in channel.to_app)
    yield from ((ARROWS["from_app"], key) for key in channel.from_app)


def _is_seen(tally: Tally, channel: Channel, arrow: str, message: str) -> bool:
    return any(
        (channel.key, direction, message) in tally.seen
        for direction, each in ARROWS.items()
        if arrow in (each, "↔")
    )
