"""From what msgspec says of types to JSON Schema, draft-07. Pure.

A schema accepts what msgspec's decoder accepts, as far as JSON Schema can say it; ``LIMITS`` lists
what it cannot. That is why there is more here than in ``msgspec.json.schema``: the tag of a Struct
is required only where there are others, a set may have the same element twice, what a text of a
date looks like is a pattern, and so are the keys of an object that are numbers.
"""

from __future__ import annotations

import enum
from typing import Any
from typing import get_origin
from typing import TYPE_CHECKING

import msgspec
from msgspec import inspect

from falcon_pachinko.asyncapi.limits import note
from falcon_pachinko.asyncapi.patterns import base64_of
from falcon_pachinko.asyncapi.patterns import ecma
from falcon_pachinko.asyncapi.scalars import DECIMAL_KEY
from falcon_pachinko.asyncapi.scalars import FLOAT_KEY
from falcon_pachinko.asyncapi.scalars import INT_KEY
from falcon_pachinko.asyncapi.scalars import scalar_of
from falcon_pachinko.asyncapi.scalars import SCALARS
from falcon_pachinko.asyncapi.texts import docs_of
from falcon_pachinko.asyncapi.texts import name_of
from falcon_pachinko.asyncapi.texts import tidy
from falcon_pachinko.asyncapi.texts import unique
from falcon_pachinko.asyncapi.values import check_examples
from falcon_pachinko.asyncapi.values import check_given
from falcon_pachinko.asyncapi.values import default_of
from falcon_pachinko.asyncapi.values import hints_of
from falcon_pachinko.asyncapi.values import plain
from falcon_pachinko.errors import DocumentError
from falcon_pachinko.schema import bare
from falcon_pachinko.schema import members_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator
    from collections.abc import Sequence

    Schema = dict[str, Any]
    Info = inspect.Type
    SchemaHook = Callable[[Any], Schema]

__all__ = ["DICTS", "Schemas", "is_any", "parts_of", "structs_of", "united"]

_REFERENCE = "#/components/schemas/"

_OBJECTS = (
    inspect.StructType,
    inspect.TypedDictType,
    inspect.DataclassType,
    inspect.NamedTupleType,
)
DICTS = (inspect.DictType, getattr(inspect, "FrozenDictType", inspect.DictType))
"""Mappings, those of newer versions of msgspec too."""

# What is a text, as a value and as a key.
_TEXTS = (
    inspect.ByteArrayType,
    inspect.BytesType,
    inspect.DateTimeType,
    inspect.DateType,
    inspect.MemoryViewType,
    inspect.StrType,
    inspect.TimeDeltaType,
    inspect.TimeType,
    inspect.UUIDType,
)


def structs_of(info: Info) -> list[Info]:
    """Return the Structs among the members of a union, or of what is none."""
    return [member for member in members_of(info) if isinstance(bare(member), inspect.StructType)]


def is_any(info: Info) -> bool:
    """Whether a type takes anything, which msgspec says of ``object`` in words of its own."""
    inner = bare(info)
    return isinstance(inner, inspect.AnyType) or getattr(inner, "cls", None) is object


