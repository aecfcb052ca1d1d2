"""What can be done to a valid message so that it is no longer one: the catalogue. Pure.

A mutation is named by the tag of the message, the path and an operator, and changes one place.
That it makes a message invalid is likely, not certain: the decoder has the last word.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

import msgspec
from msgspec import inspect

from pytest_pachinko.bounds import is_multiple
from pytest_pachinko.places import as_key
from pytest_pachinko.places import Key
from pytest_pachinko.places import literals
from pytest_pachinko.places import Mappings
from pytest_pachinko.places import Record
from pytest_pachinko.places import replaced
from pytest_pachinko.places import Series
from pytest_pachinko.places import Variants
from pytest_pachinko.strategies.values import resized
from pytest_pachinko.strategies.values import SKIP

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from pytest_pachinko.places import Location
    from pytest_pachinko.places import Place
    from pytest_pachinko.places import Shape
    from pytest_pachinko.places import Step
    from pytest_pachinko.places import Tag
    from pytest_pachinko.strategies.values import Make

    Change = Callable[[Any, Make], Any]
    Changes = Iterator[tuple[str, str, Change]]

__all__ = [
    "FRAMES",
    "FRAME_OPERATORS",
    "Mutation",
    "always",
    "huge",
    "mutations",
    "off_multiple",
    "reach",
    "with_other_tz",
    "without_field",
]

_encode = msgspec.json.Encoder().encode

TOO_DEEP = 12_000
"""More brackets than any version of Python lets msgspec open."""

HUGE = 1 << 20
"""The size of the one large frame."""


class Mutation(NamedTuple):
    """What is done, and where.

    Attributes:
        tag: The tag of the message.
        path: What is changed, as a reader is told.
        operator: What is done.
        place: The place whose value is replaced.
        shape: What must stand there; None if anything may.
        change: Returns the replacement of a value, or ``SKIP``.
    """

    tag: Tag
    path: str
    operator: str
    place: Place
    shape: Shape | None
    change: Change


def mutations(root: Place) -> tuple[Mutation, ...]:
    """Return everything that can be done to the messages of a schema, in a stable order."""
    found: dict[tuple[Tag, str, str], Mutation] = {}
    seen: set[Shape] = set()

    def note(path: str, operator: str, place: Place, shape: Shape | None, change: Change) -> None:
        tag = place.tag if shape is None else shape.tag
        one = Mutation(tag, path, operator, place, shape, change)
        found.setdefault((tag, path, operator), one)

    def read(place: Place) -> None:
        for shape in dict.fromkeys(place.shapes.values()):
            others = shape.records if isinstance(shape, Variants) else {}
            for one in shape.alternatives():
                if one not in seen:
                    seen.add(one)
                    for path, operator, change in _for_shape(one, others):
                        note(path, operator, one.place, one, change)
                    for part in one.below():
                        for operator, change in _for_place(part):
                            note(part.path, operator, part, None, change)
                        read(part)

    read(root)
    return tuple(found.values())


def reach(
    message: Any, place: Place, shape: Shape | None, make: Make
) -> tuple[Any, Location, Any] | None:
    """Return a message with something in a place, the location of that, and its value.

    Where the message has nothing there, it is added: a field, an item, another member of a
    union. None if that does not work.
    """
    way: list[tuple[Place, Shape | None]] = [(place, shape)]
    while place.within is not None:
        shape = place.within
        place = shape.place
        way.append((place, shape))
    try:
        return _descend(message, way[::-1], make)
    except LookupError:
        return None


def _descend(
    value: Any, way: list[tuple[Place, Shape | None]], make: Make
) -> tuple[Any, Location, Any]:
    (place, shape), *rest = way
    if shape is not None and place.shape_of(value) is not shape:
        value = make(shape.info)
        if place.shape_of(value) is not shape:
            raise LookupError(place.path)
    if shape is None or not rest:
        return value, (), value
    below = rest[0][0]
    value, step = _with_part(shape, value, below, make)
    part = next(part for at, _, part in shape.parts(value) if at == step and type(at) is type(step))
    part, location, found = _descend(part, rest, make)
    return replaced(value, (step,), part), (step, *location), found


def _with_part(shape: Shape, value: Any, part: Place, make: Make) -> tuple[Any, Step]:
    if isinstance(shape, Mappings):
        value = value or {as_key(make(shape.key.info)): make(shape.value.info)}
        key = next(iter(value))
        return value, Key(key) if part is shape.key else key
    if isinstance(shape, Series):
        return value or [make(part.info)], 0
    step = part.step
    if isinstance(step, str) and step not in value:
        value = {**value, step: make(part.info)}
    while isinstance(step, int) and len(value) <= step:
        value = [*value, make(shape.fields[len(value)].info)]  # type: ignore[attr-defined]
    return value, step  # type: ignore[return-value]


# What can be done to any place: something that may not stand there.

_KINDS: dict[type, tuple[str, Any]] = {
    type(None): ("as_null", None),
    bool: ("as_bool", True),
    int: ("as_int", 1),
    float: ("as_float", 1.5),
    str: ("as_string", "x"),
    list: ("as_array", []),
    dict: ("as_object", {}),
}

_TOKENS = {
    "nan": b"NaN",
    "infinity": b"Infinity",
    "minus_infinity": b"-Infinity",
    "overflow": b"1e400",
    "huge_int": b"9" * 4400,  # Python reads no longer ones
    "leading_zero": b"01",
    "plus_sign": b"+1",
    "trailing_point": b"1.",
    "hexadecimal": b"0x10",
}

# What cannot stand in a string.
_IN_STRINGS = {
    "lone_surrogate": rb"\udc00",
    "half_a_pair": rb"\ud800",
    "bad_escape": rb"\x",
    "control_character": b"\x01",
    "bad_utf8": b"\xff",
    "surrogate_bytes": b"\xed\xa0\x80",
    "overlong_utf8": b"\xc0\xaf",
}


def _for_place(place: Place) -> Iterator[tuple[str, Change]]:
    shapes = place.shapes
    if place.is_key:
        if str not in shapes:
            yield "as_string", always("x")
        return
    for kind, (operator, wrong) in _KINDS.items():
        # An integer is a number too.
        if kind not in shapes and not (kind is int and float in shapes):
            yield operator, always(wrong)
    if shapes.keys() >= _KINDS.keys():
        return  # any JSON will do
    if int in shapes or float in shapes:
        yield from _for_number_places(shapes)
    if bool in shapes:
        yield "capital_letter", always(msgspec.Raw(b"True"))
    if type(None) in shapes:
        yield "none", always(msgspec.Raw(b"None"))


def _for_number_places(shapes: dict[type, Shape]) -> Iterator[tuple[str, Change]]:
    for operator, token in _TOKENS.items():
        yield operator, always(msgspec.Raw(token))
    if str not in shapes:
        yield "numeric_string", lambda value, _: as_key(value)
    if float not in shapes:
        yield "float_as_int", always(1.0)


def always(wrong: Any) -> Change:
    """Return a change to one value."""
    return lambda _value, _make: wrong


# What can be done to a shape: path, operator, change.


def _for_shape(shape: Shape, others: dict[Tag, Record]) -> Changes:
    info = shape.info
    if isinstance(shape, Record):
        yield from _for_record(shape)
        if shape.own_tag is not None:
            for operator, change in _for_tag(shape, others):
                yield shape.path, operator, change
        return
    if literals(info) is not None:
        changes = _for_literals(info)
    elif isinstance(info, inspect.IntType | inspect.FloatType):
        changes = _for_numbers(info)
    elif isinstance(shape, Series | Mappings):
        changes = _for_sizes(shape, "too_few", "too_many")
    else:
        changes = _for_strings(shape)
    for operator, change in changes:
        yield shape.path, operator, change


def _for_literals(info: Any) -> Iterator[tuple[str, Change]]:
    values = literals(info) or ()
    words = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if type(value) is int]
    if words:
        yield "other_case", lambda value, _: as_key(value).swapcase()
        yield "trailing_space", lambda value, _: f"{as_key(value)} "
        yield "unknown_value", always("".join(words) + "_")
        yield "empty_string", always("")
    if numbers:
        yield "below_first", always(min(numbers) - 1)
        yield "above_last", always(max(numbers) + 1)


def _for_numbers(info: inspect.IntType | inspect.FloatType) -> Iterator[tuple[str, Change]]:
    whole = isinstance(info, inspect.IntType)
    if info.ge is not None:
        yield "below_ge", always(info.ge - 1 if whole else math.nextafter(info.ge, -math.inf))
    if info.gt is not None:
        yield "at_gt", always(info.gt)
    if info.le is not None:
        yield "above_le", always(info.le + 1 if whole else math.nextafter(info.le, math.inf))
    if info.lt is not None:
        yield "at_lt", always(info.lt)
    if info.multiple_of is not None:
        yield "not_multiple", partial(off_multiple, info)


def off_multiple(info: Any, value: Any, _make: Make) -> Any:
    """Return a number beside another that is no multiple."""
    step = 1 if isinstance(info, inspect.IntType) else info.multiple_of / 2
    for near in (value + step, value - step):
        if not is_multiple(info.multiple_of, near):
            return near
    return SKIP


def _for_sizes(shape: Shape, short: str, long: str) -> Iterator[tuple[str, Change]]:
    least = getattr(shape.info, "min_length", None)
    most = getattr(shape.info, "max_length", None)
    if least:
        yield short, lambda value, make: resized(shape, value, least - 1, make)
    if most is not None:
        yield long, lambda value, make: resized(shape, value, most + 1, make)


def _for_strings(shape: Shape) -> Iterator[tuple[str, Change]]:
    info = shape.info
    if shape.place.shapes.get(str) is not shape or isinstance(info, _ANYTHING):
        return
    if isinstance(info, (inspect.StrType, *_BYTES)):
        yield from _for_sizes(shape, "too_short", "too_long")
    edits = _FORMATS.get(type(info), {})
    if isinstance(info, inspect.StrType):
        edits = {} if info.pattern is None else _PATTERN
    else:
        yield "malformed", always("x")
        yield "empty_string", always("")
        yield "leading_space", lambda value, _: f" {value}"
    if isinstance(info, inspect.DateTimeType | inspect.TimeType) and info.tz is not None:
        yield "tz_dropped" if info.tz else "tz_added", with_other_tz(info)
    for operator, edit in edits.items():
        yield operator, partial(_edited, edit)
    if not shape.place.is_key:
        for operator, token in _IN_STRINGS.items():
            yield operator, partial(_with_token, token)


_ANYTHING = (inspect.AnyType, inspect.CustomType, inspect.ExtType, inspect.RawType)
_BYTES = (inspect.BytesType, inspect.ByteArrayType, inspect.MemoryViewType)
_OFFSET = re.compile(r"([zZ]|[+-]\d\d:?\d\d)$")


def with_other_tz(info: inspect.DateTimeType | inspect.TimeType) -> Change:
    """Return a change that takes the offset away from a time, or gives it one."""
    return partial(_edited, partial(_OFFSET.sub, "") if info.tz else lambda text: text + "Z")


def _edited(edit: Callable[[str], str], value: Any, _make: Make) -> Any:
    text = as_key(value)
    new = edit(text)
    return SKIP if new == text else new


def _with_token(token: bytes, value: Any, _make: Make) -> msgspec.Raw:
    return msgspec.Raw(_encode(as_key(value))[:-1] + token + b'"')


_Edits = dict[str, "Callable[[str], str]"]

_PATTERN: _Edits = {
    "pattern_append": lambda text: text + "!",
    "pattern_append_nul": lambda text: text + "\0",
    "pattern_append_newline": lambda text: text + "\n",
    "pattern_case": str.swapcase,
    "pattern_leading_space": lambda text: " " + text,
    "pattern_empty": lambda _: "",
    "pattern_shorter": lambda text: text[:-1],
    "pattern_other": lambda text: "\u00e9" * len(text),
}
_DATE: _Edits = {
    "month_13": lambda text: text[:5] + "13" + text[7:],
    "month_0": lambda text: text[:5] + "00" + text[7:],
    "february_30": lambda text: text[:5] + "02-30" + text[10:],
    "other_separator": lambda text: text[:10].replace("-", "/") + text[10:],
}
_TIME: _Edits = {
    "hour_24": lambda text: re.sub(r"\d\d:", "24:", text, count=1),
    "minute_60": lambda text: re.sub(r":\d\d", ":60", text, count=1),
    "offset_24": lambda text: _OFFSET.sub("", text) + "+24:00",
}
_BASE64: _Edits = {
    "base64_padding": lambda text: text[:-1] if text.endswith("=") else text + "=",
    "base64_urlsafe": lambda _: "-_-_",
    "base64_character": lambda text: "!" + text[1:],
}
_FORMATS: dict[type, _Edits] = {
    inspect.DateTimeType: {**_DATE, **_TIME, "date_only": lambda text: text[:10]},
    inspect.DateType: {**_DATE, "with_time": lambda text: text + "T00:00:00Z"},
    inspect.TimeType: _TIME,
    inspect.TimeDeltaType: {
        "duration_word": lambda _: "1 day",
        "duration_empty": lambda _: "P",
        "duration_months": lambda _: "P1M",
    },
    inspect.UUIDType: {
        "uuid_character": lambda text: text[:-1] + "g",
        "uuid_short": lambda text: text[:-1],
        "uuid_long": lambda text: text + "0",
        "uuid_braces": lambda text: f"{{{text}}}",
    },
    inspect.DecimalType: {"decimal_comma": lambda _: "1,5"},
    **dict.fromkeys(_BYTES, _BASE64),
}


# Records: presence, names, order, tags.


def _for_record(record: Record) -> Changes:
    path = record.path
    if isinstance(record.info, inspect.TupleType):
        yield path, "array_short", lambda value, _: value[:-1] if value else SKIP
        yield path, "array_long", lambda value, _: [*value, None]
        return
    names = {field.encode_name: field.name for field in record.info.fields}
    forbidding = getattr(record.info, "forbid_unknown_fields", False)
    for step, field in record.fields.items():
        if step in record.required:
            yield field.path, "drop_required", partial(without_field, step)
        if isinstance(step, int):
            continue
        if step in record.required or forbidding:
            if names[step] != step:
                yield field.path, "python_name", partial(_renamed, step, names[step])
            yield field.path, "case_of_name", partial(_renamed, step, step.swapcase())
        yield field.path, "duplicate_key", partial(_duplicated, step, field, first=False)
        yield field.path, "duplicate_key_before", partial(_duplicated, step, field, first=True)
    if forbidding and record.is_array:
        yield path, "array_long", partial(_lengthened, record)
    elif forbidding:
        yield path, "unknown_field", lambda value, _: {**value, "unknown_field": None}


def without_field(step: Step, value: Any, _make: Make) -> Any:
    """Return a record without a field; in an array, without those behind it either."""
    if isinstance(step, int):
        return value[:step]
    return {key: item for key, item in value.items() if key != step}


def _renamed(step: str, name: str, value: dict[str, Any], _make: Make) -> Any:
    if step not in value or name in value:
        return SKIP
    return {name if key == step else key: item for key, item in value.items()}


def _duplicated(
    step: str, field: Place, value: dict[str, Any], make: Make, *, first: bool
) -> msgspec.Raw:
    known = value[step] if step in value else make(field.info)
    wrong = next((change(known, make) for _, change in _for_place(field)), msgspec.Raw(b"NaN"))
    return _object({**value, step: known}, step, wrong, first=first)


def _object(value: dict[str, Any], key: str, item: Any, *, first: bool) -> msgspec.Raw:
    # An object with a key twice, which no dict can be.
    body, pair = _encode(value)[1:-1], _encode(key) + b":" + _encode(item)
    parts = [pair, body] if first else [body, pair]
    return msgspec.Raw(b"{" + b",".join(filter(None, parts)) + b"}")


def _lengthened(record: Record, value: list[Any], make: Make) -> list[Any]:
    for step, field in record.fields.items():
        if isinstance(step, int) and step >= len(value):
            value = [*value, make(field.info)]
    return [*value, None]


def _for_tag(record: Record, others: dict[Tag, Record]) -> Iterator[tuple[str, Change]]:
    tag = record.own_tag
    step: Any = record.tag_step
    wrong: dict[str, Any] = {
        "tag_null": None,
        "tag_bool": True,
        "tag_float": 1.5,
        "tag_array": [tag],
        "tag_object": {},
        "tag_huge_int": msgspec.Raw(_TOKENS["huge_int"]),
    }
    if isinstance(tag, str):
        other_case = tag.swapcase() if tag.swapcase() not in others else tag.title()
        wrong |= {
            "tag_unknown": f"no_{tag}",
            "tag_empty": "",
            "tag_case": other_case,
            "tag_space": f"{tag} ",
            "tag_nul": f"{tag}\0",
            "tag_prefix": tag[:-1],
            "tag_int": 1,
            "tag_bad_utf8": msgspec.Raw(_encode(tag)[:-1] + b'\xff"'),
        }
    else:
        wrong |= {
            "tag_unknown": max(one for one in others if isinstance(one, int)) + 1,
            "tag_negative": -1 - abs(tag or 0),
            "tag_string": str(tag),
            "tag_float": float(tag or 0),
        }
    wrong |= {f"swap_tag:{other}": other for other in others if other != tag}
    for operator, bad in wrong.items():
        yield operator, partial(_tagged, step, bad)
    if record.is_array:
        yield "drop_tag", lambda value, _: value[1:]
    else:
        conflict = next((other for other in others if other != tag), wrong["tag_unknown"])
        yield "drop_tag", partial(without_field, step)
        yield "duplicate_tag", lambda value, _: _object(value, step, conflict, first=False)
        yield (
            "duplicate_tag_before",
            lambda value, _: _object(value, step, conflict, first=True),
        )


def _tagged(step: Step, tag: Any, value: Any, _make: Make) -> Any:
    return replaced(value, (step,), tag)


# Frames as a whole: whatever the schema, or made from a valid message.


FRAMES: dict[str, str | bytes] = {
    "empty": "",
    "empty_binary": b"",
    "whitespace": " \t\r\n",
    "top_null": "null",
    "top_bool": "true",
    "top_int": "0",
    "top_float": "0.5",
    "top_string": '""',
    "top_array": "[]",
    "top_object": "{}",
    "top_nan": "NaN",
    "plain_text": "hello",
    "one_brace": "{",
    # Without the closing brackets no reader, however patient, finds a message.
    "deep_array": "[" * TOO_DEEP,
}

FRAME_OPERATORS: dict[str, Callable[[bytes], str | bytes]] = {
    "in_array": lambda raw: b"[" + raw + b"]",
    "in_object": lambda raw: b'{"payload":' + raw + b"}",
    "in_string": lambda raw: _encode(raw.decode()),
    "truncated": lambda raw: raw[:-1],
    "truncated_half": lambda raw: raw.decode()[: len(raw) // 2],
    "without_start": lambda raw: raw[1:],
    "trailing_brace": lambda raw: raw + b"}",
    "trailing_text": lambda raw: raw + b" x",
    "trailing_nul": lambda raw: raw + b"\0",
    "trailing_comma": lambda raw: raw[:-1] + b"," + raw[-1:],
    "concatenated": lambda raw: raw + raw,
    "two_lines": lambda raw: raw + b"\n" + raw,
    "byte_order_mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "utf16": lambda raw: raw.decode().encode("utf-16"),
    "comment": lambda raw: b"/**/" + raw,
    "single_quotes": lambda raw: raw.replace(b'"', b"'"),
    "no_quotes": lambda raw: raw.replace(b'"', b""),
    "bad_utf8_outside": lambda raw: b"\xff" + raw,
    "bit_flip_first": lambda raw: _flipped(raw, 0, 1),
    "bit_flip_middle": lambda raw: _flipped(raw, len(raw) // 2, 0x80),
    "bit_flip_last": lambda raw: _flipped(raw, len(raw) - 1, 1),
    "deep_field": lambda raw: raw[:-1] + b',"unknown_field":' + b'[{"":' * (TOO_DEEP // 2),
}


def _flipped(raw: bytes, index: int, bit: int) -> bytes:
    return raw[:index] + bytes([raw[index] ^ bit]) + raw[index + 1 :]


def huge(message: Any, tag_step: Step) -> Any:
    """Return a message with a tag of a megabyte."""
    return replaced(message, (tag_step,), "x" * HUGE)
