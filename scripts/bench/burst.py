"""A burst of updates: how fast the lag drains, and what memory it takes.

While the burst is written neither the engine nor the bare reader of the same change stream reads;
then one after the other takes in all of it, each in a process of its own.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from math import inf
from typing import Any

from pymongo import UpdateOne

from scripts.bench import bare_reader
from scripts.bench.engine import Engine, Item, engine, item
from scripts.bench.memory import Memory
from scripts.bench.stage import Stage
from scripts.bench.turns import Turn, Turns, taking_turns
from server.live.find import Find
from server.runtime.query_context import QueryCtx

__all__ = ["measure_burst", "prepare"]

TARGET = 0.5
GROWTH_TARGET = 1.1
ROOMS = 100
DATABASE = "bench_burst"
WIDE, HOT = "each of another document", "of 100 documents"


async def measure_burst(stage: Stage) -> None:
    """Bursts of updates of many documents, and of the same few, to 100 live queries."""
    events, bursts = stage.sizes.burst, stage.sizes.bursts
    speeds: dict[str, dict[str, float]] = {WIDE: {}, HOT: {}}
    cpu: dict[str, dict[str, float]] = {WIDE: {}, HOT: {}}
    seen: list[dict[str, float]] = []
    async with AsyncExitStack() as stack:
        processes: dict[str, Turns] = {
            name: await stack.enter_async_context(
                taking_turns(stage.uri, module, DATABASE, documents=events)
            )
            for name, module in (
                ("engine", __name__),
                ("bare", bare_reader.__name__),
            )  # after the inserts
        }
        for number in range(bursts * 2):
            kind = HOT if number % 2 else WIDE
            for process in processes.values():
                await process.turn(do="hold")
            await _write(stage, events, number, events if kind == WIDE else ROOMS)
            for name in sorted(processes, reverse=number % 4 > 1):
                found = await processes[name].turn(do="drain", events=events)
                best = speeds[kind].get(name, 0.0)
                speeds[kind][name] = max(best, events / found["seconds"])
                cpu[kind][name] = min(cpu[kind].get(name, inf), found["cpu_us"])
                if name == "engine":
                    seen.append(found)
    for kind, speed in speeds.items():
        stage.report.judge_least(
            f"draining {events:,} updates {kind}, to a bare reader",
            speed["engine"] / speed["bare"],
            TARGET,
            f"{speed['engine']:,.0f} to {speed['bare']:,.0f} events/s, CPU of one "
            f"{cpu[kind]['engine']:.0f} to {cpu[kind]['bare']:.0f} µs, the best of {bursts}",
        )
    stage.report.judge(
        f"memory after {len(seen)} bursts to after two",
        seen[-1]["rss_mb"] / seen[1]["rss_mb"],
        GROWTH_TARGET,
        f"{seen[-1]['rss_mb']:.0f} to {seen[1]['rss_mb']:.0f} MB; while one is taken in at most "
        f"{max(one['peak_mb'] for one in seen):.0f} MB more than before",
    )


async def _write(stage: Stage, events: int, number: int, documents: int) -> None:
    items = stage.client[DATABASE][Item.collection]
    updates = [
        UpdateOne({"_id": f"d{n % documents}"}, {"$set": {"color": f"color {number} {n}"}})
        for n in range(events)
    ]
    await items.bulk_write(updates, ordered=False)


# --- in the process -----------------------------------------------------------------------------


@asynccontextmanager
async def prepare(uri: str, arguments: dict[str, Any]) -> AsyncGenerator[Turn]:
    """A hundred live queries, which hold all the documents between them."""
    documents: int = arguments["documents"]
    async with engine(uri) as one:
        await one.fill([item(n, f"r{n % ROOMS}", n) for n in range(documents)])
        stream = one.stream()
        for number in range(ROOMS):
            one.follow(number, _find(number), stream)
        await one.settled()

        async def turn(told: dict[str, Any]) -> dict[str, Any]:
            if told["do"] == "hold":
                one.meter.gate.clear()
                return {}
            return await _drain(one, told["events"])

        yield turn


def _find(number: int) -> Any:
    def find(ctx: QueryCtx) -> Find[Item]:
        return ctx.find(Item, {"room": f"r{number}"}, sort=[("rank", 1)])

    return find


async def _drain(one: Engine, events: int) -> dict[str, Any]:
    one.expect(events)
    memory, begun, cpu = Memory(), time.monotonic(), time.thread_time()
    one.meter.gate.set()
    await one.reached()
    seconds, cpu = time.monotonic() - begun, time.thread_time() - cpu
    return {"seconds": seconds, "cpu_us": cpu / events * 1e6, **memory.grown()}
