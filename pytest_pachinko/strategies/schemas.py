"""What msgspec says of a schema, and what is wrong where it says nothing. Pure."""

from __future__ import annotations

import datetime as dt
import decimal
import inspect as python_inspect
import uuid
from types import GenericAlias
from typing import Annotated
from typing import Any
from typing import get_args
from typing import get_origin
from typing import get_type_hints
from typing import Literal
from typing import TYPE_CHECKING
from typing import Union

import msgspec
from msgspec import inspect

from falcon_pachinko.schema import bare
from falcon_pachinko.schema import members_of
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.strategies.guard import refuse
from pytest_pachinko.strategies.registry import decoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

__all__ = [
    "annotation_of",
    "class_of",
    "decoder_for",
    "members",
    "origin_of",
    "schema_of",
    "variants",
]


def schema_of(schema: Any) -> Any:
    """Return a union as it is, and that of a resource for the resource.

    Raises:
        PachinkoUsageError: It is a class that is neither, or no type at all.
    """
    if isinstance(schema, list | tuple | set | dict | msgspec.Struct) and schema != ():
        raise _no_messages(schema, f"it is a {type(schema).__name__}, and no type")
    if not isinstance(schema, type) or issubclass(schema, msgspec.Struct):
        return schema
    try:
        return schema.schema  # type: ignore[attr-defined]
    except AttributeError:
        raise _no_messages(
            schema, f"{schema.__name__} is neither a Struct nor a resource with a schema"
        ) from None


def variants(schema: Any) -> tuple[inspect.StructType, ...]:
    """Return what msgspec says of each member of a union of tagged Structs, as declared.

    Args:
        schema: The union, a single tagged Struct, or a resource with a ``schema``.

    Raises:
        PachinkoUsageError: It is something else, or its annotations cannot be resolved.
    """
    return tuple(bare(info) for info in members(schema))


def members(schema: Any) -> Sequence[inspect.Type]:
    """Return the same, each with the metadata that belongs to it."""
    schema = schema_of(schema)
    if schema in (None, (), Union):
        raise _no_messages(schema, "it has no members")
    try:
        infos = list(members_of(inspect.type_info(schema)))
    except Exception as error:
        raise _unresolvable(schema, error) from error
    for info in map(bare, infos):
        if not isinstance(info, inspect.StructType):
            kind = type(info).__name__.removesuffix("Type").lower()
            raise _no_messages(schema, f"it contains {kind}, which is no tagged Struct")
        if info.tag is None:
            name = origin_of(info.cls).__name__
            raise PachinkoUsageError(
                f"{name} has no tag, so nothing says which message it is.\n"
                f'Hint: class {name}(msgspec.Struct, tag="{name.lower()}"): ...'
            )
    return infos


def decoder_for(schema: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a schema, or of any type, which knows the registered types."""
    is_resource = isinstance(schema, type) and hasattr(schema, "schema")
    return decoder(schema_of(schema) if is_resource else schema)


def origin_of(cls: Any) -> Any:
    """Return the class of which ``cls`` is an alias: instances of ``G[int]`` are of ``G``."""
    return get_origin(cls) or cls


def annotation_of(info: inspect.Type) -> Any:
    """Return an annotation for which msgspec says the same, but for titles and examples.

    Of ``IntType(ge=0)`` it is ``Annotated[int, Meta(ge=0)]``.
    """
    kind = bare(info)
    meta = {
        name: value for name in _CONSTRAINTS if (value := getattr(kind, name, None)) is not None
    }
    make = _GENERICS.get(type(kind), _plain)
    annotation = make(kind)
    return Annotated[annotation, msgspec.Meta(**meta)] if meta else annotation


def _plain(info: Any) -> Any:
    return info.cls if hasattr(info, "cls") else _CLASSES[type(info)]


def class_of(info: Any) -> Any:
    """Return the class of a type, or None if it has none, or if constraints are to be kept."""
    if hasattr(info, "cls"):
        return origin_of(info.cls)
    if any(getattr(info, name, None) is not None for name in _CONSTRAINTS):
        return None
    return _CLASSES.get(type(info))


_CONSTRAINTS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")

_CLASSES: dict[type[inspect.Type], Any] = {
    inspect.AnyType: Any,
    inspect.BoolType: bool,
    inspect.ByteArrayType: bytearray,
    inspect.BytesType: bytes,
    inspect.DateTimeType: dt.datetime,
    inspect.DateType: dt.date,
    inspect.DecimalType: decimal.Decimal,
    inspect.ExtType: msgspec.msgpack.Ext,
    inspect.FloatType: float,
    inspect.IntType: int,
    inspect.MemoryViewType: memoryview,
    inspect.NoneType: None,
    inspect.RawType: msgspec.Raw,
    inspect.StrType: str,
    inspect.TimeDeltaType: dt.timedelta,
    inspect.TimeType: dt.time,
    inspect.UUIDType: uuid.UUID,
}


# What has other types in it.
_GENERICS: dict[type[inspect.Type], Callable[[Any], Any]] = {
    inspect.DictType: lambda info: GenericAlias(
        dict, (annotation_of(info.key_type), annotation_of(info.value_type))
    ),
    inspect.FrozenSetType: lambda info: GenericAlias(frozenset, annotation_of(info.item_type)),
    inspect.ListType: lambda info: GenericAlias(list, annotation_of(info.item_type)),
    inspect.LiteralType: lambda info: Literal[info.values],
    inspect.SetType: lambda info: GenericAlias(set, annotation_of(info.item_type)),
    inspect.TupleType: lambda info: GenericAlias(tuple, tuple(map(annotation_of, info.item_types))),
    inspect.UnionType: lambda info: Union[tuple(map(annotation_of, info.types))],  # noqa: UP007
    inspect.VarTupleType: lambda info: GenericAlias(tuple, (annotation_of(info.item_type), ...)),
}


def _no_messages(schema: Any, reason: str) -> PachinkoUsageError:
    return PachinkoUsageError(
        f"No messages can be made of {_name(schema)}: {reason}.\n"
        "Hint: a schema is a union of tagged Structs, such as Join | Say, or a resource that has "
        "one."
    )


def _unresolvable(schema: Any, error: Exception) -> PachinkoUsageError:
    path = _blame(schema, "", set()) or _name(schema)
    return refuse(
        path,
        f"msgspec cannot read its type: {error}",
        "the annotation must be one that msgspec supports, of names that are defined in the "
        "module of its class.",
    )


def _blame(annotation: Any, path: str, seen: set[Any]) -> str | None:
    """Find the field, of what an annotation names, that msgspec cannot read."""
    for part in get_args(annotation):
        if found := _blame(part, path, seen):
            return found
    cls = origin_of(annotation)
    if not isinstance(cls, type) or cls in seen:
        return None
    seen.add(cls)
    path = path or cls.__name__
    for base in cls.__mro__:
        for name, hint in python_inspect.get_annotations(base).items():
            where = f"{path}.{name}"
            # One field at a time: the others are none of its business.
            alone = type(base.__name__, (), {"__annotations__": {name: hint}})
            alone.__module__ = base.__module__
            try:
                resolved = get_type_hints(alone, localns=vars(base), include_extras=True)[name]
            except Exception:  # noqa: BLE001 - it may be any expression
                return where
            if found := _blame(resolved, where, seen):
                return found
            if not _readable(resolved):
                return where
    return None


def _readable(annotation: Any) -> bool:
    try:
        inspect.type_info(annotation)
    except Exception:  # noqa: BLE001 - it may be any expression
        return False
    return True


def _name(schema: Any) -> str:
    return schema.__name__ if isinstance(schema, type) else str(schema)
