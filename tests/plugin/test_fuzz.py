"""Tests without test code: each route of an application is fuzzed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

CHAT = Path(__file__).parents[2] / "docs" / "examples" / "chat"

INI = """
[pytest]
pachinko_app = {app}
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

# Fails as soon as the same text is said twice.
TWICE = """
import falcon.asgi
import msgspec

from falcon_pachinko import WebSocketResource, WebSocketRouter, install


class Say(msgspec.Struct, tag="say"):
    text: str


class Once(WebSocketResource):
    schema = Say
    emits = Say

    async def on_connect(self, req, ws, **params):
        self.said = set()
        return True

    async def on_say(self, ws, message):
        if message.text in self.said:
            raise LookupError("said before")
        self.said.add(message.text)
        await self.send(message)


def create_app(template="/", resource=Once):
    router = WebSocketRouter()
    router.add_route(template, resource)
    app = falcon.asgi.App()
    install(app, router)
    return app
"""

REPAIRED = TWICE.replace('raise LookupError("said before")', "return")


@pytest.fixture
def fuzzed(project: pytest.Pytester) -> pytest.Pytester:
    """A project with an application in ``twice.py``, of which each phase is a test."""
    project.makeini(INI.format(app="twice:create_app"))
    project.makepyfile(twice=TWICE)
    return project


def run(project: pytest.Pytester, *args: str) -> pytest.RunResult:
    return project.runpytest("--pachinko-fuzz", "-p", "no:cacheprovider", *args)


def test_there_is_a_test_for_each_route_subprotocol_and_phase(project: pytest.Pytester) -> None:
    project.makeini(INI.format(app="chat:create_app"))
    shutil.copy(CHAT / "chat.py", project.path)

    result = run(project, "--collect-only", "-q")

    phases = ["examples", "boundaries", "streams", "invalid", "mixed"]
    routes = [" chat.v1", " chat.moderator.v1", ""]
    result.stdout.fnmatch_lines(
        [
            *[
                f"fuzz::/chat/rooms/{{room}}{route}::{phase}"
                for route in routes
                for phase in phases
            ],
            "15 tests collected in *",
        ]
    )


def test_a_bug_is_found_saved_played_first_and_reported_as_fixed(project: pytest.Pytester) -> None:
    project.makeini(INI.format(app="talk:create_app"))
    chat = (CHAT / "chat.py").read_text(encoding="utf-8")
    broken = chat.replace(
        "is not None:\n            await self.rooms.leave(self.room, self.nick)",
        "!= '':\n            self.rooms._nicks[self.room].remove(self.nick)",
    )
    assert broken != chat
    (project.path / "talk.py").write_text(broken, encoding="utf-8")
    args = ["-k", "chat.v1 and streams"]

    first = run(project, *args)
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(
        [
            "KeyError: None",
            "  talk.py:*in Guest.on_disconnect: self.rooms._nicks[[]self.room].remove(self.nick)",
            "The smallest stream with which that happens:",
            (
                "tests/pachinko_failures/chat-rooms-room-chat.v1-streams-*.jsonl has the stream, and is "
                "played first from here on."
            ),
        ]
    )
    assert len(list((project.path / "tests" / "pachinko_failures").iterdir())) == 1

    again = run(project, *args)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(
        ["*is what failed in an earlier run, and still does.", "1 streams *"]
    )
    assert len(list((project.path / "tests" / "pachinko_failures").iterdir())) == 1

    (project.path / "talk.py").write_text(chat, encoding="utf-8")
    fixed = run(project, *args)
    fixed.assert_outcomes(passed=1)
    fixed.stdout.fnmatch_lines(
        [
            "fixed  tests/pachinko_failures/chat-rooms-room-chat.v1-streams-*.jsonl may be deleted (KeyError*"
        ]
    )


def test_the_report_has_the_trace_and_a_test_that_does_it_again(fuzzed: pytest.Pytester) -> None:
    result = run(fuzzed, "-k", "streams")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "LookupError: said before",
            '  Send(Say(text=""))',
            '  Send(Say(text=""))',
            "*WebSocket trace of c1*",
            '  [[]1] → text {"type":"say","text":""}',
            "> [[]*] ! raised LookupError: said before",
            "*A test that does it again*",
            "    stream = [[]",
            '        Say(text=""),',
            '        Say(text=""),',
            "    ]",
            '    play(create_app, "/", stream)',
        ]
    )


