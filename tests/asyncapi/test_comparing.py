"""Two documents: what breaks, what does not, and what is text only."""

import copy
import json

import pytest

from falcon_pachinko.asyncapi import compare
from falcon_pachinko.errors import DocumentError
from tests.asyncapi.applications import documents

FEATURES = documents()["features"]
FEED = "/v1/markets/{market} (market.feed.v2)"


def small():
    """Return a document that somebody else wrote."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "t", "version": "1"},
        "channels": {
            "chat": {
                "address": "/rooms/{room}",
                "parameters": {"room": {"enum": ["tea"]}},
                "messages": {
                    "say": {
                        "payload": {"type": "object", "properties": {"text": {"maxLength": 3}}}
                    },
                    "said": {"name": "Said", "payload": {"schemaFormat": "x", "schema": {}}},
                },
                "bindings": {"$ref": "#/components/channelBindings/ws"},
            }
        },
        "operations": {
            "in": {
                "action": "receive",
                "channel": {"$ref": "#/channels/chat"},
                "messages": [{"$ref": "#/channels/chat/messages/say"}],
                "reply": {"messages": [{"$ref": "#/channels/chat/messages/said"}]},
            },
            "out": {"action": "send", "channel": {"$ref": "#/channels/chat"}},
        },
        "components": {
            "channelBindings": {"ws": {"ws": {"query": {"properties": {"q": {}}}}}},
            "securitySchemes": {"a": {"type": "plain"}, "b": {"type": "gssapi"}},
        },
    }


def changed(edit, base=None):
    old = small() if base is None else base
    new = copy.deepcopy(old)
    edit(new)
    return [str(difference) for difference in compare(old, new)]


def test_a_document_is_as_itself():
    assert compare(FEATURES, copy.deepcopy(FEATURES)) == []


def rename_field(document):
    channel = document["channels"]["chat"]
    channel["address"] = "/rooms/{name}"
    channel["parameters"] = {"name": channel["parameters"]["room"]}


def rename_channel(document):
    document["channels"] = {"talk": document["channels"]["chat"]}
    for operation in document["operations"].values():
        operation["channel"] = {"$ref": "#/channels/talk"}
        operation["messages"] = [{"$ref": "#/channels/talk/messages/say"}]
        operation.pop("reply", None)
    document["operations"].pop("out")


def at(*path):
    """Return an edit that sets a value, or takes it away."""
    *inside, key, value = path

    def edit(document):
        for part in inside:
            document = document[part]
        if value is None:
            del document[key]
        else:
            document[key] = value

    return edit


CHAT = ("channels", "chat")
SAY = (*CHAT, "messages", "say")
SAID = (*CHAT, "messages", "said")
IN, OUT = ("operations", "in"), ("operations", "out")
KEY = {"$ref": "#/components/securitySchemes/a"}
OTHER = {"$ref": "#/components/securitySchemes/b"}
REPLY = {"$ref": "#/channels/chat/messages/say"}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (at("info", "title", "x"), ["documentation only: info.title: is different"]),
        (at("id", "urn:x"), ["documentation only: info.id: is different"]),
        (at("asyncapi", "3.1.0"), ["documentation only: asyncapi: 3.1.0, was 3.0.0"]),
        (at(*CHAT, "title", "x"), ["documentation only: /rooms/{room}: title changed"]),
        (at(*SAY, "summary", "x"), [
            "documentation only: /rooms/{room} receive say: summary changed",
            "documentation only: /rooms/{room} send say: summary changed",
        ]),
        (at(*IN, "summary", "x"), ["documentation only: /rooms/{room} receive say operation: summary changed"]),
        (rename_field, ["documentation only: /rooms/{name}: the path was /rooms/{room}"]),
        (at(*CHAT, "parameters", "room", "enum", ["tea", "rum"]), ['compatible: /rooms/{room} {room}: "rum" is possible now']),
        (at(*CHAT, "parameters", "room", "x-pattern", "a"), ["breaking: /rooms/{room} {room}: pattern a, was no pattern"]),
        (at(*CHAT, "parameters", "room", "description", "a"), ["documentation only: /rooms/{room} {room}: another description"]),
        (at(*CHAT, "address", "/x"), ["breaking: /rooms/{room}: the channel is gone", "compatible: /x: a new channel"]),
        (at(*CHAT, "x-subprotocols", ["v1"]), ["compatible: /rooms/{room}: a new subprotocol 'v1'"]),
        (at(*CHAT, "x-close-codes", {"4000": "x"}), ["compatible: /rooms/{room}: other close codes"]),
        (at(*CHAT, "x-limits", {"max_message": 3}), ["breaking: /rooms/{room}: the limit max_message is 3, was None"]),
        (at("components", "channelBindings", "ws", "ws", "method", "POST"), ["breaking: /rooms/{room}: the method is POST"]),
        (at("components", "channelBindings", "ws", "ws", "query", "required", ["q"]), ["breaking: /rooms/{room} query.q: is required now"]),
        (at("components", "channelBindings", "ws", "ws", "headers", {"required": ["h"]}), ["breaking: /rooms/{room} headers.h: is required now"]),
        (at(*SAY, "payload", "properties", "text", "maxLength", 2), [
            "breaking: /rooms/{room} receive say.text: maxLength 2, was maxLength 3",
            "compatible: /rooms/{room} send say.text: maxLength 2, was maxLength 3",
        ]),
        (at(*SAY, "payload", "properties", {}), [
            "breaking: /rooms/{room} receive say.text: the field is gone",
            "compatible: /rooms/{room} send say.text: the field is gone",
        ]),
        (at(*SAID, "payload", "schema", False), ["compatible: /rooms/{room} send Said: nothing is possible now"]),
        (at(*SAID, "payload", {}), ["breaking: /rooms/{room} send Said: the format of the schema is None, was x"]),
        (at(*SAID, "headers", {"required": ["h"]}), ["compatible: /rooms/{room} send Said headers.h: is required now"]),
        (at(*SAID, "contentType", "a/b"), ["breaking: /rooms/{room} send Said: the content type is a/b, was None"]),
        (at("defaultContentType", "a/b"), [
            "breaking: /rooms/{room} receive say: the content type is a/b, was None",
            "breaking: /rooms/{room} send say: the content type is a/b, was None",
            "breaking: /rooms/{room} send Said: the content type is a/b, was None",
        ]),
        (at("operations", "in", None), ["breaking: /rooms/{room} receive say: the message is gone"]),
        (at("operations", "out", None), [
            "compatible: /rooms/{room} send say: the message is gone",
            "compatible: /rooms/{room} send Said: the message is gone",
        ]),
        (at(*IN, "messages", [REPLY, {"$ref": "#/channels/chat/messages/said"}]), ["compatible: /rooms/{room} receive Said: a new message"]),
        (at(*IN, "reply", None), ["breaking: /rooms/{room} receive say: the reply is gone"]),
        (at(*OUT, "reply", {"messages": [REPLY]}), [
            "compatible: /rooms/{room} send say: it has a reply now",
            "compatible: /rooms/{room} send Said: it has a reply now",
        ]),
        (at(*IN, "reply", "messages", [REPLY]), [
            "breaking: /rooms/{room} receive say: say may be a reply now",
            "compatible: /rooms/{room} receive say: Said is no longer a reply",
        ]),
        (at(*IN, "security", [KEY]), ["breaking: /rooms/{room} receive say: it needs a security scheme now"]),
        (at("servers", {"live": {"host": "x"}}), ["compatible: server live: is new"]),
        (rename_channel, [
            "compatible: /rooms/{room} send say: the message is gone",
            "compatible: /rooms/{room} send Said: the message is gone",
            "breaking: /rooms/{room} receive say: the reply is gone",
        ]),
        (at("operations", "in2", {"action": "receive"}), ["documentation only: document: the order, or the names of channels, operations and components, is different"]),
    ],
)  # fmt: skip
def test_a_difference_is_found_and_classed(edit, expected):
    assert sorted(changed(edit)) == sorted(expected)


def test_differences_that_break_something_come_first():
    def edit(document):
        at("info", "title", "x")(document)
        at(*SAY, "payload", "properties", "text", "maxLength", 2)(document)

    kinds = [line.partition(":")[0] for line in changed(edit)]

    assert kinds == ["breaking", "compatible", "documentation only"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([KEY], None, "compatible: {}: it needs no security scheme any more"),
        ([KEY], [OTHER], "breaking: {}: a security scheme is gone, or another one"),
        ([KEY], [OTHER, KEY], "compatible: {}: a new security scheme"),
    ],
)
def test_security_is_compared(before, after, expected):
    base = small()
    base["operations"]["in"]["security"] = before
    base["servers"] = {"s": {"host": "x", "security": before}}

    def edit(document):
        at(*IN, "security", after)(document)
        at("servers", "s", "security", after)(document)

    assert changed(edit, base) == [
        expected.format(place) for place in ("server s", "/rooms/{room} receive say")
    ]


def test_servers_are_compared():
    base = small() | {"servers": {"a": {"host": "x"}, "b": {"host": "x", "title": "t"}}}

    def edit(document):
        document["servers"] = {"b": {"host": "y"}}

    assert changed(edit, base) == [
        "breaking: server a: is gone",
        "breaking: server b: host 'y', was 'x'",
        "documentation only: server b: title changed",
    ]


def test_a_limit_that_is_larger_is_compatible():
    base = small()
    base["channels"]["chat"]["x-limits"] = {"max_message": 3, "burst": 1}

    assert changed(at(*CHAT, "x-limits", {"max_message": 4}), base) == [
        "compatible: /rooms/{room}: the limit max_message is 4, was 3",
        "compatible: /rooms/{room}: the limit burst is None, was 1",
    ]


def test_channels_of_one_path_are_told_apart():
    def edit(document):
        channel = document["channels"]["market.feed.v2"]
        channel["x-subprotocols"] = ["feed.v3", "feed.v2"]
        document["channels"]["renamed"] = document["channels"].pop("market.feed.v2")
        for operation in document["operations"].values():
            text = json.dumps(operation).replace("/market.feed.v2", "/renamed")
            operation.clear()
            operation.update(json.loads(text))

    assert changed(edit, FEATURES) == [
        "breaking: /v1/markets/{market} (renamed): the subprotocol 'feed.v1' is gone",
        "compatible: /v1/markets/{market} (renamed): a new subprotocol 'feed.v3'",
    ]


def test_a_channel_keeps_its_name_with_other_subprotocols():
    def edit(document):
        for token in ("v2", "admin"):
            document["channels"][f"market.feed.{token}"]["x-subprotocols"] = [f"{token}.new"]

    assert [line.partition(": ")[2] for line in changed(edit, FEATURES)] == [
        "/v1/markets/{market} (market.feed.admin): the subprotocol 'feed.admin' is gone",
        f"{FEED}: the subprotocol 'feed.v2' is gone",
        f"{FEED}: the subprotocol 'feed.v1' is gone",
        "/v1/markets/{market} (market.feed.admin): a new subprotocol 'admin.new'",
        f"{FEED}: a new subprotocol 'v2.new'",
    ]


def test_a_channel_without_an_address_goes_by_its_name():
    assert changed(at(*CHAT, "address", None))[0] == "breaking: /rooms/{room}: the channel is gone"


def test_subprotocols_are_read_from_the_headers_too():
    base = small()
    base["channels"]["chat"]["x-subprotocols"] = ["v1"]

    def edit(document):
        del document["channels"]["chat"]["x-subprotocols"]
        ws = document["components"]["channelBindings"]["ws"]["ws"]
        ws["headers"] = {"properties": {"Sec-WebSocket-Protocol": {"enum": ["v1"]}}}

    assert changed(edit, base)[0].startswith("documentation only: document: the order, or")


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_no_document_is_named(number):
    pair = [small(), small()]
    pair[number] = {}

    with pytest.raises(DocumentError, match=f"^{('old', 'new')[number]} is no AsyncAPI document"):
        compare(*pair)
