"""A message whose name is that of a step."""

from msgspec import Struct


class Leave(Struct, tag="taken"):
    n: int
