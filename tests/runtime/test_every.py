"""Functions that run by themselves: on one process at a time, whatever becomes of it.

Time is the `dueAt` of the stored schedule, which the tests move.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

from server.core import limits
from server.core.errors import Conflict
from server.core.process import process_name
from server.runtime import ActionCtx, every
from server.runtime.every_runner import EveryRunner
from server.store.collections import SCHEDULES
from server.store.connection import connect_client
from server.store.schedules import Schedules

HOUR = 3600.0
NAME = "test.one"

Body = Callable[[ActionCtx], Awaitable[None]]


class Gates:
    """A body that tells of its runs, and ends when the test says so."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        self.cancelled = 0

    async def body(self, _: ActionCtx) -> None:
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.begun.put_nowait(end)
        try:
            await end
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def next(self) -> asyncio.Future[None]:
        async with asyncio.timeout(60):
            return await self.begun.get()


@pytest.fixture(scope="module")
async def schedules(mongo_uri: str) -> AsyncIterator[Schedules]:
    client = await connect_client(mongo_uri.replace("/headwater?", "/test_every?"))
    yield Schedules(client["test_every"])
    await client.drop_database("test_every")
    await client.close()


@pytest.fixture
async def stored(
    mongo: AsyncMongoClient[Any], schedules: Schedules, monkeypatch: pytest.MonkeyPatch
) -> AsyncCollection[Any]:
    """The stored schedule; who waits for it looks often, for the tests move it."""
    monkeypatch.setattr(limits, "EVERY_LOOK_SECONDS", 0.01)
    await mongo["test_every"][SCHEDULES].delete_many({})
    return mongo["test_every"][SCHEDULES]


@asynccontextmanager
async def running(
    schedules: Schedules, body: Body, seconds: float = HOUR, timeout: float = 60
) -> AsyncIterator[EveryRunner]:
    """One process that runs it."""
    one = every(seconds=seconds, timeout=timeout)(body)
    runner = EveryRunner(NAME, one, schedules, cast("Any", lambda _: None))
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


async def is_due(stored: AsyncCollection[Any], ago: float = 0) -> datetime:
    """The time has come, `ago` seconds ago."""
    now = datetime.now(UTC).replace(microsecond=0)  # as BSON keeps it
    at = now - timedelta(seconds=ago)
    await stored.update_one({"_id": NAME}, {"$set": {"dueAt": at}})
    return at


async def settled(stored: AsyncCollection[Any], **which: Any) -> Any:
    async with asyncio.timeout(60):
        while (found := await stored.find_one({"_id": NAME, **which})) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return found


def seconds_from_now(stored: datetime) -> float:
    return (stored.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()


async def test_the_first_run_is_at_once_and_the_next_when_it_is_due(
    schedules: Schedules, stored: AsyncCollection[Any]
) -> None:
    gates = Gates()
    async with running(schedules, gates.body) as runner:
        (await gates.next()).set_result(None)
        done = await settled(stored, runs=1)
        assert (done["lastOutcome"], done["failures"]) == ("succeeded", 0)
        assert done.keys().isdisjoint({"lease", "owner", "startedAt", "lastError"})
        assert gates.begun.empty()
        await is_due(stored)
        (await gates.next()).set_result(None)
        await settled(stored, runs=2)
    assert runner.outcomes == {"succeeded": 2}


async def test_beginnings_keep_their_distance_however_long_runs_take(
    schedules: Schedules, stored: AsyncCollection[Any]
) -> None:
    """Neither the run's length nor how late it began moves the slots; missed ones are left out."""
    gates = Gates()
    async with running(schedules, gates.body):
        (await gates.next()).set_result(None)
        await settled(stored, runs=1)
        for runs, ago, left in ((2, 600, 3000), (3, 2.5 * HOUR, 0.5 * HOUR)):
            slot = await is_due(stored, ago)
            (await gates.next()).set_result(None)
            done = await settled(stored, runs=runs)
            assert abs(seconds_from_now(done["dueAt"]) - left) < 30
            distance = done["dueAt"].replace(tzinfo=UTC) - slot
            assert distance.total_seconds() % HOUR == 0


async def test_of_several_processes_one_runs_it(
    schedules: Schedules, stored: AsyncCollection[Any]
) -> None:
    gates = Gates()
    async with running(schedules, gates.body) as one, running(schedules, gates.body) as two:
        for runs in range(1, 6):
            end = await gates.next()
            at_work = await settled(stored, owner={"$exists": True})
            assert at_work["owner"] == process_name() == f"{os.uname().nodename}:{os.getpid()}"
            end.set_result(None)
            await settled(stored, runs=runs)
            assert gates.begun.empty()
            await is_due(stored)
        await gates.next()
    assert one.outcomes["succeeded"] + two.outcomes["succeeded"] == 5


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RuntimeError("hush"),
            "test.one raised RuntimeError; the server's log says where and why.",
        ),
        (Conflict("It is taken."), "It is taken."),
        (
            TimeoutError("hush"),
            "test.one raised TimeoutError; the server's log says where and why.",
        ),
    ],
    ids=lambda one: type(one).__name__,
)
async def test_a_run_that_fails_is_told_and_followed_by_the_next(
    schedules: Schedules,
    stored: AsyncCollection[Any],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    said: str,
) -> None:
    gates = Gates()
    async with running(schedules, gates.body) as runner:
        (await gates.next()).set_exception(error)
        failed = await settled(stored, runs=1)
        assert (failed["lastOutcome"], failed["lastError"], failed["failures"]) == (
            "failed",
            said,
            1,
        )
        assert "test.one failed and runs again" in caplog.text
        await is_due(stored)
        (await gates.next()).set_result(None)
        assert "lastError" not in await settled(stored, runs=2)
    assert runner.outcomes == {"failed": 1, "succeeded": 1}


