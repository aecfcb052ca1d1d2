"""From a union of tagged Structs to a table of tags. Pure.

msgspec decides what a valid schema is; this module reads its answer and adds what a
WebSocket resource needs on top: every member is a Struct and every Struct has a tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from typing import get_origin
from typing import TYPE_CHECKING

import msgspec
from msgspec import inspect as msgspec_inspect

from falcon_pachinko.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping

__all__ = ["Schema", "Tag", "bare", "members_of", "read_schema"]

Tag = str | int


@dataclass(frozen=True, slots=True)
class Schema:
    """What a client may send, as a table.

    Attributes:
        annotation: The union as it was written.
        tag_field: The name of the field that carries the tag on the wire.
        array_like: Whether messages are JSON arrays whose first element is the tag.
        types: The Struct type of each tag, in the order of declaration.
    """

    annotation: Any
    tag_field: str
    array_like: bool
    types: Mapping[Tag, type[msgspec.Struct]]


def read_schema(annotation: Any, owner: str) -> Schema:
    """Read a union of tagged Structs.

    Args:
        annotation: A tagged Struct type, or a union of them: ``Join | Say``. Generic
            aliases, ``Annotated`` and type aliases are followed.
        owner: Who declares the schema, for messages.

    Raises:
        SchemaError: It is not a union of tagged Structs, or msgspec cannot decode it.
    """
    try:
        info = msgspec_inspect.type_info(annotation)
        msgspec.json.Decoder(annotation)
    except Exception as error:
        raise SchemaError(
            f"{owner}.schema = {_name(annotation)} cannot be decoded: {error}\n"
            "Hint: a schema is a union of tagged msgspec Structs whose annotations can be "
            "resolved where they are defined."
        ) from error
    types: dict[Tag, type[msgspec.Struct]] = {}
    tag_field = ""
    array_like = False
    for member in map(bare, members_of(info)):
        if not isinstance(member, msgspec_inspect.StructType):
            kind = type(member).__name__.removesuffix("Type").lower()
            raise SchemaError(
                f"{owner}.schema = {_name(annotation)} contains {kind}, which is no tagged "
                "Struct.\n"
                "Hint: wrap it in a message of its own: "
                'class Value(msgspec.Struct, tag="value"): ...'
            )
        if member.tag is None or member.tag_field is None:
            name = member.cls.__name__
            raise SchemaError(
                f"{owner}.schema contains {name}, a Struct without a tag.\n"
                f'Hint: class {name}(msgspec.Struct, tag="{name.lower()}"): ...'
            )
        # A message of a generic Struct is an instance of the Struct itself.
        types[member.tag] = get_origin(member.cls) or member.cls
        tag_field = member.tag_field
        array_like = member.array_like
    return Schema(annotation, tag_field, array_like, types)


def bare(info: msgspec_inspect.Type) -> Any:
    """Return what msgspec says of a type, without titles and examples."""
    while isinstance(info, msgspec_inspect.Metadata):
        info = info.type
    return info


def members_of(info: msgspec_inspect.Type) -> Iterator[msgspec_inspect.Type]:
    """Iterate over the members of a union, or of what is none."""
    inner = bare(info)
    if isinstance(inner, msgspec_inspect.UnionType):
        for member in inner.types:
            yield from members_of(member)
    else:
        yield info


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
