"""The feed, the live queries and their streams, alone in this process: no web server, no sockets.

Everything between MongoDB and the bytes of a frame is the server's own. The frames are made and
thrown away. Writes are made by a thread of their own, so that the processor time of the thread
that runs the engine is the engine's alone: what else the machine does is not in it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.collection import Collection

from schemas.document import Document
from schemas.streamed_text import StreamedText
from server.core.tasks import supervised
from server.feed.change_stream import ChangeStream
from server.feed.events import Step
from server.feed.feed import Feed
from server.live.find import Find
from server.live.live_query import LiveQuery, RunQuery
from server.live.registry import Registry
from server.runtime.explain import explain
from server.runtime.query_context import QueryCtx
from server.store.collections import ensure
from server.store.connection import connect_client, database_name
from server.store.reads import Reads
from server.sync.hub import Hub
from server.sync.stream import Subscribed, SyncStream

__all__ = ["Cost", "Engine", "Item", "Items", "Write", "engine", "item"]

SETTLE_SECONDS_MAX = 60.0

Items = Collection[dict[str, Any]]
Write = Callable[[Items], object]
"""Makes one change."""


class Item(Document, collection="items", indexes=[("room", "rank"), ("rank",)]):
    """What the changes are made to."""

    room: str
    rank: int = 0
    color: str = ""
    text: StreamedText = ""


def item(number: int, room: str, rank: int) -> dict[str, Any]:
    """An `Item` as it is stored, with about 200 characters of text."""
    text = ["lorem ipsum dolor sit amet "] * 8
    return {"_id": f"d{number}", "room": room, "rank": rank, "color": "red", "text": text}


@dataclass(frozen=True)
class Cost:
    """What some changes cost.

    Attributes:
        changes: How many there were.
        steps: In how many steps they came.
        cpu_us: Processor time of the engine's thread for each, reading the change stream included.
        engine_us: The part of it that live queries and streams took.
        seconds: From the first write to the last change that was taken in.
    """

    changes: int
    steps: int
    cpu_us: float
    engine_us: float
    seconds: float


class _Meter:
    """The registry's place at the feed: passes everything on, and measures what it takes.

    Attributes:
        gate: While it is cleared, nothing is taken in.
        cpu_seconds: Taken by live queries and streams.
        steps: Taken in.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.gate = asyncio.Event()
        self.gate.set()
        self.cpu_seconds = 0.0
        self.steps = 0

    async def prepare(self, step: Step) -> None:
        await self.gate.wait()
        begun = time.thread_time()
        await self._registry.prepare(step)
        self.cpu_seconds += time.thread_time() - begun

    def apply(self, step: Step) -> None:
        begun = time.thread_time()
        self._registry.apply(step)
        self.cpu_seconds += time.thread_time() - begun
        self.steps += bool(step.groups)

    def advanced(self) -> None:
        begun = time.thread_time()
        self._registry.advanced()
        self.cpu_seconds += time.thread_time() - begun

    def gap(self) -> None:
        self._registry.gap()


