"""Sliding windows of time: documents leave at the right second, and nobody writes to them.

The time that counts is the position's; it passes when the test says so, on a mongod of its own.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import DatetimeMS
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.shape import shape_of
from server.core import limits
from server.core.errors import Internal
from server.live.find import Spec
from server.live.held import Held
from server.live.window import Window
from server.live.within import Within
from server.runtime import QueryCtx
from server.store.embedded import EmbeddedMongo
from tests.live.things import Thing
from tests.live.watching import Scene, ids_of, reach, scene
from tests.sse import apply_patch

SHAPE = shape_of(Thing)
MINUTE = ("seen", 60_000)


@pytest.fixture(scope="module")
async def own_uri(fast_dir: Path) -> AsyncIterator[str]:
    """A mongod whose cluster time may be moved."""
    embedded = EmbeddedMongo(fast_dir / "within")
    yield await embedded.start()
    await embedded.stop()


@pytest.fixture
async def here(own_uri: str) -> AsyncIterator[Scene]:
    """At a second far ahead of every clock, which therefore lasts until the test ends it."""
    async with scene(own_uri) as here:
        await reach(here, here.running.registry.position.seconds + 1_000)
        yield here


def now_of(here: Scene) -> int:
    return here.running.registry.position.seconds


def leaving(second: float) -> datetime:
    """A date that is a minute ago from `second` on."""
    return datetime.fromtimestamp(second - 60, UTC)


def present(ctx: QueryCtx) -> Any:
    return ctx.find(Thing, {"g": "x"}, sort=[("n", 1)], within=MINUTE)


def people(ctx: QueryCtx) -> Any:
    """Who is there; when they were seen is nobody's business."""
    return ctx.find(
        Thing, {"g": "x"}, sort=[("n", 1)], within=MINUTE, view=lambda thing: {"_id": thing.id}
    )


async def counted(ctx: QueryCtx) -> int:
    return await ctx.count(Thing, {"g": "x"}, within=MINUTE)


async def listed(ctx: QueryCtx) -> list[str]:
    found = await ctx.find(Thing, {"g": "x"}, sort=[("n", 1)], within=MINUTE, fields=["n"])
    return [thing.id for thing in found]


# --- the whole way -----------------------------------------------------------------------------


async def test_a_document_leaves_at_its_second_with_no_write_to_it_and_no_read(
    here: Scene,
) -> None:
    start = now_of(here)
    await here.database["things"].insert_many(
        [
            {"_id": "old", "g": "x", "n": 1, "seen": leaving(start + 20)},
            {"_id": "odd", "g": "x", "n": 2, "seen": leaving(start + 20.001)},
            {"_id": "new", "g": "x", "n": 3, "seen": leaving(start + 500)},
        ]
    )
    await here.mark()
    watch = here.watch(present)
    await watch.until(lambda w: w.value and len(w.value) == 3)
    runs = here.running.registry.rounds.runs

    await reach(here, start + 19)
    assert ids_of(watch.value) == ["old", "odd", "new"]
    await reach(here, start + 20)
    await watch.until(lambda w: ids_of(w.value) == ["odd", "new"])
    assert watch.position is not None
    assert watch.position.time.seconds == start + 20
    await reach(here, start + 21)
    await watch.until(lambda w: ids_of(w.value) == ["new"])

    assert here.running.registry.rounds.runs == runs
    assert here.running.registry.rounds.fetches == 0


async def test_a_heartbeat_that_keeps_a_document_inside_tells_nobody_anything(
    here: Scene,
) -> None:
    start = now_of(here)
    things = here.database["things"]
    await things.insert_one({"_id": "a", "g": "x", "n": 1, "seen": leaving(start + 20)})
    await here.mark()
    watch = here.watch(people)
    await watch.shows([{"_id": "a"}])
    told, runs = len(watch.told), here.running.registry.rounds.runs

    for second in range(start + 10, start + 200, 10):
        await things.update_one({"_id": "a"}, {"$set": {"seen": leaving(second + 20)}})
        await reach(here, second)
    assert (len(watch.told), here.running.registry.rounds.runs) == (told, runs)
    await reach(here, start + 210)
    await watch.shows([])


