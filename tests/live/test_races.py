"""Things that happen at the worst moment; whoever watches ends where a fresh reader begins."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from pymongo.errors import OperationFailure

from server.core import limits
from server.core.errors import TooLarge, TooMany
from server.runtime import QueryCtx
from tests.live.things import Mark, Thing
from tests.live.watching import Function, Scene, Watch, ids_of, scene
from tests.waiting import eventually

LONG_MS = 10**15


async def awaited(ctx: QueryCtx) -> list[str]:
    return [one.id for one in await ctx.find(Thing, {"g": "x"}, sort=[("n", 1)], fields=["n"])]


async def counted(ctx: QueryCtx) -> int:
    return await ctx.count(Thing, {"n": {"$gte": 2}})


EVERYTHING: dict[str, Function] = {
    "find": lambda ctx: ctx.find(Thing, {"g": "x"}, sort=[("n", 1)]),
    "limited": lambda ctx: ctx.find(Thing, {"n": {"$gte": 1}}, sort=[("n", -1)], limit=2),
    "narrow": lambda ctx: ctx.find(Thing, {"g": "x"}, fields=["n"], last=3),
    "page": lambda ctx: ctx.page(Thing, {"g": "x"}, sort=[("n", 1)], size=3),
    "within": lambda ctx: ctx.find(Thing, {"g": "x"}, within=("createdAt", LONG_MS)),
    "asked": lambda ctx: ctx.find(Thing, {"$expr": {"$gt": ["$n", 1]}}),
    "get": lambda ctx: ctx.get(Thing, "2"),
    "both": lambda ctx: {"x": ctx.find(Thing, {"g": "x"}), "marks": ctx.find(Mark, {"_id": "m"})},
    "awaited": awaited,
    "counted": counted,
}


@pytest.fixture
async def here(mongo_uri: str) -> AsyncIterator[Scene]:
    async with scene(mongo_uri) as here:
        yield here


def some(*numbers: int) -> list[dict[str, Any]]:
    return [{"_id": f"{n}", "g": "x" if n % 3 else "y", "n": n} for n in numbers]


async def ends_as_fresh(here: Scene, watch: Watch) -> None:
    """Wait until `watch` shows what a new reader of the same functions is shown."""
    await here.mark()
    fresh = Watch(here.running).open({name: EVERYTHING[name] for name in watch.queries})
    await fresh.until(lambda w: len(w.values) + len(w.errors) == len(w.queries))
    for name in watch.queries:
        await watch.shows(fresh.values[name], name)
    fresh.close()


async def test_upheavals_of_every_kind_end_as_a_fresh_read(here: Scene) -> None:
    database, admin = here.database, here.client.admin
    things, name = database["things"], here.database.name
    await things.insert_many(some(*range(6)))
    await here.mark()
    watch = Watch(here.running).open(EVERYTHING)
    await watch.until(lambda w: len(w.values) == len(EVERYTHING))

    await things.drop()
    await ends_as_fresh(here, watch)
    assert watch.values["find"] == []
    await things.insert_many(some(2, 4, 5))  # it is made again
    await ends_as_fresh(here, watch)
    assert watch.values["get"]["n"] == 2

    await admin.command({"renameCollection": f"{name}.things", "to": f"{name}.elsewhere"})
    await ends_as_fresh(here, watch)
    await database["elsewhere"].update_many({}, {"$inc": {"n": 3}})
    to = {"renameCollection": f"{name}.elsewhere", "to": f"{name}.things", "dropTarget": True}
    await admin.command(to)
    await ends_as_fresh(here, watch)
    assert watch.values["get"]["n"] == 5

    await database["staging"].insert_many(some(1, 2, 7))
    await (await database["staging"].aggregate([{"$out": "things"}])).to_list()
    await ends_as_fresh(here, watch)
    assert ids_of(watch.values["find"]) == ["1", "2", "7"]
    merge = [{"$set": {"n": 9}}, {"$merge": {"into": "things"}}]
    await (await database["staging"].aggregate(merge)).to_list()
    await ends_as_fresh(here, watch)

    await here.client.drop_database(name)
    await things.insert_many(some(4, 8))
    await watch.until(lambda w: ids_of(w.values.get("find", [])) == ["4", "8"])
    await ends_as_fresh(here, watch)


async def test_readers_who_come_and_go_at_every_moment_end_right_and_leave_nothing(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LINGER_SECONDS", 0)  # the next turn of the loop
    monkeypatch.setattr(limits, "ROUND_SECONDS", 0.005)
    things = here.database["things"]
    stop = asyncio.Event()

    async def writing() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            set_ = {"$set": {"g": "x" if number % 2 else "y"}, "$inc": {"n": 1}}
            await things.update_one({"_id": f"{number % 9}"}, set_, upsert=True)

    writer = asyncio.create_task(writing())
    keys = {name: name for name in EVERYTHING}
    for turn in range(120):
        watch = Watch(here.running).open(EVERYTHING, keys)
        if turn % 3:
            await watch.until(lambda w, turn=turn: len(w.values) >= turn % len(EVERYTHING))
        watch.close()
        if turn % 2:
            await asyncio.sleep(0)  # the lingering end just now, or just before
    stop.set()
    await writer
    last = Watch(here.running).open(EVERYTHING, keys)
    await last.until(lambda w: len(w.values) == len(EVERYTHING))
    await ends_as_fresh(here, last)
    last.close()
    registry = here.running.registry
    await eventually(lambda: registry.queries == [])
    await eventually(lambda: not registry.rounds._tasks)  # pyright: ignore[reportPrivateUsage]
    routing = registry._routing  # pyright: ignore[reportPrivateUsage]
    assert not routing._owners  # pyright: ignore[reportPrivateUsage]
    assert not routing._routers  # pyright: ignore[reportPrivateUsage]


async def test_who_subscribes_again_as_it_ends_lingering_shares_what_is_there(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LINGER_SECONDS", 0)
    await here.database["things"].insert_many(some(1))
    await here.mark()
    watch = Watch(here.running).open({"find": EVERYTHING["find"]}, {"find": "k"})
    await watch.until(lambda w: w.value)
    (live,) = watch.queries.values()
    watch.close()
    again = Watch(here.running).open({"find": EVERYTHING["find"]}, {"find": "k"})
    assert again.queries["find"] is live
    await here.database["things"].insert_many(some(2))  # many turns of the loop later
    await again.until(lambda w: len(w.value) == 2)
    assert live.wanted


async def test_a_transaction_that_is_aborted_is_never_seen_and_a_whole_one_is_seen_whole(
    here: Scene,
) -> None:
    things, marks = here.database["things"], here.database["marks"]
    await here.mark()
    torn: list[Any] = []

    def look(watch: Watch) -> None:
        both = watch.values.get("both", {"x": [], "marks": []})
        if bool(both["x"]) != bool(both["marks"]):
            torn.append(both)

    watch = Watch(here.running, on_change=look).open(EVERYTHING)
    await watch.until(lambda w: len(w.values) == len(EVERYTHING))
    told = len(watch.told)
    async with here.client.start_session() as session:
        await session.start_transaction()
        await things.insert_many(some(1, 2), session=session)
        await marks.insert_one({"_id": "m"}, session=session)
        await session.abort_transaction()
        await here.mark()
        assert len(watch.told) == told
        await session.start_transaction()
        await things.insert_many(some(1, 2), session=session)
        await marks.insert_one({"_id": "m"}, session=session)
        await session.commit_transaction()
    await ends_as_fresh(here, watch)
    assert ids_of(watch.values["find"]) == ["1", "2"]
    assert torn == []


async def test_a_function_that_raises_recovers_when_what_it_read_is_made(here: Scene) -> None:
    async def strict(ctx: QueryCtx) -> Any:
        found = await ctx.get(Thing, "1")
        if found is None:
            raise TooLarge("there is none")
        return found.n

    watch = here.watch(strict)
    await watch.until(lambda w: w.errors.get("it") == TooLarge.code)
    await here.database["things"].insert_many(some(1))
    await watch.shows(1)
    await here.database["things"].delete_one({"_id": "1"})
    await watch.until(lambda w: w.errors.get("it") == TooLarge.code)


async def test_a_limit_at_the_bound_of_results_is_shown_and_one_beyond_it_is_none(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RESULT_DOCUMENTS_MAX", 30)
    things = here.database["things"]
    await things.insert_many([{"_id": f"{n:02}", "g": "x", "n": n} for n in range(29)])
    await here.mark()
    watch = here.watch(
        lambda ctx: ctx.find(Thing, {"g": "x"}, sort=[("n", 1)], limit=30),
        beyond=lambda ctx: ctx.find(Thing, {"g": "x"}, sort=[("n", 1)], limit=40),
    )
    await watch.until(lambda w: len(w.values) == 2)
    for n in range(29, 60):
        await things.insert_one({"_id": f"{n:02}", "g": "x", "n": n})
    await watch.until(lambda w: w.errors == {"beyond": TooLarge.code})
    await things.delete_many({"n": {"$lt": 10}})
    await watch.until(lambda w: [one["n"] for one in w.values["it"]] == list(range(10, 40)))
    await things.delete_many({"n": {"$lt": 35}})
    await watch.until(lambda w: len(w.values.get("beyond", [])) == 25)


async def test_more_live_queries_than_may_be_are_refused_and_come_when_there_is_room(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIVE_QUERIES_MAX", 2)
    monkeypatch.setattr(limits, "LINGER_SECONDS", 0)
    one, two = here.watch(EVERYTHING["find"]), here.watch(EVERYTHING["get"])
    with pytest.raises(TooMany):
        here.watch(awaited)
    one.close()
    await eventually(lambda: len(here.running.registry.queries) == 1)
    await here.watch(awaited).shows([])
    two.close()


async def test_a_document_that_grows_outside_of_what_is_shown_tells_nobody(here: Scene) -> None:
    things = here.database["things"]
    await things.insert_many(some(1, 2))
    await here.mark()
    watch = here.watch(EVERYTHING["narrow"], awaited=awaited, counted=counted)
    await watch.until(lambda w: len(w.values) == 3)
    told, runs = len(watch.told), here.running.registry.rounds.runs
    for _ in range(10):
        await things.update_many({}, {"$push": {"items": {"x": "y" * 10_000}}})
    with pytest.raises(OperationFailure):
        await things.update_one({"_id": "1"}, {"$push": {"n": uuid4().hex}})
    await here.mark()
    assert (len(watch.told), here.running.registry.rounds.runs) == (told, runs)
