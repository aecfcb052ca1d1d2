import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextlib import suppress
from typing import Any

import falcon
import falcon.asgi
import msgspec
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect as connect_live
from websockets.exceptions import ConnectionClosed

from falcon_pachinko import ConnectError
from falcon_pachinko import ConnectionContext
from falcon_pachinko import handles_message
from falcon_pachinko import install
from falcon_pachinko import InvalidMessage
from falcon_pachinko import MessageContext
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.inbox import MAX_UNREAD
from pytest_pachinko.memory import MemoryTransport
from pytest_pachinko.trace.match import Closed

pytestmark = pytest.mark.asyncio


class Say(msgspec.Struct, tag="say"):
    text: str
    n: int = 0
    ratio: float = 0.0
    extra: Any = None


class Do(msgspec.Struct, tag="do"):
    what: str
    code: int = 1000


class Broken(msgspec.Struct, tag="broken"):
    secret: str = ""

    def __post_init__(self) -> None:
        raise {"KeyError": KeyError, "RecursionError": RecursionError}.get(
            self.secret, AssertionError
        )


class TeapotError(Exception):
    """What a handler raises here."""


class Recorder(WebSocketResource):
    """Records each message and each end; the class is made anew for each app."""

    schema = Say | Do | Broken
    ends: list[int]
    heard: list[str]

    async def on_say(self, ws: Any, message: Say) -> None:
        self.heard.append(message.text)
        await self.send(message)

    async def on_broken(self, ws: Any, message: Broken) -> None:
        pytest.fail("a broken message was dispatched")

    async def on_do(self, ws: Any, message: Do) -> None:
        match message.what:
            case "close":
                await ws.close(message.code)
            case "teapot":
                raise TeapotError
            case "http":
                raise falcon.HTTPForbidden
            case "leave":
                raise falcon.WebSocketDisconnected
            case "receive":
                self.heard.append("itself " + await ws.receive_text())
            case "forgive":
                with pytest.raises(ValueError, match="Invalid close code"):
                    await ws.close(999)

    async def on_disconnect(self, ws: Any, close_code: int) -> None:
        assert ws.closed or close_code == 1006
        self.ends.append(close_code)


def recorder(base: type[WebSocketResource] = Recorder, **namespace: Any) -> type[Recorder]:
    return type("Chat", (base,), {"ends": [], "heard": [], **namespace})  # type: ignore[return-value]


def serving(*resources: type[WebSocketResource], **options: Any) -> falcon.asgi.App[Any, Any]:
    app = falcon.asgi.App()
    router = WebSocketRouter(**options)
    router.add_route("/", *resources)
    install(app, router)
    return app


def do(what: str, code: int = 1000) -> str:
    return msgspec.json.encode(Do(what, code)).decode()