def test_the_test_that_does_it_again_does_it_again(fuzzed: pytest.Pytester) -> None:
    result = run(fuzzed, "-k", "streams")
    lines = result.outlines
    start = next(n for n, line in enumerate(lines) if "A test that does it again" in line) + 1
    end = next(n for n, line in enumerate(lines) if "WebSocket fuzzing" in line)
    fuzzed.makepyfile(test_it="\n".join(lines[start:end]))

    fuzzed.runpytest("test_it.py").assert_outcomes(failed=1)
    fuzzed.makepyfile(twice=REPAIRED)
    fuzzed.runpytest("test_it.py").assert_outcomes(passed=1)


def test_the_same_run_tries_the_same_streams(fuzzed: pytest.Pytester) -> None:
    saved = fuzzed.path / "tests" / "pachinko_failures"
    seen = set()
    for _ in range(2):
        result = run(fuzzed, "-k", "mixed")
        seen.add((result.outlines[-2], *(path.read_text() for path in saved.iterdir())))
        shutil.rmtree(saved)
        shutil.rmtree(fuzzed.path / ".hypothesis", ignore_errors=True)

    assert len(seen) == 1


@pytest.mark.slow
def test_tests_are_spread_over_processes(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice=REPAIRED)

    result = run(fuzzed, "-n", "2", "--pachinko-fuzz-examples=20")

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*WebSocket fuzzing*", "* streams were played"])
    result.stdout.fnmatch_lines(["*WebSocket protocol coverage*", "/ *100.0%"])


@pytest.mark.slow
def test_what_is_found_in_another_process_is_in_the_summary(fuzzed: pytest.Pytester) -> None:
    result = run(fuzzed, "-n", "1", "-k", "streams")

    result.stdout.fnmatch_lines(["found  tests/pachinko_failures/streams-*.jsonl (LookupError*"])


def test_tests_can_be_stopped_repeated_and_reported(fuzzed: pytest.Pytester) -> None:
    first = fuzzed.runpytest("--pachinko-fuzz", "-x", "--junitxml=report.xml")
    first.assert_outcomes(failed=1)

    last = fuzzed.runpytest("--pachinko-fuzz", "--lf")

    last.assert_outcomes(failed=1, deselected=4)
    assert 'name="examples"' in (fuzzed.path / "report.xml").read_text(encoding="utf-8")


def test_the_configuration_can_ask_for_it(fuzzed: pytest.Pytester) -> None:
    fuzzed.makeini(
        INI.format(app="twice:create_app") + "pachinko_fuzz = true\npachinko_fuzz_examples = 7\n"
    )
    fuzzed.makepyfile(test_it="def test_it(): pass", twice=REPAIRED)

    everything = fuzzed.runpytest()
    one = fuzzed.runpytest("test_it.py")

    everything.assert_outcomes(passed=6)
    one.assert_outcomes(passed=1)


def test_time_can_be_the_budget(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice=REPAIRED)

    result = run(fuzzed, "--pachinko-fuzz-time=0.01", "-k", "streams")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["* streams were played"])


@pytest.mark.parametrize(
    "argument",
    ["--pachinko-fuzz-time=soon", "--pachinko-fuzz-examples=0", "--pachinko-fuzz-time=-1"],
)
def test_a_budget_that_is_none_is_an_error(fuzzed: pytest.Pytester, argument: str) -> None:
    result = run(fuzzed, argument)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: * is not a valid pachinko_fuzz_*, above 0"])


def test_what_takes_long_says_how_far_it_is(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice=REPAIRED)
    fuzzed.makeconftest(
        """
        from pytest_pachinko.fuzz import collect

        collect.PULSE = 0.0
        """
    )

    result = run(fuzzed, "-k", "examples", "-v")
    quiet = run(fuzzed, "-k", "examples")
    without_capture = run(fuzzed, "-k", "examples", "-s", "-v")

    result.stdout.fnmatch_lines(["fuzz::/::examples: 1 streams in 0 s"])
    quiet.stdout.no_fnmatch_line("* streams in *")
    assert without_capture.ret == 0


