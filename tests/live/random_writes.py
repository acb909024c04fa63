"""Random writes from a seed, as data: what a driver can be told to do to a collection.

A write is a dict of BSON values: ``{"do": "update_one", "in": collection, "filter": …, …}``. So
a run of them can be kept in a file, taken apart and played again.
"""

import random
from collections import Counter
from typing import Any

from tests.live import random_documents
from tests.live.random_documents import value
from tests.live.random_updates import array_filters, pipeline, seen, update
from tests.live.things import GROUPS, STAGING, ids

__all__ = ["document", "kinds_of", "where", "write"]

Write = dict[str, Any]

SINGLE = ("insert_one", "replace_one", "update_one", "update_many", "delete_one", "delete_many")
_WEIGHTS = (6, 4, 30, 2, 3, 0.3)


def document(rng: random.Random, collection: str, id_: Any = ...) -> dict[str, Any]:
    """A document of any shape; most look as their table says."""
    if id_ is ...:
        id_ = _id(rng, collection)
    if collection == "guards":
        return {"_id": id_, "allowed": rng.random() < 0.7}
    make = random_documents.growing if rng.random() < 0.6 else random_documents.document
    made = make(rng, id_)
    if rng.random() < 0.9:
        made["g"] = rng.choice(GROUPS) if rng.random() < 0.95 else value(rng)
    if rng.random() < 0.9:
        made["n"] = rng.randrange(12) if rng.random() < 0.9 else value(rng)
    if rng.random() < 0.7:
        made["items"] = [_item(rng) for _ in range(rng.randrange(4))]
    if rng.random() < 0.5:
        made["inner"] = {"p": value(rng, 1), "q": value(rng, 1), "text": _chunks(rng)}
    if rng.random() < 0.4:
        made["parts"] = [_part(rng) for _ in range(rng.randrange(3))]
    if rng.random() < 0.6:
        made["seen"] = seen(rng)
    if rng.random() < 0.1:
        made[rng.choice(("secret", "unknown", "inner", "items", "parts"))] = value(rng)
    return made


def _item(rng: random.Random) -> Any:
    if rng.random() < 0.1:
        return value(rng, 1)
    return {"x": rng.choice((rng.randrange(5), value(rng, 1))), "y": value(rng, 0)}


def _part(rng: random.Random) -> Any:
    if rng.random() < 0.6:
        return {"kind": "said", "text": _chunks(rng)}
    return {"kind": rng.choice(("called", "called", "other")), "args": value(rng)}


def _chunks(rng: random.Random) -> Any:
    return [rng.choice(("one ", "two ", "é", "")) for _ in range(rng.randrange(3))]


def _id(rng: random.Random, collection: str) -> Any:
    """One of a few, so that writes meet; an odd one now and then."""
    known = ids("things" if collection == STAGING else collection)
    if collection == "things" and rng.random() < 0.95:
        known = [one for one in known if isinstance(one, str)]
    return rng.choice(known)


def where(rng: random.Random, collection: str) -> dict[str, Any]:
    """A filter of a write: mostly one document."""
    kind = rng.random()
    if kind < 0.8 or collection == "guards":
        return {"_id": _id(rng, collection)}
    if kind < 0.9:
        return {"g": rng.choice(GROUPS), "n": {rng.choice(("$lt", "$gte")): rng.randrange(12)}}
    if kind < 0.96:
        return {"items.x": rng.randrange(5)}
    return random_documents.query(rng)


def _collection(rng: random.Random) -> str:
    return rng.choices(("things", "objects", "guards", STAGING), (70, 22, 4, 4))[0]


def single(rng: random.Random) -> Write:
    """One write of those that a bulk can hold."""
    collection = _collection(rng)
    kind = rng.choices(SINGLE, _WEIGHTS)[0]
    made: Write = {"do": kind, "in": collection}
    if kind == "insert_one":
        return made | {"document": document(rng, collection)}
    made["filter"] = where(rng, collection)
    if kind in {"replace_one", "update_one", "update_many"} and rng.random() < 0.4:
        made["upsert"] = kind != "update_many" or rng.random() < 0.1
    if kind == "replace_one":
        new = document(rng, collection, made["filter"].get("_id"))
        if "_id" not in made["filter"]:
            del new["_id"]
        return made | {"document": new}
    if kind.startswith("update"):
        made |= _change(rng, collection, made["filter"])
    return made


