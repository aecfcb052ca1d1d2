"""Values that somebody wrote down: as JSON has them, and judged by msgspec. Pure."""

from __future__ import annotations

from typing import Any
from typing import get_args
from typing import get_origin
from typing import get_type_hints
from typing import TYPE_CHECKING

import msgspec

from falcon_pachinko.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_example", "check_examples", "check_given", "default_of", "hints_of", "plain"]


class _UnknownError(Exception):
    """Only a hook of the application can tell."""


def plain(value: Any) -> Any:
    """Return a value as JSON has it, the same in every process.

    Raises:
        TypeError: JSON has no such value.
    """
    found = msgspec.json.decode(msgspec.json.encode(value, order="deterministic"))
    if found is None and value is not None:
        raise TypeError("JSON has only finite numbers")
    return found


def hints_of(cls: Any) -> dict[str, Any]:
    """Return what the fields of a class are annotated with, by name."""
    return get_type_hints(get_origin(cls) or cls, include_extras=True)


def default_of(default: Any, annotation: Any) -> Any:
    """Return a default as JSON has it; ``NODEFAULT`` if there is none, or nobody could send it."""
    if default is msgspec.NODEFAULT or default is msgspec.UNSET:
        return msgspec.NODEFAULT
    try:
        found = plain(default)
        msgspec.json.decode(msgspec.json.encode(found), type=annotation)
    except Exception:  # noqa: BLE001 - a default need not be what JSON can say, nor be allowed
        return msgspec.NODEFAULT
    return found


def check_examples(where: str, annotation: Any) -> None:
    """Judge the examples in an annotation, and in those that it is made of.

    Args:
        where: What is annotated, for a reader.
        annotation: What a field is annotated with.

    Raises:
        DocumentError: An example is none.
    """
    for part, examples in _examples(annotation, set()):
        for example in examples:
            check_example(where, example, part)


def check_example(where: str, example: Any, annotation: Any) -> None:
    """Judge one example, unless only a hook of the application can tell.

    Args:
        where: What it is an example of, for a reader.
        example: A value.
        annotation: The type.

    Raises:
        DocumentError: It is none.
    """
    try:
        msgspec.json.decode(
            msgspec.json.encode(plain(example)), type=annotation, dec_hook=_do_not_know
        )
    except _UnknownError:
        return
    except Exception as error:
        raise DocumentError(
            f"The example {example!r} of {where} is none: {str(error) or type(error).__name__}.\n"
            "Hint: Meta(examples=[...]) has values of the type, or what stands for them in JSON."
        ) from error


def check_given(where: str, given: Any, annotation: Any, hint: str) -> None:
    """Judge what somebody says in a document that types do not say.

    Args:
        where: What it is, for a reader.
        given: What they say.
        annotation: The type that it has to have.
        hint: What to write.

    Raises:
        DocumentError: It has another one.
    """
    try:
        msgspec.convert(given, annotation)
    except msgspec.ValidationError as error:
        raise DocumentError(
            f"{where} is {given!r}, which a document cannot have: {error}.\nHint: {hint}"
        ) from error


def _do_not_know(*_: object) -> None:
    raise _UnknownError


def _examples(annotation: Any, seen: set[int]) -> Iterator[tuple[Any, list[Any]]]:
    if id(annotation) in seen:
        return
    seen.add(id(annotation))
    # What a name stands for: type X = ..., or NewType.
    for name in ("__value__", "__supertype__"):
        if hasattr(annotation, name):
            yield from _examples(getattr(annotation, name), seen)
    for meta in getattr(annotation, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta):
            given = (meta.extra_json_schema or {}).get("examples", ())
            yield annotation, [*(meta.examples or ()), *given]
    for part in get_args(annotation):
        yield from _examples(part, seen)
