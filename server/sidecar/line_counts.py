"""How many lines lie between two versions of a text.

A text is kept as one hash a line, which is all that counting needs and costs 8 bytes.
"""

from array import array
from collections.abc import Sequence

from server.sidecar import limits

__all__ = ["Lines", "changed_lines", "lines_of"]

Lines = Sequence[int]
"""The hash of each line."""


def lines_of(data: bytes) -> Lines | None:
    """The lines of a text; None for what is none."""
    if b"\0" in data:
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return array("q", map(hash, data.splitlines(keepends=True)))


def changed_lines(old: Lines, new: Lines) -> tuple[int, int]:
    """Lines added and lines taken away.

    The fewest that explain the difference, up to `EDITS_MAX`; where there are more, all between
    the first and the last difference.

    Source: E. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986.
    """
    start, ends = 0, (len(old), len(new))
    while start < min(ends) and old[start] == new[start]:
        start += 1
    while min(ends) > start and old[ends[0] - 1] == new[ends[1] - 1]:
        ends = ends[0] - 1, ends[1] - 1
    old, new = old[start : ends[0]], new[start : ends[1]]
    edits = _distance(old, new)
    if edits is None:
        return len(new), len(old)
    added = (edits + len(new) - len(old)) // 2
    return added, edits - added


def _distance(old: Lines, new: Lines) -> int | None:
    """The fewest insertions and deletions from `old` to `new`; None: more than `EDITS_MAX`."""
    furthest = {1: 0}
    for edits in range(min(limits.EDITS_MAX, len(old) + len(new)) + 1):
        for diagonal in range(-edits, edits + 1, 2):
            below, right = furthest.get(diagonal + 1, -1), furthest.get(diagonal - 1, -1)
            down = diagonal == -edits or (diagonal != edits and right < below)
            x = below if down else right + 1
            while x < len(old) and x - diagonal < len(new) and old[x] == new[x - diagonal]:
                x += 1
            furthest[diagonal] = x
            if x >= len(old) and x - diagonal >= len(new):
                return edits
    return None
