"""Writes that wait, of which only the newest values count: what is made next, and when."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import bson

from schemas.wire.position import Time
from server.core.errors import TooMany
from server.store.clock import NOW

__all__ = ["Latest", "LatestQueue", "Otherwise", "setting"]

INTERVAL_SECONDS = 0.1
"""Between two writes of one group."""
EACH_SECONDS = 0.004
"""What each document adds to that, so that those who look at a group are told of 250 changes a
second at the most, however many documents it has."""
TOGETHER_MAX = 500
"""Documents in one write."""
WAITING_MAX = 10_000
"""Documents that wait. More: 429."""

Otherwise = Callable[[Mapping[str, Any]], Awaitable[Time]]
"""What is done with the newest values where no document matches; gives its cluster time."""


@dataclass(eq=False)
class Latest:
    """What waits to be written to one document.

    Attributes:
        key: Its collection, and its filter as bytes.
        query: Which document.
        together: Its group: whatever is looked at together.
        fields: The newest value of each.
        now: The fields that become the present.
        otherwise: What the last who came wants done where none matches.
        written: The cluster time, when it is done.
    """

    key: tuple[str, bytes]
    query: Mapping[str, Any]
    together: str
    otherwise: Otherwise
    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    now: set[str] = field(default_factory=set[str])
    written: "asyncio.Future[Time]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def collection(self) -> str:
        """Where it is to be written."""
        return self.key[0]

    @property
    def group(self) -> tuple[str, str]:
        """With what it is looked at."""
        return self.collection, self.together


def setting(fields: Mapping[str, Any], now: Iterable[str]) -> list[dict[str, Any]]:
    """The update that gives `fields` these values, and those of `now` the present."""
    values = {name: {"$literal": value} for name, value in fields.items()}
    return [{"$set": {**values, **dict.fromkeys(sorted(now), NOW)}}]


class LatestQueue:
    """What waits, by filter. No clock of its own: whoever asks says what time it is.

    A document is at work from `take` to `done`; what comes for it meanwhile waits. A group waits
    after each write for `INTERVAL_SECONDS`, and longer where it was a large one.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, bytes], Latest] = {}
        self._at_work: set[tuple[str, bytes]] = set()
        self._due: dict[tuple[str, str], float] = {}

    def add(
        self,
        collection: str,
        query: Mapping[str, Any],
        fields: Mapping[str, Any],
        now: Iterable[str],
        together: str,
        otherwise: Otherwise,
    ) -> Latest:
        """Let values wait, in the place of older ones that wait under the same filter.

        Raises:
            TooMany: As many documents wait as may.
        """
        key = collection, bson.encode(query)
        one = self._waiting.get(key)
        if one is None:
            if len(self._waiting) >= WAITING_MAX:
                raise TooMany("As many writes wait in this server as may; try again later.")
            one = self._waiting[key] = Latest(key, query, together, otherwise)
        one.fields.update(fields)
        one.now.update(now)
        one.otherwise = otherwise
        return one

    def pause(self, at: float) -> float | None:
        """How many seconds until something can be taken; None where nothing waits for time."""
        waits = [self._due.get(one.group, at) for one in self._idle()]
        return max(min(waits) - at, 0.0) if waits else None

    def take(self, at: float) -> list[Latest]:
        """What is to be written now, all in one collection. Each of it is at work until `done`."""
        self._due = {group: due for group, due in self._due.items() if due > at}
        ready = [one for one in self._idle() if one.group not in self._due]
        alike = (one for one in ready if one.collection == ready[0].collection)
        taken = list(islice(alike, TOGETHER_MAX))
        for one in taken:
            del self._waiting[one.key]
            self._at_work.add(one.key)
        for group, size in Counter(one.group for one in taken).items():
            self._due[group] = at + max(INTERVAL_SECONDS, size * EACH_SECONDS)
        return taken

    def done(self, one: Latest) -> None:
        """`one` has been written, or will not be."""
        self._at_work.discard(one.key)

    def _idle(self) -> list[Latest]:
        """What waits for time alone."""
        return [one for key, one in self._waiting.items() if key not in self._at_work]
