"""Leases of functions that run by themselves: when each is due, on MongoDB's clock."""

import contextlib
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from server.store.collections import SCHEDULES

__all__ = ["Schedules"]


class Schedules:
    """The schedules of one database. The feed does not look at them."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._schedules = database[SCHEDULES]

    async def prepare(self, name: str) -> None:
        """Make the schedule, due at once, where there is none."""
        due = [{"$set": {"dueAt": {"$ifNull": ["$dueAt", "$$NOW"]}}}]
        with contextlib.suppress(DuplicateKeyError):  # another process was quicker
            await self._schedules.update_one({"_id": name}, due, upsert=True)

    async def claim(self, name: str, seconds: float) -> bool:
        """Take the run that is due; whether there was one. Nobody else gets it for `seconds`."""
        result = await self._schedules.update_one(
            {"_id": name, "$expr": {"$lte": ["$dueAt", "$$NOW"]}}, _due_in(seconds)
        )
        return result.matched_count == 1

    async def finish(self, name: str, seconds: float) -> None:
        """The run is over; the next is due in `seconds`."""
        await self._schedules.update_one({"_id": name}, _due_in(seconds))


def _due_in(seconds: float) -> list[dict[str, Any]]:
    return [{"$set": {"dueAt": {"$add": ["$$NOW", round(seconds * 1000)]}}}]
