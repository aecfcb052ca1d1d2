"""What is tried with a route without any test code, one phase after another.

==========  ==================================================================================
phase       streams
==========  ==================================================================================
examples    each message by itself and after each other; the examples of the schema; many
            connections, one after another
boundaries  each limit of the schema, exactly on it and just beyond, before a valid message
streams     of valid messages, on several connections
invalid     each kind of invalid frame, between valid messages; then many of them
mixed       of everything, with peers that leave, vanish and come back
==========  ==================================================================================

Failures of earlier runs are played before anything else of the phase in which they were found.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property
from itertools import cycle
from itertools import islice
from typing import Any
from typing import TYPE_CHECKING

import hypothesis
import hypothesis.strategies as st
import msgspec

from pytest_pachinko.fuzz.checks import apply
from pytest_pachinko.fuzz.checks import Check
from pytest_pachinko.fuzz.checks import CHECKS
from pytest_pachinko.fuzz.checks import MANY
from pytest_pachinko.fuzz.played import Handshake
from pytest_pachinko.fuzz.played import Played
from pytest_pachinko.fuzz.played import run
from pytest_pachinko.fuzz.reproducer import headline
from pytest_pachinko.fuzz.search import Found
from pytest_pachinko.fuzz.search import Search
from pytest_pachinko.fuzz.search import search
from pytest_pachinko.routes import DECLARED
from pytest_pachinko.routes import Route
from pytest_pachinko.strategies.boundaries import Boundary
from pytest_pachinko.strategies.boundaries import sweep_boundaries
from pytest_pachinko.strategies.invalid import sweep_invalid
from pytest_pachinko.strategies.messages import example_messages
from pytest_pachinko.strategies.messages import simplest_messages
from pytest_pachinko.strategies.schemas import decoder_for
from pytest_pachinko.strategies.streams import fields_for
from pytest_pachinko.strategies.streams import Options
from pytest_pachinko.strategies.streams import route_streams
from pytest_pachinko.stream import first_offer
from pytest_pachinko.stream import frame_of
from pytest_pachinko.stream import InvalidFrame
from pytest_pachinko.stream import Leave
from pytest_pachinko.stream import Open
from pytest_pachinko.stream import Peer
from pytest_pachinko.stream import Send
from pytest_pachinko.stream import Stream
from pytest_pachinko.trace.event import UNDECODABLE
from pytest_pachinko.trace.redact import REDACTED

if TYPE_CHECKING:
    from pytest_pachinko.fuzz.corpus import Failure

__all__ = ["PHASES", "Outcome", "Target", "run_phase"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

PAIRS = 400
"""How many ordered pairs of messages are tried at most."""


@dataclass
class Target:
    """A route that is fuzzed, and how connections to it are opened.

    Attributes:
        app: The application, or a function that makes one.
        routes: The route, and the others of its path.
        options: What opens a connection, by subprotocol: ``headers``, ``cookies``, ``query`` and
            values of fields as ``params``.
        checks: What has to hold.
        lifespan: Whether to run the application's lifespan.
        timeout: Seconds of real time that a wait may take.
        accepted: Whether a connection was ever accepted.
        refused: Whether one was ever refused.
        last_check: The last check that was made.
    """

    app: Any
    routes: Sequence[Route]
    options: Mapping[str | None, Mapping[str, Any]] = field(default_factory=dict)
    checks: Sequence[Check] = tuple(CHECKS)
    lifespan: bool = True
    timeout: float = 1.0
    accepted: bool = False
    refused: bool = False
    last_check: Check | None = None

    @property
    def route(self) -> Route:
        """The route."""
        return self.routes[0]

    @cached_property
    def handshake(self) -> Handshake:
        """How connections are opened."""
        route = self.route
        return _ByRoute(route.path, schema=route.schema, emits=route.emits, options=self.options)

    @cached_property
    def peers(self) -> list[Peer]:
        """How the first connection is opened where that is not drawn."""
        tokens = () if self.route.subprotocol is None else (self.route.subprotocol,)
        fields = fields_for(self.route, self.params)
        return [Peer({name: _simplest(values) for name, values in fields.items()}, tokens)]

    @property
    def params(self) -> Mapping[str, Any]:
        """Values of the path's fields, or strategies of them, that are given."""
        given: Mapping[str, Any] = self.options.get(self.route.subprotocol, {}).get("params") or {}
        return given

    def play(self, stream: Stream) -> Played:
        """Play a stream."""
        return run(self.app, self.handshake, stream, lifespan=self.lifespan, timeout=self.timeout)

    def attempt(self, stream: Stream) -> None:
        """Play a stream and check what came of it.

        Raises:
            Exception: Something is wrong.
        """
        played = self.play(stream)
        for line in played.lines:
            self.refused = self.refused or line.refused
            self.accepted = self.accepted or not line.refused
        for check in self.checks:
            self.last_check = check
            apply(check, played)

    def spelled_out(self, stream: Stream) -> tuple[Stream, Handshake]:
        """Return a stream whose peers have their own headers, and what else opens connections."""
        plain = Stream(
            stream.steps,
            [
                Peer(
                    peer.params, peer.subprotocols, _hidden(self._given(peer).get("headers")) or {}
                )
                for peer in stream.peers
            ],
        )
        first = self._given(stream.peer(1))
        handshake = replace(
            self.handshake,
            headers=None if stream.peers else _hidden(first.get("headers")),
            cookies=_hidden(first.get("cookies")),
            params=_hidden(first.get("query")),
        )
        if self.route.resource != DECLARED:
            handshake = replace(handshake, schema=None, emits=None)
        return plain, handshake

    def _given(self, peer: Peer) -> Mapping[str, Any]:
        return self.options.get(first_offer(peer), {})


