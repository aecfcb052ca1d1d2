"""The full measurement: python -m tests.asyncapi.roundtrip 20000

So many valid and so many invalid messages, over all shapes, are judged by msgspec and by a validator
that is built of the document. What they differ about is counted by the limit that explains it.
"""

import sys
from collections import Counter

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import settings
from msgspec.json import encode

from pytest_pachinko.strategies import invalid_frames
from pytest_pachinko.strategies import wire_messages
from tests.asyncapi.judging import Judge
from tests.strategies.shapes import SHAPES


def examples(strategy, number):
    """Return so many examples of a strategy, the same ones each time."""
    found = []

    @settings(
        database=None,
        deadline=None,
        max_examples=number,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(strategy)
    def draw(example):
        found.append(example)

    # A type with few values has fewer different examples: they are judged again.
    while len(found) < number:
        draw()
    return found[:number]


def main(wanted: int) -> int:
    judges = {name: Judge(shape) for name, shape in SHAPES.items()}
    counts: Counter[str] = Counter()
    limits: Counter[str] = Counter()
    unknown: list[str] = []
    each = -(-wanted // len(judges))
    for kind, make in (("valid", wire_messages), ("invalid", invalid_frames)):
        for name, judge in judges.items():
            for example in examples(make(judge.schema), each):
                raw = example.raw if kind == "invalid" else encode(example)
                counts[kind] += 1
                found = judge.differ(raw)
                if found is not None:
                    limits[f"{kind}, {found.partition(':')[0]}"] += 1
                    if found.startswith("UNKNOWN"):
                        unknown.append(f"{name}, {kind}: {raw!r:.300}\n  {found}")
    print(f"messages: {dict(counts)}, over {len(judges)} shapes")
    print(f"judged differently, by limit: {dict(limits)}")
    print("\n".join(unknown[:60]))
    print(f"outside the list: {len(unknown)}")
    return int(bool(unknown))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
