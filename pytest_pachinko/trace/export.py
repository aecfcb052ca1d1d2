"""Traces as files: JSON Lines, Mermaid, and a page of HTML that needs nothing else. Pure.

A file of JSON Lines begins with a line about the trace, and has a line for each event::

    {"format": "pachinko-trace", "version": 1, "connection": "/chat"}
    {"index": 0, "connection": "/chat", "direction": "to_app", "kind": "text", "time": 0.0, "text": "hi"}

=================  ==============================================================================
kind               further keys
=================  ==============================================================================
text               ``text``
bytes              ``base64``
accepted, denied   ``status``, ``subprotocol``, ``headers`` (pairs), ``body`` (base64),
                   ``close_code``
closed             ``code``, ``reason``
raised             ``error``, ``message``
=================  ==============================================================================
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any
from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.headers import Headers
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Crash
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.event import TraceEvent
from pytest_pachinko.trace.explain import describe
from pytest_pachinko.trace.explain import shorten
from pytest_pachinko.trace.record import Trace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

__all__ = ["Comparison", "dump", "from_json", "html", "load", "mermaid", "to_json"]

FORMAT = "pachinko-trace"

VERSION = 1

PAYLOAD_LIMIT = 64 * 1024
"""How many characters of a payload a page has."""

PAGE_LIMIT = 16 * 1024 * 1024
"""How many characters of payloads a page has before all further ones are cut short."""

SHORT = 256
"""How many characters of a payload a page has that is full."""

EVENT_LIMIT = 50_000
"""How many events a page has: the last ones."""


MERMAID_LIMIT = 49_000
"""How many characters a diagram has; Mermaid refuses 50,000."""


def to_json(event: TraceEvent) -> dict[str, Any]:
    """Return an event as data for JSON."""
    data: dict[str, Any] = {
        "index": event.index,
        "connection": event.connection,
        "direction": event.direction,
        "kind": event.kind,
        "time": event.time,
    }
    payload = event.payload
    match payload:
        case Handshake():
            return data | {
                "status": payload.status,
                "subprotocol": payload.subprotocol,
                "headers": [list(pair) for pair in payload.headers._pairs],
                "body": _base64(payload.body),
                "close_code": payload.close_code,
            }
        case Close() | Crash():
            return data | payload._asdict()
        case str():
            return data | {"text": str(payload)}
        case _:
            return data | {"base64": _base64(payload)}


def from_json(data: Mapping[str, Any]) -> TraceEvent:
    """Return the event that ``to_json`` made this of; keys that it does not know are ignored.

    Raises:
        PachinkoUsageError: It is no event.
    """
    try:
        return TraceEvent(
            data["index"],
            data["direction"],
            data["kind"],
            _payload(data),
            data["connection"],
            data["time"],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PachinkoUsageError(
            f"{shorten(data)} is no event of a trace: {type(error).__name__}: {error}."
        ) from error


def _payload(data: Mapping[str, Any]) -> Any:
    match data["kind"]:
        case "text":
            return data["text"]
        case "bytes":
            return b64decode(data["base64"], validate=True)
        case "accepted" | "denied":
            pairs = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in data["headers"]]
            return Handshake(
                data["status"],
                data["subprotocol"],
                Headers(pairs),
                b64decode(data["body"], validate=True),
                data["close_code"],
            )
        case "closed":
            return Close(data["code"], data["reason"])
        case "raised":
            return Crash(data["error"], data["message"])
        case kind:
            raise ValueError(f"its kind is {kind!r}")


def _base64(payload: Any) -> str:
    return b64encode(payload).decode()


def dump(trace: Trace) -> str:
    """Return a trace as JSON Lines, ASCII only; nothing is lost but the types of its messages."""
    head = {"format": FORMAT, "version": VERSION, "connection": trace.connection}
    # Not msgspec, which encodes no lone surrogates; an application may send them.
    return "".join(f"{json.dumps(line)}\n" for line in [head, *map(to_json, trace)])


def load(text: str) -> Trace:
    """Return the trace that ``dump`` made this of.

    Raises:
        PachinkoUsageError: It is none, or it is cut off, or of a later version.
    """
    lines: list[Any] = []
    # Not splitlines: another tool may write U+2028 as it is.
    for number, line in enumerate(text.rstrip().split("\n"), 1):
        try:
            lines.append(json.loads(line))
        except ValueError as error:
            raise PachinkoUsageError(
                f"Line {number} is no JSON: {error}: {shorten(line)}"
            ) from error
    match lines:
        case [{"format": "pachinko-trace", "version": 1, "connection": str(name)}, *rest]:
            return _trace(name, [from_json(data) for data in rest])
        case [{"format": "pachinko-trace", "version": version}, *_]:
            raise PachinkoUsageError(
                f"The trace is of version {version!r}, and this reads version {VERSION}."
            )
        case _:
            raise PachinkoUsageError(
                "This is no trace: its first line is not "
                f'{{"format": "{FORMAT}", "version": {VERSION}, "connection": ...}}'
            )


def _trace(name: str, events: Sequence[TraceEvent]) -> Trace:
    trace = Trace(name)
    for event in events:
        trace.record(event.direction, event.kind, event.payload, event.time)
    trace._places = [event.index for event in events]
    lanes: dict[str, Trace] = {}
    trace._sources = [
        lanes.setdefault(event.connection, Trace(event.connection)) for event in events
    ]
    return trace


def mermaid(trace: Trace, limit: int = 200, width: int = 80) -> str:
    """Return a sequence diagram for Mermaid, of the last events if there are more than the limit.

    Args:
        trace: The trace, of one connection or of several.
        limit: How many events are drawn, at most: fewer if Mermaid would refuse the text.
        width: How many characters of an event are shown.
    """
    events = list(trace)
    cut = max(0, len(events) - limit)
    events = events[cut:]
    lanes = {name: f"c{number}" for number, name in enumerate(_lanes(events))}
    lines = ["sequenceDiagram"]
    lines += [f"    participant {lane} as {_quoted(name, width)}" for name, lane in lanes.items()]
    lines.append("    participant app as application")
    if cut:
        lines.append(f"    Note over app: {cut} earlier events")
    if not events:
        lines.append("    Note over app: nothing crossed the wire")
    for event in events:
        lane = lanes[event.connection]
        says = _quoted(f"[{event.index}] {describe(event)[2:]}", width)
        if event.kind == "raised":
            lines.append(f"    Note over {lane},app: {says}")
        else:
            left, right = (lane, "app") if event.direction == "to_app" else ("app", lane)
            lines.append(f"    {left}{_ARROWS[event.kind]}{right}: {says}")
    text = "\n".join(lines) + "\n"
    return text if len(text) <= MERMAID_LIMIT else mermaid(trace, len(events) // 2, width)


_ARROWS = {"accepted": "-->>", "denied": "-x", "text": "->>", "bytes": "->>", "closed": "-x"}


def _lanes(events: Sequence[TraceEvent]) -> list[str]:
    return list(dict.fromkeys(event.connection for event in events))


# Nothing that is left as it is means something to Mermaid within a line of text.
_SPECIAL = re.compile(r"[^\w .,:/()\[\]{}=+*'\"!?@_-]", re.ASCII)


def _quoted(text: str, width: int) -> str:
    text = shorten(text, len(text))
    if len(text) > width:
        text = f"{text[: width - 3]}..."
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", text)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What ``explain.difference`` said about a trace.

    Attributes:
        connection: The name of the trace.
        lines: What it said.
    """

    connection: str
    lines: Sequence[str]


