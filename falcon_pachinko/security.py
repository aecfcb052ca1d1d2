"""Who may connect, and how much a connection may send. The decisions are pure.

What is decided here is carried out elsewhere: an ``OriginPolicy`` is a hook of connections, and
``ConnectionLimits`` are read by the conversation that serves a connection.
"""

from __future__ import annotations

import math
import random
import re
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import AddressValueError
from ipaddress import IPv6Address
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

import falcon

from falcon_pachinko.errors import LimitError
from falcon_pachinko.errors import OriginError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Iterable

    from falcon_pachinko.hooks import ConnectionContext

__all__ = [
    "Breach",
    "ConnectionLimits",
    "Meter",
    "OriginPolicy",
    "check_limit",
    "is_limit",
    "overloaded",
    "parse_origin",
    "retry_after",
]

Origin = tuple[str, str, int | None]

# RFC 6454, section 6.2. The host is a name or an IPv4 address, or an IPv6 address in brackets.
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?P<host>[a-z0-9._~-]+|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>0|[1-9][0-9]{0,4}))?",
    re.IGNORECASE | re.ASCII,
)
_MAX_ORIGIN = 512  # a host name has 253 characters at most
_MAX_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WEBSOCKET_SCHEMES = {"ws": "http", "wss": "https"}

_TOLERANCE = 1e-6  # seconds, for what floats lose


def parse_origin(text: str) -> Origin | None:
    """Return the scheme, host and port of a serialized origin, in one form for all spellings.

    Args:
        text: What stands in the header.

    Returns:
        None if it is no origin of RFC 6454, or the opaque one that is written ``null``.
    """
    match = _ORIGIN.fullmatch(text) if len(text) <= _MAX_ORIGIN else None
    if match is None:
        return None
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = _DEFAULT_PORTS.get(scheme) if match["port"] is None else int(match["port"])
    if port is not None and port > _MAX_PORT:
        return None
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1]).compressed}]"
        except AddressValueError:
            return None
    return scheme, host, port


