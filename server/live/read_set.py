"""A read set: what a query function awaited, and so what can change its result."""

from collections.abc import Iterable, Set
from typing import Any

from server.live.find import Spec
from server.live.held import Held
from server.live.matching import Matcher, compile_filter, filter_paths
from server.live.net_changes import NetChange
from server.live.ordering import Key, NotCompiled, Unsortable, compile_sort

__all__ = ["ReadMade", "last_key"]


class ReadMade:
    """One awaited read.

    Attributes:
        spec: What was read.
        matcher: The compiled filter, or None where only MongoDB can judge it.
        why_not: Why there is no matcher.
        why_read: Why it is read again instead of maintained; None where the function awaits it.
        roots: The top-level fields on which it depends whether and where a document is read.
        entry_roots: Those of them by which a document that was not read could come in.
        ids: Of the documents that were read; None where they are not known, as of many counted.
        departs: The second at which the first of them is too old; None where none will be.
    """

    def __init__(
        self,
        spec: Spec,
        ids: Iterable[Any] | None,
        *,
        last: Key | None = None,
        departs: int | None = None,
        why_read: str | None = None,
    ) -> None:
        """Make it of what was read.

        Args:
            spec: What was read.
            ids: Of the documents that were read, or None.
            last: The sort key of the last of them, where the limit let no more in.
            departs: When the first of them leaves a sliding window.
            why_read: Why a find that was returned is not maintained.
        """
        self.spec = spec
        self.ids = frozenset(ids) if ids is not None else None
        self.departs = departs
        self.why_read = why_read
        self.matcher: Matcher | None = None
        self.why_not: str | None = None
        filtered = frozenset(path.partition(".")[0] for path in filter_paths(spec.query))
        try:
            self.matcher = compile_filter(spec.query)
            filtered = self.matcher.roots
        except NotCompiled as error:
            self.why_not = str(error)
        if spec.within is not None:
            filtered |= {spec.within.field.partition(".")[0]}
        self.roots: frozenset[str] = filtered | spec.sort_roots
        self.entry_roots: frozenset[str] = filtered if spec.limit is None else self.roots
        self._filtered = filtered
        self._fields = None if spec.fields is None else frozenset(spec.fields)
        self._last = last
        self._order = compile_sort(spec.sort) if last is not None else None

    def touched(self, change: NetChange) -> bool:
        """Whether what became of a document can alter what was read."""
        roots = change.roots
        if self.ids is None:
            return self._unknown_touched(change)
        if change.id in self.ids:
            if roots is None or self._shows(roots) or not self.spec.sort_roots.isdisjoint(roots):
                return True
            return not self._filtered.isdisjoint(roots) and not self._certainly_in(change)
        if change.new is None:  # gone, and was not read; or unknown, because no one wanted to know
            return roots is not None and self.matcher is None
        if roots is not None and self.matcher is not None and self.entry_roots.isdisjoint(roots):
            return False
        return self._can_be_in(change)

    def _shows(self, roots: Set[str]) -> bool:
        return self._fields is None or not self._fields.isdisjoint(roots)

    def _certainly_in(self, change: NetChange) -> bool:
        """Whether a document that was read is one that would be read again."""
        return (
            change.new is not None
            and self.matcher is not None
            and self.matcher.asks is None
            and self._stays(change.new)
            and self.matcher.matches(change.new.raw)
        )

    def _stays(self, new: Held) -> bool:
        """Whether a document stays in the sliding window until it is read again in any case."""
        within = self.spec.within
        if within is None:
            return True
        return self.departs is not None and within.departure(new.raw) >= self.departs

    def _can_be_in(self, change: NetChange) -> bool:
        assert change.new is not None
        if self.matcher is None:
            return True
        if not self.matcher.matches(change.new.raw):
            return False
        if self._order is None or self._last is None:
            return True
        try:
            return self._order(change.new.raw) < self._last
        except Unsortable:
            return True

    def _unknown_touched(self, change: NetChange) -> bool:
        """It is not known which documents were read, so any that left could have been one."""
        if change.roots is not None:
            return self.matcher is None or not self.roots.isdisjoint(change.roots)
        if change.inserted and change.new is not None and self.matcher is not None:
            return self.matcher.matches(change.new.raw)
        return True


def last_key(spec: Spec, documents: list[Any]) -> Key | None:
    """The sort key of the last of `documents`, where the limit of `spec` let no more in.

    Args:
        spec: What was read.
        documents: In the order of ``spec.sort``, with the fields that it names.
    """
    if spec.limit is None or len(documents) < spec.limit:
        return None
    try:
        return compile_sort(spec.sort)(documents[-1])
    except (NotCompiled, Unsortable):
        return None
