"""The command: run the groups that are asked for and print their tables."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import logging
import time
import warnings
from pathlib import Path

from tests.benchmarks import asyncapi_cases
from tests.benchmarks import broadcast_cases
from tests.benchmarks import clock_cases
from tests.benchmarks import live_cases
from tests.benchmarks import report
from tests.benchmarks import runtime_cases
from tests.benchmarks import strategies_cases
from tests.benchmarks import toolkit_cases
from tests.benchmarks import trace_cases
from tests.benchmarks.measure import measure
from tests.benchmarks.toolkits import find_toolkits

GROUPS = (
    "echo",
    "idle",
    "open",
    "lockstep",
    "burst",
    "clock",
    "live",
    "trace",
    "strategies",
    "play",
    "broadcast",
    "stalled",
    "blocked",
    "asyncapi",
)

_PATIENCE = 60.0  # seconds for one round of one group


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=GROUPS, help="may be repeated")
    parser.add_argument("--rounds", type=_positive, default=20, help="default: 20")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements there")
    parser.add_argument("--quick", action="store_true", help="one small round: does it run?")
    return parser.parse_args()


def main() -> None:
    """Run the benchmarks; what fails is an exception, never a time."""
    arguments = _arguments()
    wanted = arguments.only or GROUPS
    started = time.perf_counter()
    logging.disable()
    warnings.simplefilter("ignore")  # what the peers deprecate is not measured

    toolkits, missing = find_toolkits()
    available = toolkit_cases.groups(toolkits, quick=arguments.quick)
    available |= runtime_cases.groups(quick=arguments.quick)
    available |= clock_cases.groups(quick=arguments.quick)
    available |= live_cases.groups(quick=arguments.quick)
    available |= strategies_cases.groups(quick=arguments.quick)
    available |= broadcast_cases.groups(quick=arguments.quick)
    groups = [available[name] for name in GROUPS if name in wanted and name in available]

    print(report.versions())
    for line in missing:
        print(line)

    # The modules of six toolkits are nobody's heap: the collector shall not walk them.
    gc.collect()
    gc.freeze()

    def watchdog() -> None:
        # Whatever hangs, in a thread or a loop, ends the process with a traceback.
        faulthandler.dump_traceback_later(_PATIENCE, exit=True)

    results = []
    for group in groups:
        rounds = 1 if arguments.quick else arguments.rounds
        result = measure(group, rounds=rounds, watchdog=watchdog)
        results.append(result)
        print(f"\n{report.table(result)}", flush=True)
    if "clock" in wanted:
        title = "virtual time: what has a limit of its own"
        print(f"\n{report.limits(title, clock_cases.costs(quick=arguments.quick))}", flush=True)
    if "live" in wanted:
        starts = live_cases.costs(quick=arguments.quick, watchdog=watchdog)
        print(f"\n{report.limits('live: start and stop of a server', starts)}")
    if "trace" in wanted:
        traces = trace_cases.costs(quick=arguments.quick)
        print(f"\n{report.limits('traces', traces)}")
    if "asyncapi" in wanted:
        described = asyncapi_cases.costs(quick=arguments.quick)
        print(f"\n{report.limits('AsyncAPI', described)}")
    faulthandler.cancel_dump_traceback_later()

    if arguments.json:
        arguments.json.write_text(report.as_json(results, missing), encoding="utf-8")
    print(f"\n{time.perf_counter() - started:.0f} s")
    if arguments.quick:
        print("One small round: that it ran is all this says.")


if __name__ == "__main__":
    main()
