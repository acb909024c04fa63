"""Who asks: `authenticate`, and what each caller is shown."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from starlette.requests import HTTPConnection

from server.core import limits
from server.core.errors import Forbidden
from server.runtime import Caller
from tests import board
from tests.serving import Running, serving
from tests.sse import Follower, events_of
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("patient_streams")


def by_header(connection: HTTPConnection) -> Caller | None:
    user = connection.headers.get("x-user") or connection.query_params.get("client")
    return Caller(user) if user else None


async def by_header_slowly(connection: HTTPConnection) -> Caller | None:
    await asyncio.sleep(0)
    return by_header(connection)


@pytest.mark.parametrize("authenticate", [by_header, by_header_slowly])
async def test_nobody_is_401_everywhere_and_somebody_is_served(
    database_uri: str, authenticate: Any
) -> None:
    async with serving(database_uri, board.HERE, authenticate=authenticate) as server:
        for method, path in [
            ("POST", "/api/query/board.whoami"),
            ("POST", "/api/mutation/board.add"),
            ("POST", "/api/action/board.work"),
            ("GET", "/api/sync?queries=[]"),
            ("POST", "/api/sync"),
            ("GET", "/api/live/board.whoami"),
        ]:
            response = await server.http.request(method, path, json={"topic": "t"})
            assert response.status_code == 401
            error = response.json()["error"]
            assert (error["code"], error["retry"]) == ("unauthenticated", "never")
        ada = await server.http.post("/api/query/board.whoami", json={}, headers={"X-User": "ada"})
        assert ada.json()["value"] == {"id": "ada", "notes": 0}
        assert (await server.http.get("/healthz")).status_code == 200


async def test_authenticate_may_refuse_in_its_own_words(database_uri: str) -> None:
    def authenticate(_: HTTPConnection) -> Caller:
        raise Forbidden("Your account is closed.")

    async with serving(database_uri, board.HERE, authenticate=authenticate) as server:
        for path in ("/api/query/board.whoami", "/api/sync"):
            response = await server.http.post(path, json={})
            assert response.status_code == 403
            assert response.json()["error"]["message"] == "Your account is closed."


def by_ticket(connection: HTTPConnection) -> Caller | None:
    return {"t1": Caller("ada")}.get(connection.query_params.get("ticket", ""))


async def test_a_ticket_in_a_streams_address_says_who_asks(database_uri: str) -> None:
    queries = [{"id": "1", "function": "board.whoami"}]
    async with serving(database_uri, board.HERE, authenticate=by_ticket) as server:
        for ticket, status in [("t1", 200), ("t2", 401)]:
            for method, path, asked in [
                ("GET", "/api/sync", {"params": {"queries": json.dumps(queries)}}),
                ("POST", "/api/sync", {"json": {"queries": queries}}),
                ("GET", "/api/live/board.whoami", {}),
            ]:
                url = httpx2.URL(path, params={"ticket": ticket, **asked.pop("params", {})})
                async with server.http.stream(method, url, **asked) as response:
                    assert response.status_code == status, await response.aread()
                    if status == 200:
                        event = await anext(events_of(response))
                        assert "ada" in json.dumps(event.data)


async def test_without_authenticate_everybody_is_anonymous(database_uri: str) -> None:
    async with serving(database_uri, board.HERE) as server:
        assert (await server.query("board.whoami"))["id"] == "anonymous"


def follow(server: Running, user: str, *queries: tuple[str, dict[str, Any]]) -> Follower:
    """`client` names the user here, as a ticket would."""
    return Follower(server.http, {name: (name, args) for name, args in queries}, client=user)


async def test_callers_share_what_cannot_see_them_and_nothing_else(database_uri: str) -> None:
    async with serving(database_uri, board.HERE, authenticate=by_header) as server:
        both = [("board.whoami", {}), ("board.notes", {"topic": "ada"})]
        ada, eve = follow(server, "ada", *both), follow(server, "eve", *both)
        async with ada.following(), eve.following():
            for follower in (ada, eve):
                await follower.until(lambda f: len(f.values) == 2)
            assert ada.values["board.whoami"] == {"id": "ada", "notes": 0}
            assert eve.values["board.whoami"] == {"id": "eve", "notes": 0}
            metrics = (await server.http.get("/metrics")).text
            assert 'headwater_live_queries{strategy="rerun"} 2.0' in metrics
            assert 'headwater_live_queries{strategy="maintained"} 1.0' in metrics
            await server.http.post(
                "/api/mutation/board.add", json={"topic": "ada"}, headers={"X-User": "eve"}
            )
            await ada.until(lambda f: f.values["board.whoami"]["notes"] == 1)
            for follower in (ada, eve):
                await follower.until(lambda f: len(f.values["board.notes"]) == 1)
        assert eve.values["board.whoami"] == {"id": "eve", "notes": 0}


async def test_permission_that_is_lost_is_an_error_and_regained_comes_back(
    database_uri: str,
) -> None:
    async with serving(database_uri, board.HERE, authenticate=by_header) as server:
        name = "board.room"
        eve = follow(server, "eve", (name, {"name": "blue"}))

        async def call(function: str, **arguments: Any) -> None:
            response = await server.http.post(
                f"/api/mutation/board.{function}", json=arguments, headers={"X-User": "eve"}
            )
            assert response.status_code == 200, response.text

        async with eve.following():
            await eve.until(lambda f: name in f.errors)
            assert eve.errors[name]["code"] == "forbidden"
            assert eve.errors[name]["details"] == {"room": "blue"}
            await call("add", topic="blue", text="one")
            await call("join", room="blue")
            await eve.until(lambda f: name in f.values)
            assert [note["text"] for note in eve.values[name]] == ["one"]
            await call("add", topic="blue", text="two")
            await eve.until(lambda f: len(f.values[name]) == 2)
            await call("leave")
            await eve.until(lambda f: name in f.errors)
            assert name not in eve.values
            await call("add", topic="blue", text="three")
            await call("join", room="blue")
            await eve.until(lambda f: name in f.values)
            assert [note["text"] for note in eve.values[name]] == ["one", "two", "three"]


# --- read your writes -----------------------------------------------------------------------------


def reached(position: str) -> Any:
    """Whether a follower has come to `position`."""

    def numbers(text: str | None) -> tuple[int, ...]:
        return tuple(map(int, (text or "0.0").partition("~")[0].split(".")))

    return lambda follower: numbers(follower.position) >= numbers(position)


@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("name", ["add", "touchNothing"])
async def test_a_clients_stream_passes_its_mutations_position_soon(
    database_uri: str, name: str, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where ordinary progress would never show it, and though none of its queries changed."""
    monkeypatch.setattr(limits, "HEARTBEAT_SECONDS", 3_600.0)
    async with serving(database_uri, board.HERE) as server:
        queries = {"other": ("board.notes", {"topic": "other"})}
        mine = Follower(server.http, queries, client="tab-1")
        theirs = Follower(server.http, queries, client="tab-2")
        async with mine.following(), theirs.following():
            for follower in (mine, theirs):
                await follower.until(lambda f: "other" in f.values)
            for _ in range(2):  # with a key, the second time is answered from what was kept
                headers = {"Headwater-Client": "tab-1"} | ({"Idempotency-Key": key} if key else {})
                answer = await server.http.post(
                    f"/api/mutation/board.{name}",
                    json={"topic": "t"} if name == "add" else {},
                    headers=headers,
                )
                position = answer.json()["position"]
                await mine.until(reached(position))
            assert mine.events[-1].data == {"queries": {}}
            assert len(theirs.events) == 1, "nobody else is woken"


