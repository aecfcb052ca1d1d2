"""How much of a protocol was spoken."""

from __future__ import annotations

from socket import socket
from typing import Annotated
from typing import Any

import falcon.asgi
import msgspec
import pytest
from msgspec import Meta

from falcon_pachinko import handles_message
from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import ConnectionFailed
from pytest_pachinko import MemoryTransport
from pytest_pachinko import Trace
from pytest_pachinko import WebSocketTestClient
from pytest_pachinko.coverage import collect
from pytest_pachinko.coverage import collecting
from pytest_pachinko.coverage import Coverage
from pytest_pachinko.coverage import OTHERS
from pytest_pachinko.coverage import percent
from pytest_pachinko.coverage import Row
from pytest_pachinko.coverage_report import document
from pytest_pachinko.coverage_report import shortfall
from pytest_pachinko.coverage_report import table
from pytest_pachinko.observing import observing
from pytest_pachinko.quiet import settle
from pytest_pachinko.resources import Declaration

asyncio = pytest.mark.asyncio


class Join(msgspec.Struct, tag="join"):
    nick: Annotated[str, Meta(max_length=3)] = "ann"


class Say(msgspec.Struct, tag="say"):
    text: str = ""


class Said(msgspec.Struct, tag="said"):
    text: str = ""


class Bye(msgspec.Struct, tag="bye"):
    pass


class Chat(WebSocketResource):
    schema = Join | Say
    emits = Said | Bye
    subprotocols = ("chat.v1", "chat.v0")

    async def on_join(self, ws: Any, message: Join) -> None:
        if message.nick == "bad":
            raise ValueError(message.nick)

    @handles_message("say")
    async def relay(self, ws: Any, message: Say) -> None:
        if message.text == "go":
            await ws.close(4001)
        else:
            await self.send(Said(message.text))


class Mute(WebSocketResource):
    """It does not say what it sends, and has no handlers."""

    schema = Say

    async def on_unhandled(self, ws: Any, message: Any) -> None:
        await ws.send_text("?")


def app_of(*resources: Any, path: str = "/chat") -> Any:
    router = WebSocketRouter()
    router.add_route(path, *resources)
    app = falcon.asgi.App()
    install(app, router)
    return app


async def spoken(
    app: Any, *frames: Any, path: str = "/chat", drop: bool = False, **options: Any
) -> Coverage:
    """Send frames on an observed connection; return the coverage."""
    coverage = Coverage()
    with observing():
        async with MemoryTransport(app) as connect:
            options = {"raise_app_exceptions": False, **options}
            async with connect(path, **options) as session:
                for frame in frames:
                    await session.send(frame)
                    await settle()
                if drop:
                    await session.drop()
    coverage.add(session.trace)
    return coverage


def only(coverage: Coverage) -> Row:
    (row,) = coverage.rows.values()
    return row


@asyncio
async def test_there_is_a_row_for_a_route_and_a_resource() -> None:
    coverage = await spoken(app_of(Chat, Mute, path="/chat/{room}"), path="/chat/tea")

    assert list(coverage.rows) == [("/chat/{room}", "")]
    assert only(coverage).resources == [f"{__name__}.Mute"]


@asyncio
async def test_the_subprotocols_of_a_resource_are_one_row() -> None:
    app = app_of(Chat)

    coverage = await spoken(app, subprotocols=["chat.v0"])
    coverage.merge(await spoken(app))

    assert list(coverage.rows) == [("/chat", "chat.v1, chat.v0")]
    assert only(coverage).seen("connections") == {"chat.v0": 1, "(none)": 1}


@asyncio
async def test_a_row_knows_what_is_declared() -> None:
    row = only(await spoken(app_of(Chat)))

    assert row.tags == {"join": "on_join", "say": "relay"}
    assert row.emits == ["said", "bye"]
    assert row.bounds["join.nick max_length 3"] == ["on", "beyond"]


