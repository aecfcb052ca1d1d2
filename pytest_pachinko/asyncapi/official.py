"""The structure of a document, against the official JSON schemas of AsyncAPI."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from functools import partial
from importlib.resources import files
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.asyncapi.grammar import draft_of
from pytest_pachinko.asyncapi.grammar import DRAFTS
from pytest_pachinko.asyncapi.grammar import Node
from pytest_pachinko.asyncapi.grammar import walk
from pytest_pachinko.asyncapi.misfits import misfits
from pytest_pachinko.asyncapi.problem import pointer
from pytest_pachinko.asyncapi.problem import Problem
from pytest_pachinko.errors import missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence

    from jsonschema.protocols import Validator

__all__ = ["VERSIONS", "structure_problems"]

VERSIONS = ("3.0.0", "3.1.0")
"""The versions of AsyncAPI that are known."""

_REFERENCE = {"$ref": "#/definitions/Reference"}

_FORMATS = {
    "uri": re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+"),
    "uri-reference": re.compile(r"[^\s<>\"|\\^`]*"),
    "email": re.compile(r"[^@\s]+@[^@\s]+"),
}

_DEFINITIONS = {
    "message": "messageObject",
    "reply": "operationReply",
    "replyAddress": "operationReplyAddress",
    "securityScheme": "SecurityScheme",
    "wsChannel": "bindings-websockets-0.1.0-channel",
    **{name: f"{name}Object" for name in ("serverBindings", "channelBindings")},
    **{name: f"{name}Object" for name in ("operationBindings", "messageBindings")},
}
"""What the official schema calls an object, where it is not what ``grammar`` calls it."""


def structure_problems(data: Any, strays: Sequence[Node] = ()) -> Iterator[Problem]:
    """Yield where a document is not built as the official schema says.

    Args:
        data: A document of one of ``VERSIONS``.
        strays: What is referred to as something, and is where the schema does not look.
    """
    validator = _validator(data["asyncapi"])
    for misfit in misfits(validator.iter_errors(data)):
        yield Problem(pointer(misfit.place), misfit.message)
    for place, kind, value in strays:
        name = _DEFINITIONS.get(kind, kind)
        part = validator.evolve(schema={"$ref": f"{_uri(data['asyncapi'])}#/definitions/{name}"})
        for misfit in misfits(part.iter_errors(value)):
            yield Problem(pointer((*place, *misfit.place)), misfit.message)
    for top in (Node((), "document", data), *strays):
        yield from _other_drafts(top)


def _other_drafts(top: Node) -> Iterator[Problem]:
    """Yield where schemas are not built as their version of JSON Schema says, if it is another."""
    import jsonschema

    for place, kind, value in walk(top.value, top.kind, top.place):
        if kind != "anySchema" or not isinstance(value, dict) or "schema" not in value:
            continue
        draft = draft_of(value)
        if draft in (None, "draft-07"):
            continue  # the official schema looks at draft-07 itself
        make: Any = getattr(jsonschema, DRAFTS[str(draft)])
        for misfit in misfits(make(make.META_SCHEMA).iter_errors(value["schema"])):
            yield Problem(pointer((*place, "schema", *misfit.place)), misfit.message)


@lru_cache(maxsize=len(VERSIONS))
def _validator(version: str) -> Validator:
    try:
        from jsonschema import Draft7Validator
        from jsonschema import FormatChecker
        from referencing import Registry
        from referencing.jsonschema import DRAFT7
    except ImportError as error:
        raise missing("Validating an AsyncAPI document", error, "asyncapi") from error
    file = files("pytest_pachinko") / "data" / f"asyncapi-{version}.json"
    schema = DRAFT7.create_resource(_patched(json.loads(file.read_text(encoding="utf-8"))))
    registry: Registry[Any] = Registry().with_resource(_uri(version), schema)
    formats = FormatChecker(formats=())
    for name, pattern in _FORMATS.items():
        formats.checks(name)(partial(_matches, pattern))
    return Draft7Validator({"$ref": _uri(version)}, registry=registry, format_checker=formats)


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return not isinstance(value, str) or pattern.fullmatch(value) is not None


def _patched(schema: Any) -> Any:
    """Let a reference stand for a schema.

    It is a schema itself, so that it fits both alternatives where there is a choice of one.
    """
    if isinstance(schema, dict):
        patched = {key: _patched(value) for key, value in schema.items()}
        choice = schema.get("oneOf")
        if isinstance(choice, list) and _REFERENCE in choice:
            patched["anyOf"] = patched.pop("oneOf")
        return patched
    return [_patched(value) for value in schema] if isinstance(schema, list) else schema


def _uri(version: str) -> str:
    return f"urn:asyncapi:{version}"
