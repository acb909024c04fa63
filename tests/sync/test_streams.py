"""Sync streams over real HTTP: what comes together, what waits for whom, who is dropped."""

import asyncio
import json
import socket
import sys
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import pytest
from bson import Binary, ObjectId
from pymongo import AsyncMongoClient, MongoClient

from schemas.wire.position import Position
from server.core import limits
from server.runtime import QueryCtx, query
from server.store.connection import database_name
from tests import card_app
from tests.card_app import Card
from tests.serving import Running, serving
from tests.sse import Event, Follower, events_of

GATE = asyncio.Event()

pytestmark = pytest.mark.usefixtures("patient_streams")


@query
async def slow(ctx: QueryCtx, group: str) -> list[int]:
    """Reads, and then takes its time."""
    cards = await ctx.find(Card, {"group": group}, sort=[("rank", 1)])
    await GATE.wait()
    return [len(card.text) for card in cards]


FUNCTIONS = [card_app, sys.modules[__name__]]
CARDS: dict[str, tuple[str, dict[str, Any]]] = {"c": ("cardApp.cards", {"group": "x"})}


def ranks(follower: Follower, id_: str = "c") -> list[int]:
    return [card["rank"] for card in follower.values.get(id_, [])]


def live_queries(server: Running) -> int:
    return len(server.app._services.registry.queries)  # type: ignore[union-attr]


async def test_writes_of_another_driver_are_seen(database_uri: str) -> None:
    async with serving(database_uri, [card_app]) as server:
        follower = Follower(server.http, CARDS)
        async with follower.following():
            await follower.until(lambda f: "c" in f.values)

            def write() -> None:
                with MongoClient[dict[str, Any]](database_uri) as client:
                    cards = client[database_name(database_uri)]["cards"]
                    cards.insert_one({"_id": "a", "group": "x", "rank": 1, "text": "plain"})
                    cards.update_one({"_id": "a"}, {"$set": {"rank": 7}})

            await asyncio.to_thread(write)
            await follower.until(lambda f: ranks(f) == [7])
            assert follower.values["c"][0]["text"] == "plain"
            assert follower.snapshots == 1


async def test_documents_of_others_with_odd_ids_are_followed_too(database_uri: str) -> None:
    async with (
        serving(database_uri, [card_app]) as server,
        AsyncMongoClient[dict[str, Any]](database_uri) as client,
    ):
        cards = client[database_name(database_uri)]["cards"]
        ids: list[Any] = [{"a": 1, "b": {"c": 2}}, 7, 2.5, ObjectId("6" * 24), b"ab", UUID(int=5)]
        binary = [Binary.from_uuid(i) if isinstance(i, UUID) else i for i in ids]
        await cards.insert_one({"_id": binary[0], "group": "x", "rank": 0})
        follower = Follower(server.http, {**CARDS, "n": ("cardApp.counted", {"group": "x"})})
        async with follower.following():
            await follower.until(lambda f: ranks(f) == [0])
            for rank, id_ in enumerate(binary[1:], start=1):
                await cards.insert_one({"_id": id_, "group": "x", "rank": rank})
            for id_ in binary:
                await cards.update_one({"_id": id_}, {"$inc": {"rank": 10}})
            await follower.until(lambda f: ranks(f) == [10, 11, 12, 13, 14, 15])
            await cards.delete_one({"_id": binary[0]})
            await follower.until(lambda f: ranks(f) == [11, 12, 13, 14, 15])
            await follower.until(lambda f: f.values["n"]["all"] == 5)
        assert follower.snapshots == 2


async def test_a_transaction_is_seen_whole_by_all_queries_of_a_stream(database_uri: str) -> None:
    queries = {"x": ("cardApp.cards", {"group": "x"}), "y": ("cardApp.cards", {"group": "y"})}
    async with (
        serving(database_uri, [card_app]) as server,
        AsyncMongoClient[dict[str, Any]](database_uri) as client,
    ):
        cards = client[database_name(database_uri)]["cards"]
        await cards.insert_many([{"_id": str(n), "group": "x", "rank": n} for n in range(6)])
        follower = Follower(server.http, queries)
        seen: list[tuple[int, int]] = []
        take = follower.take

        def counting(event: Event) -> None:
            take(event)
            seen.append((len(follower.values["x"]), len(follower.values["y"])))

        follower.take = counting  # type: ignore[method-assign]
        async with follower.following():
            await follower.until(lambda f: len(f.values.get("x", [])) == 6)
            for number in range(6):
                async with client.start_session() as session:
                    await session.start_transaction()
                    where = {"_id": str(number)}
                    await cards.update_one(where, {"$set": {"group": "y"}}, session=session)
                    await cards.insert_one(
                        {"_id": f"new{number}", "group": "x", "rank": 9}, session=session
                    )
                    await session.commit_transaction()
            await follower.until(lambda f: len(f.values["y"]) == 6)
        assert all(x == 6 for x, _ in seen), seen


