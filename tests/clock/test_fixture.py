"""The fixture `websocket_clock`, the marker and the ini option, as a user has them."""

import pytest

APP = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await receive()
    await send({"type": "websocket.accept"})

    async def beat():
        while True:
            await asyncio.sleep(30)
            await send({"type": "websocket.send", "text": "beat"})

    task = asyncio.create_task(beat())
    while (await receive())["type"] != "websocket.disconnect":
        pass
    task.cancel()
"""

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
pachinko_app = app:app
"""


@pytest.fixture
def project(pytester):
    """A project with an application that beats every 30 seconds."""
    pytester.makeini(INI)
    pytester.makepyfile(app=APP)
    return pytester


def run(project, source, *options):
    project.makepyfile(source)
    return project.runpytest_inprocess("-p", "no:cacheprovider", *options)


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
def test_the_clock_moves_time_in_every_loop_scope(project, scope):
    result = run(
        project,
        f"""
        import asyncio
        import pytest

        pytestmark = pytest.mark.asyncio(loop_scope="{scope}")

        async def test_advance(websocket_clock, websocket_connect):
            await asyncio.sleep(3600)
            assert websocket_clock.now == pytest.approx(3600)
            async with websocket_connect("/") as session:
                await websocket_clock.advance(60)
                assert [await session.receive(), await session.receive()] == ["beat", "beat"]
        """,
    )

    result.assert_outcomes(passed=1)


def test_the_clock_works_under_anyio(project):
    result = run(
        project,
        """
        import asyncio
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_advance(websocket_clock):
            await asyncio.sleep(3600)
            assert websocket_clock.now == pytest.approx(3600)
        """,
        "-p",
        "no:asyncio",
        "-o",
        "asyncio_mode=",
        "-W",
        "ignore",
    )

    result.assert_outcomes(passed=1)


def test_a_test_without_an_event_loop_cannot_have_the_clock(project):
    result = run(project, "def test_nothing(websocket_clock): pass")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["websocket_clock lives in an event loop, and this test has none.", "Hint: an async test *"]
    )


def test_the_marker_sets_the_policy_and_the_closest_wins(project):
    result = run(
        project,
        """
        import pytest
        from pytest_pachinko import Stalled

        pytestmark = pytest.mark.pachinko(clock="autojump")

        async def test_autojump(websocket_connect):
            async with websocket_connect("/") as session:
                assert await session.receive() == "beat"

        @pytest.mark.pachinko(clock="demand")
        async def test_demand(websocket_connect):
            async with websocket_connect("/") as session:
                with pytest.raises(Stalled):
                    await session.receive()
        """,
    )

    result.assert_outcomes(passed=2)


def test_the_ini_option_sets_the_policy(project):
    result = run(
        project,
        """
        async def test_autojump(websocket_harness):
            async with websocket_harness.connect("/") as connection:
                assert await connection.session.receive() == "beat"
        """,
        "-o",
        "pachinko_clock=autojump",
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (
            'clock="slow"',
            "'slow' is no policy of the clock; they are 'demand', 'autojump', 'wall'.",
        ),
        ('clok="wall"', "@pytest.mark.pachinko does not take 'clok'."),
        ('"wall"', "@pytest.mark.pachinko does not take 'wall'."),
    ],
)
def test_a_marker_that_says_nothing_known_is_an_error(project, marker, message):
    result = run(
        project,
        f"""
        import pytest

        @pytest.mark.pachinko({marker})
        async def test_nothing(websocket_connect): pass
        """,
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_a_foreign_suite_keeps_its_order_ids_and_results(pytester):
    pytester.makeini(INI.replace("pachinko_app = app:app", ""))
    pytester.makepyfile(
        """
        import asyncio
        import pytest

        @pytest.fixture(scope="module", params=["a", "b"])
        def letter(request):
            return request.param

        @pytest.mark.asyncio(loop_scope="module")
        class TestModule:
            async def test_one(self, letter):
                type(self).loop = asyncio.get_running_loop()

            async def test_two(self, letter):
                assert asyncio.get_running_loop() is self.loop

        async def test_three(): pass

        def test_four(letter): pass

        async def test_five():
            assert False
        """
    )

    def listing(*options):
        result = pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider", *options)
        return [line.partition(" [")[0] for line in result.outlines if "::" in line]

    assert listing() == listing("-p", "no:pachinko")
