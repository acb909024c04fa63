"""The life of a reply: begun, taken up, recorded, and ended once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from schemas.agent_tools import AgentTool
from schemas.chat_messages import ChatMessage, MessageId, ReplySettings, TextPart
from schemas.tasks import Task
from server.functions import transcripts
from server.functions.reply_lease import EXPIRED, RUNNING, fence, new_lease, renew
from server.functions.tool_calls import calls_for, end_calls, fail, failed
from server.functions.transcripts import Transcript
from server.llm import Base, Block, ChatTool, Entry
from server.runtime import (
    Conflict,
    Find,
    MutationCtx,
    NotFound,
    QueryCtx,
    TooMany,
    mutation,
    query,
)

__all__ = [
    "Begun",
    "Opened",
    "begin_reply",
    "cancel_reply",
    "claim_reply",
    "interrupt_expired",
    "open_turn",
    "record",
    "running_before",
    "state_of",
]

WAITING_MAX = 20
"""Replies of one task that may wait for their turn."""

NOBODY = 0
"""The attempt of calls that wait for somebody to resume their reply."""

CONTINUABLE = ["max_tokens", "max_steps"]


class Begun(BaseModel):
    """The two messages of a prompt.

    Attributes:
        messageId: The reply, being written.
        userMessageId: The prompt.
    """

    messageId: MessageId  # noqa: N815  # a wire name
    userMessageId: MessageId  # noqa: N815  # a wire name


@dataclass(frozen=True)
class Opened:
    """What a reply begins from.

    Attributes:
        entries: The transcript.
        base: What its requests have in common.
        step: The number of its next step.
        outstanding: Calls of tools that must be answered before Claude is asked again.
    """

    entries: list[Entry]
    base: Base
    step: int
    outstanding: list[dict[str, Any]]


# --- what its writer watches --------------------------------------------------------------------


@query(internal=True)
def state_of(ctx: QueryCtx, message_id: str) -> Find[ChatMessage]:
    """Whose a reply is, and whether it runs: one row of status and attempt."""
    return ctx.find(
        ChatMessage,
        {"_id": message_id},
        fields=["status", "attempts"],
        view=lambda message: [message.status, message.attempts],
    )


@query(internal=True)
def running_before(ctx: QueryCtx, task_id: str, sequence: int) -> Find[ChatMessage]:
    """The replies of a task that have their turn before `sequence`."""
    return ctx.find(
        ChatMessage,
        {"taskId": task_id, "sequence": {"$lt": sequence}, "status": {"$in": RUNNING}},
        fields=["status"],
        limit=1,
    )


# --- beginning ----------------------------------------------------------------------------------


@mutation(internal=True)
async def begin_reply(
    ctx: MutationCtx, task_id: str, prompt: str, model: str, settings: ReplySettings
) -> tuple[ChatMessage, Opened | None]:
    """Write down a prompt and an empty reply, next to each other in the task's order.

    Gives the reply, and what it begins from where it need not wait for its turn.

    Raises:
        NotFound: There is no such task.
        TooMany: As many replies of the task wait for their turn as may.
    """
    task = await ctx.update(Task, task_id, {"$inc": {"nextSequence": 2}})
    running = {"taskId": task_id, "status": {"$in": RUNNING}}
    waiting = len(await ctx.find(ChatMessage, running, fields=["status"], limit=WAITING_MAX + 1))
    if waiting > WAITING_MAX:
        raise TooMany(
            f"{waiting} replies of this task are being written or wait for their turn; ask again "
            "when some have ended."
        )
    asked = ChatMessage(
        task_id=task_id,
        role="user",
        sequence=task.next_sequence - 2,
        status="COMPLETED",
        parts=[TextPart(text=prompt)],
    )
    reply = ChatMessage(
        task_id=task_id,
        role="assistant",
        sequence=task.next_sequence - 1,
        status="PENDING",
        model=model,
        attempts=1,
        settings=settings,
        asked_by=asked.id,
        lease=new_lease(1, task.updated_at),
    )
    await ctx.insert_many([asked, reply])
    return reply, None if waiting else await _open(ctx, reply, 1)


@mutation(internal=True)
async def claim_reply(ctx: MutationCtx, message_id: str, expired: bool = False) -> ChatMessage:
    """Take up a reply that was cut; gives it as it is then. One of several who ask gets it.

    Args:
        ctx: Whose transaction.
        message_id: The reply.
        expired: Take it from a writer whose lease has expired, instead of one that has ended.

    Raises:
        NotFound: There is no such message.
        Conflict: It cannot be resumed, or not any more.
    """
    message = await ctx.get(ChatMessage, message_id)
    if message is None:
        raise NotFound(f"There is no ChatMessage {message_id[:100]!r}.")
    attempt = message.attempts + 1
    state = {"_id": message_id, **EXPIRED} if expired else _resumable(message)
    fields = {
        "status": "PENDING",
        "attempts": attempt,
        "lease": new_lease(attempt, datetime.now(UTC)),
    }
    ended = {"error": "", "finishReason": "", "cancelRequestedAt": "", "retrying": ""}
    if not await ctx.update_one(ChatMessage, state, {"$set": fields, "$unset": ended}):
        raise Conflict("This reply is being written, or was taken up by somebody else.")
    await renew(ctx, {"_id": message_id})
    await _hand_over_calls(ctx, message_id, attempt)
    claimed = await ctx.get(ChatMessage, message_id)
    assert claimed is not None
    if await ctx.count(
        ChatMessage, {"taskId": claimed.task_id, "sequence": {"$gt": claimed.sequence}}
    ):
        raise Conflict("The conversation has gone on since; ask anew instead of resuming.")
    return claimed


def _resumable(message: ChatMessage) -> dict[str, Any]:
    """The filter by which a reply that has ended is claimed.

    Raises:
        Conflict: Its end is not one that can be resumed.
    """
    if message.role != "assistant":
        raise Conflict("Only a reply can be resumed.")
    if message.status in RUNNING:
        raise Conflict("This reply is being written; it need not be resumed.")
    if message.finish_reason == "refusal":
        raise Conflict("Claude declined to answer this; ask something else.")
    if message.status == "COMPLETED" and message.finish_reason not in CONTINUABLE:
        raise Conflict("This reply is complete.")
    return {"_id": message.id, "status": message.status, "attempts": message.attempts}


async def _hand_over_calls(ctx: MutationCtx, message_id: str, attempt: int) -> None:
    """The server's calls belong to this attempt; those that were under way are made again or not.

    Whether a call that its process left behind had its effect is not known.
    """
    ours = {"messageId": message_id, "runsOn": "server"}
    running = {**ours, "status": "RUNNING"}
    lost = failed("interrupted", "The server stopped while it ran; it may have had its effect.")
    await ctx.update_many(AgentTool, {**running, "idempotent": False}, {"$set": lost})
    await ctx.update_many(AgentTool, running, {"$set": {"status": "PENDING"}})
    await ctx.update_many(AgentTool, {**ours, "status": "PENDING"}, {"$set": {"attempt": attempt}})


@mutation(internal=True)
async def open_turn(ctx: MutationCtx, message_id: str, attempt: int) -> Opened | None:
    """It is this reply's turn: bring the transcript up to it. None where it is no longer ours."""
    message = await ctx.get(ChatMessage, message_id)
    if message is None or not await ctx.update_one(
        ChatMessage,
        fence(message_id, attempt),
        {"$set": {"status": message.status}, "$unset": {"step": ""}},
    ):
        return None
    return await _open(ctx, message, attempt)


