"""Live queries over real HTTP, where something goes wrong: they recover, and harm nobody."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from pydantic import Field
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect

from schemas.document import Document
from schemas.wire.position import Time
from server.core import limits
from server.feed.change_stream import Batch
from server.live.registry import Registry
from server.runtime import Find, QueryCtx, query
from server.store.connection import database_name
from tests import card_app
from tests.card_app import Card
from tests.serving import Running, serving
from tests.sse import Follower
from tests.sync.test_streams import CARDS, ranks
from tests.waiting import eventually

GATE = asyncio.Event()


class Note(Document, collection="notes"):
    meta: dict[str, Any] = Field(default_factory=dict)


@query
def notes(ctx: QueryCtx) -> Find[Note]:
    return ctx.find(Note)


@query
def viewed(ctx: QueryCtx, group: str) -> Find[Card]:
    """Its view raises where a rank is 0."""
    return ctx.find(
        Card, {"group": group}, view=lambda card: {"_id": card.id, "n": 100 // card.rank}
    )


@query
async def surrogate(ctx: QueryCtx, group: str) -> str:
    return "\ud800" * await ctx.count(Card, {"group": group})


class Number(float):
    """As numpy's are."""


@query
async def average(ctx: QueryCtx, group: str) -> float:
    return Number(await ctx.count(Card, {"group": group}))


@query
async def gated(ctx: QueryCtx, group: str) -> Any:
    found = ctx.find(Card, {"group": group}, sort=[("rank", 1)])
    await GATE.wait()
    return found


@query
async def slow(ctx: QueryCtx, group: str) -> int:
    """Reads, and then takes its time."""
    cards = await ctx.find(Card, {"group": group})
    await GATE.wait()
    return len(cards)


@query
def by_text(ctx: QueryCtx, text: str) -> Find[Card]:
    return ctx.find(Card, {"text": text})


@query
def by_slug(ctx: QueryCtx, slug: str) -> Find[Card]:
    return ctx.find(Card, {"slug": slug})


FUNCTIONS = [card_app, sys.modules[__name__]]
OTHER: dict[str, tuple[str, dict[str, Any]]] = {"c": ("cardApp.cards", {"group": "y"})}

Cards = AsyncCollection[dict[str, Any]]


