"""What tests say on the wire, kept in files, and what a later run says differently.

A baseline is a directory with one file of text for each test module::

    # pachinko baseline 1: tests/test_chat.py

    test_everyone_hears
      "/chat/rooms/tea"
        ← accepted
        → json {"type": "say", "text": "hi"}
        ← json {"type": "said", "user": "ann", "text": "hi"}
        → closed {"code": 1000}

What is different in each run is not in it: time, secrets, ids and what a server adds. The order of
frames in one direction is compared, that between the two is not, as a network has none.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.parity import normalised
from pytest_pachinko.trace.explain import ARROWS
from pytest_pachinko.trace.explain import shorten
from pytest_pachinko.trace.naming import holds
from pytest_pachinko.trace.naming import Namer
from pytest_pachinko.trace.record import Trace
from pytest_pachinko.trace.redact import redacted
from pytest_pachinko.trace.values import differences

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator
    from collections.abc import Mapping
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_pachinko.trace.event import TraceEvent
    from pytest_pachinko.trace.naming import Rule

    Connections = Mapping[str, Sequence["Line"]]
    Pair = tuple[int | None, int | None]

__all__ = ["Baseline", "Line", "changes", "covers", "dump", "load", "render", "summary", "wire"]

HEADER = "# pachinko baseline 1: "

LONGEST = 10_000
"""How many characters a frame may have; of a longer one, length and digest are kept."""

MOST = 20
"""How many changes of a test are shown."""

ALL = 200
"""How many lines are shown of the changes of all tests."""

WIDTH = 300
"""How many characters of a change are shown."""

FARTHEST = 300
"""How many frames may be too many or too few before two conversations are taken as unlike."""

TAGS = ("type", "kind", "event", "action", "op", "tag", "method", "cmd", "t")
"""Fields whose text tells what a message is, the first one that it has."""

_LINE = re.compile(r"    ([←→]) (accepted|denied|json bytes|json|text|bytes|closed)(?: (.*))?")

_NAME = re.compile(r"<([\w-]+)#\d+>")


class Line(NamedTuple):
    """One event of a baseline.

    Attributes:
        arrow: ``→`` to the application, ``←`` from it.
        kind: What it is: as in a trace, or ``json``, ``json bytes`` for frames that hold JSON.
        value: What it says, as JSON data.
    """

    arrow: str
    kind: str
    value: Any

    def __str__(self) -> str:
        """Return the line of a file, without its indentation."""
        value = "" if self.value == {} else f" {_json(self.value)}"
        return f"{self.arrow} {self.kind}{value}"


def _json(value: Any) -> str:
    """Return JSON that keeps to its line, and that any terminal and any encoding can show."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


# What a test says.


def wire(traces: Iterable[Trace], rules: Sequence[Rule] = ()) -> dict[str, list[Line]]:
    """Return what the connections of a test said, without what is different in each run.

    Args:
        traces: Their traces.
        rules: What is volatile besides the usual.
    """
    # Whether two times are the same is by chance.
    namer = Namer(rules, together=("time",))
    connections: dict[str, list[Line]] = {}
    for trace in traces:
        name = label = namer.text(trace.connection)
        number = 1
        while label in connections:
            number += 1
            label = f"{name} #{number}"
        connections[label] = [
            _line(event, namer) for event in trace if event.kind != "raised"
        ]  # in the order of the conversation, for those who read it
    return connections


def _line(event: TraceEvent, namer: Namer) -> Line:
    arrow = ARROWS[event.direction]
    if event.kind in ("accepted", "denied"):
        payload = namer.payload(redacted(_plain(event)).payload)
        value: dict[str, Any] = {} if event.kind == "accepted" else {"status": payload.status}
        if payload.subprotocol is not None:
            value["subprotocol"] = payload.subprotocol
        headers = {name: payload.headers.get_all(name) for name in payload.headers}
        if headers:
            value["headers"] = {
                name: values if len(values) > 1 else values[0] for name, values in headers.items()
            }
        if payload.body:
            value["body"] = _frame(payload.body.decode("utf-8", "backslashreplace"), "text")[1]
        return Line(arrow, event.kind, value)
    payload = namer.payload(redacted(event).payload)
    if event.kind == "closed":
        reason = {"reason": payload.reason} if payload.reason else {}
        return Line(arrow, "closed", {"code": payload.code, **reason})
    return Line(arrow, *_frame(payload, event.kind))


