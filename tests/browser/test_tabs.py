"""Tabs of one browser share a stream, whatever becomes of the tab that leads."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Browser, BrowserContext, Page
from pymongo import AsyncMongoClient

from tests import card_app
from tests.proxy import proxy_to
from tests.serving import Running, serving

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><title>tab</title><body></body><script type="module">
import { createClient } from "/browser/client.js";
const fast = {
  setTimeout: (callback, ms) => setTimeout(callback, ms / 20),
  clearTimeout: (timer) => clearTimeout(timer),
  nextFrame: (callback) => setTimeout(callback, 5),
  now: () => performance.now() * 20,
};
window.client = createClient(OPTIONS);
window.shown = {};
window.shrunk = 0;
window.follow = (name, args) => {
  const key = JSON.stringify([name, args]);
  return client.subscribe(name, args, {
    onChange(value) {
      const before = Array.isArray(shown[key]) ? shown[key] : [];
      if (value.length < before.length) shrunk += 1;
      for (const [index, { text }] of before.entries()) {
        if (!value[index].text.startsWith(text)) shrunk += 1;
      }
      shown[key] = value;
    },
    onError: (error) => (shown[key] = { code: error.code }),
  });
};
window.ranks = (name, args) => {
  const value = shown[JSON.stringify([name, args])];
  return Array.isArray(value) ? value.map((card) => card.rank) : value;
};
document.body.dataset.ready = "yes";
</script>"""


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    uri = mongo_uri.replace("/headwater?", f"/tabs_{uuid4().hex[:12]}?")
    async with serving(uri, [card_app]) as running:
        yield running


NewBrowser = Callable[[], Awaitable[BrowserContext]]


@pytest.fixture
async def new_browser(chromium: Browser) -> AsyncIterator[NewBrowser]:
    """Makes browsers that know nothing of each other, and closes them."""
    async with AsyncExitStack() as stack:

        async def new_browser() -> BrowserContext:
            context = await chromium.new_context()
            stack.push_async_callback(context.close)
            return context

        yield new_browser


@pytest.fixture
def group() -> str:
    return uuid4().hex


async def open_tab(context: BrowserContext, url: str, options: str = "") -> Page:
    page = await context.new_page()
    body = PAGE.replace("OPTIONS", options)
    await page.route("**/tab", lambda route: route.fulfill(body=body, content_type="text/html"))
    await page.goto(f"{url}/tab")
    await page.wait_for_selector("body[data-ready]", state="attached")
    return page


async def follow(page: Page, group: str, name: str = "cardApp.cards") -> None:
    await page.evaluate(
        "([name, args]) => void (window.stop = follow(name, args))", [name, {"group": group}]
    )


async def shows(pages: list[Page], group: str, expected: Any, name: str = "cardApp.cards") -> None:
    condition = "([name, args, expected]) => JSON.stringify(ranks(name, args)) === expected"
    wanted = str(expected).replace(" ", "") if isinstance(expected, list) else expected
    for page in pages:
        await page.wait_for_function(condition, arg=[name, {"group": group}, wanted], polling=20)
        assert await page.evaluate("shrunk") == 0


async def metric(server: Running, name: str) -> int:
    found = re.search(rf"^{name} (\d+)", (await server.http.get("/metrics")).text, re.MULTILINE)
    assert found
    return int(found[1])


async def counted(server: Running, name: str, expected: int) -> None:
    """Wait until the server counts so many."""
    async with asyncio.timeout(30):
        while await metric(server, name) != expected:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)


async def streams(server: Running, expected: int) -> None:
    await counted(server, "headwater_sync_streams", expected)


async def open_tabs(context: BrowserContext, server: Running, group: str) -> list[Page]:
    """Three tabs of a browser of its own, all following; the first one leads."""
    tabs: list[Page] = []
    for _ in range(3):
        tabs.append(await open_tab(context, server.url))
        await follow(tabs[-1], group)
        await shows(tabs, group, await stored(server, group))
    return tabs


