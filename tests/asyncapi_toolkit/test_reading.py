"""The text of a document as data: JSON, and YAML as JSON with another spelling."""

from __future__ import annotations

import sys

import pytest

from pytest_pachinko import PachinkoUsageError
from pytest_pachinko.asyncapi.reading import line_of
from pytest_pachinko.asyncapi.reading import read


def data(text: str) -> object:
    source = read(text.encode())
    assert source.problems == []
    return source.data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: -0x1F", {"a": "-0x1F"}),
        ("a: 0x1F", {"a": 31}),
        ("a: 0o17", {"a": 15}),
        ("a: 017", {"a": 17}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: .5", {"a": 0.5}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: true", {"a": True}),
        ("a: FALSE", {"a": False}),
        ("a: on", {"a": "on"}),
        ("on: no", {"on": "no"}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: 12:30:00", {"a": "12:30:00"}),
        ("4001: x", {"4001": "x"}),
        ("a: '5'", {"a": "5"}),
        ('a: "null"', {"a": "null"}),
        ("a: |\n  true", {"a": "true"}),
        ("a: [1, b]", {"a": [1, "b"]}),
        ("a: =", {"a": "="}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("d: {<<: [{a: 1}, {a: 2, b: 3}]}", {"d": {"a": 1, "b": 3}}),
        ('\ufeff{"a": 1}', {"a": 1}),
    ],
)
def test_yaml_is_read_by_the_core_schema(text: str, value: object) -> None:
    assert data(text) == value


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('{"a": 1,}', 1, "not JSON: "),
        ('{\n"a" 1}', 2, "not JSON: Expecting ':' delimiter, column 5"),
        ('{"a": NaN}', None, "NaN is no number there"),
        (f'{{"a": {"1" * 5000}}}', None, "not JSON that can be read"),
        ("a: b: c", 1, "not YAML: mapping values are not allowed"),
        ("a: [1}", 1, "not YAML: while parsing a flow sequence"),
        ("a: 1\n--- \nb: 2", 2, "not YAML: expected a single document"),
        ("a: \x07", None, "not YAML: "),
        ("a: 1\nb: &x [*x]", 2, "an alias (*) refers to what it is in"),
        ("? [a]\n: 1", 1, "a key is text in JSON"),
        ("a: !!binary aGk=", 1, "nothing for the tag !!binary"),
        ("a: !python/object {}", 1, "nothing for the tag !python/object"),
        ("a: !!set {b}", 1, "nothing for the tag !!set"),
        ("a: .inf", 1, "JSON has no number .inf"),
        (f"a: {'1' * 5000}", 1, "this number cannot be read"),
        ("a: {<<: 5}", 1, "<< merges a mapping"),
    ],
)
def test_what_is_no_document_is_refused_with_its_line(
    text: str, line: int | None, says: str
) -> None:
    source = read(text.encode())

    (problem,) = source.problems
    assert source.data is None
    assert problem.line == line
    assert says in problem.message


def test_what_is_no_utf_8_is_refused_with_its_line() -> None:
    (problem,) = read(b"a: 1\nb: \xff").problems

    assert problem.line == 2
    assert "not UTF-8" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "a: " + "[" * 5000 + "]" * 5000,
        "a: " + "[" * 100_000,
        "- " * 100_000 + "a",
    ],
)
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    (problem,) = read(text.encode()).problems

    assert "nested too deeply" in problem.message


def test_aliases_do_not_stand_for_more_than_anybody_can_read() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]

    (problem,) = read("\n".join(lines).encode()).problems

    assert "more than 1,000,000 values" in problem.message


@pytest.mark.parametrize("text", ['{"a": {"b": 1, "b": 2}}', "a:\n  b: 1\n  b: 2"])
def test_a_key_that_is_there_twice_is_a_problem(text: str) -> None:
    (problem,) = read(text.encode()).problems

    assert problem.place == "#/a/b"
    assert "twice" in problem.message


def test_a_key_that_is_there_twice_in_what_is_lost_is_told_once() -> None:
    (problem,) = read(b'{"a": [{"b": 1, "b": 2}], "a": [1]}').problems

    assert problem.place == "#/a"


def test_a_key_that_is_there_twice_in_a_list_has_its_place() -> None:
    (problem,) = read(b'{"a": [{"b": 1, "b": 2}]}').problems

    assert problem.place == "#/a/0/b"


def test_a_file_is_what_its_name_says() -> None:
    (problem,) = read(b"a: 1", as_json=True).problems

    assert "not JSON" in problem.message


def test_lines_are_those_of_keys_or_of_what_they_are_missing_in() -> None:
    text = "a:\n  b:\n  - x\n  - y\nc: 1"

    lines = line_of(text, [("a",), ("a", "b", 1), ("a", "b", 7), ("a", "z"), ("c", "x"), ()])

    assert lines == [1, 4, 2, 1, 5, 1]


def test_there_are_no_lines_in_what_is_no_yaml() -> None:
    assert line_of('{\t"a":\t1,\n\t"b": [}', [("a",)]) == [None]


def test_there_are_no_lines_in_nothing() -> None:
    assert line_of("", [()]) == [None]


def test_yaml_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(PachinkoUsageError, match=r"pip install 'falcon-pachinko\[asyncapi\]'"):
        read(b"a: 1")


def test_lines_without_the_package_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)

    assert line_of("{}", [()]) == [None]
