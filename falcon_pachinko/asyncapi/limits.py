"""Where a document says less than msgspec, or more: the list, as data."""

from __future__ import annotations

from typing import Any
from typing import Final
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LIMITS", "NOTE", "note"]

NOTE: Final = "x-not-expressed"
"""The keyword of a schema that says what it cannot express, by the names of ``LIMITS``."""

LIMITS: Final[Mapping[str, str]] = {
    "code": "Code of the application checks or changes values: a __post_init__, a validator of "
    "attrs, the _missing_ of an Enum.",
    "decimals": "In the text of a Decimal, msgspec takes underscores within words, and refuses "
    "exponents of more than about 18 digits.",
    "depth": "msgspec refuses what is nested more deeply than Python's recursion limit.",
    "duplicates": "msgspec checks each of several values of one key; a validator sees the last.",
    "ends": "A datetime that is rounded into the year 10000, and a duration of more than "
    "999999999 days, are refused.",
    "flags": "Which bits below its highest one a Flag of more than ten bits lacks.",
    "fractions": "1.0 and 1e2 are integers in JSON Schema, and floats for msgspec.",
    "hashes": "msgspec refuses an element of a set that cannot be hashed, because it is, or has in it, "
    "a list, an object or a Struct that is not frozen.",
    "keys": "The bounds of numbers that are keys of an object.",
    "lengths": "The length of a set, and of an object whose keys are not strings: msgspec counts "
    "what is left when equal ones are one.",
    "multiples": "Which numbers are multiples of a fraction depends on how they are divided.",
    "names": "A format is the name of what a text means. Validators that check formats take "
    "fewer forms than msgspec does; the pattern beside it takes the same.",
    "patterns": "Patterns are Python's: their \\d, \\w, \\s and \\b know all of Unicode, and their $ "
    "matches before a last newline too. A pattern that JSON Schema cannot write is left out.",
    "ranges": "msgspec refuses numbers that no double can hold, and integers of more than 4300 digits.",
    "surrogates": "msgspec refuses half of a surrogate pair, such as \\ud800.",
}
"""What JSON Schema cannot say of messages, by name.

The entries ``code``, ``flags``, ``keys``, ``lengths``, ``multiples`` and, for a pattern that is left out,
``patterns`` also stand in the document, as ``x-not-expressed`` of the schema that they are about.
"""


def note(schema: dict[str, Any], name: str) -> None:
    """Write down that a schema cannot express something."""
    schema.setdefault(NOTE, []).append(name)
