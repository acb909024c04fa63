"""What the store promises, by PyMongo, by Motor and in memory alike."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import bson
import pytest
from bson import ObjectId
from pymongo.errors import BulkWriteError, DuplicateKeyError, WriteError

from schemas.wire.position import Time
from server.core import limits
from server.core.errors import Conflict, TooLarge
from server.runtime.explain import explain
from server.store.collections import META, database_id, ensure
from server.store.ticks import Ticks
from tests.store.contract import DOORS, Row, Store, opened, row


@pytest.fixture(scope="module", params=DOORS)
async def opened_store(request: Any, mongo_uri: str, mongo: Any) -> AsyncIterator[Store]:
    name = f"test_contract_{uuid4().hex[:8]}"
    async with opened(request.param, mongo_uri.replace("/headwater?", f"/{name}?")) as store:
        yield store
    await mongo.drop_database(name)


@pytest.fixture
async def store(opened_store: Store) -> Store:
    async with opened_store.writes.single() as session:
        await session.delete_many("rows", {})
    return opened_store


async def test_what_is_inserted_is_found_as_it_was(store: Store) -> None:
    document = row(
        "a",
        at=datetime(2026, 5, 1, 12, 30, 0, 250_000, UTC),
        ref=ObjectId(),
        bytes=b"\x00\xff",
        nested={"$ref": "x", "$id": "y", "list": [1, 2.5, None, {"deep": True}]},
        big=2**53,
    )
    async with store.writes.single() as session:
        await session.insert("rows", document)
        (found,) = await session.find("rows", {"_id": "a"})
    assert found == document
    assert bson.encode(found) == bson.encode(document)
    (read,) = await store.reads.find("rows", {}, at=await store.reads.now())
    assert bson.encode(read) == bson.encode(document)


async def test_what_was_given_and_what_was_found_are_nobody_elses(store: Store) -> None:
    document = row("a", tags=["x"])
    async with store.writes.single() as session:
        await session.insert("rows", document)
        document["tags"].append("y")
        (found,) = await session.find("rows", {})
        found["tags"].append("z")
    assert [one["tags"] for one in await store.all()] == [["x"]]


@pytest.mark.parametrize(
    ("second", "key"), [(row("a", slug="z"), "_id"), (row("z", slug="a"), "slug")]
)
async def test_what_must_be_unique_is_refused_by_its_name(
    store: Store, second: dict[str, Any], key: str
) -> None:
    async with store.writes.single() as session:
        await session.insert("rows", row("a"))
        with pytest.raises(DuplicateKeyError) as caught:
            await session.insert("rows", second)
        many = [row("c"), second, row("d")]
        with pytest.raises(BulkWriteError) as caught_many:
            await session.insert_many("rows", many)
        with pytest.raises(DuplicateKeyError):
            await session.apply("rows", {"_id": "c"}, {"$set": {"slug": "a"}})
    for error in (caught.value, caught_many.value):
        known = explain("t", error)
        assert isinstance(known, Conflict)
        assert f"this {key}." in known.message
    assert [one["_id"] for one in await store.all()] == ["a", "c"]


async def test_an_update_gives_what_is_there_afterwards(store: Store) -> None:
    async with store.writes.single() as session:
        await session.insert("rows", row("a"))
        assert await session.update("rows", {"_id": "a"}, {"$inc": {"n": 2}}) == row("a", n=2)
        assert await session.update("rows", {"_id": "b"}, {"$inc": {"n": 2}}) is None
        made = await session.update("rows", {"_id": "b"}, {"$set": {"slug": "b"}}, upsert=True)
        assert made == {"_id": "b", "slug": "b"}
        made = await session.update("rows", {"group": "h"}, {"$set": {"slug": "h"}}, upsert=True)
        assert made is not None
        assert (made["group"], made["slug"], type(made["_id"])) == ("h", "h", ObjectId)
    assert len(await store.all()) == 3


async def test_an_update_by_a_pipeline_knows_the_time(store: Store) -> None:
    async with store.writes.single() as session:
        await session.insert("rows", row("a", n=3))
        update = [{"$set": {"slug": "z", "at": "$$NOW", "n": {"$add": ["$n", 1]}}}]
        found = await session.update("rows", {"_id": "a"}, update)
        await session.apply("rows", {"_id": "a"}, {"$set": {"text": "$$NOW"}})
        assert await session.count("rows", {"text": "$$NOW"}) == 1, "there it is a text"
        late = {"$expr": {"$gt": [{"$add": ["$n", 1]}, "$n"]}, "at": {"$gt": datetime(2026, 1, 1)}}
        assert await session.count("rows", late) == 1
    assert found is not None
    assert (found["slug"], found["n"]) == ("z", 4)
    assert abs(found["at"] - datetime.now(UTC)) < timedelta(minutes=5)


async def test_the_present_has_whole_milliseconds(store: Store) -> None:
    by_pipeline = [{"$set": {"at": "$$NOW", "slug": "a"}}]
    by_operator = {"$currentDate": {"at": True}, "$set": {"slug": "b"}}
    async with store.writes.single() as session:
        for update in (by_pipeline, by_operator) * 3:
            await session.insert("rows", row("a"))
            found = await session.update("rows", {"_id": "a"}, update)
            assert found is not None
            assert found["at"].microsecond % 1000 == 0
            assert abs(found["at"] - datetime.now(UTC)) < timedelta(minutes=5)
            await session.delete_many("rows", {})


async def test_one_is_updated_replaced_and_deleted_and_it_is_said_whether(store: Store) -> None:
    async with store.writes.single() as session:
        await session.insert_many("rows", [row("a"), row("b")])
        assert await session.apply("rows", {"group": "g"}, {"$set": {"group": "h"}})
        assert not await session.apply("rows", {"group": "x"}, {"$set": {"group": "h"}})
        assert await session.replace("rows", {"group": "h"}, row("a", n=7))
        assert not await session.replace("rows", {"_id": "x"}, row("x"))
        assert await session.delete_many("rows", {"group": "g"}, one=True) == 1
        assert await session.delete_many("rows", {"_id": "x"}, one=True) == 0
    assert len(await store.all()) == 1


async def test_many_are_updated_and_deleted_and_it_is_said_how_many(store: Store) -> None:
    async with store.writes.single() as session:
        await session.insert_many("rows", [row("a", n=1), row("b"), row("c", group="h")])
        changed = await session.update_many("rows", {"group": "g"}, {"$set": {"n": 1}})
        assert changed == 1, "what is so already is not modified"
        assert await session.count("rows", {"n": 1}) == 2
        assert await session.delete_many("rows", {"group": "g"}) == 2
    assert [one["_id"] for one in await store.all()] == ["c"]


async def test_what_is_written_together_is_told_one_by_one(store: Store) -> None:
    async with store.writes.single() as session:
        await session.insert_many("rows", [row("a", log=["x"]), row("b", log=1), row("c", log=[])])
    push = {"$push": {"log": "y"}}
    updates = [({"_id": one}, push) for one in ("a", "gone", "b", "c")]
    outcomes, time = await store.writes.apply_many("rows", updates)
    assert outcomes[:2] == [True, False]
    assert isinstance(outcomes[2], WriteError)
    assert outcomes[3] is True
    assert [one["log"] for one in await store.all()] == [["x", "y"], 1, ["y"]]
    assert Time(0, 0) < time <= await store.reads.now()
    one_alone, _ = await store.writes.apply_many("rows", updates[1:2])
    assert one_alone == [False]


async def test_finds_are_sorted_limited_and_narrowed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store.writes.single() as session:
        numbers = {"a": 2, "b": 1, "c": 2, "d": 3}
        await session.insert_many("rows", [row(id_, n=n) for id_, n in numbers.items()])
        query, sort = {"n": {"$lt": 3}}, [("n", -1), ("_id", 1)]
        found = await session.find("rows", query, sort=sort, limit=2, fields=["n"])
        assert found == [{"_id": "a", "n": 2}, {"_id": "c", "n": 2}]
        at = await store.reads.now()
        again = await store.reads.find("rows", query, at=at, sort=sort, limit=2, fields=["n"])
        assert again == found
        assert await session.count("rows", query) == 3
        assert await store.reads.count("rows", query, at=at) == 3
        assert await store.reads.count("rows", {"n": 9}, at=at) == 0
        monkeypatch.setattr(limits, "RESULT_DOCUMENTS_MAX", 2)
        with pytest.raises(TooLarge):
            await session.find("rows", query)
        with pytest.raises(TooLarge):
            await store.reads.find("rows", query, at=at)


async def test_time_only_moves_forward(store: Store) -> None:
    times = [await store.reads.now()]
    for id_ in "abc":
        async with store.writes.single() as session:
            await session.insert("rows", row(id_))
            times.append(session.time)
    assert times == sorted(times)
    assert len(set(times[1:])) == 3
    async with store.writes.single() as session:
        assert session.time == Time(0, 0), "nothing has been asked yet"
        await session.find("rows", {})
        assert session.time >= times[-1]


async def test_a_transaction_gives_its_value_and_a_time(store: Store) -> None:
    async def body(session: Any) -> str:
        await session.insert("rows", row("a"))
        await session.apply("rows", {"_id": "a"}, {"$set": {"n": 1}})
        return "done"

    before = await store.reads.now()
    value, time = await store.writes.transaction(body)
    assert (value, await store.all()) == ("done", [row("a", n=1)])
    assert before < time <= await store.reads.now()


async def test_a_tick_is_made_when_its_second_has_come(store: Store) -> None:
    ticks, now = Ticks(store.database), int(datetime.now(UTC).timestamp())
    await ticks.prepare()
    assert await ticks.tick(now - 2)
    assert not await ticks.tick(now + 3600)
    async with store.writes.single() as session:
        (found,) = await session.find(META, {"_id": "tick"})
    assert found["second"] == now - 2


async def test_preparing_a_database_twice_is_harmless(store: Store) -> None:
    first = await database_id(store.database)
    await ensure(store.database, [Row])
    assert await database_id(store.database) == first
    async with store.writes.single() as session:
        await session.insert("rows", row("a"))
        with pytest.raises(DuplicateKeyError):
            await session.insert("rows", row("b", slug="a"))
