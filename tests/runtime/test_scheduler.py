"""Scheduled calls: stored with what scheduled them, made when due, once or at least once.

Time is the `dueAt` of the stored calls, which the tests move.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from server.core import limits
from server.core.errors import InvalidArguments, NotFound, TooLarge, TooMany, Unavailable
from server.runtime import ANONYMOUS, Caller
from server.runtime.scheduler import Scheduler, Scheduling
from server.runtime.write_context import WriteCtx
from server.store.collections import SCHEDULED_CALLS
from server.store.connection import database_name
from server.store.writes import Writes
from server.web.services import Services
from tests.headwater_command import Server, serving_process
from tests.runtime import later_app
from tests.runtime.later_app import Gate, Place, failures, gates
from tests.serving import Running, serving
from tests.waiting import eventually

HERE: list[ModuleType] = [later_app]
HOUR = 3600.0


def authenticate(request: Any) -> Caller:
    return Caller(request.headers.get("x-user", "ada"), {"role": "writer"})


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    uri = mongo_uri.replace("/headwater?", "/test_scheduler?")
    async with serving(uri, HERE, authenticate=authenticate) as running:
        yield running
    async with AsyncMongoClient(mongo_uri) as client:
        await client.drop_database("test_scheduler")


@pytest.fixture
async def database(mongo: AsyncMongoClient[Any], server: Running) -> AsyncDatabase[Any]:
    database = mongo["test_scheduler"]
    await database.marks.delete_many({})
    await database[SCHEDULED_CALLS].delete_many({})
    failures.clear()
    return database


@pytest.fixture
def calls(database: AsyncDatabase[Any]) -> Any:
    return database[SCHEDULED_CALLS]


def services(server: Running) -> Services:
    return server.app._web.state.services  # pyright: ignore[reportPrivateUsage]


async def is_due(server: Running, calls: Any, **which: Any) -> None:
    """The time has come for calls that are stored, and the server looks."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    assert (await calls.update_many(which, {"$set": {"dueAt": past}})).matched_count
    looked(server)


def looked(server: Running) -> None:
    """The second is over after which the server looks by itself."""
    services(server).call_runner._scheduling.news.set()  # pyright: ignore[reportPrivateUsage]


async def settled(calls: Any, **which: Any) -> Any:
    """Wait until there is such a call; gives it."""
    async with asyncio.timeout(60):
        while (found := await calls.find_one(which)) is None:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.005)
    return found


async def none_left(calls: Any) -> None:
    async with asyncio.timeout(60):
        while await calls.count_documents({}):  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.005)


async def marks(server: Running, of: str) -> list[Any]:
    return await server.query("laterApp.marks", of=of)


def scheduler(server: Running, database: AsyncDatabase[Any]) -> Scheduler:
    """One as a context has it, without a transaction."""
    writes = Writes(database)
    scheduling: Scheduling = services(server).call_runner._scheduling  # pyright: ignore[reportPrivateUsage]
    return WriteCtx(writes.single, scheduling, ANONYMOUS).scheduler


# --- scheduling -----------------------------------------------------------------------------------