@asyncio
async def test_tags_are_received_accepted_and_refused() -> None:
    row = only(
        await spoken(app_of(Chat), Join(), Say(), Say(), Join("long"), {"type": "nay"}, "no json")
    )

    assert row.seen("received") == {"join": 2, "say": 2, "(unknown tag)": 2}
    assert row.seen("accepted") == {"join": 1, "say": 2}
    assert row.seen("refused") == {"join": 1, "(unknown tag)": 2}


@asyncio
@pytest.mark.parametrize("frame", ['{"type": {}}', '{"type": []}', "{}", b"\xff", "[]", "{" * 9])
async def test_a_frame_without_a_tag_is_counted_as_such(frame: str | bytes) -> None:
    row = only(await spoken(app_of(Chat), frame))

    assert row.seen("refused") == {"(unknown tag)": 1}


@asyncio
async def test_a_tag_may_be_a_number_or_stand_first_in_a_list() -> None:
    class One(msgspec.Struct, tag=1, array_like=True):
        pass

    class Two(msgspec.Struct, tag=2, array_like=True):
        text: str

    class Numbers(WebSocketResource):
        schema = One | Two

        @handles_message(1)
        @handles_message(2)
        async def relay(self, ws: Any, message: Any) -> None: ...

    row = only(await spoken(app_of(Numbers), "[1]", '[2,"x"]', "[true]", "[2]"))

    assert row.tags == {"1": "relay", "2": "relay"}
    assert row.seen("accepted") == {"1": 1, "2": 1}
    assert row.seen("refused") == {"(unknown tag)": 1, "2": 1}
    assert row.seen("entered") == {"relay": 2}
    assert row.parts["handlers"] == (1, [])


@asyncio
async def test_handlers_are_counted_as_they_are_entered() -> None:
    row = only(await spoken(app_of(Chat), Join("bad")))

    assert row.seen("entered") == {"on_join": 1}
    assert row.seen("raised") == {"ValueError": 1}


@asyncio
async def test_sent_messages_are_compared_with_emits() -> None:
    row = only(await spoken(app_of(Chat), Say("x")))

    assert row.seen("sent") == {"said": 1}
    assert row.parts["sent"] == (2, ["bye"])


@asyncio
async def test_a_resource_that_does_not_say_what_it_sends_misses_none_of_it() -> None:
    row = only(await spoken(app_of(Mute), Say("x")))

    assert row.emits is None
    assert row.seen("sent") == {"text": 1}
    assert row.parts["sent"] == (0, [])


@asyncio
async def test_emits_that_is_no_union_of_messages_is_not_compared_with() -> None:
    class Loose(Chat):
        emits = dict

    assert only(await spoken(app_of(Loose), Say("x"))).emits is None


@asyncio
async def test_a_message_without_a_handler_is_accepted_and_enters_none() -> None:
    row = only(await spoken(app_of(Mute), Say("x")))

    assert row.seen("accepted") == {"say": 1}
    assert row.seen("entered") == {}
    assert row.parts["handlers"] == (0, [])


@asyncio
async def test_pairs_are_of_messages_that_were_accepted_one_after_the_other() -> None:
    row = only(await spoken(app_of(Chat), Join(), Say(), "no json", Say(), Join()))

    assert row.seen("pairs") == {"join → say": 1, "say → say": 1, "say → join": 1}


@asyncio
async def test_a_bound_has_a_side_that_is_accepted_and_one_that_is_refused() -> None:
    row = only(await spoken(app_of(Chat), Join("abc"), Join("abcd")))

    assert row.seen("on")["join.nick max_length 3"] == 1
    assert row.seen("beyond")["join.nick max_length 3"] == 1
    assert not [name for name in row.parts["bounds"].missing if "max_length" in name]


@asyncio
async def test_a_value_on_a_bound_does_not_count_in_a_frame_that_is_refused() -> None:
    class StrictJoin(Join, tag="join", forbid_unknown_fields=True):
        pass

    class Strict(Chat):
        schema = StrictJoin | Say

    row = only(await spoken(app_of(Strict), {"type": "join", "nick": "abc", "more": 1}))

    assert row.seen("on") == {}
    assert "join.nick max_length 3: on" in row.parts["bounds"].missing