class Schemas:
    """The schemas of the types of one document.

    Args:
        roots: Types that are used; with each of them, whether it is one of several Structs that
            their tags tell apart.
        hook: From a type that msgspec does not know to its schema.
    """

    def __init__(self, roots: Iterable[tuple[Info, bool]], hook: SchemaHook | None = None) -> None:
        self._hook = hook
        self._infos: dict[Any, Info] = {}
        self._alone: set[Any] = set()
        self._together: set[Any] = set()
        self._scalars: set[str] = set()
        self._hints: dict[Any, dict[str, Any]] = {}
        for info, together in roots:
            self._collect(info, together=together)
        self._names = _names(self._infos, self._scalars)

    def components(self) -> Schema:
        """Return the schemas that others refer to, by name."""
        found = {name: dict(SCALARS[name]) for name in self._scalars}
        for cls, info in self._infos.items():
            found[self._names[cls]] = _MAKERS[type(info)](self, info)
        return dict(sorted(found.items()))

    def name(self, info: Info) -> str | None:
        """Return the name of the component of a type, if it has one."""
        return self._names.get(getattr(bare(info), "cls", None))

    def of(self, info: Info, *, together: bool = False) -> Schema:
        """Return the schema of a type: a reference, if it is a component.

        Args:
            info: What msgspec says of the type.
            together: Whether it is one of several Structs that their tags tell apart.
        """
        extra: Schema = {}
        while isinstance(info, inspect.Metadata):
            extra = {**_plain_extra(info.extra_json_schema), **extra}
            info = info.type
        if isinstance(info, inspect.CustomType) and not is_any(info):
            return self._custom(info, extra)
        return _beside(self._of(info, together=together), extra)

    def inline(self, info: Info) -> Schema:
        """Return the schema of an object in full, although it could be a component."""
        return self._object(info)

    def _of(self, info: Info, *, together: bool) -> Schema:
        scalar = scalar_of(info)
        if scalar is not None:
            return {"$ref": _REFERENCE + scalar}
        name = self.name(info)
        if name is None:
            return _MAKERS[type(info)](self, info)
        reference = {"$ref": _REFERENCE + name}
        cls = getattr(info, "cls", None)
        if together and cls in self._alone and _has_tag(info):
            return {"allOf": [reference, {"required": [info.tag_field]}]}  # type: ignore[attr-defined]
        return reference

    def _collect(self, info: Info, *, together: bool = False) -> None:
        info = bare(info)
        scalar = scalar_of(info)
        if scalar is not None:
            self._scalars.add(scalar)
        cls = getattr(info, "cls", None)
        if isinstance(info, inspect.StructType):
            (self._together if together else self._alone).add(cls)
        if cls in self._infos:
            return
        if isinstance(info, (*_OBJECTS, inspect.EnumType)):
            self._infos[cls] = info
        if isinstance(info, _OBJECTS):
            self._hints_of(info)
        several = len(structs_of(info)) > 1
        for part in parts_of(info):
            self._collect(part, together=several and isinstance(bare(part), inspect.StructType))

    def _custom(self, info: inspect.CustomType, extra: Schema) -> Schema:
        found: Schema | None = None
        if self._hook is not None:
            try:
                found = self._hook(info.cls)
            except NotImplementedError:
                found = None
        if found is None and not extra:
            name = getattr(info.cls, "__name__", info.cls)
            raise DocumentError(
                f"Nobody knows the JSON Schema of {name}, a type that msgspec does not know.\n"
                f"Hint: Annotated[{name}, Meta(extra_json_schema={{...}})], or "
                "document(..., schema_hook=...)."
            )
        check_given(
            f"What schema_hook says of {info.cls!r}",
            found or {},
            dict[str, Any],
            'it returns a JSON Schema, such as {"type": "string"}.',
        )
        return _beside(found or {}, extra)

    def _fields(self, info: Any) -> tuple[Schema, list[str]]:
        """Return the schemas of fields by their names on the wire, and which are required."""
        found, required = {}, []
        if _has_tag(info):
            found[info.tag_field] = {"const": info.tag}
            if info.array_like or info.cls not in self._alone:
                required.append(info.tag_field)
        hints = self._hints_of(info)
        for field in info.fields:
            default = _default(field, hints.get(field.name, Any))
            found[field.encode_name] = _beside(self.of(field.type), default)
            if field.required:
                required.append(field.encode_name)
        return found, required

    def _hints_of(self, info: Any) -> dict[str, Any]:
        """Return what the fields of a class are annotated with; the examples in it are judged."""
        found = self._hints.get(info.cls)
        if found is None:
            found = hints_of(info.cls)
            for name, annotation in found.items():
                check_examples(f"{name_of(info.cls)}.{name}", annotation)
            self._hints[info.cls] = found
        return found

    def _object(self, info: Any) -> Schema:
        fields, required = self._fields(info)
        schema = {**_titled(info.cls), "type": "object", "properties": fields}
        if required:
            schema["required"] = required
        if getattr(info, "forbid_unknown_fields", False):
            schema["additionalProperties"] = False
        if _has_code(info.cls):
            note(schema, "code")
        return schema

    def _struct(self, info: inspect.StructType) -> Schema:
        return self._array(info) if info.array_like else self._object(info)

    def _array(self, info: Any) -> Schema:
        fields, required = self._fields(info)
        # What comes before a required element cannot be left out either.
        least = max((list(fields).index(name) + 1 for name in required), default=0)
        schema = {
            **_titled(info.cls),
            "type": "array",
            "items": list(fields.values()),
            "minItems": least,
        }
        if isinstance(info, inspect.NamedTupleType) or info.forbid_unknown_fields:
            schema |= {"maxItems": len(fields), "additionalItems": False}
        if _has_code(info.cls):
            note(schema, "code")
        return schema

    def _collection(self, info: Any) -> Schema:
        schema: Schema = {"type": "array"}
        is_set = isinstance(info, inspect.SetType | inspect.FrozenSetType)
        items = self.of(info.item_type)
        if is_set and is_any(info.item_type):
            items = {"type": ["null", "boolean", "number", "string"]}  # what can be hashed
        if items:
            schema["items"] = items
        schema |= _given({"minItems": info.min_length, "maxItems": info.max_length})
        if is_set and len(schema.keys() & {"minItems", "maxItems"}):
            note(schema, "lengths")
        return schema

    def _tuple(self, info: inspect.TupleType) -> Schema:
        items = [self.of(item) for item in info.item_types]
        number = len(items)
        schema: Schema = {"type": "array", "minItems": number, "maxItems": number}
        return schema | ({"items": items, "additionalItems": False} if items else {})

    def _dict(self, info: Any) -> Schema:
        schema: Schema = {"type": "object"}
        keys = self._keys(info.key_type)
        if keys != {}:
            schema["propertyNames"] = keys
        values = self.of(info.value_type)
        if values:
            schema["additionalProperties"] = values
        schema |= _given({"minProperties": info.min_length, "maxProperties": info.max_length})
        is_text = isinstance(bare(info.key_type), inspect.StrType) or is_any(info.key_type)
        if len(schema.keys() & {"minProperties", "maxProperties"}) and not is_text:
            note(schema, "lengths")
        return schema

    def _keys(self, info: Info) -> Any:
        """Return the schema of keys, which are texts whatever they mean; False if there are none."""
        inner = bare(info)
        if isinstance(inner, inspect.UnionType):
            return _any_of([self._keys(member) for member in united(inner)])
        if isinstance(inner, _TEXTS):
            found = self.of(info)
            # All keys are texts.
            return {name: value for name, value in found.items() if name != "type"}
        make = _KEYS.get(type(inner))
        return False if make is None else make(inner)

    def _union(self, info: inspect.UnionType) -> Schema:
        members = united(info)
        if any(map(is_any, members)):
            return {}
        structs = [member for member in members if isinstance(bare(member), inspect.StructType)]
        several = len(structs) > 1
        options = [
            _apart(self.of(member), member, members) for member in members if member not in structs
        ]
        found = [self.of(member, together=several) for member in structs]
        if several:
            found = [_tagged(found, bare(structs[0]))]
        # Null is read last.
        null = {"type": "null"}
        options.sort(key=null.__eq__)
        schema: Schema = _any_of([*found, *options])
        return schema


