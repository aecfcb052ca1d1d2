"""The ASGI scope of a connection, as a current server would send it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from typing import TYPE_CHECKING
from urllib.parse import quote
from urllib.parse import unquote
from urllib.parse import urlencode

from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.headers import encode_headers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from pytest_pachinko.headers import HeaderSource

__all__ = ["CLIENT", "build_scope", "request_headers", "request_target"]

HOST = "testserver"
CLIENT = ("127.0.0.1", 50000)

# What stands for itself in a path and in a query (RFC 3986); a "%" is taken for quoting.
_PATH = "/%:@!$&'()*+,;=~"
_QUERY = f"{_PATH}?[]"

_HANDSHAKE = (
    (b"host", HOST.encode()),
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    # Any 16 bytes do (RFC 6455, section 4.1); these are the ones of the RFC's example.
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    (b"sec-websocket-version", b"13"),
)


def build_scope(
    path: str,
    *,
    headers: HeaderSource | None = None,
    subprotocols: Sequence[str] | None = None,
    cookies: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    client: tuple[str, int] = CLIENT,
    state: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Build the scope of a WebSocket connection (ASGI specification, version 2.4).

    Args:
        path: The path, with its query if it has one, quoted or not.
        headers: Headers of the request; they replace the usual ones of the same name.
        subprotocols: What the client offers, in its order.
        cookies: Sent as a ``cookie`` header.
        params: Added to the query.
        client: Address and port of the peer.
        state: What the lifespan left; it is copied.

    Raises:
        PachinkoUsageError: The path is not absolute, or a header cannot be sent.
    """
    raw_path, query = request_target(path, params)
    pairs, offered = request_headers(headers, cookies, subprotocols)
    names = {name for name, _ in pairs}
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": unquote(raw_path) if "%" in raw_path else raw_path,
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [pair for pair in _HANDSHAKE if pair[0] not in names] + pairs,
        "client": client,
        "server": (HOST, 80),
        "subprotocols": offered,
        "state": dict(state or ()),
        "extensions": {"websocket.http.response": {}},
    }


def plain_scope(path: str) -> dict[str, Any]:
    """Build the scope of a connection of which nothing but the path is given.

    Args:
        path: The path, with its query if it has one, quoted or not.

    Raises:
        PachinkoUsageError: The path is not absolute.
    """
    # PERF: nearly all sessions are such. What an application may change is its own.
    try:
        scope = _built(path).copy()
    except TypeError:  # not hashable, so no str either
        return build_scope(path)
    scope["asgi"] = scope["asgi"].copy()
    scope["headers"] = scope["headers"].copy()
    scope["subprotocols"] = []
    scope["state"] = {}
    scope["extensions"] = {"websocket.http.response": {}}
    return scope


_built = lru_cache(maxsize=256)(build_scope)


def request_target(path: str, params: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return the path and the query of a request, both quoted.

    Args:
        path: The path, with its query if it has one, quoted or not.
        params: Added to the query.

    Raises:
        PachinkoUsageError: The path is not absolute.
    """
    if not isinstance(path, str) or not path.startswith("/"):
        raise PachinkoUsageError(
            f"{path!r} is no path of the application: it starts with '/'.\n"
            'Hint: websocket_connect("/chat/rooms/tea?since=1")'
        )
    raw_path, _, query = path.partition("?")
    plain = raw_path.isascii() and " " not in raw_path and "%" not in raw_path
    query = quote(query, safe=_QUERY)
    if params:
        query = "&".join(filter(None, (query, urlencode(params, doseq=True))))
    return raw_path if plain else quote(raw_path, safe=_PATH), query


def request_headers(
    headers: HeaderSource | None,
    cookies: Mapping[str, str] | None,
    subprotocols: Sequence[str] | None,
) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    """Return the headers that a test adds to a handshake, and the subprotocols that it offers.

    Raises:
        PachinkoUsageError: A header or a subprotocol cannot be sent.
    """
    if isinstance(subprotocols, str):
        raise PachinkoUsageError(f"subprotocols={subprotocols!r}: write [{subprotocols!r}]")
    offered = list(subprotocols or ())
    if not all(isinstance(token, str) for token in offered):
        raise PachinkoUsageError(f"subprotocols={subprotocols!r}: each one is a str.")
    pairs = encode_headers(headers)
    if cookies:
        text = "; ".join(f"{name}={value}" for name, value in cookies.items())
        pairs += encode_headers([("cookie", text)])
    if offered:
        pairs += encode_headers([("sec-websocket-protocol", ", ".join(offered))])
    else:
        # A server reads the offer from the header, whoever wrote it.
        given = b",".join(value for name, value in pairs if name == b"sec-websocket-protocol")
        offered = [token.strip() for token in given.decode("latin-1").split(",") if token.strip()]
    return pairs, offered
