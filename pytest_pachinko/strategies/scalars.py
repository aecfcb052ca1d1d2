"""Strategies for the values that have no parts, as instances. Pure.

Each function takes what msgspec says of a type and what it is called in errors.
"""

from __future__ import annotations

import math
from datetime import timedelta
from datetime import timezone
from fractions import Fraction
from typing import Any
from typing import TYPE_CHECKING

import msgspec
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from msgspec import inspect

from pytest_pachinko.strategies.guard import refuse
from pytest_pachinko.strategies.text import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

__all__ = ["HASHABLE_JSON", "JSON", "SCALARS", "SHALLOW_JSON", "check_lengths", "scalar", "stretch"]

_SOURCE = msgspec.json.encode

# With a fixed offset, because a `time` with a `ZoneInfo` encodes as naive. UTC is the simplest.
_OFFSETS = st.sampled_from(
    [
        timezone(timedelta(minutes=minutes))
        for minutes in (0, 60, -300, 345, -210, 840, -720, 1439, -1439)
    ]
)

_LONG = 256  # beyond that, to draw each character costs more than an example may
_ODD_FACTORS = 64
_SHIFTS = 64

HASHABLE_JSON = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)

SHALLOW_JSON = (
    HASHABLE_JSON
    | st.lists(HASHABLE_JSON, max_size=2)
    | st.dictionaries(st.text(), HASHABLE_JSON, max_size=2)
)

JSON = st.recursive(
    HASHABLE_JSON,
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(), items, max_size=3),
    max_leaves=5,
)


def scalar(info: Any, path: str) -> SearchStrategy[Any]:
    """Return a strategy for a type of ``SCALARS``.

    Raises:
        PachinkoUsageError: Its constraints leave no value.
    """
    strategy = SCALARS[type(info)](info, path)
    try:
        strategy.validate()
    except InvalidArgument as error:
        raise _contradiction(info, path) from error
    return strategy


def check_lengths(info: Any, path: str) -> tuple[int, int | None]:
    """Return the least and the greatest length of a type.

    Raises:
        PachinkoUsageError: The least is greater.
    """
    low, high = info.min_length or 0, info.max_length
    if high is not None and low > high:
        raise _contradiction(info, path)
    return low, high


def _contradiction(info: Any, path: str) -> Exception:
    constraints = ", ".join(
        f"{name}={value!r}"
        for name in ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern")
        if (value := getattr(info, name, None)) is not None
    )
    return refuse(path, f"no value has {constraints}.", "change one of its constraints.")


