"""A chat: rooms, nicknames, a history, moderators on a subprotocol of their own, announcements.

It runs in one process, or in as many as share the Redis that the environment names: REDIS_URL.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from typing import ClassVar

import falcon.asgi
import msgspec
from msgspec import Meta
from msgspec import Struct
from presence import MemoryRooms
from presence import RedisRooms
from presence import Rooms

from falcon_pachinko import All
from falcon_pachinko import install
from falcon_pachinko import RedisBackend
from falcon_pachinko import Room
from falcon_pachinko import User
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko import WorkerController

Nick = Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^\w+$")]
Text = Annotated[str, Meta(min_length=1, max_length=280)]

HEARTBEAT = 30.0
"""Seconds between two signs of life of the server."""

IDLE = 600.0
"""Seconds after which a guest who says nothing has to leave."""

ANNOUNCEMENT = 3600.0
"""Seconds between two announcements."""

logger = logging.getLogger("chat")

PAGE = Path(__file__).with_name("page.html")
"""A client for people, without a build step."""


# What a client sends.


class Join(Struct, tag="join", forbid_unknown_fields=True):
    """Enter the room under a nickname; everything else needs this first."""

    nick: Nick


class Say(Struct, tag="say", forbid_unknown_fields=True):
    """Say something to everybody in the room."""

    text: Text


class Rename(Struct, tag="rename", forbid_unknown_fields=True):
    """Change one's nickname."""

    nick: Nick


class Kick(Struct, tag="kick", forbid_unknown_fields=True):
    """Make somebody leave; for moderators."""

    nick: Nick


# What the server sends.


class Welcome(Struct, tag="welcome"):
    """The answer to ``Join``: who is here, and what was said last."""

    nicks: list[str]
    history: list[Said]


class Joined(Struct, tag="joined"):
    """Somebody entered the room."""

    nick: str


class Left(Struct, tag="left"):
    """Somebody left the room."""

    nick: str


class Said(Struct, tag="said"):
    """Somebody said something."""

    nick: str
    text: str


class Renamed(Struct, tag="renamed"):
    """Somebody has another nickname now."""

    old: str
    new: str


class Refused(Struct, tag="refused"):
    """What was asked for cannot be done; the connection goes on."""

    why: str


class Heartbeat(Struct, tag="heartbeat"):
    """The server is there."""


class Announced(Struct, tag="announced"):
    """The house has something to say to everybody."""

    text: str


