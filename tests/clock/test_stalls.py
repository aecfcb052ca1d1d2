"""What can never happen fails at once, at the await that waits for it, and says why."""

import asyncio
import time
from contextlib import AsyncExitStack

import falcon.asgi
import falcon.testing
import pytest

from pytest_pachinko import Closed
from pytest_pachinko import LeftBehind
from pytest_pachinko import MemoryTransport
from pytest_pachinko import Stalled
from tests.clock.apps import application
from tests.clock.apps import connected
from tests.clock.apps import echo
from tests.clock.apps import heartbeat
from tests.clock.apps import silent

pytestmark = pytest.mark.asyncio


async def test_a_receive_that_nothing_can_satisfy_fails_without_waiting():
    async with connected(silent) as session:
        started = time.process_time()
        with pytest.raises(Stalled, match="no frame came, and nothing can run"):
            await session.receive()

    assert time.process_time() - started < 0.5


async def test_the_application_goes_on_after_a_stall():
    async with connected(echo) as session:
        with pytest.raises(Stalled):
            await session.receive()

        await session.send("still there?")
        assert await session.receive() == "still there?"


async def test_a_stall_names_the_line_of_the_test_and_of_the_application():
    async def handle(wire):
        await asyncio.Event().wait()

    async with MemoryTransport(application(handle)) as connect:
        with pytest.raises(Stalled) as caught:
            async with connect("/") as session:
                await session.receive()  # the line of the test

    text = str(caught.value)
    assert "await session.receive()  # the line of the test" in text
    assert "in test_a_stall_names_the_line" in text
    assert "handle: await asyncio.Event().wait() (waits for Event.wait)" in text


async def test_an_application_that_waits_for_a_frame_is_said_to():
    class Resource:
        async def on_websocket(self, req, ws):
            await ws.accept()
            await ws.receive_text()

    app = falcon.asgi.App()
    app.add_route("/", Resource())
    async with MemoryTransport(app) as connect, connect("/", raise_app_exceptions=False) as session:
        with pytest.raises(Stalled, match=r"on_websocket: await ws\.receive_text\(\)"):
            await session.receive()


async def test_a_stall_gives_the_parameter_that_would_reach_the_next_timer():
    async with connected(heartbeat) as session:
        with pytest.raises(Stalled) as caught:
            await session.receive()

        assert "+30.000 s wakes heartbeat at " in str(caught.value)
        assert "Or is time to pass: receive(..., within=30)" in str(caught.value)
        assert await session.receive(within=30) == "beat"


async def test_two_handlers_on_two_locks_are_both_named():
    first, second = asyncio.Lock(), asyncio.Lock()

    async def handle(wire):
        one, two = (first, second) if await wire.receive() == "a" else (second, first)
        async with one:
            await asyncio.sleep(0)
            async with two:
                await wire.send("never")

    async with MemoryTransport(application(handle)) as connect:
        ann, bob = connect("/", name="ann"), connect("/", name="bob")
        with pytest.raises(Stalled) as caught:
            async with ann as a, bob as b:
                await a.send("a")
                await b.send("b")
                await a.receive()

    assert "app      ann: " in str(caught.value)
    assert "app      bob: " in str(caught.value)
    assert str(caught.value).count("async with two: (waits for Lock.acquire)") == 2
    assert any("does not return after its connection ended" in n for n in caught.value.__notes__)


async def test_the_oldest_wait_fails_first_and_may_satisfy_the_next():
    async with MemoryTransport(application(echo)) as connect:
        async with connect("/") as one, connect("/") as two:

            async def give_up():
                with pytest.raises(Stalled):
                    await one.receive()
                await two.send("rescued")

            _, text = await asyncio.gather(give_up(), two.receive())

    assert text == "rescued"


async def test_an_event_that_nobody_sets_fails_the_test_itself():
    async with connected(silent):
        with pytest.raises(Stalled, match="The test waits for something"):
            await asyncio.Event().wait()


async def test_a_task_of_the_test_fails_through_gather_and_task_groups():
    async def wait():
        await asyncio.Event().wait()

    async with connected(silent):
        with pytest.raises(Stalled):
            await asyncio.gather(wait())
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(wait())

    assert caught.group_contains(Stalled)


async def test_a_handshake_that_is_never_answered_fails():
    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            await asyncio.Event().wait()

    async with MemoryTransport(app, lifespan=False) as connect:
        with pytest.raises(Stalled, match="the handshake is not answered") as caught:
            async with connect("/"):
                pass

    assert "on_connect must accept or refuse" in str(caught.value)


async def test_an_application_that_polls_without_end_is_a_livelock():
    async def handle(wire):
        while True:
            await asyncio.sleep(0)

    async with MemoryTransport(application(handle)) as connect:
        with pytest.raises(Stalled, match="polls without end") as caught:
            async with connect("/") as session:
                await session.receive()

    assert "handle: await asyncio.sleep(0)" in str(caught.value)


async def test_a_test_that_polls_without_end_is_a_livelock():
    async with MemoryTransport(application(silent)) as connect:
        with pytest.raises(Stalled, match="polls without end"):
            async with connect("/"):
                while True:
                    await asyncio.sleep(0)

    assert asyncio.current_task().cancelling() == 0


