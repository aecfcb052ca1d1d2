"""Who waits for what in an event loop, as far as asyncio lets one see."""

from __future__ import annotations

import asyncio
from typing import Any

from pytest_pachinko.stacks import await_chain

__all__ = [
    "innermost_future",
    "is_spinning",
    "roots",
    "task_woken_by",
    "waits_for_outside",
]

_DEEP = 100

# What wakes the loop from a thread without a future that says so: anyio's workers, and the
# watcher of processes of Python 3.11.
_OUTSIDE = frozenset({"AsyncIOBackend.run_sync_in_worker_thread", "BaseSubprocessTransport._wait"})


def innermost_future(task: asyncio.Task[Any] | None) -> asyncio.Future[Any] | None:
    """Return the plain future that a task waits for, through the tasks that it waits for.

    An exception that is set on it shows where the waiting is done, not where tasks are gathered.
    """
    waiting: Any = task
    for _ in range(_DEEP):
        if waiting is None or waiting.done():
            return None
        if isinstance(waiting, asyncio.Task):
            inner = _gathered_by(waiting) or [waiting._fut_waiter]  # type: ignore[attr-defined]
        else:
            inner = getattr(waiting, "_children", [])  # of asyncio.gather
        pending = [each for each in inner if each is not None and not each.done()]
        if not pending:
            return None if isinstance(waiting, asyncio.Task) else waiting
        waiting = pending[0]
    return None


def _gathered_by(task: asyncio.Task[Any]) -> list[asyncio.Future[Any]]:
    """Return what a task waits for in a TaskGroup or in ``asyncio.wait``."""
    frames = list(await_chain(task.get_coro()))
    if not frames:
        return []
    frame = frames[-1]
    names = frame.f_locals
    if frame.f_code.co_name == "__aexit__" and isinstance(names.get("self"), asyncio.TaskGroup):
        # A set; the names of tasks tell their age.
        tasks = names["self"]._tasks
        return sorted(tasks, key=lambda each: (len(each.get_name()), each.get_name()))
    if frame.f_code.co_name == "_wait":
        return list(names.get("fs", ()))
    return []


def is_spinning(task: asyncio.Task[Any]) -> bool:
    """Return whether a task gives way again and again, without waiting for anything."""
    names = [frame.f_code.co_name for frame in await_chain(task.get_coro())]
    return not task.done() and names[-1:] == ["__sleep0"]


def roots(loop: Any) -> list[asyncio.Task[Any]]:
    """Return the task for which ``run_until_complete`` waits, if it is one."""
    return [
        task
        for task in asyncio.all_tasks(loop)
        for callback, _ in task._callbacks or ()
        if getattr(callback, "__name__", "") == "_run_until_complete_cb"
    ]


def waits_for_outside(task: asyncio.Task[Any]) -> bool:
    """Return whether a task waits for a thread or a process."""
    waiter: Any = task._fut_waiter  # type: ignore[attr-defined]
    for callback, _ in (getattr(waiter, "_callbacks", None)) or ():
        # asyncio.wrap_future: run_in_executor, to_thread and futures of foreign pools.
        if getattr(callback, "__qualname__", "") == "_chain_future.<locals>._call_check_cancel":
            return True
    return any(frame.f_code.co_qualname in _OUTSIDE for frame in await_chain(task.get_coro()))


def task_woken_by(timer: Any) -> asyncio.Task[Any] | None:
    """Return the task that a timer wakes, if it is of asyncio's own kinds."""
    # asyncio.timeout() keeps its task; sleep() and wait() complete a future.
    owner = getattr(timer._callback, "__self__", None)
    task = getattr(owner, "_task", None)
    if isinstance(task, asyncio.Task):
        return task
    for argument in timer._args or ():
        for callback, _ in getattr(argument, "_callbacks", None) or ():
            woken = getattr(callback, "__self__", None)
            if isinstance(woken, asyncio.Task):
                return woken
    return None
