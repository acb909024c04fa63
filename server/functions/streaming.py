"""Claude's replies, written into message documents while they are heard."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from schemas.agent_tools import AgentTool
from schemas.chat_messages import ChatMessage, MessageId, OfferedTool, ReplySettings
from schemas.tasks import TaskId
from server.functions.agent_loop import write_reply
from server.functions.api_keys import ApiKeys, claude_key
from server.functions.message_writer import MessageWriter
from server.functions.replies import (
    Begun,
    Opened,
    begin_reply,
    cancel_reply,
    claim_reply,
    interrupt_expired,
)
from server.functions.reply_lease import EXPIRED
from server.functions.tool_calls import failed
from server.functions.tool_offers import ToolOffer, offered_tools
from server.llm import DEFAULT_MODEL, find_model
from server.runtime import (
    ActionCtx,
    Conflict,
    TooMany,
    action,
    every,
)

__all__ = ["cancel_stream", "resume_stream", "stream_chat", "stream_chat_with_tools", "sweep"]

SWEEP_SECONDS = 2.0
"""Between two looks for replies whose writer is gone."""
SEE_TO_SECONDS = 1.0
"""For one of them; the next look tries again."""
SWEEP_MAX = 100
"""How many are seen to at one look."""
ATTEMPTS_MAX = 5
"""At a reply that is resumed by itself. Past it, it waits for a person."""
CLAIMS_MAX = 3
"""How often a call is offered to executors, one after another."""
TOOLS_MAX = 64


def _not_blank(prompt: str) -> str:
    """Refuse a prompt that the API would not take."""
    if not prompt.strip():
        raise PydanticCustomError("blank", "should hold more than white space")
    return prompt


Prompt = Annotated[str, Field(min_length=1, max_length=200_000), AfterValidator(_not_blank)]


Started = tuple[ChatMessage, Opened | None]
"""A reply that is ours, and what it begins from, where it is its turn already."""


class Resumed(BaseModel):
    """A reply that goes on.

    Attributes:
        messageId: The reply.
    """

    messageId: MessageId  # noqa: N815  # a wire name


class Cancelled(BaseModel):
    """What came of cancelling.

    Attributes:
        cancelled: Whether the reply was running; one that has ended stays as it is.
    """

    cancelled: bool


@action
async def stream_chat(
    ctx: ActionCtx,
    task_id: TaskId,
    prompt: Prompt,
    model: str = DEFAULT_MODEL,
    system_prompt: str | None = None,
    api_keys: ApiKeys | None = None,
    auto_resume: bool = False,
) -> Begun:
    """Ask Claude; the reply grows in a message of the task.

    Answers at once with the ids of both messages. The earlier conversation goes along. While
    another reply of the task is being written, this one waits for its turn.
    """
    return await _chat(ctx, task_id, prompt, model, system_prompt, api_keys, [], auto_resume)


@action
async def stream_chat_with_tools(
    ctx: ActionCtx,
    task_id: TaskId,
    prompt: Prompt,
    tools: Annotated[list[ToolOffer], Field(min_length=1, max_length=TOOLS_MAX)],
    model: str = DEFAULT_MODEL,
    system_prompt: str | None = None,
    api_keys: ApiKeys | None = None,
    auto_resume: bool = False,
) -> Begun:
    """Ask Claude, who may call tools; the reply goes on with their results.

    A tool that the server has is run here, and named is enough of it. Any other waits for an
    executor, who follows ``toolCallTracking.pending``.
    """
    offered = offered_tools(tools, ctx.tools)
    return await _chat(ctx, task_id, prompt, model, system_prompt, api_keys, offered, auto_resume)


@action
async def cancel_stream(ctx: ActionCtx, message_id: MessageId) -> Cancelled:
    """End a reply that is being written, from wherever. What was written stays.

    Doing it twice, or to a reply that has ended, is harmless.
    """
    return Cancelled(cancelled=await ctx.run_mutation(cancel_reply, message_id=message_id))


@action
async def resume_stream(
    ctx: ActionCtx, message_id: MessageId, api_keys: ApiKeys | None = None
) -> Resumed:
    """Go on with a reply that was interrupted, failed, was cancelled or ran out of tokens.

    It must be the last of its task. What is there stays; Claude is asked to go on from its end.
    """
    claude, resumed = ctx.claude, Resumed(messageId=message_id)
    message, _ = await _started(ctx, _claimed(ctx, message_id), lambda _: resumed)
    await write_reply(ctx, claude, message, claude_key(api_keys))
    return resumed


@action(internal=True)
async def resume_expired(ctx: ActionCtx, message_id: str) -> None:
    """Go on, with the server's own key, with a reply whose writer is gone."""
    try:
        async with asyncio.timeout(SEE_TO_SECONDS):
            message = await ctx.run_mutation(claim_reply, message_id=message_id, expired=True)
    except TimeoutError:
        return
    except Conflict:
        await ctx.run_mutation(interrupt_expired, message_id=message_id)
        return
    await write_reply(ctx, ctx.claude, message, None)


