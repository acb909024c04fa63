"""The elements of a workspace, on the page and in pages of others, in a real Chromium."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect
from playwright.async_api import Route as Fetched
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route

from server.app import create_app
from server.settings import Settings
from tests.browser.conftest import OpenTab
from tests.serving import Running, http_server, serving
from tests.sse import Follower

pytestmark = pytest.mark.browser

DIFF = "@@ -1,2 +1,2 @@ def main():\n x = 1\n-y = 2\n+y = 3\n"
FOREIGN = """<!doctype html><title>Of others</title>
<style>p { margin: 3em } button { color: red } headwater-files .change { padding-left: 7px }</style>
<h1>A page of its own</h1>
<headwater-files task="TASK" server="SERVER"></headwater-files>
<headwater-people task="TASK" server="SERVER" user-id="ada" user-name="Ada"></headwater-people>
<headwater-composer task="TASK" server="SERVER"></headwater-composer>
<script type="module" src="SERVER/browser/elements.js"></script>
"""


@pytest.fixture(scope="module")
async def running(mongo_uri: str) -> AsyncIterator[Running]:
    async with serving(mongo_uri.replace("/headwater?", "/test_elements?")) as running:
        yield running


@pytest.fixture
async def task(running: Running) -> str:
    return (await running.mutation("tasks.create", title="Work"))["_id"]


async def show_workspace(page: Page, tab: str) -> Locator:
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.get_by_role("tab", name="Workspace").click()
    await page.get_by_role("tab", name=tab).click()
    return page.locator("headwater-workspace")


async def test_changes_of_files_come_newest_first_with_their_diff_behind_them(
    running: Running, task: str, open_tab: OpenTab
) -> None:
    tab = await open_tab(f"{running.url}/#{task}")
    shown = await show_workspace(tab.page, "Files")
    await expect(shown.get_by_text("No file has changed.")).to_be_visible()
    change = {"taskId": task, "changeType": "UPDATE", "path": "src/a.py", "diff": DIFF}
    await running.mutation("fileChanges.record", **change, additions=1, deletions=1)
    rename = {"changeType": "RENAME", "path": "b.py", "oldPath": "<b>.py"}
    await running.mutation("fileChanges.record", taskId=task, **rename)
    await expect(shown.locator(".path")).to_have_text(["b.py", "src/a.py"])
    await expect(shown.locator(".old-path")).to_have_text("was <b>.py")
    first = shown.locator(".change").nth(1)
    await expect(first.locator("summary :is(.added, .removed)")).to_have_text(["+1", "−1"])
    await expect(shown.locator(".line")).to_have_count(0)  # none before they can be seen
    await first.locator("summary").press("Enter")
    await expect(first.locator(".line")).to_have_text(
        ["@@ -1,2 +1,2 @@ def main():", "1 x = 1", "2−y = 2", "2+y = 3"]
    )
    await first.locator("summary").press("Enter")
    await expect(shown.locator(".line")).to_have_count(0)
    assert tab.complaints == []


async def test_runs_of_tools_show_how_they_stand_and_what_came_of_them(
    running: Running, task: str, open_tab: OpenTab
) -> None:
    tab = await open_tab(f"{running.url}/#{task}")
    shown = await show_workspace(tab.page, "Tools")
    begun = {"taskId": task, "toolName": "run_command", "input": '{"command":"make"}'}
    log = await running.mutation("toolLogs.begin", **begun)
    await expect(shown.locator(".tool-state")).to_have_text("Running")
    kept = await shown.locator(".tool").element_handle()
    await running.mutation(
        "toolLogs.finish", logId=log["_id"], status="FAILED", error="No rule.", durationMs=1500
    )
    await expect(shown.locator(".tool-state")).to_have_text("Failed in 1.5 s")
    await expect(shown.locator(".tool-error")).to_have_text("No rule.")
    assert kept is not None
    assert await kept.evaluate("tool => tool.isConnected"), "it was built anew"
    assert tab.complaints == []


async def test_a_terminal_grows_in_place_and_shows_colours_not_their_codes(
    running: Running, task: str, open_tab: OpenTab
) -> None:
    async def write(text: str, stream: str = "stdout", command: str = "one") -> None:
        said = {"taskId": task, "stream": stream, "text": text, "commandId": command}
        await running.mutation("terminalOutput.append", **said)

    begun = {"taskId": task, "toolName": "run_command", "input": '{"command":"pytest -q"}'}
    await running.mutation("toolLogs.begin", **begun, logId="one")
    await write("\x1b[32mpassed\x1b[0m 1\n10%\r20%\r\x1b[3")
    tab = await open_tab(f"{running.url}/#{task}")
    shown = await show_workspace(tab.page, "Terminal")
    output = shown.locator(".output")
    await expect(shown.locator(".command")).to_have_text("pytest -q")
    await expect(output).to_have_text("passed 1\n20%", use_inner_text=True)
    await expect(output.locator(".green")).to_have_text("passed")
    kept = await output.locator(".green").evaluate_handle("span => span.firstChild")
    await write("1m30%\x1b[0m done\r\n")
    await write("Oh no\n", "stderr")
    await expect(output.locator(".red")).to_have_text("30%")
    await expect(output.locator(".stderr")).to_have_text("Oh no")
    assert await kept.evaluate("text => text.isConnected"), "it was built anew"
    for number in range(200):
        if number % 50 == 0:
            await write("".join(f"line {number + n}\n" for n in range(50)), command="two")
    screen = shown.get_by_role("region", name="Terminal")
    below = "screen => screen.scrollHeight - screen.clientHeight - screen.scrollTop"
    await expect(output.last).to_contain_text("line 199")
    assert await screen.evaluate(below) < 5, "its end is not in view"
    await screen.focus()
    await tab.page.keyboard.press("Home")
    await expect(shown.locator("headwater-terminal .latest")).to_be_visible()
    await write("more\n", command="two")
    await expect(output.last).to_contain_text("more")
    assert await screen.evaluate(below) > 100, "its reader was carried away"
    assert tab.complaints == []


async def test_a_command_whose_output_begins_with_it_is_shown_once(
    running: Running, task: str, open_tab: OpenTab
) -> None:
    for command, prompt in (("make", "$ make\n"), ("ls", "")):
        begun = {"taskId": task, "toolName": "run_command", "input": f'{{"command":"{command}"}}'}
        await running.mutation("toolLogs.begin", **begun, logId=command)
        said = {"taskId": task, "stream": "stdout", "commandId": command}
        await running.mutation("terminalOutput.append", **said, text=f"{prompt}done\n")
    tab = await open_tab(f"{running.url}/#{task}")
    shown = await show_workspace(tab.page, "Terminal")
    await expect(shown.locator(".command:visible")).to_have_text(["ls"])
    await expect(shown.locator(".output").first).to_have_text("$ make\ndone", use_inner_text=True)


async def test_a_long_terminal_begins_with_its_end_and_goes_back_when_it_is_asked_to(
    running: Running, task: str, open_tab: OpenTab
) -> None:
    line = "x" * 79 + "\n"
    for number in range(10):
        said = {"taskId": task, "stream": "stdout", "commandId": f"c{number}"}
        await running.mutation("terminalOutput.append", **said, text=f"begin {number}\n{line * 9}")
    tab = await open_tab(f"{running.url}/#{task}")
    shown = await show_workspace(tab.page, "Terminal")
    await expect(shown.locator(".segment")).to_have_count(6)
    await shown.get_by_role("button", name="Earlier output").click()
    await expect(shown.locator(".segment")).to_have_count(10)
    await expect(shown.locator(".earlier")).to_be_hidden()
    assert tab.complaints == []


async def test_health_turns_and_a_task_without_a_workspace_says_how_to_get_one(
    running: Running, task: str, open_tab: OpenTab
) -> None:
    tab = await open_tab(f"{running.url}/#{task}")
    shown = await show_workspace(tab.page, "Files")
    health, state = shown.locator("headwater-health"), shown.get_by_role("status")
    await expect(state).to_have_text("No workspace")
    await expect(health.locator(".start")).to_contain_text(f"--task {task}")
    told: dict[str, Any] = {"taskId": task, "host": "laptop", "directory": "/work"}
    await running.mutation("tasks.workspaceHeartbeat", **told)
    await expect(state).to_have_text("Healthy")
    await expect(health.locator(".where")).to_have_text("laptop:/work")
    await expect(health.locator(".start")).to_be_hidden()
    told |= {"status": "degraded", "message": "The disk is full."}
    await running.mutation("tasks.workspaceHeartbeat", **told)
    await expect(state).to_have_text("Degraded")
    await expect(health).to_contain_text("The disk is full.")
    await running.mutation("tasks.workspaceHeartbeat", taskId=task, status="gone")
    await expect(state).to_have_text("Gone")
    assert tab.complaints == []


async def test_the_tabs_are_reached_and_turned_by_the_keyboard(
    running: Running, task: str, open_tab: OpenTab
) -> None:
    tab = await open_tab(f"{running.url}/#{task}")
    shown = await show_workspace(tab.page, "Files")
    await tab.page.get_by_role("tab", name="Workspace").focus()
    await tab.page.keyboard.press("Tab")
    await expect(tab.page.get_by_role("tab", name="Files")).to_be_focused()
    for key, name in [("ArrowRight", "Tools"), ("End", "Terminal"), ("ArrowRight", "Files")]:
        await tab.page.keyboard.press(key)
        chosen = tab.page.get_by_role("tab", name=name)
        await expect(chosen).to_be_focused()
        await expect(chosen).to_have_attribute("aria-selected", "true")
        await expect(shown.get_by_role("tabpanel")).to_have_accessible_name(name)
    log = {"taskId": task, "toolName": "x"}
    await running.mutation("toolLogs.begin", **log)
    await expect(shown.get_by_role("tab", name="Tools, new")).to_have_class("tab new")
    assert tab.complaints == []


async def test_a_phone_shows_the_panes_within_its_width(
    running: Running, task: str, open_tab: OpenTab
) -> None:
    long = "averylongwordwithoutanyplacetobreak" * 6
    change = {"changeType": "UPDATE", "path": f"{long}/{long}.py", "additions": 123_456}
    await running.mutation("fileChanges.record", taskId=task, **change, diff=f"{DIFF}+{long}\n")
    await running.mutation("toolLogs.begin", taskId=task, toolName=long[:200], input=long)
    said = {"taskId": task, "stream": "stdout", "text": long}
    await running.mutation("terminalOutput.append", **said)
    told = {"host": long, "directory": f"/{long}", "message": long}
    await running.mutation("tasks.workspaceHeartbeat", taskId=task, **told)
    tab = await open_tab(f"{running.url}/#{task}")
    await tab.page.set_viewport_size({"width": 390, "height": 844})
    await tab.page.get_by_role("button", name="People and workspace").click()
    await tab.page.get_by_role("tab", name="Workspace").click()
    for name, content in [("Files", ".path"), ("Tools", ".tool"), ("Terminal", ".output")]:
        await tab.page.get_by_role("tab", name=name).click()
        await expect(tab.page.locator(f"headwater-workspace {content}")).to_be_visible()
        if name == "Files":
            await tab.page.locator("headwater-files summary").click()
            await expect(tab.page.locator(".line").first).to_be_visible()
        for place in (":root", "#panel", "#workspace-panel", ".pane:not([hidden])"):
            over = "element => element.scrollWidth - element.clientWidth"
            assert await tab.page.locator(place).last.evaluate(over) <= 0, (name, place)
    assert tab.complaints == []


async def test_a_foreign_page_uses_an_element_by_one_script_and_styles_it(
    mongo_uri: str, context: BrowserContext, open_tab: OpenTab
) -> None:
    async def late(route: Fetched) -> None:
        """The composer's style sheet comes when the composer is there."""
        await route.request.frame.wait_for_selector(".prompt", state="attached")
        await route.continue_()

    async def page(request: Request) -> HTMLResponse:
        query = request.query_params
        return HTMLResponse(
            FOREIGN.replace("TASK", query["task"]).replace("SERVER", query["server"])
        )

    async def nothing(_: Request) -> HTMLResponse:
        return HTMLResponse("")

    foreign = Starlette(routes=[Route("/", page), Route("/favicon.ico", nothing)])
    async with http_server(foreign) as elsewhere:
        uri = mongo_uri.replace("/headwater?", "/test_elements_elsewhere?")
        async with serving(uri, allowed_origins=frozenset({elsewhere})) as running:
            task = (await running.mutation("tasks.create", title="Work"))["_id"]
            change = {"taskId": task, "changeType": "CREATE", "path": "a.py"}
            await running.mutation("fileChanges.record", **change)
            await context.route("**/composer.css", late)
            tab = await open_tab(f"{elsewhere}/?task={task}&server={running.url}")
            await expect(tab.page.locator("headwater-files .path")).to_have_text("a.py")
            await expect(tab.page.locator("headwater-people .name")).to_have_text("Ada")
            await expect(tab.page.locator(".change")).to_have_css("padding-left", "7px")
            await expect(tab.page.locator(".change summary")).to_have_css("display", "flex")
            prompt = tab.page.locator(".prompt")
            await expect(prompt).to_have_css("line-height", "24px")
            hidden = "prompt => prompt.scrollHeight - prompt.clientHeight"
            assert await prompt.evaluate(hidden) <= 0, "its first line is cut"
            assert tab.complaints == []


async def test_the_page_works_where_it_is_mounted_under_a_prefix(
    mongo_uri: str, open_tab: OpenTab
) -> None:
    uri = mongo_uri.replace("/headwater?", "/test_elements_mounted?")
    app = create_app(Settings(mongodb_uri=uri))

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with app.lifespan():
            yield

    hub = Starlette(routes=[Mount("/hub", app)], lifespan=lifespan)
    async with (
        hub.router.lifespan_context(hub),
        http_server(hub) as url,
        httpx2.AsyncClient(base_url=f"{url}/hub", timeout=60) as http,
    ):
        tab = await open_tab(f"{url}/hub/")
        await expect(tab.tasks).to_have_text(["First steps"])
        await tab.ask("Hello?")
        await expect(tab.replies.last).to_have_attribute("data-status", "COMPLETED")
        await expect(tab.page.locator("headwater-people .person")).to_have_count(1)
        assert tab.complaints == []
        (task,) = (await http.post("/api/query/tasks.list", json={})).json()["value"]
        who = {"taskId": task["_id"]}
        follower = Follower(http, {"done": ("presence.getRecentActivities", who)})
        async with follower.following():
            await tab.page.goto("about:blank")
            await follower.until(lambda f: "user-left" in str(f.values.get("done")))
