"""When live queries are run, and that nothing is run for nothing."""

import asyncio
from typing import Any
from uuid import uuid4

from server.runtime import QueryCtx
from tests.live.live_parts import Client, parts
from tests.live.playing import player
from tests.live.random_queries import Query, key
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


class _Nobody:
    """A watcher who only keeps a live query."""

    def touched(self, query: Any) -> None:
        """Take no notice."""
