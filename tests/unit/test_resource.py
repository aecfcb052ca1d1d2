from typing import Any

import falcon
import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import HandlerError
from falcon_pachinko import install
from falcon_pachinko import RouteError
from falcon_pachinko import SchemaError
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.resource import hooks_of
from pytest_pachinko.memory import MemoryTransport

pytestmark = pytest.mark.asyncio


class Say(msgspec.Struct, tag="say"):
    text: str


class Echo(WebSocketResource):
    schema = Say

    async def on_say(self, ws: Any, message: Say) -> None:
        await self.send(message)


def serving(*resources: Any, path: str = "/") -> falcon.asgi.App[Any, Any]:
    app = falcon.asgi.App()
    router = WebSocketRouter()
    router.add_route(path, *resources)
    install(app, router)
    return app


async def test_a_message_is_sent_as_one_text_frame() -> None:
    async with MemoryTransport(serving(Echo)) as connect, connect("/") as session:
        await session.send(b'{"type":"say","text":"x"}')
        frame = await session.receive()

    assert frame == '{"type":"say","text":"x"}'


async def test_each_connection_has_a_resource_and_a_state_of_its_own() -> None:
    class Counting(Echo):
        async def on_say(self, ws: Any, message: Say) -> None:
            self.state["n"] = self.state.get("n", 0) + 1
            await self.send(self.state["n"])

    async with (
        MemoryTransport(serving(Counting)) as connect,
        connect("/") as ann,
        connect("/") as bob,
    ):
        await ann.send(Say("x"))
        await ann.send(Say("x"))
        await bob.send(Say("x"))

        assert [await ann.receive_json(), await ann.receive_json()] == [1, 2]
        assert await bob.receive_json() == 1


async def test_a_resource_knows_its_request_connection_and_parameters() -> None:
    seen: list[Any] = []

    class Room(Echo):
        async def on_connect(self, req: Any, ws: Any, room: int) -> bool:
            seen.append((self.req is req, self.ws is ws, self.params, room, self.subprotocol))
            return True

    async with MemoryTransport(serving(Room, path="/{room:int}")) as connect, connect("/7"):
        pass

    assert seen == [(True, True, {"room": 7}, 7, None)]


async def test_a_runtime_error_of_a_send_that_the_peer_has_left_is_a_disconnect(pipe: Any) -> None:
    inboxes: list[Any] = []
    codes: list[int] = []

    class Server(pipe):  # type: ignore[misc]
        async def send(self, event: Any) -> None:
            if event["type"] == "websocket.send":
                self.push_disconnect(4321)
                await inboxes[0].drain()
                raise RuntimeError("the connection is gone")

    class Greeting(Echo):
        async def on_connect(self, req: Any, ws: Any) -> None:
            inboxes.append(self._conversation.inbox)
            await self.accept()
            with pytest.raises(falcon.WebSocketDisconnected) as caught:
                await self.send(1)
            codes.append(caught.value.code)

    await Server(serving(Greeting)).task

    assert codes == [4321]


async def test_another_runtime_error_of_a_server_is_raised_as_itself(pipe: Any) -> None:
    raised: list[Exception] = []

    class Late(Echo):
        async def on_connect(self, req: Any, ws: Any) -> None:
            await self.accept()
            connection.fail = RuntimeError("a bug")
            with pytest.raises(RuntimeError) as caught:
                await self.send(1)
            raised.append(caught.value)

    connection = pipe(serving(Late))
    connection.push_disconnect(1000)
    await connection.task

    assert raised == [connection.fail]


async def test_a_class_without_a_schema_can_be_a_base() -> None:
    class Base(WebSocketResource):
        async def on_connect(self, req: Any, ws: Any) -> bool:
            return False

    class Chat(Base):
        schema = Say

        async def on_say(self, ws: Any, message: Say) -> None: ...

    async with MemoryTransport(serving(Chat)) as connect:
        await connect.denied("/")


async def test_a_bad_schema_is_an_error_when_the_class_is_created() -> None:
    with pytest.raises(SchemaError, match=r"Chat\.schema"):
        type("Chat", (WebSocketResource,), {"schema": int})


async def test_a_bad_handler_is_an_error_when_the_class_is_created() -> None:
    with pytest.raises(HandlerError, match=r"Chat\.on_nobody"):
        type("Chat", (Echo,), {"on_nobody": Echo.on_say})


async def test_bad_subprotocols_are_an_error_when_the_class_is_created() -> None:
    with pytest.raises(RouteError, match=r"Chat\.subprotocols"):
        type("Chat", (Echo,), {"subprotocols": "chat.v1"})


async def test_a_subclass_may_narrow_the_schema_of_its_base() -> None:
    other = msgspec.defstruct("Other", [], tag="other")

    class Wide(WebSocketResource):
        schema = Say | other  # type: ignore[valid-type]

        async def on_say(self, ws: Any, message: Any) -> None: ...

        async def on_other(self, ws: Any, message: Any) -> None: ...

    class Narrow(Wide):
        schema = Say

    assert Narrow._dispatch is not None
    assert list(Narrow._dispatch.schema.types) == ["say"]


async def test_arguments_of_the_class_statement_reach_the_other_bases() -> None:
    class Named:
        def __init_subclass__(cls, *, label: str, **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            cls.label = label

    class Chat(Echo, Named, label="chat"):
        label: str

    assert Chat.label == "chat"


async def test_hooks_of_the_bases_come_first() -> None:
    class Chat(Echo):
        pass

    class Sub(Chat):
        pass

    Sub.around_message(print)  # type: ignore[type-var]
    Chat.around_message(print)  # type: ignore[type-var]

    assert hooks_of(Sub) == [Chat._hooks, Sub._hooks]


async def test_registering_a_hook_returns_it() -> None:
    class Chat(Echo):
        pass

    def hook(context: Any) -> Any: ...

    assert Chat.around_connection(hook) is hook
    assert Chat.around_message(hook) is hook
