"""A router, an app and simulators, wired together."""

from __future__ import annotations

import inspect
from typing import Any

import falcon
import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.errors import RouteError
from pytest_pachinko import Accepted
from pytest_pachinko import Closed
from pytest_pachinko import FromApp
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import SimulatorRouterHarness
from pytest_pachinko import Stalled
from pytest_pachinko import WebSocketSimulator
from pytest_pachinko.harness import _HarnessSimulator
from pytest_pachinko.harness import _OriginalWebSocket
from pytest_pachinko.harness import _TestRequest
from pytest_pachinko.harness import SimulatorConnection

pytestmark = pytest.mark.asyncio


class Say(msgspec.Struct, tag="say"):
    text: str


class Said(msgspec.Struct, tag="said"):
    text: str


class Parrot(WebSocketResource):
    schema = Say

    async def on_connect(self, req: Any, ws: Any, room: str) -> bool:
        req.context.room = room
        return room != "closed"

    async def on_say(self, ws: Any, message: Say) -> None:
        if message.text == "media":
            await ws.send_media({"room": self.req.context.room})
        elif message.text == "bye":
            await ws.close(4001)
        elif message.text == "spill":
            raise ValueError("milk")
        else:
            await self.send(Said(text=message.text))


@pytest.fixture
def router() -> WebSocketRouter:
    router = WebSocketRouter()
    router.add_route("/rooms/{room}", Parrot)
    return router


@pytest.fixture
def harness(router: WebSocketRouter) -> SimulatorRouterHarness:
    return SimulatorRouterHarness(router=router)


TEA = "/rooms/tea"


# What the diagrams draw.


async def test_a_connection_has_what_the_diagram_draws(
    harness: SimulatorRouterHarness, router: WebSocketRouter
) -> None:
    async with harness.connect(TEA) as connection:
        assert isinstance(connection, SimulatorConnection)
        assert connection.path == TEA
        assert connection.router is router
        assert isinstance(connection.simulator, _HarnessSimulator)
        assert isinstance(connection.request, _TestRequest)
        assert isinstance(connection.websocket, _OriginalWebSocket)
        assert isinstance(connection._json_decoder, msgspec.json.Decoder)
        assert connection.accepted is True
        assert connection.closed is False
        assert connection.close_code is None
        assert connection.sent_messages == []


async def test_a_harness_simulator_is_a_simulator() -> None:
    assert issubclass(_HarnessSimulator, WebSocketSimulator)
    assert {"bind_original", "accept", "close"} <= {*dir(_HarnessSimulator)}


async def test_the_original_websocket_has_what_the_diagram_draws() -> None:
    names = {
        *("accepted", "closed", "close_code", "subprotocol", "sent"),
        *("accept", "close", "send_media", "receive_media"),
    }

    assert names <= {*dir(_OriginalWebSocket)}
    assert list(inspect.signature(_OriginalWebSocket.accept).parameters)[1:] == ["subprotocol"]


async def test_a_harness_has_an_app_and_a_router() -> None:
    harness = SimulatorRouterHarness()

    assert isinstance(harness.app, falcon.asgi.App)
    assert isinstance(harness.router, WebSocketRouter)


async def test_a_request_tells_its_path_template_and_context(
    harness: SimulatorRouterHarness,
) -> None:
    async with harness.connect(f"{TEA}?a=1") as connection:
        assert connection.request.path == TEA
        assert connection.request.path_template == "/rooms/{room}"
        assert connection.request.context.room == "tea"
        assert connection.request.get_param("a") == "1"


# What a test does.


@pytest.mark.parametrize(
    ("verb", "argument"),
    [
        ("push_message", Say(text="hi")),
        ("push_json", {"type": "say", "text": "hi"}),
        ("push_text", '{"type":"say","text":"hi"}'),
        ("push_bytes", b'{"type":"say","text":"hi"}'),
    ],
)
async def test_a_frame_that_is_pushed_is_answered(
    harness: SimulatorRouterHarness, verb: str, argument: Any
) -> None:
    async with harness.connect(TEA) as connection:
        await getattr(connection, verb)(argument)
        await connection.settle()

        assert connection.pop_sent_json(Said) == Said(text="hi")


