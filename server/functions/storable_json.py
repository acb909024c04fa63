"""JSON that somebody else wrote, fit to be stored."""

import json
from typing import Any, cast

__all__ = ["storable_json"]

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_DEPTH_MAX = 60


def storable_json(value: Any, depth: int = 0) -> Any:
    """`value` with what BSON cannot hold written otherwise; anything else is the same.

    Integers of more than 64 bits become strings, as does what lies deeper than 60 levels (its
    JSON); a NUL in a name, and half a character, become U+FFFD.
    """
    match value:
        case bool() | None | float():
            return value
        case int():
            return value if _INT_MIN <= value <= _INT_MAX else str(value)
        case str():
            return _encodable(value)
        case dict() | list() if depth == _DEPTH_MAX:
            return json.dumps(value)
        case dict():
            return {
                _encodable(name).replace("\0", "\ufffd"): storable_json(one, depth + 1)
                for name, one in cast("dict[str, Any]", value).items()
            }
        case list():
            return [storable_json(one, depth + 1) for one in cast("list[Any]", value)]
        case _:
            return value


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
