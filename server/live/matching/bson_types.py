"""The tests that ``$type`` makes of one value."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from bson import (
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

from server.live.matching.checks import Check, any_of, open_question
from server.live.ordering import NotCompiled
from server.live.text import ChunkText

__all__ = ["of_type"]

_CODES: Final[Mapping[int, str]] = {
    -1: "minKey",
    1: "double",
    2: "string",
    3: "object",
    4: "array",
    5: "binData",
    6: "undefined",
    7: "objectId",
    8: "bool",
    9: "date",
    10: "null",
    11: "regex",
    12: "dbPointer",
    13: "javascript",
    14: "symbol",
    15: "javascriptWithScope",
    16: "int",
    17: "timestamp",
    18: "long",
    19: "decimal",
    127: "maxKey",
}

_BLURRED: Final = frozenset({"undefined", "dbPointer", "symbol"})
"""Types long out of use that PyMongo gives back as another's values."""

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "minKey": (MinKey,),
    "double": (float,),
    "object": (dict, DBRef),
    "array": (list, ChunkText),
    "binData": (bytes, UUID),
    "objectId": (ObjectId,),
    "bool": (bool,),
    "date": (datetime, DatetimeMS),
    "null": (type(None),),
    "regex": (Regex,),
    "timestamp": (Timestamp,),
    "long": (Int64,),
    "decimal": (Decimal128,),
    "maxKey": (MaxKey,),
}

_TESTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda value: value.__class__ is str,
    "int": lambda value: value.__class__ is int,
    "number": lambda value: value.__class__ in (int, float, Int64, Decimal128),
    "javascript": lambda value: isinstance(value, Code) and value.scope is None,
    "javascriptWithScope": lambda value: isinstance(value, Code) and value.scope is not None,
}


def of_type(operand: Any) -> Check:
    """``$type``: a number, a name, or a list of them."""
    operands = cast("list[Any]", operand) if isinstance(operand, list) else [operand]
    if not operands:
        raise NotCompiled("MongoDB refuses an empty list in $type")
    return any_of([_of_one_type(one) for one in operands])


def _of_one_type(operand: Any) -> Check:
    name = operand if isinstance(operand, str) else _name_of(operand)
    if name in _BLURRED:
        return open_question(f"the type {name} is judged by MongoDB")
    if name in _TESTS:
        return Check(_TESTS[name])
    if name not in _KINDS:
        raise NotCompiled(f"MongoDB refuses the type {operand!r}")
    kinds = _KINDS[name]
    return Check(lambda value: isinstance(value, kinds))


def _name_of(operand: Any) -> str:
    if isinstance(operand, Decimal128):
        operand = operand.to_decimal()
    if isinstance(operand, bool):
        return ""
    return next((name for code, name in _CODES.items() if code == operand), "")
