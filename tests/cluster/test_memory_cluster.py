"""Several instances of an application in one event loop."""

import asyncio
from typing import Any

import falcon.asgi
import pytest

from falcon_pachinko import BackendError
from falcon_pachinko import Connection
from falcon_pachinko import install
from falcon_pachinko import MemoryBackend
from falcon_pachinko import Room
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import BroadcastFailed
from pytest_pachinko import FaultyBackend
from pytest_pachinko import LifespanFailed
from pytest_pachinko import MemoryCluster
from pytest_pachinko import PachinkoUsageError
from tests.cluster.chat import ChatRoom
from tests.cluster.chat import create_app
from tests.cluster.chat import Say

pytestmark = pytest.mark.asyncio

HI = Say(text="hi")


def app_of(*managers: WebSocketConnectionManager) -> Any:
    app = falcon.asgi.App()
    for number, manager in enumerate(managers):
        router = WebSocketRouter(manager=manager)
        router.add_route("/{room}", ChatRoom)
        install(app, router, prefix=f"/{number}")
    return app


async def test_what_one_node_sends_the_others_hear() -> None:
    async with MemoryCluster(create_app, 3) as cluster:
        one, two, three = cluster
        async with (
            one.connect("/tea", name="ann") as ann,
            two.connect("/tea", name="bob") as bob,
            three.connect("/ale", name="joe"),
        ):
            await ann.send(HI)

            await cluster.expect_broadcast(HI, to=[ann, bob])
            await cluster.expect_no_broadcast()


async def test_without_a_block_a_node_starts_with_its_first_session() -> None:
    one, two = MemoryCluster(create_app, 2)
    async with one.connect("/tea") as ann, two.connect("/tea") as bob:
        await ann.send(HI)

        await bob.expect(HI)
    assert not one.manager.started


async def test_in_a_block_all_nodes_run_until_its_end() -> None:
    async with MemoryCluster(create_app, 2) as cluster:
        assert [node.manager.started for node in cluster] == [True, True]
    assert [node.manager.started for node in cluster] == [False, False]


async def test_a_node_and_its_manager_have_the_same_name() -> None:
    cluster = MemoryCluster(create_app, 2)

    assert [(node.name, node.manager.node) for node in cluster] == [("n1", "n1"), ("n2", "n2")]


async def test_the_lanes_of_the_trace_name_their_nodes() -> None:
    async with MemoryCluster(create_app, 2) as cluster:
        one, two = cluster
        async with one.connect("/tea") as ann, two.connect("/tea", name="bob") as bob:
            await ann.send(HI)
            await bob.expect(HI)

    assert cluster.trace.reached(HI) == {"n1 /tea": 1, "n2 bob": 1}
    assert cluster.trace.connection == "all nodes"
    assert [trace.connection for trace in cluster.traces] == ["n1 /tea", "n2 bob"]


async def test_a_failure_names_nodes() -> None:
    async with MemoryCluster(create_app, 2) as cluster:
        async with cluster[0].connect("/tea") as ann, cluster[1].connect("/tea", name="bob"):
            await ann.send(HI)

            with pytest.raises(BroadcastFailed, match="n2 bob  got it, and should not have"):
                await cluster.expect_broadcast(HI, to=[ann])


async def test_the_backend_can_fail() -> None:
    async with MemoryCluster(create_app, 2) as cluster:
        one, two = cluster
        async with one.connect("/tea") as ann, two.connect("/tea") as bob:
            with cluster.backend.partitioned([one], [two]):
                await ann.send(HI)
                await cluster.expect_broadcast(HI, to=[ann])
            with cluster.backend.offline(two), pytest.raises(BackendError):
                await two.manager.send(Room("tea"), HI)
            await bob.send(HI)

            await cluster.expect_broadcast(HI, to=[ann, bob])


async def test_time_is_virtual_in_all_nodes() -> None:
    async with MemoryCluster(create_app, 2) as cluster:
        one, two = cluster
        async with one.connect("/tea") as ann, two.connect("/tea") as bob:
            started = asyncio.get_running_loop().time()
            with cluster.backend.late(3600):
                await ann.send(HI)
                await cluster.expect_broadcast(HI, to=[ann, bob], within=3600)

            assert asyncio.get_running_loop().time() - started == 3600


