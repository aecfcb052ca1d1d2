"""Values that are different in each run, called by name: ids, times, tokens, ports. Pure.

=========  ====================================================================================
name       stands for
=========  ====================================================================================
``uuid``   a UUID, or a ULID
``time``   an ISO 8601 date with a time, an HTTP date, and a number that is seconds since 1970,
           or milli-, micro- or nanoseconds
``hex``    16 hexadecimal digits or more
``token``  a JSON Web Token, and 20 letters, digits, ``-`` and ``_`` or more that are no words
``port``   the port after ``localhost`` or another loopback address
=========  ====================================================================================

The values of a name are numbered as they appear: ``<uuid#1>``. Who knows more gives rules.
"""

from __future__ import annotations

import re
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

import msgspec

from pytest_pachinko.errors import PachinkoUsageError
from pytest_pachinko.headers import Headers
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Crash
from pytest_pachinko.trace.event import decode
from pytest_pachinko.trace.event import Handshake

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Iterable
    from collections.abc import Iterator
    from collections.abc import Sequence

    from pytest_pachinko.trace.record import Trace

__all__ = ["DEEPEST", "Namer", "Rule", "holds", "named", "parse_rules"]

DEEPEST = 200
"""How deep JSON may be nested; what is deeper is taken as text."""


class Rule(NamedTuple):
    """How to find a volatile value.

    Attributes:
        name: What to call it.
        pattern: What it looks like, or which path it has. If the pattern has a group, the
            value is what that matches.
        is_path: Whether the pattern describes a path, such as ``$.items[3].id``.
    """

    name: str
    pattern: re.Pattern[str]
    is_path: bool = False


# Words of a name in code: they have a vowel, or are common without one, or are in capitals. A
# random text of 22 characters is made of such once in 7,000 times, and one of 43 once in a million.
_SHORT = (
    "An|As|At|By|Id|If|In|Is|It|My|No|Of|On|Or|To|Ws|Btn|Cfg|Cmd|Css|Ctx|Html|Https?|Jwt|Msg|Pkg"
    "|Rpc|Sms|Sql|Src|Ssl|Str|Tcp|Tls|Tmp|Ttl|Txt|Udp|Xml"
)
_WORD = (
    rf"(?:{_SHORT}|{_SHORT.lower()})(?![a-z])"
    r"|(?=[A-Za-z][a-z]{2})(?=[AEIOUY]|[A-Z]?[a-z]*[aeiouy])[A-Za-z][a-z]++"
    r"|[A-Z]{2,6}(?=[A-Z][a-z])|[A-Z]{3,6}+(?![A-Za-z])|[0-9]++"
)
# Nothing is tried twice (the second plus): a long text must not take long.
_WORDS = rf"[-_]*+(?:(?:{_WORD})[-_]*+)++"

