"""What has broken the promises of live sessions once: each is a promise in one sentence."""

import asyncio
import contextlib
import threading
import urllib.request

import pytest
import websockets
from websockets.frames import Frame
from websockets.frames import Opcode

from pytest_pachinko import LeftBehind
from pytest_pachinko import LifespanFailed
from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import SessionClosed
from pytest_pachinko import Stalled
from pytest_pachinko import UnexpectedMessage
from pytest_pachinko.clock import virtual_time
from pytest_pachinko.clock.adopt import adoption_of
from pytest_pachinko.leaving import HORIZON
from tests.live.test_client import accept
from tests.live.test_client import client_of

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["memory", "live"])
def serving(request):
    """Run an application on a transport; yield what opens sessions to it."""

    @contextlib.asynccontextmanager
    async def serving(app, **options):
        options = {"lifespan": False} | options
        if request.param == "memory":
            async with MemoryTransport(app, **options) as connect:
                yield connect
        else:
            async with LiveServer(app, **options) as server:
                yield server.client()

    return serving


# Silence and stalls.


async def test_silence_lasts_as_long_as_was_said(app_of, serving):
    async def speak_late(receive, send):
        await asyncio.sleep(0.2)
        await send({"type": "websocket.send", "text": "late"})
        await receive()

    async with serving(app_of(speak_late)) as connect, connect("/") as session:
        with pytest.raises(UnexpectedMessage, match="late"):
            await session.expect_silence(within=1)


async def test_silence_right_after_connecting_is_listened_to_elsewhere_too(somewhere):
    async def speak_late(connection):
        asyncio.get_running_loop().call_later(0.02, said.set)
        await said.wait()
        await connection.send("late")
        await connection.wait_closed()

    said = asyncio.Event()
    async with somewhere(speak_late) as url, client_of(url).connect("/") as session:
        with pytest.raises(UnexpectedMessage, match="late"):
            await session.expect_silence()


async def test_a_failure_ends_silence(app_of, serving):
    async def break_down(receive, send):
        await asyncio.sleep(0.2)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        async with serving(app_of(break_down)) as connect, connect("/") as session:
            await session.expect_silence(within=1000)


async def test_a_stranger_that_is_idle_does_not_make_a_talk_silent(echo):
    async with LiveServer(echo, lifespan=False) as server, websockets.connect(server.url):
        connect = server.client()
        async with connect("/a") as a, connect("/b") as b:

            async def talk():
                for _ in range(300):
                    await a.send("x")
                    await a.receive()
                await b.send("done")

            talking = asyncio.create_task(talk())
            with pytest.raises(UnexpectedMessage, match="done"):
                await b.expect_silence()
            await talking


async def test_a_thread_that_does_not_end_fails_a_wait_with_a_deadline(
    app_of, serving, monkeypatch
):
    monkeypatch.setattr("pytest_pachinko.clock.core.OUTSIDE_PATIENCE", 0.05)
    go = threading.Event()

    async def work(receive, send):
        await asyncio.to_thread(go.wait, 30)
        await receive()

    async with serving(app_of(work)) as connect, connect("/") as session:
        with pytest.raises(Stalled, match="work outside of the event loop does not end"):
            await session.receive(within=0.02)
        go.set()


async def test_an_application_that_needs_time_to_end_has_it_while_others_wait(app_of, serving):
    async def end_slowly(receive, send):
        while (await receive())["type"] == "websocket.receive":
            pass
        await asyncio.sleep(1)

    async with serving(app_of(end_slowly)) as connect, connect("/a") as a:
        waiting = asyncio.create_task(a.receive())
        async with connect("/b") as b:
            await b.expect_silence()

        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_an_application_may_be_a_client_of_another_one(app_of, echo):
    async with LiveServer(echo, lifespan=False) as back:

        async def pass_on(receive, send):
            async with back.client().connect("/", name="upstream") as upstream:
                while (event := await receive())["type"] == "websocket.receive":
                    await upstream.send(event["text"])
                    await send({"type": "websocket.send", "text": await upstream.receive()})

        async with LiveServer(app_of(pass_on), lifespan=False) as front:
            async with front.client().connect("/") as session:
                await session.send("a")
                await session.expect("a")
                await session.expect_silence()


