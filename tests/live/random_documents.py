"""Random documents, filters, sorts and updates, from a seed."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Binary, Decimal128, Int64, ObjectId, Timestamp

FIELDS = ("a", "b", "c")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

SCALARS: list[Any] = [
    None, True, False, 0, 1, 2, -1, 1.5, 2.0, -0.0, float("nan"), float("inf"), Int64(2**53 + 1),
    2**31, Decimal128("1.5"), Decimal128("NaN"), Decimal128("2"), "", "a", "b", "aa", "é", "z",
    "A", EPOCH, EPOCH + timedelta(days=1), ObjectId("6" * 24), ObjectId("7" * 24), b"", b"ab",
    Binary(b"ab", 5), Timestamp(5, 1), Timestamp(5, 2),
]  # fmt: skip


def value(rng: random.Random, depth: int = 2) -> Any:
    """Any BSON value."""
    kind = rng.random()
    if depth == 0 or kind < 0.65:
        return rng.choice(SCALARS)
    if kind < 0.85:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {
        name: value(rng, depth - 1) for name in rng.sample(FIELDS, rng.randrange(len(FIELDS) + 1))
    }


def document(rng: random.Random, id_: Any) -> dict[str, Any]:
    """A document with some of the fields."""
    names = rng.sample(FIELDS, rng.randrange(len(FIELDS) + 1))
    return {"_id": id_, **{name: value(rng) for name in names}}


def path(rng: random.Random) -> str:
    """A path of one to three steps; some are numbers."""
    steps = [rng.choice(FIELDS)]
    while len(steps) < 3 and rng.random() < 0.4:
        steps.append(rng.choice((*FIELDS, "0", "1")))
    return ".".join(steps)


def query(rng: random.Random, depth: int = 2) -> dict[str, Any]:
    """A filter that MongoDB accepts."""
    if depth and rng.random() < 0.3:
        name = rng.choice(("$and", "$or", "$nor"))
        return {name: [query(rng, depth - 1) for _ in range(rng.randrange(1, 4))]}
    return {path(rng): condition(rng, depth) for _ in range(rng.randrange(1, 3))}


def condition(rng: random.Random, depth: int) -> Any:
    """A literal or operators."""
    if rng.random() < 0.3:
        return value(rng, 1)
    return dict(operator(rng, depth) for _ in range(rng.randrange(1, 3)))


def operator(rng: random.Random, depth: int) -> tuple[str, Any]:
    """One operator and its operand."""
    match rng.randrange(11):
        case 0:
            return "$eq", value(rng, 1)
        case 1:
            return "$ne", value(rng, 1)
        case 2 | 3:
            return rng.choice(("$gt", "$gte", "$lt", "$lte")), value(rng, 1)
        case 4:
            return "$in", [value(rng, 1) for _ in range(rng.randrange(4))]
        case 5:
            return "$nin", [value(rng, 1) for _ in range(rng.randrange(4))]
        case 6:
            return "$exists", rng.choice((True, False))
        case 7:
            return "$size", rng.randrange(3)
        case 8:
            return "$all", [value(rng, 1) for _ in range(rng.randrange(3))]
        case 9 if depth:
            inner = dict(operator(rng, 0) for _ in range(rng.randrange(1, 3)))
            return "$not", inner
        case 10 if depth:
            if rng.random() < 0.5:
                return "$elemMatch", query(rng, 0)
            return "$elemMatch", dict([operator(rng, 0)])
        case _:
            return "$mod", [rng.choice((2, 3, -2)), rng.choice((0, 1))]


def sort(rng: random.Random) -> list[tuple[str, int]]:
    """A total order."""
    names = rng.sample((*FIELDS, "a.b", "b.0", "c.a"), rng.randrange(1, 4))
    roots: dict[str, str] = {}
    for name in names:  # MongoDB refuses to sort by two parallel arrays; one root at a time is safe
        roots.setdefault(name.partition(".")[0], name)
    return [(name, rng.choice((1, -1))) for name in roots.values()] + [("_id", 1)]


def update(rng: random.Random) -> dict[str, Any] | list[dict[str, Any]]:
    """An update, as often as not one that MongoDB will refuse for the document at hand."""
    where = path(rng)
    match rng.randrange(12):
        case 0 | 1 | 2:
            return {"$set": {where: value(rng)}}
        case 3:
            return {"$unset": {where: ""}}
        case 4 | 5:
            return {"$push": {where: value(rng, 1)}}
        case 6:
            return {"$push": {where: {"$each": [1, 2, 3], "$position": 0, "$slice": 4}}}
        case 7:
            return {"$inc": {where: rng.choice((1, -2, 0.5))}}
        case 8:
            return {"$pull": {where: value(rng, 0)}}
        case 9:
            return {"$rename": {where: rng.choice(FIELDS) + "x"}}
        case 10:
            return [{"$set": {where: value(rng, 1)}}, {"$set": {"c": {"$slice": ["$b", 1]}}}]
        case _:
            return {"$addToSet": {where: value(rng, 1)}}


def growing(rng: random.Random, id_: Any) -> dict[str, Any]:
    """A document whose fields are lists, a nested list and chunks of text."""
    return {
        "_id": id_,
        "a": [value(rng, 1) for _ in range(rng.randrange(3))],
        "b": {"a": [value(rng, 1) for _ in range(rng.randrange(3))], "b": 1},
        "c": [rng.choice(("x", "yy", "")) for _ in range(rng.randrange(4))],
    }


def growth(rng: random.Random) -> dict[str, Any] | list[dict[str, Any]]:
    """An update of the shapes that an agent's messages see."""
    where = rng.choice(("a", "b.a"))
    match rng.randrange(9):
        case 0 | 1:
            return {"$push": {"c": rng.choice(("one ", "two ", ""))}}
        case 2:
            return {"$set": {f"{where}.{rng.randrange(6)}": value(rng, 1)}}
        case 3:
            return {"$set": {f"c.{rng.randrange(6)}": "set"}}
        case 4:
            name = rng.choice(("a", "b.a", "c"))
            return [{"$set": {name: {"$slice": [f"${name}", rng.randrange(1, 3)]}}}]
        case 5:
            return {"$set": {"c": ["".join(rng.choice("xyz") for _ in range(5))]}}
        case 6:
            return {"$pop": {rng.choice(("a", "b.a", "c")): rng.choice((1, -1))}}
        case 7:
            return {"$unset": {f"{where}.{rng.randrange(3)}": ""}}
        case _:
            return {"$push": {where: value(rng, 1)}}
