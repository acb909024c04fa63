"""Asks MongoDB about single documents, where a filter says what only MongoDB can judge."""

from collections.abc import Iterable
from typing import Any

from schemas.wire.position import Time
from server.feed.events import identity, stored_id
from server.live.net_changes import NetChange
from server.live.router import Part
from server.live.window import Window
from server.store.reads import Reads

__all__ = ["Question", "ask", "document_of", "question_of"]

Question = tuple[Window, Any]
"""Whether the document with this ``_id`` matches the filter of this window."""


def question_of(part: Part, change: NetChange) -> Question | None:
    """What MongoDB must be asked before `part` can take `change`."""
    if not isinstance(part, Window) or part.matcher.asks is None or change.new is None:
        return None
    if change.roots is not None and part.roots.isdisjoint(change.roots):
        return None
    return (part, change.id) if part.matcher.matches(change.new.raw) else None


def document_of(question: Question) -> tuple[str, Any]:
    """The collection and ``_id`` of the document that is asked about."""
    window, id_ = question
    return window.spec.table.collection, id_


async def ask(reads: Reads, questions: Iterable[Question], at: Time) -> set[Question]:
    """Those of `questions` whose answer is yes at `at`; one read for each window."""
    by_window: dict[Window, list[Any]] = {}
    for window, id_ in questions:
        by_window.setdefault(window, []).append(id_)
    accepted: set[Question] = set()
    for window, ids in by_window.items():
        spec = window.spec
        query = {"$and": [{"_id": {"$in": [stored_id(id_) for id_ in ids]}}, spec.query]}
        found = await reads.find(spec.table.collection, query, at=at, fields=["_id"])
        accepted |= {(window, identity(document["_id"])) for document in found}
    return accepted