async def test_a_heartbeat_in_the_very_second_of_the_departure_is_in_time(here: Scene) -> None:
    start = now_of(here)
    things = here.database["things"]
    await things.insert_one({"_id": "a", "g": "x", "n": 1, "seen": leaving(start + 20)})
    await here.mark()
    watch = here.watch(people)
    await watch.shows([{"_id": "a"}])
    told = len(watch.told)

    known = (await here.client.admin.command("hello"))["$clusterTime"]
    async with here.client.start_session() as session:
        time = type(known["clusterTime"])(start + 20, 0)
        session.advance_cluster_time({**known, "clusterTime": time})
        beat = {"$set": {"seen": leaving(start + 80)}}
        await things.update_one({"_id": "a"}, beat, session=session)
    await reach(here, start + 20)
    assert watch.values["it"] == [{"_id": "a"}]
    assert len(watch.told) == told


async def test_a_document_that_left_enters_again_when_it_is_seen_again(here: Scene) -> None:
    start = now_of(here)
    things = here.database["things"]
    await things.insert_one({"_id": "a", "g": "x", "n": 1, "seen": leaving(start + 5)})
    await here.mark()
    watch = here.watch(people)
    await watch.shows([{"_id": "a"}])
    for round_ in range(3):
        second = start + 10 + 100 * round_
        await reach(here, second)
        await watch.shows([])
        await things.update_one({"_id": "a"}, {"$set": {"seen": leaving(second + 50)}})
        await watch.shows([{"_id": "a"}])
    await reach(here, start + 300)
    await watch.shows([])


async def test_what_was_awaited_or_counted_within_a_window_is_read_again_in_time(
    here: Scene,
) -> None:
    start = now_of(here)
    things = here.database["things"]
    await things.insert_many(
        [{"_id": f"{n}", "g": "x", "n": n, "seen": leaving(start + 10 * n)} for n in (1, 2, 3)]
    )
    await here.mark()
    watch = here.watch(counted, listed=listed)
    await watch.shows(3)
    await watch.shows(["1", "2", "3"], "listed")
    await reach(here, start + 10)
    await watch.shows(2)
    await watch.shows(["2", "3"], "listed")
    runs = here.running.registry.rounds.runs
    await reach(here, start + 19)  # nothing is due
    assert here.running.registry.rounds.runs == runs
    await reach(here, start + 30)
    await watch.shows(0)
    await watch.shows([], "listed")


async def test_a_heartbeat_reads_nothing_again_before_what_was_read_is_due(here: Scene) -> None:
    start = now_of(here)
    things = here.database["things"]
    await things.insert_many(
        [
            {"_id": "first", "g": "x", "n": 1, "seen": leaving(start + 20)},
            {"_id": "second", "g": "x", "n": 2, "seen": leaving(start + 30)},
        ]
    )
    await here.mark()
    watch = here.watch(listed)
    await watch.shows(["first", "second"])
    rounds = here.running.registry.rounds
    runs, told = rounds.runs, len(watch.told)

    for second in (21, 25, 40):
        await things.update_one({"_id": "first"}, {"$set": {"seen": leaving(start + second)}})
        await here.mark()
    assert (rounds.runs, len(watch.told)) == (runs, told)
    await things.update_one({"_id": "second"}, {"$set": {"seen": leaving(start + 10)}})
    await here.mark()
    assert rounds.runs == runs + 1, "it leaves earlier than any did"
    await reach(here, start + 10)
    await watch.shows(["first"])
    runs = rounds.runs
    await things.update_one({"_id": "first"}, {"$set": {"seen": leaving(start + 5)}})
    await watch.shows([])
    assert rounds.runs == runs + 1
    await things.update_one({"_id": "second"}, {"$set": {"seen": leaving(start + 60)}})
    await watch.shows(["second"])


