"""What a group did to each document, all in all."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from schemas.shape import ObjectShape
from server.feed.events import ChangeEvent, Group
from server.live.held import Held, Unappliable

__all__ = ["NetChange", "net_changes"]


@dataclass(slots=True)
class NetChange:
    """What became of one document.

    Attributes:
        collection: Where it is.
        id: Its ``_id``.
        new: What it is now; None where it is gone, or where it is not `known`.
        known: Whether `new` tells what it is.
        roots: The top-level fields that updates changed; None after an insert, a replacement or a
            delete.
        inserted: Whether there was no such document before.
    """

    collection: str
    id: Any
    new: Held | None
    known: bool
    roots: set[str] | None
    inserted: bool


def net_changes(
    groups: Iterable[Group],
    held: Callable[[str, Any], Held | None],
    shape: Callable[[str], ObjectShape | None],
    settled: Callable[[str, Any], bool],
) -> tuple[dict[tuple[str, Any], NetChange], set[str]]:
    """Fold the events of `groups` into one change for each document.

    Args:
        groups: In order.
        held: The document as it was before, where it is held.
        shape: The shape of a collection's documents; None where nobody looks at it.
        settled: Whether `held` already gives the document as it is after all the groups.

    Returns:
        The changes by collection and id, and the collections that were reset.
    """
    changes: dict[tuple[str, Any], NetChange] = {}
    reset: set[str] = set()
    for group in groups:
        for event in group.events:
            table_shape = shape(event.collection)
            if table_shape is None:
                continue
            if event.kind == "reset":
                reset.add(event.collection)
                continue
            key = (event.collection, event.id)
            change = changes.get(key)
            if change is None:
                before = held(event.collection, event.id)
                known = before is not None or settled(event.collection, event.id)
                inserted = event.kind == "insert"
                change = NetChange(event.collection, event.id, before, known, set(), inserted)
                changes[key] = change
            if settled(event.collection, event.id):
                _note(change, event)
            else:
                _fold(change, event, table_shape)
    return changes, reset


def _note(change: NetChange, event: ChangeEvent) -> None:
    """Remember which fields changed; the document itself is known already."""
    if event.kind != "update" or change.roots is None:
        change.roots = None
    elif event.changes is not None:
        change.roots |= event.changes.roots()


def _fold(change: NetChange, event: ChangeEvent, shape: ObjectShape) -> None:
    _note(change, event)
    if event.kind == "delete":
        change.new, change.known = None, True
    elif event.document is not None:
        change.new, change.known = Held.of(event.document, shape), True
    elif event.changes is not None and change.new is not None:
        try:
            change.new = change.new.changed(event.changes)
        except Unappliable:
            change.new, change.known = None, False
