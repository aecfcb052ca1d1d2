"""What could hang, lie, lose or leak, and does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pytest_pachinko import FromApp
from pytest_pachinko import Latency
from pytest_pachinko import LeftBehind
from pytest_pachinko import MemoryTransport
from pytest_pachinko import SimulatorRouterHarness
from pytest_pachinko.clock import virtual_time
from pytest_pachinko.clock.adopt import adoption_of
from pytest_pachinko.clock.adopt import Attendance

pytestmark = pytest.mark.asyncio

PATCHABLE = ("_selector", "call_at", "call_soon", "create_task", "get_debug", "run_in_executor")


def app_of(handle: Any, startup: float = 0.0, shutdown: float = 0.0) -> Any:
    """Make an application with a lifespan that takes its time."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await asyncio.sleep(startup)
            scope["state"]["pool"] = "a pool"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await asyncio.sleep(shutdown)
            await send({"type": "lifespan.shutdown.complete"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        await handle(scope, receive, send)

    return app


async def idle(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


def others() -> set[Any]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def loops_own() -> bool:
    loop: Any = asyncio.get_running_loop()
    names = [name for name in PATCHABLE if name in vars(loop)]
    return names == ["_selector"] and not hasattr(loop._selector, "_clock")


async def test_a_forgotten_session_does_not_stop_the_time_of_the_loop() -> None:
    async def forget() -> None:
        async with connect("/") as session:
            async for _ in session:
                pass

    connect = MemoryTransport(app_of(idle))
    with pytest.raises(LeftBehind):
        async with connect, connect("/") as session:
            task = asyncio.create_task(forget())
            await session.expect_silence()
    await asyncio.wait_for(asyncio.sleep(0.001), 5)
    await task

    assert loops_own()


async def test_who_connects_during_the_shutdown_gets_an_application_that_was_started_anew() -> None:
    async def first() -> None:
        async with connect("/"):
            pass

    async def second() -> None:
        async with connect("/") as session:
            await asyncio.sleep(2)
            assert session.accepted

    connect = MemoryTransport(app_of(idle, shutdown=1))
    await asyncio.gather(first(), second())

    assert loops_own()
    assert not others()


async def test_nobody_is_served_before_the_start_is_complete() -> None:
    seen = []

    async def look(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["state"]["pool"])
        await idle(scope, receive, send)

    async def client() -> None:
        async with connect("/"):
            pass

    connect = MemoryTransport(app_of(look, startup=1))
    await asyncio.gather(client(), client())

    assert seen == ["a pool", "a pool"]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
async def test_an_exit_of_the_application_reaches_the_test_and_nothing_else(error: Any) -> None:
    async def leave(scope: Any, receive: Any, send: Any) -> None:
        raise error("enough")

    with pytest.raises(error, match="enough"):
        async with MemoryTransport(app_of(leave))("/"):
            pass
    with pytest.raises(error, match="enough"):
        async with SimulatorRouterHarness(app_of(leave)) as harness, harness.connect("/"):
            pass

    assert loops_own()
    assert not others()


@pytest.mark.parametrize("entered", [True, False])
async def test_who_is_cancelled_while_leaving_leaves_nothing_behind(*, entered: bool) -> None:
    async def linger(scope: Any, receive: Any, send: Any) -> None:
        await idle(scope, receive, send)
        await asyncio.sleep(5)

    connect = MemoryTransport(app_of(linger))
    if entered:
        await connect.__aenter__()
    with virtual_time(), pytest.raises(TimeoutError):
        async with asyncio.timeout(2), connect("/"):
            pass
    if entered:
        await connect.__aexit__(None, None, None)
    await asyncio.sleep(0)

    assert loops_own()
    assert not others()


async def test_the_tests_own_error_wins_over_an_application_that_never_rests() -> None:
    tries = 0

    async def poll(scope: Any, receive: Any, send: Any) -> None:
        nonlocal tries
        await idle(scope, receive, send)
        while tries < 3:
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                tries += 1

    with pytest.raises(ZeroDivisionError) as caught:
        async with MemoryTransport(app_of(poll))("/"):
            raise ZeroDivisionError
    while others():
        for task in others():
            task.cancel()
        await asyncio.sleep(0)

    assert "the application does not return" in caught.value.__notes__[0]


async def test_a_frame_that_is_delayed_arrives_before_the_end() -> None:
    async def last_words(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.send", "text": "last words"})

    async with MemoryTransport(app_of(last_words))("/", faults=[Latency(0.2)]) as session:
        assert await session.receive() == "last words"

    assert session.trace[1] == FromApp("last words") or session.trace[1:2] == [
        FromApp("last words")
    ]
    assert session.close_code == 1006


async def test_what_others_have_patched_into_the_loop_comes_back() -> None:
    loop: Any = asyncio.get_running_loop()
    own, made = loop.create_task, []

    def traced(*args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return own(*args, **kwargs)

    def later(callback: Any, *args: Any, **kwargs: Any) -> Any:
        return type(loop).call_soon(loop, callback, *args, **kwargs)

    loop.create_task = traced
    async with MemoryTransport(app_of(idle)) as connect, connect("/"):
        await asyncio.create_task(asyncio.sleep(0))
        loop.call_soon = later

    assert loop.create_task is traced
    assert loop.call_soon is later
    assert made
    del loop.create_task, loop.call_soon


async def test_timeouts_that_were_not_needed_are_forgotten() -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        while (event := await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": event["text"]})

    async with MemoryTransport(app_of(echo)) as connect, connect("/") as session:
        for _ in range(1000):
            await session.send("x")
            async with asyncio.timeout(5):
                await session.receive()

        assert len(session._clock._demands) < 200


async def test_an_application_may_cancel_its_reader_and_read_again_at_once() -> None:
    async def again(scope: Any, receive: Any, send: Any) -> None:
        task = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        task.cancel()
        event = await receive()
        await send({"type": "websocket.send", "text": event["text"]})
        await idle(scope, receive, send)

    async with MemoryTransport(app_of(again)) as connect, connect("/") as session:
        await session.expect_silence()
        await session.send("heard")
        assert await session.receive() == "heard"


async def test_transports_that_end_in_any_order_leave_the_policy_as_it_was() -> None:
    one = MemoryTransport(app_of(idle), clock="autojump")
    two = MemoryTransport(app_of(idle), clock="demand")
    with virtual_time("wall"):
        await one.__aenter__()
        await two.__aenter__()
        await one.__aexit__(None, None, None)
        await two.__aexit__(None, None, None)
        loop: Any = asyncio.get_running_loop()

        assert loop._pachinko_adoption.clock.policy == "wall"


@pytest.mark.parametrize("turns", range(4))
async def test_a_start_that_is_cancelled_leaves_no_task(turns: int) -> None:
    async def use() -> None:
        async with MemoryTransport(app_of(idle, startup=1)):
            pass

    task = asyncio.create_task(use())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)

    assert not others()
    assert loops_own()


async def test_a_session_that_cannot_be_set_up_leaves_nothing_behind() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    connecting = MemoryTransport(app_of(idle))("/")
    connecting.on_wire = fail
    with pytest.raises(ZeroDivisionError):
        await connecting.__aenter__()

    assert loops_own()
    assert not others()


async def test_who_is_cancelled_inside_of_a_session_is_cancelled() -> None:
    async def stay() -> None:
        async with MemoryTransport(app_of(idle))("/") as session:
            await session.receive(within=60)

    task = asyncio.create_task(stay())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert loops_own()


async def test_an_attendance_is_released_once() -> None:
    adoption: Any = adoption_of(asyncio.get_running_loop())
    attendance = Attendance(adoption)
    attendance.release()
    attendance.release()

    assert adoption.users == 0
