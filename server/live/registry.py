"""The live queries of this process: who shares one, and what a change of the feed does to them."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import ConnectionFailure, OperationFailure

from schemas.document import Document
from schemas.shape import ObjectShape
from schemas.wire.patch import Operation
from schemas.wire.position import Time
from server.core import limits
from server.core.errors import TooMany
from server.core.tasks import raise_if_cancelled
from server.feed.events import Step
from server.feed.feed import Feed
from server.live.asking import Question
from server.live.held import Held
from server.live.live_query import Cause, LiveQuery, QueryKey, RunQuery, Watcher
from server.live.net_changes import NetChange, NetChanges, net_changes
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
        touches: How many changes have touched a live query, once for each that they touched.
        on_step: Called with each step of the feed that has been taken in.
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
        self._asked: set[Question] = set()
        self._accepted: set[Question] = set()
        self._lingering: dict[LiveQuery, asyncio.TimerHandle] = {}
        self._awaited: dict[asyncio.Event, Time] = {}
        self.touches = 0
        self.on_step: Callable[[Step], None] = lambda _: None
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

    async def prepare(self, step: Step) -> None:
        """Read what only MongoDB knows: documents that nobody holds, and what it must judge."""
        self._fetched, self._asked, self._accepted = {}, set(), set()
        pause = limits.FEED_RETRY_SECONDS_MIN
        # Asked again after each read: queries came and went meanwhile.
        while True:
            wanted = self._routing.wanted(step) - self._fetched.keys()
            questions = set[Question]() if wanted else self._questions(step) - self._asked
            if not wanted and not questions:
                return
            try:
                if wanted:
                    self._fetched |= await self.rounds.fetch(wanted, step.time)
                else:
                    self._accepted |= await self.rounds.ask(
                        questions, step.time, self._routing.owner
                    )
                    self._asked |= questions
            except (SnapshotGone, OperationFailure):
                collections = {collection for collection, _ in wanted}
                collections |= {window.spec.table.collection for window, _ in questions}
                self._give_up_on(collections, step.groups[0].time)
            except ConnectionFailure as error:
                raise_if_cancelled()
                _log.warning("Reading changed documents failed (%s).", type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, limits.FEED_RETRY_SECONDS_MAX)

    def _give_up_on(self, collections: set[str], at: Time) -> None:
        """Documents of these cannot be read as they were; whoever could want them runs again."""
        for collection in collections:
            for query in self._routing.queries_of(collection):
                self._make_stale(query, at, "unknown")

    def _changes(self, step: Step, shape: Callable[[str], ObjectShape | None]) -> NetChanges:
        """What `step` did to the documents of the collections that have a shape."""

        def known(collection: str, id_: Any) -> tuple[Held | None, bool]:
            if self._fetched and (key := (collection, id_)) in self._fetched:
                return self._fetched[key], True
            return self._routing.held(collection, id_), False

        return net_changes(step.groups, known, shape)

    def _questions(self, step: Step) -> set[Question]:
        def shape(collection: str) -> ObjectShape | None:
            return self._routing.watched(collection) if self._routing.asks(collection) else None

        if not self._routing.asks_anything:
            return set()
        return self._routing.questions(self._changes(step, shape).documents.values())

    def apply(self, step: Step) -> None:
        """Take `step` in: windows change, and a touched read set makes its query stale."""
        changes = self._changes(step, self._routing.watched)
        self._fetched = {}
        resets = changes.resets
        touched: dict[LiveQuery, _Touched] = {}
        for change in changes.documents.values():
            if not change.known and self._routing.held(change.collection, change.id) is not None:
                resets.setdefault(change.collection, change.since)  # it does not fit what is held
            for query, part in self._routing.touched(change):
                what = touched.get(query)
                if what is None:
                    what = touched[query] = _Touched()
                what.changes.append((part, change))
        for query, part, departure in self._routing.departing(step.time.seconds):
            touched.setdefault(query, _Touched()).departing.append((part, departure))
        lost: dict[LiveQuery, list[Time]] = {}
        for collection, since in resets.items():
            for query in self._routing.queries_of(collection):
                lost.setdefault(query, []).append(since)
        for query, times in lost.items():
            if (taken := touched.pop(query, None)) is not None:
                times.append(taken.since)  # which is not taken in, so its value ends there
            self._make_stale(query, min(times), "reset")
        for query, what in touched.items():
            self._take(query, what, step.time)
        self.on_step(step)

    def _take(self, query: LiveQuery, touched: "_Touched", at: Time) -> None:
        """Let one query take what touched it."""
        query.events += len(touched.changes)
        self.touches += len(touched.changes)
        since = touched.since
        if (cause := touched.why_run) is not None:
            self._make_stale(query, since, cause)
            return
        before = query.value() if touched.may_run_dry else None
        try:
            operations: list[Operation] = []
            for part, change in touched.changes:
                if isinstance(part, Window):
                    part.second = at.seconds
                    accepted = part.matcher.asks is None or (part, change.id) in self._accepted
                    operations += self._routing.change(part, change, accepted=accepted)
            for part, _ in touched.departing:  # afterwards: who was written in time stays
                assert isinstance(part, Window)
                operations += self._routing.pass_time(part, at.seconds)
            if not any(window.dry for window in query.windows):
                query.step(at, operations, since)
                return
            self._routing.remove(query)
            query.freeze(before)
            query.stale(since, time.monotonic(), "dry")
        except Exception as error:  # noqa: BLE001  # a view, or a value without a JSON form
            _log.warning("%s must be run again (%s).", query.name, type(error).__name__)
            self._routing.remove(query)
            query.lose(time.monotonic(), "failed")
        self.rounds.add(query)

    def advanced(self) -> None:
        """A batch has been taken in."""
        self.on_advanced()
        for event, wanted in self._awaited.items():
            if self.position >= wanted:
                event.set()

    async def reached(self, wanted: Time) -> bool:
        """Wait until the feed has come to `wanted`; False where that took too long."""
        if self.position >= wanted:
            return True
        event = asyncio.Event()
        self._awaited[event] = wanted
        try:
            async with asyncio.timeout(limits.AHEAD_SECONDS_MAX):
                await event.wait()
            return True
        except TimeoutError:
            return False
        finally:
            del self._awaited[event]

    def gap(self) -> None:
        """History is lost: every query is read anew, and every reader takes a snapshot."""
        now = time.monotonic()
        for query in self._queries.values():
            self._routing.remove(query)
            query.lose(now)
            self.rounds.add(query)

    @property
    def next_departure(self) -> int | None:
        """The second at which something leaves a sliding window; None where nothing ever does."""
        return self._routing.next_departure

    def _make_stale(self, query: LiveQuery, at: Time, cause: Cause) -> None:
        """`query` shows what was true before `at` until it has been run again."""
        self._routing.remove(query)
        query.stale(at, time.monotonic(), cause)
        self.rounds.add(query)


@dataclass(slots=True)
class _Touched:
    """What touched one query in a step.

    Attributes:
        changes: Changes, each with the part that it can touch.
        departing: Parts of which something is too old, with since when.
    """

    changes: list[tuple[Part, NetChange]] = field(default_factory=list[tuple[Part, NetChange]])
    departing: list[tuple[Part, int]] = field(default_factory=list[tuple[Part, int]])

    @property
    def since(self) -> Time:
        """From here on the value before is not known to be true."""
        times = [change.since for _, change in self.changes]
        return min(times + [Time(second, 0) for _, second in self.departing])

    @property
    def why_run(self) -> Cause | None:
        """Why only running the function again can tell the new value; None where it need not."""
        if any(isinstance(part, ReadMade) for part, _ in self.departing):
            return "aged"
        for part, change in self.changes:
            if isinstance(part, ReadMade):
                if part.touched(change):
                    return "touched"
            elif not change.known and (change.id in part.ids or change.roots is not None):
                return "unknown"  # an update of what should have been read, and was not
        return None

    @property
    def may_run_dry(self) -> bool:
        """Whether one of the windows may hold too little afterwards, or too much."""
        windows = {part for part, _ in self.departing if isinstance(part, Window)}
        if windows and any(window.may_run_dry(len(window.ids)) for window in windows):
            return True
        counts: dict[Window, int] = {}
        for part, change in self.changes:
            if isinstance(part, Window) and (
                change.roots is None or not part.roots.isdisjoint(change.roots)
            ):
                counts[part] = counts.get(part, 0) + 1
        return any(window.may_run_dry(count) for window, count in counts.items())
