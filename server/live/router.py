"""Leads a change to the windows and reads that it can touch, without walking all of them.

One router for each collection. It knows the documents held, who holds each, and for each part
one equality term of its filter under which a matching document must be found.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from server.live.held import Held
from server.live.matching import Matcher
from server.live.ordering import Key, bson_key
from server.live.paths import MISSING, leaves
from server.live.read_set import ReadMade
from server.live.text import ChunkText
from server.live.window import Window

__all__ = ["Part", "Router"]

Part = Window | ReadMade
"""What of a live query can be touched."""


class Router:
    """The parts of live queries that look at one collection.

    Attributes:
        documents: Every document that some window holds, one copy for all.
    """

    def __init__(self) -> None:
        self.documents: dict[Any, Held] = {}
        self._holders: dict[Any, set[Part]] = {}
        self._terms: dict[str, dict[Key, set[Part]]] = {}
        self._scanned: set[Part] = set()
        self._counts: set[Part] = set()
        self._interest: Counter[str] = Counter()

    @property
    def empty(self) -> bool:
        """Whether nobody looks at the collection."""
        return not (self._terms or self._scanned or self._counts or self._holders)

    def add(self, part: Part) -> None:
        """Lead changes to `part` from now on; a window's documents are held."""
        self._interest.update(part.entry_roots)
        if isinstance(part, ReadMade):
            for id_ in part.ids or ():
                self._holders.setdefault(id_, set()).add(part)
            if part.ids is None:
                self._counts.add(part)
                return
        else:
            for id_ in part.ids:
                held = part.held(id_)
                assert held is not None
                known = self.documents.setdefault(id_, held)
                if known is not held:
                    part.adopt(id_, known)
                self._holders.setdefault(id_, set()).add(part)
        term = _term(part.matcher)
        if term is None:
            self._scanned.add(part)
            return
        path, keys = term
        for key in keys:
            self._terms.setdefault(path, {}).setdefault(key, set()).add(part)

    def remove(self, part: Part) -> None:
        """Lead nothing to `part` any more; documents that nobody else holds are let go."""
        self._interest.subtract(part.entry_roots)
        self._interest = +self._interest
        for id_ in part.ids or ():
            self.release(id_, part)
        self._scanned.discard(part)
        self._counts.discard(part)
        term = _term(part.matcher)
        if term is None:
            return
        path, keys = term
        by_key = self._terms.get(path, {})
        for key in keys:
            parts = by_key.get(key, set())
            parts.discard(part)
            if not parts:
                by_key.pop(key, None)
        if not by_key:
            self._terms.pop(path, None)

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

    def wants(self, roots: set[str]) -> bool:
        """Whether a change of these fields could let an unheld document in somewhere."""
        return not self._interest.keys().isdisjoint(roots)

    def touched(self, id_: Any, new: Held | None) -> set[Part]:
        """The parts that what became of a document can touch."""
        parts = set(self._holders.get(id_, ()))
        parts |= self._counts
        parts |= self._scanned
        if new is None:
            return parts
        for path, by_key in self._terms.items():
            for key in _keys_at(new.raw, path):
                parts |= by_key.get(key, set())
        return parts

    def parts(self) -> set[Part]:
        """Every part."""
        found = self._scanned | self._counts
        for by_key in self._terms.values():
            found = found.union(*by_key.values())
        return found


def _term(matcher: Matcher | None) -> tuple[str, frozenset[Key]] | None:
    """The equality term to find a part by: of several, the one with the fewest values."""
    if matcher is None or not matcher.equalities:
        return None
    return min(matcher.equalities.items(), key=lambda term: (len(term[1]), term[0] != "_id"))


def _keys_at(document: Mapping[str, Any], path: str) -> Iterable[Key]:
    """The keys of the values that `path` reaches, and of the elements of arrays among them."""
    if "." not in path:
        value = document.get(path, MISSING)
        if not isinstance(value, list | ChunkText):
            return (bson_key(value),)
    keys: set[Key] = set()
    for value in leaves(document, tuple(path.split("."))):
        keys.add(bson_key(value))
        if isinstance(value, ChunkText):
            value = value.chunks()
        if isinstance(value, list):
            keys.update(bson_key(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return keys
