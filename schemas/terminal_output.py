"""What commands wrote to a task's terminal."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.document import Document, Index, Internal, Part
from schemas.streamed_text import StreamedText
from schemas.tasks import TaskId

__all__ = ["OutputStream", "StreamSizes", "TerminalOutput", "TerminalPart"]

OutputStream = Literal["stdout", "stderr"]


class TerminalPart(Part):
    """Text that came one after another from one stream.

    Of a ``notice`` the text is Headwater's own, and says how much output was left out here.
    """

    stream: OutputStream | Literal["notice"]
    text: StreamedText = ""


class StreamSizes(Part):
    """How much each stream has written, in characters (Unicode code points)."""

    stdout: int = 0
    stderr: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.stdout + self.stderr


class TerminalOutput(
    Document,
    collection="terminalOutput",
    indexes=[
        ("taskId", "createdAt", "sequence"),
        ("taskId", "commandId", "sequence"),
        Index(("taskId", "commandId"), unique=True, partial={"closed": False}),
    ],
):
    """A segment of what one command wrote, in the order in which it came.

    Both streams share a command's segments, so that their order is kept. `created_at` never goes
    back within a command; a task's terminal is its segments by `created_at` and `sequence`.
    """

    task_id: TaskId
    command_id: str
    sequence: int
    """Which of its command's segments; those between two that are there were left out."""
    parts: list[TerminalPart] = Field(default_factory=list[TerminalPart])
    omitted_characters: int | None = None
    """Where output was left out, how much; the segment then holds one notice."""
    starts: Annotated[StreamSizes, Internal()] = Field(default_factory=StreamSizes)
    """How much of the command came before this segment."""
    ends: Annotated[StreamSizes, Internal()] = Field(default_factory=StreamSizes)
    """How much of it had come with this segment's end."""
    appends: Annotated[int, Internal()] = 0
    """How many made the segment; each is a chunk of a text."""
    tip: Annotated[int, Internal()] = 0
    """The place of its last part."""
    tip_stream: Annotated[OutputStream | None, Internal()] = None
    """The stream of its last part."""
    closed: Annotated[bool, Internal()] = False
    """Whether another segment of the command follows."""