async def until(condition: Any) -> None:
    """Give the loop turns until something holds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never held")


# How a connection ends.


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4321])
async def test_the_peers_close_code_reaches_on_disconnect_once(code: int) -> None:
    chat = recorder()
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.close(code)

    assert chat.ends == [code]


async def test_a_dropped_connection_ends_with_1006() -> None:
    chat = recorder()
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.drop()

    assert chat.ends == [1006]


async def test_a_handler_that_closes_ends_the_connection_with_its_code() -> None:
    chat = recorder()
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send(Do("close", 4008))
        await session.send(Say("too late"))
        await session.expect(Closed(4008))

    assert (chat.ends, chat.heard, session.close_code) == ([4008], [], 4008)


@pytest.mark.parametrize("queue", [0, 4])
async def test_a_close_from_another_task_ends_the_waiting_loop_with_its_code(queue: int) -> None:
    connections: list[Any] = []

    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        connections.append(ws)
        return True

    chat = recorder(on_connect=on_connect)
    app = serving(chat)
    app.ws_options.max_receive_queue = queue
    async with MemoryTransport(app) as connect, connect("/") as session:
        await connections[0].close(4008, "somebody else")

    assert (chat.ends, session.close_code) == ([4008], 4008)


async def test_a_handler_that_raises_ends_the_connection_with_1011() -> None:
    chat = recorder()
    async with (
        MemoryTransport(serving(chat)) as connect,
        connect("/", raise_app_exceptions=False) as session,
    ):
        await session.send(Do("teapot"))
        await session.expect(Closed(1011))

    assert (chat.ends, session.close_code) == ([1011], 1011)


async def test_the_error_of_a_handler_reaches_falcon_as_itself() -> None:
    async with MemoryTransport(serving(recorder())) as connect:
        with pytest.raises(TeapotError):
            async with connect("/") as session:
                await session.send(Do("teapot"))


async def test_an_error_of_a_handler_ends_with_the_apps_own_error_close_code() -> None:
    chat = recorder()
    app = serving(chat)
    app.ws_options.error_close_code = 4500
    async with (
        MemoryTransport(app) as connect,
        connect("/", raise_app_exceptions=False) as session,
    ):
        await session.send(Do("teapot"))
        await session.expect(Closed(4500))

    assert (chat.ends, session.close_code) == ([4500], 4500)


async def test_an_http_error_after_accept_ends_with_3000_and_its_status() -> None:
    chat = recorder()
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send(Do("http"))
        await session.expect(Closed(3403))

    assert (chat.ends, session.close_code) == ([3403], 3403)


async def test_an_error_handler_with_ws_chooses_the_code() -> None:
    chat = recorder()
    app = serving(chat)

    async def handle(req: Any, resp: Any, ex: Any, params: Any, ws: Any = None) -> None:
        await ws.close(4418)

    app.add_error_handler(TeapotError, handle)
    async with MemoryTransport(app) as connect, connect("/") as session:
        await session.send(Do("teapot"))
        await session.expect(Closed(4418))

    assert (chat.ends, session.close_code) == ([4418], 4418)


async def test_an_error_handler_without_ws_leaves_the_end_to_the_server() -> None:
    chat = recorder()
    app = serving(chat)

    async def handle(req: Any, resp: Any, ex: Any, params: Any) -> None: ...

    app.add_error_handler(TeapotError, handle)
    async with MemoryTransport(app) as connect, connect("/") as session:
        await session.send(Do("teapot"))
        await session.expect(Closed(1006))

    assert chat.ends == [1006]


async def test_an_error_handler_that_raises_leaves_the_end_to_the_server() -> None:
    chat = recorder()
    app = serving(chat)

    async def handle(req: Any, resp: Any, ex: Any, params: Any, ws: Any = None) -> None:
        raise LookupError

    app.add_error_handler(TeapotError, handle)
    async with (
        MemoryTransport(app) as connect,
        connect("/", raise_app_exceptions=False) as session,
    ):
        await session.send(Do("teapot"))
        await session.expect(Closed(1006))

    assert chat.ends == [1006]


async def test_a_slow_error_handler_is_waited_for() -> None:
    chat = recorder()
    app = serving(chat)
    go = asyncio.Event()

    async def handle(req: Any, resp: Any, ex: Any, params: Any, ws: Any = None) -> None:
        await go.wait()
        await ws.close(4418)

    app.add_error_handler(TeapotError, handle)
    async with MemoryTransport(app) as connect, connect("/") as session:
        await session.send(Do("teapot"))
        await session.expect_silence()
        before = list(chat.ends)
        go.set()
        await session.expect(Closed(4418))

    assert (before, chat.ends) == ([], [4418])


async def test_unread_frames_do_not_hide_the_end_after_an_error(pipe: Any) -> None:
    chat = recorder()
    app = serving(chat)

    async def handle(req: Any, resp: Any, ex: Any, params: Any) -> None:
        await until(lambda: chat.ends)

    app.add_error_handler(TeapotError, handle)
    connection = pipe(app)
    connection.push_text(do("teapot"), *["x"] * 3 * MAX_UNREAD)
    connection.push_disconnect(4321)
    await connection.task

    assert chat.ends == [4321]


async def test_an_invalid_close_code_is_an_error_of_the_handler() -> None:
    chat = recorder()
    async with (
        MemoryTransport(serving(chat)) as connect,
        connect("/", raise_app_exceptions=False) as session,
    ):
        await session.send(Do("close", 999))
        await session.expect(Closed(1011))

    assert (chat.ends, session.close_code) == ([1011], 1011)


async def test_a_handler_that_forgives_an_invalid_close_code_goes_on() -> None:
    chat = recorder()
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send(Do("forgive"))
        await session.send(Say("still here"))
        await session.receive(Say)

    assert chat.ends == [1000]


async def test_a_handler_that_raises_disconnected_ends_the_connection_normally() -> None:
    chat = recorder()
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send(Do("leave"))
        await session.expect(Closed(1000, by="app"))

    assert (chat.ends, session.close_code) == ([1000], 1000)


async def test_a_cancelled_connection_says_goodbye(pipe: Any) -> None:
    chat = recorder()
    connection = pipe(serving(chat))
    await until(lambda: connection.sent)
    connection.task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await connection.task

    assert chat.ends == [1006]


async def test_a_goodbye_that_fails_does_not_hide_the_cancellation(
    pipe: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def on_disconnect(self: Any, ws: Any, close_code: int) -> None:
        raise TeapotError

    connection = pipe(serving(recorder(on_disconnect=on_disconnect)))
    await until(lambda: connection.sent)
    connection.task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await connection.task

    assert "Chat.on_disconnect failed" in caplog.text


async def test_a_handshake_that_is_cancelled_needs_no_goodbye(pipe: Any) -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        await asyncio.Event().wait()

    chat = recorder(on_connect=on_connect)
    connection = pipe(serving(chat))
    await asyncio.sleep(0)
    connection.task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await connection.task

    assert chat.ends == []


async def test_a_goodbye_that_fails_reaches_falcon_like_a_handlers_error() -> None:
    async def on_disconnect(self: Any, ws: Any, close_code: int) -> None:
        raise TeapotError

    async with MemoryTransport(serving(recorder(on_disconnect=on_disconnect))) as connect:
        with pytest.raises(TeapotError):
            async with connect("/"):
                pass


async def test_a_goodbye_that_sends_to_the_peer_that_left_is_a_normal_end() -> None:
    async def on_disconnect(self: Any, ws: Any, close_code: int) -> None:
        await self.send(Say("goodbye"))

    async with (
        MemoryTransport(serving(recorder(on_disconnect=on_disconnect))) as connect,
        connect("/") as session,
    ):
        await session.close()

    assert session.closed


async def test_after_an_error_too_a_goodbye_may_send_to_the_peer_that_left() -> None:
    async def on_disconnect(self: Any, ws: Any, close_code: int) -> None:
        await self.send(Say("goodbye"))

    async with (
        MemoryTransport(serving(recorder(on_disconnect=on_disconnect))) as connect,
        connect("/") as session,
    ):
        await session.send(Do("http"))
        await session.expect(Closed(3403))

    assert session.close_code == 3403


async def test_an_error_after_accept_in_on_connect_says_goodbye() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        await self.accept()
        raise falcon.HTTPForbidden

    chat = recorder(on_connect=on_connect)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        pass

    assert (chat.ends, session.close_code) == ([3403], 3403)


async def test_false_after_accept_closes_and_says_goodbye() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        await self.accept()
        return False

    chat = recorder(on_connect=on_connect)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        pass

    assert (chat.ends, session.close_code) == ([3403], 3403)


async def test_a_close_after_accept_in_on_connect_keeps_its_code() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        await self.accept()
        await ws.close(4001)
        return True

    chat = recorder(on_connect=on_connect)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        pass

    assert (chat.ends, session.close_code) == ([4001], 4001)


async def test_a_peer_that_leaves_while_it_is_greeted_ends_with_its_code(pipe: Any) -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        await self.accept()
        await until(lambda: ws.closed)
        await self.send(Say("welcome"))

    chat = recorder(on_connect=on_connect)
    connection = pipe(serving(chat))
    connection.push_text("unread")
    connection.push_disconnect(4321)
    await connection.task

    assert chat.ends == [4321]


async def test_a_peer_that_leaves_before_accept_was_never_there(pipe: Any) -> None:
    chat = recorder()
    connection = pipe(serving(chat))
    connection.fail = ConnectionResetError()
    await connection.task

    assert chat.ends == []


async def test_disconnected_raised_after_accept_in_on_connect_closes_normally() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        await self.accept()
        raise falcon.WebSocketDisconnected

    chat = recorder(on_connect=on_connect)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        pass

    assert (chat.ends, session.close_code) == ([1000], 1000)


async def test_a_refused_connection_needs_no_goodbye() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        return False

    chat = recorder(on_connect=on_connect)
    async with MemoryTransport(serving(chat)) as connect:
        await connect.denied("/", status=403)

    assert chat.ends == []


async def test_a_connection_that_on_connect_closes_is_refused() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        await ws.close()

    chat = recorder(on_connect=on_connect)
    async with MemoryTransport(serving(chat)) as connect:
        await connect.denied("/", status=403)

    assert chat.ends == []


@pytest.mark.parametrize("queue", [0, 4])
@pytest.mark.parametrize("unread", [0, 1, 4, 5, 6, MAX_UNREAD])
async def test_a_disconnect_behind_unread_frames_is_seen_and_they_are_served(
    pipe: Any, queue: int, unread: int
) -> None:
    seen: list[bool] = []

    async def on_say(self: Any, ws: Any, message: Say) -> None:
        self.heard.append(message.text)
        if message.text == "first":
            await until(lambda: ws.closed)
            seen.append(True)

    chat = recorder(on_say=on_say)
    app = serving(chat)
    app.ws_options.max_receive_queue = queue
    connection = pipe(app)
    frames = ["first", *map(str, range(unread))]
    connection.push_text(*(msgspec.json.encode(Say(frame)).decode() for frame in frames))
    connection.push_disconnect(4321)
    await connection.task

    assert (seen, chat.heard, chat.ends) == ([True], frames, [4321])


async def test_a_handler_that_cannot_reply_does_not_lose_the_frames_behind(pipe: Any) -> None:
    chat = recorder()
    connection = pipe(serving(chat))
    connection.push_text(*['{"type":"say","text":"x"}'] * 20)
    connection.push_disconnect(4321)
    await connection.task

    assert (len(chat.heard), chat.ends) == (20, [4321])


@pytest.mark.parametrize("queue", [0, 1, 4])
async def test_a_burst_beyond_the_inbox_is_served_completely(pipe: Any, queue: int) -> None:
    chat = recorder()
    app = serving(chat)
    app.ws_options.max_receive_queue = queue
    connection = pipe(app)
    await until(lambda: connection.sent)
    connection.push_text(*['{"type":"say","text":"x"}'] * 500)
    await until(lambda: len(connection.sent) == 501)
    connection.push_disconnect(None)
    await connection.task

    assert chat.ends == [1005]


async def test_a_transport_that_fails_is_an_error_of_the_connection(pipe: Any) -> None:
    chat = recorder()
    connection = pipe(serving(chat))
    connection.push(LookupError("transport"))
    await connection.task

    assert connection.sent[-1] == {
        "type": "websocket.close",
        "code": 1011,
        "reason": "Internal Server Error",
    }
    await until(lambda: chat.ends)
    assert chat.ends == [1011]


async def test_a_handler_may_receive_a_frame_itself() -> None:
    chat = recorder()
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send(Do("receive"))
        await session.send("raw")
        await session.send(Say("x"))
        await session.receive(Say)

    assert chat.heard == ["itself raw", "x"]


async def test_on_connect_may_receive_a_frame_after_accept() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        await self.accept()
        self.heard.append(await ws.receive_text())

    chat = recorder(on_connect=on_connect)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send("token")
        await session.send(Say("x"))
        await session.receive(Say)

    assert chat.heard == ["token", "x"]


async def test_nothing_of_a_connection_outlives_it(pipe: Any) -> None:
    made: list[Any] = []

    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        made.append(weakref.ref(self))
        return True

    chat = recorder(on_connect=on_connect)
    app = serving(chat)

    async def handle(req: Any, resp: Any, ex: Any, params: Any, ws: Any = None) -> None:
        await ws.close(4418)

    app.add_error_handler(TeapotError, handle)
    connection = pipe(app)
    connection.push_text(do("teapot"))
    await connection.task
    await until(lambda: chat.ends)
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
    del connection
    gc.collect()

    assert [ref() for ref in made] == [None]


# The handshake.


async def test_a_verdict_that_decides_nothing_is_an_error_that_says_what_to_write() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None: ...

    async with MemoryTransport(serving(recorder(on_connect=on_connect))) as connect:
        with pytest.raises(ConnectError) as caught:
            async with connect("/"):
                pass

    assert str(caught.value) == (
        "Chat.on_connect returned None without having accepted the connection.\n"
        "Hint: return True to accept, False to refuse, or accept first with: await self.accept()"
    )


async def test_a_verdict_of_another_kind_is_an_error_after_accept_too() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> str:
        await self.accept()
        return "yes"

    async with MemoryTransport(serving(recorder(on_connect=on_connect))) as connect:
        with pytest.raises(ConnectError, match=r"Chat\.on_connect returned 'yes'\.\n"):
            async with connect("/"):
                pass


@pytest.mark.parametrize("verdict", [None, True])
async def test_a_connection_can_be_greeted_before_on_connect_returns(verdict: Any) -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> Any:
        await self.accept({"X-Chat": "yes"})
        await self.send(Say("welcome"))
        return verdict

    async with (
        MemoryTransport(serving(recorder(on_connect=on_connect))) as connect,
        connect("/") as session,
    ):
        greeting = await session.receive(Say)
        await session.send(Say("x"))
        await session.receive(Say)

    assert (greeting.text, session.response_headers["x-chat"]) == ("welcome", "yes")


async def test_a_connection_accepted_through_falcon_itself_goes_on() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        await ws.accept()

    chat = recorder(on_connect=on_connect)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send(Say("x"))
        await session.receive(Say)

    assert chat.ends == [1000]


async def test_an_http_error_refuses_with_status_headers_and_body() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        raise falcon.HTTPUnauthorized(title="No", challenges=["Basic", "Bearer"])

    async with MemoryTransport(serving(recorder(on_connect=on_connect))) as connect:
        answer = await connect.denied("/", status=401)

    assert msgspec.json.decode(answer.body) == {"title": "No"}
    assert answer.headers["www-authenticate"] == "Basic, Bearer"
    assert answer.headers["content-type"] == "application/json"
    assert "content-length" not in answer.headers  # it is the server's to say


async def test_a_refusal_keeps_headers_that_occur_twice(pipe: Any) -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        raise falcon.HTTPForbidden(headers=[("Link", "a"), ("Link", "b"), ("Content-Length", "9")])

    extensions = {"websocket.http.response": {}}
    connection = pipe(serving(recorder(on_connect=on_connect)), extensions=extensions)
    await connection.task

    start, body = connection.sent
    assert [value for name, value in start["headers"] if name == b"link"] == [b"a", b"b"]
    assert b"content-length" not in dict(start["headers"])
    assert body["body"]


async def test_a_refusal_is_a_close_where_the_server_cannot_say_more(pipe: Any) -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        raise falcon.HTTPUnauthorized

    connection = pipe(serving(recorder(on_connect=on_connect)), extensions=None)
    await connection.task

    assert [event["type"] for event in connection.sent] == ["websocket.close"]


async def test_a_server_sends_the_refusal_to_the_client(live: Any) -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> None:
        raise falcon.HTTPTooManyRequests(title="Slow down", retry_after=7)

    async with live(serving(recorder(on_connect=on_connect))) as url:
        with pytest.raises(Exception, match="HTTP 429") as caught:
            await connect_live(url + "/")

    response: Any = caught.value.response  # type: ignore[attr-defined]
    assert response.headers["retry-after"] == "7"
    assert msgspec.json.decode(response.body) == {"title": "Slow down"}


async def test_the_negotiated_subprotocol_is_known_and_told() -> None:
    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        self.heard.append(self.subprotocol)
        return True

    chat = recorder(on_connect=on_connect, subprotocols=("chat.v1",))
    async with (
        MemoryTransport(serving(chat)) as connect,
        connect("/", subprotocols=["x", "chat.v1"]) as session,
    ):
        pass

    assert (chat.heard, session.subprotocol) == (["chat.v1"], "chat.v1")


@pytest.mark.parametrize("offer", [["secret-token"], ["secret-token", "chat.v1"]])
async def test_a_credential_among_the_tokens_is_neither_echoed_nor_logged(
    offer: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    chat = recorder(subprotocols=("chat.v1",))
    async with (
        MemoryTransport(serving(chat)) as connect,
        connect("/", subprotocols=offer, raise_app_exceptions=False) as session,
    ):
        await session.send("secret-token")
        await session.send(Do("teapot"))

    assert session.subprotocol != "secret-token"
    assert "secret-token" not in caplog.text


# Frames.

DEEP = "[" * 100_000
BAD = {
    "empty": "",
    "not JSON": "nope",
    "truncated": '{"type":"say","text":"a',
    "NaN": '{"type":"say","text":"a","ratio":NaN}',
    "only NaN": "NaN",
    "no object": "[]",
    "null": "null",
    "lone surrogate": '{"type":"say","text":"\ud800"}',
    "escaped lone surrogate": '{"type":"say","text":"\\ud800"}',
    "bad UTF-8": b'{"type":"say","text":"\xff"}',
    "nested": DEEP,
    "nested in an unknown field": '{"type":"say","text":"a","zz":' + DEEP,
    "nested in a known field": '{"type":"say","text":"a","extra":' + DEEP + "]" * 100_000 + "}",
    "duplicate tag": '{"type":"say","type":"do","what":"teapot"}',
    "conflicting tags": '{"type":"zz","text":"a","type":"say"}',
    "late tag": '{"type":"say","text":"a","type":"zz"}',
    "wrong type": '{"type":"say","text":1}',
    "missing field": '{"type":"say"}',
    "missing tag": '{"text":"a"}',
    "unknown tag": '{"type":"shout","text":"a"}',
    "tag of the lifecycle": '{"type":"disconnect"}',
    "tag of the base class": '{"type":"send"}',
    "tag is null": '{"type":null}',
    "tag is a list": '{"type":[]}',
    "huge integer": '{"type":"say","text":"a","n":' + "9" * 10_000 + "}",
    "huge integer anywhere": '{"type":"say","text":"a","extra":' + "9" * 10_000 + "}",
    "huge float": '{"type":"say","text":"a","ratio":' + "9" * 10_000 + "}",
    "broken post-init": '{"type":"broken"}',
    "KeyError in post-init": '{"type":"broken","secret":"KeyError"}',
    "RecursionError in post-init": '{"type":"broken","secret":"RecursionError"}',
    "1 MiB": "x" * 2**20,
    "1 MiB of JSON": '{"type":"shout","text":"' + "x" * 2**20 + '"}',
}
FRAMES = {
    f"{kind}, {form}": frame
    if form == "text" or isinstance(frame, bytes)
    else frame.encode("utf-8", "surrogatepass")
    for kind, frame in BAD.items()
    for form in ("text", "binary")
    if form == "binary" or isinstance(frame, str)
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
async def test_a_bad_frame_disturbs_neither_its_connection_nor_others(
    pipe: Any, frame: str | bytes
) -> None:
    invalid: list[InvalidMessage] = []

    async def on_invalid(self: Any, ws: Any, message: Any, error: InvalidMessage) -> None:
        assert message == frame
        invalid.append(error)

    chat = recorder(on_invalid=on_invalid)
    app = serving(chat)
    kind = "text" if isinstance(frame, str) else "bytes"
    connections = [pipe(app) for _ in range(3)]
    for connection in connections:
        connection.push_text('{"type":"say","text":"before"}')
        connection.push({"type": "websocket.receive", kind: frame})
        connection.push_text('{"type":"say","text":"after"}')
    await until(lambda: all(len(connection.sent) == 3 for connection in connections))
    for connection in connections:
        connection.push_disconnect(4321)
        await connection.task

    assert (len(invalid), chat.heard.count("after"), chat.ends) == (3, 3, [4321] * 3)


@settings(max_examples=100, deadline=None)
@given(frames=st.lists(st.text() | st.binary(), max_size=8))
async def test_after_any_frames_the_next_message_is_served(frames: list[str | bytes]) -> None:
    chat = recorder()
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        for frame in frames:
            await session.send(frame)
        await session.send(Say("after"))
        answer = await session.receive(Say)

    assert answer.text == "after"


@pytest.mark.parametrize("frame", [b'{"type":"say","text":"x"}', '{"type":"say","text":"x"}'])
async def test_binary_and_text_frames_carry_messages(frame: str | bytes) -> None:
    async with MemoryTransport(serving(recorder())) as connect, connect("/") as session:
        await session.send(frame)
        answer = await session.receive(Say)

    assert answer.text == "x"


@pytest.mark.parametrize("tag", ["connect", "disconnect", "invalid", "unhandled"])
async def test_a_declared_tag_of_the_lifecycle_reaches_its_decorated_handler(tag: str) -> None:
    @handles_message(tag)
    async def take(self: Any, ws: Any, message: Any) -> None:
        await self.send("taken")

    namespace = {"schema": msgspec.defstruct("It", [], tag=tag), "take": take}
    chat = type("Chat", (WebSocketResource,), namespace)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send({"type": tag})
        answer = await session.receive_json()

    assert answer == "taken"


async def test_an_invalid_frame_goes_to_on_unhandled_by_default() -> None:
    async def on_unhandled(self: Any, ws: Any, message: str | bytes) -> None:
        self.heard.append(message)

    chat = recorder(on_unhandled=on_unhandled)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send("nope")

    assert chat.heard == ["nope"]


@pytest.mark.parametrize("around", [False, True])
async def test_a_tag_without_a_handler_goes_to_on_unhandled(around: bool) -> None:  # noqa: FBT001
    class Chat(WebSocketResource):
        schema = Say

        async def on_unhandled(self, ws: Any, message: str | bytes) -> None:
            await self.send(["unhandled", message])

    if around:

        @Chat.around_message
        @asynccontextmanager
        async def hook(context: MessageContext) -> AsyncIterator[None]:
            yield

    async with MemoryTransport(serving(Chat)) as connect, connect("/") as session:
        await session.send('{"type":"say","text":"x"}')
        answer = await session.receive_json()

    assert answer == ["unhandled", '{"type":"say","text":"x"}']


async def test_an_error_in_on_invalid_is_an_error_of_the_handler() -> None:
    async def on_invalid(self: Any, ws: Any, message: Any, error: InvalidMessage) -> None:
        raise error

    chat = recorder(on_invalid=on_invalid)
    async with (
        MemoryTransport(serving(chat)) as connect,
        connect("/", raise_app_exceptions=False) as session,
    ):
        await session.send("nope")
        await session.expect(Closed(1011))

    assert (chat.ends, session.close_code) == ([1011], 1011)


async def test_the_peer_may_leave_while_an_invalid_frame_is_answered(pipe: Any) -> None:
    async def on_invalid(self: Any, ws: Any, message: Any, error: InvalidMessage) -> None:
        await until(lambda: ws.closed)
        await ws.send_text("what?")

    chat = recorder(on_invalid=on_invalid)
    connection = pipe(serving(chat))
    connection.push_text("nope")
    connection.push_disconnect(4321)
    await connection.task

    assert chat.ends == [4321]


# The log.


async def test_invalid_frames_are_one_warning_with_counts_and_without_the_payload(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    async with MemoryTransport(serving(recorder())) as connect, connect("/") as session:
        for frame in ("secret", '{"type":"secret"}', '{"type":"secret"}'):
            await session.send(frame)

    messages = [r.getMessage() for r in caplog.records if r.name == "falcon_pachinko"]
    assert messages == [
        "Chat: 3 frames of a connection were not handled (not_json 1, unknown_tag 2)"
    ]
    assert "secret" not in caplog.text


async def test_frames_that_on_unhandled_hands_on_are_counted_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Chat(WebSocketResource):
        schema = Say

        async def on_unhandled(self, ws: Any, message: str | bytes) -> None:
            await super().on_unhandled(ws, message)

    async with MemoryTransport(serving(Chat)) as connect, connect("/") as session:
        await session.send(Say("x"))

    assert "Chat: 1 frames of a connection were not handled (no handler for their tag)" in (
        caplog.messages
    )


async def test_a_struct_that_breaks_is_logged_as_an_error_once_per_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        MemoryTransport(serving(recorder())) as connect,
        connect("/", raise_app_exceptions=False) as session,
    ):
        for _ in range(3):
            await session.send({"type": "broken", "secret": "payload"})

    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        "Chat: a Struct of the schema failed while it was decoded"
    ]
    assert errors[0].exc_info
    assert "payload" not in caplog.text


# Hooks.


def tracing(log: list[str], name: str) -> Any:
    @asynccontextmanager
    async def hook(context: Any) -> AsyncIterator[None]:
        log.append(f"{name} in")
        yield
        log.append(f"{name} out")

    return hook


@pytest.mark.parametrize("kind", ["around_connection", "around_message"])
async def test_hooks_nest_from_the_outer_router_to_the_resource(kind: str) -> None:
    log: list[str] = []

    class Base(WebSocketResource):
        schema = Say

        async def on_say(self, ws: Any, message: Say) -> None:
            log.append("handler")

    class Chat(Base):
        pass

    outer, inner = WebSocketRouter(), WebSocketRouter()
    inner.add_route("/", Chat)
    outer.include("/in", inner)
    for owner, name in ((outer, "outer"), (inner, "inner"), (Base, "base"), (Chat, "chat")):
        getattr(owner, kind)(tracing(log, name))
        getattr(owner, kind)(tracing(log, name + "2"))
    app = falcon.asgi.App()
    install(app, outer)
    async with MemoryTransport(app) as connect, connect("/in") as session:
        await session.send(Say("x"))

    names = [name + n for name in ("outer", "inner", "base", "chat") for n in ("", "2")]
    assert log == [
        *(f"{name} in" for name in names),
        "handler",
        *(f"{name} out" for name in reversed(names)),
    ]


async def test_a_hook_of_a_subclass_is_not_one_of_its_base() -> None:
    class Base(WebSocketResource):
        schema = Say

        async def on_say(self, ws: Any, message: Say) -> None: ...

    class Chat(Base):
        pass

    Chat.around_message(tracing([], "chat"))

    assert Base._hooks is None


async def test_hooks_are_told_what_they_wrap() -> None:
    contexts: list[Any] = []

    def remember(context: Any) -> Any:
        contexts.append(context)
        return asynccontextmanager(nothing)()

    async def nothing() -> AsyncIterator[None]:
        yield

    chat = recorder()
    chat.around_connection(remember)
    chat.around_message(remember)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send(Say("x"))

    connection, message = contexts
    assert isinstance(connection, ConnectionContext)
    assert isinstance(message, MessageContext)
    assert (connection.params, message.message) == ({}, Say("x"))
    assert connection.req is message.req
    assert connection.ws is message.ws is message.resource.ws


async def test_a_message_hook_may_swallow_what_a_handler_raises() -> None:
    @asynccontextmanager
    async def forgiving(context: MessageContext) -> AsyncIterator[None]:
        try:
            yield
        except TeapotError:
            await context.resource.send(Say("forgiven"))

    chat = recorder()
    chat.around_message(forgiving)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send(Do("teapot"))
        await session.receive(Say)
        await session.send(Say("x"))
        await session.receive(Say)

    assert chat.ends == [1000]


async def test_a_swallowed_error_of_a_connection_is_no_normal_end() -> None:
    @asynccontextmanager
    async def swallowing(context: ConnectionContext) -> AsyncIterator[None]:
        with suppress(TeapotError):
            yield

    chat = recorder()
    chat.around_connection(swallowing)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.send(Do("teapot"))
        await session.expect(Closed(1011))

    assert (chat.ends, session.close_code) == ([1011], 1011)


async def test_a_connection_hook_may_refuse_with_an_http_error() -> None:
    @asynccontextmanager
    async def guard(context: ConnectionContext) -> AsyncIterator[None]:
        if not context.req.get_header("authorization"):
            raise falcon.HTTPUnauthorized
        yield

    chat = recorder()
    chat.around_connection(guard)
    async with MemoryTransport(serving(chat)) as connect:
        await connect.denied("/", status=401)
        async with connect("/", headers={"authorization": "x"}):
            pass

    assert chat.ends == [1000]


async def test_a_hook_that_sends_to_a_peer_that_left_is_a_normal_end() -> None:
    @asynccontextmanager
    async def farewell(context: ConnectionContext) -> AsyncIterator[None]:
        yield
        await context.ws.send_text("goodbye")

    chat = recorder()
    chat.around_connection(farewell)
    async with MemoryTransport(serving(chat)) as connect, connect("/") as session:
        await session.close(4321)

    assert chat.ends == [4321]


# A server.


@pytest.mark.parametrize(
    ("frame", "code"),
    [(do("close", 4008), 4008), (do("teapot"), 1011), (do("http"), 3403), (do("leave"), 1000)],
)
async def test_behind_a_server_both_sides_see_the_same_end(
    live: Any, frame: str, code: int
) -> None:
    ended: asyncio.Queue[int] = asyncio.Queue()

    async def on_disconnect(self: Any, ws: Any, close_code: int) -> None:
        ended.put_nowait(close_code)

    async with (
        live(serving(recorder(on_disconnect=on_disconnect))) as url,
        connect_live(url + "/") as client,
    ):
        await client.send(frame)
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        end = await asyncio.wait_for(ended.get(), 10)

    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, end, ended.empty()) == (code, code, True)


async def test_behind_a_server_the_clients_code_reaches_on_disconnect(live: Any) -> None:
    ended: asyncio.Queue[int] = asyncio.Queue()

    async def on_disconnect(self: Any, ws: Any, close_code: int) -> None:
        ended.put_nowait(close_code)

    async with live(serving(recorder(on_disconnect=on_disconnect))) as url:
        async with connect_live(url + "/") as client:
            await client.close(4321)
        end = await asyncio.wait_for(ended.get(), 10)

    assert end == 4321


async def test_behind_a_server_an_error_handler_without_ws_ends_abnormally(live: Any) -> None:
    ended: asyncio.Queue[int] = asyncio.Queue()

    async def on_disconnect(self: Any, ws: Any, close_code: int) -> None:
        ended.put_nowait(close_code)

    async def handle(req: Any, resp: Any, ex: Any, params: Any) -> None: ...

    app = serving(recorder(on_disconnect=on_disconnect))
    app.add_error_handler(TeapotError, handle)
    async with live(app) as url, connect_live(url + "/") as client:
        await client.send(do("teapot"))
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        end = await asyncio.wait_for(ended.get(), 10)

    assert caught.value.rcvd is None
    assert end == 1006


async def test_behind_a_server_a_burst_is_answered_completely_and_in_order(live: Any) -> None:
    async with live(serving(recorder())) as url, connect_live(url + "/") as client:
        for n in range(300):
            await client.send(msgspec.json.encode(Say(str(n))).decode())
        answers = [msgspec.json.decode(await client.recv(), type=Say).text for _ in range(300)]

    assert answers == [str(n) for n in range(300)]


async def test_behind_a_server_bad_frames_leave_the_connection_serving(live: Any) -> None:
    async with live(serving(recorder())) as url, connect_live(url + "/") as client:
        for frame in ("nope", b"\xff", DEEP, "x" * 2**20, '{"type":"disconnect"}'):
            await client.send(frame)
        await client.send('{"type":"say","text":"after"}')
        answer = msgspec.json.decode(await client.recv(), type=Say)

    assert answer.text == "after"
