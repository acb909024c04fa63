"""Messages of a conversation, and the parts that a reply is written in."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.document import Document, Index, Internal, Part
from schemas.streamed_text import StreamedText

__all__ = [
    "ChatMessage",
    "Lease",
    "MessageError",
    "MessagePart",
    "MessageStatus",
    "ReasoningPart",
    "Role",
    "TextPart",
    "ToolCallPart",
    "ToolResultPart",
    "Usage",
]

Role = Literal["user", "assistant", "system"]
MessageStatus = Literal["PENDING", "STREAMING", "COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"]


class TextPart(Part):
    """Words to be read."""

    type: Literal["text"] = "text"
    text: StreamedText = ""


class ReasoningPart(Part):
    """What Claude thought, as far as it is shown."""

    type: Literal["reasoning"] = "reasoning"
    text: StreamedText = ""


class ToolCallPart(Part):
    """A tool that Claude wants to be run."""

    type: Literal["tool-call"] = "tool-call"
    tool_call_id: str
    tool_name: str
    args_text: StreamedText = ""
    args: dict[str, Any] | None = None


class ToolResultPart(Part):
    """What a tool answered."""

    type: Literal["tool-result"] = "tool-result"
    tool_call_id: str
    result: Any = None
    is_error: bool = False


MessagePart = TextPart | ReasoningPart | ToolCallPart | ToolResultPart


class Usage(Part):
    """Tokens that a reply took, as Claude counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


class MessageError(Part):
    """Why a message failed, in words for its reader."""

    code: str
    message: str


class Lease(Part):
    """Who may write a running message, and until when."""

    owner: str
    attempt: int
    expires_at: datetime


class ChatMessage(
    Document,
    collection="chatMessages",
    indexes=[Index(("taskId", "sequence"), unique=True), ("status",)],
):
    """One message; a reply is written here while it is heard.

    `status` runs ``PENDING → STREAMING → COMPLETED | CANCELLED | FAILED | INTERRUPTED``;
    a message that a person wrote is COMPLETED at once.
    """

    task_id: str
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
    lease: Annotated[Lease | None, Internal()] = None
    cancel_requested_at: datetime | None = None
