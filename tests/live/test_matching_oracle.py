"""The matcher and the order, against MongoDB itself."""

import os
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import OperationFailure

from server.live.matching import compile_filter
from server.live.ordering import NotCompiled, compile_sort
from tests.live import random_documents

SEED = int(os.environ.get("HEADWATER_SEED", "20261122"))
FILTERS = 20_000 if os.environ.get("HEADWATER_FUZZ") else 1_500
SORTS = 2_000 if os.environ.get("HEADWATER_FUZZ") else 150

Documents = tuple[AsyncCollection[dict[str, Any]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
async def documents(mongo_uri: str) -> AsyncIterator[Documents]:
    """A few hundred random documents, in MongoDB and as it gives them back."""
    print(f"HEADWATER_SEED={SEED}")
    rng = random.Random(SEED)
    async with AsyncMongoClient[dict[str, Any]](mongo_uri, tz_aware=True) as client:
        collection = client["matching_oracle"]["documents"]
        await collection.drop()
        await collection.insert_many(
            [random_documents.document(rng, number) for number in range(400)]
        )
        yield collection, await collection.find().to_list()
        await client.drop_database("matching_oracle")


@pytest.mark.fuzz
async def test_a_compiled_filter_matches_what_mongodb_matches(documents: Documents) -> None:
    collection, held = documents
    rng = random.Random(SEED + 1)
    compiled = 0
    for _ in range(FILTERS):
        query = random_documents.query(rng)
        try:
            matcher = compile_filter(query)
        except NotCompiled:
            continue
        try:
            wanted = {d["_id"] for d in await collection.find(query, {"_id": 1}).to_list()}
        except OperationFailure:
            continue  # MongoDB does not accept it either
        compiled += 1
        found = {d["_id"] for d in held if matcher.matches(d)}
        odd = sorted(found ^ wanted)[:3]
        assert found == wanted, (SEED, query, [d for d in held if d["_id"] in odd], found - wanted)
    assert compiled > FILTERS // 2


@pytest.mark.fuzz
async def test_every_match_satisfies_the_equality_terms(documents: Documents) -> None:
    from server.live.router import _keys_at  # pyright: ignore[reportPrivateUsage]

    _, held = documents
    rng = random.Random(SEED + 2)
    for _ in range(FILTERS):
        query = random_documents.query(rng)
        try:
            matcher = compile_filter(query)
        except NotCompiled:
            continue
        for document in held:
            if matcher.matches(document):
                for path, keys in matcher.equalities.items():
                    assert not keys.isdisjoint(_keys_at(document, path)), (query, document, path)


@pytest.mark.fuzz
async def test_documents_order_as_mongodb_orders_them(documents: Documents) -> None:
    collection, held = documents
    rng = random.Random(SEED + 3)
    compared = 0
    for _ in range(SORTS):
        sort = random_documents.sort(rng)
        try:
            wanted = [d["_id"] for d in await collection.find({}, {"_id": 1}).sort(sort).to_list()]
        except OperationFailure:
            continue  # parallel arrays
        try:
            order = compile_sort(sort)
        except NotCompiled:
            continue
        compared += 1
        found = [d["_id"] for d in sorted(held, key=order)]
        odd = [(held[a], held[b]) for a, b in zip(found, wanted, strict=True) if a != b]
        assert not odd, (SEED, sort, odd[0])
    assert compared > SORTS // 8
