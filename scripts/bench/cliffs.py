"""What is large: whether its costs are as expected, and nobody starves beside it.

Each is a process of its own, told one kind of it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from itertools import pairwise
from statistics import median
from typing import Any

from scripts.bench.engine import Engine, Item, Items, Write, engine, item
from scripts.bench.marks import Marks, milliseconds
from scripts.bench.stage import Stage
from scripts.bench.turns import Turn, taking_turns
from server.live.find import Find
from server.runtime.query_context import QueryCtx

__all__ = ["measure_cliffs", "prepare"]

SLOW_SECONDS = 0.3
WRITES_PER_SECOND = 200.0
KILOBYTE = "lorem ipsum dolor sit amet, lore" * 32


async def measure_cliffs(stage: Stage) -> None:
    """A large window, large documents, many subscribers, a slow function under many writes."""
    sizes = stage.sizes
    for documents in sizes.window:
        await _window(stage, documents)
    for kilobytes in (1, sizes.document_kilobytes):
        await _large(stage, kilobytes)
    for streams in sizes.streams:
        await _subscribers(stage, streams)
    await _slow(stage)


async def _window(stage: Stage, documents: int) -> None:
    changes = stage.sizes.changes
    async with taking_turns(
        stage.uri, __name__, f"bench_window_{documents}", kind="window", documents=documents
    ) as process:
        await process.turn(changes=changes)
        found = await process.turn(changes=changes)
    stage.report.tell(
        f"ms of a change, a find of {documents:,} documents", found["p50"], _said(found)
    )


async def _large(stage: Stage, kilobytes: int) -> None:
    changes = stage.sizes.single_changes
    async with taking_turns(
        stage.uri, __name__, f"bench_large_{kilobytes}", kind="large", kilobytes=kilobytes
    ) as process:
        for way in ("append", "replace"):
            await process.turn(changes=changes, way=way)
            found = await process.turn(changes=changes, way=way)
            label = f"ms of {'an append to' if way == 'append' else 'replacing'} a document"
            stage.report.tell(
                f"{label} of {kilobytes:,} KB",
                found["p50"],
                f"{_said(found)}; {found['bytes']:,.0f} bytes told",
            )


async def _subscribers(stage: Stage, streams: int) -> None:
    async with taking_turns(
        stage.uri, __name__, f"bench_streams_{streams}", kind="subscribers", streams=streams
    ) as process:
        await process.turn(changes=stage.sizes.single_changes)
        found = await process.turn(changes=stage.sizes.single_changes)
    stage.report.tell(
        f"ms until the last of {streams:,} streams of one query is told",
        found["p50"],
        f"at most {found['max']:.1f} ms, {found['engine_us'] / streams:.2f} µs for each, sockets "
        f"not counted; {found['runs']} run and {found['hydrated']:.2f} s to open them all",
    )


async def _slow(stage: Stage) -> None:
    seconds = stage.sizes.slow_seconds
    changes = int(WRITES_PER_SECOND * seconds)
    async with taking_turns(stage.uri, __name__, "bench_slow", kind="slow") as process:
        await process.turn(changes=changes // 4)
        found = await process.turn(changes=changes)
    label = f"a function of {SLOW_SECONDS * 1000:.0f} ms, {WRITES_PER_SECOND:.0f} touching writes/s"
    stage.report.judge(
        f"{label}: runs at once", found["at_once"], 1, f"{found['runs']} runs in {seconds:g} s"
    )
    p50, p95, longest = found["slow"]
    stage.report.tell(
        "ms from a result's newest write to the result",
        p50,
        f"p95 {p95:.0f}, at most {longest:.0f}; results at most {found['gap']:.0f} ms apart",
    )
    p50, p95, longest = found["beside"]
    stage.report.tell(
        "ms of a maintained find beside it, in one stream",
        p50,
        f"p95 {p95:.1f}, at most {longest:.1f}",
    )


def _said(found: dict[str, Any]) -> str:
    return (
        f"p95 {found['p95']:.1f}, at most {found['max']:.1f}; CPU {found['cpu_us']:,.0f} µs, of it "
        f"live queries and streams {found['engine_us']:,.0f}"
    )


# --- in the process -----------------------------------------------------------------------------


@asynccontextmanager
async def prepare(uri: str, arguments: dict[str, Any]) -> AsyncGenerator[Turn]:
    """Get ready for one kind."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(engine(uri))
        yield await _KINDS[arguments["kind"]](one, arguments)


async def _prepare_window(one: Engine, arguments: dict[str, Any]) -> Turn:
    count: int = arguments["documents"]
    await one.fill([item(n, "r", 10 * n) for n in range(count)])
    marks = Marks()
    one.follow("r", _room, one.stream(marks.look))
    await one.settled()

    def change(number: int) -> Write:
        def write(items: Items) -> object:
            values: dict[str, Any] = {"color": marks.next()}
            if number % 2:
                values["rank"] = number * 31 % count * 10 + 5
            return items.update_one({"_id": f"d{number * 7 % count}"}, {"$set": values})

        return write

    async def turn(told: dict[str, Any]) -> dict[str, Any]:
        return await _marked(one, marks, [change(n) for n in range(told["changes"])])

    return turn


