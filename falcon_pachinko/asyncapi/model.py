"""What an app serves, as plain data: the routes that a document describes.

The only module that looks into apps, routers and resource classes.
"""

# ruff: noqa: SLF001 - apps and routers have no public list of their routes

from __future__ import annotations

import ast
import difflib
import inspect
from dataclasses import dataclass
from dataclasses import fields
from typing import Annotated
from typing import Any
from typing import TYPE_CHECKING

import falcon
import falcon.asgi
from falcon.routing import CompiledRouterOptions
from msgspec import Meta

from falcon_pachinko.asyncapi.texts import docs_of
from falcon_pachinko.asyncapi.values import check_given
from falcon_pachinko.dispatch import reply_of
from falcon_pachinko.errors import DocumentError
from falcon_pachinko.resource import WebSocketResource
from falcon_pachinko.router import _Endpoint
from falcon_pachinko.router import WebSocketRouter
from falcon_pachinko.subprotocols import choose
from falcon_pachinko.subprotocols import tokens_of
from falcon_pachinko.subprotocols import unwrap
from falcon_pachinko.templates import address_of
from falcon_pachinko.templates import arguments_of
from falcon_pachinko.templates import converters_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping
    from collections.abc import Sequence

__all__ = ["Field", "Handler", "Route", "routes_of"]

_LAYERS = 16  # of ASGI middleware around an app

# What a resource may say in ``asyncapi``: its type, and an example.
_DECLARED: Mapping[str, tuple[Any, str]] = {
    "close_codes": (
        dict[Annotated[int, Meta(ge=1000, le=4999)], str],
        '"close_codes": {4001: "Too slow."}',
    ),
    "headers": (Any, ""),
    "query": (Any, ""),
    "security": (list[str], '"security": ["token"]'),
}


@dataclass(frozen=True)
class Field:
    """A field of a path.

    Attributes:
        name: Its name.
        converter: The name of its converter; empty if it has none.
        cls: The class of its converter, if it is known.
        arguments: What the converter is given.
    """

    name: str
    converter: str
    cls: Any
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Handler:
    """What handles a tag.

    Attributes:
        docs: What its docstring says.
        reply: The type of what it answers, or None.
    """

    docs: Mapping[str, str]
    reply: Any


@dataclass(frozen=True)
class Route:
    """A resource on a path.

    Attributes:
        address: The path, with fields in braces.
        fields: The fields of the path.
        name: The name of the route, or None.
        resource: The name of what serves it.
        docs: What its docstring says.
        tokens: Its subprotocols.
        by_default: Whether it also serves who offers no subprotocol.
        shared: Whether other resources share the path.
        schema: What a client may send.
        emits: What the server may send, or None.
        handlers: By tag.
        limits: How much a client may send, by name.
        declared: What the resource says in ``asyncapi``.
    """

    address: str
    fields: Sequence[Field]
    name: str | None
    resource: str
    docs: Mapping[str, str]
    tokens: Sequence[str]
    by_default: bool
    shared: bool
    schema: Any
    emits: Any
    handlers: Mapping[Any, Handler]
    limits: Mapping[str, Any]
    declared: Mapping[str, Any]


def routes_of(app: Any) -> list[Route]:
    """Return what an app serves, in the order of the paths.

    Args:
        app: A Falcon app, perhaps within ASGI middleware, or a router.

    Raises:
        DocumentError: It is neither, or has no routes, or one of them cannot be described.
    """
    if isinstance(app, WebSocketRouter):
        converters: Mapping[str, Any] = CompiledRouterOptions().converters
        endpoints = [(endpoint.template, endpoint) for endpoint in app._walk()]
    else:
        inner = _falcon_app(app)
        converters = inner.router_options.converters
        endpoints = list(_endpoints(inner._router))
    if not endpoints:
        raise DocumentError(
            f"{app!r} has no routes of resources, so there is nothing to describe.\n"
            "Hint: router.add_route(path, Resource), then install(app, router)."
        )
    routes = [
        _route(template, endpoint, make, converters)
        for template, endpoint in endpoints
        for make in endpoint.resources
    ]
    return sorted(routes, key=lambda route: (route.address, list(route.tokens)))


def _falcon_app(app: Any) -> Any:
    inner = app
    for _ in range(_LAYERS):
        if isinstance(inner, falcon.asgi.App):
            return inner
        inner = getattr(inner, "app", None)
    raise DocumentError(
        f"{app!r} is neither a falcon.asgi.App nor a WebSocketRouter.\n"
        "Hint: name the app, the router, or a function without arguments that makes one of them."
    )


