"""What the benchmarks print and write."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.benchmarks.measure import Ratio
    from tests.benchmarks.measure import Result

__all__ = ["as_json", "limits", "table", "versions"]

_PACKAGES = (
    "falcon-pachinko",
    "falcon",
    "msgspec",
    "starlette",
    "channels",
    "django",
    "httpx-ws",
    "litestar",
    "uvicorn",
    "websockets",
)


def versions() -> str:
    """Return Python and the packages that take part, with their versions."""
    parts = [f"{platform.python_implementation()} {platform.python_version()}"]
    parts += [f"{name} {version}" for name, version in _installed().items()]
    return ", ".join(parts)


def table(result: Result) -> str:
    """Return the table of a group."""
    group = result.group
    kind = "speed" if group.higher_is_better else "time"
    rounds = len(next(iter(result.seconds.values())))
    rows = [["", "us each", f"{kind} / {group.baseline}", "middle half", "target"]]
    if group.ours is not None:
        rows[0] += [f"{group.ours} / it", "middle half", "target"]
    for name, seconds in result.seconds.items():
        row = [name, f"{statistics.median(seconds) * 1e6:.1f}"]
        same = name == group.baseline
        ratio = None if same else result.ratio(name, group.baseline)
        row += _cells(ratio, group.targets.get(name), judge=rounds > 1)
        if group.ours is not None:
            same = name == group.ours
            ratio = None if same else result.ratio(group.ours, name)
            row += _cells(ratio, group.ours_targets.get(name), judge=rounds > 1)
        rows.append(row)
    title = f"{group.name}: {group.title} (rounds: {rounds})"
    return "\n".join([title, *_align(rows)])


def limits(title: str, costs: Iterable[tuple[str, float, float | None]]) -> str:
    """Return a table of what has a limit of its own, or none, in microseconds."""
    rows = [["", "us each", "limit"]]
    for name, seconds, limit in costs:
        verdict = ""
        if limit is not None:
            verdict = f"<= {limit * 1e6:g} {'ok' if seconds <= limit else 'MISSED'}"
        rows.append([name, f"{seconds * 1e6:.1f}", verdict])
    return "\n".join([title, *_align(rows)])


def as_json(results: Iterable[Result], skipped: list[str]) -> str:
    """Return everything that was measured."""
    groups = {}
    for result in results:
        group = result.group
        cases = {}
        for name, seconds in result.seconds.items():
            cases[name] = {
                "seconds": seconds,
                "ratio": result.ratio(name, group.baseline).median,
                "target": group.targets.get(name),
            }
            if group.ours is not None:
                cases[name]["ours"] = result.ratio(group.ours, name).median
                cases[name]["ours_target"] = group.ours_targets.get(name)
        groups[group.name] = {
            "title": group.title,
            "baseline": group.baseline,
            "ratio_of": "speeds" if group.higher_is_better else "times",
            "cases": cases,
        }
    python = platform.python_version()
    document = {"python": python, "packages": _installed(), "skipped": skipped, "groups": groups}
    return json.dumps(document, indent=2) + "\n"


def _installed() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _cells(ratio: Ratio | None, target: str | None, *, judge: bool) -> list[str]:
    if ratio is None:
        return ["", "", ""]
    verdict = target or ""
    if target is not None and judge:  # a single round says nothing
        verdict += " ok" if ratio.meets(target) else " MISSED"
    return [f"{ratio.median:.2f}", f"{ratio.low:.2f}-{ratio.high:.2f}", verdict]


def _align(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
