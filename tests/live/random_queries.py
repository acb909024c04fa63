"""Random live queries from a seed, as data: their functions, and what MongoDB says they return.

The second is asked of MongoDB by plain reads at one cluster time; of Headwater it takes the form
in which documents are shown, and nothing else.
"""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from bson import Code, DatetimeMS, ObjectId, Regex, json_util
from pymongo.errors import OperationFailure

from schemas.document import Document
from schemas.shape import shape_of
from schemas.wire.position import Time
from server.core import limits
from server.live.held import encode
from server.live.ordering import compile_sort, total_sort
from server.live.page import cursor_of
from server.live.projection import hold, show, to_json
from server.runtime import Forbidden, HeadwaterError, QueryCtx
from server.store.reads import Reads
from tests.live import random_documents
from tests.live.composed import awaited, composed, shown_names, steps_read_by
from tests.live.random_documents import value
from tests.live.things import GROUPS, TABLES, Guard, ids

__all__ = ["Query", "anchored", "canonical", "fresh", "function", "key", "query"]

Query = dict[str, Any]
"""``{"kind", "finds": [find]}``; a find is ``{"in", "filter", "sort", "limit"?, "last"?, …}``."""

FIELDS = ("a", "b", "c", "g", "n", "items", "inner", "parts")
SORTS = ("n", "g", "a", "b.a", "items.x", "inner.p", "c", "createdAt", "items", "_id")


def query(rng: random.Random) -> Query:
    """A live query of any kind."""
    kind = rng.choices(
        ("find", "dict", "get", "awaited", "count", "guarded", "page", "composed"),
        (50, 12, 6, 6, 5, 5, 7, 9),
    )[0]
    if kind == "get":
        collection = rng.choice(("things", "objects"))
        known = [one for one in map(_named, ids(collection)) if one is not None]
        return {"kind": kind, "in": collection, "id": rng.choice(known)}
    if kind == "page":
        return {"kind": kind, "finds": [page(rng)]}
    if kind == "composed":
        return composed(rng, lambda: find(rng, rng.choice(("part", "awaited part"))))
    size = {"dict": 2, "awaited": rng.choice((1, 1, 2)), "count": 2}.get(kind, 1)
    return {"kind": kind, "finds": [find(rng, kind) for _ in range(size)]}


def _named(id_: Any) -> str | None:
    """An id as a client names it, where it can."""
    return (
        id_ if isinstance(id_, str) else None if id_.__class__.__name__ != "ObjectId" else str(id_)
    )


def find(rng: random.Random, kind: str) -> dict[str, Any]:
    """One find."""
    made: dict[str, Any] = {
        "in": rng.choices(("things", "objects"), (3, 1))[0],
        "filter": filter_(rng),
        "sort": [list(one) for one in sort(rng)],
    }
    if rng.random() < 0.55:
        made[rng.choice(("limit", "limit", "last"))] = rng.randrange(1, 9)
    if "part" not in kind and rng.random() < 0.04:
        # It raises of what cannot be added. MongoDB does not say which condition of several it
        # judges first, so there is no other that could spare a document this one.
        made["filter"] = {"$expr": {"$gt": [{"$add": ["$n", 1]}, rng.randrange(12)]}}
    if kind.startswith("awaited") or rng.random() < 0.25:
        made["fields"] = rng.sample(FIELDS, rng.randrange(1, 4))
    elif rng.random() < 0.15:
        made["view"] = rng.choice(sorted(VIEWS))
    if rng.random() < 0.15:
        made["within"] = ["seen", rng.randrange(1, 2_000)]
    return made


def page(rng: random.Random) -> dict[str, Any]:
    """A page of a list whose sort fields hold single values, as pages demand."""
    collection = rng.choices(("things", "objects"), (3, 1))[0]
    names = rng.choice(([], ["n"], ["g"], ["g", "n"], ["n", "g"], ["_id"]))
    single = {name: {"$not": {"$type": ["array", *UNPAGED]}} for name in ("g", "n")}
    made: dict[str, Any] = {
        "in": collection,
        "filter": {"$and": [single, rng.choice(({}, {}, {"a": {"$exists": True}}, filter_(rng)))]},
        "sort": [[name, rng.choice((1, -1))] for name in names],
        "size": rng.randrange(1, 6),
    }
    for bound in ("after", "until"):
        if rng.random() < 0.6:
            made[bound] = {"_id": rng.choice(ids(collection)), **_bound(rng)}
    return made


