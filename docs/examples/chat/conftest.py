"""Where the tests find the application."""

import pytest
from chat import create_app


@pytest.fixture
def websocket_app():
    """A fresh chat for each test."""
    return create_app()
