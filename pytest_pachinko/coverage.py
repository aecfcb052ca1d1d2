"""How much of a protocol was spoken: what routes declare, against what crossed the wire. Pure.

There is a row for each route and resource. It knows what is declared, and how often each thing has
happened. Rows of other tests, processes and machines are added to it; as plain data they travel.

===================  ==========================================================================
counts               are of
===================  ==========================================================================
connections          handshakes that were accepted, by the subprotocol that was negotiated
denied               handshakes that were refused, by HTTP status
received             frames to the application, by tag
accepted, refused    frames that a resource read, by tag: those that it decoded, and the others
entered              handlers, by name, each time that one was entered
sent                 frames from the application, by tag
pairs                tags of two messages that were accepted one after the other
on, beyond           bounds of the schema: accepted with the last value that is allowed, refused
                     with one that is not
closed_by_app        closes, by code
closed_by_peer       closes, by code
left_after           the tag of the last frame before the peer closed or vanished
raised               exceptions of the application, by class
===================  ==========================================================================

``accepted``, ``entered``, ``sent`` and the sides of bounds can be told to be complete, and make the
percentage. The others have no end that anybody has declared: they are shown.

What a resource did with a frame is known of traces with notes: see ``observing``.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from typing import NamedTuple
from typing import Self
from typing import TYPE_CHECKING

import msgspec

from falcon_pachinko.errors import SchemaError
from falcon_pachinko.resource import WebSocketResource
from falcon_pachinko.schema import read_schema
from pytest_pachinko.bounds import boundaries
from pytest_pachinko.bounds import hits
from pytest_pachinko.resources import Declaration
from pytest_pachinko.resources import declarations_of
from pytest_pachinko.trace.event import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator

    from falcon_pachinko.schema import Schema
    from pytest_pachinko.trace.record import Trace

__all__ = ["PARTS", "Coverage", "Part", "Row", "collect", "collecting", "percent"]

UNKNOWN = "(unknown tag)"
"""The tag of a frame that has none, or none that is declared."""

NONE = "(none)"
"""No subprotocol, or no frame."""

PARTS = ("accepted", "handlers", "sent", "bounds")
"""What makes the percentage, in the order of reports."""

OTHERS = "(other paths)"
"""The path of a row for all further ones."""

_MOST_PATHS = 100  # rows that there are before further paths share one: a fuzzer knows many


class Part(NamedTuple):
    """A part of what a row declares.

    Attributes:
        wanted: How much is declared.
        missing: What of it has not happened.
    """

    wanted: int
    missing: list[str]

    @property
    def covered(self) -> int:
        """How much of it has happened."""
        return self.wanted - len(self.missing)


class Row(msgspec.Struct):
    """A route and a resource of it: what is declared, and what has happened.

    Attributes:
        template: The URI template; the path itself if no template is known.
        subprotocol: What the resource speaks; empty if it declares nothing.
        resources: The names of the resource classes.
        tags: The tags that may be sent to it, each with the name of its handler, or None.
        emits: The tags that it may send; None if it does not say.
        bounds: The bounds of its schema, each with its sides.
        counts: How often what has happened; see the module.
    """

    template: str
    subprotocol: str = ""
    resources: list[str] = []
    tags: dict[str, str | None] = {}
    emits: list[str] | None = None
    bounds: dict[str, list[str]] = {}
    counts: dict[str, dict[str, int]] = {}

    def count(self, kind: str, name: str, times: int = 1) -> None:
        """Count what has happened."""
        counts = self.counts.setdefault(kind, {})
        counts[name] = counts.get(name, 0) + times

    def merge(self, other: Row) -> None:
        """Add what another row declares and has seen."""
        self.resources = _union(self.resources, other.resources)
        self.tags |= other.tags
        if other.emits is not None:
            self.emits = _union(self.emits or [], other.emits)
        self.bounds |= other.bounds
        for kind, counts in other.counts.items():
            for name, times in counts.items():
                self.count(kind, name, times)

    def seen(self, kind: str) -> dict[str, int]:
        """Return how often each thing of a kind has happened."""
        return self.counts.get(kind, {})

    @property
    def is_ours(self) -> bool:
        """Whether a resource of ours declares anything."""
        return bool(self.resources)

    @property
    def parts(self) -> dict[str, Part]:
        """The parts of what is declared, by their names in ``PARTS``."""
        handlers = list(dict.fromkeys(name for name in self.tags.values() if name is not None))
        sides = [(side, bound) for bound, sides in self.bounds.items() for side in sides]
        missing = [f"{bound}: {side}" for side, bound in sides if bound not in self.seen(side)]
        return {
            "accepted": self._part(list(self.tags), "accepted"),
            "handlers": self._part(handlers, "entered"),
            "sent": self._part(self.emits or [], "sent"),
            "bounds": Part(len(sides), missing),
        }

    def _part(self, wanted: list[str], kind: str) -> Part:
        seen = self.seen(kind)
        return Part(len(wanted), [name for name in wanted if name not in seen])


def _union(names: list[str], more: list[str]) -> list[str]:
    return list(dict.fromkeys([*names, *more]))


class Coverage:
    """The rows of all routes that are known.

    Attributes:
        rows: The rows, by template and subprotocol.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}

    def declare(self, app: Any) -> None:
        """Add what an application declares, whether anybody connects to it or not."""
        for route in declarations_of(app):
            self._row(route, route.resource)

    def add(self, trace: Trace) -> None:
        """Add what has happened on a connection; nothing if its route is not known."""
        route = trace.types
        if not isinstance(route, Declaration):
            return
        notes = trace.notes
        resource = route.resource if notes is None else notes.resource
        row = self._row(route, resource)
        declared = _declared(resource)
        _count_wire(row, declared, trace)
        if notes is not None and declared.schema is not None:
            _count_notes(row, declared, notes)

    def merge(self, other: Self) -> None:
        """Add another coverage."""
        for key, row in other.rows.items():
            self._own(key, is_ours=row.is_ours).merge(row)

    def __bool__(self) -> bool:
        """Return whether there are any rows."""
        return bool(self.rows)

    @property
    def covered(self) -> tuple[int, int]:
        """How much of what is declared has happened, and how much is declared."""
        parts = [part for row in self.rows.values() for part in row.parts.values()]
        return sum(part.covered for part in parts), sum(part.wanted for part in parts)

    def to_builtins(self) -> Any:
        """Return all of it as plain data."""
        return [msgspec.to_builtins(row) for row in self.rows.values()]

    @classmethod
    def from_builtins(cls, data: Any) -> Self:
        """Return what ``to_builtins`` has made plain.

        Raises:
            msgspec.ValidationError: It is something else.
        """
        made = cls()
        for row in msgspec.convert(data, list[Row]):
            made.rows[row.template, row.subprotocol] = row
        return made

    def _row(self, route: Declaration, resource: Any) -> Row:
        declared = _declared(resource)
        key = route.template, ", ".join(route.subprotocols)
        row = self._own(key, is_ours=declared.name is not None)
        if declared.name is not None and declared.name not in row.resources:
            row.merge(declared.row)
        return row

    def _own(self, key: tuple[str, str], *, is_ours: bool) -> Row:
        if not is_ours and key not in self.rows and len(self.rows) >= _MOST_PATHS:
            key = (OTHERS, "")
        return self.rows.setdefault(key, Row(*key))