def _bound(rng: random.Random) -> dict[str, Any]:
    """What the last document of a page may have had in the fields of its order."""
    made: dict[str, Any] = {}
    if rng.random() < 0.9:
        made["g"] = rng.choice((*GROUPS, value(rng, 0)))
    if rng.random() < 0.9:
        made["n"] = rng.choice((rng.randrange(12), value(rng, 0)))
    unpaged = (list, Regex, Code)
    return {name: one for name, one in made.items() if not isinstance(one, unpaged)}


UNPAGED = ("regex", "javascript", "javascriptWithScope")
"""Types of which no order is known to a page's filter."""


def anchored(made: Query, begin_ms: int) -> Query:
    """`made` as it is asked when a play begins at `begin_ms`, by which the dates are EPOCH's."""
    if "finds" not in made:
        return made
    since_ms = begin_ms - int(random_documents.EPOCH.timestamp() * 1000)
    finds = [
        {**one, "within": [one["within"][0], one["within"][1] + since_ms]}
        if "within" in one
        else one
        for one in made["finds"]
    ]
    return {**made, "finds": finds}


def filter_(rng: random.Random) -> dict[str, Any]:
    """A filter, such as applications have, or any."""
    group = rng.choice(GROUPS)
    span = {rng.choice(("$lt", "$gte", "$gt", "$lte")): rng.randrange(12)}
    some: list[dict[str, Any]] = [
        {},
        {"g": group},
        {"g": group},
        {"g": {"$in": rng.sample(GROUPS, 2)}},
        {"n": span},
        {"n": {"$gte": 3, "$lt": 8}},
        {"g": group, "n": span},
        {"$or": [{"g": group}, {"n": rng.randrange(12)}]},
        {"_id": {"$in": rng.sample([f"t{n:02}" for n in range(24)], 6)}},
        {"items.x": rng.randrange(5)},
        {"items": {"$elemMatch": {"x": span, "y": {"$exists": True}}}},
        {"inner.p": value(rng, 1)},
        {"g": {"$ne": group}},
        {"parts.kind": "said"},
        {"c": rng.choice(("one ", "two "))},
        {"secret": {"$exists": False}, "g": group},
        {"g": group, "$expr": {"$gt": ["$n", 5]}},
        {"a": value(rng, 1)},
        asked(rng),
        {"g": group, **asked(rng)},
    ]
    made = rng.choice([*some, *(random_documents.query(rng) for _ in range(8))])
    if rng.random() < 0.15:
        made = {"$and": [made, random_documents.query(rng)]}
    return made


def asked(rng: random.Random) -> dict[str, Any]:
    """A filter that is MongoDB's to judge; some raise, by what a document holds."""
    number = rng.randrange(12)
    some: list[dict[str, Any]] = [
        {"$expr": {"$in": ["$g", rng.sample(GROUPS, 2)]}},
        {"$expr": {"$gt": [{"$size": {"$ifNull": ["$items", []]}}, 1]}},
        {"$or": [{"n": number}, {"$expr": {"$eq": ["$a", "$b"]}}]},
        {"$nor": [{"$expr": {"$lt": ["$n", number]}}]},
        {"$where": f"this.n < {number}"},
        {"$where": "this.inner.p != null"},
        {"$jsonSchema": {"properties": {"n": {"bsonType": "int", "maximum": number}}}},
        {"g": {"$regex": "^(?!x)"}},
        {"g": Regex("(?<=^)[yz]", "")},
        {"c": {"$regex": "(o)ne|t(?=wo)"}},
        {"items.text": {"$not": Regex("(e) ?\\1", "i")}},
        {"inner.p": {"$geoWithin": {"$center": [[0, 0], 2]}}},
        {"a": {"$elemMatch": {"$regex": "^(?=a)"}}},
    ]
    return rng.choice(some)


def sort(rng: random.Random) -> list[tuple[str, int]]:
    """An order, which need not be total."""
    if rng.random() < 0.25:
        return random_documents.sort(rng)
    names = rng.sample(SORTS, rng.choice((0, 1, 1, 1, 2)))
    if "_id" in names:
        names = names[: names.index("_id") + 1]
    roots = {name.partition(".")[0]: name for name in names}
    return [(name, rng.choice((1, -1))) for name in roots.values()]


VIEWS: dict[str, tuple[Callable[[Any], Any], Callable[[dict[str, Any]], Any]]] = {
    "named": (lambda one: {"_id": one.id, "n": one.n}, lambda raw: {**_id_of(raw), **_n(raw)}),
    "plain": (lambda one: one.n, lambda raw: _n(raw)["n"]),
}
"""Pure functions of a document, and the same of a stored one."""


