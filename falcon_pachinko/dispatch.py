"""From a frame to a message to the handler of its tag. Pure.

Everything that a client can select is in a table built when the resource class is created:
the decoder knows the tags, and the type of the decoded message is the key of the handler.
What a client sends is never looked up as an attribute.

A frame takes one pass of msgspec and one look-up. Only a frame that fails is looked at a
second time, to say why.
"""

from __future__ import annotations

import difflib
import inspect
import re
from dataclasses import dataclass
from typing import Any
from typing import TYPE_CHECKING
from typing import TypeVar

import msgspec

from falcon_pachinko.errors import HandlerError
from falcon_pachinko.errors import InvalidMessage
from falcon_pachinko.schema import read_schema
from falcon_pachinko.schema import Schema
from falcon_pachinko.schema import Tag

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping

__all__ = [
    "LIFECYCLE",
    "Dispatch",
    "compile_dispatch",
    "explain",
    "handles_message",
    "reply_of",
    "signature_for",
]

LIFECYCLE = frozenset({"on_connect", "on_disconnect", "on_invalid", "on_unhandled"})
"""Names that are never handlers, whatever tags the schema declares."""

_MARK = "__pachinko_tags__"
_REPLIES = "__pachinko_replies__"

_Function = TypeVar("_Function", bound="Callable[..., Any]")


def handles_message(tag: Tag, *, reply: Any = None) -> Callable[[_Function], _Function]:
    """Make a method of a resource the handler of a tag.

    A method called ``on_<tag>`` in snake case needs no decorator. Use this one for another
    name, for a tag whose name belongs to the lifecycle (``"connect"``), or to say what the
    handler answers. It may be applied more than once.

    Args:
        tag: The tag as the schema declares it.
        reply: The type, or union, of what the handler sends in answer, which ``emits`` has too.
            It is for the AsyncAPI document; nothing is sent or checked.

    Raises:
        HandlerError: The tag is neither ``str`` nor ``int``.

    Example::

        @handles_message("say")
        async def relay(self, ws, message: Say) -> None: ...
    """
    if isinstance(tag, bool) or not isinstance(tag, str | int):
        raise HandlerError(
            f"handles_message({tag!r}): a tag is a str or an int.\n"
            'Hint: @handles_message("say"), with the parentheses and the tag.'
        )

    def mark(function: _Function) -> _Function:
        setattr(function, _MARK, (*getattr(function, _MARK, ()), tag))
        if reply is not None:
            setattr(function, _REPLIES, {**getattr(function, _REPLIES, {}), tag: reply})
        return function

    return mark


def snake_case(tag: Tag) -> str:
    """Return a tag as it stands in a method name: ``"userJoined"`` is ``user_joined``."""
    words = re.sub(r"([a-z0-9])([A-Z])|([A-Z]+)(?=[A-Z][a-z])", r"\1\3_\2", str(tag))
    return re.sub(r"\W+", "_", words).strip("_").lower()


