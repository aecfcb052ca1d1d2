"""Event loops of tests that are not async."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Do what ``asyncio.run`` does, in a thread.

    In this one pytest-asyncio keeps an event loop, which ``asyncio.run`` would forget without
    closing it.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
