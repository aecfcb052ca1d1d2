"""The page of a trace in a real browser."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import Any
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from pytest_pachinko import Accepted
from pytest_pachinko import Closed
from pytest_pachinko import FromApp
from pytest_pachinko import merged
from pytest_pachinko import Trace
from pytest_pachinko.headers import Headers
from pytest_pachinko.trace.event import Close
from pytest_pachinko.trace.event import Crash
from pytest_pachinko.trace.event import Handshake
from pytest_pachinko.trace.explain import difference
from pytest_pachinko.trace.export import Comparison
from pytest_pachinko.trace.export import html

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

browsers = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
expect = browsers.expect

# They share a browser, which takes longer to start than a test.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",  # there is none in most containers
]


@pytest.fixture(scope="module")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    message = "no Chromium is installed: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """A browser that has no past and leaves nothing in one's home directory."""
    home = str(tmp_path_factory.mktemp("home"))
    env = os.environ | {"XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home}
    async with (
        browsers.async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=chromium, args=FLAGS, env=env) as browser,
    ):
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """Open a page. It must say nothing on its console, and ask for nothing."""
    path = tmp_path / "trace.html"
    said: list[str] = []
    pages = []

    async def open_page(text: str, width: int = 1280, height: int = 800, **how: Any) -> Any:
        path.write_text(text, encoding="utf-8")
        page = await browser.new_page(viewport={"width": width, "height": height}, **how)
        pages.append(page)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda asked: asked.url == path.as_uri() or said.append(asked.url))
        await page.goto(path.as_uri())
        await page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield open_page
    for page in pages:
        await page.close()
    assert said == []


def talk() -> list[Trace]:
    ann, bob, eve = Trace("ann"), Trace("bob"), Trace("eve")
    headers = Headers([(b"x-room", b"tea")])
    ann.record("from_app", "accepted", Handshake(101, "chat.v1", headers), 0.0)
    bob.record("from_app", "accepted", Handshake(), 0.0)
    ann.record("to_app", "text", '{"type":"say","text":"hi","id":12345678901234567890}', 0.0)
    bob.record("from_app", "bytes", b'{"type":"said"}', 0.5)
    bob.record("to_app", "bytes", b"\xff\x00hello", 30.0)
    eve.record("from_app", "denied", Handshake(403, None, headers, b'{"title":"no"}', 4403), 0.0)
    ann.record("from_app", "raised", Crash("ValueError", "milk"), 90.25)
    ann.record("from_app", "closed", Close(1011, "sorry"), 90.25)
    bob.record("to_app", "closed", Close(1000), 91.0)
    return [ann, bob, eve]


def page_of(*, compare: bool = False) -> str:
    traces = talk()
    comparison = None
    if compare:
        patterns = [Accepted(), FromApp({"type": "said"}), Closed(1011, by="app")]
        comparison = Comparison("ann", difference(traces[0], patterns))
    return html(
        merged(traces),
        "test_chat.py::test_talk",
        failure="assert something",
        comparison=comparison,
        links={"JSON Lines": "talk.jsonl"},
    )


def rows(page: Any) -> Any:
    return page.get_by_role("option")


async def test_all_events_are_shown_with_lanes_and_time(open_page: Any) -> None:
    page = await open_page(page_of())

    await expect(rows(page)).to_have_count(9)
    await expect(rows(page).nth(0)).to_have_text("00.000acceptedsubprotocol chat.v1")
    await expect(rows(page).nth(5)).to_have_text("50.000denied403 (close code 4403)")
    await expect(rows(page).nth(6)).to_have_text("61:30.250raised in annValueError: milk")
    await expect(rows(page).nth(7)).to_have_text("71:30.250closed by app1011 sorry")
    await expect(page.locator("#heads")).to_have_text("sappannbobeve")
    await expect(page.locator(".facts")).to_contain_text("9 events3 connections")
    await expect(page.get_by_role("link", name="JSON Lines")).to_have_attribute(
        "href", "./talk.jsonl"
    )


