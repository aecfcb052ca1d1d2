"""What the tests of plays share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fuzz.chatty import make


@pytest.fixture
def chatty() -> Any:
    """Make an application that says what it is told, or does something else."""
    return make