async def test_what_a_handler_sent_is_seen_as_it_gave_it(harness: SimulatorRouterHarness) -> None:
    async with harness.connect(TEA, initial_inbound=[Say(text="media"), Say(text="hi")]) as it:
        assert it.sent_messages == [{"room": "tea"}, '{"type":"said","text":"hi"}']
        assert it.websocket.sent == ['{"room": "tea"}', '{"type":"said","text":"hi"}']
        assert it.pop_sent() == {"room": "tea"}
        assert it.pop_sent_json() == {"type": "said", "text": "hi"}


async def test_frames_may_wait_for_the_application_from_the_start(
    harness: SimulatorRouterHarness,
) -> None:
    frames = [Say(text="1"), '{"type":"say","text":"2"}', b'{"type":"say","text":"3"}']
    async with harness.connect(TEA, initial_inbound=frames) as connection:
        assert [connection.pop_sent_json(Said).text for _ in frames] == ["1", "2", "3"]


async def test_the_peers_end_is_a_session(harness: SimulatorRouterHarness) -> None:
    async with harness.connect(TEA) as connection:
        await connection.session.send(Say(text="hi"))

        assert await connection.session.receive(Said) == Said(text="hi")
        assert connection.trace == [Accepted(), ..., FromApp(Said(text="hi"))]


async def test_a_close_of_the_application_is_seen(harness: SimulatorRouterHarness) -> None:
    async with harness.connect(TEA, initial_inbound=[Say(text="bye")]) as connection:
        assert (connection.closed, connection.close_code) == (True, 4001)


async def test_a_refusal_is_seen_too(harness: SimulatorRouterHarness) -> None:
    async with harness.connect("/rooms/closed") as connection:
        assert (connection.accepted, connection.closed) == (False, True)
        assert connection.close_code == 3403


async def test_a_peer_may_leave(harness: SimulatorRouterHarness) -> None:
    async with harness.connect(TEA) as connection:
        await connection.push_disconnect(4000, "bye")
        await connection.settle()

        assert connection.trace[-1:] == [Closed(4000, reason="bye", by="peer")]


async def test_the_connection_is_closed_with_1000_at_the_end(
    harness: SimulatorRouterHarness,
) -> None:
    async with harness.connect(TEA) as connection:
        pass

    assert connection.close_code == 1000


async def test_what_a_handler_raises_is_raised_in_the_test(
    harness: SimulatorRouterHarness,
) -> None:
    with pytest.raises(ValueError, match="milk"):
        async with harness.connect(TEA, initial_inbound=[Say(text="spill")]):
            pytest.fail("the block is not entered")


async def test_a_test_that_failed_closes_its_connection(harness: SimulatorRouterHarness) -> None:
    with pytest.raises(KeyError):
        async with harness.connect(TEA) as connection:
            raise KeyError

    assert connection.close_code == 1000


async def test_connections_are_told_apart(harness: SimulatorRouterHarness) -> None:
    async with harness.connect(TEA) as ann, harness.connect("/rooms/coffee") as bob:
        ann.push_message(Say(text="ann"))
        bob.push_message(Say(text="bob"))
        await ann.settle()

        assert ann.pop_sent_json(Said).text == "ann"
        assert bob.pop_sent_json(Said).text == "bob"


async def test_a_harness_forgets_its_connections(harness: SimulatorRouterHarness) -> None:
    async with harness.connect(TEA):
        pass

    assert harness._connections == {}


async def test_a_connection_that_could_not_be_opened_is_forgotten_too() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await receive()

    harness = SimulatorRouterHarness(app)
    with pytest.raises(Stalled):
        async with harness.connect("/"):
            pass

    assert harness._connections == {}


async def test_a_connection_is_printed_in_one_line(harness: SimulatorRouterHarness) -> None:
    async with harness.connect(TEA) as connection:
        assert repr(connection) == "<SimulatorConnection /rooms/tea: open; 0 sent, 0 received>"


