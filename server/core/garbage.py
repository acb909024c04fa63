"""How often Python looks for cycles among the objects of a server."""

import gc

__all__ = ["collect_less_garbage"]

GC_ALLOCATIONS = 50_000
"""Objects made, beyond those let go, before Python looks for cycles among the youngest."""


def collect_less_garbage() -> None:
    """Leave what has been started alone, and look for cycles less often.

    A burst of change events makes many short-lived values and hardly a cycle; at Python's own
    threshold looking for cycles takes a third of the time that it takes to take the burst in. Two
    batches of the feed are about 20,000 objects: as many may be alive with no search at all.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS)