async def test_a_run_over_its_time_is_cancelled_and_followed_by_the_next(
    schedules: Schedules, stored: AsyncCollection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    gates = Gates()
    async with running(schedules, gates.body, timeout=0.05) as runner:
        late = await settled(stored, runs=1)
        begun = 1 + runner.outcomes["lost"]  # so short a lease may be, on a busy machine
        assert (late["lastOutcome"], gates.cancelled) == ("timed_out", begun)
        assert "It took longer than its 0.05 s and was cancelled." in caplog.text
        for _ in range(begun):
            await gates.next()
        await is_due(stored)
        await gates.next()


async def test_a_lease_is_renewed_while_it_runs_and_another_follows_who_lost_it(
    schedules: Schedules, stored: AsyncCollection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RUN_LEASE_SECONDS", 3)
    gates = Gates()
    async with running(schedules, gates.body) as runner:
        await gates.next()
        first = await stored.find_one({"_id": NAME})
        await settled(stored, dueAt={"$gt": first["dueAt"]}, lease=first["lease"])
        # Its process was frozen, and another has taken it and is done.
        taken_until = datetime.now(UTC) + timedelta(hours=1)
        theirs = {"lease": "another's", "dueAt": taken_until}
        await stored.update_one({"_id": NAME}, {"$set": theirs})
        async with asyncio.timeout(60):
            while not runner.outcomes["lost"]:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.005)
        assert gates.cancelled == 1
        taken = await stored.find_one({"_id": NAME})
        assert (taken["lease"], "runs" in taken) == ("another's", False)


async def test_who_died_is_followed_when_its_lease_is_over(
    schedules: Schedules, stored: AsyncCollection[Any]
) -> None:
    gates = Gates()
    slot = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=30)  # as BSON keeps it
    dead = {"lease": "a dead one's", "owner": "elsewhere:1", "slotAt": slot, "startedAt": slot}
    alive_until = datetime.now(UTC) + timedelta(hours=1)
    await stored.insert_one({"_id": NAME, "dueAt": alive_until, **dead})
    async with running(schedules, gates.body):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await gates.begun.get()
        await is_due(stored)
        (await gates.next()).set_result(None)
        done = await settled(stored, runs=1)
        distance = done["dueAt"].replace(tzinfo=UTC) - slot
        assert distance.total_seconds() == HOUR, "the slot was the dead one's"


async def test_who_stops_hands_its_run_over(
    schedules: Schedules, stored: AsyncCollection[Any]
) -> None:
    gates = Gates()
    async with running(schedules, gates.body):
        await gates.next()
    handed_back = await stored.find_one({"_id": NAME})
    assert "lease" not in handed_back
    assert seconds_from_now(handed_back["dueAt"]) <= 0
    async with running(schedules, gates.body):
        (await gates.next()).set_result(None)
        await settled(stored, runs=1)


async def test_a_build_that_runs_it_more_often_does_not_wait_for_the_old_time(
    schedules: Schedules, stored: AsyncCollection[Any]
) -> None:
    await stored.insert_one({"_id": NAME, "dueAt": datetime.now(UTC) + timedelta(days=30)})
    await schedules.prepare(NAME, 60)
    assert 0 < seconds_from_now((await stored.find_one({"_id": NAME}))["dueAt"]) <= 61
    await schedules.prepare(NAME, HOUR)
    assert seconds_from_now((await stored.find_one({"_id": NAME}))["dueAt"]) <= 61


async def test_a_schedule_that_was_dropped_is_made_anew(
    schedules: Schedules, stored: AsyncCollection[Any]
) -> None:
    gates = Gates()
    async with running(schedules, gates.body):
        (await gates.next()).set_result(None)
        await settled(stored, runs=1)
        await stored.delete_many({})
        (await gates.next()).set_result(None)


class Forgetful:
    """Schedules whose driver forgets a cancellation, as PyMongo does on Python 3.11."""

    def __init__(self, forgets: str) -> None:
        self._forgets = forgets
        self.asked = asyncio.Event()
        self.said: list[str] = []

    async def _answer(self, operation: str) -> None:
        self.said.append(operation)
        if operation == self._forgets:
            self.asked.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return

    async def prepare(self, *_: Any) -> None:
        await self._answer("prepare")

    async def due_in(self, _name: str) -> float:
        await self._answer("due_in")
        return 0.0

    async def claim(self, *_: Any) -> str:
        await self._answer("claim")
        return "lease"

    async def finish(self, *_: Any) -> bool:
        await self._answer("finish")
        return True

    async def hand_back(self, *_: Any) -> None:
        await self._answer("hand_back")


@pytest.mark.parametrize("operation", ["prepare", "due_in", "claim", "finish"])
async def test_a_cancellation_that_the_driver_forgets_ends_it_all_the_same(operation: str) -> None:
    schedules = Forgetful(operation)
    runs = 0

    async def body(_: ActionCtx) -> None:
        nonlocal runs
        runs += 1

    async with running(cast("Schedules", schedules), body, seconds=0.001):
        await schedules.asked.wait()
    assert runs == (operation == "finish")
    handed_back = ["hand_back"] if operation == "claim" else []
    assert schedules.said[schedules.said.index(operation) + 1 :] == handed_back
