"""The app that Headwater serves here: notes in rooms, as a user would write it."""

from schemas.document import Document
from schemas.streamed_text import StreamedText
from server.app import create_app
from server.runtime import Find, MutationCtx, QueryCtx, mutation, query

__all__ = ["Note", "app", "append", "by_task", "mark"]


class Note(Document, collection="notes", indexes=[("taskId",)]):
    """A note."""

    task_id: str
    mark: str
    body: str
    text: StreamedText = ""


@query
def by_task(ctx: QueryCtx, task_id: str) -> Find[Note]:
    """The notes of a room."""
    return ctx.find(Note, {"taskId": task_id}, sort=[("_id", 1)])


@mutation(transaction=False)
async def mark(ctx: MutationCtx, note_id: str, mark: str) -> None:
    """Replace a short field."""
    await ctx.update(Note, note_id, {"$set": {"mark": mark}})


@mutation(transaction=False)
async def append(ctx: MutationCtx, note_id: str, text: str) -> None:
    """Let the text grow."""
    await ctx.append(Note, {"_id": note_id}, {"text": text})


app = create_app(functions=[__name__])
