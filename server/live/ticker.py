"""Moves the position when time alone changes a result, and nobody writes.

A sliding window of time loses documents when the position passes their second. Where something is
due to leave, this makes a tick in the database; the change event that it causes comes back through
the feed like any other, to every process.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from pymongo.errors import PyMongoError

from server.core import limits
from server.core.tasks import raise_if_cancelled
from server.live.registry import Registry
from server.store.ticks import Ticks

__all__ = ["Ticker"]

_log = logging.getLogger(__name__)


class Ticker:
    """Makes the ticks that the live queries of one process wait for.

    Args:
        registry: Whose live queries.
        ticks: Where they are written.
        clock: Gives the seconds since the epoch; MongoDB's clock has the last word.
    """

    def __init__(
        self, registry: Registry, ticks: Ticks, clock: Callable[[], float] = time.time
    ) -> None:
        self._registry = registry
        self._ticks = ticks
        self._clock = clock
        self._behind = 0.0
        self.ticks = 0

    async def run(self) -> None:
        """Make ticks until cancelled; with nothing that could leave, look and wait."""
        pause = limits.TICK_SECONDS_MIN
        while True:
            await asyncio.sleep(pause)
            pause = await self.step()

    async def step(self) -> float:
        """Make the tick that is due, if one is; gives how long to wait, in seconds."""
        departure = self._registry.next_departure
        if departure is None:
            return limits.TICK_SECONDS_MAX
        left = departure - self._now()
        if left > 0:
            return min(left, limits.TICK_SECONDS_MAX)
        if departure <= self._registry.position.seconds:
            return limits.TICK_SECONDS_MIN  # it leaves with the step that is being prepared
        try:
            if await self._ticks.tick(departure):
                self.ticks += 1
            else:
                self._behind = 0.0
        except PyMongoError as error:
            raise_if_cancelled()
            _log.warning("A tick could not be written (%s).", type(error).__name__)
            return limits.TICK_SECONDS_MAX
        return limits.TICK_SECONDS_MIN  # until the feed brings it, or MongoDB's clock is there

    def _now(self) -> float:
        """The time by our clock, put forward where the position has shown that it is behind."""
        clock = self._clock()
        self._behind = max(self._behind, self._registry.position.seconds - clock)
        return clock + self._behind
