"""What some groups did to each document, all in all."""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Any

from schemas.shape import ObjectShape
from schemas.wire.position import Time
from server.feed.events import ChangeEvent, Group
from server.live.held import Held, Unappliable

__all__ = ["NetChange", "NetChanges", "net_changes"]


_NO_ROOTS: frozenset[str] = frozenset()


@dataclass(slots=True)
class NetChange:
    """What became of one document.

    Attributes:
        collection: Where it is.
        id: Its ``_id``.
        since: When it changed first.
        new: What it is now; None where it is gone, or where it is not `known`.
        known: Whether `new` tells what it is.
        roots: The top-level fields that updates changed; None after an insert, a replacement or a
            delete.
        inserted: Whether there was no such document before.
    """

    collection: str
    id: Any
    since: Time
    new: Held | None
    known: bool
    roots: Set[str] | None
    inserted: bool


@dataclass(slots=True)
class NetChanges:
    """What some groups did, all in all.

    Attributes:
        documents: By collection and id.
        resets: Collections of which nothing is known any more, and since when.
    """

    documents: dict[tuple[str, Any], NetChange]
    resets: dict[str, Time]


def net_changes(
    groups: Iterable[Group],
    known: Callable[[str, Any], tuple[Held | None, bool]],
    shape: Callable[[str], ObjectShape | None],
) -> NetChanges:
    """Fold the events of `groups` into one change for each document.

    Args:
        groups: In order.
        known: The document as it was before, where it is held; or as it is after all the groups,
            and then True beside it.
        shape: The shape of a collection's documents; None where nobody looks at it.
    """
    changes: dict[tuple[str, Any], NetChange] = {}
    resets: dict[str, Time] = {}
    settled: set[tuple[str, Any]] = set()
    shapes: dict[str, ObjectShape | None] = {}
    for group in groups:
        for event in group.events:
            collection = event.collection
            if collection not in shapes:
                shapes[collection] = shape(collection)
            table_shape = shapes[collection]
            if table_shape is None:
                continue
            if event.kind == "reset":
                resets.setdefault(collection, group.time)
                continue
            key = (collection, event.id)
            change = changes.get(key)
            if change is None:
                document, is_settled = known(collection, event.id)
                if is_settled:
                    settled.add(key)
                change = changes[key] = NetChange(
                    collection,
                    event.id,
                    group.time,
                    document,
                    is_settled or document is not None,
                    _NO_ROOTS,
                    event.kind == "insert",
                )
            if event.changes is None:
                change.roots = None
            elif change.roots is not None:
                roots = event.changes.roots()
                change.roots = change.roots | roots if change.roots else roots
            if key not in settled:
                _fold(change, event, table_shape)
    for change in changes.values():
        if not change.known and change.roots is None:  # it came in, and then nobody could follow
            resets.setdefault(change.collection, change.since)
    return NetChanges(changes, resets)


def _fold(change: NetChange, event: ChangeEvent, shape: ObjectShape) -> None:
    if event.changes is not None:
        if change.new is None:
            return
        try:
            change.new = change.new.changed(event.changes)
        except Unappliable:
            change.new, change.known = None, False
    elif event.document is not None:
        change.new, change.known = Held.of(event.document, shape), True
    else:
        change.new, change.known = None, True
