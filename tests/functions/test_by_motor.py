"""The whole road with HEADWATER_DRIVER=motor: calls, patches, a reply, a lease, an end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import server.functions
from server.llm.standin import Reply, Stalled, StandinServer, Text
from server.store.motor import MotorDatabase
from tests import board
from tests.functions.chat import begin, ended, new_task, text_of, watching
from tests.runtime import later_app
from tests.serving import Running, serving
from tests.sse import Follower
from tests.waiting import eventually


@pytest.fixture(scope="module")
async def by_motor(mongo_uri: str, mongo: Any) -> AsyncIterator[Running]:
    uri = mongo_uri.replace("/headwater?", "/test_by_motor?")
    functions = [*server.functions.ALL, *board.HERE, later_app]
    standin = StandinServer()
    async with standin, serving(uri, functions, standin=standin, driver="motor") as running:
        services = running.app._services
        assert services is not None
        assert isinstance(services.reads._database, MotorDatabase)
        yield running
    await mongo.drop_database("test_by_motor")


async def test_a_mutation_reaches_every_subscriber_as_a_patch(by_motor: Running) -> None:
    follower = Follower(by_motor.http, {"n": ("board.notes", {"topic": "m"})})
    async with follower.following():
        await follower.until(lambda f: f.values == {"n": []})
        note = await by_motor.mutation("board.add", topic="m")
        await follower.until(lambda f: f.values == {"n": [note]})
        assert "patch" in follower.events[-1].data["queries"]["n"]
    assert await by_motor.query("board.notes", topic="m") == [note]


async def test_the_same_key_twenty_times_at_once_is_applied_once(by_motor: Running) -> None:
    async def call() -> Any:
        return await by_motor.http.post(
            "/api/mutation/board.add", json={"topic": "k"}, headers={"Idempotency-Key": "k"}
        )

    answers = await asyncio.gather(*(call() for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["value"]["_id"] for answer in answers}) == 1
    assert len(await by_motor.query("board.notes", topic="k")) == 1


async def test_what_is_scheduled_is_called_and_what_recurs_runs(by_motor: Running) -> None:
    """Every look at what is due failed: the collection had no `aggregate`."""
    await by_motor.mutation("laterApp.later", of="motor")
    follower = Follower(by_motor.http, {"m": ("laterApp.marks", {"of": "motor"})})
    async with follower.following():
        await follower.until(lambda f: len(f.values.get("m", [])) == 1)
    await eventually(lambda: "hourly" in later_app.ticks)
    services = by_motor.app._services
    assert services is not None
    assert "laterApp.hourly" in await services.schedules.all()
    assert await services.calls.stored() == 0
    assert await services.calls.counts() == {}
    assert await services.calls.failed() == 0
    assert await services.calls.next(10) == []


async def test_a_raise_rolls_everything_back(by_motor: Running) -> None:
    answer = await by_motor.http.post(
        "/api/mutation/board.addThenRaise", json={"topic": "r", "fail": "forbidden"}
    )
    assert answer.status_code == 403, answer.text
    assert await by_motor.query("board.notes", topic="r") == []


async def test_a_reply_grows_by_appends(by_motor: Running) -> None:
    go_on = asyncio.Event()
    begins = Stalled(after=1, until=go_on)
    by_motor.script.add(Reply([Text(["word "] * 4_000)], delta_interval_ms=5, failure=begins))
    message = await begin(by_motor, await new_task(by_motor))

    def appends(follower: Follower) -> int:
        operations = [
            operation["op"]
            for event in follower.events
            for operation in event.data["queries"].get("m", {}).get("patch", [])
        ]
        return operations.count("append")

    async with watching(by_motor, message) as follower:
        go_on.set()
        await follower.until(lambda f: appends(f) > 3)
        await by_motor.action("streaming.cancelStream", messageId=message)
        await follower.until(lambda f: f.values["m"]["status"] == "CANCELLED")
        text = text_of(follower.values["m"])
    assert text
    assert text == "word " * (len(text) // 5)
    assert text == text_of(await ended(by_motor, message))


async def test_a_reply_holds_its_lease_past_its_length_and_is_cancelled_at_once(
    by_motor: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.functions.reply_lease.LEASE_SECONDS", 2.0)
    by_motor.script.add(Reply([Text(["word "] * 4_000)], delta_interval_ms=5))
    message = await begin(by_motor, await new_task(by_motor))
    async with watching(by_motor, message) as follower:
        await follower.until(lambda f: len(text_of(f.values["m"])) > 2_500)  # 2.5 s and more
        assert follower.values["m"]["status"] == "STREAMING"
        said = await by_motor.action("streaming.cancelStream", messageId=message)
        assert said == {"cancelled": True}
        await follower.until(lambda f: f.values["m"]["status"] == "CANCELLED")
    text = text_of(await ended(by_motor, message))
    assert 2_500 < len(text) < 20_000
