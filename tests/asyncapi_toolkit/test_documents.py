"""Documents in the style of public WebSocket APIs, and documents that are broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

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


def test_a_document_that_is_loaded_has_no_problems() -> None:
    assert validate(load_document(good())) == []


@pytest.mark.parametrize(
    ("there", "hint"), [("chat.yaml", "; did you mean 'chat.yaml'?"), ("x", "")]
)
def test_a_file_that_is_not_there_is_named(tmp_path: Path, there: str, hint: str) -> None:
    (tmp_path / there).touch()

    with pytest.raises(PachinkoUsageError) as raised:
        load_document(tmp_path / "chta.yaml")

    first, _, _ = str(raised.value).partition("\n")
    assert first.endswith(f"chta.yaml{hint}")


ADVICE = """
asyncapi: 3.0.0
info: {{title: chat, version: {version}}}
channels:
  room:
    address: /
    messages: {{said: {said}}}
operations:
  say:
    action: {action}
    channel:
      $ref: {channel}
"""
SOUND = {"version": "'1'", "said": "{}", "action": "send", "channel": "'#/channels/room'"}


@pytest.mark.parametrize(
    ("mistake", "place", "advice"),
    [
        ({"channel": "#/channels/room"}, "#/operations/say/channel/$ref", "put the reference in"),
        ({"said": "'#/x'"}, "#/channels/room/messages/said", "is written $ref: '#/...'"),
        ({"version": "1.0"}, "#/info/version", "put it in quotes"),
        ({"action": "publish"}, "#/operations/say/action", "is receive for an application"),
        ({"action": "subscribe"}, "#/operations/say/action", "is send for an application"),
    ],
)
def test_a_mistake_that_is_easily_made_comes_with_advice(
    tmp_path: Path, mistake: dict[str, str], place: str, advice: str
) -> None:
    path = tmp_path / "asyncapi.yaml"
    path.write_text(ADVICE.format(**SOUND | mistake))

    (problem,) = validate(path)

    assert problem.place == place
    assert advice in problem.message


def test_another_mistake_comes_without_advice(tmp_path: Path) -> None:
    path = tmp_path / "asyncapi.yaml"
    path.write_text(ADVICE.format(**SOUND | {"action": "shout"}))

    (problem,) = validate(path)

    assert problem.message == "\"shout\" is none of 'send', 'receive'"


@pytest.mark.parametrize("given", [None, "\0"])
def test_what_is_no_file_is_a_mistake_of_the_test(given: object) -> None:
    with pytest.raises(PachinkoUsageError, match="is no AsyncAPI document that can be read"):
        load_document(given)  # type: ignore[arg-type]


def test_data_that_is_no_json_is_refused() -> None:
    assert validate({"asyncapi": "3.0.0", "info": {1, 2}})[0].message.startswith(
        "the document holds what JSON cannot"
    )


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({1: {}}, "#/channels/room/1"),
        ({"x-list": [{}, {None: 1}]}, "#/channels/room/x-list/1/None"),
        ({(1, 2): {}}, "#/channels/room/(1, 2)"),
    ],
)
def test_a_key_that_is_no_text_is_refused_with_its_place(more: Any, place: str) -> None:
    document = good()
    document["channels"]["room"] |= more

    (problem,) = validate(document)

    assert problem.place == place
    assert "has to be a string" in problem.message


def test_nothing_is_looked_for_below_a_key_that_is_no_text() -> None:
    document = good()
    document[1, 2] = {(3, 4): document}

    assert [problem.place for problem in validate(document)] == ["#/(1, 2)"]


def test_a_circle_in_data_is_refused() -> None:
    document = good()
    document["x-self"] = document

    (problem,) = validate(document)

    assert "Circular" in problem.message


def test_a_mapping_that_is_no_dict_is_taken() -> None:
    document = good() | {"info": MappingProxyType(good()["info"]), "x-more": ({}, ())}

    loaded = load_document(MappingProxyType(document))

    assert loaded.name == "chat"
    assert loaded.data["info"] == good()["info"]
    assert loaded.data["x-more"] == [{}, []]


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

    messages = dict(warned(document))

    assert "no messages" in messages["#/operations/onSay/messages"]


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


def test_a_pattern_that_is_too_large_for_python_is_refused() -> None:
    document = good()
    text = document["components"]["schemas"]["Said"]["properties"]["text"]
    text["pattern"] = "a{99999999999}"

    (problem,) = validate(document)

    assert "is no regular expression: the repetition number is too large" in problem.message


def test_a_pattern_that_is_nested_too_deeply_is_refused() -> None:
    document = good()
    text = document["components"]["schemas"]["Said"]["properties"]["text"]
    text["pattern"] = "(" * 5000 + ")" * 5000

    (problem,) = validate(document)

    assert problem.message.endswith("is no regular expression: it is nested too deeply")


def test_a_default_that_is_too_large_to_be_divided_does_not_fit() -> None:
    document = good()
    said = document["components"]["schemas"]["Said"]
    said["properties"]["text"] = {"multipleOf": 0.5, "default": 10**400}

    (problem,) = validate(document)

    assert problem.place == "#/components/schemas/Said/properties/text/default"
    assert "too large to be checked" in problem.message


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("typ", "string", "did you mean 'type'?"),
        ("maxlength", 5, "did you mean 'maxLength'?"),
        ("require", [], "did you mean 'required'?"),
        ("nullable", True, "write type: [..., 'null']"),
    ],
)
def test_a_keyword_that_is_none_is_a_warning(name: str, value: object, says: str) -> None:
    document = good()
    document["components"]["schemas"]["Said"][name] = value

    ((place, message),) = warned(document)

    assert place == f"#/components/schemas/Said/{name}"
    assert f"{name!r} is no keyword of JSON Schema, and means nothing" in message
    assert says in message


@pytest.mark.parametrize("name", ["x-format", "note", "unit", "color", "nullable", "example-id"])
def test_a_word_that_is_close_to_no_keyword_is_none(name: str) -> None:
    document = good()
    document["components"]["schemas"]["Said"][name] = False

    assert validate(document) == []


def test_a_property_is_no_keyword() -> None:
    document = good()
    document["components"]["schemas"]["Said"]["properties"]["typ"] = {"const": {"typ": 1}}

    assert validate(document) == []


def test_a_required_property_that_looks_like_another_one_is_a_warning() -> None:
    document = good()
    document["components"]["schemas"]["Said"]["required"].append("texts")

    ((place, message),) = warned(document)

    assert place == "#/components/schemas/Said/required/1"
    assert message == "'texts' is required, and is not in properties; did you mean 'text'?"


@pytest.mark.parametrize("names", [["user"], ["text", "texts"]])
def test_a_required_property_may_be_described_elsewhere(names: list[str]) -> None:
    document = good()
    document["components"]["schemas"]["Said"]["required"] += names

    assert validate(document) == []


def test_a_message_that_no_operation_has_is_a_warning() -> None:
    document = good()
    document["channels"]["room"]["messages"]["more"] = {}

    ((place, message),) = warned(document)

    assert place == "#/channels/room/messages/more"
    assert "no operation has the message 'more'" in message


@pytest.mark.parametrize("operations", [None, {}])
def test_messages_without_operations_are_a_warning(operations: Any) -> None:
    document = good()
    del document["operations"]
    if operations is not None:
        document["operations"] = operations

    ((place, message),) = warned(document)

    assert place == "#/operations"
    assert "nobody knows who sends which message" in message


def test_that_there_are_no_operations_is_told_of_a_file(tmp_path: Path) -> None:
    document = good()
    del document["operations"]
    path = tmp_path / "asyncapi.json"
    path.write_text(json.dumps(document, indent=1))

    (problem,) = validate(path)

    assert str(problem).startswith("line 1, #/operations: warning: there are no operations")


def test_a_channel_without_messages_needs_no_operations() -> None:
    document = good()
    del document["operations"]
    for channel in document["channels"].values():
        del channel["messages"]

    assert validate(document) == []


# What is allowed, though it is unusual.


def test_a_name_may_be_the_same_for_what_is_received_and_what_is_sent() -> None:
    document = good()
    document["components"]["messages"]["said"]["name"] = "say"

    assert validate(document) == []


def test_a_name_is_not_the_same_in_a_channel_that_nobody_uses() -> None:
    document = good()
    messages = {"a": {"name": "one"}, "b": {"name": "one"}, "c": {}}
    document["components"]["channels"] = {"spare": {"address": "/x", "messages": messages}}

    (problem,) = validate(document)

    assert problem.place == "#/components/channels/spare/messages/b"


@pytest.mark.parametrize("name", ["+1", "*", "(", "a(", "[x"])
def test_a_property_may_have_a_name_that_is_no_regular_expression(name: str) -> None:
    document = good()
    said = document["components"]["schemas"]["Said"]
    said["properties"][name] = {"type": "boolean", "default": True}

    assert validate(document) == []


def test_an_alternative_may_be_made_of_parts() -> None:
    document = good()
    payload = document["components"]["messages"]["said"]["payload"]
    schemas = document["components"]["schemas"]
    schemas["Gone"]["required"].remove("type")
    schemas["Tag"] = {"required": ["type"]}
    schemas["Mixed"] = {"allOf": [{"$ref": "#/components/schemas/Gone"}, True]}
    payload["oneOf"][1] = {
        "allOf": [{"$ref": "#/components/schemas/Mixed"}, {"$ref": "#/components/schemas/Tag"}]
    }

    assert validate(document) == []


def test_alternatives_made_of_parts_are_told_apart() -> None:
    document = good()
    payload = document["components"]["messages"]["said"]["payload"]
    payload["oneOf"][1] = {"allOf": [{"$ref": "#/components/schemas/Said"}]}

    (problem,) = validate(document)

    assert "'type' is 'said' in both" in problem.message


def test_a_discriminator_in_a_circle_is_looked_for_once() -> None:
    document = good()
    schemas = document["components"]["schemas"]
    schemas["Gone"]["allOf"] = [{"$ref": "#/components/schemas/Gone"}]

    assert any("consists of itself" in problem.message for problem in validate(document))


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


def test_a_reference_inside_of_a_schema_may_lead_through_another_one() -> None:
    document = good()
    document["components"]["schemas"]["100%"] = {
        "properties": {"id": {"$ref": "#/channels/room/messages/say/payload/properties/id"}},
        "examples": [{"id": 0}],
    }

    (problem,) = validate(document)

    assert problem.place == "#/components/schemas/100%/examples/0/id"


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


@pytest.mark.parametrize("draft", ["draft-04", "2020-12"])
@pytest.mark.parametrize(
    ("keyword", "value"), [("required", True), ("pattern", 5), ("allOf", 5), ("properties", 5)]
)
def test_a_schema_of_another_draft_is_built_as_it_says(
    draft: str, keyword: str, value: object
) -> None:
    schema = {
        "schemaFormat": f"application/schema+json;version={draft}",
        "schema": {keyword: value},
    }
    document = good()
    document["x-shared"] = {"payload": schema}
    document["channels"]["news"]["messages"]["item"] = {"$ref": "#/x-shared"}

    (problem,) = validate(document)

    assert problem.place == f"#/x-shared/payload/schema/{keyword}"


def test_a_schema_of_a_draft_that_is_not_known_is_left_alone() -> None:
    schema = {"schemaFormat": "application/schema+json;version=draft-00", "schema": {"pattern": 5}}
    document = good()
    document["channels"]["news"]["messages"]["item"]["payload"] = schema

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
