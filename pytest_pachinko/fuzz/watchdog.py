"""Stopping code that never gives way: an endless loop without an ``await``."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.errors import Stalled

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

__all__ = ["watchdog"]


class Stopped(BaseException):
    """Raised in code that has caught ``Stalled`` and goes on: fewer catch this."""


@contextmanager
def watchdog(seconds: float, turns: Callable[[], float]) -> Iterator[list[str]]:
    """Raise in whatever runs without giving way to the event loop for too long.

    It needs the main thread, a system with ``SIGALRM``, and that nobody else uses that; it does
    nothing otherwise.

    Args:
        seconds: Seconds of real time.
        turns: Returns how often the event loop had its turn.

    Yields:
        What was raised so far, in words: the code that ran may have caught it.

    Raises:
        Stalled: The time is over. Its traceback ends in the code that ran.
    """
    barks: list[str] = []
    if (
        threading.current_thread() is not threading.main_thread()
        or not hasattr(signal, "setitimer")
        or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL
    ):
        yield barks
        return
    last = turns()

    def bark(*_: Any) -> None:
        nonlocal last
        now = turns()
        if now != last:
            last = now  # it gives way, and just takes its time
            return
        barks.append(
            f"The application has run for {seconds:g} s without giving way: a loop without an "
            "await, or a call that blocks."
        )
        raise Stalled(barks[-1]) if len(barks) == 1 else Stopped(barks[-1])

    signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield barks
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
