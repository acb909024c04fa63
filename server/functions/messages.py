"""Messages of a conversation."""

from typing import Annotated

from pydantic import Field

from schemas.chat_messages import ChatMessage, MessageId
from schemas.tasks import TaskId
from server.runtime import Find, Get, QueryCtx, query

__all__ = ["by_task", "get"]


@query
def by_task(
    ctx: QueryCtx, task_id: TaskId, limit: Annotated[int, Field(ge=1, le=1000)] = 200
) -> Find[ChatMessage]:
    """The last messages of a task, oldest first."""
    return ctx.find(ChatMessage, {"taskId": task_id}, sort=[("sequence", 1)], last=limit)


@query
def get(ctx: QueryCtx, message_id: MessageId) -> Get[ChatMessage]:
    """One message, or null."""
    return ctx.get(ChatMessage, message_id)
