from typing import Any
from urllib.parse import unquote

import pytest
from falcon.routing import CompiledRouter
from hypothesis import given
from hypothesis import strategies as st

from falcon_pachinko import RouteError
from falcon_pachinko.templates import check_syntax
from falcon_pachinko.templates import fields_of
from falcon_pachinko.templates import fill
from falcon_pachinko.templates import join
from falcon_pachinko.templates import Templates

SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}", "{x}.{y}", "{y}.{x}", "a{x}", "{x:int}"])


@pytest.mark.parametrize(
    ("prefix", "path", "whole"),
    [
        ("/", "/", "/"),
        ("", "/", "/"),
        ("/", "/a", "/a"),
        ("/ws", "/", "/ws"),
        ("/ws/", "/a", "/ws/a"),
        ("/{x}", "/{y:int}", "/{x}/{y:int}"),
    ],
)
def test_prefix_and_path_are_joined_without_double_slashes(
    prefix: str, path: str, whole: str
) -> None:
    assert join(prefix, path) == whole


def test_fields_are_found_in_order() -> None:
    assert fields_of("/{a}/{b:int(2, min=1)}/x{c}.{ d }") == ["a", "b", "c", "d"]


@pytest.mark.parametrize("template", ["/", "/a", "/{a}/{b:uuid}", "/{a:int(2)}", "/{p:path}"])
def test_a_template_of_falcon_is_taken_as_it_is(template: str) -> None:
    assert check_syntax(template, "The path") == template


def test_the_empty_template_is_the_root() -> None:
    assert check_syntax("", "The path") == "/"


def test_a_converter_that_only_the_app_knows_is_accepted() -> None:
    assert check_syntax("/{a:colour(3, x='y')}", "The path") == "/{a:colour(3, x='y')}"


@pytest.mark.parametrize(
    ("template", "near"), [("a", "/a"), ("//", "/"), ("/a//b", "/a/b"), ("a//b", "/a/b")]
)
def test_a_template_that_is_not_absolute_is_refused_and_told_the_right_one(
    template: str, near: str
) -> None:
    with pytest.raises(RouteError) as caught:
        check_syntax(template, "The path")

    assert str(caught.value).endswith(f"Hint: {near!r}")


@pytest.mark.parametrize("template", ["/{1a}", "/{a}/{a}", "/{p:path}/a", "/a b"])
def test_what_falcon_cannot_route_is_refused(template: str) -> None:
    with pytest.raises(RouteError, match=r"The path .* cannot be routed: "):
        check_syntax(template, "The path")


def test_what_is_no_string_is_refused() -> None:
    with pytest.raises(RouteError, match="The prefix None is not a string"):
        check_syntax(None, "The prefix")  # type: ignore[arg-type]


def test_the_same_template_collides() -> None:
    templates = Templates()
    templates.add("/a")

    assert templates.add("/a") == "/a"


def test_another_field_at_the_same_place_collides_with_its_owner() -> None:
    templates = Templates()
    templates.add("/rooms/{room}/log")

    assert templates.add("/rooms/{name}") == "/rooms/{room}/log"


def test_a_literal_beside_a_field_does_not_collide() -> None:
    templates = Templates()
    templates.add("/rooms/{room}")

    assert templates.add("/rooms/new") is None


def test_a_refused_template_leaves_nothing_behind() -> None:
    templates = Templates()
    templates.add("/{a}")
    templates.add("/{b}/{c}")

    assert templates.add("/{a}/{d}") is None


@given(
    st.lists(st.lists(SEGMENTS, max_size=3).map(lambda parts: "/" + "/".join(parts)), max_size=6)
)
def test_templates_collide_exactly_where_falcon_refuses_or_shadows(paths: list[str]) -> None:
    templates = Templates()
    falcons = CompiledRouter()
    taken: set[str] = set()
    for path in paths:
        if len(set(fields_of(path))) < len(fields_of(path)):
            continue
        refused = path in taken
        if not refused:
            try:
                falcons.add_route(path, object())
            except ValueError:
                refused = True
            else:
                taken.add(path)
        assert (templates.add(path) is not None) == refused, (path, taken)


def test_fields_are_replaced_and_quoted() -> None:
    assert fill("/rooms/{room}/{n:int}", {"room": "a b?ü", "n": 7}) == "/rooms/a%20b%3F%C3%BC/7"


def test_a_path_converter_keeps_its_slashes() -> None:
    assert fill("/files/{rest:path}", {"rest": "a/b c"}) == "/files/a/b%20c"


@pytest.mark.parametrize("value", ["", "a/b"])
def test_a_value_that_is_no_segment_is_refused(value: str) -> None:
    with pytest.raises(RouteError, match=r"room='.*' cannot fill \{room\} in '/\{room\}'"):
        fill("/{room}", {"room": value})


def test_a_missing_value_is_named() -> None:
    with pytest.raises(RouteError, match=r"'/\{a\}/\{b\}' needs b; its fields: a, b"):
        fill("/{a}/{b}", {"a": 1})


def test_a_value_too_many_is_named() -> None:
    with pytest.raises(RouteError, match=r"'/\{a\}' has no b; its fields: a"):
        fill("/{a}", {"a": 1, "b": 2})


@given(st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1))
def test_what_is_filled_in_comes_back_from_the_path(value: str) -> None:
    class Resource:
        async def on_get(self, req: Any, resp: Any) -> None: ...

    assert unquote(fill("/{a}", {"a": value})) == "/" + value
