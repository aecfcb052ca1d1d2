"""The document of an app: channels, messages, operations."""

import dataclasses
import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated
from typing import ClassVar

import falcon
import falcon.asgi
import jsonschema
import msgspec
import pytest
from msgspec import Meta
from msgspec import Struct

import pytest_pachinko
from falcon_pachinko import DocumentError
from falcon_pachinko import handles_message
from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.asyncapi import document
from tests.asyncapi.applications import documents
from tests.asyncapi.applications import Echo
from tests.asyncapi.applications import features
from tests.asyncapi.applications import Feed
from tests.asyncapi.applications import Ping
from tests.asyncapi.applications import Pong
from tests.asyncapi.applications import Subscribed
from tests.asyncapi.judging import resolve
from tests.asyncapi.judging import Takes

ROOT = Path(__file__).parents[2]
DOCUMENTS = documents()
OFFICIAL = Path(pytest_pachinko.__file__).parent / "data" / "asyncapi-3.1.0.json"


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft7Validator(json.loads(OFFICIAL.read_text(encoding="utf-8")))


def written(*resources, path="/", **options):
    router = WebSocketRouter()
    router.add_route(path, *resources)
    schemes = {"key": {"type": "httpApiKey", "in": "query", "name": "key"}}
    return document(
        router, **{"title": "t", "version": "1", "security_schemes": schemes, **options}
    )


def channel(found):
    [only] = found["channels"].values()
    return only


def resource(**attributes):
    return type("Resource", (Takes,), {"schema": Ping | Pong, **attributes})


# The official JSON Schema.


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_document_of_a_test_application_is_one_officially(validator, name):
    assert [error.json_path for error in validator.iter_errors(DOCUMENTS[name])] == []


def test_the_document_of_the_chat_is_one_officially(validator, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "examples" / "chat"))
    from chat import create_app

    found = document(create_app(), title="chat", version="1")

    assert [error.json_path for error in validator.iter_errors(found)] == []


def test_the_official_schema_refuses_what_is_none(validator):
    assert not validator.is_valid({"asyncapi": "3.1.0", "info": {}})


def payload_validator(found, schema):
    return jsonschema.Draft7Validator({"components": found["components"], "allOf": [schema]})


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_example_is_one_of_its_payload(name):
    found = DOCUMENTS[name]

    for message in found["components"]["messages"].values():
        judge = payload_validator(found, message["payload"])
        assert all(judge.is_valid(example["payload"]) for example in message.get("examples", ()))


def write_documents(directory, **environment):
    """Write the documents of the test applications in another process."""
    subprocess.run(
        [sys.executable, "-m", "tests.asyncapi.applications", str(directory)],
        check=True,
        cwd=ROOT,
        env=environment,
    )


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_same_app_has_the_same_bytes_in_every_process(tmp_path, seed):
    write_documents(tmp_path, PYTHONHASHSEED=seed)

    for name, content in DOCUMENTS.items():
        assert json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8")) == content
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        assert (tmp_path / f"{name}.json").read_text(encoding="utf-8") == text


def without_docs(value):
    if isinstance(value, list):
        return [without_docs(part) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_docs(part)
        for key, part in value.items()
        if key not in ("summary", "description")
    }


def test_an_app_without_docstrings_is_described_without_them(tmp_path):
    write_documents(tmp_path, PYTHONOPTIMIZE="2")

    for name, content in DOCUMENTS.items():
        found = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        assert without_docs(found) == without_docs(content)


# Channels.


def test_a_route_becomes_a_channel():
    found = written(Echo, path="/rooms/{room}")

    assert found["channels"] == {
        "rooms_room": {
            "address": "/rooms/{room}",
            "title": "Echo",
            "parameters": {"room": {}},
            "messages": {
                "ping": {"$ref": "#/components/messages/Ping"},
                "ping.tagged": {"$ref": "#/components/messages/Ping.tagged"},
            },
            "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
        }
    }


def test_what_may_come_without_its_tag_is_sent_with_it():
    found = written(Echo)
    received, sent = (
        payload_validator(found, found["components"]["messages"][name]["payload"])
        for name in ("Ping", "Ping.tagged")
    )

    assert received.is_valid({})
    assert not sent.is_valid({})
    assert sent.is_valid({"type": "ping"})


