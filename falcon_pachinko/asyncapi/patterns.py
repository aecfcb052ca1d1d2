"""Regular expressions: from Python's dialect to that of JSON Schema, and a text that matches. Pure.

JSON Schema has the regular expressions of ECMA-262, which validators compile in Unicode mode. What
Python writes in another way is written anew; what ECMA-262 cannot say is None.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

__all__ = ["END", "base64_of", "ecma", "sample"]

END = r"$(?!\n)"
"""The end of the text and nothing else, also for validators that are written in Python."""

_BASE64 = "[A-Za-z0-9+/]"

_ESCAPE = (
    r"(?P<escape>\\(?:N\{[^}]*\}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}"
    r"|0[0-7]{0,2}|[1-3][0-7]{2}|[1-9][0-9]?|.))"
)
_TOKEN = re.compile(
    _ESCAPE + r"|(?P<named>\(\?P<(?P<name>\w+)>)"
    r"|(?P<back>\(\?P=(?P<of>\w+)\))"
    r"|(?P<comment>\(\?\#[^)]*\))"
    r"|(?P<group>\(\?(?::|=|!|<=|<!))"
    r"|(?P<other>\(\?)"
    r"|(?P<open>\()"
    r"|(?P<repeat>\{(?P<low>[0-9]*)(?P<comma>,?)(?P<high>[0-9]*)\})"
    r"|(?P<set>\[\^?\]?)"
    r"|(?P<brace>[{}\]])"
    r"|(?P<quantifier>[*+?])"
    r"|(?P<char>.)",
    re.DOTALL,
)
_IN_SET = re.compile(_ESCAPE + r"|(?P<end>\])|(?P<open>\[)|(?P<char>.)", re.DOTALL)


def ecma(pattern: str) -> str | None:
    """Return a pattern as JSON Schema writes it; None if it cannot be written there."""
    done: list[str] = []
    groups: dict[str, int] = {}
    count, place, before, refers = 0, 0, "", False
    while place < len(pattern):
        match: Any = _TOKEN.match(pattern, place)
        kind, text, place = match.lastgroup, match[0], match.end()
        possessive = text == "+" and before in ("quantifier", "repeat")
        if kind == "other" or possessive or text.startswith("\\N"):
            return None  # flags of a part, conditions, atomic groups, names of characters
        if kind in ("open", "named"):
            count += 1
            groups[match["name"]] = count
            text = "("
        elif kind == "back":
            text = rf"(?:\{groups[match['of']]})"
        elif kind == "set":
            text, place = _set(pattern, match)
        else:
            text = _token(match)
        refers = refers or text.startswith("(?:\\")
        before = kind
        done.append(text)
    if refers and not _is_sure(_parse(pattern), set()):
        return None
    return "".join(done)


def _token(match: re.Match[str]) -> str:
    """Return a part of a pattern that means the same wherever it is."""
    kind, text = match.lastgroup, match[0]
    if kind == "comment":
        return ""
    if kind == "escape":
        return _escape(text)
    if kind == "repeat":
        return _repeat(match)
    if kind == "brace":
        return "\\" + text
    # The dot of ECMA-262 leaves out \r, \u2028 and \u2029 too.
    return r"[^\n]" if text == "." else text


def _parse(pattern: str) -> Any:
    # Private, and the same since Python 3.11.
    return import_module("re._parser").parse(pattern)


def _is_sure(tree: Any, taken: set[int]) -> bool:
    """Return whether each group has matched, and the same text, wherever a pattern refers to it.

    What refers to one that has not matches nothing in Python, and the empty text in ECMA-262, where
    each repetition forgets what the one before it has matched.

    Args:
        tree: A parsed pattern, or a part of one.
        taken: The groups that have matched before it. Those that match in it are added.
    """
    for code, value in tree:
        kind = str(code)
        if kind == "GROUPREF" and value not in taken:
            return False
        parts, always = _parts(kind, value)
        if not all(_is_sure(part, taken if always else set(taken)) for part in parts):
            return False
        if kind == "SUBPATTERN":
            taken.add(value[0])
    return True


def _parts(kind: str, value: Any) -> tuple[list[Any], bool]:
    """Return the parts of a parsed pattern, and whether all of them match, and the same text.

    What looks behind is read backwards in ECMA-262, and repetitions of nothing are not counted.
    """
    if kind == "BRANCH":
        return value[1], False
    if kind.endswith("_REPEAT"):
        return [value[-1]], value[0] > 0 and value[-1].getwidth()[0] > 0
    if kind in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
        return [value[-1]], kind == "SUBPATTERN" or (kind == "ASSERT" and value[0] > 0)
    return [], True


def _repeat(match: re.Match[str]) -> str:
    low, comma, high = match["low"], match["comma"], match["high"]
    if not low and not high:
        return rf"\{{{comma}\}}"  # Python takes it for text
    return f"{{{low or 0}{comma}{high}}}"


_KEPT = frozenset("^$\\.*+?()[]{}|/bBdDsSwWtnrfv")


def _escape(text: str, *, within: bool = False) -> str:
    """Return an escape; the one of a character that has no meaning is the character."""
    body = text[1:]
    special = {"A": "^", "Z": r"(?![\s\S])", "a": r"\x07"} | ({"b": r"\x08"} if within else {})
    if body in special:
        return special[body]
    if body in _KEPT or (within and body == "-") or (body[0] in "xu" and len(body) > 1):
        return text
    if body[0] == "U":
        return chr(int(body[1:], 16))
    if body.isdigit():
        octal = within or body[0] == "0" or len(body) == 3
        return rf"\x{int(body, 8):02x}" if octal else rf"(?:{text})"
    return body


def _set(pattern: str, start: re.Match[str]) -> tuple[str, int]:
    """Return a set of characters, and where it ends."""
    done, place = [start["set"].replace("]", r"\]")], start.end()
    while True:
        match: Any = _IN_SET.match(pattern, place)
        kind, text, place = match.lastgroup, match[0], match.end()
        if kind == "end":
            return "".join(done) + "]", place
        if kind == "escape":
            text = _escape(text, within=True)
        done.append(r"\[" if kind == "open" else text)


def base64_of(low: int | None, high: int | None) -> str:
    """Return a pattern of the base64 of bytes, with so many of them at least and at most."""
    tails = ("", f"{_BASE64}{{2}}==", f"{_BASE64}{{3}}=")
    if low is None and high is None:
        return f"^(?:{_BASE64}{{4}})*(?:{tails[1]}|{tails[2]})?{END}"
    forms = []
    for more, tail in enumerate(tails):
        least = max(0, -((more - (low or 0)) // 3))
        most = None if high is None else (high - more) // 3
        if most is None or most >= least:
            forms.append(f"(?:{_BASE64}{{4}}){_times(least, most)}{tail}")
    return f"^(?:{'|'.join(forms)}){END}"


def _times(least: int, most: int | None) -> str:
    if most is None:
        return f"{{{least},}}" if least else "*"
    return f"{{{least},{most}}}"


def sample(pattern: str, least: int) -> str:
    """Return a text that probably matches a pattern, of at least that length if it can be."""
    # Who uses the text looks whether it matches.
    tree = _parse(pattern)
    short = _text(tree, 0)
    return short if len(short) >= least else _text(tree, least - len(short))


_CATEGORIES = {
    "CATEGORY_DIGIT": "0",
    "CATEGORY_SPACE": " ",
    "CATEGORY_WORD": "a",
    "CATEGORY_NOT_DIGIT": "a",
    "CATEGORY_NOT_SPACE": "a",
    "CATEGORY_NOT_WORD": "-",
}


def _text(tree: Any, more: int) -> str:
    """Make a text of a parsed pattern, with that many more repetitions where it repeats."""
    done: list[str] = []
    for code, value in tree:
        kind = str(code)
        if kind == "LITERAL":
            done.append(chr(value))
        elif kind == "IN":
            done.append(_one_of(value))
        elif kind == "NOT_LITERAL":
            done.append("a" if value != ord("a") else "b")
        elif kind == "ANY":
            done.append("a")
        elif kind.endswith("_REPEAT"):
            low, high, inner = value
            times = min(int(high), max(low, 1) + more) if more else low
            done.append("".join(_text(inner, 0) for _ in range(times)))
        elif kind == "SUBPATTERN":
            done.append(_text(value[-1], more))
        elif kind == "ATOMIC_GROUP":
            done.append(_text(value, more))
        elif kind == "BRANCH":
            done.append(_text(value[1][0], more))
    return "".join(done)


_TRIED = [ord(character) for character in "a0A -_.~!é中"]


def _one_of(items: Any) -> str:
    """Return a character of a set: one that everybody can read, if there is one."""
    kinds = [(str(code), value) for code, value in items]
    if kinds[0][0] == "NEGATE":
        return next(
            (chr(code) for code in _TRIED if not any(_has(kind, code) for kind in kinds)), ""
        )
    kind, value = kinds[0]
    if kind == "LITERAL":
        return chr(value)
    return chr(value[0]) if kind == "RANGE" else _CATEGORIES[str(value)]


def _has(item: tuple[str, Any], code: int) -> bool:
    kind, value = item
    if kind == "LITERAL":
        return bool(code == value)
    if kind == "RANGE":
        return bool(value[0] <= code <= value[1])
    if kind == "CATEGORY":
        shape = str(value).removeprefix("CATEGORY_")
        letter = shape.removeprefix("NOT_")[0].lower()
        found = re.match(rf"\{letter}", chr(code)) is not None
        return found != shape.startswith("NOT_")
    return False
