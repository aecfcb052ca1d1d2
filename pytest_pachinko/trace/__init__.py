"""What crossed the wire, as a value: events, patterns over them, and what differs."""

from pytest_pachinko.trace.event import TraceEvent
from pytest_pachinko.trace.match import Accepted
from pytest_pachinko.trace.match import AnyOrder
from pytest_pachinko.trace.match import Closed
from pytest_pachinko.trace.match import Denied
from pytest_pachinko.trace.match import FromApp
from pytest_pachinko.trace.match import Raised
from pytest_pachinko.trace.match import ToApp
from pytest_pachinko.trace.record import merged
from pytest_pachinko.trace.record import Trace
from pytest_pachinko.trace.values import Partial

__all__ = [
    "Accepted",
    "AnyOrder",
    "Closed",
    "Denied",
    "FromApp",
    "Partial",
    "Raised",
    "ToApp",
    "Trace",
    "TraceEvent",
    "merged",
]
