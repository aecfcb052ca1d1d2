"""Reading an AsyncAPI 3 document: what it refers to. Pure.

Every reference, and the shape of everything that is used, is looked at when a document is read, so
that what reads it later cannot fail.
"""

from __future__ import annotations

from typing import Any
from typing import TYPE_CHECKING
from urllib.parse import unquote

from falcon_pachinko.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

__all__ = ["Document", "is_foreign", "pointer"]

_VALUES = frozenset({"const", "default", "enum", "examples"})
"""Keys below which there is data: nothing in it is a reference."""


_HINT = "write one with python -m falcon_pachinko.asyncapi module:app -o FILE"

# What is where: a kind that is a key of this table, several of it, or a test by its name.
_ONE, _MAP, _LIST = "one", "object", "list"
_SHAPES: dict[str, dict[str, tuple[str, str]]] = {
    "document": {
        "servers": (_MAP, "server"),
        "channels": (_MAP, "channel"),
        "operations": (_MAP, "operation"),
        "defaultContentType": (_ONE, "text"),
    },
    "server": {"security": (_LIST, "any object")},
    "channel": {
        "address": (_ONE, "text or null"),
        "parameters": (_MAP, "parameter"),
        "messages": (_MAP, "message"),
        "servers": (_LIST, "any object"),
        "bindings": (_ONE, "bindings"),
        "x-subprotocols": (_LIST, "text"),
        "x-close-codes": (_ONE, "any object"),
        "x-limits": (_MAP, "number or null"),
    },
    "parameter": {
        "enum": (_LIST, "anything"),
        "x-pattern": (_ONE, "text"),
        "x-converter": (_ONE, "text or object"),
    },
    "bindings": {"ws": (_ONE, "ws")},
    "ws": {"query": (_ONE, "fields"), "headers": (_ONE, "fields")},
    "operation": {
        "action": (_ONE, "text"),
        "channel": (_ONE, "channel"),
        "messages": (_LIST, "message"),
        "reply": (_ONE, "reply"),
        "security": (_LIST, "any object"),
        "traits": (_LIST, "operation trait"),
    },
    "operation trait": {"security": (_LIST, "any object")},
    "reply": {"channel": (_ONE, "channel"), "messages": (_LIST, "message")},
    "message": {
        "contentType": (_ONE, "text"),
        "payload": (_ONE, "payload"),
        "headers": (_ONE, "payload"),
        "traits": (_LIST, "message trait"),
    },
    "message trait": {"contentType": (_ONE, "text"), "headers": (_ONE, "payload")},
    "formatted": {"schema": (_ONE, "schema")},
    "any object": {},
    "schema": {
        **dict.fromkeys(
            ("properties", "patternProperties", "definitions", "$defs"), (_MAP, "schema")
        ),
        **dict.fromkeys(("allOf", "anyOf", "oneOf"), (_LIST, "schema")),
        **dict.fromkeys(
            (
                *("additionalItems", "additionalProperties", "contains", "propertyNames"),
                *("not", "if", "then", "else"),
            ),
            (_ONE, "schema"),
        ),
        "items": (_ONE, "schema or list"),
        "dependencies": (_MAP, "schema or names"),
        "enum": (_LIST, "anything"),
        "required": (_LIST, "text"),
        "type": (_ONE, "text or list of texts"),
        **dict.fromkeys(("minimum", "maximum"), (_ONE, "number")),
        **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), (_ONE, "number or boolean")),
        **dict.fromkeys(
            (
                *("minLength", "maxLength", "minItems", "maxItems"),
                *("minProperties", "maxProperties"),
            ),
            (_ONE, "number"),
        ),
        "multipleOf": (_ONE, "number above 0"),
    },
}
_SHAPES["fields"] = _SHAPES["schema"]  # without True and False
_FOREIGN = ("avro", "protobuf", "raml")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TESTS: dict[str, Callable[[Any], bool]] = {
    "anything": lambda _: True,
    "text": lambda value: isinstance(value, str),
    "text or null": lambda value: isinstance(value, str | None),
    "text or object": lambda value: isinstance(value, str | dict),
    "text or list of texts": lambda value: (
        isinstance(value, str)
        or (isinstance(value, list) and all(isinstance(each, str) for each in value))
    ),
    "number": _is_number,
    "number or null": lambda value: value is None or _is_number(value),
    "number or boolean": lambda value: isinstance(value, int | float),
    "number above 0": lambda value: _is_number(value) and value > 0,
}


def is_foreign(form: Any, schema: Any) -> bool:
    """Return whether a schema of a message is none of JSON Schema.

    Args:
        form: Its ``schemaFormat``, if it has one.
        schema: It.
    """
    return not isinstance(schema, dict | bool) or any(name in str(form) for name in _FOREIGN)


def pointer(*parts: str) -> str:
    """Return a JSON pointer as a reference has it (RFC 6901)."""
    return "#" + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def _parts_of(reference: str) -> tuple[str, ...]:
    # A fragment of a URI (RFC 6901, section 6), which may be percent-encoded.
    parts = reference[1:].split("/")[1:]
    return tuple(unquote(part).replace("~1", "/").replace("~0", "~") for part in parts)


