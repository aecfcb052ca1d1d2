"""The toolkits that take part, one module each.

A module has ``client()``, a context manager around everything that is not measured. It
yields a function without arguments that returns the toolkit's own context manager for one
connection to an echo application; the session that this one yields has ``send_json`` and
``receive_json``. All of them are async unless the toolkit is threaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Toolkit", "find_toolkits"]


@dataclass(frozen=True)
class Toolkit:
    """A toolkit that is installed.

    Attributes:
        name: What the tables call it.
        client: See this module.
        threaded: Whether it runs the application in a thread, and the test without a loop.
    """

    name: str
    client: Callable[[], Any]
    threaded: bool


# By name: its module, what it needs beyond our own requirements, whether it is threaded.
_KNOWN = {
    "pachinko": ("pachinko", (), False),
    "conductor": ("conductor", (), False),
    "Starlette": ("starlette", ("starlette", "httpx"), True),
    "Channels": ("channels", ("channels", "daphne"), False),
    "httpx-ws": ("httpx_ws", ("httpx-ws", "starlette"), False),
    "Litestar": ("litestar", ("litestar", "httpx"), True),
}


def find_toolkits() -> tuple[list[Toolkit], list[str]]:
    """Return the toolkits that are installed, and a line for each that is not."""
    found = []
    skipped = []
    for name, (module, packages, threaded) in _KNOWN.items():
        missing = [each for each in packages if find_spec(each.replace("-", "_")) is None]
        if missing:
            names = " ".join(missing)
            skipped.append(
                f"skipped {name}: pip install {names} (or -r tests/benchmarks/requirements.txt)"
            )
        else:
            client = import_module(f"{__name__}.{module}").client
            found.append(Toolkit(name, client, threaded))
    return found, skipped
