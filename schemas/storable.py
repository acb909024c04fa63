"""A Python value as MongoDB stores it, wherever a developer may have written one."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel

__all__ = ["storable"]


def storable(value: Any) -> Any:
    """`value` with models as documents, enums as their values, sets and tuples as lists.

    A UUID and a plain date become strings, and a time loses what is finer than the milliseconds
    that BSON keeps, so that what is given back is what is stored. Anything else stays.
    """
    match value:
        case None | str() | bool() | int() | float() if not isinstance(value, Enum):
            return value
        case BaseModel():
            return storable(value.model_dump(by_alias=True))
        case Enum():
            return storable(value.value)
        case Mapping():
            return {key: storable(one) for key, one in cast("Mapping[str, Any]", value).items()}
        case list() | tuple() | set() | frozenset():
            return [storable(one) for one in cast("list[Any]", value)]
        case datetime():
            return value.replace(microsecond=value.microsecond // 1000 * 1000)
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
        case _:
            return value
