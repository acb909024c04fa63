"""The held value of a streamed text: an immutable view of a shared list of chunks."""

from collections.abc import Sequence

__all__ = ["ChunkText"]


class ChunkText:
    """A text as it is stored: a list of chunks.

    Values that grew from one another share one list, which is only ever appended to; each value
    sees as much of it as it had when it was made. So an append costs the chunk, not the text.
    """

    __slots__ = ("_chunks", "_count", "length")

    def __init__(self, chunks: Sequence[str] = ()) -> None:
        self._chunks = list(chunks)
        self._count = len(self._chunks)
        self.length = sum(map(len, self._chunks))
        """In characters."""

    @property
    def count(self) -> int:
        """How many chunks there are."""
        return self._count

    def appended(self, chunk: str) -> "ChunkText":
        """This text with `chunk` at its end."""
        if self._count == len(self._chunks):
            self._chunks.append(chunk)
            chunks = self._chunks
        else:  # another value grew from this one before
            chunks = [*self._chunks[: self._count], chunk]
        text = ChunkText.__new__(ChunkText)
        text._chunks, text._count, text.length = chunks, self._count + 1, self.length + len(chunk)
        return text

    def grown_from(self, older: "ChunkText") -> str | None:
        """What was appended to `older` to make this text; None where that is not what happened."""
        if self._chunks is older._chunks and self._count >= older._count:
            return "".join(self._chunks[older._count : self._count])
        if self.length >= older.length:
            text, prefix = str(self), str(older)
            if text.startswith(prefix):
                return text[len(prefix) :]
        return None

    def chunks(self) -> list[str]:
        """The chunks, as they are stored."""
        return self._chunks[: self._count]

    def __str__(self) -> str:
        return "".join(self._chunks[: self._count])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ChunkText):
            return self is other or (self.length == other.length and str(self) == str(other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # compared, never a key

    def __repr__(self) -> str:
        return f"ChunkText({str(self)[:40]!r}, count={self._count})"
