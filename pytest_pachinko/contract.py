"""Traces against an AsyncAPI document: is every frame one that the document allows? Pure.

A connection belongs to the channel whose address its path matches; where several do, the
subprotocol and then the query decide. What the application receives has to be a message of a
``receive`` operation of that channel, what it sends one of a ``send`` operation, or of a reply. Of
a channel without operations the document does not say who sends what: then all its messages may go
either way.

What a frame holds is told by the content type of a message:

==================  =============================================================================
content type        the frame
==================  =============================================================================
JSON                is text or binary, and holds JSON that fits the payload's schema
text, XML, YAML     is text, and is a string that fits the schema
anything else       is binary; a schema of type string is asked about one character per byte, any
                    other schema is about something that is not decoded here
not given           is JSON that fits, or else text or bytes that fit a schema of type string
==================  =============================================================================

A payload in a schema language that is not JSON Schema is not looked at either. Both is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from pytest_pachinko.asyncapi.loading import load_document
from pytest_pachinko.asyncapi.model import FIELD
from pytest_pachinko.asyncapi.problem import close_to
from pytest_pachinko.asyncapi.problem import listed
from pytest_pachinko.errors import ContractViolated
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.trace.event import Request
from pytest_pachinko.trace.event import UNDECODABLE
from pytest_pachinko.trace.explain import ARROWS
from pytest_pachinko.trace.explain import describe
from pytest_pachinko.trace.explain import shorten
from pytest_pachinko.trace.record import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping
    from collections.abc import Sequence
    from os import PathLike

    from pytest_pachinko.asyncapi.misfits import Misfit
    from pytest_pachinko.asyncapi.model import Channel
    from pytest_pachinko.asyncapi.model import Document
    from pytest_pachinko.asyncapi.model import Message
    from pytest_pachinko.asyncapi.problem import Place
    from pytest_pachinko.trace.event import Direction
    from pytest_pachinko.trace.event import TraceEvent

__all__ = [
    "Judge",
    "Judgement",
    "Part",
    "Violation",
    "assert_conforms",
    "parts_of",
    "report",
]

__tracebackhide__ = True  # a failure is shown in the test, not in here

_MOST = 5
"""How many violations a report describes."""

_MISFITS = 4
"""How many reasons it gives why a message does not fit."""

_REMEMBERED = 4096
"""How many different frames are remembered, not to look at them again."""

_PROTOCOL = "sec-websocket-protocol"


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that a document does not allow.

    Attributes:
        connection: The name of the connection.
        index: The place in the trace: of the frame, or of the answer to the handshake.
        direction: Who is to blame: ``"to_app"`` if the test, ``"from_app"`` if the application.
        where: The channel, or the path if there is none.
        what: What happened, in a few words that are the same for the same mistake.
        lines: What happened, in full.
    """

    connection: str
    index: int
    direction: Direction
    where: str
    what: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a connection by a document.

    Attributes:
        channels: The keys of the channels that it belongs to.
        violations: What the document does not allow.
        seen: How often which message was seen, by the keys of its channel, its direction and its
            own key.
        unchecked: How often of these the payload was not looked at.
    """

    channels: tuple[str, ...] = ()
    violations: list[Violation] = field(default_factory=list)
    seen: dict[tuple[str, Direction, str], int] = field(default_factory=dict)
    unchecked: dict[tuple[str, Direction, str], int] = field(default_factory=dict)


class _Fit(NamedTuple):
    """How well a frame is a message: it is one if there are no reasons why not."""

    channel: Channel
    message: Message
    reasons: tuple[str, ...] = ()
    distance: tuple[int, int] = (0, 0)
    checked: bool = True


def assert_conforms(
    trace: Trace | Any,
    document: Document | Mapping[str, Any] | str | PathLike[str],
    *,
    channel: str | None = None,
    strict: bool = True,
) -> None:
    """Fail unless an AsyncAPI document allows everything that was said.

    Args:
        trace: A trace of one connection or of several, or a session.
        document: The document: the path of a file, a dict, or what ``load_document`` returns.
        channel: The key of the channel; found by the path of the connection if not given.
        strict: Whether what the test sends has to be allowed too; False where a test sends what
            is not on purpose.

    Raises:
        ContractViolated: Something is not allowed.
        InvalidDocument: The document is not valid.
        PachinkoUsageError: There is no such channel, or nobody knows the path of a connection.
    """
    judge = Judge(load_document(document))
    violations = [
        violation
        for part in parts_of(getattr(trace, "trace", trace))
        for violation in judge.judge(part, channel).violations
        if strict or violation.direction == "from_app"
    ]
    if violations:
        raise ContractViolated("\n".join(report(judge.document, violations)), violations)


class Part(NamedTuple):
    """One connection of a trace.

    Attributes:
        request: What its handshake asked for, if that is known.
        events: Its events.
    """

    request: Request | None
    events: Sequence[TraceEvent]


def parts_of(trace: Any) -> list[Part]:
    """Return the connections of a trace.

    Raises:
        PachinkoUsageError: It is no trace.
    """
    if not isinstance(trace, Trace):
        raise PachinkoUsageError(
            f"{trace!r} is no trace.\nHint: assert_conforms(session.trace, document)"
        )
    sources = trace._sources or [trace] * len(trace)
    grouped: dict[int, Part] = {}
    for source, event in zip(sources, trace, strict=True):
        part: Any = grouped.setdefault(id(source), Part(source.request, []))
        part.events.append(event)
    return list(grouped.values())


class Judge:
    """Holds connections to a document.

    Args:
        document: The document.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._known: dict[Any, _Fit | list[_Fit]] = {}

    def judge(self, part: Part, key: str | None = None) -> Judgement:
        """Say what a document does not allow on a connection, and what was seen of it.

        A handshake that was refused is nothing that was said: the document is silent on it.

        Raises:
            PachinkoUsageError: There is no such channel, or nobody knows the path.
        """
        events = part.events
        if any(event.kind == "denied" for event in events) or all(
            event.kind in ("closed", "raised") for event in events
        ):
            return Judgement()
        handshake = next((event for event in events if event.kind == "accepted"), events[0])
        channels, problem = self._channels(part, key, handshake)
        judgement = Judgement(tuple(channel.key for channel in channels))
        if problem is not None:
            judgement.violations.append(problem)
        for event in events:
            if channels and event.kind in ("text", "bytes"):
                self._frame(judgement, channels, event)
        return judgement

    # The channel.

    def _channels(
        self, part: Part, key: str | None, handshake: TraceEvent
    ) -> tuple[list[Channel], Violation | None]:
        """Return the channels of a connection, and what is wrong with its handshake."""
        if key is not None:
            if key not in self.document.channels:
                raise PachinkoUsageError(
                    f"{self.document.name} has no channel {key!r}{close_to(key, self.document.channels)}\n"
                    f"Hint: it has {listed(self.document.channels)}"
                )
            channels = [self.document.channels[key]]
        elif part.request is None:
            raise PachinkoUsageError(
                f"{handshake.connection}: the trace does not know the path of its connection.\n"
                "Hint: assert_conforms(trace, document, channel=...)"
            )
        else:
            channels, why = self._by_path(part.request.path)
            if why is not None:
                return [], _at_handshake(handshake, "from_app", part.request.path, *why)
            channels, why = _by_subprotocol(channels, handshake)
            if why is not None:
                return [], _at_handshake(handshake, "from_app", channels[0].name, *why)
        if part.request is None:
            return channels, None
        return self._by_request(channels, part.request, handshake)

    def _by_path(self, path: str) -> tuple[list[Channel], tuple[str, list[str]] | None]:
        found = [
            channel
            for channel in self.document.channels.values()
            if any(pattern.fullmatch(path) for pattern in channel.paths)
        ]
        if not found:
            there = [c.address for c in self.document.channels.values() if c.address is not None]
            lines = [
                f"it was accepted, and no channel has an address that {path!r} matches",
                f"there are {listed(there)}{close_to(path, there)}",
            ]
            keys = [key for key, channel in self.document.channels.items() if not channel.address]
            if keys:
                lines.append(
                    f"{listed(keys)} has no address: assert_conforms(trace, document, "
                    f"channel={keys[0]!r}) means it"
                )
            return [], ("accepted, and no channel has this address", lines)
        # What is said of one path goes before what is said of many, as in routers.
        closest = min(map(_generality, found))
        return [channel for channel in found if _generality(channel) == closest], None

    def _by_request(
        self, channels: list[Channel], request: Request, handshake: TraceEvent
    ) -> tuple[list[Channel], Violation | None]:
        """Choose the channels that allow the query and the headers of the request, if any do."""
        wrong = {
            channel.key: [
                *self._misfits(channel.query, _query(request)),
                *self._misfits(channel.headers, _headers(request, handshake), headers=True),
            ]
            for channel in channels
        }
        right = [channel for channel in channels if not wrong[channel.key]]
        if right:
            return right, None
        lines = wrong[channels[0].key]
        what = f"handshake: {lines[0].partition(' (#')[0]}"
        return channels, _at_handshake(handshake, "to_app", channels[0].name, what, lines)

    def _misfits(
        self, schema: Place | None, given: Mapping[str, list[str]], *, headers: bool = False
    ) -> list[str]:
        """Return what a schema of a binding does not allow."""
        if schema is None:
            return []
        schemas = self.document.schemas
        fields = schemas.fields(schema)
        if headers:
            # Of headers there are more than anybody describes, and case does not matter.
            given = {name: given[name.lower()] for name in fields if name.lower() in given}
        value = {
            name: self._converted(fields.get(name, ()), texts) for name, texts in given.items()
        }
        what = "header" if headers else "query"
        return [
            f"{what} {_path(misfit.place)}: {misfit.message} ({schemas.source(schema, misfit)})"
            for misfit in schemas.misfits(schema, value)
            if not (headers and _is_extra(misfit))
        ]

    def _converted(self, schemas: Iterable[Place], texts: list[str]) -> Any:
        """Return what is text in a URL or a header as what fits its schemas, or comes closest."""
        values = [_json(text) for text in texts]
        tries = [texts[-1], values[-1], texts, values]
        find = self.document.schemas.misfits
        return min(
            tries, key=lambda value: _distance([m for each in schemas for m in find(each, value)])
        )

    # Frames.

    def _frame(self, judgement: Judgement, channels: list[Channel], event: TraceEvent) -> None:
        fit = self._fit(channels, event)
        if isinstance(fit, list):
            judgement.violations.append(self._unknown(channels, event, fit))
            return
        key = fit.channel.key, event.direction, fit.message.key
        judgement.seen[key] = judgement.seen.get(key, 0) + 1
        if not fit.checked:
            judgement.unchecked[key] = judgement.unchecked.get(key, 0) + 1

    def _fit(self, channels: list[Channel], event: TraceEvent) -> _Fit | list[_Fit]:
        """Return the message that a frame is, or how it is none of them, the closest first."""
        key = *(each.key for each in channels), event.direction, event.kind, event.payload
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = self._found(channels, event.direction, event)
        return self._known[key]

    def _found(
        self, channels: Iterable[Channel], direction: Direction, event: TraceEvent
    ) -> _Fit | list[_Fit]:
        pairs = ((channel, channel.messages(direction).values()) for channel in channels)
        return self._best(pairs, event)

    def _best(
        self, messages: Iterable[tuple[Channel, Iterable[Message]]], event: TraceEvent
    ) -> _Fit | list[_Fit]:
        fits = []
        for channel, known in messages:
            for message in known:
                fit = self._compared(channel, message, event)
                if not fit.reasons:
                    return fit
                fits.append(fit)
        return sorted(fits, key=lambda fit: fit.distance)

    def _compared(self, channel: Channel, message: Message, event: TraceEvent) -> _Fit:
        """Say how well a frame is a message."""
        values, why = self._values(message, event)
        if why is not None:
            return _Fit(channel, message, (why,), (2, 0))
        schema = message.schema
        if schema is None:
            return _Fit(channel, message)
        if not values or not self.document.schemas.is_known(schema):
            return _Fit(channel, message, checked=False)
        tries = [self.document.schemas.misfits(schema, value) for value in values]
        misfits = next((found for found in tries if not found), tries[0])
        return _Fit(channel, message, self._reasons(schema, misfits), _distance(misfits))

    def _reasons(self, schema: Place, misfits: list[Misfit]) -> tuple[str, ...]:
        return tuple(
            f"{_path(each.place)}: {each.message} ({self.document.schemas.source(schema, each)})"
            for each in misfits
        )

    def _values(self, message: Message, event: TraceEvent) -> tuple[list[Any], str | None]:
        """Return what a frame holds, as JSON data, or why it cannot hold this message.

        Several values, if the document does not say which; none, if it is not decoded here.
        """
        payload, is_text = event.payload, event.kind == "text"
        content = message.content
        if content == "text" and not is_text:
            return [], f"the frame is binary, and {message.content_type} is text"
        if content == "binary" and is_text:
            return [], f"the frame is text, and {message.content_type} is binary"
        values: list[Any] = []
        if content in ("json", "unknown"):
            try:
                values.append(msgspec.json.decode(payload))
            except UNDECODABLE as error:
                if content == "json":
                    return [], f"the frame holds no {message.content_type}: {error}"
        if content != "json" and (is_text or self._is_text(message)):
            values.append(payload if is_text else payload.decode("latin-1"))
        return values, None

    def _is_text(self, message: Message) -> bool:
        schema = message.schema
        return schema is not None and self.document.schemas.kinds(schema) == {"string"}

    def _unknown(self, channels: list[Channel], event: TraceEvent, fits: list[_Fit]) -> Violation:
        """Say that a frame is none of the messages of its channel."""
        direction = event.direction
        who = "the test may send" if direction == "to_app" else "the application may send"
        names = [fit.message.key for fit in sorted(fits, key=lambda fit: fit.message.key)]
        where = " and ".join(channel.name for channel in channels)
        lines = [f"channel {where}: {who} {listed(names)}"]
        what = "a frame where there are no messages"
        if fits:
            best = fits[0]
            lines.append(f"closest is {best.message.key!r}, {best.message.place}:")
            lines += [f"  {reason}" for reason in best.reasons[:_MISFITS]]
            if len(best.reasons) > _MISFITS:
                lines.append(f"  … and {len(best.reasons) - _MISFITS} more")
            what = f"not {best.message.key!r}: {best.reasons[0].partition(' (#')[0]}"
        other: Direction = "from_app" if direction == "to_app" else "to_app"
        turned = self._found(channels, other, event)
        if isinstance(turned, _Fit):
            action = "send" if other == "from_app" else "receive"
            lines.append(
                f"it is {turned.message.key!r}, which the application may only {action}: "
                "is the action of its operation named from the application's side?"
            )
            what = f"{turned.message.key!r}, in the wrong direction"
        unused = self._best(((each, each.unused.values()) for each in channels), event)
        if isinstance(unused, _Fit):
            action = "receive" if direction == "to_app" else "send"
            lines.append(
                f"it is {unused.message.key!r} of the channel, which no operation has: add one "
                f"with the action {action}, or add the message to one"
            )
            what = f"{unused.message.key!r}, which no operation has"
        return Violation(
            event.connection,
            event.index,
            direction,
            where,
            what,
            (f"[{event.index}] {describe(event)}", *(f"    {line}" for line in lines)),
        )