async def test_twenty_thousand_echoes_are_no_livelock():
    async with connected(echo) as session:
        for _ in range(20_000):
            await session.send("x")
            await session.receive()


async def test_falcons_own_conductor_polls_and_is_reported():
    class Resource:
        async def on_websocket(self, req, ws):
            await ws.accept()
            await ws.receive_text()

    app = falcon.asgi.App()
    app.add_route("/", Resource())
    async with connected(silent), falcon.testing.ASGIConductor(app) as conductor:
        with pytest.raises((Stalled, asyncio.CancelledError)):
            async with conductor.simulate_ws("/") as ws:
                await ws.receive_text()
    asyncio.current_task().uncancel()


async def test_a_ticker_of_the_test_does_not_hide_a_stall():
    async def tick():
        while True:
            await asyncio.sleep(0.001)

    async with connected(silent) as session:
        ticker = asyncio.create_task(tick())
        with pytest.raises(Stalled, match="time has moved 100000 times"):
            await session.receive()
        ticker.cancel()


async def test_a_task_that_is_left_behind_is_named():
    async def handle(wire):
        asyncio.get_running_loop().create_task(asyncio.Event().wait(), name="forgotten")
        await wire.until_disconnect()

    with pytest.raises(LeftBehind, match="task   forgotten: "):
        async with connected(handle):
            pass


async def test_a_timer_that_is_left_behind_is_named_and_cancelled():
    async def handle(wire):
        asyncio.get_running_loop().call_later(3600, print, "too late")
        await wire.until_disconnect()

    with pytest.raises(LeftBehind, match="timer  calls print"):
        async with connected(handle):
            pass


async def test_a_task_that_refuses_to_be_cancelled_is_reported():
    released = asyncio.Event()

    async def refuse():
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                pass

    async def handle(wire):
        asyncio.get_running_loop().create_task(refuse(), name="stubborn")
        await wire.until_disconnect()

    with pytest.raises(LeftBehind, match="not every task lets itself be cancelled"):
        async with connected(handle):
            pass
    released.set()


async def test_an_application_that_ignores_the_disconnect_is_named():
    async def handle(wire):
        await wire.until_disconnect()
        await asyncio.Event().wait()

    with pytest.raises(LeftBehind, match="does not return after its connection ended"):
        async with connected(handle):
            pass


async def test_an_application_may_take_its_time_to_clean_up():
    cleaned = []

    async def handle(wire):
        await wire.until_disconnect()
        await asyncio.sleep(5)
        cleaned.append(True)

    async with connected(handle):
        pass

    assert cleaned == [True]


async def test_a_receive_that_was_cancelled_loses_no_frame():
    async with connected(echo) as session:
        for number in range(100):
            waiting = asyncio.ensure_future(session.receive())
            await asyncio.sleep(0)
            await session.send(str(number))
            for _ in range(number % 5):
                await asyncio.sleep(0)
            waiting.cancel()
            try:
                text = await waiting
            except asyncio.CancelledError:
                text = await session.receive()
            assert text == str(number)


async def test_a_stall_names_a_handful_of_many_connections_and_timers():
    async def handle(wire):
        timers = [asyncio.get_running_loop().call_later(60, print) for _ in range(3)]
        await wire.until_disconnect()
        for timer in timers:
            timer.cancel()

    async with MemoryTransport(application(handle)) as connect, AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(connect("/")) for _ in range(20)]
        with pytest.raises(Stalled) as caught:
            await sessions[0].receive()

    assert "app      … and 8 more connections" in str(caught.value)
    assert "timer    +60.000 s calls print" in str(caught.value)
    assert "timer    … and 55 more timers" in str(caught.value)


async def test_a_stall_says_that_an_application_has_returned():
    async def handle(wire):
        asyncio.current_task().add_done_callback(lambda _: None)

    async with connected(silent), connected(handle) as session:
        await session.expect(Closed(1006))
        with pytest.raises(Stalled, match="app      /: has returned"):
            await asyncio.Event().wait()


async def test_a_stall_without_a_message_names_the_next_timer_too():
    async with connected(heartbeat):
        with pytest.raises(Stalled, match=r"asyncio\.sleep\(30\), or advance\(\) of the clock"):
            await asyncio.Event().wait()


async def test_a_timeout_is_named_with_the_task_that_it_ends():
    async def handle(wire):
        async with asyncio.timeout(60):
            await wire.until_disconnect()

    async with connected(handle, name="ann") as session:
        with pytest.raises(Stalled, match=r"timer    \+60\.000 s wakes ann at "):
            await session.receive()


async def test_a_wait_for_several_tasks_fails_where_the_first_waits():
    async def wait():
        await asyncio.Event().wait()

    async with connected(silent):
        task = asyncio.ensure_future(wait())
        await asyncio.wait([task])

    with pytest.raises(Stalled):
        task.result()


async def test_a_handler_in_an_async_generator_is_shown_with_its_line():
    async def frames():
        await asyncio.Event().wait()
        yield

    async def handle(wire):
        async for _ in frames():
            pass

    async with MemoryTransport(application(handle)) as connect:
        with pytest.raises(Stalled, match=r"frames: await asyncio\.Event\(\)\.wait\(\)"):
            async with connect("/") as session:
                await session.receive()