async def test_a_failure_is_shown_above_the_events(open_page: Any) -> None:
    page = await open_page(page_of())

    await expect(page.locator("#compare")).to_have_text(
        "Failure assert something".replace(" ", "", 0), use_inner_text=False
    )


async def test_what_was_expected_stands_among_what_came(open_page: Any) -> None:
    page = await open_page(page_of(compare=True))

    await expect(page.locator(".row.ghost .says")).to_have_text("missingFromApp({'type': 'said'})")
    await expect(page.locator(".row.extra")).to_contain_text('"say"')
    await expect(page.locator(".verdict")).to_contain_text("ann: the trace differs at event [1]")


async def test_a_line_of_the_comparison_leads_to_its_event(open_page: Any) -> None:
    page = await open_page(page_of(compare=True))

    await page.locator(".compared.plus").first.click()

    await expect(page.locator("#details h2")).to_have_text("[2] ann → text")
    await expect(page.locator("#details")).to_contain_text("This event was not expected.")


async def test_a_missing_event_has_details_too(open_page: Any) -> None:
    page = await open_page(page_of(compare=True))

    await page.locator(".compared.minus").first.click()

    await expect(page.locator("#details h2")).to_have_text("Expected, and missing")


async def test_keys_lead_from_difference_to_difference(open_page: Any) -> None:
    page = await open_page(page_of(compare=True))
    differences = await page.locator(".row.ghost, .row.extra").count()

    seen = []
    for _ in range(differences + 1):
        await page.keyboard.press("d")
        seen.append(await page.locator(".row.picked").get_attribute("id"))
    await page.keyboard.press("D")

    assert differences == 2
    assert seen[0] == seen[2] != seen[1]
    await expect(page.locator(".row.picked")).to_have_id(seen[1])


@pytest.mark.parametrize(
    ("keys", "picked"),
    [
        (["j"], "0"),
        (["j", "ArrowDown", "j"], "2"),
        (["G", "k", "ArrowUp"], "6"),
        (["End", "Home"], "0"),
        (["g", "l"], "2"),
        (["G", "h"], "4"),
        (["g", "PageDown", "j"], "8"),
        (["G", "PageUp"], "0"),
    ],
)
async def test_keys_move_from_event_to_event(open_page: Any, keys: list[str], picked: str) -> None:
    page = await open_page(page_of())

    for key in keys:
        await page.keyboard.press(key)

    await expect(page.locator(".row.picked .n")).to_have_text(picked)
    await expect(page.locator("#details h2")).to_contain_text(f"[{picked}]")
    await expect(page.locator(".row.picked")).to_have_attribute("aria-selected", "true")


async def test_escape_leads_back(open_page: Any) -> None:
    page = await open_page(page_of())
    await page.keyboard.press("/")
    await page.keyboard.type("hello")
    await expect(rows(page)).to_have_count(1)
    await page.keyboard.press("Enter")
    await expect(page.locator("#details")).to_be_visible()

    await page.keyboard.press("Escape")
    await expect(page.locator("#details")).to_be_hidden()
    await expect(rows(page)).to_have_count(1)

    await page.keyboard.press("Escape")
    await expect(rows(page)).to_have_count(9)


async def test_a_question_mark_lists_the_keys(open_page: Any) -> None:
    page = await open_page(page_of())

    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("next or previous difference")
    await page.keyboard.press("Escape")

    await expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize(
    ("text", "count"),
    [("HELLO", 1), ("title", 1), ("x-room", 2), ("bob", 4), ("milk", 1), ("nothing such", 0)],
)
async def test_the_search_looks_into_everything(open_page: Any, text: str, count: int) -> None:
    page = await open_page(page_of())

    await page.get_by_role("searchbox").fill(text)

    await expect(page.get_by_role("status")).to_have_text(f"{count} of 9 events")
    await expect(rows(page)).to_have_count(count)
    await expect(page.locator("#empty")).to_be_visible(visible=count == 0)


async def test_what_was_found_is_marked(open_page: Any) -> None:
    page = await open_page(page_of())

    await page.get_by_role("searchbox").fill("say")

    await expect(page.locator(".row mark")).to_have_text("say")


