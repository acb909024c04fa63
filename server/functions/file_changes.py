"""Changes of files, as whoever works in a task's workspace records them."""

from typing import Annotated

from pydantic import Field

from schemas.file_changes import ChangeType, FileChange
from server.functions.known_task import TaskId, known_task
from server.functions.long_text import shortened
from server.functions.reported import OwnId, report
from server.runtime import Find, InvalidArguments, MutationCtx, QueryCtx, mutation, query

__all__ = ["by_task", "delete_by_task", "record"]

Path = Annotated[str, Field(min_length=1, max_length=4_096, pattern=r"^[^\x00]*$")]
Lines = Annotated[int, Field(ge=0, le=10**9)]


@query
def by_task(
    ctx: QueryCtx, task_id: TaskId, limit: Annotated[int, Field(ge=1, le=1_000)] = 200
) -> Find[FileChange]:
    """The last changes of a task, oldest first."""
    return ctx.find(FileChange, {"taskId": task_id}, sort=[("createdAt", 1)], last=limit)


@mutation
async def record(
    ctx: MutationCtx,
    task_id: TaskId,
    change_type: ChangeType,
    path: Path,
    old_path: Path | None = None,
    additions: Lines = 0,
    deletions: Lines = 0,
    diff: str | None = None,
    tool_call_id: OwnId | None = None,
    change_id: OwnId | None = None,
) -> FileChange:
    """Record a change of a file. Under one `changeId` it is recorded once.

    Raises:
        NotFound: There is no such task.
        InvalidArguments: A RENAME without an old path that differs, or an old path of another kind.
        Conflict: The `changeId` was used for another change.
    """
    problem = _old_path_problem(change_type, path, old_path)
    if problem is not None:
        raise InvalidArguments(
            f"fileChanges.record cannot take these arguments. oldPath: {problem}.",
            details=[{"argument": "oldPath", "problem": problem}],
        )
    await known_task(ctx, task_id)
    change = FileChange(
        task_id=task_id,
        change_type=change_type,
        path=path,
        old_path=old_path,
        additions=additions,
        deletions=deletions,
        diff=None if diff is None else shortened(diff),
        tool_call_id=tool_call_id,
    )
    said = ("task_id", "change_type", "path", "old_path", "additions", "deletions", "diff")
    return await report(ctx, change, change_id, *said)


@mutation(transaction=False)
async def delete_by_task(ctx: MutationCtx, task_id: TaskId) -> int:
    """Delete the changes of a task, each by itself; how many there were.

    Raises:
        NotFound: There is no such task.
    """
    await known_task(ctx, task_id)
    return await ctx.delete_many(FileChange, {"taskId": task_id})


def _old_path_problem(change_type: ChangeType, path: str, old_path: str | None) -> str | None:
    if change_type != "RENAME":
        return None if old_path is None else f"only a RENAME has one, not a change by {change_type}"
    if old_path is None:
        return "a RENAME needs the path that the file had before"
    return "a RENAME leads to another path" if old_path == path else None