def _change(rng: random.Random, collection: str, query: dict[str, Any]) -> dict[str, Any]:
    if collection == "guards":
        return {"update": {"$set": {"allowed": rng.random() < 0.7}}}
    if rng.random() < 0.15:
        return {"update": pipeline(rng)}
    if rng.random() < 0.12:  # the first array element that the filter found
        query["items.x"] = {rng.choice(("$lt", "$gte")): rng.randrange(5)}
        field = rng.choice(("items.$.x", "items.$.y", "items.$.text", "items.$"))
        return {"update": {"$set": {field: value(rng, 1)}}}
    if rng.random() < 0.12:
        return array_filters(rng)
    return {"update": update(rng)}


def _sure(rng: random.Random) -> Write:
    """One that MongoDB seldom refuses: in a transaction, one refusal undoes all."""
    made = single(rng)
    if made["do"].startswith("delete") or made["do"] == "replace_one":
        return made
    collection = made["in"]
    one: Write = {"do": "update_one", "in": collection, "filter": {"_id": _id(rng, collection)}}
    if rng.random() < 0.3:
        new = document(rng, collection, one["filter"]["_id"])
        return one | {"do": "replace_one", "upsert": True, "document": new}
    changes = ({"$set": {"g": rng.choice(GROUPS)}}, {"$set": {"n": value(rng)}})
    return one | {"update": rng.choice((*changes, {"$unset": {"n": ""}}, {"$set": {"a": []}}))}


def write(rng: random.Random, bulk: int, *, upheaval: bool) -> Write:
    """One write of any kind.

    Args:
        rng: Where it comes from.
        bulk: How many writes a bulk has at most.
        upheaval: Whether it may concern whole collections.
    """
    if upheaval and rng.random() < 0.05:
        return _upheaval(rng)
    kind = rng.random()
    if kind < 0.35:
        return single(rng)
    if kind < 0.72:
        some = [single(rng) for _ in range(rng.randrange(2, bulk))]
        return {"do": "bulk", "ordered": rng.random() < 0.1, "writes": some}
    if kind < 0.84:
        some = [_sure(rng) for _ in range(rng.randrange(2, 8))]
        return {"do": "transaction", "abort": rng.random() < 0.2, "writes": some}
    collection = _collection(rng)
    if kind < 0.9:
        some = [document(rng, collection) for _ in range(rng.randrange(1, 8))]
        made = {"do": "insert_many", "in": collection, "documents": some}
        return made | {"ordered": rng.random() < 0.3}
    made = single(rng)
    if made["do"] in {"update_one", "replace_one", "delete_one"}:
        made["do"] = "find_one_and_" + made["do"].removesuffix("_one")
        made["sort"] = [["n", rng.choice((1, -1))]]
    return made


def _upheaval(rng: random.Random) -> Write:
    """What concerns a whole collection."""
    collection = rng.choice(("things", "objects"))
    match rng.randrange(7):
        case 0:
            return {"do": "drop", "in": collection}
        case 1:
            return {"do": "rename", "in": STAGING, "to": collection}
        case 2:
            return {"do": "rename", "in": collection, "to": STAGING}
        case 3:
            return {"do": "create", "in": collection}
        case 4:
            out = [{"$match": {"n": {"$lt": 8}}}, {"$out": collection}]
            return {"do": "aggregate", "in": rng.choice((STAGING, collection)), "pipeline": out}
        case 5:
            into = {"$merge": {"into": collection, "whenMatched": rng.choice(("merge", "replace"))}}
            return {"do": "aggregate", "in": STAGING, "pipeline": [into]}
        case _:
            return {"do": "drop_database"} if rng.random() < 0.2 else {"do": "drop", "in": STAGING}


def kinds_of(made: Write) -> Counter[str]:
    """The operations that a write counts for, by kind."""
    if "documents" in made:
        return Counter({made["do"]: len(made["documents"])})
    return Counter(one["do"] for one in made.get("writes") or [made])
