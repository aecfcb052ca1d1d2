"""Hooks of a manager that are async."""

from __future__ import annotations

import asyncio
from typing import Any
from typing import TYPE_CHECKING

import pytest

from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko.manager.outbox import Loss
from falcon_pachinko.manager.telling import MOST

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.asyncio

LOSS = Loss("x", "overflow", 1, 2)


class Slow:
    """An async hook that ends when it is let."""

    def __init__(self) -> None:
        self.calls = 0
        self.let = asyncio.Event()

    async def __call__(self, loss: Loss) -> None:
        self.calls += 1
        await self.let.wait()

    async def end(self) -> None:
        self.let.set()
        await asyncio.sleep(0)  # they end
        await asyncio.sleep(0)  # and that is heard of
        self.let.clear()


async def lose(manager: WebSocketConnectionManager, times: int) -> None:
    for _ in range(times):
        manager._lose(LOSS)
    await asyncio.sleep(0)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def manager(slow: Slow) -> WebSocketConnectionManager:
    return WebSocketConnectionManager(on_loss=slow)


async def test_calls_that_do_not_end_have_a_bound(
    manager: WebSocketConnectionManager, slow: Slow
) -> None:
    await lose(manager, MOST + 10)

    assert slow.calls == MOST
    assert manager.stats.lost == MOST + 10


async def test_that_calls_are_left_out_is_logged_once(
    manager: WebSocketConnectionManager, caplog: pytest.LogCaptureFixture
) -> None:
    await lose(manager, MOST + 10)

    assert caplog.text.count("on_loss is left out: 1000 calls have not ended") == 1


async def test_a_hook_is_called_again_when_its_calls_have_ended(
    manager: WebSocketConnectionManager, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    await lose(manager, MOST + 10)
    await slow.end()
    await lose(manager, MOST + 10)

    assert slow.calls == 2 * MOST
    assert caplog.text.count("on_loss is left out") == 2


async def test_a_hook_that_is_slow_does_not_keep_another_from_being_called(
    manager: WebSocketConnectionManager,
) -> None:
    other: list[Any] = []
    hear: Callable[[Loss], None] = other.append
    await lose(manager, MOST + 1)

    await lose(WebSocketConnectionManager(on_loss=hear), 1)

    assert other == [LOSS]
