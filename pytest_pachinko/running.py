"""An application that runs in the event loop of a test, from its start-up to its shutdown."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any
from typing import TYPE_CHECKING

from pytest_pachinko.clock.adopt import adoption_of
from pytest_pachinko.lifespan import Lifespan
from pytest_pachinko.surface import listening
from pytest_pachinko.tasks import noting_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_pachinko.clock.core import Policy

__all__ = ["Running"]

__tracebackhide__ = True  # a failure is shown in the test, not in here


class Running:
    """Everything that holds while an application runs: its lifespan, virtual time, reports.

    Args:
        app: The ASGI application.
        lifespan: Whether to run the application's lifespan.
        policy: When time may move.
        patience: Seconds of real time that a wait may take.
        on_stop: See ``Lifespan``.

    Attributes:
        state: What the lifespan leaves for connections; each gets a copy.
        adoption: The loop, if it can be put on virtual time.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        *,
        lifespan: bool,
        policy: Policy,
        patience: float,
        on_stop: Callable[[BaseException], bool],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._lifespan = Lifespan(app, on_stop) if lifespan else None
        self.state: dict[str, Any] = {} if self._lifespan is None else self._lifespan.state
        self._cleanup = ExitStack()
        adoption = self.adoption = adoption_of(loop)
        if adoption is None:
            self._cleanup.enter_context(noting_tasks(loop))
        else:
            adoption.enter()
            self._cleanup.callback(adoption.exit)
            adoption.clock.patiences[self] = patience
            self._cleanup.callback(adoption.clock.patiences.pop, self)
            adoption.clock.prefer(self, policy)
            self._cleanup.callback(adoption.clock.prefer, self, None)
        self._cleanup.enter_context(listening(app))

    async def start(self) -> None:
        """Run the start-up.

        Raises:
            LifespanFailed: The application said that it failed, or did not answer.
        """
        try:
            if self._lifespan is not None:
                await self._lifespan.start()
        except BaseException:
            self._cleanup.close()
            raise

    def crashes(self) -> list[BaseException]:
        """Return what the application has logged while the lifespan goes on, each once."""
        if self._lifespan is None or not self._lifespan.belongings.failures:
            return []
        belongings = self._lifespan.belongings
        failures, belongings.failures = belongings.failures, []
        return failures

    def failures(self) -> list[BaseException]:
        """Return what tasks of the lifespan have raised, and nobody has seen."""
        return [] if self._lifespan is None else self._lifespan.belongings.hand_over(None)

    async def stop(self) -> None:
        """Run the shutdown.

        Raises:
            LifespanFailed: The application said that it failed, or did not answer.
        """
        try:
            if self._lifespan is not None:
                await self._lifespan.stop()
        finally:
            self._cleanup.close()
