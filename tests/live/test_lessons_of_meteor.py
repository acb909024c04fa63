"""What went wrong in Meteor's live queries over the years, each made to happen here."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from pydantic import Field
from pymongo import AsyncMongoClient

from schemas.document import Document
from server.core import limits
from server.feed.change_stream import Batch
from server.runtime import Find, QueryCtx, query
from tests import card_app
from tests.replica_set import ReplicaSet, replica_set
from tests.serving import Running, serving
from tests.sse import Follower, events_of

pytestmark = pytest.mark.usefixtures("patient_feed")

FEED, DATA = "headwater feed", "headwater"


class Note(Document, collection="notes"):
    kind: str = "note"
    count: int = 0
    meta: dict[str, Any] = Field(default_factory=dict)
    items: list[Any] = Field(default_factory=list)


@query
def notes(ctx: QueryCtx) -> Find[Note]:
    return ctx.find(Note, {"kind": "note"})


FUNCTIONS = [card_app, sys.modules[__name__]]
CARDS = {"c": ("cardApp.cards", {"group": "x"})}
COUNTED = {"n": ("cardApp.counted", {"group": "x"})}
NOTES: dict[str, tuple[str, dict[str, Any]]] = {"m": ("testLessonsOfMeteor.notes", {})}


@pytest.fixture(scope="module")
async def single(fast_dir: Path) -> AsyncIterator[ReplicaSet]:
    """One mongod that fails by order."""
    async with replica_set(fast_dir / "meteor", size=1) as made:
        yield made


@dataclass
class Scene:
    """A server, and the database as others see it."""

    mongod: ReplicaSet
    server: Running
    database: Any

    @property
    def cards(self) -> Any:
        return self.database["cards"]

    def follower(self, *queries: dict[str, tuple[str, dict[str, Any]]]) -> Follower:
        merged = {id_: one for some in queries for id_, one in some.items()}
        return Follower(self.server.http, merged)

    async def metric(self, name: str) -> float:
        text = (await self.server.http.get("/metrics")).text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name))

    async def lost(self, times: int) -> None:
        """Wait until the feed has lost its history so often."""
        async with asyncio.timeout(60):
            while await self.metric("headwater_feed_losses_total") < times:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def commands(self, name: str) -> int:
        """How many commands of that name mongod has been given."""
        status = await self.mongod.command("serverStatus")
        return status["metrics"]["commands"][name]["total"]


@pytest.fixture
async def here(single: ReplicaSet) -> AsyncIterator[Scene]:
    async with scene(single) as made:
        yield made
    await single.stop_failing()


@asynccontextmanager
async def scene(single: ReplicaSet) -> AsyncIterator[Scene]:
    name = f"t{uuid4().hex[:8]}"
    uri = single.uri(name)
    async with (
        serving(uri, FUNCTIONS) as server,
        AsyncMongoClient[dict[str, Any]](uri, w="majority") as client,
    ):
        yield Scene(single, server, client[name])


def ids(follower: Follower) -> list[str]:
    return [card["_id"] for card in follower.values.get("c", [])]


def counts(number: int) -> dict[str, int]:
    return {"all": number, "done": 0}


async def test_what_happens_between_the_snapshot_and_the_stream_is_not_lost(here: Scene) -> None:
    """A snapshot that was taken before the stream was opened lost what came in between."""
    async with AsyncExitStack() as stack:
        followers: list[Follower] = []
        for number in range(60):
            await here.cards.insert_one({"_id": f"{number:02}", "group": "x", "rank": number})
            if number % 3 == 0:  # each joins in the middle, by a query of its own
                limit = 100 + number
                top = {"c": ("cardApp.top", {"group": "x", "limit": limit})}
                follower = here.follower(top, COUNTED)
                followers.append(follower)
                await stack.enter_async_context(follower.following())
        await here.cards.update_many({}, {"$set": {"done": False}})
        for follower in followers:
            await follower.until(lambda f: len(ids(f)) == 60 and f.values.get("n") == counts(60))


async def test_an_old_event_is_not_replayed_over_a_newer_snapshot(here: Scene) -> None:
    """A deletion that was still on its way removed the document that had come again since."""
    await here.cards.insert_one({"_id": "a", "group": "x", "rank": 0, "done": False})
    seen: list[list[int]] = []
    async with AsyncExitStack() as stack:
        for rank in range(1, 11):
            # The feed is behind while the query is read.
            await here.mongod.fail("getMore", appName=FEED, blockConnection=True, blockTimeMS=100)
            await here.cards.delete_one({"_id": "a"})
            card = {"_id": "a", "group": "x", "rank": rank, "done": False}
            await here.cards.insert_one(card)
            follower = here.follower({"c": ("cardApp.top", {"group": "x", "limit": rank})})
            follower.watch = lambda _id, _old, new: seen.append([card["rank"] for card in new])
            await stack.enter_async_context(follower.following())
            await follower.until(
                lambda f, rank=rank: [c["rank"] for c in f.values.get("c", [])] == [rank]
            )
            assert (await here.server.query("cardApp.top", group="x"))[0]["rank"] == rank
    assert all(len(ranks) <= 1 for ranks in seen)


async def test_a_resume_token_that_is_dead_is_not_tried_ten_times_a_second(here: Scene) -> None:
    """It was tried so for ever, and nothing else was."""
    follower = here.follower(CARDS)
    async with follower.following():
        await follower.until(lambda f: "c" in f.values)
        stream, opened = here.server.app._services.feed._stream, 0  # type: ignore[union-attr]
        open_ = stream.open

        async def opening() -> Batch:
            nonlocal opened
            opened += 1
            return await open_()

        stream.open = opening  # type: ignore[method-assign]
        await here.mongod.fail("getMore", appName=FEED, errorCode=286, times=4)
        await here.cards.insert_one({"_id": "a", "group": "x"})
        await follower.until(lambda f: ids(f) == ["a"] and f.snapshots >= 2)
        await here.lost(4)
        await here.cards.insert_one({"_id": "b", "group": "x"})
        await follower.until(lambda f: ids(f) == ["a", "b"])
        assert opened == 4, "each failure opened it once"


async def test_reading_anew_does_not_race_what_happens_meanwhile(here: Scene) -> None:
    """What came while everything was read anew was overwritten by what had been read."""
    follower = here.follower(CARDS, COUNTED)
    lengths: list[int] = []
    follower.watch = lambda id_, _, new: lengths.append(len(new)) if id_ == "c" else None
    async with follower.following():
        await follower.until(lambda f: len(f.values) == 2)
        for number in range(100):
            if number % 20 == 10:
                await here.mongod.fail("getMore", appName=FEED, errorCode=286)
            if number % 20 == 12:
                await here.mongod.fail("find", appName=DATA, blockConnection=True, blockTimeMS=50)
            await here.cards.insert_one({"_id": f"{number:02}", "group": "x", "rank": number})
            if number % 20 == 15:
                await here.lost(number // 20 + 1)
        await follower.until(lambda f: len(ids(f)) == 100 and f.values["n"] == counts(100))
    assert lengths == sorted(lengths), "nobody was shown less than before"


async def test_a_reader_who_leaves_while_something_waits_for_it_leaves_nothing_behind(
    here: Scene,
) -> None:
    """An observer that stopped while a write fence waited for it made the fence wait for ever."""
    staying = here.follower(CARDS)
    async with staying.following():
        await staying.until(lambda f: "c" in f.values)
        for number in range(5):
            leaving = Follower(here.server.http, {**CARDS, **COUNTED}, client="me", strict=True)
            async with leaving.following():
                await leaving.until(lambda f: len(f.values) == 2)
                await here.mongod.fail("find", appName=DATA, blockConnection=True, blockTimeMS=200)
                added = asyncio.create_task(
                    here.server.http.post(
                        "/api/mutation/cardApp.add",
                        json={"group": "x", "rank": number},
                        headers={"Headwater-Client": "me"},
                    )
                )
                await staying.until(lambda f, n=number: len(ids(f)) == n + 1)
            assert (await added).status_code == 200
        assert await here.metric("headwater_sync_streams") == 1


async def test_whoever_waits_for_its_own_write_does_not_stop_what_it_waits_for(
    here: Scene,
) -> None:
    """A fence that was awaited where changes are delivered waited for itself."""
    follower = Follower(here.server.http, {**CARDS, **COUNTED}, client="me")
    async with follower.following():
        await follower.until(lambda f: len(f.values) == 2)
        for number in range(20):  # each write is made upon what the one before it brought
            response = await here.server.http.post(
                "/api/mutation/cardApp.add",
                json={"group": "x", "rank": number},
                headers={"Headwater-Client": "me"},
            )
            wanted = time_of(response.json()["position"])
            await follower.until(
                lambda f, n=number, wanted=wanted: (
                    time_of(f.position or "0.0~") >= wanted and len(ids(f)) == n + 1
                )
            )


async def test_documents_that_vanish_while_they_are_fetched_are_not_fetched_for_ever(
    here: Scene,
) -> None:
    """The count of those still to come went to -1, and was waited for to be 0."""
    await here.cards.insert_many([{"_id": f"{n:02}", "group": "y", "rank": n} for n in range(40)])
    follower = here.follower(CARDS, COUNTED)
    async with follower.following():
        await follower.until(lambda f: len(f.values) == 2)
        await here.mongod.fail(
            "find", appName=DATA, blockConnection=True, blockTimeMS=20, times=10_000
        )
        for number in range(40):
            where = {"_id": f"{number:02}"}
            await here.cards.update_one(where, {"$set": {"group": "x"}})
            if number % 2:
                await here.cards.delete_one(where)
        await follower.until(lambda f: len(ids(f)) == 20 and f.values["n"] == counts(20))
        await here.mongod.stop_failing()
        await here.server.mutation("cardApp.add", group="z")
        done = here.server.wrote
        await follower.until(lambda f: f.has_passed(done) and str(f.position)[-1] != "-")
        fetched = await here.metric("headwater_documents_fetched_total")
        runs = await here.metric("headwater_query_runs_total")
        assert 1 <= fetched <= 100, "each once or twice"
        await here.server.mutation("cardApp.add", group="z")  # the feed goes on
        assert await here.metric("headwater_documents_fetched_total") == fetched
        assert await here.metric("headwater_query_runs_total") == runs


async def test_two_hundred_queries_share_one_change_stream(here: Scene) -> None:
    """One cursor for each query made writes wait for two seconds at two hundred."""
    before = (await here.mongod.command("serverStatus"))["metrics"]["cursor"]["open"]["total"]
    async with AsyncExitStack() as stack:
        followers = [
            here.follower(
                {str(n): ("cardApp.cards", {"group": f"g{n}"}) for n in range(at, at + 50)}
            )
            for at in range(0, 200, 50)
        ]
        for follower in followers:
            await stack.enter_async_context(follower.following())
            await follower.until(lambda f: len(f.values) == 50)
        assert await here.metric('headwater_live_queries{strategy="maintained"}') == 200
        open_now = (await here.mongod.command("serverStatus"))["metrics"]["cursor"]["open"]
        assert open_now["total"] <= before + 2
        asked, began = await here.commands("getMore"), time.monotonic()
        await here.cards.insert_one({"_id": "a", "group": "g7"})
        await followers[0].until(lambda f: len(f.values["7"]) == 1)
        asked = await here.commands("getMore") - asked
        waits = (time.monotonic() - began) * 1_000 / limits.FEED_AWAIT_MS
        assert asked < 20 + 2 * waits, "one asks, not two hundred"


async def test_an_event_that_is_too_large_does_not_stop_the_stream_for_ever(here: Scene) -> None:
    """One event over 16 MB was met again at every attempt to go on."""
    name = "n" * 2_000
    names = [str(number) for number in range(10_000)]
    inner = {"rest": "x" * (1 << 20), **dict.fromkeys(names, 0)}
    await here.cards.insert_one({"_id": "big", "group": "x", "rank": 0, "extra": {name: inner}})
    follower = here.follower(CARDS)
    async with follower.following():
        await follower.until(lambda f: ids(f) == ["big"])
        stage = {"$set": {"rank": 7, "extra": {name: dict.fromkeys(names, 1)}}}
        await here.cards.update_one({"_id": "big"}, [stage])
        await follower.until(lambda f: f.values["c"][0]["rank"] == 7)
        await here.cards.insert_one({"_id": "next", "group": "x", "rank": 8})
        await follower.until(lambda f: ids(f) == ["big", "next"])
    assert await here.metric("headwater_feed_losses_total") == 1


async def test_changes_below_the_surface_arrive_in_every_form_of_event(here: Scene) -> None:
    """Updates of nested fields were lost when the form of the event had changed."""
    stored = here.database["notes"]
    await stored.insert_one(
        {"_id": "n", "kind": "note", "meta": {"a": {"b": [{"c": 1}, {"c": 2}]}, "gone": 1}}
        | {"items": [1, 2, 3, 4, {"deep": [5]}]}
    )
    changes: list[Any] = [
        {"$set": {"meta.a.b.1.c": 3}},
        {"$unset": {"meta.gone": ""}},
        {"$push": {"meta.a.b": {"c": 4}}},
        {"$set": {"items.4.deep.0": 6}},
        {"$inc": {"meta.a.b.$[one].c": 10}},
        {"$pop": {"items": -1}},
        [{"$set": {"items": {"$slice": ["$items", 2]}}}],  # a truncated array
        [{"$set": {"meta.a.new": {"of": "pipeline"}}}],
        {"$set": {"items.5": "padded"}},
        {"$rename": {"meta.a.new": "meta.a.old"}},
        [{"$replaceWith": {"$mergeObjects": ["$$ROOT", {"count": 5}]}}],
    ]
    follower = here.follower(NOTES)
    async with follower.following():
        await follower.until(lambda f: len(f.values.get("m", [])) == 1)
        for change in changes:
            filters = [{"one.c": {"$gt": 2}}] if "$inc" in change else None
            await stored.update_one({"_id": "n"}, change, array_filters=filters)
            fresh = await here.server.query("testLessonsOfMeteor.notes")
            await follower.until(lambda f, fresh=fresh: f.values["m"] == fresh)
    assert follower.snapshots == 1


async def test_ten_thousand_updates_in_one_go_stall_nobody(here: Scene) -> None:
    """They stalled every server for minutes."""
    cards = [{"group": "x" if n < 500 else "z", "rank": n} for n in range(10_000)]
    await here.cards.insert_many([{"_id": f"{n:05}", **card} for n, card in enumerate(cards)])
    follower, other = here.follower(CARDS), here.follower({"c": ("cardApp.cards", {"group": "y"})})
    async with follower.following(), other.following():
        await follower.until(lambda f: len(ids(f)) == 500)
        await other.until(lambda f: "c" in f.values)
        runs = await here.metric("headwater_query_runs_total")

        async def change() -> None:
            await here.cards.update_many({}, {"$inc": {"rank": 1_000_000}})
            await here.server.mutation("cardApp.add", group="y", rank=1)

        changing = asyncio.create_task(change())
        answers = 0
        async with asyncio.timeout(60):
            while not changing.done() or not ids(other):
                assert (await here.server.http.get("/healthz")).status_code == 200
                answers += 1
        await changing
        assert answers >= 3, "others were answered meanwhile"
        await follower.until(lambda f: all(card["rank"] >= 1_000_000 for card in f.values["c"]))
        assert await here.metric("headwater_query_runs_total") == runs
        assert await here.metric("headwater_documents_fetched_total") == 0


async def test_a_small_change_of_a_large_document_costs_what_is_small(here: Scene) -> None:
    """Between a tenth and two fifths of all time went into deep copies of documents."""
    small = await cost_of_updates(here, "small", 1)
    large = await cost_of_updates(here, "large", 20_000)
    assert large < 3 * small + 0.2, (large, small)


async def cost_of_updates(here: Scene, id_: str, parts: int) -> float:
    """Seconds of this process's CPU for changes of one number beside `parts` nested values."""
    stored = here.database["notes"]
    await stored.delete_many({})
    meta = {f"k{number}": {"a": [number], "b": "text"} for number in range(parts)}
    await stored.insert_one({"_id": id_, "kind": "note", "count": 0, "meta": meta})
    url = f"/api/live/testLessonsOfMeteor.notes?args={quote('{}')}"
    async with here.server.http.stream("GET", url, timeout=60) as response:
        events = events_of(response)
        await anext(events)  # the snapshot; what follows is not applied, for that copies too
        begin = time.process_time()
        for number in range(1, 101):
            await stored.update_one({"_id": id_}, {"$set": {"count": number}})
            event = await anext(events)
            while "patch" not in event.data or not event.data["patch"]:
                event = await anext(events)
            assert event.data["patch"][0]["value"] == number
        return time.process_time() - begin


def time_of(position: str) -> tuple[int, int]:
    seconds, _, increment = position.partition("~")[0].partition(".")
    return int(seconds), int(increment)