def _id_of(raw: dict[str, Any]) -> dict[str, Any]:
    return {"_id": str(raw["_id"])}


def _n(raw: dict[str, Any]) -> dict[str, Any]:
    return {"n": to_json(raw.get("n"))}


def key(made: Query) -> str:
    """By what a live query is shared."""
    return json_util.dumps(made, json_options=json_util.CANONICAL_JSON_OPTIONS)


# --- as a function --------------------------------------------------------------------------------


def function(made: Query) -> Callable[[Any], Awaitable[Any]]:
    """What a query function of this kind does, given a reader."""

    async def run(reader: Any) -> Any:
        ctx = QueryCtx(reader)
        if made["kind"] == "get":
            return ctx.get(TABLES[made["in"]], made["id"])
        if made["kind"] == "count":
            return [
                await ctx.count(TABLES[one["in"]], one["filter"], within=_within(one))
                for one in made["finds"]
            ]
        if made["kind"] == "page":
            return _page(ctx, made["finds"][0])
        if made["kind"] == "guarded":
            guard = await ctx.get(Guard, "guard")
            if guard is None or not guard.allowed:
                raise Forbidden("Not now.")
        if made["kind"] == "awaited":
            return [
                [[one.id, [getattr(one, name) for name in _plain(spec)]] for one in await found]
                for spec, found in ((spec, _find(ctx, spec)) for spec in made["finds"])
            ]
        if made["kind"] == "dict":
            return {"one": _find(ctx, made["finds"][0]), "two/~": _find(ctx, made["finds"][1])}
        if made["kind"] == "composed":
            values = await awaited(made, steps_read_by(lambda step: _find(ctx, step), ctx))
            return _together(made, values, lambda: _find(ctx, made["finds"][-1]))
        return _find(ctx, made["finds"][0])

    return run


def _together(made: Query, values: list[Any], last: Callable[[], Any]) -> Any:
    """What a composed function returns."""
    match made["shows"]:
        case "awaited":
            return values
        case "maintained":
            return last()
        case _:
            return {"awaited": values, "maintained": last()}


def _find(ctx: QueryCtx, spec: dict[str, Any]) -> Any:
    options = {name: spec[name] for name in ("limit", "last", "fields") if name in spec}
    if "view" in spec:
        options["view"] = VIEWS[spec["view"]][0]
    return ctx.find(
        TABLES[spec["in"]], spec["filter"], sort=_order(spec), within=_within(spec), **options
    )


def _page(ctx: QueryCtx, spec: dict[str, Any]) -> Any:
    bounds = {
        name: cursor_of(total_sort(_order(spec)), spec[name])
        for name in ("after", "until")
        if name in spec
    }
    table, size = TABLES[spec["in"]], spec["size"]
    return ctx.page(table, spec["filter"], sort=_order(spec), size=size, **bounds)


def _order(spec: dict[str, Any]) -> list[tuple[str, int]]:
    return [(path, direction) for path, direction in spec["sort"]]


def _within(spec: dict[str, Any]) -> tuple[str, int] | None:
    return (spec["within"][0], spec["within"][1]) if "within" in spec else None


def _plain(spec: dict[str, Any]) -> list[str]:
    """The fields whose Python value is the stored one."""
    return [name for name in spec["fields"] if name in {"a", "b", "n"}]


# --- as MongoDB says ------------------------------------------------------------------------------


async def fresh(reads: Reads, made: Query, at: Time) -> Any:
    """What a client should hold at `at`; of an error, its code."""
    try:
        return orjson.loads(encode(await _fresh(reads, made, at)))
    except HeadwaterError as error:
        return {"error": error.code}
    except (OperationFailure, TypeError, ValueError):
        return {"error": "internal"}


async def _fresh(reads: Reads, made: Query, at: Time) -> Any:
    if made["kind"] == "get":
        found = await _read(reads, _single(made), at)
        return found[0] if found else None
    if made["kind"] == "count":
        return [await reads.count(one["in"], _filter(one, at), at=at) for one in made["finds"]]
    if made["kind"] == "page":
        return await _fresh_page(reads, made["finds"][0], at)
    if made["kind"] == "guarded":
        guard = await reads.find("guards", {"_id": "guard"}, at=at)
        if not guard or not guard[0].get("allowed", True):
            raise Forbidden("Not now.")
    if made["kind"] == "awaited":
        return [
            [[str(one["_id"]), [to_json(one.get(n)) for n in _plain(spec)]] for one in stored]
            for spec, stored in [(spec, await _stored(reads, spec, at)) for spec in made["finds"]]
        ]
    if made["kind"] == "composed":
        return await _fresh_composed(reads, made, at)
    values = [await _read(reads, spec, at) for spec in made["finds"]]
    return {"one": values[0], "two/~": values[1]} if made["kind"] == "dict" else values[0]