class Document:
    """An AsyncAPI 3 document of which every reference leads somewhere within it.

    Args:
        content: The document as plain data.
        name: What it is called in messages.

    Raises:
        DocumentError: It is none, or one of its references leads nowhere, out of it or in a circle.
    """

    def __init__(self, content: Any, name: str) -> None:
        self.name = name
        self.content: dict[str, Any] = _checked(content, name)
        try:
            for place, reference in _references(content, ()):
                self._end(reference, pointer(*place))
            misfit = next(_misfits(self), None)
            if misfit is not None:
                place, expected = misfit
                raise DocumentError(
                    f"{name}, at {pointer(*place)}: this is no {expected}.\nHint: {_HINT}"
                )
        except RecursionError as error:
            raise DocumentError(
                f"{name} is nested too deeply.\n"
                "Hint: let a schema refer to others instead of having them within it."
            ) from error

    def follow(self, node: Any) -> Any:
        """Return what a node refers to in the end; itself, if it is no reference."""
        return self.located(node, ())[1]

    def located(self, node: Any, place: tuple[str, ...]) -> tuple[tuple[str, ...], Any]:
        """Return what a node refers to in the end, and where that is.

        Args:
            node: The node.
            place: Where it is.
        """
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            place, node = _parts_of(node["$ref"]), self._at(node["$ref"], "")
        return place, node

    def _end(self, reference: str, place: str) -> None:
        seen = [reference]
        node = self._at(reference, place)
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            reference = node["$ref"]
            if reference in seen:
                raise DocumentError(
                    f"{self.name}, at {place}: the references {' -> '.join([*seen, reference])} lead "
                    "in a circle and never to a value.\n"
                    "Hint: let one of them be what the others refer to."
                )
            seen.append(reference)
            node = self._at(reference, place)

    def _at(self, reference: str, place: str) -> Any:
        if not reference.startswith("#"):
            raise DocumentError(
                f"{self.name}, at {place}: {reference!r} is outside of the file, and other files are "
                "not read.\nHint: bundle the document into one file first."
            )
        node: Any = self.content
        for key in _parts_of(reference):
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                raise DocumentError(
                    f"{self.name}, at {place}: {reference!r} leads nowhere, there is no {key!r}.\n"
                    "Hint: correct the reference, or write the document anew with -o."
                )
        return node


def _checked(content: Any, name: str) -> dict[str, Any]:
    hint = f"Hint: {_HINT}"
    if not isinstance(content, dict) or "asyncapi" not in content:
        raise DocumentError(f"{name} is no AsyncAPI document: it has no 'asyncapi'.\n{hint}")
    version = content["asyncapi"]
    if isinstance(version, float) and int(version) == 3:
        raise DocumentError(
            f"{name} says asyncapi: {version}, which is a number.\n"
            'Hint: write all of the version, and in quotes: asyncapi: "3.0.0"'
        )
    if not isinstance(version, str) or not version.startswith("3."):
        raise DocumentError(
            f"{name} is a document of AsyncAPI {version}; only version 3 can be read.\n{hint}"
        )
    for key in ("info", "servers", "channels", "operations", "components"):
        if not isinstance(content.get(key, {}), dict):
            raise DocumentError(f"{name}, at {pointer(key)}: this is no object.\n{hint}")
    for key in ("channels", "operations"):
        for part, value in content.get(key, {}).items():
            if not isinstance(value, dict):
                raise DocumentError(f"{name}, at {pointer(key, part)}: this is no object.\n{hint}")
    return content


def _references(node: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield place, node["$ref"]
        # A property may be called anything.
        data = frozenset() if place[-1:] == ("properties",) else _VALUES
        for key, value in node.items():
            if key not in data:
                yield from _references(value, (*place, str(key)))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _references(value, (*place, str(number)))


def _misfits(document: Document) -> Iterator[tuple[tuple[str, ...], str]]:
    """Iterate over what is of another shape than it has to be, and which that is."""
    left: list[tuple[tuple[str, ...], str, Any]] = [((), "document", document.content)]
    seen: set[tuple[str, int]] = set()
    while left:
        place, kind, node = left.pop()
        place, node = document.located(node, place)
        kind = _kind_of(kind, node)
        if kind in _TESTS:
            if not _TESTS[kind](node):
                yield place, kind
        elif kind == "list of schemas":
            left += [((*place, *more), "schema", each) for more, each in _parts(node, _LIST) or ()]
        elif not isinstance(node, dict | bool if kind == "schema" else dict):
            yield place, "schema" if kind == "schema" else "object"
        elif isinstance(node, dict) and (kind, id(node)) not in seen:
            seen.add((kind, id(node)))
            for key in _SHAPES[kind].keys() & node.keys():
                shape, inner = _SHAPES[kind][key]
                parts = _parts(node[key], shape)
                if parts is None:
                    yield (*place, key), shape
                left += [((*place, key, *more), inner, each) for more, each in parts or ()]


def _parts(value: Any, shape: str) -> list[tuple[tuple[str, ...], Any]] | None:
    """Return what has to be looked at of a field, and where in it; None if it has no such parts."""
    if shape == _ONE:
        return [((), value)]
    if shape == _MAP:
        if not isinstance(value, dict):
            return None
        return [((str(key),), each) for key, each in value.items()]
    if not isinstance(value, list):
        return None
    return [((str(number),), each) for number, each in enumerate(value)]


def _kind_of(kind: str, node: Any) -> str:
    """Return what a thing is that may be several."""
    if kind == "payload" and isinstance(node, dict) and "schemaFormat" in node:
        return (
            "any object"
            if is_foreign(node["schemaFormat"], node.get("schema", {}))
            else "formatted"
        )
    if isinstance(node, list) and kind in {"schema or list", "schema or names"}:
        return "list of schemas" if kind == "schema or list" else "anything"
    if kind in {"payload", "schema or list", "schema or names"}:
        return "schema"
    return kind