def parts_of(info: Any) -> Iterator[Info]:
    """Iterate over the types that a type is made of."""
    if isinstance(info, _OBJECTS):
        yield from (field.type for field in info.fields)
    elif isinstance(info, inspect.UnionType):
        yield from members_of(info)
    elif isinstance(info, inspect.CollectionType):
        yield info.item_type
    elif isinstance(info, inspect.TupleType):
        yield from info.item_types
    elif isinstance(info, DICTS):
        yield info.key_type
        yield info.value_type


def _names(infos: Iterable[Any], taken: Iterable[str]) -> dict[Any, str]:
    """Name the components: by their class; those of one name by where they are defined as well."""
    short: dict[str, list[Any]] = {}
    homes: dict[str, Any] = {}
    for cls in infos:
        short.setdefault(name_of(cls), []).append(cls)
        origin = get_origin(cls) or cls
        home = f"{origin.__module__}.{origin.__qualname__}"
        if homes.setdefault(home, origin) is not origin:
            raise DocumentError(
                f"There are two types called {home}, and nothing tells them apart in a document.\n"
                "Hint: give one of them another name."
            )
    used, found = set(taken), {}
    for name, classes in short.items():
        for cls in classes:
            own = unique(name if len(classes) == 1 else _full_name(cls), used)
            used.add(own)
            found[cls] = own
    return found


def _full_name(cls: Any) -> str:
    origin = get_origin(cls) or cls
    outer = origin.__qualname__.rpartition(".")[0]
    return ".".join(filter(None, (origin.__module__, tidy(outer) if outer else "", name_of(cls))))


def _has_tag(info: Any) -> bool:
    return isinstance(info, inspect.StructType) and info.tag is not None


def _has_code(cls: Any) -> bool:
    cls = get_origin(cls) or cls
    hooks = ("__post_init__", "__attrs_post_init__", "__attrs_pre_init__")
    attributes = getattr(cls, "__attrs_attrs__", ())
    return any(hasattr(cls, name) for name in hooks) or any(
        attribute.validator or attribute.converter for attribute in attributes
    )


