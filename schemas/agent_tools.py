"""Tool calls of Claude, and what became of them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from schemas.chat_messages import MessageId
from schemas.document import Document, Internal, Part
from schemas.reference import Ref
from schemas.tasks import TaskId

__all__ = ["AgentTool", "AgentToolId", "Approval", "ToolError", "ToolRunner", "ToolStatus"]

AgentToolId = Annotated[str, Ref("agentTools")]
"""Of the document; the call's name for Claude is its `tool_call_id`."""

ToolStatus = Literal["PENDING", "RUNNING", "COMPLETED", "FAILED"]
Approval = Literal["required", "approved", "denied"]
ToolRunner = Literal["server", "executor"]


class ToolError(Part):
    """Why a call failed.

    `code` is what the tool's runner says, or one of ours: ``denied``, ``cancelled``,
    ``interrupted`` (its process died), ``expired`` (its executor fell silent), ``timed_out``,
    ``invalid_arguments``, ``unknown_tool``, ``failed``.
    """

    code: str
    message: str


class AgentTool(
    Document,
    collection="agentTools",
    indexes=[
        ("messageId", "createdAt"),
        ("taskId", "createdAt"),
        ("toolCallId", "createdAt"),
        ("status", "createdAt"),
    ],
):
    """One call of a tool: ``PENDING → RUNNING → COMPLETED | FAILED``.

    `runs_on` is ``server`` for a tool that this server runs, and ``executor`` for one that waits
    for somebody who claims it. A call whose `approval` is ``required`` waits for a person first.
    """

    message_id: MessageId
    task_id: TaskId
    tool_name: str
    args: dict[str, Any]
    tool_call_id: str
    status: ToolStatus = "PENDING"
    result: Any = None
    error: ToolError | None = None
    runs_on: ToolRunner = "executor"
    idempotent: bool = False
    approval: Approval | None = None
    executor: str | None = None
    claims: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    attempt: Annotated[int, Internal()] = 0
    """Which attempt at the message may run it, where it runs on the server."""
    expires_at: Annotated[datetime | None, Internal()] = None
    """When the executor's claim ends."""
    timeout_ms: Annotated[int | None, Internal()] = None
    """How long a run may take."""
