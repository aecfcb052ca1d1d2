"""Finding the application under test."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.errors import PachinkoUsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "check_application",
    "is_factory",
    "is_surely_factory",
    "load_application",
    "load_value",
    "make_application",
]

_ASGI_ARGUMENTS = 3
_ANY_NUMBER = 100

_WHERE = (
    "Hint: name it in the configuration of pytest, as module:attribute\n"
    "    [tool.pytest.ini_options]\n"
    '    pachinko_app = "chat.app:app"\n'
    "or return it from a fixture called websocket_app in conftest.py\n"
    "    @pytest.fixture\n"
    "    def websocket_app():\n"
    "        return create_app()"
)


def load_application(name: str, root: Path) -> Any:
    """Import the application that the configuration names.

    Args:
        name: ``module:attribute``; the attribute may have dots. It is an ASGI application, or a
            function without arguments that makes one.
        root: The folder of the project, which modules are looked for in too.

    Raises:
        PachinkoUsageError: There is no such application; the message says what to write.
    """
    value = load_value(name, root)
    if is_factory(value):
        value = make_application(value, f"pachinko_app = {name!r}")
    return check_application(value, name)


def load_value(name: str, root: Path, setting: str = "", hint: str = _WHERE) -> Any:
    """Import what the configuration names, as it is.

    Args:
        name: ``module:attribute``; the attribute may have dots.
        root: The folder of the project, which modules are looked for in too.
        setting: What of the configuration names it, if that is not ``pachinko_app``.
        hint: What to write there.

    Raises:
        PachinkoUsageError: There is no such thing; the message says what to write.
    """
    if not name:
        raise PachinkoUsageError(f"No application to connect to.\n{_WHERE}")
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise PachinkoUsageError(f"{name!r} is not of the form module:attribute.\n{hint}")
    setting = setting or f"pachinko_app = {name!r}"
    value = _import(module_name, root, setting, hint)
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            names = ", ".join(n for n in dir(value) if not n.startswith("_"))
            raise PachinkoUsageError(
                f"{setting}: {module_name} has no attribute {attribute!r}.\nIt has: {names}\n{hint}"
            ) from None
    return value


def check_application(app: Any, name: str) -> Any:
    """Refuse what is no ASGI application.

    Raises:
        PachinkoUsageError: It is a WSGI application, or nothing that can be called.
    """
    if _is_wsgi(app):
        raise PachinkoUsageError(
            f"{name} is a falcon.App, which speaks WSGI and has no WebSockets.\n"
            "Hint: app = falcon.asgi.App()"
        )
    if not callable(app):
        raise PachinkoUsageError(f"{name} is {app!r}, which is no ASGI application.\n{_WHERE}")
    if not _takes(app, _ASGI_ARGUMENTS):
        raise PachinkoUsageError(
            f"{name} is {app!r}, which is no ASGI application: it cannot be called with scope, "
            f"receive and send.\n{_WHERE}"
        )
    return app


def _import(module_name: str, root: Path, setting: str, hint: str) -> Any:
    try:
        return import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing != module_name and not module_name.startswith(f"{missing}."):
            raise  # the module is there, and imports something that is not
    if str(root) not in sys.path:
        # `pytest` does not look for modules in the project's folder, `python -m pytest` does.
        sys.path.insert(0, str(root))
        return _import(module_name, root, setting, hint)
    raise PachinkoUsageError(
        f"{setting}: there is no module {module_name!r} in {root} or on sys.path.\n{hint}"
    )


def make_application(factory: Any, name: str) -> Any:
    """Return what a function without arguments makes.

    Args:
        factory: The function.
        name: What to call it.

    Raises:
        PachinkoUsageError: It is an async function.
    """
    app = factory()
    if inspect.iscoroutine(app):
        app.close()
        raise PachinkoUsageError(
            f"{name}: an async function cannot make the application here, where no event loop "
            "runs.\n"
            "Hint: do what it awaits in the application's lifespan, or in a fixture called "
            "websocket_app."
        )
    return app


def is_surely_factory(value: Any) -> bool:
    """Return whether something makes applications, and cannot be one."""
    return is_factory(value) and not _takes(value, _ASGI_ARGUMENTS)


def is_factory(value: Any) -> bool:
    """Return whether something makes applications, and is none itself."""
    # What takes any arguments is a wrapped application.
    return callable(value) and _takes(value, 0) and not _takes(value, _ANY_NUMBER)


def _takes(value: Any, number: int) -> bool:
    """Return whether something can be called with that many arguments."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return number == _ASGI_ARGUMENTS  # nothing is known, so it is what it should be
    try:
        signature.bind(*[None] * number)
    except TypeError:
        return False
    return True


def _is_wsgi(app: Any) -> bool:
    falcon = sys.modules.get("falcon")
    asgi = sys.modules.get("falcon.asgi")
    return (
        falcon is not None
        and isinstance(app, falcon.App)
        and not (asgi is not None and isinstance(app, asgi.App))
    )
