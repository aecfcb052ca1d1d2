"""The names of uvicorn and websockets below their documented ones, on which live sessions rest.

When one of these fails on another version, `pytest_pachinko/live.py` or `network.py` has to be
read again with that version's `uvicorn/server.py` or `websockets/asyncio/` beside it.
"""

import asyncio
import socket

import pytest
import uvicorn
import websockets


@pytest.mark.asyncio
async def test_the_names_of_uvicorn_on_which_the_live_server_rests_exist():
    async def app(scope, receive, send):
        raise NotImplementedError

    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    sock = socket.create_server(("127.0.0.1", 0))
    await server.startup(sockets=[sock])
    await server.on_tick(0)
    try:
        assert callable(config.loaded_app)
        assert config.ssl is None
        assert server.server_state.default_headers
        assert server.server_state.connections == set()
        assert server.server_state.tasks == set()
        assert isinstance(server.servers[0], asyncio.Server)
        for protocol in (config.http_protocol_class, config.ws_protocol_class):
            assert callable(protocol.shutdown)
        assert "wsproto" in uvicorn.config.WS_PROTOCOLS
        assert "h11" in uvicorn.config.HTTP_PROTOCOLS
    finally:
        server.servers[0].close()


def test_the_names_of_websockets_on_which_the_client_rests_exist():
    names = {"handshake", "process_event", "send_data", "resume_writing", "connection_lost"}

    assert names <= set(dir(websockets.ClientConnection))
    assert hasattr(websockets.connect, "process_redirect")
