"""``streaming.streamChat`` through the whole server, against the real service."""

from typing import Any

import httpx2
import pytest

from server.llm import DEFAULT_MODEL
from tests.live_claude.conftest import CHEAP
from tests.sse import Follower

pytestmark = pytest.mark.live


async def call(server: httpx2.AsyncClient, path: str, **arguments: Any) -> Any:
    response = await server.post(f"/api/{path}", json=arguments)
    assert response.is_success, response.text
    return response.json()["value"]


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


@pytest.mark.parametrize("model", [CHEAP, DEFAULT_MODEL])
async def test_a_reply_is_written_and_the_next_one_knows_of_it(
    server: httpx2.AsyncClient, model: str
) -> None:
    task = await call(server, "mutation/tasks.create", title="Live")
    for prompt in ("Name one river in Switzerland, in one word.", "Say that word again."):
        begun = await call(
            server,
            "action/streaming.streamChat?wait=true",
            taskId=task["_id"],
            prompt=prompt,
            model=model,
            systemPrompt="Be as brief as you can.",
        )
        reply = await call(server, "query/messages.get", messageId=begun["messageId"])
        assert reply["status"] == "COMPLETED", reply["error"]
        assert reply["finishReason"] == "end_turn"
        assert reply["model"].startswith(model)
        assert text_of(reply).strip()
        usage = reply["usage"]
        assert usage["totalTokens"] == usage["promptTokens"] + usage["completionTokens"] > 0


async def test_a_subscriber_sees_the_reply_grow(server: httpx2.AsyncClient) -> None:
    task = await call(server, "mutation/tasks.create", title="Live")
    follower = Follower(server, {"m": ("messages.byTask", {"taskId": task["_id"]})})
    lengths: set[int] = set()

    def is_done(seen: Follower) -> bool:
        messages = seen.values.get("m") or []
        if len(messages) < 2:
            return False
        lengths.add(len(text_of(messages[1])))
        return messages[1]["status"] not in {"PENDING", "STREAMING"}

    async with follower.following():
        begun = await call(
            server,
            "action/streaming.streamChat",
            taskId=task["_id"],
            prompt="Write two paragraphs about why rivers meander.",
            model=CHEAP,
        )
        await follower.until(is_done, seconds=110)
    reply = await call(server, "query/messages.get", messageId=begun["messageId"])
    assert reply["status"] == "COMPLETED", reply["error"]
    assert follower.values["m"][1] == reply
    assert len(lengths) > 2
