"""Ticks: writes by which everybody's position passes a second in which nothing else happens."""

from datetime import UTC, datetime
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from server.store.collections import META

__all__ = ["Ticks"]

_ID = "tick"


class Ticks:
    """The clock of one database: a document that holds the last second told."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._meta = database[META]

    async def prepare(self) -> None:
        """Make the document, so that a tick is an update of it."""
        start = {"$setOnInsert": {"second": 0}}
        await self._meta.update_one({"_id": _ID}, start, upsert=True)

    async def tick(self, second: int) -> bool:
        """Say that it is `second` now, since the epoch; False where MongoDB's clock says it is not.

        However many say so, there is one change event, and its cluster time is not before
        `second`.
        """
        moment = datetime.fromtimestamp(second, UTC)
        result = await self._meta.update_one(
            {"_id": _ID, "$expr": {"$gte": ["$$NOW", moment]}}, {"$max": {"second": second}}
        )
        if result.matched_count == 0:
            await self.prepare()  # where the database was dropped, there is none to match
        return result.matched_count == 1
