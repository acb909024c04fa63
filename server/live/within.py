"""A sliding window of time: documents leave when a date of theirs is too long ago.

Now is the second of the position, never a clock of our own; so a result is the same for everybody
at one position, and time passes when the position moves.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bson.datetime_ms import DatetimeMS

from server.live.ordering import bson_key
from server.live.paths import leaves

__all__ = ["Within"]

_DATE = bson_key(DatetimeMS(0))[0]
_EARLIEST_MS, _LATEST_MS = -(2**63), 2**63 - 1


class Within(NamedTuple):
    """The documents whose `field` is a date less than `period_ms` ago.

    Attributes:
        field: A stored path; of several dates in an array the latest counts.
        period_ms: In milliseconds.
    """

    field: str
    period_ms: int

    def departure(self, document: Mapping[str, Any]) -> int:
        """The second since the epoch from which on `document` is out; 0 where it has no date."""
        latest: int | None = None
        for value in self._values(document):
            key = bson_key(value)
            if key[0] == _DATE and (latest is None or key[1] > latest):
                latest = key[1]
        return 0 if latest is None else -(-(latest + self.period_ms) // 1000)

    def single(self, document: Mapping[str, Any]) -> bool:
        """Whether the field of `document` is one value."""
        return sum(1 for _ in self._values(document)) == 1

    def _values(self, document: Mapping[str, Any]) -> Iterator[Any]:
        for leaf in leaves(document, tuple(self.field.split("."))):
            yield from leaf if isinstance(leaf, list) else (leaf,)  # pyright: ignore[reportUnknownVariableType]

    def condition(self, second: int) -> dict[str, Any]:
        """The filter of what is in at `second`."""
        bound = min(max(second * 1000 - self.period_ms, _EARLIEST_MS), _LATEST_MS)
        return {self.field: {"$gt": DatetimeMS(bound)}}
