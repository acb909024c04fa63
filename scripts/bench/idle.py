"""What a subscriber costs who gets nothing."""

import asyncio

from scripts.bench.contenders import Contender
from scripts.bench.processes import bare, headwater, rss_bytes
from scripts.bench.stage import Stage
from scripts.bench.subscriber import hang_up, subscribe
from scripts.bench.writer import Load

__all__ = ["measure_idle"]

TARGET_KB = 20
WARM_UP_SUBSCRIBERS = 50
SETTLE_SECONDS = 1.0


async def measure_idle(stage: Stage) -> None:
    """Memory of a fresh server for each of many subscribers of one query."""
    async with bare(stage.uri) as contender:
        floor = await _kilobytes_each(stage, contender)
    async with headwater(stage.uri) as (sync, _):
        ours = await _kilobytes_each(stage, sync)
    async with headwater(stage.uri) as (_, live):
        ours_live = await _kilobytes_each(stage, live)
    label = f"KB of one of {stage.sizes.idle} idle subscribers"
    stage.report.judge(f"{label}, /api/sync", ours, TARGET_KB, f"bare {floor:.1f} KB")
    stage.report.tell(f"{label}, /api/live", ours_live, "by sse-starlette")


async def _kilobytes_each(stage: Stage, contender: Contender) -> float:
    message = await stage.message(contender)
    path = contender.path(message.task_id)
    warm = await subscribe(contender.port, path, WARM_UP_SUBSCRIBERS, sampled=1)
    await stage.observe(contender, warm, Load(contender.database, message.id, "set", 50))
    await asyncio.sleep(SETTLE_SECONDS)
    before = rss_bytes(contender.pid)
    streams = await subscribe(contender.port, path, stage.sizes.idle, sampled=0)
    await asyncio.sleep(SETTLE_SECONDS)
    grown = rss_bytes(contender.pid) - before
    await hang_up([*warm, *streams])
    return grown / stage.sizes.idle / 1024
