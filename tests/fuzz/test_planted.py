"""Bugs that were planted are found, soon and always, and become as small as they can be."""

from __future__ import annotations

import pytest

from pytest_pachinko import play
from pytest_pachinko.fuzz.search import Search
from pytest_pachinko.fuzz.search import search
from pytest_pachinko.strategies import resource_streams
from tests.fuzz.planted import BUGS


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_within_200_streams_and_shrunk_to_its_minimum(bug):
    make, minimum = BUGS[bug]
    streams = resource_streams(make(), connections=2)

    smallest = set()
    for seed in range(20):
        plan = Search(bug, seed, examples=200)
        found = search(plan, streams, lambda stream: play(make, "/chat", stream))
        assert found is not None, f"seed {seed}"
        smallest.add(repr(found.stream.steps))

    assert smallest == {repr(minimum)}
