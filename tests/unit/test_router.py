import asyncio
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import falcon
import falcon.asgi
import falcon.testing
import msgspec
import pytest
from websockets.asyncio.client import connect as connect_live

from falcon_pachinko import HandlerError
from falcon_pachinko import install
from falcon_pachinko import RouteError
from falcon_pachinko import SchemaError
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko.memory import MemoryTransport
from pytest_pachinko.trace.match import Closed

pytestmark = pytest.mark.asyncio


class Say(msgspec.Struct, tag="say"):
    text: str


class Where(WebSocketResource):
    """Tells its name, parameters and subprotocol to who connects."""

    schema = Say

    async def on_connect(self, req: Any, ws: Any, **params: Any) -> None:
        await self.accept()
        await self.send([type(self).__name__, {k: str(v) for k, v in params.items()}])

    async def on_say(self, ws: Any, message: Say) -> None:
        await self.send(message)


class Other(Where):
    pass


class V1(Where):
    subprotocols = ("chat.v1",)


class V2(Where):
    subprotocols = ("chat.v2",)
    required_subprotocol = True


class Page:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.text = "page"


class Native:
    async def on_websocket(self, req: Any, ws: Any) -> None:
        await ws.accept()
        await ws.send_text("native")


class Letter(falcon.routing.BaseConverter):
    def convert(self, value: str) -> str | None:
        return value.upper() if len(value) == 1 else None


def routed(path: str = "/", *resources: Any, **options: Any) -> WebSocketRouter:
    router = WebSocketRouter(**options)
    router.add_route(path, *(resources or (Where,)), name="it")
    return router


def installed(
    path: str = "/", *resources: Any, prefix: str = "", **options: Any
) -> falcon.asgi.App[Any, Any]:
    app = falcon.asgi.App()
    install(app, routed(path, *resources, **options), prefix)
    return app


async def ask(app: Any, path: str, **options: Any) -> Any:
    async with MemoryTransport(app) as connect, connect(path, **options) as session:
        return await session.receive_json()


# Where a router is served.


@pytest.mark.parametrize(
    ("prefix", "template", "path", "params"),
    [
        ("", "/", "/", {}),
        ("/", "/", "/", {}),
        ("/ws", "/", "/ws", {}),
        ("/ws", "/rooms", "/ws/rooms", {}),
        ("/a/b", "/c/d", "/a/b/c/d", {}),
        ("/ws", "/{room}", "/ws/tea", {"room": "tea"}),
        ("/{tenant}", "/{room}", "/acme/tea", {"tenant": "acme", "room": "tea"}),
        ("", "/{n:int}", "/7", {"n": "7"}),
        ("", "/{a}.{b}", "/x.y", {"a": "x", "b": "y"}),
        ("", "/{rest:path}", "/x/y/z", {"rest": "x/y/z"}),
    ],
)
async def test_a_route_is_served_where_its_template_says(
    prefix: str, template: str, path: str, params: dict[str, str]
) -> None:
    assert await ask(installed(template, prefix=prefix), path) == ["Where", params]


@pytest.mark.parametrize("path", ["/x", "/1.5", "/1/2"])
async def test_what_falcon_does_not_match_is_not_found(path: str) -> None:
    async with MemoryTransport(installed("/{n:int}")) as connect:
        answer = await connect.denied(path, status=403)

    assert answer.close_code == 3404


async def test_parameters_are_converted_by_falcon() -> None:
    key = uuid.uuid4()

    assert await ask(installed("/{key:uuid}"), f"/{key.hex}") == ["Where", {"key": str(key)}]


async def test_converters_of_the_app_are_used() -> None:
    app = falcon.asgi.App()
    app.router_options.converters["letter"] = Letter
    install(app, routed("/{x:letter}"))

    assert await ask(app, "/a") == ["Where", {"x": "A"}]


async def test_a_literal_comes_before_a_parameter() -> None:
    router = routed("/{room}")
    router.add_route("/new", Other)
    app = falcon.asgi.App()
    install(app, router)

    assert (await ask(app, "/new"))[0] == "Other"


async def test_several_routers_share_an_app() -> None:
    app = falcon.asgi.App()
    install(app, routed("/x", Where), "/a")
    install(app, routed("/x", Other), "/b")

    assert [(await ask(app, path))[0] for path in ("/a/x", "/b/x")] == ["Where", "Other"]


