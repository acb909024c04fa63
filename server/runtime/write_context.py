"""What a function that writes is given."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from schemas.document import Document
from schemas.storable import storable
from schemas.wire.position import Time
from server.core.errors import NotFound
from server.live.fields import check_filter, check_names, check_texts, check_update
from server.live.find import Spec, model_of
from server.runtime.caller import Caller
from server.runtime.functions import Function
from server.runtime.latest import Otherwise, setting
from server.runtime.query_context import QueryCtx, addressed, stored_id
from server.runtime.scheduler import Scheduler, Scheduling
from server.store.writes import Session

__all__ = ["Alone", "MutationCtx", "OpenSession", "WriteCtx"]

P = ParamSpec("P")
D = TypeVar("D", bound=Document)
R = TypeVar("R")

Update = Mapping[str, Any] | list[Any]

OpenSession = Callable[[], AbstractAsyncContextManager[Session]]
"""Opens the session in which the next read or write is made."""


class _Sessions:
    """The sessions in which a context reads and writes; its `Reader`."""

    def __init__(self, open_session: OpenSession) -> None:
        self._open = open_session
        self.time = Time(0, 0)

    async def do(self, work: Callable[[Session], Awaitable[R]]) -> R:
        """Do one piece of work."""
        async with self._open() as session:
            value = await work(session)
            self.time = max(self.time, session.time)
            return value

    async def find(self, spec: Spec) -> list[dict[str, Any]]:
        """The documents of `spec`, in the order in which they are shown."""
        documents = await self.do(
            lambda session: session.find(
                spec.table.collection,
                spec.filter_at(int(time.time())),
                sort=spec.sort,
                limit=spec.limit or 0,
                fields=spec.fields,
            )
        )
        if spec.from_end:
            documents.reverse()
        return documents

    async def count(self, spec: Spec) -> int:
        """How many documents match."""
        query = spec.filter_at(int(time.time()))
        return await self.do(lambda session: session.count(spec.table.collection, query))


class WriteCtx(QueryCtx):
    """Reads and writes.

    Updates are MongoDB's own language over stored names; `updatedAt` is set with each of them
    unless it says otherwise. Every write is acknowledged by the majority.

    Attributes:
        scheduler: Schedules calls of mutations and actions.
    """

    def __init__(self, open_session: OpenSession, scheduling: Scheduling, caller: Caller) -> None:
        self._sessions = _Sessions(open_session)
        super().__init__(self._sessions)
        self.scheduler = Scheduler(self._sessions.do, scheduling, caller)

    @property
    def time(self) -> Time:
        """The cluster time of the last write, or read."""
        return self._sessions.time

    # --- writing -------------------------------------------------------------------------------

    async def insert(self, document: D) -> D:
        """Insert a document; gives it back as it is stored.

        Raises:
            Conflict: Its id, or what a unique index covers, is taken.
        """
        table = type(document)
        stored = _with_stored_id(table, document.stored())
        await self._sessions.do(lambda session: session.insert(table.collection, stored))
        return _typed(table, stored)

    async def insert_many(self, documents: Sequence[Document]) -> None:
        """Insert documents of one table, in order.

        Raises:
            ValueError: They are of several tables.
            Conflict: An id, or what a unique index covers, is taken. Outside of a transaction the
                documents before that one are stored.
        """
        if not documents:
            return
        table = type(documents[0])
        if any(type(document) is not table for document in documents):
            raise ValueError("insert_many takes documents of one table; call it once for each.")
        stored = [_with_stored_id(table, document.stored()) for document in documents]
        await self._sessions.do(lambda session: session.insert_many(table.collection, stored))

    async def update(self, table: type[D], id_: str, update: Update) -> D:
        """Update the document `id_`; gives it back as it is afterwards.

        Raises:
            NotFound: There is no such document.
        """
        check_update(table, update)
        found = await self._sessions.do(
            lambda session: session.update(
                table.collection, {"_id": stored_id(table, id_)}, _stamped(update)
            )
        )
        if found is None:
            raise _not_found(table, id_)
        return _typed(table, found)

    async def update_one(
        self, table: type[Document], query: Mapping[str, Any], update: Update
    ) -> bool:
        """Update one document that matches, without reading it back; whether there was one.

        A *fenced* write is this, with the condition in the filter.
        """
        check_filter(table, query)
        check_update(table, update)
        return await self._sessions.do(
            lambda session: session.apply(
                table.collection, addressed(table, query), _stamped(update)
            )
        )

    async def append(
        self, table: type[Document], query: Mapping[str, Any], texts: Mapping[str, str]
    ) -> bool:
        """Append to streamed texts of one document that matches; whether there was one.

        It is one ``$push`` and touches nothing else, not even `updatedAt`, so that its event
        carries the new text alone.

        Args:
            table: Whose document.
            query: Which.
            texts: Path of a streamed text, such as ``parts.0.text``, to what is appended.
        """
        check_filter(table, query)
        check_texts(table, texts)
        update = {"$push": dict(texts)}
        check_update(table, update)
        return await self._sessions.do(
            lambda session: session.apply(table.collection, addressed(table, query), update)
        )

    async def replace(self, document: D) -> D:
        """Replace the document that has this one's id.

        Raises:
            NotFound: There is no such document.
        """
        table = type(document)
        stored = _with_stored_id(table, document.stored())
        stored["updatedAt"] = storable(datetime.now(UTC))
        matched = await self._sessions.do(
            lambda session: session.replace(table.collection, {"_id": stored["_id"]}, stored)
        )
        if not matched:
            raise _not_found(table, document.id)
        return _typed(table, stored)

    async def delete(self, table: type[Document], id_: str) -> None:
        """Delete the document `id_`.

        Raises:
            NotFound: There is no such document.
        """
        query = {"_id": stored_id(table, id_)}
        deleted = await self._sessions.do(
            lambda session: session.delete_many(table.collection, query, one=True)
        )
        if not deleted:
            raise _not_found(table, id_)

    async def update_many(
        self, table: type[Document], query: Mapping[str, Any], update: Update
    ) -> int:
        """Update every document that matches; how many were modified."""
        check_filter(table, query)
        check_update(table, update)
        return await self._sessions.do(
            lambda session: session.update_many(
                table.collection, addressed(table, query), _stamped(update)
            )
        )

    async def delete_many(
        self, table: type[Document], query: Mapping[str, Any], *, limit: int | None = None
    ) -> int:
        """Delete every document that matches; how many there were.

        With `limit` no more than so many, whichever come first to MongoDB.
        """
        check_filter(table, query)
        matching = addressed(table, query)
        if limit is None:
            return await self._sessions.do(
                lambda session: session.delete_many(table.collection, matching)
            )
        if limit < 1:
            raise ValueError(f"limit= counts documents, from 1 up; got {limit}.")
        return await self._sessions.do(
            lambda session: session.delete_some(table.collection, matching, limit)
        )


class Alone(Protocol):
    """What the runtime does for a mutation whose writes each stand by themselves."""

    async def run_mutation(
        self, function: Function[..., Awaitable[Any]], arguments: Mapping[str, Any]
    ) -> tuple[Any, Time]:
        """Run a mutation as a transaction of its own."""
        ...

    async def set_latest(
        self,
        collection: str,
        query: Mapping[str, Any],
        fields: Mapping[str, Any],
        now: Iterable[str],
        together: str,
        otherwise: Otherwise,
    ) -> Time:
        """Write values, or newer ones in their place, together with what others write."""
        ...


class MutationCtx(WriteCtx):
    """What a mutation is given. All that it reads and writes is one transaction.

    MongoDB ends a transaction at its first error: a Conflict, say, is the mutation's answer even
    where the function catches it.

    Args:
        open_session: Opens the session in which the next read or write is made.
        scheduling: Where it schedules calls.
        caller: Who asks.
        alone: Where the mutation is no transaction, what the runtime does for it.
    """

    def __init__(
        self,
        open_session: OpenSession,
        scheduling: Scheduling,
        caller: Caller,
        alone: Alone | None = None,
    ) -> None:
        super().__init__(open_session, scheduling, caller)
        self._caller = caller
        self._alone = alone

    async def run_mutation(self, function: Function[P, Awaitable[R]], **arguments: Any) -> R:
        """Run a mutation of Python arguments, for the same caller.

        It is part of this mutation's transaction; where this one is none, a transaction of its own.
        """
        if self._alone is None:
            return await function.invoke(self, arguments, self._caller)
        value, time = await self._alone.run_mutation(function, arguments)
        self._sessions.time = max(self._sessions.time, time)
        return value

    async def set_latest(
        self,
        table: type[Document],
        query: Mapping[str, Any],
        fields: Mapping[str, Any],
        *,
        otherwise: Callable[[Mapping[str, Any]], Awaitable[Any]],
        now: Sequence[str] = (),
        together: str = "",
    ) -> None:
        """Set fields of one document that matches, at most some times a second.

        For what changes faster than it need be seen. Calls with the same filter that come while
        the last write is under way, or not a tenth of a second ago, are one write, in which each
        field has its newest value; and what others write by this to the same table goes with it.
        Each call returns when its values, or newer ones in their place, have been written. With
        more than 25 documents that change `together` the tenth of a second grows, so that those
        who look at them are told of 250 changes a second at the most.

        In a transaction it is a write like any other.

        Args:
            table: Whose document.
            query: Which; it is also told by this which calls may take each other's place.
            fields: Values by stored path, none of them inside of another.
            otherwise: Done with the newest values where no document matches. Calls that come for
                the same document wait for it, so newer values are never followed by older ones.
            now: Paths that become the present, on MongoDB's clock.
            together: What is looked at together, such as the id of a room. Each has its own pace.
        """
        check_filter(table, query)
        check_names(table, (*fields, *now), "set_latest")
        found, values = addressed(table, query), cast("dict[str, Any]", storable(fields))
        present = {*now, "updatedAt"} - values.keys()
        if self._alone is None:
            update = setting(values, present)
            if not await self._sessions.do(
                lambda session: session.apply(table.collection, found, update)
            ):
                await otherwise(values)
            return

        async def instead(newest: Mapping[str, Any]) -> Time:
            await otherwise(newest)
            return self.time

        time = await self._alone.set_latest(
            table.collection, found, values, present, together, instead
        )
        self._sessions.time = max(self._sessions.time, time)


def _typed(table: type[D], stored: Mapping[str, Any]) -> D:
    return cast("D", model_of(Spec.of(table, {}), stored))


def _with_stored_id(table: type[Document], stored: dict[str, Any]) -> dict[str, Any]:
    return {**stored, "_id": stored_id(table, stored["_id"])}


def _not_found(table: type[Document], id_: str) -> NotFound:
    return NotFound(f"There is no {table.__name__} {id_[:100]!r}.")


def _stamped(update: Update) -> Update:
    """`update` in stored values, with `updatedAt` set too, unless it sets it itself."""
    update = storable(update)
    if isinstance(update, list):
        if any("updatedAt" in operand for stage in update for operand in stage.values()):
            return update
        return [*update, {"$set": {"updatedAt": "$$NOW"}}]
    if any("updatedAt" in operand for operand in update.values()):
        return update
    return {**update, "$currentDate": {**update.get("$currentDate", {}), "updatedAt": True}}
