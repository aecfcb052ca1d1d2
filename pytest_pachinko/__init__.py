"""Testing WebSocket applications: simulators, traces and a pytest plugin.

A project that installs the package has the fixtures; nothing needs to be imported for them.
The names below are imported when they are used, because every pytest run imports this
module.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_pachinko.asyncapi import Document
    from pytest_pachinko.asyncapi import load_document
    from pytest_pachinko.asyncapi import Problem
    from pytest_pachinko.asyncapi import validate
    from pytest_pachinko.backends import FaultyBackend
    from pytest_pachinko.client import WebSocketSession
    from pytest_pachinko.client import WebSocketTestClient
    from pytest_pachinko.cluster import ClusterFactory
    from pytest_pachinko.cluster import LiveCluster
    from pytest_pachinko.cluster import MemoryCluster
    from pytest_pachinko.cluster import Node
    from pytest_pachinko.cluster import ProcessNode
    from pytest_pachinko.connecting import Transport
    from pytest_pachinko.contract import assert_conforms
    from pytest_pachinko.errors import ApplicationFailure
    from pytest_pachinko.errors import BroadcastFailed
    from pytest_pachinko.errors import CheckFailed
    from pytest_pachinko.errors import ConnectionFailed
    from pytest_pachinko.errors import ContractViolated
    from pytest_pachinko.errors import HandshakeDenied
    from pytest_pachinko.errors import InvalidDocument
    from pytest_pachinko.errors import LeftBehind
    from pytest_pachinko.errors import LifespanFailed
    from pytest_pachinko.errors import PachinkoUsageError
    from pytest_pachinko.errors import SessionClosed
    from pytest_pachinko.errors import Stalled
    from pytest_pachinko.errors import UnexpectedMessage
    from pytest_pachinko.faults import Failure
    from pytest_pachinko.faults import Fault
    from pytest_pachinko.faults import Latency
    from pytest_pachinko.faults import LostConnection
    from pytest_pachinko.faults import SlowPeer
    from pytest_pachinko.faults import StalledPeer
    from pytest_pachinko.faults import Statistics
    from pytest_pachinko.fuzz import CHECKS
    from pytest_pachinko.fuzz import close_codes
    from pytest_pachinko.fuzz import play
    from pytest_pachinko.fuzz import Played
    from pytest_pachinko.groups import manager_of
    from pytest_pachinko.harness import SimulatorConnection
    from pytest_pachinko.harness import SimulatorRouterHarness
    from pytest_pachinko.headers import Headers
    from pytest_pachinko.live import LiveServer
    from pytest_pachinko.memory import MemoryTransport
    from pytest_pachinko.session import Session
    from pytest_pachinko.simulator import WebSocketSimulator
    from pytest_pachinko.stream import Drop
    from pytest_pachinko.stream import InvalidFrame
    from pytest_pachinko.stream import Leave
    from pytest_pachinko.stream import Open
    from pytest_pachinko.stream import Peer
    from pytest_pachinko.stream import Send
    from pytest_pachinko.stream import Stream
    from pytest_pachinko.stream import Wait
    from pytest_pachinko.trace import Accepted
    from pytest_pachinko.trace import AnyOrder
    from pytest_pachinko.trace import Closed
    from pytest_pachinko.trace import Denied
    from pytest_pachinko.trace import FromApp
    from pytest_pachinko.trace import merged
    from pytest_pachinko.trace import Partial
    from pytest_pachinko.trace import Raised
    from pytest_pachinko.trace import ToApp
    from pytest_pachinko.trace import Trace
    from pytest_pachinko.trace import TraceEvent

__all__ = [
    "CHECKS",
    "Accepted",
    "AnyOrder",
    "ApplicationFailure",
    "BroadcastFailed",
    "CheckFailed",
    "Closed",
    "ClusterFactory",
    "ConnectionFailed",
    "ContractViolated",
    "Denied",
    "Document",
    "Drop",
    "Failure",
    "Fault",
    "FaultyBackend",
    "FromApp",
    "HandshakeDenied",
    "Headers",
    "InvalidDocument",
    "InvalidFrame",
    "Latency",
    "Leave",
    "LeftBehind",
    "LifespanFailed",
    "LiveCluster",
    "LiveServer",
    "LostConnection",
    "MemoryCluster",
    "MemoryTransport",
    "Node",
    "Open",
    "PachinkoUsageError",
    "Partial",
    "Peer",
    "Played",
    "Problem",
    "ProcessNode",
    "Raised",
    "Send",
    "Session",
    "SessionClosed",
    "SimulatorConnection",
    "SimulatorRouterHarness",
    "SlowPeer",
    "Stalled",
    "StalledPeer",
    "Statistics",
    "Stream",
    "ToApp",
    "Trace",
    "TraceEvent",
    "Transport",
    "UnexpectedMessage",
    "Wait",
    "WebSocketSession",
    "WebSocketSimulator",
    "WebSocketTestClient",
    "assert_conforms",
    "close_codes",
    "load_document",
    "manager_of",
    "merged",
    "play",
    "validate",
]

_MODULES = {
    "asyncapi": ("Document", "Problem", "load_document", "validate"),
    "backends": ("FaultyBackend",),
    "client": ("WebSocketSession", "WebSocketTestClient"),
    "cluster": ("ClusterFactory", "LiveCluster", "MemoryCluster", "Node", "ProcessNode"),
    "connecting": ("Transport",),
    "contract": ("assert_conforms",),
    "errors": (
        "ApplicationFailure",
        "BroadcastFailed",
        "CheckFailed",
        "ConnectionFailed",
        "ContractViolated",
        "HandshakeDenied",
        "InvalidDocument",
        "LeftBehind",
        "LifespanFailed",
        "PachinkoUsageError",
        "SessionClosed",
        "Stalled",
        "UnexpectedMessage",
    ),
    "faults": (
        "Failure",
        "Fault",
        "Latency",
        "LostConnection",
        "SlowPeer",
        "StalledPeer",
        "Statistics",
    ),
    "fuzz": ("CHECKS", "Played", "close_codes", "play"),
    "groups": ("manager_of",),
    "harness": ("SimulatorConnection", "SimulatorRouterHarness"),
    "headers": ("Headers",),
    "live": ("LiveServer",),
    "memory": ("MemoryTransport",),
    "session": ("Session",),
    "simulator": ("WebSocketSimulator",),
    "stream": ("Drop", "InvalidFrame", "Leave", "Open", "Peer", "Send", "Stream", "Wait"),
    "trace": (
        "Accepted",
        "AnyOrder",
        "Closed",
        "Denied",
        "FromApp",
        "Partial",
        "Raised",
        "ToApp",
        "Trace",
        "TraceEvent",
        "merged",
    ),
}

_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
