"""What a change costs where a find is maintained, beside where its query is run again.

Each is a process of its own with one live query; they take turns. A change is made when the one
before has been told, so that runs are not coalesced.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from scripts.bench.engine import Item, Items, Write, engine, item
from scripts.bench.marks import Marks
from scripts.bench.stage import Stage
from scripts.bench.turns import Turn, Turns, taking_turns
from server.live.find import Find
from server.runtime.query_context import QueryCtx

__all__ = ["measure_maintaining", "prepare"]

TOLD_SECONDS_MAX = 20.0
WAYS = ("maintained", "again")


async def measure_maintaining(stage: Stage) -> None:
    """Ratios of processor time, the reading of the change stream not counted."""
    for documents, target in stage.sizes.maintained.items():
        async with AsyncExitStack() as stack:
            processes: dict[str, Turns] = {}
            for way in WAYS:
                processes[way] = await stack.enter_async_context(
                    taking_turns(
                        stage.uri,
                        __name__,
                        f"bench_{way}_{documents}",
                        documents=documents,
                        maintained=way == "maintained",
                    )
                )
            cost = await _costs(stage, processes)
        ours = cost["maintained"]["engine_us"]
        feed = cost["maintained"]["cpu_us"] - ours
        again = cost["again"]["cpu_us"] - feed
        stage.report.judge_least(
            f"running again to maintaining, {documents:,} documents",
            again / ours,
            target,
            f"{again:,.0f} to {ours:,.0f} µs; reading the change stream takes {feed:.0f} more; "
            f"told in {cost['again']['ms']:.1f} to {cost['maintained']['ms']:.1f} ms",
        )


async def _costs(stage: Stage, processes: dict[str, Turns]) -> dict[str, dict[str, float]]:
    """By way: the means of all turns but the first."""
    costs = {way: {"cpu_us": 0.0, "engine_us": 0.0, "ms": 0.0} for way in processes}
    for round_ in range(stage.sizes.rounds + 1):
        for way, process in processes.items():
            found = await process.turn(changes=stage.sizes.single_changes)
            if round_ > 0:
                for unit in costs[way]:
                    costs[way][unit] += found[unit] / stage.sizes.rounds
    return costs


# --- in the process -----------------------------------------------------------------------------


@asynccontextmanager
async def prepare(uri: str, arguments: dict[str, Any]) -> AsyncGenerator[Turn]:
    """One live query over so many documents, maintained or run again."""
    count: int = arguments["documents"]
    marks, told = Marks(), asyncio.Event()

    def look(frame: bytes) -> None:
        marks.look(frame)
        if marks.seen == marks.made:
            told.set()

    def find(ctx: QueryCtx) -> Find[Item]:
        return ctx.find(Item, {"room": "r"}, sort=[("rank", 1)])

    async def again(reader: Any) -> list[Item]:
        return await find(QueryCtx(reader))

    async with engine(uri) as one:
        await one.fill([item(n, "r", 10 * n) for n in range(count)])
        stream = one.stream(look)
        if arguments["maintained"]:
            one.follow("r", find, stream)
        else:
            one.follow_run("r", again, stream)
        await one.settled()

        async def turn(asked: dict[str, Any]) -> dict[str, Any]:
            changes: int = asked["changes"]
            cpu, inside, seconds = time.thread_time(), one.meter.cpu_seconds, 0.0
            for _ in range(changes):
                begun = time.monotonic()
                told.clear()
                await one.carry([_change(marks, count)])
                async with asyncio.timeout(TOLD_SECONDS_MAX):
                    await told.wait()
                seconds += time.monotonic() - begun
            cpu, inside = time.thread_time() - cpu, one.meter.cpu_seconds - inside
            return {
                "cpu_us": cpu / changes * 1e6,
                "engine_us": inside / changes * 1e6,
                "ms": seconds / changes * 1e3,
            }

        yield turn


def _change(marks: Marks, count: int) -> Write:
    """Of a plain field; every second one moves the document too."""
    mark = marks.next()
    number = marks.made * 7 % count
    values: dict[str, Any] = {"color": mark}
    if marks.made % 2:
        values["rank"] = marks.made * 31 % count * 10 + 5

    def write(items: Items) -> object:
        return items.update_one({"_id": f"d{number}"}, {"$set": values})

    return write
