"""The structure of a document, against the official JSON schemas of AsyncAPI."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.asyncapi.grammar import is_reference
from pytest_pachinko.asyncapi.misfits import misfits
from pytest_pachinko.asyncapi.problem import pointer
from pytest_pachinko.asyncapi.problem import Problem
from pytest_pachinko.errors import missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence

    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

    from pytest_pachinko.asyncapi.grammar import Node

__all__ = ["VERSIONS", "structure_problems"]

VERSIONS = ("3.0.0", "3.1.0")
"""The versions of AsyncAPI that are known."""

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
    for misfit in misfits(_real(validator.iter_errors(data))):
        yield Problem(pointer(misfit.place), misfit.message)
    for place, kind, value in strays:
        name = _DEFINITIONS.get(kind, kind)
        part = validator.evolve(schema={"$ref": f"{_uri(data['asyncapi'])}#/definitions/{name}"})
        for misfit in misfits(_real(part.iter_errors(value))):
            yield Problem(pointer((*place, *misfit.place)), misfit.message)


def _real(errors: Iterator[ValidationError]) -> Iterator[ValidationError]:
    """Leave out that a reference is both a Reference Object and a schema, which is no mistake."""
    for error in errors:
        if not (error.validator == "oneOf" and not error.context and is_reference(error.instance)):
            yield error


@lru_cache(maxsize=len(VERSIONS))
def _validator(version: str) -> Validator:
    try:
        from jsonschema import Draft7Validator
        from referencing import Registry
        from referencing.jsonschema import DRAFT7
    except ImportError as error:
        raise missing("Validating an AsyncAPI document", error, "asyncapi") from error
    file = files("pytest_pachinko") / "data" / f"asyncapi-{version}.json"
    schema = DRAFT7.create_resource(json.loads(file.read_text(encoding="utf-8")))
    registry: Registry[Any] = Registry().with_resource(_uri(version), schema)
    return Draft7Validator({"$ref": _uri(version)}, registry=registry)


def _uri(version: str) -> str:
    return f"urn:asyncapi:{version}"