async def test_one_router_may_be_installed_in_several_places() -> None:
    app = falcon.asgi.App()
    router = routed("/x")
    install(app, router, "/a")
    install(app, router, "/b")

    assert [(await ask(app, path))[0] for path in ("/a/x", "/b/x")] == ["Where", "Where"]


async def test_behind_a_server_a_route_is_served(live: Any) -> None:
    async with (
        live(installed("/rooms/{room}", prefix="/chat")) as url,
        connect_live(url + "/chat/rooms/a%20b") as client,
    ):
        assert msgspec.json.decode(await client.recv()) == ["Where", {"room": "a b"}]


async def test_a_router_is_a_resource_that_serves_its_root() -> None:
    app = falcon.asgi.App()
    app.add_route("/ws/{room}", routed("/"))

    assert await ask(app, "/ws/tea") == ["Where", {"room": "tea"}]


async def test_a_router_as_a_resource_without_a_root_says_what_to_write() -> None:
    app = falcon.asgi.App()
    app.add_route("/ws", routed("/rooms"))
    async with MemoryTransport(app) as connect:
        with pytest.raises(RouteError, match=r"app\.add_route\('/ws', \.\.\.\)[\s\S]*Hint: router"):
            async with connect("/ws"):
                pass


# What else is in the app.


async def test_everything_else_in_the_app_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("static")

    async def sink(req: Any, resp: Any, ws: Any = None) -> None:
        if ws is None:
            resp.text = "sink"
        else:
            await ws.accept()
            await ws.send_text("sink")

    app = falcon.asgi.App()
    options = {name: getattr(app.ws_options, name) for name in app.ws_options.__slots__}
    app.add_route("/page", Page())
    app.add_route("/native", Native())
    app.add_static_route("/static", str(tmp_path))
    app.add_sink(sink, "/sink")
    install(app, routed("/{room}"), "/ws")

    async with falcon.testing.TestClient(app) as client:
        pages = [
            (await client.simulate_get(path)).text
            for path in ("/page", "/static/file.txt", "/sink/x")
        ]
        statuses = [
            (await client.simulate_get(path)).status_code for path in ("/ws/tea", "/nowhere")
        ]
    async with MemoryTransport(app) as connect:
        frames = []
        for path in ("/native", "/sink/x"):
            async with connect(path) as session:
                frames.append(await session.receive_text())

    assert (pages, statuses) == (["page", "static", "sink"], [405, 404])
    assert frames == ["native", "sink"]
    assert options == {name: getattr(app.ws_options, name) for name in app.ws_options.__slots__}


async def test_middleware_sees_request_resource_and_parameters() -> None:
    seen: list[Any] = []

    class Middleware:
        async def process_request_ws(self, req: Any, ws: Any) -> None:
            req.context.user = "ann"

        async def process_resource_ws(self, req: Any, ws: Any, resource: Any, params: Any) -> None:
            seen.append((req.context.user, req.uri_template))
            params["room"] += "!"

    app = falcon.asgi.App(middleware=[Middleware()])
    install(app, routed("/{room}"))

    assert await ask(app, "/tea") == ["Where", {"room": "tea!"}]
    assert seen == [("ann", "/{room}")]


async def test_middleware_that_refuses_is_final() -> None:
    class Guard:
        async def process_request_ws(self, req: Any, ws: Any) -> None:
            await ws.close(4401)

    class Chat(Where):
        async def on_connect(self, req: Any, ws: Any, **params: Any) -> None:
            pytest.fail("the connection was refused")

    app = falcon.asgi.App(middleware=[Guard()])
    install(app, routed("/", Chat))
    async with MemoryTransport(app) as connect:
        answer = await connect.denied("/")

    assert answer.close_code == 4401


async def test_middleware_that_raises_refuses() -> None:
    class Guard:
        async def process_resource_ws(self, req: Any, ws: Any, resource: Any, params: Any) -> None:
            raise falcon.HTTPUnauthorized

    app = falcon.asgi.App(middleware=[Guard()])
    install(app, routed())
    async with MemoryTransport(app) as connect:
        answer = await connect.denied("/")

    assert answer.close_code == 3401