class Guest(WebSocketResource):
    """A connection of somebody in a room."""

    schema = Join | Say | Rename
    emits = Welcome | Joined | Left | Said | Renamed | Refused | Heartbeat | Announced
    subprotocols = ("chat.v1",)
    asyncapi: ClassVar = {
        "close_codes": {4001: "A moderator has kicked them.", 4408: "They were idle."}
    }

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.nick: str | None = None

    async def on_connect(self, req, ws, room):
        """Let everybody in who knows a room's name."""
        self.room = room
        await self.accept()
        self.heard = asyncio.get_running_loop().time()
        self.watch = asyncio.create_task(self.keep_alive(), name="heartbeat")

    async def keep_alive(self):
        """Send heartbeats, and close the connection of somebody who is silent for long."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            if asyncio.get_running_loop().time() - self.heard >= IDLE:
                await self.connection.close(4408, "idle")
                return
            if self.nick is not None:
                await self.stay()
            await self.send(Heartbeat())

    async def stay(self):
        """Keep the nickname, if the rooms can be reached; else the next heartbeat tries again."""
        try:
            await self.rooms.stay(self.room, self.nick)
        except Exception as error:  # noqa: BLE001 - each kind of rooms has its own
            logger.warning("The rooms do not know that %s stays: %r", self.nick, error)

    async def on_join(self, ws, message: Join) -> None:
        """Enter the room."""
        if self.nick is not None:
            await self.send(Refused(why=f"you are {self.nick} already"))
        elif not await self.rooms.enter(self.room, message.nick):
            await self.send(Refused(why=f"{message.nick} is taken"))
        else:
            self.nick = message.nick
            self.connection.bind_user(self.nick)
            self.connection.join(self.room)
            nicks = await self.rooms.nicks(self.room)
            said = await self.rooms.history(self.room)
            history = [msgspec.json.decode(each, type=Said) for each in said]
            # First the others: whoever is welcome has been announced, in all processes.
            await self.tell(Joined(nick=self.nick), exclude=[self.connection])
            await self.send(Welcome(nicks=nicks, history=history))

    async def on_say(self, ws, message: Say) -> None:
        """Tell everybody, the speaker included, and remember it."""
        if self.nick is None:
            await self.send(Refused(why="join first"))
        else:
            said = Said(nick=self.nick, text=message.text)
            await self.rooms.remember(self.room, msgspec.json.encode(said))
            await self.tell(said)

    async def on_rename(self, ws, message: Rename) -> None:
        """Give somebody another nickname."""
        if self.nick is None:
            await self.send(Refused(why="join first"))
        elif not await self.rooms.enter(self.room, message.nick):
            await self.send(Refused(why=f"{message.nick} is taken"))
        else:
            renamed = Renamed(old=self.nick, new=message.nick)
            # A heartbeat may come in between, and is to keep the new one.
            self.nick = renamed.new
            await self.rooms.leave(self.room, renamed.old)
            self.connection.bind_user(self.nick)
            await self.tell(renamed)

    async def tell(self, message: Struct, **options) -> None:
        """Send a message to everybody in the room, in whatever process they are."""
        await self.manager.send(Room(self.room), message, **options)

    async def on_invalid(self, ws, message, error) -> None:
        """Answer what is no message of ours, without repeating it."""
        await self.send(Refused(why=f"{error.reason} {error.path}".rstrip()))

    async def on_disconnect(self, ws, close_code: int) -> None:
        """Tell the others who left."""
        self.watch.cancel()
        if self.nick is not None:
            await self.rooms.leave(self.room, self.nick)
            await self.tell(Left(nick=self.nick))


@Guest.around_message
@asynccontextmanager
async def note_life(context):
    """Take note that somebody is not idle."""
    context.resource.heard = asyncio.get_running_loop().time()
    yield


class Moderator(Guest):
    """A guest who may make others leave."""

    schema = Join | Say | Rename | Kick
    subprotocols = ("chat.moderator.v1",)

    async def on_connect(self, req, ws, room):
        """Let those in who know the password."""
        if req.get_header("authorization") != "Bearer let-me-in":
            raise falcon.HTTPUnauthorized(title="moderators only")
        return await super().on_connect(req, ws, room)

    async def on_kick(self, ws, message: Kick) -> None:
        """Close the connection of somebody, in whatever process it is."""
        if message.nick in await self.rooms.nicks(self.room):
            await self.manager.disconnect(Room(self.room) & User(message.nick), 4001, "kicked")
        else:
            await self.send(Refused(why=f"{message.nick} is not here"))


class Page:
    """Serves the page of a room to a browser; the page itself then connects to the room."""

    def __init__(self) -> None:
        self.html: str | None = None

    async def on_get(self, req, resp, room) -> None:
        """Send the page, which is the same for every room."""
        if self.html is None:
            self.html = PAGE.read_text(encoding="utf-8")
        resp.content_type = falcon.MEDIA_HTML
        resp.text = self.html


class Closing:
    """Gives up the connections of the rooms when the application ends."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms

    async def process_shutdown(self, scope, event) -> None:
        """Give them up."""
        await self.rooms.close()


def create_app(rooms: Rooms | None = None) -> falcon.asgi.App:
    """Make the application, with rooms of its own, or those of the Redis in the environment."""
    url = os.environ.get("REDIS_URL")
    if rooms is None:
        rooms = RedisRooms(url) if url else MemoryRooms()
    manager = WebSocketConnectionManager(RedisBackend(url, prefix="chat") if url else None)
    workers = WorkerController()

    @workers.worker
    async def announce() -> None:
        while True:
            await asyncio.sleep(ANNOUNCEMENT)
            # Each process tells its own guests.
            await manager.send(All(), Announced(text="Drink some water."), local=True)

    router = WebSocketRouter(resource_factory=lambda resource: resource(rooms), manager=manager)
    router.add_route("/rooms/{room}", Guest, Moderator, name="room")
    app = falcon.asgi.App(middleware=[Closing(rooms)])
    app.add_route("/rooms/{room}", Page())
    install(app, router, prefix="/chat")
    app.add_middleware(workers)
    return app