_RULES = tuple(
    Rule(name, re.compile(pattern))
    for name, pattern in (
        ("token", r"(?<![\w-])eyJ[\w-]*+\.[\w-]++\.[\w-]*+"),
        ("uuid", r"(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
        ("uuid", r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b"),
        (
            "time",
            r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?(?!\w)",
        ),
        ("time", r"\b[A-Z][a-z]{2,8}, \d\d[ -][A-Z][a-z]{2}[ -]\d{2,4} \d\d:\d\d:\d\d GMT\b"),
        ("time", r"(?<![\w.-])[12]\d{9}(?:\d{3}){0,3}(?:\.\d+)?(?!\w)"),
        ("hex", r"(?i)(?<![\w-])[0-9a-f]{16,}(?![\w-])"),
        (
            "token",
            rf"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?!{_WORDS}(?![\w-]))[A-Za-z0-9_-]{{20,}}(?![\w-])",
        ),
        ("port", r"(?:\blocalhost|\b127(?:\.\d{1,3}){3}|\[::1\]):(\d{2,5})\b"),
    )
)


def parse_rules(lines: Iterable[str]) -> list[Rule]:
    """Read rules, each a line ``name: regular expression`` or ``name: $.path``.

    A name that ends in ``*`` is for values that may be the same by chance: it has no numbers.
    In a path, ``[*]`` is any element, ``.*`` any field, and ``..name`` a field anywhere below.

    Raises:
        PachinkoUsageError: A line that is none.
    """
    rules = []
    for line in lines:
        name, colon, pattern = (part.strip() for part in line.partition(":"))
        is_path = pattern.startswith("$")
        try:
            if not colon or not pattern or not re.fullmatch(r"[\w-]+\*?", name):
                raise ValueError("it is not NAME: REGEX")  # noqa: TRY301 - as a bad regex
            compiled = re.compile(_path(pattern) if is_path else pattern)
        except (ValueError, re.error) as error:
            raise PachinkoUsageError(
                f"{line!r} does not say what is volatile: {error}.\n"
                r"Hint: order: ORD-\d+   or by its place: order: $.items[*].id"
            ) from error
        rules.append(Rule(name, compiled, is_path))
    return rules


def _path(path: str) -> str:
    """Return a path as a regular expression."""
    pieces = {"[*]": r"\[\d+\]", "[...]": r"\[\d+\]", ".*": r"\.[^.\[]+", "..": r".*\."}
    return "".join(
        pieces.get(piece) or re.escape(piece)
        for piece in re.split(r"(\[\*\]|\[\.\.\.\]|\.\*|\.\.)", path)
    )


def named(trace: Trace, rules: Sequence[Rule] = ()) -> Trace:
    """Return a trace with volatile values called by name.

    Args:
        trace: The trace, also one of several connections.
        rules: What is volatile besides the usual.
    """
    return Namer(rules).trace(trace)


def holds(payload: str | bytes) -> tuple[bool, Any]:
    """Return whether a frame holds JSON, not too deep, and the data."""
    data = decode(payload)
    if data is payload:
        return False, payload
    level, depth = [data], 0
    while level:
        depth += 1
        level = [each for parent in level for each in _children(parent)]
    return (True, data) if depth <= DEEPEST else (False, payload)


def _children(data: Any) -> Iterable[Any]:
    if isinstance(data, dict):
        return data.values()
    return data if isinstance(data, list) else ()


class Namer:
    """Calls values by name, the same value by the same one in all that it is given.

    Args:
        rules: What is volatile besides the usual; they come first.
        together: Names that are not numbered, because whether two values are the same is by
            chance, as it is of two times.
    """

    def __init__(self, rules: Sequence[Rule] = (), together: Collection[str] = ()) -> None:
        self._paths = [rule for rule in rules if rule.is_path]
        self._rules = (*(rule for rule in rules if not rule.is_path), *_RULES)
        self._own = [rule for rule in rules if not rule.is_path]
        self._together = together
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def trace(self, trace: Trace) -> Trace:
        """Return a trace with volatile values called by name."""
        whole = trace[:]
        whole._records = [
            (direction, kind, self.payload(payload), time, order)
            for direction, kind, payload, time, order in whole._records
        ]
        return whole

    def payload(self, payload: Any) -> Any:
        """Return the payload of an event with volatile values called by name.

        A frame in which there is none is returned as it is.
        """
        if isinstance(payload, Handshake):
            pairs = [
                (name.encode("latin-1"), self.text(value).encode("latin-1"))
                for name in payload.headers
                for value in payload.headers.get_all(name)
            ]
            subprotocol = payload.subprotocol and self.text(payload.subprotocol)
            body = self._frame(payload.body)
            return payload._replace(subprotocol=subprotocol, headers=Headers(pairs), body=body)
        if isinstance(payload, Close):
            return payload._replace(reason=self.text(payload.reason))
        if isinstance(payload, Crash):
            return payload._replace(message=self.text(payload.message))
        return self._frame(payload)

    def _frame(self, payload: Any) -> Any:
        is_json, data = holds(payload)
        if not is_json:
            return self.text(payload) if isinstance(payload, str) else payload
        changed = self.data(data)
        if changed == data:
            return payload
        encoded = msgspec.json.encode(changed)
        return encoded.decode() if isinstance(payload, str) else encoded

    def data(self, data: Any, path: str = "$") -> Any:
        """Return JSON data with volatile values called by name."""
        for rule in self._paths:
            if data is not None and rule.pattern.fullmatch(path):
                return self._name(rule.name, msgspec.json.encode(data).decode())
        if isinstance(data, dict):
            return {
                self.text(key): self.data(value, f"{path}.{key}") for key, value in data.items()
            }
        if isinstance(data, list):
            return [self.data(value, f"{path}[{number}]") for number, value in enumerate(data)]
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, int | float) and not isinstance(data, bool):
            return self._number(data)
        return data

    def _number(self, number: float) -> Any:
        for rule in self._own:
            if rule.pattern.fullmatch(str(number)):
                return self._name(rule.name, str(number))
        if any(10**power <= number < 3 * 10**power for power in (9, 12, 15, 18)):
            return self._name("time", str(number))
        return number

    def text(self, text: str) -> str:
        """Return a text in which volatile values are called by name."""
        return "".join(self._pieces(text, self._rules))

    def _pieces(self, text: str, rules: Sequence[Rule]) -> Iterator[str]:
        for number, rule in enumerate(rules):
            end = 0
            for match in rule.pattern.finditer(text):
                start, stop = match.span(min(1, rule.pattern.groups))
                if stop > start >= end:
                    # What is before it, another rule may know; but none looks into a name.
                    yield from self._pieces(text[end:start], rules[number + 1 :])
                    yield self._name(rule.name, text[start:stop])
                    end = stop
            if end:
                yield from self._pieces(text[end:], rules[number + 1 :])
                return
        yield text

    def _name(self, name: str, value: str) -> str:
        if name in self._together or name.endswith("*"):
            return f"<{name.rstrip('*')}>"
        if (name, value) not in self._names:
            self._counts[name] = self._counts.get(name, 0) + 1
            self._names[name, value] = f"<{name}#{self._counts[name]}>"
        return self._names[name, value]
