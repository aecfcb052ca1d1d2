"""Which pages may connect."""

from typing import Any

import falcon.asgi
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_pachinko import install
from falcon_pachinko import OriginError
from falcon_pachinko import OriginPolicy
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.security import parse_origin
from pytest_pachinko import MemoryTransport


class Say(msgspec.Struct, tag="say"):
    """A message."""


class Chat(WebSocketResource):
    schema = Say

    async def on_say(self, ws: Any, message: Say) -> None:
        await self.send(message)


POLICY = OriginPolicy("https://chat.example", "http://localhost:8000", "http://[::1]:8000")


def connecting(policy: OriginPolicy) -> MemoryTransport:
    router = WebSocketRouter()
    router.around_connection(policy)
    router.add_route("/", Chat)
    app = falcon.asgi.App()
    install(app, router)
    return MemoryTransport(app)


def allows(*values: str | bytes, policy: OriginPolicy = POLICY) -> bool:
    return policy.allows(
        [(b"origin", v if isinstance(v, bytes) else v.encode("latin-1")) for v in values]
    )


@pytest.mark.parametrize(
    "origin",
    [
        "https://chat.example",
        "https://chat.example:443",
        "HTTPS://Chat.EXAMPLE",
        "http://localhost:8000",
        "http://[::1]:8000",
        "http://[0:0::0:1]:8000",
    ],
)
def test_a_known_origin_is_allowed_in_every_spelling(origin: str) -> None:
    assert allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "NULL",
        "",
        " ",
        "https://evil.example",
        "http://chat.example",
        "https://chat.example:8443",
        "https://chat.example:80",
        "https://chat.example.evil.example",
        "https://evil-chat.example",
        "https://xchat.example",
        "https://chat.example.",
        "https://chat.example/",
        "https://chat.example:",
        "https://chat.example:0443",
        "https://chat.example:99999",
        "https://chat.example:443443443443",
        "https://chat.example:\u0664\u0664\u0663".encode(),
        "https://user@chat.example",
        "https://chat.example@evil.example",
        "https://chat.example#",
        "https://chat.example?x",
        "https://chat.example\n",
        "https://chat.example\x00",
        " https://chat.example",
        "https://chat.example https://evil.example",
        "https://chat.example, https://evil.example",
        "https:chat.example",
        "//chat.example",
        "chat.example",
        "http://localhost",
        "http://[::2]:8000",
        "http://[::1",
        "http://[:::::]",
        "http://[1.2.3.4]",
        "file://",
        "\xff\xfe",
        "https://\u212ahat.example".encode(),
        "https://" + "a" * 100_000,
        "a" * 10_000_000,
    ],
    ids=lambda value: repr(value)[:40],
)
def test_any_other_origin_is_refused(origin: str | bytes) -> None:
    assert not allows(origin)


def test_several_origins_are_refused() -> None:
    assert not allows("https://chat.example", "https://chat.example")


def test_a_header_may_be_written_in_any_case() -> None:
    assert not POLICY.allows([(b"ORIGIN", b"https://evil.example")])


def test_who_sends_no_origin_is_no_browser() -> None:
    assert POLICY.allows([(b"host", b"chat.example")])
    assert not OriginPolicy("https://chat.example", allow_missing=False).allows([])


def test_without_origins_no_page_may_connect() -> None:
    policy = OriginPolicy()

    assert policy.allows([])
    assert not allows("https://chat.example", policy=policy)


def test_an_origin_of_an_app_is_compared_like_any_other() -> None:
    policy = OriginPolicy("capacitor://localhost", "chrome-extension://abcdef")

    assert allows("chrome-extension://abcdef", policy=policy)
    assert not allows("chrome-extension://abcdeg", policy=policy)


@given(st.binary() | st.text().map(str.encode))
def test_garbage_is_refused(value: bytes) -> None:
    assert not allows(value)


@given(st.text(alphabet="htps:/.*@[]0123456789abAB-_~#? \n", max_size=40))
def test_an_origin_of_one_form_is_read_again_as_itself(text: str) -> None:
    origin = parse_origin(text)

    if origin is not None:
        scheme, host, port = origin
        again = f"{scheme}://{host}" + ("" if port is None else f":{port}")
        assert parse_origin(again) == origin


@pytest.mark.parametrize(
    ("origin", "hint"),
    [
        ("null", "null stands for any page"),
        ("*", "no wildcards"),
        ("https://*.example", "no wildcards"),
        ("https://m\u00fcnchen.example", "in its ASCII form"),
        ("chat.example", "https://chat.example"),
        ("https://chat.example/", "as a browser sends it: https://chat.example$"),
        ("https://chat.example/ws?a=1", "as a browser sends it: https://chat.example$"),
        ("https://user@chat.example:8443#x", "as a browser sends it: https://chat.example:8443$"),
        (" https://chat.example", "as a browser sends it: https://chat.example$"),
        ("https://chat.example:99999", "scheme://host or"),
        ("https://", "scheme://host or"),
        ("", "the scheme is a part of it"),
        (["https://chat.example"], "each one is a str"),
        (None, "each one is a str"),
        ("wss://chat.example", "Hint: https://chat.example$"),
        ("ws://chat.example:8000", "Hint: http://chat.example:8000$"),
    ],
)
def test_what_is_no_origin_is_an_error_that_says_what_to_write(origin: Any, hint: str) -> None:
    with pytest.raises(OriginError, match=hint):
        OriginPolicy("https://chat.example", origin)


def test_a_policy_that_lets_nobody_connect_is_an_error() -> None:
    with pytest.raises(OriginError, match="lets nobody connect"):
        OriginPolicy(allow_missing=False)


def test_a_policy_says_what_it_is() -> None:
    assert repr(OriginPolicy("https://a.example")) == (
        "OriginPolicy('https://a.example', allow_missing=True)"
    )


@pytest.mark.asyncio
async def test_a_page_of_a_known_origin_connects() -> None:
    headers = {"origin": "https://chat.example"}

    async with connecting(POLICY)("/", headers=headers) as session:
        await session.send(Say())
        await session.receive(Say)


@pytest.mark.asyncio
async def test_a_page_of_another_origin_is_refused_without_an_echo() -> None:
    answer = await connecting(POLICY).denied("/", headers={"origin": "https://evil.example"})

    assert answer.body == b'{"title": "403 Forbidden", "description": "The origin is not allowed."}'
    assert "evil" not in str(answer.headers)


@pytest.mark.asyncio
async def test_where_a_server_cannot_deny_it_is_closed_with_3403(pipe: Any) -> None:
    headers = [(b"host", b"test"), (b"origin", b"https://evil.example")]
    connection = pipe(connecting(POLICY).app, headers=headers)

    await connection.task

    assert [(event["type"], event["code"]) for event in connection.sent] == [
        ("websocket.close", 3403)
    ]


@pytest.mark.asyncio
async def test_a_policy_of_a_resource_class_holds_for_that_class() -> None:
    class Cookies(Chat):
        pass

    Cookies.around_connection(POLICY)
    router = WebSocketRouter()
    router.add_route("/open", Chat)
    router.add_route("/cookies", Cookies)
    app = falcon.asgi.App()
    install(app, router)
    connect = MemoryTransport(app)
    headers = {"origin": "https://evil.example"}

    async with connect("/open", headers=headers):
        pass
    await connect.denied("/cookies", headers=headers)
