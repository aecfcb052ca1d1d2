"""All sessions of a run, held to an AsyncAPI document."""

from __future__ import annotations

import json
from typing import Any

import pytest

DOCUMENT: dict[str, Any] = {
    "asyncapi": "3.0.0",
    "info": {"title": "parrot", "version": "1"},
    "defaultContentType": "application/json",
    "channels": {
        "parrot": {
            "address": "/",
            "messages": {
                "say": {"payload": {"$ref": "#/components/schemas/Say"}},
                "squawk": {"payload": {"type": "object", "required": ["volume"]}},
                "picture": {"contentType": "image/png"},
            },
        },
        "cage": {
            "address": "/cage",
            "messages": {"open": {"payload": {"type": "object"}}},
        },
    },
    "operations": {
        "onSay": {
            "action": "receive",
            "channel": {"$ref": "#/channels/parrot"},
            "messages": [{"$ref": "#/channels/parrot/messages/say"}],
        },
        "talk": {"action": "send", "channel": {"$ref": "#/channels/parrot"}},
    },
    "components": {
        "schemas": {
            "Say": {
                "type": "object",
                "required": ["type", "text"],
                "properties": {
                    "type": {"const": "say"},
                    "text": {"type": "string", "maxLength": 5},
                },
            }
        }
    },
}

TALK = """
import pytest

@pytest.mark.asyncio
async def test_talk(websocket_connect):
    async with websocket_connect("/") as session:
        await session.send({"type": "say", "text": "hi"})
        await session.receive()
"""

LONG = """
import pytest

@pytest.mark.asyncio
{marker}
async def test_long(websocket_connect):
    async with websocket_connect("/") as session:
        await session.send({{"type": "say", "text": "a long word"}})
        await session.receive()
    {last}
"""

BAD = """
import pytest

@pytest.mark.asyncio
{marker}
async def test_bad(websocket_connect):
    async with websocket_connect("/") as session:
        await session.send("no json")
        await session.expect_silence()
"""


@pytest.fixture
def held(project: pytest.Pytester) -> pytest.Pytester:
    (project.path / "asyncapi.json").write_text(json.dumps(DOCUMENT))
    return project


def run(held: pytest.Pytester, *options: str) -> pytest.RunResult:
    return held.runpytest("--pachinko-contract=asyncapi.json", *options)


def test_a_test_that_conforms_passes_and_the_summary_says_what_was_never_seen(
    held: pytest.Pytester,
) -> None:
    held.makepyfile(TALK)

    result = run(held)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*= AsyncAPI contract =*",
            "asyncapi.json: 1 of 2 channels and 2 of 5 messages were seen",
            "",
            "documented, and never seen",
            "  channel cage (/cage)",
            "  parrot (/): ← squawk",
            "  parrot (/): ← picture",
            "=*",
        ],
        consecutive=True,
    )


def test_without_the_option_nothing_is_held(held: pytest.Pytester) -> None:
    held.makepyfile(LONG.format(marker="", last=""))

    result = held.runpytest()

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*AsyncAPI*")


def test_the_ini_option_is_below_the_root_directory(held: pytest.Pytester) -> None:
    held.makepyfile(TALK)

    result = held.runpytest("-o", "pachinko_contract=asyncapi.json")

    result.stdout.fnmatch_lines(["*AsyncAPI contract*"])


def test_what_the_application_sends_and_the_document_does_not_allow_fails_the_test(
    held: pytest.Pytester,
) -> None:
    held.makepyfile(LONG.format(marker="", last=""))

    result = run(held)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "/: asyncapi.json does not allow what was said:",
            "*closest is 'say'*",
            "*$.text: *11 characters, and at most 5*#/components/schemas/Say/properties/text/maxLength*",
            "> * ← text *a long word*",  # in the trace
            "seen from the application, and not documented",
            "  parrot (/): ← not 'say': $.text: *x1, as in *test_long",
            "seen from tests, and not documented",
            "  parrot (/): → not 'say': *x1, as in *test_long",
        ]
    )


def test_the_failure_of_a_test_goes_first(held: pytest.Pytester) -> None:
    held.makepyfile(LONG.format(marker="", last="assert 1 == 2"))

    result = run(held)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*assert 1 == 2", "*AsyncAPI contract call*", "*does not allow what was said*"]
    )


def test_a_failure_without_a_violation_is_left_as_it_is(held: pytest.Pytester) -> None:
    held.makepyfile(f"{TALK}    assert 1 == 2")

    result = run(held)

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*does not allow*")


def test_a_violation_that_is_known_can_be_expected(held: pytest.Pytester) -> None:
    held.makepyfile(LONG.format(marker="@pytest.mark.xfail(strict=True)", last=""))

    run(held).assert_outcomes(xfailed=1)


def test_what_a_test_sends_on_purpose_is_reported_only(held: pytest.Pytester) -> None:
    held.makepyfile(BAD.format(marker=""))

    result = run(held)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "seen from tests, and not documented",
            "  parrot (/): → not 'say': the frame holds no application/json: * x1, as in *test_bad",
        ]
    )


def test_a_strict_test_sends_what_is_documented(held: pytest.Pytester) -> None:
    held.makepyfile(BAD.format(marker="@pytest.mark.pachinko(contract='strict')"))

    result = run(held)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the test may send 'say'"])


def test_a_test_may_opt_out(held: pytest.Pytester) -> None:
    held.makepyfile(LONG.format(marker="@pytest.mark.pachinko(contract=False)", last=""))

    result = run(held)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["asyncapi.json: 0 of 2 channels and 0 of 5 messages were seen"])


