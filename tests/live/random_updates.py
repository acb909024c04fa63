"""Random updates from a seed: every update operator, positions and filters in arrays, pipelines."""

import random
from datetime import timedelta
from typing import Any

from tests.live import random_documents
from tests.live.random_documents import value
from tests.live.things import GROUPS

__all__ = ["array_filters", "pipeline", "seen", "update"]

LISTS = ("a", "b.a", "items", "parts", "inner.p", "items.0.y")
TEXTS = ("c", "c", "inner.text", "items.0.text", "parts.0.text", "parts.1.text")
NUMBERS = ("n", "n", "n", "a", "inner.p", "items.0.x", "b.b", "items.1.y")


def update(rng: random.Random) -> dict[str, Any]:
    """One to three operators; MongoDB may refuse it for the document at hand."""
    made: dict[str, Any] = {}
    roots: set[str] = set()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        operator, operand = _operator(rng)
        touched = {
            str(path).partition(".")[0]
            for pair in operand.items()
            for path in (pair if operator == "$rename" else pair[:1])
        }
        if roots.isdisjoint(touched):
            made.setdefault(operator, {}).update(operand)
            roots |= touched
    return made


def _path(rng: random.Random) -> str:
    """A path to anything."""
    if rng.random() < 0.4:
        return random_documents.path(rng)
    some = (*LISTS, *TEXTS, *NUMBERS, "items.2", "items.3.x", "inner", "inner.q", "inner.z.a")
    return rng.choice((*some, "secret", "seen", "parts.0", "parts.0.kind", "unknown", "ax", "c.1"))


def _operator(rng: random.Random) -> tuple[str, dict[str, Any]]:
    match rng.randrange(25):
        case 0 | 1 | 2:
            return "$push", {rng.choice(TEXTS): rng.choice(("one ", "two ", "é", ""))}
        case 3:
            return "$set", {"g": rng.choice(GROUPS)}
        case 4:
            return "$set", {"n": rng.randrange(12)}
        case 5 | 6:
            return "$set", {_path(rng): value(rng)}
        case 7:
            return "$unset", {_path(rng): ""}
        case 8:
            return "$inc", {rng.choice(NUMBERS): rng.choice((1, -3, 0.5, 2**40))}
        case 9:
            return "$mul", {rng.choice(NUMBERS): rng.choice((2, -1, 0, 0.5))}
        case 10:
            return rng.choice(("$min", "$max")), {rng.choice((*NUMBERS, _path(rng))): value(rng, 1)}
        case 11:
            source, target = rng.choice((("a", "ax"), ("b", "bx"), ("b.a", "ax"), ("cx", "c")))
            pairs = {source: target, "inner.p": "inner.q"}
            return "$rename", dict([rng.choice(list(pairs.items()))])
        case 12:
            how: Any = rng.choice((True, {"$type": "timestamp"}, {"$type": "date"}))
            return "$currentDate", {rng.choice(("ax", "updatedAt", "inner.q", "cx")): how}
        case 13:
            return "$setOnInsert", {"g": rng.choice(GROUPS), "bx": value(rng, 1)}
        case 14 | 15:
            return "$push", {rng.choice((*LISTS, *TEXTS)): _pushed(rng)}
        case 16:
            some = {"$each": [value(rng, 1) for _ in range(rng.randrange(3))]}
            return "$addToSet", {rng.choice(LISTS): rng.choice((some, value(rng, 1)))}
        case 17:
            return "$pop", {rng.choice((*LISTS, *TEXTS)): rng.choice((1, -1))}
        case 18 | 19:
            return "$pull", {rng.choice(LISTS): _pulled(rng)}
        case 20:
            return "$pullAll", {rng.choice(LISTS): [value(rng, 0) for _ in range(3)]}
        case 21:
            bits = rng.choice(({"and": 6}, {"or": 9}, {"xor": 5}))
            return "$bit", {rng.choice(NUMBERS): bits}
        case 22:
            text = "".join(rng.choice(("one ", "two ", "é")) for _ in range(rng.randrange(4)))
            return "$set", {rng.choice(TEXTS): [text] if text else []}  # compaction
        case 23:
            return "$set", {"seen": seen(rng)}
        case _:
            return "$set", {rng.choice(("items.$[].x", "items.$[].text", "a.$[]")): value(rng, 1)}


def seen(rng: random.Random) -> Any:
    """A date about the time at which a schedule begins, or several, or something else."""
    kind = rng.random()
    if kind < 0.8:
        return random_documents.EPOCH + timedelta(milliseconds=rng.randrange(-2_000, 4_000))
    if kind < 0.9:
        return [seen(rng) for _ in range(rng.randrange(3))]
    return value(rng, 1)


def _pushed(rng: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {"$each": [value(rng, 1) for _ in range(rng.randrange(3))]}
    if rng.random() < 0.5:
        made["$position"] = rng.choice((0, 1, 5, -1))
    if rng.random() < 0.5:
        made["$slice"] = rng.choice((0, 1, 3, -2))
    if rng.random() < 0.4:
        made["$sort"] = rng.choice((1, -1, {"x": 1}, {"x": -1, "y": 1}))
    return made


def _pulled(rng: random.Random) -> Any:
    some: list[Any] = [
        value(rng, 0),
        {"x": {"$gte": rng.randrange(5)}},
        {"$in": [value(rng, 0), value(rng, 0), 1, 2]},
        {"$gt": rng.randrange(3)},
        {"kind": "said"},
        {"x": rng.randrange(5)},
    ]
    return rng.choice(some)


def array_filters(rng: random.Random) -> dict[str, Any]:
    """An update of the elements that array filters find, with them."""
    field = rng.choice(("items.$[e].x", "items.$[e].y", "items.$[e]", "items.$[e].z.a"))
    operator, operand = rng.choice((("$set", value(rng, 1)), ("$inc", 1), ("$unset", "")))
    wanted: dict[str, Any] = {"e.x": {rng.choice(("$lt", "$gte", "$ne")): rng.randrange(5)}}
    return {"update": {operator: {field: operand}}, "arrayFilters": [wanted]}


def pipeline(rng: random.Random) -> list[dict[str, Any]]:
    """An update by stages; from these come `truncatedArrays`."""
    return [_stage(rng) for _ in range(rng.choice((1, 1, 2)))]


def _stage(rng: random.Random) -> dict[str, Any]:
    name = rng.choice(("a", "c", "items", "parts", "b.a"))
    whole: Any = {"$cond": [{"$isArray": f"${name}"}, f"${name}", []]}
    match rng.randrange(9):
        case 0 | 1:
            return {"$set": {name: {"$slice": [whole, rng.randrange(1, 4)]}}}
        case 2:
            more = [{"$literal": value(rng, 1)}]
            return {"$set": {name: {"$slice": [{"$concatArrays": [whole, more]}, -6]}}}
        case 3:
            return {"$set": {name: {"$reverseArray": whole}}}
        case 4:
            return {"$unset": rng.choice(("a", "b.a", "items", "inner.p", "n"))}
        case 5:
            return {"$set": {_path(rng): {"$literal": value(rng)}}}
        case 6:
            merged = {"n": rng.randrange(12), "b": {"$literal": value(rng)}}
            return {"$replaceWith": {"$mergeObjects": ["$$ROOT", merged]}}
        case 7:
            return {"$replaceWith": {"_id": "$_id", "b": "$a", "a": "$b", "g": "$g", "n": "$n"}}
        case _:
            kept = {"$filter": {"input": whole, "cond": {"$ne": ["$$this", 1]}}}
            return {"$set": {"bx": f"${name}", name: kept}}
