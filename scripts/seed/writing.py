"""Writes what is missing of a set into a database, and leaves alone what is there."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from pymongo import UpdateOne

from schemas.document import Document
from server.cli.database import database_at
from server.settings import Settings
from server.store.collections import ensure
from server.store.connection import connect_client, database_name
from server.store.deployment import check_deployment

__all__ = ["seed", "seed_settings"]

BATCH = 1_000
AT_ONCE = 2
"""Batches under way: one is made while others are written."""


async def seed(
    uri: str, documents: Sequence[Document], on_progress: Callable[[int], None] = lambda _: None
) -> int:
    """Write what is missing of `documents` into the database at `uri`; how many that were.

    Args:
        uri: The database.
        documents: Their ids are always the same, so this may be repeated.
        on_progress: Told how many more have been looked at.

    Raises:
        StartupError: The database cannot be used.
    """
    client = await connect_client(uri, app_name="headwater seed")
    async with client:
        name = database_name(uri)
        await check_deployment(client, name)
        database = client[name]
        await ensure(database, {type(one) for one in documents})
        gate = asyncio.Semaphore(AT_ONCE)
        written = 0

        async def write(batch: list[Document]) -> None:
            nonlocal written
            result = await database[batch[0].collection].bulk_write(
                [_upsert(one) for one in batch], ordered=False
            )
            written += result.upserted_count
            on_progress(len(batch))
            gate.release()

        async with asyncio.TaskGroup() as writing:
            for batch in _batches(documents):
                await gate.acquire()
                writing.create_task(write(batch))
        return written


async def seed_settings(
    settings: Settings, documents: Sequence[Document], on_progress: Callable[[int], None]
) -> tuple[int, str]:
    """`seed` what `settings` name, the embedded MongoDB where they name none; and where it is."""
    async with database_at(settings) as (uri, shown):
        written = await seed(uri, documents, on_progress)
        return written, f"database {database_name(uri)!r} at {shown}"


def _batches(documents: Iterable[Document]) -> Iterable[list[Document]]:
    """Documents of one table each, in order."""
    tables: dict[type[Document], list[Document]] = {}
    for one in documents:
        tables.setdefault(type(one), []).append(one)
    for table in tables.values():
        rest = iter(table)
        while batch := list(islice(rest, BATCH)):
            yield batch


def _upsert(document: Document) -> UpdateOne:
    stored = document.stored()
    return UpdateOne({"_id": stored.pop("_id")}, {"$setOnInsert": stored}, upsert=True)
