"""Which exceptions of an application reach the test."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import falcon
import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import HandshakeDenied
from pytest_pachinko import MemoryTransport
from pytest_pachinko import SessionClosed
from pytest_pachinko.surface import listening

pytestmark = pytest.mark.asyncio


class SpilledError(Exception):
    pass


@pytest.fixture
def raising(falcon_app: Any) -> Any:
    """Make an app that accepts, reads a frame and raises."""

    def raising(error: Exception) -> Any:
        async def on_websocket(req: Any, ws: Any) -> None:
            await ws.accept()
            await ws.receive_text()
            raise error

        return falcon_app(on_websocket)

    return raising


async def test_what_a_handler_raises_is_raised_at_the_next_await(raising: Any) -> None:
    with pytest.raises(SpilledError, match="milk"):
        async with MemoryTransport(raising(SpilledError("milk")))("/") as session:
            await session.send("x")
            await session.receive()
            pytest.fail("nothing was raised")


async def test_what_nobody_awaits_is_raised_at_the_end_of_the_block(raising: Any) -> None:
    with pytest.raises(SpilledError):
        async with MemoryTransport(raising(SpilledError()))("/") as session:
            await session.send("x")


async def test_a_test_that_failed_already_has_it_as_its_cause(raising: Any) -> None:
    with pytest.raises(KeyError) as caught:
        async with MemoryTransport(raising(SpilledError()))("/") as session:
            await session.send("x")
            raise KeyError

    assert isinstance(caught.value.__cause__, SpilledError)


async def test_a_cause_that_is_there_already_stays(raising: Any) -> None:
    with pytest.raises(KeyError) as caught:
        async with MemoryTransport(raising(SpilledError()))("/") as session:
            await session.send("x")
            raise KeyError from ValueError()

    assert isinstance(caught.value.__cause__, ValueError)


async def test_it_can_be_left_to_the_close_code(raising: Any) -> None:
    connect = MemoryTransport(raising(SpilledError()))
    async with connect("/", raise_app_exceptions=False) as session:
        await session.send("x")
        with pytest.raises(SessionClosed) as caught:
            await session.receive()

    assert caught.value.code == 1011


@pytest.mark.parametrize(
    "error",
    [falcon.HTTPForbidden(), falcon.HTTPStatus(404), falcon.WebSocketDisconnected()],
)
async def test_an_ordinary_end_is_no_failure(raising: Any, error: Exception) -> None:
    async with MemoryTransport(raising(error))("/") as session:
        await session.send("x")
        with pytest.raises(SessionClosed):
            await session.receive()


async def test_an_error_with_a_handler_of_the_user_is_no_failure(raising: Any) -> None:
    app = raising(SpilledError())

    async def mop(req: Any, resp: Any, error: Any, params: Any, ws: Any = None) -> None:
        await ws.close(4000)

    app.add_error_handler(SpilledError, mop)
    async with MemoryTransport(app)("/") as session:
        await session.send("x")
        with pytest.raises(SessionClosed) as caught:
            await session.receive()

    assert caught.value.code == 4000


async def test_an_error_before_the_accept_is_raised_by_the_connect(falcon_app: Any) -> None:
    async def on_websocket(req: Any, ws: Any) -> None:
        raise SpilledError

    with pytest.raises(SpilledError):
        async with MemoryTransport(falcon_app(on_websocket))("/"):
            pass


async def test_the_error_reporter_of_the_user_still_hears_it(raising: Any) -> None:
    app = raising(SpilledError())
    heard = []
    app.set_error_reporter(lambda req, error, params, handled: heard.append(error))

    with pytest.raises(SpilledError) as caught:
        async with MemoryTransport(app)("/") as session:
            await session.send("x")

    assert heard == [caught.value]


async def test_listeners_may_leave_in_any_order(falcon_app: Any) -> None:
    app = falcon_app(None)
    before = app._report_error
    first, second = listening(app), listening(app)

    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)

    assert app._report_error is before


async def test_a_reporter_that_was_set_meanwhile_stays(falcon_app: Any) -> None:
    app = falcon_app(None)

    def reporter(req: Any, error: Any, params: Any, handled: Any) -> None: ...

    with listening(app):
        app.set_error_reporter(reporter)

    assert app._report_error is reporter


async def test_an_error_outside_of_every_connection_is_left_to_the_user(falcon_app: Any) -> None:
    app = falcon_app(None)

    with listening(app):
        app._report_error(None, SpilledError(), {}, handled=True)
        logging.getLogger("falcon_pachinko").error("x", exc_info=SpilledError())


async def test_an_app_is_found_inside_of_middleware(raising: Any) -> None:
    class Middleware:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, *args: Any) -> None:
            await self.app(*args)

    with pytest.raises(SpilledError):
        async with MemoryTransport(Middleware(raising(SpilledError())))("/") as session:
            await session.send("x")


async def test_middleware_that_never_ends_in_an_app_is_no_trouble() -> None:
    class Circle:
        @property
        def app(self) -> Any:
            return self

    with listening(Circle()):
        pass


async def test_what_the_runtime_logs_without_an_exception_is_not_raised(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        logging.getLogger("falcon_pachinko").error("mind the gap")
        await receive()

    async with talk_to(handler):
        pass


async def test_what_the_runtime_logs_with_an_exception_is_raised(talk_to: Any) -> None:
    async def handler(receive: Any, send: Any) -> None:
        logging.getLogger("falcon_pachinko").error("it broke", exc_info=SpilledError())
        await receive()

    with pytest.raises(SpilledError):
        async with talk_to(handler):
            pass


async def test_a_failed_background_task_is_raised_at_the_end(talk_to: Any) -> None:
    tasks = []

    async def spill() -> None:
        raise SpilledError

    async def handler(receive: Any, send: Any) -> None:
        tasks.append(asyncio.create_task(spill()))
        await receive()

    with pytest.raises(SpilledError):
        async with talk_to(handler):
            pass


async def test_a_background_task_whose_peer_has_left_is_no_failure(falcon_app: Any) -> None:
    tasks = []

    async def tick(ws: Any) -> None:
        while True:
            await ws.send_text("tick")
            await asyncio.sleep(1)

    async def on_websocket(req: Any, ws: Any) -> None:
        await ws.accept()
        tasks.append(asyncio.create_task(tick(ws)))
        await tasks[0]

    async with MemoryTransport(falcon_app(on_websocket))("/") as session:
        await session.receive()

    async def lonely(req: Any, ws: Any) -> None:
        await ws.accept()
        tasks[:] = [asyncio.create_task(tick(ws))]
        try:
            await ws.receive_text()
        except falcon.WebSocketDisconnected:
            await asyncio.wait(tasks)

    async with MemoryTransport(falcon_app(lonely))("/") as session:
        await session.receive()

    assert isinstance(tasks[0].exception(), falcon.WebSocketDisconnected)


async def test_a_task_whose_exception_was_seen_is_no_failure(talk_to: Any) -> None:
    async def spill() -> None:
        raise SpilledError

    async def handler(receive: Any, send: Any) -> None:
        await asyncio.gather(spill(), return_exceptions=True)
        await receive()

    async with talk_to(handler):
        pass


async def test_a_refused_handshake_is_no_exception_of_the_application(falcon_app: Any) -> None:
    async def on_websocket(req: Any, ws: Any) -> None:
        raise falcon.HTTPForbidden

    with pytest.raises(HandshakeDenied):
        async with MemoryTransport(falcon_app(on_websocket))("/"):
            pass


async def test_the_runtime_reports_a_schema_that_breaks() -> None:
    class Broken(msgspec.Struct, tag="broken"):
        def __post_init__(self) -> None:
            raise SpilledError

    class Resource(WebSocketResource):
        schema = Broken

        async def on_connect(self, req: Any, ws: Any) -> bool:
            return True

        async def on_broken(self, ws: Any, message: Broken) -> None: ...

    router = WebSocketRouter()
    router.add_route("/", Resource)
    app = falcon.asgi.App()
    install(app, router)

    with pytest.raises(SpilledError):
        async with MemoryTransport(app)("/") as session:
            await session.send({"type": "broken"})
