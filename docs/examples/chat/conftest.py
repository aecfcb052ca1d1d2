"""Where the tests find the application, and how the fuzzer gets in."""

import pytest
from chat import create_app


@pytest.fixture
def websocket_app():
    """A fresh chat for each test."""
    return create_app()


def pytest_pachinko_connection(route):
    """Moderators need the password."""
    if route.subprotocol == "chat.moderator.v1":
        return {"headers": {"authorization": "Bearer let-me-in"}}
    return None
