"""``toolCallTracking``: executors who claim, fall silent, report; calls tracked from outside."""

from typing import Any

import pytest
from pymongo import AsyncMongoClient

from schemas.agent_tools import AgentTool
from server.functions import streaming
from server.llm.standin import Reply, StandinServer, Text, ToolUse
from server.runtime import ActionCtx
from server.store.connection import database_name
from tests.functions.chat import EXTERNAL, at_rest, begin, new_task, talking, watching
from tests.serving import Running

DONE = Reply([Text(["Done."])])


@pytest.fixture(autouse=True)
def quick_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming.sweep, "seconds", 0.1)


async def refused(server: Running, name: str, **arguments: Any) -> str:
    answer = await server.http.post(f"/api/mutation/toolCallTracking.{name}", json=arguments)
    return f"{answer.status_code} {answer.json()['error']['code']}"


@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_call_whose_executor_falls_silent_is_offered_again_or_has_failed(
    database_uri: str, idempotent: bool
) -> None:
    standin = StandinServer()
    async with (
        standin,
        talking(database_uri, standin) as server,
        AsyncMongoClient[dict[str, Any]](database_uri, w="majority") as client,
    ):
        standin.script.add(Reply([ToolUse("read_file", {"path": "x"}, id="toolu_x")]), DONE)
        offer = {**EXTERNAL, "idempotent": idempotent}
        message = await begin(server, await new_task(server), tools=[offer])
        async with watching(server, message) as follower:
            await follower.until(lambda f: len(f.values["t"]) == 1)
            id_ = follower.values["t"][0]["_id"]
            taken = await server.mutation("toolCallTracking.claim", id=id_, executor="$first")
            assert (taken["status"], taken["executor"]) == ("RUNNING", "$first")
            kept = await server.mutation("toolCallTracking.claim", id=id_, executor="$first")
            assert kept["claims"] == 1
            await follower.until(lambda f: f.values["t"][0]["status"] == "RUNNING")
            calls = client[database_name(database_uri)]["agentTools"]
            silent = [{"$set": {"expiresAt": {"$subtract": ["$$NOW", 1]}}}]
            await calls.update_one({"_id": id_}, silent)
            if idempotent:
                await follower.until(lambda f: f.values["t"][0]["status"] == "PENDING")
                await server.mutation("toolCallTracking.claim", id=id_, executor="second")
                late = await refused(
                    server, "updateResult", toolCallId="toolu_x", status="COMPLETED", result=1,
                    executor="$first",
                )  # fmt: skip
                assert late == "409 conflict"
                for _ in range(2):
                    await server.mutation(
                        "toolCallTracking.updateResult", toolCallId="toolu_x", status="COMPLETED",
                        result=2, executor="second",
                    )  # fmt: skip
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
            (call,) = follower.values["t"]
            wanted = ("COMPLETED", None) if idempotent else ("FAILED", "expired")
            assert (call["status"], call.get("error", {}).get("code")) == wanted


async def test_a_call_that_expires_in_the_middle_of_a_sweep_is_still_offered_again(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([ToolUse("read_file", {"path": "x"}, id="toolu_x")]), DONE)
        offer = {**EXTERNAL, "idempotent": True}
        message = await begin(server, await new_task(server), tools=[offer])
        async with watching(server, message) as follower:
            await follower.until(lambda f: len(f.values["t"]) == 1)
            id_ = follower.values["t"][0]["_id"]
            update_many = ActionCtx.update_many
            offered: list[dict[str, Any]] = []

            async def then_expire(ctx: ActionCtx, table: Any, query: Any, update: Any) -> Any:
                result = await update_many(ctx, table, query, update)
                if update["$set"]["status"] == "PENDING" and not offered:
                    now = [{"$set": {"expiresAt": {"$subtract": ["$$NOW", 1]}}}]
                    if await ctx.update_one(AgentTool, {"_id": id_, "status": "RUNNING"}, now):
                        offered.append(query)
                return result

            monkeypatch.setattr(ActionCtx, "update_many", then_expire)
            await server.mutation("toolCallTracking.claim", id=id_, executor="first")
            ends = ("PENDING", "FAILED")
            await follower.until(lambda f: bool(offered) and f.values["t"][0]["status"] in ends)
            await follower.until(lambda f: f.values["t"][0].get("executor") is None)
            assert follower.values["t"][0]["status"] == "PENDING"


