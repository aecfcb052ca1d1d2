"""Targets are values, and ask no more members than an index makes them."""

from operator import and_
from operator import invert
from operator import or_
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_pachinko import All
from falcon_pachinko import Connection
from falcon_pachinko import Label
from falcon_pachinko import Room
from falcon_pachinko import Target
from falcon_pachinko import TargetError
from falcon_pachinko import User
from falcon_pachinko.manager.registry import Membership
from falcon_pachinko.manager.registry import Registry
from falcon_pachinko.manager.targets import Or
from falcon_pachinko.manager.targets import select

tea = Room("tea")
ann = User("ann")
eu = Label(region="eu")


def member(registry: Registry, name: str, *rooms: str, **labels: Any) -> Membership:
    one = Membership(registry, name)
    one.register()
    one.join(*rooms)
    one.bind_user(name[0])
    one.tag(**labels)
    return one


def people() -> Registry:
    registry = Registry()
    member(registry, "a1", "tea", region="eu")
    member(registry, "a2", "ale", region="eu", level=1)
    member(registry, "b1", "tea", "ale", region="us", level=1)
    member(registry, "c1")
    return registry


@pytest.fixture
def registry() -> Registry:
    return people()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (All(), "a1 a2 b1 c1"),
        (tea, "a1 b1"),
        (Room("none"), ""),
        (User("a"), "a1 a2"),
        (User("none"), ""),
        (Connection("b1"), "b1"),
        (Connection("none"), ""),
        (eu, "a1 a2"),
        (Label(region="eu", level=1), "a2"),
        (Label(region="none"), ""),
        (tea & Room("ale"), "b1"),
        (tea & ~User("a"), "b1"),
        (tea | User("a"), "a1 b1 a2"),
        (tea | ~User("a"), "a1 b1 c1"),
        (~tea, "a2 c1"),
        (~tea & ~User("c"), "a2"),
        (~(tea | User("c")), "a2"),
        (All() & tea, "a1 b1"),
    ],
)
def test_a_target_means(registry: Registry, target: Target, expected: str) -> None:
    assert [one.id for one in select(target, registry)] == expected.split()


leaves = st.sampled_from(
    [
        *(All(), tea, Room("ale"), Room("none"), User("a"), User("b"), User("none")),
        *(Connection("a1"), Connection("none"), eu, Label(level=1), Label(region="eu", level=1)),
    ]
)


@given(
    st.recursive(
        leaves,
        lambda inner: (
            st.builds(invert, inner) | st.builds(and_, inner, inner) | st.builds(or_, inner, inner)
        ),
    )
)
def test_a_target_means_whom_it_matches(target: Target) -> None:
    registry = people()
    known = target.candidates(registry)
    order = list(registry.everybody.values() if known is None else known)

    assert select(target, registry) == [one for one in order if target.matches(one)]


def test_whom_an_index_knows_is_not_asked_for_each_part(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(User, "matches")
    target = tea & ~Or((User("a"), User("c")))

    assert [one.id for one in select(target, registry)] == ["b1"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (All(), "All()"),
        (tea & ~ann, "Room('tea') & ~User('ann')"),
        (tea & (ann | eu), "Room('tea') & (User('ann') | Label(region='eu'))"),
        (tea & ann & eu, "Room('tea') & User('ann') & Label(region='eu')"),
        (tea | ann | eu, "Room('tea') | User('ann') | Label(region='eu')"),
        (~(tea & ann), "~(Room('tea') & User('ann'))"),
        (Connection("x") | ~~tea, "Connection('x') | Room('tea')"),
        (Label(b=2, a="1"), "Label(a='1', b=2)"),
    ],
)
def test_a_target_reads_as_it_is_written(target: Target, expected: str) -> None:
    assert repr(target) == expected
    assert eval(expected) == target  # noqa: S307


def test_targets_are_values() -> None:
    assert {tea & ~ann, eu} == {Room("tea") & ~User("ann"), Label(region="eu")}
    with pytest.raises(AttributeError):
        tea.name = "ale"  # type: ignore[misc]


@pytest.mark.parametrize("target", [tea & ~ann, ann & ~tea, eu & ~tea, tea | ann, All() & tea])
def test_who_is_in_no_index_of_a_target_is_not_asked(target: Target) -> None:
    class Shy(Membership):
        __slots__ = ()

        def is_in(self, room: str) -> bool:
            raise AssertionError("asked")

        user = labels = property(is_in)  # type: ignore[assignment, arg-type]

    registry = Registry()
    registry.everybody["shy"] = Shy(registry, "shy")
    one = Membership(registry, "one")
    one.register()
    one.join("tea")

    assert len(select(target, registry)) <= 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Room(1),
        lambda: User(None),
        lambda: Connection(b"x"),
        Label,
        lambda: Label(a=None),
        lambda: Label(a=1.5),
        lambda: Label(a=2**63),
    ],
)
def test_what_names_nobody_is_an_error(make: Any) -> None:
    with pytest.raises(TargetError):
        make()


@pytest.mark.parametrize("operate", [lambda: tea & "ale", lambda: tea | "ale"])
def test_only_targets_compose(operate: Any) -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        operate()


def test_the_base_class_means_nobody() -> None:
    with pytest.raises(NotImplementedError):
        Target().matches(Membership(Registry(), "x"))
    with pytest.raises(NotImplementedError):
        Target().candidates(Registry())
    with pytest.raises(NotImplementedError):
        Target().among(set(), Registry())
