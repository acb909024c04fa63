"""The live queries of this process: who shares one, and what a change of the feed does to them."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from pymongo.errors import ConnectionFailure, OperationFailure

from schemas.document import Document
from schemas.wire.position import Time
from server.core import limits
from server.core.errors import TooLarge, TooMany
from server.core.tasks import raise_if_cancelled
from server.feed.events import Group
from server.feed.feed import Feed
from server.live.held import Held
from server.live.live_query import LiveQuery, QueryKey, RunQuery, Watcher
from server.live.net_changes import NetChange, net_changes
from server.live.read_set import ReadMade
from server.live.rounds import Explain, Rounds
from server.live.router import Part
from server.live.routing import DocumentKey, Routing
from server.live.window import Window
from server.store.reads import Reads, SnapshotGone

__all__ = ["Registry"]

_log = logging.getLogger(__name__)


class Registry:
    """The live queries of one process; the feed's listener.

    Args:
        feed: At whose position the queries are kept.
        reads: The database.
        tables: Every table that a query may read.
        explain: What a client learns of what a query function raised.

    Attributes:
        on_group: Called with each group of the feed that has been taken in.
        on_advanced: Called after each batch of the feed, when all of it has been taken in.
    """

    def __init__(
        self, feed: Feed, reads: Reads, tables: Iterable[type[Document]], explain: Explain
    ) -> None:
        self._feed = feed
        self._routing = Routing(tables)
        self.rounds = Rounds(feed, reads, self._routing, explain)
        self._queries: dict[QueryKey, LiveQuery] = {}
        self._fetched: dict[DocumentKey, Held | None] = {}
        self._lingering: dict[LiveQuery, asyncio.TimerHandle] = {}
        self.on_group: Callable[[Group], None] = lambda _: None
        self.on_advanced: Callable[[], None] = lambda: None

    @property
    def position(self) -> Time:
        """How far every clean query has come."""
        return self._feed.position

    @property
    def queries(self) -> list[LiveQuery]:
        """Every live query."""
        return list(self._queries.values())

    # --- subscribing ---------------------------------------------------------------------------

    def subscribe(self, key: QueryKey, name: str, run: RunQuery, watcher: Watcher) -> LiveQuery:
        """The live query under `key`, made if need be; `watcher` is told of its changes.

        Raises:
            TooMany: This process has as many live queries as it may.
        """
        query = self._queries.get(key)
        if query is None:
            if len(self._queries) >= limits.LIVE_QUERIES_MAX:
                raise TooMany("This server has as many live queries as it may; try again later.")
            query = LiveQuery(key, name, run, time.monotonic())
            self._queries[key] = query
            self.rounds.start(query)
        elif (lingering := self._lingering.pop(query, None)) is not None:
            lingering.cancel()
        query.watchers.add(watcher)
        return query

    def unsubscribe(self, query: LiveQuery, watcher: Watcher) -> None:
        """`watcher` goes; a query that nobody watches lingers a little before it goes too."""
        query.watchers.discard(watcher)
        if not query.watchers and query not in self._lingering and query.wanted:
            loop = asyncio.get_running_loop()
            self._lingering[query] = loop.call_later(limits.LINGER_SECONDS, self._drop, query)

    def _drop(self, query: LiveQuery) -> None:
        self._lingering.pop(query, None)
        query.wanted = False
        self._routing.remove(query)
        self.rounds.discard(query)
        self._queries.pop(query.key, None)

    # --- listening to the feed -----------------------------------------------------------------

    async def prepare(self, group: Group) -> None:
        """Read the documents that nobody holds and that `group` could let in somewhere."""
        self._fetched = {}
        pause = limits.FEED_RETRY_SECONDS_MIN
        # Asked again after each read: queries came and went meanwhile.
        while wanted := self._routing.wanted(group) - self._fetched.keys():
            try:
                self._fetched |= await self.rounds.fetch(wanted, group.time)
            except (SnapshotGone, OperationFailure):
                self._give_up_on(wanted, group.time)
            except ConnectionFailure as error:
                raise_if_cancelled()
                _log.warning("Reading changed documents failed (%s).", type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, limits.FEED_RETRY_SECONDS_MAX)

    def _give_up_on(self, wanted: set[DocumentKey], at: Time) -> None:
        """Those documents cannot be read as they were; whoever could want them runs again."""
        for collection in {collection for collection, _ in wanted}:
            for query in self._routing.queries_of(collection):
                self._make_stale(query, at)

    def apply(self, group: Group) -> None:
        """Take `group` in: windows change, and a touched read set makes its query stale."""
        fetched, self._fetched = self._fetched, {}

        def held(collection: str, id_: Any) -> Held | None:
            key = (collection, id_)
            return fetched[key] if key in fetched else self._routing.held(collection, id_)

        changes, reset = net_changes(
            [group], held, self._routing.watched, lambda c, i: (c, i) in fetched
        )
        hits: dict[LiveQuery, list[tuple[Part, NetChange]]] = {}
        for change in changes.values():
            for query, part in self._routing.touched(change):
                hits.setdefault(query, []).append((part, change))
        for query, touched in hits.items():
            query.events += len(touched)
            if _needs_run(touched):
                self._make_stale(query, group.time)
                continue
            try:
                operations = [
                    operation
                    for part, change in touched
                    if isinstance(part, Window)
                    for operation in self._routing.change(part, change)
                ]
                if any(part.dry for part, _ in touched if isinstance(part, Window)):
                    raise TooLarge("more match than may be shown")
                query.step(group.time, operations)
            except Exception as error:  # noqa: BLE001  # a view, or a value without a JSON form
                _log.warning("%s must be run again (%s).", query.name, type(error).__name__)
                self._make_stale(query, group.time)
        for collection in reset:
            for query in self._routing.queries_of(collection):
                self._make_stale(query, group.time)
        self.on_group(group)

    def advanced(self) -> None:
        """A batch has been taken in."""
        self.on_advanced()

    def gap(self) -> None:
        """History is lost: every query is read anew, and every reader takes a snapshot."""
        now = time.monotonic()
        for query in self._queries.values():
            self._routing.remove(query)
            query.lose(now)
            self.rounds.add(query)

    def _make_stale(self, query: LiveQuery, at: Time) -> None:
        """`query` shows what was true before `at` until it has been run again."""
        self._routing.remove(query)
        query.stale(at, time.monotonic())
        self.rounds.add(query)


def _needs_run(touched: list[tuple[Part, NetChange]]) -> bool:
    """Whether only running the function again can tell the new value."""
    leaving: dict[Window, int] = {}
    for part, change in touched:
        if isinstance(part, ReadMade):
            if part.touched(change):
                return True
        elif change.id in part.ids:
            if not change.known:
                return True
            if change.roots is None or not part.roots.isdisjoint(change.roots):
                leaving[part] = leaving.get(part, 0) + 1
        elif not change.known and change.roots is not None:
            return True  # an update of what should have been read, and was not
    return any(window.may_run_dry(count) for window, count in leaving.items())
