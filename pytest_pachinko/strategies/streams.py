"""Strategies for streams: what several peers do to an application, one thing after another.

How a stream is drawn decides what it finds, and how small a failure becomes:

- Values that can be ids are drawn first, into a pool for each type and constraint. A field then takes
  one of its pool or a fresh one, so that messages are about the same room or user; and when a failure
  shrinks, all of them come to be about the simplest one.
- A step is drawn whole: who acts, when, and what is sent. So each step can be left out by itself.
- What a step does is one choice from a table in which the simplest comes first: a message on the first
  connection, after which the application comes to rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import msgspec
from msgspec import inspect

from pytest_pachinko.application import is_factory
from pytest_pachinko.application import make_application
from pytest_pachinko.bounds import first_allowed
from pytest_pachinko.bounds import last_allowed
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.routes import routes_of
from pytest_pachinko.strategies.invalid import invalid_frames
from pytest_pachinko.strategies.messages import message_variants
from pytest_pachinko.stream import Drop
from pytest_pachinko.stream import Leave
from pytest_pachinko.stream import Open
from pytest_pachinko.stream import Peer
from pytest_pachinko.stream import Send
from pytest_pachinko.stream import Stream
from pytest_pachinko.stream import Wait

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

    from pytest_pachinko.routes import Route
    from pytest_pachinko.stream import Step

__all__ = ["fields_for", "message_streams", "resource_streams", "route_streams"]

MAX_SIZE = 20
"""How many steps a stream has at most, if nobody says."""

_LONGER = (0, 4, 8, 12)
"""How many more steps than it must have a stream begins with; each as often as the others."""

_LONG = 1024
"""How long a text of the greatest length may be to be drawn now and then."""

_POOL = 3
"""How many values a pool has at most."""


class Options(NamedTuple):
    """What occurs in streams.

    Attributes:
        min_size: How many steps at least.
        max_size: How many steps at most.
        connections: How many connections at most.
        invalid: What part of the frames is invalid, from 0 to 1.
        disconnects: Whether peers leave, vanish and come back.
        waits: Whether time passes.
        wire: Whether messages are wire data, in every form that their types allow.
    """

    min_size: int = 0
    max_size: int = MAX_SIZE
    connections: int = 1
    invalid: float = 0.0
    disconnects: bool = True
    waits: bool = True
    wire: bool = False

    def checked(self) -> Options:
        """Return the options as they are.

        Raises:
            PachinkoUsageError: They cannot be met.
        """
        if not 0 <= self.min_size <= self.max_size:
            raise PachinkoUsageError(
                f"min_size={self.min_size}, max_size={self.max_size}: a stream has 0 steps or more, "
                "and at most max_size."
            )
        if self.connections < 1:
            raise PachinkoUsageError(f"connections={self.connections}: at least 1.")
        if not 0 <= self.invalid <= 1:
            raise PachinkoUsageError(f"invalid={self.invalid}: a part of the frames, from 0 to 1.")
        return self


def message_streams(
    schema: Any,
    *,
    min_size: int = 0,
    max_size: int = MAX_SIZE,
    connections: int = 1,
    invalid: float = 0.0,
    disconnects: bool = True,
    waits: bool = True,
    wire: bool = False,
) -> SearchStrategy[Stream]:
    """Make streams of messages, for ``play``.

    Args:
        schema: A union of tagged Structs, or a resource with a ``schema``.
        min_size: How many steps a stream has at least.
        max_size: How many it has at most.
        connections: How many connections take part at most, with their steps in any order.
        invalid: What part of the frames is invalid, from 0 to 1; see ``invalid_frames``.
        disconnects: Whether peers leave, vanish and come back.
        waits: Whether time passes between steps.
        wire: Whether messages are wire data in every form that their types allow, as of
            ``wire_messages``; else instances.

    Raises:
        PachinkoUsageError: No messages can be made of the schema, or the options cannot be met.

    Example::

        @given(strategies.message_streams(Join | Say, connections=2))
        def test_the_room_survives(stream):
            play(create_app, "/chat/rooms/tea", stream)
    """
    options = Options(min_size, max_size, connections, invalid, disconnects, waits, wire)
    return _streams([_Variant(schema)], options.checked(), own=True)


def resource_streams(
    app: Any,
    path: str | None = None,
    *,
    subprotocol: str | None = None,
    params: Mapping[str, Any] | None = None,
    min_size: int = 0,
    max_size: int = MAX_SIZE,
    connections: int = 1,
    invalid: float = 0.0,
    disconnects: bool = True,
    waits: bool = True,
    wire: bool = False,
) -> SearchStrategy[Stream]:
    """Make streams for a route of an application, as its resources describe themselves.

    Each connection has a resource of the route, by the subprotocol that it offers, and sends what that
    one's ``schema`` allows. Fields of the path get values that their converters take. ``play`` needs
    the path as it is here, with its fields.

    Args:
        app: A Falcon app, a function without arguments that makes one, or a ``WebSocketRouter``.
        path: The template of the route; not needed if there is only one.
        subprotocol: The subprotocol of the first connection; any of the route's if not given.
        params: Values of fields, or strategies of them, where they are not to be any.
        min_size: As for ``message_streams``.
        max_size: As for ``message_streams``.
        connections: As for ``message_streams``.
        invalid: As for ``message_streams``.
        disconnects: As for ``message_streams``.
        waits: As for ``message_streams``.
        wire: As for ``message_streams``.

    Raises:
        PachinkoUsageError: There is no such route, or not enough is known of it.

    Example::

        @given(strategies.resource_streams(app, "/chat/rooms/{room}", connections=2))
        def test_the_room_survives(stream):
            play(app, "/chat/rooms/{room}", stream)
    """
    options = Options(min_size, max_size, connections, invalid, disconnects, waits, wire)
    made = make_application(app, "resource_streams(app)") if is_factory(app) else app
    routes = routes_of(made)
    paths = list(dict.fromkeys(route.path for route in routes))
    if path is None and len(paths) == 1:
        path = paths[0]
    here = [route for route in routes if route.path == path]
    if subprotocol is not None:
        here.sort(key=lambda route: route.subprotocol != subprotocol)
    if not here or (subprotocol is not None and here[0].subprotocol != subprotocol):
        names = "\n".join(f"  {route.name}" for route in routes) or "  (none)"
        offer = "" if subprotocol is None else f" with the subprotocol {subprotocol!r}"
        raise PachinkoUsageError(
            f"There is no route {path or ''!r}{offer}. The routes are:\n{names}"
        )
    return route_streams(here, options, params or {}, any_first=subprotocol is None)


def route_streams(
    routes: Sequence[Route],
    options: Options,
    params: Mapping[str, Any],
    *,
    any_first: bool = False,
) -> SearchStrategy[Stream]:
    """Make streams for routes of one path.

    Args:
        routes: The routes; the first connection is one to the first.
        options: What occurs.
        params: Values of fields, or strategies of them, where they are not to be any.
        any_first: Whether the first connection is one to any of them.

    Raises:
        PachinkoUsageError: Not enough is known of a route.
    """
    return _streams(
        [_Variant.of(route, params) for route in routes], options.checked(), own=any_first
    )


def fields_for(route: Route, params: Mapping[str, Any]) -> dict[str, SearchStrategy[Any]]:
    """Return a strategy for the value of each field of a route's path.

    Args:
        route: The route.
        params: Values of fields, or strategies of them, where they are not to be any.

    Raises:
        PachinkoUsageError: No value of a field is known, or there is no such field.
    """
    unknown = [name for name in params if name not in route.values]
    if unknown:
        raise PachinkoUsageError(
            f"The route {route.path!r} has no {', '.join(unknown)}; its fields: "
            f"{', '.join(route.values) or '(none)'}."
        )
    fields = {}
    for name, known in route.values.items():
        value = params.get(name, st.sampled_from(known) if known else None)
        if value is None:
            raise PachinkoUsageError(
                f"{route.path}: no value is known that the field {name!r} takes.\n"
                f'Hint: params={{"{name}": ...}}, a value or a strategy; for --pachinko-fuzz '
                "return it from the hook pytest_pachinko_connection(route)."
            )
        fields[name] = value if isinstance(value, st.SearchStrategy) else st.just(value)
    return fields


@dataclass
class _Variant:
    """A resource of a route, for connections to it."""

    schema: Any
    subprotocols: tuple[str, ...] = ()
    params: SearchStrategy[dict[str, Any]] | None = None

    @classmethod
    def of(cls, route: Route, params: Mapping[str, Any]) -> _Variant:
        if route.schema is None:
            raise PachinkoUsageError(
                f"{route.name}: what {route.resource} makes is not known, so neither is its schema.\n"
                "Hint: route the class or a functools.partial of it, or say it: "
                f"{route.resource}.schema = TheResource.schema"
            )
        fields = fields_for(route, params)
        return cls(
            route.schema,
            () if route.subprotocol is None else (route.subprotocol,),
            st.fixed_dictionaries(fields) if fields else None,
        )


class _Pools:
    """The pools of a strategy for streams: one for each type and constraint of an id-like value."""

    def __init__(self) -> None:
        self.shared: dict[str, SearchStrategy[list[Any]]] = {}

    def __call__(self, info: Any, _: str, strategy: SearchStrategy[Any]) -> SearchStrategy[Any]:
        key = repr(info)
        if key not in self.shared:
            # The key is an object of its own: another strategy has other pools.
            values = st.lists(strategy, min_size=1, max_size=_POOL)
            self.shared[key] = st.shared(values, key=(id(self), key))
        return _pooled(self.shared[key], strategy, _edges(info))


@st.composite
def _pooled(
    draw: Any, shared: SearchStrategy[list[Any]], fresh: SearchStrategy[Any], edges: list[Any]
) -> Any:
    """Draw a value of a pool, a fresh one, or an edge, by one choice of which the first is simplest."""
    pool = draw(shared)
    last = 4 * len(pool) + 2  # two places are for fresh values
    at = draw(_PLACES[last + len(edges)])
    if at >= last:
        return edges[at - last]
    return pool[at % len(pool)] if at < last - 2 else draw(fresh)


_PLACES = [st.integers(0, max(1, places) - 1) for places in range(4 * _POOL + 5)]


def _edges(info: Any) -> list[Any]:
    """Return the last values that a type allows, which are rarely drawn and often wrong."""
    if isinstance(info, inspect.IntType):
        return [edge for edge in (first_allowed(info), last_allowed(info)) if math.isfinite(edge)]
    if isinstance(info, inspect.StrType) and info.max_length and not info.pattern:
        return ["0" * info.max_length] if info.max_length <= _LONG else []
    return []


def _streams(variants: list[_Variant], options: Options, *, own: bool) -> SearchStrategy[Stream]:
    pools = _Pools()
    valid = [message_variants(each.schema, wire=options.wire, pool=pools) for each in variants]
    invalid = [invalid_frames(each.schema) for each in variants] if options.invalid else []
    rows = st.sampled_from(_rows(options, max(map(len, valid))))
    # The pools that the simplest message needs, or any other.
    shared = st.tuples(*pools.shared.values())
    first = st.integers(0, len(variants) - 1) if own else st.just(0)
    others = st.integers(0, len(variants) - 1)
    templated = any(each.params is not None for each in variants)
    plain = len(variants) == 1 and not variants[0].subprotocols and not templated

    slots: dict[int, int] = {}  # the connections of the stream that is drawn, as they come

    @st.composite
    def steps(draw: Any, chosen: Sequence[int]) -> Step:
        row: Any = draw(rows)
        if isinstance(row, Wait):
            return row
        on = slots.setdefault(row.on, len(slots) + 1)
        if not isinstance(row, _Frame):
            step: Step = msgspec.structs.replace(row, on=on)
            return step
        which = chosen[on - 1]
        if row.kind is None:
            return Send(draw(invalid[which]), on, row.turns)
        kinds = valid[which]
        return Send(draw(kinds[row.kind % len(kinds)]), on, row.turns)

    # PERF: to make a strategy takes longer than to draw from it.
    @cache
    def lists(chosen: Sequence[int], least: int) -> SearchStrategy[list[Step]]:
        return st.lists(steps(chosen), min_size=least, max_size=options.max_size)

    longer = st.sampled_from(_LONGER)

    @st.composite
    def streams(draw: Any) -> Stream:
        slots.clear()
        draw(shared)
        chosen = (0,) * options.connections
        peers: list[Peer] = []
        if not plain:
            chosen = tuple(draw(others if peer else first) for peer in range(options.connections))
            peers = _peers(draw, variants, chosen)
        least = min(options.min_size + draw(longer), options.max_size)
        drawn = draw(lists(chosen, least))
        return Stream(drawn, peers[: max(1, len(slots))])

    return streams()


def _peers(draw: Any, variants: list[_Variant], chosen: Sequence[int]) -> list[Peer]:
    """Return how the connections are opened: most of them to one place."""
    peers: list[Peer] = []
    for which in chosen:
        variant = variants[which]
        if variant.params is None:
            params = {}
        elif peers and draw(st.integers(0, 2)) != 2:
            params = peers[0].params
        else:
            params = draw(variant.params)
        peers.append(Peer(params, variant.subprotocols))
    return peers


class _Frame(NamedTuple):
    """A row of the table: a frame that is still to be drawn.

    Attributes:
        on: Which connection; they are numbered as they come.
        kind: Which of the messages of its schema it is; None for an invalid frame.
        turns: As for ``Send``.
    """

    on: int
    kind: int | None
    turns: int | None = None


def _rows(options: Options, kinds: int) -> list[Any]:
    """Return what a step can do, the simplest first, each in as many rows as it is likely.

    It is one choice, because Hypothesis leaves out no more than five in a row: two for a step and one
    for each of its fields. Rows of one kind stand together, so that a smaller number is a simpler step
    of that kind.
    """
    numbers = range(1, options.connections + 1)
    weight = max(1, 24 // options.connections)  # of each kind of message, on each connection
    rows: list[Any] = []
    for kind in range(kinds if options.invalid < 1 else 0):
        for on in numbers:
            rows += [_Frame(on, kind) for _ in range(weight)]
            rows += [
                _Frame(on, kind, turns)
                for turns in (3, 2, 1, 0)
                for _ in range(max(1, weight // 8))
            ]
    frames = len(rows)
    share = options.invalid / (1 - options.invalid) if frames else 0.0
    if options.invalid:
        times = max(1, round(frames * share / options.connections))
        rows += [_Frame(on, None) for on in numbers for _ in range(times)]
    usual = max(1, frames // 40)
    others: list[Any] = []
    if options.disconnects:
        others += [Open(on) for on in numbers]
        others += [Leave(on=on) for on in numbers]
        others += [Drop(after, on) for after in range(4) for on in numbers]
    if options.waits:
        others += [Wait(seconds) for seconds in (0.5, 31.0, 601.0)]
    return rows + [row for row in others for _ in range(max(1, usual // options.connections))]
