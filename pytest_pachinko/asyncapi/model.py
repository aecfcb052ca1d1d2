"""What an AsyncAPI document says of the connections of an application. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Literal
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pytest_pachinko.asyncapi.problem import pointer
from pytest_pachinko.asyncapi.references import follow

if TYPE_CHECKING:
    from collections.abc import Container
    from collections.abc import Iterable
    from collections.abc import Iterator
    from collections.abc import Mapping

    from pytest_pachinko.asyncapi.problem import Place
    from pytest_pachinko.asyncapi.schemas import Schemas
    from pytest_pachinko.trace.event import Direction

__all__ = ["FIELD", "Channel", "Content", "Document", "Message", "channels_of", "distinguishable"]

FIELD = re.compile(r"\{([^{}]*)\}")
"""An expression in an address or in the name of a host."""

Content = Literal["json", "text", "binary", "unknown"]

_PROTOCOL = "sec-websocket-protocol"


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a channel has.

    Attributes:
        key: Its key among the messages of the channel.
        place: Where it is described, as a JSON pointer.
        content_type: Its media type, if the document says one.
        schema: Where the schema of its payload is; None if any payload will do.
    """

    key: str
    place: str
    content_type: str | None
    schema: Place | None

    @property
    def content(self) -> Content:
        """What its frames hold."""
        if self.content_type is None:
            return "unknown"
        name = self.content_type.partition(";")[0].strip().lower()
        if name.endswith(("/json", "+json")):
            return "json"
        is_text = name.startswith("text/") or name.endswith(("/xml", "+xml", "/yaml", "+yaml"))
        return "text" if is_text else "binary"


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel: connections to an address.

    Attributes:
        key: Its key among the channels.
        address: Its address, or None if it is not known.
        paths: What the path of a connection has to match, with and without the path of a server.
        enums: The only values of parameters that have such.
        to_app: The messages that the application receives, by key.
        from_app: The messages that it sends, by key.
        unused: Its messages that no operation has, by key, if there are operations.
        directed: Whether there are operations, which say who sends what.
        query: Where the schema of the query is, if there is one.
        headers: Where the schema of the headers is, if there is one.
        subprotocols: The subprotocols that it is spoken with; None if the document does not say.
        queries: The only values of parameters of the query that have such.
        servers: The servers that have it; empty for all of them.
        rests: The parameters that take the rest of a path, with slashes.
    """

    key: str
    address: str | None
    paths: tuple[re.Pattern[str], ...] = ()
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    to_app: Mapping[str, Message] = field(default_factory=dict)
    from_app: Mapping[str, Message] = field(default_factory=dict)
    unused: Mapping[str, Message] = field(default_factory=dict)
    directed: bool = True
    query: Place | None = None
    headers: Place | None = None
    subprotocols: tuple[str, ...] | None = None
    queries: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    servers: frozenset[str] = frozenset()
    rests: frozenset[str] = frozenset()

    def messages(self, direction: Direction) -> Mapping[str, Message]:
        """Return what may be sent in a direction."""
        return self.to_app if direction == "to_app" else self.from_app

    @property
    def name(self) -> str:
        """Its key and its address."""
        return self.key if self.address is None else f"{self.key} ({self.address})"


@dataclass(frozen=True, slots=True)
class Document:
    """An AsyncAPI document that is valid.

    Attributes:
        name: What to call it in messages: its file, or its title.
        data: What it holds.
        channels: Its channels, by key.
        schemas: What says which payloads are allowed.
    """

    name: str
    data: Any
    channels: Mapping[str, Channel]
    schemas: Schemas

    def __repr__(self) -> str:
        """Return one line: pytest prints it above failures."""
        return f"<AsyncAPI document {self.name}: {len(self.channels)} channels>"


class _Reader:
    """Follows references in a document in which all of them lead somewhere."""

    def __init__(self, data: Any, schemas: Schemas) -> None:
        self.data = data
        self.schemas = schemas

    def get(self, place: Place, value: Any, *path: str) -> tuple[Place, Any]:
        """Return what is below a value, through references; None if there is nothing."""
        place, value = follow(self.data, place, value)
        for name in path:
            if not isinstance(value, dict) or name not in value:
                return place, None
            place, value = follow(self.data, (*place, name), value[name])
        return place, value

    def at(self, place: Place) -> Any:
        """Return what is at a place."""
        value = self.data
        for part in place:
            value = value[part]
        return value

    def items(self, place: Place, value: Any, name: str) -> Iterator[tuple[Any, Place, Any]]:
        """Iterate over what a field holds: its key or index, and what is there."""
        place, held = self.get(place, value, name)
        pairs = held.items() if isinstance(held, dict) else enumerate(held or ())
        for key, each in pairs:
            yield key, *self.get((*place, key), each)


def channels_of(data: Any, schemas: Schemas) -> list[Channel]:
    """Return the channels of a document that is well built."""
    reader = _Reader(data, schemas)
    found = {key: (place, value) for key, place, value in reader.items((), data, "channels")}
    allowed = _allowed(reader, {place: key for key, (place, _) in found.items()})
    return [_channel(reader, key, place, value, allowed) for key, (place, value) in found.items()]


_Allowed = dict[tuple[str, str], set[str]]
"""The keys of messages, by the key of their channel and a direction."""


def _allowed(reader: _Reader, keys: dict[Place, str]) -> _Allowed:
    """Return what operations allow on each channel that has any."""
    allowed: _Allowed = {}
    for _, place, operation in reader.items((), reader.data, "operations"):
        direction = "to_app" if operation["action"] == "receive" else "from_app"
        at, channel = reader.get(place, operation, "channel")
        _allow(allowed, keys, (place, operation), (at, channel), direction)
        reply_place, reply = reader.get(place, operation, "reply")
        if reply is not None:
            other = "from_app" if direction == "to_app" else "to_app"
            if "channel" in reply:
                at, channel = reader.get(reply_place, reply, "channel")
            _allow(allowed, keys, (reply_place, reply), (at, channel), other)
    return allowed


def _allow(
    allowed: _Allowed,
    keys: dict[Place, str],
    owner: tuple[Place, Any],
    channel: tuple[Place, Any],
    direction: str,
) -> None:
    """Take note of the messages of an operation, or of its reply."""
    place, value = channel
    key = keys.get(place)
    if key is None:
        return
    for side in ("to_app", "from_app"):
        allowed.setdefault((key, side), set())
    own = value.get("messages", {})
    if "messages" not in owner[1]:
        allowed[key, direction] |= set(own)
        return
    wanted = {reference["$ref"] for reference in owner[1]["messages"]}
    names = {pointer((*place, "messages", name)): name for name in own}
    allowed[key, direction] |= {names[unquote(ref)] for ref in wanted if unquote(ref) in names}


def _channel(reader: _Reader, key: str, place: Place, value: Any, allowed: _Allowed) -> Channel:
    messages = {
        name: _message(reader, name, at, message)
        for name, at, message in reader.items(place, value, "messages")
    }

    def of(direction: str) -> dict[str, Message]:
        # Of a channel without operations the document does not say who sends what.
        names = allowed.get((key, direction), messages)
        return {name: message for name, message in messages.items() if name in names}

    to_app, from_app = of("to_app"), of("from_app")
    unused = {
        name: message
        for name, message in messages.items()
        if name not in to_app and name not in from_app
    }
    parameters = {name: each for name, _, each in reader.items(place, value, "parameters")}
    enums = _enums(parameters)
    rests = frozenset(name for name, each in parameters.items() if _takes_rest(each))
    servers = {pointer(at): each for _, at, each in reader.items(place, value, "servers")}
    query = _binding(reader, place, value, "query")
    headers = _binding(reader, place, value, "headers")
    return Channel(
        key,
        value.get("address"),
        _paths(reader, value.get("address"), (enums, rests), servers.values()),
        enums,
        to_app,
        from_app,
        unused,
        (key, "to_app") in allowed,
        query,
        headers,
        _subprotocols(reader, place, value, headers),
        {} if query is None else dict(_constants(reader, query)),
        frozenset(servers),
        rests,
    )


def _enums(parameters: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the only values of the parameters, or of the variables, that have such."""
    return {name: tuple(each["enum"]) for name, each in parameters.items() if each.get("enum")}


