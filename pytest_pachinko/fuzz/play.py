"""Playing a stream against an application, and checking what came of it."""

from __future__ import annotations

from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.errors import CheckFailed
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.fuzz.checks import apply
from pytest_pachinko.fuzz.checks import CHECKS
from pytest_pachinko.fuzz.played import Handshake
from pytest_pachinko.fuzz.played import run
from pytest_pachinko.fuzz.reproducer import report
from pytest_pachinko.stream import Stream
from pytest_pachinko.trace.explain import trace_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping
    from collections.abc import Sequence

    from pytest_pachinko.fuzz.checks import Check
    from pytest_pachinko.fuzz.played import Played
    from pytest_pachinko.headers import HeaderSource
    from pytest_pachinko.trace.record import Trace

__all__ = ["play"]

__tracebackhide__ = True  # a failure is shown in the test, not in here


def play(
    app: Any,
    path: str,
    stream: Iterable[Any],
    *,
    headers: HeaderSource | None = None,
    subprotocols: Sequence[str] | None = None,
    cookies: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    schema: Any = None,
    emits: Any = None,
    lifespan: bool = True,
    checks: Sequence[Check] | None = None,
    timeout: float = 1.0,
) -> Trace:
    """Play a stream against an application in memory, and check what it does.

    It runs to its end before it returns, in an event loop on virtual time and in a context of its
    own, so it is for tests that are no async functions::

        @given(strategies.message_streams(Join | Say, connections=2))
        def test_the_room_survives(stream):
            play(create_app, "/chat/rooms/tea", stream)

    Args:
        app: An ASGI application, or a function without arguments that makes one. The function is
            called for each play: nothing of one is left in the next.
        path: The path, with its query; or a template, whose fields the stream's peers fill.
        stream: Steps, or messages, which are sent on one connection.
        headers: Headers of each request.
        subprotocols: What each peer offers, unless the stream says something else.
        cookies: Cookies of each request.
        params: Parameters to add to the query.
        schema: What a client may send, where that is no resource of ours, which says it.
        emits: What the application may send, where that is no resource of ours.
        lifespan: Whether to run the application's lifespan.
        checks: What has to hold; if not given, ``CHECKS``, and that a connection is accepted.
        timeout: Seconds of real time that a wait may take while a socket or a thread is open; ten
            times as long, and code that never gives way is stopped.

    Returns:
        What crossed the wire on all connections. They are called ``c1``, ``c2`` and so on.

    Raises:
        Exception: What the application has raised.
        CheckFailed: Another check does not hold.
        LifespanFailed: The application did not start, or stop.
        PachinkoUsageError: The path cannot be filled, or there is an event loop already.
    """
    handshake = Handshake(path, headers, subprotocols, cookies, params, schema, emits)
    steps = stream if isinstance(stream, Stream) else Stream(stream)
    played = run(app, handshake, steps, lifespan=lifespan, timeout=timeout)
    if checks is None and _is_turned_away(played):
        raise CheckFailed(
            "Every connection was refused, so nothing was played:\n"
            + "\n".join(trace_lines(played.trace, 1))
            + "\nHint: headers=..., cookies=... or subprotocols=... for play(), as a client has "
            "them; with checks=CHECKS that is no failure."
        )
    for check in CHECKS if checks is None else checks:
        try:
            apply(check, played)
        except PachinkoUsageError:
            raise
        except Exception as error:
            for note in report(played, check, error):
                error.add_note(note)
            raise
    return played.trace


def _is_turned_away(played: Played) -> bool:
    """Return whether nothing was played, because the application wanted nobody in."""
    went_wrong = played.stalled or played.errors or any(line.failures for line in played.lines)
    return bool(played.lines and not went_wrong and all(line.refused for line in played.lines))
