"""What the parts of the plugin know of a test and of its configuration.

Imported by every pytest run, like the plugin itself: pytest alone is needed here.
"""

from __future__ import annotations

from typing import Any
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_pachinko.trace.record import Trace

__all__ = ["MARKER", "NODE_ID", "SOURCES", "marked", "option", "traces_of"]

SOURCES = pytest.StashKey["list[Any]"]()
"""What a test has opened sessions with: each with the attribute ``traces``."""

NODE_ID = pytest.StashKey[str]()
"""The name of a test, before pytest-xdist adds its group."""

MARKER = {
    "baseline": "@pytest.mark.pachinko(baseline=False)",
    "clock": '@pytest.mark.pachinko(clock="autojump")',
    "server": '@pytest.mark.pachinko(server={"ws": "wsproto", "tls": True})',
    "transport": '@pytest.mark.pachinko(transport="memory")',
}
"""What the marker takes, each with an example."""


def option(config: pytest.Config, name: str) -> str:
    """Return an option of the command line, or else its twin of the configuration."""
    value = config.getoption(f"--{name.replace('_', '-')}")
    return str(config.getini(name) if value is None else value)


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