def one(name: str, **arguments: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """A query of this file, under the id ``c``."""
    return {"c": (f"testLiveUnderFire.{name}", arguments)}


def registry_of(server: Running) -> Registry:
    return server.app._services.registry  # type: ignore[union-attr]


@asynccontextmanager
async def under_fire(uri: str) -> AsyncIterator[tuple[Running, Cards]]:
    """A server with the functions of this file, and the collection as others see it."""
    async with (
        serving(uri, FUNCTIONS) as server,
        AsyncMongoClient[dict[str, Any]](uri) as client,
    ):
        yield server, client[database_name(uri)]["cards"]


def gaps_of(server: Running) -> list[Time]:
    """The gaps that the feed tells from now on."""
    registry = registry_of(server)
    gap = registry.gap
    gaps: list[Time] = []

    def telling() -> None:
        gaps.append(registry.position)
        gap()

    registry.gap = telling  # type: ignore[method-assign]
    return gaps


async def test_a_find_that_was_too_large_recovers_when_there_are_fewer(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RESULT_DOCUMENTS_MAX", 50)
    async with under_fire(database_uri) as (server, cards):
        await cards.insert_many([{"_id": str(n), "group": "x", "rank": n} for n in range(60)])
        follower = Follower(server.http, CARDS)
        async with follower.following():
            await follower.until(lambda f: "c" in f.errors)
            await cards.delete_many({"rank": {"$gte": 10}})
            await follower.until(lambda f: ranks(f) == list(range(10)))


async def test_a_find_that_grows_too_large_is_an_error(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RESULT_DOCUMENTS_MAX", 20)
    async with under_fire(database_uri) as (server, cards):
        follower = Follower(server.http, CARDS)
        async with follower.following():
            await follower.until(lambda f: "c" in f.values)
            for number in range(25):
                await cards.insert_one({"_id": str(number), "group": "x", "rank": number})
            await follower.until(lambda f: "c" in f.errors)


async def test_a_find_whose_view_failed_recovers_when_its_documents_change(
    database_uri: str,
) -> None:
    async with under_fire(database_uri) as (server, cards):
        await cards.insert_one({"_id": "a", "group": "x", "rank": 0})
        follower = Follower(server.http, one("viewed", group="x"))
        async with follower.following():
            await follower.until(lambda f: "c" in f.errors)
            await cards.update_one({"_id": "a"}, {"$set": {"rank": 4}})
            await follower.until(lambda f: f.values.get("c") == [{"_id": "a", "n": 25}])


async def test_a_view_that_raises_fails_its_own_query_only(database_uri: str) -> None:
    async with under_fire(database_uri) as (server, cards):
        await cards.insert_one({"_id": "a", "group": "x", "rank": 1})
        failing = Follower(server.http, one("viewed", group="x"))
        other = Follower(server.http, OTHER)
        gaps = gaps_of(server)
        async with failing.following(), other.following():
            await failing.until(lambda f: "c" in f.values)
            await other.until(lambda f: "c" in f.values)
            await cards.update_one({"_id": "a"}, {"$set": {"rank": 0}})
            await cards.insert_one({"_id": "b", "group": "y", "rank": 5})
            await other.until(lambda f: ranks(f) == [5])
            await failing.until(lambda f: "c" in f.errors)
        assert (other.snapshots, gaps) == (1, [])


@pytest.mark.parametrize("name", ["surrogate", "average"])
async def test_a_value_without_a_json_form_harms_no_other_query(
    database_uri: str, name: str
) -> None:
    async with under_fire(database_uri) as (server, cards):
        odd = [Follower(server.http, one(name, group="x")) for _ in range(5)]
        other = Follower(server.http, CARDS)
        gaps = gaps_of(server)
        async with AsyncExitStack() as stack:
            for follower in (*odd, other):
                await stack.enter_async_context(follower.following())
                await follower.until(lambda f: bool(f.events))
            for number in range(4):
                await cards.insert_one({"_id": str(number), "group": "x", "rank": number})
                await other.until(lambda f, n=number: len(ranks(f)) == n + 1)
            if name == "surrogate":
                for follower in odd:
                    await follower.until(lambda f: "c" in f.errors)
        assert (other.snapshots, gaps) == (1, [])


async def test_queries_begun_while_the_database_is_away_come_when_it_is_back(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RUN_RETRY_SECONDS", 0.05)
    async with under_fire(database_uri) as (server, cards):
        await cards.insert_one({"_id": "a", "group": "x", "rank": 1})
        reads = server.app._services.reads  # type: ignore[union-attr]
        refused = 0

        async def away(*_: Any, **__: Any) -> Any:
            nonlocal refused
            refused += 1
            raise AutoReconnect("failover")

        follower = Follower(server.http, {**CARDS, "n": ("cardApp.counted", {"group": "x"})})
        with monkeypatch.context() as patch:
            patch.setattr(reads, "_run", away)
            async with follower.following():
                await eventually(lambda: refused > 4)
                patch.undo()
                await follower.until(lambda f: ranks(f) == [1])
                await cards.insert_one({"_id": "b", "group": "x", "rank": 2})
                await follower.until(
                    lambda f: ranks(f) == [1, 2] and f.values.get("n") == {"all": 2, "done": 0}
                )
                assert follower.errors == {}


async def test_a_query_left_while_it_runs_is_forgotten(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LINGER_SECONDS", 0.05)
    GATE.set()
    async with under_fire(database_uri) as (server, cards):
        await cards.insert_one({"_id": "a", "group": "x", "rank": 0})
        registry = registry_of(server)
        leaving = Follower(server.http, one("slow", group="x"))
        staying = Follower(server.http, CARDS)
        async with leaving.following():
            await leaving.until(lambda f: f.values.get("c") == 1)
            (left,) = registry.queries
            GATE.clear()
            await cards.update_one({"_id": "a"}, {"$inc": {"rank": 1}})
            await eventually(lambda: left.running)
        await eventually(lambda: not registry.queries)
        GATE.set()
        await eventually(lambda: not left.running)
        async with staying.following():
            await staying.until(lambda f: ranks(f) == [1])
            runs = registry.rounds.runs
            for rank in range(2, 7):
                await cards.update_one({"_id": "a"}, {"$inc": {"rank": 1}})
                await staying.until(lambda f, rank=rank: ranks(f) == [rank])
            assert [query.name for query in registry.queries] == ["cardApp.cards"]
            assert len(registry._routing._owners) == 1
            assert registry.rounds.runs == runs
        await eventually(lambda: not registry.queries)
        assert (registry._routing._owners, registry._routing._routers) == ({}, {})


async def test_a_query_that_was_never_shown_comes_after_resuming(database_uri: str) -> None:
    GATE.clear()
    async with under_fire(database_uri) as (server, cards):
        await cards.insert_one({"_id": "a", "group": "x", "rank": 1})
        gated_query = {"g": ("testLiveUnderFire.gated", {"group": "x"})}
        follower = Follower(server.http, {**OTHER, **gated_query})
        async with follower.following():
            await follower.until(lambda f: "c" in f.values)
            assert "g" not in follower.values
        GATE.set()
        await eventually(lambda: all(query.ready for query in registry_of(server).queries))
        async with follower.following():
            await follower.until(lambda f: ranks(f, "g") == [1])


async def test_a_gap_while_a_query_runs_leaves_nothing_of_that_run_behind(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FEED_RETRY_SECONDS_MAX", 0.1)
    GATE.clear()
    async with under_fire(database_uri) as (server, cards):
        await cards.insert_one({"_id": "a", "group": "x", "rank": 1})
        registry = registry_of(server)
        stream = server.app._services.feed._stream  # type: ignore[union-attr]
        next_, gaps = stream.next, gaps_of(server)

        async def failing() -> Batch:
            stream.next = next_  # type: ignore[method-assign]
            raise ValueError("a bug")

        follower = Follower(server.http, one("gated", group="x"))
        async with follower.following():
            await eventually(lambda: any(query.running for query in registry.queries))
            stream.next = failing  # type: ignore[method-assign]
            await eventually(lambda: len(gaps) == 1)
            GATE.set()
            await follower.until(lambda f: ranks(f) == [1])
            for rank in (2, 3):
                await cards.insert_one({"_id": str(rank), "group": "x", "rank": rank})
                await follower.until(lambda f, rank=rank: ranks(f)[-1] == rank)
            assert ranks(follower) == [1, 2, 3]
            assert len(registry._routing._owners) == 1


async def test_a_query_that_joins_while_a_group_is_prepared_sees_all_of_it(
    database_uri: str,
) -> None:
    async with under_fire(database_uri) as (server, cards):
        await cards.insert_one({"_id": "a", "group": "x", "rank": 1})
        await cards.insert_one({"_id": "k", "group": "k", "slug": "no"})
        rounds = registry_of(server).rounds
        fetch = rounds.fetch
        fetched, joined = asyncio.Event(), asyncio.Event()

        async def holding(keys: Any, at: Time) -> Any:
            rounds.fetch = fetch  # type: ignore[method-assign]
            found = await fetch(keys, at)
            fetched.set()
            await joined.wait()
            return found

        follower = Follower(server.http, {"t": ("cardApp.top", {"group": "y"})})
        late = Follower(server.http, one("bySlug", slug="yes"))
        async with follower.following(), asyncio.timeout(60):
            await follower.until(lambda f: "t" in f.values)
            rounds.fetch = holding  # type: ignore[method-assign]
            async with cards.database.client.start_session() as session:
                await session.start_transaction()
                moved = {"$set": {"group": "y", "done": False}}
                await cards.update_one({"_id": "a"}, moved, session=session)
                await cards.update_one({"_id": "k"}, {"$set": {"slug": "yes"}}, session=session)
                await session.commit_transaction()
            await fetched.wait()
            async with late.following():
                await late.until(lambda f: f.values.get("c") == [])
                joined.set()
                await follower.until(lambda f: len(f.values["t"]) == 1)
                await late.until(lambda f: [card["_id"] for card in f.values["c"]] == ["k"])


async def test_a_transaction_of_more_updates_than_may_be_shown_is_taken_in(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RESULT_DOCUMENTS_MAX", 50)
    async with under_fire(database_uri) as (server, cards):
        await cards.insert_many([{"_id": str(n), "group": "z", "rank": n} for n in range(60)])
        follower = Follower(server.http, CARDS)
        gaps = gaps_of(server)
        async with follower.following():
            await follower.until(lambda f: "c" in f.values)
            async with cards.database.client.start_session() as session:
                await session.start_transaction()
                await cards.update_many({}, {"$set": {"group": "y"}}, session=session)
                await cards.insert_one({"_id": "new", "group": "x", "rank": 1}, session=session)
                await session.commit_transaction()
            await follower.until(lambda f: ranks(f) == [1])
        assert (follower.snapshots, gaps) == (1, [])


async def test_a_date_beyond_all_calendars_harms_no_other_query(database_uri: str) -> None:
    async with under_fire(database_uri) as (server, cards):
        follower = Follower(server.http, OTHER)
        gaps = gaps_of(server)
        async with follower.following():
            await follower.until(lambda f: "c" in f.values)
            beyond = DatetimeMS(8_640_000_000_000_000)
            await cards.insert_one({"_id": "a", "group": "x", "createdAt": beyond})
            await cards.insert_one({"_id": "b", "group": "y", "rank": 5})
            await follower.until(lambda f: ranks(f) == [5])
        assert (follower.snapshots, gaps) == (1, [])


async def test_streamed_text_is_found_by_its_value_live_as_anew(database_uri: str) -> None:
    async with under_fire(database_uri) as (server, _):
        follower = Follower(server.http, one("byText", text="hi"))
        async with follower.following():
            await follower.until(lambda f: f.values.get("c") == [])
            await server.mutation("cardApp.add", group="x", rank=3, text="hi")
            await follower.until(lambda f: ranks(f) == [3])
            fresh = await server.query("testLiveUnderFire.byText", text="hi")
            assert fresh == follower.values["c"]


async def test_a_name_with_a_dot_is_removed_by_itself(database_uri: str) -> None:
    async with under_fire(database_uri) as (server, cards):
        stored = cards.database["notes"]
        meta = {"a.py": 1, "b": 2, "big": "x" * 5000}
        await stored.insert_one({"_id": "n", "meta": meta})
        follower = Follower(server.http, one("notes"))
        async with follower.following():
            await follower.until(lambda f: "c" in f.values)
            keep = {"$ne": ["$$this.k", "a.py"]}
            kept = {"$filter": {"input": {"$objectToArray": "$meta"}, "cond": keep}}
            await stored.update_one({"_id": "n"}, [{"$set": {"meta": {"$arrayToObject": kept}}}])
            await follower.until(lambda f: set(f.values["c"][0]["meta"]) == {"b", "big"})


async def test_a_streams_first_patience_ends_with_its_first_transition(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FIRST_GRACE_SECONDS", 600.0)  # longer than the test waits
    GATE.set()
    async with under_fire(database_uri) as (server, cards):
        await cards.insert_one({"_id": "a", "group": "x", "rank": 1})
        slow_query = {"s": ("testLiveUnderFire.slow", {"group": "x"})}
        follower = Follower(server.http, {**CARDS, **slow_query})
        async with follower.following():
            await follower.until(lambda f: len(f.values) == 2)
            GATE.clear()
            await cards.update_one({"_id": "a"}, {"$set": {"rank": 2}})
            await follower.until(lambda f: ranks(f) == [2])
        GATE.set()


async def test_collections_that_come_and_go_are_followed(database_uri: str) -> None:
    queries = {
        **CARDS,
        "n": ("cardApp.counted", {"group": "x"}),
        "t": ("cardApp.top", {"group": "x"}),
    }
    async with under_fire(database_uri) as (server, cards):
        old = cards.database["old"]
        follower = Follower(server.http, queries)

        def shows(wanted: list[int]) -> bool:
            values = follower.values
            return ranks(follower) == wanted == sorted(ranks(follower, "t")) and values.get(
                "n", {}
            ).get("all") == len(wanted)

        async with follower.following():
            for number in range(6):
                document = {"_id": f"a{number}", "group": "x", "rank": number, "done": False}
                await cards.insert_one(document)
                if number % 3 == 0:
                    await cards.rename("old", dropTarget=True)
                elif number % 3 == 1:
                    await old.rename("cards", dropTarget=True)
                else:
                    await cards.drop()
                await cards.insert_one({**document, "_id": f"b{number}", "rank": 100 + number})
                wanted = sorted([card["rank"] async for card in cards.find()])
                await follower.until(lambda _, wanted=wanted: shows(wanted))
