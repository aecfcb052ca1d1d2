"""A connection as its resource and the manager know it."""

from __future__ import annotations

from typing import Any
from typing import TYPE_CHECKING

from falcon_pachinko.errors import CloseCodeError
from falcon_pachinko.errors import UnknownConnectionError
from falcon_pachinko.manager.outbox import Outbox
from falcon_pachinko.manager.registry import Membership

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon_pachinko.inbox import Inbox
    from falcon_pachinko.manager.admission import Seat
    from falcon_pachinko.manager.outbox import Limits
    from falcon_pachinko.manager.outbox import Loss
    from falcon_pachinko.manager.registry import Registry
    from falcon_pachinko.protocols import WebSocketLike

    Give = Callable[[Outbox, Any], bool]

__all__ = ["ManagedConnection", "check_close"]

_MAX_REASON = 123  # RFC 6455, section 5.5


class ManagedConnection(Membership):
    """A connection among others: ``self.connection`` of a resource.

    Attributes:
        id: Unique among all processes.
        outbox: What is on its way to the peer.
    """

    __slots__ = ("_give", "_seat", "outbox")

    def __init__(
        self,
        registry: Registry,
        connection_id: str,
        ws: WebSocketLike,
        inbox: Inbox,
        limits: Limits,
        lose: Callable[[Loss], None],
        give: Give,
        seat: Seat | None = None,
    ) -> None:
        super().__init__(registry, connection_id)
        self._give = give
        self._seat = seat
        self.outbox = Outbox(connection_id, ws, inbox, limits, lose)

    def __repr__(self) -> str:
        return f"<ManagedConnection {self.id}>"

    def bind_user(self, user: str | None) -> None:
        """Say whose connection it is, in the place of what was said before; None: nobody's.

        Raises:
            TargetError: The name is no text.
            TooManyConnectionsError: The user has as many as the manager allows. It refuses the
                handshake with 429 if nobody catches it.
            UnknownConnectionError: The connection has ended.
        """
        if self._seat is not None and isinstance(user, str):
            self._seat.check(user)
        super().bind_user(user)
        if self._seat is not None:
            self._seat.bind(user)

    async def send(self, message: Any) -> bool:
        """Send a message as ``manager.send`` does: without waiting for the peer.

        ``WebSocketResource.send`` waits for it.

        Args:
            message: A Struct, or anything else that msgspec encodes to JSON.

        Returns:
            Whether the connection took it.

        Raises:
            EncodeError: It cannot be encoded.
            PayloadTooLargeError: It is over the manager's limit.
            UnknownConnectionError: The connection is not accepted yet, or has ended.
            BackendError: It is served in another thread.
        """
        self._require_here()
        self.outbox.check_thread()
        return self._give(self.outbox, message)

    async def close(self, code: int = 1000, reason: str = "") -> bool:
        """Close the connection behind what was sent before; do not wait for that.

        Args:
            code: The close code.
            reason: At most 123 bytes.

        Returns:
            Whether it was open.

        Raises:
            CloseCodeError: The code or the reason cannot be sent.
            UnknownConnectionError: The connection is not accepted yet, or has ended.
            BackendError: It is served in another thread.
        """
        self._require_here()
        self.outbox.check_thread()
        check_close(code, reason)
        return self.outbox.close(code, reason)

    async def _end(self, code: int) -> None:
        """Take note that the connection has ended; nobody finds it from here on."""
        self.unregister()
        await self.outbox.stop(code)

    def _vacate(self) -> None:
        """Let another connection have the place of this one."""
        if self._seat is not None:
            self._seat.vacate()

    def _require_here(self) -> None:
        if self._state != "here":
            state = "has ended" if self._state == "ended" else "is not accepted yet"
            raise UnknownConnectionError(f"The connection {self.id!r} {state}.")


def check_close(code: object, reason: str) -> tuple[int, str]:
    """Return a code and a reason that a close frame can carry, as the plain values they are.

    Raises:
        CloseCodeError: None can.
    """
    if not isinstance(code, int) or not (
        1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
    ):
        raise CloseCodeError(
            f"{code!r} is no close code that may be sent: 1000 to 1003, 1007 to 1014 and 3000 "
            "to 4999 may (RFC 6455, section 7.4)."
        )
    try:
        text = str.encode(reason)
    except (TypeError, UnicodeEncodeError) as error:
        raise CloseCodeError(
            f'The reason {reason!r} is no text of UTF-8.\nHint: "" where there is none.'
        ) from error
    if len(text) > _MAX_REASON:
        raise CloseCodeError(
            f"A reason of {len(text)} bytes: at most {_MAX_REASON} can be sent (RFC 6455, section "
            "5.5)."
        )
    return int(code), text.decode()