async def test_a_node_has_a_harness() -> None:
    async with MemoryCluster(create_app, 2) as cluster:
        one, two = cluster
        async with one.harness.connect("/tea") as ann, two.connect("/tea") as bob:
            ann.push_message(HI)
            await ann.settle()

            await cluster.expect_broadcast(HI, to=[ann, bob])


async def test_a_connection_of_another_node_can_be_sent_to() -> None:
    async with MemoryCluster(create_app, 2) as cluster:
        one, two = cluster
        async with two.connect("/tea") as bob:
            await one.manager.send(Connection("n2-1"), 1)

            await bob.expect("1")


async def test_a_fixed_name_of_a_node_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE", "web")

    async with MemoryCluster(create_app, 2) as cluster:
        assert [node.manager.node for node in cluster] == ["n1", "n2"]


async def test_managers_that_share_a_backend_share_the_new_one() -> None:
    def create() -> Any:
        bus = MemoryBackend()
        return app_of(WebSocketConnectionManager(bus), WebSocketConnectionManager(bus))

    async with MemoryCluster(create, 2) as cluster:
        async with cluster[0].connect("/0/tea") as ann, cluster[1].connect("/1/tea") as bob:
            await ann.send(HI)

            await cluster.expect_broadcast(HI, to=[ann, bob])


async def test_managers_that_do_not_hear_each_other_still_do_not() -> None:
    def create() -> Any:
        return app_of(WebSocketConnectionManager(), WebSocketConnectionManager())

    async with MemoryCluster(create, 2) as cluster:
        one, two = cluster
        async with (
            one.connect("/0/tea") as ann,
            two.connect("/0/tea") as bob,
            two.connect("/1/tea"),
        ):
            await ann.send(HI)

            await cluster.expect_broadcast(HI, to=[ann, bob])
        with pytest.raises(PachinkoUsageError, match="has 2 managers"):
            one.manager  # noqa: B018


async def test_nodes_can_be_sliced_and_counted() -> None:
    cluster = MemoryCluster(create_app, 3)

    assert (len(cluster), [node.name for node in cluster[1:]]) == (3, ["n2", "n3"])
    assert repr(cluster) == "<MemoryCluster of 3 nodes>"
    assert repr(cluster[0]) == "<Node n1>"
    assert isinstance(cluster.backend, FaultyBackend)


async def test_a_node_that_does_not_start_stops_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Any] = []

    class Broken:
        async def process_startup(self, scope: Any, event: Any) -> None:
            raise OSError("planted")

    def create() -> Any:
        app = create_app()
        if made:
            app.add_middleware(Broken())
        made.append(app)
        return app

    cluster = MemoryCluster(create, 2)
    with pytest.raises(LifespanFailed, match="startup failed"):
        async with cluster:
            pass

    assert not cluster[0].manager.started


@pytest.mark.parametrize("size", [0, -1, 1.5, "2"])
async def test_a_cluster_has_one_node_at_least(size: Any) -> None:
    with pytest.raises(PachinkoUsageError, match="it has one at least"):
        MemoryCluster(create_app, size)


async def test_one_application_is_no_cluster() -> None:
    with pytest.raises(PachinkoUsageError, match="is one application, and a cluster needs one"):
        MemoryCluster(create_app(), 2)


async def test_an_async_factory_is_none() -> None:
    async def create() -> Any: ...

    with pytest.raises(PachinkoUsageError, match="an async function cannot make"):
        MemoryCluster(create, 2)


async def test_each_node_has_an_application_of_its_own() -> None:
    app = create_app()

    with pytest.raises(PachinkoUsageError, match="nodes n1 and n2 have the same object: <falcon"):
        MemoryCluster(lambda: app, 2)


async def test_each_node_has_a_manager_of_its_own() -> None:
    manager = WebSocketConnectionManager()

    with pytest.raises(PachinkoUsageError, match="the same object: <WebSocketConnectionManager"):
        MemoryCluster(lambda: app_of(manager), 2)


async def test_an_application_without_a_manager_may_be_a_node() -> None:
    async with MemoryCluster(falcon.asgi.App, 1) as (one,):
        with pytest.raises(PachinkoUsageError, match="has no WebSocketConnectionManager"):
            one.manager  # noqa: B018
