"""The least that drives an ASGI WebSocket application, to measure what is behind it.

Nothing of ours or of a toolkit is in it: no trace, no bounds, no clock. So the times are
nearly all the application's, and a ratio of two is not watered down by the client.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import Any
from typing import TYPE_CHECKING

from falcon.testing import create_scope_ws

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Sequence

__all__ = ["BareClient"]


class BareClient:
    """A connection.

    Attributes:
        answers: What the application sent and nobody took, the oldest first.
    """

    def __init__(self) -> None:
        self.answers: list[str] = []
        self._events: deque[dict[str, Any]] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 0

    @classmethod
    @asynccontextmanager
    async def connected(cls, app: Any, path: str) -> AsyncIterator[BareClient]:
        """Connect to an application; let it finish at the end."""
        client = cls()
        client._put({"type": "websocket.connect"})
        task = asyncio.create_task(app(create_scope_ws(path), client._receive, client._send))
        yield client
        client._put({"type": "websocket.disconnect", "code": 1000})
        await task

    async def exchange(self, frames: Sequence[str]) -> list[str]:
        """Send frames, all at once, and wait for an answer to each."""
        for frame in frames:
            self._put({"type": "websocket.receive", "text": frame})
        self._wanted = len(frames)
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
        answers, self.answers = self.answers, []
        return answers

    def _put(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def _receive(self) -> dict[str, Any]:
        if not self._events:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._events.popleft()

    async def _send(self, event: dict[str, Any]) -> None:
        if event["type"] == "websocket.send":
            self.answers.append(event["text"])
            if len(self.answers) == self._wanted:
                self._waiter.set_result(None)
