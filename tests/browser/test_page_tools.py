"""Calls of tools on the page in a real Chromium: seen, allowed, refused, answered, by any tab."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect
from pymongo import AsyncMongoClient

import server.functions
from schemas.chat_messages import ChatMessage, TextPart, ToolCallPart, ToolResultPart
from server.llm.standin import Reply, Stalled, Text, Thinking, ToolUse
from tests.browser.conftest import OpenTab, Tab
from tests.serving import Running, serving

pytestmark = pytest.mark.browser

DONE = Reply([Text(["All ", "done."])])
RENAME = Reply([ToolUse("rename_task", {"title": "Rivers"}, id="toolu_rename")])


def call_of(tab: Tab, name: str) -> Locator:
    return tab.page.get_by_role("group", name=f"Call of {name}")


async def ask_with_tools(tab: Tab, prompt: str) -> None:
    await tab.page.get_by_role("switch", name="Tools").check()
    await tab.ask(prompt)


async def expect_completed(tab: Tab) -> None:
    await expect(tab.replies.last).to_have_attribute("data-status", "COMPLETED")


def told(server: Running) -> list[dict[str, Any]]:
    """The results that Claude was sent last."""
    return server.standin.requests[-1].body["messages"][-1]["content"]


async def test_a_call_shows_its_arguments_growing_then_its_state_and_its_result(
    database_uri: str, open_tab: OpenTab
) -> None:
    release = asyncio.Event()
    use = ToolUse(
        "calculate",
        {"left": 12, "operation": "times", "right": 7},
        deltas=['{"left": 12, "op', 'eration": "times", "right": 7}'],
    )
    calling = Reply([Thinking(["Twelve ", "sevens."]), use], failure=Stalled(3, release))
    async with serving(database_uri) as server:
        one, two = [await open_tab(server.url) for _ in range(2)]
        server.script.add(calling, DONE)
        await ask_with_tools(one, "What is 12 times 7?")
        for tab in (one, two):
            call = call_of(tab, "calculate")
            await expect(call.locator(".tool-state")).to_have_text("Being written")
            await expect(call.locator("pre").first).to_have_text('{"left": 12, "op')
            await expect(call.locator("pre").first).to_be_visible()
        release.set()
        for tab in (one, two):
            call = call_of(tab, "calculate")
            await expect_completed(tab)
            await expect(call.locator(".tool-state")).to_have_text(re.compile(r"^Done in \d+"))
            await expect(call.locator("pre").first).to_be_hidden()
            await expect(call.locator("pre").last).to_be_hidden()
            await expect(call.get_by_text("84").first).to_be_visible()  # on the fold
            await call.locator("summary").first.click()
            await expect(call.locator("pre").first).to_have_text(
                '{\n  "left": 12,\n  "operation": "times",\n  "right": 7\n}'
            )
            await expect(tab.reply_text.locator(".prose")).to_have_text("All done.")
            assert tab.complaints == []


async def test_thoughts_are_open_while_they_grow_and_folded_afterwards(
    database_uri: str, open_tab: OpenTab
) -> None:
    release = asyncio.Event()
    thinking = Reply([Thinking(["Let me ", "think."]), Text(["Yes."])], failure=Stalled(1, release))
    async with serving(database_uri) as server:
        tab, other = [await open_tab(server.url) for _ in range(2)]
        server.script.add(thinking)
        await tab.ask("Well?")
        thoughts = tab.replies.last.locator(".reasoning p")
        await expect(thoughts).to_be_visible()
        await expect(thoughts).to_have_text("Let me")
        summary = other.replies.last.locator(".reasoning summary")
        await summary.click()
        await summary.click()  # its reader wants it open
        release.set()
        await expect_completed(tab)
        await expect(thoughts).to_be_hidden()
        await expect(thoughts).to_have_text("Let me think.")
        await expect_completed(other)
        await expect(other.replies.last.locator(".reasoning p")).to_be_visible()


async def test_a_call_waits_for_leave_through_a_reload_and_is_allowed_from_a_second_tab(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        one, two = [await open_tab(server.url) for _ in range(2)]
        server.script.add(RENAME, DONE)
        await ask_with_tools(one, "Find a better title.")
        for tab in (one, two):
            call = call_of(tab, "rename_task")
            await expect(call.locator(".tool-state")).to_have_text("Waiting for approval")
            await expect(call.locator("pre").first).to_be_visible()
            await expect(tab.page.locator(".announcements")).to_contain_text("your approval")
        await one.page.reload()
        await expect(call_of(one, "rename_task").get_by_role("button")).to_have_text(
            ["Approve", "Deny"]
        )
        assert len(server.standin.requests) == 1
        await call_of(two, "rename_task").get_by_role("button", name="Approve").click()
        for tab in (one, two):
            await expect_completed(tab)
            await expect(tab.page.locator("#title")).to_have_text("Rivers")
            await expect(call_of(tab, "rename_task").get_by_role("button")).to_have_count(0)
            assert tab.complaints == []
        assert [one["content"] for one in told(server)] == ["It is called 'Rivers' now."]


async def test_a_call_is_refused_with_a_reason_by_keyboard_alone(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        server.script.add(RENAME, DONE)
        await ask_with_tools(tab, "Find a better title.")
        call = call_of(tab, "rename_task")
        await call.get_by_role("button", name="Approve").focus()
        keyboard = tab.page.keyboard
        await keyboard.press("Tab")
        await keyboard.press("Enter")
        await expect(call.get_by_label("Why not?")).to_be_focused()
        await keyboard.press("Escape")  # back to the choice, and stops nothing
        await expect(call.get_by_role("button", name="Approve")).to_be_focused()
        await expect(tab.replies.last).to_have_attribute("data-status", "STREAMING")
        await keyboard.press("Tab")
        await keyboard.press("Enter")
        await keyboard.type("Lakes, rather.")
        await keyboard.press("Enter")
        await expect_completed(tab)
        await expect(call.locator(".tool-state")).to_have_text("Denied")
        await expect(call.locator(".tool-error")).to_contain_text("Lakes, rather.")
        await expect(call).to_be_focused()
        await expect(tab.page.locator("#title")).to_have_text("First steps")
        (result,) = told(server)
        assert result["is_error"] is True
        assert "Lakes, rather." in result["content"]
        assert tab.complaints == []


async def test_of_two_tabs_that_decide_differently_one_is_told_that_it_came_late(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        server.script.add(RENAME, DONE)
        await ask_with_tools(tab, "Find a better title.")
        approve = call_of(tab, "rename_task").get_by_role("button", name="Approve")
        await expect(approve).to_be_visible()

        async def too_late(route: Any) -> None:
            await server.mutation("toolCallTracking.deny", toolCallId="toolu_rename")
            await route.continue_()

        await tab.page.route("**/toolCallTracking.approve", too_late)
        await approve.click()
        await expect(tab.page.locator("#problem")).to_contain_text("decided already")
        await expect(call_of(tab, "rename_task").locator(".tool-state")).to_have_text("Denied")


async def test_a_question_of_claude_is_answered_on_the_page(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        one, two = [await open_tab(server.url) for _ in range(2)]
        server.script.add(Reply([ToolUse("ask_person", {"question": "Tea or coffee?"})]), DONE)
        await ask_with_tools(one, "Order something.")
        for tab in (one, two):
            await expect(call_of(tab, "ask_person").locator(".question")).to_have_text(
                "Tea or coffee?"
            )
        await call_of(two, "ask_person").get_by_label("Your answer").fill("Tea")
        await call_of(two, "ask_person").get_by_role("button", name="Answer").click()
        for tab in (one, two):
            await expect_completed(tab)
            await expect(call_of(tab, "ask_person").get_by_label("Your answer")).to_have_count(0)
            assert tab.complaints == []
        assert [result["content"] for result in told(server)] == ["Tea"]


async def test_a_call_of_an_executor_shows_who_runs_it_and_a_failure_shows_its_words(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        await expect(tab.tasks).to_have_count(1)
        (task,) = await server.query("tasks.list")
        divide = {"left": 1, "operation": "divided by", "right": 0}
        uses = [ToolUse("read_file", {}, id="toolu_read"), ToolUse("calculate", divide)]
        server.script.add(Reply(uses), DONE)
        await server.action(
            "streaming.streamChatWithTools",
            taskId=task["_id"],
            prompt="Read.",
            tools=[{"name": "read_file", "parameters": {}}, {"name": "calculate"}],
        )
        reading, dividing = call_of(tab, "read_file"), call_of(tab, "calculate")
        await expect(dividing.locator(".tool-state")).to_have_text(re.compile("^Failed in"))
        await expect(dividing.locator(".tool-error")).to_contain_text("divided by zero")
        await expect(reading.locator(".tool-state")).to_have_text("Waiting for an executor")
        (call,) = await server.query("toolCallTracking.pending", taskId=task["_id"])
        await server.mutation("toolCallTracking.claim", id=call["_id"], executor="laptop")
        await expect(reading.locator(".tool-state")).to_have_text("Running on laptop")
        await server.mutation(
            "toolCallTracking.updateResult",
            toolCallId="toolu_read",
            status="COMPLETED",
            result={"lines": 3},
        )
        await expect_completed(tab)
        await reading.get_by_text("Result").click()
        await expect(reading.locator("pre").last).to_have_text('{\n  "lines": 3\n}')
        assert tab.complaints == []


async def test_the_stand_in_uses_the_tools_that_a_suggestion_speaks_of(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        await tab.page.get_by_role("button", name="rename this task").click()
        await expect(tab.page.get_by_role("switch", name="Tools")).to_be_checked()
        await tab.page.locator(".prompt").press("Enter")
        await call_of(tab, "rename_task").get_by_role("button", name="Approve").click()
        await expect_completed(tab)
        await expect(call_of(tab, "calculate").get_by_text("84").first).to_be_visible()
        await expect(tab.page.locator("#title")).to_have_text("Dozens")
        assert tab.complaints == []


async def test_a_server_without_tools_to_try_shows_no_switch(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri, server.functions.ALL) as running:
        tab = await open_tab(running.url)
        await tab.ask("Hello?")
        await expect_completed(tab)
        await expect(tab.page.locator(".switch input")).to_be_hidden()
        assert "tools" not in running.standin.requests[-1].body
        assert tab.complaints == []


async def test_a_conversation_of_more_calls_than_one_stream_may_follow_is_shown_whole(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title="Long")
        messages = [
            message.stored()
            for place in range(0, 240, 2)
            for message in exchange(task["_id"], place)
        ]
        async with AsyncMongoClient[dict[str, Any]](database_uri) as client:
            await client.get_default_database()["chatMessages"].insert_many(messages)
            await client.get_default_database()["tasks"].update_one(
                {"_id": task["_id"]}, {"$set": {"nextSequence": 240}}
            )
        tab = await open_tab(server.url)
        await expect(tab.replies).to_have_count(100)
        await expect(tab.connection).to_have_text("Live")
        await expect(tab.page.locator(".tool-state")).to_have_text(["Done"] * 100)
        server.script.add(Reply([ToolUse("current_time", {})]), DONE)
        await ask_with_tools(tab, "The time, please.")
        await expect_completed(tab)
        await expect(tab.page.locator(".tool-state").last).to_have_text(re.compile("^Done in"))
        assert tab.complaints == []


def exchange(task_id: str, sequence: int) -> list[ChatMessage]:
    """A prompt and a reply that called a tool, long ago."""
    id_ = f"toolu_{sequence}"
    asked = ChatMessage(
        task_id=task_id, role="user", sequence=sequence, status="COMPLETED",
        parts=[TextPart(text="Go")],
    )  # fmt: skip
    reply = ChatMessage(
        task_id=task_id, role="assistant", sequence=sequence + 1, status="COMPLETED",
        finish_reason="end_turn",
        parts=[
            ToolCallPart(tool_call_id=id_, tool_name="old", args_text="{}", args={}),
            ToolResultPart(tool_call_id=id_, result=sequence),
        ],
    )  # fmt: skip
    return [asked, reply]


async def test_long_arguments_stay_within_a_phone(database_uri: str, open_tab: OpenTab) -> None:
    long = "averylongwordwithoutanyplacetobreak" * 6
    async with serving(database_uri) as server:
        tab = await open_tab(server.url)
        await tab.page.set_viewport_size({"width": 390, "height": 844})
        server.script.add(Reply([ToolUse("rename_task", {"title": long[:200]})]), DONE)
        await ask_with_tools(tab, "Rename.")
        call = call_of(tab, "rename_task")
        await expect(call.get_by_role("button", name="Approve")).to_be_in_viewport()
        for place in (":root", "body", ".room", ".scroller", ".tool", ".tool pre"):
            over = "element => element.scrollWidth - element.clientWidth"
            assert await tab.page.locator(place).first.evaluate(over) <= 0, place
        await call.get_by_role("button", name="Approve").click()
        await expect_completed(tab)
        for place in (".scroller", ".tool"):
            over = "element => element.scrollWidth - element.clientWidth"
            assert await tab.page.locator(place).first.evaluate(over) <= 0, place
