"""The client, against servers of which it knows nothing."""

import asyncio
import socket
import ssl
import sys
from datetime import datetime
from datetime import timedelta
from datetime import UTC

import pytest
import trustme
from websockets.frames import Frame
from websockets.frames import Opcode
from websockets.utils import accept_key

from pytest_pachinko import Accepted
from pytest_pachinko import Closed
from pytest_pachinko import ConnectionFailed
from pytest_pachinko import FromApp
from pytest_pachinko import HandshakeDenied
from pytest_pachinko import LiveServer
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import SessionClosed
from pytest_pachinko import Stalled
from pytest_pachinko import ToApp
from pytest_pachinko import UnexpectedMessage
from pytest_pachinko import WebSocketSession
from pytest_pachinko import WebSocketTestClient
from pytest_pachinko.network import _latin1

pytestmark = pytest.mark.asyncio


def client_of(url, **options):
    return WebSocketTestClient(url, allow_insecure=True, **{"timeout": 5} | options)


async def silent(connection):
    await connection.wait_closed()


async def accept(reader, writer, header=b""):
    """Answer a handshake by hand (RFC 6455, section 4.2.2), and nothing after it."""
    raw = await reader.readuntil(b"\r\n\r\n")
    request = raw.decode("latin-1").split("\r\n")
    key = next(line for line in request if line.lower().startswith("sec-websocket-key:"))
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + header
        + b"Sec-WebSocket-Accept: "
        + accept_key(key.partition(":")[2].strip()).encode()
        + b"\r\n\r\n"
    )
    await writer.drain()
    return raw


# Talking.


async def test_every_frame_the_handshake_and_the_close_are_traced(somewhere, echo_everything):
    async with somewhere(echo_everything) as url:
        async with client_of(url).connect("/chat") as session:
            await session.send({"type": "ping"})
            await session.receive_json()
            await session.send_bytes(b"\x00")
            await session.receive_bytes()

    assert isinstance(session, WebSocketSession)
    assert session.trace == [
        Accepted(None),
        ToApp({"type": "ping"}),
        FromApp({"type": "ping"}),
        ToApp(b"\x00"),
        FromApp(b"\x00"),
        Closed(1000, by="peer"),
    ]


async def test_a_greeting_that_comes_with_the_accept_is_traced_after_it(somewhere):
    async def greet(connection):
        await connection.send("hello")
        await connection.close(4001, "bye")

    async with somewhere(greet) as url:
        async with client_of(url).connect("/") as session:
            await session.expect("hello", Closed(4001, reason="bye"))

    assert session.trace == [Accepted(), FromApp("hello"), Closed(4001, reason="bye", by="app")]


async def test_what_the_server_sends_is_traced_though_nobody_reads_it(somewhere):
    async def greet(connection):
        await connection.send("one")
        await connection.send("two")
        await connection.close()

    async with somewhere(greet) as url:
        async with client_of(url).connect("/") as session:
            await session._wait_for_loss()

    assert session.trace[1:] == [FromApp("one"), FromApp("two"), Closed(1000, by="app")]


async def test_fragments_are_one_message(somewhere):
    async def fragment(connection):
        await connection.send(["a", "b", "c"])
        await connection.send([b"1", b"2"])
        await connection.wait_closed()

    async with somewhere(fragment) as url:
        async with client_of(url).connect("/") as session:
            await session.expect("abc", b"12")


async def test_text_that_is_no_utf8_ends_the_connection_with_1007(somewhere):
    async def lie(connection):
        connection.transport.write(Frame(Opcode.TEXT, b"\xff").serialize(mask=False))
        await connection.wait_closed()

    async with somewhere(lie, compression=None) as url:
        async with client_of(url, compression=None).connect("/") as session:
            with pytest.raises(SessionClosed, match="1007 'invalid UTF-8'"):
                await session.receive()


