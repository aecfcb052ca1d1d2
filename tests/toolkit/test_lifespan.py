"""The lifespan of an application in memory."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

import falcon.asgi
import pytest

from pytest_pachinko import lifespan
from pytest_pachinko import LifespanFailed
from pytest_pachinko import MemoryTransport
from pytest_pachinko.lifespan import Lifespan

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifespan, "PATIENCE", 0.01)
    monkeypatch.setattr(lifespan, "GRACE", 0.01)


def app_of(**phases: Any) -> Any:
    """Make an app that answers each phase with an event, an exception, or not at all."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in phases:
            phase = (await receive())["type"].removeprefix("lifespan.")
            answer = phases[phase]
            if answer is None:
                await asyncio.Event().wait()
            if isinstance(answer, Exception):
                raise answer
            await send({"type": f"lifespan.{phase}.{answer}", "message": "out of coffee"})

    return app


async def test_an_app_is_started_and_stopped() -> None:
    events = []

    class Middleware:
        async def process_startup(self, scope: Any, event: Any) -> None:
            events.append("startup")

        async def process_shutdown(self, scope: Any, event: Any) -> None:
            events.append("shutdown")

    async with MemoryTransport(falcon.asgi.App(middleware=[Middleware()])):
        events.append("block")

    assert events == ["startup", "block", "shutdown"]


async def test_an_app_that_raises_at_the_lifespan_is_served_without() -> None:
    life = Lifespan(app_of(startup=ValueError()))

    await life.start()
    await life.stop()


async def test_stopping_what_was_not_started_does_nothing() -> None:
    await Lifespan(app_of()).stop()


async def test_a_start_that_failed_says_why() -> None:
    with pytest.raises(LifespanFailed, match="startup failed: out of coffee"):
        await Lifespan(app_of(startup="failed")).start()


async def test_the_exception_behind_a_failed_start_is_its_cause() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed"})
        raise ValueError

    with pytest.raises(LifespanFailed, match="no message") as caught:
        await Lifespan(app).start()

    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_start_without_an_answer_says_where_the_app_waits() -> None:
    with pytest.raises(LifespanFailed, match=r"(?s)0.01 s have passed.*Event\(\).wait"):
        await Lifespan(app_of(startup=None)).start()


async def test_an_answer_that_nothing_can_bring_about_is_not_waited_for() -> None:
    with pytest.raises(LifespanFailed, match="startup, and nothing can run"):
        async with MemoryTransport(app_of(startup=None)):
            pass


async def test_a_start_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifespan, "PATIENCE", 30.0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for phase in ("startup", "shutdown"):
            await receive()
            await asyncio.sleep(20)
            await send({"type": f"lifespan.{phase}.complete"})

    async with MemoryTransport(app):
        pass


async def test_a_stop_that_failed_says_why() -> None:
    life = Lifespan(app_of(startup="complete", shutdown="failed"))
    await life.start()

    with pytest.raises(LifespanFailed, match="shutdown failed: out of coffee"):
        await life.stop()


async def test_an_exception_after_the_start_is_raised_at_the_stop() -> None:
    life = Lifespan(app_of(startup="complete", shutdown=ValueError("spilled")))
    await life.start()

    with pytest.raises(LifespanFailed, match="ended with ValueError: spilled") as caught:
        await life.stop()

    assert isinstance(caught.value.__cause__, ValueError)


async def test_an_app_may_return_after_its_start() -> None:
    life = Lifespan(app_of(startup="complete"))

    await life.start()
    await life.stop()


async def test_an_app_may_answer_before_it_is_asked() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})
        await receive()

    life = Lifespan(app)

    await life.start()
    await life.stop()


async def test_an_app_that_does_not_return_after_its_stop_is_cancelled() -> None:
    cancelled = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        try:
            await receive()
        except asyncio.CancelledError:
            cancelled.append(scope["type"])
            raise

    life = Lifespan(app)
    await life.start()
    await life.stop()

    assert cancelled == ["lifespan"]


async def test_an_app_may_answer_more_than_once() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.startup.complete"})

    life = Lifespan(app)

    await life.start()
    await life.stop()


async def poll() -> None:
    while True:
        await asyncio.sleep(0)


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_an_app_that_polls_without_end_is_given_up(phase: str) -> None:
    async def middleware(self: Any, scope: Any, event: Any) -> None:
        await poll()

    app = falcon.asgi.App(middleware=[type("M", (), {f"process_{phase}": middleware})()])

    with pytest.raises(LifespanFailed, match=rf"(?s)lifespan\.{phase}.*polls without end.*in poll"):
        async with MemoryTransport(app):
            pass


async def test_a_task_of_the_lifespan_that_cannot_be_cancelled_is_named_and_abandoned() -> None:
    async def stubborn() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    class Middleware:
        async def process_startup(self, scope: Any, event: Any) -> None:
            self.task = asyncio.create_task(stubborn())

    middleware = Middleware()

    with pytest.raises(LifespanFailed, match=r"let itself be cancelled(.|\n)*in .*stubborn"):
        async with MemoryTransport(falcon.asgi.App(middleware=[middleware])):
            pass
    assert middleware.task not in asyncio.all_tasks()


async def test_a_task_of_the_lifespan_may_clean_up_when_it_is_cancelled() -> None:
    cleaned = []

    async def careful() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.005)
            cleaned.append("up")

    class Middleware:
        async def process_startup(self, scope: Any, event: Any) -> None:
            self.task = asyncio.create_task(careful())

    async with MemoryTransport(falcon.asgi.App(middleware=[Middleware()])):
        pass

    assert cleaned == ["up"]


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_an_app_that_exits_is_one_that_fails(phase: str) -> None:
    async def middleware(self: Any, scope: Any, event: Any) -> None:
        sys.exit(3)

    app = falcon.asgi.App(middleware=[type("M", (), {f"process_{phase}": middleware})()])

    with pytest.raises(LifespanFailed, match=r"lifespan calls sys\.exit\(3\)"):
        async with MemoryTransport(app):
            pass


async def test_an_app_that_exits_meanwhile_is_one_that_fails() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        sys.exit(3)

    with pytest.raises(LifespanFailed, match=r"lifespan calls sys\.exit\(3\)"):
        async with MemoryTransport(app):
            await asyncio.sleep(0)
