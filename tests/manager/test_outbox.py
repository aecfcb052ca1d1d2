"""What waits for a slow peer: order, bounds, policies, and that nobody else notices."""

import asyncio
import math
from collections.abc import Callable
from contextvars import Context
from contextvars import ContextVar
from typing import Any

import anyio
import falcon
import pytest

from falcon_pachinko import All
from falcon_pachinko import BackendError
from falcon_pachinko import LimitError
from falcon_pachinko import Loss
from falcon_pachinko import Room
from falcon_pachinko import User
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko.manager.outbox import Limits
from falcon_pachinko.manager.outbox import offer
from falcon_pachinko.manager.outbox import Outbox
from pytest_pachinko import Closed
from pytest_pachinko import Failure
from pytest_pachinko import MemoryTransport
from pytest_pachinko import SessionClosed
from pytest_pachinko.clock import virtual_time
from tests.loops import run as run_in_thread

pytestmark = pytest.mark.asyncio


class Transport:
    """A WebSocket whose writing waits for ``open``, and the record of its end."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.open = asyncio.Event()
        self.error: Exception | None = None
        self.ended = False
        self.lost: list[int] = []
        self.losses: list[Loss] = []
        self.on_send: Callable[[str], Any] = lambda text: None

    async def send_text(self, text: str) -> None:
        self.on_send(text)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        self.sent.append(text)

    async def close(self, code: int, reason: str) -> None:
        await self.open.wait()
        self.sent.append((code, reason))

    def lose(self, code: int) -> None:
        self.lost.append(code)


def make(**limits: Any) -> tuple[Transport, Any]:
    ws: Any = Transport()
    return ws, Outbox("x", ws, ws, Limits(**limits), ws.losses.append)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_at_rest_a_message_is_written_before_offer_returns() -> None:
    ws, outbox = make()
    ws.open.set()

    assert outbox.offer("1", 1)
    assert ws.sent == ["1"]
    assert outbox._writer is None


async def test_while_one_is_written_the_others_queue_in_their_order() -> None:
    ws, outbox = make()
    sending = [outbox.offer("1", 1), outbox.offer("2", 1)]
    own = asyncio.create_task(outbox.send("3"))
    await settle()
    sending.append(outbox.offer("4", 1))
    waiting = (outbox.messages, outbox.bytes)
    ws.open.set()
    await own

    await settle()
    assert sending == [True] * 3
    assert waiting == (2, 2)
    assert ws.sent == ["1", "2", "3", "4"]
    assert (outbox._writer, outbox._queue, outbox.messages, outbox.bytes) == (None, None, 0, 0)


async def test_a_message_that_comes_up_while_another_is_written_comes_after_it() -> None:
    ws, outbox = make()
    ws.open.set()
    ws.on_send = lambda text: outbox.offer("2", 1) if text == "1" else None

    outbox.offer("1", 1)
    await settle()

    assert ws.sent == ["1", "2"]


async def test_too_many_that_come_up_while_another_is_written_close_the_connection() -> None:
    ws, outbox = make(max_messages=1)
    ws.open.set()
    ws.on_send = lambda text: [outbox.offer(more, 1) for more in "234"]

    outbox.offer("1", 1)
    await settle()

    assert ws.sent == ["1", (1013, "too slow")]
    assert ws.losses == [Loss("x", "overflow", 2, 2, evicted=True)]


async def test_who_sends_to_its_own_waits_until_it_is_written() -> None:
    ws, outbox = make()
    own = asyncio.create_task(outbox.send("1"))
    await settle()
    early = own.done()
    ws.open.set()
    await own
    await outbox.send("2")

    assert not early
    assert ws.sent == ["1", "2"]


async def test_who_gave_up_waiting_disturbs_nobody() -> None:
    ws, outbox = make()
    outbox.offer("1", 1)
    own = [asyncio.create_task(outbox.send(text)) for text in "234"]
    await settle()
    own[1].cancel()
    await settle()
    waiting = [item.text for item in outbox._queue]
    outbox.offer("5", 1)
    ws.open.set()
    await settle()

    assert waiting == ["2", "4"]
    assert ws.sent == ["1", "2", "4", "5"]
    assert (outbox._queue, outbox.messages, outbox.bytes) == (None, 0, 0)


async def test_who_gives_up_in_the_last_moment_has_not_sent() -> None:
    ws, outbox = make()
    outbox.offer("1", 1)
    own = asyncio.create_task(outbox.send("2"))
    await settle()
    ws.open.set()  # so that the writer has its turn before the sender
    own.cancel()
    await settle()

    assert own.cancelled()
    assert ws.sent == ["1"]


@pytest.mark.parametrize("behind", [False, True])
async def test_what_is_being_written_goes_on_when_its_sender_gives_up(*, behind: bool) -> None:
    ws, outbox = make()
    if behind:
        ws.on_send = lambda text: ws.open.clear()
        outbox.offer("0", 1)
    own = asyncio.create_task(outbox.send("1"))
    await settle()
    ws.open.set()
    if behind:
        await settle()
    own.cancel()
    outbox.offer("2", 1)
    await settle()
    ws.on_send = lambda text: None
    ws.open.set()
    await settle()

    assert own.cancelled()
    assert ws.sent == [*(["0"] if behind else []), "1", "2"]


async def test_who_gives_up_when_the_connection_has_ended_is_cancelled() -> None:
    _, outbox = make()
    outbox.offer("1", 1)
    own = asyncio.create_task(outbox.send("2"))
    await settle()
    stopping = asyncio.create_task(outbox.stop(1001))
    own.cancel()
    await stopping
    await settle()

    assert own.cancelled()


async def test_who_sends_to_its_own_in_another_thread_is_told() -> None:
    ws, outbox = make()
    ws.open.set()

    with pytest.raises(BackendError, match="'x' is served in another event loop"):
        await asyncio.to_thread(asyncio.run, outbox.send("1"))
    assert ws.sent == []


async def test_what_was_made_in_a_loop_that_has_ended_can_be_sent_to() -> None:
    async def made() -> Any:
        ws, outbox = make()
        ws.open.set()
        return ws, outbox

    ws, outbox = run_in_thread(made())
    await outbox.send("1")

    assert ws.sent == ["1"]


async def test_one_too_many_closes_the_connection() -> None:
    ws, outbox = make(max_messages=2)
    taken = [outbox.offer(str(number), 10) for number in range(5)]
    ws.open.set()
    await settle()

    assert taken == [True, True, True, False, False]
    assert ws.sent == [(1013, "too slow")]
    assert ws.losses == [Loss("x", "overflow", 4, 40, evicted=True)]
    assert ws.lost == [1013]


async def test_the_oldest_make_room() -> None:
    ws, outbox = make(max_messages=2, overflow="drop_oldest")
    taken = [outbox.offer(str(number), 10) for number in range(5)]
    ws.open.set()
    await settle()

    assert all(taken)
    assert ws.sent == ["0", "3", "4"]
    assert ws.losses == [Loss("x", "overflow", 1, 10)] * 2


async def test_the_newest_is_dropped() -> None:
    ws, outbox = make(max_messages=2, overflow="drop_newest")
    taken = [outbox.offer(str(number), 10) for number in range(5)]
    ws.open.set()
    await settle()

    assert taken == [True, True, True, False, False]
    assert ws.sent == ["0", "1", "2"]
    assert ws.losses == [Loss("x", "overflow", 1, 10)] * 2


async def test_bytes_are_bounded_too() -> None:
    _, outbox = make(max_bytes=25, overflow="drop_oldest")
    for number in range(5):
        outbox.offer(str(number), 10)

    assert (outbox.messages, outbox.bytes) == (2, 20)
    outbox.offer("a long one", 100)
    assert (outbox.messages, outbox.bytes) == (1, 100)


async def test_what_somebody_waits_for_is_not_dropped() -> None:
    ws, outbox = make(max_messages=1, overflow="drop_oldest")
    outbox.offer("1", 1)
    own = asyncio.create_task(outbox.send("mine"))
    await settle()
    outbox.offer("2", 1)
    outbox.offer("3", 1)
    ws.open.set()
    await own
    await settle()

    assert ws.sent == ["1", "mine", "3"]


async def test_an_eviction_ends_the_waiting_of_senders() -> None:
    _, outbox = make(max_messages=1)
    own = [asyncio.create_task(outbox.send(text)) for text in ("1", "2")]
    await settle()
    outbox.offer("3", 1)
    outbox.offer("4", 1)
    results = await asyncio.gather(*own, return_exceptions=True)

    assert [type(result) for result in results] == [falcon.WebSocketDisconnected] * 2
    with pytest.raises(falcon.WebSocketDisconnected):
        await outbox.send("5")


async def test_a_stalled_write_ends_the_connection() -> None:
    with virtual_time() as clock:
        ws, outbox = make(stall_timeout=5)
        outbox.offer("1", 7)
        outbox.offer("2", 7)
        await clock.advance(4.9)
        before = list(ws.losses)
        await clock.advance(0.2)
        # The close frame cannot be written either, and that is waited for but shortly.
        await clock.advance(0.3)

        assert before == []
        assert ws.losses == [Loss("x", "stalled", 2, 14, evicted=True)]
        assert ws.lost == [1013]
        assert not outbox.offer("3", 1)


async def test_a_peer_that_has_gone_is_a_loss_without_an_eviction() -> None:
    ws, outbox = make()
    ws.open.set()
    ws.error = falcon.WebSocketDisconnected(1001)

    assert not outbox.offer("1", 3)
    await settle()
    assert ws.losses == [Loss("x", "left", 1, 3)]
    assert (ws.sent, ws.lost) == ([], [])


async def test_a_runtime_error_of_a_connection_that_has_ended_is_no_failure() -> None:
    ws, outbox = make()
    outbox.offer("1", 3)
    await settle()
    ws.error = RuntimeError("gone")
    ws.ended = True
    ws.open.set()
    await settle()

    assert ws.losses == [Loss("x", "left", 1, 3)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_transport_that_fails_closes_the_connection(
    *, at_once: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ws, outbox = make()
    ws.error = LookupError("planted")
    if at_once:
        ws.open.set()
    outbox.offer("1", 3)
    ws.open.set()
    await settle()

    assert ws.losses == [Loss("x", "failed", 1, 3, evicted=True, error=ws.error)]
    assert ws.sent == [(1011, "")]
    assert caplog.text.count("The connection x loses messages: failed, and is closed") == 1


async def test_a_failure_reaches_who_sends_to_its_own() -> None:
    ws, outbox = make()
    ws.error = LookupError("planted")
    own = asyncio.create_task(outbox.send("1"))
    await settle()
    ws.open.set()
    with pytest.raises(LookupError, match="planted"):
        await own

    ws, outbox = make()
    ws.error = LookupError("planted")
    ws.open.set()
    with pytest.raises(LookupError, match="planted"):
        await outbox.send("1")


async def test_a_close_comes_after_what_was_sent_before() -> None:
    ws, outbox = make()
    outbox.offer("1", 1)
    outbox.offer("2", 1)
    closed = [outbox.close(4000, "bye"), outbox.close(4001, "again")]
    late = outbox.offer("3", 1)
    ws.open.set()
    await outbox.closing()

    assert closed == [True, False]
    assert not late
    assert ws.sent == ["1", "2", (4000, "bye")]


async def test_stopping_waits_for_a_close_that_is_being_written() -> None:
    ws, outbox = make()
    outbox.close(4000, "bye")
    stopping = asyncio.create_task(outbox.stop(1006))
    await settle()
    early = stopping.done()
    ws.open.set()
    await stopping

    assert not early
    assert ws.sent == [(4000, "bye")]


async def test_stopping_gives_up_what_waits() -> None:
    ws, outbox = make()
    outbox.offer("1", 5)
    own = asyncio.create_task(outbox.send("2"))
    await settle()
    await outbox.stop(1001)
    with pytest.raises(falcon.WebSocketDisconnected) as caught:
        await own
    await outbox.closing()

    assert caught.value.code == 1001
    assert ws.losses == [Loss("x", "left", 1, 5)]


async def test_losses_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    _, outbox = make(max_messages=1, overflow="drop_newest")
    for _ in range(5):
        outbox.offer("x", 1)

    assert caplog.text.count("The connection x loses messages: overflow") == 1


@pytest.mark.parametrize("name", ["max_messages", "max_bytes", "stall_timeout"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "5", None, True])
async def test_a_limit_that_is_no_positive_number_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(LimitError, match=f"{name}={value!r}: .* more than 0"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["max_messages", "max_bytes"])
async def test_what_is_counted_is_whole(name: str) -> None:
    with pytest.raises(LimitError, match=rf"{name}=1\.5: a whole number"):
        Limits(**{name: 1.5})


async def test_an_unknown_overflow_is_an_error() -> None:
    with pytest.raises(ValueError, match="overflow='burst' is not one of close, drop_oldest"):
        Limits(overflow="burst")  # type: ignore[arg-type]


class Stubborn:
    """A transport that cleans up after it is told to stop."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.losses: list[Loss] = []
        self.ended = False

    async def send_text(self, text: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.steps.append("cleaned up")

    async def close(self, code: int, reason: str) -> None:
        self.steps.append(f"closed {code}")

    def lose(self, code: int) -> None: ...


async def test_a_transport_may_clean_up_when_it_is_stopped() -> None:
    with virtual_time() as clock:
        ws: Any = Stubborn()
        outbox = Outbox("x", ws, ws, Limits(stall_timeout=1), ws.losses.append)
        outbox.offer("1", 1)
        await clock.advance(2)

        assert ws.steps == ["cleaned up", "closed 1013"]


class Forgiving(Stubborn):
    async def send_text(self, text: str) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.steps.append("ignored")


async def test_what_a_transport_has_written_in_the_last_moment_is_written() -> None:
    with virtual_time() as clock:
        ws: Any = Forgiving()
        outbox = Outbox("x", ws, ws, Limits(stall_timeout=1), ws.losses.append)
        outbox.offer("1", 1)
        await clock.advance(2)

        assert ws.steps == ["ignored"]
        assert ws.losses == []


# Through a real app: a session that does not read takes 4 MiB, and then nothing.

BIG = "x" * 1_000_000


async def test_a_stalled_peer_delays_nobody(
    serving: Callable[..., MemoryTransport],
) -> None:
    losses: list[Loss] = []
    manager = WebSocketConnectionManager(on_loss=losses.append, overflow="drop_oldest")
    connect = serving(manager)
    async with connect("/?user=slow"), connect("/?user=ann") as ann:
        for _ in range(10):
            await manager.send(All(), BIG)
            assert len(await ann.receive()) == len(BIG) + 2

        assert {loss.connection for loss in losses} == {manager.connections(User("slow"))[0].id}
        assert manager.stats.lost == len(losses) > 0


async def test_a_peer_that_is_too_slow_is_closed_with_1013(
    serving: Callable[..., MemoryTransport],
) -> None:
    manager = WebSocketConnectionManager()
    async with serving(manager)("/?room=tea") as slow:
        for _ in range(8):
            await manager.send(Room("tea"), BIG)
        with pytest.raises(SessionClosed):
            while True:
                await slow.receive()

    assert slow.close_code == 1013
    assert manager.stats.evicted == 1
    assert manager.count == 0


async def test_a_peer_that_stalls_is_closed_after_the_timeout(
    serving: Callable[..., MemoryTransport],
) -> None:
    with virtual_time() as clock:
        manager = WebSocketConnectionManager(stall_timeout=5)
        async with serving(manager)("/") as slow:
            for _ in range(5):
                await manager.send(All(), BIG)
            await clock.advance(4)
            before = manager.count
            await clock.advance(2)

            assert (before, manager.count) == (1, 0)
            for _ in range(5):
                await slow.receive()
            await slow.expect(Closed(1013, reason="too slow"))


async def test_a_broken_transport_harms_nobody_else(
    serving: Callable[..., MemoryTransport],
) -> None:
    manager = WebSocketConnectionManager()
    connect = serving(manager)
    broken = Failure(LookupError("planted"))
    async with connect("/", faults=[broken], raise_app_exceptions=False), connect("/") as ann:
        await manager.send(All(), "hi")

        await ann.expect('"hi"')
        assert manager.stats.evicted == 1


async def test_a_time_limit_around_own_sends_does_not_fill_the_queue_of_a_slow_peer() -> None:
    with virtual_time() as clock:
        ws, outbox = make(stall_timeout=5)
        outbox.offer("1", 1)

        async def flood() -> None:
            for _ in range(100):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await outbox.send(BIG)

        flooding = asyncio.create_task(flood())
        await clock.advance(2)

        assert flooding.done()
        assert not outbox._queue
        ws.open.set()
        await clock.advance(0)
        assert ws.sent == ["1"]


async def test_own_messages_and_broadcasts_keep_their_order(
    serving: Callable[..., MemoryTransport],
) -> None:
    manager = WebSocketConnectionManager()
    async with serving(manager)("/") as ann:
        await manager.send(All(), 1)
        await ann.send_json({"type": "do", "verb": "send", "arguments": [2]})
        await ann.expect("1", "2", '["done",true]')


async def test_a_handler_may_close_its_connection_and_go_on(
    serving: Callable[..., MemoryTransport],
) -> None:
    manager = WebSocketConnectionManager()
    async with serving(manager)("/") as ann:
        await ann.send_json({"type": "do", "verb": "close", "arguments": [4002, "enough"]})
        await ann.expect(Closed(4002, reason="enough"))


async def test_a_send_that_was_begun_is_ended_with_the_writer_that_never_ran() -> None:
    steps = []

    class Locked(Transport):
        async def send_text(self, text: str) -> None:
            try:
                await super().send_text(text)
            finally:
                steps.append("unlocked")

    ws: Any = Locked()
    outbox = Outbox("x", ws, ws, Limits(max_messages=1), ws.losses.append)
    writers = []
    for text in "123":  # without a turn of the loop in between
        outbox.offer(text, 1)
        writers.append(outbox._writer)
    await settle()

    assert steps == ["unlocked"]
    assert writers[0] is not writers[2]


class Limited(Transport):
    """A connection behind a middleware that gives each send a second."""

    async def send_text(self, text: str) -> None:
        async with asyncio.timeout(1):
            await super().send_text(text)


class LimitedByAnyio(Transport):
    """The same, by the means of anyio."""

    async def send_text(self, text: str) -> None:
        with anyio.fail_after(1):
            await super().send_text(text)


@pytest.mark.parametrize("kind", [Limited, LimitedByAnyio])
@pytest.mark.parametrize("own", [False, True])
async def test_a_time_limit_around_a_send_never_cancels_the_sender(
    kind: type[Transport], *, own: bool
) -> None:
    with virtual_time() as clock:
        ws: Any = kind()
        outbox = Outbox("x", ws, ws, Limits(stall_timeout=5), ws.losses.append)

        async def sender() -> str:
            if own:
                with pytest.raises(falcon.WebSocketDisconnected):
                    await outbox.send("1")
            else:
                outbox.offer("1", 1)
            await asyncio.sleep(10)
            return "undisturbed"

        task = asyncio.create_task(sender())
        await clock.advance(12)

        assert task.result() == "undisturbed"
        assert ws.lost == [1013]
        assert [loss.reason for loss in ws.losses] == ["stalled"]


async def test_a_send_runs_in_no_task_of_the_sender() -> None:
    ws, outbox = make()
    ws.open.set()
    tasks = []
    ws.on_send = lambda text: tasks.append(asyncio.current_task())
    outbox.offer("1", 1)
    await outbox.send("2")
    asyncio.get_running_loop().call_soon(outbox.offer, "3", 1)  # there is no sender's task
    await settle()

    assert ws.sent == ["1", "2", "3"]
    assert asyncio.current_task() not in tasks
    assert None not in tasks


async def test_sends_of_one_turn_share_a_task_until_one_has_to_wait() -> None:
    tasks = []
    boxes = []
    for stalled in [False, True, False, True]:
        ws, outbox = make()
        ws.on_send = lambda text: tasks.append(asyncio.current_task())
        if not stalled:
            ws.open.set()
        outbox.offer("1", 1)
        boxes.append((ws, outbox))
    a, b, c, d = tasks
    assert a is b is boxes[1][1]._writer
    assert c is d is boxes[3][1]._writer
    assert b is not c
    for ws, _ in boxes:
        ws.open.set()
    await settle()

    assert all(ws.sent == ["1"] for ws, _ in boxes)
    assert all(task.done() for task in tasks)


async def test_a_send_that_comes_up_in_a_send_has_a_task_of_its_own() -> None:
    outer, outer_box = make()
    inner, inner_box = make()
    outer.on_send = lambda text: inner_box.offer(text, 1)
    outer_box.offer("1", 1)
    assert outer_box._writer is not inner_box._writer
    inner.open.set()
    await settle()
    assert (outer.sent, inner.sent) == ([], ["1"])
    outer.open.set()
    await settle()

    assert outer.sent == ["1"]


class Curious(Transport):
    """A transport that notes a context variable, and changes it while it sends."""

    whose: ContextVar[str] = ContextVar("whose", default="nobody's")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    async def send_text(self, text: str) -> None:
        self.seen.append(self.whose.get())
        token = self.whose.set(f"{self.seen[-1]}, being sent")
        await super().send_text(text)
        self.seen.append(self.whose.get())
        self.whose.reset(token)


@pytest.mark.parametrize("own", [False, True])
async def test_what_is_sent_is_in_the_context_of_the_connection_whoever_sends_it(
    *, own: bool
) -> None:
    ws: Any = Curious()
    token = ws.whose.set("the connection's")
    outbox = Outbox("x", ws, ws, Limits(), ws.losses.append)
    ws.whose.set("the sender's")
    first = asyncio.create_task(outbox.send("1")) if own else outbox.offer("1", 1)
    await settle()
    outbox.offer("2", 1)
    ws.open.set()
    await settle()

    assert first is True or (own and first.done())
    assert ws.seen == ["the connection's", "the connection's, being sent"] * 2
    assert ws.whose.get() == "the sender's"
    ws.whose.reset(token)


@pytest.mark.parametrize("own", [False, True])
async def test_sends_that_wait_have_a_context_each(*, own: bool) -> None:
    transports: Any = [Curious() for _ in range(3)]
    boxes = [Context().run(Outbox, "x", ws, ws, Limits(), ws.losses.append) for ws in transports]
    if own:
        sending = [asyncio.create_task(box.send("1")) for box in boxes]
    else:
        sending = []
        assert offer(boxes, "1", 1) == 3
    await settle()
    for ws in transports:
        ws.open.set()
    await settle()

    assert [ws.seen for ws in transports] == [["nobody's", "nobody's, being sent"]] * 3
    assert all(task.done() for task in sending)


@pytest.mark.parametrize("late", [False, True])
async def test_a_transport_that_fails_harms_nobody_else_with_or_without_a_context(
    *, late: bool
) -> None:
    transports: Any = [Transport() for _ in range(3)]
    for ws in transports:
        if not late:
            ws.open.set()
    transports[1].error = OSError("broken")
    boxes = [Context().run(Outbox, "x", ws, ws, Limits(), ws.losses.append) for ws in transports]
    offer(boxes, "1", 1)
    await settle()
    for ws in transports:
        ws.open.set()
    await settle()

    assert [ws.sent for ws in transports] == [["1"], [(1011, "")], ["1"]]


class Cancelled(Transport):
    """A transport that waits for something that was cancelled long ago."""

    async def send_text(self, text: str) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future


async def test_a_cancelled_transport_harms_nobody_else() -> None:
    transports: Any = [Transport(), Cancelled(), Transport()]
    for ws in transports:
        ws.open.set()
    boxes = [Outbox("x", ws, ws, Limits(), ws.losses.append) for ws in transports]

    assert offer(boxes, "1", 1) == 2
    await settle()
    assert [ws.sent for ws in transports] == [["1"], [(1011, "")], ["1"]]


async def test_a_cancelled_transport_is_an_error_for_who_sends_to_its_own() -> None:
    ws: Any = Cancelled()
    outbox = Outbox("x", ws, ws, Limits(), ws.losses.append)

    with pytest.raises(RuntimeError, match="The transport was cancelled while it sent"):
        await outbox.send("1")


async def test_what_ends_the_process_is_for_nobody_to_catch() -> None:
    ws, outbox = make()
    task = asyncio.current_task()

    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    ws.on_send = interrupt
    with pytest.raises(KeyboardInterrupt):
        outbox.offer("1", 1)

    assert asyncio.current_task() is task


async def test_what_comes_up_in_a_send_of_ones_own_that_fails_is_next() -> None:
    ws, outbox = make()
    ws.open.set()

    def fail(text: str) -> None:
        ws.on_send = lambda text: None
        outbox.offer("2", 1)
        raise OSError("not this one")

    ws.on_send = fail
    with pytest.raises(OSError, match="not this one"):
        await outbox.send("1")
    outbox.offer("3", 1)
    await settle()

    assert ws.sent == ["2", "3"]


@pytest.mark.parametrize("wait", [False, True])
async def test_a_transport_that_cancels_its_own_task_is_a_failure(*, wait: bool) -> None:
    class Suicidal(Transport):
        async def send_text(self, text: str) -> None:
            if wait:
                await asyncio.sleep(0)
            task: Any = asyncio.current_task()
            task.cancel()
            await super().send_text(text)

    ws: Any = Suicidal()
    outbox = Outbox("x", ws, ws, Limits(), ws.losses.append)
    outbox.offer("1", 1)
    outbox.offer("2", 1)
    await settle()
    ws.open.set()
    await settle()

    assert [(loss.reason, loss.messages) for loss in ws.losses] == [("failed", 2)]
    assert ws.sent == [(1011, "")]


async def test_a_task_that_was_cancelled_is_lent_to_nobody() -> None:
    ws, outbox = make()
    ws.open.set()
    tasks = []

    def cancel(text: str) -> None:
        task: Any = asyncio.current_task()
        tasks.append(task)
        task.cancel()

    ws.on_send = cancel
    assert outbox.offer("1", 1)
    ws.open.clear()
    ws.on_send = lambda text: tasks.append(asyncio.current_task())
    outbox.offer("2", 1)
    await settle()
    ws.open.set()
    await settle()

    assert ws.sent == ["1", "2"]
    assert tasks[0] is not tasks[1]


async def test_the_spare_task_lives_while_it_is_used_and_no_longer() -> None:
    ws, outbox = make()
    ws.open.set()
    tasks = []
    ws.on_send = lambda text: tasks.append(asyncio.current_task())
    for number in range(5):
        await outbox.send(str(number))
        await asyncio.sleep(0)
    first: Any = tasks[0]
    assert tasks == [first] * 5
    assert not first.done()
    await settle()

    assert first.done()
    await outbox.send("6")
    assert tasks[-1] is not first
