"""Where a suspended task stands, and what it waits for."""

from __future__ import annotations

import asyncio
import gc
import linecache
import os
import sysconfig
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from types import TracebackType

__all__ = ["await_chain", "doing", "places_in", "without_servers_frames"]


def await_chain(awaited: Any) -> Iterator[FrameType]:
    """Yield the frames of a suspended coroutine and of what it awaits, the outermost first.

    ``asyncio.capture_call_graph``, of Python 3.14, walks the same attributes, and stops where an
    async generator is driven by hand or by ``async for``.
    """
    while True:
        for frame_name, inner_name in _SUSPENDED:
            frame = getattr(awaited, frame_name, None)
            if frame is not None:
                yield frame
                awaited = getattr(awaited, inner_name)
                break
        else:
            if type(awaited).__name__ not in ("async_generator_asend", "async_generator_athrow"):
                return
            # The generator that it drives is no attribute of it.
            awaited = next((r for r in gc.get_referents(awaited) if hasattr(r, "ag_frame")), None)


_SUSPENDED = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))


def doing(task: asyncio.Task[Any]) -> str:
    """Say in one line where a task stands in the user's code, and what it waits for there."""
    frames = list(await_chain(task.get_coro()))
    if not frames:
        return "runs no Python code"
    for at in range(len(frames) - 1, -1, -1):
        if not frames[at].f_code.co_filename.startswith(_INSTALLED):
            return _place(frames[at]) + _waits_for(frames[at + 1 :])
    if any(frame.f_code.co_filename.startswith(_RUNTIME) for frame in frames):
        # Only the receive loop of a resource stands there without a handler.
        return "waits for the next frame"
    return _place(frames[-1])


def without_servers_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the user's first line on, if it has one.

    What Falcon and the runtime do before that is the same for every connection.
    """
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(_INSTALLED):
            return traceback
        traceback = traceback.tb_next
    return None


def places_in(error: BaseException) -> list[str]:
    """Return where an exception passed through the user's code, a line for each place."""
    places = []
    traceback = error.__traceback__
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(_INSTALLED):
            places.append(_place(traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    if not places and error.__cause__ is not None:
        return places_in(error.__cause__)
    return places


def _waits_for(below: list[FrameType]) -> str:
    """Name what the user's line waits for, as far as it is asyncio's."""
    for frame in reversed(below):
        name = frame.f_code.co_name
        if frame.f_code.co_filename.startswith(_ASYNCIO) and not name.startswith("_"):
            return f" (waits for {frame.f_code.co_qualname})"
    return ""


def _place(frame: FrameType, number: int | None = None) -> str:
    """Return a place in the code in one line.

    Args:
        frame: The frame.
        number: The line, if it is not the one where the frame stands.
    """
    filename = frame.f_code.co_filename
    number = number or frame.f_lineno
    line = linecache.getline(filename, number).strip()
    path = Path(filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{number} in {frame.f_code.co_qualname}: {line}"


def _folder(path: str) -> str:
    return str(path) + os.sep


_HERE = Path(__file__).parent
_RUNTIME = _folder(str(_HERE.parent / "falcon_pachinko"))
_ASYNCIO = _folder(str(Path(asyncio.__file__).parent))

# What is below these folders is no place to send a user to, unless it is all there is.
_INSTALLED = (
    _folder(sysconfig.get_path("stdlib")),
    _folder(sysconfig.get_path("purelib")),
    _folder(sysconfig.get_path("platlib")),
    _folder(str(_HERE)),
    _RUNTIME,
)
