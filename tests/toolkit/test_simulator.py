"""Falcon's own WebSocket over a wire, with both ends in the test's hands."""

from __future__ import annotations

import asyncio
from typing import Any

import falcon
import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import Accepted
from pytest_pachinko import Closed
from pytest_pachinko import FromApp
from pytest_pachinko import Latency
from pytest_pachinko import leaving as module
from pytest_pachinko import LeftBehind
from pytest_pachinko import MemoryTransport
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import SessionClosed
from pytest_pachinko import Stalled
from pytest_pachinko import ToApp
from pytest_pachinko import UnexpectedMessage
from pytest_pachinko import WebSocketSimulator

pytestmark = pytest.mark.asyncio


class Say(msgspec.Struct, tag="say"):
    text: str


class Said(msgspec.Struct, tag="said"):
    text: str


class Parrot(WebSocketResource):
    """Repeat everything; refuse a room called "closed"."""

    schema = Say

    async def on_connect(self, req: Any, ws: Any, room: str = "tea") -> bool:
        return room != "closed"

    async def on_say(self, ws: Any, message: Say) -> None:
        await self.send(Said(text=message.text))


SAID = '{"type":"said","text":"hi"}'


# A connection.


async def test_it_is_a_websocket_of_falcon() -> None:
    assert isinstance(WebSocketSimulator(), falcon.asgi.WebSocket)


async def test_connected_yields_the_simulator_accepted() -> None:
    simulator = WebSocketSimulator()

    async with simulator.connected() as connection:
        assert connection is simulator
        assert connection.accepted
        assert connection.ready
        assert connection.close_code is None


async def test_connected_closes_at_the_end() -> None:
    async with WebSocketSimulator().connected() as connection:
        pass

    assert connection.close_code == 1000
    assert connection.trace == [Accepted(), Closed(1000, by="peer")]


async def test_several_may_be_connected_at_once() -> None:
    async with WebSocketSimulator().connected() as ann, WebSocketSimulator().connected() as bob:
        ann.push_text("ann")
        bob.push_text("bob")

        assert [await ann.receive_text(), await bob.receive_text()] == ["ann", "bob"]


async def test_a_connection_that_is_closed_already_is_left_alone() -> None:
    async with WebSocketSimulator().connected() as connection:
        await connection.close(4000)

    assert connection.close_code == 4000


async def test_a_connection_that_is_accepted_already_is_not_accepted_twice() -> None:
    simulator = WebSocketSimulator(subprotocols=["chat"])
    await simulator.accept("chat")

    async with simulator.connected() as connection:
        assert connection.subprotocol == "chat"


@pytest.mark.parametrize(
    ("verb", "argument", "frame"),
    [
        ("push_message", Say(text="hi"), '{"type":"say","text":"hi"}'),
        ("push_message", {"a": 1}, '{"a":1}'),
        ("push_message", "text", "text"),
        ("push_message", b"data", b"data"),
        ("push_json", "text", '"text"'),
        ("push_text", "text", "text"),
        ("push_bytes", bytearray(b"data"), b"data"),
    ],
)
async def test_what_is_pushed_is_received(verb: str, argument: Any, frame: Any) -> None:
    async with WebSocketSimulator().connected() as connection:
        await getattr(connection, verb)(argument)
        receive = connection.receive_text if isinstance(frame, str) else connection.receive_data

        assert await receive() == frame


async def test_a_push_is_done_without_being_awaited() -> None:
    async with WebSocketSimulator().connected() as connection:
        connection.push_json({"a": 1})

        assert await connection.receive_media() == {"a": 1}


async def test_a_disconnect_may_be_pushed_with_any_code() -> None:
    async with WebSocketSimulator().connected() as connection:
        await connection.push_disconnect(1005)
        with pytest.raises(falcon.WebSocketDisconnected) as caught:
            await connection.receive_text()

    assert caught.value.code == 1005


async def test_pushing_after_the_end_says_how_it_ended() -> None:
    async with WebSocketSimulator().connected() as connection:
        await connection.close(4000)
        with pytest.raises(SessionClosed, match="closed by the application with 4000"):
            connection.push_text("x")


async def test_pushing_after_a_refusal_says_so() -> None:
    simulator = WebSocketSimulator()
    await simulator.close(3403)

    with pytest.raises(SessionClosed, match="refused the connection with 3403"):
        simulator.push_text("x")


