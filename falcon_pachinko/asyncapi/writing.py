"""From the routes of an app to its AsyncAPI document. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from typing import Literal
from typing import TYPE_CHECKING
from typing import TypedDict
from urllib.parse import urlsplit

import msgspec
from msgspec import inspect

from falcon_pachinko.asyncapi.examples import examples_of
from falcon_pachinko.asyncapi.model import routes_of
from falcon_pachinko.asyncapi.parameters import parameter_of
from falcon_pachinko.asyncapi.schemas import parts_of
from falcon_pachinko.asyncapi.schemas import Schemas
from falcon_pachinko.asyncapi.schemas import structs_of
from falcon_pachinko.asyncapi.texts import docs_of
from falcon_pachinko.asyncapi.texts import name_of
from falcon_pachinko.asyncapi.texts import tidy
from falcon_pachinko.asyncapi.texts import unique
from falcon_pachinko.asyncapi.values import check_given
from falcon_pachinko.asyncapi.values import plain
from falcon_pachinko.errors import DocumentError
from falcon_pachinko.schema import bare
from falcon_pachinko.schema import members_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Mapping
    from collections.abc import Sequence

    from falcon_pachinko.asyncapi.model import Route

    Json = dict[str, Any]

__all__ = ["document"]

VERSION = "3.1.0"

_PROTOCOL = "Sec-WebSocket-Protocol"


class _Object(TypedDict, total=False):
    """What has to be right in the JSON Schema of headers or a query."""

    type: Literal["object"]
    properties: dict[str, Any]
    required: list[str]


_SCHEME = '{"token": {"type": "http", "scheme": "bearer"}}'

# What is given to a document: its type, and an example.
_GIVEN: Mapping[str, tuple[Any, str]] = {
    "title": (str, 'title="Chat"'),
    "version": (str, 'version="1.0"'),
    "description": (str | None, 'description="What it is for."'),
    "info": (dict[str, Any] | None, 'info={"license": {"name": "ISC"}}'),
    "servers": (
        dict[str, str | dict[str, Any]] | None,
        'servers={"live": "wss://chat.example"}',
    ),
    "security_schemes": (dict[str, dict[str, Any]] | None, f"security_schemes={_SCHEME}"),
    "security": (list[str], 'security=["token"]'),
}


def document(
    app: Any,
    *,
    title: str,
    version: str,
    description: str | None = None,
    info: Mapping[str, Any] | None = None,
    servers: Mapping[str, str | Mapping[str, Any]] | None = None,
    security_schemes: Mapping[str, Mapping[str, Any]] | None = None,
    security: Sequence[str] = (),
    schema_hook: Callable[[Any], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Describe what an app's WebSockets take and send, as an AsyncAPI 3 document.

    The document is made of what the app declares: its routes, the ``schema`` and ``emits`` of its
    resources, docstrings and ``msgspec.Meta``. The same app has the same document in every process.

    Args:
        app: A Falcon app, perhaps within ASGI middleware, or a ``WebSocketRouter``.
        title: What the API is called.
        version: The version of the API.
        description: What it is for.
        info: What else the document says of the API, such as ``contact`` and ``license``.
        servers: By name, a URL such as ``"wss://chat.example"``, or a server object of AsyncAPI.
        security_schemes: By name, the security scheme objects of AsyncAPI.
        security: The names of those of which one is needed, for resources that do not say so.
        schema_hook: From a type that msgspec does not know to its JSON Schema.

    Raises:
        DocumentError: The app has no routes of resources, or something cannot be described.

    Example::

        document(app, title="chat", version="1", servers={"live": "wss://chat.example"})
    """
    given = {
        "title": title,
        "version": version,
        "description": description,
        "info": info,
        "servers": servers,
        "security_schemes": security_schemes,
        "security": security,
    }
    for name, value in given.items():
        check_given(f"{name} of document()", value, *_GIVEN[name])
    writer = _Writer(routes_of(app), security_schemes or {}, security, schema_hook)
    channels, operations = writer.channels()
    about = {"title": title, "version": version, "description": description, **(info or {})}
    hosts = {name: _server(name, server) for name, server in (servers or {}).items()}
    schemes = {name: dict(scheme) for name, scheme in (security_schemes or {}).items()}
    components = {
        "messages": dict(sorted(writer.messages.items())),
        "schemas": writer.schemas.components(),
        "securitySchemes": schemes,
    }
    found = {
        "asyncapi": VERSION,
        "info": {key: value for key, value in about.items() if value is not None},
        "servers": hosts,
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {key: value for key, value in components.items() if value},
    }
    return _plain({key: value for key, value in found.items() if value})


