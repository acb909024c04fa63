"""Recorded replies: what is stored is what the official SDK makes of the same bytes."""

import json
from collections.abc import Sequence
from typing import Any

import anthropic
import pytest
from pymongo import AsyncMongoClient

from server.llm.standin import Replay, Reply, StandinServer, Text
from server.llm.standin.recording import frames
from server.store.connection import database_name
from tests.functions.chat import EXTERNAL, begin, ended, kinds, new_task, talking, text_of, watching
from tests.functions.recordings import RECORDED, WRITTEN
from tests.serving import Running

HELLO = {"role": "user", "content": "Hello"}
TOOLS = [EXTERNAL | {"name": name} for name in ("look", "get_weather")]
SLOWLY = ["1_two_tools", "citations", "letters in halves", "a tool's JSON cut by max_tokens"]
"""Those that are also sent so slowly that they are written in many pieces."""
SHOWN = {"text": "text", "thinking": "reasoning", "tool_use": "tool-call"}


async def by_the_sdk(standin: StandinServer, data: bytes) -> dict[str, Any]:
    """The message that the SDK's own accumulator makes of a recording."""
    standin.script.add(Replay(data))
    async with (
        anthropic.AsyncAnthropic(base_url=standin.base_url, api_key="any", max_retries=0) as sdk,
        sdk.messages.stream(
            model="claude-sonnet-5-5", max_tokens=1_000, messages=[HELLO]
        ) as stream,
    ):
        final = await stream.get_final_message()
    return whole_letters(final.model_dump(mode="json", exclude_unset=True, warnings=False))


def whole_letters(value: Any) -> Any:
    """Halves of one letter joined, as no database and no stream can hold them by themselves."""
    match value:
        case dict():
            return {key: whole_letters(one) for key, one in value.items()}
        case list():
            return [whole_letters(one) for one in value]
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case _:
            return value


async def transcript(uri: str, task: str) -> list[dict[str, Any]]:
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        entries = client[database_name(uri)]["transcripts"]
        return await entries.find({"taskId": task}).sort("number", 1).to_list()


async def answer_calls(server: Running, message: str) -> None:
    """Be the executor of whatever a reply calls, until it has ended."""
    answered: set[str] = set()
    async with watching(server, message) as follower:
        while follower.values["m"]["status"] in ("PENDING", "STREAMING"):
            for call in follower.values["t"]:
                if call["status"] == "PENDING" and call["toolCallId"] not in answered:
                    answered.add(call["toolCallId"])
                    said = {"toolCallId": call["toolCallId"], "status": "COMPLETED", "result": "x"}
                    await server.mutation("toolCallTracking.updateResult", **said)
            seen = len(follower.events)
            await follower.until(
                lambda f, seen=seen: (
                    len(f.events) > seen or f.values["m"]["status"] not in ("PENDING", "STREAMING")
                )
            )


