"""Tests that do again what has failed, as source."""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath

import pytest
from msgspec import Struct

from pytest_pachinko import Drop
from pytest_pachinko import InvalidFrame
from pytest_pachinko import Leave
from pytest_pachinko import Open
from pytest_pachinko import Peer
from pytest_pachinko import play
from pytest_pachinko import Send
from pytest_pachinko import Stream
from pytest_pachinko import Wait
from pytest_pachinko.fuzz.played import Handshake
from pytest_pachinko.fuzz.reproducer import headline
from pytest_pachinko.fuzz.reproducer import reproducer
from tests.fuzz import taken
from tests.fuzz.chatty import Join
from tests.fuzz.chatty import make
from tests.fuzz.chatty import Say


def shout(played):
    raise AssertionError("too loud")


def body_of(source: str) -> str:
    return source.partition("\n\n\n")[2]


def run(source: str, app) -> None:
    """Run the test of a source."""
    names: dict[str, object] = {}
    exec(source, names)  # noqa: S102 - it is what a reader will do
    next(value for name, value in names.items() if name.startswith("test_"))(app)


def test_messages_on_one_connection_are_a_list():
    source = reproducer(Stream([Say("a"), Say("b")]), Handshake("/chat"))

    assert body_of(source) == (
        "def test_what_was_found(websocket_app):\n"
        "    stream = [\n"
        '        Say(text="a"),\n'
        '        Say(text="b"),\n'
        "    ]\n"
        '    play(websocket_app, "/chat", stream)\n'
    )


def test_any_other_stream_is_one():
    steps = [Send(Say("a"), 2, 0), Open(), Leave(4000), Drop(1, 2), Wait(0.5)]
    stream = Stream(steps, [Peer({"room": "tea"}, ("v1",), {"x-a": "1"}), Peer()])
    source = reproducer(stream, Handshake("/rooms/{room}"), "/rooms/{room} mixed")

    assert body_of(source) == (
        "def test_rooms_room_mixed(websocket_app):\n"
        "    stream = Stream(\n"
        "        [\n"
        '            Send(Say(text="a"), on=2, turns=0),\n'
        "            Open(),\n"
        "            Leave(code=4000),\n"
        "            Drop(after=1, on=2),\n"
        "            Wait(seconds=0.5),\n"
        "        ],\n"
        "        peers=[\n"
        '            Peer(params={"room": "tea"}, subprotocols=("v1",), headers={"x-a": "1"}),\n'
        "            Peer(),\n"
        "        ],\n"
        "    )\n"
        '    play(websocket_app, "/rooms/{room}", stream)\n'
    )


def test_the_handshake_is_shown_without_secrets():
    handshake = Handshake(
        "/chat",
        headers=[("authorization", "Bearer x"), ("x-a", "1"), ("x-a", "2")],
        subprotocols=["v1"],
        cookies={"session": "y"},
        params={"token": "z", "page": 2},
    )
    source = reproducer(Stream([Say("a")]), handshake, lifespan=False)

    assert "Bearer x" not in source
    assert "y" not in source.partition("cookies=")[2].partition("}")[0].replace("authorization", "")
    assert body_of(source).partition("play(")[2] == (
        "\n"
        "        websocket_app,\n"
        '        "/chat",\n'
        "        stream,\n"
        '        headers=[("authorization", "<redacted>"), ("x-a", "1"), ("x-a", "2")],\n'
        '        subprotocols=["v1"],\n'
        '        cookies={"session": "<redacted>"},\n'
        '        params={"token": "<redacted>", "page": 2},\n'
        "        lifespan=False,\n"
        "    )\n"
    )


def test_types_that_no_resource_says_are_named():
    class Local(Struct, tag="local"):
        pass

    handshake = Handshake("/ws", schema=Join | Say, emits=Local)

    assert "schema=Join | Say)" in reproducer(Stream([Say("a")]), handshake)


