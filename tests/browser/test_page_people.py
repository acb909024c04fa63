"""Who is in a task and what was done there, as browsers of two people show it to each other."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import WATCH_LENGTHS
from tests.serving import Running, serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
async def running(mongo_uri: str) -> AsyncIterator[Running]:
    async with serving(mongo_uri.replace("/headwater?", "/test_page_people?")) as running:
        yield running


@pytest.fixture
async def task(running: Running) -> str:
    return (await running.mutation("tasks.create", title="Together"))["_id"]


async def browser_of(chromium: Browser, name: str, width: int = 1280) -> BrowserContext:
    context = await chromium.new_context(viewport={"width": width, "height": 800})
    await context.add_init_script(WATCH_LENGTHS)
    await context.add_init_script(
        f"localStorage['headwater-user-id'] ??= '{name.lower()}';"
        f"localStorage['headwater-user-name'] ??= '{name}';"
    )
    return context


async def opened(context: BrowserContext, running: Running, task: str) -> tuple[Page, list[str]]:
    page, complaints = await context.new_page(), list[str]()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{running.url}/#{task}")
    return page, complaints


async def test_two_people_see_each_other_come_type_point_rename_and_leave(
    chromium: Browser, running: Running, task: str
) -> None:
    ada, grace = await browser_of(chromium, "Ada"), await browser_of(chromium, "Grace")
    one, complaints = await opened(ada, running, task)
    two, others = await opened(grace, running, task)
    people = one.locator("headwater-people")
    await expect(people.locator(".name")).to_have_text(["Ada", "Grace"])
    await expect(two.locator("headwater-people .name")).to_have_text(["Grace", "Ada"])
    await expect(people.locator(".person").first.locator(".you")).to_be_visible()
    letters = people.locator(".person").nth(1).locator(".avatar")
    await expect(letters).to_have_text("G")
    await two.locator(".prompt").fill("Well")
    await expect(people.locator(".doing")).to_have_text(["Viewing", "Typing…"])
    await two.locator(".prompt").fill("")
    await expect(people.locator(".doing")).to_have_text(["Viewing", "Viewing"])

    surface = await two.locator("headwater-conversation .log").bounding_box()
    assert surface is not None
    await two.mouse.move(surface["x"] + 120, surface["y"] + 90)
    cursor = one.locator("headwater-cursors .cursor")
    await expect(cursor).to_have_text("Grace")
    await expect(cursor).to_have_css("translate", "120px 90px")
    await two.mouse.move(5, 5)
    await expect(cursor).to_have_count(0)

    await two.get_by_role("button", name="Change your name").click()
    await two.get_by_role("textbox", name="Your name").fill("Grace Hopper")
    await two.keyboard.press("Enter")
    await expect(people.locator(".name")).to_have_text(["Ada", "Grace Hopper"])
    await expect(letters).to_have_text("GH")
    await two.reload()
    await expect(two.locator("headwater-people .name").first).to_have_text("Grace Hopper")
    await expect(people.locator(".name")).to_have_text(["Ada", "Grace Hopper"])

    await two.close()
    await expect(people.locator(".name")).to_have_text(["Ada"])
    said = one.locator("headwater-activity .said")
    await expect(said.first).to_have_text("Grace Hopper left")
    await expect(said.last).to_have_text("Ada joined")
    assert [*complaints, *others] == []
    await ada.close()
    await grace.close()


async def test_activities_say_what_was_done_to_what_and_selections_stand_by_file(
    chromium: Browser, running: Running, task: str
) -> None:
    context = await browser_of(chromium, "Ada")
    page, complaints = await opened(context, running, task)
    await expect(page.locator("headwater-activity .said")).to_have_text(["Ada joined"])
    who = {"taskId": task, "userId": "g"}
    selection = {"start": 12, "end": 40, "filePath": "src/app.py"}
    await running.mutation(
        "presence.updatePresence",
        **who,
        userName="Grace",
        activity="editing-file",
        selection=selection,
    )
    path = {"path": "src/app.py"}
    await running.mutation(
        "presence.broadcastActivity", **who, activityType="file-saved", metadata=path
    )
    await running.mutation("presence.broadcastActivity", **who, activityType="took-a-break")
    said = page.locator("headwater-activity .said")
    await expect(said.nth(0)).to_have_text("Grace took a break")
    await expect(said.nth(1)).to_have_text("Grace saved src/app.py")
    await expect(page.locator("headwater-people .doing").nth(1)).to_have_text("Editing app.py")
    files = page.locator("headwater-selections .selected-file")
    await expect(files.locator(".path")).to_have_text(["src/app.py"])
    await expect(files.locator(".selecting li")).to_have_text(["GGrace12 to 40"])
    await running.mutation(
        "presence.updatePresence", **who, userName="Grace", selection=None, activity="viewing"
    )
    await expect(files).to_have_count(0)
    assert complaints == []
    await context.close()


async def test_another_task_is_left_and_the_stay_in_it_ends(
    chromium: Browser, running: Running, task: str
) -> None:
    other = (await running.mutation("tasks.create", title="Elsewhere"))["_id"]
    context = await browser_of(chromium, "Ada")
    page, complaints = await opened(context, running, task)
    await expect(page.locator("headwater-people .name")).to_have_text(["Ada"])
    await page.get_by_role("link", name="Elsewhere").click()
    watching, _ = await opened(await browser_of(chromium, "Grace"), running, task)
    await expect(watching.locator("headwater-people .name")).to_have_text(["Grace"])
    await expect(page.locator("headwater-people .name")).to_have_text(["Ada"])
    assert [one["userId"] for one in await running.query("presence.getActiveUsers", taskId=other)]
    assert complaints == []
    await watching.context.close()
    await context.close()


async def test_a_phone_reaches_people_by_a_button_and_thirty_of_them_fit(
    chromium: Browser, running: Running, task: str
) -> None:
    long = "Bartholomew Featherstonehaugh-Cholmondeley the Third of Somewhere"
    for number in range(30):
        await running.mutation(
            "presence.updatePresence", taskId=task, userId=f"u{number}", userName=f"{long} {number}"
        )
    context = await browser_of(chromium, "Ada", width=390)
    page, complaints = await opened(context, running, task)
    await expect(page.locator("headwater-avatars .more")).to_have_text("+29")
    button = page.get_by_role("button", name="People and workspace")
    await expect(page.locator("#panel")).to_be_hidden()
    await button.click()
    await expect(page.locator("headwater-people .name")).to_have_count(31)
    await expect(page.get_by_role("tab", name="People")).to_be_focused()
    for place in (":root", "#panel", "#people-panel", "headwater-people", "headwater-activity"):
        over = "element => element.scrollWidth - element.clientWidth"
        assert await page.locator(place).evaluate(over) <= 0, place
    await page.keyboard.press("Escape")
    await expect(page.locator("#panel")).to_be_hidden()
    await expect(button).to_be_focused()
    assert complaints == []
    await context.close()