async def test_middleware_that_accepts_leaves_the_rest_to_the_resource() -> None:
    class Early:
        async def process_request_ws(self, req: Any, ws: Any) -> None:
            await ws.accept()

    app = falcon.asgi.App(middleware=[Early()])
    install(app, routed())
    async with MemoryTransport(app) as connect, connect("/") as session:
        await session.receive_json()
        await session.send(Say("x"))
        answer = await session.receive(Say)

    assert answer.text == "x"


async def test_media_handlers_of_the_app_serve_send_media() -> None:
    class Shouting(falcon.media.JSONHandlerWS):
        def serialize(self, media: object) -> str:
            return str(media).upper()

    class Chat(Where):
        async def on_say(self, ws: Any, message: Say) -> None:
            await ws.send_media(message.text)

    app = installed("/", Chat)
    app.ws_options.media_handlers[falcon.WebSocketPayloadType.TEXT] = Shouting()
    async with MemoryTransport(app) as connect, connect("/") as session:
        await session.receive_json()
        await session.send(Say("hello"))
        answer = await session.receive_text()

    assert answer == "HELLO"


@pytest.mark.parametrize("queue", [0, 1, 4])
async def test_any_receive_queue_of_the_app_serves(queue: int) -> None:
    app = installed()
    app.ws_options.max_receive_queue = queue
    async with MemoryTransport(app) as connect, connect("/") as session:
        await session.receive_json()
        for n in range(100):
            await session.send(Say(str(n)))
        answers = [(await session.receive(Say)).text for _ in range(100)]

    assert answers == [str(n) for n in range(100)]


# Late routes and included routers.


async def test_a_route_added_after_install_is_served() -> None:
    app = falcon.asgi.App()
    router = WebSocketRouter()
    install(app, router, "/ws")
    router.add_route("/late", Where)

    assert (await ask(app, "/ws/late"))[0] == "Where"


async def test_a_route_added_to_an_included_router_is_served() -> None:
    app = falcon.asgi.App()
    outer, inner = WebSocketRouter(), WebSocketRouter()
    install(app, outer, "/ws")
    outer.include("/in", inner)
    inner.add_route("/late", Where)

    assert (await ask(app, "/ws/in/late"))[0] == "Where"


async def test_a_late_route_that_collides_changes_nothing() -> None:
    app = falcon.asgi.App()
    app.add_route("/ws/x", Page())
    router = routed("/a")
    install(app, router, "/ws")

    with pytest.raises(RouteError, match="The app has a resource at '/ws/x' already"):
        router.add_route("/x", Where)

    assert repr(router) == "<WebSocketRouter /a>"


async def test_an_install_that_collides_registers_nothing() -> None:
    app = falcon.asgi.App()
    app.add_route("/{page}", Page())
    router = routed("/a")
    router.add_route("/{room}", Other)

    with pytest.raises(RouteError, match=r"at '/\{page\}' already, where '/\{room\}'"):
        install(app, router)

    async with MemoryTransport(app) as connect:
        await connect.denied("/a")


async def test_a_router_shows_its_templates() -> None:
    outer = routed("/a")
    outer.include("/in", routed("/{room}", name="chat"))

    assert repr(outer) == "<WebSocketRouter /a, /in/{room}>"
    assert repr(WebSocketRouter()) == "<WebSocketRouter without routes>"


async def test_two_templates_of_a_router_that_collide_are_refused() -> None:
    router = routed("/{room}")

    with pytest.raises(RouteError, match=r"'/\{name\}/x' collides with '/\{room\}'"):
        router.add_route("/{name}/x", Where)


async def test_included_templates_that_collide_are_refused() -> None:
    outer, inner = routed("/in/x"), WebSocketRouter()
    outer.include("/in", inner)

    with pytest.raises(RouteError, match="collides with '/in/x'"):
        inner.add_route("/x", Where)

    assert repr(inner) == "<WebSocketRouter without routes>"


async def test_a_router_cannot_contain_itself() -> None:
    outer, inner = WebSocketRouter(), WebSocketRouter()
    outer.include("/in", inner)

    with pytest.raises(RouteError, match="cannot be included"):
        inner.include("/out", outer)


