"""Removing a task: at once for whoever asks for it, and then all that belonged to it.

The task goes first, so that nothing is added any more, and with it the replies that run and as many
rows as one transaction may take. A `TaskRemoval` remains until the rest is gone, whichever process
sees to it; and for a while longer, because a write that had seen the task may commit after it.
"""

from schemas.agent_tools import AgentTool
from schemas.chat_messages import ChatMessage
from schemas.document import Document
from schemas.file_changes import FileChange
from schemas.task_removals import TaskRemoval
from schemas.tasks import Task
from schemas.terminal_output import TerminalOutput
from schemas.tool_logs import ToolLog
from schemas.transcripts import TranscriptEntry
from schemas.workspace_status import WorkspaceStatus
from server.functions import presence
from server.functions.reply_lease import RUNNING
from server.runtime import NOW, ActionCtx, MutationCtx, mutation

__all__ = ["BELONGING", "finish_removals", "remove_task"]

BELONGING: tuple[type[Document], ...] = (
    ChatMessage,
    AgentTool,
    TranscriptEntry,
    *presence.TABLES,
    FileChange,
    ToolLog,
    TerminalOutput,
    WorkspaceStatus,
)
"""The tables whose rows belong to a task, by ``taskId``; a new one is one line here."""

ROWS_MAX = 500
"""Deleted in one transaction."""
REMOVALS_MAX = 20
"""Seen to in one look."""
LINGER_MS = 120_000
"""How long after a removal a write that had seen the task may commit. MongoDB ends a transaction
after 60 s by default."""


async def remove_task(ctx: MutationCtx, task_id: str) -> None:
    """Remove a task, with all that belongs to it where that is little.

    Raises:
        NotFound: There is no such task.
    """
    await ctx.delete(Task, task_id)
    await ctx.delete_many(ChatMessage, {"taskId": task_id, "status": {"$in": RUNNING}})
    open_ = await _delete_rows(ctx, task_id)
    await ctx.insert(TaskRemoval(id=task_id, open=open_))


async def finish_removals(ctx: ActionCtx) -> None:
    """Delete what removed tasks have left, a bounded transaction at a time."""
    oldest = [("createdAt", 1)]
    for removal in await ctx.find(TaskRemoval, {"open": True}, sort=oldest, limit=REMOVALS_MAX):
        while await ctx.run_mutation(remove_rows, task_id=removal.id):
            pass
    lingered = {"$expr": {"$lte": ["$createdAt", {"$subtract": [NOW, LINGER_MS]}]}}
    last_looks = await ctx.find(
        TaskRemoval, {"open": False, **lingered}, sort=oldest, limit=REMOVALS_MAX
    )
    for removal in last_looks:
        while await ctx.run_mutation(remove_rows, task_id=removal.id):
            pass
        await ctx.delete_many(TaskRemoval, {"_id": removal.id, "open": False})


@mutation(internal=True)
async def remove_rows(ctx: MutationCtx, task_id: str) -> bool:
    """Delete some rows of a removed task; whether more may be left.

    A task that is there again, from a backup say, keeps its rows.
    """
    known = await ctx.count(Task, {"_id": task_id})
    open_ = not known and await _delete_rows(ctx, task_id)
    if not open_:
        await ctx.update_one(TaskRemoval, {"_id": task_id}, {"$set": {"open": False}})
    return open_


async def _delete_rows(ctx: MutationCtx, task_id: str) -> bool:
    """Delete up to `ROWS_MAX` rows; whether more may be left."""
    room = ROWS_MAX
    for table in BELONGING:
        room -= await ctx.delete_many(table, {"taskId": task_id}, limit=room)
        if not room:
            return True
    return False