def _titled(cls: Any) -> Schema:
    origin = get_origin(cls) or cls
    docs = docs_of(origin, generated=f"{origin.__name__}(")
    text = "\n\n".join(docs.values())
    return {"title": name_of(cls), **({"description": text} if text else {})}


def _default(field: inspect.Field, annotation: Any) -> Schema:
    """Return what a schema says of a default: nothing, if nobody could send it."""
    default = field.default
    if field.default_factory in (list, dict, set, tuple, frozenset):
        default = field.default_factory()
    found = default_of(default, annotation)
    return {} if found is msgspec.NODEFAULT else {"default": found}


def _plain_extra(extra: Schema | None) -> Schema:
    found = dict(extra or {})
    examples = found.pop("examples", None)
    if examples is not None:
        found["examples"] = plain(examples)
    return found


def _beside(schema: Schema, extra: Schema) -> Schema:
    """Return a schema with what is said beside it, which draft-07 ignores beside a reference."""
    if not extra:
        return schema
    if "$ref" in schema:
        return {"allOf": [schema], **extra}
    return {**schema, **{name: value for name, value in extra.items() if name not in schema}}


def _given(bounds: Schema) -> Schema:
    return {name: value for name, value in bounds.items() if value is not None}


def _is_bounded(info: Any) -> bool:
    return any(
        getattr(info, name, None) is not None for name in ("gt", "ge", "lt", "le", "multiple_of")
    )


def _number(_: Schemas, info: Any) -> Schema:
    schema = {
        "type": "integer" if isinstance(info, inspect.IntType) else "number",
        **_given(
            {
                "minimum": info.ge,
                "exclusiveMinimum": info.gt,
                "maximum": info.le,
                "exclusiveMaximum": info.lt,
                "multipleOf": info.multiple_of,
            }
        ),
    }
    if info.multiple_of is not None and isinstance(info, inspect.FloatType):
        note(schema, "multiples")
    return schema


def _string(_: Schemas, info: inspect.StrType) -> Schema:
    schema: Schema = {"type": "string"}
    schema |= _given({"minLength": info.min_length, "maxLength": info.max_length})
    if info.pattern is not None:
        pattern = ecma(info.pattern)
        if pattern is None:
            note(schema, "patterns")
        else:
            schema["pattern"] = pattern
    return schema


def _bytes(_: Schemas, info: Any) -> Schema:
    pattern = base64_of(info.min_length, info.max_length)
    return {"type": "string", "contentEncoding": "base64", "pattern": pattern}


def _literal(_: Schemas, info: inspect.LiteralType) -> Schema:
    return {"enum": list(info.values)}


def _enum(_: Schemas, info: inspect.EnumType) -> Schema:
    schema = {**_titled(info.cls), **_values(info.cls)}
    if "_missing_" in _declared(info.cls):
        note(schema, "code")
    return schema


def _declared(cls: type) -> set[str]:
    """Return what the classes say that are the application's own."""
    return {name for base in cls.__mro__ if base.__module__ != "enum" for name in vars(base)}


_MOST_FLAGS = 1024

# The integers among which msgspec looks for the values of an Enum; larger ones are floats.
_WORDS: dict[str, Any] = {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1}


def _values(cls: type[enum.Enum]) -> Schema:
    if not issubclass(cls, enum.Flag):
        return {"enum": [member.value for member in cls]}
    if cls._boundary_ is not enum.STRICT:  # type: ignore[attr-defined]
        return dict(_WORDS)
    # A negative number is the complement of a positive one, within the bits up to the highest.
    bits: int = cls._all_bits_  # type: ignore[attr-defined]
    gaps = bits ^ cls._flag_mask_  # type: ignore[attr-defined]
    if bits < _MOST_FLAGS:
        return {"enum": [value for value in range(~bits, bits + 1) if not value & gaps]}
    schema: Schema = {"type": "integer", "minimum": ~bits, "maximum": bits}
    if gaps:
        note(schema, "flags")
    return schema


def _enum_keys(info: inspect.EnumType) -> Schema:
    values = _values(info.cls)
    if "enum" in values:
        return {"enum": [str(value) for value in values["enum"]]}
    keys: Schema = {"pattern": INT_KEY}
    note(keys, "keys")
    return keys


def _number_keys(info: Any) -> Schema:
    keys: Schema = {"pattern": INT_KEY if isinstance(info, inspect.IntType) else FLOAT_KEY}
    if _is_bounded(info):
        note(keys, "keys")
    return keys


def _literal_keys(info: inspect.LiteralType) -> Schema:
    return {"enum": [str(value) for value in info.values if value is not None]}


