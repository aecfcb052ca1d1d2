"""One failure as it is shown everywhere: the rendered reports are kept beside this file.

They are written anew with ``PACHINKO_GOLDEN=write pytest tests/plugin/test_golden.py``, and the
change is looked at like any other.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

GOLDEN = Path(__file__).with_name("golden")

# A conversation of many messages with one too many, between two connections.
FAILURE = """
import pytest
from pytest_pachinko import Accepted, Closed, FromApp, ToApp

def say(text):
    return {"type": "say", "text": text}

@pytest.mark.asyncio
async def test_conversation(websocket_connect):
    async with websocket_connect("/", name="ann") as ann, websocket_connect("/", name="bob") as bob:
        for number in range(20):
            await ann.send(say(f"number {number}"))
            await ann.receive()
            if number == 12:
                await bob.send(say("may I interrupt?"))
                await bob.receive()
                await ann.send(say("no"))
                await ann.receive()

    expected = [Accepted()]
    for number in range(20):
        expected += [ToApp(say(f"number {number}")), FromApp(say(f"number {number}"))]
    assert ann.trace == [*expected, Closed(1000, by="peer")]
"""

VARIANTS = {
    "terminal": ([], {}),
    "ci": ([], {"CI": "1"}),
    "two-processes": (["-n", "2"], {}),
    "quiet": (["-q"], {}),
    "verbose": (["-vv"], {}),
    "short": (["--tb=short"], {}),
    "colour": (["--color=yes"], {}),
    "no-colour": (["--color=no"], {"NO_COLOR": "1"}),
}


def stable(text: str) -> str:
    """Leave out what another machine, another day or another version of pytest prints."""
    start = re.search(r"^.*={3,} FAILURES ={3,}.*$", text, re.MULTILINE)
    assert start is not None, text
    text = text[start.start() :]
    text = re.sub(r"in \d+\.\d+s", "in 0.00s", text)
    text = re.sub(r"\[gw\d\] .*", "[gw0] the interpreter", text)
    return re.sub(r"={3,}|-{3,}|_{3,}", lambda rule: rule[0][0] * 3, text).rstrip() + "\n"


@pytest.mark.slow
@pytest.mark.skipif(
    int(pytest.__version__.partition(".")[0]) < 9,
    reason="pytest 8 shows less of an assertion",
)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_failure_reads_well_everywhere(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    arguments, environment = VARIANTS[name]
    if "-n" in arguments:
        pytest.importorskip("xdist")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    # Whoever is installed beside may add lines of their own.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    plugins = ["pytest_asyncio.plugin", "pytest_pachinko.plugin"]
    plugins += ["xdist.plugin"] if "-n" in arguments else []
    loaded = [part for plugin in plugins for part in ("-p", plugin)]
    project.makepyfile(test_it=FAILURE)

    shown = stable(str(project.runpytest_subprocess(*loaded, *arguments).stdout))

    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("PACHINKO_GOLDEN") == "write":
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")
