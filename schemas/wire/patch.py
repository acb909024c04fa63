"""A patch: RFC 6902 operations, and ``append``, which extends a string.

Source: RFC 6902 (JSON Patch), RFC 6901 (JSON Pointer). ``append`` is ours: it costs what is
appended, where ``replace`` costs the whole string.
"""

from typing import Any, Literal, NotRequired, TypedDict

__all__ = ["Operation", "Patch", "escape"]

Operation = TypedDict(
    "Operation",
    {
        "op": Literal["add", "remove", "replace", "move", "append"],
        "path": str,
        "from": NotRequired[str],  # of a move
        "value": NotRequired[Any],  # of add, replace and append
    },
)

Patch = list[Operation]


def escape(key: str) -> str:
    """`key` as one reference token of a JSON pointer."""
    if "~" in key or "/" in key:
        return key.replace("~", "~0").replace("/", "~1")
    return key
