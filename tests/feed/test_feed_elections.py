"""Elections, and a primary that dies or freezes: streams go on, nothing is lost or doubled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import DuplicateKeyError, PyMongoError

from tests import card_app
from tests.replica_set import ReplicaSet
from tests.serving import Running, serving
from tests.sse import Follower

QUERIES = {
    "c": ("cardApp.cards", {"group": "x"}),
    "n": ("cardApp.counted", {"group": "x"}),
}


@dataclass
class Scene:
    """A server on three mongods, a writer that does not give up, and a follower."""

    members: ReplicaSet
    server: Running
    cards: Any
    follower: Follower
    seen: list[list[int]] = field(default_factory=list)
    written: int = 0

    async def write(self, count: int) -> None:
        """Insert the next cards, each once, however often that must be tried."""
        until = self.written + count
        while self.written < until:
            card = {"_id": f"{self.written:04}", "group": "x", "rank": self.written}
            try:
                await self.cards.insert_one(card)
            except DuplicateKeyError:
                pass  # it was written, and only the answer was lost
            except PyMongoError:
                await asyncio.sleep(0.02)
                continue
            self.written += 1

    async def all_seen(self) -> None:
        """Wait until the follower has everything, and look at how it came."""
        count = {"all": self.written, "done": 0}
        await self.follower.until(
            lambda f: len(f.values["c"]) == self.written and f.values["n"] == count
        )
        for ranks in self.seen:
            assert ranks == list(range(len(ranks))), "in order, none lost, none doubled"
        lengths = [len(ranks) for ranks in self.seen]
        assert lengths == sorted(lengths), "never back"

    async def metric(self, name: str) -> float:
        text = (await self.server.http.get("/metrics")).text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name))

    async def becomes(self, status: int) -> None:
        """Wait until /readyz says `status`."""
        async with asyncio.timeout(60):
            while (await self.server.http.get("/readyz")).status_code != status:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def scene(members: ReplicaSet) -> AsyncIterator[Scene]:
    database = f"t{uuid4().hex[:8]}"
    uri = members.uri(database)
    async with (
        serving(uri, [card_app]) as server,
        AsyncMongoClient[dict[str, Any]](
            uri, w="majority", serverSelectionTimeoutMS=5_000, socketTimeoutMS=1_000
        ) as client,
    ):
        follower = Follower(server.http, QUERIES)
        made = Scene(members, server, client[database]["cards"], follower)

        def watch(id_: str, _: Any, new: Any) -> None:
            if id_ == "c":
                made.seen.append([card["rank"] for card in new])

        follower.watch = watch
        async with follower.following():
            await follower.until(lambda f: len(f.values) == 2)
            await made.write(5)
            await made.all_seen()
            yield made


@pytest.mark.parametrize("fault", ["step_down", "kill_primary"])
async def test_an_election_loses_and_doubles_nothing(members: ReplicaSet, fault: str) -> None:
    async with scene(members) as here:
        await getattr(members, fault)()
        await here.write(10)
        await here.all_seen()
        assert await here.metric("headwater_feed_interruptions_total") >= 1
        assert await here.metric("headwater_feed_losses_total") == 0
        c_snapshots = [
            e for e in here.follower.events if "snapshot" in e.data["queries"].get("c", {})
        ]
        assert len(c_snapshots) == 1, "history went on: nobody had to read anew"


async def test_a_frozen_primary_is_left_and_the_gap_is_told(
    members: ReplicaSet, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(members) as here:
        await members.freeze_primary()
        await here.becomes(503)
        assert await here.metric("headwater_feed_healthy") in (0.0, 1.0)
        await here.write(10)
        await here.all_seen()
        await here.becomes(200)
        assert await here.metric("headwater_feed_healthy") == 1.0
        assert await here.metric("headwater_feed_losses_total") == 0
    said = [one.getMessage() for one in caplog.records if one.name.startswith("server.feed")]
    assert any("interrupted" in one for one in said)
    assert any("goes on after" in one for one in said)


async def test_a_primary_killed_while_the_reader_is_busy_elsewhere_loses_nothing(
    members: ReplicaSet,
) -> None:
    """Busy with reading a document of which the event tells too little."""
    async with scene(members) as here:
        stranger = {"_id": "stranger", "group": "y", "rank": 5}
        await here.cards.insert_one(stranger)
        await members.fail(
            "find", appName="headwater", blockConnection=True, blockTimeMS=3_000, times=50
        )
        await here.cards.update_one({"_id": "stranger"}, {"$set": {"group": "x"}})
        await busy_reading(members)
        await members.kill_primary()
        here.written += 1  # the stranger is the next in order
        await here.write(5)
        await here.all_seen()
        assert await here.metric("headwater_feed_losses_total") == 0
        assert await here.metric("headwater_documents_fetched_total") >= 1


async def test_every_session_killed_again_and_again_loses_nothing(members: ReplicaSet) -> None:
    async with scene(members) as here:
        for _ in range(10):
            await members.kill_all_sessions()
            await here.write(3)
        await here.all_seen()
        assert await here.metric("headwater_feed_losses_total") == 0


async def busy_reading(members: ReplicaSet) -> None:
    """Wait until the server's own `find` is held up on the primary."""
    async with asyncio.timeout(60):
        while True:
            pipeline = [
                {"$currentOp": {"allUsers": True, "idleConnections": False}},
                {"$match": {"appName": "headwater", "command.find": "cards"}},
            ]
            command = {"aggregate": 1, "pipeline": pipeline, "cursor": {}}
            if (await members.command(command))["cursor"]["firstBatch"]:
                return
            await asyncio.sleep(0.01)
