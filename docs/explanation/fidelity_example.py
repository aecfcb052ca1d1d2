"""What fidelity.md says, checked on both sides: in memory, and against uvicorn."""

import asyncio
import contextlib
import contextvars

import falcon
import falcon.asgi
import pytest
import uvicorn
import websockets
from msgspec import Struct

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import HandshakeDenied
from pytest_pachinko import MemoryTransport
from pytest_pachinko import SessionClosed
from pytest_pachinko import Stalled

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.slow,
    pytest.mark.skipif(
        tuple(map(int, uvicorn.__version__.split(".")[:2])) < (0, 54),
        reason="what the page says of uvicorn holds from 0.54 on",
    ),
]

SAID = contextvars.ContextVar("SAID", default="nothing")


class Ask(Struct, tag="ask"):
    what: str


class Answer(Struct, tag="answer"):
    text: str


class Oracle(WebSocketResource):
    """Does what it is asked for."""

    schema = Ask

    async def on_connect(self, req, ws):
        what = req.get_param("do")
        if what == "refuse":
            return False
        if what == "unauthorized":
            raise falcon.HTTPUnauthorized(title="who are you?", headers={"x-why": "no token"})
        if what == "fail":
            raise ValueError(what)
        if what == "header":
            await self.accept(headers={"x-room": "tea"})
        return True

    async def on_ask(self, ws, message):
        match message.what:
            case "close":
                for number in range(3):
                    await self.send(Answer(str(number)))
                await ws.close(4001, "bye")
            case "fail":
                raise ValueError(message.what)
            case "http error":
                raise falcon.HTTPNotFound
            case "query":
                await self.send(Answer(self.req.get_param("since")))
            case "client":
                await self.send(Answer(self.req.remote_addr))
            case "empty":
                await ws.send_text("")
            case "bytes":
                await ws.send_data(b"\x00\xff")

    async def on_invalid(self, ws, message, error):
        await self.send(Answer(error.reason))


class Plain:
    """Falcon's own kind of resource."""

    async def on_websocket(self, req, ws):
        if req.get_param("do") == "unauthorized":
            raise falcon.HTTPUnauthorized
        await ws.accept()


def create_app():
    router = WebSocketRouter()
    router.add_route("/oracle", Oracle)
    app = falcon.asgi.App()
    app.add_route("/plain", Plain())
    install(app, router)
    return app


@contextlib.asynccontextmanager
async def serving(app):
    """Run an application under uvicorn in the event loop of the test; yield its address."""
    config = uvicorn.Config(app, port=0, log_config=None, ws="websockets-sansio")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        await server.shutdown()


async def talk_to_server(app, path, *frames, close=None):
    """Say something to a real server; return what it answers until it closes."""
    async with serving(app) as url:
        try:
            async with websockets.connect(url + path) as peer:
                for frame in frames:
                    await peer.send(frame)
                if close is not None:
                    await peer.close(*close)
                heard = []
                with contextlib.suppress(websockets.ConnectionClosed):
                    while True:
                        heard.append(await peer.recv())
                return heard, (peer.protocol.close_code, peer.protocol.close_reason)
        except websockets.InvalidStatus as error:
            return error.response.status_code, bytes(error.response.body)


async def talk_in_memory(app, path, *frames, close=None):
    """Say the same in memory; return the same."""
    heard = []
    async with MemoryTransport(app) as connect:
        try:
            async with connect(path, raise_app_exceptions=False) as session:
                for frame in frames:
                    await session.send(frame)
                if close is not None:
                    await session.close(*close)
                with contextlib.suppress(SessionClosed):
                    while True:
                        heard.append(await session.receive())
                return heard, (session.close_code, session.close_reason)
        except HandshakeDenied as denial:
            return denial.status, denial.body


def ask(what):
    return f'{{"type":"ask","what":"{what}"}}'


BYE = ask("close")


ORDINARY = {
    "no route": ("/nowhere",),
    "refused by on_connect": ("/oracle?do=refuse",),
    "an HTTPError of on_connect": ("/oracle?do=unauthorized",),
    "an HTTPError of a plain resource": ("/plain?do=unauthorized",),
    "an exception of on_connect": ("/oracle?do=fail",),
    "frames before a close": ("/oracle", BYE),
    "an exception of a handler": ("/oracle", ask("fail")),
    "an HTTPError of a handler": ("/oracle", ask("http error")),
    "a resource that returns": ("/plain",),
    "a query": ("/oracle?since=yesterday", ask("query"), BYE),
    "an empty frame": ("/oracle", ask("empty"), "", BYE),
    "a binary frame": ("/oracle", ask("bytes"), BYE.encode()),
    "not JSON": ("/oracle", "{", BYE),
    "bad UTF-8 in a binary frame": ("/oracle", b'"\xff"', BYE),
    "a frame of 1 MiB": ("/oracle", ask("x" * 2**20), BYE),
    "the address of the peer": ("/oracle", ask("client"), BYE),
}


