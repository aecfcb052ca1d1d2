"""What the type checkers infer for groups and clusters; checked, never run."""

from typing import Any
from typing import assert_type

from falcon_pachinko import MemoryBackend
from falcon_pachinko import WebSocketConnectionManager
from pytest_pachinko import ClusterFactory
from pytest_pachinko import FaultyBackend
from pytest_pachinko import LiveCluster
from pytest_pachinko import manager_of
from pytest_pachinko import MemoryCluster
from pytest_pachinko import MemoryTransport
from pytest_pachinko import Node
from pytest_pachinko import ProcessNode
from pytest_pachinko import Session
from pytest_pachinko import Trace
from pytest_pachinko import WebSocketTestClient


def an_application_has_a_manager(app: Any) -> None:
    assert_type(manager_of(app), WebSocketConnectionManager)


async def a_cluster_in_memory_has_nodes(websocket_cluster: ClusterFactory) -> None:
    async with websocket_cluster(2) as cluster:
        assert_type(cluster, MemoryCluster)
        assert_type(cluster[0], Node)
        assert_type(cluster.backend, FaultyBackend)
        one, two = cluster
        assert_type(one.connect, MemoryTransport)
        assert_type(two.manager, WebSocketConnectionManager)
        async with one.connect("/tea") as session:
            assert_type(session, Session)
            await cluster.expect_broadcast("hi", to=[session], within=1.0)
        assert_type(cluster.trace, Trace)
        assert_type(cluster.trace.reached("hi"), dict[str, int])


async def a_live_cluster_has_processes(websocket_cluster: ClusterFactory) -> None:
    async with websocket_cluster(2, live=True, environ={"A": None}, ws="wsproto") as cluster:
        assert_type(cluster, LiveCluster)
        for node in cluster:
            assert_type(node, ProcessNode)
            assert_type(node.pid, int | None)
            assert_type(node.connect, WebSocketTestClient)


def a_faulty_backend_is_a_backend_in_memory(backend: FaultyBackend) -> MemoryBackend:
    with backend.late(2), backend.losing(1, of="n1"), backend.partitioned(["n1"], ["n2"]):
        return backend
