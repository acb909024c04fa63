"""How a workspace is, on time that the test holds."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.functions.workspace import DEGRADED_AFTER_MS, GONE_AFTER_MS
from server.store.connection import database_name
from server.store.embedded import EmbeddedMongo
from tests.held_time import HeldTime
from tests.serving import Running, serving
from tests.sse import Follower


@pytest.fixture(scope="module")
async def scene(fast_dir: Path) -> AsyncIterator[tuple[Running, HeldTime]]:
    embedded = EmbeddedMongo(fast_dir / "workspace")
    uri = await embedded.start()
    async with AsyncMongoClient[dict[str, Any]](uri, w="majority") as client, serving(uri) as here:
        yield here, await HeldTime(client, client[database_name(uri)]).take()
    await embedded.stop()


def followed(server: Running, task: str) -> Follower:
    return Follower(
        server.http,
        {
            "health": ("tasks.getWorkspaceStatus", {"taskId": task}),
            "task": ("tasks.get", {"taskId": task}),
        },
    )


async def test_a_workspace_is_healthy_then_degraded_then_gone_by_time_alone(
    scene: tuple[Running, HeldTime],
) -> None:
    server, time = scene
    task = (await server.mutation("tasks.create", title="T"))["_id"]
    watching = followed(server, task)
    async with watching.following():
        await watching.until(lambda f: f.values.get("health", {}).get("status") == "gone")
        await server.mutation("tasks.workspaceHeartbeat", taskId=task, host="box", version="1")
        beat_at = time.second
        await watching.until(lambda f: f.values["health"]["status"] == "healthy")
        shown = watching.values["health"]
        assert (shown["host"], shown["version"]) == ("box", "1")
        await time.passes(DEGRADED_AFTER_MS // 1000 - 1)
        await server.mutation("tasks.update", taskId=task, title="still healthy")
        await watching.until(lambda f: f.values["task"]["title"] == "still healthy")
        assert watching.values["health"]["status"] == "healthy"
        await time.passes(1)
        await watching.until(lambda f: f.values["health"]["status"] == "degraded")
        await time.passes((GONE_AFTER_MS - DEGRADED_AFTER_MS) // 1000)
        await watching.until(lambda f: f.values["health"]["status"] == "gone")
        assert watching.values["health"]["lastSeenAt"] // 1000 == beat_at
        await server.mutation("tasks.workspaceHeartbeat", taskId=task)
        await watching.until(lambda f: f.values["health"]["status"] == "healthy")


async def test_a_heartbeat_that_says_the_same_wakes_nobody(
    scene: tuple[Running, HeldTime],
) -> None:
    server, time = scene
    task = (await server.mutation("tasks.create", title="T"))["_id"]
    await server.mutation("tasks.workspaceHeartbeat", taskId=task)
    watching = followed(server, task)
    async with watching.following():
        await watching.until(lambda f: f.values.get("health", {}).get("status") == "healthy")
        before = len(watching.events)
        for _ in range(8):
            await time.passes(DEGRADED_AFTER_MS // 1500)
            await server.mutation("tasks.workspaceHeartbeat", taskId=task)
        await server.mutation("tasks.update", taskId=task, title="Marked")
        await watching.until(lambda f: f.values["task"]["title"] == "Marked")
        later = [event.data["queries"] for event in watching.events[before:]]
        assert not any("health" in queries for queries in later), later
