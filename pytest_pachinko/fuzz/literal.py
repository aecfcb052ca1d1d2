"""Values as Python source that makes them again. Pure."""

from __future__ import annotations

import dataclasses
import math
import sys
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from datetime import timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

from pytest_pachinko.stream import frame_of

__all__ = ["Imports", "Unwritable", "literal", "literal_of_message", "name_of", "quoted"]

Imports = set[tuple[str, str]]
"""What the source needs: modules and the names that are imported from them; a module alone with an
empty name."""

LONG = 40
"""How long a text of one repeated character is before it is written as a product."""


class Unwritable(Exception):  # noqa: N818 - it is no error: there is another way
    """No source makes the value."""


def literal_of_message(message: Any, imports: Imports) -> str:
    """Return the source of a message; of what it is on the wire, if no source makes it.

    Args:
        message: The message.
        imports: Gets what the source needs.
    """
    needed: Imports = set()
    try:
        text = literal(message, needed)
    except Unwritable:
        needed = set()
        text = literal(frame_of(message), needed)
    imports |= needed
    return text


def literal(value: Any, imports: Imports) -> str:
    """Return the source of a value.

    Args:
        value: The value.
        imports: Gets what the source needs.

    Raises:
        Unwritable: No source makes the value.
    """
    write = _WRITERS.get(type(value))
    if write is not None:
        return str(write(value, imports))
    if isinstance(value, Enum):
        return f"{name_of(type(value), imports)}.{value.name}"
    if isinstance(value, msgspec.Struct):
        return _fields(value, [(f.name, f.default) for f in msgspec.structs.fields(value)], imports)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(f.name, f.default) for f in dataclasses.fields(value) if f.init]
        return _fields(value, fields, imports)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _fields(value, [(name, msgspec.NODEFAULT) for name in value._fields], imports)
    raise Unwritable


def _fields(value: Any, fields: list[tuple[str, Any]], imports: Imports) -> str:
    name = name_of(type(value), imports)
    given = []
    for field, default in fields:
        item = getattr(value, field)
        if not (type(item) is type(default) and item == default) and item is not msgspec.UNSET:
            given.append(f"{field}={literal(item, imports)}")
    return f"{name}({', '.join(given)})"


def name_of(thing: Any, imports: Imports) -> str:
    """Return how a class or a function is called in the source.

    Args:
        thing: The class or the function.
        imports: Gets what the source needs.

    Raises:
        Unwritable: It cannot be imported.
    """
    name: str = getattr(thing, "__qualname__", "") or ""
    first = name.partition(".")[0]
    module = getattr(thing, "__module__", "")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if thing is None or found is not thing:
        raise Unwritable
    ours = "pytest_pachinko"
    is_public = module.startswith(f"{ours}.") and first in sys.modules[ours].__all__
    imports.add((ours if is_public else module, first))
    return name


def quoted(value: str | bytes) -> str:
    """Return the source of a text, in double quotes if that needs no more backslashes."""
    text = repr(value)
    prefix, quote, inside = text[:-1].partition(text[-1])
    return f'{prefix}"{inside}"' if quote == "'" and '"' not in inside else text


def _text(value: str | bytes, _: Imports) -> str:
    if len(value) > LONG and len(set(value)) == 1:
        return f"{quoted(value[:1])} * {len(value)}"
    return quoted(value)


def _float(value: float, _: Imports) -> str:
    return repr(value) if math.isfinite(value) else f'float("{value}")'


def _list(value: list[Any], imports: Imports) -> str:
    return f"[{', '.join(literal(item, imports) for item in value)}]"


def _tuple(value: tuple[Any, ...], imports: Imports) -> str:
    inside = ", ".join(literal(item, imports) for item in value)
    return f"({inside},)" if len(value) == 1 else f"({inside})"


def _set(value: Any, imports: Imports) -> str:
    inside = ", ".join(sorted(literal(item, imports) for item in value))
    if isinstance(value, frozenset):
        return f"frozenset({{{inside}}})" if inside else "frozenset()"
    return f"{{{inside}}}" if inside else "set()"


def _dict(value: dict[Any, Any], imports: Imports) -> str:
    pairs = (f"{literal(key, imports)}: {literal(item, imports)}" for key, item in value.items())
    return f"{{{', '.join(pairs)}}}"


def _of_datetime(value: Any, imports: Imports) -> str:
    tzinfo = getattr(value, "tzinfo", None)
    if tzinfo is not None and type(tzinfo) is not timezone:
        raise Unwritable
    imports.add(("datetime", ""))
    return repr(value)


def _imported(value: Any, imports: Imports) -> str:
    imports.add((type(value).__module__, type(value).__name__))
    return repr(value)


def _plain(value: Any, _: Imports) -> str:
    return repr(value)


_WRITERS: dict[type, Any] = {
    type(None): _plain,
    bool: _plain,
    int: _plain,
    float: _float,
    str: _text,
    bytes: _text,
    list: _list,
    tuple: _tuple,
    set: _set,
    frozenset: _set,
    dict: _dict,
    date: _of_datetime,
    datetime: _of_datetime,
    time: _of_datetime,
    timedelta: _of_datetime,
    timezone: _of_datetime,
    Decimal: _imported,
    UUID: _imported,
}
