"""Failures that were found, as files that every later run plays first.

A file of JSON Lines is for people too. It begins with a line about the failure, and has a line for each
step of the stream::

    {"format": "pachinko-failure", "version": 1, "route": "/chat/rooms/{room}", ...}
    {"on": 1, "send": {"type": "join", "nick": "0"}}
    {"on": 1, "drop": 0}

=========  ================================================================================
key        the step
=========  ================================================================================
send       a frame of JSON, as data
text       another text frame
base64     a binary frame
invalid    beside one of these: what is wrong with the frame
turns      beside one of these: how often the application has its turn before the next step
open       a peer connects
leave      a peer closes, with this code
drop       a peer vanishes, after so many more frames
wait       so many seconds pass
=========  ================================================================================
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import TYPE_CHECKING

import msgspec

from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.stream import Drop
from pytest_pachinko.stream import frame_of
from pytest_pachinko.stream import InvalidFrame
from pytest_pachinko.stream import Leave
from pytest_pachinko.stream import Open
from pytest_pachinko.stream import Peer
from pytest_pachinko.stream import plain_params
from pytest_pachinko.stream import Send
from pytest_pachinko.stream import Stream
from pytest_pachinko.stream import Wait
from pytest_pachinko.trace.event import UNDECODABLE

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_pachinko.stream import Step

__all__ = ["Failure", "dump", "load", "load_all", "save"]

FORMAT = "pachinko-failure"
VERSION = 1

_SLUG = 100  # how much of a route is in the name of a file

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Failure:
    """A stream with which an application has done wrong.

    Attributes:
        route: The template of the path.
        subprotocol: The subprotocol that was fuzzed, or None.
        phase: What was tried when it was found.
        error: What went wrong, in a line.
        stream: The stream.
        path: The file, if there is one.
    """

    route: str
    subprotocol: str | None
    phase: str
    error: str
    stream: Stream
    path: Path | None = field(default=None, compare=False)


class _Peer(msgspec.Struct):
    params: dict[str, Any]
    subprotocols: tuple[str, ...]


class _Head(msgspec.Struct):
    """The first line of a file."""

    route: str
    subprotocol: str | None
    phase: str
    error: str
    peers: list[_Peer]
    steps: int | None = None  # which says whether the file is whole


def dump(failure: Failure) -> str:
    """Return a failure as JSON Lines."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "route": failure.route,
        "subprotocol": failure.subprotocol,
        "phase": failure.phase,
        "error": failure.error,
        "steps": len(failure.stream),
        "peers": [
            {
                "params": plain_params(peer),
                "subprotocols": peer.subprotocols,
            }
            for peer in failure.stream.peers
        ],
    }
    lines = [head, *(_to_json(step) for step in failure.stream)]
    return "".join(_encode(line).decode() + "\n" for line in lines)


def load(text: str, name: str, path: Path | None = None) -> Failure:
    """Read a failure.

    Args:
        text: JSON Lines.
        name: What to call the text in messages.
        path: The file that it comes from.

    Raises:
        PachinkoUsageError: It is no such text; the message says which line is wrong.
    """
    # Not splitlines(): JSON leaves other ends of lines as they are within a text.
    lines = [line for line in text.split("\n") if line.strip()]
    head = _line(lines[0] if lines else "", f"{name}:1")
    if head.get("format") != FORMAT or head.get("version") != VERSION:
        raise PachinkoUsageError(
            f"{name} is no file of a failure: its first line does not say "
            f'"format": "{FORMAT}", "version": {VERSION}.\n'
            "Hint: delete it, or move it away; the directory is for --pachinko-fuzz."
        )
    steps = []
    for number, line in enumerate(lines[1:], start=2):
        place = f"{name}:{number}"
        try:
            steps.append(_step(_line(line, place)))
        except KeyError as error:
            raise PachinkoUsageError(f"{place} is no step: it has no {error}") from error
        except (TypeError, ValueError) as error:
            raise PachinkoUsageError(f"{place} is no step: {error}") from error
    try:
        about = msgspec.convert(head, _Head)
        peers = [Peer(peer.params, peer.subprotocols) for peer in about.peers]
        stream = Stream(steps, peers)
    except (TypeError, ValueError, msgspec.ValidationError) as error:
        raise PachinkoUsageError(f"{name}:1 does not describe a failure: {error}") from error
    if about.steps not in (None, len(steps)):
        raise PachinkoUsageError(
            f"{name} has {len(steps)} steps, and its first line says {about.steps}.\n"
            'Hint: if none is lost, correct "steps" there, or leave it out.'
        )
    return Failure(about.route, about.subprotocol, about.phase, about.error, stream, path)


