"""The tests of the chat: what a reader of this documentation would write."""

from contextlib import asynccontextmanager

import pytest
from chat import create_app
from chat import Heartbeat
from chat import Join
from chat import Joined
from chat import Kick
from chat import Left
from chat import Refused
from chat import Rename
from chat import Renamed
from chat import Said
from chat import Say
from chat import Welcome
from presence import MemoryRooms

from pytest_pachinko import Accepted
from pytest_pachinko import Closed
from pytest_pachinko import FromApp
from pytest_pachinko import ToApp

pytestmark = pytest.mark.asyncio

ROOM = "/chat/rooms/tea"


@pytest.fixture
def enter(websocket_connect):
    """Open a session and join the room."""

    @asynccontextmanager
    async def enter(nick, **options):
        async with websocket_connect(ROOM, name=nick, **options) as session:
            await session.send(Join(nick=nick))
            await session.receive(Welcome)
            yield session

    return enter


@pytest.fixture
def moderate(enter):
    """Open a session as a moderator and join the room."""

    def moderate(nick):
        return enter(
            nick,
            subprotocols=["chat.moderator.v1"],
            headers={"authorization": "Bearer let-me-in"},
        )

    return moderate


async def test_everybody_hears_what_is_said(enter):
    async with enter("ann") as ann, enter("bob") as bob:
        await ann.send(Say(text="hi"))

        await ann.expect(Joined(nick="bob"), Said(nick="ann", text="hi"))
        await bob.expect(Said(nick="ann", text="hi"))
        await bob.expect_silence()


async def test_a_newcomer_reads_what_was_said_before(enter, websocket_connect):
    async with enter("ann") as ann:
        await ann.send(Say(text="hi"))
        await ann.receive(Said)

        async with websocket_connect(ROOM) as bob:
            await bob.send(Join(nick="bob"))
            welcome = await bob.receive(Welcome)

    assert welcome == Welcome(nicks=["ann", "bob"], history=[Said(nick="ann", text="hi")])


async def test_rooms_do_not_hear_each_other(enter, websocket_connect):
    async with enter("ann") as ann, websocket_connect("/chat/rooms/coffee") as bob:
        await bob.send(Join(nick="bob"))
        await bob.receive(Welcome)
        await bob.send(Say(text="hi"))
        await bob.receive(Said)

        await ann.expect_silence()


async def test_a_nickname_is_given_once(enter, websocket_connect):
    async with enter("ann"), websocket_connect(ROOM) as other:
        await other.send(Join(nick="ann"))

        await other.expect(Refused(why="ann is taken"))


async def test_nobody_speaks_before_joining(websocket_connect):
    async with websocket_connect(ROOM) as session:
        await session.send(Say(text="hi"))

        await session.expect(Refused(why="join first"))


async def test_a_new_nickname_is_announced(enter):
    async with enter("ann") as ann, enter("bob") as bob:
        await ann.expect(Joined(nick="bob"))
        await bob.send(Rename(nick="bill"))

        await ann.expect(Renamed(old="bob", new="bill"))
        await bob.send(Say(text="still me"))
        await ann.expect(Said(nick="bill", text="still me"))


async def test_leaving_is_announced(enter):
    async with enter("ann") as ann:
        async with enter("bob"):
            await ann.expect(Joined(nick="bob"))

        await ann.expect(Left(nick="bob"))


async def test_a_peer_that_vanishes_has_left(enter):
    async with enter("ann") as ann, enter("bob") as bob:
        await ann.expect(Joined(nick="bob"))
        await bob.drop()

        await ann.expect(Left(nick="bob"))


async def test_a_moderator_makes_somebody_leave(enter, moderate):
    async with enter("ann") as ann, moderate("mod") as mod:
        await mod.send(Kick(nick="ann"))

        await ann.expect(Joined(nick="mod"), Closed(4001, reason="kicked", by="app"))
        await mod.expect(Left(nick="ann"))


async def test_a_guest_cannot_kick(enter):
    async with enter("ann") as ann, enter("bob") as bob:
        await bob.send(Kick(nick="ann"))

        await bob.expect(Refused(why="unknown_tag $.type"))
        await ann.expect(Joined(nick="bob"))
        await ann.expect_silence()


async def test_a_moderator_needs_the_password(websocket_connect):
    denial = await websocket_connect.denied(ROOM, status=401, subprotocols=["chat.moderator.v1"])

    assert denial.body == b'{"title": "moderators only"}'


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ("not json", "not_json"),
        ({"type": "say"}, "validation"),
        ({"type": "say", "text": ""}, "validation $.text"),
        ({"type": "say", "text": "x" * 281}, "validation $.text"),
        ({"type": "say", "text": "x", "loud": True}, "validation"),
        ({"type": "join", "nick": "two words"}, "validation $.nick"),
    ],
)
async def test_what_is_no_message_is_refused_and_the_chat_goes_on(enter, frame, why):
    async with enter("ann") as ann:
        await ann.send(frame)
        await ann.expect(Refused(why=why))

        await ann.send(Say(text="hi"))
        await ann.expect(Said(nick="ann", text="hi"))


async def test_the_server_gives_a_sign_of_life_every_half_minute(enter, websocket_clock):
    async with enter("ann") as ann:
        await websocket_clock.advance(29.9)
        await ann.expect_silence()

        await websocket_clock.advance(0.1)
        await ann.expect(Heartbeat())


async def test_whoever_is_silent_for_ten_minutes_has_to_leave(enter, websocket_clock):
    async with enter("ann") as ann, enter("bob") as bob:
        await ann.expect(Joined(nick="bob"))
        await websocket_clock.advance(300)
        await bob.send(Say(text="still here"))
        await websocket_clock.advance(300)

        await ann.expect(*[Heartbeat()] * 10, Said(nick="bob", text="still here"))
        await ann.expect(*[Heartbeat()] * 9, Closed(4408, reason="idle", by="app"))
        assert not bob.closed


class FarRooms(MemoryRooms):
    """Rooms that nobody can reach once somebody is there."""

    async def stay(self, room, nick):
        raise ConnectionError("planted")


@pytest.mark.parametrize("websocket_app", [lambda: create_app(FarRooms())])
async def test_a_guest_stays_while_the_rooms_are_out_of_reach(
    websocket_app, enter, websocket_clock, caplog
):
    async with enter("ann") as ann:
        await websocket_clock.advance(60)

        await ann.expect(Heartbeat(), Heartbeat())
    assert (
        caplog.messages == ["The rooms do not know that ann stays: ConnectionError('planted')"] * 2
    )


async def test_a_whole_visit(enter):
    async with enter("ann", subprotocols=["chat.v1"]) as ann:
        await ann.send(Say(text="hi"))
        await ann.receive(Said)

    assert ann.trace == [
        Accepted("chat.v1"),
        ToApp(Join(nick="ann")),
        FromApp(Welcome(nicks=["ann"], history=[])),
        ToApp(Say(text="hi")),
        FromApp(Said(nick="ann", text="hi")),
        Closed(1000, by="peer"),
    ]
