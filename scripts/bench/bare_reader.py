"""The floor of a burst: a change stream that is read and thrown away, in a process of its own."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pymongo import AsyncMongoClient

from scripts.bench.engine import Item
from scripts.bench.memory import Memory
from scripts.bench.turns import Turn
from server.store.connection import database_name

__all__ = ["prepare"]

DRAIN_SECONDS_MAX = 60.0


@asynccontextmanager
async def prepare(uri: str, _: dict[str, Any]) -> AsyncGenerator[Turn]:
    """A change stream that stands still until it is told to read so many events."""
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        items = client[database_name(uri)][Item.collection]
        async with await items.watch() as stream:
            await stream.try_next()

            async def turn(told: dict[str, Any]) -> dict[str, Any]:
                if told["do"] == "hold":
                    return {}
                memory, begun, cpu, seen = Memory(), time.monotonic(), time.thread_time(), 0
                async with asyncio.timeout(DRAIN_SECONDS_MAX):
                    while seen < told["events"]:
                        await stream.next()
                        seen += 1
                seconds, cpu = time.monotonic() - begun, time.thread_time() - cpu
                return {"seconds": seconds, "cpu_us": cpu / seen * 1e6, **memory.grown()}

            yield turn