def _takes_rest(parameter: Any) -> bool:
    """Return whether a parameter is one of Falcon's path converter, which AsyncAPI cannot say."""
    converter = parameter.get("x-converter")
    return isinstance(converter, dict) and converter.get("name") == "path"


def _binding(reader: _Reader, place: Place, value: Any, name: str) -> Place | None:
    place, schema = reader.get(place, value, "bindings", "ws", name)
    return None if schema is None else place


def _constants(reader: _Reader, place: Place) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Iterate over the properties of a schema that have few values, and these."""
    for name, _, schema in reader.items(place, reader.at(place), "properties"):
        if isinstance(schema, dict) and "const" in schema:
            yield name, (schema["const"],)
        elif isinstance(schema, dict) and "enum" in schema:
            yield name, tuple(schema["enum"])


def _subprotocols(
    reader: _Reader, place: Place, value: Any, headers: Place | None
) -> tuple[str, ...] | None:
    """Return what a channel is spoken with: AsyncAPI has no field for that, but a header."""
    for name, constants in () if headers is None else _constants(reader, headers):
        if name.lower() == _PROTOCOL:
            return tuple(map(str, constants))
    _, binding = reader.get(place, value, "bindings", "ws")
    for owner in (value, binding or {}):
        for name in ("x-subprotocols", "x-subprotocol"):
            if name in owner:
                said = owner[name]
                return tuple(map(str, said if isinstance(said, list) else [said]))
    return None


def _paths(
    reader: _Reader,
    address: str | None,
    parameters: tuple[Mapping[str, tuple[str, ...]], Container[str]],
    servers: Iterable[Any],
) -> tuple[re.Pattern[str], ...]:
    """Return what paths have to match: a test may be inside of what a server's path leads to."""
    if address is None:
        return ()
    on = list(servers) or [server for _, _, server in reader.items((), reader.data, "servers")]
    prefixes = ["", *(_prefix(reader, server) for server in on)]
    path = address if address.startswith("/") else f"/{address}"
    return tuple(
        re.compile(prefix + _matching(path, *parameters)) for prefix in dict.fromkeys(prefixes)
    )


