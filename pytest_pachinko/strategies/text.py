"""Strategies for str: with a pattern, and with a length besides. Pure.

Hypothesis makes strings for a pattern, msgspec wants a length too. A string that is drawn without a
thought of its length hardly ever has one such as 64, so the quantifiers of the pattern are narrowed
first: ``^[0-9a-f]+$`` of length 64 is ``^[0-9a-f]{64}$``. What pads a pattern that is not anchored is
given the length that is missing.
"""

from __future__ import annotations

import importlib
import math
import re
from typing import NamedTuple
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from pytest_pachinko.strategies.guard import guarded
from pytest_pachinko.strategies.guard import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy
    from msgspec.inspect import StrType

__all__ = ["narrowed", "text", "width"]

# A frame is UTF-8, so no lone surrogates.
_ALPHABET = st.characters(codec="utf-8")

# The parser of `re` says how long a match can be; a canary test pins it.
_parse = importlib.import_module("re._parser").parse

_UNIT = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(?=\d|,)(\d*)(,?)(\d*)\})[?+]?")
_REFERENCE = re.compile(r"\\[1-9]|\(\?P=|\(\?\(")
_ENDLESS = _parse("x*").getwidth()[1]
_STARTS = ("^", r"\A")
_ENDS = ("$", r"\Z")
_ANCHORS = {*_STARTS, *_ENDS, r"\b", r"\B"}


class _Quantifier(NamedTuple):
    """How often a part of a pattern repeats.

    Attributes:
        start: Where it begins in the pattern.
        end: Where it ends.
        least: How often at least.
        most: How often at most.
        width: The length of what repeats.
    """

    start: int
    end: int
    least: int
    most: float
    width: int


def text(info: StrType, path: str) -> SearchStrategy[str]:
    """Make strings of a type that has a pattern.

    Args:
        info: What msgspec says of the type.
        path: What it is called in errors.

    Raises:
        PachinkoUsageError: There are none.
    """
    pattern = info.pattern or ""
    low, high = info.min_length or 0, math.inf if info.max_length is None else info.max_length
    lengths = f" of {_span(low, high)} characters" if (low, high) != (0, math.inf) else ""
    strategies = [
        _branch(branch, low, high) for branch in _branches(pattern) if _fits(branch, low, high)
    ]
    if not strategies:
        raise refuse(
            path,
            f"no string{lengths} matches pattern={pattern!r}.",
            "change the pattern or the length.",
        )
    strategy = st.one_of(strategies)
    if not lengths and _is_plain(pattern):
        return strategy
    wants = re.compile(pattern).search

    def check(value: str) -> str:
        if not low <= len(value) <= high or not wants(value):
            raise ValueError(value)
        return value

    complaint = refuse(
        path,
        f"hardly a string{lengths} is found that matches pattern={pattern!r}.",
        "write it without look-around and without anchors in its middle, or with fewer parts that "
        "repeat; or leave it to a class of its own and strategies.register_type().",
    )
    try:
        strategy.validate()
    except (InvalidArgument, NotImplementedError) as error:  # a part of it matches nothing at all
        raise complaint from error
    return guarded(strategy, check, complaint)


def _is_plain(pattern: str) -> bool:
    """Return whether Hypothesis makes strings of a pattern straight away, without trying."""
    if "(?" in pattern:
        return False
    for branch in _branches(pattern):
        units = [found.group() for found in _UNIT.finditer(branch)]
        inside = units[_starts(branch) : len(units) - _ends(branch)]
        if not _ANCHORS.isdisjoint(inside):
            return False
    return True


def _span(low: int, high: float) -> str:
    return f"{low} or more" if high == math.inf else f"{low} to {high}"


def _fits(branch: str, low: int, high: float) -> bool:
    least, most = width(branch)
    anchored = _starts(branch) and _ends(branch)
    # `$` also matches before a newline at the end.
    return least <= high and (not anchored or most + 1 >= low)


