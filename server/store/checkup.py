"""What a database lets us do, tried on it, with the cure for whatever is amiss.

Nothing is left behind: what is written is written in a transaction that is given up.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from bson import Timestamp
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from schemas.document import Document, new_id
from server.core.checks import Check
from server.store.collections import META, wanted_indexes
from server.store.deployment import UNAUTHORIZED

__all__ = ["check_history", "check_indexes", "check_rights"]

Database = AsyncDatabase[dict[str, Any]]

HISTORY_HOURS_MIN = 1.0
"""A server or a client that was away for longer begins anew."""
FULL = 0.9
"""Of an oplog: MongoDB begins to forget."""
_ROLE = "give this user the role readWrite on the database {database!r}"
_COMPARED = ("unique", "expireAfterSeconds", "partialFilterExpression")


async def check_rights(database: Database) -> list[Check]:
    """Whether this user may read, write, make collections and indexes, and follow changes."""
    return [
        await _tried("read", database, _read),
        await _tried("write", database, _write),
        await _tried("indexes may be made", database, _make_index),
        await _tried("change stream", database, _follow),
    ]


async def check_history(database: Database) -> Check:
    """How long MongoDB remembers what was written: for so long a stream can be continued."""
    local = database.client["local"]
    try:
        stats = await local.command({"collStats": "oplog.rs"})
        first = await local["oplog.rs"].find_one({}, ["ts"], sort=[("$natural", 1)])
        last = await local["oplog.rs"].find_one({}, ["ts"], sort=[("$natural", -1)])
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            return Check("history", "note", f"cannot be read ({_words(error)})")
        return Check(
            "history",
            "note",
            "not known, for this user may not read the oplog; it works without",
            "To see it here, give this user the role read on the database 'local'.",
        )
    assert first is not None
    assert last is not None
    start, end = first["ts"], last["ts"]
    assert isinstance(start, Timestamp)
    assert isinstance(end, Timestamp)
    hours = (end.time - start.time) / 3600
    size = f"an oplog of {stats['maxSize'] / 1e9:.1f} GB"
    if stats["size"] < FULL * stats["maxSize"]:
        return Check("history", "ok", f"{hours:.1f} hours so far, and {size} that is not full")
    if hours < HISTORY_HOURS_MIN:
        return Check(
            "history",
            "problem",
            f"{hours:.2f} hours fill {size}; whoever was away for longer begins anew",
            "Enlarge it by the command replSetResizeOplog, in Atlas by the cluster's settings.",
        )
    return Check("history", "ok", f"{hours:.1f} hours in {size}")


async def check_indexes(database: Database, tables: Iterable[type[Document]]) -> Check:
    """Whether the indexes are those that the tables declare."""
    missing: list[str] = []
    in_the_way: list[str] = []
    absent: list[str] = []
    wanted = wanted_indexes(tables)
    try:
        existing = set(await database.list_collection_names())
        for collection, specifications in sorted(wanted.items()):
            if collection not in existing:
                absent.append(collection)
                continue
            found = [dict(one) async for one in await database[collection].list_indexes()]
            for wish in specifications:
                name = f"{collection}.{wish['name']}"
                fit = [_fits(wish, one) for one in found]
                if None in fit:
                    in_the_way.append(name)
                elif True not in fit:
                    missing.append(name)
    except PyMongoError as error:
        return Check("indexes", "note", f"cannot be read ({_words(error)})")
    if in_the_way:
        return Check(
            "indexes",
            "problem",
            f"others stand in the way of {', '.join(in_the_way)}",
            "Drop them by dropIndex; the server makes its own when it starts.",
        )
    if absent or missing:
        says = [
            f"{len(names)} {what} not there yet ({', '.join(names)})"
            for names, what in ((absent, "tables are"), (missing, "indexes are"))
            if names
        ]
        return Check("indexes", "note", "; ".join(says), "The server makes them when it starts.")
    count = sum(map(len, wanted.values()))
    return Check("indexes", "ok", f"all {count} of {len(wanted)} tables are there")


def _fits(wish: Mapping[str, Any], found: Mapping[str, Any]) -> bool | None:
    """Whether `found` is what is wished for; None where it would stand in its way."""
    alike = list(wish["key"].items()) == list(found["key"].items())
    named = wish["name"] == found["name"]
    if not alike and not named:
        return False
    options = all(wish.get(option) == found.get(option) for option in _COMPARED)
    return True if alike and named and options else None


async def _tried(name: str, database: Database, attempt: Any) -> Check:
    try:
        await attempt(database)
    except PyMongoError as error:
        return Check(name, "problem", _words(error), _cure(database, error))
    return Check(name, "ok", "yes")


async def _read(database: Database) -> None:
    await database[META].find_one()


async def _write(database: Database) -> None:
    async with _given_up(database) as session:
        probe = database[META]
        await probe.insert_one({"_id": new_id()}, session=session)
        await probe.update_one({"_id": new_id()}, {"$set": {"a": 1}}, session=session)
        await probe.delete_one({"_id": new_id()}, session=session)


async def _make_index(database: Database) -> None:
    async with _given_up(database) as session:
        name = f"headwaterDoctor{new_id()}"
        await database.command({"create": name}, session=session)
        index = {"key": {"a": 1}, "name": "a_1"}
        await database.command({"createIndexes": name, "indexes": [index]}, session=session)


@asynccontextmanager
async def _given_up(database: Database) -> AsyncGenerator[AsyncClientSession]:
    """A transaction of which nothing stays."""
    async with database.client.start_session() as session:
        await session.start_transaction(ReadConcern("local"))  # as making an index wants it
        try:
            yield session
        finally:
            await session.abort_transaction()


async def _follow(database: Database) -> None:
    async with await database.watch(max_await_time_ms=1) as stream:
        await stream.try_next()


def _cure(database: Database, error: PyMongoError) -> str:
    if isinstance(error, OperationFailure) and error.code == UNAUTHORIZED:
        role = _ROLE.format(database=database.name)
        return f"{role[0].upper()}{role[1:]}."
    return "Look into MongoDB's log."


def _words(error: PyMongoError) -> str:
    """What MongoDB said, without the command that it quotes."""
    said = str(error).partition(", full error: ")[0]
    return said.partition(" to execute command")[0][:300]
