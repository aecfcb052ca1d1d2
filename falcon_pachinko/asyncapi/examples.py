"""An example of each type, the same in every process. Pure.

An example is a guess that msgspec judges: what a type's own code refuses has none.
"""

from __future__ import annotations

import math
from typing import Any
from typing import TYPE_CHECKING

import msgspec
from msgspec import inspect

from falcon_pachinko.asyncapi.patterns import sample
from falcon_pachinko.asyncapi.schemas import DICTS
from falcon_pachinko.asyncapi.schemas import is_any
from falcon_pachinko.asyncapi.schemas import united
from falcon_pachinko.asyncapi.texts import name_of
from falcon_pachinko.asyncapi.values import check_example
from falcon_pachinko.asyncapi.values import default_of
from falcon_pachinko.asyncapi.values import hints_of
from falcon_pachinko.asyncapi.values import plain
from falcon_pachinko.schema import bare

if TYPE_CHECKING:
    from collections.abc import Callable

    Info = inspect.Type

__all__ = ["examples_of"]


class _NoneFoundError(Exception):
    """A type has no example that can be guessed."""


def examples_of(info: Info, annotation: Any) -> list[Any]:
    """Return wire data of a message that msgspec decodes: what its author gives, or one more.

    Args:
        info: What msgspec says of the type.
        annotation: The type, or a union that it is a member of.

    Raises:
        DocumentError: What its author gives is none.
    """
    for value in _written(info):
        check_example(name_of(annotation), value, annotation)
    given = _given(info)
    if given:
        return given
    decode = msgspec.json.Decoder(annotation).decode
    try:
        guess = _guess(bare(info), ())
    except _NoneFoundError:
        return []
    return [guess] if _is_valid(guess, decode) else []


def _is_valid(value: Any, decode: Callable[[bytes], Any]) -> bool:
    try:
        decode(msgspec.json.encode(value))
    except Exception:  # noqa: BLE001 - a Struct may raise anything
        return False
    return True


def _given(info: Info) -> list[Any]:
    """Return the examples that somebody wrote down for a type; a tag need not be written."""
    inner = bare(info)
    tag = {inner.tag_field: inner.tag} if getattr(inner, "tag", None) is not None else {}
    found = plain(_written(info))
    return [{**tag, **value} if isinstance(value, dict) else value for value in found]


def _written(info: Info) -> list[Any]:
    while isinstance(info, inspect.Metadata):
        found: list[Any] = (info.extra_json_schema or {}).get("examples", [])
        if found:
            return found
        info = info.type
    return []


def _guess(info: Info, above: tuple[Any, ...]) -> Any:
    """Make an example; ``above`` are the classes that it is part of."""
    given = _given(info)
    if given:
        return given[0]
    inner = bare(info)
    return _GUESSES[type(inner)](inner, above)


def _object(info: Any, above: tuple[Any, ...]) -> Any:
    if info.cls in above:
        raise _NoneFoundError
    above = (*above, info.cls)
    tag = getattr(info, "tag", None)
    found = {} if tag is None else {info.tag_field: tag}
    in_order = isinstance(info, inspect.NamedTupleType) or getattr(info, "array_like", False)
    hints = hints_of(info.cls)
    for field in info.fields:
        try:
            found[field.encode_name] = _field(field, hints.get(field.name, Any), above)
        except _NoneFoundError:
            if field.required:
                raise
            if in_order:
                break
    return list(found.values()) if in_order else found


def _field(field: inspect.Field, annotation: Any, above: tuple[Any, ...]) -> Any:
    if not _given(field.type):
        default = default_of(field.default, annotation)
        if default is not msgspec.NODEFAULT and default is not None:
            return default
    return _guess(field.type, above)


def _items(info: Any, above: tuple[Any, ...]) -> Any:
    try:
        if isinstance(info, inspect.SetType | inspect.FrozenSetType):
            return _several(info.item_type, _number_of(info), above)
        return [_guess(info.item_type, above)] * _number_of(info)
    except _NoneFoundError:
        if info.min_length:
            raise
        return []


def _mapping(info: Any, above: tuple[Any, ...]) -> Any:
    try:
        value = _guess(info.value_type, above)
        return {str(key): value for key in _several(info.key_type, _number_of(info), above)}
    except _NoneFoundError:
        if info.min_length:
            raise
        return {}


def _number_of(info: Any) -> int:
    """Return how many elements an example has: one, if it may."""
    return 0 if info.max_length == 0 else max(info.min_length or 0, 1)


def _several(info: Info, number: int, above: tuple[Any, ...]) -> list[Any]:
    """Make so many examples, each of them another one."""
    inner = bare(info)
    make = _MORE.get(type(inner))
    more = [] if make is None else make(inner, number)
    found: list[Any] = []
    for value in (*_given(info), _guess(info, above), *more):
        if value not in found:
            found.append(value)
    if len(found) < number:
        raise _NoneFoundError
    return found[:number]


