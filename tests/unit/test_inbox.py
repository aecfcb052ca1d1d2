import asyncio
import inspect
from collections import deque
from typing import Any

import falcon
import falcon.asgi
import pytest
from falcon.asgi.ws import _BufferedReceiver
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from falcon_pachinko.inbox import ABNORMAL
from falcon_pachinko.inbox import Inbox
from falcon_pachinko.inbox import MAX_UNREAD

pytestmark = pytest.mark.asyncio

CANARY = (
    "Falcon has changed below its public API, and falcon_pachinko/inbox.py relies on it.\n"
    "Read falcon/asgi/ws.py, adapt tap_send() and tap_receive(), and raise the lower bound of "
    "falcon in pyproject.toml if the old version cannot be served any more. Missing: "
)


class Fake:
    """A connection that is not Falcon's."""

    def __init__(self, *media: Any, accepted: bool = True) -> None:
        self.unaccepted = not accepted
        self.closed = False
        self.subprotocols = ()
        self.media = deque(media)

    async def receive_media(self) -> object:
        await asyncio.sleep(0)
        if not self.media:
            raise falcon.WebSocketDisconnected(4001)
        media = self.media.popleft()
        if isinstance(media, Exception):
            raise media
        return media


def falcons(events: Any, *, queue: int = 4) -> tuple[falcon.asgi.WebSocket, list[Any]]:
    """Return Falcon's WebSocket over a list of events, and the list of what it sends."""
    waiting = deque(events)
    sent: list[Any] = []

    async def receive() -> Any:
        if not waiting:
            await asyncio.get_running_loop().create_future()
        event = waiting.popleft()
        if isinstance(event, Exception):
            raise event
        return event

    async def send(event: Any) -> None:
        sent.append(event)

    handlers = falcon.asgi.App().ws_options.media_handlers
    return falcon.asgi.WebSocket("2.4", {}, receive, send, handlers, queue, {}), sent


def text(frame: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": frame}


def lost(code: int) -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code}


async def test_canary_falcon_still_has_what_the_inbox_reaches_for() -> None:
    ws, _ = falcons([])
    reader = getattr(ws, "_buffered_receiver", None)
    places = {
        "WebSocket._asgi_send": callable(getattr(ws, "_asgi_send", None)),
        "WebSocket._asgi_receive": callable(getattr(ws, "_asgi_receive", None)),
        "WebSocket._receive()": inspect.iscoroutinefunction(getattr(ws, "_receive", None)),
        "_BufferedReceiver._asgi_receive": callable(getattr(reader, "_asgi_receive", None)),
        "_BufferedReceiver._max_queue": getattr(reader, "_max_queue", None) == 4,
        "_BufferedReceiver.client_disconnected": hasattr(reader, "client_disconnected"),
        "_BufferedReceiver.client_disconnected_code": hasattr(reader, "client_disconnected_code"),
    }

    assert all(places.values()), CANARY + ", ".join(k for k, v in places.items() if not v)


async def test_canary_falcon_does_not_read_ahead_with_a_queue_of_none() -> None:
    ws, _ = falcons([])
    ws._buffered_receiver._max_queue = 0

    await ws.accept()

    assert ws._buffered_receiver._pump_task is None, CANARY + "a start() that heeds _max_queue"


async def test_canary_falcon_takes_a_disconnect_from_its_reader() -> None:
    ws, _ = falcons([])
    await ws.accept()
    ws._buffered_receiver.client_disconnected_code = 4001
    ws._buffered_receiver.client_disconnected = True

    assert ws.closed, CANARY + "closed that heeds client_disconnected"
    with pytest.raises(falcon.WebSocketDisconnected) as caught:
        await ws.send_text("x")
    assert caught.value.code == 4001, CANARY + "sends that heed client_disconnected_code"


async def test_canary_falcon_sends_each_event_through_one_place() -> None:
    assert set(_BufferedReceiver.__slots__) > {"_asgi_receive", "_max_queue"}, CANARY + "slots"
    ws, _ = falcons([])
    seen: list[str] = []

    async def send(event: Any) -> None:
        seen.append(event["type"])

    ws._asgi_send = send
    await ws.accept()
    await ws.send_text("x")
    await ws.close()

    assert seen == ["websocket.accept", "websocket.send", "websocket.close"], CANARY + "_asgi_send"


@pytest.mark.parametrize("queue", [0, 4])
async def test_text_and_binary_frames_come_in_order(queue: int) -> None:
    binary = {"type": "websocket.receive", "bytes": b"b", "text": None}
    ws, _ = falcons([text("a"), binary, text("")], queue=queue)
    inbox = Inbox(ws)
    await ws.accept()

    assert [await inbox.more() and inbox.pop() for _ in range(3)] == ["a", b"b", ""]


