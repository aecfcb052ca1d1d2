"""What is paid for by those who do not use it. Modules are counted: milliseconds depend on the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

# What a test run that opens no WebSocket must not pay for.
HEAVY = {
    "asyncio",
    "falcon",
    "falcon_pachinko",
    "hypothesis",
    "jsonschema",
    "msgspec",
    "uvicorn",
    "websockets",
    "yaml",
}

# What an application in production must not pay for.
TESTING = {
    "_pytest",
    "hypothesis",
    "jsonschema",
    "pytest",
    "pytest_pachinko",
    "redis",
    "uvicorn",
    "websockets",
    "yaml",
}

# At exit, not in a test: the terminal summary imports too.
REPORT_AT_EXIT = """
import atexit, json, pathlib, sys
atexit.register(lambda: pathlib.Path("modules.json").write_text(json.dumps(sorted(sys.modules))))
"""


def modules_of(directory: Path, *arguments: str) -> set[str]:
    """Run Python in the directory; return what was imported when it ended."""
    # Measured for itself: neither other plugins nor a coverage run may add modules.
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("COV_", "COVERAGE_", "PYTEST_"))
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=False,
        cwd=directory,
        env=environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(cast("list[str]", json.loads((directory / "modules.json").read_text())))


@pytest.fixture(scope="module")
def unrelated_session(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the modules that a session with the plugin and one trivial test imported."""
    directory = tmp_path_factory.mktemp("unrelated")
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "conftest.py").write_text(REPORT_AT_EXIT)
    (directory / "test_unrelated.py").write_text("def test_unrelated(): pass\n")
    return modules_of(directory, "-m", "pytest", "-p", "pytest_pachinko.plugin")


def test_an_unrelated_session_imports_nothing_heavy(unrelated_session: set[str]) -> None:
    assert not unrelated_session & HEAVY


def test_an_unrelated_session_imports_at_most_three_modules_of_ours(
    unrelated_session: set[str],
) -> None:
    ours = {name for name in unrelated_session if name.split(".")[0] == "pytest_pachinko"}

    assert "pytest_pachinko.plugin" in ours
    assert len(ours) <= 3, sorted(ours)


def test_the_runtime_imports_nothing_of_the_toolkit(tmp_path: Path) -> None:
    modules = modules_of(tmp_path, "-c", REPORT_AT_EXIT + "import falcon_pachinko")

    assert "falcon_pachinko" in modules
    assert not modules & TESTING
