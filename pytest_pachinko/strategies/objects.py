"""Strategies for what has fields: Structs, dataclasses, attrs, named tuples and typed dicts.

As wire data they are dicts in any order, or lists; what has a default may be absent, and there may
be more than they know of.
"""

from __future__ import annotations

import math
from itertools import takewhile
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from falcon_pachinko.schema import bare
from pytest_pachinko.strategies.guard import guarded
from pytest_pachinko.strategies.guard import refuse
from pytest_pachinko.strategies.recursion import is_list
from pytest_pachinko.strategies.recursion import needed_fields
from pytest_pachinko.strategies.recursion import OBJECTS
from pytest_pachinko.strategies.recursion import SERIES
from pytest_pachinko.strategies.registry import decoder
from pytest_pachinko.strategies.registry import encode
from pytest_pachinko.strategies.scalars import SHALLOW_JSON
from pytest_pachinko.strategies.schemas import annotation_of
from pytest_pachinko.strategies.schemas import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

    from pytest_pachinko.errors import PachinkoUsageError

__all__ = ["Slot", "as_instance", "as_wire", "slots_of"]

_ABSENT: Any = object()
# What a function makes of these can be compared with what it makes the next time.
_MADE_ALIKE = {*OBJECTS, *SERIES, inspect.TupleType, inspect.DictType}
_SHUFFLED = 8  # so many keys can be in any order; more cannot all be drawn anyway

# Nothing, three times, because `one_of` takes what is equal for one. Most peers send what they know.
_NOTHING = [st.just(()), st.just([]), st.just("")]

# Fields that nobody asked for: what an attribute or a handler could be called, and nothing.
_STRANGE = ("extra", "", "_", "__class__", "payload", "on_connect", "\u00e9\U0001f600")


class Slot(NamedTuple):
    """A field.

    Attributes:
        field: Its name.
        argument: What the constructor calls it; None if that does not take it.
        key: Its name on the wire.
        info: What msgspec says of its values.
        required: Whether it has no default.
        droppable: Whether it may be absent from wire data.
        default: Makes what the constructor would put there, if that is known and valid.
        values: Makes its values; None if it is to be absent.
    """

    field: str
    argument: str | None
    key: str
    info: inspect.Type
    required: bool
    droppable: bool
    default: SearchStrategy[Any] | None = None
    values: SearchStrategy[Any] | None = None


def slots_of(info: Any) -> Iterator[Slot]:
    """Iterate over the fields of a type."""
    arguments = _arguments(origin_of(info.cls))
    fixed = {field.name for field in needed_fields(info)}
    for field in info.fields:
        argument = arguments.get(field.name, field.name)
        default = None if field.required else _default(info, field)
        yield Slot(
            field.name,
            argument,
            field.encode_name,
            field.type,
            required=field.required,
            droppable=field.name not in fixed,
            default=default,
        )


def _arguments(cls: Any) -> dict[str, str | None]:
    """Return what a constructor calls fields, where that is not their name."""
    if hasattr(cls, "__attrs_attrs__"):
        return {each.name: each.alias if each.init else None for each in cls.__attrs_attrs__}
    fields = getattr(cls, "__dataclass_fields__", {})
    return {name: None for name, each in fields.items() if not each.init}


def _default(info: Any, field: inspect.Field) -> SearchStrategy[Any] | None:
    factory: Any = field.default_factory
    if field.default is not msgspec.NODEFAULT:
        value: Any = field.default
        strategy = st.just(value)
    elif factory is not msgspec.NODEFAULT:
        # A time or a random id is another one each time, which Hypothesis could not replay.
        if type(bare(field.type)) not in _MADE_ALIKE and not isinstance(factory, type):
            return None
        value = None
        strategy = st.builds(factory)
    else:
        is_object = not isinstance(info, inspect.TypedDictType)
        array_like = getattr(info, "array_like", False)
        return st.just(msgspec.UNSET) if is_object and not array_like else None
    try:
        if factory is not msgspec.NODEFAULT:
            value = factory()
            if value != factory():
                return None
        decoder(annotation_of(field.type)).decode(encode(value))
    except Exception:  # noqa: BLE001 - msgspec takes any default, also an invalid one
        return None
    return strategy


