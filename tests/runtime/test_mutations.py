"""Mutations over HTTP: all or nothing, again when MongoDB asks, and once under a key."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.core import limits
from server.runtime import Caller
from tests import board
from tests.board import Gate, gates
from tests.serving import Running, serving


def authenticate(request: Any) -> Caller:
    return Caller(request.headers.get("x-user", "ada"))


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    uri = mongo_uri.replace("/headwater?", "/test_mutations?")
    async with serving(uri, board.HERE, authenticate=authenticate) as running:
        yield running
    async with AsyncMongoClient(mongo_uri) as client:
        await client.drop_database("test_mutations")


@pytest.fixture(autouse=True)
async def database(mongo_uri: str, server: Running) -> AsyncIterator[Any]:
    async with AsyncMongoClient(mongo_uri) as client:
        database = client["test_mutations"]
        for name in ("notes", "members", "headwaterCalls"):
            await database[name].delete_many({})
        yield database


@pytest.fixture
def gate() -> Gate:
    gates["g"] = Gate()
    return gates["g"]


async def call(
    server: Running, name: str, key: str | None = None, user: str = "ada", **arguments: Any
) -> Any:
    headers = {"X-User": user} | ({"Idempotency-Key": key} if key else {})
    return await server.http.post(f"/api/mutation/board.{name}", json=arguments, headers=headers)


async def topics(server: Running, topic: str = "t") -> int:
    return len(await server.query("board.notes", topic=topic))


# --- a transaction --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fail", "status", "error"),
    [
        ("forbidden", 403, {"code": "forbidden", "message": "Not you.", "details": {"when": 1000}}),
        ("paywall", 402, {"code": "paywall", "message": "Pay first.", "details": {"price": 5}}),
        ("details", 500, {"code": "internal"}),
        ("sk-ant-very-secret", 500, {"code": "internal"}),
    ],
)
async def test_a_raise_rolls_everything_back(
    server: Running, fail: str, status: int, error: dict[str, Any]
) -> None:
    answer = await call(server, "addThenRaise", topic="t", fail=fail)
    assert answer.status_code == status
    told = answer.json()["error"]
    assert told.items() >= (error | {"retry": "never"}).items()
    assert "sk-ant" not in answer.text
    assert await topics(server) == 0


async def test_two_mutations_of_one_document_both_succeed(server: Running, gate: Gate) -> None:
    note = await server.mutation("board.add", topic="t")
    both = [asyncio.create_task(call(server, "bump", id=note["_id"], gate="g")) for _ in range(2)]
    while gate.starts < 2:
        gate.reached.clear()
        await gate.reached.wait()
    gate.go.set()
    answers = [answer.json()["value"] for answer in await asyncio.gather(*both)]
    assert sorted(answers) == [1, 2]
    assert gate.starts > 2, "the one that lost was run again"


async def test_a_mutation_that_cannot_get_through_is_503(
    server: Running, gate: Gate, monkeypatch: pytest.MonkeyPatch, database: Any
) -> None:
    note = await server.mutation("board.add", topic="t")
    monkeypatch.setattr(limits, "TRANSACTION_SECONDS_MAX", 0.5)
    async with database.client.start_session() as session:
        await session.start_transaction()
        await database.notes.update_one(
            {"_id": note["_id"]}, {"$set": {"text": "mine"}}, session=session
        )
        answer = await call(server, "like", id=note["_id"])
        await session.abort_transaction()
    assert answer.status_code == 503, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["retry"]) == ("unavailable", "after")
    assert error["retryAfterMs"] > 0


async def test_writes_made_at_once_take_their_turns(server: Running) -> None:
    answer = await call(server, "addAll", topic="t", count=12)
    assert answer.status_code == 200, answer.text
    assert [note["likes"] for note in answer.json()["value"]] == list(range(12))


@pytest.mark.parametrize("again", [False, True])
async def test_a_conflict_that_is_caught_ends_the_transaction_all_the_same(
    server: Running, again: bool
) -> None:
    first = await call(server, "addOrNot", slug="s")
    assert first.json()["value"] == "added"
    second = await call(server, "addOrNot", slug="s", again=again)
    assert second.status_code == 409
    assert second.json()["error"]["message"] == (
        "board.addOrNot: another document already has this slug."
    )
    assert await topics(server) == 1


async def test_without_a_transaction_a_conflict_may_be_caught(server: Running) -> None:
    answers = [await call(server, "addOrNotAlone", slug="s") for _ in range(2)]
    assert [answer.json()["value"] for answer in answers] == ["added", "taken"]
    assert await topics(server) == 1


async def test_one_atomic_write_needs_no_transaction(server: Running, database: Any) -> None:
    note = await server.mutation("board.add", topic="t")
    answers = await asyncio.gather(*(call(server, "likeAlone", id=note["_id"]) for _ in range(20)))
    assert sorted(answer.json()["value"]["likes"] for answer in answers) == list(range(1, 21))
    assert await database.headwaterCalls.count_documents({}) == 0


async def test_a_mutation_that_does_nothing_has_a_position_all_the_same(server: Running) -> None:
    answer = (await call(server, "touchNothing")).json()
    assert answer["value"] is None
    assert int(answer["position"].partition(".")[0]) > 1_700_000_000


async def test_an_unreachable_document_is_not_found(server: Running) -> None:
    answer = await call(server, "like", id="0" * 24)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


# --- keys -----------------------------------------------------------------------------------------


async def test_the_same_key_gives_the_same_answer_and_is_applied_once(server: Running) -> None:
    first = await call(server, "add", key="k", topic="t")
    again = await call(server, "add", key="k", topic="t")
    assert first.status_code == again.status_code == 200
    assert first.json()["value"] == again.json()["value"]
    assert await topics(server) == 1


async def test_the_same_key_twenty_times_at_once_is_applied_once(server: Running) -> None:
    answers = await asyncio.gather(
        *(call(server, "add", key="k", topic="t", text="x") for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {200}, [a.text for a in answers]
    assert len({answer.json()["value"]["_id"] for answer in answers}) == 1
    assert await topics(server) == 1


async def test_the_order_of_arguments_is_no_difference(server: Running) -> None:
    one = await call(server, "add", key="k", topic="t", text="x")
    two = await call(server, "add", key="k", text="x", topic="t")
    assert one.json()["value"] == two.json()["value"]


async def test_a_key_with_other_arguments_is_409(server: Running) -> None:
    await call(server, "add", key="k", topic="t")
    answer = await call(server, "add", key="k", topic="t", text="other")
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "idempotency_key_reused"
    assert await topics(server) == 1


async def test_a_key_belongs_to_its_caller_and_function(server: Running) -> None:
    ada = await call(server, "add", key="k", topic="t")
    eve = await call(server, "add", key="k", user="eve", topic="t")
    assert ada.json()["value"]["_id"] != eve.json()["value"]["_id"]
    id_ = ada.json()["value"]["_id"]
    liked = [
        await call(server, name, key="k", id=id_)
        for name in ("like", "likeAlone")
        for _ in range(2)
    ]
    assert [answer.json()["value"]["likes"] for answer in liked] == [1, 1, 2, 2]


async def test_a_key_makes_a_transaction_of_a_mutation_without_one(server: Running) -> None:
    """Else the write could be made and its answer not be kept."""
    await call(server, "addOrNotAlone", slug="s")
    refused = await call(server, "addOrNotAlone", key="k", slug="s")
    assert refused.status_code == 409
    note = await server.mutation("board.add", topic="t")
    answers = await asyncio.gather(
        *(call(server, "likeAlone", key="k", id=note["_id"]) for _ in range(10))
    )
    assert {answer.json()["value"]["likes"] for answer in answers} == {1}


async def test_a_key_of_a_failed_call_is_free_again(server: Running) -> None:
    failed = await call(server, "like", key="k", id="0" * 24)
    assert failed.status_code == 404
    again = await call(server, "like", key="k", id="0" * 24)
    assert again.status_code == 404
    note = await server.mutation("board.add", topic="t")
    assert (await call(server, "like", key="k", id=note["_id"])).status_code == 200


async def test_what_is_kept_under_a_key_is_a_hash_that_expires(
    server: Running, database: Any
) -> None:
    await call(server, "add", key="hush-key", topic="t", text="hush-text")
    (record,) = await database.headwaterCalls.find().to_list()
    assert record.keys() == {"_id", "function", "arguments", "expiresAt", "value"}
    assert "hush-key" not in str(record)
    assert "hush" not in record["arguments"]
    indexes = await database.headwaterCalls.index_information()
    assert any(one.get("expireAfterSeconds") == 0 for one in indexes.values())
