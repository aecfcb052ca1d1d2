"""What docstrings say, and names that can stand in a document. Pure."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import Any
from typing import get_args
from typing import get_origin

__all__ = ["docs_of", "name_of", "tidy", "unique"]

_SECTIONS = re.compile(
    r"^(?:Args|Arguments|Attributes|Example|Examples|Note|Raises|Returns|Yields)::?[ ]*$",
    re.MULTILINE,
)


def docs_of(documented: Any, *, generated: str = "") -> dict[str, str]:
    """Return the summary and the description that a docstring has, as far as there are any.

    Args:
        documented: A class or a function.
        generated: How a docstring begins that nobody has written.
    """
    text = documented.__doc__
    if not isinstance(text, str) or (generated and text.startswith(generated)):
        return {}
    text = _SECTIONS.split(cleandoc(text))[0].strip()
    summary, _, rest = text.partition("\n\n")
    found = {"summary": " ".join(summary.split()), "description": rest.strip()}
    return {name: value for name, value in found.items() if value}


def tidy(text: str) -> str:
    """Return a text as a key of a document's components."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_") or "_"


def name_of(annotation: Any) -> str:
    """Return the name of a type: ``Box_int`` of ``Box[int]``; the same in every process."""
    origin = get_origin(annotation)
    if origin is None:
        return tidy(getattr(annotation, "__name__", None) or str(annotation))
    arguments = get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return name_of(arguments[0])
    name = getattr(origin, "__name__", None) or str(origin).rpartition(".")[2]
    return tidy("_".join([name, *map(name_of, arguments)]))


def unique(name: str, taken: Any) -> str:
    """Return a name that is not taken: itself, or with a number."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found