def percent(covered: int, wanted: int) -> float | None:
    """Return a percentage with one digit, never more than it is; None of nothing."""
    return 1000 * covered // wanted / 10 if wanted else None


class _Declared(NamedTuple):
    """What a resource class declares; nothing, for anything else.

    Attributes:
        name: The name of the class.
        row: What is declared, as a row without counts.
        schema: The schema.
        tags: The tags by type of message.
        to_app: Reads the tag of a frame to the application.
        from_app: Reads the tag of a frame from it.
    """

    name: str | None
    row: Row
    schema: Schema | None
    tags: dict[type, str]
    to_app: Callable[[Any], str]
    from_app: Callable[[Any], str]


def _kind_of(frame: str | bytes) -> str:
    return "text" if isinstance(frame, str) else "bytes"


_NOTHING = _Declared(None, Row(""), None, {}, _kind_of, _kind_of)


def _declared(resource: Any) -> _Declared:
    is_ours = isinstance(resource, type) and issubclass(resource, WebSocketResource)
    return _declared_by(resource) if is_ours else _NOTHING


@lru_cache(maxsize=256)
def _declared_by(cls: Any) -> _Declared:
    dispatch: Any = cls._dispatch
    schema: Schema = dispatch.schema
    try:
        emits = None if cls.emits is None else read_schema(cls.emits, cls.__name__)
    except SchemaError:
        emits = None
    row = Row(
        "",
        resources=[f"{cls.__module__}.{cls.__qualname__}"],
        tags={str(tag): dispatch.handlers.get(kind) for tag, kind in schema.types.items()},
        emits=None if emits is None else [str(tag) for tag in emits.types],
        bounds={
            f"{bound.path} {bound.constraint}": list(bound.sides)
            for bound in boundaries(schema.annotation)
            if bound.sides
        },
    )
    tags = {kind: str(tag) for tag, kind in schema.types.items()}
    from_app = _kind_of if emits is None else _reader(emits)
    return _Declared(row.resources[0], row, schema, tags, _reader(schema), from_app)


