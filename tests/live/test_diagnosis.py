"""What operators are told of live queries is true: how, why, and at what cost."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.store.connection import database_name
from tests.live import diagnosed_app
from tests.serving import Running, serving
from tests.sse import Follower
from tests.waiting import eventually


@pytest.fixture
async def server(database_uri: str) -> AsyncIterator[Running]:
    async with serving(database_uri, [diagnosed_app]) as running:
        yield running


def follow(server: Running, name: str, **arguments: Any) -> Follower:
    return Follower(server.http, {"q": (f"diagnosedApp.{name}", arguments)})


async def diagnosis(server: Running) -> Any:
    response = await server.http.get("/api/live-queries")
    assert response.status_code == 200, response.text
    return response.json()


async def row(server: Running, name: str) -> dict[str, Any]:
    """The one row of a function."""
    rows = (await diagnosis(server))["queries"]
    (found,) = [one for one in rows if one["function"] == f"diagnosedApp.{name}"]
    return found


async def number(server: Running, name: str) -> float:
    """A number of /metrics."""
    text = (await server.http.get("/metrics")).text
    (found,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(found.rpartition(" ")[2])


async def has_value(follower: Follower) -> None:
    await follower.until(lambda f: "q" in f.values or "q" in f.errors)


# --- strategies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "strategy", "reason"),
    [
        ("inTown", {"town": "x"}, "maintained", "kept current from change events alone"),
        ("overBudget", {"town": "x"}, "asked", "$expr is judged by MongoDB"),
        ("randomThird", {}, "rerun", "its find of places cannot be maintained: it depends on "),
        ("howMany", {"town": "x"}, "rerun", "it awaits places"),
        ("about", {"town": "x"}, "rerun", "it awaits places"),
        ("refused", {"town": "x"}, "rerun", "it awaits places"),
        ("motto", {}, "constant", "it reads nothing"),
    ],
)
async def test_each_query_says_how_it_is_kept_current_and_why(
    server: Running, name: str, arguments: dict[str, Any], strategy: str, reason: str
) -> None:
    follower = follow(server, name, **arguments)
    async with follower.following():
        await has_value(follower)
        found = await row(server, name)
        assert found["strategy"] == strategy
        assert reason in found["reason"]
        assert json.loads(found["arguments"]) == arguments | (
            {"limit": 3} if name == "inTown" else {}
        )
        assert found["error"] == ("forbidden" if name == "refused" else None)
        assert (found["runs"], found["cause"], found["lagMs"]) == (1, "subscribed", 0)
        assert await number(server, f'headwater_live_queries{{strategy="{strategy}"}}') == 1


async def test_a_query_that_lost_its_value_says_so_and_for_how_long(server: Running) -> None:
    registry = server.app._services.registry  # type: ignore[union-attr]
    follower = follow(server, "inTown", town="x")
    async with follower.following():
        await has_value(follower)
        (query,) = registry.queries
        query.lose(query.stale_since - 60)
        found = await row(server, "inTown")
    assert (found["strategy"], found["cause"]) == ("reading", "lost")
    assert "history was lost" in found["reason"]
    assert found["lagMs"] >= 60_000


# --- numbers -----------------------------------------------------------------------------------


async def test_a_maintained_query_counts_changes_and_reads_once(server: Running) -> None:
    first, second = (follow(server, "inTown", town="x") for _ in range(2))
    async with first.following(), second.following():
        for follower in (first, second):
            await has_value(follower)
        for size in range(5):
            await server.mutation("diagnosedApp.found", town="x", size=size)
            await first.until(
                lambda f, size=size: f.values["q"][:1] and f.values["q"][0]["size"] == size
            )
        await server.mutation("diagnosedApp.found", town="elsewhere")
        await first.until(lambda f: [one["size"] for one in f.values["q"]] == [4, 3, 2])
        found = await row(server, "inTown")
        whole = json.dumps(first.values["q"], separators=(",", ":"))
        assert (found["subscribers"], found["lingering"]) == (2, False)
        assert (found["events"], found["reads"], found["runs"], found["asked"]) == (5, 1, 1, 0)
        assert found["resultCount"] == 3
        assert found["resultBytes"] == len(whole)
        assert found["logCount"] == 5
        assert found["logBytes"] > 0
        totals = (await diagnosis(server))["totals"]
        assert totals["reads"] == {"subscribed": 1}
        assert (totals["subscribers"], totals["touches"], totals["runs"]) == (2, 5, 1)
        assert totals["queries"] == {"maintained": 1}
        assert await number(server, "headwater_query_touches_total") == 5
        assert await number(server, "headwater_subscribers") == 2
        assert await number(server, "headwater_log_bytes") == found["logBytes"]
        assert await number(server, 'headwater_reads_total{reason="subscribed"}') == 1
    await eventually(lambda: len(server.app._services.hub) == 0)  # type: ignore[union-attr]
    found = await row(server, "inTown")
    assert (found["subscribers"], found["lingering"]) == (0, True)


async def test_a_watched_query_counts_its_runs_and_what_they_were_for(server: Running) -> None:
    follower = follow(server, "howMany", town="x")
    async with follower.following():
        await has_value(follower)
        place = await server.mutation("diagnosedApp.found", town="x")
        await follower.until(lambda f: f.values["q"] == 1)
        await server.mutation("diagnosedApp.leave", id=place["_id"])
        await follower.until(lambda f: f.values["q"] == 0)
        found = await row(server, "howMany")
        assert (found["events"], found["runs"], found["reads"]) == (2, 3, 3)
        assert (found["resultCount"], found["cause"]) == (1, "touched")
        assert (await diagnosis(server))["totals"]["reads"] == {"subscribed": 1, "touched": 2}


async def test_asking_is_counted_for_the_query_that_wants_to_know(server: Running) -> None:
    follower = follow(server, "overBudget", town="x")
    async with follower.following():
        await has_value(follower)
        await server.mutation("diagnosedApp.found", town="x", size=2, budget=1)
        await follower.until(lambda f: len(f.values["q"]) == 1)
        found = await row(server, "overBudget")
        assert (found["asked"], found["reads"], found["runs"]) == (1, 2, 1)
        assert (await diagnosis(server))["totals"]["reads"] == {"subscribed": 1, "asked": 1}
        assert await number(server, "headwater_documents_asked_total") == 1


async def test_a_document_that_nobody_held_is_a_read_of_its_own(server: Running) -> None:
    place = await server.mutation("diagnosedApp.found", town="elsewhere")
    follower = follow(server, "inTown", town="x")
    async with follower.following():
        await has_value(follower)
        await server.mutation("diagnosedApp.move", id=place["_id"], town="x")
        await follower.until(lambda f: len(f.values["q"]) == 1)
        totals = (await diagnosis(server))["totals"]
        assert totals["reads"] == {"subscribed": 1, "unheld": 1}
        assert totals["unheld"] == await number(server, "headwater_documents_fetched_total") == 1


async def test_a_window_that_ran_dry_says_so(server: Running) -> None:
    places = [
        await server.mutation("diagnosedApp.found", town="x", size=size) for size in range(30)
    ]
    follower = follow(server, "inTown", town="x", limit=1)
    async with follower.following():
        await has_value(follower)
        for place in reversed(places[1:]):
            await server.mutation("diagnosedApp.leave", id=place["_id"])
        await follower.until(lambda f: [one["size"] for one in f.values["q"]] == [0])
        found = await row(server, "inTown")
        assert (found["cause"], found["runs"]) == ("dry", 2)
        assert (await diagnosis(server))["totals"]["reads"] == {"subscribed": 1, "dry": 1}


async def test_a_dropped_collection_is_a_reason_to_read(server: Running, database_uri: str) -> None:
    await server.mutation("diagnosedApp.found", town="x")
    follower = follow(server, "inTown", town="x")
    async with follower.following():
        await follower.until(lambda f: len(f.values.get("q", ())) == 1)
        async with AsyncMongoClient[dict[str, Any]](database_uri) as client:
            await client[database_name(database_uri)].places.drop()
        await follower.until(lambda f: f.values["q"] == [])
        assert (await row(server, "inTown"))["cause"] == "reset"


async def test_what_costs_most_comes_first_and_the_rest_is_counted(server: Running) -> None:
    followers = [follow(server, "howMany", town=town) for town in ("quiet", "busy", "idle")]
    for follower in followers:
        async with follower.following():
            await has_value(follower)
    async with followers[1].following():
        await server.mutation("diagnosedApp.found", town="busy")
        await followers[1].until(lambda f: f.values["q"] == 1)
        answer = (await server.http.get("/api/live-queries?limit=1")).json()
        assert [one["arguments"] for one in answer["queries"]] == ['{"town":"busy"}']
        assert answer["leftOut"] == 2
        assert sum(answer["totals"]["queries"].values()) == 3


async def test_the_feed_is_not_behind_when_nothing_happens(server: Running) -> None:
    await server.mutation("diagnosedApp.found", town="x")
    feed = server.app._services.feed  # type: ignore[union-attr]
    await eventually(lambda: feed.lag_seconds < 1)
    assert (await diagnosis(server))["totals"]["feedLagMs"] >= 0
