import pytest
from falcon.asgi import WebSocket

from falcon_pachinko import WebSocketLike

NAMES = [name for name in dir(WebSocketLike) if not name.startswith("_")]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "subprotocols"])
def test_falcons_websocket_has_what_handlers_may_rely_on(name: str) -> None:
    assert hasattr(WebSocket, name)


def test_falcons_websocket_tells_the_offered_subprotocols() -> None:
    assert "subprotocols" in WebSocket.__annotations__


def test_an_object_without_the_methods_is_no_websocket() -> None:
    assert not isinstance(object(), WebSocketLike)
