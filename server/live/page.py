"""Pages of a sorted list, bounded by sort keys instead of counts.

A page begins after a cursor: the sort key of the last document of the page before it. Once the
next page is shown too, it ends at a cursor as well, so that a document that comes or goes moves
none from one page to another.
"""

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import bson
from bson import CodecOptions, DatetimeConversion, Regex
from bson.errors import BSONError

from server.core.errors import InvalidArguments
from server.live.ordering import bson_key
from server.live.text import ChunkText

__all__ = [
    "CURSOR_CHARACTERS_MAX",
    "PageBounds",
    "cursor_of",
    "page_end",
    "page_filter",
    "sort_values",
]

CURSOR_CHARACTERS_MAX = 8_192
"""A longer cursor is refused; a sort key of a few fields is far shorter."""

_CODEC = CodecOptions[dict[str, Any]](datetime_conversion=DatetimeConversion.DATETIME_AUTO)

Sort = Sequence[tuple[str, int]]
Condition = dict[str, Any]

_NULL = bson_key(None)[0]
_NUMBER = bson_key(0)[0]
_NAN = bson_key(math.nan)
_BRACKETS = (
    (bson_key(bson.MinKey())[0], "minKey"),
    (_NULL, "null"),
    (_NUMBER, "number"),
    (bson_key("")[0], "string"),
    (bson_key({})[0], "object"),
    (bson_key(b"")[0], "binData"),
    (bson_key(bson.ObjectId("0" * 24))[0], "objectId"),
    (bson_key(False)[0], "bool"),
    (bson_key(bson.DatetimeMS(0))[0], "date"),
    (bson_key(bson.Timestamp(0, 0))[0], "timestamp"),
    (bson_key(bson.MaxKey())[0], "maxKey"),
)
"""The ranks of the types in the order of values, each with its name for ``$type``."""


@dataclass(frozen=True)
class PageBounds:
    """Which page of a list.

    Attributes:
        size: How many documents a page without an end has.
        after: The cursor that it begins after; None for the first page.
        until: The cursor that it ends with; None while no page follows.
    """

    size: int
    after: str | None
    until: str | None


def cursor_of(sort: Sort, document: Mapping[str, Any]) -> str:
    """The cursor of a document in the order `sort`."""
    key = {"s": _name(sort), "k": sort_values(sort, document)}
    return base64.urlsafe_b64encode(bson.encode(key)).decode()


def sort_values(sort: Sort, document: Mapping[str, Any]) -> list[Any]:
    """The values by which a page has its document in its place.

    Raises:
        ValueError: One of them is an array, by which it would have a place in several pages.
    """
    return [_value_at(document, path) for path, _ in sort]


