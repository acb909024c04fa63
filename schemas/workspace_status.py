"""The workspace of a task: what it last said of itself, and when."""

from datetime import datetime
from typing import Any, Literal

from schemas.document import Document
from schemas.tasks import TaskId

__all__ = ["WorkspaceHealth", "WorkspaceStatus"]

WorkspaceHealth = Literal["healthy", "degraded", "gone"]


class WorkspaceStatus(Document, collection="workspaceStatus", indexes=[("taskId", "lastSeenAt")]):
    """One workspace; its ``_id`` is its task's. How well it is follows from `last_seen_at` too."""

    task_id: TaskId
    status: WorkspaceHealth
    """What it says of itself; ``gone`` where it was told to stop."""
    last_seen_at: datetime
    """By MongoDB's clock."""
    host: str | None = None
    pid: int | None = None
    version: str | None = None
    directory: str | None = None
    message: str | None = None
    tools: list[dict[str, Any]] | None = None
    """What Claude may be offered there, as ``streaming.streamChatWithTools`` takes it."""
