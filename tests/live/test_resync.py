"""After history was lost every live query reads once, and not all of them at once."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.core import limits
from server.store.reads import Reads
from tests import card_app
from tests.replica_set import ReplicaSet, replica_set
from tests.serving import serving
from tests.sse import Follower

pytestmark = pytest.mark.usefixtures("patient_feed")

QUERIES, OF_A_STREAM = 300, 50
READ_MS = 20
DATABASE = "resync"


@pytest.fixture
async def single(fast_dir: Path) -> AsyncIterator[ReplicaSet]:
    """One mongod that fails by order."""
    async with replica_set(fast_dir / "resync", size=1) as made:
        yield made


async def test_after_a_loss_each_live_query_reads_once_and_not_all_at_once(
    single: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way = UnderWay()
    async with (
        serving(single.uri(DATABASE), [card_app]) as server,
        AsyncMongoClient[dict[str, Any]](single.uri(DATABASE), w="majority") as client,
        AsyncExitStack() as stack,
    ):
        database = client[DATABASE]
        await database["cards"].insert_many(
            [{"_id": str(n), "group": f"g{n}", "rank": n} for n in range(QUERIES)]
        )
        followers = [
            Follower(
                server.http,
                {
                    str(number): ("cardApp.cards", {"group": f"g{number}"})
                    for number in range(first, first + OF_A_STREAM)
                },
            )
            for first in range(0, QUERIES, OF_A_STREAM)
        ]
        for follower in followers:
            await stack.enter_async_context(follower.following())
        for follower in followers:
            await follower.until(lambda f: len(f.values) == OF_A_STREAM)

        monkeypatch.setattr(Reads, "find", under_way.counted(Reads.find))
        # mongod's own profiler tells of each read.
        await database.command("create", "system.profile", capped=True, size=32 << 20)
        await database.command("profile", 2)
        await single.fail(
            "find", appName="headwater", times=QUERIES, blockConnection=True, blockTimeMS=READ_MS
        )
        await single.fail_feed(286)
        for follower in followers:
            await follower.until(lambda f: f.snapshots == 2 * OF_A_STREAM)
        await database["cards"].update_many({}, {"$inc": {"rank": 1_000}})
        for follower in followers:
            await follower.until(lambda f: all(v[0]["rank"] >= 1_000 for v in f.values.values()))
        await database.command("profile", 0)
        reads = (
            await database["system.profile"]
            .find({"appName": "headwater", "ns": f"{DATABASE}.cards", "op": "query"})
            .to_list()
        )

    groups = Counter(read["command"]["filter"]["group"] for read in reads)
    assert len(groups) == QUERIES
    assert set(groups.values()) == {1}, groups.most_common(3)
    assert 1 < under_way.most <= limits.RUNS_AT_ONCE_MAX


class UnderWay:
    """How many reads are under way, and the most there ever were."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def counted(self, find: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counting(*args: Any, **kwargs: Any) -> Any:
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                return await find(*args, **kwargs)
            finally:
                self.now -= 1

        return counting
