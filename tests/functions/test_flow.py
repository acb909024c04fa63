"""What a reply costs while it is written: bytes in the oplog, chunks, pauses, bounds."""

import asyncio
import re
from typing import Any

import bson
import pytest
from pymongo import AsyncMongoClient

from server.functions import message_part, message_parts, message_writer, replies
from server.llm.standin import Reply, StandinServer, StatusError, Text, Thinking, ToolUse
from server.runtime import ActionCtx
from server.store.connection import database_name
from tests.functions.chat import at_rest, begin, ended, new_task, talking, text_of, watching
from tests.serving import Running


async def counter(server: Running, name: str) -> float:
    text = (await server.http.get("/metrics")).text
    found = re.search(rf"^headwater_{name}_total (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def oplog_bytes(uri: str) -> int:
    """What the oplog holds of the writing of replies in a database: from its first delta on."""
    messages, transcripts = (f"{database_name(uri)}.{n}" for n in ("chatMessages", "transcripts"))
    recorded = {"ns": transcripts, "o.kind": {"$in": ["reply", "results"]}}
    written = [{"op": "u", "ns": messages}, {"o.applyOps": {"$elemMatch": recorded}}]
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        entries = await client["local"]["oplog.rs"].find({"$or": written}).to_list()
    return sum(len(bson.encode(entry)) for entry in entries)


@pytest.mark.parametrize(
    ("parts", "interval_ms"),
    [
        ([Thinking(["Hm, "] * 20), Text(["twelve chars"] * 200)], 5),
        ([Text(["a word or two, "] * 400)], 0),
        ([Text(["Ä"] * 60)], 15),
        ([Text(["Look: "]), *[ToolUse("add", {"left": n, "right": n}) for n in (1, 2)]], 30),
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
        await at_rest(server)  # what was written is seen before it is counted
        counted = await counter(server, "reply_written_bytes")
        words = [
            p.get("text", p.get("argsText")) for p in reply["parts"] if p["type"] != "tool-result"
        ]
        assert await counter(server, "reply_text_bytes") == len("".join(words).encode())
        held = await oplog_bytes(database_uri)
        print(f"counted {counted}, held {held}: {counted / held:.2f}")
        # A step's transaction holds its tool calls too, which are no writing of the reply.
        assert 0.6 < counted / held < 1.3


async def test_the_news_of_its_own_ending_does_not_stop_whoever_writes_it(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB tells of a commit before whoever committed has heard of it."""
    go_on, run_mutation = asyncio.Event(), ActionCtx.run_mutation

    async def held(self: ActionCtx, function: Any, **arguments: Any) -> Any:
        answer = await run_mutation(self, function, **arguments)
        if function is replies.record:
            await go_on.wait()
        return answer

    monkeypatch.setattr(ActionCtx, "run_mutation", held)
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([Text(["a word or two, "] * 400)]))
        task = await new_task(server)
        message = await begin(server, task)
        async with watching(server, message) as follower:
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
            later = (await server.mutation("tasks.update", taskId=task, title="Later"))["title"]
            assert later == (await server.query("tasks.get", taskId=task))["title"]
            go_on.set()
            await at_rest(server)
        assert await counter(server, "reply_written_bytes") > 2 * len("a word or two, " * 400)


async def test_a_very_long_reply_costs_what_its_deltas_cost(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_writer, "FLUSH_INTERVAL_SECONDS_MIN", 0.0)
    monkeypatch.setattr(message_writer, "FLUSH_INTERVAL_SECONDS_MAX", 0.0)
    monkeypatch.setattr(message_part, "COMPACT_CHUNKS", 50)
    words = [f"{n:>7} {'many words ' * 11}" for n in range(8_000)]
    standin = StandinServer()
    async with (
        standin,
        talking(database_uri, standin) as server,
        AsyncMongoClient[dict[str, Any]](database_uri) as client,
    ):
        database = client[database_name(database_uri)]
        standin.script.add(Reply([Text(words)]))
        message = await begin(server, await new_task(server))
        longest, status = 0, "PENDING"
        while status in ("PENDING", "STREAMING"):
            stored = await database["chatMessages"].find_one({"_id": message})
            assert stored is not None
            status = stored["status"]
            chunks = stored["parts"][0]["text"] if stored["parts"] else []
            longest = max(longest, len(chunks))
            due = sum(map(len, chunks)) // message_part.OPLOG_ENTRY_BYTES
            assert len(chunks) <= max(50, due) + 1
        text = "".join(words)
        assert (status, chunks) == ("COMPLETED", [text])
        assert longest > 50, "it was written in many pieces"
        space = {"ns": f"{database.name}.chatMessages", "op": "u"}
        pushes = await client["local"]["oplog.rs"].count_documents(space)
        # Each delta once, the whole at the end, the transcript, and for each write twice its
        # envelope: once by itself, and once for the compactions.
        most = 3 * len(text) + 2 * 450 * pushes
        assert await counter(server, "reply_written_bytes") < most
        assert await oplog_bytes(database_uri) < most


def test_the_work_of_a_delta_does_not_grow_with_the_text() -> None:
    """Counted in characters that are copied, since no clock is judged."""
    part = message_part.MessagePart({"type": "text"}, "text")
    part.exists = True
    copied = whole = 0
    for pushes in range(1, 20_001):
        part.waiting.append("x" * 50)
        is_due = part.is_due
        if is_due:
            whole += 1
            copied += len(part.whole_text())
        part.written(1, {}, whole=is_due)
        if pushes in (5_000, 20_000):
            share = copied / pushes / message_part.OPLOG_ENTRY_BYTES
            assert share < 1.1, "compaction costs no more than the envelopes of the chunks"
    assert whole > 3
    assert len("".join(part.text)) == part.length == 1_000_000


async def test_a_reply_longer_than_a_message_may_be_ends_and_says_so(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_parts, "MESSAGE_CHARS_MAX", 1_000)
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        words = [f"{n:>9} " for n in range(500)]
        standin.script.add(Reply([Text(words)], delta_interval_ms=1), Reply([Text(["Next."])]))
        task = await new_task(server)
        reply = await ended(server, await begin(server, task))
        assert (reply["status"], reply["error"]["code"]) == ("FAILED", "too_large")
        assert text_of(reply) == "".join(words[:101]), "what was heard is kept"
        assert reply["usage"]["final"] is False
        async with asyncio.timeout(60):
            await standin.requests[0].ended.wait()
        assert standin.requests[0].outcome == "client left"
        assert text_of(await ended(server, await begin(server, task, "And?"))) == "Next."


async def test_a_request_that_is_made_again_shows_in_the_message_when(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(
            Reply(failure=StatusError(429, "rate_limit_error", retry_after_s=1.0)),
            Reply(failure=StatusError(529, "overloaded_error", retry_after_s=0.9)),
            Reply([Text(["Well."])]),
        )
        message = await begin(server, await new_task(server))
        seen: dict[int, Any] = {}

        def watch(id_: str, _: Any, new: Any) -> None:
            if id_ == "m" and "retrying" in new:
                seen[new["retrying"]["attempt"]] = new

        async with watching(server, message, watch) as follower:
            for attempt, code, wait_ms in (
                (1, "claude_rate_limited", 1_000),
                (2, "claude_overloaded", 900),
            ):
                await follower.until(lambda _, attempt=attempt: attempt in seen)
                shown = seen[attempt]
                assert (shown["status"], shown["retrying"]["code"]) == ("STREAMING", code)
                assert shown["retrying"]["at"] >= shown["createdAt"] + wait_ms
                assert shown["retrying"]["at"] <= shown["updatedAt"] + wait_ms
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
            reply = follower.values["m"]
        assert "retrying" not in reply
        assert text_of(reply) == "Well."
        assert len(standin.requests) == 3


@pytest.mark.parametrize(
    ("failures", "code", "asked"),
    [
        ([StatusError(429, "rate_limit_error", retry_after_s=3_600)], "claude_rate_limited", 1),
        ([StatusError(529, "overloaded_error", retry_after_s=0)] * 3, "claude_overloaded", 3),
        ([StatusError(400, "invalid_request_error")], "claude_refused", 1),
    ],
    ids=["longer than is waited for", "too often", "never"],
)
async def test_what_is_not_asked_again_fails_at_once(
    database_uri: str, failures: list[StatusError], code: str, asked: int
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(*(Reply(failure=one) for one in failures), Reply([Text(["Never."])]))
        reply = await ended(server, await begin(server, await new_task(server)))
        assert (reply["status"], reply["error"]["code"]) == ("FAILED", code)
        assert "retrying" not in reply
        assert len(standin.requests) == asked


async def test_a_retry_that_was_never_shown_is_not_left_in_the_ending(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_writer, "FLUSH_INTERVAL_SECONDS_MIN", 2.0)
    monkeypatch.setattr(message_writer, "FLUSH_INTERVAL_SECONDS_MAX", 2.0)
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        for last in (Reply(failure=StatusError(529, "overloaded_error")), Reply([Text(["Well."])])):
            again = StatusError(529, "overloaded_error", retry_after_s=0)
            standin.script.add(Reply(failure=again), Reply(failure=again), last)
            reply = await ended(server, await begin(server, await new_task(server)))
            assert reply["status"] == ("FAILED" if last.failure else "COMPLETED")
            assert "retrying" not in reply
