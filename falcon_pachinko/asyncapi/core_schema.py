"""What the plain texts of YAML mean, by the core schema of YAML 1.2 (section 10.3.2). Pure.

YAML is read as JSON with another spelling: ``on`` and dates are text, and ``012`` is 12.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["FLOAT", "INT", "MERGE", "MOST_VALUES", "PLAIN_TAGS", "TAG", "value_of"]

MOST_VALUES = 1_000_000
"""How many values a document has, at most, when its aliases are written out."""

TAG = "tag:yaml.org,2002:"
MERGE = f"{TAG}merge"
PLAIN_TAGS = frozenset(
    f"{TAG}{name}"
    for name in ("null", "bool", "int", "float", "timestamp", "str", "value", "merge")
)
"""What a reader of YAML 1.1 may take a plain text for."""

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INT = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")


def value_of(text: str) -> Any:
    """Return what a plain text means.

    Raises:
        ValueError: It is a number that JSON does not have, or that is too long for Python.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _NO_NUMBER.match(text):
        raise ValueError(f"JSON has no number {text}")
    try:
        if INT.match(text):
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        return float(text) if FLOAT.match(text) else text
    except ValueError as error:
        raise ValueError(f"this number cannot be read: {error}") from None