def _generality(channel: Channel) -> list[int]:
    """Return how much each part of an address matches: itself, any part, or the rest of a path."""
    parts = str(channel.address).strip("/").split("/")
    fields = [FIELD.findall(part) for part in parts]
    return [2 if not channel.rests.isdisjoint(names) else bool(names) for names in fields]


def _by_subprotocol(
    channels: list[Channel], handshake: TraceEvent
) -> tuple[list[Channel], tuple[str, list[str]] | None]:
    chosen = handshake.payload.subprotocol if handshake.kind == "accepted" else None
    plain = [channel for channel in channels if channel.subprotocols is None]
    if chosen is None:
        return plain or channels, None
    exact = [channel for channel in channels if chosen in (channel.subprotocols or ())]
    if exact or plain:
        return exact or plain, None
    there = [token for channel in channels for token in channel.subprotocols or ()]
    what = f"the application chose the subprotocol {chosen!r}"
    return channels, (what, [f"{what}, and {channels[0].name} is spoken with {listed(there)}"])


def _at_handshake(
    event: TraceEvent, direction: Direction, where: str, what: str, lines: list[str]
) -> Violation:
    # A part of a trace may lack the answer.
    head = f"[{event.index}] {describe(event)}" if event.kind == "accepted" else "handshake"
    shown = (head, f"    channel {where}:", *(f"      {line}" for line in lines))
    return Violation(event.connection, event.index, direction, where, what, shown)