async def test_a_stream_that_is_opened_after_a_write_begins_with_it(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the live query is there already, and has not heard of the write yet."""
    async with serving(database_uri, board.HERE) as server:
        registry = server.app._services.registry  # type: ignore[union-attr]
        prepare, held, go = registry.prepare, asyncio.Event(), asyncio.Event()

        async def prepare_later(step: Any) -> None:
            held.set()
            await go.wait()
            await prepare(step)

        async def first_value(**more: str) -> Any:
            query = {"id": "n", "function": "board.notes", "args": {"topic": "t"}}
            asked = {"queries": [query], **more}
            async with server.http.stream("POST", "/api/sync", json=asked) as response:
                event = await anext(events_of(response))
            assert event.data["from"] is None
            return event.data["queries"]["n"]["snapshot"]

        assert await first_value() == []
        monkeypatch.setattr(registry, "prepare", prepare_later)
        note = await server.mutation("board.add", topic="t")
        await held.wait()
        assert await first_value() == []
        beginning = asyncio.create_task(first_value(after=server.wrote))
        await eventually(lambda: registry._awaited)
        go.set()
        assert await beginning == [note]


@pytest.mark.parametrize(
    ("after", "code"),
    [("nonsense", "malformed"), ("4000000000.1~{build}", "position_ahead")],
)
async def test_a_position_that_cannot_be_reached_is_refused(
    database_uri: str, after: str, code: str
) -> None:
    async with serving(database_uri, board.HERE) as server:
        await server.mutation("board.add", topic="t")
        build = server.wrote.partition("~")[2]
        asked = {"queries": [], "after": after.format(build=build)}
        response = await server.http.post("/api/sync", json=asked)
        assert response.json()["error"]["code"] == code
        asked["after"] = "4000000000.1~another"
        async with server.http.stream("POST", "/api/sync", json=asked) as response:
            assert (await anext(events_of(response))).data == {"from": None, "queries": {}}
