"""The routes of an application, and paths that lead to them."""

from __future__ import annotations

from functools import partial
from typing import Any

import falcon.asgi
import pytest
from msgspec import Struct

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko.routes import Route
from pytest_pachinko.routes import routes_of


class Ping(Struct, tag="ping"):
    pass


class Echo(WebSocketResource):
    schema = Ping
    emits = Ping

    async def on_connect(self, req: Any, ws: Any, **params: Any) -> bool:
        return True

    async def on_ping(self, ws: Any, message: Ping) -> None: ...


class Versioned(Echo):
    subprotocols = ("v2", "v1")
    required_subprotocol = True


def app_at(template: str, *resources: Any) -> Any:
    router = WebSocketRouter()
    router.add_route(template, *resources)
    app = falcon.asgi.App()
    install(app, router)
    return app


def test_a_route_says_what_its_resource_says():
    assert routes_of(app_at("/a", partial(Echo))) == [Route("/a", None, Ping, Ping, "Echo", {})]


def test_there_is_a_route_for_each_subprotocol_and_for_none_if_that_is_accepted():
    assert [route.name for route in routes_of(app_at("/a", Versioned))] == ["/a v2", "/a v1"]
    assert [route.name for route in routes_of(app_at("/a", Versioned, Echo))] == [
        "/a v2",
        "/a v1",
        "/a",
    ]


def test_a_route_may_be_inside_of_middleware_and_a_router_may_be_a_resource_or_stand_alone():
    router = WebSocketRouter()
    router.add_route("/", Echo)
    app = falcon.asgi.App()
    app.add_route("/ws", router)

    class Wrapped:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    assert [route.path for route in routes_of(Wrapped(app))] == ["/ws"]
    assert [route.path for route in routes_of(router)] == ["/"]


def test_other_applications_have_none():
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    class Page:
        async def on_get(self, req: Any, resp: Any) -> None: ...

    http = falcon.asgi.App()
    http.add_route("/page", Page())

    assert (routes_of(app), routes_of(http)) == ([], [])


@pytest.mark.parametrize(
    "template",
    [
        "/{a}",
        "/{a:int}",
        "/{a:int(4)}",
        "/{a:int(min=700)}",
        "/{a:int(max=-1)}",
        "/{a:float}",
        "/{a:float(min=10)}",
        "/{a:uuid}",
        "/{a:dt}",
        '/{a:dt("%Y-%m-%d")}',
        '/{a:dt("%H:%M")}',
        "/x/{a:path}",
        "/{a}.{b}",
        "/{a}/x/{b:int}/{c:uuid}",
    ],
)
def test_texts_are_known_that_lead_to_a_route(template):
    app = app_at(template, Echo)
    (route,) = routes_of(app)

    assert route.values
    assert all(route.values.values())
    found = routes_of(app)[0].values
    assert found == route.values


def test_where_no_text_is_right_none_is_known():
    (route,) = routes_of(app_at('/{a:dt("%A in %B")}/{b}', Echo))

    assert route.values == {"a": (), "b": ()}
