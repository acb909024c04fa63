"""Keeps the transcript of a task: entries are added, in the transactions of what they tell of."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from schemas.agent_tools import AgentTool
from schemas.chat_messages import ChatMessage, ReasoningPart, TextPart, ToolCallPart
from schemas.transcripts import TranscriptEntry
from server.functions.tool_calls import end_calls, error_text
from server.llm import (
    Base,
    Block,
    Entry,
    continuation,
    last_turns,
    sendable,
    tool_result,
    tool_uses,
)
from server.runtime import MutationCtx

__all__ = [
    "Reply",
    "Transcript",
    "append",
    "continue_entry",
    "result_block",
    "settle",
    "settle_earlier",
    "with_base",
    "written",
]

HISTORY_BYTES_MAX = 1_000_000
"""How much of a conversation goes along with a prompt. Past it, the older half stays behind."""


class Reply:
    """What a transcript knows of one reply.

    Attributes:
        last: Its last entry; None where it has none.
        outstanding: The calls of tools that have not been answered.
    """

    def __init__(self, entries: Iterable[Entry], message_id: str) -> None:
        own = [entry for entry in entries if entry.message_id == message_id]
        self.last = own[-1] if own else None
        self.is_retracted = self.last is not None and self.last.kind == "retracted"
        asked = self.last is not None and self.last.kind in ("reply", "cut")
        self.outstanding = tool_uses(self.last.blocks) if self.last and asked else []


class Transcript:
    """The transcript of a task in one transaction: what is known, and what is added to it.

    Attributes:
        entries: Those that may go along.
        base: What they say that requests have in common.
        seen: The last sequence that was told of.
    """

    def __init__(self, task_id: str, stored: Sequence[TranscriptEntry], base: Base | None) -> None:
        self._task_id = task_id
        self._added: list[TranscriptEntry] = []
        self.entries = [_entry(one) for one in stored]
        self.base = base
        self.seen = max((one.sequence for one in stored), default=-1)

    @classmethod
    async def load(cls, ctx: MutationCtx, task_id: str) -> "Transcript":
        """What is stored of a task."""
        bases = await ctx.find(
            TranscriptEntry, {"taskId": task_id, "kind": "base"}, sort=[("number", -1)], limit=1
        )
        base = Base.read(_entry(bases[0])) if bases else None
        stored = await ctx.find(
            TranscriptEntry,
            {"taskId": task_id, "number": {"$gte": base.first if base else 0}},
            sort=[("number", 1)],
        )
        return cls(task_id, stored, base)

    def add(self, new: Sequence[Entry], sequence: int, **more: Any) -> None:
        """Add entries about the message at `sequence`; `store` writes them."""
        last = self.entries[-1].number if self.entries else 0
        numbered = _numbered(new, last)
        self.entries += numbered
        self._added += [_stored(self._task_id, one, sequence, **more) for one in numbered]

    async def store(self, ctx: MutationCtx) -> None:
        """Write what was added."""
        await ctx.insert_many(self._added)
        self._added = []


async def append(
    ctx: MutationCtx,
    task_id: str,
    entries: Sequence[Entry],
    sequence: int,
    *,
    ids: Sequence[str],
    **more: Any,
) -> list[Entry]:
    """Add entries to the transcript of a task; gives them with their numbers.

    Args:
        ctx: Whose transaction.
        task_id: The task.
        entries: What is added.
        sequence: The place of the message that they belong to.
        ids: Their ids, so that they are not written twice.
        more: Further fields of `TranscriptEntry`, for all of them.
    """
    last = await ctx.find(TranscriptEntry, {"taskId": task_id}, sort=[("number", -1)], limit=1)
    numbered = _numbered(entries, last[0].number if last else 0)
    await ctx.insert_many(
        [
            _stored(task_id, one, sequence, id=id_, **more)
            for one, id_ in zip(numbered, ids, strict=True)
        ]
    )
    return numbered


async def written(ctx: MutationCtx, ids: Sequence[str]) -> list[Entry]:
    """Those of the entries `ids` that are stored."""
    if not ids:
        return []
    stored = await ctx.find(TranscriptEntry, {"_id": {"$in": list(ids)}}, sort=[("number", 1)])
    return [_entry(one) for one in stored]


async def settle_earlier(ctx: MutationCtx, message: ChatMessage, transcript: Transcript) -> None:
    """Add what was said before `message` and the transcript does not know yet.

    Args:
        ctx: Whose transaction.
        message: The reply that is about to be written.
        transcript: What is known of the task.
    """
    seen = transcript.seen
    earlier = await ctx.find(
        ChatMessage,
        {"taskId": message.task_id, "sequence": {"$gte": seen, "$lt": message.sequence}},
        sort=[("sequence", 1)],
    )
    for one in earlier:
        new: list[Entry] = []
        if one.role == "user" and one.sequence > seen:
            if text := "".join(p.text for p in one.parts if isinstance(p, TextPart)).strip():
                new = [Entry.of("prompt", [{"type": "text", "text": text}], one.id)]
        elif one.role == "assistant":
            new = settle(one, transcript.entries)
            reply = Reply([*transcript.entries, *new], one.id)
            if reply.outstanding:
                new.append(await _answered(ctx, one, reply.outstanding))
        transcript.add(new, one.sequence)


def settle(message: ChatMessage, entries: list[Entry]) -> list[Entry]:
    """What was written of `message` and never recorded, because its stream was cut."""
    reply = Reply(entries, message.id)
    if reply.is_retracted:
        return []
    if message.step is not None:
        blocks = sendable(_written(message, message.step.from_part))
    elif reply.last is None:  # it was written by somebody else
        blocks = sendable(
            {"type": "text", "text": part.text}
            for part in message.parts
            if isinstance(part, TextPart)
        )
    else:
        return []
    return [Entry.of("cut", blocks, message.id)] if blocks else []


def with_base(
    entries: Sequence[Entry], known: Base | None, wanted: Base
) -> tuple[Base, Entry | None]:
    """The base of the next request, and the entry that says so where it is a new one."""
    number = entries[-1].number + 1 if entries else 1
    size = sum(entry.size for entry in entries)
    first = known.first if known is not None else 0
    too_long = size > HISTORY_BYTES_MAX
    if too_long:
        first = last_turns(entries, HISTORY_BYTES_MAX // 2)
    if known is not None and known.same_but_range(wanted) and first == known.first:
        return known, None
    base = Base(
        wanted.model, wanted.system, wanted.tools, first, thinking_from=number if known else 0
    )
    return base, base.entry()


def continue_entry(entries: Sequence[Entry], message_id: str) -> Entry | None:
    """What asks Claude to go on, where the reply ends in words of its own."""
    last = Reply(entries, message_id).last
    if last is None or last.role != "assistant" or last.stop_reason == "pause_turn":
        return None
    if tool_uses(last.blocks) or not sendable(last.blocks):
        return None
    return Entry.of("continue", [continuation(last.blocks)], message_id)


def _written(message: ChatMessage, from_part: int) -> list[dict[str, Any]]:
    """The complete blocks among the parts of a cut step, and its text as far as it came.

    Thinking without its signature is not complete, and then no later thinking can be known again.
    """
    blocks: list[dict[str, Any]] = []
    thinking = True
    for part in message.parts[from_part:]:
        match part:
            case ReasoningPart(signature=str(signature)) if thinking:
                blocks.append({"type": "thinking", "thinking": part.text, "signature": signature})
            case ReasoningPart():
                thinking = False
            case TextPart():
                cited = {"citations": part.citations} if part.citations else {}
                blocks.append({"type": "text", "text": part.text, **cited})
            case ToolCallPart(args=dict()):
                blocks.append(
                    {
                        "type": "tool_use",
                        "id": part.tool_call_id,
                        "name": part.tool_name,
                        "input": part.args,
                    }
                )
            case _:
                pass
    return blocks


async def _answered(ctx: MutationCtx, message: ChatMessage, calls: Sequence[Block]) -> Entry:
    """What became of the calls of a reply that nobody goes on with."""
    await end_calls(
        ctx, message.id, "interrupted", "The reply was cut, and the conversation went on."
    )
    known = {one.tool_call_id: one for one in await ctx.find(AgentTool, {"messageId": message.id})}
    results = [result_block(call, known.get(str(call["id"]))) for call in calls]
    return Entry.of("results", results, message.id)


def result_block(call: Block, known: AgentTool | None) -> Block:
    """The result of one call, as it goes back to Claude."""
    if known is None:
        return tool_result(str(call["id"]), None, "It was not run: the reply was cut before.")
    return tool_result(known.tool_call_id, known.result, error_text(known))


def _numbered(entries: Sequence[Entry], last: int) -> list[Entry]:
    """`entries` with the numbers that follow `last`."""
    return [replace(one, number=last + place) for place, one in enumerate(entries, 1)]


def _stored(task_id: str, entry: Entry, sequence: int, **more: Any) -> TranscriptEntry:
    return TranscriptEntry(
        task_id=task_id,
        number=entry.number,
        kind=entry.kind,
        content=entry.content,
        role=entry.role,
        message_id=entry.message_id,
        stop_reason=entry.stop_reason,
        sequence=sequence,
        **more,
    )


def _entry(stored: TranscriptEntry) -> Entry:
    return Entry(stored.kind, stored.content, stored.message_id, stored.number, stored.stop_reason)
