"""A read set: what a query function awaited, and so what can change its result."""

from collections.abc import Iterable
from typing import Any

from server.live.find import Spec
from server.live.matching import Matcher, compile_filter, filter_paths
from server.live.net_changes import NetChange
from server.live.ordering import NotCompiled

__all__ = ["ReadMade"]


class ReadMade:
    """One awaited read.

    Attributes:
        spec: What was read.
        matcher: The compiled filter, or None where only MongoDB can judge it.
        why_not: Why there is no matcher.
        roots: The top-level fields on which it depends whether and where a document is read.
        entry_roots: Those of them by which a document that was not read could come in.
        ids: Of the documents that were read; None for a count, which does not say.
    """

    def __init__(self, spec: Spec, ids: Iterable[Any] | None) -> None:
        self.spec = spec
        self.ids = frozenset(ids) if ids is not None else None
        self.matcher: Matcher | None = None
        self.why_not: str | None = None
        filtered = frozenset(path.partition(".")[0] for path in filter_paths(spec.query))
        try:
            self.matcher = compile_filter(spec.query)
        except NotCompiled as error:
            self.why_not = str(error)
        self.roots: frozenset[str] = filtered | spec.sort_roots
        self.entry_roots: frozenset[str] = filtered if spec.limit is None else self.roots
        self._fields = None if spec.fields is None else frozenset(spec.fields)

    def touched(self, change: NetChange) -> bool:
        """Whether what became of a document can alter what was read."""
        if self.ids is None:
            return self._count_touched(change)
        roots = change.roots
        if change.id in self.ids:
            return roots is None or self._shows(roots) or not self.roots.isdisjoint(roots)
        if change.new is None:  # gone, and was not read; or unknown, because no one wanted to know
            return roots is not None and self.matcher is None
        if roots is not None and self.matcher is not None and self.entry_roots.isdisjoint(roots):
            return False
        return self.matcher is None or self.matcher.matches(change.new.raw)

    def _shows(self, roots: set[str]) -> bool:
        return self._fields is None or not self._fields.isdisjoint(roots)

    def _count_touched(self, change: NetChange) -> bool:
        """A count does not say which documents it counted, so any that left could have been one."""
        if change.roots is not None:
            return self.matcher is None or not self.roots.isdisjoint(change.roots)
        if change.inserted and change.new is not None and self.matcher is not None:
            return self.matcher.matches(change.new.raw)
        return True
