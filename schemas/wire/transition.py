"""A transition: what moves a client from one position to a later one."""

from typing import Any, NotRequired, TypedDict

from schemas.wire.patch import Patch

__all__ = ["QueryChange", "Transition"]


class QueryChange(TypedDict, total=False):
    """What became of one query: exactly one of `snapshot`, `patch` and `error`.

    `at` names the position at which the value is true, where that is earlier than the
    transition's own.
    """

    snapshot: Any
    patch: Patch
    error: dict[str, Any]
    at: str


Transition = TypedDict(
    "Transition",
    {
        "queries": dict[str, QueryChange],
        # In the first transition after a connect: the position that it continues, or null.
        "from": NotRequired[str | None],
    },
)
