"""A backend inside one process, with switches that make it fail."""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING

from falcon_pachinko.errors import BackendError
from falcon_pachinko.manager.backend import Backend
from falcon_pachinko.manager.backend import Health

if TYPE_CHECKING:
    from collections.abc import Iterable

    from falcon_pachinko.manager.backend import Deliver
    from falcon_pachinko.manager.backend import Interrupted

__all__ = ["MemoryBackend"]


class _Node:
    __slots__ = ("deliver", "interrupted", "island", "offline", "topics")

    def __init__(self, deliver: Deliver, interrupted: Interrupted) -> None:
        self.deliver = deliver
        self.interrupted = interrupted
        self.topics: set[str] = set()
        self.offline = False
        self.island = 0  # nodes on different islands do not hear each other


class MemoryBackend(Backend):
    """Moves bytes between the managers of one process and one event loop.

    Without a fault, what is published has arrived when ``publish`` returns. The switches
    ``drop``, ``delay``, ``disconnect`` and ``partition`` are for tests; ``reconnect`` undoes one of
    them, and ``heal`` all.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._to_drop = 0
        self._seconds = 0.0
        self._context = copy_context()
        self._late: deque[tuple[_Node, str, bytes]] = deque()
        self._due = 0.0  # when the last of them arrives
        self._loop: asyncio.AbstractEventLoop | None = None  # in which they are to

    async def start(self, node: str, deliver: Deliver, interrupted: Interrupted) -> None:
        """Attach a node.

        Raises:
            BackendError: There is a node of that name.
        """
        if node in self._nodes:
            raise BackendError(f"There is a node {node!r} on this backend already.")
        self._nodes[node] = _Node(deliver, interrupted)

    async def stop(self, node: str) -> None:
        """Detach a node; what is under way to it is lost."""
        self._nodes.pop(node, None)

    async def publish(self, node: str, topic: str, payload: bytes) -> None:
        """Send a payload to all subscribers of a topic.

        Raises:
            BackendError: The node is not attached, or disconnected.
        """
        sender = self._reachable(node)
        if self._to_drop:
            self._to_drop -= 1
            return
        for receiver in list(self._nodes.values()):
            if topic in receiver.topics and receiver.island == sender.island:
                self._carry(receiver, topic, payload)

    async def subscribe(self, node: str, *topics: str) -> None:
        """Let what is published on topics reach a node.

        Raises:
            BackendError: The node is not attached, or disconnected.
        """
        self._reachable(node).topics.update(topics)

    async def unsubscribe(self, node: str, *topics: str) -> None:
        """Undo ``subscribe``.

        Raises:
            BackendError: The node is not attached, or disconnected.
        """
        self._reachable(node).topics.difference_update(topics)

    async def health(self, node: str) -> Health:
        """Say whether a node can publish."""
        try:
            self._reachable(node)
        except BackendError as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True)

    def drop(self, count: int = 1) -> None:
        """Lose the next payloads on their way; whoever publishes them does not notice."""
        self._to_drop = count

    def delay(self, seconds: float) -> None:
        """Let every payload take its time, in order; 0: none."""
        self._seconds = seconds
        # What is under way is of whoever makes the way long, not of who publishes.
        self._context = copy_context()

    def disconnect(self, node: str) -> None:
        """Let a node neither publish, which is an error then, nor hear anything."""
        self._attached(node).offline = True

    def reconnect(self, node: str) -> None:
        """Undo ``disconnect``."""
        found = self._attached(node)
        if found.offline:
            found.offline = False
            found.interrupted()

    def partition(self, *islands: Iterable[str]) -> None:
        """Let only the nodes of one island hear each other; the others are on one more."""
        before = {node: node.island for node in self._nodes.values()}
        for node in before:
            node.island = 0
        for number, names in enumerate(islands, start=1):
            for name in names:
                self._attached(name).island = number
        for node, island in before.items():
            if any(node.island == other.island and island != before[other] for other in before):
                node.interrupted()

    def heal(self) -> None:
        """End every fault; what is under way arrives as late as it was to."""
        self._to_drop = 0
        self._seconds = 0.0
        self.partition()
        for name in list(self._nodes):
            self.reconnect(name)

    def _attached(self, node: str) -> _Node:
        try:
            return self._nodes[node]
        except KeyError:
            raise BackendError(f"There is no node {node!r} on this backend.") from None

    def _reachable(self, node: str) -> _Node:
        found = self._attached(node)
        if found.offline:
            raise BackendError(f"The node {node!r} is disconnected from its backend.")
        return found

    def _carry(self, receiver: _Node, topic: str, payload: bytes) -> None:
        if self._late and self._loop is not asyncio.get_running_loop():
            self._late = deque()  # that one has ended, and nothing of it arrives any more
        if self._seconds or self._late:
            self._loop = loop = asyncio.get_running_loop()
            due = loop.time() + self._seconds
            # Behind what is under way, so that the order is kept.
            self._due = max(due, self._due) if self._late else due
            self._late.append((receiver, topic, payload))
            self._context.run(loop.call_at, self._due, self._arrive, self._late)
        else:
            self._put(receiver, topic, payload)

    def _arrive(self, late: deque[tuple[_Node, str, bytes]]) -> None:
        # Timers may fire in another order than the payloads were published in.
        self._put(*late.popleft())

    def _put(self, receiver: _Node, topic: str, payload: bytes) -> None:
        if not receiver.offline and receiver in self._nodes.values():
            receiver.deliver(topic, payload)
