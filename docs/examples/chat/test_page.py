"""The page of the chat in a real browser, which talks to the application on a live server."""

import os
import shutil

import pytest
import pytest_asyncio
from chat import create_app
from chat import Join
from chat import Joined
from chat import Kick
from chat import Rename
from chat import Said
from chat import Say
from chat import Welcome

from pytest_pachinko import LiveServer

browsers = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
expect = browsers.expect

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.slow,
    # A browser acts in real time: nobody is to give up before it does.
    pytest.mark.pachinko(server={"timeout": 10}),
]

ROOM = "/chat/rooms/tea"

FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",  # there is none in most containers
]


@pytest.fixture
def chromium():
    """The path of the Chromium of this machine."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    message = "no Chromium is installed: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest_asyncio.fixture
async def page(chromium, tmp_path):
    """An empty page of a browser that has no past and leaves nothing in one's home directory."""
    env = os.environ | {"XDG_CONFIG_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    async with (
        browsers.async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=chromium, args=FLAGS, env=env) as browser,
        await browser.new_page() as page,
    ):
        yield page
        assert await page.page_errors() == []


async def enter(page, server, nick):
    """Open the page of the room, and join."""
    await page.goto(f"{server.http_url}/rooms/tea")
    await page.get_by_label("Nickname").fill(nick)
    await page.get_by_role("button", name="Join").click()
    await expect(page.get_by_label("Message")).to_be_enabled()


async def test_everybody_hears_what_is_said_in_the_browser(
    page, websocket_live_server, websocket_client
):
    async with websocket_client.connect(ROOM) as ann:
        await ann.send(Join(nick="ann"))
        await ann.receive(Welcome)
        await enter(page, websocket_live_server, "bob")

        await page.get_by_label("Message").fill("hi")
        await page.get_by_role("button", name="Send").click()

        await ann.expect(Joined(nick="bob"), Said(nick="bob", text="hi"))


async def test_the_browser_shows_what_happens(page, websocket_live_server, websocket_client):
    await enter(page, websocket_live_server, "ann")

    async with websocket_client.connect(ROOM) as bob:
        await bob.send(Join(nick="bob"))
        await bob.send(Say(text="hi"))
        await bob.send(Rename(nick="bill"))

    await expect(page.get_by_role("log").get_by_role("listitem")).to_have_text(
        ["You are ann.", "bob has joined.", "bob hi", "bob is bill now.", "bill has left."]
    )


async def test_what_is_said_is_shown_literally(page, websocket_live_server, websocket_client):
    await enter(page, websocket_live_server, "ann")

    async with websocket_client.connect(ROOM) as bob:
        await bob.send(Join(nick="bob"))
        await bob.send(Say(text="<b>x</b>"))

    await expect(page.get_by_text("<b>x</b>")).to_be_visible()


async def test_the_browser_shows_what_was_refused(page, websocket_live_server, websocket_client):
    async with websocket_client.connect(ROOM) as ann:
        await ann.send(Join(nick="ann"))
        await ann.receive(Welcome)
        await page.goto(f"{websocket_live_server.http_url}/rooms/tea")

        await page.get_by_label("Nickname").fill("ann")
        await page.get_by_role("button", name="Join").click()

        await expect(page.get_by_role("alert")).to_have_text("ann is taken")


async def test_whoever_is_kicked_is_told_why(page, websocket_live_server, websocket_client):
    await enter(page, websocket_live_server, "ann")

    async with websocket_client.connect(
        ROOM,
        subprotocols=["chat.moderator.v1"],
        headers={"authorization": "Bearer let-me-in"},
    ) as moderator:
        await moderator.send(Kick(nick="ann"))

        await expect(page.get_by_role("status")).to_contain_text("closed the connection: kicked")


async def test_the_browser_tells_that_the_connection_is_lost(page):
    async with LiveServer(create_app()) as server:
        await enter(page, server, "ann")

    await expect(page.get_by_role("status")).to_contain_text("The connection is lost")
    await expect(page.get_by_label("Message")).to_be_disabled()
