import string
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_pachinko import RouteError
from falcon_pachinko.subprotocols import check_differ
from falcon_pachinko.subprotocols import check_tokens
from falcon_pachinko.subprotocols import choose
from falcon_pachinko.subprotocols import tokens_of

TOKENS = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1)


class V2:
    subprotocols = ("chat.v2", "chat.v2-json")


class V1:
    subprotocols = ("chat.v1",)
    required_subprotocol = True


class Any1:
    subprotocols = ()


class Strict:
    subprotocols = ("strict",)
    required_subprotocol = True


def factory() -> None: ...


def test_the_order_of_the_resources_decides() -> None:
    assert choose(["chat.v1", "chat.v2"], [V2, V1]) == ("chat.v2", V2)


def test_within_a_resource_the_order_of_its_tokens_decides() -> None:
    assert choose(["chat.v2-json", "chat.v2"], [V2]) == ("chat.v2", V2)


def test_without_a_match_the_resource_that_declares_none_is_taken() -> None:
    assert choose(["x"], [V2, Any1]) == (None, Any1)


def test_without_a_match_one_that_requires_none_is_taken() -> None:
    assert choose([], [V1, V2]) == (None, V2)


def test_without_a_match_those_that_require_one_refuse() -> None:
    assert choose(["x"], [V1, Strict]) == (None, None)


def test_tokens_are_compared_exactly() -> None:
    assert choose(["CHAT.V2"], [V2, Any1]) == (None, Any1)


def test_a_partial_declares_what_its_class_declares() -> None:
    make = partial(partial(V1, 1), 2)

    assert choose(["chat.v1"], [make]) == ("chat.v1", make)


def test_a_partial_of_a_class_that_requires_a_subprotocol_refuses() -> None:
    assert choose([], [partial(V1)]) == (None, None)


def test_a_factory_declares_none_unless_it_says_so() -> None:
    assert tokens_of(factory) == ()


@given(offer=st.lists(TOKENS), ours=st.lists(st.lists(TOKENS, unique=True), min_size=1))
def test_only_what_is_declared_and_offered_is_ever_chosen(
    offer: list[str], ours: list[list[str]]
) -> None:
    resources: list[Any] = [type("R", (), {"subprotocols": tuple(tokens)}) for tokens in ours]

    token, resource = choose(offer, resources)

    assert resource in resources
    if token is None:
        assert not set(offer) & {each for tokens in ours for each in tokens}
    else:
        assert token in offer
        assert token in tokens_of(resource)  # type: ignore[arg-type]


@given(st.lists(TOKENS, unique=True))
def test_tokens_of_rfc_7230_can_be_declared(tokens: list[str]) -> None:
    check_tokens(tokens, "Chat")


def test_a_bare_string_is_refused_and_told_a_tuple() -> None:
    with pytest.raises(RouteError, match=r"Hint: subprotocols = \('chat\.v1',\)"):
        check_tokens("chat.v1", "Chat")


@pytest.mark.parametrize("token", ["", "a b", "a,b", "ü", 1, "a\n"])
def test_what_is_no_token_is_refused(token: Any) -> None:
    with pytest.raises(RouteError, match=r"Chat\.subprotocols contains .* no token of RFC 7230"):
        check_tokens([token], "Chat")


def test_a_token_is_listed_once() -> None:
    with pytest.raises(RouteError, match=r"Chat\.subprotocols lists 'a' twice"):
        check_tokens(["a", "a"], "Chat")


def test_resources_of_a_path_may_differ_in_their_subprotocols() -> None:
    check_differ([V1, V2, Any1], "/")


def test_two_resources_of_a_path_cannot_declare_one_token() -> None:
    with pytest.raises(RouteError, match=r"V1 and V1 share the path '/' and both declare 'chat"):
        check_differ([V1, partial(V1)], "/")


def test_two_resources_of_a_path_cannot_declare_none() -> None:
    with pytest.raises(RouteError, match="both declare no subprotocol"):
        check_differ([Any1, factory], "/")
