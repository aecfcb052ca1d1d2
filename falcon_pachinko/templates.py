"""URI templates as text: joining, comparing and filling them. Pure.

What a template means is Falcon's business. This module knows only as much as is needed to
refuse two templates that Falcon would let shadow each other, and to print a URL.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from falcon.routing import BaseConverter
from falcon.routing import CompiledRouter

from falcon_pachinko.errors import RouteError

__all__ = [
    "Templates",
    "address_of",
    "arguments_of",
    "check_syntax",
    "converters_of",
    "fields_of",
    "fill",
    "join",
]

# A field: its name, perhaps ":" and a converter, perhaps with arguments in parentheses.
_FIELD = re.compile(r"\{([^}:]*)(?::([^}(]*)(?:\(([^}]*)\))?)?\}")


def join(prefix: str, path: str) -> str:
    """Compose a prefix and a path; ``"/"`` below a prefix is the prefix itself."""
    return (prefix.rstrip("/") + ("" if path == "/" else path)) or "/"


def fields_of(template: str) -> list[str]:
    """Return the names of a template's fields, in order."""
    return [match[1].strip() for match in _FIELD.finditer(template)]


def converters_of(template: str) -> dict[str, str]:
    """Return the name of each field's converter, or the empty string, by the field's name."""
    return {match[1].strip(): (match[2] or "").strip() for match in _FIELD.finditer(template)}


def arguments_of(template: str) -> dict[str, str]:
    """Return the text of the arguments of each field's converter, by the field's name."""
    return {match[1].strip(): (match[3] or "").strip() for match in _FIELD.finditer(template)}


def address_of(template: str) -> str:
    """Return a template without its converters: ``/rooms/{room}``."""
    return _FIELD.sub(lambda match: f"{{{match[1].strip()}}}", template)


def check_syntax(template: str, what: str) -> str:
    """Refuse text that is no absolute URI template.

    Args:
        template: What the user wrote; the empty string means ``"/"``.
        what: What it is called in the message.

    Raises:
        RouteError: It is no string, relative, or not a template for Falcon.
    """
    if not isinstance(template, str):
        raise RouteError(f"{what} {template!r} is not a string.")
    template = template or "/"
    if not template.startswith("/") or "//" in template:
        near = "/" + re.sub("/+", "/", template).lstrip("/")
        raise RouteError(
            f"{what} {template!r} must start with one '/' and contain no '//'.\nHint: {near!r}"
        )
    scratch = CompiledRouter()
    for match in _FIELD.finditer(template):
        # The app may know converters that a router on its own cannot: Falcon looks for
        # them when the route is installed.
        if match[2]:
            scratch.options.converters.data.setdefault(match[2], _AnyConverter)
    try:
        scratch.add_route(template, object())
    except ValueError as error:
        raise RouteError(f"{what} {template!r} cannot be routed: {error}") from error
    return template


class _AnyConverter(BaseConverter):
    # Stands for one that is not known yet; nothing is ever converted with it.
    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def convert(self, value: str) -> Any: ...


class Templates:
    """A set of templates of which no two collide.

    At one place in a tree of paths Falcon accepts any number of literal segments, but only
    one field, and one of each pattern of fields and literals such as ``{name}.{suffix}``.
    """

    __slots__ = ("_all", "_patterns")

    def __init__(self) -> None:
        self._all: set[str] = set()
        self._patterns: dict[tuple[str, str], tuple[str, str]] = {}

    def add(self, template: str) -> str | None:
        """Add a template; return one that it collides with instead, if there is one."""
        if template in self._all:
            return template
        patterns: dict[tuple[str, str], tuple[str, str]] = {}
        above, *segments = template.split("/")
        for segment in segments:
            pattern = _FIELD.sub("{}", segment)
            if pattern != segment:
                at = (above, pattern)
                known, owner = self._patterns.get(at, (segment, ""))
                if known != segment:
                    return owner
                patterns[at] = (segment, template)
            above = f"{above}/{segment}"
        self._all.add(template)
        self._patterns = patterns | self._patterns
        return None


def fill(template: str, values: dict[str, Any]) -> str:
    """Return the path of a template, its fields replaced and quoted (RFC 3986).

    Raises:
        RouteError: A field has no value, a value no field, or a value cannot be a path
            segment.
    """
    fields = fields_of(template)
    missing = [name for name in fields if name not in values]
    extra = [name for name in values if name not in fields]
    if missing or extra:
        problem = f"needs {', '.join(missing)}" if missing else f"has no {', '.join(extra)}"
        raise RouteError(f"The route {template!r} {problem}; its fields: {', '.join(fields)}.")

    def replace(match: re.Match[str]) -> str:
        value = str(values[match[1].strip()])
        whole_path = match[2] == "path"
        if not value or (not whole_path and "/" in value):
            raise RouteError(
                f"{match[1]}={value!r} cannot fill {match[0]} in {template!r}: "
                "a segment is not empty and contains no '/'."
            )
        return quote(value, safe="/" if whole_path else "")

    return _FIELD.sub(replace, template)