def test_each_resource_on_a_path_is_a_channel():
    plain = type("Plain", (Echo,), {})

    found = written(Feed, plain, path="/feed")

    assert list(found["channels"]) == ["feed.default", "feed.feed.v2"]


def test_routers_are_followed_wherever_they_are():
    addresses = {key: value["address"] for key, value in DOCUMENTS["features"]["channels"].items()}

    assert addresses == {
        "echo": "/echo",
        "inner_root": "/v1/inner",
        "v1_inner_day_level": "/v1/inner/{day}/{level}",
        "market.feed.admin": "/v1/markets/{market}",
        "market.feed.v2": "/v1/markets/{market}",
    }


def test_channels_that_would_have_one_name_are_numbered():
    router = WebSocketRouter()
    router.add_route("/a/b", Echo)
    router.add_route("/a_b", Echo)

    assert list(document(router, title="t", version="1")["channels"]) == ["a_b", "a_b_2"]


def test_the_order_of_routes_does_not_matter():
    one, other = WebSocketRouter(), WebSocketRouter()
    for router, paths in ((one, ("/a", "/b")), (other, ("/b", "/a"))):
        for path in paths:
            router.add_route(path, Echo)

    assert str(document(one, title="t", version="1")) == str(
        document(other, title="t", version="1")
    )


def test_an_app_within_middleware_is_found():
    class Middleware:
        app = features()

    options = {
        "title": "t",
        "version": "1",
        "security_schemes": {"key": {"type": "userPassword"}},
    }

    assert document(Middleware(), **options) == document(Middleware.app, **options)


def test_other_resources_of_an_app_are_left_out():
    app = falcon.asgi.App()
    app.add_route("/http", object())
    app.add_route("/empty", WebSocketRouter())
    router = WebSocketRouter()
    router.add_route("/", Echo)
    install(app, router, "/ws")

    assert list(document(app, title="t", version="1")["channels"]) == ["ws"]


@pytest.mark.parametrize("app", [falcon.asgi.App(), WebSocketRouter()])
def test_an_app_without_routes_is_an_error(app):
    with pytest.raises(DocumentError, match="has no routes of resources"):
        document(app, title="t", version="1")


@pytest.mark.parametrize("app", [object(), falcon.App(), None])
def test_what_is_no_app_is_an_error(app):
    with pytest.raises(DocumentError, match=r"neither a falcon\.asgi\.App nor a WebSocketRouter"):
        document(app, title="t", version="1")


def test_a_factory_that_does_not_say_what_it_makes_is_an_error():
    def factory():
        return Echo()

    with pytest.raises(DocumentError, match=r"factory\.schema = Resource\.schema"):
        written(factory)


def test_a_factory_that_says_what_it_makes_is_described():
    def factory():
        """Make somebody who listens."""

    factory.schema = Ping
    factory.emits = Pong

    found = written(factory)

    assert channel(found)["summary"] == "Make somebody who listens."
    assert list(found["operations"]) == ["root.receive.ping", "root.send.pong"]


def test_a_factory_whose_schema_is_none_is_an_error():
    def factory():
        pass

    factory.schema = int | str | bytes

    with pytest.raises(DocumentError, match=r"factory.schema = .* on '/', cannot be described"):
        written(factory)


def test_a_factory_whose_schema_has_no_structs_takes_nothing():
    def factory():
        pass

    factory.schema = int

    assert "operations" not in written(factory)


def test_a_partial_is_described_as_what_it_makes():
    assert written(functools.partial(Echo)) == written(Echo)


def test_a_class_is_documented_by_its_own_words_or_those_of_its_bases():
    assert channel(written(type("Sub", (Feed,), {})))["summary"] == "The prices of a market."


def test_sections_of_a_docstring_are_left_out():
    assert "description" not in channel(written(Feed))


def test_the_docstring_of_the_base_class_is_nobodys():
    assert "summary" not in channel(written(type("Bare", (Echo,), {"__doc__": None})))


# Bindings, subprotocols, security.


