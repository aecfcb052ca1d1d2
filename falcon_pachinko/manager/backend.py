"""What moves bytes between processes, by topic. It knows no sockets, rooms or messages."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Backend", "Deliver", "Health", "Interrupted"]

Deliver = Callable[[str, bytes], None]
"""Takes a topic and a payload. It only hands them on: it neither waits nor raises."""

Interrupted = Callable[[], None]
"""Is told that a node can hear again, after it could not: what was said meanwhile may be lost."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a backend is.

    Attributes:
        ok: Whether a message can be published.
        detail: Why not.
    """

    ok: bool
    detail: str = ""


class Backend(ABC):
    """Moves bytes between nodes, by topic.

    A node is a manager; several may share one backend. What a node publishes on a topic
    reaches every subscriber of it in that order and at most once, the node itself included.
    Each call of ``publish`` takes its place in that order before it waits for anything.

    A backend that loses its way to the others comes back by itself, as soon as it can.
    """

    @abstractmethod
    async def start(self, node: str, deliver: Deliver, interrupted: Interrupted) -> None:
        """Attach a node.

        Args:
            node: Its name, which no other has.
            deliver: Called with what arrives for it.
            interrupted: Called when it can hear again, after it could not.

        Raises:
            BackendError: There is a node of that name.
        """

    @abstractmethod
    async def stop(self, node: str) -> None:
        """Detach a node; what it had subscribed to is forgotten."""

    @abstractmethod
    async def publish(self, node: str, topic: str, payload: bytes) -> None:
        """Send a payload to all subscribers of a topic.

        Raises:
            BackendError: It was not taken, and nobody gets it; or nobody knows if they do,
                because there was no answer in time.
            PayloadTooLargeError: It is longer than the backend carries.
        """

    @abstractmethod
    async def subscribe(self, node: str, *topics: str) -> None:
        """Let what is published on topics, from the return of this on, reach a node."""

    @abstractmethod
    async def unsubscribe(self, node: str, *topics: str) -> None:
        """Undo ``subscribe``; what is on its way may still arrive."""

    @abstractmethod
    async def health(self, node: str) -> Health:
        """Say whether a node can publish."""
