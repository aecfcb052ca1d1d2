"""Completing futures that somebody may have cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ["pass_on", "ring", "wake"]


def ring(waiting: list[asyncio.Future[None]]) -> None:
    """Complete all futures, and forget them."""
    for future in waiting:
        if not future.done():
            future.set_result(None)
    waiting.clear()


def wake(future: asyncio.Future[None] | None) -> None:
    """Complete a future, unless it is done."""
    if future is not None and not future.done():
        future.set_result(None)


def pass_on(future: asyncio.Future[None], _: object) -> None:
    """Complete a future when another one is done: ``add_done_callback(partial(pass_on, ...))``."""
    wake(future)
