"""The fixtures for groups of connections: the manager, its backend, and clusters."""

from __future__ import annotations

import sys

import pytest

ROOMS = """
import os

import falcon.asgi
import msgspec

from falcon_pachinko import MemoryBackend
from falcon_pachinko import Room
from falcon_pachinko import WebSocketConnectionManager
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko import install


class Say(msgspec.Struct, tag="say"):
    text: str


class Unreachable(MemoryBackend):
    async def start(self, node, deliver, interrupted):
        raise AssertionError("that is the backend of production")


class ChatRoom(WebSocketResource):
    schema = Say

    async def on_connect(self, req, ws, room):
        self.connection.join(room)
        return True

    async def on_say(self, ws, message):
        if message.text == "exit":
            os._exit(7)
        if message.text == "port":
            message.text = os.environ["TEA"]
        await self.manager.send(Room(self.params["room"]), message)


def make(*backends):
    app = falcon.asgi.App()
    for number, backend in enumerate(backends):
        router = WebSocketRouter(manager=WebSocketConnectionManager(backend))
        router.add_route("/{room}", ChatRoom)
        install(app, router, prefix=f"/{number}" if number else "")
    return app


made = []


def create_app():
    made.append(make(None))
    return made[-1]


def create_two():
    return make(Unreachable(), Unreachable())


app = make(None)
production = make(Unreachable())
"""

HEAD = """
import pytest
import rooms
from falcon_pachinko import All, Room
from pytest_pachinko import Closed, FaultyBackend, PachinkoUsageError
from rooms import Say

HI = Say(text="hi")
"""


