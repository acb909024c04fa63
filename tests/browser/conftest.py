"""A real Chromium, and tabs in it that complain aloud."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from scripts.node_packages import NoPackages, node_packages

expect.set_options(timeout=60_000)

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

# Every length that a reply's text had, and every one that was less than the one before.
WATCH_LENGTHS = """
  window.lengths = [];
  window.shrunk = [];
  const known = new WeakMap();
  new MutationObserver(() => {
    for (const text of document.querySelectorAll("[data-role=assistant] .parts")) {
      const length = text.textContent.length, before = known.get(text) ?? 0;
      if (length === before) continue;
      known.set(text, length);
      lengths.push(length);
      if (length < before) shrunk.push([before, length]);
    }
  }).observe(document, { subtree: true, childList: true, characterData: true });
  document.addEventListener("securitypolicyviolation", (violation) => {
    console.error(`against the policy: ${violation.violatedDirective} ${violation.blockedURI}`);
  });
"""


@dataclass
class Tab:
    """One tab that shows the page, and what its console said against it."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    @property
    def tasks(self) -> Locator:
        return self.page.locator(".task-list a")

    @property
    def connection(self) -> Locator:
        return self.page.locator("#connection")

    @property
    def prompts(self) -> Locator:
        return self.page.locator("[data-role=user] .plain")

    @property
    def replies(self) -> Locator:
        return self.page.locator("[data-role=assistant]")

    @property
    def reply_text(self) -> Locator:
        """The text of the last reply."""
        return self.replies.last.locator(".parts")

    async def ask(self, prompt: str) -> None:
        await self.page.locator(".prompt").fill(prompt)
        await expect(self.page.locator(".send")).to_be_enabled()  # a task is open
        await self.page.locator(".prompt").press("Enter")

    async def lengths(self) -> list[int]:
        """The lengths that reply texts have had since the page was loaded."""
        assert await self.page.evaluate("shrunk") == []
        return await self.page.evaluate("lengths")


OpenTab = Callable[..., Awaitable[Tab]]


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    if not CHROMIUM:
        why = "NO CHROMIUM on the PATH: the page was NOT driven in a browser"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The npm packages that tests import."""
    try:
        return node_packages()
    except NoPackages as error:
        why = f"NO NPM PACKAGES: what needs them was NOT tested. {error}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)


@pytest.fixture
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    context = await chromium.new_context(viewport={"width": 1100, "height": 760})
    context.set_default_timeout(60_000)
    await context.add_init_script(WATCH_LENGTHS)
    yield context
    await context.close()


@pytest.fixture
async def open_tab(context: BrowserContext) -> OpenTab:
    """Opens the page in a tab of its own; all tabs share one profile."""

    async def open_tab(url: str) -> Tab:
        tab = Tab(await context.new_page())
        tab.page.on(
            "console",
            lambda said: (
                tab.complaints.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        await tab.page.goto(url)
        return tab

    return open_tab
