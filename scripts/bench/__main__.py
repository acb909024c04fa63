"""``python -m scripts.bench [--quick]``: measure, print, and end by itself.

Everything is on loopback, on a MongoDB of its own that is removed again. It reads ``/proc``, so it
needs Linux. A target that is missed is said clearly; the exit code is 0 all the same, for a shared
machine's noise is no defect.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from pymongo import AsyncMongoClient

from scripts.bench.beside import measure_beside
from scripts.bench.burst import measure_burst
from scripts.bench.cliffs import measure_cliffs
from scripts.bench.deltas import measure_deltas, measure_growth
from scripts.bench.fan_out import measure_fan_out
from scripts.bench.frames import measure_frames
from scripts.bench.idle import measure_idle
from scripts.bench.latency import measure_latency
from scripts.bench.machine import described
from scripts.bench.maintaining import measure_maintaining
from scripts.bench.presence import measure_presence
from scripts.bench.processes import ROOT, bare, headwater, writer
from scripts.bench.reads import measure_reads
from scripts.bench.replies import measure_replies
from scripts.bench.report import Report
from scripts.bench.routing import measure_routing
from scripts.bench.stage import Sizes, Stage
from server.store.embedded import EmbeddedMongo

__all__ = ["ALONE", "main"]

SECONDS_MAX = 1_200.0
FAST = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108  # in memory, where one can
SERVED = ("latency", "deltas", "fan-out", "idle")
ALONE: dict[str, tuple[str, Callable[[Stage], Awaitable[None]]]] = {
    "routing": ("A change, beside how many live queries on its table", measure_routing),
    "beside": ("Tokens beside a slow awaited query, in one stream", measure_beside),
    "maintaining": ("A change of a maintained find", measure_maintaining),
    "reads": ("Changes that no filter and no sort looks at", measure_reads),
    "burst": ("A burst of updates, to 100 live queries", measure_burst),
    "replies": ("Replies of Claude at once, from a delta to a subscriber", measure_replies),
    "presence": (
        "People in one task: ratio to presence as one would write it first",
        measure_presence,
    ),
    "frames": ("A conversation by the React hooks, in Chromium", measure_frames),
    "cliffs": ("What is large", measure_cliffs),
}
PARTS = (*SERVED, *ALONE)


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter sample")
    parser.add_argument("--only", choices=PARTS, help="measure one thing")
    arguments = parser.parse_args()
    if not Path("/proc/self/statm").exists():
        sys.exit("The bench reads /proc, which this system does not have; run it on Linux.")
    sizes = Sizes.quick() if arguments.quick else Sizes()
    try:
        uvloop.run(_run(sizes, [arguments.only] if arguments.only else list(PARTS)))
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit("The bench was stopped.")


async def _run(sizes: Sizes, parts: list[str]) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    started = time.monotonic()
    async with asyncio.timeout(SECONDS_MAX), AsyncExitStack() as stack:
        stage = await _stage(stack, sizes)
        await _served(stage, parts)
        for part, (title, measure) in ALONE.items():
            if part in parts:
                stage.report.section(title)
                await measure(stage)
        stage.report.end()
        print(f"{time.monotonic() - started:.0f} seconds.")


async def _served(stage: Stage, parts: list[str]) -> None:
    """What is measured at the server, over HTTP, beside a bare one."""
    if not set(parts).intersection(SERVED):
        return
    async with AsyncExitStack() as stack:
        contender = await stack.enter_async_context(bare(stage.uri))
        sync, live = await stack.enter_async_context(headwater(stage.uri))
        report = stage.report
        if "latency" in parts:
            report.section("Write → browser event: ratio to a bare change stream on plain asyncio")
            await measure_latency(stage, [contender, sync, live], 1, 1.5)
            await measure_latency(stage, [contender, sync, live], 100, 2.0)
        if "deltas" in parts:
            report.section("A reply of 12-character deltas to one subscriber of /api/live")
            await measure_deltas(stage, contender, live)
            await measure_growth(stage, contender, live)
        if "fan-out" in parts:
            report.section("Fan-out by /api/sync: ratio to a bare change stream on plain asyncio")
            await measure_fan_out(stage, contender, sync)
        if "idle" in parts:
            report.section("Idle subscribers")
            await measure_idle(stage)


async def _stage(stack: AsyncExitStack, sizes: Sizes) -> Stage:
    """Start what the measurements share."""
    folder = tempfile.mkdtemp(prefix="headwater-bench-", dir=FAST)
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    embedded = EmbeddedMongo(Path(folder))
    stack.push_async_callback(embedded.stop)
    uri = await embedded.start()
    client = await stack.enter_async_context(AsyncMongoClient[dict[str, Any]](uri, w="majority"))
    mongod = await client.admin.command("buildInfo")
    print("\n".join(described(mongod["version"], ROOT)))
    print(f"MongoDB's files are in {folder}: the less it costs, the more our share shows.")
    return Stage(client, uri, await stack.enter_async_context(writer(uri)), Report(), sizes)


if __name__ == "__main__":
    main()
