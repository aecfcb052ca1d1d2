"""What tests say on the wire, kept in files, and what is different later."""

from __future__ import annotations

import json
import random
import time
import uuid
from fnmatch import fnmatchcase
from typing import Any
from typing import TYPE_CHECKING

import pytest

from pytest_pachinko import Headers
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Trace
from pytest_pachinko.baseline import _align
from pytest_pachinko.baseline import Baseline
from pytest_pachinko.baseline import changes
from pytest_pachinko.baseline import covers
from pytest_pachinko.baseline import dump
from pytest_pachinko.baseline import FARTHEST
from pytest_pachinko.baseline import load
from pytest_pachinko.baseline import LONGEST
from pytest_pachinko.baseline import render
from pytest_pachinko.baseline import summary
from pytest_pachinko.baseline import wire
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Crash
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.naming import parse_rules

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = (str(uuid.UUID(int=number, version=4)) for number in (1, 2))

SAY = {"type": "say", "text": "hi"}
SAID = {"type": "said", "text": "hi", "user": "ann"}


def trace_of(*events: Any, name: str = "/", time: float = 0.0) -> Trace:
    """Make a trace: ``("<", data)`` is sent by the application, ``(">", data)`` by the peer."""
    trace = Trace(name)
    for event in events:
        if isinstance(event, Handshake):
            trace.record("from_app", "accepted" if event.status == 101 else "denied", event, time)
            continue
        arrow, payload = event
        direction: Any = "to_app" if arrow == ">" else "from_app"
        if isinstance(payload, Close):
            trace.record(direction, "closed", payload, time)
        elif isinstance(payload, Crash):
            trace.record(direction, "raised", payload, time)
        elif isinstance(payload, bytes):
            trace.record(direction, "bytes", payload, time)
        else:
            frame = payload if isinstance(payload, str) else json.dumps(payload)
            trace.record(direction, "text", frame, time)
    return trace


def differ(before: Any, after: Any) -> list[str]:
    """Compare two conversations on one connection."""
    return changes(wire([trace_of(*before)]), wire([trace_of(*after)]))


def said(*events: Any, name: str = "/") -> str:
    return render(wire([trace_of(*events, name=name)]))


def answer(status: int = 101, subprotocol: Any = None, body: bytes = b"", **headers: str) -> Any:
    pairs = [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in headers.items()]
    return Handshake(status, subprotocol, Headers(pairs), body)


# What a test says.


def test_a_conversation_is_a_text_that_can_be_read() -> None:
    text = said(
        Handshake(), (">", SAY), ("<", SAID), (">", "plain"), ("<", b"\x00\x01"), (">", Close(1000))
    )

    assert text == (
        '  "/"\n'
        "    ← accepted\n"
        '    → json {"type": "say", "text": "hi"}\n'
        '    ← json {"type": "said", "text": "hi", "user": "ann"}\n'
        '    → text "plain"\n'
        '    ← bytes "AAE="\n'
        '    → closed {"code": 1000}\n'
    )


def test_an_answer_to_a_handshake_says_what_the_application_chose() -> None:
    chosen = answer(subprotocol="chat.v1", x_room="tea", date="Wed, 21 Oct 2015 07:28:00 GMT")

    assert wire([trace_of(chosen)])["/"][0].value == {
        "subprotocol": "chat.v1",
        "headers": {"x-room": "tea"},
    }


def test_a_header_that_is_sent_twice_is_there_twice() -> None:
    chosen = Handshake(101, None, Headers([(b"x-room", b"tea"), (b"x-room", b"milk")]))

    assert wire([trace_of(chosen)])["/"][0].value == {"headers": {"x-room": ["tea", "milk"]}}


def test_a_denial_says_why() -> None:
    assert wire([trace_of(answer(403, body=b'{"title": "no"}'))])["/"][0].value == {
        "status": 403,
        "body": {"title": "no"},
    }
    assert wire([trace_of(answer(400, body=b"th\xe9"))])["/"][0].value["body"] == "th\\xe9"


