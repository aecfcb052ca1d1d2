"""What docs/how-to/compression.md says about servers, cell by cell."""

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from typing import NamedTuple

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from pytest_pachinko import SessionClosed
from pytest_pachinko import WebSocketTestClient
from tests.servers.serving import Address
from tests.servers.serving import daphne
from tests.servers.serving import granian
from tests.servers.serving import hypercorn
from tests.servers.serving import PATIENCE
from tests.servers.serving import Serving
from tests.servers.serving import uvicorn
from tests.servers.serving import Wire

KIB, MIB = 1024, 1024 * 1024
SMALL = 100 * KIB
TEXT = "x" * SMALL
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "compression.md"


class Server(NamedTuple):
    """A row of the table."""

    label: str
    serving: Serving
    start: dict[str, Any]  # how it is started
    deflates: bool
    off: dict[str, Any]  # what switches it off
    window: int | None  # bits, of both sides
    sees_offer: bool
    limit: int  # bytes of a message of one frame
    limited: dict[str, Any]  # what makes the limit 100 KiB
    beyond: str  # what the table says that a client sees beyond the limit
    codes: tuple[int, ...]
    reason: bool = False


def _uvicorn(ws: str, *, window: int, sees_offer: bool = True, reason: bool = False) -> Server:
    return Server(
        label=f'uvicorn, `ws="{ws}"`',
        serving=uvicorn,
        start={"ws": ws},
        deflates=True,
        off={"ws_per_message_deflate": False},
        window=window,
        sees_offer=sees_offer,
        limit=16 * MIB,
        limited={"ws_max_size": SMALL},
        beyond="1009 and a reason" if reason else "1009",
        codes=(1009,),
        reason=reason,
    )


SANSIO = _uvicorn("websockets-sansio", window=12, reason=True)
LEGACY = _uvicorn("websockets", window=15)
WSPROTO = _uvicorn("wsproto", window=15, sees_offer=False, reason=True)
HYPERCORN = Server(
    label="hypercorn",
    serving=hypercorn,
    start={},
    deflates=True,
    off={},
    window=15,
    sees_offer=True,
    limit=16 * MIB,
    limited={"websocket_max_message_size": SMALL},
    beyond="1009",
    codes=(1009,),
)
GRANIAN = Server(
    label="granian",
    serving=granian,
    start={},
    deflates=False,
    off={},
    window=None,
    sees_offer=True,
    limit=16 * MIB,
    limited={},
    beyond="1005 or 1006",
    codes=(1005, 1006),
)
DAPHNE = Server(
    label="daphne",
    serving=daphne,
    start={},
    deflates=False,
    off={},
    window=None,
    sees_offer=True,
    limit=MIB,
    limited={"--websocket-max-message-size": SMALL},
    beyond="1006",
    codes=(1006,),
)
SERVERS = (SANSIO, LEGACY, WSPROTO, HYPERCORN, GRANIAN, DAPHNE)

legacy = pytest.mark.filterwarnings(
    "ignore:The `websockets` implementation is deprecated:UserWarning",
    "ignore:websockets.legacy is deprecated:DeprecationWarning",
    "ignore:remove second argument of ws_handler:DeprecationWarning",
)


def for_each(*servers: Server) -> pytest.MarkDecorator:
    marks = {LEGACY.label: [legacy], GRANIAN.label: [pytest.mark.slow]}
    marks[DAPHNE.label] = marks[GRANIAN.label]
    return pytest.mark.parametrize(
        "server",
        [pytest.param(each, id=each.label, marks=marks.get(each.label, ())) for each in servers],
    )


class Talk(NamedTuple):
    """What a client saw."""

    compression: str | None
    offer: list[Any]
    answer: str | None
    close: tuple[int | None, str]
    to_server: int
    to_client: int


async def talk(
    server: Server,
    text: str = "hello",
    *,
    compression: str | None = "deflate",
    **options: Any,
) -> Talk:
    """Start a server, send a text, and see what comes of it."""
    async with server.serving(**server.start, **options) as address:
        return await talk_to(address, text, compression)


async def talk_to(address: Address, text: str, compression: str | None) -> Talk:
    wire = Wire(address)
    async with wire as url:
        client = WebSocketTestClient(
            url, allow_insecure=True, compression=compression, timeout=PATIENCE
        )
        async with client.connect("/") as session:
            offer = json.loads(await session.receive_text())
            before = wire.to_server, wire.to_client
            await session.send_text(text)
            try:
                answer = await session.receive_text()
            except SessionClosed:
                answer = None
            after = wire.to_server, wire.to_client
            return Talk(
                compression=session.compression,
                offer=offer,
                answer=answer,
                close=(session.close_code, session.close_reason or ""),
                to_server=after[0] - before[0],
                to_client=after[1] - before[1],
            )


def window_bits(compression: str) -> set[int]:
    """Return the sizes of the windows of both sides; the default is 15 (RFC 7692, 7.1.2)."""
    found = [re.search(rf"{side}_max_window_bits=(\d+)", compression) for side in SIDES]
    return {15 if match is None else int(match[1]) for match in found}


SIDES = ("server", "client")


@for_each(*SERVERS)
@pytest.mark.asyncio
async def test_what_a_server_does_with_an_offer_of_deflate(server: Server) -> None:
    seen = await talk(server, TEXT)

    assert seen.answer == TEXT
    if server.deflates:
        assert seen.compression is not None
        assert seen.compression.startswith("permessage-deflate")
        assert window_bits(seen.compression) == {server.window}
        assert max(seen.to_server, seen.to_client) < 1000
    else:
        assert seen.compression is None
        assert min(seen.to_server, seen.to_client) > SMALL


