"""What commands write to a task's terminal, as whoever runs them passes it on."""

from typing import Annotated

from pydantic import BaseModel, Field

from schemas.terminal_output import OutputStream, StreamSizes, TerminalOutput
from server.functions.known_task import TaskId, known_task
from server.functions.terminal_segments import extend, is_full, open_segment, start
from server.runtime import Conflict, Find, MutationCtx, QueryCtx, mutation, query

__all__ = ["append", "by_task", "delete_by_task"]

TEXT_CHARACTERS_MAX = 32_768
"""Of one append."""


class Appended(BaseModel):
    """Where the stream stands.

    Attributes:
        offset: How many characters of it are known: what the next append gives as its offset.
    """

    offset: int


@query
def by_task(
    ctx: QueryCtx, task_id: TaskId, limit: Annotated[int, Field(ge=1, le=200)] = 50
) -> Find[TerminalOutput]:
    """The last segments of a task's terminal, oldest first."""
    order = [("createdAt", 1), ("sequence", 1)]
    return ctx.find(TerminalOutput, {"taskId": task_id}, sort=order, last=limit)


@mutation
async def append(
    ctx: MutationCtx,
    task_id: TaskId,
    stream: OutputStream,
    text: Annotated[str, Field(max_length=TEXT_CHARACTERS_MAX)],
    command_id: Annotated[str, Field(min_length=1, max_length=200)] = "terminal",
    offset: Annotated[int, Field(ge=0, lt=2**53)] | None = None,
) -> Appended:
    """Append to what a command writes; an empty text only asks where its stream stands.

    Whoever does not know whether an append arrived makes it again with the same offset, also with
    more text than before: what is known already is not written twice.

    Args:
        ctx: Whose transaction.
        task_id: The task.
        stream: Which of the command's streams.
        text: What it wrote.
        command_id: The run of the command, such as the id of its tool log.
        offset: How many characters (Unicode code points) the stream wrote before; the end that
            is known where absent.

    Raises:
        NotFound: There is no such task.
        Conflict: Text before `offset` is missing; ``details`` says which offset is expected.
    """
    await known_task(ctx, task_id)
    segment = await open_segment(ctx, task_id, command_id)
    known: int = getattr(segment.ends if segment else StreamSizes(), stream)
    if offset is not None and offset > known:
        raise Conflict(
            f"Of {stream} {known} characters are known and {offset - known} after them are "
            f"missing; go on from offset {known}.",
            details={"expectedOffset": known},
        )
    new = text if offset is None else text[known - offset :]
    if not new:
        return Appended(offset=known)
    if segment is None or is_full(segment):
        await start(ctx, segment, task_id, command_id, stream, new)
    else:
        await extend(ctx, segment, stream, new)
    return Appended(offset=known + len(new))


@mutation(transaction=False)
async def delete_by_task(ctx: MutationCtx, task_id: TaskId) -> int:
    """Delete what a task's terminal shows, each segment by itself; how many there were.

    Commands that still write begin again at offset 0.

    Raises:
        NotFound: There is no such task.
    """
    await known_task(ctx, task_id)
    return await ctx.delete_many(TerminalOutput, {"taskId": task_id})