_KEYS: dict[type, Callable[[Any], Schema]] = {
    inspect.AnyType: lambda _: {},
    inspect.CustomType: lambda _: {},
    inspect.DecimalType: lambda _: {"pattern": DECIMAL_KEY},
    inspect.EnumType: _enum_keys,
    inspect.FloatType: _number_keys,
    inspect.IntType: _number_keys,
    inspect.LiteralType: _literal_keys,
}


def united(info: inspect.UnionType) -> list[Info]:
    """Return the members of a union that msgspec looks at.

    Beside ``str`` and ``int`` it does not look at the values of a Literal of that type, and beside
    anything not at a Raw.
    """
    members = [
        member for member in members_of(info) if not isinstance(bare(member), inspect.RawType)
    ]
    covered = tuple(
        cls
        for cls, kind in ((str, inspect.StrType), (int, inspect.IntType))
        if any(isinstance(bare(member), kind) for member in members)
    )
    found: list[Info] = []
    for member in members:
        inner = bare(member)
        if isinstance(inner, inspect.LiteralType):
            values = tuple(value for value in inner.values if not isinstance(value, covered))
            if values:
                found.append(inspect.LiteralType(values))
        else:
            found.append(member)
    return found


def _apart(schema: Schema, member: Info, members: Sequence[Info]) -> Schema:
    """Keep numbers from a member of a union that msgspec gives to another one."""
    kind = bare(member)
    if not isinstance(kind, inspect.FloatType | inspect.DecimalType):
        return schema
    others = [bare(other) for other in members]
    if isinstance(kind, inspect.DecimalType) and any(
        isinstance(other, inspect.FloatType) and _is_bounded(other) for other in others
    ):
        return {"allOf": [schema, {"not": {"type": "number"}}]}
    picked = next(filter(None, map(_picked, others)), None)
    return schema if picked is None else {"allOf": [schema, {"not": picked}]}


def _picked(info: Any) -> Schema | None:
    """Return the integers that msgspec gives to a type, if it does not take all of them."""
    if isinstance(info, inspect.IntType):
        return {"type": "integer"} if _is_bounded(info) else None
    values: Iterable[Any] = ()
    if isinstance(info, inspect.LiteralType):
        values = info.values
    elif isinstance(info, inspect.EnumType):
        values = (member.value for member in info.cls.__members__.values())
    if any(isinstance(value, int) for value in values):
        return dict(_WORDS)
    return None


def _any_of(options: Sequence[Any]) -> Any:
    possible = [option for option in options if option is not False]
    if {} in possible:
        return {}
    if len(possible) == 1:
        return possible[0]
    return {"anyOf": possible} if possible else False


def _tagged(options: list[Schema], first: inspect.StructType) -> Schema:
    schema: Schema = {"oneOf": options}
    if isinstance(first.tag, str) and not first.array_like:
        schema["discriminator"] = first.tag_field
    return schema


def _unsupported(_: Schemas, info: Info) -> Schema:
    kind = type(info).__name__.removesuffix("Type")
    raise DocumentError(f"JSON has no {kind}, so a message with one cannot be described.")


_MAKERS: dict[type, Callable[[Schemas, Any], Schema]] = {
    inspect.AnyType: lambda *_: {},
    inspect.BoolType: lambda *_: {"type": "boolean"},
    inspect.ByteArrayType: _bytes,
    inspect.BytesType: _bytes,
    inspect.CustomType: lambda *_: {},
    inspect.DataclassType: Schemas._object,  # noqa: SLF001
    inspect.EnumType: _enum,
    inspect.ExtType: _unsupported,
    inspect.FloatType: _number,
    inspect.FrozenSetType: Schemas._collection,  # noqa: SLF001
    inspect.IntType: _number,
    inspect.ListType: Schemas._collection,  # noqa: SLF001
    inspect.LiteralType: _literal,
    inspect.MemoryViewType: _bytes,
    inspect.NamedTupleType: Schemas._array,  # noqa: SLF001
    inspect.NoneType: lambda *_: {"type": "null"},
    inspect.RawType: lambda *_: {},
    inspect.SetType: Schemas._collection,  # noqa: SLF001
    inspect.StrType: _string,
    inspect.StructType: Schemas._struct,  # noqa: SLF001
    inspect.TupleType: Schemas._tuple,  # noqa: SLF001
    inspect.TypedDictType: Schemas._object,  # noqa: SLF001
    inspect.UnionType: Schemas._union,  # noqa: SLF001
    inspect.VarTupleType: Schemas._collection,  # noqa: SLF001
    **dict.fromkeys(DICTS, Schemas._dict),  # noqa: SLF001
}