def _hidden(given: Any) -> dict[str, str] | None:
    """Return headers, cookies or a query without what is in them: it may be secret."""
    return dict.fromkeys(dict(given), REDACTED) if given else None


def _simplest(values: st.SearchStrategy[Any]) -> Any:
    """Return the simplest value of a strategy."""
    settings = hypothesis.settings(database=None, deadline=None)
    return hypothesis.find(values, lambda _: True, settings=settings)


@dataclass(frozen=True)
class _ByRoute(Handshake):
    """Opens a connection as is told for its subprotocol."""

    options: Mapping[str | None, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, peer: Peer) -> dict[str, Any]:
        """Return what opens the connection of a peer."""
        given = self.options.get(first_offer(peer), {})
        plain = Handshake(
            self.path, given.get("headers"), None, given.get("cookies"), given.get("query")
        )
        return plain.of(peer)


@dataclass
class Outcome:
    """What a phase has come to.

    Attributes:
        tried: How many streams were played.
        found: What was found, if anything was.
        failing: The failure of an earlier run that it was, if it was one.
        fixed: The failures of earlier runs that are none any more.
        outdated: The failures of earlier runs that mean something else since the schema changed.
    """

    tried: int = 0
    found: Found | None = None
    failing: Failure | None = None
    fixed: list[Failure] = field(default_factory=list)
    outdated: list[Failure] = field(default_factory=list)


def run_phase(target: Target, phase: str, plan: Search, known: Iterable[Failure] = ()) -> Outcome:
    """Try what a phase tries, until something goes wrong.

    Args:
        target: The route.
        phase: One of ``PHASES``.
        plan: How to search where streams are drawn.
        known: The failures of earlier runs with this route and phase.
    """
    outcome = Outcome()
    for failure in known:
        if not _is_current(target, failure.stream):
            outcome.outdated.append(failure)
            continue
        found = plan.attempt(target.attempt, failure.stream)
        if found is None:
            outcome.fixed.append(failure)
        elif outcome.found is None:
            outcome.found, outcome.failing = found, failure
    fixed, drawn = PHASES[phase]
    if outcome.found is None:
        streams = fixed(target)
        tries = (plan.attempt(target.attempt, each) for each in streams)
        outcome.found = next(filter(None, tries), None)
    if outcome.found is None and drawn is not None:
        strategy = route_streams(target.routes, drawn, target.params)
        outcome.found = search(plan, strategy, target.attempt)
    if outcome.found is not None and outcome.failing is None and outcome.found.always:
        outcome.found = _smaller(target, plan, outcome.found)
    outcome.tried = plan.tried
    return outcome


