"""Collections and indexes, made from the tables at start; harmless to do again."""

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from pymongo import ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure

from schemas.document import Document, Index
from server.core.errors import StartupError

__all__ = [
    "CALLS",
    "META",
    "SCHEDULED_CALLS",
    "SCHEDULES",
    "database_id",
    "ensure",
    "wanted_indexes",
]

META = "headwaterMeta"
"""One document, by which a database is told from another."""
CALLS = "headwaterCalls"
"""Traces of mutations and answers kept for idempotency keys; each expires."""
SCHEDULES = "headwaterSchedules"
"""When each function that runs by itself is due."""
SCHEDULED_CALLS = "headwaterScheduledCalls"
"""Calls that were scheduled: those that wait, run, or have failed."""

_OWN_INDEXES: Mapping[str, tuple[Index, ...]] = {
    META: (),
    SCHEDULES: (),
    SCHEDULED_CALLS: (
        Index(("state", "dueAt", "function")),
        Index(("expiresAt",), expire_after_seconds=0),
    ),
    CALLS: (Index(("expiresAt",), expire_after_seconds=0),),
}

_NAMESPACE_EXISTS = 48
_INDEX_CONFLICTS = {85, 86}
_DUPLICATE_KEY = 11000


def wanted_indexes(tables: Iterable[type[Document]]) -> dict[str, list[dict[str, Any]]]:
    """Of each collection that a server makes, the indexes, as createIndexes takes them."""
    wanted = {**_OWN_INDEXES, **{table.collection: table.indexes for table in tables}}
    return {name: list(map(_specification, indexes)) for name, indexes in wanted.items()}


async def ensure(database: AsyncDatabase[dict[str, Any]], tables: Iterable[type[Document]]) -> None:
    """Make what is missing of the tables' collections and indexes, and of the server's own.

    Raises:
        StartupError: An index stands in the way of one with other options.
    """
    wanted = wanted_indexes(tables)
    existing = set(await database.list_collection_names())
    await asyncio.gather(
        *(
            _ensure_one(database, collection, specifications, exists=collection in existing)
            for collection, specifications in wanted.items()
        )
    )


async def _ensure_one(
    database: AsyncDatabase[dict[str, Any]],
    collection: str,
    specifications: list[dict[str, Any]],
    *,
    exists: bool,
) -> None:
    if not exists:
        try:
            await database.command({"create": collection})
        except OperationFailure as error:
            if error.code != _NAMESPACE_EXISTS:  # another process was quicker
                raise
    if not specifications:
        return
    try:
        await database.command({"createIndexes": collection, "indexes": specifications})
    except OperationFailure as error:
        if error.code in _INDEX_CONFLICTS:
            raise StartupError(
                f"The collection {collection!r} has an index that differs from the one that its "
                f"table declares ({_names(specifications)}); drop the old one with dropIndex and "
                "start again."
            ) from error
        if isinstance(error, DuplicateKeyError) or error.code == _DUPLICATE_KEY:
            raise StartupError(
                f"The collection {collection!r} holds documents that a unique index of its table "
                f"({_names(specifications)}) forbids; remove the duplicates and start again."
            ) from error
        raise


def _names(specifications: list[dict[str, Any]]) -> str:
    return ", ".join(str(one["name"]) for one in specifications)


def _specification(index: Index) -> dict[str, Any]:
    """One entry of a createIndexes command."""
    keys = {key.removeprefix("-"): -1 if key.startswith("-") else 1 for key in index.keys}
    if not index.unique and index.expire_after_seconds is None:
        keys.setdefault("_id", next(reversed(keys.values()), 1))
    specification: dict[str, Any] = {
        "key": keys,
        "name": "_".join(f"{name}_{direction}" for name, direction in keys.items()),
    }
    if index.unique:
        specification["unique"] = True
    if index.expire_after_seconds is not None:
        specification["expireAfterSeconds"] = index.expire_after_seconds
    if index.partial is not None:
        specification["partialFilterExpression"] = index.partial
    return specification


async def database_id(database: AsyncDatabase[dict[str, Any]]) -> str:
    """A random id kept in the database, the same for everybody who asks."""
    found: dict[str, Any] | None = await database[META].find_one_and_update(
        {"_id": "database"},
        {"$setOnInsert": {"id": secrets.token_hex(8)}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    assert found is not None, "an upsert always finds"
    return str(found["id"])