async def test_a_second_server_does_not_shorten_the_patience_of_the_first(app_of, echo):
    clock = adoption_of(asyncio.get_running_loop()).clock
    before = clock.patience
    async with LiveServer(echo, lifespan=False, timeout=5):
        async with LiveServer(echo, lifespan=False, timeout=2):
            assert clock.patience == 5

    assert clock.patience == before


async def test_two_ends_with_one_port_are_told_apart(echo):
    async with LiveServer(echo, lifespan=False) as one, LiveServer(echo, lifespan=False) as two:
        first, second = one.client(), two.client()
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(50):
                await stack.enter_async_context(first("/"))
                await stack.enter_async_context(second("/"))


# Elsewhere.


async def test_a_ping_to_who_reads_nothing_has_a_limit(raw_server):
    async def ignore(reader, writer):
        await accept(reader, writer)
        writer.transport.pause_reading()
        await asyncio.Event().wait()

    async with raw_server(ignore) as port:
        client = client_of(f"ws://127.0.0.1:{port}", compression=None, timeout=0.5)
        async with client.connect("/") as session:
            with pytest.raises(Stalled):
                for _ in range(1000):
                    await session.send(bytes(2**20))
            with pytest.raises(Stalled, match=r"ping\(\): no pong came"):
                await session.ping(within=0.02)
            await session.drop()


async def test_two_pings_with_the_same_data_are_not_told_apart(raw_server):
    async def ignore(reader, writer):
        await accept(reader, writer)
        await reader.read()

    async with raw_server(ignore) as port:
        async with client_of(f"ws://127.0.0.1:{port}").connect("/") as session:
            with pytest.raises(Stalled):
                await session.ping(b"same", within=0.02)
            with pytest.raises(PachinkoUsageError, match=r"ping\(b'same'\).*not answered yet"):
                await session.ping(b"same")
            await session.drop()


@pytest.mark.parametrize(
    "broken",
    [
        Frame(Opcode.TEXT, b"\xff").serialize(mask=False),
        Frame(Opcode.CONT, b"x").serialize(mask=False),
        b"\x83\x00",
    ],
)
async def test_what_breaks_the_protocol_ends_the_session_at_once(raw_server, broken):
    async def lie(reader, writer):
        await accept(reader, writer)
        writer.write(Frame(Opcode.TEXT, b"ok").serialize(mask=False))
        writer.write(broken + Frame(Opcode.TEXT, b"after").serialize(mask=False))
        await reader.read(1)

    async with raw_server(lie) as port:
        client = client_of(f"ws://127.0.0.1:{port}", compression=None)
        async with client.connect("/") as session:
            await session.expect("ok")
            with pytest.raises(SessionClosed, match=r"closed by the test with 100[27]"):
                await session.receive()
            with pytest.raises(SessionClosed):
                await session.send("more")


async def test_leaving_with_much_unread_does_not_take_the_timeout(somewhere):
    async def pour(connection):
        for _ in range(8):
            await connection.send(bytes(2**20))
        await connection.wait_closed()

    async with somewhere(pour, compression=None) as url:
        async with asyncio.timeout(20):
            async with client_of(url, timeout=30).connect("/") as session:
                await session.receive()
                while not session._wire.connection.transport.is_reading():
                    await asyncio.sleep(0)


async def test_tls_that_is_not_answered_is_not_waited_for_for_ever(raw_server):
    async def ignore(reader, writer):
        await reader.read()
        await asyncio.Event().wait()

    async with raw_server(ignore) as port:
        with pytest.raises(Stalled, match="handshake is not answered"):
            async with client_of(f"wss://127.0.0.1:{port}", timeout=0.2).connect("/"):
                pass


# Starting and stopping.


