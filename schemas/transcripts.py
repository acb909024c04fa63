"""The verbatim record of what was sent to Claude and received, in the order of its making."""

from typing import Literal

from schemas.chat_messages import MessageId
from schemas.document import Document, Index
from schemas.tasks import TaskId

__all__ = ["TranscriptEntry", "TranscriptKind", "TranscriptRole"]

TranscriptKind = Literal["base", "prompt", "reply", "results", "cut", "continue", "retracted"]
TranscriptRole = Literal["user", "assistant"]


class TranscriptEntry(
    Document,
    collection="transcripts",
    indexes=[
        Index(("taskId", "number"), unique=True),
        ("taskId", "kind", "number"),
        ("messageId", "number"),
    ],
):
    """One entry. Entries are added and never changed; no function shows them to clients.

    `kind` is ``base`` (model, system prompt and tools of the requests from here on, and the first
    entry that goes along), ``prompt``, ``reply`` (as received), ``results`` (of tools), ``cut``
    (what may be sent back of a reply that was cut), ``continue`` (our words that ask to go on) or
    ``retracted`` (the entries of this message no longer count).
    """

    task_id: TaskId
    number: int
    kind: TranscriptKind
    content: str
    """JSON: the content blocks of a turn; of a base, its settings."""
    role: TranscriptRole | None = None
    message_id: MessageId | None = None
    sequence: int = 0
    """The message's place in its task."""
    attempt: int = 0
    step: int = 0
    request_id: str | None = None
    stop_reason: str | None = None
    usage: str | None = None
    """JSON: as Claude counted."""