@for_each(*SERVERS)
@pytest.mark.asyncio
async def test_whether_the_application_sees_the_offer(server: Server) -> None:
    seen = await talk(server)

    deflate = ["permessage-deflate", [["client_max_window_bits", None]]]
    assert seen.offer == ([deflate] if server.sees_offer else [])


@for_each(*SERVERS)
@pytest.mark.asyncio
async def test_a_client_that_offers_nothing_gets_nothing_compressed(server: Server) -> None:
    seen = await talk(server, TEXT, compression=None)

    assert seen.compression is None
    assert seen.offer == []
    assert min(seen.to_server, seen.to_client) > SMALL


@for_each(*(each for each in SERVERS if each.off))
@pytest.mark.asyncio
async def test_a_server_with_a_switch_is_switched_off(server: Server) -> None:
    seen = await talk(server, TEXT, **server.off)

    assert seen.compression is None
    assert min(seen.to_server, seen.to_client) > SMALL


@pytest.mark.slow
@for_each(*(each for each in SERVERS if not each.off))
def test_a_server_without_a_switch_has_no_option_that_looks_like_one(server: Server) -> None:
    pytest.importorskip(server.label, reason=f"{server.label} is not installed")
    if server is HYPERCORN:
        options = " ".join(dir(import_module("hypercorn.config").Config))
    else:
        command = [sys.executable, "-m", server.label, "--help"]
        options = subprocess.run(command, capture_output=True, check=True, text=True).stdout

    assert "websocket" in options
    assert not re.search("deflate|compress", options)


@for_each(*SERVERS)
@pytest.mark.asyncio
async def test_a_message_as_long_as_the_limit_is_taken(server: Server) -> None:
    seen = await talk(server, "x" * server.limit)

    assert seen.answer == str(server.limit)


@for_each(*SERVERS)
@pytest.mark.asyncio
async def test_what_a_client_sees_whose_message_is_too_long(server: Server) -> None:
    seen = await talk(server, "x" * (server.limit + 1))

    assert seen.answer is None
    assert seen.close[0] in server.codes
    assert bool(seen.close[1]) is server.reason


@for_each(*(each for each in SERVERS if each.limited))
@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.asyncio
async def test_the_limit_can_be_changed_and_counts_what_was_inflated(
    server: Server, compression: str | None
) -> None:
    options = server.start | server.limited
    async with server.serving(**options) as address:
        taken = await talk_to(address, TEXT, compression)
        refused = await talk_to(address, TEXT + "x", compression)

    assert taken.answer == TEXT
    assert refused.answer is None
    assert refused.close[0] in server.codes


@pytest.mark.slow
@pytest.mark.asyncio
async def test_daphne_has_a_second_limit_for_frames() -> None:
    both = {
        "--websocket-max-message-size": 2 * MIB,
        "--websocket-max-frame-size": 2 * MIB,
    }
    one = {"--websocket-max-message-size": 2 * MIB}

    assert (await talk(DAPHNE, "x" * 2 * MIB, **both)).answer == str(2 * MIB)
    assert (await talk(DAPHNE, "x" * 2 * MIB, **one)).close[0] == 1006


@pytest.mark.slow
@pytest.mark.asyncio
async def test_granian_takes_64_mib_in_several_frames() -> None:
    frame = "x" * 16 * MIB
    async with granian() as address, Wire(address) as url:
        async with connect(url, compression=None) as connection:
            await connection.recv()
            await connection.send([frame] * 4)
            assert await connection.recv() == str(64 * MIB)
        async with connect(url, compression=None) as connection:
            await connection.recv()
            with pytest.raises(ConnectionClosed):
                await connection.send([frame] * 4 + ["x"])
                await connection.recv()


@pytest.mark.asyncio
async def test_uvicorn_takes_websockets_sansio_if_it_is_not_told() -> None:
    told = await talk(SANSIO)
    untold = await talk(SANSIO._replace(start={}))

    assert untold.compression == told.compression


def test_the_options_of_uvicorn_are_those_of_its_command_too() -> None:
    command: Any = import_module("uvicorn.main").main
    options = {option for parameter in command.params for option in parameter.opts}

    assert {"--ws", "--ws-per-message-deflate", "--ws-max-size"} <= options


def row_of(server: Server) -> str:
    """Return the row of the page's table."""
    cells = [
        server.label,
        "yes" if server.deflates else "no",
        " ".join(f"`{name}={value}`" for name, value in server.off.items()) or "none",
        str(server.window or ""),
        "yes" if server.sees_offer else "no",
        f"{server.limit // MIB} MiB",
        " ".join(f"`{name}`" for name in server.limited) or "none",
        server.beyond,
    ]
    return f"| {' | '.join(cells)} |"


@for_each(*SERVERS)
def test_the_page_says_what_is_tested_here(server: Server) -> None:
    assert row_of(server).replace("|  |", "| |") in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_page_says_nothing_of_other_servers() -> None:
    rows = re.findall(
        r"^\| (?:uvicorn|hypercorn|granian|daphne).*", PAGE.read_text("utf-8"), re.MULTILINE
    )

    assert len(rows) == len(SERVERS)
