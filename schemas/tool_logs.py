"""What tools did in a task's workspace, and how long it took."""

from datetime import datetime
from typing import Annotated, Literal

from schemas.document import Document
from schemas.reference import Ref
from schemas.tasks import TaskId

__all__ = ["ToolLog", "ToolLogId", "ToolLogStatus"]

ToolLogId = Annotated[str, Ref("toolLogs")]

ToolLogStatus = Literal["RUNNING", "COMPLETED", "FAILED"]


class ToolLog(Document, collection="toolLogs", indexes=[("taskId", "createdAt")]):
    """One run of a tool: ``RUNNING → COMPLETED | FAILED``.

    A long input, output or error has its middle left out, with a mark.
    """

    task_id: TaskId
    tool_name: str
    status: ToolLogStatus = "RUNNING"
    tool_call_id: str | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    completed_at: datetime | None = None
    duration_ms: int | None = None