def test_headers_and_query_become_the_binding():
    assert channel(written(Feed))["bindings"]["ws"] == {
        "method": "GET",
        "headers": {
            "title": "Headers",
            "type": "object",
            "properties": {
                "authorization": {"type": "string"},
                "Sec-WebSocket-Protocol": {
                    "type": "string",
                    "enum": ["feed.v2", "feed.v1"],
                    "description": "The subprotocol. A client may offer several, separated by commas.",
                },
            },
        },
        "query": {
            "title": "Query",
            "type": "object",
            "properties": {"since": {"type": "integer", "minimum": 0, "default": 0}},
        },
        "bindingVersion": "0.1.0",
    }


def test_a_json_schema_may_be_a_query():
    query = {"type": "object", "properties": {"q": {"type": "string"}}}

    found = written(resource(asyncapi={"query": query}))

    assert channel(found)["bindings"]["ws"]["query"] == query


@pytest.mark.parametrize("query", [int, 3, complex])
def test_a_query_without_fields_is_an_error(query):
    with pytest.raises(DocumentError, match="which has no fields"):
        written(resource(asyncapi={"query": query}))


@pytest.mark.parametrize(
    ("declared", "error"),
    [
        (5, r"asyncapi is 5, .*: Expected `object`, got `int`\.\nHint: asyncapi = \{"),
        (["query"], r"asyncapi is \['query'\], .*: Expected `object`, got `array`"),
        ({1: "x"}, r"asyncapi is \{1: 'x'\}, .*: Expected `str`, got `int` - at `key`"),
        ({"close_codes": [4001]}, r"asyncapi\['close_codes'\] is .*`object`, got `array`"),
        (
            {"close_codes": {4001: "a", "4002": "b"}},
            r"asyncapi\['close_codes'\] is .* - at `key` in `\$`",
        ),
        ({"close_codes": {1: "a"}}, r"asyncapi\['close_codes'\] is .*: Expected `int` >= 1000"),
        ({"close_codes": {4001: 1}}, r"asyncapi.*\nHint: \"close_codes\": \{4001: \"Too slow"),
        (
            {"security": "tok"},
            r"asyncapi\['security'\] is 'tok', .*\nHint: \"security\": \[\"token\"\]",
        ),
        ({"security": [1]}, r"asyncapi\['security'\] is \[1\], .*: Expected `str`, got `int`"),
        ({"headers": {"properties": ["a"]}}, r"asyncapi\['headers'\] is .*`object`, got `array`"),
        ({"query": {"required": "a"}}, r"asyncapi\['query'\] is .*: Expected `array`, got `str`"),
        ({"query": {"type": "string"}}, r"asyncapi\['query'\] is .*Hint: .*of an object"),
    ],
)
def test_a_declaration_of_another_type_is_an_error_that_names_it(declared, error):
    with pytest.raises(DocumentError, match=f"(?s)^Resource.{error}"):
        written(resource(asyncapi=declared, subprotocols=("a",)))


@pytest.mark.parametrize("nothing", [{"query": {}}, {"query": None}, {"close_codes": None}, None])
def test_a_declaration_of_nothing_is_as_none(nothing):
    assert written(resource(asyncapi=nothing)) == written(resource())


@pytest.mark.parametrize(
    "given",
    [
        {"title": 1},
        {"version": 1.0},
        {"description": ["d"]},
        {"info": "i"},
        {"servers": ["wss://a.example"]},
        {"servers": {"live": 5}},
        {"security_schemes": ["key"]},
        {"security_schemes": {"key": "http"}},
        {"security": "key"},
        {"security": [None]},
    ],
)
def test_an_argument_of_another_type_is_an_error_that_names_it(given):
    [name] = given

    with pytest.raises(
        DocumentError, match=rf"(?s)^{name} of document\(\) is .*: Expected .*\nHint: {name}="
    ):
        written(Echo, **given)


def test_what_a_hook_says_of_a_type_is_an_error_if_it_is_no_schema():
    with pytest.raises(DocumentError, match=r"schema_hook says of .*complex.* is 'number', which"):
        written(
            resource(schema=msgspec.defstruct("Pay", [("amount", complex)], tag="pay")),
            schema_hook=lambda cls: "number",
        )


