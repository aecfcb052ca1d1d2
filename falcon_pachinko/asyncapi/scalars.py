"""The texts of dates, durations, numbers and bytes: what msgspec takes, as patterns. Pure."""

from __future__ import annotations

from typing import Any
from typing import Final
from typing import TYPE_CHECKING

from msgspec import inspect

from falcon_pachinko.asyncapi.patterns import base64_of
from falcon_pachinko.asyncapi.patterns import END

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DECIMAL_KEY", "FLOAT_KEY", "INT_KEY", "SCALARS", "scalar_of"]

_DAY = (
    "(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
_HOURS = "(?:[01][0-9]|2[0-3])"
_CLOCK = rf"{_HOURS}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
_ZONE = f"(?:[Zz]|[+-]{_HOURS}:?[0-5][0-9])"
_PART = r"[0-9]+(?:\.[0-9]+)?"
_WORDS = "[Ii][Nn][Ff](?:[Ii][Nn][Ii][Tt][Yy])?"

INT_KEY: Final = f"^-?(?:0|[1-9][0-9]*){END}"
FLOAT_KEY: Final = (
    rf"^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[Ee][+-]?[0-9]+)?|{_WORDS}|[Nn][Aa][Nn]){END}"
)
DECIMAL_KEY: Final = FLOAT_KEY

_DECIMAL = (
    r"^\s*_*[+-]?(?:(?=[_.]*\d)[\d_]*\.?[\d_]*(?:[Ee]_*[+-]?_*\d[\d_]*)?"
    rf"|{_WORDS}|[Ss]?[Nn][Aa][Nn][\d_]*)\s*$"
)
_DURATION = (
    rf"^[+-]?[Pp](?!.*\.[0-9]+[A-Za-z].)(?=.)(?:{_PART}[Dd])?"
    rf"(?:[Tt](?=[0-9])(?:{_PART}[Hh])?(?:{_PART}[Mm])?(?:{_PART}[Ss])?)?{END}"
)
_UUID = (
    "^(?:[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
    f"|[0-9A-Fa-f]{{32}}){END}"
)


def _text(title: str, pattern: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "type": "string", **more, "pattern": pattern}


SCALARS: Final[Mapping[str, dict[str, Any]]] = {
    "base64": _text("Bytes, in base64", base64_of(None, None), contentEncoding="base64"),
    "date": _text("A date", f"^{_DAY}{END}", format="date"),
    "date-time": _text(
        "A date and time, with its zone", f"^{_DAY}[Tt ]{_CLOCK}{_ZONE}{END}", format="date-time"
    ),
    "date-time-any": _text(
        "A date and time, perhaps with its zone", f"^{_DAY}[Tt ]{_CLOCK}{_ZONE}?{END}"
    ),
    "date-time-local": _text("A date and time, without a zone", f"^{_DAY}[Tt ]{_CLOCK}{END}"),
    "decimal": {
        "title": "A decimal number, as a text or a number",
        "type": ["string", "number"],
        "format": "decimal",
        "pattern": _DECIMAL,
    },
    "duration": _text(
        "A duration, in days, hours, minutes and seconds", _DURATION, format="duration"
    ),
    "time": _text("A time of day, with its zone", f"^{_CLOCK}{_ZONE}{END}", format="time"),
    "time-any": _text("A time of day, perhaps with its zone", f"^{_CLOCK}{_ZONE}?{END}"),
    "time-local": _text("A time of day, without a zone", f"^{_CLOCK}{END}"),
    "uuid": _text("A UUID", _UUID, format="uuid"),
}
"""Schemas that many fields share, by the name of their component."""

_KINDS: Mapping[type, str] = {
    inspect.DateTimeType: "date-time",
    inspect.DateType: "date",
    inspect.DecimalType: "decimal",
    inspect.TimeDeltaType: "duration",
    inspect.TimeType: "time",
    inspect.UUIDType: "uuid",
}
_ZONES = {True: "", None: "-any", False: "-local"}


def scalar_of(info: inspect.Type) -> str | None:
    """Return the name of the shared schema of a type, if it has one."""
    if isinstance(info, inspect.BytesType | inspect.ByteArrayType | inspect.MemoryViewType):
        return "base64" if info.min_length is None and info.max_length is None else None
    kind = _KINDS.get(type(info))
    if isinstance(info, inspect.DateTimeType | inspect.TimeType):
        return f"{kind}{_ZONES[info.tz]}"
    return kind
