"""Failures as files."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from pytest_pachinko import Drop
from pytest_pachinko import InvalidFrame
from pytest_pachinko import Leave
from pytest_pachinko import Open
from pytest_pachinko import PachinkoUsageError
from pytest_pachinko import Peer
from pytest_pachinko import Send
from pytest_pachinko import Stream
from pytest_pachinko import Wait
from pytest_pachinko.fuzz.corpus import dump
from pytest_pachinko.fuzz.corpus import Failure
from pytest_pachinko.fuzz.corpus import load
from pytest_pachinko.fuzz.corpus import load_all
from pytest_pachinko.fuzz.corpus import save
from tests.fuzz.chatty import Say

TEXT = """\
{"format":"pachinko-failure","version":1,"route":"/rooms/{room}","subprotocol":"v1","phase":"mixed","error":"KeyError: 0","steps":8,"peers":[{"params":{"room":"tea"},"subprotocols":["v1"]}]}
{"on":1,"send":{"type":"say","text":"hi"},"turns":0}
{"on":1,"text":"{ }"}
{"on":2,"base64":"/w=="}
{"on":1,"text":"{","invalid":{"operator":"truncated","path":"say","error":"bad"}}
{"on":2,"open":true}
{"on":1,"leave":4000}
{"on":2,"drop":3}
{"wait":31.0}
"""

STREAM = Stream(
    [
        Send(Say("hi"), turns=0),
        Send("{ }"),
        Send(b"\xff", on=2),
        Send(InvalidFrame("{", "truncated", "say", "bad")),
        Open(2),
        Leave(4000),
        Drop(3, on=2),
        Wait(31.0),
    ],
    [Peer({"room": "tea"}, ("v1",))],
)

FAILURE = Failure("/rooms/{room}", "v1", "mixed", "KeyError: 0", STREAM)


def test_a_failure_is_a_line_for_itself_and_one_for_each_step():
    assert dump(FAILURE) == TEXT


def test_a_failure_is_read_back():
    failure = load(TEXT, "x.jsonl")

    assert failure.stream[1:] == STREAM[1:]
    assert failure.stream[0] == Send({"type": "say", "text": "hi"}, turns=0)
    assert (failure.route, failure.subprotocol, failure.phase, failure.error) == (
        "/rooms/{room}",
        "v1",
        "mixed",
        "KeyError: 0",
    )


frames = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.dictionaries(st.text(max_size=2), st.integers(-5, 5), max_size=2),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=2),
    st.builds(InvalidFrame, st.text() | st.binary(), st.text(), st.text(), st.text()),
)
steps = st.one_of(
    st.builds(Send, frames, st.integers(1, 3), st.none() | st.integers(0, 3)),
    st.builds(Open, st.integers(1, 3)),
    st.builds(Leave, st.integers(3000, 4999), st.integers(1, 3)),
    st.builds(Drop, st.integers(0, 3), st.integers(1, 3)),
    st.builds(Wait, st.floats(0, 1e6)),
)


@settings(deadline=None)
@given(st.lists(steps))
def test_what_is_read_back_is_the_same_on_the_wire(drawn):
    text = dump(Failure("/", None, "valid", "", Stream(drawn)))

    assert dump(load(text, "x.jsonl")) == text


def test_a_failure_is_saved_under_its_own_name_once(tmp_path):
    first = save(tmp_path / "new", FAILURE)

    assert save(tmp_path / "new", FAILURE) == first
    assert first.name.startswith("rooms-room-v1-mixed-")
    assert first.suffix == ".jsonl"
    assert [failure.path for failure in load_all(tmp_path / "new")] == [first]


def test_without_a_directory_there_are_no_failures(tmp_path):
    assert load_all(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "x.jsonl:1 is no JSON object"),
        ("[]", "x.jsonl:1 is no JSON object"),
        ("{}", "x.jsonl is no file of a failure(?s:.*)Hint: delete it"),
        ('{"format":"pachinko-failure","version":1}', "x.jsonl:1 does not describe a failure: .*"),
        (TEXT.replace('"/rooms/{room}"', "[]"), r"x.jsonl:1 does not .* - at `\$.route`"),
        (TEXT.replace('["v1"]', "[1]"), r"x.jsonl:1 does not .* - at `\$.peers\[0\].subproto"),
        (
            TEXT.partition("\n")[0],
            'x.jsonl has 0 steps, and its first line says 8.\nHint: .*"steps"',
        ),
        (TEXT + "{", "x.jsonl:10 is no JSON object"),
        (TEXT + '{"on":1}', "x.jsonl:10 is no step: it has none of the keys"),
        (TEXT + '{"send":1}', "x.jsonl:10 is no step: it has no 'on'"),
        (TEXT + '{"on":1,"base64":"?"}', "x.jsonl:10 is no step"),
        (TEXT + '{"on":1,"text":"","invalid":{}}', "x.jsonl:10 is no step"),
        (TEXT + '{"on":1,"send":5}', "x.jsonl:10 is no step: what it sends is neither"),
        (TEXT + '{"wait":1e300}', "x.jsonl:10 is no step: 'wait' is a number from 0 to 1e"),
        (TEXT + '{"on":true,"open":true}', "x.jsonl:10 is no step: 'on' is a number"),
        (TEXT + '{"on":1,"leave":99999}', "x.jsonl:10 is no step: 'leave' is a number"),
        (TEXT + '{"on":1,"text":"","turns":"x"}', "x.jsonl:10 is no step: 'turns' is"),
        (TEXT.replace('{"room":"tea"}', '"abc"'), "x.jsonl:1 does not .*Expected `object`"),
    ],
)
def test_what_is_no_failure_is_an_error_that_names_the_line(text, problem):
    with pytest.raises(PachinkoUsageError, match=problem):
        load(text, "x.jsonl")


def test_a_file_need_not_say_how_many_steps_it_has():
    text = TEXT.replace('"steps":8,', "")

    assert load(text, "x.jsonl") == load(TEXT, "x.jsonl")


def test_a_file_that_is_no_text_is_an_error_that_names_it(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b"\xff")

    with pytest.raises(PachinkoUsageError, match=r"x\.jsonl cannot be read"):
        load_all(tmp_path)


def test_params_that_json_has_not_are_kept_as_text():
    stream = Stream([Open()], [Peer({"path": PurePosixPath("a/b"), "n": 1})])
    failure = load(dump(Failure("/", None, "valid", "", stream)), "x.jsonl")

    assert failure.stream.peers[0].params == {"path": "a/b", "n": 1}


def test_the_name_of_a_file_is_not_too_long(tmp_path):
    path = save(tmp_path, Failure("/a" * 300, None, "valid", "", Stream()))

    assert len(path.name) < 130