def test_wire_data_is_shown_as_a_message_where_that_says_the_same():
    stream = Stream([{"type": "say", "text": "a"}, {"text": "b", "type": "say"}, {"type": "cry"}])
    source = reproducer(stream, Handshake("/chat"), schema=Join | Say)

    assert '        Say(text="a"),\n' in source
    assert '        {"text": "b", "type": "say"},\n' in source
    assert '        {"type": "cry"},\n' in source


def test_wire_data_with_which_a_post_init_breaks_is_shown_as_it_is():
    class Odd(Struct, tag="odd"):
        def __post_init__(self) -> None:
            raise KeyError

    source = reproducer(Stream([{"type": "odd"}]), Handshake("/chat"), schema=Odd)

    assert 'stream = [{"type": "odd"}]' in source


def test_a_check_of_ones_own_is_asked_for():
    source = reproducer(Stream([Say("a")]), Handshake("/chat"), check=shout)

    assert "checks=[*CHECKS, shout]" in source
    with pytest.raises(AssertionError, match="too loud"):
        run(source, make())


class Limit:
    def __call__(self, played): ...


def local():
    def here(played): ...

    return here


@pytest.mark.parametrize(
    ("check", "name"),
    [(local(), "here"), (partial(shout, 3), "partial(shout, ...)"), (Limit(), "Limit")],
)
def test_a_check_that_cannot_be_imported_is_named(check, name):
    source = reproducer(Stream([Say("a")]), Handshake("/chat"), check=check)

    assert f"    # play() needs checks=[*CHECKS, {name}] for this to fail.\n" in source


def test_an_invalid_frame_can_be_pasted():
    frame = InvalidFrame("{", "truncated", "", "x")
    source = reproducer(Stream([frame]), Handshake("/chat"))

    assert "from pytest_pachinko import InvalidFrame\n" in source
    run(source, make())


def test_imports_are_one_on_a_line():
    source = reproducer(Stream([Send(Say("a"), 2)]), Handshake("/chat"))

    assert source.partition("\n\n\n")[0] == (
        "from pytest_pachinko import Send\n"
        "from pytest_pachinko import Stream\n"
        "from pytest_pachinko import play\n"
        "from tests.fuzz.chatty import Say"
    )


def test_a_failure_has_a_headline():
    assert headline(KeyError("a")) == "KeyError: 'a'"
    assert headline(LookupError()) == "LookupError"
    assert headline(ValueError("one\ntwo")) == "ValueError: one"
    server = "failed: Traceback (most recent call last):\n  File ...\nOSError: no"
    assert headline(ValueError(server)) == "ValueError: OSError: no"


def test_a_play_without_a_lifespan_says_so_in_its_reproducer():
    with pytest.raises(AssertionError, match="too loud") as caught:
        play(make(), "/chat", [Say("a")], lifespan=False, checks=[shout])

    assert "lifespan=False" in caught.value.__notes__[1]


def test_what_makes_the_application_is_imported_if_that_is_possible():
    source = reproducer(Stream([Say("a")]), Handshake("/chat"), app=make)

    assert "def test_what_was_found():" in source
    assert '    play(make, "/chat", stream)\n' in source
    assert "from tests.fuzz.chatty import make\n" in source


def test_messages_whose_names_are_taken_are_shown_as_data():
    source = reproducer(Stream([Leave(4000), Send(taken.Leave(1), on=2)]), Handshake("/chat"))

    assert 'Send({"type": "taken", "n": 1}, on=2)' in source
    compile(source, "pasted", "exec")


def test_what_has_to_be_put_in_is_said():
    source = reproducer(Stream([Say("a")]), Handshake("/chat", headers={"authorization": "x"}))

    assert "    # Put in what is <redacted>" in source


def test_a_headline_that_ends_with_a_colon_goes_on():
    assert (
        headline(ValueError("left behind:\n  task timer")) == "ValueError: left behind: task timer"
    )


def test_params_of_other_types_are_shown_as_text():
    stream = Stream([Open()], [Peer({"path": PurePosixPath("a/b")})])

    assert 'Peer(params={"path": "a/b"})' in reproducer(stream, Handshake("/{path}"))
