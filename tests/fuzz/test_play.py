"""Streams that are played against an application."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass

import falcon
import pytest
from hypothesis import strategies as st

from pytest_pachinko import Accepted
from pytest_pachinko import Closed
from pytest_pachinko import Drop
from pytest_pachinko import FromApp
from pytest_pachinko import InvalidFrame
from pytest_pachinko import Leave
from pytest_pachinko import LifespanFailed
from pytest_pachinko import Open
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Peer
from pytest_pachinko import play
from pytest_pachinko import Send
from pytest_pachinko import Stream
from pytest_pachinko import ToApp
from pytest_pachinko import Wait
from pytest_pachinko.strategies import register_type
from tests.fuzz.chatty import Said
from tests.fuzz.chatty import Say


def test_a_play_returns_what_crossed_the_wire(chatty):
    trace = play(chatty(), "/chat", [Say("hi")])

    assert trace == [Accepted(), ToApp(Say("hi")), FromApp(Said("hi")), Closed(1000, by="peer")]


def test_a_message_may_be_anything_that_a_session_sends(chatty):
    stream = [
        {"type": "say", "text": "a"},
        '{"type":"say","text":"b"}',
        b'{"type":"say","text":"c"}',
    ]

    trace = play(chatty(), "/chat", stream)

    assert [
        event.decoded["text"]
        for event in trace
        if event.direction == "from_app" and event.kind == "text"
    ] == ["a", "b", "c"]


def test_what_cannot_be_sent_is_an_error(chatty):
    with pytest.raises(TypeError, match="A stream sends a Struct"):
        play(chatty(), "/chat", [3])


def test_a_factory_makes_an_application_for_each_play(chatty):
    made = []

    def create_app():
        made.append(chatty())
        return made[-1]

    play(create_app, "/chat", [])
    play(create_app, "/chat", [])

    assert len(made) == 2


def test_what_is_no_application_is_refused():
    with pytest.raises(PachinkoUsageError, match="no ASGI application"):
        play(object(), "/chat", [])


async def make_later():
    raise NotImplementedError


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        (make_later, "play\\(app\\): an async function cannot make the application here"),
        (lambda: None, "What play\\(app\\) has made is None, which is no ASGI application"),
    ],
)
def test_what_makes_no_application_is_refused(factory, text):
    with pytest.raises(PachinkoUsageError, match=text):
        play(factory, "/chat", [])


def test_an_application_may_have_no_hash(chatty):
    @dataclass
    class Wrapper:
        app: object

        async def __call__(self, scope, receive, send):
            await self.app(scope, receive, send)

    trace = play(Wrapper(chatty()), "/chat", [Say("hi")])

    assert FromApp(Said("hi")) in trace


def test_nothing_in_the_context_of_a_play_is_left_for_the_next(chatty):
    said: ContextVar[str] = ContextVar("said", default="nothing")
    before = []

    async def on_say(self, ws, message):
        before.append(said.get())
        said.set(message.text)

    app = chatty(on_say)
    play(app, "/chat", [Say("hi")])
    play(app, "/chat", [Say("hi")])

    assert before == ["nothing", "nothing"]
    assert said.get() == "nothing"


def test_each_play_has_an_event_loop_of_its_own_that_is_closed(chatty):
    loops = []

    async def on_say(self, ws, message):
        loops.append(asyncio.get_running_loop())

    app = chatty(on_say)
    play(app, "/chat", [Say("hi")])
    play(app, "/chat", [Say("hi")])

    assert loops[0] is not loops[1]
    assert all(loop.is_closed() for loop in loops)


@pytest.mark.asyncio
async def test_where_a_loop_runs_there_can_be_no_play(chatty):
    with pytest.raises(PachinkoUsageError, match="in a test that is no async function"):
        play(chatty(), "/chat", [])


def test_connections_are_told_apart_by_number(chatty):
    trace = play(chatty(), "/chat", [Send(Say("a"), on=2), Send(Say("b"), on=1)])

    assert [(e.connection, e.kind) for e in trace][:3] == [
        ("c2", "accepted"),
        ("c2", "text"),
        ("c2", "text"),
    ]
    assert trace.of("c1") == [Accepted(), ToApp(Say("b")), FromApp(Said("b")), Closed(1000)]


def test_a_connection_that_has_ended_is_opened_again(chatty):
    trace = play(chatty(), "/chat", [Leave(), Say("a"), Leave(4000), Open(), Open()])

    assert trace.of("c1")[-1:] == [Closed(4000, by="peer")]
    assert trace.of("c1 #2") == [Accepted(), Closed(1000, by="peer")]


def test_a_connection_that_was_denied_stays_closed(chatty):
    async def on_connect(self, req, ws):
        raise falcon.HTTPForbidden

    trace = play(
        chatty(on_connect=on_connect),
        "/chat",
        [Say("a"), Say("b"), Open(), Drop(), Drop(after=1)],
        checks=[],
    )

    assert [event.kind for event in trace] == ["denied"]


def test_a_peer_may_vanish_after_some_frames(chatty):
    codes = []

    async def on_say(self, ws, message):
        for number in range(5):
            await self.send(Said(str(number)))

    async def on_disconnect(self, ws, close_code):
        codes.append(close_code)

    app = chatty(on_say, on_disconnect=on_disconnect)
    trace = play(app, "/chat", [Drop(after=2), Say("go")])

    assert trace[-3:] == [FromApp(Said("0")), FromApp(Said("1")), Closed(1006, by="peer")]
    assert codes == [1006]


def test_a_peer_that_is_not_connected_cannot_leave(chatty):
    assert len(play(chatty(), "/chat", [Leave(), Drop()])) == 0


def test_time_passes_when_a_step_says_so(chatty):
    async def on_say(self, ws, message):
        await asyncio.sleep(30)
        await self.send(Said("late"))

    trace = play(chatty(on_say), "/chat", [Say("hi"), Wait(31.0), Send(Say("now"), on=2)])

    kinds = [(event.connection, event.decoded) for event in trace if event.kind == "text"]
    assert kinds[1] == ("c1", {"type": "said", "text": "late"})


def test_without_turns_a_frame_meets_the_one_before(chatty):
    seen = []

    async def on_say(self, ws, message):
        seen.append(f"+{message.text}")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        seen.append(f"-{message.text}")

    app = chatty(on_say)
    play(app, "/chat", [Open(1), Open(2), Send(Say("a"), 1, turns=1), Send(Say("b"), 2)])

    assert seen == ["+a", "+b", "-a", "-b"]


def test_the_peers_of_a_stream_fill_the_template_of_the_path(chatty):
    paths = []

    async def on_connect(self, req, ws, room):
        paths.append(room)
        return True

    app = chatty(path="/rooms/{room}", on_connect=on_connect)
    peers = [Peer({"room": "tea"}), Peer({"room": "a b"})]
    play(app, "/rooms/{room}", Stream([Open(1), Open(2), Open(3)], peers))

    assert paths == ["tea", "a b", "a b"]


def test_a_template_without_values_is_an_error_that_names_the_field(chatty):
    with pytest.raises(PachinkoUsageError, match=r"'/rooms/{room}' needs room"):
        play(chatty(path="/rooms/{room}"), "/rooms/{room}", [Open()])


def test_the_handshake_of_a_play_is_that_of_each_of_its_peers(chatty):
    seen = []

    async def on_connect(self, req, ws):
        seen.append(
            (
                req.get_header("x-a"),
                req.get_header("x-b"),
                list(ws.subprotocols),
                req.cookies,
                req.query_string,
            )
        )
        return True

    stream = Stream([Open(1), Open(2)], [Peer(headers={"x-b": "2"}), Peer(subprotocols=("v2",))])
    play(
        chatty(on_connect=on_connect),
        "/chat",
        stream,
        headers={"x-a": "1"},
        subprotocols=["v1"],
        cookies={"c": "3"},
        params={"q": "4"},
    )

    assert seen == [
        ("1", "2", ["v1"], {"c": "3"}, "q=4"),
        ("1", "2", ["v2"], {"c": "3"}, "q=4"),
    ] or seen[1] == ("1", None, ["v2"], {"c": "3"}, "q=4")


def test_the_lifespan_runs_unless_it_is_not_to(chatty):
    events = []

    class Middleware:
        async def process_startup(self, scope, event):
            events.append("start")

        async def process_shutdown(self, scope, event):
            events.append("stop")

    app = chatty()
    app.add_middleware(Middleware())
    play(app, "/chat", [])
    play(app, "/chat", [], lifespan=False)

    assert events == ["start", "stop"]


def test_an_application_that_does_not_start_says_so(chatty):
    class Middleware:
        async def process_startup(self, scope, event):
            raise RuntimeError("no database")

    app = chatty()
    app.add_middleware(Middleware())

    with pytest.raises(LifespanFailed, match="no database"):
        play(app, "/chat", [Say("hi")])


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
def test_an_application_that_polls_without_end_is_given_up(chatty, phase):
    async def poll(self, scope, event):
        while True:
            await asyncio.sleep(0)

    app = chatty()
    app.add_middleware(type("Polling", (), {f"process_{phase}": poll})())

    with pytest.raises(LifespanFailed, match="polls without end"):
        play(app, "/chat", [Say("hi")])


def test_what_is_raised_before_anybody_is_let_in_is_raised_as_itself(chatty):
    async def on_connect(self, req, ws):
        raise ZeroDivisionError("planted")

    with pytest.raises(ZeroDivisionError, match="planted") as raised:
        play(chatty(on_connect=on_connect), "/chat", [Say("hi")])

    assert "A test that does it again" in "".join(raised.value.__notes__)


def test_executors_and_generators_of_a_play_are_closed(chatty):
    closed = []

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            closed.append("generator")

    async def on_say(self, ws, message):
        generator = numbers()
        self.state["generator"] = generator
        kept.append(generator)
        await self.send(Said(str(await asyncio.to_thread(lambda: 7))))
        await anext(generator)

    kept = []
    trace = play(chatty(on_say), "/chat", [Say("hi")])

    assert FromApp(Said("7")) in trace
    assert closed == ["generator"]


def test_an_invalid_frame_is_sent_as_it_is(chatty):
    trace = play(chatty(), "/chat", [InvalidFrame("{", "truncated", "", "x"), Say("hi")])

    assert trace[1:4] == [ToApp("{"), ToApp(Say("hi")), FromApp(Said("hi"))]


def test_streams_are_values():
    stream = Stream([Say("a"), Open(2)], [Peer({"room": "tea"})])

    assert stream == Stream([Send(Say("a")), Open(2)], [Peer({"room": "tea"})])
    assert stream != Stream([Say("a")], [Peer({"room": "tea"})])
    assert stream != [Send(Say("a")), Open(2)]
    assert (stream[0], len(stream[:1]), stream[:1].peers) == (Send(Say("a")), 1, stream.peers)
    assert repr(stream[:1]) == (
        "Stream([Send(Say(text='a'))], peers=[Peer(params={'room': 'tea'})])"
    )
    assert repr(Stream()) == "Stream([])"


def test_a_path_that_leads_nowhere_is_an_error(chatty):
    with pytest.raises(PachinkoUsageError, match="no WebSocket route for '/caht'"):
        play(chatty(), "/caht", [Say("hi")])


def test_what_was_sent_last_is_answered_too(chatty):
    trace = play(chatty(), "/chat", [Send(Say("hi"), turns=0)])

    assert FromApp(Said("hi")) in trace


def test_headers_of_a_play_and_of_a_peer_may_be_pairs(chatty):
    seen = []

    async def on_connect(self, req, ws):
        seen.append((req.get_header("x-a"), req.get_header("x-b")))
        return True

    stream = Stream([Open(1)], [Peer(headers={"x-b": "2"})])
    play(chatty(on_connect=on_connect), "/chat", stream, headers=[("x-a", "1")])
    play(chatty(on_connect=on_connect), "/chat", stream)

    assert seen == [("1", "2"), (None, "2")]


def test_what_the_lifespan_leaves_running_is_ended(chatty):
    tasks = []

    class Middleware:
        async def process_startup(self, scope, event):
            async def forever():
                await asyncio.Event().wait()

            tasks.append(asyncio.get_running_loop().create_task(forever()))

    app = chatty()
    app.add_middleware(Middleware())
    play(app, "/chat", [])

    assert tasks[0].cancelled()


def test_a_type_that_nobody_knows_is_an_error_that_says_what_to_write(chatty):
    class Thing:
        pass

    with pytest.raises(NotImplementedError, match=r"strategies.register_type\(Thing, ...\)"):
        play(chatty(), "/chat", [{"type": "say", "text": Thing()}])


def test_a_registered_type_crosses_the_wire_as_is_said(chatty):
    class Word:
        pass

    class LoudWord(Word):
        pass

    register_type(Word, st.builds(Word), encode=lambda word: "word")
    trace = play(chatty(), "/chat", [{"type": "say", "text": LoudWord()}])

    assert FromApp(Said("word")) in trace