async def test_the_original_websocket_acts_like_the_connection(falcon_app: Any) -> None:
    async def on_websocket(req: Any, ws: Any) -> None:
        await connections[0].websocket.accept("chat")
        await connections[0].websocket.send_media({"a": 1})
        received.append(await connections[0].websocket.receive_media())
        await connections[0].websocket.close(4001)

    class Resource(WebSocketResource):
        schema = Say

        async def on_connect(self, req: Any, ws: Any) -> None:
            connections.extend(harness._connections.values())
            await on_websocket(req, ws)

        async def on_say(self, ws: Any, message: Say) -> None: ...

    connections: list[SimulatorConnection] = []
    received: list[Any] = []
    harness = SimulatorRouterHarness()
    assert harness.router is not None
    harness.router.add_route("/", Resource)

    async with harness.connect("/", subprotocols=["chat"], initial_inbound=[{"b": 2}]) as it:
        assert it.websocket.subprotocol == "chat"
        assert it.websocket.sent == ['{"a": 1}']
        assert received == [{"b": 2}]
        assert it.websocket.close_code == 4001
        assert it.websocket.closed


# App and router.


async def test_a_router_is_mounted_at_the_prefix(router: WebSocketRouter) -> None:
    harness = SimulatorRouterHarness(router=router, prefix="/chat")

    async with harness.connect("/chat/rooms/tea") as connection:
        assert connection.accepted


async def test_a_router_may_be_mounted_a_second_time(harness: SimulatorRouterHarness) -> None:
    harness.mount("/chat")

    async with harness.connect("/chat/rooms/tea") as connection:
        assert connection.accepted


async def test_without_a_router_nothing_is_mounted() -> None:
    harness = SimulatorRouterHarness(falcon.asgi.App())

    assert harness.router is None
    with pytest.raises(PachinkoUsageError, match="no router to mount"):
        harness.mount("/")


async def test_an_app_without_a_router_of_ours_is_seen_from_the_wire(
    app_of: Any, says: Any
) -> None:
    async with SimulatorRouterHarness(app_of(says("1", b"2"))).connect("/") as connection:
        assert connection.sent_messages == ["1", b"2"]
        assert connection.pop_sent() == "1"
        assert connection.pop_sent() == b"2"
        assert connection.request.path == "/"
        assert connection.request.path_template is None


async def test_a_router_that_cannot_be_mounted_is_left_as_it_was(router: WebSocketRouter) -> None:
    class Resource:
        async def on_get(self, req: Any, resp: Any) -> None: ...

    app = falcon.asgi.App()
    app.add_route(TEA.replace("tea", "{room}"), Resource())

    with pytest.raises(RouteError):
        SimulatorRouterHarness(app, router)

    assert router.simulator_factory is None


async def test_the_router_is_given_back_as_it_was(router: WebSocketRouter) -> None:
    async with SimulatorRouterHarness(router=router):
        assert router.simulator_factory is not None

    assert router.simulator_factory is None


async def test_a_harness_starts_the_lifespan() -> None:
    events = []

    class Middleware:
        async def process_startup(self, scope: Any, event: Any) -> None:
            events.append("startup")

    async with SimulatorRouterHarness(falcon.asgi.App(middleware=[Middleware()])):
        assert events == ["startup"]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_simulator_factory_of_the_router_goes_first(
    router: WebSocketRouter, kind: str
) -> None:
    simulator = WebSocketSimulator()

    async def later(req: Any, ws: Any) -> WebSocketSimulator:
        return simulator

    router.simulator_factory = later if kind == "async" else lambda req, ws: simulator
    harness = SimulatorRouterHarness(router=router)

    async with simulator.connected(), harness.connect(TEA) as connection:
        simulator.push_message(Say(text="hi"))
        await simulator.next_sent()

        assert connection.sent_messages == []
        simulator.push_disconnect()


async def test_a_connection_from_elsewhere_is_none_of_the_harness(
    harness: SimulatorRouterHarness,
) -> None:
    ws = object()

    assert await harness._simulate(None, ws) is ws  # type: ignore[arg-type]
