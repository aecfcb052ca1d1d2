"""What is checked after each play."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import signal
import threading
import time
from functools import partial
from typing import Any

import falcon
import pytest
from msgspec import Struct

from pytest_pachinko import CheckFailed
from pytest_pachinko import CHECKS
from pytest_pachinko import close_codes
from pytest_pachinko import Drop
from pytest_pachinko import FromApp
from pytest_pachinko import InvalidFrame
from pytest_pachinko import Leave
from pytest_pachinko import Open
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import play
from pytest_pachinko import Send
from pytest_pachinko import Stalled
from pytest_pachinko import Stream
from pytest_pachinko import Wait
from pytest_pachinko.fuzz.checks import every_message_is_served
from pytest_pachinko.fuzz.checks import no_exception
from tests.fuzz.chatty import Join
from tests.fuzz.chatty import Said
from tests.fuzz.chatty import Say

SOURCE = """\
from pytest_pachinko import play
from tests.fuzz.chatty import Say


def test_what_was_found(websocket_app):
    stream = [Say(text="hi")]
    play(websocket_app, "/chat", stream)
"""

BROKEN = InvalidFrame("{", "truncated", "", "Input data was truncated")


def test_what_the_application_raises_is_raised_as_itself_with_a_test_that_does_it_again(chatty):
    async def on_say(self, ws, message):
        {}[message.text]

    with pytest.raises(KeyError, match="hi") as caught:
        play(chatty(on_say), "/chat", [Say("hi")])

    wire, source = caught.value.__notes__
    assert '[1] → text {"type":"say","text":"hi"}' in wire
    assert source.endswith(SOURCE)


def test_what_fails_after_the_peer_has_left_is_raised_too(chatty):
    async def on_disconnect(self, ws, close_code):
        raise LookupError(close_code)

    with pytest.raises(LookupError, match="4000"):
        play(chatty(on_disconnect=on_disconnect), "/chat", [Open(), Leave(4000), Open()])


def test_a_task_that_fails_is_seen(chatty):
    async def on_say(self, ws, message):
        self.state["task"] = asyncio.create_task(broken())

    async def broken():
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        play(chatty(on_say), "/chat", [Say("hi")])


def test_a_handler_that_never_returns_is_named(chatty):
    async def on_say(self, ws, message):
        await asyncio.Event().wait()

    with pytest.raises(
        CheckFailed,
        match=r"does not return after its connection ended(?s:.*)await asyncio.Event\(\).wait\(\)",
    ):
        play(chatty(on_say), "/chat", [Say("hi")])


def test_a_handshake_that_is_never_answered_is_a_finding(chatty):
    async def on_connect(self, req, ws):
        await asyncio.Event().wait()

    with pytest.raises(
        CheckFailed, match=r"the handshake is not answered(?s:.*)on_connect"
    ) as caught:
        play(chatty(on_connect=on_connect), "/chat", [Say("hi")])

    assert len(caught.value.__notes__) == 2


def test_a_task_that_outlives_its_connection_is_named(chatty):
    async def on_say(self, ws, message):
        self.state["task"] = asyncio.create_task(asyncio.sleep(3600), name="timer")

    with pytest.raises(CheckFailed, match="has left behind:\n  task   timer"):
        play(chatty(on_say), "/chat", [Say("hi")])


def test_an_application_that_never_rests_is_stopped(chatty):
    async def on_say(self, ws, message):
        while True:
            await asyncio.sleep(0)

    with pytest.raises(CheckFailed, match="does not come to rest"):
        play(chatty(on_say), "/chat", [Say("hi")])


def test_a_flood_is_stopped(chatty):
    async def on_say(self, ws, message):
        while True:
            await self.send(Said("and on"))
            await asyncio.sleep(0)

    with pytest.raises(CheckFailed, match="more than 10000 frames at a stretch"):
        play(chatty(on_say), "/chat", [Say("hi")])


def test_code_that_never_gives_way_is_stopped_where_it_is(chatty):
    async def on_say(self, ws, message):
        while True:
            pass

    with pytest.raises(Stalled, match="without giving way") as caught:
        play(chatty(on_say), "/chat", [Say("hi")], timeout=0.01)

    assert any(entry.name == "on_say" for entry in caught.traceback)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_the_alarm_of_somebody_else_is_left_alone(chatty):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        play(chatty(), "/chat", [Say("hi")])

        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_a_play_may_run_in_another_thread(chatty):
    traces: list[Any] = []
    thread = threading.Thread(target=lambda: traces.append(play(chatty(), "/chat", [Say("hi")])))
    thread.start()
    thread.join()

    assert len(traces[0]) == 4


def test_what_emits_does_not_declare_must_not_be_sent(chatty):
    async def on_say(self, ws, message):
        await self.send(message)

    with pytest.raises(
        CheckFailed, match=r"its emits does not declare: Invalid value 'say'(?s:.*)\[2\] ← text"
    ):
        play(chatty(on_say), "/chat", [Say("hi")])


def test_without_emits_anything_may_be_sent(chatty):
    async def on_say(self, ws, message):
        await self.send(message)

    play(chatty(on_say, emits=None), "/chat", [Say("hi")])


@pytest.mark.parametrize(
    ("code", "why"),
    [(1011, "says that it has failed"), (1010, "which only a client sends")],
)
def test_a_code_that_a_server_does_not_choose_is_a_finding(chatty, code, why):
    async def on_say(self, ws, message):
        await ws.close(code)

    with pytest.raises(CheckFailed, match=why):
        play(chatty(on_say), "/chat", [Say("hi")])


def test_to_return_without_a_close_is_a_finding():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})

    with pytest.raises(CheckFailed, match="1006, because it returned without closing"):
        play(app, "/", [Open()], lifespan=False)


def test_the_close_codes_of_a_protocol_can_be_declared(chatty):
    async def on_say(self, ws, message):
        await ws.close(int(message.text))

    app = chatty(on_say)
    checks = [*CHECKS, close_codes(4000)]
    play(app, "/chat", [Say("4000")], checks=checks)

    with pytest.raises(CheckFailed, match="has closed with 4001; declared are 4000"):
        play(app, "/chat", [Say("4001")], checks=checks)


def test_an_invalid_frame_that_a_handler_sees_is_a_finding(chatty):
    frame = InvalidFrame('{"type":"say","text":"hi"}', "too_short", "say.text", "Expected more")

    with pytest.raises(CheckFailed, match=r"say\.text too_short was ACCEPTED: on_say was called"):
        play(chatty(), "/chat", [frame])


def test_a_message_that_is_refused_is_a_finding(chatty):
    class Shout(Struct, tag="shout"):
        text: str

    with pytest.raises(CheckFailed, match=r"has refused(?s:.*)Invalid value 'shout'"):
        play(chatty(), "/chat", [Shout("HI")])


def test_text_that_is_refused_is_none_since_nobody_has_said_that_it_is_valid(chatty):
    play(chatty(), "/chat", ["{", b"\xff"])


def test_a_message_that_is_never_looked_at_is_a_finding(chatty):
    async def on_say(self, ws, message):
        await asyncio.Event().wait()

    with pytest.raises(CheckFailed, match=r'never looked at {"type":"say","text":"lost"}'):
        play(
            chatty(on_say),
            "/chat",
            [Say("stuck"), Say("lost")],
            checks=[every_message_is_served],
        )


def test_an_invalid_frame_must_not_change_what_comes_after_it(chatty):
    async def on_invalid(self, ws, raw, error):
        self.state["bad"] = True

    async def on_say(self, ws, message):
        await self.send(Said("you again" if self.state.get("bad") else message.text))

    with pytest.raises(
        CheckFailed, match="c1: an invalid frame has changed what comes after it"
    ) as caught:
        play(chatty(on_say, on_invalid=on_invalid), "/chat", [Say("a"), BROKEN, Say("b")])

    assert "{'type': 'said', 'text': 'b'}" in str(caught.value)
    assert "$.text: expected 'b', got 'you again'" in str(caught.value)


def test_the_answer_to_an_invalid_frame_is_its_own(chatty):
    async def on_invalid(self, ws, raw, error):
        await self.send(Said("what?"))

    play(chatty(on_invalid=on_invalid), "/chat", [Say("a"), BROKEN, Say("b")])


def test_an_application_may_close_because_of_an_invalid_frame(chatty):
    async def on_invalid(self, ws, raw, error):
        await ws.close(1007)

    play(chatty(on_invalid=on_invalid), "/chat", [Say("a"), BROKEN, Say("b")])


def test_an_application_that_does_not_repeat_itself_is_not_compared(chatty):
    started = time.perf_counter_ns()

    async def on_say(self, ws, message):
        await self.send(Said(str(time.perf_counter_ns() - started)))

    play(chatty(on_say), "/chat", [Say("a"), BROKEN, Say("b")])


def test_a_connection_that_only_an_invalid_frame_opens_is_there_in_both(chatty):
    members: list[Any] = []

    async def on_connect(self, req, ws):
        await self.accept()
        members.append(self)
        for member in members:
            await member.send(Said("somebody is here"))

    async def on_disconnect(self, ws, close_code):
        members.remove(self)

    app = chatty(on_connect=on_connect, on_disconnect=on_disconnect)
    play(app, "/chat", [Open(1), Send(BROKEN, on=2), Send(Say("hi"), on=1)])


def test_a_resource_that_is_kept_after_its_connection_is_a_finding(chatty):
    everybody = []

    async def on_connect(self, req, ws):
        everybody.append(self)
        return True

    stream = [step for _ in range(10) for step in (Open(), Leave())]
    with pytest.raises(
        CheckFailed, match=r"10 have ended(?s:.*)Chattys are still(?s:.*)by: .*list"
    ):
        play(chatty(on_connect=on_connect), "/chat", stream)
    play(chatty(), "/chat", stream)


def test_the_event_at_which_it_goes_wrong_is_marked(chatty):
    async def on_say(self, ws, message):
        await self.send(message if message.text == "b" else Said(message.text))

    with pytest.raises(CheckFailed) as caught:
        play(chatty(on_say), "/chat", [Say("a"), Say("b")])

    assert '> [4] ← text {"type":"say","text":"b"}' in caught.value.__notes__[0]


def test_too_many_frames_for_one_message_are_a_finding(chatty):
    async def on_say(self, ws, message):
        for _ in range(1_500):
            await self.send(Said("x"))

    with pytest.raises(
        CheckFailed, match="has sent 1500 frames, 39000 bytes, after 1 steps with 1"
    ):
        play(chatty(on_say), "/chat", [Say("hi")])


def test_a_project_adds_checks_of_its_own(chatty):
    def nobody_greets(played):
        assert FromApp(Said("hello ann")) not in played.trace, "somebody was greeted"

    with pytest.raises(AssertionError, match="somebody was greeted"):
        play(chatty(), "/chat", [Join("ann")], checks=[nobody_greets])


@pytest.mark.parametrize("wrap", [lambda check: check, partial])
def test_an_async_check_is_refused_since_it_would_always_hold(chatty, wrap):
    async def nobody_greets(played): ...

    with pytest.raises(PachinkoUsageError, match=r"nobody_greets.* is async") as caught:
        play(chatty(), "/chat", [Join("ann")], checks=[wrap(nobody_greets)])

    assert not getattr(caught.value, "__notes__", None)


def test_without_checks_nothing_is_wrong(chatty):
    async def on_say(self, ws, message):
        raise LookupError

    trace = play(chatty(on_say), "/chat", [Say("hi")], checks=[])

    assert [event.kind for event in trace] == ["accepted", "text", "raised", "closed"] or trace


def test_a_play_stops_at_the_first_failure(chatty):
    said = []

    async def on_say(self, ws, message):
        said.append(message.text)
        raise LookupError

    play(chatty(on_say), "/chat", Stream([Say("a"), Send(Say("b"), on=2)]), checks=[])

    assert said == ["a"]


def test_a_peer_that_vanishes_by_a_count_of_frames_is_not_compared(chatty):
    async def on_invalid(self, ws, raw, error):
        await self.send(Said("what?"))

    stream = [Drop(after=1), BROKEN, Say("a"), Say("b")]
    play(chatty(on_invalid=on_invalid), "/chat", stream)


def test_what_an_application_says_by_itself_after_an_invalid_frame_is_compared_too(chatty):
    async def on_invalid(self, ws, raw, error):
        self.state["bad"] = True

    async def on_disconnect(self, ws, close_code):
        members.remove(self)
        for member in members:
            if self.state.get("bad"):
                await member.send(Said("a fool has left"))

    members = []

    async def on_connect(self, req, ws):
        members.append(self)
        return True

    app = chatty(on_invalid=on_invalid, on_disconnect=on_disconnect, on_connect=on_connect)
    with pytest.raises(CheckFailed, match="c2: an invalid frame has changed"):
        play(app, "/chat", [Send(BROKEN, on=1), Open(2), Leave(on=1)])


def test_a_code_that_cannot_be_sent_is_a_finding():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1005})

    with pytest.raises(RuntimeError, match="closed with 1005"):
        play(app, "/", [Open()], lifespan=False)


def test_code_that_swallows_the_alarm_is_stopped_all_the_same(chatty):
    async def on_say(self, ws, message):
        while True:
            try:
                while True:
                    pass
            except Exception:  # noqa: BLE001, S112 - an application may do that
                continue

    with pytest.raises((CheckFailed, Stalled), match="without giving way"):
        play(chatty(on_say), "/chat", [Say("hi")], timeout=0.01)


def test_slow_work_that_gives_way_is_not_stopped(chatty):
    async def on_say(self, ws, message):
        for _ in range(6):
            await asyncio.to_thread(threading.Event().wait, 0.03)
        await self.send(Said("done"))

    trace = play(chatty(on_say), "/chat", [Say("hi")], timeout=0.01)

    assert FromApp(Said("done")) in trace


async def stubborn():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def restart():
    try:
        await asyncio.Event().wait()
    finally:
        asyncio.create_task(restart())  # noqa: RUF006 - that is what is wrong with it


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (stubborn, "A task does not let itself be cancelled: .* in stubborn"),
        (restart, "Tasks that are cancelled start others without end: .* in restart"),
    ],
)
def test_a_task_that_cannot_be_ended_is_named(chatty, work, problem):
    class Middleware:
        async def process_startup(self, scope, event):
            # It belongs to nobody.
            self.task = asyncio.create_task(work(), context=contextvars.Context())

    app = chatty()
    app.add_middleware(Middleware())

    with pytest.raises(CheckFailed, match=problem):
        play(app, "/chat", [Say("hi")])


def test_what_is_raised_in_a_timer_is_seen(chatty):
    async def on_say(self, ws, message):
        asyncio.get_running_loop().call_soon({}.__getitem__, "timer")

    with pytest.raises(KeyError, match="timer"):
        play(chatty(on_say), "/chat", [Say("hi")])


def test_that_a_peer_has_left_is_no_error_of_a_timer_either(chatty):
    def gone():
        raise falcon.WebSocketDisconnected(1006)

    async def on_say(self, ws, message):
        asyncio.get_running_loop().call_soon(gone)

    play(chatty(on_say), "/chat", [Say("hi")])


def test_a_task_of_the_lifespan_that_dies_is_seen(chatty):
    async def broken():
        raise LookupError("the worker")

    class Middleware:
        async def process_startup(self, scope, event):
            self.task = asyncio.create_task(broken())

    app = chatty()
    app.add_middleware(Middleware())

    with pytest.raises(LookupError, match="the worker"):
        play(app, "/chat", [Say("hi")])


def test_an_exit_of_the_application_does_not_end_the_run(chatty):
    async def on_say(self, ws, message):
        raise SystemExit(3)

    with pytest.raises(CheckFailed, match=r"has raised SystemExit\(3\)"):
        play(chatty(on_say), "/chat", [Say("hi")])


def test_answers_that_come_late_are_not_compared(chatty):
    async def on_invalid(self, ws, raw, error):
        await asyncio.sleep(0.5)
        await self.send(Said("what?"))

    play(chatty(on_invalid=on_invalid), "/chat", [Say("a"), BROKEN, Say("b")])


def test_answers_by_chance_are_not_compared(chatty):
    answers = iter([0, 1, 1, 0, 1] * 100)

    async def on_say(self, ws, message):
        await self.send(Said(str(next(answers))))

    play(chatty(on_say), "/chat", [BROKEN, Say("b")])


def test_that_time_passes_after_an_invalid_frame_is_not_compared(chatty):
    async def on_connect(self, req, ws):
        await self.accept()
        self.heard = asyncio.get_running_loop().time()
        self.task = asyncio.create_task(self.watch())

    async def watch(self):
        while asyncio.get_running_loop().time() - self.heard < 60:
            await asyncio.sleep(30)
        await self.ws.close(4408)

    async def on_invalid(self, ws, raw, error):
        self.heard = asyncio.get_running_loop().time()

    async def on_disconnect(self, ws, close_code):
        self.task.cancel()

    members = {"on_connect": on_connect, "watch": watch, "on_invalid": on_invalid}
    app = chatty(on_disconnect=on_disconnect, **members)
    play(app, "/chat", [Open(), Wait(31.0), BROKEN, Wait(31.0)])


def test_where_every_connection_is_refused_nothing_was_played(chatty):
    async def on_connect(self, req, ws):
        return False

    app = chatty(on_connect=on_connect)
    with pytest.raises(CheckFailed, match=r"Every connection was refused(?s:.*)denied 403"):
        play(app, "/chat", [Say("hi")])
    play(app, "/chat", [Say("hi")], checks=CHECKS)
    play(app, "/chat", [])


def test_a_group_of_ordinary_ends_is_one_too(chatty):
    async def gone():
        raise falcon.WebSocketDisconnected(1006)

    async def on_say(self, ws, message):
        async with asyncio.TaskGroup() as group:
            group.create_task(gone())

    play(chatty(on_say), "/chat", [Say("hi")], checks=[no_exception])
