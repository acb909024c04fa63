"""Writes one reply into its message, while it is heard.

Deltas are written single-flight: the first at once, then whatever has gathered when the write
before has returned, no sooner than a small interval, which widens when writes are slow. Every
write is fenced (see `replies`), and a write that matches nothing stops the writer for good.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.chat_messages import ChatMessage, MessageStatus
from server.functions.message_part import OPLOG_ENTRY_BYTES
from server.functions.message_parts import MessageParts
from server.functions.replies import record
from server.functions.reply_lease import fence, renew
from server.functions.usage_sum import UsageSum
from server.llm import (
    Ended,
    Entry,
    Event,
    PartBegun,
    PartEnded,
    ReasoningDelta,
    ReplyBegun,
    Retrying,
    TextDelta,
    ToolInputDelta,
    Usage,
)
from server.runtime import ActionCtx, HeadwaterError

__all__ = ["Fenced", "MessageWriter", "PartsGone", "TooLong"]

FLUSH_INTERVAL_SECONDS_MIN = 0.025
"""Between two writes, at least; about what a screen shows."""
FLUSH_INTERVAL_SECONDS_MAX = 0.5
OPLOG_RECORD_BYTES = 450
"""The same for a transaction that records a step, with its first transcript entry."""
OUTAGE_SECONDS_MAX = 30.0
"""How long writes are tried again while the database cannot be reached."""
RETRY_SECONDS = 0.5


class Fenced(Exception):
    """The message is no longer ours to write."""


class PartsGone(Exception):
    """Somebody else has removed parts of the message, and a write by place would leave holes.

    MongoDB fills up with nulls what is missing before a place that is written to.
    """


class TooLong(Exception):
    """The message holds as much as it may."""


class MessageWriter:
    """The only writer of one attempt at a reply.

    Args:
        ctx: Through which it writes.
        message: The message, as the attempt found it.

    Attributes:
        attempt: Which one at the reply it is.
        is_ending: Whether the message's ending is being written, or has been.
    """

    def __init__(self, ctx: ActionCtx, message: ChatMessage) -> None:
        self._ctx = ctx
        self._message = message
        self._id = message.id
        self.attempt = message.attempts
        self._asked_by = message.asked_by
        self._fence = fence(message.id, message.attempts)
        self._parts = MessageParts(message)
        self._are_gone = False
        self._first: dict[str, Any] = {"status": "STREAMING"}
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._failure: Exception | None = None
        self._closing = False
        self._step = 0
        self._is_open = False
        self.is_ending = False
        self._usage = UsageSum(message)
        self._request_id: str | None = None

    @property
    def tokens(self) -> int:
        """Of output, that this attempt took so far."""
        return self._usage.tokens

    # --- hearing -------------------------------------------------------------------------------

    def begin_step(self, number: int) -> None:
        """What is heard from here on answers the request of step `number`."""
        self._step, self._is_open = number, True
        self._usage.counted = Usage()
        self._first["step"] = {"number": number, "fromPart": self._parts.begin_step()}

    def hear(self, event: Event) -> None:
        """Take one event of the stream in; it is written soon.

        Raises:
            TooLong: The message holds as much as it may.
        """
        match event:
            case Retrying():
                at = datetime.now(UTC) + timedelta(milliseconds=event.delay_ms)
                self._first["retrying"] = {"attempt": event.attempt, "code": event.code, "at": at}
                self._news.set()
            case ReplyBegun():
                self._first["model"] = event.model
                self._request_id = event.request_id
            case Usage():
                self._usage.counted = event
            case PartBegun():
                self._parts.begin(event)
                if event.kind == "tool-call":
                    self._news.set()
            case TextDelta() | ReasoningDelta():
                self._grow(event.index, event.text)
            case ToolInputDelta():
                self._grow(event.index, event.partial_json)
            case PartEnded():
                if self._parts.close(event):
                    self._news.set()
            case Ended():
                pass

    def _grow(self, index: int, text: str) -> None:
        self._parts.grow(index, text)
        self._ctx.tally("reply_text_bytes", len(text.encode()))
        self._news.set()
        if self._parts.is_too_long:
            raise TooLong

    def add_result(self, tool_call_id: str, result: Any, error: str | None) -> None:
        """A tool has answered. Where the message has no room, the call's own document shows it."""
        self._parts.add_result(tool_call_id, result, error)
        self._news.set()

    # --- writing beside ------------------------------------------------------------------------

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[None]:
        """Write beside while the block runs. What is left when it ends goes with the ending.

        Raises:
            Fenced: The message is no longer ours.
            PartsGone: Somebody has removed parts of it.
            HeadwaterError: The database could not be reached for too long.
        """
        task = asyncio.create_task(self._write_on(), name=f"write {self._id}")
        try:
            yield
        finally:
            self._closing = True
            self._news.set()
            await task
        self.check()

    def check(self) -> None:
        """Raise what stopped the writer, if anything did."""
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
                async with self._turn:
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
        gathered = self._parts.gathered(again=again)
        fields, pushed = {**self._first, **gathered.fields}, gathered.pushed
        query = {**self._fence, **self._parts.in_place()}
        if fields:
            update = {"$set": fields, **({"$push": pushed} if pushed else {})}
            if "retrying" not in fields:
                update["$unset"] = {"retrying": ""}
            if "model" in fields:  # the reply has just begun
                update |= self._ids()
            matched = await self._ctx.update_one(ChatMessage, query, update)
        elif pushed:
            update = {"$push": pushed}
            matched = await self._ctx.append_together(ChatMessage, query, pushed)
        else:
            return
        if not matched:
            raise await self._refusal()
        written_bytes = self._ctx.stored_bytes(update) + OPLOG_ENTRY_BYTES
        self._ctx.tally("reply_written_bytes", written_bytes)
        self._first = {k: v for k, v in self._first.items() if k not in fields}
        self._parts.stored(gathered)

    async def _refusal(self) -> Exception:
        """Why a write matched nothing.

        A write asks, for a read might see what was before; and it asks for what is missing, for a
        lease that had run out may be renewed by now, by a command that began before.
        """
        if not await renew(self._ctx, {**self._fence, **self._parts.missing()}):
            return Fenced()
        self._are_gone = True
        return PartsGone()

    # --- steps and endings ---------------------------------------------------------------------

    async def record(
        self,
        ended: Ended,
        *,
        uses: Sequence[dict[str, Any]] = (),
        status: MessageStatus | None = None,
        finish_reason: str | None = None,
        more: Sequence[Entry] = (),
    ) -> list[Entry]:
        """Write a complete step down, into the message and into the transcript at once.

        Args:
            ended: The step's last event.
            uses: Calls of tools that begin to wait.
            status: The message's end, where this is it.
            finish_reason: Why it ended.
            more: Further entries.

        Raises:
            Fenced: The message is no longer ours.
            PartsGone: Somebody has removed parts of it.
        """
        content = [dict(block) for block in ended.content]
        broken = self._parts.close_broken()
        uses = [{**use, "broken": True} if use["id"] in broken else use for use in uses]
        reply = Entry.of("reply", content, self._id, ended.stop_reason)
        self._usage.add(ended.usage)
        usage = json.dumps(asdict(ended.usage))
        details = {"request_id": ended.request_id, "usage": usage}
        return await self._record(
            [reply, *more] if content else list(more),
            uses=uses, status=status, finish_reason=finish_reason, details=details, unset=("step",),
        )  # fmt: skip

    async def record_results(self, results: Entry) -> list[Entry]:
        """Write down what the tools answered."""
        return await self._record([results])

    async def refuse(self, ended: Ended) -> None:
        """Claude declined: what was shown is taken back, here and in what it will be sent."""
        self._usage.add(ended.usage)
        self._parts.take_back()
        await self._record(
            [Entry("retracted", "[]", one) for one in (self._asked_by, self._id) if one],
            status="FAILED", finish_reason="refusal", error=REFUSED, parts=[], end="cancelled",
            unset=("step",),
        )  # fmt: skip

    async def fail(self, code: str, message: str) -> None:
        """The stream broke; the text that came is kept."""
        error = {"code": code, "message": message}
        await self._end_cut("FAILED", finish_reason="error", error=error, end="cancelled")

    async def interrupt(self) -> None:
        """The process stops; the text that came is kept, ready to be resumed."""
        await self._end_cut("INTERRUPTED", hand_over=True)

    async def _end_cut(self, status: MessageStatus, **more: Any) -> None:
        """The one ending, with all that was heard; nothing where we were fenced off."""
        began = self._request_id is not None
        if self._is_open and began:
            self._usage.is_cut = True
            self._usage.add(self._usage.counted)
        unset = ("step",) if self._is_open and not began else ()  # of which there is nothing
        with suppress(Fenced):
            try:
                await self._record([], status=status, unset=unset, **more)
            except PartsGone:  # found only now; the ending alone is written then
                await self._record([], status=status, unset=unset, **more)

    async def tell_usage(self) -> None:
        """Write what was counted of a reply that somebody cancelled; nothing else may be."""
        self._usage.is_cut = True
        self._usage.add(self._usage.counted)
        query = {"_id": self._id, "status": "CANCELLED", "attempts": self.attempt}
        await self._ctx.update_one(
            ChatMessage, query, {"$set": {"usage": self._usage.total()}, **self._ids()}
        )

    def _ids(self) -> dict[str, Any]:
        return {"$addToSet": {"requestIds": self._request_id}} if self._request_id else {}

    async def _record(
        self,
        entries: Sequence[Entry],
        *,
        uses: Sequence[dict[str, Any]] = (),
        status: MessageStatus | None = None,
        finish_reason: str | None = None,
        error: dict[str, str] | None = None,
        parts: list[Any] | None = None,
        end: str | None = None,
        hand_over: bool = False,
        details: dict[str, Any] | None = None,
        unset: Sequence[str] = (),
    ) -> list[Entry]:
        recorded: list[Entry] = []
        self.is_ending = status is not None

        async def attempt(again: bool) -> None:
            if self._are_gone and status not in ("FAILED", "INTERRUPTED"):
                raise PartsGone
            gone = {"retrying", *unset, *(("lease",) if status is not None else ())}
            first = {name: value for name, value in self._first.items() if name not in gone}
            fields = {**first, "usage": self._usage.total()}
            given = {"status": status, "finishReason": finish_reason, "error": error}
            fields |= {name: value for name, value in given.items() if value is not None}
            fields |= {"parts": parts} if parts is not None else self._rest(status)
            update = {"$set": fields, "$unset": dict.fromkeys(gone, ""), **self._ids()}
            found = await self._ctx.run_mutation(
                record, message=self._message, attempt=self.attempt, update=update,
                entries=list(entries), uses=list(uses), end=end, hand_over=hand_over,
                details={"step": self._step, **(details or {})}, again=again,
                in_place={} if parts is not None or self._are_gone else self._parts.in_place(),
            )  # fmt: skip
            if found is None:
                raise await self._refusal()
            recorded.extend(found)
            told = sum(len(entry.content.encode()) + OPLOG_RECORD_BYTES for entry in entries)
            written_bytes = self._ctx.stored_bytes(update) + OPLOG_ENTRY_BYTES + told
            self._ctx.tally("reply_written_bytes", written_bytes)

        async with self._turn:
            await self._write(attempt)
            self._settled()
        self._is_open = False
        self._request_id = None
        return recorded

    def _rest(self, status: MessageStatus | None) -> dict[str, Any]:
        """What of the parts is not stored yet.

        Nothing once some are gone: their places are not what they were.
        """
        return {} if self._are_gone else self._parts.rest(is_end=status is not None)

    def _settled(self) -> None:
        """Everything heard so far is stored."""
        self._first = {}
        self._parts.settled()


REFUSED = {
    "code": "refusal",
    "message": "Claude declined to answer this; what had been shown was taken back.",
}
