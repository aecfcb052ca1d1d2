"""The application under uvicorn, in the event loop of the test."""

import asyncio
import signal
import sys
import urllib.request

import falcon
import falcon.asgi
import pytest
import websockets

from pytest_pachinko import Closed
from pytest_pachinko import HandshakeDenied
from pytest_pachinko import LeftBehind
from pytest_pachinko import LifespanFailed
from pytest_pachinko import LiveServer
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import SessionClosed
from pytest_pachinko import Stalled
from pytest_pachinko.clock import advance
from pytest_pachinko.clock import virtual_time

pytestmark = pytest.mark.asyncio

UPGRADE = (
    b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def test_a_session_talks_to_the_application(echo):
    async with LiveServer(echo, lifespan=False) as server:
        async with server.client().connect("/") as session:
            await session.send("hi")

            assert await session.receive() == "hi"


async def test_a_server_has_a_port_of_its_own(echo):
    async with LiveServer(echo, lifespan=False) as one, LiveServer(echo, lifespan=False) as two:
        assert one.port != two.port
        assert one.url == f"ws://127.0.0.1:{one.port}"
        assert one.http_url == f"http://127.0.0.1:{one.port}"
        assert repr(one) == f"<LiveServer {one.url}>"


async def test_a_server_may_be_started_again(echo):
    server = LiveServer(echo, lifespan=False)
    for _ in range(2):
        async with server:
            async with server.client().connect("/") as session:
                await session.send("hi")
                await session.expect("hi")

    assert repr(server) == "<LiveServer not running>"


async def test_a_server_that_runs_is_not_started_again(echo):
    async with LiveServer(echo, lifespan=False) as server:
        with pytest.raises(PachinkoUsageError, match="runs already"):
            await server.__aenter__()


async def test_a_server_that_does_not_run_has_no_port(echo):
    with pytest.raises(PachinkoUsageError, match="not running"):
        _ = LiveServer(echo).url


async def test_tls_is_verified_by_the_clients_of_the_server(echo):
    async with LiveServer(echo, lifespan=False, tls=True) as server:
        async with server.client().connect("/") as session:
            await session.send("hi")
            await session.expect("hi")

        assert server.url.startswith("wss://")
        assert server.http_url.startswith("https://")


@pytest.mark.filterwarnings(
    "ignore:The `websockets` implementation is deprecated",
    "ignore:websockets.legacy is deprecated:DeprecationWarning",
    "ignore:remove second argument of ws_handler:DeprecationWarning",
)
@pytest.mark.parametrize("ws", ["websockets", "websockets-sansio", "wsproto"])
async def test_any_implementation_of_uvicorn_serves(echo, ws):
    async with LiveServer(echo, lifespan=False, ws=ws) as server:
        async with server.client().connect("/") as session:
            await session.send("hi")
            await session.expect("hi")
            await session.expect_silence()


async def test_a_frame_that_is_too_large_closes_with_1009(echo):
    async with LiveServer(echo, lifespan=False, ws_max_size=100) as server:
        async with server.client().connect("/") as session:
            await session.send("x" * 101)

            await session.expect(Closed(1009, by="app"))


# What the application raises.


async def test_an_exception_of_the_application_is_raised_in_the_test(app_of):
    async def break_down(receive, send):
        await receive()
        raise ValueError("broken")

    async with LiveServer(app_of(break_down), lifespan=False) as server:
        with pytest.raises(ValueError, match="broken"):
            async with server.client().connect("/") as session:
                await session.send("go")
                await session.receive()


async def test_an_exception_before_the_accept_is_raised_where_the_session_is_opened():
    async def app(scope, receive, send):
        raise ValueError("broken")

    async with LiveServer(app, lifespan=False) as server:
        with pytest.raises(ValueError, match="broken"):
            async with server.client().connect("/"):
                pass


async def test_an_exception_that_falcon_handles_is_raised_in_the_test_too():
    class Broken:
        async def on_websocket(self, req, ws):
            await ws.accept()
            raise ValueError("broken")

    app = falcon.asgi.App()
    app.add_route("/", Broken())
    async with LiveServer(app) as server:
        with pytest.raises(ValueError, match="broken"):
            async with server.client().connect("/") as session:
                await session.receive()


async def test_an_exception_may_be_left_to_the_wire(app_of):
    async def break_down(receive, send):
        raise ValueError("broken")

    async with LiveServer(app_of(break_down), lifespan=False) as server:
        connect = server.client()
        async with connect("/", raise_app_exceptions=False) as session:
            await session.expect(Closed(by="app"))


async def test_an_exception_of_a_task_of_the_connection_is_raised_at_the_end(app_of):
    async def start(receive, send):
        async def work():
            raise ValueError("broken")

        asyncio.create_task(work())  # noqa: RUF006
        await receive()

    async with LiveServer(app_of(start), lifespan=False) as server:
        with pytest.raises(ValueError, match="broken"):
            async with server.client().connect("/") as session:
                await session.expect_silence()


async def test_an_exception_for_a_client_that_is_no_session_is_raised_when_the_server_stops():
    async def app(scope, receive, send):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        async with LiveServer(app, lifespan=False) as server:
            with pytest.raises(urllib.request.HTTPError, match="500"):
                await asyncio.to_thread(urllib.request.urlopen, server.http_url)


async def test_what_is_raised_for_others_may_be_muted():
    async def app(scope, receive, send):
        raise ValueError("broken")

    async with LiveServer(app, lifespan=False, raise_for_others=False) as server:
        with pytest.raises(urllib.request.HTTPError, match="500"):
            await asyncio.to_thread(urllib.request.urlopen, server.http_url)


async def test_http_is_served_too():
    class Hello:
        async def on_get(self, req, resp):
            resp.text = "hello"

    app = falcon.asgi.App()
    app.add_route("/", Hello())

    def get(url):
        with urllib.request.urlopen(url) as response:  # noqa: S310 - our own
            return response.read()

    async with LiveServer(app) as server:
        assert await asyncio.to_thread(get, server.http_url) == b"hello"


async def test_the_client_address_that_a_proxy_claims_does_not_hide_the_session(app_of):
    async def break_down(receive, send):
        raise ValueError("broken")

    async with LiveServer(app_of(break_down), lifespan=False) as server:
        with pytest.raises(ValueError, match="broken"):
            async with server.client().connect("/", headers={"x-forwarded-for": "1.2.3.4"}) as s:
                await s.receive()


# Lifespan.


async def test_the_lifespan_of_the_application_runs_around_the_server():
    log = []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            scope["state"]["word"] = "tea"
            for phase in ("startup", "shutdown"):
                await receive()
                log.append(phase)
                await send({"type": f"lifespan.{phase}.complete"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["state"]["word"]})
        await receive()

    async with LiveServer(app) as server:
        async with server.client().connect("/") as session:
            await session.expect("tea")
        assert log == ["startup"]

    assert log == ["startup", "shutdown"]


async def test_a_start_up_that_fails_says_why_and_leaves_no_server():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    server = LiveServer(app)
    with pytest.raises(LifespanFailed, match="no database"):
        async with server:
            pass

    assert repr(server) == "<LiveServer not running>"


# Stopping.


async def test_a_session_that_is_open_when_the_server_stops_is_named(echo):
    server = LiveServer(echo, lifespan=False)
    with pytest.raises(LeftBehind, match=r"(?s)stopped while /room was open.*leave the block"):
        async with server:
            session = await server.client().connect("/room").__aenter__()

    assert session.close_code == 1001


async def test_a_client_that_is_no_session_is_closed_with_1012(echo):
    async with LiveServer(echo, lifespan=False) as server:
        peer = await websockets.connect(server.url)
    await peer.wait_closed()

    assert peer.close_code == 1012


async def test_a_task_that_outlives_the_server_is_named_and_cancelled(app_of):
    tasks = []

    async def linger(receive, send):
        tasks.append(asyncio.current_task())
        await asyncio.Event().wait()

    with pytest.raises(LeftBehind, match=r"(?s)did not end when the server stopped.*in .*linger"):
        async with LiveServer(app_of(linger), lifespan=False, timeout=0.05) as server:
            peer = await websockets.connect(server.url)
    await peer.wait_closed()

    assert all(task.done() for task in tasks)


async def test_a_peer_that_reads_nothing_does_not_keep_the_server_from_stopping(app_of):
    async def pour(receive, send):
        while True:
            await send({"type": "websocket.send", "bytes": bytes(2**16)})

    with pytest.raises(LeftBehind, match=r"(?s)did not end when the server stopped.*in .*pour"):
        async with LiveServer(app_of(pour), lifespan=False, timeout=0.05) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            # Until nothing more fits into the buffers in between.
            (connection,) = server._server.server_state.connections
            while not connection.transport.get_write_buffer_size():
                await asyncio.sleep(0)
    writer.close()


async def test_an_application_that_ignores_the_end_of_its_session_is_named(app_of):
    async def linger(receive, send):
        await asyncio.Event().wait()

    async with LiveServer(app_of(linger), lifespan=False) as server:
        with pytest.raises(LeftBehind, match="does not return after its connection ended"):
            async with server.client().connect("/"):
                pass


async def test_an_application_may_take_its_time_to_end(app_of):
    ended = []

    async def say_goodbye(receive, send):
        await receive()
        await asyncio.sleep(50)
        ended.append(True)

    async with LiveServer(app_of(say_goodbye), lifespan=False) as server:
        async with server.client().connect("/"):
            pass

    assert ended


async def test_the_signal_handlers_stay_as_they_are(echo):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    async with LiveServer(echo, lifespan=False):
        during = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    assert during == before


async def test_nothing_stays_behind_of_a_server(echo):
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks()
    watched = len(loop._selector.get_map())
    async with LiveServer(echo, lifespan=False) as server:
        async with server.client().connect("/") as session:
            await session.send("hi")
            await session.expect("hi")

    assert asyncio.all_tasks() == tasks
    assert len(loop._selector.get_map()) == watched


async def test_the_time_that_a_peer_has_to_answer_a_close_is_the_servers(app_of):
    peers = []

    async def close_the_first(receive, send):
        peers.append(send)
        if len(peers) == 2:
            await peers[0]({"type": "websocket.close"})
        await receive()

    async with LiveServer(app_of(close_the_first), lifespan=False) as server:
        # Somebody who never answers a close.
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        async with server.client().connect("/"):
            assert await reader.read(1) == b"\x88"
        writer.close()
        await writer.wait_closed()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The `websockets`")
@pytest.mark.parametrize("ws", ["websockets", "websockets-sansio", "wsproto"])
async def test_a_send_ends_when_the_server_has_closed(echo, ws):
    async with LiveServer(echo, lifespan=False, ws=ws, ws_max_size=2**16) as server:
        async with server.client(compression=None).connect("/") as session:
            await session.send_text("x" * 2**24)
            await session.expect(Closed(1009))


# Virtual time and quiescence over real sockets.


async def test_a_receive_that_nothing_can_satisfy_fails_at_once_and_says_who_waits(echo):
    async with LiveServer(echo, lifespan=False, timeout=1000) as server:
        async with server.client().connect("/") as session:
            with pytest.raises(Stalled, match=r"(?s)nothing can run.*in .*echo: while"):
                await session.receive()


async def test_the_next_ping_of_the_server_is_nothing_to_wait_for(echo):
    async with LiveServer(echo, lifespan=False) as server:
        async with server.client().connect("/") as session:
            with pytest.raises(Stalled) as stall:
                await session.receive()

    assert "send_keepalive_ping" not in str(stall.value)
    assert "within=" not in str(stall.value)


async def test_time_moves_when_the_test_says_so(app_of):
    async def tick(receive, send):
        while True:
            await asyncio.sleep(30)
            await send({"type": "websocket.send", "text": "tick"})

    async with LiveServer(app_of(tick), lifespan=False, ws_ping_interval=None) as server:
        with virtual_time():
            async with server.client().connect("/") as session:
                await advance(29.9)
                await session.expect_silence()
                await advance(0.1)
                await session.expect("tick")


async def test_a_server_pings_on_virtual_time_and_is_answered(echo):
    async with LiveServer(echo, lifespan=False, ws_ping_interval=20, ws_ping_timeout=20) as server:
        async with server.client().connect("/") as session:
            await advance(3600)

            await session.expect_silence()


async def test_a_frame_of_many_segments_is_waited_for(echo):
    async with LiveServer(echo, lifespan=False, ws_per_message_deflate=False) as server:
        async with server.client(max_size=None).connect("/") as session:
            await session.send(bytes(2**23))

            assert await session.receive() == bytes(2**23)


async def test_a_sender_waits_for_an_application_that_does_not_read(app_of):
    release = asyncio.Event()

    async def read_later(receive, send):
        await release.wait()
        while (await receive())["type"] == "websocket.receive":
            pass

    async with LiveServer(app_of(read_later), lifespan=False, ws_per_message_deflate=False) as s:
        async with s.client().connect("/") as session:
            with pytest.raises(Stalled, match=r"send\(\): the application reads nothing"):
                for _ in range(1000):
                    await session.send(bytes(2**16))
            release.set()


async def test_an_application_waits_for_a_session_that_does_not_read(app_of):
    sent = []

    async def pour(receive, send):
        for number in range(400):
            await send({"type": "websocket.send", "bytes": bytes(2**16)})
            sent.append(number)
        await receive()

    async with LiveServer(app_of(pour), lifespan=False, ws_per_message_deflate=False) as server:
        async with server.client().connect("/") as session:
            first = await session.receive()
            unread = len(sent)
            for _ in range(399):
                await session.receive()

    assert len(first) == 2**16
    assert unread < 400
    assert len(sent) == 400


async def test_time_is_real_while_somebody_else_is_connected(echo):
    async with LiveServer(echo, lifespan=False, timeout=0.05) as server:
        async with websockets.connect(server.url), server.client().connect("/") as session:
            with pytest.raises(Stalled, match=r"time is real.*0\.05 s have passed"):
                await session.receive()


async def test_a_denial_names_the_address_and_what_was_offered():
    app = falcon.asgi.App()
    async with LiveServer(app) as server:
        with pytest.raises(HandshakeDenied, match=r"(?s)HTTP 403.*offered were chat.v9"):
            async with server.client().connect("/nowhere", subprotocols=["chat.v9"]):
                pass


async def test_a_server_that_is_stopped_is_connected_to_no_more(echo):
    async with LiveServer(echo, lifespan=False) as server:
        client = server.client()

    with pytest.raises(PachinkoUsageError, match="has been stopped"):
        async with client.connect("/"):
            pass


# Options.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ws_max_sice": 1}, r"(?s)none of uvicorn's.*Hint: ws_max_size=\.\.\."),
        ({"port": 80}, r"the server's own to choose"),
        ({"nonsense": 1}, r"(?s)none of uvicorn's.*see uvicorn.Config"),
        ({"ws": "wsprotto"}, r"LiveServer\(ws='wsprotto'\): uvicorn has .*'wsproto'"),
        ({"clock": "later"}, r"'later' is no policy"),
    ],
)
async def test_an_option_that_does_not_exist_is_refused(echo, options, message):
    with pytest.raises(PachinkoUsageError, match=message):
        LiveServer(echo, **options)


async def test_options_that_uvicorn_cannot_take_stop_the_application_again():
    log = []

    async def app(scope, receive, send):
        for phase in ("startup", "shutdown"):
            await receive()
            log.append(phase)
            await send({"type": f"lifespan.{phase}.complete"})

    with pytest.raises(ValueError, match="HTTP/2 requires"):
        async with LiveServer(app, http2=True):
            pass

    assert log == ["startup", "shutdown"]


async def test_a_missing_uvicorn_names_the_extra(echo, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    with pytest.raises(PachinkoUsageError, match=r"(?s)LiveServer needs uvicorn.*\[testing\]"):
        LiveServer(echo)


async def test_a_missing_trustme_names_the_extra(echo, monkeypatch):
    from pytest_pachinko.live import _authority

    _authority.cache_clear()
    monkeypatch.setitem(sys.modules, "trustme", None)

    with pytest.raises(PachinkoUsageError, match=r"(?s)needs trustme.*\[testing\]"):
        LiveServer(echo, tls=True)


async def test_nothing_is_sent_after_the_end(echo):
    async with LiveServer(echo, lifespan=False) as server:
        async with server.client().connect("/") as session:
            await session.close()

            with pytest.raises(SessionClosed):
                await session.send("hi")
