"""A reply that is stopped, cut, queued or goes on, as the page shows it in a real Chromium."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from server.llm.standin import ErrorEvent, Reply, Stalled, StatusError, Text, Thinking
from tests.browser.conftest import OpenTab, Tab
from tests.serving import serving

pytestmark = pytest.mark.browser

WORDS = [f"word{number} " for number in range(40)]
HALF = "".join(WORDS[:20]).strip()
MORE = Reply([Text(["And ", "more."])])


def held(until: asyncio.Event | None = None) -> Reply:
    """A reply that stops halfway."""
    return Reply([Text(WORDS)], failure=Stalled(20, until or asyncio.Event()))


async def expect_status(tab: Tab, status: str) -> None:
    await expect(tab.replies.last).to_have_attribute("data-status", status)


async def test_a_reply_is_stopped_from_a_second_tab_and_goes_on_after_a_reload(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        one, two = [await open_tab(server.url) for _ in range(2)]
        server.script.add(held(), MORE)
        await one.ask("Count, please.")
        for tab in (one, two):
            await expect(tab.reply_text).to_have_text(HALF)
        await two.page.get_by_role("button", name="Stop").click()
        for tab in (one, two):
            await expect_status(tab, "CANCELLED")
            await expect(tab.replies.last.locator(".note")).to_have_text("Stopped.")
            await expect(tab.reply_text).to_have_text(HALF)
            await expect(tab.page.locator(".stop")).to_be_hidden()
            await expect(tab.replies.last.locator(".facts")).to_contain_text("not final")
        await one.page.reload()
        await one.page.get_by_role("button", name="Continue").click()
        for tab in (one, two):
            await expect_status(tab, "COMPLETED")
            await expect(tab.replies).to_have_count(1)
            shown = tab.reply_text.locator("> *")
            await expect(shown).to_have_text([HALF, "Continued here", "And more."])
            await expect(tab.page.get_by_role("button", name="Continue")).to_have_count(0)
            await tab.lengths()
            assert tab.complaints == []


async def test_escape_stops_a_reply(database_uri: str, open_tab: OpenTab) -> None:
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        server.script.add(held())
        await tab.ask("Count, please.")
        await expect(tab.reply_text).to_have_text(HALF)
        await tab.page.keyboard.press("Escape")
        await expect_status(tab, "CANCELLED")
        await expect(tab.page.locator(".prompt")).to_be_focused()
        await expect(tab.page.get_by_role("log").locator("p").last).to_have_text(
            "The reply was stopped."
        )
        assert tab.complaints == []


async def test_prompts_wait_for_their_turn_and_can_be_withdrawn(
    database_uri: str, open_tab: OpenTab
) -> None:
    release = asyncio.Event()
    async with serving(database_uri) as server:
        one, two = [await open_tab(server.url) for _ in range(2)]
        server.script.add(held(release), MORE)
        for prompt in ("One", "Two", "Three"):
            await one.ask(prompt)
            await expect(one.prompts.last).to_have_text(prompt)
        for tab in (one, two):
            for place in (1, 2):
                await expect(tab.replies.nth(place).locator(".note")).to_have_text(
                    "Waiting for its turn."
                )
        await two.replies.nth(1).get_by_role("button", name="Withdraw").click()
        await expect(one.replies.nth(1)).to_have_attribute("data-status", "CANCELLED")
        await expect(one.replies.first).to_have_attribute("data-status", "STREAMING")
        release.set()
        await expect_status(one, "COMPLETED")
        await expect(one.reply_text).to_have_text("And more.")
        await expect(one.page.get_by_role("button", name="Withdraw")).to_have_count(0)
        # The second can not go on: the conversation has.
        await expect(one.page.get_by_role("button", name="Continue")).to_have_count(0)
        await expect(one.page.get_by_role("button", name="Try again")).to_have_count(0)
        assert [one.complaints, two.complaints] == [[], []]


async def test_a_reply_that_reached_its_length_goes_on(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        server.script.add(Reply([Text(["A long tale"])], stop_reason="max_tokens"), MORE)
        await tab.ask("Tell.")
        await expect(tab.replies.last.locator(".note")).to_contain_text("Cut short")
        await expect(tab.replies.last.locator(".facts")).to_contain_text("max tokens")
        await tab.page.get_by_role("button", name="Continue").press("Enter")
        await expect(tab.reply_text).to_contain_text("And more.")
        await expect_status(tab, "COMPLETED")
        await expect(tab.replies.last.locator(".note")).to_be_hidden()
        await expect(tab.replies.last).to_be_focused()
        assert tab.complaints == []


async def test_a_reply_that_failed_says_why_and_is_tried_again(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        refused = Reply(failure=StatusError(400, "invalid_request_error", "No such thing."))
        server.script.add(refused, Reply([Text(["Half"])], failure=ErrorEvent(1)), MORE)
        await tab.ask("Try.")
        await expect_status(tab, "FAILED")
        await expect(tab.replies.last.locator(".note")).to_contain_text("No such thing.")
        await tab.page.get_by_role("button", name="Try again").click()
        await expect(tab.reply_text).to_have_text("Half")
        await expect(tab.replies.last.locator(".note")).to_contain_text("overloaded")
        await tab.page.get_by_role("button", name="Continue").click()
        await expect_status(tab, "COMPLETED")
        await expect(tab.reply_text.locator("> *")).to_have_text(
            ["Half", "Continued here", "And more."]
        )
        assert tab.complaints == []


async def test_a_refusal_takes_back_what_was_shown_and_cannot_go_on(
    database_uri: str, open_tab: OpenTab
) -> None:
    release = asyncio.Event()
    refusing = Reply([Text(WORDS)], stop_reason="refusal", failure=Stalled(20, release))
    async with serving(database_uri) as server:
        one, two = [await open_tab(server.url) for _ in range(2)]
        server.script.add(refusing)
        await one.ask("Something bad.")
        for tab in (one, two):
            await expect(tab.reply_text).to_have_text(HALF)
        release.set()
        for tab in (one, two):
            await expect_status(tab, "FAILED")
            await expect(tab.reply_text).to_have_text("")
            await expect(tab.replies.last.locator(".note")).to_contain_text("declined")
            await expect(tab.replies.last.get_by_role("button")).to_have_count(0)
            assert tab.complaints == []


async def test_a_pause_before_another_attempt_is_shown(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        server.script.add(
            Reply(failure=StatusError(529, "overloaded_error", retry_after_s=15)), MORE
        )
        await tab.ask("Now?")
        note = tab.replies.last.locator(".note")
        await expect(note).to_have_text(re.compile(r"overloaded; trying again in \d+ s\.$"))
        first = await note.text_content()
        await expect(note).not_to_have_text(first or "")  # it counts
        await tab.page.get_by_role("button", name="Stop").click()
        await expect_status(tab, "CANCELLED")
        await expect(note).to_have_text("Stopped.")
        assert tab.complaints == []


async def test_a_reply_that_a_server_left_behind_goes_on(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as first:
        first.script.add(held())
        tab = await open_tab(first.url)
        await tab.ask("Count, please.")
        await expect(tab.reply_text).to_have_text(HALF)
    async with serving(database_uri, port=int(first.url.rpartition(":")[2])) as second:
        await expect_status(tab, "INTERRUPTED")
        second.script.add(MORE)
        await tab.page.get_by_role("button", name="Continue").click()
        await expect_status(tab, "COMPLETED")
        await expect(tab.reply_text.locator("> *")).to_have_text(
            [HALF, "Continued here", "And more."]
        )


async def test_what_a_reply_took_and_what_it_cites(database_uri: str, open_tab: OpenTab) -> None:
    page_cited = {
        "type": "web_search_result_location",
        "url": "https://example.com/sky_(blue)",
        "title": "On skies",
        "cited_text": "The sky is blue.",
        "encrypted_index": "x",
    }
    citing = Reply(
        [
            Thinking(["Look ", "up."]),
            Text(["The sky is blue"], citations=[page_cited]),
            Text([", they say."]),
        ],
        usage={"cache_read_input_tokens": 1_000},
    )
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        server.script.add(citing)
        await tab.ask("Which colour?")
        await expect_status(tab, "COMPLETED")
        await expect(tab.reply_text.locator(".prose")).to_have_text("The sky is blue¹, they say.")
        for link in (tab.reply_text.locator(".prose a"), tab.replies.last.locator(".sources a")):
            await expect(link).to_have_attribute("href", "https://example.com/sky_%28blue%29")
        await expect(tab.replies.last.locator(".sources q")).to_have_text("The sky is blue.")
        facts = tab.replies.last.locator(".facts")
        await expect(facts).to_have_text(
            re.compile(r"claude-.* tokens in \(1,000 cached\) · \d+ out")
        )
        await expect(facts).not_to_contain_text("not final")
        assert tab.complaints == []