def page_end(
    sort: Sort,
    bounds: PageBounds,
    documents: Callable[[int], Mapping[str, Any]],
    count: int,
    *,
    more: bool,
) -> dict[str, Any]:
    """What a page says of what follows it.

    Args:
        sort: The order of the list.
        bounds: Of the page.
        documents: Gives those of the page by their place in it.
        count: How many they are.
        more: Whether there are more than a page without an end shows.

    Returns:
        ``isDone``: nothing follows. ``continueCursor``: where the next page begins.
        ``splitCursor``: where to divide a page that has grown to more than twice its size, or None.
    """
    if bounds.until is None:
        cursor = cursor_of(sort, documents(count - 1)) if count else bounds.after
        return {"isDone": not more, "continueCursor": cursor, "splitCursor": None}
    split = cursor_of(sort, documents(count // 2)) if count > 2 * bounds.size else None
    return {"isDone": False, "continueCursor": bounds.until, "splitCursor": split}


def page_filter(sort: Sort, bounds: PageBounds) -> Condition:
    """The filter of the documents that lie within `bounds`.

    Raises:
        InvalidArguments: A cursor is none, or one of another order.
    """
    after = None if bounds.after is None else _values(sort, bounds.after)
    until = None if bounds.until is None else _values(sort, bounds.until)
    conditions: list[Condition] = []
    if after is not None:
        conditions.append(_beyond(sort, after))
    if until is not None:
        back = [(path, -direction) for path, direction in sort]
        conditions.append({"$or": [*_beyond(back, until)["$or"], _equal(sort, until)]})
    conditions += _hull(sort, after, until)
    return {"$and": conditions} if conditions else {}


def _beyond(sort: Sort, values: list[Any]) -> Condition:
    """What comes after the key `values`: it is beyond in one field and equal in those before."""
    branches: list[Condition] = []
    for index, (path, direction) in enumerate(sort):
        before = _equal(sort[:index], values[:index])
        branches += [{**before, path: one} for one in _past(values[index], direction)]
    return {"$or": branches}


def _equal(sort: Sort, values: list[Any]) -> Condition:
    return {path: {"$eq": value} for (path, _), value in zip(sort, values, strict=True)}


def _past(value: Any, direction: int) -> list[Condition]:
    """Conditions of which a value past `value` fulfils one; an operator compares one type only."""
    rank = bson_key(value)[0]
    names = [name for r, name in _BRACKETS if (r > rank if direction > 0 else r < rank)]
    conditions: list[Condition] = []
    if bson_key(value) == _NAN:  # less than all numbers, and no operator says so
        if direction > 0:
            conditions.append({"$type": "number", "$ne": value})
    elif rank not in {_NULL, _BRACKETS[0][0], _BRACKETS[-1][0]}:
        conditions.append({"$gt" if direction > 0 else "$lt": value})
        if rank == _NUMBER and direction < 0:
            conditions.append({"$eq": math.nan})
    if "null" in names:
        names.remove("null")
        conditions.append({"$eq": None})  # and what is missing
    if names:
        conditions.append({"$type": names})
    return conditions


def _hull(sort: Sort, after: list[Any] | None, until: list[Any] | None) -> list[Condition]:
    """Bounds that an index understands: of the first field in which the two ends differ.

    They keep nothing out that lies within the page, which other conditions say exactly.
    """
    conditions: list[Condition] = []
    for index, (path, direction) in enumerate(sort):
        ends = [None if end is None else end[index] for end in (after, until)]
        if after is None or until is None or bson_key(ends[0]) != bson_key(ends[1]):
            return conditions + _between(path, *(ends if direction > 0 else reversed(ends)))
        conditions.append({path: {"$eq": ends[0]}})
    return conditions


def _between(path: str, low: Any, high: Any) -> list[Condition]:
    """Bounds of one field; null is none. An operator compares one type, and keeps out no other."""
    keys = bson_key(low), bson_key(high)
    bounded = [len(key) > 1 and key != _NAN for key in keys]
    if all(bounded) and keys[0][0] == keys[1][0]:
        return [{path: {"$gte": low, "$lte": high}}]
    ends = zip(("$lt", "$gt"), (low, high), bounded, strict=True)
    return [{path: {"$not": {operator: end}}} for operator, end, bound in ends if bound]


def _value_at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for step in path.split("."):
        if isinstance(value, list | ChunkText):
            break
        value = value.get(step) if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(value, list | ChunkText | Regex):
        raise ValueError(
            f"A page cannot be sorted by {path!r}: a document has an array or a pattern there."
        )
    return value  # pyright: ignore[reportUnknownVariableType]


def _values(sort: Sort, cursor: str) -> list[Any]:
    """What `cursor_of` put into `cursor`."""
    try:
        if len(cursor) > CURSOR_CHARACTERS_MAX:
            raise ValueError("too long")
        found = bson.decode(base64.b64decode(cursor.encode("ascii"), b"-_", validate=True), _CODEC)
        values = cast("list[Any]", found["k"])
        if found["s"] != _name(sort) or len(values) != len(sort):
            raise ValueError("of another order")
        if not isinstance(found["k"], list) or any(isinstance(v, list | Regex) for v in values):
            raise ValueError("of another kind")
        for value in values:
            bson_key(value)
    except (ValueError, KeyError, TypeError, BSONError, RecursionError) as error:
        raise InvalidArguments(
            "That is no cursor of this list. Cursors are the continueCursor of a page, handed "
            "back as it was given."
        ) from error
    return values


def _name(sort: Sort) -> str:
    """The order, by which its cursors are told from those of another."""
    return ",".join(f"{'-' if direction < 0 else ''}{path}" for path, direction in sort)
