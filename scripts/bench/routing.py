"""What a change costs beside how many live queries.

Each count is measured in a process of its own; they take turns. What is compared is processor
time of the engine's thread, which the load of a shared machine moves far less than wall time.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import Any

from scripts.bench.engine import Engine, Item, Write, engine, item
from scripts.bench.stage import Stage
from scripts.bench.turns import Turn, Turns, taking_turns
from server.core import limits
from server.live.find import Find
from server.runtime.query_context import QueryCtx

__all__ = ["measure_routing", "prepare"]

TARGET = 2.0
RANK_STEP = 10
KINDS = ("field", "filter", "insert")
NONE = "none"
INSERTED = "new"


async def measure_routing(stage: Stage) -> None:
    """Changes of a plain field, of the field that the filters look at, and inserts with deletes."""
    few, many, ranges = stage.sizes.queries
    plans = {
        "few": ("equality", few),
        "many": ("equality", many),
        "few ranges": ("range", few),
        "ranges": ("range", ranges),
    }
    async with AsyncExitStack() as stack:
        processes: dict[str, Turns] = {}
        for name, (filters, queries) in plans.items():
            processes[name] = await stack.enter_async_context(
                taking_turns(
                    stage.uri,
                    __name__,
                    f"bench_routing_{filters}_{queries}",
                    filters=filters,
                    queries=queries,
                )
            )
        costs = await _costs(stage, processes)
    for name, base in (("many", "few"), ("ranges", "few"), ("ranges", "few ranges")):
        filters, queries = plans[name]
        base_filters, base_queries = plans[base]
        label = f"{queries:,} queries by {filters}, to {base_queries} by {base_filters}"
        ours, floor = costs[name], costs[base]
        cpu = {one: sum(kinds[k]["cpu_us"] for k in KINDS) for one, kinds in costs.items()}
        said = ", ".join(
            f"{k} {ours[k]['cpu_us']:.0f} to {floor[k]['cpu_us']:.0f} µs" for k in KINDS
        )
        stage.report.judge(f"CPU of a change: {label}", cpu[name] / cpu[base], TARGET, said)
        inside = [sum(one[k]["engine_us"] for k in KINDS) / len(KINDS) for one in (ours, floor)]
        stage.report.tell(
            "of it, live queries and streams",
            inside[0] / inside[1],
            ", ".join(
                f"{k} {ours[k]['engine_us']:.0f} to {floor[k]['engine_us']:.0f} µs" for k in KINDS
            ),
        )
    ours, floor = costs["many"][NONE], costs["few"][NONE]
    stage.report.tell(
        f"CPU of a change that none of {many:,} queries looks at, to {few}",
        ours["cpu_us"] / floor["cpu_us"],
        f"{ours['cpu_us']:.0f} to {floor['cpu_us']:.0f} µs, of it live queries and streams "
        f"{ours['engine_us']:.0f} to {floor['engine_us']:.0f}",
    )


async def _costs(
    stage: Stage, processes: dict[str, Turns]
) -> dict[str, dict[str, dict[str, float]]]:
    """By process and kind of change: the means of all turns but the first."""
    units = ("cpu_us", "engine_us")
    costs: dict[str, dict[str, dict[str, float]]] = {
        name: {kind: dict.fromkeys(units, 0.0) for kind in (*KINDS, NONE)} for name in processes
    }
    for round_ in range(stage.sizes.rounds + 1):
        for name, process in processes.items():
            for kind in (*KINDS, NONE):
                found = await process.turn(kind=kind, changes=stage.sizes.changes)
                if round_ > 0:
                    for unit in units:
                        costs[name][kind][unit] += found[unit] / stage.sizes.rounds
    return costs


# --- in the process -----------------------------------------------------------------------------


@asynccontextmanager
async def prepare(uri: str, arguments: dict[str, Any]) -> AsyncGenerator[Turn]:
    """So many different live queries on one table, each with one document, a hundred a stream."""
    queries: int = arguments["queries"]
    by_range = arguments["filters"] == "range"
    async with engine(uri) as one:
        await one.fill([item(n, f"r{n}", n * RANK_STEP) for n in range(queries)])
        _follow(one, queries, _by_range if by_range else _by_room)
        await one.settled()
        turns = 0

        async def turn(told: dict[str, Any]) -> dict[str, Any]:
            nonlocal turns
            turns += 1
            count: int = told["changes"]
            numbers = [(turns * count + n) * 7 % queries for n in range(count)]
            writes = _WRITES[told["kind"]](numbers, queries, turns, by_range)
            return asdict(await one.carry(writes))

        yield turn


def _by_room(number: int) -> Callable[[QueryCtx], Find[Item]]:
    return lambda ctx: ctx.find(Item, {"room": f"r{number}"}, sort=[("rank", 1)])


def _by_range(number: int) -> Callable[[QueryCtx], Find[Item]]:
    low = number * RANK_STEP
    wanted = {"rank": {"$gte": low, "$lt": low + RANK_STEP}}
    return lambda ctx: ctx.find(Item, wanted, sort=[("rank", 1)])


def _follow(
    one: Engine, queries: int, find: Callable[[int], Callable[[QueryCtx], Find[Item]]]
) -> None:
    for start in range(0, queries, limits.QUERY_SET_MAX):
        stream = one.stream()
        for number in range(start, min(queries, start + limits.QUERY_SET_MAX)):
            one.follow(number, find(number), stream)


def _field(numbers: list[int], _queries: int, turn: int, _by_range: bool) -> list[Write]:
    """A field that no filter and no sort looks at."""

    def write(number: int, nth: int) -> Write:
        update = {"$set": {"color": f"color {turn} {nth}"}}
        return lambda items: items.update_one({"_id": f"d{number}"}, update)

    return [write(number, nth) for nth, number in enumerate(numbers)]


def _filter(numbers: list[int], queries: int, turn: int, by_range: bool) -> list[Write]:
    """Out of one query and into another."""

    def write(number: int, nth: int) -> Write:
        to = (number + turn * 31 + nth + 1) % queries
        values = {"rank": to * RANK_STEP + 1} if by_range else {"room": f"r{to}"}
        update = {"$set": {**values, "color": f"moved {turn} {nth}"}}  # an event in any case
        return lambda items: items.update_one({"_id": f"d{number}"}, update)

    return [write(number, nth) for nth, number in enumerate(numbers)]


def _insert(numbers: list[int], _queries: int, turn: int, _by_range: bool) -> list[Write]:
    """A new document, and its end."""

    def insert(number: int, id_: str) -> Write:
        document = {**item(number, f"r{number}", number * RANK_STEP), "_id": id_}
        return lambda items: items.insert_one(document)

    def delete(id_: str) -> Write:
        return lambda items: items.delete_one({"_id": id_})

    writes: list[Write] = []
    for nth, number in enumerate(numbers[: len(numbers) // 2]):
        id_ = f"{INSERTED}{turn}-{nth}"
        writes += [insert(number, id_), delete(id_)]
    return writes


def _none(numbers: list[int], _queries: int, turn: int, _by_range: bool) -> list[Write]:
    """New documents where nobody looks."""

    def insert(nth: int) -> Write:
        document = {**item(nth, f"nobody {nth}", -1 - nth), "_id": f"none{turn}-{nth}"}
        return lambda items: items.insert_one(document)

    return [insert(nth) for nth in range(len(numbers))]


_WRITES: dict[str, Callable[[list[int], int, int, bool], list[Write]]] = {
    "field": _field,
    "filter": _filter,
    "insert": _insert,
    NONE: _none,
}
