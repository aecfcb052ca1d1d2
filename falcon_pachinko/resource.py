"""What an application writes: a resource per connection."""

from __future__ import annotations

from typing import Any
from typing import ClassVar
from typing import TYPE_CHECKING
from typing import TypeVar

import msgspec
from falcon import WebSocketDisconnected

from falcon_pachinko.dispatch import compile_dispatch
from falcon_pachinko.dispatch import Dispatch
from falcon_pachinko.errors import LimitError
from falcon_pachinko.errors import ManagerError
from falcon_pachinko.hooks import Hooks
from falcon_pachinko.security import ConnectionLimits
from falcon_pachinko.subprotocols import check_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping
    from collections.abc import Sequence

    from falcon.asgi import Request

    from falcon_pachinko.conversation import Conversation
    from falcon_pachinko.errors import InvalidMessage
    from falcon_pachinko.hooks import ConnectionHook
    from falcon_pachinko.hooks import MessageHook
    from falcon_pachinko.manager.connection import ManagedConnection
    from falcon_pachinko.manager.manager import WebSocketConnectionManager
    from falcon_pachinko.manager.outbox import Outbox
    from falcon_pachinko.protocols import WebSocketLike

__all__ = ["WebSocketResource"]

_encode = msgspec.json.Encoder().encode

_CH = TypeVar("_CH", bound="ConnectionHook")
_MH = TypeVar("_MH", bound="MessageHook")


