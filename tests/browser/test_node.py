"""Our client in Node: cut off again and again, away for a while, and led to another server."""

import asyncio
import json
import os
import random
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from scripts.node_packages import run_node
from tests.headwater_command import Server, serving_process
from tests.proxy import Proxy, proxy_to

FOLLOW = Path(__file__).parent / "node" / "follow.mjs"
SEED = int(os.environ.get("HEADWATER_SEED", "20261126"))
WAYS = ["fetch", "eventsource"]
CREATED = 20
"""Tasks, by each client."""


def port_of(server: Server) -> int:
    port = urlsplit(server.url).port
    assert port is not None
    return port


async def cut_often(proxy: Proxy, rng: random.Random) -> None:
    while True:
        await asyncio.sleep(1 + 1.5 * rng.random())
        proxy.cut_one()


async def followed(way: str, url: str, task: str) -> dict[str, Any]:
    arguments = (way, url, task, str(CREATED), str(len(WAYS) * CREATED + 2))
    ended = await asyncio.to_thread(run_node, FOLLOW, *arguments, capture=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


async def created(server: Server, count: int) -> None:
    """Wait until each client has created so many tasks."""
    async with asyncio.timeout(120):
        while True:
            titles = [one["title"] for one in await server.call("query", "tasks.list")]
            if all(f"{way} {count - 1}" in titles for way in WAYS):
                return
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("node_modules")
async def test_it_comes_through_cuts_an_absence_and_the_death_of_a_server(
    database_uri: str,
) -> None:
    print(f"HEADWATER_SEED={SEED}")
    rng = random.Random(SEED)
    async with (
        serving_process(HEADWATER_MONGODB_URI=database_uri) as first,
        proxy_to(port_of(first), rng) as proxy,
    ):
        task = (await first.call("mutation", "tasks.create", title="T"))["_id"]
        clients = asyncio.gather(*(followed(way, proxy.url, task) for way in WAYS))
        await created(first, 2)  # so that each has been live
        proxy.losing = 0.3
        cutting = asyncio.create_task(cut_often(proxy, rng))
        await first.call("action", "streaming.streamChat", taskId=task, prompt="Rivers?")
        await created(first, CREATED // 2)
        proxy.refusing = True
        while proxy.cut_one():
            pass
        first.command.process.kill()
        async with serving_process(HEADWATER_MONGODB_URI=database_uri) as second:
            proxy.port = port_of(second)
            proxy.refusing = False
            await second.call("mutation", "tasks.create", title="The last, for which they wait")
            told = await clients
            cutting.cancel()
            tasks = await second.call("query", "tasks.list")
            messages = await second.call("query", "messages.byTask", taskId=task)
    titles = [f"{way} {number}" for way in WAYS for number in range(CREATED)]
    assert sorted(task["title"] for task in tasks) == sorted(
        ["T", "The last, for which they wait", *titles]
    )
    for one in told:
        assert one["faults"] == []
        assert one["tasks"] == tasks
        assert one["messages"] == messages
        assert one["states"] == ["connecting", "live", "reconnecting", "closed"]
