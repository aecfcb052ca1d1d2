"""What holds for every application, whatever its peers do.

A check is a function of what came of a play; it raises an ``AssertionError`` if the application has
done wrong. ``CHECKS`` are those that ``play`` applies; a project adds its own::

    def nobody_is_insulted(played):
        assert "fool" not in str(played.trace[:])

    play(app, "/chat", stream, checks=[*CHECKS, nobody_is_insulted])
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pytest_pachinko.errors import CheckFailed
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.peer import may_close_with
from pytest_pachinko.stream import Drop
from pytest_pachinko.stream import frame_of
from pytest_pachinko.stream import InvalidFrame
from pytest_pachinko.stream import messages_of
from pytest_pachinko.stream import Open
from pytest_pachinko.stream import Send
from pytest_pachinko.stream import Stream
from pytest_pachinko.stream import Wait
from pytest_pachinko.trace.event import decoder
from pytest_pachinko.trace.event import UNDECODABLE
from pytest_pachinko.trace.explain import compare
from pytest_pachinko.trace.explain import describe
from pytest_pachinko.trace.explain import shorten
from pytest_pachinko.trace.record import Trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_pachinko.fuzz.played import Line
    from pytest_pachinko.fuzz.played import Played
    from pytest_pachinko.stream import Step

__all__ = [
    "CHECKS",
    "Check",
    "apply",
    "called",
    "close_codes",
    "connections_are_forgotten",
    "every_message_is_served",
    "invalid_frames_are_refused",
    "invalid_frames_change_nothing",
    "legal_close_codes",
    "no_exception",
    "no_stall",
    "nothing_left_behind",
    "only_what_emits_declares",
    "replies_are_bounded",
]

__tracebackhide__ = True  # a failure is shown in the test, not in here

Check = Callable[["Played"], None]

MOST_FRAMES = 1_000
"""How many frames an application may send for each step of its peers, to each of them."""

REPEATS = 10
"""How often what may be chance is played again, with and without invalid frames."""

MANY = 10
"""How many connections there are before what is kept of them is looked at."""

MOST_BYTES = 1024 * 1024
"""How many bytes an application may send for each step of its peers, to each of them."""


def no_exception(played: Played) -> None:
    """No exception escapes from the application.

    Raises:
        Exception: The first one, as itself.
        CheckFailed: It has raised something else, such as ``SystemExit``.
    """
    failures = [error for line in played.lines for error in line.failures]
    for error in (*failures, *played.errors):
        if not isinstance(error, Exception):
            raise CheckFailed(f"The application has raised {error!r}.") from error
        raise error


def no_stall(played: Played) -> None:
    """The application comes to rest after each step.

    Raises:
        CheckFailed: It never did.
    """
    if played.stalled is not None:
        raise CheckFailed(f"The application does not come to rest.\n{played.stalled}")


def nothing_left_behind(played: Played) -> None:
    """When a connection has ended, so have its handlers, tasks and timers.

    Raises:
        CheckFailed: Something has outlived its connection.
    """
    for line in played.lines:
        if line.left is not None:
            raise CheckFailed(line.left)


def only_what_emits_declares(played: Played) -> None:
    """What the application sends is what its resource declares as ``emits``.

    Raises:
        CheckFailed: A frame is something else.
    """
    for line in played.lines:
        emits = None if line.trace.types is None else line.trace.types[1]
        if emits is None:
            continue
        decode = decoder(emits).decode
        for number, frame in _frames_from_app(line):
            try:
                decode(frame)
            except UNDECODABLE as error:
                raise CheckFailed(
                    f"{line.trace.connection}: the application has sent what its emits does "
                    f"not declare: {error}\n  [{number}] {describe(line.trace[number])}",
                    (line.trace.connection, number),
                ) from None


def legal_close_codes(played: Played) -> None:
    """The application closes with codes that mean something from a server.

    Those are what RFC 6455, section 7.4, and its registry allow a server to send, without those
    that only a client sends, and without 1011 for an error.

    Raises:
        CheckFailed: It has closed with another one.
    """
    for line, code in _closes(played):
        if code in (1010, 1011) or not may_close_with(code):
            meaning = {
                1010: "which only a client sends",
                1011: "which says that it has failed, though no exception was seen",
            }.get(code, "which is no code that may be sent (RFC 6455, section 7.4)")
            if code == 1006:
                meaning = "because it returned without closing the connection"
            raise CheckFailed(
                f"{line.trace.connection}: the application has ended the connection with "
                f"{code}, {meaning}."
            )


def close_codes(*codes: int) -> Check:
    """Make a check: the application closes with these codes only.

    Args:
        *codes: The close codes that are part of its protocol.
    """

    def declared_close_codes(played: Played) -> None:
        for line, code in _closes(played):
            if code not in codes:
                raise CheckFailed(
                    f"{line.trace.connection}: the application has closed with "
                    f"{code}; declared are {', '.join(map(str, codes))}."
                )

    return declared_close_codes


def invalid_frames_are_refused(played: Played) -> None:
    """No handler sees an invalid frame.

    It looks at applications with our resources, where what they decode can be seen.

    Raises:
        CheckFailed: A handler was called with one.
    """
    for line in played.lines:
        seen = zip(line.sent, line.trace.notes or (), strict=False)
        for number, (message, note) in enumerate(seen):
            if isinstance(message, InvalidFrame) and note.error is None:
                raise CheckFailed(
                    f"{line.trace.connection}: {message.path or 'a frame'} {message.operator} was "
                    f"ACCEPTED: {note.handler or 'on_unhandled'} was called with "
                    f"{shorten(message.raw)}\n  expected: {message.error}",
                    _place_of(line, number),
                )


def every_message_is_served(played: Played) -> None:
    """Each message reaches its handler, also after an invalid one.

    It looks at applications with our resources, at connections that these do not close.

    Raises:
        CheckFailed: A message was refused, or never handled.
    """
    closed = {line for line, _ in _closes(played)}
    for line in played.lines:
        notes = line.trace.notes
        if notes is None or line.refused or line in closed:
            continue
        for number, message in enumerate(line.sent):
            if number >= len(notes):
                raise CheckFailed(
                    f"{line.trace.connection}: the application has never looked at "
                    f"{shorten(frame_of(message))}",
                    _place_of(line, number),
                )
            error = notes[number].error
            if error is not None and not isinstance(message, InvalidFrame | str | bytes):
                raise CheckFailed(
                    f"{line.trace.connection}: the application has refused "
                    f"{shorten(frame_of(message))}\n  {error}\n"
                    "Hint: the stream was drawn from another schema than the resource's?",
                    _place_of(line, number),
                )


def invalid_frames_change_nothing(played: Played) -> None:
    """Without its invalid frames, a stream has the same answers.

    What is sent while the application deals with an invalid frame is its answer to that one, and
    is left out. Where it closes a connection because of one, or does not do the same thing twice,
    there is nothing to compare.

    Raises:
        CheckFailed: An answer is another one.
    """
    if not _can_be_compared(played):
        return
    # What has opened a connection still does, and the application comes to rest where it did.
    without = Stream(
        [each for step in played.stream for each in _without_frame(step)],
        played.stream.peers,
    )
    expected = _answers(played.again(without))
    got = _answers(played)
    if got == expected:
        return
    for _ in range(REPEATS):
        if _answers(played.again(without)) != expected:
            return  # it does not do the same thing twice
        if _answers(played.again(played.stream)) != got:
            return
    nothing = Trace("nothing")
    name, mine, other = next(
        (name, got.get(name, nothing), expected.get(name, nothing))
        for name in [*got, *expected]
        if got.get(name, nothing) != expected.get(name, nothing)
    )
    raise CheckFailed(
        f"{name}: an invalid frame has changed what comes after it. Expected is what is "
        "answered without it.\n" + "\n".join(compare(mine, other)[0]) + "\n"
        "Hint: if the application is to count invalid frames, leave this check out: "
        "invalid_frames_change_nothing."
    )


def replies_are_bounded(played: Played) -> None:
    """A peer cannot make the application send without end.

    Raises:
        CheckFailed: It has sent more than ``MOST_FRAMES`` frames, or ``MOST_BYTES`` bytes, for
            each step of the stream to one connection.
    """
    steps = max(1, len(played.stream))
    for line in played.lines:
        frames = [frame for _, frame in _frames_from_app(line)]
        size = sum(map(len, frames))
        if len(frames) > MOST_FRAMES * steps or size > MOST_BYTES * steps:
            raise CheckFailed(
                f"{line.trace.connection}: the application has sent {len(frames)} frames, {size} "
                f"bytes, after {steps} steps with {len(messages_of(played.stream))} messages."
            )


def connections_are_forgotten(played: Played) -> None:
    """What the application keeps does not grow with each connection that has ended.

    It looks at plays with ``MANY`` connections or more, to our resources: if all of these are kept,
    the next ones will be too.

    Raises:
        CheckFailed: Something still refers to each of the resources.
    """
    notes = [line.trace.notes for line in played.lines]
    served = [each.served_by for each in notes if each is not None]
    if len(served) < MANY:
        return
    gc.collect()  # a resource and its conversation know each other
    kept = [resource for each in served if (resource := each()) is not None]
    if len(kept) == len(served):
        holders = {type(each).__name__ for each in gc.get_referrers(kept[0]) if each is not kept}
        raise CheckFailed(
            f"The memory grows with each connection: {len(kept)} have ended, and all of their "
            f"{type(kept[0]).__name__}s are still referred to, by: "
            f"{', '.join(sorted(holders - {'frame'}))}."
        )


CHECKS: list[Check] = [
    no_exception,
    no_stall,
    nothing_left_behind,
    only_what_emits_declares,
    invalid_frames_are_refused,
    every_message_is_served,
    invalid_frames_change_nothing,
    legal_close_codes,
    replies_are_bounded,
    connections_are_forgotten,
]
"""The checks that ``play`` applies if it is given no others."""


def apply(check: Check, played: Played) -> None:
    """Make a check.

    Raises:
        Exception: It does not hold.
        PachinkoUsageError: It is async, and would hold whatever the application does.
    """
    answer: object = check(played)  # type: ignore[func-returns-value]
    if inspect.iscoroutine(answer):
        answer.close()
        raise PachinkoUsageError(
            f"The check {called(check)} is async, and a check is made when the event loop of the "
            "play is closed.\n"
            "Hint: def, without async; it finds all that has happened in what it is given."
        )


def called(check: Check) -> str:
    """Return what to call a check, which may be anything that can be called."""
    if isinstance(check, partial):
        return f"partial({called(check.func)}, ...)"
    name: str = getattr(check, "__name__", type(check).__name__)
    return name


def _can_be_compared(played: Played) -> bool:
    """Return whether a play has invalid frames, and their answers can be told from the others."""
    if not played.windows or played.stalled is not None or played.unfinished:
        return False
    steps = played.stream.steps
    if any(isinstance(step, Drop) and step.after for step in steps):
        return False  # when that peer vanishes depends on all answers
    first = next(at for at, step in enumerate(steps) if _without_frame(step) != [step])
    if any(isinstance(step, Wait) and step.seconds for step in steps[first:]):
        return False  # who sends anything at all is not idle
    return not any(
        kind == "closed" and direction == "from_app" and _is_within(played, order)
        for direction, kind, _, _, order in played.trace._records
    )


def _without_frame(step: Step) -> list[Step]:
    """Return what is done in the place of a step, so that all is the same but an invalid frame."""
    if isinstance(step, Send) and isinstance(step.message, InvalidFrame):
        return [Wait(0.0), Open(step.on)]
    return [step]


def _is_within(played: Played, order: int) -> bool:
    """Return whether an event fell into the time in which an invalid frame was dealt with."""
    return any(start < order < end for start, end in played.windows)


def _answers(played: Played) -> dict[str, Trace]:
    """Return what the application has sent on each connection, but for answers to invalid frames."""
    return {
        line.trace.connection: line.trace._part(
            [
                number
                for number, (direction, _, _, _, order) in enumerate(line.trace._records)
                if direction == "from_app" and not _is_within(played, order)
            ]
        )
        for line in played.lines
    }


def _frames_from_app(line: Line) -> Iterator[tuple[int, str | bytes]]:
    """Iterate over what the application has sent, and its place in the trace."""
    # PERF: an event is an object of its own, which only a failure needs.
    for number, (direction, kind, payload, _, _) in enumerate(line.trace._records):
        if direction == "from_app" and kind in ("text", "bytes"):
            yield number, payload


def _place_of(line: Line, number: int) -> tuple[str, int]:
    """Return where in the trace a frame to the application is, by its number."""
    places = [
        at
        for at, (direction, kind, _, _, _) in enumerate(line.trace._records)
        if direction == "to_app" and kind in ("text", "bytes")
    ]
    return line.trace.connection, places[number]


def _closes(played: Played) -> list[tuple[Line, int]]:
    """Return the connections that the application has ended, and the codes."""
    return [
        (line, payload.code)
        for line in played.lines
        for direction, kind, payload, _, _ in line.trace._records[-2:]
        if kind == "closed" and direction == "from_app"
    ]