@asyncio
async def test_a_message_without_fields_has_no_bounds() -> None:
    class Nod(msgspec.Struct, tag="nod"):
        pass

    class Nodding(WebSocketResource):
        schema = Nod

        async def on_nod(self, ws: Any, message: Nod) -> None: ...

    row = only(await spoken(app_of(Nodding), Nod()))

    assert row.parts["bounds"] == (0, [])
    assert row.seen("accepted") == {"nod": 1}


@asyncio
async def test_close_codes_are_counted_by_who_closed() -> None:
    coverage = await spoken(app_of(Chat), Say("go"))
    coverage.merge(await spoken(app_of(Chat)))
    row = only(coverage)

    assert row.seen("closed_by_app") == {"4001": 1}
    assert row.seen("closed_by_peer") == {"1000": 1}


@asyncio
async def test_it_is_counted_after_which_tag_the_peer_leaves() -> None:
    coverage = await spoken(app_of(Chat), Join(), Say(), drop=True)
    coverage.merge(await spoken(app_of(Chat)))
    row = only(coverage)

    assert row.seen("left_after") == {"say": 1, "(none)": 1}
    assert row.seen("closed_by_peer") == {"1006": 1, "1000": 1}


@asyncio
async def test_denials_are_counted_by_status() -> None:
    class Strict(Chat):
        required_subprotocol = True

    async with MemoryTransport(app_of(Strict)) as connect:
        await connect.denied("/chat")
    coverage = Coverage()
    coverage.add(connect.traces[0])

    assert only(coverage).seen("denied") == {"403": 1}
    assert only(coverage).subprotocol == "chat.v1, chat.v0"


@asyncio
async def test_what_nobody_has_observed_is_not_claimed() -> None:
    async with MemoryTransport(app_of(Chat)) as connect:
        async with connect("/chat") as session:
            await session.send(Join())
    coverage = Coverage()
    coverage.add(session.trace)
    row = only(coverage)

    assert row.seen("received") == {"join": 1}
    assert row.seen("accepted") == row.seen("entered") == {}


@asyncio
async def test_what_a_factory_makes_is_known_by_its_connections() -> None:
    def make() -> Chat:
        return Chat()

    make.subprotocols = Chat.subprotocols  # type: ignore[attr-defined]
    app = app_of(make)
    coverage = Coverage()
    coverage.declare(app)
    assert only(coverage).tags == {}

    coverage.merge(await spoken(app, Join()))

    assert only(coverage).tags == {"join": "on_join", "say": "relay"}
    assert only(coverage).seen("accepted") == {"join": 1}


def test_a_route_that_nobody_connects_to_is_a_row_too() -> None:
    coverage = Coverage()
    coverage.declare(app_of(Chat, Mute))
    sides = sum(len(sides) for row in coverage.rows.values() for sides in row.bounds.values())

    assert list(coverage.rows) == [("/chat", "chat.v1, chat.v0"), ("/chat", "")]
    assert coverage.covered == (0, 2 + 2 + 2 + 1 + sides)


@asyncio
async def test_of_an_application_without_our_resources_frames_and_codes_are_counted(
    talk_to: Any, echo: Any
) -> None:
    with observing():
        async with talk_to(echo, "/raw?secret=x") as session:
            await session.send("x")
            await session.send(b"y")
            await session.receive()
    coverage = Coverage()
    coverage.add(session.trace)
    row = only(coverage)

    assert (row.template, row.is_ours) == ("/raw", False)
    assert row.seen("received") == {"text": 1, "bytes": 1}
    assert row.seen("sent") == {"text": 1, "bytes": 1}
    assert row.seen("closed_by_peer") == {"1000": 1}
    assert coverage.covered == (0, 0)


