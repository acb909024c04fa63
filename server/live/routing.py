"""Who is touched by what: the routers of all collections, and the query behind each part."""

from collections.abc import Iterable
from typing import Any

from schemas.document import Document
from schemas.shape import ObjectShape, shape_of
from schemas.wire.patch import Operation
from server.feed.events import Group
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
            self._routers.setdefault(part.spec.table.collection, Router()).add(part)
            self._owners[part] = query

    def remove(self, query: LiveQuery) -> None:
        """Lead nothing to `query` any more."""
        for part in query.parts:
            if self._owners.pop(part, None) is None:
                continue
            collection = part.spec.table.collection
            self._routers[collection].remove(part)
            if self._routers[collection].empty:
                del self._routers[collection]

    def wanted(self, group: Group) -> set[DocumentKey]:
        """The documents that nobody holds and that an update in `group` could let in."""
        found: set[DocumentKey] = set()
        for event in group.events:
            router = self._routers.get(event.collection)
            if (
                router is not None
                and event.changes is not None
                and event.id not in router.documents
                and router.wants(event.changes.roots())
            ):
                found.add((event.collection, event.id))
        return found

    def touched(self, change: NetChange) -> Iterable[tuple[LiveQuery, Part]]:
        """The parts that `change` can touch, each with its query; the held document is updated."""
        router = self._routers.get(change.collection)
        if router is None:
            return
        if change.new is not None and change.id in router.documents:
            router.documents[change.id] = change.new
        for part in router.touched(change.id, change.new):
            if concerns(part, change):
                yield self._owners[part], part

    def queries_of(self, collection: str) -> set[LiveQuery]:
        """The queries that look at `collection`."""
        router = self._routers.get(collection)
        return set() if router is None else {self._owners[part] for part in router.parts()}

    def change(self, window: Window, change: NetChange) -> list[Operation]:
        """Let `window` take `change`, and put right who holds what."""
        operations = window.change(change.id, change.new)
        router = self._routers[change.collection]
        if change.new is not None and change.id in window.ids:
            router.hold(change.id, change.new, window)
        while window.left:
            id_ = window.left.pop()
            if id_ not in window.ids:
                router.release(id_, window)
        return operations


def concerns(part: Part, change: NetChange) -> bool:
    """Whether `change` can matter to `part` at all, judged by the fields that changed."""
    if change.roots is None or part.ids is None or part.matcher is None:
        return True
    return change.id in part.ids or not part.entry_roots.isdisjoint(change.roots)
