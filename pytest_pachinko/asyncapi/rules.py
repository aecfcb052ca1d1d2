"""What has to hold in a document and its official schema does not say. Pure.

Each rule is a function of the document that yields problems. It runs on a document that is built
as the schema says and in which each reference leads somewhere.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from typing import Any
from typing import TYPE_CHECKING
from urllib.parse import unquote

from falcon_pachinko.asyncapi.keywords import listed as values_of
from pytest_pachinko.asyncapi.grammar import is_schema
from pytest_pachinko.asyncapi.model import channels_of
from pytest_pachinko.asyncapi.model import distinguishable
from pytest_pachinko.asyncapi.model import FIELD
from pytest_pachinko.asyncapi.problem import close_to
from pytest_pachinko.asyncapi.problem import listed
from pytest_pachinko.asyncapi.problem import pointer
from pytest_pachinko.asyncapi.problem import Problem
from pytest_pachinko.asyncapi.references import follow
from pytest_pachinko.asyncapi.schemas import in_python
from pytest_pachinko.asyncapi.schemas import why_no_regex

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from pytest_pachinko.asyncapi.grammar import Node
    from pytest_pachinko.asyncapi.model import Channel
    from pytest_pachinko.asyncapi.problem import Place
    from pytest_pachinko.asyncapi.references import Survey
    from pytest_pachinko.asyncapi.schemas import Schemas

__all__ = ["rule_problems"]


class _Document:
    """What the rules look at."""

    def __init__(self, data: Any, found: Survey, schemas: Schemas) -> None:
        self.data = data
        self.found = found
        self.schemas = schemas

    @cached_property
    def channels(self) -> list[Channel]:
        """The channels, as sessions are held to them."""
        return channels_of(self.data, self.schemas)

    def of(self, kind: str) -> Iterator[Node]:
        """Iterate over the objects of a kind."""
        return (node for node in self.found.nodes.values() if node.kind == kind)

    def target(self, place: Place, value: Any) -> tuple[Place, Any]:
        """Return a value, or what it refers to."""
        return follow(self.data, place, value)


def rule_problems(data: Any, found: Survey, schemas: Schemas) -> Iterator[Problem]:
    """Yield what is wrong with a document that is well built."""
    document = _Document(data, found, schemas)
    circles = list(_circles(document))
    yield from circles
    for rule in _RULES:
        if not circles or rule not in (_examples, _schema_examples):
            yield from rule(document)


# Operations and channels.


def _targets(document: _Document) -> Iterator[Problem]:
    """What an operation is about is in the document itself, where others find it."""
    for place, _, value in (*document.of("operation"), *document.of("reply")):
        owner: Place | None = None
        if "channel" in value:
            at = (*place, "channel")
            owner, _ = document.target(at, value["channel"])
            if place[0] == "operations" and owner[0] != "channels":
                yield Problem(
                    pointer((*at, "$ref")),
                    f"the channel of an operation is one of #/channels, and {pointer(owner)} is not: "
                    "name it there, as a $ref to this one",
                )
        elif place[:-1] in document.found.nodes:  # the reply of an operation, and not a shared one
            operation = document.found.nodes[place[:-1]].value
            owner, _ = document.target((*place[:-1], "channel"), operation["channel"])
        if "messages" in value and owner is not None:
            yield from _messages(document, (*place, "messages"), value["messages"], owner)


def _places(document: _Document) -> Iterator[Problem]:
    """A channel of the document is on servers of the document."""
    for place, _, value in document.of("channel"):
        for number, reference in enumerate(value.get("servers", ())):
            at = (*place, "servers", number)
            server, _ = document.target(at, reference)
            if place[0] == "channels" and server[0] != "servers":
                yield Problem(
                    pointer((*at, "$ref")),
                    f"the servers of a channel are among #/servers, and {pointer(server)} is not: "
                    "name it there, as a $ref to this one",
                )


def _messages(
    document: _Document, place: Place, references: list[Any], owner: Place
) -> Iterator[Problem]:
    channel = document.found.nodes[owner].value
    own = [pointer((*owner, "messages", key)) for key in channel.get("messages", {})]
    if not references:
        yield Problem(
            pointer(place),
            "an empty list means that there are no messages: leave it out to mean all of the channel",
            "warning",
        )
    seen: set[str] = set()
    for number, reference in enumerate(references):
        at = pointer((*place, number, "$ref"))
        ref = reference["$ref"]
        if ref in seen:
            yield Problem(at, f"{ref!r} is there twice: remove one")
        seen.add(ref)
        if unquote(ref) not in own:
            yield Problem(
                at,
                f"{ref!r} is none of the messages of {pointer(owner)}, as the operation's channel "
                f"has them: refer to one of {listed(own)}",
            )


def _addresses(document: _Document) -> Iterator[Problem]:
    """Addresses and parameters name the same; addresses are paths, and can be told apart."""
    for place, _, value in document.of("channel"):
        address = value.get("address")
        parameters = value.get("parameters", {})
        fields = FIELD.findall(address or "")
        for name in fields:
            if name not in parameters:
                yield Problem(
                    pointer((*place, "parameters")),
                    f"the address {address!r} has {{{name}}}, and there is no such parameter"
                    f"{close_to(name, parameters) or ': add it, if only as {}'}",
                )
        for name in parameters:
            if name not in fields:
                what = (
                    "there is no address, and so"
                    if address is None
                    else f"the address {address!r} has"
                )
                yield Problem(
                    pointer((*place, "parameters", name)),
                    f"{what} no {{{name}}}: add it, or remove the parameter{close_to(name, fields)}",
                )
        if address is not None:
            yield from _address((*place, "address"), address, fields)


def _address(place: Place, address: str, fields: list[str]) -> Iterator[Problem]:
    for name in {name for name in fields if fields.count(name) > 1}:
        yield Problem(pointer(place), f"{{{name}}} is there twice, and has one value: rename one")
    if re.search("[{}]", FIELD.sub("", address)):
        yield Problem(pointer(place), f"the braces in {address!r} do not match: {{name}}")
    outside = FIELD.sub("", address)
    if "?" in outside or "#" in outside:
        yield Problem(
            pointer(place),
            f"{address!r} has a query or a fragment, and an address has none: describe the query "
            "in bindings.ws.query of the channel",
        )


def _ambiguous(document: _Document) -> Iterator[Problem]:
    """No connection belongs to two channels, as far as an address tells."""
    by_address = defaultdict(list)
    for channel in document.channels:
        if channel.address is not None:
            # As paths are compared: what is around an address does not matter.
            by_address[FIELD.sub("{}", channel.address).strip("/")].append(channel)
    for same in by_address.values():
        for number, channel in enumerate(same):
            other = next((c for c in same[:number] if not distinguishable(c, channel)), None)
            if other is not None:
                yield Problem(
                    pointer(("channels", channel.key, "address")),
                    f"channel {other.key!r} has this address too, and nothing tells them apart: "
                    "make one channel of them; or give them other values of a parameter, of a "
                    "query parameter or of the header Sec-WebSocket-Protocol in bindings.ws, or "
                    "other servers",
                )


def _parameters(document: _Document) -> Iterator[Problem]:
    """What may stand for a parameter or a variable includes what is said to."""
    for place, kind, value in (*document.of("parameter"), *document.of("serverVariable")):
        allowed = value.get("enum")
        if not allowed:
            if allowed is not None:
                yield Problem(pointer((*place, "enum")), "no value is allowed: leave enum out")
            continue
        default = value.get("default")
        said = [] if default is None else [((*place, "default"), default)]
        said += [((*place, "examples", n), v) for n, v in enumerate(value.get("examples", ()))]
        for at, each in said:
            if each not in allowed:
                yield Problem(
                    pointer(at),
                    f"{each!r} is not one of the values of enum, {listed(allowed)}"
                    f"{close_to(each, allowed)}",
                )
        if kind == "parameter" and len(set(allowed)) < len(allowed):
            yield Problem(pointer((*place, "enum")), "a value is there twice: remove one")


# Servers.


def _servers(document: _Document) -> Iterator[Problem]:
    """A host is a host, and names the variables that there are."""
    for place, _, value in document.of("server"):
        variables = value.get("variables", {})
        texts = {name: value.get(name, "") for name in ("host", "pathname")}
        used = [field for text in texts.values() for field in FIELD.findall(text)]
        for name, text in texts.items():
            for field in FIELD.findall(text):
                if field not in variables:
                    yield Problem(
                        pointer((*place, "variables")),
                        f"{name} has {{{field}}}, and there is no such variable: add it"
                        f"{close_to(field, variables)}",
                    )
        for name in variables:
            if name not in used:
                yield Problem(
                    pointer((*place, "variables", name)),
                    f"neither host nor pathname has {{{name}}}: add it, or remove the variable",
                )
        yield from _host(place, texts["host"], texts["pathname"], value["protocol"])


def _host(place: Place, host: str, pathname: str, protocol: str) -> Iterator[Problem]:
    scheme, slashes, _ = host.partition("://")
    if slashes:
        yield Problem(
            pointer((*place, "host")),
            f"{host!r} begins with a scheme, which is said by protocol: remove {scheme + slashes!r}",
        )
    elif "/" in host and protocol in ("ws", "wss"):
        yield Problem(
            pointer((*place, "host")),
            f"{host!r} has a path: put what begins with '/' into pathname",
        )
    if pathname and not pathname.startswith("/") and protocol in ("ws", "wss"):
        yield Problem(pointer((*place, "pathname")), f"{pathname!r} does not begin with '/'")


# Messages and schemas.


def _examples(document: _Document) -> Iterator[Problem]:
    """Examples of messages are messages."""
    schemas = document.schemas
    for place, kind, value in (*document.of("message"), *document.of("messageTrait")):
        names: set[str] = set()
        for number, example in enumerate(value.get("examples", ())):
            at = (*place, "examples", number)
            name = example.get("name")
            if name is not None and name in names:
                yield Problem(
                    pointer((*at, "name")), f"two examples are called {name!r}: rename one"
                )
            names.add(name)
            for part in ("payload", "headers"):
                if part not in example or part not in value:
                    continue
                schema = (*place, part)
                for misfit in schemas.misfits(schema, example[part]):
                    yield Problem(
                        pointer((*at, part, *misfit.place)),
                        f"the example is no such {kind[:7]}: {misfit.message} "
                        f"(see {schemas.source(schema, misfit)})",
                    )


def _schema_examples(document: _Document) -> Iterator[Problem]:
    """Examples and defaults of schemas are values of theirs."""
    for place, _, value in _schemas(document):
        said = [((*place, "examples", n), each) for n, each in enumerate(value.get("examples", ()))]
        said += [((*place, "default"), value["default"])] if "default" in value else []
        for at, each in said:
            what = "the default" if at[-1] == "default" else "an example"
            for misfit in document.schemas.misfits(place, each):
                yield Problem(
                    pointer((*at, *misfit.place)),
                    f"{what} does not fit its schema: {misfit.message}",
                )


def _schemas(document: _Document) -> Iterator[Node]:
    return filter(is_schema, (*document.of("schema"), *document.of("anySchema")))


_NEWER = {
    "prefixItems": "write items with a list, and additionalItems",
    "$defs": "write definitions",
    "unevaluatedProperties": "write additionalProperties",
    "unevaluatedItems": "write additionalItems",
    "dependentRequired": "write dependencies",
    "dependentSchemas": "write dependencies",
    "minContains": "there is contains alone",
    "maxContains": "there is contains alone",
}


def _keywords(document: _Document) -> Iterator[Problem]:
    """Schemas say what somebody reads, and can be fulfilled."""
    later = [
        (*node.place, "schema")
        for node in document.of("anySchema")
        if document.schemas.find(node.place)[1] in ("2019-09", "2020-12")
    ]
    for place, _, value in _schemas(document):
        is_later = any(place[: len(each)] == each for each in later)
        for name, hint in _NEWER.items():
            if name in value and not is_later:
                yield Problem(
                    pointer((*place, name)),
                    f"{name} is newer than draft-07, the JSON Schema of AsyncAPI, and means nothing "
                    f"there: {hint}",
                    "warning",
                )
        for least, most in (
            ("minLength", "maxLength"),
            ("minItems", "maxItems"),
            ("minProperties", "maxProperties"),
            ("minimum", "maximum"),
        ):
            if least in value and most in value and value[least] > value[most]:
                yield Problem(
                    pointer((*place, least)),
                    f"{least} {value[least]} is more than {most} {value[most]}: nothing is allowed",
                )
        if values_of(value) == [] and value.get("enum") != []:
            given = [key for key in ("const", "enum", "type") if key in value]
            yield Problem(
                pointer((*place, given[0])),
                f"no value fits {' and '.join(given)}: nothing is allowed",
            )
        if value.get("additionalProperties") is False and "properties" in value:
            for name in value.get("required", ()):
                if name not in value["properties"] and "patternProperties" not in value:
                    yield Problem(
                        pointer((*place, "required")),
                        f"{name!r} is required, and not allowed: it is not in properties"
                        f"{close_to(name, value['properties'])}",
                    )


_KEYWORDS = frozenset(
    # Of the versions from draft-04 on, and of AsyncAPI; "not" and "if" are close to other words.
    (
        *("$anchor", "$comment", "$defs", "$dynamicAnchor", "$dynamicRef", "$id"),
        *("$recursiveAnchor", "$recursiveRef", "$ref", "$schema", "$vocabulary"),
        *("additionalItems", "additionalProperties", "allOf", "anyOf", "const", "contains"),
        *("contentEncoding", "contentMediaType", "contentSchema", "default", "definitions"),
        *("dependencies", "dependentRequired", "dependentSchemas", "deprecated", "description"),
        *("discriminator", "else", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum"),
        *("externalDocs", "format", "id", "items", "maxContains", "maxItems", "maxLength"),
        *("maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties"),
        *("minimum", "multipleOf", "oneOf", "pattern", "patternProperties", "prefixItems"),
        *("properties", "propertyNames", "readOnly", "required", "then", "title", "type"),
        *("unevaluatedItems", "unevaluatedProperties", "uniqueItems", "writeOnly"),
    )
)

_CLOSE = 0.85
"""How close a word is to what was surely meant: "typ" is to "type", and "unit" to nothing."""


def _misspelled(document: _Document) -> Iterator[Problem]:
    """Schemas have no keyword that looks like one, and says nothing."""
    for place, _, value in _schemas(document):
        for name in value:
            if name in _KEYWORDS or name.startswith("x-"):
                continue
            hint = close_to(name, sorted(_KEYWORDS), ratio=_CLOSE)
            if name == "nullable" and value[name] is True:
                hint = ", but of OpenAPI: write type: [..., 'null']"
            if hint:
                message = f"{name!r} is no keyword of JSON Schema, and means nothing{hint}"
                yield Problem(pointer((*place, name)), message, "warning")
        required = value.get("required", [])
        properties = value.get("properties", {})
        if value.get("additionalProperties") is False:
            continue  # then it is an error
        for number, name in enumerate(required):
            # What is required itself is meant to be another one.
            others = [each for each in properties if each not in required]
            hint = close_to(name, others, ratio=_CLOSE) if name not in properties else ""
            if hint:
                message = f"{name!r} is required, and is not in properties{hint}"
                yield Problem(pointer((*place, "required", number)), message, "warning")


def _unused(document: _Document) -> Iterator[Problem]:
    """Operations say of all messages who sends them."""
    channels = document.channels
    if not document.data.get("operations") and any(channel.to_app for channel in channels):
        message = (
            "there are no operations, and so nobody knows who sends which message: add some, with "
            "the action receive for what the application receives, and send for what it sends"
        )
        yield Problem(pointer(("operations",)), message, "warning")
    for channel in channels:
        for key in channel.unused:
            message = (
                f"no operation has the message {key!r}, and other messages of this channel have "
                "one: add it to one, or remove it"
            )
            yield Problem(pointer(("channels", channel.key, "messages", key)), message, "warning")


def _patterns(document: _Document) -> Iterator[Problem]:
    """Patterns are regular expressions."""
    for place, _, value in _schemas(document):
        said = [((*place, "pattern"), value["pattern"])] if "pattern" in value else []
        said += [((*place, "patternProperties", p), p) for p in value.get("patternProperties", ())]
        for at, each in said:
            if (why := why_no_regex(each)) is None:
                continue
            if why_no_regex(in_python(each)) is None:
                message = f"{each!r} is beyond what Python can match ({why}), and is not checked"
                yield Problem(pointer(at), message, "warning")
            else:
                yield Problem(pointer(at), f"{each!r} is no regular expression: {why}")


def _circles(document: _Document) -> Iterator[Problem]:
    """No schema is made of itself alone, which nobody can check."""
    for place, _, value in _schemas(document):
        for at, start in _parts(document, place, value):
            if _leads_back(document, start, place):
                yield Problem(
                    pointer(at),
                    f"{pointer(place)} consists of itself here, without anything between: put it "
                    "into a property or into items, or remove it",
                )


def _parts(document: _Document, place: Place, value: Any) -> Iterator[tuple[Place, Place]]:
    """Return what a schema asks about the same value: where it says so, and of which schema."""
    if not isinstance(value, dict):
        return
    for name in ("allOf", "anyOf", "oneOf"):
        for number, each in enumerate(value.get(name, ())):
            at = (*place, name, number)
            yield at, document.target(at, each)[0]
    for name in ("not", "if", "then", "else"):
        if name in value:
            at = (*place, name)
            yield at, document.target(at, value[name])[0]


def _leads_back(document: _Document, start: Place, goal: Place) -> bool:
    seen: set[Place] = set()
    waiting = [start]
    while waiting:
        place = waiting.pop()
        if place == goal:
            return True
        if place not in seen:
            seen.add(place)
            node = document.found.nodes.get(place)
            value = None if node is None else node.value
            waiting += [target for _, target in _parts(document, place, value)]
    return False


def _discriminators(document: _Document) -> Iterator[Problem]:
    """What tells alternatives apart is in each of them, with a value of its own."""
    for place, _, value in _schemas(document):
        name = value.get("discriminator")
        if name is None:
            continue
        variants = [
            document.target((*place, key, number), each)[0]
            for key in ("oneOf", "anyOf")
            for number, each in enumerate(value.get(key, ()))
        ]
        owners = [] if _declares(document, place, name) else variants or [place]
        for at in owners:
            if not _declares(document, at, name):
                yield Problem(
                    pointer((*place, "discriminator")),
                    f"{name!r} tells the alternatives apart, and {pointer(at)} does not have it in "
                    "both properties and required: add it there",
                )
        taken: dict[Any, Place] = {}
        for at in variants:
            for constant in _constants_of(document, at, name):
                if constant in taken:
                    yield Problem(
                        pointer((*place, "discriminator")),
                        f"{name!r} is {constant!r} in both {pointer(taken[constant])} and "
                        f"{pointer(at)}: give one of them another value",
                    )
                taken[constant] = at


def _declares(document: _Document, place: Place, name: str) -> bool:
    """Return whether a schema, with what it is made of, has a property and requires it."""
    parts = [part for _, part in document.schemas.parts(place, "allOf")]
    return all(
        any(name in part.get(key, ()) for part in parts) for key in ("properties", "required")
    )


def _constants_of(document: _Document, place: Place, name: str) -> list[Any]:
    """Return the values that a property may have, by the first part of a schema that says so."""
    for at, part in document.schemas.parts(place, "allOf"):
        if name in part.get("properties", ()):
            _, field = document.target((*at, "properties", name), part["properties"][name])
            field = field if isinstance(field, dict) else {}
            constants = [field["const"]] if "const" in field else field.get("enum", [])
            if constants:
                return [each for each in constants if isinstance(each, str | int)]
    return []


def _names(document: _Document) -> Iterator[Problem]:
    """Messages of a channel that go in one direction have names of their own."""
    channels = {}
    for channel in document.channels:
        own = document.data["channels"][channel.key]
        at, _ = document.target(("channels", channel.key), own)
        channels[at] = channel
    for place, _, value in document.of("channel"):
        names: dict[tuple[str, str], str] = {}
        for key, each in value.get("messages", {}).items():
            at = (*place, "messages", key)
            _, message = document.target(at, each)
            if (name := message.get("name")) is None:
                continue
            ways = _ways(channels.get(place), key)
            other = next((names[way, name] for way in ways if (way, name) in names), None)
            if other is not None:
                yield Problem(
                    pointer(at),
                    f"the messages {other!r} and {key!r} of this channel are both called "
                    f"{name!r}: give one of them another name, or remove it",
                )
            names |= {(way, name): key for way in ways}


def _ways(channel: Channel | None, key: str) -> list[str]:
    """Return in which directions a message of a channel goes: both if nobody says."""
    if channel is None or key in channel.unused:
        return ["to_app", "from_app"]
    return [way for way in ("to_app", "from_app") if key in channel.messages(way)]


def _tags(document: _Document) -> Iterator[Problem]:
    """No list of tags has one of them twice."""
    for place, kind, value in document.found.nodes.values():
        if kind not in _TAGGED:
            continue
        seen: set[str] = set()
        for number, each in enumerate(value.get("tags", ())):
            at = (*place, "tags", number)
            _, tag = document.target(at, each)
            if tag["name"] in seen:
                yield Problem(pointer(at), f"the tag {tag['name']!r} is there twice: remove one")
            seen.add(tag["name"])


_TAGGED = {
    *("info", "server", "channel"),
    *("operation", "operationTrait", "message", "messageTrait"),
}


# Handshakes.


def _bindings(document: _Document) -> Iterator[Problem]:
    """What is said of a handshake is about its parts, one by one."""
    for place, _, value in document.of("wsChannel"):
        for name in ("query", "headers"):
            if name not in value:
                continue
            _, schema = document.target((*place, name), value[name])
            is_object = isinstance(schema, dict) and schema.get("type") == "object"
            if not is_object or "properties" not in schema:
                yield Problem(
                    pointer((*place, name)),
                    f"the schema of {name} has to be of type object, and to have properties",
                )


def _security(document: _Document) -> Iterator[Problem]:
    """Scopes that are asked for are those of the flows."""
    for place, _, value in document.of("securityScheme"):
        if value["type"] != "oauth2":
            continue
        flows = value["flows"].values()
        known = {scope for flow in flows for scope in flow.get("availableScopes", ())}
        for number, scope in enumerate(value.get("scopes", ())):
            if scope not in known:
                yield Problem(
                    pointer((*place, "scopes", number)),
                    f"the scope {scope!r} is none of availableScopes, {listed(sorted(known))}"
                    f"{close_to(scope, known)}",
                )


def _runtime_expressions(document: _Document) -> Iterator[Problem]:
    """What an expression points at is in the payload of the message."""
    for place, _, value in document.of("message"):
        if "correlationId" not in value or "payload" not in value:
            continue
        at = (*place, "correlationId")
        _, correlation = document.target(at, value["correlationId"])
        source, _, path = correlation["location"].partition("#")
        part = "payload" if source == "$message.payload" else "headers"
        if part in value and not _has(document, (*place, part), path.split("/")[1:]):
            yield Problem(
                pointer(at),
                f"{correlation['location']!r} leads nowhere: {part} of the message has no such field",
            )


def _has(document: _Document, place: Place, path: list[str]) -> bool:
    """Return whether a schema has a field, as far as it lists its fields."""
    place, version = document.schemas.find(place)
    node = document.found.nodes.get(place)
    if version is None or node is None or not isinstance(node.value, dict) or not path:
        return True
    properties = node.value.get("properties")
    if properties is None:
        return True
    name = path[0].replace("~1", "/").replace("~0", "~")
    return name in properties and _has(document, (*place, "properties", name), path[1:])


def _content_types(document: _Document) -> Iterator[Problem]:
    """A content type is a media type."""
    said: list[tuple[Place, str, Any]] = [((), "defaultContentType", document.data)]
    said += [
        (node.place, "contentType", node.value)
        for node in (*document.of("message"), *document.of("messageTrait"))
    ]
    for place, field, owner in said:
        text = owner.get(field)
        if text is not None and not _MEDIA_TYPE.fullmatch(text):
            yield Problem(
                pointer((*place, field)), f"{text!r} is no media type: such as 'application/json'"
            )


_MEDIA_TYPE = re.compile(r"(?i)[\w!#$&^.+-]+/[\w!#$&^.+-]+(\s*;.*)?")


_RULES: tuple[Callable[[_Document], Iterator[Problem]], ...] = (
    _targets,
    _addresses,
    _places,
    _ambiguous,
    _parameters,
    _servers,
    _examples,
    _schema_examples,
    _keywords,
    _misspelled,
    _unused,
    _patterns,
    _discriminators,
    _names,
    _tags,
    _bindings,
    _security,
    _runtime_expressions,
    _content_types,
)
