"""Time that a test holds: MongoDB's cluster time, which stands still until it is told otherwise."""

from typing import Any

from bson import Timestamp
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from server.store.collections import META

__all__ = ["HeldTime"]

AHEAD_SECONDS = 100_000
"""Far ahead of every clock, and so for the test alone to tell."""


class HeldTime:
    """The cluster time of a mongod that nobody else uses, and that keeps to it for good.

    A client may tell a mongod without access control what time it is in the cluster.

    Args:
        client: A client of the mongod.
        database: The database whose servers are to know.

    Attributes:
        second: The time, in seconds since the epoch.
    """

    def __init__(
        self, client: AsyncMongoClient[dict[str, Any]], database: AsyncDatabase[dict[str, Any]]
    ) -> None:
        self._client = client
        self._database = database
        self.second = 0

    async def take(self) -> "HeldTime":
        """Put it far ahead."""
        known = await self._known()
        self.second = known["clusterTime"].time
        await self._reach(self.second + AHEAD_SECONDS)
        return self

    async def to_whole_minute(self) -> None:
        """Let it come to the beginning of the next minute but one."""
        await self._reach(self.second // 60 * 60 + 120)

    async def passes(self, seconds: int) -> None:
        """Let it pass."""
        await self._reach(self.second + seconds)

    async def _known(self) -> dict[str, Any]:
        return (await self._client.admin.command("hello"))["$clusterTime"]

    async def _reach(self, second: int) -> None:
        known = await self._known()
        async with self._client.start_session() as session:
            session.advance_cluster_time({**known, "clusterTime": Timestamp(second, 0)})
            # What the ticker writes, so that every server's position passes the second.
            told = {"$max": {"second": second}}
            meta = self._database[META]
            await meta.update_one({"_id": "tick"}, told, upsert=True, session=session)
        self.second = second
