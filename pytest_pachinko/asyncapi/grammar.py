"""Which objects there are in an AsyncAPI 3 document, and where. Pure.

A table says of each kind of object which of its fields hold objects of which kind: one of them, a
map of them or a list. So everything else that walks a document, looks for references or rules,
needs no knowledge of where things are.
"""

from __future__ import annotations

import re
from typing import Any
from typing import Literal
from typing import NamedTuple
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_pachinko.asyncapi.problem import Place

__all__ = [
    "DRAFTS",
    "JSON_SCHEMAS",
    "Node",
    "children",
    "draft_of",
    "is_reference",
    "is_schema",
    "walk",
]

Shape = Literal["one", "map", "list"]
Fields = dict[str, tuple[Shape, str]]


class Node(NamedTuple):
    """An object of a document, or a reference to one.

    Attributes:
        place: Where it is.
        kind: What it is, as the table below calls it.
        value: What is there.
    """

    place: Place
    kind: str
    value: Any


_DESCRIBED: Fields = {"tags": ("list", "tag"), "externalDocs": ("one", "externalDocs")}

_MESSAGE: Fields = {
    **_DESCRIBED,
    "headers": ("one", "anySchema"),
    "correlationId": ("one", "correlationId"),
    "bindings": ("one", "messageBindings"),
}

_OPERATION: Fields = {
    **_DESCRIBED,
    "security": ("list", "securityScheme"),
    "bindings": ("one", "operationBindings"),
}

_TARGETS: Fields = {"channel": ("one", "channel"), "messages": ("list", "message")}

_FIELDS: dict[str, Fields] = {
    "document": {
        "info": ("one", "info"),
        "servers": ("map", "server"),
        "channels": ("map", "channel"),
        "operations": ("map", "operation"),
        "components": ("one", "components"),
    },
    "info": _DESCRIBED,
    "server": {
        **_DESCRIBED,
        "variables": ("map", "serverVariable"),
        "security": ("list", "securityScheme"),
        "bindings": ("one", "serverBindings"),
    },
    "channel": {
        **_DESCRIBED,
        "messages": ("map", "message"),
        "parameters": ("map", "parameter"),
        "servers": ("list", "server"),
        "bindings": ("one", "channelBindings"),
    },
    "operation": {
        **_OPERATION,
        **_TARGETS,
        "reply": ("one", "reply"),
        "traits": ("list", "operationTrait"),
    },
    "operationTrait": _OPERATION,
    "reply": {**_TARGETS, "address": ("one", "replyAddress")},
    "message": {
        **_MESSAGE,
        "payload": ("one", "anySchema"),
        "traits": ("list", "messageTrait"),
    },
    "messageTrait": _MESSAGE,
    "tag": {"externalDocs": ("one", "externalDocs")},
    "channelBindings": {"ws": ("one", "wsChannel")},
    "wsChannel": {"query": ("one", "schema"), "headers": ("one", "schema")},
    "components": {
        "schemas": ("map", "anySchema"),
        "servers": ("map", "server"),
        "serverVariables": ("map", "serverVariable"),
        "channels": ("map", "channel"),
        "operations": ("map", "operation"),
        "replies": ("map", "reply"),
        "replyAddresses": ("map", "replyAddress"),
        "messages": ("map", "message"),
        "securitySchemes": ("map", "securityScheme"),
        "parameters": ("map", "parameter"),
        "correlationIds": ("map", "correlationId"),
        "externalDocs": ("map", "externalDocs"),
        "tags": ("map", "tag"),
        "operationTraits": ("map", "operationTrait"),
        "messageTraits": ("map", "messageTrait"),
        "serverBindings": ("map", "serverBindings"),
        "channelBindings": ("map", "channelBindings"),
        "operationBindings": ("map", "operationBindings"),
        "messageBindings": ("map", "messageBindings"),
    },
}

