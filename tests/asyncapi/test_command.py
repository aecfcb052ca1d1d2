"""The command: python -m falcon_pachinko.asyncapi"""

import io
import json
import os
import re
import subprocess
import sys

import pytest

from falcon_pachinko.asyncapi.__main__ import main

SOURCE = """
import os
import sys
import types

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
zone = types.SimpleNamespace(app=app)
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


def fails():
    raise RuntimeError("no DATABASE_URL")


def leaves():
    sys.exit("nope")


def lacks():
    return os.environ["NO_SUCH_VARIABLE"]


def says_nothing():
    raise RuntimeError


def documents_nothing():
    return document(empty, title="empty", version="1")


def without_info():
    return {"asyncapi": "3.0.0", "info": None}


def greeting():
    return {"hello": 1}


def surrogate():
    return {"asyncapi": "3.0.0", "info": {"title": "\\ud800 é"}}


class Odd:
    @property
    def app(self):
        raise KeyError("odd")


odd = Odd()
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "shop.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "lacking.py").write_text("import nothing_of_that_name")
    (tmp_path / "leaving.py").write_text("\nraise SystemExit(0)")
    (tmp_path / "skipping.py").write_text(
        "import pytest\npytest.skip('no', allow_module_level=True)"
    )
    (tmp_path / "interrupted.py").write_text("raise KeyboardInterrupt")
    (tmp_path / "wrong.py").write_text("x = (")
    (tmp_path / "plain.py").write_text("x = 1")
    (tmp_path / "old.json").write_text('{"asyncapi": "3.1.0"}')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("shop", "broken", "lacking", "leaving", "skipping", "interrupted", "plain"):
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


def test_the_file_that_is_compared_with_is_not_written_over(capsys, tmp_path):
    run(capsys, "shop:app", "--title", "old", "-o", "a.json")
    text = (tmp_path / "a.json").read_text()

    status, _, error = run(capsys, "shop:app", "--check", "a.json", "-o", "./a.json")

    assert status == 2
    assert error.startswith("error: --check a.json compares with that file, and -o would write")
    assert (tmp_path / "a.json").read_text() == text


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["shop"], "error: 'shop' is not of the form module:app.\nHint: chat:app"),
        (["shop:"], "'shop:' is not of the form module:app"),
        (["nowhere:app"], "There is no module 'nowhere' in this directory"),
        (["nowhere.inside:app"], "There is no module 'nowhere.inside'"),
        (
            ["lacking:app"],
            "lacking cannot be imported: ModuleNotFoundError: No module named 'nothing_of_that_name'",
        ),
        (["broken:app"], "broken cannot be imported: ZeroDivisionError: division by zero"),
        (["broken:app"], "broken.py, line 1\n"),
        (["lacking:app"], "lacking.py, line 1\n"),
        (["leaving:app"], "leaving cannot be imported: SystemExit: 0\n  in "),
        (["leaving:app", "--check", "old.json"], "leaving.py, line 2\n"),
        (["skipping:app"], "skipping cannot be imported: Skipped: no\n"),
        (["wrong:app"], "SyntaxError: '(' was never closed (wrong.py, line 1)\n"),
        (["shop:fails"], "shop:fails failed: RuntimeError: no DATABASE_URL\n  in "),
        (["shop:leaves"], "shop:leaves failed: SystemExit: nope\n  in "),
        (["shop:says_nothing"], "shop:says_nothing failed: RuntimeError\n  in "),
        (["shop:odd"], "shop:odd failed: KeyError: 'odd'\n  in "),
        (["shop:odd.app"], "shop:odd.app failed: KeyError: 'odd'\n  in "),
        (["shop:documents_nothing"], "has no routes of resources"),
        (
            ["shop:without_info"],
            "shop:without_info is no AsyncAPI document: its 'asyncapi' has to be",
        ),
        (["shop:greeting"], "shop:greeting is no AsyncAPI document"),
        (["shop:rooter"], "shop has no attribute 'rooter'.\nHint: did you mean 'router'? It has "),
        (["shop:zzz"], "shop has no attribute 'zzz'.\nHint: it has app, "),
        (["plain:zzz"], "plain has no attribute 'zzz'.\nHint: it has x\n"),
        (["shop:app.x.y"], "shop has no attribute 'app.x.y'"),
        (["shop:wsgi"], "shop:wsgi is neither a falcon.asgi.App nor a WebSocketRouter: it is"),
        (["shop:Chat"], "shop:Chat is neither a falcon.asgi.App nor a WebSocketRouter: it makes"),
        (["shop:needs"], "cannot be called without arguments"),
        (["shop:later"], "is an async function, and no event loop runs here"),
        (["shop:empty"], "has no routes of resources"),
        (["shop:__name__"], "shop:__name__ is neither a falcon.asgi.App nor"),
        (["shop:app", "-o", "no/where.json"], "Hint: there is no directory no; make it first."),
        (["shop:app", "-o", "."], ". cannot be written: "),
        (["shop:app", "--check", "no.json"], "no.json cannot be read"),
        (["shop:app", "--check", "shop.py"], "shop.py is not JSON"),
    ],
)
def test_a_mistake_is_an_error_that_says_what_to_do(capsys, arguments, error):
    status, out, err = run(capsys, *arguments)

    assert (status, out) == (2, "")
    assert error in err


@pytest.mark.parametrize(
    ("name", "line"), [("fails", 'raise RuntimeError("no'), ("lacks", "return os.environ")]
)
def test_the_place_of_an_error_is_in_the_code_of_the_user(capsys, tmp_path, name, line):
    number = next(n for n, text in enumerate(SOURCE.splitlines(), 1) if line in text)

    _, _, err = run(capsys, f"shop:{name}")

    assert err.endswith(f"\n  in {tmp_path / 'shop.py'}, line {number}\n")


def test_an_error_within_a_library_alone_has_its_place_there(capsys):
    _, _, err = run(capsys, "pytest:fail")

    assert re.search(r"^error: pytest:fail failed: Failed\n  in .*outcomes.py, line \d+\n$", err)


def test_an_error_of_what_is_no_python_has_no_place(capsys):
    _, _, err = run(capsys, "asyncio:get_running_loop")

    assert err == "error: asyncio:get_running_loop failed: RuntimeError: no running event loop\n"


def test_what_is_named_first_is_what_can_be_described(capsys):
    _, _, err = run(capsys, "shop:zzz")

    names = err.split("it has ")[1].split(", ")
    assert (
        names.index("made") < names.index("zone") < names.index("create_app") < names.index("Chat")
    )
    assert names.index("create_app") < names.index("document") < names.index("falcon")


def test_a_title_of_the_file_that_is_no_text_is_none(capsys, tmp_path):
    run(capsys, "shop:app", "-o", "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(document | {"info": {"title": 5, "version": []}}))

    status, _, _ = run(capsys, "shop:app", "--check", "a.json", "-o", "b.json")

    assert status == 0
    assert json.loads((tmp_path / "b.json").read_text())["info"]["title"] == "shop"


def test_what_goes_wrong_while_comparing_is_no_difference(capsys, monkeypatch):
    def compare(*documents, **names):
        raise AttributeError("a defect")

    monkeypatch.setattr("falcon_pachinko.asyncapi.__main__.compare", compare)
    run(capsys, "shop:app", "-o", "a.json")

    status, out, err = run(capsys, "shop:app", "--check", "a.json")

    assert (status, out) == (2, "")
    assert err.startswith("error: AttributeError: a defect\n  in ")


def test_an_interrupt_remains_one(capsys):
    with pytest.raises(KeyboardInterrupt):
        main(["interrupted:app"])


def test_what_an_application_prints_is_no_part_of_the_document(capsys, tmp_path):
    (tmp_path / "loud.py").write_text("print('hello')\nfrom shop import app")

    status, out, err = run(capsys, "loud:app")

    assert (status, err) == (0, "hello\n")
    assert json.loads(out)["asyncapi"] == "3.1.0"


def test_what_no_utf_8_can_say_is_escaped(capsys, tmp_path):
    _, out, _ = run(capsys, "shop:surrogate")
    status, _, _ = run(capsys, "shop:surrogate", "-o", "a.json")

    assert status == 0
    assert json.loads(out)["info"]["title"] == "\ud800 é"
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == out


def test_a_standard_output_of_text_only_will_do(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    assert main(["shop:app"]) == 0
    assert json.loads(sys.stdout.getvalue())["asyncapi"] == "3.1.0"


def test_without_standard_output_nothing_is_written(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)

    assert main(["shop:app"]) == 2
    assert capsys.readouterr().err.startswith("error: There is no standard output")


def test_without_standard_error_the_status_is_the_same(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)

    assert main(["nowhere:app"]) == 2


def test_an_unknown_option_is_an_error(capsys):
    with pytest.raises(SystemExit) as info:
        main(["shop:app", "--chekc", "a.json"])

    assert info.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


def test_the_command_runs_as_a_module(tmp_path):
    done = subprocess.run(
        [*COMMAND, "shop:app", "-o", "a.json"],
        check=False,
        capture_output=True,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert json.loads((tmp_path / "a.json").read_text())["asyncapi"] == "3.1.0"


COMMAND = [sys.executable, "-m", "falcon_pachinko.asyncapi"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_the_document_is_utf_8_whatever_the_locale_says(encoding):
    done = subprocess.run(
        [*COMMAND, "shop:app", "--title", "Läden ☃"],
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode("utf-8"))["info"]["title"] == "Läden ☃"


@pytest.mark.parametrize(
    ("redirection", "error"),
    [
        (">&-", b"error: There is no standard output"),
        (">/dev/full", b"error: standard output cannot be written: [Errno 28]"),
    ],
)
def test_an_output_that_cannot_be_written_is_an_error(redirection, error):
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *COMMAND, "shop:app"],  # noqa: S607
        check=False,
        capture_output=True,
    )

    assert done.returncode == 2
    assert done.stderr.startswith(error)
    assert b"Exception" not in done.stderr


def test_a_reader_that_has_left_is_no_reason_for_a_message():
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [*COMMAND, "shop:app"], check=False, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (2, b"")