# How connections are opened.


def test_a_hook_says_how_connections_are_opened(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(
        twice=REPAIRED
        + """

class Guarded(Once):
    async def on_connect(self, req, ws, room):
        assert (req.get_header("x-token"), req.cookies["c"], req.query_string, room) == (
            "secret", "1", "q=2", "tea")
        return await super().on_connect(req, ws)


def guarded():
    return create_app("/rooms/{room}", Guarded)
"""
    )
    fuzzed.makeconftest(
        """
        def pytest_pachinko_connection(route):
            assert (route.path, route.subprotocol, route.resource) == ("/rooms/{room}", None, "Guarded")
            return {
                "headers": {"x-token": "secret"},
                "cookies": {"c": "1"},
                "query": {"q": "2"},
                "params": {"room": "tea"},
            }
        """
    )

    result = run(fuzzed, "--pachinko-app=twice:guarded", "--pachinko-fuzz-examples=10")

    result.assert_outcomes(passed=5)


@pytest.mark.parametrize(
    "body",
    [
        "return {'params': {'room': st.sampled_from(['tea', 'pot'])}}",
        "return lambda route: {'params': {'room': 'tea'}}",
    ],
)
def test_a_fixture_says_how_connections_are_opened(fuzzed: pytest.Pytester, body: str) -> None:
    fuzzed.makepyfile(
        twice=REPAIRED
        + """

class Guarded(Once):
    async def on_connect(self, req, ws, room):
        assert room in ("tea", "pot"), room
        return await super().on_connect(req, ws)


def guarded():
    return create_app("/rooms/{room}", Guarded)
"""
    )
    (fuzzed.path / "tests").mkdir()
    (fuzzed.path / "tests" / "conftest.py").write_text(
        f"""
import pytest
from hypothesis import strategies as st

@pytest.fixture
def websocket_handshake(tmp_path):
    {body}
"""
    )

    result = run(
        fuzzed,
        "--pachinko-app=twice:guarded",
        "--pachinko-fuzz-examples=10",
        "-k",
        "streams or invalid or mixed",
        "tests",
    )

    result.assert_outcomes(passed=3)


@pytest.mark.parametrize("value", ["['s3cr3t']", "{'header': 's3cr3t'}"])
def test_a_hook_that_says_something_else_is_an_error(fuzzed: pytest.Pytester, value: str) -> None:
    fuzzed.makeconftest(f"def pytest_pachinko_connection(route): return {value}")

    result = run(fuzzed, "-k", "examples")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["The hook pytest_pachinko_connection(route) gives *: it is a dict with some of cookies, *"]
    )
    assert "s3cr3t" not in result.stdout.str()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{'query': 'token=s3cr3t'}", "*gives a str for 'query': it is a dict, by name."),
        ("{'cookies': 'sid=s3cr3t'}", "*gives a str for 'cookies': it is a dict, by name."),
        ("{'params': ['s3cr3t']}", "*gives a list for 'params': it is a dict, by name."),
        ("{'headers': {'x': 's3cr3t', 'y': 5}}", "headers={'x': <str>, 'y': <int>} cannot be*"),
    ],
)
def test_what_a_hook_gives_in_another_form_is_no_failure_of_the_application(
    fuzzed: pytest.Pytester, value: str, text: str
) -> None:
    fuzzed.makeconftest(f"def pytest_pachinko_connection(route): return {value}")

    result = run(fuzzed, "-k", "streams")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([text])
    assert "s3cr3t" not in result.stdout.str()
    assert not (fuzzed.path / "tests").exists()


@pytest.mark.parametrize("phase", ["examples", "streams", "invalid", "mixed"])
def test_a_field_for_which_no_value_is_known_is_an_error_that_names_it(
    fuzzed: pytest.Pytester, phase: str
) -> None:
    fuzzed.makepyfile(
        twice=REPAIRED
        + """
import falcon.routing


class OnlyPi(falcon.routing.BaseConverter):
    def convert(self, value):
        return 3.14 if value == "pi" else None


def pi():
    app = falcon.asgi.App()
    app.router_options.converters["pi"] = OnlyPi
    router = WebSocketRouter()
    router.add_route("/{number:pi}", Once)
    install(app, router)
    return app
"""
    )

    result = run(fuzzed, "--pachinko-app=twice:pi", "-k", phase)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*no value is known that the field 'number' takes.",
            "Hint: *pytest_pachinko_connection(route)*",
        ]
    )


