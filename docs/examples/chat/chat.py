"""A chat: rooms, nicknames, a history, and moderators on a subprotocol of their own."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections import deque
from contextlib import asynccontextmanager
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import falcon.asgi
from msgspec import Meta
from msgspec import Struct

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter

Nick = Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^\w+$")]
Text = Annotated[str, Meta(min_length=1, max_length=280)]

HEARTBEAT = 30.0
"""Seconds between two signs of life of the server."""

IDLE = 600.0
"""Seconds after which a guest who says nothing has to leave."""

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


class Room:
    """The members of a room by nickname, and the last things that were said in it."""

    def __init__(self) -> None:
        self.members: dict[str, Guest] = {}
        self.history: deque[Said] = deque(maxlen=50)

    async def tell(self, message: Struct, *, but: str | None = None) -> None:
        """Send a message to every member, except one."""
        for nick, member in list(self.members.items()):
            if nick != but:
                with suppress(falcon.WebSocketDisconnected):  # who has just left is not told
                    await member.send(message)


class Guest(WebSocketResource):
    """A connection of somebody in a room."""

    schema = Join | Say | Rename
    emits = Welcome | Joined | Left | Said | Renamed | Refused | Heartbeat
    subprotocols = ("chat.v1",)

    def __init__(self, rooms: dict[str, Room]) -> None:
        self.rooms = rooms
        self.nick: str | None = None

    async def on_connect(self, req, ws, room):
        """Let everybody in who knows a room's name."""
        self.room = self.rooms[room]
        await self.accept()
        self.heard = asyncio.get_running_loop().time()
        self.watch = asyncio.create_task(self.keep_alive(), name="heartbeat")

    async def keep_alive(self):
        """Send heartbeats, and close the connection of somebody who is silent for long."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            if asyncio.get_running_loop().time() - self.heard >= IDLE:
                await self.ws.close(4408, "idle")
                return
            await self.send(Heartbeat())

    async def on_join(self, ws, message: Join) -> None:
        """Enter the room."""
        if self.nick is not None:
            await self.send(Refused(why=f"you are {self.nick} already"))
        elif message.nick in self.room.members:
            await self.send(Refused(why=f"{message.nick} is taken"))
        else:
            self.nick = message.nick
            self.room.members[self.nick] = self
            nicks = sorted(self.room.members)
            await self.send(Welcome(nicks=nicks, history=list(self.room.history)))
            await self.room.tell(Joined(nick=self.nick), but=self.nick)

    async def on_say(self, ws, message: Say) -> None:
        """Tell everybody, the speaker included, and remember it."""
        if self.nick is None:
            await self.send(Refused(why="join first"))
        else:
            said = Said(nick=self.nick, text=message.text)
            self.room.history.append(said)
            await self.room.tell(said)

    async def on_rename(self, ws, message: Rename) -> None:
        """Give somebody another nickname."""
        if self.nick is None:
            await self.send(Refused(why="join first"))
        elif message.nick in self.room.members:
            await self.send(Refused(why=f"{message.nick} is taken"))
        else:
            renamed = Renamed(old=self.nick, new=message.nick)
            del self.room.members[renamed.old]
            self.room.members[renamed.new] = self
            self.nick = renamed.new
            await self.room.tell(renamed)

    async def on_invalid(self, ws, message, error) -> None:
        """Answer what is no message of ours, without repeating it."""
        await self.send(Refused(why=f"{error.reason} {error.path}".rstrip()))

    async def on_disconnect(self, ws, close_code: int) -> None:
        """Tell the others who left."""
        self.watch.cancel()
        if self.nick is not None:
            del self.room.members[self.nick]
            await self.room.tell(Left(nick=self.nick))


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
        """Close the connection of somebody."""
        member = self.room.members.get(message.nick)
        if member is None:
            await self.send(Refused(why=f"{message.nick} is not here"))
        else:
            await member.ws.close(4001, "kicked")


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


def create_app() -> falcon.asgi.App:
    """Make the application, with rooms of its own."""
    rooms: dict[str, Room] = defaultdict(Room)
    router = WebSocketRouter(resource_factory=lambda resource: resource(rooms))
    router.add_route("/rooms/{room}", Guest, Moderator, name="room")
    app = falcon.asgi.App()
    app.add_route("/rooms/{room}", Page())
    install(app, router, prefix="/chat")
    return app
