"""Random documents, filters, sorts and updates, from a seed."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import (
    Binary,
    Code,
    DatetimeMS,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)

FIELDS = ("a", "b", "c")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

PLAIN: list[Any] = [
    None, True, False, 0, 1, 2, -1, 1.5, 2.0, "", "a", "b", "aa", "z", "A", EPOCH,
    EPOCH + timedelta(days=1), ObjectId("6" * 24),
]  # fmt: skip
"""Values that meet one another often."""

RARE: list[Any] = [
    3, 5, -3, -0.0, 0.1, -1.5, float("nan"), float("inf"), float("-inf"), 1e300, 2.0**63,
    Int64(1), Int64(2**53 + 1), Int64(2**63 - 1), Int64(-(2**63)), 2.0**53, 2**31 - 1,
    Decimal128("1.5"), Decimal128("NaN"), Decimal128("-NaN"), Decimal128("2"), Decimal128("2.00"),
    Decimal128("0.1"), Decimal128("-0"), Decimal128("Infinity"), Decimal128("1E+6111"),
    Decimal128("1E-6176"), Decimal128("9007199254740993"), "é", "É", "a\nb", "a\n", "\n", "x\0y",
    "ſ", "😀", "\uffff", "k", "K", "foo.bar", "Foo bar", EPOCH - timedelta(days=40_000),
    EPOCH + timedelta(milliseconds=1), DatetimeMS(2**62), DatetimeMS(-(2**62)),
    ObjectId("7" * 24), b"", b"ab", b"\x03", Binary(b"ab", 5), Binary(b"ab", 2), Binary(b"z", 128),
    Binary(bytes(range(16)), 4), Timestamp(5, 1), Timestamp(5, 2), Timestamp(2**32 - 1, 0),
    Regex("a", ""), Regex("a", "i"), Regex("^a", "im"), Code("f"), Code("f", {}),
    Code("f", {"a": 1}), Code("g"), MinKey(), MaxKey(), DBRef("c", 1), DBRef("c", 1, "d"),
    {"$ref": "c", "$id": 2}, [], {},
]  # fmt: skip

SCALARS = PLAIN * 4 + RARE

PATTERNS = (
    "a", "^a", "a$", "^a$", "A", "^[a-c]", "[^a]", ".", "^.$", "a.b", "a|z", "(a|b)+$", "\\d",
    "\\w+", "\\s", "\\bfoo", "foo\\.bar", "o{2}", "^a?$", "é", "k", "", "^", "$", "^$", "a\\z",
    "\\Aa", "[\\w.]+r$", "x.y", " a # b", "(?i)FOO", "\\x41", "[\\x{e9}]", "\\S", "\\W",
    "(?:f|F)oo", "a*?b", "(?=a)", "(a)\\1", "a++", "[[:alpha:]]", "\\p{L}", "^b", "b$",
)  # fmt: skip

TYPES = (
    "double", "string", "object", "array", "binData", "objectId", "bool", "date", "null", "regex",
    "javascript", "javascriptWithScope", "int", "timestamp", "long", "decimal", "minKey", "maxKey",
    "number", "undefined", "symbol", "dbPointer", 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 15, 16, 17,
    18, 19, -1, 127, 2.0, Int64(16),
)  # fmt: skip


def value(rng: random.Random, depth: int = 2) -> Any:
    """Any BSON value."""
    kind = rng.random()
    if depth == 0 or kind < 0.65:
        return rng.choice(SCALARS)
    if kind < 0.85:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    names = rng.sample((*FIELDS, "0"), rng.randrange(len(FIELDS) + 1))
    return {name: value(rng, depth - 1) for name in names}


def document(rng: random.Random, id_: Any) -> dict[str, Any]:
    """A document with some of the fields."""
    names = rng.sample(FIELDS, rng.randrange(len(FIELDS) + 1))
    return {"_id": id_, **{name: value(rng, 3) for name in names}}


def path(rng: random.Random) -> str:
    """A path of one to four steps; some are numbers."""
    steps = [rng.choice(FIELDS)]
    while len(steps) < 4 and rng.random() < 0.4:
        steps.append(rng.choice((*FIELDS, "0", "1", "0", "00", "$id")))
    return ".".join(steps)


def query(rng: random.Random, depth: int = 2) -> dict[str, Any]:
    """A filter, as a rule one that MongoDB accepts."""
    if depth and rng.random() < 0.3:
        name = rng.choice(("$and", "$or", "$nor"))
        return {name: [query(rng, depth - 1) for _ in range(rng.randrange(1, 4))]}
    clauses = {path(rng): condition(rng, depth) for _ in range(rng.randrange(1, 3))}
    if rng.random() < 0.05:
        clauses["$expr"] = {
            rng.choice(("$eq", "$gt", "$lt")): ["$a", rng.choice(("$b", 1, "$c.a"))]
        }
    if rng.random() < 0.03:
        clauses["$jsonSchema"] = {"required": [rng.choice(FIELDS)]}
    if rng.random() < 0.03:
        clauses["$comment"] = "why"
    return clauses


def condition(rng: random.Random, depth: int) -> Any:
    """A literal or operators."""
    kind = rng.random()
    if kind < 0.25:
        return value(rng, 1)
    if kind < 0.3:
        return regex(rng)
    conditions = dict(operator(rng, depth) for _ in range(rng.randrange(1, 3)))
    if "$regex" in conditions and isinstance(conditions["$regex"], str) and rng.random() < 0.6:
        conditions["$options"] = options(rng)
    return conditions


def options(rng: random.Random) -> str:
    return "".join(rng.sample("imsx", rng.choice((0, 1, 1, 2))))


def regex(rng: random.Random) -> Any:
    return Regex(rng.choice(PATTERNS), options(rng))


def literal(rng: random.Random, depth: int = 1) -> Any:
    """A value where a regular expression would match."""
    return regex(rng) if rng.random() < 0.07 else value(rng, depth)


def operator(rng: random.Random, depth: int) -> tuple[str, Any]:
    """One operator and its operand."""
    match rng.randrange(17):
        case 0:
            return "$eq", value(rng, 1)
        case 1:
            return "$ne", value(rng, 1)
        case 2 | 3 | 4:
            return rng.choice(("$gt", "$gte", "$lt", "$lte")), value(rng, 1)
        case 5:
            return "$in", [literal(rng) for _ in range(rng.randrange(4))]
        case 6:
            return "$nin", [literal(rng) for _ in range(rng.randrange(4))]
        case 7:
            return "$exists", rng.choice((True, False, 1, 0, "", None))
        case 8:
            return "$size", rng.choice((0, 1, 2, 1.0, Int64(2)))
        case 9:
            return "$all", all_members(rng, depth)
        case 10 if depth:
            inner = dict(operator(rng, depth - 1) for _ in range(rng.randrange(1, 3)))
            return "$not", regex(rng) if rng.random() < 0.2 else inner
        case 11 | 12 if depth:
            if rng.random() < 0.5:
                return "$elemMatch", query(rng, depth - 1)
            return "$elemMatch", dict(operator(rng, depth - 1) for _ in range(rng.randrange(1, 3)))
        case 13:
            if rng.random() < 0.5:
                return "$type", rng.choice(TYPES)
            return "$type", rng.sample(TYPES, rng.randrange(1, 4))
        case 14:
            return "$regex", rng.choice(PATTERNS) if rng.random() < 0.8 else regex(rng)
        case 15:
            name = rng.choice(("$bitsAllSet", "$bitsAnySet", "$bitsAllClear", "$bitsAnyClear"))
            masks = (
                0,
                1,
                3,
                2**40,
                1.0,
                [],
                [0],
                [1, 2],
                [63],
                [64, 200],
                b"\x01",
                Binary(b"\x03\0", 2),
            )
            return name, rng.choice(masks)
        case _:
            divisor = rng.choice((2, 3, -2, 2.5, Int64(7), Decimal128("2.9")))
            return "$mod", [divisor, rng.choice((0, 1, -1, 1.5))]


def all_members(rng: random.Random, depth: int) -> list[Any]:
    if depth and rng.random() < 0.2:
        return [{"$elemMatch": query(rng, 0)} for _ in range(rng.randrange(1, 3))]
    return [literal(rng) for _ in range(rng.randrange(3))]


def sort(rng: random.Random) -> list[tuple[str, int]]:
    """A total order."""
    paths = dict.fromkeys(path(rng) for _ in range(rng.randrange(1, 4)))
    return [(name, rng.choice((1, -1))) for name in paths] + [("_id", 1)]


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
