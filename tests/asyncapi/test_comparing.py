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
        (at(*CHAT, "x-close-codes", {"4000": "x"}), ["compatible: /rooms/{room}: a new close code 4000"]),
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
        (at("operations", "in2", {"action": "receive"}), ["breaking: operations: an operation without a channel of the document is different"]),
        (at("components", "schemas", {}), ["documentation only: document: the order, the names of channels, operations and components, or an extension changed"]),
        (at(*CHAT, "bindings", {"amqp": {"is": "queue"}}), ["breaking: /rooms/{room} bindings: amqp is different, and it cannot be decided what that means", "breaking: /rooms/{room} query.q: the field is gone"]),
        (at("components", "channelBindings", "ws", "ws", "x-y", 1), ["documentation only: document: the order, the names of channels, operations and components, or an extension changed"]),
        (at(*SAID, "correlationId", {"location": "a"}), ["breaking: /rooms/{room} send Said: correlationId is different, and it cannot be decided what that means"]),
        (at(*IN, "reply", "channel", {"$ref": "#/channels/chat"}), ["documentation only: document: the order, the names of channels, operations and components, or an extension changed"]),
        (at(*IN, "reply", "address", {"location": "a"}), ["breaking: /rooms/{room} receive say reply: address is different, and it cannot be decided what that means"]),
        (at("operations", "in2", {"action": "receive", "channel": {"$ref": "#/channels/chat"}, "messages": [{"$ref": "#/channels/chat/messages/say"}], "security": [KEY]}), ["breaking: /rooms/{room} receive say: 2 operations, were 1: it cannot be decided what that means"]),
        (at(*SAID, "payload", "schema", "syntax proto3"), ["breaking: /rooms/{room} send Said: the schema is different, and of a format that cannot be compared"]),
        (at(*SAY, "headers", {"schemaFormat": "y", "schema": {}}), ["breaking: /rooms/{room} receive say headers: the format of the schema is y, was None", "breaking: /rooms/{room} send say headers: the format of the schema is y, was None", "breaking: /rooms/{room} send say headers: may be array or boolean or integer or null or number or string now", "compatible: /rooms/{room} receive say headers: may be array or boolean or integer or null or number or string now"]),
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

    assert changed(edit, base)[0].startswith("documentation only: document: the order")


def spoken(*groups):
    """Return a document with a channel for each group of subprotocols."""
    document = small()
    chat = document["channels"].pop("chat")
    document["operations"] = {}
    for tokens in groups:
        document["channels"]["-".join(tokens)] = {**chat, "x-subprotocols": list(tokens)}
    return document


@pytest.mark.parametrize(
    ("old", "new"), [([("v1", "v2")], [("v1",), ("v2",)]), ([("v1",), ("v2",)], [("v1", "v2")])]
)
def test_subprotocols_may_be_grouped_otherwise(old, new):
    assert [each.kind for each in compare(spoken(*old), spoken(*new))] == ["documentation"]


def test_a_channel_of_several_subprotocols_is_compared_with_what_became_of_each():
    new = spoken(("v1",), ("v2",))
    messages = new["channels"]["v2"]["messages"]
    new["channels"]["v2"]["messages"] = {"said": messages["said"]}

    assert [str(each) for each in compare(spoken(("v1", "v2")), new)] == [
        "breaking: /rooms/{room} (v2) receive say: the message is gone",
        "compatible: /rooms/{room} (v2) send say: the message is gone",
    ]


def test_a_subprotocol_that_is_gone_from_a_channel_that_was_taken_apart_is_gone():
    assert [str(each) for each in compare(spoken(("v1", "v2")), spoken(("v1",), ("v3",)))] == [
        "breaking: /rooms/{room} (v3): the subprotocol 'v2' is gone",
        "compatible: /rooms/{room} (v3): a new subprotocol 'v3'",
    ]


def kind(value):
    return {
        "type": "object",
        "properties": {"type": {"const": value}, "text": {"type": "string"}},
        "required": ["type"],
    }


def tagged(**names):
    """Return a document whose messages have tags, and are called otherwise."""
    document = small()
    chat = document["channels"]["chat"]
    chat["messages"] = {key: {"name": names[key], "payload": kind(key)} for key in names}
    document["operations"] = {
        "in": {
            "action": "receive",
            "channel": {"$ref": "#/channels/chat"},
            "reply": {"messages": [{"$ref": "#/channels/chat/messages/said"}]},
        }
    }
    return document


