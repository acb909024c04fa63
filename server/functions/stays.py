"""Stays of people in tasks: when one begins and when it ends, each recorded once.

A stay begins with the first that is heard of somebody who was not there, and ends when they leave,
or when none of their tabs has been heard of for a minute. All times are MongoDB's, so whichever
processes hear of somebody agree; and whatever records something is a transaction that changes the
person's row, so one of several does it.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.activities import Activity
from schemas.presence import Presence
from schemas.tasks import Task
from server.runtime import NOW, MutationCtx, NotFound, mutation

__all__ = ["arrive", "heard_of", "leave", "note_silent", "row_id", "silent_for", "tab_key"]

SILENCE = timedelta(minutes=1)
"""Somebody who is not heard of for so long has left."""
TABS_MAX = 20
"""Of one person in one task. More: the first to come is forgotten, until it is heard of again."""


def _ago(silence: timedelta) -> dict[str, Any]:
    return {"$subtract": [NOW, round(silence.total_seconds() * 1000)]}


_HEARD = {"$gt": ["$lastSeenAt", _ago(SILENCE)]}
"""Whether a person has been heard of."""


def row_id(task_id: str, user_id: str) -> str:
    """The id of the one row of a person in a task, 32 hex digits."""
    named = f"{len(task_id)}:{task_id}{user_id}"
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def tab_key(tab_id: str) -> str:
    """The name of a tab's time in a row: no part of it is the client's."""
    return f"t{hashlib.sha256(tab_id.encode()).hexdigest()[:16]}"


def heard_of(row: str, tab: str) -> dict[str, Any]:
    """The filter of a row whose person is there, with this tab among theirs."""
    return {"_id": row, f"tabs.{tab}": {"$exists": True}, "$expr": _HEARD}


def silent_for(silence: timedelta, *, present: bool) -> dict[str, Any]:
    """The filter of rows of which nothing was heard for so long."""
    return {"present": present, "$expr": {"$lte": ["$lastSeenAt", _ago(silence)]}}


@mutation(internal=True)
async def arrive(
    ctx: MutationCtx, task_id: str, user_id: str, tab: str, fields: Mapping[str, Any]
) -> None:
    """A tab is heard of for the first time, or of somebody who was silent.

    Raises:
        NotFound: There is no such task.
    """
    if not await ctx.count(Task, {"_id": task_id}):
        raise NotFound(f"There is no task {task_id[:100]!r}.")
    id_ = row_id(task_id, user_id)
    before = await ctx.get(Presence, id_)
    if before is None:
        unseen = datetime.fromtimestamp(0, UTC)
        await ctx.insert(
            Presence(id=id_, task_id=task_id, user_id=user_id, user_name="", last_seen_at=unseen)
        )
    given = {name: {"$literal": value} for name, value in fields.items()}
    came = {"$cond": [_HEARD, "$createdAt", NOW]}
    seen = {"tabs": _with_tab(tab), "present": True, "lastSeenAt": NOW, "updatedAt": NOW}
    after = await ctx.update(Presence, id_, [{"$set": {**given, **seen, "createdAt": came}}])
    if before is not None and after.created_at == before.created_at:
        return  # one tab more, or another was quicker
    if before is not None and before.present:
        await ctx.insert(_activity(before, "user-left", before.last_seen_at + SILENCE))
    await ctx.insert(_activity(after, "user-joined", after.last_seen_at))


@mutation(internal=True)
async def leave(ctx: MutationCtx, task_id: str, user_id: str, tab: str | None) -> None:
    """A tab leaves, and with the last of them the person; without a tab, all of them.

    Raises:
        NotFound: There is no such task, and nothing to leave.
    """
    id_ = row_id(task_id, user_id)
    before = await ctx.get(Presence, id_)
    if before is None:
        if not await ctx.count(Task, {"_id": task_id}):
            raise NotFound(f"There is no task {task_id[:100]!r}.")
        return
    tabs: Any = {"$literal": {}} if tab is None else {"$arrayToObject": _others(tab)}
    times = {"$map": {"input": {"$objectToArray": "$tabs"}, "in": "$$this.v"}}
    latest = {"$ifNull": [{"$max": times}, "$lastSeenAt"]}
    after = await ctx.update(
        Presence,
        id_,
        [{"$set": {"tabs": tabs, "updatedAt": NOW}}, {"$set": {"lastSeenAt": latest}}],
    )
    if after.tabs:
        return
    await ctx.delete(Presence, id_)
    if before.present:
        left_at = min(after.updated_at, before.last_seen_at + SILENCE)
        await ctx.insert(_activity(before, "user-left", left_at))


@mutation(internal=True)
async def note_silent(ctx: MutationCtx, rows_max: int) -> int:
    """Record that people who are not heard of any more have left; how many."""
    silent = await ctx.find(Presence, silent_for(SILENCE, present=True), limit=rows_max)
    if silent:
        noted = {"present": False, "updatedAt": "$updatedAt"}  # nothing that is seen changes
        ids = [row.id for row in silent]
        await ctx.update_many(Presence, {"_id": {"$in": ids}}, [{"$set": noted}])
        await ctx.insert_many(
            [_activity(row, "user-left", row.last_seen_at + SILENCE) for row in silent]
        )
    return len(silent)


def _others(tab: str) -> dict[str, Any]:
    """The other tabs that are still heard of, as an array of names and times."""
    heard = {"$gt": ["$$this.v", _ago(SILENCE)]}
    condition = {"$and": [{"$ne": ["$$this.k", tab]}, heard]}
    return {"$filter": {"input": {"$objectToArray": "$tabs"}, "cond": condition}}


def _with_tab(tab: str) -> dict[str, Any]:
    kept = {"$slice": [_others(tab), 1 - TABS_MAX]}
    return {"$arrayToObject": {"$concatArrays": [kept, [{"k": tab, "v": NOW}]]}}


def _activity(row: Presence, activity_type: str, at: datetime) -> Activity:
    return Activity(
        task_id=row.task_id,
        user_id=row.user_id,
        activity_type=activity_type,
        metadata={"userName": row.user_name},  # who has left is in no list any more
        timestamp=at,
    )
