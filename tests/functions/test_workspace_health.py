"""The health of a workspace: by what it says, and by time, which the test holds.

The time that counts is the position's; it passes when the test says so, on a mongod of its own.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.tasks import Task
from schemas.workspace_status import WorkspaceStatus
from server.functions import tasks
from server.functions.workspace import DEGRADED_AFTER_MS, GONE_AFTER_MS
from server.runtime import QueryCtx
from server.store.embedded import EmbeddedMongo
from tests.live.things import Mark
from tests.live.watching import Scene, Watch, reach, scene

TABLES = {table.collection: table for table in (Task, WorkspaceStatus, Mark)}
DEGRADED, GONE = DEGRADED_AFTER_MS // 1000, GONE_AFTER_MS // 1000


@pytest.fixture(scope="module")
async def own_uri(fast_dir: Path) -> AsyncIterator[str]:
    """A mongod whose cluster time may be moved."""
    embedded = EmbeddedMongo(fast_dir / "workspaces")
    yield await embedded.start()
    await embedded.stop()


@pytest.fixture
async def here(own_uri: str) -> AsyncIterator[Scene]:
    """A task at a second far ahead of every clock, which lasts until the test ends it."""
    async with scene(own_uri, tables=TABLES) as here:
        await reach(here, now_of(here) + 1_000)
        await here.database["tasks"].insert_one(Task(id="t", title="T").stored())
        await here.mark()
        yield here


def now_of(here: Scene) -> int:
    return here.running.registry.position.seconds


async def beat(here: Scene, second: int, **said: Any) -> None:
    """What a heartbeat at `second` writes."""
    seen = {"taskId": "t", "lastSeenAt": datetime.fromtimestamp(second, UTC)}
    said = {"status": "healthy"} | said
    await here.database["workspaceStatus"].update_one({"_id": "t"}, {"$set": seen | said}, True)
    await here.mark()


def health(ctx: QueryCtx) -> Any:
    return tasks.get_workspace_status(ctx, task_id="t")


def status_of(watch: Watch) -> str | None:
    return watch.value and watch.value["status"]


async def test_a_workspace_that_falls_silent_is_degraded_and_then_gone_at_the_right_second(
    here: Scene,
) -> None:
    start = now_of(here)
    await beat(here, start, host="box", pid=7)
    watch = here.watch(health)
    await watch.until(lambda w: status_of(w) == "healthy")
    assert (watch.value["host"], watch.value["pid"]) == ("box", 7)
    assert watch.value["lastSeenAt"] is None

    await reach(here, start + DEGRADED - 1)
    assert status_of(watch) == "healthy"
    await reach(here, start + DEGRADED)
    await watch.until(lambda w: status_of(w) == "degraded")
    await reach(here, start + GONE - 1)
    assert (status_of(watch), watch.value["said"]) == ("degraded", "healthy")
    await reach(here, start + GONE)
    await watch.until(lambda w: status_of(w) == "gone")
    assert watch.value["lastSeenAt"] == start * 1_000
    stored = await here.database["workspaceStatus"].find_one({"_id": "t"})
    assert stored is not None
    assert stored["status"] == "healthy", "nobody wrote to it"

    await beat(here, now_of(here))
    await watch.until(lambda w: status_of(w) == "healthy")
    assert watch.value["lastSeenAt"] is None


async def test_a_heartbeat_by_which_nothing_changes_wakes_nobody_and_is_seldom_read(
    here: Scene,
) -> None:
    start = now_of(here)
    await beat(here, start)
    watch = here.watch(health)
    await watch.until(lambda w: status_of(w) == "healthy")
    told, runs = len(watch.told), here.running.registry.rounds.runs
    for second in range(10, 301, 10):
        await beat(here, start + second)
        await reach(here, start + second)
    assert len(watch.told) == told
    assert here.running.registry.rounds.runs - runs <= 300 / DEGRADED + 1
    await beat(here, start + 300, message="disk is full", status="degraded")
    await watch.until(lambda w: status_of(w) == "degraded")
    assert watch.value["message"] == "disk is full"
    assert len(watch.told) == told + 1


async def test_a_workspace_that_was_never_there_or_said_goodbye_is_gone(here: Scene) -> None:
    watch = here.watch(health)
    await watch.until(lambda w: status_of(w) == "gone")
    assert watch.value["said"] is None
    start = now_of(here)
    await beat(here, start)
    await watch.until(lambda w: status_of(w) == "healthy")
    await beat(here, start, status="gone")
    await watch.until(lambda w: status_of(w) == "gone")
    await reach(here, start + DEGRADED)
    assert status_of(watch) == "gone", "silence makes it no better"
