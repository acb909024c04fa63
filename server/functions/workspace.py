"""How well the workspace of a task is: what it says, and how long it has said nothing."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.names import stored_name
from schemas.tasks import TaskId
from schemas.workspace_status import WorkspaceHealth, WorkspaceStatus
from server.runtime import NOW, MutationCtx, QueryCtx

__all__ = [
    "DEGRADED_AFTER_MS",
    "GONE_AFTER_MS",
    "Said",
    "SaidTools",
    "ShownHealth",
    "health_of",
    "note",
]

DEGRADED_AFTER_MS = 30_000
"""A workspace that has been silent for so long is degraded, whatever it said."""
GONE_AFTER_MS = 60_000
"""And for so long, gone."""

Said = Annotated[str, Field(max_length=1_000)]
"""What a workspace says of itself."""

SaidTools = Annotated[list[dict[str, Any]], Field(max_length=50)]
"""What it says that Claude may be offered there, as ``streaming.streamChatWithTools`` takes it."""

_SAID = ("status", "host", "pid", "version", "directory", "message", "tools")


class ShownHealth(BaseModel):
    """What clients see of a workspace; it changes when the health does, not with each heartbeat.

    Attributes:
        status: Its health.
        said: What it last said of itself; None where there never was a workspace.
        last_seen_at: When it was last heard of, where it is gone.
    """

    model_config = ConfigDict(
        alias_generator=stored_name, populate_by_name=True, val_temporal_unit="milliseconds"
    )

    task_id: TaskId
    status: WorkspaceHealth
    said: WorkspaceHealth | None = None
    host: str | None = None
    pid: int | None = None
    version: str | None = None
    directory: str | None = None
    message: str | None = None
    tools: list[dict[str, Any]] | None = None
    last_seen_at: datetime | None = None


async def health_of(ctx: QueryCtx, task_id: str) -> ShownHealth:
    """The health of a task's workspace, by what is told and by time.

    Only what decides is read: of a workspace that is well, that it was seen lately.
    """
    workspace = {"taskId": task_id}
    for period_ms, silent in ((DEGRADED_AFTER_MS, False), (GONE_AFTER_MS, True)):
        within = ("lastSeenAt", period_ms)
        seen = await ctx.find(WorkspaceStatus, workspace, fields=_SAID, within=within)
        if seen:
            said = seen[0].status
            return _shown(seen[0], task_id, "degraded" if silent and said != "gone" else said)
    known = await ctx.get(WorkspaceStatus, task_id)
    if known is None:
        return ShownHealth(task_id=task_id, status="gone")
    return _shown(known, task_id, "gone", last_seen_at=known.last_seen_at)


def _shown(
    workspace: WorkspaceStatus,
    task_id: str,
    status: WorkspaceHealth,
    last_seen_at: datetime | None = None,
) -> ShownHealth:
    return ShownHealth(
        task_id=task_id,
        status=status,
        said=workspace.status,
        host=workspace.host,
        pid=workspace.pid,
        version=workspace.version,
        directory=workspace.directory,
        message=workspace.message,
        tools=workspace.tools,
        last_seen_at=last_seen_at,
    )


async def note(ctx: MutationCtx, workspace: WorkspaceStatus) -> WorkspaceStatus:
    """Write down what a workspace says, at MongoDB's time."""
    if await ctx.get(WorkspaceStatus, workspace.id) is None:
        await ctx.insert(workspace)
    said = {name: {"$literal": getattr(workspace, name)} for name in _SAID}
    seen = {"lastSeenAt": NOW, "updatedAt": NOW}
    return await ctx.update(WorkspaceStatus, workspace.id, [{"$set": said | seen}])