async def _chat(
    ctx: ActionCtx,
    task_id: str,
    prompt: str,
    model: str,
    system_prompt: str | None,
    api_keys: ApiKeys | None,
    tools: list[OfferedTool],
    auto_resume: bool,
) -> Begun:
    find_model(model, datetime.now(UTC).date())
    claude, key = ctx.claude, claude_key(api_keys)
    if system_prompt is not None and not system_prompt.strip():
        system_prompt = None  # the API refuses text of nothing but white space
    settings = ReplySettings(
        system=system_prompt, tools=tools, auto_resume=auto_resume and key is None
    )
    beginning = ctx.run_mutation(
        begin_reply, task_id=task_id, prompt=prompt, model=model, settings=settings
    )
    begun: list[Begun] = []

    def answer(message: ChatMessage) -> Begun:
        begun.append(Begun(messageId=message.id, userMessageId=message.asked_by or ""))
        return begun[0]

    message, opened = await _started(ctx, beginning, answer)
    await write_reply(ctx, claude, message, key, opened)
    return begun[0]


async def _claimed(ctx: ActionCtx, message_id: str) -> Started:
    return await ctx.run_mutation(claim_reply, message_id=message_id), None


async def _started(
    ctx: ActionCtx,
    starting: Coroutine[Any, Any, Started],
    answer: Callable[[ChatMessage], BaseModel],
) -> Started:
    """Begin or claim a reply, and answer; once it is ours it gets an ending whatever comes."""
    task = asyncio.ensure_future(starting)
    try:
        message, opened = await asyncio.shield(task)
        await ctx.respond(answer(message))
    except asyncio.CancelledError:
        message, _ = await task  # it may have been committed all the same
        await MessageWriter(ctx, message).interrupt()
        raise
    except Exception:
        if task.done() and task.exception() is None:
            said = "The reply could not be begun; the server's log says why."
            await MessageWriter(ctx, task.result()[0]).fail("internal", said)
        raise
    return message, opened


# --- replies and calls whose holder is gone -----------------------------------------------------


@every(seconds=SWEEP_SECONDS, timeout=30)
async def sweep(ctx: ActionCtx) -> None:
    """End or resume the replies whose writer is gone, and offer again what executors dropped."""
    # Settings are asked for in the filter and not read: those that a reader of another version
    # cannot read must not keep it from seeing to the others.
    oldest = [("createdAt", 1)]
    resumable = {**EXPIRED, "settings.autoResume": True, "attempts": {"$lt": ATTEMPTS_MAX}}
    gone = await ctx.find(ChatMessage, EXPIRED, sort=oldest, limit=SWEEP_MAX, fields=["status"])
    found = await ctx.find(ChatMessage, resumable, sort=oldest, limit=SWEEP_MAX, fields=["status"])
    resumed = {message.id for message in found} if ctx.claude.has_key else set[str]()
    await asyncio.gather(
        _sweep_calls(ctx),
        *(_see_to(ctx, message.id, resumes=message.id in resumed) for message in gone),
    )


async def _see_to(ctx: ActionCtx, message_id: str, *, resumes: bool) -> None:
    """End or resume one reply; not for long, so that one that is locked holds up no others.

    A process that died in the middle of a transaction leaves a lock until MongoDB gives it up.
    """
    if resumes:
        try:
            ctx.start(resume_expired, message_id=message_id)
            return
        except TooMany:
            pass  # a person can resume it
    with suppress(TimeoutError):
        async with asyncio.timeout(SEE_TO_SECONDS):
            await ctx.run_mutation(interrupt_expired, message_id=message_id)


async def _sweep_calls(ctx: ActionCtx) -> None:
    dropped = {
        "status": "RUNNING",
        "runsOn": "executor",
        "$expr": {"$lte": ["$expiresAt", "$$NOW"]},
        "expiresAt": {"$ne": None},
    }
    may_again = {"idempotent": True, "claims": {"$lt": CLAIMS_MAX}}
    pending = {"$set": {"status": "PENDING"}, "$unset": {"executor": "", "expiresAt": ""}}
    await ctx.update_many(AgentTool, {**dropped, **may_again}, pending)
    lost = failed("expired", "Its executor fell silent; it may have had its effect.")
    # Not all that is left: one that expires only now is offered again by the next sweep.
    never = {**dropped, "$nor": [may_again]}
    await ctx.update_many(AgentTool, never, {"$set": lost, "$unset": {"expiresAt": ""}})
