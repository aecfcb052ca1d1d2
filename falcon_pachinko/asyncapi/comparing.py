"""What changed between two AsyncAPI documents, for those who keep to the old one. Pure.

What a client sends may become more without harm, and what a server sends may become less.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from typing import Literal
from typing import TYPE_CHECKING

from falcon_pachinko.asyncapi.narrowing import Change
from falcon_pachinko.asyncapi.narrowing import changes_of
from falcon_pachinko.asyncapi.narrowing import flipped
from falcon_pachinko.asyncapi.references import Document

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Mapping

    from falcon_pachinko.asyncapi.narrowing import Effect

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
    found = list(dict.fromkeys(_Comparison(before, after).differences()))
    if not found and old != new:
        text = "the order, or the names of channels, operations and components, is different"
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
        messages: What is received, and what is sent, by name.
        operations: The operations of each message, by direction and name.
    """

    address: str
    key: str
    content: Mapping[str, Any]
    tokens: tuple[str, ...]
    messages: Mapping[str, Mapping[str, Any]]
    operations: Mapping[tuple[str, str], Any]


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

    def _channels(self) -> Iterator[Difference]:
        before, after = (_channels_of(document) for document in self._documents)
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
        if old.content.get("x-close-codes") != new.content.get("x-close-codes"):
            yield Difference("compatible", place, "other close codes")
        for direction in ("receive", "send"):
            yield from self._messages(old, new, direction, f"{place} {direction}")

    def _parameters(self, old: _Channel, new: _Channel, place: str) -> Iterator[Difference]:
        fields = zip(_fields(old.address), _fields(new.address), strict=False)
        for before_name, name in fields:
            before, after = self._follow(
                old.content.get("parameters", {}).get(before_name, {}),
                new.content.get("parameters", {}).get(name, {}),
            )
            where = f"{place} {{{name}}}"
            schemas = [
                {key: part[key] for key in ("enum",) if key in part}
                | ({"pattern": part["x-pattern"]} if "x-pattern" in part else {})
                for part in (before, after)
            ]
            yield from self._schemas(schemas[0], schemas[1], where, "receive")
            if before != after and schemas[0] == schemas[1]:
                yield Difference("documentation", where, "another description")

    def _bindings(self, old: _Channel, new: _Channel, place: str) -> Iterator[Difference]:
        before, after = self._follow(
            _binding(old, self._documents[0]), _binding(new, self._documents[1])
        )
        if before.get("method", "GET") != after.get("method", "GET"):
            yield Difference("breaking", place, f"the method is {after.get('method', 'GET')}")
        for name in ("query", "headers"):
            schemas = [_without_protocol(part.get(name, {})) for part in (before, after)]
            yield from self._schemas(schemas[0], schemas[1], f"{place} {name}", "receive")

    def _messages(
        self, old: _Channel, new: _Channel, direction: str, place: str
    ) -> Iterator[Difference]:
        before, after = old.messages[direction], new.messages[direction]
        for name in dict.fromkeys([*before, *after]):
            where = f"{place} {name}"
            if name not in after:
                yield _difference(Change("narrower", "", "the message is gone"), where, direction)
            elif name not in before:
                yield _difference(Change("wider", "", "a new message"), where, direction)
            else:
                yield from self._message(before[name], after[name], where, direction)
                operations = (old.operations[direction, name], new.operations[direction, name])
                yield from self._operation(*operations, where)

    def _message(self, old: Any, new: Any, place: str, direction: str) -> Iterator[Difference]:
        yield from _texts(old, new, place)
        kinds = [
            part.get("contentType", document.content.get("defaultContentType"))
            for part, document in zip((old, new), self._documents, strict=True)
        ]
        if kinds[0] != kinds[1]:
            yield Difference("breaking", place, f"the content type is {kinds[1]}, was {kinds[0]}")
        schemas = [_schema_of(part.get("payload", {})) for part in (old, new)]
        if schemas[0][0] != schemas[1][0]:
            text = f"the format of the schema is {schemas[1][0]}, was {schemas[0][0]}"
            yield Difference("breaking", place, text)
        yield from self._schemas(schemas[0][1], schemas[1][1], place, direction)
        headers = [part.get("headers", {}) for part in (old, new)]
        yield from self._schemas(headers[0], headers[1], f"{place} headers", direction)

    def _operation(self, old: Any, new: Any, place: str) -> Iterator[Difference]:
        yield from _texts(old, new, f"{place} operation")
        yield from self._security(old, new, place)
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
        for name in sorted(before - after):
            yield Difference("compatible", place, f"{name} is no longer a reply")
        for name in sorted(after - before):
            yield Difference("breaking", place, f"{name} may be a reply now")

    def _security(self, old: Any, new: Any, place: str) -> Iterator[Difference]:
        before, after = (
            {_canonical(document.follow(scheme)) for scheme in part.get("security", ())}
            for part, document in zip((old, new), self._documents, strict=True)
        )
        if before and not after:
            yield Difference("compatible", place, "it needs no security scheme any more")
        elif after and not before:
            yield Difference("breaking", place, "it needs a security scheme now")
        elif before - after:
            yield Difference("breaking", place, "a security scheme is gone, or another one")
        elif after - before:
            yield Difference("compatible", place, "a new security scheme")

    def _schemas(self, old: Any, new: Any, place: str, direction: str) -> Iterator[Difference]:
        follow = [document.follow for document in self._documents]
        for change in changes_of(old, new, follow[0], follow[1]):
            yield _difference(change, place, direction)

    def _follow(self, old: Any, new: Any) -> tuple[Any, Any]:
        return self._documents[0].follow(old), self._documents[1].follow(new)


