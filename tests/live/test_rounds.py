"""When live queries are run, and that nothing is run for nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from schemas.wire.position import Time
from server.feed.events import ChangeEvent, Group, Step
from server.runtime import QueryCtx
from tests.live.live_parts import Client, parts
from tests.live.playing import player
from tests.live.random_queries import Query, function, key
from tests.live.things import Thing
from tests.waiting import eventually

SLOW: Query = {"kind": "find", "finds": [{"in": "things", "filter": {"g": "x"}, "sort": []}]}
AWAITED: Query = {"kind": "count", "finds": [{"in": "things", "filter": {"g": "y"}, "sort": []}]}


async def test_a_query_that_history_was_lost_under_is_not_run_again_once_it_is_clean(
    mongo_uri: str,
) -> None:
    name = f"rounds_{uuid4().hex[:12]}"
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(reader: Any) -> Any:
        started.set()
        await go_on.wait()
        return QueryCtx(reader).find(Thing, {"g": "x"})

    async with player(mongo_uri) as playing, parts(playing.feed, playing.client, name) as running:
        things = playing.client[name]["things"]
        reader = Client(running, {"slow": SLOW, "awaited": AWAITED})
        live = running.registry.subscribe(key(SLOW), "slow", slow, _Nobody())
        reader.open()
        await started.wait()
        running.registry.gap()
        go_on.set()
        await eventually(lambda: reader.ready)
        runs = live.runs

        await things.insert_one({"_id": "1", "g": "y"})  # makes another round
        await eventually(lambda: reader.values["awaited"] == [1])
        await things.insert_one({"_id": "2", "g": "x"})
        await eventually(lambda: bool(reader.values["slow"]))

        assert live.runs == runs
        assert [one["_id"] for one in reader.values["slow"]] == ["2"]
        reader.close()
        await playing.client.drop_database(name)


async def test_a_result_that_was_read_before_two_changes_is_true_until_the_first_of_them(
    mongo_uri: str,
) -> None:
    name = f"rounds_{uuid4().hex[:12]}"
    gate, runs = asyncio.Semaphore(0), 0

    async def both(reader: Any) -> Any:
        nonlocal runs
        runs += 1
        await QueryCtx(reader).count(Thing, {"g": "y"})
        await gate.acquire()
        return QueryCtx(reader).find(Thing, {"g": "x"})

    async with player(mongo_uri) as playing, parts(playing.feed, playing.client, name) as running:
        things = playing.client[name]["things"]
        live = running.registry.subscribe("both", "both", both, _Nobody())
        await eventually(lambda: runs == 1)
        async with playing.client.start_session() as session:
            await things.insert_one({"_id": "1", "g": "x"}, session=session)
            first = time_of(session)
            await things.insert_one({"_id": "2", "g": "y"}, session=session)
            second = time_of(session)
        await eventually(lambda: running.registry.position >= second)
        gate.release()
        await eventually(lambda: runs == 2)  # the first has been joined
        assert live.value() == []
        assert live.through is not None
        assert live.through < first
        gate.release()
        await eventually(lambda: live.through is None)
        assert [one["_id"] for one in live.value()] == ["1"]
        await playing.client.drop_database(name)


async def test_what_changed_in_a_step_before_its_collection_was_dropped_is_not_shown_as_true(
    mongo_uri: str,
) -> None:
    name = f"rounds_{uuid4().hex[:12]}"
    async with player(mongo_uri) as playing, parts(playing.feed, playing.client, name) as running:
        live = running.registry.subscribe(key(SLOW), "find", function(SLOW), _Nobody())
        await eventually(lambda: live.through is None)
        now = running.registry.position
        changed, dropped = (Time(now.seconds, now.increment + more) for more in (1, 2))
        came = ChangeEvent("insert", "things", "1", {"_id": "1", "g": "x"})
        gone = ChangeEvent("reset", "things")
        step = Step(dropped, (Group(changed, [came]), Group(dropped, [gone])))
        running.registry.apply(step)
        assert live.value() == []
        assert live.through is not None
        assert live.through < changed
        await playing.client.drop_database(name)


async def test_what_cannot_be_sorted_leaves_a_sliding_window_and_the_query_recovers(
    mongo_uri: str,
) -> None:
    name = f"rounds_{uuid4().hex[:12]}"

    async def sliding(reader: Any) -> Any:
        order = [("a", 1), ("b", 1)]
        return QueryCtx(reader).find(Thing, sort=order, within=("seen", 1_000))

    async with player(mongo_uri) as playing, parts(playing.feed, playing.client, name) as running:
        database = playing.client[name]
        seen = datetime.now(UTC) + timedelta(seconds=1)  # time enough for a first run
        side_by_side = {"_id": "1", "a": [1, 2], "b": [1, 2], "seen": seen}
        await database["things"].insert_one(side_by_side)
        live = running.registry.subscribe("sliding", "sliding", sliding, _Nobody())
        await eventually(lambda: live.ready)
        assert live.error is not None
        async with asyncio.timeout(60):
            while live.error is not None:  # time passes with writes to other documents
                await database["marks"].insert_one({})
                await asyncio.sleep(0.05)
        assert live.value() == []
        await playing.client.drop_database(name)


def time_of(session: Any) -> Time:
    return Time(session.operation_time.time, session.operation_time.inc)


class _Nobody:
    """A watcher who only keeps a live query."""

    def touched(self, query: Any) -> None:
        """Take no notice."""
