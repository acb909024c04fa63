"""The page without a pointer and without eyes: where the focus goes, what is said aloud."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext, Page, expect

from server.llm.standin import Reply, Stalled, Text, Thinking, ToolUse
from tests.browser.conftest import OpenTab
from tests.serving import Running, serving

pytestmark = pytest.mark.browser

# Every line that a reader of the screen was told, in order.
LISTEN = """
  window.said = [];
  new MutationObserver((changes) => {
    for (const { addedNodes, target } of changes) {
      if (!target.matches?.(".announcements")) continue;
      for (const line of addedNodes) said.push(line.textContent);
    }
  }).observe(document, { subtree: true, childList: true });
"""

FOCUSED = "const focused = document.activeElement;"

# What has the focus, where something else lies on top of it.
COVERED = f"""() => {{
  {FOCUSED}
  if (focused === document.body) return "";
  const {{ left, top, width, height }} = focused.getBoundingClientRect();
  const there = document.elementFromPoint(left + width / 2, top + height / 2);
  return focused.contains(there) ? "" : `${{focused.outerHTML}} below ${{there?.outerHTML}}`;
}}"""


@pytest.fixture(scope="module")
async def running(mongo_uri: str) -> AsyncIterator[Running]:
    async with serving(mongo_uri.replace("/headwater?", "/test_keyboard?")) as running:
        yield running


@pytest.fixture
async def task(running: Running) -> str:
    return (await running.mutation("tasks.create", title="Keys"))["_id"]


async def walk(page: Page, *, steps: int) -> list[str]:
    """Press Tab; the names of what had the focus, all of which was seen."""
    names: list[str] = []
    for _ in range(steps):
        await page.keyboard.press("Tab")
        assert await page.evaluate(COVERED) == ""
        names.append(await page.evaluate(f"{FOCUSED} focused.ariaLabel || focused.textContent"))
    return names


async def assert_heard(page: Page, *lines: str) -> None:
    """These were said, and nothing else."""
    await page.wait_for_function("count => said.length >= count", arg=len(lines))
    assert await page.evaluate("said") == list(lines)


async def test_a_drawer_keeps_the_focus_until_it_is_closed(
    context: BrowserContext, open_tab: OpenTab, running: Running, task: str
) -> None:
    tab = await open_tab(f"{running.url}/#{task}")
    page, keys = tab.page, tab.page.keyboard
    await expect(page.get_by_role("heading", name="Keys", exact=True)).to_be_visible()
    await page.emulate_media(reduced_motion="reduce")
    await page.set_viewport_size({"width": 390, "height": 800})
    menu = page.get_by_role("button", name="Tasks")
    await menu.press("Enter")
    await expect(page.get_by_role("link", name="Keys", exact=True)).to_be_focused()
    names = await walk(page, steps=12)
    assert {"Title of a new task", "Create the task", "Keys"} <= set(names)
    assert "Prompt" not in names
    await expect(page.locator("main")).to_have_js_property("inert", True)
    await keys.press("Escape")
    await expect(menu).to_be_focused()
    assert "Prompt" in await walk(page, steps=12)

    # The panel: Escape gives up what is being written in it, then closes it.
    button = page.get_by_role("button", name="People and workspace")
    await button.press("Enter")
    await page.get_by_role("button", name="Change your name").press("Enter")
    name = page.get_by_role("textbox", name="Your name")
    before = await name.input_value()
    await name.fill("Nobody")
    await keys.press("Escape")
    await expect(page.get_by_role("button", name="Change your name")).to_be_focused()
    await expect(page.locator("headwater-people .name")).to_have_text([before])
    await expect(page.locator("#panel")).to_be_visible()
    await keys.press("Escape")
    await expect(button).to_be_focused()

    # Where there is room for it after all, nothing is held back.
    await menu.press("Enter")
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.locator(".prompt").click()
    await expect(page.locator(".prompt")).to_be_focused()
    assert tab.complaints == []


async def test_a_conversation_is_walked_and_scrolled_by_keys_alone(
    context: BrowserContext, open_tab: OpenTab, running: Running, task: str
) -> None:
    running.script.add(Reply([Text(["One line.\n\n"] * 60)]))
    tab = await open_tab(f"{running.url}/#{task}")
    page, keys = tab.page, tab.page.keyboard
    await tab.ask("Tell.")
    await expect(tab.replies).to_have_attribute("data-status", "COMPLETED")
    conversation = page.get_by_role("region", name="Conversation")
    await expect(conversation).to_have_js_property("tabIndex", 0)
    await conversation.focus()
    await keys.press("Home")
    await expect(conversation).to_have_js_property("scrollTop", 0)
    latest = page.get_by_role("button", name="Latest")
    await latest.press("Enter")
    await expect(latest).to_be_hidden()
    await expect(conversation).to_be_focused()

    # What is sent by its button leaves the focus in the prompt, since the button cannot keep it.
    running.script.add(Reply([Text(["Yes."])]))
    await page.locator(".prompt").fill("Well?")
    await page.get_by_role("button", name="Send").press("Enter")
    await expect(page.locator(".prompt")).to_be_focused()
    await expect(tab.replies.last).to_have_attribute("data-status", "COMPLETED")
    assert tab.complaints == []


async def test_what_happens_is_said_aloud_once(
    context: BrowserContext, open_tab: OpenTab, running: Running, task: str
) -> None:
    await context.add_init_script(LISTEN)
    held = asyncio.Event()
    running.script.add(
        Reply([Thinking(["Hm."]), Text(["It **is** ", "so."])], failure=Stalled(3, held)),
    )
    tab = await open_tab(f"{running.url}/#{task}")
    await tab.ask("Tell.")
    await expect(tab.reply_text).to_contain_text("It is so.")
    writing = "A reply is being written."
    await assert_heard(tab.page, writing)
    held.set()
    await expect(tab.replies).to_have_attribute("data-status", "COMPLETED")
    done = "The reply is complete. It is so."
    await assert_heard(tab.page, writing, done)

    running.script.add(Reply([ToolUse("rename_task", {"title": name}) for name in ("A", "B")]))
    await tab.page.get_by_role("switch", name="Tools").check()
    await tab.ask("Rename it.")
    await expect(tab.page.get_by_role("button", name="Approve")).to_have_count(2)
    waits = "rename_task waits for your approval."
    await assert_heard(tab.page, *(heard := [writing, done, writing, waits, waits]))
    await tab.page.keyboard.press("Escape")
    await expect(tab.replies.last).to_have_attribute("data-status", "CANCELLED")
    await assert_heard(tab.page, *heard, "The reply was stopped.")

    # What was there before is not read out to who comes later; nor is it live where it is shown.
    again = await open_tab(f"{running.url}/#{task}")
    await expect(again.replies).to_have_count(2)
    assert await again.page.evaluate("said") == []
    assert await again.page.locator("headwater-conversation .log [aria-live]").count() == 0
    assert tab.complaints == again.complaints == []


async def test_the_focus_stays_where_it_is_when_what_is_older_goes(
    context: BrowserContext, open_tab: OpenTab, running: Running, task: str
) -> None:
    tab = await open_tab(f"{running.url}/#{task}")
    await tab.page.locator("headwater-conversation").evaluate("it => it.setAttribute('limit', 3)")
    running.script.add(Reply([Text(["```\ncode\n```\n"])]), Reply([Text(["Two."])]))
    await tab.ask("One?")
    await expect(tab.replies).to_have_attribute("data-status", "COMPLETED")
    code = tab.replies.first.locator("pre")
    await code.focus()
    await running.action("streaming.streamChat", taskId=task, prompt="Two?")
    await expect(tab.prompts).to_have_text(["Two?"])
    await expect(tab.replies.last).to_have_attribute("data-status", "COMPLETED")
    await expect(code).to_be_focused()
    assert tab.complaints == []


async def test_no_word_pales_while_something_is_going_on(
    open_tab: OpenTab, running: Running, task: str
) -> None:
    running.script.add(Reply([Thinking(["Hm, ", "yes."])], failure=Stalled(3, asyncio.Event())))
    tab = await open_tab(f"{running.url}/#{task}")
    await tab.page.set_viewport_size({"width": 1280, "height": 800})
    await tab.ask("Tell.")
    await expect(tab.replies.locator(".reasoning.growing")).to_be_visible()
    who = {"taskId": task, "userId": "grace", "userName": "Grace"}
    await running.mutation("presence.updatePresence", **who, activity="typing")
    await expect(tab.page.locator(".doing", has_text="Typing")).to_be_visible()
    breathing = await tab.page.evaluate(
        """document.getAnimations().filter((one) => one.animationName === "headwater-breathe")
             .map(({ effect }) => effect.target.className + (effect.pseudoElement ?? ""))"""
    )
    assert {"doing::after", "::after"} <= set(breathing)
    assert [one for one in breathing if "::" not in one] == []
    await tab.page.keyboard.press("Escape")
    await expect(tab.replies).to_have_attribute("data-status", "CANCELLED")