def _branch(branch: str, low: int, high: float) -> SearchStrategy[str]:
    starts, ends = _starts(branch), _ends(branch)
    if (low, high) == (0, math.inf):
        return st.from_regex(branch, alphabet=_ALPHABET)
    if starts and ends:
        tight = st.from_regex(narrowed(branch, low, high), alphabet=_ALPHABET)
        return tight.map(lambda value: value.removesuffix("\n") if len(value) > high else value)
    least, _ = width(branch)
    core = st.from_regex(narrowed(branch, 0, high), fullmatch=True, alphabet=_ALPHABET)
    missing = max(0, low - least)
    pads = [
        st.just("") if fixed else st.text(_ALPHABET, min_size=missing, max_size=missing + 8)
        for fixed in (starts, ends)
    ]

    def pad(parts: tuple[str, str, str]) -> str:
        before, value, after = parts
        room = max(0, high - len(value))
        after = after[: int(min(room, len(after)))]
        before = before[: int(min(room - len(after), len(before)))]
        return f"{before}{value}{after}"

    return st.tuples(pads[0], core, pads[1]).map(pad)


def _starts(branch: str) -> bool:
    return branch.startswith(_STARTS)


def _ends(branch: str) -> bool:
    units = [found.group() for found in _UNIT.finditer(branch)]
    return bool(units) and units[-1] in _ENDS


def width(pattern: str) -> tuple[int, float]:
    """Return how long a match of a pattern is, at least and at most."""
    least, most = _parse(pattern).getwidth()
    # What repeats without end has a length that no string has.
    return least, math.inf if most >= _ENDLESS else most


def _top_level(pattern: str) -> Iterator[tuple[int, int, str]]:
    """Cut a pattern into parts: where each starts and ends, and its text; groups are one part."""
    start = depth = 0
    for unit in _UNIT.finditer(pattern):
        depth += {"(": 1, ")": -1}.get(unit.group(), 0)
        if not depth:
            yield start, unit.end(), pattern[start : unit.end()]
            start = unit.end()


def _branches(pattern: str) -> list[str]:
    """Return the alternatives of a pattern; one that refers to its groups is not cut."""
    if _REFERENCE.search(pattern):
        return [pattern]
    cuts = [start for start, _, part in _top_level(pattern) if part == "|"]
    starts = [0, *(cut + 1 for cut in cuts)]
    return [pattern[start:end] for start, end in zip(starts, [*cuts, len(pattern)], strict=True)]


def _quantifiers(pattern: str) -> Iterator[_Quantifier]:
    """Find what repeats something of a fixed length, outside of groups."""
    skip = 0
    for start, end, part in _top_level(pattern):
        found = _QUANTIFIER.match(pattern, end)
        if start < skip or found is None:
            continue
        skip = found.end()
        try:
            shortest, longest = width(part)
        except re.error:  # refers to another group
            continue
        if shortest == longest > 0:
            yield _Quantifier(*found.span(), *_bounds(found), shortest)


def _bounds(quantifier: re.Match[str]) -> tuple[int, float]:
    simple = {"*": (0, math.inf), "+": (1, math.inf), "?": (0, 1)}
    if quantifier[0][0] in simple:
        return simple[quantifier[0][0]]
    least, comma, most = quantifier.groups()
    if not comma:
        return int(least), int(least)
    return int(least or 0), int(most) if most else math.inf


def narrowed(pattern: str, low: int, high: float) -> str:
    """Narrow the quantifiers of a pattern, so that what it matches is neither too short nor long.

    Args:
        pattern: The pattern, without alternatives outside of groups.
        low: The least length.
        high: The greatest length.
    """
    found = list(_quantifiers(pattern))
    shortest, _ = width(pattern)
    missing: float = max(0, low - shortest)
    room = high - max(low, shortest)
    tight = []
    for part in found:
        more = min(part.most - part.least, -(-missing // part.width))
        least = part.least + more
        missing = max(0, missing - more * part.width)
        most = min(part.most, least + room // part.width)
        tight.append((least, most))
    # From the end, so that what was found stays where it is.
    for part, (least, most) in zip(reversed(found), reversed(tight), strict=True):
        bounds = f"{{{int(least)},{'' if most == math.inf else int(most)}}}"
        pattern = f"{pattern[: part.start]}{bounds}{pattern[part.end :]}"
    return pattern
