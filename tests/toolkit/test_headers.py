"""Headers as tests read and write them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_pachinko import Headers
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko.headers import encode_headers

HEADERS = Headers([(b"X-Key", b"1"), (b"set-cookie", b"a=1"), (b"Set-Cookie", b"b=\xfc")])


def test_a_header_is_found_in_any_case() -> None:
    assert HEADERS["x-KEY"] == "1"


def test_a_header_that_is_missing_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="accept"):
        HEADERS["accept"]


def test_a_header_that_is_missing_has_a_default() -> None:
    assert HEADERS.get("accept") is None


def test_a_repeated_header_is_joined() -> None:
    assert HEADERS["set-cookie"] == "a=1, b=ü"


def test_a_repeated_header_is_given_one_by_one() -> None:
    assert HEADERS.get_all("Set-Cookie") == ["a=1", "b=ü"]


def test_each_name_is_listed_once() -> None:
    assert list(HEADERS) == ["x-key", "set-cookie"]
    assert len(HEADERS) == 2


def test_headers_are_printed_as_pairs() -> None:
    assert repr(Headers([(b"A", b"b")])) == "Headers([('a', 'b')])"


@pytest.mark.parametrize("given", [{"X-Key": "ü"}, [("X-Key", "ü")]])
def test_what_a_test_writes_becomes_bytes(given: Any) -> None:
    assert encode_headers(given) == [(b"x-key", b"\xfc")]


def test_no_headers_are_none() -> None:
    assert encode_headers(None) == []


@pytest.mark.parametrize(
    "given", [{"x": 1}, {1: "x"}, "text", [("a", "b", "c")], {"ü": "x"}, {"x": "→"}]
)
def test_what_cannot_be_a_header_is_refused(given: Any) -> None:
    with pytest.raises(PachinkoUsageError, match="cannot be sent"):
        encode_headers(given)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"authorization": "s3cr3t", "x": 5}, "{'authorization': <str>, 'x': <int>}"),
        ([("authorization", b"s3cr3t")], "<list>"),
    ],
)
def test_an_error_names_headers_without_their_values(given: Any, text: str) -> None:
    with pytest.raises(PachinkoUsageError) as caught:
        encode_headers(given)

    assert f"headers={text} cannot be sent" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("given", [{"x": "a\r\nb"}, {"x\n": "a"}, {"x": "a\0"}])
def test_a_line_break_in_a_header_is_refused(given: Any) -> None:
    with pytest.raises(PachinkoUsageError, match="line break"):
        encode_headers(given)
