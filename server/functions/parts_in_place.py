"""A message whose parts are where its writer left them: else a write by place would leave holes.

MongoDB fills up with nulls what is missing before a place that is written to, and that is what
happens where somebody else's program removes parts of a message in mid-reply.
"""

from typing import Any

from schemas.chat_messages import ChatMessage
from server.functions.replies import record
from server.llm import Entry
from server.runtime import MutationCtx, mutation

__all__ = ["PartsGone", "record_in_place"]


class PartsGone(Exception):
    """Somebody else has removed parts of the message."""


@mutation(internal=True)
async def record_in_place(
    ctx: MutationCtx, message_id: str, attempt: int, parts: dict[str, Any], what: dict[str, Any]
) -> list[Entry] | None:
    """Record `what` (see `record`); None where its fence or its `parts` stand in the way."""
    if parts and not await ctx.count(ChatMessage, {"_id": message_id, **parts}):
        return None
    return await record(ctx, message_id=message_id, attempt=attempt, **what)
