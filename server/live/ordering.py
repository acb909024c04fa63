"""MongoDB's order over values, as keys that Python can compare.

Source: the MongoDB manual, "Comparison/Sort Order"; the behaviour of 6.0 was checked against a
real mongod (tests/live/test_matching_oracle.py).
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from bson import (
    Binary,
    Code,
    DatetimeMS,
    DBRef,
    Decimal128,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)

from server.live.paths import MISSING, sort_leaves
from server.live.text import ChunkText

__all__ = [
    "NAN_KEY",
    "Key",
    "NotCompiled",
    "Order",
    "Sort",
    "Unsortable",
    "bson_key",
    "compile_sort",
    "total_sort",
]

Key = tuple[Any, ...]
"""Two keys compare as MongoDB compares the values; equal keys are equal values."""

Sort = Sequence[tuple[str, int]]

_MIN, _UNDEFINED, _NULL, _NUMBER, _STRING, _OBJECT, _ARRAY, _BINARY = range(-1, 7)
_OBJECT_ID, _BOOLEAN, _DATE, _TIMESTAMP, _REGEX, _CODE, _MAX = range(7, 14)

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)

UNDEFINED_KEY: Key = (_UNDEFINED,)
NAN_KEY: Key = (_NUMBER, 0)


def bson_key(value: Any) -> Key:
    """The key of one value. A missing value orders, and equals, as null."""
    kind = cast("object", value).__class__
    if kind is str:
        return (_STRING, value)
    if value is None or value is MISSING:
        return (_NULL,)
    if kind is bool:
        return (_BOOLEAN, value)
    if isinstance(value, int):
        return (_NUMBER, 1, value)
    if isinstance(value, float):
        return NAN_KEY if math.isnan(value) else (_NUMBER, 1, value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (_DATE, round((aware - _EPOCH) / _MILLISECOND))
    if isinstance(value, ObjectId):
        return (_OBJECT_ID, value.binary)
    if isinstance(value, DBRef):
        return bson_key(value.as_doc())
    if isinstance(value, Mapping):
        return (_OBJECT, tuple(_field_key(str(k), v) for k, v in value.items()))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, ChunkText):
        value = value.chunks()
    if isinstance(value, list | tuple):
        return (_ARRAY, tuple(_field_key("", item) for item in value))  # pyright: ignore[reportUnknownVariableType]
    return _rare_key(value)


def _field_key(name: str, value: Any) -> Key:
    key = bson_key(value)
    return (key[0], name, key)


def _rare_key(value: Any) -> Key:
    match value:
        case DatetimeMS():
            return (_DATE, int(value))
        case Decimal128():
            number = value.to_decimal()
            return NAN_KEY if number.is_nan() else (_NUMBER, 1, number)
        case UUID():
            return (_BINARY, 16, 4, value.bytes)
        case Binary():
            return (_BINARY, len(value), value.subtype, bytes(value))
        case bytes():
            return (_BINARY, len(value), 0, value)
        case Timestamp():
            return (_TIMESTAMP, value.time, value.inc)
        case Code():
            return (_CODE, str(value), bson_key(value.scope))
        case Regex() | re.Pattern():
            return (_REGEX, str(value.pattern), int(value.flags))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        case MinKey():
            return (_MIN,)
        case MaxKey():
            return (_MAX,)
        case _:
            raise TypeError(f"{type(value).__name__} is not a BSON value.")


class NotCompiled(Exception):
    """A filter or sort says something that only MongoDB can judge; the message names it."""


class Unsortable(Exception):
    """MongoDB refuses to sort the document: two paths of the order lead to arrays side by side."""


class _Reversed:
    """A key that orders the other way round."""

    __slots__ = ("key",)

    def __init__(self, key: Key) -> None:
        self.key = key

    def __lt__(self, other: "_Reversed") -> bool:
        return other.key < self.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.key == other.key

    __hash__ = None  # type: ignore[assignment]  # compared, never a key


Order = Callable[[Mapping[str, Any]], Key]
"""From a stored document to its sort key."""


def total_sort(sort: Sort) -> list[tuple[str, int]]:
    """`sort` with ``_id`` at its end, so that no two documents are equal in it."""
    fields = list(sort)
    if any(path == "_id" for path, _ in fields):
        return fields
    direction = fields[-1][1] if fields else 1
    return [*fields, ("_id", direction)]


def compile_sort(sort: Sort) -> Order:
    """A function that gives each document's key under `sort`, which must be total.

    The function raises `Unsortable` of a document that MongoDB would refuse.

    Raises:
        NotCompiled: A path counts into an array.
    """
    parts = [(path, tuple(path.split(".")), direction) for path, direction in sort]
    if any(step.isdigit() for _, steps, _ in parts for step in steps):
        raise NotCompiled("a sort path with a number in it is judged by MongoDB")

    several = [steps for path, steps, _ in parts if path != "_id"]

    def key(document: Mapping[str, Any]) -> Key:
        out: list[Any] = []
        if len(several) > 1:
            _refuse_parallel(document, several)
        for path, steps, direction in parts:
            value = document.get(path, MISSING) if len(steps) == 1 else None
            if len(steps) == 1 and not isinstance(value, list | ChunkText):
                one = bson_key(value)
            else:
                one = _array_aware_key(document, steps, direction)
            out.append(one if direction > 0 else _Reversed(one))
        return tuple(out)

    return key


def _refuse_parallel(document: Mapping[str, Any], paths: Sequence[tuple[str, ...]]) -> None:
    """Raise where two paths lead to different arrays.

    Source: MongoDB's sort keys are index keys, and no index spans two arrays side by side.
    """
    met: list[tuple[Any, tuple[str, ...]]] = []
    for steps in paths:
        value: Any = document
        while steps and isinstance(value, Mapping):
            value, steps = value.get(steps[0], MISSING), steps[1:]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(value, list | ChunkText):
            met.append((cast("Any", value), steps))
    if len(met) < 2:
        return
    array = met[0][0]
    if any(other is not array for other, _ in met):
        raise Unsortable
    rest = [steps for _, steps in met if steps]
    for item in cast("list[Any]", array) if rest and isinstance(array, list) else ():
        if isinstance(item, Mapping):
            _refuse_parallel(cast("Mapping[str, Any]", item), rest)


def _array_aware_key(document: Mapping[str, Any], steps: tuple[str, ...], direction: int) -> Key:
    """An array sorts by its least element when ascending, by its greatest when descending."""
    keys: list[Key] = []
    for value in sort_leaves(document, steps):
        items = value.chunks() if isinstance(value, ChunkText) else value
        if isinstance(items, list):
            keys.extend(bson_key(item) for item in items)  # pyright: ignore[reportUnknownVariableType]
            if not items:
                keys.append(UNDEFINED_KEY)
        else:
            keys.append(bson_key(items))
    if not keys:
        return bson_key(None)
    return min(keys) if direction > 0 else max(keys)
