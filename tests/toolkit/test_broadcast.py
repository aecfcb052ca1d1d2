"""Whom a message has reached, and whom not."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from contextlib import AsyncExitStack
from typing import Any
from typing import TYPE_CHECKING

import msgspec
import pytest

from falcon_pachinko import All
from falcon_pachinko import Room
from falcon_pachinko import User
from falcon_pachinko import WebSocketConnectionManager
from pytest_pachinko import AnyOrder
from pytest_pachinko import BroadcastFailed
from pytest_pachinko import Closed
from pytest_pachinko import FromApp
from pytest_pachinko import Latency
from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import SimulatorRouterHarness
from pytest_pachinko import StalledPeer
from pytest_pachinko import ToApp
from pytest_pachinko import WebSocketTestClient
from pytest_pachinko.clock import advance
from tests.manager.conftest import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio


class Said(msgspec.Struct, tag="said"):
    user: str
    text: str


HI = Said(user="x", text="hi")


class Three:
    """Ann and bob are in the tea room, joe is in another one."""

    def __init__(self, manager: WebSocketConnectionManager, connect: Any) -> None:
        self.manager = manager
        self.connect = connect
        self.ann: Any = None
        self.bob: Any = None
        self.joe: Any = None

    async def send(self, *messages: Any, to: str = "tea") -> None:
        for message in messages:
            await self.manager.send(Room(to), message)


@asynccontextmanager
async def three(transport: Any = None, **faults: Any) -> AsyncIterator[Three]:
    manager = WebSocketConnectionManager()
    memory = serve(manager)
    async with AsyncExitStack() as stack:
        connect = memory if transport is None else await transport(stack, memory.app)
        group = Three(manager, connect)
        for name, room in (("ann", "tea"), ("bob", "tea"), ("joe", "ale")):
            options = {"faults": faults[name]} if name in faults else {}
            path = f"/?room={room}&user={name}"
            session = await stack.enter_async_context(connect(path, name=name, **options))
            setattr(group, name, session)
        yield group


async def test_a_message_that_reached_just_these_is_expected() -> None:
    async with three() as group:
        await group.send(HI)

        await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])


async def test_a_session_may_be_named() -> None:
    async with three() as group:
        await group.send(HI)

        await group.connect.expect_broadcast(HI, to=["bob", "ann"])


async def test_it_may_be_expected_that_nobody_has_got_a_message() -> None:
    async with three() as group:
        await group.connect.expect_broadcast(HI, to=[])


async def test_who_has_not_got_it_is_named_with_what_it_has_got() -> None:
    async with three() as group:
        await group.send(HI)
        await group.manager.send(User("joe"), Said(user="x", text="ho"))
        with pytest.raises(BroadcastFailed) as failed:
            await group.connect.expect_broadcast(HI, to=[group.ann, group.bob, group.joe])

    assert failed.value.missing == ("joe",)
    assert failed.value.others == ()
    assert str(failed.value).splitlines()[:6] == [
        "Said(user='x', text='hi'): it did not reach exactly ann, bob and joe.",
        "  joe  did not get it; unread:",
        '       [1] ← text {"type":"said","user":"x","text":"ho"}',
        "       near miss: event [1]",
        "       $.text: expected 'hi', got 'ho'",
        "  got it: ann and bob",
    ]


async def test_who_should_not_have_got_it_is_named_with_where_it_has() -> None:
    async with three() as group:
        await group.send(HI)
        with pytest.raises(BroadcastFailed) as failed:
            await group.connect.expect_broadcast(HI, to=[group.bob])

    assert (failed.value.missing, failed.value.others) == ((), ("ann",))
    assert str(failed.value).splitlines() == [
        "Said(user='x', text='hi'): it did not reach exactly bob.",
        "  ann  got it, and should not have",
        '       [1] ← text {"type":"said","user":"x","text":"hi"}',
        "  got it: bob",
        "  did not get it, as expected: joe",
    ]


async def test_a_message_that_came_twice_was_not_broadcast_once() -> None:
    async with three() as group:
        await group.send(HI)
        await group.manager.send(User("bob"), HI)
        with pytest.raises(BroadcastFailed, match="bob  got it 2 times"):
            await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])


async def test_what_was_expected_is_received_and_nothing_else() -> None:
    async with three() as group:
        await group.send(1, HI, 2)
        await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])
        await group.ann.expect("1", "2")
        await group.send(HI)

        await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])
        await group.ann.expect_silence()
        await group.bob.expect("1", "2")


async def test_what_was_received_before_does_not_count() -> None:
    async with three() as group:
        await group.send(HI)
        await group.ann.receive()

        with pytest.raises(BroadcastFailed, match="ann  did not get it; nothing is unread"):
            await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])


async def test_several_messages_come_in_their_order() -> None:
    async with three() as group:
        await group.send(1, "x", 2)

        await group.connect.expect_broadcast("1", "2", to=[group.ann, group.bob])


@pytest.mark.parametrize(
    ("sent", "says"), [([2, 1], "got them in another order"), ([1], "got 1 of 2")]
)
async def test_of_several_messages_each_has_its_place(sent: list[int], says: str) -> None:
    async with three() as group:
        await group.send(*sent)

        with pytest.raises(BroadcastFailed, match=f"ann  {says}"):
            await group.connect.expect_broadcast("1", "2", to=[group.ann, group.bob])


async def test_part_of_several_messages_is_too_much_for_another() -> None:
    async with three() as group:
        await group.send(1, 2)
        await group.send(2, to="ale")

        with pytest.raises(BroadcastFailed, match="joe  got them, and should not have"):
            await group.connect.expect_broadcast("1", "2", to=[group.ann, group.bob])


async def test_a_message_may_be_a_pattern() -> None:
    async with three() as group:
        await group.send(HI)

        await group.connect.expect_broadcast(FromApp(Said), to=[group.ann, group.bob])


async def test_an_end_may_be_broadcast() -> None:
    async with three() as group:
        await group.manager.disconnect(Room("tea"), 4003, "tea time")

        await group.connect.expect_broadcast(
            Closed(4003, reason="tea time"), to=[group.ann, group.bob]
        )


async def test_who_has_ended_may_have_got_it_before() -> None:
    async with three() as group:
        await group.send(HI)
        await group.manager.disconnect(User("bob"), 4003)

        await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])


async def test_of_who_has_ended_is_said_how() -> None:
    async with three() as group:
        await group.manager.disconnect(User("bob"), 4003)
        await group.send(HI)

        with pytest.raises(
            BroadcastFailed,
            match="bob  did not get it; closed by the application with 4003; unread:",
        ):
            await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])


async def test_who_was_left_is_not_asked() -> None:
    async with three() as group:
        async with group.connect("/?room=tea", name="kim"):
            await group.send(HI)

        await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])


async def test_who_would_get_it_later_has_not_got_it() -> None:
    async with three(bob=[Latency(from_app=2)]) as group:
        await group.send(HI)

        with pytest.raises(BroadcastFailed, match="bob  did not get it") as failed:
            await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])
        assert failed.value.missing == ("bob",)
        assert "expect_broadcast(..., within=2)" in str(failed.value)
        # And time has not passed.
        await group.bob.expect_silence()


async def test_within_some_time_it_may_arrive() -> None:
    async with three(bob=[Latency(from_app=2)]) as group:
        started = asyncio.get_running_loop().time()
        await group.send(HI)

        await group.connect.expect_broadcast(HI, to=[group.ann, group.bob], within=5)
        assert asyncio.get_running_loop().time() - started == 2


async def test_what_does_not_arrive_within_the_time_is_missing() -> None:
    async with three(ann=[Latency(from_app=9)], bob=[Latency(from_app=9)]) as group:
        await group.send(HI)

        with pytest.raises(BroadcastFailed, match=r"5 s have passed\.") as failed:
            await group.connect.expect_broadcast(HI, to=[group.ann, group.bob], within=5)
        assert failed.value.missing == ("ann", "bob")


async def test_who_else_gets_it_within_the_time_should_not_have() -> None:
    async with three(joe=[Latency(from_app=1)], bob=[Latency(from_app=2)]) as group:
        await group.manager.send(All(), HI)

        with pytest.raises(BroadcastFailed) as failed:
            await group.connect.expect_broadcast(HI, to=[group.ann, group.bob], within=5)
        assert failed.value.others == ("joe",)


async def test_who_gets_it_after_the_last_has_not_got_it_yet() -> None:
    async with three(joe=[Latency(from_app=3)], bob=[Latency(from_app=2)]) as group:
        await group.manager.send(All(), HI)

        await group.connect.expect_broadcast(HI, to=[group.ann, group.bob], within=5)


async def test_a_send_that_is_stuck_is_shown() -> None:
    async with three(bob=[StalledPeer()]) as group:
        await group.send(HI)

        with pytest.raises(BroadcastFailed, match="falcon_pachinko writer"):
            await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])


async def test_nothing_is_broadcast_where_nobody_has_anything_unread() -> None:
    async with three() as group:
        await group.send(HI)
        await group.ann.receive()
        await group.bob.receive()

        await group.connect.expect_no_broadcast()


async def test_any_frame_that_is_unread_was_sent() -> None:
    async with three() as group:
        await group.send(1, 2, 3, 4, 5, 6)

        with pytest.raises(BroadcastFailed) as failed:
            await group.connect.expect_no_broadcast()
        assert str(failed.value).splitlines()[:8] == [
            "Something was sent, and is unread.",
            "  ann  got it, and should not have",
            "       [1] ← text 1",
            "       [2] ← text 2",
            "       [3] ← text 3",
            "       [4] ← text 4",
            "       [5] ← text 5",
            "       … and 1 more",
        ]


async def test_an_end_is_no_broadcast() -> None:
    async with three() as group:
        await group.manager.disconnect(User("bob"), 4003)

        await group.connect.expect_no_broadcast()


async def test_a_certain_message_is_not_broadcast_whatever_else_is() -> None:
    async with three() as group:
        await group.send(1)
        await group.connect.expect_no_broadcast(HI)
        await group.send(HI)

        with pytest.raises(BroadcastFailed, match=r"text='hi'\): it reached somebody"):
            await group.connect.expect_no_broadcast(HI)


async def test_nothing_is_judged_when_the_application_rests() -> None:
    async with three() as group:
        sending = asyncio.create_task(group.send(HI))

        with pytest.raises(BroadcastFailed):
            await group.connect.expect_no_broadcast()
        await sending


async def test_nothing_may_be_expected_for_some_time() -> None:
    async with three(bob=[Latency(from_app=2)]) as group:
        await group.manager.send(User("bob"), HI)

        await group.connect.expect_no_broadcast()
        await group.connect.expect_no_broadcast(within=1)
        with pytest.raises(BroadcastFailed):
            await group.connect.expect_no_broadcast(within=1)


async def test_many_that_are_wrong_are_not_all_described() -> None:
    manager = WebSocketConnectionManager()
    connect = serve(manager)
    async with AsyncExitStack() as stack:
        for number in range(40):
            await stack.enter_async_context(connect("/", name=f"guest{number}"))
        await manager.send(All(), 1)

        with pytest.raises(BroadcastFailed) as failed:
            await connect.expect_broadcast("1", to=[f"guest{n}" for n in range(10, 20)])

    lines = str(failed.value).splitlines()
    assert "  … and 10 more that are wrong" in lines
    assert lines[-1] == (
        "  got it: guest10, guest11, guest12, guest13, guest14, guest15, guest16, guest17 and 2 more"
    )


async def test_what_the_application_raised_comes_first() -> None:
    async with three() as group:
        await group.bob.send_json({"type": "do", "verb": "nonsense"})

        with pytest.raises(AttributeError, match="nonsense"):
            await group.connect.expect_broadcast(HI, to=[group.ann])


async def test_what_the_application_raises_meanwhile_is_raised(talk_to: Any) -> None:
    async def app(receive: Any, send: Any) -> None:
        await asyncio.sleep(1)
        raise LookupError("planted")

    connecting = talk_to(app, name="ann")
    async with connecting:
        with pytest.raises(LookupError, match="planted"):
            await connecting._opener.expect_broadcast("hi", to=["ann"], within=2)


async def test_a_harness_has_broadcasts_too() -> None:
    manager = WebSocketConnectionManager()
    async with SimulatorRouterHarness(serve(manager).app) as harness:
        async with (
            harness.connect("/?room=tea", name="ann") as ann,
            harness.connect("/", name="bob"),
        ):
            await manager.send(Room("tea"), 1)

            await harness.expect_broadcast("1", to=[ann])
            await harness.expect_no_broadcast()
    assert harness.trace.reached("1") == {"ann": 1}


async def live(stack: AsyncExitStack, app: Any) -> Any:
    server = await stack.enter_async_context(LiveServer(app))
    return server.client()


async def test_on_a_live_server_it_is_as_exact() -> None:
    async with three(live) as group:
        await group.send(HI)
        await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])
        await group.send(HI)

        with pytest.raises(BroadcastFailed) as failed:
            await group.connect.expect_broadcast(HI, to=[group.ann, group.joe])
        assert (failed.value.missing, failed.value.others) == (("joe",), ("bob",))


async def network(stack: AsyncExitStack, app: Any) -> Any:
    server = await stack.enter_async_context(LiveServer(app))
    return WebSocketTestClient(server.url, allow_insecure=True, timeout=5)


async def test_over_a_network_it_is_waited_for() -> None:
    async with three(network) as group:
        later = asyncio.get_running_loop().call_later(
            0.05, lambda: sending.append(asyncio.create_task(group.send(HI)))
        )
        sending: list[Any] = []

        await group.connect.expect_broadcast(HI, to=[group.ann, group.bob])
        await group.connect.expect_no_broadcast()
        later.cancel()


async def test_over_a_network_it_is_waited_for_only_so_long() -> None:
    async with three(network) as group:
        with pytest.raises(BroadcastFailed, match="does it take longer"):
            await group.connect.expect_broadcast(HI, to=[group.ann], within=0.05)


async def test_a_trace_tells_how_often_a_message_reached_each() -> None:
    async with three() as group:
        await group.send(1, 1)
        await group.send(1, to="ale")
        await group.ann.send("1")
        await advance(0)

    assert group.connect.trace.reached("1") == {"ann": 2, "bob": 2, "joe": 1}
    assert group.connect.trace.reached(Said) == {}


async def test_without_a_message_there_is_nothing_to_expect() -> None:
    with pytest.raises(PachinkoUsageError, match="needs a message"):
        await MemoryTransport(lambda: None).expect_broadcast(to=[])


@pytest.mark.parametrize("verb", ["expect_broadcast", "expect_no_broadcast"])
async def test_without_a_session_nobody_could_get_it(verb: str) -> None:
    options = {"to": []} if verb == "expect_broadcast" else {}

    with pytest.raises(PachinkoUsageError, match=rf"{verb}\(\): no session is open"):
        await getattr(MemoryTransport(lambda: None), verb)("1", **options)


@pytest.mark.parametrize("pattern", [..., ToApp(), AnyOrder(), AnyOrder(FromApp(1))])
async def test_only_what_the_application_sends_can_be_a_broadcast(pattern: Any) -> None:
    with pytest.raises(PachinkoUsageError, match="takes what the application sends"):
        await MemoryTransport(lambda: None).expect_no_broadcast(pattern)


async def test_who_is_to_get_it_is_one_of_the_open_sessions() -> None:
    async with three() as group, three() as others:
        with pytest.raises(PachinkoUsageError, match="none of the open sessions: ann, bob, joe"):
            await group.connect.expect_broadcast(HI, to=[others.ann])


async def test_who_is_to_get_it_is_a_list() -> None:
    async with three() as group:
        for one in (group.ann, "ann"):
            with pytest.raises(PachinkoUsageError, match="it takes a list"):
                await group.connect.expect_broadcast(HI, to=one)