class Engine:
    """What `server.app` builds, as far as live queries need it.

    Attributes:
        database: Where the items are.
        reads: The database at one cluster time.
        feed: Its changes.
        registry: The live queries.
        hub: Their streams.
        meter: What they take.
        frames: How many frames were made.
        bytes: How many bytes those had.
    """

    def __init__(self, database: AsyncDatabase[dict[str, Any]], feed: Feed, items: Items) -> None:
        self.database = database
        self.reads = Reads(database)
        self.feed = feed
        self.registry = Registry(feed, self.reads, [Item], explain)
        self.hub = Hub()
        self.registry.on_step = self.hub.saw
        self.registry.on_advanced = self._advanced
        self.meter = _Meter(self.registry)
        self.frames = 0
        self.bytes = 0
        self._items = items
        self._reached = asyncio.Event()
        self._wanted = 0

    def follow(
        self, key: Hashable, find: Callable[[QueryCtx], Find[Item]], stream: SyncStream
    ) -> LiveQuery:
        """Have `stream` follow a query that returns a find."""

        async def run(reader: Any) -> Find[Item]:
            return find(QueryCtx(reader))

        return self.follow_run(key, run, stream)

    def follow_run(self, key: Hashable, run: RunQuery, stream: SyncStream) -> LiveQuery:
        """Have `stream` follow a query that is run by `run`."""
        query = self.registry.subscribe(key, "bench", run, stream)
        stream.add(Subscribed(f"q{key}", query, None))
        return query

    def stream(self, on_frame: Callable[[bytes], None] = lambda _: None) -> SyncStream:
        """A new stream, whose frames are counted, shown to `on_frame`, and thrown away."""
        stream = SyncStream(self.registry, "bench", self.hub, None, False)

        def push() -> None:
            transition = stream.next()
            if transition is not None:
                frame = self.hub.frames.frame(transition)
                self.frames += 1
                self.bytes += len(frame)
                on_frame(frame)

        self.hub.open(stream, push, lambda: None)
        return stream

    async def settled(self) -> None:
        """Wait until every query has a value and is clean.

        Raises:
            TimeoutError: One of them did not become so.
        """
        async with asyncio.timeout(SETTLE_SECONDS_MAX):
            while any(not q.ready or q.stale_from is not None for q in self.registry.queries):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.05)
        failed = [q.error for q in self.registry.queries if q.error is not None]
        assert not failed, failed[0]

    async def fill(self, documents: list[dict[str, Any]]) -> None:
        """Insert documents, and wait until the feed has passed them."""
        self.expect(len(documents))
        await self.database[Item.collection].insert_many(documents)
        await self.reached()

    async def carry(self, writes: Sequence[Write], rate: float = 0) -> Cost:
        """Make `writes`, one after another, and wait until all has been taken in.

        Args:
            writes: What is done; each is one change.
            rate: How many a second; 0 makes each when the one before is acknowledged.
        """
        count = len(writes)
        self.expect(count)
        cpu, inside, steps = time.thread_time(), self.meter.cpu_seconds, self.meter.steps
        begun = time.monotonic()
        await asyncio.to_thread(self._write, writes, rate)
        await self.reached()
        seconds = time.monotonic() - begun
        cpu = time.thread_time() - cpu
        inside = self.meter.cpu_seconds - inside
        each = 1e6 / count
        return Cost(count, self.meter.steps - steps, cpu * each, inside * each, seconds)

    def expect(self, changes: int) -> None:
        """Let `reached` wait for so many changes from now on."""
        self._wanted = self.feed.events_seen + changes
        self._reached.clear()

    async def reached(self) -> None:
        """Wait until the expected changes have been taken in.

        Raises:
            TimeoutError: They were not.
        """
        async with asyncio.timeout(SETTLE_SECONDS_MAX):
            while self.feed.events_seen < self._wanted:
                await self._reached.wait()
                self._reached.clear()

    def _advanced(self) -> None:
        self.hub.advanced()
        if self.feed.events_seen >= self._wanted:
            self._reached.set()

    def _write(self, writes: Iterable[Write], rate: float) -> None:
        started = time.monotonic()
        for number, write in enumerate(writes):
            if rate:
                time.sleep(max(0.0, started + number / rate - time.monotonic()))
            write(self._items)


@asynccontextmanager
async def engine(uri: str) -> AsyncGenerator[Engine]:
    """An engine at work on the database that `uri` names."""
    name = database_name(uri)
    client = await connect_client(uri)
    feed_client = await connect_client(uri)
    writer = MongoClient[dict[str, Any]](uri, w="majority")
    try:
        await ensure(client[name], [Item])
        feed = Feed(ChangeStream(feed_client[name], [Item.collection]))
        await feed.open()
        found = Engine(client[name], feed, writer[name][Item.collection])
        async with (
            supervised("rounds", found.registry.rounds.run),
            supervised("feed", lambda: feed.run(found.meter)),
        ):
            yield found
    finally:
        writer.close()
        await feed_client.close()
        await client.close()