async def stored(server: Running, group: str) -> list[int]:
    """What the database has."""
    return [card["rank"] for card in await server.query("cardApp.cards", group=group)]


async def add(server: Running, group: str, rank: int) -> None:
    await server.mutation("cardApp.add", group=group, rank=rank, text="x" * 100)


async def test_two_browsers_of_three_tabs_are_two_streams(
    new_browser: NewBrowser, server: Running, group: str
) -> None:
    tabs = [tab for _ in range(2) for tab in await open_tabs(await new_browser(), server, group)]
    await streams(server, 2)
    for rank in range(5):
        await add(server, group, rank)
    await shows(tabs, group, [0, 1, 2, 3, 4])
    await streams(server, 2)
    for context in {tab.context for tab in tabs}:
        await context.close()
    await streams(server, 0)


async def test_each_tab_has_its_own_queries_and_takes_them_with_it(
    new_browser: NewBrowser, server: Running, group: str
) -> None:
    tabs = await open_tabs(await new_browser(), server, group)
    other = uuid4().hex
    await add(server, other, 7)
    await follow(tabs[1], other)
    await shows([tabs[1]], other, [7])
    await add(server, group, 1)
    await shows(tabs, group, [1])
    await streams(server, 1)
    await tabs[1].close()
    await counted(server, "headwater_subscribers", 1)
    await add(server, group, 2)
    await shows([tabs[0], tabs[2]], group, [1, 2])


@pytest.mark.parametrize("end", ["closes", "crashes", "is reloaded", "goes elsewhere"])
async def test_when_the_tab_that_leads_is_gone_another_goes_on(
    new_browser: NewBrowser, server: Running, group: str, end: str
) -> None:
    await add(server, group, 1)
    first, *others = await open_tabs(await new_browser(), server, group)
    match end:
        case "closes":
            await first.close()
        case "crashes":
            session = await first.context.new_cdp_session(first)
            crash = asyncio.ensure_future(session.send("Page.crash"))
            await first.wait_for_event("crash")
            crash.cancel()
        case "is reloaded":
            await first.reload()
            await follow(first, group)
            others.append(first)
        case _:
            await first.goto("about:blank")
    await add(server, group, 2)
    await shows(others, group, [1, 2])
    await streams(server, 1)
    value = await others[0].evaluate(
        "client.mutation('cardApp.add', ARGS)".replace("ARGS", f"{{group: '{group}', rank: 3}}")
    )
    assert value["rank"] == 3
    await shows(others, group, [1, 2, 3])


async def test_the_tab_that_goes_hands_over_and_nothing_is_sent_anew(
    new_browser: NewBrowser, server: Running, group: str
) -> None:
    await add(server, group, 1)
    first, second, third = await open_tabs(await new_browser(), server, group)
    asked: list[str] = []
    second.on("request", lambda request: asked.append(request.url))
    third.on("request", lambda request: asked.append(request.url))
    await first.close()
    await add(server, group, 2)
    await shows([second, third], group, [1, 2])
    assert [url for url in asked if "/api/sync" in url and "from" in url], asked


async def test_a_text_only_grows_in_six_tabs_whatever_happens_to_them(
    new_browser: NewBrowser, server: Running, group: str, mongo: AsyncMongoClient[Any]
) -> None:
    await add(server, group, 1)
    browsers = [await open_tabs(await new_browser(), server, group) for _ in range(2)]
    cards = mongo.get_database(server.app.mongodb_uri.rpartition("/")[2].partition("?")[0]).cards
    text = "x" * 100

    async def write() -> None:
        nonlocal text
        for number in range(200):
            await cards.update_one({"group": group}, {"$push": {"text": f" word{number}"}})
            text += f" word{number}"
            await asyncio.sleep(0.01)

    async def disturb(tabs: list[Page]) -> None:
        await tabs[0].reload()  # it leads
        await follow(tabs[0], group)
        await tabs[1].context.set_offline(True)
        await asyncio.sleep(0.1)
        await tabs[1].context.set_offline(False)
        await tabs.pop(1).close()
        tabs.append(await open_tab(tabs[0].context, server.url))
        await follow(tabs[-1], group)

    await asyncio.gather(write(), *(disturb(tabs) for tabs in browsers))
    whole = "([name, args, text]) => shown[JSON.stringify([name, args])]?.[0].text === text"
    for tab in [tab for tabs in browsers for tab in tabs]:
        await tab.wait_for_function(
            whole, arg=["cardApp.cards", {"group": group}, text], polling=20
        )
        assert await tab.evaluate("shrunk") == 0
    await streams(server, 2)