async def test_a_message_that_is_too_large_ends_the_connection_with_1009(somewhere):
    async def pour(connection):
        await connection.send("x" * 101)
        await connection.wait_closed()

    async with somewhere(pour) as url:
        async with client_of(url, max_size=100).connect("/") as session:
            await session.expect(Closed(1009, by="peer"))


async def test_a_server_waits_for_a_session_that_does_not_read(somewhere):
    sent = []

    async def pour(connection):
        for number in range(400):
            await connection.send(bytes(2**16))
            sent.append(number)

    async with somewhere(pour, compression=None) as url:
        async with client_of(url, timeout=5).connect("/") as session:
            await session.receive()
            unread = len(sent)
            for _ in range(399):
                await session.receive()

    assert unread < 400


async def test_a_ping_returns_the_time_of_its_pong(somewhere):
    async with somewhere(silent) as url:
        async with client_of(url).connect("/") as session:
            assert 0 <= await session.ping() < 5
            assert 0 <= await session.ping(b"data") < 5


async def test_a_ping_has_at_most_125_bytes(somewhere):
    async with somewhere(silent) as url:
        async with client_of(url).connect("/") as session:
            with pytest.raises(PachinkoUsageError, match="at most 125 bytes"):
                await session.ping(bytes(126))


async def test_a_ping_after_the_end_says_so(somewhere):
    async with somewhere(silent) as url:
        async with client_of(url).connect("/") as session:
            await session.close()
            with pytest.raises(SessionClosed, match=r"ping\(\): the connection has ended"):
                await session.ping()


async def test_a_ping_whose_connection_is_lost_says_so(raw_server):
    async def vanish(reader, writer):
        await accept(reader, writer)
        await reader.read(1)
        writer.transport.abort()

    async with raw_server(vanish) as port:
        async with client_of(f"ws://127.0.0.1:{port}").connect("/") as session:
            with pytest.raises(SessionClosed, match="1006"):
                await session.ping()


async def test_a_pong_that_does_not_come_is_not_waited_for_for_ever(raw_server):
    async def ignore(reader, writer):
        await accept(reader, writer)
        await reader.read()

    async with raw_server(ignore) as port:
        async with client_of(f"ws://127.0.0.1:{port}").connect("/") as session:
            with pytest.raises(Stalled, match=r"no pong came, and 0\.05 s of real time"):
                await session.ping(within=0.05)
            await session.drop()


# Silence and waiting, in real time.


async def test_silence_is_listened_to_for_a_while(somewhere):
    release = asyncio.Event()

    async def speak_late(connection):
        await release.wait()
        await connection.send("late")
        await connection.wait_closed()

    async with somewhere(speak_late) as url:
        async with client_of(url).connect("/") as session:
            await session.expect_silence()
            asyncio.get_running_loop().call_later(0.01, release.set)
            with pytest.raises(UnexpectedMessage, match="late"):
                await session.expect_silence()


async def test_a_receive_fails_after_the_timeout_and_says_that_time_is_real(somewhere):
    async with somewhere(silent) as url:
        async with client_of(url, timeout=0.5).connect("/") as session:
            with pytest.raises(Stalled, match=r"0\.5 s of real time have passed.*(?s:.*)within="):
                await session.receive()


async def test_a_server_that_dies_shows_as_1006(raw_server):
    async def vanish(reader, writer):
        await accept(reader, writer)
        await reader.read(1)
        writer.transport.abort()

    async with raw_server(vanish) as port:
        async with client_of(f"ws://127.0.0.1:{port}").connect("/") as session:
            await session.send("hi")
            with pytest.raises(SessionClosed, match="closed by the application with 1006"):
                await session.receive()


async def test_a_server_that_does_not_answer_a_close_is_left_all_the_same(raw_server):
    async def ignore(reader, writer):
        await accept(reader, writer)
        await reader.read()

    async with raw_server(ignore) as port:
        async with client_of(f"ws://127.0.0.1:{port}", timeout=0.5).connect("/") as session:
            pass

    assert session.close_code == 1000


