"""Claude's replies, written into message documents while they are heard."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from schemas.chat_messages import ChatMessage, Lease, TextPart
from schemas.document import new_id
from schemas.tasks import Task
from server.functions.conversation import conversation_turns
from server.functions.message_writer import Fenced, MessageWriter
from server.llm import DEFAULT_MODEL, ChatRequest, ClaudeError, Event, find_model
from server.runtime import ActionCtx, MutationCtx, action, mutation

__all__ = ["begin_reply", "stream_chat"]

HISTORY_MESSAGES = 100
"""How many earlier messages of the task go along with a prompt."""
REPLY_TIME_MAX = timedelta(hours=1)
"""How long a reply may be written."""

OWNER = new_id()
"""This process, as leases name it."""

Prompt = Annotated[str, Field(min_length=1, max_length=200_000)]
ApiKeys = Annotated[
    dict[str, SecretStr], Field(description='Keys for this call only, as {"anthropic": key}.')
]


class Begun(BaseModel):
    """The two messages of a prompt.

    Attributes:
        messageId: The reply, being written.
        userMessageId: The prompt.
    """

    messageId: str  # noqa: N815  # a wire name
    userMessageId: str  # noqa: N815  # a wire name


@action
async def stream_chat(
    ctx: ActionCtx,
    task_id: str,
    prompt: Prompt,
    model: str = DEFAULT_MODEL,
    system_prompt: str | None = None,
    api_keys: ApiKeys | None = None,
) -> Begun:
    """Ask Claude; the reply grows in a message of the task.

    Answers at once with the ids of both messages. The earlier conversation goes along.
    """
    find_model(model, datetime.now(UTC).date())
    begun = await _begin(ctx, task_id, prompt, model)
    key = (api_keys or {}).get("anthropic")
    await _write_reply(ctx, task_id, begun, model, system_prompt, key)
    return begun


async def _begin(ctx: ActionCtx, task_id: str, prompt: str, model: str) -> Begun:
    """Write both messages down and answer; a reply that was begun gets an ending whatever comes."""
    beginning = asyncio.ensure_future(
        ctx.run_mutation(begin_reply, task_id=task_id, prompt=prompt, model=model)
    )
    try:
        begun = await asyncio.shield(beginning)
        await ctx.respond(begun)
    except asyncio.CancelledError:
        begun = await beginning  # it may have been committed all the same
        await MessageWriter(ctx, begun.messageId, attempt=1).interrupt()
        raise
    except Exception:
        if beginning.done() and beginning.exception() is None:
            message = "The reply could not be begun; the server's log says why."
            writer = MessageWriter(ctx, beginning.result().messageId, attempt=1)
            await writer.fail("internal", message)
        raise
    return begun


@mutation(internal=True)
async def begin_reply(ctx: MutationCtx, task_id: str, prompt: str, model: str) -> Begun:
    """Write down a prompt and an empty reply, next to each other in the task's order."""
    task = await ctx.update(Task, task_id, {"$inc": {"nextSequence": 2}})
    asked = await ctx.insert(
        ChatMessage(
            task_id=task_id,
            role="user",
            sequence=task.next_sequence - 2,
            status="COMPLETED",
            parts=[TextPart(text=prompt)],
        )
    )
    reply = await ctx.insert(
        ChatMessage(
            task_id=task_id,
            role="assistant",
            sequence=task.next_sequence - 1,
            status="PENDING",
            model=model,
            lease=Lease(owner=OWNER, attempt=1, expires_at=datetime.now(UTC) + REPLY_TIME_MAX),
        )
    )
    return Begun(messageId=reply.id, userMessageId=asked.id)


async def _write_reply(
    ctx: ActionCtx,
    task_id: str,
    begun: Begun,
    model: str,
    system_prompt: str | None,
    key: SecretStr | None,
) -> None:
    """Hear the reply out and write it down; whatever happens, the message gets an ending."""
    writer = MessageWriter(ctx, begun.messageId, attempt=1)
    try:
        history = await ctx.find(
            ChatMessage,
            {"taskId": task_id, "_id": {"$ne": begun.messageId}},
            sort=[("sequence", 1)],
            last=HISTORY_MESSAGES,
        )
        request = ChatRequest(
            messages=conversation_turns(history), model=model, system=system_prompt
        )
        events = ctx.claude.stream(request, key.get_secret_value() if key else None)
        await _follow(events, writer)
    except Fenced:
        return  # the message has another writer, or an ending already
    except asyncio.CancelledError:
        await writer.interrupt()
        raise
    except ClaudeError as error:
        await writer.fail(error.code, error.message)
    except Exception:
        await writer.fail("internal", "The reply could not be written; the server's log says why.")
        raise


async def _follow(events: AsyncGenerator[Event], writer: MessageWriter) -> None:
    """Hand every event to the writer, which writes beside."""
    async with aclosing(events), writer.writing():
        async for event in events:
            writer.hear(event)
            if writer.stopped:
                break
    await writer.complete()
