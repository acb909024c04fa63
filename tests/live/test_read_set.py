"""A read set is touched whenever what was read would be read otherwise."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

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
SPECS = st.builds(
    lambda query, sort, limit, fields: Spec.of(Thing, query, sort=sort, limit=limit, fields=fields),
    st.sampled_from(FILTERS),
    st.sampled_from([[], [("n", 1)], [("n", -1), ("a", 1)]]),
    st.none() | st.integers(1, 3),
    st.none() | st.lists(st.sampled_from(["n", "a", "b"]), max_size=2),
)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "g": st.sampled_from(["x", "y"]),
        "n": st.integers(0, 3),
        "a": st.sampled_from([None, 0, 1, [1], {"b": 1}, [{"b": 1}]]),
        "b": st.integers(0, 1),
    },
)
IDS = st.sampled_from([str(number) for number in range(6)])
SETS = st.none() | st.tuples(st.sampled_from(["g", "n", "a", "b"]), st.sampled_from(["y", 0, 1, 3]))
STORED = st.dictionaries(IDS, BODY, min_size=1, max_size=6)


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


@settings(deadline=None, max_examples=600)
@given(SPECS, STORED, IDS, BODY | st.none(), SETS, st.booleans())
def test_a_change_that_alters_what_was_read_touches_it(
    spec: Spec,
    bodies: dict[str, dict[str, Any]],
    id_: str,
    body: dict[str, Any] | None,
    set_to: tuple[str, Any] | None,
    counted: bool,
) -> None:
    before = {key: {"_id": key, **value} for key, value in bodies.items()}
    after = {key: value for key, value in before.items() if key != id_}
    old = before.get(id_)
    roots: set[str] | None = None
    if set_to is not None and old is not None:
        after[id_] = {**old, set_to[0]: set_to[1]}
        roots = {set_to[0]}
    elif body is not None:
        after[id_] = {"_id": id_, **body}
    new = after.get(id_)
    held = None if new is None else Held.of(new, SHAPE)
    change = NetChange("things", id_, Time(1, 1), held, True, roots, old is None)

    documents = read(spec, before)
    ids = None if counted else [one["_id"] for one in documents]
    made = ReadMade(spec, ids, last=last_key(spec, documents))
    router = Router()
    router.add(made)

    was, is_ = shown(spec, documents), shown(spec, read(spec, after))
    differs = len(was) != len(is_) if counted else was != is_
    if differs:
        assert made.touched(change), (spec, old, new)
        if new is not None or not counted or roots is None:
            assert made in router.touched(change)
    router.remove(made)
    assert not router.parts


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