async def test_what_was_sent_is_kept_as_it_was_given() -> None:
    async with WebSocketSimulator().connected() as connection:
        await connection.send_media({"a": 1})
        await connection.send_text("text")
        await connection.send_data(bytearray(b"data"))
        await connection.send_json(Said(text="hi"))

        assert connection.sent_messages == [{"a": 1}, "text", b"data", Said(text="hi")]
        assert connection.trace[1:] == [
            FromApp({"a": 1}),
            FromApp("text"),
            FromApp(b"data"),
            FromApp(SAID),
        ]


async def test_what_could_not_be_sent_is_not_kept() -> None:
    async with WebSocketSimulator().connected() as connection:
        await connection.close()
        with pytest.raises(falcon.WebSocketDisconnected):
            await connection.send_text("x")

    assert connection.sent_messages == []


async def test_pop_sent_returns_the_oldest_and_keeps_the_history() -> None:
    async with WebSocketSimulator().connected() as connection:
        await connection.send_text("1")
        await connection.send_text("2")

        assert [connection.pop_sent(), connection.pop_sent()] == ["1", "2"]
        assert connection.sent_messages == ["1", "2"]


async def test_pop_sent_of_nothing_says_how_to_wait() -> None:
    async with WebSocketSimulator().connected() as connection:
        with pytest.raises(UnexpectedMessage, match=r"0 messages so far.\n.*next_sent\(\)"):
            connection.pop_sent()


async def test_pop_sent_json_decodes_what_was_sent_in_any_way() -> None:
    async with WebSocketSimulator().connected() as connection:
        await connection.send_text(SAID)
        await connection.send_media({"type": "said", "text": "hi"})
        await connection.send_data(SAID.encode())

        assert connection.pop_sent_json(Said) == Said(text="hi")
        assert connection.pop_sent_json(Said) == Said(text="hi")
        assert connection.pop_sent_json() == {"type": "said", "text": "hi"}


async def test_pop_sent_json_says_what_is_no_such_message() -> None:
    async with WebSocketSimulator().connected() as connection:
        await connection.send_text("not json")
        with pytest.raises(UnexpectedMessage, match="expected  Said"):
            connection.pop_sent_json(Said)


async def test_next_sent_fails_if_nothing_can_be_sent() -> None:
    async with WebSocketSimulator().connected() as connection:
        with pytest.raises(Stalled, match=r"next_sent\(\): nothing was sent"):
            await connection.next_sent()


async def test_next_sent_lets_time_pass() -> None:
    async with WebSocketSimulator().serve(Parrot) as connection:

        async def later() -> None:
            await asyncio.sleep(30)
            connection.push_message(Say(text="hi"))

        task = asyncio.create_task(later())
        assert await connection.next_sent(within=60) == SAID
        await task


async def test_next_sent_after_the_end_says_how_it_ended() -> None:
    async with WebSocketSimulator().connected() as connection:
        await connection.close(4000)
        with pytest.raises(SessionClosed, match=r"next_sent\(\): the connection has ended"):
            await connection.next_sent()


# Construction.


async def test_a_simulator_can_be_made_without_a_loop() -> None:
    simulator = await asyncio.to_thread(WebSocketSimulator, path="/chat")

    assert repr(simulator) == "<WebSocketSimulator /chat: not used yet>"


async def test_a_simulator_is_used_in_a_loop() -> None:
    simulator = WebSocketSimulator()

    with pytest.raises(PachinkoUsageError, match="used in an event loop"):
        await asyncio.to_thread(lambda: simulator.accepted)


async def test_a_simulator_stays_in_its_loop() -> None:
    simulator = WebSocketSimulator()
    await simulator.accept()

    async def use() -> None:
        async with simulator.connected():
            pass

    with pytest.raises(PachinkoUsageError, match="another event loop"):
        await asyncio.to_thread(asyncio.run, use())


async def test_a_simulator_is_printed_in_one_line() -> None:
    async with WebSocketSimulator(path="/chat").connected() as connection:
        assert repr(connection) == "<WebSocketSimulator /chat: open; 0 sent, 0 received>"