async def test_dropping_ends_the_connection_without_a_close(somewhere):
    seen = []

    async def watch(connection):
        await connection.wait_closed()
        seen.append(connection.close_code)

    async with somewhere(watch) as url:
        async with client_of(url).connect("/") as session:
            await session.drop()

    assert seen == [1006]
    assert session.trace == [Accepted(), Closed(1006, by="peer")]


async def test_a_sender_that_nobody_reads_is_told(raw_server):
    async def ignore(reader, writer):
        await accept(reader, writer)
        writer.transport.pause_reading()
        await asyncio.Event().wait()

    async with raw_server(ignore) as port:
        async with client_of(f"ws://127.0.0.1:{port}", compression=None, timeout=0.5).connect(
            "/"
        ) as session:
            with pytest.raises(Stalled, match=r"send\(\): the application reads nothing"):
                for _ in range(1000):
                    await session.send(bytes(2**20))
            await session.drop()


async def test_what_comes_after_the_test_has_closed_is_not_traced(raw_server):
    async def speak_late(reader, writer):
        await accept(reader, writer)
        await reader.read(1)
        writer.write(Frame(Opcode.TEXT, b"late").serialize(mask=False))
        writer.write(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=False))
        await writer.drain()

    async with raw_server(speak_late) as port:
        async with client_of(f"ws://127.0.0.1:{port}", timeout=5).connect("/") as session:
            await session.close()

    assert session.trace == [Accepted(), Closed(1000, by="peer")]


async def test_what_was_received_is_read_after_the_end_too(somewhere):
    async def pour(connection):
        for _ in range(3):
            await connection.send(bytes(2**21))

    async with somewhere(pour, compression=None) as url:
        async with client_of(url, timeout=5).connect("/") as session:
            for _ in range(3):
                await session.receive()
            with pytest.raises(SessionClosed, match="1000"):
                await session.receive()


# The handshake.


async def test_headers_of_a_connection_replace_those_of_the_client(somewhere):
    seen = []

    async def look(connection):
        seen.append(connection.request.headers)

    async with somewhere(look) as url:
        client = client_of(url, headers={"Authorization": "Bearer a", "X-Team": "tea"})
        async with client.connect("/", headers={"authorization": "Bearer b"}):
            pass

    assert seen[0].get_all("authorization") == ["Bearer b"]
    assert seen[0].get_all("x-team") == ["tea"]


async def test_the_host_may_be_another_one(somewhere):
    seen = []

    async def look(connection):
        seen.append(connection.request.headers.get_all("host"))

    async with somewhere(look) as url:
        async with client_of(url).connect("/", headers={"host": "example.com"}):
            pass

    assert seen == [["example.com"]]


@pytest.mark.parametrize("raw", [b"r\xf4le", "r\xf4le".encode()])
async def test_a_header_that_is_not_ascii_arrives(raw_server, raw):
    seen = []

    async def greet(reader, writer):
        seen.append(await accept(reader, writer, b"X-Drink: " + raw + b"\r\n"))
        await reader.read(1)

    async with raw_server(greet) as port:
        async with client_of(f"ws://127.0.0.1:{port}").connect(
            "/", headers={"x-food": "cr\xeape"}
        ) as session:
            assert session.response_headers["x-drink"] in ("r\xf4le", raw.decode("latin-1"))

    assert b"cr\xeape" in seen[0]


async def test_a_header_that_was_read_as_utf_8_is_what_it_was():
    assert _latin1("10 \u20ac \udcff") == b"10 \xe2\x82\xac \xff"


async def test_cookies_and_parameters_are_sent(somewhere):
    seen = []

    async def look(connection):
        seen.append((connection.request.path, connection.request.headers["cookie"]))

    async with somewhere(look) as url:
        async with client_of(url + "/base/").connect(
            "/a b?x=1", cookies={"c": "d"}, params={"y": 2}
        ):
            pass

    assert seen == [("/base/a%20b?x=1&y=2", "c=d")]


