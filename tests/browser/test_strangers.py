"""Our event streams, read by programs that are not ours: npm's parsers, and curl."""

import asyncio
import json
import os
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scripts.node_packages import NoPackages, node_packages, run_node
from server.llm.standin import Reply, StandinServer, Text
from tests.proxy import Proxy, proxy_to
from tests.serving import Running, serving

FOLLOW = Path(__file__).parent / "strangers" / "follow.mjs"
SEED = int(os.environ.get("HEADWATER_SEED", "20261126"))
DELTAS = [
    "a\n",
    "\nb\r",
    "\n",
    "data: x\n\n",
    "\u2028",
    "\u0000",
    "👩🏽",
    "\u200d🚀",
    "\ufeff",
    "é",
]


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    standin = StandinServer()
    uri = mongo_uri.replace("/headwater?", "/test_strangers?")
    async with standin, serving(uri, standin=standin) as server:
        yield server


def needs_packages() -> None:
    try:
        node_packages()
    except NoPackages as error:
        why = f"NO NPM PACKAGES, and so no stranger read our streams: {error}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)


async def told_to(server: Running, how: str, endpoint: str, url: str, back: int = 0) -> None:
    """Let a stranger follow a stream while a reply grows in it, and see what it made of that.

    It follows until it was cut off, and came `back`, so often.
    """
    task = (await server.mutation("tasks.create", title="Strangers"))["_id"]
    server.script.add(Reply([Text(DELTAS * 10)], delta_interval_ms=5))
    arguments = (how, endpoint, url, server.url, task, str(back))
    ended = await asyncio.to_thread(run_node, FOLLOW, *arguments, capture=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["keys"] == (1 if endpoint == "live" else 3)
    assert told["text"] == (None if endpoint == "live" else "".join(DELTAS * 10))
    assert told["patches"] > 3


@pytest.mark.parametrize("endpoint", ["sync", "live"])
@pytest.mark.parametrize("how", ["eventsource", "parser", "curl"])
async def test_strangers_read_what_the_database_has(
    server: Running, how: str, endpoint: str
) -> None:
    needs_packages()
    if how == "curl" and not shutil.which("curl"):
        why = "NO CURL on the PATH: it did NOT read our streams"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    await told_to(server, how, endpoint, server.url)


async def cut_often(proxy: Proxy, rng: random.Random) -> None:
    """By what is said, not by the clock: a slow machine is not cut off before it has begun."""
    while True:
        await proxy.passed(rng.randrange(1, 16))
        proxy.cut_one()


@pytest.mark.parametrize("endpoint", ["sync", "live"])
async def test_a_stranger_that_is_cut_off_comes_back_and_continues(
    server: Running, endpoint: str
) -> None:
    needs_packages()
    print(f"HEADWATER_SEED={SEED}")
    rng = random.Random(SEED)
    port = urlsplit(server.url).port
    assert port is not None
    async with proxy_to(port, rng) as proxy:
        cutting = asyncio.create_task(cut_often(proxy, rng))
        try:
            await told_to(server, "eventsource", endpoint, proxy.url, back=4)
        finally:
            cutting.cancel()
    assert proxy.cuts >= 4
