"""Appends of several actions are written together, and each learns what became of its own."""

import asyncio
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from schemas.wire.position import Time
from server.runtime import appends
from server.runtime.appends import Appends
from server.store.connection import database_name
from server.store.writes import Writes


async def test_what_waits_together_is_written_together_and_each_learns_its_own(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appends, "AT_ONCE_MAX", 1)
    async with AsyncMongoClient[dict[str, Any]](database_uri, w="majority") as client:
        database = client[database_name(database_uri)]
        await database.texts.insert_many([{"_id": n, "text": [], "open": n % 2} for n in range(8)])
        await database.texts.update_one({"_id": 7}, {"$set": {"text": "no list"}})
        writes = Writes(database)
        sizes: list[int] = []
        apply_many = writes.apply_many

        async def counted(collection: str, updates: Any) -> Any:
            sizes.append(len(updates))
            return await apply_many(collection, updates)

        monkeypatch.setattr(writes, "apply_many", counted)
        one = Appends(writes)
        outcomes = await asyncio.gather(
            *(
                one.append("texts", {"_id": n, "open": 1}, {"$push": {"text": f"{n}"}})
                for n in range(8)
            ),
            return_exceptions=True,
        )
        assert sizes == [8], "one task gathers all that waits when it begins"
        assert [getattr(o, "code", None) or o[0] for o in outcomes] == [
            False, True, False, True, False, True, False, 2,
        ]  # fmt: skip
        stored = {row["_id"]: row["text"] async for row in database.texts.find()}
        assert stored == {n: [f"{n}"] if n % 2 else [] for n in range(7)} | {7: "no list"}
        assert all(outcomes[n][1].seconds > 0 for n in range(7))
        await one.stop()


async def test_a_caller_who_has_gone_harms_nobody_and_an_outage_is_told_to_all(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appends, "AT_ONCE_MAX", 1)
    async with AsyncMongoClient[dict[str, Any]](database_uri, w="majority") as client:
        database = client[database_name(database_uri)]
        await database.texts.insert_many([{"_id": n, "text": []} for n in range(3)])
        writes = Writes(database)
        one = Appends(writes)
        calls = [
            asyncio.create_task(one.append("texts", {"_id": n}, {"$push": {"text": "x"}}))
            for n in range(3)
        ]
        await asyncio.sleep(0)
        calls[1].cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(outcomes[1], asyncio.CancelledError)
        assert outcomes[0][0] is outcomes[2][0] is True  # type: ignore[index]

        async def broken(*_: Any) -> Any:
            raise ConnectionError("gone")

        monkeypatch.setattr(writes, "apply_many", broken)
        again = await asyncio.gather(
            *(one.append("texts", {"_id": n}, {"$push": {"text": "y"}}) for n in range(3)),
            return_exceptions=True,
        )
        assert [type(error) for error in again] == [ConnectionError] * 3


async def test_what_comes_just_as_the_last_write_has_ended_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(appends, "AT_ONCE_MAX", 1)

    class AtOnce:
        async def apply_many(self, _: str, updates: list[Any]) -> tuple[list[bool], Time]:
            return [True for _ in updates], Time(1, 0)

    one = Appends(AtOnce())  # type: ignore[arg-type]

    async def append(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        assert await one.append("texts", {}, {}) == (True, Time(1, 0))

    for turns in range(6):  # of the event loop, after which the second comes
        async with asyncio.timeout(10):
            await asyncio.gather(append(0), append(turns))
