"""Groups of connections: by room, user and label, in one process or many."""

from falcon_pachinko.manager.backend import Backend
from falcon_pachinko.manager.backend import Health
from falcon_pachinko.manager.connection import ManagedConnection
from falcon_pachinko.manager.hearing import Gap
from falcon_pachinko.manager.manager import Receipt
from falcon_pachinko.manager.manager import Stats
from falcon_pachinko.manager.manager import WebSocketConnectionManager
from falcon_pachinko.manager.memory import MemoryBackend
from falcon_pachinko.manager.outbox import Loss
from falcon_pachinko.manager.redis import RedisBackend
from falcon_pachinko.manager.targets import All
from falcon_pachinko.manager.targets import Connection
from falcon_pachinko.manager.targets import Label
from falcon_pachinko.manager.targets import Room
from falcon_pachinko.manager.targets import Target
from falcon_pachinko.manager.targets import User

__all__ = [
    "All",
    "Backend",
    "Connection",
    "Gap",
    "Health",
    "Label",
    "Loss",
    "ManagedConnection",
    "MemoryBackend",
    "Receipt",
    "RedisBackend",
    "Room",
    "Stats",
    "Target",
    "User",
    "WebSocketConnectionManager",
]
