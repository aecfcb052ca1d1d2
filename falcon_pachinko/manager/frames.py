"""What managers say to each other: versioned, typed, and never pickled.

A frame is a msgpack array. Names are bytes in it, because a name may be any text and
msgpack's text is UTF-8.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated
from typing import Any
from typing import TYPE_CHECKING

import msgspec

from falcon_pachinko.errors import TargetError
from falcon_pachinko.manager.targets import All
from falcon_pachinko.manager.targets import And
from falcon_pachinko.manager.targets import Connection
from falcon_pachinko.manager.targets import Label
from falcon_pachinko.manager.targets import Not
from falcon_pachinko.manager.targets import Or
from falcon_pachinko.manager.targets import Room
from falcon_pachinko.manager.targets import Target
from falcon_pachinko.manager.targets import User

if TYPE_CHECKING:
    from falcon_pachinko.manager.targets import LabelValue

__all__ = [
    "VERSION",
    "Beat",
    "Close",
    "Frame",
    "FrameError",
    "Leave",
    "Order",
    "Send",
    "decode",
    "encode",
    "from_wire",
    "to_wire",
]

VERSION = 1

_DEEPEST = 64
"""How deep a target may be nested: what is deeper would find an end of the stack somewhere."""

_Version = Annotated[int, msgspec.Meta(ge=0, le=255)]


class FrameError(ValueError):
    """What is no frame. The text says why, in one of a few ways and without the payload."""


class Send(msgspec.Struct, frozen=True, array_like=True, tag="send"):
    """Send a text frame.

    Attributes:
        target: To whom, as ``to_wire`` writes it.
        text: The frame.
    """

    target: Any
    text: bytes


class Close(msgspec.Struct, frozen=True, array_like=True, tag="close"):
    """Close connections.

    Attributes:
        target: Which, as ``to_wire`` writes it.
        code: The close code.
        reason: The reason.
    """

    target: Any
    code: int
    reason: str


class Beat(msgspec.Struct, frozen=True, array_like=True, tag="beat"):
    """Say how far the manager is.

    Attributes:
        age: How many seconds its life has lasted.
        ask: Whether the others are to say it of themselves.
    """

    age: float
    ask: bool = False


class Leave(msgspec.Struct, frozen=True, array_like=True, tag="leave"):
    """Say how far the manager is, for the last time.

    Attributes:
        age: How many seconds its life has lasted.
    """

    age: float


Order = Send | Close | Beat | Leave


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """What a manager says to all.

    Attributes:
        version: Of this format.
        node: The manager.
        life: Which of its lives it is in, from ``start`` to ``stop``.
        number: The place of an order among those of that life, from 1 on and without gaps; of
            a beat, the number of the last order.
        order: What is to be done.
    """

    version: _Version
    node: str
    life: str
    number: Annotated[int, msgspec.Meta(ge=0)]
    order: Order


class _Head(msgspec.Struct, array_like=True):
    """What all versions have in common, whatever comes behind it."""

    version: _Version


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)
_head_decoder = msgspec.msgpack.Decoder(_Head)


def encode(frame: Frame) -> bytes:
    """Return a frame as bytes."""
    return _encoder.encode(frame)


def decode(payload: bytes) -> Frame:
    """Return the frame that bytes are.

    Raises:
        FrameError: They are none, or one of another version.
    """
    try:
        frame = _decoder.decode(payload)
    except (RecursionError, msgspec.MsgspecError) as error:
        with suppress(RecursionError, msgspec.MsgspecError):
            _check_version(_head_decoder.decode(payload).version)
        raise FrameError(type(error).__name__) from error
    _check_version(frame.version)
    return frame


def _check_version(version: int) -> None:
    if version != VERSION:
        raise FrameError(f"version {version}, not {VERSION}")


def to_wire(target: Target, depth: int = 0) -> list[Any]:  # noqa: PLR0911 - a table
    """Return a target as plain data.

    Args:
        target: The target.
        depth: In how many others it is.

    Raises:
        TargetError: It is none of ours, or too deep.
    """
    depth += 1
    if depth > _DEEPEST:
        raise TargetError(
            f"A target that is nested more than {_DEEPEST} deep.\n"
            "Hint: a & b & c and a | b | c are flat, in whatever order they are put together."
        )
    match target:
        case All():
            return ["all"]
        case Room(name):
            return ["room", _pack(name)]
        case User(name):
            return ["user", _pack(name)]
        case Connection(id=name):
            return ["connection", _pack(name)]
        case Label(items=items):
            return ["label", [[_pack(key), _pack_value(value)] for key, value in items]]
        case And(parts):
            return ["and", [to_wire(part, depth) for part in parts]]
        case Or(parts):
            return ["or", [to_wire(part, depth) for part in parts]]
        case Not(inner):
            return ["not", to_wire(inner, depth)]
    raise TargetError(
        f"{target!r} is no target.\n"
        'Hint: Room("tea"), User("ann"), Label(region="eu"), Connection(id) or All(), '
        "which compose with &, | and ~."
    )


def from_wire(data: Any, depth: int = 0) -> Target:  # noqa: PLR0911 - a table
    """Return the target that ``to_wire`` has written.

    Args:
        data: What it has written.
        depth: In how many others the target is.

    Raises:
        FrameError: The data is something else.
    """
    depth += 1
    if depth > _DEEPEST:
        raise FrameError("too deep")
    match data:
        case ["all"]:
            return All()
        case ["room", bytes(name)]:
            return Room(_unpack(name))
        case ["user", bytes(name)]:
            return User(_unpack(name))
        case ["connection", bytes(name)]:
            return Connection(_unpack(name))
        case ["label", [_, *_] as items]:
            return Label(**dict(map(_label, items)))
        case ["and", [_, *_] as parts]:
            return And(tuple(from_wire(part, depth) for part in parts))
        case ["or", [_, *_] as parts]:
            return Or(tuple(from_wire(part, depth) for part in parts))
        case ["not", inner]:
            return Not(from_wire(inner, depth))
    raise FrameError("no target")


def _label(item: Any) -> tuple[str, LabelValue]:
    match item:
        case [bytes(key), bytes(value)]:
            return _unpack(key), _unpack(value)
        case [bytes(key), int(value)]:
            return _unpack(key), value
    raise FrameError("no label")


def _pack(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _pack_value(value: LabelValue) -> bytes | int:
    # msgspec refuses what is an int by inheritance.
    return _pack(value) if isinstance(value, str) else int(value)


def _unpack(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")
