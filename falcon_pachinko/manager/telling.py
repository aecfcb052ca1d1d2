"""Telling the application what a manager has seen: hooks that may be async."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable

__all__ = ["MOST", "Hook"]

MOST = 1000
"""How many calls of one async hook may be under way."""

_logger = logging.getLogger("falcon_pachinko")


class Hook:
    """Calls a function of the application; what it raises is logged.

    A slow peer can cause a call with each message. While ``MOST`` of them have not ended, further
    ones are left out; that is logged, and not again before all have ended.

    Args:
        name: What the log says.
    """

    __slots__ = ("_full", "_name", "_running")

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: set[asyncio.Task[None]] = set()  # a loop holds its tasks weakly
        self._full = False

    def __call__(self, function: Callable[[Any], object] | None, fact: Any) -> None:
        """Tell a function something; if it is async, the rest of it runs as a task."""
        if function is None:
            return
        if len(self._running) >= MOST:
            if not self._full:
                self._full = True
                _logger.error("%s is left out: %s calls have not ended", self._name, MOST)
            return
        try:
            result = function(fact)
        except Exception:
            _logger.exception("%s failed", self._name)
            return
        if inspect.isawaitable(result):
            task = asyncio.get_running_loop().create_task(self._finish(result), name=self._name)
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _finish(self, work: Awaitable[object]) -> None:
        try:
            await work
        except Exception:
            _logger.exception("%s failed", self._name)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._full = self._full and bool(self._running)
