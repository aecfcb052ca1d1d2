"""Falcon's own: ``falcon.testing.ASGIConductor``."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from typing import TYPE_CHECKING

from falcon.testing import ASGIConductor

from tests.benchmarks.toolkits.falcon_app import make_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Callable

__all__ = ["client"]


@asynccontextmanager
async def client() -> AsyncIterator[Callable[[], Any]]:
    """See ``tests.benchmarks.toolkits``."""
    async with ASGIConductor(make_app()) as conductor:
        yield partial(conductor.simulate_ws, "/echo")