class _OfManager:
    """An attribute that instances have if their router has a manager."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self
        raise ManagerError(
            f"{owner.__name__}.{self._name}: its router has no manager.\n"
            "Hint: WebSocketRouter(manager=WebSocketConnectionManager()). The attribute is there "
            "when a connection is served, not in __init__."
        )


class WebSocketResource:
    """Serves the connections of a route, one instance each.

    A subclass declares what a client may send as ``schema`` and handles each tag in a
    method ``on_<tag>``, or in one decorated with ``handles_message``.

    Attributes:
        schema: A union of tagged ``msgspec.Struct`` types. Required.
        emits: The type, or union, that the server may send.
        subprotocols: The tokens that the resource speaks, the preferred one first.
        required_subprotocol: Whether an offer without one of them is refused.
        limits: How much a connection may send, as ``ConnectionLimits``; None for any amount.
        asyncapi: What the AsyncAPI document says of the handshake: ``query`` and ``headers``
            (types, or JSON Schemas), ``security`` (names of schemes), ``close_codes`` (texts by
            code). It is only for the document.
        req: Falcon's request of the handshake.
        ws: The connection; Falcon's WebSocket unless a test put another in its place.
        params: The path parameters, converted.
        state: Whatever the resource keeps about its connection.
        subprotocol: The negotiated subprotocol, or None.
        manager: The manager of the router, if it has one.
        connection: This connection among those of the manager.

    Example::

        class Echo(WebSocketResource):
            schema = Say

            async def on_say(self, ws, message: Say) -> None:
                await self.send(message)
    """

    schema: ClassVar[Any]
    emits: ClassVar[Any] = None
    subprotocols: ClassVar[Sequence[str]] = ()
    required_subprotocol: ClassVar[bool] = False
    limits: ClassVar[ConnectionLimits | None] = None
    asyncapi: ClassVar[Mapping[str, Any] | None] = None

    # Set when a connection is served, not in __init__: that one belongs to the subclass
    # and its dependencies.
    req: Request
    ws: WebSocketLike
    params: dict[str, Any]
    state: dict[str, Any]
    subprotocol: str | None

    manager: WebSocketConnectionManager = _OfManager()  # type: ignore[assignment]
    connection: ManagedConnection = _OfManager()  # type: ignore[assignment]

    _conversation: Conversation
    _outbox: Outbox | None = None
    _dispatch: ClassVar[Dispatch | None] = None
    _hooks: ClassVar[Hooks | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Compile the table of handlers; a mistake in it is an error now."""
        super().__init_subclass__(**kwargs)
        check_tokens(cls.subprotocols, cls.__name__)
        if not isinstance(cls.limits, ConnectionLimits | None):
            raise LimitError(
                f"{cls.__name__}.limits is {cls.limits!r}.\n"
                "Hint: limits = ConnectionLimits(max_message=65536, messages_per_second=20)"
            )
        cls._hooks = None
        if hasattr(cls, "schema"):
            cls._dispatch = compile_dispatch(cls)

    @classmethod
    def around_connection(cls, hook: _CH) -> _CH:
        """Wrap each connection of this resource class in a hook.

        Args:
            hook: Takes a ``ConnectionContext`` and returns an async context manager. It
                sees what a handler raises.

        Returns:
            The hook, so that this can be used as a decorator.
        """
        cls._own_hooks().connection.append(hook)
        return hook

    @classmethod
    def around_message(cls, hook: _MH) -> _MH:
        """Wrap the handling of each message of this resource class in a hook.

        Args:
            hook: Takes a ``MessageContext`` and returns an async context manager.

        Returns:
            The hook, so that this can be used as a decorator.
        """
        cls._own_hooks().message.append(hook)
        return hook

    @classmethod
    def _own_hooks(cls) -> Hooks:
        if cls._hooks is None:
            cls._hooks = Hooks()
        return cls._hooks

    async def on_connect(
        self,
        req: Request,  # noqa: ARG002
        ws: WebSocketLike,  # noqa: ARG002
        **params: Any,  # noqa: ARG002
    ) -> bool | None:
        """Decide about a handshake.

        Args:
            req: Falcon's request of the handshake.
            ws: The connection, not accepted yet.
            **params: The path parameters, converted.

        Returns:
            True accepts with the negotiated subprotocol; False refuses (HTTP 403). None
            goes on if the connection has been accepted here with ``accept``.

        Raises:
            falcon.HTTPError: Refuses with that status, where the server can send one.
        """
        return True

    async def on_unhandled(
        self,
        ws: WebSocketLike,  # noqa: ARG002
        message: str | bytes,  # noqa: ARG002
    ) -> None:
        """Receive a frame that no handler takes.

        By default it is counted, and the count is logged in one warning when the
        connection ends.

        Args:
            ws: The connection.
            message: The frame as it arrived.
        """
        self._conversation.unhandled += 1

    async def on_invalid(
        self,
        ws: WebSocketLike,
        message: str | bytes,
        error: InvalidMessage,  # noqa: ARG002
    ) -> None:
        """Receive a frame that is no message of the schema.

        The connection lives on. By default the frame goes to ``on_unhandled``.

        Args:
            ws: The connection.
            message: The frame as it arrived.
            error: What is wrong with it.
        """
        await self.on_unhandled(ws, message)

    async def on_disconnect(self, ws: WebSocketLike, close_code: int) -> None:
        """Say goodbye, once for each connection that was accepted.

        When a handler failed, this runs as soon as Falcon's error handlers have closed the
        connection, because the code is theirs to choose; if they leave it open, as soon as
        the application returns.

        Args:
            ws: The connection, closed.
            close_code: The code with which it ended (RFC 6455, section 7.4); 1006 if it
                ended without one.
        """

    async def accept(
        self, headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None
    ) -> None:
        """Accept the connection with the negotiated subprotocol.

        Needed in ``on_connect`` only, to send something before returning.

        Args:
            headers: Headers of the handshake response.
        """
        await self._conversation.accept(headers)

    async def send(self, message: Any) -> None:
        """Send one message as a text frame.

        Args:
            message: A Struct, or anything else that msgspec encodes to JSON.

        Raises:
            falcon.WebSocketDisconnected: The connection has ended.
        """
        try:
            outbox = self._outbox
            if outbox is None:
                await self.ws.send_text(_encode(message).decode())
            else:
                await outbox.send(_encode(message).decode())
        except WebSocketDisconnected as error:
            # Whose connection it was: a handler may send to others than its own.
            error.resource = self  # type: ignore[attr-defined]
            raise
        except RuntimeError as error:
            # Some servers raise one, rather than an OSError, for a connection that is gone.
            inbox = self._conversation.inbox
            if not inbox.ended:
                raise
            ended = WebSocketDisconnected(inbox.code)
            ended.resource = self  # type: ignore[attr-defined]
            raise ended from error


def hooks_of(cls: type[WebSocketResource]) -> list[Hooks]:
    """Return the hooks of a resource class and its bases, the bases' outside."""
    return [
        hooks
        for base in reversed(cls.__mro__)
        if isinstance(hooks := vars(base).get("_hooks"), Hooks)
    ]
