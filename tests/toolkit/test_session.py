"""What a test does with one connection."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from pytest_pachinko import Closed
from pytest_pachinko import FromApp
from pytest_pachinko import MemoryTransport
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import SessionClosed
from pytest_pachinko import Stalled
from pytest_pachinko import UnexpectedMessage

pytestmark = pytest.mark.asyncio


class Said(msgspec.Struct, tag="said"):
    text: str


class Left(msgspec.Struct, tag="left"):
    pass


SAID = '{"type":"said","text":"hi"}'


def closes(code: int = 1000, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.close", "code": code, "reason": reason}


# Sending.


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        (Said(text="hi"), SAID),
        ({"a": 1}, '{"a":1}'),
        ([1], "[1]"),
        ("text", "text"),
        (b"data", b"data"),
    ],
)
async def test_send_takes_what_has_one_meaning(
    talk_to: Any, echo: Any, message: Any, frame: Any
) -> None:
    async with talk_to(echo) as session:
        await session.send(message)

        assert await session.receive() == frame


@pytest.mark.parametrize("message", [1, None, 1.5, True, (1,), bytearray(b"x")])
async def test_send_names_what_takes_anything_else(talk_to: Any, idle: Any, message: Any) -> None:
    async with talk_to(idle) as session:
        with pytest.raises(TypeError, match="send_json"):
            await session.send(message)


async def test_send_json_encodes_anything(talk_to: Any, echo: Any) -> None:
    async with talk_to(echo) as session:
        await session.send_json((1, None, "x"))

        assert await session.receive() == '[1,null,"x"]'


@pytest.mark.parametrize("data", [b"x", bytearray(b"x"), memoryview(b"x")])
async def test_send_bytes_takes_what_holds_bytes(talk_to: Any, echo: Any, data: Any) -> None:
    async with talk_to(echo) as session:
        await session.send_bytes(data)

        assert await session.receive_bytes() == b"x"


async def test_send_text_is_sent_as_it_is(talk_to: Any, echo: Any) -> None:
    async with talk_to(echo) as session:
        await session.send_text("x")

        assert await session.receive_text() == "x"


async def test_a_frame_of_the_other_kind_is_a_type_error(talk_to: Any, idle: Any) -> None:
    async with talk_to(idle) as session:
        with pytest.raises(TypeError, match="takes a str, not bytes"):
            await session.send_text(b"x")
        with pytest.raises(TypeError, match="takes bytes, not str"):
            await session.send_bytes("x")


async def test_sending_after_the_end_says_how_it_ended(talk_to: Any, says: Any) -> None:
    async with talk_to(says(closes(4001, "bye"))) as session:
        with pytest.raises(SessionClosed, match="closed by the application with 4001 'bye'"):
            await session.send("x")


# Receiving.


@pytest.mark.parametrize("payload_type", [Said, Said | Left, Left | Said])
async def test_a_message_is_decoded_to_its_type(talk_to: Any, says: Any, payload_type: Any) -> None:
    async with talk_to(says(SAID)) as session:
        assert await session.receive(payload_type) == Said(text="hi")


async def test_a_binary_frame_holds_messages_too(talk_to: Any, says: Any) -> None:
    async with talk_to(says(SAID.encode())) as session:
        assert await session.receive(Said) == Said(text="hi")


async def test_another_message_says_what_was_expected_and_what_came(
    talk_to: Any, says: Any
) -> None:
    async with talk_to(says('{"type":"left"}')) as session:
        with pytest.raises(UnexpectedMessage) as caught:
            await session.receive(Said)

    lines = str(caught.value).splitlines()
    assert lines[1:3] == ["  expected  Said", '  got       text {"type":"left"}']
    assert "  [1] ← text" in lines[-1]
    assert caught.value.payload == '{"type":"left"}'


async def test_another_message_is_consumed_and_not_skipped(talk_to: Any, says: Any) -> None:
    async with talk_to(says('{"type":"left"}', SAID)) as session:
        with pytest.raises(UnexpectedMessage):
            await session.receive(Said)

        assert await session.receive(Said) == Said(text="hi")


@pytest.mark.parametrize("frame", ["not json", b"\xff", "[" * 100_000])
async def test_what_is_no_message_is_unexpected(talk_to: Any, says: Any, frame: Any) -> None:
    async with talk_to(says(frame)) as session:
        with pytest.raises(UnexpectedMessage):
            await session.receive(Said)


async def test_receive_json_gives_plain_data_or_a_type(talk_to: Any, says: Any) -> None:
    async with talk_to(says("[1]", SAID, "x")) as session:
        assert await session.receive_json() == [1]
        assert await session.receive_json(Said) == Said(text="hi")
        with pytest.raises(UnexpectedMessage, match="expected  JSON"):
            await session.receive_json()


async def test_receive_text_refuses_a_binary_frame(talk_to: Any, says: Any) -> None:
    async with talk_to(says(b"x")) as session:
        with pytest.raises(UnexpectedMessage, match="expected  a text frame"):
            await session.receive_text()


async def test_receive_bytes_refuses_a_text_frame(talk_to: Any, says: Any) -> None:
    async with talk_to(says("x")) as session:
        with pytest.raises(UnexpectedMessage, match="expected  a binary frame"):
            await session.receive_bytes()


async def test_what_was_sent_before_the_close_is_read_before_it(talk_to: Any, says: Any) -> None:
    async with talk_to(says("1", "2", closes(4001, "bye"))) as session:
        assert [await session.receive(), await session.receive()] == ["1", "2"]
        with pytest.raises(SessionClosed) as caught:
            await session.receive()

    assert (caught.value.code, caught.value.reason) == (4001, "bye")


async def test_iteration_ends_with_a_normal_close(talk_to: Any, says: Any) -> None:
    async with talk_to(says("1", "2", closes(1001))) as session:
        assert [frame async for frame in session] == ["1", "2"]


async def test_iteration_raises_at_any_other_close(talk_to: Any, says: Any) -> None:
    frames = []

    async with talk_to(says("1", closes(1011))) as session:
        with pytest.raises(SessionClosed):
            async for frame in session:
                frames.append(frame)  # noqa: PERF401 - it raises

    assert frames == ["1"]


# Waiting.


async def test_a_receive_that_nothing_can_satisfy_fails_at_once(talk_to: Any, idle: Any) -> None:
    async with talk_to(idle) as session:
        with pytest.raises(Stalled, match=r"receive\(\): no frame came"):
            await session.receive()


async def test_a_stalled_receive_says_where_the_application_waits(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        while (await receive())["type"] == "websocket.receive":
            pass

    async with talk_to(handler) as session:
        await session.send("x")
        with pytest.raises(Stalled) as caught:
            await session.receive(Said)

    message = str(caught.value)
    assert "receive(Said)" in message
    assert "in test_a_stalled_receive" in message
    assert "[1] → text x" in message
    assert "Hint: " in message


async def test_a_stalled_receive_says_that_the_application_has_returned(app_of: Any) -> None:
    tasks = []

    async def handler(receive: Any, send: Any) -> None:
        event = asyncio.Event()
        tasks.append(asyncio.create_task(event.wait()))
        await receive()
        tasks[0].cancel()

    async with MemoryTransport(app_of(handler))("/") as session:
        with pytest.raises(Stalled, match="receive"):
            await session.receive()


async def test_time_passes_for_a_receive_that_says_so(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        await asyncio.sleep(30)
        await send({"type": "websocket.send", "text": "late"})
        await receive()

    async with talk_to(handler) as session:
        with pytest.raises(Stalled, match="within=30"):
            await session.receive()

        assert await session.receive(within=60) == "late"


async def test_a_receive_within_too_short_a_time_fails(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        await asyncio.sleep(30)
        await receive()

    async with talk_to(handler) as session:
        with pytest.raises(Stalled, match="5 s have passed"):
            await session.receive(within=5)


@pytest.mark.parametrize("within", [-1, float("inf"), float("nan")])
async def test_within_is_a_time(talk_to: Any, idle: Any, within: float) -> None:
    async with talk_to(idle) as session:
        with pytest.raises(PachinkoUsageError, match="seconds to wait"):
            await session.receive(within=within)


# Expecting.


async def test_expect_returns_the_payloads(talk_to: Any, says: Any) -> None:
    frames = SAID, SAID, '{"a":1}', "[1]", "x", closes(4001, "bye")
    async with talk_to(says(*frames)) as session:
        assert await session.expect(
            Said, Said(text="hi"), {"a": 1}, FromApp([1]), str, Closed(4001)
        ) == [Said(text="hi"), Said(text="hi"), {"a": 1}, [1], "x", (4001, "bye")]


async def test_expect_says_which_event_differs(talk_to: Any, says: Any) -> None:
    async with talk_to(says("1", "2")) as session:
        with pytest.raises(UnexpectedMessage) as caught:
            await session.expect("1", "3")

    assert str(caught.value).splitlines()[1:3] == [
        "  expected  FromApp('3') as event 2 of 2",
        "  got       text 2",
    ]


async def test_expect_of_one_event_does_not_count(talk_to: Any, says: Any) -> None:
    async with talk_to(says("1")) as session:
        with pytest.raises(UnexpectedMessage, match=r"expected  FromApp\('3'\)\n"):
            await session.expect("3")


async def test_expect_of_a_frame_is_surprised_by_an_end(talk_to: Any, says: Any) -> None:
    async with talk_to(says(closes(4001))) as session:
        with pytest.raises(UnexpectedMessage, match="closed by app 4001") as caught:
            await session.expect("1")

    assert caught.value.payload is None


async def test_expect_of_an_end_is_surprised_by_a_frame(talk_to: Any, says: Any) -> None:
    async with talk_to(says("1")) as session:
        with pytest.raises(UnexpectedMessage, match="got       text 1"):
            await session.expect(Closed())


async def test_silence_is_a_fact(talk_to: Any, idle: Any) -> None:
    async with talk_to(idle) as session:
        await session.send("x")
        await session.expect_silence()


async def test_an_unread_frame_is_no_silence(talk_to: Any, echo: Any) -> None:
    async with talk_to(echo) as session:
        await session.send("x")
        with pytest.raises(UnexpectedMessage, match=r"expected  silence\n  got       text x"):
            await session.expect_silence()

        assert await session.receive() == "x"


async def test_an_end_is_no_silence(talk_to: Any, says: Any) -> None:
    async with talk_to(says(closes(4001))) as session:
        with pytest.raises(UnexpectedMessage, match="closed by the application with 4001"):
            await session.expect_silence()


async def test_silence_within_a_time_lets_it_pass(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        await asyncio.sleep(30)
        await send({"type": "websocket.send", "text": "late"})
        await receive()

    async with talk_to(handler) as session:
        await session.expect_silence(within=29)
        with pytest.raises(UnexpectedMessage):
            await session.expect_silence(within=2)
        with pytest.raises(UnexpectedMessage):
            await session.expect_silence(within=2)


# Ending.


async def test_a_close_reaches_the_application(talk_to: Any) -> None:
    heard = []

    async def handler(receive: Any, send: Any) -> None:
        heard.append(await receive())

    async with talk_to(handler) as session:
        await session.close(4000, "bye")
        assert heard == [{"type": "websocket.disconnect", "code": 4000, "reason": "bye"}]
        assert (session.close_code, session.close_reason) == (4000, "bye")


async def test_a_drop_shows_as_1006(talk_to: Any) -> None:
    heard = []

    async def handler(receive: Any, send: Any) -> None:
        heard.append((await receive())["code"])

    async with talk_to(handler) as session:
        await session.drop()
        assert heard == [1006]


async def test_only_the_first_close_counts(talk_to: Any, idle: Any) -> None:
    async with talk_to(idle) as session:
        await session.close(4000)
        await session.close(4001)
        await session.drop()

        assert session.close_code == 4000


async def test_leaving_the_block_closes(talk_to: Any, idle: Any) -> None:
    async with talk_to(idle) as session:
        assert not session.closed

    assert (session.closed, session.close_code, session.close_reason) == (True, 1000, "")


@pytest.mark.parametrize("code", [999, 1004, 1005, 1006, 1015, 2999, 5000])
async def test_a_code_that_no_client_sends_is_refused(talk_to: Any, idle: Any, code: int) -> None:
    async with talk_to(idle) as session:
        with pytest.raises(PachinkoUsageError, match=r"drop\(\)"):
            await session.close(code)


async def test_a_reason_that_fits_no_frame_is_refused(talk_to: Any, idle: Any) -> None:
    async with talk_to(idle) as session:
        with pytest.raises(PachinkoUsageError, match="123 bytes"):
            await session.close(1000, "ü" * 62)


# Looking.


async def test_a_session_tells_about_its_handshake(talk_to: Any, falcon_app: Any) -> None:
    async def on_websocket(req: Any, ws: Any) -> None:
        await ws.accept("chat", headers={"x-key": "1"})
        await ws.receive_text()

    connect = MemoryTransport(falcon_app(on_websocket))
    async with connect("/?a=1", subprotocols=["chat"]) as session:
        assert session.accepted
        assert session.path == "/?a=1"
        assert session.subprotocol == "chat"
        assert session.response_headers["X-Key"] == "1"
        assert session.compression is None
        assert session.close_code is None
        assert session.close_reason is None


async def test_a_session_is_printed_in_one_line(talk_to: Any, echo: Any) -> None:
    async with talk_to(echo, "/chat") as session:
        await session.send("1")
        await session.send("2")
        await session.receive()

        assert repr(session) == "<Session /chat: open; 2 sent, 2 received, 1 unread>"

    assert repr(session) == "<Session /chat: closed by the test with 1000>"


async def test_what_a_type_expects_comes_decoded_to_it(talk_to: Any, says: Any) -> None:
    async with talk_to(says('{"type":"said","text":"hi"}', "7", "[1]")) as session:
        assert await session.expect(Said | Left, int, [1]) == [Said(text="hi"), 7, [1]]


async def test_a_type_that_compares_by_itself_gives_the_frame(talk_to: Any, says: Any) -> None:
    class Anything(type):
        def __eq__(cls, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    class Whatever(metaclass=Anything):
        pass

    async with talk_to(says("7")) as session:
        assert await session.expect(Whatever) == ["7"]
