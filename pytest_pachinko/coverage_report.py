"""What is said of a protocol coverage: on a terminal, as JSON, and where it is not enough. Pure."""

from __future__ import annotations

from textwrap import wrap
from typing import Any
from typing import TYPE_CHECKING

import msgspec

from pytest_pachinko.coverage import PARTS
from pytest_pachinko.coverage import percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_pachinko.coverage import Coverage
    from pytest_pachinko.coverage import Row

__all__ = ["document", "shortfall", "table"]

VERSION = 1

_MOST_LINES = 60  # below the table
_MOST_NAMES = 8  # in a line
_WIDTH = 100
_UNBROKEN = "\N{NO-BREAK SPACE}"

_MISSING = {
    "accepted": "never accepted",
    "handlers": "never entered",
    "sent": "never sent",
    "bounds": "never hit",
}


def document(coverage: Coverage) -> dict[str, Any]:
    """Return a coverage as plain data, with its percentages."""
    covered, wanted = coverage.covered
    return {
        "version": VERSION,
        "percent": percent(covered, wanted),
        "covered": covered,
        "declared": wanted,
        "routes": [_route(row) for row in _sorted(coverage)],
    }


def _route(row: Row) -> dict[str, Any]:
    parts = row.parts
    covered, wanted = _sum(row)
    return {
        "percent": percent(covered, wanted),
        **msgspec.to_builtins(row, order="sorted"),
        "covered": {name: part.covered for name, part in parts.items()},
        "declared": {name: part.wanted for name, part in parts.items()},
        "missing": {name: part.missing for name, part in parts.items() if part.missing},
    }


def table(coverage: Coverage) -> list[str]:
    """Return lines for a terminal: a table of all routes, and then what is missing."""
    rows = _sorted(coverage)
    if not rows:
        return ["No session was opened."]
    lines = [["route", "subprotocol", *PARTS, "covered"]]
    for row in rows:
        cells = [f"{p.covered}/{p.wanted}" if p.wanted else "-" for p in row.parts.values()]
        lines.append([row.template, row.subprotocol, *cells, _shown(*_sum(row))])
    if len(rows) > 1:
        lines.append(["all", "", *[""] * len(PARTS), _shown(*coverage.covered)])
    return [*_aligned(lines), *_bounded([line for row in rows for line in _details(row)])]


def shortfall(coverage: Coverage, least: float) -> str | None:
    """Say that a coverage is less than it has to be, and what is missing; None if it is enough.

    Args:
        coverage: The coverage.
        least: The percentage that is enough.
    """
    covered, wanted = coverage.covered
    if not wanted:
        return f"Protocol coverage of {least:g}% is required, and no resource was connected to."
    if 100 * covered >= least * wanted:
        return None
    missing = [
        f"{_name(row)} {_MISSING[name]}: {each}"
        for row in _sorted(coverage)
        for name, part in row.parts.items()
        for each in part.missing
    ]
    return (
        f"Protocol coverage of {least:g}% is required, and it is {_shown(covered, wanted)}: "
        f"{wanted - covered} of {wanted} are missing, such as {missing[0]}"
    )


def _sorted(coverage: Coverage) -> list[Row]:
    return sorted(coverage.rows.values(), key=lambda row: (row.template, row.subprotocol))


def _sum(row: Row) -> tuple[int, int]:
    parts = row.parts.values()
    return sum(part.covered for part in parts), sum(part.wanted for part in parts)


def _shown(covered: int, wanted: int) -> str:
    share = percent(covered, wanted)
    return "-" if share is None else f"{share:.1f}%"


def _name(row: Row) -> str:
    return f"{row.template} {row.subprotocol}".rstrip()


def _aligned(lines: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number < 2 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]


def _details(row: Row) -> list[str]:
    """Say what of a row is missing, and what else was seen."""
    if not row.counts:
        return ["", _name(row), "  never connected to"]
    lines = ["", _name(row)]
    for name, part in row.parts.items():
        missing = _bounds(row, part.missing) if name == "bounds" else part.missing
        lines += _entry(_MISSING[name], missing)
    tags = len(row.tags)
    others = {
        "pairs seen": [f"{len(row.seen('pairs'))} of {tags * tags}"] if tags else [],
        "refused": _counted(row.seen("refused")),
        "frames to app": [] if tags else _counted(row.seen("received")),
        "frames from app": [] if tags else _counted(row.seen("sent")),
        "denied": _counted(row.seen("denied")),
        "closed by app": _counted(row.seen("closed_by_app")),
        "closed by peer": _counted(row.seen("closed_by_peer")),
        "peer left after": _counted(row.seen("left_after")),
        "raised": _counted(row.seen("raised")),
    }
    return lines + [line for title, names in others.items() for line in _entry(title, names)]


def _bounds(row: Row, missing: list[str]) -> list[str]:
    """Name each bound once, with the sides of it that are missing if it has several."""
    sides: dict[str, list[str]] = {}
    for each in missing:
        bound, _, side = each.rpartition(": ")
        sides.setdefault(bound, []).append(side)
    return [
        bound if row.bounds[bound] == ["on"] else f"{bound} ({' and '.join(names)})"
        for bound, names in sides.items()
    ]


def _counted(counts: Mapping[str, int]) -> list[str]:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [f"{name} x{times}" for name, times in ordered]


def _entry(title: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = [f"and {len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    text = ", ".join(name.replace(" ", _UNBROKEN) for name in [*names[:_MOST_NAMES], *more])
    return [
        line.replace(_UNBROKEN, " ")
        for line in wrap(
            text,
            _WIDTH,
            initial_indent=f"  {title:<17}",
            subsequent_indent=" " * 19,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _bounded(lines: list[str]) -> list[str]:
    if len(lines) <= _MOST_LINES:
        return lines
    return [
        *lines[:_MOST_LINES],
        f"... and {len(lines) - _MOST_LINES} more lines: see --pachinko-cov-json=FILE",
    ]