def test_bytes_that_hold_json_are_told_from_text() -> None:
    assert [line.kind for line in wire([trace_of((">", b"[1]"), (">", "[1]"))])["/"]] == [
        "json bytes",
        "json",
    ]


def test_a_close_keeps_its_reason() -> None:
    assert '← closed {"code": 4408, "reason": "idle"}' in said(("<", Close(4408, "idle")))


def test_what_the_application_raised_was_not_on_the_wire() -> None:
    assert said(("<", Crash("ValueError", "milk"))) == said()


def test_secrets_are_not_kept() -> None:
    text = said(answer(set_cookie="id=s3cret"), (">", {"type": "login", "password": "s3cret"}))

    assert "s3cret" not in text
    assert text.count("<redacted>") == 2


def test_what_differs_in_each_run_is_not_kept() -> None:
    text = said(("<", {"id": ONE, "at": "2026-05-01T10:00:00Z", "port": "localhost:5123"}))

    assert '{"id": "<uuid#1>", "at": "<time>", "port": "localhost:<port#1>"}' in text


def test_rules_say_what_else_differs_in_each_run() -> None:
    connections = wire([trace_of(("<", "order 17"))], parse_rules([r"order: \d+"]))

    assert connections["/"][0].value == "order <order#1>"


def test_ids_in_names_of_connections_are_not_kept() -> None:
    assert list(wire([trace_of(name=f"/rooms/{ONE}"), trace_of(name=f"/rooms/{TWO}")])) == [
        "/rooms/<uuid#1>",
        "/rooms/<uuid#2>",
    ]


def test_connections_of_one_name_are_numbered() -> None:
    times = [trace_of(name=f"at {at}") for at in (1_700_000_000, 1_700_000_001, 1_700_000_002)]

    assert list(wire(times)) == ["at <time>", "at <time> #2", "at <time> #3"]


@pytest.mark.parametrize("frame", ["x" * (LONGEST + 1), b"\xff" * (LONGEST + 1)])
def test_of_a_long_frame_the_digest_is_kept(frame: Any) -> None:
    line = wire([trace_of((">", frame))])["/"][0]

    assert line.value["length"] == LONGEST + 1
    assert len(line.value["sha256"]) == 64
    assert differ([(">", frame)], [(">", frame)]) == []
    assert "$.sha256 was" in differ([(">", frame)], [(">", frame[:-1] + frame[:1] * 2)])[0]


@pytest.mark.parametrize(
    "frame",
    [
        "\n",
        "two\nlines\r\n\x85\u2028",
        "\x1b[31m",
        "\x9b31m",
        "\ud800",
        "\U000e0001",
        "  indented",
        "# comment",
        "",
        "grüße ☕",
        {"\n": "\u2028"},
        [],
        1.5,
        b"",
        b"\xff\n",
        "[" * 100_000,
        '{"a":' * 1000 + "1" + "}" * 1000,
    ],
)
def test_any_frame_survives_a_file(frame: Any, tmp_path: Path) -> None:
    text = said((">", frame), name="/\n☕")
    baseline = Baseline(tmp_path)
    baseline.save({"test_it.py::test_it": text}, lambda name: False)

    again = Baseline(tmp_path)

    assert again.tests == {"test_it.py::test_it": text}
    assert again.compare({"test_it.py::test_it": text}, lambda name: False) == {}
    assert all(character.isprintable() for character in text.replace("\n", ""))


# Differences.


