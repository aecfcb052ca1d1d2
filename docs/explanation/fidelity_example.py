"""What fidelity.md says beyond the conformance suite: in memory, and against a server."""

import asyncio
import contextlib
import contextvars

import falcon.asgi
import pytest
from msgspec import Struct

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import ConnectionFailed
from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from pytest_pachinko import SessionClosed
from pytest_pachinko import Stalled
from pytest_pachinko import WebSocketTestClient

pytestmark = pytest.mark.asyncio

SAID = contextvars.ContextVar("SAID", default="nothing")


class Fail(Struct, tag="fail"):
    pass


class Fragile(WebSocketResource):
    """Breaks when it is told to."""

    schema = Fail

    async def on_connect(self, req, ws):
        await self.accept(headers={"x-room": "tea"})

    async def on_fail(self, ws, message):
        raise ValueError("broken")


def create_app():
    router = WebSocketRouter()
    router.add_route("/fragile", Fragile)
    app = falcon.asgi.App()
    install(app, router)
    return app


def asgi(serve):
    """Make an application of a coroutine that is called when a peer has connected."""

    async def app(scope, receive, send):
        assert scope["type"] == "websocket"
        await receive()
        await serve(scope, receive, send)

    return app


async def idle(scope, receive, send):
    await send({"type": "websocket.accept"})
    await receive()


async def tick(scope, receive, send):
    await send({"type": "websocket.accept"})
    await asyncio.sleep(3600)
    await send({"type": "websocket.send", "text": "tick"})
    await receive()


@contextlib.asynccontextmanager
async def live(app):
    async with LiveServer(app) as server:
        yield server.client()


on_both = pytest.mark.parametrize("transport", [MemoryTransport, live])


# The same.


@on_both
async def test_an_exception_reaches_the_test(transport):
    async with transport(create_app()) as connect:
        with pytest.raises(ValueError, match="broken"):
            async with connect("/fragile") as session:
                await session.send(Fail())


@on_both
async def test_an_exception_is_a_close_with_1011_for_who_is_not_to_know_of_it(transport):
    async with (
        transport(create_app()) as connect,
        connect("/fragile", raise_app_exceptions=False) as session,
    ):
        await session.send(Fail())
        with pytest.raises(SessionClosed) as end:
            await session.receive()

    assert end.value.code == 1011


@on_both
async def test_a_receive_that_nothing_can_satisfy_fails_at_once(transport):
    async with transport(asgi(idle)) as connect, connect("/") as session:
        with pytest.raises(Stalled, match="nothing can run"):
            await session.receive()


@on_both
async def test_silence_is_known(transport):
    async with transport(asgi(idle)) as connect, connect("/") as session:
        before = session.trace[-1].time
        await session.expect_silence()
        await session.close()

    assert session.trace[-1].time == before


@on_both
async def test_an_hour_costs_no_time(transport):
    async with transport(asgi(tick)) as connect, connect("/") as session:
        with pytest.raises(Stalled):
            await session.receive()
        assert await session.receive(within=3600) == "tick"


@on_both
async def test_the_clock_of_the_test_moves_time(transport, websocket_clock):
    async with transport(asgi(tick)) as connect, connect("/") as session:
        await websocket_clock.advance(3599)
        await session.expect_silence()
        await websocket_clock.advance(1)
        assert await session.receive() == "tick"


@on_both
async def test_the_application_runs_in_the_event_loop_of_the_test(transport):
    loops = []

    async def serve(scope, receive, send):
        loops.append(asyncio.get_running_loop())
        await send({"type": "websocket.accept"})

    async with transport(asgi(serve)) as connect, connect("/"):
        pass

    assert loops == [asyncio.get_running_loop()]


# Different on purpose.


async def test_a_subprotocol_that_was_not_offered_is_the_applications_error_only_in_memory():
    async def serve(scope, receive, send):
        await send({"type": "websocket.accept", "subprotocol": "chat.v2"})
        await receive()

    async with MemoryTransport(asgi(serve)) as connect:
        with pytest.raises(RuntimeError, match=r"chat\.v2"):
            async with connect("/"):
                pass
    async with live(asgi(serve)) as connect:
        with pytest.raises(ConnectionFailed, match="subprotocols"):
            async with connect("/"):
                pass


