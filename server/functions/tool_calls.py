"""The documents of tool calls: their states, and who may change them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from schemas.agent_tools import AgentTool, ToolError
from schemas.chat_messages import ChatMessage, OfferedTool
from server.functions.storable_json import storable_json
from server.llm import Block
from server.runtime import MutationCtx

__all__ = ["ALLOWED", "ENDED", "calls_for", "end_calls", "error_text", "fail", "failed"]

ENDED = ["COMPLETED", "FAILED"]

ALLOWED: dict[str, Any] = {"$in": [None, "approved"]}
"""The approval of a call that may be run."""


def calls_for(message: ChatMessage, attempt: int, uses: Iterable[Block]) -> list[AgentTool]:
    """The documents of the calls `uses`, which Claude made in `message`.

    One that says ``broken`` has arguments that are no JSON object, and fails.
    """
    offered = {one.name: one for one in message.settings.tools} if message.settings else {}
    return [_call(message, attempt, use, offered.get(str(use["name"]))) for use in uses]


def _call(message: ChatMessage, attempt: int, use: Block, offered: OfferedTool | None) -> AgentTool:
    call = AgentTool(
        message_id=message.id,
        task_id=message.task_id,
        tool_name=str(use["name"]),
        args=storable_json(dict(use["input"])),
        tool_call_id=str(use["id"]),
        attempt=attempt,
    )
    if use.get("broken"):
        fail(call, "invalid_arguments", "Its arguments are not a JSON object.")
        return call
    if offered is None:
        fail(call, "unknown_tool", f"There is no tool {call.tool_name!r}.")
        return call
    call.runs_on = offered.runs_on
    call.idempotent = offered.idempotent
    call.timeout_ms = offered.timeout_ms
    call.approval = "required" if offered.approval else None
    return call


def fail(call: AgentTool, code: str, message: str) -> None:
    """Make a call that is not stored yet one that has failed."""
    call.status, call.completed_at = "FAILED", datetime.now(UTC)
    call.error = ToolError(code=code, message=message)


def failed(code: str, message: str) -> dict[str, Any]:
    """The fields of a call that has failed."""
    return {
        "status": "FAILED",
        "error": {"code": code, "message": message},
        "completedAt": datetime.now(UTC),
    }


def error_text(call: AgentTool) -> str | None:
    """What Claude is told of a call that failed; None for one that did not."""
    if call.status != "FAILED":
        return None
    error = call.error
    return f"{error.code}: {error.message}" if error else "It failed."


async def end_calls(ctx: MutationCtx, message_id: str, code: str, message: str) -> None:
    """Fail whatever calls of a message have not ended."""
    await ctx.update_many(
        AgentTool,
        {"messageId": message_id, "status": {"$nin": ENDED}},
        {"$set": failed(code, message), "$unset": {"expiresAt": ""}},
    )
