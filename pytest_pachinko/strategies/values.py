"""Values of a wanted size, or that differ from each other, as they stand on the wire. Pure."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from datetime import date
from datetime import datetime
from datetime import timedelta
from itertools import chain
from itertools import islice
from typing import Any
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import inspect

from falcon_pachinko.schema import bare
from pytest_pachinko.bounds import first_allowed
from pytest_pachinko.bounds import last_allowed
from pytest_pachinko.places import as_key
from pytest_pachinko.places import literals
from pytest_pachinko.places import Mappings
from pytest_pachinko.places import Series

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator

    from pytest_pachinko.places import Shape

    Info = inspect.Type
    Make = Callable[[Info], Any]  # a valid value of a type, on the wire

__all__ = ["MAX_ITEMS", "MAX_LENGTH", "SKIP", "different", "resized", "stretched"]

SKIP: Any = object()
"""There is no such value."""

MAX_LENGTH = 1 << 16
"""Longer strings are not made."""

MAX_ITEMS = 1 << 12
"""Longer arrays and objects are not made."""

_ENOUGH = 2 * MAX_ITEMS  # that some are taken already does not matter

_encode = msgspec.json.Encoder().encode


def resized(shape: Shape, value: Any, size: int, make: Make) -> Any:
    """Return a value of a wanted length that is like another, or ``SKIP``.

    Args:
        shape: What it is: a string, bytes, an array or an object of any length.
        value: The value that it is like.
        size: The length, as msgspec measures it.
        make: Makes what has to be added.
    """
    info = shape.info
    if size < 0 or size > (MAX_ITEMS if isinstance(shape, Series | Mappings) else MAX_LENGTH):
        return SKIP
    if isinstance(shape, Mappings):
        return _resized_mapping(shape, value, size, make)
    if isinstance(shape, Series):
        return _resized_series(info, value, size, make)
    if isinstance(info, inspect.StrType):
        return stretched(value, size, info.pattern)
    return b64encode(bytes(size)).decode()


def _resized_mapping(shape: Mappings, value: dict[str, Any], size: int, make: Make) -> Any:
    keys = list(value)[:size]
    fresh = _fresh(map(as_key, different(shape.key.info, make)), keys, size)
    if fresh is SKIP:
        return SKIP
    added = value[keys[-1]] if keys else make(shape.value.info)
    return {key: value.get(key, added) for key in (*keys, *fresh)}


def _resized_series(info: Any, value: list[Any], size: int, make: Make) -> Any:
    if isinstance(info, inspect.SetType | inspect.FrozenSetType):
        items = list({_encode(item): item for item in value}.values())[:size]
        fresh = _fresh(different(info.item_type, make), items, size)
        return SKIP if fresh is SKIP else [*items, *fresh]
    items = value[:size]
    if len(items) < size:
        items += [items[-1] if items else make(info.item_type)] * (size - len(items))
    return items


def _fresh(candidates: Iterable[Any], known: list[Any], size: int) -> Any:
    # Values that are not known, as many as are missing.
    taken = set(map(_encode, known))
    missing = size - len(known)
    found = list(islice((one for one in candidates if _encode(one) not in taken), missing))
    return found if len(found) == missing else SKIP


def stretched(text: str, size: int, pattern: str | None) -> str:
    """Return a string of a wanted length that is like another.

    Args:
        text: The string that it is like.
        size: The length.
        pattern: What it should match, if that is easily done.
    """
    growth = size - len(text)
    plain = text[:size] if growth <= 0 else text + "a" * growth
    if pattern is None or growth == 0 or re.search(pattern, plain):
        return plain
    for index, char in enumerate(text[:64]):
        longer = text[:index] + char * growth + text[index:]
        shorter = text[:index] + text[index - growth :]
        candidate = longer if growth > 0 else shorter
        if len(candidate) == size and re.search(pattern, candidate):
            return candidate
    return plain


def different(info: Info, make: Make) -> Iterator[Any]:
    """Iterate over values of a type of which no two are equal; there may be few."""
    info = bare(info)
    values = literals(info)
    if values is not None:
        return iter(values)
    if isinstance(info, inspect.UnionType):
        return chain.from_iterable(different(one, make) for one in info.types)
    if isinstance(info, inspect.IntType | inspect.FloatType):
        return _numbers(info)
    if isinstance(info, inspect.StrType):
        return _strings(info, make)
    if isinstance(info, inspect.TupleType):
        return _rows(info, make)
    maker = _MAKERS.get(type(info))
    return iter((make(info),)) if maker is None else maker(info)


def _numbers(info: inspect.IntType | inspect.FloatType) -> Iterator[float]:
    first, last = first_allowed(info), last_allowed(info)
    step = info.multiple_of or 1
    if (
        isinstance(info, inspect.FloatType)
        and info.multiple_of is None
        and last - first < MAX_ITEMS
    ):
        step = (last - first) / _ENOUGH
    start = first if first > -math.inf else min(last, 0)
    way = 1 if first > -math.inf or last == math.inf else -1
    for number in range(_ENOUGH):
        value = start + way * step * number
        if not first <= value <= last or (number and step == 0):
            return
        yield value


def _strings(info: inspect.StrType, make: Make) -> Iterator[str]:
    least, most = info.min_length or 0, info.max_length
    if info.pattern is None:
        for number in range(_ENOUGH):
            text = f"{number:x}".rjust(least, "0")
            if most is not None and len(text) > most:
                return
            yield text
        return
    base = make(info)
    seen = {base}
    yield base
    for number in range(_ENOUGH):
        digits = f"{number:x}"
        letters = "".join(chr(97 + int(digit, 16)) for digit in digits)
        for text in (base + digits, base + letters, digits + base, letters + base):
            fits = least <= len(text) and (most is None or len(text) <= most)
            if fits and text not in seen and re.search(info.pattern, text):
                seen.add(text)
                yield text


def _rows(info: inspect.TupleType, make: Make) -> Iterator[list[Any]]:
    if not info.item_types:
        return iter(([],))
    rest = [make(item) for item in info.item_types[1:]]
    return ([first, *rest] for first in different(info.item_types[0], make))


def _bytes(info: Any) -> Iterator[str]:
    least, most = info.min_length or 0, info.max_length
    for number in range(_ENOUGH):
        data = number.to_bytes((number.bit_length() + 7) // 8, "big").rjust(least, b"\0")
        if most is not None and len(data) > most:
            return
        yield b64encode(data).decode()


_START = datetime(2000, 1, 1)  # noqa: DTZ001 - the type says whether there is an offset

_MAKERS: dict[type, Callable[[Any], Iterator[Any]]] = {
    inspect.NoneType: lambda _: iter((None,)),
    inspect.BoolType: lambda _: iter((False, True)),
    inspect.BytesType: _bytes,
    inspect.ByteArrayType: _bytes,
    inspect.MemoryViewType: _bytes,
    inspect.UUIDType: lambda _: (str(UUID(int=number)) for number in range(_ENOUGH)),
    inspect.DecimalType: lambda _: (str(number) for number in range(_ENOUGH)),
    inspect.TimeDeltaType: lambda _: (f"PT{number}S" for number in range(_ENOUGH)),
    inspect.DateType: lambda _: (date.fromordinal(730000 + n).isoformat() for n in range(_ENOUGH)),
    inspect.TimeType: lambda info: (
        (_START + timedelta(seconds=n)).time().isoformat() + _offset(info) for n in range(_ENOUGH)
    ),
    inspect.DateTimeType: lambda info: (
        (_START + timedelta(seconds=n)).isoformat() + _offset(info) for n in range(_ENOUGH)
    ),
}


def _offset(info: Any) -> str:
    return "Z" if info.tz else ""
