"""Runs of tools in a task's workspace, as whoever runs them tells."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from schemas.tool_logs import ToolLog, ToolLogId
from server.functions.known_task import TaskId, known_task
from server.functions.long_text import shortened
from server.functions.reported import OwnId, report
from server.runtime import (
    Conflict,
    Find,
    InvalidArguments,
    MutationCtx,
    NotFound,
    QueryCtx,
    mutation,
    query,
)

__all__ = ["begin", "by_task", "delete_by_task", "finish"]


@query
def by_task(
    ctx: QueryCtx, task_id: TaskId, limit: Annotated[int, Field(ge=1, le=1_000)] = 200
) -> Find[ToolLog]:
    """The last runs of a task, oldest first."""
    return ctx.find(ToolLog, {"taskId": task_id}, sort=[("createdAt", 1)], last=limit)


@mutation
async def begin(
    ctx: MutationCtx,
    task_id: TaskId,
    tool_name: Annotated[str, Field(min_length=1, max_length=200)],
    input: str | None = None,  # noqa: A002  # a wire name
    tool_call_id: OwnId | None = None,
    log_id: OwnId | None = None,
) -> ToolLog:
    """A run begins; its ``_id`` finishes it. Under one `logId` it begins once.

    Raises:
        NotFound: There is no such task.
        Conflict: The `logId` was used for another run.
    """
    await known_task(ctx, task_id)
    log = ToolLog(
        task_id=task_id,
        tool_name=tool_name,
        tool_call_id=tool_call_id,
        input=_short(input),
    )
    return await report(ctx, log, log_id, "task_id", "tool_name", "tool_call_id", "input")


@mutation
async def finish(
    ctx: MutationCtx,
    log_id: Annotated[ToolLogId, Field(min_length=1, max_length=200)],
    status: Literal["COMPLETED", "FAILED"],
    output: str | None = None,
    error: str | None = None,
    duration_ms: Annotated[int, Field(ge=0, le=10**12)] | None = None,
) -> ToolLog:
    """A run has ended. Saying the same status, output and error again is harmless.

    Args:
        ctx: Whose transaction.
        log_id: The log's ``_id``.
        status: How it ended.
        output: What it gave, of a failed one too.
        error: Why it failed.
        duration_ms: How long it took, by the clock of who ran it; by the server's where absent.

    Raises:
        NotFound: There is no such log.
        InvalidArguments: An error of a run that completed.
        Conflict: It has ended otherwise.
    """
    if error is not None and status == "COMPLETED":
        problem = "only a run that FAILED has one"
        raise InvalidArguments(
            f"toolLogs.finish cannot take these arguments. error: {problem}.",
            details=[{"argument": "error", "problem": problem}],
        )
    if status == "FAILED":
        error = error or "It failed."
    log = await ctx.get(ToolLog, log_id)
    if log is None:
        raise NotFound(f"There is no ToolLog {log_id[:100]!r}; toolLogs.begin gives its _id.")
    output, error = _short(output), _short(error)
    if log.status != "RUNNING":
        if (log.status, log.output, log.error) == (status, output, error):
            return log
        raise Conflict(
            f"This run is {log.status} already, and stays as it ended; only one that is RUNNING "
            "becomes COMPLETED or FAILED."
        )
    now = datetime.now(UTC)
    if duration_ms is None:
        duration_ms = max(0, _milliseconds(now) - _milliseconds(log.created_at))
    told = {"output": output, "error": error}
    fields = {name: text for name, text in told.items() if text is not None}
    fields |= {"status": status, "completedAt": now, "durationMs": duration_ms}
    return await ctx.update(ToolLog, log_id, {"$set": fields})


@mutation(transaction=False)
async def delete_by_task(ctx: MutationCtx, task_id: TaskId) -> int:
    """Delete the logs of a task, each by itself; how many there were.

    Raises:
        NotFound: There is no such task.
    """
    await known_task(ctx, task_id)
    return await ctx.delete_many(ToolLog, {"taskId": task_id})


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _short(text: str | None) -> str | None:
    return None if text is None else shortened(text)
