"""What a test holds: one connection, seen from the peer's side."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any
from typing import overload
from typing import TYPE_CHECKING
from typing import TypeVar

import msgspec

from pytest_pachinko.clock.report import hint
from pytest_pachinko.clock.report import is_internal
from pytest_pachinko.clock.report import situation
from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.errors import SessionClosed
from pytest_pachinko.errors import Stalled
from pytest_pachinko.errors import UnexpectedMessage
from pytest_pachinko.futures import pass_on
from pytest_pachinko.headers import Headers
from pytest_pachinko.headers import NO_HEADERS
from pytest_pachinko.peer import MAX_REASON
from pytest_pachinko.peer import may_close_with
from pytest_pachinko.quiet import settle
from pytest_pachinko.stacks import doing
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import decode
from pytest_pachinko.trace.event import decoder
from pytest_pachinko.trace.event import TraceEvent
from pytest_pachinko.trace.explain import describe
from pytest_pachinko.trace.explain import last_events
from pytest_pachinko.trace.explain import shorten
from pytest_pachinko.trace.match import FromApp
from pytest_pachinko.trace.match import is_type
from pytest_pachinko.trace.match import Pattern

if TYPE_CHECKING:
    from types import UnionType

    from pytest_pachinko.clock.core import Clock
    from pytest_pachinko.peer import PeerEnd
    from pytest_pachinko.tasks import Belongings
    from pytest_pachinko.trace.record import Trace

__all__ = ["Session"]

__tracebackhide__ = True  # a failure is shown in the test, not in here

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_EXPIRED: Any = object()


class Session:
    """One connection to the application under test.

    It is made by ``websocket_connect`` and its kin, not directly. Every method that waits
    first raises what the application has raised, as itself.

    Attributes:
        path: The path that was connected to, with its query.
        trace: What crossed the wire so far.
    """

    # Seconds for which silence is listened to, where nothing but that can prove it.
    _listens: float | None = None
    # The places in the trace of frames that were received before older ones.
    _taken: frozenset[int] = frozenset()

    def __init__(
        self, wire: PeerEnd, path: str, belongings: Belongings, clock: Clock | None, limit: float
    ) -> None:
        self.path = path
        self.trace: Trace = wire.trace
        self._wire = wire
        self._belongings = belongings
        self._clock = clock
        self._limit = limit

    def __repr__(self) -> str:
        """Return one line: pytest prints it above every failure."""
        return f"<{type(self).__name__} {self.trace.connection}: {self._status()}>"

    @property
    def accepted(self) -> bool:
        """Whether the application accepted the connection."""
        return self._wire.handshake is not None and self._wire.handshake.status == 101

    @property
    def subprotocol(self) -> str | None:
        """The negotiated subprotocol, or None."""
        return None if self._wire.handshake is None else self._wire.handshake.subprotocol

    @property
    def response_headers(self) -> Headers:
        """The headers of the handshake response."""
        return NO_HEADERS if self._wire.handshake is None else self._wire.handshake.headers

    @property
    def compression(self) -> str | None:
        """The negotiated compression (RFC 7692, section 5); always None in memory."""
        return None

    @property
    def closed(self) -> bool:
        """Whether the connection has ended; frames may still be unread."""
        return self._wire.closed is not None

    @property
    def close_code(self) -> int | None:
        """The code with which the connection ended (RFC 6455, section 7.4), or None."""
        return None if self._wire.closed is None else self._wire.closed.code

    @property
    def close_reason(self) -> str | None:
        """The reason with which the connection ended, or None."""
        return None if self._wire.closed is None else self._wire.closed.reason

    # Sending.

    async def send(self, message: Any) -> None:
        """Send a message.

        Args:
            message: A Struct, dict or list is sent as JSON text, ``str`` as a text frame
                and ``bytes`` as a binary frame.

        Raises:
            TypeError: It is none of these.
            SessionClosed: The connection has ended.
        """
        if isinstance(message, msgspec.Struct | dict | list):
            message = _encode(message).decode()
        elif not isinstance(message, str | bytes):
            raise TypeError(
                f"send() takes a Struct, dict, list, str or bytes, not {type(message).__name__}.\n"
                "Hint: send_json() encodes anything else as JSON."
            )
        await self._send(message)

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON in a text frame.

        Args:
            value: Anything that msgspec encodes.

        Raises:
            SessionClosed: The connection has ended.
        """
        await self._send(_encode(value).decode())

    async def send_text(self, text: str) -> None:
        """Send a text frame.

        Raises:
            TypeError: It is no ``str``.
            SessionClosed: The connection has ended.
        """
        if not isinstance(text, str):
            raise TypeError(f"send_text() takes a str, not {type(text).__name__}.")
        await self._send(text)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame.

        Raises:
            TypeError: It is no bytes-like object.
            SessionClosed: The connection has ended.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"send_bytes() takes bytes, not {type(data).__name__}.")
        await self._send(bytes(data))

    async def _send(self, payload: str | bytes) -> None:
        wire = self._wire
        self._surface()
        if wire.closed is not None:
            raise self._ended("send")
        wire.push(payload)
        room = wire.room()
        if room is not None:
            await self._wait(room, "send()", "the application reads nothing", None)

    # Receiving.

    @overload
    async def receive(
        self, payload_type: None = None, *, within: float | None = None
    ) -> str | bytes: ...

    @overload
    async def receive(self, payload_type: type[T], *, within: float | None = None) -> T: ...

    @overload
    async def receive(self, payload_type: UnionType, *, within: float | None = None) -> Any: ...

    async def receive(self, payload_type: Any = None, *, within: float | None = None) -> Any:
        """Receive the next frame.

        Args:
            payload_type: What to decode the frame to: a Struct, a union of Structs, or any
                type that msgspec decodes. Without one the frame is returned as it is.
            within: Seconds to wait; the ``pachinko_timeout`` setting if not given.

        Raises:
            UnexpectedMessage: The frame is no such message. It has been consumed.
            SessionClosed: The connection has ended and every frame has been read.
            Stalled: Nothing came.

        Example::

            assert await session.receive(Said) == Said(user="ann", text="hi")
        """
        if payload_type is None:
            return await self._frame("receive()", within)
        name = _name(payload_type)
        frame = await self._frame(f"receive({name})", within)
        return self._decode(frame, payload_type, name)

    @overload
    async def receive_json(
        self, payload_type: None = None, *, within: float | None = None
    ) -> Any: ...

    @overload
    async def receive_json(self, payload_type: type[T], *, within: float | None = None) -> T: ...

    async def receive_json(self, payload_type: Any = None, *, within: float | None = None) -> Any:
        """Receive the next frame and decode its JSON.

        Args:
            payload_type: As for ``receive``; plain data if not given.
            within: As for ``receive``.

        Raises:
            UnexpectedMessage: The frame is no JSON, or no such message.
            SessionClosed: As for ``receive``.
            Stalled: As for ``receive``.
        """
        frame = await self._frame("receive_json()", within)
        return self._decode(frame, Any if payload_type is None else payload_type, "JSON")

    async def receive_text(self, *, within: float | None = None) -> str:
        """Receive the next frame, which must be text.

        Raises:
            UnexpectedMessage: It is binary.
            SessionClosed: As for ``receive``.
            Stalled: As for ``receive``.
        """
        frame = await self._frame("receive_text()", within)
        if not isinstance(frame, str):
            raise self._unexpected("a text frame", f"a binary one: {shorten(frame)}", frame)
        return frame

    async def receive_bytes(self, *, within: float | None = None) -> bytes:
        """Receive the next frame, which must be binary.

        Raises:
            UnexpectedMessage: It is text.
            SessionClosed: As for ``receive``.
            Stalled: As for ``receive``.
        """
        frame = await self._frame("receive_bytes()", within)
        if not isinstance(frame, bytes):
            raise self._unexpected("a binary frame", f"a text one: {shorten(frame)}", frame)
        return frame

    def __aiter__(self) -> Session:
        """Iterate over the frames; a close with 1000 or 1001 ends the iteration."""
        return self

    async def __anext__(self) -> str | bytes:
        """Return the next frame.

        Raises:
            SessionClosed: The connection ended with another code than 1000 and 1001.
            Stalled: As for ``receive``.
        """
        try:
            return await self._frame("async for", None)
        except SessionClosed as error:
            if error.code in (1000, 1001):
                raise StopAsyncIteration from None
            raise

    async def expect(self, *matchers: Any, within: float | None = None) -> list[Any]:
        """Receive exactly as many events as there are matchers, and compare them in order.

        Args:
            *matchers: What comes next. ``Closed(...)`` matches the end of the connection;
                anything that is no pattern stands for ``FromApp(...)`` of it.
            within: Seconds to wait for each; see ``receive``.

        Returns:
            The payloads: decoded to the type for a Struct or a type, decoded JSON for a dict
            or list, a ``Close`` for an end, else the frame as it is.

        Raises:
            UnexpectedMessage: Something else came. It has been consumed.
            Stalled: As for ``receive``.

        Example::

            await session.expect(Said(user="bob", text="hi"), Closed(4001))
        """
        payloads = []
        for number, matcher in enumerate(matchers, start=1):
            pattern = matcher if isinstance(matcher, Pattern) else FromApp(matcher)
            what = f"expect({shorten(matcher, 60)})"
            event = await self._event(what, within)
            if not pattern.matches(event):
                place = f" as event {number} of {len(matchers)}" if len(matchers) > 1 else ""
                payload = event.payload if event.kind != "closed" else None
                raise self._unexpected(shorten(pattern) + place, describe(event)[2:], payload)
            payloads.append(_payload(pattern, event))
        return payloads

    async def expect_silence(self, within: float | None = None) -> None:
        """Make sure that nothing has come and nothing comes by itself.

        Args:
            within: Seconds to wait. Without it, until nothing can run without time passing:
                no timer or thread is waited for, nor any socket but those of a LiveServer and
                its clients. On any other server that cannot be known, so it is 0.1 s there.

        Raises:
            UnexpectedMessage: There is an unread frame, or the connection has ended.
        """
        self._surface()
        within = self._listens if within is None else within
        if within is None:
            await self._settle()
        else:
            over = asyncio.get_running_loop().create_future()
            timer = self._timer(_seconds(within), over)
            try:
                # Not all news is a frame: that the handshake is done is some, too.
                while not (over.done() or self._is_disturbed()):
                    news = self._wire.watch()
                    over.add_done_callback(partial(pass_on, news))
                    await news
            finally:
                timer.cancel()
        self._surface()
        if self._wire.frames:
            frame = self._wire.frames[0]
            raise self._unexpected("silence", f"{_kind(frame)} {shorten(frame)}", frame)
        if self._wire.closed is not None:
            raise self._unexpected("silence", self._status(), None)

    # Ending.

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection and let the application react. Once is enough.

        Args:
            code: A code that a client may send (RFC 6455, section 7.4): 1000 to 1003, 1007
                to 1014, or 3000 to 4999.
            reason: At most 123 bytes of UTF-8.

        Raises:
            PachinkoUsageError: The code or the reason cannot be sent.
        """
        if not may_close_with(code):
            raise PachinkoUsageError(
                f"close({code}): a client sends 1000 to 1003, 1007 to 1014, or 3000 to 4999.\n"
                "Hint: drop() ends the connection without a close, which shows as 1006."
            )
        if len(reason.encode()) > MAX_REASON:
            raise PachinkoUsageError(f"close(reason=...): a reason has at most {MAX_REASON} bytes.")
        self._surface()
        self._wire.hang_up(code, reason)
        await self._settle()

    async def drop(self) -> None:
        """Vanish without closing, as when a network fails: the application sees 1006."""
        self._surface()
        self._wire.hang_up(1006)
        await self._settle()

    # Inside.

    async def _settle(self) -> None:
        """Let the application react to what the test did."""
        await settle()

    def _is_disturbed(self) -> bool:
        wire = self._wire
        return bool(wire.frames or wire.closed is not None or self._belongings.failures)

    async def _frame(self, what: str, within: float | None) -> str | bytes:
        wire = self._wire
        clock = self._clock
        while True:
            if self._belongings.failures:
                self._surface()
            if wire.frames:
                return wire.pop()
            if wire.closed is not None:
                raise self._ended(what)
            if clock is None or within is not None:
                await self._wait(wire.watch(), what, "no frame came", within)
                continue
            # PERF: what _wait would do, without a coroutine of its own.
            news = wire.watch()
            clock.waits[news] = (self._stalled, what, "no frame came")
            try:
                await news
            finally:
                del clock.waits[news]

    async def _event(self, what: str, within: float | None) -> TraceEvent:
        """Return the next frame or the end, as an event without a place in the trace."""
        try:
            payload: Any = await self._frame(what, within)
        except SessionClosed as error:
            by = next(e.direction for e in reversed(self.trace[:]) if e.kind == "closed")
            end = Close(error.code, error.reason)
            return TraceEvent(len(self.trace) - 1, by, "closed", end, self.path, 0.0)
        kind: Any = "text" if isinstance(payload, str) else "bytes"
        return TraceEvent(len(self.trace) - 1, "from_app", kind, payload, self.path, 0.0)

    async def _wait(
        self, news: asyncio.Future[Any], what: str, problem: str, within: float | None
    ) -> None:
        clock = self._clock
        if clock is None:
            timer: Any = self._timer(self._limit if within is None else _seconds(within), news)
        else:
            clock.waits[news] = (self._stalled, what, problem)
            timer = None if within is None else self._timer(_seconds(within), news)
        try:
            outcome = await news
        finally:
            if timer is not None:
                timer.cancel()
            if clock is not None:
                del clock.waits[news]
        if outcome is _EXPIRED:
            self._surface()
            seconds = self._limit if within is None else within
            real = " of real time" if clock is None else ""
            raise self._stalled(what, problem, f"and {seconds:g} s{real} have passed")

    def _timer(self, seconds: float, news: asyncio.Future[Any]) -> Any:
        clock = self._clock
        if clock is not None:
            return clock.demand(seconds, _expire_when_quiet, clock, news)
        return asyncio.get_running_loop().call_later(seconds, _expire, news)

    def _stalled(self, what: str, problem: str, why: str) -> Stalled:
        if self._clock is None:
            places = [
                f"  app      {doing(t)}" for t in self._belongings.living() if not is_internal(t)
            ]
            tip = f"Hint: is a message missing before this? To wait longer: within={2 * self._limit:g}"
        else:
            places = situation(self._clock)
            tip = hint(self._clock, what.partition("(")[0], why)
        if self._wire.handshake is None:
            tip = "Hint: on_connect must accept or refuse; it may wait for something."
        text = "\n".join([*places, last_events(self.trace), tip])
        return Stalled(
            f"{self.trace.connection}: {what}: {problem}, {why or 'and nothing can run'} "
            f"({self._status()}).\n{text}"
        )

    def _surface(self) -> None:
        """Raise what the application has raised, as itself."""
        if self._belongings.failures:
            raise self._belongings.failures.pop(0)

    def _ended(self, what: str) -> SessionClosed:
        close = self._wire.closed or Close(1006)
        return SessionClosed(
            f"{self.trace.connection}: {what}: the connection has ended: {self._status()}.\n"
            f"{last_events(self.trace)}",
            close.code,
            close.reason,
        )

    def _unexpected(
        self, expected: str, got: str, payload: str | bytes | None, hint: str = ""
    ) -> UnexpectedMessage:
        return UnexpectedMessage(
            f"{self.trace.connection}: something else came.\n"
            f"  expected  {expected}\n  got       {got}\n{hint}{last_events(self.trace)}",
            payload,
        )

    def _decode(self, frame: str | bytes, payload_type: Any, name: str) -> Any:
        try:
            return decoder(payload_type).decode(frame)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise self._unexpected(
                name, f"{_kind(frame)} {shorten(frame)}", frame, f"  {error}\n"
            ) from None

    def _status(self) -> str:
        if self._wire.closed is not None:
            by = next(e.direction for e in reversed(self.trace[:]) if e.kind == "closed")
            who = "the application" if by == "from_app" else "the test"
            reason = f" {self._wire.closed.reason!r}" if self._wire.closed.reason else ""
            return f"closed by {who} with {self._wire.closed.code}{reason}"
        if self._wire.handshake is None:
            return "the handshake is not answered yet"
        sent = sum(e.direction == "to_app" for e in self.trace)
        unread = f", {len(self._wire.frames)} unread" if self._wire.frames else ""
        return f"open; {sent} sent, {len(self.trace) - 1 - sent} received{unread}"


def _payload(pattern: Pattern, event: TraceEvent) -> Any:
    expected = getattr(pattern, "payload", None)
    if isinstance(expected, msgspec.Struct):
        return decoder(type(expected)).decode(event.payload)
    if is_type(expected) and expected not in (str, bytes):
        with suppress(TypeError):  # a type that compares by itself, which msgspec does not know
            return decoder(expected).decode(event.payload)
    return decode(event.payload) if isinstance(expected, dict | list) else event.payload


def _expire_when_quiet(clock: Clock, news: asyncio.Future[Any]) -> None:
    # What comes at that very moment comes in time.
    clock.when_quiet(partial(_expire, news))


def _expire(news: asyncio.Future[Any]) -> None:
    if not news.done():
        news.set_result(_EXPIRED)


def _seconds(within: float) -> float:
    if not 0 <= within < float("inf"):
        raise PachinkoUsageError(f"within={within!r}: seconds to wait, 0 or more.")
    return within


def _kind(frame: str | bytes) -> str:
    return "text" if isinstance(frame, str) else "bytes"


def _name(payload_type: Any) -> str:
    return payload_type.__name__ if isinstance(payload_type, type) else str(payload_type)
