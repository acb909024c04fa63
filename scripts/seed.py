"""``make seed``: a user, a task and a conversation to look at, in any database.

They go into HEADWATER_MONGODB_URI, or into the embedded MongoDB, whose running server shows them
at once. What is there already stays as it is, so this may be repeated.
"""

import asyncio
import sys

from schemas.chat_messages import ChatMessage, Role, TextPart, Usage
from schemas.document import Document
from schemas.tasks import Task
from schemas.users import User
from server.cli.database import database_at
from server.core.errors import StartupError
from server.settings import Settings
from server.store.collections import ensure
from server.store.connection import connect_client, database_name
from server.store.deployment import check_deployment

__all__ = ["demo", "main", "seed"]

TASK_ID = "5eed00000000000000000000"
CONVERSATION: list[tuple[Role, str]] = [
    ("user", "Why do rivers meander?"),
    (
        "assistant",
        "Because **small bends grow**. Water runs faster along the outside of a bend and slower "
        "along the inside:\n\n"
        "1. Outside, it cuts into the bank.\n"
        "2. Inside, it drops the silt it carries.\n\n"
        "So each bend feeds itself, until the river cuts through its neck and leaves an "
        "*oxbow lake* behind.",
    ),
    ("user", "How wide does a bend become?"),
    (
        "assistant",
        "There is a rule of thumb, the same for a brook and for the Mississippi: the radius of a "
        "bend is two to three times the river's width.\n\n"
        "```python\n"
        "def radius_m(width_m: float) -> float:\n"
        "    return 2.3 * width_m\n"
        "```",
    ),
]


def demo() -> list[Document]:
    """The documents, with ids that are always the same."""
    user = User(id="demo", name="Demo", email="demo@example.com")
    task = Task(
        id=TASK_ID, title="Why rivers meander", user_id=user.id, next_sequence=len(CONVERSATION)
    )
    return [user, task, *(_message(*line) for line in enumerate(CONVERSATION))]


def _message(sequence: int, line: tuple[Role, str]) -> ChatMessage:
    role, text = line
    message = ChatMessage(
        id=f"{TASK_ID[:-2]}{sequence + 1:02x}",
        task_id=TASK_ID,
        role=role,
        sequence=sequence,
        status="COMPLETED",
        parts=[TextPart(text=text)],
    )
    if role == "assistant":
        message.model, message.finish_reason = "claude-sonnet-5-5", "end_turn"
        read, written = 12 * (sequence + 1), len(text) // 4
        message.usage = Usage(
            prompt_tokens=read, completion_tokens=written, total_tokens=read + written
        )
    return message


async def seed(uri: str) -> int:
    """Write what is missing of `demo` into the database at `uri`; how many documents that was.

    Raises:
        StartupError: The database cannot be used.
    """
    client = await connect_client(uri, app_name="headwater seed")
    async with client:
        name = database_name(uri)
        await check_deployment(client, name)
        database = client[name]
        await ensure(database, [User, Task, ChatMessage])
        written = 0
        for document in demo():
            stored = document.stored()
            result = await database[document.collection].update_one(
                {"_id": stored.pop("_id")}, {"$setOnInsert": stored}, upsert=True
            )
            written += result.upserted_id is not None
        return written


async def _run() -> None:
    async with database_at(Settings()) as (uri, shown):
        written = await seed(uri)
        where = f"database {database_name(uri)!r} at {shown}"
    if written:
        print(f"Wrote {written} documents (a user, a task, its conversation) to {where}.")
    else:
        print(f"Nothing to do: the demo is in {where} already.")


def main() -> int:
    """Seed, and return the exit code."""
    try:
        asyncio.run(_run())
    except StartupError as error:
        print(f"seed: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