def as_instance(info: Any, slots: Sequence[Slot], path: str) -> SearchStrategy[Any]:
    """Make instances.

    Args:
        info: What msgspec says of the type.
        slots: Its fields.
        path: What it is called in errors.
    """
    if isinstance(info, inspect.TypedDictType):
        needed = {slot.key: slot.values for slot in slots if slot.required}
        others = {slot.key: slot.values for slot in slots if not slot.required}
        others = {key: values for key, values in others.items() if values is not None}
        return st.fixed_dictionaries(needed, optional=others)  # type: ignore[arg-type]
    cls = origin_of(info.cls)
    arguments = {}
    for slot in slots:
        if slot.argument is not None and slot.values is not None:
            default = slot.default
            arguments[slot.argument] = slot.values if default is None else default | slot.values
    if not _checks(cls):
        return st.builds(cls, **arguments)
    return guarded(
        st.fixed_dictionaries(arguments), lambda values: cls(**values), _never(cls, path)
    )


def as_wire(info: Any, slots: Sequence[Slot], path: str) -> SearchStrategy[Any]:
    """Make wire data.

    Args:
        info: What msgspec says of the type.
        slots: Its fields.
        path: What it is called in errors.
    """
    strategy = (_as_list if is_list(info) else _as_dict)(info, slots)
    cls = origin_of(info.cls)
    if not _checks(cls):
        return strategy
    decode = decoder(info.cls).decode

    def check(value: Any) -> Any:
        try:
            decode(encode(value))
        except (ValueError, TypeError, msgspec.ValidationError):  # in 0.20 it is no ValueError
            raise
        except Exception:  # noqa: BLE001 - a mistake of the class, which an application is to meet
            return value
        return value

    return guarded(strategy, check, _never(cls, path))


def _checks(cls: Any) -> bool:
    """Return whether a class may refuse values that its fields allow."""
    return any(
        hasattr(cls, name)
        for name in ("__post_init__", "__attrs_post_init__", "__attrs_pre_init__")
    ) or any(each.validator or each.converter for each in getattr(cls, "__attrs_attrs__", ()))


def _never(cls: Any, path: str) -> PachinkoUsageError:
    return refuse(
        path,
        f"{cls.__name__} refuses nearly all values that its fields allow, because of its "
        "__post_init__ or validators.",
        f"strategies.register_type({cls.__name__}, strategy), with a strategy of values that it "
        "takes; or say in Meta(...) what they are.",
    )


def _as_dict(info: Any, slots: Sequence[Slot]) -> SearchStrategy[Any]:
    tag = [] if getattr(info, "tag", None) is None else [(info.tag_field, info.tag)]
    keys = [slot.key for slot in slots if slot.values is not None]
    values = [
        slot.values if slot.required else st.just(_ABSENT) | slot.values
        for slot in slots
        if slot.values is not None
    ]
    known = {*(key for key, _ in tag), *(slot.key for slot in slots)}
    if getattr(info, "forbid_unknown_fields", False):
        extras: SearchStrategy[Any] = st.just(())
    else:
        # What a client in Python may send by mistake, which is not an error.
        names = [*_STRANGE, *(slot.field for slot in slots), *(slot.key.upper() for slot in slots)]
        strange = st.sampled_from([name for name in dict.fromkeys(names) if name not in known])
        more = st.lists(st.tuples(strange, SHALLOW_JSON), min_size=1, max_size=2)
        extras = st.one_of(*_NOTHING, more)
    count = min(_SHUFFLED, len(tag) + len(keys))
    order = st.integers(0, math.factorial(count) - 1)

    def assemble(drawn: tuple[Any, ...]) -> dict[str, Any]:
        code, more, *found = drawn
        items = [
            *tag,
            *(pair for pair in zip(keys, found, strict=True) if pair[1] is not _ABSENT),
            *more,
        ]
        return dict(_shuffled(items, code))

    return st.tuples(order, extras, *values).map(assemble)


def _shuffled(items: list[Any], code: int) -> list[Any]:
    """Put items in the order that a number stands for: 0 leaves them, 1 puts the second first."""
    front = []
    while code and len(items) > 1:
        code, index = divmod(code, len(items))
        front.append(items.pop(index))
    return front + items


def _is_there(strategy: Any) -> bool:
    return strategy is not None


def _as_list(info: Any, slots: Sequence[Slot]) -> SearchStrategy[Any]:
    tag = [] if getattr(info, "tag", None) is None else [info.tag]
    # Only the last ones can be absent: what follows one that has to be is absent too.
    values = list(takewhile(_is_there, (slot.values for slot in slots)))
    needed = sum(not slot.droppable for slot in slots)
    forbidden = getattr(info, "forbid_unknown_fields", True)
    more = st.lists(SHALLOW_JSON, min_size=1, max_size=2)
    extras = st.just(()) if forbidden else st.one_of(*_NOTHING, more)

    def assemble(drawn: tuple[Any, ...]) -> list[Any]:
        count, more, *found = drawn
        return [*tag, *found[:count], *(more if count == len(slots) else ())]

    return st.tuples(st.integers(needed, len(values)), extras, *values).map(assemble)
