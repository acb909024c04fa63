"""Pages of a live list: they meet without gaps or repeats, whatever comes and goes."""

import base64
import math
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp

from server.core.errors import Internal, InvalidArguments
from server.live.matching import compile_filter
from server.live.ordering import total_sort
from server.live.page import CURSOR_CHARACTERS_MAX, PageBounds, cursor_of, page_filter
from server.runtime import QueryCtx
from tests.live.things import Thing
from tests.live.watching import Scene, Watch, ids_of, scene

SEED = int(os.environ.get("HEADWATER_SEED", "20261126"))
SIZE = 5

Sort = list[tuple[str, int]]
Bounds = tuple[str | None, str | None]

ODD: list[Any] = [
    None, 0, 1, 1.0, Int64(1), Decimal128("1"), Decimal128("1.5"), -1, math.nan, -math.inf, "", "a",
    "b", {}, {"k": 1}, {"k": "a"}, b"", b"ab", ObjectId("6" * 24), False, True,
    datetime(1969, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), Timestamp(1, 1), MinKey(),
    MaxKey(),
]  # fmt: skip
"""Values of every type by which a page may be sorted."""


@pytest.fixture
async def here(mongo_uri: str) -> AsyncIterator[Scene]:
    async with scene(mongo_uri) as here:
        yield here


@dataclass
class Reader:
    """Somebody who reads a long list page by page, and keeps all pages live."""

    here: Scene
    sort: Sort
    pages: list[Bounds] = field(default_factory=lambda: [(None, None)])
    watch: Watch | None = None

    async def open(self) -> None:
        """Follow the pages by a new stream, as a client does whose set of queries changes."""
        before, sort = self.watch, self.sort

        def page(after: str | None, until: str | None) -> Any:
            return lambda ctx: ctx.page(
                Thing, {"g": "x"}, sort=sort, size=SIZE, after=after, until=until
            )

        self.watch = Watch(self.here.running)
        self.watch.on_change = _assert_no_repeat
        functions = {f"{number:03}": page(*one) for number, one in enumerate(self.pages)}
        keys = {f"{number:03}": (str(sort), one) for number, one in enumerate(self.pages)}
        self.watch.open(functions, keys)
        await self.watch.until(lambda w: len(w.values) == len(self.pages))
        if before is not None:
            before.close()

    @property
    def last(self) -> dict[str, Any]:
        """The page without an end."""
        assert self.watch is not None
        return self.watch.values[max(self.watch.values)]

    def ids(self) -> list[Any]:
        """Of all documents on all pages."""
        assert self.watch is not None
        return _ids(self.watch)

    async def walk(self) -> None:
        """Go on to the end, or what is the end now."""
        while not self.last["isDone"]:
            cursor = self.last["continueCursor"]
            self.pages[-1] = (self.pages[-1][0], cursor)
            self.pages.append((cursor, None))
            await self.open()

    async def split(self) -> bool:
        """Divide the first page that has grown too large."""
        assert self.watch is not None
        for number, (after, until) in enumerate(self.pages):
            cursor = self.watch.values[f"{number:03}"]["splitCursor"]
            if cursor is not None:
                self.pages[number : number + 1] = [(after, cursor), (cursor, until)]
                await self.open()
                return True
        return False

    async def holds(self, ids: list[Any]) -> None:
        """Wait until the pages hold the documents `ids` in their order, as far as they go."""
        assert self.watch is not None

        def right(watch: Watch) -> bool:
            found = _ids(watch)
            done = watch.values[max(watch.values)]["isDone"]
            return found == ids[: len(found)] and done == (len(found) == len(ids))

        try:
            await self.watch.until(right)
        except TimeoutError:
            raise AssertionError(f"{_ids(self.watch)}, wanted {ids}") from None


def _ids(watch: Watch) -> list[Any]:
    return [one["_id"] for name in sorted(watch.values) for one in watch.values[name]["page"]]


def _assert_no_repeat(watch: Watch) -> None:
    assert watch.position is not None
    if watch.position.settled:
        ids = _ids(watch)
        assert len(ids) == len(set(ids)), ids


