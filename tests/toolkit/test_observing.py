"""What is noted of the frames that a resource reads."""

from __future__ import annotations

from contextlib import asynccontextmanager
from contextlib import ExitStack
from typing import Any

import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import conversation
from falcon_pachinko import handles_message
from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from pytest_pachinko import SimulatorRouterHarness
from pytest_pachinko import WebSocketSimulator
from pytest_pachinko.observing import Note
from pytest_pachinko.observing import observing
from pytest_pachinko.quiet import settle

pytestmark = pytest.mark.asyncio

SAY = '{"type":"say","text":"hi"}'


class Say(msgspec.Struct, tag="say"):
    text: str


class Wave(msgspec.Struct, tag="wave"):
    pass


class Broken(msgspec.Struct, tag="broken"):
    def __post_init__(self) -> None:
        raise LookupError("the Struct's own")


class Talk(WebSocketResource):
    schema = Say | Wave | Broken
    reasons: list[str]

    def __init__(self) -> None:
        self.reasons = []

    @handles_message("say")
    async def relay(self, ws: Any, message: Say) -> None:
        await self.send(message)

    async def on_unhandled(self, ws: Any, message: str | bytes) -> None:
        await ws.send_text("unhandled")

    async def on_invalid(self, ws: Any, message: str | bytes, error: Any) -> None:
        await ws.send_text(error.reason)


def app_of(*resources: Any, path: str = "/", **options: Any) -> Any:
    router = WebSocketRouter(**options)
    router.add_route(path, *resources)
    app = falcon.asgi.App()
    install(app, router)
    return app


async def notes_of(app: Any, *frames: str | bytes, **options: Any) -> Any:
    """Send frames; return the trace."""
    async with MemoryTransport(app) as connect:
        async with connect("/", **options) as session:
            for frame in frames:
                await session.send(frame)
            await settle()
    return session.trace


async def test_a_frame_is_noted_with_the_handler_that_it_entered() -> None:
    with observing():
        trace = await notes_of(app_of(Talk), SAY)

    assert trace.notes == [Note(SAY, Say, "relay", None)]
    assert trace.notes.resource is Talk


async def test_a_message_without_a_handler_enters_none() -> None:
    with observing():
        trace = await notes_of(app_of(Talk), b'{"type":"wave"}')

    assert trace.notes == [Note(b'{"type":"wave"}', Wave, None, None)]


async def test_a_refused_frame_is_noted_with_what_the_decoder_says() -> None:
    with observing():
        trace = await notes_of(app_of(Talk), '{"type":"say"}', SAY)

    assert trace.notes == [
        Note('{"type":"say"}', error="Object missing required field `text`"),
        Note(SAY, Say, "relay"),
    ]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("no json", "not_json"),
        ('{"type":"say"}', "validation"),
        ('{"type":"nay"}', "unknown_tag"),
        (b'{"type":"say","text":"\xff"}', "bad_utf8"),
        ('{"type":"say","more":' + "[" * 10_000, "too_deep"),
        ('{"type":"broken"}', "schema_error"),
    ],
)
async def test_the_application_is_told_the_same_reason_when_observed(
    frame: str | bytes, reason: str
) -> None:
    plain = await notes_of(app_of(Talk), frame, raise_app_exceptions=False)
    with observing():
        observed = await notes_of(app_of(Talk), frame, raise_app_exceptions=False)

    assert plain == observed
    assert reason in [event.payload for event in observed]
    assert plain.notes is None
    assert observed.notes[0].error is not None


async def test_a_hook_that_keeps_a_message_from_its_handler_is_seen() -> None:
    class Guarded(Talk):
        pass

    @Guarded.around_message
    @asynccontextmanager
    async def guard(context: Any) -> Any:
        if context.message.text == "bad":
            raise falcon.WebSocketDisconnected(4000)
        yield

    with observing():
        trace = await notes_of(app_of(Guarded), SAY, SAY.replace("hi", "bad"))

    assert [note.handler for note in trace.notes] == ["relay", None]
    assert [note.message_type for note in trace.notes] == [Say, Say]


