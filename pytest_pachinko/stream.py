"""What peers do to an application, as data. Pure.

A stream is a list of steps. A step names its connection by number; a connection is opened by the
first step that needs it, and again by a step that comes after its end, so that a stream from which
steps are taken away is a stream still. That is what makes failures shrink.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import overload

import msgspec

__all__ = [
    "ENCODERS",
    "Drop",
    "InvalidFrame",
    "Leave",
    "Open",
    "Peer",
    "Send",
    "Step",
    "Stream",
    "Wait",
    "encode_custom",
    "first_offer",
    "frame_of",
    "messages_of",
    "plain_params",
]

ENCODERS: dict[type, Callable[[Any], Any]] = {}
"""For types that msgspec does not know: from a value to what it can encode."""


def encode_custom(value: Any) -> Any:
    """Return what msgspec can encode for a value that it cannot.

    Raises:
        NotImplementedError: Nobody has said how it crosses the wire.
    """
    for cls in type(value).__mro__:
        if cls in ENCODERS:
            return ENCODERS[cls](value)
    raise NotImplementedError(
        f"strategies.register_type({type(value).__name__}, ...) says how it crosses the wire."
    )


_encode = msgspec.json.Encoder(enc_hook=encode_custom).encode


class InvalidFrame(msgspec.Struct, frozen=True):
    """A frame that a schema does not allow, and what is wrong with it.

    Attributes:
        raw: The frame as it is sent.
        operator: What was done to a valid message, such as ``"too_long"``.
        path: Where, such as ``"say.text"``; empty for the frame as a whole.
        error: What the decoder says of it.
    """

    raw: str | bytes
    operator: str
    path: str
    error: str


class Open(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A peer connects; nothing if it is connected already.

    Attributes:
        on: The number of the connection.
    """

    on: int = 1


class Send(msgspec.Struct, frozen=True):
    """A peer sends a frame.

    Attributes:
        message: A Struct, dict or list, which is sent as JSON text; ``str`` or ``bytes``, which
            is sent as it is; or an ``InvalidFrame``.
        on: The number of the connection.
        turns: How often the application has its turn before the next step; as long as it wants
            if None.
    """

    message: Any
    on: int = 1
    turns: int | None = None

    def __repr__(self) -> str:
        """Return what makes the step, the message first."""
        on = f", on={self.on}" if self.on != 1 else ""
        turns = f", turns={self.turns}" if self.turns is not None else ""
        return f"Send({self.message!r}{on}{turns})"


class Leave(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A peer closes its connection; nothing if it is not connected.

    Attributes:
        code: The close code (RFC 6455, section 7.4).
        on: The number of the connection.
    """

    code: int = 1000
    on: int = 1


class Drop(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A peer vanishes without a close, which the application sees as 1006.

    Attributes:
        after: How many more frames reach it before, from when the application rests. It is
            connected for that if it is not. 0 to vanish at once.
        on: The number of the connection.
    """

    after: int = 0
    on: int = 1


class Wait(msgspec.Struct, frozen=True):
    """Time passes for everybody.

    Attributes:
        seconds: How long, in virtual time.
    """

    seconds: float


Step = Open | Send | Leave | Drop | Wait


class Peer(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """How a connection is opened.

    Attributes:
        params: What stands in the fields of the path's template.
        subprotocols: What the peer offers.
        headers: Headers of its request.
    """

    params: dict[str, Any] = {}
    subprotocols: tuple[str, ...] = ()
    headers: dict[str, str] = {}


class Stream(Sequence[Step]):
    """A list of steps, and how their connections are opened.

    Args:
        steps: The steps; a message that is no step is sent on the first connection.
        peers: How the first connection is opened, the second, and so on.
    """

    __slots__ = ("peers", "steps")

    def __init__(self, steps: Iterable[Any] = (), peers: Iterable[Peer] = ()) -> None:
        self.steps = [step if isinstance(step, Step) else Send(step) for step in steps]
        self.peers = list(peers)

    @overload
    def __getitem__(self, index: int) -> Step: ...

    @overload
    def __getitem__(self, index: slice) -> Stream: ...

    def __getitem__(self, index: int | slice) -> Step | Stream:
        """Return a step, or a stream of some steps of the same connections."""
        if isinstance(index, slice):
            return Stream(self.steps[index], self.peers)
        return self.steps[index]

    def __iter__(self) -> Iterator[Step]:
        """Iterate over the steps."""
        return iter(self.steps)

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.steps)

    def __eq__(self, other: object) -> bool:
        """Compare with another stream."""
        if not isinstance(other, Stream):
            return NotImplemented
        return (self.steps, self.peers) == (other.steps, other.peers)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return what makes the stream."""
        peers = f", peers={self.peers!r}" if self.peers else ""
        return f"Stream({self.steps!r}{peers})"

    def peer(self, number: int) -> Peer:
        """Return how a connection is opened; like the last one that is known, if it is beyond."""
        return self.peers[min(number, len(self.peers)) - 1] if self.peers else _PEER


_PEER = Peer()


def first_offer(peer: Peer) -> str | None:
    """Return the subprotocol that a peer would rather have than the others, if it offers any."""
    return peer.subprotocols[0] if peer.subprotocols else None


def plain_params(peer: Peer) -> dict[str, Any]:
    """Return a peer's fields, with the text of what has neither a source nor a place in JSON."""
    return {
        name: value if type(value) in (str, int, float, bool) else str(value)
        for name, value in peer.params.items()
    }


def frame_of(message: Any) -> str | bytes:
    """Return what crosses the wire for a message.

    Raises:
        TypeError: It cannot be sent.
    """
    if isinstance(message, str | bytes):
        return message
    if isinstance(message, InvalidFrame):
        return message.raw
    if isinstance(message, msgspec.Struct | dict | list):
        return _encode(message).decode()
    raise TypeError(
        f"A stream sends a Struct, dict, list, str, bytes or InvalidFrame, not "
        f"{type(message).__name__}."
    )


def messages_of(stream: Iterable[Any]) -> list[Any]:
    """Return the messages of a stream, in order, without its other steps."""
    return [step.message for step in Stream(stream) if isinstance(step, Send)]
