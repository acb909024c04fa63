"""An index of parts of live queries by one term of each one's filter.

A part whose filter demands a value is found by that value, one that demands a range by what its
range overlaps, and any other by the names of the fields that could let a document in.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from typing import Any, Generic, TypeVar

from server.live.intervals import Intervals
from server.live.keys import Key, bson_key
from server.live.matching import Matcher
from server.live.paths import MISSING, leaves
from server.live.text import ChunkText

__all__ = ["TermIndex"]

T = TypeVar("T")

_LEAST: Key = ()
_GREATEST: Key = (float("inf"),)


class TermIndex(Generic[T]):
    """Parts, by the values that a document must hold to matter to them."""

    def __init__(self) -> None:
        self._equal: dict[str, dict[Key, set[T]]] = {}
        self._ranges: dict[str, Intervals[T]] = {}
        self._scanned: dict[str, set[T]] = {}
        self._unconditional: set[T] = set()

    def __bool__(self) -> bool:
        return bool(self._equal or self._ranges or self._scanned or self._unconditional)

    def add(self, part: T, matcher: Matcher, roots: Iterable[str]) -> None:
        """Keep `part`, whose filter is `matcher`'s and which waits for changes of `roots`."""
        if (equality := _equality(matcher)) is not None:
            path, keys = equality
            by_key = self._equal.setdefault(path, {})
            for key in keys:
                by_key.setdefault(key, set()).add(part)
        elif (range_ := _range(matcher)) is not None:
            path, low, high = range_
            self._ranges.setdefault(path, Intervals()).add(low, high, part)
        else:
            self._unconditional.add(part)
            for root in roots:
                self._scanned.setdefault(root, set()).add(part)

    def remove(self, part: T, matcher: Matcher, roots: Iterable[str]) -> None:
        """Let go of what `add` was given."""
        if (equality := _equality(matcher)) is not None:
            path, keys = equality
            by_key = self._equal[path]
            for key in keys:
                by_key[key].discard(part)
                if not by_key[key]:
                    del by_key[key]
            if not by_key:
                del self._equal[path]
        elif (range_ := _range(matcher)) is not None:
            path, low, high = range_
            self._ranges[path].remove(low, high, part)
            if not self._ranges[path]:
                del self._ranges[path]
        else:
            self._unconditional.discard(part)
            for root in roots:
                self._scanned[root].discard(part)
                if not self._scanned[root]:
                    del self._scanned[root]

    def find(
        self, document: Mapping[str, Any], roots: Set[str] | None, found: Callable[[T], None]
    ) -> None:
        """Give to `found` every part to which `document` can matter.

        Args:
            document: As it is stored now.
            roots: The top-level fields of it that changed; None where it may be new altogether.
            found: Called with each, perhaps more than once.
        """
        for path, by_key in self._equal.items():
            for key in _keys_at(document, path):
                for part in by_key.get(key, ()):
                    found(part)
        for path, ranges in self._ranges.items():
            if keys := _keys_at(document, path):
                for part in ranges.overlapping(min(keys), max(keys)):
                    found(part)
        if roots is None:
            for part in self._unconditional:
                found(part)
        else:
            for root in roots:
                for part in self._scanned.get(root, ()):
                    found(part)


def _equality(matcher: Matcher) -> tuple[str, frozenset[Key]] | None:
    """The equality with the fewest values; one on ``_id`` where there are several."""
    if not matcher.equalities:
        return None
    return min(matcher.equalities.items(), key=lambda term: (len(term[1]), term[0] != "_id"))


def _range(matcher: Matcher) -> tuple[str, Key, Key] | None:
    """A range, as the closed interval that it is; one with two ends where there are several."""
    if not matcher.ranges:
        return None
    path, term = min(matcher.ranges.items(), key=lambda item: None in (item[1].low, item[1].high))
    low = _LEAST if term.low is None else term.low
    return path, low, _GREATEST if term.high is None else term.high


def _keys_at(document: Mapping[str, Any], path: str) -> Collection[Key]:
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
