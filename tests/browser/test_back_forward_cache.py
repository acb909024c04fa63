"""Pages that the browser keeps while they are elsewhere, and gives back as they were."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests import card_app
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.test_tabs import PAGE, add, follow, shows, stored, streams
from tests.serving import Running, http_server, serving
from tests.sse import Follower

pytestmark = pytest.mark.browser


@pytest.fixture
async def keeping_chromium(chromium: Browser) -> AsyncIterator[Browser]:
    """One that keeps pages, which Playwright forbids; `chromium` says if there is none."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=FLAGS,
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        await browser.close()


@pytest.fixture
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    uri = mongo_uri.replace("/headwater?", f"/kept_{uuid4().hex[:12]}?")
    async with serving(uri, [card_app]) as running:
        yield running


@pytest.mark.parametrize("others", [0, 2])
async def test_a_page_that_comes_back_shows_what_happened_meanwhile(
    keeping_chromium: Browser, server: Running, others: int
) -> None:
    group = uuid4().hex
    context = await keeping_chromium.new_context()
    body = PAGE.replace("OPTIONS", "")
    pages: list[Page] = []
    for _ in range(1 + others):
        page = await context.new_page()
        await page.route("**/tab", lambda route: route.fulfill(body=body, content_type="text/html"))
        await page.goto(f"{server.url}/tab")
        await page.wait_for_selector("body[data-ready]", state="attached")
        await page.evaluate("addEventListener('pageshow', (e) => (window.kept = e.persisted))")
        await follow(page, group)
        await add(server, group, len(pages))
        pages.append(page)
    for index, page in enumerate(pages):
        staying = [other for other in pages if other is not page]
        await page.goto(f"{server.url}/healthz")
        await add(server, group, 10 + index)
        await shows(staying, group, await stored(server, group))
        await streams(server, 1 if staying else 0)
        await page.go_back(wait_until="commit")
        await page.wait_for_function("window.kept === true")
        await shows(pages, group, await stored(server, group))
        await streams(server, 1)
        await add(server, group, 20 + index)
        await shows(pages, group, await stored(server, group))


async def test_who_goes_leaves_and_who_comes_back_is_there_again(
    keeping_chromium: Browser, database_uri: str
) -> None:
    async with serving(database_uri) as server:
        task = (await server.mutation("tasks.create", title="T"))["_id"]
        follower = Follower(server.http, {"people": ("presence.getActiveUsers", {"taskId": task})})
        page = await (await keeping_chromium.new_context()).new_page()
        await page.goto(f"{server.url}/#{task}")
        async with follower.following():
            await follower.until(lambda f: len(f.values.get("people", ())) == 1)
            await page.evaluate("addEventListener('pageshow', (e) => (window.kept = e.persisted))")
            await page.goto(f"{server.url}/healthz")
            await follower.until(lambda f: f.values["people"] == [])
            await page.go_back(wait_until="commit")
            await follower.until(lambda f: len(f.values["people"]) == 1)
        assert await page.evaluate("kept") is True


def with_slow_farewells(app: Any) -> Any:
    """The same app, which is late to do what a page says as it goes."""

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].endswith("/presence.removePresence"):
            await asyncio.sleep(1)
        await app(scope, receive, send)

    return asgi


async def test_who_is_back_before_the_farewell_has_arrived_is_there(
    keeping_chromium: Browser, database_uri: str
) -> None:
    async with serving(database_uri) as server, http_server(with_slow_farewells(server.app)) as url:
        task = (await server.mutation("tasks.create", title="T"))["_id"]
        follower = Follower(server.http, {"people": ("presence.getActiveUsers", {"taskId": task})})
        page = await (await keeping_chromium.new_context()).new_page()
        await page.goto(f"{url}/#{task}")
        async with follower.following():
            await follower.until(lambda f: len(f.values.get("people", ())) == 1)
            await page.evaluate("addEventListener('pageshow', (e) => (window.kept = e.persisted))")
            await page.goto(f"{server.url}/healthz")
            await page.go_back(wait_until="commit")
            await follower.until(lambda f: f.values["people"] == [])
            await follower.until(lambda f: len(f.values["people"]) == 1, seconds=10)
        assert await page.evaluate("kept") is True
