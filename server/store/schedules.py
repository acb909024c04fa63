"""When each function is due that runs by itself, and who runs it, on MongoDB's clock.

One document for each: ``{_id: name, dueAt, slotAt, runs, failures, owner?, lease?, startedAt?,
lastStartedAt?, lastDurationMs?, lastOutcome?, lastError?}``. `dueAt` is when it may be taken next:
while it runs that is when its lease ends, so whoever finds it due takes it, be it a new run or one
whose process died. `slotAt` is the time that the run belongs to; slots are `seconds` apart,
however long the runs take.
"""

import contextlib
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from schemas.document import new_id
from server.core.process import process_name
from server.store.collections import SCHEDULES

__all__ = ["Schedules"]

_FREE: dict[str, Any] = {"$unset": ["owner", "lease", "startedAt"]}
_DUE: dict[str, Any] = {"$expr": {"$lte": ["$dueAt", "$$NOW"]}}
_NOT_DUE: dict[str, Any] = {"$expr": {"$gt": ["$dueAt", "$$NOW"]}}


class Schedules:
    """The schedules of one database. The feed does not look at them."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._schedules = database[SCHEDULES]

    async def prepare(self, name: str, seconds: float) -> None:
        """Make the schedule, due at once, where there is none.

        One of a build that ran it less often is due in `seconds` at most.
        """
        latest = {"$min": [{"$ifNull": ["$dueAt", "$$NOW"]}, _in(seconds)]}
        runs = {"$ne": [{"$type": "$lease"}, "missing"]}
        due = {"$cond": [runs, "$dueAt", latest]}
        with contextlib.suppress(DuplicateKeyError):  # another process was quicker
            await self._schedules.update_one({"_id": name}, [{"$set": {"dueAt": due}}], upsert=True)

    async def due_in(self, name: str) -> float | None:
        """In how many seconds it may be taken, below 0 where it may; None where there is none."""
        shown = {"$project": {"left": {"$subtract": ["$dueAt", "$$NOW"]}}}
        cursor = await self._schedules.aggregate([{"$match": {"_id": name}}, shown])
        found = await cursor.to_list()
        left = found[0].get("left") if found else None
        return left / 1000 if left is not None else None

    async def claim(self, name: str, lease_seconds: float) -> str | None:
        """Take the run that is due: its lease, or None where there was none to take."""
        lease = new_id()
        runs = {"$ne": [{"$type": "$lease"}, "missing"]}
        taken = {
            "slotAt": {"$cond": [runs, {"$ifNull": ["$slotAt", "$dueAt"]}, "$dueAt"]},
            "dueAt": _in(lease_seconds),
            "startedAt": "$$NOW",
            "owner": {"$literal": process_name()},
            "lease": lease,
        }
        result = await self._schedules.update_one({"_id": name, **_DUE}, [{"$set": taken}])
        return lease if result.matched_count else None

    async def renew(self, name: str, lease: str, lease_seconds: float) -> bool:
        """Keep a run for longer; whether it was still ours."""
        mine = {"_id": name, "lease": lease, **_NOT_DUE}
        update = [{"$set": {"dueAt": _in(lease_seconds)}}]
        return (await self._schedules.update_one(mine, update)).matched_count == 1

    async def finish(
        self, name: str, lease: str, seconds: float, outcome: str, error: str | None
    ) -> bool:
        """The run is over, the next is due at the next slot; whether it was still ours.

        Slots that went by while it ran, or while nobody was there, are left out.
        """
        period = max(round(seconds * 1000), 1)
        passed = {"$floor": {"$divide": [{"$subtract": ["$$NOW", "$slotAt"]}, period]}}
        slots = {"$max": [{"$add": [passed, 1]}, 1]}
        told: dict[str, Any] = {
            "dueAt": {"$add": ["$slotAt", {"$multiply": [slots, period]}]},
            "lastStartedAt": "$startedAt",
            "lastDurationMs": {"$subtract": ["$$NOW", "$startedAt"]},
            "lastOutcome": outcome,
            "lastError": {"$literal": error} if error is not None else "$$REMOVE",
            "runs": {"$add": [{"$ifNull": ["$runs", 0]}, 1]},
            "failures": {"$add": [{"$ifNull": ["$failures", 0]}, int(error is not None)]},
        }
        mine = {"_id": name, "lease": lease}
        result = await self._schedules.update_one(mine, [{"$set": told}, _FREE])
        return result.matched_count == 1

    async def hand_back(self, name: str, lease: str) -> None:
        """Let go of a run that did not come to its end; it is due at once, for anybody."""
        update = [{"$set": {"dueAt": "$slotAt"}}, _FREE]
        await self._schedules.update_one({"_id": name, "lease": lease}, update)

    async def all(self) -> dict[str, dict[str, Any]]:
        """Every schedule by name, with ``dueInMs`` and, where it runs, ``runsForMs``."""
        since = {"$subtract": ["$$NOW", "$startedAt"]}
        times = {"dueInMs": {"$subtract": ["$dueAt", "$$NOW"]}, "runsForMs": since}
        cursor = await self._schedules.aggregate([{"$set": times}])
        return {one["_id"]: one for one in await cursor.to_list()}


def _in(seconds: float) -> dict[str, Any]:
    return {"$add": ["$$NOW", round(seconds * 1000)]}
