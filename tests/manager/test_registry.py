"""The registry keeps what connections belong to, and nothing of those that have gone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import text

from falcon_pachinko import DuplicateConnectionError
from falcon_pachinko import Label
from falcon_pachinko import Room
from falcon_pachinko import TargetError
from falcon_pachinko import UnknownConnectionError
from falcon_pachinko.manager.registry import Membership
from falcon_pachinko.manager.registry import Registry
from falcon_pachinko.manager.targets import select


def test_what_was_joined_before_registering_counts() -> None:
    registry = Registry()
    one = Membership(registry, "x")
    one.join("tea")
    one.leave("none")
    one.bind_user("ann")
    one.tag(level=1)
    early = dict(registry.rooms)
    one.register()

    assert early == {}
    assert list(registry.rooms["tea"]) == [one]
    assert list(registry.users["ann"]) == [one]
    assert list(registry.labels["level", 1]) == [one]


def test_nothing_is_left_of_who_has_gone() -> None:
    registry = Registry()
    one = Membership(registry, "x")
    one.register()
    one.join("tea", "ale")
    one.bind_user("ann")
    one.tag(level=1, region="eu")
    one.unregister()
    one.unregister()

    assert (registry.everybody, registry.rooms, registry.users, registry.labels) == ({},) * 4
    assert (one.rooms, one.user, dict(one.labels)) == (
        {"tea", "ale"},
        "ann",
        {"level": 1, "region": "eu"},
    )


def test_others_stay() -> None:
    registry = Registry()
    one, other = Membership(registry, "x"), Membership(registry, "y")
    for each in (one, other):
        each.register()
        each.join("tea")
    one.leave("tea", "none")

    assert select(Room("tea"), registry) == [other]
    assert registry.find("y") is other


def test_a_user_and_a_label_are_replaced() -> None:
    registry = Registry()
    one = Membership(registry, "x")
    one.register()
    one.bind_user("ann")
    one.bind_user("bob")
    one.tag(level=1, region="eu")
    one.tag(level=2, region=None)

    assert set(registry.users) == {"bob"}
    assert set(registry.labels) == {("level", 2)}
    one.bind_user(None)
    assert registry.users == {}


def test_a_second_connection_of_one_id_is_an_error() -> None:
    registry = Registry()
    Membership(registry, "x").register()

    with pytest.raises(DuplicateConnectionError, match="a connection 'x' already"):
        Membership(registry, "x").register()


def test_an_unknown_connection_is_an_error() -> None:
    registry = Registry()

    with pytest.raises(UnknownConnectionError, match="no connection 'x' among the 0"):
        registry.find("x")
    with pytest.raises(UnknownConnectionError, match="no connection 'x'"):
        registry.remove(Membership(registry, "x"))


@pytest.mark.parametrize("name", [None, 5, []])
def test_what_is_no_text_is_the_id_of_nobody(name: Any) -> None:
    with pytest.raises(UnknownConnectionError, match="There is no connection"):
        Registry().find(name)


@pytest.mark.parametrize("verb", ["join", "leave"])
@pytest.mark.parametrize("name", [None, 5, ["tea"]])
def test_what_is_no_text_is_no_room(verb: str, name: Any) -> None:
    one = Membership(Registry(), "x")

    with pytest.raises(TargetError, match="The name of a room is a str, not "):
        getattr(one, verb)(name)


def test_a_label_may_have_any_name() -> None:
    registry = Registry()
    one = Membership(registry, "x")
    one.register()
    one.tag(**{"self": "y", "": "z"})

    assert select(Label(**{"self": "y", "": "z"}), registry) == [one]


def test_who_has_gone_cannot_join_anything() -> None:
    one = Membership(Registry(), "x")
    one.unregister()

    for verb in (one.join, one.leave, one.bind_user):
        with pytest.raises(UnknownConnectionError, match="has ended"):
            verb("tea")
    with pytest.raises(UnknownConnectionError, match="has ended"):
        one.tag(a=1)


@given(text())
def test_any_text_is_the_name_of_a_room(name: str) -> None:
    registry = Registry()
    one = Membership(registry, "x")
    one.register()
    one.join(name)

    assert select(Room(name), registry) == [one]


def test_joining_and_leaving_look_at_no_other_room() -> None:
    class Rooms(dict):  # type: ignore[type-arg]
        def __iter__(self):
            raise AssertionError("looked at all rooms")

        keys = values = items = __iter__

    registry = Registry()
    registry.rooms = Rooms()
    one = Membership(registry, "x")
    one.register()
    one.join("tea", "ale")
    one.leave("tea")
    one.unregister()

    assert len(registry.rooms) == 0
