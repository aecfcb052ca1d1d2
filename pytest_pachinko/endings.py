"""Which exceptions of an application are ordinary ends of a connection."""

from __future__ import annotations

import falcon

__all__ = ["is_ordinary_end"]

_ENDS = frozenset({"ClientDisconnected", "WebSocketDisconnect", "WebSocketDisconnected"})


def is_ordinary_end(error: BaseException) -> bool:
    """Return whether an exception only says that the peer has left, or refuses it."""
    if isinstance(error, falcon.HTTPError | falcon.HTTPStatus):
        return True
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_ordinary_end, error.exceptions))
    # Falcon, Starlette, Litestar and uvicorn: each has a class of its own with such a name.
    return any(cls.__name__ in _ENDS for cls in type(error).__mro__)
