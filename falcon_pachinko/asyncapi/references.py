"""Reading an AsyncAPI 3 document: what it refers to. Pure.

Every reference is looked at when a document is read, so that what reads it later cannot fail.
"""

from __future__ import annotations

from typing import Any
from typing import TYPE_CHECKING

from falcon_pachinko.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Document", "pointer"]

_VALUES = frozenset({"const", "default", "enum", "examples"})
"""Keys below which there is data: nothing in it is a reference."""


def pointer(*parts: str) -> str:
    """Return a JSON pointer as a reference has it (RFC 6901)."""
    return "#" + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


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
        for place, reference in _references(content, ()):
            self._end(reference, pointer(*place))

    def follow(self, node: Any) -> Any:
        """Return what a node refers to in the end; itself, if it is no reference."""
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            node = self._at(node["$ref"], "")
        return node

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
        for part in reference[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
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
    hint = "Hint: write one with python -m falcon_pachinko.asyncapi module:app -o FILE"
    if not isinstance(content, dict) or "asyncapi" not in content:
        raise DocumentError(f"{name} is no AsyncAPI document: it has no 'asyncapi'.\n{hint}")
    version = content["asyncapi"]
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