def _endpoints(router: Any) -> Iterator[tuple[str, _Endpoint]]:
    """Iterate over the routes of Falcon's router that are ours."""
    waiting = list(getattr(router, "_roots", ()))
    while waiting:
        node = waiting.pop(0)
        waiting[:0] = node.children
        endpoint = node.resource
        if isinstance(endpoint, WebSocketRouter):
            # A router that is a resource itself serves its root.
            endpoint = next((one for one in endpoint._walk() if one.template == "/"), None)
        if isinstance(endpoint, _Endpoint):
            yield node.uri_template, endpoint


def _route(template: str, endpoint: _Endpoint, make: Any, converters: Mapping[str, Any]) -> Route:
    resource: Any = unwrap(make)
    name = getattr(resource, "__name__", repr(resource))
    schema = getattr(resource, "schema", None)
    if schema is None:
        raise DocumentError(
            f"{name}, which serves {template!r}, is a factory that does not say what its resources "
            "take.\nHint: factory.schema = Resource.schema, and the same for emits and "
            "subprotocols; or route the class, or a functools.partial of it."
        )
    is_class = isinstance(resource, type)
    limits = getattr(resource, "limits", None)
    return Route(
        address=address_of(template),
        fields=_fields(template, converters),
        name=endpoint.name,
        resource=name,
        docs=_class_docs(resource) if is_class else docs_of(resource),
        tokens=tokens_of(make),
        by_default=choose([], endpoint.resources)[1] is make,
        shared=len(endpoint.resources) > 1,
        schema=schema,
        emits=getattr(resource, "emits", None),
        handlers=_handlers(resource) if is_class else {},
        limits={} if limits is None else _limits(limits),
        declared=_declared(resource, name),
    )


def _fields(template: str, converters: Mapping[str, Any]) -> list[Field]:
    arguments = arguments_of(template)
    found = []
    for name, kind in converters_of(template).items():
        cls = converters[kind] if kind in converters else None  # noqa: SIM401 - it lacks get()
        found.append(Field(name, kind, cls, _keywords(cls, arguments[name])))
    return found


def _keywords(cls: Any, text: str) -> dict[str, Any]:
    """Return the arguments of a converter by name; as their text if they are no literals."""
    call: Any = ast.parse(f"_({text})", mode="eval").body
    try:
        positional = [ast.literal_eval(value) for value in call.args]
        keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        return inspect.signature(cls).bind(*positional, **keywords).arguments
    except (TypeError, ValueError):
        return {"arguments": text} if text else {}


def _class_docs(cls: type) -> dict[str, str]:
    ours = (base for base in cls.__mro__ if issubclass(base, WebSocketResource))
    # Python leaves out all docstrings with -OO.
    documented = next((base for base in ours if base.__doc__), WebSocketResource)
    return {} if documented is WebSocketResource else docs_of(documented)


def _handlers(cls: type[WebSocketResource]) -> dict[Any, Handler]:
    # It has one: only a class with a schema can be routed.
    dispatch: Any = cls._dispatch
    found = {}
    for tag, message in dispatch.schema.types.items():
        name = dispatch.handlers.get(message)
        if name is not None:
            found[tag] = Handler(_method_docs(cls, name), reply_of(cls, name, tag))
    return found


def _method_docs(cls: type, name: str) -> dict[str, str]:
    methods = (vars(base)[name] for base in cls.__mro__ if name in vars(base))
    return next((docs for method in methods if (docs := docs_of(method))), {})


def _limits(limits: Any) -> dict[str, Any]:
    return {
        field.name: value
        for field in fields(limits)
        if (value := getattr(limits, field.name)) is not None
    }


def _declared(resource: Any, name: str) -> Mapping[str, Any]:
    declared = getattr(resource, "asyncapi", None) or {}
    check_given(f"{name}.asyncapi", declared, dict[str, Any], 'asyncapi = {"security": ["token"]}')
    for key, value in declared.items():
        if key not in _DECLARED:
            near = difflib.get_close_matches(key, _DECLARED, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_DECLARED)}."
            raise DocumentError(f"{name}.asyncapi has {key!r}, which means nothing.\nHint: {hint}")
        if value is not None:
            check_given(f"{name}.asyncapi[{key!r}]", value, *_DECLARED[key])
    return declared
