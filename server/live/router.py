"""Leads a change to the windows and reads that it can touch, without walking all of them.

One router for each collection. It knows the documents held, who holds each, and by the terms of
their filters who could want a document that it does not hold yet.
"""

from collections import Counter
from collections.abc import Set
from typing import Any

from server.live.held import Held
from server.live.net_changes import NetChange
from server.live.read_set import ReadMade
from server.live.terms import TermIndex
from server.live.window import Window

__all__ = ["Part", "Router"]

Part = Window | ReadMade
"""What of a live query can be touched."""


_NOBODY: frozenset[Part] = frozenset()


class Router:
    """The parts of live queries that look at one collection.

    Attributes:
        documents: Every document that some window holds, one copy for all.
        parts: Every part.
    """

    def __init__(self) -> None:
        self.documents: dict[Any, Held] = {}
        self.parts: set[Part] = set()
        self._holders: dict[Any, set[Part]] = {}
        self._terms: TermIndex[Part] = TermIndex()
        self._unjudged: set[Part] = set()
        self._uncounted: set[Part] = set()
        self._interest: Counter[str] = Counter()

    def add(self, part: Part) -> None:
        """Lead changes to `part` from now on; a window's documents are held."""
        self.parts.add(part)
        self._interest.update(part.entry_roots)
        if isinstance(part, Window):
            for id_ in part.ids:
                held = part.held(id_)
                assert held is not None
                known = self.documents.setdefault(id_, held)
                if known is not held:
                    part.adopt(id_, known)
        for id_ in part.ids or ():
            self._holders.setdefault(id_, set()).add(part)
        if part.matcher is None:
            self._unjudged.add(part)
        elif part.ids is None:
            self._uncounted.add(part)
        else:
            self._terms.add(part, part.matcher, part.entry_roots)

    def remove(self, part: Part) -> None:
        """Lead nothing to `part` any more; documents that nobody else holds are let go."""
        self.parts.discard(part)
        self._interest.subtract(part.entry_roots)
        self._interest = +self._interest
        for id_ in part.ids or ():
            self.release(id_, part)
        if part.matcher is None:
            self._unjudged.discard(part)
        elif part.ids is None:
            self._uncounted.discard(part)
        else:
            self._terms.remove(part, part.matcher, part.entry_roots)

    def hold(self, id_: Any, held: Held, part: Part) -> None:
        """`part` holds the document from now on."""
        self.documents[id_] = held
        self._holders.setdefault(id_, set()).add(part)

    def release(self, id_: Any, part: Part) -> None:
        """`part` holds the document no more."""
        holders = self._holders.get(id_)
        if holders is None:
            return
        holders.discard(part)
        if not any(isinstance(holder, Window) for holder in holders):
            self.documents.pop(id_, None)
        if not holders:
            del self._holders[id_]

    def wants(self, roots: Set[str]) -> bool:
        """Whether a change of these fields could let an unheld document in somewhere."""
        return not self._interest.keys().isdisjoint(roots)

    def touched(self, change: NetChange) -> Set[Part]:
        """The parts that `change` can touch."""
        holders = self._holders.get(change.id, _NOBODY)
        roots = change.roots
        if roots is not None and not self._unjudged and self._interest.keys().isdisjoint(roots):
            return holders
        parts = {*holders, *self._unjudged}
        if roots is None:
            parts |= self._uncounted
        elif self._interest.keys().isdisjoint(roots):
            return parts
        else:
            parts.update(part for part in self._uncounted if not part.roots.isdisjoint(roots))
        if change.new is None:
            return parts
        if roots is None:
            self._terms.find(change.new.raw, None, parts.add)
        else:
            found: set[Part] = set()
            self._terms.find(change.new.raw, roots, found.add)
            parts.update(part for part in found if not part.entry_roots.isdisjoint(roots))
        return parts
