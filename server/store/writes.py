"""Writes to a database: one at a time, or several as one transaction."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import bson
import pymongo
from pymongo import ReturnDocument, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, WriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from schemas.wire.position import Time
from server.core import limits
from server.store.reads import bounded, read_limit

__all__ = ["Session", "Writes", "bson_bytes"]

Document = dict[str, Any]
T = TypeVar("T")

Update = Mapping[str, Any] | list[Any]
"""Operators, or a pipeline."""


def bson_bytes(document: Mapping[str, Any]) -> int:
    """How many bytes a document takes."""
    return len(bson.encode(document))


class Session:
    """A series of reads and writes whose cluster time is known at the end.

    Inside `Writes.transaction` all of them are one transaction; PyMongo's errors pass through
    untouched there, because the driver tells by them what to retry.
    """

    def __init__(self, database: AsyncDatabase[Document], session: AsyncClientSession) -> None:
        self._database = database
        self._session = session

    @property
    def time(self) -> Time:
        """The cluster time of the last write, or read where nothing was written."""
        at = self._session.operation_time
        return Time(at.time, at.inc) if at is not None else Time(0, 0)

    async def find(
        self,
        collection: str,
        query: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Sequence[str] | None = None,
    ) -> list[Document]:
        """The documents that match.

        Raises:
            TooLarge: More than `RESULT_DOCUMENTS_MAX` match.
        """
        cursor = self._database[collection].find(
            query,
            projection=dict.fromkeys(fields, 1) if fields is not None else None,
            sort=list(sort) or None,
            limit=read_limit(limit),
            session=self._session,
        )
        return bounded(await cursor.to_list(), collection)

    async def count(self, collection: str, query: Mapping[str, Any]) -> int:
        """How many documents match."""
        return await self._database[collection].count_documents(query, session=self._session)

    async def insert(self, collection: str, document: Document) -> None:
        """Insert one document, with its ``_id``."""
        await self._database[collection].insert_one(document, session=self._session)

    async def insert_many(self, collection: str, documents: Sequence[Document]) -> None:
        """Insert several documents, in order."""
        await self._database[collection].insert_many(list(documents), session=self._session)

    async def update(
        self,
        collection: str,
        query: Mapping[str, Any],
        update: Update,
        *,
        array_filters: Sequence[Mapping[str, Any]] | None = None,
        upsert: bool = False,
    ) -> Document | None:
        """Update one document; gives it as it is afterwards, or None where none matched."""
        return await self._database[collection].find_one_and_update(
            query,
            update,
            upsert=upsert,
            array_filters=array_filters,
            return_document=ReturnDocument.AFTER,
            session=self._session,
        )

    async def apply(self, collection: str, query: Mapping[str, Any], update: Update) -> bool:
        """Update one document without reading it back; whether one matched."""
        result = await self._database[collection].update_one(query, update, session=self._session)
        return result.matched_count == 1

    async def apply_many(
        self, collection: str, updates: Sequence[tuple[Mapping[str, Any], Update]]
    ) -> int:
        """Update one document for each filter, in no order; how many matched."""
        requests = [UpdateOne(query, update) for query, update in updates]
        target = self._database[collection]
        result = await target.bulk_write(requests, ordered=False, session=self._session)
        return result.matched_count

    async def replace(self, collection: str, query: Mapping[str, Any], new: Document) -> bool:
        """Replace one document; whether one matched."""
        result = await self._database[collection].replace_one(query, new, session=self._session)
        return result.matched_count == 1

    async def update_many(self, collection: str, query: Mapping[str, Any], update: Update) -> int:
        """Update all that match; how many were modified."""
        result = await self._database[collection].update_many(query, update, session=self._session)
        return result.modified_count

    async def delete_many(
        self, collection: str, query: Mapping[str, Any], *, one: bool = False
    ) -> int:
        """Delete all that match, or `one`; how many were deleted."""
        target = self._database[collection]
        delete = target.delete_one if one else target.delete_many
        return (await delete(query, session=self._session)).deleted_count

    async def delete_some(self, collection: str, query: Mapping[str, Any], limit: int) -> int:
        """Delete `limit` of those that match, or all where there are fewer; how many it were."""
        target = self._database[collection]
        # Unsorted: in the order of an index that the filter has, whatever that ends in.
        found = target.find(query, projection={"_id": 1}, limit=limit, session=self._session)
        ids = [document["_id"] for document in await found.to_list()]
        if not ids:
            return 0
        return await self.delete_many(collection, {"_id": {"$in": ids}})


class Writes:
    """Writes of one database, acknowledged by the majority."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database

    @asynccontextmanager
    async def single(self) -> AsyncGenerator[Session]:
        """A session without a transaction: each write is atomic by itself."""
        async with self._database.client.start_session() as session:
            yield Session(self._database, session)

    async def apply_many(
        self,
        collection: str,
        updates: Sequence[tuple[Mapping[str, Any], Update]],
        *,
        repeatable: bool = False,
    ) -> tuple[list[bool | Exception], Time]:
        """Update one document for each filter, in no order.

        Gives for each whether it matched, or its error; and the cluster time of the last of them.

        MongoDB only counts what matched. Where that is fewer than all, each filter is asked again,
        so it must match afterwards what it matched before. One that did not match before must not
        come to match either, unless the updates are `repeatable`: where some did, those that match
        now are made once more, each by itself.

        Raises:
            pymongo.errors.PyMongoError: It is not known which of them were written.
        """
        async with self.single() as session:
            if len(updates) == 1:
                return [await session.apply(collection, *updates[0])], session.time
            outcomes: list[bool | Exception] = [True] * len(updates)
            try:
                matched = await session.apply_many(collection, updates)
            except BulkWriteError as error:
                details: dict[str, Any] = dict(error.details)
                if details["writeConcernErrors"]:
                    raise
                matched = details["nMatched"]
                for one in details["writeErrors"]:
                    outcomes[one["index"]] = WriteError(one["errmsg"], one["code"], one)
            if matched < sum(outcome is True for outcome in outcomes):
                for place, (query, _) in enumerate(updates):
                    if outcomes[place] is True:
                        outcomes[place] = matched > 0 and await session.count(collection, query) > 0
                if repeatable and matched < sum(outcome is True for outcome in outcomes):
                    for place, one in enumerate(updates):
                        if outcomes[place] is True:
                            outcomes[place] = await session.apply(collection, *one)
            return outcomes, session.time

    async def transaction(self, body: Callable[[Session], Awaitable[T]]) -> tuple[T, Time]:
        """Run `body` as one transaction; gives its value and the commit's cluster time.

        The driver runs `body` again after a transient error, so it must be safe to run again.

        Raises:
            pymongo.errors.PyMongoError: It did not commit within `TRANSACTION_SECONDS_MAX`.
        """

        async def attempt(session: AsyncClientSession) -> T:
            return await body(Session(self._database, session))

        async with self._database.client.start_session() as session:
            with pymongo.timeout(limits.TRANSACTION_SECONDS_MAX):
                value = await session.with_transaction(
                    attempt,
                    read_concern=ReadConcern("snapshot"),
                    write_concern=WriteConcern("majority"),
                )
            return value, Session(self._database, session).time
