"""The ticker: when it writes a tick, and that MongoDB's clock has the last word."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect

from schemas.wire.position import Time
from server.core import limits
from server.core.tasks import supervised
from server.live.registry import Registry
from server.live.ticker import Ticker
from server.runtime import QueryCtx
from server.store.collections import META
from server.store.connection import database_name
from server.store.ticks import Ticks
from tests.live.things import Thing
from tests.live.watching import ids_of, scene


class Held:
    """A registry and ticks that are what the test says; a clock that the test holds.

    Attributes:
        due: The second at which something leaves.
        second: The position's.
        clock: Of this process.
        mongo: MongoDB's clock.
        asked: The ticks that were tried.
    """

    def __init__(self, due: int | None, second: int, clock: float, mongo: float) -> None:
        self.due, self.second, self.clock, self.mongo = due, second, clock, mongo
        self.asked: list[int] = []
        self.failure: Exception | None = None
        self.ticker = Ticker(cast("Registry", self), cast("Ticks", self), clock=lambda: self.clock)

    @property
    def next_departure(self) -> int | None:
        return self.due

    @property
    def position(self) -> Time:
        return Time(self.second, 1)

    async def tick(self, second: int) -> bool:
        self.asked.append(second)
        if self.failure is not None:
            raise self.failure
        return self.mongo >= second


async def test_with_nothing_that_could_leave_nothing_is_written() -> None:
    held = Held(due=None, second=100, clock=100, mongo=100)
    assert await held.ticker.step() == limits.TICK_SECONDS_MAX
    assert held.asked == []


async def test_before_anything_is_due_it_waits_until_then_but_looks_now_and_again() -> None:
    held = Held(due=110, second=100, clock=100, mongo=100)
    assert await held.ticker.step() == limits.TICK_SECONDS_MAX
    held.clock = 109.75
    assert await held.ticker.step() == 0.25
    assert held.asked == []


async def test_what_is_due_is_ticked_once_and_then_the_feed_is_waited_for() -> None:
    held = Held(due=110, second=100, clock=110, mongo=110)
    assert await held.ticker.step() == limits.TICK_SECONDS_MIN
    assert (held.asked, held.ticker.ticks) == ([110], 1)
    held.second = 110  # it came back, and is being prepared
    assert await held.ticker.step() == limits.TICK_SECONDS_MIN
    assert held.asked == [110]


async def test_a_clock_that_is_ahead_ticks_nothing_before_mongodb_says_so() -> None:
    held = Held(due=110, second=100, clock=150, mongo=109)
    for _ in range(3):
        assert await held.ticker.step() == limits.TICK_SECONDS_MIN
    assert held.ticker.ticks == 0
    held.mongo = 110
    await held.ticker.step()
    assert held.ticker.ticks == 1


async def test_a_clock_that_is_behind_is_put_right_by_the_position() -> None:
    held = Held(due=110, second=100, clock=40, mongo=100)
    assert await held.ticker.step() == limits.TICK_SECONDS_MAX
    held.clock, held.mongo = 50, 110  # ten seconds later, in which nobody wrote
    await held.ticker.step()
    assert held.asked == [110]


async def test_a_clock_that_was_put_back_right_is_believed_again() -> None:
    held = Held(due=110, second=100, clock=40, mongo=100)
    await held.ticker.step()
    held.clock = 101  # somebody set it
    await held.ticker.step()
    asked = len(held.asked)
    for _ in range(5):
        assert await held.ticker.step() == limits.TICK_SECONDS_MAX
    assert len(held.asked) == asked


async def test_a_tick_that_fails_is_tried_again_later() -> None:
    held = Held(due=110, second=100, clock=111, mongo=111)
    held.failure = AutoReconnect("away")
    assert await held.ticker.step() == limits.TICK_SECONDS_MAX
    held.failure = None
    await held.ticker.step()
    assert (held.asked, held.ticker.ticks) == ([110, 110], 1)


# --- ticks in a real MongoDB -------------------------------------------------------------------


@pytest.fixture
async def client(database_uri: str) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    async with AsyncMongoClient[dict[str, Any]](database_uri, w="majority") as client:
        yield client


async def test_mongodb_refuses_the_tick_of_a_second_that_has_not_come(
    client: AsyncMongoClient[dict[str, Any]], database_uri: str
) -> None:
    database = client[database_name(database_uri)]
    ticks = Ticks(database)
    await ticks.prepare()
    await ticks.prepare()
    now = (await client.admin.command("hello"))["localTime"].replace(tzinfo=UTC)
    second = int(now.timestamp())
    assert not await ticks.tick(second + 60)
    assert await ticks.tick(second)
    found = await database[META].find_one({"_id": "tick"})
    assert found is not None
    assert found["second"] == second


async def test_ticks_go_on_after_the_database_was_dropped(
    client: AsyncMongoClient[dict[str, Any]], database_uri: str
) -> None:
    ticks = Ticks(client[database_name(database_uri)])
    await ticks.prepare()
    await client.drop_database(database_name(database_uri))
    await ticks.tick(1_000)
    assert await ticks.tick(1_000)


async def test_many_who_tick_one_second_make_one_change(
    client: AsyncMongoClient[dict[str, Any]], database_uri: str
) -> None:
    database = client[database_name(database_uri)]
    ticks = Ticks(database)
    await ticks.prepare()
    async with await database[META].watch() as stream:
        assert await ticks.tick(1_000)
        for _ in range(5):
            assert await ticks.tick(1_000)
            assert await ticks.tick(900)  # somebody who was slow
        assert await ticks.tick(1_001)
        seen = [(await stream.next())["updateDescription"]["updatedFields"] for _ in range(2)]
    assert seen == [{"second": 1_000}, {"second": 1_001}]


async def test_a_tick_moves_the_position_to_its_second_and_what_is_due_leaves(
    mongo_uri: str,
) -> None:
    async with scene(mongo_uri) as here:
        ticks = Ticks(here.database)
        await ticks.prepare()
        ticker = Ticker(here.running.registry, ticks)
        now = (await here.client.admin.command("hello"))["localTime"].replace(tzinfo=UTC)
        leaves = datetime.fromtimestamp(int(now.timestamp()) + 1, UTC)
        await here.database["things"].insert_one(
            {"_id": "a", "g": "x", "seen": leaves - timedelta(seconds=60)}
        )
        await here.mark()

        def present(ctx: QueryCtx) -> Any:
            return ctx.find(Thing, {"g": "x"}, within=("seen", 60_000))

        watch = here.watch(present)
        await watch.until(lambda w: w.value is not None)
        if here.running.registry.position < Time(int(leaves.timestamp()), 0):
            assert ids_of(watch.value) == ["a"]
        runs = here.running.registry.rounds.runs
        async with supervised("ticker", ticker.run):
            await watch.shows([])  # the time that passes is MongoDB's
        assert here.running.registry.position.seconds >= leaves.timestamp()
        assert here.running.registry.rounds.runs == runs
