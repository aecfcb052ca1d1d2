"""Frames that a schema does not allow: near-misses, drawn or all of them."""

from __future__ import annotations

from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

import hypothesis.strategies as st

from pytest_pachinko.places import once
from pytest_pachinko.places import replaced
from pytest_pachinko.strategies.mutations import FRAME_OPERATORS
from pytest_pachinko.strategies.mutations import FRAMES
from pytest_pachinko.strategies.mutations import huge
from pytest_pachinko.strategies.mutations import Mutation
from pytest_pachinko.strategies.mutations import mutations
from pytest_pachinko.strategies.oracle import as_frame
from pytest_pachinko.strategies.oracle import encoded
from pytest_pachinko.strategies.oracle import Oracle
from pytest_pachinko.strategies.oracle import oracle_for
from pytest_pachinko.strategies.registry import on_change
from pytest_pachinko.strategies.values import SKIP
from pytest_pachinko.stream import InvalidFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    from pytest_pachinko.strategies.values import Make

__all__ = ["invalid_frames", "sweep_invalid"]


def invalid_frames(schema: Any) -> SearchStrategy[InvalidFrame]:
    """Make frames that are nearly messages of a schema, but are none.

    A valid message is changed in one place by one operator, or a valid frame as a whole; each
    operator at each path is as likely as the others. A frame that the decoder accepts is
    never made. The simplest is the empty frame.

    Args:
        schema: A union of tagged Structs, one of them, or a resource with a ``schema``.

    Raises:
        PachinkoUsageError: Messages cannot be made; it names the Struct and the field.
    """
    _catalogue(schema)  # complains at once
    return _frames(schema)


def sweep_invalid(schema: Any) -> list[InvalidFrame]:
    """Return one frame for each operator at each path where it makes a message invalid.

    The frames are always the same, in the same order. They are made from the simplest
    messages; one of them is a megabyte long. Do not call it within a ``@given`` test.

    Args:
        schema: A union of tagged Structs, one of them, or a resource with a ``schema``.

    Raises:
        PachinkoUsageError: Messages cannot be made; it names the Struct and the field.
    """
    catalogue = _catalogue(schema)
    oracle = catalogue.oracle
    simplest = {tag: oracle.simplest(info) for tag, info in oracle.variants.items()}
    first = next(iter(simplest.values()))
    found = [_judged(oracle, frame, operator, "") for operator, frame in FRAMES.items()]
    found += [_operated(oracle, operator, first) for operator in FRAME_OPERATORS]
    found += [
        _mutated(oracle, mutation, simplest[mutation.tag], oracle.simplest)
        for mutation in catalogue.mutations
    ]
    found.append(_judged(oracle, encoded(huge(first, oracle.tag_step)), "huge_tag", ""))
    return [frame for frame in found if frame is not None]


class _Catalogue(NamedTuple):
    """What can be done to the messages of a schema, the simplest first."""

    oracle: Oracle
    mutations: tuple[Mutation, ...]
    operators: tuple[str | Mutation, ...]
    empty: InvalidFrame


@once
def _catalogue(schema: Any) -> _Catalogue:
    oracle = oracle_for(schema)
    found = mutations(oracle.root)
    # No decoder finds a message in nothing.
    empty = InvalidFrame("", "empty", "", str(oracle.refusal("")))
    return _Catalogue(oracle, found, (*FRAMES, *FRAME_OPERATORS, *found), empty)


on_change(_catalogue.forget)


@st.composite
def _frames(draw: Callable[[SearchStrategy[Any]], Any], schema: Any) -> InvalidFrame:
    catalogue = _catalogue(schema)
    oracle = catalogue.oracle

    def make(info: Any) -> Any:
        return draw(oracle.strategy(info))

    number = draw(st.sampled_from(range(len(catalogue.operators))))
    operator = catalogue.operators[number]
    if isinstance(operator, str) and operator in FRAMES:
        frame = _judged(oracle, FRAMES[operator], operator, "")
        return frame or catalogue.empty
    tags = list(oracle.variants)
    tag = operator.tag if isinstance(operator, Mutation) else draw(st.sampled_from(tags))
    message = make(oracle.variants[tag])
    # An operator that does nothing to this message leaves it to the next one.
    tried = (
        _operated(oracle, one, message)
        if isinstance(one, str)
        else _mutated(oracle, one, message, make)
        for one in catalogue.operators[number:]
        if isinstance(one, str) or one.tag == tag
    )
    return next(filter(None, tried), catalogue.empty)


def _operated(oracle: Oracle, operator: str, message: Any) -> InvalidFrame | None:
    return _judged(oracle, FRAME_OPERATORS[operator](encoded(message)), operator, "")


def _mutated(oracle: Oracle, mutation: Mutation, message: Any, make: Make) -> InvalidFrame | None:
    found = oracle.reach(message, mutation.place, mutation.shape, make)
    if found is None:
        return None
    message, location, value = found
    new = mutation.change(value, make)
    if new is SKIP:
        return None
    raw = encoded(replaced(message, location, new))
    return _judged(oracle, raw, mutation.operator, mutation.path)


def _judged(oracle: Oracle, raw: str | bytes, operator: str, path: str) -> InvalidFrame | None:
    frame = as_frame(raw)
    error = oracle.refusal(frame)
    return None if error is None else InvalidFrame(frame, operator, path, error)
