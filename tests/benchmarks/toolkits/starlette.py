"""Starlette's ``TestClient``, entered, so that all connections share one thread."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import Any
from typing import TYPE_CHECKING

from starlette.testclient import TestClient

from tests.benchmarks.toolkits.starlette_app import make_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

__all__ = ["client"]


@contextmanager
def client() -> Iterator[Callable[[], Any]]:
    """See ``tests.benchmarks.toolkits``."""
    with TestClient(make_app()) as test_client:
        yield partial(test_client.websocket_connect, "/echo")
