"""A page whose origin the browser does not trust: no Web Locks, no randomUUID, and all the same."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests import card_app
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.test_tabs import PAGE, add, follow, shows, streams
from tests.serving import serving

pytestmark = pytest.mark.browser

NAME = "elsewhere.test"


@pytest.fixture
async def mapping_chromium(chromium: Browser) -> AsyncIterator[Browser]:
    """One to which a name that is no localhost is this machine."""
    async with async_playwright() as playwright:
        flags = [
            *FLAGS,
            f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
            # The page is made up by the test, and so the browser takes it for one of the Internet.
            "--disable-features=BlockInsecurePrivateNetworkRequests,LocalNetworkAccessChecks",
        ]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        await browser.close()


async def test_each_tab_has_a_stream_where_there_are_no_locks(
    mapping_chromium: Browser, mongo_uri: str
) -> None:
    group = uuid4().hex
    body = PAGE.replace("OPTIONS", "")
    uri = mongo_uri.replace("/headwater?", f"/insecure_{uuid4().hex[:12]}?")
    async with serving(uri, [card_app]) as server:
        url = server.url.replace("127.0.0.1", NAME)
        context = await mapping_chromium.new_context()
        pages: list[Page] = []
        for _ in range(2):
            page = await context.new_page()
            await page.route(
                "**/tab", lambda route: route.fulfill(body=body, content_type="text/html")
            )
            await page.goto(f"{url}/tab")
            await page.wait_for_selector("body[data-ready]", state="attached")
            assert await page.evaluate("[isSecureContext, 'locks' in navigator]") == [False, False]
            await follow(page, group)
            pages.append(page)
        await add(server, group, 1)
        await shows(pages, group, [1])
        await streams(server, 2)
        text = await pages[0].evaluate(
            "async (group) => {"
            "  const card = await client.mutation('cardApp.add', { group, rank: 2, text: 'y' });"
            "  return ranks('cardApp.cards', { group }).join();"
            "}",
            group,
        )
        assert text == "1,2", "what it has written is shown when the call is answered"
        await shows(pages, group, [1, 2])
