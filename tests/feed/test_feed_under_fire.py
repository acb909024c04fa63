"""The feed is cut just where a transaction goes on: nothing of it is lost or doubled."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo.errors import AutoReconnect, NetworkTimeout

from server.core import limits
from server.feed.change_stream import Batch
from tests.feed.test_feed import running
from tests.replica_set import ReplicaSet, replica_set
from tests.waiting import eventually

NO_PRIMARY = 189


@pytest.fixture(scope="module")
async def single(fast_dir: Path) -> AsyncIterator[ReplicaSet]:
    """One mongod that fails by order."""
    async with replica_set(fast_dir / "single", size=1) as made:
        yield made


async def test_a_transaction_cut_by_the_first_batch_after_reopening_comes_whole(
    database_uri: str,
) -> None:
    async with running(database_uri) as (feed, recorder, database):
        items, stream = database["items"], feed._stream
        await items.insert_one({"_id": "first"})
        await recorder.until(lambda: "first" in recorder.ids)
        reopen, command = asyncio.Event(), stream._command
        open_ = stream.open

        async def opening() -> Batch:
            await reopen.wait()
            return await open_()

        async def cut(_: Any) -> Any:
            stream._command = command  # type: ignore[method-assign]
            raise AutoReconnect("cut")

        stream.open = opening  # type: ignore[method-assign]
        stream._command = cut  # type: ignore[method-assign]
        await eventually(lambda: not feed.healthy)
        async with database.client.start_session() as session:
            await session.start_transaction()
            await items.insert_many([{"_id": n} for n in range(300)], session=session)
            await session.commit_transaction()
        reopen.set()
        await items.insert_one({"_id": "last"})
        await recorder.until(lambda: "last" in recorder.ids)
        assert recorder.ids == ["first", *range(300), "last"]
        assert [len(group.events) for group in recorder.groups] == [1, 300, 1]
        assert recorder.gaps == 0


async def test_a_cut_while_half_a_transaction_has_come_loses_neither_half(
    database_uri: str,
) -> None:
    async with running(database_uri) as (feed, recorder, database):
        items, stream = database["items"], feed._stream
        await items.insert_one({"_id": "first"})
        await recorder.until(lambda: "first" in recorder.ids)
        next_ = stream.next
        halves: list[int] = []

        async def cutting() -> Batch:
            if feed._partial is not None:
                halves.append(len(feed._partial.events))
                stream.next = next_  # type: ignore[method-assign]
                raise NetworkTimeout("cut")
            return await next_()

        stream.next = cutting  # type: ignore[method-assign]
        async with database.client.start_session() as session:
            await session.start_transaction()
            for number in range(9):
                document = {"_id": number, "filling": "x" * (3 << 20)}
                await items.insert_one(document, session=session)
            await session.commit_transaction()
        await items.insert_one({"_id": "last"})
        await recorder.until(lambda: "last" in recorder.ids)
        assert halves, "it was cut while a part had come"
        assert recorder.ids == ["first", *range(9), "last"]
        assert [len(group.events) for group in recorder.groups] == [1, 9, 1]
        assert recorder.gaps == 0


@pytest.mark.parametrize("failure", [
    {"blockConnection": True, "blockTimeMS": 2_000}, {"errorCode": NO_PRIMARY},
])  # fmt: skip
async def test_a_server_starts_though_mongodb_does_not_answer_at_once(
    failure: dict[str, Any], single: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow for 2 s, or electing a primary, it kept a server from starting."""
    monkeypatch.setattr(limits, "FEED_PATIENCE_SECONDS_MIN", 0.5)
    uri = single.uri(f"t{uuid4().hex[:8]}")
    await single.fail("aggregate", times=2, **failure)
    async with running(uri) as (feed, recorder, database):
        assert feed.healthy
        await database["items"].insert_one({"_id": "first"})
        await recorder.until(lambda: recorder.ids == ["first"])
    failing = await single.command({"configureFailPoint": "failCommand", "mode": "off"})
    assert failing["count"] >= 2


async def test_a_server_does_not_wait_for_ever_for_its_first_change(
    single: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FEED_OPEN_SECONDS_MAX", 0.3)
    await single.fail("aggregate", times=1_000, errorCode=NO_PRIMARY)
    with pytest.raises(AutoReconnect):
        async with running(single.uri(f"t{uuid4().hex[:8]}")):
            pass
    await single.stop_failing()
