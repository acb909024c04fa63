"""When documents of a sliding window leave it, the next of them at hand."""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import Any

__all__ = ["Departures"]

SPARE = 64
"""What may be noted of documents that have left or stay longer, beyond the number of the others."""


class Departures:
    """The departures of one window, by second.

    A document that leaves before, or stays longer, is not looked for in here: what was noted of it
    is passed over when its time comes, and forgotten where too much of that has gathered.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Any]] = []
        self._noted = 0

    def __len__(self) -> int:
        """How many are noted, those that will be passed over among them."""
        return len(self._heap)

    def note(self, id_: Any, second: int) -> None:
        """The document `id_` leaves at `second`."""
        self._noted += 1  # before the id, which may not be comparable
        heappush(self._heap, (second, self._noted, id_))

    def overfull(self, count: int) -> bool:
        """Whether too much is noted for `count` documents; then note all of them anew."""
        return len(self) > 2 * count + SPARE

    def renew(self, departures: Iterable[tuple[Any, int]]) -> None:
        """These documents leave at these seconds, and no others."""
        self._heap = [(second, n, id_) for n, (id_, second) in enumerate(departures)]
        heapify(self._heap)

    def next(self, now: Callable[[Any], int | None]) -> tuple[int, Any] | None:
        """The second of the next departure and whose it is; None where there is none.

        Args:
            now: The second at which a document leaves, as it is now; None where it has left.
        """
        while self._heap:
            second, _, id_ = self._heap[0]
            if now(id_) == second:
                return second, id_
            heappop(self._heap)
        return None
