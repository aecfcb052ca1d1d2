"""A project in which the plugin's tests run pytest."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import hypothesis.strategies  # noqa: F401 - its plugin imports it at the end of each run
import pytest

import pytest_pachinko

# pytester forgets what was imported in a run, and a run that imports a part of the toolkit anew
# has some of its classes twice.
for _found in pkgutil.walk_packages(pytest_pachinko.__path__, "pytest_pachinko."):
    importlib.import_module(_found.name)

APP = """
import falcon.asgi
import msgspec
import pytest

from falcon_pachinko import WebSocketResource, WebSocketRouter, install


class Say(msgspec.Struct, tag="say"):
    text: str


class Parrot(WebSocketResource):
    schema = Say

    async def on_connect(self, req, ws):
        return True

    async def on_say(self, ws, message):
        if message.text == "spill":
            raise ValueError("milk")
        await self.send(message)


def create_app():
    router = WebSocketRouter()
    router.add_route("/", Parrot)
    app = falcon.asgi.App()
    install(app, router)
    return app


app = create_app()
wsgi = falcon.App()
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with an application in ``parrot.py``, and pytest-asyncio in strict mode."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    pytester.makepyfile(parrot=APP)
    pytester.makeini(
        """
        [pytest]
        pachinko_app = parrot:app
        asyncio_default_fixture_loop_scope = function
        filterwarnings = error
        """
    )
    # Another test has imported a module of the same name.
    monkeypatch.delitem(sys.modules, "parrot", raising=False)
    return pytester
