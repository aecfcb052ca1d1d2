"""The command: python -m falcon_pachinko.asyncapi"""

import json
import subprocess
import sys

import pytest

from falcon_pachinko.asyncapi.__main__ import main

SOURCE = """
import falcon
import falcon.asgi
from msgspec import Struct
from falcon_pachinko import WebSocketResource, WebSocketRouter, install
from falcon_pachinko.asyncapi import document


class Say(Struct, tag="say"):
    text: str


class Chat(WebSocketResource):
    schema = Say

    async def on_say(self, ws, message):
        pass


router = WebSocketRouter()
router.add_route("/chat", Chat)
app = falcon.asgi.App()
install(app, router)
wsgi = falcon.App()
empty = falcon.asgi.App()
made = document(app, title="made", version="7")


class Middleware:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        pass


class inside:
    wrapped = Middleware(app)


def create_app():
    return app


def described():
    return made


def bare():
    return {"asyncapi": "3.1.0"}


async def later():
    return app


def needs(settings):
    return app
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "shop.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "lacking.py").write_text("import nothing_of_that_name")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("shop", "broken", "lacking"):
        sys.modules.pop(name, None)


def run(capsys, *arguments):
    status = main(arguments)
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.mark.parametrize("name", ["app", "router", "create_app", "inside.wrapped"])
def test_an_app_a_router_and_a_factory_are_described(capsys, name):
    status, out, _ = run(capsys, f"shop:{name}")

    assert status == 0
    assert json.loads(out)["info"] == {"title": "shop", "version": "0.0.0"}
    assert list(json.loads(out)["channels"]) == ["chat"]


def test_title_and_version_are_those_of_the_command_line(capsys):
    _, out, _ = run(capsys, "shop:app", "--title", "Shop", "--version", "2")

    assert json.loads(out)["info"] == {"title": "Shop", "version": "2"}


def test_a_document_keeps_its_title(capsys):
    _, out, _ = run(capsys, "shop:described", "--title", "Shop")

    assert json.loads(out)["info"] == {"title": "made", "version": "7"}


def test_a_document_without_a_title_is_given_one(capsys):
    _, out, _ = run(capsys, "shop:bare", "--title", "Shop")

    assert json.loads(out)["info"] == {"title": "Shop"}


@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_what_is_written_is_what_is_checked(capsys, name):
    assert run(capsys, "shop:app", "-o", name) == (0, "", "")
    assert run(capsys, "shop:app", "--check", name) == (0, f"shop:app is as {name} says\n", "")


def test_texts_alone_are_no_failure(capsys):
    run(capsys, "shop:app", "-o", "a.json")

    status, out, _ = run(capsys, "shop:app", "--check", "a.json", "--version", "2")

    assert (status, out) == (0, "documentation only: info.version: is different\n")


def test_what_matters_is_a_failure(capsys, tmp_path):
    run(capsys, "shop:app", "-o", "a.json")
    text = (tmp_path / "a.json").read_text()
    document = json.loads(text)
    document["components"]["schemas"]["Say"]["required"].append("more")
    (tmp_path / "a.json").write_text(json.dumps(document))

    status, out, _ = run(capsys, "shop:app", "--check", "a.json", "-o", "b.json")

    assert status == 1
    assert out.startswith("compatible: /chat receive say.more: is no longer required\n")
    assert (tmp_path / "b.json").read_text() == text


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["shop"], "error: 'shop' is not of the form module:app.\nHint: chat:app"),
        (["shop:"], "'shop:' is not of the form module:app"),
        (["nowhere:app"], "There is no module 'nowhere' in this directory"),
        (["nowhere.inside:app"], "There is no module 'nowhere.inside'"),
        (["lacking:app"], "lacking cannot be imported: No module named 'nothing_of_that_name'"),
        (["broken:app"], "broken cannot be imported: ZeroDivisionError: division by zero"),
        (["shop:aqq"], "shop has no attribute 'aqq'.\nHint: it has Chat, Middleware"),
        (["shop:app.x.y"], "shop has no attribute 'app.x.y'"),
        (["shop:wsgi"], "is neither a falcon.asgi.App nor a WebSocketRouter"),
        (["shop:needs"], "cannot be called without arguments"),
        (["shop:later"], "is an async function, and no event loop runs here"),
        (["shop:empty"], "has no routes of resources"),
        (["shop:__name__"], "'shop' is neither a falcon.asgi.App nor"),
        (["shop:app", "-o", "no/where.json"], "no/where.json cannot be written"),
        (["shop:app", "--check", "no.json"], "no.json cannot be read"),
        (["shop:app", "--check", "shop.py"], "shop.py is not JSON"),
    ],
)
def test_a_mistake_is_an_error_that_says_what_to_do(capsys, arguments, error):
    status, out, err = run(capsys, *arguments)

    assert (status, out) == (2, "")
    assert error in err


def test_an_unknown_option_is_an_error(capsys):
    with pytest.raises(SystemExit) as info:
        main(["shop:app", "--chekc", "a.json"])

    assert info.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


def test_the_command_runs_as_a_module(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "falcon_pachinko.asyncapi", "shop:app", "-o", "a.json"],
        check=False,
        capture_output=True,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert json.loads((tmp_path / "a.json").read_text())["asyncapi"] == "3.1.0"
