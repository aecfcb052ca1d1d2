"""Messages exactly on the bounds of a schema, and just beyond them: drawn, or all of them."""

from __future__ import annotations

import math
from functools import partial
from itertools import chain
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import msgspec
from msgspec import inspect

from pytest_pachinko.bounds import Bound
from pytest_pachinko.bounds import first_allowed
from pytest_pachinko.bounds import Hit
from pytest_pachinko.bounds import last_allowed
from pytest_pachinko.bounds import limits
from pytest_pachinko.bounds import Side
from pytest_pachinko.bounds import Survey
from pytest_pachinko.places import literals
from pytest_pachinko.places import once
from pytest_pachinko.places import Place
from pytest_pachinko.places import Record
from pytest_pachinko.places import replaced
from pytest_pachinko.places import Shape
from pytest_pachinko.strategies.mutations import always
from pytest_pachinko.strategies.mutations import off_multiple
from pytest_pachinko.strategies.mutations import with_other_tz
from pytest_pachinko.strategies.mutations import without_field
from pytest_pachinko.strategies.oracle import as_frame
from pytest_pachinko.strategies.oracle import encoded
from pytest_pachinko.strategies.oracle import Oracle
from pytest_pachinko.strategies.oracle import oracle_for
from pytest_pachinko.strategies.registry import on_change
from pytest_pachinko.strategies.values import resized
from pytest_pachinko.strategies.values import SKIP

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    from pytest_pachinko.strategies.mutations import Change
    from pytest_pachinko.strategies.values import Make

__all__ = ["Boundary", "boundary_messages", "sweep_boundaries"]


class Boundary(msgspec.Struct, frozen=True):
    """A frame at a bound of its schema.

    Attributes:
        raw: The frame as it is sent.
        tag: The tag of the message.
        path: Where the bound is, such as ``"say.text"``.
        constraint: What is allowed there, such as ``"max_length 280"``.
        side: ``"on"``, the last value that is allowed: the frame is valid; or ``"beyond"``, the
            first that is not.
        error: What the decoder says of it; None if it is valid.
    """

    raw: str | bytes
    tag: str | int
    path: str
    constraint: str
    side: Side
    error: str | None = None


def boundary_messages(schema: Any) -> SearchStrategy[Boundary]:
    """Make messages exactly on a bound of a schema, or just beyond it.

    Each side of each bound is as likely as the others. The rest of the message is valid.

    Args:
        schema: A union of tagged Structs, one of them, or a resource with a ``schema``.

    Raises:
        PachinkoUsageError: Messages cannot be made; it names the Struct and the field.
    """
    _bounds_of(schema)  # complains at once
    return _messages(schema)


def sweep_boundaries(schema: Any) -> list[Boundary]:
    """Return one message for each side of each bound, the rest of which is the simplest.

    The messages are always the same, in the same order. A side is left out where nothing can
    be on it, such as a length that a pattern does not allow. Do not call it within a ``@given``
    test.

    Args:
        schema: A union of tagged Structs, one of them, or a resource with a ``schema``.

    Raises:
        PachinkoUsageError: Messages cannot be made; it names the Struct and the field.
    """
    bounds = _bounds_of(schema)
    oracle = bounds.oracle
    simplest = {tag: oracle.simplest(info) for tag, info in oracle.variants.items()}
    made = (
        _boundary(bounds, target, simplest[target.bound.tag], oracle.simplest)
        for target in bounds.targets
    )
    return [one for one in made if one is not None]


class _Target(NamedTuple):
    """A side of a bound, and how a message comes to be on it."""

    bound: Bound
    side: Side
    place: Place
    shape: Shape | None
    change: Change


class _Bounds(NamedTuple):
    """The sides of the bounds of a schema."""

    oracle: Oracle
    survey: Survey
    targets: tuple[_Target, ...]


@once
def _bounds_of(schema: Any) -> _Bounds:
    oracle = oracle_for(schema)
    survey = Survey(oracle.root)
    targets = (
        _Target(bound, side, *_aim(bound, side, where))
        for bound, where in survey.sites.items()
        for side in bound.sides
    )
    return _Bounds(oracle, survey, tuple(targets))


on_change(_bounds_of.forget)


