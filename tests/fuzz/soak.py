"""Fuzz the runtime itself: `python -m tests.fuzz.soak 100000`.

Every shape of a field that a schema can have, in applications with everything that a resource can do:
hooks, subprotocols, decorated handlers, int tags, messages that are arrays. Nothing may be found.
"""

from __future__ import annotations

import logging
import sys
from contextlib import asynccontextmanager
from typing import Any
from typing import Union

import falcon.asgi
import msgspec
from hypothesis import settings

from falcon_pachinko import handles_message
from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.schema import read_schema
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.fuzz.phases import PHASES
from pytest_pachinko.fuzz.phases import run_phase
from pytest_pachinko.fuzz.phases import Target
from pytest_pachinko.fuzz.search import Search
from pytest_pachinko.routes import routes_of
from tests.strategies.shapes import FIELDS
from tests.strategies.shapes import SHAPES

SECONDS = 1.0
"""For how long streams are drawn for each resource and phase in a round."""

PER_RESOURCE = 4
"""How many shapes are the fields of the messages of one resource."""


def resources() -> list[Any]:
    """Make resources whose messages have all shapes between them."""
    fields = list(FIELDS.values())
    grouped = [fields[at : at + PER_RESOURCE] for at in range(0, len(fields), PER_RESOURCE)]
    schemas = [_schema(number, group) for number, group in enumerate(grouped)]
    schemas += [shape for name, shape in SHAPES.items() if name not in FIELDS]
    return [_resource(number, schema) for number, schema in enumerate(schemas)]


def _schema(number: int, fields: list[Any]) -> Any:
    """Make a union of messages with one field each: with int tags, as arrays, as neither."""
    kinds: list[Any] = [
        msgspec.defstruct(
            f"M{number}x{at}",
            [("value", field)],
            tag=at if number % 2 else f"m{at}",
            array_like=number % 3 == 0,
        )
        for at, field in enumerate(fields)
    ]
    return Union[tuple(kinds)]  # noqa: UP007 - of as many as there are


def _resource(number: int, schema: Any) -> Any:
    async def on_connect(self: Any, req: Any, ws: Any) -> bool:
        return True

    async def handle(self: Any, ws: Any, message: Any) -> None:
        await self.send({"type": "got", "what": type(message).__name__})

    for tag in read_schema(schema, "soak").types:
        handle = handles_message(tag)(handle)
    members = {"schema": schema, "on_connect": on_connect, "handle": handle}
    cls: Any = type(f"Resource{number}", (WebSocketResource,), members)
    if number % 5 == 0:

        @asynccontextmanager
        async def hook(context: Any) -> Any:
            yield

        cls.around_message(hook)
        cls.around_connection(hook)
    return cls


def main(examples: int) -> int:
    """Fuzz until that many streams have been played; return how many findings there are."""
    logging.disable(logging.CRITICAL)
    settings.register_profile("soak", database=None)
    settings.load_profile("soak")
    router = WebSocketRouter()
    for number, resource in enumerate(resources()):
        router.add_route(f"/r{number}", resource)
    app = falcon.asgi.App()
    install(app, router)
    routes = routes_of(app)
    findings = tried = round_number = 0
    while tried < examples:
        for route in routes:
            target = Target(app, [route])
            for phase in PHASES if not round_number else ["streams", "invalid", "mixed"]:
                name = f"{route.path} {phase}"
                plan = Search(name, 1000 * round_number, examples=1, seconds=SECONDS)
                try:
                    outcome = run_phase(target, phase, plan)
                except PachinkoUsageError as error:
                    findings += 1
                    say(f"{name}: {error}")
                    continue
                tried += outcome.tried
                if outcome.found is not None:
                    findings += 1
                    say(f"{name}: {outcome.found.error!r}\n{outcome.found.stream}")
        round_number += 1
        say(f"{tried} streams, {findings} findings")
    return findings


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]))))
