"""A database in this process, for quick unit tests: mongomock-motor, whose writes are told.

It has the part of PyMongo's async API that the store uses. There are no transactions: what would
be one is run once, and each of its writes stands by itself. Nothing expires. What mongomock cannot
do raises `NotInMemory`.

Nothing here waits, so that no other task runs in the middle of a read or a write.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

from bson import CodecOptions, Timestamp
from pymongo.errors import OperationFailure

from schemas.wire.position import Time
from server.core.errors import NotInMemory, StartupError
from server.store.memory_collection import Cursor, MemoryCollection, Write, possible

__all__ = ["MemoryDatabase", "Written", "open_memory"]

T = TypeVar("T")

_SNAPSHOT_TOO_OLD = 239


@dataclass(frozen=True, slots=True)
class Written:
    """What one operation changed, at one time."""

    time: Time
    writes: list[Write]


def open_memory(name: str) -> "MemoryDatabase":
    """An empty database.

    Raises:
        StartupError: mongomock-motor is not installed.
    """
    try:
        from mongomock_motor import AsyncMongoMockClient  # an extra, and slow to import
    except ImportError:
        raise StartupError(
            "HEADWATER_MONGODB_URI is memory:, which needs mongomock-motor; install "
            "headwater[memory], or unset the variable to use the embedded MongoDB."
        ) from None
    return MemoryDatabase(AsyncMongoMockClient(tz_aware=True)[name])


class MemoryDatabase:
    """The database; its own client too, for there is no other.

    Attributes:
        time: Of the latest write.
        written: What was changed and nobody has taken yet, in order. Whoever follows takes it in
            the next turn of the event loop.
        news: Set when there is more of it.
    """

    def __init__(self, mock: Any) -> None:
        self._mock = mock
        self.time = Time(int(time.time()), 1)
        self.written: list[Written] = []
        self.news = asyncio.Event()

    @property
    def client(self) -> Self:
        """Where sessions begin."""
        return self

    @property
    def codec_options(self) -> CodecOptions[dict[str, Any]]:
        """How documents would be read."""
        return CodecOptions(tz_aware=True)

    def start_session(self) -> "MemorySession":
        """A session, for ``async with``."""
        return MemorySession(self)

    def __getitem__(self, name: str) -> MemoryCollection:
        return MemoryCollection(name, self._mock[name], self._note)

    def _note(self, writes: list[Write]) -> Timestamp:
        """Tell what an operation changed; gives the time at which it did."""
        if writes:
            now = int(time.time())
            last = self.time
            later = now > last.seconds
            self.time = Time(now, 1) if later else Time(last.seconds, last.increment + 1)
            self.written.append(Written(self.time, writes))
            self.news.set()
        return self._timestamp()

    def _timestamp(self) -> Timestamp:
        return Timestamp(self.time.seconds, self.time.increment)

    async def list_collection_names(self) -> list[str]:
        """The names of its collections."""
        return await self._mock.list_collection_names()

    async def command(self, command: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """Those commands that prepare a database, and the one that asks for the time."""
        match command:
            case {"create": name}:
                await self._mock.create_collection(name)
            case {"createIndexes": name, "indexes": indexes}:
                for index in cast("list[dict[str, Any]]", indexes):
                    await self._create_index(name, index)
            case {"find": _, "readConcern": {"level": "snapshot"}}:
                return {"cursor": {"atClusterTime": self._timestamp()}}
            case _:
                raise NotInMemory.of(f"the command {next(iter(command))}")
        return {"ok": 1}

    async def _create_index(self, collection: str, index: dict[str, Any]) -> None:
        """Make a unique index. Others change no result, and nothing expires without a write."""
        options = {name: value for name, value in index.items() if name != "key"}
        if options.get("unique"):
            with possible():
                await self._mock[collection].create_index(list(index["key"].items()), **options)

    async def cursor_command(self, command: Mapping[str, Any], **_: Any) -> Cursor:
        """A find or an aggregate at one cluster time, which must be the present."""
        at: Timestamp = command["readConcern"]["atClusterTime"]
        if at != self._timestamp():
            raise OperationFailure("Only the present is in memory.", _SNAPSHOT_TOO_OLD)
        match command:
            case {"find": name, "filter": query}:
                sort = command.get("sort")
                return self[name].find(
                    query,
                    projection=command.get("projection"),
                    sort=list(sort.items()) if sort else None,
                    limit=command.get("limit", 0),
                )
            case {"aggregate": name, "pipeline": pipeline}:
                return self[name].aggregate(pipeline)
            case _:
                raise NotInMemory.of(f"the command {next(iter(command))}")


class MemorySession:
    """A session that ties nothing together.

    Attributes:
        operation_time: Of its last read or write.
    """

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self.operation_time: Timestamp | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def with_transaction(
        self, body: Callable[["MemorySession"], Awaitable[T]], **_: Any
    ) -> T:
        """Run `body`, once; what it wrote before an error stays."""
        return await body(self)
