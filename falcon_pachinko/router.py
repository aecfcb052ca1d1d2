"""Routing is Falcon's: a router composes templates and registers them with the app."""

# ruff: noqa: SLF001 - routers and mounts look into each other

from __future__ import annotations

import inspect
from typing import Any
from typing import TYPE_CHECKING
from typing import TypeVar

import falcon
import falcon.asgi

from falcon_pachinko.conversation import serve
from falcon_pachinko.dispatch import signature_for
from falcon_pachinko.errors import HandlerError
from falcon_pachinko.errors import RouteError
from falcon_pachinko.errors import SchemaError
from falcon_pachinko.hooks import Hooks
from falcon_pachinko.resource import WebSocketResource
from falcon_pachinko.subprotocols import check_differ
from falcon_pachinko.subprotocols import choose
from falcon_pachinko.subprotocols import tokens_of
from falcon_pachinko.subprotocols import unwrap
from falcon_pachinko.templates import check_syntax
from falcon_pachinko.templates import fields_of
from falcon_pachinko.templates import fill
from falcon_pachinko.templates import join
from falcon_pachinko.templates import Templates

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable
    from collections.abc import Iterator

    from falcon.asgi import Request
    from falcon.asgi import WebSocket

    from falcon_pachinko.hooks import ConnectionHook
    from falcon_pachinko.hooks import MessageHook
    from falcon_pachinko.manager.manager import WebSocketConnectionManager
    from falcon_pachinko.protocols import WebSocketLike

    MakeResource = Callable[..., WebSocketResource | Awaitable[WebSocketResource]]
    ResourceFactory = Callable[[MakeResource], WebSocketResource | Awaitable[WebSocketResource]]
    SimulatorFactory = Callable[[Request, WebSocket], WebSocketLike | Awaitable[WebSocketLike]]

__all__ = ["WebSocketRouter", "install"]

_FORBIDDEN = 3403  # Falcon's close code for an HTTP 403

_CH = TypeVar("_CH", bound="ConnectionHook")
_MH = TypeVar("_MH", bound="MessageHook")


