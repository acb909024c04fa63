"""Runs stale queries, round by round, and joins each result to the feed exactly.

A round runs all that is stale at one position, so that it comes to its streams together. The
next round waits for the slowest of it, but not long; nothing is run twice at once.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Set
from typing import Any, Literal

from pymongo.errors import PyMongoError

from schemas.shape import ObjectShape
from schemas.wire.position import Time
from server.core import limits
from server.core.errors import HeadwaterError, QueryTimeout, Unavailable
from server.core.tasks import end_tasks, raise_if_cancelled
from server.feed.events import Group, identity, stored_id
from server.feed.feed import Feed, RingOverrun
from server.live.asking import Question, ask, document_of, question_of
from server.live.held import Held
from server.live.live_query import Cause, LiveQuery, Outcome
from server.live.net_changes import NetChange, NetChanges, net_changes
from server.live.read_set import ReadMade
from server.live.router import Part
from server.live.routing import DocumentKey, Routing, concerns
from server.live.run import run_query
from server.live.window import Window
from server.store.reads import Reads, SnapshotGone

__all__ = ["ReadReason", "Rounds"]

ReadReason = Cause | Literal["unheld", "asked"]
"""What a read of the database was for: a run, and why that was made; documents that nobody holds
and that a change could let in; asking whether documents match."""

Explain = Callable[[str, Exception], HeadwaterError]
"""What a client learns of what a query function (named) raised."""


class Rounds:
    """The runs of one process's live queries.

    Attributes:
        runs: How many have been made.
        fetches: How many documents were read because an event did not tell enough.
        asks: How many documents MongoDB was asked about, whether they match.
        reads: How many reads of the database were made, by what for.
    """

    def __init__(self, feed: Feed, reads: Reads, routing: Routing, explain: Explain) -> None:
        self._feed = feed
        self._reads = reads
        self._routing = routing
        self._explain = explain
        self._stale: set[LiveQuery] = set()
        self._wake = asyncio.Event()
        self._at_once = asyncio.Semaphore(limits.RUNS_AT_ONCE_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self.runs = 0
        self.fetches = 0
        self.asks = 0
        self.reads: Counter[ReadReason] = Counter()

    def add(self, query: LiveQuery) -> None:
        """Run `query` in the next round."""
        self._stale.add(query)
        self._wake.set()

    def start(self, query: LiveQuery) -> None:
        """Run `query` at once, for the first time."""
        self._begin(query)

    def discard(self, query: LiveQuery) -> None:
        """`query` need not be run any more."""
        self._stale.discard(query)

    async def run(self) -> None:
        """Make the rounds, until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                ready = [query for query in self._stale if not query.running]
                self._stale.difference_update(ready)
                tasks = [self._begin(query) for query in ready]  # all at one position
                if tasks:
                    await asyncio.wait(tasks, timeout=limits.ROUND_SECONDS)
        finally:
            await end_tasks(*self._tasks)

    def _begin(self, query: LiveQuery) -> asyncio.Task[None]:
        query.running = True
        at = self._feed.begin_reading(query)
        task = asyncio.create_task(self._run(query, at), name=f"run {query.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, query: LiveQuery, at: Time) -> None:
        try:
            async with self._at_once:
                await self._attempt(query, at)
        finally:
            self._feed.end_reading(query)
            query.running = False
            if query.stale_from is None or not query.wanted:
                self._stale.discard(query)  # it was stale again meanwhile, and this run took it in
            else:
                self.add(query)

    async def _attempt(self, query: LiveQuery, at: Time) -> None:
        """Run until the result could be joined, or give up."""
        error: HeadwaterError = Unavailable(f"{query.name} could not be read; trying again.")
        count_read = self._counted(query, query.cause)
        for _ in range(limits.RUN_ATTEMPTS_MAX):
            self.runs += 1
            lost, begun = query.losses, time.monotonic()
            try:
                async with asyncio.timeout(limits.RUN_SECONDS_MAX):
                    outcome = await run_query(
                        query.run, self._reads, at, self._explained(query), count_read
                    )
                    query.run_seconds = time.monotonic() - begun
                    if await self._join(query, outcome, at, lost):
                        return
            except TimeoutError:
                error = QueryTimeout(
                    f"{query.name} took longer than {limits.RUN_SECONDS_MAX:g} s; narrow what it "
                    "reads, or give its filter an index."
                )
                break
            except (SnapshotGone, RingOverrun):
                await asyncio.sleep(limits.FEED_AWAIT_MS / 1000)
            except PyMongoError:
                raise_if_cancelled()
                await asyncio.sleep(limits.FEED_RETRY_SECONDS_MIN)
            except Exception as failure:  # noqa: BLE001  # a bug of ours stays with this query
                error = self._explain(query.name, failure)
                break
            at = self._feed.begin_reading(query)
        # It stays stale and is run again; whoever watches knows why there is nothing new.
        if not query.ready or not isinstance(error, Unavailable):
            position = self._feed.position
            query.install(Outcome(error=error), position, position, time.monotonic())
        query.cause = "failed"
        await asyncio.sleep(limits.RUN_RETRY_SECONDS)

    def _explained(self, query: LiveQuery) -> Callable[[Exception], HeadwaterError]:
        return lambda error: self._explain(query.name, error)

    def _counted(self, query: LiveQuery, cause: Cause) -> Callable[[], None]:
        """Counts a read of one run of `query`."""

        def count() -> None:
            query.read_count += 1
            self.reads[cause] += 1

        return count

    async def _join(self, query: LiveQuery, outcome: Outcome, at: Time, lost: int) -> bool:
        """Bring the outcome of a run at `at` up to the feed, and install it; False: run again."""
        own = {
            (window.spec.table.collection, id_): window.held(id_)
            for window in outcome.windows
            for id_ in window.ids
        }
        fetched: dict[DocumentKey, Held | None] = {}
        asked: dict[Question, bool] = {}
        known_at = at
        while True:
            groups = self._feed.since(at)
            late = {
                (event.collection, event.id)
                for group in groups
                if group.time > known_at
                for event in group.events
            }
            for key in late & fetched.keys():
                del fetched[key]  # it changed again while it was being read
            for question in [one for one in asked if document_of(one) in late]:
                del asked[question]
            if not query.wanted:
                return True  # it was dropped meanwhile, and must not enter the routing
            if lost != query.losses:
                return False
            if wanted := self._wanted(outcome, groups, own) - fetched.keys():
                known_at = self._feed.position
                fetched |= await self.fetch(wanted, known_at)
                continue
            changes = self._changes(outcome, groups, own, fetched)
            concerned = [
                (part, change)
                for change in changes.documents.values()
                for part in outcome.parts
                if part.spec.table.collection == change.collection and concerns(part, change)
            ]
            position = self._feed.position
            if (until := _true_until(outcome, changes, concerned, position)) is not None:
                query.install(outcome, at, until, time.monotonic())
                return True
            questions = {
                question
                for part, change in concerned
                if (question := question_of(part, change)) is not None and question not in asked
            }
            if not questions:
                return self._settle(query, outcome, concerned, asked)
            known_at = position
            accepted = await self.ask(questions, known_at, lambda _: query)
            asked |= {question: question in accepted for question in questions}

    def _wanted(
        self, outcome: Outcome, groups: list[Group], own: Mapping[DocumentKey, Any]
    ) -> set[DocumentKey]:
        """The documents of which only the database can tell what they are now."""
        found: set[DocumentKey] = set()
        for group in groups:
            for event in group.events:
                key = (event.collection, event.id)
                if event.changes is None or key in own or self._routing.held(*key) is not None:
                    continue
                roots = event.changes.roots()
                if any(
                    part.spec.table.collection == event.collection
                    and not part.entry_roots.isdisjoint(roots)
                    for part in outcome.parts
                ):
                    found.add(key)
        return found

    def _changes(
        self,
        outcome: Outcome,
        groups: list[Group],
        own: Mapping[DocumentKey, Held | None],
        fetched: Mapping[DocumentKey, Held | None],
    ) -> NetChanges:
        """What `groups` did to the documents that `outcome` looks at."""
        collections = {part.spec.table.collection for part in outcome.parts}

        def known(collection: str, id_: Any) -> tuple[Held | None, bool]:
            key = (collection, id_)
            current = self._routing.held(collection, id_)
            settled = current is not None or key in fetched
            return current or fetched.get(key) or own.get(key), settled

        def shape(name: str) -> ObjectShape | None:
            return self._routing.shape(name) if name in collections else None

        return net_changes(groups, known, shape)

    def _settle(
        self,
        query: LiveQuery,
        outcome: Outcome,
        concerned: list[tuple[Part, NetChange]],
        asked: Mapping[Question, bool],
    ) -> bool:
        """Apply what happened since the run, in one step with entering the routing."""
        position = self._feed.position
        for window in outcome.windows:
            window.second = position.seconds
        for part, change in concerned:
            if isinstance(part, Window):
                if not change.known and change.id in part.ids:
                    return False
                accepted = asked.get((part, change.id), True)
                part.change(change.id, change.new, change.roots, accepted=accepted)
        for window in outcome.windows:
            window.pass_time(position.seconds)
            window.moved.clear()
            if window.dry:
                return False
        query.install(outcome, position, None, time.monotonic())
        self._routing.add(query)
        return True

    async def fetch(self, keys: set[DocumentKey], at: Time) -> dict[DocumentKey, Held | None]:
        """The documents under `keys` at `at`, one read for each collection."""
        found: dict[DocumentKey, Held | None] = dict.fromkeys(keys)
        for collection in {collection for collection, _ in keys}:
            shape = self._routing.shape(collection)
            assert shape is not None
            ids = [stored_id(id_) for name, id_ in keys if name == collection]
            self.fetches += len(ids)
            portion = min(1_000, limits.RESULT_DOCUMENTS_MAX)
            for start in range(0, len(ids), portion):
                query = {"_id": {"$in": ids[start : start + portion]}}
                self.reads["unheld"] += 1
                for document in await self._reads.find(collection, query, at=at):
                    found[collection, identity(document["_id"])] = Held.of(document, shape)
        return found

    async def ask(
        self, questions: Set[Question], at: Time, owner: Callable[[Window], LiveQuery | None]
    ) -> set[Question]:
        """Those of `questions` to which MongoDB says yes at `at`; `owner` tells who wants to know.

        It is one read for each window.
        """
        self.asks += len(questions)
        for window, count in Counter(window for window, _ in questions).items():
            self.reads["asked"] += 1
            if (query := owner(window)) is not None:
                query.asked += count
                query.read_count += 1
        return await ask(self._reads, questions, at)


def _true_until(
    outcome: Outcome,
    changes: NetChanges,
    concerned: list[tuple[Part, NetChange]],
    position: Time,
) -> Time | None:
    """Until when an outcome was true, where by `position` only a new run can tell its value.

    None where the reads are not touched, and the windows can be brought to `position`. Otherwise
    the windows stay as they were read, and the first change that concerns them counts too.
    """
    collections = {part.spec.table.collection for part in outcome.parts}
    ends = [since for collection, since in changes.resets.items() if collection in collections]
    ends += [
        Time(one.departs, 0)
        for one in outcome.reads
        if one.departs is not None and Time(one.departs, 0) <= position
    ]
    if not ends and not any(
        isinstance(part, ReadMade) and part.touched(change) for part, change in concerned
    ):
        return None
    departures = (window.next_departure for window in outcome.windows)
    ends += [Time(second, 0) for second in departures if second is not None]
    return min([*ends, *(change.since for _, change in concerned)])