def test_a_hook_adds_checks(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice=REPAIRED)
    fuzzed.makeconftest(
        """
        def quiet(played):
            assert len(played.trace) < 6, "too much was said"

        def pytest_pachinko_checks(route, checks):
            checks.append(quiet)
        """
    )

    result = run(fuzzed, "-k", "streams")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["AssertionError: too much was said*", "  conftest.py:2 in quiet: *"]
    )


# Bad input.


def test_without_an_application_it_says_what_to_write(project: pytest.Pytester) -> None:
    project.makeini(INI.format(app=""))

    result = run(project)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["No application to connect to.", "Hint: name it in the configuration*"]
    )


def test_without_routes_it_says_what_to_write(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice="async def create_app(scope, receive, send): pass")

    result = run(fuzzed)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["twice:create_app has no WebSocketRouter installed*", "    pachinko_routes ="]
    )


RAW = """
import json
import msgspec


class Ping(msgspec.Struct, tag="ping"):
    n: int


class Pong(msgspec.Struct, tag="pong"):
    n: int


async def app(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        try:
            message = msgspec.json.decode(event.get("text") or event["bytes"], type=Ping)
        except Exception:
            continue
        await send({"type": "websocket.send", "text": json.dumps({"type": REPLY, "n": message.n})})
"""


def test_another_application_is_fuzzed_with_a_schema_that_is_given(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(good=RAW.replace("REPLY", '"pong"'), bad=RAW.replace("REPLY", '"ping"'))
    routes = "pachinko_routes = /ws = {0}:Ping -> {0}:Pong\npachinko_fuzz_examples = 20\n"

    project.makeini(INI.format(app="good:app") + routes.format("good"))
    run(project).assert_outcomes(passed=5)

    project.makeini(INI.format(app="bad:app") + routes.format("bad"))
    result = run(project, "-k", "streams")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*has sent what its emits does not declare: Invalid value 'ping'*"]
    )


def test_a_route_without_a_schema_of_what_it_sends_is_enough(project: pytest.Pytester) -> None:
    project.makepyfile(raw=RAW.replace("REPLY", '"pong"'))
    project.makeini(INI.format(app="raw:app") + "pachinko_routes = /ws = raw:Ping\n")

    run(project, "-k", "boundaries").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ws = raw:Ping", "*is not a valid line of pachinko_routes.*"),
        ("/ws", "*is not a valid line of pachinko_routes.*"),
        ("/ws = -> raw:Ping", "*is not a valid line of pachinko_routes.*"),
        ("/ws = raw:Nope", "pachinko_routes = '/ws = raw:Nope': raw has no attribute 'Nope'."),
        ("/ws = no:Ping", "pachinko_routes = '/ws = no:Ping': there is no module 'no' in *"),
        ("/ws = raw", "'raw' is not of the form module:attribute."),
    ],
)
def test_a_route_that_cannot_be_read_is_an_error(
    project: pytest.Pytester, line: str, problem: str
) -> None:
    project.makepyfile(raw=RAW.replace("REPLY", '"pong"'))
    project.makeini(INI.format(app="raw:app") + f"pachinko_routes = {line}\n")

    result = run(project)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([problem, "Hint: /ws = chat.messages:Incoming*"])
    result.stdout.no_fnmatch_line("*pachinko_app*")


@pytest.mark.parametrize(
    ("app", "routes", "who"),
    [
        ("raw:app", ["/ws = raw:Ping", "/ws = raw:Pong"], "another line"),
        ("twice:create_app", ["/ = raw:Ping"], "Once"),
    ],
)
def test_two_descriptions_of_one_route_are_an_error(
    fuzzed: pytest.Pytester, app: str, routes: list[str], who: str
) -> None:
    fuzzed.makepyfile(raw=RAW.replace("REPLY", '"pong"'))
    fuzzed.makeini(INI.format(app=app) + "\n    ".join(["pachinko_routes =", *routes]))

    result = run(fuzzed)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"A line of pachinko_routes is for '/*', and {who} says already*"])


