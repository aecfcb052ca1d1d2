"""Stopping code that never gives way: an endless loop without an ``await``."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.errors import Stalled

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["watchdog"]


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """Raise in whatever runs when the block has taken too long.

    It needs the main thread, a system with ``SIGALRM``, and that nobody else uses that; it does
    nothing otherwise.

    Args:
        seconds: Seconds of real time.

    Raises:
        Stalled: The time is over. Its traceback ends in the code that ran.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or not hasattr(signal, "setitimer")
        or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL
    ):
        yield
        return

    def bark(*_: Any) -> None:
        raise Stalled(
            f"The application has run for {seconds:g} s without giving way: a loop without an "
            "await, or a call that blocks."
        )

    signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
