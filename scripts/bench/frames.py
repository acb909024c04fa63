"""Frames that a real Chromium draws of a long conversation in React while replies stream into it.

The browser, the server and MongoDB share this machine's processors.
"""

import asyncio
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.async_api import Page, Route, async_playwright

from scripts.bench.contenders import Contender
from scripts.bench.processes import headwater
from scripts.bench.stage import Stage
from scripts.node_packages import BROWSER, NoPackages, node_packages, run_node

__all__ = ["measure_frames"]

STREAMING = 3
DELTAS_PER_SECOND = 50
FRAMES_PER_SECOND_MIN = 55.0
DELTA = "twelve chars"
SOURCE = Path(__file__).parent / "frames_page.jsx"
HTML = '<!doctype html><title>Frames</title><div id="root"></div><script type="module">'
STYLE = "<style>body{font:16px/1.5 sans-serif}li{max-width:40em;margin:1em}</style>"


@dataclass(frozen=True)
class _Observed:
    """What a page drew.

    Attributes:
        intervals_ms: Between its frames.
        rendered: How many messages rendered.
        renders: How often they did, together.
    """

    intervals_ms: list[float]
    rendered: int
    renders: int

    @property
    def frames_per_second(self) -> float:
        return 1_000 * len(self.intervals_ms) / sum(self.intervals_ms)


async def measure_frames(stage: Stage) -> None:
    """The same page at rest, and while three of its messages grow."""
    messages, seconds = stage.sizes.conversation, stage.sizes.frames_seconds
    async with headwater(stage.uri) as (sync, _):
        task, ids = await _conversation(stage, sync, messages)
        async with _page(sync, task) as page:
            if page is None:
                print("  NOT MEASURED: there is no Chromium, or npm cannot be reached.")
                return
            await page.locator(f"#messages[data-count='{messages}']").wait_for(timeout=60_000)
            resting = await _observe(page, seconds)
            writing = [
                asyncio.create_task(_grow(stage, sync, one, seconds + 1))
                for one in ids[-STREAMING:]
            ]
            streaming = await _observe(page, seconds)
            written = sum(await asyncio.gather(*writing)) / (seconds + 1)
    intervals = sorted(streaming.intervals_ms)
    stage.report.judge_least(
        f"{messages} messages, {STREAMING} of them streaming: frames a second",
        streaming.frames_per_second,
        FRAMES_PER_SECOND_MIN,
        f"{resting.frames_per_second:.1f} at rest; {written:.0f} deltas a second; "
        f"p95 {intervals[len(intervals) * 95 // 100]:.1f} ms, longest {intervals[-1]:.0f} ms",
    )
    stage.report.judge(
        "messages that rendered meanwhile",
        streaming.rendered,
        STREAMING,
        f"{streaming.renders / seconds:.0f} renders a second, all of them together",
    )


async def _observe(page: Page, seconds: float) -> _Observed:
    found: dict[str, Any] = await page.evaluate("(seconds) => observe(seconds)", seconds)
    return _Observed(found["intervals"], len(found["rendered"]), found["renders"])


async def _conversation(stage: Stage, contender: Contender, count: int) -> tuple[str, list[str]]:
    """A task's messages; gives its id and theirs, in order."""
    task, now = secrets.token_hex(12), datetime.now(UTC)
    ids = [secrets.token_hex(12) for _ in range(count)]
    await stage.client[contender.database]["chatMessages"].insert_many(
        {
            "_id": one,
            "createdAt": now,
            "updatedAt": now,
            "taskId": task,
            "role": "assistant",
            "sequence": number,
            "status": "COMPLETED",  # no sweep takes an interest in it
            "parts": [{"type": "text", "text": ["lorem ipsum dolor sit amet " * 8]}],
            "model": "none",
        }
        for number, one in enumerate(ids)
    )
    return task, ids


async def _grow(stage: Stage, contender: Contender, message: str, seconds: float) -> int:
    """Append deltas to a message, each at its time; gives how many."""
    collection = stage.client[contender.database]["chatMessages"]
    started, written = time.monotonic(), 0
    while (due := started + written / DELTAS_PER_SECOND) < started + seconds:
        await asyncio.sleep(due - time.monotonic())
        if time.monotonic() > started + seconds:
            break
        await collection.update_one({"_id": message}, {"$push": {"parts.0.text": DELTA}})
        written += 1
    return written


@asynccontextmanager
async def _page(contender: Contender, task: str) -> AsyncGenerator[Page | None]:
    """A page of the server's own origin that shows the conversation; None where it cannot be."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    script = await asyncio.to_thread(_script)
    if program is None or script is None:
        yield None
        return

    async def answer(route: Route) -> None:
        body = HTML + script.replace("</script", r"<\/script") + "</script>" + STYLE
        await route.fulfill(content_type="text/html", body=body)

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page(viewport={"width": 1100, "height": 760})
        await page.route("**/frames?*", answer)
        await page.goto(f"http://127.0.0.1:{contender.port}/frames?task={task}")
        yield page
        await browser.close()


def _script() -> str | None:
    """The page's module, as an application would bundle it."""
    try:
        node_packages()
    except NoPackages:
        return None
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "frames.js"
        ended = run_node(
            "esbuild/bin/esbuild",
            str(SOURCE),
            "--bundle",
            "--minify",
            "--format=esm",
            "--jsx=automatic",
            "--log-level=warning",
            '--define:process.env.NODE_ENV="production"',
            f"--alias:headwater={BROWSER / 'client.js'}",
            f"--alias:headwater/react={BROWSER / 'react.js'}",
            f"--outfile={out}",
        )
        return out.read_text("utf-8") if ended.returncode == 0 else None