def _int(info: inspect.IntType, path: str) -> SearchStrategy[int]:
    low = info.ge if info.gt is None else info.gt + 1
    high = info.le if info.lt is None else info.lt - 1
    step = info.multiple_of or 1
    # Rounded up, and down.
    first = None if low is None else -(-low // step)
    last = None if high is None else high // step
    if first is not None and last is not None and first > last:
        raise _contradiction(info, path)
    numbers = st.integers(first, last)
    return numbers if step == 1 else numbers.map(lambda number: number * step)


def _float(info: inspect.FloatType, path: str) -> SearchStrategy[float]:
    low = info.ge if info.gt is None else info.gt
    high = info.le if info.lt is None else info.lt
    if info.multiple_of is not None:
        return _multiples(info, path)
    return st.floats(
        low,
        high,
        exclude_min=info.gt is not None,
        exclude_max=info.lt is not None,
        allow_nan=False,
        allow_infinity=False,
    )


def _multiples(info: inspect.FloatType, path: str) -> SearchStrategy[float]:
    """Make floats that msgspec takes for multiples: those that are exact in binary.

    3 * 0.1 is none of 0.1, but 4 * 0.1 is. A factor that is exact has few bits if those of the
    step are many, and any number of zeros after them.
    """
    step = float(info.multiple_of or 1)
    numerator = abs(step.as_integer_ratio()[0])
    odd = numerator // (numerator & -numerator)
    most = 2**53 // odd

    if most >= _ODD_FACTORS:
        low = info.ge if info.gt is None else info.gt
        high = info.le if info.lt is None else info.lt
        # What is greater than `most` is even, to begin with.
        nearest = max(0, low or 0, -(high or 0)) / step
        unit = step * 2.0 ** (int(nearest) // most).bit_length()
        first = -most if low is None else max(-most, math.ceil(Fraction(low) / Fraction(unit)))
        last = most if high is None else min(most, math.floor(Fraction(high) / Fraction(unit)))
        first += first * Fraction(unit) == info.gt
        last -= last * Fraction(unit) == info.lt
        if first > last:
            raise _contradiction(info, path)
        return st.integers(first, last).map(lambda factor: factor * unit)

    def allowed(factor: int) -> bool:
        value = Fraction(step) * factor
        return (
            (info.ge is None or value >= info.ge)
            and (info.gt is None or value > info.gt)
            and (info.le is None or value <= info.le)
            and (info.lt is None or value < info.lt)
        )

    factors = {
        sign * (factor << shift)
        for factor in range(most + 1)
        for shift in range(_SHIFTS)
        for sign in (1, -1)
    }
    found = sorted(filter(allowed, factors), key=lambda factor: (abs(factor), -factor))
    if not found:
        raise _contradiction(info, path)
    return st.sampled_from([factor * step for factor in found])


def _sized(make: Callable[..., SearchStrategy[Any]], info: Any, path: str) -> SearchStrategy[Any]:
    low, high = check_lengths(info, path)
    if low <= _LONG:
        return make(min_size=low, max_size=high)
    longest = low + _LONG if high is None else min(high, low + _LONG)
    return st.builds(stretch, make(min_size=1, max_size=16), st.integers(low, longest))


def stretch(value: Any, length: int) -> Any:
    """Repeat a str, bytes or list until it has a length."""
    return (value * (length // len(value) + 1))[:length]


def _str(info: inspect.StrType, path: str) -> SearchStrategy[str]:
    if info.pattern is None:
        return _sized(st.text, info, path)
    check_lengths(info, path)
    return text(info, path)


def _bytes(info: Any, path: str) -> SearchStrategy[bytes]:
    return _sized(st.binary, info, path)


def _timezones(info: Any) -> SearchStrategy[Any]:
    return {True: _OFFSETS, False: st.none(), None: st.none() | _OFFSETS}[info.tz]


SCALARS: dict[type[inspect.Type], Callable[[Any, str], SearchStrategy[Any]]] = {
    inspect.AnyType: lambda _, __: JSON,
    inspect.BoolType: lambda _, __: st.booleans(),
    inspect.ByteArrayType: lambda info, path: _bytes(info, path).map(bytearray),
    inspect.BytesType: _bytes,
    inspect.DateTimeType: lambda info, _: st.datetimes(timezones=_timezones(info)),
    inspect.DateType: lambda _, __: st.dates(),
    inspect.DecimalType: lambda _, __: st.decimals(allow_nan=False, allow_infinity=False),
    inspect.EnumType: lambda info, _: st.sampled_from(list(info.cls)),
    inspect.FloatType: _float,
    inspect.IntType: _int,
    inspect.LiteralType: lambda info, _: st.sampled_from(info.values),
    inspect.MemoryViewType: lambda info, path: _bytes(info, path).map(memoryview),
    inspect.NoneType: lambda _, __: st.none(),
    inspect.RawType: lambda _, __: JSON.map(lambda value: msgspec.Raw(_SOURCE(value))),
    inspect.StrType: _str,
    inspect.TimeDeltaType: lambda _, __: st.timedeltas(),
    inspect.TimeType: lambda info, _: st.times(timezones=_timezones(info)),
    inspect.UUIDType: lambda _, __: st.uuids(),
}
