"""What the type checkers infer for live servers and their clients; checked, never run."""

import ssl
from typing import Any
from typing import assert_type

import msgspec

from pytest_pachinko import Headers
from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from pytest_pachinko import Session
from pytest_pachinko import Trace
from pytest_pachinko import Transport
from pytest_pachinko import WebSocketSession
from pytest_pachinko import WebSocketTestClient


class Said(msgspec.Struct, tag="said"):
    text: str


async def a_server_runs_in_its_block(app: Any) -> None:
    async with LiveServer(app, tls=True, clock="autojump", ws="wsproto") as server:
        assert_type(server, LiveServer)
        assert_type(server.url, str)
        assert_type(server.http_url, str)
        assert_type(server.port, int)
        assert_type(server.ssl_context, ssl.SSLContext | None)
        assert_type(server.client(compression=None), WebSocketTestClient)


async def a_client_opens_sessions_over_a_network(client: WebSocketTestClient) -> None:
    async with client.connect("/chat", headers={"a": "b"}, subprotocols=["chat.v1"]) as session:
        assert_type(session, WebSocketSession)
    async with client("/chat", params={"page": 1}, name="ann") as session:
        assert_type(session, WebSocketSession)
    assert_type(client.traces, list[Trace])


async def a_refusal_is_an_answer(client: WebSocketTestClient) -> None:
    answer = await client.denied("/chat", status=401)
    assert_type(answer.status, int)
    assert_type(answer.headers, Headers)
    assert_type(answer.body, bytes)
    assert_type(answer.close_code, int | None)


async def a_session_over_a_network_is_a_session(session: WebSocketSession) -> None:
    sessions: list[Session] = [session]
    assert_type(sessions[0], Session)
    assert_type(await session.receive(Said), Said)
    assert_type(await session.receive(), str | bytes)


async def a_ping_takes_its_time(session: WebSocketSession) -> None:
    assert_type(await session.ping(), float)
    assert_type(await session.ping(b"data", within=1.0), float)
    assert_type(session.compression, str | None)


async def either_transport_opens_sessions(connect: Transport) -> None:
    transports: list[Transport] = [MemoryTransport(None), connect]  # type: ignore[arg-type]
    async with transports[1]("/chat", cookies={"a": "b"}) as session:
        assert_type(session, Session)
        assert_type(await session.receive(Said), Said)
