"""Tasks."""

from typing import Annotated

from pydantic import Field

from schemas.agent_tools import AgentTool
from schemas.chat_messages import ChatMessage
from schemas.tasks import Task, TaskStatus
from schemas.transcripts import TranscriptEntry
from server.runtime import Find, Get, MutationCtx, QueryCtx, mutation, query

__all__ = ["create", "get", "list", "remove", "update"]

Title = Annotated[str, Field(min_length=1, max_length=500)]
Description = Annotated[str, Field(max_length=20_000)]


@query
def get(ctx: QueryCtx, task_id: str) -> Get[Task]:
    """One task, or null."""
    return ctx.get(Task, task_id)


@query
def list(  # noqa: A001  # its wire name is tasks.list
    ctx: QueryCtx,
    user_id: str | None = None,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
) -> Find[Task]:
    """The newest tasks, of everybody or of one user, newest first."""
    owned = {} if user_id is None else {"userId": user_id}
    return ctx.find(Task, owned, sort=[("createdAt", -1)], limit=limit)


@mutation
async def create(
    ctx: MutationCtx,
    title: Title,
    description: Description | None = None,
    user_id: str | None = None,
) -> Task:
    """A new task."""
    return await ctx.insert(Task(title=title, description=description, user_id=user_id))


@mutation
async def update(
    ctx: MutationCtx,
    task_id: str,
    title: Title | None = None,
    description: Description | None = None,
    status: TaskStatus | None = None,
) -> Task:
    """Change what is given of a task."""
    given = {"title": title, "description": description, "status": status}
    changes = {name: value for name, value in given.items() if value is not None}
    return await ctx.update(Task, task_id, {"$set": {"_id": task_id, **changes}})


@mutation
async def remove(ctx: MutationCtx, task_id: str) -> None:
    """Delete a task and all that belongs to it. A reply that is being written ends."""
    await ctx.delete(Task, task_id)
    for table in (ChatMessage, AgentTool, TranscriptEntry):
        await ctx.delete_many(table, {"taskId": task_id})
