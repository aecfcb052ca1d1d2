"""The routes of an application on which messages can be sent, and paths that lead to them."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from itertools import islice
from itertools import product
from typing import Any
from typing import TYPE_CHECKING
from urllib.parse import unquote

import falcon.asgi

from falcon_pachinko.errors import RouteError
from falcon_pachinko.router import WebSocketRouter
from falcon_pachinko.subprotocols import choose
from falcon_pachinko.subprotocols import tokens_of
from falcon_pachinko.subprotocols import unwrap
from falcon_pachinko.templates import converters_of
from falcon_pachinko.templates import fill
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.resources import makes_of
from pytest_pachinko.resources import nodes_of
from pytest_pachinko.surface import falcon_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Mapping
    from collections.abc import Sequence

__all__ = ["DECLARED", "Route", "routes_of"]

DECLARED = "pachinko_routes"
"""What serves a route of which only the configuration knows."""

_WORDS = ("0", "tea", "a", "7", "A-b_c.d~", "über", "a b", "x" * 64)

# Texts to try for each kind of field; Falcon's own converters decide which ones are right.
_NUMBERS = tuple(
    dict.fromkeys(
        text
        for digits in range(1, 13)
        for text in ("0" * digits, "1" + "0" * (digits - 1), "5" * digits, "9" * digits)
    )
)
_CANDIDATES: dict[str, tuple[str, ...]] = {
    "": _WORDS,
    "int": (*_NUMBERS, "-1", "-1000"),
    "float": ("0.0", "1.0", "0.5", "-1.5", "10.0", "100.0", "1000.0", "1e6"),
    "path": ("0", "a/b", "a/b/c.txt", "über/a b"),
    "uuid": (
        "00000000-0000-0000-0000-000000000000",
        "12345678-1234-4678-9234-567812345678",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ),
    "dt": (
        "2000-01-01T00:00:00Z",
        "2024-02-29T23:59:59Z",
        "2000-01-01T00:00:00",
        "2000-01-01T00:00:00+0000",
        "2000-01-01 00:00:00",
        "2000-01-01T00:00",
        "2000-01-01",
        "2024-02-29",
        "20000101",
        "2000-01",
        "2000",
        "00:00:00",
        "00:00",
    ),
}

_TRIES = 20_000
"""How many combinations of texts are tried for one template."""


@dataclass(frozen=True)
class Route:
    """A path on which a resource takes messages of a schema.

    Attributes:
        path: The path, or a template with fields.
        subprotocol: The subprotocol that selects the resource, or None.
        schema: What a client may send; None if it is not known.
        emits: What a client may be sent; None if it is not known.
        resource: What serves it, by name.
        values: Texts that each field of the path takes, the simplest first.
    """

    path: str
    subprotocol: str | None
    schema: Any
    emits: Any = None
    resource: str = ""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the route is called: its path, and its subprotocol if it has one."""
        return self.path if self.subprotocol is None else f"{self.path} {self.subprotocol}"


def routes_of(app: Any) -> list[Route]:
    """Return the routes of an application's resources, one for each subprotocol.

    Args:
        app: An ASGI application: a Falcon app, perhaps wrapped in middleware, or a
            ``WebSocketRouter``. There are none in any other.
    """
    if isinstance(app, WebSocketRouter):  # one that is in no app yet
        scratch = falcon.asgi.App()
        for endpoint in app._walk():
            scratch.add_route(endpoint.template, endpoint)
        return _found(scratch._router)
    inner = falcon_app(app)
    return [] if inner is None else _found(inner._router)


def _found(router: Any) -> list[Route]:
    return [
        route
        for node in nodes_of(router)
        if (makes := makes_of(node.resource))
        for route in _routes(
            node.uri_template, makes, _values(node.uri_template, _leads_to(router, node.resource))
        )
    ]


def _routes(
    template: str, makes: Sequence[Any], values: Mapping[str, tuple[str, ...]]
) -> Iterator[Route]:
    offers = [token for make in makes for token in tokens_of(make)]
    for token in [*offers, None]:
        _, make = choose([] if token is None else [token], makes)
        if make is None:
            continue
        resource: Any = unwrap(make)
        yield Route(
            template,
            token,
            getattr(resource, "schema", None),
            getattr(resource, "emits", None),
            getattr(resource, "__name__", repr(resource)),
            values,
        )


def _leads_to(router: Any, resource: Any) -> Callable[[str], bool]:
    def leads(path: str) -> bool:
        found = router.find(path)
        return bool(found) and found[0] is resource

    return leads


def _values(template: str, leads: Callable[[str], bool]) -> dict[str, tuple[str, ...]]:
    """Return texts for the fields of a template with which a path leads to its resource.

    None for a field means that nobody but the project itself knows one.

    Raises:
        PachinkoUsageError: A converter raises an exception.
    """
    kinds = converters_of(template)
    everything = tuple(dict.fromkeys(text for texts in _CANDIDATES.values() for text in texts))
    choices = {name: _CANDIDATES.get(kind, everything) for name, kind in kinds.items()}

    def works(params: dict[str, str]) -> bool:
        try:
            path = unquote(fill(template, params))
        except RouteError:
            return False
        try:
            return leads(path)
        except Exception as error:
            raise PachinkoUsageError(
                f"{template}: a converter has raised {type(error).__name__}: {error}, for the path "
                f"{path!r}. The converters of the route: "
                f"{', '.join(filter(None, kinds.values())) or '(none)'}.\n"
                "Hint: convert() returns None for a text that it does not take; what it raises is "
                "an error of the server."
            ) from error

    combinations = (dict(zip(choices, texts, strict=True)) for texts in product(*choices.values()))
    first = next(filter(works, islice(combinations, _TRIES)), None)
    if first is None:
        return dict.fromkeys(kinds, ())
    return {
        name: tuple(text for text in texts if works({**first, name: text}))
        for name, texts in choices.items()
    }
