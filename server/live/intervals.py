"""Intervals of keys, found by what they overlap.

They are kept in blocks, ordered by their low ends; a block whose highest end lies too low is
passed over whole. So a search costs what it finds, and a comparison for every block.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Generic, TypeVar

from server.live.keys import Key

__all__ = ["Intervals"]

T = TypeVar("T")

BLOCK_SIZE_MAX = 64


class _Block(Generic[T]):
    """Some intervals in order of their low ends."""

    __slots__ = ("entries", "lows", "top")

    def __init__(self, entries: list[tuple[Key, int, Key, T]]) -> None:
        self.entries = entries
        self.measure()

    def measure(self) -> None:
        """Note the low ends, and the highest end of all."""
        self.lows = [entry[0] for entry in self.entries]
        self.top = max(entry[2] for entry in self.entries)


class Intervals(Generic[T]):
    """Closed intervals, each with its item."""

    def __init__(self) -> None:
        self._blocks: list[_Block[T]] = []
        self._firsts: list[Key] = []
        self._number = 0

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def add(self, low: Key, high: Key, item: T) -> None:
        """Keep `item` under an interval, whose ends may be the wrong way round."""
        self._number += 1  # tells entries of one low end apart, so that items are never compared
        entry = (low, self._number, high, item)
        if not self._blocks:
            self._blocks = [_Block([entry])]
        else:
            at = max(0, bisect_right(self._firsts, low) - 1)
            block = self._blocks[at]
            insort(block.entries, entry)
            block.measure()
            if len(block.entries) > BLOCK_SIZE_MAX:
                half = len(block.entries) // 2
                self._blocks[at : at + 1] = [
                    _Block(block.entries[:half]),
                    _Block(block.entries[half:]),
                ]
        self._firsts = [block.lows[0] for block in self._blocks]

    def remove(self, low: Key, high: Key, item: T) -> None:
        """Let go of what `add` was given."""
        at = max(0, bisect_left(self._firsts, low) - 1)
        while at < len(self._blocks) and self._firsts[at] <= low:
            block = self._blocks[at]
            for index, entry in enumerate(block.entries):
                if entry[3] is item and entry[0] == low and entry[2] == high:
                    del block.entries[index]
                    if block.entries:
                        block.measure()
                    else:
                        del self._blocks[at]
                    self._firsts = [one.lows[0] for one in self._blocks]
                    return
            at += 1

    def overlapping(self, low: Key, high: Key) -> Iterator[T]:
        """The items whose intervals begin at `high` or before, and end at `low` or after."""
        for block in self._blocks[: bisect_right(self._firsts, high)]:
            if block.top < low:
                continue
            for entry in block.entries[: bisect_right(block.lows, high)]:
                if entry[2] >= low:
                    yield entry[3]