@pytest.mark.parametrize("case", ORDINARY)
async def test_both_say_the_same(case):
    in_memory = await talk_in_memory(create_app(), *ORDINARY[case])
    live = await talk_to_server(create_app(), *ORDINARY[case])

    assert in_memory == live


async def test_the_code_and_the_reason_of_the_peer_arrive_on_both():
    told = []

    async def serve(scope, receive, send):
        await send({"type": "websocket.accept"})
        event = await receive()
        told.append((event["code"], event["reason"]))

    await talk_in_memory(asgi(serve), "/", close=(4321, "enough"))
    await talk_to_server(asgi(serve), "/", close=(4321, "enough"))

    assert told == [(4321, "enough")] * 2


def asgi(serve):
    """Make an application of a coroutine that is called when a peer has connected."""

    async def app(scope, receive, send):
        assert scope["type"] == "websocket"
        await receive()
        await serve(scope, receive, send)

    return app


async def test_an_application_that_never_answers_is_a_500_on_both():
    async def serve(scope, receive, send):
        return

    assert await talk_in_memory(asgi(serve), "/") == (500, b"Internal Server Error")
    assert await talk_to_server(asgi(serve), "/") == (500, b"Internal Server Error")


async def test_an_application_that_returns_without_a_close_is_1006_on_both():
    async def serve(scope, receive, send):
        await send({"type": "websocket.accept"})

    assert await talk_in_memory(asgi(serve), "/") == ([], (1006, ""))
    assert await talk_to_server(asgi(serve), "/") == ([], (1006, ""))


async def test_sending_after_a_close_is_a_runtime_error_on_both():
    raised = []

    async def serve(scope, receive, send):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4001})
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except Exception as error:  # noqa: BLE001 - its type is what is asked for
            raised.append(type(error))

    await talk_in_memory(asgi(serve), "/")
    await talk_to_server(asgi(serve), "/")

    assert raised == [RuntimeError, RuntimeError]


async def test_sending_to_a_peer_that_has_left_is_an_os_error_on_both():
    raised = []

    async def serve(scope, receive, send):
        await send({"type": "websocket.accept"})
        await receive()
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except Exception as error:  # noqa: BLE001 - its type is what is asked for
            raised.append(error)

    await talk_in_memory(asgi(serve), "/", close=(1000,))
    await talk_to_server(asgi(serve), "/", close=(1000,))

    assert [isinstance(error, OSError) for error in raised] == [True, True]


async def test_the_application_that_closes_is_told_its_own_code_on_both():
    told = []

    async def serve(scope, receive, send):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4001, "reason": "bye"})
        told.append(await receive())

    await talk_in_memory(asgi(serve), "/")
    await talk_to_server(asgi(serve), "/")

    assert [(event["code"], event["reason"]) for event in told] == [(4001, "bye")] * 2


# From here on: what differs.


async def test_an_exception_reaches_the_test_only_in_memory():
    async with MemoryTransport(create_app()) as connect:
        with pytest.raises(ValueError, match="fail"):
            async with connect("/oracle") as session:
                await session.send(Ask("fail"))

    assert await talk_to_server(create_app(), "/oracle", ask("fail")) == (
        [],
        (1011, "Internal Server Error"),
    )


async def test_a_subprotocol_that_was_not_offered_is_the_applications_error_only_in_memory():
    async def serve(scope, receive, send):
        await send({"type": "websocket.accept", "subprotocol": "chat.v2"})
        await receive()

    async with MemoryTransport(asgi(serve)) as connect:
        with pytest.raises(RuntimeError, match=r"chat\.v2"):
            async with connect("/"):
                pass

    with pytest.raises(websockets.NegotiationError):
        await talk_to_server(asgi(serve), "/")


async def test_the_code_behind_a_denial_is_seen_only_in_memory():
    async with MemoryTransport(create_app()) as connect:
        denial = await connect.denied("/nowhere")

    assert denial.close_code == 3404
    assert await talk_to_server(create_app(), "/nowhere") == (403, b"")


