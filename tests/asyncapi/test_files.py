"""Documents as files."""

import itertools
import sys

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from falcon_pachinko.asyncapi.files import as_text
from falcon_pachinko.asyncapi.files import is_yaml
from falcon_pachinko.asyncapi.files import read
from falcon_pachinko.errors import DocumentError
from pytest_pachinko.asyncapi import reading

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])) | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1", min_size=1), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize("name", ["file.json", "file.yaml", "file.YML"])
def test_what_is_written_is_what_is_read(tmp_path_factory, name):
    path = tmp_path_factory.mktemp("files") / name

    @settings(deadline=None, max_examples=40)
    @given(st.dictionaries(st.text("ab1", min_size=1), JSON))
    def check(document):
        path.write_text(as_text(document, yaml=is_yaml(path)), encoding="utf-8")
        assert read(path) == document

    check()


def test_json_is_easy_to_read():
    assert as_text({"a": "é"}) == '{\n  "a": "é"\n}\n'


def test_yaml_has_no_aliases():
    same = {"x": 1}

    assert as_text({"b": same, "a": same}, yaml=True) == "b:\n  x: 1\na:\n  x: 1\n"


def test_a_date_in_yaml_is_a_text(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 2024-02-29\n4001: closed\n")

    assert read(tmp_path / "a.yaml") == {"a": "2024-02-29", "4001": "closed"}


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.json", "{", "a.json is not JSON: Expecting property name"),
        ("a.json", "a: 1", "is not JSON(.|\n)*YAML in .yaml"),
        ("a.yaml", "a: [", "a.yaml is not YAML: while parsing"),
        ("a.yaml", "&a [*a]", r"is not YAML: an alias \(\*\) refers to what it is in.*, line 1"),
        ("a.yaml", "!!python/object:os.system {}", "is not YAML: JSON has nothing for the tag"),
        ("a.yaml", "!!omap []", "is not YAML: JSON has nothing for the tag !!omap"),
        ("a.yaml", "{[1]: 2}", "is not YAML: a key is text in JSON, and here it is not, line 1"),
        ("a.yaml", "\na: !!binary aGk=", "is not YAML: .* the tag !!binary: remove it, line 2"),
        ("a.yaml", "a: .inf", "is not YAML: JSON has no number .inf, line 1"),
        ("a.yaml", "a: " + "1" * 5000, "is not YAML: this number cannot be read: .*, line 1"),
        ("a.yaml", "a: 1\nb: 2\na: 3", "is not YAML: the key 'a' is there twice.*, line 3"),
        ("a.yaml", "a: {<<: 1}", "is not YAML: << merges a mapping, and this is none, line 1"),
        ("a.yaml", "[" * 10_000, "is not YAML: .*recursion"),
        ("a.yaml", "--- 1\n--- 2", "is not YAML: expected a single document"),
        ("a.json", '{"b": 1, "a": 2, "a": 3}', "is not JSON: the key 'a' is there twice"),
        ("a.json", "[NaN]", "is not JSON: NaN is no number there"),
        ("a.json", "[" * 100_000, "is not JSON: .*recursion"),
    ],
)
def test_a_file_that_is_not_what_it_is_called_is_an_error(tmp_path, name, text, error):
    (tmp_path / name).write_text(text)

    with pytest.raises(DocumentError, match=error):
        read(tmp_path / name)


def test_a_directory_is_no_document(tmp_path):
    with pytest.raises(DocumentError, match=r"cannot be read(.|\n)*Hint: name a file"):
        read(tmp_path)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DocumentError, match=r"cannot be read(.|\n)*Hint: write it with"):
        read(tmp_path / "a.json")


def test_a_file_that_is_no_text_is_an_error(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff")

    with pytest.raises(DocumentError, match="cannot be read"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_is_no_json_is_an_error(value):
    with pytest.raises(DocumentError, match="cannot be written as JSON"):
        as_text({"a": value})


BOMB = "a: &a [1]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n"
    for old, new in itertools.pairwise("abcdefghi")
)


def test_aliases_that_stand_for_too_much_are_an_error(tmp_path):
    (tmp_path / "a.yaml").write_text(BOMB)

    with pytest.raises(DocumentError, match="its aliases stand for more than 1,000,000 values"):
        read(tmp_path / "a.yaml")


@pytest.mark.parametrize("text", ["1e3", "0o7", "012", "yes", "1:30", "~", "1_0", ".inf", "<<"])
def test_a_text_that_looks_like_something_else_is_written_as_a_text(tmp_path, text):
    (tmp_path / "a.yaml").write_text(as_text({text: text}, yaml=True))

    assert read(tmp_path / "a.yaml") == {text: text}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "enum: [yes, on, No, 012, 1:30, 0o17, 0x1F, +1, 1_000, 0b1, '', 'null']"),
        ("a.yaml", "[~, null, Null, true, TRUE, false, .5, 1., 1e3, -2.5E-1, 2024-02-29, =]"),
        ("a.yaml", "{1: a, yes: b, null: c, 0x1: d, 2024-02-29: e}"),
        ("a.yaml", "{a: &a [1, {b: 2}], c: *a, d: *a, e: }"),
        ("a.yaml", "{a: &a {x: 1, y: 1}, b: {y: 2, <<: *a}, c: {<<: [{x: 3}, *a], '<<': 4}}"),
        ("a.yaml", "!!str 1"),
        ("a.yaml", "|\n  012\n"),
        ("a.yaml", ""),
        ("a.yaml", "\ufeffa: 1"),
        ("a.json", '\ufeff{"a": [1, 1.5, null, true, "é"]}'),
        # What both refuse.
        ("a.yaml", "{a: 1, a: 2}"),
        ("a.yaml", "{a: 1, 'a': 2}"),
        ("a.yaml", "&a [*a]"),
        ("a.yaml", "[.nan]"),
        ("a.yaml", "!mine 1"),
        ("a.yaml", "{<<: [1]}"),
        ("a.yaml", BOMB),
        ("a.json", '{"a": 1, "a": 2}'),
        ("a.json", "[Infinity]"),
    ],
)
def test_the_toolkit_reads_a_file_in_the_same_way(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    theirs = reading.read((tmp_path / name).read_bytes(), as_json=name == "a.json")

    if theirs.problems:
        with pytest.raises(DocumentError):
            read(tmp_path / name)
    else:
        assert repr(read(tmp_path / name)) == repr(theirs.data)


def test_a_yaml_file_is_not_blamed_for_a_missing_package(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text("a: 1")
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(DocumentError, match=r"^YAML needs the package PyYAML"):
        read(tmp_path / "a.yaml")


def test_yaml_without_its_package_is_an_error_that_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(DocumentError, match=r"pip install 'falcon-pachinko\[asyncapi\]'"):
        as_text({}, yaml=True)
