"""Streams of messages: what several peers do."""

from __future__ import annotations

from typing import Annotated
from typing import Any

import falcon.asgi
import pytest
from hypothesis import find
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from msgspec import Meta
from msgspec import Struct

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import Drop
from pytest_pachinko import InvalidFrame
from pytest_pachinko import Leave
from pytest_pachinko import Open
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Peer
from pytest_pachinko import play
from pytest_pachinko import Send
from pytest_pachinko import Stream
from pytest_pachinko import Wait
from pytest_pachinko.strategies import message_streams
from pytest_pachinko.strategies import resource_streams


class Join(Struct, tag="join"):
    room: Annotated[str, Meta(min_length=1, max_length=9)]


class Part(Struct, tag="part"):
    room: Annotated[str, Meta(min_length=1, max_length=9)]
    reason: Annotated[str, Meta(max_length=2000)] = ""


class Move(Struct, tag="move"):
    x: Annotated[int, Meta(ge=0, le=10_000)]
    y: Annotated[int, Meta(ge=0)] = 0


SCHEMA = Join | Part | Move


def drawn(strategy: Any, number: int = 150) -> list[Stream]:
    """Return what a strategy makes, the same each time."""
    streams: list[Stream] = []

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(stream: Stream) -> None:
        streams.append(stream)

    take()
    return streams


def steps_of(strategy: Any) -> list[Any]:
    return [step for stream in drawn(strategy) for step in stream]


def test_streams_have_as_many_steps_as_is_asked_for():
    sizes = {len(stream) for stream in drawn(message_streams(SCHEMA, min_size=2, max_size=7))}

    assert {2, 7} <= sizes <= set(range(2, 8))


def test_every_kind_of_step_occurs():
    kinds = {type(step) for step in steps_of(message_streams(SCHEMA, connections=2))}

    assert kinds == {Send, Open, Leave, Drop, Wait}


def test_peers_that_stay_and_time_that_stands_still_can_be_asked_for():
    streams = message_streams(SCHEMA, connections=2, disconnects=False, waits=False)

    assert {type(step) for step in steps_of(streams)} == {Send}


def test_connections_are_numbered_as_they_come():
    for stream in drawn(message_streams(SCHEMA, connections=3)):
        seen = list(dict.fromkeys(step.on for step in stream if not isinstance(step, Wait)))
        assert seen == list(range(1, len(seen) + 1))


def test_every_connection_takes_part_and_its_steps_stand_between_those_of_others():
    streams = drawn(message_streams(SCHEMA, connections=3))
    orders = {tuple(step.on for step in stream if isinstance(step, Send)) for stream in streams}

    assert any(set(order) == {1, 2, 3} for order in orders)
    assert any("1, 2, 1" in str(order) for order in orders)


def test_without_invalid_frames_all_messages_are_instances():
    for step in steps_of(message_streams(SCHEMA)):
        assert not isinstance(step, Send) or isinstance(step.message, Join | Part | Move)


def test_a_part_of_the_frames_is_invalid():
    sent = [s for s in steps_of(message_streams(SCHEMA, invalid=0.5)) if isinstance(s, Send)]
    invalid = sum(isinstance(step.message, InvalidFrame) for step in sent)

    assert 0.3 < invalid / len(sent) < 0.7


def test_all_frames_can_be_invalid():
    sent = [s for s in steps_of(message_streams(SCHEMA, invalid=1.0)) if isinstance(s, Send)]

    assert {type(step.message) for step in sent} == {InvalidFrame}


def test_messages_can_be_wire_data_with_fields_absent():
    sent = [s.message for s in steps_of(message_streams(SCHEMA, wire=True)) if isinstance(s, Send)]

    assert {type(message) for message in sent} == {dict}
    assert any("y" not in message for message in sent if message["type"] == "move")


def test_messages_of_a_stream_are_about_the_same_things():
    streams = [
        {step.message.room for step in stream if hasattr(getattr(step, "message", None), "room")}
        for stream in drawn(
            message_streams(Join | Part, min_size=6, disconnects=False, waits=False)
        )
    ]

    sizes = [
        len(stream)
        for stream in drawn(
            message_streams(Join | Part, min_size=6, disconnects=False, waits=False)
        )
    ]

    assert sum(map(len, streams)) < sum(sizes) * 2 / 3


def test_the_last_values_that_a_type_allows_occur():
    sent = [s.message for s in steps_of(message_streams(SCHEMA)) if isinstance(s, Send)]

    assert {0, 10_000} <= {message.x for message in sent if isinstance(message, Move)}
    assert "0" * 9 in {message.room for message in sent if isinstance(message, Join)}


def test_the_simplest_stream_is_empty():
    assert find(message_streams(SCHEMA, connections=3, invalid=0.1), lambda _: True) == Stream()


def test_a_stream_shrinks_to_what_matters():
    def says_twice(stream: Stream) -> bool:
        rooms = [s.message.room for s in stream if isinstance(getattr(s, "message", None), Join)]
        return len(rooms) > len(set(rooms))

    streams = message_streams(SCHEMA, connections=2)

    assert find(streams, says_twice, settings=settings(database=None)) == Stream(
        [Join("0"), Join("0")]
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"min_size": 3, "max_size": 2}, "min_size=3, max_size=2"),
        ({"min_size": -1}, "min_size=-1"),
        ({"connections": 0}, "connections=0: at least 1"),
        ({"invalid": 1.5}, r"invalid=1\.5: a part of the frames"),
    ],
)
def test_options_that_cannot_be_met_are_an_error(options, problem):
    with pytest.raises(PachinkoUsageError, match=problem):
        message_streams(SCHEMA, **options)


