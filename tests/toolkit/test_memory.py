"""Sessions in memory, from the handshake to what stays behind."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from contextlib import suppress
from typing import Any

import falcon
import pytest

from pytest_pachinko import Accepted
from pytest_pachinko import ApplicationFailure
from pytest_pachinko import Closed
from pytest_pachinko import Denied
from pytest_pachinko import FromApp
from pytest_pachinko import HandshakeDenied
from pytest_pachinko import LeftBehind
from pytest_pachinko import MemoryTransport
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import SessionClosed
from pytest_pachinko import Stalled
from pytest_pachinko import ToApp

pytestmark = pytest.mark.asyncio


async def forever(*_: Any) -> None:
    await asyncio.Event().wait()


# The handshake.


async def test_a_refusal_says_how_it_came_about(falcon_app: Any) -> None:
    async def refuse(req: Any, ws: Any) -> None:
        await ws.close(3401)

    with pytest.raises(HandshakeDenied) as caught:
        async with MemoryTransport(falcon_app(refuse))("/"):
            pass

    assert (caught.value.status, caught.value.close_code, caught.value.body) == (403, 3401, b"")
    assert "closed with 3401 before it accepted" in str(caught.value)
    assert "websocket_connect.denied(path, status=403)" in str(caught.value)


async def test_a_refusal_may_be_a_response() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "websocket.http.response.start", "status": 402, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"pay", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b" up"})

    with pytest.raises(HandshakeDenied, match="HTTP 402: pay up") as caught:
        async with MemoryTransport(app, lifespan=False)("/"):
            pass

    assert (caught.value.status, caught.value.body, caught.value.close_code) == (
        402,
        b"pay up",
        None,
    )
    assert caught.value.headers["Content-Type"] == "text/plain"


async def test_an_application_that_returns_without_accepting_has_refused() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(HandshakeDenied, match="returned without accepting") as caught:
        async with MemoryTransport(app, lifespan=False)("/"):
            pass

    assert caught.value.status == 500


async def test_an_application_that_never_answers_is_said_to_wait() -> None:
    with pytest.raises(Stalled, match=r"(?s)handshake is not answered.*Event\(\)\.wait"):
        async with MemoryTransport(forever, lifespan=False)("/"):
            pass


async def test_denied_expects_a_refusal(falcon_app: Any) -> None:
    async def refuse(req: Any, ws: Any) -> None:
        await ws.close(3401)

    denial = await MemoryTransport(falcon_app(refuse)).denied("/", status=403)

    assert (denial.status, denial.close_code) == (403, 3401)


async def test_denied_raises_another_refusal(falcon_app: Any) -> None:
    async def refuse(req: Any, ws: Any) -> None:
        await ws.close()

    with pytest.raises(HandshakeDenied, match="HTTP 403"):
        await MemoryTransport(falcon_app(refuse)).denied("/", status=401)


async def test_denied_fails_where_the_application_accepts(app_of: Any, idle: Any) -> None:
    with pytest.raises(ApplicationFailure, match="/ was accepted, but a denial with 403"):
        await MemoryTransport(app_of(idle), lifespan=False).denied("/")


async def test_a_refusal_is_in_the_trace(falcon_app: Any) -> None:
    async def refuse(req: Any, ws: Any) -> None:
        raise falcon.HTTPForbidden

    connect = MemoryTransport(falcon_app(refuse))
    await connect.denied("/")

    assert connect.traces[0] == [Denied(403)]


# The end.


async def test_an_application_that_never_reads_is_reported_at_the_end(talk_to: Any) -> None:
    with pytest.raises(LeftBehind, match=r"(?s)does not return.*Event\(\)\.wait"):
        async with talk_to(forever):
            pass


async def test_a_test_that_failed_is_told_what_was_left_behind(talk_to: Any) -> None:
    with pytest.raises(KeyError) as caught:
        async with talk_to(forever):
            raise KeyError

    assert "does not return" in caught.value.__notes__[0]


async def test_an_application_that_ignores_the_disconnect_is_reported(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        await receive()
        await forever()

    with pytest.raises(LeftBehind, match="does not return"):
        async with talk_to(handler):
            pass


async def test_an_application_that_refuses_to_be_cancelled_is_reported(talk_to: Any) -> None:
    gate = asyncio.Event()

    async def handler(receive: Any, send: Any) -> None:
        while not gate.is_set():
            with suppress(asyncio.CancelledError):
                await gate.wait()

    with pytest.raises(LeftBehind, match="cancelled"):
        async with talk_to(handler):
            pass
    gate.set()


async def test_tasks_that_stay_behind_are_named_and_cancelled(talk_to: Any) -> None:
    tasks = []

    async def handler(receive: Any, send: Any) -> None:
        tasks.append(asyncio.create_task(forever(), name="ticker"))
        await receive()

    with pytest.raises(LeftBehind, match="ticker: "):
        async with talk_to(handler):
            pass
    assert tasks[0].cancelled()


async def test_an_application_may_clean_up_for_a_while(talk_to: Any) -> None:
    done = []

    async def handler(receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(10)
        done.append(True)

    async with talk_to(handler):
        pass

    assert done == [True]


async def test_a_task_that_ends_with_the_connection_is_not_left_behind(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        task = asyncio.create_task(forever())
        await receive()
        task.cancel()

    async with talk_to(handler):
        pass


async def test_an_application_that_returns_has_closed_with_1006(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        await send({"type": "websocket.send", "text": "1"})

    async with talk_to(handler) as session:
        await session.expect("1", Closed(1006, by="app"))


async def test_a_whole_connection_is_in_its_trace(talk_to: Any, echo: Any) -> None:
    async with talk_to(echo) as session:
        await session.send("1")
        await session.receive()

    assert session.trace == [Accepted(), ToApp("1"), FromApp("1"), Closed(1000, by="peer")]


# Many sessions.


async def test_many_sessions_open_and_close_in_any_order(app_of: Any, echo: Any) -> None:
    connect = MemoryTransport(app_of(echo), lifespan=False)
    chance = random.Random(0)  # noqa: S311 - no cryptography
    stacks = [AsyncExitStack() for _ in range(100)]
    sessions = [await stack.enter_async_context(connect("/")) for stack in stacks]
    order = chance.sample(range(100), 100)

    for number in order:
        await sessions[number].send_json(number)
    for number in chance.sample(order, 100):
        assert await sessions[number].receive_json() == number
        await stacks[number].aclose()

    assert all(session.close_code == 1000 for session in sessions)


async def test_sessions_to_one_path_are_told_apart(app_of: Any, idle: Any) -> None:
    connect = MemoryTransport(app_of(idle), lifespan=False)

    async with connect("/") as first, connect("/") as second, connect("/", name="bob") as third:
        names = [session.trace.connection for session in (first, second, third)]

    assert names == ["/", "/ #2", "bob"]


async def test_a_transport_belongs_to_one_loop(app_of: Any, idle: Any) -> None:
    connect = MemoryTransport(app_of(idle), lifespan=False)

    async def elsewhere() -> None:
        async with connect("/"):
            pass

    async with connect("/"):
        with pytest.raises(PachinkoUsageError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, elsewhere())


# The lifespan.


async def test_the_lifespan_lasts_while_a_session_is_open() -> None:
    events = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                events.append(phase)
                await send({"type": f"lifespan.{phase}.complete"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    connect = MemoryTransport(app)
    async with connect("/"):
        events.append("first")
        async with connect("/"):
            events.append("second")
    events.append("end")

    assert events == ["startup", "first", "second", "shutdown", "end"]


async def test_a_session_that_outlives_its_transport_is_reported_and_ended(
    app_of: Any, idle: Any
) -> None:
    connect = MemoryTransport(app_of(idle))

    with pytest.raises(LeftBehind, match="The application was stopped while /chat was open"):
        async with connect:
            session = await connect("/chat").__aenter__()

    assert session.close_code == 1001


async def test_the_state_of_the_lifespan_reaches_the_first_connection() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["pool"] = "a pool"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        seen.append(scope["state"])
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    async with MemoryTransport(app)("/"):
        pass

    assert seen == [{"pool": "a pool"}]


# Backpressure.


async def test_an_application_that_sends_without_end_waits_for_the_test(talk_to: Any) -> None:
    sent = 0

    async def handler(receive: Any, send: Any) -> None:
        nonlocal sent
        for _ in range(100):
            await send({"type": "websocket.send", "bytes": bytes(1024 * 1024)})
            sent += 1
        await receive()

    async with talk_to(handler) as session:
        assert sent < 10
        for _ in range(100):
            await session.receive()
        await session.expect_silence()

    assert sent == 100


async def test_an_application_that_waits_to_send_hears_of_the_end(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(1024 * 1024)})
        except OSError:
            pass

    async with talk_to(handler) as session:
        await session.receive()
        await asyncio.sleep(0)  # it waits again


async def test_a_test_that_waits_to_send_hears_of_the_end(talk_to: Any) -> None:
    read = asyncio.Event()

    async def handler(receive: Any, send: Any) -> None:
        await read.wait()

    async with talk_to(handler) as session:
        sending = asyncio.create_task(session.send(bytes(5 * 1024 * 1024)))
        await session.expect_silence()
        assert not sending.done()
        await session.drop()
        assert sending.done()
        read.set()


async def test_a_test_that_sends_without_end_fails_if_nobody_reads(talk_to: Any) -> None:
    with pytest.raises(Stalled, match="the application reads nothing"):
        async with talk_to(forever) as session:
            for _ in range(100):
                await session.send(bytes(1024 * 1024))


async def test_a_test_that_sends_without_end_waits_for_the_application(
    talk_to: Any, idle: Any
) -> None:
    async with talk_to(idle) as session:
        for _ in range(20):
            await session.send(bytes(1024 * 1024))


# Whatever the application does wrong on the wire reaches the test.


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"type": "websocket.accept"}, "sent 'websocket.accept' while the connection is open"),
        ({"type": "websocket.send"}, "carries a str as 'text' or bytes as 'bytes'"),
        ({"type": "websocket.send", "text": b"x"}, "carries a str"),
        ({"type": "http.response.start"}, "while the connection is open"),
        ({"type": "websocket.close", "code": 1005}, "closed with 1005: 1000 to 1003, "),
        ({"type": "websocket.close", "reason": "é" * 62}, "a reason of 124 bytes: at most 123"),
    ],
)
async def test_what_a_server_refuses_is_raised(talk_to: Any, event: Any, message: str) -> None:
    async def handler(receive: Any, send: Any) -> None:
        await send(event)

    with pytest.raises((RuntimeError, TypeError), match=message):
        async with talk_to(handler) as session:
            await session.receive()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_bytes_of_any_kind_are_sent_as_bytes(talk_to: Any, says: Any, kind: Any) -> None:
    async with talk_to(says({"type": "websocket.send", "bytes": kind(b"\x00\xff")})) as session:
        assert await session.receive() == b"\x00\xff"


async def test_nothing_may_be_sent_after_a_close(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})
        await send({"type": "websocket.send", "text": "x"})

    with pytest.raises(RuntimeError, match="while the connection is closed"):
        async with talk_to(handler) as session:
            await session.receive()


async def test_a_subprotocol_that_was_not_offered_is_refused() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "subprotocol": "chat"})

    with pytest.raises(RuntimeError, match=r"accepted the subprotocol 'chat', but .* offered none"):
        async with MemoryTransport(app, lifespan=False)("/"):
            pass


async def test_receiving_after_the_disconnect_is_an_error(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        await receive()
        await receive()

    with pytest.raises(RuntimeError, match=r"again after websocket\.disconnect"):
        async with talk_to(handler):
            pass


async def test_two_readers_at_once_are_an_error(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        first = asyncio.create_task(receive())
        await asyncio.sleep(0)
        try:
            await receive()
        finally:
            await first

    with pytest.raises(RuntimeError, match="Two tasks"):
        async with talk_to(handler) as session:
            await session.expect_silence()


async def test_sending_to_a_peer_that_left_is_an_oserror(talk_to: Any) -> None:
    heard = []

    async def handler(receive: Any, send: Any) -> None:
        await receive()
        try:
            await send({"type": "websocket.send", "text": "x"})
        except OSError as error:
            heard.append(type(error).__name__)

    async with talk_to(handler):
        pass

    assert heard == ["ClientDisconnected"]


async def test_the_end_of_a_closed_connection_is_readable_more_than_once(
    talk_to: Any, says: Any
) -> None:
    async with talk_to(says({"type": "websocket.close", "code": 4000})) as session:
        for _ in range(2):
            with pytest.raises(SessionClosed):
                await session.receive()


# What a newcomer gets wrong.


@pytest.mark.parametrize("use", ["with", "await", "send"])
async def test_a_session_that_is_not_entered_says_how_to(use: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    connecting: Any = MemoryTransport(app)("/chat")
    with pytest.raises(PachinkoUsageError, match=r'async with websocket_connect\("/chat"\) as'):
        if use == "with":
            with connecting:
                pass
        elif use == "await":
            await connecting
        else:
            await connecting.send("x")
    assert not hasattr(connecting, "nothing_known")
    connecting.__exit__()


@pytest.mark.parametrize(
    ("code", "how"),
    [
        (3404, "it has no route for this path"),
        (3405, "the resource has no on_websocket"),
        (1000, "as Falcon does when on_websocket returns"),
        (4000, "the application closed with 4000 before it accepted"),
    ],
)
async def test_a_denial_says_what_its_code_means(code: int, how: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": code})

    with pytest.raises(HandshakeDenied, match=how):
        async with MemoryTransport(app, lifespan=False)("/"):
            pass


async def test_a_task_that_crashed_and_was_then_cancelled_reaches_the_test(falcon_app: Any) -> None:
    async def crash() -> None:
        raise ZeroDivisionError

    async def handle(req: Any, ws: Any) -> None:
        await ws.accept()
        task = asyncio.ensure_future(crash())
        try:
            await ws.receive_text()
        finally:
            task.cancel()

    with pytest.raises(ZeroDivisionError):
        async with MemoryTransport(falcon_app(handle))("/") as session:
            await session.expect_silence()


async def test_the_traceback_of_the_application_begins_in_its_own_code(falcon_app: Any) -> None:
    async def handle(req: Any, ws: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        async with MemoryTransport(falcon_app(handle))("/"):
            pass

    places = [entry.name for entry in caught.traceback]
    assert "_handle_websocket" not in places
    assert places[-1] == "handle"
