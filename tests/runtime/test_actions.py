"""Actions over HTTP: answered early or at the end, once under a key, and never in the way."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.runtime import Caller
from tests import board
from tests.board import Gate, gates
from tests.serving import Running, serving


def authenticate(request: Any) -> Caller:
    return Caller(request.headers.get("x-user", "ada"))


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    uri = mongo_uri.replace("/headwater?", "/test_actions?")
    async with serving(uri, board.HERE, authenticate=authenticate) as running:
        yield running
    async with AsyncMongoClient(mongo_uri) as client:
        await client.drop_database("test_actions")


@pytest.fixture(autouse=True)
async def database(mongo_uri: str, server: Running) -> AsyncIterator[Any]:
    async with AsyncMongoClient(mongo_uri) as client:
        database = client["test_actions"]
        for name in ("notes", "members", "headwaterCalls"):
            await database[name].delete_many({})
        yield database


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    held = gates["g"] = Gate()
    yield held
    held.go.set()


async def work(
    server: Running, key: str | None = None, wait: bool = False, name: str = "work", **more: Any
) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    arguments = {"gate": "g"} | more if name == "work" else more
    path = f"/api/action/board.{name}" + ("?wait=true" if wait else "")
    return await server.http.post(path, json=arguments, headers=headers)


async def actions_ended() -> None:
    """Wait until no action is at work; server and test are one process."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == "action board.work"]
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)


async def worked(server: Running) -> None:
    """Wait until the action has ended, and see that it wrote its last."""
    await actions_ended()
    assert await server.query("board.notes", topic="worked") != []


async def test_an_action_that_responds_is_answered_while_it_works(
    server: Running, gate: Gate
) -> None:
    answer = await work(server)
    assert answer.status_code == 202
    assert answer.json()["value"] == {"phase": "begun", "start": 1}
    assert int(answer.json()["position"].partition(".")[0]) > 1_700_000_000
    assert await server.query("board.notes", topic="worked") == []
    gate.go.set()
    await worked(server)


async def test_waiting_gives_what_the_action_returns(server: Running, gate: Gate) -> None:
    waiting = asyncio.create_task(work(server, wait=True))
    await gate.reached.wait()
    assert not waiting.done()
    gate.go.set()
    answer = await waiting
    assert answer.status_code == 200
    assert answer.json()["value"] == {"phase": "ended", "start": 1}


async def test_an_action_that_never_responds_answers_with_what_it_returns(
    server: Running, gate: Gate
) -> None:
    gate.go.set()
    answer = await work(server, early=False)
    assert answer.status_code == 202
    assert answer.json()["value"] == {"phase": "ended", "start": 1}


@pytest.mark.parametrize("fail", ["end", "known"])
async def test_a_raise_after_the_answer_is_logged_and_does_no_harm(
    server: Running, gate: Gate, fail: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await work(server, fail=fail)
    assert answer.status_code == 202
    gate.go.set()
    await actions_ended()
    (record,) = [one for one in caplog.records if one.name == "headwater"]
    assert "board.work" in record.getMessage()
    assert await server.query("board.notes", topic="worked") == []


async def test_a_raise_after_the_answer_reaches_who_waits(server: Running, gate: Gate) -> None:
    gate.go.set()
    answer = await work(server, wait=True, fail="known")
    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == "Too late."


async def test_a_failed_start_is_an_error_without_a_secret(server: Running, gate: Gate) -> None:
    answer = await work(server, fail="start")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "hush" not in answer.text


async def test_an_answer_that_has_no_json_form_is_the_servers_fault(server: Running) -> None:
    answer = await work(server, name="respondWithNonsense", key="k")
    assert answer.status_code == 500
    again = await work(server, name="respondWithNonsense", key="k")
    assert again.status_code == 500, "the key is free again"


async def test_an_action_catches_conflicts_as_they_are_written_down(server: Running) -> None:
    answers = [await work(server, name="claimSlug", slug="s") for _ in range(2)]
    assert [answer.json()["value"] for answer in answers] == ["added", "taken"]


async def test_a_find_that_an_action_returns_is_read(server: Running) -> None:
    for text in "ab":
        await server.mutation("board.add", topic="t", text=text)
    answer = await work(server, name="listing", topic="t")
    assert answer.json()["value"] == ["a", "b"]


async def test_a_mutation_that_an_action_runs_is_for_the_same_caller(
    server: Running, database: Any
) -> None:
    answer = await server.http.post(
        "/api/action/board.sign", json={"topic": "t"}, headers={"X-User": "eve"}
    )
    assert answer.json()["value"]["text"] == "eve"
    assert [one["_id"] async for one in database.members.find()] == ["eve"]
    again = await server.http.post(
        "/api/action/board.sign", json={"topic": "t"}, headers={"X-User": "eve"}
    )
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "conflict"


# --- keys -----------------------------------------------------------------------------------------


async def test_a_key_keeps_the_response_and_a_retry_starts_nothing(
    server: Running, gate: Gate
) -> None:
    first = await work(server, key="k")
    again = await work(server, key="k")
    assert first.json()["value"] == again.json()["value"] == {"phase": "begun", "start": 1}
    assert again.status_code == 202
    gate.go.set()
    await worked(server)
    late = await work(server, key="k", wait=True)
    assert late.json()["value"] == first.json()["value"]
    assert gate.starts == 1


async def test_a_key_keeps_what_an_action_returns_where_it_never_responds(
    server: Running, gate: Gate
) -> None:
    gate.go.set()
    first = await work(server, key="k", early=False)
    again = await work(server, key="k", early=False)
    assert first.json()["value"] == again.json()["value"] == {"phase": "ended", "start": 1}


async def test_a_key_at_work_is_409_until_it_answers(server: Running, gate: Gate) -> None:
    first = asyncio.create_task(work(server, key="k", early=False))
    await gate.reached.wait()
    busy = await work(server, key="k", early=False)
    assert busy.status_code == 409
    error = busy.json()["error"]
    assert (error["code"], error["retry"]) == ("idempotency_key_in_use", "after")
    gate.go.set()
    assert (await first).json()["value"]["start"] == 1
    assert (await work(server, key="k", early=False)).json()["value"]["start"] == 1


async def test_one_key_twenty_times_at_once_starts_one(server: Running, gate: Gate) -> None:
    answers = await asyncio.gather(*(work(server, key="k") for _ in range(20)))
    assert gate.starts == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["error"]["code"] == "idempotency_key_in_use"
        else:
            assert answer.json()["value"] == {"phase": "begun", "start": 1}


async def test_an_actions_key_with_other_arguments_is_409(server: Running, gate: Gate) -> None:
    await work(server, key="k")
    answer = await work(server, key="k", early=False)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "idempotency_key_reused"


async def test_a_failed_start_lets_go_of_its_key(server: Running, gate: Gate) -> None:
    for start in (1, 2):
        assert (await work(server, key="k", fail="start")).status_code == 500
        assert gate.starts == start


async def test_a_stop_before_the_answer_lets_go_of_its_key(database_uri: str, gate: Gate) -> None:
    async with serving(database_uri, board.HERE) as server:
        begun = asyncio.create_task(work(server, key="k", early=False))
        await gate.reached.wait()
        await server.app.stop_serving()
        answer = await begun
        assert answer.status_code == 503
        assert answer.json()["error"]["retry"] == "after"
    gate.go.set()
    async with serving(database_uri, board.HERE) as server:
        answer = await work(server, key="k", early=False)
        assert answer.json()["value"] == {"phase": "ended", "start": 2}
