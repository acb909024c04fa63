"""A server on ``memory:``, for unit tests: live as on MongoDB, plain about what it cannot do."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator

import httpx2
import pytest

import server.functions
from server.app import create_app
from server.core.errors import StartupError
from server.settings import Settings
from server.store.connection import connect_client
from tests import board
from tests.serving import Running, serving
from tests.sse import Follower
from tests.web import odd_app


@pytest.fixture(scope="module")
async def memory() -> AsyncIterator[Running]:
    async with serving("memory:", [*server.functions.ALL, *board.HERE, odd_app]) as running:
        yield running


async def test_live_queries_follow_every_kind_of_write(memory: Running) -> None:
    queries = {
        "notes": ("board.notes", {"topic": "t", "limit": 2}),
        "tally": ("board.tally", {"topic": "t"}),
    }
    follower = Follower(memory.http, queries, client="tab")
    async with follower.following():
        await follower.until(lambda f: f.values.keys() == queries.keys())
        made = [await memory.mutation("board.add", topic="t") for _ in range(3)]
        await follower.until(lambda f: f.values["tally"]["notes"] == 3)
        assert [note["_id"] for note in follower.values["notes"]] == [n["_id"] for n in made[:2]]
        await memory.mutation("board.like", id=made[0]["_id"])
        await follower.until(lambda f: f.values["notes"][0]["likes"] == 1)
        assert any("patch" in e.data["queries"].get("notes", {}) for e in follower.events)
        answer = await memory.http.post(
            "/api/mutation/tasks.create", json={"title": "T"}, headers={"Headwater-Client": "tab"}
        )
        position = answer.json()["position"]
        await follower.until(lambda f: f.has_passed(position))
        value = await memory.query("board.notes", topic="t", limit=2)
        assert value == follower.values["notes"]


async def test_a_unique_index_and_a_missing_document_are_refused_as_by_mongodb(
    memory: Running,
) -> None:
    await memory.mutation("board.add", topic="u", slug="one")
    for name, arguments, status in (
        ("add", {"topic": "u", "slug": "one"}, 409),
        ("like", {"id": "5eed00000000000000000000"}, 404),
        ("add", {"topci": "u"}, 422),
    ):
        answer = await memory.http.post(f"/api/mutation/board.{name}", json=arguments)
        assert answer.status_code == status, answer.text
    await memory.mutation("board.add", topic="u")
    await memory.mutation("board.add", topic="u")  # without a slug there may be several
    assert len(await memory.query("board.notes", topic="u")) == 3


async def test_a_key_is_applied_once_and_a_raise_keeps_what_was_written(memory: Running) -> None:
    for _ in range(2):
        answer = await memory.http.post(
            "/api/mutation/board.add", json={"topic": "k"}, headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == 200
    assert len(await memory.query("board.notes", topic="k")) == 1
    answer = await memory.http.post(
        "/api/mutation/board.addThenRaise", json={"topic": "r", "fail": "forbidden"}
    )
    assert answer.status_code == 403
    assert await memory.query("board.notes", topic="r"), "there was no transaction to roll back"


async def test_streaming_is_refused_with_the_cure_before_anything_is_begun(
    memory: Running,
) -> None:
    task = (await memory.mutation("tasks.create", title="T"))["_id"]
    for name, arguments in (
        ("streamChat", {"taskId": task, "prompt": "Go"}),
        ("resumeStream", {"messageId": task}),
    ):
        answer = await memory.http.post(f"/api/action/streaming.{name}", json=arguments)
        assert answer.status_code == 501, answer.text
        error = answer.json()["error"]
        assert (error["code"], error["retry"]) == ("not_in_memory", "never")
        assert "unset HEADWATER_MONGODB_URI" in error["message"]
    assert await memory.query("messages.byTask", taskId=task) == []


async def test_what_mongomock_cannot_do_is_said_with_the_cure(memory: Running) -> None:
    answer = await memory.http.post("/api/query/oddApp.near", json={})
    assert answer.status_code == 501, answer.text
    assert "unset HEADWATER_MONGODB_URI" in answer.json()["error"]["message"]


async def test_a_window_of_time_empties_by_itself(memory: Running) -> None:
    shown: list[int] = []
    follower = Follower(
        memory.http,
        {"r": ("oddApp.recent", {})},
        watch=lambda _id, _old, new: shown.append(len(new)),
    )
    async with follower.following():
        await follower.until(lambda _: shown == [0])
        await memory.mutation("oddApp.see", text="x")
        await follower.until(lambda _: shown == [0, 1, 0])


async def test_many_writers_and_readers_end_with_what_is_stored(memory: Running) -> None:
    queries = {
        "n": ("board.notes", {"topic": "many", "limit": 100}),
        "l": ("board.liked", {"likes": 3}),
    }
    follower = Follower(memory.http, queries)
    async with follower.following():
        note = await memory.mutation("board.add", topic="many")
        likes = [memory.mutation("board.like", id=note["_id"]) for _ in range(30)]
        adds = [memory.mutation("board.add", topic="many") for _ in range(30)]
        await asyncio.gather(*likes, *adds)
        value = await memory.query("board.notes", topic="many", limit=100)
        await follower.until(lambda f: f.values.get("n") == value and f.values.get("l") == 1)
    assert len(value) == 31
    assert value[0]["likes"] == 30


async def test_an_apps_own_asgi_client_needs_no_port(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings(mongodb_uri="memory:"), functions=[*server.functions.ALL])
    with caplog.at_level(logging.WARNING, "headwater"):
        async with (
            app.lifespan(),
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app), base_url="http://testserver"
            ) as client,
        ):
            made = await client.post("/api/mutation/tasks.create", json={"title": "T"})
            found = await client.post(
                "/api/query/tasks.get", json={"taskId": made.json()["value"]["_id"]}
            )
    assert found.json()["value"]["title"] == "T"
    (said,) = [record.getMessage() for record in caplog.records]
    for limit in ("without a transaction", "no Claude streams", "streaming.sweep", "Unset"):
        assert limit in said


async def test_each_lifespan_begins_empty() -> None:
    app = create_app(Settings(mongodb_uri="memory:"), functions=[*server.functions.ALL])
    for _ in range(2):
        transport = httpx2.ASGITransport(app)
        async with (
            app.lifespan(),
            httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client,
        ):
            await client.post("/api/mutation/tasks.create", json={"title": "T"})
            assert len((await client.post("/api/query/tasks.list", json={})).json()["value"]) == 1


async def test_without_mongomock_motor_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mongomock_motor", None)
    with pytest.raises(StartupError, match=r"install headwater\[memory\]"):
        async with create_app(Settings(mongodb_uri="memory:"), functions=[]).lifespan():
            pass


async def test_commands_of_other_processes_are_told_that_it_is_nobody_elses() -> None:
    with pytest.raises(StartupError, match="unset the variable"):
        await connect_client("memory:")
