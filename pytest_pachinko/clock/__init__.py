"""Virtual time: moving it, and waiting until nothing more can happen."""

from pytest_pachinko.clock.control import advance
from pytest_pachinko.clock.control import hold
from pytest_pachinko.clock.control import loop_factory
from pytest_pachinko.clock.control import now
from pytest_pachinko.clock.control import quiescent
from pytest_pachinko.clock.control import virtual_time
from pytest_pachinko.clock.control import VirtualClock

__all__ = [
    "VirtualClock",
    "advance",
    "hold",
    "loop_factory",
    "now",
    "quiescent",
    "virtual_time",
]
