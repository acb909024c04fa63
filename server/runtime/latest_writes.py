"""Writes the newest values, of all documents that wait for it together.

People who move a cursor twenty times a second need not be written twenty times a second. One
write at a time is under way; what comes meanwhile waits, and takes the place of what waits already
for the same document (see `LatestQueue`). Whoever called is answered when its values, or newer
ones in their place, have been written.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from schemas.wire.position import Time
from server.runtime.latest import Latest, LatestQueue, Otherwise, setting
from server.store.writes import Writes

__all__ = ["LatestWrites"]

OTHERWISE_AT_ONCE_MAX = 16
"""Of what is done where no document matches, a transaction for most."""
STOP_SECONDS = 2.0


class LatestWrites:
    """Makes the latest writes of one process.

    Args:
        writes: The database.
        clock: Gives seconds.
    """

    def __init__(self, writes: Writes, clock: Callable[[], float] = time.monotonic) -> None:
        self._writes = writes
        self._clock = clock
        self._queue = LatestQueue()
        self._news = asyncio.Event()
        self._room = asyncio.Semaphore(OTHERWISE_AT_ONCE_MAX)
        self._writing: asyncio.Task[None] | None = None
        self._others: set[asyncio.Task[None]] = set()

    async def write(
        self,
        collection: str,
        query: Mapping[str, Any],
        fields: Mapping[str, Any],
        now: Iterable[str],
        together: str,
        otherwise: Otherwise,
    ) -> Time:
        """Give one document that matches these values; the cluster time, when it is done.

        It is done even where the caller has gone meanwhile.

        Args:
            collection: Where.
            query: Which.
            fields: Values, by path.
            now: Paths that become the present.
            together: What is looked at together, and has a pace of its own.
            otherwise: Done with the newest values where no document matches; others that come
                for the same document wait for it.

        Raises:
            TooMany: As many documents wait as may.
            Exception: What MongoDB said, or `otherwise` raised.
        """
        one = self._queue.add(collection, query, fields, now, together, otherwise)
        self._wake()
        return await asyncio.shield(one.written)

    def _wake(self) -> None:
        self._news.set()
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(), name="latest writes")

    async def _write_all(self) -> None:
        """Write until nothing waits for its time."""
        while (pause := self._queue.pause(self._clock())) is not None:
            if pause > 0:
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._news.wait()  # another group may be due sooner
            else:
                await self._write_together(self._queue.take(self._clock()))

    async def _write_together(self, taken: list[Latest]) -> None:
        updates = [(one.query, setting(one.fields, one.now)) for one in taken]
        collection = taken[0].collection
        try:
            outcomes, at = await self._writes.apply_many(collection, updates, repeatable=True)
        except asyncio.CancelledError:
            for one in taken:
                one.written.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # each of their callers is told
            for one in taken:
                self._settle(one, error)
            return
        for one, outcome in zip(taken, outcomes, strict=True):
            if outcome is False:
                task = asyncio.create_task(self._do_otherwise(one), name=f"instead in {collection}")
                self._others.add(task)
                task.add_done_callback(self._others.discard)
            else:
                self._settle(one, at if outcome is True else outcome)

    async def _do_otherwise(self, one: Latest) -> None:
        try:
            async with self._room:
                outcome: Time | Exception = await one.otherwise(one.fields)
        except asyncio.CancelledError:
            one.written.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # its callers are told
            outcome = error
        self._settle(one, outcome)
        self._wake()

    def _settle(self, one: Latest, outcome: Time | Exception) -> None:
        self._queue.done(one)
        if isinstance(outcome, Exception):
            one.written.set_exception(outcome)
            one.written.exception()  # seen, even where its callers have gone
        else:
            one.written.set_result(outcome)

    async def stop(self) -> None:
        """Wait for what waits, bounded, and cancel the rest."""
        tasks = {*self._others, *([self._writing] if self._writing is not None else ())}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
