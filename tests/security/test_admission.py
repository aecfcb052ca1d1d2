"""How many connections a manager has, and how many of one user."""

import asyncio
from typing import Any

import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import install
from falcon_pachinko import LimitError
from falcon_pachinko import TargetError
from falcon_pachinko import TooManyConnectionsError
from falcon_pachinko import UnknownConnectionError
from falcon_pachinko import User
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.manager.admission import Admission
from pytest_pachinko import Closed
from pytest_pachinko import LiveServer
from pytest_pachinko import MemoryTransport
from pytest_pachinko.clock import VirtualClock

pytestmark = pytest.mark.asyncio


class Bind(msgspec.Struct, tag="bind"):
    """Become another user."""

    user: Any = None


class Member(WebSocketResource):
    """Is the user of its query, after as many seconds as that says."""

    schema = Bind

    async def on_connect(self, req: Any, ws: Any) -> bool:
        user = req.get_param("user")
        if user is not None:
            self.connection.bind_user(user)
        await asyncio.sleep(float(req.get_param("seconds", default="0")))
        if req.get_param("fail"):
            raise ZeroDivisionError
        return not req.get_param("refuse")

    async def on_bind(self, ws: Any, message: Bind) -> None:
        self.connection.bind_user(message.user)
        await self.send(message)


def serve(resource: Any = Member, **limits: Any) -> tuple[WebSocketConnectionManager, Any]:
    manager = WebSocketConnectionManager(**limits)
    router = WebSocketRouter(manager=manager)
    router.add_route("/", resource)
    app = falcon.asgi.App()
    install(app, router)
    return manager, MemoryTransport(app)


@pytest.mark.parametrize("name", ["max_connections", "max_connections_per_user"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "many"])
async def test_what_is_no_number_of_connections_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(LimitError, match=f"{name}={value!r}.*\nHint: None is no limit"):
        WebSocketConnectionManager(**{name: value})


# All connections.


async def test_one_connection_too_many_is_refused_with_503() -> None:
    manager, connect = serve(max_connections=2)

    async with connect("/"), connect("/"):
        answer = await connect.denied("/", status=503)
        assert 5 <= int(answer.headers["retry-after"]) <= 15
    async with connect("/"):
        assert manager.count == 1
    assert manager.stats.denied == 1


async def test_a_handshake_that_is_not_over_has_its_place(websocket_clock: VirtualClock) -> None:
    _, connect = serve(max_connections=1)
    async with connect:
        opening = asyncio.create_task(_visit(connect, "/?seconds=5"))
        await websocket_clock.advance(1)

        await connect.denied("/", status=503)
        await websocket_clock.advance(5)
        await opening


async def _visit(connect: MemoryTransport, path: str) -> None:
    async with connect(path):
        pass


@pytest.mark.parametrize("query", ["refuse=1", "fail=1"])
async def test_a_handshake_that_fails_gives_its_place_back(query: str) -> None:
    _, connect = serve(max_connections=1, max_connections_per_user=1)
    async with connect:
        for _ in range(3):
            with pytest.raises(Exception):  # noqa: B017, PT011 - refused, or failed
                await _visit(connect, f"/?user=ann&{query}")

        await _visit(connect, "/?user=ann")


async def test_a_handler_that_fails_gives_its_place_back() -> None:
    class Failing(Member):
        async def on_bind(self, ws: Any, message: Bind) -> None:
            raise ZeroDivisionError

    _, connect = serve(Failing, max_connections=1, max_connections_per_user=1)
    async with connect:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with connect("/?user=ann") as session:
                    await session.send(Bind())
                    await session.receive()


async def test_a_crash_in_on_disconnect_gives_the_place_back() -> None:
    class Failing(Member):
        async def on_disconnect(self, ws: Any, close_code: int) -> None:
            raise ZeroDivisionError

    _, connect = serve(Failing, max_connections=1, max_connections_per_user=1)
    async with connect:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await _visit(connect, "/?user=ann")


async def test_a_handshake_that_is_cancelled_gives_its_place_back(pipe: Any) -> None:
    manager, connect = serve(max_connections=1)
    connection = pipe(connect.app, query_string=b"seconds=60")
    for _ in range(10):
        await asyncio.sleep(0)
    connection.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connection.task

    await _visit(connect, "/")
    assert manager.stats.denied == 0


async def test_where_a_server_cannot_deny_one_too_many_is_closed_with_3503(pipe: Any) -> None:
    _, connect = serve(max_connections=1)

    async with connect("/"):
        connection = pipe(connect.app)
        await connection.task

    assert [event["code"] for event in connection.sent] == [3503]


# Connections of a user.


