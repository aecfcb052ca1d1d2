"""What is known of the resource that serves a path."""

from __future__ import annotations

from functools import partial
from typing import Any

import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko.resources import declarations_of
from pytest_pachinko.resources import message_types


class Say(msgspec.Struct, tag="say"):
    pass


class Said(msgspec.Struct, tag="said"):
    pass


class Talk(WebSocketResource):
    schema = Say
    emits = Said

    async def on_say(self, ws: Any, message: Say) -> None: ...


class Strict(Talk):
    schema = Say
    emits = None
    subprotocols = ("strict.v2", "strict.v1")
    required_subprotocol = True


class Page:
    resources = ("not", "ours")

    async def on_get(self, req: Any, resp: Any) -> None: ...


@pytest.fixture
def app() -> Any:
    inner = WebSocketRouter()
    inner.add_route("/{room}", Strict)
    router = WebSocketRouter()
    router.add_route("/talk", partial(Talk), Strict)
    router.include("/rooms", inner)
    root = WebSocketRouter()
    root.add_route("/other", Strict)
    root.add_route("/", Talk)
    app = falcon.asgi.App()
    app.add_route("/page", Page())
    app.add_route("/root", root)
    app.add_route("/empty", WebSocketRouter())
    install(app, router)
    return app


def test_a_path_has_the_types_of_its_resource(app: Any) -> None:
    found = message_types(app, "/talk", [])

    assert found == (Say, Said)
    assert (found.template, found.resource, found.subprotocols) == ("/talk", Talk, ())


def test_a_subprotocol_selects_the_resource(app: Any) -> None:
    found = message_types(app, "/talk", ["strict.v1"])

    assert found == (Say, None)
    assert (found.resource, found.subprotocols) == (Strict, ("strict.v2", "strict.v1"))


def test_a_path_leads_to_its_template(app: Any) -> None:
    assert message_types(app, "/rooms/tea", ["strict.v1"]).template == "/rooms/{room}"


def test_an_offer_that_is_refused_has_no_types(app: Any) -> None:
    found = message_types(app, "/rooms/tea", [])

    assert found == (None, None)
    assert found.resource is Strict


def test_a_router_that_is_a_resource_serves_its_root(app: Any) -> None:
    found = message_types(app, "/root", [])

    assert found == (Say, Said)
    assert found.template == "/root"


@pytest.mark.parametrize("path", ["/page", "/empty", "/nowhere"])
def test_a_path_without_a_resource_of_ours_has_no_types(app: Any, path: str) -> None:
    found = message_types(app, path, [])

    assert found == (None, None)
    assert (found.template, found.resource) == (path, None)


@pytest.mark.parametrize("other", [None, object()])
def test_a_path_of_another_application_is_its_own_template(other: Any) -> None:
    found = message_types(other, "/talk", [])

    assert found == (None, None)
    assert found.template == "/talk"


def test_an_application_declares_each_resource_of_each_route(app: Any) -> None:
    assert {(each.template, each.resource) for each in declarations_of(app)} == {
        ("/talk", Talk),
        ("/talk", Strict),
        ("/rooms/{room}", Strict),
        ("/root", Talk),
    }


def test_another_application_declares_nothing() -> None:
    assert declarations_of(object()) == []


def test_an_application_with_a_router_of_its_own_declares_nothing() -> None:
    class Router:
        options = falcon.routing.CompiledRouter().options

        def find(self, *args: Any) -> None: ...

    router: Any = Router()

    assert declarations_of(falcon.asgi.App(router=router)) == []


def test_a_declaration_shows_what_it_is_of(app: Any) -> None:
    assert repr(message_types(app, "/talk", ["strict.v1"])) == (
        f"<Declaration /talk Strict: {Say}, None>"
    )