async def test_the_subprotocols_of_the_client_are_offered_unless_a_connection_has_its_own(
    somewhere,
):
    async with somewhere(silent, subprotocols=["chat.v2", "chat.v1"]) as url:
        client = client_of(url, subprotocols=["chat.v1"])
        async with client.connect("/") as one:
            assert one.subprotocol == "chat.v1"
        async with client.connect("/", subprotocols=["chat.v2"]) as two:
            assert two.subprotocol == "chat.v2"


async def test_compression_says_what_was_negotiated(somewhere):
    async with somewhere(silent) as url:
        async with client_of(url).connect("/") as deflated:
            assert deflated.compression.startswith("permessage-deflate")
        async with client_of(url, compression=None).connect("/") as plain:
            assert plain.compression is None


async def test_a_refusal_has_the_status_the_headers_and_the_body(somewhere):
    def refuse(connection, request):
        return connection.respond(401, "who are you?\n")

    async with somewhere(silent, process_request=refuse) as url:
        with pytest.raises(HandshakeDenied, match=r"HTTP 401: who are you") as caught:
            async with client_of(url).connect("/"):
                pass
        denial = await client_of(url).denied("/", status=401)

    assert caught.value.status == denial.status == 401
    assert denial.body == b"who are you?\n"
    assert denial.headers["content-type"].startswith("text/plain")


async def test_a_redirect_is_not_followed(somewhere):
    def redirect(connection, request):
        response = connection.respond(302, "")
        response.headers["Location"] = "/elsewhere"
        return response

    async with somewhere(silent, process_request=redirect) as url:
        denial = await client_of(url).denied("/", status=302)

    assert denial.headers["location"] == "/elsewhere"


async def test_a_refused_connection_names_the_address(free_port):
    url = f"ws://127.0.0.1:{free_port}"
    with pytest.raises(ConnectionFailed, match=rf"(?s)no connection to {url}/ .*nobody listens"):
        async with client_of(url).connect("/"):
            pass


async def test_a_server_without_tls_is_no_server_with_it(somewhere):
    async with somewhere(silent) as url:
        with pytest.raises(ConnectionFailed, match=r"(?s)wss:// is for a server with TLS"):
            async with client_of(url.replace("ws:", "wss:"), timeout=5).connect("/"):
                pass


async def test_an_authority_that_is_unknown_is_named_as_the_cause(somewhere, strange_tls):
    server, _ = strange_tls
    async with somewhere(silent, ssl=server) as url:
        with pytest.raises(ConnectionFailed, match=r"(?s)unable to get local issuer.*cafile") as e:
            async with client_of(url, timeout=5).connect("/"):
                pass

    assert isinstance(e.value.__cause__, ssl.SSLCertVerificationError)


async def test_an_authority_may_be_trusted(somewhere, strange_tls):
    server, client = strange_tls
    async with somewhere(silent, ssl=server) as url:
        async with client_of(url, ssl=client, timeout=5).connect("/") as session:
            assert session.accepted


@pytest.mark.parametrize(
    ("name", "days", "hint"),
    [("example.com", 1, "a name that the certificate is for"), ("127.0.0.1", -1, "valid today")],
)
async def test_a_certificate_that_is_wrong_is_no_unknown_authority(somewhere, name, days, hint):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    until = datetime.now(UTC) + timedelta(days=days)
    authority.issue_cert(name, not_after=until).configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async with somewhere(silent, ssl=context) as url:
        with pytest.raises(ConnectionFailed, match=hint):
            async with client_of(url, ssl=trusting, timeout=5).connect("/"):
                pass


