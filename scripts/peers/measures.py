"""What is measured of every contender under load."""

import asyncio
import os
import signal
from statistics import quantiles

from scripts.bench.processes import rss_bytes
from scripts.bench.subscriber import hang_up
from scripts.peers.scene import Scene, Sizes
from scripts.peers.writer import Load

__all__ = ["bytes_of_deltas", "cpu_per_delivery", "idle_memory", "latency"]

LATENCY_WRITES_PER_SECOND = 50
WARM_UP_WRITES = 20
FAN_OUT_SUBSCRIBERS = 200
FAN_OUT_WRITES_PER_SECOND = 100
SAMPLED = 20
WARM_UP_WRITES_PER_SECOND = 20
SETTLE_SECONDS = 2.0


async def latency(scene: Scene, sizes: Sizes, subscribers: int) -> tuple[float, float]:
    """From before a write to its event in a subscriber: median and 95th percentile, in ms."""
    latencies_us: list[int] = []
    async with scene.writer() as writer:
        for count in (WARM_UP_WRITES, sizes.latency_writes):
            room = await writer.room()
            readers = await scene.subscribe(room, subscribers, min(SAMPLED, subscribers))
            load = Load("mark", count, LATENCY_WRITES_PER_SECOND)
            latencies_us = (await scene.observe(writer, readers, load)).latencies_us
            await hang_up(readers)
    cuts = quantiles(latencies_us, n=100)
    return cuts[49] / 1000, cuts[94] / 1000


async def cpu_per_delivery(scene: Scene, sizes: Sizes) -> float:
    """Seconds of the server's CPU for 1,000 events that reached a subscriber."""
    async with scene.writer() as writer:
        room = await writer.room()
        readers = await scene.subscribe(room, FAN_OUT_SUBSCRIBERS, SAMPLED)
        seconds = sizes.fan_out_seconds
        load = Load("mark", 1_000_000, FAN_OUT_WRITES_PER_SECOND, seconds)
        observed = await scene.observe(writer, readers, load)
        await hang_up(readers)
    return observed.cpu_seconds / (observed.writes * FAN_OUT_SUBSCRIBERS) * 1000


async def bytes_of_deltas(scene: Scene, sizes: Sizes) -> int:
    """What one subscriber receives while one message grows by deltas of 12 characters.

    Raises:
        TimeoutError: They could not all be written in time.
    """
    async with scene.writer() as writer:
        room = await writer.room()
        readers = await scene.subscribe(room, 1, sampled=1)
        observed = await scene.observe(writer, readers, Load("append", sizes.deltas))
        await hang_up(readers)
    if observed.writes < sizes.deltas:
        raise TimeoutError(f"only {observed.writes} deltas in {observed.seconds:.0f} s")
    return observed.bytes


async def idle_memory(scene: Scene, sizes: Sizes) -> float:
    """KB by which the server grows for each subscriber who gets nothing.

    The first so many are there before: with them a server, Node above all, takes room that many
    more will share.
    """
    async with scene.writer() as writer:
        room = await writer.room()
        first = await scene.subscribe(room, sizes.idle, sampled=1)
        await scene.observe(writer, first, Load("mark", WARM_UP_WRITES, WARM_UP_WRITES_PER_SECOND))
        before = await _settled_bytes(scene)
        second = await scene.subscribe(room, sizes.idle, sampled=0)
        grown = await _settled_bytes(scene) - before
        await hang_up([*first, *second])
    return grown / sizes.idle / 1024


async def _settled_bytes(scene: Scene) -> int:
    """What the server holds in memory, without the garbage that Node would collect later."""
    await asyncio.sleep(SETTLE_SECONDS / 2)
    if scene.on_node:
        os.kill(scene.pid, signal.SIGUSR2)
    await asyncio.sleep(SETTLE_SECONDS / 2)
    return rss_bytes(scene.pid)