async def test_what_a_tab_has_written_it_sees_when_the_call_is_answered(
    new_browser: NewBrowser, server: Running, group: str
) -> None:
    tabs = await open_tabs(await new_browser(), server, group)
    for rank, tab in enumerate(tabs * 2):
        seen = await tab.evaluate(
            """async ([group, rank]) => {
              await client.mutation("cardApp.add", { group, rank });
              return ranks("cardApp.cards", { group });
            }""",
            [group, rank],
        )
        assert seen == list(range(rank + 1))


async def test_offline_and_back_all_tabs_show_what_happened_meanwhile(
    new_browser: NewBrowser, server: Running, group: str
) -> None:
    context = await new_browser()
    async with proxy_to(int(server.url.rpartition(":")[2]), random.Random(1)) as proxy:
        tabs = await open_tabs(context, replace(server, url=proxy.url), group)
        await context.set_offline(True)
        while proxy.cut_one():  # Chromium leaves open what is open
            pass
        for tab in tabs:
            await tab.wait_for_function("client.connectionState.value !== 'live'", polling=20)
        await add(server, group, 1)
        await context.set_offline(False)
        await shows(tabs, group, [1])
        await streams(server, 1)


async def test_a_server_that_is_replaced_is_found_by_all_tabs(
    new_browser: NewBrowser, mongo_uri: str, group: str
) -> None:
    uri = mongo_uri.replace("/headwater?", f"/tabs_{uuid4().hex[:12]}?")
    async with serving(uri, [card_app]) as first:
        tabs = await open_tabs(await new_browser(), first, group)
        await add(first, group, 1)
        await shows(tabs, group, [1])
    async with serving(uri, [card_app], port=int(first.url.rpartition(":")[2])) as second:
        await add(second, group, 2)
        await shows(tabs, group, [1, 2])
        await streams(second, 1)


async def test_sessions_do_not_share_a_stream(
    new_browser: NewBrowser, server: Running, group: str
) -> None:
    context = await new_browser()
    options = ["{session: 'ada'}", "{session: 'bob'}", "{session: 'ada'}", "{shareTabs: false}"]
    tabs = [await open_tab(context, server.url, one) for one in options]
    for tab in tabs:
        await follow(tab, group)
    await shows(tabs, group, [])
    await streams(server, 3)


async def test_tabs_that_know_who_asks_but_not_by_which_session_do_not_share(
    new_browser: NewBrowser, server: Running, group: str
) -> None:
    context = await new_browser()
    options = "{headers: () => ({Authorization: 'Bearer x'})}"
    tabs = [await open_tab(context, server.url, options) for _ in range(2)]
    for tab in tabs:
        await follow(tab, group)
    await add(server, group, 1)
    await shows(tabs, group, [1])
    await streams(server, 2)


async def test_a_tab_that_leads_and_is_frozen_loses_the_lead(
    new_browser: NewBrowser, server: Running, group: str
) -> None:
    context = await new_browser()
    tabs: list[Page] = []
    for _ in range(3):
        tabs.append(await open_tab(context, server.url, "{timers: fast}"))
        await follow(tabs[-1], group)
        await shows(tabs, group, [])
    first, *others = tabs
    session = await context.new_cdp_session(first)
    await session.send("Page.setWebLifecycleState", {"state": "frozen"})
    await add(server, group, 1)
    await shows(others, group, [1])
    await session.send("Page.setWebLifecycleState", {"state": "active"})
    await add(server, group, 2)
    await shows(tabs, group, [1, 2])
    await streams(server, 1)
