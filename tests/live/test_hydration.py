"""A thousand who arrive at once for one cold query cause one read, and miss nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from server.feed.events import Step
from server.runtime import QueryCtx
from tests.live.things import Thing
from tests.live.watching import Scene, Watch, scene
from tests.waiting import eventually

MANY = 1_000


class Finds(CommandListener):
    """Counts the reads of a collection."""

    def __init__(self) -> None:
        self.count = 0

    def started(self, event: CommandStartedEvent) -> None:
        self.count += event.command.get("find") == "things"

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing more is asked."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing more is asked."""


@pytest.fixture
def finds() -> Finds:
    return Finds()


@pytest.fixture
async def here(mongo_uri: str, finds: Finds) -> AsyncIterator[Scene]:
    async with (
        AsyncMongoClient[dict[str, Any]](mongo_uri, event_listeners=[finds]) as reads,
        scene(mongo_uri, reads) as here,
    ):
        await here.database["things"].insert_many(
            [{"_id": f"{n:03}", "g": "x", "n": n} for n in range(50)]
        )
        await here.mark()
        finds.count = 0
        yield here


def things(ctx: QueryCtx) -> Any:
    return ctx.find(Thing, {"g": "x"}, sort=[("n", 1)], fields=["n"])


async def awaited(ctx: QueryCtx) -> list[int]:
    return [thing.n for thing in await things(ctx)]


def arrive(here: Scene, function: Any = things) -> list[Watch]:
    """All of them, in one turn of the loop."""
    return [Watch(here.running).open({"it": function}, {"it": "cold"}) for _ in range(MANY)]


async def all_show(here: Scene, watches: list[Watch]) -> None:
    found = here.database["things"].find({"g": "x"}, {"n": 1}).sort({"n": 1, "_id": 1})
    wanted = await found.to_list()
    for watch in watches:
        await watch.shows(wanted)


async def write(here: Scene, number: int) -> None:
    collection = here.database["things"]
    await collection.insert_one({"_id": f"new{number}", "g": "x", "n": number % 7})
    await collection.update_one({"_id": f"{number % 50:03}"}, {"$inc": {"n": 3}})
    await collection.delete_one({"_id": f"{(number * 7) % 50:03}"})


async def test_a_thousand_who_arrive_while_others_write_cause_one_read(
    here: Scene, finds: Finds
) -> None:
    async def writing() -> None:
        for number in range(8):
            await write(here, number)

    writer = asyncio.create_task(writing())
    await write(here, 99)
    watches = arrive(here)
    await writer
    await here.mark()
    assert here.running.registry.rounds.runs == 1
    reads = finds.count - here.running.registry.rounds.fetches
    assert reads <= 1
    await all_show(here, watches)
    assert all(watch.told[0][1].keys() == {"snapshot"} for watch in watches)


async def test_a_thousand_who_arrive_while_the_feed_is_behind_cause_one_read(
    here: Scene, finds: Finds
) -> None:
    registry = here.running.registry
    prepare, held, go_on = registry.prepare, asyncio.Event(), asyncio.Event()

    async def slow(step: Step) -> None:
        if step.groups:
            held.set()
            await go_on.wait()
        await prepare(step)

    registry.prepare = slow  # type: ignore[method-assign]
    for number in range(5):
        await write(here, number)
    await held.wait()
    watches = arrive(here)
    await watches[0].until(lambda w: w.value is not None)
    assert len(watches[0].value) == 50  # as it was where the feed is
    for number in range(5, 10):
        await write(here, number)
    go_on.set()
    await here.mark()
    await all_show(here, watches)
    assert registry.rounds.runs == 1
    assert finds.count == 1 + (registry.rounds.fetches > 0)


async def test_a_thousand_who_arrive_while_everything_is_read_anew_cause_a_read_for_each_loss(
    here: Scene, finds: Finds
) -> None:
    registry = here.running.registry
    watches = arrive(here)
    registry.gap()
    await write(here, 1)
    registry.gap()
    await here.mark()
    await all_show(here, watches)
    assert registry.rounds.runs <= 3
    assert finds.count <= 3 + registry.rounds.fetches


async def test_a_thousand_who_await_what_changes_all_the_time_share_every_run(
    here: Scene, finds: Finds
) -> None:
    watches = arrive(here, awaited)
    for number in range(4):
        await write(here, number)
    await here.mark()
    found = here.database["things"].find({"g": "x"}, {"n": 1}).sort({"n": 1, "_id": 1})
    wanted = [one["n"] async for one in found]
    for watch in watches:
        await watch.shows(wanted)
    assert finds.count == registry_runs(here)
    assert registry_runs(here) <= 1 + 3 * 4


async def test_whoever_comes_later_to_a_warm_query_reads_nothing(here: Scene, finds: Finds) -> None:
    watches = arrive(here)
    await all_show(here, watches)
    finds.count = 0
    for watch in watches:
        watch.close()
    later = arrive(here)
    await all_show(here, later)
    assert finds.count == 0
    assert len(here.running.registry.queries) == 1
    await eventually(lambda: not here.running.registry._lingering)  # pyright: ignore[reportPrivateUsage]


def registry_runs(here: Scene) -> int:
    return here.running.registry.rounds.runs
