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
raised      from_app    a ``Crash``: what the application raised; it crosses no wire
==========  ==========  ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from functools import lru_cache
from typing import Any
from typing import Literal
from typing import NamedTuple
from typing import TYPE_CHECKING

import msgspec

from pytest_pachinko.headers import Headers
from pytest_pachinko.headers import NO_HEADERS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "UNDECODABLE",
    "Close",
    "Crash",
    "Direction",
    "Handshake",
    "Kind",
    "Request",
    "TraceEvent",
    "decode",
    "decoder",
]

Direction = Literal["to_app", "from_app"]
Kind = Literal["accepted", "denied", "text", "bytes", "closed", "raised"]


class Close(NamedTuple):
    """How a connection ended.

    Attributes:
        code: The close code (RFC 6455, section 7.4).
        reason: The reason, or the empty string.
    """

    code: int
    reason: str = ""


class Crash(NamedTuple):
    """An exception of the application.

    Attributes:
        error: The name of its class.
        message: Its text.
    """

    error: str
    message: str = ""


class Request(NamedTuple):
    """What a handshake asked for, as ASGI carries it.

    Attributes:
        path: The path, decoded.
        query: The query, as it was sent.
        headers: Names, in lower case, and values.
        subprotocols: What the client offers.
    """

    path: str
    query: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()
    subprotocols: Sequence[str] = ()


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
        kind: ``"accepted"``, ``"denied"``, ``"text"``, ``"bytes"``, ``"closed"`` or ``"raised"``.
        payload: The frame as it was sent, a ``Handshake``, a ``Close`` or a ``Crash``.
        connection: The name of the connection.
        time: Seconds since the connection was opened.
        types: What a frame to the application and one from it may hold, if that is known.
    """

    index: int
    direction: Direction
    kind: Kind
    payload: Any
    connection: str
    time: float
    types: tuple[Any, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def message(self) -> Any:
        """The message that a frame holds, typed by the resource's ``schema`` or ``emits``.

        None if it is no frame, no such message, or the resource does not say.
        """
        if self.types is None or self.kind not in ("text", "bytes"):
            return None
        wanted = self.types[0 if self.direction == "to_app" else 1]
        if wanted is None:
            return None
        try:
            return decoder(wanted).decode(self.payload)
        except Exception:  # noqa: BLE001 - a __post_init__ may raise anything
            return None

    @property
    def decoded(self) -> Any:
        """The payload as JSON data, if it is a frame that holds JSON; else as it is."""
        return decode(self.payload)


@lru_cache(maxsize=256)
def decoder(payload_type: Any) -> msgspec.json.Decoder[Any]:
    """Return a decoder of JSON to a type."""
    return msgspec.json.Decoder(payload_type)


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
