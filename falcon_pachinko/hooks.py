"""What hooks are given, and how they are nested.

A hook is a factory of async context managers: ``contextlib.asynccontextmanager`` over a
function of one argument is the usual way to write one. Hooks of an outer router are
outside, then those of included routers, then those of the resource class; in each, the one
registered first is outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from falcon.asgi import Request

    from falcon_pachinko.protocols import WebSocketLike
    from falcon_pachinko.resource import WebSocketResource

    ConnectionHook = Callable[["ConnectionContext"], AbstractAsyncContextManager[Any]]
    MessageHook = Callable[["MessageContext"], AbstractAsyncContextManager[Any]]

__all__ = ["ConnectionContext", "Hooks", "MessageContext"]


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What a connection hook is given.

    Attributes:
        req: Falcon's request of the handshake.
        ws: The connection.
        resource: The resource that serves it.
        params: The path parameters, converted.
    """

    req: Request
    ws: WebSocketLike
    resource: WebSocketResource
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What a message hook is given.

    Attributes:
        req: Falcon's request of the handshake.
        ws: The connection.
        resource: The resource that serves it.
        message: The decoded message.
    """

    req: Request
    ws: WebSocketLike
    resource: WebSocketResource
    message: Any


class Hooks:
    """The hooks of one router or resource class, in order of registration."""

    __slots__ = ("connection", "message")

    def __init__(self) -> None:
        self.connection: list[ConnectionHook] = []
        self.message: list[MessageHook] = []
