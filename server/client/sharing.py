"""Two equal values become one, so that a snapshot does not look like a change."""

from typing import Any, cast

from server.client import limits

__all__ = ["shared"]


def shared(old: Any, new: Any, depth: int = 0) -> Any:
    """`new`, with what is equal in `old` taken from there; `old` itself where all of it is.

    Equal as JSON is, where true is not 1. Documents in lists are found by their place, and those
    that have moved by their ``_id``.
    """
    if type(old) is not type(new) or depth > limits.SHARED_DEPTH_MAX:
        return new
    if isinstance(new, dict):
        return _shared_objects(old, cast("dict[str, Any]", new), depth)
    if isinstance(new, list):
        return _shared_lists(old, cast("list[Any]", new), depth)
    return old if old == new else new


def _shared_objects(old: dict[str, Any], new: dict[str, Any], depth: int) -> dict[str, Any]:
    made = {
        key: shared(old[key], value, depth + 1) if key in old else value
        for key, value in new.items()
    }
    same = len(old) == len(made) and all(
        key in old and old[key] is value for key, value in made.items()
    )
    return old if same else made


def _shared_lists(old: list[Any], new: list[Any], depth: int) -> list[Any]:
    by_id = {one["_id"]: one for one in old if _has_id(one)}
    made = [
        shared(_counterpart(value, index, old, by_id), value, depth + 1)
        for index, value in enumerate(new)
    ]
    same = len(old) == len(made) and all(a is b for a, b in zip(old, made, strict=True))
    return old if same else made


def _counterpart(value: Any, index: int, old: list[Any], by_id: dict[str, Any]) -> Any:
    there: Any = old[index] if index < len(old) else None
    if not _has_id(value) or (_has_id(there) and there["_id"] == value["_id"]):
        return there
    return by_id.get(value["_id"])


def _has_id(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(cast("dict[str, Any]", value).get("_id"), str)