# A line of a comparison: "- expected  X", "+ [3] ← text ...", "  [3] ← text ...".
_COMPARED = re.compile(r"(\S?)\s*((?:\[(\d{1,9})\])?.*)", re.DOTALL)


def html(
    trace: Trace,
    title: str,
    *,
    failed: bool = True,
    failure: str = "",
    comparison: Comparison | None = None,
    links: Mapping[str, str] | None = None,
) -> str:
    """Return a page that shows a trace. It loads nothing, and runs nothing that a payload holds.

    Long payloads, and the first ones of very many events, are left out; the page says so.

    Args:
        trace: The trace, of one connection or of several.
        title: What the trace is of: the id of a test.
        failed: Whether that failed.
        failure: How it failed.
        comparison: What the trace was compared with.
        links: Other files in the same directory: their names by what to call them.
    """
    events = list(trace)
    cut = max(0, len(events) - EVENT_LIMIT)
    lanes = _lanes(events)
    numbers = {name: number for number, name in enumerate(lanes)}
    room = PAGE_LIMIT
    entries: list[dict[str, Any]] = []
    for event in events[cut:]:
        entry, size = _entry(event, numbers, PAYLOAD_LIMIT if room > 0 else SHORT)
        entries.append(entry)
        room -= size
    data = {
        "title": title,
        "failed": failed,
        "failure": failure[:PAYLOAD_LIMIT],
        "comparison": _compared(comparison, events, cut),
        # "./" keeps it relative, whatever it is.
        "links": {
            label: f"./{quote(name, errors='backslashreplace')}"
            for label, name in (links or {}).items()
        },
        "lanes": lanes,
        "cut": cut,
        "events": entries,
    }
    return _page(title, data)


