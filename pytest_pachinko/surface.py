"""Which exceptions of an application reach the test, and how they are heard of.

A server logs what an application raises; the peer sees a close code at best. Here it is
raised in the test. Three things report it: the ASGI callable itself, Falcon's error
reporter for what Falcon handles, and the log of ``falcon_pachinko`` for what that survives.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import Any
from typing import TYPE_CHECKING

import falcon.asgi

from pytest_pachinko.endings import is_ordinary_end
from pytest_pachinko.tasks import current_owner

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["falcon_app", "is_ordinary_end", "listening"]


@contextmanager
def listening(app: Any) -> Iterator[None]:
    """Hear what an application and the runtime report, while the block runs.

    Several blocks may listen to one application, and end in any order.
    """
    handler = _LogHandler()
    logger = logging.getLogger("falcon_pachinko")
    logger.addHandler(handler)
    inner = falcon_app(app)
    reporter = None if inner is None else _reporter_of(inner)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        if reporter is not None:
            reporter.leave()


def _reporter_of(app: Any) -> _Reporter:
    reporter = app._report_error
    if isinstance(reporter, _Reporter):
        reporter.users += 1
    else:
        reporter = _Reporter(app, reporter)
        app.set_error_reporter(reporter)
    return reporter


def falcon_app(app: Any) -> Any:
    """Return the Falcon app inside of ASGI middleware, if there is one."""
    for _ in range(16):
        if isinstance(app, falcon.asgi.App):
            return app
        app = getattr(app, "app", None)
    return None


class _Reporter:
    def __init__(self, app: Any, before: Any) -> None:
        self._app = app
        self._before = before
        self.users = 1

    def leave(self) -> None:
        self.users -= 1
        # The application may have set a reporter of its own since, which stays.
        if not self.users and self._app._report_error is self:
            self._app._report_error = self._before

    def __call__(self, req: Any, error: BaseException, params: Any, handled: bool) -> None:  # noqa: FBT001
        if self._before is not None:
            self._before(req, error, params, handled)
        owner = current_owner()
        if owner is not None and self._is_unforeseen(error):
            owner.fail(error)

    def _is_unforeseen(self, error: BaseException) -> bool:
        # An exception for which the user registered a handler is part of the application's
        # behaviour: what it does on the wire is what a test looks at.
        handler = self._app._find_error_handler(error)
        default = falcon.asgi.App._python_error_handler
        return getattr(handler, "__func__", handler) is default


class _LogHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        owner = current_owner()
        if owner is not None and record.exc_info and record.exc_info[1] is not None:
            owner.fail(record.exc_info[1])
