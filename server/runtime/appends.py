"""Appends of all actions of this process: what waits together is written together.

One write at a time would make a hundred replies wait for one another, and a hundred at once would
make MongoDB's answers slow. So while some are being written, the others gather.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.wire.position import Time
from server.store.writes import Writes

__all__ = ["Appends"]

TOGETHER_MAX = 200
"""In one write."""
AT_ONCE_MAX = 2
"""Writes at once."""
STOP_SECONDS = 1.0


@dataclass(eq=False)
class _Append:
    query: Mapping[str, Any]
    update: Mapping[str, Any]
    matched: "asyncio.Future[tuple[bool, Time]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Appends:
    """Appends to streamed texts, each atomic by itself.

    Args:
        writes: The database.
    """

    def __init__(self, writes: Writes) -> None:
        self._writes = writes
        self._waiting: dict[str, list[_Append]] = {}
        self._at_work: dict[str, list[asyncio.Task[None]]] = {}

    async def append(
        self, collection: str, query: Mapping[str, Any], update: Mapping[str, Any]
    ) -> tuple[bool, Time]:
        """Append to one document that matches; whether there was one, and the cluster time.

        `query` must match after the append what it matched before.

        Raises:
            pymongo.errors.PyMongoError: What MongoDB said to it, or to all that were written with
                it; then it is not known whether it was written.
        """
        one = _Append(query, update)
        self._waiting.setdefault(collection, []).append(one)
        # One that has just ended is done, and takes nothing more, before its callbacks are called.
        at_work = [task for task in self._at_work.get(collection, ()) if not task.done()]
        if len(at_work) < AT_ONCE_MAX:
            task = asyncio.create_task(self._write(collection), name=f"append to {collection}")
            self._at_work[collection] = [*at_work, task]
        return await one.matched

    async def _write(self, collection: str) -> None:
        """Write until nothing waits."""
        waiting = self._waiting[collection]
        while waiting:
            together, waiting[:TOGETHER_MAX] = waiting[:TOGETHER_MAX], []
            together = [one for one in together if not one.matched.done()]  # whose caller is there
            try:
                await self._write_together(collection, together)
            except asyncio.CancelledError:
                for one in together:
                    one.matched.cancel()
                raise
            except Exception as error:  # noqa: BLE001  # each of their callers is told
                for one in together:
                    if not one.matched.done():
                        one.matched.set_exception(error)

    async def _write_together(self, collection: str, together: list[_Append]) -> None:
        updates = [(one.query, one.update) for one in together]
        outcomes, time = await self._writes.apply_many(collection, updates)
        for one, outcome in zip(together, outcomes, strict=True):
            if one.matched.done():
                continue
            if isinstance(outcome, Exception):
                one.matched.set_exception(outcome)
            else:
                one.matched.set_result((outcome, time))

    async def stop(self) -> None:
        """Wait for what is being written, bounded."""
        writing = [task for tasks in self._at_work.values() for task in tasks]
        if writing:
            await asyncio.wait(writing, timeout=STOP_SECONDS)