@pytest.mark.parametrize(
    ("key", "hint"),
    [("query_", "did you mean 'query'?"), ("zzz", "there are close_codes, headers")],
)
def test_an_unknown_declaration_is_an_error(key, hint):
    with pytest.raises(DocumentError, match=hint.replace("?", r"\?")):
        written(resource(asyncapi={key: 1}))


def test_a_required_subprotocol_is_a_required_header():
    found = written(resource(subprotocols=("a",), required_subprotocol=True))

    assert channel(found)["bindings"]["ws"]["headers"]["required"] == ["Sec-WebSocket-Protocol"]


def test_subprotocols_limits_and_close_codes_are_extensions():
    found = channel(written(Feed))

    assert found["x-subprotocols"] == ["feed.v2", "feed.v1"]
    assert found["x-limits"] == {"max_message": 4096, "burst": 5.0}
    assert list(found["x-close-codes"].items()) == [
        ("4000", "Too slow."),
        ("4001", "The market is closed."),
    ]


def test_the_operations_of_a_resource_need_its_security_scheme():
    found = written(Feed)

    assert all(
        operation["security"] == [{"$ref": "#/components/securitySchemes/key"}]
        for operation in found["operations"].values()
    )


def test_a_resource_that_says_nothing_needs_the_security_scheme_of_all():
    found = written(Echo, security=["key"])

    assert found["operations"]["root.receive.ping"]["security"] == [
        {"$ref": "#/components/securitySchemes/key"}
    ]


def test_the_security_schemes_of_a_set_are_in_the_same_order_in_every_process():
    schemes = {f"s{number}": {"type": "userPassword"} for number in range(9)}

    found = written(resource(asyncapi={"security": set(schemes)}), security_schemes=schemes)

    assert [
        scheme["$ref"][-2:] for scheme in found["operations"]["root.receive.ping"]["security"]
    ] == [*schemes]


def test_a_security_scheme_that_nobody_describes_is_an_error():
    with pytest.raises(DocumentError, match=r"security scheme 'key', .*; there are none"):
        written(Feed, security_schemes={})


def test_a_server_may_be_a_url():
    assert DOCUMENTS["features"]["servers"] == {
        "live": {"host": "feed.example", "protocol": "wss", "pathname": "/v1"},
        "test": {"host": "x", "protocol": "ws"},
    }


@pytest.mark.parametrize(
    "url", ["feed.example", "https://feed.example", "ws:/x", "wss://[feed.example"]
)
def test_a_server_without_websockets_is_an_error(url):
    with pytest.raises(DocumentError, match="is no URL of WebSockets"):
        written(Echo, servers={"live": url})


@pytest.mark.parametrize(
    "url",
    [
        "wss://feed.example/p?token=s3cret",
        "wss://feed.example/p#s3cret",
        "wss://ann:s3cret@feed.example/p",
    ],
)
def test_a_server_with_more_than_a_host_and_a_path_is_an_error_that_keeps_its_secrets(url):
    with pytest.raises(
        DocumentError, match=r'server \'live\' has a user, .*\nHint: "wss://feed.example/p"; '
    ) as raised:
        written(Echo, servers={"live": url})

    assert "s3cret" not in str(raised.value)


# Messages and operations.


def test_a_handler_becomes_an_operation():
    assert written(Feed)["operations"]["root.receive.subscribe"] == {
        "action": "receive",
        "channel": {"$ref": "#/channels/root"},
        "summary": "Send the prices of something from now on.",
        "description": "Also those that are the same as before.",
        "messages": [{"$ref": "#/channels/root/messages/subscribe"}],
        "reply": {
            "channel": {"$ref": "#/channels/root"},
            "messages": [{"$ref": "#/channels/root/messages/subscribed"}],
        },
        "security": [{"$ref": "#/components/securitySchemes/key"}],
    }


def test_an_override_answers_what_it_overrides():
    class Quicker(Feed):
        async def follow(self, ws, message):
            pass

    operation = written(Quicker)["operations"]["root.receive.subscribe"]

    assert operation["reply"]["messages"] == [{"$ref": "#/channels/root/messages/subscribed"}]
    assert operation["summary"] == "Send the prices of something from now on."


