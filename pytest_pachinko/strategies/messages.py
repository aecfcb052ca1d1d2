"""Strategies for the messages of a union of tagged Structs."""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from typing import Any
from typing import TYPE_CHECKING

import msgspec
from hypothesis import Phase
from hypothesis import settings
from hypothesis import strategies as st
from msgspec import inspect

from falcon_pachinko.schema import bare
from pytest_pachinko.strategies.guard import find_apart
from pytest_pachinko.strategies.objects import slots_of
from pytest_pachinko.strategies.registry import custom
from pytest_pachinko.strategies.registry import encode
from pytest_pachinko.strategies.registry import identity_of
from pytest_pachinko.strategies.registry import on_change
from pytest_pachinko.strategies.registry import to_wire
from pytest_pachinko.strategies.schemas import decoder_for
from pytest_pachinko.strategies.schemas import members
from pytest_pachinko.strategies.schemas import origin_of
from pytest_pachinko.strategies.schemas import schema_of
from pytest_pachinko.strategies.types import example_frames
from pytest_pachinko.strategies.types import Place
from pytest_pachinko.strategies.types import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

    from pytest_pachinko.strategies.types import Pool

__all__ = [
    "example_messages",
    "message_variants",
    "messages",
    "simplest_messages",
    "tagged_messages",
    "wire_messages",
]

# The simplest example, of whatever size.
_SIMPLEST = settings(max_examples=200, phases=[Phase.generate, Phase.shrink])


def tagged_messages(schema: Any) -> SearchStrategy[Any]:
    """Make messages as instances, which keep every constraint of their types.

    Each tag is as likely as the others; the first that is declared is the simplest. What a
    ``__post_init__`` refuses is left out, whatever it raises: there is no such instance.

    Args:
        schema: A union of tagged Structs, one of them, or a resource with a ``schema``.

    Raises:
        PachinkoUsageError: Messages cannot be made; it names the Struct and the field.
    """
    return messages(schema, wire=False)


def wire_messages(schema: Any) -> SearchStrategy[Any]:
    """Make messages as wire data, in every form that their types allow.

    Fields with defaults may be absent, keys come in any order, and fields that a Struct does not
    know occur unless it forbids them. The simplest have the required fields only, as declared.
    What a ``__post_init__`` refuses with ``ValueError`` or ``TypeError`` is left out; where it
    raises something else it is broken, and such messages occur, so that a test finds it.

    Args:
        schema: A union of tagged Structs, one of them, or a resource with a ``schema``.

    Raises:
        PachinkoUsageError: Messages cannot be made; it names the Struct and the field.
    """
    return messages(schema, wire=True)


def messages(schema: Any, *, wire: bool, pool: Pool | None = None) -> SearchStrategy[Any]:
    """Make messages; the same arguments give the same strategy.

    Args:
        schema: A union of tagged Structs, one of them, or a resource with a ``schema``.
        wire: Whether as wire data (dict, or list for ``array_like``); else as instances.
        pool: May replace the strategy of each id-like scalar: see ``Pool``.

    Raises:
        PachinkoUsageError: Messages cannot be made; it names the Struct and the field.
    """
    return _union(*identity_of(schema_of(schema)), wire=wire, pool=pool)


def message_variants(
    schema: Any, *, wire: bool, pool: Pool | None = None
) -> tuple[SearchStrategy[Any], ...]:
    """Return a strategy for the messages of each tag, in the order of declaration.

    Args:
        schema: As for ``messages``.
        wire: As for ``messages``.
        pool: As for ``messages``.

    Raises:
        PachinkoUsageError: Messages cannot be made; it names the Struct and the field.
    """
    return _variants(*identity_of(schema_of(schema)), wire=wire, pool=pool)


def simplest_messages(schema: Any) -> list[Any]:
    """Return the simplest instance of each message, as declared.

    Args:
        schema: A union of tagged Structs, one of them, or a resource with a ``schema``.

    Raises:
        PachinkoUsageError: Messages cannot be made; it names the Struct and the field.
    """
    return [
        find_apart(strategy, lambda _: True, _SIMPLEST)
        for strategy in _variants(*identity_of(schema_of(schema)), wire=False, pool=None)
    ]


def example_messages(schema: Any) -> list[Any]:
    """Return a message for each of the ``examples`` that ``Meta`` gives of a message or its fields.

    Args:
        schema: A union of tagged Structs, one of them, or a resource with a ``schema``.

    Raises:
        PachinkoUsageError: Messages cannot be made; it names the Struct and the field.
    """
    decode = decoder_for(schema_of(schema)).decode
    found = []
    for info, simplest in zip(members(schema), simplest_messages(schema), strict=True):
        for wire in _with_examples(info, to_wire(simplest)):
            try:
                found.append(decode(encode(wire)))
            except msgspec.ValidationError:  # the Struct wants something of the rest as well
                continue
            except Exception:  # noqa: BLE001 - a __post_init__ that breaks, as a play shows
                found.append(wire)
    return found


def _with_examples(info: Any, simplest: Any) -> Iterator[Any]:
    struct = bare(info)
    name = origin_of(struct.cls).__name__
    for frame in example_frames(info, name):
        yield msgspec.json.decode(frame)
    for at, slot in enumerate(slots_of(struct), start=1):
        for frame in example_frames(slot.info, f"{name}.{slot.field}"):
            value = msgspec.json.decode(frame)
            if struct.array_like:
                yield [*simplest[:at], value, *simplest[at + 1 :]]
            else:
                yield simplest | {slot.key: value}


@lru_cache(maxsize=64)
def _variants(
    schema: Any, _: tuple[Any, ...], *, wire: bool, pool: Pool | None
) -> tuple[SearchStrategy[Any], ...]:
    infos = members(schema)
    walk = Walk(inspect.UnionType(tuple(infos)), wire=wire, pool=pool)
    strategies = []
    for info in infos:
        cls = origin_of(bare(info).cls)
        strategy = walk.make(info, Place(cls.__name__))
        if isinstance(info, inspect.Metadata) or custom(cls):
            # `one_of` would take each of its branches for a variant.
            strategy = st.tuples(strategy).map(itemgetter(0))
        strategies.append(strategy)
    return tuple(strategies)


@lru_cache(maxsize=64)
def _union(
    schema: Any, arguments: tuple[Any, ...], *, wire: bool, pool: Pool | None
) -> SearchStrategy[Any]:
    return st.one_of(_variants(schema, arguments, wire=wire, pool=pool))


on_change(_variants.cache_clear)
on_change(_union.cache_clear)
