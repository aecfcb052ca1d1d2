"""What the tests of limits share with those of the runtime."""

import pytest

from tests.unit.conftest import Pipe


@pytest.fixture
def pipe() -> type[Pipe]:
    """Return the class of bare ASGI connections."""
    return Pipe