def parts_of(content: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a message shows of content blocks."""
    return [_part(block) for block in content if block["type"] in SHOWN]


def _part(block: dict[str, Any]) -> dict[str, Any]:
    match block:
        case {"type": "text", "text": text}:
            cited = {"citations": block["citations"]} if block.get("citations") else {}
            return {"type": "text", "text": text, **cited}
        case {"type": "thinking", "thinking": text}:
            return {"type": "reasoning", "text": text}
        case _:
            return {
                "type": "tool-call",
                "toolCallId": block["id"],
                "toolName": block["name"],
                "args": block["input"],
            }


def counted(usage: dict[str, Any]) -> dict[str, int]:
    """The API's usage, as a message has it."""
    read, written = (
        usage.get(name) or 0 for name in ("cache_read_input_tokens", "cache_creation_input_tokens")
    )
    prompt = usage["input_tokens"] + read + written
    return {
        "promptTokens": prompt,
        "completionTokens": usage["output_tokens"],
        "totalTokens": prompt + usage["output_tokens"],
        "cacheReadTokens": read,
        "cacheWriteTokens": written,
        "thinkingTokens": (usage.get("output_tokens_details") or {}).get("thinking_tokens", 0),
    }


@pytest.mark.parametrize(
    ("name", "pace_ms"), [(name, 0) for name in RECORDED] + [(name, 7) for name in SLOWLY]
)
async def test_what_is_stored_is_what_the_sdk_makes_of_the_same_bytes(
    database_uri: str, name: str, pace_ms: int
) -> None:
    data = RECORDED[name]
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        expected = await by_the_sdk(standin, data)
        standin.script.add(Replay(data, event_interval_ms=pace_ms), Reply([Text(["Done."])]))
        task = await new_task(server)
        message = await begin(server, task, tools=TOOLS)
        await answer_calls(server, message)
        stored = await ended(server, message)
        assert stored["status"] == "COMPLETED", stored
        shown = parts_of(expected["content"])
        given = stored["parts"][: len(shown)]
        pieces = [part.pop("argsText") for part in given if part["type"] == "tool-call"]
        assert given == shown_as_stored(shown)
        assert stored["model"] == expected["model"]

        entries = await transcript(database_uri, task)
        reply = next(entry for entry in entries if entry["kind"] == "reply")
        assert json.loads(reply["content"]) == expected["content"]
        assert (reply["stopReason"], reply["role"]) == (expected["stop_reason"], "assistant")
        assert reply["requestId"] in stored["requestIds"]
        usage = json.loads(reply["usage"])
        for what in usage.keys() - {"thinking_tokens"}:
            assert usage[what] == (expected["usage"].get(what) or 0), what
        went_on = expected["stop_reason"] == "tool_use"
        assert (text_of(stored)[-5:] == "Done.") == went_on
        if not went_on:
            assert stored["usage"] == {**counted(expected["usage"]), "final": True}
            assert stored["finishReason"] == expected["stop_reason"]
            assert kinds(stored) == [part["type"] for part in shown]
        else:
            assert kinds(stored).count("tool-result") == len(pieces)
            extra = stored["usage"]["promptTokens"] - counted(expected["usage"])["promptTokens"]
            assert extra > 0, "both steps are counted"
        standin.script.clear()
        standin.script.add(Reply([Text(["Next."])]))
        after = await ended(server, await begin(server, task, "And?", tools=TOOLS))
        assert text_of(after) == "Next.", f"the strict stand-in takes it back: {after}"
        sent = standin.requests[-1].body["messages"][1]
        assert floating(sent["content"]) == floating(sendable_of(expected["content"]))


def sendable_of(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All but texts of nothing, which the service refuses."""
    return [block for block in content if block["type"] != "text" or block["text"].strip()]


def floating(value: Any) -> Any:
    """Numbers as the stand-in reads them, which has no very large integers."""
    return json.loads(json.dumps(value), parse_int=float)


def shown_as_stored(value: Any) -> Any:
    """Integers beyond 2⁵³ are strings to a browser."""
    match value:
        case dict():
            return {key: shown_as_stored(one) for key, one in value.items()}
        case list():
            return [shown_as_stored(one) for one in value]
        case int() if abs(value) > 2**53:
            return str(value)
        case _:
            return value


@pytest.mark.parametrize("name", ["thinking between texts", "citations", "letters of all kinds"])
async def test_a_recording_that_is_cut_anywhere_keeps_what_the_sdk_has_by_then(
    database_uri: str, name: str
) -> None:
    data = WRITTEN[name]
    pieces = [frame.data for frame in frames(data)]
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        for count in range(2, len(pieces)):
            cut = b"".join(pieces[:count])
            expected = await by_the_sdk(standin, cut)
            standin.script.add(Replay(cut))
            stored = await ended(server, await begin(server, await new_task(server)))
            assert (stored["status"], stored["error"]["code"]) == ("FAILED", "claude_stream_cut")
            given = [(part["type"], part["text"]) for part in stored["parts"]]
            wanted = [(part["type"], part["text"]) for part in parts_of(expected["content"])]
            assert given == wanted, f"after {count} events"
            assert stored["usage"]["final"] is False
