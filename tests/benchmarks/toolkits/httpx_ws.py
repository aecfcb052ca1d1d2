"""httpx-ws with its ``ASGIWebSocketTransport``."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from typing import TYPE_CHECKING

import httpx
from httpx_ws import aconnect_ws
from httpx_ws.transport import ASGIWebSocketTransport

from tests.benchmarks.toolkits.starlette_app import make_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Callable

__all__ = ["client"]


@asynccontextmanager
async def client() -> AsyncIterator[Callable[[], Any]]:
    """See ``tests.benchmarks.toolkits``."""
    async with httpx.AsyncClient(transport=ASGIWebSocketTransport(app=make_app())) as http:
        yield partial(aconnect_ws, "http://testserver/echo", http)
