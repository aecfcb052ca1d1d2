"""What is left out of a trace before it is written."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_pachinko.headers import Headers
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.event import TraceEvent
from pytest_pachinko.trace.redact import redacted


def event(kind: Any, payload: Any) -> TraceEvent:
    return TraceEvent(0, "from_app", kind, payload, "/", 0.0)


@pytest.mark.parametrize(
    ("payload", "clean"),
    [
        ('{"password":"hunter2","user":"ann"}', '{"password":"<redacted>","user":"ann"}'),
        (b'{"a":[{"Token":"x"}]}', b'{"a":[{"Token":"<redacted>"}]}'),
        ('{"secret":{"deep":1}}', '{"secret":"<redacted>"}'),
        ('{"token": null}', '{"token": null}'),
        ('{"text": "my password"}', '{"text": "my password"}'),
        ("password: hunter2", "password: hunter2"),
        ('{"user":  "ann"}', '{"user":  "ann"}'),
        (b"\xfftoken", b"\xfftoken"),
    ],
)
def test_secret_fields_are_told_by_their_names(payload: Any, clean: Any) -> None:
    kind = "text" if isinstance(payload, str) else "bytes"

    assert redacted(event(kind, payload)).payload == clean


@pytest.mark.parametrize("depth", [10, 700, 2000, 100_000])
@pytest.mark.parametrize("kind", ["text", "bytes"])
def test_no_secret_is_too_deep_to_be_hidden(kind: str, depth: int) -> None:
    text = '{"token":"abcdef","a":' + "[" * depth + "]" * depth + "}"
    payload: Any = text if kind == "text" else text.encode()

    assert "abcdef" not in str(redacted(event(kind, payload)).payload)


def test_secret_headers_are_told_by_their_names() -> None:
    headers = Headers([(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-room", b"tea")])

    shown = redacted(event("accepted", Handshake(101, None, headers))).payload.headers

    assert shown.get_all("set-cookie") == ["<redacted>", "<redacted>"]
    assert shown["x-room"] == "tea"


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("chat.v1", "chat.v1"),
        ("bearer.eyJhbGci", "bearer.<redacted>"),
        ("base64url.bearer.authorization.k8s.io.abc", "base64url.bearer.authorization.<redacted>"),
        ("Bearer abc", "Bearer <redacted>"),
        ("chat.v1, token-abc", "chat.v1, token-<redacted>"),
    ],
)
def test_credentials_in_a_subprotocol_are_told_by_their_prefix(token: str, shown: str) -> None:
    headers = Headers([(b"sec-websocket-protocol", token.encode())])

    answer = redacted(event("accepted", Handshake(101, token, headers))).payload

    assert answer.subprotocol == shown
    assert answer.headers["sec-websocket-protocol"] == shown


def test_the_body_of_a_denial_is_looked_into() -> None:
    denial = Handshake(401, None, Headers(), b'{"token":"abc"}')

    assert redacted(event("denied", denial)).payload.body == b'{"token":"<redacted>"}'


def test_other_events_stay_as_they_are() -> None:
    end = event("closed", Close(1000, "token"))

    assert redacted(end) is end


def test_a_project_has_secrets_of_its_own() -> None:
    frame = event("text", '{"pin":1234,"password":"x"}')

    assert redacted(frame, {"pin"}).payload == '{"pin":"<redacted>","password":"x"}'
