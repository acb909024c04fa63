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

import pydantic_core

from schemas.chat_messages import ChatMessage, MessageStatus
from schemas.chat_messages import Usage as MessageUsage
from server.functions.message_part import OPLOG_ENTRY_BYTES, MessagePart
from server.functions.parts_in_place import PartsGone, in_place, record_in_place
from server.functions.replies import fence
from server.functions.storable_json import storable_json
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

__all__ = ["Fenced", "MessageWriter", "TooLong"]

FLUSH_INTERVAL_SECONDS_MIN = 0.025
"""Between two writes, at least; about what a screen shows."""
FLUSH_INTERVAL_SECONDS_MAX = 0.5
OPLOG_RECORD_BYTES = 450
"""The same for a transaction that records a step, with its first transcript entry."""
MESSAGE_CHARS_MAX = 4_000_000
"""What a message may hold, far enough from MongoDB's 16 MB that its ending can be written."""
OUTAGE_SECONDS_MAX = 30.0
"""How long writes are tried again while the database cannot be reached."""
RETRY_SECONDS = 0.5


class Fenced(Exception):
    """The message is no longer ours to write."""


class TooLong(Exception):
    """The message holds as much as it may."""


class MessageWriter:
    """The only writer of one attempt at a reply.

    Args:
        ctx: Through which it writes.
        message: The message, as the attempt found it.

    Attributes:
        usage: What was counted, summed over the steps that have been recorded.
    """

    def __init__(self, ctx: ActionCtx, message: ChatMessage) -> None:
        self._ctx = ctx
        self._id = message.id
        self.attempt = message.attempts
        self._asked_by = message.asked_by
        self._fence = fence(message.id, message.attempts)
        self._first_part = len(message.parts)
        self._is_resumed = message.attempts > 1 and bool(message.parts)
        self._parts: list[MessagePart] = []
        self._are_gone = False
        self._part_of: dict[int, MessagePart] = {}
        self._broken: dict[str, tuple[MessagePart, dict[str, Any]]] = {}
        self._first: dict[str, Any] = {"status": "STREAMING"}
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._failure: Exception | None = None
        self._closing = False
        self._chars = len(pydantic_core.to_json(message.parts)) if message.parts else 0
        self._thinking_known = True
        self._step = 0
        self._is_open = False
        self._counted = Usage()
        self._request_id: str | None = None
        self.usage = message.usage or MessageUsage()
        self.tokens = 0
        self._is_cut = message.step is not None or not self.usage.final

    # --- hearing -------------------------------------------------------------------------------

    def begin_step(self, number: int) -> None:
        """What is heard from here on answers the request of step `number`."""
        self._step, self._is_open = number, True
        self._part_of = {}
        self._broken = {}
        self._counted = Usage()
        self._thinking_known = True
        from_part = self._first_part + len(self._parts)
        self._first["step"] = {"number": number, "fromPart": from_part}

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
                self._counted = event
            case PartBegun():
                self._begin(event)
            case TextDelta() | ReasoningDelta():
                self._grow(event.index, event.text)
            case ToolInputDelta():
                self._grow(event.index, event.partial_json)
            case PartEnded():
                self._close(event)
            case Ended():
                pass

    def _begin(self, event: PartBegun) -> None:
        match event.kind:
            case "text" | "reasoning":
                part = MessagePart({"type": event.kind}, "text")
            case "tool-call":
                call = {"toolCallId": event.tool_call_id, "toolName": event.tool_name}
                part = MessagePart({"type": "tool-call", **call}, "argsText")
                self._news.set()
            case _:
                self._thinking_known = False  # a block that the parts cannot tell of
                return
        self._add(part)
        self._part_of[event.index] = part

    def _grow(self, index: int, text: str) -> None:
        self._part_of[index].waiting.append(text)
        self._chars += len(text)
        self._ctx.tally("reply_text_bytes", len(text.encode()))
        self._news.set()
        if self._chars > MESSAGE_CHARS_MAX:
            raise TooLong

    def _close(self, event: PartEnded) -> None:
        part = self._part_of.get(event.index)
        if part is None:
            return
        block = event.block
        if event.kind == "reasoning" and self._thinking_known and block.get("signature"):
            part.closing["signature"] = block["signature"]
        elif event.kind == "tool-call" and event.is_whole:
            part.closing["args"] = storable_json(block["input"])
        elif event.kind == "tool-call":
            self._broken[str(block["id"])] = part, storable_json(block["input"])
        elif event.kind == "text" and block.get("citations"):
            part.closing["citations"] = storable_json(block["citations"])
        if part.closing:
            self._news.set()

    def add_result(self, tool_call_id: str, result: Any, error: str | None) -> None:
        """A tool has answered. Where the message has no room, the call's own document shows it."""
        fields: dict[str, Any] = {"type": "tool-result", "toolCallId": tool_call_id}
        size = len(pydantic_core.to_json(result))
        if self._chars + size > MESSAGE_CHARS_MAX:
            result = f"[{size} bytes, which the message has no room to show]"
        else:
            self._chars += size
        shown = {"result": error, "isError": True} if error is not None else {"result": result}
        part = MessagePart({**fields, **shown}, None)
        self._add(part)
        self._news.set()

    def _add(self, part: MessagePart) -> None:
        if self._is_resumed and not self._parts:
            part.fields["seam"] = True
        self._parts.append(part)

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
        pushed: dict[str, str] = {}
        fields = dict(self._first)
        written: list[tuple[MessagePart, int, dict[str, Any], bool]] = []
        for place, part in enumerate(self._parts):
            follows = any(later.exists or later.has_news for later in self._parts[place + 1 :])
            if not part.has_news and (part.exists or not follows):
                continue  # one that is empty is written before what follows it: no gap in the list
            at = f"parts.{self._first_part + place}"
            whole = again or part.is_due
            written.append((part, len(part.waiting), dict(part.closing), whole))
            text = "".join(part.waiting)
            if not part.exists:
                fields[at] = part.whole()
                continue
            fields |= {f"{at}.{name}": value for name, value in part.closing.items()}
            if whole:
                fields[f"{at}.{part.name}"] = [part.whole_text()]
            elif text:
                pushed[f"{at}.{part.name}"] = text
        query = {**self._fence, **self._in_place()}
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
        for part, count, closed, whole in written:
            part.written(count, closed, whole=whole)

    def _in_place(self) -> dict[str, Any]:
        return in_place(self._first_part + sum(part.exists for part in self._parts))

    async def _refusal(self) -> Exception:
        """Why a write matched nothing."""
        if not await self._ctx.count(ChatMessage, self._fence):
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
        for part, args in self._broken.values():
            part.closing["args"] = args  # not sooner: a reply that is cut would have them run
        uses = [{**use, "broken": True} if use["id"] in self._broken else use for use in uses]
        reply = Entry.of("reply", content, self._id, ended.stop_reason)
        self._count(ended.usage)
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
        self._count(ended.usage)
        self._parts = []
        self._chars = 0
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
            self._is_cut = True
            self._count(self._counted)
        unset = ("step",) if self._is_open and not began else ()  # of which there is nothing
        with suppress(Fenced):
            try:
                await self._record([], status=status, unset=unset, **more)
            except PartsGone:  # found only now; the ending alone is written then
                await self._record([], status=status, unset=unset, **more)

    async def tell_usage(self) -> None:
        """Write what was counted of a reply that somebody cancelled; nothing else may be."""
        self._is_cut = True
        self._count(self._counted)
        query = {"_id": self._id, "status": "CANCELLED", "attempts": self.attempt}
        await self._ctx.update_one(ChatMessage, query, {"$set": self._usage(), **self._ids()})

    def _count(self, counted: Usage) -> None:
        """Add what a step took to the sum."""
        known = self.usage
        self.tokens += counted.output_tokens
        self.usage = MessageUsage(
            prompt_tokens=known.prompt_tokens + counted.prompt_tokens,
            completion_tokens=known.completion_tokens + counted.output_tokens,
            total_tokens=known.total_tokens + counted.total_tokens,
            cache_read_tokens=known.cache_read_tokens + counted.cache_read_input_tokens,
            cache_write_tokens=known.cache_write_tokens + counted.cache_creation_input_tokens,
            thinking_tokens=known.thinking_tokens + counted.thinking_tokens,
        )
        self._counted = Usage()

    def _usage(self) -> dict[str, Any]:
        self.usage.final = not self._is_cut
        return {"usage": self.usage}

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

        async def attempt(_: bool) -> None:
            if self._are_gone and status not in ("FAILED", "INTERRUPTED"):
                raise PartsGone
            first = {k: v for k, v in self._first.items() if k != "step" or "step" not in unset}
            fields = {**first, **self._usage()}
            given = {"status": status, "finishReason": finish_reason, "error": error}
            fields |= {name: value for name, value in given.items() if value is not None}
            fields |= {"parts": parts} if parts is not None else self._rest(status is not None)
            gone = {"retrying", *unset, *(("lease",) if status is not None else ())}
            update = {
                "$set": fields,
                "$unset": dict.fromkeys(gone - fields.keys(), ""),
                **self._ids(),
            }
            what: dict[str, Any] = {
                "update": update, "entries": list(entries), "uses": list(uses), "end": end,
                "hand_over": hand_over, "details": {"step": self._step, **(details or {})},
            }  # fmt: skip
            found = await self._ctx.run_mutation(
                record_in_place, message_id=self._id, attempt=self.attempt, what=what,
                parts={} if parts is not None or self._are_gone else self._in_place(),
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

    def _rest(self, is_end: bool) -> dict[str, Any]:
        """What of the parts is not stored yet; at the end, every text as one chunk.

        Nothing once some are gone: their places are not what they were.
        """
        fields: dict[str, Any] = {}
        for place, part in enumerate([] if self._are_gone else self._parts):
            at = f"parts.{self._first_part + place}"
            if not part.exists:
                fields[at] = part.whole()
            elif part.has_news or (is_end and part.chunks > 1):
                whole = part.whole()
                names = [*part.closing, *((part.name,) if part.name is not None else ())]
                fields |= {f"{at}.{name}": whole[name] for name in names}
        return fields

    def _settled(self) -> None:
        """Everything heard so far is stored."""
        self._first = {}
        for part in self._parts:
            whole = not part.exists or part.has_news
            part.written(len(part.waiting), dict(part.closing), whole=whole)


REFUSED = {
    "code": "refusal",
    "message": "Claude declined to answer this; what had been shown was taken back.",
}
