"""Values inside payloads: where they differ, and by which names they go."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pytest_pachinko.trace.values import differences
from pytest_pachinko.trace.values import equal
from pytest_pachinko.trace.values import Partial
from pytest_pachinko.trace.values import plain
from pytest_pachinko.trace.values import substituted


class Touchy:
    """Cannot be compared."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ValueError("do not compare me")


def differing(expected: Any, got: Any) -> list[str]:
    return [f"{path}: {a!r}, {b!r}" for path, a, b in differences(expected, got)]


@pytest.mark.parametrize(
    ("expected", "got", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["$.a: 1, 2"]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, ["$.a.b[1]: 2, 3"]),
        ({"a": 1}, {"b": 2}, ["$.a: 1, nothing", "$.b: nothing, 2"]),
        ([1], [1, 2], ["$[1]: nothing, 2"]),
        ([1, 2], (1,), ["$[1]: 2, nothing"]),
        ("a", "b", ["$: 'a', 'b'"]),
        ({"a": 1}, {"a": True}, ["$.a: 1, True"]),
        (True, True, []),
        ({"a": None}, {}, ["$.a: None, nothing"]),
    ],
)
def test_values_differ_where_a_path_says(expected: Any, got: Any, lines: list[str]) -> None:
    assert differing(expected, got) == lines


def test_what_cannot_be_compared_is_not_equal() -> None:
    assert not equal(Touchy(), 1)
    assert differing({"a": Touchy()}, {"a": 1})[0].startswith("$.a: ")


@pytest.mark.parametrize(
    ("partial", "value", "fits"),
    [
        (Partial(a=1), {"a": 1, "b": 2}, True),
        (Partial({"a": 1}, b=2), {"a": 1, "b": 2}, True),
        (Partial(), {}, True),
        (Partial(a=1), {"a": 2}, False),
        (Partial(a=1), {"b": 1}, False),
        (Partial(a={"b": 1}), {"a": {"b": 1, "c": 2}}, True),
        (Partial(a=[1]), {"a": [1, 2]}, False),
        (Partial(a=Partial(b=1)), {"a": {"b": 1, "c": 2}}, True),
        ([Partial(a=1)], [{"a": 1, "b": 2}], True),
        (Partial(a=1), 1, False),
        (Partial(a=1), "text", False),
    ],
)
def test_a_part_of_the_fields_is_enough(partial: Any, value: Any, *, fits: bool) -> None:
    assert (partial == value) is fits


def test_the_part_that_differs_is_named() -> None:
    assert differing(Partial(a={"b": 1}), {"a": {"b": 2, "c": 3}, "d": 4}) == ["$.a.b: 1, 2"]
    assert repr(Partial(a=1)) == "Partial({'a': 1})"


def test_a_message_has_fields_too() -> None:
    class Say(msgspec.Struct, tag="say"):
        text: str
        loud: bool = False

    assert Partial(type="say", text="hi") == Say("hi")


def test_a_message_is_the_data_of_its_json() -> None:
    class Say(msgspec.Struct, tag="say", rename="camel"):
        user_name: str

    assert plain(Say("ann")) == {"type": "say", "userName": "ann"}


def test_what_msgspec_does_not_know_is_left_as_it_is() -> None:
    value = object()
    cyclic: list[Any] = []
    cyclic.append(cyclic)

    assert plain(value) is value
    assert plain(cyclic) is cyclic


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ('{"id":"abc","n":7}', '{"id":"<id>","n":"<n>"}'),
        (b'{"id":"abc"}', b'{"id":"<id>"}'),
        ('["see abc, please"]', '["see <id>, please"]'),
        ('{"id":  "xyz"}', '{"id":  "xyz"}'),
        ('{"n":true,"m":7.0}', '{"n":true,"m":7.0}'),
        ("no json: abc", "no json: <id>"),
        (b"\xff", b"\xff"),
    ],
)
def test_values_go_by_their_names(payload: Any, named: Any) -> None:
    assert substituted(payload, {"abc": "<id>", 7: "<n>"}) == named


def test_what_is_no_frame_has_no_values() -> None:
    assert substituted(None, {"abc": "<id>"}) is None