def test_a_schema_without_tags_is_an_error_that_names_the_struct(project: pytest.Pytester) -> None:
    project.makepyfile(
        raw=RAW.replace("REPLY", '"pong"').replace(
            'Ping(msgspec.Struct, tag="ping")', "Ping(msgspec.Struct)"
        )
    )
    project.makeini(INI.format(app="raw:app") + "pachinko_routes = /ws = raw:Ping\n")

    result = run(project, "-k", "examples")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["Ping has no tag, so nothing says which message it is.", "Hint: *"]
    )


def test_an_application_that_does_not_start_is_a_finding(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(
        twice=REPAIRED
        + """

class Broken:
    async def process_startup(self, scope, event):
        raise OSError("no database")


def broken():
    app = create_app()
    app.add_middleware(Broken())
    return app
"""
    )

    result = run(fuzzed, "--pachinko-app=twice:broken", "-k", "examples")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "LifespanFailed: The application's startup failed: *",
            "OSError: no database",
            "found *no database)",
        ]
    )


UNKNOWN = """

def make():
    return Once()


def unknown():
    return create_app("/{number:int}", make)
"""


def test_the_schema_of_an_unknown_resource_may_be_said(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice=REPAIRED + UNKNOWN)
    fuzzed.makeini(
        INI.format(app="twice:unknown") + "pachinko_routes = /{number:int} = twice:Say\n"
    )

    run(fuzzed, "-k", "examples or boundaries").assert_outcomes(passed=2)


def test_a_factory_of_unknown_resources_is_skipped_with_a_reason(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice=REPAIRED + UNKNOWN)

    result = run(fuzzed, "--pachinko-app=twice:unknown", "-rs")

    result.assert_outcomes(skipped=5)
    result.stdout.fnmatch_lines(["*what make makes is not known: route the class*"])


def test_a_file_that_is_no_failure_is_an_error_that_names_it(fuzzed: pytest.Pytester) -> None:
    directory = fuzzed.path / "tests" / "pachinko_failures"
    directory.mkdir(parents=True)
    (directory / "notes.jsonl").write_text("hello")

    result = run(fuzzed)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["notes.jsonl:1 is no JSON object: *"])


def test_what_does_not_happen_each_time_is_said_to_be_so(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(
        twice=REPAIRED.replace(
            "        self.said.add(message.text)",
            "        global count\n"
            "        count += 1\n"
            "        if count == 50:\n"
            "            raise LookupError('the fiftieth')",
        )
        + "\n\ncount = 0\n"
    )

    result = run(fuzzed, "-k", "streams")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["LookupError: the fiftieth", "A stream with which that has happened, but not each time*"]
    )


# What is shared.


def alone(project: pytest.Pytester, *args: str) -> pytest.RunResult:
    """Run in a process of its own: a profile of Hypothesis outlives a run in this one."""
    return project.runpytest_subprocess("--pachinko-fuzz", "-k", "streams", *args)


@pytest.mark.slow
def test_what_one_machine_has_found_another_one_tries_first(fuzzed: pytest.Pytester) -> None:
    fuzzed.makeconftest(
        """
        from pathlib import Path
        from hypothesis import settings
        from hypothesis.database import DirectoryBasedExampleDatabase

        settings.register_profile("shared", database=DirectoryBasedExampleDatabase(Path("shared")))
        settings.load_profile("shared")
        """
    )
    alone(fuzzed).assert_outcomes(failed=1)
    shutil.rmtree(fuzzed.path / "tests")

    result = alone(fuzzed, "--pachinko-fuzz-examples=1")

    result.assert_outcomes(failed=1)


def test_it_needs_no_asyncio_plugin(fuzzed: pytest.Pytester) -> None:
    fuzzed.makeini("[pytest]\npachinko_app = twice:create_app\n")
    fuzzed.makepyfile(twice=REPAIRED)

    run(fuzzed, "-p", "no:asyncio", "--pachinko-fuzz-examples=5").assert_outcomes(passed=5)


def test_the_coverage_of_a_fuzzed_application_is_written_too(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice=REPAIRED)

    run(fuzzed, "--pachinko-cov-json=cov.json", "--pachinko-fuzz-examples=5").assert_outcomes(
        passed=5
    )

    assert json.loads((fuzzed.path / "cov.json").read_text(encoding="utf-8"))["percent"] == 100.0