def _plain(found: Json) -> Json:
    """Return a document as it is read from its file: a tuple has become a list."""
    try:
        plain: Json = json.loads(json.dumps(found, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise DocumentError(
            f"The document would have what JSON cannot write: {error}.\n"
            "Hint: look into info, servers, the schemas that are given, and extra_json_schema."
        ) from error
    return plain


@dataclass(frozen=True)
class _Message:
    """A message on a channel.

    Attributes:
        tag: Its tag; None if it has none.
        name: What it is called: its tag, or its type.
        info: What msgspec says of its type.
        annotation: Its type, if it is a class, or the union that it is a member of.
        together: Whether its tag is what tells it from others.
    """

    tag: Any
    name: str
    info: Any
    annotation: Any
    together: bool


class _Writer:
    """Writes the channels, operations and messages of one document."""

    def __init__(
        self,
        routes: Sequence[Route],
        schemes: Mapping[str, Any],
        security: Sequence[str],
        hook: Callable[[Any], Json] | None,
    ) -> None:
        self.messages: Json = {}
        self._known: dict[bytes, str] = {}
        self._routes = routes
        self._schemes = schemes
        self._security = security
        self._taken = [_taken(route) for route in routes]
        self._sent = [_sent(route) for route in routes]
        self._bindings = [
            {name: _info(route.declared.get(name)) for name in ("headers", "query")}
            for route in routes
        ]
        roots = [
            (message.info, message.together)
            for messages in (*self._taken, *self._sent)
            for message in messages
        ]
        roots += [
            (part, False)
            for bindings in self._bindings
            for info in bindings.values()
            for part in parts_of(info)
        ]
        self.schemas = Schemas(roots, hook)

    def channels(self) -> tuple[Json, Json]:
        """Return the channels and the operations, by name."""
        channels: Json = {}
        operations: Json = {}
        for number, route in enumerate(self._routes):
            key = unique(_key(route), channels)
            taken, sent = self._taken[number], self._sent[number]
            names = self._keys(taken, sent)
            channels[key] = self._channel(route, number, names)
            for action, messages in (("receive", taken), ("send", sent)):
                for message in messages:
                    name = names[action, message.tag, message.name][0]
                    operation = unique(f"{key}.{action}.{name}", operations)
                    operations[operation] = self._operation(route, key, action, message, names)
        return channels, operations

    def _channel(self, route: Route, number: int, names: _Keys) -> Json:
        used = dict(names.values())
        codes = route.declared.get("close_codes")
        channel = {
            "address": route.address,
            "title": route.resource,
            **route.docs,
            "parameters": {field.name: parameter_of(field) for field in route.fields},
            "messages": {
                key: {"$ref": f"#/components/messages/{self._message(message)}"}
                for key, message in used.items()
            },
            "bindings": {"ws": self._binding(route, number)},
            "x-subprotocols": list(route.tokens),
            "x-close-codes": {str(code): codes[code] for code in sorted(codes)} if codes else None,
            "x-limits": dict(route.limits),
        }
        return {key: value for key, value in channel.items() if value}

    def _binding(self, route: Route, number: int) -> Json:
        binding: Json = {"method": "GET"}
        for name, info in self._bindings[number].items():
            schema = self._declared(route, name, info)
            if name == "headers" and route.tokens:
                schema = _with_protocols(schema, route)
            if schema:
                binding[name] = schema
        return {**binding, "bindingVersion": "0.1.0"}

    def _declared(self, route: Route, name: str, info: Any) -> Json:
        declared = route.declared.get(name)
        if declared is None:
            return {}
        if isinstance(declared, dict):
            hint = '{"properties": {"token": {"type": "string"}}}, a JSON Schema of an object.'
            check_given(f"{route.resource}.asyncapi[{name!r}]", declared, _Object, hint)
            return {"type": "object", **declared} if declared else {}
        if not isinstance(info, inspect.StructType | inspect.TypedDictType | inspect.DataclassType):
            raise DocumentError(
                f"{route.resource}.asyncapi[{name!r}] is {declared!r}, which has no fields.\n"
                "Hint: a Struct, a TypedDict or a dataclass with a field for each; or a JSON Schema "
                "of an object."
            )
        return self.schemas.inline(info)

    def _message(self, message: _Message) -> str:
        """Return the name of the component of a message."""
        identity = self._identity(message)
        if identity in self._known:
            return self._known[identity]
        name = self.schemas.name(message.info) or tidy(message.name)
        if name in self.messages:
            # Where it is one of several, its tag has to be there.
            name = unique(f"{name}.{'tagged' if message.together else 'untagged'}", self.messages)
        inner = bare(message.info)
        cls = getattr(inner, "cls", None)
        docs = docs_of(getattr(cls, "__origin__", cls)) if cls is not None else {}
        examples = examples_of(message.info, message.annotation)
        self.messages[name] = {
            "name": message.name,
            "title": name_of(cls) if cls is not None else message.name,
            **docs,
            "payload": self.schemas.of(message.info, together=message.together),
            **({"examples": [{"payload": example} for example in examples]} if examples else {}),
        }
        self._known[identity] = name
        return name

    def _identity(self, message: _Message) -> bytes:
        """Return what two messages have in common that are the same on the wire."""
        schema = self.schemas.of(message.info, together=message.together)
        return msgspec.json.encode([message.name, schema])

    def _keys(self, taken: Iterable[_Message], sent: Iterable[_Message]) -> _Keys:
        """Name the messages of a channel: by tag.

        A message that goes both ways is one. If a tag means something else in each direction, what
        the server sends is called after its type as well. What may come without its tag, because
        it comes alone, is another message than the same type with it.
        """
        found: _Keys = {}
        used: dict[str, _Message] = {}
        for action, messages in (("receive", taken), ("send", sent)):
            for message in messages:
                key = tidy(message.name)
                same = used.get(key)
                if same is not None and self._identity(same) != self._identity(message):
                    name = self.schemas.name(message.info)
                    is_same = name == self.schemas.name(same.info)
                    key = unique(f"{key}.{'tagged' if is_same else name or action}", used)
                used.setdefault(key, message)
                found[action, message.tag, message.name] = (key, used[key])
        return found

    def _operation(
        self, route: Route, channel: str, action: str, message: _Message, names: _Keys
    ) -> Json:
        handler = route.handlers.get(message.tag) if action == "receive" else None
        reference = f"#/channels/{channel}"

        def refer(found: _Message, direction: str) -> Json:
            key = names[direction, found.tag, found.name][0]
            return {"$ref": f"{reference}/messages/{key}"}

        operation: Json = {
            "action": action,
            "channel": {"$ref": reference},
            **(handler.docs if handler else {}),
            "messages": [refer(message, action)],
        }
        if handler is not None and handler.reply is not None:
            answers = _replies(route, message, handler.reply, names)
            operation["reply"] = {
                "channel": {"$ref": reference},
                "messages": [refer(answer, "send") for answer in answers],
            }
        security = route.declared.get("security", self._security)
        if security:
            operation["security"] = [self._scheme(route, name) for name in plain(security)]
        return operation

    def _scheme(self, route: Route, name: str) -> Json:
        if name not in self._schemes:
            raise DocumentError(
                f"{route.resource} needs the security scheme {name!r}, which is not described; "
                f"there are {', '.join(map(repr, self._schemes)) or 'none'}.\n"
                f"Hint: document(..., security_schemes={{{name!r}: "
                '{"type": "http", "scheme": "bearer"}})'
            )
        if re.fullmatch(r"[\w.-]+", name, re.ASCII) is None:
            raise DocumentError(
                f"A security scheme cannot be called {name!r}.\n"
                "Hint: its name has letters, digits, '.', '-' and '_' only."
            )
        return {"$ref": f"#/components/securitySchemes/{name}"}


_Keys = dict[tuple[str, Any, str], tuple[str, _Message]]


def _key(route: Route) -> str:
    key = tidy(route.name or ("root" if route.address == "/" else route.address))
    if not route.shared:
        return key
    return f"{key}.{tidy(route.tokens[0]) if route.tokens else 'default'}"


def _taken(route: Route) -> list[_Message]:
    info = _type_info(route, "schema", route.schema)
    structs = structs_of(info)
    return [_of(member, route.schema, together=len(structs) > 1) for member in structs]


def _sent(route: Route) -> list[_Message]:
    if route.emits is None:
        return []
    # A server always sends the tag, also where nobody needs it.
    members = members_of(_type_info(route, "emits", route.emits))
    return [_of(member, route.emits, together=True) for member in members]


def _type_info(route: Route, name: str, annotation: Any) -> Any:
    try:
        msgspec.json.Decoder(annotation)
        return inspect.type_info(annotation)
    except Exception as error:
        raise DocumentError(
            f"{route.resource}.{name} = {getattr(annotation, '__name__', annotation)}, on "
            f"{route.address!r}, cannot be described: {error}\n"
            "Hint: it is a union of Structs with a tag of their own each."
        ) from error


def _of(info: Any, union: Any, *, together: bool) -> _Message:
    inner = bare(info)
    cls = getattr(inner, "cls", None)
    annotation = union if cls is None else cls
    tag = getattr(inner, "tag", None)
    if tag is not None:
        return _Message(tag, str(tag), info, annotation, together)
    name = type(inner).__name__.removesuffix("Type").lower() if cls is None else name_of(cls)
    return _Message(None, name, info, annotation, together=False)


def _replies(route: Route, message: _Message, reply: Any, names: _Keys) -> list[_Message]:
    members = members_of(_type_info(route, "reply", reply))
    answers = [_of(member, reply, together=True) for member in members]
    for answer in answers:
        known = names.get(("send", answer.tag, answer.name))
        if known is None or bare(known[1].info).cls != getattr(bare(answer.info), "cls", None):
            raise DocumentError(
                f"{route.resource} answers {message.name!r} with {name_of(bare(answer.info).cls)}, "
                "which its emits does not have.\n"
                f"Hint: emits = ... | {name_of(bare(answer.info).cls)}"
            )
    return answers


def _info(declared: Any) -> Any:
    """Return what msgspec says of a declaration of headers or a query; None if it is none."""
    if declared is None or isinstance(declared, dict):
        return None
    try:
        return inspect.type_info(declared)
    except Exception:  # noqa: BLE001 - whatever it is, it has no fields
        return None


def _with_protocols(schema: Json, route: Route) -> Json:
    """Return the schema of headers with the subprotocols."""
    protocols = {
        "type": "string",
        "enum": list(route.tokens),
        "description": "The subprotocol. A client may offer several, separated by commas.",
    }
    required = list(schema.get("required", ()))
    if not route.by_default:
        required.append(_PROTOCOL)
    return {
        "type": "object",
        **schema,
        "properties": {**schema.get("properties", {}), _PROTOCOL: protocols},
        **({"required": required} if required else {}),
    }


def _server(name: str, server: str | Mapping[str, Any]) -> Json:
    if not isinstance(server, str):
        return dict(server)
    try:
        url = urlsplit(server)
        is_url = url.scheme in ("ws", "wss") and url.netloc != ""
    except ValueError:
        is_url = False
    if not is_url:
        raise DocumentError(
            f"The server {name!r} is {server!r}, which is no URL of WebSockets.\n"
            'Hint: "wss://chat.example", or a server object: {"host": ..., "protocol": "wss"}.'
        )
    host = url.netloc.rpartition("@")[2]
    if host != url.netloc or url.query or url.fragment:
        # What is left out may be secret.
        raise DocumentError(
            f"The server {name!r} has a user, a query or a fragment, which a document cannot have.\n"
            f'Hint: "{url.scheme}://{host}{url.path}"; a query is what a resource says in asyncapi = '
            '{"query": ...}, and a user is a security scheme.'
        )
    found = {"host": host, "protocol": url.scheme, "pathname": url.path.rstrip("/")}
    return {key: value for key, value in found.items() if value}
