"""Patterns: in JSON Schema's dialect, and texts that match them."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_pachinko.asyncapi.patterns import base64_of
from falcon_pachinko.asyncapi.patterns import ecma
from falcon_pachinko.asyncapi.patterns import sample


@pytest.mark.parametrize(
    ("python", "expected"),
    [
        (r"^\w+$", r"^\w+$"),
        (r"\Aa\Z", r"^a(?![\s\S])"),
        (r"(?P<x>a)(b)(?P=x)", r"(a)(b)(?:\1)"),
        (r"(a)\1", r"(a)(?:\1)"),
        (r"(?:a)(?=b)(?!c)(?<=d)(?<!e)", r"(?:a)(?=b)(?!c)(?<=d)(?<!e)"),
        ("a{,3}", "a{0,3}"),
        ("a{2,}b{3}", "a{2,}b{3}"),
        ("a{}", r"a\{\}"),
        ("a{,}", r"a\{,\}"),
        ("x]}{", r"x\]\}\{"),
        ("[]a]", r"[\]a]"),
        (r"[^]\-\b\][]", r"[^\]\-\x08\]\[]"),
        (r"\++a+b*?", r"\++a+b*?"),
        (r"\@\-\"\/", r'@-"\/'),
        (r"\x41\u00e9\U0001F600", r"\x41\u00e9😀"),
        (r"\0\012\101", r"\x00\x0a\x41"),
        (r"[\1\a]", r"[\x01\x07]"),
        ("(?#why)x", "x"),
        (r"^.\.[.]*?.$", r"^[^\n]\.[.]*?[^\n]$"),
        (r"(a)(?<=\1)b", r"(a)(?<=(?:\1))b"),
        (r"(?:(a)|b)(c)\2", r"(?:(a)|b)(c)(?:\2)"),
        (r"((a)){1,2}\2", r"((a)){1,2}(?:\2)"),
        (r"(?:(a)\1)*(?=(b))\2", r"(?:(a)(?:\1))*(?=(b))(?:\2)"),
    ],
)
def test_a_pattern_is_written_as_json_schema_has_it(python, expected):
    assert ecma(python) == expected


@pytest.mark.parametrize("pattern", ["(?i)a", "a++", "a{2}+", "(?>a)", r"\N{DIGIT ONE}"])
def test_what_json_schema_cannot_write_is_no_pattern(pattern):
    assert ecma(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        r"^(b)?\1$",
        r"(?:(a)|b)\1",
        r"(?P<x>a)*(?P=x)",
        r"(?:(a)*b\1)+",
        r"(?!(a))\1",
        r"(?<=([ab]){2})\1",
        r"(a*?)+\1",
    ],
)
def test_a_reference_to_what_may_not_have_matched_is_no_pattern(pattern):
    assert ecma(pattern) is None


@given(
    st.text("ab0-]^\\ .", max_size=6),
    st.sampled_from([r"^[a-c]+\d?$", r"(?P<one>[ab])(?P=one)", r"\A[^\]\\]*\Z", "(a|b){2,3}"]),
)
def test_a_pattern_that_is_written_anew_matches_the_same(text, pattern):
    written = ecma(pattern)

    assert bool(re.search(written, text)) == bool(re.search(pattern, text))


@given(
    st.binary(max_size=12),
    st.none() | st.integers(0, 6),
    st.none() | st.integers(6, 9),
    st.booleans(),
)
def test_base64_is_of_as_many_bytes_as_are_allowed(value, low, high, broken):
    text = base64.b64encode(value).decode() + ("\n" if broken else "")

    fits = (low or 0) <= len(value) and (high is None or len(value) <= high)

    assert bool(re.search(base64_of(low, high), text)) == (fits and not broken)


@pytest.mark.parametrize("length", [0, 3, 20])
@pytest.mark.parametrize(
    "pattern",
    [
        "^[a-z]+$",
        "^[0-9a-f]*$",
        r"\d",
        "^a+$|^b+$",
        r"^\w+@\w+\.[^a0]+$",
        r"^[^\w]\D\W\S\s*$",
        "^.[^a][^b](?P<x>c)*(?=d|)(?:[é-ü]+)$",
        "^(?>a+)[ -][^ -~é]+$",
        r"[\d]+[^\D]+[^0-9\s]+",
    ],
)
def test_a_sample_matches_its_pattern(pattern, length):
    found = sample(pattern, length)

    assert re.search(pattern, found)


def test_a_sample_is_as_long_as_it_has_to_be():
    assert len(sample("^[0-9a-f]+$", 64)) == 64


def test_a_set_of_nothing_that_is_tried_has_no_character():
    assert sample(r"[^\s\S]", 0) == ""
