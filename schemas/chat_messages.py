"""Messages of a conversation, and the parts that a reply is written in."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.document import Document, Index, Internal, Part
from schemas.reference import Ref
from schemas.streamed_text import StreamedText
from schemas.tasks import TaskId

__all__ = [
    "ChatMessage",
    "Lease",
    "MessageError",
    "MessageId",
    "MessagePart",
    "MessageStatus",
    "OfferedTool",
    "ReasoningPart",
    "ReplySettings",
    "Retrying",
    "Role",
    "StepMark",
    "TextPart",
    "ToolCallPart",
    "ToolResultPart",
    "Usage",
]

MessageId = Annotated[str, Ref("chatMessages")]

Role = Literal["user", "assistant", "system"]
MessageStatus = Literal["PENDING", "STREAMING", "COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"]


class _ReplyPart(Part):
    seam: bool | None = None
    """True on the first part of a reply that was cut and went on."""


class TextPart(_ReplyPart):
    """Words to be read."""

    type: Literal["text"] = "text"
    text: StreamedText = ""
    citations: list[dict[str, Any]] | None = None
    """Where the words come from, as Claude's API writes it."""


class ReasoningPart(_ReplyPart):
    """What Claude thought, as far as it is shown."""

    type: Literal["reasoning"] = "reasoning"
    text: StreamedText = ""
    signature: Annotated[str | None, Internal()] = None
    """By which Claude knows its own thinking again; there when the part is complete."""


class ToolCallPart(_ReplyPart):
    """A tool that Claude wants to be run.

    `args` are there when they are complete; of a call that its reply's end cut, when that is known.
    """

    type: Literal["tool-call"] = "tool-call"
    tool_call_id: str
    tool_name: str
    args_text: StreamedText = ""
    args: dict[str, Any] | None = None


class ToolResultPart(_ReplyPart):
    """What a tool answered."""

    type: Literal["tool-result"] = "tool-result"
    tool_call_id: str
    result: Any = None
    is_error: bool = False


MessagePart = TextPart | ReasoningPart | ToolCallPart | ToolResultPart


class Usage(Part):
    """Tokens that a reply took, as Claude counts them, summed over its steps.

    The cached ones are part of `prompt_tokens`, and the thinking of `completion_tokens`.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    thinking_tokens: int = 0
    final: bool = True
    """False where a stream was cut before Claude had counted to its end."""


class MessageError(Part):
    """Why a message failed, in words for its reader."""

    code: str
    message: str


class Lease(Part):
    """Who may write a running message, and until when."""

    owner: str
    attempt: int
    expires_at: datetime


class Retrying(Part):
    """A call to Claude was turned away and is made again."""

    attempt: int
    code: str
    at: datetime


class OfferedTool(Part):
    """A tool that Claude may call in this reply."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    runs_on: Literal["server", "executor"] = "executor"
    idempotent: bool = False
    approval: bool = False
    timeout_ms: int | None = None


class ReplySettings(Part):
    """What a reply was asked for with; all that another process needs to resume it but a key."""

    system: str | None = None
    tools: list[OfferedTool] = Field(default_factory=list[OfferedTool])
    auto_resume: bool = False
    """Whether a sweep resumes it, with the server's own key."""


class StepMark(Part):
    """The step that is being written: the request that has not been recorded yet."""

    number: int
    from_part: int
    """The first of its parts."""


class ChatMessage(
    Document,
    collection="chatMessages",
    indexes=[Index(("taskId", "sequence"), unique=True), ("status",)],
):
    """One message; a reply is written here while it is heard.

    `status` runs ``PENDING → STREAMING → COMPLETED | CANCELLED | FAILED | INTERRUPTED``;
    a message that a person wrote is COMPLETED at once.
    """

    task_id: TaskId
    role: Role
    sequence: int
    status: MessageStatus
    parts: list[Annotated[MessagePart, Field(discriminator="type")]] = Field(
        default_factory=list[MessagePart]
    )
    model: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    error: MessageError | None = None
    retrying: Retrying | None = None
    request_ids: list[str] | None = None
    """Claude's names for the calls that were made, for a question to Anthropic."""
    lease: Annotated[Lease | None, Internal()] = None
    asked_by: MessageId | None = None
    """Of a reply, the message that it answers."""
    attempts: Annotated[int, Internal()] = 0
    settings: Annotated[ReplySettings | None, Internal()] = None
    step: Annotated[StepMark | None, Internal()] = None
    cancel_requested_at: datetime | None = None
