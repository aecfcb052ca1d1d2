"""One script per case, on the simulator and on four servers: the same must be seen on all.

A case is an application and what a peer does with it. What is compared are lines: what the
application was told and which exceptions it saw, and the normalised trace of each session, as the
peer saw it. They are the simulator's on every server, but for what DIFFERENCES says; a difference
that is not there fails as well, and each is described in docs/explanation/fidelity.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

import falcon
import falcon.asgi
import pytest
from msgspec import Struct

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import ConnectionFailed
from pytest_pachinko import HandshakeDenied
from pytest_pachinko import SessionClosed
from pytest_pachinko.parity import normalised

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable

    from pytest_pachinko import TraceEvent

FIDELITY = Path(__file__).parents[2] / "docs" / "explanation" / "fidelity.md"

WEBSOCKETS = int(version("websockets").partition(".")[0])

UVICORN = ("websockets-sansio", "websockets", "wsproto")
SERVERS = (*UVICORN, "hypercorn")

LEGACY = [  # what it imports is deprecated, and so is it
    pytest.mark.filterwarnings("ignore:remove second argument of ws_handler:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:websockets.legacy is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The `websockets` implementation is deprecated:UserWarning"),
]

for_each_server = pytest.mark.parametrize(
    "server",
    [pytest.param(name, marks=LEGACY if name == "websockets" else []) for name in SERVERS],
)

MIB = "0123456789abcdef" * 2**16


class Case(NamedTuple):
    """An application and its peer.

    Attributes:
        make_app: Makes the application. It is given a log, for what it sees.
        script: What the peer does, given what opens sessions and the log.
        options: For the stack.
    """

    make_app: Callable[[list[str]], Any]
    script: Callable[[Any, list[str]], Awaitable[None]]
    options: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it


# What is seen.


def noted(app: Any, log: list[str]) -> Any:
    """Note what an application receives and which exceptions it raises or gets to see."""

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"

        async def noting_receive() -> Any:
            event = await receive()
            log.append(f"the app receives {_event(event)}")
            return event

        async def noting_send(event: Any) -> None:
            try:
                await send(event)
            except Exception as error:
                log.append(f"the app sends {event['type']}: {_error(error)}")
                raise

        try:
            await app(scope, noting_receive, noting_send)
        except Exception as error:
            log.append(f"the app raises {_error(error)}")
            raise

    return noting


def _event(event: Any) -> str:
    kind = event["type"].removeprefix("websocket.")
    if kind == "receive":
        text = event.get("text")
        return _payload(event["bytes"] if text is None else text)
    if kind == "disconnect":
        return f"disconnect {event['code']} {event.get('reason') or ''!r}"
    return kind


def _error(error: Exception) -> str:
    """Name an exception; a server has OSErrors of its own for a peer that has left."""
    return "OSError" if isinstance(error, OSError) else type(error).__name__


def _payload(payload: str | bytes) -> str:
    if len(payload) < 100:
        return repr(payload)
    data = payload.encode() if isinstance(payload, str) else payload
    return f"{type(payload).__name__} of {len(payload)}, {zlib.crc32(data):08x}"


def _trace_event(event: TraceEvent) -> str:
    payload = event.payload
    who = "the app" if event.direction == "from_app" else "the peer"
    match event.kind:
        case "accepted" | "denied":
            chosen = f" subprotocol {payload.subprotocol}" if payload.subprotocol else ""
            headers = f" {dict(sorted(payload.headers.items()))}" if payload.headers else ""
            body = f" {payload.body!r}" if payload.body else ""
            return f"{event.kind} {payload.status}{chosen}{headers}{body}"
        case "closed":
            return f"{who} closed {payload.code} {payload.reason!r}"
        case _:
            return f"{who} sent {_payload(payload)}"


# What applications are made of.

ACCEPT = {"type": "websocket.accept"}


def sent(payload: str | bytes) -> dict[str, Any]:
    return {"type": "websocket.send", "text" if isinstance(payload, str) else "bytes": payload}


def closed(code: int = 1000, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.close", "code": code, "reason": reason}


def app_of(serve: Any) -> Callable[[list[str]], Any]:
    """Make a raw application of ``serve(scope, receive, send, log)``."""

    def make_app(log: list[str]) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await serve(scope, receive, send, log)

        return noted(app, log)

    return make_app


def sends(*events: Any, listens: bool = False, raises: Any = None) -> Callable[[list[str]], Any]:
    """Make an application that sends these events and returns."""

    async def serve(scope: Any, receive: Any, send: Any, log: list[str]) -> None:
        for event in events:
            await send(event)
        while listens and (await receive())["type"] == "websocket.receive":
            pass
        if raises is not None:
            raise raises

    return app_of(serve)


def echoes(count: int) -> Callable[[list[str]], Any]:
    """Make an application that sends some frames back and closes."""

    async def serve(scope: Any, receive: Any, send: Any, log: list[str]) -> None:
        await send(ACCEPT)
        for _ in range(count):
            await send(await receive() | {"type": "websocket.send"})
        await send(closed())

    return app_of(serve)


def says(**values: Callable[[Any], Any]) -> Callable[[list[str]], Any]:
    """Make an application that notes parts of its scope."""

    async def serve(scope: Any, receive: Any, send: Any, log: list[str]) -> None:
        log.extend(f"scope: {name} {value(scope)!r}" for name, value in values.items())
        await send(ACCEPT)
        await send(closed())

    return app_of(serve)


def falcon_app(resource: Any, **options: Any) -> Callable[[list[str]], Any]:
    """Make a Falcon application with a resource, which is given the log."""

    def make_app(log: list[str]) -> Any:
        app = falcon.asgi.App(**options)
        app.add_route("/", resource(log))
        return noted(app, log)

    return make_app


def pachinko_app(make_class: Any) -> Callable[[list[str]], Any]:
    """Make an application with a class of resources, which is given the log.

    What the application receives is not noted: it reads ahead of its resource.
    """

    def make_app(log: list[str]) -> Any:
        router = WebSocketRouter()
        router.add_route("/", make_class(log))
        app = falcon.asgi.App()
        install(app, router)
        return app

    return make_app


# What a peer does.


async def hear_out(session: Any) -> None:
    """Read until the connection ends."""
    with contextlib.suppress(SessionClosed):
        while True:
            await session.receive()


def talk(*frames: str | bytes, path: str = "/", **options: Any) -> Any:
    """Connect, send frames, and read until the connection ends."""

    async def script(connect: Any, log: list[str]) -> None:
        try:
            async with connect(path, raise_app_exceptions=False, **options) as session:
                for frame in frames:
                    await session.send(frame)
                await hear_out(session)
        except HandshakeDenied:
            pass
        except ConnectionFailed:
            log.append("the peer gets no connection")

    return script


def leave(*frames: str | bytes, code: int = 1000, reason: str = "") -> Any:
    """Connect, send frames, and close."""

    async def script(connect: Any, log: list[str]) -> None:
        async with connect("/", raise_app_exceptions=False) as session:
            for frame in frames:
                await session.send(frame)
            await session.close(code, reason)

    return script


async def vanish(connect: Any, log: list[str]) -> None:
    """Connect and end the connection without a close."""
    async with connect("/") as session:
        await session.drop()


# Applications, and peers, of one case.


class Refuses:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def on_websocket(self, req: Any, ws: Any) -> None:
        raise falcon.HTTPUnauthorized(title="who are you?")


class Breaks:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def on_websocket(self, req: Any, ws: Any) -> None:
        if req.get_param("accept"):
            await ws.accept()
        raise ValueError


class Guard:
    """Falcon middleware that lets nobody in."""

    async def process_request_ws(self, req: Any, ws: Any) -> None:
        raise falcon.HTTPForbidden


class Porter:
    """Falcon middleware that lets nobody in, in another way."""

    async def process_request_ws(self, req: Any, ws: Any) -> None:
        await ws.close()


class Greets:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def on_websocket(self, req: Any, ws: Any) -> None:
        try:
            await ws.accept()
            await ws.send_text("hello")
        except Exception as error:
            self.log.append(f"the resource sees {type(error).__name__}")
            raise


class Counted(Struct, tag="counted"):
    number: int


class Stop(Struct, tag="stop"):
    how: str = "close"


def failure(kind: str) -> Exception | None:
    """Return what a resource is asked to raise."""
    if kind == "HTTPError":
        return falcon.HTTPUnauthorized(title="who?", headers={"x-why": "no token"})
    return ValueError("broken") if kind == "exception" else None


def counter(log: list[str]) -> Any:
    class Counter(WebSocketResource):
        schema = Counted | Stop

        async def on_connect(self, req: Any, ws: Any) -> bool:
            what = req.get_param("do")
            if error := failure(what):
                raise error
            return what != "refuse"

        async def on_counted(self, ws: Any, message: Counted) -> None:
            log.append(f"the resource gets {message.number}")
            if message.number:
                await self.send(message)

        async def on_stop(self, ws: Any, message: Stop) -> None:
            if error := failure(message.how):
                raise error
            await ws.close(4001, "as you wish")

        async def on_disconnect(self, ws: Any, close_code: int) -> None:
            log.append(f"the resource is left with {close_code}")

    return Counter


def count(number: int) -> str:
    return f'{{"type":"counted","number":{number}}}'


def stop(how: str = "close") -> str:
    return f'{{"type":"stop","how":"{how}"}}'


def reads_late(log: list[str]) -> Any:
    """Read only when a second connection says that the first peer has left."""
    left = asyncio.Event()

    async def serve(scope: Any, receive: Any, send: Any, log: list[str]) -> None:
        await send(ACCEPT)
        if scope["path"] == "/left":
            left.set()
            await send(closed())
            return
        await left.wait()
        while (await receive())["type"] == "websocket.receive":
            pass

    return app_of(serve)(log)


async def leaves_before_it_is_read(connect: Any, log: list[str]) -> None:
    async with connect("/") as session:
        for number in range(4):
            await session.send(str(number))
        await session.close(4321, "enough")
        async with connect("/left") as other:
            await hear_out(other)


FLOOD = 320  # times 64 KiB: more than the buffers of a session, a server and the kernel hold


def floods(log: list[str]) -> Any:
    """Send many frames, and note how many sends have returned."""

    async def serve(scope: Any, receive: Any, send: Any, log: list[str]) -> None:
        await send(ACCEPT)
        log.append("")
        for number in range(FLOOD):
            await send(sent(number.to_bytes(2) * 2**15))
            log[-1] = f"{number + 1} sends have returned"
        await send(closed())

    return app_of(serve)(log)


async def reads_slowly(connect: Any, log: list[str]) -> None:
    async with connect("/") as session:
        before = None
        while log[-1] != before:
            before = log[-1]
            for _ in range(100):
                await asyncio.sleep(0)
        await hear_out(session)
    assert before != log[-1], "no send has waited for the peer"


async def pings(connect: Any, log: list[str]) -> None:
    async with connect("/") as session:
        if hasattr(session, "ping"):
            await session.ping(b"hi")
            log.append("the peer gets a pong")
        else:
            log.append("the peer cannot ping")
        await session.send("done")
        await hear_out(session)


async def takes_one(scope: Any, receive: Any, send: Any, log: list[str]) -> None:
    await send(ACCEPT)
    if (await receive())["type"] == "websocket.receive":
        await send(closed())


async def sends_to_nobody(scope: Any, receive: Any, send: Any, log: list[str]) -> None:
    await send(ACCEPT)
    await receive()
    await send(sent("too late"))


SCOPE = (
    *("type", "http_version", "scheme", "path", "raw_path", "query_string", "root_path"),
    *("subprotocols", "extensions", "asgi"),
)


def header(name: bytes) -> Any:
    return lambda scope: [value for key, value in scope["headers"] if key == name]


CASES: dict[str, Case] = {
    # The handshake.
    "accept": Case(sends(ACCEPT, closed()), talk()),
    "deny": Case(sends(closed(4001, "no")), talk()),
    "deny and listen": Case(sends(closed(4001, "no"), listens=True), talk()),
    "denial response": Case(
        sends(
            {
                "type": "websocket.http.response.start",
                "status": 418,
                "headers": [(b"content-type", b"text/plain"), (b"x-pot", b"tea")],
            },
            {"type": "websocket.http.response.body", "body": b"short and ", "more_body": True},
            {"type": "websocket.http.response.body", "body": b"stout"},
        ),
        talk(),
    ),
    "response headers": Case(
        sends(ACCEPT | {"headers": [(b"x-room", b"tea"), (b"x-room", b"bar")]}, closed()), talk()
    ),
    "request headers": Case(
        says(x_room=header(b"x-room"), authorization=header(b"authorization")),
        talk(headers=[("X-Room", "tea"), ("x-room", "bar"), ("authorization", "Bearer x")]),
    ),
    "request header in Latin-1": Case(
        says(x_room=header(b"x-room")), talk(headers={"x-room": "th\xe9"})
    ),
    "response header in Latin-1": Case(
        sends(ACCEPT | {"headers": [(b"x-room", b"th\xe9")]}, closed()), talk()
    ),
    "cookies": Case(
        says(cookie=header(b"cookie")), talk(cookies={"session": "abc", "theme": "dark"})
    ),
    "cookies of the answer": Case(
        sends(
            ACCEPT | {"headers": [(b"set-cookie", b"a=1; Secure"), (b"set-cookie", b"b=2")]},
            closed(),
        ),
        talk(),
    ),
    "scope": Case(
        says(**{name: lambda scope, name=name: scope.get(name) for name in SCOPE}),
        talk(path="/th%C3%A9/a%2Fb?q=a%20b&q=c"),
    ),
    "subprotocol chosen": Case(
        sends(ACCEPT | {"subprotocol": "chat.v1"}, closed()),
        talk(subprotocols=["chat.v2", "chat.v1"]),
    ),
    "subprotocols offered": Case(
        says(subprotocols=lambda scope: scope["subprotocols"]),
        talk(subprotocols=["chat.v2", "chat.v1"]),
    ),
    "subprotocol not offered": Case(
        sends(ACCEPT | {"subprotocol": "chat.v3"}, closed()), talk(subprotocols=["chat.v1"])
    ),
    "never answered": Case(sends(), talk()),
    "upper-case response header": Case(
        sends(ACCEPT | {"headers": [(b"X-Room", b"tea")]}, closed()), talk()
    ),
    # Frames.
    "None beside a payload": Case(
        sends(ACCEPT, sent("x") | {"bytes": None}, sent(b"y") | {"text": None}, closed()), talk()
    ),
    "text": Case(echoes(1), talk("héllo \N{SLOT MACHINE}")),
    "binary": Case(echoes(1), talk(b"\x00\xff")),
    "empty text": Case(echoes(1), talk("")),
    "empty binary": Case(echoes(1), talk(b"")),
    "1 MiB of text": Case(echoes(1), talk(MIB)),
    "1 MiB of bytes": Case(echoes(1), talk(MIB.encode())),
    "order": Case(echoes(400), talk(*(str(n) if n % 3 else bytes([n % 256]) for n in range(400)))),
    "lone surrogate": Case(sends(ACCEPT, sent("\ud800")), talk()),
    "slow reader": Case(floods, reads_slowly, {"compression": None}),
    "ping": Case(echoes(1), pings),
    "too large": Case(app_of(takes_one), talk("x" * 65_537), {"max_size": 65_536}),
    # Ends.
    "close by the app": Case(sends(ACCEPT, closed(4001, "bye")), talk()),
    "close by the app, which listens": Case(
        sends(ACCEPT, closed(4001, "bye"), listens=True), talk()
    ),
    "close by the app without a code": Case(sends(ACCEPT, {"type": "websocket.close"}), talk()),
    "close without a reason": Case(sends(ACCEPT, closed(4001) | {"reason": None}), talk()),
    "reason that is too long": Case(sends(ACCEPT, closed(4001, "x" * 124)), talk()),
    "close by the peer": Case(sends(ACCEPT, listens=True), leave(code=4321, reason="enough")),
    "frames before a close by the app": Case(
        sends(ACCEPT, sent("1"), sent(b"2"), sent(MIB), closed(4001)), talk()
    ),
    "frames before a close by the peer": Case(
        sends(ACCEPT, listens=True), leave("1", b"2", MIB, code=4321)
    ),
    "unread frames at the close": Case(reads_late, leaves_before_it_is_read),
    "drop": Case(sends(ACCEPT, listens=True), vanish),
    "return": Case(sends(ACCEPT, sent("1")), talk()),
    "accept twice": Case(sends(ACCEPT, ACCEPT), talk()),
    "send before accept": Case(sends(sent("early")), talk()),
    "unknown event": Case(sends(ACCEPT, {"type": "websocket.unheard"}), talk()),
    "send after the close": Case(sends(ACCEPT, closed(), sent("too late")), talk()),
    "second close": Case(sends(ACCEPT, closed(), closed()), talk()),
    "send to nobody": Case(app_of(sends_to_nobody), leave()),
    "exception before accept": Case(sends(raises=ValueError), talk()),
    "exception after accept": Case(sends(ACCEPT, sent("1"), raises=ValueError), talk()),
    # Falcon.
    "falcon: HTTPError before accept": Case(falcon_app(Refuses), talk()),
    "falcon: exception before accept": Case(falcon_app(Breaks), talk()),
    "falcon: exception after accept": Case(falcon_app(Breaks), talk(params={"accept": "yes"})),
    "falcon: no route": Case(falcon_app(Greets), talk(path="/nowhere")),
    "falcon: return": Case(falcon_app(Greets), talk()),
    "falcon: middleware that raises": Case(falcon_app(Greets, middleware=[Guard()]), talk()),
    "falcon: middleware that closes": Case(falcon_app(Greets, middleware=[Porter()]), talk()),
    # Falcon-Pachinko.
    "conversation": Case(
        pachinko_app(counter), talk(count(1), count(2).encode(), "{", b'"\xff"', stop())
    ),
    "close by the peer of a resource": Case(
        pachinko_app(counter), leave(*[count(0)] * 3, code=4321)
    ),
    "refusal": Case(pachinko_app(counter), talk(params={"do": "refuse"})),
    "HTTPError of on_connect": Case(pachinko_app(counter), talk(params={"do": "HTTPError"})),
    "exception of on_connect": Case(pachinko_app(counter), talk(params={"do": "exception"})),
    "exception of a handler": Case(pachinko_app(counter), talk(count(1), stop("exception"))),
    "HTTPError of a handler": Case(pachinko_app(counter), talk(stop("HTTPError"))),
}


class Difference(NamedTuple):
    """What servers do in their own way.

    Attributes:
        title: The row of the table in fidelity.md that describes it.
        servers: Who does it.
        cases: Where.
        lines: Patterns of the simulator's lines, and what is seen in the place of each.
    """

    title: str
    servers: tuple[str, ...]
    cases: tuple[str, ...]
    lines: dict[str, tuple[str, ...]]


TOLD = r"the app receives disconnect .*"

UNEXPECTED = "the app raises UnexpectedMessageError"


def unexpected(kind: str) -> str:
    return f"the app sends websocket.{kind}: UnexpectedMessageError"


FAILED = (
    "session 0: denied 500 {'content-type': 'text/plain'} "
    r"b'Failed to open a WebSocket connection.\nSee server log for more information.\n'"
)

DIFFERENCES = [
    Difference(
        "version of ASGI",
        ("hypercorn",),
        ("scope",),
        {"scope: asgi .*": ("scope: asgi {'spec_version': '2.3', 'version': '3.0'}",)},
    ),
    Difference(
        "a request header in Latin-1",
        ("websockets",),
        ("request header in Latin-1",),
        {
            "the app receives connect": (),
            "scope: .*": (),
            "session 0: accepted 101": (FAILED,),
            "session 0: the app closed .*": (),
        },
    ),
    Difference(
        "a response header in Latin-1",
        ("websockets",),
        ("response header in Latin-1",),
        {"session 0: accepted .*": ("session 0: accepted 101 {'x-room': 'th\xc3\xa9'}",)},
    ),
    Difference(
        "a subprotocol that was not offered",
        ("websockets-sansio", "websockets"),
        ("subprotocol not offered",),
        {
            "the app .*: RuntimeError": (),
            "the app raises RuntimeError": (),
            "session 0: denied 500": ("the peer gets no connection",),
        },
    ),
    Difference(
        "a subprotocol that was not offered",
        ("wsproto",),
        ("subprotocol not offered",),
        {
            "the app .*: RuntimeError": ("the app sends websocket.accept: LocalProtocolError",),
            "the app raises RuntimeError": ("the app raises LocalProtocolError",),
            "session 0: denied 500": ("the peer gets no connection",),
        },
    ),
    Difference(
        "a subprotocol that was not offered",
        ("hypercorn",),
        ("subprotocol not offered",),
        {
            "the app .*: RuntimeError": ("the app sends websocket.accept: Exception",),
            "the app raises RuntimeError": ("the app raises Exception",),
            "session 0: denied 500": ("the peer gets no connection",),
        },
    ),
    Difference(
        "a ping of the peer",
        SERVERS,
        ("ping",),
        {"the peer cannot ping": ("the peer gets a pong",)},
    ),
    Difference(
        "a message beyond the limit",
        ("websockets-sansio",),
        ("too large",),
        {
            "the app receives str .*": (
                "the app receives disconnect 1009 'frame exceeds limit of 65536 bytes'",
            ),
            "session 0: the app closed .*": (
                "session 0: the app closed 1009 'frame exceeds limit of 65536 bytes'",
            ),
        },
    ),
    Difference(
        "a message beyond the limit",
        ("wsproto",),
        ("too large",),
        {
            "the app receives str .*": (
                "the app receives disconnect 1009 'Message exceeds the maximum size (65536 bytes)'",
            ),
            "session 0: the app closed .*": (
                "session 0: the app closed 1009 'Message exceeds the maximum size (65536 bytes)'",
            ),
        },
    ),
    Difference(
        "a message beyond the limit",
        ("websockets", "hypercorn"),
        ("too large",),
        {
            "the app receives str .*": ("the app receives disconnect 1006 ''",),
            "session 0: the app closed .*": ("session 0: the app closed 1009 ''",),
        },
    ),
    Difference(
        "told to an application that has refused",
        ("hypercorn",),
        ("deny and listen",),
        {TOLD: ("the app receives disconnect 1000 ''",)},
    ),
    Difference(
        "told to an application that has closed",
        ("websockets",),
        ("close by the app, which listens",),
        {TOLD: ("the app receives disconnect 1005 ''",)},
    ),
    Difference(
        "told to an application that has closed",
        ("hypercorn",),
        ("close by the app, which listens",),
        {TOLD: ("the app receives disconnect 1000 ''",)},
    ),
    Difference(
        "told of a close of the peer",
        ("hypercorn",),
        (
            "close by the peer",
            "frames before a close by the peer",
            "unread frames at the close",
            "send to nobody",
        ),
        {TOLD: ("the app receives disconnect 1006 ''",)},
    ),
    Difference(
        "told of a close of the peer",
        ("hypercorn",),
        ("close by the peer of a resource",),
        {"the resource is left with 4321": ("the resource is left with 1006",)},
    ),
    Difference(
        "told of a peer that vanishes",
        ("websockets-sansio", "wsproto"),
        ("drop",),
        {TOLD: ("the app receives disconnect 1005 ''",)},
    ),
    Difference(
        "an application that ends without a close",
        ("hypercorn",),
        ("return", "exception after accept", "lone surrogate", "accept twice", "unknown event"),
        {"session 0: the app closed 1006 ''": ("session 0: the app closed 1011 ''",)},
    ),
    Difference(
        "an event out of turn",
        ("hypercorn",),
        ("send before accept", "send after the close"),
        {"the app sends .*": (unexpected("send"),), "the app raises .*": (UNEXPECTED,)},
    ),
    Difference(
        "an event out of turn",
        ("hypercorn",),
        ("accept twice",),
        {"the app sends .*": (unexpected("accept"),), "the app raises .*": (UNEXPECTED,)},
    ),
    Difference(
        "an event out of turn",
        ("hypercorn",),
        ("unknown event",),
        {"the app sends .*": (unexpected("unheard"),), "the app raises .*": (UNEXPECTED,)},
    ),
    Difference(
        "a reason of more than 123 bytes",
        ("websockets-sansio", "websockets"),
        ("reason that is too long",),
        {
            "the app sends .*": ("the app sends websocket.close: ProtocolError",),
            "the app raises .*": ("the app raises ProtocolError",),
        },
    ),
    Difference(
        "a reason of more than 123 bytes",
        ("wsproto", "hypercorn"),
        ("reason that is too long",),
        {
            "the app sends .*": (),
            "the app raises .*": (),
            "session 0: the app closed .*": (f"session 0: the app closed 4001 {'x' * 123!r}",),
        },
    ),
    Difference(
        "a second close",
        ("hypercorn",),
        ("second close",),
        {"the app sends .*": (), "the app raises .*": ()},
    ),
    Difference(
        "sending to a peer that has left",
        ("websockets",),
        ("send to nobody",),
        {
            "the app sends .*": ("the app sends websocket.send: RuntimeError",),
            "the app raises .*": ("the app raises RuntimeError",),
        },
    ),
    Difference(
        "sending to a peer that has left",
        ("hypercorn",),
        ("send to nobody",),
        {"the app sends .*": (), "the app raises .*": ()},
    ),
]


async def outcome(name: str, stack: str, open_stack: Any) -> list[str]:
    """Run a case on a stack; return what was seen."""
    make_app, script, options = CASES[name]
    log: list[str] = []
    async with open_stack(stack, make_app(log), **options) as connect:
        await script(connect, log)
    return log + [
        f"session {number}: {_trace_event(event)}"
        for number, trace in enumerate(connect.traces)
        for event in normalised(trace)
    ]


def expected_on(server: str, name: str, lines: list[str]) -> list[str]:
    """Return what a server must show, given the lines of the simulator."""
    for difference in DIFFERENCES:
        if server in difference.servers and name in difference.cases:
            for pattern, instead in difference.lines.items():
                places = [at for at, line in enumerate(lines) if re.fullmatch(pattern, line)]
                assert len(places) == 1, f"{pattern!r} is not one of the lines"
                assert instead != (lines[places[0]],), f"{pattern!r} makes no difference"
                lines = [*lines[: places[0]], *instead, *lines[places[0] + 1 :]]
    return lines


@pytest.mark.asyncio
@for_each_server
@pytest.mark.parametrize("name", CASES)
async def test_a_server_shows_what_the_simulator_shows(name, server, open_stack):
    if "Latin-1" in name and WEBSOCKETS < 17:
        pytest.skip(
            "before websockets 17 servers and clients read and write such headers otherwise"
        )
    in_memory = await outcome(name, "memory", open_stack)
    live = await outcome(name, server, open_stack)

    assert live == expected_on(server, name, in_memory)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: each.title)
def test_a_difference_is_one_of_a_case(difference):
    assert set(difference.cases) <= CASES.keys()
    assert set(difference.servers) <= set(SERVERS)


def test_a_difference_that_is_gone_is_noticed():
    in_memory = ["the app receives disconnect 1006 ''", "session 0: accepted 101"]

    assert expected_on("wsproto", "drop", in_memory) != in_memory


def test_the_page_says_who_differs_in_what():
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in FIDELITY.read_text(encoding="utf-8").splitlines()
        if line.count("|") == len(SERVERS) + 3
    ]
    described = {
        (title, server)
        for title, memory, *cells in rows
        for server, cell in zip(header[2:], cells, strict=True)
        if cell != memory
    }

    assert described == {(each.title, server) for each in DIFFERENCES for server in each.servers}