@pytest.fixture
def rooms(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with rooms, and a test in it is written without the imports."""
    monkeypatch.delitem(sys.modules, "rooms", raising=False)
    project.makepyfile(rooms=ROOMS)
    return project


def run(project: pytest.Pytester, body: str, *arguments: str, app: str = "app") -> pytest.RunResult:
    project.makepyfile(test_it=HEAD + body)
    return project.runpytest(f"--pachinko-app=rooms:{app}", "-p", "no:cacheprovider", *arguments)


SENDS = """
@pytest.mark.asyncio
async def test_it(websocket_manager, websocket_connect):
    async with websocket_connect("/tea") as ann:
        await websocket_manager.send(Room("tea"), HI)

        await ann.expect(HI)
        assert websocket_manager.count == 1
        assert websocket_manager.connections(Room("tea"))
    assert websocket_manager.count == 0
"""


@pytest.mark.parametrize("transport", ["memory", "live", "memory,live", "parity"])
def test_a_test_sends_through_the_manager_of_the_application(
    rooms: pytest.Pytester, transport: str
) -> None:
    result = run(rooms, SENDS, f"--pachinko-transport={transport}")

    result.assert_outcomes(passed=2 if transport == "memory,live" else 1)


def test_a_manager_works_in_auto_mode_and_in_a_wider_loop(rooms: pytest.Pytester) -> None:
    body = SENDS.replace("mark.asyncio", 'mark.asyncio(loop_scope="module")')

    result = run(rooms, body, "-o", "asyncio_mode=auto")

    result.assert_outcomes(passed=1)


def test_a_test_without_a_loop_can_look_at_a_manager(rooms: pytest.Pytester) -> None:
    body = """
def test_it(websocket_manager):
    assert websocket_manager.count == 0
"""

    run(rooms, body).assert_outcomes(passed=1)


def test_without_asyncio_a_manager_and_a_backend_are_there(rooms: pytest.Pytester) -> None:
    body = """
def test_it(websocket_manager, websocket_backend):
    assert websocket_manager.backend is websocket_backend
"""

    result = run(rooms, body, "-p", "no:asyncio", "-o", "filterwarnings=default")

    result.assert_outcomes(passed=1)


def test_a_manager_that_a_test_has_started_is_stopped(rooms: pytest.Pytester) -> None:
    body = """
@pytest.mark.asyncio
async def test_it(websocket_manager):
    await websocket_manager.send(All(), HI)
    assert websocket_manager.started

def test_after(websocket_app):
    from pytest_pachinko import manager_of

    manager = manager_of(websocket_app)
    assert not manager.started
    assert "start" not in vars(manager)
"""

    run(rooms, body).assert_outcomes(passed=2)


def test_an_application_without_a_manager_says_what_to_do(rooms: pytest.Pytester) -> None:
    body = """
@pytest.fixture
def websocket_app():
    return rooms.make()

def test_it(websocket_manager): ...
"""

    result = run(rooms, body)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*has no WebSocketConnectionManager.", "Hint: give a router*"])


def test_of_several_managers_a_marker_chooses(rooms: pytest.Pytester) -> None:
    body = """
def test_none(websocket_manager): ...

@pytest.mark.pachinko(manager="/1/{room}")
@pytest.mark.asyncio
async def test_one(websocket_manager, websocket_backend, websocket_connect):
    async with websocket_connect("/1/tea") as ann, websocket_connect("/tea") as bob:
        await websocket_manager.send(All(), HI)

        await websocket_connect.expect_broadcast(HI, to=[ann])
        assert websocket_manager.backend is websocket_backend
"""

    result = run(rooms, body, app="create_two")

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*has 2 managers:", '*pachinko(manager="/{room}")*'])


@pytest.mark.parametrize(
    ("opener", "connect"),
    [
        ("websocket_connect", ""),
        ("websocket_harness", ".connect"),
        ("websocket_client", ".connect"),
    ],
)
@pytest.mark.parametrize("order", ["websocket_backend, {}", "{}, websocket_backend"])
def test_a_test_needs_no_backend_of_production(
    rooms: pytest.Pytester, opener: str, connect: str, order: str
) -> None:
    body = f"""
from pytest_pachinko import manager_of

@pytest.mark.asyncio
async def test_it({order.format(opener)}):
    assert type(websocket_backend) is FaultyBackend
    async with {opener}{connect}("/tea"):
        with websocket_backend.losing():
            await manager_of(rooms.production).send(All(), HI)
        assert websocket_backend.counts["lost"] == 1

def test_after():
    assert type(manager_of(rooms.production).backend) is rooms.Unreachable
"""

    run(rooms, body, app="production").assert_outcomes(passed=2)


def test_another_backend_may_stand_in_for_all_tests(rooms: pytest.Pytester) -> None:
    body = """
from pytest_pachinko import manager_of

class Mine(FaultyBackend): ...

@pytest.fixture(autouse=True)
def websocket_backend():
    return Mine()

@pytest.mark.asyncio
async def test_it(websocket_connect):
    async with websocket_connect("/tea") as ann:
        await ann.send(HI)
        await ann.expect(HI)
        assert type(manager_of(rooms.production).backend) is Mine
"""

    run(rooms, body, app="production").assert_outcomes(passed=1)


def test_a_backend_that_comes_too_late_is_an_error(rooms: pytest.Pytester) -> None:
    body = """
@pytest.mark.asyncio
async def test_it(websocket_connect, request):
    async with websocket_connect("/tea"):
        request.getfixturevalue("websocket_backend")
"""

    result = run(rooms, body)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*cannot be replaced: it has started.*", "*Hint: let the test*"])


def test_the_application_may_be_what_makes_it(rooms: pytest.Pytester) -> None:
    body = """
@pytest.fixture
def websocket_app():
    return rooms.create_app

@pytest.mark.asyncio
async def test_it(websocket_connect, websocket_manager):
    async with websocket_connect("/tea") as ann:
        await websocket_manager.send(All(), HI)
        await ann.expect(HI)
    assert len(rooms.made) == 1
"""

    run(rooms, body).assert_outcomes(passed=1)


def test_an_async_function_makes_no_application(rooms: pytest.Pytester) -> None:
    body = """
@pytest.fixture
def websocket_app():
    async def create(): ...
    return create

def test_it(websocket_manager): ...
"""

    result = run(rooms, body)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["websocket_app: an async function cannot make*"])


CLUSTER = """
@pytest.mark.asyncio
async def test_it(websocket_cluster):
    async with websocket_cluster(2) as cluster:
        one, two = cluster
        async with one.connect("/tea") as ann, two.connect("/tea") as bob:
            await ann.send(HI)
            await cluster.expect_broadcast(HI, to=[ann, bob])
    assert len(rooms.made) == 2
"""


def test_a_cluster_is_made_by_what_the_configuration_names(rooms: pytest.Pytester) -> None:
    run(rooms, CLUSTER, app="create_app").assert_outcomes(passed=1)


def test_a_cluster_is_made_by_what_websocket_app_returns(rooms: pytest.Pytester) -> None:
    body = """
@pytest.fixture
def websocket_app():
    return rooms.create_app
"""

    run(rooms, body + CLUSTER).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("", "pachinko_app = 'rooms:app' is one application"),
        (
            "\n@pytest.fixture\ndef websocket_app(): return rooms.app\n",
            "websocket_app is one application",
        ),
    ],
)
def test_one_application_is_no_cluster(rooms: pytest.Pytester, body: str, what: str) -> None:
    result = run(rooms, body + CLUSTER)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{what}, and a cluster needs one for each node.*"])


def test_a_cluster_needs_no_block(rooms: pytest.Pytester) -> None:
    body = """
nodes = []

@pytest.mark.asyncio
async def test_it(websocket_cluster):
    one, two = nodes[:] = websocket_cluster(2)
    for _ in range(2):
        async with one.connect("/tea") as ann, two.connect("/tea") as bob:
            await ann.send(HI)
            await bob.expect(HI)
        assert one.manager.started

def test_after():
    assert not nodes[0].manager.started
"""

    run(rooms, body, app="create_app").assert_outcomes(passed=2)


def test_a_cluster_can_be_made_without_a_loop(rooms: pytest.Pytester) -> None:
    body = """
def test_it(websocket_cluster):
    assert [node.name for node in websocket_cluster(2)] == ["n1", "n2"]
"""

    run(
        rooms, body, "-p", "no:asyncio", "-o", "filterwarnings=default", app="create_app"
    ).assert_outcomes(passed=1)


def test_the_report_of_a_failure_has_the_lanes_of_all_nodes(rooms: pytest.Pytester) -> None:
    body = """
@pytest.mark.asyncio
async def test_it(websocket_cluster):
    async with websocket_cluster(2) as (one, two):
        async with one.connect("/tea", name="ann") as ann, two.connect("/tea", name="bob") as bob:
            await ann.send(HI)
            await bob.expect("ho")
"""

    result = run(rooms, body, app="create_app")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*WebSocket trace of n1 ann, n2 bob*", "*n2 bob ?1? ← text*"])


LIVE = """
@pytest.mark.asyncio
async def test_it(websocket_cluster):
    async with websocket_cluster(2, live=True, environ={"TEA": "green"}) as cluster:
        one, two = cluster
        async with one.connect("/tea") as ann, two.connect("/tea") as bob:
            await ann.send(Say(text="port"))
            await cluster.expect_broadcast(Say(text="green"), to=[ann])
            one.kill()
            await ann.expect(Closed(1006))
    assert rooms.made == []
"""


@pytest.mark.parametrize("app", ["create_app", "app"])
def test_a_live_cluster_is_of_processes(rooms: pytest.Pytester, app: str) -> None:
    run(rooms, LIVE, "--pachinko-timeout=20", app=app).assert_outcomes(passed=1)


def test_a_function_of_a_module_makes_a_live_cluster(rooms: pytest.Pytester) -> None:
    body = """
@pytest.fixture
def websocket_app():
    return rooms.create_app

@pytest.fixture
def websocket_cluster_environ():
    return {"TEA": "green"}
""" + LIVE.replace(', environ={"TEA": "green"}', "")

    run(rooms, body, "--pachinko-timeout=20").assert_outcomes(passed=1)


@pytest.mark.parametrize("value", ["lambda: rooms.make(None)", "rooms.app"])
def test_what_another_process_cannot_import_is_no_live_cluster(
    rooms: pytest.Pytester, value: str
) -> None:
    body = f"""
@pytest.fixture
def websocket_app():
    return {value}
"""

    result = run(rooms, body + LIVE)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*which another process cannot import.*"])


def test_the_report_of_a_failure_has_what_processes_have_printed(rooms: pytest.Pytester) -> None:
    body = """
@pytest.mark.asyncio
async def test_it(websocket_cluster):
    async with websocket_cluster(1, live=True) as (one,):
        raise LookupError
"""

    result = run(rooms, body, app="create_app")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Output of n1*", "*Application startup complete.*"])


@pytest.mark.parametrize(
    ("arguments", "names"),
    [("environ={}", "environ"), ("ws='wsproto', environ={}", "environ, ws"), ("ws='auto'", "ws")],
)
def test_what_is_for_processes_is_not_for_memory(
    rooms: pytest.Pytester, arguments: str, names: str
) -> None:
    body = f"""
def test_it(websocket_cluster):
    with pytest.raises(PachinkoUsageError) as failed:
        websocket_cluster(2, {arguments})
    assert str(failed.value).startswith("websocket_cluster({names}=...): that is for processes.")
"""

    run(rooms, body, app="create_app").assert_outcomes(passed=1)
