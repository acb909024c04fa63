"""What the store promises of transactions, leases and outages, by PyMongo and by Motor alike."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import AutoReconnect

from schemas.wire.position import Time
from server.core import limits
from server.core.errors import StartupError, Unavailable
from server.core.tasks import raise_if_cancelled
from server.runtime.explain import explained
from server.runtime.transactions import transaction
from server.store.connection import connect_client
from server.store.schedules import Schedules
from server.store.writes import Session, Writes
from tests.mongod import unused_port
from tests.store.contract import DRIVERS, Store, opened, row


@pytest.fixture(scope="module", params=DRIVERS)
async def opened_store(request: Any, mongo_uri: str, mongo: Any) -> AsyncIterator[Store]:
    name = f"test_transactions_{uuid4().hex[:8]}"
    async with opened(request.param, mongo_uri.replace("/headwater?", f"/{name}?")) as store:
        yield store
    await mongo.drop_database(name)


@pytest.fixture
async def store(opened_store: Store) -> Store:
    async with opened_store.writes.single() as session:
        await session.delete_many("rows", {})
        await session.insert("rows", row("a"))
    return opened_store


async def bump(session: Session, id_: str = "a") -> int:
    found = await session.update("rows", {"_id": id_}, {"$inc": {"n": 1}})
    assert found is not None
    return found["n"]


async def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    async def body(session: Session) -> None:
        await session.insert("rows", row("b"))
        await bump(session)
        assert await session.count("rows", {}) == 2, "it sees its own writes"
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.writes.transaction(body)
    assert await store.all() == [row("a")]


async def test_of_two_that_meet_the_one_that_lost_is_run_again(store: Store) -> None:
    starts, reads, both = 0, 0, asyncio.Event()

    async def body(session: Session) -> int:
        nonlocal starts, reads
        starts += 1
        await session.find("rows", {})
        reads += 1
        if reads == 2:
            both.set()
        await both.wait()
        return await bump(session)

    results = await asyncio.gather(*(store.writes.transaction(body) for _ in range(2)))
    assert sorted(value for value, _ in results) == [1, 2]
    assert starts > 2
    assert results[0][1] != results[1][1]


async def test_a_transaction_that_cannot_get_through_is_given_up(
    store: Store, mongo: AsyncMongoClient[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TRANSACTION_SECONDS_MAX", 0.3)
    rows = mongo[store.name].rows
    async with mongo.start_session() as other, await other.start_transaction():
        await rows.update_one({"_id": "a"}, {"$inc": {"n": 5}}, session=other)
        with pytest.raises(Unavailable) as caught, explained("t"):
            await transaction(store.writes, "t", bump)
    assert caught.value.retry == "after"
    assert await store.all() == [row("a", n=5)]


@pytest.mark.usefixtures("slow_transactions")
async def test_who_is_cancelled_leaves_neither_a_write_nor_a_lock(store: Store) -> None:
    for turns in range(15):
        begun = asyncio.Event()

        async def body(session: Session, begun: asyncio.Event = begun) -> None:
            begun.set()
            while True:
                await bump(session)
                raise_if_cancelled()

        task = asyncio.create_task(store.writes.transaction(body))
        await begun.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(60):  # a lock would hold for longer
            assert (await store.writes.transaction(bump))[0] == 1
            async with store.writes.single() as session:
                await session.apply("rows", {"_id": "a"}, {"$set": {"n": 0}})


async def test_by_motor_no_write_comes_after_its_caller_was_cancelled(mongo_uri: str) -> None:
    uri = mongo_uri.replace("/headwater?", "/test_motor_cancelled?")
    async with opened("motor", uri) as store, store.writes.single() as session:
        await session.delete_many("rows", {})
        await session.insert("rows", row("a"))
        slow = {"_id": "a", "$where": "sleep(100) || true"}
        task = asyncio.create_task(session.apply("rows", slow, {"$set": {"n": 1}}))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await store.all() == [row("a", n=1)], "a thread cannot be stopped, so it was waited"


async def test_a_commit_whose_outcome_is_not_known_is_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = 0

    async with store.database.client.start_session() as probe:
        owner = type(getattr(probe, "motor", probe))
    commit = owner.commit_transaction

    async def lost(session: Any) -> None:
        nonlocal attempts
        attempts += 1
        await commit(session)
        if attempts == 1:
            raise AutoReconnect("the answer was lost", ["UnknownTransactionCommitResult"])

    def raising(error: AutoReconnect, label: str) -> bool:
        return label in error.args[1:2] or label in (error.errors or ())

    monkeypatch.setattr(AutoReconnect, "has_error_label", raising)
    monkeypatch.setattr(owner, "commit_transaction", lost)
    value, time = await store.writes.transaction(bump)
    assert (value, attempts) == (1, 2)
    assert time > Time(0, 0)
    assert await store.all() == [row("a", n=1)]


async def test_the_past_can_be_read(store: Store) -> None:
    before = await store.reads.now()
    await store.writes.transaction(bump)
    assert [one["n"] for one in await store.reads.find("rows", {}, at=before)] == [0]
    now = await store.reads.now()
    assert [one["n"] for one in await store.reads.find("rows", {}, at=now)] == [1]


async def test_a_run_that_is_due_goes_to_one_of_many(store: Store) -> None:
    schedules = Schedules(store.database)
    await schedules.prepare("f", 60)
    claims = await asyncio.gather(*(schedules.claim("f", 60) for _ in range(5)))
    (lease,) = [one for one in claims if one is not None]
    assert await schedules.renew("f", lease, 60)
    await schedules.hand_back("f", lease)
    assert not await schedules.renew("f", lease, 60)
    assert await schedules.claim("f", 60)


async def test_many_writers_at_once_all_get_through(store: Store) -> None:
    async with asyncio.timeout(60):
        results = await asyncio.gather(*(store.writes.transaction(bump) for _ in range(12)))
    assert sorted(value for value, _ in results) == list(range(1, 13))


async def test_by_pymongo_nothing_stands_between_the_store_and_its_client(mongo_uri: str) -> None:
    async with opened("pymongo", mongo_uri) as store:
        assert type(store.database) is AsyncDatabase
        assert type(store.database.client) is AsyncMongoClient


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_database_that_cannot_be_reached_is_unavailable(
    driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TRANSACTION_SECONDS_MAX", 0.3)
    uri = f"mongodb://127.0.0.1:{unused_port()}/x?replicaSet=rs"
    client = await connect_client(uri, driver=driver, server_selection_timeout_ms=100)
    try:
        with pytest.raises(Unavailable), explained("t"):
            async with Writes(client["x"]).single() as session:
                await session.insert("rows", row("a"))
        with pytest.raises(Unavailable), explained("t"):
            await transaction(Writes(client["x"]), "t", bump)
    finally:
        await client.close()


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_uri_that_cannot_be_read_is_refused_without_its_password(driver: Any) -> None:
    with pytest.raises(StartupError) as caught:
        await connect_client("mongodb://u:pa/ss@w0rd@h:27017/x", driver=driver)
    assert "percent-escaped" in str(caught.value)
    assert "w0rd" not in str(caught.value)