async def test_a_call_whose_executor_never_comes_fails_when_its_time_is_over(
    database_uri: str,
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([ToolUse("read_file", {"path": "x"})]), DONE)
        offer = {**EXTERNAL, "timeoutMs": 100}
        message = await begin(server, await new_task(server), tools=[offer])
        async with watching(server, message) as follower:
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
            assert follower.values["t"][0]["error"]["code"] == "timed_out"


async def test_a_call_from_elsewhere_can_be_tracked(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        task = await new_task(server)
        call = {
            "messageId": "m",
            "taskId": task,
            "toolName": "grep",
            "args": {"pattern": "x"},
            "toolCallId": "t1",
        }
        made = await server.mutation("toolCallTracking.create", **call)
        assert made["status"] == "PENDING"
        assert call.items() <= made.items()
        assert await server.query("toolCallTracking.byToolCallId", toolCallId="nope") is None
        assert await server.query("toolCallTracking.byToolCallId", toolCallId="t1") == made
        assert await server.query("toolCallTracking.byTask", taskId=task) == [made]
        assert await server.query("toolCallTracking.byMessage", messageId="m") == [made]
        failed = await server.mutation(
            "toolCallTracking.updateResult", toolCallId="t1", status="FAILED", error="no such file"
        )
        assert failed["error"] == {"code": "failed", "message": "no such file"}
        assert failed["completedAt"] >= failed["createdAt"]
        assert await refused(server, "claim", id=made["_id"], executor="e") == "409 conflict"
        assert await refused(server, "claim", id="nope", executor="e") == "404 not_found"
        assert await refused(server, "approve", toolCallId="t1") == "409 conflict"
        assert await refused(server, "deny", toolCallId="nope") == "404 not_found"
        wrong = await refused(server, "updateResult", toolCallId="t1", status="COMPLETED")
        assert wrong == "409 conflict"
        assert await server.mutation("toolCallTracking.deleteByTask", taskId=task) == 1
        assert await server.query("toolCallTracking.byTask", taskId=task) == []


async def test_a_claim_by_another_id_is_told_which_one_it_wants(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        task = await new_task(server)
        call = await server.mutation(
            "toolCallTracking.create",
            messageId="m", taskId=task, toolName="t", args={}, toolCallId="toolu_mine",
        )  # fmt: skip
        for id_, cure in (
            ("toolu_mine", f"that is its toolCallId. Claim it by its _id, '{call['_id']}'."),
            ("toolu_other", "take it from toolCallTracking.pending."),
        ):
            answer = await server.http.post(
                "/api/mutation/toolCallTracking.claim", json={"id": id_, "executor": "e"}
            )
            assert answer.status_code == 404
            message = answer.json()["error"]["message"]
            assert message == f"There is no call whose _id is '{id_}'; {cure}"
        await server.mutation("toolCallTracking.claim", id=call["_id"], executor="e")


async def test_a_task_that_is_removed_takes_its_running_reply_along(database_uri: str) -> None:
    standin = StandinServer()
    async with (
        standin,
        talking(database_uri, standin) as server,
        AsyncMongoClient[dict[str, Any]](database_uri) as client,
    ):
        standin.script.add(Reply([ToolUse("read_file", {"path": "x"})]))
        task = await new_task(server)
        message = await begin(server, task, tools=[EXTERNAL])
        async with watching(server, message) as follower:
            await follower.until(lambda f: len(f.values["t"]) == 1)
            await server.mutation("tasks.remove", taskId=task)
            await follower.until(lambda f: f.values["m"] is None)
        await at_rest(server)
        database = client[database_name(database_uri)]
        for name in ("chatMessages", "agentTools", "transcripts"):
            assert await database[name].count_documents({"taskId": task}) == 0
