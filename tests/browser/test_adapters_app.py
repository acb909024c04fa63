"""A page whose chat is the AI SDK's ``useChat``, in a real Chromium on a real server."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Route, expect

from server.llm.standin import Reply, Stalled, Text
from tests.browser.bundling import bundle
from tests.browser.conftest import OpenTab, Tab
from tests.serving import serving

pytestmark = pytest.mark.browser

APP = Path(__file__).parent / "adapters" / "app.jsx"
HTML = '<!doctype html><title>Chat</title><link rel="icon" href="data:,"><div id="root"></div>'
WORDS = [f"word{number} " for number in range(200)]
BEGUN = "".join(WORDS[:20]).strip()


async def test_use_chat_streams_finds_its_reply_again_stops_it_and_goes_on(
    database_uri: str,
    tmp_path: Path,
    node_modules: Path,
    context: BrowserContext,
    open_tab: OpenTab,
) -> None:
    assert node_modules
    bundle(APP, out=tmp_path)
    code = (tmp_path / "app.mjs").read_bytes().replace(b"</script", b"<\\/script")
    page = HTML.encode() + b'<script type="module">' + code + b"</script>"

    async def fulfill(route: Route) -> None:
        await route.fulfill(content_type="text/html", body=page)

    await context.route("**/app?*", fulfill)
    async with serving(database_uri) as server:
        task = (await server.mutation("tasks.create", title="T"))["_id"]
        server.script.add(Reply([Text(WORDS)], failure=Stalled(20, asyncio.Event())))
        one, two = [await open_tab(f"{server.url}/app?task={task}") for _ in range(2)]
        await one.page.locator("#prompt").fill("Count.")
        await one.page.locator("#prompt").press("Enter")
        await expect(one.reply_text).to_have_text(BEGUN)

        await one.page.get_by_text("Toggle").click()
        await expect(one.replies).to_have_count(0)
        for tab in (one, two):
            await again(tab, "reload" if tab is two else "toggle")
            await expect(tab.replies).to_have_count(1)
            await expect(tab.reply_text).to_have_text(BEGUN)
            await expect(tab.page.locator("form")).to_have_attribute("data-status", "streaming")
        assert (await server.query("messages.byTask", taskId=task))[1]["status"] == "STREAMING"

        await two.page.get_by_text("Stop").click()
        for tab in (one, two):
            await expect(tab.page.locator("form")).to_have_attribute("data-status", "ready")
            await expect(tab.replies).to_have_attribute("data-status", "CANCELLED")
            await expect(tab.reply_text).to_have_text(BEGUN)

        server.script.add(Reply([Text(["And ", "more."])]))
        await two.page.get_by_text("Go on").click()
        await expect(two.replies).to_have_attribute("data-status", "COMPLETED")
        await expect(two.replies).to_have_count(1)
        await expect(two.reply_text).to_have_text(f"{BEGUN} And more.")
        assert len(server.standin.requests) == 2
        assert one.complaints == two.complaints == []


async def again(tab: Tab, how: str) -> None:
    if how == "reload":
        await tab.page.reload()
    else:
        await tab.page.get_by_text("Toggle").click()
