"""What a handler may rely on, whatever carries the connection."""

from __future__ import annotations

from typing import Protocol
from typing import runtime_checkable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping

__all__ = ["WebSocketLike"]


@runtime_checkable
class WebSocketLike(Protocol):
    """The part of ``falcon.asgi.WebSocket`` that resources and handlers use.

    In production it is Falcon's own object. A test may put another in its place through
    ``WebSocketRouter(simulator_factory=...)``.
    """

    @property
    def unaccepted(self) -> bool:
        """Whether the handshake has not been answered yet."""
        ...

    @property
    def closed(self) -> bool:
        """Whether either side has ended the connection."""
        ...

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """The subprotocols that the client offered, in its order."""
        ...

    async def accept(
        self,
        subprotocol: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> None:
        """Accept the connection (RFC 6455, section 4.2.2)."""
        ...

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Refuse the handshake, or close the connection (RFC 6455, section 7)."""
        ...

    async def send_text(self, payload: str) -> None:
        """Send one text frame."""
        ...

    async def send_data(self, payload: bytes | bytearray | memoryview) -> None:
        """Send one binary frame."""
        ...

    async def send_media(self, media: object) -> None:
        """Serialize an object with the app's media handler and send it."""
        ...

    async def receive_media(self) -> object:
        """Return the next frame: ``str`` and ``bytes`` as they are, or decoded media."""
        ...