async def test_a_simulator_has_the_request_that_it_was_made_with() -> None:
    class Resource(Parrot):
        async def on_connect(self, req: Any, ws: Any) -> bool:
            assert req.path == "/chat"
            assert req.get_param("a") == "1"
            assert req.get_header("x-key") == "2"
            assert ws.subprotocols == ("chat",)
            return True

    simulator = WebSocketSimulator(path="/chat?a=1", headers={"x-key": "2"}, subprotocols=["chat"])
    async with simulator.serve(Resource):
        pass

    assert simulator.accepted


async def test_what_is_put_into_the_inbound_queue_is_pushed() -> None:
    inbound: asyncio.Queue[Any] = asyncio.Queue()
    inbound.put_nowait(Say(text="hi"))

    async with WebSocketSimulator(inbound=inbound).serve(Parrot) as connection:
        assert await connection.next_sent() == SAID
        await inbound.put({"type": "say", "text": "hi"})
        assert await connection.next_sent() == SAID


async def test_what_is_sent_is_put_into_the_outbound_queue() -> None:
    outbound: asyncio.Queue[Any] = asyncio.Queue()

    async with WebSocketSimulator(outbound=outbound).serve(Parrot) as connection:
        connection.push_message(Say(text="hi"))
        assert await outbound.get() == SAID


async def test_an_item_of_the_queue_that_comes_too_late_is_not_lost_in_silence() -> None:
    inbound: asyncio.Queue[Any] = asyncio.Queue()

    with pytest.raises(SessionClosed, match="push"):
        async with WebSocketSimulator(inbound=inbound).connected() as connection:
            await connection.close()
            await inbound.put("x")


async def test_an_item_of_the_queue_that_cannot_be_encoded_is_an_error() -> None:
    inbound: asyncio.Queue[Any] = asyncio.Queue()

    with pytest.raises(TypeError, match="unsupported"):
        async with WebSocketSimulator(inbound=inbound).connected():
            await inbound.put(object())


async def test_a_test_that_failed_is_not_hidden_by_its_queue() -> None:
    inbound: asyncio.Queue[Any] = asyncio.Queue()

    with pytest.raises(KeyError) as caught:
        async with WebSocketSimulator(inbound=inbound).connected() as connection:
            await connection.close()
            await inbound.put("x")
            raise KeyError

    assert isinstance(caught.value.__cause__, SessionClosed)


async def test_a_cause_that_a_failed_test_has_already_stays() -> None:
    inbound: asyncio.Queue[Any] = asyncio.Queue()

    with pytest.raises(KeyError) as caught:
        async with WebSocketSimulator(inbound=inbound).connected():
            await inbound.put(object())
            raise KeyError from ValueError()

    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_simulator_has_faults() -> None:
    simulator = WebSocketSimulator(faults=[Latency(10)])

    async with simulator.serve(Parrot) as connection:
        connection.push_message(Say(text="hi"))
        assert connection.sent_messages == []
        assert await connection.next_sent(within=60) == SAID


# Serving.


async def test_a_resource_serves_a_simulator() -> None:
    async with WebSocketSimulator().serve(Parrot, room="coffee") as connection:
        connection.push_message(Say(text="hi"))
        assert await connection.next_sent() == SAID

    assert connection.trace == [
        Accepted(),
        ToApp(Say(text="hi")),
        FromApp(Said(text="hi")),
        Closed(1000, by="peer"),
    ]


async def test_awaiting_serves_what_was_pushed() -> None:
    simulator = WebSocketSimulator()
    simulator.push_message(Say(text="hi"))
    await simulator.serve(Parrot())

    assert simulator.pop_sent_json(Said) == Said(text="hi")


async def test_a_resource_may_refuse() -> None:
    async with WebSocketSimulator().serve(Parrot, room="closed") as connection:
        assert not connection.accepted
        assert connection.close_code == 3403
        with pytest.raises(SessionClosed, match="refused the connection with 3403"):
            await connection.next_sent()


@pytest.mark.parametrize(
    ("error", "code"),
    [(ValueError("milk"), 1011), (falcon.HTTPForbidden(), 3403)],
)
async def test_an_exception_closes_like_falcons_error_handlers(error: Exception, code: int) -> None:
    class Spilling(Parrot):
        async def on_say(self, ws: Any, message: Say) -> None:
            raise error

    simulator = WebSocketSimulator()
    simulator.push_message(Say(text="hi"))
    try:
        await simulator.serve(Spilling)
    except ValueError as raised:
        assert raised is error  # noqa: PT017 - only one of the two is raised

    assert simulator.close_code == code