def test_a_marker_that_is_wrong_is_an_error(held: pytest.Pytester) -> None:
    held.makepyfile(LONG.format(marker="@pytest.mark.pachinko(contract='lax')", last=""))

    result = run(held)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*contract='lax'): True, False or 'strict'."])


def test_a_path_that_is_not_documented_fails_the_test(held: pytest.Pytester) -> None:
    document = {**DOCUMENT, "channels": {"cage": DOCUMENT["channels"]["cage"]}, "operations": {}}
    (held.path / "asyncapi.json").write_text(json.dumps(document))
    held.makepyfile(TALK)

    result = run(held)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*it was accepted, and no channel has an address*"])


def test_of_a_channel_without_operations_a_message_is_seen_either_way(
    held: pytest.Pytester,
) -> None:
    document = {**DOCUMENT, "operations": {}}
    (held.path / "asyncapi.json").write_text(json.dumps(document))
    held.makepyfile(TALK)

    result = run(held)

    result.stdout.fnmatch_lines(["*1 of 2 channels and 1 of 4*", "  parrot (/): ↔ squawk"])


def test_what_is_said_while_fixtures_end_is_held_too(held: pytest.Pytester) -> None:
    held.makepyfile(
        """
        import pytest
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def session(websocket_connect):
            async with websocket_connect("/") as session:
                yield session
                await session.send({"type": "say", "text": "a long word"})
                await session.receive()

        @pytest.mark.asyncio
        async def test_later(session):
            await session.send({"type": "say", "text": "hi"})
            await session.receive()
        """
    )

    result = run(held)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown*", "*a long word*"])


def test_what_was_told_is_not_told_again_at_the_end(held: pytest.Pytester) -> None:
    held.makepyfile(
        """
        import pytest
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def session(websocket_connect):
            async with websocket_connect("/") as session:
                yield session

        @pytest.mark.asyncio
        async def test_now(session):
            await session.send({"type": "say", "text": "a long word"})
            await session.receive()
        """
    )

    run(held).assert_outcomes(failed=1)


def test_frames_that_nobody_can_check_are_counted(held: pytest.Pytester) -> None:
    document = {
        **DOCUMENT,
        "channels": {
            "talk": {
                "address": "/",
                "messages": {
                    "any": {"contentType": "application/cbor", "payload": {"type": "object"}},
                },
            }
        },
        "operations": {},
    }
    (held.path / "asyncapi.json").write_text(json.dumps(document))
    held.makepyfile(
        """
        import pytest

        async def app(scope, receive, send):
            assert scope["type"] == "websocket"
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "bytes": b"x"})

        @pytest.fixture
        def websocket_app():
            return app

        @pytest.mark.asyncio
        async def test_bytes(websocket_connect):
            async with websocket_connect("/") as session:
                await session.receive()
        """
    )

    result = run(held)

    result.stdout.fnmatch_lines(
        ["seen, and the payload is nothing that can be checked", "  talk: ← any x1"]
    )


def test_a_simulator_belongs_to_no_channel(held: pytest.Pytester) -> None:
    held.makepyfile(
        """
        import pytest

        @pytest.mark.asyncio
        async def test_alone(websocket_simulator):
            await websocket_simulator.send_text("anything")
        """
    )

    run(held).assert_outcomes(passed=1)


def test_sessions_on_a_server_are_held_too(held: pytest.Pytester) -> None:
    held.makepyfile(TALK)

    result = run(held, "--pachinko-transport=live")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["asyncapi.json: 1 of 2 channels and 2 of 5 messages were seen"])


def test_both_transports_are_compared_and_held(held: pytest.Pytester) -> None:
    held.makepyfile(LONG.format(marker="", last=""))

    run(held, "--pachinko-transport=parity").assert_outcomes(failed=1)


@pytest.mark.slow
def test_several_processes_are_added_up(held: pytest.Pytester) -> None:
    held.makepyfile(test_a=TALK, test_b=BAD.format(marker=""), test_c=TALK)

    result = run(held, "-n", "2")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "asyncapi.json: 1 of 2 channels and 2 of 5 messages were seen",
            "  parrot (/): → not 'say': * x1, as in *test_b.py::test_bad",
        ]
    )
    assert str(result.stdout).count("AsyncAPI contract") == 1


def test_no_more_is_listed_than_somebody_reads(held: pytest.Pytester) -> None:
    held.makepyfile(
        """
        import pytest

        @pytest.mark.asyncio
        async def test_many(websocket_connect):
            async with websocket_connect("/") as session:
                for number in range(300):
                    await session.send({"type": "say", "text": number})
        """
    )

    result = run(held)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["  … and 161 more"])


@pytest.mark.parametrize("text", ["{", '{"asyncapi": "2.0.0"}'])
def test_a_document_that_is_not_valid_is_an_error_at_once(held: pytest.Pytester, text: str) -> None:
    (held.path / "asyncapi.json").write_text(text)

    result = run(held)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: pachinko_contract: * is no valid AsyncAPI 3 document*"])


def test_where_nothing_runs_nothing_is_said(held: pytest.Pytester) -> None:
    held.makepyfile(TALK)

    run(held, "--collect-only").stdout.no_fnmatch_line("*AsyncAPI*")


def test_a_test_that_is_skipped_is_left_alone(held: pytest.Pytester) -> None:
    held.makepyfile(
        """
        import pytest

        @pytest.mark.skip
        def test_skipped(): pass

        @pytest.mark.skipif(True, reason="not now")
        def test_not_now(): pass
        """
    )

    run(held).assert_outcomes(skipped=2)
