"""Traces against an AsyncAPI document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from pytest_pachinko import assert_conforms
from pytest_pachinko import ContractViolated
from pytest_pachinko import load_document
from pytest_pachinko import MemoryTransport
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Trace
from pytest_pachinko.headers import Headers
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.event import Request
from tests.asyncapi_toolkit.broken import good

HERE = Path(__file__).parent / "documents"
CHAT = load_document(HERE / "chat.yaml")
MARKET = load_document(HERE / "market.json")
GATEWAY = load_document(HERE / "gateway.yaml")

SAID = {"type": "said", "id": 1, "user": "ann", "text": "hi", "at": "2024-05-01T12:30:00Z"}
TOKEN = b"token=12345678"


def trace(
    path: str | None,
    *frames: tuple[str, Any],
    query: bytes = b"",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    offered: tuple[str, ...] = (),
    chosen: str | None = None,
    status: int = 101,
) -> Trace:
    made = Trace("ann")
    if path is not None:
        made.request = Request(path, query, headers, offered)
    answer = Handshake(status, chosen, Headers())
    made.record("from_app", "accepted" if status == 101 else "denied", answer, 0.0)
    for arrow, payload in frames:
        text = payload if isinstance(payload, str | bytes) else json.dumps(payload)
        kind: Any = "bytes" if isinstance(text, bytes) else "text"
        made.record("to_app" if arrow == "→" else "from_app", kind, text, 0.0)
    made.record("to_app", "closed", Close(1000), 0.0)
    return made


def chat(*frames: tuple[str, Any], query: bytes = TOKEN) -> Trace:
    return trace("/rooms/tea", *frames, query=query)


def device(*frames: tuple[str, Any], **options: Any) -> Trace:
    usual = {"headers": ((b"x-firmware", b"1.2"),)}
    return trace("/tenants/t/devices/d/camera", *frames, **usual | options)


def refused(given: Any, document: Any, **options: Any) -> list[str]:
    """Return what the failure says below its first line, which is for summaries."""
    with pytest.raises(ContractViolated) as raised:
        assert_conforms(given, document, **options)
    return str(raised.value).splitlines()[1:]


def test_what_the_document_allows_conforms() -> None:
    assert_conforms(
        chat(
            ("→", {"type": "say", "nonce": "1", "text": "hi"}),
            ("→", b'{"type": "typing"}'),
            ("←", SAID),
            ("←", {"type": "presence", "event": "left", "user": "bob"}),
        ),
        CHAT,
    )


def test_a_failure_says_which_frame_and_why() -> None:
    lines = refused(chat(("←", SAID | {"id": "1"})), CHAT)

    assert lines[:4] == [
        f"ann: {HERE / 'chat.yaml'} does not allow what was said:",
        "  [1] ← text " + json.dumps(SAID | {"id": "1"}),
        "      channel room (/rooms/{room}): the application may send 'error', 'presence', 'said'",
        "      closest is 'said', #/components/messages/said:",
    ]
    (reason,) = lines[4:]
    assert reason == (
        '        $.id: "1" is a string, and has to be an integer '
        "(#/components/schemas/Said/properties/id/type)"
    )


def test_the_first_line_of_a_failure_is_its_cause() -> None:
    with pytest.raises(ContractViolated) as raised:
        assert_conforms(chat(("←", SAID | {"id": "1"})), CHAT)

    first, _, _ = str(raised.value).partition("\n")
    assert first == "← not 'said': $.id: \"1\" is a string, and has to be an integer"


def test_a_failure_has_its_violations() -> None:
    with pytest.raises(ContractViolated) as raised:
        assert_conforms(chat(("←", SAID), ("←", "no json")), CHAT)

    (violation,) = raised.value.violations
    assert (violation.index, violation.direction) == (2, "from_app")
    assert violation.where == "room (/rooms/{room})"


def test_the_closest_message_is_the_one_with_the_same_tag() -> None:
    lines = refused(chat(("→", {"type": "typing", "text": "", "nonce": ""})), CHAT)

    assert "closest is 'typing'" in lines[3]
    assert "there is no field 'text' here" in lines[4]


def test_reasons_are_bounded() -> None:
    lines = refused(chat(("←", {"type": "said"})), CHAT)

    assert lines[4:] == [
        f"        $: the field {name!r} is missing: add it (#/components/schemas/Said/required)"
        for name in ("id", "user", "text", "at")
    ]
    wrong = {f"x{n}": 1 for n in range(6)} | {"type": "typing"}
    assert refused(chat(("→", wrong)), CHAT)[-1] == "        … and 2 more"


def test_an_unknown_tag_names_those_that_there_are() -> None:
    lines = refused(chat(("←", {"type": "presence", "event": "gone", "user": "ann"})), CHAT)

    assert "$.event: \"gone\" is none of 'joined', 'left'" in lines[4]


def test_a_message_in_the_wrong_direction_is_recognized() -> None:
    lines = refused(chat(("←", {"type": "typing"})), CHAT)

    assert "it is 'typing', which the application may only receive" in lines[-1]


def test_a_message_of_the_application_from_the_test_is_recognized() -> None:
    lines = refused(chat(("→", SAID)), CHAT)

    assert "it is 'said', which the application may only send" in lines[-1]


@pytest.mark.parametrize(("arrow", "action"), [("→", "receive"), ("←", "send")])
def test_a_message_that_no_operation_has_is_recognized(arrow: str, action: str) -> None:
    document = good()
    document["channels"]["room"]["messages"]["ping"] = {"payload": {"const": "ping"}}

    lines = refused(trace("/rooms/tea", (arrow, '"ping"')), document)

    assert lines[-1].strip() == (
        "it is 'ping' of the channel, which no operation has: add one with the action "
        f"{action}, or add the message to one"
    )


def test_violations_are_bounded() -> None:
    lines = refused(chat(*[("←", "no json")] * 8), CHAT)

    assert lines[-1] == "  … and 3 more"


def test_a_test_may_send_what_is_not_allowed_on_purpose() -> None:
    assert_conforms(chat(("→", "no json"), ("←", SAID)), CHAT, strict=False)


def test_strict_is_the_default() -> None:
    assert "the test may send 'say', 'typing'" in refused(chat(("→", "no json")), CHAT)[2]


def test_a_reply_is_sent_the_other_way() -> None:
    assert_conforms(device(("→", {"ack": 1}), ("←", {"id": 1, "name": "reboot"})), GATEWAY)


def test_a_reply_may_be_on_a_channel_that_it_names() -> None:
    status = {"event": "subscriptionStatus", "status": "subscribed"}

    assert_conforms(trace("/", ("←", status), ("←", {"event": "pong"})), MARKET)


# The channel.


def test_a_path_of_no_channel_is_not_documented() -> None:
    lines = refused(trace("/room/tea"), CHAT)

    assert lines[1:] == [
        "  [0] ← accepted",
        "      channel /room/tea:",
        "        it was accepted, and no channel has an address that '/room/tea' matches",
        "        there are '/rooms/{room}'",
    ]


def test_a_channel_without_an_address_has_to_be_named() -> None:
    document = good()
    document["channels"]["news"]["address"] = None

    lines = refused(trace("/news"), document)

    assert lines[-1].strip() == (
        "'news' has no address: assert_conforms(trace, document, channel='news') means it"
    )


def test_a_path_is_the_fault_of_the_application() -> None:
    refused(trace("/room/tea"), CHAT, strict=False)


def test_a_refused_handshake_is_not_judged() -> None:
    assert_conforms(trace("/room/tea", status=403), CHAT)


def test_nothing_is_not_judged() -> None:
    assert_conforms(Trace("ann"), CHAT)


def test_a_connection_that_never_came_about_is_not_judged() -> None:
    made = Trace("ann")
    made.record("to_app", "closed", Close(1006), 0.0)

    assert_conforms(made, CHAT)


def test_the_path_of_a_server_may_stand_before_the_address() -> None:
    assert_conforms(trace("/v2/rooms/tea", query=TOKEN), CHAT)


def test_values_of_a_parameter_are_held() -> None:
    refused(trace("/tenants/t/devices/d/toaster", headers=((b"x-firmware", b"1.2"),)), GATEWAY)


def test_the_more_special_address_goes_first() -> None:
    document = good()
    document["channels"]["news"]["address"] = "/rooms/tea"

    assert_conforms(trace("/rooms/tea", ("←", "some news")), document)


def test_an_address_may_lack_its_slash() -> None:
    document = good()
    document["channels"]["news"]["address"] = "news"

    assert_conforms(trace("/news", ("←", "some news")), document)


def test_a_channel_may_be_named() -> None:
    assert_conforms(trace(None, ("←", {"event": "pong"})), MARKET, channel="public")


def test_a_channel_without_an_address_may_be_named() -> None:
    assert_conforms(trace("/x", ("→", b"\0")), GATEWAY, channel="firmware")


def test_a_channel_that_is_none_is_a_mistake() -> None:
    with pytest.raises(PachinkoUsageError, match="has no channel 'publik'; did you mean 'public'"):
        assert_conforms(trace(None), MARKET, channel="publik")


def test_a_trace_without_a_path_needs_a_channel() -> None:
    with pytest.raises(PachinkoUsageError, match="does not know the path"):
        assert_conforms(trace(None), MARKET)


def test_what_is_no_trace_is_a_mistake() -> None:
    with pytest.raises(PachinkoUsageError, match="5 is no trace"):
        assert_conforms(5, MARKET)


def test_of_a_channel_without_operations_messages_go_either_way() -> None:
    document = good()
    del document["operations"]["tell"]

    assert_conforms(trace("/news", ("←", "x"), ("→", "y")), document)


def test_a_channel_without_messages_says_so() -> None:
    lines = refused(trace("/news", ("→", "y")), good())

    assert lines[2] == "      channel news (/news): the test may send nothing"


def test_a_part_of_a_trace_is_judged() -> None:
    refused(chat(("←", SAID), ("←", "x"))[2:], CHAT)


def test_several_connections_are_told_apart() -> None:
    from pytest_pachinko import merged

    one, other = chat(("←", "x")), chat(("←", "y"))
    other.connection = "bob"

    lines = refused(merged([one, other]), CHAT)

    assert lines[0].startswith("ann, bob: ")
    frames = [line.split() for line in lines if "← text" in line]
    assert [(name, text) for name, _, _, _, text in frames] == [("ann", "x"), ("bob", "y")]


@pytest.mark.parametrize("path", ["/f/", "/f/a", "/f/a/b", "/f/a/b/"])
def test_a_parameter_of_the_path_converter_takes_the_rest(path: str) -> None:
    assert_conforms(trace(path), rest())


@pytest.mark.parametrize("path", ["/f", "/g/a"])
def test_a_parameter_of_the_path_converter_takes_no_more_than_the_rest(path: str) -> None:
    refused(trace(path), rest())


@pytest.mark.parametrize("converter", ["path", {"name": "int"}])
def test_a_parameter_of_another_converter_takes_a_part(converter: object) -> None:
    refused(trace("/f/a/b"), rest(converter))


def rest(converter: object = None) -> dict[str, Any]:
    document = good()
    document["channels"]["news"] |= {
        "address": "/f/{rest}",
        "parameters": {"rest": {"x-converter": converter or {"name": "path"}}},
    }
    return document


def test_a_rest_is_more_general_than_parts() -> None:
    document = rest()
    document["channels"]["parts"] = {
        "address": "/f/{a}/{b}",
        "parameters": {"a": {}, "b": {}},
        "messages": {"number": {"payload": {"type": "integer"}}},
    }

    assert_conforms(trace("/f/a/b", ("←", 5)), document)
    refused(trace("/f/a/b/c", ("→", 5)), document)


def test_an_address_may_be_percent_encoded() -> None:
    document = good()
    document["channels"]["news"]["address"] = "/%C3%BCber"

    assert_conforms(trace("/über", ("←", "x")), document)


def versions(path: str) -> Trace:
    return trace(f"{path}/news", ("←", "x"))


def test_variables_in_the_path_of_a_server_have_their_values() -> None:
    document = good()
    server = document["servers"]["dev"]
    server["pathname"] = "/{version}/{any}"
    server["variables"] |= {"version": {"$ref": "#/components/serverVariables/v"}, "any": {}}
    document["components"]["serverVariables"] = {"v": {"enum": ["v1", "v2"]}}

    assert_conforms(versions("/v2/x"), document)
    refused(versions("/v3/x"), document)


# The subprotocol.


def order(payload: object, **options: Any) -> Trace:
    return trace("/private", ("←", payload), **options)


def test_the_subprotocol_chooses_the_channel() -> None:
    assert_conforms(order({"order": "7"}, offered=("orders.v1",), chosen="orders.v1"), MARKET)


def test_the_subprotocol_excludes_the_others() -> None:
    lines = refused(order({"order": "7"}, offered=("orders.v2",), chosen="orders.v2"), MARKET)

    assert lines[2].startswith("      channel privateV2 (/private): ")


def test_what_is_spoken_counts_and_not_all_that_is_offered() -> None:
    offered = ("orders.v2", "orders.v1")

    assert_conforms(order({"order": "7"}, offered=offered, chosen="orders.v1"), MARKET)


def test_a_subprotocol_that_is_not_documented_is_refused() -> None:
    lines = refused(order({"order": "7"}, offered=("x",), chosen="x"), MARKET, strict=False)

    assert "the application chose the subprotocol 'x'" in lines[-1]
    assert "'orders.v2', 'orders.v1'" in lines[-1]


def test_without_a_subprotocol_all_channels_may_be_meant() -> None:
    assert_conforms(order({"order": "7"}), MARKET)


def test_a_subprotocol_may_be_an_extension() -> None:
    document = good()
    document["channels"]["news"]["x-subprotocol"] = "news.v1"

    refused(trace("/news", chosen="news.v2"), document)
    assert_conforms(trace("/news", chosen="news.v1"), document)


def test_a_channel_without_a_subprotocol_takes_any() -> None:
    assert_conforms(trace("/", chosen="x"), MARKET)


# The handshake.


def test_a_query_is_held() -> None:
    lines = refused(chat(query=b"token=123"), CHAT)

    assert lines[3] == (
        '        query $.token: "123" has 3 characters, and at least 8 are needed '
        "(#/channels/room/bindings/ws/query/properties/token/minLength)"
    )


def test_a_query_is_what_the_test_sends() -> None:
    assert_conforms(chat(query=b""), CHAT, strict=False)


@pytest.mark.parametrize("query", [b"&since=5", b""])
def test_numbers_in_a_query_are_numbers(query: bytes) -> None:
    assert_conforms(chat(query=TOKEN + query), CHAT)


@pytest.mark.parametrize("query", [b"&since=-1", b"&since=soon", b"&sinxe=5"])
def test_what_is_no_such_query_is_refused(query: bytes) -> None:
    refused(chat(query=TOKEN + query), CHAT)


def test_lists_and_booleans_in_a_query_are_such() -> None:
    assert_conforms(device(query=b"topics=temperature&topics=humidity&resume=true"), GATEWAY)
    refused(device(query=b"topics=pressure"), GATEWAY)


def test_a_list_in_a_query_may_be_of_anything() -> None:
    document = good()
    query = document["channels"]["room"]["bindings"]["ws"]["query"]
    query["properties"]["ids"] = {"type": "array", "minItems": 2}

    assert_conforms(trace("/rooms/tea", query=b"ids=1&ids=b"), document)


def asked(
    schema: Any, *, query: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = (), **more: Any
) -> list[str]:
    """Hold a handshake to a document of which a query or header ``a`` has a schema."""
    document = good()
    binding = {"type": "object", "properties": {"a": schema}, **more}
    document["components"]["schemas"] |= {"Int": {"type": "integer"}}
    which = "headers" if headers else "query"
    document["channels"]["news"]["bindings"] = {"ws": {which: binding}}
    try:
        assert_conforms(trace("/news", query=query, headers=headers), document)
    except ContractViolated as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, b"a=1", b"a=x"),
        ({"enum": [1, 2]}, b"a=1", b"a=3"),
        ({"enum": ["1", "2"]}, b"a=1", b"a=3"),
        ({"const": True}, b"a=true", b"a=false"),
        ({"allOf": [{"type": "integer"}]}, b"a=1", b"a=x"),
        ({"$ref": "#/components/schemas/Int"}, b"a=1", b"a=x"),
        (
            {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
            b"a=1&a=2",
            b"a=1&a=x",
        ),
        ({"type": "array", "items": {"type": "string"}}, b"a=1", None),
        ({"type": "array", "items": {"enum": [1, "x"]}}, b"a=1&a=x", b"a=1&a=y"),
        ({"type": "string", "maxLength": 2}, b"a=12", b"a=123"),
        ({"type": "integer"}, b"a=x&a=1", b"a=1&a=x"),
        ({}, b"a=1", None),
    ],
)
def test_a_query_is_what_fits_its_schema(schema: Any, right: bytes, wrong: bytes | None) -> None:
    assert asked(schema, query=right) == []
    assert wrong is None or asked(schema, query=wrong) != []


def test_a_number_in_a_query_that_is_wrong_is_one() -> None:
    lines = asked({"type": "integer", "minimum": 5}, query=b"a=1")

    assert "1 is less than the minimum of 5" in lines[-1]


def test_a_query_may_be_described_by_parts() -> None:
    parts = [{"properties": {"b": {"type": "integer"}}}, True]

    assert asked({}, query=b"a=1&b=1", allOf=parts) == []
    assert "$.b" in asked({}, query=b"a=1&b=x", allOf=parts)[-1]


@pytest.mark.parametrize(
    "more",
    [
        {"required": ["A"]},
        {"allOf": [{"required": ["A"]}], "additionalProperties": False},
        {"allOf": [{"properties": {"X-B": {"type": "integer"}}, "required": ["X-B"]}]},
    ],
)
def test_a_header_is_there_whatever_its_case_and_wherever_it_is_described(more: Any) -> None:
    assert asked({}, headers=((b"a", b"1"), (b"x-b", b"2")), **more) == []


def test_a_header_that_is_described_by_a_part_is_held() -> None:
    parts = [{"properties": {"X-B": {"type": "integer"}}}]

    assert "header $.X-B" in asked({}, headers=((b"x-b", b"x"),), allOf=parts)[-1]


def test_headers_are_held_whatever_their_case() -> None:
    assert_conforms(device(headers=((b"x-firmware", b"1.2"), (b"x-slots", b"3"))), GATEWAY)


@pytest.mark.parametrize(
    "headers", [(), ((b"x-firmware", b"1"),), ((b"x-firmware", b"1.2"), (b"x-slots", b"0"))]
)
def test_headers_that_are_not_allowed_are_refused(headers: Any) -> None:
    assert "header $" in refused(device(headers=headers), GATEWAY)[3]


def test_the_query_chooses_among_channels() -> None:
    document = good()
    for name, mode, kind in (("news", "short", "string"), ("news2", "long", "integer")):
        document["channels"][name] = {
            "address": "/news",
            "messages": {"item": {"payload": {"type": kind}}},
            "bindings": {
                "ws": {"query": {"type": "object", "properties": {"mode": {"const": mode}}}}
            },
        }

    assert_conforms(trace("/news", ("→", 5), query=b"mode=long"), document, channel=None)
    refused(trace("/news", ("←", 5), query=b"mode=short"), document)


# What frames hold.


@pytest.mark.parametrize(
    "payload",
    [
        {"t": 1.5, "values": ["C", 20]},
        b"\xff\xd8jpeg",
        b"\0" * 32,
        "INFO started",
        b"\x02avro",
    ],
)
def test_frames_hold_what_the_content_type_says(payload: object) -> None:
    assert_conforms(device(("→", payload)), GATEWAY)


def test_a_list_by_a_later_json_schema_is_held() -> None:
    lines = refused(device(("→", {"t": 1, "values": ["C", "20"]})), GATEWAY)

    assert any("$.values[1]" in line for line in lines)


def only(payload: dict[str, Any], frame: object, **more: Any) -> list[str]:
    """Hold a frame of the application to a document with one message."""
    document = good()
    document.pop("defaultContentType")
    document["channels"]["news"]["messages"] = {"item": {"payload": payload, **more}}
    try:
        assert_conforms(trace("/news", ("←", frame)), document)
    except ContractViolated as error:
        return str(error).splitlines()
    return []


def test_text_of_another_form_is_refused() -> None:
    lines = only({"type": "string", "pattern": "^(INFO|ERROR) "}, "hm", contentType="text/plain")

    assert "does not match the pattern" in lines[-1]


def test_binary_for_text_is_refused() -> None:
    lines = only({"type": "string"}, b"x", contentType="text/plain; charset=utf-8")

    assert "the frame is binary, and text/plain; charset=utf-8 is text" in lines[-1]


def test_text_for_binary_is_refused() -> None:
    lines = only({"type": "string"}, "x", contentType="image/png")

    assert "the frame is text, and image/png is binary" in lines[-1]


def test_what_is_no_json_is_refused() -> None:
    lines = only({}, "x", contentType="application/json")

    assert "the frame holds no application/json: JSON is malformed" in lines[-1]


def test_the_length_of_bytes_is_held() -> None:
    schema = {"type": "string", "maxLength": 3}

    assert only(schema, b"\xff\xfe\xfd", contentType="image/png") == []
    assert "has 4 characters" in only(schema, b"\xff" * 4, contentType="image/png")[-1]


@pytest.mark.parametrize("content_type", ["application/cbor", "application/x-protobuf"])
def test_bytes_that_hold_something_else_are_not_looked_at(content_type: str) -> None:
    assert only({"type": "object"}, b"\xa0", contentType=content_type) == []


@pytest.mark.parametrize("content_type", ["application/xml", "image/svg+xml", "application/yaml"])
def test_xml_and_yaml_are_text(content_type: str) -> None:
    assert only({"type": "string"}, "<a/>", contentType=content_type) == []


@pytest.mark.parametrize(
    ("schema", "frame"),
    [
        ({"type": "object"}, {}),
        ({"type": "object"}, b"{}"),
        ({"type": "string"}, "no json"),
        ({"type": "string"}, '"json"'),
        ({"type": "string"}, "5"),
        ({"type": "string", "maxLength": 2}, b"\xff"),
        ({"type": "object"}, b"\xff"),
    ],
)
def test_without_a_content_type_a_frame_may_be_json_or_text_or_bytes(
    schema: Any, frame: object
) -> None:
    assert only(schema, frame) == []


def test_without_a_content_type_text_is_held_to_the_schema() -> None:
    assert only({"type": "object"}, "no json") != []


def test_a_content_type_may_be_one_of_a_trait() -> None:
    traits = [{"contentType": "text/plain"}, {"contentType": "image/png"}, {}]

    assert "image/png is binary" in only({}, "x", traits=traits)[-1]


def test_a_message_without_a_payload_may_hold_anything() -> None:
    document = good()
    del document["channels"]["news"]["messages"]["item"]["payload"]

    assert_conforms(trace("/news", ("←", "x")), document)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("date-time", "2024-02-29T23:59:60+01:00", "2023-02-29T00:00:00Z"),
        ("date", "2024-02-29", "2024-W01-1"),
        ("time", "12:00:00Z", "12:00:00"),
        ("uuid", "12345678-1234-4678-9234-567812345678", "12345678123446789234567812345678"),
        ("ipv4", "127.0.0.1", "127.0.0"),
        ("ipv6", "::1", "::g"),
    ],
)
def test_formats_with_one_meaning_are_held(name: str, right: str, wrong: str) -> None:
    schema = {"type": ["string", "integer"], "format": name}

    assert only(schema, f'"{right}"', contentType="application/json") == []
    assert only(schema, "5", contentType="application/json") == []
    lines = only(schema, f'"{wrong}"', contentType="application/json")
    assert f"is not of the format {name}" in lines[-1]


def test_an_id_of_a_schema_does_not_change_what_references_mean() -> None:
    document = good()
    document["components"]["schemas"]["Said"]["$id"] = "https://example.com/said"
    document["components"]["schemas"]["Said"]["properties"]["text"] = {
        "$ref": "#/components/schemas/Say/properties/id"
    }

    lines = refused(trace("/rooms/tea", ("←", {"type": "said", "text": "x"})), document)

    assert "#/components/schemas/Say/properties/id/type" in lines[-1]


@pytest.mark.parametrize("name", ["+1", "*", "(", "a(", "[x"])
def test_a_property_whose_name_is_no_regular_expression_is_held(name: str) -> None:
    schema = {"properties": {name: {"type": "boolean"}}}

    assert only(schema, {name: True}, contentType="application/json") == []
    (line,) = only(schema, {name: 5}, contentType="application/json")[5:]
    assert f"$.{name}: 5 is an integer, and has to be a boolean" in line


@pytest.mark.parametrize(
    "value",
    [
        {"$id": "x"},
        {"pattern": "("},
        {"items": True, "additionalItems": 1},
        {"(": {}},
        [{"patternProperties": {"(": {}}}],
    ],
)
@pytest.mark.parametrize("keyword", ["const", "enum"])
def test_what_a_value_has_to_be_is_no_schema(keyword: str, value: object) -> None:
    schema = {keyword: value if keyword == "const" else [value]}

    assert only(schema, value, contentType="application/json") == []
    assert only(schema, {}, contentType="application/json") != []


@pytest.mark.parametrize("name", ["const", "enum", "default", "examples", "properties"])
def test_a_schema_is_one_whatever_its_message_is_called(name: str) -> None:
    document = good()
    schema = {"$id": "https://example.com/", "$ref": "#/components/schemas/Say/properties/id"}
    payload = {"$id": "https://example.com/", "properties": {"id": schema}}
    document["channels"]["news"]["messages"] = {name: {"payload": payload}}

    refused(trace("/news", ("←", {"id": "x"})), document)


def test_what_is_beside_a_reference_counts_in_a_later_json_schema() -> None:
    schema = {
        "$id": "https://example.com/",
        "$ref": "#/components/schemas/Gone",
        "properties": {"a": {"type": "integer"}, "b": {"pattern": r"\p{L}"}},
    }
    later = {"schemaFormat": "application/schema+json;version=2020-12", "schema": schema}

    lines = only(later, {"type": "gone", "a": "x", "b": ""}, contentType="application/json")

    assert [line.split()[0] for line in lines if "$." in line][1:] == ["$.a:"]


def test_there_are_no_other_items_where_all_are_described() -> None:
    schema = {"items": True, "additionalItems": {"type": "string"}}

    assert only(schema, [1], contentType="application/json") == []


def test_a_number_that_is_too_large_to_be_divided_does_not_fit() -> None:
    lines = only({"multipleOf": 0.5}, "1" * 401, contentType="application/json")

    assert "a number in it is too large to be checked" in lines[-1]


def test_a_schema_in_a_version_that_is_not_known_is_not_looked_at() -> None:
    schema = {"schemaFormat": "application/schema+json;version=draft-00", "schema": {"type": "x"}}
    document = load_document(good())
    document.data["channels"]["news"]["messages"]["item"]["payload"] = schema

    assert not document.schemas.is_known(("channels", "news", "messages", "item", "payload"))


def test_an_asyncapi_schema_is_a_draft_07() -> None:
    schema = {
        "schemaFormat": "application/vnd.aai.asyncapi+json;version=3.0.0",
        "schema": {"type": "string"},
    }

    assert only(schema, "5", contentType="application/json") != []


def test_no_more_frames_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pytest_pachinko import contract
    from pytest_pachinko.contract import Judge
    from pytest_pachinko.contract import parts_of

    monkeypatch.setattr(contract, "_REMEMBERED", 10)
    judge = Judge(MARKET)
    frames = [("←", {"event": "pong", "reqid": number}) for number in range(50)]

    (part,) = parts_of(trace("/", *frames))

    assert judge.judge(part).seen == {("public", "from_app", "pong"): 50}
    assert len(judge._known) <= 10


# Messages of misfits.


@pytest.mark.parametrize(
    ("schema", "value", "says"),
    [
        ({"minimum": 2}, 1, "1 is less than the minimum of 2"),
        ({"maximum": 0}, 1, "1 is more than the maximum of 0"),
        ({"exclusiveMinimum": 1}, 1, "1 has to be more than 1"),
        ({"exclusiveMaximum": 1}, 1, "1 has to be less than 1"),
        ({"multipleOf": 2}, 1, "1 is no multiple of 2"),
        ({"minItems": 2}, [1], "it has 1 items, and at least 2 are needed"),
        ({"maxItems": 0}, [1], "it has 1 items, and at most 0 are allowed"),
        ({"uniqueItems": True}, [1, 1], "an item is there twice"),
        ({"minProperties": 1}, {}, "it has 0 fields, and at least 1 are needed"),
        ({"maxProperties": 0}, {"a": 1}, "it has 1 fields, and at most 0 are allowed"),
        ({"maxLength": 1}, "ab", '"ab" has 2 characters, and at most 1 are allowed'),
        ({"enum": ["a"]}, "b", '"b" is not "a"'),
        ({"properties": {"a": False}}, {"a": 1}, "1 is there, and nothing is allowed there"),
        ({"oneOf": [{}, True]}, 1, "1 fits several alternatives of oneOf"),
        ({"contains": {"const": 1}}, [2], "None of [2] are valid under the given schema"),
        ({"not": {}}, "x" * 300, "x…"),
        (
            {"patternProperties": {"^x": {}}, "additionalProperties": False},
            {"xa": 1, "b": 1},
            "'b'",
        ),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "fits none of 2 alternatives"),
        ({"anyOf": [{"type": "string"}, {"type": "string"}]}, 1, "has to be a string"),
        ({"anyOf": [{"const": 1}, {"const": 2}]}, 3, "3 is none of 1, 2"),
        ({"anyOf": [{"minimum": 2}, {"type": "string"}]}, 1, "less than the minimum of 2"),
        ({"type": "integer"}, 1.5, "1.5 is a number, and has to be an integer"),
        ({"type": "integer"}, None, "null is null, and has to be an integer"),
        ({"type": "integer"}, True, "true is a boolean"),
        ({"type": "integer"}, {}, "{} is an object"),
    ],
)
def test_a_misfit_is_told_in_plain_words(schema: Any, value: object, says: str) -> None:
    lines = only(schema, json.dumps(value), contentType="application/json")

    assert any(says in line for line in lines), lines


def test_what_is_nested_too_deeply_does_not_fit() -> None:
    document = good()
    document["channels"]["news"]["messages"]["item"] = {"payload": {"$ref": "#/x-list"}}
    document["x-list"] = {"type": "array", "items": {"$ref": "#/x-list"}}

    lines = refused(trace("/news", ("←", "[" * 300 + "]" * 300)), document)

    assert "nested too deeply" in lines[-1]


# A Starlette application that has a document.


async def feed(websocket: Any) -> None:
    await websocket.accept()
    await websocket.send_json({"event": "heartbeat"})
    async for request in websocket.iter_json():
        if request["event"] == "ping":
            await websocket.send_json({"event": "pong", "reqid": request["reqid"]})
            continue
        for pair in request["pair"]:
            status = {"event": "subscriptionStatus", "pair": pair, "status": "subscribed"}
            await websocket.send_json(status)
            await websocket.send_json(["book", pair, {"bids": [["1.5", "2"]], "asks": []}])
            await websocket.send_json(["book-delta", pair, {"a": [["1.6", "1"]]}, 1])


@pytest.fixture
def exchange() -> MemoryTransport:
    return MemoryTransport(Starlette(routes=[WebSocketRoute("/", feed)]))


@pytest.mark.asyncio
async def test_a_starlette_application_is_held_to_its_document(exchange: MemoryTransport) -> None:
    async with exchange("/") as session:
        await session.receive()
        await session.send({"event": "ping", "reqid": 1})
        await session.receive()
        await session.send(
            {"event": "subscribe", "pair": ["XBT/EUR"], "subscription": {"name": "book"}}
        )
        for _ in range(3):
            await session.receive()

    assert len(session.trace) == 9
    assert_conforms(session, HERE / "market.json")


@pytest.mark.asyncio
async def test_a_mistake_of_a_starlette_application_is_found(exchange: MemoryTransport) -> None:
    async with exchange("/") as session:
        await session.receive()
        await session.send({"event": "ping", "reqid": "one"})
        await session.receive()

    (line,) = [each for each in refused(session.trace, MARKET, strict=False) if "$." in each]
    assert line.strip().startswith('$.reqid: "one" is a string, and has to be an integer')


def test_headers_may_have_constants_besides_the_subprotocol() -> None:
    document = good()
    headers = document["channels"]["room"]["bindings"]["ws"]["headers"]
    headers["properties"]["X-Name"] = {"const": "ann"}

    assert_conforms(trace("/rooms/tea", headers=((b"x-name", b"ann"),)), document)


def test_a_part_of_a_trace_without_its_answer_has_a_handshake() -> None:
    lines = refused(chat(("←", SAID), query=b"")[1:], CHAT)

    assert lines[1] == "  handshake"
