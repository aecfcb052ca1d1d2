"""What changed between two AsyncAPI documents, for those who keep to the old one. Pure.

What a client sends may become more without harm, and what a server sends may become less.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from dataclasses import replace
from typing import Any
from typing import Literal
from typing import TYPE_CHECKING

from falcon_pachinko.asyncapi.converters import converter_changes
from falcon_pachinko.asyncapi.converters import converter_of
from falcon_pachinko.asyncapi.keywords import Change
from falcon_pachinko.asyncapi.keywords import flipped
from falcon_pachinko.asyncapi.narrowing import changes_of
from falcon_pachinko.asyncapi.narrowing import is_same
from falcon_pachinko.asyncapi.narrowing import tag_of
from falcon_pachinko.asyncapi.references import Document
from falcon_pachinko.asyncapi.references import is_foreign
from falcon_pachinko.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Mapping

    from falcon_pachinko.asyncapi.keywords import Effect

    _Messages = Mapping[str, Any]

__all__ = ["Difference", "compare"]

Kind = Literal["breaking", "compatible", "documentation"]

_KINDS: Mapping[Effect, Kind] = {
    "narrower": "breaking",
    "wider": "compatible",
    "either": "compatible",
    "other": "breaking",
    "text": "documentation",
}
_ORDER = ("breaking", "compatible", "documentation")
_TEXTS = ("title", "summary", "description", "tags", "externalDocs", "examples")
_PROTOCOL = "Sec-WebSocket-Protocol"
_FIELDS: Mapping[str, Any] = {"type": "object", "properties": {}}
"""What a schema of headers or of a query means, also where it does not say so or is not there."""
_SERVER = ("host", "pathname", "protocol", "security", "variables")
_CHANNEL = ("address", "bindings", "messages", "parameters", "servers")
_MESSAGE = ("contentType", "headers", "name", "payload", "traits")
_OPERATION = ("action", "channel", "messages", "reply", "security", "traits")
_BINDING = ("bindingVersion", "headers", "method", "query")


@dataclass(frozen=True)
class Difference:
    """One difference of two documents.

    Attributes:
        kind: ``"breaking"`` if a peer that keeps to the old document may fail, ``"compatible"`` if
            it cannot, ``"documentation"`` if nothing but texts is different.
        place: Where: the address of the channel, the direction and the message, the field.
        text: What is different.
    """

    kind: Kind
    place: str
    text: str

    def __str__(self) -> str:
        """Return the difference in one line."""
        kind = "documentation only" if self.kind == "documentation" else self.kind
        return f"{kind}: {self.place}: {self.text}"


def compare(
    old: Any, new: Any, *, old_name: str = "old", new_name: str = "new"
) -> list[Difference]:
    """Compare two AsyncAPI 3 documents, of whatever origin.

    Args:
        old: The document that peers keep to, as plain data.
        new: What it has become.
        old_name: What the old one is called in messages.
        new_name: What the new one is called in messages.

    Returns:
        The differences, those that break something first.

    Raises:
        DocumentError: One of them is no AsyncAPI 3 document, or a reference leads nowhere.
    """
    before, after = Document(old, old_name), Document(new, new_name)
    try:
        found = list(dict.fromkeys(_Comparison(before, after).differences()))
    except RecursionError as error:
        raise DocumentError(
            f"{old_name} and {new_name} cannot be compared: one of them is nested too deeply.\n"
            "Hint: let a schema refer to others instead of having them within it."
        ) from error
    if not found and old != new:
        text = (
            "the order, the names of channels, operations and components, or an extension changed"
        )
        found = [Difference("documentation", "document", text)]
    return sorted(found, key=lambda difference: _ORDER.index(difference.kind))


@dataclass(frozen=True)
class _Channel:
    """A channel as a peer sees it.

    Attributes:
        address: Its path.
        key: Its name in the document.
        content: What the document says of it.
        tokens: Its subprotocols.
        messages: What is received, what is sent, and what is sent as a reply, by name.
        operations: The operations of each message, by direction and name.
        servers: The names of the servers that it is on.
    """

    address: str
    key: str
    content: Mapping[str, Any]
    tokens: tuple[str, ...]
    messages: Mapping[str, Mapping[str, Any]]
    operations: Mapping[tuple[str, str], list[Any]]
    servers: frozenset[str]


class _Comparison:
    def __init__(self, before: Document, after: Document) -> None:
        self._documents = (before, after)

    def differences(self) -> Iterator[Difference]:
        old, new = (document.content for document in self._documents)
        for key in ("id", *dict.fromkeys([*old.get("info", {}), *new.get("info", {})])):
            part = (old, new) if key == "id" else (old.get("info", {}), new.get("info", {}))
            if part[0].get(key) != part[1].get(key):
                yield Difference("documentation", f"info.{key}", "is different")
        if old["asyncapi"] != new["asyncapi"]:
            text = f"{new['asyncapi']}, was {old['asyncapi']}"
            yield Difference("documentation", "asyncapi", text)
        yield from self._servers(old.get("servers", {}), new.get("servers", {}))
        yield from self._channels()
        loose = [_loose_operations(document) for document in self._documents]
        if not self._is_same(loose[0], loose[1]):
            text = "an operation without a channel of the document is different"
            yield Difference("breaking", "operations", text)

    def _servers(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
        for name in dict.fromkeys([*old, *new]):
            place = f"server {name}"
            if name not in new:
                yield Difference("breaking", place, "is gone")
                continue
            if name not in old:
                yield Difference("compatible", place, "is new")
                continue
            before, after = self._follow(old[name], new[name])
            for key in ("host", "protocol", "pathname", "variables"):
                if before.get(key) != after.get(key):
                    text = f"{key} {after.get(key)!r}, was {before.get(key)!r}"
                    yield Difference("breaking", place, text)
            yield from self._security(before, after, place)
            yield from _texts(before, after, place)
            yield from self._rest(before, after, place, _SERVER)

    def _channels(self) -> Iterator[Difference]:
        before, after = _grouped_alike(*(_channels_of(document) for document in self._documents))
        pairs = _paired(before, after)
        places, known = _places(after), set(pairs.values())
        for key, place in _places(before).items():
            if key not in pairs:
                yield Difference("breaking", place, "the channel is gone")
        for key, place in places.items():
            if key not in known:
                yield Difference("compatible", place, "a new channel")
        named = {channel.key: channel for channel in after}
        for old in before:
            if old.key in pairs:
                new = named[pairs[old.key]]
                yield from self._channel(old, new, places[new.key])

    def _channel(self, old: _Channel, new: _Channel, place: str) -> Iterator[Difference]:
        for token in old.tokens:
            if token not in new.tokens:
                yield Difference("breaking", place, f"the subprotocol {token!r} is gone")
        for token in new.tokens:
            if token not in old.tokens:
                yield Difference("compatible", place, f"a new subprotocol {token!r}")
        if old.address != new.address:
            yield Difference("documentation", place, f"the path was {old.address}")
        yield from _texts(old.content, new.content, place)
        yield from self._parameters(old, new, place)
        yield from self._bindings(old, new, place)
        yield from _limits(old.content, new.content, place)
        yield from _close_codes(old.content, new.content, place)
        yield from self._places(old, new, place)
        yield from self._rest(old.content, new.content, place, _CHANNEL)
        for direction in ("receive", "send"):
            yield from self._messages(old, new, direction, f"{place} {direction}")
        # Whether something is a reply is said with the operation.
        before, after = ({**each.messages["reply"], **each.messages["send"]} for each in (old, new))
        for was, name in self._matched(before, after).items():
            if was not in old.messages["send"] or name not in new.messages["send"]:
                yield from self._message(before[was], after[name], f"{place} reply {name}", "send")

    def _places(self, old: _Channel, new: _Channel, place: str) -> Iterator[Difference]:
        """Compare on which servers a channel is, of those that both documents have."""
        both = [document.content.get("servers", {}).keys() for document in self._documents]
        for name in sorted(both[0] & both[1]):
            if name in old.servers and name not in new.servers:
                yield Difference("breaking", place, f"it is no longer on the server {name}")
            elif name in new.servers and name not in old.servers:
                yield Difference("compatible", place, f"it is on the server {name} now")

    def _rest(self, old: Any, new: Any, place: str, known: tuple[str, ...]) -> Iterator[Difference]:
        """Look for differences in what is not compared more closely: they may mean anything."""
        for key in dict.fromkeys([*old, *new]):
            is_known = key in known or key in _TEXTS or str(key).startswith("x-")
            if not is_known and not self._is_same(old.get(key, {}), new.get(key, {})):
                text = f"{key} is different, and it cannot be decided what that means"
                yield Difference("breaking", place, text)

    def _is_same(self, old: Any, new: Any, above: frozenset[tuple[int, int]] = frozenset()) -> bool:
        """Return whether two values are the same once references are followed."""
        old, new = self._follow(old, new)
        if (id(old), id(new)) in above:
            return True  # what is a part of itself ends
        above |= {(id(old), id(new))}
        if isinstance(old, dict) and isinstance(new, dict):
            keys = [
                {key for key in each if key != "description" and not str(key).startswith("x-")}
                for each in (old, new)
            ]
            return keys[0] == keys[1] and all(
                self._is_same(old[key], new[key], above) for key in keys[0]
            )
        if isinstance(old, list) and isinstance(new, list):
            return len(old) == len(new) and all(
                self._is_same(one, other, above) for one, other in zip(old, new, strict=True)
            )
        return _canonical(old) == _canonical(new)

    def _parameters(self, old: _Channel, new: _Channel, place: str) -> Iterator[Difference]:
        fields = zip(_fields(old.address), _fields(new.address), strict=False)
        for before_name, name in fields:
            before, after = self._follow(
                old.content.get("parameters", {}).get(before_name, {}),
                new.content.get("parameters", {}).get(name, {}),
            )
            where = f"{place} {{{name}}}"
            changes = list(self._parameter(before, after))
            for change in changes:
                yield _difference(change, where, "receive")
            if before != after and not changes:
                yield Difference("documentation", where, "another description")

    def _parameter(self, old: Any, new: Any) -> Iterator[Change]:
        if "x-converter" in old or "x-converter" in new:
            # What it takes is more than an enum and a pattern say.
            yield from converter_changes(converter_of(old), converter_of(new))
            return
        schemas = [
            {key: part[key] for key in ("enum",) if key in part}
            | ({"pattern": part["x-pattern"]} if "x-pattern" in part else {})
            for part in (old, new)
        ]
        follow = [document.follow for document in self._documents]
        yield from changes_of(schemas[0], schemas[1], follow[0], follow[1])

    def _bindings(self, old: _Channel, new: _Channel, place: str) -> Iterator[Difference]:
        before, after = self._follow(
            _binding(old, self._documents[0]), _binding(new, self._documents[1])
        )
        others = [
            {key: value for key, value in document.follow(each).items() if key != "ws"}
            for document, each in zip(
                self._documents,
                (old.content.get("bindings", {}), new.content.get("bindings", {})),
                strict=True,
            )
        ]
        yield from self._rest(others[0], others[1], f"{place} bindings", ())
        yield from self._rest(before, after, f"{place} bindings.ws", _BINDING)
        if before.get("method", "GET") != after.get("method", "GET"):
            yield Difference("breaking", place, f"the method is {after.get('method', 'GET')}")
        for name in ("query", "headers"):
            schemas = [
                _fielded(document.follow(part.get(name)))
                for part, document in zip((before, after), self._documents, strict=True)
            ]
            if name == "headers":
                spellings = {_PROTOCOL.lower(): _PROTOCOL}
                schemas = [_headers(schema, spellings) for schema in schemas]
            yield from self._schemas(schemas[0], schemas[1], f"{place} {name}", "receive")

    def _messages(
        self, old: _Channel, new: _Channel, direction: str, place: str
    ) -> Iterator[Difference]:
        before, after = old.messages[direction], new.messages[direction]
        names = self._matched(before, after)
        for name in before:
            if name not in names:
                change = Change("narrower", "", "the message is gone")
                yield _difference(change, f"{place} {name}", direction)
        for name in after:
            if name not in names.values():
                change = Change("wider", "", "a new message")
                yield _difference(change, f"{place} {name}", direction)
        for was, name in names.items():
            where = f"{place} {name}"
            if was != name:
                yield Difference("documentation", where, f"was called {was}")
            yield from self._message(before[was], after[name], where, direction)
            yield from self._operations(
                old.operations.get((direction, was), [{}]),
                new.operations.get((direction, name), [{}]),
                where,
            )

    def _matched(self, before: _Messages, after: _Messages) -> dict[str, str]:
        """Find what became of each message: by its name, or else by the tag of its payload."""
        found = {name: name for name in before if name in after}
        tagged: list[dict[str, list[str]]] = [{}, {}]
        for number, messages in enumerate((before, after)):
            for name, message in messages.items():
                if name not in found and (tag := _tag(message, self._documents[number])):
                    tagged[number].setdefault(tag, []).append(name)
        both = [(tagged[0][tag], tagged[1][tag]) for tag in tagged[0] if tag in tagged[1]]
        return found | {old[0]: new[0] for old, new in both if len(old) == len(new) == 1}

    def _operations(self, old: list[Any], new: list[Any], place: str) -> Iterator[Difference]:
        if len(old) != len(new):
            text = f"{len(new)} operations, were {len(old)}: it cannot be decided what that means"
            yield Difference("breaking", place, text)
        for before, after in zip(old, new, strict=False):
            yield from self._operation(before, after, place)

    def _message(self, old: Any, new: Any, place: str, direction: str) -> Iterator[Difference]:
        yield from _texts(old, new, place)
        kinds = [
            part.get("contentType", document.content.get("defaultContentType"))
            for part, document in zip((old, new), self._documents, strict=True)
        ]
        if kinds[0] != kinds[1]:
            yield Difference("breaking", place, f"the content type is {kinds[1]}, was {kinds[0]}")
        payloads = [part.get("payload", {}) for part in (old, new)]
        yield from self._formatted(payloads[0], payloads[1], place, direction)
        headers = [
            _fielded(document.follow(part.get("headers")))
            for part, document in zip((old, new), self._documents, strict=True)
        ]
        yield from self._formatted(headers[0], headers[1], f"{place} headers", direction)
        yield from self._rest(old, new, place, _MESSAGE)

    def _formatted(self, old: Any, new: Any, place: str, direction: str) -> Iterator[Difference]:
        (was, before), (now, after) = (
            _schema_of(schema, document)
            for schema, document in zip((old, new), self._documents, strict=True)
        )
        if was != now:
            yield Difference("breaking", place, f"the format of the schema is {now}, was {was}")
        if not is_foreign(was, before) and not is_foreign(now, after):
            yield from self._schemas(before, after, place, direction)
        elif not self._is_same(before, after):
            text = "the schema is different, and of a format that cannot be compared"
            yield Difference("breaking", place, text)

    def _operation(self, old: Any, new: Any, place: str) -> Iterator[Difference]:
        yield from _texts(old, new, f"{place} operation")
        yield from self._security(old, new, place)
        yield from self._rest(old, new, f"{place} operation", _OPERATION)
        if "reply" in old and "reply" in new:
            replies = self._follow(old["reply"], new["reply"])
            yield from self._rest(*replies, f"{place} reply", ("channel", "messages"))
            addresses = [
                _address_of_reply(operation, document)
                for operation, document in zip((old, new), self._documents, strict=True)
            ]
            if addresses[0] != addresses[1]:
                yield Difference("breaking", place, "the reply is on another channel")
        before, after = (
            _reply(operation, document)
            for operation, document in zip((old, new), self._documents, strict=True)
        )
        if before is None or after is None:
            if after is not None:
                yield Difference("compatible", place, "it has a reply now")
            elif before is not None:
                yield Difference("breaking", place, "the reply is gone")
            return
        names = self._matched(before, after)
        for name in sorted(before.keys() - names.keys()):
            yield Difference("compatible", place, f"{name} is no longer a reply")
        for name in sorted(after.keys() - set(names.values())):
            yield Difference("breaking", place, f"{name} may be a reply now")

    def _security(self, old: Any, new: Any, place: str) -> Iterator[Difference]:
        before, after = (
            {
                _canonical({key: value for key, value in scheme.items() if not _is_text(key)}): [
                    value for key, value in scheme.items() if _is_text(key)
                ]
                for scheme in map(document.follow, part.get("security", ()))
            }
            for part, document in zip((old, new), self._documents, strict=True)
        )
        if before and not after:
            yield Difference("compatible", place, "it needs no security scheme any more")
        elif after and not before:
            yield Difference("breaking", place, "it needs a security scheme now")
        elif before.keys() - after.keys():
            yield Difference("breaking", place, "a security scheme is gone, or another one")
        elif after.keys() - before.keys():
            yield Difference("compatible", place, "a new security scheme")
        elif before != after:
            yield Difference("documentation", place, "the text of a security scheme changed")

    def _schemas(self, old: Any, new: Any, place: str, direction: str) -> Iterator[Difference]:
        follow = [document.follow for document in self._documents]
        changes = changes_of(old, new, follow[0], follow[1])
        is_quiet = all(change.effect == "text" for change in changes)
        if is_quiet and not is_same(old, new, follow[0], follow[1]):
            # What says nothing else has to be the same: this finds what was overlooked.
            changes.append(Change("other", "", "something is different that cannot be decided"))
        for change in changes:
            yield _difference(change, place, direction)

    def _follow(self, old: Any, new: Any) -> tuple[Any, Any]:
        return self._documents[0].follow(old), self._documents[1].follow(new)


def _difference(change: Change, place: str, direction: str) -> Difference:
    effect = change.effect if direction == "receive" else flipped(change.effect)
    return Difference(_KINDS[effect], place + change.place, change.text)


def _channels_of(document: Document) -> list[_Channel]:
    content = document.content
    used: dict[int, list[Any]] = {}
    replies: dict[int, list[Any]] = {}
    for one in content.get("operations", {}).values():
        operation = _with_traits(one, document)
        used.setdefault(id(document.follow(operation.get("channel"))), []).append(operation)
        if "reply" in operation:
            reply = document.follow(operation["reply"])
            channel = document.follow(reply.get("channel", operation.get("channel")))
            replies.setdefault(id(channel), []).append(reply)
    found = []
    for key, value in content.get("channels", {}).items():
        channel = document.follow(value)
        messages: dict[str, dict[str, Any]] = {"receive": {}, "send": {}, "reply": {}}
        operations: dict[tuple[str, str], list[Any]] = {}
        # Without an operation, a message may go either way.
        given = used.get(id(channel)) or [{"action": "receive"}, {"action": "send"}]
        for operation in given:
            direction = operation.get("action")
            for name, message in _messages_of(operation, channel, document):
                known = messages.setdefault(direction, {})
                label = _unused(name, message, known)
                known[label] = message
                operations.setdefault((direction, label), []).append(operation)
        for reply in replies.get(id(channel), ()):
            for name, message in _messages_of(reply, channel, document):
                messages["reply"][_unused(name, message, messages["reply"])] = message
        address = channel.get("address") or key
        tokens, servers = _tokens(channel, document), _servers_of(channel, document)
        found.append(_Channel(address, key, channel, tokens, messages, operations, servers))
    return found


def _unused(name: str, message: Any, known: Mapping[str, Any]) -> str:
    """Return the name of a message, with a number if another message has it."""
    label, number = name, 1
    while label in known and known[label] != message:
        number += 1
        label = f"{name} #{number}"
    return label


def _servers_of(channel: Mapping[str, Any], document: Document) -> frozenset[str]:
    servers = document.content.get("servers", {})
    given = {id(document.follow(server)) for server in channel.get("servers", ())}
    return frozenset(
        name for name in servers if not given or id(document.follow(servers[name])) in given
    )


def _loose_operations(document: Document) -> list[Any]:
    content = document.content
    channels = {id(document.follow(each)) for each in content.get("channels", {}).values()}
    found = [document.follow(each) for each in content.get("operations", {}).values()]
    return [each for each in found if id(document.follow(each.get("channel"))) not in channels]


def _with_traits(node: Any, document: Document) -> Any:
    """Return a message or an operation with what its traits say, and it does not."""
    node = document.follow(node)
    found: Any = {}
    for trait in node.get("traits", ()):
        found = _patched(found, document.follow(trait), document)
    return _patched(found, node, document) if found else node


def _patched(value: Any, patch: Any, document: Document) -> Any:
    """Apply a merge patch (RFC 7396)."""
    value, patch = document.follow(value), document.follow(patch)
    if not isinstance(patch, dict) or value is patch:
        return patch
    found = dict(value) if isinstance(value, dict) else {}
    for key, each in patch.items():
        if each is None:
            found.pop(key, None)
        else:
            found[key] = _patched(found[key], each, document) if key in found else each
    return found


def _messages_of(operation: Any, channel: Any, document: Document) -> Iterator[tuple[str, Any]]:
    """Iterate over the messages of an operation, by the name that they have in any document."""
    known = channel.get("messages", {})
    keys = {id(document.follow(message)): key for key, message in reversed(known.items())}
    for reference in operation.get("messages", known.values()):
        node = document.follow(reference)
        message = _with_traits(node, document)
        yield str(message.get("name") or keys.get(id(node), "message")), message


def _reply(operation: Any, document: Document) -> _Messages | None:
    reply = document.follow(operation.get("reply"))
    if reply is None:
        return None
    channel = document.follow(reply.get("channel", operation.get("channel")))
    return dict(_messages_of(reply, channel or {}, document))


def _tag(message: Any, document: Document) -> str | None:
    """Return what tells a message from others, as it stands in its payload."""
    kind, schema = _schema_of(message.get("payload", {}), document)
    return None if is_foreign(kind, schema) else tag_of(schema, document.follow)


def _address_of_reply(operation: Any, document: Document) -> str | None:
    """Return where a reply is, if not where the message is."""
    channel = document.follow(operation.get("channel"))
    other = document.follow(document.follow(operation["reply"]).get("channel", channel))
    return None if other is channel else _shape(str(other.get("address")))


def _binding(channel: _Channel, document: Document) -> Any:
    return document.follow(document.follow(channel.content.get("bindings", {})).get("ws", {}))


def _tokens(channel: Any, document: Document) -> tuple[str, ...]:
    if "x-subprotocols" in channel:
        return tuple(channel["x-subprotocols"])
    binding = document.follow(document.follow(channel.get("bindings", {})).get("ws", {}))
    headers = document.follow(binding.get("headers", {}))
    properties = headers.get("properties", {}) if isinstance(headers, dict) else {}
    for name, schema in properties.items():
        if name.lower() == _PROTOCOL.lower():
            found = document.follow(schema)
            return tuple(found.get("enum", ())) if isinstance(found, dict) else ()
    return ()


def _fielded(schema: Any) -> Any:
    if schema is None:
        return _FIELDS
    return (
        {**_FIELDS, **schema}
        if isinstance(schema, dict) and "schemaFormat" not in schema
        else schema
    )


def _headers(schema: Any, spellings: dict[str, str]) -> Any:
    """Return a schema of headers without that of the subprotocol, which is compared by itself.

    Args:
        schema: The schema.
        spellings: What each name is called, by itself in lower case: case means nothing in HTTP.
            A name that is not in it is added as it is.
    """
    properties = {
        spellings.setdefault(name.lower(), name): value
        for name, value in schema.get("properties", {}).items()
    }
    properties.pop(_PROTOCOL, None)
    required = [spellings.setdefault(name.lower(), name) for name in schema.get("required", ())]
    return {**schema, "properties": properties, "required": required}


def _fields(address: str) -> list[str]:
    return re.findall(r"\{([^}]*)\}", address)


def _shape(address: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", address)


def _paired(before: list[_Channel], after: list[_Channel]) -> dict[str, str]:
    """Find what became of each channel: by its address, name and subprotocols."""
    pairs: dict[str, str] = {}
    left = _by_shape(after)
    tests: list[Callable[[_Channel, _Channel], bool]] = [
        lambda old, new: old.key == new.key and old.tokens == new.tokens,
        lambda old, new: old.tokens == new.tokens,
        lambda old, new: bool(set(old.tokens) & set(new.tokens)),
        lambda old, new: old.key == new.key,
        lambda *_: True,
    ]
    for test in tests:
        for old in before:
            same = left.get(_shape(old.address), [])
            found = next((new for new in same if old.key not in pairs and test(old, new)), None)
            if found is not None:
                pairs[old.key] = found.key
                same.remove(found)
    return pairs


def _grouped_alike(before: list[_Channel], after: list[_Channel]) -> list[list[_Channel]]:
    """Take channels apart by their subprotocols where several became one, or one became several."""
    counts = [
        {shape: len(same) for shape, same in _by_shape(channels).items()}
        for channels in (before, after)
    ]
    as_they_are = {shape for shape in counts[0] if counts[0][shape] == counts[1].get(shape)}
    return [
        [
            part
            for channel in channels
            for part in ([channel] if _shape(channel.address) in as_they_are else _apart(channel))
        ]
        for channels in (before, after)
    ]


def _apart(channel: _Channel) -> list[_Channel]:
    if len(channel.tokens) < 2:
        return [channel]
    return [
        replace(channel, key=f"{channel.key} {token}", tokens=(token,)) for token in channel.tokens
    ]


def _by_shape(channels: list[_Channel]) -> dict[str, list[_Channel]]:
    found: dict[str, list[_Channel]] = {}
    for channel in channels:
        found.setdefault(_shape(channel.address), []).append(channel)
    return found


def _places(channels: list[_Channel]) -> dict[str, str]:
    """Return what each channel is called in a difference: its path, if no other one has it."""
    return {
        channel.key: channel.address if len(same) == 1 else f"{channel.address} ({channel.key})"
        for same in _by_shape(channels).values()
        for channel in same
    }


def _close_codes(
    old: Mapping[str, Any], new: Mapping[str, Any], place: str
) -> Iterator[Difference]:
    before, after = old.get("x-close-codes", {}), new.get("x-close-codes", {})
    for code in dict.fromkeys([*before, *after]):
        if code not in after:
            yield Difference("compatible", place, f"the close code {code} is gone")
        elif code not in before:
            yield Difference("compatible", place, f"a new close code {code}")
        elif before[code] != after[code]:
            yield Difference("documentation", place, f"the text of close code {code} changed")


def _limits(old: Mapping[str, Any], new: Mapping[str, Any], place: str) -> Iterator[Difference]:
    before, after = old.get("x-limits", {}), new.get("x-limits", {})
    for name in dict.fromkeys([*before, *after]):
        was, now = before.get(name), after.get(name)
        if was != now:
            less = was is None or (now is not None and now < was)
            text = f"the limit {name} is {now}, was {was}"
            yield Difference("breaking" if less else "compatible", place, text)


_USUAL_FORMAT = re.compile(
    r"application/(vnd\.aai\.asyncapi|schema)(\+(json|yaml))?(; *version=(3\.\d+\.\d+|draft-07))?"
)
"""What a schema is that does not say it: JSON Schema as in AsyncAPI 3."""


def _schema_of(payload: Any, document: Document) -> tuple[str | None, Any]:
    payload = document.follow(payload)
    if isinstance(payload, dict) and "schemaFormat" in payload:
        form, schema = payload["schemaFormat"], document.follow(payload.get("schema", {}))
        return None if _USUAL_FORMAT.fullmatch(str(form)) else form, schema
    return None, payload


def _is_text(key: str) -> bool:
    return key == "description" or key.startswith("x-")


def _texts(old: Any, new: Any, place: str) -> Iterator[Difference]:
    for key in _TEXTS:
        if old.get(key) != new.get(key):
            yield Difference("documentation", place, f"{key} changed")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