async def test_what_is_due_now_is_made_at_once_for_the_same_caller(
    server: Running, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SCHEDULED_LOOK_SECONDS", HOUR)  # nobody looks by himself
    looked(server)
    answer = await server.http.post(
        "/api/mutation/laterApp.later", json={"of": "now"}, headers={"X-User": "eve"}
    )
    assert answer.status_code == 200, answer.text
    await none_left(calls)
    (made,) = await marks(server, "now")
    assert made["by"] == "eve"
    await server.action("laterApp.laterFromAnAction", of="soon")
    await none_left(calls)
    assert len(await marks(server, "soon")) == 1


async def test_what_is_due_later_waits_for_its_time(server: Running, calls: Any) -> None:
    id_ = await server.mutation("laterApp.later", of="later", seconds=60)
    call = await calls.find_one({"_id": id_})
    assert call["state"] == "waiting"
    assert call["dueAt"] == call["at"]
    left = call["dueAt"].replace(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(seconds=0) < left <= timedelta(seconds=61)
    assert await marks(server, "later") == []
    await is_due(server, calls, _id=id_)
    await none_left(calls)
    assert len(await marks(server, "later")) == 1


async def test_it_wakes_when_the_next_is_due_and_not_only_when_it_looks(
    server: Running, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SCHEDULED_LOOK_SECONDS", HOUR)
    await server.mutation("laterApp.later", of="soon", seconds=0.2)
    await none_left(calls)
    assert len(await marks(server, "soon")) == 1


async def test_a_mutation_that_is_rolled_back_has_scheduled_nothing(
    server: Running, calls: Any
) -> None:
    answer = await server.http.post(
        "/api/mutation/laterApp.later", json={"of": "never", "fail": "forbidden"}
    )
    assert answer.status_code == 403
    assert await calls.count_documents({}) == 0


async def test_under_a_key_it_is_scheduled_once(server: Running, calls: Any) -> None:
    answers = [
        await server.http.post(
            "/api/mutation/laterApp.later",
            json={"of": "keyed", "seconds": 60},
            headers={"Idempotency-Key": "k"},
        )
        for _ in range(3)
    ]
    assert len({answer.json()["value"] for answer in answers}) == 1
    assert await calls.count_documents({}) == 1


async def test_a_call_that_waits_can_be_taken_back(server: Running, calls: Any) -> None:
    id_ = await server.mutation("laterApp.later", of="never", seconds=60)
    refused = await server.http.post(
        "/api/mutation/laterApp.cancel", json={"id": id_, "fail": True}
    )
    assert refused.status_code == 403
    assert await calls.count_documents({}) == 1, "the rolled back mutation cancelled nothing"
    assert await server.mutation("laterApp.cancel", id=id_) is True
    assert await server.mutation("laterApp.cancel", id=id_) is False
    assert await calls.count_documents({}) == 0


async def test_a_call_that_has_begun_cannot_be_taken_back(server: Running, calls: Any) -> None:
    gate = gates["begun"] = Gate()
    id_ = await server.mutation("laterApp.later", of="begun", function="laterApp.hold")
    await gate.reached.wait()
    assert await server.mutation("laterApp.cancel", id=id_) is False
    gate.go.set()
    await none_left(calls)
    assert len(await marks(server, "begun")) == 1


async def test_arguments_are_given_in_python_and_come_back_as_they_were(
    server: Running, database: AsyncDatabase[Any], calls: Any
) -> None:
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    at = datetime.now(UTC) - timedelta(days=1)
    place = Place(name="$where", since=since)
    await scheduler(server, database).run_at(
        at, later_app.place, of="placed", where=place, tags={"b", "a"}
    )
    looked(server)
    await none_left(calls)
    (made,) = await marks(server, "placed")
    assert made["by"] == f"$where {since.isoformat()} ['a', 'b']"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "of: it is missing"),
        ({"of": 5}, "of: "),
        ({"of": "x", "more": 1}, "more: the function has no such argument"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_when_they_are_scheduled(
    server: Running, database: AsyncDatabase[Any], calls: Any, arguments: Any, problem: str
) -> None:
    with pytest.raises(InvalidArguments, match=problem):
        await scheduler(server, database).run_after(0, "laterApp.mark", **arguments)
    assert await calls.count_documents({}) == 0


async def test_a_secret_is_not_stored_and_the_refusal_says_why(
    server: Running, database: AsyncDatabase[Any], calls: Any
) -> None:
    ours = scheduler(server, database)
    with pytest.raises(InvalidArguments, match="key: it is declared a secret") as refused:
        await ours.run_after(0, later_app.sign, key="hush")
    assert "hush" not in str(refused.value.as_json())
    with pytest.raises(InvalidArguments, match="secret"):
        await ours.run_after(0, later_app.sign, extra=[{"deep": later_app.SecretStr("hush")}])
    assert await calls.count_documents({}) == 0
    await ours.run_after(HOUR, later_app.sign)  # with none there is nothing to keep


@pytest.mark.parametrize("value", [object(), float("nan"), b"\xff", lambda: None])
async def test_what_has_no_json_is_refused(
    server: Running, database: AsyncDatabase[Any], value: Any
) -> None:
    with pytest.raises(InvalidArguments, match="cannot be written as JSON"):
        await scheduler(server, database).run_after(0, later_app.anything, value=value)


async def test_what_cannot_be_scheduled_is_said(
    server: Running, database: AsyncDatabase[Any]
) -> None:
    ours = scheduler(server, database)
    with pytest.raises(TypeError, match=r"laterApp\.marks is a query"):
        await ours.run_after(0, later_app.marks, of="x")
    with pytest.raises(TypeError, match="no function of this app"):
        await ours.run_after(0, "laterApp.nothing")
    for seconds in (-1, float("nan"), float("inf"), limits.SCHEDULED_DELAY_SECONDS_MAX + 1):
        with pytest.raises(InvalidArguments, match="from 0 to a year"):
            await ours.run_after(seconds, later_app.mark, of="x")
    with pytest.raises(ValueError, match="time zone"):
        await ours.run_at(datetime(2026, 1, 1), later_app.mark, of="x")
    with pytest.raises(InvalidArguments, match="within a year"):
        await ours.run_at(datetime(2999, 1, 1, tzinfo=UTC), later_app.mark, of="x")
    with pytest.raises(TooLarge, match="give its id"):
        await ours.run_after(0, later_app.mark, of="x" * limits.SCHEDULED_BYTES_MAX)


async def test_no_more_are_stored_than_may_and_room_is_seen_soon(
    server: Running, database: AsyncDatabase[Any], calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SCHEDULED_CALLS_MAX", 2)
    ours, runner = scheduler(server, database), services(server).call_runner
    looked(server)
    await eventually(lambda: runner.stored == 0)
    ids = [await ours.run_after(HOUR, later_app.mark, of="x") for _ in range(2)]
    with pytest.raises(TooMany):
        await ours.run_after(HOUR, later_app.mark, of="x")
    assert await ours.cancel(ids[0])
    looked(server)
    await eventually(lambda: runner.stored == 1)
    await ours.run_after(HOUR, later_app.mark, of="x")


# --- failing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["laterApp.stumbles", "laterApp.fails"])
async def test_what_failed_is_tried_again_after_longer_and_longer(
    server: Running, calls: Any, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SCHEDULED_RETRY_SECONDS", HOUR)  # when the test says so
    failures.extend([RuntimeError("hush"), Unavailable("Not now.")])
    id_ = await server.mutation("laterApp.later", of="tried", function=function)
    pauses: list[float] = []
    for attempt, code in ((1, "unavailable"), (2, "internal")):
        call = await settled(calls, _id=id_, state="waiting", attempts=attempt)
        assert call["error"]["code"] == code
        assert "hush" not in str(call)
        pauses.append((call["dueAt"].replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())
        await is_due(server, calls, _id=id_)
    assert 0 < pauses[0] <= HOUR < pauses[1] <= 4 * HOUR
    await none_left(calls)
    rolled_back = function == "laterApp.stumbles"
    assert len(await marks(server, "tried")) == (1 if rolled_back else 3)


async def test_what_fails_again_and_again_has_failed_and_is_kept_for_a_week(
    server: Running, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SCHEDULED_RETRY_SECONDS", HOUR)  # when the test says so
    failures.extend([RuntimeError("no")] * limits.SCHEDULED_ATTEMPTS_MAX)
    id_ = await server.mutation("laterApp.later", of="no", function="laterApp.stumbles")
    for attempt in range(1, limits.SCHEDULED_ATTEMPTS_MAX):
        await settled(calls, _id=id_, state="waiting", attempts=attempt)
        await is_due(server, calls, _id=id_)
    failed = await settled(calls, _id=id_, state="failed")
    assert failed["error"]["code"] == "internal"
    kept = failed["expiresAt"].replace(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(days=6) < kept <= timedelta(days=7)
    assert "lease" not in failed
    assert await marks(server, "no") == []


async def test_a_refusal_is_final(server: Running, calls: Any) -> None:
    failures.append(NotFound("It is gone."))
    id_ = await server.mutation("laterApp.later", of="no", function="laterApp.fails")
    failed = await settled(calls, _id=id_, state="failed")
    assert failed["error"] == {"code": "not_found", "message": "It is gone."}
    assert failed["attempts"] == 1


async def test_the_oldest_failures_go_when_there_are_too_many(
    server: Running, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SCHEDULED_FAILED_MAX", 2)
    ids: list[str] = []
    for _ in range(4):
        failures.append(NotFound("It is gone."))
        ids.append(await server.mutation("laterApp.later", of="no", function="laterApp.fails"))
        await settled(calls, _id=ids[-1], state="failed")
    await eventually(lambda: services(server).call_runner.running == 0)
    kept = await calls.distinct("_id")
    assert sorted(kept) == sorted(ids[2:])


async def test_arguments_that_a_new_build_cannot_take_have_failed(
    server: Running, calls: Any
) -> None:
    id_ = await server.mutation("laterApp.later", of="old", seconds=60)
    await calls.update_one({"_id": id_}, {"$set": {"arguments": '{"was": 1}'}})
    await is_due(server, calls, _id=id_)
    failed = await settled(calls, _id=id_, state="failed")
    assert failed["error"]["code"] == "invalid_arguments"


async def test_a_function_that_this_build_has_not_waits_for_one_that_has(
    server: Running,
    calls: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(limits, "SCHEDULED_UNKNOWN_LOOK_SECONDS", 0)
    id_ = await server.mutation("laterApp.later", of="old", seconds=60)
    await calls.update_one({"_id": id_}, {"$set": {"function": "laterApp.newer"}})
    await is_due(server, calls, _id=id_)
    waiting = await settled(calls, _id=id_, missingSince={"$exists": True})
    assert (waiting["state"], waiting["attempts"]) == ("waiting", 0)
    await eventually(lambda: "laterApp.newer" in caplog.text)
    assert caplog.text.count("laterApp.newer") == 1
    yesterday = datetime.now(UTC) - timedelta(seconds=limits.SCHEDULED_PATIENCE_SECONDS)
    await calls.update_one({"_id": id_}, {"$set": {"missingSince": yesterday}})
    looked(server)
    failed = await settled(calls, _id=id_, state="failed")
    assert failed["error"]["code"] == "unknown_function"


# --- leases ---------------------------------------------------------------------------------------


async def test_no_more_run_at_once_than_may(
    server: Running, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SCHEDULED_RUNS_MAX", 2)
    gate = gates["many"] = Gate()
    for _ in range(5):
        await server.mutation("laterApp.later", of="many", function="laterApp.markSlowly")
    await eventually(lambda: gate.starts == 2)
    assert await calls.count_documents({"state": "running"}) == 2
    gate.go.set()
    await none_left(calls)
    assert gate.starts == 5


async def test_a_mutation_whose_claim_was_taken_applies_nothing(
    server: Running, calls: Any
) -> None:
    gate = gates["taken"] = Gate()
    id_ = await server.mutation("laterApp.later", of="taken", function="laterApp.hold")
    await gate.reached.wait()
    gate.reached.clear()
    # It was thought dead: its lease is over, and somebody (here it itself) takes the call.
    await is_due(server, calls, _id=id_)
    await gate.reached.wait()
    gate.go.set()
    await none_left(calls)
    await eventually(lambda: services(server).call_runner.running == 0)
    assert len(await marks(server, "taken")) == 1
    assert services(server).call_runner.outcomes["lost"] >= 1


async def test_an_action_renews_its_lease_and_stops_when_it_is_lost(
    server: Running, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RUN_LEASE_SECONDS", 3)
    gate = gates["kept"] = Gate()
    id_ = await server.mutation("laterApp.later", of="kept", function="laterApp.markSlowly")
    await gate.reached.wait()
    first = await calls.find_one({"_id": id_})
    renewed = await settled(calls, _id=id_, dueAt={"$gt": first["dueAt"]})
    assert renewed["lease"] == first["lease"]
    stolen = {"lease": "another", "dueAt": datetime.now(UTC) + timedelta(hours=1)}
    await calls.update_one({"_id": id_}, {"$set": stolen})
    await eventually(lambda: services(server).call_runner.running == 0)
    assert (await calls.find_one({"_id": id_}))["lease"] == "another"
    assert gate.starts == 1


async def test_what_kills_its_process_each_time_is_given_up(server: Running, calls: Any) -> None:
    id_ = await server.mutation("laterApp.later", of="deadly", seconds=60)
    died = {"state": "running", "attempts": limits.SCHEDULED_ATTEMPTS_MAX, "lease": "a dead one's"}
    await calls.update_one({"_id": id_}, {"$set": died})
    await is_due(server, calls, _id=id_)
    failed = await settled(calls, _id=id_, state="failed")
    assert failed["error"]["code"] == "given_up"
    assert await marks(server, "deadly") == []


async def test_a_server_that_stops_hands_its_calls_back(
    mongo: AsyncMongoClient[Any], database_uri: str
) -> None:
    gate = gates["handed"] = Gate()
    async with serving(database_uri, HERE) as server:
        calls = mongo[database_name(database_uri)][SCHEDULED_CALLS]
        id_ = await server.mutation("laterApp.later", of="handed", function="laterApp.markSlowly")
        await gate.reached.wait()
    waiting = await calls.find_one({"_id": id_})
    assert (waiting["state"], waiting["attempts"]) == ("waiting", 0)
    gate.go.set()
    async with serving(database_uri, HERE):
        await none_left(calls)
    assert gate.starts == 2


async def marked(server: Server, times: int) -> list[Any]:
    """Wait until it was marked so often by whichever process."""
    async with asyncio.timeout(60):
        while len(made := await server.call("query", "laterApp.marks", of="held")) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return made


async def test_what_a_killed_process_was_at_is_made_again_by_another(
    database_uri: str, mongo: AsyncMongoClient[Any]
) -> None:
    calls = mongo[database_name(database_uri)][SCHEDULED_CALLS]
    app = f"{later_app.__file__}:app"
    async with (
        serving_process(None, app, HEADWATER_MONGODB_URI=database_uri) as doomed,
        serving_process(None, app, HEADWATER_MONGODB_URI=database_uri) as other,
    ):
        for function in ("laterApp.markSlowly", "laterApp.mark"):
            await doomed.call("mutation", "laterApp.later", of="held", function=function)
        await settled(calls, state="running")
        begun = await marked(other, 2)
        both = {one.command.process.pid: one for one in (doomed, other)}
        call = await settled(calls, state="running")
        assert call["function"] == "laterApp.markSlowly"
        at_it = int(call["owner"].rpartition(":")[2])
        (survivor,) = both.keys() - {at_it}
        both[at_it].command.process.kill()
        await both[at_it].command.ended()
        past = datetime.now(UTC) - timedelta(seconds=1)
        await calls.update_one({"_id": call["_id"]}, {"$set": {"dueAt": past}})
        again = await settled(calls, state="running", attempts=2)
        assert again["owner"].endswith(f":{survivor}")
        made = await marked(both[survivor], 3)
        assert {mark["process"] for mark in made if mark not in begun} == {survivor}


async def test_of_two_servers_one_makes_each_call(database_uri: str) -> None:
    async with serving(database_uri, HERE) as one, serving(database_uri, HERE) as two:
        both = [one, two]
        await asyncio.gather(
            *(
                both[n % 2].mutation("laterApp.later", of="raced", function=function)
                for n in range(60)
                for function in ("laterApp.mark", "laterApp.markSlowly")
            )
        )
        ran = [services(server).call_runner for server in both]
        await eventually(lambda: sum(one.outcomes["succeeded"] for one in ran) == 120)
        assert len(await marks(one, "raced")) == 120
        assert {one.running for one in ran} == {0}
