"""The present, as MongoDB tells it."""

from typing import Any, Final

__all__ = ["NOW"]

_CLUSTER_SECOND: Final[dict[str, Any]] = {
    "$dateAdd": {"startDate": "$$CLUSTER_TIME", "unit": "second", "amount": 0}
}

NOW: Final[dict[str, Any]] = {"$max": ["$$NOW", _CLUSTER_SECOND]}
"""The present in an update by a pipeline, or under ``$expr``: MongoDB's clock, or the cluster's
time where that is ahead, as it is where another member's clock was.

Sliding windows of time are measured by positions, which are cluster times; what is written down by
any other clock than the later of the two could be too old for a window from the beginning.
"""
