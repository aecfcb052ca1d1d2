"""The text of a document as data: JSON, or YAML by the core schema of YAML 1.2.

YAML is read as JSON with another spelling: keys are text, dates are text, ``on`` is no boolean.
What JSON cannot say is a problem, and so is a key that occurs twice.
"""

from __future__ import annotations

import json
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

from falcon_pachinko.asyncapi.core_schema import MERGE
from falcon_pachinko.asyncapi.core_schema import MOST_VALUES
from falcon_pachinko.asyncapi.core_schema import PLAIN_TAGS
from falcon_pachinko.asyncapi.core_schema import TAG
from falcon_pachinko.asyncapi.core_schema import value_of
from pytest_pachinko.asyncapi.problem import pointer
from pytest_pachinko.asyncapi.problem import Problem
from pytest_pachinko.errors import missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence

    from pytest_pachinko.asyncapi.problem import Place

__all__ = ["Source", "line_of", "looks_like_json", "read"]

_DEEPEST = 400
"""How deeply the values of a document are nested, at most."""


class Source(NamedTuple):
    """A document as data, and what was wrong with its text.

    Attributes:
        data: The data; None if there is none.
        text: The text.
        problems: What is wrong with it.
    """

    data: Any
    text: str
    problems: list[Problem]


class _RefusedError(Exception):
    """The text is no document at all."""

    def __init__(self, message: str, line: int | None = None, place: Place = ()) -> None:
        super().__init__(message)
        self.problem = Problem(pointer(place), message, line=line)


def looks_like_json(text: str) -> bool:
    """Return whether a text that does not say what it is may be JSON."""
    return text.lstrip()[:1] in ("{", "[")


