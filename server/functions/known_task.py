"""The task that a call is about, which must be there."""

from typing import Annotated

from pydantic import Field

from schemas import tasks
from schemas.tasks import Task
from server.runtime import NotFound, QueryCtx

__all__ = ["TaskId", "known_task"]

TaskId = Annotated[tasks.TaskId, Field(max_length=200)]


async def known_task(ctx: QueryCtx, task_id: str) -> None:
    """Make sure that there is such a task; a query that asks so ends with its task.

    A transaction that began before the task was removed may still write after it; what it wrote
    is deleted by the removal's last look (see `server.functions.task_removal`).

    Raises:
        NotFound: There is no such task.
    """
    if not await ctx.count(Task, {"_id": task_id}):
        raise NotFound(f"There is no Task {task_id[:100]!r}.")