async def in_order(here: Scene, sort: Sort) -> list[str]:
    """What MongoDB says that the whole list is."""
    found = here.database["things"].find({"g": "x"}, {"_id": 1}).sort(total_sort(sort))
    return [document["_id"] async for document in found]


def odd(rng: random.Random, number: int) -> dict[str, Any]:
    """A document with whatever in its sort fields, which may be missing."""
    made: dict[str, Any] = {"_id": f"{number:04}", "g": "x"}
    if rng.random() < 0.9:
        made["a"] = rng.choice(ODD)
    if rng.random() < 0.9:
        made["n"] = rng.choice((1, 2, None))
    if rng.random() < 0.9:
        made["inner"] = rng.choice(({"p": 1}, {"p": "z"}, {}, None, 7, {"p": {"q": 1}}))
    return made


@pytest.mark.parametrize(
    "sort",
    [
        [],
        [("_id", -1)],
        [("a", 1)],
        [("a", -1)],
        [("n", -1), ("a", 1)],
        [("inner.p", 1), ("a", -1)],
    ],
)
async def test_pages_have_neither_gaps_nor_repeats_while_documents_come_and_go(
    here: Scene, sort: Sort
) -> None:
    rng = random.Random(f"{SEED}{sort}")
    print(f"HEADWATER_SEED={SEED}")
    things = here.database["things"]
    await things.insert_many([odd(rng, number) for number in rng.sample(range(200), 30)])
    await here.mark()
    reader = Reader(here, sort)
    await reader.open()
    await reader.walk()
    assert reader.ids() == await in_order(here, sort)
    for _ in range(3):
        for _ in range(25):
            document = odd(rng, rng.randrange(200))
            if rng.random() < 0.4:
                await things.delete_one({"_id": document["_id"]})
            else:
                await things.replace_one({"_id": document["_id"]}, document, upsert=True)
        await here.mark()
        await reader.holds(await in_order(here, sort))
        if await reader.split():
            await reader.holds(await in_order(here, sort))
    await reader.walk()
    assert reader.ids() == await in_order(here, sort)
    assert reader.watch is not None
    reader.watch.close()


@pytest.mark.parametrize("direction", [1, -1])
async def test_between_any_two_values_lies_what_mongodb_sorts_there(
    here: Scene, direction: int
) -> None:
    things = here.database["things"]
    order = total_sort([("a", direction)])
    await things.insert_many(
        [{"_id": f"{n:02}", "a": value} for n, value in enumerate(ODD)] + [{"_id": "missing"}]
    )
    documents = await things.find({}).sort(order).to_list()
    cursors = [cursor_of(order, document) for document in documents]
    for first in range(len(documents)):
        for last in sorted({first, *range(first + 1, len(documents), 4), len(documents) - 1}):
            query = page_filter(order, PageBounds(SIZE, cursors[first], cursors[last]))
            wanted = [one["_id"] for one in documents[first + 1 : last + 1]]
            assert [one["_id"] for one in await things.find(query).sort(order).to_list()] == wanted
            matches = compile_filter(query).matches
            assert [one["_id"] for one in documents if matches(one)] == wanted, query
        query = page_filter(order, PageBounds(SIZE, cursors[first], None))
        found = await things.find(query).sort(order).to_list()
        assert [one["_id"] for one in found] == [one["_id"] for one in documents[first + 1 :]]


async def test_a_page_that_grows_says_where_to_divide_it_and_the_two_halves_are_it(
    here: Scene,
) -> None:
    things = here.database["things"]
    await things.insert_many([{"_id": f"{n:03}", "g": "x", "n": n} for n in range(0, 300, 30)])
    await here.mark()
    reader = Reader(here, [("n", 1)])
    await reader.open()
    await reader.walk()
    assert await reader.split() is False
    await things.insert_many([{"_id": f"{n:03}", "g": "x", "n": n} for n in range(1, 25)])
    await here.mark()
    await reader.holds(await in_order(here, reader.sort))
    pages = len(reader.pages)
    while await reader.split():
        await reader.holds(await in_order(here, reader.sort))
    assert len(reader.pages) > pages
    assert reader.watch is not None
    assert all(len(page["page"]) <= 2 * SIZE for page in reader.watch.values.values())
    reader.watch.close()