async def test_queries_alike_share_one_live_query(database_uri: str) -> None:
    async with serving(database_uri, [card_app]) as server:
        queries = {
            "a": ("cardApp.top", {"group": "x"}),
            "b": ("cardApp.top", {"group": "x", "limit": 5}),
            "c": ("cardApp.top", {"group": "x", "limit": 6}),
        }
        one, two = Follower(server.http, queries), Follower(server.http, queries)
        async with one.following(), two.following():
            await one.until(lambda f: len(f.values) == 3)
            await two.until(lambda f: len(f.values) == 3)
            assert live_queries(server) == 2
            assert server.app._services.registry.rounds.runs == 2  # type: ignore[union-attr]


async def test_a_slow_query_holds_up_no_other_and_says_where_it_is_true(database_uri: str) -> None:
    queries = {**CARDS, "s": ("testStreams.slow", {"group": "x"})}
    async with serving(database_uri, FUNCTIONS) as server:
        GATE.set()
        follower = Follower(server.http, queries)
        async with follower.following():
            await follower.until(lambda f: f.values == {"c": [], "s": []})
            GATE.clear()
            await server.mutation("cardApp.add", group="x", text="ab")
            await follower.until(lambda f: len(f.values["c"]) == 1)
            assert follower.values["s"] == []
            assert follower.position is not None
            assert follower.position.endswith("-")
            await server.mutation("cardApp.add", group="x", text="abc")
            await follower.until(lambda f: len(f.values["c"]) == 2)
            GATE.set()
            await follower.until(lambda f: f.values["s"] == [2, 3])
            assert not follower.position.endswith("-")


