"""The transcript of a task, on a real database: what people do to messages does not touch it."""

from typing import Any

from pymongo import AsyncMongoClient

from scripts.seed import TASK_ID, demo, seed
from server.llm.standin import Reply, StandinServer, Text, Thinking, ToolUse
from server.store.connection import database_name
from tests.functions.chat import begin, ended, new_task, talking, text_of

SAID = Reply([Thinking(["Hm."]), Text(["Good day."])])


async def test_editing_and_deleting_messages_changes_no_request_and_the_cache_holds(
    database_uri: str,
) -> None:
    standin = StandinServer()
    async with (
        standin,
        talking(database_uri, standin) as server,
        AsyncMongoClient[dict[str, Any]](database_uri, w="majority") as client,
    ):
        messages = client[database_name(database_uri)]["chatMessages"]
        standin.script.add(SAID, SAID, SAID)
        task = await new_task(server)
        first = await ended(server, await begin(server, task, "One?"))
        assert first["usage"]["cacheReadTokens"] == 0
        changed = [{"type": "text", "text": ["Something else."]}]
        await messages.update_many({"taskId": task}, {"$set": {"parts": changed}})
        second = await ended(server, await begin(server, task, "Two?"))
        assert second["usage"]["cacheReadTokens"] > 0
        await messages.delete_many({"taskId": task})
        third = await ended(server, await begin(server, task, "Three?"))
        assert third["usage"]["cacheReadTokens"] > second["usage"]["cacheReadTokens"]
        sent = [request.body["messages"] for request in standin.requests]
        assert sent[1][: len(sent[0])] == sent[0]
        assert sent[2][: len(sent[1])] == sent[1]
        assert "Something else" not in str(sent)


async def test_messages_that_others_wrote_go_along(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        await seed(database_uri, demo())
        standin.script.add(SAID)
        reply = await ended(server, await begin(server, TASK_ID, "And lakes?"))
        assert reply["status"] == "COMPLETED", reply
        turns = standin.requests[-1].body["messages"]
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * 2 + ["user"]
        assert "Because **small bends grow**" in turns[1]["content"][0]["text"]


async def test_a_prompt_without_tools_after_calls_that_nobody_went_on_from_is_taken(
    database_uri: str,
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        calls = [Thinking(["Adding."]), ToolUse("add", {"left": 1, "right": 1})]
        standin.script.add(Reply(calls, stop_reason="max_tokens"), Reply([Text(["Plain."])]))
        task = await new_task(server)
        cut = await ended(server, await begin(server, task, "Add", tools=["add"]))
        assert (cut["status"], cut["finishReason"]) == ("COMPLETED", "max_tokens")
        plain = await ended(server, await begin(server, task, "Never mind."))
        assert (plain["status"], text_of(plain)) == ("COMPLETED", "Plain."), plain