async def test_a_page_that_is_emptied_keeps_its_place(here: Scene) -> None:
    things = here.database["things"]
    await things.insert_many([{"_id": f"{n:03}", "g": "x", "n": n} for n in range(18)])
    await here.mark()
    reader = Reader(here, [("n", -1)])
    await reader.open()
    await reader.walk()
    await things.delete_many({})
    await here.mark()
    await reader.holds([])
    await things.insert_many([{"_id": f"{n:03}", "g": "x", "n": n} for n in range(17, 20)])
    await here.mark()
    await reader.holds(["019", "018", "017"])
    assert reader.watch is not None
    reader.watch.close()


async def test_an_awaited_page_says_what_a_maintained_one_does(here: Scene) -> None:
    await here.database["things"].insert_many(
        [{"_id": f"{n:03}", "g": "x", "n": n} for n in range(12)]
    )
    await here.mark()

    async def awaited(ctx: QueryCtx) -> Any:
        first = await ctx.page(Thing, {"g": "x"}, sort=[("n", 1)], size=SIZE)
        second = await ctx.page(
            Thing, {"g": "x"}, sort=[("n", 1)], size=SIZE, after=first.continue_cursor
        )
        return [[one.id for one in page.page] + [page.is_done] for page in (first, second)]

    watch = here.watch(awaited)
    await watch.shows(
        [[f"{n:03}" for n in range(5)] + [False], [f"{n:03}" for n in range(5, 10)] + [False]]
    )
    await here.database["things"].delete_many({"n": {"$in": [0, 6]}})
    await watch.shows(
        [["001", "002", "003", "004", "005", False], ["007", "008", "009", "010", "011", True]]
    )


# --- what is refused ---------------------------------------------------------------------------


def forged(cursor: Any) -> str:
    return base64.urlsafe_b64encode(bson.encode(cursor)).decode()


NAME = "n,_id"
GOOD = cursor_of([("n", 1), ("_id", 1)], {"_id": "a", "n": 1})
NESTED: Any = 1
for _ in range(600):
    NESTED = {"": NESTED}


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", "é", "\0", GOOD[:-1], GOOD[:-4], GOOD + "A", GOOD + GOOD, GOOD[4:],
        "A" * (CURSOR_CHARACTERS_MAX + 1), forged({}), forged({"s": NAME}),
        cursor_of([("n", -1), ("_id", -1)], {"_id": "a", "n": 1}),
        cursor_of([("g", 1), ("_id", 1)], {"_id": "a", "n": 1}),
        forged({"s": NAME, "k": {"0": 1, "1": 2}}), forged({"s": NAME, "k": "ab"}),
        forged({"s": NAME, "k": [1]}), forged({"s": NAME, "k": [1, 2, 3]}),
        forged({"s": NAME, "k": [[1], "a"]}), forged({"s": NAME, "k": [bson.Regex("a"), "a"]}),
        forged({"s": NAME, "k": [NESTED, "a"]}), forged({"s": 7, "k": [1, "a"]}),
    ],
)  # fmt: skip
def test_what_is_no_cursor_of_this_list_is_refused(cursor: str) -> None:
    for bounds in (PageBounds(SIZE, cursor, None), PageBounds(SIZE, None, cursor)):
        with pytest.raises(InvalidArguments, match="no cursor of this list"):
            page_filter([("n", 1), ("_id", 1)], bounds)


def test_a_forged_cursor_that_holds_operators_holds_only_values() -> None:
    cursor = forged({"s": NAME, "k": [{"$where": "sleep(1000)"}, {"$gt": ""}]})
    found = page_filter([("n", 1), ("_id", 1)], PageBounds(SIZE, cursor, None))
    for branch in found["$and"][0]["$or"]:
        for operand in branch.values():
            assert next(iter(operand)) in ("$gt", "$eq", "$type"), branch


async def test_a_client_with_a_bad_cursor_is_told_so(here: Scene) -> None:
    watch = here.watch(lambda ctx: ctx.page(Thing, {}, after="nonsense"))
    await watch.until(lambda w: w.errors.get("it") == InvalidArguments.code)


