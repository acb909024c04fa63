"""The network between client and server is cut at random points of a streaming reply."""

import asyncio
import os
import random
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from server.llm.standin import Reply, StandinServer, Text, Thinking
from tests.proxy import Proxy, proxy_to
from tests.serving import serving
from tests.sse import Follower

SEED = int(os.environ.get("HEADWATER_SEED", "20261122"))
CLIENTS = 20
CUTS = 1_000 if os.environ.get("HEADWATER_FUZZ") else 200
WORDS = [f"word{number} " for number in range(400)]


def text_of(messages: list[dict[str, Any]]) -> str:
    """Everything that a reader sees, in order."""
    return "\n".join(part["text"] for message in messages for part in message["parts"])


def never_shrinks(_: str, old: Any, new: Any) -> None:
    """What a reader sees only ever grows: the old text is how the new one begins."""
    before, after = text_of(old or []), text_of(new)
    assert after.startswith(before), (before[-80:], after[-80:])


async def follow_for_ever(follower: Follower) -> None:
    """Like a browser: connect again whenever the connection ends, naming the last event."""
    while True:
        try:
            await follower.follow()
        except httpx2.HTTPError:
            await asyncio.sleep(0)


def begun(followers: list[Follower], *, resumed: bool) -> int:
    """How many connections continued, or began anew."""
    said = [event.data for one in followers for event in one.events if "from" in event.data]
    return sum((one["from"] is not None) == resumed for one in said)


async def cut_often(proxy: Proxy, rng: random.Random, followers: list[Follower]) -> None:
    """Cut until there were enough, and enough came back; where that is slow, there are more."""
    while proxy.cuts < CUTS or begun(followers, resumed=True) <= CUTS / 4:
        proxy.cut_one()
        await asyncio.sleep(rng.random() * 0.02)


@pytest.mark.fuzz
async def test_a_client_that_is_cut_off_ends_with_the_documents_of_the_database(
    database_uri: str,
) -> None:
    print(f"HEADWATER_SEED={SEED}")
    rng = random.Random(SEED)
    standin = StandinServer()
    async with standin, serving(database_uri, standin=standin) as server:
        task = await server.mutation("tasks.create", title="Cuts")
        queries = {"m": ("messages.byTask", {"taskId": task["_id"]})}
        port = urlsplit(server.url).port
        assert port is not None
        async with (
            proxy_to(port, rng) as proxy,
            httpx2.AsyncClient(
                base_url=proxy.url, limits=httpx2.Limits(max_connections=None)
            ) as http,
        ):
            followers = [Follower(http, queries, watch=never_shrinks) for _ in range(CLIENTS)]
            following = [asyncio.create_task(follow_for_ever(one)) for one in followers]
            try:
                cutting = asyncio.create_task(cut_often(proxy, rng, followers))
                while not cutting.done():  # replies follow one another until all cuts are made
                    standin.script.add(
                        Reply([Thinking(["Let ", "me ", "see."]), Text(WORDS)], delta_interval_ms=3)
                    )
                    await server.http.post(
                        "/api/action/streaming.streamChat?wait=true",
                        json={"taskId": task["_id"], "prompt": "Count."},
                    )
                await cutting
                final = await server.query("messages.byTask", taskId=task["_id"])
                assert final[-1]["status"] == "COMPLETED"
                for follower in followers:
                    await follower.until(lambda f: f.values.get("m") == final)
                assert all(not task.done() for task in following), "no assertion failed on the way"
            finally:
                for task_ in following:
                    task_.cancel()
                ended = await asyncio.gather(*following, return_exceptions=True)
        failures = [one for one in ended if isinstance(one, AssertionError)]
        assert not failures, failures[0]
        assert proxy.cuts >= CUTS
        assert begun(followers, resumed=True) > CUTS / 4
        assert begun(followers, resumed=False) == CLIENTS, "who comes back continues, always"