async def test_an_event_with_neither_text_nor_bytes_is_an_empty_frame() -> None:
    ws, _ = falcons([{"type": "websocket.receive"}])
    inbox = Inbox(ws)
    await ws.accept()
    await inbox.more()

    assert inbox.pop() == b""


@pytest.mark.parametrize("unread", [0, 1, 4, 5, MAX_UNREAD])
async def test_a_disconnect_is_seen_behind_unread_frames(unread: int) -> None:
    ws, _ = falcons([*map(text, "x" * unread), lost(4321)])
    inbox = Inbox(ws)
    await ws.accept()
    await asyncio.sleep(0)

    assert (inbox.lost_code, ws.closed, len(inbox.frames)) == (4321, True, unread)


async def test_no_more_is_read_than_what_is_bounded() -> None:
    ws, _ = falcons([*map(text, "x" * 100), lost(4321)])
    inbox = Inbox(ws)
    await ws.accept()
    await asyncio.sleep(0)

    assert (len(inbox.frames), inbox.lost_code) == (MAX_UNREAD + 1, None)


@settings(max_examples=25, deadline=None)
@given(st.data())
async def test_any_interleaving_of_reading_and_handling_loses_nothing(data: Any) -> None:
    count = data.draw(st.integers(0, 3 * MAX_UNREAD), "frames")
    pauses = data.draw(st.sets(st.integers(0, count)), "the handler suspends after")
    ws, _ = falcons([*(text(str(n)) for n in range(count)), lost(4321)], queue=0)
    inbox = Inbox(ws)
    await ws.accept()

    got = []
    while await inbox.more():
        got.append(inbox.pop())
        if len(got) in pauses:
            await asyncio.sleep(0)

    assert (got, inbox.code) == ([str(n) for n in range(count)], 4321)


async def test_a_send_after_the_disconnect_fails_with_its_code() -> None:
    ws, _ = falcons([lost(4321)])
    Inbox(ws)
    await ws.accept()
    await asyncio.sleep(0)

    with pytest.raises(falcon.WebSocketDisconnected) as caught:
        await ws.send_text("x")

    assert caught.value.code == 4321


async def test_a_disconnect_without_a_code_is_1005() -> None:
    ws, _ = falcons([{"type": "websocket.disconnect"}])
    inbox = Inbox(ws)
    await ws.accept()
    await inbox.drain()

    assert inbox.code == 1005


async def test_an_invalid_close_code_leaves_the_connection_as_it_was() -> None:
    ws, _ = falcons([text("a")])
    inbox = Inbox(ws)
    await ws.accept()

    with pytest.raises(ValueError, match="Invalid close code"):
        await ws.close(999)

    assert await inbox.more()
    assert not inbox.ended


async def test_the_code_of_a_close_is_known_before_it_is_sent() -> None:
    ws, _ = falcons([])
    inbox = Inbox(ws)
    await ws.accept()
    await ws.close(4008)

    assert (inbox.close_code, inbox.code, inbox.ended) == (4008, 4008, True)


@pytest.mark.parametrize(
    ("reason", "said"), [("Normal Closure", {"reason": "too slow"}), (None, {})]
)
async def test_the_last_word_is_said_by_whoever_closes(reason: str | None, said: Any) -> None:
    ws, sent = falcons([])
    inbox = Inbox(ws)
    await ws.accept()
    inbox.last_word = (1013, "too slow")

    await ws.close(1000, reason)

    assert sent[-1] == {"type": "websocket.close", "code": 1013} | said
    assert inbox.close_code == 1013


async def test_a_close_wakes_who_waits_for_a_frame() -> None:
    ws, _ = falcons([])
    inbox = Inbox(ws)
    await ws.accept()
    waiting = asyncio.create_task(inbox.more())
    await asyncio.sleep(0)
    await ws.close(4008)

    assert await waiting is False


async def test_a_close_that_the_peer_was_faster_than_does_not_count() -> None:
    ws, _ = falcons([])
    inbox = Inbox(ws)
    await ws.accept()

    async def send(event: Any) -> None:
        raise ConnectionResetError

    await inbox.watch({"type": "websocket.close", "code": 4008}, send)

    assert not inbox.ended


async def test_a_refusal_is_put_in_other_words_before_accept_only() -> None:
    ws, sent = falcons([])
    inbox = Inbox(ws)

    async def deny(send: Any) -> None:
        await send({"type": "websocket.http.response.start"})

    inbox.deny = deny
    await ws.close(3401)

    assert [event["type"] for event in sent] == ["websocket.http.response.start"]


