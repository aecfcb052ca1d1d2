"""What is left out of a trace before it is shown or written: secrets. Pure.

Headers and fields of JSON are told by their names; credentials in a subprotocol, which is how a
browser sends them, by their prefix.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from typing import TYPE_CHECKING

import msgspec

from pytest_pachinko.headers import Headers
from pytest_pachinko.trace.event import decode
from pytest_pachinko.trace.event import Handshake

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_pachinko.trace.event import TraceEvent

__all__ = ["REDACTED", "SECRETS", "redacted"]

REDACTED = "<redacted>"

SECRETS = frozenset(
    {
        "access_token",
        "api_key",
        "authorization",
        "cookie",
        "password",
        "proxy-authorization",
        "refresh_token",
        "secret",
        "set-cookie",
        "token",
        "x-api-key",
    }
)
"""Names of headers and of JSON fields whose values are secret, in lower case."""

_CREDENTIALS = re.compile(r"(?i)((?:[\w.-]*[._-])?(?:bearer|token|jwt|authorization)[._ -])[^\s,]+")


def redacted(event: TraceEvent, secrets: Collection[str] = SECRETS) -> TraceEvent:
    """Return an event without secrets.

    Args:
        event: The event.
        secrets: Names of headers and of JSON fields, in lower case.
    """
    payload = event.payload
    if isinstance(payload, Handshake):
        pairs = [
            (name.encode(), _header(name, value, secrets).encode("latin-1"))
            for name in payload.headers
            for value in payload.headers.get_all(name)
        ]
        subprotocol = payload.subprotocol and _CREDENTIALS.sub(
            rf"\1{REDACTED}", payload.subprotocol
        )
        body: Any = _without(payload.body, secrets)
        return replace(
            event,
            payload=payload._replace(subprotocol=subprotocol, headers=Headers(pairs), body=body),
        )
    if event.kind in ("text", "bytes"):
        return replace(event, payload=_without(payload, secrets))
    return event


def _header(name: str, value: str, secrets: Collection[str]) -> str:
    if name in secrets:
        return REDACTED
    if name == "sec-websocket-protocol":
        return _CREDENTIALS.sub(rf"\1{REDACTED}", value)
    return value


def _without(payload: str | bytes, secrets: Collection[str]) -> str | bytes:
    """Return a frame with the values of secret fields replaced, if it is JSON and has any."""
    text = payload.lower() if isinstance(payload, str) else payload.lower().decode("latin-1")
    if not any(name in text for name in secrets):
        return payload
    data = decode(payload)
    hidden = REDACTED if isinstance(payload, str) else REDACTED.encode()
    try:
        clean = _clean(data, secrets)
        if clean == data:
            # What looks like JSON and is too deep for it may hide a secret all the same.
            return hidden if data is payload and text.lstrip()[:1] in ("{", "[") else payload
    except RecursionError:
        return hidden
    encoded = msgspec.json.encode(clean)
    return encoded.decode() if isinstance(payload, str) else encoded


def _clean(data: Any, secrets: Collection[str]) -> Any:
    if isinstance(data, dict):
        return {
            key: REDACTED
            if key.lower() in secrets and value is not None
            else _clean(value, secrets)
            for key, value in data.items()
        }
    if isinstance(data, list):
        return [_clean(each, secrets) for each in data]
    return data
