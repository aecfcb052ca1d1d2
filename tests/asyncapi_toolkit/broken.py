"""A good document, and what breaks it: a mutation each, and the place and a word of the message.

Nothing here imports pytest, so that a script can hand the same documents to another validator.
"""

from __future__ import annotations

import copy
from typing import Any
from typing import NamedTuple


def good() -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "chat",
            "version": "1",
            "tags": [{"name": "chat"}, {"$ref": "#/components/tags/live"}],
        },
        "defaultContentType": "application/json",
        "servers": {
            "dev": {
                "host": "{zone}.example.com",
                "pathname": "/v1",
                "protocol": "wss",
                "variables": {"zone": {"enum": ["eu", "us"], "default": "eu"}},
                "security": [{"$ref": "#/components/securitySchemes/login"}],
            }
        },
        "channels": {
            "room": {
                "address": "/rooms/{room}",
                "parameters": {"room": {"enum": ["tea", "pot"], "default": "tea"}},
                "messages": {
                    "say": {"$ref": "#/components/messages/say"},
                    "said": {"$ref": "#/components/messages/said"},
                },
                "servers": [{"$ref": "#/servers/dev"}],
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "bindingVersion": "0.1.0",
                        "query": {"type": "object", "properties": {"token": {"type": "string"}}},
                        "headers": {"type": "object", "properties": {"X-Name": {"type": "string"}}},
                    }
                },
            },
            "news": {
                "address": "/news",
                "messages": {
                    "item": {"contentType": "text/plain", "payload": {"type": "string"}},
                },
            },
        },
        "operations": {
            "onSay": {
                "action": "receive",
                "channel": {"$ref": "#/channels/room"},
                "messages": [{"$ref": "#/channels/room/messages/say"}],
                "reply": {"messages": [{"$ref": "#/channels/room/messages/said"}]},
            },
            "tell": {"action": "send", "channel": {"$ref": "#/channels/news"}},
        },
        "components": {
            "tags": {"live": {"name": "live"}},
            "securitySchemes": {
                "login": {
                    "type": "oauth2",
                    "flows": {
                        "password": {
                            "tokenUrl": "https://example.com/token",
                            "availableScopes": {"chat": "To chat"},
                        }
                    },
                    "scopes": ["chat"],
                }
            },
            "messages": {
                "say": {
                    "name": "say",
                    "correlationId": {"location": "$message.payload#/id"},
                    "payload": {"$ref": "#/components/schemas/Say"},
                    "examples": [{"name": "one", "payload": {"type": "say", "id": 1}}],
                },
                "said": {
                    "name": "said",
                    "payload": {
                        "discriminator": "type",
                        "oneOf": [
                            {"$ref": "#/components/schemas/Said"},
                            {"$ref": "#/components/schemas/Gone"},
                        ],
                    },
                },
            },
            "schemas": {
                "Say": {
                    "type": "object",
                    "required": ["type", "id"],
                    "properties": {
                        "type": {"const": "say"},
                        "id": {"type": "integer", "minimum": 1},
                        "inside": {"$ref": "#/components/schemas/Say"},
                    },
                    "additionalProperties": False,
                },
                "Said": {
                    "type": "object",
                    "required": ["type"],
                    "properties": {"type": {"const": "said"}, "text": {"type": "string"}},
                },
                "Gone": {
                    "type": "object",
                    "required": ["type"],
                    "properties": {"type": {"const": "gone"}},
                },
            },
        },
    }


class Kind(NamedTuple):
    """How a document is broken.

    Attributes:
        name: What is wrong, as a sentence.
        path: Where something is put; ``-`` behind the last key appends to a list.
        value: What is put there; ``REMOVED`` for nothing.
        place: The place of the problem.
        says: A part of its message.
    """

    name: str
    path: str
    value: Any
    place: str
    says: str


REMOVED = object()

ROOM = "#/channels/room"
SAY = "#/components/messages/say"
SAY_SCHEMA = "#/components/schemas/Say"

