"""What a client offers to do with its frames (RFC 6455, section 9.1; RFC 7692). Pure.

Whether frames are compressed is between the client and the server below Falcon: an ASGI
application can neither choose it nor read what was chosen. It can read what was offered.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falcon.asgi import Request

__all__ = ["Extension", "offered_extensions"]

# An offer of a browser has some 50 characters. Whatever is longer than this is not read.
_LONGEST = 4096

# A token of RFC 7230, section 3.2.6. Every quantifier is possessive: no offer makes the search go back.
_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_PARAM = re.compile(
    rf';[ \t]*+({_WORD})[ \t]*+(?:=[ \t]*+(?:({_WORD})|"((?:[^"\\]|\\.)*+)")[ \t]*+)?+'
)
_EXTENSION = re.compile(rf"[ \t]*+({_WORD})[ \t]*+((?:{_PARAM.pattern})*+)")
_ELEMENT = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+"?+)++')


class Extension(NamedTuple):
    """An extension of the protocol that a client offers.

    Attributes:
        name: Such as ``"permessage-deflate"``.
        params: Its parameters in the order of the offer; a value is None if there is none.
    """

    name: str
    params: tuple[tuple[str, str | None], ...] = ()


def offered_extensions(req: Request) -> tuple[Extension, ...]:
    """Return the extensions that a client offers, the preferred one first.

    Several headers are one list. An element that is malformed is left out.

    Args:
        req: The request of the handshake.
    """
    header = req.get_header("sec-websocket-extensions") or ""
    if len(header) > _LONGEST:
        return ()
    found = (_parse(element) for element in _ELEMENT.findall(header))
    return tuple(extension for extension in found if extension is not None)


def _parse(element: str) -> Extension | None:
    match = _EXTENSION.fullmatch(element)
    if match is None:
        return None
    params: list[tuple[str, str | None]] = []
    for param in _PARAM.finditer(match[2]):
        name, value, quoted = param.groups()
        if quoted is not None:
            value = re.sub(r"\\(.)", r"\1", quoted)
            if not re.fullmatch(_WORD, value):
                return None  # RFC 6455, section 9.1: without its quotes it is a token
        params.append((name, value))
    return Extension(match[1], tuple(params))