def read(raw: bytes, *, as_json: bool | None = None) -> Source:
    """Read a document.

    Args:
        raw: The file.
        as_json: Whether it is JSON; as it looks if not given.

    Raises:
        PachinkoUsageError: It is YAML, and PyYAML is not installed.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"the file is not UTF-8: {error.reason} at byte {error.start}"
        return Source(None, "", [Problem("#", message, line=line)])
    problems: list[Problem] = []
    parse = _json if (looks_like_json(text) if as_json is None else as_json) else _yaml
    try:
        return Source(parse(text, problems), text, problems)
    except _RefusedError as refused:
        return Source(None, text, [refused.problem])
    except RecursionError:
        return Source(None, text, [Problem("#", "the document is nested too deeply to be read")])


def _json(text: str, problems: list[Problem]) -> Any:
    twice: list[tuple[dict[str, Any], str]] = []

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for key, each in pairs:
            if key in value:
                twice.append((value, key))
            value[key] = each
        return value

    try:
        data = json.loads(text, object_pairs_hook=made, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _RefusedError(
            f"the text is not JSON: {error.msg}, column {error.colno}", error.lineno
        ) from None
    except ValueError as error:  # a number that is too long for Python
        raise _RefusedError(f"the text is not JSON that can be read: {error}") from None
    if twice:
        places = {id(value): place for place, value in _objects(data)}
        for owner, key in twice:
            if id(owner) in places:
                problems.append(_doubled((*places[id(owner)], key)))
    return data


def _no_constant(name: str) -> Any:
    raise _RefusedError(f"the text is not JSON: {name} is no number there")


def _doubled(place: Place, line: int | None = None) -> Problem:
    return Problem(
        pointer(place),
        f"the key {str(place[-1])!r} is there twice, and one would be lost: rename or remove one",
        line=line,
    )


def _objects(data: Any) -> Iterator[tuple[Place, dict[str, Any]]]:
    waiting: list[tuple[Place, Any]] = [((), data)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            yield place, value
            waiting += [((*place, key), each) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [((*place, number), each) for number, each in enumerate(value)]


def _yaml(text: str, problems: list[Problem]) -> Any:
    try:
        node = _composed(text)
    except ImportError as error:
        raise missing("Reading YAML", error, "asyncapi") from error
    if node is None:
        return None
    builder = _Builder(problems)
    data = builder.build(node, ())
    if builder.sizes[id(node)] > MOST_VALUES:
        raise _RefusedError(f"its aliases stand for more than {MOST_VALUES:,} values: write less")
    return data


def _composed(text: str) -> Any:
    """Return the root node of a text, or None for an empty one."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # libyaml composes by recursion that nothing limits: too deep a text would end the process.
        depth = 0
        for event in yaml.parse(text, loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise RecursionError
        return yaml.compose(text, loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ": ".join(filter(None, (error.context, error.problem)))
        line = None if mark is None else mark.line + 1
        raise _RefusedError(f"the text is not YAML: {what}", line) from None
    except yaml.YAMLError as error:
        raise _RefusedError(f"the text is not YAML: {error}") from None


class _Builder:
    """Makes data of the nodes of YAML.

    Attributes:
        sizes: How many values each node stands for, by its identity.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._built: dict[int, Any] = {}
        self._open: set[int] = set()
        self.sizes: dict[int, int] = {}

    def build(self, node: Any, place: Place) -> Any:
        """Return the data of a node; an alias is the same data again."""
        key = id(node)
        if key in self._built:
            return self._built[key]
        if key in self._open:
            raise _RefusedError(
                "an alias (*) refers to what it is in, and JSON has no such value: use $ref",
                _line(node),
                place,
            )
        self._open.add(key)
        if node.id == "mapping":
            data: Any = self._mapping(node, place)
        elif node.id == "sequence":
            self._check_tag(node, place, f"{TAG}seq")
            data = [self.build(each, (*place, n)) for n, each in enumerate(node.value)]
            self._measure(node, node.value)
        else:
            data = self._scalar(node, place)
            self._measure(node, ())
        self._open.discard(key)
        self._built[key] = data
        return data

    def _measure(self, node: Any, children: Sequence[Any]) -> None:
        self.sizes[id(node)] = 1 + sum(self.sizes[id(child)] for child in children)

    def _mapping(self, node: Any, place: Place) -> dict[str, Any]:
        self._check_tag(node, place, f"{TAG}map")
        data: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for name, value in node.value:
            if name.id != "scalar":
                raise _RefusedError("a key is text in JSON, and here it is not", _line(name), place)
            at = (*place, name.value)
            made = self.build(value, at)
            if name.tag == MERGE:
                for each in made if isinstance(made, list) else [made]:
                    if not isinstance(each, dict):
                        raise _RefusedError(
                            "<< merges a mapping, and this is none", _line(name), at
                        )
                    merged = each | merged
            elif name.value in data:
                self._problems.append(_doubled(at, _line(name)))
            else:
                data[name.value] = made
        self._measure(node, [value for _, value in node.value])
        return {**{k: v for k, v in merged.items() if k not in data}, **data}

    def _check_tag(self, node: Any, place: Place, usual: str) -> None:
        if node.tag != usual:
            tag = node.tag.replace(TAG, "!!")
            raise _RefusedError(
                f"JSON has nothing for the tag {tag}: remove it", _line(node), place
            )

    def _scalar(self, node: Any, place: Place) -> Any:
        if node.tag not in PLAIN_TAGS:
            self._check_tag(node, place, "")
        text: str = node.value
        if node.style:  # it is quoted, or a block
            return text
        try:
            return value_of(text)
        except ValueError as error:
            raise _RefusedError(str(error), _line(node), place) from None


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def line_of(text: str, places: Sequence[Place]) -> list[int | None]:
    """Return the lines on which places begin, from 1; None for what is not found.

    A place that is not there, such as that of a missing field, is where its owner is.

    Args:
        text: A document that could be read.
        places: The places.
    """
    try:
        root = _composed(text)  # JSON is YAML, but for some white space
    except (ImportError, RecursionError, _RefusedError):
        return [None] * len(places)
    return [None if root is None else _line_in(root, place) for place in places]


def _line_in(root: Any, place: Place) -> int:
    node, line = root, _line(root)
    for part in place:
        if node.id == "mapping":
            found = next((pair for pair in node.value if pair[0].value == part), None)
        elif node.id == "sequence" and isinstance(part, int) and part < len(node.value):
            found = (node.value[part],) * 2
        else:
            found = None
        if found is None:
            break
        line, node = _line(found[0]), found[1]
    return line