def _plain(event: TraceEvent) -> TraceEvent:
    """Return the answer to a handshake without what a server adds."""
    trace = Trace(event.connection)
    trace.record(event.direction, event.kind, event.payload, 0.0)
    return normalised(trace)[0]


def _frame(payload: str | bytes, kind: str) -> tuple[str, Any]:
    if len(payload) > LONGEST:
        raw = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
        return kind, {"length": len(payload), "sha256": sha256(raw).hexdigest()}
    is_json, data = holds(payload)
    if is_json:
        return ("json" if isinstance(payload, str) else "json bytes"), data
    return kind, payload if isinstance(payload, str) else b64encode(payload).decode()


# Files.


def render(connections: Connections) -> str:
    """Return what the connections of a test said as lines of a file."""
    lines = []
    for name, events in connections.items():
        lines.append(f"  {_json(name)}\n")
        lines += [f"    {event}\n" for event in events]
    return "".join(lines)


def dump(module: str, tests: Mapping[str, str]) -> str:
    """Return the file of a test module.

    Args:
        module: The module.
        tests: What each test said, as ``render`` returns it.
    """
    parts = [f"\n{name}\n{text}" for name, text in sorted(tests.items())]
    return "".join([f"{HEADER}{module}\n", *parts])


def load(text: str) -> dict[str, str]:
    """Return what each test of a file said.

    Raises:
        ValueError: It is no such file.
    """
    if not text.startswith(HEADER):
        raise ValueError(f"its first line does not begin with {HEADER!r}")
    tests: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.split("\n")[1:]:
        if line.startswith("  "):
            lines.append(f"{line}\n")
        elif line:
            lines = tests[line] = []
    return {name: "".join(lines) for name, lines in tests.items()}


def _parse(text: str) -> dict[str, list[Line]]:
    """Return what the connections of a test said; the other way round, it is ``render``."""
    connections: dict[str, list[Line]] = {}
    lines: list[Line] = []
    for line in text.split("\n")[:-1]:
        if match := _LINE.fullmatch(line):
            lines.append(Line(match[1], match[2], json.loads(match[3] or "{}")))
        else:
            lines = connections[json.loads(line)] = []
    return connections


