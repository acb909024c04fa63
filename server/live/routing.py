"""Who is touched by what: the routers of all collections, and the query behind each part."""

from collections.abc import Iterable
from typing import Any

from schemas.document import Document
from schemas.shape import ObjectShape, shape_of
from schemas.wire.patch import Operation
from server.feed.events import Step
from server.live.asking import Question, question_of
from server.live.held import Held
from server.live.live_query import LiveQuery
from server.live.net_changes import NetChange
from server.live.router import Part, Router
from server.live.window import Window

__all__ = ["DocumentKey", "Routing", "concerns"]

DocumentKey = tuple[str, Any]
"""Collection and ``_id``."""


class Routing:
    """The clean live queries, by what can touch them.

    Args:
        tables: Every table that a query may read.
    """

    def __init__(self, tables: Iterable[type[Document]]) -> None:
        self._shapes = {table.collection: shape_of(table) for table in tables}
        self._routers: dict[str, Router] = {}
        self._owners: dict[Part, LiveQuery] = {}
        self._timed: set[Part] = set()
        self._asking: dict[str, int] = {}

    def shape(self, collection: str) -> ObjectShape | None:
        """The shape of a collection's documents; None for one that is no table."""
        return self._shapes.get(collection)

    def watched(self, collection: str) -> ObjectShape | None:
        """The same, but None too where nobody looks at the collection."""
        return self._shapes.get(collection) if collection in self._routers else None

    def held(self, collection: str, id_: Any) -> Held | None:
        """The document, where some window holds it."""
        router = self._routers.get(collection)
        return None if router is None else router.documents.get(id_)

    def add(self, query: LiveQuery) -> None:
        """Lead changes to `query` from now on."""
        for part in query.parts:
            collection = part.spec.table.collection
            self._routers.setdefault(collection, Router()).add(part)
            self._owners[part] = query
            if part.spec.within is not None:
                self._timed.add(part)
            if _asks(part):
                self._asking[collection] = self._asking.get(collection, 0) + 1

    def remove(self, query: LiveQuery) -> None:
        """Lead nothing to `query` any more."""
        for part in query.parts:
            if self._owners.pop(part, None) is None:
                continue
            collection = part.spec.table.collection
            if isinstance(part, Window):
                self._settle(part)  # a change that failed half-way may have left some
            self._routers[collection].remove(part)
            if not self._routers[collection].parts:
                del self._routers[collection]
            self._timed.discard(part)
            if _asks(part):
                self._asking[collection] -= 1

    def owner(self, part: Part) -> LiveQuery | None:
        """The query that `part` is of, while changes are led to it."""
        return self._owners.get(part)

    # --- before a step is taken in -------------------------------------------------------------

    def wanted(self, step: Step) -> set[DocumentKey]:
        """The documents that nobody holds and that an update in `step` could let in."""
        found: set[DocumentKey] = set()
        for group in step.groups:
            for event in group.events:
                if event.changes is None:
                    continue
                router = self._routers.get(event.collection)
                if (
                    router is not None
                    and event.id not in router.documents
                    and router.wants(event.changes.roots())
                ):
                    found.add((event.collection, event.id))
        return found

    def asks(self, collection: str) -> bool:
        """Whether somebody who looks at `collection` must ask MongoDB about its documents."""
        return self._asking.get(collection, 0) > 0

    @property
    def asks_anything(self) -> bool:
        """Whether somebody must ask MongoDB about documents of any collection."""
        return any(self._asking.values())

    def questions(self, changes: Iterable[NetChange]) -> set[Question]:
        """What MongoDB must be asked, so that `changes` can be taken in."""
        return {
            question
            for change in changes
            for part in self._routers[change.collection].touched(change)
            if (question := question_of(part, change)) is not None
        }

    # --- taking it in --------------------------------------------------------------------------

    def touched(self, change: NetChange) -> list[tuple[LiveQuery, Part]]:
        """The parts that `change` can touch, each with its query; the held document is updated."""
        router = self._routers.get(change.collection)
        if router is None:
            return []
        if change.new is not None and change.id in router.documents:
            router.documents[change.id] = change.new
        owners = self._owners
        return [(owners[part], part) for part in router.touched(change)]

    def departing(self, second: int) -> list[tuple[LiveQuery, Part, int]]:
        """The parts of which something is too old at `second`, with since when."""
        return [
            (self._owners[part], part, departure)
            for part in self._timed
            if (departure := _departure(part)) is not None and departure <= second
        ]

    @property
    def next_departure(self) -> int | None:
        """The second at which something is too old for somebody; None where nothing ever is."""
        departures = (_departure(part) for part in self._timed)
        return min((one for one in departures if one is not None), default=None)

    def queries_of(self, collection: str) -> set[LiveQuery]:
        """The queries that look at `collection`."""
        router = self._routers.get(collection)
        return set() if router is None else {self._owners[part] for part in router.parts}

    def change(self, window: Window, change: NetChange, *, accepted: bool) -> list[Operation]:
        """Let `window` take `change`, and put right who holds what."""
        operations = window.change(change.id, change.new, change.roots, accepted=accepted)
        if window.moved:
            self._settle(window)
        return operations

    def pass_time(self, window: Window, second: int) -> list[Operation]:
        """It is `second` now; what is too old leaves `window`."""
        operations = window.pass_time(second)
        self._settle(window)
        return operations

    def _settle(self, window: Window) -> None:
        """Note what `window` holds now, and what no more."""
        router = self._routers[window.spec.table.collection]
        while window.moved:
            id_ = window.moved.pop()
            if (held := window.held(id_)) is None:
                router.release(id_, window)
            else:
                router.hold(id_, held, window)


def concerns(part: Part, change: NetChange) -> bool:
    """Whether `change` can matter to `part` at all, judged by the fields that changed."""
    if change.roots is None or part.ids is None or part.matcher is None:
        return True
    return change.id in part.ids or not part.entry_roots.isdisjoint(change.roots)


def _asks(part: Part) -> bool:
    return isinstance(part, Window) and part.matcher.asks is not None


def _departure(part: Part) -> int | None:
    return part.next_departure if isinstance(part, Window) else part.departs
