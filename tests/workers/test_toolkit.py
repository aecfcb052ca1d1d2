"""Workers of an application under test: a crash is the test's to see, and pytest goes on."""

import asyncio
from collections.abc import Callable
from typing import Any

import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko import WorkerController
from pytest_pachinko import CHECKS
from pytest_pachinko import LifespanFailed
from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from pytest_pachinko import play
from pytest_pachinko import Stream
from pytest_pachinko import Wait
from pytest_pachinko.clock import VirtualClock


class BoomError(Exception):
    """What a worker raises here."""


class Crash(msgspec.Struct, tag="crash"):
    """Let the worker crash."""


class Page(WebSocketResource):
    schema = Crash
    crash: asyncio.Event

    async def on_crash(self, ws: Any, message: Crash) -> None:
        self.crash.set()


def create_app(on_crash: Any, *, at_shutdown: bool = False) -> Any:
    crash = asyncio.Event()
    workers = WorkerController(on_crash=on_crash)

    @workers.worker
    async def work() -> None:
        try:
            await crash.wait()
        finally:
            if crash.is_set() or at_shutdown:
                crash.clear()
                raise BoomError

    router = WebSocketRouter()
    router.add_route("/", type("Page", (Page,), {"crash": crash}))
    app = falcon.asgi.App(middleware=[workers])
    install(app, router)
    return app


# A crash that stops the server.


@pytest.mark.asyncio
async def test_who_waits_learns_what_stops_the_server() -> None:
    connect = MemoryTransport(create_app("stop"))

    async with connect("/") as session:
        await session.send(Crash())
        with pytest.raises(BoomError):
            await session.receive()


@pytest.mark.asyncio
async def test_every_open_session_learns_what_stops_the_server() -> None:
    connect = MemoryTransport(create_app("stop"))

    with pytest.raises(BoomError):
        async with connect("/") as one:
            with pytest.raises(BoomError):
                async with connect("/"):
                    await one.send(Crash())


@pytest.mark.asyncio
async def test_what_stops_the_server_is_raised_once_where_it_is_not_caught() -> None:
    with pytest.raises(BoomError) as caught:
        async with MemoryTransport(create_app("stop")) as connect:
            async with connect("/") as one, connect("/"):
                await one.send(Crash())

    assert not hasattr(caught.value, "__notes__")


@pytest.mark.asyncio
async def test_a_session_of_a_server_learns_what_stops_it() -> None:
    async with LiveServer(create_app("stop")) as server:
        async with server.client().connect("/") as session:
            await session.send(Crash())
            with pytest.raises(BoomError):
                await session.receive()


@pytest.mark.asyncio
async def test_without_a_session_it_is_raised_where_the_application_stops(
    websocket_clock: VirtualClock,
) -> None:
    app = create_app("stop", at_shutdown=True)

    for transport in (MemoryTransport(app), LiveServer(app)):
        with pytest.raises(BoomError):
            async with transport:
                await websocket_clock.quiescent()


@pytest.mark.asyncio
async def test_a_crash_is_told_beside_a_shutdown_that_fails(websocket_clock: VirtualClock) -> None:
    class Broken:
        async def process_shutdown(self, scope: Any, event: Any) -> None:
            raise OSError

    app = create_app("restart", at_shutdown=True)
    app.add_middleware(Broken())
    app._unprepared_middleware.reverse()  # the last one is the first to stop

    with pytest.raises(LifespanFailed, match="OSError") as caught:
        async with MemoryTransport(app):
            await websocket_clock.quiescent()

    assert isinstance(caught.value.__cause__, BoomError)


@pytest.mark.asyncio
async def test_a_session_that_raises_nothing_of_the_application_hears_nothing() -> None:
    async with MemoryTransport(create_app("stop")) as connect:
        async with connect("/", raise_app_exceptions=False) as session:
            await session.send(Crash())
            await session.expect_silence()


# A crash that does not.


@pytest.mark.asyncio
async def test_a_crash_with_a_restart_is_raised_when_a_session_is_left() -> None:
    connect = MemoryTransport(create_app("restart"))

    with pytest.raises(BoomError):
        async with connect("/") as session:
            await session.send(Crash())
            await session.expect_silence()
            await session.send(Crash())


@pytest.mark.asyncio
async def test_a_crash_with_a_restart_may_be_none_of_a_sessions_business() -> None:
    async with MemoryTransport(create_app("restart")) as connect:
        async with connect("/", raise_app_exceptions=False) as session:
            await session.send(Crash())


@pytest.mark.asyncio
async def test_a_test_that_fails_by_itself_learns_of_the_crash_too() -> None:
    connect = MemoryTransport(create_app("restart"))

    with pytest.raises(ValueError, match="mine") as caught:
        async with connect("/") as session:
            await session.send(Crash())
            raise ValueError("mine")

    assert isinstance(caught.value.__cause__, BoomError)


# The rest of the toolkit.


@pytest.mark.parametrize("on_crash", ["restart", "stop"])
def test_a_play_reports_a_crash(on_crash: str) -> None:
    with pytest.raises(BoomError):
        play(lambda: create_app(on_crash), "/", Stream([Crash(), Wait(1)]))


def test_a_play_reports_a_crash_at_the_shutdown() -> None:
    with pytest.raises(BoomError):
        play(lambda: create_app("stop", at_shutdown=True), "/", Stream([Wait(1)]), checks=CHECKS)


def test_pytest_goes_on_after_a_crash_that_stops_the_server(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\nasyncio_mode = auto\npachinko_app = app:create_app\n")
    pytester.makepyfile(
        app="""
        import falcon.asgi
        from falcon_pachinko import *

        def create_app():
            workers = WorkerController(on_crash="stop")

            @workers.worker
            async def feed():
                raise ConnectionError("the feed is down")

            class Resource:
                async def on_websocket(self, req, ws):
                    await ws.accept()
                    await ws.receive_text()

            app = falcon.asgi.App(middleware=[workers])
            app.add_route("/", Resource())
            return app
        """,
        test_app="""
        async def test_a_session(websocket_connect):
            async with websocket_connect("/") as session:
                await session.receive()

        async def test_on_a_server(websocket_live_server):
            pass

        def test_the_next():
            pass
        """,
    )

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_on_a_server*",
            "*test_a_session*",
            "E       ConnectionError: the feed is down",
        ]
    )


def test_what_somebody_is_told_is_not_kept(make_lifespan: Callable[..., Any]) -> None:
    life = make_lifespan(told=True)

    life._stopped_by(BoomError())

    assert life.belongings.failures == []


def test_an_ordinary_end_of_a_connection_is_none_of_a_worker(
    make_lifespan: Callable[..., Any],
) -> None:
    life = make_lifespan(told=False)
    error = falcon.WebSocketDisconnected()

    life._stopped_by(error)

    assert life.belongings.failures == [error]


def test_what_nobody_is_told_is_kept(make_lifespan: Callable[..., Any]) -> None:
    life = make_lifespan(told=False)
    error = BoomError()

    life._stopped_by(error)

    assert life.belongings.failures == [error]


@pytest.fixture
def make_lifespan() -> Callable[..., Any]:
    from pytest_pachinko.lifespan import Lifespan

    def make(*, told: bool) -> Lifespan:
        return Lifespan(None, lambda _: told)  # type: ignore[arg-type]

    return make
