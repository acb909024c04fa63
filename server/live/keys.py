"""Keys of stored values: they compare, and are equal, as MongoDB's values do.

Source: the MongoDB manual, "Comparison/Sort Order"; the behaviour of 6.0 was checked against a
real mongod (tests/live/test_matching_oracle.py).
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast
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

from server.live.paths import MISSING
from server.live.text import ChunkText

__all__ = ["MAX_KEY", "MIN_KEY", "NAN_KEY", "NULL_KEY", "UNDEFINED_KEY", "Key", "bson_key"]

Key = tuple[Any, ...]
"""Its first part is the rank of the value's type; keys of one rank are keys of one type."""

_MIN, _UNDEFINED, _NULL, _NUMBER, _STRING, _OBJECT, _ARRAY, _BINARY = range(-1, 7)
_OBJECT_ID, _BOOLEAN, _DATE, _TIMESTAMP, _REGEX, _CODE, _SCOPED_CODE, _MAX = range(7, 15)

MIN_KEY: Final[Key] = (_MIN,)
UNDEFINED_KEY: Final[Key] = (_UNDEFINED,)
NULL_KEY: Final[Key] = (_NULL,)
NAN_KEY: Final[Key] = (_NUMBER, 0)
MAX_KEY: Final[Key] = (_MAX,)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FLAG_OF = {
    re.IGNORECASE: "i",
    re.LOCALE: "l",
    re.MULTILINE: "m",
    re.DOTALL: "s",
    re.UNICODE: "u",
    re.VERBOSE: "x",
}


def bson_key(value: Any) -> Key:
    """The key of one value. A missing value orders, and equals, as null.

    Raises:
        TypeError: It is not a BSON value.
    """
    kind = cast("object", value).__class__
    if kind is str:
        return (_STRING, value)
    if value is None or value is MISSING:
        return NULL_KEY
    if kind is bool:
        return (_BOOLEAN, value)
    if isinstance(value, int):
        return (_NUMBER, 1, value)
    if isinstance(value, float):
        return NAN_KEY if math.isnan(value) else (_NUMBER, 1, value)
    if isinstance(value, datetime):
        since = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH
        return (_DATE, since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000)
    if isinstance(value, ObjectId):
        return (_OBJECT_ID, value.binary)
    if isinstance(value, Mapping):
        return (_OBJECT, tuple(_field_key(k, v) for k, v in value.items()))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, ChunkText):
        value = value.chunks()
    if isinstance(value, list | tuple):
        return (_ARRAY, tuple(_field_key("", item) for item in value))  # pyright: ignore[reportUnknownVariableType]
    return _rare_key(value)


def _field_key(name: str, value: Any) -> Key:
    """Of a field in a document: types are compared before names, and names before values."""
    key = bson_key(value)
    return (key[0], name, key)


def _rare_key(value: Any) -> Key:
    match value:
        case DatetimeMS():
            return (_DATE, int(value))
        case DBRef():
            return bson_key(value.as_doc())
        case Decimal128():
            number = value.to_decimal()
            return NAN_KEY if number.is_nan() else (_NUMBER, 1, number)
        case UUID():
            return _binary_key(value.bytes, 4)
        case Binary():
            return _binary_key(bytes(value), value.subtype)
        case bytes():
            return _binary_key(value, 0)
        case Timestamp():
            return (_TIMESTAMP, value.time, value.inc)
        case Code():
            if value.scope is None:
                return (_CODE, str(value))
            return (_SCOPED_CODE, str(value), bson_key(value.scope))
        case Regex() | re.Pattern():
            flags = "".join(letter for flag, letter in _FLAG_OF.items() if value.flags & flag)
            return (_REGEX, str(value.pattern), flags)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        case MinKey():
            return MIN_KEY
        case MaxKey():
            return MAX_KEY
        case _:
            raise TypeError(f"{type(value).__name__} is not a BSON value.")


def _binary_key(value: bytes, subtype: int) -> Key:
    """Shorter is less; the old subtype 2 carries its length once more, and counts it."""
    return (_BINARY, len(value) + (4 if subtype == 2 else 0), subtype, value)
