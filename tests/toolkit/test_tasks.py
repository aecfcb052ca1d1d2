"""Whose task is whose."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import weakref
from typing import Any

import pytest

from pytest_pachinko import MemoryTransport
from pytest_pachinko.tasks import abandon
from pytest_pachinko.tasks import begin
from pytest_pachinko.tasks import Belongings
from pytest_pachinko.tasks import cancelled
from pytest_pachinko.tasks import current_owner
from pytest_pachinko.tasks import noting_tasks

pytestmark = pytest.mark.asyncio


async def forever() -> None:
    await asyncio.Event().wait()


async def test_what_a_task_starts_belongs_to_its_connection() -> None:
    owner = Belongings()
    loop = asyncio.get_running_loop()
    owners = []

    async def child() -> None:
        owners.append(current_owner())

    async def parent() -> None:
        await asyncio.create_task(child())

    with noting_tasks(loop):
        await owner.start(parent(), "parent", loop)

    assert owners == [owner]
    assert current_owner() is None


async def test_tasks_that_live_are_known_and_those_that_ended_are_not() -> None:
    owner = Belongings()
    loop = asyncio.get_running_loop()
    started = []

    async def parent() -> None:
        started.append(asyncio.create_task(forever()))

    with noting_tasks(loop):
        await owner.start(parent(), "parent", loop)

    assert owner.living() == started
    started[0].cancel()


async def test_what_belongs_to_a_connection_begins_at_once_as_a_task_of_its_own() -> None:
    owner = Belongings()
    test = asyncio.current_task()
    running = []

    async def note() -> None:
        running.append(asyncio.current_task())
        await asyncio.sleep(0)
        running.append(asyncio.current_task())

    task = owner.start(note(), "note", asyncio.get_running_loop())
    assert running == [task]
    assert asyncio.current_task() is test
    await task

    assert running == [task, task]


async def test_a_task_begins_later_on_a_loop_of_another_make() -> None:
    task = asyncio.Task(forever())
    begin(task, object())

    await asyncio.sleep(0)
    task.cancel()


async def test_what_a_thread_has_added_meanwhile_is_not_lost() -> None:
    loop = asyncio.get_running_loop()
    ran = []

    async def step() -> None:
        ran.append("task")

    task = asyncio.Task(step(), loop=loop)
    loop.call_soon(ran.append, "callback")
    begin(task, loop)
    assert ran == []
    await task

    assert ran == ["task", "callback"]


async def test_a_task_in_the_context_of_a_connection_belongs_to_it() -> None:
    owner = Belongings()
    loop = asyncio.get_running_loop()
    contexts: list[Any] = []

    async def parent() -> None:
        contexts.append(contextvars.copy_context())

    with noting_tasks(loop):
        await owner.start(parent(), "parent", loop)
        task = loop.create_task(forever(), context=contexts[0])

    assert owner.living() == [task]
    task.cancel()


async def test_a_long_connection_forgets_the_tasks_that_are_done() -> None:
    owner = Belongings()
    loop = asyncio.get_running_loop()

    async def nothing() -> None: ...

    async def parent() -> None:
        for _ in range(1000):
            await asyncio.create_task(nothing())

    with noting_tasks(loop):
        await owner.start(parent(), "parent", loop)

    assert len(owner._tasks) < 200


async def test_a_failure_is_kept_however_many_tasks_come_after_it() -> None:
    owner = Belongings()
    loop = asyncio.get_running_loop()

    async def nothing() -> None: ...

    async def fail() -> None:
        raise ValueError

    async def parent() -> None:
        failed = asyncio.create_task(fail())
        for _ in range(200):
            await asyncio.create_task(nothing())
        del failed

    with noting_tasks(loop):
        await owner.start(parent(), "parent", loop)

    assert [type(error) for error in owner.hand_over(None)] == [ValueError]


async def test_a_failure_is_handed_over_once() -> None:
    owner = Belongings()
    error = ValueError()
    owner.fail(error)
    owner.fail(error)

    assert owner.hand_over(None) == [error]
    assert owner.hand_over(None) == []


async def test_a_failure_that_the_test_has_seen_is_not_handed_over() -> None:
    owner = Belongings()
    error = ValueError()
    owner.fail(error)

    assert owner.hand_over(error) == []


async def test_a_muted_connection_has_no_failures() -> None:
    owner = Belongings(muted=True)
    owner.fail(ValueError())

    assert owner.hand_over(None) == []


async def test_a_factory_of_the_user_goes_on_to_make_the_tasks() -> None:
    loop = asyncio.get_running_loop()
    made = []

    def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
        made.append(asyncio.Task(coroutine, loop=loop, **options))
        return made[-1]

    loop.set_task_factory(factory)
    with noting_tasks(loop):
        task = asyncio.create_task(asyncio.sleep(0))
    await task

    assert made == [task]
    assert loop.get_task_factory() is factory
    loop.set_task_factory(None)


async def test_a_factory_that_was_set_meanwhile_stays() -> None:
    loop = asyncio.get_running_loop()

    def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
        return asyncio.Task(coroutine, loop=loop, **options)

    with noting_tasks(loop):
        loop.set_task_factory(factory)

    assert loop.get_task_factory() is factory
    loop.set_task_factory(None)


async def test_the_factory_goes_with_the_last_who_needs_it() -> None:
    loop = asyncio.get_running_loop()
    first, second = noting_tasks(loop), noting_tasks(loop)

    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    between = loop.get_task_factory()
    second.__exit__(None, None, None)

    assert between is not None
    assert loop.get_task_factory() is None


async def test_a_connection_leaves_nothing_that_only_the_collector_finds(
    app_of: Any, echo: Any
) -> None:
    connect = MemoryTransport(app_of(echo), lifespan=False)
    gc.collect()
    gc.disable()
    try:
        async with connect("/") as session:
            await session.send("1")
            await session.receive()
        gone = weakref.ref(session)
        del session
        await asyncio.sleep(0)
        assert gone() is None
    finally:
        gc.enable()


class Stubborn:
    """A task that does not let itself be cancelled, and counts how often it runs."""

    def __init__(self, wait: Any) -> None:
        self.turns = 0
        self.task = asyncio.create_task(self.run(wait))

    async def run(self, wait: Any) -> None:
        while True:
            self.turns += 1
            try:
                await wait()
            except asyncio.CancelledError:
                continue


@pytest.mark.parametrize("is_polling", [False, True])
async def test_a_task_that_is_abandoned_does_not_run_again(*, is_polling: bool) -> None:
    event = asyncio.Event()
    stubborn = Stubborn(lambda: asyncio.sleep(0) if is_polling else event.wait())
    await asyncio.sleep(0)

    abandon(stubborn.task)
    turns = stubborn.turns
    event.set()
    await asyncio.sleep(0)

    assert stubborn.turns == turns
    assert stubborn.task not in asyncio.all_tasks()


async def test_what_others_wait_for_is_left_to_them_when_a_task_is_abandoned() -> None:
    shared = asyncio.get_running_loop().create_future()
    other = asyncio.create_task(asyncio.wait_for(shared, None))
    stubborn = Stubborn(lambda: shared)
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(shared.set_result, "done")

    abandon(stubborn.task)

    assert await other == "done"


async def test_a_task_that_has_ended_is_not_abandoned() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "done"))
    await task

    abandon(task)

    assert task.result() == "done"


async def test_a_task_that_takes_some_turns_to_end_is_not_abandoned() -> None:
    cleaned = []

    async def careful() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            with contextlib.suppress(asyncio.CancelledError):
                await forever()
            cleaned.append("up")

    task = asyncio.create_task(careful())
    await asyncio.sleep(0)

    for _ in cancelled([task]):
        await asyncio.sleep(0)

    assert cleaned == ["up"]
    assert task.done()


async def test_a_task_that_does_not_let_itself_be_cancelled_is_abandoned() -> None:
    stubborn = Stubborn(forever)
    await asyncio.sleep(0)

    for _ in cancelled([stubborn.task]):
        await asyncio.sleep(0)

    assert stubborn.task not in asyncio.all_tasks()
