"""One connection and its resource, from handshake to goodbye."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from typing import TYPE_CHECKING

import falcon
from falcon import WebSocketDisconnected

from falcon_pachinko.dispatch import explain
from falcon_pachinko.errors import ConnectError
from falcon_pachinko.errors import PeerLeftError
from falcon_pachinko.hooks import ConnectionContext
from falcon_pachinko.hooks import MessageContext
from falcon_pachinko.inbox import ABNORMAL
from falcon_pachinko.inbox import close_in_time
from falcon_pachinko.inbox import Inbox
from falcon_pachinko.resource import hooks_of
from falcon_pachinko.security import overloaded

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Iterable
    from collections.abc import Sequence

    from falcon.asgi import Request

    from falcon_pachinko.dispatch import Dispatch
    from falcon_pachinko.hooks import ConnectionHook
    from falcon_pachinko.hooks import Hooks
    from falcon_pachinko.hooks import MessageHook
    from falcon_pachinko.inbox import Send
    from falcon_pachinko.manager.connection import ManagedConnection
    from falcon_pachinko.manager.manager import WebSocketConnectionManager
    from falcon_pachinko.protocols import WebSocketLike
    from falcon_pachinko.resource import WebSocketResource
    from falcon_pachinko.security import Breach
    from falcon_pachinko.security import ConnectionLimits

__all__ = ["Conversation", "serve"]

_logger = logging.getLogger("falcon_pachinko")
_farewells: set[asyncio.Task[None]] = set()  # a loop holds its tasks by weak reference only

_FORBIDDEN = 3403  # Falcon's close code for an HTTP 403
_SERVER_ERROR = 1011
_UNSENDABLE = (1005, ABNORMAL)  # how a connection can end, but cannot be closed
_DENIAL = "websocket.http.response"


async def serve(
    resource: WebSocketResource,
    req: Request,
    ws: WebSocketLike,
    params: dict[str, Any],
    *,
    subprotocol: str | None = None,
    original: WebSocketLike | None = None,
    hooks: Sequence[Hooks] = (),
    manager: WebSocketConnectionManager | None = None,
) -> None:
    """Serve one connection with a resource.

    Args:
        resource: A fresh resource.
        req: Falcon's request of the handshake.
        ws: The connection.
        params: The path parameters, converted.
        subprotocol: What was negotiated.
        original: The connection that ``ws`` stands in for, whose handshake and close follow
            it.
        hooks: The hooks of the routers, outermost first; the resource's own come inside.
        manager: The manager that is to know the connection.
    """
    hooks = [*hooks, *hooks_of(type(resource))]
    resource.req = req
    resource.ws = ws
    resource.params = params
    resource.state = {}
    resource.subprotocol = subprotocol
    conversation = Conversation(
        resource, original or ws, [h for each in hooks for h in each.message]
    )
    resource._conversation = conversation  # noqa: SLF001
    connection_hooks = [hook for each in hooks for hook in each.connection]
    try:
        if manager is not None:
            conversation.join(manager)
        if not connection_hooks:
            running = conversation.run()
        else:
            running = _run_inside(connection_hooks, conversation, resource)
        if resource.limits is None:
            await running
        else:
            await conversation.run_within(resource.limits, running)
    except WebSocketDisconnected as error:
        # The peer left while something was being sent to it: a normal end.
        if conversation.is_of_another(error):
            raise PeerLeftError(
                f"{type(resource).__name__}: a handler has sent to another connection, whose peer "
                f"had left ({error.code}).\n"
                "Hint: except falcon.WebSocketDisconnected where others are sent to."
            ) from error
    except falcon.HTTPError as error:
        conversation.refuse_with(error)
        raise
    finally:
        if manager is not None:
            conversation.vacate()
    if conversation.failed and not conversation.inbox.ended:
        # A hook swallowed the error; the peer must not take the end for a normal one.
        await ws.close(_SERVER_ERROR)


async def _run_inside(
    hooks: Sequence[ConnectionHook], conversation: Conversation, resource: WebSocketResource
) -> None:
    context = ConnectionContext(resource.req, resource.ws, resource, resource.params)
    async with AsyncExitStack() as stack:
        for hook in hooks:
            await stack.enter_async_context(hook(context))
        await conversation.run()


class Conversation:
    """One connection while it is served.

    Attributes:
        inbox: The frames of the connection, and the record of how it ended.
        unhandled: How many frames the default ``on_unhandled`` has counted.
        failed: Whether a handler raised.
    """

    __slots__ = (
        "_connection",
        "_deadline",
        "_follower",
        "_hooks",
        "_original",
        "_reasons",
        "_resource",
        "failed",
        "inbox",
        "unhandled",
    )

    def __init__(
        self,
        resource: WebSocketResource,
        original: WebSocketLike,
        hooks: Sequence[MessageHook],
    ) -> None:
        self._resource = resource
        self._original = original
        self._hooks = hooks
        self._reasons: Counter[str] = Counter()
        self.inbox = Inbox(resource.ws)
        self._connection: ManagedConnection | None = None
        self._follower: asyncio.Task[None] | None = None
        self._deadline: asyncio.Timeout | None = None  # for the handshake
        self.unhandled = 0
        self.failed = False

    def join(self, manager: WebSocketConnectionManager) -> None:
        """Let a manager know the connection, from its accept to its end."""
        resource = self._resource
        self._connection = manager._connect(resource.ws, self.inbox)  # noqa: SLF001
        self.inbox.opened = self._connection.register
        resource.manager = manager
        resource.connection = self._connection
        resource._outbox = self._connection.outbox  # noqa: SLF001

    def vacate(self) -> None:
        """Let another connection have the place of this one in the manager."""
        if self._connection is not None:
            self._connection._vacate()  # noqa: SLF001

    async def run_within(self, limits: ConnectionLimits, running: Awaitable[None]) -> None:
        """Run the connection within limits.

        Args:
            limits: The limits.
            running: What runs it.

        Raises:
            falcon.HTTPServiceUnavailable: The handshake took too long.
        """
        inbox = self.inbox
        if limits.measures:
            inbox.guard(limits, self._forbid)
        self._deadline = asyncio.timeout(None if inbox.accepted else limits.accept_timeout)
        inbox.opening = self._decide
        try:
            async with self._deadline:
                await running
        except TimeoutError:
            if not self._deadline.expired():
                raise
            raise overloaded() from None

    def _decide(self) -> None:
        """Take note that the connection is about to be accepted, unless it is too late."""
        if self._deadline is not None and not self.inbox.accepted:
            if self._deadline.expired():
                raise overloaded()
            self._deadline.reschedule(None)

    async def _forbid(self, breach: Breach) -> None:
        """Close the connection, whatever its handlers are doing."""
        name = type(self._resource).__name__
        _logger.warning("%s: a connection is closed with %d: %s", name, breach.code, breach.reason)
        await close_in_time(self._resource.ws, breach.code, breach.reason)

    async def accept(
        self, headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None
    ) -> None:
        """Accept the connection, and the one that it stands in for."""
        resource = self._resource
        self._decide()
        if resource.ws.unaccepted:
            await resource.ws.accept(resource.subprotocol, headers)
        original = self._original
        if original.unaccepted:
            following = self._follow(Inbox(original))
            self._follower = asyncio.create_task(following, name="falcon_pachinko follower")
            await original.accept(resource.subprotocol, headers)
        self.inbox.start()

    async def _follow(self, original: Inbox) -> None:
        """End this connection as the one ends that it stands in for."""
        await original.drain()
        if original.close_code is not None:
            self.inbox.close_code = original.close_code
        self.inbox.lose(original.code)

    def refuse_with(self, error: falcon.HTTPError) -> None:
        """Have the handshake refused with an HTTP response, where the server can send one.

        The refusal itself stays with Falcon's error handlers; only the close event that
        they send before accept is put in other words (ASGI, "Websocket Denial Response").
        """
        extensions = self._resource.req.scope.get("extensions") or {}
        if _DENIAL in extensions:
            self.inbox.deny = partial(_deny, error)

    def is_of_another(self, error: WebSocketDisconnected) -> bool:
        """Return whether it is another connection that has ended, to which was sent from here."""
        return getattr(error, "resource", self._resource) is not self._resource

    async def run(self) -> None:
        """Run the connection from handshake to goodbye.

        Raises:
            Exception: Whatever a handler raised. The goodbye is then said when Falcon's
                error handlers have closed the connection.
        """
        inbox = self.inbox
        try:
            await self._talk()
        except Exception:
            self.failed = True
            if inbox.accepted:
                self._part_later()
            raise
        except asyncio.CancelledError:
            # The server takes the connection down, and this task with it.
            if inbox.accepted:
                await self._part()
            raise
        if inbox.accepted:
            if inbox.forbidding:
                await inbox.forbidden()
            inbox.stop()
            await self._goodbye()

    async def _talk(self) -> None:
        inbox = self.inbox
        ws = self._resource.ws
        if inbox.accepted:
            inbox.start()
        try:
            await self._handshake()
            if inbox.accepted:
                await self._receive()
        except WebSocketDisconnected as error:
            if self.is_of_another(error):
                raise
            # The peer left during the handshake.
            if inbox.accepted and ws.closed:
                await inbox.drain()
        if inbox.accepted and not inbox.ended:
            if self._connection is not None:
                await self._connection.outbox.closing()
            await ws.close()

    async def _handshake(self) -> None:
        resource = self._resource
        ws = resource.ws
        verdict = await resource.on_connect(resource.req, ws, **resource.params)
        if self.inbox.close_code is not None:
            return
        if verdict is False:
            await ws.close(_FORBIDDEN)
        elif verdict is True or (verdict is None and not ws.unaccepted):
            await self.accept()
        else:
            what = " without having accepted the connection" if ws.unaccepted else ""
            raise ConnectError(
                f"{type(resource).__name__}.on_connect returned {verdict!r}{what}.\n"
                "Hint: return True to accept, False to refuse, or accept first with: "
                "await self.accept()"
            )

    async def _receive(self) -> None:
        resource = self._resource
        dispatch: Dispatch = resource._dispatch  # type: ignore[assignment]  # noqa: SLF001
        decode = dispatch.decode
        handlers = dispatch.handlers
        hooks = self._hooks
        inbox = self.inbox
        frames = inbox.frames
        ws = resource.ws
        while inbox.close_code is None and (frames or await inbox.more()):
            frame = inbox.pop()
            try:
                try:
                    message = decode(frame)
                except Exception as error:  # noqa: BLE001 - a __post_init__ may raise anything
                    await self._invalid(dispatch, frame, error)
                    continue
                name = handlers.get(type(message))
                if hooks:
                    await self._handle_inside_hooks(name, frame, message)
                elif name is not None:
                    await getattr(resource, name)(ws, message)
                else:
                    await resource.on_unhandled(ws, frame)
            except WebSocketDisconnected as error:
                if self.is_of_another(error):
                    raise
                # The peer has left, and what it said before is still served. If it has not
                # left, the handler means to end the connection.
                if not ws.closed:
                    return

    async def _invalid(self, dispatch: Dispatch, frame: str | bytes, error: Exception) -> None:
        resource = self._resource
        invalid = explain(dispatch.schema, frame, error)
        self._reasons[invalid.reason] += 1
        if invalid.reason == "schema_error" and self._reasons["schema_error"] == 1:
            # A peer that has found out must not be able to fill the log.
            _logger.error(
                "%s: a Struct of the schema failed while it was decoded",
                type(resource).__name__,
                exc_info=error,
            )
        await resource.on_invalid(resource.ws, frame, invalid)

    async def _handle_inside_hooks(
        self, name: str | None, frame: str | bytes, message: Any
    ) -> None:
        resource = self._resource
        context = MessageContext(resource.req, resource.ws, resource, message)
        async with AsyncExitStack() as stack:
            for hook in self._hooks:
                await stack.enter_async_context(hook(context))
            if name is not None:
                await getattr(resource, name)(resource.ws, message)
            else:
                await resource.on_unhandled(resource.ws, frame)

    async def _goodbye(self) -> None:
        resource = self._resource
        code = self.inbox.code
        if self._connection is not None:
            await self._connection._end(code)  # noqa: SLF001
        if self.unhandled:
            reasons = ", ".join(f"{reason} {count}" for reason, count in self._reasons.items())
            _logger.warning(
                "%s: %d frames of a connection were not handled (%s)",
                type(resource).__name__,
                self.unhandled,
                reasons or "no handler for their tag",
            )
        try:
            await resource.on_disconnect(resource.ws, code)
        finally:
            if self._follower is not None:
                self._follower.cancel()
                for connection in (resource.ws, self._original):
                    if not connection.closed:
                        await connection.close(_SERVER_ERROR if code in _UNSENDABLE else code)

    def _part_later(self) -> None:
        """Say goodbye when Falcon's error handlers have ended the connection.

        They may leave it as it is: then the server ends it when the application returns.
        """
        owner: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        owner.add_done_callback(self.inbox.abandon)
        farewell = asyncio.create_task(self._part(owner), name="falcon_pachinko farewell")
        _farewells.add(farewell)
        farewell.add_done_callback(_farewells.discard)

    async def _part(self, owner: asyncio.Task[Any] | None = None) -> None:
        """Say goodbye where nobody hears what ``on_disconnect`` raises."""
        inbox = self.inbox
        if owner is not None:
            await inbox.drain()
            owner.remove_done_callback(inbox.abandon)
        inbox.stop()
        try:
            await self._goodbye()
        except WebSocketDisconnected:
            pass
        except Exception:
            _logger.exception("%s.on_disconnect failed", type(self._resource).__name__)


async def _deny(error: falcon.HTTPError, send: Send) -> None:
    body = error.to_json()
    given = error.headers or {}
    items = given.items() if isinstance(given, Mapping) else given
    # Its length is the server's to say.
    own = {"content-type": falcon.MEDIA_JSON}
    headers = [pair for pair in items if pair[0].lower() not in ("content-length", *own)] + list(
        own.items()
    )
    await send(
        {
            "type": "websocket.http.response.start",
            "status": error.status_code,
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers],
        }
    )
    await send({"type": "websocket.http.response.body", "body": body})
