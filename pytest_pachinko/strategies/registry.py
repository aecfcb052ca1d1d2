"""How values that msgspec does not know are made, and cross the wire."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from functools import partial
from typing import Any
from typing import get_args
from typing import NamedTuple
from typing import TYPE_CHECKING

import msgspec
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.strategies import SearchStrategy

from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.strategies.guard import refuse
from pytest_pachinko.strategies.guard import try_out
from pytest_pachinko.stream import encode_custom
from pytest_pachinko.stream import ENCODERS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Custom",
    "custom",
    "decoder",
    "encode",
    "identity_of",
    "on_change",
    "plain",
    "register_type",
    "resolve",
    "to_wire",
]


class Custom(NamedTuple):
    """How values of a class are made, and cross the wire.

    Attributes:
        strategy: Makes its instances.
        encode: From an instance to what msgspec can encode.
        decode: From what is on the wire to an instance.
    """

    strategy: SearchStrategy[Any]
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


_registered: dict[Any, Custom] = {}  # what users said
_resolved: dict[Any, Custom] = {}  # what Hypothesis knows of other types
_forget: list[Callable[[], None]] = []  # empty what was made with other registrations


def register_type(
    cls: Any,
    strategy: SearchStrategy[Any],
    *,
    encode: Callable[[Any], Any] | None = None,
    decode: Callable[[Any], Any] | None = None,
) -> None:
    """Say how values of a class are made, and how they cross the wire.

    It is used by all strategies that are made from then on: for a type that msgspec does not
    know, and instead of what would be made for a Struct, a dataclass, an Enum.

    Args:
        cls: The class.
        strategy: Makes its instances.
        encode: From an instance to what msgspec can encode, for a type that it does not know;
            ``str`` by default.
        decode: From what is on the wire to an instance, for such a type; by default the class is
            called with it.

    Raises:
        PachinkoUsageError: It is no class, or that is no strategy.
    """
    if not isinstance(cls, type):
        raise PachinkoUsageError(f"register_type() takes a class, not {cls!r}.")
    if not isinstance(strategy, SearchStrategy):
        raise PachinkoUsageError(
            f"register_type({cls.__name__}, ...) takes a Hypothesis strategy, not {strategy!r}."
        )
    _registered[cls] = Custom(strategy, encode or str, decode or cls)
    ENCODERS[cls] = encode or str
    for forget in _forget:
        forget()


def on_change(forget: Callable[[], None]) -> None:
    """Have a cache emptied whenever a type is registered."""
    _forget.append(forget)


def custom(cls: Any) -> Custom | None:
    """Return what was registered for a class."""
    return _registered.get(cls)


def resolve(cls: Any, path: str) -> Custom:
    """Return how values of a type are made that msgspec does not know and nobody registered.

    Raises:
        PachinkoUsageError: Hypothesis does not know it either.
    """
    name = getattr(cls, "__name__", repr(cls))
    hint = (
        f"strategies.register_type({name}, strategy, encode=..., decode=...) says how it is made "
        "and crosses the wire."
    )
    try:
        strategy = st.from_type(cls)
        strategy.validate()
    except (HypothesisException, TypeError) as error:
        raise refuse(path, f"msgspec and Hypothesis do not know {name}.", hint) from error

    # Whoever registers a type says how it crosses the wire; what is guessed has to prove itself.
    if cls not in _resolved and (lost := _lost(cls, strategy)):
        raise refuse(path, f"{name}(str(value)) is not the value for {lost[0]!r}.", hint)
    ENCODERS.setdefault(cls, str)
    return _resolved.setdefault(cls, Custom(strategy, str, cls))


def _lost(cls: Any, strategy: SearchStrategy[Any]) -> list[Any]:
    """Return a value, if there is one, that is not made again of its text."""
    lost = []

    def is_lost(value: Any) -> bool:
        with suppress(Exception):
            if cls(str(value)) == value:
                return False
        lost.append(value)
        return True

    try_out(strategy, is_lost)
    return lost


def _decode_custom(cls: Any, value: Any) -> Any:
    found = _registered.get(cls)
    if found is None and cls is object:
        return value  # as without a hook
    return found.decode(value) if found else cls(value)


encode = msgspec.json.Encoder(enc_hook=encode_custom).encode

# Like `to_wire`, but quicker, for what holds no Raw.
plain = partial(msgspec.to_builtins, str_keys=True, enc_hook=encode_custom)


def to_wire(message: Any) -> Any:
    """Return a message as wire data: dicts, lists and scalars, as JSON has them."""
    return msgspec.json.decode(encode(message))


def identity_of(annotation: Any) -> tuple[Any, ...]:
    """Return what tells annotations apart: ``A | B`` equals ``B | A``, in another order."""
    return annotation, get_args(annotation)


def decoder(annotation: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a type, which knows the registered types; the same one each time."""
    return _decoder(*identity_of(annotation))


@lru_cache(maxsize=256)
def _decoder(annotation: Any, _: tuple[Any, ...]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(annotation, dec_hook=_decode_custom)
