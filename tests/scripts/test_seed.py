"""`make seed` gives something to look at, once."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from pymongo import AsyncMongoClient

from schemas.tasks import Task
from scripts.seed import seed as write_seed
from scripts.seed.crowd import crowd
from tests.headwater_command import OURS, serving_process
from tests.serving import serving
from tests.sse import Follower

ROOT = Path(__file__).parents[2]
QUERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "user": ("users.get", {"userId": "demo"}),
    "tasks": ("tasks.list", {"userId": "demo"}),
    "messages": ("messages.byTask", {"taskId": "5eed00000000000000000000"}),
}


async def seed(*arguments: str, **environment: str) -> str:
    """Run it as `make seed` does; what it says."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scripts.seed", *arguments),
        cwd=ROOT,
        env={**inherited, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return f"{process.returncode} {said.decode().strip()}"


async def test_subscribers_see_the_demo_come_and_a_second_run_changes_nothing(
    database_uri: str,
) -> None:
    async with serving(database_uri) as server:
        follower = Follower(server.http, QUERIES)
        async with follower.following():
            await follower.until(lambda f: f.values == {"user": None, "tasks": [], "messages": []})
            said = await seed(HEADWATER_MONGODB_URI=database_uri)
            assert said.startswith("0 Wrote ")
            await follower.until(lambda f: len(f.values["messages"]) == 4)
            first = dict(follower.values)
            assert first["user"]["name"] == "Demo"
            assert [task["title"] for task in first["tasks"]] == ["Why rivers meander"]
            assert [m["role"] for m in first["messages"]] == ["user", "assistant"] * 2
            said = await seed(HEADWATER_MONGODB_URI=database_uri)
            assert said.startswith("0 Nothing to do")
            # A later write comes after anything that the second run may have done.
            begun = await server.action(
                "streaming.streamChat", taskId=first["tasks"][0]["_id"], prompt="And lakes?"
            )
            await follower.until(
                lambda f: (
                    f.values["messages"][-1].get("finishReason") == "end_turn"
                    and f.values["messages"][-1]["_id"] == begun["messageId"]
                )
            )
        assert follower.values["messages"][:4] == first["messages"]
        assert follower.values["user"] == first["user"]


async def test_it_joins_the_embedded_mongodb_or_starts_it_for_itself(fast_dir: Path) -> None:
    data_dir = fast_dir / uuid4().hex
    said = await seed(HEADWATER_DATA_DIR=str(data_dir))
    assert said.startswith("0 Wrote ")
    async with serving_process(data_dir) as server:
        tasks = await server.call("query", "tasks.list")
        assert "Why rivers meander" in [task["title"] for task in tasks]
        said = await seed(HEADWATER_DATA_DIR=str(data_dir))
        assert said.startswith("0 Nothing to do")
        assert (await server.readiness()).status_code == 200


async def test_what_keeps_it_from_seeding_is_a_sentence() -> None:
    said = await seed(HEADWATER_MONGODB_URI="postgres://db")
    assert said.startswith("2 seed: HEADWATER_MONGODB_URI must begin with mongodb://")
    assert "\n" not in said


async def test_the_large_set_is_written_once_and_what_was_cut_off_is_added(
    database_uri: str,
) -> None:
    documents = list(crowd(datetime.now(UTC), tasks=3))
    later = list(crowd(datetime.now(UTC) + timedelta(hours=1), tasks=3))
    assert [one.id for one in documents] == [one.id for one in later]
    async with AsyncMongoClient[dict[str, Any]](database_uri) as client:
        database = client.get_default_database()

        async def everything() -> dict[str, list[dict[str, Any]]]:
            names = {one.collection for one in documents}
            return {name: await database[name].find().sort("_id").to_list() for name in names}

        progress: list[int] = []
        assert await write_seed(database_uri, documents, progress.append) == len(documents)
        assert sum(progress) == len(documents)
        first = await everything()
        assert sum(map(len, first.values())) == len(documents)
        assert len(first["chatMessages"]) == 3 * 200
        assert first["presence"]
        assert await write_seed(database_uri, later) == 0
        assert await everything() == first
        gone = [one["_id"] for one in first["chatMessages"][::7]]
        await database["chatMessages"].delete_many({"_id": {"$in": gone}})
        assert await write_seed(database_uri, later) == len(gone)
        again = await everything()
        assert {one["_id"] for one in again["chatMessages"]} > set(gone)
        assert again["tasks"] == first["tasks"]


async def test_the_server_shows_the_large_set(database_uri: str) -> None:
    documents = list(crowd(datetime.now(UTC), tasks=1))
    task = next(one.id for one in documents if isinstance(one, Task))
    await write_seed(database_uri, documents)
    async with serving(database_uri) as server:
        messages = await server.query("messages.byTask", taskId=task)
        assert len(messages) == 200
        activities = await server.query("presence.getRecentActivities", taskId=task)
        assert all(one["metadata"]["userName"] for one in activities)
        assert [one["sequence"] for one in messages] == [*range(200)]
        called = {
            part["toolCallId"]
            for one in messages
            for part in one["parts"]
            if part["type"] == "tool-call"
        }
        calls = await server.query("toolCallTracking.byTask", taskId=task)
        assert {call["toolCallId"] for call in calls} == called != set()
        people = await server.query("presence.getActiveUsers", taskId=task, timeoutMs=600_000)
        assert len(people) == 5
        for name in (
            "presence.getRecentActivities",
            "fileChanges.byTask",
            "toolLogs.byTask",
            "terminalOutput.byTask",
        ):
            assert await server.query(name, taskId=task), name
        health = await server.query("tasks.getWorkspaceStatus", taskId=task)
        assert health["host"] == "box-1"
        written = await server.query("terminalOutput.byTask", taskId=task)
        (more,) = [one["parts"][0]["text"] for one in written[-1:]]
        end = await server.mutation(
            "terminalOutput.append",
            taskId=task,
            commandId=written[-1]["commandId"],
            stream="stdout",
            text="more",
        )
        assert end == {"offset": len(more) + 4}
