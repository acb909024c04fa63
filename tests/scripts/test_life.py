"""The usage that scripts make of the application, by two clients that see each other."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager

import pytest

from scripts.life import Person, answer_tools, live, main
from server.client import Client, View
from tests.serving import serving

SECONDS_MAX = 60


@pytest.fixture
async def two_clients(database_uri: str) -> AsyncGenerator[tuple[Client, Client, str]]:
    async with serving(database_uri) as server:
        url = str(server.http.base_url)
        async with Client(url) as one, Client(url) as other:
            task = await one.mutation("tasks.create", {"title": "A task for two"})
            yield one, other, task["_id"]


class Watching:
    """What one client sees of a task."""

    def __init__(self) -> None:
        self.view = View({}, {}, {}, "")
        self._told = asyncio.Event()

    async def follow(self, client: Client, task_id: str) -> None:
        of_task = {"taskId": task_id}
        names = {
            "people": "presence.getActiveUsers",
            "activities": "presence.getRecentActivities",
            "messages": "messages.byTask",
            "calls": "toolCallTracking.byTask",
        }
        views = client.follow({key: (name, of_task) for key, name in names.items()})
        async with aclosing(views):
            async for view in views:
                self.view = view
                self._told.set()

    async def until(self, condition: Callable[[dict[str, list[dict[str, object]]]], bool]) -> None:
        async with asyncio.timeout(SECONDS_MAX):
            while len(self.view.values) < 4 or not condition(self.view.values):
                self._told.clear()
                await self._told.wait()


@asynccontextmanager
async def watching(client: Client, task_id: str) -> AsyncGenerator[Watching]:
    one = Watching()
    following = asyncio.create_task(one.follow(client, task_id))
    try:
        yield one
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_two_people_see_each_other_come_work_and_leave(
    two_clients: tuple[Client, Client, str],
) -> None:
    one, other, task = two_clients
    async with watching(one, task) as ada_sees, watching(other, task) as bram_sees:
        ada, bram = Person(one, task, 0), Person(other, task, 1)
        async with ada.present():
            await bram_sees.until(lambda v: [p["userName"] for p in v["people"]] == ["Ada Abel"])
            async with bram.present():
                await ada_sees.until(lambda v: len(v["people"]) == 2)
                await bram.move(3)
                await ada_sees.until(lambda v: any(p.get("cursor") for p in v["people"]))
                await ada.tell("file-opened", "README.md")
                await bram_sees.until(
                    lambda v: any(
                        a.get("metadata") == {"path": "README.md"} for a in v["activities"]
                    )
                )
            await ada_sees.until(lambda v: [p["userName"] for p in v["people"]] == ["Ada Abel"])
        await bram_sees.until(lambda v: v["people"] == [])
        kinds = sorted(str(a["activityType"]) for a in bram_sees.view.values["activities"])
        assert kinds == ["file-opened", *["user-joined"] * 2, *["user-left"] * 2]


async def test_a_reply_that_one_starts_is_seen_to_its_end_by_the_other_tools_included(
    two_clients: tuple[Client, Client, str],
) -> None:
    one, other, task = two_clients
    executor = asyncio.create_task(answer_tools(other, task))
    async with watching(other, task) as bram_sees:
        ada = Person(one, task, 0)
        first = await ada.ask(with_tools=False)
        second = await ada.ask(with_tools=True)
        await bram_sees.until(
            lambda v: (
                [
                    m["_id"]
                    for m in v["messages"]
                    if m["status"] == "COMPLETED" and m["role"] != "user"
                ]
                == [first, second]
            )
        )
        (call,) = bram_sees.view.values["calls"]
        assert (call["toolName"], call["status"]) == ("read_file", "COMPLETED")
        assert str(call["result"]).endswith("all of them fine")
    executor.cancel()
    await asyncio.gather(executor, return_exceptions=True)


def test_life_comes_to_the_server_that_the_settings_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADWATER_PORT", "1")
    monkeypatch.setattr("sys.argv", ["life"])
    assert main() == 1
    assert "http://127.0.0.1:1 " in capsys.readouterr().err


async def test_life_leaves_nobody_behind(two_clients: tuple[Client, Client, str]) -> None:
    one, other, task = two_clients
    async with watching(other, task) as seen:
        living = asyncio.create_task(live(one, task, people=3, seconds=SECONDS_MAX))
        await seen.until(lambda v: len(v["people"]) == 3 and len(v["messages"]) > 0)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        await seen.until(lambda v: v["people"] == [])
