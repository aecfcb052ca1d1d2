"""Three processes, a real server, and what happens to it: no loss without a word."""

from typing import Any

import pytest

from tests.loops import run as run_in_thread
from tests.manager.ordeal import FAULTS
from tests.manager.ordeal import judge
from tests.manager.ordeal import Result
from tests.manager.ordeal import run
from tests.redis_server import RedisServer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_happens_to_the_server_no_message_is_lost_without_a_word(
    fault: str, valkey_server: RedisServer
) -> None:
    for found in run_in_thread(ordeals(fault, valkey_server)):
        assert found.accepted > 0
        assert (found.silent, found.twice, found.disordered) == (0, 0, 0)
        assert found.recovery is not None


async def ordeals(fault: str, server: RedisServer) -> list[Result]:
    """Do it to pub/sub and to streams at the same time."""
    return await run(["pachinko", "pachinko-streams"], fault, seconds=6, server=server)


def reports(heard: list[Any], gaps: list[Any]) -> list[Any]:
    none = {"base": 7, "accepted": [], "failed": 0, "heard": [], "gaps": []}
    return [
        none | {"node": "a", "accepted": [1, 2, 3]},
        none | {"node": "b", "heard": heard, "gaps": gaps},
    ]


@pytest.mark.parametrize(
    ("heard", "gaps", "judgement"),
    [
        ([1, 2, 3], [], {"silent": 0, "reported": 0}),
        ([1, 3], [], {"silent": 1, "reported": 0}),
        ([1, 3], [["a", 9, 9]], {"silent": 0, "reported": 1}),
        ([1], [["a", 9, None]], {"silent": 0, "reported": 2}),
        ([1], [["other", 9, None]], {"silent": 2, "reported": 0}),
        ([1, 2, 2, 3], [], {"twice": 1}),
        ([2, 1, 3], [], {"disordered": 1}),
    ],
)
def test_the_judge_sees(heard: list[int], gaps: list[Any], judgement: dict[str, int]) -> None:
    found = judge(reports([(1.0, "a", number) for number in heard], gaps), over=0.0)

    assert {name: getattr(found, name) for name in judgement} == judgement
