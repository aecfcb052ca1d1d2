"""A backend that fails for a while."""

from __future__ import annotations

import asyncio
from typing import Any
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from falcon_pachinko import All
from falcon_pachinko import BackendError
from falcon_pachinko import Room
from falcon_pachinko import WebSocketConnectionManager
from pytest_pachinko import FaultyBackend
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko.clock import advance
from tests.manager.conftest import Member
from tests.manager.conftest import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio


class Pair:
    """Two managers on one backend; ann is here and bob is there."""

    def __init__(self) -> None:
        self.backend = FaultyBackend()
        self.here = WebSocketConnectionManager(self.backend, node="here")
        self.there = WebSocketConnectionManager(self.backend, node="there")
        self.ann: Any = None
        self.bob: Any = None


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Pair]:
    pair = Pair()
    async with (
        serve(pair.here)("/?room=tea", name="ann") as pair.ann,
        serve(pair.there)("/?room=tea", name="bob") as pair.bob,
    ):
        yield pair


async def test_what_a_block_loses_is_lost_and_the_rest_is_not(pair: Pair) -> None:
    with pair.backend.losing(2):
        for number in range(3):
            await pair.here.send(All(), number)

    await pair.bob.expect("2")
    assert pair.backend.counts["lost"] == 2


async def test_a_block_may_lose_everything(pair: Pair) -> None:
    with pair.backend.losing():
        await pair.here.send(All(), 1)
        await pair.there.send(All(), 2)
    await pair.here.send(All(), 3)

    await pair.bob.expect("3")


async def test_what_is_not_lost_when_a_block_ends_is_not_lost(pair: Pair) -> None:
    with pair.backend.losing(5):
        pass
    await pair.here.send(All(), 1)

    await pair.bob.expect("1")


async def test_a_block_may_lose_what_one_node_publishes(pair: Pair) -> None:
    with pair.backend.losing(of=pair.here):
        await pair.here.send(All(), 1)
        await pair.there.send(All(), 2)

    await pair.ann.expect("2")


async def test_of_nested_losses_the_inner_one_counts(pair: Pair) -> None:
    with pair.backend.losing():
        with pair.backend.losing(1):
            await pair.here.send(All(), 1)
            await pair.here.send(All(), 2)
        await pair.here.send(All(), 3)

    await pair.bob.expect("2")
    await pair.bob.expect_silence()


async def test_the_switch_of_the_backend_is_counted_too(pair: Pair) -> None:
    pair.backend.drop()
    await pair.here.send(All(), 1)
    await pair.here.send(All(), 2)

    await pair.bob.expect("2")
    assert pair.backend.counts["lost"] == 1


async def test_what_is_late_arrives_in_its_order_and_no_sooner(pair: Pair) -> None:
    with pair.backend.late(2):
        await pair.here.send(All(), 1)
    await advance(1)
    await pair.here.send(All(), 2)
    await pair.bob.expect_silence()
    await advance(1)

    await pair.bob.expect("1", "2")


async def test_who_waits_for_what_is_late_lets_time_pass(pair: Pair) -> None:
    started = asyncio.get_running_loop().time()
    with pair.backend.late(2):
        await pair.ann.send_json({"type": "do", "verb": "join", "arguments": ["ale"]})
        await pair.ann.receive()
        await pair.here.send(Room("tea"), 1)

    await pair.bob.expect_silence()
    assert await pair.bob.receive() == "1"
    assert asyncio.get_running_loop().time() - started == 2


async def test_what_is_late_is_not_left_behind_by_who_has_sent_it() -> None:
    pair = Pair()

    class Talker(Member):
        async def on_do(self, ws: Any, message: Any) -> None:
            await self.manager.send(Room("tea"), "hi")

    async with serve(pair.there)("/?room=tea") as bob:
        async with serve(pair.here, Talker)("/") as ann:
            with pair.backend.late(2):
                await ann.send_json({"type": "do", "verb": ""})
                await advance(0)

        assert await bob.receive_json() == "hi"


async def test_delays_add_up(pair: Pair) -> None:
    with pair.backend.late(2), pair.backend.late(1):
        await pair.here.send(All(), 1)
    await advance(2)
    await pair.bob.expect_silence()
    await advance(1)

    await pair.bob.expect("1")


