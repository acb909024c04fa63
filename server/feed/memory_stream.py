"""The changes of a database in memory, as the change stream of a real one would tell them."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

import bson

from server.core import limits
from server.feed.change_stream import Batch
from server.feed.events import ChangeEvent, Changes, Group, identity
from server.store.memory import MemoryDatabase
from server.store.memory_collection import Write

__all__ = ["MemoryStream"]


class MemoryStream:
    """What was written to `collections` of `database`, in order; nothing is ever lost."""

    def __init__(self, database: MemoryDatabase, collections: Iterable[str]) -> None:
        self._database = database
        self._collections = frozenset(collections)

    async def open(self) -> Batch:
        """Begin now."""
        self._database.written.clear()
        return self._batch([])

    async def next(self) -> Batch:
        """What was written since, all of it; nothing when `FEED_AWAIT_MS` passed without."""
        database = self._database
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.FEED_AWAIT_MS / 1000):
                await database.news.wait()
        database.news.clear()
        written, database.written = database.written, []
        groups: list[Group] = []
        for one in written:
            writes = [write for write in one.writes if write.collection in self._collections]
            if writes:
                groups.append(Group(one.time, [_event(write) for write in writes]))
        return self._batch(groups)

    def _batch(self, groups: list[Group]) -> Batch:
        return Batch(groups, self._database.time, may_be_cut=False, full=False)

    def forget(self) -> None:
        """Nothing is remembered."""

    async def close(self) -> None:
        """Nothing is held."""


def _event(write: Write) -> ChangeEvent:
    before, after = write.before, write.after
    if after is None:
        assert before is not None
        return ChangeEvent("delete", write.collection, identity(before["_id"]))
    id_ = identity(after["_id"])
    if before is None:
        return ChangeEvent("insert", write.collection, id_, document=after)
    changes = Changes(
        updated={
            name: value
            for name, value in after.items()
            if name not in before or _differ(before[name], value)
        },
        removed=tuple(name for name in before if name not in after),
        truncated={},
    )
    return ChangeEvent("update", write.collection, id_, changes=changes)


def _differ(one: Any, other: Any) -> bool:
    """Whether two values are stored differently; for Python, 1 is True."""
    return bson.encode({"v": one}) != bson.encode({"v": other})
