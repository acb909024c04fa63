"""Writes of which the newest values count: what becomes one write, when, and in which order."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from schemas.wire.position import Time
from server.core.errors import NotFound, TooMany
from server.runtime import latest
from server.runtime.latest import Latest, LatestQueue
from server.runtime.latest_writes import LatestWrites
from server.store.connection import database_name
from server.store.writes import Session, Writes


async def nothing(_: Mapping[str, Any]) -> Time:
    raise NotFound("There is none.")


def add(
    queue: LatestQueue, id_: str, fields: dict[str, Any], *, room: str = "r", table: str = "t"
) -> Latest:
    return queue.add(table, {"_id": id_}, fields, ["seen"], room, nothing)


# --- the queue, at times that the test tells --------------------------------------------------


async def test_of_each_field_the_newest_value_is_kept() -> None:
    queue = LatestQueue()
    first = add(queue, "a", {"x": 1, "y": 1})
    assert add(queue, "a", {"x": 2}) is first
    assert add(queue, "b", {"x": 3}) is not first
    assert first.fields == {"x": 2, "y": 1}
    assert [one.query["_id"] for one in queue.take(0.0)] == ["a", "b"]


async def test_the_first_is_due_at_once_and_its_group_then_waits() -> None:
    queue = LatestQueue()
    assert queue.pause(50.0) is None
    add(queue, "a", {})
    assert queue.pause(50.0) == 0
    (one,) = queue.take(50.0)
    queue.done(one)
    add(queue, "a", {})
    add(queue, "b", {})
    assert queue.pause(50.04) == pytest.approx(latest.INTERVAL_SECONDS - 0.04)
    assert queue.pause(51.0) == 0
    assert len(queue.take(51.0)) == 2


async def test_a_group_of_many_waits_longer_and_holds_up_no_other() -> None:
    queue = LatestQueue()
    for number in range(100):
        add(queue, f"{number}", {}, room="full")
    for one in queue.take(0.0):
        queue.done(one)
    add(queue, "1", {}, room="full")
    assert queue.pause(0.0) == pytest.approx(100 * latest.EACH_SECONDS)
    add(queue, "2", {}, room="empty")
    assert queue.pause(0.0) == 0
    assert [one.query["_id"] for one in queue.take(0.0)] == ["2"]


async def test_what_is_being_written_is_not_taken_again_before_it_is_done() -> None:
    queue = LatestQueue()
    add(queue, "a", {"x": 1})
    (one,) = queue.take(0.0)
    add(queue, "a", {"x": 2})
    assert queue.pause(9.0) is None
    queue.done(one)
    assert queue.pause(9.0) == 0
    assert [one.fields for one in queue.take(9.0)] == [{"x": 2}]


async def test_one_write_is_of_one_table_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "TOGETHER_MAX", 2)
    queue = LatestQueue()
    for number in range(3):
        add(queue, f"{number}", {}, room=f"{number}")
    add(queue, "0", {}, table="other")
    taken = [[(one.collection, one.query["_id"]) for one in queue.take(0.0)] for _ in range(3)]
    assert taken == [[("t", "0"), ("t", "1")], [("t", "2")], [("other", "0")]]


async def test_no_more_wait_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "WAITING_MAX", 1)
    queue = LatestQueue()
    add(queue, "a", {})
    add(queue, "a", {"x": 2})
    with pytest.raises(TooMany):
        add(queue, "b", {})


# --- the writes, to a real MongoDB ------------------------------------------------------------


class Watched(Writes):
    """Writes that a test can hold up, and count.

    Attributes:
        sizes: Documents of each write.
        gate: Open while writes may be made.
    """

    def __init__(self, database: Any) -> None:
        super().__init__(database)
        self.sizes: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def apply_many(self, collection: str, updates: Any, **more: Any) -> Any:
        self.sizes.append(len(updates))
        await self.gate.wait()
        return await super().apply_many(collection, updates, **more)


@pytest.fixture
async def database(database_uri: str) -> AsyncIterator[Any]:
    async with AsyncMongoClient[dict[str, Any]](database_uri, w="majority") as client:
        database = client[database_name(database_uri)]
        await database.rows.insert_many([{"_id": n, "x": 0, "log": []} for n in range(4)])
        yield database


def call(writes: LatestWrites, id_: int, x: int, otherwise: Any = nothing) -> "asyncio.Task[Time]":
    return asyncio.create_task(
        writes.write("rows", {"_id": id_}, {"x": x}, ["seen"], "room", otherwise)
    )


async def test_what_comes_while_one_is_written_is_one_write_and_the_last_value_lands(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest, "INTERVAL_SECONDS", 0.0)
    watched = Watched(database)
    writes = LatestWrites(watched)
    watched.gate.clear()
    calls = [call(writes, 0, 1)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert watched.sizes == [1]
    calls += [call(writes, n, x) for x in range(2, 30) for n in (0, 1)]
    await asyncio.sleep(0)
    watched.gate.set()
    times = await asyncio.gather(*calls)
    assert watched.sizes == [1, 2]
    assert times[0] < times[1]
    assert set(times[1:]) == {times[1]}
    rows = [row async for row in database.rows.find({"_id": {"$in": [0, 1]}})]
    assert [row["x"] for row in rows] == [29, 29]
    assert all("seen" in row for row in rows)


async def test_what_matches_nothing_is_done_otherwise_once_and_nothing_overtakes_it(
    database: Any,
) -> None:
    watched = Watched(database)
    writes = LatestWrites(watched)
    begun, go_on = asyncio.Event(), asyncio.Event()
    told: list[Any] = []

    async def insert(fields: Mapping[str, Any]) -> Time:
        told.append(dict(fields))
        begun.set()
        await go_on.wait()
        await database.rows.insert_one({"_id": 9, **fields})
        return Time(5, 5)

    watched.gate.clear()
    calls = [call(writes, 9, x, insert) for x in (1, 2)] + [call(writes, 0, 7)]
    await asyncio.sleep(0)
    watched.gate.set()
    await begun.wait()
    await calls[2]  # nobody else waits for it
    calls += [call(writes, 9, x, insert) for x in (3, 4)]
    await asyncio.sleep(0)
    go_on.set()
    times = await asyncio.gather(*calls)
    assert told == [{"x": 2}]
    assert times[0] == times[1] == Time(5, 5) < times[3]
    assert (await database.rows.find_one({"_id": 9}))["x"] == 4
    assert (await database.rows.find_one({"_id": 0}))["x"] == 7


async def test_one_that_came_to_match_meanwhile_is_written_all_the_same(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Session.count

    async def asked_late(self: Session, collection: str, query: Mapping[str, Any]) -> int:
        await database.rows.update_one({"_id": 9}, {"$set": {"x": 0}}, upsert=True)
        return await ask(self, collection, query)

    monkeypatch.setattr(Session, "count", asked_late)
    updates = [({"_id": n}, {"$set": {"x": 5}}) for n in (9, 0)]
    outcomes, _ = await Writes(database).apply_many("rows", updates, repeatable=True)
    assert outcomes == [True, True]
    assert [row["x"] async for row in database.rows.find({"_id": {"$in": [0, 9]}})] == [5, 5]


async def test_an_error_is_told_to_those_it_concerns_and_a_caller_who_left_harms_nobody(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.command({"collMod": "rows", "validator": {"x": {"$ne": 13}}})
    watched = Watched(database)
    writes = LatestWrites(watched)
    watched.gate.clear()
    gone, bad, good = call(writes, 0, 1), call(writes, 1, 13), call(writes, 2, 3)
    missing = call(writes, 77, 1)
    await asyncio.sleep(0)
    gone.cancel()
    watched.gate.set()
    outcomes = await asyncio.gather(gone, bad, good, missing, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert "validation" in str(outcomes[1])
    assert isinstance(outcomes[2], Time)
    assert isinstance(outcomes[3], NotFound)
    assert (await database.rows.find_one({"_id": 0}))["x"] == 1

    async def broken(*_: Any, **__: Any) -> Any:
        raise ConnectionError("gone")

    monkeypatch.setattr(watched, "apply_many", broken)
    lost = await asyncio.gather(call(writes, 0, 1), call(writes, 1, 1), return_exceptions=True)
    assert [type(error) for error in lost] == [ConnectionError] * 2


async def test_what_waits_when_the_server_stops_is_written(database: Any) -> None:
    writes = LatestWrites(Watched(database))
    await call(writes, 0, 1)
    waiting = call(writes, 0, 2)
    await asyncio.sleep(0)
    await writes.stop()
    assert (await waiting) > Time(0, 0)
    assert (await database.rows.find_one({"_id": 0}))["x"] == 2
