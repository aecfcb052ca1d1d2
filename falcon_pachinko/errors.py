"""Every error that the runtime raises.

::

    Exception
    └── PachinkoError                 what all of them share
        ├── SchemaError (TypeError)   ``schema`` is not a union of tagged Structs
        ├── HandlerError (TypeError)  handlers and schema disagree
        ├── RouteError (ValueError)   a template, prefix, name or app that cannot be routed
        ├── ConnectError (RuntimeError)  ``on_connect`` did not decide
        ├── PeerLeftError (RuntimeError)  a handler sent to somebody else, who had left
        └── InvalidMessage (ValueError)  a frame that cannot be dispatched

The first three are raised while the application is being put together, the others while a
connection is served.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "ConnectError",
    "HandlerError",
    "InvalidMessage",
    "InvalidReason",
    "PachinkoError",
    "PeerLeftError",
    "RouteError",
    "SchemaError",
]

InvalidReason = Literal[
    "not_json",
    "bad_utf8",
    "too_deep",
    "unknown_tag",
    "validation",
    "schema_error",
]


class PachinkoError(Exception):
    """Base class of the errors of Falcon-Pachinko."""


class SchemaError(PachinkoError, TypeError):
    """A resource's ``schema`` is not a union of tagged ``msgspec.Struct`` types."""


class HandlerError(PachinkoError, TypeError):
    """The handlers of a resource do not fit its schema."""


class RouteError(PachinkoError, ValueError):
    """A route, prefix, name or application that cannot be used."""


class ConnectError(PachinkoError, RuntimeError):
    """``on_connect`` returned without accepting or refusing the connection."""


class PeerLeftError(PachinkoError, RuntimeError):
    """A handler sent to another connection, whose peer had left, and did not expect that.

    Its cause is the ``falcon.WebSocketDisconnected`` of the other connection, which by itself
    would mean that the handler's own has ended.
    """


class InvalidMessage(PachinkoError, ValueError):  # noqa: N818 - the name of a fact about a frame
    """A frame that cannot be dispatched to a handler.

    It is handed to ``WebSocketResource.on_invalid`` as a value; raising it there makes it
    a handler error.

    Args:
        reason: What kind of fault it is: ``"not_json"`` (malformed or truncated),
            ``"bad_utf8"``, ``"too_deep"`` (nested beyond the decoder's limit),
            ``"unknown_tag"`` (absent or not declared), ``"validation"`` (fails the schema),
            or ``"schema_error"`` (the Struct's own ``__post_init__`` broke; the exception
            is the ``__cause__``).
        path: Where in the message, as msgspec writes it (``"$.user.id"``); empty if the
            fault has no place.
        detail: What the decoder said. It may quote what the peer sent: do not log it.
    """

    reason: InvalidReason
    path: str
    detail: str

    def __init__(self, reason: InvalidReason, path: str, detail: str) -> None:
        super().__init__(reason, path, detail)
        self.reason = reason
        self.path = path
        self.detail = detail

    def __str__(self) -> str:
        """Return reason, detail and path in one line."""
        where = f" - at `{self.path}`" if self.path else ""
        return f"{self.reason}: {self.detail}{where}"