class OriginPolicy:
    """Lets only pages of known origins connect (RFC 6455, section 10.2).

    A browser sends the cookies of a site with a handshake, whoever's page asks for it, and says
    in the header ``Origin`` whose that is. Any other client can write what it wants there, so
    this protects the users of browsers, and nobody else.

    Args:
        *origins: The origins, each as a browser writes it: ``https://chat.example``, with a port
            if it is not the default one. They are compared exactly, but for the case of scheme
            and host. Without one, no page may connect.
        allow_missing: Whether a client that sends no ``Origin``, and so is no browser, may
            connect.

    Raises:
        OriginError: One of them is no origin, or nobody could connect.

    Attributes:
        origins: What was given.
        allow_missing: What was given.

    Example::

        router.around_connection(OriginPolicy("https://chat.example"))
    """

    def __init__(self, *origins: str, allow_missing: bool = True) -> None:
        self.origins = origins
        self.allow_missing = allow_missing
        self._allowed = frozenset(map(_checked_origin, origins))
        if not (origins or allow_missing):
            raise OriginError(
                "An OriginPolicy without origins and without allow_missing lets nobody connect.\n"
                'Hint: OriginPolicy("https://chat.example", allow_missing=False)'
            )

    def __repr__(self) -> str:
        given = [*map(repr, self.origins), f"allow_missing={self.allow_missing}"]
        return f"OriginPolicy({', '.join(given)})"

    def allows(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Decide about a handshake.

        Args:
            headers: The headers of the request, as ASGI has them.
        """
        values = [value for name, value in headers if name.lower() == b"origin"]
        if not values:
            return self.allow_missing
        # A proxy and the application may not pick the same one of several.
        return len(values) == 1 and parse_origin(values[0].decode("latin-1")) in self._allowed

    @asynccontextmanager
    async def __call__(self, context: ConnectionContext) -> AsyncIterator[None]:
        """Refuse a connection, as a hook, before it is accepted.

        Raises:
            falcon.HTTPForbidden: The policy does not allow it.
        """
        if not self.allows(context.req.scope["headers"]):
            raise falcon.HTTPForbidden(description="The origin is not allowed.")
        yield


def _checked_origin(text: Any) -> Origin:
    origin = parse_origin(text) if isinstance(text, str) else None
    if origin is None:
        raise OriginError(f"{text!r} is no origin.\nHint: {_origin_hint(text)}")
    scheme = _WEBSOCKET_SCHEMES.get(origin[0])
    if scheme is not None:
        raise OriginError(
            f"{text!r} is the address of a WebSocket. An origin is that of the page which "
            f"connects to it.\nHint: {scheme}{text[len(origin[0]) :]!s}"
        )
    return origin


def _origin_hint(text: Any) -> str:
    if not isinstance(text, str):
        return 'OriginPolicy("https://a.example", "https://b.example"): each one is a str.'
    hints = {
        "null stands for any page that hides where it is from, and is always refused.": (
            text.strip().lower() == "null"
        ),
        "there are no wildcards: list each origin.": "*" in text,
        "write the host as a browser sends it, in its ASCII form: https://xn--...": (
            not text.isascii()
        ),
        f"the scheme is a part of it: https://{text.strip().strip('/')}": "://" not in text,
        f"scheme, host and port alone, as a browser sends it: {_bare_origin(text)}": (
            parse_origin(_bare_origin(text)) is not None
        ),
        "scheme://host or scheme://host:port, such as https://chat.example": True,
    }
    return next(hint for hint, fits in hints.items() if fits)


def _bare_origin(url: str) -> str:
    """Return a URL without path, query, fragment and user."""
    scheme, _, rest = url.strip().partition("://")
    return f"{scheme}://{re.split('[/?#]', rest)[0].rpartition('@')[2]}"


class Breach(NamedTuple):
    """How a connection is closed that has gone over a limit.

    Attributes:
        code: The close code (RFC 6455, section 7.4.1).
        reason: The reason, which is the same for everybody.
    """

    code: int
    reason: str


_TOO_BIG = Breach(1009, "message too big")
_TOO_FAST = Breach(1008, "too many messages")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How much one connection may send: the class attribute ``limits`` of a resource.

    What is None is not limited.

    Attributes:
        max_message: How many bytes one message may have, before it is decoded. A longer one closes
            the connection with 1009.
        messages_per_second: How many messages may come, in the long run. One too many closes the
            connection with 1008.
        bytes_per_second: How many bytes may come, in the long run, in the same way.
        burst: How many seconds' worth of both may come at once.
        accept_timeout: How many seconds the hooks of the connection and ``on_connect`` have to
            accept it. Then they are cancelled, and the handshake is refused with 503.

    Raises:
        LimitError: A limit is not more than 0, or could never be kept.

    Example::

        class Chat(WebSocketResource):
            limits = ConnectionLimits(max_message=4096, messages_per_second=10)
    """

    max_message: int | None = None
    messages_per_second: float | None = None
    bytes_per_second: float | None = None
    burst: float = 5.0
    accept_timeout: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            check_limit(name, value, whole=name == "max_message", optional=name != "burst")
        messages, volume = self.messages_per_second, self.bytes_per_second
        if messages is not None and messages * self.burst < 1:
            raise LimitError(
                f"messages_per_second={messages:g} with burst={self.burst:g} allows not even one "
                f"message.\nHint: {_enough(1, messages)}"
            )
        if volume is not None and volume * self.burst < (self.max_message or 1):
            size = self.max_message or 1
            raise LimitError(
                f"bytes_per_second={volume:g} with burst={self.burst:g} never allows a message of "
                f"max_message={size} bytes.\nHint: {_enough(size, volume)}"
            )

    @property
    def measures(self) -> bool:
        """Whether there is a limit for messages."""
        limits = (self.max_message, self.messages_per_second, self.bytes_per_second)
        return any(limit is not None for limit in limits)

    def meter(self, now: float) -> Meter:
        """Return what measures one connection from now on."""
        return Meter(self, now)


def check_limit(name: str, value: Any, *, whole: bool = False, optional: bool = False) -> None:
    """Raise an error if a limit is no positive number.

    Args:
        name: What it is called.
        value: It.
        whole: Whether it has to be a whole number.
        optional: Whether it may be None, which is no limit.

    Raises:
        LimitError: It is none.
    """
    if not is_limit(value, whole=whole) and not (optional and value is None):
        what = "a whole number" if whole else "a finite number"
        hint = "\nHint: None is no limit." if optional else ""
        raise LimitError(f"{name}={value!r}: {what}, more than 0.{hint}")


def is_limit(value: Any, *, whole: bool = False) -> bool:
    """Return whether a value is a positive number, and no larger than a float may be."""
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    return number and 0 < value <= sys.float_info.max


def _enough(amount: float, rate: float) -> str:
    """Return what to write so that an amount is allowed at once."""
    seconds = amount / rate
    if seconds == math.inf:
        return "a higher rate."
    return f"burst={math.ceil(seconds)} or more, in seconds."


class _Bucket:
    """A token bucket whose tokens are seconds, so that time alone fills it.

    What is taken from the start on never exceeds what ``burst`` and the time since then allow.
    """

    __slots__ = ("_burst", "_level", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst

    def fill(self, seconds: float) -> None:
        """Let time pass."""
        if self._level < self._burst:
            self._level = min(self._burst, self._level + seconds)

    def excuse(self, seconds: float) -> None:
        """Let time pass in which nobody has listened: all of it counts."""
        self._level += seconds

    def take(self, amount: float) -> bool:
        """Take out an amount, and return whether there was as much."""
        self._level -= amount / self._rate
        return self._level >= -_TOLERANCE


class Meter:
    """What one connection has sent, measured against its limits.

    Args:
        limits: The limits.
        now: The time from which on it is measured.
    """

    __slots__ = ("_at", "_buckets", "_bytes", "_max_message", "_messages")

    def __init__(self, limits: ConnectionLimits, now: float) -> None:
        self._at = now
        self._max_message = limits.max_message
        self._messages = _bucket(limits.messages_per_second, limits.burst)
        self._bytes = _bucket(limits.bytes_per_second, limits.burst)
        self._buckets = [each for each in (self._messages, self._bytes) if each is not None]

    def resume(self, now: float) -> None:
        """Take note that nobody has listened since the last message.

        A peer is not blamed for what has piled up while handlers were busy.
        """
        for each in self._buckets:
            each.excuse(self._passed(now))
        self._at = max(now, self._at)

    def admit(self, frame: str | bytes, now: float) -> Breach | None:
        """Count a message; return how the connection is closed if it goes over a limit."""
        size = _size_of(frame, self._max_message)
        if self._max_message is not None and size > self._max_message:
            return _TOO_BIG
        for each in self._buckets:
            each.fill(self._passed(now))
        self._at = max(now, self._at)
        if self._messages is not None and not self._messages.take(1):
            return _TOO_FAST
        if self._bytes is not None and not self._bytes.take(size):
            return _TOO_FAST
        return None

    def _passed(self, now: float) -> float:
        # A clock that is set back gives nothing, and takes nothing either.
        return max(0.0, now - self._at)


def _bucket(rate: float | None, burst: float) -> _Bucket | None:
    return None if rate is None else _Bucket(rate, burst)


def _size_of(frame: str | bytes, enough: int | None) -> int:
    """Return how many bytes a frame has; where its characters are more than enough, those."""
    if isinstance(frame, bytes) or frame.isascii() or (enough is not None and len(frame) > enough):
        return len(frame)
    return len(frame.encode("utf-8", "surrogatepass"))


def retry_after() -> int:
    """Return after how many seconds to come again: not the same to all, who would come together."""
    return random.randint(5, 15)  # noqa: S311


def overloaded() -> falcon.HTTPServiceUnavailable:
    """Return the refusal of a handshake for which there is no room or no time."""
    return falcon.HTTPServiceUnavailable(retry_after=retry_after())
