"""What the resources of an application say of their messages."""

from __future__ import annotations

from typing import Any
from typing import Self
from typing import TYPE_CHECKING

from falcon_pachinko.router import _Endpoint
from falcon_pachinko.router import WebSocketRouter
from falcon_pachinko.subprotocols import choose
from falcon_pachinko.subprotocols import tokens_of
from falcon_pachinko.subprotocols import unwrap
from pytest_pachinko.surface import falcon_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence

__all__ = ["Declaration", "declarations_of", "message_types"]


class Declaration(tuple[Any, Any]):  # noqa: SLOT001 - a tuple cannot have slots
    """A pair: what a client may send to a resource, and what it may be sent; and where that is.

    Both are None if no resource of ours says it.

    Attributes:
        template: The URI template; the path itself where no template is known.
        resource: The resource class, or a factory of resources; None if it is none of ours.
        subprotocols: The tokens that it declares.
    """

    template: str
    resource: Any
    subprotocols: tuple[str, ...]

    def __new__(cls, template: str, make: Any = None, types: Any = None) -> Self:
        """Make a declaration.

        Args:
            template: The URI template.
            make: What was routed: a resource class, a factory, or a partial of one.
            types: What it says of its messages, if not what its class does.
        """
        resource = make and unwrap(make)
        schema, emits = getattr(resource, "schema", None), getattr(resource, "emits", None)
        self = super().__new__(cls, (schema, emits) if types is None else types)
        self.template = template
        self.resource = resource
        self.subprotocols = () if make is None else tokens_of(make)
        return self

    def __repr__(self) -> str:
        """Return what is what."""
        name = getattr(self.resource, "__name__", self.resource)
        return f"<Declaration {self.template} {name}: {self[0]}, {self[1]}>"


def message_types(app: Any, path: str, offered: Sequence[str]) -> Declaration:
    """Return what a client may send to a path, and what it may be sent.

    Args:
        app: An ASGI application; None if it is not known.
        path: The path of the connection.
        offered: The subprotocols that the client offers.
    """
    app = falcon_app(app)
    found = None if app is None else app._router.find(path)
    if not found:
        return Declaration(path)
    template = found[3] or path
    resources = makes_of(found[0])
    if not resources:
        return Declaration(template)
    _, make = choose(offered, resources)
    if make is None:
        # It is refused; what it would have said is said to nobody.
        return Declaration(template, resources[0], (None, None))
    return Declaration(template, make)


def declarations_of(app: Any) -> list[Declaration]:
    """Return what the resources of ours in an application declare, route by route.

    Args:
        app: An ASGI application.
    """
    app = falcon_app(app)
    if app is None:
        return []
    return [
        Declaration(node.uri_template, make)
        for node in nodes_of(app._router)
        for make in makes_of(node.resource)
    ]


def nodes_of(router: Any) -> Iterator[Any]:
    """Iterate over the nodes of Falcon's router, as ``falcon.inspect`` does; none of another."""
    waiting = list(getattr(router, "_roots", ()))
    while waiting:
        node = waiting.pop(0)
        yield node
        waiting[:0] = node.children


def makes_of(resource: Any) -> Sequence[Any]:
    """Return what serves a route of Falcon's, if it is ours."""
    endpoint = endpoint_of(resource)
    return () if endpoint is None else endpoint.resources


def endpoint_of(resource: Any) -> _Endpoint | None:
    """Return the route that a resource of Falcon's is, if it is ours."""
    # A router that is a resource itself serves its root.
    endpoints = resource._walk() if isinstance(resource, WebSocketRouter) else [resource]
    for endpoint in endpoints:
        if isinstance(endpoint, _Endpoint) and (endpoint is resource or endpoint.template == "/"):
            return endpoint
    return None