async def _open(ctx: MutationCtx, message: ChatMessage, attempt: int) -> Opened:
    """Bring the transcript up to `message`."""
    settings = message.settings or ReplySettings()
    transcript = await Transcript.load(ctx, message.task_id)
    await transcripts.settle_earlier(ctx, message, transcript)
    cut = transcripts.settle(message, transcript.entries) if attempt > 1 else []
    if cut:
        transcript.add(cut, message.sequence, attempt=attempt)
        uses = transcripts.Reply(transcript.entries, message.id).outstanding
        await _add_calls(ctx, message, attempt, uses)
    more = transcripts.continue_entry(transcript.entries, message.id) if attempt > 1 else None
    if more is not None:
        transcript.add([more], message.sequence)
    tools: list[ChatTool] = [
        {"name": one.name, "description": one.description, "input_schema": one.parameters}
        for one in settings.tools
    ]
    wanted = Base(message.model or "", settings.system, tuple(tools))
    base, said = transcripts.with_base(transcript.entries, transcript.base, wanted)
    if said is not None:
        transcript.add([said], message.sequence)
    await transcript.store(ctx)
    entries = transcript.entries
    own = [one for one in entries if one.message_id == message.id and one.kind == "reply"]
    return Opened(
        entries=entries,
        base=base,
        step=len(own) + 1,
        outstanding=[dict(one) for one in transcripts.Reply(entries, message.id).outstanding],
    )


