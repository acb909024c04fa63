"""Tasks: what a conversation, its tool calls and its workspace belong to."""

from typing import Annotated, Literal

from schemas.document import Document, Internal
from schemas.reference import Ref

__all__ = ["Task", "TaskId", "TaskStatus"]

TaskId = Annotated[str, Ref("tasks")]

TaskStatus = Literal["ACTIVE", "COMPLETED", "ARCHIVED"]


class Task(Document, collection="tasks", indexes=[("createdAt",), ("userId", "createdAt")]):
    """One task."""

    title: str
    description: str | None = None
    status: TaskStatus = "ACTIVE"
    user_id: str | None = None
    next_sequence: Annotated[int, Internal()] = 0
    """The sequence that the task's next message takes."""