def test_a_message_that_is_called_otherwise_is_known_by_its_tag():
    old, new = tagged(say="say", said="said"), tagged(say="Say", said="said")
    new["channels"]["chat"]["messages"]["say"]["payload"]["required"].append("text")

    assert [str(each) for each in compare(old, new)] == [
        "breaking: /rooms/{room} receive Say.text: is required now",
        "documentation only: /rooms/{room} receive Say: was called say",
    ]


def test_a_reply_that_is_called_otherwise_is_known_by_its_tag():
    old, new = tagged(say="say", said="said"), tagged(say="say", said="Said")
    new["channels"]["chat"]["messages"]["said"]["payload"]["required"].append("text")

    assert [str(each) for each in compare(old, new)] == [
        "breaking: /rooms/{room} receive Said.text: is required now",
        "compatible: /rooms/{room} reply Said.text: is required now",
        "documentation only: /rooms/{room} receive Said: was called said",
    ]


@pytest.mark.parametrize(
    "payload",
    [kind("said"), {"schemaFormat": "application/x-protobuf", "schema": kind("say")}],
    ids=["the tag of another one", "a foreign format"],
)
def test_a_message_without_a_tag_of_its_own_is_known_by_its_name_alone(payload):
    old, new = tagged(say="say", said="said"), tagged(say="Say", said="Said")
    for document in (old, new):
        document["channels"]["chat"]["messages"]["say"]["payload"] = payload

    assert "breaking: /rooms/{room} receive say: the message is gone" in [
        str(each) for each in compare(old, new)
    ]


@pytest.mark.parametrize(
    "form", ["application/vnd.aai.asyncapi+json;version=3.0.0", "application/schema+json;version=draft-07"]
)  # fmt: skip
def test_a_schema_that_says_its_usual_format_is_the_same(form):
    old, new = tagged(say="say", said="said"), tagged(say="say", said="said")
    say = new["channels"]["chat"]["messages"]["say"]
    say["payload"] = {"schemaFormat": form, "schema": say["payload"]}

    assert [each.kind for each in compare(old, new)] == ["documentation"]


def test_names_of_headers_are_the_same_in_any_case():
    base = small()
    ws = base["components"]["channelBindings"]["ws"]["ws"]
    ws["headers"] = {"properties": {"X-Token": {"type": "string"}}, "required": ["X-Token"]}
    lower = {"properties": {"x-token": {"type": "string"}}, "required": ["x-token"]}

    edit = at("components", "channelBindings", "ws", "ws", "headers", lower)

    assert [each for each in changed(edit, base) if not each.startswith("documentation")] == []


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_no_document_is_named(number):
    pair = [small(), small()]
    pair[number] = {}

    with pytest.raises(DocumentError, match=f"^{('old', 'new')[number]} is no AsyncAPI document"):
        compare(*pair)


CLOSING = small()
CLOSING["channels"]["chat"]["x-close-codes"] = {"4000": "x", "4001": "y"}


def test_close_codes_are_compared_one_by_one():
    edit = at(*CHAT, "x-close-codes", {"4000": "z", "4002": "y"})

    assert changed(edit, CLOSING) == [
        "compatible: /rooms/{room}: the close code 4001 is gone",
        "compatible: /rooms/{room}: a new close code 4002",
        "documentation only: /rooms/{room}: the text of close code 4000 changed",
    ]


INT, UUID = {"name": "int"}, {"name": "uuid"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, INT, "breaking: it is int, was any text"),
        (INT, None, "compatible: it is any text, was int"),
        (INT, UUID, "breaking: it is uuid, was int"),
        (INT, INT | {"min": 1}, "breaking: min 1, was none"),
        (INT | {"min": 1}, INT, "compatible: min gone, was 1"),
        (INT | {"min": 1}, INT | {"min": 5}, "breaking: min 5, was 1"),
        (INT | {"min": 5}, INT | {"min": 1}, "compatible: min 1, was 5"),
        (INT | {"max": 1}, INT | {"max": 5}, "compatible: max 5, was 1"),
        (INT | {"max": 5}, INT | {"max": 1}, "breaking: max 1, was 5"),
        (INT | {"max": 5}, INT | {"max": "x"}, "breaking: it is int(max='x'), was int(max=5)"),
        (INT, INT | {"num_digits": 3}, "breaking: it is int(num_digits=3), was int"),
        ("what?", INT, "breaking: it is int, was what?"),
    ],
)
def test_another_converter_takes_less_unless_it_certainly_takes_more(old, new, expected):
    base = small()
    parameter = base["channels"]["chat"]["parameters"]["room"] = {"x-pattern": "a"}
    if old is not None:
        parameter["x-converter"] = old
    edit = at(*CHAT, "parameters", "room", {} if new is None else {"x-converter": new})

    assert changed(edit, base) == [expected.replace(": ", ": /rooms/{room} {room}: ", 1)]