def _query(request: Request) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for name, text in parse_qsl(request.query.decode("latin-1"), keep_blank_values=True):
        given.setdefault(name, []).append(text)
    return given


def _is_extra(misfit: Misfit) -> bool:
    """Return whether a field is one that is not described, or is written in another case."""
    return len(misfit.place) == 1 and misfit.schema_place[-1:] == ("additionalProperties",)


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except UNDECODABLE:
        return text


def _headers(request: Request, handshake: TraceEvent) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for name, value in request.headers:
        given.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    # What is described is the one that is spoken, and a client may offer several.
    chosen = handshake.payload.subprotocol if handshake.kind == "accepted" else None
    if request.subprotocols:
        given[_PROTOCOL] = [chosen or request.subprotocols[0]]
    return given


def _distance(misfits: list[Misfit]) -> tuple[int, int]:
    """Return how far a value is from a message: one of another kind is further away."""
    return int(any(misfit.is_tag for misfit in misfits)), len(misfits)


def _path(place: Place) -> str:
    return "$" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place)


def report(document: Document, violations: Sequence[Violation]) -> list[str]:
    """Say what a document does not allow.

    Args:
        document: The document.
        violations: What it does not allow, at least one.
    """
    names = list(dict.fromkeys(violation.connection for violation in violations))
    # The first line is what pytest repeats in its summary.
    lines = [
        f"{ARROWS[violations[0].direction]} {shorten(violations[0].what)}",
        f"{', '.join(names[:_MOST])}: {document.name} does not allow what was said:",
    ]
    for violation in violations[:_MOST]:
        lane = f"{violation.connection} " if len(names) > 1 else ""
        head, *rest = violation.lines
        lines += [f"  {lane}{head}", *(f"  {line}" for line in rest)]
    if len(violations) > _MOST:
        lines.append(f"  … and {len(violations) - _MOST} more")
    return lines