async def test_a_refused_include_leaves_no_trace() -> None:
    outer, inner = routed("/in/x"), routed("/x", name="inner")
    with pytest.raises(RouteError):
        outer.include("/in", inner)

    inner.add_route("/y", Where)

    assert repr(outer) == "<WebSocketRouter /in/x>"


# Names.


async def test_a_url_is_full_and_quoted() -> None:
    router = routed("/rooms/{room}")
    install(falcon.asgi.App(), router, "/chat")

    assert router.url_for("it", room="a b?#%ü") == "/chat/rooms/a%20b%3F%23%25%C3%BC"


async def test_a_url_contains_the_parameters_of_the_prefix() -> None:
    router = routed("/{room}")
    install(falcon.asgi.App(), router, "/{tenant}")

    assert router.url_for("it", tenant="acme", room="tea") == "/acme/tea"


async def test_a_url_for_a_quoted_value_reaches_its_route() -> None:
    app = falcon.asgi.App()
    router = routed("/rooms/{room}")
    install(app, router)

    answer = await ask(app, router.url_for("it", room="a b?ü"))

    assert answer == ["Where", {"room": "a b?ü"}]


@pytest.mark.parametrize("is_installed", [False, True])
async def test_a_url_of_an_included_router_starts_at_the_root(
    is_installed: bool,  # noqa: FBT001
) -> None:
    outer, inner = WebSocketRouter(), routed("/x", name="chat")
    outer.include("/in", inner)
    if is_installed:
        install(falcon.asgi.App(), outer, "/ws")
    prefix = "/ws" if is_installed else ""

    assert outer.url_for("chat:it") == prefix + "/in/x"
    assert inner.url_for("it") == prefix + "/in/x"


async def test_routes_of_a_nameless_router_keep_their_names() -> None:
    outer = WebSocketRouter()
    outer.include("/in", routed("/x"))

    assert outer.url_for("it") == "/in/x"


async def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(RouteError, match="No route is called 'nope'; the names are: it"):
        routed().url_for("nope")


async def test_a_router_without_names_says_so() -> None:
    with pytest.raises(RouteError, match="the names are: none"):
        WebSocketRouter().url_for("nope")


async def test_a_router_in_two_places_has_no_one_url() -> None:
    app = falcon.asgi.App()
    router = routed("/x")
    install(app, router, "/a")
    install(app, router, "/b")

    with pytest.raises(RouteError, match="installed at /a and /b: 'it' has several paths"):
        router.url_for("it")


async def test_a_name_belongs_to_one_route() -> None:
    with pytest.raises(RouteError, match="The name 'it' belongs to '/' already"):
        routed().add_route("/x", Where, name="it")


# Several resources on a path.


async def test_the_subprotocol_selects_the_resource() -> None:
    app = installed("/", V2, V1)

    assert (await ask(app, "/", subprotocols=["chat.v1"]))[0] == "V1"
    assert (await ask(app, "/", subprotocols=["chat.v1", "chat.v2"]))[0] == "V2"


async def test_an_offer_without_a_match_is_refused_where_one_is_required() -> None:
    async with MemoryTransport(installed("/", V2)) as connect:
        await connect.denied("/", subprotocols=["chat.v9"])


async def test_an_offer_without_a_match_is_served_where_none_is_required() -> None:
    assert (await ask(installed("/", V2, V1), "/"))[0] == "V1"


# Factories.


async def test_a_factory_makes_the_resource() -> None:
    assert (await ask(installed("/", lambda: Other()), "/"))[0] == "Other"  # noqa: PLW0108


async def test_a_partial_keeps_the_subprotocols_of_its_class() -> None:
    class Injected(V1):
        def __init__(self, database: str) -> None:
            self.database = database

    app = installed("/", partial(Injected, "db"))
    async with MemoryTransport(app) as connect, connect("/", subprotocols=["chat.v1"]) as session:
        pass

    assert session.subprotocol == "chat.v1"


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_resource_factory_is_given_what_was_routed(
    is_async: bool,  # noqa: FBT001
) -> None:
    given: list[Any] = []

    def build(make: Any) -> Any:
        given.append(make)
        return Other()

    async def build_later(make: Any) -> Any:
        return build(make)

    app = installed("/", resource_factory=build_later if is_async else build)

    assert (await ask(app, "/"))[0] == "Other"
    assert given == [Where]


