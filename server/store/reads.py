"""Reads of a database at one cluster time."""

from collections.abc import Mapping, Sequence
from typing import Any

from bson import Timestamp
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import AutoReconnect, OperationFailure

from schemas.wire.position import Time
from server.core import limits
from server.core.errors import TooLarge
from server.store.collections import META

__all__ = ["Reads", "SnapshotGone", "bounded", "read_limit"]

_GONE = {72, 239, 246}  # ahead of the majority, SnapshotTooOld, SnapshotUnavailable
_PASSING = {
    *(6, 7, 89, 9001),  # a member that another cannot reach
    *(43, 237, 11601),  # killed, with its session or by an operator
    *(133, 134, 211),  # a member that has just started
    *(175, 262),  # the plan, or the time, ran out while it yielded
}


class SnapshotGone(Exception):
    """That cluster time can not be read, or not any more; take a newer one."""


class Reads:
    """Reads that see one moment.

    Every method takes the cluster time to read at, and raises `SnapshotGone` where MongoDB has
    let go of it, and PyMongo's `ConnectionFailure` where the same may succeed in a moment.
    """

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._database = database

    async def now(self) -> Time:
        """The majority's present moment."""
        command = {"find": META, "limit": 1, "readConcern": {"level": "snapshot"}}
        reply = await self._database.command(command)
        # Of a database that was dropped nothing is read, and so at no time of its own.
        at: Timestamp = reply["cursor"].get("atClusterTime") or reply["operationTime"]
        return Time(at.time, at.inc)

    async def find(
        self,
        collection: str,
        query: Mapping[str, Any],
        *,
        at: Time,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """The documents that match, as stored.

        Raises:
            TooLarge: More than `RESULT_DOCUMENTS_MAX` match.
        """
        command: dict[str, Any] = {
            "find": collection,
            "filter": query,
            "limit": read_limit(limit),
        }
        if sort:
            command["sort"] = dict(sort)
        if fields is not None:
            command["projection"] = dict.fromkeys(fields, 1)
        return bounded(await self._run(command, at), collection)

    async def count(self, collection: str, query: Mapping[str, Any], *, at: Time) -> int:
        """How many documents match."""
        command: dict[str, Any] = {
            "aggregate": collection,
            "pipeline": [{"$match": query}, {"$count": "n"}],
            "cursor": {},
        }
        found = await self._run(command, at)
        return int(found[0]["n"]) if found else 0

    async def _run(self, command: dict[str, Any], at: Time) -> list[dict[str, Any]]:
        command["readConcern"] = {
            "level": "snapshot",
            "atClusterTime": Timestamp(at.seconds, at.increment),
        }
        command["maxTimeMS"] = int(limits.RUN_SECONDS_MAX * 1000)
        try:
            cursor = await self._database.cursor_command(
                command, codec_options=self._database.codec_options
            )
            return await cursor.to_list()
        except OperationFailure as error:
            if error.code in _GONE:
                raise SnapshotGone(f"MongoDB error {error.code}") from error
            if error.code in _PASSING:
                raise AutoReconnect(f"MongoDB error {error.code}") from error
            raise


def read_limit(limit: int) -> int:
    """The limit of a read that wants `limit` documents, 0 for all: one more than may be given."""
    return min(limit or limits.RESULT_DOCUMENTS_MAX + 1, limits.RESULT_DOCUMENTS_MAX + 1)


def bounded(documents: list[dict[str, Any]], collection: str) -> list[dict[str, Any]]:
    """`documents`, if there are no more than may be given.

    Raises:
        TooLarge: There are; a part of them would look like all.
    """
    if len(documents) > limits.RESULT_DOCUMENTS_MAX:
        raise TooLarge(
            f"More than {limits.RESULT_DOCUMENTS_MAX} documents of {collection!r} match; narrow "
            "the filter, or use limit= or last=."
        )
    return documents