def test_another_default_is_something_that_a_peer_may_notice():
    base = small()
    text = base["channels"]["chat"]["messages"]["say"]["payload"]["properties"]["text"]
    text["default"] = "a"
    edit = at(*SAY, "payload", "properties", "text", "default", "b")

    assert changed(edit, base) == [
        "compatible: /rooms/{room} receive say.text: default b, was default a",
        "compatible: /rooms/{room} send say.text: default b, was default a",
    ]


C = "#/components/schemas/C"


def with_schema(schema, **schemas):
    """Return a document in which a message that is received has a payload."""
    base = small()
    base["channels"]["chat"]["messages"] = {"say": {"payload": schema}}
    base["operations"] = {"in": {"action": "receive", "channel": {"$ref": "#/channels/chat"}}}
    base["components"]["schemas"] = {"C": {"type": "integer"}, **schemas}
    return base


STRING = at("components", "schemas", "C", {"type": "string"})
NO_INTEGER = "/rooms/{room} receive say{}: no longer integer"


def test_a_schema_of_another_format_may_be_the_same():
    base = with_schema({"schemaFormat": "avro", "schema": {"type": "record", "required": 5}})

    assert compare(base, copy.deepcopy(base)) == []


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"allOf": [{"properties": {"a": {}}}, {"properties": {"x": {"$ref": C}}}]}, ".x"),
        ({"allOf": [{"items": {"maximum": 1}}, {"items": {"$ref": C}}]}, "[]"),
        ({"allOf": [{"properties": {"x": {"$ref": C}}}, {"properties": {"x": {"$ref": C, "title": "t"}}}]}, ".x"),
        ({"$ref": "#/components/schemas/Formatted"}, ""),
        ({"patternProperties": {"a": {"$ref": C}}}, ".<a>"),
    ],
)  # fmt: skip
def test_what_is_behind_a_reference_is_compared(schema, place):
    base = with_schema(schema, Formatted={"schemaFormat": "x", "schema": {"$ref": C}})

    assert f"breaking: {NO_INTEGER.replace('{}', place)}" in changed(STRING, base)


@pytest.mark.parametrize(
    "schema",
    [
        {"if": {"$ref": C}, "then": {"minimum": 1}},
        {"dependencies": {"a": {"$ref": C}}},
        {"allOf": [{"oneOf": [{"$ref": C}]}, {"oneOf": [{"minimum": 3}]}]},
        {"oneOf": [{"minimum": 3}], "anyOf": [{"$ref": C}]},
        {"allOf": [{"additionalProperties": {"$ref": C}}, {"properties": {"a": {}}}]},
        {"prefixItems": [{"$ref": C}]},
    ],
)
def test_what_cannot_be_compared_is_expanded(schema):
    assert changed(STRING, with_schema(schema))[0].startswith("breaking: /rooms/{room} receive say")


def test_a_message_that_is_only_a_reply_is_compared():
    base = small()
    del base["operations"]["out"]

    def edit(document):
        document["channels"]["chat"]["messages"]["said"]["payload"]["schema"] = {"minimum": 1}

    assert changed(edit, base) == [
        "compatible: /rooms/{room} reply Said: minimum 1, was no minimum"
    ]


def test_the_messages_of_a_channel_without_operations_go_either_way():
    base = small()
    base["operations"] = {}

    assert changed(at(*SAY, "payload", "properties", "text", "maxLength", 2), base) == [
        "breaking: /rooms/{room} receive say.text: maxLength 2, was maxLength 3",
        "compatible: /rooms/{room} send say.text: maxLength 2, was maxLength 3",
    ]


def test_an_operation_where_there_was_none_is_one_direction():
    base = small()
    base["operations"] = {"in": base["operations"]["in"]}
    del base["operations"]["in"]["reply"]

    def edit(document):
        document["operations"] = {}

    assert {line.partition(":")[0] for line in changed(edit, base)} == {"breaking", "compatible"}