def _difference(change: Change, place: str, direction: str) -> Difference:
    effect = change.effect if direction == "receive" else flipped(change.effect)
    return Difference(_KINDS[effect], place + change.place, change.text)


def _channels_of(document: Document) -> list[_Channel]:
    content = document.content
    used: dict[int, list[Any]] = {}
    for one in content.get("operations", {}).values():
        operation = document.follow(one)
        used.setdefault(id(document.follow(operation.get("channel"))), []).append(operation)
    found = []
    for key, value in content.get("channels", {}).items():
        channel = document.follow(value)
        messages: dict[str, dict[str, Any]] = {"receive": {}, "send": {}}
        operations: dict[tuple[str, str], Any] = {}
        for operation in used.get(id(channel), ()):
            direction = operation.get("action")
            for name, message in _messages_of(operation, channel, document):
                messages.setdefault(direction, {})[name] = message
                operations[direction, name] = operation
        address = channel.get("address") or key
        tokens = _tokens(channel, document)
        found.append(_Channel(address, key, channel, tokens, messages, operations))
    return found


def _messages_of(operation: Any, channel: Any, document: Document) -> Iterator[tuple[str, Any]]:
    """Iterate over the messages of an operation, by the name that they have in any document."""
    known = channel.get("messages", {})
    keys = {id(document.follow(message)): key for key, message in reversed(known.items())}
    for reference in operation.get("messages", known.values()):
        message = document.follow(reference)
        yield str(message.get("name") or keys.get(id(message), "message")), message


def _reply(operation: Any, document: Document) -> set[str] | None:
    reply = document.follow(operation.get("reply"))
    if reply is None:
        return None
    channel = document.follow(reply.get("channel", operation.get("channel")))
    return {name for name, _ in _messages_of(reply, channel, document)}


def _binding(channel: _Channel, document: Document) -> Any:
    return document.follow(document.follow(channel.content.get("bindings", {})).get("ws", {}))


def _tokens(channel: Any, document: Document) -> tuple[str, ...]:
    if "x-subprotocols" in channel:
        return tuple(channel["x-subprotocols"])
    binding = document.follow(document.follow(channel.get("bindings", {})).get("ws", {}))
    headers = document.follow(binding.get("headers", {}))
    return tuple(document.follow(headers.get("properties", {}).get(_PROTOCOL, {})).get("enum", ()))


def _without_protocol(schema: Any) -> Any:
    """Return a schema of headers without that of the subprotocol, which is compared by itself."""
    if not isinstance(schema, dict) or _PROTOCOL not in schema.get("properties", {}):
        return schema
    properties = {name: value for name, value in schema["properties"].items() if name != _PROTOCOL}
    return {**schema, "properties": properties}


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


def _limits(old: Mapping[str, Any], new: Mapping[str, Any], place: str) -> Iterator[Difference]:
    before, after = old.get("x-limits", {}), new.get("x-limits", {})
    for name in dict.fromkeys([*before, *after]):
        was, now = before.get(name), after.get(name)
        if was != now:
            less = was is None or (now is not None and now < was)
            text = f"the limit {name} is {now}, was {was}"
            yield Difference("breaking" if less else "compatible", place, text)


def _schema_of(payload: Any) -> tuple[str | None, Any]:
    if isinstance(payload, dict) and "schemaFormat" in payload:
        return payload["schemaFormat"], payload.get("schema", {})
    return None, payload


def _texts(old: Any, new: Any, place: str) -> Iterator[Difference]:
    for key in _TEXTS:
        if old.get(key) != new.get(key):
            yield Difference("documentation", place, f"{key} changed")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
