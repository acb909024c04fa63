"""What an executor reports of a workspace: file changes, runs of tools, and nothing twice."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.functions.long_text import TEXT_CHARACTERS_MAX, shortened
from tests.serving import Running, serving
from tests.sse import Follower


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    """One server for all of them; each has a task of its own."""
    uri = mongo_uri.replace("/headwater?", "/workspace_records?")
    async with serving(uri) as server:
        yield server


async def refused(server: Running, name: str, **arguments: Any) -> dict[str, Any]:
    answer = await server.http.post(f"/api/mutation/{name}", json=arguments)
    assert answer.status_code >= 400, answer.text
    return answer.json()["error"] | {"status": answer.status_code}


async def new_task(server: Running) -> str:
    return (await server.mutation("tasks.create", title="T"))["_id"]


async def test_changes_of_files_are_recorded_in_order_once_and_deleted_with_a_count(
    server: Running,
) -> None:
    task = await new_task(server)
    follower = Follower(server.http, {"f": ("fileChanges.byTask", {"taskId": task})})
    async with follower.following():
        await follower.until(lambda f: f.values.get("f") == [])
        made = [
            await server.mutation("fileChanges.record", taskId=task, **one)
            for one in (
                {"changeType": "CREATE", "path": "a.py", "additions": 3, "diff": "+x"},
                {"changeType": "UPDATE", "path": "a.py", "additions": 1, "deletions": 2},
                {"changeType": "RENAME", "path": "b.py", "oldPath": "a.py"},
                {"changeType": "DELETE", "path": "b.py", "deletions": 2, "changeId": "c4"},
            )
        ]
        again = await server.mutation(
            "fileChanges.record",
            taskId=task, changeType="DELETE", path="b.py", deletions=2, changeId="c4",
        )  # fmt: skip
        assert again == made[3]
        await follower.until(lambda f: f.values["f"] == made)
        assert made[2]["oldPath"] == "a.py"
        assert made[3]["_id"] == "c4"
        assert await server.query("fileChanges.byTask", taskId=task, limit=2) == made[2:]
        other = await refused(
            server, "fileChanges.record",
            taskId=task, changeType="DELETE", path="c.py", deletions=2, changeId="c4",
        )  # fmt: skip
        assert (other["status"], other["code"]) == (409, "conflict")
        assert await server.mutation("fileChanges.deleteByTask", taskId=task) == 4
        await follower.until(lambda f: f.values["f"] == [])


@pytest.mark.parametrize(
    ("kind", "old_path", "said"),
    [
        ("RENAME", None, "a RENAME needs the path that the file had before"),
        ("RENAME", "a", "a RENAME leads to another path"),
        ("CREATE", "b", "only a RENAME has one, not a change by CREATE"),
    ],
)
async def test_an_old_path_belongs_to_a_rename_and_to_nothing_else(
    server: Running, kind: str, old_path: str | None, said: str
) -> None:
    task = await new_task(server)
    error = await refused(
        server, "fileChanges.record", taskId=task, changeType=kind, path="a", oldPath=old_path
    )
    assert (error["status"], error["code"]) == (422, "invalid_arguments")
    assert error["details"] == [{"argument": "oldPath", "problem": said}]


async def test_a_run_of_a_tool_begins_once_and_ends_once(server: Running) -> None:
    task = await new_task(server)
    begun = {"taskId": task, "toolName": "grep", "toolCallId": "t", "logId": "log"}
    log = await server.mutation("toolLogs.begin", **begun)
    assert (log["_id"], log["status"]) == ("log", "RUNNING")
    assert await server.mutation("toolLogs.begin", **begun) == log
    other = await refused(server, "toolLogs.begin", **begun | {"toolName": "find"})
    assert other["code"] == "conflict"

    ending = {"logId": "log", "status": "COMPLETED", "output": "found", "durationMs": 1_234}
    ended = await server.mutation("toolLogs.finish", **ending)
    assert (ended["status"], ended["output"], ended["durationMs"]) == (
        "COMPLETED", "found", 1_234,
    )  # fmt: skip
    assert "error" not in ended
    assert await server.mutation("toolLogs.finish", **ending | {"durationMs": 9}) == ended
    assert await server.mutation("toolLogs.begin", **begun) == ended, "asked again late"
    for change in ({"status": "FAILED"}, {"output": "other"}):
        error = await refused(server, "toolLogs.finish", **ending | change)
        assert (error["status"], error["code"]) == (409, "conflict")
        assert "only one that is RUNNING becomes COMPLETED or FAILED" in error["message"]
    with_error = await refused(server, "toolLogs.finish", **ending, error="no")
    assert with_error["details"][0]["argument"] == "error"
    unknown = await refused(server, "toolLogs.finish", logId="none", status="FAILED")
    assert unknown["code"] == "not_found"
    assert await server.query("toolLogs.byTask", taskId=task) == [ended]
    assert await server.mutation("toolLogs.deleteByTask", taskId=task) == 1


async def test_a_run_that_failed_says_why_and_how_long_it_took(server: Running) -> None:
    task = await new_task(server)
    log = await server.mutation("toolLogs.begin", taskId=task, toolName="grep", input="x" * 9)
    ended = await server.mutation("toolLogs.finish", logId=log["_id"], status="FAILED")
    assert ended["error"] == "It failed."
    assert ended["durationMs"] == ended["completedAt"] - ended["createdAt"]
    same = await server.mutation("toolLogs.finish", logId=log["_id"], status="FAILED")
    assert same == ended


async def test_long_texts_are_kept_with_a_mark_that_says_how_much_is_missing(
    server: Running,
) -> None:
    task = await new_task(server)
    long = "a" * TEXT_CHARACTERS_MAX + "b" * 1_000
    log = await server.mutation("toolLogs.begin", taskId=task, toolName="grep", input=long)
    ending = {"logId": log["_id"], "status": "FAILED", "output": long, "error": long}
    ended = await server.mutation("toolLogs.finish", **ending)
    assert await server.mutation("toolLogs.finish", **ending) == ended
    half = TEXT_CHARACTERS_MAX // 2
    kept = "a" * half + "\n[1,000 characters left out]\n" + "a" * (half - 1_000) + "b" * 1_000
    assert kept == shortened(long) == ended["input"] == ended["output"] == ended["error"]
    change = await server.mutation(
        "fileChanges.record", taskId=task, changeType="UPDATE", path="a", diff=long
    )
    assert change["diff"] == kept


def test_a_text_that_is_not_too_long_stays_as_it_is() -> None:
    assert shortened("ab" * 5, 10) == "ababababab"
    assert shortened("0123456789x", 10) == "01234\n[1 characters left out]\n6789x"


async def test_heartbeats_are_told_by_their_time_on_mongodbs_clock(server: Running) -> None:
    task = await new_task(server)
    follower = Follower(server.http, {"h": ("tasks.getWorkspaceStatus", {"taskId": task})})
    said = {"host": "$host", "pid": 7, "version": "1.0", "directory": "/w", "message": "$$NOW"}
    async with follower.following():
        await follower.until(lambda f: f.values.get("h", {}).get("status") == "gone")
        follower.events.clear()
        first = await server.mutation("tasks.workspaceHeartbeat", taskId=task, **said)
        await follower.until(lambda f: f.values["h"]["status"] == "healthy")
        assert said.items() <= follower.values["h"].items()
        again = await server.mutation("tasks.workspaceHeartbeat", taskId=task, **said)
        assert again["lastSeenAt"] > first["lastSeenAt"]
        assert again["createdAt"] == first["createdAt"]
        await server.mutation("tasks.workspaceHeartbeat", taskId=task, status="degraded")
        await follower.until(lambda f: f.values["h"]["status"] == "degraded")
        assert follower.values["h"]["host"] is None, "each says all"
        told = [event for event in follower.events if event.data["queries"]]
        assert len(told) == 2, "the second heartbeat told nobody"
