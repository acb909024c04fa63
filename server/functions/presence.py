"""People in a task: who is there, and what they do."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.activities import Activity
from schemas.presence import Cursor, Presence, PresenceActivity, PresenceId, Selection
from schemas.tasks import Task, TaskId
from server.functions.stays import (
    arrive,
    heard_of,
    leave,
    note_silent,
    row_id,
    silent_for,
    tab_key,
)
from server.runtime import (
    ActionCtx,
    Find,
    InvalidArguments,
    MutationCtx,
    NotFound,
    QueryCtx,
    every,
    mutation,
    query,
)

__all__ = [
    "TABLES",
    "broadcast_activity",
    "cleanup_stale_presence",
    "get_active_users",
    "get_recent_activities",
    "remove_presence",
    "update_presence",
]

TABLES = (Presence, Activity)
"""What hangs on a task, by its `task_id`."""

PEOPLE_MAX = 1_000
"""Shown of one task."""
TIMEOUT_MS_MAX = 3_600_000
METADATA_BYTES_MAX = 8_192
KEPT_SILENT = timedelta(milliseconds=TIMEOUT_MS_MAX)
"""How long the row of somebody who left by falling silent is kept, for those who ask for a longer
timeout than that."""
ROWS_MAX = 100
"""Rows that one transaction of a clean-up looks at."""
BATCHES_MAX = 50
"""In one clean-up; the next goes on."""

Id = Annotated[str, Field(min_length=1, max_length=200)]
OfTask = Annotated[TaskId, Field(min_length=1, max_length=200)]
Keep = Literal["keep"]
"""What an argument says that is absent: what was last said stays. Null takes it away."""


@query
def get_active_users(
    ctx: QueryCtx,
    task_id: OfTask,
    timeout_ms: Annotated[int, Field(ge=1, le=TIMEOUT_MS_MAX)] = 60_000,
) -> Find[Presence]:
    """Who is in a task, in the order in which they came.

    Somebody of whom nothing is heard for `timeout_ms` leaves by themselves. When they were last
    seen, and changed, is shown in whole minutes, so that being heard of changes little.
    """
    return ctx.find(
        Presence,
        {"taskId": task_id},
        sort=[("createdAt", 1)],
        limit=PEOPLE_MAX,
        within=("lastSeenAt", timeout_ms),
        view=_in_minutes,
    )


def _in_minutes(row: Presence) -> Presence:
    shown = {"last_seen_at": _minute(row.last_seen_at), "updated_at": _minute(row.updated_at)}
    return row.model_copy(update=shown)


def _minute(time: Any) -> Any:
    """The minute of a time; what somebody else wrote there is shown as it is."""
    return time.replace(second=0, microsecond=0) if isinstance(time, datetime) else time


@mutation(transaction=False)
async def update_presence(
    ctx: MutationCtx,
    task_id: OfTask,
    user_id: Id,
    user_name: Annotated[str, Field(min_length=1, max_length=200)],
    user_image: Annotated[str, Field(max_length=2_000)] | None = None,
    activity: PresenceActivity | None = None,
    cursor: Cursor | Keep | None = "keep",
    selection: Selection | Keep | None = "keep",
    tab_id: Annotated[str, Field(max_length=200)] | None = None,
) -> PresenceId:
    """Say that somebody is there, every 30 s from each tab; at once what they do.

    What is left out stays as it was last said, by whichever tab; a `cursor` or `selection` of null
    is taken away. Calls that come faster than they need be seen are made one (see `set_latest`).

    Returns:
        The ``_id`` of their row.

    Raises:
        NotFound: There is no such task.
    """
    given = {
        "userName": user_name,
        **({} if user_image is None else {"userImage": user_image}),
        **({} if activity is None else {"activity": activity}),
        **({} if cursor == "keep" else {"cursor": cursor}),
        **({} if selection == "keep" else {"selection": selection}),
    }
    row, tab = row_id(task_id, user_id), tab_key(tab_id or "")
    await ctx.set_latest(
        Presence,
        heard_of(row, tab),
        given,
        now=["lastSeenAt", f"tabs.{tab}"],
        together=task_id,
        otherwise=lambda newest: ctx.run_mutation(
            arrive, task_id=task_id, user_id=user_id, tab=tab, fields=newest
        ),
    )
    return row


@mutation(transaction=False)
async def remove_presence(
    ctx: MutationCtx,
    task_id: OfTask,
    user_id: Id,
    tab_id: Annotated[str, Field(max_length=200)] | None = None,
) -> None:
    """Say that a tab is gone; with the last one its person leaves. Without a tab, all of them.

    Leaving twice is harmless. What the tab said before and waits to be written is written first:
    it would take whoever has gone for somebody who comes.

    Raises:
        NotFound: There is no such task.
    """
    tab = None if tab_id is None else tab_key(tab_id)
    if tab is not None:
        row = row_id(task_id, user_id)
        await ctx.set_latest(
            Presence,
            heard_of(row, tab),
            {},
            now=["lastSeenAt", f"tabs.{tab}"],
            together=task_id,
            otherwise=_nothing,
        )
    await ctx.run_mutation(leave, task_id=task_id, user_id=user_id, tab=tab)


async def _nothing(_: Any) -> None:
    """Whoever is not there need not be written."""


@query
def get_recent_activities(
    ctx: QueryCtx, task_id: OfTask, limit: Annotated[int, Field(ge=1, le=200)] = 50
) -> Find[Activity]:
    """What was done in a task last, newest first."""
    return ctx.find(Activity, {"taskId": task_id}, sort=[("timestamp", -1)], limit=limit)


@mutation(transaction=False)
async def broadcast_activity(
    ctx: MutationCtx,
    task_id: OfTask,
    user_id: Id,
    activity_type: Annotated[str, Field(min_length=1, max_length=100)],
    metadata: dict[str, Any] | None = None,
) -> Activity:
    """Tell everybody in a task what somebody did.

    Raises:
        NotFound: There is no such task.
        InvalidArguments: There is too much metadata.
    """
    if len(json.dumps(metadata, ensure_ascii=False).encode()) > METADATA_BYTES_MAX:
        raise InvalidArguments(
            f"metadata may have {METADATA_BYTES_MAX} bytes as JSON; refer to what is larger.",
            details=[{"argument": "metadata", "problem": "it is too large"}],
        )
    if not await ctx.count(Task, {"_id": task_id}):
        raise NotFound(f"There is no task {task_id[:100]!r}.")
    return await ctx.insert(
        Activity(
            task_id=task_id,
            user_id=user_id,
            activity_type=activity_type,
            metadata=metadata,
            timestamp=datetime.now(UTC),
        )
    )


@every(seconds=15)
async def cleanup_stale_presence(ctx: ActionCtx) -> None:
    """Record who left by falling silent, and delete what is left of them an hour later."""
    for _ in range(BATCHES_MAX):
        if await ctx.run_mutation(note_silent, rows_max=ROWS_MAX) < ROWS_MAX:
            break
    old = silent_for(KEPT_SILENT, present=False)
    for _ in range(BATCHES_MAX):
        ids = [row.id for row in await ctx.find(Presence, old, limit=ROWS_MAX, fields=["_id"])]
        if ids:
            await ctx.delete_many(Presence, {"_id": {"$in": ids}, **old})
        if len(ids) < ROWS_MAX:
            break
