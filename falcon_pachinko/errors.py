"""Every error that the runtime raises.

::

    Exception
    └── PachinkoError                 what all of them share
        ├── SchemaError (TypeError)   ``schema`` is not a union of tagged Structs
        ├── HandlerError (TypeError)  handlers and schema disagree
        ├── RouteError (ValueError)   a template, prefix, name or app that cannot be routed
        ├── ConnectError (RuntimeError)  ``on_connect`` did not decide
        ├── PeerLeftError (RuntimeError)  a handler sent to somebody else, who had left
        ├── ManagerError (AttributeError)  a resource asked for a manager that its router lacks
        ├── TargetError (TypeError)  what should say whom a message is for does not
        ├── UnknownConnectionError (LookupError)  there is no such connection, or it has ended
        ├── DuplicateConnectionError (ValueError)  there is a connection of that id already
        ├── EncodeError (ValueError)  a message that msgspec cannot encode to JSON
        ├── PayloadTooLargeError (ValueError)  a message over the manager's limit
        ├── CloseCodeError (ValueError)  a code or reason that no close frame can carry
        ├── BackendError (RuntimeError)  the backend did not take a message
        ├── TooManyConnectionsError (falcon.HTTPTooManyRequests)  one more of a user than may be
        ├── WorkerError (RuntimeError)  what cannot be a worker, or not now
        ├── OriginError (ValueError)  an origin that no browser sends
        ├── LimitError (ValueError)  a limit that cannot be kept
        ├── DocumentError (ValueError)  an AsyncAPI document that cannot be made, or not be read
        └── InvalidMessage (ValueError)  a frame that cannot be dispatched

The first three are raised while the application is being put together, the others while
connections are served.
"""

from __future__ import annotations

from typing import Literal

import falcon

__all__ = [
    "BackendError",
    "CloseCodeError",
    "ConnectError",
    "DocumentError",
    "DuplicateConnectionError",
    "EncodeError",
    "HandlerError",
    "InvalidMessage",
    "InvalidReason",
    "LimitError",
    "ManagerError",
    "OriginError",
    "PachinkoError",
    "PayloadTooLargeError",
    "PeerLeftError",
    "RouteError",
    "SchemaError",
    "TargetError",
    "TooManyConnectionsError",
    "UnknownConnectionError",
    "WorkerError",
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


class ManagerError(PachinkoError, AttributeError):
    """``self.manager`` or ``self.connection`` of a resource whose router has no manager."""


class TargetError(PachinkoError, TypeError):
    """What is given as a target, or as a part of one, is none."""


class UnknownConnectionError(PachinkoError, LookupError):
    """A connection that is not there, or not any more."""


class DuplicateConnectionError(PachinkoError, ValueError):
    """A second connection of one id."""


class EncodeError(PachinkoError, ValueError):
    """A message that msgspec cannot encode to JSON; its cause says why."""


class PayloadTooLargeError(PachinkoError, ValueError):
    """A message whose JSON is longer than the manager's ``max_payload``."""


class CloseCodeError(PachinkoError, ValueError):
    """A close code or reason that cannot be sent (RFC 6455, sections 5.5 and 7.4)."""


class BackendError(PachinkoError, RuntimeError):
    """The backend did not take a message, so that nobody gets it."""


class TooManyConnectionsError(PachinkoError, falcon.HTTPTooManyRequests):
    """A user that a connection cannot be bound to, who has as many as may be.

    Nobody has to catch it: as a ``falcon.HTTPError`` it refuses the handshake with 429.

    Args:
        limit: How many a user may have.
        retry_after: Seconds after which the client may come again.
    """

    def __init__(self, limit: int, retry_after: int) -> None:
        falcon.HTTPTooManyRequests.__init__(
            self,
            description="There are too many connections of this user.",
            retry_after=retry_after,
        )
        self.limit = limit

    def __str__(self) -> str:
        """Return what is wrong; the client is not told the number."""
        return (
            f"The user has max_connections_per_user={self.limit} connections already.\n"
            "Hint: it refuses the handshake if nobody catches it; manager.disconnect(User(name)) "
            "ends the others."
        )


class WorkerError(PachinkoError, RuntimeError):
    """What cannot be a worker, or not now."""


class OriginError(PachinkoError, ValueError):
    """What is given as an origin is none, as browsers write them."""


class LimitError(PachinkoError, ValueError):
    """A limit that is no positive number, or that could never be kept."""


class DocumentError(PachinkoError, ValueError):
    """An AsyncAPI document that cannot be made of an app, or a file that is none."""


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