@pytest.mark.parametrize(
    ("chip", "count"), [("1 ann", 5), ("→ to the app", 6), ("bytes", 7), ("denied", 8)]
)
async def test_lanes_directions_and_kinds_can_be_hidden(
    open_page: Any, chip: str, count: int
) -> None:
    page = await open_page(page_of())
    button = page.get_by_role("button", name=chip)

    await button.click()
    await expect(rows(page)).to_have_count(count)
    await expect(button).to_have_attribute("aria-pressed", "false")

    await button.click()
    await expect(rows(page)).to_have_count(9)


async def test_a_lane_can_be_looked_at_alone(open_page: Any) -> None:
    page = await open_page(page_of())

    await page.get_by_role("button", name="3 eve").dblclick()

    await expect(rows(page)).to_have_count(1)


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        (0, ["status101", "subprotocolchat.v1", "x-room: tea"]),
        (2, ["place[1] of ann", '"id": 12345678901234567890\n}']),
        (3, ["size15 bytes", '{\n  "type": "said"\n}']),
        (4, ["These bytes are no UTF-8.", "000000  ff 00 68 65 6c 6c 6f ", " ··hello"]),
        (5, ["close code4403", "Body", '{\n  "title": "no"\n}']),
        (6, ["exceptionValueError", "milk"]),
        (7, ["code1011", "reasonsorry", "time1:30.250 s since this connection was opened"]),
    ],
)
async def test_the_details_show_everything(open_page: Any, row: int, texts: list[str]) -> None:
    page = await open_page(page_of())

    await rows(page).nth(row).click()

    shown = await page.locator("#details").text_content()
    assert [text for text in texts if text not in shown] == []


async def test_a_payload_can_be_copied(open_page: Any) -> None:
    page = await open_page(page_of())
    await rows(page).nth(2).click()

    await page.get_by_role("button", name="Copy").click()

    await expect(page.get_by_role("button", name="Copied")).to_be_visible()


NASTY = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "javascript:alert(1)",
    "a\u2028b\u202ec\x00d\ud800e",
    "{" * 5000,
    '{"a":' * 3000 + "1" + "}" * 3000,
    '{"</pre><img src=x onerror=alert(1)>":["<b>",1e400,{}]}',
    "",
    "x" * 2**20,
]


@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
async def test_nothing_in_a_trace_is_more_than_text(open_page: Any, nasty: str) -> None:
    trace = Trace(nasty)
    headers = Headers([(b"x", nasty.encode("ascii", "replace"))])
    raw = nasty.encode(errors="surrogatepass")
    trace.record("from_app", "accepted", Handshake(101, nasty, headers, raw), 0.0)
    trace.record("to_app", "text", nasty, 0.0)
    trace.record("to_app", "bytes", raw, 0.0)
    trace.record("from_app", "raised", Crash(nasty, nasty), 0.0)
    trace.record("to_app", "closed", Close(4000, nasty), 0.0)
    comparison = Comparison(nasty, [nasty, "", f"- {nasty}", f"+ [1] {nasty}"])
    page = await open_page(
        html(trace, nasty, failure=nasty, comparison=comparison, links={"x": nasty})
    )

    for _ in range(8):
        await page.keyboard.press("j")
    await page.get_by_role("searchbox").fill(nasty[:100])

    assert await page.locator("script").count() == 2
    assert await page.locator("img, b").count() == 0


async def test_a_long_payload_is_cut_with_a_note(open_page: Any) -> None:
    trace = Trace("/")
    trace.record("to_app", "text", "x" * 2**20, 0.0)
    page = await open_page(html(trace, "test_it"))

    await page.keyboard.press("j")

    await expect(page.locator("#details .note")).to_contain_text("Only the beginning is shown")
    await expect(page.locator("#details")).to_contain_text("1,048,576 characters")
    assert len(await page.locator("#details pre").text_content()) == 2**16


