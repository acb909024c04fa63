"""The network is cut at random points, and servers come and go, while clients watch and write."""

import asyncio
import os
import random
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

import pytest

from server.client import Client, limits
from server.client.patching import apply_patch
from tests.proxy import Proxy, proxy_to
from tests.serving import Running

SEED = int(os.environ.get("HEADWATER_SEED", "20261126"))
CUTS = 1_000 if os.environ.get("HEADWATER_FUZZ") else 100
CLIENTS = 5


class Watcher:
    """One client that watches, and folds the patches that it is told itself."""

    def __init__(self, client: Client, topic: str) -> None:
        self._client = client
        self._topic = topic
        self.value: list[Any] = []
        self.told = 0
        self.continued = 0
        self.interruptions = 0

    def _interrupted(self, error: Any) -> None:
        self.interruptions += error is not None

    async def until(self, length: int) -> None:
        """Watch until there are so many notes that all have been liked."""
        changes = self._client.changes(
            "board.notes",
            {"topic": self._topic, "limit": 100},
            patience_seconds=None,
            on_interruption=self._interrupted,
        )
        async with aclosing(changes):
            async for change in changes:
                if change.patch is not None:
                    assert apply_patch(self.value, change.patch) == change.value
                    self.continued += 1
                before = [one["_id"] for one in self.value]
                assert [one["_id"] for one in change.value][: len(before)] == before
                self.value, self.told = change.value, self.told + 1
                if len(self.value) == length and all(one["likes"] for one in self.value):
                    return


async def cut_often(proxy: Proxy, rng: random.Random) -> None:
    """By what is said, not by the clock: a slow machine is not cut off before it has begun."""
    while True:
        proxy.cut_one()
        await proxy.passed(rng.randrange(1, 16))


@pytest.mark.fuzz
async def test_whatever_is_cut_each_write_is_made_once_and_each_client_ends_with_all(
    server: Running, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"HEADWATER_SEED={SEED}")
    monkeypatch.setattr(limits, "RETRY_MS_MIN", 2)
    monkeypatch.setattr(limits, "RETRY_MS_MAX", 8)
    monkeypatch.setattr(limits, "CALL_ATTEMPTS_MAX", 1_000)
    rng = random.Random(SEED)
    port = urlsplit(server.url).port
    assert port is not None
    async with asyncio.timeout(120), proxy_to(port, rng) as proxy, asyncio.TaskGroup() as group:
        clients = [Client(proxy.url) for _ in range(CLIENTS)]
        watchers = [Watcher(client, topic) for client in clients]
        count = min(CUTS // 5, 100)
        watching = [group.create_task(watcher.until(count)) for watcher in watchers]
        cutting = group.create_task(cut_often(proxy, rng))
        notes = []
        while proxy.cuts < CUTS or len(notes) < count:
            writer = rng.choice(clients)
            if len(notes) < count:
                notes.append(await writer.mutation("board.add", {"topic": topic}))
            else:
                await writer.query("board.notes", {"topic": topic})
        for note in notes:
            await rng.choice(clients).mutation("board.like", {"id": note["_id"]})
        cutting.cancel()
        await asyncio.gather(*watching)
        final = await clients[0].query("board.notes", {"topic": topic, "limit": 100})
        for client in clients:
            await client.aclose()
    assert len(final) == count
    assert {note["likes"] for note in final} == {1}, "no write is made twice"
    assert all(watcher.value == final for watcher in watchers)
    assert sum(watcher.interruptions for watcher in watchers) > CUTS / 4
    assert sum(watcher.continued for watcher in watchers) > count / 2