TRAITS = small()
TRAITS["components"]["messageTraits"] = {
    "t": {"contentType": "a/b", "headers": {"required": ["h"]}}
}
TRAITS["components"]["operationTraits"] = {"t": {"security": [KEY]}}
TRAITS["channels"]["chat"]["messages"]["said"] |= {
    "traits": [{"contentType": "x/y"}, {"$ref": "#/components/messageTraits/t"}],
    "headers": {"properties": {"i": {}}},
}
TRAITS["operations"]["in"]["traits"] = [{"$ref": "#/components/operationTraits/t"}]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (at("components", "messageTraits", "t", "contentType", "c/d"), ["breaking: /rooms/{room} send Said: the content type is c/d, was a/b"]),
        (at("components", "messageTraits", "t", "headers", "required", ["i"]), ["breaking: /rooms/{room} send Said headers.h: is no longer required", "compatible: /rooms/{room} send Said headers.i: is required now"]),
        (at(*SAID, "traits", 0, "contentType", "z/z"), ["documentation only: document: the order, the names of channels, operations and components, or an extension changed"]),
        (at("components", "operationTraits", "t", {}), ["compatible: /rooms/{room} receive say: it needs no security scheme any more"]),
    ],
)  # fmt: skip
def test_what_traits_say_is_compared(edit, expected):
    assert changed(edit, TRAITS) == expected


def test_an_operation_on_a_channel_elsewhere_is_compared():
    base = small()
    base["components"]["schemas"] = {"Node": {"items": {"$ref": "#/components/schemas/Node"}}}
    payload = {"payload": {"$ref": "#/components/schemas/Node"}}
    base["components"]["channels"] = {"c": {"messages": {"m": payload}}}
    base["operations"]["loose"] = {"action": "send", "channel": {"$ref": "#/components/channels/c"}}

    assert compare(base, copy.deepcopy(base)) == []
    assert changed(at("components", "schemas", "Node", "maxItems", 3), base) == [
        "breaking: operations: an operation without a channel of the document is different"
    ]


def test_null_takes_away_what_a_trait_says():
    base = copy.deepcopy(TRAITS)
    base["channels"]["chat"]["messages"]["said"]["correlationId"] = None
    edit = at("components", "messageTraits", "t", "correlationId", {"location": "x"})

    assert changed(edit, base) == [
        "documentation only: document: the order, the names of channels, operations and components, or an extension changed"
    ]


def test_the_servers_of_a_channel_are_compared():
    base = small() | {"servers": {"a": {"host": "x"}, "b": {"host": "y"}}}
    base["channels"]["chat"]["servers"] = [{"$ref": "#/servers/a"}]

    assert changed(at(*CHAT, "servers", [{"$ref": "#/servers/b"}]), base) == [
        "breaking: /rooms/{room}: it is no longer on the server a",
        "compatible: /rooms/{room}: it is on the server b now",
    ]


def test_messages_of_one_name_are_compared_each():
    base = small()
    base["channels"]["chat"]["messages"]["other"] = {"name": "Said", "payload": {"type": "null"}}

    assert changed(at(*CHAT, "messages", "other", "payload", {"type": "string"}), base) == [
        "breaking: /rooms/{room} send Said #2: may be string now",
        "compatible: /rooms/{room} send Said #2: no longer null",
    ]


def test_a_reply_on_another_channel_is_not_decided():
    base = small()
    base["channels"]["more"] = {"address": "/more", "messages": {"said": {"name": "Said"}}}
    del base["operations"]["in"]["reply"]["messages"]

    def edit(document):
        document["operations"]["in"]["reply"] = {
            "channel": {"$ref": "#/channels/more"},
            "messages": [{"$ref": "#/channels/more/messages/said"}],
        }

    assert "breaking: /rooms/{room} receive say: the reply is on another channel" in changed(
        edit, base
    )


def test_another_text_of_a_security_scheme_is_documentation():
    base = small()
    base["operations"]["in"]["security"] = [KEY]

    assert changed(at("components", "securitySchemes", "a", "description", "x"), base) == [
        "documentation only: /rooms/{room} receive say: the text of a security scheme changed"
    ]


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "sec-websocket-protocol"])
def test_the_first_subprotocol_is_no_other_header(name):
    def edit(document):
        ws = document["components"]["channelBindings"]["ws"]["ws"]
        ws["headers"] = {"type": "object", "properties": {"X": {}, name: {"enum": ["v1"]}}}

    assert changed(edit) == [
        "compatible: /rooms/{room}: a new subprotocol 'v1'",
        "compatible: /rooms/{room} headers.X: a new field",
    ]


def test_the_first_optional_parameter_of_a_query_is_compatible():
    base = small()
    base["components"]["channelBindings"]["ws"]["ws"] = {}
    query = {"type": "object", "properties": {"q": {"type": "string"}}}

    assert changed(at("components", "channelBindings", "ws", "ws", "query", query), base) == [
        "compatible: /rooms/{room} query.q: a new field"
    ]