_SCHEMA: Fields = {
    **dict.fromkeys(
        (
            *("items", "additionalItems", "additionalProperties", "contains", "propertyNames"),
            *("if", "then", "else", "not", "unevaluatedItems", "unevaluatedProperties"),
        ),
        ("one", "schema"),
    ),
    **dict.fromkeys(
        (
            *("properties", "patternProperties", "definitions", "$defs"),
            *("dependencies", "dependentSchemas"),
        ),
        ("map", "schema"),
    ),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), ("list", "schema")),
    "externalDocs": ("one", "externalDocs"),
}

DRAFTS = {
    "draft-04": "Draft4Validator",
    "draft-06": "Draft6Validator",
    "draft-07": "Draft7Validator",
    "2019-09": "Draft201909Validator",
    "2020-12": "Draft202012Validator",
}
"""Versions of JSON Schema, and what validates by them."""

JSON_SCHEMAS = ("application/schema", "application/vnd.aai.asyncapi")
"""How a ``schemaFormat`` begins that is JSON Schema."""


def draft_of(multi: dict[str, Any]) -> str | None:
    """Return the version of JSON Schema of a Multi Format Schema; None if it says nothing here."""
    name = str(multi.get("schemaFormat", JSON_SCHEMAS[0]))
    if not name.startswith(JSON_SCHEMAS):
        return None
    version = re.search(r"version=([\w.-]+)", name)
    if version is None or not name.startswith("application/schema"):
        return "draft-07"  # as an AsyncAPI Schema Object
    return version[1] if version[1] in DRAFTS else None


def is_reference(value: Any) -> bool:
    """Return whether a value is a Reference Object."""
    return isinstance(value, dict) and isinstance(value.get("$ref"), str)


def is_schema(node: Node) -> bool:
    """Return whether an object is a JSON Schema, of those that have keywords."""
    if node.kind not in ("schema", "anySchema") or not isinstance(node.value, dict):
        return False
    return node.kind == "schema" or "schema" not in node.value


def walk(value: Any, kind: str = "document", place: Place = ()) -> Iterator[Node]:
    """Iterate over everything in an object that is an object itself; references are not followed.

    Where the document is malformed, with a list in the place of a map, there is nothing.
    """
    waiting = [Node(place, kind, value)]
    while waiting:
        node = waiting.pop()
        yield node
        if not is_reference(node.value):
            waiting += reversed(list(children(node)))


def children(node: Node) -> Iterator[Node]:
    """Iterate over the objects directly inside of one."""
    place, kind, value = node
    if not isinstance(value, dict):
        return
    if kind == "anySchema":
        kind = "multiFormat" if "schema" in value else "schema"
    if kind == "multiFormat":
        if draft_of(value) is not None:
            yield Node((*place, "schema"), "schema", value["schema"])
        return
    fields = _SCHEMA if kind == "schema" else _FIELDS.get(kind, {})
    for name, each in value.items():
        if name in fields:
            yield from _held((*place, name), *fields[name], each)
        else:
            yield from _others((*place, name), each)


def _held(place: Place, shape: Shape, kind: str, value: Any) -> Iterator[Node]:
    if shape == "map" and is_reference(value):
        yield Node(place, "other", value)
    elif shape == "map" and isinstance(value, dict):
        for key, each in value.items():
            # A list of names is another form of `dependencies`.
            if not (kind == "schema" and isinstance(each, list)):
                yield Node((*place, key), kind, each)
    elif isinstance(value, list):  # of items, too, there may be several
        for number, each in enumerate(value):
            yield Node((*place, number), kind, each)
    elif shape == "one":
        yield Node(place, kind, value)


def _others(place: Place, value: Any) -> Iterator[Node]:
    """Look into what nobody has described: extensions, bindings of other protocols, examples.

    In data a ``$ref`` may be meant to be no reference. Other tools take it for one all the same.
    """
    if isinstance(value, dict):
        yield Node(place, "other", value)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _others((*place, number), each)
