"""Corners of MongoDB's filter language, row by row; each row is asked of a real mongod too."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import (
    Binary,
    Code,
    DatetimeMS,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)

from server.live.matching import NotCompiled, compile_filter
from tests.live.oracle import Oracle

DAY = datetime(2026, 5, 1, tzinfo=UTC)
LESS, MORE = ObjectId("5" * 24), ObjectId("6" * 24)


def a(*values: Any) -> list[dict[str, Any]]:
    """Documents whose ``a`` is each of `values`."""
    return [{"a": value} for value in values]


MISSING: dict[str, Any] = {}

Row = tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]

ROWS: list[Row] = [
    # numbers are one type, whatever holds them
    ({"a": 1}, a(1, 1.0, Int64(1), Decimal128("1"), Decimal128("1.00"), [1], [0, 1.0]),
     [*a(True, "1", 2, [[1]], {"b": 1}, None), MISSING]),
    ({"a": Decimal128("0.1")}, a(Decimal128("0.1"), Decimal128("0.10")), a(0.1, 0)),
    ({"a": {"$gt": 0.1}}, a(0.2, Decimal128("0.2"), math.inf, [0, 1]),
     a(Decimal128("0.1"), 0, "1")),
    ({"a": 0.1}, a(0.1), a(Decimal128("0.1"))),
    ({"a": 0}, a(0, -0.0, Decimal128("-0"), Int64(0)), a(False, None, "")),
    ({"a": 2.0**53}, a(Int64(2**53), 2.0**53), a(Int64(2**53 + 1))),
    ({"a": {"$gt": 2.0**53}}, a(Int64(2**53 + 1), Decimal128("9007199254740993")), a(Int64(2**53))),
    ({"a": {"$lt": Int64(2**63 - 1)}}, a(Int64(2**63 - 2), 1.0), a(2.0**63, Int64(2**63 - 1))),
    ({"a": {"$gte": math.inf}}, a(math.inf, Decimal128("Infinity")), a(1e308, math.nan)),
    # NaN is equal to itself and is neither less nor more than anything
    ({"a": math.nan}, a(math.nan, Decimal128("NaN"), [1, math.nan]), [*a(0, None, "NaN"), MISSING]),
    ({"a": {"$lte": math.nan}}, a(math.nan), a(-math.inf, 0, 1)),
    ({"a": {"$lt": math.nan}}, [], a(math.nan, 0)),
    ({"a": {"$lt": 0}}, a(-1, -math.inf), a(math.nan, 0)),
    ({"a": {"$gte": 0}}, a(0, 1), a(math.nan, -1)),
    ({"a": {"$ne": math.nan}}, a(0, None), a(math.nan)),
    # a comparison never leaves its type
    ({"a": {"$gt": 5}}, a(6, 5.5), [*a("6", True, DAY, None, [], {}, MaxKey()), MISSING]),
    ({"a": {"$lt": "b"}}, a("a", "", "B", "a\0"), a("b", 1, None, ["c"])),
    ({"a": {"$gte": ""}}, a("", "a"), a(0, None, [])),
    ({"a": {"$gt": False}}, a(True), a(False, 1, "a")),
    ({"a": {"$gte": DAY}}, a(DAY, DAY + timedelta(milliseconds=1)), a(DAY - timedelta(days=1), 1)),
    ({"a": {"$gt": DatetimeMS(-(2**62))}}, a(DAY), a(DatetimeMS(-(2**62)), Timestamp(5, 1))),
    ({"a": {"$lt": Timestamp(5, 2)}}, a(Timestamp(5, 1), Timestamp(4, 9)), a(Timestamp(5, 2), DAY)),
    ({"a": {"$gt": LESS}}, a(MORE), a(LESS, str(MORE))),
    ({"a": {"$gte": MinKey()}}, [*a(1, None, MinKey(), MaxKey(), [], {}), MISSING], []),
    ({"a": {"$gt": MinKey()}}, [*a(1, None, MaxKey()), MISSING], a(MinKey())),
    ({"a": {"$lt": MaxKey()}}, [*a(1, MinKey()), MISSING], a(MaxKey())),
    ({"a": MaxKey()}, a(MaxKey(), [MaxKey()]), a(MinKey(), 1)),
    # null is also what is missing, and undefined
    ({"a": None}, [*a(None, [None], [1, None]), MISSING], a(0, "", [], {}, False)),
    ({"a": {"$ne": None}}, a(0, "", [], {}), [*a(None, [1, None]), MISSING]),
    ({"a": {"$exists": True}}, a(None, [], 0), [MISSING]),
    ({"a": {"$exists": False}}, [MISSING], a(None, [])),
    ({"a": {"$exists": 0}}, [MISSING], a(1)),
    ({"a": {"$exists": "no"}}, a(1), [MISSING]),
    ({"a": {"$gte": None}}, [*a(None), MISSING], a(0, [])),
    ({"a": {"$lt": None}}, [], [*a(None, MinKey()), MISSING]),
    ({"a": {"$in": [None, 2]}}, [*a(None, 2, [2]), MISSING], a(1, [])),
    ({"a": {"$nin": [None]}}, a(1, []), [*a(None, [None]), MISSING]),
    ({"a.b": None}, [*a(1, None, {}, {"b": None}, [{}], [{"b": 1}, {}]), MISSING],
     a({"b": 1}, [], [1], [{"b": 1}])),
    ({"a.b": {"$exists": False}}, [*a(1, {}, [], [1], [{}]), MISSING],
     a({"b": None}, [{"b": 1}, {}])),
    ({"a.b": {"$ne": 1}}, [*a({"b": 2}, 7, [], [{"b": 2}]), MISSING],
     a({"b": 1}, [{"b": 2}, {"b": 1}])),
    # arrays are entered once, and are values as well
    ({"a": [1, 2]}, a([1, 2], [1.0, Int64(2)], [[1, 2]], [0, [1, 2]]),
     a([2, 1], [1], 1, [1, 2, 3])),
    ({"a": []}, a([], [[]]), [*a([1], None), MISSING]),
    ({"a": [[1]]}, a([[1]], [[[1]]]), a([1], 1)),
    ({"a": {"$gt": [1]}}, a([1, 0], [2], [[2]]), a([1], [0, 9], 5)),
    ({"a": {"$gt": 1, "$lt": 3}}, a(2, [0, 9], [2]), a([0, 1], [3, 4], 3)),
    ({"a": {"$ne": 1}}, [*a(2, [2], [[1]]), MISSING], a(1, [1, 2])),
    ({"a": {"$in": [[1], 5]}}, a([1], [[1]], 5, [5, 6]), a(1, [2])),
    ({"a": {"$nin": [1, 2]}}, [*a(3, [], [3]), MISSING], a([1, 3], 2)),
    ({"a": {"$in": []}}, [], [*a(1, []), MISSING]),
    ({"a": {"$nin": []}}, [*a(1), MISSING], []),
    ({"a": {"$lte": 1}}, a([5, 1], 1), a([5], [[1]])),
    # numbers in paths are indexes, and names
    ({"a.0": 1}, a([1], {"0": 1}, [{"0": 1}], [2, {"0": 1}]), a([2, 1], 1, [[1]])),
    ({"a.1.b": 1}, a([0, {"b": 1}], {"1": {"b": 1}}, [0, {"b": [1]}]),
     a([{"b": 1}], [[0, {"b": 1}]])),
    ({"a.0.0": 1}, a([[1]], [{"0": 1}], {"0": [1]}), a([1], [[2, 1]])),
    ({"a.-1": 1}, a({"-1": 1}), a([1], [0, 1])),
    ({"a.00": 1}, a({"00": 1}), a([1])),
    ({"a.b.c": 1}, a({"b": {"c": 1}}, [{"b": [{"c": 1}]}], {"b": [{"c": [0, 1]}]}),
     a({"b": [[{"c": 1}]]}, [[{"b": {"c": 1}}]], {"b.c": 1})),
    ({"a.0": {"$exists": True}}, a([0], {"0": 1}), [*a([], 1), MISSING]),
    ({"a.2": {"$exists": False}}, [*a([1, 2], 1), MISSING], a([1, 2, 3])),
    # documents are compared field by field, in their order
    ({"a": {"b": 1, "c": 2}}, a({"b": 1, "c": 2}, [{"b": 1.0, "c": 2}]),
     a({"c": 2, "b": 1}, {"b": 1})),
    ({"a": {}}, a({}, [{}]), [*a({"b": 1}, None, []), MISSING]),
    ({"a": {"$eq": {"b": None}}}, a({"b": None}), a({}, {"b": 0})),
    ({"a": {"$gt": {"b": 1}}}, a({"b": 2}, {"b": 1, "a": 0}, {"c": 1}, {"a": "x"}),
     a({"b": 1}, {}, {"a": 1}, {"b": 0, "z": 9}, 5)),
    ({"a": {"$lt": {"b": "x"}}}, a({"z": 1}, {"b": "a"}, {}), a({"b": "x"}, {"a": {}})),
    ({"a": {"$in": [{"b": 1}]}}, a({"b": 1}, [{"b": 1}]), a({"b": 1, "c": 1})),
    ({"a.b": {"$gt": 1}, "a.c": {"$lt": 1}}, a([{"b": 2, "c": 5}, {"b": 0, "c": 0}]),
     a({"b": 2, "c": 2})),
    # $elemMatch
    ({"a": {"$elemMatch": {"b": 1, "c": 2}}},
     a([{"b": 1, "c": 2}], [{}, {"b": [1], "c": 2, "d": 3}]),
     [*a([{"b": 1}, {"c": 2}], {"b": 1, "c": 2}, []), MISSING]),
    ({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, a([0, 2, 9]), a([0, 9], 2, [[2]])),
    ({"a": {"$elemMatch": {"$elemMatch": {"$gt": 1}}}}, a([[2]], [0, [0, 2]]),
     a([2], [[1]], [[[2]]])),
    ({"a": {"$elemMatch": {"b": None}}}, a([{}], [{"b": None}], [{"b": 1}, {"c": 1}]),
     a([1], [{"b": 1}], [])),
    ({"a": {"$elemMatch": {"0": 1}}}, a([[1]], [{"0": 1}]), a([1])),
    ({"a": {"$elemMatch": {}}}, a([{}], [{"b": 1}], [[]]), a([1], [], {})),
    ({"a": {"$elemMatch": {"$nin": [1, 2]}}}, a([1, 3]), a([1, 2], [], 3)),
    ({"a": {"$elemMatch": {"$or": [{"b": 1}, {"c": 1}]}}}, a([{"c": 1}]), a([{"d": 1}], [1])),
    ({"a": {"$elemMatch": {"$not": {"$gt": 1}}}}, a([1, 5], ["x"]), a([5], [], 0)),
    ({"a": {"$not": {"$elemMatch": {"$gt": 1}}}}, [*a([1], [], 5), MISSING], a([0, 2])),
    ({"a.b": {"$elemMatch": {"$eq": 1}}}, a({"b": [1]}, [{"b": [0, 1]}]), a({"b": 1}, [{"b": 1}])),
    # $all
    ({"a": {"$all": [1, 2]}}, a([2, 1, 3]), a([1], 1, [[1, 2]])),
    ({"a": {"$all": [1]}}, a(1, [1]), a([[1]], 2)),
    ({"a": {"$all": [[1, 2]]}}, a([1, 2], [[1, 2]]), a([2, 1])),
    ({"a": {"$all": []}}, [], [*a([], 1), MISSING]),
    ({"a": {"$all": [None]}}, [*a(None, [None]), MISSING], a([], 1)),
    ({"a": {"$all": [{"$elemMatch": {"b": 1}}, {"$elemMatch": {"c": {"$gt": 1}}}]}},
     a([{"b": 1}, {"c": 2}], [{"b": 1, "c": 2}]), a([{"b": 1}], {"b": 1, "c": 2})),
    ({"a": {"$all": [Regex("^x"), "y"]}}, a(["xx", "y"]), a(["xx"], "y")),
    ({"a.b": {"$all": [1, 2]}}, a([{"b": 1}, {"b": 2}], {"b": [1, 2]}), a([{"b": 1}])),
    # $size
    ({"a": {"$size": 0}}, a([]), [*a([1], None, ""), MISSING]),
    ({"a": {"$size": 2}}, a([1, 2], [[], []]), a([1], [[1, 2]], "ab")),
    ({"a": {"$size": 1.0}}, a([1]), a([1, 2])),
    ({"a.b": {"$size": 1}}, a({"b": [1]}, [{"b": [1]}, {"b": []}]), a([{"b": 1}])),
    # $mod takes whole numbers, and cuts what is not
    ({"a": {"$mod": [4, 0]}}, a(8, 8.9, -4, 0, Int64(12), Decimal128("4.5"), [1, 4]),
     a(6, "8", None, True)),
    ({"a": {"$mod": [4, 1]}}, a(5, 1.5), a(-3, -7, 4)),
    ({"a": {"$mod": [4, -3]}}, a(-3, -7, -7.9), a(1, 5)),
    ({"a": {"$mod": [-4, 1]}}, a(5), a(-5, 3)),
    ({"a": {"$mod": [4.7, 1.9]}}, a(5), a(4, 6)),
    ({"a": {"$mod": [2, 0]}}, a(Int64(2**62)), a(math.nan, math.inf, 1e300, Decimal128("NaN"))),
    # $type
    ({"a": {"$type": "number"}}, a(1, 1.5, Int64(1), Decimal128("1"), [1]),
     [*a("1", True, []), MISSING]),
    ({"a": {"$type": "int"}}, a(1), a(1.0, Int64(1))),
    ({"a": {"$type": 18}}, a(Int64(1)), a(1)),
    ({"a": {"$type": "array"}}, a([], [1]), a({}, 1)),
    ({"a": {"$type": 4}}, a([], [[]]), a({})),
    ({"a": {"$type": ["string", "null"]}}, a("", None, [None]), [*a(1), MISSING]),
    ({"a": {"$type": [2.0, "bool"]}}, a("x", True), a(1)),
    ({"a": {"$type": "minKey"}}, a(MinKey()), a(MaxKey())),
    ({"a": {"$type": -1}}, a(MinKey()), a(1)),
    ({"a": {"$type": "date"}}, a(DAY, DatetimeMS(2**62)), a(Timestamp(1, 1))),
    ({"a": {"$type": "javascript"}}, a(Code("f")), a(Code("f", {}), "f")),
    ({"a": {"$not": {"$type": "string"}}}, [*a(1), MISSING], a("", ["x"])),
    # regular expressions
    ({"a": Regex("^A", "i")}, a("abc", ["x", "ab"], Regex("^A", "i")), a("ba", 5, Regex("^A"))),
    ({"a": {"$regex": "^a", "$options": "m"}}, a("b\na"), a("ba")),
    ({"a": {"$regex": "a.b", "$options": "s"}}, a("a\nb"), a("ab")),
    ({"a": {"$not": Regex("^a")}}, [*a("b", 1, ["b"]), MISSING], a("a", ["b", "a"])),
    ({"a": {"$not": {"$regex": "^a"}}}, [*a("b"), MISSING], a("ab")),
    ({"a": {"$in": [Regex("^a"), 5]}}, a("ab", 5, ["x", "a"]), a("b", Regex("^b"))),
    ({"a": {"$nin": [Regex("^a"), None]}}, a("b", 5), [*a("ab", None, ["b", "a"]), MISSING]),
    ({"a": Regex("")}, a("", "x"), a(1)),
    # logic
    ({"$and": [{"a": {"$gt": 0}}, {"a": {"$lt": 2}}]}, a(1, [0, 1], [-1, 5]), a(2)),
    ({"$or": [{"a": 1}, {"b": 1}]}, [{"b": 1}, {"a": 1}], [MISSING, {"a": 2}]),
    ({"$nor": [{"a": 1}, {"b": 1}]}, [MISSING, {"a": 2}], [{"a": 1}, {"b": [1]}]),
    ({"$nor": [{"a": {"$exists": False}}]}, a(None), [MISSING]),
    ({"a": {"$not": {"$gt": 1}}}, [*a(1, "x", None), MISSING], a(2, [0, 2])),
    ({"a": {"$not": {"$not": {"$gt": 1}}}}, a(2), a(1)),
    ({"a": {"$not": {"$gt": 1, "$lt": 5}}}, [*a(1, 5), MISSING], a(2, [0, 9])),
    ({}, [MISSING, {"a": 1}], []),
    # binary: shorter is less, then the subtype, then the bytes
    ({"a": b"ab"}, a(b"ab", Binary(b"ab", 0)), a(Binary(b"ab", 5), "ab")),
    ({"a": {"$gt": b"b"}}, a(b"aa", b"c", Binary(b"a", 5)), a(b"a", b"")),
    ({"a": {"$lt": Binary(b"a", 5)}}, a(b"z", b""), a(Binary(b"b", 5))),
    # bits
    ({"a": {"$bitsAllSet": 6}}, a(6, 7, 6.0, Int64(14), b"\x06"),
     [*a(4, "6", 6.5, -math.inf), MISSING]),
    ({"a": {"$bitsAllClear": [0, 2]}}, a(2, 8, b"\x0a"), a(1, 5)),
    ({"a": {"$bitsAnySet": [1, 60]}}, a(2, Int64(2**60), -1), a(1, 0)),
    ({"a": {"$bitsAnyClear": 3}}, a(1, 0, b""), a(3, -1)),
    ({"a": {"$bitsAllSet": [200]}}, a(-1), a(1, 2**62)),
    ({"a": {"$bitsAllSet": b"\x01"}}, a(1, b"\x03", [1]), a(2)),
]  # fmt: skip

REFUSED: list[dict[str, Any]] = [
    {"$and": []}, {"$or": []}, {"$nor": []}, {"$and": {}}, {"$or": [1]}, {"$and": [[]]},
    {"a": {"$in": 1}}, {"a": {"$nin": None}}, {"a": {"$in": [{"$gt": 1}]}}, {"a": {"$not": 1}},
    {"a": {"$not": {}}}, {"a": {"$size": -1}}, {"a": {"$size": 1.5}}, {"a": {"$size": "1"}},
    {"a": {"$mod": [0, 1]}}, {"a": {"$mod": [1]}}, {"a": {"$mod": []}}, {"a": {"$mod": 4}},
    {"a": {"$mod": ["4", 0]}}, {"a": {"$mod": [1, 2, 3]}}, {"a": {"$mod": [math.nan, 1]}},
    {"a": {"$mod": [math.inf, 1]}}, {"a": {"$type": "text"}}, {"a": {"$type": 99}},
    {"a": {"$type": []}}, {"a": {"$type": None}}, {"a": {"$all": 1}}, {"a": {"$elemMatch": 1}},
    {"a": {"$all": [{"$elemMatch": {"b": 1}}, 1]}}, {"a": {"$all": [{"$gt": 1}]}},
    {"a": {"$regex": 1}}, {"a": {"$options": "i"}}, {"a": {"$regex": "("}},
    {"a": {"$gt": Regex("a")}},
    {"a": {"$ne": Regex("a")}}, {"a": {"$regex": "a", "$options": "q"}}, {"a": {"$bitsAllSet": -1}},
    {"a": {"$bitsAllSet": 1.5}}, {"a": {"$bitsAllSet": "x"}}, {"a": {"$nope": 1}}, {"$nope": 1},
    {"a": {"$gt": 1, "b": 1}}, {"$not": {"a": 1}},
    {"a": {"$exists": True, "$and": []}},
]  # fmt: skip


@pytest.fixture(scope="module")
def oracle(mongo_uri: str) -> Iterator[Oracle]:
    judge = Oracle(mongo_uri, "matching_table")
    yield judge
    judge.close()


def test_each_row_is_what_mongodb_says_and_what_we_say(oracle: Oracle) -> None:
    documents = [
        {"_id": f"{number}.{int(right)}.{index}", **body}
        for number, (_, yes, no) in enumerate(ROWS)
        for right, bodies in ((True, yes), (False, no))
        for index, body in enumerate(bodies)
    ]
    held = oracle.hold(documents)
    faults: list[str] = []
    for number, (query, yes, _) in enumerate(ROWS):
        own = [one for one in held if one["_id"].startswith(f"{number}.")]
        wanted = {f"{number}.1.{index}" for index in range(len(yes))}
        asked = oracle.matching(query)
        assert asked is not None, f"MongoDB refuses {query}"
        said = {id_ for id_ in asked if id_.startswith(f"{number}.")}
        matcher = compile_filter(query)
        found = {one["_id"] for one in own if matcher.matches(one)}
        by_id = {one["_id"]: one for one in own}
        faults += [
            f"{who} on {query}: {by_id[id_]}"
            for who, ids in (("the row differs from MongoDB", said), ("we differ", found))
            for id_ in sorted(ids ^ wanted)
        ]
        if matcher.asks is not None:
            faults.append(f"not compiled: {query} ({matcher.asks})")
        differing = {one["_id"] for one in held if matcher.matches(one)} ^ asked
        faults += [f"we differ on another row: {query}: {id_}" for id_ in sorted(differing)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("query", REFUSED, ids=str)
def test_what_mongodb_refuses_is_not_guessed(oracle: Oracle, query: dict[str, Any]) -> None:
    oracle.hold([{"_id": 1, "a": 1}])
    assert oracle.matching(query) is None, "MongoDB takes it"
    try:
        asks = compile_filter(query).asks
    except NotCompiled:
        return
    assert asks is not None
