"""What managers say to each other, and what a stranger says to them."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from falcon_pachinko import All
from falcon_pachinko import Connection
from falcon_pachinko import Label
from falcon_pachinko import Room
from falcon_pachinko import Target
from falcon_pachinko import TargetError
from falcon_pachinko import User
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko.manager import frames
from falcon_pachinko.manager.registry import Membership
from tests.loops import run as run_in_thread

any_text = st.text(st.characters())  # lone surrogates too
labels = st.dictionaries(
    st.text(min_size=1).filter(lambda name: name != "self"),
    st.text() | st.integers(-(2**63), 2**63 - 1),
    min_size=1,
)
targets = st.recursive(
    st.just(All())
    | st.builds(Room, any_text)
    | st.builds(User, any_text)
    | st.builds(Connection, any_text)
    | labels.map(lambda items: Label(**items)),
    lambda inner: (
        st.builds(lambda a, b: a & b, inner, inner)
        | st.builds(lambda a, b: a | b, inner, inner)
        | st.builds(lambda a: ~a, inner)
    ),
)


@given(targets)
@example(Room("\ud800"))
def test_a_target_arrives_as_it_was_sent(target: Target) -> None:
    frame = frames.Frame(1, "n", "l", 1, frames.Send(frames.to_wire(target), b"x"))

    arrived = frames.decode(frames.encode(frame))

    assert frames.from_wire(arrived.order.target) == target


@pytest.mark.parametrize(
    ("data", "error"),
    [(["nobody"], "no target"), (["not", 7], "no target"), (["label", [7]], "no label")],
)
def test_what_is_no_target_is_refused(data: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        frames.from_wire(data)


@pytest.mark.parametrize("kind", ["and", "or", "not"])
def test_what_is_nested_too_deep_for_a_stack_is_garbage(kind: str) -> None:
    manager = WebSocketConnectionManager(node="here")
    Membership(manager._registry, "somebody").register()

    async def hear_all() -> None:
        for number, depth in enumerate(range(50, 1000, 50), start=1):
            data: list[Any] = ["room", b"no"]
            for _ in range(depth):
                data = [kind, data] if kind == "not" else [kind, [["room", b"no"], data]]
            order = frames.Send(data, b"{}")
            with suppress(RecursionError):  # of the one who makes it
                manager._hear("", frames.encode(frames.Frame(1, "far", "1", number, order)))

    run_in_thread(hear_all())

    assert manager.stats.garbage > 5


def test_a_target_that_is_nested_too_deep_is_refused() -> None:
    target: Target = Room("tea")
    for number in range(100):
        target = ~(target & ~Room(str(number)))

    with pytest.raises(TargetError, match="nested more than 64 deep"):
        frames.to_wire(target)


def test_a_label_may_be_any_whole_number() -> None:
    class Level(int):
        pass

    data = msgspec.msgpack.decode(msgspec.msgpack.encode(frames.to_wire(Label(level=Level(3)))))

    assert frames.from_wire(data) == Label(level=3)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4),
)
kinds = st.sampled_from(["all", "room", "user", "connection", "label", "and", "or", "not"])
wires = st.recursive(plain, lambda inner: st.lists(kinds | inner, max_size=4))
orders = (
    st.tuples(st.just("send"), wires, st.binary())
    | st.tuples(st.just("close"), wires, st.integers(-5, 5000), st.text())
    | st.tuples(st.sampled_from(["beat", "leave"]), st.floats() | st.integers(-5, 5))
)


@given(
    st.binary()
    | plain.map(msgspec.msgpack.encode)
    | st.tuples(st.integers(0, 2), st.text(), st.text(), st.integers(), orders)
    .filter(lambda frame: abs(frame[3]) < 2**63)
    .map(msgspec.msgpack.encode)
)
@example(b"")
@example(b"\x91" * 100_000)
@example(msgspec.msgpack.encode([1, "n", "l", 1, ["send", ["all"], b"\xff"]]))
@example(msgspec.msgpack.encode([1, "n", "l", 1, ["send", ["label", [[b"self", 1]]], b"x"]]))
@example(msgspec.msgpack.encode([1, "n", "l", 1, ["send", ["label", [[b"a", 2**63]]], b"x"]]))
@example(msgspec.msgpack.encode([1, "n", "l", 1, ["send", ["label", [7]], b"x"]]))
@example(msgspec.msgpack.encode([1, "n", "l", 1, ["send", ["room", b"\xff"], b"x"]]))
@example(msgspec.msgpack.encode([1, "n", "l", 1, ["close", ["all"], 1006, ""]]))
@example(msgspec.msgpack.encode([2, "n", "l", 1, ["send", ["all"], b"x"]]))
def test_whatever_is_on_the_bus_a_manager_serves_on(payload: bytes) -> None:
    manager = WebSocketConnectionManager()

    run_in_thread(hear(manager, payload, good(), good()))

    assert manager.stats.garbage in (0, 1)
    assert manager.stats.duplicates == 1


async def hear(manager: Any, *payloads: bytes) -> None:
    for payload in payloads:
        manager._hear("topic", payload)


def pack(*values: Any) -> bytes:
    return msgspec.msgpack.encode(values)


def good() -> bytes:
    return frames.encode(frames.Frame(1, "good", "l", 1, frames.Send(["all"], b"x")))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "DecodeError"),
        (b"\x95\x01\xa1n\xa1l\x01\x93\xa4send" + b"\x91" * 100_000, "RecursionError"),
        (pack(1, "n", "l", 1, ["steal"]), "ValidationError"),
        (pack(1, "n", "l", 1, ["send", ["nobody"], b"x"]), "no target"),
        (pack(1, "n", "l", 1, ["send", ["all"], b"\xff"]), "UnicodeDecodeError"),
        (pack(1, "n", "l", 1, ["close", ["all"], 1006, ""]), "CloseCodeError"),
        (pack(9, "n", "l", 1, ["send", ["all"], b"x"]), "version 9, not 1"),
        (pack(2, {"node": "another form"}), "version 2, not 1"),
        (pack(256, "n", "l", 1, ["send", ["all"], b"x"]), "ValidationError"),
    ],
)
def test_garbage_is_counted_and_logged_with_a_reason_that_has_nothing_of_it(
    payload: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    manager: Any = WebSocketConnectionManager()

    run_in_thread(hear(manager, payload))

    assert manager.stats.garbage == 1
    size = len(payload)
    assert caplog.messages == [
        f"A payload of {size} bytes on the topic 'topic' is no frame of a manager: {reason} (1 so far)"
    ]


def test_a_flood_of_garbage_is_logged_in_a_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    manager: Any = WebSocketConnectionManager()

    run_in_thread(hear(manager, *[b"junk", good()] * 1000, pack(2)))

    assert manager.stats.garbage == 1001
    assert [message.rpartition(": ")[2] for message in caplog.messages] == [
        *[f"ValidationError ({count} so far)" for count in (1, 10, 100, 1000)],
        "version 2, not 1 (1 so far)",
    ]
