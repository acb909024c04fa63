"""The road from MongoDB to a client's values in one process, with no HTTP in between.

Feed, live queries and sync streams are the server's own, put together as `server.app` does it.
What a client does with what it is told is written here, apart from them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from pymongo import AsyncMongoClient

from schemas.document import Document
from schemas.wire.position import Position, Time
from server.core.errors import HeadwaterError, Internal
from server.core.tasks import supervised
from server.feed.change_stream import ChangeStream
from server.feed.feed import Feed
from server.live.registry import Registry
from server.store.collections import ensure
from server.store.reads import Reads
from server.sync.hub import Hub
from server.sync.stream import Subscribed, SyncStream
from tests.live.random_queries import Query, canonical, function, key
from tests.live.things import TABLES
from tests.sse import fold

__all__ = ["BUILD", "Client", "Parts", "Wrong", "parts"]

BUILD = "fuzz"


class Wrong(Exception):
    """A promise was broken; the message says which.

    Attributes:
        query: The query with which it showed, where it was one.
    """

    def __init__(self, message: str, query: Query | None = None) -> None:
        super().__init__(message)
        self.query = query


def _explain(_name: str, error: Exception) -> HeadwaterError:
    return error if isinstance(error, HeadwaterError) else Internal(f"{error!r}")


@dataclass
class Parts:
    """What runs."""

    feed: Feed
    registry: Registry
    hub: Hub
    reads: Reads


@asynccontextmanager
async def parts(
    feed_client: AsyncMongoClient[dict[str, Any]],
    client: AsyncMongoClient[dict[str, Any]],
    name: str,
    tables: dict[str, type[Document]] = TABLES,
) -> AsyncIterator[Parts]:
    """Everything between the database `name` and sync streams."""
    database = client[name]
    await ensure(database, tables.values())
    feed = Feed(ChangeStream(feed_client[name], tables))
    await feed.open()
    reads = Reads(database)
    registry = Registry(feed, reads, tables.values(), _explain)
    hub = Hub()
    registry.on_step = hub.saw
    registry.on_advanced = hub.advanced
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(supervised("feed", lambda: feed.run(registry)))
        await stack.enter_async_context(supervised("rounds", registry.rounds.run))
        stack.callback(hub.end_all)
        yield Parts(feed, registry, hub, reads)
        for query in registry.queries:
            query.wanted = False


@dataclass
class Client:
    """A client of a sync stream: the values it folded, and where each is known to be true.

    Attributes:
        queries: By the client's name for each.
        strict: Whether its stream is.
        values: A JSON value, or ``{"error": code}``, by the same name.
        true_at: The latest cluster time at which each value was said to be true.
        position: Of the last transition.
        paused: A reader who takes nothing; the stream lags behind.
    """

    parts: Parts
    queries: dict[str, Query]
    strict: bool = False
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    true_at: dict[str, Time] = field(default_factory=dict[str, Time])
    position: Position | None = None
    paused: bool = False
    snapshots: int = 0
    patches: int = 0
    failure: Exception | None = None
    stream: SyncStream | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ready(self) -> bool:
        """Whether every query has a value that is true at the position."""
        if self.position is None or not self.position.settled:
            return False
        return all(self.true_at.get(name) == self.position.time for name in self.queries)

    def open(self, *, resume: bool = True) -> None:
        """Connect; like a browser, it continues where it was."""
        if self.stream is not None:
            return
        if not resume:
            self.position = None
            self.values.clear()
            self.true_at.clear()
        stream = SyncStream(self.parts.registry, BUILD, self.parts.hub, None, self.strict)
        if self.position is not None:
            stream.floor = self.position.time
        for name, query in self.queries.items():
            live = self.parts.registry.subscribe(key(query), name, function(query), stream)
            stream.add(Subscribed(name, live, self.position))
        self.stream = stream
        self.parts.hub.open(stream, self.take, self.close)

    def close(self) -> None:
        """Disconnect."""
        stream, self.stream = self.stream, None
        if stream is not None:
            self.parts.hub.close(stream)

    def take(self) -> None:
        """Take what the stream has to say."""
        if self.paused or self.stream is None:
            return
        transition = self.stream.next()
        if transition is None:
            return
        before, self.position = self.position, transition.position
        if before is not None and transition.position.time < before.time:
            self.failure = Wrong(f"the stream went back from {before} to {transition.position}")
        for change in transition.changes:
            at = change.at.time if change.at is not None else transition.position.time
            try:
                self._fold(change.id, orjson.loads(b"{" + change.body + b"}"))
            except Exception as error:
                said = f"{change.body!r} does not fit {self.values.get(change.id)}: {error!r}"
                self.failure = self.failure or Wrong(said, self.queries[change.id])
            self.true_at[change.id] = at
        if transition.position.settled:
            for name in self.queries:
                self.true_at[name] = transition.position.time
                if name not in self.values:
                    missing = f"settled at {transition.position} without a value of {name}"
                    self.failure = self.failure or Wrong(missing, self.queries[name])
        self.news.set()

    def _fold(self, name: str, change: dict[str, Any]) -> None:
        if "error" in change:
            self.values[name] = {"error": change["error"]["code"]}
        elif "snapshot" in change:
            self.snapshots += 1
            self.values[name] = change["snapshot"]
        else:
            self.patches += 1
            self.values[name] = fold(self.values[name], change["patch"])

    def holdings(self) -> list[tuple[str, Time, bytes]]:
        """What it holds, and when that was true."""
        return [
            (name, at, canonical(self.values[name]))
            for name, at in self.true_at.items()
            if name in self.values
        ]
