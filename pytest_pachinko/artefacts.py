"""Files about a test: its trace in three formats, and the summary of a run on GitHub.

Nothing leaves here with a secret in it: see ``trace.redact``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import sha256
from itertools import takewhile
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.trace.event import decode
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.explain import shorten
from pytest_pachinko.trace.export import Comparison
from pytest_pachinko.trace.export import dump
from pytest_pachinko.trace.export import html
from pytest_pachinko.trace.export import mermaid
from pytest_pachinko.trace.redact import REDACTED
from pytest_pachinko.trace.redact import redacted
from pytest_pachinko.trace.values import differences

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_pachinko.trace.event import TraceEvent
    from pytest_pachinko.trace.record import Trace

__all__ = ["Outcome", "append", "file_name", "markdown", "summary", "without_secrets", "write"]

NAME_LIMIT = 80
"""How many characters of a test's id are in the names of its files."""

SHORTEST_SECRET = 4
"""How many characters a secret has that is looked for in texts."""

SUMMARY_EVENTS = 40
"""How many events of a test are drawn in a summary."""

SUMMARY_LINES = 12
"""How many lines a verdict has in a summary."""

SUMMARY_TESTS = 20
"""How many tests a summary shows; it names some more."""

SUMMARY_NAMES = 100
"""How many further tests a summary names."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test went.

    Attributes:
        nodeid: What pytest calls the test.
        failed: Whether it failed.
        message: How.
        comparison: What was said about the trace whose comparison failed.
    """

    nodeid: str
    failed: bool
    message: str = ""
    comparison: Comparison | None = None


def file_name(nodeid: str) -> str:
    """Return the name, without an extension, of the files about a test.

    It is the same in each run, and no two tests share one, whatever the file system makes of
    case and of special characters.
    """
    path, _, test = nodeid.partition("::")
    module = path.rpartition("/")[2].removesuffix(".py")
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", f"{module}-{test}")[:NAME_LIMIT].strip("-")
    digest = sha256(nodeid.encode(errors="surrogatepass")).hexdigest()[:10]
    return f"{readable}-{digest}"


def write(directory: Path, trace: Trace, outcome: Outcome) -> Path:
    """Write the files about a test.

    Returns:
        The path of the page; the others have the same name with another extension.

    Raises:
        OSError: They cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    name = file_name(outcome.nodeid)
    clean, outcome = without_secrets(trace, outcome)
    page = html(
        clean,
        outcome.nodeid,
        failed=outcome.failed,
        failure=outcome.message,
        comparison=outcome.comparison,
        links={"JSON Lines": f"{name}.jsonl", "Mermaid": f"{name}.mmd"},
    )
    for extension, text in (("jsonl", dump(clean)), ("mmd", mermaid(clean)), ("html", page)):
        path = directory / f"{name}.{extension}"
        # Whoever looks at it meanwhile sees the one before, or all of this one.
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        unfinished.replace(path)
    return path


def without_secrets(trace: Trace, outcome: Outcome) -> tuple[Trace, Outcome]:
    """Return a trace and an outcome without secrets: those of the trace, where texts hold them."""
    clean = trace[:]
    secrets: set[str] = set()
    for number, event in enumerate(trace):
        safe = redacted(event)
        if safe.payload != event.payload:
            secrets |= set(_secrets(event, safe))
            direction, kind, _, *rest = clean._records[number]
            clean._records[number] = (direction, kind, safe.payload, *rest)
    if not secrets:
        return clean, outcome
    longest_first = sorted(secrets, key=lambda secret: (-len(secret), secret))
    found = re.compile("|".join(map(re.escape, longest_first)))
    comparison = outcome.comparison
    if comparison is not None:
        lines = [found.sub(REDACTED, line) for line in comparison.lines]
        comparison = Comparison(comparison.connection, lines)
    message = found.sub(REDACTED, outcome.message)
    return clean, Outcome(outcome.nodeid, outcome.failed, message, comparison)


def _secrets(event: TraceEvent, safe: TraceEvent) -> Iterator[str]:
    """Return what is in an event and not in its redacted form, if it is long enough to tell."""
    payload, other = event.payload, safe.payload
    if isinstance(payload, Handshake):
        fields = [
            *zip(payload.headers.values(), other.headers.values(), strict=True),
            (payload.subprotocol, other.subprotocol),
            *((a, b) for _, a, b in differences(decode(payload.body), decode(other.body))),
        ]
    else:
        fields = [(a, b) for _, a, b in differences(event.decoded, safe.decoded)]
    for secret, shown in fields:
        if secret != shown:
            yield from (text for text in _texts(secret) if len(text) >= SHORTEST_SECRET)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
    else:
        yield str(value)


def markdown(trace: Trace, outcome: Outcome) -> str:
    """Return what the summary of a run says about a failed test."""
    trace, outcome = without_secrets(trace, outcome)
    comparison = outcome.comparison
    # What differs ends with an empty line; the rest of it is in the files.
    lines = outcome.message.splitlines() if comparison is None else comparison.lines
    verdict = [shorten(line) for line in takewhile(str.strip, lines)]
    if len(verdict) > SUMMARY_LINES:
        verdict[SUMMARY_LINES:] = [f"… {len(verdict) - SUMMARY_LINES} more lines"]
    return (
        f"<details open><summary>{_code(outcome.nodeid)}</summary>\n\n"
        f"{_block('text', verdict)}\n\n"
        f"{_block('mermaid', mermaid(trace, SUMMARY_EVENTS, 60).splitlines())}\n\n"
        "</details>\n"
    )


def summary(tests: Sequence[tuple[str, str]]) -> str:
    """Return the summary of a run.

    Args:
        tests: The failed tests: the id of each, and what ``markdown`` says about it.
    """
    count = f"{len(tests)} failed WebSocket test{'s' if len(tests) > 1 else ''}"
    parts = [f"### {count}\n", *(text for _, text in tests[:SUMMARY_TESTS])]
    names = [f"- {_code(nodeid)}" for nodeid, _ in tests[SUMMARY_TESTS:]]
    if names:
        parts.append("\n".join(["Also failed:\n", *names[:SUMMARY_NAMES]]) + "\n")
    if len(names) > SUMMARY_NAMES:
        parts.append(f"and {len(names) - SUMMARY_NAMES} more\n")
    return "\n".join(parts) + "\n"


def append(path: Path, text: str) -> None:
    """Add text to the end of a file.

    Raises:
        OSError: It cannot be written.
    """
    with path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.write(text)


def _code(nodeid: str) -> str:
    # HTML, because the text may hold backticks; and nothing in it is Markdown.
    text = re.sub(
        r"[^\w ./-]", lambda found: f"&#{ord(found[0])};", shorten(nodeid), flags=re.ASCII
    )
    return f"<code>{text}</code>"


def _block(language: str, lines: Sequence[str]) -> str:
    longest = max((len(run) for run in re.findall("`+", "\n".join(lines))), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *lines, fence])
