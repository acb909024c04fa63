"""The page in a real Chromium: what a person sees of a reply, whatever happens meanwhile."""

import asyncio

import pytest
from playwright.async_api import expect

from server.llm.standin import Reply, Stalled, Text, Thinking
from tests.browser.conftest import OpenTab, Tab
from tests.serving import serving

pytestmark = pytest.mark.browser

WORDS = [f"word{number} " for number in range(40)]
"""Without markup, which would make a shown text shorter when it closes."""
HALF, WHOLE = "".join(WORDS[:20]).strip(), "".join(WORDS).strip()


def held_reply(until: asyncio.Event) -> Reply:
    """A reply that stops halfway until it is let go."""
    return Reply([Text(WORDS)], failure=Stalled(20, until))


async def expect_completed(tab: Tab) -> None:
    await expect(tab.replies.last).to_have_attribute("data-status", "COMPLETED")


async def test_the_first_task_is_made_by_itself_and_by_two_tabs_only_once(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        tabs = await asyncio.gather(open_tab(server.url), open_tab(server.url))
        for tab in tabs:
            await expect(tab.tasks).to_have_text(["First steps"])
            await expect(tab.page.locator("#title")).to_have_text("First steps")
            await expect(tab.page.locator(".empty")).to_be_visible()
            await expect(tab.connection).to_have_text("Live")
            assert tab.complaints == []
        assert len(await server.query("tasks.list")) == 1


async def test_a_reply_grows_in_two_tabs_at_once(database_uri: str, open_tab: OpenTab) -> None:
    release = asyncio.Event()
    async with serving(database_uri) as server:
        one, two = [await open_tab(server.url) for _ in range(2)]
        server.script.add(held_reply(release))
        await one.ask("Count, please.")
        for tab in (one, two):
            await expect(tab.prompts).to_have_text(["Count, please."])
            await expect(tab.reply_text).to_have_text(HALF)
            await expect(tab.replies.last).to_have_attribute("aria-busy", "true")
        paragraph = await two.reply_text.locator("p").element_handle()
        release.set()
        for tab in (one, two):
            await expect_completed(tab)
            await expect(tab.reply_text).to_have_text(WHOLE)
            lengths = await tab.lengths()
            assert len(lengths) > 1
            assert lengths[-1] == len("".join(WORDS))
            assert tab.complaints == []
        assert await paragraph.evaluate("p => p.isConnected"), "the paragraph was built anew"


async def test_a_reload_in_the_middle_finds_the_reply_where_it_was(
    database_uri: str, open_tab: OpenTab
) -> None:
    release = asyncio.Event()
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        server.script.add(held_reply(release))
        await tab.ask("Count, please.")
        await expect(tab.reply_text).to_have_text(HALF)
        await tab.page.reload()
        await expect(tab.reply_text).to_have_text(HALF)
        release.set()
        await expect_completed(tab)
        await expect(tab.reply_text).to_have_text(WHOLE)
        lengths = await tab.lengths()
        assert lengths[0] == len("".join(WORDS[:20])), "it was not there at once"
        assert tab.complaints == []


async def test_a_server_that_restarts_in_the_middle_is_found_again(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as first:
        first.script.add(held_reply(asyncio.Event()))
        tab = await open_tab(first.url)
        await tab.ask("Count, please.")
        await expect(tab.reply_text).to_have_text(HALF)
    await expect(tab.connection).to_have_text("Reconnecting")
    async with serving(database_uri, port=int(first.url.rpartition(":")[2])) as second:
        await expect(tab.connection).to_have_text("Live")
        await expect(tab.replies.last).to_have_attribute("data-status", "INTERRUPTED")
        await expect(tab.reply_text).to_have_text(HALF)
        await expect(tab.replies.last.locator(".note")).to_contain_text("was written is kept")
        second.script.add(Reply([Text(["And ", "on."])]))
        await tab.ask("Go on.")
        await expect(tab.replies).to_have_count(2)
        await expect_completed(tab)
        await expect(tab.reply_text).to_have_text("And on.")
        await tab.lengths()
        # That the server could not be reached is no fault of the page.
        assert [said for said in tab.complaints if "net::ERR_" not in said] == []


async def test_markup_stays_text(database_uri: str, open_tab: OpenTab) -> None:
    markup = (
        "<img src=x onerror=alert(1)><script>alert(2)</script><b>bold</b> [x](javascript:alert(3))"
    )
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title=markup)
        server.script.add(Reply([Thinking([markup]), Text([markup[:30], markup[30:]])]))
        tab = await open_tab(f"{server.url}/#{task['_id']}")
        await tab.ask(markup)
        await expect_completed(tab)
        await expect(tab.prompts).to_have_text([markup])
        await expect(tab.reply_text.locator(".prose")).to_have_text(markup)
        await expect(tab.reply_text.locator(".reasoning p")).to_have_text(markup)
        await expect(tab.tasks).to_have_text([markup])
        await expect(tab.page.locator("#title")).to_have_text(markup)
        made = tab.page.locator(":is(.log, .task-list, #title) :is(img, script, b, .prose a)")
        await expect(made).to_have_count(0)
        assert tab.complaints == []


async def test_a_phone_shows_all_of_it_within_its_width(
    database_uri: str, open_tab: OpenTab
) -> None:
    long = "averylongwordwithoutanyplacetobreak" * 6
    wide = f"{long}\n\n```\n{long}\n```\n\n- {long}\n"
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title=long)
        server.script.add(Reply([Text([wide])]))
        tab = await open_tab(f"{server.url}/#{task['_id']}")
        await tab.page.set_viewport_size({"width": 390, "height": 844})
        await tab.ask(long)
        await expect_completed(tab)
        await expect(tab.tasks).to_be_hidden()
        for place in (":root", "body", ".room", ".scroller", ".composer"):
            over = "element => element.scrollWidth - element.clientWidth"
            assert await tab.page.locator(place).evaluate(over) <= 0, place
        await tab.page.locator("#menu").click()
        await expect(tab.tasks).to_be_in_viewport()
        await tab.tasks.click()
        await tab.page.keyboard.press("Escape")
        await expect(tab.tasks).to_be_hidden()
        assert tab.complaints == []


async def test_a_refused_prompt_is_given_back_with_the_reason(
    database_uri: str, open_tab: OpenTab
) -> None:
    prompt = "x" * 200_001
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        await expect(tab.page.locator("#title")).to_have_text("First steps")
        await tab.ask(prompt)
        await expect(tab.page.locator("#problem")).to_contain_text("200000")
        await expect(tab.page.locator(".prompt")).to_have_value(prompt)


FOLD_AND_GROW = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const content = document.createElement("div");
  content.style.height = "3000px";
  document.querySelector(".log").append(content);
  for (let time = 0; time < 20; time += 1) {
    await frame();
    content.style.height = "2500px";
    await new Promise((done) => setTimeout(done));  // this frame is drawn
    content.style.height = "3000px";
    await frame();
  }
  await frame();
}"""


async def test_the_end_stays_in_view_when_something_folds_while_the_end_grows(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        await expect(tab.page.locator("#title")).to_have_text("First steps")
        await tab.page.evaluate(FOLD_AND_GROW)
        below = "element => element.scrollHeight - element.clientHeight - element.scrollTop"
        assert await tab.page.locator(".scroller").evaluate(below) < 5
        await expect(tab.page.locator(".stage .latest")).to_be_hidden()
        await tab.page.locator(".scroller").hover()
        await tab.page.mouse.wheel(0, -600)
        await expect(tab.page.locator(".stage .latest")).to_be_visible()