def test_where_every_connection_is_refused_nothing_was_fuzzed(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(
        twice=REPAIRED.replace(
            "        self.said = set()\n        return True", "        return False"
        )
    )

    result = run(fuzzed, "--pachinko-fuzz-examples=5", "-rs")

    result.assert_outcomes(skipped=5)
    result.stdout.fnmatch_lines(["*every connection was refused, so nothing was fuzzed*"])


def test_another_seed_draws_other_streams(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice=REPAIRED)
    seen = set()
    for seed in ("0", "1"):
        run(fuzzed, f"--pachinko-fuzz-seed={seed}", "-k", "streams", "--pachinko-cov-json=cov.json")
        seen.add((fuzzed.path / "cov.json").read_text(encoding="utf-8"))

    assert len(seen) == 2


def test_a_seed_that_is_none_is_an_error(fuzzed: pytest.Pytester) -> None:
    result = run(fuzzed, "--pachinko-fuzz-seed=today")

    result.stderr.fnmatch_lines(["ERROR: 'today' is not a valid pachinko_fuzz_seed: *, 0 or more"])


@pytest.mark.slow
def test_a_failure_of_a_route_that_is_gone_is_said_to_be_of_none(fuzzed: pytest.Pytester) -> None:
    run(fuzzed, "-k", "streams").assert_outcomes(failed=1)
    fuzzed.makepyfile(twice=REPAIRED.replace('template="/"', 'template="/new"'))

    alone = run(fuzzed, "-k", "streams")
    spread = run(fuzzed, "-k", "streams", "-n", "1")

    for result in (alone, spread):
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["not played  *streams-*.jsonl: there is no route '/' with *"])


def test_that_an_application_is_shared_by_all_streams_is_said(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice=TWICE + "\n\napp = create_app()\n")

    result = run(fuzzed, "--pachinko-app=twice:app", "-k", "streams")

    result.stdout.fnmatch_lines(["All streams were played against one application: *"])


def test_secrets_of_a_handshake_are_in_no_report_and_no_file(fuzzed: pytest.Pytester) -> None:
    fuzzed.makeconftest(
        """
        def pytest_pachinko_connection(route):
            return {"headers": {"authorization": "Bearer s3cr3t"}, "cookies": {"sid": "s3cr3t"},
                    "query": {"token": "s3cr3t"}}
        """
    )

    result = run(fuzzed, "-k", "streams")

    assert "s3cr3t" not in result.stdout.str()
    (path,) = (fuzzed.path / "tests" / "pachinko_failures").iterdir()
    assert "s3cr3t" not in path.read_text(encoding="utf-8")
    result.stdout.fnmatch_lines(['        headers={"authorization": "<redacted>"},'])


def test_custom_types_are_fuzzed_as_well(project: pytest.Pytester) -> None:
    project.makepyfile(
        custom="""
        from ipaddress import IPv4Address
        import msgspec

        class Ip(msgspec.Struct, tag="ip"):
            a: IPv4Address

        async def app(scope, receive, send):
            assert scope["type"] == "websocket"
            await receive()
            await send({"type": "websocket.accept"})
            while (event := await receive())["type"] == "websocket.receive":
                if "0.0.0.1" in (event.get("text") or ""):
                    raise LookupError("nowhere")
        """
    )
    project.makeini(INI.format(app="custom:app") + "pachinko_routes = /ws = custom:Ip\n")

    result = run(project, "--pachinko-fuzz-examples=20")

    assert result.parseoutcomes().get("errors") is None
    assert "INTERNALERROR" not in result.stdout.str()


def test_files_elsewhere_are_named_in_full(fuzzed: pytest.Pytester) -> None:
    below = fuzzed.mkdir("below")
    (below / "test_it.py").write_text("def test_it(): pass")

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(below)
        result = run(
            fuzzed,
            "--rootdir",
            str(fuzzed.path),
            "-c",
            str(fuzzed.path / "tox.ini"),
            "-k",
            "streams",
        )

    result.stdout.fnmatch_lines([f"found  {fuzzed.path}/tests/pachinko_failures/streams-*"])


