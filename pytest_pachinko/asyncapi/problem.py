"""What is wrong with a document, and where. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Place", "Problem", "close_to", "listed", "pointer"]

Place = tuple[str | int, ...]
"""The keys and indices that lead to a value."""

Severity = Literal["error", "warning"]

_MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a document.

    Attributes:
        place: Where, as a JSON pointer (RFC 6901), written as in ``$ref``: ``#/channels/chat``.
        message: What, and what to do.
        severity: ``"error"``; or ``"warning"`` where a document means something all the same.
        line: The line of the file, from 1, if it is known.
    """

    place: str
    message: str
    severity: Severity = "error"
    line: int | None = None

    def __str__(self) -> str:
        """Return one line."""
        where = self.place if self.line is None else f"line {self.line}, {self.place}"
        mild = "warning: " if self.severity == "warning" else ""
        return f"{where}: {mild}{self.message}"


def pointer(place: Place) -> str:
    """Return a place as a JSON pointer."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in place)
    return "/".join(["#", *parts])


def listed(names: Iterable[object]) -> str:
    """Return names in one line of bounded length."""
    shown = [repr(name) for name in names]
    more = [f"{len(shown) - _MOST_NAMES} more"] if len(shown) > _MOST_NAMES else []
    return ", ".join(shown[:_MOST_NAMES] + more) or "nothing"


def close_to(name: object, names: Iterable[object], *, ratio: float = 0.6) -> str:
    """Return a hint at a name that somebody may have meant; empty if there is none.

    Args:
        name: What is there.
        names: What may have been meant.
        ratio: How close it has to be, up to 1 for the same.
    """
    close = get_close_matches(str(name), [str(each) for each in names], 1, ratio)
    return f"; did you mean {close[0]!r}?" if close else ""
