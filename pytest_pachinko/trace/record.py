"""The trace of a connection, or of several, a sequence of events. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from itertools import count
from types import MappingProxyType
from typing import Any
from typing import overload
from typing import TYPE_CHECKING

from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.trace.event import Direction
from pytest_pachinko.trace.event import Kind
from pytest_pachinko.trace.event import TraceEvent
from pytest_pachinko.trace.match import as_pattern
from pytest_pachinko.trace.match import check
from pytest_pachinko.trace.match import matches
from pytest_pachinko.trace.match import Raised
from pytest_pachinko.trace.values import plain
from pytest_pachinko.trace.values import substituted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_pachinko.observing import Notes
    from pytest_pachinko.trace.event import Request

__all__ = ["Trace", "comparable", "merged", "next_order"]

Types = tuple[Any, Any]

Record = tuple[Direction, Kind, Any, float, int]

next_order = count().__next__  # of all events of the process: traces can be merged by it


class Trace(Sequence[TraceEvent]):
    """What crossed the wire on one connection, in order; it grows while the connection lives.

    It compares equal to a list of patterns that match its events one by one, where ``...``
    matches any run of events; so does a slice of it::

        assert session.trace == [Accepted(), ToApp(Say(text="hi")), ..., Closed(1000)]
        assert session.trace[-1:] == [Closed(1000)]

    What the application raised is an event too, though it crosses no wire: a list without a
    ``Raised(...)`` passes over it.

    Args:
        connection: The name of the connection.
        types: Returns what a frame to the application, and one from it, may hold, or None.

    Attributes:
        notes: What the resource did with each frame, if somebody was ``observing``.
        request: What the handshake asked for, if it was one to an application.
    """

    notes: Notes | None = None
    request: Request | None = None
    _places: Sequence[int] | None = None  # of the events in the whole, if this is a part
    _sources: list[Trace] | None = None  # of the events, if there are several
    _names: Mapping[Any, str] = MappingProxyType({})

    def __init__(
        self, connection: str, types: Callable[[], Types | None] | Types | None = None
    ) -> None:
        self.connection = connection
        self._records: list[Record] = []
        self._types = types

    def record(self, direction: Direction, kind: Kind, payload: Any, time: float) -> None:
        """Add an event at the end."""
        self._records.append((direction, kind, payload, time, next_order()))

    def of(self, connection: Any) -> Trace:
        """Return the events of one connection.

        Args:
            connection: Its session, or its name.
        """
        trace = getattr(connection, "trace", None)
        name = trace.connection if isinstance(trace, Trace) else connection
        part = self._part([n for n, event in enumerate(self) if event.connection == name])
        part.connection = str(name)
        return part

    def named(self, **names: Any) -> Trace:
        """Return the trace with values called by name, to be compared so; reports show it so too.

        Args:
            **names: The value of each name, such as an id that the application has chosen:
                a ``str``, or what JSON holds as one, such as a ``UUID``.

        Raises:
            PachinkoUsageError: A value is no text.

        Example::

            order = (await session.receive(Ordered)).id
            assert session.trace.named(order=order) == [..., FromApp(Paid(id="<order>"))]
        """
        values = dict(self._names)
        for name, given in names.items():
            value = plain(given)
            if not isinstance(value, str) or not value:
                raise PachinkoUsageError(
                    f"named({name}={given!r}): only text can be called by a name, such as an id; "
                    "a number may be equal by chance."
                )
            values[value] = f"<{name}>"
        self._names = values
        whole = self._part(range(len(self)))
        whole._records = [
            (direction, kind, substituted(payload, values), time, order)
            for direction, kind, payload, time, order in self._records
        ]
        return whole

    def contains(self, *patterns: Any) -> Finding:
        """Return whether there are such events, in this order, whatever is between them.

        Args:
            *patterns: What to look for; anything that is no pattern stands for a frame that
                holds it, whoever sent it.

        Returns:
            What is true if they are there, and says what is missing otherwise.
        """
        at = -1
        events = list(self)
        for number, given in enumerate(patterns):
            pattern = as_pattern(given)
            found = next(
                (n for n in range(at + 1, len(events)) if pattern.matches(events[n])), None
            )
            if found is None:
                before = [n for n, event in enumerate(events[: at + 1]) if pattern.matches(event)]
                return Finding(self.connection, pattern, number, events, at, before)
            at = found
        return Finding(self.connection)

    def count(self, pattern: Any) -> int:
        """Return how many events match a pattern; see ``contains`` for what is no pattern."""
        wanted = as_pattern(pattern)
        return sum(wanted.matches(event) for event in self)

    def reached(self, pattern: Any) -> dict[str, int]:
        """Return how often each connection has got a frame, by name; see ``contains``.

        Args:
            pattern: What the frame is; anything that is no pattern is what it holds.

        Example::

            assert websocket_connect.trace.reached(Said(text="hi")) == {"ann": 1, "bob": 1}
        """
        wanted = as_pattern(pattern)
        return dict(
            Counter(
                event.connection
                for event in self
                if event.direction == "from_app" and wanted.matches(event)
            )
        )

    def __contains__(self, pattern: object) -> bool:
        """Return whether an event matches a pattern, or is this event."""
        if isinstance(pattern, TraceEvent):
            return any(event == pattern for event in self)
        return self.count(pattern) > 0

    @overload
    def __getitem__(self, index: int) -> TraceEvent: ...

    @overload
    def __getitem__(self, index: slice) -> Trace: ...

    def __getitem__(self, index: int | slice) -> TraceEvent | Trace:
        """Return an event, or a part of the trace, which compares like the whole."""
        if not isinstance(index, slice):
            return self._event(range(len(self))[index])
        return self._part(range(len(self))[index])

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
            check(other)
            return matches(comparable(self, other), other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        return f"<Trace of {self.connection}: {len(self)} events>"

    @property
    def types(self) -> Types | None:
        """What a frame to the application, and one from it, may hold, if that is known."""
        if callable(self._types):
            self._types = self._types()
        return self._types

    @types.setter
    def types(self, types: Types) -> None:
        self._types = types

    def _part(self, numbers: Sequence[int]) -> Trace:
        part = Trace(self.connection, self._types)
        part.request = self.request
        part._records = [self._records[n] for n in numbers]
        part._places = [n if self._places is None else self._places[n] for n in numbers]
        if self._sources is not None:
            part._sources = [self._sources[n] for n in numbers]
        return part

    def _event(self, index: int) -> TraceEvent:
        direction, kind, payload, time, _ = self._records[index]
        place = index if self._places is None else self._places[index]
        source = self if self._sources is None else self._sources[index]
        return TraceEvent(place, direction, kind, payload, source.connection, time, source.types)


class Finding:
    """Whether a trace contains something; false if not, and then it says what is missing."""

    def __init__(
        self,
        connection: str,
        pattern: Any = None,
        number: int = 0,
        events: Sequence[TraceEvent] = (),
        at: int = -1,
        before: Sequence[int] = (),
    ) -> None:
        self._connection = connection
        self._pattern = pattern
        self._number = number
        self._count = len(events)
        self._at = at
        self._before = before

    def __bool__(self) -> bool:
        """Return whether everything was found."""
        return self._pattern is None

    def __repr__(self) -> str:
        """Return one line, which pytest prints when this was asserted."""
        if self._pattern is None:
            return f"<{self._connection} contains that>"
        where = f"after event [{self._at}]" if self._number else f"among {self._count} events"
        hint = f", but before it: [{self._before[-1]}]" if self._before else ""
        return f"<{self._connection}: no {self._pattern!r} {where}{hint}>"


def comparable(trace: Trace, patterns: Sequence[Any]) -> list[TraceEvent]:
    """Return the events that a list of patterns has to describe."""
    if any(isinstance(pattern, Raised) for pattern in patterns):
        return list(trace)
    return [event for event in trace if event.kind != "raised"]


def merged(traces: Iterable[Trace], name: str = "all connections") -> Trace:
    """Return the events of several connections in one order, as they happened.

    Each event keeps the name of its connection; ``of`` gives them back one by one.

    Args:
        traces: The traces.
        name: What to call the whole.
    """
    whole = Trace(name)
    pairs = [
        (record, trace if trace._sources is None else trace._sources[number])
        for trace in traces
        for number, record in enumerate(trace._records)
    ]
    pairs.sort(key=lambda pair: pair[0][4])
    whole._records = [record for record, _ in pairs]
    whole._sources = [source for _, source in pairs]
    return whole
