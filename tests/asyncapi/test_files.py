"""Documents as files."""

import sys

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from falcon_pachinko.asyncapi.files import as_text
from falcon_pachinko.asyncapi.files import is_yaml
from falcon_pachinko.asyncapi.files import read
from falcon_pachinko.errors import DocumentError

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
        ("a.yaml", "&a [*a]", "is not YAML: Circular reference"),
        (
            "a.yaml",
            "!!python/object:os.system {}",
            "is not YAML: could not determine a constructor",
        ),
        ("a.yaml", "{[1]: 2}", "is not YAML: .*"),
        ("a.yaml", "a: !!binary aGk=", "is not YAML: Object of type bytes"),
        ("a.json", "[" * 100_000, "is not JSON: .*recursion"),
    ],
)
def test_a_file_that_is_not_what_it_is_called_is_an_error(tmp_path, name, text, error):
    (tmp_path / name).write_text(text)

    with pytest.raises(DocumentError, match=error):
        read(tmp_path / name)


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


def test_yaml_without_its_package_is_an_error_that_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(DocumentError, match=r"pip install 'falcon-pachinko\[asyncapi\]'"):
        as_text({}, yaml=True)
