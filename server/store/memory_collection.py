"""One collection of a database in memory, each of whose writes says what it changed."""

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import bson
from bson import CodecOptions, DatetimeMS, Timestamp
from bson.codec_options import DatetimeConversion
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, WriteError

from server.core.errors import NotInMemory
from server.store.references import PLAIN_REFERENCES

__all__ = ["Cursor", "MemoryCollection", "Write", "possible"]

Document = dict[str, Any]
Query = Mapping[str, Any]

_STORED: CodecOptions[Document] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, type_registry=PLAIN_REFERENCES
)

_CLAMPED: CodecOptions[Document] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_CLAMP
)
_BAD_VALUE = 2


@dataclass(frozen=True, slots=True)
class Write:
    """What became of one document; None where there was, or is, none."""

    collection: str
    before: Document | None
    after: Document | None


class Session(Protocol):
    """Who is told the time of its last read or write."""

    operation_time: Timestamp | None


class Matched:
    """What several updates matched.

    Attributes:
        matched_count: How many did.
    """

    def __init__(self, matched_count: int) -> None:
        self.matched_count = matched_count


@contextmanager
def possible() -> Generator[None]:
    """What mongomock cannot do is said with the cure; what it trips over does not fit."""
    try:
        yield
    except (AttributeError, LookupError) as error:  # where MongoDB would say what does not fit
        raise WriteError(f"mongomock: {error}", _BAD_VALUE) from error
    except NotImplementedError as error:
        raise NotInMemory.of(str(error).partition(". ")[0].rstrip(".")) from error


