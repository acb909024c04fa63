"""Calls of tools: seen by everybody, run by whoever claims them, allowed by people."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.agent_tools import AgentTool, AgentToolId
from schemas.chat_messages import MessageId
from schemas.tasks import TaskId
from server.functions.known_task import TaskId as BoundedTaskId
from server.functions.known_task import known_task
from server.functions.tool_calls import ALLOWED, ENDED, failed
from server.runtime import Conflict, Find, MutationCtx, NotFound, QueryCtx, mutation, query

__all__ = [
    "approve",
    "by_message",
    "by_task",
    "by_tool_call_id",
    "claim",
    "create",
    "delete_by_task",
    "deny",
    "pending",
    "release",
    "update_result",
]

CLAIM_SECONDS = 60.0
"""How long a call is its executor's, unless claimed again."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
Reason = Annotated[str, Field(max_length=2_000)]


@query
def by_message(ctx: QueryCtx, message_id: MessageId) -> Find[AgentTool]:
    """The calls of a message, in the order in which Claude made them."""
    return ctx.find(AgentTool, {"messageId": message_id}, sort=[("createdAt", 1)])


@query
def by_task(
    ctx: QueryCtx, task_id: TaskId, limit: Annotated[int, Field(ge=1, le=1_000)] = 200
) -> Find[AgentTool]:
    """The last calls of a task, oldest first."""
    return ctx.find(AgentTool, {"taskId": task_id}, sort=[("createdAt", 1)], last=limit)


@query
async def by_tool_call_id(ctx: QueryCtx, tool_call_id: str) -> AgentTool | None:
    """The call that Claude knows by this id, or null."""
    found = await ctx.find(
        AgentTool, {"toolCallId": tool_call_id}, sort=[("createdAt", -1)], limit=1
    )
    return found[0] if found else None


@query
def pending(ctx: QueryCtx, task_id: TaskId | None = None) -> Find[AgentTool]:
    """The calls that wait for an executor, of one task or of all, oldest first."""
    waiting = {"status": "PENDING", "runsOn": "executor", "approval": ALLOWED}
    of_task = {} if task_id is None else {"taskId": task_id}
    return ctx.find(AgentTool, {**waiting, **of_task}, sort=[("createdAt", 1)], limit=200)


@mutation
async def create(
    ctx: MutationCtx,
    message_id: MessageId,
    task_id: TaskId,
    tool_name: Name,
    args: dict[str, Any],
    tool_call_id: Name,
) -> AgentTool:
    """A call that was made outside of Headwater's own loop, to be tracked here.

    Raises:
        NotFound: There is no such task.
    """
    await known_task(ctx, task_id)
    return await ctx.insert(
        AgentTool(
            message_id=message_id,
            task_id=task_id,
            tool_name=tool_name,
            args=args,
            tool_call_id=tool_call_id,
        )
    )


@mutation
async def claim(ctx: MutationCtx, id: AgentToolId, executor: Name) -> AgentTool:  # noqa: A002  # a wire name
    """Take a waiting call, or keep one that is yours for another minute.

    Args:
        ctx: Whose transaction.
        id: The document's ``_id``, not its ``toolCallId``.
        executor: Your name for yourself; choose one that no other executor has.

    Raises:
        NotFound: There is no such call.
        Conflict: It is somebody else's, has ended, or nobody has allowed it yet.
    """
    call = await ctx.get(AgentTool, id)
    if call is None:
        raise await _unknown(ctx, id)
    if call.runs_on == "server":
        raise Conflict("The server runs this call itself.")
    if call.status in ENDED:
        raise Conflict(f"This call is {call.status}.")
    if call.approval == "required":
        raise Conflict("Nobody has allowed this call yet.")
    if call.status == "RUNNING" and call.executor != executor:
        raise Conflict("Another executor has this call.")
    claims = call.claims + (call.status == "PENDING")
    started = {"startedAt": datetime.now(UTC)} if call.status == "PENDING" else {}
    until = {"$add": ["$$NOW", round(CLAIM_SECONDS * 1000)]}
    # `executor` comes from a client, and might begin with a dollar sign.
    taken = {"status": "RUNNING", "executor": {"$literal": executor}, "claims": claims}
    return await ctx.update(AgentTool, id, [{"$set": {**taken, **started, "expiresAt": until}}])