async def test_an_accepted_connection_is_closed_as_it_is() -> None:
    ws, sent = falcons([])
    inbox = Inbox(ws)
    await ws.accept()
    inbox.deny = lambda send: pytest.fail("denied after accept")
    await ws.close(3401)

    assert sent[-1]["code"] == 3401


async def test_an_accept_that_fails_was_none() -> None:
    ws, _ = falcons([])

    async def send(event: Any) -> None:
        raise ConnectionResetError

    ws._asgi_send = send
    inbox = Inbox(ws)
    with pytest.raises(falcon.WebSocketDisconnected):
        await ws.accept()

    assert not inbox.accepted


async def test_a_connection_without_any_end_ends_abnormally() -> None:
    ws, _ = falcons([])

    assert Inbox(ws).code == ABNORMAL


async def test_an_abandoned_connection_ends_abnormally() -> None:
    ws, _ = falcons([])
    inbox = Inbox(ws)
    await ws.accept()
    inbox.abandon()

    assert (inbox.lost_code, await inbox.more()) == (ABNORMAL, False)


async def test_abandoning_changes_no_end() -> None:
    ws, _ = falcons([lost(4321)])
    inbox = Inbox(ws)
    await ws.accept()
    await inbox.drain()
    inbox.abandon()

    assert inbox.code == 4321


async def test_falcons_own_receiving_gets_the_next_frame() -> None:
    ws, _ = falcons([text("a"), {"type": "websocket.receive", "bytes": b"b"}, text("c")])
    inbox = Inbox(ws)
    await ws.accept()

    assert (await ws.receive_text(), await ws.receive_data()) == ("a", b"b")
    assert await inbox.more()
    assert inbox.pop() == "c"


async def test_falcons_own_receiving_sees_the_disconnect() -> None:
    ws, _ = falcons([lost(4321)])
    Inbox(ws)
    await ws.accept()

    with pytest.raises(falcon.WebSocketDisconnected) as caught:
        await ws.receive_text()

    assert caught.value.code == 4321


async def test_two_tasks_that_wait_for_a_frame_are_told_apart() -> None:
    ws, _ = falcons([])
    inbox = Inbox(ws)
    await ws.accept()
    waiting = asyncio.create_task(inbox.more())
    await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="Two tasks wait for the next frame"):
        await ws.receive_text()

    waiting.cancel()


async def test_a_cancelled_wait_loses_nothing() -> None:
    ws, _ = falcons([])
    inbox = Inbox(ws)
    await ws.accept()
    waiting = asyncio.create_task(inbox.more())
    await asyncio.sleep(0)
    waiting.cancel()
    inbox.frames.append("a")
    inbox._wake()

    assert await inbox.more()


async def test_what_the_transport_raises_comes_after_the_frames_before_it() -> None:
    ws, _ = falcons([text("a"), RuntimeError("transport")])
    inbox = Inbox(ws)
    await ws.accept()
    await inbox.more()
    inbox.pop()

    with pytest.raises(RuntimeError, match="transport"):
        await inbox.more()


async def test_draining_ends_where_the_transport_fails() -> None:
    ws, _ = falcons([text("a"), RuntimeError("transport")])
    inbox = Inbox(ws)
    await ws.accept()
    await inbox.drain()

    assert inbox.code == ABNORMAL


async def test_a_stopped_reader_is_no_task_any_more() -> None:
    ws, _ = falcons([])
    inbox = Inbox(ws)
    await ws.accept()
    inbox.stop()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_stopping_before_the_start_does_nothing() -> None:
    ws, _ = falcons([])

    Inbox(ws).stop()


@pytest.mark.parametrize("queue", [0, 4])
async def test_a_connection_that_was_accepted_before_is_read_through_falcon(queue: int) -> None:
    ws, _ = falcons([text("a"), text("b"), lost(4321)], queue=queue)
    await ws.accept()
    inbox = Inbox(ws)
    inbox.start()
    await asyncio.sleep(0)

    got = [inbox.pop() for _ in range(2) if await inbox.more()]

    assert (got, await inbox.more(), inbox.code) == (["a", "b"], False, 4321)


async def test_any_other_connection_is_read_through_its_public_methods() -> None:
    inbox = Inbox(Fake("text", b"bytes", {"type": "say"}))  # type: ignore[arg-type]
    inbox.start()

    got = [inbox.pop() for _ in range(3) if await inbox.more()]

    assert (got, await inbox.more(), inbox.code) == (
        ["text", b"bytes", '{"type":"say"}'],
        False,
        4001,
    )


async def test_what_another_connection_raises_is_raised_to_the_handler() -> None:
    inbox = Inbox(Fake(OSError("gone")))  # type: ignore[arg-type]
    inbox.start()

    with pytest.raises(OSError, match="gone"):
        await inbox.more()
