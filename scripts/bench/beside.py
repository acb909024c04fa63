"""Tokens beside a slow awaited query that each of them touches, in one stream.

A process has two streams, each with a conversation of its own; one of them has the slow query
too. They take turns.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from scripts.bench.engine import Engine, Item, Items, Write, engine, item
from scripts.bench.marks import Marks, milliseconds
from scripts.bench.stage import Stage
from scripts.bench.turns import Turn, taking_turns
from server.live.find import Find
from server.runtime.query_context import QueryCtx

__all__ = ["measure_beside", "prepare"]

TARGET = 1.5
SLOW_SECONDS = 0.2
TOKENS_PER_SECOND = 50.0
DOCUMENTS = 20
ALONE, BESIDE = "alone", "beside"


async def measure_beside(stage: Stage) -> None:
    """The latency of tokens beside the slow query, to their latency without it."""
    latencies: dict[str, list[int]] = {ALONE: [], BESIDE: []}
    runs = 0
    async with taking_turns(stage.uri, __name__, "bench_beside") as process:
        for round_ in range(stage.sizes.rounds + 1):
            for room, found in latencies.items():
                told = await process.turn(room=room, changes=stage.sizes.changes)
                if round_ > 0:
                    found += told["latencies_us"]
                    runs += told["runs"]
    alone, beside = milliseconds(latencies[ALONE]), milliseconds(latencies[BESIDE])
    label = f"a token beside a query of {SLOW_SECONDS * 1000:.0f} ms, to alone"
    stage.report.judge(
        f"{label}, p50", beside[0] / alone[0], TARGET, f"{beside[0]:.2f} to {alone[0]:.2f} ms"
    )
    stage.report.judge(
        f"{label}, p95",
        beside[1] / alone[1],
        TARGET,
        f"{beside[1]:.2f} to {alone[1]:.2f} ms, at most {beside[2]:.1f} to {alone[2]:.1f}; "
        f"{runs} runs of the query in {len(latencies[BESIDE]) / TOKENS_PER_SECOND:.0f} s",
    )


# --- in the process -----------------------------------------------------------------------------


@asynccontextmanager
async def prepare(uri: str, _: dict[str, Any]) -> AsyncGenerator[Turn]:
    """The two streams."""
    async with engine(uri) as one:
        rooms = (ALONE, BESIDE)
        documents = [item(n, rooms[n % 2], n) for n in range(2 * DOCUMENTS)]
        await one.fill(documents)
        marks = {room: Marks() for room in rooms}
        for room in rooms:
            _follow(one, room, marks[room], slow=room == BESIDE)
        await one.settled()

        async def turn(told: dict[str, Any]) -> dict[str, Any]:
            room: str = told["room"]
            seen, runs = marks[room], one.registry.rounds.runs
            seen.reset()
            write = _token(f"d{rooms.index(room)}", seen)
            await one.carry([write] * told["changes"], TOKENS_PER_SECOND)
            await one.settled()
            return {"latencies_us": seen.latencies_us, "runs": one.registry.rounds.runs - runs}

        yield turn


def _follow(one: Engine, room: str, marks: Marks, *, slow: bool) -> None:
    stream = one.stream(marks.look)

    def find(ctx: QueryCtx) -> Find[Item]:
        return ctx.find(Item, {"room": room}, sort=[("rank", 1)])

    async def characters(reader: Any) -> int:
        documents = await find(QueryCtx(reader))
        await asyncio.sleep(SLOW_SECONDS)
        return sum(len(one.text) for one in documents)

    one.follow(room, find, stream)
    if slow:
        one.follow_run(f"{room} slow", characters, stream)


def _token(id_: str, marks: Marks) -> Write:
    def write(items: Items) -> object:
        return items.update_one({"_id": id_}, {"$push": {"text": marks.next()}})

    return write
