"""History that MongoDB cannot give any more: it is read anew, everybody is told, and it goes on."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from bson import Timestamp
from pymongo import AsyncMongoClient

from server.feed.change_stream import Batch
from tests import card_app
from tests.headwater_command import serving_process
from tests.proxy import proxy_to
from tests.replica_set import ReplicaSet, replica_set
from tests.serving import Running, serving
from tests.sse import Follower
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("patient_feed")

QUERIES = {
    "c": ("cardApp.cards", {"group": "x"}),
    "t": ("cardApp.top", {"group": "x"}),
    "n": ("cardApp.counted", {"group": "x"}),
}
FEED = "headwater feed"
MEGABYTE = 1 << 20
TINY = ("--oplogSize", "1", "--syncdelay", "1")
"""Nothing is dropped from an oplog that was not checkpointed, which is once a minute otherwise."""
APP = """
from server.app import create_app
from tests import card_app

app = create_app(functions=[card_app])
"""

Cards = Any


@pytest.fixture(scope="module")
async def single(fast_dir: Path) -> AsyncIterator[ReplicaSet]:
    """One mongod that fails by order, and whose oplog is soon rolled over."""
    async with replica_set(fast_dir / "single", *TINY, size=1) as made:
        yield made


@pytest.fixture
async def database(single: ReplicaSet) -> AsyncIterator[str]:
    """The name of an empty database; nothing fails when it comes and goes."""
    yield f"t{uuid4().hex[:8]}"
    await single.stop_failing()


def ranks(follower: Follower) -> list[int]:
    return [card["rank"] for card in follower.values.get("c", [])]


def told_anew(follower: Follower) -> list[str]:
    """The queries that were told by a snapshot, one after another."""
    return [
        id_
        for event in follower.events
        for id_, change in event.data["queries"].items()
        if "snapshot" in change
    ]


@asynccontextmanager
async def watched(
    single: ReplicaSet, database: str
) -> AsyncIterator[tuple[Running, Follower, Cards]]:
    """A server on `single`, a follower who has seen one card, and the cards."""
    async with (
        serving(single.uri(database), [card_app]) as server,
        AsyncMongoClient[dict[str, Any]](single.uri(database), w="majority") as client,
    ):
        cards = client[database]["cards"]
        await cards.insert_one({"_id": "first", "group": "x", "rank": 0})
        follower = Follower(server.http, QUERIES)
        async with follower.following():
            await follower.until(lambda f: len(f.values) == 3 and ranks(f) == [0])
            yield server, follower, cards


async def metric(server: Running, name: str) -> float:
    text = (await server.http.get("/metrics")).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name))


async def until_metric(server: Running, name: str, value: float) -> None:
    """Wait until a number of /metrics has come to `value`."""
    async with asyncio.timeout(60):
        while await metric(server, name) < value:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("code", [136, 260, 280, 286, 10334])
async def test_whatever_says_that_history_is_lost_everybody_is_told(
    single: ReplicaSet, database: str, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(single, database) as (server, follower, cards):
        await single.fail("getMore", appName=FEED, errorCode=code)
        await until_metric(server, "headwater_feed_losses_total", 1)
        await cards.insert_one({"_id": "second", "group": "x", "rank": 1})
        await follower.until(lambda f: ranks(f) == [0, 1] and len(told_anew(f)) >= 6)
        assert sorted(told_anew(follower)[-3:]) == ["c", "n", "t"]
        assert await metric(server, "headwater_feed_losses_total") == 1
        await cards.insert_one({"_id": "third", "group": "x", "rank": 2})
        await follower.until(lambda f: ranks(f) == [0, 1, 2] and f.values["n"]["all"] == 3)
        assert len(told_anew(follower)) == 6, "and from then on by patches"
    said = [one.getMessage() for one in caplog.records if one.name == "server.feed.feed"]
    assert any("lost its history" in one and str(code) in one for one in said)


async def test_an_error_that_never_ends_is_not_asked_about_ten_times_a_second(
    single: ReplicaSet, database: str
) -> None:
    async with watched(single, database) as (server, follower, cards):
        stream, opened = server.app._services.feed._stream, 0  # type: ignore[union-attr]
        open_ = stream.open

        async def opening() -> Batch:
            nonlocal opened
            opened += 1
            return await open_()

        stream.open = opening  # type: ignore[method-assign]
        await single.fail("getMore", appName=FEED, errorCode=8, times=5)  # UnknownError
        await until_metric(server, "headwater_feed_losses_total", 1)  # it is given up at last
        await cards.insert_one({"_id": "second", "group": "x", "rank": 1})
        await follower.until(lambda f: ranks(f) == [0, 1] and f.values["n"]["all"] == 2)
        assert 0 < opened < 20


async def test_an_oplog_that_rolled_over_while_the_feed_was_cut_off_is_told(
    single: ReplicaSet, database: str
) -> None:
    rng = random.Random(1)
    async with proxy_to(single.members[0].port, rng) as proxy:
        host = proxy.url.removeprefix("http://")
        uri = f"mongodb://{host}/{database}?directConnection=true"
        async with (
            serving(uri, [card_app]) as server,
            AsyncMongoClient[dict[str, Any]](single.uri(database), w="majority") as client,
        ):
            cards = client[database]["cards"]
            await cards.insert_one({"_id": "first", "group": "x", "rank": 0})
            follower = Follower(server.http, QUERIES)
            async with follower.following():
                await follower.until(lambda f: len(f.values) == 3 and ranks(f) == [0])
                begin = await oldest(single)
                proxy.refusing = True
                while proxy.cut_one():
                    pass
                await cards.insert_one({"_id": "second", "group": "x", "rank": 1})
                await roll_over(single, client[database], begin)
                assert (await server.http.get("/readyz")).status_code == 503
                proxy.refusing = False
                await follower.until(lambda f: ranks(f) == [0, 1] and len(told_anew(f)) >= 6)
                assert await metric(server, "headwater_feed_losses_total") == 1
                await cards.insert_one({"_id": "third", "group": "x", "rank": 2})
                await follower.until(lambda f: ranks(f) == [0, 1, 2])


async def test_an_oplog_that_rolled_over_under_a_frozen_server_is_told(
    single: ReplicaSet, database: str, tmp_path: Path
) -> None:
    """Its cursor is still open on MongoDB, and has lost its place."""
    app = tmp_path / "frozen_app.py"
    app.write_text(APP, "utf-8")
    async with (
        serving_process(
            None, f"{app}:app", HEADWATER_MONGODB_URI=single.uri(database), PYTHONPATH="."
        ) as server,
        AsyncMongoClient[dict[str, Any]](single.uri(database), w="majority") as client,
    ):
        cards = client[database]["cards"]
        await cards.insert_one({"_id": "first", "group": "x", "rank": 0})
        follower = Follower(server.http, QUERIES)
        async with follower.following():
            await follower.until(lambda f: len(f.values) == 3 and ranks(f) == [0])
            begin = await oldest(single)
            server.command.process.send_signal(signal.SIGSTOP)
            try:
                await cards.insert_one({"_id": "second", "group": "x", "rank": 1})
                await roll_over(single, client[database], begin)
            finally:
                server.command.process.send_signal(signal.SIGCONT)
            await follower.until(lambda f: ranks(f) == [0, 1] and len(told_anew(f)) >= 6)
            await cards.insert_one({"_id": "third", "group": "x", "rank": 2})
            await follower.until(lambda f: ranks(f) == [0, 1, 2])
        await eventually(lambda: "lost its history" in server.command.said)


async def test_an_event_over_16_megabytes_is_got_past(
    database_uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A small change whose event repeats a long name for each of many fields."""
    async with (
        serving(database_uri, [card_app]) as server,
        AsyncMongoClient[dict[str, Any]](database_uri, w="majority") as client,
    ):
        cards = client.get_default_database()["cards"]
        long_name = "n" * 2_000
        inner = {"rest": "x" * MEGABYTE, **dict.fromkeys(map(str, range(10_000)), 0)}
        extra = {long_name: inner}
        await cards.insert_one({"_id": "big", "group": "x", "rank": 0, "extra": extra})
        follower = Follower(server.http, QUERIES)
        async with follower.following():
            await follower.until(lambda f: len(f.values) == 3 and ranks(f) == [0])
            ones = dict.fromkeys(map(str, range(10_000)), 1)
            stage = {"$set": {"rank": 1, "extra": {long_name: ones}}}
            await cards.update_one({"_id": "big"}, [stage])
            await follower.until(lambda f: ranks(f) == [1] and len(told_anew(f)) >= 6)
            await cards.insert_one({"_id": "second", "group": "x", "rank": 2})
            await follower.until(lambda f: ranks(f) == [1, 2] and f.values["n"]["all"] == 2)
            assert len(told_anew(follower)) == 6
            assert (await server.http.get("/readyz")).status_code == 200
    assert "10334" in caplog.text


# --- the oplog ----------------------------------------------------------------------------------


async def oldest(single: ReplicaSet) -> Timestamp:
    """The time of the newest entry now, which `roll_over` waits to see gone."""
    client = single.members[0].client
    assert client is not None
    entry = await client["local"]["oplog.rs"].find_one(sort=[("$natural", -1)])
    assert entry is not None
    return entry["ts"]


async def roll_over(single: ReplicaSet, database: Any, past: Timestamp) -> None:
    """Write elsewhere until the oplog begins later than `past`."""
    client = single.members[0].client
    assert client is not None
    async with asyncio.timeout(120):
        while True:
            for _ in range(8):
                filling = random.Random(0).randbytes(MEGABYTE)
                await database["filling"].insert_one({"filling": filling})
            entry = await client["local"]["oplog.rs"].find_one(sort=[("$natural", 1)])
            if entry is not None and entry["ts"] > past:
                return
