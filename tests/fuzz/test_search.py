"""Looking for streams with which something goes wrong, phase by phase."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.extra.redis import RedisExampleDatabase
from msgspec import Struct

from falcon_pachinko import WebSocketResource
from pytest_pachinko import InvalidFrame
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Peer
from pytest_pachinko import Send
from pytest_pachinko import Stream
from pytest_pachinko.fuzz import search as module
from pytest_pachinko.fuzz.corpus import Failure
from pytest_pachinko.fuzz.phases import PHASES
from pytest_pachinko.fuzz.phases import run_phase
from pytest_pachinko.fuzz.phases import Target
from pytest_pachinko.fuzz.search import Search
from pytest_pachinko.fuzz.search import search
from pytest_pachinko.routes import routes_of
from pytest_pachinko.stacks import places_in
from pytest_pachinko.strategies import message_streams
from tests.fuzz.chatty import app_with
from tests.fuzz.chatty import make
from tests.fuzz.chatty import Say
from tests.fuzz.planted import Buy
from tests.fuzz.planted import off_by_one


@pytest.fixture(autouse=True)
def _nothing_is_known_from_before():
    settings.register_profile("fresh", database=None)
    settings.load_profile("fresh")
    yield
    settings.load_profile("default")


def target(app: Any) -> Target:
    made = app() if app is not make else make()
    return Target(app, routes_of(made))


def test_a_search_ends_when_its_time_is_over(monkeypatch):
    monkeypatch.setattr(module, "FIRST_ROUND", 1)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=count().__next__))
    plan = Search("time", 0, examples=1, seconds=10)

    assert search(plan, message_streams(Say), lambda stream: None) is None
    assert plan.tried > 1


def test_a_search_tells_of_its_progress():
    told = []
    plan = Search("progress", 0, examples=7, progress=lambda: told.append(1))
    search(plan, message_streams(Say), lambda stream: None)

    assert len(told) == plan.tried == 7


def test_streams_that_cannot_be_drawn_are_an_error_of_their_own():
    def refuse(_: Any) -> Any:
        raise OSError("cannot be drawn")

    broken = st.integers().map(refuse)

    with pytest.raises(OSError, match="cannot be drawn"):
        search(Search("broken", 0, examples=5), broken, lambda stream: None)


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_is_found_where_nothing_is_wrong(phase):
    outcome = run_phase(target(make), phase, Search(phase, 0, examples=30))

    assert outcome.found is None
    assert outcome.tried > 0


def test_what_a_boundary_shows_is_left_without_the_rest():
    outcome = run_phase(target(off_by_one), "boundaries", Search("b", 0, examples=1))

    assert outcome.found is not None
    (step,) = outcome.found.stream
    assert step.message["amount"] == 1000


def test_failures_of_earlier_runs_are_played_first():
    bad = Failure("/chat", None, "streams", "", Stream([Send(Buy("0", 1000))]))
    good = Failure("/chat", None, "streams", "", Stream([Send(Buy("0", 1))]))
    plan = Search("known", 0, examples=100)

    outcome = run_phase(target(off_by_one), "streams", plan, [good, bad, bad])

    assert outcome.fixed == [good]
    assert outcome.failing is bad
    assert outcome.tried == 3


@pytest.mark.parametrize("kind", ["directory", "redis"])
def test_what_one_search_has_found_another_one_tries_first(kind, tmp_path):
    database = (
        DirectoryBasedExampleDatabase(tmp_path)
        if kind == "directory"
        else RedisExampleDatabase(fakeredis.FakeRedis())
    )
    settings.register_profile("shared", database=database)
    settings.load_profile("shared")

    def fail(stream: Stream) -> None:
        assert not any(isinstance(step, Send) and step.message.text for step in stream)

    streams = message_streams(Say)
    first = search(Search("shared", 0, examples=200), streams, fail)
    plan = Search("shared", 1, examples=1)
    second = search(plan, streams, fail)

    assert first is not None
    assert second is not None
    assert second.stream == first.stream


def test_what_takes_long_is_not_made_smaller_for_ever(monkeypatch):
    monkeypatch.setattr(module, "SMALLER", 0.0)
    plan = Search("slow", 0, examples=200)

    def fail(stream: Stream) -> None:
        raise LookupError

    found = search(plan, message_streams(Say), fail)

    assert found is not None
    assert found.always
    assert plan.tried == 1


def test_a_mistake_of_who_opens_connections_is_no_finding():
    def mistaken(stream: Stream) -> None:
        raise PachinkoUsageError("no such header")

    with pytest.raises(PachinkoUsageError, match="no such header"):
        search(Search("usage", 0, examples=5), message_streams(Say), mistaken)


@pytest.mark.parametrize(
    "message",
    [
        InvalidFrame('{"type":"say","text":"hi"}', "too_long", "say.text", "too long"),
        {"type": "say"},
        {"type": "shout"},
    ],
)
def test_a_failure_from_before_the_schema_has_changed_is_outdated(message):
    old = Failure("/chat", None, "streams", "", Stream([message]))
    outcome = run_phase(target(make), "streams", Search("old", 0, examples=1), [old])

    assert outcome.outdated == [old]
    assert outcome.fixed == []


class Fragile(Struct, tag="fragile"):
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise KeyError(self.number)


class Frail(WebSocketResource):
    schema = Fragile

    async def on_connect(self, req: Any, ws: Any) -> bool:
        return True

    async def on_fragile(self, ws: Any, message: Fragile) -> None: ...


def frail() -> Any:
    return app_with(Frail)


@pytest.mark.parametrize("phase", ["streams", "mixed"])
def test_a_post_init_that_breaks_is_found(phase):
    outcome = run_phase(target(frail), phase, Search(phase, 0, examples=100))

    assert isinstance(outcome.found.error, KeyError)


def test_a_failure_from_before_a_post_init_breaks_is_played():
    old = Failure("/chat", None, "streams", "", Stream([{"type": "fragile", "number": -1}]))
    outcome = run_phase(target(frail), "streams", Search("old", 0, examples=1), [old])

    assert outcome.failing == old
    assert isinstance(outcome.found.error, KeyError)


def test_failures_of_text_and_of_other_subprotocols_are_played_as_they_are():
    stream = Stream(["{", Send(Say("a"), on=2)], [Peer(), Peer(subprotocols=("v9",))])
    old = Failure("/chat", None, "streams", "", stream)
    outcome = run_phase(target(make), "streams", Search("old", 0, examples=1), [old])

    assert outcome.fixed == [old]


def test_an_exception_that_the_toolkit_makes_of_another_is_shown_where_that_was_raised():
    def raise_it() -> None:
        raise LookupError("the cause")

    try:
        raise_it()
    except LookupError as cause:
        error = ValueError("made of it")
        error.__cause__ = cause

    assert any("raise_it: raise LookupError" in place for place in places_in(error))
