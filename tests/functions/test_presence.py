"""Presence: who is in a task, seen by two clients, on time that the test holds."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from server.functions import presence, stays
from server.runtime import latest
from server.runtime.write_context import WriteCtx
from server.store.connection import database_name
from server.store.embedded import EmbeddedMongo
from server.store.reads import Reads
from tests.held_time import HeldTime
from tests.serving import Running, serving
from tests.sse import Follower

MINUTE = 60


@dataclass
class Scene:
    """Two servers of one database, whose time is held."""

    here: Running
    there: Running
    database: AsyncDatabase[dict[str, Any]]
    time: HeldTime
    marks: int = 0

    async def new_task(self) -> str:
        await self.time.to_whole_minute()
        return (await self.here.mutation("tasks.create", title="T"))["_id"]

    async def arrive(self, task: str, user: str, server: Running | None = None, **more: Any) -> str:
        return await (server or self.here).mutation(
            "presence.updatePresence", taskId=task, userId=user, userName=user.title(), **more
        )

    async def leave(self, task: str, user: str, server: Running | None = None, **more: Any) -> None:
        await (server or self.here).mutation(
            "presence.removePresence", taskId=task, userId=user, **more
        )

    async def row(self, user: str) -> dict[str, Any]:
        found = await self.database.presence.find_one({"userId": user}, sort=[("_id", 1)])
        assert found is not None
        return found

    async def recorded(self, task: str) -> list[tuple[str, str, float]]:
        """What was recorded, oldest first: type, user, and how many seconds ago by held time."""
        found = await self.here.query("presence.getRecentActivities", taskId=task, limit=200)
        now = self.time.second
        return [
            (one["activityType"], one["userId"], now - one["timestamp"] / 1000)
            for one in reversed(found)
        ]

    async def clean_up(self, server: Running | None = None) -> None:
        services = (server or self.here).app._services
        assert services is not None
        context = services.actions.context("presence.cleanupStalePresence")
        await presence.cleanup_stale_presence(context)

    @asynccontextmanager
    async def watching(
        self, task: str, server: Running | None = None, **more: Any
    ) -> AsyncIterator[Follower]:
        server = server or self.here
        queries = {
            "people": ("presence.getActiveUsers", {"taskId": task, **more}),
            "done": ("presence.getRecentActivities", {"taskId": task}),
            "task": ("tasks.get", {"taskId": task}),
        }
        follower = Follower(server.http, queries)
        async with follower.following():
            await follower.until(lambda f: queries.keys() <= f.values.keys())
            yield follower

    async def told_all(self, task: str, *followers: Follower) -> None:
        """Wait until the followers have been told of all that was done before."""
        self.marks += 1
        title = f"mark {self.marks}"
        await self.here.mutation("tasks.update", taskId=task, title=title)
        for follower in followers:
            await follower.until(lambda f: f.values["task"]["title"] == title)


def people(follower: Follower) -> list[str]:
    return [one["userId"] for one in follower.values["people"]]


def messages(follower: Follower, query: str = "people") -> int:
    return sum(query in event.data["queries"] for event in follower.events)


@pytest.fixture(scope="module")
async def scene(fast_dir: Path) -> AsyncIterator[Scene]:
    embedded = EmbeddedMongo(fast_dir / "presence")
    uri = await embedded.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presence.cleanup_stale_presence, "seconds", 1e6)  # when a test says so
        async with scene_of(uri) as scene:
            yield scene
    await embedded.stop()


@asynccontextmanager
async def scene_of(uri: str) -> AsyncIterator[Scene]:
    async with (
        AsyncMongoClient[dict[str, Any]](uri, w="majority", tz_aware=True) as client,
        serving(uri) as here,
        serving(uri) as there,
    ):
        database = client[database_name(uri)]
        yield Scene(here, there, database, await HeldTime(client, database).take())


@pytest.fixture(autouse=True)
async def nobody(scene: Scene) -> None:
    for name in ("presence", "activities"):
        await scene.database[name].delete_many({})


# --- two people ----------------------------------------------------------------------------------


async def test_two_clients_see_each_other_come_move_and_go(scene: Scene) -> None:
    task = await scene.new_task()
    async with scene.watching(task) as ada, scene.watching(task, scene.there) as eve:
        await scene.arrive(task, "ada", tabId="1", userImage="a.png")
        await scene.time.passes(1)
        await scene.arrive(task, "eve", scene.there, tabId="2", activity="typing")
        for one in (ada, eve):
            await one.until(lambda f: people(f) == ["ada", "eve"])
            await one.until(lambda f: len(f.values["done"]) == 2)
        await scene.arrive(
            task, "ada", tabId="1", activity="editing-file", cursor={"x": 1.5, "y": -2},
            selection={"start": 3, "end": 9, "filePath": "a.py"},
        )  # fmt: skip
        await eve.until(lambda f: f.values["people"][0].get("cursor") == {"x": 1.5, "y": -2.0})
        shown = eve.values["people"][0]
        minute = scene.time.second // 60 * 60_000
        assert shown.pop("_id") == (await scene.row("ada"))["_id"]
        assert shown == {
            "taskId": task, "userId": "ada", "userName": "Ada", "userImage": "a.png",
            "activity": "editing-file", "cursor": {"x": 1.5, "y": -2.0},
            "selection": {"start": 3, "end": 9, "filePath": "a.py"},
            "lastSeenAt": minute, "createdAt": minute, "updatedAt": minute,
        }  # fmt: skip
        done = await scene.there.mutation(
            "presence.broadcastActivity", taskId=task, userId="eve", activityType="file-opened",
            metadata={"path": "a.py", "$odd.name": [1, None]},
        )  # fmt: skip
        await ada.until(lambda f: done in f.values["done"])
        assert done["metadata"] == {"path": "a.py", "$odd.name": [1, None]}
        await scene.leave(task, "eve", tabId="2")
        for one in (ada, eve):
            await one.until(lambda f: people(f) == ["ada"])
            await one.until(lambda f: len(f.values["done"]) == 4)
    kinds = [kind for kind, *_ in await scene.recorded(task) if kind != "file-opened"]
    assert kinds == ["user-joined", "user-joined", "user-left"]


async def test_what_is_left_out_stays_and_null_takes_away(scene: Scene) -> None:
    task = await scene.new_task()
    where = {"cursor": {"x": 1, "y": 2}, "selection": {"start": 0, "end": 1}}
    await scene.arrive(task, "ada", activity="typing", userImage="a.png", **where)
    await scene.arrive(task, "ada")
    (shown,) = await scene.here.query("presence.getActiveUsers", taskId=task)
    assert shown.items() >= {"activity": "typing", "userImage": "a.png", **where}.items()
    await scene.arrive(task, "ada", cursor=None)
    (shown,) = await scene.here.query("presence.getActiveUsers", taskId=task)
    assert shown["cursor"] is None
    assert shown["selection"] == where["selection"]


async def test_a_heartbeat_that_changes_nothing_seen_wakes_nobody(scene: Scene) -> None:
    task = await scene.new_task()
    await scene.arrive(task, "ada", tabId="1")
    services = scene.here.app._services
    assert services is not None
    rounds = services.registry.rounds
    async with scene.watching(task) as ada, scene.watching(task, scene.there) as eve:
        before = [(messages(one), len(one.events)) for one in (ada, eve)]
        runs, fetches, events = rounds.runs, rounds.fetches, services.feed.events_seen
        for _ in range(5):
            await scene.time.passes(10)
            await scene.arrive(task, "ada", tabId="1")
        assert (await scene.row("ada"))["lastSeenAt"].timestamp() == scene.time.second
        await scene.told_all(task, ada, eve)
        assert services.feed.events_seen >= events + 10  # each was taken in, and each second
        assert [(messages(one), len(one.events) - 1) for one in (ada, eve)] == before
        assert (rounds.runs, rounds.fetches) == (runs, fetches)
        await scene.time.passes(10)  # another minute
        await scene.arrive(task, "ada", tabId="1")
        await scene.told_all(task, ada)
        assert messages(ada) == before[0][0] + 1
        assert ada.values["people"][0]["lastSeenAt"] == scene.time.second * 1000


async def test_a_heartbeat_is_one_write_and_nothing_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await scene.new_task()
    await scene.arrive(task, "ada", tabId="1")
    # Nor is the present asked for: its position is the write's.
    monkeypatch.setattr(Reads, "now", lambda _: pytest.fail("the position was read"))
    async with commands(scene) as seen:
        await scene.arrive(task, "ada", tabId="1", activity="typing")
    assert seen == ["update"]
    async with commands(scene) as seen:
        await scene.here.mutation(
            "presence.broadcastActivity", taskId=task, userId="ada", activityType="file-saved"
        )
    assert seen == ["aggregate", "insert"]


@asynccontextmanager
async def commands(scene: Scene) -> AsyncIterator[list[str]]:
    """What calls ask MongoDB meanwhile about presence, activities and tasks.

    Live queries read at a cluster time; those of an earlier test linger, and are not counted.
    """
    seen: list[str] = []
    await scene.database.command({"profile": 2})
    yield seen
    await scene.database.command({"profile": 0})
    of_ours = {"$in": [f"{scene.database.name}.{name}" for name in TABLES]}
    called = {"ns": of_ours, "command.readConcern.atClusterTime": {"$exists": False}}
    profile = await scene.database["system.profile"].find(called).to_list()
    seen += [next(iter(one["command"])) if one["op"] == "command" else one["op"] for one in profile]
    await scene.database.drop_collection("system.profile")


TABLES = ("presence", "activities", "tasks")


# --- leaving -------------------------------------------------------------------------------------


async def test_who_falls_silent_leaves_at_their_second_with_no_write_and_no_read(
    scene: Scene,
) -> None:
    task = await scene.new_task()
    await scene.arrive(task, "ada")
    await scene.time.passes(20)
    await scene.arrive(task, "eve")
    stored = [row async for row in scene.database.presence.find()]
    async with scene.watching(task) as one:
        assert people(one) == ["ada", "eve"]
        services = scene.here.app._services
        assert services is not None
        runs, fetches = services.registry.rounds.runs, services.registry.rounds.fetches
        await scene.time.passes(39)
        await scene.told_all(task, one)
        assert people(one) == ["ada", "eve"]
        await scene.time.passes(1)
        await one.until(lambda f: people(f) == ["eve"])
        assert str(one.position).startswith(f"{scene.time.second}.")
        await scene.time.passes(20)
        await one.until(lambda f: people(f) == [])
        assert (services.registry.rounds.runs, services.registry.rounds.fetches) == (runs, fetches)
    assert [row async for row in scene.database.presence.find()] == stored


async def test_everybody_has_a_timeout_of_their_own(scene: Scene) -> None:
    task = await scene.new_task()
    await scene.arrive(task, "ada")
    async with (
        scene.watching(task, timeoutMs=5_000) as hasty,
        scene.watching(task, timeoutMs=600_000) as patient,
    ):
        await scene.time.passes(5)
        await hasty.until(lambda f: people(f) == [])
        await scene.time.passes(295)
        await scene.clean_up()
        assert len(await scene.recorded(task)) == 2
        await scene.told_all(task, patient)
        assert messages(patient) == 1, "that a leaving was recorded is not to be seen"
        await scene.time.passes(300)
        await patient.until(lambda f: people(f) == [])


async def test_somebody_leaves_with_the_last_of_their_tabs(scene: Scene) -> None:
    task = await scene.new_task()
    await asyncio.gather(*(scene.arrive(task, "ada", tabId=tab) for tab in "abc"))
    assert await scene.database.presence.count_documents({}) == 1
    await scene.leave(task, "ada", tabId="a")
    await scene.leave(task, "ada", tabId="a")
    await scene.leave(task, "ada", tabId="never heard of")
    assert await shown(scene, task) == ["ada"]
    await scene.time.passes(30)
    await scene.arrive(task, "ada", tabId="b")
    await scene.time.passes(40)  # and c has fallen silent
    await scene.leave(task, "ada", tabId="b")
    assert await shown(scene, task) == []
    assert [one[:2] for one in await scene.recorded(task)] == [
        ("user-joined", "ada"),
        ("user-left", "ada"),
    ]
    await scene.leave(task, "ada", tabId="b")  # twice is harmless
    assert len(await scene.recorded(task)) == 2


async def test_when_a_tab_leaves_its_person_is_as_old_as_the_others(scene: Scene) -> None:
    task = await scene.new_task()
    await scene.arrive(task, "ada", tabId="old")
    await scene.time.passes(50)
    await scene.arrive(task, "ada", tabId="new")
    await scene.leave(task, "ada", tabId="new")
    async with scene.watching(task) as one:
        assert people(one) == ["ada"]
        await scene.time.passes(10)
        await one.until(lambda f: people(f) == [])


async def test_without_a_tab_somebody_leaves_with_all_of_them(scene: Scene) -> None:
    task = await scene.new_task()
    for tab in "ab":
        await scene.arrive(task, "ada", tabId=tab)
        await scene.time.passes(1)
    await scene.leave(task, "ada")
    assert await shown(scene, task) == []
    assert [one[0] for one in await scene.recorded(task)] == ["user-joined", "user-left"]


async def test_of_very_many_tabs_the_first_are_forgotten(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stays, "TABS_MAX", 3)
    task = await scene.new_task()
    for number in range(5):
        await scene.arrive(task, "ada", tabId=f"{number}")
    assert len((await scene.row("ada"))["tabs"]) == 3
    for number in range(2, 5):
        assert await shown(scene, task) == ["ada"]
        await scene.leave(task, "ada", tabId=f"{number}")
    assert await shown(scene, task) == []


async def shown(scene: Scene, task: str) -> list[str]:
    return [one["userId"] for one in await scene.there.query(
        "presence.getActiveUsers", taskId=task
    )]  # fmt: skip


# --- what is recorded ----------------------------------------------------------------------------


async def test_joining_is_recorded_once_however_many_tabs_and_processes_race(scene: Scene) -> None:
    task = await scene.new_task()
    for round_ in range(3):
        await asyncio.gather(
            *(
                scene.arrive(task, user, server, tabId=f"{tab}")
                for tab in range(6)
                for user in ("ada", "eve")
                for server in (scene.here, scene.there)
            )
        )
        assert sorted(await shown(scene, task)) == ["ada", "eve"]
        await asyncio.gather(*(scene.leave(task, user) for user in ("ada", "eve") * 3))
        assert await shown(scene, task) == []
        recorded = [one[:2] for one in await scene.recorded(task)]
        for user in ("ada", "eve"):
            once = ["user-joined", "user-left"] * (round_ + 1)
            assert [kind for kind, who in recorded if who == user] == once


@pytest.mark.parametrize("swept", [False, True])
async def test_who_was_silent_and_comes_back_has_left_and_joined_once(
    scene: Scene, swept: bool
) -> None:
    task = await scene.new_task()
    await scene.arrive(task, "ada", tabId="a")
    await scene.time.passes(100)
    if swept:
        await asyncio.gather(scene.clean_up(), scene.clean_up(scene.there), scene.clean_up())
    await asyncio.gather(
        *(
            scene.arrive(task, "ada", server, tabId=tab)
            for tab in "ab"
            for server in (scene.here, scene.there)
        )
    )
    await scene.clean_up()
    assert await scene.recorded(task) == [
        ("user-joined", "ada", 100),
        ("user-left", "ada", 40),  # when the list was without them
        ("user-joined", "ada", 0),
    ]
    (row,) = await scene.here.query("presence.getActiveUsers", taskId=task)
    assert row["createdAt"] == scene.time.second * 1000


async def test_a_clean_up_is_bounded_goes_on_later_and_deletes_after_an_hour(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "ROWS_MAX", 2)
    monkeypatch.setattr(presence, "BATCHES_MAX", 2)
    task = await scene.new_task()
    await asyncio.gather(*(scene.arrive(task, f"u{n}") for n in range(5)))
    await scene.clean_up()
    assert len(await scene.recorded(task)) == 5
    await scene.time.passes(MINUTE)
    await scene.clean_up()
    assert len(await scene.recorded(task)) == 9
    await scene.clean_up(scene.there)
    recorded = await scene.recorded(task)
    assert sorted(one[:2] for one in recorded[5:]) == [("user-left", f"u{n}") for n in range(5)]
    await scene.time.passes(3600 - MINUTE - 1)
    await scene.clean_up()
    assert await scene.database.presence.count_documents({}) == 5
    await scene.time.passes(1)
    await scene.clean_up()
    assert await scene.database.presence.count_documents({}) == 1
    await scene.clean_up()
    assert await scene.database.presence.count_documents({}) == 0
    assert len(await scene.recorded(task)) == 10


@pytest.mark.parametrize("known_seed", [1, None])
async def test_whatever_happens_at_once_joining_and_leaving_alternate(
    scene: Scene, known_seed: int | None
) -> None:
    seed = known_seed or random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    task, chance = await scene.new_task(), random.Random(seed)
    users = ("ada", "eve")

    def something() -> Coroutine[Any, Any, Any]:
        server = chance.choice((scene.here, scene.there))
        user, tab = chance.choice(users), chance.choice("ab")
        match chance.randrange(8):
            case 0:
                return scene.clean_up(server)
            case 1:
                return scene.leave(task, user, server, **chance.choice(({}, {"tabId": tab})))
            case 2 | 3:
                return scene.leave(task, user, server, tabId=tab)
            case _:
                return scene.arrive(task, user, server, tabId=tab)

    for _ in range(12):
        await asyncio.gather(*(something() for _ in range(chance.randrange(1, 9))))
        await scene.time.passes(chance.choice((0, 1, 30, 59, 60, 61)))
        await scene.clean_up()
        here = await shown(scene, task)
        recorded = [one[:2] for one in await scene.recorded(task)]
        for user in users:
            kinds = [kind for kind, who in recorded if who == user]
            alternating = ["user-joined", "user-left"] * len(kinds)
            assert kinds == alternating[: len(kinds)], (seed, user, kinds)
            assert (len(kinds) % 2 == 1) == (user in here), (seed, user, kinds)


async def test_who_comes_back_while_a_clean_up_deletes_is_kept(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await scene.new_task()
    await scene.arrive(task, "ada")
    await scene.time.passes(3600)
    delete = WriteCtx.delete_many

    async def late(ctx: WriteCtx, table: Any, query: Any) -> int:
        await scene.arrive(task, "ada", scene.there)
        return await delete(ctx, table, query)

    monkeypatch.setattr(WriteCtx, "delete_many", late)
    await scene.clean_up()
    assert await shown(scene, task) == ["ada"]
    assert [one[0] for one in await scene.recorded(task)] == [
        "user-joined",
        "user-left",
        "user-joined",
    ]


# --- moves ---------------------------------------------------------------------------------------


async def test_moves_that_come_too_fast_are_few_writes_and_the_last_one_lands(
    scene: Scene,
) -> None:
    task = await scene.new_task()
    for user in ("ada", "eve"):
        await scene.arrive(task, user, tabId="1")
    async with scene.watching(task) as one:
        before, began = messages(one), asyncio.get_running_loop().time()
        async with commands(scene) as seen:
            moves = [
                scene.arrive(task, user, tabId="1", cursor={"x": n, "y": n})
                for n in range(40)
                for user in ("ada", "eve")
            ]
            await asyncio.gather(*moves)  # the client sends them in this order, by its pool
        turns = (asyncio.get_running_loop().time() - began) / latest.INTERVAL_SECONDS
        for user in ("ada", "eve"):
            await scene.arrive(task, user, tabId="1", cursor={"x": 99, "y": 99})
            # Whoever has the answer sees it: read your own writes.
            cursor = (await scene.row(user))["cursor"]
            assert cursor == {"x": 99.0, "y": 99.0}
        await scene.told_all(task, one)
        assert {row["cursor"]["x"] for row in one.values["people"]} == {99}
        assert len(seen) <= 2 * (turns + 2), "one write of each in a turn, however many moves"
        assert messages(one) - before <= len(seen) + 2


async def test_an_idempotency_key_makes_a_move_a_transaction_of_its_own(scene: Scene) -> None:
    task = await scene.new_task()
    call = {"taskId": task, "userId": "ada", "userName": "Ada", "tabId": "1"}
    for key in ("a", "a", "b"):
        answer = await scene.here.http.post(
            "/api/mutation/presence.updatePresence", json=call, headers={"Idempotency-Key": key}
        )
        assert answer.status_code == 200, answer.text
    assert [one[0] for one in await scene.recorded(task)] == ["user-joined"]


# --- a beacon ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (
            {"Content-Type": "application/json", "Origin": "OWN", "Sec-Fetch-Site": "same-origin"},
            200,
        ),
        ({"Content-Type": "application/json"}, 200),
        ({"Content-Type": "text/plain;charset=UTF-8", "Origin": "OWN"}, 415),
        ({"Content-Type": "application/json", "Origin": "null"}, 403),
        ({"Content-Type": "application/json", "Origin": "http://elsewhere.example"}, 403),
    ],
)
async def test_a_beacon_is_taken_as_a_browser_sends_it(
    scene: Scene, headers: dict[str, str], status: int
) -> None:
    task = await scene.new_task()
    await scene.arrive(task, "ada", tabId="1")
    sent = {
        "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty", "Accept": "*/*",
        **{name: scene.here.url if value == "OWN" else value for name, value in headers.items()},
    }  # fmt: skip
    body = f'{{"taskId":"{task}","userId":"ada","tabId":"1"}}'.encode()
    answer = await scene.here.http.post(
        "/api/mutation/presence.removePresence", content=body, headers=sent
    )
    assert answer.status_code == status
    assert await shown(scene, task) == ([] if status == 200 else ["ada"])


async def test_who_leaves_while_a_move_waits_to_be_written_has_left_and_is_named(
    scene: Scene,
) -> None:
    task = await scene.new_task()
    tab = {"tabId": "1"}
    await scene.arrive(task, "ada", **tab)
    moves = [scene.arrive(task, "ada", **tab, cursor={"x": x, "y": 0}) for x in range(3)]
    moving = [asyncio.create_task(move) for move in moves]
    await asyncio.wait(moving, return_when=asyncio.FIRST_COMPLETED)  # the others wait their turn
    again = scene.arrive(task, "ada", **tab, cursor={"x": 9, "y": 9})
    await asyncio.gather(again, scene.leave(task, "ada", **tab), *moving)
    assert await scene.here.query("presence.getActiveUsers", taskId=task) == []
    done = await scene.here.query("presence.getRecentActivities", taskId=task)
    assert [(one["activityType"], one["metadata"]) for one in done] == [
        ("user-left", {"userName": "Ada"}),
        ("user-joined", {"userName": "Ada"}),
    ]