async def test_a_page_over_an_array_is_an_error_until_the_array_is_gone(here: Scene) -> None:
    things = here.database["things"]
    await things.insert_many([{"_id": f"{n}", "g": "x", "a": n} for n in range(3)])
    await here.mark()

    async def awaited(ctx: QueryCtx) -> Any:
        return len((await ctx.page(Thing, {"g": "x"}, sort=[("a", 1)])).page)

    watch = here.watch(
        lambda ctx: ctx.page(Thing, {"g": "x"}, sort=[("a", 1)]),
        nested=lambda ctx: ctx.page(Thing, {"g": "x"}, sort=[("a.b", 1)]),
        awaited=awaited,
    )
    await watch.until(lambda w: len(w.values) == 3)
    for odd_one in ([0, 9], [{"b": 1}, {"b": 9}]):
        await things.update_one({"_id": "1"}, {"$set": {"a": odd_one}})
        await watch.until(lambda w: len(w.errors) == 3)
        assert set(watch.errors.values()) == {Internal.code}
        await things.update_one({"_id": "1"}, {"$set": {"a": 5}})
        await watch.until(lambda w: len(w.values) == 3)
        assert ids_of(watch.values["it"]["page"]) == ["0", "2", "1"]


@pytest.mark.parametrize("size", [0, -1])
async def test_a_page_of_no_documents_is_refused(here: Scene, size: int) -> None:
    ctx = QueryCtx(here.running.reads)  # type: ignore[arg-type]  # it is not asked
    with pytest.raises(ValueError, match="size="):
        ctx.page(Thing, {}, size=size)
    with pytest.raises(ValueError, match="internal"):
        ctx.page(Thing, {}, sort=[("secret", 1)])
    with pytest.raises(ValueError, match="no field"):
        ctx.page(Thing, {}, sort=[("nobody", 1)])


# --- what a page costs -------------------------------------------------------------------------


@pytest.mark.parametrize("sort", [[("n", 1)], [("n", -1)], [("n", -1), ("a", 1)]])
async def test_a_page_is_read_by_the_index_wherever_it_begins(here: Scene, sort: Sort) -> None:
    things = here.database["things"]
    order = total_sort(sort)
    await things.create_index([("g", 1), *order])
    await things.insert_many(
        [{"_id": f"{n:04}", "g": "x", "n": n // 3, "a": n % 3} for n in range(1_500)]
    )
    documents = await things.find({"g": "x"}).sort(order).to_list()
    cursors = {place: cursor_of(order, documents[place]) for place in (0, 49, 700, 749, 1_400)}
    pages = [
        (None, None), (0, None), (700, None), (1_400, None), (None, 49), (0, 49), (700, 749),
    ]  # fmt: skip
    for after, until in pages:
        bounds = PageBounds(50, cursors.get(after), cursors.get(until))  # type: ignore[arg-type]
        query = {"$and": [{"g": "x"}, page_filter(order, bounds)]}
        find = {"find": "things", "filter": query, "sort": dict(order)}
        if until is None:
            find["limit"] = 50
        told = await here.database.command({"explain": find, "verbosity": "executionStats"})
        stages = str(told["queryPlanner"]["winningPlan"])
        assert "'SORT'" not in stages, (after, until, stages)
        assert "COLLSCAN" not in stages, (after, until, stages)
        assert told["executionStats"]["totalKeysExamined"] <= 60, (after, until, stages)


async def test_a_page_between_equal_sort_keys_is_read_by_the_index(here: Scene) -> None:
    things = here.database["things"]
    order = total_sort([("n", 1)])
    await things.create_index([("g", 1), *order])
    await things.insert_many([{"_id": f"{n:04}", "g": "x", "n": 1} for n in range(1_000)])
    ends = [cursor_of(order, {"_id": f"{n:04}", "n": 1}) for n in (600, 650)]
    query = {"$and": [{"g": "x"}, page_filter(order, PageBounds(50, ends[0], ends[1]))]}
    find = {"find": "things", "filter": query, "sort": dict(order)}
    told = await here.database.command({"explain": find, "verbosity": "executionStats"})
    assert told["executionStats"]["totalKeysExamined"] <= 60
    assert told["executionStats"]["nReturned"] == 50