def _entry(event: TraceEvent, lanes: Mapping[str, int], limit: int) -> tuple[dict[str, Any], int]:
    """Return an event as the page knows it, and how many characters of payload it has."""
    payload = event.payload
    frame = isinstance(payload, str | bytes)
    whole = to_json(event)
    del whole["connection"]
    entry: dict[str, Any] = {"lane": lanes[event.connection]}
    size = 0
    for key, value in whole.items():
        entry[key] = value
        if isinstance(value, str):
            # A multiple of four is base64 too.
            entry[key] = value[:limit]
            size += len(entry[key])
            if len(value) > limit:
                entry["cut"] = True
    if entry.get("headers"):
        entry["headers"] = [[name, value[:limit]] for name, value in entry["headers"]]
    if frame:
        entry["size"] = len(payload)
    message = event.message
    if message is not None:
        entry["type"] = type(message).__name__
    return entry, size


def _compared(
    comparison: Comparison | None, events: Sequence[TraceEvent], cut: int
) -> dict[str, Any] | None:
    """Return a comparison with the places of its events on the page."""
    if comparison is None:
        return None
    own = [n for n, event in enumerate(events) if event.connection == comparison.connection]
    # The trace of one connection counts its own events.
    places = own or range(len(events))
    lines = [shorten(line, PAYLOAD_LIMIT) for line in comparison.lines]
    end = lines.index("") if "" in lines else len(lines)
    compared = []
    for line in lines[end + 1 :]:
        mark, text, number = _COMPARED.findall(line)[0]
        known = number and int(number) < len(places)
        compared.append([mark, places[int(number)] - cut if known else -1, text])
    return {"verdict": lines[:end], "lines": compared}


_ELEMENTS = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)

_SLOTS = re.compile(r"\{\{(\w+)\}\}")


def _page(title: str, data: Mapping[str, Any]) -> str:
    template = files("pytest_pachinko.trace").joinpath("viewer.html").read_text(encoding="utf-8")
    hashes = {
        kind: b64encode(sha256(body.encode()).digest()).decode()
        for kind, body in _ELEMENTS.findall(template)
    }
    slots = {
        "policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}'",
        "title": escape(title).encode("ascii", "xmlcharrefreplace").decode(),
        # Within JSON these occur in strings alone, and there they may be written so.
        "data": re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(data)),
    }
    return _SLOTS.sub(lambda found: slots[found[1]], template)
