"""The feed: groups in order, whole, resumed; and what it says when history is lost."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bson import Timestamp
from pymongo.errors import ConnectionFailure, DuplicateKeyError

from schemas.wire.position import Time
from server.core import limits
from server.feed.change_stream import ChangeStream
from server.feed.events import Group, Step
from server.feed.feed import Feed, RingOverrun
from server.store.connection import connect_client, database_name
from server.store.embedded import EmbeddedMongo


@dataclass
class Recorder:
    """A listener that remembers."""

    groups: list[Group] = field(default_factory=list)
    gaps: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    prepared: list[Time] = field(default_factory=list)

    async def prepare(self, step: Step) -> None:
        self.prepared.append(step.time)

    def apply(self, step: Step) -> None:
        assert self.prepared[-1] == step.time
        assert all(group.time <= step.time for group in step.groups)
        self.groups.extend(step.groups)
        self.news.set()

    def advanced(self) -> None:
        self.news.set()

    def gap(self) -> None:
        self.gaps += 1
        self.news.set()

    async def until(self, condition: Any, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.news.clear()
                await self.news.wait()

    @property
    def ids(self) -> list[Any]:
        return [event.id for group in self.groups for event in group.events]


@asynccontextmanager
async def running(uri: str) -> AsyncIterator[tuple[Feed, Recorder, Any]]:
    """A feed of the collection ``items``, followed."""
    async with await connect_client(uri, socket_timeout_ms=10_000) as client:
        database = client[database_name(uri)]
        await database.create_collection("items")
        feed, recorder = Feed(ChangeStream(database, ["items"])), Recorder()
        await feed.open()
        following = asyncio.create_task(feed.run(recorder))
        try:
            yield feed, recorder, database
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def test_changes_come_in_order_and_once(database_uri: str) -> None:
    async with running(database_uri) as (_, recorder, database):
        for number in range(50):
            await database["items"].insert_one({"_id": number})
        await recorder.until(lambda: len(recorder.ids) >= 50)
        assert recorder.ids == list(range(50))
        times = [group.time for group in recorder.groups]
        assert times == sorted(set(times))


async def test_a_transaction_is_one_group(database_uri: str) -> None:
    async with running(database_uri) as (_, recorder, database):
        async with database.client.start_session() as session:
            await session.start_transaction()
            for number in range(30):
                await database["items"].insert_one({"_id": number}, session=session)
            await session.commit_transaction()
        await recorder.until(lambda: recorder.groups)
        assert len(recorder.groups) == 1
        assert len(recorder.groups[0].events) == 30


async def test_a_transaction_that_full_batches_divide_is_one_group(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FEED_BATCH_EVENTS_MAX", 3)
    async with running(database_uri) as (feed, recorder, database):
        async with database.client.start_session() as session:
            await session.start_transaction()
            for number in range(8):
                await database["items"].insert_one({"_id": number}, session=session)
            await session.commit_transaction()
        await database["items"].insert_many([{"_id": number} for number in range(8, 28)])
        await recorder.until(lambda: len(recorder.ids) == 28)
        assert recorder.ids == list(range(28))
        assert [len(group.events) for group in recorder.groups] == [8] + [1] * 20
        assert feed.interruptions == 0


async def test_a_cursor_that_dies_amid_full_batches_loses_and_doubles_nothing(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FEED_BATCH_EVENTS_MAX", 3)
    async with running(database_uri) as (feed, recorder, database):
        for start in range(0, 200, 50):
            documents = [{"_id": number} for number in range(start, start + 50)]
            await database["items"].insert_many(documents)
            await recorder.until(lambda start=start: len(recorder.ids) > start + 5)
            await database.client.admin.command("killAllSessions", [])
        await recorder.until(lambda: len(recorder.ids) >= 200)
        assert recorder.ids == list(range(200))
        assert feed.interruptions > 0
        assert feed.losses == 0


async def test_a_transaction_of_many_megabytes_is_one_group(database_uri: str) -> None:
    async with running(database_uri) as (_, recorder, database):
        async with database.client.start_session() as session:
            await session.start_transaction()
            for number in range(24):
                document = {"_id": number, "filling": "x" * 1_000_000}
                await database["items"].insert_one(document, session=session)
            await session.commit_transaction()
        await database["items"].insert_one({"_id": "after"})
        await recorder.until(lambda: "after" in recorder.ids)
        assert [len(group.events) for group in recorder.groups] == [24, 1]


async def test_the_position_moves_without_events(database_uri: str) -> None:
    async with running(database_uri) as (feed, recorder, database):
        begin = feed.position
        await database["elsewhere"].insert_one({"_id": 1})
        await database["elsewhere"].insert_one({"_id": 2})
        await recorder.until(lambda: feed.position > begin)
        assert recorder.groups == []


async def test_the_position_can_be_read_at(database_uri: str) -> None:
    async with running(database_uri) as (feed, recorder, database):
        for number in range(20):
            await database["items"].insert_one({"_id": number})
            await recorder.until(lambda wanted=number: len(recorder.ids) > wanted)
            at = Timestamp(feed.position.seconds, feed.position.increment)
            concern = {"level": "snapshot", "atClusterTime": at}
            cursor = await database.cursor_command({"find": "items", "readConcern": concern})
            assert [d["_id"] for d in await cursor.to_list()] == recorder.ids


async def test_a_dropped_database_is_a_gap_and_the_feed_goes_on(database_uri: str) -> None:
    async with running(database_uri) as (_, recorder, database):
        await database["items"].insert_one({"_id": 1})
        await recorder.until(lambda: recorder.ids == [1])
        await database.client.drop_database(database.name)
        await recorder.until(lambda: recorder.gaps == 1)
        await database["items"].insert_one({"_id": 2})
        await recorder.until(lambda: 2 in recorder.ids)


async def test_a_killed_mongod_loses_and_doubles_nothing(fast_dir: Path) -> None:
    embedded = EmbeddedMongo(fast_dir / "feed")
    uri = await embedded.start()
    try:
        async with running(uri) as (feed, recorder, database):
            for number in range(10):
                await database["items"].insert_one({"_id": number})
            assert embedded.pid is not None
            os.kill(embedded.pid, signal.SIGKILL)
            written = 10
            while written < 30:
                try:
                    await database["items"].insert_one({"_id": written})
                    written += 1
                except DuplicateKeyError:  # it was written, and only the answer was lost
                    written += 1
                except ConnectionFailure:
                    await asyncio.sleep(0.05)
            await recorder.until(lambda: len(recorder.ids) >= 30)
            assert recorder.ids == list(range(30))
            assert recorder.gaps == 0
            assert feed.healthy
    finally:
        await embedded.stop()


async def test_a_cursor_killed_on_the_server_is_reopened(database_uri: str) -> None:
    async with running(database_uri) as (_, recorder, database):
        for number in range(5):
            await database["items"].insert_one({"_id": number})
            await database.client.admin.command({"killAllSessions": []})
        await recorder.until(lambda: len(recorder.ids) >= 5)
        assert recorder.ids == list(range(5))
        assert recorder.gaps == 0


async def test_a_listener_that_raises_is_followed_by_a_gap(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FEED_RETRY_SECONDS_MAX", 0.1)
    async with running(database_uri) as (_, recorder, database):
        apply = recorder.apply

        def failing(group: Group) -> None:
            monkeypatch.setattr(recorder, "apply", apply)
            raise ZeroDivisionError

        monkeypatch.setattr(recorder, "apply", failing)
        await database["items"].insert_one({"_id": 1})
        await recorder.until(lambda: recorder.gaps == 1)
        await database["items"].insert_one({"_id": 2})
        await recorder.until(lambda: recorder.ids[-1:] == [2])


async def test_what_happened_while_somebody_reads_is_kept_until_it_is_done(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RING_EVENTS_MAX", 5)
    async with running(database_uri) as (feed, recorder, database):
        reader = object()
        at = feed.begin_reading(reader)
        for number in range(4):
            await database["items"].insert_one({"_id": number})
        await recorder.until(lambda: len(recorder.ids) == 4)
        assert [event.id for group in feed.since(at) for event in group.events] == [0, 1, 2, 3]
        for number in range(4, 10):
            await database["items"].insert_one({"_id": number})
        await recorder.until(lambda: len(recorder.ids) == 10)
        with pytest.raises(RingOverrun):
            feed.since(at)
        feed.end_reading(reader)
        late = object()
        at = feed.begin_reading(late)
        assert feed.since(at) == []
        feed.end_reading(late)
