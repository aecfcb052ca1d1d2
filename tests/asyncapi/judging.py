"""Is a frame a message? What msgspec says, what a document says, and why they may differ."""

import json
import re
from dataclasses import dataclass
from typing import Any

import jsonschema
import msgspec

from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from falcon_pachinko.asyncapi import document
from falcon_pachinko.asyncapi.limits import NOTE


class Takes(WebSocketResource):
    """Takes any message."""

    async def on_unhandled(self, ws, message):
        pass


def document_of(schema: Any) -> dict[str, Any]:
    """Return the document of an app that takes the messages of a schema."""
    router = WebSocketRouter()
    router.add_route("/", type("Resource", (Takes,), {"schema": schema}))
    return document(router, title="t", version="1")


def payloads_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the schemas of the messages that the application of a document takes."""
    found = []
    for operation in document["operations"].values():
        if operation["action"] == "receive":
            for reference in operation["messages"]:
                message = resolve(document, resolve(document, reference))
                found.append(message["payload"])
    return found


def resolve(document: dict[str, Any], reference: dict[str, Any]) -> Any:
    found: Any = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


@dataclass
class Judge:
    """Both judges of a schema.

    Attributes:
        schema: The schema of a resource.
        document: The document of an app with that resource.
        notes: The limits that are noted in it.
    """

    schema: Any

    def __post_init__(self):
        self.document = document_of(self.schema)
        root = {
            "components": self.document["components"],
            "oneOf": payloads_of(self.document),
        }
        jsonschema.Draft7Validator.check_schema(root)
        self._validator = jsonschema.Draft7Validator(root)
        self.decoder = msgspec.json.Decoder(self.schema)
        self.notes = set(re.findall(r'"(\w+)"', " ".join(_notes(self.document))))

    def msgspec(self, frame: str | bytes) -> str | None:
        """Return what msgspec has against a frame."""
        try:
            self.decoder.decode(frame)
        except Exception as error:  # noqa: BLE001
            return str(error) or type(error).__name__
        return None

    def accepts(self, value: Any) -> bool:
        """Whether the document allows a value; the library cannot judge what is too deep or large."""
        try:
            return self._validator.is_valid(value)
        except (OverflowError, RecursionError):
            return False

    def differ(self, frame: str | bytes) -> str | None:
        """Return how the two differ about a frame, and by which limit; None if they do not.

        A frame that is no JSON is none of a document's business.
        """
        try:
            text = frame if isinstance(frame, str) else frame.decode()
            value = json.loads(text, object_pairs_hook=_Pairs.make)
            msgspec.json.decode(text, type=msgspec.Raw)
        except (ValueError, RecursionError, msgspec.DecodeError):
            return None
        refusal = self.msgspec(frame)
        if self.accepts(value) == (refusal is None):
            return None
        return next(self._reasons(value, refusal), f"UNKNOWN: {refusal}")

    def _reasons(self, value: Any, refusal: str | None):
        """Iterate over the limits that may be why the two differ."""
        parts = list(walk(value))
        said = refusal or ""
        if any(isinstance(part, float) and part.is_integer() for part in parts):
            yield "fractions"
        if any(isinstance(part, _Pairs) and part.twice for part in parts):
            yield "duplicates"
        if any(isinstance(part, str) and _HALF.search(part) for part in parts):
            yield "surrogates"
        if said and "9999-12-31" in str(value):
            yield "ends"
        for limit, text in _SAID.items():
            if text in said.lower():
                yield limit
        for limit, (text, of_valid_too) in _NOTED.items():
            if limit in self.notes and (text in said if said else of_valid_too):
                yield limit


_HALF = re.compile("[\ud800-\udfff]")
# What msgspec says where a document accepts a frame, by the limit that explains it.
_SAID = {
    "decimals": "decimal string",
    "depth": "recursion",
    "ends": "duration is out of range",
    "hashes": "unhashable",
    "ranges": "number out of range",
}
# The same for limits that a document notes; and whether it may refuse what msgspec accepts.
_NOTED = {
    "code": ("", False),
    "flags": ("enum value", False),
    "keys": ("`key` in", False),
    "lengths": ("of length", True),
    "multiples": ("multiple of", True),
    "patterns": ("matching regex", False),
}


class _Pairs(dict):
    """An object; knows whether a key came twice."""

    twice = False

    @classmethod
    def make(cls, pairs):
        found = cls(pairs)
        found.twice = len(found) < len(pairs)
        return found


def walk(value: Any):
    """Iterate over everything in a value."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list):
            waiting += part


def _notes(value: Any):
    for part in walk(value):
        if isinstance(part, dict) and NOTE in part:
            yield json.dumps(part[NOTE])
