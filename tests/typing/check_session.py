"""What the type checkers infer for a session; checked, never run."""

from typing import Any
from typing import assert_type

import msgspec

from pytest_pachinko import Headers
from pytest_pachinko import MemoryTransport
from pytest_pachinko import Session
from pytest_pachinko import Trace
from pytest_pachinko import TraceEvent


class Said(msgspec.Struct, tag="said"):
    text: str


class Left(msgspec.Struct, tag="left"):
    nick: str


async def a_transport_opens_sessions(connect: MemoryTransport) -> None:
    async with connect("/chat", subprotocols=["chat.v1"], headers={"a": "b"}) as session:
        assert_type(session, Session)


async def a_frame_is_text_or_bytes(session: Session) -> None:
    assert_type(await session.receive(), str | bytes)
    assert_type(await session.receive(within=1.0), str | bytes)


async def a_frame_of_one_kind_is_of_that_kind(session: Session) -> None:
    assert_type(await session.receive_text(), str)
    assert_type(await session.receive_bytes(), bytes)


async def a_received_message_has_the_type_that_was_asked_for(session: Session) -> None:
    assert_type(await session.receive(Said), Said)
    assert_type(await session.receive(Said, within=1.0), Said)
    assert_type(await session.receive(dict[str, int]), dict[str, int])


async def a_message_of_a_union_is_of_any_type(session: Session) -> None:
    # A union is no type[T]; until PEP 747 a checker cannot say more.
    message: Said | Left = await session.receive(Said | Left)
    assert_type(message, Said | Left)


async def json_is_plain_data_or_a_type(session: Session) -> None:
    assert_type(await session.receive_json(), Any)
    assert_type(await session.receive_json(Said), Said)


async def iteration_yields_frames(session: Session) -> None:
    async for frame in session:
        assert_type(frame, str | bytes)


async def the_end_of_a_session_may_not_have_come(session: Session) -> None:
    assert_type(session.close_code, int | None)
    assert_type(session.close_reason, str | None)
    assert_type(session.subprotocol, str | None)
    assert_type(session.response_headers, Headers)


def a_trace_is_a_sequence_of_events(session: Session) -> None:
    assert_type(session.trace, Trace)
    assert_type(session.trace[0], TraceEvent)
    assert_type(session.trace[1:], Trace)
    for event in session.trace:
        assert_type(event, TraceEvent)
