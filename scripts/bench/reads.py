"""Reads of MongoDB that are caused by changes of fields that no filter and no sort looks at.

MongoDB counts them itself, by its profiler. There is a live query of each kind that could want one.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from scripts.bench.engine import Engine, Item, Items, Write, engine, item
from scripts.bench.stage import Stage
from scripts.bench.turns import Turn, taking_turns
from server.live.live_query import RunQuery
from server.runtime.query_context import QueryCtx

__all__ = ["measure_reads", "prepare"]

ROOMS = 20
DOCUMENTS = 20 * ROOMS
PROFILE_BYTES = 64 << 20
READING = ("find", "aggregate", "count", "distinct")


async def measure_reads(stage: Stage) -> None:
    """Updates of a plain field, of documents that are held and of some that nobody holds."""
    async with taking_turns(stage.uri, __name__, "bench_reads") as process:
        found = await process.turn(changes=stage.sizes.changes)
    stage.report.judge(
        f"reads for {found['changes']} changes of a plain field",
        found["reads"],
        0,
        f"by MongoDB's profiler, which saw {found['updates']} updates; {found['queries']} live "
        "queries: finds, limited, pages, documents by id, counts, awaited with fields=",
    )


# --- in the process -----------------------------------------------------------------------------


@asynccontextmanager
async def prepare(uri: str, _: dict[str, Any]) -> AsyncGenerator[Turn]:
    """Live queries of all kinds."""
    async with engine(uri) as one:
        await one.fill([item(n, f"r{n % (2 * ROOMS)}", n) for n in range(DOCUMENTS)])
        for number in range(ROOMS):
            _follow(one, number)
        await one.settled()

        async def turn(told: dict[str, Any]) -> dict[str, Any]:
            return await _counted(one, told["changes"])

        yield turn


def _follow(one: Engine, number: int) -> None:
    wanted = {"room": f"r{number}"}
    stream = one.stream()

    async def named(reader: Any) -> list[int]:
        found = await QueryCtx(reader).find(Item, wanted, fields=["rank"], limit=5)
        return [one["rank"] if isinstance(one, dict) else one.rank for one in found]

    async def counted(reader: Any) -> int:
        return await QueryCtx(reader).count(Item, wanted)

    one.follow(("find", number), lambda ctx: ctx.find(Item, wanted), stream)
    one.follow(
        ("last", number), lambda ctx: ctx.find(Item, wanted, sort=[("rank", 1)], last=3), stream
    )
    one.follow_run(("page", number), _returning(lambda c: c.page(Item, wanted, size=3)), stream)
    one.follow_run(("get", number), _returning(lambda c: c.get(Item, f"d{number}")), stream)
    one.follow_run(("named", number), named, stream)
    one.follow_run(("count", number), counted, stream)


def _returning(made: Callable[[QueryCtx], object]) -> RunQuery:
    async def run(reader: Any) -> object:
        return made(QueryCtx(reader))

    return run


async def _counted(one: Engine, changes: int) -> dict[str, Any]:
    """Make changes while the profiler looks."""
    database = one.database
    await database.create_collection("system.profile", capped=True, size=PROFILE_BYTES)
    await database.command("profile", 2)
    await one.carry([_plain(n) for n in range(changes)])
    await one.settled()
    await database.command("profile", 0)
    profile = database["system.profile"]
    reading = [{f"command.{name}": {"$exists": True}} for name in READING]
    return {
        "changes": changes,
        "queries": len(one.registry.queries),
        "updates": await profile.count_documents({"op": "update"}),
        "reads": await profile.count_documents(
            {"op": {"$in": ["query", "command"]}, "$or": reading}
        ),
    }


def _plain(number: int) -> Write:
    def write(items: Items) -> object:
        return items.update_one(
            {"_id": f"d{number * 7 % DOCUMENTS}"}, {"$set": {"color": f"color {number}"}}
        )

    return write