def _reader(schema: Schema) -> Callable[[Any], str]:
    """Return a function that reads the tag of a frame, and as good as nothing else."""
    known = {(type(tag), tag): str(tag) for tag in schema.types}
    carrier = msgspec.defstruct(
        "Carrier",
        [("tag", Any, None)],
        rename={"tag": schema.tag_field},
        array_like=schema.array_like,
    )
    decode: Callable[[Any], Any] = msgspec.json.Decoder(carrier).decode

    def read(frame: str | bytes) -> str:
        try:
            tag = decode(frame).tag
            return known.get((type(tag), tag), UNKNOWN)
        except (*UNDECODABLE, TypeError):  # it is no message, or its tag is an object
            return UNKNOWN

    return read


def _count_wire(row: Row, declared: _Declared, trace: Trace) -> None:
    """Count what has crossed the wire."""
    count = row.count
    last = NONE
    for direction, kind, payload, _, _ in trace._records:
        if kind in ("text", "bytes"):
            if direction == "to_app":
                last = declared.to_app(payload)
                count("received", last)
            else:
                count("sent", declared.from_app(payload))
        elif kind == "accepted":
            count("connections", payload.subprotocol or NONE)
        elif kind == "denied":
            count("denied", str(payload.status))
        elif kind == "raised":
            count("raised", payload.error)
        elif direction == "from_app":
            count("closed_by_app", str(payload.code))
        else:
            count("closed_by_peer", str(payload.code))
            count("left_after", last)


def _count_notes(row: Row, declared: _Declared, notes: Any) -> None:
    """Count what the resource has done with what it read."""
    count = row.count
    schema: Any = declared.schema
    before = None
    for note in notes:
        if note.error is None:
            tag = declared.tags[note.message_type]
            count("accepted", tag)
            if before is not None:
                count("pairs", f"{before} → {tag}")
            before = tag
            if note.handler is not None:
                count("entered", note.handler)
        else:
            count("refused", declared.to_app(note.raw))
        if declared.row.bounds:
            side = "on" if note.error is None else "beyond"
            for hit in hits(schema.annotation, note.raw):
                if hit.side == side:
                    count(side, f"{hit.path} {hit.constraint}")


_collectors: list[Coverage] = []


@contextmanager
def collecting(coverage: Coverage) -> Iterator[None]:
    """Add to a coverage what is given to ``collect`` while the block runs."""
    _collectors.append(coverage)
    try:
        yield
    finally:
        _collectors.remove(coverage)


def collect(traces: Iterable[Trace], app: Any = None) -> None:
    """Add traces to the coverage of this run of pytest, if it has one.

    For what opens sessions without the fixtures, whose traces are added by themselves.

    Args:
        traces: The traces.
        app: The application, whose other routes are to be in the report too.
    """
    if _collectors:
        known = list(traces)
        for coverage in _collectors:
            coverage.declare(app)
            for trace in known:
                coverage.add(trace)