def test_paths_beyond_the_first_hundred_share_a_row() -> None:
    coverage = Coverage()
    coverage.declare(app_of(Chat))
    for number in range(150):
        coverage.add(Trace("c", Declaration(f"/{number}")))
    coverage.declare(app_of(Chat, path="/late"))

    assert len(coverage.rows) == 102
    assert (OTHERS, "") in coverage.rows
    assert ("/late", "chat.v1, chat.v0") in coverage.rows


def test_a_trace_of_nobody_knows_what_is_left_out() -> None:
    coverage = Coverage()

    coverage.add(Trace("c"))

    assert not coverage


@asyncio
async def test_a_coverage_survives_as_plain_data() -> None:
    coverage = await spoken(app_of(Chat), Join(), Say("go"))
    data = msgspec.json.decode(msgspec.json.encode(coverage.to_builtins()))

    copy = Coverage.from_builtins(data)

    assert copy.rows == coverage.rows


@asyncio
async def test_the_sum_of_two_coverages_is_of_everything() -> None:
    first = await spoken(app_of(Chat), Join())
    second = await spoken(app_of(Chat), Say("go"))
    second.merge(await spoken(app_of(Mute)))

    first.merge(second)

    assert first.rows["/chat", "chat.v1, chat.v0"].seen("accepted") == {"join": 1, "say": 1}
    assert ("/chat", "") in first.rows


def test_declarations_of_one_place_are_united() -> None:
    row = Row("/", emits=None, tags={"a": "on_a"})

    row.merge(Row("/", emits=["x"], tags={"b": None}))
    row.merge(Row("/", emits=["y"]))
    row.merge(Row("/"))

    assert row.tags == {"a": "on_a", "b": None}
    assert row.emits == ["x", "y"]


@asyncio
async def test_traces_can_be_added_from_elsewhere() -> None:
    app = app_of(Chat, Mute)
    coverage = Coverage()
    with observing():
        async with MemoryTransport(app) as connect:
            async with connect("/chat"):
                pass

    with collecting(coverage):
        collect(iter(connect.traces), app)
    collect(connect.traces)

    assert [row.counts != {} for row in coverage.rows.values()] == [False, True]
    assert coverage.rows["/chat", ""].seen("connections") == {"(none)": 1}


@pytest.mark.parametrize(
    ("covered", "wanted", "expected"), [(0, 0, None), (0, 3, 0.0), (1999, 2000, 99.9), (2, 2, 100)]
)
def test_a_percentage_is_never_more_than_it_is(
    covered: int, wanted: int, expected: float | None
) -> None:
    assert percent(covered, wanted) == expected


@pytest.fixture
def small() -> Coverage:
    """A coverage of two routes, the second of which nobody connected to."""
    coverage = Coverage()
    row = coverage.rows["/a", "v1"] = Row(
        "/a",
        "v1",
        resources=["a.A"],
        tags={"join": "on_join", "say": "on_say"},
        emits=["said"],
        bounds={
            "say.text max_length 280": ["on", "beyond"],
            "say.text required": ["beyond"],
            "say.loud absent": ["on"],
        },
    )
    row.count("connections", "v1", 3)
    row.count("accepted", "join", 3)
    row.count("entered", "on_join", 3)
    row.count("beyond", "say.text required")
    row.count("refused", "say", 2)
    row.count("refused", "join", 5)
    row.count("pairs", "join → join", 2)
    row.count("closed_by_app", "4001")
    row.count("left_after", "(none)")
    coverage.rows["/b", ""] = Row("/b", resources=["b.B"], tags={"x": None}, emits=None)
    return coverage


def test_the_table_has_a_line_for_each_row_and_then_what_is_missing(small: Coverage) -> None:
    assert table(small) == [
        "route  subprotocol  accepted  handlers  sent  bounds  covered",
        "/a     v1                1/2       1/2   0/1     1/4    33.3%",
        "/b                       0/1         -     -       -     0.0%",
        "all                                                     30.0%",
        "",
        "/a v1",
        "  never accepted   say",
        "  never entered    on_say",
        "  never sent       said",
        "  never hit        say.text max_length 280 (on and beyond), say.loud absent",
        "  pairs seen       1 of 4",
        "  refused          join x5, say x2",
        "  closed by app    4001 x1",
        "  peer left after  (none) x1",
        "",
        "/b",
        "  never connected to",
    ]


