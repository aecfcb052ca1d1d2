"""The managers of an application, and the backends behind them."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any
from typing import TYPE_CHECKING

from falcon_pachinko.manager.memory import MemoryBackend
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.resources import endpoint_of
from pytest_pachinko.resources import nodes_of
from pytest_pachinko.surface import falcon_app
from pytest_pachinko.tasks import machinery

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon_pachinko.manager.backend import Backend
    from falcon_pachinko.manager.manager import WebSocketConnectionManager

__all__ = [
    "backends_of",
    "manager_of",
    "managers_of",
    "put_behind",
    "replace_backend",
    "start_apart",
]

_NONE = (
    "{app!r} has no WebSocketConnectionManager.\n"
    "Hint: give a router of the application one: WebSocketRouter(manager=manager); and install it "
    "in a Falcon app"
)

_SEVERAL = (
    "{app!r} has {count} {what}:\n{lines}\n"
    'Hint: say by a route which one: @pytest.mark.pachinko(manager="{route}"), or manager_of(app, '
    '"{route}")'
)


def managers_of(app: Any) -> dict[WebSocketConnectionManager, list[str]]:
    """Return the managers of an application, each with the templates of its routes.

    Args:
        app: A Falcon app, perhaps wrapped in middleware; any other application has none.
    """
    inner = falcon_app(app)
    found: dict[WebSocketConnectionManager, list[str]] = {}
    for node in nodes_of(inner._router) if inner is not None else ():
        endpoint = endpoint_of(node.resource)
        manager = None if endpoint is None else endpoint._nearest("manager")
        if manager is not None:
            found.setdefault(manager, []).append(node.uri_template)
    return found


def manager_of(app: Any, route: str | None = None) -> WebSocketConnectionManager:
    """Return the manager of an application.

    Args:
        app: A Falcon app, perhaps wrapped in middleware.
        route: A path, or the template of a route, where the application has several managers.

    Raises:
        PachinkoUsageError: It has none, or several and no route is given, or none at the route.
    """
    found = managers_of(app)
    if not found:
        raise PachinkoUsageError(_NONE.format(app=app))
    if route is not None:
        return _by_route(app, found, route)
    if len(found) > 1:
        raise PachinkoUsageError(_several(app, found, "managers"))
    return next(iter(found))


def backends_of(app: Any) -> list[list[WebSocketConnectionManager]]:
    """Return the managers of an application, those of one backend together."""
    groups: dict[int, list[WebSocketConnectionManager]] = {}
    for manager in managers_of(app):
        groups.setdefault(id(manager.backend), []).append(manager)
    return list(groups.values())


def replace_backend(app: Any, backend: Backend, route: str | None = None) -> Callable[[], None]:
    """Put a backend in the place of that of an application, before its managers start.

    Managers that share a backend share the new one. Those that have another get another, a
    ``MemoryBackend`` for each, so that nobody hears whom it did not hear before.

    Args:
        app: The application.
        backend: The new backend.
        route: A path or a template whose manager is meant, where there are several backends.

    Returns:
        What undoes it.

    Raises:
        PachinkoUsageError: There is no manager, it cannot be said which is meant, or one has
            started.
    """
    groups = backends_of(app)
    if len(groups) > 1 and route is None:
        raise PachinkoUsageError(_several(app, managers_of(app), "managers on different backends"))
    chosen = groups[0][0] if groups and route is None else manager_of(app, route)
    if chosen.backend is backend:
        return lambda: None
    with ExitStack() as undo:
        for group in groups:
            new = backend if chosen in group else MemoryBackend()
            for manager in group:
                undo.callback(put_behind(manager, new))
        return undo.pop_all().close


def put_behind(manager: WebSocketConnectionManager, backend: Backend) -> Callable[[], None]:
    """Let a manager be as if it had been made with a backend; return what undoes it.

    Raises:
        PachinkoUsageError: It has started.
    """
    if manager.started:
        raise PachinkoUsageError(
            f"The backend of {manager!r} cannot be replaced: it has started.\n"
            "Hint: let the test have websocket_backend as an argument, so that it is there before "
            "the application starts; and stop an application that another test has started."
        )
    before = manager.backend, manager._alone
    manager.backend, manager._alone = backend, False

    def undo() -> None:
        manager.backend, manager._alone = before

    return undo


def start_apart(manager: WebSocketConnectionManager) -> Callable[[], None]:
    """Let a manager start as a server would start it, even if it is the test that begins.

    What it starts, such as a heartbeat, must not move time as a wait of the test does.

    Returns:
        What undoes it.
    """
    start = manager.start

    async def start_it() -> None:
        await machinery(start(), asyncio.get_running_loop())

    vars(manager)["start"] = start_it

    def undo() -> None:
        vars(manager).pop("start", None)

    return undo


def _by_route(
    app: Any, found: dict[WebSocketConnectionManager, list[str]], route: str
) -> WebSocketConnectionManager:
    for manager, templates in found.items():
        if route in templates:
            return manager
    node = falcon_app(app)._router.find(route) if isinstance(route, str) else None
    endpoint = None if node is None else endpoint_of(node[0])
    there: Any = None if endpoint is None else endpoint._nearest("manager")
    if there is None:
        known = ", ".join(template for templates in found.values() for template in templates)
        raise PachinkoUsageError(f"{route!r} is no route with a manager.\nHint: these are: {known}")
    return manager


def _several(app: Any, found: dict[WebSocketConnectionManager, list[str]], what: str) -> str:
    lines = "\n".join(f"  {', '.join(routes)}: {manager!r}" for manager, routes in found.items())
    route = next(iter(found.values()))[0]
    return _SEVERAL.format(app=app, count=len(found), what=what, lines=lines, route=route)
