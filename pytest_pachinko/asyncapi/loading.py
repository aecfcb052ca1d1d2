"""Documents from their file to their model: everything that may be wrong is said at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.asyncapi.grammar import is_reference
from pytest_pachinko.asyncapi.misfits import shown
from pytest_pachinko.asyncapi.model import channels_of
from pytest_pachinko.asyncapi.model import Document
from pytest_pachinko.asyncapi.official import structure_problems
from pytest_pachinko.asyncapi.official import VERSIONS
from pytest_pachinko.asyncapi.problem import close_to
from pytest_pachinko.asyncapi.problem import pointer
from pytest_pachinko.asyncapi.problem import Problem
from pytest_pachinko.asyncapi.reading import line_of
from pytest_pachinko.asyncapi.reading import read
from pytest_pachinko.asyncapi.references import reference_problems
from pytest_pachinko.asyncapi.references import survey
from pytest_pachinko.asyncapi.rules import rule_problems
from pytest_pachinko.asyncapi.schemas import Schemas
from pytest_pachinko.errors import InvalidDocument
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.trace.explain import shorten

if TYPE_CHECKING:
    from collections.abc import Container
    from collections.abc import Iterator
    from collections.abc import Sequence
    from os import PathLike

    from pytest_pachinko.asyncapi.problem import Place
    from pytest_pachinko.asyncapi.reading import Source
    from pytest_pachinko.asyncapi.references import Survey

    Given = Document | Mapping[str, Any] | str | PathLike[str]

__all__ = ["load_document", "validate"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

_MOST = 50
"""How many problems a message lists."""

_ACTIONS = {"publish": "receive", "subscribe": "send"}

_SUFFIXES = {".json": True, ".yaml": False, ".yml": False}


def validate(document: Given) -> list[Problem]:
    """Return everything that is wrong with an AsyncAPI 3 document; nothing if it is valid.

    Args:
        document: The document as data, or the path of a file of JSON or YAML; or what
            ``load_document`` returns, which has no errors.

    Returns:
        Its problems: first those of its structure and references. The other rules ask for a
        document without such.

    Raises:
        PachinkoUsageError: The file cannot be read, or the extra ``asyncapi`` is not installed.
    """
    return _read(document.data if isinstance(document, Document) else document)[1]


def load_document(document: Given) -> Document:
    """Return an AsyncAPI 3 document that is valid.

    Args:
        document: The document as data, or the path of a file of JSON or YAML.

    Raises:
        InvalidDocument: It is not valid; all errors are listed. Warnings are no errors.
        PachinkoUsageError: The file cannot be read, or the extra ``asyncapi`` is not installed.
    """
    if isinstance(document, Document):
        return document
    data, problems = _read(document)
    name = _name(document)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise InvalidDocument(_listed(name, errors), problems)
    schemas = Schemas(data)
    return Document(name, data, {each.key: each for each in channels_of(data, schemas)}, schemas)


def _listed(name: str, errors: Sequence[Problem]) -> str:
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    lines = [f"{name} is no valid AsyncAPI 3 document: {count}", *map(str, errors[:_MOST])]
    if len(errors) > _MOST:
        lines.append(f"… and {len(errors) - _MOST} more")
    return "\n  ".join(lines)


def _name(document: Mapping[str, Any] | str | PathLike[str]) -> str:
    if not isinstance(document, Mapping):
        return str(document)
    info = document.get("info")
    return str(info.get("title", "a dict")) if isinstance(info, Mapping) else "a dict"


def _read(document: Any) -> tuple[Any, list[Problem]]:
    """Return a document as data, and its problems in the order of their lines."""
    if isinstance(document, Mapping):
        data, wrong = _as_json(document)
        return data, wrong or list(_problems(data))
    try:
        path = Path(document)
        raw = path.read_bytes()
    except FileNotFoundError:
        there = [each.name for each in path.parent.glob("*") if each.suffix in _SUFFIXES]
        raise PachinkoUsageError(
            f"there is no file {shorten(str(path))}{close_to(path.name, there)}\n"
            "Hint: an AsyncAPI document is a file of JSON or YAML, or a dict"
        ) from None
    except (OSError, TypeError, ValueError) as error:
        raise PachinkoUsageError(
            f"{document!r} is no AsyncAPI document that can be read: {error}.\n"
            "Hint: it is the path of a file of JSON or YAML, or a dict"
        ) from None
    source = read(raw, as_json=_SUFFIXES.get(path.suffix.lower()))
    if source.data is None and source.problems:
        return None, source.problems
    problems = source.problems or [
        replace(each, message=each.message + _advice(source.data, each))
        for each in _problems(source.data)
    ]
    return source.data, _with_lines(source, problems)


def _with_lines(source: Source, problems: list[Problem]) -> list[Problem]:
    if not problems:
        return []
    lines = line_of(source.text, [_place(source.data, each) for each in problems])
    pairs = zip(problems, lines, strict=True)
    located = [replace(each, line=each.line or line) for each, line in pairs]
    return sorted(located, key=lambda each: each.line or 0)


def _place(data: Any, problem: Problem) -> Place:
    """Return the keys and indices of a pointer."""
    place: list[str | int] = []
    for part in problem.place.split("/")[1:]:
        key: str | int = part.replace("~1", "/").replace("~0", "~")
        if isinstance(data, list):
            key = int(key)
        place.append(key)
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            data = None
    return tuple(place)


def _advice(data: Any, problem: Problem) -> str:
    """Return what to do about a mistake that is easily made in YAML, or in version 3; or nothing."""
    for part in _place(data, problem):
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return ""
    if data is None and problem.place.endswith("/$ref"):
        return "; in YAML, # begins a comment: put the reference in quotes"
    if isinstance(data, str) and problem.message.endswith("has to be an object"):
        return "; a reference is written $ref: '#/...'"
    if isinstance(data, int | float) and problem.message.endswith("has to be a string"):
        return "; put it in quotes"
    if problem.place.endswith("/action") and data in _ACTIONS:
        return f"; what was called {data} in version 2 is {_ACTIONS[data]} for an application"
    return ""


def _as_json(data: Any) -> tuple[Any, list[Problem]]:
    """Return data as a file would hold it; None, if it could not, and why."""
    try:
        text = json.dumps(data, allow_nan=False, skipkeys=True, default=_as_dict)
    except (TypeError, ValueError, RecursionError) as error:
        return None, [Problem("#", f"the document holds what JSON cannot: {error}")]
    wrong = list(_no_names(data))
    return None if wrong else json.loads(text), wrong


def _as_dict(value: Any) -> dict[Any, Any]:
    """Return a mapping as what JSON can hold."""
    if not isinstance(value, Mapping):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return dict(value)


def _no_names(data: Any) -> Iterator[Problem]:
    """Yield the keys that are no text, which JSON would make of them without a word."""
    waiting: list[tuple[Place, Any]] = [((), data)]
    for place, value in waiting:
        if isinstance(value, Mapping):
            for key, each in value.items():
                if isinstance(key, str):
                    waiting.append(((*place, key), each))
                else:
                    yield Problem(pointer((*place, key)), f"the key {key!r} has to be a string")
        elif isinstance(value, list | tuple):
            waiting += [((*place, number), each) for number, each in enumerate(value)]


def _problems(data: Any) -> Iterator[Problem]:
    wrong = _wrong_version(data)
    if wrong is not None:
        yield wrong
        return
    try:
        found = survey(data)
        problems = list(structure_problems(data, found.strays))
        problems += _no_objects(found, {problem.place for problem in problems})
        problems += reference_problems(data, found, {problem.place for problem in problems})
        yield from problems
        if not any(problem.severity == "error" for problem in problems):
            yield from rule_problems(data, found, Schemas(data))
    except RecursionError:
        yield Problem("#", "the document is nested too deeply to be checked")


def _no_objects(found: Survey, known: Container[str]) -> Iterator[Problem]:
    """Yield what is no object; the official schema forgets to ask for that in some places."""
    for place, kind, value in found.nodes.values():
        is_free = kind in ("schema", "anySchema", "other")
        if not is_free and not isinstance(value, dict) and pointer(place) not in known:
            yield Problem(pointer(place), f"{shown(value)} has to be an object")


def _wrong_version(data: Any) -> Problem | None:
    """Say that something is no AsyncAPI document of a version that is known."""
    hint = f"this reads AsyncAPI {' and '.join(VERSIONS)}"
    if not isinstance(data, dict):
        what = "empty" if data is None else f"a {type(data).__name__}"
        return Problem("#", f"the document is {what}, and has to be an object; {hint}")
    if "asyncapi" not in data:
        other = next((name for name in ("openapi", "swagger", "arazzo") if name in data), None)
        is_other = f"; it is a document of {other}" if other else close_to("asyncapi", data)
        return Problem("#", f"the field 'asyncapi' with the version is missing{is_other}; {hint}")
    version = data["asyncapi"]
    if version in VERSIONS:
        return None
    if is_reference(data) or not isinstance(version, str):
        return Problem("#/asyncapi", f"the version is {version!r}, and has to be text; {hint}")
    if version.startswith(("1.", "2.")):
        hint += ", which have another structure: convert the document first"
    return Problem("#/asyncapi", f"the version is {version!r}; {hint}")
