"""``streaming.streamChat``: whatever happens to the stream, the message tells it."""

import asyncio
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.core.errors import Unavailable
from server.functions import message_part, message_writer
from server.llm.standin import (
    CutShort,
    Dropped,
    ErrorEvent,
    Reply,
    Stalled,
    StandinServer,
    StatusError,
    Text,
    Thinking,
)
from server.runtime import ActionCtx
from server.store.connection import database_name
from tests.serving import Running, serving
from tests.sse import Follower


async def ask(server: Running, prompt: str = "Hello", **extra: Any) -> dict[str, Any]:
    """Ask in a new task and wait for the ending; gives the reply."""
    task = extra.pop("task", None) or await server.mutation("tasks.create", title="T")
    response = await server.http.post(
        "/api/action/streaming.streamChat?wait=true",
        json={"taskId": task["_id"], "prompt": prompt, **extra},
    )
    assert response.status_code == 200, response.text
    message_id = response.json()["value"]["messageId"]
    reply = await server.query("messages.get", messageId=message_id)
    assert reply is not None
    return reply


def text_of(reply: dict[str, Any]) -> str:
    return "".join(part["text"] for part in reply["parts"] if part["type"] == "text")


async def test_text_and_reasoning_are_parts_with_usage_and_a_finish_reason(
    database_uri: str,
) -> None:
    standin = StandinServer()
    async with standin, serving(database_uri, standin=standin) as server:
        standin.script.add(Reply([Thinking(["Hm, ", "well."]), Text(["Good ", "day."])]))
        reply = await ask(server)
        assert [(part["type"], part["text"]) for part in reply["parts"]] == [
            ("reasoning", "Hm, well."),
            ("text", "Good day."),
        ]
        assert reply["status"] == "COMPLETED"
        assert reply["finishReason"] == "end_turn"
        usage = reply["usage"]
        assert usage["totalTokens"] == usage["promptTokens"] + usage["completionTokens"] > 0
        assert reply["model"] == "claude-sonnet-5-5"
        assert "lease" not in reply


async def test_the_earlier_conversation_goes_along(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, serving(database_uri, standin=standin) as server:
        task = await server.mutation("tasks.create", title="T")
        for number in range(3):
            standin.script.add(Reply([Text([f"answer {number}"])]))
            await ask(server, f"question {number}", task=task, systemPrompt="Be brief.")
        body = standin.requests[-1].body
        assert body["system"][0]["text"] == "Be brief."
        said = [(turn["role"], turn["content"][0]["text"]) for turn in body["messages"]]
        assert said == [
            ("user", "question 0"),
            ("assistant", "answer 0"),
            ("user", "question 1"),
            ("assistant", "answer 1"),
            ("user", "question 2"),
        ]
        messages = await server.query("messages.byTask", taskId=task["_id"])
        assert [message["sequence"] for message in messages] == list(range(6))


async def test_prompts_at_once_in_one_task_keep_their_order(database_uri: str) -> None:
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title="T")
        await asyncio.gather(*(ask(server, f"question {n}", task=task) for n in range(8)))
        messages = await server.query("messages.byTask", taskId=task["_id"])
        assert [message["sequence"] for message in messages] == list(range(16))
        assert {message["status"] for message in messages} == {"COMPLETED"}
        for asked, reply in zip(messages[::2], messages[1::2], strict=True):
            assert (asked["role"], reply["role"]) == ("user", "assistant")


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (CutShort(after=3), "claude_stream_cut"),
        (Dropped(after=3), "claude_stream_cut"),
        (ErrorEvent(after=3), "claude_overloaded"),
    ],
)
async def test_a_broken_stream_fails_the_message_and_keeps_its_text(
    database_uri: str, failure: Any, code: str
) -> None:
    standin = StandinServer()
    async with standin, serving(database_uri, standin=standin) as server:
        standin.script.add(Reply([Text(["one ", "two ", "three ", "four"])], failure=failure))
        reply = await ask(server)
        assert reply["status"] == "FAILED"
        assert reply["error"]["code"] == code
        assert len(reply["error"]["message"]) > 20
        assert "one " in text_of(reply)
        assert "four" not in text_of(reply)