async def test_the_factory_of_the_nearest_router_is_used() -> None:
    class Inner(Where):
        pass

    outer = WebSocketRouter(resource_factory=lambda make: Other())
    middle = WebSocketRouter(resource_factory=lambda make: Inner())
    inner = routed("/x")
    outer.include("/a", middle)
    middle.include("/b", inner)
    app = falcon.asgi.App()
    install(app, outer)

    assert (await ask(app, "/a/b/x"))[0] == "Inner"


@pytest.mark.parametrize(
    ("made", "error", "match"),
    [
        (object(), RouteError, "no resource"),
        (WebSocketResource(), SchemaError, "WebSocketResource has no schema"),
        (V1(), RouteError, r"whose subprotocols 'chat\.v1' could not be negotiated"),
    ],
)
async def test_a_factory_that_makes_something_else_is_an_error(
    made: Any, error: type[Exception], match: str
) -> None:
    async with MemoryTransport(installed("/", lambda: made)) as connect:
        with pytest.raises(error, match=match):
            async with connect("/"):
                pass


async def test_a_factory_may_say_what_subprotocols_it_makes() -> None:
    def factory() -> V1:
        return V1()

    factory.subprotocols = V1.subprotocols  # type: ignore[attr-defined]

    assert (await ask(installed("/", factory), "/", subprotocols=["chat.v1"]))[0] == "V1"


class StandIn:
    """A connection of another kind than Falcon's, that stands in for one."""

    def __init__(self, *media: Any) -> None:
        self.unaccepted = True
        self.closed = False
        self.subprotocols = ("chat.v1",)
        self.media = list(media)
        self.sent: list[str] = []
        self.closes: list[int | None] = []

    async def accept(self, subprotocol: str | None = None, headers: Any = None) -> None:
        self.unaccepted = False

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.closed = True
        self.closes.append(code)

    async def send_text(self, payload: str) -> None:
        self.sent.append(payload)

    async def receive_media(self) -> object:
        if not self.media:
            self.closed = True
            raise falcon.WebSocketDisconnected(4001)
        return self.media.pop(0)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_simulator_stands_in_for_the_connection(is_async: bool) -> None:  # noqa: FBT001
    simulator = StandIn({"type": "say", "text": "x"})
    given: list[Any] = []

    def simulate(req: Any, ws: Any) -> Any:
        given.append((req.path, ws.unaccepted))
        return simulator

    async def simulate_later(req: Any, ws: Any) -> Any:
        return simulate(req, ws)

    app = falcon.asgi.App()
    app.add_route("/ws", routed("/", simulator_factory=simulate_later if is_async else simulate))
    async with MemoryTransport(app) as connect, connect("/ws") as session:
        await session.expect(Closed(4001))

    assert simulator.sent == ['["Where",{}]', '{"type":"say","text":"x"}']
    assert given == [("/ws", True)]


async def test_the_simulators_offer_is_negotiated() -> None:
    app = installed("/", V1, simulator_factory=lambda req, ws: StandIn())
    async with MemoryTransport(app) as connect, connect("/", subprotocols=["chat.v1"]) as session:
        pass

    assert session.subprotocol == "chat.v1"


async def test_an_error_closes_the_simulator_with_the_code_of_the_connection() -> None:
    class Failing(Where):
        async def on_say(self, ws: Any, message: Say) -> None:
            raise LookupError

    class Staying(StandIn):
        async def receive_media(self) -> object:
            return await (super().receive_media() if self.media else asyncio.Event().wait())

    simulator = Staying({"type": "say", "text": "x"})
    app = installed("/", Failing, simulator_factory=lambda req, ws: simulator)
    async with (
        MemoryTransport(app) as connect,
        connect("/", raise_app_exceptions=False) as session,
    ):
        await session.expect(Closed(1011))

    assert simulator.closes == [1011]


async def test_a_simulator_that_ends_without_a_code_closes_the_connection_with_1011() -> None:
    class Dropped(StandIn):
        async def receive_media(self) -> object:
            self.closed = True
            raise falcon.WebSocketDisconnected(1006)

    app = installed("/", simulator_factory=lambda req, ws: Dropped())
    async with MemoryTransport(app) as connect, connect("/") as session:
        await session.expect(Closed(1011))