async def test_many_that_are_only_counted_leave_in_time_even_with_several_dates(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COUNT_IDS_MAX", 2)
    start = now_of(here)
    late, soon, past = leaving(start + 300), leaving(start + 10), leaving(start - 10)
    await here.database["things"].insert_many(
        [
            {"_id": "both", "g": "x", "seen": [past, late]},  # the least date of all, and stays
            {"_id": "soon", "g": "x", "seen": soon},
            {"_id": "late", "g": "x", "seen": late},
            {"_id": "later", "g": "x", "seen": [late]},
        ]
    )
    await here.mark()
    watch = here.watch(counted)
    await watch.shows(4)
    await reach(here, start + 10)
    await watch.shows(3)
    await reach(here, start + 300)
    await watch.shows(0)


async def test_a_limited_window_is_filled_by_those_who_were_beyond_it(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WINDOW_BUFFER", 2)
    start = now_of(here)
    await here.database["things"].insert_many(
        [{"_id": f"{n:02}", "g": "x", "n": n, "seen": leaving(start + n)} for n in range(1, 13)]
    )
    await here.mark()

    def first(ctx: QueryCtx) -> Any:
        return ctx.find(Thing, {"g": "x"}, sort=[("n", 1)], limit=3, within=MINUTE)

    watch = here.watch(first)
    for second in range(12):
        await reach(here, start + second)
        wanted = [f"{n:02}" for n in range(second + 1, min(second + 4, 13))]
        await watch.until(lambda w, wanted=wanted: ids_of(w.value or []) == wanted)


@pytest.mark.parametrize("within", [("seen", 0), ("seen", 0.5), ("nobody", 60_000)])
async def test_a_window_that_makes_no_sense_is_refused(
    here: Scene, within: tuple[str, int]
) -> None:
    ctx = QueryCtx(here.running.reads)  # type: ignore[arg-type]  # it is not asked
    with pytest.raises(ValueError, match=r"within|milliseconds"):
        ctx.find(Thing, {}, within=within)
    with pytest.raises(ValueError, match=r"within|milliseconds"):
        await ctx.count(Thing, {}, within=within)
    watch = here.watch(lambda ctx: ctx.find(Thing, {}, within=within))
    await watch.until(lambda w: w.errors.get("it") == Internal.code)


# --- the window alone --------------------------------------------------------------------------

SECONDS = st.integers(0, 40)
STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 9), SECONDS | st.none()), max_size=60
)  # how much time passes, and then the date, or the end, of a document


@settings(deadline=None)
@given(STEPS, st.sampled_from([None, 2]))
def test_at_every_second_a_window_holds_what_a_read_would_find(
    steps: list[tuple[int, int, int | None]], limit: int | None
) -> None:
    spec = Spec.of(Thing, {}, sort=[("n", 1)], limit=limit, within=("seen", 10_000))
    stored: dict[str, dict[str, Any]] = {}
    second = 10
    window = fresh(spec, stored, second)
    shown = window.value()
    for passed, number, date in steps:
        second += passed
        id_ = f"{number}"
        held = None
        if date is None:
            stored.pop(id_, None)
        else:
            stored[id_] = {"_id": id_, "n": number, "seen": DatetimeMS(date * 1000)}
            held = Held.of(stored[id_], SHAPE)
        window.second = second
        operations = window.change(id_, held) + window.pass_time(second)
        shown = apply_patch(shown, operations)  # type: ignore[arg-type]
        assert not window.dry
        assert shown == window.value() == fresh(spec, stored, second).value()
        assert len(window._departures) <= 2 * len(window.ids) + 64  # pyright: ignore[reportPrivateUsage]


def fresh(spec: Spec, stored: dict[str, dict[str, Any]], second: int) -> Window:
    """A window of what a read would find."""
    assert spec.within is not None
    window = Window(spec, "")
    window.second = second
    found = [one for one in stored.values() if spec.within.departure(one) > second]
    found.sort(key=lambda one: one["n"])
    window.load([(one["_id"], Held.of(one, SHAPE)) for one in found[: window.read_limit]])
    return window


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 2**70), st.integers(0, 2**32 - 1))
def test_a_departure_and_the_filter_of_a_read_say_the_same(
    date: int, period: int, second: int
) -> None:
    within = Within("seen", period)
    bound = within.condition(second)["seen"]["$gt"]
    out = within.departure({"seen": DatetimeMS(date)}) <= second
    if second * 1000 - period > -(2**63):  # no date is before the earliest
        assert out == (date <= int(bound))