def test_the_table_of_an_application_without_resources_has_its_frames() -> None:
    coverage = Coverage()
    row = coverage.rows["/raw", ""] = Row("/raw")
    row.count("received", "text", 2)
    row.count("sent", "bytes")

    assert table(coverage) == [
        "route  subprotocol  accepted  handlers  sent  bounds  covered",
        "/raw                       -         -     -       -        -",
        "",
        "/raw",
        "  frames to app    text x2",
        "  frames from app  bytes x1",
    ]


def test_the_table_of_nothing_says_so() -> None:
    assert table(Coverage()) == ["No session was opened."]


def test_a_line_names_a_few_and_how_many_more_there_are(small: Coverage) -> None:
    small.rows["/a", "v1"].tags |= {f"tag{number}": None for number in range(20)}

    (line,) = [line for line in table(small) if "never accepted" in line]

    assert line.endswith("say, tag0, tag1, tag2, tag3, tag4, tag5, tag6, and 13 more")


def test_a_long_line_is_wrapped_between_names(small: Coverage) -> None:
    small.rows["/a", "v1"].bounds = {f"say.{'x' * 30}{n} max_length 280": ["on"] for n in range(3)}

    lines = table(small)

    at = next(n for n, line in enumerate(lines) if "never hit" in line)
    assert lines[at + 1].startswith(" " * 19 + "say.xxx")
    assert lines[at + 1].endswith("1 max_length 280,")


def test_there_is_an_end_to_the_lines_below_the_table() -> None:
    coverage = Coverage()
    for number in range(50):
        coverage.rows[f"/{number:02}", ""] = Row(f"/{number:02}", tags={"x": None})

    lines = table(coverage)

    assert len(lines) == 1 + 50 + 1 + 60 + 1
    assert lines[-1] == "... and 90 more lines: see --pachinko-cov-json=FILE"


def test_the_document_has_all_of_it(small: Coverage) -> None:
    data = document(small)

    assert {key: data[key] for key in ("version", "percent", "covered", "declared")} == {
        "version": 1,
        "percent": 30.0,
        "covered": 3,
        "declared": 10,
    }
    first, second = data["routes"]
    assert first["counts"]["refused"] == {"join": 5, "say": 2}
    assert first["covered"] == {"accepted": 1, "handlers": 1, "sent": 0, "bounds": 1}
    assert first["declared"] == {"accepted": 2, "handlers": 2, "sent": 1, "bounds": 4}
    assert first["missing"]["bounds"] == [
        "say.text max_length 280: on",
        "say.text max_length 280: beyond",
        "say.loud absent: on",
    ]
    assert second["missing"] == {"accepted": ["x"]}
    assert second["emits"] is None


def test_enough_is_enough(small: Coverage) -> None:
    assert shortfall(small, 30) is None


def test_less_than_enough_says_what_is_missing(small: Coverage) -> None:
    assert shortfall(small, 30.1) == (
        "Protocol coverage of 30.1% is required, and it is 30.0%: 7 of 10 are missing, such as "
        "/a v1 never accepted: say"
    )


def test_nothing_is_not_enough() -> None:
    assert shortfall(Coverage(), 1) == (
        "Protocol coverage of 1% is required, and no resource was connected to."
    )


@pytest.mark.slow
@asyncio
async def test_a_client_of_any_server_knows_its_path() -> None:
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        client = WebSocketTestClient(url, allow_insecure=True)
        with pytest.raises(ConnectionFailed):
            async with client.connect("/over/there?secret=x"):
                pass
    coverage = Coverage()
    coverage.add(client.traces[0])

    assert list(coverage.rows) == [("/over/there", "")]
