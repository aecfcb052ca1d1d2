"""What the resources of an application say of their messages."""

from __future__ import annotations

from typing import Any
from typing import TYPE_CHECKING

from falcon_pachinko.subprotocols import choose
from falcon_pachinko.subprotocols import unwrap
from pytest_pachinko.surface import falcon_app

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["message_types"]


def message_types(app: Any, path: str, offered: Sequence[str]) -> tuple[Any, Any] | None:
    """Return what a client may send to a path, and what it may be sent.

    Args:
        app: An ASGI application.
        path: The path of the connection.
        offered: The subprotocols that the client offers.

    Returns:
        The resource's ``schema`` and ``emits``, either of which may be None; None if there is
        no resource of ours.
    """
    app = falcon_app(app)
    found = None if app is None else app._router.find(path)
    resources = getattr(found[0], "resources", None) if found else None
    if resources is None:
        return None
    _, make = choose(offered, resources)
    resource: Any = make and unwrap(make)
    return getattr(resource, "schema", None), getattr(resource, "emits", None)
