"""Hypothesis strategies for the messages of a schema, and for streams of them."""

from pytest_pachinko.strategies.boundaries import boundary_messages
from pytest_pachinko.strategies.invalid import invalid_frames
from pytest_pachinko.strategies.messages import tagged_messages
from pytest_pachinko.strategies.messages import wire_messages
from pytest_pachinko.strategies.streams import message_streams
from pytest_pachinko.strategies.streams import resource_streams
from pytest_pachinko.strategies.types import register_type

__all__ = [
    "boundary_messages",
    "invalid_frames",
    "message_streams",
    "register_type",
    "resource_streams",
    "tagged_messages",
    "wire_messages",
]