def _either(info: inspect.UnionType, above: tuple[Any, ...]) -> Any:
    # None says the least of a type.
    for member in sorted(united(info), key=lambda one: isinstance(bare(one), inspect.NoneType)):
        try:
            return _guess(member, above)
        except _NoneFoundError:
            continue
    raise _NoneFoundError


def _string(info: inspect.StrType, _: object) -> str:
    least, most = info.min_length or 0, info.max_length
    if info.pattern is None:
        text = ("text" * (least // 4 + 1))[: max(least, 4)]
    else:
        text = sample(info.pattern, least)
        # A pattern of a part allows anything behind it.
        text = text.ljust(least, (text or "a")[-1])
    return text if most is None else text[:most]


def _bytes(info: Any, _: object) -> str:
    least = info.min_length or 0
    most = info.max_length
    number = max(least, 3) if most is None else min(max(least, 3), most)
    return str(plain(b"a" * number))


def _number(info: Any, _: object) -> Any:
    found = _numbers(info, 0)
    if not found:
        raise _NoneFoundError
    return found[0]


def _numbers(info: Any, more: int) -> list[Any]:
    """Return numbers that are within the bounds: the best first, and about so many more."""
    whole = isinstance(info, inspect.IntType)
    step = info.multiple_of or 1
    low = info.ge if info.ge is not None else info.gt
    high = info.le if info.le is not None else info.lt
    if low is None:
        start = 0 if high is None or high > 0 else (math.floor(high / step) - 1) * step
    else:
        start = math.ceil(low / step) * step
    tries = [start, start + step, 1, start + 2 * step]
    if not whole and low is not None and high is not None:
        tries.append((low + high) / 2)
    tries += [start + sign * times * step for times in range(more + 1) for sign in (1, -1)]
    return [int(number) if whole else number for number in tries if _is_within(number, info)]


def _is_within(number: float, info: Any) -> bool:
    return (
        (info.ge is None or number >= info.ge)
        and (info.gt is None or number > info.gt)
        and (info.le is None or number <= info.le)
        and (info.lt is None or number < info.lt)
        and (info.multiple_of is None or math.fmod(number, info.multiple_of) == 0)
    )


def _unknown(info: Info, _: object) -> Any:
    if is_any(info):
        return "anything"
    raise _NoneFoundError


def _moment(date: str, zones: bool | None) -> str:  # noqa: FBT001 - it is what Meta(tz=...) says
    return date if zones is False else f"{date}Z"


def _strings(info: inspect.StrType, number: int) -> list[str]:
    if info.pattern is not None:
        return []
    text, most = _string(info, ()), info.max_length
    # The end of each is what tells it from others.
    return [f"{text}{count}"[-most if most else 0 :] for count in range(2, number + 2)]


_MORE: dict[type, Callable[[Any, int], list[Any]]] = {
    inspect.BoolType: lambda *_: [False],
    inspect.EnumType: lambda info, _: [plain(member.value) for member in info.cls],
    inspect.FloatType: _numbers,
    inspect.IntType: _numbers,
    inspect.LiteralType: lambda info, _: list(info.values),
    inspect.StrType: _strings,
}
"""What tells several examples apart."""

_GUESSES: dict[type, Callable[[Any, tuple[Any, ...]], Any]] = {
    inspect.AnyType: lambda *_: "anything",
    inspect.BoolType: lambda *_: True,
    inspect.ByteArrayType: _bytes,
    inspect.BytesType: _bytes,
    inspect.CustomType: _unknown,
    inspect.DataclassType: _object,
    inspect.DateTimeType: lambda info, _: _moment("2024-02-29T12:30:00", info.tz),
    inspect.DateType: lambda *_: "2024-02-29",
    inspect.DecimalType: lambda *_: "1.50",
    inspect.EnumType: lambda info, _: plain(next(iter(info.cls.__members__.values())).value),
    inspect.ExtType: _unknown,
    inspect.FloatType: _number,
    inspect.FrozenSetType: _items,
    inspect.IntType: _number,
    inspect.ListType: _items,
    inspect.LiteralType: lambda info, _: next(
        (value for value in info.values if value is not None), None
    ),
    inspect.MemoryViewType: _bytes,
    inspect.NamedTupleType: _object,
    inspect.NoneType: lambda *_: None,
    inspect.RawType: lambda *_: "anything",
    inspect.SetType: _items,
    inspect.StrType: _string,
    inspect.StructType: _object,
    inspect.TimeDeltaType: lambda *_: "PT90S",
    inspect.TimeType: lambda info, _: _moment("12:30:00", info.tz),
    inspect.TupleType: lambda info, above: [_guess(item, above) for item in info.item_types],
    inspect.TypedDictType: _object,
    inspect.UUIDType: lambda *_: "12345678-1234-4678-9234-567812345678",
    inspect.UnionType: _either,
    inspect.VarTupleType: _items,
    **dict.fromkeys(DICTS, _mapping),
}
