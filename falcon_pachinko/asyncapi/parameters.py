"""What the fields of a path take: from Falcon's converters to AsyncAPI's parameters. Pure."""

from __future__ import annotations

import datetime as dt
from math import isfinite
from typing import Any
from typing import TYPE_CHECKING

from falcon_pachinko.asyncapi.patterns import ecma
from falcon_pachinko.asyncapi.patterns import sample
from falcon_pachinko.asyncapi.texts import docs_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping

    from falcon_pachinko.asyncapi.model import Field

__all__ = ["parameter_of"]

_MOST_VALUES = 32
"""How many values a field may take that are written down one by one."""

_UUID = "12345678-1234-4678-9234-567812345678"
_DT = "%Y-%m-%dT%H:%M:%S%z"


def parameter_of(field: Field) -> dict[str, Any]:
    """Return the parameter that describes a field of a path.

    A parameter of AsyncAPI is a text that may be one of a few. What else the converter asks of it
    is said in words, as a pattern in ``x-pattern``, and in ``x-converter`` for programs that
    compare documents.
    """
    if not field.converter:
        return {}
    arguments = {name: _plain(value) for name, value in field.arguments.items()}
    return {**_described(field), "x-converter": {"name": field.converter, **arguments}}


def _plain(value: Any) -> Any:
    """Return an argument of a converter as JSON can write it."""
    if isinstance(value, float):
        return value if isfinite(value) else repr(value)
    return value if isinstance(value, str | int | None) else repr(value)


def _described(field: Field) -> dict[str, Any]:
    describe = _KINDS.get(field.converter)
    if describe is not None:
        return describe(field.arguments)
    if field.cls is None:
        return _unknown(field)
    summary = docs_of(field.cls).get("summary")
    return {"description": summary} if summary else _unknown(field)


def _unknown(field: Field) -> dict[str, Any]:
    return {"description": f"What the converter {field.converter!r} takes."}


def _int(arguments: Mapping[str, Any]) -> dict[str, Any]:
    digits, low, high = (arguments.get(name) for name in ("num_digits", "min", "max"))
    what = "An integer" if digits is None else f"An integer, written with {digits} characters"
    pattern = "^[+-]?[0-9]+$" if digits is None else f"^(?:{_digits(digits)})$"
    found: dict[str, Any] = {"description": _between(what, low, high)}
    if digits is not None and low is not None and high is not None and low >= 0:
        most = min(high, 10**digits - 1)
        if 0 <= most - low < _MOST_VALUES:
            # What has fewer digits and no sign is filled with zeros.
            values = [f"{number:0{digits}}" for number in range(low, most + 1)]
            return {**found, "enum": values}
    example = low if low is not None else min(1, high) if high is not None else 1
    text = f"{example:0{digits or 1}}"
    fits = digits is None or len(text) == digits
    return {**found, "x-pattern": pattern, **({"examples": [text]} if fits else {})}


def _digits(count: int) -> str:
    """Return the pattern of a number of so many characters, of which a sign is one."""
    signed = f"|[+-][0-9]{{{count - 1}}}" if count > 1 else ""
    return f"[0-9]{{{count}}}{signed}"


def _float(arguments: Mapping[str, Any]) -> dict[str, Any]:
    low, high = arguments.get("min"), arguments.get("max")
    what = "A number" if arguments.get("finite", True) else "A number, nan or inf"
    return {"description": _between(what, low, high)}


def _between(what: str, low: Any, high: Any) -> str:
    if low is not None and high is not None:
        return f"{what}, from {low} to {high}."
    if low is not None:
        return f"{what}, {low} or more."
    return f"{what}, {high} or less." if high is not None else f"{what}."


def _dt(arguments: Mapping[str, Any]) -> dict[str, Any]:
    form = arguments.get("format_string", _DT)
    moment = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)
    return {
        "description": f"A date and time, in the form {form}.",
        "examples": [moment.strftime(form)],
    }


def _re(arguments: Mapping[str, Any]) -> dict[str, Any]:
    pattern = arguments.get("pattern")
    if not isinstance(pattern, str):
        return {"description": "A text that matches a pattern."}
    found: dict[str, Any] = {"description": f"A text that matches {pattern}"}
    written = ecma(pattern)
    if written is not None:
        found |= {"x-pattern": f"^(?:{written})$", "examples": [sample(pattern, 0)]}
    return found


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "dt": _dt,
    "float": _float,
    "int": _int,
    "path": lambda _: {"description": "The rest of the path, which may contain '/'."},
    "re": _re,
    "uuid": lambda _: {"description": "A UUID, with or without hyphens.", "examples": [_UUID]},
}
