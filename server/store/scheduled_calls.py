"""Calls that were scheduled: kept until they have been made, claimed by leases.

One document for each: ``{_id, function, arguments, caller?, state, at, dueAt, attempts, owner?,
lease?, startedAt?, missingSince?, error?, expiresAt?}``. `arguments` and `caller` are JSON. `state`
is ``waiting``, ``running`` or ``failed``; a call that was made is deleted. `at` is the time that
was asked for, `dueAt` when the call may be taken next: while it runs that is when its lease ends,
and of a failed one it is when it failed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase

from schemas.document import new_id
from server.core import limits
from server.core.process import process_name
from server.store.collections import SCHEDULED_CALLS
from server.store.writes import Session

__all__ = ["ScheduledCall", "ScheduledCalls", "cancel", "delete_claimed", "schedule"]

_PENDING: dict[str, Any] = {"state": {"$in": ["waiting", "running"]}}
_DUE: dict[str, Any] = {"$expr": {"$lte": ["$dueAt", "$$NOW"]}}
_NOT_DUE: dict[str, Any] = {"$expr": {"$gt": ["$dueAt", "$$NOW"]}}
_FREE: dict[str, Any] = {"$unset": ["owner", "lease", "startedAt", "missingSince"]}


@dataclass(frozen=True)
class ScheduledCall:
    """A call that this process has claimed.

    Attributes:
        id: Its id.
        lease: By which its claim is told from every other.
        function: Wire name.
        arguments: JSON, by wire name.
        caller: JSON; None where it is anonymous.
        attempt: Which one this is, from 1.
    """

    id: str
    lease: str
    function: str
    arguments: str
    caller: str | None
    attempt: int

    @property
    def claimed(self) -> dict[str, Any]:
        """A filter that matches as long as nobody else has claimed it."""
        return {"_id": self.id, "lease": self.lease}


async def schedule(
    session: Session, function: str, arguments: str, caller: str | None, when: float | datetime
) -> str:
    """Store a call; gives its id.

    Args:
        session: Where; inside a transaction it is part of it.
        function: Wire name.
        arguments: JSON, by wire name.
        caller: JSON; None where it is anonymous.
        when: Seconds from now, by MongoDB's clock, or a time.
    """
    id_ = new_id()
    at = when if isinstance(when, datetime) else _in(when)
    call: dict[str, Any] = {
        "function": {"$literal": function},
        "arguments": {"$literal": arguments},
        "state": "waiting",
        "at": at,
        "dueAt": at,
        "attempts": 0,
    }
    if caller is not None:
        call["caller"] = {"$literal": caller}
    await session.update(SCHEDULED_CALLS, {"_id": id_}, [{"$set": call}], upsert=True)
    return id_


async def cancel(session: Session, id_: str) -> bool:
    """Delete a call that waits; whether there was one."""
    waiting = {"_id": id_, "state": "waiting"}
    return await session.delete_many(SCHEDULED_CALLS, waiting, one=True) == 1


async def delete_claimed(session: Session, call: ScheduledCall) -> bool:
    """Delete a call that was made; False where somebody else has claimed it meanwhile."""
    return await session.delete_many(SCHEDULED_CALLS, call.claimed, one=True) == 1


class ScheduledCalls:
    """The scheduled calls of one database, as the processes see them that make them.

    Args:
        database: Which.
        mutations: Wire names of the mutations that this build has.
        actions: Wire names of its actions.
    """

    def __init__(
        self,
        database: AsyncDatabase[dict[str, Any]],
        mutations: Sequence[str],
        actions: Sequence[str],
    ) -> None:
        self._calls = database[SCHEDULED_CALLS]
        self._mutations = list(mutations)
        self._functions = [*mutations, *actions]

    # --- making them ---------------------------------------------------------------------------

    async def claim(self) -> ScheduledCall | None:
        """Take the call that has been due for longest; None where none is."""
        lease = new_id()
        seconds = {
            "$cond": [
                {"$in": ["$function", {"$literal": self._mutations}]},
                round(limits.SCHEDULED_MUTATION_SECONDS_MAX * 1000),
                round(limits.RUN_LEASE_SECONDS * 1000),
            ]
        }
        taken = {
            "state": "running",
            "attempts": {"$add": [{"$ifNull": ["$attempts", 0]}, 1]},
            "owner": {"$literal": process_name()},
            "lease": lease,
            "startedAt": "$$NOW",
            "dueAt": {"$add": ["$$NOW", seconds]},
            "missingSince": "$$REMOVE",
        }
        found = await self._calls.find_one_and_update(
            {**_PENDING, "function": {"$in": self._functions}, **_DUE},
            [{"$set": taken}],
            sort=[("dueAt", 1)],
            return_document=ReturnDocument.AFTER,
        )
        if found is None:
            return None
        return ScheduledCall(
            id=found["_id"],
            lease=lease,
            function=found["function"],
            arguments=found["arguments"],
            caller=found.get("caller"),
            attempt=found["attempts"],
        )

    async def due_in(self) -> float | None:
        """In how many seconds the next may be taken, by this build; None where there is none."""
        cursor = await self._calls.aggregate(
            [
                {"$match": {**_PENDING, "function": {"$in": self._functions}}},
                {"$sort": {"dueAt": 1}},
                {"$limit": 1},
                {"$project": {"left": {"$subtract": ["$dueAt", "$$NOW"]}}},
            ]
        )
        found = await cursor.to_list()
        return found[0]["left"] / 1000 if found else None

    async def renew(self, call: ScheduledCall) -> bool:
        """Keep an action for `RUN_LEASE_SECONDS` from now; whether it was still ours."""
        update = [{"$set": {"dueAt": _in(limits.RUN_LEASE_SECONDS)}}]
        result = await self._calls.update_one({**call.claimed, **_NOT_DUE}, update)
        return result.matched_count == 1

    async def finish(self, call: ScheduledCall) -> bool:
        """An action was made; False where somebody else has claimed it meanwhile."""
        return (await self._calls.delete_one(call.claimed)).deleted_count == 1

    async def hand_back(self, call: ScheduledCall) -> None:
        """Let go of a call that did not come to its end, through no fault of its own."""
        update = {
            "state": "waiting",
            "dueAt": "$$NOW",
            "attempts": {"$subtract": ["$attempts", 1]},
        }
        await self._calls.update_one(call.claimed, [{"$set": update}, _FREE])

    async def retry(self, call: ScheduledCall, seconds: float, error: dict[str, str]) -> bool:
        """It failed and is tried again in `seconds`; False where it is not ours any more."""
        update = {"state": "waiting", "dueAt": _in(seconds), "error": {"$literal": error}}
        result = await self._calls.update_one(call.claimed, [{"$set": update}, _FREE])
        return result.matched_count == 1

    async def fail(self, call: ScheduledCall, error: dict[str, str]) -> bool:
        """It has failed for good; False where it is not ours any more."""
        result = await self._calls.update_one(call.claimed, _failed(error))
        await self._forget_old_failures()
        return result.matched_count == 1

    async def _forget_old_failures(self) -> None:
        newest_first = self._calls.find({"state": "failed"}, {"dueAt": 1}).sort("dueAt", -1)
        beyond = await newest_first.skip(limits.SCHEDULED_FAILED_MAX).limit(1).to_list()
        if beyond:
            too_old = {"state": "failed", "dueAt": {"$lte": beyond[0]["dueAt"]}}
            await self._calls.delete_many(too_old)

    # --- calls of other builds -----------------------------------------------------------------

    async def unknown(self) -> list[str]:
        """Functions that calls are due of and this build does not have.

        What nobody has had for `SCHEDULED_PATIENCE_SECONDS`, since somebody first looked in vain,
        has failed.
        """
        unknown = {**_PENDING, "function": {"$nin": self._functions}, **_DUE}
        # Not `distinct`, which does not know what time it is.
        cursor = await self._calls.aggregate(
            [{"$match": unknown}, {"$group": {"_id": "$function"}}]
        )
        names = [str(one["_id"]) for one in await cursor.to_list()]
        if not names:
            return []
        since = [{"$set": {"missingSince": "$$NOW"}}]
        await self._calls.update_many({**unknown, "missingSince": {"$exists": False}}, since)
        long_ago = {"$expr": {"$lte": ["$missingSince", _in(-limits.SCHEDULED_PATIENCE_SECONDS)]}}
        error = {"code": "unknown_function", "message": "No server had this function for a day."}
        missed = {**unknown, "missingSince": {"$exists": True}}
        await self._calls.update_many({"$and": [missed, long_ago]}, _failed(error))
        return names

    # --- looking at them -----------------------------------------------------------------------

    async def stored(self) -> int:
        """About how many there are, failed ones too."""
        return await self._calls.estimated_document_count()

    async def failed(self) -> int:
        """How many have failed and are kept."""
        most = limits.SCHEDULED_FAILED_MAX
        return await self._calls.count_documents({"state": "failed"}, limit=most)

    async def counts(self) -> dict[str, int]:
        """How many there are in each state."""
        cursor = await self._calls.aggregate([{"$group": {"_id": "$state", "n": {"$sum": 1}}}])
        return {str(one["_id"]): one["n"] for one in await cursor.to_list()}

    async def next(self, limit: int) -> list[dict[str, Any]]:
        """Those that run, then those that are due first, then those that failed last.

        With ``dueInMs`` and, of those that run, ``runsForMs``.
        """
        orders = (("running", 1), ("waiting", 1), ("failed", -1))
        found = await asyncio.gather(*(self._of(state, order, limit) for state, order in orders))
        return [one for some in found for one in some][:limit]

    async def _of(self, state: str, order: int, limit: int) -> list[dict[str, Any]]:
        times = {
            "dueInMs": {"$subtract": ["$dueAt", "$$NOW"]},
            "runsForMs": {"$subtract": ["$$NOW", "$startedAt"]},
        }
        cursor = await self._calls.aggregate(
            [
                {"$match": {"state": state}},
                {"$sort": {"dueAt": order}},
                {"$limit": limit},
                {"$set": times},
            ]
        )
        return await cursor.to_list()


def _in(seconds: float) -> dict[str, Any]:
    return {"$add": ["$$NOW", round(seconds * 1000)]}


def _failed(error: dict[str, str]) -> list[dict[str, Any]]:
    failed = {
        "state": "failed",
        "dueAt": "$$NOW",
        "expiresAt": _in(limits.SCHEDULED_FAILED_SECONDS),
        "error": {"$literal": error},
    }
    return [{"$set": failed}, _FREE]