class Cursor:
    """What a find gives."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    async def to_list(self) -> list[Document]:
        """All documents."""
        with possible():
            return await self._find().to_list(None)


class MemoryCollection:
    """A collection; each method is PyMongo's of the same name.

    Args:
        name: Its name.
        mock: Mongomock-motor's collection.
        note: Takes what an operation changed, and gives its time.
    """

    def __init__(self, name: str, mock: Any, note: Callable[[list[Write]], Timestamp]) -> None:
        self._name = name
        self._mock = mock
        self._note = note

    # --- reads ---------------------------------------------------------------------------------

    def find(self, query: Query, *, session: Session | None = None, **options: Any) -> Cursor:
        """The documents that match, when they are asked for."""
        self._tell(session)
        return Cursor(lambda: self._mock.find(_timed(query), **options))

    def aggregate(self, pipeline: Sequence[Query]) -> Cursor:
        """What a pipeline gives."""
        return Cursor(lambda: self._mock.aggregate(_timed(pipeline)))

    async def count_documents(self, query: Query, *, session: Session | None = None) -> int:
        """How many documents match."""
        self._tell(session)
        with possible():
            return await self._mock.count_documents(_timed(query))

    def _tell(self, session: Session | None) -> None:
        if session is not None:
            session.operation_time = self._note([])

    # --- writes --------------------------------------------------------------------------------

    async def insert_one(self, document: Document, *, session: Session | None = None) -> Any:
        """Insert one document, with its ``_id``."""
        async with self._noted([], session, comes=document["_id"]):
            return await self._mock.insert_one(_stored(document))

    async def insert_many(
        self, documents: Sequence[Document], *, session: Session | None = None
    ) -> None:
        """Insert several documents, up to the first that cannot be."""
        for index, document in enumerate(documents):
            try:
                await self.insert_one(document, session=session)
            except WriteError as error:
                failed = {**(error.details or {}), **_failure(index, error)}
                details = {"writeErrors": [failed], "nInserted": index, "writeConcernErrors": []}
                raise BulkWriteError(details) from error

    async def update_one(
        self,
        query: Query,
        update: Any,
        *,
        upsert: bool = False,
        session: Session | None = None,
        **options: Any,
    ) -> Any:
        """Update one document."""
        return await self._on_one("update_one", query, update, session, upsert=upsert, **options)

    async def find_one_and_update(
        self,
        query: Query,
        update: Any,
        *,
        upsert: bool = False,
        session: Session | None = None,
        **options: Any,
    ) -> Document | None:
        """Update one document, and give it."""
        return await self._on_one(
            "find_one_and_update", query, update, session, upsert=upsert, **options
        )

    async def replace_one(
        self, query: Query, document: Document, *, session: Session | None = None
    ) -> Any:
        """Replace one document."""
        return await self._on_one("replace_one", query, document, session, upsert=False)

    async def _on_one(
        self,
        method: str,
        query: Query,
        update: Any,
        session: Session | None,
        *,
        upsert: bool,
        **options: Any,
    ) -> Any:
        before = await self._matching(query, limit=1)
        given = {name: value for name, value in options.items() if value is not None}
        narrowed = {**query, "_id": before[0]["_id"]} if before else query
        async with self._noted(before, session, upserts=upsert and not before):
            change = getattr(self._mock, method)
            return await change(_timed(narrowed), _change(update), upsert=upsert, **given)

    async def update_many(
        self, query: Query, update: Any, *, session: Session | None = None
    ) -> Any:
        """Update all that match."""
        async with self._noted(await self._matching(query), session):
            return await self._mock.update_many(_timed(query), _change(update))

    async def bulk_write(
        self, requests: Sequence[UpdateOne], *, ordered: bool, session: Session | None = None
    ) -> Matched:
        """Update one document for each request; those that fail keep no other from it."""
        assert not ordered, "the store asks for no order"
        matched, failures = 0, list[Document]()
        for index, one in enumerate(requests):
            query, update = cast("tuple[Any, Any]", (one._filter, one._doc))  # pyright: ignore[reportPrivateUsage]  # drivers read it
            try:
                matched += (await self.update_one(query, update, session=session)).matched_count
            except WriteError as error:
                failures.append(_failure(index, error))
        if failures:
            details = {"writeErrors": failures, "nMatched": matched, "writeConcernErrors": []}
            raise BulkWriteError(details)
        return Matched(matched)

    async def delete_one(self, query: Query, *, session: Session | None = None) -> Any:
        """Delete one document that matches."""
        before = await self._matching(query, limit=1)
        async with self._noted(before, session):
            return await self._mock.delete_one({"_id": before[0]["_id"]} if before else query)

    async def delete_many(self, query: Query, *, session: Session | None = None) -> Any:
        """Delete all that match."""
        async with self._noted(await self._matching(query), session):
            return await self._mock.delete_many(_timed(query))

    # --- what they changed ---------------------------------------------------------------------

    async def _matching(self, query: Query, limit: int = 0) -> list[Document]:
        return await self.find(query, limit=limit).to_list()

    @asynccontextmanager
    async def _noted(
        self,
        before: list[Document],
        session: Session | None,
        *,
        comes: Any = None,
        upserts: bool = False,
    ) -> AsyncGenerator[None]:
        """Note what the block does to the documents `before`, and what it makes.

        Args:
            before: What it may change.
            session: Is told the time.
            comes: The ``_id`` under which it may insert.
            upserts: Whether it may insert under an ``_id`` that is not known yet.
        """
        present = [one["_id"] for one in await self._matching({})] if upserts else []
        taken = comes is not None and bool(await self._matching({"_id": comes}))
        try:
            with possible():
                yield
        finally:
            writes: list[Write] = []
            for old in before:
                found = await self._matching({"_id": old["_id"]}, limit=1)
                new = found[0] if found else None
                if new is None or bson.encode(old) != bson.encode(new):
                    writes.append(Write(self._name, old, new))
            made = list[Document]()
            if upserts:
                made = [one for one in await self._matching({}) if one["_id"] not in present]
            elif comes is not None and not taken:
                made = await self._matching({"_id": comes})
            writes += [Write(self._name, None, one) for one in made]
            time = self._note(writes)
            if session is not None:
                session.operation_time = time


def _stored(value: Any) -> Any:
    """A document or an update as MongoDB would keep it, apart from whoever gave it."""
    return bson.decode(bson.encode({"v": value}), codec_options=_STORED)["v"]


def _change(update: Any) -> Any:
    """An update or a replacement for mongomock, whose ``$currentDate`` is no date of MongoDB's."""
    changed: Any = _timed(_stored(update))
    if "$currentDate" not in changed:  # it may be a pipeline
        return changed
    change: Document = changed
    wanted: Document = change.pop("$currentDate")
    times = {name: kind for name, kind in wanted.items() if kind == {"$type": "timestamp"}}
    dates = dict.fromkeys(wanted.keys() - times.keys(), _now())
    if times:
        change["$currentDate"] = times
    if dates:
        change["$set"] = {**change.get("$set", {}), **dates}
    return change


def _now() -> datetime:
    """The present in whole milliseconds, as MongoDB keeps it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _timed(value: Any) -> Any:
    """A filter, an update or a pipeline with dates as mongomock knows them.

    It knows no ``$$NOW``, and compares no dates but Python's.
    """
    return _dated(value, _now(), in_expression=isinstance(value, list))


def _dated(value: Any, now: datetime, *, in_expression: bool) -> Any:
    if isinstance(value, str):
        return now if in_expression and value == "$$NOW" else value
    if isinstance(value, DatetimeMS):
        return value.as_datetime(_CLAMPED)
    if isinstance(value, Mapping):
        return {
            name: _dated(one, now, in_expression=in_expression or name == "$expr")
            for name, one in cast("Mapping[str, Any]", value).items()
        }
    if isinstance(value, list | tuple):
        values = cast("Sequence[Any]", value)
        return [_dated(one, now, in_expression=in_expression) for one in values]
    return value


def _failure(index: int, error: WriteError) -> Document:
    return {"index": index, "code": error.code, "errmsg": str(error)}
