"""Tools to try: what Claude may call from the page that comes with the server."""

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from schemas.tasks import Task
from server.runtime import InvalidArguments, QueryCtx, ToolCtx, query, tool

__all__ = ["calculate", "current_time", "offers", "rename_task"]

ASK_PERSON: dict[str, Any] = {
    "name": "ask_person",
    "description": "Ask the person who reads along. Use it where only they can know.",
    "parameters": {
        "type": "object",
        "properties": {"question": {"type": "string"}},
        "required": ["question"],
    },
    "idempotent": True,
}
"""A tool that no server runs: the page shows its question, and sends what is typed there."""


@query
async def offers(ctx: QueryCtx) -> list[dict[str, Any]]:
    """What ``streaming.streamChatWithTools`` is given as `tools` to offer all of these."""
    own = (current_time, calculate, rename_task)
    return [*({"name": one.__name__} for one in own), ASK_PERSON]


@tool(idempotent=True)
async def current_time(ctx: ToolCtx, time_zone: str = "UTC") -> str:
    """Tell the time, as ISO 8601, in a time zone by its IANA name: UTC, Europe/Lisbon."""
    try:
        zone = UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise InvalidArguments(f"There is no time zone {time_zone[:100]!r}.") from None
    return datetime.now(zone).isoformat(timespec="seconds")


@tool(idempotent=True)
async def calculate(
    ctx: ToolCtx,
    left: float,
    operation: Literal["plus", "minus", "times", "divided by"],
    right: float,
) -> float:
    """Calculate with two numbers."""
    if operation == "divided by" and right == 0:
        raise InvalidArguments("Nothing can be divided by zero.")
    match operation:
        case "plus":
            value = left + right
        case "minus":
            value = left - right
        case "times":
            value = left * right
        case "divided by":
            value = left / right
    if not math.isfinite(value):
        raise InvalidArguments("The result is too large for a number.")
    return value


@tool(approval=True)
async def rename_task(
    ctx: ToolCtx, title: Annotated[str, Field(min_length=1, max_length=200)]
) -> str:
    """Give this conversation another title; a person must allow it."""
    task = await ctx.update(Task, ctx.task_id, {"$set": {"title": title}})
    return f"It is called {task.title!r} now."