def test_the_same_is_no_change() -> None:
    assert differ([Handshake(), (">", SAY)], [Handshake(), (">", SAY)]) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            [(">", SAY)],
            [(">", SAY), ("<", SAID)],
            ["/: new tag: ← json {*}   after → json {*}"],
        ),
        (
            [("<", {"type": "hello"}), ("<", SAID)],
            [("<", SAID)],
            ['/: missing tag: ← json {"type": "hello"}'],
        ),
        (
            [(">", SAY), ("<", SAID), (">", SAY), ("<", SAID)],
            [(">", SAY), ("<", SAID), (">", SAY)],
            ["/: missing reply: ← json {*}   after → json {*}"],
        ),
        ([(">", SAY), (">", SAY)], [(">", SAY)], ["/: missing message: → json {*}"]),
        ([("<", SAID)], [("<", SAID), ("<", SAID)], ["/: extra frame: ← json {*}"]),
        ([("<", "a")], [("<", "a"), ("<", "b")], ['/: extra frame: ← text "b"']),
        ([("<", [1]), ("<", "b")], [("<", [1])], ['/: missing reply: ← text "b"']),
        (
            [("<", "a"), ("<", "b"), ("<", "c")],
            [("<", "b"), ("<", "c"), ("<", "a")],
            ['/: changed order: ← text "a" comes later'],
        ),
        (
            [("<", "a"), ("<", "b"), ("<", "c")],
            [("<", "c"), ("<", "a"), ("<", "b")],
            ['/: changed order: ← text "c" comes earlier'],
        ),
        (
            [("<", SAID)],
            [("<", SAID | {"user": "Ann"})],
            ['/: changed ← said: $.user was "ann", is "Ann"'],
        ),
        (
            [("<", {"type": "said", "old": 1, "n": [1, 2]})],
            [("<", {"type": "said", "new": None, "n": [1, 3]})],
            [
                "/: changed ← said: $.old is gone: 1, $.n[[]1] was 2, is 3, $.new is new: null",
            ],
        ),
        ([("<", "a")], [("<", "b")], ['/: changed ← text: $ was "a", is "b"']),
        ([("<", [1])], [("<", [1.0])], ["/: changed ← json: was ← json [[]1], is ← json [[]1.0]"]),
        ([("<", [1])], [("<", [True])], ["/: changed ← json: $[[]0] was 1, is true"]),
        ([("<", {"n": 1})], [("<", {"n": 2})], ["/: changed ← json: $.n was 1, is 2"]),
        (
            [("<", {"kind": "a", "type": 1})],
            [("<", {"kind": "a", "type": 2})],
            ["/: changed ← a: $.type was 1, is 2"],
        ),
        ([("<", "[1]")], [("<", b"[1]")], ["/: extra frame: ← json bytes *", "/: missing reply*"]),
        (
            [(">", Close(1000))],
            [(">", Close(1001))],
            ["/: changed close: $.code was 1000, is 1001"],
        ),
        (
            [("<", Close(1000))],
            [("<", Close(1000, "bye"))],
            ['/: changed close: $.reason is new: "bye"'],
        ),
        (
            [(">", Close(1000))],
            [("<", Close(1000))],
            ['/: changed close: was → closed {"code": 1000}, is ← closed {"code": 1000}'],
        ),
        ([(">", Close(1000))], [], ['/: changed close: was → closed {"code": 1000}, is none']),
        (
            [answer(subprotocol="v1")],
            [answer(subprotocol="v2", x_room="tea")],
            [
                '/: changed handshake: $.subprotocol was "v1", is "v2", $.headers is new: {"x-room": "tea"}'
            ],
        ),
        (
            [answer()],
            [answer(403)],
            ['/: changed handshake: was ← accepted, is ← denied {"status": 403}'],
        ),
        ([answer(403)], [answer(401)], ["/: changed handshake: $.status was 403, is 401"]),
    ],
)
def test_a_change_is_named(before: Any, after: Any, expected: list[str]) -> None:
    lines = sorted(differ(before, after))

    assert len(lines) == len(expected), lines
    assert [fnmatchcase(*pair) for pair in zip(lines, expected, strict=True)] == [True] * len(
        lines
    ), lines


def test_the_order_of_keys_is_no_change() -> None:
    assert differ([("<", {"a": 1, "b": 2})], [("<", {"b": 2, "a": 1})]) == []


def test_the_order_between_the_directions_is_no_change() -> None:
    assert differ([(">", "a"), ("<", "b")], [("<", "b"), (">", "a")]) == []