def test_a_reply_that_emits_does_not_have_is_an_error():
    class Wrong(WebSocketResource):
        schema = Ping
        emits = Subscribed

        @handles_message("ping", reply=Pong)
        async def pong(self, ws, message):
            pass

    with pytest.raises(
        DocumentError, match=r"answers 'ping' with Pong.*\nHint: emits = ... \| Pong"
    ):
        written(Wrong)


def test_a_reply_of_another_type_with_the_tag_is_an_error():
    other = msgspec.defstruct("Other", [], tag="pong")

    class Wrong(WebSocketResource):
        schema = Ping
        emits = Pong

        @handles_message("ping", reply=other)
        async def pong(self, ws, message):
            pass

    with pytest.raises(DocumentError, match="answers 'ping' with Other"):
        written(Wrong)


def test_the_docstring_and_metadata_of_a_struct_are_those_of_its_message():
    found = written(Feed)["components"]["messages"]["Tick"]

    assert found == {
        "name": "tick",
        "title": "Tick",
        "summary": "The price of something has changed.",
        "description": "It is sent to everybody who has subscribed.",
        "payload": {"$ref": "#/components/schemas/Tick"},
        "examples": [{"payload": {"type": "tick", "symbol": "text", "price": 1}}],
    }


def test_a_tag_that_means_two_things_is_two_messages():
    answer = msgspec.defstruct("Answer", [("x", int)], tag="ping")

    found = written(resource(emits=answer))

    assert channel(found)["messages"] == {
        "ping": {"$ref": "#/components/messages/Ping"},
        "pong": {"$ref": "#/components/messages/Pong"},
        "ping.Answer": {"$ref": "#/components/messages/Answer"},
    }


def test_two_messages_of_one_tag_in_one_direction_are_an_error():
    answer = msgspec.defstruct("Answer", [("x", int)], tag="ping")

    with pytest.raises(DocumentError, match=r"Resource.emits = .* cannot be described"):
        written(resource(emits=answer | Ping))


def test_tags_that_differ_in_signs_only_are_two_messages():
    one = msgspec.defstruct("One", [], tag="a b")
    other = msgspec.defstruct("Other", [], tag="a/b")

    assert list(channel(written(resource(schema=one | other)))["messages"]) == ["a_b", "a_b.Other"]


def test_a_message_on_two_channels_is_one():
    router = WebSocketRouter()
    for path in ("/a", "/b"):
        schema = Annotated[Ping, Meta(description="P")] | Pong
        router.add_route(path, resource(schema=schema))

    found = document(router, title="t", version="1")

    assert list(found["components"]["messages"]) == ["Ping", "Pong"]


def test_a_server_may_send_what_is_no_struct():
    found = written(resource(emits=list[int] | int | None))

    assert {
        key: resolve(found, reference)["payload"]
        for key, reference in channel(found)["messages"].items()
    } == {
        "ping": {"$ref": "#/components/schemas/Ping"},
        "pong": {"$ref": "#/components/schemas/Pong"},
        "list": {"type": "array", "items": {"type": "integer"}},
        "int": {"type": "integer"},
        "none": {"type": "null"},
    }


def test_what_is_no_class_has_an_example():
    found = written(resource(emits=list[int] | Annotated[int, Meta(examples=[7])] | None))

    assert {
        name: message["examples"]
        for name, message in found["components"]["messages"].items()
        if name in ("list", "int", "none")
    } == {
        "list": [{"payload": [0]}],
        "int": [{"payload": 7}],
        "none": [{"payload": None}],
    }


def test_an_example_of_what_is_no_class_is_an_error_if_it_is_none():
    with pytest.raises(
        DocumentError, match=r"The example 'x' of .* is none: Expected `int \| array`"
    ):
        written(resource(emits=list[int] | Annotated[int, Meta(examples=["x"])]))


def test_a_server_may_send_a_struct_without_a_tag():
    class Bare(Struct):
        x: int

    found = written(resource(emits=Bare))

    assert found["components"]["messages"]["Bare"]["name"] == "Bare"