# Of a resource.


class Guest(WebSocketResource):
    schema = Join
    subprotocols = ("v1",)

    async def on_connect(self, req: Any, ws: Any, **params: Any) -> bool:
        return True

    async def on_unhandled(self, ws: Any, message: Any) -> None:
        pass


class Admin(Guest):
    schema = Join | Part
    subprotocols = ("admin",)
    required_subprotocol = True


def make_guest() -> Guest:
    return Guest()


@pytest.fixture
def router() -> WebSocketRouter:
    router = WebSocketRouter()
    router.add_route("/rooms/{room}/{day:int}", Guest, Admin)
    return router


def test_the_route_says_what_is_sent_and_how_connections_are_opened(router):
    streams = drawn(resource_streams(router, connections=2, min_size=1))

    for stream in streams:
        for step in stream:
            if isinstance(step, Send):
                token = stream.peer(step.on).subprotocols
                assert isinstance(step.message, Join if token != ("admin",) else Join | Part)
    peers = [peer for stream in streams for peer in stream.peers]
    assert {peer.subprotocols for peer in peers} == {("v1",), ("admin",), ()}
    assert all(peer.params["day"].lstrip("-").isdigit() for peer in peers)


def test_most_connections_are_to_one_place(router):
    streams = [s for s in drawn(resource_streams(router, connections=2)) if len(s.peers) == 2]
    same = sum(stream.peers[0].params == stream.peers[1].params for stream in streams)

    assert len(streams) / 2 < same < len(streams)


def test_the_first_connection_can_be_one_with_a_subprotocol(router):
    streams = drawn(resource_streams(router, subprotocol="admin", connections=2))

    assert {stream.peers[0].subprotocols for stream in streams} == {("admin",)}


def test_values_of_fields_can_be_given_and_drawn(router):
    params = {"room": "tea", "day": st.sampled_from([1, 2])}

    peers = [s.peers[0] for s in drawn(resource_streams(router, params=params))]

    assert {(peer.params["room"], peer.params["day"]) for peer in peers} == {("tea", 1), ("tea", 2)}


def test_a_route_of_an_app_is_named_by_its_template(router):
    other = WebSocketRouter()
    other.add_route("/", Guest)
    app = falcon.asgi.App()
    install(app, router, prefix="/chat")
    install(app, other, prefix="/plain")

    peers = [stream.peers[0] for stream in drawn(resource_streams(app, "/plain"), 20)]

    assert Peer(subprotocols=("v1",)) in peers
    assert all(not peer.params for peer in peers)


@pytest.mark.parametrize(
    ("path", "options"), [("/nowhere", {}), ("/rooms/{room}/{day:int}", {"subprotocol": "v2"})]
)
def test_a_route_that_is_not_there_is_an_error_that_lists_those_that_are(router, path, options):
    with pytest.raises(PachinkoUsageError, match=r"There is no route(?s:.*) admin\n"):
        resource_streams(router, path, **options)


def test_an_app_without_routes_is_an_error():
    with pytest.raises(PachinkoUsageError, match=r"The routes are:\n  \(none\)"):
        resource_streams(falcon.asgi.App())


def test_a_factory_of_which_nothing_is_known_is_an_error_that_says_what_to_write():
    router = WebSocketRouter()
    router.add_route("/", make_guest)

    with pytest.raises(PachinkoUsageError, match="what make_guest makes is not known"):
        resource_streams(router)


def test_a_field_for_which_no_value_is_known_is_an_error_that_names_it():
    class OnlyPi(falcon.routing.BaseConverter):
        def convert(self, value: str) -> float | None:
            return 3.14 if value == "pi" else None

    router = WebSocketRouter()
    router.add_route("/{number:pi}", Guest)
    app = falcon.asgi.App()
    app.router_options.converters["pi"] = OnlyPi
    install(app, router)

    with pytest.raises(PachinkoUsageError, match="no value is known that the field 'number' takes"):
        resource_streams(app)
    assert drawn(resource_streams(app, params={"number": "pi"}), 5)[0].peers[0].params == {
        "number": "pi"
    }


def test_a_function_may_make_the_application():
    def create_app() -> Any:
        router = WebSocketRouter()
        router.add_route("/", Guest)
        app = falcon.asgi.App()
        install(app, router)
        return app

    stream = drawn(resource_streams(create_app, "/", min_size=1), 5)[0]

    assert play(create_app, "/", stream, checks=[])


def test_a_converter_that_raises_is_an_error_that_names_the_route():
    class Careless(falcon.routing.BaseConverter):
        def convert(self, value: str) -> float:
            return {"pi": 3.14}[value]

    router = WebSocketRouter()
    router.add_route("/{number:careless}", Guest)
    app = falcon.asgi.App()
    app.router_options.converters["careless"] = Careless
    install(app, router)

    with pytest.raises(PachinkoUsageError) as caught:
        resource_streams(app)

    assert str(caught.value).startswith(
        "/{number:careless}: a converter has raised KeyError: '0', for the path '/0'. The "
        "converters of the route: careless.\nHint: convert() returns None"
    )


def test_a_value_for_a_field_that_is_not_there_is_an_error(router):
    with pytest.raises(PachinkoUsageError, match="has no rom; its fields: room, day"):
        resource_streams(router, params={"rom": "tea"})
