"""A workspace's tools on the page: offered while it is there, run, and shown."""

import re
import signal
from pathlib import Path

import pytest
from playwright.async_api import expect

from server.llm.standin import Reply, Text, ToolUse
from tests.browser.conftest import OpenTab
from tests.serving import serving
from tests.sidecar.workspaces import sidecar, workspace

pytestmark = pytest.mark.browser


async def test_the_page_offers_what_the_workspace_of_its_task_can_do(
    database_uri: str, tmp_path: Path, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server, workspace(server, tmp_path / "work") as at:
        async with sidecar(at) as command:
            server.script.add(
                Reply([ToolUse("write_file", {"path": "a.py", "content": "x = 1\n"})]),
                Reply([ToolUse("run_command", {"command": "cat a.py"})]),
                Reply([Text(["It is ", "written."])]),
            )
            tab = await open_tab(server.url)
            await tab.tasks.first.click()
            switch = tab.page.get_by_role("switch", name="Tools")
            await expect(switch).to_have_attribute("title", re.compile("run_command"))
            await switch.check()
            await tab.ask("Write it.")
            await expect(tab.replies.last).to_have_attribute("data-status", "COMPLETED")
            call = tab.page.get_by_role("group", name="Call of run_command")
            await expect(call.locator(".tool-state")).to_have_text(re.compile("Done"))
            command.process.send_signal(signal.SIGTERM)
            assert await command.ended() == 0
        await expect(switch).not_to_have_attribute("title", re.compile("run_command"))
    assert (tmp_path / "work" / "a.py").read_text() == "x = 1\n"
