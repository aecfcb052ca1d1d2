"""The ASGI scope of a connection."""

from __future__ import annotations

from typing import Any

import pytest
from falcon.asgi import Request

from pytest_pachinko import PachinkoUsageError
from pytest_pachinko.scope import build_scope
from pytest_pachinko.scope import plain_scope


async def nothing() -> dict[str, Any]:
    raise NotImplementedError


def request_of(*args: Any, **options: Any) -> Request:
    """Return Falcon's view of a scope."""
    return Request(build_scope(*args, **options), nothing)


def test_a_plain_scope_has_what_a_server_sends() -> None:
    scope = build_scope("/chat")

    assert {name: scope[name] for name in scope if name != "headers"} == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/chat",
        "raw_path": b"/chat",
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


@pytest.mark.parametrize("path", ["/chat", "/ü b?since=1&x=%20"])
def test_a_scope_of_which_only_the_path_is_given_is_the_same(path: str) -> None:
    assert plain_scope(path) == build_scope(path)


def test_what_an_application_changes_in_its_scope_is_its_own() -> None:
    scope = plain_scope("/mine")
    for name in ("asgi", "state", "extensions"):
        scope[name]["mine"] = 1
    scope["extensions"]["websocket.http.response"]["mine"] = 1
    scope["headers"].append((b"mine", b"1"))
    scope["subprotocols"].append("mine")
    scope["path"] = "/"

    assert plain_scope("/mine") == build_scope("/mine")


def test_the_headers_of_a_handshake_are_there() -> None:
    assert {name for name, _ in build_scope("/")["headers"]} == {
        b"host",
        b"connection",
        b"upgrade",
        b"sec-websocket-key",
        b"sec-websocket-version",
    }


@pytest.mark.parametrize(
    ("path", "decoded", "raw"),
    [
        ("/a b", "/a b", b"/a%20b"),
        ("/a%20b", "/a b", b"/a%20b"),
        ("/ü", "/ü", b"/%C3%BC"),
        ("/a%2Fb", "/a/b", b"/a%2Fb"),
    ],
)
def test_a_path_may_be_quoted_or_not(path: str, decoded: str, raw: bytes) -> None:
    scope = build_scope(path)

    assert (scope["path"], scope["raw_path"]) == (decoded, raw)


@pytest.mark.parametrize("query", ["q=t%C3%BC", "q=tü"])
def test_a_query_may_be_quoted_or_not(query: str) -> None:
    assert request_of(f"/?{query}").get_param("q") == "tü"


def test_parameters_are_added_to_the_query() -> None:
    scope = build_scope("/?a=1", params={"b": [2, 3], "c": "x y"})

    assert scope["query_string"] == b"a=1&b=2&b=3&c=x+y"


def test_parameters_alone_are_the_query() -> None:
    assert build_scope("/", params={"a": 1})["query_string"] == b"a=1"


def test_cookies_reach_the_application() -> None:
    assert request_of("/", cookies={"a": "1", "b": "2"}).cookies == {"a": "1", "b": "2"}


def test_a_given_header_replaces_the_usual_one() -> None:
    assert request_of("/", headers={"Host": "example.com"}).host == "example.com"


def test_an_offer_is_a_header_too() -> None:
    scope = build_scope("/", subprotocols=["a", "b"])

    assert scope["subprotocols"] == ["a", "b"]
    assert (b"sec-websocket-protocol", b"a, b") in scope["headers"]


def test_an_offer_that_was_written_as_a_header_is_an_offer() -> None:
    assert build_scope("/", headers={"Sec-WebSocket-Protocol": "a, b"})["subprotocols"] == [
        "a",
        "b",
    ]


def test_the_state_of_the_lifespan_is_copied() -> None:
    state = {"pool": object()}

    assert build_scope("/", state=state)["state"] == state
    assert build_scope("/", state=state)["state"] is not state


@pytest.mark.parametrize("build", [build_scope, plain_scope])
@pytest.mark.parametrize("path", ["chat", "", "ws://host/", None, ["/"]])
def test_what_is_no_path_is_refused(path: Any, build: Any) -> None:
    with pytest.raises(PachinkoUsageError, match="starts with '/'"):
        build(path)


@pytest.mark.parametrize(("offer", "hint"), [("chat", r"write \['chat'\]"), ([1], "a str")])
def test_what_is_no_offer_is_refused(offer: Any, hint: str) -> None:
    with pytest.raises(PachinkoUsageError, match=hint):
        build_scope("/", subprotocols=offer)
