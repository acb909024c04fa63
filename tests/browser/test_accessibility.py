"""The page as axe-core judges it: in its states, in both schemes, wide and narrow."""

import asyncio
import os
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from scripts.node_packages import NoPackages, node_packages
from server.llm.standin import Reply, Stalled, StatusError, Text, Thinking, ToolUse
from tests.browser.conftest import Tab
from tests.serving import Running, serving

pytestmark = pytest.mark.browser

JUDGE = """
async () => {
  const rules = { "target-size": { enabled: true } }; // WCAG 2.2, off by itself
  const { violations } = await axe.run(document, { resultTypes: ["violations"], rules });
  return violations.map(({ id, help, nodes }) => `${id}: ${help}${
    nodes.map(({ target, failureSummary }) => `\\n    ${target}: ${failureSummary}`)}`);
}
"""
PROSE = "# A river\n\nIt **finds** its [way](https://example.com).\n\n- one\n\n```py\nx = 1\n```\n"
DIFF = "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
LOOKS = [("light", 1280), ("dark", 1280), ("light", 390)]


@pytest.fixture(scope="module")
def axe() -> str:
    try:
        return (node_packages() / "axe-core" / "axe.min.js").read_text("utf-8")
    except NoPackages as error:
        why = f"NO NPM PACKAGES, and so the page was NOT judged by axe-core: {error}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)


async def judge(page: Page, axe: str) -> None:
    """Fail where axe-core has anything against the page as it is, however it is looked at."""
    said: list[str] = []
    await page.evaluate(axe)
    for scheme, width in LOOKS:
        await page.emulate_media(
            color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
        )
        await page.set_viewport_size({"width": width, "height": 800})
        found: list[str] = await page.evaluate(JUDGE)
        said += [f"{scheme}, {width} px: {one}" for one in found]
    await page.set_viewport_size({"width": 1280, "height": 800})
    assert said == [], "\n".join(said)


async def fill_workspace(server: Running, task: str) -> None:
    change: dict[str, Any] = {"path": "a.py", "changeType": "UPDATE", "diff": DIFF}
    await server.mutation("fileChanges.record", taskId=task, **change, additions=1, deletions=1)
    begun = {"taskId": task, "toolName": "write_file", "input": '{"path": "a.py"}'}
    log = await server.mutation("toolLogs.begin", **begun)
    await server.mutation("toolLogs.finish", logId=log["_id"], status="COMPLETED", output="Done.")
    await server.mutation("toolLogs.begin", **begun | {"toolName": "run_command"})
    said = {"taskId": task, "commandId": "c"}
    await server.mutation("terminalOutput.append", **said, stream="stdout", text="\x1b[32ma.py\n")
    await server.mutation("terminalOutput.append", **said, stream="stderr", text="no more\n")
    await server.mutation("tasks.workspaceHeartbeat", taskId=task, host="laptop", directory="/w")
    who = {"taskId": task, "userId": "grace"}
    await server.mutation("presence.updatePresence", **who, userName="Grace", activity="typing")
    await server.mutation("presence.broadcastActivity", **who, activityType="took-a-break")


async def test_axe_finds_nothing_in_any_state_of_the_page(
    database_uri: str, chromium: Browser, axe: str
) -> None:
    context = await chromium.new_context()
    async with serving(database_uri) as server:
        tab = Tab(await context.new_page())
        await tab.page.goto(server.url)
        await expect(tab.tasks).to_have_text(["First steps"])
        await judge(tab.page, axe)

        server.script.add(
            Reply([Thinking(["Let me see."]), Text([PROSE])]),
            Reply(failure=StatusError(400, "invalid_request_error", "No such thing.")),
            Reply([ToolUse("calculate", {"left": 12, "operation": "times", "right": 7})]),
            Reply([ToolUse("rename_task", {"title": "Dozens"})]),
        )
        for status in ("COMPLETED", "FAILED"):
            await tab.ask("Tell.")
            await expect(tab.replies.last).to_have_attribute("data-status", status)
        await tab.page.get_by_role("switch", name="Tools").check()
        await tab.ask("Calculate, and rename this.")
        await expect(tab.page.get_by_role("button", name="Approve")).to_be_visible()
        await judge(tab.page, axe)

        [task] = await server.query("tasks.list")
        await fill_workspace(server, task["_id"])
        await expect(tab.page.locator("headwater-people .name")).to_have_count(2)
        await judge(tab.page, axe)
        await tab.page.get_by_role("tab", name="Workspace").click()
        for name, content in [("Files", ".path"), ("Tools", ".tool"), ("Terminal", ".output")]:
            await tab.page.get_by_role("tab", name=name).click()
            await expect(tab.page.locator(f"headwater-workspace {content}").first).to_be_visible()
            if name == "Files":
                await tab.page.locator("headwater-files summary").click()
            await judge(tab.page, axe)

        server.script.add(Reply([Text(["Half of "] * 4)], failure=Stalled(2, asyncio.Event())))
        other = (await server.mutation("tasks.create", title="Another"))["_id"]
        await tab.page.goto(f"{server.url}/#{other}")
        await tab.ask("Tell.")
        await expect(tab.reply_text).to_have_text("Half of Half of")
        await judge(tab.page, axe)
        await tab.page.set_viewport_size({"width": 390, "height": 800})
        for button in ("Tasks", "People and workspace"):
            await tab.page.get_by_role("button", name=button).click()
            assert await tab.page.evaluate(JUDGE) == []
            await tab.page.keyboard.press("Escape")
    await context.close()
