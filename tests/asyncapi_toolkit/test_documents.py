"""Documents in the style of public WebSocket APIs, and documents that are broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pytest_pachinko import Document
from pytest_pachinko import InvalidDocument
from pytest_pachinko import load_document
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Problem
from pytest_pachinko import validate
from tests.asyncapi_toolkit.broken import broken
from tests.asyncapi_toolkit.broken import good
from tests.asyncapi_toolkit.broken import Kind
from tests.asyncapi_toolkit.broken import KINDS

DOCUMENTS = sorted((Path(__file__).parent / "documents").iterdir())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_of_a_public_api_is_valid(path: Path) -> None:
    assert validate(path) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_is_loaded(path: Path) -> None:
    document = load_document(path)

    assert isinstance(document, Document)
    assert list(document.channels) == list(document.data["channels"])


def test_the_good_document_is_good() -> None:
    assert validate(good()) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_broken_document_is_refused_with_the_place(kind: Kind) -> None:
    problems = validate(broken(kind))

    assert [
        problem
        for problem in problems
        if problem.place == kind.place
        and kind.says in problem.message
        and problem.severity == "error"
    ], problems


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_one_mistake_is_not_told_many_times(kind: Kind) -> None:
    assert len(validate(broken(kind))) <= 2


def test_an_error_lists_all_problems_with_their_lines(tmp_path: Path) -> None:
    document = good()
    document["info"]["titlo"] = "x"
    document["operations"]["tell"]["action"] = "sent"
    path = tmp_path / "asyncapi.json"
    path.write_text(json.dumps(document, indent=1))

    with pytest.raises(InvalidDocument) as raised:
        load_document(path)

    title, first, second = str(raised.value).splitlines()
    assert title == f"{path} is no valid AsyncAPI 3 document: 2 errors"
    assert first == (
        "  line 14, #/info/titlo: there is no field 'titlo' here; did you mean 'title'?"
    )
    assert second.startswith('  line 118, #/operations/tell/action: "sent" is none of ')
    assert [problem.line for problem in raised.value.problems] == [14, 118]


def test_an_error_lists_no_more_than_somebody_reads() -> None:
    document = good()
    document["info"] |= {f"field_{number}": 1 for number in range(60)}

    with pytest.raises(InvalidDocument, match="… and 10 more"):
        load_document(document)


def test_a_document_that_is_loaded_is_taken_as_it_is() -> None:
    document = load_document(good())

    assert load_document(document) is document
    assert repr(document) == "<AsyncAPI document chat: 2 channels>"


def test_a_dict_without_a_title_has_a_name() -> None:
    with pytest.raises(InvalidDocument, match=r"^a dict is no valid"):
        load_document({"asyncapi": "3.0.0"})


def test_a_dict_with_an_info_that_is_none_has_a_name() -> None:
    with pytest.raises(InvalidDocument, match=r"^a dict is no valid"):
        load_document({"asyncapi": "3.0.0", "info": 5})


@pytest.mark.parametrize("given", ["nowhere.yaml", None, "\0"])
def test_what_is_no_file_is_a_mistake_of_the_test(given: object) -> None:
    with pytest.raises(PachinkoUsageError, match="is no AsyncAPI document that can be read"):
        load_document(given)  # type: ignore[arg-type]


def test_data_that_is_no_json_is_refused() -> None:
    assert validate({"asyncapi": "3.0.0", "info": {1, 2}})[0].message.startswith(
        "the document holds what JSON cannot"
    )


def test_a_document_that_is_nested_too_deeply_is_refused() -> None:
    schema: dict[str, object] = {}
    for _ in range(300):
        schema = {"properties": {"a": schema}}
    document = good()
    document["components"]["schemas"]["Deep"] = schema

    assert validate(document) == [Problem("#", "the document is nested too deeply to be checked")]


@pytest.mark.parametrize("name", ["openapi", "swagger"])
def test_a_document_of_another_specification_is_named(name: str) -> None:
    (problem,) = validate({name: "3.0.0"})

    assert f"it is a document of {name}" in problem.message


@pytest.mark.parametrize(("text", "what"), [("", "empty"), ("[]", "a list"), ("'x'", "a str")])
def test_what_is_no_object_is_no_document(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "asyncapi.yaml"
    path.write_text(text)

    (problem,) = validate(path)

    assert problem.message.startswith(f"the document is {what}, and has to be an object")


def test_a_problem_is_one_line() -> None:
    assert str(Problem("#/info", "what", "warning", 3)) == "line 3, #/info: warning: what"
    assert str(Problem("#/info", "what")) == "#/info: what"


# Warnings: the document means something all the same.


def warned(document: dict[str, object]) -> list[tuple[str, str]]:
    problems = validate(document)
    assert {problem.severity for problem in problems} == {"warning"}
    load_document(document)
    return [(problem.place, problem.message) for problem in problems]


def test_an_empty_list_of_messages_is_a_warning() -> None:
    document = good()
    document["operations"]["onSay"]["messages"] = []

    ((place, message),) = warned(document)

    assert place == "#/operations/onSay/messages"
    assert "no messages" in message


def test_what_is_beside_a_reference_is_a_warning() -> None:
    document = good()
    document["components"]["messages"]["say"]["payload"]["title"] = "Say"
    document["channels"]["room"]["messages"]["say"]["summary"] = "x"

    places = dict(warned(document))

    assert "'summary' beside $ref is ignored" in places["#/channels/room/messages/say"]
    assert "allOf" in places["#/components/messages/say/payload"]


def test_an_extension_beside_a_reference_is_none() -> None:
    document = good()
    document["channels"]["room"]["messages"]["say"]["x-more"] = 1

    assert validate(document) == []


def test_a_keyword_that_is_newer_than_draft_07_is_a_warning() -> None:
    document = good()
    document["components"]["schemas"]["Say"]["$defs"] = {"A": {}}

    ((place, message),) = warned(document)

    assert place == "#/components/schemas/Say/$defs"
    assert "write definitions" in message


def test_a_pattern_that_only_ecmascript_has_is_a_warning_and_is_not_checked() -> None:
    document = good()
    said = document["components"]["schemas"]["Said"]
    said["properties"]["text"]["pattern"] = r"^\p{L}+$"
    said["patternProperties"] = {r"^(?<name>x)\k<name>$": {"type": "integer"}}

    assert {place for place, _ in warned(document)} == {
        "#/components/schemas/Said/properties/text/pattern",
        r"#/components/schemas/Said/patternProperties/^(?<name>x)\k<name>$",
    }


# What is allowed, though it is unusual.


def test_two_channels_may_have_one_address_if_a_subprotocol_tells_them_apart() -> None:
    document = good()
    room = document["channels"]["room"]
    document["channels"]["room2"] = room | {"x-subprotocols": ["chat.v2"]}

    assert validate(document) == []


def test_two_channels_may_have_one_address_on_different_servers() -> None:
    document = good()
    document["servers"]["test"] = {"host": "localhost", "protocol": "ws"}
    document["channels"]["room2"] = document["channels"]["room"] | {
        "servers": [{"$ref": "#/servers/test"}]
    }

    assert validate(document) == []


def test_two_channels_may_have_one_address_with_other_values_of_a_parameter() -> None:
    document = good()
    document["channels"]["room2"] = document["channels"]["room"] | {
        "address": "/rooms/{other}",
        "parameters": {"other": {"enum": ["cup"]}},
    }

    assert validate(document) == []


def test_two_channels_may_have_one_address_with_other_values_of_the_query() -> None:
    document = good()
    for name, mode in (("news", "short"), ("news2", "long")):
        document["channels"][name] = document["channels"]["news"] | {
            "bindings": {
                "ws": {"query": {"type": "object", "properties": {"mode": {"const": mode}}}}
            }
        }

    assert validate(document) == []


def test_a_reference_may_lead_into_an_extension() -> None:
    document = good()
    document["x-shared"] = {"say": document["components"]["messages"]["say"]}
    document["channels"]["room"]["messages"]["say"] = {"$ref": "#/x-shared/say"}

    assert validate(document) == []


def test_a_reference_may_lead_through_another_one() -> None:
    document = good()
    document["channels"]["news"]["messages"]["item"] = {
        "headers": {"$ref": "#/channels/room/messages/say/payload/properties/id"},
        "payload": {"$ref": "#/channels/news/messages/item/headers"},
    }

    assert validate(document) == []


def test_a_reference_may_be_quoted() -> None:
    document = good()
    document["channels"]["room/1"] = document["channels"]["room"] | {"address": "/1/{room}"}
    document["operations"]["onSay"]["channel"] = {"$ref": "#/channels/room%7E11"}
    document["operations"]["onSay"] |= {
        "channel": {"$ref": "#/channels/room~11"},
        "messages": [{"$ref": "#/channels/room~11/messages/say"}],
        "reply": {"messages": [{"$ref": "#/channels/room~11/messages/said"}]},
    }

    assert validate(document) == []


def test_a_schema_in_another_language_is_left_alone() -> None:
    document = good()
    document["components"]["messages"]["said"] = {
        "payload": {
            "schemaFormat": "application/vnd.apache.avro;version=1.9.0",
            "schema": {"type": "string"},
        },
        "examples": [{"payload": 5}],
    }

    assert validate(document) == []


def test_a_dependency_may_be_a_list_of_names() -> None:
    document = good()
    document["components"]["schemas"]["Said"]["dependencies"] = {"text": ["type"]}

    assert validate(document) == []


def test_a_query_may_be_a_reference() -> None:
    document = good()
    document["components"]["schemas"]["Query"] = {"type": "object", "properties": {}}
    document["channels"]["room"]["bindings"]["ws"]["query"] = {"$ref": "#/components/schemas/Query"}

    assert validate(document) == []


def test_a_reply_may_be_shared_whatever_it_is_called() -> None:
    document = good()
    document["components"]["replies"] = {"reply": document["operations"]["onSay"]["reply"]}
    document["operations"]["onSay"]["reply"] = {"$ref": "#/components/replies/reply"}

    assert validate(document) == []


def test_a_discriminator_may_be_declared_beside_its_alternatives() -> None:
    document = good()
    payload = document["components"]["messages"]["said"]["payload"]
    payload |= {"required": ["type"], "properties": {"type": {"type": "string"}}}
    del document["components"]["schemas"]["Gone"]["required"]

    assert validate(document) == []


def test_a_discriminator_may_have_any_value() -> None:
    document = good()
    document["components"]["schemas"]["Gone"]["properties"]["type"] = True

    assert validate(document) == []


def test_a_correlation_id_may_be_in_what_lists_no_fields() -> None:
    document = good()
    say = document["components"]["messages"]["say"]
    say["correlationId"] = {"location": "$message.header#/trace/id"}
    say["headers"] = {"type": "object"}

    assert validate(document) == []


def test_a_correlation_id_may_be_the_payload() -> None:
    document = good()
    document["components"]["messages"]["say"]["correlationId"]["location"] = "$message.payload#"

    assert validate(document) == []


def test_places_in_lists_and_places_of_what_is_missing_have_lines(tmp_path: Path) -> None:
    document = good()
    document["info"]["tags"][1]["$ref"] = "#/components/tags/dead"
    path = tmp_path / "asyncapi.json"
    path.write_text(json.dumps(document, indent=1))
    (dangling,) = validate(path)
    document = good()
    del document["channels"]["room"]["parameters"]
    path.write_text(json.dumps(document, indent=1))
    (missing,) = validate(path)

    lines = path.read_text().splitlines()
    assert dangling.line == 11
    assert '"room": {' in lines[missing.line - 1]


def test_the_package_that_validates_is_named_if_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pytest_pachinko.asyncapi import official

    official._validator.cache_clear()
    monkeypatch.setitem(sys.modules, "jsonschema", None)

    with pytest.raises(PachinkoUsageError, match=r"pip install 'falcon-pachinko\[asyncapi\]'"):
        validate(good())


def test_a_document_of_many_messages_is_validated_soon() -> None:
    document = good()
    for number in range(200):
        key = f"m{number}"
        document["components"]["messages"][key] = {"payload": {"$ref": "#/components/schemas/Say"}}
        document["channels"]["news"]["messages"][key] = {"$ref": f"#/components/messages/{key}"}

    assert validate(document) == []