async def test_a_peer_that_vanishes_is_1006_in_memory_and_1005_for_uvicorn():
    told = []

    async def serve(scope, receive, send):
        await send({"type": "websocket.accept"})
        told.append((await receive())["code"])

    async with MemoryTransport(asgi(serve)) as connect, connect("/") as session:
        await session.drop()
    async with serving(asgi(serve)) as url:
        peer = await websockets.connect(url)
        peer.transport.abort()
        await peer.wait_closed()
        await asyncio.sleep(0.1)

    assert told == [1006, 1005]


async def test_a_message_of_17_mib_arrives_only_in_memory():
    arrived = []

    async def serve(scope, receive, send):
        await send({"type": "websocket.accept"})
        arrived.append((await receive())["type"])

    frame = "x" * (17 * 2**20)
    await talk_in_memory(asgi(serve), "/", frame)
    _, end = await talk_to_server(asgi(serve), "/", frame)

    assert arrived == ["websocket.receive", "websocket.disconnect"]
    assert end[0] == 1009


async def test_a_lone_surrogate_of_the_application_cannot_be_sent():
    raised = []

    async def serve(scope, receive, send):
        await send({"type": "websocket.accept"})
        try:
            await send({"type": "websocket.send", "text": "\ud800"})
        except UnicodeEncodeError:
            raised.append(scope["server"][0])

    assert await talk_in_memory(asgi(serve), "/") == ([], (1006, ""))
    assert await talk_to_server(asgi(serve), "/") == ([], (1006, ""))
    assert raised == ["testserver", "127.0.0.1"]


async def test_compression_is_negotiated_by_a_server_only():
    async with MemoryTransport(create_app()) as connect, connect("/oracle") as session:
        assert session.compression is None
        assert "sec-websocket-extensions" not in session.response_headers
    async with serving(create_app()) as url, websockets.connect(f"{url}/oracle") as peer:
        assert "permessage-deflate" in peer.response.headers["sec-websocket-extensions"]


async def test_a_server_adds_headers_to_the_response():
    async with (
        MemoryTransport(create_app()) as connect,
        connect("/oracle?do=header") as session,
    ):
        assert dict(session.response_headers) == {"x-room": "tea"}
    async with serving(create_app()) as url, websockets.connect(f"{url}/oracle?do=header") as peer:
        assert peer.response.headers["x-room"] == "tea"
        assert peer.response.headers["sec-websocket-accept"]


async def test_the_scope_in_memory_is_that_of_a_fixed_client():
    scopes = []

    async def serve(scope, receive, send):
        scopes.append(scope)
        await send({"type": "websocket.accept"})

    await talk_in_memory(asgi(serve), "/")
    await talk_to_server(asgi(serve), "/")
    memory, live = scopes

    assert memory.keys() == live.keys()
    assert memory["asgi"] == live["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert memory["extensions"] == live["extensions"] == {"websocket.http.response": {}}
    assert memory["client"] == ("127.0.0.1", 50000)
    assert memory["server"] == ("testserver", 80)
    # No origin either: a browser sends one.
    assert {name for name, _ in live["headers"]} - {name for name, _ in memory["headers"]} == {
        b"sec-websocket-extensions",
        b"user-agent",
    }


async def test_context_variables_of_the_test_reach_the_application_only_in_memory():
    seen = []

    async def serve(scope, receive, send):
        await send({"type": "websocket.accept"})
        seen.append(SAID.get())

    SAID.set("hello")
    await talk_in_memory(asgi(serve), "/")
    await asyncio.create_task(talk_to_server(asgi(serve), "/"), context=contextvars.Context())

    assert seen == ["hello", "nothing"]


async def test_a_timer_costs_no_time_in_memory_and_all_of_it_on_a_server():
    async def serve(scope, receive, send):
        await send({"type": "websocket.accept"})
        await asyncio.sleep(0.2)
        await send({"type": "websocket.send", "text": "tick"})
        await receive()

    loop = asyncio.get_running_loop()
    async with MemoryTransport(asgi(serve)) as connect, connect("/") as session:
        with pytest.raises(Stalled):
            await session.receive()
        assert await session.receive(within=1) == "tick"

    before = loop.time()
    async with serving(asgi(serve)) as url, websockets.connect(url) as peer:
        assert await peer.recv() == "tick"
        assert loop.time() - before >= 0.2