def save(directory: Path, failure: Failure) -> Path:
    """Write a failure to a file that is named after it, and return its path."""
    text = dump(failure)
    words = [failure.route, failure.subprotocol or "", failure.phase]
    slug = "-".join(filter(None, (re.sub(r"[^\w.]+", "-", word).strip("-") for word in words)))
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    path = directory / f"{slug[:_SLUG]}-{digest}.jsonl"
    directory.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: another process may find the same.
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return path


def load_all(directory: Path) -> list[Failure]:
    """Read all failures of a directory, in the order of their names.

    Raises:
        PachinkoUsageError: A file cannot be read.
    """
    failures = []
    for path in sorted(directory.glob("*.jsonl")) if directory.is_dir() else ():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise PachinkoUsageError(f"{path} cannot be read: {error}") from error
        failures.append(load(text, path.name, path))
    return failures


def _to_json(step: Step) -> dict[str, Any]:
    match step:
        case Send():
            line = {"on": step.on, **_frame(frame_of(step.message))}
            if isinstance(step.message, InvalidFrame):
                line["invalid"] = {
                    "operator": step.message.operator,
                    "path": step.message.path,
                    "error": step.message.error,
                }
            if step.turns is not None:
                line["turns"] = step.turns
            return line
        case Open():
            return {"on": step.on, "open": True}
        case Leave():
            return {"on": step.on, "leave": step.code}
        case Drop():
            return {"on": step.on, "drop": step.after}
        case _:
            return {"wait": step.seconds}


def _frame(frame: str | bytes) -> dict[str, Any]:
    if isinstance(frame, bytes):
        return {"base64": base64.b64encode(frame).decode()}
    try:
        data = msgspec.json.decode(frame)
    except UNDECODABLE:
        return {"text": frame}
    # As data only if that says all: keys may come twice, numbers in several ways.
    readable = isinstance(data, dict | list) and _encode(data).decode() == frame
    return {"send": data} if readable else {"text": frame}


def _line(line: str, place: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise PachinkoUsageError(f"{place} is no JSON object: {error}") from error


def _step(line: dict[str, Any]) -> Step:
    if "wait" in line:
        return Wait(_number(line, "wait", 0.0, 1e6))
    on = int(_number(line, "on", 1, 1e6))
    if "open" in line:
        return Open(on)
    if "leave" in line:
        return Leave(int(_number(line, "leave", 1000, 4999)), on)
    if "drop" in line:
        return Drop(int(_number(line, "drop", 0, 1e6)), on)
    if "send" in line:
        message: Any = line["send"]
        if not isinstance(message, dict | list):
            raise TypeError("what it sends is neither an object nor an array")
    elif "text" in line:
        message = str(line["text"])
    elif "base64" in line:
        message = base64.b64decode(line["base64"], validate=True)
    else:
        raise ValueError(f"it has none of the keys that a step has: {', '.join(line)}")
    if "invalid" in line:
        message = InvalidFrame(frame_of(message), **line["invalid"])
    turns = None if line.get("turns") is None else int(_number(line, "turns", 0, 1e6))
    return Send(message, on, turns)


def _number(line: dict[str, Any], key: str, least: float, most: float) -> float:
    value = line[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{key!r} is a number from {least:g} to {most:g}, not {value!r}")
    return float(value)
