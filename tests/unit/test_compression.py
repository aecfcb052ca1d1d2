import string
from typing import Any

import pytest
from falcon.testing import create_asgi_req
from hypothesis import given
from hypothesis import strategies as st

from falcon_pachinko import Extension
from falcon_pachinko import offered_extensions

TOKENS = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1)
EXTENSIONS = st.builds(
    Extension,
    TOKENS,
    st.lists(st.tuples(TOKENS, st.none() | TOKENS)).map(tuple),
)
DEFLATE = Extension("permessage-deflate", (("client_max_window_bits", None),))


def offered(*headers: str) -> tuple[Extension, ...]:
    """Return what a request with these headers offers."""
    req: Any = create_asgi_req(headers=[("Sec-WebSocket-Extensions", header) for header in headers])
    return offered_extensions(req)


def written(extensions: list[Extension], comma: str, semicolon: str, quote: str) -> str:
    return comma.join(
        semicolon.join(
            [
                each.name,
                *(
                    name if value is None else f"{name}={quote}{value}{quote}"
                    for name, value in each.params
                ),
            ]
        )
        for each in extensions
    )


def test_the_offer_of_a_browser_is_read() -> None:
    assert offered("permessage-deflate; client_max_window_bits") == (DEFLATE,)


def test_who_offers_nothing_has_no_extensions() -> None:
    assert offered() == ()


def test_several_headers_are_one_list() -> None:
    assert offered("permessage-deflate; client_max_window_bits", "x-a, x-b") == (
        DEFLATE,
        Extension("x-a"),
        Extension("x-b"),
    )


def test_one_extension_may_be_offered_twice_and_the_order_is_kept() -> None:
    offer = "permessage-deflate; server_max_window_bits=10, permessage-deflate"

    assert offered(offer) == (
        Extension("permessage-deflate", (("server_max_window_bits", "10"),)),
        Extension("permessage-deflate"),
    )


def test_quotes_and_backslashes_are_no_part_of_a_value() -> None:
    assert offered(r'x; bits="1\5"; y = "z"') == (Extension("x", (("bits", "15"), ("y", "z"))),)


@pytest.mark.parametrize(
    "element",
    [
        "",
        " \t",
        "=",
        "a b",
        "a;",
        "a;;b",
        "a; b=",
        "a; =b",
        "a; b=c d",
        "ü",
        '"a"',
        'a; "b"',
        'a; b=""',
        'a; b="c d"',
        'a; b="c,d"',
        r'a; b="\"c"',
        "a\x00",
        "a\x85",
    ],
)
def test_a_malformed_element_is_left_out_and_the_others_are_read(element: str) -> None:
    assert offered(f"x-a,{element},x-b; c=d") == (
        Extension("x-a"),
        Extension("x-b", (("c", "d"),)),
    )


@pytest.mark.parametrize("element", ['a; b="c', 'a; b="', '"', r'a; b="c\"', 'a; b="c\\'])
def test_a_quote_that_is_not_closed_takes_the_rest_with_it(element: str) -> None:
    assert offered(f"x-a,{element},x-b") == (Extension("x-a"),)


def test_an_offer_that_is_far_too_long_is_not_read() -> None:
    longest = "a," * 2048

    assert len(offered(longest)) == 2048
    assert offered(longest + "a") == ()


@pytest.mark.parametrize(
    "part", ["a", " ", ",", ";", '"', "\\", '\\"', '"\\', ";a", ";a ", "a; ", 'a;b="c"', "a=", "="]
)
@pytest.mark.parametrize("end", ["", "!", "é", '"'])
def test_no_offer_takes_long_to_read(part: str, end: str) -> None:
    # What goes back to look for another reading takes minutes here, or years.
    offered(("x;" + part * 4096)[:4095] + end)


@given(st.text(st.characters(max_codepoint=255)))
def test_whatever_is_offered_nothing_is_raised(header: str) -> None:
    for extension in offered(header):
        assert extension.name
        assert all(name for name, _ in extension.params)


@given(
    st.lists(EXTENSIONS, max_size=5),
    st.sampled_from([",", ", ", " ,\t", ",,", " , , "]),
    st.sampled_from([";", "; ", " ;\t"]),
    st.sampled_from(["", '"']),
)
def test_what_is_written_is_what_is_read(
    extensions: list[Extension], comma: str, semicolon: str, quote: str
) -> None:
    header = written(extensions, comma, semicolon, quote)

    assert offered(header) == (tuple(extensions) if len(header) <= 4096 else ())