@pytest.mark.parametrize("schema", [True, 3])
def test_a_protocol_header_may_be_described_in_any_way(schema):
    headers = {"properties": {"Sec-WebSocket-Protocol": True, "x": {}}}

    assert changed(at("components", "channelBindings", "ws", "ws", "headers", headers)) == [
        "compatible: /rooms/{room} headers.x: a new field"
    ]


PATH = {"name": "path"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, PATH, "compatible: it is path, was any text"),
        (PATH, None, "breaking: it is any text, was path"),
        (INT, PATH, "compatible: it is path, was int"),
        (PATH, INT, "breaking: it is int, was path"),
        ({"name": []}, None, "breaking: it is any text, was []"),
        ("own", None, "breaking: it is any text, was own"),
    ],
)
def test_a_path_takes_more_than_a_text(old, new, expected):
    base = small()
    parameter = base["channels"]["chat"]["parameters"]["room"] = {"x-pattern": "a"}
    if old is not None:
        parameter["x-converter"] = old
    edit = at(
        *CHAT, "parameters", "room", {"x-pattern": "b", **({"x-converter": new} if new else {})}
    )

    assert changed(edit, base) == [expected.replace(": ", ": /rooms/{room} {room}: ", 1)]


def schema_at(name, value):
    return at(*SAY, "payload", {name: value})


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        (at(*CHAT, "address", 3), "channels/chat/address: this is no text or null"),
        (at(*CHAT, "bindings", 0), "channels/chat/bindings: this is no object"),
        (at(*OUT, "messages", 0), "operations/out/messages: this is no list"),
        (at(*OUT, "security", 0), "operations/out/security: this is no list"),
        (at(*OUT, "reply", []), "operations/out/reply: this is no object"),
        (at(*SAY, 0), "channels/chat/messages/say: this is no object"),
        (at(*CHAT, "x-subprotocols", 5), "channels/chat/x-subprotocols: this is no list"),
        (at(*OUT, "action", ["x"]), "operations/out/action: this is no text"),
        (schema_at("properties", []), "channels/chat/messages/say/payload/properties: this is no object"),
        (schema_at("required", 5), "channels/chat/messages/say/payload/required: this is no list"),
        (schema_at("required", [5]), "channels/chat/messages/say/payload/required/0: this is no text"),
        (schema_at("type", 5), "channels/chat/messages/say/payload/type: this is no text or list of texts"),
        (schema_at("minLength", "3"), "channels/chat/messages/say/payload/minLength: this is no number"),
        (schema_at("maxLength", "3"), "channels/chat/messages/say/payload/maxLength: this is no number"),
        (schema_at("multipleOf", 0), "channels/chat/messages/say/payload/multipleOf: this is no number above 0"),
        (schema_at("items", [5]), "channels/chat/messages/say/payload/items/0: this is no schema"),
        (schema_at("allOf", 5), "channels/chat/messages/say/payload/allOf: this is no list"),
        (at(*SAID, "payload", "schema", {"type": 5}), "channels/chat/messages/said/payload/schema/type: this is no text or list of texts"),
        (at("components", "channelBindings", "ws", "ws", "query", True), "components/channelBindings/ws/ws/query: this is no object"),
    ],
)  # fmt: skip
def test_a_part_of_a_wrong_shape_is_named(edit, place):
    with pytest.raises(DocumentError) as caught:
        changed(edit)

    assert f"new, at #/{place}." in str(caught.value)


@pytest.mark.parametrize("value", [None, 5])
def test_null_is_no_object(value):
    new = small()
    new["channels"]["chat"]["bindings"] = value

    with pytest.raises(DocumentError, match=r"at #/channels/chat/bindings: this is no object"):
        compare(small(), new)


def test_what_may_be_of_several_shapes_is_taken_in_each():
    schema = {"items": [{}], "dependencies": {"a": ["b"], "c": {}}, "properties": {"x": True}}

    assert compare(with_schema(schema), with_schema(copy.deepcopy(schema))) == []


def nested(depth, leaf):
    for _ in range(depth):
        leaf = {"properties": {"x": leaf}}
    return leaf


@pytest.mark.parametrize("depth", [380, 3000])
def test_what_is_nested_too_deeply_is_an_error(depth):
    with pytest.raises(DocumentError, match="nested too deeply"):
        compare(with_schema(nested(depth, {"type": "null"})), with_schema(nested(depth, {})))
