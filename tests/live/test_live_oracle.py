"""Live results, against fresh ones read from MongoDB at the same cluster time.

Writers that Headwater knows nothing of change the database as fast as they can; followers come
and go. Whatever a follower is told is compared with what the query returns at that position.
"""

import asyncio
import itertools
import os
import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from schemas.wire.position import Position
from server.live.held import encode
from server.live.live_query import shown
from server.live.run import run_query
from server.runtime import ANONYMOUS, HeadwaterError
from server.runtime.explain import explain
from server.store.connection import database_name
from server.store.reads import Reads, SnapshotGone
from tests import card_app
from tests.serving import Running, serving
from tests.sse import Follower

SEED = int(os.environ.get("HEADWATER_SEED", "20261122"))
WRITES = 6_000 if os.environ.get("HEADWATER_FUZZ") else 300
FOLLOWERS = 6
TOLD_MIN = 400
"""Values that are told at least; where that is slow, more is written."""
GROUPS = ("x", "y")

QUERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "cards": ("cardApp.cards", {"group": "x"}),
    "top": ("cardApp.top", {"group": "x", "limit": 3}),
    "newest": ("cardApp.newest", {"group": "y"}),
    "both": ("cardApp.both", {"group": "x"}),
    "judged": ("cardApp.judged", {"group": "x"}),
    "counted": ("cardApp.counted", {"group": "x"}),
    "ranks": ("cardApp.ranks", {"group": "y"}),
    "guarded": ("cardApp.guarded", {"member": "m", "group": "y"}),
    "card": ("cardApp.card", {"cardId": "c7"}),
}


class Fresh:
    """What queries return at a cluster time, read from MongoDB and from nowhere else."""

    def __init__(self, server: Running, reads: Reads) -> None:
        self._runtime = server.app._services.runtime  # type: ignore[union-attr]
        self._reads = reads
        self._known: dict[tuple[str, str], Any] = {}

    async def value(self, id_: str, position: str) -> Any:
        key = (id_, position.rstrip("-"))
        if key not in self._known:
            name, args = QUERIES[id_]
            _, run = self._runtime.prepare_query(name, args, ANONYMOUS)
            at = Position.parse(position).time
            outcome = await run_query(run, self._reads, at, lambda e: explain(name, e))
            if isinstance(outcome.error, HeadwaterError):
                self._known[key] = {"error": outcome.error.code}
            else:
                value = shown(outcome.value, outcome.windows)
                self._known[key] = orjson.loads(encode(value))
        return self._known[key]


async def write(uri: str, rng: random.Random, count: int, is_enough: Callable[[], bool]) -> None:
    """Random writes by a connection of our own, some of them transactions; `count`, or more."""
    async with AsyncMongoClient[dict[str, Any]](uri, w="majority") as client:
        cards = client[database_name(uri)]["cards"]
        members = client[database_name(uri)]["members"]
        for number in itertools.count():
            if number >= count and is_enough():
                return
            id_ = f"c{rng.randrange(40)}"
            match rng.randrange(12):
                case 0 | 1:
                    new = {
                        "_id": id_,
                        "group": rng.choice(GROUPS),
                        "rank": rng.randrange(100),
                        "done": rng.random() < 0.3,
                        "text": ["t"],
                        "tags": rng.sample(["red", "blue"], rng.randrange(3)),
                    }
                    await cards.replace_one({"_id": id_}, new, upsert=True)
                case 2:
                    await cards.delete_one({"_id": id_})
                case 3 | 4:
                    await cards.update_one({"_id": id_}, {"$push": {"text": rng.choice("abc")}})
                case 5:
                    await cards.update_one({"_id": id_}, {"$set": {"rank": rng.randrange(100)}})
                case 6:
                    await cards.update_one({"_id": id_}, {"$set": {"group": rng.choice(GROUPS)}})
                case 7:
                    await cards.update_one({"_id": id_}, {"$set": {"done": rng.random() < 0.5}})
                case 8:
                    await cards.update_many({"group": rng.choice(GROUPS)}, {"$inc": {"rank": 1}})
                case 9:
                    allowed = {"$set": {"allowed": rng.random() < 0.7}}
                    await members.update_one({"_id": "m"}, allowed, upsert=True)
                case 10:
                    await cards.update_one({"_id": id_}, {"$addToSet": {"tags": "red"}})
                case _:
                    await in_a_transaction(client, cards, rng, id_)
            if rng.random() < 0.05:
                await asyncio.sleep(rng.random() * 0.05)