async def test_a_query_that_finds_no_room_comes_when_there_is_some(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIVE_QUERIES_MAX", 2)
    monkeypatch.setattr(limits, "LINGER_SECONDS", 0)
    monkeypatch.setattr(limits, "SUBSCRIBE_AGAIN_SECONDS", 0.05)
    full = {**CARDS, "x": ("cardApp.cards", {"group": "y"})}
    async with serving(database_uri, [card_app]) as server:
        first = Follower(server.http, full)
        second = Follower(server.http, {**CARDS, "z": ("cardApp.cards", {"group": "z"})})
        async with AsyncExitStack() as others:
            await others.enter_async_context(first.following())
            await first.until(lambda f: f.values == {"c": [], "x": []})
            async with second.following():
                await second.until(lambda f: f.values == {"c": []})
                assert second.errors["z"]["code"] == "too_many"
                await server.mutation("cardApp.add", group="x", text="a")
                await second.until(lambda f: len(f.values["c"]) == 1)
                await others.aclose()
                await second.until(lambda f: f.values.get("z") == [])
                await server.mutation("cardApp.add", group="z", text="b")
                await second.until(lambda f: len(f.values["z"]) == 1)


async def test_who_wrote_is_told_which_query_does_not_show_it_yet(database_uri: str) -> None:
    queries = {**CARDS, "s": ("testStreams.slow", {"group": "x"})}
    async with serving(database_uri, FUNCTIONS) as server:
        GATE.set()
        follower = Follower(server.http, queries, client="me")
        async with follower.following():
            await follower.until(lambda f: f.values == {"c": [], "s": []})
            GATE.clear()
            written = await server.http.post(
                "/api/mutation/cardApp.add",
                json={"group": "x", "text": "ab"},
                headers={"Headwater-Client": "me", "Idempotency-Key": "once"},
            )
            position = Position.parse(written.json()["position"])
            await follower.until(lambda f: f.has_passed(str(position)))
            assert Position.parse(follower.at["s"]).time < position.time
            assert follower.values["s"] == []
            GATE.set()
            await follower.until(lambda f: f.values["s"] == [2] and not f.at)


async def test_a_strict_stream_waits_for_its_slowest_query(database_uri: str) -> None:
    queries = {**CARDS, "s": ("testStreams.slow", {"group": "x"})}
    async with serving(database_uri, FUNCTIONS) as server:
        GATE.set()
        follower = Follower(server.http, queries, strict=True)
        free = Follower(server.http, CARDS)
        async with follower.following(), free.following():
            await follower.until(lambda f: f.values == {"c": [], "s": []})
            GATE.clear()
            await server.mutation("cardApp.add", group="x", text="ab")
            await free.until(lambda f: len(f.values.get("c", [])) == 1)
            await asyncio.sleep(3 * limits.GRACE_SECONDS)
            assert follower.values == {"c": [], "s": []}
            GATE.set()
            await follower.until(lambda f: f.values["s"] == [2])
            assert len(follower.values["c"]) == 1
            together = next(
                e
                for e in follower.events
                if "s" in e.data["queries"] and e.data["queries"]["s"].get("patch")
            )
            assert "c" in together.data["queries"]


async def test_resuming_while_a_query_was_behind_loses_nothing(database_uri: str) -> None:
    queries = {**CARDS, "s": ("testStreams.slow", {"group": "x"})}
    async with serving(database_uri, FUNCTIONS) as server:
        GATE.set()
        follower = Follower(server.http, queries)
        async with follower.following():
            await follower.until(lambda f: f.values == {"c": [], "s": []})
            GATE.clear()
            await server.mutation("cardApp.add", group="x", text="ab")
            await follower.until(lambda f: len(f.values["c"]) == 1)
        assert follower.position is not None
        assert follower.position.endswith("-")
        GATE.set()
        async with follower.following():
            await follower.until(lambda f: f.values["s"] == [2])


async def finds_of(cards: Any) -> int:
    """How many finds mongod has made in a collection."""
    totals = (await cards.database.client.admin.command("top"))["totals"]
    return totals[cards.full_name]["queries"]["count"]


async def test_deltas_cost_no_read_and_come_as_appends(database_uri: str) -> None:
    async with (
        serving(database_uri, [card_app]) as server,
        AsyncMongoClient[dict[str, Any]](database_uri, w="majority") as client,
    ):
        made = await server.mutation("cardApp.add", group="x")
        follower = Follower(server.http, {**CARDS, "n": ("cardApp.counted", {"group": "x"})})
        async with follower.following():
            await follower.until(lambda f: len(f.values) == 2)
            rounds = server.app._services.registry.rounds  # type: ignore[union-attr]
            before = (rounds.runs, rounds.fetches)
            cards = client[database_name(database_uri)]["cards"]
            queries = await finds_of(cards)
            for number in range(200):
                await cards.update_one({"_id": made["_id"]}, {"$push": {"text": f"{number} "}})
            whole = "".join(f"{number} " for number in range(200))
            await follower.until(lambda f: f.values["c"][0]["text"] == whole)
            assert (rounds.runs, rounds.fetches) == before
            assert await finds_of(cards) == queries, "mongod itself counts none for us"
        grown = [e for e in follower.events if e.data["queries"].get("c", {}).get("patch")]
        operations = [o for e in grown for o in e.data["queries"]["c"]["patch"]]
        assert {o["op"] for o in operations} == {"append"}
        assert max(e.size for e in grown) < 2_000
        assert all(e.size < 150 + len(e.data["queries"]["c"]["patch"][0]["value"]) for e in grown)


async def test_what_a_busy_reader_missed_comes_as_one(database_uri: str) -> None:
    async with serving(database_uri, [card_app]) as server:
        made = await server.mutation("cardApp.add", group="x")
        registry = server.app._services.registry  # type: ignore[union-attr]
        follower = Follower(server.http, CARDS)
        async with follower.following():
            await follower.until(lambda f: "c" in f.values)
            (live,) = registry.queries
            position, parts = registry.position, []
            from schemas.wire.position import Time

            for number in range(1, 50):  # as if the feed had brought them in one batch
                parts.append(str(number))
                at = Time(position.seconds, position.increment + number)
                live.step(at, [{"op": "append", "path": "/0/text", "value": str(number)}])
            await follower.until(lambda f: f.values["c"][0]["text"] == "".join(parts))
            patches = [e for e in follower.events if "patch" in e.data["queries"].get("c", {})]
            assert len(patches) == 1
            assert len(patches[0].data["queries"]["c"]["patch"]) == 1
        assert made["text"] == ""


async def test_a_reader_beyond_the_log_takes_a_snapshot(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LOG_BYTES_MAX", 300)
    async with serving(database_uri, [card_app]) as server:
        await server.mutation("cardApp.add", group="x")
        staying = Follower(server.http, CARDS)
        leaving = Follower(server.http, CARDS)
        async with staying.following():
            async with leaving.following():
                await leaving.until(lambda f: "c" in f.values)
            for rank in range(20):
                await server.mutation("cardApp.add", group="x", rank=rank)
                await staying.until(lambda f, n=rank + 2: len(f.values["c"]) == n)
            async with leaving.following():
                await leaving.until(lambda f: f.values == staying.values)
            assert leaving.snapshots == 2
            assert leaving.events[-1].data["from"] is not None
            assert staying.snapshots == 1


async def test_a_silent_stream_tells_its_position(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_SECONDS", 0.3)
    async with serving(database_uri, [card_app]) as server:
        follower = Follower(server.http, CARDS)
        async with follower.following():
            await follower.until(lambda f: len(f.events) >= 4)
        assert all(event.data["queries"] == {} for event in follower.events[1:])
        url = f"/api/live/cardApp.cards?args={quote(json.dumps({'group': 'x'}))}"
        async with server.http.stream("GET", url) as response:
            seen = events_of(response)
            assert (await anext(seen)).data == {"snapshot": []}
            assert (await anext(seen)).data == {"patch": []}


async def test_streams_may_not_be_kept_changed_or_delayed_by_proxies(database_uri: str) -> None:
    async with serving(database_uri, [card_app]) as server:
        for url in (
            f"/api/live/cardApp.cards?args={quote(json.dumps({'group': 'x'}))}",
            Follower(server.http, CARDS).url(),
        ):
            async with server.http.stream("GET", url) as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                assert response.headers["cache-control"] == "no-store, no-transform"
                assert response.headers["x-accel-buffering"] == "no"


async def test_a_stalled_reader_is_dropped_and_harms_nobody(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_STALL_SECONDS", 0.5)
    async with serving(database_uri, [card_app]) as server:
        made = await server.mutation("cardApp.add", group="x")
        hub = server.app._services.hub  # type: ignore[union-attr]
        reader = Follower(server.http, CARDS)
        port = urlsplit(server.url).port
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.connect(("127.0.0.1", port))
            stalled.sendall(f"GET {reader.url()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            async with reader.following(), AsyncMongoClient[dict[str, Any]](database_uri) as client:
                await reader.until(lambda f: "c" in f.values)
                await asyncio.to_thread(stalled.recv, 10, socket.MSG_PEEK)
                assert len(hub) == 2
                cards = client[database_name(database_uri)]["cards"]
                written = 0
                async with asyncio.timeout(60):
                    while len(hub) > 1:
                        await cards.update_one(
                            {"_id": made["_id"]}, {"$push": {"text": "x" * 50_000}}
                        )
                        written += 50_000
                        await asyncio.sleep(0.01)
                assert written < 10_000_000
                await reader.until(lambda f: len(f.values["c"][0]["text"]) == written)


async def test_the_feed_starts_anew_when_the_database_is_dropped(database_uri: str) -> None:
    async with (
        serving(database_uri, [card_app]) as server,
        AsyncMongoClient[dict[str, Any]](database_uri) as client,
    ):
        await server.mutation("cardApp.add", group="x", rank=3)
        follower = Follower(server.http, {**CARDS, "n": ("cardApp.counted", {"group": "x"})})
        async with follower.following():
            await follower.until(lambda f: ranks(f) == [3] and f.values.get("n") is not None)
            await client.drop_database(database_name(database_uri))
            empty = {"c": [], "n": {"all": 0, "done": 0}}
            await follower.until(lambda f: f.snapshots >= 4 and f.values == empty)
            await server.mutation("cardApp.add", group="x", rank=5)
            await follower.until(lambda f: ranks(f) == [5])


async def test_a_dropped_collection_empties_what_was_read_from_it(database_uri: str) -> None:
    async with (
        serving(database_uri, [card_app]) as server,
        AsyncMongoClient[dict[str, Any]](database_uri) as client,
    ):
        await server.mutation("cardApp.add", group="x", rank=3)
        follower = Follower(server.http, CARDS)
        async with follower.following():
            await follower.until(lambda f: ranks(f) == [3])
            database = client[database_name(database_uri)]
            await database.drop_collection("cards")
            await follower.until(lambda f: ranks(f) == [])
            await database["other"].insert_one({"_id": "r", "group": "x", "rank": 8})
            await database["other"].rename("cards")
            await follower.until(lambda f: ranks(f) == [8])


async def test_permission_that_is_lost_and_regained_is_seen_at_once(database_uri: str) -> None:
    async with serving(database_uri, [card_app]) as server:
        await server.mutation("cardApp.allow", member="m", allowed=True)
        await server.mutation("cardApp.add", group="x", rank=1)
        follower = Follower(server.http, {"g": ("cardApp.guarded", {"member": "m", "group": "x"})})
        async with follower.following():
            await follower.until(lambda f: ranks(f, "g") == [1])
            await server.mutation("cardApp.allow", member="m", allowed=False)
            await follower.until(lambda f: f.errors.get("g", {}).get("code") == "forbidden")
            await server.mutation("cardApp.add", group="x", rank=2)
            assert "g" not in follower.values
            await server.mutation("cardApp.allow", member="m", allowed=True)
            await follower.until(lambda f: ranks(f, "g") == [1, 2])
