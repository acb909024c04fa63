"""Writes one reply into its message, while it is heard.

Deltas are written single-flight: the first at once, then whatever has gathered when the write
before has returned, no sooner than a small interval, which widens when writes are slow. Every
write is fenced: its filter names the attempt, a running status and a lease that has not expired
by MongoDB's clock, and a write that matches nothing stops the writer for good.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from schemas.chat_messages import ChatMessage, MessageStatus
from server.llm import (
    Ended,
    Event,
    PartBegun,
    ReasoningDelta,
    ReplyBegun,
    TextDelta,
    Usage,
)
from server.runtime import ActionCtx, HeadwaterError

__all__ = ["Fenced", "MessageWriter"]

FLUSH_INTERVAL_SECONDS_MIN = 0.025
"""Between two writes, at least; about what a screen shows."""
FLUSH_INTERVAL_SECONDS_MAX = 0.5
COMPACT_CHUNKS = 1_000
"""A text of so many chunks is made one, and again whenever its length has doubled."""
OUTAGE_SECONDS_MAX = 30.0
"""How long writes are tried again while the database cannot be reached."""
RETRY_SECONDS = 0.5


class Fenced(Exception):
    """The message is no longer ours to write."""


class _Part:
    """A part of the message.

    Attributes:
        kind: ``text`` or ``reasoning``.
        text: What is stored of it.
        chunks: In how many chunks.
        waiting: What is still to be written.
        exists: Whether the message has it.
        compact_at: At so many chunks the text is made one.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.text = ""
        self.chunks = 0
        self.waiting: list[str] = []
        self.exists = False
        self.compact_at = COMPACT_CHUNKS

    def written(self, count: int, *, whole: bool) -> None:
        """The first `count` of `waiting` are stored, as one chunk more or as the only one."""
        self.text += "".join(self.waiting[:count])
        del self.waiting[:count]
        if whole and self.exists:
            self.compact_at = max(COMPACT_CHUNKS, self.chunks * 2)
        self.chunks = 1 if whole or not self.exists else self.chunks + 1
        self.exists = True


