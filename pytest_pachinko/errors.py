"""Every error that the toolkit raises.

::

    Exception
    ├── PachinkoUsageError            the test, not the application, is wrong
    │   └── InvalidDocument           an AsyncAPI document cannot be used
    └── AssertionError
        └── ApplicationFailure        the application did not do what the test expects
            ├── Stalled               what a test waits for did not come
            ├── UnexpectedMessage     something else came
            ├── BroadcastFailed       a message reached others than it should
            ├── SessionClosed         the connection has ended
            ├── HandshakeDenied       the application refused the connection
            ├── ConnectionFailed      no connection to a server came about
            ├── LeftBehind            something of the connection outlived it
            ├── CheckFailed           a check of a play does not hold
            ├── ContractViolated      an AsyncAPI document does not allow what was said
            └── LifespanFailed        the application did not start, or stop

Each message says what happened, what was expected, what came last, and gives one hint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pachinko.asyncapi.problem import Problem
    from pytest_pachinko.contract import Violation
    from pytest_pachinko.headers import Headers

__all__ = [
    "ApplicationFailure",
    "BroadcastFailed",
    "CheckFailed",
    "ConnectionFailed",
    "ContractViolated",
    "HandshakeDenied",
    "InvalidDocument",
    "LeftBehind",
    "LifespanFailed",
    "PachinkoUsageError",
    "SessionClosed",
    "Stalled",
    "UnexpectedMessage",
    "missing",
]


class PachinkoUsageError(Exception):
    """The toolkit was used in a way that cannot work; the message says what to write."""


class InvalidDocument(PachinkoUsageError):  # noqa: N818 - it says what is wrong with what
    """An AsyncAPI document cannot be used.

    Attributes:
        problems: What is wrong with it.
    """

    def __init__(self, message: str, problems: Sequence[Problem]) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class ApplicationFailure(AssertionError):  # noqa: N818 - its subclasses say what happened
    """Base class of what the toolkit says about the application under test."""


class Stalled(ApplicationFailure):
    """What a test waits for did not come."""


class UnexpectedMessage(ApplicationFailure):
    """A frame or an end came that is not the one that was expected.

    Attributes:
        payload: The frame as it arrived, or None if it was not a frame.
    """

    def __init__(self, message: str, payload: str | bytes | None = None) -> None:
        super().__init__(message)
        self.payload = payload


class BroadcastFailed(ApplicationFailure):
    """A message did not reach exactly those connections that it should.

    Attributes:
        missing: The names of those that should have got it, once, and have not.
        others: The names of those that have got it and should not.
    """

    def __init__(self, message: str, missing: Sequence[str], others: Sequence[str]) -> None:
        super().__init__(message)
        self.missing = tuple(missing)
        self.others = tuple(others)


class SessionClosed(ApplicationFailure):
    """The connection has ended.

    Attributes:
        code: The close code (RFC 6455, section 7.4).
        reason: The reason that was sent with it, or the empty string.
    """

    def __init__(self, message: str, code: int, reason: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class HandshakeDenied(ApplicationFailure):
    """The application refused the connection.

    Attributes:
        status: The HTTP status that a client sees.
        headers: The headers of the response.
        body: The body of the response.
        close_code: The code with which the application closed before accepting, which a
            client of a real server never sees; None if it sent a response of its own.
    """

    def __init__(
        self, message: str, status: int, headers: Headers, body: bytes, close_code: int | None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.body = body
        self.close_code = close_code


class ConnectionFailed(ApplicationFailure):
    """No connection to a server came about: its cause says why."""


class LeftBehind(ApplicationFailure):
    """Something of the connection outlived it."""


class CheckFailed(ApplicationFailure):
    """Something that holds for every application does not hold for this one.

    Attributes:
        at: The connection and the index of the event at which that shows, if there is one.
    """

    def __init__(self, message: str, at: tuple[str, int] | None = None) -> None:
        super().__init__(message)
        self.at = at


class ContractViolated(ApplicationFailure):
    """An AsyncAPI document does not allow what was said on a connection.

    Attributes:
        violations: What it does not allow, each with ``index``, the place of a frame in its trace.
    """

    def __init__(self, message: str, violations: Sequence[Violation]) -> None:
        super().__init__(message)
        self.violations = tuple(violations)


class LifespanFailed(ApplicationFailure):
    """The application's lifespan reported a failure."""


def missing(feature: str, error: ImportError, extra: str = "testing") -> PachinkoUsageError:
    """Make the error for a feature whose package is not installed."""
    return PachinkoUsageError(
        f"{feature} needs {error.name}, which is not installed.\n"
        f"Hint: pip install 'falcon-pachinko[{extra}]'"
    )


# Tracebacks and pytest name a class by its module: the one to import it from.
for _name in __all__[:-1]:
    globals()[_name].__module__ = "pytest_pachinko"
