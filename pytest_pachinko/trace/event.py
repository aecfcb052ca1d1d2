"""The events of a trace. Pure.

Directions are named from the application: ``to_app`` (→) is what the test sent, ``from_app``
(←) what the application sent.

==========  ==========  ==========================================================
kind        direction   payload
==========  ==========  ==========================================================
accepted    from_app    a ``Handshake``
denied      from_app    a ``Handshake`` with a status
text        either      ``str``
bytes       either      ``bytes``
closed      who closed  a ``Close``
==========  ==========  ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from typing import Literal
from typing import NamedTuple

import msgspec

from pytest_pachinko.headers import Headers
from pytest_pachinko.headers import NO_HEADERS

__all__ = ["UNDECODABLE", "Close", "Direction", "Handshake", "Kind", "TraceEvent", "decode"]

Direction = Literal["to_app", "from_app"]
Kind = Literal["accepted", "denied", "text", "bytes", "closed"]


class Close(NamedTuple):
    """How a connection ended.

    Attributes:
        code: The close code (RFC 6455, section 7.4).
        reason: The reason, or the empty string.
    """

    code: int
    reason: str = ""


class Handshake(NamedTuple):
    """How a handshake was answered.

    Attributes:
        status: 101, or the HTTP status of a denial.
        subprotocol: What was negotiated.
        headers: The headers of the response.
        body: The body of a denial.
        close_code: The code with which the application closed instead of accepting.
    """

    status: int = 101
    subprotocol: str | None = None
    headers: Headers = NO_HEADERS
    body: bytes = b""
    close_code: int | None = None


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """One thing that crossed the wire.

    Attributes:
        index: Its place in the trace, from 0.
        direction: ``"to_app"`` or ``"from_app"``.
        kind: ``"accepted"``, ``"denied"``, ``"text"``, ``"bytes"`` or ``"closed"``.
        payload: The frame as it was sent, a ``Handshake`` or a ``Close``.
        connection: The name of the connection.
        time: Seconds since the connection was opened.
    """

    index: int
    direction: Direction
    kind: Kind
    payload: Any
    connection: str
    time: float

    @property
    def decoded(self) -> Any:
        """The payload as JSON data, if it is a frame that holds JSON; else as it is."""
        return decode(self.payload)


# What msgspec raises for a frame: no such message, bad UTF-8 or a lone surrogate, too deep.
UNDECODABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode(payload: Any) -> Any:
    """Return a frame as JSON data if it is JSON; else as it is."""
    if isinstance(payload, str | bytes):
        try:
            return msgspec.json.decode(payload)
        except UNDECODABLE:
            return payload
    return payload
