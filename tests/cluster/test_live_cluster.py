"""Several instances of an application, each in a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pytest_pachinko import ApplicationFailure
from pytest_pachinko import Closed
from pytest_pachinko import ConnectionFailed
from pytest_pachinko import LifespanFailed
from pytest_pachinko import LiveCluster
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import processes
from pytest_pachinko import Stalled
from tests.cluster.chat import Do
from tests.cluster.chat import Say

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.slow,
]

APP = "tests.cluster.chat:create_app"
ROOT = Path(__file__).parents[2]
HI = Say(text="hi")


def cluster_of(size: int, app: str = APP, **options: Any) -> LiveCluster:
    return LiveCluster(app, size, root=ROOT, timeout=20, **options)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[LiveCluster]:
    environ = {"TEA": "green", "HOME": None}
    async with cluster_of(2, environ=environ) as cluster:
        yield cluster


async def test_each_node_serves(cluster: LiveCluster) -> None:
    for node in cluster:
        async with node.connect("/tea") as session:
            await session.send(HI)
            await session.expect(HI)


async def test_nodes_are_processes_with_ports_of_their_own(cluster: LiveCluster) -> None:
    one, two = cluster

    assert len({one.pid, two.pid, None}) == 3
    assert one.url == f"ws://127.0.0.1:{one.port}" != two.url
    assert one.http_url == f"http://127.0.0.1:{one.port}"
    assert repr(one) == f"<ProcessNode n1: {one.url}, process {one.pid}>"


async def test_nodes_have_the_environment_that_is_asked_for(cluster: LiveCluster) -> None:
    async with cluster[1].connect("/tea") as session:
        for name in ("TEA", "HOME"):
            await session.send(Do(name))

        await session.expect(Say("green"), Say("unset"))


async def test_lanes_name_their_nodes(cluster: LiveCluster) -> None:
    one, two = cluster
    async with one.connect("/ale", name="ann") as ann, two.connect("/ale", name="bob"):
        await ann.send(HI)
        # They are in processes of their own, and share no backend.
        await cluster.expect_broadcast(HI, to=[ann])

    assert cluster.trace.of("n1 ann") == ann.trace


async def test_a_node_that_is_killed_is_gone_and_the_others_are_not(cluster: LiveCluster) -> None:
    one, two = cluster
    port = one.port
    async with one.connect("/tea") as ann, two.connect("/tea") as bob:
        one.kill()

        await ann.expect(Closed(1006))
        await bob.send(HI)
        await bob.expect(HI)
    assert (one.pid, repr(one)) == (None, "<ProcessNode n1: not running>")
    with pytest.raises(ConnectionFailed):
        async with one.connect("/tea"):
            pass

    await one.restart()
    assert one.port == port
    async with one.connect("/tea") as ann:
        await ann.send(HI)
        await ann.expect(HI)


async def test_a_node_that_is_paused_answers_later(cluster: LiveCluster) -> None:
    async with cluster[0].connect("/tea") as ann:
        with cluster[0].paused():
            await ann.send(HI)
            with pytest.raises(Stalled):
                await ann.receive(within=0.1)

        await ann.expect(HI)


async def test_a_node_may_be_killed_while_it_is_paused() -> None:
    async with cluster_of(1) as (one,):
        with one.paused():
            one.kill()
        with pytest.raises(PachinkoUsageError, match="n1 does not run"):
            with one.paused():
                pass


async def test_when_the_block_ends_nodes_shut_down_in_their_own_order() -> None:
    async with cluster_of(2) as cluster:
        assert cluster.sections()
    pids = [node.pid for node in cluster]
    titles = [title for title, text in cluster.sections() if "washed up" in text]

    assert pids == [None, None]
    assert titles == ["Output of n1", "Output of n2"]


async def test_a_node_that_ends_by_itself_is_a_failure() -> None:
    with pytest.raises(ApplicationFailure, match=r"n1 has ended by itself, with the exit code 7"):
        async with cluster_of(1) as (one,):
            async with one.connect("/tea") as ann:
                await ann.send(Do("exit"))
                await ann.expect(Closed(1006))


async def test_an_error_of_the_test_wins_over_one_of_a_node() -> None:
    with pytest.raises(LookupError) as failed:
        async with cluster_of(1) as (one,):
            async with one.connect("/tea") as ann:
                await ann.send(Do("exit"))
                await ann.expect(Closed(1006))
            raise LookupError

    assert "I have had enough." in failed.value.__notes__[0]


async def test_a_node_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ApplicationFailure, match=r"n1 does not end, and 0\.5 s have passed"):
        async with cluster_of(1, environ={"TEA": "too hot"}) as (one,):
            monkeypatch.setattr(processes, "PATIENCE", 0.5)
    assert one.pid is None


async def test_a_node_that_does_not_start_shows_what_it_printed() -> None:
    with pytest.raises(LifespanFailed, match=r"(?s)n1 did not start.*OSError: no tea"):
        async with cluster_of(2, environ={"TEA": "spilt"}):
            pass


async def test_an_application_that_cannot_be_imported_is_shown() -> None:
    with pytest.raises(LifespanFailed, match=r"(?s)did not start.*no attribute 'create_ap'"):
        async with cluster_of(1, "tests.cluster.chat:create_ap"):
            pass


async def test_a_node_that_takes_too_long_to_start_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.001)

    with pytest.raises(LifespanFailed, match=r"n1 did not start\. It has printed nothing"):
        async with cluster_of(1):
            pass


async def test_who_is_interrupted_leaves_no_process_behind() -> None:
    cluster = cluster_of(1)
    starting = asyncio.create_task(cluster.__aenter__())
    while cluster[0].pid is None:
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert cluster[0].pid is None


async def test_much_that_was_printed_is_not_all_in_the_message() -> None:
    noisy = "tests.cluster.noisy:app"

    with pytest.raises(LifespanFailed, match=r"(?s)… \d+ earlier lines.*line 99\b"):
        async with cluster_of(1, noisy):
            pass


async def test_options_are_uvicorns() -> None:
    async with cluster_of(1, ws="wsproto", log_level="error") as (one,):
        async with one.connect("/tea") as ann:
            await ann.send(HI)
            await ann.expect(HI)
        assert one.printed == ""


async def test_a_node_that_was_never_started_has_no_address() -> None:
    cluster = cluster_of(1)

    assert (cluster.traces, cluster.sections()) == ([], [])
    with pytest.raises(PachinkoUsageError, match="n1 has not been started"):
        cluster[0].connect  # noqa: B018


async def test_to_close_a_process_that_never_was_does_nothing() -> None:
    process = cluster_of(1)._processes[0]

    process.close()
    await process.stop()

    assert process.pid is None


async def test_a_node_that_runs_is_not_started_again(cluster: LiveCluster) -> None:
    with pytest.raises(PachinkoUsageError, match="n1 runs"):
        await cluster._processes[0].start()


async def test_an_unknown_option_is_refused_before_anything_starts() -> None:
    with pytest.raises(PachinkoUsageError, match=r"websocket_cluster\(wss=...\).*\n.*ws=..."):
        cluster_of(1, wss="wsproto")


async def test_an_option_that_cannot_be_told_is_refused_before_anything_starts() -> None:
    with pytest.raises(PachinkoUsageError, match=r"websocket_cluster\(ws=<class 'object'>\)"):
        cluster_of(1, ws=object)


async def test_a_variable_is_text() -> None:
    with pytest.raises(PachinkoUsageError, match="environ: PORT=1 is no text"):
        cluster_of(1, environ={"PORT": 1})


@pytest.mark.parametrize("environ", [{"": "x"}, {"A=B": "x"}, {"A\0": None}, {"A": "x\0"}])
async def test_a_variable_is_one_that_a_process_can_have(environ: dict[str, str | None]) -> None:
    with pytest.raises(PachinkoUsageError, match="no process can have such a variable"):
        cluster_of(1, environ=environ)


async def test_a_cluster_that_runs_is_not_started_again(cluster: LiveCluster) -> None:
    with pytest.raises(PachinkoUsageError, match="<LiveCluster of 2 nodes> runs already"):
        await cluster.__aenter__()

    assert all(node.pid for node in cluster)