async def in_a_transaction(client: Any, cards: Any, rng: random.Random, id_: str) -> None:
    """Move four cards and make one anew; given up where another writer is in the way."""
    async with client.start_session() as session:
        await session.start_transaction()
        try:
            for other in rng.sample(range(40), 4):
                where, group = {"_id": f"c{other}"}, rng.choice(GROUPS)
                await cards.update_one(where, {"$set": {"group": group}}, session=session)
            await cards.delete_one({"_id": id_}, session=session)
            again = {"_id": id_, "group": "x", "rank": 1, "text": []}
            await cards.insert_one(again, session=session)
            await session.commit_transaction()
        except OperationFailure as error:
            if not error.has_error_label("TransientTransactionError"):
                raise


async def follow_and_leave(follower: Follower, rng: random.Random, done: asyncio.Event) -> None:
    """Follow, with a break now and then, and resume."""
    while not done.is_set():
        async with follower.following():
            try:
                async with asyncio.timeout(0.1 + rng.random()):
                    await done.wait()
            except TimeoutError:
                pass
        await asyncio.sleep(rng.random() * 0.1)


@pytest.mark.fuzz
@pytest.mark.parametrize("strict", [False, True])
async def test_whatever_a_follower_is_told_is_what_the_query_returns_there(
    database_uri: str, strict: bool
) -> None:
    print(f"HEADWATER_SEED={SEED}")
    rng = random.Random(SEED)
    told: list[tuple[str, dict[str, Any], bool]] = []
    async with serving(database_uri, [card_app]) as server:
        followers = [Follower(server.http, QUERIES, strict=strict) for _ in range(FOLLOWERS)]
        done = asyncio.Event()
        following = [
            asyncio.create_task(follow_and_leave(one, random.Random(SEED + n), done))
            for n, one in enumerate(followers)
        ]
        writers = [
            write(
                database_uri,
                random.Random(SEED + 100 + n),
                WRITES // 3,
                lambda: sum(len(values) for _, values, _ in told) > TOLD_MIN,
            )
            for n in range(3)
        ]
        watcher = Follower(server.http, QUERIES, strict=strict)
        take = watcher.take

        def recording(event: Any) -> None:
            take(event)
            values = {
                id_: {"error": watcher.errors[id_]["code"]}
                if id_ in watcher.errors
                else watcher.values[id_]
                for id_ in QUERIES
                if id_ in watcher.errors or id_ in watcher.values
            }
            settled = not event.id.endswith("-")
            if not settled:
                values = {id_: values[id_] for id_ in event.data["queries"]}
            at = {id_: watcher.at.get(id_, event.id) for id_ in values}
            told.append((event.id, {id_: (at[id_], values[id_]) for id_ in values}, settled))

        watcher.take = recording  # type: ignore[method-assign]
        async with watcher.following():
            await watcher.until(lambda f: len(f.values) + len(f.errors) == len(QUERIES))
            await asyncio.gather(*writers)
            done.set()
            await asyncio.gather(*following)
            async with AsyncMongoClient[dict[str, Any]](database_uri, tz_aware=True) as client:
                reads = Reads(client[database_name(database_uri)])
                fresh = Fresh(server, reads)
                end = str(Position(await reads.now(), "x"))
                final = {id_: await fresh.value(id_, end) for id_ in QUERIES}
                for follower in (watcher, *followers):
                    if follower is not watcher:
                        context = follower.following()
                        await context.__aenter__()
                    try:
                        await follower.until(lambda f: state(f) == final)
                    except TimeoutError:
                        pytest.fail(account(server, follower, final))
                    if follower is not watcher:
                        await context.__aexit__(None, None, None)
                checked = 0
                for _, values, _ in rng.sample(told, min(len(told), 150)):
                    for id_, (at, value) in values.items():
                        try:
                            assert value == await fresh.value(id_, at), (SEED, id_, at)
                            checked += 1
                        except SnapshotGone:
                            continue
                assert checked > 200
                assert any(settled for _, _, settled in told)


def account(server: Running, follower: Follower, final: dict[str, Any]) -> str:
    """Why a follower did not arrive, as far as can be seen."""
    registry = server.app._services.registry  # type: ignore[union-attr]
    lines = [f"HEADWATER_SEED={SEED}, follower at {follower.position}, feed at {registry.position}"]
    held = state(follower)
    lines += [
        f"{id_}: {held.get(id_)} is not {final[id_]}"
        for id_ in final
        if held.get(id_) != final[id_]
    ]
    for query in registry.queries:
        said = f"{query.name}: stale from {query.stale_from}, running {query.running}"
        lines.append(
            f"{said}, ready {query.ready}, error {query.error}, {query.log.start}..{query.log.end}"
        )
        lines += [
            f"    {type(w).__name__} position {w.position} touched {[q.name for q in w._touched]} "
            f"stale {[q.name for q in w._stale]} {[s.cursor for s in w._subscribed[query]]}"
            for w in query.watchers
        ]
    return "\n".join(lines)


def state(follower: Follower) -> dict[str, Any]:
    """What a follower holds of each query."""
    errors = {id_: {"error": error["code"]} for id_, error in follower.errors.items()}
    return {**follower.values, **errors}
