"""The fixtures that run in the event loop of a test, where pytest-asyncio runs it.

An async fixture runs in the loop of a scope that is fixed where it is declared, and a test
in the loop of the scope that its marker says. So there is one of each kind for every scope,
and the public fixtures, which are plain functions, ask for the one that fits.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any
from typing import TYPE_CHECKING

import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_pachinko.clock import VirtualClock
    from pytest_pachinko.live import LiveServer
    from pytest_pachinko.simulator import WebSocketSimulator

SCOPES: tuple[Any, ...] = ("function", "class", "module", "package", "session")


def _declare(scope: Any) -> None:
    @pytest_asyncio.fixture(loop_scope=scope, name=f"_pachinko_stack_{scope}")
    async def stack() -> AsyncIterator[AsyncExitStack]:
        async with AsyncExitStack() as opened:
            yield opened

    @pytest_asyncio.fixture(loop_scope=scope, name=f"_pachinko_simulator_{scope}")
    async def simulator() -> AsyncIterator[WebSocketSimulator]:
        from pytest_pachinko.simulator import WebSocketSimulator

        async with WebSocketSimulator().connected() as connected:
            yield connected

    @pytest_asyncio.fixture(loop_scope=scope, name=f"_pachinko_clock_{scope}")
    async def clock(_pachinko_policy: Any) -> AsyncIterator[VirtualClock]:
        from pytest_pachinko.clock import virtual_time

        with virtual_time(_pachinko_policy) as running:
            yield running

    @pytest_asyncio.fixture(loop_scope=scope, name=f"_pachinko_live_server_{scope}")
    async def live_server(_pachinko_new_server: LiveServer) -> AsyncIterator[LiveServer]:
        async with _pachinko_new_server as running:
            yield running

    globals()[f"_live_server_{scope}"] = live_server
    globals()[f"_clock_{scope}"] = clock
    globals()[f"_stack_{scope}"] = stack
    globals()[f"_simulator_{scope}"] = simulator


for _scope in SCOPES:
    _declare(_scope)