def test_the_time_is_no_change() -> None:
    before, after = (wire([trace_of((">", "a"), time=at)]) for at in (0.0, 5.0))

    assert changes(before, after) == []


def test_what_a_server_adds_is_no_change() -> None:
    memory = answer(x_room="tea")
    live = answer(x_room="tea", server="uvicorn", date="Wed, 21 Oct 2015 07:28:00 GMT")

    assert differ([memory], [live]) == []


def test_other_ids_are_no_change() -> None:
    assert differ([("<", {"id": ONE})], [("<", {"id": TWO})]) == []


def test_an_id_more_does_not_change_those_behind_it() -> None:
    before = [("<", {"type": "said", "id": ONE}), (">", {"type": "ack", "id": ONE})]
    after = [("<", {"type": "hello", "id": TWO}), *before]

    assert differ(before, after) == ['/: new tag: ← json {"type": "hello", "id": "<uuid#1>"}']


def test_the_id_of_another_is_a_change() -> None:
    before = [("<", {"id": ONE}), ("<", {"id": TWO}), ("<", {"of": ONE})]
    after = [("<", {"id": ONE}), ("<", {"id": TWO}), ("<", {"of": TWO})]

    assert differ(before, after) == ["/: changed ← json: another <uuid#2> in the place of <uuid#1>"]


def test_an_id_that_was_another_is_a_change() -> None:
    before = [("<", {"id": ONE}), ("<", {"id": TWO})]

    assert differ(before, [("<", {"id": ONE}), ("<", {"id": ONE})]) == [
        "/: changed ← json: another <uuid#1> in the place of <uuid#2>"
    ]


def test_ids_beside_a_change_are_not_named() -> None:
    before = [("<", {"id": ONE, "n": 1})]
    after = [("<", {"first": TWO}), ("<", {"id": ONE, "n": 2})]

    assert "/: changed ← json: $.n was 1, is 2" in [
        *differ(before, after[1:]),
        *differ([after[0], *before], after),
    ]


def test_connections_come_and_go() -> None:
    before = wire([trace_of(name="ann"), trace_of(name="bob")])
    after = wire([trace_of(name="ann"), trace_of(Handshake(), name="eve")])

    assert changes(before, after) == [
        'vanished connection "bob"',
        'new connection "eve": 1 events',
    ]


def test_a_change_is_told_with_its_connection() -> None:
    before = wire([trace_of(name="ann"), trace_of(("<", "a"), name="bob")])
    after = wire([trace_of(name="ann"), trace_of(("<", "b"), name="bob")])

    assert changes(before, after) == ['bob: changed ← text: $ was "a", is "b"']


def test_many_changes_are_cut() -> None:
    lines = differ([], [("<", f"word {number}") for number in range(100)])

    assert len(lines) == 21
    assert lines[-1] == "… and 80 more changes"


def test_a_long_change_is_cut() -> None:
    (line,) = differ([("<", "tea " * 250)], [("<", "milk " * 250)])

    assert len(line) < 250


def test_changes_in_long_conversations_are_found() -> None:
    source = random.Random(7)  # noqa: S311 - the same each time
    before = [("<", {"type": "tick", "n": number}) for number in range(2_000)]
    after = list(before)
    for at in sorted(source.sample(range(2_000), 10), reverse=True):
        after.insert(at, ("<", {"type": "tock", "at": at}))

    lines = differ(before, after)

    assert len(lines) == 10
    assert all(line.startswith("/: new tag: ← json") for line in lines)


def test_conversations_that_have_nothing_in_common_are_compared_too() -> None:
    before = [("<", {"type": "tick", "n": number}) for number in range(2 * FARTHEST)]
    after = [("<", {"type": "tock", "n": number}) for number in range(2 * FARTHEST)]

    lines = differ(before, after)

    assert lines[0] == '/: missing tag: ← json {"type": "tick", "n": 0}'
    assert lines[-1] == f"… and {4 * FARTHEST - 20} more changes"


