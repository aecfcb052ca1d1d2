"""Reading a document: its references."""

import pytest

from falcon_pachinko.asyncapi.references import Document
from falcon_pachinko.asyncapi.references import pointer
from falcon_pachinko.errors import DocumentError


def read(**content):
    return Document({"asyncapi": "3.1.0", **content}, "file.json")


def test_a_reference_is_followed_to_its_end():
    document = read(
        components={"a/b": {"~": {"$ref": "#/components/list/1"}}, "list": [0, {"x": 1}]}
    )

    assert document.follow({"$ref": pointer("components", "a/b", "~")}) == {"x": 1}


def test_what_is_no_reference_is_itself():
    assert read().follow({"$ref": 3}) == {"$ref": 3}


def test_a_recursive_schema_is_no_circle():
    schema = {"properties": {"next": {"$ref": "#/components/schemas/Node"}}}

    assert read(components={"schemas": {"Node": schema}})


def test_references_that_lead_in_a_circle_are_an_error():
    schemas = {
        "A": {"$ref": "#/components/schemas/B"},
        "B": {"$ref": "#/components/schemas/A"},
    }

    with pytest.raises(
        DocumentError,
        match=r"at #/components/schemas/A: the references #/components/schemas/B -> "
        r"#/components/schemas/A -> #/components/schemas/B lead in a circle",
    ):
        read(components={"schemas": schemas})


@pytest.mark.parametrize("reference", ["other.json#/a", "https://x/y.json", "./a.yaml"])
def test_a_reference_out_of_the_file_is_an_error(reference):
    with pytest.raises(
        DocumentError, match=r"at #/channels/a: .* is outside of the file(.|\n)*bundle"
    ):
        read(channels={"a": {"$ref": reference}})


@pytest.mark.parametrize("reference", ["#/nowhere", "#/list/2", "#/list/x", "#/asyncapi/x"])
def test_a_reference_that_leads_nowhere_is_an_error(reference):
    with pytest.raises(DocumentError, match="leads nowhere, there is no"):
        read(list=[1, 2], components={"schemas": {"A": {"$ref": reference}}})


def test_a_reference_that_ends_nowhere_is_an_error():
    with pytest.raises(DocumentError, match="leads nowhere"):
        read(a={"$ref": "#/b"}, b={"$ref": "#/c"})


@pytest.mark.parametrize("key", ["const", "default", "enum", "examples"])
def test_data_is_no_reference(key):
    assert read(components={"schemas": {"A": {key: [{"$ref": "nowhere"}]}}})


def test_a_property_may_be_called_as_data_is():
    with pytest.raises(DocumentError, match="leads nowhere"):
        read(components={"schemas": {"A": {"properties": {"default": {"$ref": "#/x"}}}}})


@pytest.mark.parametrize("content", [None, [], "asyncapi", {"openapi": "3.1.0"}])
def test_what_is_no_document_is_an_error(content):
    with pytest.raises(
        DocumentError, match=r"file\.json is no AsyncAPI document(.|\n)*Hint: write one"
    ):
        Document(content, "file.json")


@pytest.mark.parametrize("version", ["2.6.0", 2.6, None])
def test_a_document_of_another_version_is_an_error(version):
    with pytest.raises(DocumentError, match="only version 3 can be read"):
        Document({"asyncapi": version}, "file.json")


def test_a_version_without_quotes_is_an_error_that_says_so():
    with pytest.raises(
        DocumentError, match=r'3\.0, which is a number(.|\n)*in quotes: .*"3\.0\.0"'
    ):
        Document({"asyncapi": 3.0}, "file.yaml")


def test_a_reference_may_be_percent_encoded():
    document = read(a={"$ref": "#/b/c%20d~1e"}, b={"c d/e": {"x": 1}})

    assert document.follow(document.content["a"]) == {"x": 1}


@pytest.mark.parametrize(
    ("content", "place"),
    [({"channels": []}, "#/channels"), ({"operations": {"x/y": 3}}, "#/operations/x~1y")],
)
def test_a_part_that_is_no_object_is_an_error(content, place):
    with pytest.raises(DocumentError, match=f"at {place}: this is no object"):
        read(**content)
