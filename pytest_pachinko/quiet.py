"""Knowing that nothing more happens by itself, on any event loop."""

from __future__ import annotations

import asyncio

from pytest_pachinko.clock.adopt import clock_of

__all__ = ["settle"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

_TURNS = 100


async def settle() -> None:
    """Let the event loop run until nothing can run without time passing.

    On a loop that cannot be put on virtual time, that is taken for granted after some turns.
    """
    clock = clock_of(asyncio.get_running_loop())
    if clock is not None:
        await clock.quiescent()
        return
    for _ in range(_TURNS):
        await asyncio.sleep(0)