def _prefix(reader: _Reader, server: Any) -> str:
    variables = {name: each for name, _, each in reader.items((), server, "variables")}
    return _matching(server.get("pathname", "").rstrip("/"), _enums(variables))


def _matching(text: str, enums: Mapping[str, tuple[str, ...]], rests: Container[str] = ()) -> str:
    """Return what matches the paths of an address: these are decoded, and an address need not be."""
    parts = FIELD.split(text)
    for number, part in enumerate(parts):
        if not number % 2:
            parts[number] = re.escape(unquote(part))
        elif part in enums:
            parts[number] = f"(?:{'|'.join(map(re.escape, enums[part]))})"
        elif part in rests:
            parts[number] = "(?s:.*)"
        else:
            parts[number] = "[^/]+"
    return "".join(parts)


def _message(reader: _Reader, key: str, place: Place, value: Any) -> Message:
    traits = [trait for _, _, trait in reader.items(place, value, "traits")]
    # What a message says of itself goes before what its traits say, and a later one before others.
    said = [owner["contentType"] for owner in (value, *reversed(traits)) if "contentType" in owner]
    content_type = said[0] if said else reader.data.get("defaultContentType")
    schema = (*place, "payload") if "payload" in value else None
    return Message(key, pointer(place), content_type, schema)


def distinguishable(one: Channel, other: Channel) -> bool:
    """Return whether something tells connections of two channels with one address apart."""
    if one.servers and other.servers and one.servers.isdisjoint(other.servers):
        return True
    if one.subprotocols != other.subprotocols and (
        one.subprotocols is None
        or other.subprotocols is None
        or set(one.subprotocols).isdisjoint(other.subprotocols)
    ):
        return True
    if any(
        set(map(repr, values)).isdisjoint(map(repr, other.queries[name]))
        for name, values in one.queries.items()
        if name in other.queries
    ):
        return True
    fields = zip(FIELD.findall(one.address or ""), FIELD.findall(other.address or ""), strict=False)
    return any(
        a in one.enums and b in other.enums and set(one.enums[a]).isdisjoint(other.enums[b])
        for a, b in fields
    )
