"""One part of a message that is being written: what is stored of it, what waits."""

from typing import Any

__all__ = ["COMPACT_CHUNKS", "OPLOG_ENTRY_BYTES", "MessagePart"]

COMPACT_CHUNKS = 1_000
"""A text of so many chunks is made one, and of more where it is so long that writing it whole
costs more than its chunks did: then compaction never costs more than what it saves."""
OPLOG_ENTRY_BYTES = 360
"""What MongoDB's oplog takes for an update, beside the update itself; measured."""


class MessagePart:
    """A part of the message.

    Attributes:
        fields: What is known of it when it begins.
        name: The field of its text.
        text: What is stored of it.
        chunks: In how many chunks.
        waiting: What is still to be written.
        closing: Fields that it gets when it is complete.
        exists: Whether the message has it.
        length: Of that, in characters.
    """

    def __init__(self, fields: dict[str, Any], name: str | None) -> None:
        self.fields = fields
        self.name = name
        self.text: list[str] = []
        self.length = 0
        self.chunks = 0
        self.waiting: list[str] = []
        self.closing: dict[str, Any] = {}
        self.exists = False

    @property
    def has_news(self) -> bool:
        """Whether something of it is to be written; a call is shown as soon as it begins."""
        is_told_empty = self.name != "text"
        return bool(self.waiting or self.closing or (is_told_empty and not self.exists))

    @property
    def is_due(self) -> bool:
        """Whether its chunks are to be made one."""
        return self.chunks >= max(COMPACT_CHUNKS, self.length // OPLOG_ENTRY_BYTES)

    def whole_text(self) -> str:
        """Its text, with what is still to be written."""
        self.text = ["".join(self.text)]
        return "".join([*self.text, *self.waiting])

    def whole(self) -> dict[str, Any]:
        """All of it, as it is stored."""
        text = self.whole_text()
        texts = {self.name: [text] if text else []} if self.name is not None else {}
        return {**self.fields, **texts, **self.closing}

    def written(self, count: int, closed: dict[str, Any], *, whole: bool) -> None:
        """The first `count` of `waiting` are stored, as one chunk more or as the only one."""
        self.text += self.waiting[:count]
        self.length += sum(map(len, self.waiting[:count]))
        del self.waiting[:count]
        self.closing = {k: v for k, v in self.closing.items() if k not in closed}
        if whole or not self.exists:
            self.chunks = 1
        elif count:
            self.chunks += 1
        self.exists = True
