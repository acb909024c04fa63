"""The index of terms never misses whom a walk of all matchers would find."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from server.live.matching import Matcher, NotCompiled, compile_filter
from server.live.terms import TermIndex
from tests.live import random_documents

VALUES = st.sampled_from(
    [None, 0, 1, 2, 1.0, "a", "b", True, [], [0, 2], [1], {"b": 1}, [{"b": 2}]]
)
COMPARISON = st.tuples(st.sampled_from(["$eq", "$gt", "$gte", "$lt", "$lte", "$ne"]), VALUES).map(
    lambda pair: {pair[0]: pair[1]}
)
CONDITION = (
    VALUES
    | COMPARISON
    | st.tuples(COMPARISON, COMPARISON).map(lambda pair: pair[0] | pair[1])
    | st.lists(VALUES, max_size=3).map(lambda values: {"$in": values})
    | st.lists(VALUES, max_size=2).map(lambda values: {"$all": values})
    | COMPARISON.map(lambda one: {"$elemMatch": one})
    | COMPARISON.map(lambda one: {"$not": one})
    | COMPARISON.map(lambda one: {"$elemMatch": {"b": one}})
)
PATHS = st.sampled_from(["a", "a.b", "a.0", "c", "c.b"])
LEAF = st.dictionaries(PATHS, CONDITION, max_size=2)
FILTER = st.recursive(
    LEAF,
    lambda inner: st.tuples(
        st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=3)
    ).map(lambda pair: {pair[0]: pair[1]}),
    max_leaves=4,
)
DOCUMENT = st.dictionaries(st.sampled_from(["a", "c"]), VALUES, max_size=2)


@settings(max_examples=60, deadline=None)
@given(st.lists(FILTER, max_size=12), st.lists(DOCUMENT, max_size=8), st.data())
def test_whoever_matches_is_found(
    filters: list[dict[str, Any]], documents: list[dict[str, Any]], data: st.DataObject
) -> None:
    matchers = [compile_filter(one) for one in filters]
    index = TermIndex[int]()
    for number, matcher in enumerate(matchers):
        index.add(number, matcher, matcher.roots)
    gone = set(data.draw(st.lists(st.integers(0, 11), max_size=6)))
    for number in gone & set(range(len(matchers))):
        index.remove(number, matchers[number], matchers[number].roots)
    for document in documents:
        for roots in (None, {"a"}, {"c"}, {"a", "c", "z"}):
            assert_found(index, matchers, gone, document, roots)
    for number in set(range(len(matchers))) - gone:
        index.remove(number, matchers[number], matchers[number].roots)
    assert not index


def test_whoever_matches_is_found_among_filters_and_values_of_every_kind() -> None:
    rng = random.Random(20261126)
    matchers: list[Matcher] = []
    while len(matchers) < 500:
        try:
            matchers.append(compile_filter(random_documents.query(rng)))
        except NotCompiled:
            continue
    index = TermIndex[int]()
    for number, matcher in enumerate(matchers):
        index.add(number, matcher, matcher.roots)
    for number in range(60):
        document = random_documents.document(rng, number)
        assert_found(index, matchers, set(), document, None)


def test_of_many_filters_that_name_a_value_few_are_found() -> None:
    index = TermIndex[int]()
    for number in range(1_000):
        matcher = compile_filter({"g": f"g{number}", "n": {"$gt": 1}})
        index.add(number, matcher, matcher.roots)
        ranged = compile_filter({"n": {"$gte": 10 * number, "$lt": 10 * number + 5}})
        index.add(1_000 + number, ranged, ranged.roots)
    found: list[int] = []
    index.find({"_id": 1, "g": "g7", "n": 33}, None, found.append)
    assert sorted(found) == [7, 1_003]


def assert_found(
    index: TermIndex[int],
    matchers: list[Matcher],
    gone: set[int],
    document: dict[str, Any],
    roots: set[str] | None,
) -> None:
    found: set[int] = set()
    index.find(document, roots, found.add)
    wanted = {
        number
        for number, matcher in enumerate(matchers)
        if number not in gone
        and (roots is None or not matcher.roots.isdisjoint(roots))
        and matcher.matches(document)
    }
    assert wanted <= found
    assert found.isdisjoint(gone)