@mutation
async def release(ctx: MutationCtx, id: AgentToolId, executor: Name) -> AgentTool:  # noqa: A002  # a wire name
    """Give a call that is yours back at once, as if your minute were over.

    It is offered again if its offer said ``idempotent``, and has failed otherwise.

    Raises:
        NotFound: There is no such call.
        Conflict: It is not yours, or has ended.
    """
    call = await ctx.get(AgentTool, id)
    if call is None:
        raise await _unknown(ctx, id)
    if call.status != "RUNNING" or call.runs_on == "server" or call.executor != executor:
        raise Conflict(f"You do not have this call; it is {call.status}.")
    return await ctx.update(AgentTool, id, [{"$set": {"expiresAt": "$$NOW"}}])


@mutation
async def update_result(
    ctx: MutationCtx,
    tool_call_id: str,
    status: Literal["COMPLETED", "FAILED"],
    result: Any = None,
    error: Annotated[str, Field(max_length=20_000)] | None = None,
    executor: Name | None = None,
) -> AgentTool:
    """Say how a call ended. Saying the same again is harmless.

    Raises:
        NotFound: There is no such call.
        Conflict: It has ended otherwise, is another executor's, or nobody has allowed it yet.
    """
    call = await by_tool_call_id(ctx, tool_call_id)
    if call is None:
        raise NotFound(f"There is no call {tool_call_id[:100]!r}.")
    if call.runs_on == "server":
        raise Conflict("The server runs this call itself.")
    if call.status in ENDED:
        if call.status == status and (status == "FAILED" or call.result == result):
            return call
        raise Conflict(f"This call is {call.status} already.")
    if call.approval == "required":
        raise Conflict("Nobody has allowed this call yet.")
    if executor is not None and call.executor not in (None, executor):
        raise Conflict("Another executor has this call.")
    if status == "FAILED":
        fields = failed("failed", error or "It failed.")
    else:
        fields = {"status": status, "result": result, "completedAt": datetime.now(UTC)}
    return await ctx.update(AgentTool, call.id, {"$set": fields, "$unset": {"expiresAt": ""}})


@mutation
async def approve(ctx: MutationCtx, tool_call_id: str) -> AgentTool:
    """Allow a call that waits for somebody to allow it.

    Raises:
        NotFound: There is no such call.
        Conflict: It does not wait for that.
    """
    call = await _awaiting(ctx, tool_call_id, "approved")
    if call.approval == "approved":
        return call
    return await ctx.update(AgentTool, call.id, {"$set": {"approval": "approved"}})


@mutation
async def deny(ctx: MutationCtx, tool_call_id: str, reason: Reason | None = None) -> AgentTool:
    """Refuse a call that waits for somebody to allow it; Claude is told the reason.

    Raises:
        NotFound: There is no such call.
        Conflict: It does not wait for that.
    """
    call = await _awaiting(ctx, tool_call_id, "denied")
    if call.approval == "denied":
        return call
    said = f"Somebody refused this call: {reason}" if reason else "Somebody refused this call."
    fields = {**failed("denied", said), "approval": "denied"}
    return await ctx.update(AgentTool, call.id, {"$set": fields})


@mutation(transaction=False)
async def delete_by_task(ctx: MutationCtx, task_id: BoundedTaskId) -> int:
    """Delete the calls of a task, each by itself; how many there were.

    Raises:
        NotFound: There is no such task.
    """
    await known_task(ctx, task_id)
    return await ctx.delete_many(AgentTool, {"taskId": task_id})


async def _unknown(ctx: MutationCtx, id_: str) -> NotFound:
    said = f"There is no call whose _id is {id_[:100]!r}"
    call = await by_tool_call_id(ctx, id_)
    if call is None:
        return NotFound(f"{said}; take it from toolCallTracking.pending.")
    return NotFound(f"{said}; that is its toolCallId. Claim it by its _id, {call.id!r}.")


async def _awaiting(ctx: MutationCtx, tool_call_id: str, decided: str) -> AgentTool:
    """The call, which waits for a decision or has had this one."""
    call = await by_tool_call_id(ctx, tool_call_id)
    if call is None:
        raise NotFound(f"There is no call {tool_call_id[:100]!r}.")
    if call.approval == decided:
        return call
    if call.approval is None:
        raise Conflict("This call needs nobody's leave.")
    if call.approval != "required" or call.status in ENDED:
        raise Conflict("This call has been decided already.")
    return call