def test_an_int_tag_is_the_name_of_its_message():
    class Numbered(Struct, tag=7):
        pass

    class Other(Struct, tag=8):
        pass

    found = written(resource(schema=Numbered | Other))

    assert list(channel(found)["messages"]) == ["7", "8"]
    assert found["components"]["schemas"]["Numbered"]["properties"]["type"] == {"const": 7}


def test_a_type_of_ones_own_is_described_by_the_hook():
    class Pay(Struct, tag="pay"):
        amount: complex

    def hook(cls):
        assert cls is complex
        return {"type": "string"}

    found = written(resource(schema=Pay), schema_hook=hook)

    assert found["components"]["schemas"]["Pay"]["properties"]["amount"] == {"type": "string"}
    assert "examples" not in found["components"]["messages"]["Pay"]


def test_a_hook_that_does_not_know_a_type_leaves_it_to_its_annotation():
    class Pay(Struct, tag="pay"):
        amount: Annotated[complex, Meta(extra_json_schema={"type": "number"})]

    def hook(cls):
        raise NotImplementedError

    found = written(resource(schema=Pay), schema_hook=hook)

    assert found["components"]["schemas"]["Pay"]["properties"]["amount"] == {"type": "number"}


def test_a_resource_without_handlers_has_operations():
    class Silent(Takes):
        schema: ClassVar = Ping

    assert list(written(Silent)["operations"]) == ["root.receive.ping"]


def test_a_docstring_that_python_has_written_is_none():
    @dataclasses.dataclass
    class Point:
        x: int

    class At(Struct, tag="at"):
        point: Point

    found = written(resource(schema=At))["components"]["schemas"]["Point"]

    assert "description" not in found


# What would make a document that is none.


class Bounded(Struct, tag="bounded"):
    low: Annotated[int, Meta(ge=1)] = 0
    fine: Annotated[int, Meta(ge=1)] = 2
    tags: Annotated[list[str], Meta(min_length=1)] = []
    names: Annotated[dict[str, int], Meta(min_length=1)] = {}
    few: Annotated[set[int], Meta(max_length=1)] = set()


@dataclasses.dataclass
class Filled:
    low: Annotated[int, Meta(ge=1)] = 0
    fine: Annotated[int, Meta(ge=1)] = 2
    tags: Annotated[list[str], Meta(min_length=1)] = dataclasses.field(default_factory=list)
    names: Annotated[dict[str, int], Meta(min_length=1)] = dataclasses.field(default_factory=dict)
    few: Annotated[set[int], Meta(max_length=1)] = dataclasses.field(default_factory=set)


class Holder(Struct, tag="holder"):
    filled: Filled


@pytest.mark.parametrize(("schema", "name"), [(Bounded, "Bounded"), (Holder, "Filled")])
def test_a_default_that_nobody_may_send_is_left_out(schema, name):
    found = written(resource(schema=schema))
    properties = found["components"]["schemas"][name]["properties"]

    assert {
        field: value["default"] for field, value in properties.items() if "default" in value
    } == {"fine": 2, "few": []}


def test_a_query_is_an_object_though_nobody_says_so():
    query = {"properties": {"page": {"type": "integer"}}}
    found = written(resource(asyncapi={"query": query}))

    assert channel(found)["bindings"]["ws"]["query"] == {"type": "object", **query}


def test_a_security_scheme_has_a_name_that_a_component_may_have():
    with pytest.raises(DocumentError, match=r"cannot be called 'a/b c'\.\nHint: its name has"):
        written(Echo, security=["a/b c"], security_schemes={"a/b c": {"type": "userPassword"}})


def test_a_document_is_as_it_is_read_from_its_file():
    found = written(Echo, info={"x-tags": ("a", "b")})

    assert found["info"]["x-tags"] == ["a", "b"]


@pytest.mark.parametrize("value", [{1, 2}, float("nan")])
def test_what_json_cannot_write_is_an_error(value):
    with pytest.raises(DocumentError, match="would have what JSON cannot write"):
        written(Echo, info={"x-tags": value})
