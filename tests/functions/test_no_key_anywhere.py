"""A key that comes with a call is used, and is nowhere to be found afterwards, or meanwhile."""

import asyncio
import gc
import json
import logging
import traceback
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.llm.standin import (
    CutShort,
    Dropped,
    ErrorEvent,
    Malformed,
    Reply,
    Stalled,
    StandinServer,
    StatusError,
    Text,
    Thinking,
    ToolUse,
)
from server.store.connection import database_name
from tests.functions.chat import at_rest, begin, new_task, talking, watching
from tests.serving import Running

CANARY = "canary7f3a91"
KEYS = [
    f"sk-ant-api03-{CANARY}-AAAA_bbbb",
    f"{CANARY}",
    f"  sk-ant-{CANARY}\n",
    f'{CANARY}"quoted\\\\{{$set}}%s',
    f"Bearer {CANARY}",
    f"{CANARY} with spaces",
    f"{CANARY}é",
    "",
]
WORDS = ["one ", "two ", "three"]


def quoting(status: int, error_type: str, key: str) -> StatusError:
    """A refusal that quotes the key, as careless services do."""
    return StatusError(status, error_type, f"The key {key.strip()!r} ({key}) is no good.")


async def everything(uri: str) -> str:
    """The database, and the oplog's entries of it."""
    name = database_name(uri)
    found: dict[str, Any] = {}
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        for collection in await client[name].list_collection_names():
            found[collection] = await client[name][collection].find().to_list()
        ours = {
            "$or": [{"ns": {"$regex": f"^{name}\\."}}, {"o.applyOps.ns": {"$regex": f"^{name}\\."}}]
        }
        found["oplog"] = await client["local"]["oplog.rs"].find(ours).to_list()
    assert found["chatMessages"]
    assert len(found["oplog"]) > 10
    assert any("applyOps" in one["o"] for one in found["oplog"]), "transactions are looked into"
    return repr(found)


async def one_life(server: Running, key: str, seen: list[str]) -> None:
    """A reply with tools that is cut, resumed, fails, and is cancelled."""
    script = server.script
    keys = {"apiKeys": {"anthropic": key}}
    task = await new_task(server)
    script.clear()
    script.add(
        Reply([Thinking(["Hm."]), ToolUse("crash", {}), ToolUse("add", {"left": "x"})]),
        Reply([Text(WORDS)], failure=CutShort(after=2)),
        Reply(failure=quoting(400, "invalid_request_error", key)),
        Reply([Text(["four"])], failure=Dropped(after=1)),
        Reply(failure=quoting(401, "authentication_error", key)),
        Reply(failure=quoting(403, "permission_error", key)),
        Reply(failure=quoting(404, "not_found_error", key)),
        Reply([Text(["five"])], failure=ErrorEvent(1, "api_error", f"With {key}: no.")),
        Reply([Text(["six"])], failure=Malformed(1, f"event: x\ndata: {{{key}\n\n".encode())),
        Reply([Text(WORDS)], failure=Stalled(after=2)),
    )
    message = await begin(server, task, tools=["crash", "add"], **keys)
    async with watching(server, message) as follower:
        statuses = ("FAILED", "COMPLETED", "CANCELLED")
        await follower.until(lambda f: f.values["m"]["status"] in statuses)
        while len(script) and script._turns[0].failure is not None and usable(key):
            last = len(script) == 1
            answer = await server.http.post(
                "/api/action/streaming.resumeStream", json={"messageId": message, **keys}
            )
            seen.append(answer.text)
            assert answer.status_code == 202, answer.text
            if last:
                await follower.until(lambda f: "two" in json.dumps(f.values["m"]["parts"][-1]))
                await server.action("streaming.cancelStream", messageId=message)
            await at_rest(server)
        await at_rest(server)
        again = await server.http.post(
            "/api/action/streaming.resumeStream", json={"messageId": message, **keys, "model": key}
        )
        seen.append(again.text)  # an argument that it does not have
    seen.append(json.dumps([event.data for event in follower.events], ensure_ascii=False))
    for wrong in (
        {"anthropic": [key]}, {"anthropic": {"key": key}}, key, [key], {key: 5}, {key: key},
        {"anthropic": key, "other": key}, {"anthropic": key, key: "x"},
    ):  # fmt: skip
        body = {"taskId": task, "prompt": "x", "apiKeys": wrong}
        refused = await server.http.post("/api/action/streaming.streamChat", json=body)
        assert refused.status_code == 422
        seen.append(refused.text)


def usable(key: str) -> bool:
    """Whether it can be sent at all."""
    key = key.strip()
    return bool(key) and key.isascii() and " " not in key


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
async def test_a_callers_key_is_nowhere(
    database_uri: str, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx2", "httpcore2", "anthropic", "pymongo", "uvicorn", "asyncio", "headwater"):
        caplog.set_level(logging.DEBUG, name)
    standin = StandinServer()
    seen: list[str] = []
    async with standin, talking(database_uri, standin) as server:
        services = server.app._services
        assert services is not None
        services.actions.claude._callers_base_url = standin.base_url
        await one_life(server, key, seen)
        if usable(key):
            assert {request.key for request in standin.requests} == {key.strip()}, "it is used"
            assert len(standin.requests) >= 10
        else:
            assert not standin.requests
        for path in ("/metrics", "/openapi.json", "/api/live-queries", "/healthz", "/readyz"):
            answer = await server.http.get(path)
            seen.append(answer.text)
        seen += [repr(server.app.settings), repr(vars(server.app)), repr(services)]
        seen.append(repr(vars(services.actions)))
        await asyncio.sleep(0)
        stored = await everything(database_uri)
    seen += [caplog.text, stored]
    for record in caplog.records:
        seen += [repr(record.args), record.getMessage()]
        if record.exc_info and record.exc_info[1]:
            seen += traceback.format_exception(record.exc_info[1])
    for text in seen:
        place = text.find(CANARY)
        assert place < 0, text[max(0, place - 300) : place + 100]
    gc.collect()
    kept = [one for one in gc.get_objects() if isinstance(one, dict) and _holds(one)]
    assert not kept, "nothing of the server's remembers it"


def _holds(value: dict[Any, Any]) -> bool:
    """Whether a dict of the server's own modules has a key of ours among its values."""
    return "anthropic" in value and CANARY in repr(value.get("anthropic"))
