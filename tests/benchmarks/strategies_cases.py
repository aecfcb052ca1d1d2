"""What it costs to make messages, against strategies that are written by hand."""

from __future__ import annotations

import datetime as dt
import enum
from functools import partial
from typing import Annotated
from typing import Any
from typing import TYPE_CHECKING

import falcon.asgi
import msgspec
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import seed
from hypothesis import settings
from hypothesis import strategies as st
from msgspec import Meta

from falcon_pachinko import install
from falcon_pachinko import WebSocketResource
from falcon_pachinko import WebSocketRouter
from pytest_pachinko import play
from pytest_pachinko.strategies import message_streams
from pytest_pachinko.strategies import tagged_messages
from pytest_pachinko.strategies import wire_messages
from tests.benchmarks.measure import Group
from tests.benchmarks.measure import Stopwatch

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["groups"]

EXAMPLES = 400

BY_HAND = "st.builds by hand"


class Colour(enum.Enum):
    """What an enum field holds."""

    RED = "red"
    BLUE = "blue"


class Join(msgspec.Struct, tag="join"):
    room: Annotated[str, Meta(pattern="^[a-z]{1,8}$")]


class Say(msgspec.Struct, tag="say", rename="camel"):
    text_body: Annotated[str, Meta(min_length=1, max_length=280)]
    reply_to: int | None = None


class Rate(msgspec.Struct, tag="rate", forbid_unknown_fields=True):
    stars: Annotated[int, Meta(ge=1, le=5)]
    weight: Annotated[float, Meta(gt=0, le=1)]


class Count(msgspec.Struct, tag="count"):
    scores: list[Annotated[int, Meta(ge=0, le=100)]]
    counts: dict[str, int]


class Paint(msgspec.Struct, tag="paint"):
    when: Annotated[dt.datetime, Meta(tz=True)]
    colour: Colour


UNION = Join | Say | Rate | Count | Paint


def groups(*, quick: bool) -> dict[str, Group]:
    """Return the group that compares the strategies."""
    examples = 20 if quick else EXAMPLES

    seeds = {}  # how many rounds each contender had: all draw the same

    def draw(strategy: SearchStrategy[object], attempt: Any = None) -> float:
        key = (strategy, attempt)
        seeds[key] = seeds.get(key, 0) + 1

        @seed(seeds[key])
        @settings(
            database=None,
            deadline=None,
            max_examples=examples,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def examine(value: object) -> None:
            if attempt is not None:
                attempt(value)

        with Stopwatch() as watch:
            examine()
        return watch.seconds / examples

    by_hand = _by_hand()
    app = _app()
    streams = message_streams(UNION, connections=2)
    return {
        "play": Group(
            "play",
            "an example of a stream, by itself and played against a Falcon app",
            {
                "drawn": lambda: draw(streams),
                "drawn and played": lambda: draw(streams, partial(play, app, "/")),
                "drawn and played, a new app each time": lambda: draw(
                    streams, partial(play, _app, "/")
                ),
            },
            "drawn",
            higher_is_better=False,
            targets={"drawn and played": "<= 1.5"},
        ),
        "strategies": Group(
            "strategies",
            "an example of a union of five messages",
            {
                "tagged_messages": lambda: draw(tagged_messages(UNION)),
                "wire_messages": lambda: draw(wire_messages(UNION)),
                BY_HAND: lambda: draw(by_hand),
            },
            BY_HAND,
            higher_is_better=True,
            targets={"tagged_messages": ">= 0.9"},
        ),
    }


class _Answer(WebSocketResource):
    schema = UNION

    async def on_connect(self, req: Any, ws: Any) -> bool:
        return True

    async def _answer(self, ws: Any, message: Any) -> None:
        await self.send(message)

    on_join = on_say = on_rate = on_count = on_paint = _answer


def _app() -> falcon.asgi.App:
    router = WebSocketRouter()
    router.add_route("/", _Answer)
    app = falcon.asgi.App()
    install(app, router)
    return app


def _by_hand() -> SearchStrategy[object]:
    offsets = st.sampled_from([dt.timezone(dt.timedelta(hours=hours)) for hours in range(-12, 13)])
    return st.one_of(
        st.builds(Join, room=st.from_regex("^[a-z]{1,8}$")),
        st.builds(
            Say, text_body=st.text(min_size=1, max_size=280), reply_to=st.none() | st.integers()
        ),
        st.builds(Rate, stars=st.integers(1, 5), weight=st.floats(0, 1, exclude_min=True)),
        st.builds(
            Count,
            scores=st.lists(st.integers(0, 100)),
            counts=st.dictionaries(st.text(), st.integers()),
        ),
        st.builds(Paint, when=st.datetimes(timezones=offsets), colour=st.sampled_from(Colour)),
    )
