"""Five applications, each with a bug that a reader of its code may well overlook.

Each function makes an application; ``BUGS`` has with it the smallest stream that shows its bug.
"""

from __future__ import annotations

from typing import Annotated
from typing import Any

from msgspec import Meta
from msgspec import Struct

from falcon_pachinko import WebSocketResource
from pytest_pachinko import Drop
from pytest_pachinko import Send
from tests.fuzz.chatty import app_with

Id = Annotated[str, Meta(min_length=1, max_length=12, pattern=r"^[a-z0-9]+$")]


class Join(Struct, tag="join"):
    user: Id


class Say(Struct, tag="say"):
    text: Annotated[str, Meta(max_length=280)]


class Kick(Struct, tag="kick"):
    user: Id


class Buy(Struct, tag="buy"):
    item: Id
    amount: Annotated[int, Meta(ge=1, le=1000)]


class Dump(Struct, tag="dump"):
    pass


class Done(Struct, tag="done"):
    count: int = 0


def equal_ids() -> Any:
    """Who kicks themself is looked up after they have gone."""
    members: dict[str, Any] = {}

    class Room(WebSocketResource):
        schema = Join | Say | Kick
        emits = Done
        user = ""

        async def on_connect(self, req: Any, ws: Any) -> bool:
            return True

        async def on_join(self, ws: Any, message: Join) -> None:
            if not self.user and message.user not in members:
                self.user = message.user
                members[self.user] = self

        async def on_say(self, ws: Any, message: Say) -> None:
            await self.send(Done(len(members)))

        async def on_kick(self, ws: Any, message: Kick) -> None:
            if self.user and message.user in members:
                del members[message.user]
                await members[self.user].send(Done())

        async def on_disconnect(self, ws: Any, close_code: int) -> None:
            members.pop(self.user, None)

    return app_with(Room)


def third_message() -> Any:
    """What the second message leaves behind breaks the third."""

    class Room(WebSocketResource):
        schema = Join | Say | Kick
        emits = Done

        async def on_connect(self, req: Any, ws: Any) -> bool:
            self.pending: list[str] = []
            self.joined = False
            return True

        async def on_join(self, ws: Any, message: Join) -> None:
            if self.pending:
                raise RuntimeError("joined with messages pending")
            self.joined = True

        async def on_say(self, ws: Any, message: Say) -> None:
            if self.joined:
                self.pending.append(message.text)
            await self.send(Done(len(self.pending)))

        async def on_kick(self, ws: Any, message: Kick) -> None:
            self.pending.clear()

    return app_with(Room)


def shared_default() -> Any:
    """The list of a class is that of all its connections."""

    class Room(WebSocketResource):
        schema = Join | Say
        emits = Done
        seen: list[str] = []  # noqa: RUF012 - the bug

        async def on_connect(self, req: Any, ws: Any) -> bool:
            self.mine = 0
            return True

        async def on_join(self, ws: Any, message: Join) -> None:
            self.seen.append(message.user)
            self.mine += 1
            assert len(self.seen) == self.mine, "somebody else's"

        async def on_say(self, ws: Any, message: Say) -> None:
            await self.send(Done(len(self.seen)))

        async def on_disconnect(self, ws: Any, close_code: int) -> None:
            del self.seen[: self.mine]

    return app_with(Room)


def off_by_one() -> Any:
    """The last amount that the schema allows is one too many for the handler."""
    shelves = [0] * 1000

    class Shop(WebSocketResource):
        schema = Buy | Say
        emits = Done

        async def on_connect(self, req: Any, ws: Any) -> bool:
            return True

        async def on_buy(self, ws: Any, message: Buy) -> None:
            shelves[message.amount] += 1

        async def on_say(self, ws: Any, message: Say) -> None:
            await self.send(Done())

    return app_with(Shop)


def disconnect_mid_send() -> Any:
    """The goodbye does not know of an answer that is half sent."""

    class Archive(WebSocketResource):
        schema = Dump | Say
        emits = Done
        sent = 0

        async def on_connect(self, req: Any, ws: Any) -> bool:
            return True

        async def on_dump(self, ws: Any, message: Dump) -> None:
            for number in range(3):
                await self.send(Done(number))
                self.sent = number + 1

        async def on_say(self, ws: Any, message: Say) -> None:
            await self.send(Done())

        async def on_disconnect(self, ws: Any, close_code: int) -> None:
            summary = {0: "nothing", 3: "everything"}
            self.state["summary"] = summary[self.sent]

    return app_with(Archive)


BUGS: dict[str, tuple[Any, list[Any]]] = {
    "equal ids": (equal_ids, [Send(Join("0")), Send(Kick("0"))]),
    "third message": (third_message, [Send(Join("0")), Send(Say("")), Send(Join("0"))]),
    "shared default": (shared_default, [Send(Join("0")), Send(Join("0"), on=2)]),
    "off by one": (off_by_one, [Send(Buy("0", 1000))]),
    "disconnect mid-send": (disconnect_mid_send, [Drop(after=1), Send(Dump())]),
}
