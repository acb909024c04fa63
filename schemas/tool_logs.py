"""What tools did in a task's workspace, and how long it took."""

from datetime import datetime
from typing import Literal

from schemas.document import Document

__all__ = ["ToolLog", "ToolLogStatus"]

ToolLogStatus = Literal["RUNNING", "COMPLETED", "FAILED"]


class ToolLog(Document, collection="toolLogs", indexes=[("taskId", "createdAt")]):
    """One run of a tool: ``RUNNING → COMPLETED | FAILED``.

    A long input, output or error has its middle left out, with a mark.
    """

    task_id: str
    tool_name: str
    status: ToolLogStatus = "RUNNING"
    tool_call_id: str | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    completed_at: datetime | None = None
    duration_ms: int | None = None