async def test_a_host_that_does_not_exist_is_called_so(monkeypatch):
    def look_up(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", look_up)

    with pytest.raises(ConnectionFailed, match=r"(?s)not known.*name of the host"):
        async with client_of("ws://nowhere.invalid", timeout=5).connect("/"):
            pass


async def test_a_subprotocol_that_was_not_offered_is_named(raw_server):
    async def choose(reader, writer):
        await accept(reader, writer, b"Sec-WebSocket-Protocol: chat.v9\r\n")

    async with raw_server(choose) as port:
        with pytest.raises(ConnectionFailed, match=r"(?s)chat\.v9.*that are offered: chat\.v1"):
            async with client_of(f"ws://127.0.0.1:{port}").connect("/", subprotocols=["chat.v1"]):
                pass


async def test_something_that_is_no_websocket_server_is_called_so(raw_server):
    async def grumble(reader, writer):
        writer.write(b"220 mail.example.com ready\r\n")
        await writer.drain()

    async with raw_server(grumble) as port:
        with pytest.raises(
            ConnectionFailed, match="is it a WebSocket server that listens there, and without TLS"
        ):
            async with client_of(f"ws://127.0.0.1:{port}").connect("/"):
                pass


async def test_a_server_that_never_answers_is_not_waited_for_for_ever(raw_server):
    async def ignore(reader, writer):
        await reader.read()

    async with raw_server(ignore) as port:
        with pytest.raises(Stalled, match=r"handshake is not answered, and 0\.05 s of real time"):
            async with client_of(f"ws://127.0.0.1:{port}", timeout=0.05).connect("/"):
                pass


# What cannot work.


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/x", r"(?s)HTTP server.*'ws://example.com/x'"),
        ("https://example.com", r"(?s)HTTP server.*'wss://example.com'"),
        ("example.com", "no address of a WebSocket server"),
        ("ws://", "no address of a WebSocket server"),
        ("wss://example.com:0", "no address of a WebSocket server"),
        ("wss://example.com:99999", "no URL"),
        ("wss://[::1", "no URL"),
        (None, "no URL|no address"),
        ("wss://example.com?x=1", "a query or a fragment"),
    ],
)
async def test_an_address_that_is_none_is_refused(url, message):
    with pytest.raises(PachinkoUsageError, match=message):
        WebSocketTestClient(url)


async def test_a_connection_without_tls_has_to_be_allowed():
    with pytest.raises(PachinkoUsageError, match=r"(?s)no TLS.*allow_insecure=True"):
        WebSocketTestClient("ws://127.0.0.1:8000")


async def test_a_tls_context_needs_tls():
    with pytest.raises(PachinkoUsageError, match="has no TLS, so ssl="):
        WebSocketTestClient("ws://x", allow_insecure=True, ssl=ssl.create_default_context())


async def test_there_is_one_compression():
    with pytest.raises(PachinkoUsageError, match="compression='gzip': \"deflate\" or None"):
        WebSocketTestClient("wss://example.com", compression="gzip")


@pytest.mark.parametrize("option", [{"faults": [object()]}, {"client": ("10.0.0.1", 1)}])
async def test_what_only_memory_can_do_says_how_to_stay_there(echo, option):
    async with LiveServer(echo, lifespan=False) as server:
        with pytest.raises(PachinkoUsageError, match=r'(?s)in memory.*transport="memory"'):
            server.client()("/", **option)


async def test_missing_websockets_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "websockets"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "pytest_pachinko.network", raising=False)
    monkeypatch.delattr("pytest_pachinko.network", raising=False)
    monkeypatch.setitem(sys.modules, "websockets", None)

    with pytest.raises(PachinkoUsageError, match=r"(?s)needs websockets.*\[testing\]"):
        WebSocketTestClient("wss://example.com")


async def test_a_client_shows_where_it_connects_to():
    assert repr(WebSocketTestClient("wss://example.com/")) == (
        "<WebSocketTestClient of wss://example.com: 0 sessions so far>"
    )
