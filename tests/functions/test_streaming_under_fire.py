"""Replies whose beginning is odd, or whose server stops at the worst moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from server.llm.standin import Reply, StandinServer, Text, Thinking
from server.runtime.idempotency import KeyedCall
from server.store.connection import database_name
from tests.serving import serving
from tests.sse import Follower
from tests.waiting import eventually


async def test_a_part_is_never_shown_before_there_is_something_in_it(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, serving(database_uri, standin=standin) as server:
        words = ["Good ", "day.", " a", " b", " c", " d"]
        standin.script.add(Reply([Thinking([]), Text(words)], delta_interval_ms=100))
        task = await server.mutation("tasks.create", title="T")
        seen: list[Any] = []
        follower = Follower(
            server.http,
            {"m": ("messages.byTask", {"taskId": task["_id"]})},
            watch=lambda _id, _old, new: seen.extend(m["parts"] for m in new),
        )
        async with follower.following():
            await follower.until(lambda f: "m" in f.values)
            await server.action("streaming.streamChat", taskId=task["_id"], prompt="hi")
            await follower.until(
                lambda f: len(f.values["m"]) == 2 and f.values["m"][1]["status"] == "COMPLETED"
            )
            assert follower.values["m"][1]["parts"][-1]["text"] == "".join(words)
        assert not [parts for parts in seen if None in parts]


Hold = Callable[[pytest.MonkeyPatch, asyncio.Event, asyncio.Event], None]


def hold_the_key(
    monkeypatch: pytest.MonkeyPatch, reached: asyncio.Event, go_on: asyncio.Event
) -> None:
    """Stop where the answer is about to be kept under its key."""
    finish: Callable[..., Awaitable[None]] = KeyedCall.finish

    async def held(self: KeyedCall, *args: Any) -> None:
        reached.set()
        await go_on.wait()
        await finish(self, *args)

    monkeypatch.setattr(KeyedCall, "finish", held)


def hold_the_commit(
    monkeypatch: pytest.MonkeyPatch, reached: asyncio.Event, go_on: asyncio.Event
) -> None:
    """Stop where the first message is committed, and only the answer is on its way."""
    commit = AsyncClientSession.commit_transaction

    async def held(self: AsyncClientSession) -> None:
        await commit(self)
        reached.set()
        await go_on.wait()

    monkeypatch.setattr(AsyncClientSession, "commit_transaction", held)


@pytest.mark.parametrize(
    ("hold", "headers"), [(hold_the_key, {"Idempotency-Key": "k"}), (hold_the_commit, {})]
)
async def test_a_reply_whose_server_stops_while_it_begins_is_interrupted_or_was_never_there(
    database_uri: str, monkeypatch: pytest.MonkeyPatch, hold: Hold, headers: dict[str, str]
) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title="T")
        hold(monkeypatch, reached, go_on)
        call = asyncio.create_task(
            server.http.post(
                "/api/action/streaming.streamChat",
                json={"taskId": task["_id"], "prompt": "hi"},
                headers=headers,
            )
        )
        async with asyncio.timeout(60):
            await reached.wait()
        stopping = asyncio.create_task(server.app.stop_serving())
        hub = server.app._services.hub  # type: ignore[union-attr]
        await eventually(lambda: hub._closing)
        go_on.set()
        await stopping
        await asyncio.gather(call, return_exceptions=True)
        monkeypatch.undo()
    async with AsyncMongoClient[dict[str, Any]](database_uri) as client:
        messages = client[database_name(database_uri)]["chatMessages"]
        replies = await messages.find({"role": "assistant"}).to_list()
    assert [reply["status"] for reply in replies] in ([], ["INTERRUPTED"])
