"""``streaming.streamChatWithTools``: calls are shown, run, allowed, answered, and go back."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from schemas.agent_tools import AgentTool
from server.core.errors import Unavailable
from server.functions import agent_loop, message_parts, tool_runs
from server.llm.standin import Reply, Stalled, StandinServer, Text, Thinking, ToolUse
from server.runtime import ActionCtx
from tests.functions import workshop
from tests.functions.chat import (
    EXTERNAL,
    at_rest,
    begin,
    ended,
    kinds,
    new_task,
    talking,
    text_of,
    watching,
)
from tests.llm.tool_schemas import REFUSED_SCHEMAS

DONE = Reply([Text(["All ", "done."])])


async def test_a_call_is_shown_as_soon_as_claude_begins_it(database_uri: str) -> None:
    standin, go_on = StandinServer(), asyncio.Event()
    async with standin, talking(database_uri, standin) as server:
        begun = Stalled(at_event=3, until=go_on)  # message_start, ping, content_block_start
        call = ToolUse("add", {"left": 1, "right": 2}, id="toolu_a")
        standin.script.add(Reply([call], failure=begun), DONE)
        message = await begin(server, await new_task(server), tools=["add"])
        async with watching(server, message) as follower:
            await follower.until(lambda f: f.values["m"]["parts"])
            (part,) = follower.values["m"]["parts"]
            assert (part["toolName"], part["argsText"]) == ("add", "")
            go_on.set()
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
            assert follower.values["m"]["parts"][0]["argsText"] == '{"left":1,"right":2}'


async def test_tools_run_at_once_and_their_results_go_back(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(
            Reply(
                [
                    Thinking(["Two sums."]),
                    Text(["Let me add."]),
                    ToolUse("add", {"left": 1, "right": 2}, id="toolu_a"),
                    ToolUse("add", {"left": 3, "right": 4}, id="toolu_b"),
                ]
            ),
            DONE,
        )
        task = await new_task(server)
        reply = await ended(server, await begin(server, task, tools=["add"]))
        assert reply["status"] == "COMPLETED", reply
        assert kinds(reply)[:4] == ["reasoning", "text", "tool-call", "tool-call"]
        assert sorted(kinds(reply)[4:6]) == ["tool-result", "tool-result"]
        assert kinds(reply)[6:] == ["text"]
        first, second = reply["parts"][2:4]
        assert first["args"] == json.loads(first["argsText"]) == {"left": 1, "right": 2}
        assert second["toolCallId"] == "toolu_b"
        results = {part["toolCallId"]: part["result"] for part in reply["parts"][4:6]}
        assert results == {"toolu_a": 3, "toolu_b": 7}
        assert sorted(workshop.effects) == ["add 1 2", "add 3 4"]
        sent = standin.requests[-1].body["messages"][-1]["content"]
        assert [(one["tool_use_id"], one["content"]) for one in sent] == [
            ("toolu_a", "3"),
            ("toolu_b", "7"),
        ]
        calls = await server.query("toolCallTracking.byMessage", messageId=reply["_id"])
        assert [(one["status"], one["result"]) for one in calls] == [
            ("COMPLETED", 3),
            ("COMPLETED", 7),
        ]
        assert all(one["completedAt"] >= one["startedAt"] for one in calls)
        assert len(reply["requestIds"]) == 2
        assert reply["usage"]["final"] is True


async def test_a_look_at_what_waits_that_forgets_its_cancellation_holds_nothing_up(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()

    async def look(*_: Any) -> None:
        looked.set()
        with suppress(asyncio.CancelledError):  # as `asyncio.wait_for` may, up to Python 3.11
            await asyncio.Event().wait()

    monkeypatch.setattr(tool_runs, "LOOK_SECONDS", 0)
    monkeypatch.setattr(tool_runs.ToolRuns, "_look", look)
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([ToolUse("add", {"left": 1, "right": 2})]), DONE)
        reply = await ended(server, await begin(server, await new_task(server), tools=["add"]))
    assert looked.is_set()
    assert reply["status"] == "COMPLETED", reply


async def test_arguments_grow_and_the_document_comes_when_they_are_complete(
    database_uri: str,
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        pieces, go_on = ['{"path"', ': "a', '.py"}'], asyncio.Event()
        call = ToolUse("read_file", {"path": "a.py"}, deltas=pieces)
        standin.script.add(Reply([call], failure=Stalled(after=2, until=go_on)), DONE)
        task = await new_task(server)
        message = await begin(server, task, tools=[EXTERNAL])
        async with watching(server, message) as follower:
            await follower.until(lambda f: kinds(f.values["m"]) == ["tool-call"])
            begun = "".join(pieces[:2])
            await follower.until(lambda f: f.values["m"]["parts"][0]["argsText"] == begun)
            assert "args" not in follower.values["m"]["parts"][0]
            assert follower.values["t"] == []
            go_on.set()
            await follower.until(lambda f: len(f.values["t"]) == 1)
            (waits,) = follower.values["t"]
            assert (waits["status"], waits["args"]) == ("PENDING", {"path": "a.py"})
            (waiting,) = await server.query("toolCallTracking.pending", taskId=task)
            await server.mutation("toolCallTracking.claim", id=waiting["_id"], executor="e1")
            taken = await server.http.post(
                "/api/mutation/toolCallTracking.claim",
                json={"id": waiting["_id"], "executor": "e2"},
            )
            assert taken.status_code == 409
            assert await server.query("toolCallTracking.pending") == []
            await server.mutation(
                "toolCallTracking.updateResult",
                toolCallId=waits["toolCallId"],
                status="COMPLETED",
                result={"text": "print()"},
            )
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
            assert kinds(follower.values["m"]) == ["tool-call", "tool-result", "text"]


@pytest.mark.parametrize(
    ("use", "code"),
    [
        (ToolUse("hold", {}), "timed_out"),
        (ToolUse("refuse", {}), "conflict"),
        (ToolUse("crash", {}), "failed"),
        (ToolUse("leave", {}), "failed"),
        (ToolUse("give_up", {}), "failed"),
        (ToolUse("answer", {}), "failed"),
        (ToolUse("add", {"left": "x"}), "invalid_arguments"),
        (ToolUse("never_heard_of", {}), "unknown_tool"),
    ],
)
async def test_a_call_that_fails_says_so_to_claude_and_the_reply_goes_on(
    database_uri: str, caplog: pytest.LogCaptureFixture, use: ToolUse, code: str
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([use]), DONE)
        task = await new_task(server)
        tools = ["hold", "refuse", "crash", "add", "leave", "give_up", "answer"]
        reply = await ended(server, await begin(server, task, tools=tools))
        assert (reply["status"], text_of(reply)) == ("COMPLETED", "All done.")
        (call,) = await server.query("toolCallTracking.byMessage", messageId=reply["_id"])
        assert (call["status"], call["error"]["code"]) == ("FAILED", code)
        (result,) = standin.requests[-1].body["messages"][-1]["content"]
        assert result["is_error"] is True
        assert "sk-ant" not in json.dumps([call, reply, standin.requests[-1].body])


async def test_a_tool_that_will_not_stop_is_left_to_itself(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([ToolUse("stay", {})]), DONE)
        reply = await ended(server, await begin(server, await new_task(server), tools=["stay"]))
        workshop.holding.set()
        assert (reply["status"], text_of(reply)) == ("COMPLETED", "All done.")
        assert "timed_out" in reply["parts"][1]["result"]


async def test_a_result_that_cannot_be_stored_as_it_is_is_stored_otherwise(
    database_uri: str,
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([ToolUse("half", {})]), DONE)
        reply = await ended(server, await begin(server, await new_task(server), tools=["half"]))
        assert reply["status"] == "COMPLETED"
        assert reply["parts"][1]["result"] == {"a\ufffdb": "\ufffd"}


async def test_results_that_a_message_cannot_hold_are_shown_by_their_calls_alone(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_parts, "MESSAGE_CHARS_MAX", 1_500)
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        uses = [ToolUse("look_up", {"placeName": name * 400}) for name in "ab"]
        standin.script.add(Reply([uses[0]]), Reply([uses[1]]), DONE)
        reply = await ended(server, await begin(server, await new_task(server), tools=["look_up"]))
        assert reply["status"] == "COMPLETED", reply
        first, second = (p["result"] for p in reply["parts"] if p["type"] == "tool-result")
        assert (first["place"], "no room" in second) == ("a" * 400, True)
        calls = await server.query("toolCallTracking.byMessage", messageId=reply["_id"])
        assert calls[1]["result"]["place"] == "b" * 400
        assert "b" * 400 in standin.requests[-1].body["messages"][-1]["content"][0]["content"]


async def test_what_looks_like_mongodbs_own_references_is_data_like_other(
    database_uri: str,
) -> None:
    standin = StandinServer()
    schema = {"$ref": "a", "$id": {"$ref": "b", "$id": 1}, "list": [{"$id": 2, "$ref": "c"}]}
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([ToolUse("read_file", schema, id="toolu_r")]), DONE)
        task = await new_task(server)
        message = await begin(server, task, tools=[EXTERNAL])
        async with watching(server, message) as follower:
            await follower.until(lambda f: len(f.values["t"]) == 1)
            assert follower.values["t"][0]["args"] == schema
            said = {"toolCallId": "toolu_r", "status": "COMPLETED", "result": schema}
            await server.mutation("toolCallTracking.updateResult", **said)
            await server.mutation("toolCallTracking.updateResult", **said)  # the same again
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
            assert follower.values["t"][0]["result"] == schema
            assert follower.values["m"]["parts"][0]["args"] == schema
            assert follower.values["m"]["parts"][1]["result"] == schema
        assert await server.query("messages.get", messageId=message) == follower.values["m"]
        sent = standin.requests[-1].body["messages"]
        assert json.loads(sent[-1]["content"][0]["content"]) == schema
        assert sent[-2]["content"][0]["input"] == schema


async def test_a_tool_does_not_change_what_its_action_answers(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([ToolUse("answer", {})]), DONE)
        asked: dict[str, Any] = {
            "json": {
                "taskId": await new_task(server),
                "prompt": "Go",
                "tools": [{"name": "answer"}],
            },
            "headers": {"Idempotency-Key": "once"},
        }
        first = await server.http.post("/api/action/streaming.streamChatWithTools", **asked)
        await ended(server, first.json()["value"]["messageId"])
        again = await server.http.post("/api/action/streaming.streamChatWithTools", **asked)
        assert again.json()["value"] == first.json()["value"]


async def test_a_result_is_written_when_the_database_is_back(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    update_one, lost = ActionCtx.update_one, 0

    async def losing(self: ActionCtx, table: type, *args: Any) -> bool:
        nonlocal lost
        matched = await update_one(self, table, *args)
        if table is AgentTool and (lost := lost + 1) % 2:
            raise Unavailable("The answer was lost; the write was not.")
        return matched

    monkeypatch.setattr(ActionCtx, "update_one", losing)
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([ToolUse("add", {"left": 1, "right": 2})]), DONE)
        reply = await ended(server, await begin(server, await new_task(server), tools=["add"]))
        assert (reply["status"], text_of(reply)) == ("COMPLETED", "All done.")
        assert workshop.effects == ["add 1 2"]
        assert lost >= 2


async def test_a_call_that_needs_leave_waits_for_it(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        uses = [ToolUse("launch", {"what": w}, id=f"toolu_{w}") for w in ("kite", "rocket")]
        standin.script.add(Reply(uses), DONE)
        task = await new_task(server)
        message = await begin(server, task, tools=["launch"])
        async with watching(server, message) as follower:
            await follower.until(lambda f: len(f.values["t"]) == 2)
            assert {one["approval"] for one in follower.values["t"]} == {"required"}
            assert workshop.effects == []
            await server.mutation("toolCallTracking.approve", toolCallId="toolu_kite")
            await server.mutation(
                "toolCallTracking.deny", toolCallId="toolu_rocket", reason="too loud"
            )
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
        assert workshop.effects == ["launch kite"]
        kite, rocket = standin.requests[-1].body["messages"][-1]["content"]
        assert kite["content"] == "kite is up"
        assert "too loud" in rocket["content"]
        again = await server.http.post(
            "/api/mutation/toolCallTracking.approve", json={"toolCallId": "toolu_rocket"}
        )
        assert again.status_code == 409


async def test_a_loop_ends_at_its_maximum_of_steps(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_loop, "STEPS_MAX", 3)
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(*[Reply([ToolUse("add", {"left": n, "right": n})]) for n in range(9)])
        task = await new_task(server)
        reply = await ended(server, await begin(server, task, tools=["add"]))
        assert (reply["status"], reply["finishReason"]) == ("COMPLETED", "max_steps")
        assert workshop.effects == ["add 0 0", "add 1 1"]
        standin.script.clear()
        standin.script.add(DONE)
        reply = await ended(server, await begin(server, task, "And now?"))
        assert text_of(reply) == "All done.", "the strict stand-in accepts the transcript"


@pytest.mark.parametrize(
    "tools",
    [
        [],
        [{"name": "no such tool!", "parameters": {"type": "object"}}],
        [{"name": "unknown_here"}],
        [EXTERNAL, EXTERNAL],
        *[[EXTERNAL | {"parameters": schema}] for schema, _ in REFUSED_SCHEMAS],
    ],
)
async def test_tools_that_cannot_be_offered_are_refused_before_anything_is_written(
    database_uri: str, tools: list[Any]
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        task = await new_task(server)
        response = await server.http.post(
            "/api/action/streaming.streamChatWithTools",
            json={"taskId": task, "prompt": "x", "tools": tools},
        )
        assert response.status_code == 422, response.text
        error = response.json()["error"]
        assert (error["code"], error["details"][0]["argument"][:5]) == (
            "invalid_arguments", "tools",
        )  # fmt: skip
        assert await server.query("messages.byTask", taskId=task) == []
        assert not standin.requests


async def test_pausing_for_the_service_goes_on_with_the_content_unchanged(
    database_uri: str,
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([Text(["First half,"])], stop_reason="pause_turn"), DONE)
        task = await new_task(server)
        reply = await ended(server, await begin(server, task))
        assert (reply["status"], text_of(reply)) == ("COMPLETED", "First half,All done.")
        sent = standin.requests[-1].body["messages"]
        assert (sent[-1]["role"], sent[-1]["content"][0]["text"]) == ("assistant", "First half,")


async def test_cancelling_ends_the_calls_and_the_tools(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([ToolUse("hold_long", {}), ToolUse("read_file", {"path": "x"})]))
        task = await new_task(server)
        message = await begin(server, task, tools=["hold_long", EXTERNAL])
        async with watching(server, message) as follower:
            await follower.until(
                lambda f: sorted(one["status"] for one in f.values["t"]) == ["PENDING", "RUNNING"]
            )
            assert await server.action("streaming.cancelStream", messageId=message)
            await follower.until(lambda f: f.values["m"]["status"] == "CANCELLED")
            await follower.until(lambda f: {one["status"] for one in f.values["t"]} == {"FAILED"})
            assert {one["error"]["code"] for one in follower.values["t"]} == {"cancelled"}
        async with asyncio.timeout(50):  # the tool itself would hold for longer
            await at_rest(server)
        late = await server.http.post(
            "/api/mutation/toolCallTracking.updateResult",
            json={"toolCallId": follower.values["t"][1]["toolCallId"], "status": "COMPLETED"},
        )
        assert late.status_code == 409
        standin.script.add(DONE)
        assert text_of(await ended(server, await begin(server, task, "Go on"))) == "All done."
