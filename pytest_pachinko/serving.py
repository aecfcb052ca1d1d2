"""What is said to uvicorn, wherever it serves: in the loop of a test, or in a process."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from pytest_pachinko.errors import missing
from pytest_pachinko.errors import PachinkoUsageError

__all__ = ["uvicorn_config"]

# Of uvicorn's options, those for which a server in the loop of a test has no use.
_OURS = frozenset(
    {
        "app",
        "env_file",
        "factory",
        "fd",
        "host",
        "interface",
        "lifespan",
        "log_config",
        "loop",
        "port",
        "reload",
        "reload_delay",
        "reload_dirs",
        "reload_excludes",
        "reload_includes",
        "ssl_ca_certs",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_ciphers",
        "ssl_context_factory",
        "ssl_keyfile",
        "ssl_keyfile_password",
        "ssl_version",
        "uds",
        "workers",
    }
)


def uvicorn_config(app: Any, options: dict[str, Any], who: str, **ours: Any) -> Any:
    """Return the configuration of a server.

    Args:
        app: The ASGI application.
        options: Arguments of ``uvicorn.Config`` that somebody has chosen.
        who: What to call the server.
        **ours: Arguments that are the server's own.

    Raises:
        PachinkoUsageError: uvicorn has no such option or is not installed.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise missing(who, error) from error
    known = set(inspect.signature(uvicorn.Config).parameters)
    for name in options:
        if name in known - _OURS:
            continue
        near = difflib.get_close_matches(name, known - _OURS, 1)
        why = "is the server's own to choose" if name in known else "is none of uvicorn's"
        raise PachinkoUsageError(
            f"{who}({name}=...): that option {why}.\n"
            f"Hint: {near[0] + '=...' if near else 'see uvicorn.Config'}"
        )
    config = uvicorn.Config(app, interface="asgi3", **ours | options)
    for name, table in (
        ("ws", uvicorn.config.WS_PROTOCOLS),
        ("http", uvicorn.config.HTTP_PROTOCOLS),
    ):
        value = options.get(name)
        if isinstance(value, str) and ":" not in value and value not in table:
            raise PachinkoUsageError(
                f"{who}({name}={value!r}): uvicorn has {', '.join(map(repr, table))}."
            )
    return config