async def test_a_message_without_a_handler_enters_none_inside_of_hooks() -> None:
    class Guarded(Talk):
        pass

    @Guarded.around_message
    @asynccontextmanager
    async def guard(context: Any) -> Any:
        yield

    with observing():
        trace = await notes_of(app_of(Guarded), '{"type":"wave"}')

    assert trace.notes == [Note('{"type":"wave"}', Wave, None, None)]


async def test_what_a_factory_makes_is_observed() -> None:
    def make() -> Talk:
        class Inner(Talk):
            pass

        return Inner()

    with observing():
        trace = await notes_of(app_of(make), SAY)

    assert trace.notes.resource.__name__ == "Inner"
    assert trace.notes == [Note(SAY, Say, "relay")]


async def test_the_resource_of_a_subprotocol_is_observed() -> None:
    class Other(WebSocketResource):
        schema = Wave
        subprotocols = ("wave.v1",)

        async def on_wave(self, ws: Any, message: Wave) -> None:
            pass

    with observing():
        trace = await notes_of(app_of(Talk, Other), '{"type":"wave"}', subprotocols=["wave.v1"])

    assert trace.notes == [Note('{"type":"wave"}', Wave, "on_wave")]


async def test_a_resource_that_serves_twice_is_observed_only_meanwhile() -> None:
    resource = Talk()
    app = app_of(lambda: resource)

    with observing():
        first = await notes_of(app, "no json")
        second = await notes_of(app, "no json")
    third = await notes_of(app, "no json")

    assert len(first.notes) == len(second.notes) == 1
    assert third.notes is None
    assert first == second == third


async def test_connections_do_not_share_their_notes() -> None:
    with observing():
        async with MemoryTransport(app_of(Talk)) as connect:
            async with connect("/") as ann, connect("/") as bob:
                await ann.send(SAY)
                await bob.send("no json")
                await settle()

    assert [note.handler for note in ann.trace.notes] == ["relay"]
    assert [note.handler for note in bob.trace.notes] == [None]


async def test_a_refused_connection_has_no_notes() -> None:
    class Closed(Talk):
        async def on_connect(self, req: Any, ws: Any) -> bool:
            return False

    with observing():
        async with MemoryTransport(app_of(Closed)) as connect:
            await connect.denied("/")

    assert connect.traces[0].notes is None


@pytest.mark.slow
async def test_a_connection_to_a_live_server_is_observed() -> None:
    with observing():
        async with LiveServer(app_of(Talk)) as server:
            async with server.client().connect("/") as session:
                await session.send(SAY)
                await session.receive()

    assert session.trace.notes == [Note(SAY, Say, "relay")]


async def test_a_connection_in_a_harness_is_observed() -> None:
    with observing():
        async with SimulatorRouterHarness(app_of(Talk)) as harness:
            async with harness.connect("/", initial_inbound=[SAY]) as connection:
                pass

    assert connection.trace.notes == [Note(SAY, Say, "relay")]


async def test_a_resource_without_a_connection_is_served_as_ever() -> None:
    simulator = WebSocketSimulator()
    with observing():
        async with simulator.serve(Talk):
            simulator.push_text("no json")
            await settle()

    assert simulator.sent_messages == ["not_json"]
    assert simulator.trace.notes is None


async def test_blocks_may_be_nested_and_end_in_any_order() -> None:
    usual = conversation.Conversation
    first, second = ExitStack(), ExitStack()

    first.enter_context(observing())
    second.enter_context(observing())
    first.close()
    assert conversation.Conversation is not usual
    second.close()

    assert conversation.Conversation is usual


async def test_a_connection_is_observed_until_its_end() -> None:
    with ExitStack() as stack:
        stack.enter_context(observing())
        async with MemoryTransport(app_of(Talk))("/") as session:
            stack.close()
            await session.send("no json")
            assert await session.receive() == "not_json"

    assert session.trace.notes is not None
    assert len(session.trace.notes) == 1