async def test_the_code_behind_a_denial_is_seen_only_in_memory():
    async with MemoryTransport(create_app()) as connect:
        in_memory = await connect.denied("/nowhere")
    async with live(create_app()) as connect:
        on_a_server = await connect.denied("/nowhere")

    assert (in_memory.close_code, on_a_server.close_code) == (3404, None)


# Different because there is no network.


async def test_compression_is_negotiated_by_a_server_only():
    async with MemoryTransport(create_app()) as connect, connect("/fragile") as session:
        assert session.compression is None
    async with live(create_app()) as connect, connect("/fragile") as session:
        assert session.compression.startswith("permessage-deflate")
    async with (
        LiveServer(create_app(), ws_per_message_deflate=False) as server,
        server.client().connect("/fragile") as session,
    ):
        assert session.compression is None


@pytest.mark.slow
async def test_a_message_of_17_mib_arrives_only_in_memory():
    arrived = []

    async def serve(scope, receive, send):
        await send({"type": "websocket.accept"})
        arrived.append((await receive())["type"])

    for transport in (MemoryTransport, live):
        async with transport(asgi(serve)) as connect, connect("/") as session:
            await session.send(bytes(17 * 2**20))
            with pytest.raises(SessionClosed) as end:
                await session.receive()

    assert arrived == ["websocket.receive", "websocket.disconnect"]
    assert end.value.code == 1009


async def test_a_lone_surrogate_of_the_test_can_be_sent_only_in_memory():
    async with MemoryTransport(asgi(idle)) as connect, connect("/") as session:
        await session.send("\ud800")
    async with live(asgi(idle)) as connect, connect("/") as session:
        with pytest.raises(UnicodeEncodeError):
            await session.send("\ud800")


async def test_a_server_adds_headers_to_the_response():
    async with MemoryTransport(create_app()) as connect, connect("/fragile") as session:
        assert dict(session.response_headers) == {"x-room": "tea"}
    async with live(create_app()) as connect, connect("/fragile") as session:
        assert session.response_headers["x-room"] == "tea"
        assert {"date", "server", "sec-websocket-accept"} <= session.response_headers.keys()


async def test_the_scope_in_memory_is_that_of_a_fixed_client():
    scopes = []

    async def serve(scope, receive, send):
        scopes.append(scope)
        await send({"type": "websocket.accept"})

    for transport in (MemoryTransport, live):
        async with transport(asgi(serve)) as connect, connect("/"):
            pass
    memory, server = scopes

    assert memory.keys() == server.keys()
    assert memory["client"] == ("127.0.0.1", 50000)
    assert memory["server"] == ("testserver", 80)
    # No origin either: a browser sends one.
    assert {name for name, _ in server["headers"]} - {name for name, _ in memory["headers"]} == {
        b"sec-websocket-extensions",
        b"user-agent",
    }


async def test_context_variables_of_the_test_reach_the_application_only_in_memory():
    seen = []

    async def serve(scope, receive, send):
        seen.append(SAID.get())
        await send({"type": "websocket.accept"})

    SAID.set("hello")
    for transport in (MemoryTransport, live):
        async with transport(asgi(serve)) as connect, connect("/"):
            pass

    assert seen == ["hello", "nothing"]


async def test_there_is_tls_only_on_a_server():
    schemes = []

    async def serve(scope, receive, send):
        schemes.append(scope["scheme"])
        await send({"type": "websocket.accept"})

    async with MemoryTransport(asgi(serve)) as connect, connect("/"):
        pass
    async with LiveServer(asgi(serve), tls=True) as server, server.client().connect("/"):
        pass

    assert schemes == ["ws", "wss"]


# Any other server.


async def test_a_wait_for_any_other_server_has_a_limit_in_real_time():
    async with LiveServer(asgi(idle)) as server:
        client = WebSocketTestClient(server.url, allow_insecure=True, timeout=0.5)
        async with client.connect("/") as session:
            with pytest.raises(Stalled, match=r"0\.5 s of real time have passed"):
                await session.receive()


async def test_an_exception_of_any_other_server_is_not_seen_by_the_session():
    async with LiveServer(create_app(), raise_for_others=False) as server:
        client = WebSocketTestClient(server.url, allow_insecure=True)
        async with client.connect("/fragile") as session:
            await session.send(Fail())
            with pytest.raises(SessionClosed) as end:
                await session.receive()

    assert end.value.code == 1011
