"""State machines with async rules."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from pytest_pachinko import FromApp
from pytest_pachinko import LeftBehind
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko.stateful import initialize
from pytest_pachinko.stateful import invariant
from pytest_pachinko.stateful import rule
from pytest_pachinko.stateful import WebSocketStateMachine
from tests.fuzz.chatty import Join
from tests.fuzz.chatty import make
from tests.fuzz.chatty import Said
from tests.fuzz.chatty import Say

FEW = settings(max_examples=15, stateful_step_count=8, database=None, deadline=None)


def run(machine: Any) -> None:
    run_state_machine_as_test(machine, settings=FEW)


def test_rules_may_be_async_and_share_sessions():
    class Machine(WebSocketStateMachine):
        app = staticmethod(make)
        path = "/chat"

        @initialize()
        async def start(self):
            self.heard: list[str] = []
            self.said: list[str] = []

        @rule(text=st.text(max_size=3), number=st.integers(1, 2))
        async def say(self, text, number):
            session = await self.session(number)
            await session.send(Say(text))
            self.said.append(text)
            self.heard.append((await session.receive(Said)).text)

        @rule()
        async def leave(self):
            await (await self.session()).close()

        @rule()
        def plain(self):
            assert self.run(asyncio.sleep(0, "done")) == "done"

        @invariant()
        async def nothing_is_lost(self):
            assert self.heard == self.said
            assert self.trace.count(FromApp(Said)) == len(self.said)

    run(Machine)


def test_a_schema_gives_a_rule_for_each_of_its_tags():
    sent = set()

    def app():
        async def on_say(self: Any, ws: Any, message: Any) -> None:
            sent.add(type(message))

        async def on_join(self: Any, ws: Any, message: Any) -> None:
            sent.add(type(message))

        return make(on_say, on_join=on_join)

    class Machine(WebSocketStateMachine):
        path = "/chat"
        schema = Join | Say
        connections = 2

    Machine.app = staticmethod(app)
    run(Machine)

    assert sent == {Join, Say}


def test_a_subclass_may_use_more_sessions():
    used = set()

    class Machine(WebSocketStateMachine):
        app = staticmethod(make)
        path = "/chat"
        schema = Say

    class Crowd(Machine):
        connections = 3

        @invariant()
        def who_is_there(self):
            used.update(self._open)

    run(Crowd)

    assert used == {1, 2, 3}


def test_a_rule_of_ones_own_stands_for_that_of_the_schema():
    said = []

    class Machine(WebSocketStateMachine):
        app = staticmethod(make)
        path = "/chat"
        schema = Say

        @rule()
        async def send_say(self):
            said.append("mine")

    run(Machine)

    assert said


def test_an_application_may_be_shared_by_runs():
    class Machine(WebSocketStateMachine):
        app = make()
        path = "/chat"
        schema = Say

    run(Machine)


def test_what_the_application_raises_fails_the_rule():
    class Machine(WebSocketStateMachine):
        path = "/chat"
        schema = Say

    async def on_say(self: Any, ws: Any, message: Any) -> None:
        raise LookupError("not said")

    Machine.app = make(on_say)

    with pytest.raises(LookupError, match="not said"):
        run(Machine)


def test_what_is_left_behind_fails_the_run():
    class Machine(WebSocketStateMachine):
        path = "/chat"
        schema = Say

    async def on_say(self: Any, ws: Any, message: Any) -> None:
        self.state["task"] = asyncio.create_task(asyncio.sleep(3600))

    Machine.app = make(on_say)

    with pytest.raises(LeftBehind, match="has left behind"):
        run(Machine)


def test_each_run_has_an_event_loop_of_its_own_that_is_closed():
    loops = []

    class Machine(WebSocketStateMachine):
        app = staticmethod(make)

        @rule()
        async def look(self):
            loops.append(asyncio.get_running_loop())

    run(Machine)

    assert len(set(loops)) > 1
    assert all(loop.is_closed() for loop in loops)


def test_a_machine_without_an_application_says_what_to_write():
    class Machine(WebSocketStateMachine):
        @rule()
        def nothing(self): ...

    with pytest.raises(PachinkoUsageError, match=r"Machine has no app.\nHint: app = staticmethod"):
        run(Machine)


def test_a_failure_shows_what_crossed_the_wire_if_anything_did():
    class Machine(WebSocketStateMachine):
        app = staticmethod(make)
        path = "/chat"
        talks = False

        @rule()
        async def fail(self):
            if self.talks:
                await (await self.session()).send(Say("hi"))
            raise LookupError("always")

    class Talking(Machine):
        talks = True

    with pytest.raises(LookupError) as silent:
        run(Machine)
    with pytest.raises(LookupError) as talking:
        run(Talking)

    assert "What crossed the wire" not in "".join(silent.value.__notes__)
    assert "What crossed the wire:\n  [0] ← accepted" in "".join(talking.value.__notes__)