def signature_for(tag: Tag) -> str:
    """Return the first line of a method that would handle a tag."""
    name = "on_" + snake_case(tag)
    if name in LIFECYCLE:
        return (
            f"@handles_message({tag!r}) async def handle_{snake_case(tag)}(self, ws, message): ..."
        )
    return f"async def {name}(self, ws, message): ..."


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The compiled table of one resource class.

    Attributes:
        schema: What the class declares.
        decode: Turns a text or binary frame into a message, or raises.
        handlers: The name of the handling method by type of message. Types whose tag has no
            handler are absent.
    """

    schema: Schema
    decode: Callable[[str | bytes], msgspec.Struct]
    handlers: Mapping[type, str]

    @property
    def unhandled(self) -> list[Tag]:
        """The declared tags without a handler."""
        return [tag for tag, cls in self.schema.types.items() if cls not in self.handlers]


def compile_dispatch(cls: type) -> Dispatch:
    """Build the table of a resource class.

    Raises:
        SchemaError: The schema is not a union of tagged Structs.
        HandlerError: A handler names a tag that the schema lacks, is not async, or shares
            its tag with another.
    """
    schema = read_schema(cls.schema, cls.__name__)  # type: ignore[attr-defined]
    claims: dict[Tag, str] = {}
    for name, tags in _decorated(cls).items():
        if name in LIFECYCLE:
            raise HandlerError(
                f"{cls.__name__}.{name} belongs to the lifecycle of a connection and cannot "
                f"handle the tag {tags[0]!r}.\nHint: put @handles_message on a method of "
                "another name."
            )
        for tag in tags:
            if tag not in schema.types:
                _unknown(cls, name, tag, schema)
            _claim(cls, claims, tag, name)
    _conventional(cls, schema, claims)
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(schema.annotation)
    handlers = {schema.types[tag]: name for tag, name in claims.items()}
    return Dispatch(schema, decoder.decode, handlers)


def reply_of(cls: type, name: str, tag: Tag) -> Any:
    """Return what a method of a resource class answers to a tag; None if it does not say.

    An override that is not decorated itself answers what the method that it overrides does.
    """
    for base in cls.__mro__:
        function = vars(base).get(name)
        if hasattr(function, _MARK):
            return getattr(function, _REPLIES, {}).get(tag)
    return None


def _decorated(cls: type) -> dict[str, tuple[Tag, ...]]:
    # An override keeps the tags of the method that it overrides, unless it is decorated
    # itself: that is how methods behave otherwise.
    found: dict[str, tuple[Tag, ...]] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            tags = getattr(value, _MARK, None)
            if tags is not None:
                found[name] = tags
    return found


def _conventional(cls: type, schema: Schema, claims: dict[Tag, str]) -> None:
    by_name: dict[str, list[Tag]] = {}
    for tag in schema.types:
        by_name.setdefault("on_" + snake_case(tag), []).append(tag)
    decorated = set(claims.values())
    inherited = _names_of_bases(cls)
    for name in dir(cls):
        if not name.startswith("on_") or name in LIFECYCLE or name in decorated:
            continue
        if not callable(getattr(cls, name)):
            continue
        tags = by_name.get(name)
        if tags is None:
            if name not in inherited:
                _unknown(cls, name, name.removeprefix("on_"), schema)
        elif len(tags) > 1:
            both = " and ".join(repr(tag) for tag in tags)
            raise HandlerError(
                f"{cls.__name__}.{name} is ambiguous: the tags {both} share that name.\n"
                "Hint: name the tag with @handles_message(...)."
            )
        else:
            _claim(cls, claims, tags[0], name)


def _names_of_bases(cls: type) -> set[str]:
    # A subclass may narrow the schema that it inherits; the handlers which then have
    # nothing to do are no mistake of its author.
    return {
        "on_" + snake_case(tag)
        for base in cls.__mro__[1:]
        if isinstance(dispatch := vars(base).get("_dispatch"), Dispatch)
        for tag in dispatch.schema.types
    }


def _claim(cls: type, claims: dict[Tag, str], tag: Tag, name: str) -> None:
    if tag in claims:
        raise HandlerError(
            f"{cls.__name__} has two handlers for the tag {tag!r}: {claims[tag]} and {name}.\n"
            "Hint: keep one; a helper method needs a name that does not start with on_."
        )
    method = getattr(cls, name)
    # A decorator may wrap an async function in a plain one that returns its coroutine.
    if not any(map(inspect.iscoroutinefunction, (method, inspect.unwrap(method)))):
        raise HandlerError(
            f"{cls.__name__}.{name} handles the tag {tag!r} but is not a coroutine function.\n"
            f"Hint: async def {name}(self, ws, message): ... (without yield)"
        )
    claims[tag] = name


def _unknown(cls: type, name: str, tag: Tag, schema: Schema) -> None:
    declared = ", ".join(repr(known) for known in schema.types)
    tags = {snake_case(known): known for known in schema.types}
    near = difflib.get_close_matches(snake_case(tag), tags, 1)
    hint = (
        f"Hint: did you mean {tags[near[0]]!r}? {signature_for(tags[near[0]])}"
        if near
        else "Hint: add a Struct with that tag to the schema, or give a method that handles no "
        "message a name that does not start with on_."
    )
    raise HandlerError(
        f"{cls.__name__}.{name} handles the tag {tag!r}, which the schema does not declare; "
        f"it declares {declared}.\n{hint}"
    )


def explain(schema: Schema, raw: str | bytes, error: Exception) -> InvalidMessage:
    """Say why a frame could not be decoded.

    Args:
        schema: The schema against which it was decoded.
        raw: The frame.
        error: What the decoder raised.
    """
    detail, _, path = str(error).partition(" - at `")
    path = path.rstrip("`")
    # The decoder runs no Python code but the Structs' own: a frame below the caller's in the
    # traceback means that a __post_init__ broke.
    inner = error.__traceback__ and error.__traceback__.tb_next
    if isinstance(error, msgspec.ValidationError):
        tag = _tag_of(schema, raw)
        if tag is _NO_TAG or _declares(schema, tag):
            return InvalidMessage("validation", path, detail)
        return InvalidMessage("unknown_tag", f"$.{schema.tag_field}", detail)
    if inner is None:
        if isinstance(error, msgspec.DecodeError):
            return InvalidMessage("not_json", "", detail)
        if isinstance(error, UnicodeError):
            return InvalidMessage("bad_utf8", "", detail)
        if isinstance(error, RecursionError):
            return InvalidMessage("too_deep", "", detail)
    invalid = InvalidMessage("schema_error", path, f"{type(error).__name__}: {detail}")
    invalid.__cause__ = error
    return invalid


_NO_TAG = object()


def _tag_of(schema: Schema, raw: str | bytes) -> object:
    """Return the tag of a frame: None if it has none, ``_NO_TAG`` if it is no message."""
    try:
        if schema.array_like:
            items = msgspec.json.decode(raw, type=list[Any])
            return items[0] if items else None
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        return msgspec.json.decode(fields[schema.tag_field]) if schema.tag_field in fields else None
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not the tag
        return _NO_TAG


def _declares(schema: Schema, tag: object) -> bool:
    # What stands in the place of the tag may be anything; True is not 1.
    return isinstance(tag, str | int) and not isinstance(tag, bool) and tag in schema.types
