"""Fields of a path: what their converters take."""

import falcon.asgi
import pytest
from falcon.routing import BaseConverter

from falcon_pachinko import install
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.asyncapi import document
from tests.asyncapi.applications import Echo


class Even(BaseConverter):
    """An even number."""

    def convert(self, value):
        return int(value)


class Odd(BaseConverter):
    def __init__(self, *, limit=0):
        pass

    def convert(self, value):
        return value


def parameter(field):
    app = falcon.asgi.App()
    app.router_options.converters["even"] = Even
    app.router_options.converters["odd"] = Odd
    router = WebSocketRouter()
    router.add_route(f"/{{{field}}}", Echo)
    install(app, router)
    [channel] = document(app, title="t", version="1")["channels"].values()
    return channel["parameters"][field.partition(":")[0]]


INTEGER = {"x-pattern": "^[+-]?[0-9]+$"}


@pytest.mark.parametrize(
    ("field", "expected", "converter"),
    [
        ("x", {}, None),
        ("x:int", {"description": "An integer.", **INTEGER, "examples": ["1"]}, {"name": "int"}),
        (
            "x:int(min=5)",
            {"description": "An integer, 5 or more.", **INTEGER, "examples": ["5"]},
            {"name": "int", "min": 5},
        ),
        (
            "x:int(max=-1)",
            {"description": "An integer, -1 or less.", **INTEGER, "examples": ["-1"]},
            {"name": "int", "max": -1},
        ),
        (
            "x:int(min=1, max=3)",
            {"description": "An integer, from 1 to 3.", **INTEGER, "examples": ["1"]},
            {"name": "int", "min": 1, "max": 3},
        ),
        (
            "x:int(2, min=9, max=11)",
            {
                "description": "An integer, written with 2 characters, from 9 to 11.",
                "enum": ["09", "10", "11"],
            },
            {"name": "int", "num_digits": 2, "min": 9, "max": 11},
        ),
        (
            "x:int(1, min=-5)",
            {
                "description": "An integer, written with 1 characters, -5 or more.",
                "x-pattern": "^(?:[0-9]{1})$",
            },
            {"name": "int", "num_digits": 1, "min": -5},
        ),
        (
            "x:int(3, min=0, max=999)",
            {
                "description": "An integer, written with 3 characters, from 0 to 999.",
                "x-pattern": "^(?:[0-9]{3}|[+-][0-9]{2})$",
                "examples": ["000"],
            },
            {"name": "int", "num_digits": 3, "min": 0, "max": 999},
        ),
        (
            "x:int(min=1+1)",
            {"description": "An integer.", **INTEGER, "examples": ["1"]},
            {"name": "int", "arguments": "min=1+1"},
        ),
        ("x:float", {"description": "A number."}, {"name": "float"}),
        (
            "x:float(0.5, finite=False)",
            {"description": "A number, nan or inf, 0.5 or more."},
            {"name": "float", "min": 0.5, "finite": False},
        ),
        (
            "x:dt('%Y')",
            {"description": "A date and time, in the form %Y.", "examples": ["2024"]},
            {"name": "dt", "format_string": "%Y"},
        ),
        (
            "x:uuid",
            {
                "description": "A UUID, with or without hyphens.",
                "examples": ["12345678-1234-4678-9234-567812345678"],
            },
            {"name": "uuid"},
        ),
        (
            "x:path",
            {"description": "The rest of the path, which may contain '/'."},
            {"name": "path"},
        ),
        ("x:even", {"description": "An even number."}, {"name": "even"}),
        (
            "x:odd(limit=3)",
            {"description": "What the converter 'odd' takes."},
            {"name": "odd", "limit": 3},
        ),
        (
            "x:re('[ab]+')",
            {
                "description": "A text that matches [ab]+",
                "x-pattern": "^(?:[ab]+)$",
                "examples": ["a"],
            },
            {"name": "re", "pattern": "[ab]+"},
        ),
        (
            "x:re('(?i)a')",
            {"description": "A text that matches (?i)a"},
            {"name": "re", "pattern": "(?i)a"},
        ),
        (
            "x:re('a' 'b' * 2)",
            {"description": "A text that matches a pattern."},
            {"name": "re", "arguments": "'a' 'b' * 2"},
        ),
    ],
)
def test_a_parameter_says_what_its_converter_takes(field, expected, converter):
    assert parameter(field) == expected | ({"x-converter": converter} if converter else {})


def test_what_json_cannot_write_of_a_converter_is_a_text():
    assert parameter("x:odd(limit=1e999)")["x-converter"] == {"name": "odd", "limit": "inf"}
    assert parameter("x:odd(limit=(1,))")["x-converter"] == {"name": "odd", "limit": "(1,)"}


def test_a_converter_that_only_an_app_knows_is_named_in_the_document_of_a_router():
    router = WebSocketRouter()
    router.add_route("/{x:even}", Echo)

    [channel] = document(router, title="t", version="1")["channels"].values()

    assert channel["parameters"]["x"] == {
        "description": "What the converter 'even' takes.",
        "x-converter": {"name": "even"},
    }