async def test_halves_of_characters_and_controls_are_shown_by_number(open_page: Any) -> None:
    trace = Trace("/")
    trace.record("to_app", "text", "\ud800 \u202e \x07 \U0001f600", 0.0)

    page = await open_page(html(trace, "test_it"))

    await expect(page.locator(".says")).to_have_text("\\ud800 \\u202e \\u0007 \U0001f600")


async def test_a_test_without_connections_has_a_page(open_page: Any) -> None:
    page = await open_page(html(merged([]), "test_it", failed=False))

    await expect(page.locator("#empty")).to_contain_text("Nothing crossed the wire")
    for key in ("j", "k", "G", "d", "l", "h", "PageUp", "Escape"):
        await page.keyboard.press(key)


async def test_the_page_is_light_or_dark_as_the_system_says_until_one_chooses(
    open_page: Any,
) -> None:
    page = await open_page(page_of(), color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"

    dark = await page.evaluate(background)
    await page.keyboard.press("t")
    light = await page.evaluate(background)
    await page.get_by_role("button", name="Dark or light").click()

    assert (dark, light) == ("rgb(16, 21, 27)", "rgb(255, 255, 255)")
    assert await page.evaluate(background) == dark


async def test_a_phone_is_wide_enough(open_page: Any) -> None:
    page = await open_page(page_of(compare=True), width=390, height=844)
    await rows(page).nth(2).click()

    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    assert await page.evaluate("document.getElementById('list').scrollWidth") <= 390
    await expect(page.locator("#details")).to_be_in_viewport(ratio=1)
    await expect(page.locator(".row.picked")).to_be_in_viewport(ratio=1)


async def test_the_filters_of_a_phone_are_behind_a_button(open_page: Any) -> None:
    page = await open_page(page_of(), width=390, height=844)
    await expect(page.locator("#kinds")).to_be_hidden()

    await page.get_by_role("button", name="Filters").click()
    await page.get_by_role("button", name="text", exact=True).click()

    await expect(rows(page)).to_have_count(8)


def many(count: int, lanes: int = 8) -> str:
    traces = [Trace(f"connection {number}") for number in range(lanes)]
    for number in range(count):
        frame = json.dumps({"type": "say", "text": f"message {number} of very many"})
        way: Any = "to_app" if number % 3 else "from_app"
        traces[number % lanes].record(way, "text", frame, number / 100)
    return html(merged(traces), "test_many")


async def test_ten_thousand_events_open_in_two_seconds_and_scroll(open_page: Any) -> None:
    text = many(10_000)
    await (await open_page("<html data-ready>")).close()  # the browser itself has started
    before = time.perf_counter()

    page = await open_page(text)
    await rows(page).first.wait_for()

    took = time.perf_counter() - before
    assert took < 2, f"{took:.2f} s"
    for place in (0, 5000, 9990):
        await page.evaluate(f"document.getElementById('list').scrollTop = {place * 28}")
        await expect(page.get_by_text(f"message {place + 3} of")).to_be_in_viewport()
        assert await rows(page).count() < 60


async def test_two_hundred_connections_can_be_looked_at(open_page: Any) -> None:
    page = await open_page(many(2000, lanes=200))

    await page.keyboard.press("g")

    await expect(page.locator("#details h2")).to_have_text("[0] connection 0 ← text")
    await expect(rows(page).nth(9).locator(".what")).to_have_text("10")
    assert await page.evaluate("document.getElementById('list').scrollWidth") > 900


async def test_connections_that_follow_each_other_share_a_lane(open_page: Any) -> None:
    traces = []
    for number in range(50):
        traces.append(Trace(f"connection {number}"))
        traces[-1].record("from_app", "accepted", Handshake(), 0.0)
        traces[-1].record("to_app", "closed", Close(1000), 0.0)

    page = await open_page(html(merged(traces), "test_many"), width=390)

    await expect(page.locator(".row .life")).not_to_have_count(0)
    lanes = await page.locator(".row .life").evaluate_all(
        "all => all.map((e) => +e.getAttribute('x1'))"
    )
    assert len(set(lanes)) == 1
    assert await page.evaluate("document.getElementById('list').scrollWidth") <= 390