class Baseline:
    """A directory with what tests said on the wire.

    Args:
        directory: Where it is; it may not exist yet.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tests: dict[str, str] = {}  # by node id
        for path in sorted(directory.rglob("*.wire")):
            try:
                text = path.read_text(encoding="utf-8")
                tests = load(text)
                for said in tests.values():
                    _parse(said)
            except (TypeError, ValueError) as error:
                raise PachinkoUsageError(
                    f"{path} is no baseline: {error}.\n"
                    "Hint: delete it, and record it anew with --pachinko-record"
                ) from error
            module = text.partition("\n")[0].removeprefix(HEADER)
            self.tests |= {f"{module}::{name}": said for name, said in tests.items()}

    def compare(
        self, seen: Mapping[str, str | None], gone: Callable[[str], bool]
    ) -> dict[str, list[str]]:
        """Return what has changed, as lines for each test that has changes.

        Args:
            seen: What each test that ran said, as ``render`` returns it; None if that does not
                count, because it has failed.
            gone: Returns whether a test that did not run should have, if it was there.
        """
        result: dict[str, list[str]] = {}
        for name, said in seen.items():
            if said is None:
                continue
            before = self.tests.get(name)
            if before is not None:
                result[name] = changes(_parse(before), _parse(said))
            elif said:
                result[name] = ["new test"]
        for name in self.tests:
            if name not in seen and gone(name):
                result[name] = ["vanished test"]
        return {name: lines for name, lines in sorted(result.items()) if lines}

    def save(self, seen: Mapping[str, str | None], gone: Callable[[str], bool]) -> int:
        """Keep what tests said, and return how many are new or different.

        What has not changed keeps its lines; tests that have failed or did not run keep them too.
        """
        changed = self.compare(seen, gone)
        for name in changed:
            if said := seen.get(name):
                self.tests[name] = said
            else:
                self.tests.pop(name, None)
        self.directory.mkdir(parents=True, exist_ok=True)
        for module in {name.partition("::")[0] for name in changed}:
            tests = {
                name.partition("::")[2]: said
                for name, said in self.tests.items()
                if name.partition("::")[0] == module
            }
            path = self._path(module)
            if tests:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(dump(module, tests).encode())
            else:
                path.unlink(missing_ok=True)
        return len(changed)

    def _path(self, module: str) -> Path:
        parts = ["_" if part == ".." else part for part in PurePosixPath(module).parts]
        return self.directory.joinpath(*parts[:-1], f"{parts[-1]}.wire")


def covers(place: str, name: str) -> bool:
    """Return whether a test belongs to what was named on the command line.

    Args:
        place: A directory, module, class or test, as it begins a node id; ``.`` is everything.
        name: The node id of the test.
    """
    return place == "." or (
        name.startswith(place) and name[len(place) :][:1] in ("", "/", ":", "[")
    )


# Differences.


def changes(before: Connections, after: Connections) -> list[str]:
    """Say how a test says something else on the wire than before.

    Args:
        before: What its connections said, as ``wire`` returns it.
        after: What they say.
    """
    if render(before) == render(after):
        return []
    lines = [f"vanished connection {_json(name)}" for name in before if name not in after]
    comparison = _Comparison(before, after)
    for name, events in after.items():
        if name in before:
            lines += [f"{name}: {line}" for line in comparison.connection(before[name], events)]
        else:
            lines.append(f"new connection {_json(name)}: {len(events)} events")
    cut = len(lines) - MOST
    return [
        *(shorten(line, WIDTH) for line in lines[:MOST]),
        *([f"… and {cut} more changes"] if cut > 0 else []),
    ]


def summary(changed: Mapping[str, Sequence[str]], *, accepted: bool = False) -> list[str]:
    """Return the changes of all tests as lines for a report.

    Args:
        changed: The changes of each test.
        accepted: Whether they are what is wanted.
    """
    if not changed:
        return []
    lines = [line for name, each in changed.items() for line in (name, *(f"  {n}" for n in each))]
    cut = len(lines) - ALL
    tests = "1 test differs" if len(changed) == 1 else f"{len(changed)} tests differ"
    hint = "" if accepted else "If that is meant: pytest --pachinko-accept"
    return [
        *lines[:ALL],
        *([f"… and {cut} more lines"] if cut > 0 else []),
        f"{tests} from the baseline on the wire. {hint}".rstrip(),
    ]


class _Comparison:
    """What differs between two runs of a test."""

    def __init__(self, before: Connections, after: Connections) -> None:
        self._tags = _tags(before), _tags(after)
        self._names: tuple[dict[str, str], dict[str, str]] = {}, {}  # there, and back

    def connection(self, before: Sequence[Line], after: Sequence[Line]) -> Iterator[str]:
        yield from self._only("handshake", ("accepted", "denied"), before, after)
        for arrow in ARROWS.values():
            yield from self._frames(before, after, arrow)
        yield from self._only("close", ("closed",), before, after)

    def _only(
        self, what: str, kinds: tuple[str, ...], before: Sequence[Line], after: Sequence[Line]
    ) -> Iterator[str]:
        """Compare what there is one of."""
        was, is_ = ([line for line in lines if line.kind in kinds] for lines in (before, after))
        if len(was) == len(is_) == 1 and was[0][:2] == is_[0][:2]:
            yield from self._fields(f"changed {what}", was[0], is_[0])
        elif was != is_:
            texts = (" and ".join(map(str, lines)) or "none" for lines in (was, is_))
            yield f"changed {what}: was {next(texts)}, is {next(texts)}"

    def _frames(self, before: Sequence[Line], after: Sequence[Line], arrow: str) -> Iterator[str]:
        """Compare the frames in one direction."""
        was, are = _frames(before, arrow), _frames(after, arrow)
        old, new = [_key(line) for line, _ in was], [_key(line) for line, _ in are]
        pairs = _align(old, new)
        moved = _moves(pairs, old, new)
        changed = _alike(
            pairs, moved, [_tag(line) for line, _ in was], [_tag(line) for line, _ in are]
        )
        partners = {i: j for i, j in pairs if i is not None and j is not None} | moved | changed
        taken = set(partners.values())
        places = {j: place for place, (_, j) in enumerate(pairs)}
        for place, (i, j) in enumerate(pairs):
            if j is not None and j not in taken:
                line, at = are[j]
                yield f"{self._extra(line)}: {shorten(str(line))}{_context(after, at)}"
            elif i is not None and i not in partners:
                line, at = was[i]
                yield f"{self._missing(line)}: {shorten(str(line))}{_context(before, at)}"
            elif i is not None:
                line, now = was[i][0], are[partners[i]][0]
                if i in moved:
                    where = "later" if place < places[moved[i]] else "earlier"
                    yield f"changed order: {shorten(str(line))} comes {where}"
                yield from self._fields(f"changed {_short(line)}", line, now)

    def _missing(self, line: Line) -> str:
        tag = _tag(line)
        if tag[-1] is not None and tag not in self._tags[1]:
            return "missing tag"
        return "missing reply" if line.arrow == "←" else "missing message"

    def _extra(self, line: Line) -> str:
        tag = _tag(line)
        return "new tag" if tag[-1] is not None and tag not in self._tags[0] else "extra frame"

    def _fields(self, what: str, was: Line, is_: Line) -> Iterator[str]:
        """Say in which fields two lines differ, and where a name stands for something else."""
        if _key(was) == _key(is_):
            pairs = zip(_names(was), _names(is_), strict=True)
            if wrong := [pair for pair in pairs if not self._same(*pair)]:
                yield f"{what}: another {wrong[0][1]} in the place of {wrong[0][0]}"
            return
        found = [
            f"{path} {_was(a, b)}"
            for path, a, b in differences(was.value, is_.value)
            if _NAME.sub(r"<\1>", str(a)) != _NAME.sub(r"<\1>", str(b))
        ]
        whole = f"was {shorten(str(was), 120)}, is {shorten(str(is_), 120)}"
        yield f"{what}: {', '.join(found) or whole}"

    def _same(self, was: str, is_: str) -> bool:
        """Return whether a name stands for the same as another one did before."""
        there, back = self._names
        return there.setdefault(was, is_) == is_ and back.setdefault(is_, was) == was


def _frames(lines: Sequence[Line], arrow: str) -> list[tuple[Line, int]]:
    """Return the frames in one direction, with their places in the conversation."""
    return [
        (line, at)
        for at, line in enumerate(lines)
        if line.arrow == arrow and line.kind not in ("accepted", "denied", "closed")
    ]


def _was(before: Any, after: Any) -> str:
    if repr(before) == "nothing":
        return f"is new: {shorten(_json(after), 60)}"
    if repr(after) == "nothing":
        return f"is gone: {shorten(_json(before), 60)}"
    return f"was {shorten(_json(before), 60)}, is {shorten(_json(after), 60)}"


def _context(lines: Sequence[Line], at: int) -> str:
    """Name the message to the application that came before a frame from it."""
    if lines[at].arrow == "→":
        return ""
    asked = [line for line in lines[:at] if line.arrow == "→"]
    return f"   after {shorten(str(asked[-1]), 60)}" if asked else ""


def _short(line: Line) -> str:
    tag = _tag(line)
    return f"{line.arrow} {line.kind if tag[-1] is None else tag[-1]}"


def _tag(line: Line) -> tuple[str, str, str | None]:
    """Return what kind of message a frame is."""
    if line.kind.startswith("json") and isinstance(line.value, dict):
        for name in TAGS:
            if isinstance(tag := line.value.get(name), str):
                return line.arrow, line.kind, tag
    return line.arrow, line.kind, None


def _tags(connections: Connections) -> set[tuple[str, str, str | None]]:
    return {_tag(line) for lines in connections.values() for line in lines}


def _text(line: Line) -> str:
    return f"{line.arrow} {line.kind} {json.dumps(line.value, sort_keys=True)}"


def _key(line: Line) -> str:
    """Return what a line says, whatever the numbers of names are."""
    return _NAME.sub(r"<\1>", _text(line))


def _names(line: Line) -> list[str]:
    return [match[0] for match in _NAME.finditer(_text(line))]


def _moves(pairs: Sequence[Pair], old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Return what is there before and after, and only in another place."""
    extra: dict[str, list[int]] = {}
    for i, j in pairs:
        if i is None and j is not None:
            extra.setdefault(new[j], []).append(j)
    return {
        i: extra[old[i]].pop(0)
        for i, j in pairs
        if i is not None and j is None and extra.get(old[i])
    }