async def _add_calls(
    ctx: MutationCtx, message: ChatMessage, attempt: int, uses: Sequence[Block]
) -> None:
    """The calls of a reply that was cut right after them: made now if they may be, else failed."""
    calls = calls_for(message, attempt, uses)
    for call in calls:
        if not call.idempotent and call.status == "PENDING":
            fail(call, "interrupted", "The reply was cut before it could run; it did not run.")
    await ctx.insert_many(calls)


# --- recording ----------------------------------------------------------------------------------


@mutation(internal=True)
async def record(
    ctx: MutationCtx,
    message: ChatMessage,
    attempt: int,
    update: dict[str, Any],
    entries: list[Entry],
    uses: list[dict[str, Any]],
    details: dict[str, Any],
    end: str | None = None,
    hand_over: bool = False,
    again: bool = False,
    in_place: dict[str, Any] | None = None,
) -> list[Entry] | None:
    """Write a message and its transcript together; None where the message is no longer ours.

    Args:
        ctx: Whose transaction.
        message: The message, as it was when the attempt began.
        attempt: Whose write it is.
        update: Of the message.
        entries: What the transcript gets.
        uses: Calls of tools that begin to wait.
        details: Further fields of the entries, their ``step`` among them.
        end: With what code the calls that have not ended fail; None leaves them alone.
        hand_over: The server's calls wait for whoever resumes the reply.
        again: A transaction before, whose outcome is not known, may have written it.
        in_place: The condition that the message's parts are where its writer left them.
    """
    name = f"{message.id}-{attempt}-{details['step']}"
    ids = [f"{name}-{entry.kind}-{place}" for place, entry in enumerate(entries)]
    if again and (known := await transcripts.written(ctx, ids)):
        return known
    query = {**fence(message.id, attempt), **(in_place or {})}
    if not await ctx.update_one(ChatMessage, query, update):
        return None
    await ctx.insert_many(calls_for(message, attempt, uses))
    if end is not None:
        await end_calls(ctx, message.id, end, "The reply ended before.")
    if hand_over:
        await _hand_over_calls(ctx, message.id, NOBODY)
    if not entries:
        return []
    return await transcripts.append(
        ctx, message.task_id, entries, message.sequence, ids=ids, attempt=attempt, **details
    )


# --- ending -------------------------------------------------------------------------------------


@mutation(internal=True)
async def cancel_reply(ctx: MutationCtx, message_id: str) -> bool:
    """End a running reply, and its calls of tools; whether it ran.

    Raises:
        NotFound: There is no such message.
    """
    now = datetime.now(UTC)
    ended = {"status": "CANCELLED", "finishReason": "cancelled", "cancelRequestedAt": now}
    if not await ctx.update_one(
        ChatMessage,
        {"_id": message_id, "status": {"$in": RUNNING}},
        [
            {"$set": ended | _cut_usage()},
            {"$unset": ["lease", "retrying"]},
        ],
    ):
        if await ctx.get(ChatMessage, message_id) is None:
            raise NotFound(f"There is no ChatMessage {message_id[:100]!r}.")
        return False
    await end_calls(ctx, message_id, "cancelled", "The reply was cancelled.")
    return True


@mutation(internal=True)
async def interrupt_expired(ctx: MutationCtx, message_id: str) -> bool:
    """Say of a reply whose writer is gone that it was interrupted; whether it was so."""
    if not await ctx.update_one(
        ChatMessage,
        {"_id": message_id, **EXPIRED},
        [
            {"$set": {"status": "INTERRUPTED"} | _cut_usage()},
            {"$unset": ["lease", "retrying"]},
        ],
    ):
        return False
    await _hand_over_calls(ctx, message_id, NOBODY)
    return True


def _cut_usage() -> dict[str, Any]:
    """In a pipeline: what was counted is not all, where a step was being written."""
    is_cut = {"$and": [{"$ne": [{"$type": one}, "missing"]} for one in ("$step", "$usage")]}
    return {"usage": {"$cond": [is_cut, {"$mergeObjects": ["$usage", {"final": False}]}, "$usage"]}}
