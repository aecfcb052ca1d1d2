"""The protocol of the chat, as AsyncAPI and as a page for people: `python protocol.py` writes both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chat import create_app

from falcon_pachinko.asyncapi import document

HERE = Path(__file__).parent
DOCUMENT = HERE / "asyncapi.json"
PAGE = HERE / "protocol.md"

_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matches `{}`",
}


def describe() -> dict[str, Any]:
    """Return the document of the chat."""
    return document(create_app(), title="Chat", version="1.0.0")


def render(described: dict[str, Any]) -> str:
    """Return the page of a document."""
    info = described["info"]
    parts = [f"# {info['title']} {info['version']}"]
    parts.append(
        "This page is made of [asyncapi.json](asyncapi.json), which is made of the chat: "
        "`python protocol.py` writes both."
    )
    for name, channel in described["channels"].items():
        parts += _channel(described, name, channel)
    parts.append("## Messages")
    for name, message in described["components"]["messages"].items():
        parts.append(f"### {name}")
        parts.append(message["summary"])
        parts.append(_table(["field", "is"], _fields(described["components"]["schemas"][name])))
    return "\n\n".join(parts) + "\n"


def _channel(described: dict[str, Any], name: str, channel: dict[str, Any]) -> list[str]:
    operations = [
        operation
        for operation in described["operations"].values()
        if operation["channel"]["$ref"] == f"#/channels/{name}"
    ]
    tokens = ", ".join(f"`{token}`" for token in channel["x-subprotocols"])
    rows = []
    for action, who in (("receive", "the client"), ("send", "the server")):
        for operation in operations:
            if operation["action"] == action:
                for reference in operation["messages"]:
                    tag = reference["$ref"].rpartition("/")[2]
                    title = channel["messages"][tag]["$ref"].rpartition("/")[2]
                    rows.append([who, f"[`{tag}`](#{title.lower()})", operation.get("summary", "")])
    codes = [[str(code), why] for code, why in channel.get("x-close-codes", {}).items()]
    return [
        f"## {channel['title']}",
        channel["summary"],
        f"`{channel['address']}`, subprotocol {tokens}.",
        _table(["sent by", "message", ""], rows),
        _table(["close code", ""], codes),
    ]


def _fields(schema: dict[str, Any]) -> list[list[str]]:
    rows = []
    for name, field in schema["properties"].items():
        limits = [text.format(field[key]) for key, text in _LIMITS.items() if key in field]
        rows.append([f"`{name}`", "; ".join([_type(field), *limits])])
    return rows


def _type(field: dict[str, Any]) -> str:
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "$ref" in field:
        title = field["$ref"].rpartition("/")[2]
        return f"[{title}](#{title.lower()})"
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    return str(field["type"])


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Write the document and the page."""
    described = describe()
    DOCUMENT.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(render(described), encoding="utf-8")


if __name__ == "__main__":
    main()
