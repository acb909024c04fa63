"""An application of the hooks in real tabs, in StrictMode, on a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Route, expect

import server.functions
from server.llm.standin import Reply, Stalled, Text
from tests import paged_app
from tests.browser.bundling import bundle
from tests.browser.conftest import OpenTab, Tab
from tests.serving import Running, serving

pytestmark = pytest.mark.browser

APP = Path(__file__).parent / "react" / "app.jsx"
HTML = '<!doctype html><title>App</title><link rel="icon" href="data:,"><div id="root"></div>'
WORDS = [f"word{number} " for number in range(200)]


@pytest.fixture(scope="module")
def app_js(tmp_path_factory: pytest.TempPathFactory, node_modules: Path) -> bytes:
    """The application, bundled."""
    assert node_modules
    out = tmp_path_factory.mktemp("app")
    bundle(APP, out=out)
    return (out / "app.mjs").read_bytes()


@pytest.fixture
async def running(database_uri: str) -> AsyncIterator[Running]:
    async with serving(database_uri, [*server.functions.ALL, paged_app]) as running:
        yield running


OpenApp = Callable[..., Awaitable[Tab]]


@pytest.fixture
async def open_app(
    running: Running, context: BrowserContext, open_tab: OpenTab, app_js: bytes
) -> OpenApp:
    """Opens the application in a tab, as if the server had it among its pages."""

    async def page(route: Route) -> None:
        script = b'<script type="module">' + app_js.replace(b"</script", b"<\\/script")
        await route.fulfill(content_type="text/html", body=HTML.encode() + script + b"</script>")

    await context.route("**/app?*", page)

    async def open_app(**parameters: str) -> Tab:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return await open_tab(f"{running.url}/app?{query}")

    return open_app


async def renders(tab: Tab) -> dict[str, int]:
    return await tab.page.evaluate("({ ...renders })")


async def test_two_people_chat_and_a_delta_renders_one_message(
    running: Running, open_app: OpenApp
) -> None:
    release = asyncio.Event()
    task = (await running.mutation("tasks.create", title="Reports"))["_id"]
    ada, bob = [await open_app(task=task, user=name) for name in ("ada", "bob")]
    for tab in (ada, bob):
        await expect(tab.page.locator("h1")).to_have_text("Reports")
        await expect(tab.connection).to_have_text("live")
        await expect(tab.page.locator("#people li")).to_have_count(2)
    running.script.add(Reply([Text(["First."])]))
    await send(ada, "One.")
    for tab in (ada, bob):
        await expect(tab.reply_text).to_have_text("First.")
        await expect(tab.replies.last).to_have_attribute("data-status", "COMPLETED")
    await expect(ada.page.locator("form")).to_have_attribute("data-streaming", "false")

    running.script.add(Reply([Text(WORDS)], failure=Stalled(20, release)))
    await send(ada, "Two.")
    for tab in (ada, bob):
        await expect(tab.reply_text).to_have_text("".join(WORDS[:20]))
        await expect(tab.page.locator("form")).to_have_attribute(
            "data-streaming", "true" if tab is ada else "false"
        )
    before = [await renders(tab) for tab in (ada, bob)]
    release.set()
    for tab, were in zip((ada, bob), before, strict=True):
        await expect(tab.reply_text).to_have_text("".join(WORDS).strip())
        await expect(tab.replies.last).to_have_attribute("data-status", "COMPLETED")
        more = {name: n - were[name] for name, n in (await renders(tab)).items() if n > were[name]}
        reply = (await running.query("messages.byTask", taskId=task))[-1]["_id"]
        assert set(more) <= {reply, "composer"}
        assert more[reply] >= 1  # so few where frames are slow
        assert len(await tab.lengths()) > 2
    await expect(ada.page.locator("form")).to_have_attribute("data-streaming", "false")

    activities = bob.page.locator("#activities li")
    await expect(activities).to_have_text(["bob user-joined", "ada user-joined"])
    await ada.page.close()
    await expect(bob.page.locator("#people li")).to_have_text(["bob viewing"])
    await expect(activities.first).to_have_text("ada user-left")
    assert ada.complaints == bob.complaints == []


async def test_a_reply_is_stopped_and_resumed(running: Running, open_app: OpenApp) -> None:
    release = asyncio.Event()
    task = (await running.mutation("tasks.create", title="T"))["_id"]
    tab = await open_app(task=task, user="ada")
    form = tab.page.locator("form")
    running.script.add(Reply([Text(WORDS)], failure=Stalled(20, release)))
    await send(tab, "Count.")
    await expect(tab.reply_text).to_have_text("".join(WORDS[:20]))
    await expect(form).to_have_attribute("data-streaming", "true")
    await tab.page.get_by_text("Stop").click()
    await expect(tab.replies.last).to_have_attribute("data-status", "CANCELLED")
    await expect(form).to_have_attribute("data-streaming", "false")
    release.set()
    running.script.add(Reply([Text(["and so on."])]))
    await tab.page.get_by_text("Go on").click()
    await expect(tab.reply_text).to_contain_text("and so on.")
    await expect(form).to_have_attribute("data-streaming", "false")
    assert tab.complaints == []


async def test_a_list_in_pages_is_what_the_database_has(
    running: Running, open_app: OpenApp
) -> None:
    numbers = [float(n) for n in range(20)]

    async def shown(count: int) -> None:
        text = " ".join(str(int(n) if n == int(n) else n) for n in sorted(numbers)[:count])
        await expect(tab.page.locator("#lines")).to_have_text(text)

    async def change(name: str, *changed: float) -> None:
        await running.mutation(f"pagedApp.{name}", book="b", numbers=list(changed))

    await change("add", *numbers)
    tab = await open_app(book="b")
    await shown(4)
    await tab.page.get_by_text("More").click()
    await shown(8)
    await tab.page.get_by_text("More").click()
    await shown(12)
    await change("add", *(more := [3.5, 7.5, 7.25]))
    numbers += more
    await shown(13)  # two of them begin the last page, which has no end and stays four long
    await change("remove", *(gone := [0.0, 4.0, 7.5, 11.0]))
    numbers = [n for n in numbers if n not in gone]
    await shown(11)
    await change("add", *(more := [1 + n / 64 for n in range(1, 40)]))
    numbers += more
    await shown(50)  # its page is divided meanwhile
    await tab.page.get_by_text("More").click()
    await expect(tab.page.locator("#lines")).to_have_attribute("data-status", "CanLoadMore")
    await shown(54)
    await change("remove", *more)
    numbers = [n for n in numbers if n not in more]
    await shown(15)
    assert tab.complaints == []


async def send(tab: Tab, prompt: str) -> None:
    await tab.page.locator("#prompt").fill(prompt)
    await tab.page.locator("#prompt").press("Enter")
