"""A removed task takes all along: at once what is little, and the rest in bounded transactions."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from schemas.task_removals import TaskRemoval
from schemas.tasks import Task
from server.functions import ALL, task_removal, tasks
from server.functions.task_removal import BELONGING
from server.runtime import Catalog
from server.store.connection import database_name
from tests.serving import Running, serving
from tests.sse import Follower

Rows = AsyncDatabase[dict[str, Any]]


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    """One server for all of them, which sweeps often."""
    uri = mongo_uri.replace("/headwater?", "/task_removal?")
    seconds, tasks.sweep_removed.seconds = tasks.sweep_removed.seconds, 0.05
    async with serving(uri) as server:
        yield server
    tasks.sweep_removed.seconds = seconds


@pytest.fixture
async def rows(mongo_uri: str, server: Running) -> AsyncIterator[Rows]:
    """What is stored."""
    uri = mongo_uri.replace("/headwater?", "/task_removal?")
    async with AsyncMongoClient[dict[str, Any]](uri, w="majority", tz_aware=True) as client:
        yield client[database_name(uri)]


def row(table: str, task: str, number: int) -> dict[str, Any]:
    moment = datetime.now(UTC)
    return {
        "_id": f"{task}-{number}",
        "taskId": task,
        "number": number,
        "sequence": number,
        "status": "COMPLETED",
        "closed": True,
        "createdAt": moment,
        "updatedAt": moment,
        "role": "user",
        "parts": [],
    }


async def fill(rows: Rows, task: str, count: int) -> None:
    """Rows in each table that belongs to a task."""
    for table in BELONGING:
        name = table.collection
        await rows[name].insert_many([row(name, task, number) for number in range(count)])


async def left(rows: Rows, task: str) -> int:
    counts = [await rows[t.collection].count_documents({"taskId": task}) for t in BELONGING]
    return sum(counts)


async def all_gone(server: Running, rows: Rows, task: str) -> None:
    """Wait for the news that the removal is finished."""
    async with await rows["taskRemovals"].watch(full_document="updateLookup") as changes:
        known = await rows["taskRemovals"].find_one({"_id": task})
        while known is not None and known["open"]:
            known = (await changes.next())["fullDocument"]
    assert await left(rows, task) == 0


def test_every_table_whose_rows_belong_to_a_task_is_named() -> None:
    of_tasks = {one for one in Catalog(ALL).tables if "task_id" in one.model_fields}
    assert of_tasks == set(BELONGING)
    for table in BELONGING:
        assert any(index.keys[0] == "taskId" for index in table.indexes), table


async def test_a_small_task_goes_whole_in_one_transaction(server: Running, rows: Rows) -> None:
    task = (await server.mutation("tasks.create", title="T"))["_id"]
    await fill(rows, task, 20)
    queries = {
        "task": ("tasks.get", {"taskId": task}),
        "messages": ("messages.byTask", {"taskId": task}),
        "calls": ("toolCallTracking.byTask", {"taskId": task}),
        "files": ("fileChanges.byTask", {"taskId": task}),
        "logs": ("toolLogs.byTask", {"taskId": task}),
        "output": ("terminalOutput.byTask", {"taskId": task}),
        "health": ("tasks.getWorkspaceStatus", {"taskId": task}),
    }
    follower = Follower(server.http, queries, strict=True)
    async with follower.following():
        await follower.until(lambda f: f.values.keys() == queries.keys())
        await server.mutation("tasks.remove", taskId=task)
        assert await left(rows, task) == 0
        await follower.until(lambda f: f.values.get("task", "") is None)
        changes = [event.data["queries"] for event in follower.events]
        told = next(one.keys() for one in reversed(changes) if "task" in one)
        assert told | {"health"} == queries.keys(), "a transaction is seen whole"
        health = follower.values.pop("health")
        assert health["status"] == "gone"
        lists = queries.keys() - {"task", "health"}
        assert follower.values == {"task": None, **{name: [] for name in lists}}


async def test_what_is_too_much_for_one_transaction_follows_in_bounded_ones(
    server: Running, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_removal, "ROWS_MAX", 50)
    task = (await server.mutation("tasks.create", title="T"))["_id"]
    await fill(rows, task, 60)
    async with await rows["chatMessages"].watch() as changes:
        await server.mutation("tasks.remove", taskId=task)
        for call in ("fileChanges.record", "toolLogs.begin", "terminalOutput.append"):
            arguments = {
                "fileChanges.record": {"changeType": "CREATE", "path": "a"},
                "toolLogs.begin": {"toolName": "t"},
                "terminalOutput.append": {"stream": "stdout", "text": "x"},
            }[call]
            answer = await server.http.post(
                f"/api/mutation/{call}", json={"taskId": task, **arguments}
            )
            assert answer.status_code == 404, "nothing is added any more"
        await all_gone(server, rows, task)
        times = [(await changes.next())["clusterTime"] for _ in range(60)]
    assert max(times.count(time) for time in times) == 50


async def test_a_removal_that_was_cut_off_is_finished_by_whoever_sweeps(
    server: Running, rows: Rows
) -> None:
    await fill(rows, "cut", 3)
    await rows["taskRemovals"].insert_one(TaskRemoval(id="cut", open=True).stored())
    await all_gone(server, rows, "cut")


async def test_what_a_late_write_left_goes_with_the_removals_last_look(
    server: Running, rows: Rows
) -> None:
    removal = TaskRemoval(id="late", open=False)
    await rows["taskRemovals"].insert_one(removal.stored())
    await fill(rows, "late", 3)
    async with await rows["taskRemovals"].watch() as changes:
        early = removal.created_at - timedelta(milliseconds=task_removal.LINGER_MS)
        await rows["taskRemovals"].update_one({"_id": "late"}, {"$set": {"createdAt": early}})
        while (await changes.next())["operationType"] != "delete":
            pass
    assert await left(rows, "late") == 0


async def test_a_task_that_is_there_again_keeps_its_rows(server: Running, rows: Rows) -> None:
    await fill(rows, "again", 2)
    await rows["tasks"].insert_one(Task(id="again", title="T").stored())
    await rows["taskRemovals"].insert_one(TaskRemoval(id="again", open=True).stored())
    async with await rows["taskRemovals"].watch(full_document="updateLookup") as changes:
        known = await rows["taskRemovals"].find_one({"_id": "again"})
        while known is not None and known["open"]:
            known = (await changes.next())["fullDocument"]
    assert await left(rows, "again") == 2 * len(BELONGING)
