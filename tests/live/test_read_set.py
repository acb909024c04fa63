"""A read set is touched whenever what was read would be read otherwise."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from schemas.shape import shape_of
from schemas.wire.position import Time
from server.live.find import Spec
from server.live.held import Held
from server.live.matching import compile_filter
from server.live.net_changes import NetChange
from server.live.ordering import compile_sort
from server.live.read_set import ReadMade, last_key
from server.live.router import Router
from tests.live.things import Thing

SHAPE = shape_of(Thing)

FILTERS: list[dict[str, Any]] = [
    {}, {"g": "x"}, {"g": "x", "n": {"$gt": 1}}, {"$or": [{"n": 0}, {"a": 1}]}, {"a": {"$ne": 1}},
    {"n": {"$gte": 1, "$lt": 3}}, {"a": None}, {"_id": {"$in": ["0", "1"]}}, {"n": {"$in": [0, 2]}},
    {"a.b": 1},
]  # fmt: skip
SORTS: list[list[tuple[str, int]]] = [[], [("n", 1)], [("n", -1), ("a", 1)]]
VALUES: dict[str, list[Any]] = {
    "g": ["x", "y"],
    "n": [0, 1, 2, 3],
    "a": [None, 0, 1, [1], {"b": 1}, [{"b": 1}]],
    "b": [0, 1],
}
SETS = [(name, value) for name, values in VALUES.items() for value in values]

Stored = dict[str, dict[str, Any]]


def body(rng: random.Random) -> dict[str, Any]:
    return {name: rng.choice(values) for name, values in VALUES.items() if rng.random() < 0.8}


def read(spec: Spec, stored: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What a read finds, with all fields."""
    matches = compile_filter(spec.query).matches
    found = [document for document in stored.values() if matches(document)]
    return sorted(found, key=compile_sort(spec.sort))[: spec.limit]


def shown(spec: Spec, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if spec.fields is None:
        return documents
    fields = spec.fields
    return [{name: one[name] for name in fields if name in one} for one in documents]


def changes(rng: random.Random, before: Stored) -> Iterator[tuple[Stored, NetChange]]:
    """Everything that can become of a document, each with what is stored then."""
    for number in range(6):
        id_ = f"{number}"
        old = before.get(id_)
        others = {key: one for key, one in before.items() if key != id_}
        news: list[tuple[dict[str, Any] | None, set[str] | None]] = [
            ({"_id": id_, **body(rng)}, None),
            ({"_id": id_, **body(rng)}, None),
        ]
        if old is not None:
            news.append((None, None))
            news += [({**old, name: value}, {name}) for name, value in SETS]
        for new, roots in news:
            after = others if new is None else {**others, id_: new}
            held = None if new is None else Held.of(new, SHAPE)
            yield after, NetChange("things", id_, Time(1, 1), held, True, roots, old is None)


@pytest.mark.parametrize("sort", SORTS, ids=str)
@pytest.mark.parametrize("fields", [None, ["n"], ["a", "b"]], ids=str)
def test_a_change_that_alters_what_was_read_touches_it(
    sort: list[tuple[str, int]], fields: list[str] | None
) -> None:
    rng = random.Random(f"20261126{sort}{fields}")
    altered = 0
    for query in FILTERS:
        for limit in (None, 2):
            spec = Spec.of(Thing, query, sort=sort, limit=limit, fields=fields)
            before = {f"{n}": {"_id": f"{n}", **body(rng)} for n in rng.sample(range(6), 5)}
            documents = read(spec, before)
            made = ReadMade(spec, [d["_id"] for d in documents], last=last_key(spec, documents))
            counted = ReadMade(replace(spec, fields=("_id",), limit=None), None)
            router = Router()
            router.add(made)
            router.add(counted)
            for after, change in changes(rng, before):
                if shown(spec, documents) != shown(spec, read(spec, after)):
                    altered += 1
                    assert made.touched(change), (spec, before, change)
                    assert made in router.touched(change), (spec, before, change)
                if len(read(counted.spec, before)) != len(read(counted.spec, after)):
                    assert counted.touched(change), (spec, before, change)
                    assert counted in router.touched(change), (spec, before, change)
            router.remove(made)
            router.remove(counted)
            assert not router.parts
    assert altered > 100


def test_fields_that_were_not_read_touch_nothing() -> None:
    spec = Spec.of(Thing, {"g": "x"}, sort=[("n", 1)], fields=["a"])
    made = ReadMade(spec, ["1"])
    held = Held.of({"_id": "1", "g": "x", "n": 1, "b": 5}, SHAPE)
    for roots, touched in (({"b"}, False), ({"updatedAt"}, False), ({"a"}, True), ({"n"}, True)):
        change = NetChange("things", "1", Time(1, 1), held, True, roots, False)
        assert made.touched(change) == touched, roots


def test_a_change_beyond_the_limit_touches_nothing() -> None:
    spec = Spec.of(Thing, {"g": "x"}, sort=[("n", 1)], limit=2)
    documents = [{"_id": f"{n}", "g": "x", "n": n} for n in (1, 5)]
    made = ReadMade(spec, ["1", "5"], last=last_key(spec, documents))
    for n, touched in ((9, False), (5, True), (3, True)):
        held = Held.of({"_id": "0", "g": "x", "n": n}, SHAPE)
        change = NetChange("things", "0", Time(1, 1), held, True, None, True)
        assert made.touched(change) == touched, n


def test_what_only_mongodb_can_judge_is_always_touched() -> None:
    made = ReadMade(Spec.of(Thing, {"$where": "true"}), [])
    assert made.why_not is not None
    held = Held.of({"_id": "0", "g": "x"}, SHAPE)
    assert made.touched(NetChange("things", "0", Time(1, 1), held, True, {"g"}, False))
