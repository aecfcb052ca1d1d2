"""State machines of Hypothesis whose rules are async and talk to an application in memory."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack
from contextvars import copy_context
from functools import wraps
from typing import Any
from typing import ClassVar
from typing import TYPE_CHECKING

from hypothesis import stateful
from hypothesis import strategies as st

from pytest_pachinko.application import is_factory
from pytest_pachinko.clock.control import loop_factory
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.fuzz.played import close_loop
from pytest_pachinko.fuzz.reproducer import LINES
from pytest_pachinko.memory import MemoryTransport
from pytest_pachinko.quiet import settle
from pytest_pachinko.strategies.messages import tagged_messages
from pytest_pachinko.strategies.types import annotation_of
from pytest_pachinko.strategies.types import variants
from pytest_pachinko.trace.explain import conversation
from pytest_pachinko.trace.record import merged

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Coroutine

    from pytest_pachinko.session import Session
    from pytest_pachinko.trace.record import Trace

__all__ = ["WebSocketStateMachine", "initialize", "invariant", "rule"]

__tracebackhide__ = True  # a failure is shown in the test, not in here


def rule(**kwargs: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make a method a rule, as ``hypothesis.stateful.rule`` does; it may be async.

    Args:
        **kwargs: As for Hypothesis: a strategy for each argument, ``target`` or ``targets``.
    """
    return _decorator(stateful.rule(**kwargs))


def initialize(**kwargs: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make a method an initial rule, as ``hypothesis.stateful.initialize`` does; it may be async.

    Args:
        **kwargs: As for ``rule``.
    """
    return _decorator(stateful.initialize(**kwargs))


def invariant(**kwargs: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make a method an invariant, as ``hypothesis.stateful.invariant`` does; it may be async.

    Args:
        **kwargs: As for Hypothesis: ``check_during_init``.
    """
    return _decorator(stateful.invariant(**kwargs))


def _decorator(decorate: Any) -> Callable[[Callable[..., Any]], Any]:
    def apply(method: Callable[..., Any]) -> Any:
        if not inspect.iscoroutinefunction(method):
            return decorate(method)

        @wraps(method)
        def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            return self.run(method(self, *args, **kwargs))

        return decorate(run)

    return apply


class WebSocketStateMachine(stateful.RuleBasedStateMachine):
    """A state machine whose rules talk to an application, on virtual time.

    Each run has an event loop, a context and a lifespan of its own. After each async rule the
    application runs until it has come to rest; what it raises fails that rule. At the end all
    sessions are closed, and what is left behind is reported.

    Attributes:
        app: The ASGI application, or a function without arguments that makes one for each run.
        path: What ``session`` connects to.
        schema: A union of tagged Structs, for each of which there is a rule ``send_<tag>`` then.
        connections: How many sessions these rules use.

    Example::

        class ChatMachine(WebSocketStateMachine):
            app = staticmethod(create_app)
            path = "/chat/rooms/tea"
            schema = Join | Say

            @invariant()
            def nobody_is_here_twice(self): ...

        TestChat = ChatMachine.TestCase
    """

    app: ClassVar[Any] = None
    path: ClassVar[str] = "/"
    schema: ClassVar[Any] = None
    connections: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make a rule for each tag of the schema, if there is one of the class's own."""
        super().__init_subclass__(**kwargs)
        if vars(cls).get("schema") is None:
            return
        for info in variants(cls.schema):
            name = f"send_{info.tag}"
            if name not in vars(cls):
                setattr(cls, name, _sending(info, name))

    def __init__(self) -> None:
        super().__init__()
        if self.app is None:
            raise PachinkoUsageError(
                f"{type(self).__name__} has no app.\nHint: app = staticmethod(create_app)"
            )
        self._loop = loop_factory()
        self._context = copy_context()
        self._stack = AsyncExitStack()
        self._open: dict[int, Session] = {}
        self._all: list[Session] = []
        app = self.app() if is_factory(self.app) else self.app
        self._transport = MemoryTransport(app)
        self.run(self._stack.enter_async_context(self._transport))

    async def connect(self, path: str | None = None, **options: Any) -> Session:
        """Open a session, which is closed at the end of the run.

        Args:
            path: The path; that of the machine if not given.
            **options: As for ``websocket_connect``.
        """
        opening = self._transport(self.path if path is None else path, **options)
        session = await self._stack.enter_async_context(opening)
        self._all.append(session)
        return session

    async def session(self, number: int = 1) -> Session:
        """Return a session by its number; it is opened if it is not, or has ended.

        Args:
            number: Which one.
        """
        session = self._open.get(number)
        if session is None or session.closed:
            session = self._open[number] = await self.connect(name=f"c{number}")
        return session

    @property
    def trace(self) -> Trace:
        """What crossed the wire in this run, on all sessions."""
        return merged(self._transport.traces)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the event loop of the run, and then the application until it rests.

        Args:
            coroutine: What to run, in a rule that is no async function.

        Returns:
            What the coroutine returns.

        Raises:
            Exception: What it raises, or the application has raised.
        """
        try:
            return self._context.run(self._loop.run_until_complete, self._step(coroutine))
        except Exception as error:
            lines = conversation(self.trace, LINES)
            if lines:
                error.add_note("\n".join(["What crossed the wire:", *lines]))
            raise

    async def _step(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        result = await coroutine
        await settle()
        for session in self._all:
            session._surface()
        return result

    def teardown(self) -> None:
        """Close all sessions, stop the application and close the event loop."""
        self._all = []
        try:
            self.run(self._stack.aclose())
        finally:
            self._context.run(close_loop, self._loop)
            super().teardown()


# A subclass may say another number than the class that has the rules.
_NUMBERS = st.runner().flatmap(lambda machine: st.integers(1, machine.connections))


def _sending(info: Any, name: str) -> Any:
    """Return a rule that sends messages of one type."""

    async def send(self: Any, message: Any, on: int) -> None:
        session = await self.session(on)
        await session.send(message)

    send.__name__ = send.__qualname__ = name
    messages = tagged_messages(annotation_of(info))
    return rule(message=messages, on=_NUMBERS)(send)