def _alike(
    pairs: Sequence[Pair],
    moved: Mapping[int, int],
    old: Sequence[tuple[str, str, str | None]],
    new: Sequence[tuple[str, str, str | None]],
) -> dict[int, int]:
    """Return what is of one kind, in the same place, and says something else."""
    found: dict[int, int] = {}
    elsewhere = set(moved.values())
    for together, run in groupby(pairs, lambda pair: None not in pair):
        if not together:
            gap = list(run)
            extra = [j for _, j in gap if j is not None and j not in elsewhere]
            for i in (i for i, _ in gap if i is not None and i not in moved):
                for j in extra:
                    if old[i] == new[j]:
                        found[i] = j
                        extra.remove(j)
                        break
    return found


def _align(old: Sequence[str], new: Sequence[str]) -> list[Pair]:
    """Return which of the old and of the new belong together (the algorithm of Myers)."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[~tail] == new[~tail]:
        tail += 1
    ends = len(old) - tail, len(new) - tail
    return [
        *((n, n) for n in range(head)),
        *_middle(old, new, (head, head), ends),
        *zip(range(ends[0], len(old)), range(ends[1], len(new)), strict=True),
    ]


def _middle(
    old: Sequence[str], new: Sequence[str], start: tuple[int, int], ends: tuple[int, int]
) -> list[Pair]:
    reached = {1: start[0]}  # by diagonal: how far of the old
    offset = start[0] - start[1]
    history = []
    for steps in range(FARTHEST + 1):
        history.append(dict(reached))
        for diagonal in range(-steps, steps + 1, 2):
            i = _next(reached, diagonal, steps)
            j = i - diagonal - offset
            while i < ends[0] and j < ends[1] and old[i] == new[j]:
                i, j = i + 1, j + 1
            reached[diagonal] = i
            if i >= ends[0] and j >= ends[1]:
                return _walk_back(history, start, ends)
    missing: list[Pair] = [(i, None) for i in range(start[0], ends[0])]
    return missing + [(None, j) for j in range(start[1], ends[1])]


def _next(reached: Mapping[int, int], diagonal: int, steps: int) -> int:
    """Return how far of the old a diagonal begins: from below, or from above and one farther."""
    if diagonal == -steps or (diagonal != steps and reached[diagonal - 1] < reached[diagonal + 1]):
        return reached[diagonal + 1]
    return reached[diagonal - 1] + 1


def _walk_back(
    history: list[dict[int, int]], start: tuple[int, int], ends: tuple[int, int]
) -> list[Pair]:
    pairs: list[Pair] = []
    i, j = ends
    for steps in range(len(history) - 1, 0, -1):
        reached = history[steps]
        diagonal = (i - start[0]) - (j - start[1])
        begin = _next(reached, diagonal, steps)
        while i > begin:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        if begin == reached.get(diagonal + 1):
            j -= 1
            pairs.append((None, j))
        else:
            i -= 1
            pairs.append((i, None))
    return pairs[::-1]
