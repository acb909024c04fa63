"""Who asks, as far as the application cares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

__all__ = ["ANONYMOUS", "Caller"]


@dataclass(frozen=True)
class Caller:
    """What `authenticate` made of a request.

    A function that declares a parameter of this type is given it. Queries that do have one live
    result for each caller; two callers are the same when `id` and `claims` are equal.

    Attributes:
        id: The application's name for this person or program.
        claims: What else a function may want to know; JSON-ready. Keep secrets out of it.
    """

    id: str
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def key(self) -> str:
        """The same for equal callers, different for others."""
        return orjson.dumps([self.id, dict(self.claims)], option=orjson.OPT_SORT_KEYS).decode()


ANONYMOUS = Caller("anonymous")
"""Everybody, where the application has no `authenticate`."""
