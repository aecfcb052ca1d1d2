"""The trace of a connection, a sequence of events. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import overload

from pytest_pachinko.trace.event import Direction
from pytest_pachinko.trace.event import Kind
from pytest_pachinko.trace.event import TraceEvent
from pytest_pachinko.trace.match import matches

__all__ = ["Trace"]

Record = tuple[Direction, Kind, Any, float]


class Trace(Sequence[TraceEvent]):
    """What crossed the wire on one connection, in order; it grows while the connection lives.

    It compares equal to a list of patterns that match its events one by one, where ``...``
    matches any run of events; so does a slice of it::

        assert session.trace == [Accepted(), ToApp(Say(text="hi")), ..., Closed(1000)]
        assert session.trace[-1:] == [Closed(1000)]

    Args:
        connection: The name of the connection.
    """

    __slots__ = ("_places", "_records", "connection")

    def __init__(self, connection: str) -> None:
        self.connection = connection
        self._records: list[Record] = []
        self._places: range | None = None  # of the events in the whole trace, if this is a part

    def record(self, direction: Direction, kind: Kind, payload: Any, time: float) -> None:
        """Add an event at the end."""
        self._records.append((direction, kind, payload, time))

    @overload
    def __getitem__(self, index: int) -> TraceEvent: ...

    @overload
    def __getitem__(self, index: slice) -> Trace: ...

    def __getitem__(self, index: int | slice) -> TraceEvent | Trace:
        """Return an event, or a part of the trace, which compares like the whole."""
        if not isinstance(index, slice):
            return self._event(range(len(self))[index])
        part = Trace(self.connection)
        part._records = self._records[index]
        part._places = (self._places or range(len(self)))[index]
        return part

    def __iter__(self) -> Iterator[TraceEvent]:
        """Iterate over the events so far."""
        return map(self._event, range(len(self._records)))

    def __len__(self) -> int:
        """Return the number of events so far."""
        return len(self._records)

    def __eq__(self, other: object) -> bool:
        """Compare with another trace, or with a list of patterns."""
        if isinstance(other, Trace):
            # When and on which connection something happened is not what happened.
            return [record[:3] for record in self._records] == [
                record[:3] for record in other._records
            ]
        if isinstance(other, list | tuple):
            return matches(list(self), other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        return f"<Trace of {self.connection}: {len(self)} events>"

    def _event(self, index: int) -> TraceEvent:
        direction, kind, payload, time = self._records[index]
        place = index if self._places is None else self._places[index]
        return TraceEvent(place, direction, kind, payload, self.connection, time)
