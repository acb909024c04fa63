"""Presence as one would write it first, to be compared with: each call a write, all of it shown."""

from datetime import UTC, datetime
from typing import Any

import server.functions
from schemas.document import Document
from server.app import create_app
from server.runtime import Find, MutationCtx, QueryCtx, mutation, query

__all__ = ["app", "get_active_users", "update_presence"]


class NaivePresence(Document, collection="naivePresence", indexes=[("taskId", "createdAt")]):
    """One person in one task."""

    task_id: str
    user_id: str
    user_name: str
    cursor: dict[str, Any] | None = None
    selection: dict[str, Any] | None = None
    last_seen_at: datetime


@query
def get_active_users(ctx: QueryCtx, task_id: str) -> Find[NaivePresence]:
    """Who is in a task."""
    window = ("lastSeenAt", 60_000)
    return ctx.find(NaivePresence, {"taskId": task_id}, sort=[("createdAt", 1)], within=window)


@mutation(transaction=False)
async def update_presence(
    ctx: MutationCtx,
    task_id: str,
    user_id: str,
    user_name: str,
    cursor: dict[str, Any] | None = None,
    selection: dict[str, Any] | None = None,
    tab_id: str | None = None,
) -> None:
    """Say that somebody is there."""
    id_, now = f"{task_id}:{user_id}", datetime.now(UTC)
    given = {"cursor": cursor, "selection": selection}
    changes = {name: value for name, value in given.items() if value is not None}
    if not await ctx.update_one(
        NaivePresence, {"_id": id_}, {"$set": {**changes, "lastSeenAt": now}}
    ):
        await ctx.insert(
            NaivePresence(
                id=id_, task_id=task_id, user_id=user_id, user_name=user_name, last_seen_at=now
            )
        )


app = create_app(functions=[*server.functions.ALL, __name__])
