"""Changes of files in a task's workspace."""

from typing import Literal

from schemas.document import Document
from schemas.tasks import TaskId

__all__ = ["ChangeType", "FileChange"]

ChangeType = Literal["CREATE", "UPDATE", "DELETE", "RENAME"]


class FileChange(Document, collection="fileChanges", indexes=[("taskId", "createdAt")]):
    """One change of one file. `old_path` is there for a RENAME, and only for one."""

    task_id: TaskId
    change_type: ChangeType
    path: str
    old_path: str | None = None
    additions: int = 0
    """Lines."""
    deletions: int = 0
    """Lines."""
    diff: str | None = None
    """As whoever recorded it wrote it; a long one has its middle left out, with a mark."""
    tool_call_id: str | None = None
