"""What a reply costs while it is written: bytes in the oplog, chunks, pauses, bounds."""

import re
import time
from typing import Any

import bson
import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from server.functions import message_writer
from server.llm.standin import Reply, StandinServer, StatusError, Text, Thinking, ToolUse
from server.store.connection import database_name
from tests.functions.chat import begin, ended, new_task, talking, text_of, watching
from tests.serving import Running

TABLES = ("chatMessages", "transcripts")


async def counter(server: Running, name: str) -> float:
    text = (await server.http.get("/metrics")).text
    found = re.search(rf"^headwater_{name}_total (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def oplog_bytes(uri: str) -> int:
    """What the oplog holds of the messages and transcripts of a database."""
    spaces = [f"{database_name(uri)}.{table}" for table in TABLES]
    ours = {
        "$or": [{"ns": {"$in": spaces}}, {"o.applyOps.ns": {"$in": spaces}}],
        "op": {"$ne": "i"},
    }
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        return sum(
            len(bson.encode(e)) for e in await client["local"]["oplog.rs"].find(ours).to_list()
        )


@pytest.mark.parametrize(
    ("parts", "interval_ms"),
    [
        ([Thinking(["Hm, "] * 20), Text(["twelve chars"] * 200)], 5),
        ([Text(["a word or two, "] * 400)], 0),
        ([Text(["Ä"] * 60)], 15),
        ([Text(["Look: "]), ToolUse("add", {"left": 1, "right": 2}), ToolUse("add", {"left": 3, "right": 4})], 30),
    ],
    ids=["deltas", "at once", "small ones", "tools"],
)  # fmt: skip
async def test_the_counted_bytes_are_near_what_the_oplog_holds(
    database_uri: str, parts: Any, interval_ms: float
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(
            Reply(parts, delta_interval_ms=interval_ms), Reply([Text(["And ", "so on."])])
        )
        reply = await ended(server, await begin(server, await new_task(server), tools=["add"]))
        assert reply["status"] == "COMPLETED", reply
        counted = await counter(server, "reply_written_bytes")
        words = [
            p.get("text", p.get("argsText")) for p in reply["parts"] if p["type"] != "tool-result"
        ]
        assert await counter(server, "reply_text_bytes") == len("".join(words).encode())
        held = await oplog_bytes(database_uri)
        print(f"counted {counted}, held {held}: {counted / held:.2f}")
        assert 0.75 < counted / held < 1.3
