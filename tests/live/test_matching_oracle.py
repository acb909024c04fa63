"""The matcher and the order, against MongoDB itself."""

import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from server.live.keys import Key, bson_key
from server.live.matching import Matcher, NotCompiled, compile_filter
from server.live.paths import as_items, leaves
from server.live.text import ChunkText
from tests.live import random_documents
from tests.live.oracle import Oracle, kept_failures, load_failure

SEED = int(os.environ.get("HEADWATER_SEED", "20261122"))
FUZZ = bool(os.environ.get("HEADWATER_FUZZ"))
ROUNDS = 60 if FUZZ else 2
FILTERS = 1_000
SORTS = 150
DOCUMENTS = 250


@pytest.fixture(scope="module")
def oracle(mongo_uri: str) -> Iterator[Oracle]:
    print(f"HEADWATER_SEED={SEED}")
    judge = Oracle(mongo_uri, "matching_oracle")
    yield judge
    judge.close()


@pytest.mark.fuzz
@pytest.mark.parametrize("path", kept_failures(), ids=lambda path: path.stem)
def test_what_once_failed_fails_no_more(oracle: Oracle, path: Path) -> None:
    assert oracle.fault(load_failure(path)) is None


@pytest.mark.fuzz
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_compiled_filter_matches_what_mongodb_matches(oracle: Oracle, round_: int) -> None:
    rng = random.Random(SEED + round_)
    held = oracle.hold([random_documents.document(rng, number) for number in range(DOCUMENTS)])
    compiled = asked = 0
    for _ in range(FILTERS):
        query = random_documents.query(rng)
        fault = oracle.filter_fault(query, held)
        assert fault is None, (SEED, oracle.report({"documents": held, "filter": query}))
        matcher = compiled_or_none(query)
        compiled += matcher is not None
        asked += matcher is not None and matcher.asks is not None
    assert compiled > FILTERS * 0.8, "the sample compares too little"
    assert asked < FILTERS * 0.4, "too much is left to MongoDB"


@pytest.mark.fuzz
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_documents_order_as_mongodb_orders_them(oracle: Oracle, round_: int) -> None:
    rng = random.Random(SEED + 1_000 + round_)
    held = oracle.hold([random_documents.document(rng, number) for number in range(DOCUMENTS)])
    compared = 0
    for _ in range(SORTS):
        sort = random_documents.sort(rng)
        some = rng.sample(held, 25)  # of many documents some would have parallel arrays
        compared += oracle.sorted(sort, [document["_id"] for document in some]) is not None
        fault = oracle.sort_fault(sort, some)
        assert fault is None, (SEED, oracle.report({"documents": some, "sort": sort}))
    assert compared > SORTS // 8


@pytest.mark.fuzz
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_every_match_satisfies_the_terms(round_: int) -> None:
    rng = random.Random(SEED + 2_000 + round_)
    documents = [random_documents.document(rng, number) for number in range(DOCUMENTS)]
    terms = 0
    for _ in range(FILTERS):
        query = random_documents.query(rng)
        matcher = compiled_or_none(query)
        if matcher is None or not (matcher.equalities or matcher.ranges):
            continue
        for document in documents:
            if matcher.matches(document):
                terms += 1
                assert_terms(matcher, document, query)
    assert terms > FILTERS // 3


def assert_terms(matcher: Matcher, document: Mapping[str, Any], query: Any) -> None:
    for path, keys in matcher.equalities.items():
        assert not keys.isdisjoint(keys_at(document, path)), (SEED, query, document, path)
    for path, bounds in matcher.ranges.items():
        reached = keys_at(document, path)
        if bounds.low is not None:
            assert bounds.low <= max(reached), (SEED, query, document, path)
        if bounds.high is not None:
            assert min(reached) <= bounds.high, (SEED, query, document, path)


def keys_at(document: Mapping[str, Any], path: str) -> set[Key]:
    """The keys of the values that a path reaches, and of the elements of arrays among them."""
    keys: set[Key] = set()
    for value in leaves(document, path.split(".")):
        keys.add(bson_key(value))
        keys.update(bson_key(item) for item in as_items(value) or ())
    return keys


@pytest.mark.fuzz
def test_a_streamed_text_is_matched_and_ordered_as_its_list_of_chunks() -> None:
    rng = random.Random(SEED + 3_000)
    for _ in range(FILTERS):
        chunks = [rng.choice(("a", "b", "", "foo.bar")) for _ in range(rng.randrange(4))]
        matcher = compiled_or_none(random_documents.query(rng))
        if matcher is not None:
            for place in ("a", "b"):
                stored, held = {place: chunks}, {place: ChunkText(chunks)}
                assert matcher.matches(stored) == matcher.matches(held)
                assert matcher.matches({"a": stored}) == matcher.matches({"a": held})


def compiled_or_none(query: dict[str, Any]) -> Matcher | None:
    try:
        return compile_filter(query)
    except NotCompiled:
        return None
