"""What the parts of the plugin know of a test and of its configuration.

Imported by every pytest run, like the plugin itself: pytest alone is needed here.
"""

from __future__ import annotations

from typing import Any
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_pachinko.fuzz.checks import Check
    from pytest_pachinko.routes import Route
    from pytest_pachinko.trace.record import Trace

__all__ = [
    "MARKER",
    "NODE_ID",
    "SOURCES",
    "Hooks",
    "flag",
    "marked",
    "option",
    "path_option",
    "traces_of",
]

SOURCES = pytest.StashKey["list[Any]"]()
"""What a test has opened sessions with: each with the attribute ``traces``."""

WRONG = pytest.StashKey["tuple[str, int]"]()
"""The connection and the event at which a test has failed."""

NODE_ID = pytest.StashKey[str]()
"""The name of a test, before pytest-xdist adds its group."""

MARKER = {
    "baseline": "@pytest.mark.pachinko(baseline=False)",
    "clock": '@pytest.mark.pachinko(clock="autojump")',
    "contract": "@pytest.mark.pachinko(contract=False)",
    "manager": '@pytest.mark.pachinko(manager="/rooms/{room}")',
    "server": '@pytest.mark.pachinko(server={"ws": "wsproto", "tls": True})',
    "transport": '@pytest.mark.pachinko(transport="memory")',
}
"""What the marker takes, each with an example."""


def option(config: pytest.Config, name: str) -> str:
    """Return an option of the command line, or else its twin of the configuration."""
    value = config.getoption(f"--{name.replace('_', '-')}")
    return str(config.getini(name) if value is None else value)


def path_option(config: pytest.Config, name: str) -> Path | None:
    """Return the path that an option names, in the configuration from the root directory."""
    given = config.getoption(f"--{name.replace('_', '-')}")
    base = config.rootpath if given is None else config.invocation_params.dir
    named = option(config, name)
    return base / named if named else None


def flag(config: pytest.Config, name: str) -> bool:
    """Return whether an option of the command line is given, or its twin of the configuration."""
    given = config.getoption(f"--{name.replace('_', '-')}")
    return bool(config.getini(name) if given is None else given)


def marked(node: Any, name: str, default: Any) -> Any:
    """Return what the marker of a test says, the closest one first."""
    value = default
    for marker in reversed(list(node.iter_markers("pachinko"))):
        unknown = [*marker.args, *(key for key in marker.kwargs if key not in MARKER)]
        if unknown:
            pytest.fail(
                f"@pytest.mark.pachinko does not take {unknown[0]!r}.\n"
                f"Hint: {' or '.join(MARKER.values())}",
                pytrace=False,
            )
        value = marker.kwargs.get(name, value)
    return value


def traces_of(item: pytest.Item) -> list[Trace]:
    """Return the traces of a test, each once."""
    traces = [trace for source in item.stash.get(SOURCES, []) for trace in source.traces]
    return list({id(trace): trace for trace in traces}.values())


class Hooks:
    """The hooks that a project may implement, in a ``conftest.py`` or a plugin of its own."""

    @pytest.hookspec(firstresult=True)
    def pytest_pachinko_connection(self, route: Route) -> dict[str, Any] | None:
        """Say how ``--pachinko-fuzz`` opens connections to a route.

        Args:
            route: The route, with ``path``, ``subprotocol``, ``schema``, ``emits`` and
                ``resource``.

        Returns:
            A dict with any of ``headers``, ``cookies``, ``query`` (parameters of the query) and
            ``params`` (for fields of the path, a value or a Hypothesis strategy); None to leave it
            to others.
        """

    @pytest.hookspec
    def pytest_pachinko_checks(self, route: Route, checks: list[Check]) -> None:
        """Add to the checks that ``--pachinko-fuzz`` makes, or leave some out.

        Args:
            route: The route.
            checks: The checks, to be changed in place: functions of a ``Played``, each of which
                raises an ``AssertionError`` if it does not hold.
        """