def test_the_shortest_difference_is_found() -> None:
    """Compare with what is known of it: frames that are left alone are a longest common part."""
    source = random.Random(11)  # noqa: S311 - the same each time
    for _ in range(300):
        old, new = ([source.choice("abc") for _ in range(source.randrange(9))] for _ in range(2))
        pairs = _align(old, new)

        assert [i for i, _ in pairs if i is not None] == list(range(len(old)))
        assert [j for _, j in pairs if j is not None] == list(range(len(new)))
        common = [(i, j) for i, j in pairs if i is not None and j is not None]
        assert all(old[i] == new[j] for i, j in common)
        assert len(common) == longest_common(old, new)


def longest_common(old: list[str], new: list[str]) -> int:
    table = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, a in enumerate(old):
        for j, b in enumerate(new):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
            )
    return table[-1][-1]


@pytest.mark.slow
def test_ten_thousand_frames_are_compared_at_once() -> None:
    before = wire([trace_of(*[("<", {"n": number % 7}) for number in range(10_000)])])
    after = wire([trace_of(*[("<", {"n": number % 7}) for number in range(1, 10_001)])])

    started = time.process_time()
    lines = changes(before, after)

    assert len(lines) == 2
    assert time.process_time() - started < 5


# Files.


def test_a_file_has_the_tests_by_name() -> None:
    text = dump("tests/test_chat.py", {"test_b": said((">", "b")), "test_a": said((">", "a"))})

    assert text == (
        "# pachinko baseline 1: tests/test_chat.py\n"
        '\ntest_a\n  "/"\n    → text "a"\n'
        '\ntest_b\n  "/"\n    → text "b"\n'
    )
    assert list(load(text)) == ["test_a", "test_b"]
    assert dump("tests/test_chat.py", load(text)) == text


def test_there_is_a_file_for_each_module(tmp_path: Path) -> None:
    baseline = Baseline(tmp_path / "wire")
    tests = ["tests/test_a.py::test_x", "tests/test_a.py::Test::test_y[a::b]", "../b.py::test_z"]

    count = baseline.save(dict.fromkeys(tests, said((">", "a"))), lambda name: False)

    assert count == 3
    assert sorted(
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    ) == ["wire/_/b.py.wire", "wire/tests/test_a.py.wire"]
    assert sorted(Baseline(tmp_path / "wire").tests) == sorted(tests)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "# pachinko baseline 2: test_it.py\n",
        "# pachinko baseline 1: test_it.py\n\ntest_it\n  /\n",
        "# pachinko baseline 1: test_it.py\n\ntest_it\n  []\n",
        '# pachinko baseline 1: test_it.py\n\ntest_it\n  "/"\n    → text "a\n',
        '# pachinko baseline 1: test_it.py\n\ntest_it\n  "/"\n<<<<<<< HEAD\n    ~ text "a"\n',
    ],
)
def test_a_file_that_is_no_baseline_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py.wire").write_text(text, encoding="utf-8")

    with pytest.raises(PachinkoUsageError, match=r"test_it.py.wire is no baseline: .*") as caught:
        Baseline(tmp_path)

    assert "Hint: delete it, and record it anew" in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_it.py.wire").write_bytes(b"\xff")

    with pytest.raises(PachinkoUsageError, match="is no baseline"):
        Baseline(tmp_path)


