"""What it costs to describe a large app, and to compare it with its document."""

from __future__ import annotations

import datetime as dt
import statistics
import time
from typing import Annotated
from typing import Any
from typing import TYPE_CHECKING

import falcon.asgi
import msgspec
from msgspec import Meta

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.asyncapi import compare
from falcon_pachinko.asyncapi import document

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["costs"]

MESSAGES = 4
"""How many each route has: half of them are received, half of them are sent."""


class Address(msgspec.Struct):
    street: str
    city: str


class Takes(WebSocketResource):
    async def on_unhandled(self, ws: Any, message: str | bytes) -> None:
        pass


_FIELDS: list[Any] = [
    ("text", Annotated[str, Meta(min_length=1, max_length=280, pattern="^[a-z]+$")]),
    ("at", dt.datetime),
    ("to", list[Address]),
    ("number", int, 0),
    ("weight", float | None, None),
]


def costs(*, quick: bool) -> list[tuple[str, float, float | None]]:
    """Measure what has a limit of its own.

    Args:
        quick: Whether a small app will do.

    Returns:
        For each: what it is, the median of its seconds, and the limit in seconds.
    """
    routes, rounds = (5, 1) if quick else (500, 5)
    app = _app(routes)
    size = f"{routes} routes and {routes * MESSAGES} messages"
    made = document(app, title="large", version="1")
    return [
        (
            f"the document of {size}",
            _median(lambda: document(app, title="large", version="1"), rounds),
            2.0,
        ),
        (f"two documents of {size}, compared", _median(lambda: compare(made, made), rounds), None),
    ]


def _app(routes: int) -> falcon.asgi.App[Any, Any]:
    app = falcon.asgi.App()
    for number in range(routes):
        one, two, three, four = (
            msgspec.defstruct(f"Message{number}_{index}", _FIELDS, tag=f"tag{index}")
            for index in range(MESSAGES)
        )
        resource = type(f"R{number}", (Takes,), {"schema": one | two, "emits": three | four})
        router = WebSocketRouter()
        router.add_route(f"/{number}/{{room:int(min=1)}}", resource)
        install(app, router)
    return app


def _median(run: Callable[[], Any], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