class MessageWriter:
    """The only writer of one attempt at a reply.

    Args:
        ctx: Through which it writes.
        message_id: The message.
        attempt: Which attempt this is, as its lease says.

    Attributes:
        stopped: Whether it has written its last: it was fenced off, or the database is gone.
    """

    def __init__(self, ctx: ActionCtx, message_id: str, attempt: int) -> None:
        self._ctx = ctx
        self._id = message_id
        self._fence = {
            "_id": message_id,
            "lease.attempt": attempt,
            "status": {"$in": ["PENDING", "STREAMING"]},
            "$expr": {"$gt": ["$lease.expiresAt", "$$NOW"]},
        }
        self._parts: list[_Part] = []
        self._part_of: dict[int, _Part] = {}
        self._first: dict[str, Any] = {"status": "STREAMING"}
        self._news = asyncio.Event()
        self._failure: Exception | None = None
        self._closing = False
        self._ended: Ended | None = None

    @property
    def stopped(self) -> bool:
        """Whether nothing more can be written."""
        return self._failure is not None

    # --- hearing -------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Take one event of the stream in; it is written soon."""
        match event:
            case ReplyBegun():
                self._first["model"] = event.model
            case PartBegun(kind="text" | "reasoning"):
                part = _Part(event.kind)
                self._parts.append(part)
                self._part_of[event.index] = part
            case TextDelta() | ReasoningDelta():
                self._part_of[event.index].waiting.append(event.text)
                self._news.set()
            case Ended():
                self._ended = event
            case _:
                pass

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[None]:
        """Write beside while the block runs. What is left when it ends goes with the ending.

        Raises:
            Fenced: The message is no longer ours.
            HeadwaterError: The database could not be reached for too long.
        """
        task = asyncio.create_task(self._write_on(), name=f"write {self._id}")
        try:
            yield
        finally:
            self._closing = True
            self._news.set()
            await task
        if self._failure is not None:
            raise self._failure

    async def _write_on(self) -> None:
        try:
            while True:
                await self._news.wait()
                if self._closing:
                    return
                self._news.clear()
                began = time.monotonic()
                await self._write(self._flush)
                took = time.monotonic() - began
                pause = min(max(FLUSH_INTERVAL_SECONDS_MIN, 2 * took), FLUSH_INTERVAL_SECONDS_MAX)
                await asyncio.sleep(max(0.0, pause - took))
        except Exception as error:  # noqa: BLE001  # raised where the stream is followed
            self._failure = error

    async def _write(self, attempt: Callable[[bool], Awaitable[None]]) -> None:
        """Write, and after an error whose outcome is not known write whole texts instead.

        A whole text can be written any number of times; a chunk that is pushed twice is there
        twice.
        """
        deadline = time.monotonic() + OUTAGE_SECONDS_MAX
        again = False
        while True:
            try:
                return await attempt(again)
            except HeadwaterError as error:
                if error.retry != "after" or time.monotonic() > deadline:
                    raise
                again = True
                await asyncio.sleep(RETRY_SECONDS)

    async def _flush(self, again: bool) -> None:
        """Write what has gathered."""
        pushed: dict[str, str] = {}
        fields = dict(self._first)
        written: list[tuple[_Part, int, bool]] = []
        for index, part in enumerate(self._parts):
            follows = any(later.waiting or later.exists for later in self._parts[index + 1 :])
            if not part.waiting and (part.exists or not follows):
                continue  # one that is empty is written before what follows it: no gap in the list
            text = "".join(part.waiting)
            whole = again or part.chunks >= part.compact_at
            written.append((part, len(part.waiting), whole))
            if not part.exists:
                fields[f"parts.{index}"] = {"type": part.kind, "text": [text] if text else []}
            elif whole:
                fields[f"parts.{index}.text"] = [part.text + text]
            else:
                pushed[f"parts.{index}.text"] = text
        if fields:
            update = {"$set": fields, **({"$push": pushed} if pushed else {})}
            matched = await self._ctx.update_one(ChatMessage, self._fence, update)
        else:
            matched = await self._ctx.append(ChatMessage, self._fence, pushed)
        if not matched:
            raise Fenced
        self._first = {}
        for part, count, whole in written:
            part.written(count, whole=whole)

    # --- endings -------------------------------------------------------------------------------

    async def complete(self) -> None:
        """The stream ended as it should."""
        ended = self._ended
        assert ended is not None, "a stream ends with Ended or raises"
        if ended.stop_reason == "refusal":
            self._parts = []
            await self._end("FAILED", finish_reason="refusal", error=REFUSED)
        else:
            await self._end("COMPLETED", finish_reason=ended.stop_reason)

    async def fail(self, code: str, message: str) -> None:
        """The stream broke; the text that came is kept."""
        await self._end("FAILED", finish_reason="error", error={"code": code, "message": message})

    async def interrupt(self) -> None:
        """The process stops; the text that came is kept, ready to be resumed."""
        await self._end("INTERRUPTED")

    async def _end(
        self,
        status: MessageStatus,
        *,
        finish_reason: str | None = None,
        error: dict[str, str] | None = None,
    ) -> None:
        """Write the one ending, with all that was heard; nothing where we were fenced off."""
        fields: dict[str, Any] = {**self._first, "status": status}
        if finish_reason is not None:
            fields["finishReason"] = finish_reason
        if error is not None:
            fields["error"] = error
        if self._ended is not None:  # before, Claude has not counted what it wrote
            fields["usage"] = _usage(self._ended.usage)
        fields["parts"] = [
            {"type": part.kind, "text": [text] if text else []}
            for part in self._parts
            for text in (part.text + "".join(part.waiting),)
        ]

        async def attempt(_: bool) -> None:
            await self._ctx.update_one(
                ChatMessage, self._fence, {"$set": fields, "$unset": {"lease": ""}}
            )

        await self._write(attempt)


REFUSED = {
    "code": "refusal",
    "message": "Claude declined to answer this; what had been shown was taken back.",
}


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "promptTokens": usage.prompt_tokens,
        "completionTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "cacheReadTokens": usage.cache_read_input_tokens or 0,
        "cacheWriteTokens": usage.cache_creation_input_tokens or 0,
    }