def test_other_files_are_let_alone(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("what is this?")

    assert Baseline(tmp_path).tests == {}


# A run, and a later one.


@pytest.fixture
def baseline(tmp_path: Path) -> Baseline:
    baseline = Baseline(tmp_path)
    baseline.save(
        {"t.py::test_a": said(("<", "a")), "t.py::test_b": said(("<", "b"))}, lambda name: False
    )
    return baseline


def test_a_test_that_says_something_else_has_changed(baseline: Baseline) -> None:
    seen = {"t.py::test_b": said(("<", "c")), "t.py::test_a": said(("<", "a"))}

    assert baseline.compare(seen, lambda name: True) == {
        "t.py::test_b": ['/: changed ← text: $ was "b", is "c"']
    }


def test_a_new_test_is_a_change(baseline: Baseline) -> None:
    assert baseline.compare({"t.py::test_c": said()}, lambda name: False) == {
        "t.py::test_c": ["new test"]
    }


def test_a_test_without_connections_is_none(baseline: Baseline) -> None:
    assert baseline.compare({"t.py::test_c": ""}, lambda name: False) == {}


def test_a_test_that_opens_no_connection_any_longer_is_a_change(baseline: Baseline) -> None:
    assert baseline.compare({"t.py::test_a": ""}, lambda name: False) == {
        "t.py::test_a": ['vanished connection "/"']
    }


def test_a_test_that_does_not_count_is_no_change(baseline: Baseline) -> None:
    assert baseline.compare({"t.py::test_a": None, "t.py::test_c": None}, lambda name: True) == {
        "t.py::test_b": ["vanished test"]
    }


def test_a_test_that_should_have_run_has_vanished(baseline: Baseline) -> None:
    assert baseline.compare({}, lambda name: name == "t.py::test_a") == {
        "t.py::test_a": ["vanished test"]
    }


def test_saving_keeps_what_did_not_run(baseline: Baseline) -> None:
    baseline.save({"t.py::test_a": said(("<", "z")), "t.py::test_b": None}, lambda name: False)

    assert Baseline(baseline.directory).tests == {
        "t.py::test_a": said(("<", "z")),
        "t.py::test_b": said(("<", "b")),
    }


def test_saving_forgets_what_has_vanished(baseline: Baseline) -> None:
    assert baseline.save({"t.py::test_a": ""}, lambda name: False) == 1
    assert list(Baseline(baseline.directory).tests) == ["t.py::test_b"]

    assert baseline.save({}, lambda name: True) == 1
    assert list(baseline.directory.iterdir()) == []


def test_saving_what_has_not_changed_writes_nothing(baseline: Baseline) -> None:
    (path,) = baseline.directory.iterdir()
    path.chmod(0o444)
    before = path.stat().st_mtime_ns

    count = baseline.save({"t.py::test_a": said(("<", "a"))}, lambda name: False)

    assert count == 0
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("place", "name", "inside"),
    [
        (".", "tests/test_a.py::test_x", True),
        ("tests", "tests/test_a.py::test_x", True),
        ("tests/test_a.py", "tests/test_a.py::test_x", True),
        ("tests/test_a.py::test_x", "tests/test_a.py::test_x", True),
        ("tests/test_a.py::test_x", "tests/test_a.py::test_x[1]", True),
        ("tests/test_a.py::Test", "tests/test_a.py::Test::test_x", True),
        ("tests/test_a.py::test_x", "tests/test_a.py::test_xy", False),
        ("test", "tests/test_a.py::test_x", False),
        ("tests/test_b.py", "tests/test_a.py::test_x", False),
    ],
)
def test_a_test_belongs_to_what_was_named(place: str, name: str, *, inside: bool) -> None:
    assert covers(place, name) is inside


# The report.


def test_nothing_is_said_of_nothing() -> None:
    assert summary({}) == []


def test_the_summary_has_the_tests_and_says_how_to_accept() -> None:
    assert summary({"t.py::test_a": ["new test"]}) == [
        "t.py::test_a",
        "  new test",
        "1 test differs from the baseline on the wire. If that is meant: pytest --pachinko-accept",
    ]


def test_the_summary_of_what_is_accepted_asks_for_nothing() -> None:
    assert summary({"a": ["new test"], "b": ["new test"]}, accepted=True)[-1] == (
        "2 tests differ from the baseline on the wire."
    )


def test_a_long_summary_is_cut() -> None:
    lines = summary({f"test_{number}": ["new test"] for number in range(500)})

    assert len(lines) == 202
    assert lines[-2] == "… and 800 more lines"
