"""What crosses the wire is counted at the client's socket, below TLS and the frames."""

from collections.abc import Callable
from typing import Any

import pytest

from falcon_pachinko import Extension
from falcon_pachinko import offered_extensions
from pytest_pachinko import Closed
from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from pytest_pachinko.clock.links import End

pytestmark = pytest.mark.asyncio

TEXT = "the same again, " * 6400
SIZE = 100 * 1024

legacy = pytest.mark.filterwarnings(
    "ignore:The `websockets` implementation is deprecated:UserWarning",
    "ignore:websockets.legacy is deprecated:DeprecationWarning",
    "ignore:remove second argument of ws_handler:DeprecationWarning",
)
for_each_stack = pytest.mark.parametrize(
    "ws", ["websockets-sansio", pytest.param("websockets", marks=legacy), "wsproto"]
)


async def cross(server: LiveServer, **options: Any) -> tuple[int, int]:
    """Send a text of 100 KiB and get it back; return how many bytes that took each way."""
    async with server.client(**options).connect("/") as session:
        end: Any = session._wire.connection.transport.get_extra_info("socket")._sock
        assert isinstance(end, End)
        sent, received = end.sent, end.received
        await session.send_text(TEXT)
        assert await session.receive_text() == TEXT
        return end.sent - sent, end.received - received


@for_each_stack
async def test_a_text_that_repeats_itself_is_deflated_both_ways(
    app_of: Callable[..., Any], echo: Any, ws: str
) -> None:
    async with LiveServer(app_of(echo), ws=ws) as server:
        sent, received = await cross(server)

    assert len(TEXT) == SIZE
    assert sent < 1000
    assert received < 1000


@for_each_stack
async def test_nothing_is_deflated_where_the_server_does_not(
    app_of: Callable[..., Any], echo: Any, ws: str
) -> None:
    async with LiveServer(app_of(echo), ws=ws, ws_per_message_deflate=False) as server:
        sent, received = await cross(server)

    assert sent > SIZE
    assert received > SIZE


@for_each_stack
async def test_nothing_is_deflated_where_the_client_does_not_offer_it(
    app_of: Callable[..., Any], echo: Any, ws: str
) -> None:
    async with LiveServer(app_of(echo), ws=ws) as server:
        sent, received = await cross(server, compression=None)

    assert sent > SIZE
    assert received > SIZE


async def test_what_tls_encrypts_is_deflated_before(app_of: Callable[..., Any], echo: Any) -> None:
    async with LiveServer(app_of(echo), tls=True) as server:
        deflated = await cross(server)
        plain = await cross(server, compression=None)

    assert max(deflated) < 1000
    assert min(plain) > SIZE


@for_each_stack
async def test_a_session_says_what_was_negotiated(
    app_of: Callable[..., Any], echo: Any, ws: str
) -> None:
    async with LiveServer(app_of(echo), ws=ws) as server:
        async with server.client().connect("/") as session:
            assert session.compression is not None
            assert session.compression.startswith("permessage-deflate")
        async with server.client(compression=None).connect("/") as session:
            assert session.compression is None
    async with LiveServer(app_of(echo), ws=ws, ws_per_message_deflate=False) as server:
        async with server.client().connect("/") as session:
            assert session.compression is None


async def test_a_trace_has_the_text_whatever_crossed_the_wire(
    app_of: Callable[..., Any], echo: Any
) -> None:
    async with LiveServer(app_of(echo)) as server:
        client = server.client()
        async with client.connect("/") as session:
            await session.send_text(TEXT)
            await session.receive_text()

    assert [event.payload for event in client.traces[0] if event.kind == "text"] == [TEXT, TEXT]


async def test_the_application_sees_what_a_client_offers(falcon_app: Callable[..., Any]) -> None:
    seen: list[Any] = []

    async def on_websocket(req: Any, ws: Any) -> None:
        seen.append(offered_extensions(req))
        await ws.accept()

    async with LiveServer(falcon_app(on_websocket)) as server:
        for compression in ("deflate", None):
            async with server.client(compression=compression).connect("/") as session:
                await session.expect(Closed(1000))

    assert seen == [(Extension("permessage-deflate", (("client_max_window_bits", None),)),), ()]


async def test_an_offer_can_be_made_in_memory_and_changes_nothing(
    falcon_app: Callable[..., Any],
) -> None:
    seen: list[Any] = []

    async def on_websocket(req: Any, ws: Any) -> None:
        seen.append(offered_extensions(req))
        await ws.accept()

    headers = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    async with MemoryTransport(falcon_app(on_websocket))("/", headers=headers) as session:
        assert session.compression is None

    assert seen == [(Extension("permessage-deflate"),)]