def open_descriptors():
    selector = asyncio.get_running_loop()._selector
    return set(selector.get_map())


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("tls", [False, True])
async def test_who_is_cancelled_while_starting_leaves_nothing_behind(echo, turns, tls):
    async def run():
        async with LiveServer(echo, lifespan=False, tls=tls):
            await asyncio.Event().wait()

    tasks, watched = asyncio.all_tasks(), open_descriptors()
    running = asyncio.create_task(run())
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert asyncio.all_tasks() == tasks
    assert open_descriptors() == watched


@pytest.mark.parametrize("turns", range(1, 24, 3))
async def test_who_is_cancelled_while_stopping_leaves_nothing_behind(app_of, turns):
    served = []

    async def linger(receive, send):
        served.append(asyncio.current_task())
        await asyncio.Event().wait()

    async def run():
        async with LiveServer(app_of(linger), lifespan=False, timeout=0.05) as server:
            peers.append(await websockets.connect(server.url))
            stopping.set()

    peers, stopping = [], asyncio.Event()
    running = asyncio.create_task(run())
    await stopping.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises((asyncio.CancelledError, LeftBehind)):
        await running
    await peers[0].wait_closed()

    await asyncio.wait(served)


async def test_many_that_do_not_end_take_the_time_of_one(app_of):
    async def linger(receive, send):
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    with virtual_time(), pytest.raises(LeftBehind):
        async with LiveServer(app_of(linger), lifespan=False) as server:
            peers = [await websockets.connect(server.url) for _ in range(8)]
            before = loop.time()

    assert loop.time() - before < 2 * HORIZON
    for peer in peers:
        await peer.wait_closed()


async def test_a_peer_that_never_speaks_tls_is_cut_off(echo):
    async with LiveServer(echo, lifespan=False, tls=True) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while not server._listener.accepted:
            await asyncio.sleep(0)

    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_an_application_has_time_to_end_after_an_unanswered_handshake():
    ended = []

    async def app(scope, receive, send):
        await receive()
        await receive()
        await asyncio.sleep(1)
        ended.append(True)

    async with LiveServer(app, lifespan=False) as server:
        with pytest.raises(Stalled) as stall:
            async with server.client().connect("/"):
                pass

    assert ended
    assert not hasattr(stall.value, "__notes__")
    assert not server._expected


# What was raised.


def get(url):
    with contextlib.suppress(urllib.request.HTTPError):
        urllib.request.urlopen(url)  # noqa: S310 - our own


async def test_everything_that_was_raised_is_told():
    async def app(scope, receive, send):
        raise ValueError(scope["path"])

    with pytest.raises(ValueError, match="/a") as caught:
        async with LiveServer(app, lifespan=False) as server:
            await asyncio.to_thread(get, f"{server.http_url}/a")
            await asyncio.to_thread(get, f"{server.http_url}/b")

    assert "ValueError('/b')" in caught.value.__notes__[0]


async def test_what_was_raised_is_told_beside_a_failure_that_has_a_cause():
    async def app(scope, receive, send):
        raise ValueError("lost")

    with pytest.raises(RuntimeError) as caught:
        async with LiveServer(app, lifespan=False) as server:
            await asyncio.to_thread(get, server.http_url)
            raise RuntimeError("test") from KeyError("cause")

    assert "ValueError('lost')" in caught.value.__notes__[0]


async def test_what_was_raised_is_told_beside_a_shutdown_that_fails():
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "no"})
            return
        raise ValueError("broken")

    with pytest.raises(LifespanFailed) as caught:
        async with LiveServer(app) as server:
            await asyncio.to_thread(get, server.http_url)

    told = [*getattr(caught.value, "__notes__", ()), repr(caught.value.__cause__)]
    assert any("ValueError('broken')" in each for each in told)


async def test_a_loop_that_was_closed_before_is_left_alone(echo):
    def run():
        loop = asyncio.new_event_loop()
        adoption = adoption_of(loop)
        adoption.enter()
        loop.close()
        adoption.exit()

    await asyncio.to_thread(run)


async def test_a_start_that_fails_leaves_no_socket(echo, monkeypatch):
    server = LiveServer(echo, lifespan=False, backlog="many")
    watched = open_descriptors()

    with pytest.raises(TypeError):
        async with server:
            pass

    assert server._listener.fileno() == -1
    assert open_descriptors() == watched
