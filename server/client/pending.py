"""What a reader has not been told yet, merged: it does not grow with what the reader misses."""

from typing import Any

from server.client import limits
from server.client.results import Step

__all__ = ["Pending"]


class Pending:
    """The changed queries, each with the operations that lead from what the reader knows."""

    def __init__(self) -> None:
        self._patches: dict[str, list[Any] | None] = {}
        self._bytes = 0

    def add(self, id_: str, step: Step, size: int) -> None:
        """A query has changed by a message of `size` bytes."""
        if not step.changed:
            return
        known = self._patches.get(id_, [])
        if step.patch is None or known is None:
            self._patches[id_] = None  # a value as a whole contains what came after it
            return
        self._bytes += size
        operations = [*known, *step.patch] if known else step.patch
        within = len(operations) <= limits.PENDING_OPERATIONS_MAX
        self._patches[id_] = operations if within else None
        if self._bytes > limits.PENDING_BYTES_MAX:
            self._patches = dict.fromkeys(self._patches)

    def take(self) -> dict[str, list[Any] | None]:
        """All of it: for each changed query its patch, None where there is none to show."""
        taken, self._patches = self._patches, {}
        self._bytes = 0
        return taken