async def _fresh_composed(reads: Reads, made: Query, at: Time) -> Any:
    async def read(step: dict[str, Any]) -> Any:
        table = TABLES[step["in"]]
        if step["how"] == "get":
            step = _single(step)
        elif step.get("follows") == "ids":
            more, filter_ = step["filter"]["$and"]
            more = {"_id": {"$in": [_stored_id(table, id_) for id_ in more["_id"]["$in"]]}}
            step = {**step, "filter": {"$and": [more, filter_]}}
        if step.get("how") == "count":
            return await reads.count(step["in"], _filter(step, at), at=at)
        stored, names = await _stored(reads, step, at), shown_names(step)
        return [(str(one["_id"]), {name: one.get(name) for name in names}) for one in stored]

    values = to_json(await awaited(made, read))
    if made["shows"] == "awaited":
        return values
    last = await _read(reads, made["finds"][-1], at)
    return _together(made, values, lambda: last)


def _single(made: Query) -> dict[str, Any]:
    """A get, as a find."""
    stored = _stored_id(TABLES[made["in"]], made["id"])
    return {"in": made["in"], "filter": {"_id": stored}, "sort": []}


def _stored_id(table: type[Document], named: str) -> Any:
    """Only a table that declares its ids ObjectIds turns what a client names back into one."""
    return ObjectId(named) if table.object_id and ObjectId.is_valid(named) else named


async def _stored(reads: Reads, spec: dict[str, Any], at: Time) -> list[dict[str, Any]]:
    """The stored documents of a find, in the order in which they are shown."""
    order = _order(spec)
    if not any(path == "_id" for path, _ in order):
        order.append(("_id", order[-1][1] if order else 1))
    if "last" in spec:
        order = [(path, -direction) for path, direction in order]
    limit = spec.get("limit", spec.get("last", 0))
    assert limit < limits.RESULT_DOCUMENTS_MAX
    found = await reads.find(spec["in"], _filter(spec, at), at=at, sort=order, limit=limit)
    return found[::-1] if "last" in spec else found


def _filter(spec: dict[str, Any], at: Time) -> dict[str, Any]:
    """With the sliding window of time as it stands at `at`."""
    if "within" not in spec:
        return spec["filter"]
    field, period_ms = spec["within"]
    return {"$and": [spec["filter"], {field: {"$gt": DatetimeMS(at.seconds * 1000 - period_ms)}}]}


async def _fresh_page(reads: Reads, spec: dict[str, Any], at: Time) -> dict[str, Any]:
    """Cut out of the whole list, as MongoDB sorts it, by the order of sort keys."""
    order = total_sort(_order(spec))
    place = compile_sort(order)
    after, until = (place(spec[name]) if name in spec else None for name in ("after", "until"))
    some = [
        one
        for one in await _stored(reads, spec, at)
        if (after is None or after < place(one)) and (until is None or not until < place(one))
    ]
    shape, size = shape_of(TABLES[spec["in"]]), spec["size"]
    shown = some if until is not None else some[:size]
    if until is not None:
        end = cursor_of(order, spec["until"])
        split = cursor_of(order, some[len(some) // 2]) if len(some) > 2 * size else None
    else:
        split = None
        after_cursor = cursor_of(order, spec["after"]) if "after" in spec else None
        end = cursor_of(order, shown[-1]) if shown else after_cursor
    return {
        "page": [show(hold(one, shape), shape) for one in shown],
        "isDone": until is None and len(some) <= size,
        "continueCursor": end,
        "splitCursor": split,
    }


async def _read(reads: Reads, spec: dict[str, Any], at: Time) -> list[Any]:
    shape = shape_of(TABLES[spec["in"]])
    documents = await _stored(reads, spec, at)
    if "view" in spec:
        return [VIEWS[spec["view"]][1](one) for one in documents]
    shown = [show(hold(one, shape), shape) for one in documents]
    if "fields" in spec:
        names = dict.fromkeys(("_id", *spec["fields"]))
        return [{name: one[name] for name in names if name in one} for one in shown]
    return shown


def canonical(shown: Any) -> bytes:
    """The same bytes for the same JSON value, whatever the order of its fields; -0.0 is 0.0."""
    return orjson.dumps(shown, option=orjson.OPT_SORT_KEYS).replace(b"-0.0", b"0.0")
