"""Tasks, and the workspaces in which they are worked on."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from schemas.task_removals import TaskRemoval
from schemas.tasks import Task, TaskStatus
from schemas.workspace_status import WorkspaceHealth, WorkspaceStatus
from server.functions.known_task import TaskId, known_task
from server.functions.task_removal import finish_removals, remove_task
from server.functions.workspace import Said, SaidTools, ShownHealth, health_of, note
from server.runtime import (
    UNGIVEN,
    ActionCtx,
    Conflict,
    Find,
    Get,
    MutationCtx,
    NotFound,
    QueryCtx,
    every,
    mutation,
    query,
)

__all__ = [
    "TaskRemoval",
    "create",
    "get",
    "get_workspace_status",
    "list",
    "remove",
    "sweep_removed",
    "update",
    "workspace_heartbeat",
]

Title = Annotated[str, Field(min_length=1, max_length=500)]
Description = Annotated[str, Field(max_length=20_000)]
UserId = Annotated[str, Field(max_length=200)]

FOLLOWING: dict[TaskStatus, tuple[TaskStatus, ...]] = {
    "ACTIVE": ("COMPLETED", "ARCHIVED"),
    "COMPLETED": ("ACTIVE", "ARCHIVED"),
    "ARCHIVED": ("ACTIVE",),
}
"""What a task may become."""


@query
def get(ctx: QueryCtx, task_id: TaskId) -> Get[Task]:
    """One task, or null."""
    return ctx.get(Task, task_id)


@query
def list(  # noqa: A001  # its wire name is tasks.list
    ctx: QueryCtx,
    user_id: UserId | None = None,
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
    user_id: UserId | None = None,
) -> Task:
    """A new task."""
    return await ctx.insert(Task(title=title, description=description, user_id=user_id))


@mutation
async def update(
    ctx: MutationCtx,
    task_id: TaskId,
    title: Title | None = None,
    description: Description | None = UNGIVEN,
    status: TaskStatus | None = None,
) -> Task:
    """Change what is given of a task; a description of null is none.

    A task is ACTIVE or COMPLETED, and back, and ARCHIVED from either; out of the archive it is
    ACTIVE first.

    Raises:
        NotFound: There is no such task.
        Conflict: It cannot have this status now.
    """
    changes: dict[str, Any] = {}
    if title is not None:
        changes["title"] = title
    if description is not UNGIVEN:
        changes["description"] = description
    if status is not None:
        changes["status"] = status
        await _check_status(ctx, task_id, status)
    return await ctx.update(Task, task_id, {"$set": {"_id": task_id, **changes}})


async def _check_status(ctx: QueryCtx, task_id: str, status: TaskStatus) -> None:
    task = await ctx.get(Task, task_id)
    if task is None:
        raise NotFound(f"There is no Task {task_id[:100]!r}.")
    if status != task.status and status not in FOLLOWING[task.status]:
        allowed = " or ".join(FOLLOWING[task.status])
        raise Conflict(
            f"A task that is {task.status} cannot become {status}, only {allowed}.",
            details={"status": task.status, "allowed": FOLLOWING[task.status]},
        )


@mutation
async def remove(ctx: MutationCtx, task_id: TaskId) -> None:
    """Delete a task and all that belongs to it. A reply that is being written ends.

    The task is gone at once, and with it 500 of its rows in the same transaction; further ones
    follow within seconds.

    Raises:
        NotFound: There is no such task.
    """
    await remove_task(ctx, task_id)


@every(seconds=2, timeout=30)
async def sweep_removed(ctx: ActionCtx) -> None:
    """Delete what removed tasks have left."""
    await finish_removals(ctx)


# --- workspaces ---------------------------------------------------------------------------------


@query
async def get_workspace_status(ctx: QueryCtx, task_id: TaskId) -> ShownHealth:
    """How well a task's workspace is: healthy, degraded, or gone."""
    return await health_of(ctx, task_id)


@mutation
async def workspace_heartbeat(
    ctx: MutationCtx,
    task_id: TaskId,
    status: WorkspaceHealth = "healthy",
    host: Said | None = None,
    pid: Annotated[int, Field(ge=0, lt=2**53)] | None = None,
    version: Said | None = None,
    directory: Said | None = None,
    message: Said | None = None,
    tools: SaidTools | None = None,
) -> WorkspaceStatus:
    """A workspace says how it is; it does so every 10 s, and ``gone`` when it is told to stop.

    One that falls silent is degraded after 30 s and gone after 60. Nobody is told of a heartbeat
    by which nothing changes.

    Raises:
        NotFound: There is no such task.
    """
    await known_task(ctx, task_id)
    said = WorkspaceStatus(
        id=task_id,
        task_id=task_id,
        status=status,
        last_seen_at=datetime.now(UTC),
        host=host,
        pid=pid,
        version=version,
        directory=directory,
        message=message,
        tools=tools,
    )
    return await note(ctx, said)