async def test_what_a_handler_raises_is_raised_by_the_block() -> None:
    class Spilling(Parrot):
        async def on_say(self, ws: Any, message: Say) -> None:
            raise ValueError("milk")

    with pytest.raises(ValueError, match="milk"):
        async with WebSocketSimulator().serve(Spilling) as connection:
            connection.push_message(Say(text="hi"))


async def test_a_test_that_failed_already_has_it_as_its_cause() -> None:
    class Spilling(Parrot):
        async def on_say(self, ws: Any, message: Say) -> None:
            raise ValueError("milk")

    with pytest.raises(KeyError) as caught:
        async with WebSocketSimulator().serve(Spilling) as connection:
            connection.push_message(Say(text="hi"))
            raise KeyError

    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_resource_that_does_not_end_is_reported_and_cancelled() -> None:
    class Stuck(Parrot):
        async def on_disconnect(self, ws: Any, close_code: int) -> None:
            await asyncio.Event().wait()

    with pytest.raises(LeftBehind, match=r"(?s)Stuck does not return.*Event\(\)\.wait"):
        async with WebSocketSimulator().serve(Stuck):
            pass

    assert len(asyncio.all_tasks()) == 1


async def test_a_resource_may_take_its_time_to_clean_up() -> None:
    class Slow(Parrot):
        async def on_disconnect(self, ws: Any, close_code: int) -> None:
            await asyncio.sleep(module.HORIZON / 2)

    async with WebSocketSimulator().serve(Slow):
        pass


async def test_tasks_that_a_resource_leaves_behind_are_reported() -> None:
    tasks = []

    class Ticking(Parrot):
        async def on_connect(self, req: Any, ws: Any) -> bool:
            tasks.append(asyncio.create_task(asyncio.Event().wait(), name="ticker"))
            return True

    # The task factory that notes tasks is a transport's; without one nobody would know.
    with pytest.raises(LeftBehind, match="Ticking has left behind:\n  task   ticker"):
        async with WebSocketSimulator().serve(Ticking):
            pass


async def test_only_a_resource_is_served() -> None:
    with pytest.raises(PachinkoUsageError, match="takes a WebSocketResource"):
        WebSocketSimulator().serve(object)


async def test_a_resource_needs_a_schema_to_be_served() -> None:
    class Vague(WebSocketResource): ...

    with pytest.raises(PachinkoUsageError, match="Vague has no schema"):
        WebSocketSimulator().serve(Vague)


# Injected as the requirements have it.


async def test_a_router_serves_a_simulator_in_the_place_of_the_connection() -> None:
    simulator = WebSocketSimulator()
    router = WebSocketRouter(simulator_factory=lambda *_: simulator)
    router.add_route("/", Parrot)
    app = falcon.asgi.App()
    app.add_route("/ws", router)

    async with simulator.connected() as connection, MemoryTransport(app)("/ws") as session:
        assert session.accepted
        await connection.push_message({"type": "say", "text": "hi"})
        assert await connection.next_sent() == SAID
        connection.push_disconnect(4000)

    assert connection.close_code == 4000


async def test_a_latency_is_a_simulator_that_teams_swap_in() -> None:
    simulator = WebSocketSimulator(faults=[Latency(from_app=5)])
    router = WebSocketRouter(simulator_factory=lambda *_: simulator)
    router.add_route("/", Parrot)
    app = falcon.asgi.App()
    app.add_route("/ws", router)

    async with simulator.connected() as connection, MemoryTransport(app)("/ws"):
        connection.push_message(Say(text="hi"))
        assert await connection.next_sent(within=10) == SAID
        connection.push_disconnect()


async def test_an_injected_simulator_ends_with_the_connection_that_it_stands_in_for() -> None:
    simulator = WebSocketSimulator()
    router = WebSocketRouter(simulator_factory=lambda *_: simulator)
    router.add_route("/", Parrot)
    app = falcon.asgi.App()
    app.add_route("/ws", router)

    async with simulator.connected(), MemoryTransport(app)("/ws") as session:
        await session.close(4000)

    assert simulator.close_code == 4000
