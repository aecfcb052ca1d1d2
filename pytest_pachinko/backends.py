"""A backend in memory that can be made to fail for a while."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager
from typing import Any
from typing import TYPE_CHECKING

from falcon_pachinko.errors import BackendError
from falcon_pachinko.manager.memory import MemoryBackend
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.faults import context_of_the_test
from pytest_pachinko.faults import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Iterator

    from falcon_pachinko.manager.backend import Deliver
    from falcon_pachinko.manager.backend import Interrupted

__all__ = ["FaultyBackend"]


class FaultyBackend(MemoryBackend):
    """A ``MemoryBackend`` whose faults are blocks: what a block begins ends with it.

    Blocks of one kind may be nested: delays add up, a node is offline as long as one block
    says so, and of losses and partitions the innermost counts. A node is named by its name, or by
    what has one: a manager, a ``Node`` of a cluster.

    Attributes:
        counts: How many payloads were ``"published"``, the beats of managers among them, how
            many of them were ``"lost"``, and how many calls were ``"refused"`` because their node
            was offline.

    Example::

        with websocket_backend.late(2), websocket_backend.offline("here"):
            ...
    """

    def __init__(self) -> None:
        super().__init__()
        self._losses: list[_Losses] = []
        self._delays: list[float] = []
        self._offline: Counter[str] = Counter()
        self._partitions: list[tuple[tuple[str, ...], ...]] = []
        self.counts: Counter[str] = Counter()

    async def start(self, node: str, deliver: Deliver, interrupted: Interrupted) -> None:
        """Attach a node.

        Raises:
            BackendError: There is a node of that name.
        """
        await super().start(node, deliver, interrupted)
        self._set_offline([node])

    async def publish(self, node: str, topic: str, payload: bytes) -> None:
        """Send a payload to all subscribers of a topic, unless it is to be lost.

        Raises:
            BackendError: The node is not attached, or offline.
        """
        try:
            self._reachable(node)
        except BackendError:
            self.counts["refused"] += 1
            raise
        self.counts["published"] += 1
        if self._losses and self._losses[-1].take(node):
            self._to_drop += 1
        if self._to_drop:
            self.counts["lost"] += 1
        await super().publish(node, topic, payload)

    def heal(self) -> None:
        """End every fault, also those of blocks that have not ended."""
        self._losses.clear()
        self._delays.clear()
        self._offline.clear()
        self._partitions.clear()
        super().heal()

    @contextmanager
    def losing(self, count: int | None = None, *, of: Any = None) -> Iterator[None]:
        """Lose payloads on their way; whoever publishes them does not notice.

        Args:
            count: How many; all of them if not given.
            of: The node that publishes; any if not given.

        Raises:
            PachinkoUsageError: It is no number.
        """
        if count is not None and (not isinstance(count, int) or count < 1):
            raise PachinkoUsageError(f"losing({count!r}): a number of payloads, 1 or more.")
        node = None if of is None else _name(of)
        losses = _Losses(sys.maxsize if count is None else count, node)
        self._losses.append(losses)
        try:
            yield
        finally:
            _forget(self._losses, losses)

    @contextmanager
    def late(self, seconds: float) -> Iterator[None]:
        """Let each payload take so long, in order.

        What waits for a frame lets that time pass. What is under way when the block ends arrives
        as late as it was to.

        Raises:
            PachinkoUsageError: It is no time.
        """
        self._delays.append(seconds_of(seconds))
        self._delay()
        try:
            yield
        finally:
            _forget(self._delays, seconds)
            self._delay()

    @contextmanager
    def offline(self, *nodes: Any) -> Iterator[None]:
        """Let nodes neither publish, which is a ``BackendError`` then, nor hear anything.

        Raises:
            PachinkoUsageError: There is no such node.
        """
        names = self._names(nodes, "offline")
        self._offline.update(names)
        self._set_offline(names)
        try:
            yield
        finally:
            # What has been healed meanwhile is not offline any more, nor less than that.
            self._offline -= Counter(names)
            self._set_offline(names)

    @contextmanager
    def partitioned(self, *islands: Iterable[Any]) -> Iterator[None]:
        """Let only the nodes of one island hear each other; the others are on one more.

        Args:
            *islands: The nodes of each.

        Raises:
            PachinkoUsageError: There is no such node.
        """
        named = tuple(tuple(self._names(nodes, "partitioned")) for nodes in islands)
        self._partitions.append(named)
        self.partition(*named)
        try:
            yield
        finally:
            _forget(self._partitions, named)
            outer = self._partitions[-1] if self._partitions else ()
            # Who has left meanwhile is on no island.
            self.partition(*(filter(self._nodes.__contains__, nodes) for nodes in outer))

    def _delay(self) -> None:
        # The test makes the way long: it is the test that waits for what arrives.
        context_of_the_test().run(self.delay, sum(self._delays))

    def _set_offline(self, names: list[str]) -> None:
        for name in filter(self._nodes.__contains__, names):
            (self.disconnect if self._offline[name] > 0 else self.reconnect)(name)

    def _names(self, nodes: Iterable[Any], verb: str) -> list[str]:
        names = [_name(node) for node in nodes]
        for name in names:
            if name not in self._nodes:
                known = ", ".join(map(repr, self._nodes)) or "none yet"
                raise PachinkoUsageError(
                    f"{verb}(): there is no node {name!r}; they are: {known}.\n"
                    "Hint: a manager is one once its application has started, with the first "
                    "session that is opened to it for example."
                )
        return names


class _Losses:
    """What is to be lost yet."""

    def __init__(self, count: int, node: str | None) -> None:
        self._left = count
        self._node = node

    def take(self, node: str) -> bool:
        """Return whether what a node publishes is lost."""
        if not self._left or self._node not in (None, node):
            return False
        self._left -= 1
        return True


def _forget(active: list[Any], fault: Any) -> None:
    """Take a fault away, unless everything has been healed before."""
    if fault in active:
        active.remove(fault)


def _name(node: Any) -> str:
    """Return the name of a node: it is one, has one, or has a manager that has one."""
    if isinstance(node, str):
        return node
    name = getattr(getattr(node, "manager", node), "node", None)
    if not isinstance(name, str):
        raise PachinkoUsageError(
            f"{node!r} is no node of a backend.\nHint: websocket_manager, or manager.node"
        )
    return name