KINDS = [
    Kind("the version is missing", "#/asyncapi", REMOVED, "#", "'asyncapi' with the version"),
    Kind("the version is one of the past", "#/asyncapi", "2.6.0", "#/asyncapi", "convert"),
    Kind("the version is one of the future", "#/asyncapi", "3.7.0", "#/asyncapi", "'3.7.0'"),
    Kind("the version is a number", "#/asyncapi", 3, "#/asyncapi", "has to be text"),
    Kind("info is missing", "#/info", REMOVED, "#", "'info' is missing"),
    Kind("the title is missing", "#/info/title", REMOVED, "#/info", "'title' is missing"),
    Kind("a field is misspelt", "#/info/xersion", "1", "#/info/xersion", "did you mean 'version'"),
    Kind("channels are a list", "#/channels", [], "#/channels", "has to be an object"),
    Kind(
        "a channel with parameters has no address",
        f"{ROOM}/address",
        None,
        f"{ROOM}/parameters/room",
        "there is no address",
    ),
    Kind(
        "a $ref in an example leads nowhere",
        f"{SAY}/examples/0/payload/inside",
        {"$ref": "#/x"},
        f"{SAY}/examples/0/payload/inside/$ref",
        "leads nowhere",
    ),
    Kind(
        "a $ref in a constant leads nowhere",
        f"{SAY_SCHEMA}/properties/id/const",
        {"$ref": "#/x"},
        f"{SAY_SCHEMA}/properties/id/const/$ref",
        "leads nowhere",
    ),
    Kind(
        "properties are a $ref that leads nowhere",
        f"{SAY_SCHEMA}/properties",
        {"$ref": "#/x"},
        f"{SAY_SCHEMA}/properties/$ref",
        "leads nowhere",
    ),
    Kind("a URL is none", "#/info/termsOfService", "terms", "#/info/termsOfService", "format uri"),
    Kind(
        "an address of mail is none",
        "#/info/contact",
        {"email": "me"},
        "#/info/contact/email",
        "format email",
    ),
    Kind("servers are a number", "#/servers", 5, "#/servers", "has to be an object"),
    Kind(
        "a parameter is a boolean",
        f"{ROOM}/parameters/room",
        True,
        f"{ROOM}/parameters/room",
        "has to be an object",
    ),
    Kind("a channel is a text", f"{ROOM}", "room", ROOM, "has to be an object"),
    Kind("an address is a number", f"{ROOM}/address", 5, f"{ROOM}/address", "5 is an integer"),
    Kind(
        "an action is none",
        "#/operations/tell/action",
        "publish",
        "#/operations/tell/action",
        "'send', 'receive'",
    ),
    Kind(
        "an operation has no action",
        "#/operations/tell/action",
        REMOVED,
        "#/operations/tell",
        "'action' is missing",
    ),
    Kind(
        "an operation has no channel",
        "#/operations/tell/channel",
        REMOVED,
        "#/operations/tell",
        "'channel' is missing",
    ),
    Kind(
        "the channel of an operation is none",
        "#/operations/tell/channel/$ref",
        "#/channels/nws",
        "#/operations/tell/channel/$ref",
        "did you mean 'news'",
    ),
    Kind(
        "the channel of an operation is a text",
        "#/operations/tell/channel",
        "news",
        "#/operations/tell/channel",
        "has to be an object",
    ),
    Kind(
        "the channel of an operation is a message",
        "#/operations/tell/channel/$ref",
        SAY,
        "#/operations/tell/channel/$ref",
        "leads to a message",
    ),
    Kind(
        "a channel of components is no channel of the application",
        "#/operations/tell/channel/$ref",
        "#/components/channels/spare",
        "#/operations/tell/channel/$ref",
        "#/channels",
    ),
    Kind(
        "a message of an operation is one of components",
        "#/operations/onSay/messages/0/$ref",
        SAY,
        "#/operations/onSay/messages/0/$ref",
        "none of the messages of #/channels/room",
    ),
    Kind(
        "a message of an operation is one of another channel",
        "#/operations/onSay/messages/0/$ref",
        "#/channels/news/messages/item",
        "#/operations/onSay/messages/0/$ref",
        "none of the messages",
    ),
    Kind(
        "a message of an operation is there twice",
        "#/operations/onSay/messages/-",
        {"$ref": f"{ROOM}/messages/say"},
        "#/operations/onSay/messages/1/$ref",
        "twice",
    ),
    Kind(
        "a message of a reply is one of another channel",
        "#/operations/onSay/reply/messages/0/$ref",
        "#/channels/news/messages/item",
        "#/operations/onSay/reply/messages/0/$ref",
        "none of the messages",
    ),
    Kind(
        "the channel of a reply is none",
        "#/operations/onSay/reply/channel",
        {"$ref": "#/channels/gone"},
        "#/operations/onSay/reply/channel/$ref",
        "leads nowhere",
    ),
    Kind(
        "a reply has an unknown field",
        "#/operations/onSay/reply/message",
        {},
        "#/operations/onSay/reply/message",
        "did you mean 'messages'",
    ),
    Kind(
        "a $ref leads nowhere",
        f"{ROOM}/messages/say/$ref",
        "#/components/messages/sya",
        f"{ROOM}/messages/say/$ref",
        "did you mean 'say'",
    ),
    Kind(
        "a $ref is outside of the file",
        f"{SAY}/payload/$ref",
        "other.json#/Say",
        f"{SAY}/payload/$ref",
        "outside of this document",
    ),
    Kind(
        "a $ref is on another host",
        f"{SAY}/payload/$ref",
        "https://example.com/say.json",
        f"{SAY}/payload/$ref",
        "outside of this document",
    ),
    Kind(
        "a $ref is no pointer",
        f"{SAY}/payload/$ref",
        "#Say",
        f"{SAY}/payload/$ref",
        "no JSON pointer",
    ),
    Kind(
        "a $ref refers to itself",
        f"{SAY_SCHEMA}",
        {"$ref": SAY_SCHEMA},
        f"{SAY_SCHEMA}/$ref",
        "circle",
    ),
    Kind(
        "a $ref leads through itself",
        f"{SAY}/payload/$ref",
        f"{SAY}/payload/deeper",
        f"{SAY}/payload/$ref",
        "through itself",
    ),
    Kind(
        "a $ref leads below a text",
        f"{SAY}/payload/$ref",
        "#/info/title/x",
        f"{SAY}/payload/$ref",
        "nothing below it",
    ),
    Kind(
        "a $ref leads behind the end of a list",
        f"{SAY}/payload/$ref",
        f"{SAY}/examples/7",
        f"{SAY}/payload/$ref",
        "1 items",
    ),
    Kind(
        "a $ref leads to something else",
        f"{SAY}/payload/$ref",
        "#/servers/dev",
        f"{SAY}/payload/$ref",
        "leads to a server",
    ),
    Kind(
        "a $ref leads to what is nothing",
        f"{SAY}/payload/$ref",
        "#/components/messages",
        f"{SAY}/payload/$ref",
        "knows nothing of",
    ),
    Kind(
        "a $ref leads to an extension that is no such thing",
        f"{ROOM}/messages/say/$ref",
        "#/x-shared",
        "#/x-shared/oops",
        "no field 'oops'",
    ),
    Kind(
        "a $ref in an extension leads nowhere",
        "#/info/x-more",
        [{"$ref": "#/gone"}],
        "#/info/x-more/0/$ref",
        "leads nowhere",
    ),
    Kind(
        "a parameter is missing",
        f"{ROOM}/parameters",
        {},
        f"{ROOM}/parameters",
        "no such parameter",
    ),
    Kind(
        "parameters are missing altogether",
        f"{ROOM}/parameters",
        REMOVED,
        f"{ROOM}/parameters",
        "no such parameter",
    ),
    Kind(
        "a parameter is in no address",
        f"{ROOM}/parameters/rom",
        {},
        f"{ROOM}/parameters/rom",
        "did you mean 'room'",
    ),
    Kind(
        "a parameter has a schema, as it had in AsyncAPI 2",
        f"{ROOM}/parameters/room",
        {"schema": {"type": "string"}},
        f"{ROOM}/parameters/room/schema",
        "no field 'schema'",
    ),
    Kind(
        "the default of a parameter is not allowed",
        f"{ROOM}/parameters/room/default",
        "cup",
        f"{ROOM}/parameters/room/default",
        "not one of",
    ),
    Kind(
        "an example of a parameter is not allowed",
        f"{ROOM}/parameters/room/examples",
        ["pott"],
        f"{ROOM}/parameters/room/examples/0",
        "did you mean 'pot'",
    ),
    Kind(
        "a parameter has no values",
        f"{ROOM}/parameters/room/enum",
        [],
        f"{ROOM}/parameters/room/enum",
        "leave enum out",
    ),
    Kind(
        "a value of a parameter is there twice",
        f"{ROOM}/parameters/room/enum",
        ["tea", "tea"],
        f"{ROOM}/parameters/room/enum",
        "twice",
    ),
    Kind(
        "a name in an address is there twice",
        f"{ROOM}/address",
        "/{room}/{room}",
        f"{ROOM}/address",
        "twice",
    ),
    Kind(
        "the braces of an address do not match",
        f"{ROOM}/address",
        "/rooms/{room}/{",
        f"{ROOM}/address",
        "braces",
    ),
    Kind(
        "an address has a query",
        f"{ROOM}/address",
        "/rooms/{room}?token=1",
        f"{ROOM}/address",
        "bindings.ws.query",
    ),
    Kind(
        "two channels have one address",
        "#/channels/news/address",
        "/rooms/{room}",
        "#/channels/news/address",
        "has this address too",
    ),
    Kind(
        "two channels have one address, written with and without a slash",
        "#/channels/news/address",
        "rooms/{room}",
        "#/channels/news/address",
        "has this address too",
    ),
    Kind(
        "a channel is on a server that is a component only",
        "#/channels/news/servers",
        [{"$ref": "#/components/servers/dev"}],
        "#/channels/news/servers/0/$ref",
        "the servers of a channel are among #/servers",
    ),
    Kind(
        "two messages of a channel that are sent have one name",
        "#/channels/news/messages",
        {"item": {"name": "one"}, "other": {"name": "one"}},
        "#/channels/news/messages/other",
        "messages 'item' and 'other' of this channel are both called 'one'",
    ),
    Kind("a message is a list", SAY, [], SAY, "has to be an object"),
    Kind(
        "a message has an unknown field",
        f"{SAY}/payloads",
        {},
        f"{SAY}/payloads",
        "did you mean 'payload'",
    ),
    Kind(
        "a content type is none",
        f"{SAY}/contentType",
        "json",
        f"{SAY}/contentType",
        "no media type",
    ),
    Kind(
        "the default content type is none",
        "#/defaultContentType",
        "JSON",
        "#/defaultContentType",
        "no media type",
    ),
    Kind(
        "an example does not fit",
        f"{SAY}/examples/0/payload/id",
        0,
        f"{SAY}/examples/0/payload/id",
        "less than the minimum",
    ),
    Kind(
        "an example is of another type",
        f"{SAY}/examples/0/payload",
        "hi",
        f"{SAY}/examples/0/payload",
        "has to be an object",
    ),
    Kind(
        "an example lacks a field",
        f"{SAY}/examples/0/payload/id",
        REMOVED,
        f"{SAY}/examples/0/payload",
        "'id' is missing",
    ),
    Kind(
        "an example has neither payload nor headers",
        f"{SAY}/examples/0",
        {"name": "one"},
        f"{SAY}/examples/0",
        "'payload' is missing",
    ),
    Kind(
        "two examples have one name",
        f"{SAY}/examples/-",
        {"name": "one", "payload": {"type": "say", "id": 2}},
        f"{SAY}/examples/1/name",
        "two examples",
    ),
    Kind(
        "headers of an example do not fit",
        f"{SAY}",
        {"headers": {"type": "object", "required": ["n"]}, "examples": [{"headers": {}}]},
        f"{SAY}/examples/0/headers",
        "'n' is missing",
    ),
    Kind("a schema has a wrong type", f"{SAY_SCHEMA}/type", "map", f"{SAY_SCHEMA}/type", '"map"'),
    Kind(
        "a bound is negative",
        f"{SAY_SCHEMA}/minProperties",
        -1,
        f"{SAY_SCHEMA}/minProperties",
        "less than the minimum of 0",
    ),
    Kind(
        "a bound is above another",
        f"{SAY_SCHEMA}/properties/id/maximum",
        0,
        f"{SAY_SCHEMA}/properties/id/minimum",
        "more than maximum",
    ),
    Kind(
        "an enum is of another type",
        f"{SAY_SCHEMA}/properties/text",
        {"type": "string", "enum": [1, 2]},
        f"{SAY_SCHEMA}/properties/text/enum",
        "no value fits enum and type",
    ),
    Kind(
        "a constant is not in the enum beside it",
        f"{SAY_SCHEMA}/properties/type/enum",
        ["said"],
        f"{SAY_SCHEMA}/properties/type/const",
        "no value fits const and enum",
    ),
    Kind(
        "required is a boolean, as it was long ago",
        f"{SAY_SCHEMA}/required",
        True,
        f"{SAY_SCHEMA}/required",
        "has to be a list",
    ),
    Kind(
        "what is required is not allowed",
        f"{SAY_SCHEMA}/required",
        ["type", "idd"],
        f"{SAY_SCHEMA}/required",
        "did you mean 'id'",
    ),
    Kind(
        "a pattern is no regular expression",
        f"{SAY_SCHEMA}/properties/id/pattern",
        "(",
        f"{SAY_SCHEMA}/properties/id/pattern",
        "no regular expression",
    ),
    Kind(
        "a pattern of properties is no regular expression",
        f"{SAY_SCHEMA}/patternProperties",
        {"[": {}},
        f"{SAY_SCHEMA}/patternProperties/[",
        "no regular expression",
    ),
    Kind(
        "the default of a schema does not fit",
        f"{SAY_SCHEMA}/properties/id/default",
        "1",
        f"{SAY_SCHEMA}/properties/id/default",
        "the default does not fit",
    ),
    Kind(
        "an example of a schema does not fit",
        f"{SAY_SCHEMA}/examples",
        [{"type": "say"}],
        f"{SAY_SCHEMA}/examples/0",
        "'id' is missing",
    ),
    Kind(
        "a schema consists of itself",
        f"{SAY_SCHEMA}/allOf",
        [{"$ref": SAY_SCHEMA}],
        f"{SAY_SCHEMA}/allOf/0",
        "consists of itself",
    ),
    Kind(
        "a schema consists of itself by way of another",
        "#/components/schemas/Said/not",
        {"anyOf": [{"$ref": "#/components/schemas/Said"}]},
        "#/components/schemas/Said/not",
        "consists of itself",
    ),
    Kind(
        "a discriminator is an object, as in OpenAPI",
        "#/components/messages/said/payload/discriminator",
        {"propertyName": "type"},
        "#/components/messages/said/payload/discriminator",
        "has to be a string",
    ),
    Kind(
        "a discriminator is not in each alternative",
        "#/components/schemas/Gone/required",
        REMOVED,
        "#/components/messages/said/payload/discriminator",
        "#/components/schemas/Gone",
    ),
    Kind(
        "a discriminator does not tell alternatives apart",
        "#/components/schemas/Gone/properties/type/const",
        "said",
        "#/components/messages/said/payload/discriminator",
        "in both",
    ),
    Kind(
        "a discriminator without alternatives is no property",
        f"{SAY_SCHEMA}/discriminator",
        "kind",
        f"{SAY_SCHEMA}/discriminator",
        "'kind'",
    ),
    Kind(
        "a correlation id is no expression",
        f"{SAY}/correlationId/location",
        "id",
        f"{SAY}/correlationId/location",
        "does not match the pattern",
    ),
    Kind(
        "a correlation id is in no payload",
        f"{SAY}/correlationId/location",
        "$message.payload#/inside/uid",
        f"{SAY}/correlationId",
        "leads nowhere",
    ),
    Kind(
        "a server has no host", "#/servers/dev/host", REMOVED, "#/servers/dev", "'host' is missing"
    ),
    Kind(
        "a server has a url, as it had in AsyncAPI 2",
        "#/servers/dev/url",
        "wss://x",
        "#/servers/dev/url",
        "no field 'url'",
    ),
    Kind(
        "a host has a scheme",
        "#/servers/dev/host",
        "wss://{zone}.example.com",
        "#/servers/dev/host",
        "begins with a scheme",
    ),
    Kind(
        "a host has a path",
        "#/servers/dev/host",
        "{zone}.example.com/v1",
        "#/servers/dev/host",
        "pathname",
    ),
    Kind(
        "a pathname does not begin with a slash",
        "#/servers/dev/pathname",
        "v1",
        "#/servers/dev/pathname",
        "does not begin",
    ),
    Kind(
        "a variable of a host is missing",
        "#/servers/dev/host",
        "{zone}.{tier}.example.com",
        "#/servers/dev/variables",
        "{tier}",
    ),
    Kind(
        "a variable is in no host",
        "#/servers/dev/variables/tier",
        {},
        "#/servers/dev/variables/tier",
        "neither host nor pathname",
    ),
    Kind(
        "the default of a variable is not allowed",
        "#/servers/dev/variables/zone/default",
        "asia",
        "#/servers/dev/variables/zone/default",
        "not one of",
    ),
    Kind(
        "a server of a channel is none",
        f"{ROOM}/servers/0/$ref",
        "#/servers/prod",
        f"{ROOM}/servers/0/$ref",
        "leads nowhere",
    ),
    Kind(
        "a security scheme is none",
        "#/servers/dev/security/0/$ref",
        "#/components/securitySchemes/logn",
        "#/servers/dev/security/0/$ref",
        "did you mean 'login'",
    ),
    Kind(
        "security is a map, as it was in AsyncAPI 2",
        "#/servers/dev/security/0",
        {"login": []},
        "#/servers/dev/security/0",
        "'type' is missing",
    ),
    Kind(
        "the type of a security scheme is none",
        "#/components/securitySchemes/login",
        {"type": "magic"},
        "#/components/securitySchemes/login/type",
        '"magic" is none of',
    ),
    Kind(
        "a key is in no place",
        "#/components/securitySchemes/login",
        {"type": "httpApiKey", "name": "k", "in": "body"},
        "#/components/securitySchemes/login/in",
        '"body" is none of',
    ),
    Kind(
        "a flow lacks its URL",
        "#/components/securitySchemes/login/flows/password",
        {"availableScopes": {"chat": "x"}},
        "#/components/securitySchemes/login/flows/password",
        "'tokenUrl' is missing",
    ),
    Kind(
        "a scope is none of the flows",
        "#/components/securitySchemes/login/scopes",
        ["chatt"],
        "#/components/securitySchemes/login/scopes/0",
        "did you mean 'chat'",
    ),
    Kind(
        "a ws binding has a field for subprotocols",
        f"{ROOM}/bindings/ws/subprotocol",
        "chat.v1",
        f"{ROOM}/bindings/ws/subprotocol",
        "no field 'subprotocol'",
    ),
    Kind(
        "the method of a ws binding is none",
        f"{ROOM}/bindings/ws/method",
        "CONNECT",
        f"{ROOM}/bindings/ws/method",
        "none of 'GET', 'POST'",
    ),
    Kind(
        "the version of a ws binding is none",
        f"{ROOM}/bindings/ws/bindingVersion",
        "9.9.9",
        f"{ROOM}/bindings/ws/bindingVersion",
        "9.9.9",
    ),
    Kind("a binding is called wss", f"{ROOM}/bindings/wss", {}, f"{ROOM}/bindings/wss", "'ws'"),
    Kind(
        "a query is no object",
        f"{ROOM}/bindings/ws/query",
        {"type": "string"},
        f"{ROOM}/bindings/ws/query",
        "type object",
    ),
    Kind(
        "headers have no properties",
        f"{ROOM}/bindings/ws/headers",
        {"type": "object"},
        f"{ROOM}/bindings/ws/headers",
        "properties",
    ),
    Kind("a tag has no name", "#/info/tags/0", {}, "#/info/tags/0", "'name' is missing"),
    Kind(
        "a tag is there twice",
        "#/info/tags/-",
        {"name": "live"},
        "#/info/tags/2",
        "'live' is there twice",
    ),
    Kind(
        "a component is of no kind",
        "#/components/message",
        {},
        "#/components/message",
        "did you mean 'messages'",
    ),
    Kind("the id is no URI", "#/id", 5, "#/id", "has to be a string"),
    Kind(
        "a multi format schema has no schema",
        f"{SAY}/payload",
        {"schemaFormat": "application/schema+json;version=draft-07", "schema": {"type": "mapping"}},
        f"{SAY}/payload/schema/type",
        '"mapping"',
    ),
    Kind(
        "a trait has a payload",
        f"{SAY}/traits",
        [{"payload": {}}],
        f"{SAY}/traits/0/payload",
        "no field 'payload'",
    ),
    Kind(
        "external documentation has no URL",
        "#/info/externalDocs",
        {"description": "x"},
        "#/info/externalDocs",
        "'url' is missing",
    ),
]


def broken(kind: Kind) -> dict[str, Any]:
    """Return the good document with one mistake."""
    document = copy.deepcopy(good())
    if "components/channels" in str(kind.value):
        document["components"]["channels"] = {"spare": {"address": "/spare"}}
    if "components/servers" in str(kind.value):
        document["components"]["servers"] = copy.deepcopy(document["servers"])
    if kind.value == "#/x-shared":
        document["x-shared"] = {"name": "shared", "oops": 1}
    *way, last = [part.replace("~1", "/") for part in kind.path.split("/")[1:]]
    owner: Any = document
    for part in way:
        owner = owner[int(part) if isinstance(owner, list) else part]
    if kind.value is REMOVED:
        del owner[last]
    elif last == "-":
        owner.append(kind.value)
    else:
        owner[int(last) if isinstance(owner, list) else last] = kind.value
    return document