async def test_who_is_offline_can_neither_publish_nor_hear(pair: Pair) -> None:
    with pair.backend.offline(pair.here):
        with pytest.raises(BackendError, match="'here' is disconnected"):
            await pair.here.send(All(), 1)
        await pair.there.send(All(), 2)
    await pair.here.send(All(), 3)

    await pair.ann.expect("3")
    await pair.bob.expect("2", "3")
    assert pair.backend.counts["refused"] == 1


async def test_a_node_is_offline_until_the_last_block_ends(pair: Pair) -> None:
    with pair.backend.offline("here", "there"):
        with pair.backend.offline("here"):
            pass
        assert not (await pair.backend.health("here")).ok
    assert (await pair.backend.health("here")).ok


async def test_who_comes_back_while_it_is_offline_is_offline(pair: Pair) -> None:
    with pair.backend.offline("here"):
        await pair.here.stop()
        with pytest.raises(BackendError, match="'here' is disconnected"):
            await pair.here.start()
    await pair.here.start()

    await pair.here.send(All(), 1)
    await pair.bob.expect("1")


async def test_islands_hear_themselves_only(pair: Pair) -> None:
    with pair.backend.partitioned([pair.here], [pair.there]):
        await pair.here.send(All(), 1)
        await pair.there.send(All(), 2)
    await pair.here.send(All(), 3)

    await pair.ann.expect("1", "3")
    await pair.bob.expect("2", "3")


async def test_of_nested_partitions_the_inner_one_counts(pair: Pair) -> None:
    with pair.backend.partitioned(["here"]):
        with pair.backend.partitioned(["here", "there"]):
            await pair.here.send(All(), 1)
        await pair.here.send(All(), 2)

    await pair.bob.expect("1")
    await pair.bob.expect_silence()


async def test_a_node_may_leave_while_it_is_on_an_island(pair: Pair) -> None:
    with pair.backend.partitioned(["here"]), pair.backend.offline("there"):
        with pair.backend.partitioned(["there"]):
            await pair.here.stop()
            await pair.there.stop()
    await pair.here.start()
    await pair.there.start()
    await pair.here.send(All(), 1)

    await pair.bob.expect("1")


async def test_healing_ends_the_faults_of_all_blocks(pair: Pair) -> None:
    with (
        pair.backend.losing(),
        pair.backend.late(2),
        pair.backend.offline("here"),
        pair.backend.partitioned(["here"]),
    ):
        pair.backend.heal()
        await pair.here.send(All(), 1)
        await pair.bob.expect("1")
    await pair.here.send(All(), 2)

    await pair.bob.expect("2")


async def test_a_node_that_was_healed_can_be_offline_again(pair: Pair) -> None:
    with pair.backend.offline("here"):
        pair.backend.heal()
    with pair.backend.offline("here"), pytest.raises(BackendError):
        await pair.here.send(All(), 1)


async def test_an_error_in_a_block_heals_too(pair: Pair) -> None:
    with pytest.raises(LookupError), pair.backend.losing():
        raise LookupError
    await pair.here.send(All(), 1)

    await pair.bob.expect("1")


async def test_a_node_that_is_not_there_is_named(pair: Pair) -> None:
    with pytest.raises(PachinkoUsageError, match=r"no node 'where'; they are: 'here', 'there'"):
        with pair.backend.offline("where"):
            pass


async def test_before_any_manager_has_started_there_is_no_node() -> None:
    with pytest.raises(PachinkoUsageError, match="they are: none yet"):
        with FaultyBackend().partitioned(["here"]):
            pass


async def test_what_has_no_name_is_no_node(pair: Pair) -> None:
    with pytest.raises(PachinkoUsageError, match="7 is no node"):
        with pair.backend.losing(of=7):
            pass


@pytest.mark.parametrize("count", [0, -1, 1.5, "2"])
async def test_a_number_of_losses_is_more_than_none(pair: Pair, count: Any) -> None:
    with pytest.raises(PachinkoUsageError, match="a number of payloads, 1 or more"):
        with pair.backend.losing(count):
            pass


async def test_a_delay_is_a_time(pair: Pair) -> None:
    with pytest.raises(PachinkoUsageError, match="no time in seconds"):
        with pair.backend.late(-1):
            pass
