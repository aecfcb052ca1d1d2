"""References inside of a document. Pure."""

from __future__ import annotations

import re
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pytest_pachinko.asyncapi.grammar import is_reference
from pytest_pachinko.asyncapi.grammar import Node
from pytest_pachinko.asyncapi.grammar import walk
from pytest_pachinko.asyncapi.problem import close_to
from pytest_pachinko.asyncapi.problem import listed
from pytest_pachinko.asyncapi.problem import pointer
from pytest_pachinko.asyncapi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Container
    from collections.abc import Iterator

    from pytest_pachinko.asyncapi.problem import Place

__all__ = [
    "Found",
    "Survey",
    "UnresolvedError",
    "follow",
    "reference_problems",
    "survey",
]


class Found(NamedTuple):
    """What a reference leads to.

    Attributes:
        place: Where it is.
        value: What is there; no reference.
    """

    place: Place
    value: Any


class UnresolvedError(Exception):
    """A reference leads to nothing; the message says why.

    Attributes:
        place: The last place on the way that there is.
    """

    def __init__(self, message: str, place: Place = ()) -> None:
        super().__init__(message)
        self.place = place


def follow(data: Any, place: Place, value: Any) -> Found:
    """Return a value, or what it leads to if it is a reference.

    Raises:
        UnresolvedError: It leads to nothing.
    """
    seen: list[str] = []
    while is_reference(value):
        ref = value["$ref"]
        if ref in seen:
            raise UnresolvedError(
                f"{' → '.join([*seen, ref])} is a circle, and nothing is in it: let one of them "
                "hold a value"
            )
        seen.append(ref)
        place, value = _target(data, ref, (*seen,))
    return Found(place, value)


def _target(data: Any, ref: str, seen: tuple[str, ...]) -> Found:
    if not ref.startswith("#"):
        raise UnresolvedError(
            f"{ref!r} is outside of this document, which has to be complete in itself: copy what "
            "it refers to into components, and refer to that as #/components/..."
        )
    if ref != "#" and not ref.startswith("#/"):
        raise UnresolvedError(f"{ref!r} is no JSON pointer: it begins with #/")
    place: Place = ()
    value = data
    for part in ref.split("/")[1:]:
        if is_reference(value):  # the way leads through another reference
            if value["$ref"] in seen:
                raise UnresolvedError(f"{ref!r} leads through itself: refer to a value")
            place, value = _target(data, value["$ref"], (*seen, value["$ref"]))
        key: str | int = _unescaped(part)
        if isinstance(value, list) and re.fullmatch("0|[1-9][0-9]*", str(key)):
            key = int(key)
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            raise UnresolvedError(_nowhere(ref, place, value, key), place) from None
        place = (*place, key)
    return Found(place, value)


def _unescaped(part: str) -> str:
    return unquote(part).replace("~1", "/").replace("~0", "~")


def _nowhere(ref: str, place: Place, value: Any, key: str | int) -> str:
    if isinstance(value, dict):
        inside = f"there are {listed(value)}{close_to(key, value)}"
    elif isinstance(value, list):
        inside = f"there are {len(value)} items, from 0"
    else:
        inside = "there is nothing below it"
    return f"{ref!r} leads nowhere: {pointer(place)} has no {key!r}; {inside}"


class Survey(NamedTuple):
    """What there is in a document.

    Attributes:
        nodes: Its objects; no references.
        references: Its references.
        strays: What references lead to that is where AsyncAPI knows of nothing, such as in an
            extension, each as what the reference takes it for.
    """

    nodes: dict[Place, Node]
    references: list[Node]
    strays: list[Node]


def survey(data: Any) -> Survey:
    """Find everything in a document."""
    nodes: dict[Place, Node] = {}
    references: list[Node] = []
    strays: dict[Place, Node] = {}
    waiting = list(walk(data))
    while waiting:
        for node in waiting:
            if is_reference(node.value):
                references.append(node)
            else:
                nodes[node.place] = node
        waiting = [
            each
            for stray in _strays(data, nodes, references)
            if strays.setdefault(stray.place, stray) is stray
            for each in walk(stray.value, stray.kind, stray.place)
        ]
    return Survey(nodes, references, list(strays.values()))


def _strays(data: Any, nodes: dict[Place, Node], references: list[Node]) -> Iterator[Node]:
    for place, kind, value in references:
        try:
            found = follow(data, place, value)
        except UnresolvedError:
            continue
        known = nodes.get(found.place)
        if kind != "other" and known is not None and known.kind == "other":
            yield Node(found.place, kind, found.value)


def reference_problems(data: Any, found: Survey, wrong: Container[str]) -> Iterator[Problem]:
    """Yield the problems of all references: nowhere, outside, in a circle, to something else.

    Args:
        data: The document.
        found: What there is in it.
        wrong: The places that are not built as they should be: what leads there, or through there,
            is not to blame.
    """
    unique = {node.place: node for node in found.references}
    for place, kind, value in unique.values():
        try:
            target = follow(data, place, value)
        except UnresolvedError as error:
            if pointer(error.place) not in wrong and not _is_others(data, place, value):
                yield Problem(pointer((*place, "$ref")), f"$ref {error}")
            continue
        if pointer(target.place) in wrong:
            continue
        node = found.nodes.get(target.place)
        if kind != "other" and (node is None or _family(node.kind) != _family(kind)):
            what = "what AsyncAPI knows nothing of" if node is None else _words(node.kind)
            yield Problem(
                pointer((*place, "$ref")),
                f"$ref {value['$ref']!r} leads to {what}, and here is the place of {_words(kind)}",
            )
        others = [name for name in value if name != "$ref" and not name.startswith("x-")]
        if others and kind != "other":
            yield Problem(
                pointer(place),
                f"{listed(others)} beside $ref is ignored: remove it, or put it where $ref leads"
                f"{' (in a schema: into allOf, beside the $ref)' if _is_schema(kind) else ''}",
                "warning",
            )


def _is_others(data: Any, start: Place, value: Any) -> bool:
    """Return whether another reference, to which this one leads, is the one that is wrong."""
    seen: list[Place] = []
    place = start
    while is_reference(value) and place not in seen:
        seen.append(place)
        try:
            place, value = _target(data, value["$ref"], (value["$ref"],))
        except UnresolvedError:
            return len(seen) > 1
    return place != start  # a circle is the fault of those that are in it


def _is_schema(kind: str | None) -> bool:
    return kind in ("schema", "anySchema")


def _family(kind: str | None) -> str | None:
    return "schema" if _is_schema(kind) else kind


def _words(kind: str) -> str:
    name = re.sub("([A-Z])", r" \1", "schema" if _is_schema(kind) else kind).lower()
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
