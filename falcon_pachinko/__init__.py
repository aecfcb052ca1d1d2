"""Tagged WebSocket messages for Falcon: routing, dispatch and hooks.

What a Falcon app needs to serve WebSockets without a hand-written loop: a resource per
connection, each frame decoded against a union of tagged ``msgspec.Struct`` types, and a
handler per tag.
"""

from falcon_pachinko.compression import Extension
from falcon_pachinko.compression import offered_extensions
from falcon_pachinko.dispatch import handles_message
from falcon_pachinko.errors import BackendError
from falcon_pachinko.errors import CloseCodeError
from falcon_pachinko.errors import ConnectError
from falcon_pachinko.errors import DocumentError
from falcon_pachinko.errors import DuplicateConnectionError
from falcon_pachinko.errors import EncodeError
from falcon_pachinko.errors import HandlerError
from falcon_pachinko.errors import InvalidMessage
from falcon_pachinko.errors import LimitError
from falcon_pachinko.errors import ManagerError
from falcon_pachinko.errors import OriginError
from falcon_pachinko.errors import PachinkoError
from falcon_pachinko.errors import PayloadTooLargeError
from falcon_pachinko.errors import PeerLeftError
from falcon_pachinko.errors import RouteError
from falcon_pachinko.errors import SchemaError
from falcon_pachinko.errors import TargetError
from falcon_pachinko.errors import TooManyConnectionsError
from falcon_pachinko.errors import UnknownConnectionError
from falcon_pachinko.errors import WorkerError
from falcon_pachinko.hooks import ConnectionContext
from falcon_pachinko.hooks import MessageContext
from falcon_pachinko.manager import All
from falcon_pachinko.manager import Backend
from falcon_pachinko.manager import Connection
from falcon_pachinko.manager import Gap
from falcon_pachinko.manager import Health
from falcon_pachinko.manager import Label
from falcon_pachinko.manager import Loss
from falcon_pachinko.manager import ManagedConnection
from falcon_pachinko.manager import MemoryBackend
from falcon_pachinko.manager import Receipt
from falcon_pachinko.manager import RedisBackend
from falcon_pachinko.manager import Room
from falcon_pachinko.manager import Stats
from falcon_pachinko.manager import Target
from falcon_pachinko.manager import User
from falcon_pachinko.manager import WebSocketConnectionManager
from falcon_pachinko.protocols import WebSocketLike
from falcon_pachinko.resource import WebSocketResource
from falcon_pachinko.router import install
from falcon_pachinko.router import WebSocketRouter
from falcon_pachinko.security import ConnectionLimits
from falcon_pachinko.security import OriginPolicy
from falcon_pachinko.workers import WorkerController
from falcon_pachinko.workers import WorkerStatus

__all__ = [
    "All",
    "Backend",
    "BackendError",
    "CloseCodeError",
    "ConnectError",
    "Connection",
    "ConnectionContext",
    "ConnectionLimits",
    "DocumentError",
    "DuplicateConnectionError",
    "EncodeError",
    "Extension",
    "Gap",
    "HandlerError",
    "Health",
    "InvalidMessage",
    "Label",
    "LimitError",
    "Loss",
    "ManagedConnection",
    "ManagerError",
    "MemoryBackend",
    "MessageContext",
    "OriginError",
    "OriginPolicy",
    "PachinkoError",
    "PayloadTooLargeError",
    "PeerLeftError",
    "Receipt",
    "RedisBackend",
    "Room",
    "RouteError",
    "SchemaError",
    "Stats",
    "Target",
    "TargetError",
    "TooManyConnectionsError",
    "UnknownConnectionError",
    "User",
    "WebSocketConnectionManager",
    "WebSocketLike",
    "WebSocketResource",
    "WebSocketRouter",
    "WorkerController",
    "WorkerError",
    "WorkerStatus",
    "handles_message",
    "install",
    "offered_extensions",
]