def _is_current(target: Target, stream: Stream) -> bool:
    """Return whether frames are still what they were found to be: messages, or invalid."""
    schemas = {route.subprotocol: route.schema for route in target.routes}
    for step in stream:
        if not isinstance(step, Send) or isinstance(step.message, str | bytes):
            continue
        schema = schemas.get(first_offer(stream.peer(step.on)))
        is_valid: bool | None
        try:
            decoder_for(schema).decode(frame_of(step.message))
        except UNDECODABLE:
            is_valid = False
        except Exception:  # noqa: BLE001 - a __post_init__ that breaks, as a play shows
            is_valid = None
        else:
            is_valid = True
        if schema is not None and is_valid == isinstance(step.message, InvalidFrame):
            return False
    return True


def _smaller(target: Target, plan: Search, found: Found) -> Found:
    """Leave out the steps of a stream without which it goes wrong too, and in the same way."""
    steps = list(found.stream.steps)
    at = len(steps) - 1
    while at >= 0 and not plan.is_over(None, found=True):
        shorter = Stream(steps[:at] + steps[at + 1 :], found.stream.peers)
        again = plan.attempt(target.attempt, shorter)
        if again is not None and headline(again.error) == headline(found.error):
            found = again
            steps = list(shorter.steps)
            at = min(at, len(steps))  # what stood before may not be needed any more
        at -= 1
    return found


def _examples(target: Target) -> Iterator[Stream]:
    schema = target.route.schema
    simplest = simplest_messages(schema)
    peers = target.peers
    yield Stream([Open()], peers)
    for message in (*simplest, *example_messages(schema)):
        yield Stream([message], peers)
    pairs = [(a, b) for a in simplest for b in simplest]
    for first, second in pairs[:PAIRS]:
        yield Stream([first, second], peers)
    yield Stream(
        [step for each in islice(cycle(simplest), MANY) for step in (Send(each), Leave())], peers
    )


def _boundaries(target: Target) -> Iterator[Stream]:
    after = simplest_messages(target.route.schema)[0]
    for boundary in sweep_boundaries(target.route.schema):
        yield Stream([_message_at(boundary), after], target.peers)


def _message_at(boundary: Boundary) -> Any:
    """Return what to send: data that is known to be valid, or a frame that is known not to be."""
    if boundary.error is None:
        return msgspec.json.decode(boundary.raw)
    operator = f"beyond {boundary.constraint}"
    return InvalidFrame(boundary.raw, operator, boundary.path, boundary.error)


def _invalid(target: Target) -> Iterator[Stream]:
    valid = simplest_messages(target.route.schema)[0]
    for frame in sweep_invalid(target.route.schema):
        yield Stream([Send(valid), Send(frame), Send(valid)], target.peers)


def _nothing(_: Target) -> Iterator[Stream]:
    yield from ()


Fixed = Callable[[Target], Iterator[Stream]]

PHASES: dict[str, tuple[Fixed, Options | None]] = {
    "examples": (_examples, None),
    "boundaries": (_boundaries, None),
    "streams": (_nothing, Options(connections=2, disconnects=False, waits=False, wire=True)),
    "invalid": (_invalid, Options(connections=1, invalid=0.7, disconnects=False, waits=False)),
    "mixed": (_nothing, Options(connections=3, invalid=0.1, wire=True)),
}
"""The phases: the streams that each begins with, and what then is drawn."""
