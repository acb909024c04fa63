"""Plays a schedule on a real MongoDB, and compares what readers hold with fresh reads."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from schemas.wire.position import Time
from server.core import limits
from server.store.connection import connect_client
from server.store.reads import SnapshotGone
from tests.live.live_parts import Client, Parts, Wrong, parts
from tests.live.random_queries import Query, anchored, canonical, fresh, key
from tests.live.schedules import Burst, Schedule
from tests.live.writer import perform

__all__ = ["Player", "player"]

QUIET_SECONDS = 20.0
"""How long everything may take to come to rest before that is a failure of its own."""

UPHEAVAL = {"drop", "rename", "create", "aggregate", "drop_database"}


@dataclass
class Player:
    """Connections, and counts of what has been played.

    Attributes:
        counts: operations, the events that came of them, checks (comparisons of a value),
            snapshots, patches, schedules.
        kinds: The operations by kind.
    """

    feed: AsyncMongoClient[dict[str, Any]]
    client: AsyncMongoClient[dict[str, Any]]
    writers: list[AsyncMongoClient[dict[str, Any]]]
    counts: Counter[str] = field(default_factory=Counter[str])
    kinds: Counter[str] = field(default_factory=Counter[str])

    async def play(self, schedule: Schedule) -> Wrong | None:
        """What went wrong, or None."""
        name = f"fuzz_{uuid4().hex[:12]}"
        database = self.client[name]
        try:
            for one in schedule.documents:
                await _insert(database, one)
            with _limited(schedule.limits):
                async with parts(self.feed, self.client, name) as running:
                    await _Play(self, schedule, running, name).run()
                    self.counts["events"] += running.feed.events_seen
        except Wrong as wrong:
            return wrong
        finally:
            await self.client.drop_database(name)
        self.counts["schedules"] += 1
        self.counts["operations"] += schedule.kinds.total()
        self.kinds += schedule.kinds
        return None


async def _insert(database: Any, one: dict[str, Any]) -> None:
    await perform(database, {"do": "insert_one", **one})


@contextmanager
def _limited(changed: dict[str, float]) -> Iterator[None]:
    usual = {name: getattr(limits, name) for name in changed}
    try:
        for name, value in changed.items():
            setattr(limits, name, value)
        yield
    finally:
        for name, value in usual.items():
            setattr(limits, name, value)


class _Play:
    """One play of one schedule."""

    def __init__(self, player: Player, schedule: Schedule, running: Parts, name: str) -> None:
        self._player = player
        self._schedule = schedule
        self._parts = running
        self._name = name
        self._known: dict[tuple[str, Time], bytes] = {}
        self._looks: list[tuple[Query, Time, bytes]] = []
        begin_ms = int(time.time() * 1000)
        self._queries = queries = [anchored(query, begin_ms) for query in schedule.queries]
        self._clients = [
            Client(running, {f"q{n}": queries[n] for n in one["queries"]}, one["strict"])
            for one in schedule.clients
        ]

    async def run(self) -> None:
        """Play it to its end.

        Raises:
            Wrong: Something was not as it should be.
        """
        try:
            await self._play()
        except Wrong as wrong:
            if wrong.query in self._queries:  # as the schedule has it
                wrong.query = self._schedule.queries[self._queries.index(wrong.query)]
            raise

    async def _play(self) -> None:
        for burst in self._schedule.bursts:
            for client in self._clients:
                client.open()
            await asyncio.gather(*(self._write(number, some) for number, some in enumerate(burst)))
            await self._rest(burst)
        for client in self._clients:
            client.close()
            self._player.counts["snapshots"] += client.snapshots
            self._player.counts["patches"] += client.patches

    async def _write(self, number: int, some: list[dict[str, Any]]) -> None:
        writers = self._player.writers
        database = writers[number % len(writers)][self._name]
        for one in some:
            if "act" in one:
                self._act(self._clients[one["client"]], one["act"])
            else:
                await perform(database, one)

    def _act(self, client: Client, act: str) -> None:
        match act:
            case "leave":
                client.close()
            case "come" | "come anew":
                client.close()
                client.open(resume=act == "come")
            case "look":
                self._looks += [
                    (client.queries[name], at, held) for name, at, held in client.holdings()
                ]
            case _:
                client.paused = act == "pause"
                client.take()

    # --- at rest -------------------------------------------------------------------------------

    async def _rest(self, burst: Burst) -> None:
        """Wait until every client is where the database is, and compare."""
        database = self._player.client[self._name]
        reply = await database.command({"insert": "marks", "documents": [{}]})
        target = Time(reply["operationTime"].time, reply["operationTime"].inc)
        newcomer = Client(self._parts, {f"q{n}": query for n, query in enumerate(self._queries)})
        everybody = [*self._clients, newcomer]
        for client in everybody:
            client.paused = False
            client.open()
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                for client in everybody:
                    await self._arrives(client, target)
        except TimeoutError:
            behind = [one for one in everybody if not _arrived(one, target)]
            raise Wrong(f"not at rest: {_account(behind, self._parts, target)}") from None
        at = self._parts.registry.position
        for client in everybody:
            for name, then, held in client.holdings():
                # Time passes at rest too; whatever does not depend on it is true at one position.
                timed = any("within" in one for one in client.queries[name].get("finds", ()))
                await self._compare(client.queries[name], then if timed else at, held, "at rest")
        newcomer.close()
        if not any(one.get("do") in UPHEAVAL for some in burst for one in some):
            for query, then, held in self._looks:  # a collection dropped since would read as empty
                await self._compare(query, then, held, "on the way")
        self._looks.clear()
        self._known.clear()

    async def _arrives(self, client: Client, target: Time) -> None:
        while not _arrived(client, target):
            if client.failure is not None:
                raise client.failure
            client.news.clear()
            if client.stream is not None and self._parts.registry.position >= target:
                client.stream.beat()
            try:
                async with asyncio.timeout(0.05):
                    await client.news.wait()
            except TimeoutError:
                continue
        if client.failure is not None:
            raise client.failure

    async def _compare(self, query: Query, at: Time, held: bytes, when: str) -> None:
        name = key(query)
        if (name, at) not in self._known:
            try:
                self._known[name, at] = canonical(await fresh(self._parts.reads, query, at))
            except SnapshotGone:
                return
        wanted = self._known[name, at]
        self._player.counts["checks"] += 1
        if held != wanted:
            said = f"{when}, at {at}: {held.decode()} is held, {wanted.decode()} is true"
            raise Wrong(said, query)


def _arrived(client: Client, target: Time) -> bool:
    return client.ready and client.position is not None and client.position.time >= target


def _account(behind: list[Client], running: Parts, target: Time) -> str:
    """Who did not arrive, and what is known of it."""
    lines = [f"feed at {running.registry.position}, wanted {target}"]
    lines += [f"client at {one.position}, true at {one.true_at}" for one in behind]
    lines += [
        f"{query.name}: stale from {query.stale_from}, running {query.running}, {query.error!r}"
        for query in running.registry.queries
        if query.stale_from is not None
    ]
    return "; ".join(lines)


@asynccontextmanager
async def player(uri: str) -> AsyncIterator[Player]:
    """A player on the MongoDB at `uri`; one of its writers waits for the majority, two do not."""
    feed = await connect_client(uri, app_name="headwater feed", socket_timeout_ms=10_000)
    client = await connect_client(uri)
    writers = [
        AsyncMongoClient[dict[str, Any]](uri, w=w, datetime_conversion="DATETIME_AUTO")
        for w in ("majority", 1, 1)
    ]
    try:
        yield Player(feed, client, writers)
    finally:
        for one in (feed, client, *writers):
            try:
                await one.close()
            except PyMongoError:
                continue