async def test_one_connection_of_a_user_too_many_is_refused_with_429() -> None:
    manager, connect = serve(max_connections_per_user=2)

    async with connect("/?user=ann"), connect("/?user=ann"), connect("/?user=bob"), connect("/"):
        answer = await connect.denied("/?user=ann", status=429)
        assert 5 <= int(answer.headers["retry-after"]) <= 15
        assert b"ann" not in answer.body
        assert b"2" not in answer.body.replace(b"429", b"")
    async with connect("/?user=ann"):
        assert manager.stats.users == 1
    assert manager.stats.denied_users == 1


async def test_where_a_server_cannot_deny_it_is_closed_with_3429(pipe: Any) -> None:
    _, connect = serve(max_connections_per_user=1)

    async with connect("/?user=ann"):
        connection = pipe(connect.app, query_string=b"user=ann")
        await connection.task

    assert [event["code"] for event in connection.sent] == [3429]


async def test_handshakes_of_one_user_at_once_do_not_overtake_the_limit(
    websocket_clock: VirtualClock,
) -> None:
    _, connect = serve(max_connections_per_user=1)
    async with connect:
        opening = asyncio.create_task(_visit(connect, "/?user=ann&seconds=5"))
        await websocket_clock.advance(1)

        await connect.denied("/?user=ann", status=429)
        await websocket_clock.advance(5)
        await opening


async def test_who_is_bound_later_counts_too() -> None:
    _, connect = serve(max_connections_per_user=1)

    async with connect("/?user=ann"), connect("/") as other:
        await other.send(Bind("bob"))
        await other.receive(Bind)
        await connect.denied("/?user=bob", status=429)
        await other.send(Bind("ann"))
        await other.expect(Closed(3429))


async def test_who_is_bound_again_counts_once() -> None:
    _, connect = serve(max_connections_per_user=1)

    async with connect("/?user=ann") as ann:
        for user in ("ann", "bob", None, "ann"):
            await ann.send(Bind(user))
            await ann.receive(Bind)
        await connect.denied("/?user=ann", status=429)
        async with connect("/?user=bob"):
            pass


async def test_the_error_may_be_caught_and_says_what_to_do() -> None:
    messages = []

    class Polite(Member):
        async def on_connect(self, req: Any, ws: Any) -> bool:
            try:
                self.connection.bind_user("ann")
            except TooManyConnectionsError as error:
                messages.append(str(error))
                await self.manager.disconnect(User("ann"), 4000, "elsewhere")
            return True

    _, connect = serve(Polite, max_connections_per_user=1)

    async with connect("/") as first, connect("/"):
        await first.expect(Closed(4000, reason="elsewhere"))

    [message] = messages
    assert message.startswith(
        "The user has max_connections_per_user=1 connections already.\nHint: "
    )


async def test_what_is_no_user_is_the_same_error_as_ever() -> None:
    errors = []

    class Odd(Member):
        async def on_connect(self, req: Any, ws: Any) -> bool:
            try:
                self.connection.bind_user(3)  # type: ignore[arg-type]
            except TargetError as error:
                errors.append(error)
            return True

    _, connect = serve(Odd, max_connections_per_user=1)
    await _visit(connect, "/")

    assert errors


async def test_who_has_left_is_not_counted_any_more() -> None:
    kept: list[Any] = []

    class Kept(Member):
        async def on_connect(self, req: Any, ws: Any) -> bool:
            kept.append(self.connection)
            return not req.get_param("refuse")

    _, connect = serve(Kept, max_connections_per_user=1)
    async with connect:
        await connect.denied("/?refuse=1")
        await _visit(connect, "/")
        refused, ended = kept
        refused.bind_user("ann")
        with pytest.raises(UnknownConnectionError):
            ended.bind_user("ann")

        await _visit(connect, "/")
        await connect.denied("/?refuse=1")


async def test_a_place_is_given_back_once() -> None:
    admission = Admission(2, 1)
    seat, other = admission.enter(), admission.enter()
    assert seat is not None
    seat.bind("ann")

    seat.vacate()
    seat.vacate()
    seat.check("ann")
    seat.bind("ann")

    assert (admission.taken, admission.users) == (1, {})
    assert other is not None


async def test_the_limits_hold_on_a_server() -> None:
    manager, connect = serve(max_connections=2, max_connections_per_user=1)

    async with LiveServer(connect.app) as server:
        client = server.client()
        async with client.connect("/?user=ann"):
            await client.denied("/?user=ann", status=429)
            async with client.connect("/"):
                await client.denied("/", status=503)

    assert (manager.stats.denied, manager.stats.denied_users) == (1, 1)