async def test_a_refused_request_fails_the_message_with_the_cure(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, serving(database_uri, standin=standin) as server:
        standin.script.add(Reply(failure=StatusError(401, "authentication_error")))
        reply = await ask(server)
        assert reply["status"] == "FAILED"
        assert reply["error"]["code"] == "claude_key_refused"
        assert "key" in reply["error"]["message"]
        assert reply["parts"] == []


async def test_an_unknown_task_and_an_unknown_model_are_refused_before_anything_is_written(
    database_uri: str,
) -> None:
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title="T")
        for arguments, status, code in (
            ({"taskId": "nope", "prompt": "x"}, 404, "not_found"),
            ({"taskId": task["_id"], "prompt": "x", "model": "gpt-9"}, 422, "claude_model_unknown"),
        ):
            response = await server.http.post("/api/action/streaming.streamChat", json=arguments)
            assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        assert await server.query("messages.byTask", taskId=task["_id"]) == []


async def test_a_refusal_takes_back_what_was_shown(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, serving(database_uri, standin=standin) as server:
        standin.script.add(Reply([Text(["I would ", "rather"])], stop_reason="refusal"))
        reply = await ask(server)
        assert (reply["status"], reply["finishReason"]) == ("FAILED", "refusal")
        assert reply["parts"] == []


async def test_the_server_stopping_writes_interrupted_and_keeps_the_text(
    database_uri: str,
) -> None:
    standin = StandinServer()
    async with standin:
        async with serving(database_uri, standin=standin) as server:
            go_on = asyncio.Event()
            standin.script.add(
                Reply([Text(["kept ", "text", "never"])], failure=Stalled(after=2, until=go_on))
            )
            task = await server.mutation("tasks.create", title="T")
            await server.action("streaming.streamChat", taskId=task["_id"], prompt="x")
            follower = Follower(server.http, {"m": ("messages.byTask", {"taskId": task["_id"]})})
            async with follower.following():
                await follower.until(
                    lambda f: (
                        len(f.values.get("m", [])) == 2 and text_of(f.values["m"][1]) == "kept text"
                    )
                )
        async with serving(database_uri, standin=standin) as server:
            (_, reply) = await server.query("messages.byTask", taskId=task["_id"])
            assert (reply["status"], text_of(reply)) == ("INTERRUPTED", "kept text")
        go_on.set()


async def test_a_writer_that_was_fenced_off_writes_no_more(database_uri: str) -> None:
    standin = StandinServer()
    async with (
        standin,
        serving(database_uri, standin=standin) as server,
        AsyncMongoClient[dict[str, Any]](database_uri, w="majority") as client,
    ):
        go_on = asyncio.Event()
        standin.script.add(
            Reply([Text(["before ", "after"])], failure=Stalled(after=1, until=go_on))
        )
        task = await server.mutation("tasks.create", title="T")
        begun = await server.action("streaming.streamChat", taskId=task["_id"], prompt="x")
        follower = Follower(server.http, {"m": ("messages.get", {"messageId": begun["messageId"]})})
        async with follower.following():
            await follower.until(lambda f: bool(f.values.get("m")) and text_of(f.values["m"]) != "")
            messages = client[database_name(database_uri)]["chatMessages"]
            await messages.update_one(
                {"_id": begun["messageId"]}, {"$set": {"status": "CANCELLED"}}
            )
            await follower.until(lambda f: f.values["m"]["status"] == "CANCELLED")
            go_on.set()
            async with asyncio.timeout(60):
                await standin.requests[-1].ended.wait()
            await asyncio.gather(*server.app._services.actions._at_work)  # type: ignore[union-attr]
        reply = await server.query("messages.get", messageId=begun["messageId"])
        assert (reply["status"], text_of(reply)) == ("CANCELLED", "before ")


async def test_an_ended_reply_is_stored_as_one_chunk(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_writer, "FLUSH_INTERVAL_SECONDS_MIN", 0.0)
    monkeypatch.setattr(message_part, "COMPACT_CHUNKS", 5)
    words = [f"{n} " for n in range(60)]
    standin = StandinServer()
    async with (
        standin,
        serving(database_uri, standin=standin) as server,
        AsyncMongoClient[dict[str, Any]](database_uri) as client,
    ):
        standin.script.add(Reply([Text(words)], delta_interval_ms=5))
        task = await server.mutation("tasks.create", title="T")
        follower = Follower(server.http, {"m": ("messages.byTask", {"taskId": task["_id"]})})
        chunks: list[int] = []
        messages = client[database_name(database_uri)]["chatMessages"]

        async with follower.following():
            await follower.until(lambda f: "m" in f.values)
            begun = await server.action("streaming.streamChat", taskId=task["_id"], prompt="x")
            while True:
                stored = await messages.find_one({"_id": begun["messageId"]})
                assert stored is not None
                if stored["status"] == "COMPLETED":
                    break
                if stored["parts"]:
                    chunks.append(len(stored["parts"][0]["text"]))
            await follower.until(lambda f: f.values["m"][1]["status"] == "COMPLETED")
        assert stored["parts"][0]["text"] == ["".join(words)]
        assert max(chunks, default=0) <= 60
        patches = [
            operation
            for event in follower.events
            for operation in event.data["queries"].get("m", {}).get("patch", [])
            if operation["path"].endswith("/text")
        ]
        assert {one["op"] for one in patches} == {"append"}, "compaction is invisible"
        assert "".join(one["value"] for one in patches) in "".join(words)


async def test_a_write_whose_outcome_is_not_known_is_never_doubled(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_writer, "RETRY_SECONDS", 0.01)
    append = ActionCtx.append_together
    lost = 0

    async def losing(self: ActionCtx, *args: Any) -> bool:
        nonlocal lost
        matched = await append(self, *args)
        lost += 1
        if lost % 2:
            raise Unavailable("The answer was lost; the write was not.")
        return matched

    monkeypatch.setattr(ActionCtx, "append_together", losing)
    standin = StandinServer()
    words = [f"{n} " for n in range(30)]
    async with standin, serving(database_uri, standin=standin) as server:
        standin.script.add(Reply([Text(words)], delta_interval_ms=10))
        reply = await ask(server)
        assert text_of(reply) == "".join(words)
        assert lost > 2


async def test_a_callers_key_goes_to_the_service_and_nowhere_else(
    database_uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = "sk-ant-callers-own-key-42"
    async with (
        serving(database_uri) as server,
        AsyncMongoClient[dict[str, Any]](database_uri) as client,
    ):
        claude = server.app._services.actions.claude  # type: ignore[union-attr]
        claude._callers_base_url = server.standin.base_url
        reply = await ask(server, apiKeys={"anthropic": secret})
        assert reply["status"] == "COMPLETED"
        assert server.standin.requests[-1].key == secret
        database = client[database_name(database_uri)]
        for name in await database.list_collection_names():
            for document in await database[name].find().to_list():
                assert secret not in repr(document)
    assert secret not in caplog.text


@pytest.mark.parametrize("name", ["openai", "Anthropic", "ANTHROPIC_API_KEY", ""])
@pytest.mark.parametrize("more", [{}, {"anthropic": "sk-ant-hush-2"}])
async def test_a_key_of_a_service_that_is_not_known_is_refused_and_not_passed_over(
    database_uri: str, name: str, more: dict[str, str]
) -> None:
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title="T")
        body = {"taskId": task["_id"], "prompt": "x", "apiKeys": {name: "sk-hush", **more}}
        response = await server.http.post("/api/action/streaming.streamChat", json=body)
        assert response.status_code == 422, response.text
        error = response.json()["error"]
        assert error["code"] == "invalid_arguments"
        (detail,) = error["details"]
        assert detail["argument"] == "apiKeys"
        assert 'as {"anthropic": key}' in detail["problem"]
        assert "hush" not in response.text
        assert await server.query("messages.byTask", taskId=task["_id"]) == []
        assert not server.standin.requests


@pytest.mark.parametrize("keys", [None, {}])
async def test_no_key_is_no_mistake(database_uri: str, keys: dict[str, str] | None) -> None:
    async with serving(database_uri) as server:
        assert (await ask(server, apiKeys=keys))["status"] == "COMPLETED"


@pytest.mark.parametrize("prompt", ["", "  ", "\n\t", "\u2003"])
async def test_a_prompt_of_nothing_is_refused(database_uri: str, prompt: str) -> None:
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title="T")
        response = await server.http.post(
            "/api/action/streaming.streamChat", json={"taskId": task["_id"], "prompt": prompt}
        )
        assert response.status_code == 422
        assert await server.query("messages.byTask", taskId=task["_id"]) == []


@pytest.mark.parametrize("system", ["", "  ", "\n"])
async def test_a_system_prompt_of_nothing_is_none(database_uri: str, system: str) -> None:
    async with serving(database_uri) as server:
        reply = await ask(server, systemPrompt=system)
        assert reply["status"] == "COMPLETED"
        assert "system" not in server.standin.requests[-1].body
