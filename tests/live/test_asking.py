"""What only MongoDB can judge: it is asked of one document, and the end is right all the same."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from schemas.wire.position import Time
from server.core import limits
from server.live.asking import Question
from server.runtime import QueryCtx
from server.store.reads import SnapshotGone
from tests.live.things import Thing
from tests.live.watching import Scene, Watch, ids_of, scene

ASKED: dict[str, dict[str, Any]] = {
    "expr": {"g": "x", "$expr": {"$gt": ["$n", 5]}},
    "schema": {"g": "x", "$jsonSchema": {"properties": {"n": {"minimum": 6}}, "required": ["n"]}},
    "regex": {"g": "x", "a": {"$regex": "^(?!low)"}},
    "either": {"$or": [{"$expr": {"$gt": ["$n", 5]}}, {"n": 100}], "g": "x"},
}


@pytest.fixture
async def here(mongo_uri: str) -> AsyncIterator[Scene]:
    async with scene(mongo_uri) as here:
        yield here


def thing(id_: str, n: int) -> dict[str, Any]:
    return {"_id": id_, "g": "x", "n": n, "a": "high" if n > 5 else "low"}


def to(n: int) -> dict[str, Any]:
    return {"$set": {"n": n, "a": "high" if n > 5 else "low"}}


def asked(filter_: dict[str, Any], **more: Any) -> Any:
    return lambda ctx: ctx.find(Thing, filter_, sort=[("_id", 1)], **more)


class Held:
    """Holds back what MongoDB is asked until the test lets it through, and can make it fail."""

    def __init__(self, here: Scene) -> None:
        self.rounds = here.running.registry.rounds
        self.asking = asyncio.Event()
        self.go_on = asyncio.Event()
        self.failures: list[Exception] = []
        self._ask = self.rounds.ask

    async def ask(self, questions: Iterable[Question], at: Time, owner: Any) -> set[Question]:
        self.asking.set()
        await self.go_on.wait()
        if self.failures:
            raise self.failures.pop(0)
        return await self._ask(questions, at, owner)


@contextmanager
def holding(here: Scene) -> Any:
    held = Held(here)
    held.rounds.ask = held.ask  # type: ignore[method-assign]
    try:
        yield held
    finally:
        held.go_on.set()
        held.rounds.ask = held._ask  # type: ignore[method-assign]  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("name", sorted(ASKED))
async def test_a_document_enters_and_leaves_by_mongodbs_answer_with_no_run(
    here: Scene, name: str
) -> None:
    things = here.database["things"]
    await things.insert_many([thing("a", 9), thing("b", 1)])
    await here.mark()
    watch = here.watch(asked(ASKED[name]))
    await watch.until(lambda w: w.value is not None and ids_of(w.value) == ["a"])
    runs = here.running.registry.rounds.runs
    await things.insert_one(thing("c", 9))
    await watch.until(lambda w: ids_of(w.value) == ["a", "c"])
    await things.update_one({"_id": "b"}, to(7))
    await watch.until(lambda w: ids_of(w.value) == ["a", "b", "c"])
    await things.replace_one({"_id": "a"}, thing("a", 2))
    await watch.until(lambda w: ids_of(w.value) == ["b", "c"])
    await things.update_one({"_id": "b"}, to(3))
    await watch.until(lambda w: ids_of(w.value) == ["c"])
    assert here.running.registry.rounds.runs == runs


async def test_what_may_depend_on_more_than_the_document_is_run_again(here: Scene) -> None:
    things = here.database["things"]
    await things.insert_many([thing("a", 9), thing("b", 1)])
    await here.mark()
    watch = here.watch(asked({"g": "x", "$where": "this.n > 5"}))
    await watch.until(lambda w: w.value is not None and ids_of(w.value) == ["a"])
    await things.update_one({"_id": "b"}, to(7))
    await watch.until(lambda w: ids_of(w.value) == ["a", "b"])
    await things.delete_one({"_id": "a"})
    await watch.until(lambda w: ids_of(w.value) == ["b"])
    assert here.running.registry.rounds.asks == 0


async def test_nobody_is_asked_about_what_cannot_match_or_does_not_matter(here: Scene) -> None:
    things = here.database["things"]
    await things.insert_many([thing("a", 9), {**thing("z", 9), "g": "z"}])
    await here.mark()
    watch = here.watch(asked(ASKED["expr"]))
    await watch.until(lambda w: w.value is not None)
    rounds = here.running.registry.rounds
    asks, runs = rounds.asks, rounds.runs
    await things.update_one({"_id": "z"}, to(8))
    await things.insert_one({**thing("y", 9), "g": "y"})
    await things.update_one({"_id": "a"}, {"$set": {"b": "seen"}})
    await things.delete_one({"_id": "z"})
    await watch.until(lambda w: w.value[0].get("b") == "seen")
    await here.mark()
    assert (rounds.asks, rounds.runs) == (asks, runs)


@pytest.mark.parametrize("then", ["changes back", "goes", "goes and comes back"])
async def test_a_document_that_changes_again_while_mongodb_is_asked_ends_right(
    here: Scene, then: str
) -> None:
    things = here.database["things"]
    await things.insert_one(thing("a", 1))
    await here.mark()
    watch = here.watch(asked(ASKED["expr"]), limited=asked(ASKED["expr"], limit=2))
    await watch.until(lambda w: len(w.values) == 2)
    with holding(here) as held:
        await things.update_one({"_id": "a"}, to(9))
        await held.asking.wait()
        match then:
            case "changes back":
                await things.update_one({"_id": "a"}, to(2))
            case "goes":
                await things.delete_one({"_id": "a"})
            case _:
                await things.delete_one({"_id": "a"})
                await things.insert_one(thing("a", 8))
        held.go_on.set()
        await here.mark()
    wanted = [] if then != "goes and comes back" else [8]
    for name in ("it", "limited"):
        await watch.until(lambda w, name=name: [one["n"] for one in w.values[name]] == wanted)


@pytest.mark.parametrize(
    ("failure", "runs_again"),
    [
        (OperationFailure("no", 2), True),
        (SnapshotGone("gone"), True),
        (AutoReconnect("away"), False),
    ],
)
async def test_where_asking_fails_the_end_is_right_all_the_same(
    here: Scene, failure: Exception, runs_again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FEED_RETRY_SECONDS_MIN", 0.01)
    things = here.database["things"]
    await things.insert_one(thing("a", 1))
    await here.mark()
    watch = here.watch(asked(ASKED["expr"]), other=lambda ctx: ctx.find(Thing, {"g": "y"}))
    await watch.until(lambda w: len(w.values) == 2)
    runs = here.running.registry.rounds.runs
    with holding(here) as held:
        held.failures = [failure] * (1 if runs_again else 3)
        held.go_on.set()
        await things.update_one({"_id": "a"}, to(9))
        await things.insert_one({"_id": "y", "g": "y"})
        await watch.until(lambda w: ids_of(w.values["it"]) == ["a"])
        await watch.until(lambda w: ids_of(w.values["other"]) == ["y"])
    assert (here.running.registry.rounds.runs > runs) == runs_again
    assert watch.errors == {}
    assert held.failures == []


async def test_a_query_that_joins_while_others_write_asks_about_what_it_missed(
    here: Scene,
) -> None:
    things = here.database["things"]
    await things.insert_many([thing(f"{n}", n) for n in range(10)])
    await here.mark()
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(ctx: QueryCtx) -> Any:
        found = ctx.find(Thing, ASKED["expr"], sort=[("_id", 1)])
        started.set()
        await go_on.wait()
        return found

    watch = here.watch(slow)
    await started.wait()
    await things.update_one({"_id": "1"}, to(11))
    await things.update_one({"_id": "9"}, to(0))
    await things.insert_one(thing("x", 12))
    await here.mark()
    with holding(here) as held:
        go_on.set()
        await held.asking.wait()
        await things.update_one({"_id": "1"}, to(1))  # it changes once more while it is asked
        await things.update_one({"_id": "2"}, to(22))
        held.go_on.set()
        await here.mark()
    await watch.until(lambda w: w.value and ids_of(w.value) == ["2", "6", "7", "8", "x"])
    assert here.running.registry.rounds.runs == 1


async def test_a_reader_who_leaves_while_mongodb_is_asked_holds_up_nobody(here: Scene) -> None:
    things = here.database["things"]
    await things.insert_one(thing("a", 1))
    await here.mark()
    leaving = here.watch(asked(ASKED["expr"]))
    staying = Watch(here.running).open({"it": asked({"g": "x"})})
    await leaving.until(lambda w: w.value is not None)
    await staying.until(lambda w: w.value is not None)
    with holding(here) as held:
        await things.update_one({"_id": "a"}, to(9))
        await held.asking.wait()
        (live,) = leaving.queries.values()
        leaving.close()
        here.running.registry._drop(live)  # pyright: ignore[reportPrivateUsage]
        held.go_on.set()
        await staying.until(lambda w: w.value[0]["n"] == 9)
