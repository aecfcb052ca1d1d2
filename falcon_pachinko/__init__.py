"""Tagged WebSocket messages for Falcon: routing, dispatch and hooks.

What a Falcon app needs to serve WebSockets without a hand-written loop: a resource per
connection, each frame decoded against a union of tagged ``msgspec.Struct`` types, and a
handler per tag.
"""

from falcon_pachinko.compression import Extension
from falcon_pachinko.compression import offered_extensions
from falcon_pachinko.dispatch import handles_message
from falcon_pachinko.errors import ConnectError
from falcon_pachinko.errors import HandlerError
from falcon_pachinko.errors import InvalidMessage
from falcon_pachinko.errors import PachinkoError
from falcon_pachinko.errors import PeerLeftError
from falcon_pachinko.errors import RouteError
from falcon_pachinko.errors import SchemaError
from falcon_pachinko.hooks import ConnectionContext
from falcon_pachinko.hooks import MessageContext
from falcon_pachinko.protocols import WebSocketLike
from falcon_pachinko.resource import WebSocketResource
from falcon_pachinko.router import install
from falcon_pachinko.router import WebSocketRouter

__all__ = [
    "ConnectError",
    "ConnectionContext",
    "Extension",
    "HandlerError",
    "InvalidMessage",
    "MessageContext",
    "PachinkoError",
    "PeerLeftError",
    "RouteError",
    "SchemaError",
    "WebSocketLike",
    "WebSocketResource",
    "WebSocketRouter",
    "handles_message",
    "install",
    "offered_extensions",
]