def test_without_a_directory_nothing_is_fuzzed_and_that_is_said(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(test_it="def test_it(): pass")

    result = run(fuzzed, "test_it.py")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["nothing was fuzzed: --pachinko-fuzz needs a directory, not a file"]
    )


def test_a_directory_may_be_a_link(fuzzed: pytest.Pytester) -> None:
    (fuzzed.path / "real").mkdir()
    (fuzzed.path / "link").symlink_to(fuzzed.path / "real")

    run(fuzzed, "link", "-k", "streams").assert_outcomes(failed=1)


def test_an_application_that_exits_is_an_error_of_its_own(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice="import sys; sys.exit(4)")

    result = run(fuzzed)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["The application calls sys.exit(4)."])


def test_a_failure_that_cannot_be_saved_is_shown(fuzzed: pytest.Pytester) -> None:
    (fuzzed.path / "tests").write_text("a file")

    result = run(fuzzed, "-k", "streams")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "LookupError: said before",
            "*could not be written to (*), so the stream is only shown here.",
        ]
    )


def test_something_of_another_event_loop_has_a_hint(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(
        twice=REPAIRED.replace(
            "        self.said.add(message.text)",
            "        await asyncio.wait_for(nobody.wait(), 1)",
        ).replace("import msgspec", "import asyncio\nimport msgspec\n\nnobody = asyncio.Event()")
    )

    result = run(fuzzed, "-k", "streams")

    result.stdout.fnmatch_lines(
        ["Each stream has an event loop of its own*", "Hint: make queues, *"]
    )


def test_a_failure_that_means_something_else_by_now_is_said_to_do_so(
    fuzzed: pytest.Pytester,
) -> None:
    run(fuzzed, "-k", "streams").assert_outcomes(failed=1)
    fuzzed.makepyfile(
        twice=REPAIRED.replace("    text: str", "    words: list[str]").replace(
            "message.text", "str(message.words)"
        )
    )

    result = run(fuzzed, "-k", "streams")

    result.stdout.fnmatch_lines(["outdated  tests/pachinko_failures/streams-*"])


def test_a_mistake_in_the_hook_is_neither_a_finding_nor_saved(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice=TWICE.replace('template="/"', 'template="/{room}"'))
    fuzzed.makeconftest("def pytest_pachinko_connection(route): return {'params': {'rom': 'tea'}}")

    result = run(fuzzed)

    result.assert_outcomes(failed=5)
    result.stdout.fnmatch_lines(["*'/{room}' has no rom; its fields: room.*"])
    assert not (fuzzed.path / "tests").exists()


def test_fixtures_of_a_module_and_the_module_are_there(fuzzed: pytest.Pytester) -> None:
    fuzzed.makepyfile(twice=REPAIRED)
    fuzzed.makeconftest(
        """
        import pytest

        modules = []

        @pytest.fixture(autouse=True, scope="module")
        def once(request):
            modules.append(request.module)
            yield
            print("once", len(modules))

        @pytest.fixture(autouse=True)
        def each(request):
            assert request.module is modules[0]
        """
    )

    result = run(fuzzed, "-s", "-k", "examples or boundaries")

    result.assert_outcomes(passed=2, deselected=3)
    result.stdout.fnmatch_lines(["*once 1*"])


def test_a_connection_that_is_only_opened_is_played(fuzzed: pytest.Pytester) -> None:
    source = REPAIRED.replace(
        "    async def on_say",
        """    async def on_disconnect(self, ws, close_code):
        self.nick

    async def on_say""",
    )
    fuzzed.makepyfile(twice=source)

    result = run(fuzzed, "-k", "examples")

    result.assert_outcomes(failed=1, deselected=4)
    result.stdout.fnmatch_lines(["*AttributeError*nick*", "*smallest stream*", "  Open()"])


def test_where_there_is_nothing_to_try_nothing_passes(fuzzed: pytest.Pytester) -> None:
    source = REPAIRED.replace("    text: str\n", "    pass\n").replace("message.text", "0")
    fuzzed.makepyfile(twice=source)

    result = run(fuzzed, "-rs", "-k", "boundaries")

    result.assert_outcomes(skipped=1, deselected=4)
    result.stdout.fnmatch_lines(["*the schema has no bounds, so there is nothing to try*"])
