"""A live query watched in this process: its value, folded from what its stream tells."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
from bson import Timestamp
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from schemas.document import Document
from schemas.wire.position import Position
from server.live.live_query import LiveQuery
from server.runtime import QueryCtx
from server.sync.stream import Subscribed, SyncStream
from tests.live.live_parts import BUILD, Parts, parts
from tests.live.playing import player
from tests.live.things import TABLES
from tests.sse import fold
from tests.waiting import eventually

__all__ = ["Scene", "Watch", "ids_of", "reach", "scene"]

Function = Callable[[QueryCtx], Any]
"""A query function; it may be asynchronous."""

NONE = object()


@dataclass
class Watch:
    """A reader of live queries, all on one stream.

    Attributes:
        values: By the reader's name for the query; `error` codes in `errors`.
        told: Every change that was told, as (name, change).
    """

    running: Parts
    queries: dict[str, LiveQuery] = field(default_factory=dict[str, LiveQuery])
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    errors: dict[str, str] = field(default_factory=dict[str, str])
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    position: Position | None = None
    on_change: Callable[["Watch"], None] = lambda _: None
    _stream: SyncStream | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _failure: Exception | None = None

    def open(self, functions: dict[str, Function], keys: dict[str, Any] | None = None) -> "Watch":
        """Watch `functions`; those of one key in `keys` share a live query."""
        registry = self.running.registry
        self._stream = SyncStream(registry, BUILD, self.running.hub, None, False)
        for name, function in functions.items():
            key = (keys or {}).get(name, uuid4().hex)
            live = registry.subscribe(key, name, _run_of(function), self._stream)
            self.queries[name] = live
            self._stream.add(Subscribed(name, live, None))
        self.running.hub.open(self._stream, self._take, self.close)
        return self

    def close(self) -> None:
        """Go."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self.running.hub.close(stream)

    @property
    def value(self) -> Any:
        """Of the only query."""
        (name,) = self.queries
        return self.values.get(name)

    @property
    def told_bytes(self) -> int:
        """How much was told so far."""
        return sum(len(orjson.dumps(change)) for _, change in self.told)

    def _take(self) -> None:
        transition = self._stream.next() if self._stream is not None else None
        if transition is None:
            return
        self.position = transition.position
        try:
            for change in transition.changes:
                self._fold(change.id, orjson.loads(b"{" + change.body + b"}"))
            self.on_change(self)
        except Exception as error:
            self._failure = self._failure or error
        self._news.set()

    def _fold(self, name: str, change: dict[str, Any]) -> None:
        self.told.append((name, change))
        if "error" in change:
            self.errors[name] = change["error"]["code"]
            self.values.pop(name, None)
            return
        self.errors.pop(name, None)
        if "snapshot" in change:
            self.values[name] = change["snapshot"]
        else:
            self.values[name] = fold(self.values[name], change["patch"])

    async def until(self, condition: Callable[["Watch"], Any], seconds: float = 60) -> None:
        """Wait until `condition` holds."""
        async with asyncio.timeout(seconds):
            while True:
                if self._failure is not None:
                    raise self._failure
                if condition(self):
                    return
                self._news.clear()
                await self._news.wait()

    async def shows(self, value: Any, name: str | None = None) -> None:
        """Wait until a query has `value`."""
        name = name or next(iter(self.queries))
        try:
            await self.until(lambda w: w.values.get(name, NONE) == value)
        except TimeoutError:
            held = self.values.get(name, self.errors.get(name))
            raise AssertionError(f"{name} shows {held!r}, wanted {value!r}") from None


@dataclass
class Scene:
    """Everything between one database and readers."""

    running: Parts
    client: AsyncMongoClient[dict[str, Any]]
    database: AsyncDatabase[dict[str, Any]]

    def watch(self, function: Function, **others: Function) -> Watch:
        """Watch `function`, and `others` on the same stream."""
        return Watch(self.running).open({"it": function, **others})

    async def mark(self) -> None:
        """Wait until everything written before has been taken in."""
        await self.database["marks"].insert_one({"_id": uuid4().hex})
        now = await self.running.reads.now()
        await eventually(lambda: self.running.registry.position >= now)


@asynccontextmanager
async def scene(
    uri: str,
    reads: AsyncMongoClient[dict[str, Any]] | None = None,
    tables: dict[str, type[Document]] = TABLES,
) -> AsyncIterator[Scene]:
    """A database of the test's own, with `tables`; read by `reads`."""
    name = f"scene_{uuid4().hex[:12]}"
    async with player(uri) as playing:
        async with parts(playing.feed, reads or playing.client, name, tables) as running:
            yield Scene(running, playing.client, playing.client[name])
        await playing.client.drop_database(name)


async def reach(here: Scene, second: int) -> None:
    """Let MongoDB's cluster time come to `second`, and wait until that has been taken in.

    A client may tell a mongod without access control what time it is in the cluster. That mongod
    keeps to it for good, and so it must be one that nobody else uses; its time then stands still
    but for what is told.
    """
    known = (await here.client.admin.command("hello"))["$clusterTime"]
    ahead = Timestamp(second, 0)
    if known["clusterTime"] < ahead:
        async with here.client.start_session() as session:
            session.advance_cluster_time({**known, "clusterTime": ahead})
            await here.database["marks"].insert_one({"_id": uuid4().hex}, session=session)
    await here.mark()
    assert here.running.registry.position.seconds == second


def ids_of(value: list[dict[str, Any]]) -> list[str]:
    """The ids of the documents shown."""
    return [document["_id"] for document in value]


def _run_of(function: Function) -> Callable[[Any], Awaitable[Any]]:
    async def run(reader: Any) -> Any:
        found = function(QueryCtx(reader))
        return await found if asyncio.iscoroutine(found) else found

    return run
