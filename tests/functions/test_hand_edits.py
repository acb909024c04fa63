"""Somebody removes parts of a message in mid-reply: no holes, and an ending that says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.functions import reply_lease, streaming
from server.llm.standin import Reply, Stalled, StandinServer, Text, Thinking, ToolUse
from server.runtime import ActionCtx
from server.store.connection import database_name
from tests.functions.chat import at_rest, begin, ended, new_task, talking, text_of, watching
from tests.serving import Running
from tests.sse import Follower

EDITS: list[dict[str, Any]] = [
    {"$set": {"parts": []}},
    {"$pop": {"parts": 1}},
    {"$pop": {"parts": -1}},
]
NEXT: dict[str, Reply] = {
    "more text": Reply([Thinking(["Hm."]), Text(["before ", "after ", "and on"])]),
    "another part": Reply([Thinking(["Hm."]), Text(["before "]), ToolUse("add", {"left": 1})]),
    "the end": Reply([Thinking(["Hm."]), Text(["before "])]),
}


@dataclass
class Midway:
    """A reply that thought and began to speak, and waits."""

    server: Running
    follower: Follower
    message: str
    stored: Any
    go_on: asyncio.Event

    async def edit(self, update: dict[str, Any]) -> list[Any]:
        """Change the message by hand; gives the parts that are left."""
        await self.stored.update_one({"_id": self.message}, update)
        return (await self.stored.find_one({"_id": self.message}))["parts"]


@asynccontextmanager
async def midway(uri: str, standin: StandinServer, reply: Reply) -> AsyncIterator[Midway]:
    go_on = asyncio.Event()
    reply = replace(reply, failure=Stalled(after=2, until=go_on))
    async with (
        standin,
        talking(uri, standin) as server,
        AsyncMongoClient[dict[str, Any]](uri, w="majority") as client,
    ):
        standin.script.add(reply, Reply([Text(["Once more."])]))
        message = await begin(server, await new_task(server), tools=["add"])
        async with watching(server, message) as follower:
            await follower.until(lambda f: text_of(f.values["m"]) == "before ")
            stored = client[database_name(uri)]["chatMessages"]
            yield Midway(server, follower, message, stored, go_on)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("follows", NEXT)
async def test_a_reply_whose_parts_were_removed_fails_without_a_hole_and_can_go_on(
    database_uri: str, edit: dict[str, Any], follows: str
) -> None:
    async with midway(database_uri, StandinServer(), NEXT[follows]) as it:
        left = await it.edit(edit)
        it.go_on.set()
        await it.follower.until(lambda f: f.values["m"]["status"] not in ("PENDING", "STREAMING"))
        message = await it.stored.find_one({"_id": it.message})
        assert message["parts"] == left, "nothing was written by place"
        assert message["status"] == "FAILED", message
        assert message["error"]["code"] == "conflict"
        assert "Somebody removed parts of this message" in message["error"]["message"]
        assert "lease" not in message
        await it.server.action("streaming.resumeStream", messageId=it.message)
        reply = await ended(it.server, it.message)
        assert reply["status"] == "COMPLETED", reply
        assert text_of(reply).endswith("Once more.")
        assert None not in reply["parts"]


async def test_a_process_that_stops_finds_it_and_leaves_no_hole_either(database_uri: str) -> None:
    async with midway(database_uri, StandinServer(), NEXT["more text"]) as it:
        left = await it.edit({"$set": {"parts": []}})
        await it.server.app.stop_serving()
        message = await it.stored.find_one({"_id": it.message})
        assert (message["status"], message["parts"]) == ("INTERRUPTED", left)
        it.go_on.set()
        await at_rest(it.server)


async def test_what_somebody_changes_inside_of_a_part_ends_nothing(database_uri: str) -> None:
    async with midway(database_uri, StandinServer(), NEXT["more text"]) as it:
        await it.edit({"$set": {"parts.0.text": ["Hm, edited."]}})
        it.go_on.set()
        reply = await ended(it.server, it.message)
        assert (reply["status"], text_of(reply)) == ("COMPLETED", "before after and on")


async def test_a_lease_that_ran_out_and_was_renewed_too_late_is_no_edit(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_lease, "LEASE_SECONDS", 3.0)
    monkeypatch.setattr(streaming.sweep, "seconds", 0.1)
    append = ActionCtx.append_together
    refused: list[bool] = []

    async def late(self: ActionCtx, *args: Any) -> bool:
        if not refused:
            refused.append(True)
            return False
        return await append(self, *args)

    slowly = replace(NEXT["more text"], delta_interval_ms=80)
    async with midway(database_uri, StandinServer(), slowly) as it:
        monkeypatch.setattr(ActionCtx, "append_together", late)
        it.go_on.set()
        reply = await ended(it.server, it.message)
        assert refused
        assert (reply["status"], reply.get("error")) == ("INTERRUPTED", None)
