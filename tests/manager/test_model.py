"""Random schedules of joining, leaving, sending and disconnecting, against a model of sets."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from falcon_pachinko import All
from falcon_pachinko import Connection
from falcon_pachinko import Label
from falcon_pachinko import Room
from falcon_pachinko import Target
from falcon_pachinko import User
from falcon_pachinko import WebSocketConnectionManager
from pytest_pachinko import Closed
from tests.manager.conftest import serve

slots = st.integers(0, 3)
rooms = st.sampled_from(["tea", "ale", ""])
users = st.sampled_from(["ann", "bob"])
label = st.tuples(st.sampled_from(["k", "l"]), st.sampled_from([1, "1", 2]))

# A target as plain data, so that the model needs none of ours.
targets = st.recursive(
    st.just(("all",))
    | st.tuples(st.just("room"), rooms)
    | st.tuples(st.just("user"), users)
    | st.tuples(st.just("slot"), slots)
    | st.tuples(st.just("label"), label),
    lambda inner: (
        st.tuples(st.sampled_from(["and", "or"]), inner, inner) | st.tuples(st.just("not"), inner)
    ),
    max_leaves=5,
)
steps = st.lists(
    st.tuples(st.just("connect"), slots)
    | st.tuples(st.just("join"), slots, rooms)
    | st.tuples(st.just("leave"), slots, rooms)
    | st.tuples(st.just("bind_user"), slots, st.none() | users)
    | st.tuples(st.just("tag"), slots, label | st.sampled_from([("k", None), ("l", None)]))
    | st.tuples(st.just("drop"), slots)
    | st.tuples(st.just("send"), targets, st.lists(targets, max_size=1))
    | st.tuples(st.just("disconnect"), targets),
    max_size=40,
)


class Modelled:
    """A connection of the model."""

    def __init__(self, stack: AsyncExitStack, session: Any, member: Any) -> None:
        self.stack = stack
        self.session = session
        self.member = member
        self.rooms: set[str] = set()
        self.user: str | None = None
        self.labels: dict[str, Any] = {}
        self.expected: list[str] = []

    def do(self, verb: str, value: Any) -> None:
        """Do to the model and to the real connection the same."""
        if verb == "tag":
            key, content = value
            self.labels[key] = content
            self.member.tag(**{key: content})
            return
        getattr(self.member, verb)(value)
        if verb == "join":
            self.rooms.add(value)
        elif verb == "leave":
            self.rooms.discard(value)
        else:
            self.user = value


def meant(spec: Any, here: dict[int, Modelled]) -> set[int]:  # noqa: PLR0911 - a table
    match spec:
        case ("all",):
            return set(here)
        case ("room", name):
            return {slot for slot, one in here.items() if name in one.rooms}
        case ("user", name):
            return {slot for slot, one in here.items() if one.user == name}
        case ("slot", slot):
            return {slot} & set(here)
        case ("label", (key, value)):
            return {slot for slot, one in here.items() if one.labels.get(key) == value}
        case ("and", left, right):
            return meant(left, here) & meant(right, here)
        case ("or", left, right):
            return meant(left, here) | meant(right, here)
        case ("not", inner):
            return set(here) - meant(inner, here)
    raise AssertionError(spec)


def built(spec: Any, here: dict[int, Modelled]) -> Target:  # noqa: PLR0911 - a table
    match spec:
        case ("all",):
            return All()
        case ("room", name):
            return Room(name)
        case ("user", name):
            return User(name)
        case ("slot", slot):
            # Never alone: that would be an error, if it is not there.
            name = here[slot].member.id if slot in here else "nobody"
            return All() & Connection(name)
        case ("label", (key, value)):
            return Label(**{key: value})
        case ("and", left, right):
            return built(left, here) & built(right, here)
        case ("or", left, right):
            return built(left, here) | built(right, here)
        case ("not", inner):
            return ~built(inner, here)
    raise AssertionError(spec)


class Game:
    """A manager, its model, and the steps that are taken with both."""

    def __init__(self) -> None:
        self.manager = WebSocketConnectionManager()
        self.open = serve(self.manager)
        self.here: dict[int, Modelled] = {}

    async def play(self, schedule: list[Any]) -> None:
        async with self.open:
            for number, (verb, first, *rest) in enumerate(schedule):
                if verb in ("send", "disconnect", "connect"):
                    await getattr(self, verb)(number, first, *rest)
                elif first in self.here:
                    if verb == "drop":
                        await self.drop(first)
                    else:
                        self.here[first].do(verb, *rest)
                self.check()
            for slot in list(self.here):
                await self.drop(slot)
            self.check()

    async def connect(self, _: int, slot: int) -> None:
        if slot not in self.here:
            stack = AsyncExitStack()
            session = await stack.enter_async_context(self.open("/"))
            self.here[slot] = Modelled(stack, session, self.manager.connections()[-1])

    async def send(self, number: int, target: Any, exclude: list[Any]) -> None:
        here = self.here
        expected = meant(target, here)
        for spec in exclude:
            expected -= meant(spec, here)
        others = [built(spec, here) for spec in exclude]
        receipt = await self.manager.send(built(target, here), number, exclude=others)
        assert receipt.taken == len(expected)
        for slot in expected:
            here[slot].expected.append(str(number))

    async def disconnect(self, number: int, target: Any) -> None:
        gone = meant(target, self.here)
        receipt = await self.manager.disconnect(built(target, self.here), 4000 + number)
        assert receipt.taken == len(gone)
        for slot in gone:
            one = self.here.pop(slot)
            await one.session.expect(*one.expected, Closed(4000 + number))
            await one.stack.aclose()

    async def drop(self, slot: int) -> None:
        one = self.here.pop(slot)
        await one.session.expect(*one.expected)
        await one.session.expect_silence()
        await one.session.drop()
        await one.stack.aclose()

    def check(self) -> None:
        registry = self.manager._registry
        everybody = self.here.values()
        assert self.manager.count == len(everybody)
        assert set(registry.rooms) == {room for one in everybody for room in one.rooms}
        assert set(registry.users) == {one.user for one in everybody} - {None}
        assert set(registry.labels) == {
            item for one in everybody for item in one.labels.items() if item[1] is not None
        }


@settings(deadline=None)
@given(steps)
def test_a_manager_does_what_sets_do(schedule: list[Any]) -> None:
    # Not asyncio.run, which takes away the loop that pytest-asyncio has set.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(Game().play(schedule))
    finally:
        loop.close()