@st.composite
def _messages(draw: Callable[[SearchStrategy[Any]], Any], schema: Any) -> Boundary:
    bounds = _bounds_of(schema)
    oracle = bounds.oracle

    def make(info: Any) -> Any:
        return draw(oracle.strategy(info))

    if not bounds.targets:
        tag = draw(st.sampled_from(list(oracle.variants)))
        frame = as_frame(encoded(make(oracle.variants[tag])))
        return Boundary(frame, tag, str(tag), "none", "on")
    number = draw(st.sampled_from(range(len(bounds.targets))))
    tag = bounds.targets[number].bound.tag
    message = make(oracle.variants[tag])
    # A side on which this message cannot be leaves it to the next one of the same tag: its
    # fields are there or not, so there is one.
    return next(
        found
        for target in chain(bounds.targets[number:], bounds.targets[:number])
        if target.bound.tag == tag
        and (found := _boundary(bounds, target, message, make)) is not None
    )


def _boundary(bounds: _Bounds, target: _Target, message: Any, make: Make) -> Boundary | None:
    (tag, path, constraint, _), side, place, shape, change = target
    found = bounds.oracle.reach(message, place, shape, make)
    if found is None:
        return None
    message, location, value = found
    new = change(value, make)
    if new is SKIP:
        return None
    changed = replaced(message, location, new)
    # An item of a set may be on the bound already, and must not be there twice.
    for candidate in (changed, message):
        frame = as_frame(encoded(candidate))
        error = bounds.oracle.refusal(frame)
        hit = Hit(tag, path, constraint, side)
        if (error is None) is (side == "on") and hit in bounds.survey.hits(candidate):
            return Boundary(frame, tag, path, constraint, side, error)
    return None


# How a value comes to be on a side of a bound: what it replaces, and by what.


def _aim(bound: Bound, side: Side, where: Place | Shape) -> tuple[Place, Shape | None, Change]:
    if isinstance(where, Place):
        return where, None, always(None)
    if isinstance(where, Record):
        return _aim_at_record(bound, side, where)
    return where.place, where, _towards(bound.constraint.partition(" ")[0], side, where)


def _aim_at_record(bound: Bound, side: Side, record: Record) -> tuple[Place, Shape | None, Change]:
    if bound.constraint.startswith("length"):
        longer: Change = lambda value, _: [*value, None]  # noqa: E731
        return record.place, record, _same if side == "on" else longer
    step, field = next(
        (step, field) for step, field in record.fields.items() if field.path == bound.path
    )
    if bound.constraint == "present" or (bound.constraint, side) == ("required", "on"):
        return field, None, _same
    return record.place, record, partial(without_field, step)


def _same(value: Any, _make: Make) -> Any:
    return value


def _towards(name: str, side: Side, shape: Shape) -> Change:
    info = shape.info
    if name in _ENDS:
        return _to_end(info, side, up=_ENDS[name])
    if name in ("first", "last", "only"):
        return always(literal_beside(info, side, last=name == "last"))
    if name == "multiple_of":
        return _same if side == "on" else partial(off_multiple, info)
    if name == "tz":
        return _same if side == "on" else with_other_tz(info)
    length = getattr(info, name)
    beyond = -1 if name == "min_length" else 1
    size = length if side == "on" else length + beyond
    return lambda value, make: resized(shape, value, size, make)


_ENDS = {"ge": False, "gt": False, "le": True, "lt": True}


def _to_end(info: inspect.IntType | inspect.FloatType, side: Side, *, up: bool) -> Change:
    if side == "on":
        end = last_allowed(info) if up else first_allowed(info)
    else:
        limit = limits(info)[up]
        if isinstance(info, inspect.IntType):
            end = limit + 1 if up else limit - 1
        else:
            end = math.nextafter(limit, math.inf if up else -math.inf)
    return always(end)


def literal_beside(info: Any, side: Side, *, last: bool) -> Any:
    """Return the first or the last value of an enum or literal, or one that is none of them."""
    values = [value for value in literals(info) or () if isinstance(value, str | int)]
    end: Any = values[-1 if last else 0]
    if side == "on":
        return end
    if isinstance(end, str):
        return "".join(map(str, values)) + "_"
    numbers = [value for value in values if isinstance(value, int)]
    return max(numbers) + 1 if last else min(numbers) - 1
