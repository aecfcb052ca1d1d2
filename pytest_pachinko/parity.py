"""Whether a test saw the same in memory and on a server. Pure.

What a server does of its own accord is no difference, and this is the place that says what that
is. Everything else on the wire is compared.

===========================  ==================================================================
not compared                 because
===========================  ==================================================================
headers of a server          ``date``, ``server``, the handshake's own: no application sets them
body and type of 403, 500    where the body is empty or a server's own words: it makes a 403 of a
                             close before accept, and a 500 of an application that gives up
close code of a denial       it never leaves a server
order between directions     what two sides send at the same time has none on a network
exceptions                   the test raises them; those of a server have a text of its own
time                         it passes
===========================  ==================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_pachinko.headers import Headers
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.explain import difference
from pytest_pachinko.trace.record import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["disparity", "normalised"]

SERVERS_OWN = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "server",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of a response that a server adds."""

SERVERS_WORDS = frozenset({b"", b"Internal Server Error"})
"""Bodies of the denials that a server makes itself."""


def normalised(trace: Trace) -> Trace:
    """Return what the application and the test did, without what a server adds.

    The handshake comes first, then the frames to the application, then those from it, then
    the end.
    """
    parts: tuple[list[int], ...] = ([], [], [], [])
    events = list(trace)
    for number, event in enumerate(events):
        if event.kind in ("accepted", "denied"):
            parts[0].append(number)
        elif event.kind == "closed":
            parts[3].append(number)
        elif event.kind != "raised":
            parts[1 if event.direction == "to_app" else 2].append(number)
    result = Trace(trace.connection)
    for number in (number for part in parts for number in part):
        event = events[number]
        payload = event.payload
        if isinstance(payload, Handshake):
            payload = _plain(payload)
        result.record(event.direction, event.kind, payload, 0.0)
    return result


def _plain(answer: Handshake) -> Handshake:
    own = SERVERS_OWN
    body = answer.body
    if answer.status in (403, 500) and body in SERVERS_WORDS:
        own = own | {"content-type"}
        body = b""
    pairs = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name in sorted(answer.headers)
        if name not in own
        for value in answer.headers.get_all(name)
    ]
    return Handshake(answer.status, answer.subprotocol, Headers(pairs), body)


def disparity(memory: Sequence[Trace], live: Sequence[Trace]) -> list[str]:
    """Say how the sessions of a test differ between memory and a server.

    Args:
        memory: The traces of the sessions in memory.
        live: The traces of the same sessions on a server.

    Returns:
        Lines for a report; none if there is no difference.
    """
    names = [trace.connection for trace in memory]
    others = [trace.connection for trace in live]
    if sorted(names) != sorted(others):
        return [
            "The test opened other sessions in memory than on the server.",
            f"  memory  {', '.join(names) or 'none'}",
            f"  live    {', '.join(others) or 'none'}",
        ]
    by_name = {trace.connection: normalised(trace) for trace in live}
    lines: list[str] = []
    for trace in memory:
        expected, got = normalised(trace), by_name[trace.connection]
        if got != expected:
            lines += ["", *difference(got, expected)]
    if lines:
        lines[:1] = [
            "The same test saw something else on the server (got) than in memory (expected).",
            "Frames to the application come first, then those from it; events are numbered so.",
        ]
    return lines
