"""Finding the application that the configuration names."""

from __future__ import annotations

import sys
from typing import Any
from typing import TYPE_CHECKING

import falcon
import falcon.asgi
import pytest

from pytest_pachinko import PachinkoUsageError
from pytest_pachinko.application import check_application
from pytest_pachinko.application import load_application

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODULE = """
import falcon, falcon.asgi

app = falcon.asgi.App()
wsgi = falcon.App()
number = 1

class create:
    def __call__(self):
        return app

def make(debug=False):
    return app

async def make_later():
    return app

def make_wsgi():
    return wsgi

async def raw(scope, receive, send):
    pass

def wrapped(*args, **kwargs):
    raise AssertionError("it was taken for a factory")

def environ(environ, start_response):
    pass

class holder:
    app = app
    opaque = dict.fromkeys
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Load from a project of its own, whose module has a name that no other test imports."""
    name = f"project_{tmp_path.name}".replace("-", "_")
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / f"{name}.py").write_text(MODULE)

    def load(attribute: str) -> Any:
        return load_application(f"{name}:{attribute}", tmp_path)

    return load


@pytest.mark.parametrize("attribute", ["app", "make", "holder.app"])
def test_an_application_is_named_or_made(load: Callable[[str], Any], attribute: str) -> None:
    assert isinstance(load(attribute), falcon.asgi.App)


@pytest.mark.parametrize("attribute", ["raw", "wrapped"])
def test_a_function_that_is_an_application_is_not_called(
    load: Callable[[str], Any], attribute: str
) -> None:
    assert load(attribute).__name__ == attribute


def test_a_second_look_finds_the_module_that_the_first_has_imported(
    load: Callable[[str], Any],
) -> None:
    assert load("app") is load("app")


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("nothing", r"no attribute 'nothing'.\nIt has: .*app, create"),
        ("wsgi", "speaks WSGI"),
        ("make_wsgi", "speaks WSGI"),
        ("number", "is 1, which is no ASGI application"),
        ("environ", "cannot be called with scope, receive and send"),
        ("make_later", "async function cannot make the application"),
    ],
)
def test_what_is_no_application_is_refused(
    load: Callable[[str], Any], attribute: str, message: str
) -> None:
    with pytest.raises(PachinkoUsageError, match=message):
        load(attribute)


@pytest.mark.parametrize("name", ["app", "module:", ":app"])
def test_a_name_has_a_module_and_an_attribute(name: str, tmp_path: Path) -> None:
    with pytest.raises(PachinkoUsageError, match="not of the form module:attribute"):
        load_application(name, tmp_path)


def test_without_a_name_the_message_says_where_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(PachinkoUsageError, match=r"(?s)No application.*pachinko_app = .*websocket"):
        load_application("", tmp_path)


@pytest.mark.parametrize("name", ["no_such_module", "no_such_package.module"])
def test_a_module_that_is_not_there_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])

    with pytest.raises(PachinkoUsageError, match=f"no module '{name}'"):
        load_application(f"{name}:app", tmp_path)


def test_a_module_that_misses_another_one_fails_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "half_installed.py").write_text("import no_such_dependency\n")

    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        load_application("half_installed:app", tmp_path)


def test_what_tells_nothing_about_its_arguments_passes() -> None:
    class Opaque:
        __signature__ = "broken"

        def __call__(self) -> None: ...

    opaque = Opaque()

    assert check_application(opaque, "websocket_app") is opaque


def test_what_tells_nothing_about_its_arguments_is_no_factory(tmp_path: Path) -> None:
    # The class `type` has no signature.
    assert load_application("builtins:type", tmp_path) is type


def test_an_app_for_wsgi_is_known_before_falcon_asgi_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "falcon.asgi")

    with pytest.raises(PachinkoUsageError, match="speaks WSGI"):
        check_application(falcon.App(), "websocket_app")
