"""What a schema makes of a frame, and where the messages come from that are changed.

The decoder that refuses a frame here is the one that knows the registered types, so what is
called invalid is what an application would refuse.
"""

from __future__ import annotations

from random import Random
from typing import Any
from typing import TYPE_CHECKING

import msgspec
from hypothesis import find
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import settings
from msgspec import inspect

from pytest_pachinko.places import every_type
from pytest_pachinko.places import once
from pytest_pachinko.places import Place
from pytest_pachinko.places import places_of
from pytest_pachinko.strategies.mutations import reach
from pytest_pachinko.strategies.registry import on_change
from pytest_pachinko.strategies.types import decoder_for
from pytest_pachinko.strategies.types import strategy_of
from pytest_pachinko.strategies.types import variants

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_pachinko.places import Location
    from pytest_pachinko.places import Shape
    from pytest_pachinko.places import Step
    from pytest_pachinko.places import Tag
    from pytest_pachinko.strategies.values import Make

    Info = inspect.Type

__all__ = ["Oracle", "as_frame", "encoded", "oracle_for"]

_encode = msgspec.json.Encoder().encode

# One example, the simplest, of whatever size.
_FIRST = settings(
    database=None,
    deadline=None,
    max_examples=200,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Oracle:
    """What is known of a schema.

    Attributes:
        root: The place of a message.
        variants: What msgspec says of the messages, by tag.
        tag_step: Where messages carry their tag.
    """

    __slots__ = ("_decode", "_simplest", "_strategies", "root", "tag_step", "variants")

    def __init__(self, schema: Any) -> None:
        infos = variants(schema)
        self.root = places_of(infos[0] if len(infos) == 1 else inspect.UnionType(infos))
        self.variants: dict[Tag, Info] = {info.tag: info for info in infos}  # type: ignore[misc]
        self.tag_step: Step = 0 if infos[0].array_like else str(infos[0].tag_field)
        self._decode = decoder_for(schema).decode
        # By identity: types are not hashable, and the root keeps them alive.
        self._strategies: dict[int, SearchStrategy[Any]] = {}
        self._simplest: dict[int, Any] = {}
        # All of them before an example is drawn: making a strategy may try it out.
        for info in (*infos, *every_type(self.root)):
            self.strategy(info)

    def refusal(self, frame: str | bytes) -> str | None:
        """Return what the decoder has against a frame; None if it is a message."""
        try:
            self._decode(frame)
        except Exception as error:  # noqa: BLE001 - a Struct may raise anything
            return str(error)[:_LONGEST] or type(error).__name__
        return None

    def strategy(self, info: Info) -> SearchStrategy[Any]:
        """Return the strategy for the wire data of a type."""
        known = self._strategies.get(id(info))
        if known is None:
            known = strategy_of(info, wire=True, path=_name(info))
            self._strategies[id(info)] = known
        return known

    def simplest(self, info: Info) -> Any:
        """Return the simplest wire data of a type.

        Raises:
            hypothesis.errors.HypothesisException: There is none.
        """
        if id(info) not in self._simplest:
            self._simplest[id(info)] = find(
                self.strategy(info),
                lambda _: True,
                settings=_FIRST,
                random=Random(0),  # noqa: S311 - nothing secret
            )
        return self._simplest[id(info)]

    def reach(
        self, message: Any, place: Place, shape: Shape | None, make: Make
    ) -> tuple[Any, Location, Any] | None:
        """Return a valid message that has something in a place: see ``mutations.reach``."""
        found = reach(message, place, shape, make)
        # What was added may be wrong for the Struct as a whole.
        if found is None or found[0] == message or self.refusal(_encode(found[0])) is None:
            return found
        return None


_LONGEST = 500  # an error may quote the frame


def as_frame(raw: str | bytes) -> str | bytes:
    """Return a frame as text if it is text."""
    if isinstance(raw, str) or not raw:
        return raw
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def encoded(value: Any) -> bytes:
    """Return plain wire data, which may hold raw JSON, as JSON."""
    return _encode(value)


def _name(info: Info) -> str:
    return getattr(getattr(info, "cls", None), "__name__", type(info).__name__)


@once
def oracle_for(schema: Any) -> Oracle:
    """Return the oracle of a schema."""
    return Oracle(schema)


on_change(oracle_for.forget)
