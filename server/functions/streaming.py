"""Claude's replies, written into message documents while they are heard."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from schemas.agent_tools import AgentTool
from schemas.chat_messages import ChatMessage, OfferedTool, ReplySettings
from server.functions.agent_loop import write_reply
from server.functions.message_writer import MessageWriter
from server.functions.replies import (
    EXPIRED,
    Begun,
    Opened,
    begin_reply,
    cancel_reply,
    claim_reply,
    interrupt_expired,
)
from server.functions.tool_calls import failed
from server.llm import DEFAULT_MODEL, find_model
from server.runtime import (
    ActionCtx,
    Conflict,
    InvalidArguments,
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


def _named_keys(value: object) -> object:
    """Refuse what is no object of keys by its form alone, for a name may be a key by mistake."""
    if isinstance(value, dict) and all(
        isinstance(key, str | SecretStr) for key in cast("dict[Any, object]", value).values()
    ):
        return cast("object", value)
    raise PydanticCustomError("api_keys", 'should be an object such as {"anthropic": key}')


ApiKeys = Annotated[
    dict[str, SecretStr],
    BeforeValidator(_named_keys),
    Field(description='Keys for this call only, as {"anthropic": key}.'),
]
ToolName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]


class ToolOffer(BaseModel):
    """A tool that Claude may call.

    Attributes:
        name: Its name. Where the server has a tool of this name, that is the one.
        description: What Claude is told of it.
        parameters: The JSON Schema of its arguments, an object.
        idempotent: Whether a call may be offered again when its executor fell silent.
        approval: Whether somebody must allow each call.
        timeout_ms: How long its executor may take to answer.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    name: ToolName
    description: Annotated[str, Field(max_length=20_000)] = ""
    parameters: dict[str, Any] | None = None
    idempotent: bool = False
    approval: bool = False
    timeout_ms: Annotated[int, Field(ge=100, le=3_000_000)] | None = None


Started = tuple[ChatMessage, Opened | None]
"""A reply that is ours, and what it begins from, where it is its turn already."""


class Resumed(BaseModel):
    """A reply that goes on.

    Attributes:
        messageId: The reply.
    """

    messageId: str  # noqa: N815  # a wire name


class Cancelled(BaseModel):
    """What came of cancelling.

    Attributes:
        cancelled: Whether the reply was running; one that has ended stays as it is.
    """

    cancelled: bool


@action
async def stream_chat(
    ctx: ActionCtx,
    task_id: str,
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
    task_id: str,
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
    offered = [_offered(ctx, one) for one in tools]
    if len({one.name for one in offered}) < len(offered):
        raise InvalidArguments(
            "Two tools have the same name.",
            details=[{"argument": "tools", "problem": "two of them have the same name"}],
        )
    return await _chat(ctx, task_id, prompt, model, system_prompt, api_keys, offered, auto_resume)


@action
async def cancel_stream(ctx: ActionCtx, message_id: str) -> Cancelled:
    """End a reply that is being written, from wherever. What was written stays.

    Doing it twice, or to a reply that has ended, is harmless.
    """
    return Cancelled(cancelled=await ctx.run_mutation(cancel_reply, message_id=message_id))


@action
async def resume_stream(
    ctx: ActionCtx, message_id: str, api_keys: ApiKeys | None = None
) -> Resumed:
    """Go on with a reply that was interrupted, failed, was cancelled or ran out of tokens.

    It must be the last of its task. What is there stays; Claude is asked to go on from its end.
    """
    resumed = Resumed(messageId=message_id)
    message, _ = await _started(ctx, _claimed(ctx, message_id), lambda _: resumed)
    await write_reply(ctx, message, _key(api_keys))
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
    await write_reply(ctx, message, None)


async def _chat(
    ctx: ActionCtx,
    task_id: str,
    prompt: str,
    model: str,
    system_prompt: str | None,
    api_keys: dict[str, SecretStr] | None,
    tools: list[OfferedTool],
    auto_resume: bool,
) -> Begun:
    find_model(model, datetime.now(UTC).date())
    key = _key(api_keys)
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
    await write_reply(ctx, message, key, opened)
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


def _key(api_keys: dict[str, SecretStr] | None) -> SecretStr | None:
    return (api_keys or {}).get("anthropic")


def _offered(ctx: ActionCtx, offer: ToolOffer) -> OfferedTool:
    """What Claude is told of a tool, and who runs it.

    Raises:
        InvalidArguments: Its parameters are not those of a tool.
    """
    own = ctx.tools.get(offer.name)
    if own is not None:
        return OfferedTool(
            name=offer.name, description=own.description, parameters=own.parameters,
            runs_on="server", idempotent=own.idempotent, approval=own.approval or offer.approval,
        )  # fmt: skip
    if offer.parameters is None:
        raise _unfit(offer, "this server has no such tool, so it needs parameters")
    parameters: dict[str, Any] = {"type": "object", "properties": {}, **offer.parameters}
    if parameters["type"] != "object":
        raise _unfit(offer, "its parameters must be a JSON Schema of type object")
    return OfferedTool(
        name=offer.name, description=offer.description, parameters=parameters,
        idempotent=offer.idempotent, approval=offer.approval, timeout_ms=offer.timeout_ms,
    )  # fmt: skip


def _unfit(offer: ToolOffer, problem: str) -> InvalidArguments:
    return InvalidArguments(
        f"The tool {offer.name!r} cannot be offered: {problem}.",
        details=[{"argument": "tools", "problem": f"{offer.name}: {problem}"}],
    )


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