class WebSocketRouter:
    """Resources by path, to be installed in a Falcon app or included in another router.

    A router is a Falcon resource too: ``app.add_route("/ws", router)`` serves its route
    ``"/"`` at exactly that path.

    Args:
        name: A prefix for the names of its routes in a router that includes it:
            ``"chat:room"``.
        resource_factory: Called with the class or factory that was routed, for each
            connection; returns the resource, or an awaitable of it. The seam for dependency
            injection.
        simulator_factory: Called with Falcon's request and WebSocket for each connection;
            returns what is to stand in for the WebSocket, or an awaitable of it. For tests.
        manager: Knows the connections of its routes, and sends to them by room, user and label.
            It starts and stops with the lifespan of the app.

    Included routers use the factories and the manager of the nearest router that has one.

    Example::

        router = WebSocketRouter()
        router.add_route("/rooms/{room}", ChatRoom, name="room")
        install(app, router, prefix="/chat")
        router.url_for("room", room="tea")  # "/chat/rooms/tea"
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        resource_factory: ResourceFactory | None = None,
        simulator_factory: SimulatorFactory | None = None,
        manager: WebSocketConnectionManager | None = None,
    ) -> None:
        self.name = name
        self.resource_factory = resource_factory
        self.simulator_factory = simulator_factory
        self.manager = manager
        self._hooks = Hooks()
        self._routes: list[_Route] = []
        self._included: list[tuple[str, WebSocketRouter]] = []
        self._parents: list[tuple[str, WebSocketRouter]] = []
        self._mounts: list[_Mount] = []

    def __repr__(self) -> str:
        """Return the templates of the router."""
        templates = ", ".join(endpoint.template for endpoint in self._walk())
        return f"<WebSocketRouter {templates or 'without routes'}>"

    def add_route(
        self,
        path: str,
        *resources: MakeResource,
        name: str | None = None,
    ) -> None:
        """Serve a path with a resource.

        Args:
            path: A Falcon URI template, relative to where the router is installed.
            *resources: ``WebSocketResource`` subclasses, or factories of resources. Several
                share the path if their ``subprotocols`` differ.
            name: For ``url_for``.

        Raises:
            RouteError: The path is no template or collides with another one, the name is
                taken, or the resources cannot share a path.
            SchemaError: A resource class has no schema.
            HandlerError: A resource class has a tag with neither handler nor
                ``on_unhandled``.
        """
        template = check_syntax(path, "The path")
        if not resources:
            raise RouteError(f"add_route({path!r}) needs a resource class.")
        for resource in resources:
            _check_routable(resource)
        check_differ(resources, path)
        self._extend(self._routes, _Route(template, resources, name))

    def include(self, prefix: str, router: WebSocketRouter) -> None:
        """Serve all routes of another router below a prefix.

        Routes that are added to it later are served too.

        Args:
            prefix: A Falcon URI template.
            router: The router; its hooks run inside this one's.

        Raises:
            RouteError: The prefix is no template, templates or names collide, or the router
                would contain itself.
        """
        prefix = check_syntax(prefix, "The prefix")
        if self in router._subtree():
            raise RouteError(f"{router!r} contains this router and cannot be included in it.")
        # What a child gains later must reach its parents; before this is known to fit,
        # the child must not know of it.
        self._extend(self._included, (prefix, router))
        router._parents.append((prefix, self))

    def url_for(self, name: str, **params: Any) -> str:
        """Return the path of a named route, from the root of the app, quoted.

        Args:
            name: The name given to ``add_route``; for a route of an included router that
                has a name, ``"router:route"``.
            **params: The values of the template's fields.

        Raises:
            RouteError: No such route, wrong fields, or the router is installed in several
                places.
        """
        prefixes = sorted(set(self._prefixes()))
        found = [endpoint for endpoint in self._walk() if endpoint.name == name]
        if not found:
            names = sorted(endpoint.name for endpoint in self._walk() if endpoint.name)
            raise RouteError(
                f"No route is called {name!r}; the names are: {', '.join(names) or 'none'}."
            )
        if len(prefixes) > 1:
            raise RouteError(
                f"The router is installed at {' and '.join(prefixes)}: {name!r} has several "
                "paths.\nHint: use a router of its own for each place."
            )
        return fill(join(prefixes[0], found[0].template), params)

    def around_connection(self, hook: _CH) -> _CH:
        """Wrap each connection of this router in a hook.

        Args:
            hook: Takes a ``ConnectionContext`` and returns an async context manager. It
                sees what a handler raises.

        Returns:
            The hook, so that this can be used as a decorator.
        """
        self._hooks.connection.append(hook)
        return hook

    def around_message(self, hook: _MH) -> _MH:
        """Wrap the handling of each message of this router in a hook.

        Args:
            hook: Takes a ``MessageContext`` and returns an async context manager.

        Returns:
            The hook, so that this can be used as a decorator.
        """
        self._hooks.message.append(hook)
        return hook

    async def on_websocket(self, req: Request, ws: WebSocket, **params: Any) -> None:
        """Serve the route ``"/"``, as a resource of ``app.add_route``."""
        for endpoint in self._walk():
            if endpoint.template == "/":
                await endpoint.on_websocket(req, ws, **params)
                return
        raise RouteError(
            f"{self!r} was added with app.add_route({req.uri_template!r}, ...), which serves "
            "its route '/' only, and it has none.\n"
            'Hint: router.add_route("/", ...), or install(app, router, prefix=...) for all '
            "its routes."
        )

    def _walk(
        self, prefix: str = "/", chain: tuple[WebSocketRouter, ...] = (), names: str = ""
    ) -> Iterator[_Endpoint]:
        """Yield what the router serves, included routers last."""
        chain = (*chain, self)
        for route in self._routes:
            name = route.name and names + route.name
            yield _Endpoint(join(prefix, route.template), route.resources, name, chain)
        for inner, router in self._included:
            inside = f"{names}{router.name}:" if router.name else names
            yield from router._walk(join(prefix, inner), chain, inside)

    def _subtree(self) -> Iterator[WebSocketRouter]:
        yield self
        for _, router in self._included:
            yield from router._subtree()

    def _prefixes(self) -> list[str]:
        mounted = [mount.prefix for mount in self._mounts]
        included = [
            join(outer, prefix) for prefix, parent in self._parents for outer in parent._prefixes()
        ]
        return mounted + included or ["/"]

    def _ancestry(self) -> Iterator[WebSocketRouter]:
        yield self
        for _, parent in self._parents:
            yield from parent._ancestry()

    def _extend(self, members: list[Any], new: Any) -> None:
        """Add a route or a router, everywhere that this router is reachable, or nowhere."""
        members.append(new)
        try:
            roots = dict.fromkeys(self._ancestry())
            for root in roots:
                root._check()
            mounts = [mount for root in roots for mount in root._mounts]
            plans = [(mount, mount.plan()) for mount in mounts]
        except Exception:
            members.pop()
            raise
        for mount, endpoints in plans:
            mount.commit(endpoints)

    def _check(self) -> None:
        templates = Templates()
        names: dict[str, str] = {}
        for endpoint in self._walk():
            other = templates.add(endpoint.template)
            if other is not None:
                raise RouteError(
                    f"The template {endpoint.template!r} collides with {other!r}, which is "
                    "already routed.\nHint: one path, one route; resources that differ in "
                    "their subprotocols can share it: add_route(path, A, B)."
                )
            if endpoint.name and names.setdefault(endpoint.name, endpoint.template) != (
                endpoint.template
            ):
                raise RouteError(
                    f"The name {endpoint.name!r} belongs to {names[endpoint.name]!r} already."
                )


def install(app: falcon.asgi.App[Any, Any], router: WebSocketRouter, prefix: str = "") -> None:
    """Register every route of a router with an app.

    Each composed template is registered with ``app.add_route``; routes that are added to the
    router later follow. A manager becomes a middleware of the app, so that it starts and stops
    with its lifespan. Nothing else in the app is changed.

    Args:
        app: The Falcon ASGI app.
        router: The router.
        prefix: A Falcon URI template under which its routes are served.

    Raises:
        RouteError: The app is not a Falcon ASGI app, the prefix is no template, or a path
            has a resource already. Nothing is registered then.

    Example::

        app = falcon.asgi.App()
        install(app, router, prefix="/chat")
    """
    if not isinstance(app, falcon.asgi.App):
        kind = f"{type(app).__module__}.{type(app).__qualname__}"
        hint = (
            "a WSGI app has no WebSockets: use falcon.asgi.App()"
            if isinstance(app, falcon.App)
            else "install the router in the falcon.asgi.App itself, before it is wrapped"
        )
        raise RouteError(f"install() needs a falcon.asgi.App, not {kind}.\nHint: {hint}.")
    if not isinstance(router, WebSocketRouter):
        raise RouteError(
            f"install() needs a WebSocketRouter, not {router!r}.\n"
            "Hint: router.add_route(path, Resource), then install(app, router)."
        )
    mount = _Mount(app, router, check_syntax(prefix, "The prefix"))
    endpoints = mount.plan()
    router._mounts.append(mount)
    mount.commit(endpoints)


class _Route:
    """A path of one router, and the resources that serve it."""

    __slots__ = ("name", "resources", "template")

    def __init__(
        self, template: str, resources: tuple[MakeResource, ...], name: str | None
    ) -> None:
        self.template = template
        self.resources = resources
        self.name = name


class _Endpoint:
    """A route as an app sees it: a Falcon resource, below the routers that lead to it."""

    __slots__ = ("chain", "name", "resources", "template")

    def __init__(
        self,
        template: str,
        resources: tuple[MakeResource, ...],
        name: str | None,
        chain: tuple[WebSocketRouter, ...],
    ) -> None:
        self.template = template
        self.resources = resources
        self.name = name
        self.chain = chain

    async def on_websocket(self, req: Request, ws: WebSocket, **params: Any) -> None:
        """Serve a connection with the resource that its subprotocols select."""
        if ws.closed:
            # A middleware has refused the connection; Falcon calls the resource all the same.
            return
        connection: Any = ws
        simulate = self._nearest("simulator_factory")
        if simulate is not None:
            connection = simulate(req, ws)
            if inspect.isawaitable(connection):
                connection = await connection
        token, make = choose(connection.subprotocols, self.resources)
        if make is None:
            await connection.close(_FORBIDDEN)
            return
        build = self._nearest("resource_factory")
        resource: Any = make() if build is None else build(make)
        if inspect.isawaitable(resource):
            resource = await resource
        if type(resource) is not make:
            _check_made(resource, make)
        manager = self._nearest("manager")
        if manager is not None and not manager.started:
            await manager._wake()
        await serve(
            resource,
            req,
            connection,
            params,
            subprotocol=token,
            original=ws,
            hooks=[router._hooks for router in self.chain],
            manager=manager,
        )

    def _nearest(self, name: str) -> Any:
        for router in reversed(self.chain):
            factory = getattr(router, name)
            if factory is not None:
                return factory
        return None


class _Mount:
    """A router in an app, and which of its templates are registered there."""

    __slots__ = ("_app", "_managers", "_registered", "_router", "prefix")

    def __init__(
        self, app: falcon.asgi.App[Any, Any], router: WebSocketRouter, prefix: str
    ) -> None:
        self._app = app
        self._router = router
        self._registered: set[str] = set()
        self._managers: list[WebSocketConnectionManager] = []
        self.prefix = prefix

    def plan(self) -> list[_Endpoint]:
        """Return the endpoints that are to be registered, all of which fit into the app."""
        endpoints = [
            endpoint
            for endpoint in self._router._walk(self.prefix)
            if endpoint.template not in self._registered
        ]
        taken = Templates()
        scratch = falcon.routing.CompiledRouter()
        scratch.options.converters.update(self._app.router_options.converters)
        for route in _routes_of(self._app):
            taken.add(route)
        for endpoint in endpoints:
            template = endpoint.template
            other = taken.add(template)
            if other is not None:
                raise RouteError(
                    f"The app has a resource at {other!r} already, where {template!r} is to "
                    "be installed.\nHint: install the router under another prefix."
                )
            for make in endpoint.resources:
                _check_parameters(make, template)
            try:
                scratch.add_route(template, object())
            except ValueError as error:
                raise RouteError(f"{template!r} cannot be installed: {error}") from error
        return endpoints

    def commit(self, endpoints: list[_Endpoint]) -> None:
        """Register endpoints with the app."""
        for endpoint in endpoints:
            self._app.add_route(endpoint.template, endpoint)
            self._registered.add(endpoint.template)
            manager = endpoint._nearest("manager")
            if manager is not None and manager not in self._managers:
                self._managers.append(manager)
                self._app.add_middleware(manager)


def _routes_of(app: falcon.asgi.App[Any, Any]) -> list[str]:
    # What falcon.inspect does, without looking up the source line of each responder, which takes
    # longer than all the rest of making an app. A router of another make has no such nodes: what
    # collides there is that router's to say.
    waiting = list(getattr(app._router, "_roots", ()))
    found = []
    while waiting:
        node = waiting.pop()
        if node.uri_template is not None:
            found.append(node.uri_template)
        waiting += node.children
    return found


def _class_of(make: Any) -> type[WebSocketResource] | None:
    """Return the resource class that a class or a partial of one makes, if it is known."""
    cls = unwrap(make)
    return cls if isinstance(cls, type) and issubclass(cls, WebSocketResource) else None


def _check_routable(make: Any) -> None:
    if isinstance(make, WebSocketResource):
        name = type(make).__name__
        raise RouteError(
            f"add_route() was given an instance of {name}, but each connection has a resource "
            f"of its own.\nHint: add_route(path, {name}), or a factory: lambda: {name}(...)"
        )
    if not callable(make) or (isinstance(make, type) and _class_of(make) is None):
        raise RouteError(
            f"{make!r} is neither a WebSocketResource subclass nor a factory of resources."
        )
    cls = _class_of(make)
    if cls is not None:
        _check_class(cls)


def _check_class(cls: type[WebSocketResource]) -> None:
    dispatch = cls._dispatch
    if dispatch is None:
        raise SchemaError(
            f"{cls.__name__} has no schema.\n"
            "Hint: schema = Join | Say, a union of tagged msgspec Structs."
        )
    if dispatch.unhandled and cls.on_unhandled is WebSocketResource.on_unhandled:
        tags = ", ".join(repr(tag) for tag in dispatch.unhandled)
        raise HandlerError(
            f"{cls.__name__} has no handler for {tags}.\n"
            f"Hint: {signature_for(dispatch.unhandled[0])}  Or override on_unhandled."
        )


def _check_made(resource: Any, make: MakeResource) -> None:
    if not isinstance(resource, WebSocketResource):
        raise RouteError(f"The resource factory {make!r} returned {resource!r}, no resource.")
    _check_class(type(resource))
    unknown = [token for token in tokens_of(type(resource)) if token not in tokens_of(make)]
    if unknown:
        raise RouteError(
            f"The resource factory {make!r} returned a {type(resource).__name__}, whose "
            f"subprotocols {', '.join(map(repr, unknown))} could not be negotiated.\n"
            f"Hint: route the class or a functools.partial of it, or say what the factory "
            f"makes: factory.subprotocols = {type(resource).__name__}.subprotocols"
        )


def _check_parameters(make: MakeResource, template: str) -> None:
    cls = _class_of(make)
    if cls is None:
        return
    fields = fields_of(template)
    try:
        inspect.signature(cls.on_connect).bind(None, None, None, **dict.fromkeys(fields))
    except TypeError as error:
        raise HandlerError(
            f"{cls.__name__}.on_connect does not fit the template {template!r}: {error}.\n"
            f"Hint: async def on_connect(self, {', '.join(['req', 'ws', *fields])}): ..."
        ) from error
