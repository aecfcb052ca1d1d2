"""Traces as JSON Lines, as Mermaid, and as a page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from pytest_pachinko import Accepted
from pytest_pachinko import FromApp
from pytest_pachinko import merged
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import ToApp
from pytest_pachinko import Trace
from pytest_pachinko.headers import Headers
from pytest_pachinko.trace import export
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Crash
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.explain import difference
from pytest_pachinko.trace.export import Comparison
from pytest_pachinko.trace.export import dump
from pytest_pachinko.trace.export import from_json
from pytest_pachinko.trace.export import html
from pytest_pachinko.trace.export import load
from pytest_pachinko.trace.export import mermaid
from pytest_pachinko.trace.export import to_json


class Say(msgspec.Struct, tag="say"):
    text: str


COOKIES = Headers([(b"set-cookie", b"a=1"), (b"x-room", b"t\xe9"), (b"set-cookie", b"b=2")])

EVENTS: list[tuple[Any, Any, Any]] = [
    ("from_app", "accepted", Handshake(101, "chat.v1", COOKIES)),
    ("from_app", "denied", Handshake(403, None, COOKIES, b"\xff\x00", 4403)),
    ("to_app", "text", '{"type":"say","text":"hi"}'),
    ("from_app", "text", "a lone \ud800, a line\u2028, \x00 and </script><!--"),
    ("to_app", "bytes", b"\xff\x00"),
    ("from_app", "bytes", bytearray(b"{}")),
    ("from_app", "raised", Crash("ValueError", "milk\nwas spilled")),
    ("to_app", "closed", Close(1000)),
    ("from_app", "closed", Close(4000, "bye")),
]


def trace_of(*events: tuple[Any, Any, Any], name: str = "/chat", types: Any = None) -> Trace:
    trace = Trace(name, types)
    for number, event in enumerate(events):
        trace.record(*event, number / 10)
    return trace


def told(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("event", trace_of(*EVENTS), ids=lambda event: event.kind)
def test_an_event_survives_its_way_through_json(event: Any) -> None:
    other = from_json(json.loads(json.dumps(to_json(event))))

    assert replace(other, payload=None) == replace(event, payload=None)
    assert other.payload == event.payload
    assert getattr(other.payload, "headers", Headers())._pairs == (
        getattr(event.payload, "headers", Headers())._pairs
    )


def test_json_lines_begin_with_what_they_are() -> None:
    assert told(dump(trace_of())) == [
        {"format": "pachinko-trace", "version": 1, "connection": "/chat"}
    ]


@pytest.mark.parametrize(
    ("event", "further"),
    [
        (EVENTS[0], {"status": 101, "subprotocol": "chat.v1", "body": "", "close_code": None}),
        (EVENTS[2], {"text": '{"type":"say","text":"hi"}'}),
        (EVENTS[4], {"base64": "/wA="}),
        (EVENTS[6], {"error": "ValueError", "message": "milk\nwas spilled"}),
        (EVENTS[8], {"code": 4000, "reason": "bye"}),
    ],
)
def test_a_line_says_everything_about_an_event(event: Any, further: dict[str, Any]) -> None:
    line = told(dump(trace_of(event)))[1]

    assert line | further == line
    assert {key: line[key] for key in ("index", "connection", "kind", "time")} == {
        "index": 0,
        "connection": "/chat",
        "kind": event[1],
        "time": 0.0,
    }


def test_the_lines_are_ascii() -> None:
    assert dump(trace_of(*EVENTS, name="/chât")).isascii()


def test_a_trace_is_loaded_as_it_was_dumped() -> None:
    trace = trace_of(*EVENTS)

    loaded = load(dump(trace))

    assert loaded == trace
    assert dump(loaded) == dump(trace)
    assert loaded.connection == "/chat"


def test_the_events_of_a_loaded_trace_keep_their_connections_and_places() -> None:
    whole = merged([trace_of(*EVENTS[:2], name="ann"), trace_of(*EVENTS[:1], name="bob")])

    loaded = load(dump(whole[1:]))

    assert [(event.index, event.connection) for event in loaded] == [(1, "ann"), (2, "bob")]
    assert loaded.of("bob") == [Accepted("chat.v1")]


def test_a_frame_of_a_mebibyte_is_dumped_whole() -> None:
    frame = "x" * 2**20

    assert load(dump(trace_of(("to_app", "text", frame))))[0].payload == frame


def test_lines_that_another_tool_has_written_are_loaded_too() -> None:
    text = dump(trace_of(("to_app", "text", "\u2028"))).replace("\\u2028", "\u2028")

    assert load(text.replace("\n", "\r\n")) == [ToApp("\u2028")]


def test_keys_of_a_later_version_are_ignored() -> None:
    data = to_json(trace_of(EVENTS[2])[0]) | {"colour": "red"}

    assert from_json(data).payload == '{"type":"say","text":"hi"}'


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "smell"}, "its kind is 'smell'"),
        ({"kind": "bytes", "base64": "?"}, "is no event of a trace: Error"),
        ({"kind": "bytes"}, "KeyError: 'base64'"),
        ({"kind": "denied", "headers": [1]}, "TypeError"),
        ({"kind": "denied", "headers": [["€", ""]]}, "UnicodeEncodeError"),
    ],
)
def test_what_is_no_event_is_said_to_be_none(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PachinkoUsageError, match=re.escape(words)):
        from_json(to_json(trace_of(EVENTS[2])[0]) | change)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Line 1 is no JSON"),
        ("{}", "This is no trace"),
        ("[]\n", "This is no trace"),
        ('{"format": "pachinko-trace", "version": 2}\n', "of version 2, and this reads version 1"),
        (dump(trace_of(*EVENTS))[:-5], "Line 10 is no JSON"),
        (dump(trace_of()) + "[1]\n", "[1] is no event of a trace"),
    ],
)
def test_what_is_no_trace_is_said_to_be_none(text: str, words: str) -> None:
    with pytest.raises(PachinkoUsageError, match=re.escape(words)):
        load(text)


def test_mermaid_draws_a_lane_for_each_connection() -> None:
    ann, bob = Trace("ann"), Trace("bob")
    ann.record("from_app", "accepted", Handshake(), 0.0)
    bob.record("from_app", "denied", Handshake(403), 0.0)
    ann.record("to_app", "text", "hi", 0.0)
    ann.record("from_app", "bytes", b"ho", 0.0)
    ann.record("from_app", "raised", Crash("ValueError", "milk"), 0.0)
    ann.record("to_app", "closed", Close(1000), 0.0)

    assert mermaid(merged([ann, bob])).splitlines() == [
        "sequenceDiagram",
        "    participant c0 as ann",
        "    participant c1 as bob",
        "    participant app as application",
        "    app-->>c0: [0] accepted",
        "    app-xc1: [1] denied 403",
        "    c0->>app: [2] text hi",
        "    app->>c0: [3] bytes b'ho'",
        "    Note over c0,app: [4] raised ValueError: milk",
        "    c0-xapp: [5] closed by peer 1000",
    ]


def test_mermaid_shows_the_last_events() -> None:
    lines = mermaid(trace_of(*EVENTS), limit=2).splitlines()

    assert lines[3] == "    Note over app: 7 earlier events"
    assert [line[:20] for line in lines[4:]] == ["    c0-xapp: [7] clo", "    app-xc0: [8] clo"]


def test_a_diagram_is_as_long_as_mermaid_accepts() -> None:
    traces = [trace_of(("to_app", "text", "<" * 200), name=f"{n}" + "<" * 200) for n in range(300)]

    text = mermaid(merged(traces))

    assert 10_000 < len(text) < 50_000
    assert text.count("->>") == 50
    assert "Note over app: 250 earlier events" in text


def test_mermaid_says_that_nothing_happened() -> None:
    assert mermaid(Trace("/")).endswith("Note over app: nothing crossed the wire\n")


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ('{"a":1}', '{"a":1}'),
        ("a;b#c", "a#59;b#35;c"),
        ("%%{init}%%", "#37;#37;{init}#37;#37;"),
        ("<b>```", "#60;b#62;#96;#96;#96;"),
        ("é\ud800\n", "#233;#92;ud800#92;n"),
        ("x" * 100, "x" * 68 + "..."),
    ],
)
def test_nothing_in_a_payload_means_something_to_mermaid(payload: str, shown: str) -> None:
    line = mermaid(trace_of(("to_app", "text", payload))).splitlines()[-1]

    assert line == f"    c0->>app: [0] text {shown}"


def data_of(page: str) -> Any:
    found = re.search('<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_a_page_has_all_events() -> None:
    trace = trace_of(*EVENTS)

    data = data_of(html(trace, "test_it"))

    assert [event["kind"] for event in data["events"]] == [event.kind for event in trace]
    assert data["lanes"] == ["/chat"]
    assert (data["title"], data["failed"], data["cut"]) == ("test_it", True, 0)


def test_a_page_says_which_message_a_frame_is() -> None:
    data = data_of(html(trace_of(EVENTS[2], types=(Say, None)), "test_it", failed=False))

    assert data["events"][0]["type"] == "Say"
    assert data["failed"] is False


@pytest.mark.parametrize("nasty", ["</script><script>alert(1)</script>", "<!--<script>", "\u2028"])
def test_nothing_in_a_trace_is_markup(nasty: str) -> None:
    harmless = html(trace_of(("to_app", "text", "")), "")

    page = html(
        trace_of(("to_app", "text", nasty), name=nasty),
        nasty,
        failure=nasty,
        comparison=Comparison(nasty, [nasty, "", nasty]),
    )

    assert page.count("<") == harmless.count("<")
    assert data_of(page)["events"][0]["text"] == nasty
    assert data_of(page)["title"] == nasty


def test_what_looks_like_a_slot_of_the_template_is_left_alone() -> None:
    page = html(trace_of(("to_app", "text", "{{title}}")), "{{data}}")

    assert data_of(page)["events"][0]["text"] == "{{title}}"
    assert "<title>{{data}}</title>" in page


def test_a_page_is_valid_utf8_whatever_it_holds() -> None:
    html(trace_of(*EVENTS, name="\ud800"), "\ud800").encode()


def test_a_page_may_run_its_own_script_and_nothing_else() -> None:
    page = html(Trace("/"), "test_it")

    policy = re.search('Content-Security-Policy" content="([^"]*)"', page)

    assert policy is not None
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    assert policy[1].startswith("default-src 'none'; base-uri 'none'; form-action 'none'; ")
    assert f"script-src 'sha256-{export._base64(sha256(script.encode()).digest())}'" in policy[1]
    assert "unsafe" not in policy[1]


def test_a_page_names_no_other_place() -> None:
    template = files("pytest_pachinko.trace").joinpath("viewer.html").read_text(encoding="utf-8")

    assert re.findall(r"https?://\S+", template) == ['http://www.w3.org/2000/svg",']
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", template)
    assert not re.search(r"\bsrc=|url\(|@import|fetch\(|XMLHttp", template)


def test_links_lead_to_files_beside_the_page() -> None:
    page = html(Trace("/"), "test_it", links={"a": "a b.jsonl", "b": "javascript:alert(1)"})

    assert data_of(page)["links"] == {"a": "./a%20b.jsonl", "b": "./javascript%3Aalert%281%29"}


def test_long_payloads_are_cut_on_a_page() -> None:
    frame = b"\x01" * 2**20
    headers = Headers([(b"x-long", b"x" * 2**17)])

    first, second = data_of(
        html(
            trace_of(
                ("to_app", "bytes", frame),
                ("from_app", "accepted", Handshake(101, headers=headers)),
            ),
            "test_it",
            failure="x" * 2**17,
        )
    )["events"]

    assert (len(first["base64"]), first["cut"], first["size"]) == (2**16, True, 2**20)
    assert len(second["headers"][0][1]) == 2**16


def test_of_very_much_payload_a_page_has_the_beginnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE_LIMIT", 1000)
    frame = ("to_app", "text", "x" * 1000)

    events = data_of(html(trace_of(frame, frame), "test_it"))["events"]

    assert [len(event["text"]) for event in events] == [1000, 256]
    assert [event.get("cut", False) for event in events] == [False, True]


def test_of_very_many_events_a_page_has_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "EVENT_LIMIT", 2)

    data = data_of(html(trace_of(*EVENTS), "test_it"))

    assert [event["index"] for event in data["events"]] == [7, 8]
    assert data["cut"] == 7


def compared(whole: Trace, trace: Trace, patterns: list[Any]) -> Any:
    lines = difference(trace, patterns)
    return data_of(html(whole, "test_it", comparison=Comparison(trace.connection, lines)))[
        "comparison"
    ]


def test_a_comparison_is_placed_among_the_events_of_all_connections() -> None:
    ann, bob = Trace("ann"), Trace("bob")
    for text in ("1", "2"):
        bob.record("to_app", "text", text, 0.0)
        ann.record("to_app", "text", text, 0.0)

    shown = compared(merged([ann, bob]), ann, [ToApp("1"), FromApp("3"), ToApp("2")])

    assert shown["verdict"][0] == "ann: the trace differs at event [1]"
    assert shown["lines"] == [
        ["", 1, "[0] → text 1"],
        ["-", -1, "expected  FromApp('3')"],
        ["", 3, "[1] → text 2"],
    ]


def test_a_comparison_of_all_connections_counts_all_events() -> None:
    ann = trace_of(("to_app", "text", "1"), name="ann")
    whole = merged([ann])

    assert compared(whole, whole, [])["lines"] == [["+", 0, "[0] → text 1"]]


def test_a_comparison_with_events_that_are_not_there_is_shown_without_their_places() -> None:
    comparison = Comparison("ann", ["ann differs", "", "+ [7] → text 1", "  … 3 more"])

    data = data_of(html(trace_of(name="ann"), "test_it", comparison=comparison))

    assert data["comparison"]["lines"] == [["+", -1, "[7] → text 1"], ["", -1, "… 3 more"]]


def test_a_comparison_may_have_a_verdict_alone() -> None:
    data = data_of(html(trace_of(), "test_it", comparison=Comparison("/", ["differs"])))

    assert data["comparison"] == {"verdict": ["differs"], "lines": []}