async def _prepare_large(one: Engine, arguments: dict[str, Any]) -> Turn:
    documents = 5
    text = [KILOBYTE] * arguments["kilobytes"]
    await one.fill([{**item(n, "r", n), "text": text} for n in range(documents)])
    marks = Marks()
    one.follow("r", _room, one.stream(marks.look))
    await one.settled()

    def append(number: int) -> Write:
        update = {"_id": f"d{number % documents}"}
        return lambda items: items.update_one(update, {"$push": {"text": marks.next()}})

    def replace(number: int) -> Write:
        n = number % documents

        def write(items: Items) -> object:
            whole = {**item(n, "r", n), "text": text, "color": marks.next()}
            return items.replace_one({"_id": f"d{n}"}, whole)

        return write

    async def turn(told: dict[str, Any]) -> dict[str, Any]:
        made, told_before = append if told["way"] == "append" else replace, one.bytes
        found = await _marked(one, marks, [made(n) for n in range(told["changes"])])
        return {**found, "bytes": (one.bytes - told_before) / told["changes"]}

    return turn


async def _prepare_subscribers(one: Engine, arguments: dict[str, Any]) -> Turn:
    await one.fill([item(n, "r", n) for n in range(20)])
    told_at = [0.0]

    def look(_: bytes) -> None:
        told_at[0] = time.monotonic()

    begun = time.monotonic()
    for _ in range(arguments["streams"]):
        one.follow("r", _room, one.stream(look))
    await one.settled()
    await asyncio.sleep(0)
    hydrated, runs = time.monotonic() - begun, one.registry.rounds.runs

    async def turn(told: dict[str, Any]) -> dict[str, Any]:
        latencies: list[float] = []
        inside = one.meter.cpu_seconds
        for number in range(told["changes"]):
            begun = [0.0]
            await one.carry([_timed(number, begun)])
            latencies.append((told_at[0] - begun[0]) * 1000)
        inside = (one.meter.cpu_seconds - inside) / told["changes"] * 1e6
        return {
            "p50": median(latencies),
            "max": max(latencies),
            "engine_us": inside,
            "hydrated": hydrated,
            "runs": runs,
        }

    return turn


def _timed(number: int, begun: list[float]) -> Write:
    def write(items: Items) -> object:
        begun[0] = time.monotonic()
        return items.update_one({"_id": f"d{number % 20}"}, {"$push": {"text": "twelve chars"}})

    return write


async def _prepare_slow(one: Engine, _: dict[str, Any]) -> Turn:
    await one.fill([item(n, "r", n) for n in range(20)])
    beside, marks = Marks(), Marks()
    results: list[float] = []
    running = at_once = 0

    def look(frame: bytes) -> None:
        beside.look(frame)
        if b"newest" in frame:
            results.append(time.monotonic())
            marks.made = beside.made
            marks.look(frame[frame.index(b"newest") :])

    async def newest(reader: Any) -> dict[str, str]:
        nonlocal running, at_once
        running += 1
        at_once = max(at_once, running)
        try:
            documents = await _room(QueryCtx(reader))
            await asyncio.sleep(SLOW_SECONDS)
        finally:
            running -= 1
        return {"newest": max((one.color for one in documents if "@" in one.color), default="")}

    stream = one.stream(look)
    one.follow("r", _room, stream)
    one.follow_run("slow", newest, stream)
    await one.settled()

    def write(items: Items) -> object:
        mark = beside.next()
        return items.update_one({"_id": "d0"}, {"$set": {"color": mark}})

    async def turn(told: dict[str, Any]) -> dict[str, Any]:
        nonlocal at_once
        at_once, runs = 0, one.registry.rounds.runs
        for seen in (beside, marks):
            seen.reset()
        results.clear()
        await one.carry([write] * told["changes"], WRITES_PER_SECOND)
        await one.settled()
        gaps = [b - a for a, b in pairwise(results)]
        return {
            "at_once": at_once,
            "runs": one.registry.rounds.runs - runs,
            "gap": max(gaps, default=0.0) * 1000,
            "slow": milliseconds(marks.latencies_us),
            "beside": milliseconds(beside.latencies_us),
        }

    return turn


async def _marked(one: Engine, marks: Marks, writes: list[Write]) -> dict[str, Any]:
    """Make `writes`, one after another; gives what they cost, and their latencies in ms."""
    marks.reset()
    cost = await one.carry(writes)
    p50, p95, longest = milliseconds(marks.latencies_us)
    return {**asdict(cost), "p50": p50, "p95": p95, "max": longest}


def _room(ctx: QueryCtx) -> Find[Item]:
    return ctx.find(Item, {"room": "r"}, sort=[("rank", 1)])


_KINDS: dict[str, Callable[[Engine, dict[str, Any]], Awaitable[Turn]]] = {
    "window": _prepare_window,
    "large": _prepare_large,
    "subscribers": _prepare_subscribers,
    "slow": _prepare_slow,
}