# Misuse.


async def test_a_route_needs_a_resource() -> None:
    with pytest.raises(RouteError, match=r"add_route\('/'\) needs a resource class"):
        WebSocketRouter().add_route("/")


async def test_an_instance_is_no_resource_of_a_route() -> None:
    with pytest.raises(RouteError, match="given an instance of Where"):
        WebSocketRouter().add_route("/", Where())  # type: ignore[arg-type]


@pytest.mark.parametrize("resource", [7, Page, "Where"])
async def test_what_makes_no_resource_cannot_be_routed(resource: Any) -> None:
    with pytest.raises(RouteError, match="neither a WebSocketResource subclass nor a factory"):
        WebSocketRouter().add_route("/", resource)


async def test_a_resource_without_a_schema_cannot_be_routed() -> None:
    class Chat(WebSocketResource):
        pass

    with pytest.raises(SchemaError, match=r"Chat has no schema\.\nHint: schema = Join \| Say"):
        WebSocketRouter().add_route("/", Chat)


async def test_a_tag_without_a_handler_is_named_with_what_to_write() -> None:
    class Chat(WebSocketResource):
        schema = Say

    with pytest.raises(HandlerError) as caught:
        WebSocketRouter().add_route("/", Chat)

    assert str(caught.value) == (
        "Chat has no handler for 'say'.\n"
        "Hint: async def on_say(self, ws, message): ...  Or override on_unhandled."
    )


async def test_on_unhandled_makes_handlers_optional() -> None:
    class Chat(WebSocketResource):
        schema = Say

        async def on_unhandled(self, ws: Any, message: str | bytes) -> None: ...

    WebSocketRouter().add_route("/", Chat)


async def test_resources_of_a_path_must_differ() -> None:
    with pytest.raises(RouteError, match="Where and Other share the path '/'"):
        WebSocketRouter().add_route("/", Where, Other)


async def test_on_connect_must_take_the_parameters_of_its_template() -> None:
    class Chat(Where):
        async def on_connect(self, req: Any, ws: Any, room: str) -> None: ...  # type: ignore[override]

    with pytest.raises(HandlerError) as caught:
        installed("/{rooom}", Chat)

    assert "Chat.on_connect does not fit the template '/{rooom}'" in str(caught.value)
    assert "Hint: async def on_connect(self, req, ws, rooom): ..." in str(caught.value)


async def test_a_template_with_an_unknown_converter_cannot_be_installed() -> None:
    with pytest.raises(RouteError, match=r"'/\{x:letter\}' cannot be installed: Unknown converter"):
        installed("/{x:letter}")


@pytest.mark.parametrize(
    ("app", "hint"),
    [
        (falcon.App(), r"use falcon\.asgi\.App\(\)"),
        (object(), r"the falcon\.asgi\.App itself"),
    ],
)
async def test_a_router_is_installed_in_an_asgi_app_only(app: Any, hint: str) -> None:
    with pytest.raises(RouteError, match=hint):
        install(app, routed())


async def test_only_a_router_is_installed() -> None:
    with pytest.raises(RouteError, match=r"install\(\) needs a WebSocketRouter"):
        install(falcon.asgi.App(), Where)  # type: ignore[arg-type]


async def test_the_prefix_is_a_template() -> None:
    with pytest.raises(RouteError, match="Hint: '/ws'"):
        install(falcon.asgi.App(), routed(), "ws")


async def test_an_app_with_a_router_of_its_own_is_served_too() -> None:
    class OwnRouter:
        def __init__(self) -> None:
            self.options = falcon.routing.CompiledRouterOptions()
            self.map_http_methods = falcon.routing.CompiledRouter().map_http_methods
            self.inner = falcon.routing.CompiledRouter()

        def add_route(self, uri_template: str, resource: Any, **kwargs: Any) -> None:
            self.inner.add_route(uri_template, resource, **kwargs)

        def find(self, uri: str, req: Any = None) -> Any:
            return self.inner.find(uri, req)

    app = falcon.asgi.App(router=OwnRouter())  # type: ignore[arg-type]
    install(app, routed("/x"))

    assert (await ask(app, "/x"))[0] == "Where"
